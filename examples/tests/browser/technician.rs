//! The technician's page: a phone without an account empties a reader's outbox and brings it what the
//! server has for it.

use crate::air::Air;
use crate::chromium::{Browser, Page, Radio};
use crate::scene::{ESPRESSO, MACHINE, NAME, Shop, Street};
use crate::visit::flash;
use crate::{Outcome, trial};
use gettone_channel::{BoardState, LastResult};
use gettone_examples::{Ending, Heard, Key, Phone, Seen, Transcript};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a technician takes to tap the one entry of the browser's chooser.
const CHOOSER_TAP: Duration = Duration::from_millis(300);
/// A configuration of many chunks, which changes what nobody here looks at.
const PADDING: usize = 24_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_technician_empties_the_outbox_brings_a_configuration_and_reads_a_report",
            a_technician_empties_the_outbox_brings_a_configuration_and_reads_a_report,
        ),
        trial(
            "a_package_goes_on_with_the_next_link_where_the_lost_one_left_it",
            a_package_goes_on_with_the_next_link_where_the_lost_one_left_it,
        ),
        trial(
            "without_network_the_phone_keeps_what_the_reader_said_and_brings_it_later",
            without_network_the_phone_keeps_what_the_reader_said_and_brings_it_later,
        ),
        trial(
            "the_technicians_page_says_what_went_wrong_and_what_to_do",
            the_technicians_page_says_what_went_wrong_and_what_to_do,
        ),
    ]
}

/// A technician with their phone.
struct Technician {
    page: Page,
    browser: Browser,
}

impl Technician {
    /// Takes somebody on, and signs them in.
    fn new(shop: &Shop, role: &str, radio: Radio) -> Result<Self, Failed> {
        shop.server().post(
            Key::Operator,
            "/v1/staff",
            &json!({
                "email": format!("{role}@example.org"), "name": format!("Tom {role}"),
                "role": role, "password": "correct horse battery",
            }),
        )?;
        let browser = Browser::start(radio)?;
        let page = browser.open(&format!("{}/technician", shop.url()))?;
        page.write("#email", &format!("{role}@example.org"))?;
        page.write("#password", "wrong horse battery")?;
        page.tap("[data-name='sign-in'] button.main")?;
        page.says("[role='alert']", "do not fit together")?;
        page.eval("document.querySelector('#password').value = ''")?;
        page.write("#password", "correct horse battery")?;
        page.tap("[data-name='sign-in'] button.main")?;
        page.says(".foot", "Tom")?;
        Ok(Self { page, browser })
    }

    /// Gives the street's reader another configuration.
    fn configure(&self, street: &Street, padding: usize) -> Result<(), Failed> {
        let reader = reader(street)?;
        let id = reader["reader_id"].as_str().unwrap_or_default();
        let body = json!({"text": format!("language = \"it\"\n# {}\n", "x".repeat(padding))});
        let status = self.page.eval(&format!(
            "fetch('/v1/readers/{id}/config', {{
                method: 'PUT', headers: {{'content-type': 'application/json'}},
                body: JSON.stringify({body}),
            }}).then((answer) => answer.status)"
        ))?;
        assert_eq!(status, 200);
        Ok(())
    }

    fn air(&self, street: &Street) -> Result<Air, Failed> {
        let air = &street.places.air;
        Ok(Air::open(self.browser.cdp(), &self.page, air, CHOOSER_TAP)?)
    }

    /// Shows the light with this button, until the link is up.
    fn link(&self, street: &Street, button: &str) -> Result<(), Failed> {
        self.page.tap(&format!("[data-name='{button}']"))?;
        flash(&self.page, &street.places)?;
        self.page
            .until("document.querySelector('[data-phase=\"linked\"]')")?;
        Ok(())
    }

    /// Waits until the reader has let the phone go, or was let go.
    fn part(&self) -> Result<(), Failed> {
        self.page
            .eval("document.querySelector('[data-name=\"finish\"]')?.click()")?;
        self.page
            .until("document.querySelector('[data-phase=\"lost\"]')")?;
        Ok(())
    }

    fn state(&self, state: &str) -> Result<(), Failed> {
        let wanted = format!(
            "document.querySelector('[data-package=\"configuration\"]')?.dataset.state === {state:?}"
        );
        self.page.until(&wanted)?;
        Ok(())
    }

    fn advised(&self, advice: &str) -> Result<(), Failed> {
        let wanted = format!(
            "document.querySelector('[data-name=\"next\"]')?.dataset.advice === {advice:?}"
        );
        self.page.until(&wanted)?;
        Ok(())
    }
}

/// The reader of the street, as the server shows it.
fn reader(street: &Street) -> Result<Value, Failed> {
    let mut readers = street.shop.server().get(Key::Operator, "/v1/readers")?;
    Ok(readers["lines"][0].take())
}

/// A customer buys, and carries nothing of what the reader says about it.
fn bought_unheard(street: &Street) -> Result<(), Failed> {
    let server = street.shop.server();
    let quiet = Transcript::quiet();
    let card = server.customer(900, "5.00")?;
    let ann = Phone::new("ann", card, server, &street.places, &quiet);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut visit = ann.tap(1).await?;
        visit
            .until("the grant", |status| status.state == BoardState::Granted)
            .await?;
        street.machine.wait("the credit", Seen::is_credit)?;
        street.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        loop {
            if let Heard::Status(status) = visit.hear("the product").await?
                && status.last == LastResult::Vended
            {
                break;
            }
        }
        visit.vanish();
        Ok::<_, Failed>(())
    })?;
    street.machine.until_idle()?;
    Ok(())
}

