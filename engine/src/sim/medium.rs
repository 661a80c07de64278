//! What survives a crash: a tape that keeps what was synced and a part of the rest, or real
//! segment files of which a power cut leaves some sectors.

use super::chance::Chance;
use gettone_core::port::{
    Each, Frames, Generation, History, Key, Kind, Seq, Shelf, Store, StoreFault,
};
use gettone_store::{self as store, File, FileSettings};
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

/// What keeps money safe in a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Guards {
    /// It syncs before it acknowledges.
    pub(super) sync: Guard,
    /// It keeps out whoever had it before.
    pub(super) fence: Guard,
    /// Its shelf keeps what is put there.
    pub(super) shelf: Guard,
    /// Its shelf keeps how far a snapshot reaches, and says no more.
    pub(super) cuts: Guard,
}

impl Guards {
    /// All of it.
    pub(super) const ALL: Self = Self {
        sync: Guard::On,
        fence: Guard::On,
        shelf: Guard::On,
        cuts: Guard::On,
    };
}

/// What the disk is told to do wrong next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The next append fails, and keeps an arbitrary part.
    Next,
    /// The append with the frame of this number, counted from 1, fails. Those before it are kept.
    Frame(u64),
    /// The next append is written, and cannot be synced: what of it is left the power decides.
    Sync,
}

/// What goes wrong on the shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShelfFault {
    /// The next snapshot cannot begin.
    Begin,
    /// The next entity cannot be put in.
    Put,
    /// The next snapshot cannot be finished, and nothing of it is kept.
    Finish,
    /// The next snapshot is finished, and nobody is told.
    Answer,
    /// What rests there is damaged.
    Damage,
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
    frames: Vec<Arc<[u8]>>,
    /// So many of them are sure to survive.
    synced: usize,
    /// Which opening writes on it.
    owner: u64,
    fault: Option<Fault>,
    chance: Chance,
    guards: Guards,
    /// What rests beside it.
    shelf: store::Tape,
    shelf_fault: Option<ShelfFault>,
}

/// A journal in real files.
#[derive(Debug)]
pub(super) struct Files {
    dir: tempfile::TempDir,
    fault: Option<Fault>,
    chance: Chance,
}

