// Money for another customer.

import { Offline, Problem, requestKey, tell } from "./api.js";
import { Said, el, form, p } from "./dom.js";
import { refresh, wallets } from "./customer.js";
import { t } from "./words.js";

/** The form that sends money; `done` draws what is left. */
export function sendForm(done) {
  // One form is one transfer: its key is made here, once, and goes with every retry.
  let key = requestKey();
  const who = el("input", { id: "send-to", name: "customer", inputmode: "numeric", autocomplete: "off", maxlength: 16 });
  const sum = el("input", { id: "send-amount", name: "amount", inputmode: "decimal", autocomplete: "off", maxlength: 16 });
  const currency = el("select", { id: "send-currency", name: "currency", "aria-label": t("currency") },
    wallets().map((one) => el("option", { value: one.currency }, one.currency)));
  const hold = (is) => [who, sum].forEach((field) => { field.readOnly = is; });
  const said = el("p", { role: "status", data: { name: "send-done" } });
  return el("div", {},
    p(t("send_text")),
    form({ data: { name: "send-form" } }, async () => {
      const customer = Number(who.value.replace(/\D/g, ""));
      const amount = sum.value.trim().replace(",", ".");
      if (!Number.isSafeInteger(customer) || customer < 1 || !/^[0-9]+(\.[0-9]+)?$/.test(amount)) {
        throw new Said(t("send_wrong"));
      }
      said.textContent = "";
      try {
        await tell("POST", "/v1/app/transfers", { customer, amount, currency: currency.value }, key);
      } catch (fault) {
        if (fault instanceof Offline || !(fault instanceof Problem) || fault.status >= 500) {
          // It may have been sent: only the very same may be sent again.
          hold(true);
          throw new Said(t("send_unknown"));
        }
        // A clear no moved nothing; what is sent next is another transfer.
        key = requestKey();
        hold(false);
        throw new Said(refusal(fault));
      }
      key = requestKey();
      hold(false);
      sum.value = "";
      said.textContent = t("send_done");
      await refresh();
      done();
    },
      el("label", { for: "send-to" }, t("send_to")), who,
      el("label", { for: "send-amount" }, t("amount")), sum, currency,
      el("button", { class: "main" }, t("send_now")),
    ),
    said,
  );
}

function refusal(fault) {
  if (fault.status === 404 || fault.status === 409) return t("send_nobody");
  if (fault.figures?.short_by) return t("send_short");
  if (fault.figures?.owed) return t("send_owed");
  return fault.status === 400 ? t("send_wrong") : fault.message;
}
