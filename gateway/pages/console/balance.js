// What the operator has at the issuer: payouts to its bank, and gifts out of what it earned.

import { newKey, read, send } from "./api.js";
import { field, fill, h, table, trouble } from "./dom.js";
import { may, money, time, typed } from "./words.js";

export async function balance({ me }) {
  const place = h("div", {});
  await show(place, me);
  return [h("h1", {}, "Balance"), place];
}

async function show(place, me, note) {
  const [{ lines: purses }, { lines: payouts }] = await Promise.all([read("/v1/balance"), read("/v1/payouts")]);
  const again = (words) => show(place, me, words);
  const currency = purses[0]?.currency ?? "EUR";
  fill(place,
    note && h("p", { class: "note", role: "status" }, note),
    table({
      caption: "What you have at the issuer",
      empty: "Nothing was earned yet.",
      lines: purses,
      columns: [
        { title: "Currency", cell: (line) => line.currency },
        { title: "Available", number: true, cell: (line) => money(line.available, line.currency) },
        { title: "Under way", number: true, cell: (line) => money(line.under_way, line.currency) },
      ],
    }),
    may.people(me) && [
      h("h2", {}, "Pay out to your bank account"),
      order({
        path: "/v1/payouts",
        submit: "Order the payout",
        currency,
        fields: () => [],
        body: () => ({}),
        done: (given) => again(`${money(given.amount, given.currency)} is on its way to your bank account.`),
      }),
    ],
    table({
      caption: "Payouts under way",
      empty: "No payout is under way.",
      lines: payouts,
      columns: [
        { title: "Ordered", cell: (line) => time(line.at_ms) },
        { title: "Amount", number: true, cell: (line) => money(line.amount, line.currency) },
        { title: "Name", cell: (line) => h("span", { class: "faint small" }, line.payout.slice(0, 8)) },
      ],
    }),
    h("h2", {}, "Give a customer e-money"),
    h("p", {}, "It is paid out of your balance and can be spent everywhere. Credit for your own machines is under Credit."),
    order({
      path: "/v1/promotions",
      submit: "Give the money",
      currency,
      fields: () => [
        field("Customer", h("input", { name: "who", required: true, autocomplete: "off", maxlength: 254 }), "number, e-mail or phone number"),
        field("Note", h("input", { name: "note", maxlength: 200 }), "for your own log"),
      ],
      body: recipient,
      done: (given, values) => again(`${money(given.amount, given.currency)} given to ${values.who.trim()}.`),
    }),
    h("h2", {}, "Give up what a customer owes you"),
    order({
      path: "/v1/write-offs",
      submit: "Give it up",
      currency,
      fields: () => [
        field("Customer", h("input", { name: "who", required: true, autocomplete: "off", maxlength: 254 }), "number, e-mail or phone number"),
        field("Note", h("input", { name: "note", maxlength: 200 }), "for your own log"),
      ],
      body: recipient,
      done: (given, values) => again(`${money(given.amount, given.currency)} of ${values.who.trim()} is given up.`),
    }));
}

function recipient(values) {
  const who = values.who.trim();
  return {
    ...(/^\d+$/.test(who) ? { customer: Number(who) } : { address: who }),
    ...(values.note.trim() && { note: values.note.trim() }),
  };
}

/** One form is one transfer: its key is made here, once, and goes with every retry. */
function order({ path, submit, currency, fields, body, done }) {
  let key = newKey();
  const box = trouble();
  const set = h("fieldset", {},
    fields(),
    field("Amount", h("input", { name: "amount", required: true, inputmode: "decimal", autocomplete: "off" })),
    field("Currency", h("input", { name: "currency", required: true, maxlength: 3, pattern: "[A-Za-z]{3}", value: currency })));
  const button = h("button", { type: "submit", class: "main" }, submit);
  const form = h("form", { class: "fields sheet", onsubmit: async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    set.disabled = false;
    const values = Object.fromEntries(new FormData(form));
    button.disabled = true;
    box.textContent = "";
    let given = null;
    try {
      given = await send(path, {
        ...body(values),
        amount: typed(values.amount),
        currency: values.currency.toUpperCase(),
      }, { key });
    } catch (fault) {
      if (fault.unknown) {
        // It may have happened: only the very same may be sent again.
        set.disabled = true;
        button.textContent = "Send again";
        box.textContent = `${fault.message} Whether it was done is not known. Sending it again is harmless: it is done once.`;
      } else {
        // A clear no moved nothing; what is sent next is another transfer.
        key = newKey();
        box.textContent = fault.message;
      }
    }
    button.disabled = false;
    if (given) await done(given, values);
  } }, set, box, h("div", { class: "actions" }, button));
  return form;
}
