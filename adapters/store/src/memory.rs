use crate::bounds::ENTITY_BYTES_MAX;
use gettone_core::port::{
    Each, Frames, Generation, History, Key, Kind, Seq, Shelf, Store, StoreFault,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A journal in memory: for tests, demonstrations, and engines that need not survive their
/// process.
#[derive(Debug)]
pub struct Memory {
    tape: Tape,
    failed: bool,
}

/// What a [`Memory`] writes on. It outlives the store, so that a test can start an engine on it
/// again, and it can be told to fail.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    shared: Arc<Shared>,
}

/// What is kept of an append that is told to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing: the write never reached the medium.
    Nothing,
    /// All of it: only the answer was lost.
    Everything,
    /// This many frames: the power went in the middle.
    Frames(usize),
}

impl Kept {
    /// How many of so many frames.
    fn of(self, count: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => count,
            Self::Frames(some) => some.min(count),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    reel: Mutex<Reel>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Reel {
    batches: Vec<Frames>,
    frames: u64,
    appends: u64,
    in_use: bool,
    held: bool,
    fault: Option<Fault>,
    shelf: Rest,
    /// A generation is being written.
    is_writing: bool,
    /// The next generation to be finished fails over it.
    finish_fault: Option<Kept>,
}

/// What rests on the tape's shelf.
#[derive(Debug, Default)]
struct Rest {
    entities: BTreeMap<Key, Vec<u8>>,
    cuts: Vec<(u16, Seq)>,
    is_damaged: bool,
}

/// What an append fails over.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It has this number.
    Append(u64, Kept),
    /// It has the frame with this number.
    Frame(u64, Kept),
}

impl Memory {
    /// Begins an empty journal.
    pub fn new() -> Self {
        let tape = Tape::default();
        tape.reel().in_use = true;
        Self {
            tape,
            failed: false,
        }
    }

    /// Opens what was written on `tape` before.
    ///
    /// # Errors
    /// `Locked` while another store writes on it.
    pub fn reopen(tape: &Tape) -> Result<Self, StoreFault> {
        let mut reel = tape.reel();
        if reel.in_use {
            return Err(StoreFault::Locked {
                place: "the tape".to_owned(),
            });
        }
        reel.in_use = true;
        Ok(Self {
            tape: tape.clone(),
            failed: false,
        })
    }

    /// What it writes on.
    pub fn tape(&self) -> Tape {
        self.tape.clone()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.tape.reel().in_use = false;
    }
}

impl Tape {
    /// Has an append fail, the `nth` from now, counted from 1. Later ones of the same store fail
    /// because of it; a store opened afterwards works again.
    pub fn fail_append(&self, nth: u64, kept: Kept) {
        let mut reel = self.reel();
        let at = reel.appends.saturating_add(nth);
        reel.fault = Some(Fault::Append(at, kept));
    }

    /// Has the append with the `nth` frame from now fail, counted from 1, wherever in it that frame
    /// stands: those before it are kept, those behind it are lost, and it itself is as `kept` says.
    /// Unlike an append, a frame has its number whatever is merged into one flush.
    pub fn fail_frame(&self, nth: u64, kept: Kept) {
        let mut reel = self.reel();
        let at = reel.frames.saturating_add(nth);
        reel.fault = Some(Fault::Frame(at, kept));
    }

    /// Has the next generation that is finished on its shelf fail. Nothing of it is kept, or, when
    /// only the answer is lost, everything.
    pub fn fail_finish(&self, kept: Kept) {
        self.reel().finish_fault = Some(kept);
    }

    /// Damages what rests on its shelf.
    pub fn damage_shelf(&self) {
        self.reel().shelf.is_damaged = true;
    }

    /// Has every append wait, as on a disk that does not answer, until [`Tape::resume`].
    pub fn hold(&self) {
        self.reel().held = true;
    }

    /// Lets waiting appends go on.
    pub fn resume(&self) {
        self.reel().held = false;
        self.shared.moved.notify_all();
    }

    /// Appends begun so far, empty ones not counted.
    pub fn appends(&self) -> u64 {
        self.reel().appends
    }

