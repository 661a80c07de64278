//! Vends that come when they come, whether or not the ones before are done: customers do not wait
//! for one another to be slow. A latency counts from the moment at which the vend was due, so a stall
//! is seen by everybody who came during it.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::latencies::Latencies;
use crate::medium::Medium;
use crate::report::Report;
use crate::settle::WARM_UP;
use crate::vends;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use gettone::{Answer, Engine, Failure, Pipeline, Settings};
use std::collections::VecDeque;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;
use tokio::sync::Notify;

/// How often it looks whether a vend is due, at the most; part of every latency.
pub const TICK: Duration = Duration::from_micros(200);
/// A vend that was sent this much after it was due is told as late.
pub const LATE: Duration = Duration::from_millis(1);
/// Vends under way at once; one that comes beyond them is not sent, and told.
pub const UNDER_WAY_MAX: usize = 1 << 18;
/// Records of a plain vend: its hold, and its sale that ends it.
const RECORDS_PER_VEND: u64 = 2;
/// How long the last ones may take.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Vends each second.
    pub rate: NonZeroU32,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// Time between two snapshots, as far as vends come as offered; none: only those that fall due.
    pub snapshots_every: Duration,
    /// On what.
    pub medium: Medium,
    /// Who buys where.
    pub demand: Demand,
}

/// Runs the plan: money into every wallet first, then a warm-up at the same rate, then what counts.
///
/// # Errors
/// `Fault` when a store, the engine or a vend fails.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    let (store, place, compare) = plan.medium.open(&mut conditions)?;
    conditions.note("offered_per_s", plan.rate.get());
    conditions.note("seconds", plan.span.as_secs());
    conditions.note("wallets", plan.demand.wallets());
    conditions.note("hot_percent", plan.demand.hot_percent());
    conditions.note("tick_us", u64::try_from(TICK.as_micros()).unwrap_or(0));
    conditions.note("latency", "from the moment at which the vend was due");
    let engine = Engine::start(store, plan.settings(), &mut |_, _| {})?;
    let runtime = vends::runtime()?;
    let ran = runtime.block_on(async {
        let wallets = 0..plan.demand.wallets();
        vends::open(&engine, wallets.clone()).await?;
        vends::fund(&engine, wallets).await?;
        let before = engine.metrics().snapshots;
        let ran = run(&engine, plan).await?;
        conditions.note("snapshots", engine.metrics().snapshots - before);
        Ok::<_, Fault>(ran)
    })?;
    runtime.block_on(engine.shutdown())?;
    drop(place);
    conditions.note_load_after();
    Ok(ran.report(conditions, compare))
}

impl Plan {
    fn settings(&self) -> Settings {
        let default = Settings::default();
        let records =
            RECORDS_PER_VEND * u64::from(self.rate.get()) * self.snapshots_every.as_secs();
        Settings {
            snapshot_every: NonZeroU64::new(records).or(default.snapshot_every),
            ..default
        }
    }
}

/// What became of the vends.
#[derive(Debug, Default)]
struct Ran {
    times: Vec<Duration>,
    late: Vec<Duration>,
    not_sent: u64,
    unanswered: u64,
    refused_busy: u64,
    span: Duration,
}

impl Ran {
    fn report(self, conditions: Conditions, compare: Vec<Figures>) -> Report {
        let answered = self.times.len();
        let figures = Figures {
            name: "open-loop",
            conditions,
            vends: Some(answered as f64),
            latencies: self.times.into_iter().collect(),
            replies: Latencies::default(),
            flushes: None,
            bytes_per_vend: None,
            span: self.span,
            compare,
        };
        let mut report = Report::from(figures);
        report.add("answered", answered);
        report.add("not_sent", self.not_sent);
        report.add("unanswered", self.unanswered);
        report.add("busy", self.refused_busy);
        let sent_late = self.late.iter().filter(|late| **late > LATE).count();
        report.add("sent_late", sent_late);
        let late: Latencies = self.late.into_iter().collect();
        for (figure, time) in [("late_p99_us", late.at(99.0)), ("late_max_us", late.most())] {
            if let Some(time) = time {
                report.add(figure, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            }
        }
        report
    }
}

/// When each vend is due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    begin: Instant,
    rate: u64,
    /// The first one that counts, and the first one after the last.
    counted: (u64, u64),
}

