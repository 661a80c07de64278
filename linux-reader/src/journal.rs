//! The board's journal: one file of checked frames, each on flash before anything follows from it
//! (protocol section 7).

use crate::page::Ending;
use gettone_channel as channel;
use gettone_core::board::{Past, Record, Replay, Stamp, Written};
use gettone_core::counters::Row;
use gettone_core::id::{Item, JournalEpoch, Order, Rseq, VendId};
use gettone_core::lock::{Lock, LockState};
use gettone_core::notice::{Code, Notice};
use gettone_core::receipt::ReceiptKind;
use gettone_relay::{chain_of, first_chain, receipt_in, receipt_out};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The journal file is at most this long; it is rewritten long before.
pub const JOURNAL_LEN_MAX: u64 = 16 * 1024 * 1024;
/// How much may lie around before the journal is rewritten.
const SLACK_LEN_MAX: u64 = 1024 * 1024;

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
const INTENT_LEN: usize = 8 + 16 + 2 + 4;
const ACKED_LEN: usize = 8;
const REVALUE_INTENT_LEN: usize = 8 + 16 + 4;
const LOCKED_LEN: usize = 4 + 1;
const COUNTED_LEN: usize = 8 + 2 + 4 + 4 + 8;
const TOTALS_LEN: usize = 8 + 8 + 4;
const NOTICED_LEN: usize = 8 + 1 + 4 + 4 + 8 + 8;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    place: PathBuf,
    file: File,
    len: u64,
    /// Its length when its rewriting was last thought of.
    looked_at: u64,
    /// What the file says, kept along for its next rewriting.
    replay: Replay,
    acked_kept_max: usize,
}

/// What a journal is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The name of a journal that has to be begun.
    pub fresh_epoch: JournalEpoch,
    /// What the result page says.
    pub ending: Option<Ending>,
    /// When and in which start this happens.
    pub stamp: Stamp,
    /// How many acknowledged receipts are kept.
    pub acked_kept_max: usize,
}

/// What an opened journal had to be done to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repair {
    /// Bytes cut off behind the last good frame.
    pub cut_len: u64,
    /// The INTENT that the last process left open.
    pub ended: Option<Rseq>,
}

/// What a look into a journal shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    /// The file's length.
    pub(crate) len: u64,
    /// Bytes behind the last good frame: a torn write, cut off at the next start.
    pub(crate) torn_len: u64,
    /// Receipts in it.
    pub(crate) kept: usize,
    /// Receipts of a purchase that no server has acknowledged.
    pub(crate) waiting: usize,
}

impl Journal {
    /// Opens the journal in the directory `place`, repairs it and syncs it whole. Nothing may be
    /// sent before: what a crashed process left in memory pages may still be lost.
    ///
    /// # Errors
    /// When the directory or the file cannot be used.
    pub fn open(place: &Path, opening: &Opening) -> Result<(Self, Repair), JournalFault> {
        let path = place.join("journal");
        let found = read(&path)?;
        let epoch = found.as_deref().and_then(read_header);
        let (bytes, epoch) = match (found, epoch) {
            (Some(bytes), Some(epoch)) => (bytes, epoch),
            (Some(_), None) => {
                // Kept for whoever looks into it; a new epoch tells the server.
                let aside = place.join("journal.unreadable");
                fs::rename(&path, aside).map_err(JournalFault::Write)?;
                (begin(place, opening.fresh_epoch)?, opening.fresh_epoch)
            }
            (None, _) => (begin(place, opening.fresh_epoch)?, opening.fresh_epoch),
        };
        let (replay, good_len) = replay(&bytes, epoch);
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(JournalFault::Open)?;
        file.set_len(good_len).map_err(JournalFault::Write)?;
        let found_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut journal = Self {
            place: place.to_owned(),
            file,
            len: good_len,
            looked_at: 0,
            replay,
            acked_kept_max: opening.acked_kept_max,
        };
        let ended = journal.replay.open();
        let page = opening
            .ending
            .filter(|ending| ending.epoch == epoch)
            .map(|ending| (ending.rseq, ending.outcome, ending.after));
        if let Some(written) = journal.replay.repair(page, opening.stamp, chain_of) {
            journal.put(&Record::Receipt(written))?;
        }
        journal.file.sync_all().map_err(JournalFault::Sync)?;
        sync_dir(place)?;
        journal.tidy()?;
        let cut_len = found_len.saturating_sub(good_len);
        Ok((journal, Repair { cut_len, ended }))
    }

