//! How often somebody may be wrong: so many failures at once, then each one makes the wait for the
//! next try longer. Time is handed in.

use crate::limiter::Wait;
use core::borrow::Borrow;
use core::hash::Hash;
use core::time::Duration;
use gettone_core::time::Timestamp;
use std::collections::HashMap;

/// The wait after one failure too many is this part of the window; it doubles with each further one.
const FIRST_WAIT: u32 = 5;

/// Failures for each key. Once all places are taken, strangers share one, so that a crowd of made-up
/// keys fills no memory.
#[derive(Debug)]
pub(crate) struct Attempts<K> {
    failures_max: u32,
    window: Duration,
    places_max: usize,
    places: HashMap<K, Place>,
    strangers: Place,
}

#[derive(Clone, Copy, Default, Debug)]
struct Place {
    failures: u32,
    since: Timestamp,
    /// Nothing is tried before.
    until: Timestamp,
}

impl<K: Hash + Eq> Attempts<K> {
    /// Allows `failures_max` within `window`; the wait after them is never longer than that.
    pub(crate) fn new(failures_max: u32, window: Duration, places_max: usize) -> Self {
        Self {
            failures_max,
            window,
            places_max,
            places: HashMap::new(),
            strangers: Place::default(),
        }
    }

    /// Begins a try: it counts as a failure until it is forgiven, so that many at once are no way
    /// around.
    ///
    /// # Errors
    /// `Wait` when there were too many.
    pub(crate) fn begin(&mut self, key: K, now: Timestamp) -> Result<(), Wait> {
        let (failures_max, window) = (self.failures_max, self.window);
        if self.places.len() >= self.places_max && !self.places.contains_key(&key) {
            self.places.retain(|_, place| !place.is_over(window, now));
            if self.places.len() >= self.places_max {
                return self.strangers.begin(failures_max, window, now);
            }
        }
        let place = self.places.entry(key).or_default();
        place.begin(failures_max, window, now)
    }

    /// The try was a good one.
    pub(crate) fn forgive<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.places.get_mut(key).unwrap_or(&mut self.strangers);
        place.failures = place.failures.saturating_sub(1);
        if place.failures < self.failures_max {
            place.until = Timestamp::default();
        }
    }
}

impl Place {
    fn begin(&mut self, failures_max: u32, window: Duration, now: Timestamp) -> Result<(), Wait> {
        if self.is_over(window, now) {
            *self = Self {
                failures: 0,
                since: now,
                until: Timestamp::default(),
            };
        }
        if now < self.until {
            let wait = self.until.as_millis() - now.as_millis();
            return Err(Wait(Duration::from_millis(wait)));
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(failures_max) {
            let wait = (window / FIRST_WAIT).saturating_mul(1 << beyond.min(8));
            self.until = later(now, wait.min(window));
        }
        Ok(())
    }

    /// Whether nothing of it counts any more. A clock that was put back locks nobody out.
    fn is_over(&self, window: Duration, now: Timestamp) -> bool {
        let last = self.since.max(self.until);
        now >= later(last, window) || now < self.since
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    crate::gateway::later(at, by)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    fn attempts() -> Attempts<u32> {
        Attempts::new(5, WINDOW, 3)
    }

    #[test]
    fn after_five_failures_the_wait_grows_and_nobody_else_waits() {
        let mut attempts = attempts();
        for _ in 0..5 {
            assert_eq!(attempts.begin(1, at(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [180, 360, 720, 900, 900] {
            let wait = Duration::from_secs(wait);
            assert_eq!(attempts.begin(1, at(now)), Err(Wait(wait)));
            now += wait.as_secs();
            assert_eq!(attempts.begin(1, at(now)), Ok(()));
        }
        assert_eq!(attempts.begin(2, at(now)), Ok(()));
    }

    #[test]
    fn a_day_of_guessing_in_haste_or_with_patience_stays_within_five_a_quarter_of_an_hour() {
        let day = 0..86_400_u64;
        let mut attempts = attempts();
        let hasty = day
            .clone()
            .filter(|now| attempts.begin(1, at(*now)).is_ok());
        let hasty = hasty.count();
        // Who waits each time until all is forgotten.
        let mut attempts = Attempts::new(5, WINDOW, 3);
        let mut patient = 0;
        let mut quiet_until = 0;
        for now in day {
            if now >= quiet_until {
                match attempts.begin(1, at(now)) {
                    Ok(()) => patient += 1,
                    Err(Wait(wait)) => quiet_until = now + (wait + WINDOW).as_secs(),
                }
            }
        }
        let most = 5 * 4 * 24;
        assert!(hasty <= most && patient <= most, "{hasty}, {patient}");
        assert!(patient > hasty, "haste gains nothing");
    }

    #[test]
    fn what_was_right_counts_for_nothing_and_what_is_long_ago_is_forgotten() {
        let mut attempts = attempts();
        for _ in 0..100 {
            assert_eq!(attempts.begin(1, at(0)), Ok(()));
            attempts.forgive(&1);
        }
        for _ in 0..5 {
            assert_eq!(attempts.begin(1, at(0)), Ok(()));
        }
        assert!(attempts.begin(1, at(179)).is_err());
        for _ in 0..5 {
            assert_eq!(attempts.begin(1, at(180 + WINDOW.as_secs())), Ok(()));
        }
    }

    #[test]
    fn a_crowd_of_made_up_keys_fills_no_memory_and_a_clock_put_back_locks_nobody_out() {
        let mut attempts = attempts();
        let begun = (0..1_000).filter(|key| attempts.begin(*key, at(0)).is_ok());
        assert_eq!(begun.count(), 3 + 5);
        assert_eq!(attempts.places.len(), 3);
        let mut attempts = Attempts::new(5, WINDOW, 3);
        for _ in 0..5 {
            assert_eq!(attempts.begin(1, at(5_000)), Ok(()));
        }
        assert!(attempts.begin(1, at(5_000)).is_err());
        assert_eq!(attempts.begin(1, at(10)), Ok(()));
    }
}
