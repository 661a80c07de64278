//! Codes on show: their news as they travel, and what the server makes of them.

use crate::names::{chain_in, epoch_in, epoch_out};
use crate::receipt::receipt_out;
use gettone_channel as channel;
use gettone_core::board::Offer;
use gettone_core::id::{Item, JournalEpoch, Nonce, Order, TokenKey};
use gettone_core::money::Amount;
use gettone_core::reader::{Ask, Form, Scan};
use gettone_core::receipt::ReceiptKind;

/// The news beside a code, as its reader writes them.
pub fn slip_out(offer: &Offer, boot: u32, epoch: JournalEpoch) -> channel::Slip {
    let receipts = offer.receipts.iter().map(|written| {
        let told = receipt_out(written);
        let [low, ..] = told.flags.bits().to_le_bytes();
        let [a, b, c, d, ..] = *told.grant.as_bytes();
        channel::SlipReceipt {
            // The low half is all that travels.
            rseq_low: u32::try_from(told.rseq & u64::from(u32::MAX)).unwrap_or(0),
            kind: told.kind,
            flags: low,
            grant: [a, b, c, d],
            item: told.item,
            amount: told.amount,
        }
    });
    channel::Slip {
        order: channel::Order {
            boot,
            uptime_ms: u64::try_from(offer.uptime.as_millis()).unwrap_or(u64::MAX),
        },
        journal_epoch: epoch_out(epoch),
        rseq_newest: offer.newest.number(),
        receipts: receipts.collect(),
    }
}

/// What a code that somebody brought tells the engine, with the claim that is made on it.
pub fn scan_in(link: &channel::TokenLink, slip: &channel::Slip, ask: Option<Ask>) -> Scan {
    let receipts = slip.receipts.iter().filter_map(|told| {
        let form = Form {
            kind: ReceiptKind::from_wire(told.kind.code())?,
            flags: told.flags,
            grant: told.grant,
            item: Item::new(told.item),
            amount: Amount::from_minor(i64::from(told.amount)),
        };
        Some((told.rseq_low, form))
    });
    Scan {
        step: link.step,
        nonce: token_nonce(&link.token),
        order: Order {
            boot: slip.order.boot,
            uptime_ms: slip.order.uptime_ms,
        },
        epoch: epoch_in(slip.journal_epoch),
        first: chain_in(channel::Chain::first(slip.journal_epoch)),
        rseq_newest: slip.rseq_newest,
        receipts: receipts.collect(),
        ask,
    }
}

/// What a grant for a code is named by: both sides know it, and nobody else before it was shown.
pub fn token_nonce(token: &channel::Token) -> Nonce {
    Nonce::from_bytes(*token.as_bytes())
}

/// The key of the codes as the engine keeps it.
pub fn token_key_in(told: &channel::TokenKey) -> TokenKey {
    TokenKey::from_bytes(*told.to_bytes())
}

/// The key of the codes as the channel uses it.
pub fn token_key_out(kept: &TokenKey) -> channel::TokenKey {
    channel::TokenKey::from_bytes(*kept.as_bytes())
}
