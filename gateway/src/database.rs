//! What people look at and who they are, in SQLite or PostgreSQL: customers, staff, sessions, keys,
//! names of machines, kept answers, refund cases, and the projections of the journal. No decision
//! about money reads it.
//!
//! SQLite takes one writer at a time, and so do the tables in PostgreSQL: one thread writes and the
//! others only read. No statement of a gateway waits for a lock of its own, and a full queue is told
//! to its client at once instead of filling a pool of blocked threads. Commits are synced (`synchronous = FULL`): a number that was given to a
//! customer must not be given to another one after a power cut. Only what is folded from the journal
//! is not: a start folds again what a power cut took.

pub(crate) mod answer;
pub(crate) mod api_key;
pub(crate) mod code;
#[cfg(test)]
mod contract;
pub(crate) mod diagnostics;
pub(crate) mod dts;
pub(crate) mod favourite;
pub(crate) mod firmware;
pub(crate) mod person;
pub(crate) mod place;
pub(crate) mod reader_config;
pub(crate) mod refund;
pub(crate) mod reported;
mod schema;
pub(crate) mod session;
pub(crate) mod set_aside;
pub(crate) mod sms;
pub(crate) mod staff;
pub(crate) mod staff_log;

use crate::bounds::{DATABASE_READERS, JOBS_WAITING_MAX, PAGES_CACHED_KIB, RECORDS_OF_ONE_COMMIT};
use crate::fold;
use crate::problem::{Kind, Problem};
use crate::sql::{self, Access, Connection, Records, SqlFault, Synced, Transaction};
use crate::worker::{Undone, Workers};
use gettone_core::port::Seq;
use gettone_core::record::Record;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// The database's file in the state directory.
pub(crate) const DATABASE_FILE: &str = "gateway.sqlite";

/// Why the database cannot be used.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum DatabaseFault {
    /// The file cannot be made or closed to others.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tables gave no answer.
    #[error("the database: {0}")]
    Sql(#[from] SqlFault),
    /// It was written by a newer gateway.
    #[error("the database has schema {found}, this gateway knows up to {known}; use the newer one")]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// No thread could be started for it.
    #[error("no thread for the database: {0}")]
    Thread(#[source] io::Error),
    /// Too many wait for it; nothing was done.
    #[error("too many wait for the database")]
    Busy,
    /// It broke off.
    #[error("a query broke off")]
    BrokenOff,
}

impl From<Undone> for DatabaseFault {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Full => Self::Busy,
            Undone::BrokenOff => Self::BrokenOff,
        }
    }
}

impl From<DatabaseFault> for Problem {
    fn from(fault: DatabaseFault) -> Self {
        match fault {
            DatabaseFault::Busy => busy(),
            fault @ DatabaseFault::Sql(SqlFault::Again(_)) => {
                tracing::warn!(%fault, "the database is not there");
                busy()
            }
            fault @ (DatabaseFault::File { .. }
            | DatabaseFault::Sql(_)
            | DatabaseFault::Newer { .. }
            | DatabaseFault::Thread(_)
            | DatabaseFault::BrokenOff) => {
                tracing::error!(%fault, "the database failed");
                Kind::Internal.because("the database failed; the log says why")
            }
        }
    }
}

fn busy() -> Problem {
    Kind::Busy
        .because("nothing was done")
        .retry_after(core::time::Duration::from_secs(1))
}

/// A database that nobody else of this process uses yet: it is brought up to date by the one who
/// opened it.
#[derive(Debug)]
pub(crate) struct Ground {
    place: Place,
    connection: Connection,
}

/// Where the tables are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a file of this machine.
    File(PathBuf),
    /// In a PostgreSQL server.
    Server(Box<Records>),
}

impl Place {
    fn connect(&self, access: Access) -> sql::Result<Connection> {
        match self {
            Self::File(path) => Connection::sqlite(path, access, PAGES_CACHED_KIB),
            Self::Server(records) => Connection::postgres(records, access),
        }
    }
}

/// The database of a running gateway.
#[derive(Debug)]
pub(crate) struct Database {
    writer: Workers<Connection>,
    readers: Workers<Connection>,
    folded: watch::Sender<u64>,
}

