//! The file store's shelf: entities by key in a copy-on-write database, `shelf.redb`, beside the
//! segments and in a file of its own.

use crate::bounds::{ENTITY_BYTES_MAX, SNAPSHOT_BYTES_MAX};
use crate::disk::{Disk, Lock};
use crate::file::io_fault;
use crate::pages::Pages;
use core::ops::Range;
use gettone_core::port::{Generation, Key, Kind, Seq, Shelf, StoreFault};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file's name.
const SHELF: &str = "shelf.redb";
/// Its name until it is whole.
const MAKING: &str = "shelf.new";

const ENTITIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entities");
const CUTS: TableDefinition<'_, u16, u64> = TableDefinition::new("cuts");
/// Whose it is: the salt of the journal's first segment.
const JOURNAL: TableDefinition<'_, (), u64> = TableDefinition::new("journal");

/// What of the journal a shelf has to fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journal {
    /// The salt of its first segment.
    pub(crate) salt: u64,
    /// Where it ended when it was opened.
    pub(crate) next: Seq,
}

/// The shelf of one file store. It is opened when it is first used.
#[derive(Clone, Debug)]
pub(crate) struct FileShelf {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    journal: Journal,
    state: Mutex<State>,
    is_writing: AtomicBool,
    // The last field: whoever holds the shelf keeps others out of the store.
    _lock: Lock,
}

#[derive(Debug)]
enum State {
    /// Nobody has looked yet.
    Closed,
    /// There is no file.
    Missing,
    Open(Arc<Opened>),
    Damaged(String),
}

#[derive(Debug)]
struct Opened {
    database: Database,
    damaged: Arc<AtomicBool>,
}

impl FileShelf {
    pub(crate) fn new(disk: (Arc<dyn Disk>, Lock), cache_bytes: usize, journal: Journal) -> Self {
        let (disk, lock) = disk;
        Self {
            shared: Arc::new(Shared {
                disk,
                cache_bytes,
                journal,
                state: Mutex::new(State::Closed),
                is_writing: AtomicBool::new(false),
                _lock: lock,
            }),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> String {
        self.disk.place(SHELF)
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.place())
    }

    fn damaged(&self, what: &str) -> StoreFault {
        StoreFault::ShelfDamaged {
            place: self.place(),
            what: what.to_owned(),
        }
    }

    /// The open database; none when there is no file.
    fn opened(&self) -> Result<Option<Arc<Opened>>, StoreFault> {
        let mut state = self.state();
        match &*state {
            State::Open(opened) => return Ok(Some(Arc::clone(opened))),
            State::Missing => return Ok(None),
            State::Damaged(what) => return Err(self.damaged(what)),
            State::Closed => {}
        }
        match self.disk.open(SHELF) {
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                *state = State::Missing;
                return Ok(None);
            }
            Err(source) => return Err(io_fault(self.doing("opening"), source)),
            Ok(_) => {}
        }
        let opened = self.open(SHELF).and_then(|opened| {
            self.fits(&opened)?;
            Ok(opened)
        });
        match opened {
            Ok(opened) => {
                let opened = Arc::new(opened);
                *state = State::Open(Arc::clone(&opened));
                Ok(Some(opened))
            }
            Err(Bad::Damaged(what)) => {
                let fault = self.damaged(&what);
                *state = State::Damaged(what);
                Err(fault)
            }
            Err(Bad::Io(source)) => Err(io_fault(self.doing("opening"), source)),
        }
    }

    fn open(&self, name: &str) -> Result<Opened, Bad> {
        let file = self.disk.open(name).map_err(Bad::Io)?;
        let pages = Pages::on(file).map_err(Bad::Io)?;
        let damaged = pages.damage();
        let database = Database::builder()
            .set_cache_size(self.cache_bytes)
            .create_with_backend(pages)
            .map_err(|fault| Bad::of(fault.into(), &damaged))?;
        Ok(Opened { database, damaged })
    }

    /// Whether it is this journal's, and reaches no further.
    fn fits(&self, opened: &Opened) -> Result<(), Bad> {
        let (salt, cuts) = opened.read(|transaction| {
            let signed = transaction.open_table(JOURNAL)?.get(())?;
            let salt = signed.map(|salt| salt.value());
            Ok((salt, cuts_in(transaction)?))
        })?;
        if salt != Some(self.journal.salt) {
            return Err(Bad::Damaged("it is another journal's".to_owned()));
        }
        let beyond = cuts.iter().find(|(_, cut)| *cut > self.journal.next);
        match beyond {
            None => Ok(()),
            Some((_, cut)) => Err(Bad::Damaged(format!(
                "it reaches frame {}, and the journal ends before {}",
                cut.number(),
                self.journal.next.number()
            ))),
        }
    }

