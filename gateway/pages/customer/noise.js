// Noise_NNpsk0_25519_AESGCM_SHA256, the phone's side, over WebCrypto.
//
// Only this pattern and only the initiator: see https://noiseprotocol.org/noise.html.

import { join, utf8 } from "./bytes.js";

// Exactly 32 bytes, so it is the first handshake hash itself.
const NAME = utf8("Noise_NNpsk0_25519_AESGCM_SHA256");
const NOTHING = new Uint8Array(0);
const KEY_LEN = 32;
const TAG_LEN = 16;
// RFC 8410: how a private X25519 key is wrapped for import.
const PKCS8 = Uint8Array.of(
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
);

/** What the peer sent does not open, or leads to a key that everybody knows. */
export class Refused extends Error {}

/** Whether this browser has what the link needs. */
export async function isAble() {
  try {
    await ephemeral();
    return true;
  } catch {
    return false;
  }
}

/** Derives bytes from an out-of-band secret: HKDF-SHA256 with an empty salt. */
export async function derive(secret, label, len) {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: NOTHING, info: utf8(label) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, len * 8));
}

/**
 * Starts a handshake; gives Link 1 and what finishes it.
 * `fixed` is a private key for tests of published vectors; else a fresh one is made.
 */
export async function start(psk, payload, fixed) {
  let state = await hashed({ chain: NAME, hash: NAME, key: null, nonce: 0n }, NOTHING);
  const own = await ephemeral(fixed);
  const [chain, mixed, key] = await spread(state.chain, psk, 3);
  state = await hashed({ ...state, chain, key, nonce: 0n }, mixed);
  state = await hashed(state, own.open);
  // With a pre-shared key the open keys are mixed into the keys as well (Noise section 9.2).
  state = await keyed(state, own.open);
  const sealed = await seal(state.key, state.nonce, state.hash, payload);
  state = await hashed({ ...state, nonce: 1n }, sealed);
  return { message: join(own.open, sealed), finish: (answer) => finish(state, own, answer) };
}

async function finish(before, own, answer) {
  if (answer.length !== KEY_LEN + TAG_LEN) throw new Refused("an answer of another length");
  const peer = answer.slice(0, KEY_LEN);
  const sealed = answer.slice(KEY_LEN);
  let state = await hashed(before, peer);
  state = await keyed(state, peer);
  state = await keyed(state, await agreed(own.closed, peer));
  await open(state.key, 0n, state.hash, sealed);
  state = await hashed(state, sealed);
  const [sending, receiving] = await spread(state.chain, NOTHING, 2);
  return {
    hash: state.hash,
    outgoing: new Cipher(sending),
    incoming: new Cipher(receiving),
  };
}

/** One direction of a link that is up. */
export class Cipher {
  #key;
  #nonce = 0n;

  constructor(key) {
    this.#key = key;
  }

  /** Seals the next message. */
  seal(plaintext) {
    const nonce = this.#nonce;
    this.#nonce += 1n;
    return seal(this.#key, nonce, NOTHING, plaintext);
  }

  /** Opens the next message. What does not open uses up no nonce. */
  async open(sealed) {
    const plaintext = await open(this.#key, this.#nonce, NOTHING, sealed);
    this.#nonce += 1n;
    return plaintext;
  }
}

async function ephemeral(fixed) {
  if (!fixed) {
    const pair = await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
    const open = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return { closed: pair.privateKey, open };
  }
  const wrapped = join(PKCS8, fixed);
  const closed = await crypto.subtle.importKey("pkcs8", wrapped, { name: "X25519" }, false, [
    "deriveBits",
  ]);
  const base = new Uint8Array(KEY_LEN);
  base[0] = 9;
  return { closed, open: await agreed(closed, base) };
}

/** The shared secret of two keys; one of low order is refused. */
async function agreed(closed, peer) {
  try {
    const open = await crypto.subtle.importKey("raw", peer, { name: "X25519" }, false, []);
    const how = { name: "X25519", public: open };
    const shared = new Uint8Array(await crypto.subtle.deriveBits(how, closed, KEY_LEN * 8));
    // Browsers refuse it themselves, says the specification; a link does not rest on that.
    if (shared.every((byte) => byte === 0)) throw new Refused("a key of low order");
    return shared;
  } catch (fault) {
    throw fault instanceof Refused ? fault : new Refused("a key of low order", { cause: fault });
  }
}

async function hashed(state, part) {
  const hash = await crypto.subtle.digest("SHA-256", join(state.hash, part));
  return { ...state, hash: new Uint8Array(hash) };
}

async function keyed(state, secret) {
  const [chain, key] = await spread(state.chain, secret, 2);
  return { ...state, chain, key, nonce: 0n };
}

/** Noise's HKDF: two or three keys from a chaining key and a secret. */
async function spread(chain, secret, count) {
  const root = await mac(chain, secret);
  const keys = [];
  for (let number = 1, last = NOTHING; number <= count; number += 1) {
    last = await mac(root, join(last, Uint8Array.of(number)));
    keys.push(last);
  }
  return keys;
}

async function mac(secret, message) {
  const how = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", secret, how, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
}

async function seal(key, nonce, bound, plaintext) {
  const how = cipher(nonce, bound);
  return new Uint8Array(await crypto.subtle.encrypt(how, await aes(key, "encrypt"), plaintext));
}

async function open(key, nonce, bound, sealed) {
  try {
    const how = cipher(nonce, bound);
    return new Uint8Array(await crypto.subtle.decrypt(how, await aes(key, "decrypt"), sealed));
  } catch (fault) {
    throw new Refused("a message that does not open", { cause: fault });
  }
}

function aes(key, use) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

/** Noise's nonce for AES-GCM: four zero bytes, then the counter. */
function cipher(nonce, bound) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, nonce);
  return { name: "AES-GCM", iv, additionalData: bound, tagLength: TAG_LEN * 8 };
}
