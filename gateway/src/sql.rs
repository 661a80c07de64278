//! A connection to the gateway's tables, in SQLite or in PostgreSQL, with the same few calls for
//! both. Statements are written so that both read them alike; what no common words exist for (types
//! of columns, places for values) is translated here and nowhere else.

mod dialect;
mod server;
mod value;

use core::time::Duration;
use rusqlite::OpenFlags;
use rusqlite::types::{FromSql, ToSql, ToSqlOutput, Value, ValueRef};
use std::path::Path;
use std::sync::Arc;

pub(crate) use rusqlite::params;
pub use server::Records;

use server::Server;

/// Why the tables gave no answer.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum SqlFault {
    /// SQLite refuses.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The PostgreSQL server refuses; nothing was done.
    #[error("the PostgreSQL server refuses: {0}")]
    Refused(String),
    /// The PostgreSQL server is away or asks to try again; nothing was done.
    #[error("the PostgreSQL server cannot be used for the moment: {0}")]
    Again(String),
    /// The connection was lost while a change was made durable.
    #[error("whether the last change was kept by the PostgreSQL server is not known: {0}")]
    Unknown(String),
    /// There is no such row.
    #[error("there is no such row")]
    NoRow,
    /// A row holds what does not belong there.
    #[error("a column holds what does not belong there: {0}")]
    Value(String),
}

/// What came of asking.
pub(crate) type Result<T> = core::result::Result<T, SqlFault>;

/// One connection. It belongs to one thread at a time.
#[derive(Debug)]
pub(crate) struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Server),
}

/// Whether a connection only looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// It also writes.
    Write,
    /// It only looks.
    Read,
}

/// When a commit is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Synced {
    /// When it is made.
    Now,
    /// With the next one that is synced: until then a power cut takes it back, whole.
    Later,
}

/// A connection with a transaction that somebody else ends.
#[derive(Debug)]
pub(crate) struct Transaction<'a>(&'a Connection);

impl core::ops::Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Connection {
    /// Opens a SQLite file.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn sqlite(path: &Path, access: Access, cached_kib: i64) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        // Another process may write too: `staff add` beside a running gateway.
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // KiB, as SQLite counts when the number is negative. The system caches the file as well.
        connection.pragma_update(None, "cache_size", -cached_kib)?;
        Self::set_up(connection, access)
    }

    /// Opens a SQLite database that is gone with this.
    ///
    /// # Errors
    /// What SQLite says.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Result<Self> {
        Self::set_up(rusqlite::Connection::open_in_memory()?, Access::Write)
    }

    fn set_up(connection: rusqlite::Connection, access: Access) -> Result<Self> {
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_prepared_statement_cache_capacity(64);
        if access == Access::Read {
            connection.pragma_update(None, "query_only", true)?;
        }
        Ok(Self(Kind::Sqlite(Box::new(connection))))
    }

    /// Connects to a PostgreSQL server.
    ///
    /// # Errors
    /// `SqlFault` when it cannot be reached in time, or refuses.
    pub(crate) fn postgres(records: &Records, access: Access) -> Result<Self> {
        Server::open(records, access).map(|server| Self(Kind::Postgres(server)))
    }

    /// Names a statement that is asked again and again.
    pub(crate) fn prepare_cached<'a>(&'a self, sql: &'a str) -> Result<Statement<'a>> {
        Ok(Statement {
            connection: self,
            sql,
        })
    }

    /// Changes rows; gives how many.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        let values = params.values()?;
        match &self.0 {
            Kind::Sqlite(connection) => Ok(connection
                .prepare_cached(sql)?
                .execute(rusqlite::params_from_iter(values))?),
            Kind::Postgres(server) => Ok(server.ask(sql, values)?.changed),
        }
    }

    /// Runs statements without values. Types of columns are translated.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn execute_batch(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Kind::Postgres(server) => server.batch(&dialect::tables(sql)),
        }
    }

    /// The first row.
    ///
    /// # Errors
    /// `NoRow` when there is none.
    pub(crate) fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<T> {
        let rows = self.rows(sql, params)?;
        rows.first().ok_or(SqlFault::NoRow).and_then(read)
    }

    fn rows(&self, sql: &str, params: impl Params) -> Result<Vec<Row>> {
        let values = params.values()?;
        match &self.0 {
            Kind::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let names: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let mut read = Vec::new();
                while let Some(row) = rows.next()? {
                    let values = (0..names.len())
                        .map(|column| row.get(column))
                        .collect::<rusqlite::Result<Vec<Value>>>()?;
                    read.push(Row {
                        names: Arc::clone(&names),
                        values,
                    });
                }
                Ok(read)
            }
            Kind::Postgres(server) => Ok(server.ask(sql, values)?.rows),
        }
    }

    /// Does something in one transaction: all of it, or nothing.
    ///
    /// # Errors
    /// What `job` gives, or why there is no commit.
    pub(crate) fn transact<T>(
        &self,
        synced: Synced,
        job: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin(synced)?;
        let mut open = Open(Some(self));
        let done = job(&Transaction(self))?;
        self.commit()?;
        open.0 = None;
        Ok(done)
    }

    /// Begins a transaction; nobody else writes until it ends.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn begin(&self, synced: Synced) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(connection) => {
                let mode = match synced {
                    Synced::Now => "FULL",
                    // Where the journal mode is WAL.
                    Synced::Later => "NORMAL",
                };
                connection.pragma_update(None, "synchronous", mode)?;
                Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
            }
            Kind::Postgres(server) => server.begin(),
        }
    }

    /// Makes the transaction durable.
    ///
    /// # Errors
    /// `Unknown` when nothing tells whether it is.
    pub(crate) fn commit(&self) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(connection) => Ok(connection.execute_batch("COMMIT")?),
            Kind::Postgres(server) => server.commit(),
        }
    }

    /// Takes the transaction back.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn roll_back(&self) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(connection) => Ok(connection.execute_batch("ROLLBACK")?),
            Kind::Postgres(server) => server.roll_back(),
        }
    }

    /// Which version of the tables is there; 0 when there are none. It is asked in the transaction
    /// that brings them up to date.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn version(&self) -> Result<u32> {
        match &self.0 {
            Kind::Sqlite(connection) => {
                Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
            }
            Kind::Postgres(server) => {
                server.make_schema()?;
                self.execute_batch("CREATE TABLE IF NOT EXISTS version (version BIGINT NOT NULL)")?;
                let found = self.query_row("SELECT version FROM version", NONE, |row| row.get(0));
                Ok(found.optional()?.unwrap_or(0))
            }
        }
    }

    /// Notes which version of the tables is there.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn set_version(&self, version: u32) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(connection) => {
                Ok(connection.pragma_update(None, "user_version", version)?)
            }
            Kind::Postgres(_) => {
                self.execute("DELETE FROM version", NONE)?;
                self.execute("INSERT INTO version (version) VALUES (?1)", [version])?;
                Ok(())
            }
        }
    }
}

