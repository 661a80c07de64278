//! One try at a light: it is read, or refused with the reason, in bounded time.

use crate::decoder::Decoder;
use crate::progress::Progress;

/// From one look at what becomes of the light to the next, on the sensor's clock.
const LOOK_US: u64 = 250_000;
/// Looks in a row that agree before a light is refused for what it is.
const ALIKE_LOOKS: u32 = 3;
/// Looks in a row at nothing at all before that is said: gentle colours may begin unseen.
const NOTHING_LOOKS: u32 = 7;
/// A light in which no signal can be seen is refused by then.
pub const SIGNAL_MAX_US: u64 = 2_000_000;
/// One in which no code can be seen: four of the quickest loops at 60 Hz, one of any that is not the slowest.
pub const CODE_MAX_US: u64 = 5_000_000;
/// Any light that has not been read: the whole ladder at 60 Hz has been shown.
pub const TRIAL_MAX_US: u64 = 10_000_000;
/// Looks at nothing after which the next light is another try; before that has been said, what follows
/// may be of the same light.
const GONE_LOOKS: u32 = NOTHING_LOOKS;

/// What can be said to whoever holds a phone up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is too early to say anything.
    Open,
    /// A code is being read.
    Reading {
        /// Bytes of its word that are known, in per cent.
        percent: u8,
    },
    /// It is not read, for this reason. A code that comes after all is read all the same.
    Refused(Progress),
}

/// Judges a decoder's light over time: no verdict on one row's word, and none that is put off for ever.
#[derive(Debug, Clone)]
pub struct Trial {
    looked_at_us: Option<u64>,
    /// When the light began to do anything, or the looking began.
    begun_us: u64,
    last: Progress,
    alike_looks: u32,
    /// What was wrong last, of all that can be mended.
    trouble: Option<Progress>,
    /// Whether anything like a code was seen: it takes longer to be refused.
    signal: Signal,
    verdict: Verdict,
}

/// Whether a light changes as a code's would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It never did.
    None,
    /// It did.
    Seen,
}

impl Default for Trial {
    fn default() -> Self {
        Self::new()
    }
}

impl Trial {
    /// Nothing has been seen.
    pub const fn new() -> Self {
        Self {
            looked_at_us: None,
            begun_us: 0,
            last: Progress::Nothing,
            alike_looks: 0,
            trouble: None,
            signal: Signal::None,
            verdict: Verdict::Open,
        }
    }

    /// Returns what was said last.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Returns whether there was anything like a code in this try.
    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// Looks at a decoder after a sample of this time; gives the verdict when it is another one.
    pub fn handle(&mut self, t_us: u64, decoder: &Decoder) -> Option<Verdict> {
        // A clock that went back is looked at, too.
        let is_soon = |looked_us| t_us >= looked_us && t_us - looked_us < LOOK_US;
        if self.looked_at_us.is_some_and(is_soon) {
            return None;
        }
        self.look(t_us, decoder.progress())
    }

    fn look(&mut self, t_us: u64, progress: Progress) -> Option<Verdict> {
        if self.looked_at_us.is_none_or(|looked_us| t_us < looked_us) {
            *self = Self::new();
            self.begun_us = t_us;
        }
        // Samples come when they come: looks that were counted from them would drift.
        let due_us = self.looked_at_us.map(|us| us.saturating_add(LOOK_US));
        let due_us = due_us.filter(|due_us| t_us.saturating_sub(*due_us) < LOOK_US);
        self.looked_at_us = Some(due_us.unwrap_or(t_us));
        let is_alike = core::mem::discriminant(&self.last) == core::mem::discriminant(&progress);
        self.alike_looks = if is_alike {
            self.alike_looks.saturating_add(1)
        } else {
            1
        };
        self.last = progress;
        if progress == Progress::Nothing && self.alike_looks >= GONE_LOOKS {
            self.begun_us = t_us;
            self.trouble = None;
            self.signal = Signal::None;
        }
        let verdict = self.judge(t_us - self.begun_us, progress);
        let is_news = verdict != self.verdict;
        self.verdict = verdict;
        is_news.then_some(verdict)
    }

