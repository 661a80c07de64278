//! What machines are called, and where they stand.

use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::id::{MachineId, OperatorId};

/// A machine's name and place; both may be empty.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Place {
    /// What it is called.
    pub name: String,
    /// Where it stands.
    pub place: String,
}

/// Notes a machine of an operator, with its name and place.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    machine: MachineId,
    place: &Place,
) -> sql::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO place (machine, operator, name, place) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (machine) DO UPDATE SET name = excluded.name, place = excluded.place
             WHERE place.operator = excluded.operator",
        )?
        .execute(params![
            machine.number(),
            operator.number(),
            place.name,
            place.place
        ])?;
    Ok(())
}

/// A machine's name and place.
pub(crate) fn find(connection: &Connection, machine: MachineId) -> sql::Result<Option<Place>> {
    connection
        .prepare_cached("SELECT name, place FROM place WHERE machine = ?1")?
        .query_row([machine.number()], |row| {
            Ok(Place {
                name: row.get(0)?,
                place: row.get(1)?,
            })
        })
        .optional()
}
