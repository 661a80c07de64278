//! One connection: how it is set up, what it must find, and what an answer means.

use super::lease::Lease;
use super::row::Row;
use super::schema;
use super::settings::{PostgresSettings, Standby};
use crate::bounds::PORTION_ROWS;
use ::postgres::error::{DbError, Severity, SqlState};
use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::Type;
use ::postgres::{Client, NoTls, Statement};
use core::error::Error as _;
use core::fmt::Write as _;
use core::time::Duration;
use gettone_core::port::{Seq, StoreFault};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The oldest server that has all that is asked of it.
const VERSION_MIN: i32 = 130_000;

/// The fence and the row in one statement: it writes all of the append under this lease at the
/// expected place, or nothing at all.
const APPEND: &str = "\
    with fence as ( \
        update gettone.lease set next = $2 + $3 \
        where partition = $1 and epoch = $4 and next = $2 \
        returning partition \
    ) \
    insert into gettone.journal (partition, first, count, epoch, unpacked, frames) \
    select partition, $2, $3, $4, $5, $6 from fence";

/// The fence alone.
const CONFIRM_SINGLE: &str =
    "select true from gettone.lease where partition = $1 and epoch = $2 and next = $3";

/// The same where a standby may take the server's place: a commit, which waits for the standby. A
/// server that was replaced and does not know of it cannot make one.
const CONFIRM_REPLICATED: &str = "\
    update gettone.lease set taken = taken \
    where partition = $1 and epoch = $2 and next = $3 returning true";

/// Why a step did not go through.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server said no before anything was written, and may say yes a moment later.
    Again(String),
    /// The connection is of no use any more. What was under way may be written or not.
    Gone(String),
    /// Trying again is of no use; nothing was written.
    Final(StoreFault),
}

impl Trouble {
    /// The same, to whoever holds the partition: the server was fit when it was taken, and a standby
    /// may come back, or take over.
    pub(super) fn patient(self) -> Self {
        match self {
            Self::Final(fault @ StoreFault::Unfit { .. }) => Self::Gone(fault.to_string()),
            other @ (Self::Again(_) | Self::Gone(_) | Self::Final(_)) => other,
        }
    }
}

/// What a server did that ended a commit's wait for its standby.
pub(super) const STANDBY_LEFT_OUT: &str = "the server did not wait for its standby";

/// A connection to a server that keeps what it acknowledges, and the tables as this version has
/// them.
pub(super) struct Session {
    pub(super) client: Client,
    /// Whether the server has warned since this was last looked at.
    warned: Arc<AtomicBool>,
}

/// A connection that found everything in order.
pub(super) struct Link {
    session: Session,
    append: Statement,
    confirm: Statement,
    partition: i32,
}

/// What is to be appended, framed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The place of its first frame.
    pub(super) first: i64,
    /// Its frames.
    pub(super) count: i32,
    /// How many bytes they are when they lie here packed.
    pub(super) unpacked: Option<i32>,
    /// The frames.
    pub(super) bytes: Vec<u8>,
}

/// What the fence said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fence {
    /// The row is written.
    Open,
    /// Another lease or another place is due: nothing was written.
    Shut,
}

/// What the lease of a partition says.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) epoch: i64,
    pub(super) next: i64,
    pub(super) format: i64,
    pub(super) holder: Option<String>,
}

/// Connects, and makes sure that the server keeps what it acknowledges.
pub(super) fn connect(settings: &PostgresSettings, name: &str) -> Result<Session, Trouble> {
    let mut config = settings.config.clone();
    config.application_name(name);
    let warned = Arc::new(AtomicBool::new(false));
    let bell = Arc::clone(&warned);
    config.notice_callback(move |notice| {
        if is_doubt(&notice) {
            bell.store(true, Ordering::SeqCst);
        }
    });
    let mut client = config.connect(NoTls).map_err(unreached)?;
    set_up(&mut client, settings)?;
    check_server(&mut client, settings)?;
    schema::migrate(&mut client, settings)?;
    warned.store(false, Ordering::SeqCst);
    Ok(Session { client, warned })
}

impl Session {
    /// Whether the server said since this was last asked that it ended a commit's wait for its
    /// standby.
    pub(super) fn was_warned(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }
}

