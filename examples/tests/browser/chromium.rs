//! One browser with one page, as a customer holds it.

use crate::cdp::{Cdp, CdpFault, Event};
use crate::palette;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a page may take to show what is waited for.
const PATIENCE_MS: u64 = 30_000;
/// The longest that a browser may take to start.
const START_MAX: Duration = Duration::from_secs(30);
/// A phone of the day, in CSS pixels.
pub(crate) const WIDTH: u32 = 390;
pub(crate) const HEIGHT: u32 = 844;

/// Whether the browser has Web Bluetooth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Radio {
    /// As Chrome on Android.
    There,
    /// As on an iPhone.
    Absent,
}

/// Where Chromium is, if it is anywhere.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .flat_map(|dir| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| dir.join(name))
        })
        .find(|path| path.is_file());
    named.filter(|path| path.is_file()).or(found)
}

/// The browsers that run, for who has to end them all.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every browser that this program has started.
pub(crate) fn end_all() {
    for id in running().iter() {
        if let Some(pid) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
            // One that has just ended needs no end.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A running browser. It ends with its owner.
pub(crate) struct Browser {
    child: Child,
    cdp: Cdp,
    _profile: TempDir,
}

impl Browser {
    /// Starts one with a profile of its own.
    pub(crate) fn start(radio: Radio) -> Result<Self, CdpFault> {
        let fault = |what: String| CdpFault(format!("Chromium does not start: {what}"));
        let profile = tempfile::tempdir().map_err(|source| fault(source.to_string()))?;
        let path = program().ok_or_else(|| fault("it is not installed".to_owned()))?;
        let mut command = Command::new(path);
        command
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-dev-shm-usage",
                "--lang=en-GB",
                "--accept-lang=en-GB",
                "--remote-debugging-port=0",
                // A camera that shows a moving picture, and nobody who asks for leave.
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("TZ", "Europe/Rome")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if radio == Radio::There {
            command.arg("--enable-features=WebBluetooth");
        }
        let mut child = command
            .arg("about:blank")
            .spawn()
            .map_err(|source| fault(source.to_string()))?;
        running().insert(child.id());
        let stderr = child.stderr.take().expect("it is piped");
        let (found, address) = channel();
        // Read to its end: a full pipe would stop the browser.
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            for line in lines {
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    // Who gave up needs no address.
                    let _ = found.send(url.trim().to_owned());
                }
            }
        });
        let connected = address
            .recv_timeout(START_MAX)
            .map_err(|_| fault(format!("it said no address in {} s", START_MAX.as_secs())))
            .and_then(|url| Cdp::connect(&url));
        match connected {
            Ok((cdp, _)) => Ok(Self {
                child,
                cdp,
                _profile: profile,
            }),
            Err(fault) => {
                end(&mut child);
                Err(fault)
            }
        }
    }

    /// Its own connection.
    pub(crate) fn cdp(&self) -> &Cdp {
        &self.cdp
    }

    /// Opens a page.
    pub(crate) fn open(&self, url: &str) -> Result<Page, CdpFault> {
        let made = self
            .cdp
            .call(None, "Target.createTarget", json!({"url": "about:blank"}))?;
        let attached = self.cdp.call(
            None,
            "Target.attachToTarget",
            json!({"targetId": made["targetId"], "flatten": true}),
        )?;
        let page = Page {
            cdp: self.cdp.clone(),
            session: text(&attached["sessionId"]),
        };
        for domain in ["Page", "Runtime", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}))?;
        }
        page.resize(WIDTH, HEIGHT)?;
        page.call("Emulation.setLocaleOverride", json!({"locale": "en-GB"}))?;
        page.visit(url)?;
        Ok(page)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    running().remove(&child.id());
    let _ = child.kill();
    let _ = child.wait();
}

/// One page.
#[derive(Clone)]
pub(crate) struct Page {
    cdp: Cdp,
    session: String,
}

impl Page {
    /// Goes to an address, and waits until the page has shown its first screen.
    pub(crate) fn visit(&self, url: &str) -> Result<(), CdpFault> {
        self.call("Page.navigate", json!({"url": url}))?;
        self.until(&format!(
            "location.href.startsWith({:?}) && document.readyState === 'complete'",
            url.split('#').next().unwrap_or(url)
        ))
        .map(drop)
    }

