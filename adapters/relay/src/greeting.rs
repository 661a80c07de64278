//! What a reader says: its HELLO, and envelopes of receipts alone.

use crate::names::{bind_out, chain_out, epoch_out, nonce_out};
use crate::receipt::receipt_out;
use core::time::Duration;
use gettone_channel as channel;
use gettone_core::board::{Greeting, Room, Written};
use gettone_core::counters::Counters;
use gettone_core::id::JournalEpoch;
use gettone_core::money::Currency;
use gettone_core::notice::Notice;

/// What a reader says of itself in every HELLO, beside its board's own words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderFacts {
    /// Starts of its process so far, this one included.
    pub boot: u32,
    /// The life of its journal.
    pub epoch: JournalEpoch,
    /// Its program's version.
    pub firmware: u32,
    /// The version of its configuration; 0 where no server gave it one.
    pub config: u32,
    /// The machine's money.
    pub currency: Currency,
    /// The MDB scale factor.
    pub scale: u8,
}

/// What is known of the machine's controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Where the MDB device stands.
    pub mdb_state: channel::MdbState,
    /// The highest price that was announced, in minor units; 0 before it was.
    pub price_max: u32,
    /// The controller's feature level; 0 before it was told.
    pub vmc_level: u8,
    /// Recognises the controller.
    pub vmc_id: channel::VmcId,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            mdb_state: channel::MdbState::Inactive,
            price_max: 0,
            vmc_level: 0,
            vmc_id: channel::VmcId::from_bytes([0; 8]),
        }
    }
}

/// The items of a HELLO and the receipts that go with it.
pub fn greeting_out(
    greeting: &Greeting,
    facts: &ReaderFacts,
    standing: &Standing,
) -> Vec<channel::Item> {
    let uptime_ms = u64::try_from(greeting.uptime.as_millis()).unwrap_or(u64::MAX);
    let (utc, error) = greeting
        .wall
        .map_or((0, Duration::ZERO), |(utc, error)| (utc.as_millis(), error));
    let hello = channel::Hello {
        journal_epoch: epoch_out(facts.epoch),
        boot: facts.boot,
        nonce: nonce_out(greeting.nonce),
        bind: bind_out(greeting.bind),
        rseq_oldest: greeting.oldest.number(),
        rseq_newest: greeting.newest.number(),
        acked: greeting.acked.number(),
        chain: chain_out(greeting.chain),
        uptime_ms,
        utc_est: channel::Utc::from_unix_ms(utc),
        utc_err_s: u32::try_from(error.as_secs().saturating_add(1)).unwrap_or(u32::MAX),
        cfg: facts.config,
        fw: facts.firmware,
        mdb_state: standing.mdb_state,
        flags: match greeting.journal {
            Room::Left => channel::HelloFlags::NONE,
            Room::Full => channel::HelloFlags::JOURNAL_FULL,
        },
        currency: facts.currency.numeric(),
        exponent: facts.currency.exponent(),
        scale: facts.scale,
        max_price: standing.price_max,
        vmc_level: standing.vmc_level,
        vmc_id: standing.vmc_id,
        step: greeting.step,
    };
    let receipts = greeting.receipts.iter().map(receipt_out);
    let counters = greeting.counters.as_ref();
    let counters = counters.map(|counters| counters_out(counters, facts.epoch));
    core::iter::once(channel::Item::Hello(hello))
        .chain(counters.map(channel::Item::Counters))
        .chain(receipts.map(channel::Item::Receipt))
        .collect()
}

/// A snapshot of the counters as it travels.
pub fn counters_out(counters: &Counters, epoch: JournalEpoch) -> channel::Counters {
    let rows = counters.rows.iter().map(|row| channel::CounterRow {
        item: row.item.number(),
        price: row.price,
        count: row.count,
        value: row.value,
    });
    channel::Counters {
        journal_epoch: epoch_out(epoch),
        seq: counters.seq,
        rows: rows.collect(),
        cash_in: counters.cash_in,
        errors: counters.errors,
    }
}

/// The items of an envelope that carries notices for the technician.
pub fn notices_out(notices: &[Notice], epoch: JournalEpoch) -> Vec<channel::Item> {
    let audits = notices.iter().map(|notice| {
        channel::Item::Audit(channel::Audit {
            journal_epoch: epoch_out(epoch),
            aseq: notice.aseq,
            code: channel::AuditCode::from_code(notice.code.to_wire()),
            n: notice.n,
            boot: notice.order.boot,
            mono_ms: notice.order.uptime_ms,
            data: notice.data,
        })
    });
    core::iter::once(channel::Item::Epoch(epoch_out(epoch)))
        .chain(audits)
        .collect()
}

/// The items of an envelope that carries receipts and no HELLO.
pub fn receipts_out(receipts: &[Written], epoch: JournalEpoch) -> Vec<channel::Item> {
    let receipts = receipts.iter().map(receipt_out);
    core::iter::once(channel::Item::Epoch(epoch_out(epoch)))
        .chain(receipts.map(channel::Item::Receipt))
        .collect()
}
