//! Whole vends on real bytes: colours from a phone's screen, an encrypted link, MDB words on a
//! pseudo-terminal, a grant from the server, a durable settlement, a receipt; then the audit.
//!
//! The gateway and the reader run in processes of their own: this executable, started again.

use gettone_channel::{BoardState, LastResult, Status};
use gettone_examples::{
    Board, Ending, Hazard, Key, Machine, Pace, Phone, Places, Relay, Seen, Server, StreetFault,
    Transcript, Visit, part, run,
};
use serde_json::json;
use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MACHINE: u32 = 1;
const ESPRESSO: u16 = 2;
const SALAD: u16 = 5;
const HELP: &str = "\
Plays whole vends on real bytes, then audits the ledger.

Usage: first_vend [--fault NAME | --figures VENDS]

  --fault NAME     plays what goes wrong under this name; `list` prints all names, one a line,
                   `all` plays one after another
  --figures VENDS  plays so many vends without a word, then prints what they took
  --help           prints this
";

fn main() -> ExitCode {
    if let Some(ended) = part() {
        return ended;
    }
    let mut args = env::args_os().skip(1);
    let first = args.next();
    match first.as_ref().and_then(|first| first.to_str()) {
        Some("--figures") => {
            let vends = args
                .next()
                .and_then(|text| text.to_str().and_then(|text| text.parse().ok()));
            match vends {
                Some(vends) => ended(figures(vends)),
                None => usage(),
            }
        }
        Some("--fault") => match args.next().as_ref().and_then(|name| name.to_str()) {
            Some("list") => {
                for hazard in Hazard::all() {
                    println!("{}", hazard.name);
                }
                ExitCode::SUCCESS
            }
            Some("all") => ended(faults(Hazard::all())),
            Some(name) => match Hazard::find(name) {
                Some(hazard) => ended(faults([hazard])),
                None => {
                    eprintln!(
                        "first_vend: nothing goes wrong under the name {name}; see --fault list"
                    );
                    ExitCode::from(2)
                }
            },
            None => usage(),
        },
        Some("--help") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        None => ended(street()),
        Some(_) => usage(),
    }
}

fn usage() -> ExitCode {
    eprint!("{HELP}");
    ExitCode::from(2)
}

fn ended(outcome: Result<bool, StreetFault>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("first_vend: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that stands on the street.
struct Street<'a> {
    machine: &'a Machine,
    transcript: &'a Transcript,
}

/// Plays `vends` vends in a row and says what they took.
fn figures(vends: u32) -> Result<bool, StreetFault> {
    let quiet = Transcript::quiet();
    let loud = Transcript::default();
    let dir = tempfile::tempdir().map_err(|_| StreetFault::Unexpected("no temporary folder"))?;
    let server = open_shop(dir.path(), &quiet)?;
    let machine = Machine::start(dir.path(), Pace::Hurried, &quiet)?;
    let (board, places) = Board::start(dir.path(), MACHINE, machine.link(), &server, &quiet)?;
    machine.wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
    let ann = phone("ann", 1, "1000000.00", &server, &places, &quiet)?.hurried();
    let street = Street {
        machine: &machine,
        transcript: &quiet,
    };
    let begun = Instant::now();
    let relay = runtime()?.block_on(async {
        let mut relay = Relay::default();
        for vend in 0..vends {
            relay = street.vend(&ann, u64::from(vend)).await?;
            if vend % 100 == 99 {
                eprintln!("{} of {vends} vends", vend + 1);
            }
        }
        Ok::<_, StreetFault>(relay)
    })?;
    let took = begun.elapsed();
    loud.plain(&format!("vends: {vends} in {:.1} s", took.as_secs_f64()));
    loud.plain(&format!(
        "connection to grant: {} round trips, {} bytes of values",
        relay.round_trips, relay.value_bytes
    ));
    for (name, resident) in [
        ("reader", board.resident_kib()),
        ("gateway", server.resident_kib()),
    ] {
        if let Some(kib) = resident {
            loud.plain(&format!("{name}: {kib} KiB resident"));
        }
    }
    board.stop()?;
    machine.stop()?;
    let config = server.stop()?;
    audit(&config, &loud)
}

fn runtime() -> Result<tokio::runtime::Runtime, StreetFault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| StreetFault::Unexpected("no runtime for the phones"))
}

