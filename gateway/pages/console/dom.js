// Elements out of plain calls. Text always goes in as text, so nothing from outside becomes markup.

/** Makes an element; `on…` attributes are listeners, `true` sets and `false` leaves out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Puts children in the place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A labelled field. The label is the field's name for screen readers, the hint is part of it. */
export function field(label, input, hint) {
  return h("label", {}, h("span", {}, label, hint && h("span", { class: "hint" }, ` – ${hint}`)), input);
}

/** A drop-down of [value, words] pairs. */
export function choice(name, pairs, chosen) {
  return h("select", { name }, pairs.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
}

/** A table; a column is {title, number, cell(line)}. Without lines it says `empty` instead. */
export function table({ caption, columns, lines, empty }) {
  if (lines.length === 0) return h("p", { class: "empty" }, empty);
  const style = (column) => (column.number ? "number" : column.tight ? "tight" : null);
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", { class: "cards" },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: style(column) }, column.title)))),
      h("tbody", {}, lines.map((line) => row(columns, line)))));
}

/** One line of such a table. */
export function row(columns, line) {
  const style = (column) => (column.number ? "number" : column.tight ? "tight" : null);
  return h("tr", {}, columns.map((column) => h("td", { class: style(column), "data-title": column.title }, column.cell(line))));
}

/** A box for what went wrong; assertive, since the person waits for it. */
export function trouble() {
  return h("p", { class: "trouble", role: "alert" });
}

/** Says something in passing, seen and read out. */
export function say(words) {
  const place = document.getElementById("said");
  place.textContent = words;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}

/** A form that runs `send(values)` once at a time and shows what went wrong in its own box. */
export function form({ className = "fields", fields, submit, submitClass = "main", send, more }) {
  const box = trouble();
  const button = h("button", { type: "submit", class: submitClass }, submit);
  const element = h("form", {
    class: className,
    onsubmit: async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      box.textContent = "";
      try {
        await send(Object.fromEntries(new FormData(element)), element);
      } catch (fault) {
        box.textContent = fault.message;
      } finally {
        button.disabled = false;
      }
    },
  }, fields, box, h("div", { class: "actions" }, button, more));
  return element;
}

/** Opens a dialog; `build(close)` gives its content. The focus comes back to where it was. */
export function dialog(title, build) {
  const element = h("dialog", { "aria-label": title });
  const close = () => element.close();
  element.addEventListener("close", () => element.remove());
  element.append(h("h2", {}, title), ...[build(close)].flat());
  document.body.append(element);
  element.showModal();
  return element;
}

/** Asks before something that cannot be taken back. */
export function confirm({ title, words, yes, act }) {
  dialog(title, (close) => [
    h("p", {}, words),
    form({
      fields: [],
      submit: yes,
      submitClass: "grave",
      send: async () => { await act(); close(); },
      more: h("button", { type: "button", onclick: close }, "Cancel"),
    }),
  ]);
}
