//! What was sold at an operator's machines, and what was given back: folded from the journal for
//! people to look at. No decision reads it.

use crate::bounds::LINES_OF_RECORD_MAX;
use crate::database::{kept, unkept};
use crate::fold::Batch;
use crate::list::{Page, look_ahead, page};
use crate::sql::{self, Connection, Row, params, params_from_iter};
use crate::text::decimal;
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::port::Seq;
use gettone_core::time::Timestamp;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// One line: something sold for money of a wallet or for cash, or given back.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sale {
    /// When it was booked, in milliseconds since 1970.
    pub at_ms: u64,
    /// When it was sold, as well as its reader could tell; null when it could not.
    pub sold_at_ms: Option<u64>,
    /// What it is: `sale`, `cash` or `refund`.
    pub kind: String,
    /// The hold that paid for it; null for cash.
    pub vend: Option<String>,
    /// The reader's number for it; null for cash.
    pub rseq: Option<u64>,
    /// The machine, as far as it is remembered.
    pub machine: Option<u32>,
    /// What the machine is called.
    pub machine_name: Option<String>,
    /// The selection.
    pub item: Option<u16>,
    /// What it was called then.
    pub product: Option<String>,
    /// How many were sold; cash sales come together.
    pub count: u32,
    /// What they came to, with decimals; below zero for a refund.
    pub amount: String,
    /// In which currency.
    pub currency: String,
    /// What of it came from the operator's own closed wallet.
    pub from_closed: String,
    /// What of it the customer still owes.
    pub owed: String,
    /// The platform's share.
    pub fee: String,
    /// Whether it was a technician's test.
    pub test: bool,
    /// Whether a person should look at it.
    pub review: bool,
    /// Whether it was booked while nobody has confirmed that the machine's reader is at the right
    /// controller: another machine may have sold it. The mark goes when somebody confirms.
    pub doubted: bool,
}

/// What a list of sales is wanted for.
#[derive(Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// Sales for money of a wallet, without tests.
    Sale,
    /// Cash sales.
    Cash,
    /// Money that was given back.
    Refund,
    /// Technicians' tests.
    Test,
    /// Lines that a person should look at.
    Review,
}

/// Which lines are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    /// Whose.
    pub operator: OperatorId,
    /// Of which machine.
    pub machine: Option<MachineId>,
    /// Sold at this time or later; when that is not known, the time of booking counts.
    pub from: Option<Timestamp>,
    /// Sold before this time.
    pub to: Option<Timestamp>,
    /// Of which kind.
    pub wanted: Option<Wanted>,
}

/// What lines of one currency come to; tests do not count, unless only they are wanted.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Total {
    /// In which currency.
    pub currency: String,
    /// How many were sold.
    pub count: u64,
    /// What they came to, less what was given back.
    pub amount: String,
    /// What of it was cash.
    pub cash: String,
    /// What was given back.
    pub refunded: String,
    /// The platform's share.
    pub fee: String,
}

/// A line on its way into the table.
#[derive(Clone, Debug)]
pub(crate) struct New<'a> {
    /// `sale`, `cash` or `refund`.
    pub kind: &'static str,
    /// Whose machine it was.
    pub operator: OperatorId,
    /// Where.
    pub machine: Option<MachineId>,
    /// Whose money it was, and the vend.
    pub vend: Option<(WalletId, VendId, Rseq)>,
    /// What was chosen.
    pub item: Option<Item>,
    /// What that was called.
    pub product: Option<&'a str>,
    /// How many.
    pub count: u32,
    /// What they came to.
    pub amount: Amount,
    /// In which currency.
    pub currency: &'a str,
    /// What of it was paid from the closed wallet.
    pub from_closed: Amount,
    /// What of it is owed.
    pub owed: Amount,
    /// The platform's share.
    pub fee: Amount,
    /// When it was sold, if that is known.
    pub sold: Option<Timestamp>,
    /// Whether it was a test.
    pub test: bool,
    /// Whether a person should look at it.
    pub review: bool,
}

impl New<'_> {
    /// What pages are told of it.
    pub(crate) fn told(&self) -> serde_json::Value {
        let shown = |amount: Amount| decimal(amount.minor(), self.currency);
        json!({
            "kind": self.kind,
            "vend": self.vend.map(|(_, vend, _)| vend.to_string()),
            "rseq": self.vend.map(|(.., rseq)| rseq.number()),
            "item": self.item.map(Item::number),
            "product": self.product,
            "count": self.count,
            "amount": shown(self.amount),
            "currency": self.currency,
            "from_closed": shown(self.from_closed),
            "owed": shown(self.owed),
            "fee": shown(self.fee),
            "sold_at_ms": self.sold.map(Timestamp::as_millis),
            "test": self.test,
            "review": self.review,
        })
    }
}

/// Adds a line of the record at `seq`.
pub(crate) fn add(batch: &Batch, seq: Seq, at: Timestamp, new: &New<'_>) -> sql::Result<()> {
    let first = seq.number().saturating_mul(LINES_OF_RECORD_MAX);
    let line = first.saturating_add(batch.next_sale(seq));
    batch.add_sale(params![
        kept(line),
        new.kind,
        kept(at.as_millis()),
        new.sold.map(|sold| kept(sold.as_millis())),
        kept(new.sold.unwrap_or(at).as_millis()),
        new.operator.number(),
        new.machine.map(MachineId::number),
        new.vend.map(|(wallet, ..)| kept(wallet.number())),
        new.vend.as_ref().map(|(_, vend, _)| vend.as_bytes()),
        new.vend.map(|(.., rseq)| kept(rseq.number())),
        new.item.map(Item::number),
        new.product,
        new.count,
        new.amount.minor(),
        new.currency,
        new.from_closed.minor(),
        new.owed.minor(),
        new.fee.minor(),
        new.test,
        new.review,
    ])
}

