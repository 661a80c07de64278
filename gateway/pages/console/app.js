// The console: who is signed in, which screen is shown, and the frame around it.

import { read, send, whenSignedOut } from "./api.js";
import { fill, h, say } from "./dom.js";
import { listen } from "./live.js";
import { may } from "./words.js";
import { signIn } from "./sign-in.js";
import { overview } from "./overview.js";
import { machine } from "./machine.js";
import { sales } from "./sales.js";
import { refunds } from "./refunds.js";
import { balance } from "./balance.js";
import { credit } from "./credit.js";
import { readers } from "./readers.js";
import { people } from "./people.js";
import { log } from "./log.js";

const SCREENS = [
  { path: /^\/$/, title: "Machines", show: overview, place: "#/" },
  { path: /^\/machines\/(\d+)$/, title: "Machine", show: machine, place: "#/" },
  { path: /^\/sales$/, title: "Sales", show: sales, place: "#/sales" },
  { path: /^\/refunds$/, title: "Refunds", show: refunds, place: "#/refunds", may: may.money },
  { path: /^\/balance$/, title: "Balance", show: balance, place: "#/balance", may: may.money },
  { path: /^\/credit$/, title: "Credit", show: credit, place: "#/credit", may: may.money },
  { path: /^\/readers$/, title: "Readers", show: readers, place: "#/readers", may: may.machines },
  { path: /^\/people$/, title: "Staff and keys", show: people, place: "#/people", may: may.people },
  { path: /^\/log$/, title: "Staff log", show: log, place: "#/log", may: may.people },
];

const main = document.getElementById("main");
const top = document.getElementById("top");
let me = null;
let leave = () => {};

async function begin() {
  whenSignedOut(() => { if (me) show(null); });
  try {
    me = await read("/v1/staff/me", { quiet: true });
  } catch (fault) {
    if (fault.status !== 401) {
      fill(main, h("h1", {}, "Not now"), h("p", {}, fault.message), h("button", { type: "button", onclick: () => location.reload() }, "Try again"));
      return;
    }
  }
  show(me);
}

/** Shows the door to nobody, and the screens to who has come in. */
function show(person) {
  leave();
  leave = () => {};
  me = person;
  listen(me !== null);
  if (!me) {
    fill(top);
    document.title = "Sign in – Gettone console";
    fill(main, signIn(show));
    main.querySelector("input")?.focus();
    return;
  }
  route();
}

function frame(current) {
  fill(top, h("div", { class: "bar" },
    h("span", { class: "brand" }, h("img", { src: "/assets/console/icon.svg", alt: "" }), me.operator.name),
    h("nav", { "aria-label": "Console" },
      SCREENS.filter((screen) => screen.title !== "Machine" && (!screen.may || screen.may(me))).map((screen) =>
        h("a", { href: screen.place, "aria-current": screen.place === current && "page" }, screen.title))),
    h("span", { class: "who" }, me.name,
      h("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out"))));
}

async function signOut() {
  try {
    await send("/v1/staff/sign-out", {}, { quiet: true });
    show(null);
  } catch (fault) {
    if (fault.status === 401) show(null);
    else say(fault.message);
  }
}

async function route() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  const screen = SCREENS.find((one) => one.path.test(path) && (!one.may || one.may(me)));
  leave();
  leave = () => {};
  frame(screen?.place);
  if (!screen) {
    document.title = "Not found – Gettone console";
    fill(main, h("h1", { tabindex: -1 }, "Nothing here"), h("p", {}, "There is no such screen, or it is not for your role. ", h("a", { href: "#/" }, "To the machines")));
    return;
  }
  document.title = `${screen.title} – Gettone console`;
  fill(main, h("p", { class: "faint", role: "status" }, "Loading."));
  // A screen that was left while it loaded must not take the place of the next one.
  const here = (route.turn = (route.turn ?? 0) + 1);
  const closers = [];
  const context = {
    me,
    parts: screen.path.exec(path).slice(1),
    query: new URLSearchParams(query),
    onLeave: (close) => closers.push(close),
    again: route,
  };
  leave = () => closers.splice(0).forEach((close) => close());
  let content;
  try {
    content = await screen.show(context);
  } catch (fault) {
    if (fault.status === 401) return;
    content = [
      h("h1", { tabindex: -1 }, screen.title),
      h("p", { class: "trouble", role: "alert" }, fault.message),
      h("button", { type: "button", onclick: route }, "Try again"),
    ];
  }
  if (here !== route.turn || !me) return;
  fill(main, content);
  const heading = main.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    if (screen.title === "Machine") document.title = `${heading.textContent} – Gettone console`;
  }
  scrollTo(0, 0);
}

addEventListener("hashchange", () => { if (me) route(); });
begin();
