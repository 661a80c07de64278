//! Receipts for customers to look at: folded from the journal. No decision reads them.

use crate::database::{kept, refund, unkept};
use crate::gateway::Gateway;
use crate::list::{Page, look_ahead, page};
use crate::sql::{self, Connection, OptionalExtension, Row, params, params_from_iter};
use crate::text::{decimal, hex};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// One line of a customer's history.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Receipt {
    /// When it was booked, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened: money came in by `top_up`, `gift`, `promotion`, `cash_in`, `received` or
    /// `refund`; it went by `sale`, `sent`, `repaid` or `charged_back`; what was `sent` and
    /// `returned` is back; a vend `failed`, was `excused`, is `in_doubt`, `cash_in_doubt` or
    /// `disputed`; a dispute was rejected (`dispute_rejected`); a debt was given up (`written_off`).
    pub kind: String,
    /// How much, with decimals.
    pub amount: String,
    /// In which currency.
    pub currency: String,
    /// Whose money or machine it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<u32>,
    /// What that operator is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_name: Option<String>,
    /// Where.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub sold: Option<Sold>,
    /// What the machine is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// What of the amount was not there and is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owed: Option<String>,
    /// What became of "charged but nothing fell".
    pub claim: Option<Claim>,
}

/// What a customer said about a vend, and what the operator answered.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    /// `open`, `refunded` or `rejected`.
    pub state: String,
    /// The customer's words.
    pub words: String,
    /// The operator's words.
    pub answer: String,
    /// What was given back, with decimals; none while it is open or when nothing was.
    pub amount: Option<String>,
}

/// What was sold, and where.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sold {
    /// The hold that paid for it.
    pub vend: String,
    /// The reader's number for it.
    pub rseq: u64,
    /// The machine, as far as it is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<u32>,
    /// The selection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<u16>,
    /// What it was called then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

/// Customers' newest receipts, of these wallets, before line `before`.
pub(crate) fn receipts(
    connection: &Connection,
    wallets: &[WalletId],
    before: Option<u64>,
    limit: usize,
) -> sql::Result<Page<Receipt>> {
    let places = vec!["?"; wallets.len()].join(", ");
    let sql = format!(
        "SELECT receipt.seq, receipt.at_ms, receipt.kind, receipt.amount, receipt.currency,
                receipt.operator, receipt.vend, receipt.rseq, receipt.machine, receipt.item,
                receipt.product, receipt.owed, nullif(place.name, '') AS name, refund.state, refund.words,
                refund.answer, refund.refunded
         FROM receipt
         LEFT JOIN place ON place.machine = receipt.machine
         LEFT JOIN refund ON refund.vend = receipt.vend AND refund.rseq = receipt.rseq
              AND (refund.words <> '' OR refund.state <> 'open')
         WHERE receipt.seq < ? AND receipt.wallet IN ({places})
         ORDER BY receipt.seq DESC LIMIT ?",
    );
    let values = [before.map_or(i64::MAX, kept)]
        .into_iter()
        .chain(wallets.iter().map(|wallet| kept(wallet.number())))
        .chain([look_ahead(limit)]);
    let lines = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| {
            Ok((unkept(row.get(0)?), receipt(row)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

impl Receipt {
    /// The same, with what its operator is called.
    pub(crate) fn named(self, gateway: &Gateway) -> Self {
        let name = self
            .operator
            .and_then(|number| gateway.operator_name(OperatorId::new(number)))
            .map(str::to_owned);
        Self {
            operator_name: name,
            ..self
        }
    }
}

/// A vend that a customer paid for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Charged {
    operator: OperatorId,
    wallet: WalletId,
    vend: VendId,
    rseq: Rseq,
    machine: MachineId,
    item: Item,
    product: Option<String>,
    amount: Amount,
    at: Timestamp,
}

impl Charged {
    /// The case about it.
    pub(crate) fn case(&self, kind: &'static str) -> refund::Case<'_> {
        refund::Case {
            kind,
            operator: self.operator,
            wallet: self.wallet,
            vend: self.vend,
            rseq: self.rseq,
            machine: self.machine,
            item: self.item,
            product: self.product.as_deref(),
            amount: self.amount,
            at: self.at,
        }
    }
}

/// The vend of one of these wallets that was charged, or is about to be.
pub(crate) fn charged(
    connection: &Connection,
    wallets: &[WalletId],
    vend: VendId,
    rseq: Rseq,
) -> sql::Result<Option<Charged>> {
    let found = connection
        .prepare_cached(
            "SELECT operator, wallet, machine, item, product, amount, at_ms FROM receipt
             WHERE vend = ?1 AND rseq = ?2 AND kind IN ('sale', 'in_doubt')
               AND operator IS NOT NULL AND machine IS NOT NULL AND item IS NOT NULL
             ORDER BY seq LIMIT 1",
        )?
        .query_row(params![vend.as_bytes(), kept(rseq.number())], |row| {
            Ok(Charged {
                operator: OperatorId::new(row.get(0)?),
                wallet: WalletId::new(unkept(row.get(1)?)),
                vend,
                rseq,
                machine: MachineId::new(row.get(2)?),
                item: Item::new(row.get(3)?),
                product: row.get(4)?,
                amount: Amount::from_minor(row.get(5)?),
                at: Timestamp::from_millis(unkept(row.get(6)?)),
            })
        })
        .optional()?;
    Ok(found.filter(|charged| wallets.contains(&charged.wallet)))
}

fn receipt(row: &Row) -> sql::Result<Receipt> {
    let currency: String = row.get("currency")?;
    let vend: Option<[u8; 16]> = row.get("vend")?;
    let owed: i64 = row.get("owed")?;
    let state: Option<String> = row.get("state")?;
    Ok(Receipt {
        at_ms: unkept(row.get("at_ms")?),
        kind: row.get("kind")?,
        amount: decimal(row.get("amount")?, &currency),
        operator: row.get("operator")?,
        operator_name: None,
        sold: vend.map(|vend| sold(row, vend)).transpose()?,
        machine_name: row.get("name")?,
        owed: (owed > 0).then(|| decimal(owed, &currency)),
        claim: state
            .map(|state| -> sql::Result<Claim> {
                let refunded: i64 = row.get("refunded")?;
                Ok(Claim {
                    state,
                    words: row.get("words")?,
                    answer: row.get("answer")?,
                    amount: (refunded > 0).then(|| decimal(refunded, &currency)),
                })
            })
            .transpose()?,
        currency,
    })
}

fn sold(row: &Row, vend: [u8; 16]) -> sql::Result<Sold> {
    Ok(Sold {
        vend: hex(&vend),
        rseq: unkept(row.get("rseq")?),
        machine: row.get("machine")?,
        item: row.get("item")?,
        product: row.get("product")?,
    })
}
