//! The journal, folded into the tables that people look at: receipts, sales, machines, readers. No
//! decision reads them.

mod machine;
mod operator;
mod reader;
mod wallet;

use crate::bounds::RECORDS_OF_ONE_COMMIT;
use crate::database::{kept, unkept};
use crate::happening::{self, Subject};
use crate::sql::{self, Connection, NONE, OptionalExtension, SqlFault, Synced, params};
use gettone_core::id::{MachineId, OperatorId};
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Takes in a journal from its beginning, many records to a commit. What was folded before is
/// passed over, when it is the same journal.
#[derive(Debug)]
pub(crate) struct CatchUp<'a> {
    connection: &'a Connection,
    folded: Option<(Seq, [u8; 32])>,
    seen: Option<Seq>,
    since_commit: usize,
    is_another: bool,
    fault: Option<SqlFault>,
}

/// What a journal turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Journal {
    /// The one that was folded before, and is now folded to its end.
    Same,
    /// Another one than the projections were folded from: they have to be made anew.
    Another,
}

impl<'a> CatchUp<'a> {
    /// Begins where the projections end.
    ///
    /// # Errors
    /// What the tables say.
    pub(crate) fn begin(connection: &'a Connection) -> sql::Result<Self> {
        let folded = Self::go_on(connection).inspect_err(|_| {
            // Where the connection is gone there is nothing left to be taken back.
            let _ = connection.roll_back();
        });
        Ok(Self {
            connection,
            folded: folded?,
            seen: None,
            since_commit: 0,
            is_another: false,
            fault: None,
        })
    }

    /// Begins a commit, and looks where it goes on: another gateway that still folds the same
    /// journal may have been here meanwhile.
    fn go_on(connection: &Connection) -> sql::Result<Option<(Seq, [u8; 32])>> {
        connection.begin(Synced::Now)?;
        folded(connection)
    }

    /// Takes in the next record. After a fault it takes none; the fault is told at the end.
    pub(crate) fn take(&mut self, seq: Seq, record: &Record) {
        if self.fault.is_some() || self.is_another {
            return;
        }
        self.seen = Some(seq);
        match self.folded {
            Some((upto, digest)) if seq == upto => self.is_another = digest != digest_of(record),
            Some((upto, _)) if seq < upto => {}
            Some(_) | None => {
                if let Err(fault) = self.fold(seq, record) {
                    self.fault = Some(fault);
                }
            }
        }
    }

    fn fold(&mut self, seq: Seq, record: &Record) -> sql::Result<()> {
        take(self.connection, seq, record)?;
        mark(self.connection, seq, record)?;
        self.since_commit += 1;
        if self.since_commit >= RECORDS_OF_ONE_COMMIT {
            self.connection.commit()?;
            self.folded = Self::go_on(self.connection)?;
            self.since_commit = 0;
        }
        Ok(())
    }

    /// Ends the last commit, and tells whether it was the journal that was folded before.
    ///
    /// # Errors
    /// What the tables said first.
    pub(crate) fn finish(self) -> sql::Result<Journal> {
        if let Some(fault) = self.fault {
            // What failed may have ended the transaction; the first fault is the one to tell.
            let _ = self.connection.roll_back();
            return Err(fault);
        }
        self.connection.commit()?;
        let is_short = self
            .folded
            .is_some_and(|(upto, _)| self.seen.is_none_or(|seen| seen < upto));
        Ok(if self.is_another || is_short {
            Journal::Another
        } else {
            Journal::Same
        })
    }
}

/// Up to which record the projections are folded, and that record's digest.
pub(crate) fn folded(connection: &Connection) -> sql::Result<Option<(Seq, [u8; 32])>> {
    connection
        .query_row("SELECT seq, digest FROM fold", NONE, |row| {
            Ok((Seq::new(unkept(row.get(0)?)), row.get(1)?))
        })
        .optional()
}

