//! A whole visit: light from the real canvas, the link by the browser's own Bluetooth, a product,
//! its receipt.

use crate::air::{Air, door};
use crate::cdp::CdpFault;
use crate::chromium::{Browser, Page, Radio};
use crate::light::Eye;
use crate::scene::{ESPRESSO, NAME, SALAD, Shop, Street};
use crate::{Outcome, trial};
use gettone_examples::{Ending, Places, Seen};
use gettone_optical::{Decoded, Decoder, Sample};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long a customer takes to find the one entry of the browser's chooser and to tap it.
const CHOOSER_TAP: Duration = Duration::from_secs(2);
/// How the patch is played: as the page does it unasked.
const LIGHT: &str = "one picture for each symbol, 79 symbols at 60 Hz";
/// Visits that are measured.
const VISITS: usize = 20;
/// What half of them, and nearly all of them, may take from the tap to the machine's credit.
const HALF_MAX: Duration = Duration::from_secs(6);
const NEARLY_ALL_MAX: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "the_light_of_the_canvas_is_read_by_the_readers_decoder",
            the_light_of_the_canvas_is_read_by_the_readers_decoder,
        ),
        trial(
            "a_customer_buys_and_sees_product_receipt_and_balance",
            a_customer_buys_and_sees_product_receipt_and_balance,
        ),
        trial(
            "too_dear_a_choice_says_what_is_missing_and_a_jam_costs_nothing",
            too_dear_a_choice_says_what_is_missing_and_a_jam_costs_nothing,
        ),
        trial(
            "a_link_that_is_lost_is_taken_up_again",
            a_link_that_is_lost_is_taken_up_again,
        ),
        trial(
            "from_the_tap_to_the_credit_takes_seconds",
            from_the_tap_to_the_credit_takes_seconds,
        ),
    ]
}

fn the_light_of_the_canvas_is_read_by_the_readers_decoder() -> Outcome {
    let shop = Shop::open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(shop.url())?;
    for (pace, secret) in [
        (1, "00112233445566778899"),
        (3, "ffeeddccbbaa99887766"),
        (2, "0102030405060708090a"),
    ] {
        page.eval(&format!(
            "(async () => {{
                const [{{ colours }}, {{ Flash }}, {{ unhex }}] = await Promise.all(
                    ['optical', 'flash', 'bytes'].map((name) => import(`/assets/customer/${{name}}.js`)));
                document.body.replaceChildren(document.createElement('canvas'));
                const canvas = document.querySelector('canvas');
                canvas.className = 'patch';
                globalThis.flash?.stop();
                globalThis.flash = new Flash(canvas, colours(unhex('{secret}')), {pace});
                flash.play();
            }})()"
        ))?;
        let (samples, taken) = channel();
        let eye = Eye::open(&page, move |sample: Sample| {
            // Who has read enough hears no more.
            let _ = samples.send(sample);
        })?;
        let mut decoder = Decoder::new();
        let read: Option<Decoded> = loop {
            let Ok(sample) = taken.recv_timeout(Page::patience()) else {
                break None;
            };
            if let Some(decoded) = decoder.push(sample) {
                break Some(decoded);
            }
        };
        let pictures = eye.close();
        let read = read.ok_or_else(|| format!("nothing was read in {pictures} pictures"))?;
        println!(
            "pace {pace}: read after {:.2} s of light, {pictures} pictures",
            read.elapsed_us as f64 / 1e6
        );
        assert_eq!(read.payload.to_hex(), format!("01{secret}00"));
    }
    Ok(())
}

/// Has the page note, by its own clock, when the customer taps and when a phase begins.
const WATCH: &str = "(() => {
    const marks = {};
    const note = (name) => { if (name && !(name in marks)) marks[name] = performance.now(); };
    globalThis.marks = marks;
    globalThis.watcher?.disconnect();
    globalThis.watcher = new MutationObserver(
        () => note(document.querySelector('[data-phase]')?.dataset.phase));
    globalThis.watcher.observe(document.body, { subtree: true, childList: true });
    document.addEventListener('pointerdown', (event) => {
        const name = event.target.closest('[data-name]')?.dataset.name;
        if (['buy', 'seen'].includes(name)) globalThis.marks[name] ??= event.timeStamp;
    }, { capture: true });
})()";

/// How long each part of a visit took, up to the credit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// From the tap on "Buy" to the tap on "It beeped".
    light: Duration,
    /// From there until the chooser's entry was tapped.
    chooser: Duration,
    /// Connecting, finding the service, the handshake.
    link: Duration,
    /// HELLO to the server, its answer to the reader, the reader's word that it is granted.
    grant: Duration,
    /// From the page's credit to the machine's, when that comes later.
    machine: Duration,
}

