//! Complete purchases against the real gateway: HTTP, Noise envelopes, the durable ledger. The
//! gateway runs in a process of its own; boards and phones run beside it, on the same cores.

mod board;
pub(crate) mod server;

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::floor;
use board::Board;
use core::hint;
use core::time::Duration;
use gettone_channel::{Pair, StaticKey};
pub use server::PART;
use server::{Server, processor_time, random};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Instant;

/// Before the clock starts.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// Machines that each phone goes round.
pub const MACHINES_PER_PHONE: usize = 4;

/// X25519 computations that are timed beside it.
const AGREEMENTS: u32 = 500;

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Phones that buy at once.
    pub in_flight: NonZeroUsize,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// On which disk the ledger lies.
    pub dir: PathBuf,
}

/// What the measurement gave: whole purchases, and their single requests beside.
///
/// A purchase is two requests: the HELLO with what the board still had to say, answered by the
/// GRANT; the receipt and the CLOSE, answered by the ACK. Its latency is the time that both took
/// together, as the phone sees them.
///
/// # Errors
/// `Fault` when the gateway does not come up, or refuses a purchase.
pub fn measure(plan: &Plan) -> Result<Figures, Fault> {
    let mut conditions = Conditions::of_this_machine();
    let floor = floor::measure(&plan.dir, Duration::from_secs(1))?;
    let place = tempfile::tempdir_in(&plan.dir).map_err(Fault::io("making a directory"))?;
    let server = Server::start(place.path())?;
    conditions.note("in_flight", plan.in_flight.get());
    conditions.note("machines", plan.in_flight.get() * MACHINES_PER_PHONE);
    conditions.note("a_purchase", "HELLO -> GRANT; receipt + CLOSE -> ACK");
    conditions.note("load_generator", "on the same cores");
    // How fast this processor is just now: gateway and generator need some ten of these each.
    conditions.note("x25519_us", agreement()?);
    let phase = AtomicU8::new(WARMING);
    let ready = Barrier::new(plan.in_flight.get() + 1);
    let (span, used, bought) = thread::scope(|scope| {
        let phones: Vec<_> = (0..plan.in_flight.get())
            .map(|phone| {
                let (server, phase, ready) = (&server, &phase, &ready);
                scope.spawn(move || {
                    let boards = boards(server, phone);
                    ready.wait();
                    buy(boards?, phase)
                })
            })
            .collect();
        ready.wait();
        thread::sleep(WARM_UP);
        let used = Used::by(&server);
        let began = Instant::now();
        phase.store(COUNTING, Ordering::Relaxed);
        thread::sleep(plan.span);
        phase.store(OVER, Ordering::Relaxed);
        let span = began.elapsed();
        let used = Used::by(&server).since(used);
        let bought: Result<Vec<_>, Fault> = phones
            .into_iter()
            .map(|phone| {
                phone.join().unwrap_or_else(|_| {
                    Err(Fault::call("buying")("a phone's thread has ended by a bug"))
                })
            })
            .collect();
        (span, used, bought)
    });
    let bought: Vec<Bought> = bought?.into_iter().flatten().collect();
    used.note(&mut conditions, bought.len());
    let balanced = server.stop()?;
    conditions.note("audit", if balanced { "balanced" } else { "NOT BALANCED" });
    conditions.note_load_after();
    let of = |name, latencies| Figures {
        name,
        replies: crate::Latencies::default(),
        conditions: conditions.clone(),
        vends: Some(bought.len() as f64),
        latencies,
        flushes: None,
        bytes_per_vend: None,
        span,
        compare: Vec::new(),
    };
    let grants = of("grant", bought.iter().map(|one| one.grant).collect());
    let receipts = of("receipt", bought.iter().map(|one| one.receipt).collect());
    let mut whole = of(
        "purchases",
        bought.iter().map(|one| one.grant + one.receipt).collect(),
    );
    whole.compare = vec![grants, receipts, floor];
    Ok(whole)
}

/// What one X25519 takes, in microseconds.
pub(crate) fn agreement() -> Result<u64, Fault> {
    let own = StaticKey::from_bytes(random()?);
    let peer = StaticKey::from_bytes(random()?).public();
    let began = Instant::now();
    for _ in 0..AGREEMENTS {
        hint::black_box(Pair::of(hint::black_box(&own), &peer));
    }
    let each = began.elapsed() / AGREEMENTS;
    u64::try_from(each.as_micros()).map_err(Fault::call("timing X25519"))
}

/// What the two requests of one purchase took.
#[derive(Clone, Copy)]
struct Bought {
    grant: Duration,
    receipt: Duration,
}

/// Processor time: on a busy machine it says more than the clock.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    gateway: Option<Duration>,
    generator: Option<Duration>,
}

impl Used {
    pub(crate) fn by(server: &Server) -> Self {
        Self {
            gateway: server.processor_time(),
            generator: processor_time("/proc/self/stat"),
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        let less = |now: Option<Duration>, before: Option<Duration>| now?.checked_sub(before?);
        Self {
            gateway: less(self.gateway, before.gateway),
            generator: less(self.generator, before.generator),
        }
    }

    fn note(self, conditions: &mut Conditions, purchases: usize) {
        let [gateway, generator] = self.each_us(purchases);
        for (what, each) in [
            ("gateway_cpu_us_per_purchase", gateway),
            ("generator_cpu_us_per_purchase", generator),
        ] {
            if let Some(each) = each {
                conditions.note(what, each);
            }
        }
    }

    /// Microseconds of the gateway and of the generator, for each of so many things.
    pub(crate) fn each_us(self, count: usize) -> [Option<u64>; 2] {
        [self.gateway, self.generator].map(|time| {
            let each = time?.as_micros().checked_div(count as u128)?;
            u64::try_from(each).ok()
        })
    }
}

/// A phone's customer and the machines that it goes round.
fn boards(server: &Server, phone: usize) -> Result<Vec<Board>, Fault> {
    let token = server.customer(phone)?;
    (0..MACHINES_PER_PHONE)
        .map(|nth| Board::enrol(server, phone * MACHINES_PER_PHONE + nth, &token))
        .collect()
}

/// Buys at one machine after the other until it is over.
fn buy(mut boards: Vec<Board>, phase: &AtomicU8) -> Result<Vec<Bought>, Fault> {
    let mut all = Vec::new();
    loop {
        for board in &mut boards {
            let began_in = phase.load(Ordering::Relaxed);
            if began_in == OVER {
                return Ok(all);
            }
            let bought = board.purchase()?;
            if began_in == COUNTING && phase.load(Ordering::Relaxed) == COUNTING {
                all.push(bought);
            }
        }
    }
}
