// Buying: the warning, the light, the machine's own choice, the end; each as the reader says.

import { button, el, p, title } from "./dom.js";
import { decimal, money, t } from "./words.js";
import { hasRadio, isRadioOn } from "./bluetooth.js";
import { knownPlace, place, refresh, wallets, whileSetAside } from "./customer.js";
import { Visit } from "./visit.js";
import { favouriteForm } from "./favourite.js";
import { isAble } from "./noise.js";
import { scanButton } from "./scan.js";
import { receiptLine, receipts } from "./history.js";
import { PATCH_SIDE } from "./flash.js";

const WARNED = "gettone.warned";
const SLOW = "gettone.slow";
const GENTLE = "gettone.gentle";
/** How much longer each symbol lasts for a display that stumbles. */
const SLOW_PACE = 3;
/** How many of the newest receipts are looked at for those of a visit. */
const RECENT = 20;
/** How often, and how many times, the page asks for what was just bought. */
const BOOKED_EVERY_MS = 500;
const BOOKED_TRIES = 10;
/** Reasons for which the page has words of its own. */
const REFUSALS = ["funds", "pending", "machine_off", "blocked", "reader"];

let visit = null;

/** Whether the light is to be slow. */
export function isSlow() {
  return localStorage.getItem(SLOW) === "yes";
}

/** Has the light be slow, or as usual. */
export function setSlow(light) {
  if (light === "slow") localStorage.setItem(SLOW, "yes");
  else localStorage.removeItem(SLOW);
}

/** The colours of the light: gentle where the customer says so or, unless they do, asks their phone for less motion. */
export function palette() {
  const chosen = localStorage.getItem(GENTLE);
  const isGentle = chosen ? chosen === "yes" : isStill();
  return isGentle ? "gentle" : "full";
}

/** Has the light be gentle, or full. */
export function setPalette(colours) {
  localStorage.setItem(GENTLE, colours === "gentle" ? "yes" : "no");
}

/** Whether the customer asks their phone for less motion. */
function isStill() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** The screen of a purchase. */
export function buy(go) {
  const screen = el("div", { class: "buy-screen" });
  begin(screen, go);
  return [screen];
}

/** Ends what is under way, when the customer goes elsewhere. */
export function abandon() {
  visit?.end();
  visit = null;
}

async function begin(screen, go) {
  if (!hasRadio()) {
    screen.replaceChildren(...noRadio(go));
    return;
  }
  if (!(await isAble())) {
    screen.replaceChildren(title(t("no_radio_title")), p(t("no_crypto"), { class: "lead" }), home(go));
    return;
  }
  warned(screen, () => flash(screen, go), go);
}

/** Warns of the light before the first one, and goes on with `next`. */
export function warned(screen, next, go) {
  // Who asks for less motion is asked before every light, not only before the first.
  if (isStill() || localStorage.getItem(WARNED) !== "yes") {
    screen.replaceChildren(...warning(next, go));
    return;
  }
  next();
}

function noRadio(go) {
  return [
    el("section", { class: "card", data: { name: "no-radio" } },
      title(t("no_radio_title")),
      p(t("no_radio_code"), { class: "lead" }),
      scanButton(go),
      p(t("no_radio_text")),
      p(t("no_radio_else")),
      home(go),
    ),
  ];
}

function warning(next, go) {
  return [
    el("section", { class: "card warning", data: { name: "warning" } },
      title(t("warn_title")),
      p(t("warn_text")),
      palette() === "gentle" ? p(t("gentle_on"), { data: { name: "gentle-on" } }) : null,
      button(t("warn_yes"), () => {
        localStorage.setItem(WARNED, "yes");
        next();
      }, { class: "main", data: { name: "warned" } }),
      button(t("warn_no"), () => go("#/"), { class: "quiet" }),
    ),
  ];
}