    /// Appends a record and waits until it is on flash.
    ///
    /// # Errors
    /// After any error the journal must not be used again: nobody knows what is on flash.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalFault> {
        self.put(record)?;
        self.file.sync_data().map_err(JournalFault::Sync)?;
        self.tidy()
    }

    /// Appends a record without waiting: for tests and measurements, where nothing follows from it.
    ///
    /// # Errors
    /// As [`Journal::append`].
    #[doc(hidden)]
    pub fn append_unsynced(&mut self, record: &Record) -> Result<(), JournalFault> {
        self.put(record)?;
        self.tidy()
    }

    /// What the board starts with; none while an INTENT is open.
    pub fn past(&self) -> Option<Past> {
        self.replay.clone().finish()
    }

    /// Looks into the journal of the directory `place` and changes nothing; none when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn look(place: &Path) -> Result<Option<Look>, JournalFault> {
        let Some(bytes) = read(&place.join("journal"))? else {
            return Ok(None);
        };
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(epoch) = read_header(&bytes) else {
            return Ok(Some(Look {
                len,
                torn_len: len,
                kept: 0,
                waiting: 0,
            }));
        };
        let (replay, good_len) = replay(&bytes, epoch);
        let outbox = replay.outbox();
        let waits = |written: &&Written| {
            written.receipt.rseq > outbox.acked() && written.receipt.kind != ReceiptKind::EpochStart
        };
        Ok(Some(Look {
            len,
            torn_len: len.saturating_sub(good_len),
            kept: outbox.kept().count(),
            waiting: outbox.kept().filter(waits).count(),
        }))
    }

    fn put(&mut self, record: &Record) -> Result<(), JournalFault> {
        let frame = frame(record, self.replay.epoch(), self.len);
        self.replay
            .take(record)
            .map_err(|_| JournalFault::OutOfOrder)?;
        let len = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        let after = self.len.saturating_add(len);
        if after > JOURNAL_LEN_MAX {
            return Err(JournalFault::Full);
        }
        self.file.write_all(&frame).map_err(JournalFault::Write)?;
        self.len = after;
        Ok(())
    }

    /// Rewrites the journal with what still matters, once enough of it does not.
    fn tidy(&mut self) -> Result<(), JournalFault> {
        // Looked at once for each slack that was written: what is live may itself be long.
        let due = self.looked_at.saturating_add(SLACK_LEN_MAX);
        if self.replay.open().is_some() || self.len < due {
            return Ok(());
        }
        self.replay.forget(self.acked_kept_max);
        let epoch = self.replay.epoch();
        let mut bytes = header(epoch);
        for record in self.replay.rewritten().unwrap_or_default() {
            let at = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            bytes.extend(frame(&record, epoch, at));
        }
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.len.saturating_sub(len) < SLACK_LEN_MAX / 2 {
            self.looked_at = self.len;
            return Ok(());
        }
        replace(&self.place, &bytes)?;
        self.file = OpenOptions::new()
            .append(true)
            .open(self.place.join("journal"))
            .map_err(JournalFault::Open)?;
        self.len = len;
        self.looked_at = len;
        Ok(())
    }
}

/// Why a journal does not work.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum JournalFault {
    /// The file cannot be opened.
    #[error("cannot open the journal")]
    Open(#[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the journal")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the journal")]
    Write(#[source] io::Error),
    /// What was written cannot be synced.
    #[error("cannot sync the journal")]
    Sync(#[source] io::Error),
    /// The file has reached its greatest length.
    #[error("the journal has reached {JOURNAL_LEN_MAX} bytes")]
    Full,
    /// A record cannot follow the ones before: a fault of this program.
    #[error("a record cannot follow the ones before it")]
    OutOfOrder,
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, JournalFault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(JournalFault::Open(fault)),
    };
    let mut bytes = Vec::new();
    file.take(JOURNAL_LEN_MAX)
        .read_to_end(&mut bytes)
        .map_err(JournalFault::Read)?;
    Ok(Some(bytes))
}

fn begin(place: &Path, epoch: JournalEpoch) -> Result<Vec<u8>, JournalFault> {
    let bytes = header(epoch);
    replace(place, &bytes)?;
    Ok(bytes)
}

/// Puts a whole journal in place of the one before, or leaves the one before.
fn replace(place: &Path, bytes: &[u8]) -> Result<(), JournalFault> {
    let path = place.join("journal.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .map_err(JournalFault::Open)?;
    file.write_all(bytes).map_err(JournalFault::Write)?;
    file.sync_all().map_err(JournalFault::Sync)?;
    fs::rename(&path, place.join("journal")).map_err(JournalFault::Write)?;
    sync_dir(place)
}

fn sync_dir(place: &Path) -> Result<(), JournalFault> {
    File::open(place)
        .and_then(|dir| dir.sync_all())
        .map_err(JournalFault::Sync)
}

fn header(epoch: JournalEpoch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(epoch.as_bytes());
    let check = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes
}

fn read_header(bytes: &[u8]) -> Option<JournalEpoch> {
    let (body, check) = bytes.get(..HEADER_LEN)?.split_at(16);
    let (magic, epoch) = body.split_at(8);
    let is_ours = magic == MAGIC && crc32c::crc32c(body).to_be_bytes() == check;
    let epoch = epoch.try_into().ok()?;
    is_ours.then_some(JournalEpoch::from_bytes(epoch))
}

/// Reads frames up to the first bad one; says where that is.
fn replay(bytes: &[u8], epoch: JournalEpoch) -> (Replay, u64) {
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

fn frame(record: &Record, epoch: JournalEpoch, at: u64) -> Vec<u8> {
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
        INTENT => INTENT_LEN,
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
