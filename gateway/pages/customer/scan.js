// The camera, for the code that a machine shows, where the browser can read codes by itself. Where it cannot, the
// phone's own camera does it: the code is a link to this page.

import { button, el, p, title } from "./dom.js";
import { bringCode, isCode } from "./token.js";
import { t } from "./words.js";

/** How often a picture is looked at. */
const LOOK_EVERY_MS = 150;
/** A camera that finds nothing goes off. */
const LOOK_MAX_MS = 60_000;
/** Pictures larger than this only take longer. */
const WIDTH = 1280;

let camera = null;

/** Whether this browser reads codes by itself. */
export async function canScan() {
  if (!globalThis.BarcodeDetector || !navigator.mediaDevices?.getUserMedia) return false;
  const formats = await globalThis.BarcodeDetector.getSupportedFormats().catch(() => []);
  return formats.includes("qr_code");
}

/** The button that opens the camera, where the browser is able to. */
export function scanButton(go) {
  const box = el("div", {});
  canScan().then((can) => {
    if (can) box.replaceChildren(button(t("scan"), () => go("#/scan"), { class: "choice", data: { name: "scan" } }));
  });
  return box;
}

/** The screen of the camera. */
export function scan(go) {
  const said = p(t("scan_hint"), { class: "lead", role: "status", data: { name: "scan-said" } });
  const video = el("video", { playsinline: true, muted: true, autoplay: true, "aria-label": t("scan"), data: { name: "camera" } });
  const again = el("div", {});
  close();
  const own = { stream: null, isOpen: true, video, end: close };
  camera = own;
  look(own, {
    other: () => { said.textContent = t("scan_other"); },
    found: () => go("#/token"),
    over: (why) => {
      said.textContent = t(why);
      again.replaceChildren(button(t("try_again"), () => go(), { class: "main" }));
    },
  });
  return [
    el("section", { class: "card live", data: { phase: "scanning" } },
      title(t("scan")),
      video,
      said,
      again,
      button(t("cancel"), () => go("#/"), { class: "quiet", data: { name: "cancel" } }),
    ),
  ];
}

/** Ends the camera, when the customer goes elsewhere. */
export function close() {
  if (!camera) return;
  camera.isOpen = false;
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.video.srcObject = null;
  camera = null;
}

async function look(own, { other, found, over }) {
  const end = (why) => {
    if (camera !== own) return;
    close();
    over(why);
  };
  own.end = end;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false, video: { facingMode: "environment", width: { ideal: WIDTH } },
    });
    own.stream = stream;
    // Who went elsewhere while the browser asked for leave needs no camera any more.
    if (!own.isOpen) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    own.video.srcObject = stream;
    await own.video.play();
  } catch (fault) {
    end(fault.name === "NotAllowedError" ? "scan_denied" : "scan_none");
    return;
  }
  const detector = new globalThis.BarcodeDetector({ formats: ["qr_code"] });
  const until = performance.now() + LOOK_MAX_MS;
  while (own.isOpen && performance.now() < until) {
    for (const code of await detector.detect(own.video).catch(() => [])) {
      if (!own.isOpen) return;
      if (isCode(code.rawValue)) {
        close();
        bringCode(code.rawValue);
        found();
        return;
      }
      other();
    }
    await new Promise((next) => setTimeout(next, LOOK_EVERY_MS));
  }
  end("scan_late");
}

// A page that nobody sees has no use for a camera.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") camera?.end("scan_late");
});