impl Link {
    /// Connects, and prepares what is asked again and again.
    pub(super) fn open(settings: &PostgresSettings) -> Result<Self, Trouble> {
        let name = format!("gettone journal {}", settings.partition);
        let mut session = connect(settings, &name)?;
        let types = [
            Type::INT4,
            Type::INT8,
            Type::INT4,
            Type::INT8,
            Type::INT4,
            Type::BYTEA,
        ];
        let append = session.client.prepare_typed(APPEND, &types);
        let types = [Type::INT4, Type::INT8, Type::INT8];
        let confirm = match settings.standby {
            Standby::Required => CONFIRM_REPLICATED,
            Standby::Single => CONFIRM_SINGLE,
        };
        let confirm = session.client.prepare_typed(confirm, &types);
        Ok(Self {
            append: append.map_err(answered)?,
            confirm: confirm.map_err(answered)?,
            session,
            partition: i32::from(settings.partition),
        })
    }

    /// A name that nobody else has.
    pub(super) fn name(&mut self) -> Result<String, Trouble> {
        self.session
            .client
            .query_one("select gen_random_uuid()::text", &[])
            .and_then(|row| row.try_get(0))
            .map_err(answered)
    }

    /// Writes a row behind the fence. One round trip; the statement is its own transaction.
    pub(super) fn append(&mut self, batch: &Batch, epoch: i64) -> Result<Fence, Trouble> {
        let written = self.session.client.execute(
            &self.append,
            &[
                &self.partition,
                &batch.first,
                &batch.count,
                &epoch,
                &batch.unpacked,
                &batch.bytes.as_slice(),
            ],
        );
        match self.unless_warned(written)? {
            0 => Ok(Fence::Shut),
            _ => Ok(Fence::Open),
        }
    }

    /// Whether this lease is the last one.
    pub(super) fn confirm(&mut self, lease: Lease) -> Result<Fence, Trouble> {
        let params: [&(dyn ::postgres::types::ToSql + Sync); 3] =
            [&self.partition, &lease.epoch, &lease.next];
        let found = self.session.client.query_opt(&self.confirm, &params);
        match self.unless_warned(found)? {
            Some(_) => Ok(Fence::Open),
            None => Ok(Fence::Shut),
        }
    }

    /// Whether exactly this row is there, written under this lease.
    pub(super) fn holds(&mut self, batch: &Batch, epoch: i64) -> Result<bool, Trouble> {
        let sql = "select count = $3 and epoch = $4 and unpacked is not distinct from $5 \
                   and frames = $6 from gettone.journal \
                   where partition = $1 and first = $2";
        let found = self.session.client.query_opt(
            sql,
            &[
                &self.partition,
                &batch.first,
                &batch.count,
                &epoch,
                &batch.unpacked,
                &batch.bytes.as_slice(),
            ],
        );
        match found.map_err(answered)? {
            Some(row) => row.try_get(0).map_err(answered),
            None => Ok(false),
        }
    }

    /// The partition's entry, which it makes when there is none.
    pub(super) fn entry(&mut self, format: i64) -> Result<Entry, Trouble> {
        let look =
            "select epoch, next, format, holder::text from gettone.lease where partition = $1";
        let make = "insert into gettone.lease (partition, epoch, next, format) \
                    values ($1, 0, 1, $2) on conflict do nothing";
        loop {
            let found = self.session.client.query_opt(look, &[&self.partition]);
            if let Some(row) = found.map_err(answered)? {
                let entry = || {
                    Ok(Entry {
                        epoch: row.try_get(0)?,
                        next: row.try_get(1)?,
                        format: row.try_get(2)?,
                        holder: row.try_get(3)?,
                    })
                };
                return entry().map_err(answered);
            }
            self.session
                .client
                .execute(make, &[&self.partition, &format])
                .map_err(answered)?;
        }
    }

    /// Takes the lock that says that the holder of this epoch lives; it falls with the connection.
    /// False when somebody else has it for longer than one waits.
    pub(super) fn lock(&mut self, epoch: i64) -> Result<bool, Trouble> {
        let locked = self.session.client.execute(
            "select pg_advisory_lock(hashtextextended(\
             format('gettone journal %s lease %s', $1::int, $2::bigint), 0))",
            &[&self.partition, &epoch],
        );
        match locked {
            Ok(_) => Ok(true),
            Err(fault) if fault.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
            Err(fault) => Err(answered(fault)),
        }
    }

    /// Gives that lock back.
    pub(super) fn unlock(&mut self, epoch: i64) -> Result<(), Trouble> {
        self.session
            .client
            .execute(
                "select pg_advisory_unlock(hashtextextended(\
                 format('gettone journal %s lease %s', $1::int, $2::bigint), 0))",
                &[&self.partition, &epoch],
            )
            .map(drop)
            .map_err(answered)
    }

