// A technician's round at one machine: links by light, carries what the reader has for the server and
// what the server has for the reader, as often as it takes. It decides nothing: both check everything.

import { Offline, Problem } from "../customer/api.js";
import { RadioLost, choose } from "../customer/bluetooth.js";
import { Flash } from "../customer/flash.js";
import { SECRET_BYTES, colours } from "../customer/optical.js";
import { CARRIES, fromLight } from "../customer/link.js";
import { carry } from "../customer/relay.js";
import { dial } from "../customer/line.js";
import { hex, random } from "../customer/bytes.js";
import { askReport, packages, reader, report } from "./packages.js";

/** Where an envelope names its reader. */
const ID = [4, 12];
/** After the last envelope the server is asked so often more: what it takes in shows a moment later. */
const LOOKS = 3;
const LOOK_EVERY_MS = 700;

/**
 * Phases: ready, flashing, choosing, connecting, linked, lost, failed. `lost` is a link that is over: all that is not
 * done goes on with the next one.
 */
export class Round {
  #pace;
  #palette;
  #tell;
  #flash = null;
  #door = null;
  #line = null;
  #carrying = Promise.resolve();
  #bringing = Promise.resolve();
  #looking = null;
  #isReportWanted;
  #asked = false;
  #looks = 0;

  /** `tell` hears of every change; `reported` says that the reader is to report how it is. */
  constructor(tell, { pace = 1, palette = "full", reported = true } = {}) {
    this.#tell = tell;
    this.#pace = pace;
    this.#palette = palette;
    this.#isReportWanted = reported;
    this.phase = "ready";
    this.fault = null;
    /** The reader's name, once it has said anything. */
    this.id = null;
    this.machine = null;
    /** What the server knew of the reader at first, and what it knows now. */
    this.before = null;
    this.known = null;
    /** Receipts that the reader had for the server when the round began. */
    this.first = 0;
    this.packages = [];
    /** Whether it is known what the reader is to have. */
    this.isListed = false;
    this.report = null;
    /** How often it was linked. */
    this.links = 0;
    /** Envelopes under way to the server. */
    this.open = 0;
  }

  /** Receipts that the reader still has for the server; null while that is not known. */
  get waiting() {
    return this.known?.receipts_waiting ?? null;
  }

  /** Whether nothing is left to carry to or fro, as far as anybody knows. */
  get isDone() {
    return this.waiting === 0 && this.open === 0 && this.isListed && this.packages.every((one) => one.state === "done");
  }

  /** Whether the reader has a package that counts from its next start. */
  get isGiven() {
    return this.packages.some((one) => one.state === "given");
  }

  /** Shows the light on a canvas, until a reader is chosen or the code is too old. */
  async show(canvas) {
    this.#flash = null;
    // From here on news of the last link do not take the light's place on the page.
    this.#set({ phase: "flashing", fault: null });
    const secret = random(SECRET_BYTES);
    this.#door = await fromLight(secret);
    this.#flash = new Flash(canvas, colours(secret), this.#pace, this.#palette);
    await this.#flash.play();
    if (this.phase === "flashing") this.#set({ phase: "failed", fault: "unseen" });
  }

