// All machines, what needs a person, and what happens now.

import { page, read, send, whole, withQuery } from "./api.js";
import { field, fill, form, h, say, table } from "./dom.js";
import { hear, heard } from "./live.js";
import { CASES, dayText, day, machineLink, machineName, may, money, since, state, stateLegend, time, typed } from "./words.js";

const FEED_MAX = 60;
/** Fleets up to so many machines are listed anew when something happens; longer lists when they are opened. */
const RELISTED_MAX = 200;
const RECOUNT_MS = 1500;

export async function overview({ me, onLeave, again }) {
  const today = day(dayText(new Date()));
  const count = () => Promise.all([
    read(withQuery("/v1/sales/totals", { from_ms: today })),
    may.money(me) ? page("/v1/refunds", { state: "open", limit: 200 }) : null,
  ]);
  let [machines, [totals, cases]] = await Promise.all([whole("/v1/machines"), count()]);
  const figures = h("dl", { class: "figures" });
  const list = h("div", {});
  const filter = h("input", { type: "search", "aria-label": "Find a machine", placeholder: "Find by name, place or number" });
  const ringing = h("div", {});
  const draw = () => {
    fill(list, machineTable(machines, filter.value, me));
    fill(ringing, alarms(machines));
    fill(figures, figureList(machines, totals.lines, cases));
  };
  filter.addEventListener("input", draw);
  draw();

  // Counting anew is cheap, but not for every one of a hundred vends a second.
  let due = null;
  const recount = () => {
    due ??= setTimeout(async () => {
      due = null;
      try {
        if (machines.length <= RELISTED_MAX) machines = await whole("/v1/machines");
        [totals, cases] = await count();
        // Whoever follows a link of the list with the keyboard keeps their place.
        if (![list, ringing].some((part) => part.contains(document.activeElement))) draw();
      } catch {
        // The next event asks again.
      }
    }, RECOUNT_MS);
  };
  onLeave(() => clearTimeout(due));
  const feed = liveFeed(onLeave, recount);

  return [
    h("div", { class: "head" }, h("h1", {}, "Machines"),
      may.machines(me) && h("a", { class: "button", href: "#new-machine", onclick: toNewMachine }, "Add a machine")),
    figures,
    h("div", { class: "columns" },
      h("div", {},
        ringing,
        h("section", { class: "sheet", "aria-label": "All machines" }, h("div", { class: "row" }, filter), list, stateLegend()),
        may.machines(me) && newMachine(again)),
      feed),
  ];
}

function figureList(machines, totals, cases) {
  const silent = machines.filter((machine) => machine.state === "silent").length;
  const figure = (term, value) => h("div", { class: "figure" }, h("dt", {}, term), h("dd", {}, value));
  return [
    totals.length === 0 && figure("Sold today", "nothing yet"),
    totals.map((line) => figure(`Sold today, ${line.count} ${line.count === 1 ? "sale" : "sales"}`, money(line.amount, line.currency))),
    figure("Machines", String(machines.length)),
    figure("Silent", String(silent)),
    cases && figure("Open refund cases", h("a", { href: "#/refunds" }, `${cases.lines.length}${cases.more ? "+" : ""}`)),
  ];
}

function alarms(machines) {
  const ringing = machines.filter((machine) => machine.alarms.length > 0);
  if (ringing.length === 0) return null;
  return h("section", { class: "sheet", "aria-label": "Needs attention" },
    h("h2", {}, "Needs attention"),
    table({
      caption: "Newest alarm of each machine first",
      columns: [
        { title: "Machine", cell: machineLink },
        { title: "What", cell: (line) => line.alarms.map((alarm) => h("div", {}, alarm.words, " ", h("span", { class: "faint small" }, time(alarm.at_ms)))) },
      ],
      lines: ringing.slice(0, 50),
      empty: "",
    }));
}

function machineTable(machines, wanted, me) {
  const needle = wanted.trim().toLowerCase();
  const lines = machines.filter((machine) =>
    [String(machine.machine), machine.name ?? "", machine.place ?? ""].some((text) => text.toLowerCase().includes(needle)));
  const empty = machines.length > 0 ? "No machine fits. Clear the field to see all of them."
    : may.machines(me) ? "There is no machine yet. Add the first one below, then enrol its reader under “Readers”."
    : "There is no machine yet.";
  return table({
    caption: machines.length === 0 ? "Machines" : `${lines.length} of ${machines.length} machines`,
    columns: [
      { title: "Machine", cell: (line) => h("a", { href: `#/machines/${line.machine}` }, machineName(line)) },
      { title: "Place", cell: (line) => line.place ?? "" },
      { title: "State", tight: true, cell: (line) => state(line.state) },
      { title: "Last seen", cell: (line) => since(line.last_seen_ms) },
      { title: "Cash expected", number: true, cell: (line) => money(line.cash_expected, line.currency) },
    ],
    lines: lines.slice(0, 500),
    empty,
  });
}

