//! Steps: which code a reader shows, which ones it still takes, and where it goes on after a power
//! cut (protocol section 9.1). Pure: what a code looks like is the wire's business.
//!
//! ```
//! use gettone_core::token::{Clock, Steps};
//! use core::time::Duration;
//!
//! let mut steps = Steps::after(0);
//! assert_eq!(steps.show(Duration::ZERO, Clock::Unknown), None, "nothing may be shown yet");
//! let upto = steps.wanted(Duration::ZERO, Clock::Unknown).expect("a place to go on from");
//! steps.reserved(upto);
//! assert_eq!(steps.show(Duration::ZERO, Clock::Unknown), Some(1));
//! assert_eq!(steps.show(Duration::from_secs(30), Clock::Unknown), Some(2));
//! assert!(steps.is_live(1) && steps.is_live(2));
//! steps.use_up();
//! assert!(!steps.is_live(2));
//! ```

use crate::time::Timestamp;
use core::ops::RangeInclusive;
use core::time::Duration;

/// How long a code is on show.
pub const STEP_EVERY: Duration = Duration::from_secs(30);
/// How much longer a step is on show that is ahead of the clock. A clock that was set back, or a few
/// sales in a row, bring that about; the clock catches up. But the server may have used the step
/// unheard, and who has only light would stand before a dead code for as long.
const AHEAD_MORE: Duration = Duration::from_secs(270);
/// How far ahead of the step on show the place is kept from which a start goes on, while the board
/// counts steps: flash wears out.
pub const STEPS_AHEAD: u64 = 64;
/// The same while it knows the time: a start that learns the time must not be ahead of it for long,
/// for a step that is ahead stays on show for longer.
pub const STEPS_AHEAD_TIMED: u64 = 2;

/// What a board knows of the time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// It, to better than a step.
    Known(Timestamp),
    /// Nothing: steps are counted.
    Unknown,
}

/// Which step is on show, and which were used.
///
/// Whatever the clock, a start goes on above every step that was ever shown: the server may have
/// used up one of which this board never heard, and takes none at or below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steps {
    /// Up to here steps may be shown: a start goes on after it.
    reserved: u64,
    /// The step on show; 0 before the first.
    shown: u64,
    /// The step before it, where it was shown in this start and is the next lower one.
    before: Option<u64>,
    last_used: u64,
    /// When a counted step is over; one that is ahead of the clock stays longer.
    moves_at: Duration,
}

impl Steps {
    /// Goes on after `reserved`, the place that the last start kept; 0 when there was none.
    pub const fn after(reserved: u64) -> Self {
        Self {
            reserved,
            shown: 0,
            before: None,
            last_used: reserved,
            moves_at: Duration::ZERO,
        }
    }

    /// The last step that was used; none above it was.
    pub const fn last_used(&self) -> u64 {
        self.last_used
    }

    /// The step on show; 0 before the first.
    pub const fn shown(&self) -> u64 {
        self.shown
    }

    /// The step before it, as long as it is taken.
    pub fn before(&self) -> Option<u64> {
        self.before.filter(|before| *before > self.last_used)
    }

    /// Whether a code of this step is taken: the one on show, and the one before while nothing
    /// above it was used.
    pub fn is_live(&self, step: u64) -> bool {
        step > self.last_used && (step == self.shown || Some(step) == self.before)
    }

    /// Up to where steps have to be reserved on flash, when that is due; less than before, when the
    /// time was not known then.
    pub fn wanted(&mut self, now: Duration, clock: Clock) -> Option<u64> {
        let due = self.due(now, clock);
        let ahead = match clock {
            Clock::Known(_) => STEPS_AHEAD_TIMED,
            Clock::Unknown => STEPS_AHEAD,
        };
        let upto = due.saturating_add(ahead);
        if self.reserved > upto {
            // Both places are above what was shown, until the lower one is on flash and after.
            self.reserved = upto;
            return Some(upto);
        }
        let is_near = due.saturating_add(ahead / 2) > self.reserved;
        is_near.then_some(upto)
    }

    /// So far they are reserved, on flash.
    pub fn reserved(&mut self, upto: u64) {
        self.reserved = self.reserved.max(upto);
    }

    /// The step to show; none before its reservation is on flash.
    pub fn show(&mut self, now: Duration, clock: Clock) -> Option<u64> {
        let due = self.due(now, clock);
        if due > self.reserved {
            return None;
        }
        if due != self.shown {
            self.before = due.checked_sub(1).filter(|before| *before == self.shown);
            self.shown = due;
            self.moves_at = now.saturating_add(STEP_EVERY);
        }
        Some(due)
    }