impl Steps {
    fn of(marks: &Value) -> Result<Self, CdpFault> {
        let at = |name: &str| {
            let ms = marks[name].as_f64();
            ms.ok_or_else(|| CdpFault(format!("nobody saw {name}: {marks}")))
        };
        let between = |from: &str, to: &str| {
            let ms = (at(to)? - at(from)?).max(0.0);
            Ok::<_, CdpFault>(Duration::from_secs_f64(ms / 1e3))
        };
        Ok(Self {
            light: between("buy", "seen")?,
            chooser: between("seen", "connecting")?,
            link: between("connecting", "asking")?,
            grant: between("asking", "granted")?,
            machine: between("granted", "credit")?,
        })
    }

    fn total(self) -> Duration {
        self.light + self.chooser + self.link + self.grant + self.machine
    }
}

/// The value that so many hundredths of them do not exceed, in seconds.
fn quantile(steps: &[Steps], hundredths: usize, of: fn(Steps) -> Duration) -> f64 {
    let mut values: Vec<_> = steps.iter().copied().map(of).collect();
    values.sort();
    let rank = (values.len() * hundredths).div_ceil(100).max(1);
    let value = values.get(rank - 1).copied().unwrap_or_default();
    (value.as_secs_f64() * 1e3).round() / 1e3
}

/// A customer before the machine.
pub(crate) struct Customer {
    pub(crate) page: Page,
    pub(crate) browser: Browser,
}

impl Customer {
    /// A new customer with so much e-money.
    pub(crate) fn new(street: &Street, amount: &str) -> Result<Self, Failed> {
        let browser = Browser::start(Radio::There)?;
        let page = browser.open(street.shop.url())?;
        let wallet = street.shop.welcome(&page, "ann@example.org")?;
        street.shop.top_up(wallet, amount)?;
        page.eval("localStorage.setItem('gettone.warned', 'yes')")?;
        page.visit(&format!("{}/?{amount}", street.shop.url()))?;
        Ok(Self { page, browser })
    }

    /// Opens the air between the phone and the street.
    pub(crate) fn air(&self, street: &Street) -> Result<Air, Failed> {
        let air = &street.places.air;
        Ok(Air::open(self.browser.cdp(), &self.page, air, CHOOSER_TAP)?)
    }

    /// From the tap on "Buy" until both page and machine show the credit; gives how long it took.
    pub(crate) fn connect(&self, street: &Street) -> Result<Steps, Failed> {
        self.page.eval(WATCH)?;
        self.page.tap("[data-name='buy']")?;
        self.link(&street.places)?;
        self.page
            .until("document.querySelector('[data-phase=\"granted\"]')")?;
        street.machine.wait("the credit", Seen::is_credit)?;
        let marks = self
            .page
            .eval("({...globalThis.marks, credit: performance.now()})")?;
        Ok(Steps::of(&marks)?)
    }

    /// Shows the light until the reader is on the air, and says that it beeped.
    pub(crate) fn link(&self, places: &Places) -> Result<(), Failed> {
        flash(&self.page, places)
    }

    /// Ends the session; the page shows the end.
    pub(crate) fn finish(&self) -> Result<(), Failed> {
        self.page.tap("[data-name='finish']")?;
        self.page
            .until("document.querySelector('[data-phase=\"over\"]')")?;
        Ok(())
    }

    /// Goes back to the wallet, and on until the reader is free for the next customer.
    pub(crate) fn home(&self, air: &Air) -> Result<(), Failed> {
        self.page.tap("[data-name='close']")?;
        self.page.text("[data-name='available']")?;
        air.part();
        let until = Instant::now() + Page::patience();
        while air.is_linked() {
            if Instant::now() > until {
                return Err("the page does not hang up".into());
            }
            self.page
                .eval("new Promise((resolve) => setTimeout(resolve, 20))")?;
        }
        Ok(())
    }
}

/// Holds a page's light before the reader until that is on the air, and says that it beeped.
pub(crate) fn flash(page: &Page, places: &Places) -> Result<(), Failed> {
    let mut socket = UnixStream::connect(&places.light)?;
    let eye = Eye::open(page, move |sample| {
        let Sample { t_us, r, g, b, c } = sample;
        // A reader that has gone sees nothing.
        let _ = socket.write_all(format!("{t_us},{r},{g},{b},{c}\n").as_bytes());
    })?;
    let until = Instant::now() + Page::patience();
    while door(&places.air).is_none() {
        if Instant::now() > until {
            return Err("the reader did not see the light".into());
        }
        // The page's own clock passes the time.
        page.eval("new Promise((resolve) => setTimeout(resolve, 20))")?;
    }
    page.tap("[data-name='seen']")?;
    eye.close();
    Ok(())
}

