// Credit for a customer, in the operator's own closed wallet.

import { newKey, send } from "./api.js";
import { field, fill, h, trouble } from "./dom.js";
import { money, typed } from "./words.js";

export async function credit() {
  const place = h("div", {});
  begin(place);
  return [
    h("h1", {}, "Credit a customer"),
    h("p", {}, "The credit can be spent at your machines only. It is spent before the customer's other money."),
    place,
  ];
}

/** One form is one transfer: its key is made here, once, and goes with every retry. */
function begin(place, note) {
  let key = newKey();
  const box = trouble();
  const fields = h("fieldset", {},
    field("Customer", h("input", { name: "who", required: true, autocomplete: "off", maxlength: 254 }), "number, e-mail or phone number"),
    field("Amount", h("input", { name: "amount", required: true, inputmode: "decimal", autocomplete: "off" })),
    field("Currency", h("input", { name: "currency", required: true, maxlength: 3, pattern: "[A-Za-z]{3}", value: begin.currency ?? "EUR" })),
    field("Note", h("input", { name: "note", maxlength: 200 }), "for your own log"));
  const button = h("button", { type: "submit", class: "main" }, "Give the credit");
  const anew = h("button", { type: "button", hidden: true, onclick: () => begin(place) }, "Start anew");
  const form = h("form", { class: "fields sheet", onsubmit: async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const locked = fields.disabled;
    fields.disabled = false;
    const values = Object.fromEntries(new FormData(form));
    fields.disabled = locked;
    button.disabled = true;
    box.textContent = "";
    const who = values.who.trim();
    const currency = values.currency.toUpperCase();
    begin.currency = currency;
    try {
      const given = await send("/v1/credits", {
        ...(/^\d+$/.test(who) ? { customer: Number(who) } : { address: who }),
        amount: typed(values.amount),
        currency,
        ...(values.note.trim() && { note: values.note.trim() }),
      }, { key });
      begin(place, `${money(given?.amount ?? typed(values.amount), currency)} given to ${who}.`);
      return;
    } catch (fault) {
      if (fault.unknown) {
        // The transfer may have happened: only the very same one may be sent again.
        fields.disabled = true;
        button.textContent = "Send again";
        anew.hidden = false;
        box.textContent = `${fault.message} Whether the credit was given is not known. Sending it again is harmless: it is given once.`;
      } else {
        // A clear no moved nothing; what is sent next is another transfer.
        key = newKey();
        fields.disabled = false;
        box.textContent = fault.message;
      }
    }
    button.disabled = false;
  } }, fields, box, h("div", { class: "actions" }, button, anew));
  fill(place, note && h("p", { class: "note", role: "status" }, note), form);
  if (note) form.querySelector("input").focus();
}
