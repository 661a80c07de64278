// A machine's own code: its news go up, the light comes down, and the next code brings the receipt.
// No Bluetooth, no app: any browser can do this.

import { Offline, Problem, tell } from "./api.js";
import { button, el, p, title } from "./dom.js";
import { money, t } from "./words.js";
import { knownPlace, place, refresh } from "./customer.js";
import { Flash, PATCH_SIDE } from "./flash.js";
import { coloursOf } from "./optical.js";
import { unhex } from "./bytes.js";
import { receiptLine, receipts } from "./history.js";
import { isSlow, palette, warned } from "./buy.js";

const DOOR = "/t/";
/** A code's link is shorter than this. */
const LINK_LEN_MAX = 1_024;
const KEPT_CODE = "gettone.code";
const KEPT_HOLD = "gettone.light";
/** How much longer each symbol lasts for a display that stumbles. */
const SLOW_PACE = 3;
/** How many of the newest receipts are looked at for those of a hold. */
const RECENT = 20;
/** How often, and how many times, the page asks for what was just bought. */
const BOOKED_EVERY_MS = 500;
const BOOKED_TRIES = 10;
/** Reasons for which the page has words of its own. */
const REFUSALS = ["funds", "pending", "machine_off", "blocked", "reader", "taken", "stale"];

let light = null;

/** Takes the code out of the address, where nobody looks for it later. */
export function arrive() {
  if (!isCode(location.href)) return;
  bringCode(location.href);
  history.replaceState(null, "", "/#/token");
}

/** Whether a link is the code of a machine of this server's. */
export function isCode(link) {
  const { origin, pathname } = parsed(link);
  return origin === location.origin && pathname.startsWith(DOOR) && link.length <= LINK_LEN_MAX;
}

/** Goes on with such a code. */
export function bringCode(link) {
  sessionStorage.setItem(KEPT_CODE, parsed(link).pathname.slice(DOOR.length));
}

function parsed(link) {
  try {
    return new URL(link);
  } catch {
    return { origin: "", pathname: "" };
  }
}

/** Whether a code waits for somebody who had to sign in first. */
export function hasCode() {
  return sessionStorage.getItem(KEPT_CODE) !== null;
}

/** Ends the light, when the customer goes elsewhere. */
export function darken() {
  light?.stop();
  light = null;
}

/** The screen of a code. */
export function token(go) {
  const screen = el("div", { class: "buy-screen" });
  const code = sessionStorage.getItem(KEPT_CODE);
  if (code === null) screen.replaceChildren(failed("token_old", go));
  else bring(screen, code, go);
  return [screen];
}

async function bring(screen, code, go) {
  screen.replaceChildren(spinner("token_reading"));
  try {
    const told = await tell("POST", "/v1/app/token", { code });
    if (told.outcome === "rejected") {
      forget();
      screen.replaceChildren(failed("token_old", go));
      return;
    }
    screen.replaceChildren(offer(screen, code, told, go));
  } catch (fault) {
    screen.replaceChildren(trouble(fault, () => bring(screen, code, go), go));
  }
}

/** Where this is, what came with it, and the button that pays. */
function offer(screen, code, told, go) {
  return el("section", { class: "card live", data: { phase: "token" } },
    title(t("token_title")),
    machine(told.machine),
    bought(),
    button(t("token_pay"), () => begin(screen, code, go), { class: "main big", data: { name: "pay" } }),
    home(go),
  );
}

function begin(screen, code, go) {
  warned(screen, () => pay(screen, code, go), go);
}

async function pay(screen, code, go) {
  screen.replaceChildren(spinner("asking"));
  try {
    const told = await tell("POST", "/v1/app/token/light", { code });
    if (told.outcome === "granted") {
      localStorage.setItem(KEPT_HOLD, told.vend);
      shine(screen, told, go);
    } else {
      screen.replaceChildren(refused(told, () => pay(screen, code, go), go));
    }
  } catch (fault) {
    screen.replaceChildren(trouble(fault, () => pay(screen, code, go), go));
  }
}

