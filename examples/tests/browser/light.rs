//! The machine's eye before the real canvas: pictures of the page by screencast, as samples of a
//! colour sensor.

use crate::cdp::CdpFault;
use crate::chromium::Page;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_optical::Sample;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// From one conversion of the sensor to the next.
const PERIOD_US: u64 = 3_000;
/// How long the light is gathered for one conversion.
const WINDOW_US: u64 = 2_400;
/// Counts of full light on a channel, and of none.
const SWING: f64 = 400.0;
const AMBIENT: f64 = 30.0;
/// What each channel sees of red, green and blue: a colour chip's filters overlap.
const FILTERS: [[f64; 3]; 3] = [[0.92, 0.08, 0.02], [0.07, 0.86, 0.12], [0.01, 0.18, 0.81]];
/// A picture that stood for longer is looked at for so long: nothing changes.
const STILL_MAX_US: u64 = 300_000;
/// The screencast makes pictures this much smaller, so that it keeps pace.
const WIDTH_MAX: u32 = 130;
/// How often the eye looks whether it is to close.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Watches a page's patch until it is dropped.
pub(crate) struct Eye {
    page: Page,
    is_open: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Eye {
    /// Opens before the patch that the page shows. Every sample goes to `sink`.
    pub(crate) fn open(
        page: &Page,
        mut sink: impl FnMut(Sample) + Send + 'static,
    ) -> Result<Self, CdpFault> {
        let place = page.until(
            "(() => {
                const box = document.querySelector('.patch')?.getBoundingClientRect();
                return box?.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
            })()",
        )?;
        let place = [0, 1].map(|axis| place[axis].as_f64().unwrap_or_default());
        let frames = page.listen("Page.screencastFrame")?;
        page.call(
            "Page.startScreencast",
            json!({"format": "png", "maxWidth": WIDTH_MAX, "everyNthFrame": 1}),
        )?;
        let is_open = Arc::new(AtomicBool::new(true));
        let (own, open) = (page.clone(), is_open.clone());
        let thread = thread::spawn(move || {
            let mut sensor = Sensor::default();
            let mut pictures = 0;
            while open.load(Ordering::Relaxed) {
                let params = match frames.recv_timeout(LOOK_EVERY) {
                    Ok(event) => event.params,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                let number = json!({"sessionId": params["sessionId"]});
                if own.tell("Page.screencastFrameAck", number).is_err() {
                    break;
                }
                let Some((t_us, colour)) = seen(&params, place) else {
                    continue;
                };
                pictures += 1;
                sensor.picture(t_us, colour, &mut sink);
            }
            pictures
        });
        Ok(Self {
            page: page.clone(),
            is_open,
            thread: Some(thread),
        })
    }

    /// Closes; tells how many pictures it saw.
    pub(crate) fn close(mut self) -> u64 {
        self.shut()
    }

    fn shut(&mut self) -> u64 {
        self.is_open.store(false, Ordering::Relaxed);
        // A page that is gone casts nothing.
        let _ = self.page.tell("Page.stopScreencast", json!({}));
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        self.shut();
    }
}

/// When a picture was shown, and the colour at a place of it.
fn seen(params: &Value, place: [f64; 2]) -> Option<(u64, [u8; 3])> {
    let metadata = &params["metadata"];
    let t_us = metadata["timestamp"].as_f64()? * 1e6;
    let bytes = STANDARD.decode(params["data"].as_str()?).ok()?;
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let shape = reader.next_frame(&mut pixels).ok()?;
    let scale = f64::from(shape.width) / metadata["deviceWidth"].as_f64()?;
    let [x, y] = place.map(|at| (at * scale) as usize);
    let at = y * shape.line_size + x * shape.color_type.samples();
    let colour = pixels.get(at..at + 3)?;
    Some((t_us as u64, [colour[0], colour[1], colour[2]]))
}

/// A sensor that looks at one picture after the other.
#[derive(Default)]
struct Sensor {
    shown: Option<(u64, [u8; 3])>,
    /// What stood before the picture that is shown.
    before: [u8; 3],
    next_us: u64,
}

impl Sensor {
    /// A picture came: what stood until now is converted.
    fn picture(&mut self, t_us: u64, colour: [u8; 3], sink: &mut impl FnMut(Sample)) {
        if let Some((since_us, stood)) = self.shown {
            if t_us <= since_us {
                return;
            }
            self.next_us = self.next_us.max(t_us.saturating_sub(STILL_MAX_US));
            while self.next_us < t_us {
                let old_us = (since_us + WINDOW_US).saturating_sub(self.next_us);
                let old = old_us.min(WINDOW_US) as f64 / WINDOW_US as f64;
                let light = [0, 1, 2].map(|primary| {
                    level(self.before[primary]) * old + level(stood[primary]) * (1.0 - old)
                });
                sink(converted(self.next_us, light));
                self.next_us += PERIOD_US;
            }
            self.before = stood;
        } else {
            self.before = colour;
            self.next_us = t_us;
        }
        self.shown = Some((t_us, colour));
    }
}

/// The light of a code value.
fn level(code: u8) -> f64 {
    (f64::from(code) / 255.0).powf(2.2)
}

fn converted(t_us: u64, light: [f64; 3]) -> Sample {
    let counts = FILTERS.map(|filter| {
        let gathered: f64 = filter
            .iter()
            .zip(light)
            .map(|(share, light)| share * light)
            .sum();
        (AMBIENT + SWING * gathered).round() as u16
    });
    Sample {
        t_us,
        r: counts[0],
        g: counts[1],
        b: counts[2],
        c: counts.iter().sum(),
    }
}
