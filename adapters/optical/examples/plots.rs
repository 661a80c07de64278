//! Draws the light link: the eye of the channel, time to payload, failures against signal and by cause, the loop itself.
//!
//! `cargo run --release -p gettone-optical --example plots -- [FOLDER] [RUNS]`

use gettone_optical::sim::{App, Cell, Channel, End, Tier, Trouble};
use gettone_optical::{Palette, RefreshRate, Sample, colours, encode};
use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
/// Room for the axes.
const LEFT: f64 = 56.0;
const LOW: f64 = 36.0;
/// Rows of the eye.
const EYE_ROWS: usize = 900;
/// Symbol lengths that the eye is folded by, until it is as open as it gets: a display's rate is off by so much.
const EYE_US: (u64, u64) = (16_500, 16_833);
/// Parts of two symbols in which the rows of an eye are compared.
const EYE_BINS: usize = 24;

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

/// Seconds to the payload that was sent.
fn seconds(cell: &Cell, seed: u64) -> Option<f64> {
    match cell.read(&cell.samples(seed), &Cell::payload(seed)).end {
        End::Read { elapsed_us } => Some(elapsed_us as f64 / 1e6),
        End::Late { .. } | End::Failed | End::Wrong => None,
    }
}

/// One loop, so slow that it is no flash.
fn the_loop() -> String {
    let loop_of = colours(&Cell::payload(1));
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

/// One sensor's counts, folded by the length of a symbol: a band at each level a channel has, and the changes between them.
fn eye() -> String {
    let samples: Vec<Sample> = Channel::new(11, Tier::Nominal, RefreshRate::HZ_60)
        .with_app(App::Counter)
        .without(Trouble::Dimming)
        .without(Trouble::MissedRefresh)
        .play(&encode(&Cell::payload(11)))
        .take(EYE_ROWS)
        .collect();
    let begin_us = samples.first().map_or(0, |sample| sample.t_us);
    let rows: Vec<(u64, [u16; 3])> = samples
        .iter()
        .map(|sample| (sample.t_us - begin_us, [sample.r, sample.g, sample.b]))
        .collect();
    // The right length keeps the changes in few places.
    let (least, greatest) = EYE_US;
    let length_us = (least..=greatest)
        .step_by(3)
        .max_by(|a, b| unevenness(&rows, *a).total_cmp(&unevenness(&rows, *b)))
        .unwrap_or(greatest);
    let changes = changes_at(&rows, length_us);
    let most = (0..EYE_BINS)
        .max_by(|a, b| changes[*a].total_cmp(&changes[*b]))
        .unwrap_or(0);
    let shift = 1.0 - most as f64 / EYE_BINS as f64;
    let mut svg = open(WIDTH, 3.0 * EYE_HEIGHT + 44.0);
    label(
        &mut svg,
        LEFT,
        16.0,
        "#333",
        "counts of one sensor (seed 11, no dimming wave), two symbols wide",
    );
    for (channel, (colour, name)) in [("#c22", "red"), ("#292", "green"), ("#22c", "blue")]
        .into_iter()
        .enumerate()
    {
        let top = 26.0 + channel as f64 * EYE_HEIGHT;
        let bottom = top + EYE_HEIGHT - 14.0;
        let counts = || rows.iter().map(|(_, counts)| counts[channel]);
        let most = counts().max().unwrap_or(1).max(1);
        let mut dots = String::new();
        for (t_us, counts) in &rows {
            let phase = (*t_us as f64 / length_us as f64 + shift).fract();
            let y = bottom - f64::from(counts[channel]) / f64::from(most) * (bottom - top - 6.0);
            // Two symbols side by side, so that the change between them is seen whole.
            for turn in [0.0, 1.0] {
                let x = LEFT + (phase + turn) / 2.0 * (WIDTH - LEFT - 16.0);
                let _ = write!(dots, "M{x:.1} {y:.1}h0");
            }
        }
        let right = WIDTH - 16.0;
        let _ = write!(
            svg,
            "<path d='M{LEFT} {top}V{bottom}H{right}' fill='none' stroke='#333'/><path d='{dots}' stroke='{colour}' stroke-width='2' stroke-linecap='round' stroke-opacity='.45'/>"
        );
        label(&mut svg, 8.0, top + 12.0, colour, name);
        label(&mut svg, 8.0, top + 28.0, "#555", &most.to_string());
        label(&mut svg, 8.0, bottom, "#555", "0");
    }
    let low = 3.0 * EYE_HEIGHT + 36.0;
    for (place, text) in [(0.0, "0 ms"), (0.5, "16.7 ms"), (1.0, "33.3 ms")] {
        label(
            &mut svg,
            LEFT + place * (WIDTH - LEFT - 16.0) - 46.0 * place,
            low,
            "#333",
            text,
        );
    }
    svg + "</svg>"
}

/// Height of one channel of the eye.
const EYE_HEIGHT: f64 = 110.0;

/// How much the counts change from row to row, by where in the symbol.
fn changes_at(rows: &[(u64, [u16; 3])], length_us: u64) -> [f64; EYE_BINS] {
    let mut changes = [0.0; EYE_BINS];
    for pair in rows.windows(2) {
        let ((t_us, before), (next_us, after)) = (pair[0], pair[1]);
        let middle_us = (t_us + next_us) / 2;
        let bin = (middle_us % length_us) as usize * EYE_BINS / length_us as usize;
        let change: u32 = before
            .iter()
            .zip(after)
            .map(|(a, b)| u32::from(a.abs_diff(b)))
            .sum();
        changes[bin.min(EYE_BINS - 1)] += f64::from(change);
    }
    changes
}

fn unevenness(rows: &[(u64, [u16; 3])], length_us: u64) -> f64 {
    changes_at(rows, length_us)
        .iter()
        .map(|change| change * change)
        .sum()
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
        let cell = Cell::usual(tier);
        let mut times: Vec<f64> = (0..runs).filter_map(|seed| seconds(&cell, seed)).collect();
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

/// Failures of an otherwise nominal channel whose swing is scaled down, in full colours and in gentle ones.
fn signal(runs: u64) -> String {
    let swings = [
        400.0, 200.0, 140.0, 100.0, 70.0, 50.0, 25.0, 16.0, 12.0, 8.0, 6.0, 4.0,
    ];
    let mut svg = axes(
        "failures after three loops against what white gives a channel, in counts",
        "",
        "",
    );
    for (place, swing) in swings.iter().enumerate() {
        let x = at(place as f64 / (swings.len() - 1) as f64, 0.0).0;
        let _ = write!(
            svg,
            "<text x='{x:.0}' y='{:.0}' text-anchor='middle'>{swing}</text>",
            HEIGHT - 18.0
        );
    }
    for (line, (palette, colour, name)) in [
        (Palette::Full, "#22c", "full colours"),
        (Palette::Gentle, "#292", "gentle colours"),
    ]
    .into_iter()
    .enumerate()
    {
        let points: Vec<String> = swings
            .iter()
            .enumerate()
            .map(|(place, swing)| {
                let cell = Cell {
                    swing: Some(*swing),
                    palette,
                    ..Cell::usual(Tier::Nominal)
                };
                let failed = (0..runs)
                    .filter(|seed| seconds(&cell, *seed).is_none())
                    .count();
                let (x, y) = at(
                    place as f64 / (swings.len() - 1) as f64,
                    failed as f64 / runs.max(1) as f64,
                );
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            svg,
            "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{}'/>",
            points.join(" ")
        );
        label(&mut svg, 90.0, 60.0 + 20.0 * line as f64, colour, name);
    }
    label(
        &mut svg,
        90.0,
        100.0,
        "#555",
        &format!("{runs} runs a point"),
    );
    svg + "</svg>"
}

/// Which one trouble, taken away, lets a failed run be read.
fn causes(runs: u64) -> String {
    let (mut counts, mut failed) = ([0_usize; Trouble::ALL.len()], 0);
    let cell = Cell::usual(Tier::Hard);
    for seed in 0..runs {
        if seconds(&cell, seed).is_some() {
            continue;
        }
        failed += 1;
        for (trouble, count) in Trouble::ALL.into_iter().zip(&mut counts) {
            let mended = Cell {
                without: Some(trouble),
                ..cell
            };
            *count += usize::from(seconds(&mended, seed).is_some());
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
