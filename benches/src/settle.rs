//! The main figure: whole vends, each with two waits for the disk, by so many callers at once.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::floor;
use core::time::Duration;
use gettone::core::grant::{Purpose, Terms};
use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::port::Store;
use gettone::core::wallet::{Command, Outcome, Proof, Reason};
use gettone::{Action, Engine, Failure, Metrics, SessionCommand, Settings};
use gettone_store::{File, FileSettings, Memory};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use tokio::runtime;

/// Wallets that each caller takes turns with.
pub const WALLETS_PER_CALLER: u64 = 64;
/// Before the clock starts.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// The size of a segment of the file store.
pub const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

const OPERATOR: OperatorId = OperatorId::new(1);
const MACHINE: MachineId = MachineId::new(1);
const TERMS: Terms = Terms {
    operator: OPERATOR,
    machine: MACHINE,
    cap: Amount::from_minor(300),
    least: Amount::from_minor(50),
    vends_max: 1,
    fee_basis_points: 150,
    revalue_max: Amount::ZERO,
    purpose: Purpose::Sale,
};

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Callers at once, in all.
    pub in_flight: NonZeroUsize,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// On what.
    pub medium: Medium,
    /// Threads that the callers share.
    pub caller_threads: NonZeroUsize,
}

/// Where the journal goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Into memory.
    Memory,
    /// Into a directory of its own in this one.
    File(PathBuf),
}

/// Runs the plan. On files, this disk's own flush rate is measured first, in the same sitting.
///
/// # Errors
/// `Fault` when a store, the engine or a vend fails.
pub fn measure(plan: &Plan) -> Result<Figures, Fault> {
    let mut conditions = Conditions::of_this_machine();
    let (store, place, compare) = store(&plan.medium)?;
    conditions.note(
        "store",
        match plan.medium {
            Medium::Memory => "memory",
            Medium::File(_) => "file",
        },
    );
    conditions.note("in_flight", plan.in_flight.get());
    conditions.note("caller_threads", plan.caller_threads.get());
    conditions.note("wallets", WALLETS_PER_CALLER * plan.in_flight.get() as u64);
    conditions.note(
        "a_vend",
        "open + reserve, durable; settle + release, durable",
    );
    let settings = Settings::default();
    let engine = Engine::start(store, settings, &mut |_, _| {})?;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(plan.caller_threads.get())
        .enable_time()
        .build()
        .map_err(Fault::io("starting the callers' threads"))?;
    let ran = runtime.block_on(run(&engine, plan))?;
    runtime.block_on(engine.shutdown())?;
    drop(place);
    conditions.note_load_after();

    let vends = ran.times.len() as f64;
    let journal = framed(&ran.after) - framed(&ran.before);
    Ok(Figures {
        name: "settle",
        conditions,
        vends: Some(vends),
        flushes: Some((ran.after.flushes - ran.before.flushes) as f64),
        latencies: ran.times.into_iter().collect(),
        bytes_per_vend: (vends > 0.0).then_some(journal / vends),
        span: ran.span,
        compare,
    })
}

/// Bytes of journal files: records, their frames' heads, and a mark for each batch.
fn framed(metrics: &Metrics) -> f64 {
    (metrics.bytes + 8 * metrics.records + 24 * metrics.flushes) as f64
}

type Opened = (Box<dyn Store>, Option<TempDir>, Vec<Figures>);

fn store(medium: &Medium) -> Result<Opened, Fault> {
    match medium {
        Medium::Memory => Ok((Box::new(Memory::new()), None, Vec::new())),
        Medium::File(dir) => {
            let floor = floor::measure(dir, Duration::from_secs(2))?;
            let place = tempfile::tempdir_in(dir).map_err(Fault::io("making a directory"))?;
            let settings = FileSettings {
                segment_bytes: SEGMENT_BYTES,
                ..FileSettings::default()
            };
            let store = File::open(place.path(), settings)?;
            Ok((Box::new(store), Some(place), vec![floor]))
        }
    }
}

