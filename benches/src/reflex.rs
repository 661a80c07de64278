//! How soon the bus is answered while the processor is busy: the reader's own bus thread, beside an
//! ordinary thread and a task of an async runtime, all over a pseudo-terminal.
//!
//! MDB gives a peripheral 5 ms. The machine's side runs with a real-time priority where it may, so
//! that what is measured is the answer and not the question.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::latencies::Latencies;
use core::fmt;
use core::time::Duration;
use gettone_mdb::cashless::{Cashless, Config, Input, Output};
use gettone_mdb::link::Spec;
use gettone_mdb::words::{LinkFault, Pty, WordLink};
use gettone_mdb::{ACK, Level, Mode, Options, Word, checksum};
use gettone_reader::{Reflex, ResultPage, Uptime, use_real_time, way};
use serde_json::{Map, Value};
use std::hint;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::io::unix::AsyncFd;

/// How long a peripheral may take to answer (`[MDB §2]`).
pub const ANSWER_MAX: Duration = Duration::from_millis(5);
/// The machine rests this long between two exchanges, so that the others get the processor too.
pub const REST: Duration = Duration::from_micros(200);
/// An answer that takes longer than this is taken for none.
const PATIENCE: Duration = Duration::from_secs(10);
/// The responders that are only compared do one exchange where the reader does so many: under load
/// they take a hundred times as long.
const COMPARED_SHARE: u32 = 40;
/// A machine's ACK has no timing on a pseudo-terminal.
const MACHINE_ACK_MAX: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Exchanges with the reader's own thread.
    pub exchanges: u32,
    /// Threads that do nothing but burn the processor.
    pub busy: usize,
}

/// What it gave.
#[derive(Clone, Debug)]
pub struct ReflexFigures {
    /// Under what.
    pub conditions: Conditions,
    /// The reader's own thread first.
    pub responders: Vec<Answers>,
}

/// How one responder answered.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Who.
    pub name: &'static str,
    /// How long each took.
    pub latencies: Latencies,
    /// How many took more than [`ANSWER_MAX`].
    pub late: u64,
    /// The longest.
    pub max: Duration,
    /// Allocations of its thread for each exchange, where they are counted.
    pub allocations: Option<f64>,
}

/// Measures all three, one after the other, under the same load.
///
/// # Errors
/// `Fault` when the operating system says no, or a responder does not answer.
pub fn measure(plan: Plan) -> Result<ReflexFigures, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("exchanges", plan.exchanges);
    conditions.note("exchanges_compared", plan.compared());
    conditions.note("busy_threads", plan.busy);
    conditions.note("link", "words: over a pseudo-terminal");
    conditions.note("options", "level 3, every option on");
    let real_time = thread::spawn(use_real_time).join();
    let real_time = real_time.is_ok_and(|set| set.is_ok());
    conditions.note("real_time_allowed", real_time);
    let load = Load::begin(plan.busy);
    let responders = vec![
        reader(plan.exchanges)?,
        ordinary_thread(plan.compared())?,
        task(plan.compared())?,
    ];
    load.end();
    conditions.note_load_after();
    Ok(ReflexFigures {
        conditions,
        responders,
    })
}

impl Plan {
    fn compared(&self) -> u32 {
        (self.exchanges / COMPARED_SHARE).max(1)
    }
}

/// Threads that burn the processor.
struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(threads: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let burn = |over: Arc<AtomicBool>| {
            move || {
                let mut sum = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    for number in 0..1_000_u64 {
                        sum = hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
                    }
                }
            }
        };
        let threads = (0..threads).map(|_| thread::spawn(burn(Arc::clone(&over))));
        let threads = threads.collect();
        Self { over, threads }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

/// The reader's own bus thread, as its program runs it.
fn reader(exchanges: u32) -> Result<Answers, Fault> {
    let stage = Stage::set()?;
    let page = ResultPage::open(&stage.place.path().join("result"));
    let page = page.map_err(Fault::io("making a result page"))?;
    let (news, heard) = way(1_024);
    let (orders, ordered) = sync_channel(16);
    let reflex = Reflex::new(device()?, page, Uptime::begin(), news);
    let link = Spec::Words(stage.path.clone());
    let thread = thread::spawn(move || counted(|| reflex.run(&link, &ordered)));
    let measured = stage.play(exchanges);
    drop((orders, heard));
    let allocations = thread.join().ok().flatten();
    let allocations = allocations.map(|count| count as f64 / f64::from(exchanges));
    Ok(measured?.named("reader", allocations))
}

#[cfg(feature = "count")]
fn counted(run: impl FnOnce()) -> Option<u64> {
    Some(allocation_counter::measure(run).count_total)
}

#[cfg(not(feature = "count"))]
fn counted(run: impl FnOnce()) -> Option<u64> {
    run();
    None
}

