//! The items inside an envelope: `{u8 type, u16 length, body}`, one after the other.

mod answer;
mod diagnostics;
mod report;

pub use answer::{
    Ack, AuditAck, Config, Favourite, Grant, KeyAck, Lock, LockState, RefuseReason, Resend,
    ServerKey, Time,
};
pub use diagnostics::{Diagnose, Diagnostics, Gathering};
pub use report::{
    Audit, AuditCode, CounterRow, Counters, Hello, HelloFlags, KeyUpdate, MdbState, Order, Receipt,
    ReceiptFlags, ReceiptKind, TokenKeyUpdate, Utc,
};

use thiserror::Error;

use crate::bounds::{COUNTER_ROWS_MAX, ITEM_HEADER_LEN, PLAINTEXT_LEN_MAX, SKIPPABLE_FROM};
use crate::id::{CallId, JournalEpoch, Nonce};
use crate::wire::{Bad, Field, Wire, coded};

coded! {
    /// Which way an envelope travels.
    Direction {
        /// From a reader.
        ToServer = 1,
        /// From the server.
        ToReader = 2,
    }
}

/// Everything an envelope can carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The reader is here now.
    Hello(Hello),
    /// A fact about money.
    Receipt(Receipt),
    /// The reader's next key.
    KeyUpdate(KeyUpdate),
    /// Says which epoch the receipts belong to; first, where there is no HELLO.
    Epoch(JournalEpoch),
    /// The key of the tokens.
    TokenKey(TokenKeyUpdate),
    /// The machine's totals.
    Counters(Counters),
    /// A record for the technician.
    Audit(Audit),
    /// Permission to vend.
    Grant(Grant),
    /// Receipts are recorded.
    Ack(Ack),
    /// The wall clock.
    Time(Time),
    /// A configuration to fetch.
    Config(Config),
    /// No permission to vend.
    Refuse {
        /// The nonce of the HELLO it answers.
        nonce: Nonce,
        /// Why.
        reason: RefuseReason,
    },
    /// The server's next key.
    ServerKey(ServerKey),
    /// Out of service, or back in it.
    Lock(Lock),
    /// Asks for a HELLO.
    Call(CallId),
    /// The reader's next key is known.
    KeyAck(KeyAck),
    /// Receipts are wanted again.
    Resend(Resend),
    /// Audit records are recorded.
    AuditAck(AuditAck),
    /// A part of the report on how the reader is.
    Diagnostics(Diagnostics),
    /// Asks for that report.
    Diagnose(Diagnose),
}

/// Why bytes are not a list of items, or items not a list of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ItemFault {
    /// The list ends inside an item.
    #[error("the list ends inside an item")]
    CutShort,
    /// The type is unknown, or does not travel this way.
    #[error("item type {kind:#04x} does not travel this way")]
    Kind {
        /// The type.
        kind: u8,
    },
    /// The body is longer or shorter than its type says.
    #[error("item type {kind:#04x} with a body of {len} bytes")]
    Length {
        /// The type.
        kind: u8,
        /// Length of the body.
        len: usize,
    },
    /// A field has a value that no sender may write.
    #[error("item type {kind:#04x} carries an impossible value")]
    Value {
        /// The type.
        kind: u8,
    },
    /// More counter rows than the bound.
    #[error("{rows} counter rows, at most {COUNTER_ROWS_MAX}")]
    Rows {
        /// How many.
        rows: usize,
    },
    /// More bytes than one envelope carries.
    #[error("items of {len} bytes, at most {PLAINTEXT_LEN_MAX}")]
    TooLong {
        /// How many.
        len: usize,
    },
}

