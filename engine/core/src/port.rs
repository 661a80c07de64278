//! What the outside implements for the rules to stand on: synchronous, and few.

use std::io;

/// A frame's place in the journal, counted from 1 without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    /// Gives every frame, oldest first, to `each`, and ends before the first one that was never
    /// made durable. Returns the place of the next frame. It is called once, before any append.
    ///
    /// # Errors
    /// `StoreFault` when what is stored cannot be read or is damaged anywhere but at its torn end,
    /// or what `each` gives.
    fn replay(&mut self, each: &mut Each<'_>) -> Result<Seq, StoreFault>;

    /// Makes `frames` durable, the first of them at `first`. When it returns `Ok` they survive a
    /// power cut; when it fails, nothing may be appended until the store is opened again.
    ///
    /// # Errors
    /// `StoreFault` when the frames may not be durable.
    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault>;
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
    /// An earlier append failed: only opening it again tells what is durable.
    #[error("an earlier write failed; stop, and start again to see what is durable")]
    Failed,
}
