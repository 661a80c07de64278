//! What customers do beside buying: signing in, saying that nothing fell, going away; and what a
//! browser without Bluetooth tells them.

use crate::chromium::{Browser, Radio};
use crate::scene::{ESPRESSO, Shop, Street};
use crate::visit::Customer;
use crate::{Outcome, trial};
use gettone_examples::{Ending, Seen};
use libtest_mimic::Trial;
use serde_json::json;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_new_customer_signs_in_by_a_code_and_opens_a_wallet",
            a_new_customer_signs_in_by_a_code_and_opens_a_wallet,
        ),
        trial(
            "who_was_charged_and_got_nothing_says_so_and_sees_the_answer",
            who_was_charged_and_got_nothing_says_so_and_sees_the_answer,
        ),
        trial(
            "a_browser_without_bluetooth_says_what_works",
            a_browser_without_bluetooth_says_what_works,
        ),
        trial(
            "without_network_the_page_opens_and_shows_no_money",
            without_network_the_page_opens_and_shows_no_money,
        ),
    ]
}

fn a_new_customer_signs_in_by_a_code_and_opens_a_wallet() -> Outcome {
    let shop = Shop::open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(shop.url())?;
    page.write("#address", "nobody")?;
    page.tap("[data-name='address-form'] button.main")?;
    page.says(".fault", "country code")?;
    let wallet = shop.welcome(&page, "ann@example.org")?;
    page.says("[data-name='available']", "€0.00")?;
    shop.top_up(wallet, "2.50")?;
    page.visit(&format!("{}/?again", shop.url()))?;
    page.says("[data-name='available']", "€2.50")?;

    // Another language is another word for everything, at once and after coming back.
    page.tap("nav a[href='#/settings']")?;
    page.until("document.querySelector('#language')")?;
    page.eval(
        "(() => { const choice = document.querySelector('#language'); choice.value = 'it';
                  choice.dispatchEvent(new Event('change')); })()",
    )?;
    page.says("h1", "Impostazioni")?;
    page.visit(&format!("{}/?italian", shop.url()))?;
    page.says("h1", "Portafoglio")?;

    page.tap("nav a[href='#/settings']")?;
    page.tap("[data-name='sign-out']")?;
    page.until("document.querySelector('#address')")?;
    assert_eq!(
        page.eval("fetch('/v1/app/me').then((answer) => answer.status)")?,
        401
    );
    shop.close()
}

fn who_was_charged_and_got_nothing_says_so_and_sees_the_answer() -> Outcome {
    let street = Street::open()?;
    let ann = Customer::new(&street, "5.00")?;
    let page = &ann.page;
    let air = ann.air(&street)?;
    ann.connect(&street)?;
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    street
        .machine
        .wait("the product", |seen| seen == Seen::Dispensed)?;
    page.until("document.querySelector('[data-result=\"vended\"]')")?;
    ann.finish()?;
    page.says("[data-name='bought']", "Espresso")?;
    drop(air);

    page.tap("[data-name='bought'] a")?;
    page.tap("[data-name='claim'] summary")?;
    page.write("#words", "The cup fell beside the tray.")?;
    page.tap("[data-name='claim-form'] button.main")?;
    page.says("[data-name='claim-state']", "The operator looks at it")?;
    page.says("[data-name='claim-state']", "The cup fell beside the tray.")?;
    street.close()
}

fn a_browser_without_bluetooth_says_what_works() -> Outcome {
    let shop = Shop::open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(shop.url())?;
    shop.welcome(&page, "ann@example.org")?;
    page.tap("[data-name='buy']")?;
    page.says("[data-name='no-radio']", "Scan it with your camera")?;
    page.says("[data-name='no-radio']", "Web Bluetooth")?;
    page.says("[data-name='no-radio']", "Chrome")?;
    page.says("[data-name='no-radio']", "iPhone")?;
    page.says("[data-name='no-radio']", "cash works")?;
    assert_eq!(page.eval("document.querySelector('.patch')")?, json!(null));
    shop.close()
}

fn without_network_the_page_opens_and_shows_no_money() -> Outcome {
    let shop = Shop::open()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(shop.url())?;
    let wallet = shop.welcome(&page, "ann@example.org")?;
    shop.top_up(wallet, "5.00")?;
    page.eval("navigator.serviceWorker.ready.then(() => true)")?;
    page.visit(&format!("{}/?kept", shop.url()))?;
    page.says("[data-name='available']", "€5.00")?;
    let kept = page.eval(
        "caches.keys().then(async (names) => (await Promise.all(names.map(async (name) =>
            (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname))))
            .flat())",
    )?;
    let kept = kept.as_array().cloned().unwrap_or_default();
    assert!(kept.len() > 20, "{kept:?}");
    assert!(
        kept.iter()
            .all(|path| !path.as_str().unwrap_or_default().starts_with("/v1"))
    );

    page.call(
        "Network.emulateNetworkConditions",
        json!({
            "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        }),
    )?;
    // The worker has a network of its own; a server that is gone is gone for both.
    let url = shop.url().to_owned();
    shop.close()?;
    page.visit(&format!("{url}/"))?;
    page.text("[data-name='offline']")?;
    let shown = page.eval("document.body.innerText")?;
    assert!(!shown.as_str().unwrap_or_default().contains('€'), "{shown}");
    Ok(())
}
