//! The main figure: whole vends, each with two waits for the disk, by so many callers at once.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::medium::Medium;
use crate::vends;
use core::ops::Range;
use core::time::Duration;
use gettone::core::wallet::LIVE_MAX;
use gettone::{Engine, Failure, Metrics, Settings};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;
use tokio::runtime;
use tokio::sync::oneshot;

/// Wallets that each caller takes turns with, unless set otherwise.
pub const WALLETS_PER_CALLER: u64 = 64;
/// Vends that one wallet can have under way, with room for callers who overtake others.
pub const VENDS_PER_WALLET_MAX: u64 = LIVE_MAX as u64 / 2;
/// Before the clock starts.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// Customers that a caller looks at to find one of its own shard; then it serves anybody.
const CUSTOMERS_LOOKED_AT: u32 = 64;

/// Room for this many times before any is kept.
const TIMES_EXPECTED: usize = 1 << 22;

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Callers at once, in all.
    pub in_flight: NonZeroUsize,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// On what.
    pub medium: Medium,
    /// Threads that the callers share; none: they run beside the shards, on their threads.
    pub caller_threads: Option<NonZeroUsize>,
    /// Who buys where.
    pub demand: Demand,
}

/// Runs the plan. On a disk of ours, its own flush rate is measured first, in the same sitting.
///
/// # Errors
/// `Fault` when a store, the engine or a vend fails.
pub fn measure(plan: &Plan) -> Result<Figures, Fault> {
    let least = plan.in_flight.get() as u64 / VENDS_PER_WALLET_MAX;
    if plan.demand.wallets() < least {
        let what = format!("{} in flight need at least {least}", plan.in_flight);
        return Err(Fault::call("sharing the wallets out")(what));
    }
    let mut conditions = Conditions::of_this_machine();
    let (store, place, compare) = plan.medium.open(&mut conditions)?;
    conditions.note("in_flight", plan.in_flight.get());
    conditions.note(
        "callers",
        plan.caller_threads.map_or_else(
            || "beside the shards".to_owned(),
            |threads| format!("on {threads} threads"),
        ),
    );
    conditions.note("wallets", plan.demand.wallets());
    conditions.note("hot_percent", plan.demand.hot_percent());
    conditions.note(
        "a_vend",
        "begin (open + reserve), durable; finish (settle + release), durable",
    );
    let settings = Settings::default();
    let engine = Engine::start(store, settings, &mut |_, _| {})?;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(plan.caller_threads.map_or(1, NonZeroUsize::get))
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
        replies: ran.replies.into_iter().collect(),
        bytes_per_vend: (vends > 0.0).then_some(journal / vends),
        span: ran.span,
        compare,
    })
}

/// Bytes of journal files: records, their frames' heads, and a mark for each batch.
fn framed(metrics: &Metrics) -> f64 {
    (metrics.bytes + 8 * metrics.records + 24 * metrics.flushes) as f64
}

struct Ran {
    times: Vec<Duration>,
    replies: Vec<Duration>,
    before: Metrics,
    after: Metrics,
    span: Duration,
}

