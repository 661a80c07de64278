//! Audits that machines gave, as they gave them: what they say is read each time.

use super::{kept, unkept};
use crate::bounds::AUDITS_OF_MACHINE_MAX;
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::id::MachineId;
use gettone_core::time::Timestamp;

/// An audit of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Given {
    /// When it came.
    pub at: Timestamp,
    /// Who brought it.
    pub who: String,
    /// What it says.
    pub words: Vec<u8>,
}

/// Keeps an audit; the oldest of that machine makes room.
pub(crate) fn keep(
    transaction: &Transaction<'_>,
    machine: MachineId,
    given: &Given,
) -> sql::Result<()> {
    transaction.execute(
        "INSERT INTO dts (machine, at_ms, who, words) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (machine, at_ms) DO UPDATE SET who = excluded.who, words = excluded.words",
        params![
            machine.number(),
            kept(given.at.as_millis()),
            given.who,
            given.words
        ],
    )?;
    transaction.execute(
        "DELETE FROM dts WHERE machine = ?1 AND at_ms NOT IN
         (SELECT at_ms FROM dts WHERE machine = ?1 ORDER BY at_ms DESC LIMIT ?2)",
        params![machine.number(), AUDITS_OF_MACHINE_MAX],
    )?;
    Ok(())
}

/// The newest audit of a machine.
pub(crate) fn newest(connection: &Connection, machine: MachineId) -> sql::Result<Option<Given>> {
    connection
        .prepare_cached(
            "SELECT at_ms, who, words FROM dts WHERE machine = ?1 ORDER BY at_ms DESC LIMIT 1",
        )?
        .query_row([machine.number()], |row| {
            Ok(Given {
                at: Timestamp::from_millis(unkept(row.get(0)?)),
                who: row.get(1)?,
                words: row.get(2)?,
            })
        })
        .optional()
}
