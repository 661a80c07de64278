//! What the journal holds: one record for each event, archived by rkyv.
//!
//! Only records that our own store wrote are read back, and always with checked access. The
//! layout is fixed by [`FORMAT`]; a golden file keeps it from changing unseen.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

use crate::id::{MachineId, ReaderId, VendId, WalletId};
use crate::time::Timestamp;
use crate::{machine, reader, session, wallet};
use rkyv::rancor;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

/// Names the layout of archived records: a store writes it into each segment's header and refuses
/// segments that name another.
pub const FORMAT: u32 = 2;

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
}

impl Record {
    /// Appends the archived record to `out`, which is where a frame's payload begins.
    ///
    /// # Errors
    /// `RecordFault` when the record is larger than [`RECORD_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), RecordFault> {
        let bytes = rkyv::to_bytes::<rancor::Error>(self).map_err(|_| RecordFault::Unwritable)?;
        if bytes.len() > RECORD_MAX {
            return Err(RecordFault::TooLarge { len: bytes.len() });
        }
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Reads a record back from the bytes of one frame.
    ///
    /// # Errors
    /// `RecordFault` when they are not a record of this [`FORMAT`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordFault> {
        if bytes.len() > RECORD_MAX {
            return Err(RecordFault::TooLarge { len: bytes.len() });
        }
        let mut aligned = AlignedVec::<16>::with_capacity(bytes.len());
        aligned.extend_from_slice(bytes);
        rkyv::from_bytes::<Self, rancor::Error>(&aligned).map_err(|_| RecordFault::Unreadable)
    }
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
