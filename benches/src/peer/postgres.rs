//! A double-entry ledger in a PostgreSQL server of our own on the same disk, driven by pgbench over a
//! Unix socket: one vend at a time, or a thousand in a set. Both are two commits, each flushed.

use super::server::{Absent, SETTINGS, Server};
use super::turns::Turns;
use super::{FUNDS_MINOR, HELD_MINOR, PRICE_MINOR};
use crate::Conditions;
use crate::demand::{Demand, OPERATORS};
use crate::fault::Fault;
use crate::figures::Figures;
use crate::rounds::Contender;
use crate::settle::WARM_UP;
use core::time::Duration;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Vends of one set.
pub const SET_VENDS: usize = 1_000;
/// Connections that ask for one vend at a time.
pub const PER_VEND_CLIENTS: usize = 8;
/// Connections that ask for sets: one for each of two cores was fastest.
pub const SET_CLIENTS: usize = 2;

/// Each client's names of vends; a client makes fewer in a run.
const NAMES_PER_CLIENT: u64 = 100_000_000;
/// Each run's names of vends: of every client that can be.
const NAMES_PER_RUN: u64 = 64 * NAMES_PER_CLIENT;

/// How vends are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asking {
    /// A call for the hold and one for the capture, each its own transaction.
    PerVend,
    /// A call for a thousand holds and one for their captures, each its own transaction.
    Set,
}

/// The ledger, as several contenders use it in turn.
#[derive(Debug)]
pub struct Ledger {
    server: Server,
    demand: Demand,
    version: String,
}

impl Ledger {
    /// Starts a server on the disk of `dir` and puts money into every wallet. The outer fault ends
    /// the measurement, the inner one only says that there is no server here.
    ///
    /// # Errors
    /// `Fault` when the server is there and does not do what it is told.
    pub fn open(dir: &Path, demand: Demand) -> Result<Result<Arc<Self>, Absent>, Fault> {
        let server = match Server::start(dir) {
            Ok(server) => server,
            Err(absent) => return Ok(Err(absent)),
        };
        server.ask(include_str!("postgres/ledger.sql"), &[])?;
        let variables = [
            ("wallets", demand.wallets().to_string()),
            ("operators", OPERATORS.to_string()),
            ("hot", demand.hot_percent().to_string()),
            ("batch", SET_VENDS.to_string()),
            ("funds", FUNDS_MINOR.to_string()),
            ("held", HELD_MINOR.to_string()),
            ("price", PRICE_MINOR.to_string()),
        ];
        server.ask(include_str!("postgres/fund.sql"), &variables)?;
        let version = server.version()?;
        Ok(Ok(Arc::new(Self {
            server,
            demand,
            version,
        })))
    }

    /// Fails when the books do not balance.
    fn check(&self) -> Result<(), Fault> {
        let broken = self
            .server
            .ask(include_str!("postgres/invariants.sql"), &[])?;
        if broken == "0|0|0" {
            return Ok(());
        }
        Err(Fault::call("looking at PostgreSQL's books")(format!(
            "transactions, balances and holds that are wrong: {broken}"
        )))
    }
}

/// One way to use the ledger.
#[derive(Debug)]
pub struct Postgres {
    /// What is asked.
    pub ledger: Arc<Ledger>,
    /// How.
    pub asking: Asking,
    /// Vends in flight, in all.
    pub in_flight: usize,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// Runs so far, of all who use the ledger: so that no vend's name is used twice.
    pub runs: u64,
}

impl Postgres {
    fn clients(&self) -> usize {
        match self.asking {
            Asking::PerVend => PER_VEND_CLIENTS,
            Asking::Set => SET_CLIENTS,
        }
    }

    /// Vends of one piece of work.
    fn piece(&self) -> usize {
        match self.asking {
            Asking::PerVend => 1,
            Asking::Set => SET_VENDS,
        }
    }

    fn first_name(&self) -> u64 {
        let kinds = 2 * self.runs
            + match self.asking {
                Asking::PerVend => 0,
                Asking::Set => 1,
            };
        (1 + kinds) * NAMES_PER_RUN
    }