/// Waits until the operator's list has the espresso: it follows the journal at its own pace.
fn sold_one(street: &Street) -> Result<(), Failed> {
    let until = Instant::now() + Page::patience();
    loop {
        let path = format!("/v1/sales?machine={MACHINE}");
        let sold = street.shop.server().get(Key::Operator, &path)?;
        if sold["lines"][0]["amount"] == "1.20" {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("nothing was sold: {sold}").into());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn a_technician_empties_the_outbox_brings_a_configuration_and_reads_a_report() -> Outcome {
    let mut street = Street::open()?;
    bought_unheard(&street)?;
    let tom = Technician::new(&street.shop, "technician", Radio::There)?;
    tom.configure(&street, PADDING)?;
    let air = tom.air(&street)?;
    tom.link(&street, "light")?;
    tom.page.says("[data-name='machine']", NAME)?;
    tom.page
        .until("document.querySelector('[data-name=\"receipts\"]')?.dataset.waiting === '0'")?;
    tom.state("given")?;
    sold_one(&street)?;
    // The reader was asked how it is with the answer to its first word.
    tom.page.says("[data-name='report'] pre", "mdb_link open")?;
    tom.part()?;
    tom.advised("restart")?;

    street.restart()?;
    tom.link(&street, "again")?;
    tom.state("done")?;
    tom.advised("done")?;
    tom.page
        .says("[data-name='before-after']", "0 before, 1 now")?;
    assert_eq!(reader(&street)?["configuration"], 1);
    // Who only carries claims nothing: the reader is free for whoever comes next.
    tom.part()?;
    tom.page.text("[data-name='other']")?;
    drop(air);
    street.close()
}

fn a_package_goes_on_with_the_next_link_where_the_lost_one_left_it() -> Outcome {
    let street = Street::open()?;
    bought_unheard(&street)?;
    let tom = Technician::new(&street.shop, "technician", Radio::There)?;
    tom.configure(&street, 2 * PADDING)?;
    let air = tom.air(&street)?;
    tom.link(&street, "light")?;
    let chunk = "document.querySelector('[data-package]')?.dataset.from === '0' && document.querySelector('[data-package] progress').value > 0.2";
    tom.page.until(chunk)?;
    air.lose();
    tom.page
        .until("document.querySelector('[data-phase=\"lost\"]')")?;
    tom.advised("link")?;
    tom.link(&street, "again")?;
    tom.state("given")?;
    let from = tom
        .page
        .eval("Number(document.querySelector('[data-package]').dataset.from)")?;
    assert!(from.as_u64() > Some(0), "it began anew: {from}");
    tom.part()?;
    drop(air);
    street.close()
}

fn without_network_the_phone_keeps_what_the_reader_said_and_brings_it_later() -> Outcome {
    let street = Street::open()?;
    bought_unheard(&street)?;
    let tom = Technician::new(&street.shop, "technician", Radio::There)?;
    let air = tom.air(&street)?;
    let network = |is: &str| {
        let how = json!({
            "offline": is == "gone", "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        tom.page.call("Network.emulateNetworkConditions", how)
    };
    network("gone")?;
    tom.link(&street, "light")?;
    tom.page.says("[data-name='fault']", "kept on this phone")?;
    tom.part()?;
    let kept = "JSON.parse(localStorage.getItem('gettone.envelopes') ?? '[]').length";
    tom.page.until(&format!("{kept} > 0"))?;
    let sold = street.shop.server().get(Key::Operator, "/v1/sales")?;
    assert_eq!(sold["lines"], json!([]));
    network("back")?;
    tom.page.until(&format!("{kept} === 0"))?;
    sold_one(&street)?;
    drop(air);
    street.close()
}

fn the_technicians_page_says_what_went_wrong_and_what_to_do() -> Outcome {
    let shop = Shop::open()?;
    let tom = Technician::new(&shop, "technician", Radio::Absent)?;
    tom.page.says("[data-name='unable']", "Chrome")?;
    drop(tom);
    // There is a radio and a light, and nobody who sees it.
    let tom = Technician::new(&shop, "owner", Radio::There)?;
    tom.page.tap("[data-name='light']")?;
    tom.page.until("document.querySelector('.patch')")?;
    tom.page.tap("[data-name='cancel']")?;
    let prompts = tom.page.listen("DeviceAccess.")?;
    tom.page.call("DeviceAccess.enable", json!({}))?;
    let radio = json!({"state": "powered-on", "leSupported": true});
    tom.browser
        .cdp()
        .call(None, "BluetoothEmulation.enable", radio)?;
    tom.page.tap("[data-name='light']")?;
    tom.page.tap("[data-name='seen']")?;
    let prompt = prompts.recv_timeout(Page::patience())?;
    let nothing = json!({"id": prompt.params["id"]});
    tom.page.call("DeviceAccess.cancelPrompt", nothing)?;
    tom.page
        .says("[data-name='fault']", "No machine was picked")?;
    tom.page.text("[data-name='again']")?;
    drop(tom);
    shop.close()
}
