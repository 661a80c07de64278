// The link: what phone and reader say to each other once they share a secret.

import { derive, Refused, start } from "./noise.js";
import { join } from "./bytes.js";

const VERSION = 1;
const [ENVELOPE, STATUS, LEAVE, AGAIN] = [1, 2, 3, 4];
const LINE_LEN_MAX = 64;
const RESUME_LEN = 16;

/** The reader's states, in the order of their codes. */
export const STATES = [
  "idle",
  "advertising",
  "linked",
  "granted",
  "vending",
  "waiting",
  "closing",
];
/** How the last vend went, in the order of the codes. */
export const RESULTS = ["none", "vended", "failed", "denied", "unknown", "cash_taken"];
/** Why there is nothing, or no more, in the order of the codes. */
export const REASONS = [
  "none",
  "funds",
  "stale",
  "pending",
  "machine_off",
  "blocked",
  "reader",
  "above_cap",
  "no_vends_left",
  "idle",
  "expired",
  "left",
  "reset",
  "journal_full",
  "not_again",
  "no_favourite",
];

/** What both ends derive from the secret of a light code. */
export async function fromLight(secret) {
  return {
    eid: await derive(secret, "gettone eid v1", 8),
    psk: await derive(secret, "gettone psk v1", 32),
  };
}

/** What both ends derive from the secret with which one phone resumes its session. */
export async function fromResume(secret) {
  return {
    eid: await derive(secret, "gettone eid re v1", 8),
    psk: await derive(secret, "gettone psk re v1", 32),
  };
}

/** Starts a link; gives Link 1 and what makes the link from Link 2. */
export async function initiate(psk, fixed) {
  const { message, finish } = await start(psk, Uint8Array.of(VERSION, 0, 0), fixed);
  return { message, finish: async (answer) => new Link(await finish(answer)) };
}

/** A link that is up. After anything it refuses it has to be dropped. */
export class Link {
  #outgoing;
  #incoming;

  constructor({ hash, outgoing, incoming }) {
    this.#outgoing = outgoing;
    this.#incoming = incoming;
    /** The hash of the handshake: both ends hold the same one, a second link has another. */
    this.handshake = hash;
  }

  /** Seals the envelope that the server sent for the reader. */
  sealEnvelope(envelope) {
    return this.#outgoing.seal(join(Uint8Array.of(ENVELOPE), envelope));
  }

  /** Seals the end of the session. */
  sealLeave() {
    return this.#outgoing.seal(Uint8Array.of(LEAVE));
  }

  /** Seals the wish for another session on the same link. */
  sealAgain() {
    return this.#outgoing.seal(Uint8Array.of(AGAIN));
  }

  /** Opens the next message: `{envelope}` or `{status}`. */
  async open(sealed) {
    return decode(await this.#incoming.open(sealed));
  }
}

/** Reads the plaintext of a message from the reader. */
export function decode(plaintext) {
  const body = plaintext.subarray(1);
  switch (plaintext[0]) {
    case ENVELOPE:
      return { envelope: body.slice() };
    case STATUS:
      return { status: status(body) };
    default:
      throw new Refused("a message that no reader sends");
  }
}

function status(body) {
  if (body.length < 12) throw new Refused("a short status");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const lineLen = view.getUint8(11);
  const rest = body.length - 12 - lineLen;
  if (lineLen > LINE_LEN_MAX || (rest !== 0 && rest !== RESUME_LEN)) {
    throw new Refused("a status of another length");
  }
  return {
    state: stateOf(view.getUint8(0)),
    remaining: view.getUint32(1),
    // A newer reader may know more of these; they are for the eye only.
    last: RESULTS[view.getUint8(5)] ?? "none",
    reason: REASONS[view.getUint8(6)] ?? "other",
    shortBy: view.getUint32(7),
    line: new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(12, 12 + lineLen)),
    resume: rest ? body.slice(12 + lineLen) : null,
  };
}

function stateOf(code) {
  if (code >= STATES.length) throw new Refused("a state that means nothing");
  return STATES[code];
}