function flash(screen, go) {
  abandon();
  const own = new Visit((state) => {
    if (visit === own) show(state, screen, go);
  }, isSlow() ? SLOW_PACE : 1, palette());
  visit = own;
  const canvas = el("canvas", {
    class: "patch", width: PATCH_SIDE, height: PATCH_SIDE, role: "img", "aria-label": t("patch"),
    data: { name: "patch" },
  });
  screen.replaceChildren(
    el("section", { class: "light", data: { phase: "flashing" } },
      title(t("light_title")),
      canvas,
      p(t("light_hint"), { class: "hint" }),
      button(t("light_done"), () => own.pick(), { class: "main big", data: { name: "seen" } }),
      isSlow() ? null : button(t("light_slower"), () => {
        setSlow("slow");
        flash(screen, go);
      }, { class: "quiet" }),
      button(t("cancel"), () => go("#/"), { class: "quiet", data: { name: "cancel" } }),
    ),
  );
  own.show(canvas);
}

function show(state, screen, go) {
  // The light goes on while the browser shows its own choice of machines.
  if (state.phase === "flashing" || state.phase === "choosing") return;
  const retry = () => flash(screen, go);
  const sheet = sheets(state, retry, go);
  const box = screen.querySelector(".live");
  // The same sheet again says nothing new to somebody who listens.
  const taken = state.phase === "over" ? state.receipts : 0;
  const key = JSON.stringify([state.phase, state.last, state.reason, state.shortBy, state.fault,
    state.remaining, taken, state.grant, state.canAsk, state.vends]);
  if (box?.dataset.key === key) return;
  const live = el("section", {
    class: "card live", "aria-live": "polite", data: { phase: state.phase, key },
  }, sheet);
  screen.replaceChildren(live);
}

function sheets(state, retry, go) {
  const amount = (minor) => shown(state, minor);
  const finish = button(t("finish"), () => visit?.leave(), { class: "main", data: { name: "finish" } });
  switch (state.phase) {
    case "connecting":
    case "asking":
    case "closing":
    case "resuming":
      return [title(t(state.phase)), spinner(), trouble(state)];
    case "granted":
      return [
        title(t("granted_title")),
        standing(state),
        el("p", { class: "amount", data: { name: "remaining" } }, t("granted_up_to", { amount: amount(state.remaining) })),
        state.vends.length ? p(t("granted_more"), { class: "hint" }) : null,
        machine(state, "live"),
        trouble(state),
        finish,
      ];
    case "vending":
      return [title(t("vending_title")), spinner(), p(t("vending_hint"), { class: "lead" }), trouble(state)];
    case "waiting":
      return [title(t("waiting_title")), p(t("waiting_hint"), { class: "lead" }), done(go)];
    case "refused":
      return [
        title(t("refused_title")),
        p(refusal(state), { class: "lead", data: { name: "refusal" } }),
        machine(state, "past"),
        state.canAsk ? button(t("try_again"), () => visit?.again(), { class: "main" }) : null,
        done(go),
      ];
    case "over":
      return [
        title(state.vends.includes("vended") ? t("vended") : t("over_title")),
        // What went well stands above and below, and what was too dear is no news any more.
        ["vended", "denied"].includes(state.last) ? null : standing(state),
        bought(state),
        machine(state, "past"),
        trouble(state),
        state.canAsk ? button(t("again"), () => visit?.again(), { class: "quiet" }) : null,
        done(go),
      ];
    case "lost":
      return [title(t("lost_title")), p(t("lost_hint"), { class: "lead" }), standing(state), done(go)];
    default:
      return [
        title(t("refused_title")),
        p(t(`fault_${state.fault ?? "server"}`), { class: "lead", data: { name: "fault", fault: state.fault } }),
        state.fault === "radio" ? radioHint() : null,
        button(t("try_again"), retry, { class: "main" }),
        done(go),
      ];
  }
}

/** How the last choice went. */
function standing(state) {
  const words = {
    vended: () => t("vended"),
    failed: () => t("failed_vend"),
    denied: () =>
      state.shortBy ? t("denied", { amount: shown(state, state.shortBy) }) : t("denied_plain"),
    unknown: () => t("unknown_vend"),
    cash_taken: () => t("cash_taken"),
  }[state.last];
  if (!words) return null;
  return p(words(), { class: `lead result ${state.last}`, role: "status", data: { name: "result", result: state.last } });
}

