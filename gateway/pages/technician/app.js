// The technician's page: who is signed in, the light, and one machine after another.

import { Problem, ask, tell } from "../customer/api.js";
import { Said, button, el, form, p, title } from "../customer/dom.js";
import { moment, spoken } from "../customer/words.js";
import { PATCH_SIDE } from "../customer/flash.js";
import { Round } from "./round.js";
import { carryKept } from "../customer/relay.js";
import { hasRadio } from "../customer/bluetooth.js";
import { isAble } from "../customer/noise.js";
import { place } from "../customer/customer.js";
import { w } from "./words.js";

/** How much longer each symbol lasts for a display that stumbles. */
const SLOW_PACE = 3;
/** What a technician chose at the last machine. */
const CHOSEN = "gettone.technician";
const main = document.querySelector("main");
let me = null;
let round = null;

async function begin() {
  document.documentElement.lang = spoken();
  document.title = w("title");
  try {
    me = await ask("/v1/staff/me");
  } catch (fault) {
    if (!(fault instanceof Problem) || fault.status !== 401) {
      show(p(w("fault_offline"), { class: "fault", role: "alert" }), button(w("again"), begin, { class: "main" }));
      return;
    }
    me = null;
  }
  if (me) await home();
  else door(begin);
}

function show(...nodes) {
  main.replaceChildren(...nodes.flat().filter(Boolean));
  main.querySelector("h1")?.focus({ preventScroll: true });
}

/** The door; `next` once it has opened. */
function door(next) {
  const field = (name, how) => [
    el("label", { for: name }, w(name)),
    el("input", { id: name, name, required: true, ...how }),
  ];
  show(
    el("section", { class: "card" },
      title(w("title")),
      p(w("lead")),
      form({ data: { name: "sign-in" } }, async (values) => {
        try {
          me = await tell("POST", "/v1/staff/sign-in", {
            email: values.get("email"),
            password: values.get("password"),
          });
        } catch (fault) {
          throw fault instanceof Problem && fault.status === 401 ? new Said(w("wrong")) : fault;
        }
        next();
      },
        field("email", { type: "email", autocomplete: "username" }),
        field("password", { type: "password", autocomplete: "current-password" }),
        el("button", { class: "main" }, w("sign_in")),
      ),
    ),
  );
}

/** Before a machine. */
async function home() {
  round?.leave();
  round = null;
  if (!hasRadio() || !(await isAble())) {
    show(title(w("title")), p(w(hasRadio() ? "no_crypto" : "no_radio"), { class: "note warn", data: { name: "unable" } }), foot());
    return;
  }
  const chosen = kept();
  const check = (name, label) =>
    el("label", { class: "check" },
      el("input", {
        type: "checkbox", name, checked: chosen[name], data: { name },
        on: { change: (event) => keep({ ...kept(), [name]: event.target.checked }) },
      }), w(label));
  show(
    el("section", { class: "card" },
      title(w("start")),
      p(w("lead")),
      p(w("start_hint"), { class: "hint" }),
      check("reported", "report_wanted"),
      check("gentle", "gentle"),
      check("slow", "slow"),
      button(w("light"), () => {
        const { slow, gentle, reported } = kept();
        round = new Round(draw, { pace: slow ? SLOW_PACE : 1, palette: gentle ? "gentle" : "full", reported });
        flash();
      }, { class: "main big", data: { name: "light" } }),
    ),
    foot(),
  );
}

function foot() {
  return el("p", { class: "foot hint" },
    me.name,
    el("a", { href: "/console" }, w("console")),
    button(w("sign_out"), async () => {
      // Who cannot reach the server is signed out there when the session is over.
      await tell("POST", "/v1/staff/sign-out").catch(() => {});
      me = null;
      door(begin);
    }, { class: "quiet" }),
  );
}

function flash() {
  const canvas = el("canvas", {
    class: "patch", width: PATCH_SIDE, height: PATCH_SIDE, role: "img", "aria-label": w("patch"),
    data: { name: "patch" },
  });
  show(
    el("section", { class: "light", data: { phase: "flashing" } },
      title(w("light_title")),
      canvas,
      p(w("light_hint"), { class: "hint" }),
      button(w("seen"), () => round?.pick(), { class: "main big", data: { name: "seen" } }),
      button(w("cancel"), home, { class: "quiet", data: { name: "cancel" } }),
    ),
  );
  round.show(canvas);
}

