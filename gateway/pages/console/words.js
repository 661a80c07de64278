// How money, times and states are told to people.

import { h } from "./dom.js";

/** An amount in its currency; the decimal text is never turned into a float. */
export function money(amount, currency) {
  if (amount === null || amount === undefined) return "";
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** Reads what a person typed as an amount: comma or point, and spaces between thousands. */
export function typed(text) {
  return text.trim().replace(/[\s\u00a0\u202f']/g, "").replace(",", ".");
}

/** The exact difference of two decimal texts with at most as many digits as `left` has; or null. */
export function difference(left, right) {
  const digits = (left.split(".")[1] ?? "").length;
  const whole = (text) => {
    const found = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
    if (!found || (found[3] ?? "").length > digits) return null;
    const value = BigInt(found[2] + (found[3] ?? "").padEnd(digits, "0"));
    return found[1] ? -value : value;
  };
  const [a, b] = [whole(left), whole(right)];
  if (a === null || b === null) return null;
  const value = a - b;
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  const cut = text.length - digits;
  return (value < 0n ? "-" : "") + text.slice(0, cut) + (digits > 0 ? `.${text.slice(cut)}` : "");
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** A time of day with its date, in this person's zone. */
export function time(at_ms) {
  if (at_ms === null || at_ms === undefined) return "";
  const at = new Date(at_ms);
  return h("time", { datetime: at.toISOString(), title: exact.format(at) }, full.format(at));
}

/** How long ago it was, with the time itself. */
export function since(at_ms) {
  if (at_ms === null || at_ms === undefined) return h("span", { class: "faint" }, "never");
  const at = new Date(at_ms);
  const seconds = Math.round((at_ms - Date.now()) / 1000);
  const [value, unit] = Math.abs(seconds) < 90 ? [Math.min(seconds, 0), "second"]
    : Math.abs(seconds) < 5400 ? [Math.round(seconds / 60), "minute"]
    : Math.abs(seconds) < 129600 ? [Math.round(seconds / 3600), "hour"]
    : [Math.round(seconds / 86400), "day"];
  return h("time", { datetime: at.toISOString(), title: exact.format(at) }, ago.format(value, unit), h("span", { class: "faint small moment" }, ` (${full.format(at)})`));
}

/** The beginning of a local day, in milliseconds; `days` later. */
export function day(text, days = 0) {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  return found ? new Date(+found[1], +found[2] - 1, +found[3] + days).getTime() : null;
}

/** A local date as a date field writes it. */
export function dayText(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const STATES = {
  live: ["good", "live", "heard within the last 24 hours"],
  quiet: ["warn", "quiet", "not heard for 1 to 7 days"],
  silent: ["bad", "silent", "not heard for more than 7 days"],
  locked: ["warn", "locked", "its operator has locked it"],
  "no-reader": ["", "no reader", "no reader is enrolled on it"],
};

/** A machine's state in a word, with what it means. */
export function state(name) {
  const [tone, words, meaning] = STATES[name] ?? ["", name, ""];
  return h("span", { class: `chip ${tone}`, title: meaning }, words);
}

/** What the states mean, for below the list. */
export function stateLegend() {
  return h("p", { class: "faint small" },
    "A reader has no line of its own: it is heard when a phone passes. Live: heard within 24 hours. Quiet: within 7 days. Silent: longer ago, or never.");
}

/** A lock: what is wanted, and how far the order has come. */
export function lock({ wanted, state: stage }) {
  const locked = wanted === "locked";
  if (stage === "queued") return h("span", { class: "chip warn" }, `${locked ? "lock" : "unlock"} waits for a phone to carry it`);
  if (stage === "carried") return h("span", { class: "chip warn" }, `${locked ? "lock" : "unlock"} carried, not yet confirmed`);
  if (locked) return h("span", { class: "chip warn" }, stage === "applied" ? "locked, confirmed by the reader" : "locked");
  return h("span", { class: "chip good" }, "open");
}

/** A case's kind in words. */
export const CASES = {
  claim: "Nothing fell, says the customer",
  doubtful_reset: "The machine was reset right after the approval",
  unknown: "Nobody saw whether it was delivered",
  cash_unknown: "Nobody saw whether cash was put in",
};

/** A sale's kind in words. */
export const SALES = {
  sale: "sale",
  cash: "cash sale",
  failed: "not delivered",
  excused: "not charged",
  in_doubt: "in doubt",
  refund: "refund",
};

/** Words about a reader's report on itself. */
export const REPORT = {
  title: "How the reader is",
  show: "Report",
  ask: "Ask for a report",
  look: "Look again",
  none: "It has not told yet.",
  taken: "Told",
  waits: "It is asked. The next phone that links, or its own road, brings the answer.",
};

/** A role in words. */
export const ROLES = {
  owner: "Owner: everything",
  clerk: "Clerk: money and customers",
  technician: "Technician: machines and readers",
};

/** What a person may do. */
export const may = {
  money: (me) => me.role === "owner" || me.role === "clerk",
  machines: (me) => me.role === "owner" || me.role === "technician",
  people: (me) => me.role === "owner",
};

/** A machine by name and number. */
export function machineName(line) {
  const number = line.machine;
  if (number === null || number === undefined) return "";
  return line.machine_name || line.name ? `${line.machine_name ?? line.name} (${number})` : `Machine ${number}`;
}

/** A link to a machine. */
export function machineLink(line) {
  return line.machine === null || line.machine === undefined ? "" : h("a", { href: `#/machines/${line.machine}` }, machineName(line));
}