    /// Raises the epoch, unless somebody else did; gives the place of the next frame. From here on
    /// nothing is written under an older lease, and all that was is where the next failure of a
    /// server leaves it: this commit waited for the standby behind them.
    pub(super) fn raise(&mut self, epoch: i64, holder: &str) -> Result<Option<i64>, Trouble> {
        let raised = self.session.client.query_opt(
            "update gettone.lease set epoch = epoch + 1, holder = $3::text::uuid, taken = now() \
             where partition = $1 and epoch = $2 returning next",
            &[&self.partition, &epoch, &holder],
        );
        match self.unless_warned(raised)? {
            Some(row) => row.try_get(0).map(Some).map_err(answered),
            None => Ok(None),
        }
    }

    /// Gives up to `limit` rows, from the one that holds `from` on, to `each`, until it says false.
    pub(super) fn rows(
        &mut self,
        from: i64,
        limit: u16,
        each: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), Trouble> {
        let sql = "select first, count, epoch, unpacked, frames from gettone.journal \
                   where partition = $1 and first >= coalesce( \
                       (select max(first) from gettone.journal \
                        where partition = $1 and first <= $2), $2) \
                   order by first limit $3";
        let params: [&(dyn ::postgres::types::ToSql + Sync); 3] =
            [&self.partition, &from, &i64::from(limit)];
        let mut rows = self
            .session
            .client
            .query_raw(sql, params)
            .map_err(answered)?;
        while let Some(row) = rows.next().map_err(answered)? {
            if !each(row_of(&row).map_err(answered)?) {
                break;
            }
        }
        Ok(())
    }

    /// What was done is done only when the server did not say that a standby may lack it.
    fn unless_warned<T>(&self, done: Result<T, ::postgres::Error>) -> Result<T, Trouble> {
        let warned = self.session.was_warned();
        match done {
            Ok(_) if warned => Err(Trouble::Gone(STANDBY_LEFT_OUT.to_owned())),
            Ok(done) => Ok(done),
            Err(fault) => Err(answered(fault)),
        }
    }
}

/// The rows from the one that holds `from` on and before `upto`: the first, and as many behind it as
/// keep the whole under `bytes`.
pub(super) fn portion(
    client: &mut Client,
    partition: i32,
    (from, upto): (i64, i64),
    bytes: i64,
) -> Result<Vec<Row>, Trouble> {
    // The server adds up lengths that it need not fetch the bytes for.
    let sql = "select first, count, epoch, unpacked, frames from ( \
                   select *, sum(octet_length(frames)) over (order by first) \
                             - octet_length(frames) as before \
                   from (select first, count, epoch, unpacked, frames from gettone.journal \
                         where partition = $1 and first < $3 and first >= coalesce( \
                             (select max(first) from gettone.journal \
                              where partition = $1 and first <= $2), $2) \
                         order by first limit $4) as next \
               ) as portion where before < $5 order by first";
    let limit = i64::from(PORTION_ROWS);
    client
        .query(sql, &[&partition, &from, &upto, &limit, &bytes])
        .and_then(|rows| rows.iter().map(row_of).collect())
        .map_err(answered)
}

fn row_of(row: &::postgres::Row) -> Result<Row, ::postgres::Error> {
    Ok(Row {
        first: Seq::new(unsigned(row.try_get(0)?)),
        count: u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0),
        epoch: unsigned(row.try_get(2)?),
        // What is negative is longer than any row.
        unpacked: row
            .try_get::<_, Option<i32>>(3)?
            .map(|len| u32::try_from(len).unwrap_or(u32::MAX)),
        bytes: row.try_get(4)?,
    })
}

/// What this connection needs, whatever the server, the database or the user is set to.
fn set_up(client: &mut Client, settings: &PostgresSettings) -> Result<(), Trouble> {
    let lock_ms = settings.lease_wait.as_millis();
    let statement_ms = settings
        .statement_max
        .saturating_add(settings.lease_wait)
        .as_millis();
    let sql = format!(
        "set search_path = pg_catalog; \
         set default_transaction_isolation = 'read committed'; \
         set default_transaction_deferrable = off; \
         set client_min_messages = warning; \
         set lock_timeout = {lock_ms}; \
         set statement_timeout = {statement_ms}; \
         set tcp_keepalives_idle = 5; \
         set tcp_keepalives_interval = 2; \
         set tcp_keepalives_count = 3; \
         select set_config('synchronous_commit', case current_setting('synchronous_commit') \
             when 'remote_apply' then 'remote_apply' else 'on' end, false)"
    );
    client.batch_execute(&sql).map_err(answered)
}