/** What is known of this machine, and what is to be done next. */
function draw(state) {
  // The light goes on while the browser shows its own choice of machines.
  if (state !== round || ["flashing", "choosing"].includes(state.phase)) return;
  if (state.fault === "signed_out" && state.phase !== "linked") {
    door(() => state === round && draw(Object.assign(state, { fault: null })));
    return;
  }
  const card = el("section", { class: "card", data: { phase: state.phase } },
    title(w(state.phase)),
    state.phase === "connecting" ? el("div", { class: "spinner", role: "progressbar", "aria-label": w("connecting") }) : null,
    state.fault ? p(w(`fault_${state.fault}`), { class: "note warn", role: "alert", data: { name: "fault", fault: state.fault } }) : null,
    state.id ? known(state) : null,
    state.known ? receipts(state) : null,
    state.isListed ? parts(state) : null,
    state.known ? reported(state) : null,
    state.phase === "connecting" ? null : next(state),
  );
  const before = main.querySelector(":scope > section.card[data-phase]");
  // The same again says nothing new to somebody who listens.
  if (before?.isEqualNode(card)) return;
  if (before?.dataset.phase === state.phase) before.replaceWith(card);
  else show(card, foot());
}

function known(state) {
  const box = el("div", { class: "machine", data: { name: "machine" } });
  const fill = (found) => box.replaceChildren(
    p(found?.name || w("machine", { number: state.machine ?? "…" })),
    found?.place ? p(found.place, { class: "hint" }) : "",
    p(`${w("reader")} ${state.id}`, { class: "hint" }),
  );
  fill(state.place ?? null);
  if (state.machine && state.place === undefined) {
    state.place = null;
    place(state.machine).then((found) => {
      state.place = found;
      draw(state);
    });
  }
  return box;
}

function receipts(state) {
  const { waiting, first } = state;
  const said = waiting === null ? w("receipts_unknown") : waiting > 0 ? w("receipts_left", { count: waiting }) : w("receipts_none");
  return el("div", { class: "part", data: { name: "receipts", waiting: waiting ?? "" } },
    p([el("strong", {}, w("receipts")), el("span", { class: "state" }, said)]),
    el("progress", { max: Math.max(first, 1), value: waiting === null ? 0 : Math.max(first, 1) - waiting, "aria-label": w("receipts") }),
  );
}

function parts(state) {
  if (state.packages.length === 0) return p(w("packages_none"), { class: "hint", data: { name: "no-packages" } });
  return state.packages.map((one) => {
    const percent = Math.floor((100 * one.given) / one.size);
    const name = one.kind === "firmware" ? w("firmware_package", { number: version(one.number) }) : w("configuration", { number: one.number });
    const [before, after] = [state.before, state.known].map((known) =>
      one.kind === "firmware" ? known?.firmware : known?.configuration);
    const is = one.state === "done" ? 1 : one.given / one.size;
    return el("div", { class: "part", data: { package: one.kind, state: one.state, from: one.from ?? "" } },
      p([el("strong", {}, name), el("span", { class: "state" }, w(`state_${one.state}`, { percent }))]),
      el("progress", { max: 1, value: is, "aria-label": name }),
      after === undefined || after === null ? null
        : p(w("before_after", { before: before ?? "–", after }), { class: "hint", data: { name: "before-after" } }),
    );
  });
}

/** A firmware's version as people write it. */
function version(number) {
  return [number >>> 16, (number >>> 8) & 0xff, number & 0xff].join(".");
}

function reported(state) {
  const { asked_at: asked, taken_at: taken, report } = state.report ?? {};
  if (!report) return asked ? p(w("report_coming"), { class: "hint", data: { name: "report-coming" } }) : null;
  return el("details", { class: "part", open: true, data: { name: "report" } },
    el("summary", {}, w("report")),
    taken ? p(w("report_at", { when: moment(taken) }), { class: "hint" }) : null,
    el("pre", { class: "report", tabindex: 0 }, report),
  );
}

function next(state) {
  const isLinked = state.phase === "linked";
  const advice = state.isDone ? "done" : isLinked ? "work" : state.isGiven ? "restart" : "link";
  const isKnown = state.known !== null || isLinked;
  return [
    isKnown ? p(w(`next_${advice}`), { class: "next", role: "status", data: { name: "next", advice } }) : null,
    isLinked
      ? button(w("finish"), () => state.leave(), { class: state.isDone ? "main" : "quiet", data: { name: "finish" } })
      : button(w("again"), flash, { class: state.isDone ? "quiet" : "main", data: { name: "again" } }),
    isLinked ? null : button(w("other"), home, { class: state.isDone ? "main" : "quiet", data: { name: "other" } }),
  ];
}

function kept() {
  const usual = {
    reported: true, slow: false,
    gentle: window.matchMedia("(prefers-reduced-motion: reduce)").matches,
  };
  try {
    return { ...usual, ...JSON.parse(localStorage.getItem(CHOSEN) ?? "{}") };
  } catch {
    return usual;
  }
}

function keep(chosen) {
  try {
    localStorage.setItem(CHOSEN, JSON.stringify(chosen));
  } catch {
    // A forbidden store: asked again at the next machine.
  }
}

window.addEventListener("online", carryKept);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") carryKept();
});
// A package that is half there goes on with the next link; still worth a question.
window.addEventListener("beforeunload", (event) => {
  if (round?.phase === "linked" && !round.isDone) event.preventDefault();
});
carryKept();
begin();
