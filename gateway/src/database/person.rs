//! Customers: who has which number, and which wallets are whose.

use super::{kept, unkept};
use crate::credential::Sealed;
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_core::id::WalletId;
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;

/// A customer's number: drawn at random, so that no number is given twice even when an old copy of
/// the database is put back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct CustomerNumber(u64);

impl CustomerNumber {
    /// Names one by its number.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// What is known of a customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Person {
    /// Which.
    pub number: CustomerNumber,
    /// Where it is reached.
    pub address: String,
    /// In which language it reads.
    pub language: String,
    /// Since when.
    pub since: Timestamp,
}

/// The customer with this number.
pub(crate) fn find(connection: &Connection, number: CustomerNumber) -> sql::Result<Option<Person>> {
    connection
        .prepare_cached("SELECT address, language, made_ms FROM customer WHERE number = ?1")?
        .query_row([kept(number.0)], |row| {
            Ok(Person {
                number,
                address: row.get(0)?,
                language: row.get(1)?,
                since: Timestamp::from_millis(unkept(row.get(2)?)),
            })
        })
        .optional()
}

/// The customer with this address.
pub(crate) fn find_by_address(
    connection: &Connection,
    digest: &Sealed,
) -> sql::Result<Option<CustomerNumber>> {
    connection
        .prepare_cached("SELECT number FROM customer WHERE digest = ?1")?
        .query_row([digest], |row| Ok(CustomerNumber(unkept(row.get(0)?))))
        .optional()
}

/// Whether an address was known already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Welcome {
    /// It was.
    Back(CustomerNumber),
    /// It got a number.
    New(CustomerNumber),
}

/// Finds who has an address, or gives it `fresh` as its number; nothing when that is taken, also
/// by wallets that outlived their customer: then draw another one.
pub(crate) fn welcome(
    transaction: &Transaction<'_>,
    digest: &Sealed,
    address: &str,
    fresh: (CustomerNumber, Timestamp),
) -> sql::Result<Option<Welcome>> {
    if let Some(number) = find_by_address(transaction, digest)? {
        return Ok(Some(Welcome::Back(number)));
    }
    let (number, at) = fresh;
    let taken: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM wallet WHERE customer = ?1)
             OR EXISTS (SELECT 1 FROM customer WHERE number = ?1)",
        [kept(number.0)],
        |row| row.get(0),
    )?;
    if taken {
        return Ok(None);
    }
    transaction.execute(
        "INSERT INTO customer (number, digest, address, language, made_ms)
         VALUES (?1, ?2, ?3, 'en', ?4)",
        params![kept(number.0), digest, address, kept(at.as_millis())],
    )?;
    Ok(Some(Welcome::New(number)))
}

/// Notes in which language a customer reads.
pub(crate) fn speak(
    transaction: &Transaction<'_>,
    number: CustomerNumber,
    language: &str,
) -> sql::Result<()> {
    transaction.execute(
        "UPDATE customer SET language = ?2 WHERE number = ?1",
        params![kept(number.0), language],
    )?;
    Ok(())
}

/// Forgets a customer; its sessions go with it, its wallets keep its number.
pub(crate) fn forget(transaction: &Transaction<'_>, number: CustomerNumber) -> sql::Result<()> {
    let digest: Option<Sealed> = transaction
        .query_row(
            "DELETE FROM customer WHERE number = ?1 RETURNING digest",
            [kept(number.0)],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(digest) = digest {
        transaction.execute("DELETE FROM code WHERE digest = ?1", [digest])?;
    }
    // What they wrote in a claim may say who they were.
    transaction.execute(
        "UPDATE refund SET words = '(forgotten)' WHERE words <> '' AND wallet IN
         (SELECT wallet FROM wallet WHERE customer = ?1)",
        [kept(number.0)],
    )?;
    Ok(())
}

/// The wallets of a customer, in the order they were opened.
pub(crate) fn wallets(
    connection: &Connection,
    number: CustomerNumber,
) -> sql::Result<Vec<(Currency, WalletId)>> {
    connection
        .prepare_cached(
            "SELECT currency, wallet FROM wallet WHERE customer = ?1 ORDER BY made_ms, wallet",
        )?
        .query_map([kept(number.0)], |row| {
            let code: String = row.get(0)?;
            Ok((
                Currency::from_code(&code),
                WalletId::new(unkept(row.get(1)?)),
            ))
        })?
        .filter_map(|row| match row {
            // Only currencies that were parsed are written.
            Ok((Ok(currency), wallet)) => Some(Ok((currency, wallet))),
            Ok((Err(_), _)) => None,
            Err(fault) => Some(Err(fault)),
        })
        .collect()
}

/// Gives a customer a wallet in a currency: the one it has, or `fresh`; nothing when that is
/// taken: then draw another one.
pub(crate) fn own(
    transaction: &Transaction<'_>,
    number: CustomerNumber,
    currency: Currency,
    fresh: (WalletId, Timestamp),
) -> sql::Result<Option<WalletId>> {
    let known = wallets(transaction, number)?
        .into_iter()
        .find(|(other, _)| *other == currency);
    if let Some((_, wallet)) = known {
        return Ok(Some(wallet));
    }
    let (wallet, at) = fresh;
    let made = transaction.execute(
        "INSERT INTO wallet (wallet, customer, currency, made_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (wallet) DO NOTHING",
        params![
            kept(wallet.number()),
            kept(number.0),
            currency.code(),
            kept(at.as_millis())
        ],
    )?;
    Ok((made == 1).then_some(wallet))
}
