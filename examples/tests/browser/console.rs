//! The operator's page in a real browser, driven as its staff would.

use crate::chromium::{Browser, HEIGHT, Page, Radio, WIDTH};
use crate::scene::{ESPRESSO, Shop, Street};
use crate::visit::Customer;
use crate::{Outcome, pictures, trial};
use gettone_examples::{Ending, Key, Seen};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

/// The machine of the street.
const MACHINE: &str = "#/machines/1";
/// A desk's screen, in CSS pixels.
const DESK: [u32; 2] = [1_280, 900];
/// The smallest phone that is still about.
const SMALL: [u32; 2] = [320, 568];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_clerk_refunds_credits_and_counts_and_the_books_balance",
            a_clerk_refunds_credits_and_counts_and_the_books_balance,
        ),
        trial(
            "a_technician_prices_and_locks_a_machine_and_sees_no_money_matters",
            a_technician_prices_and_locks_a_machine_and_sees_no_money_matters,
        ),
        trial("pictures_of_the_operators_page", of_the_operators_page),
    ]
}

/// Takes somebody on, and signs them in on a page of a desk's size.
fn signed_in(shop: &Shop, browser: &Browser, role: &str) -> Result<Page, Failed> {
    shop.server().post(
        Key::Operator,
        "/v1/staff",
        &json!({
            "email": format!("{role}@example.org"), "name": format!("Carla {role}"),
            "role": role, "password": "correct horse battery",
        }),
    )?;
    let page = browser.open(&format!("{}/console", shop.url()))?;
    page.resize(DESK[0], DESK[1])?;
    page.write("[name='email']", &format!("{role}@example.org"))?;
    page.write("[name='password']", "wrong horse battery")?;
    page.tap("form button")?;
    page.says("[role='alert']", "do not fit together")?;
    page.eval("document.querySelector('[name=password]').value = ''")?;
    page.write("[name='password']", "correct horse battery")?;
    page.tap("form button")?;
    page.says("h1", "Machines")?;
    Ok(page)
}

fn go(page: &Page, place: &str, heading: &str) -> Result<(), Failed> {
    page.eval(&format!("location.hash = {place:?}"))?;
    page.says("h1", heading)?;
    Ok(())
}

/// Empties a field and writes into it.
fn rewrite(page: &Page, selector: &str, words: &str) -> Result<(), Failed> {
    page.until(&format!("document.querySelector({selector:?})"))?;
    page.eval(&format!("document.querySelector({selector:?}).select()"))?;
    page.write(selector, words)?;
    Ok(())
}

/// A customer buys an espresso and says that nothing fell.
fn claimed(street: &Street) -> Result<Customer, Failed> {
    let ann = Customer::new(street, "5.00")?;
    let air = ann.air(street)?;
    ann.connect(street)?;
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    street
        .machine
        .wait("the product", |seen| seen == Seen::Dispensed)?;
    ann.page
        .until("document.querySelector('[data-result=\"vended\"]')")?;
    ann.finish()?;
    ann.page.says("[data-name='bought']", "Espresso")?;
    drop(air);
    ann.page.tap("[data-name='bought'] a")?;
    ann.page.tap("[data-name='claim'] summary")?;
    ann.page.write("#words", "The cup fell beside the tray.")?;
    ann.page.tap("[data-name='claim-form'] button.main")?;
    ann.page
        .says("[data-name='claim-state']", "The operator looks at it")?;
    Ok(ann)
}

