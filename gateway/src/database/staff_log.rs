//! What staff did: who, what, when, and what it was before and after.

use super::{kept, unkept};
use crate::list::{Page, look_ahead, page};
use crate::sql::{self, Connection, Transaction, params};
use gettone_core::id::OperatorId;
use gettone_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One line of the log.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
pub(crate) struct Line {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who: an e-mail address, or the name of an API key.
    pub who: String,
    /// What was done, such as `staff.add` or `machine.lock`.
    pub what: String,
    /// To what, such as `machine 3`.
    pub subject: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it was after.
    pub after: Option<Value>,
}

/// Adds a line.
pub(crate) fn add(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    line: &Line,
) -> sql::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO staff_log (operator, at_ms, who, what, subject, before, after)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            operator.number(),
            kept(line.at_ms),
            line.who,
            line.what,
            line.subject,
            line.before.as_ref().map(Value::to_string),
            line.after.as_ref().map(Value::to_string),
        ])?;
    Ok(())
}

/// The newest lines of an operator, before line `before`.
pub(crate) fn all(
    connection: &Connection,
    operator: OperatorId,
    before: Option<u64>,
    limit: usize,
) -> sql::Result<Page<Line>> {
    let lines = connection
        .prepare_cached(
            "SELECT id, at_ms, who, what, subject, before, after FROM staff_log
             WHERE operator = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        )?
        .query_map(
            params![
                operator.number(),
                before.map_or(i64::MAX, kept),
                look_ahead(limit)
            ],
            |row| {
                let json =
                    |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
                let line = Line {
                    at_ms: unkept(row.get(1)?),
                    who: row.get(2)?,
                    what: row.get(3)?,
                    subject: row.get(4)?,
                    before: json(row.get(5)?),
                    after: json(row.get(6)?),
                };
                Ok((unkept(row.get(0)?), line))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

impl Line {
    /// A line about something that was done at `at`.
    pub(crate) fn new(at: Timestamp, who: String, what: &'static str, subject: String) -> Self {
        Self {
            at_ms: at.as_millis(),
            who,
            what: what.to_owned(),
            subject,
            before: None,
            after: None,
        }
    }
    /// With what the subject was before and after.
    pub(crate) fn changed(mut self, before: Value, after: Value) -> Self {
        self.before = Some(before).filter(|value| !value.is_null());
        self.after = Some(after).filter(|value| !value.is_null());
        self
    }
}