    /// When [`Steps::show`] gives another step by itself.
    pub fn moves_at(&self, now: Duration, clock: Clock) -> Duration {
        match clock {
            Clock::Known(utc) => {
                let into = utc.as_millis() % step_ms();
                let by_clock = now.saturating_add(Duration::from_millis(step_ms() - into));
                match step_at(utc) < self.shown {
                    true => by_clock.min(self.moves_ahead_at()),
                    false => by_clock,
                }
            }
            Clock::Unknown => self.moves_at,
        }
    }

    /// When a step that is ahead of the clock is over.
    const fn moves_ahead_at(&self) -> Duration {
        self.moves_at.saturating_add(AHEAD_MORE)
    }

    /// Everything shown so far was used, or can be no more.
    pub fn use_up(&mut self) {
        self.last_used = self.last_used.max(self.shown);
        self.before = None;
    }

    fn due(&self, now: Duration, clock: Clock) -> u64 {
        let next = match clock {
            Clock::Known(utc) if step_at(utc) < self.shown && now >= self.moves_ahead_at() => {
                self.shown.saturating_add(1)
            }
            Clock::Known(utc) => step_at(utc),
            Clock::Unknown if self.shown > 0 && now >= self.moves_at => {
                self.shown.saturating_add(1)
            }
            Clock::Unknown => self.shown,
        };
        next.max(self.shown).max(self.last_used.saturating_add(1))
    }
}

/// The step of a time of day.
pub fn step_at(utc: Timestamp) -> u64 {
    utc.as_millis() / step_ms()
}

/// How many steps back a typed code is taken.
pub const TYPED_WINDOW: u64 = 3;
/// How many steps two codes in a row are looked for in, where board and server disagree.
pub const RESYNC_WINDOW: u64 = 4_096;

/// The steps whose typed code the server takes (protocol section 9.2): the last few by the clock, and
/// one more for a clock that is ahead; none that was used.
pub fn typed_steps(last_used: u64, now: Timestamp) -> RangeInclusive<u64> {
    let (clock, least) = (step_at(now), last_used.saturating_add(1));
    let first = clock.saturating_sub(TYPED_WINDOW - 1).max(least);
    first..=clock.max(least).saturating_add(1)
}

/// Finds two codes in a row among the next [`RESYNC_WINDOW`] steps; gives the step of the second one.
pub fn resynced(last_used: u64, typed: impl Fn(u64) -> u32, codes: [u32; 2]) -> Option<u64> {
    let first = last_used.saturating_add(1);
    let last = first.saturating_add(RESYNC_WINDOW - 1);
    let mut before = None;
    for step in first..=last.saturating_add(1) {
        let code = typed(step);
        if before == Some(codes[0]) && code == codes[1] {
            return Some(step);
        }
        before = Some(code);
    }
    None
}

