//! How many instructions one vend takes, counted by callgrind: a figure that no neighbour on the
//! machine changes, and that no change may raise unnoticed.
//!
//! The same work runs twice in two sizes, and the difference is divided by the difference: starting
//! up cancels out. `rules` is a vend through the rules alone, on one thread: decide, evolve, archive
//! the record. `engine` is a vend through the whole engine, with its pipeline, one shard, the journal
//! and a store in memory; threads wait for one another there, which makes it a little unsteady.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::round;
use crate::report::Report;
use crate::vends::{self, Half};
use clap::ValueEnum;
use core::time::Duration;
use gettone::core::entity::Entity;
use gettone::core::id::WalletId;
use gettone::core::money::Currency;
use gettone::core::port::Frames;
use gettone::core::record::{Event, Record};
use gettone::core::time::Timestamp;
use gettone::core::wallet::{Command, Reason, Wallet};
use gettone::{Engine, Settings};
use gettone_store::Memory;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;
use toml::Table;

/// The first argument that makes this executable the one whose instructions are counted.
pub const PART: &str = "counted";
/// Wallets that buy; each has bought so often before that it forgets its oldest holds.
pub const WALLETS: u64 = 64;
/// Vends of the smaller run.
pub const VENDS_FEW: u64 = 100 * WALLETS;
/// Vends of the larger run.
pub const VENDS_MANY: u64 = 200 * WALLETS;
/// Vends in flight in the engine, all answered before the next ones are asked for.
const IN_FLIGHT: u64 = 256;
/// Bytes of records before they are forgotten, as a flush would.
const FRAMES_BYTES: usize = 64 * 1024;
/// Longer than anything takes while it is counted.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What is counted.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The rules and the records, on one thread.
    Rules,
    /// The whole engine.
    Engine,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rules, Self::Engine];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Engine => "engine",
        }
    }

    fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// What is known of a way: how many instructions a vend took, and how many more it may take.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Known {
    instructions: f64,
    tolerance_percent: f64,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Counted {
    /// The figures, and what is wrong with each that took more than it may.
    Told(Report, Vec<String>),
    /// There is no callgrind here.
    NotRun(String),
}

/// Counts, and holds the counts against what `known` says.
///
/// # Errors
/// `Fault` when callgrind does not count, or the file cannot be read.
pub fn measure(known: &Path) -> Result<Counted, Fault> {
    let mut conditions = Conditions::of_this_machine();
    let Ok(version) = process::Command::new("valgrind").arg("--version").output() else {
        let why = "no valgrind is installed (Debian: apt-get install valgrind)";
        return Ok(Counted::NotRun(why.to_owned()));
    };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    conditions.note("counted_by", format!("{version}, callgrind"));
    conditions.note("vends", format!("{VENDS_FEW} and {VENDS_MANY}"));
    let text = fs::read_to_string(known).map_err(|fault| {
        let what = format!("{}: {fault}; name it with --known", known.display());
        Fault::call("reading what is known")(what)
    })?;
    let table: Table = text.parse().map_err(Fault::call("reading what is known"))?;
    let mut report = Report::new("instructions", conditions);
    let mut exceeded = Vec::new();
    for way in Way::ALL {
        let counted = per_vend(way)?;
        let Known {
            instructions,
            tolerance_percent,
        } = known_of(&table, way)?;
        let name = way.name();
        report.add(&format!("{name}_per_vend"), round(counted, 0));
        report.add(&format!("{name}_known"), round(instructions, 0));
        report.add(&format!("{name}_ratio"), round(counted / instructions, 3));
        if counted > instructions * (1.0 + tolerance_percent / 100.0) {
            exceeded.push(format!(
                "{name}: a vend takes {counted:.0} instructions; {instructions:.0} are known, and \
                 {tolerance_percent} % more are allowed. Find out why; if it is worth it, write \
                 {counted:.0} into {} and say so in that commit",
                known.display()
            ));
        }
    }
    Ok(Counted::Told(report, exceeded))
}

fn known_of(table: &Table, way: Way) -> Result<Known, Fault> {
    let number = |key: &str| {
        let value = table.get(way.name())?.get(key)?;
        // Small whole numbers: an f64 holds them exactly.
        value.as_integer().map(|number| number as f64)
    };
    let known = number("instructions_per_vend").zip(number("tolerance_percent"));
    let (instructions, tolerance_percent) = known.ok_or_else(|| {
        let what = format!("[{}] lacks a whole number", way.name());
        Fault::call("reading what is known")(what)
    })?;
    Ok(Known {
        instructions,
        tolerance_percent,
    })
}

fn per_vend(way: Way) -> Result<f64, Fault> {
    let more = count(way, VENDS_MANY)?.saturating_sub(count(way, VENDS_FEW)?);
    Ok(more as f64 / (VENDS_MANY - VENDS_FEW) as f64)
}

