//! What customers want their machines to make at once.

use super::person::CustomerNumber;
use super::{kept, unkept};
use crate::bounds::FAVOURITES_MAX;
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::id::{Item, MachineId};

/// A selection at a machine, and how it is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Favourite {
    /// Where.
    pub machine: MachineId,
    /// The selection.
    pub item: Item,
    /// The bits of MDB's item options.
    pub options: u32,
}

/// Whether a favourite found room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// It did.
    Yes,
    /// The customer has as many as there may be.
    Full,
}

/// Notes a favourite in the place of the one before at that machine.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    customer: CustomerNumber,
    favourite: Favourite,
) -> sql::Result<Kept> {
    let others: i64 = transaction.query_row(
        "SELECT count(*) FROM favourite WHERE customer = ?1 AND machine <> ?2",
        params![kept(customer.number()), favourite.machine.number()],
        |row| row.get(0),
    )?;
    if others >= FAVOURITES_MAX {
        return Ok(Kept::Full);
    }
    transaction.execute(
        "INSERT INTO favourite (customer, machine, item, options) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (customer, machine)
         DO UPDATE SET item = excluded.item, options = excluded.options",
        params![
            kept(customer.number()),
            favourite.machine.number(),
            favourite.item.number(),
            favourite.options
        ],
    )?;
    Ok(Kept::Yes)
}

/// Forgets the favourite at a machine.
pub(crate) fn forget(
    transaction: &Transaction<'_>,
    customer: CustomerNumber,
    machine: MachineId,
) -> sql::Result<()> {
    transaction.execute(
        "DELETE FROM favourite WHERE customer = ?1 AND machine = ?2",
        params![kept(customer.number()), machine.number()],
    )?;
    Ok(())
}

/// The favourite at a machine.
pub(crate) fn find(
    connection: &Connection,
    customer: CustomerNumber,
    machine: MachineId,
) -> sql::Result<Option<Favourite>> {
    connection
        .prepare_cached("SELECT item, options FROM favourite WHERE customer = ?1 AND machine = ?2")?
        .query_row(params![kept(customer.number()), machine.number()], |row| {
            Ok(Favourite {
                machine,
                item: item(row.get(0)?),
                options: options(row.get(1)?),
            })
        })
        .optional()
}

/// Every favourite of a customer, by machine.
pub(crate) fn all(
    connection: &Connection,
    customer: CustomerNumber,
) -> sql::Result<Vec<Favourite>> {
    connection
        .prepare_cached(
            "SELECT machine, item, options FROM favourite WHERE customer = ?1 ORDER BY machine",
        )?
        .query_map([kept(customer.number())], |row| {
            let machine: i64 = row.get(0)?;
            Ok(Favourite {
                machine: MachineId::new(u32::try_from(unkept(machine)).unwrap_or_default()),
                item: item(row.get(1)?),
                options: options(row.get(2)?),
            })
        })?
        .collect()
}

/// Only numbers of 16 bits are written.
fn item(number: i64) -> Item {
    Item::new(u16::try_from(number).unwrap_or(u16::MAX))
}

fn options(bits: i64) -> u32 {
    u32::try_from(bits).unwrap_or_default()
}
