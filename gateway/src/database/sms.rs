//! Payment by SMS: who agreed to it, which word proves who reads a number, and what a day has seen.

use super::person::CustomerNumber;
use super::{kept, unkept};
use crate::bounds::{SMS_ASKED_PER_HOUR, SMS_CALL_MAX, SMS_WORD_LIFE};
use crate::credential::Sealed;
use crate::gateway::later;
use crate::sql::{self, Connection, OptionalExtension, Row, Transaction, params};
use core::time::Duration;
use gettone_core::id::{MachineId, TransferId, VendId};
use gettone_core::money::{Amount, Currency};
use gettone_core::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// What may be spent by SMS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Caps {
    /// At once.
    pub vend_max: Amount,
    /// In a day, which begins at midnight UTC.
    pub day_max: Amount,
}

/// That a customer agreed to pay by SMS in a currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Consent {
    /// In which currency.
    pub currency: Currency,
    /// Up to what.
    pub caps: Caps,
    /// Whether a word was once sent back from the number.
    pub is_confirmed: bool,
    /// What the word that is waited for is about.
    pub awaited: Option<Awaited>,
}

/// What a word that is waited for is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Awaited {
    /// At which machine they want to buy.
    pub machine: MachineId,
    /// How much.
    pub want: Want,
    /// Since when.
    pub since: Timestamp,
}

/// How much somebody wants to be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// At most their own bound.
    Usual,
    /// More than that.
    More,
}

/// Whether a word is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// It is, and it is the only one that counts.
    Yes,
    /// Too many were, within the hour.
    TooMany,
}

/// Agrees, in the place of what was agreed before; a number that was confirmed stays so.
pub(crate) fn agree(
    transaction: &Transaction<'_>,
    customer: CustomerNumber,
    currency: Currency,
    caps: Caps,
) -> sql::Result<()> {
    transaction.execute(
        "INSERT INTO sms_consent (customer, currency, vend_max, day_max, word_machine, word_more,
                                  word_ms, hour_ms, asked)
         VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0)
         ON CONFLICT (customer, currency)
         DO UPDATE SET vend_max = excluded.vend_max, day_max = excluded.day_max",
        params![
            kept(customer.number()),
            currency.code(),
            caps.vend_max.minor(),
            caps.day_max.minor()
        ],
    )?;
    Ok(())
}

/// Agrees no more.
pub(crate) fn disagree(
    transaction: &Transaction<'_>,
    customer: CustomerNumber,
    currency: Currency,
) -> sql::Result<()> {
    transaction.execute(
        "DELETE FROM sms_consent WHERE customer = ?1 AND currency = ?2",
        params![kept(customer.number()), currency.code()],
    )?;
    Ok(())
}

/// What a customer agreed to.
pub(crate) fn all(connection: &Connection, customer: CustomerNumber) -> sql::Result<Vec<Consent>> {
    connection
        .prepare_cached(
            "SELECT currency, vend_max, day_max, confirmed_ms, word, word_machine, word_more, word_ms
             FROM sms_consent WHERE customer = ?1 ORDER BY currency",
        )?
        .query_map([kept(customer.number())], consent)?
        .filter_map(Result::transpose)
        .collect()
}

fn consent(row: &Row) -> sql::Result<Option<Consent>> {
    let code: String = row.get(0)?;
    // Only currencies that were parsed are written.
    let Ok(currency) = Currency::from_code(&code) else {
        return Ok(None);
    };
    let confirmed: Option<i64> = row.get(3)?;
    let word: Option<Sealed> = row.get(4)?;
    let more: i64 = row.get(6)?;
    let awaited = Awaited {
        machine: MachineId::new(u32::try_from(unkept(row.get(5)?)).unwrap_or_default()),
        want: if more == 0 { Want::Usual } else { Want::More },
        since: Timestamp::from_millis(unkept(row.get(7)?)),
    };
    Ok(Some(Consent {
        currency,
        caps: Caps {
            vend_max: Amount::from_minor(row.get(1)?),
            day_max: Amount::from_minor(row.get(2)?),
        },
        is_confirmed: confirmed.is_some(),
        awaited: word.map(|_| awaited),
    }))
}

/// Notes the word that a customer is asked to send back.
pub(crate) fn ask(
    transaction: &Transaction<'_>,
    (customer, currency): (CustomerNumber, Currency),
    word: &Sealed,
    awaited: Awaited,
) -> sql::Result<Asked> {
    let now = awaited.since;
    let hour_ago = now.as_millis().saturating_sub(millis(HOUR));
    let asked = transaction.execute(
        "UPDATE sms_consent SET word = ?3, word_machine = ?4, word_more = ?5, word_ms = ?6,
             asked = CASE WHEN hour_ms < ?7 THEN 1 ELSE asked + 1 END,
             hour_ms = CASE WHEN hour_ms < ?7 THEN ?6 ELSE hour_ms END
         WHERE customer = ?1 AND currency = ?2 AND (hour_ms < ?7 OR asked < ?8)",
        params![
            kept(customer.number()),
            currency.code(),
            word,
            awaited.machine.number(),
            i64::from(awaited.want == Want::More),
            kept(now.as_millis()),
            kept(hour_ago),
            SMS_ASKED_PER_HOUR
        ],
    )?;
    Ok(if asked == 1 {
        Asked::Yes
    } else {
        Asked::TooMany
    })
}