impl Item {
    /// Returns the type byte of protocol sections 5.1 and 5.2.
    pub const fn kind(&self) -> u8 {
        match self {
            Item::Hello(_) => 0x01,
            Item::Receipt(_) => 0x02,
            Item::KeyUpdate(_) => 0x03,
            Item::Epoch(_) => 0x04,
            Item::TokenKey(_) => 0x05,
            Item::Counters(_) => 0x06,
            Item::Audit(_) => 0x07,
            Item::Grant(_) => 0x11,
            Item::Ack(_) => 0x12,
            Item::Time(_) => 0x13,
            Item::Config(_) => 0x14,
            Item::Refuse { .. } => 0x15,
            Item::ServerKey(_) => 0x16,
            Item::Lock(_) => 0x17,
            Item::Call(_) => 0x18,
            Item::KeyAck(_) => 0x19,
            Item::Resend(_) => 0x1A,
            Item::AuditAck(_) => 0x1B,
            Item::Diagnostics(_) => 0x90,
            Item::Diagnose(_) => 0x91,
        }
    }

    /// Returns which way it travels.
    pub const fn direction(&self) -> Direction {
        match self.kind() {
            ..0x10 | 0x90 => Direction::ToServer,
            _ => Direction::ToReader,
        }
    }

    /// Returns how many bytes of an envelope it takes, its header included.
    pub fn encoded_len(&self) -> usize {
        ITEM_HEADER_LEN + self.body_len()
    }

    fn body_len(&self) -> usize {
        match self {
            Item::Hello(_) => Hello::LEN,
            Item::Receipt(_) => Receipt::LEN,
            Item::KeyUpdate(_) => KeyUpdate::LEN,
            Item::Epoch(_) => JournalEpoch::LEN,
            Item::TokenKey(_) => TokenKeyUpdate::LEN,
            Item::Counters(counters) => counters.body_len(),
            Item::Audit(_) => Audit::LEN,
            Item::Grant(_) => Grant::LEN,
            Item::Ack(_) => Ack::LEN,
            Item::Time(_) => Time::LEN,
            Item::Config(_) => Config::LEN,
            Item::Refuse { .. } => Nonce::LEN + RefuseReason::LEN,
            Item::ServerKey(_) => ServerKey::LEN,
            Item::Lock(_) => Lock::LEN,
            Item::Call(_) => CallId::LEN,
            Item::KeyAck(_) => KeyAck::LEN,
            Item::Resend(_) => Resend::LEN,
            Item::AuditAck(_) => AuditAck::LEN,
            Item::Diagnostics(part) => part.body_len(),
            Item::Diagnose(_) => Diagnose::LEN,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Item::Hello(body) => body.put(out),
            Item::Receipt(body) => body.put(out),
            Item::KeyUpdate(body) => body.put(out),
            Item::Epoch(body) => body.put(out),
            Item::TokenKey(body) => body.put(out),
            Item::Counters(body) => body.put(out),
            Item::Audit(body) => body.put(out),
            Item::Grant(body) => body.put(out),
            Item::Ack(body) => body.put(out),
            Item::Time(body) => body.put(out),
            Item::Config(body) => body.put(out),
            Item::Refuse { nonce, reason } => {
                nonce.put(out);
                reason.put(out);
            }
            Item::ServerKey(body) => body.put(out),
            Item::Lock(body) => body.put(out),
            Item::Call(body) => body.put(out),
            Item::KeyAck(body) => body.put(out),
            Item::Resend(body) => body.put(out),
            Item::AuditAck(body) => body.put(out),
            Item::Diagnostics(body) => body.put(out),
            Item::Diagnose(body) => body.put(out),
        }
    }

