// The page: which screen is shown, and when.

import { button, el, icon, p } from "./dom.js";
import { customer, refresh, wallets } from "./customer.js";
import { abandon, buy } from "./buy.js";
import { history, receipt } from "./history.js";
import { signIn, welcome } from "./sign-in.js";
import { spoken, t } from "./words.js";
import { carryKept } from "./relay.js";
import { close, scan } from "./scan.js";
import { settings } from "./settings.js";
import { arrive, darken, hasCode, token } from "./token.js";
import { wallet } from "./wallet.js";

const main = document.querySelector("main");
const bar = document.querySelector("nav");
const skip = document.querySelector(".skip");
const TABS = [
  ["#/", "home", "M4 7h16v12H4zM4 7l3-3h10l3 3M15 13h2"],
  ["#/history", "history", "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6"],
  ["#/settings", "settings", "M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M6 15v4"],
];

/** Goes to a screen, or shows the present one anew. */
function go(where) {
  if (where !== undefined && where !== location.hash && !(where === "#/" && location.hash === "")) {
    location.hash = where;
  } else {
    show();
  }
}

async function show() {
  const [, screen = "", ...rest] = location.hash.split("/");
  if (screen !== "buy") abandon();
  if (screen !== "token") darken();
  if (screen !== "scan") close();
  document.documentElement.lang = spoken();
  skip.textContent = t("skip");
  try {
    // Balances are asked for whenever they are about to be shown.
    if (!customer.me || screen === "") await refresh();
    main.replaceChildren(...screenOf(screen, rest).filter(Boolean));
  } catch (fault) {
    main.replaceChildren(
      p(t("fault", { detail: fault.message }), { class: "fault", role: "alert" }),
      button(t("try_again"), () => go(), { class: "main" }),
    );
  }
  tabs(screen);
  main.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function screenOf(screen, rest) {
  if (!customer.isOnline) {
    return [
      p(t("offline"), { class: "note", role: "status", data: { name: "offline" } }),
      button(t("try_again"), () => go(), { class: "main" }),
    ];
  }
  if (!customer.me) return signIn(go);
  if (wallets().length === 0 || screen === "welcome") return welcome(go);
  switch (screen) {
    case "buy":
      return buy(go);
    case "token":
      return token(go);
    case "scan":
      return scan(go);
    case "history":
      return history();
    case "receipt":
      return receipt(rest[0] ?? "", rest[1] ?? "");
    case "settings":
      return settings(go);
    default:
      // Who came with a code and had to sign in first goes on with it.
      return hasCode() ? token(go) : wallet(go);
  }
}

function tabs(screen) {
  const shown = customer.me !== null && wallets().length > 0 && !["buy", "scan", "token", "welcome"].includes(screen);
  bar.hidden = !shown;
  if (!shown) return;
  bar.setAttribute("aria-label", "Gettone");
  bar.replaceChildren(
    ...TABS.map(([where, name, path]) =>
      el("a", {
        href: where,
        "aria-current": where === `#/${screen === "receipt" ? "history" : screen}` ? "page" : null,
      }, icon(path), t(name)),
    ),
  );
}

window.addEventListener("hashchange", show);
window.addEventListener("online", () => {
  carryKept();
  if (!customer.isOnline) go();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") carryKept();
});
// Only a session that is under way is worth a question.
window.addEventListener("beforeunload", (event) => {
  if (main.querySelector('[data-phase="granted"], [data-phase="vending"]')) event.preventDefault();
});
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/assets/customer/worker.js", { scope: "/" }).catch(() => {});
}
carryKept();
arrive();
show();
