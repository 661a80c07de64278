// What a reader is to have, and what the server knows of it.

import { Problem, ask, tell } from "../customer/api.js";
import { unbase64 } from "../customer/bytes.js";
import { PIECE_LEN } from "../customer/link.js";

/** A package's content comes whole. */
const CONTENT_MAX_MS = 60_000;
/** Pieces for one wish, whatever the reader says. */
const PIECES_MAX = 64;
/** What is in a manifest's name, and in the content's. */
const MANIFEST = 0;

/** What the server knows of a reader. */
export function reader(id) {
  return ask(`/v1/readers/${id}`);
}

/** What a reader is to have. */
export async function packages(id) {
  const told = await optional(`/v1/readers/${id}/packages`);
  return (told?.packages ?? []).map((one) => new Package(id, one));
}

/** Has a reader report how it is, with the answer to its next HELLO. */
export async function askReport(id) {
  try {
    await tell("POST", `/v1/readers/${id}/diagnostics`);
  } catch (fault) {
    if (!isAbsent(fault)) throw fault;
  }
}

/** What a reader reported last: `{asked_at, taken_at, report}`, or nothing. */
export function report(id) {
  return optional(`/v1/readers/${id}/diagnostics`);
}

/** What there is, and nothing where there is none. */
async function optional(path) {
  try {
    return await ask(path);
  } catch (fault) {
    if (isAbsent(fault)) return null;
    throw fault;
  }
}

function isAbsent(fault) {
  return fault instanceof Problem && fault.status === 404;
}

/** One package on its way to a reader. The phone vouches for nothing: the reader checks every piece. */
class Package {
  #path;
  #manifest;
  #content = null;

  constructor(reader, { kind, version, number, size, manifest }) {
    this.#path = `/v1/readers/${reader}/packages/${kind}`;
    this.#manifest = unbase64(manifest);
    this.kind = kind;
    this.version = version;
    this.number = number;
    this.size = size;
    /** How much of it the reader has, or was given, in bytes. */
    this.given = 0;
    /** waiting, going, given, done. */
    this.state = "waiting";
    this.boot = null;
    /** The first piece that the link brought which is up, or was the last. */
    this.from = null;
  }

  /** Another link begins: the reader says anew what it lacks. */
  begin() {
    this.from = null;
  }

  /** Compares with what the reader says that it runs. What it was given here counts from its next start. */
  compare({ configuration, firmware, boot }) {
    const runs = this.kind === "firmware" ? numbered(firmware) : configuration;
    if (this.state === "given") this.boot ??= boot;
    const isStarted = this.boot === null || boot > this.boot;
    if (runs !== null && runs >= this.number && isStarted) this.state = "done";
  }

  /** The pieces that a reader wants, as far as there are such. */
  async pieces({ version, part, first, count }) {
    const whole = part === MANIFEST ? this.#manifest : await this.#whole();
    const pieces = [];
    for (let index = first; index < first + Math.min(count, PIECES_MAX); index += 1) {
      const bytes = whole.subarray(index * PIECE_LEN, (index + 1) * PIECE_LEN);
      if (bytes.length === 0) break;
      pieces.push({ version, part, index, bytes });
    }
    return pieces;
  }

  /** Notes that a reader has been given this piece, and all before it. */
  note({ part, index, bytes }) {
    if (part === MANIFEST) return;
    this.from ??= index;
    this.given = Math.max(this.given, index * PIECE_LEN + bytes.length);
    this.state = this.given >= this.size ? "given" : "going";
  }

  async #whole() {
    this.#content ??= await ask(this.#path, { as: "bytes", longest: CONTENT_MAX_MS });
    return this.#content;
  }
}

/** A firmware's number, from the version as people write it. */
function numbered(version) {
  const parts = version?.split(".").map(Number);
  return parts?.length === 3 ? parts[0] * 65_536 + parts[1] * 256 + parts[2] : null;
}
