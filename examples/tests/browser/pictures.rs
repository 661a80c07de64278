//! The pictures of the guides, taken from the real pages:
//! `cargo test -p gettone-examples --release --test browser -- --ignored pictures`.

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

/// Where the guides look for their pictures.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures")
}

pub(crate) fn take(page: &Page, name: &str) -> Result<(), Failed> {
    std::fs::create_dir_all(folder())?;
    Ok(page.picture(&folder().join(format!("{name}.png")))?)
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
    take(page, "customer-light")?;
    ann.link(&street.places)?;
    page.until("document.querySelector('[data-phase=\"granted\"] .machine p')")?;
    take(page, "customer-choose")?;
    street.machine.wait("the credit", Seen::is_credit)?;
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    page.until("document.querySelector('[data-phase=\"vending\"]')")?;
    take(page, "customer-preparing")?;
    page.until("document.querySelector('[data-result=\"vended\"]')")?;
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
