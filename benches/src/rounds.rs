//! Several contenders in turn, again and again: whatever the machine does meanwhile, it does to all
//! of them. Figures are those of each one's median round; a ratio is the median of the rounds'.

use crate::fault::Fault;
use crate::figures::{Figures, round};
use crate::report::Report;
use core::cmp::Ordering;
use serde_json::{Map, Value};

/// Somebody who can be measured again and again.
pub trait Contender {
    /// What it is called in the figures.
    fn name(&self) -> &'static str;

    /// Runs once, and rests afterwards: while others run it does nothing.
    ///
    /// # Errors
    /// `Fault` when it fails, or its books do not balance.
    fn run(&mut self) -> Result<Figures, Fault>;

    /// How it was run, in its own words.
    fn notes(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// Runs all of them in turn, `rounds` times, and sets the others beside the first one.
///
/// # Errors
/// `Fault` when one fails.
pub fn compare(
    own: &mut dyn Contender,
    peers: &mut [Box<dyn Contender>],
    rounds: usize,
) -> Result<Report, Fault> {
    let mut owns = Vec::new();
    let mut others: Vec<Vec<Figures>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds.max(1) {
        owns.push(own.run()?);
        for (peer, runs) in peers.iter_mut().zip(&mut others) {
            runs.push(peer.run()?);
        }
    }
    let mut compared = Vec::new();
    for (peer, runs) in peers.iter().zip(&others) {
        let mut figures = keys_of(runs);
        let ratios = owns.iter().zip(runs).filter_map(|(own, peer)| {
            let ratio = own.vends_per_s()? / peer.vends_per_s()?;
            ratio.is_finite().then_some(ratio)
        });
        if let Some(ratio) = median(ratios.collect(), f64::total_cmp) {
            figures.insert("ratio".to_owned(), round(ratio, 2));
        }
        for (what, value) in peer.notes() {
            figures.insert(what.to_owned(), value);
        }
        compared.push((peer.name(), figures));
    }
    let span = span_of(&owns);
    let middle = median(owns, slower).ok_or_else(|| Fault::call("comparing")("no round ran"))?;
    let mut report = Report::from(middle);
    report.add("rounds", rounds.max(1));
    report.add("vends_per_s_rounds", span);
    for (name, figures) in compared {
        report.beside(name, figures);
    }
    Ok(report)
}

/// The keys of the median run, and the rates of all.
fn keys_of(runs: &[Figures]) -> Map<String, Value> {
    let mut keys = median(runs.to_vec(), slower).map_or_else(Map::new, |middle| middle.keys());
    keys.remove("name");
    keys.insert("vends_per_s_rounds".to_owned(), span_of(runs));
    keys
}

/// The rates in the order in which they were run.
fn span_of(runs: &[Figures]) -> Value {
    let rates = runs.iter().filter_map(Figures::vends_per_s);
    rates.map(|rate| round(rate, 0)).collect()
}

fn slower(one: &Figures, other: &Figures) -> Ordering {
    let rate = |figures: &Figures| figures.vends_per_s().unwrap_or(0.0);
    rate(one).total_cmp(&rate(other))
}

/// The middle one; of an even number the smaller of the two.
fn median<T>(mut all: Vec<T>, order: impl FnMut(&T, &T) -> Ordering) -> Option<T> {
    all.sort_by(order);
    let middle = all.len().checked_sub(1)? / 2;
    Some(all.swap_remove(middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conditions;
    use core::time::Duration;

    struct Scripted(&'static str, Vec<f64>);

    impl Contender for Scripted {
        fn name(&self) -> &'static str {
            self.0
        }

        fn run(&mut self) -> Result<Figures, Fault> {
            Ok(Figures {
                name: self.0,
                conditions: Conditions::of_this_machine(),
                vends: Some(self.1.remove(0)),
                latencies: [Duration::from_micros(7)].into_iter().collect(),
                replies: crate::Latencies::default(),
                flushes: None,
                bytes_per_vend: None,
                span: Duration::from_secs(1),
                compare: Vec::new(),
            })
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() {
        let mut own = Scripted("settle", vec![100.0, 900.0, 300.0]);
        let peer = Scripted("peer", vec![10.0, 30.0, 100.0]);
        let report = compare(&mut own, &mut [Box::new(peer)], 3).expect("runs");
        let report = report.to_json();
        assert_eq!(report["vends_per_s"], 300);
        assert_eq!(report["compare"]["peer"]["vends_per_s"], 30);
        assert_eq!(report["compare"]["peer"]["ratio"], 10.0);
        assert_eq!(
            report["compare"]["peer"]["vends_per_s_rounds"],
            serde_json::json!([10, 30, 100])
        );
    }
}
