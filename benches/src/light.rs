//! The light link on simulated phones, sensors and rooms: time to a payload, failures, refusals, what a sample costs.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::report::Report;
use gettone_optical::sim::{App, Cell, End, Eye, Play, Run, Stray, Tier};
use gettone_optical::{Decoder, Palette, RefreshRate, Signal};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Deviations of the normal law within which 95 % lie.
const Z_95: f64 = 1.96;
/// Samples a second of the sensor that a decoder's cost is told for.
const SAMPLES_PER_S: f64 = 400.0;

/// A figure that has a name, and what it must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// A good phone, 60 Hz.
    Nominal,
    /// Night light, flicker, a swaying hand, a slow reader.
    Hard,
    /// The same with phones that go by their clock, on the ladder.
    HardClock,
    /// A display of 120 Hz and photodiodes on a converter.
    Fast,
    /// What no code has to survive, on the ladder.
    Torture,
    /// A conversion of 24 ms, on the ladder.
    Slow,
    /// A good phone in gentle colours.
    Gentle,
}

/// What a figure must be, in microseconds and shares.
struct Bounds {
    median_us: Option<u64>,
    p95_us: Option<u64>,
    failed: f64,
}

impl Figure {
    /// Which runs it is of.
    pub const fn cell(self) -> Cell {
        match self {
            Self::Nominal => Cell::usual(Tier::Nominal),
            Self::Hard => Cell::usual(Tier::Hard),
            Self::HardClock => Cell {
                app: Some(App::Clock),
                play: Play::Ladder,
                ..Cell::usual(Tier::Hard)
            },
            Self::Fast => Cell {
                rate: RefreshRate::HZ_120,
                eye: Eye::Photodiodes,
                ..Cell::usual(Tier::Nominal)
            },
            Self::Torture => Cell {
                app: None,
                play: Play::Ladder,
                ..Cell::usual(Tier::Torture)
            },
            Self::Slow => Cell {
                eye: Eye::SlowChip,
                play: Play::Ladder,
                ..Cell::usual(Tier::Nominal)
            },
            Self::Gentle => Cell {
                palette: Palette::Gentle,
                ..Cell::usual(Tier::Nominal)
            },
        }
    }

    const fn must(self) -> Option<Bounds> {
        let (median_us, p95_us, failed) = match self {
            Self::Nominal => (Some(1_400_000), Some(1_600_000), 0.002),
            Self::Hard => (Some(1_600_000), None, 0.03),
            Self::HardClock => (None, None, 0.04),
            Self::Fast => (Some(900_000), None, 0.01),
            // Refused in time, or read: no share of them has to be read.
            Self::Torture | Self::Slow => (None, None, 1.0),
            Self::Gentle => return None,
        };
        Some(Bounds {
            median_us,
            p95_us,
            failed,
        })
    }
}

/// Which runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The figure that they are of; none once anything about its cell is another.
    pub figure: Option<Figure>,
    /// What all of them have in common.
    pub cell: Cell,
    /// How many.
    pub runs: u64,
    /// The first one's seed; the others follow.
    pub first_seed: u64,
}

