//! What the server's keys share with the readers', computed once.

use crate::key::{self, KeyFault, ServerKey};
use gettone_channel::{Pair, PublicKey, StaticKey};
use gettone_core::id::ReaderId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A reader that changes its key has two.
const KEYS_OF_READER_MAX: usize = 2;

/// The pairs with every reader that was heard since the start: no more than are enrolled, for each
/// of the server's keys.
#[derive(Debug)]
pub(crate) struct Pairs {
    of: Mutex<HashMap<(ReaderId, u16), Vec<Pair>>>,
    decoy: Pair,
}

impl Pairs {
    /// Starts with none.
    ///
    /// # Errors
    /// `KeyFault::Random` when the system has no random bytes.
    pub(crate) fn of(own: &StaticKey) -> Result<Self, KeyFault> {
        let nobody = StaticKey::from_bytes(key::random()?).public();
        Ok(Self {
            of: Mutex::default(),
            decoy: Pair::of(own, &nobody).expect("a public key of a private one has full order"),
        })
    }

    /// The pair of one of the server's keys with an enrolled reader's. None when its key is of low
    /// order.
    pub(crate) fn with(&self, own: &ServerKey, reader: ReaderId, key: &PublicKey) -> Option<Pair> {
        let place = (reader, own.epoch);
        let known = self.lock().get(&place).and_then(|pairs| {
            let pair = pairs.iter().find(|pair| pair.peer() == key);
            pair.cloned()
        });
        if known.is_some() {
            return known;
        }
        let pair = Pair::of(&own.key, key)?;
        let mut all = self.lock();
        let pairs = all.entry(place).or_default();
        if pairs.len() >= KEYS_OF_READER_MAX {
            pairs.remove(0);
        }
        pairs.push(pair.clone());
        Some(pair)
    }

    /// The pair with nobody, so that an envelope of an unknown reader costs as much as any other.
    pub(crate) const fn decoy(&self) -> &Pair {
        &self.decoy
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(ReaderId, u16), Vec<Pair>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
