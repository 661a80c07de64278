//! Receipts and sales for people to look at: a projection of the journal, folded into the
//! database. No decision reads it.

use crate::bounds::{PRICE_FACTOR_MAX, RECORDS_OF_ONE_COMMIT};
use crate::database::{kept, refund, unkept};
use crate::gateway::Gateway;
use crate::happening::Subject;
use crate::text::{hex, money};
use crate::{fleet, sales};
use gettone_core::grant::{NO_RECEIPT, Purpose};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::{machine, wallet};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// One line of a customer's history.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Receipt {
    /// When it was booked, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened: `top_up`, `gift`, `sale`, `failed`, `excused` or `in_doubt`.
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

/// What of a list was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page<T> {
    /// The lines, newest first.
    pub lines: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next: Option<u64>,
}

/// Takes in a journal from its beginning, many records to a commit. What was folded before is
/// passed over, when it is the same journal.
#[derive(Debug)]
pub(crate) struct CatchUp<'a> {
    connection: &'a Connection,
    folded: Option<(Seq, [u8; 32])>,
    seen: Option<Seq>,
    since_commit: usize,
    is_another: bool,
    fault: Option<rusqlite::Error>,
}

/// What a journal turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Journal {
    /// The one that was folded before, and is now folded to its end.
    Same,
    /// Another one than the projections were folded from: they have to be made anew.
    Another,
}

impl<'a> CatchUp<'a> {
    /// Begins where the projections end.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        let folded = folded(connection)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self {
            connection,
            folded,
            seen: None,
            since_commit: 0,
            is_another: false,
            fault: None,
        })
    }

    /// Takes in the next record. After a fault it takes none; the fault is told at the end.
    pub(crate) fn take(&mut self, seq: Seq, record: &Record) {
        if self.fault.is_some() || self.is_another {
            return;
        }
        self.seen = Some(seq);
        match self.folded {
            Some((upto, digest)) if seq == upto => self.is_another = digest != digest_of(record),
            Some((upto, _)) if seq < upto => {}
            Some(_) | None => {
                if let Err(fault) = self.fold(seq, record) {
                    self.fault = Some(fault);
                }
            }
        }
    }

    fn fold(&mut self, seq: Seq, record: &Record) -> rusqlite::Result<()> {
        take(self.connection, seq, record)?;
        mark(self.connection, seq, record)?;
        self.since_commit += 1;
        if self.since_commit >= RECORDS_OF_ONE_COMMIT {
            self.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            self.since_commit = 0;
        }
        Ok(())
    }

    /// Ends the last commit, and tells whether it was the journal that was folded before.
    ///
    /// # Errors
    /// What SQLite said first.
    pub(crate) fn finish(self) -> rusqlite::Result<Journal> {
        if let Some(fault) = self.fault {
            self.connection.execute_batch("ROLLBACK")?;
            return Err(fault);
        }
        self.connection.execute_batch("COMMIT")?;
        let is_short = self
            .folded
            .is_some_and(|(upto, _)| self.seen.is_none_or(|seen| seen < upto));
        Ok(if self.is_another || is_short {
            Journal::Another
        } else {
            Journal::Same
        })
    }
}

/// Up to which record the projections are folded, and that record's digest.
pub(crate) fn folded(connection: &Connection) -> rusqlite::Result<Option<(Seq, [u8; 32])>> {
    connection
        .query_row("SELECT seq, digest FROM fold", [], |row| {
            Ok((Seq::new(unkept(row.get(0)?)), row.get(1)?))
        })
        .optional()
}

/// Notes up to which record the projections are folded.
pub(crate) fn mark(connection: &Connection, seq: Seq, record: &Record) -> rusqlite::Result<()> {
    let values = params![kept(seq.number()), digest_of(record)];
    let known = connection
        .prepare_cached("UPDATE fold SET seq = ?1, digest = ?2")?
        .execute(values)?;
    if known == 0 {
        connection.execute("INSERT INTO fold (seq, digest) VALUES (?1, ?2)", values)?;
    }
    Ok(())
}

fn digest_of(record: &Record) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    // What the engine gave us was decoded, so it encodes again; if not, it is not the same record.
    if record.encode(&mut bytes).is_err() {
        bytes.clear();
    }
    Sha256::digest(&bytes).into()
}

