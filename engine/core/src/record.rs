//! What the journal holds: one record for each event, archived by rkyv.
//!
//! Only records that our own store wrote are read back, and always with checked access. The
//! layout is fixed by [`FORMAT`]; a golden file keeps it from changing unseen.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

mod lean;

use crate::id::{MachineId, OperatorId, ReaderId, VendId, WalletId};
use crate::port::Key;
use crate::time::Timestamp;
use crate::{machine, operator, reader, session, wallet};
use lean::{Done, Freed, Held, Lean, Sold, wallet_in};
use rkyv::api::high::{HighSerializer, HighValidator, to_bytes_in_with_alloc};
use rkyv::bytecheck::CheckBytes;
use rkyv::de::Pool;
use rkyv::rancor::{self, Strategy};
use rkyv::ser::allocator::SubAllocator;
use rkyv::{Archive, Archived, Deserialize, Portable, Serialize};

/// Names the layout of archived records: a store writes it into each segment's header and refuses
/// segments that name another.
pub const FORMAT: u32 = 4;

/// The largest archived record, in bytes: one envelope's receipts and a little more.
pub const RECORD_MAX: usize = 16 * 1024;

/// One thing that happened, and when.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened, and to whom.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// To a wallet; its session of the same hold moves on with it.
    Wallet {
        /// Which.
        wallet: WalletId,
        /// What.
        event: wallet::Event,
    },
    /// To a session alone.
    Session {
        /// Whose.
        wallet: WalletId,
        /// Which.
        session: VendId,
        /// What.
        event: session::Event,
    },
    /// To a machine.
    Machine {
        /// Which.
        machine: MachineId,
        /// What.
        event: machine::Event,
    },
    /// To a reader.
    Reader {
        /// Which.
        reader: ReaderId,
        /// What; boxed, because every record is laid out as large as the largest.
        event: Box<reader::Event>,
    },
    /// To an operator's money.
    Operator {
        /// Whose.
        operator: OperatorId,
        /// What.
        event: Box<operator::Event>,
    },
}

impl Event {
    /// To whom it happened.
    pub fn entity(&self) -> Key {
        match self {
            Self::Wallet { wallet, .. } | Self::Session { wallet, .. } => (*wallet).into(),
            Self::Machine { machine, .. } => (*machine).into(),
            Self::Reader { reader, .. } => (*reader).into(),
            Self::Operator { operator, .. } => (*operator).into(),
        }
    }
}

/// What the first byte of a record says: how the rest is archived.
const WHOLE: u8 = 0;
const HELD: u8 = 1;
const SOLD: u8 = 2;
const FREED: u8 = 3;
const DONE: u8 = 4;

impl Record {
    /// Appends the archived record to `out`, which is where a frame's payload begins. The records
    /// of a plain vend take nothing from the heap.
    ///
    /// # Errors
    /// `RecordFault` when the record is larger than [`RECORD_MAX`]; `out` then ends anywhere.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), RecordFault> {
        match Lean::of(self) {
            Some(Lean::Held(held)) => archive_lean(HELD, &held, out),
            Some(Lean::Sold(sold)) => archive_lean(SOLD, &sold, out),
            Some(Lean::Done(done)) => archive_lean(DONE, &done, out),
            Some(Lean::Freed(freed)) => archive_lean(FREED, &freed, out),
            None => {
                let bytes =
                    rkyv::to_bytes::<rancor::Error>(self).map_err(|_| RecordFault::Unwritable)?;
                if bytes.len() >= RECORD_MAX {
                    return Err(RecordFault::TooLarge { len: bytes.len() });
                }
                out.push(WHOLE);
                out.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// Whose the record in the bytes of one frame is, without reading all of a plain one.
    ///
    /// # Errors
    /// As [`Record::decode`].
    pub fn entity(bytes: &[u8]) -> Result<Key, RecordFault> {
        let (kind, archived) = bytes.split_first().ok_or(RecordFault::Unreadable)?;
        match *kind {
            HELD => wallet_in(archived, |held: &Archived<Held>| &held.wallet),
            SOLD => wallet_in(archived, |sold: &Archived<Sold>| &sold.wallet),
            FREED => wallet_in(archived, |freed: &Archived<Freed>| &freed.wallet),
            DONE => wallet_in(archived, |done: &Archived<Done>| &done.sold.wallet),
            _ => return Ok(Self::decode(bytes)?.event.entity()),
        }
        .map(Key::from)
        .ok_or(RecordFault::Unreadable)
    }

    /// Reads a record back from the bytes of one frame.
    ///
    /// # Errors
    /// `RecordFault` when they are not a record of this [`FORMAT`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordFault> {
        if bytes.len() > RECORD_MAX {
            return Err(RecordFault::TooLarge { len: bytes.len() });
        }
        let (kind, archived) = bytes.split_first().ok_or(RecordFault::Unreadable)?;
        match *kind {
            WHOLE => read::<Self>(archived),
            HELD => read_lean::<Held>(archived).map(Self::from),
            SOLD => read_lean::<Sold>(archived).map(Self::from),
            FREED => read_lean::<Freed>(archived).map(Self::from),
            DONE => read_lean::<Done>(archived).map(Self::from),
            _ => Err(RecordFault::Unreadable),
        }
    }
}

fn archive_lean<T>(kind: u8, lean: &T, out: &mut Vec<u8>) -> Result<(), RecordFault>
where
    T: for<'a, 'b> Serialize<HighSerializer<&'a mut Vec<u8>, SubAllocator<'b>, rancor::Error>>,
{
    out.push(kind);
    // It has no parts that lie apart, so nothing is ever allocated.
    to_bytes_in_with_alloc(lean, &mut *out, SubAllocator::new(&mut []))
        .map(|_| ())
        .map_err(|_| RecordFault::Unwritable)
}

fn read_lean<T>(archived: &[u8]) -> Result<T, RecordFault>
where
    T: Archive,
    T::Archived: Portable
        + for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
        + Deserialize<T, Strategy<Pool, rancor::Error>>,
{
    if archived.len() != size_of::<T::Archived>() {
        return Err(RecordFault::Unreadable);
    }
    read(archived)
}

fn read<T>(archived: &[u8]) -> Result<T, RecordFault>
where
    T: Archive,
    T::Archived: Portable
        + for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
        + Deserialize<T, Strategy<Pool, rancor::Error>>,
{
    rkyv::from_bytes::<T, rancor::Error>(archived).map_err(|_| RecordFault::Unreadable)
}

/// Why a record could not be written or read.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordFault {
    /// It is larger than a record may be.
    #[error("a record of {len} bytes; the largest allowed has {RECORD_MAX}")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// It could not be archived.
    #[error("a record could not be archived")]
    Unwritable,
    /// It is not a record of this format.
    #[error("not a record of format {FORMAT}")]
    Unreadable,
}
