// One visit at a machine: light, link, grant, what is bought, the end. It decides nothing about
// money: the reader and the server do; it carries their envelopes and shows what they say.

import { Flash } from "./flash.js";
import { RadioLost, choose, pause } from "./bluetooth.js";
import { SECRET_BYTES, colours } from "./optical.js";
import { Offline, Problem } from "./api.js";
import { carry } from "./relay.js";
import { dial } from "./line.js";
import { fromLight, fromResume } from "./link.js";
import { random } from "./bytes.js";

/** A reader waits so long for a phone that was lost in a session. */
const RESUME_MAX_MS = 20_000;
const RESUME_EVERY_MS = 400;
/** After the end the reader takes another wish for so long; the page hangs up a little earlier. */
const AGAIN_MAX_MS = 25_000;
/** Wishes that the page repeats by itself, when only older receipts or a newer HELLO stood before them. */
const RETRIES_MAX = 2;
const RETRIED = ["pending", "stale"];
const RESUMED = ["granted", "vending", "waiting", "closing"];

/**
 * Phases: ready, flashing, choosing, connecting, asking, granted, vending, waiting, closing,
 * resuming, refused, over, lost, failed.
 */
export class Visit {
  #pace;
  #palette;
  #tell;
  #flash = null;
  #door = null;
  #device = null;
  #line = null;
  #resume = null;
  #carrying = Promise.resolve();
  #retries = 0;
  #isLeaving = false;
  #isVending = false;
  #hangUp = 0;

  /** `tell` hears of every change; `pace` slows the light down for displays that stumble, `palette` is full or gentle. */
  constructor(tell, pace = 1, palette = "full") {
    this.#tell = tell;
    this.#pace = pace;
    this.#palette = palette;
    this.phase = "ready";
    this.remaining = 0;
    this.last = "none";
    this.reason = "none";
    this.shortBy = 0;
    /** How each purchase of this visit went. */
    this.vends = [];
    /** What the server said of the grant: machine, held, vends_max, balance, short_by, currency. */
    this.grant = {};
    /** The holds that paid for it, one for each session. */
    this.holds = new Set();
    /** Receipts that the server has taken in this visit. */
    this.receipts = 0;
    this.fault = null;
  }

  /** Whether something is under way that the customer should not walk away from. */
  get isLive() {
    return !["ready", "refused", "over", "lost", "failed"].includes(this.phase);
  }

  /** Shows the light on a canvas, until a reader is chosen or the code is too old. */
  async show(canvas) {
    const secret = random(SECRET_BYTES);
    this.#door = await fromLight(secret);
    this.#flash = new Flash(canvas, colours(secret), this.#pace, this.#palette);
    this.#set({ phase: "flashing", fault: null });
    await this.#flash.play();
    if (this.phase === "flashing") this.#set({ phase: "failed", fault: "unseen" });
  }

  /** Has the customer choose the reader; to be called from their tap, or the browser shows nothing. */
  async pick() {
    if (this.phase !== "flashing") return;
    this.#set({ phase: "choosing" });
    try {
      // The light goes on: who tapped too early is still seen.
      this.#device = await choose(this.#door.eid);
    } catch (fault) {
      if (this.phase !== "choosing") return;
      this.#flash.stop();
      this.#set({ phase: "failed", fault: fault.name === "NotFoundError" ? "unchosen" : "radio" });
      return;
    }
    this.#flash.stop();
    this.#set({ phase: "connecting" });
    try {
      this.#line = await dial(this.#device, this.#door.psk);
      this.#set({ phase: "asking" });
    } catch (fault) {
      this.#set({ phase: "failed", fault: fault instanceof RadioLost ? "radio" : "refused" });
      return;
    }
    await this.#listen();
  }

  /** Ends the session. */
  leave() {
    this.#isLeaving = true;
    if (!this.#line || !RESUMED.includes(this.phase)) {
      this.end();
      return;
    }
    this.#set({ phase: this.phase === "vending" ? "vending" : "closing" });
    this.#line.say((link) => link.sealLeave());
  }

