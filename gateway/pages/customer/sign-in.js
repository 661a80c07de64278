// Signing in by a code, and the three steps of a new wallet.

import { LANGUAGES, speak, spoken, t } from "./words.js";
import { Problem, requestKey, tell } from "./api.js";
import { Said, button, el, form, p, title } from "./dom.js";
import { refresh, wallets } from "./customer.js";

/** Another code may be asked for after so long. */
const AGAIN_AFTER_S = 30;
const CODE_LEN = 6;
const CURRENCIES = ["EUR", "CHF", "GBP", "USD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "JPY"];

/** What is asked of somebody who is not signed in. */
export function signIn(go) {
  const box = el("section", { class: "card narrow" });
  const toAddress = (address) => box.replaceChildren(...askAddress(address, toCode));
  const toCode = (address) => box.replaceChildren(...askCode(address, () => toAddress(address), go));
  toAddress("");
  return [
    el("div", { class: "hero" },
      el("img", { src: "/assets/customer/icon.svg", alt: "", width: 72, height: 72 }),
      title("Gettone"),
      p(t("app_lead"), { class: "lead" }),
    ),
    box,
    languageChoice(go),
  ];
}

function languageChoice(go) {
  const choice = Object.entries(LANGUAGES).map(([tag, name]) =>
    button(name, () => { speak(tag); go(); }, {
      class: "quiet",
      lang: tag,
      "aria-pressed": String(tag === spoken()),
    }),
  );
  return el("div", { class: "languages", role: "group", "aria-label": t("language") }, choice);
}

function askAddress(address, next) {
  return [
    form({ data: { name: "address-form" } }, async (fields) => {
      const written = normal(fields.get("address"));
      if (!written) throw new Said(t("address_wrong"));
      await wanted(written);
      next(written);
    },
      el("label", { for: "address" }, t("address")),
      el("input", {
        id: "address", name: "address", value: address, required: true, maxlength: 254,
        autocomplete: "username", inputmode: "email", autocapitalize: "none", spellcheck: "false",
      }),
      p(t("address_hint"), { class: "hint" }),
      el("button", { class: "main" }, t("send_code")),
    ),
  ];
}

function askCode(address, back, go) {
  const again = button("", async () => {
    count(AGAIN_AFTER_S);
    await wanted(address).catch(() => {});
  }, { class: "quiet" });
  const count = (seconds) => {
    again.disabled = seconds > 0;
    again.textContent = seconds > 0 ? t("send_again_in", { seconds }) : t("send_again");
    if (seconds > 0 && (again.isConnected || seconds === AGAIN_AFTER_S)) {
      setTimeout(() => count(seconds - 1), 1000);
    }
  };
  count(AGAIN_AFTER_S);
  const field = el("input", {
    id: "code", name: "code", required: true, autocomplete: "one-time-code", inputmode: "numeric",
    pattern: "[0-9]*", maxlength: CODE_LEN + 2, class: "code",
    on: { input: () => { if (digits(field.value).length === CODE_LEN) sheet.requestSubmit(); } },
  });
  const sheet = form({ data: { name: "code-form" } }, async (fields) => {
    const code = digits(fields.get("code"));
    if (code.length !== CODE_LEN) throw new Said(t("code_wrong"));
    let signedIn;
    try {
      signedIn = await tell("POST", "/v1/app/sign-in", { address, code });
    } catch (fault) {
      field.value = "";
      throw refusal(fault, "code_wrong");
    }
    // Who is new reads on in the language of the first screen.
    if (signedIn.is_new) await tell("PATCH", "/v1/app/me", { language: spoken() }).catch(() => {});
    await refresh();
    go(wallets().length ? "#/" : "#/welcome");
  },
    p(t("code_sent", { address }), { class: "hint", role: "status" }),
    el("label", { for: "code" }, t("code")),
    field,
    el("button", { class: "main" }, t("sign_in")),
  );
  queueMicrotask(() => field.focus());
  return [sheet, again, button(t("other_address"), back, { class: "quiet" })];
}

/** The three steps of a new customer: language, currency, how it works. */
export function welcome(go) {
  const box = el("section", { class: "card" });
  const steps = [
    (next) => [
      title(t("welcome_language")),
      ...Object.entries(LANGUAGES).map(([tag, name]) =>
        button(name, async () => {
          speak(tag);
          await tell("PATCH", "/v1/app/me", { language: tag }).catch(() => {});
          next();
        }, { class: "choice", lang: tag, "aria-pressed": String(tag === spoken()) }),
      ),
    ],
    (next) => [title(t("welcome_currency")), p(t("welcome_currency_hint"), { class: "hint" }), walletForm(next)],
    () => [
      title(t("welcome_how")),
      el("ol", { class: "how" }, ["how_1", "how_2", "how_3"].map((name) => el("li", {}, t(name)))),
      button(t("start"), () => go("#/"), { class: "main" }),
    ],
  ];
  const show = (step) => {
    const count = t("step_of", { step: step + 1, steps: steps.length });
    box.replaceChildren(p(count, { class: "hint step" }), ...steps[step](() => show(step + 1)));
    box.querySelector("h1").focus();
  };
  show(0);
  return [box];
}

/** The choice of a currency, and the wallet that it opens. */
export function walletForm(done) {
  const held = wallets().map((wallet) => wallet.currency);
  const free = CURRENCIES.filter((code) => !held.includes(code));
  const key = requestKey();
  return form({ data: { name: "wallet-form" } }, async (fields) => {
    try {
      await tell("POST", "/v1/app/wallets", { currency: fields.get("currency") }, key);
    } catch (fault) {
      throw refusal(fault, "refused_other");
    }
    await refresh();
    done();
  },
    el("label", { for: "currency" }, t("currency")),
    el("select", { id: "currency", name: "currency" },
      free.map((code) => el("option", { value: code }, `${code} · ${currencyName(code)}`)),
    ),
    el("button", { class: "main" }, t("open_wallet")),
  );
}

function currencyName(code) {
  return new Intl.DisplayNames([spoken()], { type: "currency" }).of(code);
}

async function wanted(address) {
  try {
    await tell("POST", "/v1/app/codes", { address, language: spoken() });
  } catch (fault) {
    throw refusal(fault, "address_wrong");
  }
}

function refusal(fault, words) {
  if (!(fault instanceof Problem)) return new Said(t("fault_offline"));
  if (fault.status === 429) return new Said(t("too_often"));
  if (fault.status >= 500) return new Said(t("fault_server"));
  return new Said(t(words));
}

/** An address as the server knows it, or nothing. */
function normal(text) {
  const written = String(text ?? "").trim();
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(written)) return written;
  const number = written.replace(/[\s().\/-]/g, "").replace(/^00/, "+");
  return /^\+[1-9][0-9]{6,14}$/.test(number) ? number : null;
}

function digits(text) {
  return String(text ?? "").replace(/\D/g, "");
}
