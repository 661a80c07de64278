//! What a reader can tell about a light that is not read yet.

use std::fmt;

use crate::preamble::SWING_MIN;
use crate::ring::Ring;

/// How far a decoder has come, or why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// No light changes: no phone, or one that shows no code.
    Nothing,
    /// Something changes, too weakly to be read.
    TooDark,
    /// The sensor is at the end of its scale.
    Saturated,
    /// The sensor gives the same conversion many times, or too few rows.
    SensorTooSlow,
    /// The light goes up and down from row to row: a screen dimmed by a slow wave, or lamps.
    Flicker,
    /// A code had been recognised and was lost: the phone moved away.
    HoldStill,
    /// Light changes, but no code has been recognised.
    Searching,
    /// A code has been recognised, and this share of its word is known.
    Locked {
        /// Bytes of the word that are known, in per cent.
        percent: u8,
    },
}

/// The stable word for programs; a locked code that ends early is `incomplete`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::TooDark => "too dark",
            Self::Saturated => "saturated",
            Self::SensorTooSlow => "sensor too slow",
            Self::Flicker => "flicker",
            Self::HoldStill => "hold still",
            Self::Searching => "no code",
            Self::Locked { .. } => "incomplete",
        })
    }
}

/// Rows looked at: about one loop and a half.
const ROWS_LOOKED_AT: u64 = 600;
/// Least rows for a verdict.
const ROWS_MIN: f32 = 16.0;
/// Longest usual spacing of rows that can carry the shortest symbols.
const SPACING_MAX_US: f32 = 6_000.0;
/// Share of rows at the end of the scale that makes a channel useless.
const CEILING_SHARE: f32 = 0.1;
/// Share of rows that repeat the row before.
const REPEATED_SHARE: f32 = 0.6;
/// Rows over which a change counts: longer than any transition, shorter than a shadow.
const JUMP_ROWS: usize = 6;
/// A channel jumps when it goes this much further than from row to row; noise and mains ripple go less than 6 times as far.
const JUMP_MIN: f32 = 6.2;
/// Share of rows at which a light that flickers turns back, by how much of its range; a code turns once in a symbol at most.
const FLICKER_SHARE: f32 = 0.2;
const FLICKER_DEPTH: f32 = 0.4;
/// Jump below which noise hides the code, in counts.
const JUMP_WEAK: f32 = 2.0 * SWING_MIN;

/// Judges a light in which no code can be read yet.
pub(crate) fn before_lock(ring: &Ring, spacing_us: f32) -> Progress {
    let mut channels = [Channel::default(); 3];
    let mut before: Option<[f32; 3]> = None;
    let (mut rows, mut repeated) = (0.0, 0.0);
    let from = ring
        .oldest()
        .max(ring.next().saturating_sub(ROWS_LOOKED_AT));
    for number in from..ring.next() {
        let Some(counts) = ring.row(number).counts() else {
            continue;
        };
        rows += 1.0;
        if before == Some(counts) {
            repeated += 1.0;
        }
        for (channel, count) in channels.iter_mut().zip(counts) {
            channel.take(count);
        }
        before = Some(counts);
    }
    if rows < ROWS_MIN {
        return Progress::Nothing;
    }
    if spacing_us > SPACING_MAX_US {
        return Progress::SensorTooSlow;
    }
    if channels.iter().any(|channel| channel.at_ceiling(rows)) {
        return Progress::Saturated;
    }
    if !channels.iter().any(|channel| channel.jumps(rows)) {
        return Progress::Nothing;
    }
    if channels
        .iter()
        .any(|channel| channel.turns > FLICKER_SHARE * rows)
    {
        return Progress::Flicker;
    }
    if channels.iter().any(|channel| channel.jump < JUMP_WEAK) {
        return Progress::TooDark;
    }
    if repeated > REPEATED_SHARE * rows {
        return Progress::SensorTooSlow;
    }
    Progress::Searching
}

/// What one channel did.
#[derive(Clone, Copy, Default)]
struct Channel {
    /// The newest counts, in a ring.
    recent: [f32; JUMP_ROWS],
    rows: usize,
    /// Greatest change over a few rows.
    jump: f32,
    /// Sum of the changes from row to row.
    travel: f32,
    greatest: f32,
    greatest_rows: f32,
    least: Option<f32>,
    /// The change to the newest row, and how often a great one was followed by a great one back.
    change: f32,
    turns: f32,
}

impl Channel {
    fn take(&mut self, count: f32) {
        let place = self.rows % JUMP_ROWS;
        if self.rows >= JUMP_ROWS {
            self.jump = self.jump.max((count - self.recent[place]).abs());
        }
        if self.rows > 0 {
            let change = count - self.recent[(self.rows - 1) % JUMP_ROWS];
            self.travel += change.abs();
            let range = self.greatest - self.least.unwrap_or(self.greatest);
            let great = FLICKER_DEPTH * range;
            if change * self.change < 0.0 && change.abs() > great && self.change.abs() > great {
                self.turns += 1.0;
            }
            self.change = change;
        }
        self.recent[place] = count;
        self.least = Some(self.least.map_or(count, |least| least.min(count)));
        self.rows += 1;
        if count > self.greatest {
            self.greatest = count;
            self.greatest_rows = 0.0;
        }
        if count >= self.greatest {
            self.greatest_rows += 1.0;
        }
    }

    fn jumps(&self, rows: f32) -> bool {
        self.jump >= SWING_MIN && self.jump > JUMP_MIN * self.travel / rows
    }

    /// Scales end at a power of two less one, or at a multiple of 1024 per integration step.
    fn at_ceiling(&self, rows: f32) -> bool {
        let greatest = self.greatest as u32;
        let end_of_scale =
            greatest >= 255 && ((greatest + 1).is_power_of_two() || greatest.is_multiple_of(1_024));
        end_of_scale && self.greatest_rows > CEILING_SHARE * rows
    }
}
