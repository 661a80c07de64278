// Cases that a person decides: claims, doubtful resets, vends that nobody saw.

import { page, send } from "./api.js";
import { dialog, field, fill, form, h, say, trouble } from "./dom.js";
import { hear } from "./live.js";
import { CASES, machineLink, money, time, typed } from "./words.js";

export async function refunds({ query, onLeave }) {
  const decided = query.get("state") === "decided";
  const box = trouble();
  const list = h("div", {});
  const load = async () => {
    const first = await page("/v1/refunds", { state: decided ? "decided" : "open", limit: 50 });
    fill(list, cases(first, decided, box, load));
  };
  await load();
  onLeave(hear((name) => {
    // A list that moves under the hand is worse than one that is a moment old.
    if (name === "refund" && !document.querySelector("dialog[open]")) load().catch((fault) => { box.textContent = fault.message; });
  }));
  const tab = (to, words, current) => h("a", { href: to, "aria-current": current && "page" }, words);
  return [
    h("h1", {}, "Refunds"),
    h("nav", { class: "tabs", "aria-label": "Which cases" }, tab("#/refunds", "Open", !decided), tab("#/refunds?state=decided", "Decided", decided)),
    box,
    list,
  ];
}

function cases(first, decided, box, reload) {
  if (first.lines.length === 0) return h("p", { class: "sheet empty" }, decided ? "Nothing has been decided yet." : "No case is open. Claims of customers and doubtful vends come here by themselves.");
  const place = h("div", {}, first.lines.map((line) => one(line, reload)));
  let next = first.more;
  const button = h("button", { type: "button", onclick: async () => {
    try {
      const older = await next();
      place.append(...older.lines.map((line) => one(line, reload)));
      next = older.more;
      if (!next) button.remove();
    } catch (fault) {
      box.textContent = fault.message;
    }
  } }, "Show older ones");
  return [place, next && button];
}

function one(line, reload) {
  const tone = { open: "warn", refunded: "good" }[line.state] ?? "";
  return h("article", { class: "sheet", "data-case": line.id, "aria-label": `Case ${line.id}` },
    h("div", { class: "head" },
      h("h2", {}, CASES[line.kind] ?? line.kind),
      h("span", { class: `chip ${tone}` }, line.state)),
    h("dl", { class: "pairs" },
      h("dt", {}, line.kind === "cash_unknown" ? "Put in, perhaps" : "Sold"), h("dd", {}, line.kind === "cash_unknown" ? "" : [thing(line), " for "], money(line.amount, line.currency)),
      h("dt", {}, "Where"), h("dd", {}, machineLink(line)),
      h("dt", {}, "When"), h("dd", {}, time(line.at_ms)),
      line.words && [h("dt", {}, "The customer says"), h("dd", {}, line.words)],
      line.refunded && [h("dt", {}, "Given back"), h("dd", {}, money(line.refunded, line.currency))],
      line.decided_by && [h("dt", {}, "Decided by"), h("dd", {}, line.decided_by)],
      line.answer && [h("dt", {}, "The answer"), h("dd", {}, line.answer)]),
    line.state === "open" && h("div", { class: "actions" },
      h("button", { type: "button", class: "main", onclick: () => decide(line, "refund", reload) }, WAYS[line.kind]?.refund ?? "Refund"),
      h("button", { type: "button", onclick: () => decide(line, "reject", reload) }, WAYS[line.kind]?.reject ?? "Reject")));
}

/** What the two ways are called for money that waits, because nobody saw what happened. */
const WAYS = {
  unknown: {
    refund: "Do not charge",
    reject: "Charge",
    refunding: () => "The money that waits for this is free again.",
    rejecting: (sum) => `${sum} are charged, as if the machine had said that it delivered.`,
  },
  cash_unknown: {
    refund: "Credit the cash",
    reject: "Do not credit",
    refunding: (sum) => `${sum} are added to the customer's credit with you.`,
    rejecting: () => "Nothing moves. The customer reads your words.",
  },
};

function thing(line) {
  if (line.product) return line.product;
  return line.item === null ? "something that nobody told of" : `selection ${line.item}`;
}

function decide(line, verdict, reload) {
  const refund = verdict === "refund";
  const unseen = WAYS[line.kind];
  const title = unseen ? unseen[verdict] : refund ? "Refund" : "Reject the claim";
  const sum = money(line.amount, line.currency);
  const amount = h("input", { name: "amount", inputmode: "decimal", value: line.amount, required: true });
  const words = h("textarea", { name: "words", rows: 3, maxlength: 500 });
  dialog(title, (close) => [
    h("p", {}, unseen
      ? (refund ? unseen.refunding : unseen.rejecting)(sum)
      : refund ? "The money goes back the way it was paid: what was paid last goes back first."
      : "Nothing moves. The customer reads your words."),
    form({
      fields: [
        refund && !unseen && field("Amount", amount, `at most ${sum}`),
        field("Words to the customer", words, "may stay empty"),
      ],
      submit: title,
      send: async (values) => {
        const said = values.words.trim();
        await send(`/v1/refunds/${encodeURIComponent(line.id)}/decide`, {
          verdict,
          ...(refund && !unseen && { amount: typed(values.amount) }),
          ...(said && { words: said }),
        }, { key: `case-${line.id}` });
        close();
        say("The case is decided.");
        await reload();
      },
      more: h("button", { type: "button", onclick: close }, "Cancel"),
    }),
  ]);
}