    fn make(&self) -> Result<Arc<Opened>, StoreFault> {
        let making = |source| io_fault(self.doing("making"), source);
        drop(self.disk.create(MAKING).map_err(making)?);
        let made = self.open(MAKING).and_then(|opened| {
            let sign = || -> Result<(), redb::Error> {
                let mut transaction = opened.database.begin_write()?;
                transaction.set_quick_repair(true);
                transaction
                    .open_table(JOURNAL)?
                    .insert((), self.journal.salt)?;
                Ok(transaction.commit()?)
            };
            sign().map_err(|fault| Bad::of(fault, &opened.damaged))?;
            Ok(opened)
        });
        let opened = made.map_err(|bad| self.fault("making", bad))?;
        self.disk
            .rename(MAKING, SHELF)
            .and_then(|()| self.disk.sync())
            .map_err(making)?;
        let opened = Arc::new(opened);
        *self.state() = State::Open(Arc::clone(&opened));
        Ok(opened)
    }

    fn fault(&self, doing: &str, bad: Bad) -> StoreFault {
        match bad {
            Bad::Io(source) => io_fault(self.doing(doing), source),
            Bad::Damaged(what) => {
                let fault = self.damaged(&what);
                *self.state() = State::Damaged(what);
                fault
            }
        }
    }

    /// The turn to change it, which one has at a time.
    fn turn(self: &Arc<Self>) -> Result<Turn, StoreFault> {
        if self.is_writing.swap(true, Ordering::AcqRel) {
            let source = io::Error::other("a snapshot is being written already");
            return Err(io_fault(self.doing("changing"), source));
        }
        Ok(Turn(Arc::clone(self)))
    }
}

struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_writing.store(false, Ordering::Release);
    }
}

/// What is wrong with a database.
enum Bad {
    Io(io::Error),
    Damaged(String),
}

impl Bad {
    fn of(fault: redb::Error, damaged: &AtomicBool) -> Self {
        let is_damaged = damaged.load(Ordering::Acquire)
            || matches!(
                &fault,
                redb::Error::Corrupted(_)
                    | redb::Error::UpgradeRequired(_)
                    | redb::Error::TableDoesNotExist(_)
                    | redb::Error::TableTypeMismatch { .. }
                    | redb::Error::TypeDefinitionChanged { .. }
            )
            || matches!(&fault, redb::Error::Io(io) if matches!(
                io.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            ));
        if is_damaged {
            return Self::Damaged(fault.to_string());
        }
        Self::Io(if let redb::Error::Io(source) = fault {
            source
        } else {
            io::Error::other(fault.to_string())
        })
    }
}

impl Opened {
    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Bad> {
        self.database
            .begin_read()
            .map_err(redb::Error::from)
            .and_then(|transaction| read(&transaction))
            .map_err(|fault| Bad::of(fault, &self.damaged))
    }
}

fn cuts_in(transaction: &redb::ReadTransaction) -> Result<Vec<(u16, Seq)>, redb::Error> {
    let table = match transaction.open_table(CUTS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(fault) => return Err(fault.into()),
    };
    let mut cuts = Vec::new();
    for row in table.iter()? {
        let (partition, cut) = row?;
        cuts.push((partition.value(), Seq::new(cut.value())));
    }
    Ok(cuts)
}

impl Shelf for FileShelf {
    fn cuts(&self) -> Result<Vec<(u16, Seq)>, StoreFault> {
        let Some(opened) = self.shared.opened()? else {
            return Ok(Vec::new());
        };
        opened
            .read(cuts_in)
            .map_err(|bad| self.shared.fault("reading", bad))
    }

    fn load(&self, key: Key) -> Result<Option<Vec<u8>>, StoreFault> {
        let Some(opened) = self.shared.opened()? else {
            return Ok(None);
        };
        let loaded = opened.read(|transaction| match transaction.open_table(ENTITIES) {
            Ok(table) => Ok(table
                .get(key.to_bytes().as_slice())?
                .map(|bytes| bytes.value().to_vec())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(fault) => Err(fault.into()),
        });
        loaded.map_err(|bad| self.shared.fault("reading", bad))
    }

    fn numbers(&self, kind: Kind) -> Result<Vec<u64>, StoreFault> {
        let Some(opened) = self.shared.opened()? else {
            return Ok(Vec::new());
        };
        let (first, last) = (Key::new(kind, 0), Key::new(kind, u64::MAX));
        let listed = opened.read(|transaction| {
            let table = match transaction.open_table(ENTITIES) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(fault) => return Err(fault.into()),
            };
            let mut numbers = Vec::new();
            let range = first.to_bytes()..=last.to_bytes();
            let (from, to) = (range.start().as_slice(), range.end().as_slice());
            for row in table.range(from..=to)? {
                let (key, _) = row?;
                if let Some(number) = key.value().last_chunk() {
                    numbers.push(u64::from_be_bytes(*number));
                }
            }
            Ok(numbers)
        });
        listed.map_err(|bad| self.shared.fault("reading", bad))
    }