fn a_customer_buys_and_sees_product_receipt_and_balance() -> Outcome {
    let street = Street::open()?;
    let ann = Customer::new(&street, "5.00")?;
    let page = &ann.page;
    page.says("[data-name='available']", "€5.00")?;
    let air = ann.air(&street)?;
    let took = ann.connect(&street)?;
    println!(
        "from the tap to the credit: {:.2} s",
        took.total().as_secs_f64()
    );
    page.says("[data-name='remaining']", "€4.00")?;
    page.says("[data-name='machine']", NAME)?;

    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    page.until("document.querySelector('[data-phase=\"vending\"]')")?;
    street
        .machine
        .wait("the product", |seen| seen == Seen::Dispensed)?;
    page.until("document.querySelector('[data-result=\"vended\"]')")?;
    page.says("[data-name='remaining']", "€2.80")?;
    ann.finish()?;
    page.says("[data-name='bought']", "Espresso")?;
    page.says("[data-name='balance']", "€3.80")?;
    ann.home(&air)?;
    page.says("[data-name='available']", "€3.80")?;
    drop(air);

    page.tap("[data-kind='sale'] a")?;
    page.says("[data-name='receipt-amount']", "€1.20")?;
    page.says("[data-name='receipt-product']", "Espresso")?;
    page.says(".receipt dl", NAME)?;
    street.close()
}

fn too_dear_a_choice_says_what_is_missing_and_a_jam_costs_nothing() -> Outcome {
    let street = Street::open()?;
    let bob = Customer::new(&street, "1.50")?;
    let page = &bob.page;
    let air = bob.air(&street)?;
    bob.connect(&street)?;
    page.says("[data-name='remaining']", "€1.50")?;
    street.machine.select(SALAD, 190, Ending::Dispensed)?;
    street
        .machine
        .wait("the refusal", |seen| seen == Seen::Denied)?;
    page.says("[data-result='denied']", "€0.40")?;
    bob.finish()?;
    bob.home(&air)?;
    street.machine.until_idle()?;

    bob.connect(&street)?;
    street.machine.select(ESPRESSO, 120, Ending::Jammed)?;
    street
        .machine
        .wait("the jam", |seen| seen == Seen::Jammed)?;
    page.until("document.querySelector('[data-result=\"failed\"]')")?;
    bob.finish()?;
    bob.home(&air)?;
    page.says("[data-name='available']", "€1.50")?;
    drop(air);
    street.close()
}

fn a_link_that_is_lost_is_taken_up_again() -> Outcome {
    let street = Street::open()?;
    let ann = Customer::new(&street, "5.00")?;
    let air = ann.air(&street)?;
    ann.connect(&street)?;
    air.lose();
    ann.page
        .until("document.querySelector('[data-phase=\"resuming\"]')")?;
    ann.page
        .until("document.querySelector('[data-phase=\"granted\"]')")?;
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    street
        .machine
        .wait("the product", |seen| seen == Seen::Dispensed)?;
    ann.page
        .until("document.querySelector('[data-result=\"vended\"]')")?;
    ann.finish()?;
    ann.page.says("[data-name='balance']", "€3.80")?;
    ann.home(&air)?;
    drop(air);
    street.close()
}

fn from_the_tap_to_the_credit_takes_seconds() -> Outcome {
    let street = Street::open()?;
    let ann = Customer::new(&street, "5.00")?;
    let air = ann.air(&street)?;
    let mut steps = Vec::new();
    for _ in 0..VISITS {
        street.machine.until_idle()?;
        steps.push(ann.connect(&street)?);
        ann.finish()?;
        ann.home(&air)?;
    }
    drop(air);
    let both = |of: fn(Steps) -> Duration| json!({"p50": quantile(&steps, 50, of), "p95": quantile(&steps, 95, of)});
    let (half, nearly_all) = (
        quantile(&steps, 50, Steps::total),
        quantile(&steps, 95, Steps::total),
    );
    let browser = ann
        .browser
        .cdp()
        .call(None, "Browser.getVersion", json!({}))?;
    println!(
        "{}",
        json!({
            "figure": "tap to credit", "unit": "s", "visits": steps.len(),
            "p50": half, "p95": nearly_all, "most": quantile(&steps, 100, Steps::total),
            "parts": {
                "light": both(|steps| steps.light), "chooser": both(|steps| steps.chooser),
                "link": both(|steps| steps.link), "grant": both(|steps| steps.grant),
                "machine": both(|steps| steps.machine),
            },
            "conditions": {
                "browser": browser["product"], "chooser_tap_s": CHOOSER_TAP.as_secs(),
                "light": LIGHT, "radio": "the browser's emulation, reads in place of notifications",
                "cores": std::thread::available_parallelism().map_or(0, usize::from),
            },
        })
    );
    street.close()?;
    if half > HALF_MAX.as_secs_f64() || nearly_all > NEARLY_ALL_MAX.as_secs_f64() {
        return Err(format!("p50 {half} s, p95 {nearly_all} s").into());
    }
    Ok(())
}
