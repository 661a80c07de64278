use super::Submission;
use gettone_core::port::Key;
use std::collections::{BTreeMap, HashMap};

/// Requests that wait until what they are about has come from the shelf. Only they wait.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// In the order of coming, each with how much it misses.
    requests: BTreeMap<u64, (Submission, usize)>,
    came: u64,
    /// Who waits for which entity, in the order of coming.
    wanted: HashMap<Key, Vec<u64>, ahash::RandomState>,
}

impl Parked {
    /// Whether somebody waits for an entity: whoever comes later waits behind.
    pub(super) fn wants(&self, key: Key) -> bool {
        self.wanted.contains_key(&key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Parks a request until all of `keys` have come, each once; gives those that nobody has asked
    /// for yet.
    pub(super) fn park(&mut self, submission: Submission, keys: &[Key]) -> Vec<Key> {
        let at = self.came;
        self.came += 1;
        self.requests.insert(at, (submission, keys.len()));
        let mut fresh = Vec::new();
        for key in keys {
            let waiting = self.wanted.entry(*key).or_insert_with(|| {
                fresh.push(*key);
                Vec::new()
            });
            waiting.push(at);
        }
        fresh
    }

    /// An entity has come, or is nowhere: gives the requests that wait for nothing any more.
    pub(super) fn arrived(&mut self, key: Key) -> Vec<Submission> {
        let mut ready = Vec::new();
        for at in self.wanted.remove(&key).unwrap_or_default() {
            let Some((_, missing)) = self.requests.get_mut(&at) else {
                continue;
            };
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                ready.extend(self.requests.remove(&at).map(|(submission, _)| submission));
            }
        }
        ready
    }

    /// Gives every request in the order of coming, because nothing that they wait for will do.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Submission> + use<> {
        self.wanted.clear();
        let requests = core::mem::take(&mut self.requests);
        requests.into_values().map(|(submission, _)| submission)
    }
}