    /// Lets pgbench ask; it logs when each piece was done.
    fn ask(&self) -> Result<Turns, Fault> {
        let server = &self.ledger.server;
        let papers = server.papers.path();
        let script = match self.asking {
            Asking::PerVend => include_str!("postgres/per_vend.pgbench"),
            Asking::Set => include_str!("postgres/set.pgbench"),
        };
        fs::write(papers.join("script"), script).map_err(Fault::io("writing a script"))?;
        let seconds = (self.span + WARM_UP).as_secs_f64().ceil();
        let mut command = server.client("pgbench");
        command
            .args([
                "--no-vacuum",
                "--protocol=prepared",
                "--jobs=1",
                "--file=script",
            ])
            .args(["--log", "--log-prefix=turns", "--random-seed=1"])
            .arg(format!("--client={}", self.clients()))
            .arg(format!("--time={seconds:.0}"));
        for (name, value) in [
            ("n", 0),
            ("first", self.first_name()),
            ("names", NAMES_PER_CLIENT),
            ("wallets", self.ledger.demand.wallets()),
            ("operators", OPERATORS.into()),
            ("hot", self.ledger.demand.hot_percent().into()),
            ("batch", SET_VENDS as u64),
            ("held", HELD_MINOR.unsigned_abs()),
            ("price", PRICE_MINOR.unsigned_abs()),
        ] {
            command.arg(format!("--define={name}={value}"));
        }
        let ran = command.output().map_err(Fault::io("running pgbench"))?;
        let told = String::from_utf8_lossy(&ran.stderr);
        let refused = told.lines().find(|line| line.contains("error"));
        if !ran.status.success() || refused.is_some() {
            let why = refused.or_else(|| told.lines().last()).unwrap_or_default();
            return Err(Fault::call("running pgbench")(why));
        }
        take_logs(papers)
    }
}

impl Contender for Postgres {
    fn name(&self) -> &'static str {
        match self.asking {
            Asking::PerVend => "postgres-per-vend",
            Asking::Set => "postgres-set",
        }
    }

    fn run(&mut self) -> Result<Figures, Fault> {
        let conditions = Conditions::of_this_machine();
        let turns = self.ask()?;
        self.runs += 1;
        self.ledger.check()?;
        // What it would do on its own time, it does now: while others run it rests.
        self.ledger
            .server
            .ask("VACUUM ANALYZE account, vend, entry; CHECKPOINT;", &[])?;
        let waiting = (self.in_flight / self.piece()).max(self.clients());
        let counted = turns.counted(waiting, WARM_UP);
        Ok(Figures {
            name: self.name(),
            conditions,
            vends: Some((counted.times.len() * self.piece()) as f64),
            latencies: counted.times.into_iter().collect(),
            replies: crate::Latencies::default(),
            flushes: None,
            bytes_per_vend: None,
            span: counted.span,
            compare: Vec::new(),
        })
    }

    fn notes(&self) -> Vec<(&'static str, Value)> {
        let settings: Vec<String> = SETTINGS
            .iter()
            .map(|(setting, value)| format!("{setting}={value}"))
            .collect();
        vec![
            (
                "server",
                format!("PostgreSQL {}", self.ledger.version).into(),
            ),
            ("server_settings", settings.join(" ").into()),
            ("clients", self.clients().into()),
            ("in_flight", self.in_flight.into()),
            ("commits", "two for each piece of work".into()),
            ("vends_of_a_piece", self.piece().into()),
            ("invariants", "hold".into()),
        ]
    }
}

/// Reads pgbench's logs, one for each of its threads, and removes them.
fn take_logs(papers: &Path) -> Result<Turns, Fault> {
    let mut turns = Turns::default();
    let entries = fs::read_dir(papers).map_err(Fault::io("looking for pgbench's logs"))?;
    for entry in entries {
        let path = entry
            .map_err(Fault::io("looking for pgbench's logs"))?
            .path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("turns.") {
            continue;
        }
        let log = fs::read_to_string(&path).map_err(Fault::io("reading pgbench's log"))?;
        for line in log.lines() {
            turns
                .take(line)
                .ok_or_else(|| Fault::call("reading pgbench's log")(line))?;
        }
        fs::remove_file(&path).map_err(Fault::io("removing pgbench's log"))?;
    }
    Ok(turns)
}
