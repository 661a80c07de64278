//! Receipts: as a board's journal and rules hold them, and as they travel.

use crate::names::{chain_in, chain_out, epoch_out, vend_in, vend_out};
use gettone_channel as channel;
use gettone_core::board::Written;
use gettone_core::id::{Chain, Item, JournalEpoch, Order, Rseq};
use gettone_core::money::Amount;
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::time::Timestamp;

/// The chain at a written receipt: the hash of its body as it travels.
pub fn chain_of(written: &Written) -> Chain {
    chain_in(channel::Chain::of(&receipt_out(written)))
}

/// The chain before the first receipt of `epoch`.
pub fn first_chain(epoch: JournalEpoch) -> Chain {
    chain_in(channel::Chain::first(epoch_out(epoch)))
}

/// A written receipt as it travels.
pub fn receipt_out(written: &Written) -> channel::Receipt {
    let receipt = &written.receipt;
    channel::Receipt {
        rseq: receipt.rseq.number(),
        kind: kind_out(receipt.kind),
        grant: vend_out(receipt.grant),
        item: receipt.item.number(),
        amount: minor_out(receipt.amount),
        boot: receipt.order.boot,
        mono_ms: receipt.order.uptime_ms,
        utc_est: channel::Utc::from_unix_ms(written.utc.as_millis()),
        flags: channel::ReceiptFlags::from_bits(receipt.flags.to_wire()),
        ms: receipt.after_ms,
        prev: chain_out(receipt.prev),
    }
}

/// A receipt that has travelled, or that a board's journal held.
pub fn receipt_in(told: &channel::Receipt) -> Written {
    Written {
        receipt: Receipt {
            rseq: Rseq::new(told.rseq),
            kind: kind_in(told.kind),
            grant: vend_in(told.grant),
            item: Item::new(told.item),
            amount: Amount::from_minor(i64::from(told.amount)),
            order: Order {
                boot: told.boot,
                uptime_ms: told.mono_ms,
            },
            flags: Flags::from_wire(told.flags.bits()),
            after_ms: told.ms,
            prev: chain_in(told.prev),
            chain: chain_in(channel::Chain::of(told)),
        },
        utc: Timestamp::from_millis(told.utc_est.map_or(0, channel::Utc::unix_ms)),
    }
}

/// Amounts on the wire are u32; neither a board nor its grant ever makes one outside.
pub(crate) fn minor_out(amount: Amount) -> u32 {
    let top = i64::from(u32::MAX);
    u32::try_from(amount.minor().clamp(0, top)).unwrap_or(u32::MAX)
}

const fn kind_out(kind: ReceiptKind) -> channel::ReceiptKind {
    match kind {
        ReceiptKind::VendOk => channel::ReceiptKind::VendOk,
        ReceiptKind::VendFail => channel::ReceiptKind::VendFail,
        ReceiptKind::VendUnknown => channel::ReceiptKind::VendUnknown,
        ReceiptKind::RevalueOk => channel::ReceiptKind::RevalueOk,
        ReceiptKind::RevalueUnknown => channel::ReceiptKind::RevalueUnknown,
        ReceiptKind::Close => channel::ReceiptKind::Close,
        ReceiptKind::EpochStart => channel::ReceiptKind::EpochStart,
        ReceiptKind::LightGrantUsed => channel::ReceiptKind::LightGrantUsed,
        ReceiptKind::RevalueFail => channel::ReceiptKind::RevalueFail,
        ReceiptKind::NegativeVend => channel::ReceiptKind::NegativeVend,
    }
}

const fn kind_in(kind: channel::ReceiptKind) -> ReceiptKind {
    match kind {
        channel::ReceiptKind::VendOk => ReceiptKind::VendOk,
        channel::ReceiptKind::VendFail => ReceiptKind::VendFail,
        channel::ReceiptKind::VendUnknown => ReceiptKind::VendUnknown,
        channel::ReceiptKind::RevalueOk => ReceiptKind::RevalueOk,
        channel::ReceiptKind::RevalueUnknown => ReceiptKind::RevalueUnknown,
        channel::ReceiptKind::Close => ReceiptKind::Close,
        channel::ReceiptKind::EpochStart => ReceiptKind::EpochStart,
        channel::ReceiptKind::LightGrantUsed => ReceiptKind::LightGrantUsed,
        channel::ReceiptKind::RevalueFail => ReceiptKind::RevalueFail,
        channel::ReceiptKind::NegativeVend => ReceiptKind::NegativeVend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_comes_back_as_it_was_written_and_kinds_keep_their_numbers() {
        for number in 0..=u8::MAX {
            let Some(kind) = ReceiptKind::from_wire(number) else {
                continue;
            };
            let mut written = Written {
                receipt: Receipt {
                    rseq: Rseq::new(u64::from(number)),
                    kind,
                    grant: gettone_core::id::VendId::from_bytes([3; 16]),
                    item: Item::new(23),
                    amount: Amount::from_minor(i64::from(u32::MAX)),
                    order: Order {
                        boot: 7,
                        uptime_ms: 8,
                    },
                    flags: Flags::from_wire(0x8009),
                    after_ms: 12,
                    prev: Chain::from_bytes([1; 8]),
                    chain: Chain::from_bytes([0; 8]),
                },
                utc: Timestamp::from_millis(99),
            };
            written.receipt.chain = chain_of(&written);
            let told = receipt_out(&written);
            let [high, low] = [told.to_bytes()[8], number];
            assert_eq!(high, low, "{kind:?}");
            assert_eq!(receipt_in(&told), written);
        }
    }
}
