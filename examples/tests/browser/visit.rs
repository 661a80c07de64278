//! A whole visit: light from the real canvas, the link by the browser's own Bluetooth, a product,
//! its receipt.

use crate::air::{Air, door};
use crate::chromium::{Browser, Page, Radio};
use crate::light::Eye;
use crate::scene::{ESPRESSO, NAME, SALAD, Shop, Street};
use crate::{Outcome, trial};
use gettone_examples::{Ending, Places, Seen};
use gettone_optical::{Decoded, Decoder, Sample};
use libtest_mimic::{Failed, Trial};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long a customer takes to find the one entry of the browser's chooser and to tap it.
const CHOOSER_TAP: Duration = Duration::from_secs(2);
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
        (3, "00112233445566778899"),
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
        // Chromium without a screen of its own casts no more than thirty pictures a second for sure.
        page.eval("localStorage.setItem('gettone.slow', 'yes'), localStorage.setItem('gettone.warned', 'yes')")?;
        page.visit(&format!("{}/?{amount}", street.shop.url()))?;
        Ok(Self { page, browser })
    }

    /// Opens the air between the phone and the street.
    pub(crate) fn air(&self, street: &Street) -> Result<Air, Failed> {
        let air = &street.places.air;
        Ok(Air::open(self.browser.cdp(), &self.page, air, CHOOSER_TAP)?)
    }

    /// From the tap on "Buy" to the machine's credit; gives how long it took.
    pub(crate) fn connect(&self, street: &Street) -> Result<Duration, Failed> {
        self.page.tap("[data-name='buy']")?;
        let begun = Instant::now();
        self.link(&street.places)?;
        self.page
            .until("document.querySelector('[data-phase=\"granted\"]')")?;
        let took = begun.elapsed();
        street.machine.wait("the credit", Seen::is_credit)?;
        Ok(took)
    }

    /// Shows the light until the reader is on the air, and says that it beeped.
    pub(crate) fn link(&self, places: &Places) -> Result<(), Failed> {
        let mut socket = UnixStream::connect(&places.light)?;
        let eye = Eye::open(&self.page, move |sample| {
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
            self.page
                .eval("new Promise((resolve) => setTimeout(resolve, 20))")?;
        }
        self.page.tap("[data-name='seen']")?;
        eye.close();
        Ok(())
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
        while air.is_linked() {
            self.page
                .eval("new Promise((resolve) => setTimeout(resolve, 20))")?;
        }
        Ok(())
    }
}

fn a_customer_buys_and_sees_product_receipt_and_balance() -> Outcome {
    let street = Street::open()?;
    let ann = Customer::new(&street, "5.00")?;
    let page = &ann.page;
    page.says("[data-name='available']", "€5.00")?;
    let air = ann.air(&street)?;
    let took = ann.connect(&street)?;
    println!("from the tap to the credit: {:.2} s", took.as_secs_f64());
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
    let mut took = Vec::new();
    for _ in 0..VISITS {
        street.machine.until_idle()?;
        took.push(ann.connect(&street)?);
        ann.finish()?;
        ann.home(&air)?;
    }
    drop(air);
    took.sort();
    let (half, nearly_all) = (took[VISITS / 2], took[VISITS * 95 / 100 - 1]);
    println!(
        "from the tap to the credit, {VISITS} visits, chooser tapped after {} s: \
         p50 {:.2} s, p95 {:.2} s, most {:.2} s",
        CHOOSER_TAP.as_secs(),
        half.as_secs_f64(),
        nearly_all.as_secs_f64(),
        took[VISITS - 1].as_secs_f64(),
    );
    street.close()?;
    if half > HALF_MAX || nearly_all > NEARLY_ALL_MAX {
        return Err(format!("p50 {half:?}, p95 {nearly_all:?}").into());
    }
    Ok(())
}
