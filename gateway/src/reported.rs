//! Which configuration each reader has said that it runs with: shown to technicians, and nothing
//! rests on it.

use crate::database::reported::{self, Said};
use crate::gateway::Gateway;
use crate::problem::Problem;
use gettone_core::id::ReaderId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What readers have said, one line for each that is enrolled and was heard. Read from the database
/// when it is wanted first, and kept from then on.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<Option<BTreeMap<ReaderId, Said>>>);

impl Reported {
    /// The configuration that a reader runs with.
    pub(crate) fn configuration(&self, reader: ReaderId) -> Option<u32> {
        let said = self.locked().as_ref()?.get(&reader).copied();
        said.map(|said| said.configuration)
    }

    fn is_filled(&self) -> bool {
        self.locked().is_some()
    }

    fn fill(&self, read: Vec<(ReaderId, Said)>) {
        let mut all = self.locked();
        let known = all.get_or_insert_default();
        for (reader, said) in read {
            // What was heard meanwhile is newer.
            known.entry(reader).or_insert(said);
        }
    }

    /// Takes what a HELLO says; whether it is another configuration than before. A HELLO that is older
    /// than what is known says nothing new.
    fn take(&self, reader: ReaderId, said: Said) -> bool {
        let mut all = self.locked();
        let known = all.get_or_insert_default();
        let before = known.get(&reader).copied();
        if before.is_some_and(|before| said.made < before.made) {
            return false;
        }
        known.insert(reader, said);
        before.is_none_or(|before| before.configuration != said.configuration)
    }

    fn locked(&self) -> MutexGuard<'_, Option<BTreeMap<ReaderId, Said>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings back what was said before this start.
///
/// # Errors
/// `Problem` when the database cannot be read.
pub(crate) async fn recall(gateway: &Gateway) -> Result<(), Problem> {
    if !gateway.reported().is_filled() {
        let read = gateway.database().read(reported::all).await?;
        gateway.reported().fill(read);
    }
    Ok(())
}

/// Notes what a HELLO says.
///
/// # Errors
/// `Problem` when the database does not take it.
pub(crate) async fn note(gateway: &Gateway, reader: ReaderId, said: Said) -> Result<(), Problem> {
    recall(gateway).await?;
    if gateway.reported().take(reader, said) {
        gateway
            .database()
            .write(move |transaction| reported::put(transaction, reader, said))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::id::Order;

    #[test]
    fn an_old_hello_that_comes_late_says_nothing_new() {
        let reader = ReaderId::from_bytes([7; 8]);
        let said = |boot, uptime_ms, configuration| Said {
            made: Order { boot, uptime_ms },
            configuration,
        };
        let reported = Reported::default();
        assert_eq!(reported.configuration(reader), None);
        for (said, is_news, known) in [
            (said(2, 9, 3), true, 3),
            (said(1, 99, 1), false, 3),
            (said(2, 8, 2), false, 3),
            (said(3, 0, 4), true, 4),
            (said(3, 1, 4), false, 4),
        ] {
            assert_eq!(reported.take(reader, said), is_news);
            assert_eq!(reported.configuration(reader), Some(known));
        }
        reported.fill(vec![(reader, said(1, 0, 9))]);
        assert_eq!(reported.configuration(reader), Some(4), "heard since");
    }
}
