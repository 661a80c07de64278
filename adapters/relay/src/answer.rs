//! What the server's items say to a board's rules.

use crate::names::{bind_in, chain_in, epoch_in, nonce_in, vend_in};
use core::time::Duration;
use gettone_channel as channel;
use gettone_core::board::{Answer, Favourite, Refusal, Terms};
use gettone_core::id::{Item, Rseq};
use gettone_core::lock::{Lock, LockState};
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;

/// What the board has to hear of one item; none where the item is not for its rules, or says what
/// no board can use.
pub fn answer_in(item: &channel::Item) -> Option<Answer> {
    use channel::Item as Wire;
    Some(match item {
        Wire::Grant(grant) => Answer::Grant(Terms {
            grant: vend_in(grant.grant),
            nonce: nonce_in(grant.nonce),
            bind: bind_in(grant.bind),
            currency: Currency::from_numeric(grant.currency).ok()?,
            exponent: grant.exponent,
            spend_max: grant.max_spend,
            vends_max: grant.max_vends,
            revalue_max: grant.max_revalue,
            balance: grant.show_balance,
            ttl: Duration::from_secs(u64::from(grant.ttl_s)),
            favourite: grant.favourite.map(|favourite| Favourite {
                item: Item::new(favourite.item()),
                options: favourite.options(),
            }),
        }),
        Wire::Ack(ack) => Answer::Ack {
            epoch: epoch_in(ack.journal_epoch),
            upto: Rseq::new(ack.upto),
            chain: chain_in(ack.chain),
        },
        Wire::Time(time) => Answer::Time {
            utc: Timestamp::from_millis(time.utc?.unix_ms()),
            nonce: nonce_in(time.nonce),
        },
        Wire::Refuse { nonce, reason } => Answer::Refuse {
            nonce: nonce_in(*nonce),
            reason: refusal_in(*reason),
        },
        Wire::Resend(resend) => Answer::Resend {
            nonce: nonce_in(resend.nonce),
            epoch: epoch_in(resend.journal_epoch),
            from: Rseq::new(resend.from),
        },
        Wire::Lock(lock) => Answer::Lock(Lock {
            version: lock.version,
            state: match lock.state {
                channel::LockState::Open => LockState::Open,
                channel::LockState::Locked => LockState::Locked,
            },
        }),
        Wire::AuditAck(ack) => Answer::NoticesAcked {
            epoch: epoch_in(ack.journal_epoch),
            upto: ack.upto,
        },
        Wire::Hello(_)
        | Wire::Receipt(_)
        | Wire::KeyUpdate(_)
        | Wire::Epoch(_)
        | Wire::TokenKey(_)
        | Wire::Counters(_)
        | Wire::Audit(_)
        | Wire::Config(_)
        | Wire::ServerKey(_)
        | Wire::Call(_)
        | Wire::KeyAck(_)
        | Wire::Diagnostics(_)
        | Wire::Diagnose(_) => return None,
    })
}

const fn refusal_in(reason: channel::RefuseReason) -> Refusal {
    match reason {
        channel::RefuseReason::Funds => Refusal::Funds,
        channel::RefuseReason::Stale => Refusal::Stale,
        channel::RefuseReason::Pending => Refusal::Pending,
        channel::RefuseReason::MachineOff => Refusal::MachineOff,
        channel::RefuseReason::Blocked => Refusal::Blocked,
        channel::RefuseReason::Reader => Refusal::Reader,
    }
}
