//! Codes on show: their news as they travel, and what the server makes of them.

use crate::letter::Letter;
use crate::names::{chain_in, epoch_in, epoch_out};
use crate::receipt::receipt_out;
use gettone_channel as channel;
use gettone_core::board::Offer;
use gettone_core::grant::Terms;
use gettone_core::id::{Item, JournalEpoch, Nonce, Order, TokenKey};
use gettone_core::money::Amount;
use gettone_core::reader::{Ask, Command, Form, Scan};
use gettone_core::receipt::ReceiptKind;

/// Vends of one light. Nothing tells a reader that who paid by light has gone, so what is left
/// after the first product would be the next person's.
const VENDS_MAX: u8 = 1;

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

/// What a letter tells of its reader's codes: their key, and up to which step they are used.
pub fn tokens_in(letter: &Letter) -> Option<Command> {
    let told = letter.token_key.as_ref();
    let used = letter.hello.as_ref().map_or(0, |hello| hello.step);
    (told.is_some() || used > 0).then(|| Command::KeepTokens {
        key: told.map(|told| token_key_in(&told.k_tok)),
        step: told.map_or(used, |told| told.step.max(used)),
    })
}

/// What of these terms a light can say: no more is held than it allows, for one vend, and no
/// cash-in. None when it can say nothing of them.
pub fn within_light(terms: Terms) -> Option<Terms> {
    let cap = u32::try_from(terms.cap.minor()).unwrap_or(u32::MAX);
    let class = channel::CapClass::within(cap, terms.vends_max.min(VENDS_MAX))?;
    let least = channel::CapClass::from_byte(0).cap_minor();
    Some(Terms {
        cap: Amount::from_minor(i64::from(class.cap_minor())),
        least: terms.least.max(Amount::from_minor(i64::from(least))),
        vends_max: class.vends_max(),
        revalue_max: Amount::ZERO,
        ..terms
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::grant::Purpose;
    use gettone_core::id::{MachineId, OperatorId};

    #[test]
    fn a_hold_is_never_above_what_its_light_allows() {
        for (cap, vends_max, held) in [
            (49, 3, None),
            (50, 3, Some((50, 1))),
            (520, 0, None),
            (520, 9, Some((500, 1))),
            (99_999, 1, Some((3_200, 1))),
            (i64::from(u32::MAX) + 1, 1, Some((3_200, 1))),
        ] {
            let terms = Terms {
                operator: OperatorId::new(1),
                machine: MachineId::new(1),
                cap: Amount::from_minor(cap),
                least: Amount::from_minor(30),
                vends_max,
                fee_basis_points: 0,
                revalue_max: Amount::from_minor(500),
                purpose: Purpose::Sale,
            };
            let within = within_light(terms);
            let shown = within.map(|terms| (terms.cap.minor(), terms.vends_max));
            assert_eq!(shown, held, "{cap} for {vends_max}");
            if let Some(within) = within {
                assert_eq!(within.revalue_max, Amount::ZERO);
                assert_eq!(within.least, Amount::from_minor(50));
            }
        }
    }
}
