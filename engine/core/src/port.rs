//! What the outside implements for the rules to stand on: synchronous, and few.

use crate::id::{MachineId, OperatorId, ReaderId, WalletId};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// A frame's place in the journal, counted from 1 without gaps.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub struct Seq(u64);

impl Seq {
    /// The first frame of a journal.
    pub const FIRST: Self = Self(1);

    /// The place with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The place this many frames later.
    ///
    /// # Panics
    /// Never in practice: a journal of 2^64 frames would take longer than the machine lasts.
    pub fn after(self, frames: u64) -> Self {
        Self(
            self.0
                .checked_add(frames)
                .expect("2^64 frames are never written"),
        )
    }
}

/// Payloads of consecutive frames, in one buffer that is used again.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// Adds one payload, written by `write` at the end of the buffer. When `write` fails, nothing
    /// is added.
    ///
    /// # Errors
    /// Whatever `write` gives.
    pub fn push_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let begin = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(()) => {
                self.ends.push(self.bytes.len());
                Ok(())
            }
            Err(fault) => {
                self.bytes.truncate(begin);
                Err(fault)
            }
        }
    }

    /// Adds one payload.
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    /// Adds all payloads of `other`.
    pub fn append(&mut self, other: &Self) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| begin + end));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all payloads.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The payloads, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let payload = self.bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            payload
        })
    }

    /// Forgets all payloads but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Forgets all payloads and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Takes one frame of a replay.
pub type Each<'a> = dyn FnMut(Seq, &[u8]) -> Result<(), StoreFault> + 'a;

/// Where a journal lives.
///
/// A store belongs to one engine at a time; opening it takes a lock that keeps others out.
pub trait Store: Send {
    /// Gives every frame from `from` on, oldest first, to `each`, and ends before the first one
    /// that was never made durable. Returns the place of the next frame, also when that is before
    /// `from`. It is called before any append, and may then be called again; meanwhile `each` may
    /// use the shelf.
    ///
    /// # Errors
    /// `StoreFault` when what is stored from there on cannot be read or is damaged anywhere but at
    /// its torn end, or what `each` gives.
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault>;

    /// Makes `frames` durable, the first of them at `first`. When it returns `Ok` they survive a
    /// power cut; when it fails, nothing may be appended until the store is opened again.
    ///
    /// # Errors
    /// `StoreFault` when the frames may not be durable.
    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault>;

    /// Makes sure that nobody else has taken the store since it was opened, for answers that rest
    /// on nothing that is appended. Where nobody can take it while it is open, there is nothing to
    /// look at.
    ///
    /// # Errors
    /// `StoreFault` when somebody has, or when nobody can tell; nothing may be appended then until
    /// the store is opened again.
    fn confirm(&mut self) -> Result<(), StoreFault> {
        Ok(())
    }

    /// Where entities rest between restarts; none when this store keeps none. It is used beside
    /// appends, from other threads.
    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        None
    }

    /// What is durable, for whoever reads it beside appends; none when this store cannot be read
    /// that way.
    fn history(&self) -> Option<Arc<dyn History>> {
        None
    }
}

/// The frames that are durable, read beside appends, from other threads. It may outlive its store.
pub trait History: Send + Sync {
    /// Gives every frame from `from` on, oldest first, to `each`, and ends before `upto`. All of
    /// them are durable: whoever asks has seen the append that brought the last one.
    ///
    /// # Errors
    /// `StoreFault` when one of them cannot be read, or what `each` gives.
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault>;
}

/// Where entities rest between restarts, each under its own key, so that one of them can be taken
/// out alone. The journal is the truth: a shelf that is lost or damaged costs time, never money.
pub trait Shelf: Send + Sync {
    /// How far the last complete snapshot reaches, for each partition: everything of it before
    /// that place is in the snapshot. Empty when there is none.
    ///
    /// # Errors
    /// `ShelfDamaged` when what is kept cannot be relied on: then the shelf is to be cleared and
    /// the journal replayed from its beginning. Other faults as they come.
    fn cuts(&self) -> Result<Vec<(u16, Seq)>, StoreFault>;

    /// One entity's bytes, as of the last complete snapshot.
    ///
    /// # Errors
    /// As [`Shelf::cuts`].
    fn load(&self, key: Key) -> Result<Option<Vec<u8>>, StoreFault>;

    /// The numbers of everything of one kind, as of the last complete snapshot, in order. Only for
    /// kinds of which there are few.
    ///
    /// # Errors
    /// As [`Shelf::cuts`].
    fn numbers(&self, kind: Kind) -> Result<Vec<u64>, StoreFault>;

    /// Begins the next snapshot on top of the last one. Nothing of it is seen before it is
    /// finished, and there is one at a time.
    ///
    /// # Errors
    /// `Io` when there is another one, or when the operating system says no; `ShelfDamaged` when
    /// there is nothing sound to begin on.
    fn begin(&self) -> Result<Box<dyn Generation>, StoreFault>;

    /// Empties it, damaged or not: for who then replays the journal from its beginning and puts
    /// everything in again.
    ///
    /// # Errors
    /// `Io` while a generation is being written, or when the operating system says no.
    fn clear(&self) -> Result<(), StoreFault>;
}

/// The next snapshot, while it is written. Dropped, it was never there.
pub trait Generation: Send {
    /// Puts an entity in, in the place of what was under its key.
    ///
    /// # Errors
    /// `StoreFault` when the snapshot cannot be finished any more.
    fn put(&mut self, key: Key, bytes: &[u8]) -> Result<(), StoreFault>;

