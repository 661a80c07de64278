//! How often somebody may try: a bucket of tries for each, which fills again with time. Time is
//! handed in.

use core::hash::Hash;
use core::time::Duration;
use gettone_core::time::Timestamp;
use std::collections::HashMap;

/// A bucket for each key. Once all places are taken, strangers share one bucket, so that a crowd of
/// made-up keys fills no memory.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    tries_max: u32,
    refill: Duration,
    places_max: usize,
    buckets: HashMap<K, Bucket>,
    strangers: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tries: u32,
    since: Timestamp,
}

/// Too many tries: come again later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wait(pub Duration);

impl<K: Hash + Eq> Limiter<K> {
    /// Allows `tries_max` at once, and another one after each `refill`.
    pub(crate) fn new(tries_max: u32, refill: Duration, places_max: usize) -> Self {
        Self {
            tries_max,
            refill,
            places_max,
            buckets: HashMap::new(),
            strangers: Bucket {
                tries: tries_max,
                since: Timestamp::default(),
            },
        }
    }

    /// Takes one try.
    ///
    /// # Errors
    /// `Wait` when there is none, until there is one.
    pub(crate) fn take(&mut self, key: K, now: Timestamp) -> Result<(), Wait> {
        if self.buckets.len() >= self.places_max && !self.buckets.contains_key(&key) {
            let (tries_max, refill) = (self.tries_max, self.refill);
            self.buckets
                .retain(|_, bucket| bucket.filled(tries_max, refill, now).tries < tries_max);
            if self.buckets.len() >= self.places_max {
                return self.strangers.take(tries_max, refill, now);
            }
        }
        let full = Bucket {
            tries: self.tries_max,
            since: now,
        };
        self.buckets
            .entry(key)
            .or_insert(full)
            .take(self.tries_max, self.refill, now)
    }
}

impl Bucket {
    fn filled(self, tries_max: u32, refill: Duration, now: Timestamp) -> Self {
        let refill_ms = u64::try_from(refill.as_millis()).unwrap_or(u64::MAX).max(1);
        let (now_ms, since_ms) = (now.as_millis(), self.since.as_millis());
        // A clock that was put back must not lock anybody out for the difference.
        if now_ms < since_ms {
            return Self { since: now, ..self };
        }
        let gained = (now_ms - since_ms) / refill_ms;
        let tries = u64::from(self.tries).saturating_add(gained);
        match u32::try_from(tries) {
            Ok(tries) if tries < tries_max => Self {
                tries,
                since: Timestamp::from_millis(since_ms + gained * refill_ms),
            },
            Ok(_) | Err(_) => Self {
                tries: tries_max,
                since: now,
            },
        }
    }

    fn take(&mut self, tries_max: u32, refill: Duration, now: Timestamp) -> Result<(), Wait> {
        *self = self.filled(tries_max, refill, now);
        match self.tries.checked_sub(1) {
            Some(left) => {
                self.tries = left;
                Ok(())
            }
            None => {
                let passed = Duration::from_millis(now.as_millis() - self.since.as_millis());
                Err(Wait(refill.saturating_sub(passed)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn limiter(places_max: usize) -> Limiter<u32> {
        Limiter::new(2, Duration::from_secs(10), places_max)
    }

    #[test]
    fn each_key_has_its_tries_and_gets_them_back_one_by_one() {
        let mut limiter = limiter(10);
        assert_eq!(limiter.take(1, at(100)), Ok(()));
        assert_eq!(limiter.take(1, at(100)), Ok(()));
        assert_eq!(limiter.take(1, at(104)), Err(Wait(Duration::from_secs(6))));
        assert_eq!(limiter.take(2, at(104)), Ok(()));
        assert_eq!(limiter.take(1, at(110)), Ok(()));
        assert_eq!(limiter.take(1, at(119)), Err(Wait(Duration::from_secs(1))));
        assert_eq!(limiter.take(1, at(10_000)), Ok(()));
        assert_eq!(limiter.take(1, at(10_000)), Ok(()));
        assert!(limiter.take(1, at(10_000)).is_err());
    }

    #[test]
    fn a_crowd_of_made_up_keys_shares_one_bucket_and_fills_no_memory() {
        let mut limiter = limiter(3);
        let taken = (0..1_000).filter(|key| limiter.take(*key, at(100)).is_ok());
        assert_eq!(taken.count(), 3 + 2);
        assert_eq!(limiter.buckets.len(), 3);
        assert_eq!(limiter.take(0, at(100)), Ok(()), "who has a place keeps it");
        assert_eq!(
            limiter.take(5_000, at(200)),
            Ok(()),
            "full buckets give way"
        );
    }

    #[test]
    fn a_clock_that_is_put_back_locks_nobody_out() {
        let mut limiter = limiter(3);
        assert_eq!(limiter.take(1, at(100)), Ok(()));
        assert_eq!(limiter.take(1, at(100)), Ok(()));
        assert!(limiter.take(1, at(50)).is_err());
        assert_eq!(limiter.take(1, at(60)), Ok(()));
    }
}
