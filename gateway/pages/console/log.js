// What staff did: who, what, when, before and after.

import { page } from "./api.js";
import { h, row, table, trouble } from "./dom.js";
import { time } from "./words.js";

export async function log() {
  const first = await page("/v1/staff-log", { limit: 100 });
  const columns = [
    { title: "When", tight: true, cell: (line) => time(line.at_ms) },
    { title: "Who", cell: (line) => line.who },
    { title: "What", cell: (line) => line.what },
    { title: "To what", cell: (line) => line.subject },
    { title: "Before", cell: (line) => plain(line.before) },
    { title: "After", cell: (line) => plain(line.after) },
  ];
  const box = trouble();
  const shown = table({ caption: "Newest first", columns, lines: first.lines, empty: "Nobody has changed anything yet." });
  let next = first.more;
  const button = h("button", { type: "button", onclick: async () => {
    try {
      const older = await next();
      shown.querySelector("tbody").append(...older.lines.map((line) => row(columns, line)));
      next = older.more;
      if (!next) button.remove();
    } catch (fault) {
      box.textContent = fault.message;
    }
  } }, "Show older ones");
  return [h("h1", {}, "Staff log"), h("section", { class: "sheet" }, box, shown, next && button)];
}

/** A value of the log as words: `name: x, price: y`. */
function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, inner]) => h("div", {}, h("span", { class: "faint" }, `${name}: `), inner === null ? "none" : typeof inner === "object" ? JSON.stringify(inner) : String(inner)));
}
