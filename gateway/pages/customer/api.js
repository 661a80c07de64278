// The server: JSON in, JSON out, problems as RFC 9457 writes them.

const ANSWER_MAX_MS = 15_000;

/** The server said no, and why. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.kind = String(body?.type ?? "").split(":").pop();
    this.retryAfterS = body?.retry_after_s ?? null;
    this.figures = body ?? {};
  }
}

/** The server could not be reached; the same again is harmless. */
export class Offline extends Error {}

/** Asks the server for something: for what its JSON says or, as "bytes", for a file. */
export function ask(path, { as = "json", longest } = {}) {
  return send("GET", path, undefined, null, longest, as);
}

/** Tells the server something. A key makes a repeated request harmless. */
export function tell(method, path, body = {}, key = null, longest = ANSWER_MAX_MS) {
  return send(method, path, body, key, longest);
}

/** A name for one request, however often it is sent. */
export function requestKey() {
  return crypto.randomUUID();
}

async function send(method, path, body, key, longest = ANSWER_MAX_MS, as = "json") {
  const headers = { accept: as === "json" ? "application/json" : "*/*" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(longest),
    });
  } catch (fault) {
    throw new Offline("no answer", { cause: fault });
  }
  if (as === "bytes" && answer.ok) {
    const bytes = await answer.arrayBuffer().catch((fault) => {
      throw new Offline("half an answer", { cause: fault });
    });
    return new Uint8Array(bytes);
  }
  const text = await answer.text().catch(() => "");
  const read = parsed(text);
  if (!answer.ok) throw new Problem(answer.status, read);
  return read;
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return {};
  }
}
