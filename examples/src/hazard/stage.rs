//! A street of its own for one hazard: server, machine, reader, and who passes by.

use crate::board::Board;
use crate::chance;
use crate::errand::{Done, Errand};
use crate::fault::StreetFault;
use crate::machine::{Ending, Machine, Pace, Seen};
use crate::phone::{Phone, Places};
use crate::process::run;
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use crate::visit::{Heard, Visit};
use gettone_channel::{BoardState, LastResult, Status};
use gettone_mdb::vmc::{self, Operator};
use serde_json::{Value, json};
use std::cell::{Cell, Ref, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const MACHINE: u32 = 1;
pub(super) const ESPRESSO: u16 = 2;
pub(super) const PRICE: u32 = 120;
/// What everybody has to begin with.
pub(super) const PURSE: &str = "5.00";
/// What they have after one espresso.
pub(super) const AFTER_ONE: &str = "3.80";
/// The longest that anybody waits for the books to say something.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Who has left, and hears nothing for so long, has everything.
const QUIET: Duration = Duration::from_millis(300);
/// Between two tries at a reader that has just started.
const STARTING: Duration = Duration::from_millis(100);
/// How often a phone in a hurry shows its code before it gives up.
const FLASHES_MAX: u32 = 60;
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A street.
pub(super) struct Stage {
    transcript: Transcript,
    pub(super) server: Server,
    machine: RefCell<Option<Machine>>,
    board: RefCell<Option<Board>>,
    places: Places,
    runtime: Runtime,
    seeds: Cell<u64>,
    dir: TempDir,
}

impl Stage {
    /// A street where nothing has gone wrong yet.
    pub(super) fn open(transcript: &Transcript) -> Result<Self, StreetFault> {
        let dir =
            tempfile::tempdir().map_err(|_| StreetFault::Unexpected("no temporary folder"))?;
        let server = Server::start(dir.path(), transcript)?;
        server.post(
            Key::Operator,
            "/v1/machines",
            &json!({
                "machine": MACHINE, "currency": "EUR", "cap": "4.00", "vends_max": 2,
                "fee_basis_points": 150, "revalue_max": "10.00", "name": "Hall B",
            }),
        )?;
        server.post(
            Key::Operator,
            &format!("/v1/machines/{MACHINE}/products"),
            &json!({"item": ESPRESSO, "name": "espresso", "price": "1.20"}),
        )?;
        let more = dir.path().join("reader.d");
        fs::create_dir_all(&more).map_err(|fault| StreetFault::file(&more, fault))?;
        let sign = dir.path().join("sign");
        // Nobody wants to wait for a silent machine as long as real customers do.
        let settings = format!(
            "[token]\nurl = \"{}\"\nshow = [\"text:{}\"]\n\n[limits]\nvend_s = 2\n",
            server.url(),
            sign.display()
        );
        let file = more.join("50-hazard.toml");
        fs::write(&file, settings).map_err(|fault| StreetFault::file(&file, fault))?;
        let machine = Machine::start(dir.path(), Pace::Hurried, transcript)?;
        let (board, places) =
            Board::start(dir.path(), MACHINE, machine.link(), &server, transcript)?;
        machine.wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| StreetFault::Unexpected("no runtime for the phones"))?;
        Ok(Self {
            transcript: transcript.clone(),
            server,
            machine: RefCell::new(Some(machine)),
            board: RefCell::new(Some(board)),
            places,
            runtime,
            seeds: Cell::new(0),
            dir,
        })
    }

    /// Everything ends; whether the books are balanced.
    pub(super) fn close(self) -> Result<bool, StreetFault> {
        if let Some(board) = self.board.take() {
            board.stop()?;
        }
        if let Some(machine) = self.machine.take() {
            machine.stop()?;
        }
        let config = self.server.stop()?;
        let (said, balanced) = run(
            "gateway",
            &["audit".as_ref(), "--config".as_ref(), config.as_os_str()],
        )?;
        self.transcript.plain(said.trim_end());
        Ok(balanced)
    }

    pub(super) fn say(&self, who: &str, what: impl std::fmt::Display) {
        self.transcript.say(who, what);
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The code on the sign beside the reader, once there is one.
    pub(super) fn code(&self) -> Result<String, StreetFault> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let said = fs::read_to_string(self.dir().join("sign")).unwrap_or_default();
            if let Some((_, code)) = said.split_once("/t/") {
                return Ok(code.trim().to_owned());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(StreetFault::Silence {
            what: "a code on show".to_owned(),
            seconds: PATIENCE.as_secs(),
        })
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

/// Who passes by.
impl Stage {
    /// Somebody with a purse and a phone.
    pub(super) fn person(&self, name: &'static str, wallet: u64) -> Result<Phone<'_>, StreetFault> {
        self.person_with(name, wallet, PURSE)
    }

    pub(super) fn person_with(
        &self,
        name: &'static str,
        wallet: u64,
        amount: &str,
    ) -> Result<Phone<'_>, StreetFault> {
        let token = self.server.customer(wallet, amount)?;
        self.say(name, format_args!("has {amount} EUR of e-money"));
        let phone = Phone::new(name, token, &self.server, &self.places, &self.transcript);
        Ok(phone.hurried())
    }

    /// A technician who changes what is in the packages for the reader.
    pub(super) fn technician(
        &self,
        name: &'static str,
        change: impl Fn(&mut Vec<u8>),
    ) -> Result<Phone<'_>, StreetFault> {
        let errand = Errand::to(&self.server, self.server.operator_key(), MACHINE)?;
        let (packages, _) = errand.packages(&self.transcript, change)?;
        let (server, places) = (&self.server, &self.places);
        let phone = Phone::technicians(name, packages, server, places, &self.transcript);
        Ok(phone.hurried())
    }

    /// An honest technician passes by.
    pub(super) fn errand(&self) -> Result<Done, StreetFault> {
        let errand = Errand::to(&self.server, self.server.operator_key(), MACHINE)?;
        let mut tries = 1..FLASHES_MAX;
        loop {
            let how = (&self.places, Pace::Hurried);
            match self.wait_for(errand.run(how, &self.transcript, self.seed())) {
                // The reader still waits for somebody else.
                Err(StreetFault::Silence { .. }) if tries.next().is_some() => {}
                done => return done,
            }
        }
    }

    /// Shows a code to the reader and links.
    pub(super) fn meet<'a>(&self, phone: &'a Phone<'a>) -> Result<Visit<'a>, StreetFault> {
        self.meet_with(phone, chance::bytes()?)
    }

    /// The same with a code that somebody else may know too.
    pub(super) fn meet_with<'a>(
        &self,
        phone: &'a Phone<'a>,
        code: [u8; 10],
    ) -> Result<Visit<'a>, StreetFault> {
        let mut tries = 1..FLASHES_MAX;
        loop {
            match self.wait_for(phone.tap_with(code, self.seed())) {
                // The reader still waits for somebody else.
                Err(StreetFault::Silence { .. }) if tries.next().is_some() => {}
                // It has just started, and answers its machine before it sees any light.
                Err(StreetFault::File { .. }) if tries.next().is_some() => {
                    std::thread::sleep(STARTING);
                }
                met => return met,
            }
        }
    }

    /// Links, carries, and has a credit on the machine's display.
    pub(super) fn arrive<'a>(&self, phone: &'a Phone<'a>) -> Result<Visit<'a>, StreetFault> {
        let mut visit = self.meet(phone)?;
        self.granted(&mut visit)?;
        Ok(visit)
    }

    /// Carries until there is a credit on the machine's display.
    pub(super) fn granted(&self, visit: &mut Visit<'_>) -> Result<(), StreetFault> {
        self.machine()?.until_idle()?;
        self.until(visit, "the grant", |status| {
            status.state == BoardState::Granted
        })?;
        self.see("the credit", Seen::is_credit)
    }

    /// Carries until the reader says what is waited for.
    pub(super) fn until(
        &self,
        visit: &mut Visit<'_>,
        what: &str,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, StreetFault> {
        self.wait_for(visit.until(what, wanted))
    }

    /// The next envelope that the reader has for the server.
    pub(super) fn letter(&self, visit: &mut Visit<'_>) -> Result<Vec<u8>, StreetFault> {
        loop {
            if let Heard::Envelope(envelope) = self.wait_for(visit.hear("an envelope"))? {
                return Ok(envelope);
            }
        }
    }

    pub(super) fn bring(
        &self,
        visit: &mut Visit<'_>,
        envelopes: &[Vec<u8>],
    ) -> Result<(), StreetFault> {
        for envelope in envelopes {
            self.wait_for(visit.bring(envelope.clone()))?;
        }
        Ok(())
    }

    /// Buys an espresso.
    pub(super) fn buy(&self, visit: &mut Visit<'_>) -> Result<(), StreetFault> {
        self.select(Ending::Dispensed)?;
        self.until(visit, "the product", |status| {
            status.last == LastResult::Vended
        })?;
        Ok(())
    }

    /// Buys an espresso, and carries nothing of what the reader says about it.
    pub(super) fn buy_unheard(&self, visit: &mut Visit<'_>) -> Result<(), StreetFault> {
        self.select(Ending::Dispensed)?;
        loop {
            let heard = self.wait_for(visit.hear("the product"))?;
            if let Heard::Status(status) = heard
                && status.last == LastResult::Vended
            {
                return Ok(());
            }
        }
    }

    /// Leaves once everything is with the server, the session's CLOSE too.
    pub(super) fn leave(&self, mut visit: Visit<'_>) -> Result<(), StreetFault> {
        self.wait_for(async {
            visit.leave().await?;
            visit.until_quiet("the end", QUIET).await
        })
    }

    /// Passes by, buys nothing, and brings along what the reader has for the server.
    pub(super) fn pass_by(&self, phone: &Phone<'_>) -> Result<(), StreetFault> {
        let mut visit = self.meet(phone)?;
        self.until(&mut visit, "the grant", |status| {
            status.state == BoardState::Granted
        })?;
        self.leave(visit)
    }

    pub(super) fn wait_for<T>(
        &self,
        future: impl Future<Output = Result<T, StreetFault>>,
    ) -> Result<T, StreetFault> {
        self.runtime.block_on(future)
    }

    fn seed(&self) -> u64 {
        self.seeds.set(self.seeds.get() + 1);
        self.seeds.get()
    }
}

/// Machine and reader.
impl Stage {
    pub(super) fn machine(&self) -> Result<Ref<'_, Machine>, StreetFault> {
        Ref::filter_map(self.machine.borrow(), Option::as_ref)
            .map_err(|_| StreetFault::Unexpected("a machine that is gone"))
    }

    /// Presses the espresso.
    pub(super) fn select(&self, ending: Ending) -> Result<(), StreetFault> {
        self.machine()?.select(ESPRESSO, PRICE, ending)
    }

    /// Presses it, and waits until the phone is told; the motors are for whoever calls.
    pub(super) fn choose(&self, visit: &mut Visit<'_>) -> Result<(), StreetFault> {
        self.select(Ending::Awaited)?;
        self.until(visit, "the choice", |status| {
            status.state == BoardState::Vending
        })
        .map(drop)
    }

    pub(super) fn operate(&self, operator: Operator) -> Result<(), StreetFault> {
        self.machine()?.operate(operator)
    }

    pub(super) fn see(&self, what: &str, wanted: impl Fn(Seen) -> bool) -> Result<(), StreetFault> {
        self.machine()?.wait(what, wanted).map(drop)
    }

    /// The reader's process is killed.
    pub(super) fn crash_reader(&self) {
        self.say("reader", "is killed");
        if let Some(board) = self.board.take() {
            board.crash();
        }
    }

    /// The reader's process starts again.
    pub(super) fn start_reader(&self) -> Result<(), StreetFault> {
        let board = Board::start_again(self.dir(), &self.transcript)?;
        self.board.replace(Some(board));
        self.see("the reader to be enabled", |seen| seen == Seen::Ready)
    }

    /// Power is cut for reader and machine, and comes back. What the reader's process had written
    /// is on its flash, for the system goes on: the disks of `linux-reader/tests/power` lose more.
    pub(super) fn cut_power(&self) -> Result<(), StreetFault> {
        self.operate(Operator::PowerDown)?;
        self.crash_reader();
        self.say("air", "power is cut, and comes back");
        self.operate(Operator::PowerUp)?;
        self.start_reader()
    }

    /// Another machine takes the place of this one.
    pub(super) fn replace_machine(&self, config: vmc::Config) -> Result<(), StreetFault> {
        if let Some(machine) = self.machine.take() {
            machine.stop()?;
        }
        let machine = Machine::start_as(self.dir(), config, Pace::Hurried, &self.transcript)?;
        self.machine.replace(Some(machine));
        Ok(())
    }

    /// The reader's process ends as a service manager would end it.
    pub(super) fn stop_reader(&self) -> Result<(), StreetFault> {
        self.board.take().map_or(Ok(()), Board::stop)
    }

    /// What of the reader outlives its process.
    pub(super) fn reader_state(&self) -> PathBuf {
        self.dir().join("reader")
    }

    /// The server's process is killed, and started again.
    pub(super) fn crash_server(&self) -> Result<(), StreetFault> {
        self.say("server", "is killed, and started again");
        self.server.crash();
        self.server.start_again(&self.transcript)
    }

    pub(super) fn start_server(&self) -> Result<(), StreetFault> {
        self.server.start_again(&self.transcript)
    }

    /// The operator gives the reader another configuration.
    pub(super) fn configure(&self, text: &str) -> Result<(), StreetFault> {
        let id = self.reader()?["reader_id"].as_str().map(str::to_owned);
        let path = format!("/v1/readers/{}/config", id.unwrap_or_default());
        let body = json!({"text": text});
        self.server.put(Key::Operator, &path, &body).map(drop)
    }

    /// What the operator is told about the reader.
    pub(super) fn reader(&self) -> Result<Value, StreetFault> {
        let readers = self.server.get(Key::Operator, "/v1/readers")?;
        Ok(readers["lines"][0].clone())
    }
}
