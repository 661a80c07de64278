// The relay: sealed envelopes go to the server, sealed answers come back. The phone reads neither.

import { base64, hex, unbase64 } from "./bytes.js";
import { Offline, Problem, tell } from "./api.js";
import { pause } from "./bluetooth.js";

const ROUTE = "/v1/app/relay";
const TRIES = 5;
const FIRST_WAIT_MS = 300;
const KEPT = "gettone.envelopes";
/** Envelopes kept for later: with the reader's own copy they are a convenience, no more. */
const KEPT_MAX = 16;

/**
 * Carries one envelope over a link; gives the server's envelopes for the reader, and its results.
 * A retry is harmless: the server knows the envelope again. Without a handshake nobody asks for money.
 */
export async function carry(envelope, handshake = null) {
  const text = base64(envelope);
  const body = { envelopes: [text], ...(handshake && { h: hex(handshake) }) };
  try {
    const answer = await persist(body);
    return { envelopes: (answer.envelopes ?? []).map(unbase64), results: answer.results ?? [] };
  } catch (fault) {
    keep(text);
    throw fault;
  }
}

/** Carries what could not be carried before. Its answers are for a reader that is far away. */
export async function carryKept() {
  const envelopes = kept();
  if (envelopes.length === 0) return;
  try {
    await tell("POST", ROUTE, { envelopes });
    localStorage.removeItem(KEPT);
  } catch (fault) {
    // What the server will never take is not worth keeping.
    if (fault instanceof Problem && fault.status < 500) localStorage.removeItem(KEPT);
  }
}

async function persist(body) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await tell("POST", ROUTE, body);
      const unfinished = (answer.results ?? []).some((result) => result.outcome === "unfinished");
      if (!unfinished || attempt === TRIES) return answer;
      await pause(FIRST_WAIT_MS);
    } catch (fault) {
      const passing = fault instanceof Offline || (fault instanceof Problem && fault.status >= 500);
      if (!passing || attempt === TRIES) throw fault;
      await pause(FIRST_WAIT_MS * 2 ** (attempt - 1));
    }
  }
}

function kept() {
  try {
    const list = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

function keep(text) {
  try {
    localStorage.setItem(KEPT, JSON.stringify([...kept(), text].slice(-KEPT_MAX)));
  } catch {
    // A full or forbidden store loses nothing: the reader keeps its receipts until the server has them.
  }
}
