// Bytes and text: how they travel in JSON, in UUIDs and over the air.

/** Joins byte arrays. */
export function join(...parts) {
  const bytes = new Uint8Array(parts.reduce((len, part) => len + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Whether two byte arrays are alike. */
export function alike(a, b) {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}

/** Writes bytes as hexadecimal digits. */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads hexadecimal digits. */
export function unhex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new RangeError("no hexadecimal digits");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Writes bytes as base64. */
export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** Reads base64. */
export function unbase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The bytes of a text in UTF-8. */
export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** So many bytes that nobody can guess. */
export function random(count) {
  return crypto.getRandomValues(new Uint8Array(count));
}
