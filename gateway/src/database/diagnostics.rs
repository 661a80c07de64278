//! Reports of readers: what they were asked for, and the newest whole one.

use super::kept;
use crate::sql::{self, Connection, NONE, OptionalExtension, Transaction, params};
use gettone_core::id::ReaderId;
use gettone_core::time::Timestamp;

/// What there is of one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    /// When it was asked last.
    pub asked: Timestamp,
    /// When its newest report was whole, and that report.
    pub taken: Option<(Timestamp, String)>,
}

/// Asks a reader; gives the question's number. One that is open is not asked twice.
pub(crate) fn ask(
    transaction: &Transaction<'_>,
    reader: ReaderId,
    at: Timestamp,
) -> sql::Result<u32> {
    let before: Option<(i64, i64)> = transaction
        .query_row(
            "SELECT id, is_open FROM diagnostics WHERE reader = ?1",
            params![reader.as_bytes()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let id = match before {
        Some((id, 1)) => return Ok(number(id)),
        Some((id, _)) => number(id).wrapping_add(1),
        None => 1,
    };
    transaction.execute(
        "INSERT INTO diagnostics (reader, id, asked_ms, is_open) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (reader) DO UPDATE SET
             id = excluded.id, asked_ms = excluded.asked_ms, is_open = 1",
        params![reader.as_bytes(), id, kept(at.as_millis())],
    )?;
    Ok(id)
}

/// Keeps the report that answers an open question, in place of the one before.
pub(crate) fn put(
    transaction: &Transaction<'_>,
    reader: ReaderId,
    id: u32,
    report: &str,
    at: Timestamp,
) -> sql::Result<()> {
    transaction.execute(
        "UPDATE diagnostics SET is_open = 0, taken_ms = ?3, report = ?4
         WHERE reader = ?1 AND id = ?2 AND is_open = 1",
        params![reader.as_bytes(), id, kept(at.as_millis()), report],
    )?;
    Ok(())
}

/// What there is of a reader, if it was ever asked.
pub(crate) fn find(connection: &Connection, reader: ReaderId) -> sql::Result<Option<Report>> {
    connection
        .prepare_cached("SELECT asked_ms, taken_ms, report FROM diagnostics WHERE reader = ?1")?
        .query_row(params![reader.as_bytes()], |row| {
            let (taken, report): (Option<i64>, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok(Report {
                asked: time(row.get(0)?),
                taken: taken.map(time).zip(report),
            })
        })
        .optional()
}

/// The questions that are open.
pub(crate) fn open(connection: &Connection) -> sql::Result<Vec<(ReaderId, u32)>> {
    connection
        .prepare_cached("SELECT reader, id FROM diagnostics WHERE is_open = 1")?
        .query_map(NONE, |row| {
            let reader: Vec<u8> = row.get(0)?;
            let reader = <[u8; 8]>::try_from(reader).unwrap_or_default();
            Ok((ReaderId::from_bytes(reader), number(row.get(1)?)))
        })?
        .collect()
}

/// Only numbers of 32 bits are written.
fn number(kept: i64) -> u32 {
    u32::try_from(kept).unwrap_or_default()
}

fn time(kept: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(kept).unwrap_or_default())
}
