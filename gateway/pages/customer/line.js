// A link over the radio: what is said leaves in the order of its nonces.

import { connect, within } from "./bluetooth.js";
import { initiate } from "./link.js";

/** A reader answers Link 1 at once. */
const LINK_MAX_MS = 10_000;

/** Links with a reader that was chosen, now or before. */
export async function dial(device, psk, caps = 0) {
  const pipe = await connect(device);
  try {
    const { message, finish } = await initiate(psk, undefined, caps);
    await pipe.send(message);
    return new Line(pipe, await finish(await within(LINK_MAX_MS, pipe.receive())));
  } catch (fault) {
    pipe.close();
    throw fault;
  }
}

/** A link that is up, until it is hung up or lost. */
class Line {
  #pipe;
  #link;
  #sending = Promise.resolve();

  constructor(pipe, link) {
    this.#pipe = pipe;
    this.#link = link;
  }

  /** The hash of the handshake. */
  get handshake() {
    return this.#link.handshake;
  }

  /** Says what `sealed` makes of the link. What a lost link does not carry, whoever hears it out learns of. */
  say(sealed) {
    this.#sending = this.#sending
      .then(async () => this.#pipe.send(await sealed(this.#link)))
      .catch(() => {});
    return this.#sending;
  }

  /** The reader's next message. */
  async next() {
    return this.#link.open(await this.#pipe.receive());
  }

  /** Hangs up. */
  close() {
    this.#pipe.close();
  }
}
