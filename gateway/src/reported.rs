//! Which configuration each reader has said that it runs with, since this server started: shown to
//! technicians, and nothing rests on it.

use gettone_core::id::{Order, ReaderId};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What readers have said, one line for each that is enrolled and was heard.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<BTreeMap<ReaderId, (Order, u32)>>);

impl Reported {
    /// Notes what a HELLO says; one that is older than what is known says nothing new.
    pub(crate) fn note(&self, reader: ReaderId, made: Order, configuration: u32) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(reader).or_insert((made, configuration));
        if made >= known.0 {
            *known = (made, configuration);
        }
    }

    /// The configuration that a reader runs with: 0 for its own files alone.
    pub(crate) fn configuration(&self, reader: ReaderId) -> Option<u32> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&reader).map(|(_, configuration)| *configuration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_hello_that_comes_late_says_nothing_new() {
        let reader = ReaderId::from_bytes([7; 8]);
        let made = |boot, uptime_ms| Order { boot, uptime_ms };
        let reported = Reported::default();
        assert_eq!(reported.configuration(reader), None);
        for (order, says, known) in [
            (made(2, 9), 3, 3),
            (made(1, 99), 1, 3),
            (made(2, 8), 2, 3),
            (made(3, 0), 4, 4),
        ] {
            reported.note(reader, order, says);
            assert_eq!(reported.configuration(reader), Some(known));
        }
    }
}
