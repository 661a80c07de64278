//! Who is signed in: a session is known by the digest of the token in its cookie.

use super::person::CustomerNumber;
use super::staff::StaffId;
use super::{kept, unkept};
use crate::bounds::SESSIONS_OF_ONE_MAX;
use crate::credential::KeyDigest;
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::time::Timestamp;

/// Who signs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// Somebody of an operator.
    Staff(StaffId),
    /// A customer.
    Customer(CustomerNumber),
}

/// Begins a session. The oldest ones of the same holder give way.
pub(crate) fn begin(
    transaction: &Transaction<'_>,
    token: &KeyDigest,
    holder: Holder,
    life: (Timestamp, Timestamp),
) -> sql::Result<()> {
    let (now, ends) = life;
    transaction.execute(
        "DELETE FROM session WHERE ends_ms <= ?1",
        [kept(now.as_millis())],
    )?;
    let (staff, customer) = match holder {
        Holder::Staff(id) => (Some(id.number()), None),
        Holder::Customer(number) => (None, Some(kept(number.number()))),
    };
    transaction.execute(
        "DELETE FROM session WHERE (staff = ?1 OR customer = ?2) AND digest NOT IN
         (SELECT digest FROM session WHERE staff = ?1 OR customer = ?2
          ORDER BY made_ms DESC LIMIT ?3)",
        params![staff, customer, SESSIONS_OF_ONE_MAX - 1],
    )?;
    transaction.execute(
        "INSERT INTO session (digest, staff, customer, made_ms, ends_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            token,
            staff,
            customer,
            kept(now.as_millis()),
            kept(ends.as_millis())
        ],
    )?;
    Ok(())
}

/// Ends a session.
pub(crate) fn end(transaction: &Transaction<'_>, token: &KeyDigest) -> sql::Result<()> {
    transaction.execute("DELETE FROM session WHERE digest = ?1", [token])?;
    Ok(())
}

/// Whose session this is, when it has not ended.
pub(crate) fn find(
    connection: &Connection,
    token: &KeyDigest,
    now: Timestamp,
) -> sql::Result<Option<Holder>> {
    let found = connection
        .prepare_cached("SELECT staff, customer FROM session WHERE digest = ?1 AND ends_ms > ?2")?
        .query_row(params![token, kept(now.as_millis())], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(found.and_then(|holder| match holder {
        (Some(id), None) => Some(Holder::Staff(StaffId::new(id))),
        (None, Some(number)) => Some(Holder::Customer(CustomerNumber::new(unkept(number)))),
        (Some(_), Some(_)) | (None, None) => None,
    }))
}
