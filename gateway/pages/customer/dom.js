// Elements from plain calls; text is always text, never markup.

/**
 * Makes an element. `how` holds attributes, `class`, `on` with listeners, and `data` with names
 * that tests and scripts find it by.
 */
export function el(name, how = {}, ...children) {
  const svg = SVG.includes(name);
  const node = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(how)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (key === "data") {
      Object.assign(node.dataset, value);
    } else {
      node.setAttribute(key, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = ["svg", "path", "circle", "rect"];

/** A button with words and what it does. */
export function button(words, act, how = {}) {
  return el("button", { type: "button", ...how, on: { click: act } }, words);
}

/** A paragraph. */
export function p(words, how = {}) {
  return el("p", how, words);
}

/** A heading that the screen is announced by. */
export function title(words) {
  return el("h1", { tabindex: "-1" }, words);
}

/** A line icon, 24 by 24. */
export function icon(path) {
  return el(
    "svg",
    { viewBox: "0 0 24 24", width: 24, height: 24, class: "icon", "aria-hidden": "true" },
    el("path", { d: path }),
  );
}

/** Runs what a form is for, its button at rest meanwhile; shows what goes wrong in its own words. */
export function form(how, act, ...children) {
  const said = el("p", { class: "fault", role: "alert" });
  const node = el(
    "form",
    {
      ...how,
      novalidate: true,
      on: {
        submit: async (event) => {
          event.preventDefault();
          if (node.classList.contains("busy")) return;
          node.classList.add("busy");
          said.textContent = "";
          try {
            await act(new FormData(node));
          } catch (fault) {
            said.textContent = fault.words ?? fault.message;
          } finally {
            node.classList.remove("busy");
          }
        },
      },
    },
    ...children,
    said,
  );
  return node;
}

/** A fault in the customer's own words. */
export class Said extends Error {
  constructor(words) {
    super(words);
    this.words = words;
  }
}
