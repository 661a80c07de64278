//! What rests on a shelf: the whole state of one entity, archived by rkyv.
//!
//! Only what our own store wrote is read back, and always with checked access. What cannot be read
//! costs time, not money: the journal tells it again.

use crate::machine::Machine;
use crate::operator::{Operator, Payables};
use crate::port::Kind;
use crate::reader::Reader;
use crate::session::Session;
use crate::wallet::Wallet;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::{Archive, Deserialize, Portable, Serialize};
use thin_vec::ThinVec;

/// Names the layout of archived states; a golden file keeps it from changing unseen. States of
/// another format are not read: the journal replaces them.
pub const FORMAT: u16 = 5;

/// The largest archived state, in bytes: a wallet with every list full takes a third of it.
pub const STATE_MAX: usize = 16 * 1024 * 1024;

/// Bytes before the archive: the format, and the kind of entity.
const HEAD_LEN: usize = 3;

/// A wallet, and the sessions that live with it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Customer {
    /// The wallet.
    pub wallet: Wallet,
    /// Its live sessions, in the order of their names.
    pub sessions: ThinVec<Session>,
}

/// The state of an entity that can rest on a shelf.
pub trait Resting:
    Sized
    + Archive<
        Archived: Portable
                      + for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
                      + Deserialize<Self, HighDeserializer<rancor::Error>>,
    > + for<'a, 'b> Serialize<HighSerializer<&'a mut Vec<u8>, ArenaHandle<'b>, rancor::Error>>
{
    /// The kind of its keys.
    const KIND: Kind;

    /// Whether all that is packed in it can be read.
    fn is_whole(&self) -> bool {
        true
    }
}

impl Resting for Customer {
    const KIND: Kind = Kind::Wallet;

    fn is_whole(&self) -> bool {
        self.wallet.is_whole()
    }
}

impl Resting for Machine {
    const KIND: Kind = Kind::Machine;
}

impl Resting for Reader {
    const KIND: Kind = Kind::Reader;
}

impl Resting for Operator {
    const KIND: Kind = Kind::Operator;
}

impl Resting for Payables {
    const KIND: Kind = Kind::Payables;
}

/// Appends the archived state to `out`.
///
/// # Errors
/// `SnapshotFault` when it is larger than [`STATE_MAX`]; `out` then ends where it did.
pub fn encode<T: Resting>(state: &T, out: &mut Vec<u8>) -> Result<(), SnapshotFault> {
    let begin = out.len();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.push(T::KIND.code());
    let written = to_bytes_in(state, &mut *out).map(|_| ());
    let len = out.len().saturating_sub(begin);
    if written.is_err() || len > STATE_MAX {
        out.truncate(begin);
    }
    match written {
        Err(_) => Err(SnapshotFault::Unwritable),
        Ok(()) if len > STATE_MAX => Err(SnapshotFault::TooLarge { len }),
        Ok(()) => Ok(()),
    }
}

/// Reads a state back.
///
/// # Errors
/// `SnapshotFault` when the bytes are not a state of this kind, written in this [`FORMAT`].
pub fn decode<T: Resting>(bytes: &[u8]) -> Result<T, SnapshotFault> {
    if bytes.len() > STATE_MAX {
        return Err(SnapshotFault::TooLarge { len: bytes.len() });
    }
    let (head, archived) = bytes
        .split_first_chunk::<HEAD_LEN>()
        .ok_or(SnapshotFault::Unreadable)?;
    let [low, high, kind] = *head;
    let found = u16::from_le_bytes([low, high]);
    if found != FORMAT {
        return Err(SnapshotFault::OtherFormat { found });
    }
    if kind != T::KIND.code() {
        return Err(SnapshotFault::Unreadable);
    }
    rkyv::from_bytes(archived)
        .ok()
        .filter(|state: &T| state.is_whole())
        .ok_or(SnapshotFault::Unreadable)
}

/// Why a state could not be written or read.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// It is larger than a state may be.
    #[error("a state of {len} bytes; the largest allowed has {STATE_MAX}")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// It could not be archived.
    #[error("a state could not be archived")]
    Unwritable,
    /// It was written by another version.
    #[error("a state of format {found}; this version reads format {FORMAT}")]
    OtherFormat {
        /// The format found.
        found: u16,
    },
    /// It is not a state of that kind.
    #[error("not a state of format {FORMAT}")]
    Unreadable,
}
