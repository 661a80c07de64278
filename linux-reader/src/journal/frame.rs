//! How a journal's records lie in its file: each with a check over itself and its place.

use gettone_channel as channel;
use gettone_core::board::{Record, Replay};
use gettone_core::counters::Row;
use gettone_core::id::{Item, JournalEpoch, Order, Rseq, VendId};
use gettone_core::lock::{Lock, LockState};
use gettone_core::notice::{Code, Notice};
use gettone_relay::{first_chain, receipt_in, receipt_out};

const MAGIC: &[u8; 8] = b"GTNJRNL1";
const HEADER_LEN: usize = 20;
const CHECK_LEN: usize = 4;
const INTENT: u8 = 1;
const RECEIPT: u8 = 2;
const ACKED: u8 = 3;
const REVALUE_INTENT: u8 = 4;
const LOCKED: u8 = 5;
const COUNTED: u8 = 6;
const TOTALS: u8 = 7;
const NOTICED: u8 = 8;
const NOTICES_ACKED: u8 = 9;
const STEPS_RESERVED: u8 = 10;
const TOKENS_BEGUN: u8 = 11;
const COVERED: u8 = 12;
const RETURN_INTENT: u8 = 13;
const INTENT_LEN: usize = 8 + 16 + 2 + 4;
const ACKED_LEN: usize = 8;
const REVALUE_INTENT_LEN: usize = 8 + 16 + 4;
const LOCKED_LEN: usize = 4 + 1;
const COUNTED_LEN: usize = 8 + 2 + 4 + 4 + 8;
const TOTALS_LEN: usize = 8 + 8 + 4;
const NOTICED_LEN: usize = 8 + 1 + 4 + 4 + 8 + 8;

pub(super) fn header(epoch: JournalEpoch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(epoch.as_bytes());
    let check = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes
}

pub(super) fn read_header(bytes: &[u8]) -> Option<JournalEpoch> {
    let (body, check) = bytes.get(..HEADER_LEN)?.split_at(16);
    let (magic, epoch) = body.split_at(8);
    let is_ours = magic == MAGIC && crc32c::crc32c(body).to_be_bytes() == check;
    let epoch = epoch.try_into().ok()?;
    is_ours.then_some(JournalEpoch::from_bytes(epoch))
}

/// Reads frames up to the first bad one; says where that is.
pub(super) fn replay(bytes: &[u8], epoch: JournalEpoch) -> (Replay, u64) {
    let mut replay = Replay::new(epoch, first_chain(epoch));
    let mut at = HEADER_LEN;
    while let Some((record, len)) = read_frame(bytes.get(at..).unwrap_or_default(), epoch, at) {
        if replay.take(&record).is_err() {
            break;
        }
        at += len;
    }
    (replay, u64::try_from(at).unwrap_or(u64::MAX))
}

pub(super) fn frame(record: &Record, epoch: JournalEpoch, at: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + channel::Receipt::LEN + CHECK_LEN);
    match record {
        Record::Intent {
            rseq,
            grant,
            item,
            price,
        } => {
            bytes.push(INTENT);
            bytes.extend_from_slice(&rseq.number().to_be_bytes());
            bytes.extend_from_slice(grant.as_bytes());
            bytes.extend_from_slice(&item.number().to_be_bytes());
            bytes.extend_from_slice(&price.to_be_bytes());
        }
        Record::Receipt(written) => {
            bytes.push(RECEIPT);
            bytes.extend_from_slice(&receipt_out(written).to_bytes());
        }
        Record::Acked(rseq) => {
            bytes.push(ACKED);
            bytes.extend_from_slice(&rseq.number().to_be_bytes());
        }
        Record::RevalueIntent {
            rseq,
            grant,
            amount,
        } => {
            bytes.push(REVALUE_INTENT);
            bytes.extend_from_slice(&rseq.number().to_be_bytes());
            bytes.extend_from_slice(grant.as_bytes());
            bytes.extend_from_slice(&amount.to_be_bytes());
        }
        Record::ReturnIntent {
            rseq,
            grant,
            item,
            value,
        } => {
            bytes.push(RETURN_INTENT);
            bytes.extend_from_slice(&rseq.number().to_be_bytes());
            bytes.extend_from_slice(grant.as_bytes());
            bytes.extend_from_slice(&item.number().to_be_bytes());
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        Record::Locked(lock) => {
            bytes.push(LOCKED);
            bytes.extend_from_slice(&lock.version.to_be_bytes());
            bytes.push(match lock.state {
                LockState::Open => 0,
                LockState::Locked => 1,
            });
        }
        Record::Counted { seq, row } => {
            bytes.push(COUNTED);
            bytes.extend_from_slice(&seq.to_be_bytes());
            bytes.extend_from_slice(&row.item.number().to_be_bytes());
            bytes.extend_from_slice(&row.price.to_be_bytes());
            bytes.extend_from_slice(&row.count.to_be_bytes());
            bytes.extend_from_slice(&row.value.to_be_bytes());
        }
        Record::Totals {
            seq,
            cash_in,
            errors,
        } => {
            bytes.push(TOTALS);
            bytes.extend_from_slice(&seq.to_be_bytes());
            bytes.extend_from_slice(&cash_in.to_be_bytes());
            bytes.extend_from_slice(&errors.to_be_bytes());
        }
        Record::Noticed(notice) => {
            bytes.push(NOTICED);
            bytes.extend_from_slice(&notice.aseq.to_be_bytes());
            bytes.push(notice.code.to_wire());
            bytes.extend_from_slice(&notice.n.to_be_bytes());
            bytes.extend_from_slice(&notice.order.boot.to_be_bytes());
            bytes.extend_from_slice(&notice.order.uptime_ms.to_be_bytes());
            bytes.extend_from_slice(&notice.data);
        }
        Record::NoticesAcked(upto) => {
            bytes.push(NOTICES_ACKED);
            bytes.extend_from_slice(&upto.to_be_bytes());
        }
        Record::StepsReserved(upto) => {
            bytes.push(STEPS_RESERVED);
            bytes.extend_from_slice(&upto.to_be_bytes());
        }
        Record::TokensBegun => bytes.push(TOKENS_BEGUN),
        Record::Covered(upto) => {
            bytes.push(COVERED);
            bytes.extend_from_slice(&upto.number().to_be_bytes());
        }
    }
    let check = check(&bytes, epoch, at);
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes
}

