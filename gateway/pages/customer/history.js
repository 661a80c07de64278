// What happened: the list, one receipt, and "charged, but nothing fell".

import { Offline, Problem, ask, requestKey, tell } from "./api.js";
import { Said, button, el, form, p, title } from "./dom.js";
import { moment, money, t } from "./words.js";

const PAGE = 50;
const WORDS_LEN_MAX = 500;
const CHARGED = ["sale", "in_doubt"];
const INCOMING = ["top_up", "gift", "promotion", "refund", "cash_in", "received", "returned"];
const OUTGOING = ["sale", "sent", "repaid", "charged_back"];

/** The newest lines of the customer's history. */
export async function receipts(limit, cursor = null) {
  const where = new URLSearchParams({ limit });
  if (cursor) where.set("cursor", cursor);
  const answer = await ask(`/v1/app/receipts?${where}`);
  return {
    lines: answer.receipts ?? [],
    next: answer.next ?? null,
    complete: answer.complete !== false,
  };
}

/** The list of all that happened. */
export function history() {
  const list = el("ul", { class: "lines" });
  const foot = el("div", {}, p(t("loading"), { class: "hint" }));
  const load = async (cursor) => {
    try {
      const page = await receipts(PAGE, cursor);
      list.append(...page.lines.map(receiptLine));
      foot.replaceChildren(
        ...[
          list.children.length ? null : p(t("nothing_yet"), { class: "hint" }),
          page.complete ? null : p(t("incomplete"), { class: "note" }),
          page.next ? button(t("more"), () => load(page.next), { class: "quiet" }) : null,
        ].filter(Boolean),
      );
    } catch {
      foot.replaceChildren(p(t("fault_offline"), { class: "fault", role: "alert" }));
    }
  };
  load(null);
  return [title(t("history")), list, foot];
}

/** One line of the list; purchases lead to their receipt. */
export function receiptLine(line) {
  const body = [
    el("span", { class: "what" },
      el("span", { class: "name" }, what(line)),
      el("span", { class: "hint" }, [moment(line.at_ms), where(line)].filter(Boolean).join(" · ")),
      line.claim ? el("span", { class: `tag ${line.claim.state}` }, claimState(line)) : null,
    ),
    el("span", { class: `sum ${sign(line)}`, data: { name: "sum" } }, sum(line)),
  ];
  const kind = { data: { name: "line", kind: line.kind } };
  if (!line.vend) return el("li", kind, el("div", { class: "line" }, body));
  return el("li", kind, el("a", { class: "line", href: `#/receipt/${line.vend}/${line.rseq}` }, body));
}

/** One receipt, with the way to say that nothing fell. */
export function receipt(vend, rseq) {
  const box = el("section", { class: "card receipt" }, p(t("loading"), { class: "hint" }));
  const load = async () => {
    const line = await find(vend, Number(rseq));
    box.replaceChildren(...(line ? sheet(line, load) : [p(t("nothing_yet"), { class: "hint" })]));
  };
  load().catch(() => box.replaceChildren(p(t("fault_offline"), { class: "fault", role: "alert" })));
  return [title(t("receipt")), box];
}

async function find(vend, rseq) {
  for (let cursor = null; ; ) {
    const page = await receipts(200, cursor);
    const line = page.lines.find((one) => one.vend === vend && one.rseq === rseq);
    if (line || !page.next) return line ?? null;
    cursor = page.next;
  }
}

function sheet(line, load) {
  const row = (name, value) =>
    value ? el("div", {}, el("dt", {}, t(name)), el("dd", {}, value)) : null;
  return [
    el("p", { class: "amount", data: { name: "receipt-amount" } }, sum(line)),
    p(what(line), { class: "lead", data: { name: "receipt-product" } }),
    el("dl", {},
      row("when", moment(line.sold_at_ms ?? line.at_ms)),
      row("where", where(line)),
      row("by", line.operator_name),
      row("owed_part", line.owed && !/^[0.]*$/.test(line.owed) ? money(line.owed, line.currency) : null),
      row("number", `${line.vend.slice(0, 8)}-${line.rseq}`),
    ),
    ...[claim(line, load)].flat().filter(Boolean),
  ];
}

function claim(line, load) {
  if (line.claim) return [standing(line), line.claim.state === "rejected" ? dispute(line) : null];
  if (!CHARGED.includes(line.kind)) return null;
  return el("details", { class: "claim", data: { name: "claim" } },
    el("summary", {}, t("claim")),
    p(t("claim_text")),
    form({ data: { name: "claim-form" } }, async (fields) => {
      const words = String(fields.get("words")).trim();
      if (!words) throw new Said(t("claim_words"));
      try {
        await tell("POST", "/v1/app/claims", { vend: line.vend, rseq: line.rseq, words });
      } catch (fault) {
        if (fault instanceof Offline) throw new Said(t("fault_offline"));
        throw new Said(fault instanceof Problem ? fault.message : t("fault_server"));
      }
      await load();
    },
      el("label", { for: "words" }, t("claim_words")),
      el("textarea", { id: "words", name: "words", rows: 3, maxlength: WORDS_LEN_MAX, required: true }),
      p(t("claim_hint"), { class: "hint" }),
      el("button", { class: "main" }, t("claim_send")),
    ),
  );
}

function standing(line) {
  const { words, answer, state } = line.claim;
  return el("div", { class: "standing", role: "status", data: { name: "claim-state", state } },
    p(claimState(line), { class: `tag ${state}` }),
    words ? p(t("claim_yours", { words })) : null,
    answer ? p(t("claim_answer", { answer })) : null,
  );
}

// Who was told no may have somebody else decide; the money waits meanwhile.
function dispute(line) {
  const key = requestKey();
  const done = el("p", { role: "status" });
  return el("details", { class: "claim", data: { name: "dispute" } },
    el("summary", {}, t("dispute")),
    p(t("dispute_text")),
    form({ data: { name: "dispute-form" } }, async () => {
      try {
        await tell("POST", "/v1/app/disputes", { vend: line.vend, rseq: line.rseq, amount: line.amount }, key);
      } catch (fault) {
        if (fault instanceof Offline) throw new Said(t("fault_offline"));
        throw new Said(fault instanceof Problem ? fault.message : t("fault_server"));
      }
      done.textContent = t("dispute_done");
    },
      el("button", { class: "main" }, t("dispute")),
    ),
    done,
  );
}

function claimState(line) {
  const { state, amount } = line.claim;
  return t(`claim_${state}`, { amount: amount ? money(amount, line.currency) : "" });
}

/** What a line is about. */
export function what(line) {
  if (line.kind === "sale") return line.product ?? itemWords(line) ?? t("kind_sale");
  const words = t(`kind_${line.kind}`, { name: line.operator_name ?? line.operator ?? "" });
  const product = line.product ?? itemWords(line);
  return product ? `${product} · ${words}` : words;
}

function itemWords(line) {
  return line.item === undefined || line.item === null ? null : t("item", { item: line.item });
}

function where(line) {
  return line.machine_name ?? (line.machine ? `№ ${line.machine}` : null);
}

function sign(line) {
  if (INCOMING.includes(line.kind)) return "plus";
  return OUTGOING.includes(line.kind) ? "minus" : "none";
}

function sum(line) {
  const amount = money(line.amount, line.currency);
  if (INCOMING.includes(line.kind)) return `+ ${amount}`;
  return OUTGOING.includes(line.kind) ? `− ${amount}` : amount;
}
