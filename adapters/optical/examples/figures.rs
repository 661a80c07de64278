//! Measures the light link on simulated channels: time to payload, failures, cost, causes.
//!
//! `cargo run --release -p gettone-optical --example figures -- [nominal|hard|torture] [counter|clock|drawn] [SEEDS] [FIRST] [HZ] [chip|photodiodes|slow|stranger] [loop|ladder] [causes]`

use gettone_optical::sim::{App, Channel, Eye, Random, Stranger, Tier, Trouble};
use gettone_optical::{
    Decoded, Decoder, Kind, LOOP_SYMBOLS, Payload, RefreshRate, Rgb, Sample, encode_at, ladder_at,
};
use std::collections::BTreeMap;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |place: usize, usual: &str| words.get(place).map_or(usual.to_owned(), Clone::clone);
    let tier = match word(0, "nominal").as_str() {
        "hard" => Tier::Hard,
        "torture" => Tier::Torture,
        _ => Tier::Nominal,
    };
    let eye = match word(5, "chip").as_str() {
        "photodiodes" => Eye::Photodiodes,
        "slow" => Eye::SlowChip,
        _ => Eye::Chip,
    };
    let strange = word(5, "chip") == "stranger";
    let ladder = word(6, "loop") == "ladder";
    let causes = word(7, "") == "causes";
    let app = match word(1, "counter").as_str() {
        "clock" => Some(App::Clock),
        "drawn" => None,
        _ => Some(App::Counter),
    };
    let seeds: u64 = word(2, "1000").parse().expect("SEEDS is a number");
    let first: u64 = word(3, "0").parse().expect("FIRST is a number");
    let hz: u16 = word(4, "60").parse().expect("HZ is a number");
    let rate = RefreshRate::new(hz).expect("HZ is 24 to 240");
    let loop_us = LOOP_SYMBOLS as u64 * rate.frames_per_symbol() as u64 * 1_000_000 / u64::from(hz);

    let watched_us = if ladder { 7 * loop_us } else { 3 * loop_us } + loop_us / 50;
    let see = |seed: u64, frames: &[Rgb], without: Option<Trouble>| -> Vec<Sample> {
        let samples: Box<dyn Iterator<Item = Sample>> = if strange {
            let mut channel = Stranger::new(seed, tier, rate);
            if let Some(app) = app {
                channel = channel.with_app(app);
            }
            Box::new(channel.play(frames))
        } else {
            let mut channel = Channel::new(seed, tier, rate).with_eye(eye);
            if let Some(app) = app {
                channel = channel.with_app(app);
            }
            if let Some(trouble) = without {
                channel = channel.without(trouble);
            }
            Box::new(channel.play(frames))
        };
        let mut begin_us = None;
        samples
            .take_while(|sample| sample.t_us - *begin_us.get_or_insert(sample.t_us) <= watched_us)
            .collect()
    };

    let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
    let mut by: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut times, mut failed, mut wrong, mut first_missed) =
        (Vec::new(), Vec::new(), 0, Vec::new());
    let mut costs = Vec::new();
    for seed in first..first + seeds {
        let mut random = Random::new(seed ^ 0x5EED);
        let secret = [(); 10].map(|()| random.bits() as u8);
        let payload = Payload::new(Kind::Pairing, secret);
        let frames = if ladder {
            ladder_at(&payload, rate)
        } else {
            encode_at(&payload, rate)
        };
        let samples = see(seed, &frames, None);
        let begun_ns = busy_ns();
        let (decoded, pushes, told) = decode(&samples);
        costs.push((busy_ns() - begun_ns) / 1e3 / f64::from(pushes));
        match decoded {
            Some(decoded) if decoded.payload == payload => {
                if decoded.elapsed_us > loop_us * 11 / 10 {
                    first_missed.push(seed);
                }
                times.push(decoded.elapsed_us);
            }
            Some(_) => wrong += 1,
            None => {
                *refusals.entry(told).or_default() += 1;
                failed.push(seed);
                if causes {
                    let mut alone = 0;
                    for trouble in Trouble::ALL {
                        if decode(&see(seed, &frames, Some(trouble))).0.is_some() {
                            by.entry(format!("{trouble:?}")).or_default().push(seed);
                            alone += 1;
                        }
                    }
                    if alone == 0 {
                        by.entry("several".to_owned()).or_default().push(seed);
                    }
                }
            }
        }
    }
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times
            .get(place.min(times.len().saturating_sub(1)))
            .map_or(f64::NAN, |us| *us as f64 / 1e6)
    };
    println!(
        "seeds {first}..{} | decoded {} | median {:.3} s | p95 {:.3} s | p99 {:.3} s | max {:.3} s",
        first + seeds,
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    println!(
        "later than 1.1 loops {} {:?}",
        first_missed.len(),
        &first_missed[..first_missed.len().min(10)]
    );
    println!(
        "failed {} = {:.2} % {refusals:?} {:?}",
        failed.len(),
        100.0 * failed.len() as f64 / seeds as f64,
        &failed[..failed.len().min(100)]
    );
    let (least, greatest) = bounds(failed.len() as f64, seeds as f64);
    println!(
        r#"{{"first_seed": {first}, "runs": {seeds}, "median_s": {:.3}, "p95_s": {:.3}, "failed": {}, "failed_95": [{least:.5}, {greatest:.5}], "wrong": {wrong}}}"#,
        at(0.5),
        at(0.95),
        failed.len()
    );
    for (trouble, seeds) in by {
        println!("  {:3} {trouble} {seeds:?}", seeds.len());
    }
    costs.sort_unstable_by(f64::total_cmp);
    println!(
        "wrong {wrong} | {:.2} us per sample in the median run",
        costs[costs.len() / 2]
    );
}

/// Returns Wilson's bounds of a share, with 95 %.
fn bounds(failed: f64, runs: f64) -> (f64, f64) {
    let (share, z2) = (failed / runs, 1.96 * 1.96);
    let middle = share + z2 / (2.0 * runs);
    let half = 1.96 * (share * (1.0 - share) / runs + z2 / (4.0 * runs * runs)).sqrt();
    let scale = 1.0 + z2 / runs;
    (((middle - half) / scale).max(0.0), (middle + half) / scale)
}

fn decode(samples: &[Sample]) -> (Option<Decoded>, u32, String) {
    let mut decoder = Decoder::new();
    let mut pushes = 0;
    for sample in samples {
        pushes += 1;
        if let Some(decoded) = decoder.push(*sample) {
            return (Some(decoded), pushes, String::new());
        }
    }
    (None, pushes, decoder.progress().to_string())
}

/// Returns the time this thread has spent on a processor: other programs on the machine do not count.
fn busy_ns() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| {
            text.split_whitespace()
                .next()
                .and_then(|ns| ns.parse().ok())
        })
        .unwrap_or(f64::NAN)
}