/** The receipts of this visit, as soon as the server has them. */
function bought(state) {
  const count = state.vends.filter((result) => result === "vended").length;
  if (count === 0) return ["none", "denied"].includes(state.last) ? p(t("over_nothing"), { class: "hint" }) : null;
  if (state.receipts < count) return p(t("receipt_soon"), { class: "hint" });
  const list = el("ul", { class: "lines", data: { name: "bought" } });
  const balance = el("p", { class: "hint", data: { name: "balance" } });
  booked(state.holds, count).then((lines) => list.replaceChildren(...lines.map(receiptLine)), () => {});
  const tell = () => {
    const one = wallets().find((wallet) => wallet.currency === currency(state)) ?? wallets()[0];
    if (!one) return;
    balance.textContent = `${t("available")}: ${money(one.available ?? one.emoney, one.currency)}`;
  };
  refresh().then(() => {
    tell();
    whileSetAside(balance, tell);
  }, () => {});
  return el("div", {}, list, balance);
}

/** What was sold on these holds: the list follows the books a moment later, so it is asked for again. */
async function booked(holds, count) {
  let lines = [];
  for (let tries = 0; tries < BOOKED_TRIES; tries += 1) {
    if (tries > 0) await new Promise((go) => setTimeout(go, BOOKED_EVERY_MS));
    lines = (await receipts(RECENT)).lines.filter((line) => holds.has(line.vend));
    if (lines.length >= count) break;
  }
  return lines;
}

/** Where the grant is good: whoever stands elsewhere is to notice. */
function machine(state, when) {
  if (!state.grant.machine) return null;
  const box = el("div", { class: "machine", data: { name: "machine" } });
  const fill = (found) => {
    const name = found?.name || `№ ${state.grant.machine}`;
    const operator = found?.operator_name ?? found?.operator?.name ?? found?.operator ?? "";
    box.replaceChildren(
      ...[
        p(t("at_machine", { name })),
        found?.place ? p(t("at_place", { place: found.place, operator }), { class: "hint" }) : null,
        when === "live" ? p(t("not_here"), { class: "hint" }) : null,
        when === "live" && state.grant.favourite ? favouriteSaid(state) : null,
        when === "past" && found ? favouriteForm(found) : null,
      ].filter(Boolean),
    );
  };
  const known = knownPlace(state.grant.machine);
  if (known) fill(known);
  else place(state.grant.machine).then(fill);
  return box;
}

/** What becomes of the choice that was made beforehand. */
function favouriteSaid(state) {
  if (state.reason === "no_favourite") {
    return p(t("favourite_refused"), { class: "note", role: "status", data: { name: "favourite" } });
  }
  return state.vends.length ? null : p(t("favourite_coming"), { class: "hint", data: { name: "favourite" } });
}

function refusal(state) {
  const { reason, grant } = state;
  if (reason === "funds" && grant.short_by && grant.currency) {
    return t("refused_funds_by", { amount: money(grant.short_by, grant.currency) });
  }
  return t(REFUSALS.includes(reason) ? `refused_${reason}` : "refused_other");
}

function trouble(state) {
  if (!["offline", "server"].includes(state.fault)) return null;
  return p(t(`fault_${state.fault}`), { class: "note", role: "status" });
}

function radioHint() {
  const hint = el("p", { class: "hint" });
  isRadioOn().then((on) => {
    if (!on) hint.textContent = t("radio_off");
  });
  return hint;
}

function currency(state) {
  return state.grant.currency ?? wallets()[0]?.currency ?? "EUR";
}

/** Minor units as the server writes them: with as many digits as its own amounts have. */
function shown(state, minor) {
  const sample = state.grant.held ?? state.grant.balance ?? wallets()[0]?.emoney ?? "0.00";
  return money(decimal(minor, sample.split(".")[1]?.length ?? 0), currency(state));
}

function spinner() {
  return el("div", { class: "spinner", role: "progressbar", "aria-label": t("loading") });
}

function done(go) {
  return button(t("close"), () => go("#/"), { class: "quiet", data: { name: "close" } });
}

function home(go) {
  return button(t("back"), () => go("#/"), { class: "main" });
}