impl Schedule {
    fn new(plan: &Plan) -> Self {
        let rate = u64::from(plan.rate.get());
        let vends = |span: Duration| {
            let nanos = u128::from(rate) * span.as_nanos() / 1_000_000_000;
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        Self {
            begin: Instant::now() + TICK,
            rate,
            counted: (vends(WARM_UP), vends(WARM_UP + plan.span)),
        }
    }

    fn due(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        self.begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn counts(&self, number: u64) -> bool {
        (self.counted.0..self.counted.1).contains(&number)
    }
}

async fn run(engine: &Engine, plan: &Plan) -> Result<Ran, Fault> {
    let mut pipeline = engine.pipeline();
    let mut ran = Ran {
        span: plan.span,
        ..Ran::default()
    };
    let mut answers: Vec<Answer> = Vec::new();
    let mut unsent = VecDeque::new();
    let (mut next, mut under_way) = (0, 0_usize);
    let schedule = Schedule::new(plan);
    let clock = Ticker::begin(schedule);
    let over = schedule.due(schedule.counted.1) + DRAIN_MAX;
    loop {
        let now = Instant::now();
        while next < schedule.counted.1 && schedule.due(next) <= now {
            if under_way < UNDER_WAY_MAX {
                pipeline.push(next * 2, vends::begin(plan.demand, next));
                unsent.push_back(next);
                under_way += 1;
            } else if schedule.counts(next) {
                ran.not_sent += 1;
            }
            next += 1;
        }
        match pipeline.send() {
            Ok(()) => {
                let now = Instant::now();
                let counted = unsent.drain(..).filter(|number| schedule.counts(*number));
                ran.late
                    .extend(counted.map(|number| now.duration_since(schedule.due(number))));
            }
            Err(Failure::Busy { .. }) => ran.refused_busy += 1,
            Err(failure) => return Err(Fault::call("vending")(failure)),
        }
        if next == schedule.counted.1 && (under_way == 0 || now > over) {
            let left = under_way as u64;
            ran.unanswered = left;
            return Ok(ran);
        }
        clock.or_answers(&mut pipeline, &mut answers).await;
        let now = Instant::now();
        for answer in answers.drain(..) {
            answer.outcome.map_err(Fault::call("vending"))?;
            let number = answer.tag / 2;
            if answer.tag % 2 == 0 {
                pipeline.push(answer.tag + 1, vends::finish(plan.demand, number));
                continue;
            }
            under_way = under_way.saturating_sub(1);
            if schedule.counts(number) {
                ran.times.push(now.duration_since(schedule.due(number)));
            }
        }
    }
}

/// Wakes the sender whenever a vend is due, from a thread of its own: an async timer counts in
/// milliseconds.
struct Ticker {
    tick: Arc<Notify>,
    over: Arc<AtomicBool>,
}

impl Ticker {
    fn begin(schedule: Schedule) -> Self {
        let ticker = Self {
            tick: Arc::new(Notify::new()),
            over: Arc::new(AtomicBool::new(false)),
        };
        let (tick, over) = (Arc::clone(&ticker.tick), Arc::clone(&ticker.over));
        thread::spawn(move || {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                let now = Instant::now();
                let wait = schedule.due(number).saturating_duration_since(now);
                thread::sleep(wait.max(TICK));
                let elapsed = schedule.begin.elapsed().as_nanos();
                let due = elapsed * u128::from(schedule.rate) / 1_000_000_000;
                number = u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1);
                tick.notify_one();
            }
        });
        ticker
    }

    /// Waits for whichever comes first.
    async fn or_answers(&self, pipeline: &mut Pipeline, answers: &mut Vec<Answer>) {
        // With nothing in flight it would answer at once that there is nothing.
        if pipeline.in_flight() == 0 {
            return self.tick.notified().await;
        }
        let mut ticked = pin!(self.tick.notified());
        let mut answered = pin!(pipeline.answers(answers));
        poll_fn(|context| {
            let answered = answered.as_mut().poll(context).is_ready();
            if answered || ticked.as_mut().poll(context).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vend_that_was_offered_is_answered_or_told() {
        let plan = Plan {
            rate: NonZeroU32::new(2_000).expect("not zero"),
            span: Duration::from_millis(250),
            snapshots_every: Duration::from_secs(1),
            medium: Medium::Memory,
            demand: Demand::new(100, 90),
        };
        let report = measure(&plan).expect("runs");
        let count = |figure| report.figure(figure).and_then(serde_json::Value::as_u64);
        let told = [count("answered"), count("not_sent"), count("unanswered")];
        let told: u64 = told.into_iter().flatten().sum();
        assert_eq!(told, 500, "{report}");
    }

    #[test]
    fn vends_are_due_evenly_and_never_before_their_time() {
        let schedule = Schedule {
            begin: Instant::now(),
            rate: 3,
            counted: (3, 6),
        };
        let after = |number| schedule.due(number).duration_since(schedule.begin);
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(1), Duration::from_nanos(333_333_333));
        assert_eq!(after(3), Duration::from_secs(1));
        assert!(!schedule.counts(2) && schedule.counts(3) && !schedule.counts(6));
    }
}
