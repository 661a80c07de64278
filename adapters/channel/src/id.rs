//! Names made of bytes, and how they are derived.

use core::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::key::PublicKey;

/// Text that is not the hexadecimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id of {bytes} bytes is written as twice as many hexadecimal digits")]
pub struct IdFault {
    bytes: usize,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident[$len:literal]) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                $name(bytes)
            }

            /// Returns the bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::id::hex(&self.0, f)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::id::IdFault;

            /// Reads the hexadecimal form that `Display` writes.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::parse(text).map($name)
            }
        }

        impl $crate::wire::Field for $name {
            const LEN: usize = $len;
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            fn take(from: &mut $crate::wire::Wire<'_>) -> Result<Self, $crate::wire::Bad> {
                from.array().map($name)
            }
        }
    };
}
pub(crate) use id;

id! {
    /// Names a reader for life: it survives a rotation of the reader's key.
    ReaderId[8]
}
id! {
    /// Names one hold or one receipt; a repeated command with it is harmless.
    VendId[16]
}
id! {
    /// The nonce of one HELLO, fresh from the reader.
    Nonce[16]
}
id! {
    /// Names one life of a reader's journal.
    JournalEpoch[8]
}
id! {
    /// Links a receipt to all receipts before it.
    Chain[8]
}
id! {
    /// What a reader advertises: a hash of the out-of-band secret.
    Eid[8]
}
id! {
    /// The hash `h` of one link's handshake; both ends hold the same one, a second link has another.
    Handshake[32]
}
id! {
    /// Ties a HELLO to the link or to the call it answers.
    Bind[32]
}
id! {
    /// Names one CALL of the server.
    CallId[16]
}
id! {
    /// Recognises the machine's controller: a hash of its manufacturer, serial and model.
    VmcId[8]
}
id! {
    /// Names a new reader key inside KEY_ACK.
    KeyCheck[8]
}
id! {
    /// SHA-256 of a configuration's or firmware's manifest.
    ManifestHash[32]
}

id! {
    /// What a reader shows beside its key, so that a key typed wrong is noticed. No secret.
    ClaimCode[5]
}

/// Derives the claim code of a key: the first bytes of SHA-256("gettone claim v1" || key).
pub fn claim_code(key: &PublicKey) -> ClaimCode {
    ClaimCode(digest(&[b"gettone claim v1", key.as_bytes()]))
}

/// Derives a reader's id from the key it enrolled with.
pub fn reader_id(enrolled: &PublicKey) -> ReaderId {
    ReaderId(digest(&[enrolled.as_bytes()]))
}

/// Derives the id of a hold, which is the `grant` field of everything under it.
pub fn vend_id(reader: ReaderId, nonce: Nonce) -> VendId {
    VendId(digest(&[&reader.0, &nonce.0]))
}

/// Derives the id of a receipt.
pub fn receipt_vend_id(reader: ReaderId, epoch: JournalEpoch, rseq: u64) -> VendId {
    VendId(digest(&[&reader.0, &epoch.0, &rseq.to_be_bytes()]))
}

impl Chain {
    /// Returns what the first receipt of an epoch takes as `prev`.
    pub fn first(epoch: JournalEpoch) -> Self {
        Chain(digest(&[&epoch.0]))
    }

    pub(crate) fn of_body(body: &[u8]) -> Self {
        Chain(digest(&[body]))
    }
}

impl Bind {
    /// Returns the bind of a HELLO that answers a CALL.
    pub fn of_call(call: CallId) -> Self {
        Bind(digest(&[b"gettone call", &call.0]))
    }
}

impl From<Handshake> for Bind {
    fn from(link: Handshake) -> Self {
        Bind(link.0)
    }
}

impl VmcId {
    /// Hashes the identification that the controller gives over MDB.
    pub fn of(manufacturer: &[u8; 3], serial: &[u8; 12], model: &[u8; 12]) -> Self {
        VmcId(digest(&[manufacturer, serial, model]))
    }
}

impl KeyCheck {
    /// Returns the check of a new reader key.
    pub fn of(new: &PublicKey) -> Self {
        KeyCheck(digest(&[new.as_bytes()]))
    }
}

/// Returns the first `N` bytes of SHA-256 over the parts.
fn digest<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    *full.first_chunk().expect("no id is longer than SHA-256")
}

pub(crate) fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(crate) fn parse<const N: usize>(text: &str) -> Result<[u8; N], IdFault> {
    let fault = IdFault { bytes: N };
    let mut bytes = [0; N];
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return Err(fault);
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high).ok_or(fault)? << 4 | nibble(*low).ok_or(fault)?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