async fn run(engine: &Engine, plan: &Plan) -> Result<Ran, Fault> {
    let callers = plan.in_flight.get() as u64;
    vends::open(engine, 0..plan.demand.wallets()).await?;
    vends::fund(engine, 0..plan.demand.wallets()).await?;
    let phase = Arc::new(AtomicU8::new(WARMING));
    let groups = plan
        .caller_threads
        .map_or(engine.shards(), NonZeroUsize::get) as u64;
    let groups = groups.min(callers);
    let mut tasks = Vec::new();
    for group in 0..groups {
        let share = Share {
            callers: callers * group / groups..callers * (group + 1) / groups,
            of: callers,
            demand: plan.demand,
            shard: match plan.caller_threads {
                Some(_) => None,
                None => usize::try_from(group).ok(),
            },
        };
        let (shard, phase) = (share.shard, Arc::clone(&phase));
        let (done, task) = oneshot::channel();
        let bought = {
            let engine = engine.clone();
            async move {
                // Who waits for it may have failed already.
                let _ = done.send(buy(&engine, share, &phase).await);
            }
        };
        match shard {
            Some(shard) => drop(engine.spawn_beside(shard, bought)),
            None => drop(tokio::spawn(bought)),
        }
        tasks.push(task);
    }
    tokio::time::sleep(WARM_UP).await;
    let before = engine.metrics();
    let began = Instant::now();
    phase.store(COUNTING, Ordering::Relaxed);
    tokio::time::sleep(plan.span).await;
    phase.store(OVER, Ordering::Relaxed);
    let (span, after) = (began.elapsed(), engine.metrics());
    let (mut times, mut replies) = (Vec::new(), Vec::new());
    for task in tasks {
        let bought = task.await.map_err(Fault::call("buying"))??;
        times.extend(bought.vends);
        replies.extend(bought.replies);
    }
    Ok(Ran {
        times,
        replies,
        before,
        after,
        span,
    })
}

/// Some of the callers. The vends of each are numbered so that all of them together number every
/// vend once.
struct Share {
    callers: Range<u64>,
    of: u64,
    demand: Demand,
    /// Whose customers they serve; none: everybody's.
    shard: Option<usize>,
}

impl Share {
    /// The next vend of a caller: of a customer whom its shard hosts.
    fn next(&self, engine: &Engine, mut number: u64) -> u64 {
        let is_theirs = |number| {
            let wallet = self.demand.wallet(number);
            self.shard
                .is_none_or(|shard| engine.shard_of(wallet) == shard)
        };
        for _ in 0..CUSTOMERS_LOOKED_AT {
            if is_theirs(number) {
                break;
            }
            number += self.of;
        }
        number
    }
}

/// What one vend in flight is at.
#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    counted: bool,
    began: Instant,
    /// When its last command was pushed.
    asked: Instant,
    held: bool,
}

/// How long things took.
struct Bought {
    /// Each vend.
    vends: Vec<Duration>,
    /// Each answer of them.
    replies: Vec<Duration>,
}

/// Buys one coffee after the other in each of its flights until it is over; gives how long each
/// took that was counted. A moment is read once for each batch of answers.
async fn buy(engine: &Engine, share: Share, phase: &AtomicU8) -> Result<Bought, Fault> {
    let demand = share.demand;
    let mut pipeline = engine.pipeline();
    let mut bought = Bought {
        vends: Vec::with_capacity(TIMES_EXPECTED),
        replies: Vec::with_capacity(2 * TIMES_EXPECTED),
    };
    let mut now = Instant::now();
    let mut flights: Vec<Flight> = (0..)
        .zip(share.callers.clone())
        .map(|(flight, number)| {
            let number = share.next(engine, number);
            pipeline.push(flight, vends::begin(demand, number));
            Flight {
                number,
                counted: false,
                began: now,
                asked: now,
                held: false,
            }
        })
        .collect();
    let mut answers = Vec::new();
    loop {
        while let Err(failure) = pipeline.send() {
            if !matches!(failure, Failure::Busy { .. }) {
                return Err(Fault::call("vending")(failure));
            }
            tokio::task::yield_now().await;
        }
        if pipeline.answers(&mut answers).await == 0 {
            return Ok(bought);
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
            if flight.counted && moment == COUNTING {
                bought.replies.push(now.duration_since(flight.asked));
            }
            flight.asked = now;
            if !flight.held {
                flight.held = true;
                pipeline.push(answer.tag, vends::finish(demand, flight.number));
                continue;
            }
            if flight.counted && moment == COUNTING {
                bought.vends.push(now.duration_since(flight.began));
            }
            if moment != OVER {
                *flight = Flight {
                    number: share.next(engine, flight.number + share.of),
                    counted: moment == COUNTING,
                    began: now,
                    asked: now,
                    held: false,
                };
                pipeline.push(answer.tag, vends::begin(demand, flight.number));
            }
        }
    }
}