fn step_ms() -> u64 {
    u64::try_from(STEP_EVERY.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> (Duration, Clock) {
        let utc = Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000);
        (Duration::from_secs(seconds), Clock::Known(utc))
    }

    /// A board that may show whatever is due.
    fn show(steps: &mut Steps, (now, clock): (Duration, Clock)) -> u64 {
        if let Some(upto) = steps.wanted(now, clock) {
            steps.reserved(upto);
        }
        steps.show(now, clock).expect("reserved")
    }

    #[test]
    fn a_step_is_the_time_of_day_where_it_is_known() {
        let mut steps = Steps::after(0);
        assert_eq!(show(&mut steps, at(0)), 60_000_000);
        assert_eq!(show(&mut steps, at(29)), 60_000_000);
        assert_eq!(steps.moves_at(at(29).0, at(29).1), Duration::from_secs(30));
        assert_eq!(show(&mut steps, at(30)), 60_000_001);
        assert!(steps.is_live(60_000_000), "the one before is still taken");
        assert_eq!(show(&mut steps, at(60)), 60_000_002);
        assert!(!steps.is_live(60_000_000));
    }

    #[test]
    fn a_step_never_goes_back_within_a_start_whatever_the_clock_does() {
        let mut steps = Steps::after(500);
        let mut last = 0;
        let mut dice = 7_u64;
        for turn in 0..10_000_u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let now = Duration::from_secs(turn * 7);
            let clock = match dice >> 61 {
                0 | 1 => Clock::Unknown,
                // Ten years to and fro.
                _ => Clock::Known(Timestamp::from_millis(
                    1_500_000_000_000 + (dice >> 24) % 630_000_000_000,
                )),
            };
            if dice >> 32 & 7 == 0 {
                steps.use_up();
            }
            let shown = show(&mut steps, (now, clock));
            assert!(shown >= last && shown > steps.last_used(), "turn {turn}");
            last = shown;
        }
    }

    #[test]
    fn a_used_step_and_all_before_it_are_taken_no_more() {
        let mut steps = Steps::after(0);
        let (first, second) = (show(&mut steps, at(0)), show(&mut steps, at(30)));
        assert!(steps.is_live(first) && steps.is_live(second));
        steps.use_up();
        assert!(!steps.is_live(first) && !steps.is_live(second));
        let third = show(&mut steps, at(31));
        assert_eq!(third, second + 1, "it moves at once");
        assert_eq!(steps.before(), None, "the one before was used");
        assert!(steps.is_live(third));
    }

    #[test]
    fn a_start_goes_on_above_every_step_that_was_shown() {
        let mut kept = 0;
        let mut top = 0;
        for start in 0..50_u64 {
            let mut steps = Steps::after(kept);
            for turn in 0..40 + start {
                let now = Duration::from_secs(turn * 30);
                if let Some(upto) = steps.wanted(now, Clock::Unknown) {
                    // A power cut may come between the asking and the keeping.
                    kept = upto;
                    steps.reserved(upto);
                }
                let shown = steps.show(now, Clock::Unknown).expect("reserved");
                assert!(shown > top, "start {start}: {shown} again");
                assert!(shown <= kept);
                top = shown;
            }
        }
    }

    #[test]
    fn a_start_that_learns_the_time_is_ahead_of_it_for_a_minute_at_most() {
        let mut kept = 0;
        for start in 0..40_u64 {
            let mut steps = Steps::after(kept);
            let begun = start * 3_600;
            // Some seconds pass before the time is told.
            let early = (Duration::from_secs(begun), Clock::Unknown);
            if let Some(upto) = steps.wanted(early.0, early.1) {
                steps.reserved(upto);
                kept = upto;
            }
            steps.show(early.0, early.1).expect("reserved");
            for turn in 0..60 + start {
                let (now, clock) = at(begun + 5 + turn * 30);
                if let Some(upto) = steps.wanted(now, clock) {
                    kept = upto;
                    steps.reserved(upto);
                }
                let shown = steps.show(now, clock).expect("reserved");
                let Clock::Known(utc) = clock else {
                    unreachable!("it is told");
                };
                if start > 0 && turn >= 2 {
                    assert_eq!(shown, step_at(utc), "start {start}, turn {turn}");
                }
            }
            // Switched off and on at once: the next start may be ahead by what was kept.
            let (_, Clock::Known(utc)) = at(begun + 5 + (59 + start) * 30) else {
                unreachable!("it is told");
            };
            assert!(kept <= step_at(utc) + STEPS_AHEAD_TIMED);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_stops_no_codes_and_catches_up() {
        let back = 3_600;
        let mut steps = Steps::after(0);
        let stuck = show(&mut steps, at(back));
        let mut kept = stuck;
        let mut since = 0;
        let mut longest = 0;
        let caught_up = back + back / 9 + 330;
        for second in 0..=caught_up {
            let now = Duration::from_secs(back + second);
            let (_, clock) = at(second);
            let shown = show(&mut steps, (now, clock));
            assert!(steps.moves_at(now, clock) > now);
            if shown != kept {
                (kept, since) = (shown, second);
            }
            longest = longest.max(second - since);
        }
        assert!(kept > stuck);
        // Five minutes, and another step where the clock draws level.
        assert!(longest < 330, "{longest} s");
        let (_, Clock::Known(utc)) = at(caught_up) else {
            unreachable!("it is told");
        };
        assert_eq!(kept, step_at(utc), "the clock has caught up");
    }

    #[test]
    fn nothing_is_shown_above_what_is_kept_on_flash() {
        let mut steps = Steps::after(0);
        assert_eq!(steps.show(Duration::ZERO, Clock::Unknown), None);
        steps.reserved(2);
        let mut shown = Vec::new();
        for turn in 0..5 {
            shown.push(steps.show(Duration::from_secs(turn * 30), Clock::Unknown));
        }
        assert_eq!(shown, [Some(1), Some(2), None, None, None]);
    }

    #[test]
    fn the_last_step_there_is_does_not_overflow() {
        let mut steps = Steps::after(u64::MAX - 1);
        assert_eq!(show(&mut steps, (Duration::MAX, Clock::Unknown)), u64::MAX);
        steps.use_up();
        assert_eq!(show(&mut steps, (Duration::MAX, Clock::Unknown)), u64::MAX);
        assert!(!steps.is_live(u64::MAX), "used for good");
    }
}