/// The check covers the place too: a frame of another journal, or from elsewhere in this one, is
/// no frame here.
fn check(body: &[u8], epoch: JournalEpoch, at: u64) -> u32 {
    let check = crc32c::crc32c(epoch.as_bytes());
    let check = crc32c::crc32c_append(check, &at.to_be_bytes());
    crc32c::crc32c_append(check, body)
}

fn read_frame(bytes: &[u8], epoch: JournalEpoch, at: usize) -> Option<(Record, usize)> {
    let body_len = match *bytes.first()? {
        INTENT | RETURN_INTENT => INTENT_LEN,
        RECEIPT => channel::Receipt::LEN,
        ACKED | NOTICES_ACKED | STEPS_RESERVED | COVERED => ACKED_LEN,
        TOKENS_BEGUN => 0,
        REVALUE_INTENT => REVALUE_INTENT_LEN,
        LOCKED => LOCKED_LEN,
        COUNTED => COUNTED_LEN,
        TOTALS => TOTALS_LEN,
        NOTICED => NOTICED_LEN,
        _ => return None,
    };
    let body = bytes.get(..1 + body_len)?;
    let found = bytes.get(1 + body_len..1 + body_len + CHECK_LEN)?;
    let at = u64::try_from(at).ok()?;
    if check(body, epoch, at).to_be_bytes() != found {
        return None;
    }
    let (kind, fields) = body.split_first()?;
    let record = read_record(*kind, fields)?;
    Some((record, 1 + body_len + CHECK_LEN))
}

fn read_record(kind: u8, fields: &[u8]) -> Option<Record> {
    let u64_at = |at: usize| Some(u64::from_be_bytes(fields.get(at..at + 8)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_be_bytes(fields.get(at..at + 4)?.try_into().ok()?));
    let u16_at = |at: usize| Some(u16::from_be_bytes(fields.get(at..at + 2)?.try_into().ok()?));
    Some(match kind {
        INTENT => Record::Intent {
            rseq: Rseq::new(u64_at(0)?),
            grant: VendId::from_bytes(fields.get(8..24)?.try_into().ok()?),
            item: Item::new(u16_at(24)?),
            price: u32_at(26)?,
        },
        RECEIPT => {
            let receipt = channel::Receipt::from_bytes(fields.try_into().ok()?)?;
            Record::Receipt(receipt_in(&receipt))
        }
        ACKED => Record::Acked(Rseq::new(u64_at(0)?)),
        REVALUE_INTENT => Record::RevalueIntent {
            rseq: Rseq::new(u64_at(0)?),
            grant: VendId::from_bytes(fields.get(8..24)?.try_into().ok()?),
            amount: u32_at(24)?,
        },
        RETURN_INTENT => Record::ReturnIntent {
            rseq: Rseq::new(u64_at(0)?),
            grant: VendId::from_bytes(fields.get(8..24)?.try_into().ok()?),
            item: Item::new(u16_at(24)?),
            value: u32_at(26)?,
        },
        LOCKED => Record::Locked(Lock {
            version: u32_at(0)?,
            state: match fields.get(4)? {
                0 => LockState::Open,
                1 => LockState::Locked,
                _ => return None,
            },
        }),
        COUNTED => Record::Counted {
            seq: u64_at(0)?,
            row: Row {
                item: Item::new(u16_at(8)?),
                price: u32_at(10)?,
                count: u32_at(14)?,
                value: u64_at(18)?,
            },
        },
        TOTALS => Record::Totals {
            seq: u64_at(0)?,
            cash_in: u64_at(8)?,
            errors: u32_at(16)?,
        },
        NOTICED => Record::Noticed(Notice {
            aseq: u64_at(0)?,
            code: Code::from_wire(*fields.get(8)?),
            n: u32_at(9)?,
            order: Order {
                boot: u32_at(13)?,
                uptime_ms: u64_at(17)?,
            },
            data: fields.get(25..33)?.try_into().ok()?,
        }),
        NOTICES_ACKED => Record::NoticesAcked(u64_at(0)?),
        STEPS_RESERVED => Record::StepsReserved(u64_at(0)?),
        TOKENS_BEGUN => Record::TokensBegun,
        COVERED => Record::Covered(Rseq::new(u64_at(0)?)),
        _ => return None,
    })
}
