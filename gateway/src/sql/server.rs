//! The tables in a PostgreSQL server. A thread of its own talks to it, so that it can be used from
//! wherever other code runs. A connection that is lost is made anew for the next transaction;
//! whether the one that lost it was kept is known unless it was lost at the commit.

use super::value::{Bound, value};
use super::{Access, Result, Row, SqlFault, dialect};
use crate::bounds::{
    SQL_LOCK_MAX, SQL_PATIENCE, SQL_PAUSE, SQL_PREPARED_MAX, SQL_SERVER_LEAST, SQL_STATEMENT_MAX,
};
use core::fmt;
use core::mem::replace;
use core::time::Duration;
use gettone_core::port::StoreFault;
use gettone_store::PostgresSettings;
use postgres::error::{DbError, Severity, SqlState};
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls};
use rusqlite::types::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// Where the tables are.
#[derive(Clone)]
pub struct Records {
    config: Config,
    schema: String,
    patience: Duration,
}

impl fmt::Debug for Records {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No password.
        out.debug_struct("Records")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Records {
    /// Reads where the server is, in the words that the journal's server is named with; gateways
    /// that share a database have partitions of their own.
    ///
    /// # Errors
    /// As [`PostgresSettings::parse`].
    pub fn parse(words: &str, partition: u16) -> core::result::Result<Self, StoreFault> {
        // The same rules: no clear text over a network unless told to, the server that takes writes.
        let mut config = PostgresSettings::parse(words)?.config().clone();
        config.application_name(&format!("gettone records {partition}"));
        Ok(Self {
            config,
            schema: format!("gettone_records_{partition}"),
            patience: SQL_PATIENCE,
        })
    }

    fn connect(&self, access: Access) -> Result<Line> {
        let mut config = self.config.clone();
        let warned = Arc::new(AtomicBool::new(false));
        let bell = Arc::clone(&warned);
        config.notice_callback(move |notice| {
            if is_doubt(&notice) {
                bell.store(true, Ordering::SeqCst);
            }
        });
        let mut client = config.connect(NoTls).map_err(|fault| unreached(&fault))?;
        let read_only = match access {
            Access::Write => "off",
            Access::Read => "on",
        };
        // What this connection needs, whatever the server, the database or the user is set to.
        let settings = format!(
            "set search_path = {}; \
             set client_min_messages = warning; \
             set default_transaction_isolation = 'read committed'; \
             set default_transaction_read_only = {read_only}; \
             set idle_in_transaction_session_timeout = 0; \
             set lock_timeout = {}; \
             set statement_timeout = {}; \
             select set_config('synchronous_commit', case current_setting('synchronous_commit') \
                 when 'remote_apply' then 'remote_apply' else 'on' end, false)",
            self.schema,
            SQL_LOCK_MAX.as_millis(),
            SQL_STATEMENT_MAX.as_millis()
        );
        client
            .batch_execute(&settings)
            .and_then(|()| {
                client.query_one(
                    "select current_setting('server_version_num')::int, \
                            current_setting('fsync')::bool",
                    &[],
                )
            })
            .and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .map_err(|fault| unreached(&fault))
            .and_then(|(version, fsync)| check(version, fsync))?;
        Ok(Line {
            client,
            prepared: HashMap::new(),
            warned,
        })
    }
}

/// Refuses a server that would lose what it acknowledged, or lacks what is asked of it.
fn check(version: i32, fsync: bool) -> Result<()> {
    if version < SQL_SERVER_LEAST {
        let (found, least) = (version / 10_000, SQL_SERVER_LEAST / 10_000);
        Err(SqlFault::Refused(format!(
            "it is of version {found}; {least} at least"
        )))
    } else if !fsync {
        let what = "it does not write to its disk; set fsync = on";
        Err(SqlFault::Refused(what.to_owned()))
    } else {
        Ok(())
    }
}

/// What came of a statement.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) changed: usize,
    pub(super) rows: Vec<Row>,
}

enum Order {
    Ask(String, Vec<Value>),
    Batch(String),
    Begin,
    Commit,
    RollBack,
}

type Reply = Result<Asked>;

/// A connection, as whoever uses it sees it.
#[derive(Debug)]
pub(super) struct Server {
    schema: String,
    orders: SyncSender<Order>,
    replies: Receiver<Reply>,
}

impl Server {
    pub(super) fn open(records: &Records, access: Access) -> Result<Self> {
        let (orders, to_do) = sync_channel(1);
        let (done, replies) = sync_channel(1);
        let mut clerk = Clerk {
            records: records.clone(),
            access,
            line: None,
            stage: Stage::Outside,
            last: Reach::There,
        };
        thread::Builder::new()
            .name("gettone-sql".to_owned())
            .spawn(move || {
                while let Ok(order) = to_do.recv() {
                    if done.send(clerk.serve(order)).is_err() {
                        break;
                    }
                }
            })
            .map_err(|fault| SqlFault::Again(format!("no thread: {fault}")))?;
        let server = Self {
            schema: records.schema.clone(),
            orders,
            replies,
        };
        // A server that is away or refuses is told at once, not to whoever asks first.
        server.batch("SELECT")?;
        Ok(server)
    }