    /// Takes an entity out, if it is there.
    ///
    /// # Errors
    /// As [`Generation::put`].
    fn remove(&mut self, key: Key) -> Result<(), StoreFault>;

    /// Makes it the last complete snapshot, durable as a whole or not at all. Only its own `cuts`
    /// count from here on.
    ///
    /// # Errors
    /// `StoreFault` when that may not have happened.
    fn finish(self: Box<Self>, cuts: &[(u16, Seq)]) -> Result<(), StoreFault>;
}

/// What rests on a shelf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A wallet with its sessions.
    Wallet,
    /// A machine.
    Machine,
    /// A reader.
    Reader,
    /// An operator.
    Operator,
    /// A mark, without bytes: this wallet has live sessions or holds.
    LiveWallet,
    /// A mark, without bytes: this reader has steps to be taken up.
    DueReader,
    /// A mark, without bytes: this operator has money under way.
    BusyOperator,
    /// What operators earned, as far as it was added up: a fold of the journal, and no entity.
    Payables,
}

impl Kind {
    /// Every kind, in the order of keys.
    pub const ALL: [Self; 8] = [
        Self::Wallet,
        Self::Machine,
        Self::Reader,
        Self::Operator,
        Self::LiveWallet,
        Self::DueReader,
        Self::BusyOperator,
        Self::Payables,
    ];

    /// The number that it is stored under; it never changes.
    pub const fn code(self) -> u8 {
        match self {
            Self::Wallet => 1,
            Self::Machine => 2,
            Self::Reader => 3,
            Self::Operator => 4,
            Self::LiveWallet => 5,
            Self::DueReader => 6,
            Self::BusyOperator => 7,
            Self::Payables => 8,
        }
    }
}

/// The name of one entity on a shelf. Keys of one kind lie together, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    kind: Kind,
    number: u64,
}

impl Key {
    /// The entity of this kind with this number.
    pub const fn new(kind: Kind, number: u64) -> Self {
        Self { kind, number }
    }

    /// What it is.
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Nine bytes that sort as keys do.
    pub fn to_bytes(self) -> [u8; 9] {
        let mut bytes = [self.kind.code(); 9];
        bytes[1..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

impl From<WalletId> for Key {
    fn from(wallet: WalletId) -> Self {
        Self::new(Kind::Wallet, wallet.number())
    }
}

impl From<MachineId> for Key {
    fn from(machine: MachineId) -> Self {
        Self::new(Kind::Machine, u64::from(machine.number()))
    }
}

impl From<ReaderId> for Key {
    fn from(reader: ReaderId) -> Self {
        Self::new(Kind::Reader, u64::from_be_bytes(*reader.as_bytes()))
    }
}

impl From<OperatorId> for Key {
    fn from(operator: OperatorId) -> Self {
        Self::new(Kind::Operator, u64::from(operator.number()))
    }
}

/// The store failed the engine.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum StoreFault {
    /// The operating system said no.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What it said.
        source: io::Error,
    },
    /// Another process has the store.
    #[error("{place} is in use by another process; stop it first, or use another place")]
    Locked {
        /// Which store.
        place: String,
    },
    /// What is stored is damaged.
    #[error("{place} is damaged: {what}; restore it from a copy")]
    Damaged {
        /// Where.
        place: String,
        /// How.
        what: String,
    },
    /// The shelf is damaged. The journal is not: replayed from its beginning it tells everything.
    #[error(
        "the snapshot in {place} is damaged: {what}; it can be cleared, for the journal holds everything"
    )]
    ShelfDamaged {
        /// Where.
        place: String,
        /// How.
        what: String,
    },
    /// What is stored was written by another version.
    #[error(
        "{place} holds records of format {found}, and this version reads format {ours}: go on with \
         the version that wrote it, or begin in an empty place"
    )]
    OtherFormat {
        /// Where.
        place: String,
        /// The format found.
        found: u32,
        /// The format that this version reads.
        ours: u32,
    },
    /// The frames do not follow the last ones.
    #[error("frame {given} was appended where frame {expected} belongs")]
    OutOfOrder {
        /// The place given.
        given: u64,
        /// The place expected.
        expected: u64,
    },
    /// Another node has taken the journal over. What it did not find there it will not find later:
    /// a write of this node happened before that as a whole, or never will.
    #[error("{place} was taken over by another node; this one has to stop")]
    Deposed {
        /// Which store.
        place: String,
    },
    /// The store is not set up to keep what it says it has kept.
    #[error("{place} would not keep what it acknowledges: {what}")]
    Unfit {
        /// Which store.
        place: String,
        /// What is missing, and what to set.
        what: String,
    },
    /// The frames were handed over, and nothing tells whether they are durable.
    #[error(
        "whether the last frames are durable in {place} is not known: {what}; stop, and start \
         again to see"
    )]
    Unknown {
        /// Which store.
        place: String,
        /// What happened.
        what: String,
    },
    /// An earlier append failed: only opening it again tells what is durable.
    #[error("an earlier write failed; stop, and start again to see what is durable")]
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_bytes_do_and_no_two_share_them() {
        let mut keys: Vec<Key> = Kind::ALL
            .into_iter()
            .flat_map(|kind| [0, 1, 255, 256, u64::MAX].map(|number| Key::new(kind, number)))
            .collect();
        keys.push(Key::from(ReaderId::from_bytes([0, 0, 0, 0, 0, 0, 1, 1])));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 5 * Kind::ALL.len() + 1);
        let bytes: Vec<[u8; 9]> = keys.iter().map(|key| key.to_bytes()).collect();
        assert!(bytes.is_sorted_by(|one, next| one < next));
    }
}
