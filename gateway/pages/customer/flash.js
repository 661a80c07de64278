// The light: a small patch that plays the code, one step per picture that the display really shows.
//
// The patch stays under the area that WCAG 2.3.1 holds for safe at any rhythm (21,824 CSS pixels),
// nothing else on the screen moves, and the customer is warned before the first time.

import { LOOP_SYMBOLS, fills, holds } from "./optical.js";

/** The side of the patch, in CSS pixels: 144 x 144 = 20,736. */
export const PATCH_SIDE = 144;
/** A code is good for 45 s; the light ends with it. */
export const FLASH_MAX_MS = 45_000;
/** As many as a steady middle takes: the light waits for them. */
const FRAMES_MEASURED = 9;
const FRAME_MS_USUAL = 1000 / 60;

/** Plays the colours on a canvas until it is stopped or the code is too old. */
export class Flash {
  #canvas;
  #colours;
  #pace;
  #fills;
  #request = 0;
  #done = null;
  #lock = null;
  #onVisible = () => this.#stayAwake();

  /**
   * `pace` lengthens every symbol: 1 is as fast as readers follow, 3 for a display that stumbles. The gentle `palette` does
   * not flash.
   */
  constructor(canvas, colours, pace = 1, palette = "full") {
    if (colours.length !== LOOP_SYMBOLS) throw new RangeError("no loop of a light code");
    this.#canvas = canvas;
    this.#colours = colours;
    this.#pace = pace;
    this.#fills = fills(palette).map((codes) => `rgb(${codes.join(" ")})`);
  }

  /** Starts; the promise ends when the light does. */
  play() {
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(PATCH_SIDE * ratio);
    this.#canvas.height = this.#canvas.width;
    const context = this.#canvas.getContext("2d", { alpha: false });
    const { width, height } = this.#canvas;
    const fill = (bits) => {
      context.fillStyle = this.#fills[bits];
      context.fillRect(0, 0, width, height);
    };
    fill(0);
    this.#stayAwake();
    document.addEventListener("visibilitychange", this.#onVisible);
    return new Promise((resolve) => {
      this.#done = resolve;
      const times = [];
      let ladder = null;
      let [loop, symbol, shown] = [0, 0, 0];
      const step = (now) => {
        if (times.length < FRAMES_MEASURED) times.push(now);
        else if (now - times[0] > FLASH_MAX_MS) {
          this.stop();
          return;
        }
        if (!ladder && times.length === FRAMES_MEASURED) {
          ladder = holds(frameMsOf(times), this.#pace);
        }
        if (ladder) {
          // Counted, never by the clock: a picture that comes late makes its symbol longer, and loses none.
          fill(this.#colours[symbol]);
          shown += 1;
          if (shown >= ladder[loop]) {
            shown = 0;
            symbol = (symbol + 1) % LOOP_SYMBOLS;
            if (symbol === 0) loop = (loop + 1) % ladder.length;
          }
        }
        this.#request = requestAnimationFrame(step);
      };
      this.#request = requestAnimationFrame(step);
    });
  }

  /** Ends the light. */
  stop() {
    cancelAnimationFrame(this.#request);
    this.#done?.();
    this.#done = null;
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#lock?.release().catch(() => {});
    this.#lock = null;
    const context = this.#canvas.getContext("2d", { alpha: false });
    context.fillStyle = this.#fills[0];
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  async #stayAwake() {
    if (document.visibilityState !== "visible") return;
    try {
      this.#lock = await navigator.wakeLock?.request("screen");
    } catch {
      // A phone in need of its battery may refuse: the light is brief.
    }
  }
}

/** How long this display shows a picture, in milliseconds. */
export function frameMsOf(times) {
  const gaps = times.slice(1).map((time, place) => time - times[place]);
  gaps.sort((a, b) => a - b);
  const median = gaps[Math.floor(gaps.length / 2)];
  // A display that says nonsense is taken for a usual one.
  return median >= 1000 / 240 - 0.5 && median <= 1000 / 24 + 0.5 ? median : FRAME_MS_USUAL;
}