/// The same device on a thread like any other.
fn ordinary_thread(exchanges: u32) -> Result<Answers, Fault> {
    let stage = Stage::set()?;
    let path = stage.path.clone();
    let mut device = device()?;
    let thread = thread::spawn(move || -> Result<(), LinkFault> {
        let began = Instant::now();
        let mut line = WordLink::open(&path)?;
        loop {
            let word = line.read(Duration::from_millis(50))?;
            answer(&mut device, began, word, &mut line)?;
        }
    });
    let measured = stage.play(exchanges);
    // The line is gone with the stage: the thread ends over it.
    let _ = thread.join();
    Ok(measured?.named("thread", None))
}

/// The same device in a task.
fn task(exchanges: u32) -> Result<Answers, Fault> {
    let stage = Stage::set()?;
    let path = stage.path.clone();
    let mut device = device()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Fault::io("making a runtime"))?;
    let serve = async move {
        let began = Instant::now();
        let mut line = WordLink::open(&path)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; an owned descriptor keeps what it asks for"
        )]
        let register = AsyncFd::new;
        let ready = line.as_fd().try_clone_to_owned().and_then(register);
        let ready = ready.map_err(refused)?;
        loop {
            let mut guard = ready.readable().await.map_err(refused)?;
            while let Some(word) = line.read(Duration::ZERO)? {
                answer(&mut device, began, Some(word), &mut line)?;
            }
            guard.clear_ready();
        }
    };
    let thread = thread::spawn(move || -> Result<(), LinkFault> { runtime.block_on(serve) });
    let measured = stage.play(exchanges);
    let _ = thread.join();
    Ok(measured?.named("task", None))
}

fn refused(source: std::io::Error) -> LinkFault {
    LinkFault::System {
        doing: "waiting for the link",
        source,
    }
}

fn answer(
    device: &mut Cashless,
    began: Instant,
    word: Option<Word>,
    line: &mut WordLink,
) -> Result<(), LinkFault> {
    device.handle(began.elapsed(), word.map_or(Input::Tick, Input::Word));
    while let Some(output) = device.poll() {
        if let Output::Send(reply) = output {
            line.write(&reply)?;
        }
    }
    Ok(())
}

fn device() -> Result<Cashless, Fault> {
    Cashless::new(Config {
        ack_max: MACHINE_ACK_MAX,
        // All that a machine can switch on.
        level: Level::Three,
        options: Options::ALL,
        age_check: true,
        ..Config::default()
    })
    .map_err(Fault::call("making a device"))
}

/// A pseudo-terminal and the machine at its end.
struct Stage {
    place: tempfile::TempDir,
    path: PathBuf,
    machine: Machine,
}

struct Machine {
    line: WordLink,
}

struct Measured {
    times: Vec<Duration>,
}

impl Stage {
    fn set() -> Result<Self, Fault> {
        let place = tempfile::tempdir().map_err(Fault::io("making a directory"))?;
        let path = place.path().join("mdb");
        let line = open(&path)?.line();
        Ok(Self {
            place,
            path,
            machine: Machine { line },
        })
    }

    /// Powers the machine up and talks to whoever has opened the other end.
    fn play(self, exchanges: u32) -> Result<Measured, Fault> {
        let Self { mut machine, .. } = self;
        let machine = thread::spawn(move || -> Result<Measured, Fault> {
            // Refused on many machines; the conditions say so.
            let _ = use_real_time();
            machine.power_up()?;
            let poll = block(&[0x12]);
            let mut times = Vec::with_capacity(usize::try_from(exchanges).unwrap_or_default());
            for _ in 0..exchanges {
                let began = Instant::now();
                machine.say(&poll)?;
                times.push(began.elapsed());
                thread::sleep(REST);
            }
            Ok(Measured { times })
        });
        machine.join().unwrap_or_else(|_| {
            Err(Fault::Call {
                doing: "running the machine",
                failure: "its thread panicked".to_owned(),
            })
        })
    }
}

impl Measured {
    fn named(self, name: &'static str, allocations: Option<f64>) -> Answers {
        let late = self.times.iter().filter(|time| **time > ANSWER_MAX);
        Answers {
            name,
            late: u64::try_from(late.count()).unwrap_or(u64::MAX),
            max: self.times.iter().max().copied().unwrap_or_default(),
            latencies: self.times.into_iter().collect(),
            allocations,
        }
    }
}

impl Machine {
    /// Until somebody answers: whoever opens a line forgets what was said before.
    fn power_up(&mut self) -> Result<(), Fault> {
        let reset = block(&[0x10]);
        let began = Instant::now();
        while !self.ask(&reset, Duration::from_millis(20))? {
            if began.elapsed() > PATIENCE {
                return Err(silence());
            }
        }
        let mut request_id = vec![0x17, 0];
        request_id.extend([b' '; 27]);
        request_id.extend([1, 0]);
        let [o1, o2, o3, o4] = Options::ALL.to_u32().to_be_bytes();
        for bytes in [
            &[0x12][..],
            &[0x11, 0, 3, 0, 0, 0],
            &request_id,
            &[0x17, 4, o1, o2, o3, o4],
            &[0x14, 1],
            &[0x12],
        ] {
            self.say(&block(bytes))?;
        }
        Ok(())
    }