/// A transaction that is taken back unless it was committed, also when its job breaks off.
struct Open<'a>(Option<&'a Connection>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            // Where the connection is gone there is nothing left to be taken back.
            let _ = connection.roll_back();
        }
    }
}

/// A statement of a connection.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    connection: &'a Connection,
    sql: &'a str,
}

impl Statement<'_> {
    /// Changes rows; gives how many.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn execute(&self, params: impl Params) -> Result<usize> {
        self.connection.execute(self.sql, params)
    }

    /// The first row.
    ///
    /// # Errors
    /// `NoRow` when there is none.
    pub(crate) fn query_row<T>(
        &self,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<T> {
        self.connection.query_row(self.sql, params, read)
    }

    /// All rows. Whoever asks bounds how many there can be.
    ///
    /// # Errors
    /// `SqlFault`.
    pub(crate) fn query_map<T>(
        &self,
        params: impl Params,
        mut read: impl FnMut(&Row) -> Result<T>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        let rows = self.connection.rows(self.sql, params)?;
        Ok(rows.into_iter().map(move |row| read(&row)))
    }
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// What a column holds.
    ///
    /// # Errors
    /// `Value` when there is no such column, or it holds something else.
    pub(crate) fn get<At: Column, T: FromSql>(&self, at: At) -> Result<T> {
        let value = at.of(self).ok_or_else(|| SqlFault::Value(at.words()))?;
        T::column_result(ValueRef::from(value))
            .map_err(|fault| SqlFault::Value(format!("{}: {fault}", at.words())))
    }
}

/// How a column is named: by its place or by its name.
pub(crate) trait Column {
    /// What it holds.
    fn of<'a>(&self, row: &'a Row) -> Option<&'a Value>;
    /// Its name, for people.
    fn words(&self) -> String;
}

impl Column for usize {
    fn of<'a>(&self, row: &'a Row) -> Option<&'a Value> {
        row.values.get(*self)
    }

    fn words(&self) -> String {
        format!("column {self}")
    }
}

impl Column for &str {
    fn of<'a>(&self, row: &'a Row) -> Option<&'a Value> {
        let at = row.names.iter().position(|name| name == self)?;
        row.values.get(at)
    }

    fn words(&self) -> String {
        format!("column {self}")
    }
}

/// No values.
pub(crate) const NONE: &[&dyn ToSql] = &[];

/// Values for a statement's places.
pub(crate) trait Params {
    /// All of them.
    ///
    /// # Errors
    /// `Sqlite` when one of them cannot be kept.
    fn values(&self) -> Result<Vec<Value>>;
}

impl Params for &[&dyn ToSql] {
    fn values(&self) -> Result<Vec<Value>> {
        self.iter().map(|value| kept(*value)).collect()
    }
}

impl<T: ToSql, const N: usize> Params for [T; N] {
    fn values(&self) -> Result<Vec<Value>> {
        self.iter().map(|value| kept(value)).collect()
    }
}

impl<T: ToSql> Params for Vec<T> {
    fn values(&self) -> Result<Vec<Value>> {
        self.iter().map(|value| kept(value)).collect()
    }
}

/// Values for a statement's places, as they come.
pub(crate) fn params_from_iter<T: ToSql>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    values.into_iter().collect()
}

fn kept(value: &dyn ToSql) -> Result<Value> {
    let mut value = match value.to_sql()? {
        ToSqlOutput::Owned(value) => value,
        ToSqlOutput::Borrowed(value) => value
            .try_into()
            .map_err(|_| SqlFault::Value("text that is not UTF-8".to_owned()))?,
        _ => return Err(SqlFault::Value("a value of another kind".to_owned())),
    };
    // PostgreSQL keeps none; one in the journal must not end the folding for ever.
    if let Value::Text(text) = &mut value
        && text.contains('\0')
    {
        *text = text.replace('\0', "\u{fffd}");
    }
    Ok(value)
}

/// Takes a row that is not there for none.
pub(crate) trait OptionalExtension<T> {
    /// None where there was no row.
    ///
    /// # Errors
    /// Every other fault.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(SqlFault::NoRow) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}
