// One machine: its state, what it sells, its lock, its cash.

import { page, patch, put, read, remove, send } from "./api.js";
import { confirm, field, fill, form, h, say, table, trouble } from "./dom.js";
import { hear } from "./live.js";
import { saleColumns } from "./sales.js";
import { difference, lock, machineName, may, money, since, state, stateLegend, time, typed } from "./words.js";

export async function machine({ me, parts: [number], onLeave }) {
  const path = `/v1/machines/${number}`;
  const [first, cash, sold] = await Promise.all([
    read(path),
    read(`${path}/cash`),
    page("/v1/sales", { machine: number, limit: 10 }),
  ]);
  const context = { me, path, shown: first };
  const title = h("h1", {}, machineName(first));
  const facts = h("section", { class: "sheet", "aria-label": "State" });
  const guard = h("section", { class: "sheet", "aria-label": "Lock" });
  const redraw = (shown) => {
    context.shown = shown;
    title.textContent = machineName(shown);
    fill(facts, factList(context, redraw));
    fill(guard, lockBox(context, redraw));
  };
  redraw(first);
  // Whatever happens to this machine may change what is shown; a burst is one reload.
  let due = null;
  onLeave(hear((name, event) => {
    if (name === "state" || String(event.machine) !== number) return;
    due ??= setTimeout(async () => {
      due = null;
      if (facts.contains(document.activeElement) || guard.contains(document.activeElement)) return;
      try {
        redraw(await read(path));
      } catch {
        // The next event asks again.
      }
    }, 1000);
  }));
  onLeave(() => clearTimeout(due));
  const recent = h("section", { class: "sheet", "aria-label": "Newest sales" },
    h("div", { class: "head" }, h("h2", {}, "Newest sales"), h("a", { href: `#/sales?machine=${number}` }, "All sales of this machine")),
    table({ caption: "The last ten", columns: saleColumns({ machine: false }), lines: sold.lines, empty: "Nothing has been sold here yet." }));
  return [
    h("p", { class: "small" }, h("a", { href: "#/" }, "All machines")),
    title,
    h("div", { class: "columns even" },
      h("div", {}, facts, may.machines(me) && placeForm(context, redraw), testVend(context)),
      h("div", {}, guard, cashBox(context, cash, onLeave), auditBox(context))),
    products(context),
    recent,
  ];
}

