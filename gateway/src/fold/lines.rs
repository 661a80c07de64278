//! Many lines with one statement, and many questions with one.

use crate::bounds::{LOOKED_UP_AT_ONCE, ROWS_AT_ONCE};
use crate::sql::{self, Connection, Params, Row};
use rusqlite::types::Value;

/// Shows every row that one of these values leads to.
pub(super) fn found(
    connection: &Connection,
    select: &str,
    values: impl Iterator<Item = Value>,
    mut each: impl FnMut(&Row) -> sql::Result<()>,
) -> sql::Result<()> {
    let mut values: Vec<Value> = values.collect();
    // One statement for all of them: what is left over asks for the same once more.
    while let Some(last) = values.last().cloned() {
        let at_once = values.len().min(LOOKED_UP_AT_ONCE);
        let mut some = values.split_off(values.len() - at_once);
        some.resize(LOOKED_UP_AT_ONCE, last);
        let sql = format!("{select} ({})", vec!["?"; LOOKED_UP_AT_ONCE].join(", "));
        for row in connection
            .prepare_cached(&sql)?
            .query_map(some, |row| each(row))?
        {
            row?;
        }
    }
    Ok(())
}

/// Lines of one table that wait for each other.
#[derive(Debug)]
pub(super) struct Lines {
    insert: &'static str,
    conflict: &'static str,
    lines: Vec<Vec<Value>>,
}

impl Lines {
    /// None yet; `insert` names the table and its columns, `conflict` what becomes of known ones.
    pub(super) const fn of(insert: &'static str, conflict: &'static str) -> Self {
        Self {
            insert,
            conflict,
            lines: Vec::new(),
        }
    }

    /// Adds a line; its values in the order of the columns.
    pub(super) fn push(&mut self, line: impl Params) -> sql::Result<()> {
        self.lines.push(line.values()?);
        Ok(())
    }

    /// Brings them into the table.
    pub(super) fn flush(&mut self, connection: &Connection) -> sql::Result<()> {
        let mut lines = self.lines.drain(..);
        loop {
            // Two statements for each table, however many lines there are.
            let at_once = if lines.len() >= ROWS_AT_ONCE {
                ROWS_AT_ONCE
            } else {
                1
            };
            let some: Vec<Vec<Value>> = lines.by_ref().take(at_once).collect();
            let Some(first) = some.first() else {
                return Ok(());
            };
            let places = format!("({})", vec!["?"; first.len()].join(", "));
            let places = vec![places; some.len()].join(", ");
            let sql = format!("{} {places} {}", self.insert, self.conflict);
            let values: Vec<Value> = some.into_iter().flatten().collect();
            connection.prepare_cached(&sql)?.execute(values)?;
        }
    }
}
