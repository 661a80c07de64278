//! Buying with seven digits: no light, no radio, for the reader has a road of its own.

use crate::chromium::{Browser, Page, Radio};
use crate::scene::{ESPRESSO, MACHINE, Street};
use crate::{Outcome, trial};
use gettone_channel::{TokenKey, TokenLink};
use gettone_examples::{Ending, Seen};
use libtest_mimic::{Failed, Trial};
use std::time::{Duration, Instant};

/// Digits of a code that is typed.
const DIGITS: u8 = 7;
/// A step of a board that does not know the time counts from 1.
const STEP_LEAST: u64 = 1_000_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "who_types_the_digits_on_the_display_buys_without_light_or_radio",
        who_types_the_digits_on_the_display_buys_without_light_or_radio,
    )]
}

/// The digits on the display, as the board that shows them makes them.
fn digits(street: &Street, link: Option<String>) -> Option<String> {
    let key = std::fs::read(street.state().join("token-key")).ok()?;
    let key = TokenKey::from_bytes(key.try_into().ok()?);
    let link: TokenLink = link?.split_once("/t/")?.1.parse().ok()?;
    (link.step > STEP_LEAST).then(|| format!("{:07}", key.typed(link.step, DIGITS)))
}

fn type_in(page: &Page, digits: &str) -> Result<(), Failed> {
    for (field, words) in [
        ("#typed-machine", MACHINE.to_string()),
        ("#typed-code", digits.to_owned()),
    ] {
        page.eval(&format!("document.querySelector({field:?}).value = ''"))?;
        page.write(field, &words)?;
    }
    page.tap("[data-name='typed-form'] button.main")?;
    Ok(())
}

fn who_types_the_digits_on_the_display_buys_without_light_or_radio() -> Outcome {
    let (street, codes) = Street::on_a_road()?;
    let browser = Browser::start(Radio::Absent)?;
    let page = browser.open(street.shop.url())?;
    let wallet = street.shop.welcome(&page, "ann@example.org")?;
    street.shop.top_up(wallet, "5.00")?;
    page.visit(&format!("{}/?paid", street.shop.url()))?;
    page.tap("[data-name='typed'] summary")?;
    type_in(&page, "12")?;
    page.says("[data-name='typed-form'] .fault", "seven digits")?;

    let until = Instant::now() + Page::patience();
    let shown = loop {
        if let Some(shown) = digits(&street, codes.link()) {
            break shown;
        }
        if Instant::now() > until {
            return Err("no digits came on the display".into());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    };
    // Other digits than those on show buy nothing.
    let wrong = format!(
        "{:07}",
        (shown.parse::<u32>().unwrap_or_default() + 1) % 10_000_000
    );
    type_in(&page, &wrong)?;
    page.says("[data-name='typed-form'] .fault", "not, or no longer")?;
    let began = Instant::now();
    type_in(&page, &shown)?;
    page.says("[data-name='typed-done']", "€4.00")?;
    street.machine.wait("the credit", Seen::is_credit)?;
    println!(
        "from the tap to the credit: {:.2} s",
        began.elapsed().as_secs_f64()
    );
    street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    street
        .machine
        .wait("the product", |seen| seen == Seen::Dispensed)?;
    // The board's own road brings the receipt: nobody carries anything.
    page.says("[data-name='available']", "€3.80")?;
    street.close()
}
