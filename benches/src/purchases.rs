//! Complete purchases against the real gateway: HTTP, Noise envelopes, the durable ledger. The
//! gateway runs in a process of its own; boards and phones run beside it, on the same cores.

mod board;
pub(crate) mod server;

use crate::conditions::Conditions;
use crate::crowd::{Counted, Crowd, Now, Phase};
use crate::fault::Fault;
use crate::figures::Figures;
use crate::floor;
use board::Board;
use core::hint;
use core::time::Duration;
use gettone_channel::{Pair, StaticKey};
pub use server::PART;
use server::{Server, random};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Machines that each phone goes round.
pub const MACHINES_PER_PHONE: usize = 4;

/// X25519 computations that are timed beside it.
const AGREEMENTS: u32 = 500;

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
    let crowd = Crowd {
        server: &server,
        phones: plan.in_flight,
        span: plan.span,
    };
    let Counted { told, span, used } = crowd.count(|phone| boards(&server, phone), buy)?;
    let bought: Vec<Bought> = told.into_iter().flatten().collect();
    let [gateway, generator] = used.each_us(bought.len());
    for (what, each) in [
        ("gateway_cpu_us_per_purchase", gateway),
        ("generator_cpu_us_per_purchase", generator),
    ] {
        if let Some(each) = each {
            conditions.note(what, each);
        }
    }
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

/// A phone's customer and the machines that it goes round.
fn boards(server: &Server, phone: usize) -> Result<Vec<Board>, Fault> {
    let token = server.customer(phone)?;
    (0..MACHINES_PER_PHONE)
        .map(|nth| Board::enrol(server, phone * MACHINES_PER_PHONE + nth, &token))
        .collect()
}

/// Buys at one machine after the other until it is over.
fn buy(mut boards: Vec<Board>, phase: &Phase) -> Result<Vec<Bought>, Fault> {
    let mut all = Vec::new();
    loop {
        for board in &mut boards {
            let began_in = phase.now();
            if began_in == Now::Over {
                return Ok(all);
            }
            let bought = board.purchase()?;
            if began_in == Now::Counting && phase.now() == Now::Counting {
                all.push(bought);
            }
        }
    }
}
