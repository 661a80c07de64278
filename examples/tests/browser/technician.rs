//! The technician's page: a phone without an account empties a reader's outbox and brings it what the
//! server has for it.

use crate::air::Air;
use crate::chromium::{Browser, Page, Radio};
use crate::scene::{ESPRESSO, MACHINE, NAME, Shop, Street};
use crate::visit::flash;
use crate::{Outcome, trial};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_channel::{BoardState, LastResult};
use gettone_examples::{Ending, Heard, Key, Phone, Seen, Transcript};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a technician takes to tap the one entry of the browser's chooser.
const CHOOSER_TAP: Duration = Duration::from_millis(300);
/// A configuration of many chunks, which changes what nobody here looks at.
const PADDING: usize = 24_000;
/// The number of the program that is brought, 0.11.184, and lines of its ballast.
const PROGRAM: u32 = 3_000;
const NOTES: usize = 1_500;

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
            "a_technician_brings_a_program_and_sees_the_reader_run_it",
            a_technician_brings_a_program_and_sees_the_reader_run_it,
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

    /// Enters a program, and gives it to the street's reader.
    fn release(&self, street: &Street, number: u32, file: &[u8]) -> Result<(), Failed> {
        let reader = reader(street)?;
        let id = reader["reader_id"].as_str().unwrap_or_default();
        let file = STANDARD.encode(file);
        let statuses = self.page.eval(&format!(
            "(async () => {{
                const bytes = Uint8Array.from(atob('{file}'), (letter) => letter.charCodeAt(0));
                const entered = await fetch('/v1/firmware/{number}', {{
                    method: 'PUT', headers: {{'content-type': 'application/octet-stream'}}, body: bytes,
                }});
                const given = await fetch('/v1/readers/{id}/firmware', {{
                    method: 'PUT', headers: {{'content-type': 'application/json'}},
                    body: JSON.stringify({{number: {number}}}),
                }});
                return [entered.status, given.status];
            }})()"
        ))?;
        assert_eq!(statuses, json!([200, 200]));
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
    fn part(&self, air: &Air) -> Result<(), Failed> {
        air.part();
        self.page
            .eval("document.querySelector('[data-name=\"finish\"]')?.click()")?;
        self.page
            .until("document.querySelector('[data-phase=\"lost\"]')")?;
        Ok(())
    }

    fn state(&self, kind: &str, state: &str) -> Result<(), Failed> {
        let wanted = format!(
            "document.querySelector('[data-package=\"{kind}\"]')?.dataset.state === {state:?}"
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
    let path = format!("/v1/sales?machine={MACHINE}");
    wait("nothing was sold", || {
        let sold = street.shop.server().get(Key::Operator, &path)?;
        Ok(sold["lines"][0]["amount"] == "1.20")
    })
}

/// Waits until it is so; says `otherwise` when it never is.
fn wait(otherwise: &str, is_so: impl Fn() -> Outcome<bool>) -> Outcome {
    let until = Instant::now() + Page::patience();
    while !is_so()? {
        if Instant::now() > until {
            return Err(otherwise.into());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
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
    tom.state("configuration", "given")?;
    sold_one(&street)?;
    // The reader was asked how it is with the answer to its first word.
    tom.page.says("[data-name='report'] pre", "mdb_link open")?;
    tom.part(&air)?;
    tom.advised("restart")?;

    street.restart()?;
    tom.link(&street, "again")?;
    tom.state("configuration", "done")?;
    tom.advised("done")?;
    tom.page
        .says("[data-name='before-after']", "0 before, 1 now")?;
    assert_eq!(reader(&street)?["configuration"], 1);
    // Who only carries claims nothing: the reader is free for whoever comes next.
    tom.part(&air)?;
    tom.page.text("[data-name='other']")?;
    drop(air);
    street.close()
}

/// The one who holds the release key, which is on no server and on no board.
struct Releaser {
    home: TempDir,
    public_key: String,
}

impl Releaser {
    fn new() -> Result<Self, Failed> {
        let home = tempfile::tempdir()?;
        let key = home.path().join("release.key");
        let words = ["firmware".as_ref(), "keygen".as_ref(), "--out".as_ref()];
        let public_key = firmware(&[&words[..], &[key.as_os_str()]].concat())?;
        Ok(Self { home, public_key })
    }

    /// Another build of the reader, packed and signed.
    fn pack(&self, number: u32) -> Result<Vec<u8>, Failed> {
        let [program, key, file] =
            ["program", "release.key", "file"].map(|name| self.home.path().join(name));
        std::fs::write(&program, another_build()?)?;
        let number = number.to_string();
        firmware(&[
            "firmware".as_ref(),
            "pack".as_ref(),
            "--program".as_ref(),
            program.as_os_str(),
            "--number".as_ref(),
            number.as_ref(),
            "--key".as_ref(),
            key.as_os_str(),
            "--out".as_ref(),
            file.as_os_str(),
        ])?;
        Ok(std::fs::read(file)?)
    }
}

fn firmware(words: &[&OsStr]) -> Result<String, Failed> {
    let (said, succeeded) = gettone_examples::run("reader", words)?;
    match succeeded {
        true => Ok(said.trim().to_owned()),
        false => Err(said.into()),
    }
}

/// A program that is another file than the packaged one, of many chunks, and works as well.
fn another_build() -> Result<String, Failed> {
    let itself = std::env::current_exe()?;
    let mut chance = 1_u64;
    let ballast = (0..NOTES).map(|_| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("# {chance:016x}\n")
    });
    let ballast: String = ballast.collect();
    Ok(format!(
        "#!/bin/sh\n{ballast}exec '{}' reader \"$@\"\n",
        itself.display()
    ))
}

fn a_technician_brings_a_program_and_sees_the_reader_run_it() -> Outcome {
    let mut street = Street::open()?;
    let (releaser, stranger) = (Releaser::new()?, Releaser::new()?);
    street.launch(&releaser.public_key)?;
    let tom = Technician::new(&street.shop, "technician", Radio::There)?;
    tom.release(&street, PROGRAM, &releaser.pack(PROGRAM)?)?;
    let air = tom.air(&street)?;
    tom.link(&street, "light")?;
    tom.state("firmware", "given")?;
    tom.part(&air)?;
    tom.advised("restart")?;
    let slots = street.state().join("care/firmware/slots");

    street.renew()?;
    tom.link(&street, "again")?;
    tom.state("firmware", "done")?;
    tom.advised("done")?;
    tom.page
        .says("[data-name='before-after']", "0.1.0 before, 0.11.184 now")?;
    assert_eq!(reader(&street)?["firmware"], "0.11.184");
    let kept = std::fs::read_to_string(&slots)?;
    assert!(kept.starts_with("current a 3000 "), "{kept}");
    assert!(!kept.starts_with("current a 3000 good"), "{kept}");
    tom.part(&air)?;

    // Whoever else signs one brings nothing, whatever the server says.
    tom.release(&street, PROGRAM + 1, &stranger.pack(PROGRAM + 1)?)?;
    tom.link(&street, "again")?;
    tom.state("firmware", "given")?;
    tom.part(&air)?;
    // A customer is served meanwhile; that proves the program.
    bought_unheard(&street)?;
    wait("the program is not proved", || {
        Ok(std::fs::read_to_string(&slots)?.starts_with("current a 3000 good "))
    })?;
    assert_eq!(reader(&street)?["firmware"], "0.11.184");
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
    tom.state("configuration", "given")?;
    let from = tom
        .page
        .eval("Number(document.querySelector('[data-package]').dataset.from)")?;
    assert!(from.as_u64() > Some(0), "it began anew: {from}");
    tom.part(&air)?;
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
    tom.part(&air)?;
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