struct Ran {
    times: Vec<Duration>,
    before: Metrics,
    after: Metrics,
    span: Duration,
}

async fn run(engine: &Engine, plan: &Plan) -> Result<Ran, Fault> {
    let callers = plan.in_flight.get() as u64;
    let opening: Vec<_> = (0..callers)
        .map(|caller| {
            let engine = engine.clone();
            tokio::spawn(async move { fund(&engine, caller).await })
        })
        .collect();
    for opened in opening {
        opened.await.map_err(Fault::call("opening wallets"))??;
    }
    let phase = Arc::new(AtomicU8::new(WARMING));
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (engine, phase) = (engine.clone(), Arc::clone(&phase));
            tokio::spawn(async move { buy(&engine, caller, &phase).await })
        })
        .collect();
    tokio::time::sleep(WARM_UP).await;
    let before = engine.metrics();
    let began = Instant::now();
    phase.store(COUNTING, Ordering::Relaxed);
    tokio::time::sleep(plan.span).await;
    phase.store(OVER, Ordering::Relaxed);
    let (span, after) = (began.elapsed(), engine.metrics());
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(Fault::call("buying"))??);
    }
    Ok(Ran {
        times,
        before,
        after,
        span,
    })
}

async fn fund(engine: &Engine, caller: u64) -> Result<(), Fault> {
    for wallet in wallets(caller) {
        engine
            .open_wallet(wallet, Currency::EUR)
            .await
            .map_err(Fault::call("opening a wallet"))?;
        let command = Command::TopUp {
            key: TransferId::from_bytes(*name(wallet.number(), 0).as_bytes()),
            amount: Amount::from_minor(1_000_000_000),
        };
        engine
            .wallet_command(wallet, command)
            .await
            .map_err(Fault::call("topping a wallet up"))?;
    }
    Ok(())
}

/// Buys one coffee after the other until it is over; gives how long each took that was counted.
async fn buy(engine: &Engine, caller: u64, phase: &AtomicU8) -> Result<Vec<Duration>, Fault> {
    let mut times = Vec::new();
    for number in 1.. {
        let began_in = phase.load(Ordering::Relaxed);
        if began_in == OVER {
            break;
        }
        let wallet = WalletId::new(caller * WALLETS_PER_CALLER + number % WALLETS_PER_CALLER);
        let began = Instant::now();
        vend(engine, wallet, name(caller, number)).await?;
        if began_in == COUNTING && phase.load(Ordering::Relaxed) == COUNTING {
            times.push(began.elapsed());
        }
    }
    Ok(times)
}

async fn vend(engine: &Engine, wallet: WalletId, session: VendId) -> Result<(), Fault> {
    let command = |action| SessionCommand {
        wallet,
        session,
        action,
    };
    let espresso = Outcome::Vended {
        item: Item::new(11),
        amount: Amount::from_minor(120),
        proof: Proof::Told,
    };
    let asked = [
        command(Action::Open {
            machine: MACHINE,
            operator: OPERATOR,
        }),
        command(Action::Reserve { terms: TERMS }),
    ];
    let done = [
        command(Action::Settle {
            rseq: Rseq::new(1),
            outcome: espresso,
        }),
        command(Action::Release {
            reason: Reason::Closed,
        }),
    ];
    for commands in [asked, done] {
        loop {
            let answers = engine.session_batch(commands.to_vec()).await;
            if answers
                .iter()
                .any(|answer| matches!(answer, Err(Failure::Busy { .. })))
            {
                tokio::task::yield_now().await;
                continue;
            }
            for answer in answers {
                answer.map_err(Fault::call("vending"))?;
            }
            break;
        }
    }
    Ok(())
}

fn wallets(caller: u64) -> impl Iterator<Item = WalletId> {
    let first = caller * WALLETS_PER_CALLER;
    (first..first + WALLETS_PER_CALLER).map(WalletId::new)
}

fn name(caller: u64, number: u64) -> VendId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&caller.to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    VendId::from_bytes(bytes)
}
