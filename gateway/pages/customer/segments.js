// Messages in values: u16 `last:1 | index:15`, then data (protocol section 4).

import { alike, join } from "./bytes.js";

/** A message is at most so long. */
export const MESSAGE_MAX = 4096;
/** A value is at most so long, whatever the connection agreed on. */
const VALUE_MAX = 509;
// A browser never tells the MTU. Phones agree on 185 and more, so that so long a value goes out
// in one piece; on a smaller MTU the browser's own long writes cut it once more.
const VALUE_LEN = 180;
const SEGMENTS_MAX = 70;
const LAST = 0x8000;
const HEADER_LEN = 2;

/** The values of the message are not in order. */
export class Gap extends Error {}

/** Cuts a message into values. */
export function segments(message, valueLen = VALUE_LEN) {
  if (message.length === 0 || message.length > MESSAGE_MAX) {
    throw new RangeError("a message of another length");
  }
  const room = valueLen - HEADER_LEN;
  const count = Math.ceil(message.length / room);
  return Array.from({ length: count }, (_, index) => {
    const header = index + 1 === count ? index | LAST : index;
    const data = message.subarray(index * room, (index + 1) * room);
    return join(Uint8Array.of(header >>> 8, header & 0xff), data);
  });
}

/** Puts values together again, one direction of one link. */
export class Assembler {
  #parts = [];
  #len = 0;
  #next = 0;
  #last = new Uint8Array(0);

  /** Takes the next value; gives the message that it completes, or nothing. */
  push(value) {
    if (value.length <= HEADER_LEN || value.length > VALUE_MAX) throw new Gap("a value's length");
    // A radio may deliver one value twice; messages are sealed, so no two are ever alike.
    if (alike(value, this.#last)) return null;
    const header = (value[0] << 8) | value[1];
    const index = header & ~LAST;
    if (index !== this.#next || index >= SEGMENTS_MAX) throw new Gap("a segment is missing");
    this.#len += value.length - HEADER_LEN;
    if (this.#len > MESSAGE_MAX) throw new Gap("a message that is too long");
    this.#parts.push(value.slice(HEADER_LEN));
    this.#last = value.slice();
    if (!(header & LAST)) {
      this.#next = index + 1;
      return null;
    }
    const message = join(...this.#parts);
    this.#parts = [];
    this.#len = 0;
    this.#next = 0;
    return message;
  }
}
