//! The machine's own audit (EVA-DTS): when it is asked for, and the file in which its newest is kept.
//!
//! A file of the bus has at most 7,936 bytes. The board keeps the newest one whole; a technician brings it to the
//! operator's server with `gettone-reader audit --server`.

use gettone_mdb::bounds::DTS_LEN_MAX;
use gettone_mdb::cashless::FileEnd;
use gettone_mdb::dts::{Dts, DtsFault};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name in the state directory.
const NAME: &str = "audit.dts";
/// A machine that has just started has other things to say first.
const SETTLING: Duration = Duration::from_secs(2);
/// How long a customer, or a machine that says "later", puts it off at least.
const PUT_OFF: Duration = Duration::from_secs(60);

/// When the machine is asked for its audit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rounds {
    every: Duration,
    /// None until the machine was first enabled, and where it gives no files.
    due: Option<Duration>,
}

impl Rounds {
    /// Asks once after the start and then every so often.
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, due: None }
    }

    /// The machine takes customers: it can be asked.
    pub(crate) fn machine_enabled(&mut self, now: Duration) {
        self.due.get_or_insert(now.saturating_add(SETTLING));
    }

    /// When it is to be asked next.
    pub(crate) const fn due(&self) -> Option<Duration> {
        self.due
    }

    /// It is not asked now.
    pub(crate) fn put_off(&mut self, now: Duration) {
        self.due = Some(now.saturating_add(PUT_OFF));
    }

    /// It is asked now.
    pub(crate) fn asked(&mut self, now: Duration) {
        self.due = Some(now.saturating_add(self.every));
    }

    /// It gave none.
    pub(crate) fn refused(&mut self, now: Duration, end: FileEnd) {
        if let FileEnd::Denied { after_s: 1.. } | FileEnd::Broken = end {
            let after = match end {
                FileEnd::Denied { after_s } => Duration::from_secs(after_s.into()),
                FileEnd::Whole | FileEnd::NotPossible | FileEnd::Broken | _ => PUT_OFF,
            };
            self.due = Some(now.saturating_add(after.max(PUT_OFF)));
        }
    }
}

/// Keeps an audit in place of the one before, if it is one.
pub(crate) fn keep(state: &Path, audit: &[u8]) -> Result<(), AuditFault> {
    Dts::parse(audit)?;
    let path = state.join(NAME);
    let fault = |source| AuditFault::Write {
        path: path.clone(),
        source,
    };
    let new = state.join("audit.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(fault)?;
    file.write_all(audit).map_err(fault)?;
    file.sync_all().map_err(fault)?;
    std::fs::rename(&new, &path).map_err(fault)
}

/// The newest audit, if the machine has given one.
pub(crate) fn read(state: &Path) -> Result<Option<String>, AuditFault> {
    let path = state.join(NAME);
    let mut text = String::new();
    let bound = u64::try_from(DTS_LEN_MAX).unwrap_or(u64::MAX);
    let found = File::open(&path).and_then(|file| file.take(bound).read_to_string(&mut text));
    match found {
        Ok(_) => Ok(Some(text)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuditFault::Read { path, source }),
    }
}

/// Why there is no audit.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum AuditFault {
    /// The machine gave something else.
    #[error("the machine's file is no audit")]
    NoAudit(#[from] DtsFault),
    /// It cannot be kept.
    #[error("cannot keep the machine's audit in {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read the machine's audit from {path}")]
    Read {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIT: &[u8] = b"DXS*GTN0000001*VA*V0/6*1\r\nID1*SN-0042\r\nDXE*1*1\r\n";

    #[test]
    fn the_newest_audit_is_kept_and_what_is_none_keeps_the_one_before() {
        let place = tempfile::tempdir().expect("a directory");
        assert_eq!(read(place.path()).expect("readable"), None);
        keep(place.path(), AUDIT).expect("room");
        let fault = keep(place.path(), &[0xFF, 0x00]).expect_err("no audit");
        assert!(matches!(fault, AuditFault::NoAudit(_)));
        let kept = read(place.path()).expect("readable").expect("kept");
        assert_eq!(kept.as_bytes(), AUDIT);
    }

    #[test]
    fn a_machine_is_asked_once_it_is_enabled_and_again_when_it_says_later() {
        let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let mut rounds = Rounds::new(hour);
        assert_eq!(rounds.due(), None);
        rounds.machine_enabled(minute);
        assert_eq!(rounds.due(), Some(minute + SETTLING));
        rounds.asked(minute);
        rounds.machine_enabled(2 * minute);
        assert_eq!(rounds.due(), Some(minute + hour));
        rounds.refused(2 * minute, FileEnd::Denied { after_s: 5 });
        assert_eq!(rounds.due(), Some(3 * minute), "never sooner than this");
        rounds.asked(3 * minute);
        rounds.refused(4 * minute, FileEnd::Denied { after_s: 0 });
        assert_eq!(
            rounds.due(),
            Some(3 * minute + hour),
            "\"never\" is asked no sooner"
        );
    }
}