/// Plays and reads every run.
///
/// # Errors
/// None that it knows of: it uses nothing but the processor.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    note_cell(&mut conditions, &plan.cell);
    note_seeds(&mut conditions, plan.first_seed, plan.runs);
    let (mut times_us, mut costs_us, mut failed, mut wrong) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut refusals, mut late) = (Refusals::default(), 0_u64);
    for seed in plan.first_seed..plan.first_seed.saturating_add(plan.runs) {
        let samples = plan.cell.samples(seed);
        let sent = Cell::payload(seed);
        let begun_ns = busy_ns();
        let run = plan.cell.read(&samples, &sent);
        if let Some(spent_ns) = begun_ns.zip(busy_ns()).map(|(begun, ended)| ended - begun) {
            costs_us.push(spent_ns / 1e3 / f64::from(run.samples.max(1)));
        }
        match run.end {
            End::Read { elapsed_us } => times_us.push(elapsed_us),
            End::Late { .. } => {
                failed.push(seed);
                late += 1;
            }
            End::Failed => {
                failed.push(seed);
                refusals.take(&run);
            }
            End::Wrong => wrong.push(seed),
        }
    }
    conditions.note_load_after();
    let mut report = Report::new("light", conditions);
    times_us.sort_unstable();
    let runs = plan.runs as f64;
    for (name, share) in [
        ("median_s", 0.5),
        ("p95_s", 0.95),
        ("p99_s", 0.99),
        ("max_s", 1.0),
    ] {
        report.add(name, at(&times_us, share).map(|us| us as f64 / 1e6));
    }
    report.add("read", times_us.len());
    add_share(&mut report, "failed", failed.len() as f64, runs);
    report.add(
        "failed_seeds",
        failed.iter().take(50).copied().collect::<Vec<u64>>(),
    );
    report.add("failed_but_read_later", late);
    add_share(&mut report, "wrong", wrong.len() as f64, runs);
    report.add("wrong_seeds", wrong.clone());
    refusals.tell(&mut report);
    costs_us.sort_unstable_by(f64::total_cmp);
    if let Some(cost_us) = costs_us.get(costs_us.len() / 2) {
        report.add("us_per_sample", round(*cost_us));
        report.add(
            "core_percent_at_400_hz",
            round(cost_us * SAMPLES_PER_S / 1e4),
        );
    }
    if let Some(must) = plan.figure.and_then(Figure::must) {
        let is_quick = |most_us: Option<u64>, share| {
            most_us.is_none_or(|most_us| at(&times_us, share).is_some_and(|us| us <= most_us))
        };
        let is_met = is_quick(must.median_us, 0.5)
            && is_quick(must.p95_us, 0.95)
            && (failed.len() as f64) <= must.failed * runs
            && wrong.is_empty()
            && refusals.are_in_time(plan.cell.play);
        report.add("is_what_it_must_be", is_met);
    }
    Ok(report)
}

/// Looks for payloads that nobody showed, each light in its turn.
///
/// # Errors
/// None that it knows of: it uses nothing but the processor.
pub fn stray(runs: u64, first_seed: u64) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    note_seeds(&mut conditions, first_seed, runs);
    let mut lights: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    let mut misread = Vec::new();
    for seed in first_seed..first_seed.saturating_add(runs) {
        let place = usize::try_from(seed % Stray::ALL.len() as u64).unwrap_or(0);
        let (looked, wrong) = lights.entry(place).or_default();
        *looked += 1;
        if Stray::ALL[place].is_misread(seed) {
            *wrong += 1;
            misread.push(seed);
        }
    }
    conditions.note_load_after();
    let mut report = Report::new("light-stray", conditions);
    add_share(&mut report, "wrong", misread.len() as f64, runs as f64);
    report.add("wrong_seeds", misread);
    let of_each: Map<String, Value> = lights
        .into_iter()
        .map(|(place, (looked, wrong))| {
            let figures = json!({"looked": looked, "wrong": wrong});
            (Stray::ALL[place].to_string(), figures)
        })
        .collect();
    report.beside("each light", of_each);
    Ok(report)
}

/// How failed runs were refused.
#[derive(Default)]
struct Refusals {
    reasons: BTreeMap<String, u64>,
    untold: u64,
    latest_us: u64,
    latest_without_signal_us: u64,
    is_late: bool,
}

impl Refusals {
    fn take(&mut self, run: &Run) {
        let Some((spent_us, _)) = run.refused else {
            self.untold += 1;
            return;
        };
        *self.reasons.entry(run.told.to_string()).or_default() += 1;
        self.latest_us = self.latest_us.max(spent_us);
        if run.signal == Signal::None {
            self.latest_without_signal_us = self.latest_without_signal_us.max(spent_us);
            self.is_late |= spent_us > gettone_optical::SIGNAL_MAX_US;
        }
        self.is_late |= spent_us > gettone_optical::TRIAL_MAX_US;
    }

    /// Three loops are over before a refusal is due; at the end of a ladder nobody may be left without one.
    const fn are_in_time(&self, play: Play) -> bool {
        match play {
            Play::ThreeLoops => !self.is_late,
            Play::Ladder => !self.is_late && self.untold == 0,
        }
    }