  /** Wishes for another session on the same link, after a refusal or the end. */
  again() {
    if (!this.#line || !["refused", "over"].includes(this.phase)) return;
    clearTimeout(this.#hangUp);
    this.#isLeaving = false;
    this.#set({ phase: "asking", reason: "none", shortBy: 0, last: "none" });
    this.#line.say((link) => link.sealAgain());
  }

  /** Whether another session can be had without another light. */
  get canAsk() {
    return this.#line !== null && ["refused", "over"].includes(this.phase) && !this.#isLeaving;
  }

  /** Gives up whatever is under way. */
  end() {
    clearTimeout(this.#hangUp);
    this.#flash?.stop();
    this.#resume = null;
    this.#line?.close();
    this.#line = null;
    if (this.isLive) this.#set({ phase: "over" });
  }

  /** Hears the reader out; a link that is lost in a session is taken up again. */
  async #listen() {
    for (;;) {
      try {
        const message = await this.#line.next();
        if (message.status) this.#take(message.status);
        else this.#carry(message.envelope);
      } catch {
        this.#line?.close();
        if (!(await this.#takeUp())) return;
      }
    }
  }

  async #takeUp() {
    const secret = this.#resume;
    this.#resume = null;
    this.#line = null;
    if (!secret || !RESUMED.includes(this.phase)) {
      if (this.isLive) {
        this.#set({ phase: this.phase === "asking" ? "failed" : "lost", fault: "radio" });
      } else {
        this.#set({});
      }
      return false;
    }
    this.#set({ phase: "resuming" });
    const { psk } = await fromResume(secret);
    const until = performance.now() + RESUME_MAX_MS;
    while (this.phase === "resuming" && performance.now() < until) {
      try {
        this.#line = await dial(this.#device, psk);
        return true;
      } catch {
        await pause(RESUME_EVERY_MS);
      }
    }
    if (this.phase === "resuming") this.#set({ phase: "lost" });
    return false;
  }

  #take(status) {
    if (status.resume) this.#resume = status.resume;
    const before = this.phase;
    const { remaining, last, reason, shortBy } = status;
    if (status.state === "vending") this.#isVending = true;
    else if (this.#isVending && !["none", "cash_taken"].includes(last)) {
      this.#isVending = false;
      this.vends.push(last);
    }
    const said = { remaining, last, reason, shortBy };
    switch (status.state) {
      case "granted":
      case "vending":
      case "waiting":
        this.#retries = 0;
        this.#set({
          ...said,
          phase: this.#isLeaving && status.state === "granted" ? "closing" : status.state,
        });
        return;
      case "closing":
        this.#set({ ...said, phase: "closing" });
        return;
      default:
        this.#rest(said, before);
    }
  }

  /** The reader has no session: before one, after a refusal, or after the end. */
  #rest(said, before) {
    if (before === "asking" && said.reason === "none") {
      this.#set(said);
      return;
    }
    if (before === "asking" && RETRIED.includes(said.reason) && this.#retries < RETRIES_MAX) {
      this.#retries += 1;
      // What the reader still has for the server goes first.
      this.#carrying = this.#carrying.then(() => this.#line?.say((link) => link.sealAgain()));
      return;
    }
    if (before === "asking" || before === "refused") {
      this.#set({ ...said, phase: "refused" });
    } else {
      this.#set({ ...said, phase: "over" });
    }
    this.#waitForAgain();
  }

  #waitForAgain() {
    clearTimeout(this.#hangUp);
    // Who is done makes room for the next customer, once their receipts have gone.
    const wait = this.#isLeaving ? 0 : AGAIN_MAX_MS;
    this.#hangUp = setTimeout(async () => {
      await this.#carrying;
      if (["refused", "over"].includes(this.phase)) this.end();
      this.#set({});
    }, wait);
  }

  #carry(envelope) {
    const { handshake } = this.#line;
    this.#carrying = this.#carrying.then(async () => {
      try {
        const { envelopes, results } = await carry(envelope, handshake);
        for (const result of results) this.#note(result);
        // The link may be another one by now: the reader is the same.
        for (const answer of envelopes) this.#line?.say((link) => link.sealEnvelope(answer));
      } catch (fault) {
        this.#noteFault(fault);
      }
    });
  }

  #note(result) {
    if (result.vend) this.holds.add(result.vend);
    if (result.outcome === "granted" || result.outcome === "refused") this.grant = result;
    else if (result.machine) this.grant = { ...this.grant, machine: result.machine };
    // What comes before the first purchase is the receipt of somebody else.
    if (this.vends.length > 0) this.receipts += result.receipts ?? 0;
    this.#set({});
  }

  #noteFault(fault) {
    if (!(fault instanceof Offline) && !(fault instanceof Problem)) throw fault;
    const kind = fault instanceof Offline ? "offline" : "server";
    if (this.phase === "asking") {
      this.#isLeaving = true;
      this.end();
      this.#set({ phase: "failed", fault: kind });
    } else {
      this.#set({ fault: kind });
    }
  }

  #set(change) {
    Object.assign(this, change);
    this.#tell(this);
  }
}
