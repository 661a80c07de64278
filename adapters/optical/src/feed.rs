//! Samples to rows: order, gaps, and sensors faster than needed.

use crate::ring::{Ring, Row};
use crate::sample::Sample;

/// Longest time without a sample before everything is forgotten, in microseconds.
pub(crate) const SILENCE_MAX_US: u64 = 250_000;
/// Samples closer to the last row than this are averaged, in microseconds.
const MERGED_BELOW_US: u64 = 1_500;
/// Most rows put in for those the reader missed.
const MISSED_MAX: u64 = 100;
/// Rows that set the usual spacing quickly; later ones move it slowly.
const SPACING_ROWS: u64 = 16;
/// Usual spacing taken before any row has come, in microseconds.
const SPACING_FIRST_US: f32 = 3_000.0;
/// Bounds of the usual spacing, in microseconds.
const SPACING_US: (f32, f32) = (500.0, 20_000.0);

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It completed a row.
    Row,
    /// It waits for the next one, or came late.
    Nothing,
    /// It is the first after a silence or a jump of the clock: what came before is gone.
    First,
}

/// The newest rows and their timing.
pub(crate) struct Feed {
    pub(crate) ring: Ring,
    span: Option<Span>,
    spacing_us: f32,
    merged: Merged,
}

#[derive(Clone, Copy)]
struct Span {
    first_us: u64,
    last_us: u64,
    row_us: u64,
}

#[derive(Clone, Copy, Default)]
struct Merged {
    sums: [u32; 3],
    samples: u32,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            ring: Ring::new(),
            span: None,
            spacing_us: SPACING_FIRST_US,
            merged: Merged::default(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.span = None;
        self.spacing_us = SPACING_FIRST_US;
        self.merged = Merged::default();
    }

    /// Returns the usual time between rows.
    pub(crate) const fn spacing_us(&self) -> f32 {
        self.spacing_us
    }

    /// Returns the time of the newest sample.
    pub(crate) fn now_us(&self) -> u64 {
        self.span.map_or(0, |span| span.last_us)
    }

    /// Returns the time from the first sample to the newest.
    pub(crate) fn elapsed_us(&self) -> u64 {
        self.span.map_or(0, |span| span.last_us - span.first_us)
    }

    pub(crate) fn take(&mut self, sample: Sample) -> Taken {
        match &mut self.span {
            Some(span)
                if sample.t_us > span.last_us && sample.t_us - span.last_us <= SILENCE_MAX_US =>
            {
                span.last_us = sample.t_us;
            }
            // Two samples of one instant, or out of order: the clock itself is trusted.
            Some(span)
                if sample.t_us <= span.last_us && span.last_us - sample.t_us <= SILENCE_MAX_US =>
            {
                return Taken::Nothing;
            }
            Some(_) | None => {
                self.clear();
                let t_us = sample.t_us;
                self.span = Some(Span {
                    first_us: t_us,
                    last_us: t_us,
                    row_us: t_us,
                });
                self.ring
                    .push(Row::seen(t_us, [sample.r, sample.g, sample.b]));
                return Taken::First;
            }
        }
        self.merged.add(sample);
        let row_us = self.span.map_or(sample.t_us, |span| span.row_us);
        let since_us = sample.t_us - row_us;
        if since_us < MERGED_BELOW_US {
            return Taken::Nothing;
        }
        self.fill(row_us, since_us);
        self.learn_spacing(since_us as f32);
        self.ring.push(Row::seen(sample.t_us, self.merged.mean()));
        self.merged = Merged::default();
        if let Some(span) = &mut self.span {
            span.row_us = sample.t_us;
        }
        Taken::Row
    }

    fn learn_spacing(&mut self, since_us: f32) {
        let (least, greatest) = SPACING_US;
        let share = if self.ring.next() < SPACING_ROWS {
            0.5
        } else {
            0.02
        };
        // One long hole says nothing about the usual spacing.
        let usual = since_us.clamp(0.5 * self.spacing_us, 2.0 * self.spacing_us);
        self.spacing_us += share * (usual - self.spacing_us);
        self.spacing_us = self.spacing_us.clamp(least, greatest);
    }