    /// Frames kept so far.
    pub fn frames(&self) -> u64 {
        self.reel().frames
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        // Nothing panics while the lock is held; a poisoned reel is whole.
        self.shared
            .reel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reel {
    /// How much the append with this number keeps; none when it does not fail.
    fn failing(&self, nth: u64, frames: &Frames) -> Option<usize> {
        match self.fault? {
            Fault::Append(at, kept) => (at == nth).then(|| kept.of(frames.len())),
            Fault::Frame(at, kept) => {
                let place = usize::try_from(at.checked_sub(self.frames)?).ok()?;
                let before = place.checked_sub(1)?;
                (place <= frames.len()).then(|| before + kept.of(1))
            }
        }
    }

    fn keep(&mut self, frames: Frames) {
        self.frames = self
            .frames
            .saturating_add(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        self.batches.push(frames);
    }
}

impl Reel {
    fn rest(&self) -> Result<&Rest, StoreFault> {
        if self.shelf.is_damaged {
            return Err(StoreFault::ShelfDamaged {
                place: "the tape's shelf".to_owned(),
                what: "told to be".to_owned(),
            });
        }
        Ok(&self.shelf)
    }

    fn idle(&self) -> Result<(), StoreFault> {
        if self.is_writing {
            return Err(StoreFault::Io {
                doing: "changing the tape's shelf".to_owned(),
                source: io::Error::other("a snapshot is being written already"),
            });
        }
        Ok(())
    }
}

impl Shelf for Tape {
    fn cuts(&self) -> Result<Vec<(u16, Seq)>, StoreFault> {
        Ok(self.reel().rest()?.cuts.clone())
    }

    fn load(&self, key: Key) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.reel().rest()?.entities.get(&key).cloned())
    }

    fn numbers(&self, kind: Kind) -> Result<Vec<u64>, StoreFault> {
        let (first, last) = (Key::new(kind, 0), Key::new(kind, u64::MAX));
        let reel = self.reel();
        let listed = reel.rest()?.entities.range(first..=last);
        Ok(listed.map(|(key, _)| key.number()).collect())
    }

    fn begin(&self) -> Result<Box<dyn Generation>, StoreFault> {
        let mut reel = self.reel();
        reel.rest()?;
        reel.idle()?;
        reel.is_writing = true;
        Ok(Box::new(Snapshot {
            tape: self.clone(),
            changes: BTreeMap::new(),
        }))
    }

    fn clear(&self) -> Result<(), StoreFault> {
        let mut reel = self.reel();
        reel.idle()?;
        reel.shelf = Rest::default();
        Ok(())
    }
}

/// A generation: what it changes, with none for what it takes out.
struct Snapshot {
    tape: Tape,
    changes: BTreeMap<Key, Option<Vec<u8>>>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.tape.reel().is_writing = false;
    }
}

impl Generation for Snapshot {
    fn put(&mut self, key: Key, bytes: &[u8]) -> Result<(), StoreFault> {
        if bytes.len() > ENTITY_BYTES_MAX {
            return Err(StoreFault::Io {
                doing: format!(
                    "putting {} bytes, where at most {ENTITY_BYTES_MAX} go, onto the tape's shelf",
                    bytes.len()
                ),
                source: io::ErrorKind::InvalidInput.into(),
            });
        }
        self.changes.insert(key, Some(bytes.to_vec()));
        Ok(())
    }

    fn remove(&mut self, key: Key) -> Result<(), StoreFault> {
        self.changes.insert(key, None);
        Ok(())
    }

    fn finish(mut self: Box<Self>, cuts: &[(u16, Seq)]) -> Result<(), StoreFault> {
        let changes = core::mem::take(&mut self.changes);
        let mut reel = self.tape.reel();
        let fault = reel.finish_fault.take();
        if matches!(fault, None | Some(Kept::Everything)) {
            for (key, bytes) in changes {
                match bytes {
                    Some(bytes) => drop(reel.shelf.entities.insert(key, bytes)),
                    None => drop(reel.shelf.entities.remove(&key)),
                }
            }
            reel.shelf.cuts = cuts.to_vec();
            reel.shelf.cuts.sort_unstable();
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(StoreFault::Io {
                doing: "finishing a snapshot on the tape's shelf".to_owned(),
                source: io::Error::other("told to fail"),
            }),
        }
    }
}

impl Store for Memory {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        self.tape.frames_from(from, Seq::new(u64::MAX), each)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let mut reel = self.tape.reel();
        let expected = Seq::FIRST.after(reel.frames);
        if first != expected {
            self.failed = true;
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: expected.number(),
            });
        }
        if frames.is_empty() {
            return Ok(());
        }
        reel.appends = reel.appends.saturating_add(1);
        let nth = reel.appends;
        while reel.held {
            reel = self
                .tape
                .shared
                .moved
                .wait(reel)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let failing = reel.failing(nth, frames);
        let kept = failing.unwrap_or(frames.len());
        if kept == frames.len() {
            reel.keep(frames.clone());
        } else if kept > 0 {
            let mut part = Frames::default();
            frames.iter().take(kept).for_each(|frame| part.push(frame));
            reel.keep(part);
        }
        if failing.is_some() {
            self.failed = true;
            // A store that is opened afterwards works.
            reel.fault = None;
            return Err(StoreFault::Io {
                doing: format!("append {nth} to the tape"),
                source: io::Error::other("told to fail"),
            });
        }
        Ok(())
    }

    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        Some(Arc::new(self.tape()))
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        Some(Arc::new(self.tape()))
    }
}

impl History for Tape {
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault> {
        self.frames_from(from, upto, each).map(|_| ())
    }
}

impl Tape {
    /// Gives what stands from `from` on and before `upto`; tells the place behind the last frame.
    fn frames_from(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        let mut seq = Seq::FIRST;
        // Not under the lock: `each` may look at the shelf.
        for at in 0.. {
            let Some(batch) = self.reel().batches.get(at).cloned() else {
                break;
            };
            for payload in batch.iter() {
                if seq >= upto {
                    return Ok(seq);
                }
                if seq >= from {
                    each(seq, payload)?;
                }
                seq = seq.after(1);
            }
        }
        Ok(seq)
    }
}
