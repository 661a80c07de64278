//! Draws the light link: the eye of the channel, time to payload, failures against signal and by cause, the loop itself.
//!
//! `cargo run --release -p gettone-optical --example plots -- [FOLDER] [RUNS]`

use gettone_optical::sim::{App, Channel, Random, Tier, Trouble};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, Sample, colours, encode};
use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
/// Room for the axes.
const LEFT: f64 = 56.0;
const LOW: f64 = 36.0;
/// Rows of the eye: fewer loops than the display's own rate drifts by.
const EYE_ROWS: usize = 300;
/// Three loops at 60 Hz, in microseconds.
const WATCHED_US: u64 = 3_990_000;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = words.first().map_or("docs/pictures", String::as_str);
    let runs = words
        .get(1)
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(300);
    for (name, picture) in [
        ("light-loop", the_loop()),
        ("light-eye", eye()),
        ("light-time", time(runs)),
        ("light-signal", signal(runs / 4)),
        ("light-causes", causes(5 * runs)),
    ] {
        let path = Path::new(folder).join(name).with_extension("svg");
        std::fs::write(&path, picture)?;
        println!("{}", path.display());
    }
    Ok(())
}

fn payload(seed: u64) -> Payload {
    let mut random = Random::new(seed ^ 0x5EED);
    Payload::new(Kind::Pairing, [(); 10].map(|()| random.bits() as u8))
}

fn watched(samples: impl Iterator<Item = Sample>) -> Vec<Sample> {
    let mut begin_us = None;
    samples
        .take_while(|sample| sample.t_us - *begin_us.get_or_insert(sample.t_us) <= WATCHED_US)
        .collect()
}

/// Seconds to the payload that was sent.
fn read(samples: &[Sample], sent: Payload) -> Option<f64> {
    let mut decoder = Decoder::new();
    samples
        .iter()
        .find_map(|sample| decoder.push(*sample))
        .filter(|decoded| decoded.payload == sent)
        .map(|decoded| decoded.elapsed_us as f64 / 1e6)
}

fn channel(seed: u64, tier: Tier) -> Channel {
    Channel::new(seed, tier, RefreshRate::HZ_60).with_app(App::Counter)
}

/// One loop, so slow that it is no flash.
fn the_loop() -> String {
    let loop_of = colours(&payload(1));
    let seconds = loop_of.len() as f64 * 0.7;
    let fill = |bits: u8| {
        [
            "#000", "#00f", "#0f0", "#0ff", "#f00", "#f0f", "#ff0", "#fff",
        ][usize::from(bits)]
    };
    let values: Vec<&str> = loop_of.iter().map(|colour| fill(colour.bits())).collect();
    let mut svg = open(WIDTH, 76.0);
    for (place, value) in values.iter().enumerate() {
        let x = 70.0 + place as f64 * 7.1;
        let _ = write!(
            svg,
            "<rect x='{x:.1}' y='8' width='7' height='60' fill='{value}'/>"
        );
    }
    let _ = write!(
        svg,
        "<rect x='8' y='12' width='52' height='52' stroke='#888'><animate attributeName='fill' calcMode='discrete' dur='{seconds:.1}s' repeatCount='indefinite' values='{}'/></rect></svg>",
        values.join(";")
    );
    svg
}

/// Rows of one channel, folded over two symbols.
fn eye() -> String {
    let mut svg = axes(
        "one sensor without a dimming wave, three channels: counts over two symbols of 16.7 ms",
        "0 ms",
        "33 ms",
    );
    let samples = watched(
        channel(11, Tier::Nominal)
            .without(Trouble::Dimming)
            .play(&encode(&payload(11))),
    );
    let most = samples
        .iter()
        .map(|sample| sample.r.max(sample.g).max(sample.b))
        .max()
        .unwrap_or(1);
    let begin_us = samples.first().map_or(0, |sample| sample.t_us);
    for (channel, colour) in ["#c22", "#292", "#22c"].into_iter().enumerate() {
        let dots: String = samples
            .iter()
            .take(EYE_ROWS)
            .map(|sample| {
                let phase = ((sample.t_us - begin_us) as f64 / 33_333.0).fract();
                let count = [sample.r, sample.g, sample.b][channel];
                let (x, y) = at(phase, f64::from(count) / f64::from(most));
                format!("M{x:.0} {y:.0}h0")
            })
            .collect();
        let _ = write!(
            svg,
            "<path d='{dots}' stroke='{colour}' stroke-width='3' stroke-linecap='round' stroke-opacity='.5'/>"
        );
    }
    svg + "</svg>"
}