    /// Puts in rows for those that should have come: a hole in time must stay one.
    fn fill(&mut self, row_us: u64, since_us: u64) {
        let rows = (since_us as f32 / self.spacing_us).round() as u64;
        let missed = rows.saturating_sub(1).min(MISSED_MAX);
        for place in 1..=missed {
            let at_us = row_us + since_us * place / (missed + 1);
            self.ring.push(Row::missed(at_us));
        }
    }
}

impl Merged {
    fn add(&mut self, sample: Sample) {
        for (sum, count) in self.sums.iter_mut().zip([sample.r, sample.g, sample.b]) {
            *sum += u32::from(count);
        }
        self.samples += 1;
    }

    fn mean(&self) -> [u16; 3] {
        // The mean of 16-bit counts is one, too.
        self.sums.map(|sum| (sum / self.samples.max(1)) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(t_us: u64, count: u16) -> Sample {
        Sample {
            t_us,
            r: count,
            g: count,
            b: count,
            c: 0,
        }
    }

    fn rows(times_us: &[u64]) -> (Feed, Vec<Taken>) {
        let mut feed = Feed::new();
        let taken = times_us
            .iter()
            .map(|t_us| feed.take(sample(*t_us, 7)))
            .collect();
        (feed, taken)
    }

    #[test]
    fn a_hole_in_time_keeps_its_place() {
        let (feed, taken) = rows(&[0, 3_000, 6_000, 18_000]);
        assert_eq!(taken, [Taken::First, Taken::Row, Taken::Row, Taken::Row]);
        assert_eq!(feed.ring.next(), 7);
        assert!(feed.ring.row(3).counts().is_none());
        assert!(feed.ring.row(5).counts().is_none());
        assert!(feed.ring.row(6).counts().is_some());
    }

    #[test]
    fn samples_closer_than_needed_are_averaged() {
        let mut feed = Feed::new();
        for (t_us, count) in [(0, 5), (1_000, 10), (2_000, 21), (3_000, 1), (4_000, 3)] {
            feed.take(sample(t_us, count));
        }
        assert_eq!(feed.ring.next(), 3);
        assert_eq!(feed.ring.row(1).counts(), Some([15.0; 3]));
        assert_eq!(feed.ring.row(2).counts(), Some([2.0; 3]));
    }

    /// Every place a sample can come in, against everything a clock can do: what is made of it, and the rows there are then.
    #[test]
    fn the_whole_table_of_clocks_is_this() {
        let states: [(&str, &[u64]); 3] = [
            ("empty", &[]),
            ("running", &[5_000_000, 5_003_000]),
            ("merging", &[5_000_000, 5_003_000, 5_004_000]),
        ];
        let events = [
            ("+3 ms", 3_000_i64),
            ("+1 ms", 1_000),
            ("+9 ms", 9_000),
            ("same", 0),
            ("-1 ms", -1_000),
            ("-2 s", -2_000_000),
            ("+250 ms", 250_000),
            ("+251 ms", 251_000),
        ];
        let mut picture = format!("{:9}", "");
        for (event, _) in events {
            picture += &format!("{event:10}");
        }
        for (state, before) in states {
            picture += &format!("\n{state:9}");
            for (_, step_us) in events {
                let (mut feed, _) = rows(before);
                let last_us = before.last().copied().unwrap_or(5_000_000);
                let taken = feed.take(sample(last_us.saturating_add_signed(step_us), 7));
                picture += &format!("{:10}", format!("{taken:?} {}", feed.ring.next()));
            }
        }
        let picture: Vec<&str> = picture.lines().map(str::trim_end).collect();
        assert_eq!(picture.join("\n"), GOLDEN);
    }

    #[rustfmt::skip]
    const GOLDEN: &str = "         +3 ms     +1 ms     +9 ms     same      -1 ms     -2 s      +250 ms   +251 ms
empty    First 1   First 1   First 1   First 1   First 1   First 1   First 1   First 1
running  Row 3     Nothing 2 Row 5     Nothing 2 Nothing 2 First 1   Row 85    First 1
merging  Row 3     Row 3     Row 5     Nothing 2 Nothing 2 First 1   Row 86    First 1";

    #[test]
    fn the_ends_of_the_clock_are_survived() {
        for jump in [0, 1, u64::MAX - 1, u64::MAX] {
            let (feed, taken) = rows(&[5_000_000, jump, jump.saturating_add(3_000)]);
            assert_eq!(taken[..2], [Taken::First, Taken::First], "jump to {jump}");
            assert!(feed.elapsed_us() <= 3_000);
        }
    }
}
