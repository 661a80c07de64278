//! The books, proved from the journal alone.

use crate::config::Config;
use crate::server::open_directory;
use core::fmt;
use gettone_core::audit::{Audit, Check, Report};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_core::record::Record;
use gettone_store::bounds::SEGMENT_BYTES_MIN;
use gettone_store::{Postgres, PostgresSettings, Upkeep};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The journal's directory inside the state directory.
pub(crate) const JOURNAL: &str = "journal";

/// Why the books could not be read.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum AuditFault {
    /// There is no journal.
    #[error("{0} has no journal; is it the right directory?")]
    NoJournal(PathBuf),
    /// The journal cannot be read.
    #[error("{0}")]
    Store(#[from] StoreFault),
}

/// What an audit of a journal found.
#[derive(Clone, Debug)]
pub struct Audited(Report);

/// Audits the journal of a state directory, or of the journal's own directory. Nobody else may
/// have it open.
///
/// # Errors
/// `AuditFault` when it cannot be read.
pub fn audit(dir: &Path) -> Result<Audited, AuditFault> {
    let inside = dir.join(JOURNAL);
    let journal = if inside.is_dir() {
        inside
    } else {
        dir.to_owned()
    };
    let holds_something = std::fs::read_dir(&journal)
        .map(|mut entries| entries.next().is_some())
        .unwrap_or(false);
    if !holds_something {
        return Err(AuditFault::NoJournal(dir.to_owned()));
    }
    // Nothing is appended: the smallest segment will do, and the server's spare one is left alone.
    let mut store = open_directory(&journal, SEGMENT_BYTES_MIN, Upkeep::ByHand)?;
    fold(&mut store, &journal.display().to_string())
}

/// Audits a journal in PostgreSQL. No other node may hold its partition.
///
/// # Errors
/// `AuditFault` when it cannot be read.
pub fn audit_postgres(server: &PostgresSettings) -> Result<Audited, AuditFault> {
    let mut store = Postgres::open(server.clone())?;
    fold(&mut store, "the journal in PostgreSQL")
}

fn fold(store: &mut dyn Store, place: &str) -> Result<Audited, AuditFault> {
    let mut audit = Audit::default();
    read(store, place, &mut |record| audit.take(record))?;
    Ok(Audited(audit.finish()))
}

/// Gives every record of a configuration's journal, oldest first. Nobody else may have it open.
///
/// # Errors
/// `AuditFault` when it cannot be read.
pub(crate) fn each_record(
    config: &Config,
    take: &mut dyn FnMut(&Record),
) -> Result<(), AuditFault> {
    match &config.journal {
        Some(server) => {
            let mut store = Postgres::open(server.clone())?;
            read(&mut store, "the journal in PostgreSQL", take)
        }
        None => {
            let journal = config.state.join(JOURNAL);
            if !journal.is_dir() {
                return Ok(());
            }
            let mut store = open_directory(&journal, SEGMENT_BYTES_MIN, Upkeep::ByHand)?;
            read(&mut store, &journal.display().to_string(), take)
        }
    }
}

fn read(
    store: &mut dyn Store,
    place: &str,
    take: &mut dyn FnMut(&Record),
) -> Result<(), AuditFault> {
    store.replay(Seq::FIRST, &mut |seq, bytes| {
        let record = Record::decode(bytes).map_err(|fault| StoreFault::Damaged {
            place: place.to_owned(),
            what: format!("frame {}: {fault}", seq.number()),
        })?;
        take(&record);
        Ok(())
    })?;
    Ok(())
}

impl Audited {
    /// Whether every check holds.
    pub fn is_balanced(&self) -> bool {
        self.0.is_balanced()
    }

    /// The findings for a program; the names of the checks never change.
    pub fn to_json(&self) -> Value {
        let checks: Map<String, Value> = self
            .checks()
            .map(|(check, faults, _)| (check.name().to_owned(), (faults == 0).into()))
            .collect();
        let faults: Vec<&str> = self.checks().flat_map(|(.., words)| words).collect();
        let accounts: Vec<Value> = self
            .0
            .book
            .balances()
            .map(|(currency, account, amount)| {
                json!({
                    "account": account.to_string(),
                    "amount": amount.to_decimal(currency).to_string(),
                    "currency": currency.code(),
                })
            })
            .collect();
        json!({
            "balanced": self.is_balanced(),
            "checks": checks,
            "records": self.0.records,
            "wallets": self.0.wallets,
            "faults": faults,
            "accounts": accounts,
        })
    }

    fn checks(&self) -> impl Iterator<Item = (Check, u64, impl Iterator<Item = &str>)> {
        self.0
            .checks
            .iter()
            .map(|(check, (faults, words))| (*check, *faults, words.iter().map(String::as_str)))
    }
}

/// One line for each check, then for each account, then the verdict.
impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} records, {} wallets", self.0.records, self.0.wallets)?;
        for (check, faults, words) in self.checks() {
            match faults {
                0 => writeln!(f, "check {}: holds", check.name())?,
                faults => writeln!(f, "check {}: FAILS {faults} times", check.name())?,
            }
            for line in words {
                writeln!(f, "  {line}")?;
            }
        }
        for (currency, account, amount) in self.0.book.balances() {
            writeln!(f, "{account}: {} {currency}", amount.to_decimal(currency))?;
        }
        let verdict = if self.is_balanced() {
            "balanced"
        } else {
            "NOT balanced"
        };
        writeln!(f, "audit: {verdict}")
    }
}
