// Settings: language, light, wallets, the customer's own details, the way out.

import { LANGUAGES, speak, spoken, t } from "./words.js";
import { Said, button, el, form, p, title } from "./dom.js";
import { customer, forget, signOut } from "./customer.js";
import { isSlow, palette, setPalette, setSlow } from "./buy.js";
import { Problem, ask, tell } from "./api.js";
import { walletForm } from "./sign-in.js";

/** Everything that a customer can set. */
export function settings(go) {
  return [
    title(t("settings")),
    el("section", { class: "card" },
      el("h2", {}, t("account")),
      el("dl", {},
        el("div", {}, el("dt", {}, t("signed_in_as")), el("dd", {}, customer.me.address ?? "")),
        el("div", {}, el("dt", {}, t("customer_number")), el("dd", {}, String(customer.me.customer ?? ""))),
      ),
      language(go),
      light(),
      bySms(),
    ),
    el("details", { class: "card" },
      el("summary", {}, t("add_wallet")),
      walletForm(() => go("#/")),
    ),
    el("section", { class: "card actions" },
      button(t("export"), download, { class: "quiet" }),
      button(t("sign_out"), async () => {
        await signOut();
        go("#/");
      }, { class: "quiet", data: { name: "sign-out" } }),
    ),
    el("details", { class: "card danger" },
      el("summary", {}, t("delete")),
      p(t("delete_text")),
      form({}, async (fields) => {
        if (String(fields.get("sure")).trim() !== t("delete_word")) throw new Said(t("delete_sure"));
        try {
          // What is given up has been said above.
          await tell("DELETE", "/v1/app/me?money=given-up");
        } catch (fault) {
          throw new Said(fault instanceof Problem ? t("delete_pending") : t("fault_offline"));
        }
        forget();
        go("#/");
      },
        el("label", { for: "sure" }, t("delete_sure")),
        el("input", { id: "sure", name: "sure", autocomplete: "off", autocapitalize: "characters" }),
        el("button", { class: "main danger" }, t("delete")),
      ),
    ),
  ];
}

function language(go) {
  const choice = el("select", {
    id: "language",
    on: {
      change: async () => {
        speak(choice.value);
        await tell("PATCH", "/v1/app/me", { language: choice.value }).catch(() => {});
        if (customer.me) customer.me.language = choice.value;
        go();
      },
    },
  },
    Object.entries(LANGUAGES).map(([tag, name]) =>
      el("option", { value: tag, lang: tag, selected: tag === spoken() }, name),
    ),
  );
  return el("div", { class: "field" }, el("label", { for: "language" }, t("language")), choice);
}

function light() {
  const box = el("input", {
    id: "slow", type: "checkbox", checked: isSlow(), "aria-describedby": "slow-hint",
    on: { change: () => setSlow(box.checked ? "slow" : "usual") },
  });
  const gentle = el("input", {
    id: "gentle", type: "checkbox", checked: palette() === "gentle", "aria-describedby": "gentle-hint",
    on: { change: () => setPalette(gentle.checked ? "gentle" : "full") },
  });
  return el("div", { class: "field" },
    el("label", { class: "check" }, gentle, t("gentle_light")),
    el("p", { id: "gentle-hint", class: "hint" }, t("gentle_light_hint")),
    el("label", { class: "check" }, box, t("slow_light")),
    el("p", { id: "slow-hint", class: "hint" }, t("slow_light_hint")),
  );
}

/** A switch for each currency in which SMS from the customer's number pay; nothing where none do. */
function bySms() {
  const place = el("div", { class: "field" });
  const show = ({ lines }) => {
    place.replaceChildren(...lines.flatMap((line, at) => {
      const hint = `sms-hint-${at}`;
      const box = el("input", {
        type: "checkbox", checked: line.is_on, "aria-describedby": hint, data: { name: `sms-${line.currency}` },
        on: {
          change: async () => {
            const wish = { currency: line.currency, is_on: box.checked };
            // What is shown is what the server keeps.
            await tell("PUT", "/v1/app/me/sms", wish).catch(() => { box.checked = !box.checked; });
          },
        },
      });
      const bounds = { currency: line.currency, vend: line.vend_max, day: line.day_max };
      return [
        el("label", { class: "check" }, box, t("by_sms", bounds)),
        el("p", { id: hint, class: "hint" }, t("by_sms_hint", bounds)),
      ];
    }));
  };
  ask("/v1/app/me/sms").then(show).catch(() => {});
  return place;
}

async function download() {
  const details = await ask("/v1/app/me/export");
  const bytes = new Blob([JSON.stringify(details, null, 2)], { type: "application/json" });
  const url = URL.createObjectURL(bytes);
  el("a", { href: url, download: "gettone.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