/// Refuses a server that would lose what it acknowledged.
fn check_server(client: &mut Client, settings: &PostgresSettings) -> Result<(), Trouble> {
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int, \
                    current_setting('fsync')::bool, \
                    current_setting('synchronous_standby_names') <> '', \
                    count(*) filter (where sync_state in ('sync', 'quorum')), \
                    count(*) filter (where sync_state is null) \
             from pg_stat_replication",
            &[],
        )
        .map_err(answered)?;
    let read = || {
        Ok((
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
        ))
    };
    let (version, fsync, named, synchronous, hidden): (i32, bool, bool, i64, i64) =
        read().map_err(answered)?;
    let what = if version < VERSION_MIN {
        format!("it is of version {}; 13 at least", version / 10_000)
    } else if !fsync {
        "it does not write to its disk; set fsync = on".to_owned()
    } else if settings.standby == Standby::Single || synchronous > 0 {
        return Ok(());
    } else if !named {
        "it has no synchronous standby; set synchronous_standby_names there and attach a standby, \
         or accept that losing this one server loses money: set the store to a single server"
            .to_owned()
    } else if hidden > 0 {
        "its user may not see whether a standby is attached; grant pg_monitor to it".to_owned()
    } else {
        "none of the standbys that synchronous_standby_names asks for is attached; start one"
            .to_owned()
    };
    Err(Trouble::Final(StoreFault::Unfit {
        place: settings.place(),
        what,
    }))
}

/// Whether the server says that it ended a commit's wait for its standby. The words are in the
/// server's language; the class is not.
fn is_doubt(notice: &DbError) -> bool {
    notice.parsed_severity() == Some(Severity::Warning) && *notice.code() == SqlState::WARNING
}

/// What a failed statement means.
pub(super) fn answered(fault: ::postgres::Error) -> Trouble {
    let words = told(&fault);
    // Whatever is no answer may have been the loss of one; to connect and look is always right.
    let Some(answer) = fault.as_db_error() else {
        return Trouble::Gone(words);
    };
    // An error comes before the commit; what ends the connection may come behind it.
    if answer.parsed_severity() != Some(Severity::Error) {
        return Trouble::Gone(words);
    }
    match answer.code() {
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE
            || *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::LOCK_NOT_AVAILABLE
            || *code == SqlState::QUERY_CANCELED =>
        {
            Trouble::Again(words)
        }
        code if *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || code.code().starts_with("08") =>
        {
            Trouble::Gone(words)
        }
        code => {
            let kind = if *code == SqlState::DISK_FULL {
                ErrorKind::StorageFull
            } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
                ErrorKind::PermissionDenied
            } else {
                ErrorKind::Other
            };
            Trouble::Final(StoreFault::Io {
                doing: "asking the PostgreSQL server".to_owned(),
                source: io::Error::new(kind, words),
            })
        }
    }
}

/// What a failed connecting means.
fn unreached(fault: ::postgres::Error) -> Trouble {
    let words = told(&fault);
    let comes_back = match fault.code() {
        Some(code) => {
            *code == SqlState::CANNOT_CONNECT_NOW
                || *code == SqlState::TOO_MANY_CONNECTIONS
                || *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN
        }
        None => {
            fault.is_closed()
                || fault
                    .source()
                    .is_some_and(|source| source.is::<io::Error>())
        }
    };
    if comes_back {
        Trouble::Gone(words)
    } else {
        Trouble::Final(StoreFault::Io {
            doing: "connecting to the PostgreSQL server".to_owned(),
            source: io::Error::other(words),
        })
    }
}

/// All that an error says, causes and advice included.
pub(super) fn told(fault: &::postgres::Error) -> String {
    let Some(answer) = fault.as_db_error() else {
        let mut words = fault.to_string();
        if let Some(source) = fault.source() {
            // Writing to a string does not fail.
            let _ = write!(words, ": {source}");
        }
        return words;
    };
    let mut words = format!("{} ({})", answer.message(), answer.code().code());
    for more in [answer.detail(), answer.hint()].into_iter().flatten() {
        let _ = write!(words, "; {more}");
    }
    words
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// How long to wait before the next try, and whether there is one.
#[derive(Debug)]
pub(super) struct Pauses {
    until: std::time::Instant,
    next: Duration,
}

impl Pauses {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            until: std::time::Instant::now() + patience,
            next: crate::bounds::PAUSE_MIN,
        }
    }

    /// Waits; false when patience is at its end.
    pub(super) fn wait(&mut self) -> bool {
        let left = self
            .until
            .saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.next.min(left));
        self.next = (self.next * 2).min(crate::bounds::PAUSE_MAX);
        true
    }
}