/// Share of phones read, by the time since first light.
fn time(runs: u64) -> String {
    let mut svg = axes(
        "share of phones read, by time since first light",
        "0 s",
        "4 s",
    );
    for (place, (tier, colour, name)) in [
        (Tier::Nominal, "#292", "nominal"),
        (Tier::Hard, "#c22", "hard"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut times: Vec<f64> = (0..runs)
            .filter_map(|seed| {
                read(
                    &watched(channel(seed, tier).play(&encode(&payload(seed)))),
                    payload(seed),
                )
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let points: Vec<String> = times
            .iter()
            .enumerate()
            .map(|(count, seconds)| {
                let (x, y) = at(seconds / 4.0, (count + 1) as f64 / runs.max(1) as f64);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            svg,
            "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{}'/>",
            points.join(" ")
        );
        label(&mut svg, 470.0, 200.0 + 20.0 * place as f64, colour, name);
    }
    label(&mut svg, 470.0, 250.0, "#555", &format!("{runs} runs each"));
    svg + "</svg>"
}

/// Failures of an otherwise nominal channel whose swing is scaled down.
fn signal(runs: u64) -> String {
    let swings = [200.0, 100.0, 50.0, 25.0, 16.0, 12.0, 10.0, 8.0, 6.0, 4.0];
    let mut svg = axes(
        "failures after three loops against the white swing, in counts",
        "",
        "",
    );
    let points: Vec<String> = swings
        .iter()
        .enumerate()
        .map(|(place, swing)| {
            let failed = (0..runs)
                .filter(|seed| {
                    let lit = channel(*seed, Tier::Nominal).with_swing(*swing);
                    read(&watched(lit.play(&encode(&payload(*seed)))), payload(*seed)).is_none()
                })
                .count();
            let (x, y) = at(
                place as f64 / (swings.len() - 1) as f64,
                failed as f64 / runs.max(1) as f64,
            );
            let _ = write!(
                svg,
                "<text x='{x:.0}' y='{:.0}' text-anchor='middle'>{swing}</text>",
                HEIGHT - 6.0
            );
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let _ = write!(
        svg,
        "<polyline fill='none' stroke='#22c' stroke-width='2' points='{}'/>",
        points.join(" ")
    );
    label(
        &mut svg,
        100.0,
        60.0,
        "#555",
        &format!("{runs} runs a point"),
    );
    svg + "</svg>"
}

/// Which one trouble, taken away, lets a failed run be read.
fn causes(runs: u64) -> String {
    let (mut counts, mut failed) = ([0_usize; Trouble::ALL.len()], 0);
    for seed in 0..runs {
        let sent = payload(seed);
        let frames = encode(&sent);
        if read(&watched(channel(seed, Tier::Hard).play(&frames)), sent).is_some() {
            continue;
        }
        failed += 1;
        for (trouble, count) in Trouble::ALL.into_iter().zip(&mut counts) {
            let mended = channel(seed, Tier::Hard).without(trouble);
            *count += usize::from(read(&watched(mended.play(&frames)), sent).is_some());
        }
    }
    let mut svg = open(WIDTH, HEIGHT);
    label(
        &mut svg,
        8.0,
        18.0,
        "#333",
        &format!("hard: {failed} of {runs} runs failed; how many are read without"),
    );
    for (place, (trouble, count)) in Trouble::ALL.into_iter().zip(counts).enumerate() {
        let y = 40.0 + 18.0 * place as f64;
        label(&mut svg, 8.0, y, "#333", &format!("{trouble:?}"));
        let width = 440.0 * count as f64 / f64::from(failed.max(1));
        let _ = write!(
            svg,
            "<rect x='140' y='{:.0}' width='{width:.1}' height='12' fill='#c22'/>",
            y - 10.0
        );
        label(&mut svg, 146.0 + width, y, "#555", &count.to_string());
    }
    svg + "</svg>"
}

fn open(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' font-family='sans-serif' font-size='12'><rect width='100%' height='100%' fill='#fff'/>"
    )
}

fn axes(title: &str, from: &str, to: &str) -> String {
    let mut svg = open(WIDTH, HEIGHT);
    let ((x0, y0), (x1, y1)) = (at(0.0, 0.0), at(1.0, 1.0));
    let _ = write!(
        svg,
        "<path d='M{x0} {y1}V{y0}H{x1}' fill='none' stroke='#333'/>"
    );
    for share in [0.0, 0.5, 1.0] {
        let y = at(0.0, share).1;
        label(
            &mut svg,
            14.0,
            y + 4.0,
            "#333",
            &format!("{:.0} %", 100.0 * share),
        );
    }
    label(&mut svg, x0, 16.0, "#333", title);
    label(&mut svg, x0, HEIGHT - 20.0, "#333", from);
    label(&mut svg, x1 - 24.0, HEIGHT - 20.0, "#333", to);
    svg
}

fn label(svg: &mut String, x: f64, y: f64, colour: &str, text: &str) {
    let _ = write!(
        svg,
        "<text x='{x:.0}' y='{y:.0}' fill='{colour}'>{text}</text>"
    );
}

fn at(x: f64, y: f64) -> (f64, f64) {
    (
        LEFT + x.clamp(0.0, 1.0) * (WIDTH - LEFT - 16.0),
        HEIGHT - LOW - y.clamp(0.0, 1.0) * (HEIGHT - LOW - 28.0),
    )
}