function factList({ shown }) {
  const pairs = [
    ["State", [state(shown.state), " "]],
    ["Last seen", since(shown.last_seen_ms)],
    ["Place", shown.place ?? "not told"],
    ["Reader", shown.reader ? h("a", { class: "code", href: "#/readers" }, shown.reader) : "none; enrol one under “Readers”"],
    ["Machine's bus", (shown.mdb_state ?? "not heard yet").replaceAll("_", " ")],
    ["One customer", `at most ${money(shown.cap, shown.currency)} and ${shown.vends_max} vends in a row`],
    ["Cash for credit", /[1-9]/.test(shown.revalue_max) ? `at most ${money(shown.revalue_max, shown.currency)} in one visit` : "not taken"],
    ["Platform fee", `${(shown.fee_basis_points / 100).toFixed(2)} %`],
  ];
  return [
    h("h2", {}, "State"),
    h("dl", { class: "pairs" }, pairs.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    shown.alarms.map((alarm) => h("p", { class: "warning" }, alarm.words, " ", time(alarm.at_ms))),
    stateLegend(),
  ];
}

function placeForm({ path, shown }, redraw) {
  return h("details", { class: "sheet" }, h("summary", {}, "Change name and place"),
    form({
      fields: [
        field("Name", h("input", { name: "name", maxlength: 64, value: shown.name ?? "" })),
        field("Place", h("input", { name: "place", maxlength: 128, value: shown.place ?? "" })),
      ],
      submit: "Save",
      send: async ({ name, place }) => {
        redraw(await patch(path, { name, place }));
        say("Name and place are saved.");
      },
    }));
}

function lockBox(context, redraw) {
  const { me, path, shown } = context;
  const wanted = shown.lock.wanted === "locked";
  const box = trouble();
  const order = async (what) => {
    box.textContent = "";
    try {
      redraw(await send(`${path}/${what}`));
      say(what === "lock" ? "No new customers from now on." : "Customers are let in again.");
    } catch (fault) {
      box.textContent = fault.message;
    }
  };
  return [
    h("div", { class: "head" }, h("h2", {}, "Lock"), lock(shown.lock)),
    h("p", { class: "faint small" }, "The server stops at once to admit new customers. The reader's own display says “out of service” once the next phone has carried the order there."),
    box,
    may.machines(me) && h("div", { class: "actions" },
      wanted
        ? h("button", { type: "button", onclick: () => order("unlock") }, "Unlock the machine")
        : h("button", { type: "button", class: "grave", disabled: shown.state === "no-reader", onclick: () => order("lock") }, "Lock the machine")),
  ];
}

function testVend({ me, path }) {
  if (!may.machines(me)) return null;
  const done = h("p", { class: "note", hidden: true, role: "status" });
  return h("section", { class: "sheet", "aria-label": "Test vend" },
    h("h2", {}, "Test vend"),
    h("p", { class: "faint small" }, "The named customer's next session here, within 10 minutes, is a test: your promotions account pays, nobody's wallet does."),
    form({
      fields: [field("Customer number", h("input", { name: "customer", inputmode: "numeric", required: true, pattern: "[0-9]{1,15}" }))],
      submit: "Allow a test vend",
      submitClass: "",
      send: async ({ customer }) => {
        await send(`${path}/test-vends`, { customer: Number(customer) });
        done.hidden = false;
        done.textContent = `Customer ${customer} has 10 minutes. Flash the code at the reader and choose.`;
      },
    }),
    done);
}

/** What the machine says of itself, from a file of its own (EVA-DTS). */
function auditBox({ me, path }) {
  const told = h("div", {});
  const draw = (audit) => fill(told, [
    h("dl", { class: "pairs" },
      h("dt", {}, "Brought"), h("dd", {}, time(audit.at_ms), ` by ${audit.by}`),
      h("dt", {}, "Sold since it was made"), h("dd", {}, audit.sold.value ? money(audit.sold.value, audit.currency) : "not told"),
      h("dt", {}, "Cash by the machine"), h("dd", {}, audit.cash.by_machine ? `${money(audit.cash.by_machine, audit.currency)} (${audit.cash.source})` : "not told"),
      h("dt", {}, "Cash by the ledger"), h("dd", {}, money(audit.cash.by_ledger, audit.currency))),
    audit.whole === "yes" ? null : h("p", { class: "warning" }, `The file is ${audit.whole}: bring it again.`),
    table({
      caption: `Prices: ${audit.drifts} of ${audit.products.length} differ from the catalogue`,
      columns: [
        { title: "Product", cell: (line) => line.id },
        { title: "Wanted", number: true, cell: (line) => line.wanted ? money(line.wanted, audit.currency) : "" },
        { title: "Seen", number: true, cell: (line) => line.seen ? money(line.seen, audit.currency) : "" },
        { title: "", cell: (line) => line.drifted ? "differs" : "" },
      ],
      lines: audit.products,
      empty: "The file names no products.",
    }),
  ].filter(Boolean));
  const box = h("details", { class: "sheet" }, h("summary", {}, "The machine's own audit (EVA-DTS)"), told,
    may.money(me) && form({
      fields: [field("File", h("input", { name: "file", type: "file", required: true }))],
      submit: "Bring",
      send: async ({ file }) => draw(await put(`${path}/dts`, { words: await file.text() })),
    }));
  box.addEventListener("toggle", async () => {
    if (!box.open) return;
    try {
      draw(await read(`${path}/dts`));
    } catch {
      fill(told, h("p", { class: "small" }, "No audit has been brought yet."));
    }
  }, { once: true });
  return box;
}

function cashBox(context, first, onLeave) {
  const { me, path } = context;
  const section = h("section", { class: "sheet", "aria-label": "Cash" });
  // The list of counts follows the books at its own pace: an answer to a count may not have it yet.
  let isBooking = false;
  let isBehind = false;
  const draw = (cash) => {
    const told = h("p", { class: "faint", role: "status" });
    const input = h("input", { name: "counted", inputmode: "decimal", required: true, autocomplete: "off" });
    input.addEventListener("input", () => {
      const over = difference(typed(input.value), cash.expected);
      told.textContent = over === null ? "" : over.startsWith("-") ? `${money(over.slice(1), cash.currency)} short` : /^[0.]+$/.test(over) ? "exactly as expected" : `${money(over, cash.currency)} over`;
    });
    fill(section,
      h("h2", {}, "Cash"),
      h("dl", { class: "pairs" },
        h("dt", {}, "Expected in the box"), h("dd", { class: "expected" }, money(cash.expected, cash.currency)),
        h("dt", {}, "Since"), h("dd", {}, cash.since_ms ? time(cash.since_ms) : "the machine was registered")),
      may.money(me) && form({
        className: "fields",
        fields: [field("Counted", input, "notes and coins together"), told],
        submit: "Book the count",
        send: async ({ counted }) => {
          isBooking = true;
          try {
            draw(await send(`${path}/cash-counts`, { counted: typed(counted) }, { key: countKey(typed(counted)) }));
          } finally {
            isBooking = false;
          }
          countKey.made = null;
          say("The count is booked.");
          if (isBehind) await redraw();
        },
      }),
      table({
        caption: "Earlier counts",
        columns: [
          { title: "When", cell: (line) => time(line.at_ms) },
          { title: "Expected", number: true, cell: (line) => money(line.expected, cash.currency) },
          { title: "Counted", number: true, cell: (line) => money(line.counted, cash.currency) },
          { title: "Difference", number: true, cell: (line) => money(line.difference, cash.currency) },
          { title: "By", cell: (line) => line.by },
        ],
        lines: cash.counts,
        empty: "The box has not been counted yet.",
      }));
  };
  draw(first);
  const redraw = async () => {
    // Nobody loses what they are writing; its own answer draws the rest.
    isBehind = isBooking;
    if (isBooking || section.querySelector("input")?.value) return;
    try {
      draw(await read(`${path}/cash`));
    } catch {
      // Opening the page again shows it.
    }
  };
  onLeave(hear((name, event) => {
    if (name === "cash" && event.machine === context.shown.machine) redraw();
  }));
  return section;
}

/** The key of a count: the same for retries of the same amount. */
function countKey(counted) {
  if (countKey.made?.counted !== counted) countKey.made = { counted, key: crypto.randomUUID() };
  return countKey.made.key;
}

function products(context) {
  const { me, path } = context;
  const section = h("section", { class: "sheet", "aria-label": "Products and prices" });
  const box = trouble();
  const draw = () => {
    const { shown } = context;
    const lines = [...shown.products].sort((one, other) => one.item - other.item);
    fill(section,
      h("h2", {}, "Products and prices"),
      h("p", { class: "faint small" }, "The machine charges the price it has set itself. This list names what is sold, shows customers what to expect, and flags a sale at more than three times its price here."),
      box,
      may.machines(me) ? h("div", { class: "scroll" }, h("table", { class: "edit" },
        h("caption", {}, lines.length === 0 ? "Nothing is listed yet. Add the first selection." : "Change a name or a price, then save its line."),
        h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "Selection"), h("th", { scope: "col" }, "Name"), h("th", { scope: "col", class: "number" }, `Price, ${shown.currency}`), h("th", { scope: "col" }, ""))),
        h("tbody", {}, lines.map((line) => productRow(line)), newRow())))
      : table({
        caption: "What is sold here",
        columns: [
          { title: "Selection", number: true, cell: (line) => line.item },
          { title: "Name", cell: (line) => line.name },
          { title: "Price", number: true, cell: (line) => money(line.price, shown.currency) },
        ],
        lines,
        empty: "Nothing is listed yet.",
      }));
  };
  const change = async (act, words, item) => {
    box.textContent = "";
    try {
      context.shown = await act();
      draw();
      say(words);
      section.querySelector(`[data-item="${item}"] input`)?.focus();
    } catch (fault) {
      box.textContent = fault.message;
    }
  };
  const save = (item, name, price) => change(
    () => put(`${path}/products/${item}`, { name: name.trim(), price: typed(price) }), `Selection ${item} is saved.`, item);
  const onEnter = (act) => (event) => { if (event.key === "Enter") act(); };

  const productRow = (line) => {
    const button = h("button", { type: "button", disabled: true }, "Save");
    const name = h("input", { "aria-label": `Name of selection ${line.item}`, value: line.name, maxlength: 64 });
    const price = h("input", { "aria-label": `Price of selection ${line.item}`, value: line.price, inputmode: "decimal" });
    const act = () => save(line.item, name.value, price.value);
    const changed = () => { button.disabled = name.value === line.name && price.value === line.price; };
    button.addEventListener("click", act);
    for (const input of [name, price]) {
      input.addEventListener("input", changed);
      input.addEventListener("keydown", onEnter(() => { if (!button.disabled) act(); }));
    }
    return h("tr", { "data-item": line.item },
      h("td", { class: "number" }, line.item), h("td", {}, name), h("td", { class: "number" }, price),
      h("td", { class: "tight" }, button, " ",
        h("button", { type: "button", class: "quiet", "aria-label": `Remove selection ${line.item}`, onclick: () => confirm({
          title: `Remove ${line.name}?`,
          words: `Selection ${line.item} is taken off the list. The machine may go on selling it; such sales have no name then.`,
          yes: "Remove",
          act: () => change(() => remove(`${path}/products/${line.item}`), `Selection ${line.item} is removed.`, line.item),
        }) }, "Remove")));
  };
  const newRow = () => {
    const item = h("input", { "aria-label": "New selection number", inputmode: "numeric", placeholder: "number" });
    const name = h("input", { "aria-label": "Name of the new selection", placeholder: "name", maxlength: 64 });
    const price = h("input", { "aria-label": "Price of the new selection", inputmode: "decimal", placeholder: "0.00" });
    const act = () => {
      if (!/^\d{1,5}$/.test(item.value.trim())) {
        box.textContent = "Write the selection's number as the machine counts it: 0 to 65535.";
        return;
      }
      save(Number(item.value), name.value, price.value);
    };
    for (const input of [item, name, price]) input.addEventListener("keydown", onEnter(act));
    return h("tr", { class: "new" }, h("td", { class: "number" }, item), h("td", {}, name), h("td", { class: "number" }, price),
      h("td", {}, h("button", { type: "button", onclick: act }, "Add")));
  };
  draw();
  return section;
}