/// Takes a word that came back; gives what it was about when it is the right one, in time. A right
/// one is right once, a wrong one ends the wait, and confirms nothing.
pub(crate) fn confirm(
    transaction: &Transaction<'_>,
    customer: CustomerNumber,
    word: &Sealed,
    now: Timestamp,
) -> sql::Result<Option<(Currency, Awaited)>> {
    let words: Vec<(Option<Sealed>, Option<Consent>)> = transaction
        .prepare_cached(
            "SELECT currency, vend_max, day_max, confirmed_ms, word, word_machine, word_more, word_ms
             FROM sms_consent WHERE customer = ?1 AND word IS NOT NULL",
        )?
        .query_map([kept(customer.number())], |row| {
            Ok((row.get(4)?, consent(row)?))
        })?
        .collect::<sql::Result<_>>()?;
    transaction.execute(
        "UPDATE sms_consent SET word = NULL WHERE customer = ?1",
        [kept(customer.number())],
    )?;
    let right = words.into_iter().find_map(|(right, consent)| {
        let consent = consent.filter(|_| right.is_some_and(|right| right.is(word)))?;
        let awaited = consent.awaited?;
        (now < later(awaited.since, SMS_WORD_LIFE)).then_some((consent.currency, awaited))
    });
    if let Some((currency, _)) = right {
        transaction.execute(
            "UPDATE sms_consent SET confirmed_ms = ?3 WHERE customer = ?1 AND currency = ?2",
            params![
                kept(customer.number()),
                currency.code(),
                kept(now.as_millis())
            ],
        )?;
    }
    Ok(right)
}

/// Makes room within a day for what a message is to hold, under its name; gives how much there is,
/// at most `caps.vend_max`. `spent` tells what a hold took, as far as that is known; what it was to
/// have counts until then.
pub(crate) fn reserve(
    transaction: &Transaction<'_>,
    name: TransferId,
    (customer, currency): (CustomerNumber, Currency),
    (caps, now): (Caps, Timestamp),
    spent: impl Fn(VendId) -> Option<Amount>,
) -> sql::Result<Option<Amount>> {
    let today = now.as_millis() / DAY_MS * DAY_MS;
    // No call takes as long: nothing was held.
    let stale = now.as_millis().saturating_sub(millis(SMS_CALL_MAX));
    transaction.execute(
        "DELETE FROM sms_hold WHERE at_ms < ?1 OR (vend IS NULL AND at_ms < ?2)",
        params![kept(today.saturating_sub(DAY_MS)), kept(stale)],
    )?;
    let used: Amount = transaction
        .prepare_cached(
            "SELECT amount, vend FROM sms_hold
             WHERE customer = ?1 AND currency = ?2 AND at_ms >= ?3 AND name <> ?4",
        )?
        .query_map(
            params![
                kept(customer.number()),
                currency.code(),
                kept(today),
                name.as_bytes()
            ],
            |row| {
                let amount = Amount::from_minor(row.get(0)?);
                let vend: Option<[u8; 16]> = row.get(1)?;
                let spent = vend.and_then(|vend| spent(VendId::from_bytes(vend)));
                Ok(spent.unwrap_or(amount))
            },
        )?
        .collect::<sql::Result<Vec<Amount>>>()?
        .into_iter()
        .sum();
    let room = caps.vend_max.min(caps.day_max.above(used));
    if !room.is_positive() {
        return Ok(None);
    }
    transaction.execute(
        "INSERT INTO sms_hold (name, customer, currency, amount, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO NOTHING",
        params![
            name.as_bytes(),
            kept(customer.number()),
            currency.code(),
            room.minor(),
            kept(now.as_millis())
        ],
    )?;
    Ok(Some(room))
}

/// Names the hold that a message is about to have; not when its room was given up meanwhile.
pub(crate) fn bind(
    transaction: &Transaction<'_>,
    name: TransferId,
    vend: VendId,
) -> sql::Result<bool> {
    let bound = transaction.execute(
        "UPDATE sms_hold SET vend = ?2 WHERE name = ?1 AND vend IS NULL",
        params![name.as_bytes(), vend.as_bytes()],
    )?;
    Ok(bound == 1)
}

/// Gives up the room of a message that holds nothing, unless its hold was named.
pub(crate) fn give_up(transaction: &Transaction<'_>, name: TransferId) -> sql::Result<()> {
    transaction.execute(
        "DELETE FROM sms_hold WHERE name = ?1 AND vend IS NULL",
        [name.as_bytes()],
    )?;
    Ok(())
}

/// Gives up the room of a hold that was refused.
pub(crate) fn unbind(transaction: &Transaction<'_>, name: TransferId) -> sql::Result<()> {
    transaction.execute("DELETE FROM sms_hold WHERE name = ?1", [name.as_bytes()])?;
    Ok(())
}

/// The customer with this address, and the language they read.
pub(crate) fn reader(
    connection: &Connection,
    address: &Sealed,
) -> sql::Result<Option<(CustomerNumber, String)>> {
    connection
        .prepare_cached("SELECT number, language FROM customer WHERE digest = ?1")?
        .query_row([address], |row| {
            Ok((CustomerNumber::new(unkept(row.get(0)?)), row.get(1)?))
        })
        .optional()
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}
