//! What the server's key shares with each reader's, computed once.

use crate::key::{self, KeyFault};
use gettone_channel::{Pair, PublicKey, StaticKey};
use gettone_core::id::ReaderId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pairs with every reader that was heard since the start: no more than are enrolled.
#[derive(Debug)]
pub(crate) struct Pairs {
    own: StaticKey,
    of: Mutex<HashMap<ReaderId, Pair>>,
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
            own: own.clone(),
            of: Mutex::default(),
            decoy: Pair::of(own, &nobody).expect("a public key of a private one has full order"),
        })
    }

    /// The pair with an enrolled reader. None when its key is of low order.
    pub(crate) fn with(&self, reader: ReaderId, key: &PublicKey) -> Option<Pair> {
        let known = self.lock().get(&reader).cloned();
        if let Some(pair) = known.filter(|pair| pair.peer() == key) {
            return Some(pair);
        }
        let pair = Pair::of(&self.own, key)?;
        self.lock().insert(reader, pair.clone());
        Some(pair)
    }

    /// The pair with nobody, so that an envelope of an unknown reader costs as much as any other.
    pub(crate) const fn decoy(&self) -> &Pair {
        &self.decoy
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ReaderId, Pair>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
