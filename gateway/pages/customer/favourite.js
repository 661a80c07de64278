// What a machine makes as soon as its customer is there: which selection, how sweet, how large.

import { Problem, ask, tell } from "./api.js";
import { Said, el, form } from "./dom.js";
import { t } from "./words.js";

/** Amounts of sugar as machines count them; 0 is the machine's own. */
const SUGARS = [[0, "taste_own"], [1, "taste_none"], [3, "taste_little"], [7, "taste_much"]];
/** Sizes of a cup as machines count them. */
const CUPS = [[0, "taste_own"], [1, "cup_small"], [3, "cup_large"]];

/** A form for the favourite at a machine; `found` is what is publicly known of it. */
export function favouriteForm(found) {
  const products = found.products ?? [];
  if (products.length === 0) return null;
  const item = choice("favourite", [["", t("favourite_none")], ...products.map((it) => [it.item, it.name])]);
  const sugar = choice("sugar", SUGARS.map(([amount, words]) => [amount, t(words)]));
  const cup = choice("cup", CUPS.map(([size, words]) => [size, t(words)]));
  const kept = el("p", { class: "hint", role: "status" });
  const node = el("details", { data: { name: "favourite" } },
    el("summary", {}, t("favourite")),
    form({}, async () => {
      const wish = item.value === ""
        ? { machine: found.machine, item: null }
        : { machine: found.machine, item: Number(item.value), sugar: Number(sugar.value), cup: Number(cup.value) };
      try {
        await tell("PUT", "/v1/app/favourites", wish);
      } catch (fault) {
        throw new Said(fault instanceof Problem ? fault.message : t("fault_offline"));
      }
      kept.textContent = t(item.value === "" ? "favourite_gone" : "favourite_kept");
    },
      el("label", { for: "favourite" }, t("favourite_item")), item,
      el("label", { for: "sugar" }, t("taste_sugar")), sugar,
      el("label", { for: "cup" }, t("taste_cup")), cup,
      el("button", { class: "quiet" }, t("favourite_keep")),
      kept,
    ),
  );
  node.addEventListener("toggle", async () => {
    if (!node.open) return;
    const all = await ask("/v1/app/favourites").catch(() => null);
    const here = all?.favourites.find((it) => it.machine === found.machine);
    if (!here) return;
    item.value = String(here.item);
    sugar.value = nearest(SUGARS, here.sugar);
    cup.value = nearest(CUPS, here.cup);
  }, { once: true });
  return node;
}

function choice(id, options) {
  return el("select", { id, name: id },
    ...options.map(([value, words]) => el("option", { value: String(value) }, words)));
}

/** The choice that stands for an amount that another program may have set. */
function nearest(choices, amount) {
  const below = choices.filter(([value]) => value <= amount);
  return String(below[below.length - 1][0]);
}