    /// Reads one body; `None` when the type is unknown in this direction.
    fn take(direction: Direction, kind: u8, body: &mut Wire<'_>) -> Option<Result<Self, Bad>> {
        use Direction::{ToReader, ToServer};
        Some(match (direction, kind) {
            (ToServer, 0x01) => body.field().map(Item::Hello),
            (ToServer, 0x02) => body.field().map(Item::Receipt),
            (ToServer, 0x03) => body.field().map(Item::KeyUpdate),
            (ToServer, 0x04) => body.field().map(Item::Epoch),
            (ToServer, 0x05) => body.field().map(Item::TokenKey),
            (ToServer, 0x06) => Counters::take(body).map(Item::Counters),
            (ToServer, 0x07) => body.field().map(Item::Audit),
            (ToReader, 0x11) => body.field().map(Item::Grant),
            (ToReader, 0x12) => body.field().map(Item::Ack),
            (ToReader, 0x13) => body.field().map(Item::Time),
            (ToReader, 0x14) => body.field().map(Item::Config),
            (ToReader, 0x15) => body.field().and_then(|nonce| {
                let reason = body.field()?;
                Ok(Item::Refuse { nonce, reason })
            }),
            (ToReader, 0x16) => body.field().map(Item::ServerKey),
            (ToReader, 0x17) => body.field().map(Item::Lock),
            (ToReader, 0x18) => body.field().map(Item::Call),
            (ToReader, 0x19) => body.field().map(Item::KeyAck),
            (ToReader, 0x1A) => body.field().map(Item::Resend),
            (ToReader, 0x1B) => body.field().map(Item::AuditAck),
            (ToServer, 0x90) => Diagnostics::take(body).map(Item::Diagnostics),
            (ToReader, 0x91) => body.field().map(Item::Diagnose),
            _ => return None,
        })
    }
}

/// Writes a list of items as an envelope carries it.
///
/// # Errors
/// An item does not travel this way, or there is too much of it.
pub fn encode(direction: Direction, items: &[Item]) -> Result<Vec<u8>, ItemFault> {
    for item in items {
        if item.direction() != direction {
            return Err(ItemFault::Kind { kind: item.kind() });
        }
        if let Item::Counters(Counters { rows, .. }) = item
            && rows.len() > COUNTER_ROWS_MAX
        {
            return Err(ItemFault::Rows { rows: rows.len() });
        }
        if let Item::Diagnostics(part) = item
            && !part.is_sound()
        {
            return Err(ItemFault::Value { kind: item.kind() });
        }
    }
    let len = items.iter().map(Item::encoded_len).sum();
    if len > PLAINTEXT_LEN_MAX {
        return Err(ItemFault::TooLong { len });
    }
    let mut out = Vec::with_capacity(len);
    for item in items {
        let body_len = u16::try_from(item.body_len()).expect("the list is shorter than 2,000");
        item.kind().put(&mut out);
        body_len.put(&mut out);
        item.put(&mut out);
    }
    Ok(out)
}

/// Reads the list of items inside an envelope; unknown types from 0x80 on are skipped.
///
/// # Errors
/// Anything at all is wrong with it: a list is taken whole or not.
pub fn decode(direction: Direction, plaintext: &[u8]) -> Result<Vec<Item>, ItemFault> {
    if plaintext.len() > PLAINTEXT_LEN_MAX {
        return Err(ItemFault::TooLong {
            len: plaintext.len(),
        });
    }
    let mut items = Vec::new();
    let mut list = Wire::new(plaintext);
    while !list.is_empty() {
        let (kind, body) = split(&mut list).map_err(|_| ItemFault::CutShort)?;
        let mut wire = Wire::new(body);
        match Item::take(direction, kind, &mut wire) {
            None if kind >= SKIPPABLE_FROM => {}
            None => return Err(ItemFault::Kind { kind }),
            Some(Err(Bad::Value)) => return Err(ItemFault::Value { kind }),
            Some(Ok(item)) if wire.is_empty() => items.push(item),
            Some(Ok(_) | Err(Bad::Short)) => {
                return Err(ItemFault::Length {
                    kind,
                    len: body.len(),
                });
            }
        }
    }
    Ok(items)
}

fn split<'a>(list: &mut Wire<'a>) -> Result<(u8, &'a [u8]), Bad> {
    let kind = list.field()?;
    let len: u16 = list.field()?;
    Ok((kind, list.bytes(usize::from(len))?))
}
