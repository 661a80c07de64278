//! Receipts and sales for people to look at: a projection of the journal. No decision reads it.

use crate::bounds::{HOLDS_KEPT, RECEIPTS_KEPT, SALES_KEPT};
use crate::text::money;
use gettone_core::grant::Terms;
use gettone_core::id::{Item, MachineId, OperatorId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::{machine, wallet};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};

/// Everything that people look back on, bounded for each of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    customers: HashMap<WalletId, Customer>,
    sales: HashMap<OperatorId, VecDeque<Sale>>,
    products: HashMap<(MachineId, Item), String>,
    gaps: u64,
}

#[derive(Clone, Debug)]
struct Customer {
    currency: Currency,
    holds: VecDeque<(VendId, Terms)>,
    receipts: VecDeque<Receipt>,
}

/// One line of a customer's history.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Receipt {
    /// When it was booked, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub kind: ReceiptKind,
    /// How much, with decimals.
    pub amount: String,
    /// In which currency.
    pub currency: &'static str,
    /// Whose money or machine it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<u32>,
    /// Where.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub sold: Option<Sold>,
    /// What of the amount was not there and is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owed: Option<String>,
}

/// What was sold, and where.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
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

/// What a line of a customer's history is about.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReceiptKind {
    /// Money came in.
    TopUp,
    /// An operator gave some.
    Gift,
    /// Something was bought.
    Sale,
    /// The machine did not deliver; nothing was charged.
    Failed,
    /// Nobody saw whether the machine delivered; nothing was charged.
    Excused,
    /// Nobody saw whether the machine delivered; the price waits for a decision.
    InDoubt,
}

/// One line of an operator's history.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sale {
    /// When it was booked, in milliseconds since 1970.
    pub at_ms: u64,
    /// The price, with decimals.
    pub amount: String,
    /// In which currency.
    pub currency: &'static str,
    /// What of it came from the operator's own closed wallet.
    pub from_closed: String,
    /// What of it the customer still owes.
    pub owed: String,
    /// The platform's share.
    pub fee: String,
    /// What was sold, and where.
    #[serde(flatten)]
    pub sold: Sold,
}

/// What of a list was asked for.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page<T> {
    /// The lines, newest first.
    pub lines: Vec<T>,
    /// Whether lines are missing because the projection fell behind; a restart mends it.
    pub complete: bool,
}

impl History {
    /// Takes in the next record of the journal.
    pub(crate) fn take(&mut self, record: &Record) {
        match &record.event {
            Event::Wallet { wallet, event } => self.take_wallet(*wallet, event, record.at),
            Event::Machine { machine, event } => self.take_machine(*machine, event),
            Event::Session { .. } | Event::Reader { .. } => {}
        }
    }

    /// Notes that records were lost on the way here.
    pub(crate) fn miss(&mut self) {
        self.gaps = self.gaps.saturating_add(1);
    }

    /// A customer's newest receipts.
    pub(crate) fn receipts(&self, wallet: WalletId, limit: usize) -> Page<Receipt> {
        self.page(
            self.customers
                .get(&wallet)
                .map(|customer| &customer.receipts),
            limit,
        )
    }

    /// An operator's newest sales.
    pub(crate) fn sales(&self, operator: OperatorId, limit: usize) -> Page<Sale> {
        self.page(self.sales.get(&operator), limit)
    }

    fn page<T: Clone>(&self, all: Option<&VecDeque<T>>, limit: usize) -> Page<T> {
        Page {
            lines: all
                .into_iter()
                .flat_map(|lines| lines.iter().rev())
                .take(limit)
                .cloned()
                .collect(),
            complete: self.gaps == 0,
        }
    }

    fn take_machine(&mut self, machine: MachineId, event: &machine::Event) {
        match event {
            machine::Event::Listed { item, product } => {
                self.products.insert((machine, *item), product.name.clone());
            }
            machine::Event::Registered { .. }
            | machine::Event::Claimed { .. }
            | machine::Event::Locked
            | machine::Event::Unlocked => {}
        }
    }