    fn say(&mut self, words: &[Word]) -> Result<(), Fault> {
        match self.ask(words, PATIENCE)? {
            true => Ok(()),
            false => Err(silence()),
        }
    }

    /// Sends a block and takes the answer to its last word; says whether there was one.
    fn ask(&mut self, words: &[Word], wait_max: Duration) -> Result<bool, Fault> {
        self.line.write(words).map_err(Fault::call("asking"))?;
        let mut count = 0_u32;
        loop {
            let heard = self.line.read(wait_max).map_err(Fault::call("listening"))?;
            let Some(word) = heard else {
                return Ok(false);
            };
            count = count.saturating_add(1);
            if word.mode() == Mode::Address {
                break;
            }
        }
        // A lone word is an ACK; a block wants one.
        if count > 1 {
            let ack = [Word::new(Mode::Data, ACK)];
            self.line
                .write(&ack)
                .map_err(Fault::call("acknowledging"))?;
        }
        Ok(true)
    }
}

fn silence() -> Fault {
    Fault::Call {
        doing: "asking the reader",
        failure: format!("no answer in {PATIENCE:?}"),
    }
}

fn open(path: &Path) -> Result<Pty, Fault> {
    Pty::open(path).map_err(Fault::call("making a pseudo-terminal"))
}

/// A block as the machine sends it: the mode bit on its first word, the checksum last.
fn block(bytes: &[u8]) -> Vec<Word> {
    let sum = checksum(bytes);
    let modes = core::iter::once(Mode::Address).chain(core::iter::repeat(Mode::Data));
    let bytes = bytes.iter().chain([&sum]);
    modes
        .zip(bytes)
        .map(|(mode, byte)| Word::new(mode, *byte))
        .collect()
}

impl ReflexFigures {
    /// One machine-readable object.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), "reflex".into());
        if let Some(own) = self.responders.first() {
            object.extend(own.keys());
        }
        object.insert("conditions".to_owned(), self.conditions.to_json());
        let compare: Map<String, Value> = self
            .responders
            .iter()
            .skip(1)
            .map(|other| (other.name.to_owned(), other.keys().into()))
            .collect();
        object.insert("compare".to_owned(), compare.into());
        object.into()
    }
}

impl Answers {
    /// The share of answers that came after [`ANSWER_MAX`].
    pub fn late_share(&self) -> f64 {
        self.late as f64 / (self.latencies.len().max(1) as f64)
    }

    fn keys(&self) -> Map<String, Value> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut keys = Map::new();
        for (key, percent) in [("p50_us", 50.0), ("p99_us", 99.0), ("p999_us", 99.9)] {
            if let Some(time) = self.latencies.at(percent) {
                keys.insert(key.to_owned(), micros(time).into());
            }
        }
        keys.insert("max_us".to_owned(), micros(self.max).into());
        keys.insert("late_share".to_owned(), self.late_share().into());
        keys.insert("exchanges".to_owned(), self.latencies.len().into());
        if let Some(allocations) = self.allocations {
            keys.insert("allocations_per_exchange".to_owned(), allocations.into());
        }
        keys
    }
}

/// For people: conditions first, then figures.
impl fmt::Display for ReflexFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reflex")?;
        for (what, value) in self.conditions.iter() {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            writeln!(f, "  {what:<18} {value}")?;
        }
        writeln!(
            f,
            "\n{:<8} {:>9} {:>9} {:>9} {:>9} {:>10} {:>12} {:>12}",
            "", "p50 us", "p99 us", "p99.9 us", "max us", "over 5 ms", "exchanges", "allocations"
        )?;
        for own in &self.responders {
            let at = |percent| own.latencies.at(percent).unwrap_or_default().as_micros();
            let allocations = own
                .allocations
                .map_or("not counted".to_owned(), |each| format!("{each:.4}"));
            writeln!(
                f,
                "{:<8} {:>9} {:>9} {:>9} {:>9} {:>8.3} % {:>12} {:>12}",
                own.name,
                at(50.0),
                at(99.0),
                at(99.9),
                own.max.as_micros(),
                own.late_share() * 100.0,
                own.latencies.len(),
                allocations
            )?;
        }
        if self.responders.iter().all(|own| own.allocations.is_none()) {
            writeln!(
                f,
                "(allocations are counted when built with --features count)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_responders_are_asked_and_answer() {
        let plan = Plan {
            exchanges: 80,
            busy: 0,
        };
        let figures = measure(plan).expect("answers");
        let names: Vec<&str> = figures.responders.iter().map(|own| own.name).collect();
        assert_eq!(names, ["reader", "thread", "task"]);
        assert_eq!(figures.responders[0].latencies.len(), 80);
        let json = figures.to_json();
        assert!(json["compare"]["task"]["max_us"].is_u64(), "{json}");
    }
}
