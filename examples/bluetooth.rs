//! Whole vends over a real Bluetooth stack: the reader on one adapter, phones on two others.
//!
//! It wants BlueZ and three adapters, which `./test.sh bluez` makes out of nothing in a virtual
//! machine. The gateway and the reader run in processes of their own: this executable, started
//! again.

use gettone_ble::ServiceUuid;
use gettone_ble::bluez::{Adapter, Central, Found, Hearing};
use gettone_channel::{BoardState, LastResult, Secret, Status};
use gettone_examples::{
    Board, Chip, Ending, Glow, Handset, Key, Machine, Pace, Phone, Places, Seen, Server,
    StreetFault, Transcript, Visit, Wiring, part, run,
};
use serde_json::json;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MACHINE: u32 = 1;
const ESPRESSO: u16 = 2;
/// How long a phone looks for a reader that should not be there.
const LOOK_MAX: Duration = Duration::from_secs(4);
/// How long it takes for one that should.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the adapters may take to come up.
const ADAPTERS_MAX: Duration = Duration::from_secs(30);
const HELP: &str = "\
Plays whole vends over a real Bluetooth stack, then audits the ledger.

Usage: bluetooth READER PHONE OTHER [--sensor NAME BUS]

  READER PHONE OTHER   three adapters, such as hci0 hci1 hci2
  --sensor NAME BUS    the phone's light falls on a chip on this I2C bus, which the kernel's stub
                       makes, and the reader reads it by the kernel's sensor NAME; one vend is played
  --help               prints this
";