/// Takes in the next record of the journal.
pub(crate) fn take(connection: &Connection, seq: Seq, record: &Record) -> rusqlite::Result<()> {
    let fold = Fold {
        connection,
        seq,
        at: record.at,
    };
    match &record.event {
        Event::Wallet { wallet, event } => fold.take_wallet(*wallet, event),
        Event::Machine { machine, event } => {
            take_machine(connection, *machine, event)?;
            fold.fleet().take_machine(*machine, event)
        }
        Event::Reader { reader, event } => fold.fleet().take_reader(*reader, event),
        Event::Session { .. } => Ok(()),
    }
}

fn take_machine(
    connection: &Connection,
    machine: MachineId,
    event: &machine::Event,
) -> rusqlite::Result<()> {
    match event {
        machine::Event::Listed { item, product } => {
            connection
                .prepare_cached(
                    "INSERT INTO product (machine, item, name, price) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET name = excluded.name, price = excluded.price",
                )?
                .execute(params![
                    machine.number(),
                    item.number(),
                    product.name,
                    product.price.minor()
                ])?;
        }
        // What is sold no longer keeps its name in what was sold before.
        machine::Event::Delisted { .. }
        | machine::Event::Registered { .. }
        | machine::Event::Claimed { .. }
        | machine::Event::LockOrdered { .. }
        | machine::Event::LockCarried { .. }
        | machine::Event::LockApplied { .. }
        | machine::Event::Tallied { .. }
        | machine::Event::TookIn { .. }
        | machine::Event::Counted { .. } => {}
    }
    Ok(())
}

/// One record on its way into the tables.
struct Fold<'a> {
    connection: &'a Connection,
    seq: Seq,
    at: Timestamp,
}

/// A line of the table of receipts.
#[derive(Default)]
struct Line<'a> {
    kind: &'static str,
    amount: Amount,
    operator: Option<OperatorId>,
    sold: Option<&'a Place>,
    owed: Amount,
}

/// Which vend, and where.
struct Place {
    vend: VendId,
    rseq: Rseq,
    machine: Option<u32>,
    operator: Option<OperatorId>,
    item: Option<Item>,
    product: Option<String>,
    listed: Option<Amount>,
}