    fn order(&self, order: Order) -> Reply {
        let gone = || SqlFault::Unknown("its thread is gone".to_owned());
        self.orders.send(order).map_err(|_| gone())?;
        self.replies.recv().map_err(|_| gone())?
    }

    pub(super) fn ask(&self, sql: &str, values: Vec<Value>) -> Result<Asked> {
        self.order(Order::Ask(sql.to_owned(), values))
    }

    pub(super) fn batch(&self, sql: &str) -> Result<()> {
        self.order(Order::Batch(sql.to_owned())).map(drop)
    }

    /// Makes the schema when there is none. A user who may not make any can be given one.
    pub(super) fn make_schema(&self) -> Result<()> {
        let schema = vec![Value::Text(self.schema.clone())];
        let found = self.ask("SELECT to_regnamespace(?1) IS NOT NULL", schema)?;
        match found.rows.first().map(|row| row.get(0)).transpose()? {
            Some(true) => Ok(()),
            Some(false) | None => self.batch(&format!("CREATE SCHEMA {}", self.schema)),
        }
    }

    /// Begins a transaction; nobody else writes to these tables until it ends. Its commit is synced
    /// always: a server can lose what was not while whoever relies on it goes on.
    pub(super) fn begin(&self) -> Result<()> {
        self.order(Order::Begin).map(drop)
    }

    pub(super) fn commit(&self) -> Result<()> {
        self.order(Order::Commit).map(drop)
    }

    pub(super) fn roll_back(&self) -> Result<()> {
        self.order(Order::RollBack).map(drop)
    }
}

/// Whoever talks to the server.
struct Clerk {
    records: Records,
    access: Access,
    line: Option<Line>,
    stage: Stage,
    last: Reach,
}

/// How it went to connect the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// There was a server.
    There,
    /// There was none for as long as patience lasts.
    Away,
}

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// In no transaction.
    Outside,
    /// In one.
    Inside,
    /// In one that has failed: the server would take its commit, and keep nothing.
    Failed,
}

struct Line {
    client: Client,
    prepared: HashMap<String, (postgres::Statement, Arc<[String]>)>,
    /// Whether the server has warned since this was last cleared.
    warned: Arc<AtomicBool>,
}

impl Clerk {
    fn serve(&mut self, order: Order) -> Reply {
        match order {
            Order::Ask(sql, values) => self.with(|line| line.ask(sql, &values)),
            Order::Batch(sql) => self.with(|line| line.batch(&sql)),
            Order::Begin => self.begin(),
            Order::Commit => self.commit(),
            Order::RollBack => Ok(self.roll_back()),
        }
    }

