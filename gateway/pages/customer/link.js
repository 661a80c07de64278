// The link: what phone and reader say to each other once they share a secret.

import { derive, Refused, start } from "./noise.js";
import { join } from "./bytes.js";

const VERSION = 1;
const [ENVELOPE, STATUS, LEAVE, AGAIN, PIECE, WANT] = [1, 2, 3, 4, 5, 6];
/** What Link 1 says of a phone that brings packages to readers. */
export const CARRIES = 1;
/** A piece of a package is at most so long. */
export const PIECE_LEN = 2048;
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

/** Starts a link; gives Link 1 and what makes the link from Link 2. `caps` says what the phone is able to do. */
export async function initiate(psk, fixed, caps = 0) {
  const { message, finish } = await start(psk, Uint8Array.of(VERSION, caps >>> 8, caps & 0xff), fixed);
  return { message, finish: async (answer) => new Link(await finish(answer), caps) };
}

/** A link that is up. After anything it refuses it has to be dropped. */
export class Link {
  #outgoing;
  #incoming;
  #caps;

  constructor({ hash, outgoing, incoming }, caps = 0) {
    this.#outgoing = outgoing;
    this.#incoming = incoming;
    this.#caps = caps;
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

  /** Seals a piece of a package: `index` counts pieces of this part of it. */
  sealPiece({ version, part, index, bytes }) {
    const head = new Uint8Array(10);
    const view = new DataView(head.buffer);
    view.setUint8(0, PIECE);
    view.setUint32(1, version);
    view.setUint8(5, part);
    view.setUint32(6, index);
    return this.#outgoing.seal(join(head, bytes));
  }

  /** Opens the next message: `{envelope}`, `{status}`, or `{want}` where the phone carries packages. */
  async open(sealed) {
    return decode(await this.#incoming.open(sealed), this.#caps);
  }
}

/** Reads the plaintext of a message from the reader. */
export function decode(plaintext, caps = 0) {
  const body = plaintext.subarray(1);
  switch (plaintext[0]) {
    case ENVELOPE:
      return { envelope: body.slice() };
    case STATUS:
      return { status: status(body) };
    case WANT:
      if (caps & CARRIES) return { want: want(body) };
      throw new Refused("a wish that only a phone with packages hears");
    default:
      throw new Refused("a message that no reader sends");
  }
}

function want(body) {
  if (body.length !== 11) throw new Refused("a wish of another length");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [part, count] = [view.getUint8(4), view.getUint16(9)];
  if (part > 1 || count === 0) throw new Refused("a wish that means nothing");
  return { version: view.getUint32(0), part, first: view.getUint32(5), count };
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
