// What was sold: filters, totals, and a file for the spreadsheet.

import { page, read, whole, withQuery } from "./api.js";
import { choice, field, fill, h, row, table, trouble } from "./dom.js";
import { SALES, day, machineLink, machineName, money, time } from "./words.js";

/** The columns of a list of sales. */
export function saleColumns({ machine }) {
  return [
    { title: "Sold", tight: true, cell: (line) => time(line.sold_at_ms ?? line.at_ms) },
    ...(machine ? [{ title: "Machine", cell: machineLink }] : []),
    { title: "Product", cell: (line) => [line.product ?? (line.item === null || line.item === undefined ? "" : `selection ${line.item}`), line.kind === "cash" && line.count > 1 ? ` × ${line.count}` : ""] },
    { title: "Kind", tight: true, cell: (line) => [SALES[line.kind] ?? line.kind ?? "sale", line.test ? h("span", { class: "chip" }, "test") : "", line.review ? h("span", { class: "chip warn", title: "Look at this one" }, "review") : "", line.doubted ? h("span", { class: "chip warn", title: "Booked while nobody has confirmed which controller the reader is at" }, "unconfirmed") : ""] },
    { title: "Amount", number: true, cell: (line) => money(line.amount, line.currency) },
    { title: "From your credit", number: true, cell: (line) => money(line.from_closed, line.currency) },
    { title: "Owed", number: true, cell: (line) => (/[1-9]/.test(line.owed ?? "") ? money(line.owed, line.currency) : "") },
    { title: "Fee", number: true, cell: (line) => money(line.fee, line.currency) },
  ];
}

export async function sales({ query }) {
  const machines = await whole("/v1/machines");
  const chosen = {
    machine: query.get("machine") ?? "",
    from: query.get("from") ?? "",
    to: query.get("to") ?? "",
    kind: query.get("kind") ?? "",
  };
  const box = trouble();
  const totals = h("dl", { class: "figures" });
  const list = h("div", {});
  const filters = h("form", { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    field("Machine", choice("machine", [["", "all machines"], ...machines.map((one) => [String(one.machine), machineName(one)])], chosen.machine)),
    field("From", h("input", { type: "date", name: "from", value: chosen.from })),
    field("Until", h("input", { type: "date", name: "to", value: chosen.to }), "that day included"),
    field("Kind", choice("kind", [["", "everything"], ["sale", "cashless sales"], ["cash", "cash sales"], ["test", "tests"], ["review", "to review"], ["refund", "refunds"]], chosen.kind)));
  const csv = h("a", { class: "button", download: "sales.csv" }, "Download as CSV");
  const wanted = () => {
    const values = Object.fromEntries(new FormData(filters));
    return {
      machine: values.machine,
      from_ms: day(values.from),
      to_ms: day(values.to, 1),
      kind: values.kind,
    };
  };
  let turn = 0;
  const load = async () => {
    const here = (turn += 1);
    const asked = wanted();
    const values = Object.fromEntries(new FormData(filters));
    history.replaceState(null, "", withQuery("#/sales", values));
    csv.href = withQuery("/v1/sales.csv", asked);
    box.textContent = "";
    try {
      const [first, sums] = await Promise.all([
        page("/v1/sales", { ...asked, limit: 100 }),
        read(withQuery("/v1/sales/totals", asked)),
      ]);
      if (here !== turn) return;
      fill(totals, sums.lines.map((sum) => h("div", { class: "figure" }, h("dt", {}, `${sum.count} ${sum.count === 1 ? "sale" : "sales"}`), h("dd", {}, money(sum.amount, sum.currency)))));
      draw(list, first, box);
    } catch (fault) {
      if (here === turn) box.textContent = fault.message;
    }
  };
  filters.addEventListener("change", load);
  await load();
  return [
    h("div", { class: "head" }, h("h1", {}, "Sales"), csv),
    h("section", { class: "sheet" }, filters, box, totals, list),
  ];
}

function draw(list, first, box) {
  const columns = saleColumns({ machine: true });
  const shown = table({ caption: "Newest first", columns, lines: first.lines, empty: "No sale fits these filters." });
  const body = shown.querySelector("tbody");
  let next = first.more;
  const button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      const older = await next();
      body.append(...older.lines.map((line) => row(columns, line)));
      next = older.more;
      if (!next) button.remove();
    } catch (fault) {
      box.textContent = fault.message;
    }
    button.disabled = false;
  } }, "Show older ones");
  fill(list, shown, next && h("p", {}, button));
}
