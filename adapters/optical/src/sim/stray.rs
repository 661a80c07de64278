//! Light in which no whole code is shown, drawn from a seed: what a reader takes from it is wrong.

use super::Channel;
use super::conditions::Tier;
use super::random::Random;
use super::stranger::Stranger;
use crate::code::{RefreshRate, encode};
use crate::colour::Rgb;
use crate::decoder::Decoder;
use crate::payload::{Kind, Payload};
use crate::sample::Sample;
use core::fmt;

/// What is shown instead of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// Random counts.
    Noise,
    /// A room, and a screen that is dark.
    RoomLight,
    /// A code under so much light that channels are at their end.
    Sun,
    /// Tubes of three colours, each with its own rhythm.
    Neon,
    /// Cuts and still pictures.
    Video,
    /// The code's colours at its speed, without a word.
    CornerColours,
    /// The same after true preambles.
    Preambles,
    /// A loop of which more is wanting than parity can give.
    CutShort,
    /// The phone leaves before the loop is whole.
    LiftedOff,
    /// Two codes fall on one sensor: either may be read, and nothing else.
    TwoPhones,
}

impl Stray {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Noise,
        Self::RoomLight,
        Self::Sun,
        Self::Neon,
        Self::Video,
        Self::CornerColours,
        Self::Preambles,
        Self::CutShort,
        Self::LiftedOff,
        Self::TwoPhones,
    ];

    /// Draws one of a seed and looks at it; returns whether anything was taken that nobody showed.
    pub fn is_misread(self, seed: u64) -> bool {
        is_misread(self, seed)
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noise => "noise",
            Self::RoomLight => "room light",
            Self::Sun => "sun",
            Self::Neon => "neon",
            Self::Video => "another video",
            Self::CornerColours => "corner colours",
            Self::Preambles => "preambles without a word",
            Self::CutShort => "a code cut short",
            Self::LiftedOff => "a code that is lifted off",
            Self::TwoPhones => "two phones at once",
        })
    }
}

/// Time a reader looks at each, in microseconds.
const WATCHED_US: u64 = 1_600_000;
const ROW_US: u64 = 3_000;
const BLACK: Rgb = Rgb { r: 0, g: 0, b: 0 };

fn is_misread(stray: Stray, seed: u64) -> bool {
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
        Stray::Noise => noise(&mut random),
        Stray::RoomLight => hard(&[]),
        Stray::Sun => sun(strange(&first), &mut random),
        Stray::Neon => neon(&mut random),
        Stray::Video => strange(&video(&mut random)),
        Stray::CornerColours => strange(&corners(&mut random, &[])),
        Stray::Preambles => hard(&corners(&mut random, &first[..6])),
        // Six bytes may be wanting: the word has eight to spare, two of which are kept to refuse.
        Stray::CutShort => strange(&first[..20 + random.below(36)]),
        Stray::LiftedOff => lifted(strange(&first), &mut random),
        Stray::TwoPhones => mixed(strange(&first), hard(&second)),
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
