//! What happened to wallets: sales, refunds, and what somebody has to look at.

use super::Fold;
use super::batch::Held;
use crate::bounds::PRICE_FACTOR_MAX;
use crate::database::{kept, refund};
use crate::happening::Subject;
use crate::sales;
use crate::sql::{self, OptionalExtension, params};
use crate::text::decimal;
use gettone_core::grant::{NO_RECEIPT, Purpose};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::transfer::Party;
use gettone_core::wallet;
use serde_json::json;

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
    /// Takes in what happened to a wallet.
    pub(super) fn take_wallet(&self, id: WalletId, event: &wallet::Event) -> sql::Result<()> {
        match event {
            wallet::Event::Opened { currency } => self.batch.open(id, currency.code()),
            wallet::Event::Reserved {
                vend, terms, held, ..
            } => {
                let place = Held {
                    machine: terms.machine,
                    operator: terms.operator,
                };
                self.batch.hold(*vend, place, held.total())?;
                if !self.is_told() {
                    return Ok(());
                }
                let currency = self.currency(id)?;
                let body = json!({
                    "step": "granted", "vend": vend.to_string(),
                    "held": decimal(held.total().minor(), &currency), "currency": currency,
                });
                self.tell(terms.operator, Subject::Session, Some(terms.machine), body)
            }
            wallet::Event::ToppedUp { amount, .. }
            | wallet::Event::ToppedUpByCard { amount, .. } => self.moved(id, "top_up", *amount),
            wallet::Event::Sent { amount, .. } => self.moved(id, "sent", *amount),
            wallet::Event::Received { from, amount, .. } => match from {
                Party::Wallet(_) => self.moved(id, "received", *amount),
                Party::Operator(operator) => self.moved_by(id, ("promotion", *operator), *amount),
            },
            wallet::Event::Returned { amount, .. } => self.moved(id, "returned", *amount),
            wallet::Event::ChargedBack { taken, owed, .. } => {
                self.moved(id, "charged_back", *taken + *owed)
            }
            wallet::Event::Given {
                operator, amount, ..
            } => self.moved_by(id, ("gift", *operator), *amount),
            wallet::Event::Repaid { repaid, .. } => {
                let amount = repaid.iter().map(|(_, part)| *part).sum();
                self.moved(id, "repaid", amount)
            }
            wallet::Event::WrittenOff {
                operator, amount, ..
            } => self.moved_by(id, ("written_off", *operator), *amount),
            wallet::Event::Captured { .. } => {
                self.captured(id, event)?;
                match event.ended() {
                    Some((vend, reason)) => self.over(vend, reason),
                    None => Ok(()),
                }
            }
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
            wallet::Event::Stray { vend, rseq, .. } => self.ring_about(
                (*vend, *rseq),
                "stray",
                "the reader reports a sale that its grant does not cover; nothing was charged",
            ),
            wallet::Event::Closing { vend, rseq } => self.ring_about(
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
            wallet::Event::Disputed {
                vend,
                rseq,
                operator,
                amount,
                ..
            } => {
                self.argued(id, ("disputed", *operator), (*vend, *rseq), *amount)?;
                self.unsold(id, "disputed", (*vend, *rseq, None), *amount)
            }
            wallet::Event::DisputeEnded {
                vend,
                rseq,
                operator,
                amount,
                favour,
                ..
            } => {
                let (kind, step) = match favour {
                    wallet::Favour::Customer => {
                        self.given_back(id, (*vend, *rseq, *operator), *amount)?;
                        ("refund", "dispute_lost")
                    }
                    wallet::Favour::Operator => ("dispute_rejected", "dispute_won"),
                };
                self.argued(id, (step, *operator), (*vend, *rseq), *amount)?;
                self.unsold(id, kind, (*vend, *rseq, None), *amount)
            }
            wallet::Event::Barred { .. }
            | wallet::Event::Limited { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::CardSettled { .. } => Ok(()),
        }
    }

    /// A line about money that was for nothing in particular.
    fn moved(&self, id: WalletId, kind: &'static str, amount: Amount) -> sql::Result<()> {
        let line = Line {
            kind,
            amount,
            ..Line::default()
        };
        self.receipt(id, line)
    }

    /// A line about money that an operator gave or gave up.
    fn moved_by(
        &self,
        id: WalletId,
        (kind, operator): (&'static str, OperatorId),
        amount: Amount,
    ) -> sql::Result<()> {
        let line = Line {
            kind,
            amount,
            operator: Some(operator),
            ..Line::default()
        };
        self.receipt(id, line)
    }

    /// Tells an operator of a sale that is argued about.
    fn argued(
        &self,
        id: WalletId,
        (step, operator): (&str, OperatorId),
        (vend, rseq): (VendId, Rseq),
        amount: Amount,
    ) -> sql::Result<()> {
        let place = self.place(vend, rseq, None)?;
        let currency = self.currency(id)?;
        let body = json!({
            "step": step, "vend": vend.to_string(), "rseq": rseq.number(),
            "amount": decimal(amount.minor(), &currency), "currency": currency,
        });
        let machine = place.machine.map(MachineId::new);
        self.tell(operator, Subject::Money, machine, body)
    }

    /// Takes what a customer got back in a dispute out of the operator's sales.
    fn given_back(
        &self,
        id: WalletId,
        (vend, rseq, operator): (VendId, Rseq, OperatorId),
        amount: Amount,
    ) -> sql::Result<()> {
        let (item, product) = self.sold(vend, rseq)?;
        let place = self.place(vend, rseq, None)?;
        let currency = self.currency(id)?;
        let line = sales::New {
            kind: "refund",
            operator,
            machine: place.machine.map(MachineId::new),
            vend: Some((id, vend, rseq)),
            item,
            product: product.as_deref(),
            count: 1,
            amount: -amount,
            currency: &currency,
            from_closed: Amount::ZERO,
            owed: Amount::ZERO,
            fee: Amount::ZERO,
            sold: None,
            test: false,
            review: false,
        };
        sales::add(self.batch, self.seq, self.at, &line)
    }

    /// What was sold, and what it was called.
    fn sold(&self, vend: VendId, rseq: Rseq) -> sql::Result<(Option<Item>, Option<String>)> {
        self.batch.flush(self.connection)?;
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
        Ok((item, product.flatten()))
    }

    /// Adds what was given back, to both sides.
    fn refunded(&self, id: WalletId, event: &wallet::Event) -> sql::Result<()> {
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
        let (item, product) = self.sold(*vend, *rseq)?;
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
        sales::add(self.batch, self.seq, self.at, &line)?;
        self.unsold(id, "refund", (*vend, *rseq, item), back)
    }

    /// What a hold had, less what was sold for it.
    fn still_held(&self, vend: VendId) -> sql::Result<Amount> {
        self.batch.flush(self.connection)?;
        self.connection
            .prepare_cached(
                "SELECT held - (SELECT CAST(coalesce(sum(amount - owed), 0) AS BIGINT) FROM sale
                                WHERE sale.vend = ?1 AND kind = 'sale')
                 FROM hold WHERE vend = ?1",
            )?
            .query_row([vend.as_bytes()], |row| Ok(Amount::from_minor(row.get(0)?)))
            .optional()
            .map(|held| held.unwrap_or(Amount::ZERO))
    }

    /// Ends the case of a vend that was decided, when it is open.
    fn settled(&self, vend: (VendId, Rseq), end: (&'static str, Amount)) -> sql::Result<()> {
        let Some((id, operator, machine)) = refund::settle(self.connection, vend, end, self.at)?
        else {
            return Ok(());
        };
        let body = json!({"id": id, "state": end.0, "vend": vend.0.to_string()});
        self.tell(operator, Subject::Refund, Some(machine), body)
    }

    /// Tells that a customer has left.
    fn over(&self, vend: VendId, reason: wallet::Reason) -> sql::Result<()> {
        if !self.is_told() {
            return Ok(());
        }
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
        self.tell(operator, Subject::Session, machine, body)
    }

    fn ring_about(&self, vend: (VendId, Rseq), code: &str, words: &str) -> sql::Result<()> {
        let place = self.place(vend.0, vend.1, None)?;
        match place.operator.zip(place.machine) {
            Some((operator, machine)) => {
                self.ring(operator, MachineId::new(machine), (code, words))
            }
            None => Ok(()),
        }
    }

    fn currency(&self, id: WalletId) -> sql::Result<String> {
        self.batch.currency(self.connection, id)
    }

    fn captured(&self, id: WalletId, event: &wallet::Event) -> sql::Result<()> {
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
        if self.batch.may_have_case(*vend) && refund::is_doubted(self.connection, *vend, *rseq)? {
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
            sold: self.batch.dated(*vend, *rseq),
            test: *purpose == Purpose::Test,
            review: is_doubtful || is_dear,
        };
        sales::add(self.batch, self.seq, self.at, &sale)?;
        let machine = sale.machine;
        if self.is_told() {
            self.tell(*operator, Subject::Sale, machine, sale.told())?;
        }
        if is_dear {
            self.ring_about(
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
    ) -> sql::Result<()> {
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

    fn place(&self, vend: VendId, rseq: Rseq, item: Option<Item>) -> sql::Result<Place> {
        let hold = self.batch.place_of(self.connection, vend)?;
        let machine = hold.map(|place| place.machine);
        let product = match machine.zip(item) {
            Some((machine, item)) => self.batch.product(self.connection, machine, item)?,
            None => None,
        };
        let (product, listed) = product.unzip();
        Ok(Place {
            vend,
            rseq,
            machine: machine.map(MachineId::number),
            operator: hold.map(|place| place.operator),
            item,
            product,
            listed,
        })
    }

    fn receipt(&self, id: WalletId, line: Line<'_>) -> sql::Result<()> {
        let sold = line.sold;
        let Some(currency) = self.currency(id).optional()? else {
            return Ok(());
        };
        self.batch.add_receipt(params![
            kept(self.seq.number()),
            kept(self.at.as_millis()),
            kept(id.number()),
            line.kind,
            line.amount.minor(),
            currency,
            line.operator.map(OperatorId::number),
            sold.map(|sold| sold.vend.as_bytes()),
            sold.map(|sold| kept(sold.rseq.number())),
            sold.and_then(|sold| sold.machine),
            sold.and_then(|sold| sold.item).map(Item::number),
            sold.and_then(|sold| sold.product.as_deref()),
            line.owed.minor(),
        ])
    }

    /// Puts a vend before a person. What a person has decided about it stays, also when the
    /// journal is folded anew.
    fn look_at(
        &self,
        id: WalletId,
        kind: &'static str,
        place: (&Place, Option<OperatorId>),
        amount: Amount,
    ) -> sql::Result<()> {
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
        // A case takes its currency from the account, which may be on its way.
        self.batch.flush(self.connection)?;
        self.batch.note_case(sold.vend);
        match refund::open(self.connection, &case, "")? {
            refund::Opened::New => {
                let body = json!({"state": "open", "kind": kind, "vend": sold.vend.to_string()});
                self.tell(operator, Subject::Refund, Some(case.machine), body)
            }
            refund::Opened::Known => Ok(()),
        }
    }
}

/// Whether something was sold for so much more than its list says that a person should look.
fn is_dear(price: Amount, listed: Amount) -> bool {
    price.minor() > listed.minor().saturating_mul(PRICE_FACTOR_MAX)
}
