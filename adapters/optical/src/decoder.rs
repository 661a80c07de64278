//! Samples in, payload out.

use crate::code::LOOP_SYMBOLS;
use crate::feed::{Feed, Taken};
use crate::line;
use crate::payload::Payload;
use crate::preamble::{Preamble, Search};
use crate::progress::{self, Progress};
use crate::reading::{Attempt, Effort, REPAIRABLE_BYTES, Reading};
use crate::sample::Sample;
use crate::symbols::{SYMBOLS_PER_BYTE, WORD_BYTES};
use crate::trellis::{Light, Trellis};

/// Symbols between two attempts, when the word may be complete with each one, and when far from it.
const ATTEMPT_SYMBOLS: (f32, f32) = (0.75, 8.0);
/// Symbols between two attempts that also look for lost and extra symbols.
const GUESS_SYMBOLS: f32 = 8.0;
/// Symbols between two fits of the calibration to what has been read.
const REFIT_SYMBOLS: f32 = 26.0;
/// Time between two comparisons of a lock with another preamble, in microseconds.
const COMPARE_US: u64 = 500_000;
/// Known bytes from which a lock is left for a clear preamble only.
const USEFUL_BYTES: usize = 10;
const CLEAR_MISFIT: f32 = 0.03;
/// Known bytes from which a code is told: three of four bytes of chance are legal, but few follow a preamble of chance.
const TOLD_BYTES: usize = 9;
/// Symbols without a preamble after which the code is taken to have gone: two loops and a half.
const GONE_SYMBOLS: f32 = 2.5 * LOOP_SYMBOLS as f32;

/// Time for which a lost code is told, in microseconds.
const LOST_US: u64 = 1_500_000;

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
///
/// Samples come in the order of their time, from any moment of the loop on. A silence of more than a quarter of a second,
/// or a clock that goes back by as much, starts it over.
pub struct Decoder {
    feed: Feed,
    search: Search,
    trellis: Trellis,
    reading: Reading,
    lock: Option<Lock>,
    /// When a code that had been recognised was lost.
    lost_at_us: Option<u64>,
}

