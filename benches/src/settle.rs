//! The main figure: whole vends, each with two waits for the disk, by so many callers at once.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::floor;
use core::ops::Range;
use core::time::Duration;
use gettone::core::grant::{Purpose, Terms};
use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::port::Store;
use gettone::core::wallet::{Command, Outcome, Proof};
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

/// Room for this many times before any is kept.
const TIMES_EXPECTED: usize = 1 << 22;

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

impl Medium {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File(_) => "file",
        }
    }
}

/// Runs the plan. On files, this disk's own flush rate is measured first, in the same sitting.
///
/// # Errors
/// `Fault` when a store, the engine or a vend fails.
pub fn measure(plan: &Plan) -> Result<Figures, Fault> {
    let mut conditions = Conditions::of_this_machine();
    let (store, place, compare) = store(&plan.medium)?;
    conditions.note("store", plan.medium.name());
    conditions.note("in_flight", plan.in_flight.get());
    conditions.note("caller_threads", plan.caller_threads.get());
    conditions.note("wallets", WALLETS_PER_CALLER * plan.in_flight.get() as u64);
    conditions.note(
        "a_vend",
        "begin (open + reserve), durable; finish (settle + release), durable",
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

pub(crate) type Opened = (Box<dyn Store>, Option<TempDir>, Vec<Figures>);

pub(crate) fn store(medium: &Medium) -> Result<Opened, Fault> {
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
    let threads = (plan.caller_threads.get() as u64).min(callers);
    let tasks: Vec<_> = (0..threads)
        .map(|thread| {
            let (engine, phase) = (engine.clone(), Arc::clone(&phase));
            let share = callers * thread / threads..callers * (thread + 1) / threads;
            tokio::spawn(async move { buy(&engine, share, &phase).await })
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

/// What one vend in flight is at.
#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    counted: bool,
    began: Instant,
    held: bool,
}

/// Buys one coffee after the other in each of its flights until it is over; gives how long each
/// took that was counted. A moment is read once for each batch of answers.
async fn buy(engine: &Engine, share: Range<u64>, phase: &AtomicU8) -> Result<Vec<Duration>, Fault> {
    let first = share.start;
    let mut pipeline = engine.pipeline();
    let mut times = Vec::with_capacity(TIMES_EXPECTED);
    let mut now = Instant::now();
    let begin = |flight: u64, number: u64| begin(first + flight, number);
    let mut flights: Vec<Flight> = (0..share.end - first)
        .map(|flight| {
            pipeline.push(flight, begin(flight, 1));
            Flight {
                number: 1,
                counted: false,
                began: now,
                held: false,
            }
        })
        .collect();
    let mut answers = Vec::new();
    loop {
        while let Err(failure) = pipeline.send() {
            match failure {
                Failure::Busy { .. } => tokio::task::yield_now().await,
                failure => return Err(Fault::call("vending")(failure)),
            }
        }
        if pipeline.answers(&mut answers).await == 0 {
            return Ok(times);
        }
        now = Instant::now();
        let moment = phase.load(Ordering::Relaxed);
        for answer in answers.drain(..) {
            answer.outcome.map_err(Fault::call("vending"))?;
            let Some(flight) = usize::try_from(answer.tag)
                .ok()
                .and_then(|at| flights.get_mut(at))
            else {
                continue;
            };
            if !flight.held {
                flight.held = true;
                pipeline.push(answer.tag, finish(first + answer.tag, flight.number));
                continue;
            }
            if flight.counted && moment == COUNTING {
                times.push(now.duration_since(flight.began));
            }
            if moment != OVER {
                *flight = Flight {
                    number: flight.number + 1,
                    counted: moment == COUNTING,
                    began: now,
                    held: false,
                };
                pipeline.push(answer.tag, begin(answer.tag, flight.number));
            }
        }
    }
}

fn begin(flight: u64, number: u64) -> SessionCommand {
    command(flight, number, Action::Begin { terms: TERMS })
}

fn finish(flight: u64, number: u64) -> SessionCommand {
    let outcome = Outcome::Vended {
        item: Item::new(11),
        amount: Amount::from_minor(120),
        proof: Proof::Told,
    };
    let rseq = Rseq::new(1);
    command(flight, number, Action::Finish { rseq, outcome })
}

fn command(flight: u64, number: u64, action: Action) -> SessionCommand {
    SessionCommand {
        wallet: WalletId::new(flight * WALLETS_PER_CALLER + number % WALLETS_PER_CALLER),
        session: name(flight, number),
        action,
    }
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