function toNewMachine(event) {
  event.preventDefault();
  const details = document.getElementById("new-machine");
  details.open = true;
  details.querySelector("input").focus();
}

function newMachine(again) {
  return h("details", { class: "sheet", id: "new-machine" },
    h("summary", {}, "Add a machine"),
    form({
      fields: [
        field("Number", h("input", { name: "machine", inputmode: "numeric", required: true, pattern: "[0-9]{1,9}" }), "unique on this server, on the machine's front"),
        field("Name", h("input", { name: "name", maxlength: 64 }), "for example Lobby coffee"),
        field("Place", h("input", { name: "place", maxlength: 128 }), "where to find it"),
        field("Currency", h("input", { name: "currency", required: true, value: "EUR", maxlength: 3, pattern: "[A-Za-z]{3}" })),
        field("Held at most for one customer", h("input", { name: "cap", inputmode: "decimal", required: true, value: "5.00" })),
        field("Vends at most in a row", h("input", { name: "vends_max", type: "number", min: 1, max: 255, required: true, value: "3" })),
        field("Cash that one visit may add to the customer's credit", h("input", { name: "revalue_max", inputmode: "decimal", value: "0" }), "0 for none"),
        field("Platform fee in hundredths of a percent", h("input", { name: "fee_basis_points", type: "number", min: 0, max: 10000, required: true, value: "0" })),
      ],
      submit: "Add the machine",
      send: async (values) => {
        const machine = Number(values.machine);
        await send("/v1/machines", {
          machine,
          currency: values.currency.toUpperCase(),
          cap: typed(values.cap),
          vends_max: Number(values.vends_max),
          fee_basis_points: Number(values.fee_basis_points),
          ...(/[1-9]/.test(values.revalue_max) && { revalue_max: typed(values.revalue_max) }),
          ...(values.name && { name: values.name }),
          ...(values.place && { place: values.place }),
        });
        say(`Machine ${machine} is registered.`);
        location.hash = `#/machines/${machine}`;
        again();
      },
    }));
}

/** The feed of what happens now. */
export function liveFeed(onLeave, ear = () => {}) {
  const status = h("span", { class: "chip" });
  const list = h("ol", { class: "feed", tabindex: 0, "aria-label": "Newest first" });
  const empty = h("p", { class: "empty" }, "Nothing has happened yet.");
  const add = (name, event) => {
    // A reader is heard with every sale; that alone is no news.
    if (name === "reader" && event.what === "heard") return;
    empty.hidden = true;
    list.prepend(h("li", { class: name }, h("span", { class: "what" }, told(name, event)), h("span", { class: "when" }, clock(event.at_ms)), h("span", { class: "faint small" }, machineLink(event))));
    while (list.children.length > FEED_MAX) list.lastElementChild.remove();
  };
  for (const [name, event] of heard()) add(name, event);
  onLeave(hear((name, event) => {
    if (name === "state") {
      const [tone, words] = { on: ["good", "live"], waiting: ["warn", "reconnecting"], off: ["", "off"] }[event];
      status.className = `chip ${tone}`;
      status.textContent = words;
      return;
    }
    add(name, event);
    ear(name, event);
  }));
  return h("section", { class: "sheet", "aria-label": "Happening now" },
    h("div", { class: "head" }, h("h2", {}, "Happening now"), status), list, empty);
}

function clock(at_ms) {
  const at = new Date(at_ms);
  return h("time", { datetime: at.toISOString() }, at.toLocaleTimeString());
}

function told(name, event) {
  switch (name) {
    case "sale": return event.kind === "cash"
      ? `${event.count} cash ${event.count === 1 ? "sale" : "sales"}, ${money(event.amount, event.currency)}`
      : `${event.product ?? `selection ${event.item}`}, ${money(event.amount, event.currency)}${event.test ? " (test)" : ""}`;
    case "session": return event.step === "granted" ? `customer at the machine, ${money(event.held, event.currency)} held` : "customer has left";
    case "refund": return event.state === "open" ? `refund case: ${CASES[event.kind] ?? event.kind}` : `refund case decided: ${event.state}`;
    case "cash": return `cash counted: ${money(event.counted, event.currency)}, difference ${money(event.difference, event.currency)}`;
    default: return event.words;
  }
}