impl Medium {
    pub(super) fn tape(chance: Chance, guards: Guards) -> Self {
        Self::Tape(Arc::new(Mutex::new(Tape {
            frames: Vec::new(),
            synced: 0,
            owner: 0,
            fault: None,
            chance,
            guards,
            shelf: store::Tape::default(),
            shelf_fault: None,
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

    /// Has the shelf fail.
    pub(super) fn fail_shelf(&self, fault: ShelfFault) {
        match self {
            Self::Tape(tape) => {
                let tape = &mut *lock(tape);
                match fault {
                    ShelfFault::Damage => tape.shelf.damage_shelf(),
                    ShelfFault::Finish => tape.shelf.fail_finish(store::Kept::Nothing),
                    ShelfFault::Answer => tape.shelf.fail_finish(store::Kept::Everything),
                    ShelfFault::Begin | ShelfFault::Put => tape.shelf_fault = Some(fault),
                }
            }
            Self::Files(files) => {
                if fault == ShelfFault::Damage {
                    let files = &mut *lock(files);
                    // What is not there cannot be damaged.
                    let _ = scratch(files);
                }
            }
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

/// Changes one byte of a shelf.
fn scratch(files: &mut Files) -> io::Result<()> {
    let path = files.dir.path().join("shelf.redb");
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let at = files.chance.below(file.metadata()?.len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 0x10], at)
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
        Fault::Sync => Some(count),
    }
}

/// Where the frame behind so many others stands.
fn place(before: usize) -> Seq {
    Seq::FIRST.after(u64::try_from(before).unwrap_or(u64::MAX))
}

struct TapeStore {
    tape: Arc<Mutex<Tape>>,
    owner: u64,
    failed: bool,
}

impl Store for TapeStore {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        let skipped = usize::try_from(from.number().saturating_sub(1)).unwrap_or(usize::MAX);
        for at in skipped.. {
            // Not under the lock: `each` may look at the shelf.
            let Some(frame) = lock(&self.tape).frames.get(at).map(Arc::clone) else {
                break;
            };
            each(place(at), &frame)?;
        }
        let count = lock(&self.tape).frames.len();
        Ok(place(count))
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let tape = &mut *lock(&self.tape);
        if tape.owner != self.owner && tape.guards.fence == Guard::On {
            self.failed = true;
            return Err(StoreFault::Deposed {
                place: "the tape".to_owned(),
            });
        }
        let at = usize::try_from(first.number() - 1).unwrap_or(usize::MAX);
        if at > tape.frames.len()
            || (at < tape.frames.len()
                && tape.owner == self.owner
                && tape.guards.fence == Guard::On)
        {
            self.failed = true;
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: place(tape.frames.len()).number(),
            });
        }
        let failing = kept(tape.fault, &mut tape.chance, (first.number(), frames.len()));
        // Without a fence two writers write over each other, each where it believes the end.
        for (place, frame) in (at..).zip(frames.iter().take(failing.unwrap_or(usize::MAX))) {
            match tape.frames.get_mut(place) {
                Some(written) => *written = frame.into(),
                None => tape.frames.push(frame.into()),
            }
        }
        if failing.is_some() {
            let is_written = tape.fault.take() == Some(Fault::Sync);
            self.failed = true;
            if tape.guards.sync == Guard::On && !is_written {
                tape.synced = tape.frames.len();
            }
            return Err(told_to_fail());
        }
        if tape.guards.sync == Guard::On {
            tape.synced = tape.frames.len();
        }
        Ok(())
    }

    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        Some(Arc::new(TapeShelf {
            tape: Arc::clone(&self.tape),
            owner: self.owner,
        }))
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        Some(Arc::new(TapeHistory(Arc::clone(&self.tape))))
    }
}

/// What is on a tape.
struct TapeHistory(Arc<Mutex<Tape>>);

impl History for TapeHistory {
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault> {
        let mut seq = from;
        while seq < upto {
            let at = usize::try_from(seq.number() - 1).unwrap_or(usize::MAX);
            // Not under the lock: `each` may look at the shelf.
            let frame = lock(&self.0).frames.get(at).map(Arc::clone);
            each(seq, &frame.ok_or(StoreFault::Failed)?)?;
            seq = seq.after(1);
        }
        Ok(())
    }
}

/// The shelf beside a tape, as whoever had it at one time sees it.
struct TapeShelf {
    tape: Arc<Mutex<Tape>>,
    owner: u64,
}

impl TapeShelf {
    /// The shelf, unless somebody else has it, or it fails over `doing`.
    fn shelf(&self, doing: Option<ShelfFault>) -> Result<store::Tape, StoreFault> {
        let tape = &mut *lock(&self.tape);
        if tape.owner != self.owner {
            return Err(StoreFault::Deposed {
                place: "the tape's shelf".to_owned(),
            });
        }
        if doing.is_some() && tape.shelf_fault == doing {
            tape.shelf_fault = None;
            return Err(told_to_fail());
        }
        Ok(tape.shelf.clone())
    }
}

impl Shelf for TapeShelf {
    fn cuts(&self) -> Result<Vec<(u16, Seq)>, StoreFault> {
        self.shelf(None)?.cuts()
    }

    fn load(&self, key: Key) -> Result<Option<Vec<u8>>, StoreFault> {
        self.shelf(None)?.load(key)
    }

    fn numbers(&self, kind: Kind) -> Result<Vec<u64>, StoreFault> {
        self.shelf(None)?.numbers(kind)
    }

    fn begin(&self) -> Result<Box<dyn Generation>, StoreFault> {
        Ok(Box::new(TapeGeneration {
            next: self.shelf(Some(ShelfFault::Begin))?.begin()?,
            shelf: Self {
                tape: Arc::clone(&self.tape),
                owner: self.owner,
            },
        }))
    }

    fn clear(&self) -> Result<(), StoreFault> {
        self.shelf(None)?.clear()
    }
}

struct TapeGeneration {
    next: Box<dyn Generation>,
    shelf: TapeShelf,
}

impl Generation for TapeGeneration {
    fn put(&mut self, key: Key, bytes: &[u8]) -> Result<(), StoreFault> {
        self.shelf.shelf(Some(ShelfFault::Put))?;
        let forgets = lock(&self.shelf.tape).guards.shelf == Guard::Off;
        if forgets && key.kind() == Kind::Wallet {
            return Ok(());
        }
        self.next.put(key, bytes)
    }

    fn remove(&mut self, key: Key) -> Result<(), StoreFault> {
        self.next.remove(key)
    }

    fn finish(self: Box<Self>, cuts: &[(u16, Seq)]) -> Result<(), StoreFault> {
        self.shelf.shelf(None)?;
        let exaggerates = lock(&self.shelf.tape).guards.cuts == Guard::Off;
        let cuts: Vec<(u16, Seq)> = cuts
            .iter()
            .map(|(partition, cut)| (*partition, cut.after(u64::from(exaggerates))))
            .collect();
        self.next.finish(&cuts)
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
    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        self.file.shelf()
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        self.file.history()
    }

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
