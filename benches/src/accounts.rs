//! Many accounts on a disk, few of them in memory: what a process keeps that serves them, when they
//! were looked at, when they have bought, and when as many others have.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::round;
use crate::memory::Resident;
use crate::report::Report;
use crate::vends::{self, Half};
use core::num::NonZeroU64;
use gettone::core::port::Seq;
use gettone::{Engine, Settings};
use gettone_store::{File, FileSettings};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The first argument of the process that fills the store, so that nothing of it is counted.
pub const PART: &str = "fill-accounts";
/// Vends in flight while accounts are fetched.
const IN_FLIGHT: usize = 4_096;
/// Records between two snapshots while the store is filled: little of it is in memory at a time.
const SNAPSHOT_EVERY: NonZeroU64 = NonZeroU64::new(500_000).expect("not zero");
/// Accounts that are opened and paid into at a time.
const PORTION: u64 = 250_000;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Accounts, each with money in it.
    pub accounts: u64,
    /// How many of them stay in memory.
    pub residents: u64,
    /// On which disk.
    pub dir: PathBuf,
}

/// Fills a store in a process of its own, opens it, and lets some of the accounts buy.
///
/// # Errors
/// `Fault` when a store, the engine, a vend or the other process fails.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("accounts", plan.accounts);
    conditions.note("residents_max", plan.residents);
    let place = tempfile::tempdir_in(&plan.dir).map_err(Fault::io("making a directory"))?;
    let filled = Instant::now();
    let own = std::env::current_exe().map_err(Fault::io("finding this program"))?;
    let status = Command::new(own)
        .args([OsStr::new(PART), OsStr::new(&plan.accounts.to_string())])
        .arg(place.path())
        .status()
        .map_err(Fault::io("starting the process that fills the store"))?;
    if !status.success() {
        return Err(Fault::call("filling the store")(status));
    }
    conditions.note("filled_in_s", round(filled.elapsed().as_secs_f64(), 1));

    let began = Instant::now();
    let engine = open(place.path(), plan.residents, None)?;
    let opened = began.elapsed();
    let runtime = vends::runtime()?;
    let stride = (plan.accounts / plan.residents.max(1)).max(1);
    let [fetched, bought, gone] = runtime.block_on(async {
        vends::look(&engine, plan.residents, stride).await?;
        let fetched = Resident::now()?;
        let demand = |first| Demand::new(plan.accounts, 0).spread(first, stride);
        let both = (Half::Both, IN_FLIGHT);
        vends::play(&engine, demand(0), 0..plan.residents, both).await?;
        let bought = Resident::now()?;
        engine
            .snapshot()
            .await
            .map_err(Fault::call("taking a snapshot"))?;
        // Others come, and those who rest have to leave.
        let others = plan.residents..2 * plan.residents;
        vends::play(&engine, demand(1), others, both).await?;
        Ok::<_, Fault>([fetched, bought, Resident::now()?])
    })?;
    let loads = engine.metrics().loads;
    runtime.block_on(engine.shutdown())?;
    conditions.note_load_after();

    let mut report = Report::new("accounts", conditions);
    report.add("fetched_bytes", fetched.all);
    report.add("fetched_anonymous_bytes", fetched.anonymous);
    report.add("bought_bytes", bought.all);
    report.add("others_bought_bytes", gone.all);
    report.add("loads", loads);
    report.add("start_s", round(opened.as_secs_f64(), 3));
    report.add("disk_bytes", crate::recover::disk_bytes(place.path())?);
    Ok(report)
}

/// Fills a store: the part of the other process.
///
/// # Errors
/// `Fault` when the arguments are none, or the store or the engine fails.
pub fn fill(accounts: Option<&str>, place: Option<&str>) -> Result<(), Fault> {
    let told = accounts
        .and_then(|accounts| accounts.parse().ok())
        .zip(place);
    let (accounts, place): (u64, _) =
        told.ok_or_else(|| Fault::call("filling a store")("it takes a number and a directory"))?;
    let engine = open(Path::new(place), 0, Some(SNAPSHOT_EVERY))?;
    vends::runtime()?.block_on(async {
        let mut begin = 0;
        while begin < accounts {
            let portion = begin..accounts.min(begin + PORTION);
            vends::open(&engine, portion.clone()).await?;
            vends::fund(&engine, portion.clone()).await?;
            begin = portion.end;
            eprintln!("{begin} accounts");
        }
        engine
            .snapshot()
            .await
            .map_err(Fault::call("taking a snapshot"))?;
        engine.shutdown().await?;
        Ok(())
    })
}

fn open(place: &Path, residents: u64, snapshot_every: Option<NonZeroU64>) -> Result<Engine, Fault> {
    let store = File::open(place, FileSettings::default())?;
    let settings = Settings {
        residents_max: usize::try_from(residents).unwrap_or(usize::MAX),
        snapshot_every,
        history_from: Seq::new(u64::MAX),
        ..Settings::default()
    };
    Ok(Engine::start(Box::new(store), settings, &mut |_, _| {})?)
}
