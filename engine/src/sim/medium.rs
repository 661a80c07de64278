//! What survives a crash: a tape that keeps what was synced and a part of the rest, or real
//! segment files of which a power cut leaves some sectors.

use super::chance::Chance;
use gettone_core::port::{Each, Frames, Seq, Store, StoreFault};
use gettone_store::{File, FileSettings};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;
const SEGMENT_BYTES: u64 = 32 * 1024;

/// Whether something that keeps money safe is there; without it the world has to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Guard {
    On,
    Off,
}

/// What the disk is told to do wrong next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The next append fails, and keeps an arbitrary part.
    Next,
    /// The append with the frame of this number, counted from 1, fails. Those before it are kept.
    Frame(u64),
}

/// Where a world keeps its journal.
#[derive(Clone, Debug)]
pub(super) enum Medium {
    Tape(Arc<Mutex<Tape>>),
    Files(Arc<Mutex<Files>>),
}

/// A journal in memory.
#[derive(Debug)]
pub(super) struct Tape {
    frames: Vec<Vec<u8>>,
    /// So many of them are sure to survive.
    synced: usize,
    /// Which opening writes on it.
    owner: u64,
    fault: Option<Fault>,
    chance: Chance,
    sync: Guard,
    fence: Guard,
}

/// A journal in real files.
#[derive(Debug)]
pub(super) struct Files {
    dir: tempfile::TempDir,
    fault: Option<Fault>,
    chance: Chance,
}

impl Medium {
    pub(super) fn tape(chance: Chance, guards: (Guard, Guard)) -> Self {
        Self::Tape(Arc::new(Mutex::new(Tape {
            frames: Vec::new(),
            synced: 0,
            owner: 0,
            fault: None,
            chance,
            sync: guards.0,
            fence: guards.1,
        })))
    }

    pub(super) fn files(chance: Chance) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|fault| format!("a directory: {fault}"))?;
        Ok(Self::Files(Arc::new(Mutex::new(Files {
            dir,
            fault: None,
            chance,
        }))))
    }

    /// Opens it for the next life of the engine.
    pub(super) fn open(&self) -> Result<Box<dyn Store>, StoreFault> {
        Ok(match self {
            Self::Tape(tape) => {
                let mut held = lock(tape);
                held.owner += 1;
                Box::new(TapeStore {
                    tape: Arc::clone(tape),
                    owner: held.owner,
                    failed: false,
                })
            }
            Self::Files(files) => {
                let dir = lock(files).dir.path().to_owned();
                let settings = FileSettings {
                    segment_bytes: SEGMENT_BYTES,
                    ..FileSettings::default()
                };
                Box::new(FileStore {
                    files: Arc::clone(files),
                    file: File::open(&dir, settings)?,
                    failed: false,
                })
            }
        })
    }

    /// Has an append fail.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        match self {
            Self::Tape(tape) => lock(tape).fault = fault,
            Self::Files(files) => lock(files).fault = fault,
        }
    }

    /// Takes the power away: of what was not synced, an arbitrary part is left.
    pub(super) fn crash(&self) {
        if let Self::Tape(tape) = self {
            let tape = &mut *lock(tape);
            let unsynced = tape.frames.len().saturating_sub(tape.synced);
            let kept = tape.synced + tape.chance.place(unsynced + 1);
            tape.frames.truncate(kept);
            tape.synced = kept;
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told_to_fail() -> StoreFault {
    StoreFault::Io {
        doing: "appending".to_owned(),
        source: io::Error::other("told to fail"),
    }
}

/// How many of `count` frames, the first of them at `first`, an append with a fault keeps.
fn kept(fault: Option<Fault>, chance: &mut Chance, at: (u64, usize)) -> Option<usize> {
    let (first, count) = at;
    match fault? {
        Fault::Next => Some(chance.place(count + 1)),
        Fault::Frame(number) => {
            let place = usize::try_from(number.checked_sub(first)?).ok()?;
            // The frame itself may be there or not.
            (place < count).then(|| place + chance.place(2))
        }
    }
}

struct TapeStore {
    tape: Arc<Mutex<Tape>>,
    owner: u64,
    failed: bool,
}

impl Store for TapeStore {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        let tape = lock(&self.tape);
        let mut seq = Seq::FIRST;
        for frame in &tape.frames {
            if seq >= from {
                each(seq, frame)?;
            }
            seq = seq.after(1);
        }
        Ok(seq)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let tape = &mut *lock(&self.tape);
        if tape.owner != self.owner && tape.fence == Guard::On {
            self.failed = true;
            return Err(StoreFault::Deposed {
                place: "the tape".to_owned(),
            });
        }
        let at = usize::try_from(first.number() - 1).unwrap_or(usize::MAX);
        if at > tape.frames.len()
            || (at < tape.frames.len() && tape.owner == self.owner && tape.fence == Guard::On)
        {
            self.failed = true;
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: u64::try_from(tape.frames.len()).unwrap_or(u64::MAX) + 1,
            });
        }
        let failing = kept(tape.fault, &mut tape.chance, (first.number(), frames.len()));
        // Without a fence two writers write over each other, each where it believes the end.
        for (place, frame) in (at..).zip(frames.iter().take(failing.unwrap_or(usize::MAX))) {
            match tape.frames.get_mut(place) {
                Some(written) => *written = frame.to_vec(),
                None => tape.frames.push(frame.to_vec()),
            }
        }
        if failing.is_some() {
            tape.fault = None;
            self.failed = true;
            tape.synced = tape.synced.max(match tape.sync {
                Guard::On => tape.frames.len(),
                Guard::Off => 0,
            });
            return Err(told_to_fail());
        }
        if tape.sync == Guard::On {
            tape.synced = tape.frames.len();
        }
        Ok(())
    }
}

