//! Light in which no whole code is shown, drawn from a seed: what a reader takes from it is wrong.
#![allow(unreachable_pub, reason = "shared by a test and an example")]

use gettone_optical::sim::{Channel, Random, Stranger, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, Rgb, Sample, encode};

/// What is shown instead of a code.
pub const STRAYS: [&str; 10] = [
    "noise",
    "room light",
    "sun",
    "neon",
    "another video",
    "corner colours",
    "preambles without a word",
    "a code cut short",
    "a code that is lifted off",
    "two phones at once",
];

/// Time a reader looks at each, in microseconds.
const WATCHED_US: u64 = 1_600_000;
const ROW_US: u64 = 3_000;
const BLACK: Rgb = Rgb { r: 0, g: 0, b: 0 };

/// Looks at one stray light; returns whether anything was taken that nobody showed.
pub fn is_misread(stray: usize, seed: u64) -> bool {
    let mut random = Random::new(seed.rotate_left(31) ^ 0x57AA);
    let sent = [0, 1].map(|_| {
        let kind = if random.chance(0.5) {
            Kind::Pairing
        } else {
            Kind::LightGrant
        };
        Payload::new(kind, [(); 10].map(|()| random.bits() as u8))
    });
    let [first, second] = sent.map(|payload| encode(&payload));
    let hard =
        |frames: &[Rgb]| watched(Channel::new(seed, Tier::Hard, RefreshRate::HZ_60).play(frames));
    let strange = |frames: &[Rgb]| {
        watched(Stranger::new(seed, Tier::Nominal, RefreshRate::HZ_60).play(frames))
    };
    let samples = match stray {
        0 => noise(&mut random),
        1 => hard(&[]),
        2 => sun(strange(&first), &mut random),
        3 => neon(&mut random),
        4 => strange(&video(&mut random)),
        5 => strange(&corners(&mut random, &[])),
        6 => hard(&corners(&mut random, &first[..6])),
        // Six bytes may be wanting: the word has eight to spare, two of which are kept to refuse.
        7 => strange(&first[..20 + random.below(36)]),
        8 => lifted(strange(&first), &mut random),
        _ => mixed(strange(&first), hard(&second)),
    };
    let mut decoder = Decoder::new();
    samples.into_iter().any(|sample| {
        decoder
            .push(sample)
            .is_some_and(|decoded| !sent.contains(&decoded.payload))
    })
}

fn watched(samples: impl Iterator<Item = Sample>) -> Vec<Sample> {
    let mut begin_us = None;
    samples
        .take_while(|sample| sample.t_us - *begin_us.get_or_insert(sample.t_us) < WATCHED_US)
        .collect()
}

fn rows(mut counts: impl FnMut(u64) -> [u16; 3]) -> Vec<Sample> {
    (0..WATCHED_US / ROW_US)
        .map(|row| {
            let t_us = row * ROW_US;
            let [r, g, b] = counts(t_us);
            Sample {
                t_us,
                r,
                g,
                b,
                c: 0,
            }
        })
        .collect()
}

fn noise(random: &mut Random) -> Vec<Sample> {
    let bits = 4 + random.below(9);
    rows(|_| [(); 3].map(|()| (random.bits() >> (64 - bits)) as u16))
}

/// The room is far brighter than the screen, and two channels are at their end.
fn sun(samples: Vec<Sample>, random: &mut Random) -> Vec<Sample> {
    let room = 600 + random.below(600) as u16;
    let add = |count: u16| count.saturating_add(room).min(1_023);
    samples
        .into_iter()
        .map(|sample| Sample {
            r: add(sample.r),
            g: add(sample.g),
            b: add(sample.b),
            ..sample
        })
        .collect()
}

/// Tubes of three colours, each switched by its own rhythm.
fn neon(random: &mut Random) -> Vec<Sample> {
    let tubes = [(); 3].map(|()| {
        (
            random.within((5.0, 140.0)),
            random.unit(),
            random.within((20.0, 900.0)),
        )
    });
    rows(|t_us| {
        tubes.map(|(hz, phase, swing)| {
            let is_on = (t_us as f64 * hz / 1e6 + phase).fract() < 0.5;
            (20.0 + f64::from(u8::from(is_on)) * swing + 3.0 * random.normal().abs()) as u16
        })
    })
}

fn video(random: &mut Random) -> Vec<Rgb> {
    let mut picture = BLACK;
    (0..150)
        .map(|_| {
            if random.chance(0.05) {
                let [r, g, b] = [(); 3].map(|()| random.bits() as u8);
                picture = Rgb { r, g, b };
            }
            picture
        })
        .collect()
}

/// A change in every picture, after an opening.
fn corners(random: &mut Random, opening: &[Rgb]) -> Vec<Rgb> {
    let mut frames = Vec::new();
    for _ in 0..3 {
        frames.extend(opening);
        for _ in 0..73 {
            let mut next = BLACK;
            while frames.last() == Some(&next) || next == BLACK {
                let [r, g, b] = [(); 3].map(|()| if random.chance(0.5) { 255 } else { 0 });
                next = Rgb { r, g, b };
            }
            frames.push(next);
        }
    }
    frames
}

/// The phone leaves before the loop is whole, for good.
fn lifted(samples: Vec<Sample>, random: &mut Random) -> Vec<Sample> {
    let begin_us = samples.first().map_or(0, |sample| sample.t_us);
    let left_us = begin_us + 300_000 + 10_000 * random.below(50) as u64;
    let dark = samples.first().copied();
    samples
        .iter()
        .map(|sample| match dark {
            Some(dark) if sample.t_us > left_us => Sample {
                t_us: sample.t_us,
                ..dark
            },
            Some(_) | None => *sample,
        })
        .collect()
}

/// Both lights fall on one sensor.
fn mixed(first: Vec<Sample>, second: Vec<Sample>) -> Vec<Sample> {
    first
        .into_iter()
        .zip(second)
        .map(|(one, other)| Sample {
            r: one.r.saturating_add(other.r),
            g: one.g.saturating_add(other.g),
            b: one.b.saturating_add(other.b),
            ..one
        })
        .collect()
}