    fn judge(&mut self, spent_us: u64, progress: Progress) -> Verdict {
        if let Progress::Searching | Progress::Locked { .. } | Progress::HoldStill = progress {
            self.signal = Signal::Seen;
        }
        let is_late = |most_us: u64| spent_us.saturating_add(LOOK_US) >= most_us;
        match progress {
            Progress::Locked { .. } if is_late(TRIAL_MAX_US) => {
                Verdict::Refused(self.trouble.unwrap_or(progress))
            }
            Progress::Locked { percent } => Verdict::Reading { percent },
            Progress::HoldStill => {
                self.trouble = Some(progress);
                Verdict::Refused(progress)
            }
            Progress::Nothing if self.alike_looks < NOTHING_LOOKS && !is_late(SIGNAL_MAX_US) => {
                self.verdict
            }
            Progress::Nothing
            | Progress::TooDark
            | Progress::Saturated
            | Progress::SensorTooSlow
            | Progress::Flicker => {
                if progress != Progress::Nothing {
                    self.trouble = Some(progress);
                }
                match self.alike_looks >= ALIKE_LOOKS || is_late(SIGNAL_MAX_US) {
                    true => Verdict::Refused(progress),
                    false => self.verdict,
                }
            }
            Progress::Searching if is_late(CODE_MAX_US) => {
                Verdict::Refused(self.trouble.unwrap_or(progress))
            }
            // What was wrong is better by now, and may become well.
            Progress::Searching => match self.verdict {
                Verdict::Refused(_) if self.alike_looks < ALIKE_LOOKS => self.verdict,
                Verdict::Open | Verdict::Reading { .. } | Verdict::Refused(_) => Verdict::Open,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Progress::{Flicker, HoldStill, Locked, Nothing, Saturated, Searching, TooDark};

    /// One letter a look: what is refused, `.` while it is open, `%` while it is read.
    fn picture(seen: &[(Progress, usize)]) -> String {
        let mut trial = Trial::new();
        let mut t_us = 7;
        let mut letters = String::new();
        for (progress, looks) in seen {
            for _ in 0..*looks {
                trial.look(t_us, *progress);
                t_us += LOOK_US;
                letters.push(match trial.verdict() {
                    Verdict::Open => '.',
                    Verdict::Reading { .. } => '%',
                    Verdict::Refused(Nothing) => 'N',
                    Verdict::Refused(TooDark) => 'D',
                    Verdict::Refused(Saturated) => 'S',
                    Verdict::Refused(Flicker) => 'F',
                    Verdict::Refused(HoldStill) => 'H',
                    Verdict::Refused(Searching) => 'C',
                    Verdict::Refused(_) => 'I',
                });
            }
        }
        letters
    }

    #[test]
    fn the_verdicts_are_this_picture() {
        let read = Locked { percent: 50 };
        // One letter is a quarter of a second.
        for (seen, expected) in [
            (&[(Nothing, 9)][..], "......NNN".to_owned()),
            (&[(TooDark, 4), (Searching, 4)], "..DDDD..".to_owned()),
            (
                &[(Nothing, 3), (TooDark, 1), (Nothing, 2), (TooDark, 3)],
                ".......DD".to_owned(),
            ),
            (&[(Nothing, 6), (TooDark, 2)], ".......D".to_owned()),
            (&[(Searching, 20)], ".".repeat(19) + "C"),
            (
                &[(Saturated, 3), (Searching, 20)],
                "..SSS".to_owned() + &".".repeat(14) + "SSSS",
            ),
            (
                &[(read, 3), (HoldStill, 2), (read, 2)],
                "%%%HH%%".to_owned(),
            ),
            (&[(read, 40)], "%".repeat(39) + "I"),
            // The next phone has all the time again.
            (
                &[(read, 40), (Nothing, 7), (read, 3)],
                "%".repeat(39) + "INNNNNNN%%%",
            ),
        ] {
            assert_eq!(picture(seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_light_that_never_says_the_same_twice_is_refused_within_two_seconds() {
        let seen: Vec<(Progress, usize)> = (0..9)
            .map(|look| (if look % 2 == 0 { TooDark } else { Flicker }, 1))
            .collect();
        assert_eq!(picture(&seen), ".......FD");
    }

    #[test]
    fn a_sensor_that_stutters_puts_no_refusal_off() {
        const GAP_US: u64 = LOOK_US * 3 / 5;
        let mut trial = Trial::new();
        let looks = (0..).map(|sample| sample * GAP_US).map(|t_us| {
            let is_due = trial.looked_at_us.is_none_or(|us| t_us - us >= LOOK_US);
            (t_us, is_due.then(|| trial.look(t_us, Nothing)).flatten())
        });
        let mut said = looks.filter(|(_, verdict)| verdict.is_some());
        let (t_us, _) = said.next().expect("it is said");
        assert!(t_us <= 6 * LOOK_US + GAP_US, "after {t_us} us");
    }

    #[test]
    fn a_clock_that_goes_back_begins_another_try() {
        let mut trial = Trial::new();
        assert_eq!(
            trial.look(u64::MAX, Locked { percent: 3 }),
            Some(Verdict::Reading { percent: 3 })
        );
        assert_eq!(
            trial.look(0, Locked { percent: 4 }),
            Some(Verdict::Reading { percent: 4 })
        );
        assert_eq!(
            trial.look(u64::MAX, Locked { percent: 4 }),
            Some(Verdict::Refused(Locked { percent: 4 }))
        );
    }
}