/// The newest lines that fit, before line `before`.
pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    before: Option<u64>,
    limit: usize,
) -> sql::Result<Page<Sale>> {
    let (wanted, mut values) = filter.to_sql();
    values.push(Value::Integer(before.map_or(i64::MAX, kept)));
    values.push(Value::Integer(look_ahead(limit)));
    let lines = connection
        .prepare_cached(&format!(
            "SELECT sale.*, place.name AS machine_name, EXISTS (
                 SELECT 1 FROM doubt
                 WHERE doubt.machine = sale.machine AND doubt.since_ms <= sale.at_ms
                     AND (doubt.until_ms IS NULL OR sale.at_ms <= doubt.until_ms)
             ) AS doubted
             FROM sale LEFT JOIN place ON place.machine = sale.machine
             WHERE {wanted} AND line < ? ORDER BY line DESC LIMIT ?"
        ))?
        .query_map(params_from_iter(values), |row| {
            Ok((unkept(row.get("line")?), sale(row)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// What the lines that fit come to.
pub(crate) fn totals(connection: &Connection, filter: &Filter) -> sql::Result<Vec<Total>> {
    let (wanted, values) = filter.to_sql();
    let tests = match filter.wanted {
        Some(Wanted::Test) => "",
        Some(Wanted::Sale | Wanted::Cash | Wanted::Refund | Wanted::Review) | None => {
            "AND test = 0"
        }
    };
    connection
        .prepare_cached(&format!(
            "SELECT currency,
                    CAST(sum(CASE WHEN kind <> 'refund' THEN count ELSE 0 END) AS BIGINT),
                    CAST(sum(amount) AS BIGINT),
                    CAST(sum(CASE WHEN kind = 'cash' THEN amount ELSE 0 END) AS BIGINT),
                    CAST(sum(CASE WHEN kind = 'refund' THEN amount ELSE 0 END) AS BIGINT),
                    CAST(sum(fee) AS BIGINT)
             FROM sale WHERE {wanted} {tests} GROUP BY currency ORDER BY currency"
        ))?
        .query_map(params_from_iter(values), |row| {
            let currency: String = row.get(0)?;
            let refunded: i64 = row.get(4)?;
            Ok(Total {
                count: unkept(row.get(1)?),
                amount: decimal(row.get(2)?, &currency),
                cash: decimal(row.get(3)?, &currency),
                refunded: decimal(refunded.saturating_neg(), &currency),
                fee: decimal(row.get(5)?, &currency),
                currency,
            })
        })?
        .collect()
}

impl Filter {
    /// A condition with a place for each value; which conditions there are does not depend on
    /// what anybody wrote, only on whether.
    fn to_sql(self) -> (String, Vec<Value>) {
        let mut wanted = "sale.operator = ?".to_owned();
        let mut values = vec![Value::Integer(self.operator.number().into())];
        let mut and = |condition: &str, value: Option<Value>| {
            wanted.push_str(" AND ");
            wanted.push_str(condition);
            values.extend(value);
        };
        let at = |at: Timestamp| Some(Value::Integer(kept(at.as_millis())));
        if let Some(machine) = self.machine {
            and(
                "sale.machine = ?",
                Some(Value::Integer(machine.number().into())),
            );
        }
        if let Some(from) = self.from {
            and("when_ms >= ?", at(from));
        }
        if let Some(to) = self.to {
            and("when_ms < ?", at(to));
        }
        match self.wanted {
            Some(Wanted::Sale) => and("kind = 'sale' AND test = 0", None),
            Some(Wanted::Cash) => and("kind = 'cash'", None),
            Some(Wanted::Refund) => and("kind = 'refund'", None),
            Some(Wanted::Test) => and("test = 1", None),
            Some(Wanted::Review) => and("review = 1", None),
            None => {}
        }
        (wanted, values)
    }
}

fn sale(row: &Row) -> sql::Result<Sale> {
    let currency: String = row.get("currency")?;
    let vend: Option<[u8; 16]> = row.get("vend")?;
    let sold: Option<i64> = row.get("sold_at_ms")?;
    let rseq: Option<i64> = row.get("rseq")?;
    let name: Option<String> = row.get("machine_name")?;
    Ok(Sale {
        at_ms: unkept(row.get("at_ms")?),
        sold_at_ms: sold.map(unkept),
        kind: row.get("kind")?,
        vend: vend.map(|vend| VendId::from_bytes(vend).to_string()),
        rseq: rseq.map(unkept),
        machine: row.get("machine")?,
        machine_name: name.filter(|name| !name.is_empty()),
        item: row.get("item")?,
        product: row.get("product")?,
        count: row.get("count")?,
        amount: decimal(row.get("amount")?, &currency),
        from_closed: decimal(row.get("from_closed")?, &currency),
        owed: decimal(row.get("owed")?, &currency),
        fee: decimal(row.get("fee")?, &currency),
        test: row.get("test")?,
        review: row.get("review")?,
        doubted: row.get("doubted")?,
        currency,
    })
}
