//! The journal, folded into the tables that people look at: receipts, sales, machines, readers. No
//! decision reads them.

mod batch;
mod lines;
mod machine;
mod operator;
mod reader;
mod wallet;

use crate::bounds::{FOLD_TRIES_MAX, FOLDING_TOLD_EVERY, RECORDS_OF_ONE_COMMIT};
use crate::database::{kept, unkept};
use crate::happening::{self, Subject};
use crate::sql::{
    self, Connection, NONE, OptionalExtension, SqlFault, Synced, Transaction, params,
};
pub(crate) use batch::Batch;
use gettone_core::id::{MachineId, OperatorId};
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Takes in a journal from where the projections end, many records to a commit. What was folded before
/// is passed over, when it is the same journal.
#[derive(Debug)]
pub(crate) struct CatchUp<'a> {
    connection: &'a Connection,
    folded: Option<(Seq, [u8; 32])>,
    /// The last record of the journal, as far as that is known.
    head: Seq,
    seen: Option<Seq>,
    shown: u64,
    waiting: Vec<(Seq, Record)>,
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
    pub(crate) fn begin(connection: &'a Connection, head: Seq) -> sql::Result<Self> {
        Ok(Self {
            connection,
            folded: folded(connection)?,
            head,
            seen: None,
            shown: 0,
            waiting: Vec::new(),
            is_another: false,
            fault: None,
        })
    }

    /// From which record on it has to be shown the journal: the last one that is folded, which tells
    /// whether it is the same journal.
    pub(crate) fn from(&self) -> Seq {
        self.folded.map_or(Seq::FIRST, |(upto, _)| upto)
    }

    /// How many records it was shown.
    pub(crate) const fn shown(&self) -> u64 {
        self.shown
    }

    /// Whether the tables did not take what was folded last.
    pub(crate) const fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    /// Takes in the next record. After a fault it takes none; the fault is told at the end.
    pub(crate) fn take(&mut self, seq: Seq, record: &Record) {
        if self.fault.is_some() || self.is_another {
            return;
        }
        self.shown += 1;
        self.seen = Some(seq);
        match self.folded {
            Some((upto, digest)) if seq == upto => self.is_another = digest != digest_of(record),
            Some((upto, _)) if seq < upto => {}
            Some(_) | None => {
                self.waiting.push((seq, record.clone()));
                if self.waiting.len() >= RECORDS_OF_ONE_COMMIT {
                    self.commit();
                }
                if self.shown.is_multiple_of(FOLDING_TOLD_EVERY) {
                    let (record, of) = (seq.number(), self.head.number());
                    tracing::info!(record, of, "folding the journal");
                }
            }
        }
    }

    fn commit(&mut self) {
        let waiting = core::mem::take(&mut self.waiting);
        // Another gateway that still folds the same journal may have been here meanwhile.
        if let Err(fault) = take_in_again(self.connection, &waiting, self.head) {
            self.fault = Some(fault);
        }
    }

    /// Ends the last commit, and tells whether it was the journal that was folded before.
    ///
    /// # Errors
    /// What the tables said first.
    pub(crate) fn finish(mut self) -> sql::Result<Journal> {
        if self.fault.is_none() && !self.is_another {
            self.commit();
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
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

/// The same as [`take_in`], and again when the tables' server was lost meanwhile: whatever of it was
/// kept is passed over then.
pub(crate) fn take_in_again(
    connection: &Connection,
    records: &[(Seq, Record)],
    head: Seq,
) -> sql::Result<()> {
    let mut tries = 1;
    loop {
        match take_in(connection, records, head) {
            Err(SqlFault::Again(why) | SqlFault::Unknown(why)) if tries < FOLD_TRIES_MAX => {
                tracing::warn!(why, "folding again");
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Takes in the next records of a journal that reaches to `head`, all of them or none. What was folded
/// before is passed over, so it is harmless to repeat.
pub(crate) fn take_in(
    connection: &Connection,
    records: &[(Seq, Record)],
    head: Seq,
) -> sql::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    connection.transact(Synced::Later, |transaction| {
        let upto = folded(transaction)?.map(|(upto, _)| upto);
        let known = records.partition_point(|(seq, _)| upto.is_some_and(|upto| *seq <= upto));
        let fresh = records.get(known..).unwrap_or_default();
        let mut expected = upto.map_or(Seq::FIRST, |upto| upto.after(1));
        for (seq, _) in fresh {
            if *seq != expected {
                // A server that lost what it had kept; a start folds on from where it is.
                let what = format!("records {} and on are missing", expected.number());
                return Err(SqlFault::Value(what));
            }
            expected = seq.after(1);
        }
        take(transaction, fresh, head)?;
        fresh
            .last()
            .map_or(Ok(()), |(seq, record)| mark(transaction, *seq, record))
    })
}

/// Takes in these records of a journal that reaches to `head`.
pub(crate) fn take(
    transaction: &Transaction<'_>,
    records: &[(Seq, Record)],
    head: Seq,
) -> sql::Result<()> {
    let Some((last, _)) = records.last() else {
        return Ok(());
    };
    let head = head.max(*last);
    let batch = Batch::of(transaction, records, head)?;
    for (seq, record) in records {
        let fold = Fold {
            connection: transaction,
            batch: &batch,
            seq: *seq,
            at: record.at,
        };
        match &record.event {
            Event::Wallet { wallet, event } => fold.take_wallet(*wallet, event)?,
            Event::Machine { machine, event } => fold.take_machine(*machine, event)?,
            Event::Reader { reader, event } => fold.take_reader(*reader, event)?,
            Event::Operator { operator, event } => fold.take_operator(*operator, event)?,
            Event::Session { .. } => {}
        }
    }
    batch.end(transaction)?;
    happening::give_way(transaction, head)
}

/// One record on its way into the tables.
#[derive(Clone, Copy)]
struct Fold<'a> {
    connection: &'a Connection,
    batch: &'a Batch,
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

    /// Whether pages still show what happens here: of a long past only the end is told, and the rest
    /// need not be put into words.
    fn is_told(self) -> bool {
        happening::place(self.seq, 0, self.batch.head()).is_some()
    }

    /// Tells operators' pages of something at a machine; its name and the time go with it.
    fn tell(
        self,
        operator: OperatorId,
        subject: Subject,
        machine: Option<MachineId>,
        body: Value,
    ) -> sql::Result<()> {
        let number = self.batch.next_happening(self.seq);
        let Some(place) = happening::place(self.seq, number, self.batch.head()) else {
            return Ok(());
        };
        let named = match machine {
            Some(machine) => Some((machine, self.batch.name_of(self.connection, machine)?)),
            None => None,
        };
        let body = at_place(self.at, named, body);
        self.batch
            .add_happening(happening::line(place, operator, (subject, &body)))
    }
}

/// An event's body with its time, and the machine's number and name.
pub(crate) fn placed(
    connection: &Connection,
    at: Timestamp,
    machine: Option<MachineId>,
    body: Value,
) -> sql::Result<Value> {
    let named = match machine {
        Some(machine) => Some((machine, name_of(connection, machine)?)),
        None => None,
    };
    Ok(at_place(at, named, body))
}

fn at_place(at: Timestamp, named: Option<(MachineId, Option<String>)>, mut body: Value) -> Value {
    body["at_ms"] = at.as_millis().into();
    if let Some((machine, name)) = named {
        body["machine"] = machine.number().into();
        body["machine_name"] = name.into();
    }
    body
}

/// What a machine is called.
fn name_of(connection: &Connection, machine: MachineId) -> sql::Result<Option<String>> {
    connection
        .prepare_cached("SELECT name FROM place WHERE machine = ?1 AND name <> ''")?
        .query_row([machine.number()], |row| row.get(0))
        .optional()
}