/// Instructions of a run, start and end included.
fn count(way: Way, vends: u64) -> Result<u64, Fault> {
    let papers = tempfile::tempdir().map_err(Fault::io("making a directory"))?;
    let out: PathBuf = papers.path().join("counts");
    let itself = env::current_exe().map_err(Fault::io("finding this executable"))?;
    let ran = process::Command::new("valgrind")
        .args(["--tool=callgrind", "--fair-sched=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(itself)
        .args([PART, way.name(), &vends.to_string()])
        .output()
        .map_err(Fault::io("starting callgrind"))?;
    if !ran.status.success() {
        let told = String::from_utf8_lossy(&ran.stderr);
        let last = told.lines().last().unwrap_or("it did not say why");
        return Err(Fault::call("running callgrind")(last));
    }
    let counts = fs::read_to_string(&out).map_err(Fault::io("reading callgrind's counts"))?;
    total(&counts).ok_or_else(|| Fault::call("reading callgrind's counts")("there is no total"))
}

/// The total of a callgrind file.
fn total(counts: &str) -> Option<u64> {
    let mut totals = counts.lines().filter_map(|line| {
        let total = line
            .strip_prefix("totals:")
            .or_else(|| line.strip_prefix("summary:"))?;
        total.trim().parse().ok()
    });
    totals.next_back()
}

/// Does the counted work: what this executable is started for under callgrind.
///
/// # Errors
/// `Fault` when the arguments are not a way and a number, or a vend fails.
pub fn run(way: Option<&str>, vends: Option<&str>) -> Result<(), Fault> {
    let way = way.and_then(Way::called);
    let vends = vends.and_then(|vends| vends.parse().ok());
    let (way, vends) = way
        .zip(vends)
        .ok_or_else(|| Fault::call("counting")("it takes a way and a number of vends"))?;
    match way {
        Way::Rules => rules(vends),
        Way::Engine => engine(vends),
    }
}

/// Vends through the rules and into records, all on this thread.
fn rules(vends: u64) -> Result<(), Fault> {
    let demand = Demand::new(WALLETS, 0);
    let mut frames = Frames::default();
    let mut wallets: Vec<Wallet> = (0..WALLETS).map(|_| Wallet::default()).collect();
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    for (number, wallet) in (0..).map(WalletId::new).zip(&mut wallets) {
        let currency = Currency::EUR;
        for command in [Command::Open { currency }, vends::top_up(number)] {
            take(&mut frames, (number, wallet), &command, now)?;
        }
    }
    for number in 0..vends {
        let id = demand.wallet(number);
        let at = usize::try_from(id.number()).unwrap_or(usize::MAX);
        let Some(wallet) = wallets.get_mut(at) else {
            continue;
        };
        now = Timestamp::from_millis(now.as_millis() + 1);
        let vend = vends::name(number);
        let terms = vends::terms(demand, number);
        let settle = Command::Settle {
            vend,
            rseq: vends::RSEQ,
            outcome: vends::ESPRESSO,
        };
        let release = Command::Release {
            vend,
            reason: Reason::Closed,
        };
        for command in [Command::Reserve { vend, terms }, settle, release] {
            take(&mut frames, (id, wallet), &command, now)?;
        }
    }
    Ok(())
}

fn take(
    frames: &mut Frames,
    (id, wallet): (WalletId, &mut Wallet),
    command: &Command,
    now: Timestamp,
) -> Result<(), Fault> {
    let event = wallet
        .decide(command, now)
        .map_err(Fault::call("deciding"))?;
    let Some(event) = event else {
        return Err(Fault::call("deciding")("a command had no effect"));
    };
    if frames.size() >= FRAMES_BYTES {
        frames.clear();
    }
    wallet.evolve(&event);
    let record = Record {
        at: now,
        event: Event::Wallet { wallet: id, event },
    };
    frames
        .push_with(|out| record.encode(out))
        .map_err(Fault::call("archiving"))
}

/// Vends through a whole engine.
fn engine(vends: u64) -> Result<(), Fault> {
    let settings = Settings {
        shards: Some(NonZeroUsize::MIN),
        deadline: PATIENCE,
        ..Settings::default()
    };
    let engine = Engine::start(Box::new(Memory::new()), settings, &mut |_, _| {})?;
    let demand = Demand::new(WALLETS, 0);
    vends::runtime()?.block_on(async {
        vends::open(&engine, 0..WALLETS).await?;
        vends::fund(&engine, 0..WALLETS).await?;
        for first in (0..vends).step_by(IN_FLIGHT as usize) {
            let some = first..vends.min(first + IN_FLIGHT);
            vends::play(&engine, demand, some, (Half::Both, IN_FLIGHT as usize)).await?;
        }
        engine.shutdown().await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_do_their_vends() {
        for way in Way::ALL {
            run(Some(way.name()), Some("300")).expect("vends");
        }
        assert!(run(Some("neither"), Some("300")).is_err());
        assert!(run(Some("rules"), None).is_err());
    }

    #[test]
    fn the_total_of_a_callgrind_file_is_its_last_one() {
        assert_eq!(
            total("events: Ir\nsummary: 7\n\ntotals: 12345\n"),
            Some(12_345)
        );
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn every_way_is_in_the_file_that_is_kept() {
        let table = include_str!("../instructions.toml").parse().expect("TOML");
        for way in Way::ALL {
            let known = known_of(&table, way).expect("both numbers");
            assert!(known.instructions > 0.0 && known.tolerance_percent < 50.0);
        }
        assert!(known_of(&Table::new(), Way::Rules).is_err());
    }
}
