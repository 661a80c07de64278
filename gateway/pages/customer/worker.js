// Keeps the page itself for a phone without network; never what the server says of money.

const KEPT = "gettone-page-1";
const FILES = [
  "/",
  "/assets/customer/api.js",
  "/assets/customer/app.js",
  "/assets/customer/bluetooth.js",
  "/assets/customer/buy.js",
  "/assets/customer/bytes.js",
  "/assets/customer/customer.js",
  "/assets/customer/dom.js",
  "/assets/customer/favourite.js",
  "/assets/customer/flash.js",
  "/assets/customer/history.js",
  "/assets/customer/icon.svg",
  "/assets/customer/line.js",
  "/assets/customer/link.js",
  "/assets/customer/manifest.webmanifest",
  "/assets/customer/noise.js",
  "/assets/customer/optical.js",
  "/assets/customer/relay.js",
  "/assets/customer/scan.js",
  "/assets/customer/segments.js",
  "/assets/customer/send.js",
  "/assets/customer/settings.js",
  "/assets/customer/sign-in.js",
  "/assets/customer/style.css",
  "/assets/customer/token.js",
  "/assets/customer/typed.js",
  "/assets/customer/visit.js",
  "/assets/customer/wallet.js",
  "/assets/customer/words.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(KEPT).then((kept) => kept.addAll(FILES)).then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  // Everything else, and all of /v1, goes past the worker untouched.
  if (request.method !== "GET" || origin !== self.location.origin || !FILES.includes(pathname)) return;
  event.respondWith(newest(request, pathname));
});

/** The server's file; the kept one only when the server cannot be reached. */
async function newest(request, pathname) {
  const kept = await caches.open(KEPT);
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(pathname, answer.clone());
    return answer;
  } catch (fault) {
    const found = await kept.match(pathname);
    if (found) return found;
    throw fault;
  }
}
