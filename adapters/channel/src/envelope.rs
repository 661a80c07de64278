//! The envelope: one Noise `K` message between a reader and the server, with a clear header.
//!
//! ```text
//!  0  u8   version = 1
//!  1  u8   direction
//!  2  u16  server key epoch
//!  4  [8]  reader_id
//! 12  u64  sender sequence
//! 20  ...  32 + items + 16
//! ```
//!
//! It says who sealed it and hides what is inside. It does not say when: nonces, orders and counters do.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::bounds::{
    ENVELOPE_LEN_MAX, ENVELOPE_LEN_MIN, ENVELOPE_VERSION, HEADER_LEN, NOISE_K_OVERHEAD,
};
use crate::id::ReaderId;
use crate::item::{self, Direction, Item, ItemFault};
use crate::key::{Ephemeral, PublicKey, StaticKey};
use crate::pair::Pair;
use crate::suite::{self, Broken};
use crate::wire::{Field, Wire};

const PROLOGUE: &[u8; 13] = b"gettone-env-1";

/// The clear part of an envelope; the seal covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which way it travels.
    pub direction: Direction,
    /// Which of the server's keys it is sealed to or by.
    pub server_epoch: u16,
    /// The reader it is from or for.
    pub reader_id: ReaderId,
    /// Counts up at the sender. For diagnosis: never a guard against replay.
    pub sequence: u64,
}

/// Why an envelope was not made or not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeFault {
    /// No envelope has this length.
    #[error("an envelope of {len} bytes")]
    Length {
        /// The length.
        len: usize,
    },
    /// The version is unknown.
    #[error("envelope version {0}")]
    Version(u8),
    /// The direction is unknown.
    #[error("envelope direction {0}")]
    Direction(u8),
    /// A key makes an X25519 result of zeros.
    #[error("a key of low order")]
    WeakKey,
    /// It was not sealed by this peer for this key, or was changed since.
    #[error("the envelope does not open")]
    Refused,
    /// It opened, but its items are wrong; or the items to be sealed are.
    #[error("items of an envelope")]
    Items(#[from] ItemFault),
}

impl From<Broken> for EnvelopeFault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::WeakKey => EnvelopeFault::WeakKey,
            Broken::Refused | Broken::Exhausted => EnvelopeFault::Refused,
        }
    }
}

/// Reads the clear header. Nothing vouches for it until the envelope has been opened.
///
/// # Errors
/// The length, version or direction is none of an envelope's.
pub fn header(bytes: &[u8]) -> Result<Header, EnvelopeFault> {
    split(bytes).map(|(header, _, _)| header)
}

/// Seals items into one envelope, from `own` to `peer`; for more than one see [`Pair`].
///
/// # Errors
/// The items do not fit or do not travel this way, or the peer's key is weak.
pub fn seal(
    header: Header,
    own: &StaticKey,
    peer: &PublicKey,
    ephemeral: Ephemeral,
    items: &[Item],
) -> Result<Vec<u8>, EnvelopeFault> {
    let pair = Pair::of(own, peer).ok_or(EnvelopeFault::WeakKey)?;
    pair.seal(header, ephemeral, items)
}

/// Opens one envelope from `peer` to `own`; for more than one see [`Pair`].
///
/// # Errors
/// Anything at all is wrong with it: an envelope is taken whole or not.
pub fn open(
    bytes: &[u8],
    own: &StaticKey,
    peer: &PublicKey,
) -> Result<(Header, Vec<Item>), EnvelopeFault> {
    let pair = Pair::of(own, peer).ok_or(EnvelopeFault::WeakKey)?;
    pair.open(bytes)
}

impl Pair {
    /// Seals items into an envelope to the peer.
    ///
    /// # Errors
    /// The items do not fit or do not travel this way.
    pub fn seal(
        &self,
        header: Header,
        ephemeral: Ephemeral,
        items: &[Item],
    ) -> Result<Vec<u8>, EnvelopeFault> {
        let plaintext = Zeroizing::new(item::encode(header.direction, items)?);
        let clear = header.to_bytes();
        let mut envelope = clear.to_vec();
        envelope.resize(HEADER_LEN + NOISE_K_OVERHEAD + plaintext.len(), 0);
        suite::between(self, Some(ephemeral))
            .prologue(&prologue(&clear))
            .and_then(snow::Builder::build_initiator)
            .and_then(|mut state| state.write_message(&plaintext, &mut envelope[HEADER_LEN..]))
            .map_err(Broken::from)?;
        Ok(envelope)
    }

    /// Opens an envelope from the peer.
    ///
    /// # Errors
    /// Anything at all is wrong with it: an envelope is taken whole or not.
    pub fn open(&self, bytes: &[u8]) -> Result<(Header, Vec<Item>), EnvelopeFault> {
        let (header, clear, sealed) = split(bytes)?;
        let mut plaintext = Zeroizing::new(vec![0; sealed.len()]);
        let len = suite::between(self, None)
            .prologue(&prologue(clear))
            .and_then(snow::Builder::build_responder)
            .and_then(|mut state| state.read_message(sealed, &mut plaintext))
            .map_err(Broken::from)?;
        let items = item::decode(header.direction, &plaintext[..len])?;
        Ok((header, items))
    }
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        ENVELOPE_VERSION.put(&mut out);
        self.direction.put(&mut out);
        self.server_epoch.put(&mut out);
        self.reader_id.put(&mut out);
        self.sequence.put(&mut out);
        out.try_into().expect("the fields above are 20 bytes")
    }
}

fn split(bytes: &[u8]) -> Result<(Header, &[u8; HEADER_LEN], &[u8]), EnvelopeFault> {
    let length = EnvelopeFault::Length { len: bytes.len() };
    if !(ENVELOPE_LEN_MIN..=ENVELOPE_LEN_MAX).contains(&bytes.len()) {
        return Err(length);
    }
    let (clear, sealed) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(length)?;
    let [version, direction, ..] = *clear;
    if version != ENVELOPE_VERSION {
        return Err(EnvelopeFault::Version(version));
    }
    let direction = Direction::from_code(direction).ok_or(EnvelopeFault::Direction(direction))?;
    let mut wire = Wire::new(&clear[2..]);
    let header = Header {
        direction,
        server_epoch: wire.field().map_err(|_| length)?,
        reader_id: wire.field().map_err(|_| length)?,
        sequence: wire.field().map_err(|_| length)?,
    };
    Ok((header, clear, sealed))
}

fn prologue(clear: &[u8; HEADER_LEN]) -> [u8; PROLOGUE.len() + HEADER_LEN] {
    let mut prologue = [0; PROLOGUE.len() + HEADER_LEN];
    prologue[..PROLOGUE.len()].copy_from_slice(PROLOGUE);
    prologue[PROLOGUE.len()..].copy_from_slice(clear);
    prologue
}