/// Plays what goes wrong, each on a street of its own with an audit at its end.
fn faults<'a>(hazards: impl IntoIterator<Item = &'a Hazard>) -> Result<bool, StreetFault> {
    let mut balanced = true;
    for hazard in hazards {
        balanced &= hazard.play(&Transcript::default())?;
    }
    Ok(balanced)
}

/// Plays every scene, then the audit.
fn street() -> Result<bool, StreetFault> {
    let transcript = Transcript::default();
    let dir = tempfile::tempdir().map_err(|_| StreetFault::Unexpected("no temporary folder"))?;
    transcript.scene("a machine, a reader, a server");
    let server = open_shop(dir.path(), &transcript)?;
    let machine = Machine::start(dir.path(), Pace::Real, &transcript)?;
    let (board, places) = Board::start(dir.path(), MACHINE, machine.link(), &server, &transcript)?;
    machine.wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
    let ann = phone("ann", 1, "5.00", &server, &places, &transcript)?;
    let bob = phone("bob", 2, "1.00", &server, &places, &transcript)?;

    let street = Street {
        machine: &machine,
        transcript: &transcript,
    };
    runtime()?.block_on(async {
        let relay = street.vend(&ann, 1).await?;
        transcript.say(
            "figures",
            format_args!(
                "connection to grant: {} round trips, {} bytes",
                relay.round_trips, relay.value_bytes
            ),
        );
        street.short_of_funds(&bob).await?;
        street.machine_fails(&ann).await?;
        street.phone_disappears(&ann, &bob).await
    })?;

    transcript.scene("what is left");
    let told = [
        expect(&transcript, "ann", &ann, "2.60")?,
        expect(&transcript, "bob", &bob, "1.00")?,
    ];
    board.stop()?;
    machine.stop()?;
    let config = server.stop()?;
    transcript.scene("the audit");
    let balanced = audit(&config, &transcript)?;
    Ok(balanced && told == [true, true])
}

impl Street<'_> {
    async fn vend(&self, ann: &Phone<'_>, seed: u64) -> Result<Relay, StreetFault> {
        self.transcript.scene("a vend");
        let mut visit = self.open(ann, seed).await?;
        self.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        visit
            .until("the product", |status| status.last == LastResult::Vended)
            .await?;
        let relay = self.close(visit).await?;
        self.ledger("ann", ann)?;
        Ok(relay)
    }

    async fn short_of_funds(&self, bob: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript.scene("not enough money");
        let mut visit = self.open(bob, 2).await?;
        self.machine.select(SALAD, 190, Ending::Dispensed)?;
        self.machine
            .wait("the refusal", |seen| seen == Seen::Denied)?;
        let status = visit
            .until("the refusal", |status| status.last == LastResult::Denied)
            .await?;
        self.transcript.say(
            "bob",
            format_args!("is told how much: {} cents short", status.short_by),
        );
        if status.short_by != 90 {
            return Err(StreetFault::Unexpected("a shortfall that is not 0.90"));
        }
        self.close(visit).await?;
        self.ledger("bob", bob)
    }

    async fn machine_fails(&self, ann: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript.scene("the machine does not deliver");
        let mut visit = self.open(ann, 3).await?;
        self.machine.select(ESPRESSO, 120, Ending::Jammed)?;
        visit
            .until("the failure", |status| status.last == LastResult::Failed)
            .await?;
        self.close(visit).await?;
        self.ledger("ann", ann)
    }

    async fn phone_disappears(&self, ann: &Phone<'_>, bob: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript
            .scene("a phone disappears; another one brings the receipt");
        let mut visit = self.open(ann, 4).await?;
        self.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        visit
            .until("the choice", |status| status.state == BoardState::Vending)
            .await?;
        visit.vanish();
        self.machine
            .wait("the product", |seen| seen == Seen::Dispensed)?;
        self.ledger("ann", ann)?;
        let visit = self.open(bob, 5).await?;
        self.ledger("ann", ann)?;
        self.close(visit).await?;
        Ok(())
    }

    /// Has the reader take a phone up, and the machine show its credit.
    async fn open<'a>(&self, phone: &'a Phone<'a>, seed: u64) -> Result<Visit<'a>, StreetFault> {
        let mut visit = phone.tap(seed).await?;
        self.machine.until_idle()?;
        visit.until("the grant", granted).await?;
        self.machine.wait("the credit", Seen::is_credit)?;
        Ok(visit)
    }

    /// Ends a visit, once its receipts are with the server; gives what its relay took.
    async fn close(&self, mut visit: Visit<'_>) -> Result<Relay, StreetFault> {
        visit.leave().await?;
        visit.until("the end", free).await?;
        Ok(visit.relay())
    }

    /// Says what the ledger has for a customer.
    fn ledger(&self, who: &str, phone: &Phone<'_>) -> Result<(), StreetFault> {
        let wallet = phone.ask("/v1/app/wallet")?;
        self.transcript.say(
            "ledger",
            format_args!(
                "{who}: e-money {}, of it held {}",
                text(&wallet["emoney"]),
                text(&wallet["pending"])
            ),
        );
        Ok(())
    }
}