/// Notes up to which record the projections are folded.
pub(crate) fn mark(connection: &Connection, seq: Seq, record: &Record) -> sql::Result<()> {
    let values = params![kept(seq.number()), digest_of(record)];
    let known = connection
        .prepare_cached("UPDATE fold SET seq = ?1, digest = ?2")?
        .execute(values)?;
    if known == 0 {
        connection.execute("INSERT INTO fold (seq, digest) VALUES (?1, ?2)", values)?;
    }
    Ok(())
}

fn digest_of(record: &Record) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    // What the engine gave us was decoded, so it encodes again; if not, it is not the same record.
    if record.encode(&mut bytes).is_err() {
        bytes.clear();
    }
    Sha256::digest(&bytes).into()
}

/// Takes in the next records of the journal, all of them or none. What was folded before is passed
/// over, so it is harmless to repeat.
pub(crate) fn take_in(connection: &Connection, records: &[(Seq, Record)]) -> sql::Result<()> {
    connection.transact(Synced::Later, |transaction| {
        let upto = folded(transaction)?.map(|(upto, _)| upto);
        let fresh = records
            .iter()
            .filter(|(seq, _)| upto.is_none_or(|upto| *seq > upto));
        let mut last = None;
        let mut expected = upto.map_or(Seq::FIRST, |upto| upto.after(1));
        for (seq, record) in fresh {
            if *seq != expected {
                // A server that lost what it had kept; a start folds on from where it is.
                let what = format!("records {} and on are missing", expected.number());
                return Err(SqlFault::Value(what));
            }
            expected = seq.after(1);
            take(transaction, *seq, record)?;
            last = Some((*seq, record));
        }
        last.map_or(Ok(()), |(seq, record)| mark(transaction, seq, record))
    })
}

/// Takes in the next record of the journal.
pub(crate) fn take(connection: &Connection, seq: Seq, record: &Record) -> sql::Result<()> {
    let fold = Fold {
        connection,
        seq,
        at: record.at,
    };
    match &record.event {
        Event::Wallet { wallet, event } => fold.take_wallet(*wallet, event),
        Event::Machine { machine, event } => fold.take_machine(*machine, event),
        Event::Reader { reader, event } => fold.take_reader(*reader, event),
        Event::Operator { operator, event } => fold.take_operator(*operator, event),
        Event::Session { .. } => Ok(()),
    }
}

/// One record on its way into the tables.
#[derive(Clone, Copy)]
struct Fold<'a> {
    connection: &'a Connection,
    seq: Seq,
    at: Timestamp,
}

impl Fold<'_> {
    /// Notes an alarm of a machine, and tells it.
    fn ring(
        self,
        operator: OperatorId,
        machine: MachineId,
        alarm: (&str, &str),
    ) -> sql::Result<()> {
        let (code, words) = alarm;
        self.connection
            .prepare_cached(
                "INSERT INTO alarm (machine, code, at_ms, words) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (machine, code) DO UPDATE SET at_ms = excluded.at_ms, words = excluded.words",
            )?
            .execute(params![
                machine.number(),
                code,
                kept(self.at.as_millis()),
                words
            ])?;
        let body = json!({"code": code, "words": words});
        self.tell(operator, Subject::Alarm, Some(machine), body)
    }

    /// Tells operators' pages of something at a machine; its name and the time go with it.
    fn tell(
        self,
        operator: OperatorId,
        subject: Subject,
        machine: Option<MachineId>,
        body: Value,
    ) -> sql::Result<()> {
        let body = placed(self.connection, self.at, machine, body)?;
        happening::tell(self.connection, operator, self.seq, (subject, &body))
    }
}

/// An event's body with its time, and the machine's number and name.
pub(crate) fn placed(
    connection: &Connection,
    at: Timestamp,
    machine: Option<MachineId>,
    mut body: Value,
) -> sql::Result<Value> {
    body["at_ms"] = at.as_millis().into();
    if let Some(machine) = machine {
        body["machine"] = machine.number().into();
        let name: Option<String> = connection
            .prepare_cached("SELECT name FROM place WHERE machine = ?1 AND name <> ''")?
            .query_row([machine.number()], |row| row.get(0))
            .optional()?;
        body["machine_name"] = name.into();
    }
    Ok(body)
}