fn a_clerk_refunds_credits_and_counts_and_the_books_balance() -> Outcome {
    let street = Street::open()?;
    let shop = &street.shop;
    let browser = Browser::start(Radio::Absent)?;
    let page = signed_in(shop, &browser, "clerk")?;
    let ann = claimed(&street)?;

    // What happened was seen while it did.
    page.says(".feed", "Espresso")?;
    page.says(".feed", "Refund case")?;
    page.says(".figures", "cases\n1")?;
    go(&page, "#/refunds", "Refunds")?;
    page.says("article", "The cup fell beside the tray.")?;
    page.tap("article button.main")?;
    rewrite(&page, "dialog [name='amount']", "9.00")?;
    page.tap("dialog button.main")?;
    page.says("dialog [role='alert']", "no more can go back")?;
    rewrite(&page, "dialog [name='amount']", "1,00")?;
    page.write("dialog [name='words']", "Sorry for the cup.")?;
    page.tap("dialog button.main")?;
    page.says(".empty", "No case is open")?;
    page.tap(".tabs a[href*='decided']")?;
    page.says("article", "Sorry for the cup.")?;
    ann.page
        .eval("location.hash = '#/'")
        .and_then(|_| ann.page.eval("location.reload()"))?;
    ann.page.says("[data-name='available']", "€4.80")?;

    let me = ann
        .page
        .eval("fetch('/v1/app/me').then((answer) => answer.json())")?;
    go(&page, "#/credit", "Credit a customer")?;
    page.write("[name='who']", &me["customer"].to_string())?;
    page.write("[name='amount']", "2.50")?;
    page.write("[name='note']", "for the cup")?;
    page.tap("form button.main")?;
    page.says(".note", "€2.50 given to")?;
    ann.page.eval("location.reload()")?;
    ann.page.says("[data-name='available']", "€7.30")?;

    go(&page, MACHINE, "1")?;
    page.write("[name='counted']", "0.00")?;
    page.says("[aria-label='Cash']", "exactly as expected")?;
    page.tap("[aria-label='Cash'] button.main")?;
    page.says("[aria-label='Cash'] tbody", "clerk@example.org")?;

    go(&page, "#/sales", "Sales")?;
    page.says("table", "refund")?;
    let file = page.eval(
        "fetch(document.querySelector('a[download]').href).then((answer) => answer.text())",
    )?;
    let file = file.as_str().unwrap_or_default();
    assert!(file.starts_with("sold_utc,"), "{file}");
    assert_eq!(file.lines().count(), 3, "a head, a sale, a refund: {file}");
    assert!(file.contains(",-1.00,EUR,"), "{file}");
    // The owner's matters are not a clerk's.
    go(&page, "#/people", "Nothing here")?;
    drop(ann);
    street.close()
}

fn a_technician_prices_and_locks_a_machine_and_sees_no_money_matters() -> Outcome {
    let street = Street::open()?;
    let shop = &street.shop;
    let browser = Browser::start(Radio::Absent)?;
    let page = signed_in(shop, &browser, "technician")?;
    let menu = page.text("nav")?;
    assert!(
        !menu.contains("Refunds") && !menu.contains("Credit"),
        "{menu}"
    );

    page.tap("#new-machine summary")?;
    page.write("#new-machine [name='machine']", "9")?;
    page.write("#new-machine [name='name']", "Snacks, hall C")?;
    page.tap("#new-machine button.main")?;
    page.says("h1", "Snacks, hall C (9)")?;
    page.says("[aria-label='State']", "at most €5.00 and 3 vends in a row")?;

    go(&page, MACHINE, "1")?;
    rewrite(&page, "tr[data-item] td.number input", "1,35")?;
    page.tap("tr[data-item] button:not(.quiet)")?;
    page.until("document.querySelector('tr[data-item] td.number input')?.value === '1.35'")?;
    rewrite(&page, "tr[data-item] td.number input", "1.355")?;
    page.tap("tr[data-item] button:not(.quiet)")?;
    page.says("[aria-label='Products and prices'] [role='alert']", "price")?;
    page.tap("[aria-label='Lock'] button.grave")?;
    page.says("[aria-label='Lock'] .chip", "waits for a phone")?;
    page.says("[aria-label='State'] .chip", "locked")?;
    page.tap("[aria-label='Lock'] button")?;
    page.says("[aria-label='Lock'] .chip", "unlock waits")?;
    let counting = page.eval("document.querySelector('[name=counted]')")?;
    assert_eq!(counting, json!(null), "counting is a clerk's");
    street.close()
}

fn of_the_operators_page() -> Outcome {
    let street = Street::open()?;
    let shop = &street.shop;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(&format!("{}/console", shop.url()))?;
    page.until("document.querySelector('[name=email]')")?;
    page.resize(DESK[0], DESK[1])?;
    pictures::take_page(&page, "console-sign-in")?;
    let page = signed_in(shop, &browser, "owner")?;
    shop.server().get(Key::Operator, "/v1/machines")?;
    let ann = claimed(&street)?;
    page.says(".feed", "Refund case")?;
    page.says(".figures", "cases\n1")?;
    page.says(".figures", "1 sale")?;
    page.says("main td .chip", "live")?;
    pictures::take_page(&page, "console-machines")?;
    let screens = [
        (MACHINE, "1", "console-machine"),
        ("#/sales", "Sales", "console-sales"),
        ("#/refunds", "Refunds", "console-refunds"),
        ("#/credit", "Credit", "console-credit"),
        ("#/readers", "Readers", "console-readers"),
        ("#/people", "Staff and keys", "console-people"),
        ("#/log", "Staff log", "console-log"),
    ];
    for (place, heading, name) in screens {
        go(&page, place, heading)?;
        pictures::take_page(&page, name)?;
    }
    for [width, height] in [SMALL, [WIDTH, HEIGHT]] {
        page.resize(width, height)?;
        for (place, heading, name) in screens {
            go(&page, place, heading)?;
            pictures::fits(&page, &format!("{name} at {width}"))?;
        }
    }
    go(&page, "#/", "Machines")?;
    pictures::take(&page, "console-phone")?;
    drop(ann);
    street.close()
}