function shine(screen, told, go) {
  const canvas = el("canvas", {
    class: "patch", width: PATCH_SIDE, height: PATCH_SIDE, role: "img", "aria-label": t("patch"),
    data: { name: "patch" },
  });
  screen.replaceChildren(
    el("section", { class: "light", data: { phase: "shining" } },
      title(t("light_title")),
      canvas,
      el("p", { class: "amount", data: { name: "cap" } }, t("granted_up_to", { amount: money(told.cap, told.currency) })),
      p(t("token_light_hint"), { class: "hint" }),
      button(t("token_seen"), () => choose(screen, told, go), { class: "main big", data: { name: "lit" } }),
      button(t("cancel"), () => go("#/"), { class: "quiet", data: { name: "cancel" } }),
    ),
  );
  darken();
  const own = new Flash(canvas, coloursOf(unhex(told.light)), isSlow() ? SLOW_PACE : 1, palette());
  light = own;
  own.play().then(() => {
    // The light is over by itself: who did not say so is asked to scan anew.
    if (light === own) screen.replaceChildren(failed("token_dark", go));
  });
}

function choose(screen, told, go) {
  darken();
  forget();
  refresh().catch(() => {});
  screen.replaceChildren(
    el("section", { class: "card live", data: { phase: "lit" } },
      title(t("granted_title")),
      machine(told.machine),
      p(t("token_receipt"), { class: "lead", data: { name: "scan-again" } }),
      p(t("token_pending", { amount: money(told.held, told.currency) }), { class: "hint" }),
      home(go),
    ),
  );
}

/** What was bought with the last light, as soon as the server has it. */
function bought() {
  const hold = localStorage.getItem(KEPT_HOLD);
  const box = el("div", { data: { name: "bought" } });
  if (hold === null) return box;
  const look = async () => {
    for (let tries = 0; tries < BOOKED_TRIES; tries += 1) {
      if (tries > 0) await new Promise((next) => setTimeout(next, BOOKED_EVERY_MS));
      if (!box.isConnected && tries > 0) return;
      const lines = (await receipts(RECENT)).lines.filter((line) => line.vend === hold);
      if (lines.length === 0) continue;
      localStorage.removeItem(KEPT_HOLD);
      box.replaceChildren(
        p(t("token_bought"), { class: "lead" }),
        el("ul", { class: "lines" }, lines.map(receiptLine)),
      );
      return;
    }
  };
  look().catch(() => {});
  return box;
}

function refused(told, retry, go) {
  const words = told.reason === "funds" && told.short_by
    ? t("refused_funds_by", { amount: money(told.short_by, told.currency) })
    : t(REFUSALS.includes(told.reason) ? `refused_${told.reason}` : "refused_other");
  const again = told.outcome === "unfinished" || told.reason === "pending";
  return el("section", { class: "card live", data: { phase: "refused" } },
    title(t("refused_title")),
    p(words, { class: "lead", data: { name: "refusal" } }),
    again ? button(t("try_again"), retry, { class: "main" }) : null,
    home(go),
  );
}

function trouble(fault, retry, go) {
  if (!(fault instanceof Offline) && !(fault instanceof Problem)) throw fault;
  const kind = fault instanceof Offline ? "fault_offline" : "fault_server";
  return el("section", { class: "card live", data: { phase: "failed" } },
    title(t("refused_title")),
    p(t(kind), { class: "lead" }),
    button(t("try_again"), retry, { class: "main" }),
    home(go),
  );
}

function failed(words, go) {
  return el("section", { class: "card live", data: { phase: "failed" } },
    title(t("token_title")),
    p(t(words), { class: "lead", data: { name: "fault", fault: words } }),
    home(go),
  );
}

function machine(number) {
  const box = el("div", { class: "machine", data: { name: "machine" } });
  const fill = (found) => {
    const name = found?.name || `№ ${number}`;
    const operator = found?.operator_name ?? found?.operator?.name ?? found?.operator ?? "";
    box.replaceChildren(
      p(t("at_machine", { name })),
      ...(found?.place ? [p(t("at_place", { place: found.place, operator }), { class: "hint" })] : []),
    );
  };
  const known = knownPlace(number);
  if (known) fill(known);
  else place(number).then(fill);
  return box;
}

function spinner(words) {
  return el("section", { class: "card live", data: { phase: words } },
    title(t(words)),
    el("div", { class: "spinner", role: "progressbar", "aria-label": t("loading") }),
  );
}

function forget() {
  sessionStorage.removeItem(KEPT_CODE);
}

function home(go) {
  return button(t("close"), () => {
    forget();
    go("#/");
  }, { class: "quiet", data: { name: "close" } });
}