    /// Has a command done for this page.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value, CdpFault> {
        self.cdp.call(Some(&self.session), method, params)
    }

    /// Has a command done for this page and waits for nothing.
    pub(crate) fn tell(&self, method: &str, params: Value) -> Result<(), CdpFault> {
        self.cdp.tell(Some(&self.session), method, params)
    }

    /// Every event from now on whose name begins so. There is one page, so they are its own.
    pub(crate) fn listen(&self, prefix: &'static str) -> Result<Receiver<Event>, CdpFault> {
        self.cdp.listen(prefix)
    }

    /// Evaluates an expression, and waits for it when it is a promise.
    pub(crate) fn eval(&self, expression: &str) -> Result<Value, CdpFault> {
        let mut done = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        )?;
        if done["exceptionDetails"].is_object() {
            let details = &done["exceptionDetails"];
            let said = details["exception"]["description"].as_str();
            let said = said.unwrap_or(details["text"].as_str().unwrap_or("an exception"));
            return Err(CdpFault(format!("{expression}: {said}")));
        }
        Ok(done["result"]["value"].take())
    }

    /// Waits until an expression is true of the page; gives its value.
    pub(crate) fn until(&self, expression: &str) -> Result<Value, CdpFault> {
        self.until_within(expression, PATIENCE_MS)
    }

    /// Waits so long.
    pub(crate) fn until_within(&self, expression: &str, ms: u64) -> Result<Value, CdpFault> {
        let looked = format!(
            "new Promise((resolve) => {{
                const until = performance.now() + {ms};
                const look = () => {{
                    let value = null;
                    try {{ value = {expression}; }} catch {{}}
                    if (value || performance.now() > until) resolve(value ?? null);
                    else setTimeout(look, 20);
                }};
                look();
            }})"
        );
        // A page that keeps going elsewhere begins the wait anew, but not for ever.
        let last = Instant::now() + Duration::from_millis(2 * ms);
        loop {
            match self.eval(&looked) {
                Ok(value) if value.is_null() || value == json!(false) => {
                    let shown = self.eval("document.body.innerText").unwrap_or_default();
                    return Err(CdpFault(format!(
                        "waited in vain for {expression}; the page shows: {shown}"
                    )));
                }
                // The page went elsewhere while it was looked at.
                Err(CdpFault(fault))
                    if Instant::now() < last
                        && (fault.contains("context was destroyed")
                            || fault.contains("Cannot find context")
                            || fault.contains("navigated or closed")) => {}
                done => return done,
            }
        }
    }

    /// Waits for an element; gives its text.
    pub(crate) fn text(&self, selector: &str) -> Result<String, CdpFault> {
        self.until(&format!("document.querySelector({selector:?})?.innerText"))
            .map(|value| text(&value))
    }

    /// Waits until an element's text holds these words.
    pub(crate) fn says(&self, selector: &str, words: &str) -> Result<String, CdpFault> {
        self.until(&format!(
            "document.querySelector({selector:?})?.innerText.includes({words:?}) \
             && document.querySelector({selector:?}).innerText"
        ))
        .map(|value| text(&value))
    }

    /// Taps an element as a finger does: scripts cannot tell. It is to stand still and to be seen.
    pub(crate) fn tap(&self, selector: &str) -> Result<(), CdpFault> {
        self.until(&format!(
            "document.querySelector({selector:?})?.getClientRects().length"
        ))?;
        let place = self.eval(&format!(
            "new Promise((resolve) => {{
                let last = '';
                let still = 0;
                const look = (times) => {{
                    const node = document.querySelector({selector:?});
                    node?.scrollIntoView({{block: 'center', behavior: 'instant'}});
                    const box = node?.getBoundingClientRect();
                    const place = box ? [box.x + box.width / 2, box.y + box.height / 2] : [0, 0];
                    const isOnTop = node?.contains(document.elementFromPoint(...place));
                    still = isOnTop && place.join() === last ? still + 1 : 0;
                    last = place.join();
                    if (still >= 3 || times === 0) resolve(place);
                    else requestAnimationFrame(() => look(times - 1));
                }};
                look(300);
            }})"
        ))?;
        for (kind, buttons) in [("mousePressed", 1), ("mouseReleased", 0)] {
            self.call(
                "Input.dispatchMouseEvent",
                json!({
                    "type": kind, "x": place[0], "y": place[1], "button": "left",
                    "buttons": buttons, "clickCount": 1,
                }),
            )?;
        }
        Ok(())
    }

    /// Writes into a field as a keyboard does.
    pub(crate) fn write(&self, selector: &str, words: &str) -> Result<(), CdpFault> {
        self.until(&format!("(document.querySelector({selector:?})?.focus(), document.activeElement?.matches({selector:?}))"))?;
        self.call("Input.insertText", json!({"text": words}))
            .map(drop)
    }

    /// Gives it a screen of another size.
    pub(crate) fn resize(&self, width: u32, height: u32) -> Result<(), CdpFault> {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= WIDTH,
            }),
        )
        .map(drop)
    }

    /// A picture of the page, as PNG: of its screen, or of so much of it from the top.
    pub(crate) fn picture(&self, path: &Path, clip: Option<[u64; 2]>) -> Result<(), CdpFault> {
        // What has just been asked for is to be there, and nothing is to turn.
        self.until(
            "document.fonts.status === 'loaded' && !document.querySelector('img:not([src])')",
        )?;
        let mut how = json!({"format": "png", "captureBeyondViewport": clip.is_some()});
        if let Some([width, height]) = clip {
            how["clip"] = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        }
        let shot = self.call("Page.captureScreenshot", how)?;
        let bytes = STANDARD
            .decode(text(&shot["data"]))
            .map_err(|fault| CdpFault(fault.to_string()))?;
        let small =
            palette::packed(&bytes).map_err(|fault| CdpFault(format!("{path:?}: {fault}")))?;
        std::fs::write(path, small).map_err(|fault| CdpFault(format!("{path:?}: {fault}")))
    }

    /// How long a test waits for one event.
    pub(crate) const fn patience() -> Duration {
        Duration::from_millis(PATIENCE_MS)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