    fn begin(&mut self) -> Reply {
        // As SQLite has it: what is looked up before it is written stays true until the commit,
        // also while `staff add` runs beside a gateway.
        let sql = format!(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('{}', 0))",
            self.records.schema
        );
        let begun = self.with(|line| line.batch(&sql));
        if begun.is_ok() {
            self.stage = Stage::Inside;
        } else {
            self.roll_back();
        }
        begun
    }

    fn commit(&mut self) -> Reply {
        if replace(&mut self.stage, Stage::Outside) == Stage::Failed {
            self.roll_back();
            let what = "a statement of the transaction had failed";
            return Err(SqlFault::Refused(what.to_owned()));
        }
        let Some(line) = &mut self.line else {
            return Err(lost());
        };
        line.warned.store(false, Ordering::SeqCst);
        let committed = line.batch("COMMIT");
        if committed.is_ok() && line.warned.load(Ordering::SeqCst) {
            // It is kept there; a standby that takes over may lack it.
            let what = "the server did not wait for its standby";
            return Err(SqlFault::Unknown(what.to_owned()));
        }
        committed.map_err(|fault| {
            let judged = self.judged(&fault);
            // An error comes before the commit. What ends the connection may come behind it, a loss
            // on either way, and there are errors that say that nobody knows.
            if fault.as_db_error().is_some_and(is_answer) {
                judged
            } else {
                self.line = None;
                SqlFault::Unknown(told(&fault))
            }
        })
    }

    /// Takes back what is open. Where the server does not say that it did, the connection goes, and
    /// with it what was open there.
    fn roll_back(&mut self) -> Asked {
        self.stage = Stage::Outside;
        if let Some(line) = &mut self.line
            && line.batch("ROLLBACK").is_err()
        {
            self.line = None;
        }
        nothing()
    }

    /// Does something on a connection that works; outside a transaction it may be a new one.
    fn with(
        &mut self,
        step: impl FnOnce(&mut Line) -> core::result::Result<Asked, postgres::Error>,
    ) -> Reply {
        if self.stage == Stage::Outside {
            self.connect()?;
        }
        let Some(line) = &mut self.line else {
            return Err(lost());
        };
        step(line).map_err(|fault| {
            if self.stage == Stage::Inside {
                self.stage = Stage::Failed;
            }
            self.judged(&fault)
        })
    }

    /// Makes sure that there is a connection, for as long as patience lasts.
    fn connect(&mut self) -> Result<()> {
        if self
            .line
            .as_mut()
            .is_some_and(|line| line.client.is_valid(self.records.patience).is_err())
        {
            self.line = None;
        }
        let patience = match (self.access, self.last) {
            // Pages that wait one after the other would keep all others from being told.
            (Access::Read, Reach::Away) => Duration::ZERO,
            (Access::Read, Reach::There) | (Access::Write, _) => self.records.patience,
        };
        let until = Instant::now() + patience;
        while self.line.is_none() {
            match self.records.connect(self.access) {
                Ok(line) => {
                    self.last = Reach::There;
                    self.line = Some(line);
                }
                Err(SqlFault::Again(_)) if Instant::now() < until => thread::sleep(SQL_PAUSE),
                Err(fault) => {
                    self.last = Reach::Away;
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// What a failed step means, where it was no commit: nothing was done. A connection that is of
    /// no use any more is let go.
    fn judged(&mut self, fault: &postgres::Error) -> SqlFault {
        let words = told(fault);
        let Some(answer) = fault.as_db_error() else {
            if is_lost(fault) {
                self.line = None;
                return SqlFault::Again(words);
            }
            return SqlFault::Refused(words);
        };
        let code = answer.code();
        // A server that was demoted goes on to answer.
        let is_demoted =
            self.access == Access::Write && *code == SqlState::READ_ONLY_SQL_TRANSACTION;
        if is_demoted || !is_answer(answer) {
            self.line = None;
            SqlFault::Again(words)
        } else if *code == SqlState::T_R_SERIALIZATION_FAILURE
            || *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::LOCK_NOT_AVAILABLE
            || *code == SqlState::QUERY_CANCELED
        {
            SqlFault::Again(words)
        } else {
            SqlFault::Refused(words)
        }
    }
}

/// Whether the server says that it ended a commit's wait for its standby. The words are in the
/// server's language; the class is not.
fn is_doubt(notice: &DbError) -> bool {
    notice.parsed_severity() == Some(Severity::Warning) && *notice.code() == SqlState::WARNING
}

/// Whether a server that goes on with this connection has said no to what was asked.
fn is_answer(answer: &DbError) -> bool {
    answer.parsed_severity() == Some(Severity::Error)
        && *answer.code() != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        && !answer.code().code().starts_with("08")
}

/// Whether there is no connection any more.
fn is_lost(fault: &postgres::Error) -> bool {
    fault.is_closed()
        || fault
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
}

fn lost() -> SqlFault {
    SqlFault::Again("the connection was lost".to_owned())
}

/// What a failed connecting means.
fn unreached(fault: &postgres::Error) -> SqlFault {
    let comes_back = match fault.code() {
        Some(code) => {
            *code == SqlState::CANNOT_CONNECT_NOW
                || *code == SqlState::TOO_MANY_CONNECTIONS
                || *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN
        }
        None => is_lost(fault),
    };
    if comes_back {
        SqlFault::Again(told(fault))
    } else {
        SqlFault::Refused(told(fault))
    }
}

impl Line {
    fn batch(&mut self, sql: &str) -> core::result::Result<Asked, postgres::Error> {
        self.client.batch_execute(sql).map(|()| nothing())
    }

    fn ask(
        &mut self,
        sql: String,
        values: &[Value],
    ) -> core::result::Result<Asked, postgres::Error> {
        if self.prepared.len() >= SQL_PREPARED_MAX && !self.prepared.contains_key(&sql) {
            self.prepared.clear();
        }
        let (statement, names) = match self.prepared.entry(sql) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(fresh) => {
                let statement = self.client.prepare(&dialect::places(fresh.key()))?;
                let names = statement
                    .columns()
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
                fresh.insert((statement, names))
            }
        };
        let bound: Vec<Bound<'_>> = values.iter().map(Bound).collect();
        let params: Vec<&(dyn ToSql + Sync)> = bound
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        if names.is_empty() {
            let changed = self.client.execute(&*statement, &params)?;
            return Ok(Asked {
                changed: usize::try_from(changed).unwrap_or(usize::MAX),
                rows: Vec::new(),
            });
        }
        let rows = self
            .client
            .query(&*statement, &params)?
            .iter()
            .map(|row| {
                let values = (0..names.len())
                    .map(|column| value(row, column))
                    .collect::<core::result::Result<_, _>>()?;
                Ok(Row {
                    names: Arc::clone(names),
                    values,
                })
            })
            .collect::<core::result::Result<Vec<Row>, postgres::Error>>()?;
        Ok(Asked {
            changed: rows.len(),
            rows,
        })
    }
}

const fn nothing() -> Asked {
    Asked {
        changed: 0,
        rows: Vec::new(),
    }
}

/// What an error says, without its details: they quote rows, and rows are about people.
fn told(fault: &postgres::Error) -> String {
    match (fault.as_db_error(), fault.source()) {
        (Some(answer), _) => format!("{} ({})", answer.message(), answer.code().code()),
        (None, Some(source)) => format!("{fault}: {source}"),
        (None, None) => fault.to_string(),
    }
}