struct FileStore {
    files: Arc<Mutex<Files>>,
    file: File,
    failed: bool,
}

impl FileStore {
    /// The segment that is written to, and what it holds.
    fn newest(&self) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(lock(&self.files).dir.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == "seg") {
                segments.push(path);
            }
        }
        segments
            .into_iter()
            .max()
            .map(|path| fs::read(&path).map(|bytes| (path, bytes)))
            .transpose()
    }

    /// Leaves of what changed since `before` some sectors only, and dirt in place of others.
    fn tear(&self, before: Option<(PathBuf, Vec<u8>)>) -> io::Result<()> {
        let (Some((old_path, old)), Some((path, new))) = (before, self.newest()?) else {
            return Ok(());
        };
        if old_path != path || old.len() != new.len() {
            // The append began a segment: of that one nothing before is known.
            return Ok(());
        }
        let chance = &mut lock(&self.files).chance;
        let begin = old.iter().zip(&new).position(|(old, new)| old != new);
        let mut torn = new.clone();
        for (number, (old, new)) in old.chunks(SECTOR).zip(new.chunks(SECTOR)).enumerate() {
            if old == new {
                continue;
            }
            let at = number * SECTOR;
            // A sector with synced bytes in it is written as a whole or not at all.
            let is_fresh = begin.is_some_and(|begin| begin <= at);
            let left: Vec<u8> = match chance.below(4) {
                0 | 1 => new.to_vec(),
                2 if is_fresh => (0..new.len())
                    .map(|_| chance.draw().to_le_bytes()[0])
                    .collect(),
                _ => old.to_vec(),
            };
            torn.splice(at..at + left.len(), left);
        }
        OpenOptions::new()
            .write(true)
            .open(&path)?
            .write_all_at(&torn, 0)
    }
}

impl Store for FileStore {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        self.file.replay(from, each)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let is_failing = {
            let files = &mut *lock(&self.files);
            let fault = files.fault;
            kept(fault, &mut files.chance, (first.number(), frames.len())).is_some()
        };
        if !is_failing {
            return self.file.append(first, frames);
        }
        self.failed = true;
        lock(&self.files).fault = None;
        let io = |source| StoreFault::Io {
            doing: "tearing a batch".to_owned(),
            source,
        };
        let before = self.newest().map_err(io)?;
        self.file.append(first, frames)?;
        self.tear(before).map_err(io)?;
        Err(told_to_fail())
    }
}
