//! The relay by itself: how many envelopes one core opens, and how many HELLOs a real gateway answers with a GRANT each
//! second, over HTTP, with the hold on the disk before the answer.
//!
//! Readers have sealed what they say before the clock starts: the generator, which shares the cores, only writes requests
//! and reads answers.

mod reader;
mod road;

use crate::conditions::Conditions;
use crate::crowd::{Counted, Crowd, Now, Phase, Used};
use crate::fault::Fault;
use crate::figures::round;
use crate::floor;
use crate::latencies::Latencies;
use crate::purchases::agreement;
use crate::purchases::server::{Asker, Server, random};
use crate::report::Report;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::hint;
use core::time::Duration;
use gettone_channel::{self as channel, Pair, StaticKey};
use gettone_relay as board;
use gettone_relay::Letter;
use reader::Reader;
use road::Road;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Readers that each phone goes round.
pub const READERS_PER_PHONE: usize = 4;
/// Readers whose envelopes are opened in turn.
pub const READERS_OPENED: usize = 256;
/// Relays a second for which envelopes are sealed beforehand; beyond it they are sealed while the clock runs.
pub const SEALED_AHEAD_PER_S: usize = 4_000;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Phones that ask at once.
    pub in_flight: NonZeroUsize,
    /// How long each part lasts.
    pub span: Duration,
    /// On which disk the ledger lies.
    pub dir: PathBuf,
}

/// Opens envelopes on one thread, then relays HELLOs to a gateway in a process of its own.
///
/// A relay is one request with one HELLO of a reader that its phone is linked to: its envelope is opened, the hold of
/// the HELLO before it is let go, money is held for this one, and the GRANT is sealed and answered once all of it is
/// durable. The next request goes out when the answer has come.
///
/// # Errors
/// `Fault` when the gateway does not come up, or refuses a grant.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("in_flight", plan.in_flight.get());
    conditions.note("readers", plan.in_flight.get() * READERS_PER_PHONE);
    conditions.note("a_relay", "HELLO -> fence, hold, durable -> GRANT");
    conditions.note("load_generator", "on the same cores");
    conditions.note("x25519_us", agreement()?);
    let floor = floor::measure(&plan.dir, Duration::from_secs(1))?;
    let opened = open(plan.span)?;
    let relayed = relay(plan, &mut conditions)?;
    conditions.note_load_after();

    let mut report = Report::new("relay", conditions);
    report.add("opens_per_s_per_core", opened);
    report.add("relays_per_s", round(relayed.per_s(), 0));
    for (figure, time) in [
        ("p50_us", relayed.latencies.at(50.0)),
        ("p99_us", relayed.latencies.at(99.0)),
        ("p999_us", relayed.latencies.at(99.9)),
        ("max_us", relayed.latencies.most()),
    ] {
        let micros = time.map_or(0, |time| time.as_micros());
        report.add(figure, u64::try_from(micros).unwrap_or(u64::MAX));
    }
    let [gateway, generator] = relayed.used.each_us(relayed.latencies.len());
    for (figure, each) in [
        ("gateway_cpu_us_per_relay", gateway),
        ("generator_cpu_us_per_relay", generator),
    ] {
        if let Some(each) = each {
            report.add(figure, each);
        }
    }
    report.add("sealed_while_counting", relayed.sealed_late);
    report.beside("floor", floor.keys());
    Ok(report)
}

/// Opens envelopes as the gateway does, from base64 to what the engine is told; how many each second.
fn open(span: Duration) -> Result<u64, Fault> {
    let server = StaticKey::from_bytes(random()?);
    let book: Vec<(Pair, String)> = (0..READERS_OPENED)
        .map(|_| {
            let mut reader = Reader::new(StaticKey::from_bytes(random()?))?;
            reader.learn(board::Server {
                epoch: 1,
                key: server.public(),
            })?;
            let pair = Pair::of(&server, &reader.key().public());
            let pair = pair.ok_or_else(|| Fault::call("making a reader")("a weak key"))?;
            Ok((pair, reader.seal_with_receipts()?))
        })
        .collect::<Result<_, Fault>>()?;
    let began = Instant::now();
    let mut opened = 0_u64;
    while began.elapsed() < span {
        for (pair, text) in &book {
            let bytes = BASE64.decode(text).map_err(Fault::call("opening"))?;
            channel::header(&bytes).map_err(Fault::call("opening"))?;
            let (_, items) = pair.open(&bytes).map_err(Fault::call("opening"))?;
            let letter = Letter::of(items).map_err(Fault::call("opening"))?;
            hint::black_box(letter.news(None));
            opened += 1;
        }
    }
    Ok((opened as f64 / began.elapsed().as_secs_f64()) as u64)
}

struct Relayed {
    latencies: Latencies,
    span: Duration,
    used: Used,
    sealed_late: u64,
}

impl Relayed {
    fn per_s(&self) -> f64 {
        self.latencies.len() as f64 / self.span.as_secs_f64()
    }
}

fn relay(plan: &Plan, conditions: &mut Conditions) -> Result<Relayed, Fault> {
    let place = tempfile::tempdir_in(&plan.dir).map_err(Fault::io("making a directory"))?;
    let server = Server::start(place.path())?;
    let crowd = Crowd {
        server: &server,
        phones: plan.in_flight,
        span: plan.span,
    };
    let seconds = crowd.whole_span().as_secs_f64();
    let readers = plan.in_flight.get() * READERS_PER_PHONE;
    let ahead = (SEALED_AHEAD_PER_S as f64 * seconds) as usize / readers + 1;
    let Counted { told, span, used } = crowd.count(|phone| make(&server, phone, ahead), ask)?;
    let balanced = server.stop()?;
    conditions.note("audit", if balanced { "balanced" } else { "NOT BALANCED" });
    Ok(Relayed {
        sealed_late: told.iter().map(|(_, late)| late).sum(),
        latencies: told.into_iter().flat_map(|(times, _)| times).collect(),
        span,
        used,
    })
}

/// A phone's customer and the readers that it goes round, with what they will say.
fn make(server: &Server, phone: usize, ahead: usize) -> Result<(Asker, Vec<Reader>), Fault> {
    let customer = server.customer(phone)?;
    let readers = (0..READERS_PER_PHONE).map(|nth| {
        let mut reader = Reader::new(StaticKey::from_bytes(random()?))?;
        let number = phone * READERS_PER_PHONE + nth;
        reader.learn(server.enrol(number, reader.key())?)?;
        reader.seal_ahead(ahead)?;
        Ok(reader)
    });
    Ok((customer, readers.collect::<Result<_, Fault>>()?))
}

/// Asks for one grant after the other until it is over; the times that counted, and how many envelopes had to be sealed
/// meanwhile.
fn ask(
    (customer, mut readers): (Asker, Vec<Reader>),
    phase: &Phase,
) -> Result<(Vec<Duration>, u64), Fault> {
    let mut road = Road::to(&customer)?;
    let (mut times, mut late) = (Vec::new(), 0);
    loop {
        for reader in &mut readers {
            let began_in = phase.now();
            if began_in == Now::Over {
                return Ok((times, late));
            }
            let (body, is_late) = reader.next()?;
            let began = Instant::now();
            road.granted(&body)?;
            let took = began.elapsed();
            if began_in == Now::Counting && phase.now() == Now::Counting {
                times.push(took);
                late += u64::from(is_late);
            }
        }
    }
}