/// A code that has been recognised.
#[derive(Clone, Copy)]
struct Lock {
    misfit: f32,
    period_us: f32,
    bytes: usize,
    /// Most bytes that were known at once.
    bytes_most: usize,
    attempt_at_us: u64,
    guess_at_us: u64,
    refit_at_us: u64,
    compare_at_us: u64,
    gone_at_us: u64,
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
            feed: Feed::new(),
            search: Search::default(),
            trellis: Trellis::new(),
            reading: Reading::new(),
            lock: None,
            lost_at_us: None,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.feed.clear();
        self.search = Search::default();
        self.lock = None;
        self.lost_at_us = None;
    }

    /// Takes one sample; returns the payload it completes, and then starts over.
    pub fn push(&mut self, sample: Sample) -> Option<Decoded> {
        match self.feed.take(sample) {
            Taken::Nothing => return None,
            Taken::Row => {}
            Taken::First => {
                self.search = Search::default();
                self.lock = None;
                self.lost_at_us = None;
            }
        }
        if let Some(preamble) = self.search.look(&self.feed.ring, self.feed.spacing_us()) {
            self.recognise(preamble);
        }
        let payload = self.attempt()?;
        let decoded = self.decoded(payload);
        self.reset();
        Some(decoded)
    }

    /// Returns how far it has come, or why it does not.
    pub fn progress(&self) -> Progress {
        match self.lock {
            Some(lock) if lock.bytes >= TOLD_BYTES => Progress::Locked {
                percent: (lock.bytes.min(WORD_BYTES) * 100 / WORD_BYTES) as u8,
            },
            None if self
                .lost_at_us
                .is_some_and(|lost_us| self.feed.now_us() < lost_us.saturating_add(LOST_US)) =>
            {
                Progress::HoldStill
            }
            Some(_) | None => progress::before_lock(&self.feed.ring, self.feed.spacing_us()),
        }
    }

    fn recognise(&mut self, preamble: Preamble) {
        let now_us = self.feed.now_us();
        let gone_at_us = self.in_symbols(GONE_SYMBOLS, preamble.period_us);
        let ring = &self.feed.ring;
        let spacing_us = self.feed.spacing_us();
        let period_us = line::sharpest_period_us(ring, &preamble.calibration, preamble.period_us);
        let here = Light {
            calibration: preamble.calibration,
            period_us,
        };
        if let Some(lock) = &mut self.lock {
            lock.gone_at_us = gone_at_us;
            // A lock that has just been compared is left alone, unless this preamble is the clearer one.
            let is_clearer = preamble.misfit < lock.misfit;
            let is_of_use = lock.bytes >= USEFUL_BYTES && preamble.misfit > CLEAR_MISFIT;
            if !is_clearer && (now_us < lock.compare_at_us || is_of_use) {
                return;
            }
            lock.compare_at_us = now_us.saturating_add(COMPARE_US);
            let before = self.trellis.light();
            let cost = self.trellis.try_on(before, spacing_us, ring);
            if self.trellis.try_on(here, spacing_us, ring) >= cost {
                self.trellis.restart(before, spacing_us, ring);
                return;
            }
        }
        self.trellis.restart(here, spacing_us, ring);
        self.lock = Some(Lock {
            misfit: preamble.misfit,
            period_us,
            bytes: 0,
            bytes_most: 0,
            attempt_at_us: 0,
            guess_at_us: 0,
            refit_at_us: now_us.saturating_add((REFIT_SYMBOLS * period_us) as u64),
            compare_at_us: now_us.saturating_add(COMPARE_US),
            gone_at_us,
        });
    }

    fn attempt(&mut self) -> Option<Payload> {
        let mut lock = self.lock?;
        let now_us = self.feed.now_us();
        if now_us >= lock.gone_at_us {
            self.lost_at_us = (lock.bytes_most >= TOLD_BYTES).then_some(now_us);
            self.lock = None;
            return None;
        }
        self.trellis.follow(&self.feed.ring);
        if now_us < lock.attempt_at_us {
            return None;
        }
        let effort = if now_us >= lock.guess_at_us {
            lock.guess_at_us = self.in_symbols(GUESS_SYMBOLS, lock.period_us);
            Effort::Guessing
        } else {
            Effort::Plain
        };
        match self
            .reading
            .attempt(&mut self.trellis, &self.feed.ring, effort)
        {
            Attempt::Payload(payload) => return Some(payload),
            Attempt::Partial { bytes, calibration } => {
                lock.bytes = bytes;
                // So many symbols at least are wanting.
                let (least, most) = ATTEMPT_SYMBOLS;
                let wanting = REPAIRABLE_BYTES.saturating_sub(bytes) * SYMBOLS_PER_BYTE;
                let symbols = (wanting as f32).clamp(least, most);
                lock.attempt_at_us = self.in_symbols(symbols, lock.period_us);
                lock.bytes_most = lock.bytes_most.max(bytes);
                // Look again with what the light has said about its colours since.
                if now_us >= lock.refit_at_us {
                    lock.refit_at_us = self.in_symbols(REFIT_SYMBOLS, lock.period_us);
                    let ring = &self.feed.ring;
                    let period_us = line::sharpest_period_us(ring, &calibration, lock.period_us);
                    let light = Light {
                        calibration,
                        period_us,
                    };
                    self.trellis.restart(light, self.feed.spacing_us(), ring);
                }
            }
        }
        self.lock = Some(lock);
        None
    }

    /// Returns the time some symbols ahead.
    fn in_symbols(&self, symbols: f32, period_us: f32) -> u64 {
        self.feed
            .now_us()
            .saturating_add((symbols * period_us) as u64)
    }

    fn decoded(&self, payload: Payload) -> Decoded {
        let elapsed_us = self.feed.elapsed_us();
        let period_us = self.lock.map_or(1.0, |lock| lock.period_us);
        let loop_us = (period_us * LOOP_SYMBOLS as f32) as u64;
        let loops = elapsed_us / loop_us.max(1) + 1;
        Decoded {
            payload,
            elapsed_us,
            loops: u32::try_from(loops).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::colours_of;
    use crate::payload::{CHECKED_BYTES, Kind};
    use crate::sim::{Channel, Tier};
    use crate::{RefreshRate, Rgb};

    const SECRET: [u8; 10] = *b"0123456789";

    /// Plays a loop of bytes that a real encoder would not make, for three loops.
    fn read(checked: &[u8; CHECKED_BYTES]) -> Option<Payload> {
        let frames: Vec<Rgb> = colours_of(checked)
            .iter()
            .map(|colour| colour.rgb())
            .collect();
        let mut decoder = Decoder::new();
        Channel::new(3, Tier::Nominal, RefreshRate::HZ_60)
            .play(&frames)
            .take(1_400)
            .find_map(|sample| decoder.push(sample))
            .map(|decoded| decoded.payload)
    }

    /// Returns twelve bytes with their right check.
    fn checked(header: u8, spare: u8) -> [u8; CHECKED_BYTES] {
        let mut bytes = [0; 12];
        bytes[0] = header;
        bytes[1..11].copy_from_slice(&SECRET);
        bytes[11] = spare;
        let mut checked = [0; CHECKED_BYTES];
        checked[..12].copy_from_slice(&bytes);
        checked[12..].copy_from_slice(&crate::payload::crc32c(&bytes).to_be_bytes());
        checked
    }

    #[test]
    fn a_whole_word_with_another_header_or_spare_byte_is_ignored() {
        assert_eq!(
            read(&checked(1, 0)),
            Some(Payload::new(Kind::Pairing, SECRET))
        );
        assert_eq!(
            read(&checked(2, 0)),
            Some(Payload::new(Kind::LightGrant, SECRET))
        );
        for (header, spare) in [(0, 0), (3, 0), (0x11, 0), (255, 0), (1, 1), (2, 128)] {
            assert_eq!(
                read(&checked(header, spare)),
                None,
                "header {header} spare {spare}"
            );
        }
    }

    #[test]
    fn a_whole_word_with_a_wrong_check_is_ignored() {
        // The word itself is without fault, so only the check can refuse it.
        for bit in [0, 7, 50, 95, 96, 127] {
            let mut changed = checked(1, 0);
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&changed), None, "bit {bit}");
        }
    }
}
