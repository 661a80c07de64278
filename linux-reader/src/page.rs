//! The result page: where a vend's result survives a crash of this process before the machine is
//! told that we have it (protocol section 6.1, row 9).
//!
//! One slot in one preallocated file, written by one `pwrite`: what is in the system's page cache
//! outlives the process. A power cut takes the machine with it; that case belongs to the journal.

use gettone_core::board::Outcome;
use gettone_core::id::{JournalEpoch, Rseq};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

const SLOT_LEN: usize = 32;
const CHECKED: usize = 28;

/// The result page of one reader.
#[derive(Debug)]
pub struct ResultPage {
    file: File,
}

/// How one INTENT ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// The journal it belongs to.
    pub epoch: JournalEpoch,
    /// The INTENT.
    pub rseq: Rseq,
    /// How it ended.
    pub outcome: Outcome,
    /// From the approval to the result.
    pub after: Duration,
}

impl ResultPage {
    /// Opens the page at `path`, made and filled first if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened or filled.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let len = u64::try_from(SLOT_LEN).unwrap_or(u64::MAX);
        if file.metadata()?.len() < len {
            file.write_all_at(&[0; SLOT_LEN], 0)?;
            file.sync_all()?;
        }
        Ok(Self { file })
    }

    /// Writes an ending over the one before, which is in the journal by now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, ending: &Ending) -> io::Result<()> {
        self.file.write_all_at(&to_bytes(ending), 0)
    }

    /// The ending on the page, if a whole one is there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> io::Result<Option<Ending>> {
        let mut slot = [0; SLOT_LEN];
        self.file.read_exact_at(&mut slot, 0)?;
        Ok(from_bytes(&slot))
    }
}

fn to_bytes(ending: &Ending) -> [u8; SLOT_LEN] {
    let after_ms = u32::try_from(ending.after.as_millis()).unwrap_or(u32::MAX);
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(ending.epoch.as_bytes());
    slot[8..16].copy_from_slice(&ending.rseq.number().to_be_bytes());
    let (outcome, charged) = ending.outcome.to_stored();
    slot[16] = outcome;
    slot[20..24].copy_from_slice(&after_ms.to_be_bytes());
    slot[24..28].copy_from_slice(&charged.to_be_bytes());
    let check = crc32c::crc32c(&slot[..CHECKED]);
    slot[CHECKED..].copy_from_slice(&check.to_be_bytes());
    slot
}

fn from_bytes(slot: &[u8; SLOT_LEN]) -> Option<Ending> {
    let (body, check) = slot.split_at(CHECKED);
    if crc32c::crc32c(body).to_be_bytes() != check {
        return None;
    }
    let after_ms = u32::from_be_bytes(body.get(20..24)?.try_into().ok()?);
    let charged = u32::from_be_bytes(body.get(24..28)?.try_into().ok()?);
    Some(Ending {
        epoch: JournalEpoch::from_bytes(body.get(..8)?.try_into().ok()?),
        rseq: Rseq::new(u64::from_be_bytes(body.get(8..16)?.try_into().ok()?)),
        outcome: Outcome::from_stored(*body.get(16)?, charged)?,
        after: Duration::from_millis(u64::from(after_ms)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending() -> Ending {
        Ending {
            epoch: JournalEpoch::from_bytes([7; 8]),
            rseq: Rseq::new(12),
            outcome: Outcome::ByReset,
            after: Duration::from_millis(812),
        }
    }

    #[test]
    fn an_ending_is_read_as_it_was_written() {
        let place = tempfile::tempdir().expect("a directory");
        let page = ResultPage::open(&place.path().join("result")).expect("a file");
        assert_eq!(page.read().expect("readable"), None);
        for outcome in [
            Outcome::Delivered,
            Outcome::Failed,
            Outcome::ByReset,
            Outcome::Partly { charged: 70_000 },
        ] {
            let ending = Ending {
                outcome,
                ..ending()
            };
            page.write(&ending).expect("writable");
            let again = ResultPage::open(&place.path().join("result")).expect("a file");
            assert_eq!(again.read().expect("readable"), Some(ending));
        }
    }

    #[test]
    fn one_changed_bit_leaves_no_ending() {
        for bit in 0..SLOT_LEN * 8 {
            let mut slot = to_bytes(&ending());
            slot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(from_bytes(&slot), None, "bit {bit}");
        }
    }
}