/// A server with one machine and what it sells.
fn open_shop(dir: &Path, transcript: &Transcript) -> Result<Server, StreetFault> {
    let server = Server::start(dir, transcript)?;
    transcript.say("server", format_args!("listens on {}", server.url()));
    server.post(
        Key::Operator,
        "/v1/machines",
        &json!({
            "machine": MACHINE,
            "currency": "EUR",
            "cap": "4.00",
            "vends_max": 2,
            "fee_basis_points": 150,
        }),
    )?;
    for (item, name, price) in [
        (ESPRESSO, "espresso", "1.20"),
        (SALAD, "salad", "1.90"),
        (7, "water", "0.60"),
    ] {
        server.post(
            Key::Operator,
            &format!("/v1/machines/{MACHINE}/products"),
            &json!({"item": item, "name": name, "price": price}),
        )?;
    }
    Ok(server)
}

fn phone<'a>(
    name: &'static str,
    wallet: u64,
    amount: &str,
    server: &'a Server,
    places: &'a Places,
    transcript: &'a Transcript,
) -> Result<Phone<'a>, StreetFault> {
    let token = server.customer(wallet, amount)?;
    transcript.say(name, format_args!("has {amount} EUR of e-money"));
    Ok(Phone::new(name, token, server, places, transcript))
}

fn granted(status: &Status) -> bool {
    status.state == BoardState::Granted
}

/// The session is over and its receipts are with the server.
fn free(status: &Status) -> bool {
    matches!(status.state, BoardState::Linked | BoardState::Idle)
}

/// Says what a customer has left, and whether it is what the street knows it should be.
fn expect(
    transcript: &Transcript,
    name: &str,
    phone: &Phone<'_>,
    emoney: &str,
) -> Result<bool, StreetFault> {
    let wallet = phone.ask("/v1/app/wallet")?;
    let found = text(&wallet["emoney"]);
    transcript.say(
        name,
        format_args!("has {found} EUR left; {emoney} expected"),
    );
    Ok(found == emoney)
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or("nothing").to_owned()
}

fn audit(config: &Path, transcript: &Transcript) -> Result<bool, StreetFault> {
    let (said, balanced) = run(
        "gateway",
        &["audit".as_ref(), "--config".as_ref(), config.as_os_str()],
    )?;
    transcript.plain(said.trim_end());
    Ok(balanced)
}
