//! What the engine keeps in memory: with nothing in it, for each wallet that rests, for each session
//! that is open. The journal goes to a disk, so that nothing of it is counted.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::round;
use crate::medium::Medium;
use crate::report::Report;
use crate::vends::{self, Half};
use gettone::{Engine, Settings};
use std::fs;
use std::path::PathBuf;

/// Vends in flight while wallets buy.
const IN_FLIGHT: usize = 4_096;
/// Wallets before anything is counted: buffers have grown then.
const WARM_UP: u64 = 20_000;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Wallets that rest.
    pub wallets: u64,
    /// Sessions that are open.
    pub sessions: u64,
    /// On which disk the journal goes.
    pub dir: PathBuf,
}

/// Resident memory of this process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resident {
    /// All of it, the program's own pages included.
    pub(crate) all: u64,
    /// What no file backs: heap and stacks.
    pub(crate) anonymous: u64,
}

/// Fills an engine step by step and looks at this process after each.
///
/// # Errors
/// `Fault` when the store, the engine or a command fails, or the system does not tell.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("wallets", plan.wallets);
    conditions.note("sessions", plan.sessions);
    conditions.note("told_by", "smaps_rollup of this process, anonymous pages");
    let program = Resident::now()?;
    let (store, place, _) = Medium::File(plan.dir.clone()).open(&mut conditions)?;
    let settings = Settings {
        // All of them stay: what one of them takes is the question.
        residents_max: usize::MAX,
        snapshot_every: None,
        ..Settings::default()
    };
    let engine = Engine::start(store, settings, &mut |_, _| {})?;
    let runtime = vends::runtime()?;
    let base = Resident::now()?;
    let demand = Demand::new(plan.wallets, 0);
    let [empty, opened, funded, held, spent] = runtime.block_on(async {
        // Whoever warms up comes after those who are counted.
        let others = demand.wallets()..demand.wallets() + WARM_UP;
        vends::open(&engine, others.clone()).await?;
        vends::fund(&engine, others).await?;
        let empty = Resident::now()?;
        vends::open(&engine, 0..demand.wallets()).await?;
        let opened = Resident::now()?;
        vends::fund(&engine, 0..demand.wallets()).await?;
        let funded = Resident::now()?;
        // Before anybody has bought: what a wallet keeps of the past would hide what a session takes.
        let sessions = 0..plan.sessions;
        let both = sessions.end..sessions.end + demand.wallets();
        vends::play(&engine, demand, sessions, (Half::First, IN_FLIGHT)).await?;
        let held = Resident::now()?;
        vends::play(&engine, demand, both, (Half::Both, IN_FLIGHT)).await?;
        let spent = Resident::now()?;
        Ok::<_, Fault>([empty, opened, funded, held, spent])
    })?;
    runtime.block_on(engine.shutdown())?;
    drop(place);
    conditions.note_load_after();

    let mut report = Report::new("memory", conditions);
    report.add("program_bytes", program.all);
    report.add("base_bytes", base.all);
    report.add("base_anonymous_bytes", base.anonymous);
    report.add("filled_bytes", spent.all);
    for (figure, before, after, count) in [
        ("bytes_per_wallet_opened", empty, opened, demand.wallets()),
        ("bytes_per_wallet_funded", empty, funded, demand.wallets()),
        ("bytes_more_per_vend", held, spent, demand.wallets()),
        ("bytes_per_session", funded, held, plan.sessions),
    ] {
        if count > 0 {
            let more = after.anonymous as f64 - before.anonymous as f64;
            report.add(figure, round(more / count as f64, 1));
        }
    }
    Ok(report)
}

impl Resident {
    pub(crate) fn now() -> Result<Self, Fault> {
        let told = fs::read_to_string("/proc/self/smaps_rollup")
            .map_err(Fault::io("reading what this process uses"))?;
        let figure = |name: &str| {
            let line = told.lines().find(|line| line.starts_with(name))?;
            let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
            kibibytes.checked_mul(1024)
        };
        let resident = figure("Rss:").zip(figure("Anonymous:"));
        let (all, anonymous) = resident.ok_or_else(|| {
            Fault::call("reading what this process uses")("the system does not tell")
        })?;
        Ok(Self { all, anonymous })
    }
}
