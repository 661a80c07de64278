//! The board's journal: one file of checked frames, each on flash before anything follows from it
//! (protocol section 7).

mod disk;
mod frame;

pub use disk::{Directory, Disk};

use crate::page::Ending;
use frame::{frame, header, read_header, replay};
use gettone_core::board::{Limits, Past, Record, Replay, Stamp, Written};
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_core::receipt::ReceiptKind;
use gettone_relay::chain_of;
use std::io;
use std::path::Path;

/// The journal file is at most this long; it is rewritten long before.
pub const JOURNAL_LEN_MAX: u64 = 16 * 1024 * 1024;
/// How much may lie around before the journal is rewritten.
const SLACK_LEN_MAX: u64 = 1024 * 1024;
/// Its name.
const NAME: &str = "journal";
/// The next one, while it is written.
const NEXT: &str = "journal.new";
/// Where one goes that cannot be read.
const ASIDE: &str = "journal.unreadable";

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    len: u64,
    /// Its length when its rewriting was last thought of.
    looked_at: u64,
    /// What the file says, kept along for its next rewriting.
    replay: Replay,
    limits: Limits,
    slack_len_max: u64,
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
    /// What is kept of what the server has.
    pub limits: Limits,
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
        Self::open_on(Box::new(Directory::at(place)), opening)
    }

    /// The same, on any disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        mut disk: Box<dyn Disk>,
        opening: &Opening,
    ) -> Result<(Self, Repair), JournalFault> {
        let found = read(disk.as_ref())?;
        let epoch = found.as_deref().and_then(read_header);
        let (bytes, epoch) = match (found, epoch) {
            (Some(bytes), Some(epoch)) => (bytes, epoch),
            (Some(_), None) => {
                // Kept for whoever looks into it; a new epoch tells the server.
                disk.rename(NAME, ASIDE).map_err(JournalFault::Write)?;
                let disk = disk.as_mut();
                (begin(disk, opening.fresh_epoch)?, opening.fresh_epoch)
            }
            (None, _) => {
                let disk = disk.as_mut();
                (begin(disk, opening.fresh_epoch)?, opening.fresh_epoch)
            }
        };
        let (replay, good_len) = replay(&bytes, epoch);
        let found_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if found_len > good_len {
            disk.cut(NAME, good_len).map_err(JournalFault::Write)?;
        }
        let mut journal = Self {
            disk,
            len: good_len,
            looked_at: 0,
            replay,
            limits: opening.limits,
            slack_len_max: SLACK_LEN_MAX,
        };
        let ended = journal.replay.open();
        let page = opening
            .ending
            .filter(|ending| ending.epoch == epoch)
            .map(|ending| (ending.rseq, ending.outcome, ending.after));
        if let Some(written) = journal.replay.repair(page, opening.stamp, chain_of) {
            journal.put(&Record::Receipt(written))?;
        }
        journal.disk.sync(NAME).map_err(JournalFault::Sync)?;
        journal.disk.sync_names().map_err(JournalFault::Sync)?;
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
        self.disk.sync(NAME).map_err(JournalFault::Sync)?;
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

    /// Has it be rewritten for less slack than it would: for tests, which are short of time.
    #[doc(hidden)]
    pub fn tidy_beyond(&mut self, slack_len_max: u64) {
        self.slack_len_max = slack_len_max;
    }

    /// What the board starts with; none while an INTENT is open. What the next rewriting leaves out
    /// is not in it: a board that offered such receipts again could lose them while it is asked.
    pub fn past(&self) -> Option<Past> {
        let mut replay = self.replay.clone();
        replay.forget(&self.limits);
        replay.finish()
    }

    /// Looks into the journal of the directory `place` and changes nothing; none when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn look(place: &Path) -> Result<Option<Look>, JournalFault> {
        let Some(bytes) = read(&Directory::at(place))? else {
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
        self.disk
            .append(NAME, &frame)
            .map_err(JournalFault::Write)?;
        self.len = after;
        Ok(())
    }

    /// Rewrites the journal with what still matters, once enough of it does not.
    fn tidy(&mut self) -> Result<(), JournalFault> {
        // Looked at once for each slack that was written: what is live may itself be long.
        let due = self.looked_at.saturating_add(self.slack_len_max);
        if self.replay.open().is_some() || self.len < due {
            return Ok(());
        }
        self.replay.forget(&self.limits);
        let epoch = self.replay.epoch();
        let mut bytes = header(epoch);
        for record in self.replay.rewritten().unwrap_or_default() {
            let at = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            bytes.extend(frame(&record, epoch, at));
        }
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.len.saturating_sub(len) < self.slack_len_max / 2 {
            self.looked_at = self.len;
            return Ok(());
        }
        replace(self.disk.as_mut(), &bytes)?;
        self.len = len;
        self.looked_at = len;
        Ok(())
    }
}

/// Why a journal does not work.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum JournalFault {
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

fn read(disk: &dyn Disk) -> Result<Option<Vec<u8>>, JournalFault> {
    disk.read(NAME, JOURNAL_LEN_MAX).map_err(JournalFault::Read)
}

fn begin(disk: &mut dyn Disk, epoch: JournalEpoch) -> Result<Vec<u8>, JournalFault> {
    let bytes = header(epoch);
    replace(disk, &bytes)?;
    Ok(bytes)
}

/// Puts a whole journal in place of the one before, or leaves the one before.
fn replace(disk: &mut dyn Disk, bytes: &[u8]) -> Result<(), JournalFault> {
    disk.write(NEXT, bytes).map_err(JournalFault::Write)?;
    disk.sync(NEXT).map_err(JournalFault::Sync)?;
    disk.rename(NEXT, NAME).map_err(JournalFault::Write)?;
    disk.sync_names().map_err(JournalFault::Sync)
}
