//! Vends that a person has to look at: a customer says that nothing fell, a machine was reset
//! right after it was approved, or nobody saw what happened.

use super::kept;
use crate::history::{Claim, decimal};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A vend on its way before a person.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    /// Why: `claim`, `doubtful_reset` or `unknown`.
    pub kind: &'static str,
    /// Whose machine it was.
    pub operator: OperatorId,
    /// Whose money it was.
    pub wallet: WalletId,
    /// The hold.
    pub vend: VendId,
    /// The receipt.
    pub rseq: Rseq,
    /// Where.
    pub machine: MachineId,
    /// What was chosen.
    pub item: Item,
    /// What that was called.
    pub product: Option<&'a str>,
    /// What it cost.
    pub amount: Amount,
    /// When it was booked.
    pub at: Timestamp,
}

/// Whether a case is there now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opened {
    /// It is new.
    New,
    /// It was there before; words were added when it had none.
    Known,
}

/// Opens a case, once for each vend, with what its customer says.
pub(crate) fn open(
    connection: &Connection,
    case: &Case<'_>,
    words: &str,
) -> rusqlite::Result<Opened> {
    let made = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO refund (kind, operator, wallet, vend, rseq, machine, item,
                                           product, amount, currency, at_ms, words)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, currency, ?10, ?11
             FROM account WHERE wallet = ?3",
        )?
        .execute(params![
            case.kind,
            case.operator.number(),
            kept(case.wallet.number()),
            case.vend.as_bytes(),
            kept(case.rseq.number()),
            case.machine.number(),
            case.item.number(),
            case.product,
            case.amount.minor(),
            kept(case.at.as_millis()),
            words,
        ])?;
    if made == 1 {
        return Ok(Opened::New);
    }
    connection
        .prepare_cached(
            "UPDATE refund SET words = ?3 WHERE vend = ?1 AND rseq = ?2 AND words = ''",
        )?
        .execute(params![
            case.vend.as_bytes(),
            kept(case.rseq.number()),
            words
        ])?;
    Ok(Opened::Known)
}

/// What became of a claim.
pub(crate) fn claim(
    connection: &Connection,
    vend: VendId,
    rseq: Rseq,
) -> rusqlite::Result<Option<Claim>> {
    connection
        .prepare_cached(
            "SELECT state, words, answer, refunded, currency FROM refund
             WHERE vend = ?1 AND rseq = ?2",
        )?
        .query_row(params![vend.as_bytes(), kept(rseq.number())], |row| {
            let (refunded, currency): (i64, String) = (row.get(3)?, row.get(4)?);
            Ok(Claim {
                state: row.get(0)?,
                words: row.get(1)?,
                answer: row.get(2)?,
                amount: (refunded > 0).then(|| decimal(refunded, &currency)),
            })
        })
        .optional()
}
