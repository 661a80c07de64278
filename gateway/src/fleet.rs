//! An operator's fleet as people look at it: which machines and readers are whose, when they were
//! heard last, and what rang. Folded from the journal; no decision reads it.

use crate::bounds::{ALARM_SHOWN, ALARMS_SHOWN_MAX};
use crate::database::{kept, unkept};
use crate::list::{Page, look_ahead, page};
use crate::sql::{self, Connection, OptionalExtension, params};
use gettone_core::id::{MachineId, OperatorId, ReaderId, TransferId};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that a person should look at.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alarm {
    /// When it rang last, in milliseconds since 1970.
    pub at_ms: u64,
    /// What kind it is; it never changes.
    pub code: String,
    /// What is the matter, in words.
    pub words: String,
}

/// One count of a cash box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CashCounted {
    /// When.
    pub at: Timestamp,
    /// What should have been there.
    pub expected: Amount,
    /// What was there.
    pub counted: Amount,
    /// Who counted; empty when that is not known.
    pub by: String,
}

/// What was heard of a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// Which reader.
    pub reader: ReaderId,
    /// When its newest envelope came, if any has.
    pub last_seen: Option<Timestamp>,
}

/// Whose a machine is.
pub(crate) fn operator_of(
    connection: &Connection,
    machine: MachineId,
) -> sql::Result<Option<OperatorId>> {
    connection
        .prepare_cached("SELECT operator FROM machine WHERE machine = ?1")?
        .query_row([machine.number()], |row| Ok(OperatorId::new(row.get(0)?)))
        .optional()
}

/// An operator's machines by number, after machine `after`.
pub(crate) fn machines(
    connection: &Connection,
    operator: OperatorId,
    after: Option<u64>,
    limit: usize,
) -> sql::Result<Page<MachineId>> {
    let lines = connection
        .prepare_cached(
            "SELECT machine FROM machine WHERE operator = ?1 AND machine > ?2
             ORDER BY machine LIMIT ?3",
        )?
        .query_map(
            params![operator.number(), after.map_or(-1, kept), look_ahead(limit)],
            |row| {
                let machine: u32 = row.get(0)?;
                Ok((u64::from(machine), MachineId::new(machine)))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// An operator's readers in the order of their enrolment, after line `after`.
pub(crate) fn readers(
    connection: &Connection,
    operator: OperatorId,
    after: Option<u64>,
    limit: usize,
) -> sql::Result<Page<Heard>> {
    let lines = connection
        .prepare_cached(
            "SELECT seq, reader, heard_ms FROM reader WHERE operator = ?1 AND seq > ?2
             ORDER BY seq LIMIT ?3",
        )?
        .query_map(
            params![operator.number(), after.map_or(-1, kept), look_ahead(limit)],
            |row| {
                let heard: Option<i64> = row.get(2)?;
                let line = Heard {
                    reader: ReaderId::from_bytes(row.get(1)?),
                    last_seen: heard.map(|at| Timestamp::from_millis(unkept(at))),
                };
                Ok((unkept(row.get(0)?), line))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// When a reader was heard last, and what it said of its machine then.
pub(crate) fn last_seen(
    connection: &Connection,
    reader: ReaderId,
) -> sql::Result<Option<(Timestamp, Option<u8>)>> {
    let heard: Option<(Option<i64>, Option<u8>)> = connection
        .prepare_cached("SELECT heard_ms, mdb_state FROM reader WHERE reader = ?1")?
        .query_row([reader.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(heard.and_then(|(at, mdb_state)| Some((Timestamp::from_millis(unkept(at?)), mdb_state))))
}

/// Counts of a machine's cash box, the newest first, with who counted.
pub(crate) fn cash_counts(
    connection: &Connection,
    machine: MachineId,
    limit: usize,
) -> sql::Result<Vec<CashCounted>> {
    connection
        .prepare_cached(
            "SELECT at_ms, expected, counted, counter.who FROM cash_count
             LEFT JOIN counter ON counter.name = cash_count.name
             WHERE machine = ?1 ORDER BY seq DESC LIMIT ?2",
        )?
        .query_map(
            params![machine.number(), i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                Ok(CashCounted {
                    at: Timestamp::from_millis(unkept(row.get(0)?)),
                    expected: Amount::from_minor(row.get(1)?),
                    counted: Amount::from_minor(row.get(2)?),
                    by: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                })
            },
        )?
        .collect()
}

/// Notes who asks for a count.
pub(crate) fn note_counter(
    connection: &Connection,
    operator: OperatorId,
    name: TransferId,
    who: &str,
) -> sql::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO counter (name, operator, who) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![name.as_bytes(), operator.number(), who])?;
    Ok(())
}

/// What rang at a machine lately, the newest first.
pub(crate) fn alarms(
    connection: &Connection,
    machine: MachineId,
    now: Timestamp,
) -> sql::Result<Vec<Alarm>> {
    let shown_ms = u64::try_from(ALARM_SHOWN.as_millis()).unwrap_or(u64::MAX);
    connection
        .prepare_cached(
            "SELECT at_ms, code, words FROM alarm WHERE machine = ?1 AND at_ms >= ?2
             ORDER BY at_ms DESC, code LIMIT ?3",
        )?
        .query_map(
            params![
                machine.number(),
                kept(now.as_millis().saturating_sub(shown_ms)),
                ALARMS_SHOWN_MAX
            ],
            |row| {
                Ok(Alarm {
                    at_ms: unkept(row.get(0)?),
                    code: row.get(1)?,
                    words: row.get(2)?,
                })
            },
        )?
        .collect()
}
