// The wallet: what can be spent and where, and the way to buy.

import { button, el, icon, p, title } from "./dom.js";
import { customer, refresh, wallets, whileSetAside } from "./customer.js";
import { money, t } from "./words.js";
import { receiptLine, receipts } from "./history.js";
import { scanButton } from "./scan.js";
import { sendForm } from "./send.js";
import { typedForm } from "./typed.js";

const LATEST = 3;
const NOTHING = /^[0.]*$/;

/** What somebody who is signed in sees first. */
export function wallet(go) {
  const latest = el("div", {}, p(t("loading"), { class: "hint" }));
  receipts(LATEST).then(({ lines }) => {
    latest.replaceChildren(
      ...(lines.length
        ? [el("ul", { class: "lines" }, lines.map(receiptLine))]
        : [p(t("nothing_yet"), { class: "hint" })]),
    );
  }, () => latest.replaceChildren(p(t("fault_offline"), { class: "hint" })));
  const purses = el("div", { class: "purses" }, wallets().map(purse));
  const draw = () => purses.replaceChildren(...wallets().map(purse));
  whileSetAside(purses, draw);
  // What was just paid for settles while the page is looked at.
  const paid = async () => {
    await refresh().catch(() => {});
    draw();
    whileSetAside(purses, draw);
  };
  return [
    title(t("home")),
    purses,
    button([icon("M5 12h14M13 6l6 6-6 6"), t("buy")], () => go("#/buy"), { class: "main buy", data: { name: "buy" } }),
    scanButton(go),
    el("details", { class: "card", data: { name: "typed" } },
      el("summary", {}, t("typed_title")),
      typedForm(paid),
    ),
    el("details", { class: "card" },
      el("summary", {}, t("add_money")),
      p(t("add_money_cash")),
      p(t("add_money_operator", { customer: customer.me.customer })),
    ),
    wallets().length
      ? el("details", { class: "card", data: { name: "send" } },
          el("summary", {}, t("send_money")),
          sendForm(draw),
        )
      : null,
    el("section", { "aria-labelledby": "latest" },
      el("h2", { id: "latest" }, t("latest")),
      latest,
    ),
  ];
}

function purse(one) {
  const shown = (amount) => money(amount, one.currency);
  const closed = (one.closed ?? []).filter((part) => !NOTHING.test(part.amount));
  const parts = closed.length
    ? el("dl", { class: "parts" },
        el("div", {}, el("dt", {}, t("emoney")), el("dd", {}, shown(one.emoney))),
        closed.map((part) =>
          el("div", { data: { name: "closed" } },
            el("dt", {}, t("only_at", { name: part.name ?? part.operator })),
            el("dd", {}, shown(part.amount)),
          ),
        ),
      )
    : null;
  return el("section", { class: "card purse", data: { name: "purse", currency: one.currency } },
    p(t("available"), { class: "hint" }),
    el("p", { class: "amount", data: { name: "available" } }, shown(one.available ?? one.emoney)),
    parts,
    NOTHING.test(one.pending) ? null : p(t("pending", { amount: shown(one.pending) }), { class: "note" }),
    NOTHING.test(one.owed) ? null : p(t("owed", { amount: shown(one.owed) }), { class: "note warn" }),
  );
}
