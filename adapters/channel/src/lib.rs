//! The relay protocol's two Noise patterns, its envelope and its items.
//!
//! Two constructions, one suite (`25519`, `AESGCM`, `SHA256`): the **link**, `NNpsk0`, joins a phone and a reader
//! that share nothing but a code out of band; the **envelope**, `K`, carries items between a reader and the server
//! through a phone that nobody trusts. Bytes in, items out, and back; every length is checked, and one changed bit
//! anywhere refuses the whole message.
//!
//! It never reads a clock, a file or a random source: randomness comes in as [`Ephemeral`]s. It never guards against
//! replay of an envelope: nonces, orders and counters inside do, and they are the business of reader and server. It
//! never trusts a length, a type or a key from outside, and never panics over one.
//!
//! ```
//! use gettone_channel as channel;
//! use channel::{Direction, Ephemeral, Header, Hello1, Initiator, Item, JournalEpoch, LinkMessage};
//! use channel::{Responder, Secret, StaticKey};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // The phone showed a light code; both ends make a link of it.
//! let secret = Secret::light([7; 10]);
//! let hello = Hello1 { version: channel::LINK_VERSION, caps: 0 };
//! let (phone, link1) = Initiator::start(&secret.psk(), Ephemeral::from_bytes([1; 32]), hello)?;
//! let (mut reader, link2, _) = Responder::accept(&secret.psk(), Ephemeral::from_bytes([2; 32]), &link1)?;
//! let mut phone = phone.finish(&link2)?;
//! assert_eq!(phone.handshake(), reader.handshake());
//!
//! // The reader seals an envelope to the server and hands it to the phone.
//! let (own, server) = (StaticKey::from_bytes([3; 32]), StaticKey::from_bytes([4; 32]));
//! let header = Header {
//!     direction: Direction::ToServer,
//!     server_epoch: 1,
//!     reader_id: channel::reader_id(&own.public()),
//!     sequence: 1,
//! };
//! let items = [Item::Epoch(JournalEpoch::from_bytes([5; 8]))];
//! let envelope = channel::seal(header, &own, &server.public(), Ephemeral::from_bytes([6; 32]), &items)?;
//! let carried = phone.open(&reader.seal(&LinkMessage::Envelope(envelope.clone()))?)?;
//! assert_eq!(carried, LinkMessage::Envelope(envelope.clone()));
//!
//! // The server opens what the phone brought.
//! assert_eq!(channel::open(&envelope, &server, &own.public())?, (header, items.to_vec()));
//! # Ok(())
//! # }
//! ```

mod bounds;
mod envelope;
mod firmware;
mod id;
mod item;
mod key;
mod link;
mod message;
mod package;
mod pair;
mod secret;
mod segment;
mod suite;
mod text;
mod token;
mod uuid;
#[cfg(test)]
mod vectors;
mod wire;

pub use bounds::{
    BOARD_LEN_MAX, CAPS_CARRIES, CHUNK_LEN, COUNTER_ROWS_MAX, ENVELOPE_LEN_MAX, ENVELOPE_LEN_MIN,
    ENVELOPE_VERSION, HEADER_LEN, ITEM_HEADER_LEN, LINE_LEN_MAX, LINK_1_LEN, LINK_2_LEN,
    LINK_MESSAGE_MAX, LINK_OVERHEAD, LINK_VERSION, MTU_MAX, MTU_MIN, NOISE_K_OVERHEAD,
    PACKAGE_LEN_MAX, PIECE_LEN_MAX, PLAINTEXT_LEN_MAX, PROGRAM_LEN_MAX, REPORT_LEN_MAX,
    REPORT_PART_LEN_MAX, REPORT_PARTS_MAX, SEGMENTS_MAX, SKIPPABLE_FROM, SLIP_LEN_MAX,
    SLIP_LEN_MIN, SLIP_RECEIPTS_MAX, TOKEN_LINK_LEN_MAX, VALUE_MAX,
};
pub use envelope::{EnvelopeFault, Header, header, open, seal};
pub use firmware::{FirmwareFormat, FirmwareHeader};
pub use id::{
    Bind, CallId, Chain, ClaimCode, Eid, Handshake, IdFault, JournalEpoch, KeyCheck, ManifestHash,
    Nonce, ReaderId, VendId, VmcId, claim_code, reader_id, receipt_vend_id, vend_id,
};
pub use item::{
    Ack, Audit, AuditAck, AuditCode, Config, CounterRow, Counters, Diagnose, Diagnostics,
    Direction, Favourite, Gathering, Grant, Hello, HelloFlags, Item, ItemFault, KeyAck, KeyUpdate,
    Lock, LockState, MdbState, Order, Receipt, ReceiptFlags, ReceiptKind, RefuseReason, Resend,
    ServerKey, Time, TokenKeyUpdate, Utc, decode, encode,
};
pub use key::{Ephemeral, PublicKey, StaticKey};
pub use link::{Hello1, Initiator, Link, LinkFault, Responder};
pub use message::{BoardState, LastResult, LinkMessage, Status, StatusReason};
pub use package::{Manifest, PackageKind, Part, Piece, Want};
pub use pair::Pair;
pub use secret::{Psk, ResumeSecret, Secret, TokenKey};
pub use segment::{Assembler, Mtu, SegmentFault, segments};
pub use token::{
    CapClass, LightGrant, LightPlace, SealedSlip, Slip, SlipReceipt, Token, TokenFault, TokenLink,
};
pub use uuid::{GATT_SERVICE, SERVICE_PREFIX, ServiceUuid, TO_PHONE, TO_READER};