    fn tell(&self, report: &mut Report) {
        let reasons: Map<String, Value> = self
            .reasons
            .iter()
            .map(|(reason, count)| (reason.clone(), (*count).into()))
            .collect();
        report.add("refused", reasons);
        report.add("refusal_not_due", self.untold);
        report.add("first_refusal_max_s", self.latest_us as f64 / 1e6);
        let without_signal_s = self.latest_without_signal_us as f64 / 1e6;
        report.add("first_refusal_without_signal_max_s", without_signal_s);
    }
}

fn note_cell(conditions: &mut Conditions, cell: &Cell) {
    conditions.note("world", format!("{:?}", cell.world));
    conditions.note("tier", format!("{:?}", cell.tier));
    conditions.note("display_hz", cell.rate.hz());
    let app = cell
        .app
        .map_or("as drawn".to_owned(), |app| format!("{app:?}"));
    conditions.note("app", app);
    conditions.note("eye", format!("{:?}", cell.eye));
    conditions.note("palette", format!("{:?}", cell.palette));
    conditions.note("play", format!("{:?}", cell.play));
    if let Some(counts) = cell.swing {
        conditions.note("swing_counts", counts);
    }
    conditions.note("looked_s", cell.read_max_us() as f64 / 1e6);
    conditions.note("decoder_bytes_beside_the_heap", size_of::<Decoder>());
}

fn note_seeds(conditions: &mut Conditions, first: u64, runs: u64) {
    conditions.note("seeds", format!("{first}..{}", first.saturating_add(runs)));
    conditions.note("runs", runs);
}

fn at(sorted: &[u64], share: f64) -> Option<u64> {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().checked_sub(1)?)).copied()
}

/// Adds a count, its share, and the share's bounds.
fn add_share(report: &mut Report, name: &str, count: f64, runs: f64) {
    let (least, greatest) = bounds(count, runs.max(1.0));
    report.add(name, count as u64);
    report.add(&format!("{name}_95"), json!([least, greatest]));
}

/// Wilson's bounds of a share, with 95 %.
fn bounds(count: f64, runs: f64) -> (f64, f64) {
    let (share, z2) = (count / runs, Z_95 * Z_95);
    let middle = share + z2 / (2.0 * runs);
    let half = Z_95 * (share * (1.0 - share) / runs + z2 / (4.0 * runs * runs)).sqrt();
    let scale = 1.0 + z2 / runs;
    let digits = |share: f64| (share * 1e7).round() / 1e7;
    (
        digits(((middle - half) / scale).max(0.0)),
        digits((middle + half) / scale),
    )
}

fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// The time this thread has spent on a processor, where the system tells it: other programs do not count.
fn busy_ns() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_optical::sim::World;

    #[test]
    fn the_bounds_of_a_share_are_wilsons() {
        // Published: 0 of 10 is at most 0.2775, 5 of 10 lies in 0.2366 to 0.7634.
        let (least, greatest) = bounds(0.0, 10.0);
        assert!(
            least == 0.0 && (greatest - 0.2775).abs() < 1e-4,
            "{greatest}"
        );
        let (least, greatest) = bounds(5.0, 10.0);
        assert!((least - 0.2366).abs() < 1e-4 && (greatest - 0.7634).abs() < 1e-4);
    }

    #[test]
    fn a_run_is_the_same_each_time_and_its_report_says_what_it_is_of() {
        let plan = Plan {
            figure: Some(Figure::Nominal),
            cell: Figure::Nominal.cell(),
            runs: 3,
            first_seed: 40,
        };
        let [one, other] = [(); 2].map(|()| measure(&plan).expect("a report").to_json());
        assert_eq!(one["median_s"], other["median_s"]);
        assert_eq!(one["is_what_it_must_be"], true);
        assert_eq!(one["conditions"]["seeds"], "40..43");
        let stray = stray(10, 0).expect("a report").to_json();
        assert_eq!(stray["wrong"], 0);
    }

    #[test]
    fn a_figure_that_nobody_can_reach_is_not_met() {
        let plan = Plan {
            figure: Some(Figure::Nominal),
            cell: Cell {
                world: World::Stranger,
                tier: Tier::Torture,
                ..Figure::Nominal.cell()
            },
            runs: 3,
            first_seed: 0,
        };
        let report = measure(&plan).expect("a report").to_json();
        assert_eq!(report["is_what_it_must_be"], false);
    }
}