impl Fold<'_> {
    fn take_wallet(&self, id: WalletId, event: &wallet::Event) -> rusqlite::Result<()> {
        match event {
            wallet::Event::Opened { currency } => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO account (wallet, currency) VALUES (?1, ?2)
                         ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![kept(id.number()), currency.code()])?;
                Ok(())
            }
            wallet::Event::Reserved {
                vend, terms, held, ..
            } => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO hold (vend, machine, operator, held)
                         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![
                        vend.as_bytes(),
                        terms.machine.number(),
                        terms.operator.number(),
                        held.total().minor()
                    ])?;
                let currency = self.currency(id)?;
                let body = json!({
                    "step": "granted", "vend": vend.to_string(),
                    "held": decimal(held.total().minor(), &currency), "currency": currency,
                });
                self.fleet()
                    .tell(terms.operator, Subject::Session, Some(terms.machine), body)
            }
            wallet::Event::ToppedUp { amount, .. } => {
                let line = Line {
                    kind: "top_up",
                    amount: *amount,
                    ..Line::default()
                };
                self.receipt(id, line)
            }
            wallet::Event::Given {
                operator, amount, ..
            } => {
                let line = Line {
                    kind: "gift",
                    amount: *amount,
                    operator: Some(*operator),
                    ..Line::default()
                };
                self.receipt(id, line)
            }
            wallet::Event::Captured { .. } => self.captured(id, event),
            wallet::Event::Failed { vend, rseq } => {
                self.unsold(id, "failed", (*vend, *rseq, None), Amount::ZERO)
            }
            wallet::Event::Excused {
                vend, rseq, amount, ..
            } => {
                self.settled((*vend, *rseq), ("refunded", Amount::ZERO))?;
                self.unsold(id, "excused", (*vend, *rseq, None), *amount)
            }
            wallet::Event::Doubted {
                vend,
                rseq,
                item,
                parts,
                ..
            } => {
                let place = self.place(*vend, *rseq, Some(*item))?;
                self.look_at(id, "unknown", (&place, place.operator), parts.total())?;
                self.unsold(id, "in_doubt", (*vend, *rseq, Some(*item)), parts.total())
            }
            wallet::Event::Released { vend, reason, .. } => self.over(*vend, *reason),
            wallet::Event::Stray { vend, rseq, .. } => self.ring(
                (*vend, *rseq),
                "stray",
                "the reader reports a sale that its grant does not cover; nothing was charged",
            ),
            wallet::Event::Closing { vend, rseq } => self.ring(
                (*vend, *rseq),
                "closing",
                "a session was closed with other figures than its receipts have",
            ),
            wallet::Event::Credited {
                vend,
                rseq,
                amount,
                credit,
                ..
            } => {
                if *credit == wallet::Credit::Judged {
                    self.settled((*vend, *rseq), ("refunded", *amount))?;
                }
                self.unsold(id, "cash_in", (*vend, *rseq, None), *amount)
            }
            wallet::Event::CashDoubted {
                vend, rseq, amount, ..
            } => {
                let place = self.place(*vend, *rseq, None)?;
                self.look_at(id, "cash_unknown", (&place, place.operator), *amount)?;
                self.unsold(id, "cash_in_doubt", (*vend, *rseq, None), *amount)
            }
            wallet::Event::CashDeclined { vend, rseq } => {
                self.settled((*vend, *rseq), ("rejected", Amount::ZERO))
            }
            wallet::Event::Orphaned { vend, .. } => {
                let place = self.place(*vend, NO_RECEIPT, None)?;
                let held = self.still_held(*vend)?;
                self.look_at(id, "unknown", (&place, place.operator), held)
            }
            wallet::Event::Refunded { .. } => self.refunded(id, event),
            wallet::Event::Barred { .. } => Ok(()),
        }
    }

    /// Adds what was given back, to both sides.
    fn refunded(&self, id: WalletId, event: &wallet::Event) -> rusqlite::Result<()> {
        let wallet::Event::Refunded {
            vend,
            rseq,
            operator,
            machine,
            parts,
            forgiven,
            ..
        } = event
        else {
            return Ok(());
        };
        let back = parts.total() + *forgiven;
        self.settled((*vend, *rseq), ("refunded", back))?;
        let sold: Option<(Item, Option<String>)> = self
            .connection
            .prepare_cached(
                "SELECT item, product FROM sale
                 WHERE vend = ?1 AND rseq = ?2 AND kind = 'sale' AND item IS NOT NULL",
            )?
            .query_row(params![vend.as_bytes(), kept(rseq.number())], |row| {
                Ok((Item::new(row.get(0)?), row.get(1)?))
            })
            .optional()?;
        let (item, product) = sold.unzip();
        let product = product.flatten();
        let currency = self.currency(id)?;
        let line = sales::New {
            kind: "refund",
            operator: *operator,
            machine: Some(*machine),
            vend: Some((id, *vend, *rseq)),
            item,
            product: product.as_deref(),
            count: 1,
            amount: -back,
            currency: &currency,
            from_closed: -parts.closed,
            owed: -*forgiven,
            fee: Amount::ZERO,
            sold: None,
            test: false,
            review: false,
        };
        sales::add(self.connection, self.seq, self.at, &line)?;
        self.unsold(id, "refund", (*vend, *rseq, item), back)
    }

    /// What a hold had, less what was sold for it.
    fn still_held(&self, vend: VendId) -> rusqlite::Result<Amount> {
        self.connection
            .prepare_cached(
                "SELECT held - (SELECT ifnull(sum(amount - owed), 0) FROM sale
                                WHERE sale.vend = ?1 AND kind = 'sale')
                 FROM hold WHERE vend = ?1",
            )?
            .query_row([vend.as_bytes()], |row| Ok(Amount::from_minor(row.get(0)?)))
            .optional()
            .map(|held| held.unwrap_or(Amount::ZERO))
    }

    /// Ends the case of a vend that was decided, when it is open.
    fn settled(&self, vend: (VendId, Rseq), end: (&'static str, Amount)) -> rusqlite::Result<()> {
        let Some((id, operator, machine)) = refund::settle(self.connection, vend, end, self.at)?
        else {
            return Ok(());
        };
        let body = json!({"id": id, "state": end.0, "vend": vend.0.to_string()});
        self.fleet()
            .tell(operator, Subject::Refund, Some(machine), body)
    }

    /// Tells that a customer has left.
    fn over(&self, vend: VendId, reason: wallet::Reason) -> rusqlite::Result<()> {
        let place = self.place(vend, Rseq::new(0), None)?;
        let Some(operator) = place.operator else {
            return Ok(());
        };
        let step = match reason {
            wallet::Reason::Closed => "closed",
            wallet::Reason::Fenced => "fenced",
            wallet::Reason::TimedOut => "timed_out",
            wallet::Reason::ReaderLost => "reader_lost",
        };
        let body = json!({"step": step, "vend": vend.to_string()});
        let machine = place.machine.map(MachineId::new);
        self.fleet().tell(operator, Subject::Session, machine, body)
    }

    fn ring(&self, vend: (VendId, Rseq), code: &str, words: &str) -> rusqlite::Result<()> {
        let place = self.place(vend.0, vend.1, None)?;
        match place.operator.zip(place.machine) {
            Some((operator, machine)) => {
                self.fleet()
                    .ring(operator, MachineId::new(machine), (code, words))
            }
            None => Ok(()),
        }
    }

    fn fleet(&self) -> fleet::At<'_> {
        fleet::At {
            connection: self.connection,
            seq: self.seq,
            at: self.at,
        }
    }

    fn currency(&self, id: WalletId) -> rusqlite::Result<String> {
        self.connection
            .prepare_cached("SELECT currency FROM account WHERE wallet = ?1")?
            .query_row([kept(id.number())], |row| row.get(0))
    }

    fn captured(&self, id: WalletId, event: &wallet::Event) -> rusqlite::Result<()> {
        let wallet::Event::Captured {
            vend,
            rseq,
            operator,
            item,
            parts,
            debt,
            fee,
            review,
            purpose,
            ..
        } = event
        else {
            return Ok(());
        };
        let place = self.place(*vend, *rseq, Some(*item))?;
        let price = parts.total() + *debt;
        if refund::is_doubted(self.connection, *vend, *rseq)? {
            self.settled((*vend, *rseq), ("rejected", Amount::ZERO))?;
        }
        let is_doubtful = *review == wallet::Review::RefundQueue;
        let is_dear = place.listed.is_some_and(|listed| is_dear(price, listed));
        let currency = self.currency(id)?;
        let sale = sales::New {
            kind: "sale",
            operator: *operator,
            machine: place.machine.map(MachineId::new),
            vend: Some((id, *vend, *rseq)),
            item: Some(*item),
            product: place.product.as_deref(),
            count: 1,
            amount: price,
            currency: &currency,
            from_closed: parts.closed,
            owed: *debt,
            fee: *fee,
            sold: fleet::dated(self.connection, *vend, *rseq)?,
            test: *purpose == Purpose::Test,
            review: is_doubtful || is_dear,
        };
        sales::add(self.connection, self.seq, self.at, &sale)?;
        let machine = sale.machine;
        self.fleet()
            .tell(*operator, Subject::Sale, machine, sale.told())?;
        if is_dear {
            self.ring(
                (*vend, *rseq),
                "dear",
                "something was sold at more than three times its listed price",
            )?;
        }
        if *purpose == Purpose::Test {
            // The operator's own; no line of the customer's.
            return Ok(());
        }
        if is_doubtful {
            self.look_at(id, "doubtful_reset", (&place, Some(*operator)), price)?;
        }
        let line = Line {
            kind: "sale",
            amount: price,
            operator: Some(*operator),
            sold: Some(&place),
            owed: *debt,
        };
        self.receipt(id, line)
    }

    fn unsold(
        &self,
        id: WalletId,
        kind: &'static str,
        vend: (VendId, Rseq, Option<Item>),
        amount: Amount,
    ) -> rusqlite::Result<()> {
        let (vend, rseq, item) = vend;
        let place = self.place(vend, rseq, item)?;
        let line = Line {
            kind,
            amount,
            operator: place.operator,
            sold: Some(&place),
            owed: Amount::ZERO,
        };
        self.receipt(id, line)
    }

    fn place(&self, vend: VendId, rseq: Rseq, item: Option<Item>) -> rusqlite::Result<Place> {
        let hold: Option<(u32, u32)> = self
            .connection
            .prepare_cached("SELECT machine, operator FROM hold WHERE vend = ?1")?
            .query_row([vend.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let machine = hold.map(|(machine, _)| machine);
        let product: Option<(String, i64)> = match machine.zip(item) {
            Some((machine, item)) => self
                .connection
                .prepare_cached("SELECT name, price FROM product WHERE machine = ?1 AND item = ?2")?
                .query_row(params![machine, item.number()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?,
            None => None,
        };
        let (product, listed) = product.unzip();
        Ok(Place {
            vend,
            rseq,
            machine,
            operator: hold.map(|(_, operator)| OperatorId::new(operator)),
            item,
            product,
            listed: listed.map(Amount::from_minor),
        })
    }

    fn receipt(&self, id: WalletId, line: Line<'_>) -> rusqlite::Result<()> {
        let sold = line.sold;
        self.connection
            .prepare_cached(
                "INSERT INTO receipt (seq, at_ms, wallet, kind, amount, currency, operator, vend,
                                      rseq, machine, item, product, owed)
                 SELECT ?1, ?2, ?3, ?4, ?5, currency, ?6, ?7, ?8, ?9, ?10, ?11, ?12
                 FROM account WHERE wallet = ?3",
            )?
            .execute(params![
                kept(self.seq.number()),
                kept(self.at.as_millis()),
                kept(id.number()),
                line.kind,
                line.amount.minor(),
                line.operator.map(OperatorId::number),
                sold.map(|sold| sold.vend.as_bytes()),
                sold.map(|sold| kept(sold.rseq.number())),
                sold.and_then(|sold| sold.machine),
                sold.and_then(|sold| sold.item).map(Item::number),
                sold.and_then(|sold| sold.product.as_deref()),
                line.owed.minor(),
            ])?;
        Ok(())
    }

    /// Puts a vend before a person. What a person has decided about it stays, also when the
    /// journal is folded anew.
    fn look_at(
        &self,
        id: WalletId,
        kind: &'static str,
        place: (&Place, Option<OperatorId>),
        amount: Amount,
    ) -> rusqlite::Result<()> {
        let (sold, Some(operator)) = place else {
            return Ok(());
        };
        let Some(machine) = sold.machine else {
            return Ok(());
        };
        let case = refund::Case {
            kind,
            operator,
            wallet: id,
            vend: sold.vend,
            rseq: sold.rseq,
            machine: MachineId::new(machine),
            item: sold.item.unwrap_or(Item::new(u16::MAX)),
            product: sold.product.as_deref(),
            amount,
            at: self.at,
        };
        match refund::open(self.connection, &case, "")? {
            refund::Opened::New => {
                let body = json!({"state": "open", "kind": kind, "vend": sold.vend.to_string()});
                self.fleet()
                    .tell(operator, Subject::Refund, Some(case.machine), body)
            }
            refund::Opened::Known => Ok(()),
        }
    }
}

/// Customers' newest receipts, of these wallets, before line `before`.
pub(crate) fn receipts(
    connection: &Connection,
    wallets: &[WalletId],
    before: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Page<Receipt>> {
    let places = vec!["?"; wallets.len()].join(", ");
    let mut query = connection.prepare_cached(&format!(
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
    ))?;
    let values = [before.map_or(i64::MAX, kept)]
        .into_iter()
        .chain(wallets.iter().map(|wallet| kept(wallet.number())))
        .chain([look_ahead(limit)]);
    let lines = query
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
) -> rusqlite::Result<Option<Charged>> {
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

fn receipt(row: &Row<'_>) -> rusqlite::Result<Receipt> {
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
            .map(|state| -> rusqlite::Result<Claim> {
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

fn sold(row: &Row<'_>, vend: [u8; 16]) -> rusqlite::Result<Sold> {
    Ok(Sold {
        vend: hex(&vend),
        rseq: unkept(row.get("rseq")?),
        machine: row.get("machine")?,
        item: row.get("item")?,
        product: row.get("product")?,
    })
}

/// Whether something was sold for so much more than its list says that a person should look.
fn is_dear(price: Amount, listed: Amount) -> bool {
    price.minor() > listed.minor().saturating_mul(PRICE_FACTOR_MAX)
}

/// Minor units as they are shown; the currency is one that a wallet was opened in.
pub(crate) fn decimal(minor: i64, currency: &str) -> String {
    Currency::from_code(currency).map_or_else(
        |_| minor.to_string(),
        |currency| money(Amount::from_minor(minor), currency),
    )
}

/// One line more than wanted tells whether there is a next page.
pub(crate) fn look_ahead(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

/// Cuts off the line that was only looked for.
pub(crate) fn page<T>(mut lines: Vec<(u64, T)>, limit: usize) -> Page<T> {
    let more = lines.len() > limit;
    lines.truncate(limit);
    Page {
        next: lines.last().map(|(seq, _)| *seq).filter(|_| more),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
    }
}
