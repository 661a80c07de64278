// The digits on a machine's display, where its board has a network of its own: no light, no radio.

import { Offline, Problem, tell } from "./api.js";
import { Said, el, form, p } from "./dom.js";
import { money, t } from "./words.js";

/** The machine has half a minute to answer, and the server tells when it has not. */
const CALL_MAX_MS = 40_000;
/** Reasons for which the page has words of its own. */
const REFUSALS = ["funds", "pending", "machine_off", "currency", "blocked", "reader", "away"];

/** The form that buys with digits; `done` draws what is left. */
export function typedForm(done) {
  const field = (id, name, length) =>
    el("input", { id, name, inputmode: "numeric", autocomplete: "off", maxlength: length });
  const machine = field("typed-machine", "machine", 10);
  const code = field("typed-code", "code", 9);
  const said = el("p", { role: "status", data: { name: "typed-done" } });
  return el("div", {},
    p(t("typed_text")),
    form({ data: { name: "typed-form" } }, async () => {
      const digits = code.value.replace(/\D/g, "");
      const number = Number(machine.value.replace(/\D/g, ""));
      if (digits.length !== 7 || number < 1) throw new Said(t("typed_wrong"));
      said.textContent = t("typed_wait");
      const told = await asked({ machine: number, code: digits }).finally(() => {
        said.textContent = "";
      });
      if (told.outcome !== "granted") throw new Said(refusal(told));
      code.value = "";
      said.textContent = t("typed_done", { amount: money(told.held, told.currency) });
      done();
    },
      el("label", { for: "typed-machine" }, t("typed_machine")), machine,
      el("label", { for: "typed-code" }, t("typed_code")), code,
      el("button", { class: "main" }, t("token_pay")),
    ),
    said,
  );
}

async function asked(typed) {
  try {
    return await tell("POST", "/v1/app/token/typed", typed, null, CALL_MAX_MS);
  } catch (fault) {
    if (fault instanceof Offline) throw new Said(t("fault_offline"));
    if (fault instanceof Problem && fault.status === 429) {
      const minutes = Math.max(1, Math.ceil((fault.figures.wait_s ?? 60) / 60));
      throw new Said(t("typed_too_many", { minutes }));
    }
    throw fault instanceof Problem && fault.status === 400 ? new Said(t("typed_wrong")) : fault;
  }
}

function refusal(told) {
  if (told.outcome === "rejected") return t("typed_rejected");
  if (told.outcome !== "refused" || told.reason === "taken") return t("typed_lapsed");
  if (told.reason === "funds" && told.short_by) {
    return t("refused_funds_by", { amount: money(told.short_by, told.currency) });
  }
  return t(REFUSALS.includes(told.reason) ? `refused_${told.reason}` : "refused_other");
}
