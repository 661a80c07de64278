//! The server's side: what it answers.

use crate::letter::Letter;
use crate::names::{chain_out, epoch_out, key_out, reader_out};
use crate::receipt::minor_out;
use core::time::Duration;
use gettone_channel as channel;
use gettone_core::id::{Chain, JournalEpoch, ReaderId};
use gettone_core::lock::{Lock, LockState};
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::NextKeys;
use gettone_core::time::Timestamp;

/// What confirms a reader's next key: alone in its envelope, sealed to that key.
pub fn key_ack_out(next: &NextKeys) -> channel::KeyAck {
    channel::KeyAck {
        key_epoch: next.epoch,
        key: channel::KeyCheck::of(&key_out(next.key)),
    }
}

/// What the server has decided on one letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The reader that sealed the letter.
    pub reader: ReaderId,
    /// The money of its machine.
    pub currency: Currency,
    /// Up to where its receipts are recorded, and the chain there.
    pub ack: Option<(JournalEpoch, u64, Chain)>,
    /// Up to where its notices are recorded, when it has some.
    pub noticed: Option<(JournalEpoch, u64)>,
    /// The order to lock or open that the reader has not taken.
    pub lock: Option<Lock>,
    /// What becomes of its HELLO.
    pub verdict: Verdict,
    /// The time.
    pub now: Timestamp,
}

/// What becomes of a HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Money is held.
    Granted(Granted),
    /// No grant.
    Refused(channel::RefuseReason),
    /// Receipts are wanted again.
    Resend {
        /// From this one on.
        from: u64,
    },
    /// Nobody asked, or the answer is not ready.
    Nothing,
}

/// What a grant is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// How much is held.
    pub held: Amount,
    /// For how many vends.
    pub vends_max: u8,
    /// How much cash may be paid in.
    pub revalue_max: Amount,
    /// What the customer could spend here, this hold included.
    pub balance: Amount,
    /// How long it lives, from the HELLO.
    pub ttl: Duration,
    /// What the machine makes at once.
    pub favourite: Option<channel::Favourite>,
}

/// The items of the answer: ACK, AUDIT_ACK, LOCK, TIME, then GRANT, REFUSE or RESEND.
pub fn reply_out(letter: &Letter, reply: &Reply) -> Vec<channel::Item> {
    let mut items = Vec::new();
    if let Some((epoch, upto, at)) = reply.ack {
        items.push(channel::Item::Ack(channel::Ack {
            journal_epoch: epoch_out(epoch),
            upto,
            chain: chain_out(at),
        }));
    }
    if let Some((epoch, upto)) = reply.noticed {
        items.push(channel::Item::AuditAck(channel::AuditAck {
            journal_epoch: epoch_out(epoch),
            upto,
        }));
    }
    if let Some(lock) = reply.lock {
        items.push(channel::Item::Lock(channel::Lock {
            version: lock.version,
            state: match lock.state {
                LockState::Open => channel::LockState::Open,
                LockState::Locked => channel::LockState::Locked,
            },
        }));
    }
    let Some(told) = &letter.hello else {
        return items;
    };
    items.push(channel::Item::Time(channel::Time {
        utc: channel::Utc::from_unix_ms(reply.now.as_millis()),
        nonce: told.nonce,
    }));
    items.extend(match reply.verdict {
        Verdict::Granted(granted) => Some(channel::Item::Grant(grant(told, reply, &granted))),
        Verdict::Refused(reason) => Some(channel::Item::Refuse {
            nonce: told.nonce,
            reason,
        }),
        Verdict::Resend { from } => Some(channel::Item::Resend(channel::Resend {
            nonce: told.nonce,
            journal_epoch: told.journal_epoch,
            from,
        })),
        Verdict::Nothing => None,
    });
    items
}

fn grant(told: &channel::Hello, reply: &Reply, granted: &Granted) -> channel::Grant {
    let shown = granted
        .balance
        .minor()
        .clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    channel::Grant {
        grant: channel::vend_id(reader_out(reply.reader), told.nonce),
        nonce: told.nonce,
        bind: told.bind,
        currency: reply.currency.numeric(),
        exponent: reply.currency.exponent(),
        // A hold is at most its cap, which fits; were it ever more, the reader gets no more.
        max_spend: u32::try_from(granted.held.minor()).unwrap_or(0),
        max_vends: granted.vends_max,
        max_revalue: minor_out(granted.revalue_max),
        show_balance: i32::try_from(shown).unwrap_or(0),
        ttl_s: u16::try_from(granted.ttl.as_secs()).unwrap_or(u16::MAX),
        favourite: granted.favourite,
    }
}
