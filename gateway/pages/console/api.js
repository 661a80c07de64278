// The gateway's HTTP API, as this page uses it.

/** What the gateway, or the road to it, said instead of an answer. */
export class Trouble extends Error {
  constructor(words, { status = 0, type = "", unknown = false } = {}) {
    super(words);
    this.status = status;
    this.type = type;
    /** Whether the request may have had its effect: then only the very same one is harmless. */
    this.unknown = unknown;
  }
}

let signedOut = () => {};

/** Sets what happens when the gateway does not know this person any more. */
export function whenSignedOut(act) {
  signedOut = act;
}

/** A name for one transfer, made once and sent with every retry of it. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function call(method, path, { body, key, quiet } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  const request = { method, headers, credentials: "same-origin", cache: "no-store" };
  // A request that changes something always has a JSON body: a foreign form cannot make one.
  if (method !== "GET") request.body = JSON.stringify(body ?? {});
  let response;
  let text;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    throw new Trouble("The server cannot be reached. Check the connection and try again.", { unknown: method !== "GET" });
  }
  let answer = null;
  try {
    answer = text === "" ? null : JSON.parse(text);
  } catch {
    // A proxy's page of HTML says less than the status does.
  }
  if (response.ok) return answer;
  if (response.status === 401 && !quiet) signedOut();
  throw new Trouble(words(answer, response.status), {
    status: response.status,
    type: answer?.type ?? "",
    unknown: response.status >= 500 && method !== "GET",
  });
}

function words(answer, status) {
  if (status === 401) return "Please sign in again.";
  const title = answer?.title;
  const detail = answer?.detail;
  if (title && detail) return `${title}: ${detail}.`.replace(/\.\.$/, ".");
  return title ?? detail ?? `The server answered with status ${status}.`;
}

export const read = (path, options) => call("GET", path, options);
export const send = (path, body, options) => call("POST", path, { body, ...options });
export const put = (path, body) => call("PUT", path, { body });
export const patch = (path, body) => call("PATCH", path, { body });
export const remove = (path) => call("DELETE", path);

/** A path with those filters that say something. */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}

/** One page of a list, and how to get the next one. */
export async function page(path, query = {}) {
  const { lines, next } = await read(withQuery(path, query));
  return { lines, more: next === null || next === undefined ? null : () => page(path, { ...query, cursor: next }) };
}

/** A whole list of moderate length. */
export async function whole(path, query = {}) {
  const all = [];
  let next = await page(path, { limit: 200, ...query });
  // 20,000 lines are more than a person scrolls through, and than an operator's fleet has.
  for (let pages = 0; next && pages < 100; pages += 1) {
    all.push(...next.lines);
    next = next.more && (await next.more());
  }
  return all;
}