    fn take_wallet(&mut self, id: WalletId, event: &wallet::Event, at: Timestamp) {
        if let wallet::Event::Opened { currency } = event {
            self.customers.entry(id).or_insert_with(|| Customer {
                currency: *currency,
                holds: VecDeque::new(),
                receipts: VecDeque::new(),
            });
        }
        let Some(customer) = self.customers.get_mut(&id) else {
            return;
        };
        if let wallet::Event::Reserved { vend, terms, .. } = event {
            keep(&mut customer.holds, (*vend, *terms), HOLDS_KEPT);
        }
        let currency = customer.currency;
        let line = |kind, amount: Amount, operator: Option<OperatorId>| Receipt {
            at_ms: at.as_millis(),
            kind,
            amount: money(amount, currency),
            currency: currency.code(),
            operator: operator.map(OperatorId::number),
            sold: None,
            owed: None,
        };
        let terms = event
            .vend()
            .and_then(|vend| customer.holds.iter().rev().find(|(kept, _)| *kept == vend))
            .map(|(_, terms)| *terms);
        let sold = |vend: VendId, rseq: gettone_core::id::Rseq, item: Option<Item>| Sold {
            vend: vend.to_string(),
            rseq: rseq.number(),
            machine: terms.map(|terms| terms.machine.number()),
            item: item.map(Item::number),
            product: terms
                .zip(item)
                .and_then(|(terms, item)| self.products.get(&(terms.machine, item)).cloned()),
        };
        let operator = terms.map(|terms| terms.operator);
        let receipt = match event {
            wallet::Event::ToppedUp { amount, .. } => line(ReceiptKind::TopUp, *amount, None),
            wallet::Event::Given {
                operator, amount, ..
            } => line(ReceiptKind::Gift, *amount, Some(*operator)),
            wallet::Event::Captured {
                vend,
                rseq,
                operator,
                item,
                parts,
                debt,
                fee,
                ..
            } => {
                let sold = sold(*vend, *rseq, Some(*item));
                let price = parts.total() + *debt;
                keep(
                    self.sales.entry(*operator).or_default(),
                    Sale {
                        at_ms: at.as_millis(),
                        amount: money(price, currency),
                        currency: currency.code(),
                        from_closed: money(parts.closed, currency),
                        owed: money(*debt, currency),
                        fee: money(*fee, currency),
                        sold: sold.clone(),
                    },
                    SALES_KEPT,
                );
                Receipt {
                    sold: Some(sold),
                    owed: debt.is_positive().then(|| money(*debt, currency)),
                    ..line(ReceiptKind::Sale, price, Some(*operator))
                }
            }
            wallet::Event::Failed { vend, rseq } => Receipt {
                sold: Some(sold(*vend, *rseq, None)),
                ..line(ReceiptKind::Failed, Amount::ZERO, operator)
            },
            wallet::Event::Excused {
                vend, rseq, amount, ..
            } => Receipt {
                sold: Some(sold(*vend, *rseq, None)),
                ..line(ReceiptKind::Excused, *amount, operator)
            },
            wallet::Event::Doubted {
                vend,
                rseq,
                item,
                parts,
            } => Receipt {
                sold: Some(sold(*vend, *rseq, Some(*item))),
                ..line(ReceiptKind::InDoubt, parts.total(), operator)
            },
            wallet::Event::Opened { .. }
            | wallet::Event::Reserved { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. }
            | wallet::Event::Released { .. } => return,
        };
        keep(&mut customer.receipts, receipt, RECEIPTS_KEPT);
    }
}

fn keep<T>(lines: &mut VecDeque<T>, line: T, most: usize) {
    if lines.len() >= most {
        lines.pop_front();
    }
    lines.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::grant::Parts;
    use gettone_core::id::{Rseq, TransferId};

    const WALLET: WalletId = WalletId::new(1);
    const OPERATOR: OperatorId = OperatorId::new(7);

    fn history(events: impl IntoIterator<Item = wallet::Event>) -> History {
        let mut history = History::default();
        history.take(&Record {
            at: Timestamp::default(),
            event: Event::Machine {
                machine: MachineId::new(3),
                event: machine::Event::Listed {
                    item: Item::new(11),
                    product: machine::Product {
                        name: "espresso".to_owned(),
                        price: Amount::from_minor(80),
                    },
                },
            },
        });
        let opened = wallet::Event::Opened {
            currency: Currency::EUR,
        };
        for (at, event) in [opened].into_iter().chain(events).enumerate() {
            history.take(&Record {
                at: Timestamp::from_millis(at as u64),
                event: Event::Wallet {
                    wallet: WALLET,
                    event,
                },
            });
        }
        history
    }

    fn topped_up(minor: i64) -> wallet::Event {
        wallet::Event::ToppedUp {
            key: TransferId::from_bytes([0; 16]),
            amount: Amount::from_minor(minor),
            repaid: Vec::new(),
        }
    }

    #[test]
    fn a_sale_is_told_to_both_sides_with_its_place_and_name() {
        let vend = VendId::from_bytes([5; 16]);
        let history = history([
            wallet::Event::Reserved {
                vend,
                terms: Terms {
                    operator: OPERATOR,
                    machine: MachineId::new(3),
                    cap: Amount::from_minor(500),
                    least: Amount::from_minor(80),
                    vends_max: 3,
                    fee_basis_points: 150,
                },
                held: Parts::default(),
                at: Timestamp::default(),
            },
            wallet::Event::Captured {
                vend,
                rseq: Rseq::new(9),
                operator: OPERATOR,
                item: Item::new(11),
                parts: Parts {
                    closed: Amount::from_minor(30),
                    emoney: Amount::from_minor(40),
                },
                debt: Amount::from_minor(10),
                fee: Amount::from_minor(1),
                review: wallet::Review::Unneeded,
            },
        ]);
        let receipts = history.receipts(WALLET, 10).lines;
        assert_eq!(
            serde_json::to_value(&receipts).expect("JSON"),
            serde_json::json!([{
                "at_ms": 2, "kind": "sale", "amount": "0.80", "currency": "EUR", "operator": 7,
                "vend": "05050505050505050505050505050505", "rseq": 9, "machine": 3, "item": 11,
                "product": "espresso", "owed": "0.10",
            }])
        );
        let sales = history.sales(OPERATOR, 10).lines;
        assert_eq!(
            serde_json::to_value(&sales).expect("JSON"),
            serde_json::json!([{
                "at_ms": 2, "amount": "0.80", "currency": "EUR", "from_closed": "0.30",
                "owed": "0.10", "fee": "0.01", "vend": "05050505050505050505050505050505",
                "rseq": 9, "machine": 3, "item": 11, "product": "espresso",
            }])
        );
        assert!(history.sales(OperatorId::new(8), 10).lines.is_empty());
    }

    #[test]
    fn old_lines_give_way_and_the_newest_come_first() {
        let history = history((1..=300).map(topped_up));
        let page = history.receipts(WALLET, usize::MAX);
        assert_eq!(page.lines.len(), RECEIPTS_KEPT);
        assert_eq!(
            page.lines.first().map(|line| line.amount.as_str()),
            Some("3.00")
        );
        assert_eq!(history.receipts(WALLET, 1).lines.len(), 1);
        assert!(page.complete);
    }

    #[test]
    fn a_history_that_missed_something_says_so() {
        let mut history = history([topped_up(1)]);
        history.miss();
        assert!(!history.receipts(WALLET, 1).complete);
    }
}