fn main() -> ExitCode {
    if let Some(ended) = part() {
        return ended;
    }
    let args: Vec<OsString> = env::args_os().collect();
    let words: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    match words[..] {
        ["--help"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        [reader, phone, other] => ended(play([reader, phone, other], None)),
        [reader, phone, other, "--sensor", sensor, bus] => match bus.parse() {
            Ok(bus) => ended(play([reader, phone, other], Some((sensor, bus)))),
            Err(_) => usage(),
        },
        _ => usage(),
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
            println!("bluetooth: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn play(adapters: [&str; 3], sensor: Option<(&str, u32)>) -> Result<bool, StreetFault> {
    let transcript = Transcript::default();
    let dir = tempfile::tempdir().map_err(|_| StreetFault::Unexpected("no temporary folder"))?;
    let light = dir.path().join("light.sock");
    let glow = match sensor {
        Some((_, bus)) => Glow::Chip(Chip::plug(bus)?),
        None => Glow::Samples(light.clone()),
    };
    let wiring = Wiring {
        air: format!("bluez:{}", adapters[0]),
        light: match sensor {
            Some((name, _)) => format!("iio:{name}"),
            None => format!("socket:{}", light.display()),
        },
        resume_s: 20,
        codes: None,
    };
    transcript.scene("a machine, a reader, a server");
    let server = open_shop(dir.path(), &transcript)?;
    let machine = Machine::start(dir.path(), Pace::Real, &transcript)?;
    let board = Board::start_wired(
        dir.path(),
        MACHINE,
        machine.link(),
        &server,
        &wiring,
        &transcript,
    )?;
    machine.wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
    // Phones of this street find their reader by radio alone.
    let places = Places {
        air: dir.path().join("nowhere"),
        light,
    };
    let token = |wallet| server.customer(wallet, "5.00");
    let ann = Phone::new("ann", token(1)?, &server, &places, &transcript);
    let bob = Phone::new("bob", token(2)?, &server, &places, &transcript);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| StreetFault::Unexpected("no runtime for the phones"))?;
    let emoney = runtime.block_on(async {
        let street = Street {
            machine: &machine,
            transcript: &transcript,
            glow,
            radio: central(adapters[1]).await?,
            other_radio: central(adapters[2]).await?,
        };
        street.vend(&ann, "a vend").await?;
        if sensor.is_some() {
            return Ok("3.80");
        }
        street.wrong_secret(&ann, &bob).await?;
        street.second_phone(&ann, &bob).await?;
        street.phone_comes_back(&ann).await?;
        street.vend(&ann, "another vend").await?;
        Ok::<_, StreetFault>("0.20")
    })?;
    transcript.scene("what is left");
    let wallet = ann.ask("/v1/app/wallet")?;
    let found = wallet["emoney"].as_str().unwrap_or("nothing").to_owned();
    transcript.say(
        "ann",
        format_args!("has {found} EUR left; {emoney} expected"),
    );
    board.stop()?;
    machine.stop()?;
    let config = server.stop()?;
    transcript.scene("the audit");
    let (said, balanced) = run(
        "gateway",
        &["audit".as_ref(), "--config".as_ref(), config.as_os_str()],
    )?;
    transcript.plain(said.trim_end());
    Ok(balanced && found == emoney)
}

/// Everything that stands on the street.
struct Street<'a> {
    machine: &'a Machine,
    transcript: &'a Transcript,
    glow: Glow,
    radio: Central,
    other_radio: Central,
}

/// A code that a phone shows.
struct Code {
    bytes: [u8; 10],
    secret: Secret,
}

impl Code {
    fn fresh() -> Result<Self, StreetFault> {
        let mut bytes = [0; 10];
        getrandom::fill(&mut bytes).map_err(|_| StreetFault::Unexpected("no randomness"))?;
        Ok(Self {
            bytes,
            secret: Secret::light(bytes),
        })
    }

    fn service(&self) -> ServiceUuid {
        ServiceUuid::for_eid(self.secret.eid().as_bytes())
    }
}

impl Street<'_> {
    async fn vend(&self, ann: &Phone<'_>, title: &str) -> Result<(), StreetFault> {
        self.transcript.scene(title);
        let mut visit = self.tap(ann).await?;
        self.grant(&mut visit).await?;
        self.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        visit
            .until("the product", |status| status.last == LastResult::Vended)
            .await?;
        self.close(visit).await
    }

    /// Who sees the code's name on the air and does not know its secret gets nothing, and keeps
    /// nobody out.
    async fn wrong_secret(&self, ann: &Phone<'_>, bob: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript.scene("a wrong secret");
        let code = Code::fresh()?;
        let mut look = heard(self.radio.look(code.service()).await)?;
        let mut spy = heard(self.other_radio.look(code.service()).await)?;
        let both = async { tokio::join!(look.found(), spy.found()) };
        let (found, seen) = ann.flash(&self.glow, code.bytes, 7, both).await?;
        drop((look, spy));
        let wrong = Secret::light([0x55; 10]);
        let pipe = self.connect(&self.other_radio, heard(seen)?).await?;
        match bob.link(pipe, wrong).await {
            Ok(_) => return Err(StreetFault::Unexpected("a link without the secret")),
            Err(fault) => self
                .transcript
                .say("bob", format_args!("is refused: {fault}")),
        }
        let pipe = self.connect(&self.radio, heard(found)?).await?;
        let mut visit = ann.link(pipe, Secret::light(code.bytes)).await?;
        self.grant(&mut visit).await?;
        self.close(visit).await
    }

    /// A reader that is taken looks at nobody else's light, and is not on the air.
    async fn second_phone(&self, ann: &Phone<'_>, bob: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript
            .scene("a second phone while the reader is taken");
        let mut visit = self.tap(ann).await?;
        self.grant(&mut visit).await?;
        let code = Code::fresh()?;
        let mut look = heard(self.other_radio.look(code.service()).await)?;
        let seen = timeout(LOOK_MAX, bob.flash(&self.glow, code.bytes, 8, look.found()));
        if let Ok(Ok(_)) = seen.await {
            return Err(StreetFault::Unexpected("a reader for two"));
        }
        self.transcript.say("bob", "finds no reader");
        self.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        visit
            .until("the product", |status| status.last == LastResult::Vended)
            .await?;
        self.close(visit).await
    }

    /// A phone is lost while the machine vends, and comes back with the secret it was given.
    async fn phone_comes_back(&self, ann: &Phone<'_>) -> Result<(), StreetFault> {
        self.transcript
            .scene("a phone is lost in a vend, and comes back");
        let mut visit = self.tap(ann).await?;
        self.grant(&mut visit).await?;
        self.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        visit
            .until("the choice", |status| status.state == BoardState::Vending)
            .await?;
        let service = visit.lose().await?;
        let mut look = heard(self.radio.look(service).await)?;
        let found = timeout(PATIENCE, look.found())
            .await
            .map_err(|_| StreetFault::Unexpected("a reader that does not wait"))?;
        drop(look);
        let pipe = self.connect(&self.radio, heard(found)?).await?;
        visit.connect(pipe).await?;
        self.transcript.say("ann", "is back");
        visit
            .until("the product", |status| status.last == LastResult::Vended)
            .await?;
        self.close(visit).await
    }

    /// Shows a code and links to the reader that saw it.
    async fn tap<'a>(&self, phone: &'a Phone<'a>) -> Result<Visit<'a>, StreetFault> {
        let code = Code::fresh()?;
        let mut look = heard(self.radio.look(code.service()).await)?;
        let found = phone.flash(&self.glow, code.bytes, 1, look.found()).await?;
        drop(look);
        let pipe = self.connect(&self.radio, heard(found)?).await?;
        phone.link(pipe, Secret::light(code.bytes)).await
    }

    async fn connect(&self, radio: &Central, found: Found) -> Result<Handset, StreetFault> {
        let phone = heard(radio.connect(found, Hearing::Notified).await)?;
        self.transcript.say(
            "radio",
            format_args!("connected, MTU {}", phone.mtu().bytes()),
        );
        Ok(Handset::Bluez(phone))
    }

    async fn grant(&self, visit: &mut Visit<'_>) -> Result<Status, StreetFault> {
        self.machine.until_idle()?;
        let status = visit
            .until("the grant", |status| status.state == BoardState::Granted)
            .await?;
        self.machine.wait("the credit", Seen::is_credit)?;
        Ok(status)
    }

    async fn close(&self, mut visit: Visit<'_>) -> Result<(), StreetFault> {
        let relay = visit.relay();
        self.transcript.say(
            "figures",
            format_args!(
                "connection to grant: {} round trips, {} bytes",
                relay.round_trips, relay.value_bytes
            ),
        );
        visit.leave().await?;
        visit
            .until("the end", |status| {
                matches!(status.state, BoardState::Linked | BoardState::Idle)
            })
            .await?;
        Ok(())
    }
}

fn heard<T>(answer: std::io::Result<T>) -> Result<T, StreetFault> {
    answer.map_err(|fault| StreetFault::Link(fault.to_string()))
}

/// A phone's adapter; BlueZ may have been started a moment ago.
async fn central(adapter: &str) -> Result<Central, StreetFault> {
    let adapter = Adapter::Named(adapter.to_owned());
    let open = async {
        loop {
            match Central::open(&adapter).await {
                Ok(central) => return central,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(ADAPTERS_MAX, open)
        .await
        .map_err(|_| StreetFault::Link(format!("{adapter:?} does not come up")))
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
    server.post(
        Key::Operator,
        &format!("/v1/machines/{MACHINE}/products"),
        &json!({"item": ESPRESSO, "name": "espresso", "price": "1.20"}),
    )?;
    Ok(server)
}
