//! Codes that prove an address: how many were sent, and which one counts.

use super::{kept, unkept};
use crate::bounds::{CODE_LIFE, CODE_TRIES_MAX, CODES_PER_HOUR};
use crate::credential::Sealed;
use crate::sql::{self, OptionalExtension, Transaction, params};
use core::time::Duration;
use gettone_core::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);

/// Whether a code is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// It is, and it is the only one that counts.
    Yes,
    /// Too many were, within the hour.
    TooMany,
}

/// Notes the code that is sent to an address.
pub(crate) fn send(
    transaction: &Transaction<'_>,
    address: &Sealed,
    code: &Sealed,
    now: Timestamp,
) -> sql::Result<Sent> {
    // What is older than its hour counts no more; so the table is never larger than an hour's codes.
    let hour_ago = now.as_millis().saturating_sub(millis(HOUR));
    transaction.execute("DELETE FROM code WHERE hour_ms < ?1", [kept(hour_ago)])?;
    let sent: Option<u32> = transaction
        .query_row(
            "SELECT sent FROM code WHERE digest = ?1",
            [address],
            |row| row.get(0),
        )
        .optional()?;
    if sent.is_some_and(|sent| sent >= CODES_PER_HOUR) {
        return Ok(Sent::TooMany);
    }
    transaction.execute(
        "INSERT INTO code (digest, code, tries, made_ms, hour_ms, sent) VALUES (?1, ?2, 0, ?3, ?3, 1)
         ON CONFLICT (digest) DO UPDATE SET code = ?2, tries = 0, made_ms = ?3, sent = code.sent + 1",
        params![address, code, kept(now.as_millis())],
    )?;
    Ok(Sent::Yes)
}

/// Whether a code is the right one; a right one is right once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// It is.
    Right,
    /// It is not, or is too old, or was tried too often.
    Wrong,
}

/// Tries a code.
pub(crate) fn redeem(
    transaction: &Transaction<'_>,
    address: &Sealed,
    code: &Sealed,
    now: Timestamp,
) -> sql::Result<Proof> {
    let known: Option<(Option<Sealed>, u32, i64)> = transaction
        .query_row(
            "SELECT code, tries, made_ms FROM code WHERE digest = ?1",
            [address],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((Some(right), tries, made)) = known else {
        return Ok(Proof::Wrong);
    };
    let ends = unkept(made).saturating_add(millis(CODE_LIFE));
    if tries >= CODE_TRIES_MAX || now.as_millis() >= ends {
        return Ok(Proof::Wrong);
    }
    if !right.is(code) {
        transaction.execute(
            "UPDATE code SET tries = tries + 1 WHERE digest = ?1",
            [address],
        )?;
        return Ok(Proof::Wrong);
    }
    transaction.execute("UPDATE code SET code = NULL WHERE digest = ?1", [address])?;
    Ok(Proof::Right)
}

/// Takes a redemption back, in the same transaction.
pub(crate) fn unredeem(
    transaction: &Transaction<'_>,
    address: &Sealed,
    code: &Sealed,
) -> sql::Result<()> {
    transaction.execute(
        "UPDATE code SET code = ?2 WHERE digest = ?1",
        params![address, code],
    )?;
    Ok(())
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}