    fn begin(&self) -> Result<Box<dyn Generation>, StoreFault> {
        let turn = self.shared.turn()?;
        let opened = match self.shared.opened()? {
            Some(opened) => opened,
            None => self.shared.make()?,
        };
        let begun = opened.database.begin_write().map(|mut transaction| {
            // After a crash it is then open at once, however large it is.
            transaction.set_quick_repair(true);
            transaction
        });
        let transaction = begun.map_err(|fault| {
            let bad = Bad::of(fault.into(), &opened.damaged);
            self.shared.fault("beginning a snapshot in", bad)
        })?;
        Ok(Box::new(Snapshot {
            waiting: Vec::new(),
            bytes: Vec::new(),
            transaction,
            opened,
            turn,
        }))
    }

    fn clear(&self) -> Result<(), StoreFault> {
        let turn = self.shared.turn()?;
        *turn.0.state() = State::Missing;
        self.shared
            .disk
            .remove(SHELF)
            .and_then(|()| self.shared.disk.sync())
            .map_err(|source| io_fault(self.shared.doing("clearing"), source))
    }
}

/// A snapshot that is being written: one transaction, filled in the order of keys.
struct Snapshot {
    /// What goes into the tables next.
    waiting: Vec<Change>,
    /// The entities of it, one behind the other.
    bytes: Vec<u8>,
    transaction: WriteTransaction,
    opened: Arc<Opened>,
    turn: Turn,
}

/// An entity to be put in, and where its bytes stand; none for one to be taken out.
struct Change {
    key: [u8; 9],
    bytes: Option<Range<usize>>,
}

impl Snapshot {
    fn change(&mut self, key: Key, bytes: Option<&[u8]>) -> Result<(), StoreFault> {
        let begin = self.bytes.len();
        self.waiting.push(Change {
            key: key.to_bytes(),
            bytes: bytes.map(|bytes| {
                self.bytes.extend_from_slice(bytes);
                begin..self.bytes.len()
            }),
        });
        let listed = self.waiting.len().saturating_mul(size_of::<Change>());
        if self.bytes.len().saturating_add(listed) < SNAPSHOT_BYTES_MAX {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StoreFault> {
        // Of two changes to one entity the later one stays the later one.
        self.waiting.sort_by_key(|change| change.key);
        let write = || -> Result<(), redb::Error> {
            let mut table = self.transaction.open_table(ENTITIES)?;
            for Change { key, bytes } in &self.waiting {
                match bytes.clone().and_then(|at| self.bytes.get(at)) {
                    Some(bytes) => drop(table.insert(key.as_slice(), bytes)?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
            Ok(())
        };
        write().map_err(|fault| {
            let bad = Bad::of(fault, &self.opened.damaged);
            self.turn.0.fault("writing a snapshot into", bad)
        })?;
        self.waiting.clear();
        self.bytes.clear();
        Ok(())
    }
}

impl Generation for Snapshot {
    fn put(&mut self, key: Key, bytes: &[u8]) -> Result<(), StoreFault> {
        if bytes.len() > ENTITY_BYTES_MAX {
            let doing = self.turn.0.doing(&format!(
                "putting {} bytes, where at most {ENTITY_BYTES_MAX} go, into",
                bytes.len()
            ));
            return Err(io_fault(doing, ErrorKind::InvalidInput.into()));
        }
        self.change(key, Some(bytes))
    }

    fn remove(&mut self, key: Key) -> Result<(), StoreFault> {
        self.change(key, None)
    }

    fn finish(mut self: Box<Self>, cuts: &[(u16, Seq)]) -> Result<(), StoreFault> {
        self.flush()?;
        let Self {
            transaction,
            opened,
            turn,
            ..
        } = *self;
        let finish = || -> Result<(), redb::Error> {
            {
                let mut table = transaction.open_table(CUTS)?;
                table.retain(|_, _| false)?;
                for (partition, cut) in cuts {
                    table.insert(partition, cut.number())?;
                }
            }
            Ok(transaction.commit()?)
        };
        finish().map_err(|fault| {
            let bad = Bad::of(fault, &opened.damaged);
            turn.0.fault("finishing a snapshot in", bad)
        })
    }
}