  /** Has the technician choose the reader; to be called from their tap, or the browser shows nothing. */
  async pick() {
    if (this.phase !== "flashing" || !this.#flash) return;
    this.#set({ phase: "choosing" });
    let device;
    try {
      device = await choose(this.#door.eid);
    } catch (fault) {
      this.#flash.stop();
      this.#set({ phase: "failed", fault: fault.name === "NotFoundError" ? "unchosen" : "radio" });
      return;
    }
    this.#flash.stop();
    this.#set({ phase: "connecting" });
    try {
      this.#line = await dial(device, this.#door.psk, CARRIES);
    } catch (fault) {
      this.#set({ phase: "failed", fault: fault instanceof RadioLost ? "radio" : "refused" });
      return;
    }
    this.links += 1;
    for (const one of this.packages) one.begin();
    this.#set({ phase: "linked" });
    await this.#listen();
  }

  /** Lets the reader go: it serves customers again. */
  async leave() {
    this.#flash?.stop();
    const line = this.#line;
    this.#line = null;
    await line?.say((link) => link.sealLeave());
    line?.close();
  }

  async #listen() {
    try {
      while (this.#line) {
        const message = await this.#line.next();
        if (message.envelope) this.#carry(message.envelope);
        else if (message.want) this.#bring(message.want);
      }
    } catch {
      // A lost link, or one that has lost step: the next one goes on where this one was.
    }
    this.#line?.close();
    this.#line = null;
    this.#set({ phase: "lost" });
    await this.#carrying;
    this.#looks = LOOKS;
    this.#look();
  }

  #carry(envelope) {
    this.open += 1;
    this.#carrying = this.#carrying.then(async () => {
      try {
        await this.#meet(envelope);
        const { envelopes, results } = await carry(envelope);
        for (const result of results) this.#note(result);
        for (const answer of envelopes) this.#line?.say((link) => link.sealEnvelope(answer));
        if (this.fault === "offline") this.fault = null;
      } catch (fault) {
        this.#trouble(fault);
      } finally {
        this.open -= 1;
        this.#looks = LOOKS;
        this.#look();
      }
    });
  }

  /** The first envelope says who the reader is: what it is to be told with its answer is asked for before. */
  async #meet(envelope) {
    const id = hex(envelope.subarray(...ID));
    if (this.id !== null && this.id !== id) this.#forget();
    this.id = id;
    if (!this.#isReportWanted || this.#asked) return;
    this.#asked = true;
    try {
      await askReport(id);
    } catch (fault) {
      this.#asked = false;
      this.#trouble(fault);
    }
  }

  /** Another reader than before: its matters are its own. */
  #forget() {
    Object.assign(this, { machine: null, before: null, known: null, first: 0, packages: [], isListed: false, report: null });
    this.#asked = false;
  }

  #note(result) {
    if (result.outcome === "rejected") this.fault = "stranger";
    if (result.machine) this.machine = result.machine;
    this.#set({});
  }

  #bring(want) {
    this.#bringing = this.#bringing.then(async () => {
      try {
        const wanted = (one) => one.version === want.version;
        if (!this.packages.some(wanted)) await this.#find();
        const found = this.packages.find(wanted);
        if (!found) return;
        for (const piece of await found.pieces(want)) {
          if (!this.#line) return;
          await this.#line.say((link) => link.sealPiece(piece));
          if (!this.#line) return;
          found.note(piece);
          this.#set({});
        }
      } catch (fault) {
        this.#trouble(fault);
      }
    });
  }

  /** Learns what the server knows by now, one question at a time. */
  #look() {
    if (this.#looking || this.id === null) return;
    this.#looking = (async () => {
      while (this.#looks > 0) {
        this.#looks -= 1;
        try {
          await this.#learn();
        } catch (fault) {
          this.#trouble(fault);
        }
        if (this.#looks > 0) await new Promise((next) => setTimeout(next, LOOK_EVERY_MS));
      }
      this.#looking = null;
    })();
  }

  async #learn() {
    const id = this.id;
    const known = await reader(id);
    if (this.id !== id) return;
    this.known = known;
    this.before ??= known;
    this.machine ??= known.machine;
    this.first = Math.max(this.first, this.waiting ?? 0);
    await this.#find();
    for (const one of this.packages) one.compare(known);
    const told = await report(id);
    if (this.id !== id) return;
    this.#set({ report: told });
  }

  async #find() {
    const id = this.id;
    const found = await packages(id);
    if (this.id !== id) return;
    for (const one of found) {
      const at = this.packages.findIndex((known) => known.kind === one.kind);
      if (at < 0) this.packages.push(one);
      else if (this.packages[at].version !== one.version) this.packages[at] = one;
    }
    this.isListed = true;
  }

  #trouble(fault) {
    if (fault instanceof Offline) this.#set({ fault: "offline" });
    else if (fault instanceof Problem) this.#set({ fault: kindOf(fault.status) });
    else throw fault;
  }

  #set(change) {
    Object.assign(this, change);
    this.#tell(this);
  }
}

function kindOf(status) {
  switch (status) {
    case 401:
      return "signed_out";
    case 403:
      return "role";
    case 404:
      return "foreign";
    default:
      return "server";
  }
}
