use crate::failure::StopCause;
use crate::host::Request;
use crate::journal::Journal;
use crate::line::Line;
use crate::metrics::Counters;
use gettone_core::port::{Key, Shelf, StoreFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Fetches entities from the shelf, on a thread of its own, and sends each to the shard that
/// asked.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    asked: Sender<Wanted>,
    needed: Arc<AtomicBool>,
}

/// An entity that a shard wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) shard: usize,
    /// How often the shard was rebuilt by then: what it wanted before is too old.
    pub(crate) round: u64,
    pub(crate) key: Key,
}

/// What of all entities is hosted when the engine starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hosted {
    /// Every one of them.
    All,
    /// Some; others lie on the shelf.
    Some,
}

/// What a loader's thread runs on.
#[derive(Debug)]
pub(crate) struct Loading {
    asked: Receiver<Wanted>,
}

impl Loader {
    /// A loader, and what its thread runs on. While everything is here it has nothing to do: what
    /// is not here is nowhere.
    pub(crate) fn new(hosted: Hosted) -> (Self, Loading) {
        let (sender, asked) = channel();
        let loader = Self {
            asked: sender,
            needed: Arc::new(AtomicBool::new(hosted == Hosted::Some)),
        };
        (loader, Loading { asked })
    }

    /// Whether something may lie on the shelf that is not here.
    pub(crate) fn is_needed(&self) -> bool {
        self.needed.load(Ordering::Acquire)
    }

    /// Something was let go.
    pub(crate) fn need(&self) {
        self.needed.store(true, Ordering::Release);
    }

    /// Asks for one entity. A thread that is gone has stopped the engine.
    pub(crate) fn load(&self, wanted: Wanted) {
        let _ = self.asked.send(wanted);
    }
}

impl Loading {
    /// Runs until nobody can ask any more.
    pub(crate) fn run(self, shelf: &dyn Shelf, line: &Line, beside: (&Journal, &Counters)) {
        let (journal, counters) = beside;
        while let Ok(asked) = self.asked.recv() {
            counters.loads.add(1);
            match fetch(shelf, asked) {
                Ok((shard, loaded)) => line.tell(shard, loaded),
                Err(fault) => {
                    journal.stop(StopCause::Store(fault));
                    return;
                }
            }
        }
    }

    /// Fetches the next entity that somebody has asked for, if anybody has.
    #[cfg(test)]
    pub(crate) fn next(&self, shelf: &dyn Shelf) -> Option<Result<(usize, Request), StoreFault>> {
        Some(fetch(shelf, self.asked.try_recv().ok()?))
    }
}

/// Takes one entity from the shelf, for the shard that has asked.
fn fetch(shelf: &dyn Shelf, wanted: Wanted) -> Result<(usize, Request), StoreFault> {
    let bytes = shelf.load(wanted.key)?;
    Ok((wanted.shard, Request::Loaded(wanted, bytes)))
}
