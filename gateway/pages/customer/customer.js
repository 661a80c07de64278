// Who is signed in, and what the page knows of them. Nothing of it outlives the page.

import { Offline, Problem, ask, tell } from "./api.js";
import { speak } from "./words.js";

/** Money that is set aside is asked for so often, and so many times: a machine may have gone silent. */
const ASK_EVERY_MS = 1_000;
const ASKED_MAX = 30;
const NOTHING = /^[0.]*$/;

/** Everything the screens share. */
export const customer = {
  /** The server's answer to who asks, or nothing. */
  me: null,
  /** Whether the server could be reached the last time. */
  isOnline: true,
};

/** Learns who is signed in. Nobody is an answer too. */
export async function refresh() {
  try {
    customer.me = await ask("/v1/app/me");
    customer.isOnline = true;
    if (customer.me.language) speak(customer.me.language);
  } catch (fault) {
    if (fault instanceof Offline) {
      // Money that may be wrong is not shown.
      customer.me = null;
      customer.isOnline = false;
      return;
    }
    if (!(fault instanceof Problem) || ![401, 403].includes(fault.status)) throw fault;
    customer.me = null;
    customer.isOnline = true;
  }
}

/** The customer's wallets. */
export function wallets() {
  return customer.me?.wallets ?? [];
}

/**
 * Asks again while money is set aside, for it is free as soon as the server has heard the machine
 * out; `show` draws what came, as long as `place` is on the screen.
 */
export function whileSetAside(place, show) {
  const isAside = () => wallets().some((wallet) => !NOTHING.test(wallet.pending ?? ""));
  const look = async (asked) => {
    if (!place.isConnected || !customer.me || !isAside() || asked >= ASKED_MAX) return;
    try {
      const me = await ask("/v1/app/me");
      // Who signed out meanwhile stays so.
      if (customer.me) customer.me = me;
    } catch {
      // What is shown was true a moment ago; the next time may tell.
    }
    if (place.isConnected) show();
    setTimeout(() => look(asked + 1), ASK_EVERY_MS);
  };
  setTimeout(() => look(0), ASK_EVERY_MS);
}

/** Signs out, and forgets. */
export async function signOut() {
  await tell("POST", "/v1/app/sign-out");
  forget();
}

/** Forgets what the page keeps on this phone. */
export function forget() {
  customer.me = null;
  localStorage.clear();
}

const places = new Map();

/** What is publicly known of a machine: its name, its place, who runs it. */
export async function place(machine) {
  if (!places.has(machine)) {
    const found = await ask(`/v1/app/machines/${encodeURIComponent(machine)}`).catch(() => null);
    if (found) places.set(machine, found);
  }
  return places.get(machine) ?? null;
}

/** The same, when it has been asked for before. */
export function knownPlace(machine) {
  return places.get(machine) ?? null;
}
