//! Samples in, payload out.

use crate::code::{LOOP_SYMBOLS, SYMBOL_MIN_US};
use crate::payload::Payload;
use crate::preamble::{self, Preamble};
use crate::progress::{self, Progress};
use crate::reading::{Attempt, Reading};
use crate::ring::{Ring, Row};
use crate::sample::Sample;
use crate::symbols::WORD_BYTES;
use crate::trellis::Trellis;

/// Longest time without a row before everything is forgotten, in microseconds.
const SILENCE_MAX_US: u64 = 250_000;
/// Rows after which the usual spacing is known.
const SPACING_ROWS: u64 = 16;
/// Usual spacing taken before any row has come, in microseconds.
const SPACING_FIRST_US: f32 = 3_000.0;

/// A payload, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// What the code said.
    pub payload: Payload,
    /// Microseconds from the first sample to the one that completed the payload.
    pub elapsed_us: u64,
    /// Loops begun in that time: 1 when the first was enough.
    pub loops: u32,
}

/// A streaming decoder for one sensor.
pub struct Decoder {
    ring: Ring,
    trellis: Trellis,
    reading: Reading,
    first_us: Option<u64>,
    last_us: u64,
    spacing_us: f32,
    candidate: Option<Preamble>,
    lock: Option<Lock>,
}

#[derive(Clone, Copy)]
struct Lock {
    preamble: Preamble,
    attempt_at_us: u64,
    bytes: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Allocates all it will ever need.
    pub fn new() -> Self {
        Self {
            ring: Ring::new(),
            trellis: Trellis::new(),
            reading: Reading::new(),
            first_us: None,
            last_us: 0,
            spacing_us: SPACING_FIRST_US,
            candidate: None,
            lock: None,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.ring.clear();
        self.first_us = None;
        self.spacing_us = SPACING_FIRST_US;
        self.candidate = None;
        self.lock = None;
    }

    /// Takes one sample; returns the payload it completes, and then starts over.
    pub fn push(&mut self, sample: Sample) -> Option<Decoded> {
        if !self.take(sample) {
            return None;
        }
        self.seek();
        let payload = self.attempt()?;
        let decoded = self.decoded(payload);
        self.reset();
        Some(decoded)
    }

    fn take(&mut self, sample: Sample) -> bool {
        let mut since_us = sample.t_us.wrapping_sub(self.last_us);
        match self.first_us {
            None => {
                self.first_us = Some(sample.t_us);
                since_us = 0;
            }
            Some(_)
                if sample.t_us <= self.last_us && self.last_us - sample.t_us < SILENCE_MAX_US =>
            {
                return false;
            }
            Some(_) if since_us > SILENCE_MAX_US => {
                self.reset();
                self.first_us = Some(sample.t_us);
                since_us = 0;
            }
            Some(_) => {}
        }
        let t_us = sample.t_us as u32;
        if since_us > 0 {
            if self.ring.next() < SPACING_ROWS {
                self.spacing_us = 0.5 * self.spacing_us + 0.5 * (since_us as f32).min(20_000.0);
            } else {
                let usual = (since_us as f32).clamp(0.5 * self.spacing_us, 2.0 * self.spacing_us);
                self.spacing_us += 0.02 * (usual - self.spacing_us);
            }
            self.spacing_us = self.spacing_us.max(200.0);
            let missed = ((since_us as f32 / self.spacing_us).round() as u64).saturating_sub(1);
            for place in 1..=missed.min(100) {
                let at_us = since_us * place / (missed + 1);
                self.ring
                    .push(Row::missed((self.last_us.wrapping_add(at_us)) as u32));
            }
        }
        self.ring
            .push(Row::seen(t_us, [sample.r, sample.g, sample.b]));
        self.last_us = sample.t_us;
        true
    }

    fn seek(&mut self) {
        if let Some(found) = preamble::ending_now(&self.ring, self.spacing_us)
            && self.candidate.is_none_or(|best| found.misfit < best.misfit)
        {
            self.candidate = Some(found);
        }
        // The best of neighbouring places is known once the next symbol has passed.
        if let Some(best) = self.candidate {
            let rows = self.ring.next() - 1 - best.last_row;
            if rows as f32 * self.spacing_us >= best.period_us * 1.5 {
                self.candidate = None;
                self.lock_to(best);
            }
        }
        if self.lock.is_some() {
            self.trellis.follow(&self.ring);
        }
    }

    fn lock_to(&mut self, preamble: Preamble) {
        let better = self
            .lock
            .is_none_or(|lock| preamble.misfit < lock.preamble.misfit);
        if better {
            self.trellis.restart(
                preamble.calibration,
                preamble.period_us,
                self.spacing_us,
                &self.ring,
            );
            self.lock = Some(Lock {
                preamble,
                attempt_at_us: 0,
                bytes: 0,
            });
        }
    }

    fn attempt(&mut self) -> Option<Payload> {
        let lock = self.lock.as_mut()?;
        if self.last_us < lock.attempt_at_us {
            return None;
        }
        lock.attempt_at_us = self.last_us.saturating_add(u64::from(SYMBOL_MIN_US));
        match self.reading.attempt(&self.trellis, &self.ring) {
            Attempt::Payload(payload) => Some(payload),
            Attempt::Partial { bytes } => {
                lock.bytes = bytes;
                None
            }
        }
    }

    fn decoded(&self, payload: Payload) -> Decoded {
        let elapsed_us = self
            .last_us
            .wrapping_sub(self.first_us.unwrap_or(self.last_us));
        let period_us = self
            .lock
            .map_or(SYMBOL_MIN_US as f32, |lock| lock.preamble.period_us);
        let loop_us = (period_us * LOOP_SYMBOLS as f32) as u64;
        let loops = elapsed_us / loop_us.max(1) + 1;
        Decoded {
            payload,
            elapsed_us,
            loops: u32::try_from(loops).unwrap_or(u32::MAX),
        }
    }

    /// Returns how far it has come, or why it does not.
    pub fn progress(&self) -> Progress {
        match self.lock {
            Some(lock) => Progress::Locked {
                percent: (lock.bytes.min(WORD_BYTES) * 100 / WORD_BYTES) as u8,
            },
            None => progress::without_lock(&self.ring, self.spacing_us),
        }
    }
}
