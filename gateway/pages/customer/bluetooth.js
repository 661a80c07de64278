// The radio: one reader, one GATT service, values in order (protocol section 4).

import { Assembler, segments } from "./segments.js";
import { hex } from "./bytes.js";

const PREFIX = "676574746f6e4501";
const GATT_SERVICE = "67657474-6f6e-4500-9b1d-5a2c8e4f3001";
const TO_READER = "67657474-6f6e-4500-9b1d-5a2c8e4f3002";
const TO_PHONE = "67657474-6f6e-4500-9b1d-5a2c8e4f3003";
/** A phone that is not notified looks so often for itself. */
const LOOK_EVERY_MS = 60;
/** Connecting and finding the service takes a second or two; longer means that it will not come. */
const CONNECT_MAX_MS = 12_000;
/** A reader takes and gives a value at once; a radio that says nothing for so long has lost it. */
const VALUE_MAX_MS = 5_000;
/** Messages that may wait here for the page. */
const WAITING_MAX = 64;

/** The radio cannot be used, or the reader is gone. */
export class RadioLost extends Error {}

/** Whether this browser speaks Bluetooth at all. */
export function hasRadio() {
  return "bluetooth" in navigator && typeof navigator.bluetooth?.requestDevice === "function";
}

/** Whether the phone's radio is there and switched on, as far as the browser tells. */
export async function isRadioOn() {
  try {
    return (await navigator.bluetooth.getAvailability?.()) ?? true;
  } catch {
    return true;
  }
}

/** What a reader advertises for the phone that can derive `eid`. */
export function serviceFor(eid) {
  const digits = PREFIX + hex(eid);
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Has the customer point at the reader that saw their light: the browser shows no other. */
export function choose(eid) {
  return navigator.bluetooth.requestDevice({
    filters: [{ services: [serviceFor(eid)] }],
    optionalServices: [GATT_SERVICE],
  });
}

/** Connects to a reader that was chosen, now or before. */
export async function connect(device) {
  const pipe = new Pipe(device);
  try {
    await within(CONNECT_MAX_MS, pipe.open());
  } catch (fault) {
    pipe.close();
    throw new RadioLost("the reader does not answer", { cause: fault });
  }
  return pipe;
}

/** One connection, message by message. */
class Pipe {
  #device;
  #toReader;
  #toPhone;
  #assembler = new Assembler();
  #messages = [];
  #waiting = null;
  #fault = null;
  #turn = Promise.resolve();
  #onLost = () => this.#fail(new RadioLost("the reader is gone"));
  #onValue = (event) => this.#take(event.target.value);

  constructor(device) {
    this.#device = device;
  }

  async open() {
    this.#device.addEventListener("gattserverdisconnected", this.#onLost);
    const server = await this.#device.gatt.connect();
    const service = await server.getPrimaryService(GATT_SERVICE);
    this.#toReader = await service.getCharacteristic(TO_READER);
    this.#toPhone = await service.getCharacteristic(TO_PHONE);
    try {
      this.#toPhone.addEventListener("characteristicvaluechanged", this.#onValue);
      await this.#toPhone.startNotifications();
    } catch {
      // Without a subscription each read takes the next value: slower, and as good.
      this.#toPhone.removeEventListener("characteristicvaluechanged", this.#onValue);
      this.#look();
    }
  }

  /** Sends a message; messages leave in the order of the calls. */
  async send(message) {
    const written = segments(message).map((value) =>
      this.#inTurn(() => within(VALUE_MAX_MS, this.#toReader.writeValueWithResponse(value))),
    );
    try {
      await Promise.all(written);
    } catch (fault) {
      this.#fail(fault);
      throw new RadioLost("the reader takes nothing", { cause: fault });
    }
  }

  /** One operation after the other: Android refuses the second of two at once. */
  #inTurn(operation) {
    const done = this.#turn.then(() => {
      if (this.#fault) throw this.#fault;
      return operation();
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  /** The next message of the reader. */
  receive() {
    if (this.#messages.length) return Promise.resolve(this.#messages.shift());
    if (this.#fault) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Hangs up. */
  close() {
    this.#fail(new RadioLost("hung up"));
  }

  async #look() {
    while (!this.#fault) {
      try {
        const value = await this.#inTurn(() => within(VALUE_MAX_MS, this.#toPhone.readValue()));
        if (value.byteLength === 0) await pause(LOOK_EVERY_MS);
        else this.#take(value);
      } catch (fault) {
        this.#fail(fault);
      }
    }
  }

  #take(view) {
    if (this.#fault || view.byteLength === 0) return;
    try {
      const value = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      const message = this.#assembler.push(value);
      if (!message) return;
      if (this.#messages.length >= WAITING_MAX) throw new RangeError("too many messages");
      if (this.#waiting) this.#waiting.resolve(message);
      else this.#messages.push(message);
      this.#waiting = null;
    } catch (fault) {
      this.#fail(fault);
    }
  }

  #fail(cause) {
    if (this.#fault) return;
    this.#fault = cause instanceof RadioLost ? cause : new RadioLost("the link broke", { cause });
    this.#device.removeEventListener("gattserverdisconnected", this.#onLost);
    this.#toPhone?.removeEventListener("characteristicvaluechanged", this.#onValue);
    this.#waiting?.reject(this.#fault);
    this.#waiting = null;
    if (this.#device.gatt?.connected) this.#device.gatt.disconnect();
  }
}

/** Waits. */
export function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Gives up on what does not end in time. */
export function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new RadioLost("it took too long")), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
