//! Vends that a person has to look at: a customer says that nothing fell, a machine was reset
//! right after it was approved, or nobody saw what happened.

use super::{kept, unkept};
use crate::list::{Page, look_ahead, page};
use crate::receipts::Claim;
use crate::sql::{self, Connection, OptionalExtension, Row, params};
use crate::text::decimal;
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;

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
pub(crate) fn open(connection: &Connection, case: &Case<'_>, words: &str) -> sql::Result<Opened> {
    let made = connection
        .prepare_cached(
            "INSERT INTO refund (kind, operator, wallet, vend, rseq, machine, item, product,
                                 amount, currency, at_ms, words)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, currency, ?10, ?11
             FROM account WHERE wallet = ?3 ON CONFLICT DO NOTHING",
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
) -> sql::Result<Option<Claim>> {
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

/// A case as its operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// Which.
    pub id: u64,
    /// Why it is there.
    pub kind: String,
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
    /// What the machine is called.
    pub machine_name: Option<String>,
    /// What was chosen; nothing when that is not known.
    pub item: Option<Item>,
    /// What that was called.
    pub product: Option<String>,
    /// What it cost.
    pub amount: Amount,
    /// In which currency.
    pub currency: String,
    /// When it was booked.
    pub at: Timestamp,
    /// What the customer says.
    pub words: String,
    /// `open`, `refunded` or `rejected`.
    pub state: String,
    /// What the operator answered.
    pub answer: String,
    /// What was given back.
    pub refunded: Amount,
    /// Who decided.
    pub decided_by: String,
}

/// Which cases are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Those that wait.
    Open,
    /// Those that were decided.
    Decided,
}

/// How a case ended.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// `refunded` or `rejected`.
    pub state: &'static str,
    /// What was given back.
    pub refunded: Amount,
    /// What the operator answers.
    pub answer: String,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

const FOUND: &str = "SELECT refund.*, place.name AS machine_name
                     FROM refund LEFT JOIN place ON place.machine = refund.machine";

/// An operator's cases, the newest first, before case `before`.
pub(crate) fn list(
    connection: &Connection,
    operator: OperatorId,
    stage: Option<Stage>,
    paging: (Option<u64>, usize),
) -> sql::Result<Page<Found>> {
    let (before, limit) = paging;
    let stage = match stage {
        Some(Stage::Open) => "AND refund.state = 'open'",
        Some(Stage::Decided) => "AND refund.state <> 'open'",
        None => "",
    };
    let lines = connection
        .prepare_cached(&format!(
            "{FOUND} WHERE refund.operator = ?1 {stage} AND refund.id < ?2
             ORDER BY refund.id DESC LIMIT ?3"
        ))?
        .query_map(
            params![
                operator.number(),
                before.map_or(i64::MAX, kept),
                look_ahead(limit)
            ],
            |row| Ok((unkept(row.get("id")?), read(row)?)),
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// One case.
pub(crate) fn find(connection: &Connection, id: u64) -> sql::Result<Option<Found>> {
    connection
        .prepare_cached(&format!("{FOUND} WHERE refund.id = ?1"))?
        .query_row([kept(id)], read)
        .optional()
}

/// Ends a case, or says who ended it when the journal told of it first.
pub(crate) fn decide(connection: &Connection, id: u64, decision: &Decision) -> sql::Result<()> {
    connection
        .prepare_cached(
            "UPDATE refund SET state = ?2, refunded = ?3, answer = ?4, decided_by = ?5,
                               decided_ms = ?6
             WHERE id = ?1 AND (state = 'open' OR decided_by = '')",
        )?
        .execute(params![
            kept(id),
            decision.state,
            decision.refunded.minor(),
            decision.answer,
            decision.by,
            kept(decision.at.as_millis())
        ])?;
    Ok(())
}

/// Ends the case of a vend because the journal says so, whoever decided; tells which one it was,
/// when it was open.
pub(crate) fn settle(
    connection: &Connection,
    vend: (VendId, Rseq),
    end: (&'static str, Amount),
    at: Timestamp,
) -> sql::Result<Option<(u64, OperatorId, MachineId)>> {
    let ((vend, rseq), (state, refunded)) = (vend, end);
    connection
        .prepare_cached(
            "UPDATE refund SET state = ?3, refunded = ?4, decided_ms = ?5
             WHERE vend = ?1 AND rseq = ?2 AND state = 'open'
             RETURNING id, operator, machine",
        )?
        .query_row(
            params![
                vend.as_bytes(),
                kept(rseq.number()),
                state,
                refunded.minor(),
                kept(at.as_millis())
            ],
            |row| {
                Ok((
                    unkept(row.get(0)?),
                    OperatorId::new(row.get(1)?),
                    MachineId::new(row.get(2)?),
                ))
            },
        )
        .optional()
}

/// Whether a vend that nobody saw waits for a person.
pub(crate) fn is_doubted(connection: &Connection, vend: VendId, rseq: Rseq) -> sql::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM refund
             WHERE vend = ?1 AND rseq = ?2 AND kind = 'unknown')",
        )?
        .query_row(params![vend.as_bytes(), kept(rseq.number())], |row| {
            row.get(0)
        })
}

fn read(row: &Row) -> sql::Result<Found> {
    let name: Option<String> = row.get("machine_name")?;
    let item: u16 = row.get("item")?;
    Ok(Found {
        id: unkept(row.get("id")?),
        kind: row.get("kind")?,
        operator: OperatorId::new(row.get("operator")?),
        wallet: WalletId::new(unkept(row.get("wallet")?)),
        vend: VendId::from_bytes(row.get("vend")?),
        rseq: Rseq::new(unkept(row.get("rseq")?)),
        machine: MachineId::new(row.get("machine")?),
        machine_name: name.filter(|name| !name.is_empty()),
        item: (item != u16::MAX).then_some(Item::new(item)),
        product: row.get("product")?,
        amount: Amount::from_minor(row.get("amount")?),
        currency: row.get("currency")?,
        at: Timestamp::from_millis(unkept(row.get("at_ms")?)),
        words: row.get("words")?,
        state: row.get("state")?,
        answer: row.get("answer")?,
        refunded: Amount::from_minor(row.get("refunded")?),
        decided_by: row.get("decided_by")?,
    })
}
