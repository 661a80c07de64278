// What happens now: one stream for the whole page, shared by its screens.

let source = null;
const ears = new Set();
const EVENTS = ["sale", "session", "machine", "reader", "alarm", "refund", "cash"];
const RECENT_MAX = 60;
const recent = [];
let state = "off";

/** Opens or closes the stream. The browser reconnects by itself and says what it saw last. */
export function listen(on) {
  source?.close();
  source = null;
  recent.length = 0;
  tell("state", "off");
  if (!on) return;
  source = new EventSource("/v1/live?recent=20");
  source.onopen = () => tell("state", "on");
  source.onerror = () => tell("state", source?.readyState === EventSource.CLOSED ? "off" : "waiting");
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      try {
        const told = JSON.parse(event.data);
        recent.push([name, told]);
        if (recent.length > RECENT_MAX) recent.shift();
        tell(name, told);
      } catch {
        // An event that this page does not understand is no reason to stop.
      }
    });
  }
}

/** Hears every event until the given function is called. */
export function hear(ear) {
  ears.add(ear);
  ear("state", state);
  return () => ears.delete(ear);
}

/** What was heard before, oldest first. */
export function heard() {
  return [...recent];
}

function tell(name, event) {
  if (name === "state") state = event;
  for (const ear of ears) ear(name, event);
}
