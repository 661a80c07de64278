//! The pictures of the guides, taken from the real pages:
//! `PICTURES=docs/pictures cargo test -p gettone-examples --release --test browser -- --ignored pictures`.
//! Without that word they are taken all the same, and laid beside the build.

use crate::chromium::{Browser, Page, Radio};
use crate::scene::{ESPRESSO, SALAD, Street};
use crate::visit::Customer;
use crate::{Outcome, trial};
use gettone_examples::{Ending, Seen};
use libtest_mimic::{Failed, Trial};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "pictures_of_the_customers_page",
        of_the_customers_page,
    )]
}

/// Where the pictures go: the guides have theirs in `docs/pictures`.
fn folder() -> PathBuf {
    match std::env::var_os("PICTURES") {
        Some(told) => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(told),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures"),
    }
}

/// The longest page that a guide shows, in CSS pixels, and the ground below its last line.
const LONGEST: u64 = 1_500;
const BELOW: u64 = 20;

/// Takes a picture of a phone's screen.
pub(crate) fn take(page: &Page, name: &str) -> Result<(), Failed> {
    fits(page, name)?;
    picture(page, name, None)
}

/// Takes a picture of a whole page, down to its last line.
pub(crate) fn take_page(page: &Page, name: &str) -> Result<(), Failed> {
    fits(page, name)?;
    let size = page.eval(
        "[innerWidth, Math.ceil(scrollY + document.querySelector('main').lastElementChild.getBoundingClientRect().bottom)]",
    )?;
    let [width, height] = [0, 1].map(|axis| size[axis].as_u64().unwrap_or_default());
    picture(page, name, Some([width, (height + BELOW).min(LONGEST)]))
}

/// Nothing is to stand beside the screen.
pub(crate) fn fits(page: &Page, name: &str) -> Result<(), Failed> {
    let widths = page.eval("[document.documentElement.scrollWidth, innerWidth]")?;
    if widths[0].as_u64() > widths[1].as_u64() {
        return Err(format!("{name} is wider than its screen: {widths}").into());
    }
    Ok(())
}

fn picture(page: &Page, name: &str, clip: Option<[u64; 2]>) -> Result<(), Failed> {
    std::fs::create_dir_all(folder())?;
    Ok(page.picture(&folder().join(format!("{name}.png")), clip)?)
}

/// A light never stands still, and begins dark: for its picture it is led by hand to a colour.
fn take_light(page: &Page, name: &str) -> Result<(), Failed> {
    page.eval(
        "(() => {
            const own = requestAnimationFrame;
            const steps = [];
            globalThis.requestAnimationFrame = (step) => steps.push(step);
            globalThis.lead = () => steps.splice(0).forEach((step) => step(performance.now()));
            globalThis.release = () => {
                globalThis.requestAnimationFrame = own;
                steps.splice(0).forEach((step) => own(step));
            };
        })()",
    )?;
    page.until(
        "(() => {
            const canvas = document.querySelector('.patch');
            const [red, green, blue] = canvas.getContext('2d').getImageData(4, 4, 1, 1).data;
            if (red + green + blue === 255) return true;
            globalThis.lead();
            return false;
        })()",
    )?;
    take(page, name)?;
    page.eval("globalThis.release()")?;
    Ok(())
}

fn of_the_customers_page() -> Outcome {
    let street = Street::open()?;
    let shop = &street.shop;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(shop.url())?;
    page.until("document.querySelector('#address')")?;
    take(&page, "customer-sign-in")?;
    page.write("#address", "bob@example.org")?;
    page.tap("[data-name='address-form'] button.main")?;
    page.until("document.querySelector('#code')")?;
    take(&page, "customer-code")?;
    page.visit(&format!("{}/?new", shop.url()))?;
    shop.welcome(&page, "eve@example.org")?;
    page.tap("[data-name='buy']")?;
    page.text("[data-name='no-radio']")?;
    take(&page, "customer-no-bluetooth")?;
    drop(browser);

    let ann = Customer::new(&street, "3.00")?;
    let page = &ann.page;
    page.eval("location.hash = '#/welcome'")?;
    for (step, wait) in [
        (
            "customer-language",
            "document.querySelector('button.choice')",
        ),
        ("customer-currency", "document.querySelector('#currency')"),
        ("customer-how", "document.querySelector('ol.how')"),
    ] {
        page.until(wait)?;
        take(page, step)?;
        match step {
            "customer-language" => page.tap("button.choice[lang='en']")?,
            "customer-currency" => {
                page.eval("document.querySelector('#currency').value = 'CHF'")?;
                page.tap("[data-name='wallet-form'] button.main")?;
            }
            _ => page.tap("button.main")?,
        }
    }
    page.text("[data-name='available']")?;
    page.eval("localStorage.removeItem('gettone.warned')")?;
    page.tap("[data-name='buy']")?;
    page.text("[data-name='warning']")?;
    take(page, "customer-warning")?;
    page.eval("localStorage.setItem('gettone.warned', 'yes'); location.hash = '#/'")?;
    page.text("[data-name='available']")?;

    let air = ann.air(&street)?;
    page.tap("[data-name='buy']")?;
    page.until("document.querySelector('.patch')")?;
    take_light(page, "customer-light")?;
    page.tap("[data-name='cancel']")?;
    page.tap("[data-name='buy']")?;
    ann.link(&street.places)?;
    page.until("document.querySelector('[data-phase=\"granted\"] .machine p')")?;
    take(page, "customer-choose")?;
    street.machine.wait("the credit", Seen::is_credit)?;
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    page.until("document.querySelector('[data-phase=\"vending\"]')")?;
    take(page, "customer-preparing")?;
    page.until("document.querySelector('[data-result=\"vended\"]')")?;
    street
        .machine
        .wait("the credit that is left", Seen::is_credit)?;
    street.machine.select(SALAD, 190, Ending::Dispensed)?;
    page.until("document.querySelector('[data-result=\"denied\"]')")?;
    take(page, "customer-short")?;
    ann.finish()?;
    page.says("[data-name='bought']", "Espresso")?;
    page.says("[data-name='balance']", "€")?;
    take(page, "customer-done")?;
    ann.home(&air)?;
    page.text("[data-kind='sale']")?;
    take(page, "customer-wallet")?;
    page.call(
        "Emulation.setEmulatedMedia",
        json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
    )?;
    take(page, "customer-wallet-dark")?;
    page.call("Emulation.setEmulatedMedia", json!({"features": []}))?;
    drop(air);

    page.tap("nav a[href='#/history']")?;
    page.text("main > .lines [data-kind='sale']")?;
    take(page, "customer-history")?;
    page.tap("[data-kind='sale'] a")?;
    page.text("[data-name='receipt-amount']")?;
    page.tap("[data-name='claim'] summary")?;
    page.until("document.querySelector('#words')?.offsetHeight")?;
    take(page, "customer-nothing-fell")?;
    page.write("#words", "The cup fell beside the tray.")?;
    page.tap("[data-name='claim-form'] button.main")?;
    page.text("[data-name='claim-state']")?;
    take(page, "customer-claim")?;
    page.tap("nav a[href='#/settings']")?;
    page.until("document.querySelector('#language')")?;
    take(page, "customer-settings")?;
    street.close()
}
