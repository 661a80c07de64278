//! What was answered to requests with an idempotency key.

use super::kept;
use crate::bounds::{ANSWER_KEPT, ANSWERS_SWEPT_AT_ONCE};
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::time::Timestamp;

/// An answer, and the digest of the body that it was given to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// The digest of the request's body.
    pub body: [u8; 32],
    /// The status.
    pub status: u16,
    /// The JSON.
    pub answer: Vec<u8>,
}

/// Keeps an answer; a few that are older than they have to be give way.
pub(crate) fn keep(
    transaction: &Transaction<'_>,
    slot: &[u8; 32],
    answer: &Answer,
    now: Timestamp,
) -> sql::Result<()> {
    let kept_ms = u64::try_from(ANSWER_KEPT.as_millis()).unwrap_or(u64::MAX);
    let oldest = now.as_millis().saturating_sub(kept_ms);
    transaction
        .prepare_cached(
            "DELETE FROM answer WHERE slot IN
             (SELECT slot FROM answer WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
        )?
        .execute(params![kept(oldest), ANSWERS_SWEPT_AT_ONCE])?;
    transaction
        .prepare_cached(
            "INSERT INTO answer (slot, body, status, answer, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            slot,
            answer.body,
            answer.status,
            answer.answer,
            kept(now.as_millis())
        ])?;
    Ok(())
}

/// The answer that was given before.
pub(crate) fn find(connection: &Connection, slot: &[u8; 32]) -> sql::Result<Option<Answer>> {
    connection
        .prepare_cached("SELECT body, status, answer FROM answer WHERE slot = ?1")?
        .query_row([slot], |row| {
            Ok(Answer {
                body: row.get(0)?,
                status: row.get(1)?,
                answer: row.get(2)?,
            })
        })
        .optional()
}