impl Ground {
    /// Opens the database of a state directory, or the one in a PostgreSQL server, and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// `DatabaseFault` when it cannot be opened, or a newer gateway wrote it.
    pub(crate) fn open(state: &Path, records: Option<&Records>) -> Result<Self, DatabaseFault> {
        let place = match records {
            Some(records) => Place::Server(Box::new(records.clone())),
            None => {
                let path = state.join(DATABASE_FILE);
                close_to_others(&path)?;
                Place::File(path)
            }
        };
        let connection = place.connect(Access::Write)?;
        schema::migrate(&connection)?;
        Ok(Self { place, connection })
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// `DatabaseFault` when a reader cannot be opened, or there is no thread.
    pub(crate) fn start(self) -> Result<Database, DatabaseFault> {
        let folded = fold::folded(&self.connection)?.map_or(0, |(seq, _)| seq.number());
        let readers = (0..DATABASE_READERS)
            .map(|_| self.place.connect(Access::Read))
            .collect::<sql::Result<Vec<_>>>()?;
        let start = |name, connections: Vec<Connection>| {
            Workers::start(name, connections, JOBS_WAITING_MAX).map_err(DatabaseFault::Thread)
        };
        Ok(Database {
            writer: start("gettone-write", vec![self.connection])?,
            readers: start("gettone-read", readers)?,
            folded: watch::Sender::new(folded),
        })
    }

    /// Does something in one transaction.
    ///
    /// # Errors
    /// What the tables say; then nothing has changed.
    pub(crate) fn write<T>(
        &mut self,
        job: impl FnOnce(&Transaction<'_>) -> sql::Result<T>,
    ) -> Result<T, DatabaseFault> {
        Ok(self.connection.transact(Synced::Now, job)?)
    }

    /// Begins to take in a journal that reaches to `head`, from where the projections end.
    ///
    /// # Errors
    /// What the tables say.
    pub(crate) fn catch_up(&mut self, head: Seq) -> Result<fold::CatchUp<'_>, DatabaseFault> {
        Ok(fold::CatchUp::begin(&self.connection, head)?)
    }

    /// Forgets the projections; the journal has to be taken in again from its beginning.
    ///
    /// # Errors
    /// What the tables say.
    pub(crate) fn forget_projections(&mut self) -> Result<(), DatabaseFault> {
        self.write(schema::renew_projections)
    }
}

impl Database {
    /// Does something in one transaction of the only writer; it is on disk when this returns.
    ///
    /// # Errors
    /// `DatabaseFault`; unless the end of a commit was lost on its way, nothing has changed then.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseFault> {
        let done = self
            .writer
            .run(move |connection| connection.transact(Synced::Now, job))
            .await?;
        Ok(done?)
    }

    /// Looks something up; several may at once.
    ///
    /// # Errors
    /// `DatabaseFault` when it cannot be looked up.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseFault> {
        Ok(self
            .readers
            .run(move |connection| job(connection))
            .await??)
    }

    /// Takes the next records of the journal into the projections.
    ///
    /// # Errors
    /// `DatabaseFault`; then none of them has been taken in.
    pub(crate) async fn fold(&self, records: Vec<(Seq, Record)>) -> Result<(), DatabaseFault> {
        debug_assert!(records.len() <= RECORDS_OF_ONE_COMMIT);
        let Some(last) = records.last().map(|(seq, _)| *seq) else {
            return Ok(());
        };
        self.writer
            .run(move |connection| fold::take_in_again(connection, &records, last))
            .await??;
        self.folded.send_replace(last.number());
        Ok(())
    }

    /// Waits until what was asked is done and the files are closed.
    pub(crate) fn close(&self) {
        self.readers.close();
        self.writer.close();
    }

    /// Wakes up whoever waits for the projections, because something was written beside them.
    pub(crate) fn nudge(&self) {
        self.folded.send_modify(|_| {});
    }

    /// Tells up to which record the projections are folded, each time they are.
    pub(crate) fn folded(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }
}

/// A number of ours as SQLite keeps it. None comes near the end of what it can keep.
pub(crate) fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of ours as it was kept.
pub(crate) fn unkept(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Makes the file, or closes the one that is there, before SQLite gives its mode to its neighbours.
fn close_to_others(path: &Path) -> Result<(), DatabaseFault> {
    let fault = |doing| {
        move |source| DatabaseFault::File {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(fault("make"))?;
    file.set_permissions(PermissionsExt::from_mode(0o600))
        .map_err(fault("close to others"))
}
