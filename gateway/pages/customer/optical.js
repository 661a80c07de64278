// The light code: payload to colours, the loop that the phone plays.
//
// The same code as the Rust encoder's, bit for bit: a preamble of six colours, 24 bytes of a
// Reed-Solomon (24,16) word as three colour changes each, and a guard. Its reader is elsewhere.

/** Bytes of the secret in one code. */
export const SECRET_BYTES = 10;
/** Colours of one loop. */
export const LOOP_SYMBOLS = 79;
/** The shortest and the longest symbol that a reader takes, in milliseconds. */
export const SYMBOL_MIN_MS = 8;
export const SYMBOL_MAX_MS = 70;
/** How much longer the symbols of each loop are: two quick loops, slower ones for screens that stumble, then over again. */
export const LADDER = [1, 1, 2, 3];
/**
 * The codes of red, green and blue where a colour lacks the primary, and where it has it. Full colours flash, and are safe by
 * their small area; gentle ones differ by less than a tenth of the greatest luminance and hold no saturated red.
 */
export const PALETTES = {
  full: [[0, 255], [0, 255], [0, 255]],
  gentle: [[0, 79], [0, 89], [48, 97]],
};
/** What a longest symbol leaves to a display that is slower than it says. */
const SPARE_MS = 5;

const PAIRING = 1;
const PARITY_BYTES = 8;
const [BLACK, BLUE, GREEN, RED, WHITE] = [0b000, 0b001, 0b010, 0b100, 0b111];
// They calibrate the reader: black twice, the sum of the primaries, each primary alone.
const PREAMBLE = [BLACK, WHITE, BLACK, RED, GREEN, BLUE];

/** The colours of one loop that carries this secret, three bits each: red, green, blue. */
export function colours(secret) {
  if (secret.length !== SECRET_BYTES) throw new RangeError("a secret of another length");
  return coloursOf(Uint8Array.of(PAIRING, ...secret, 0));
}

/** The colours of one loop that carries these twelve bytes, whatever they say. */
export function coloursOf(payload) {
  const check = crc32c(payload);
  const checked = Uint8Array.of(...payload, check >>> 24, check >>> 16, check >>> 8, check);
  const loop = [...PREAMBLE];
  let last = BLUE;
  for (const byte of codeWord(checked)) {
    for (const digit of [Math.floor(byte / 49), Math.floor(byte / 7) % 7, byte % 7]) {
      last ^= digit + 1;
      loop.push(last);
    }
  }
  // The guard keeps the last colour apart from the black that opens the next loop.
  loop.push(last === WHITE ? GREEN : WHITE);
  return loop;
}

/** What the display is given for each of the eight colours. */
export function fills(palette) {
  const codes = PALETTES[palette];
  return Array.from({ length: 8 }, (_, bits) =>
    codes.map((code, place) => code[(bits >> (2 - place)) & 1]),
  );
}

/** How many frames a symbol lasts on a display with this frame time, at the least. */
export function framesPerSymbol(frameMs) {
  return Math.max(1, Math.ceil(SYMBOL_MIN_MS / frameMs - 1e-6));
}

/** How many frames the symbols of each loop of the ladder last; `pace` lengthens them all. */
export function holds(frameMs, pace = 1) {
  const longest = Math.max(1, Math.floor((SYMBOL_MAX_MS - SPARE_MS) / frameMs));
  return LADDER.map((step) => Math.min(framesPerSymbol(frameMs) * step * pace, longest));
}

/** Every picture of one ladder, in order: what the patch shows, and the encoder prints. */
export function pictures(payload, frameMs, pace = 1) {
  const loop = coloursOf(payload);
  return holds(frameMs, pace).flatMap((hold) =>
    loop.flatMap((colour) => new Array(hold).fill(colour)),
  );
}

/** CRC-32C (Castagnoli), reflected. */
export function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** The bytes followed by their parity: Reed-Solomon over GF(256), x^8+x^4+x^3+x^2+1, first root 1. */
function codeWord(bytes) {
  const { power, product } = field();
  let generator = [1];
  for (let root = 0; root < PARITY_BYTES; root += 1) {
    const next = [...generator, 0];
    generator.forEach((factor, place) => {
      next[place + 1] ^= product(factor, power[root]);
    });
    generator = next;
  }
  const rest = [...bytes, ...new Array(PARITY_BYTES).fill(0)];
  for (let place = 0; place < bytes.length; place += 1) {
    const factor = rest[place];
    generator.forEach((coefficient, step) => {
      rest[place + step] ^= product(coefficient, factor);
    });
  }
  return [...bytes, ...rest.slice(bytes.length)];
}

function field() {
  const power = [];
  const logarithm = new Array(256).fill(0);
  for (let value = 1, exponent = 0; exponent < 255; exponent += 1) {
    power.push(value);
    logarithm[value] = exponent;
    value <<= 1;
    if (value > 255) value ^= 0x11d;
  }
  const product = (a, b) => (a && b ? power[(logarithm[a] + logarithm[b]) % 255] : 0);
  return { power, product };
}
