//! Money that leaves one place and arrives at another: transfers, payments by card, payouts, and the
//! folds that payouts rest on.

use super::Check;
use crate::id::{OperatorId, TransferId, WalletId};
use crate::ledger::{Account, Transaction};
use crate::money::{Amount, Currency};
use crate::operator::{self, Total};
use crate::transfer::Party;
use crate::wallet;
use std::collections::{BTreeMap, VecDeque};

/// What was found wrong.
pub(super) type Found = (Check, String);

/// What the audit keeps of money on its way, by its own reckoning.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    seq: u64,
    transfers: BTreeMap<(Party, TransferId), Sent>,
    payments: BTreeMap<(WalletId, TransferId), Payment>,
    payouts: BTreeMap<(OperatorId, TransferId), (Currency, Amount)>,
    /// What each operator earned, with the records it came from, since its last fold.
    unfolded: BTreeMap<OperatorId, VecDeque<(u64, Total)>>,
    /// What each operator may spend.
    purses: BTreeMap<(OperatorId, Currency), Amount>,
    due: BTreeMap<Currency, Amount>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    to: WalletId,
    currency: Currency,
    amount: Amount,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Arrived,
    Back,
}

/// A payment: what of it has not been charged back, and what has not reached the issuer.
#[derive(Clone, Copy, Debug, Default)]
struct Payment {
    left: Amount,
    unsettled: Amount,
}

impl Flow {
    /// The next record of the journal begins.
    pub(super) fn next(&mut self) {
        self.seq += 1;
    }

    /// What has left, and neither arrived nor come back.
    pub(super) fn underway(&self, currency: Currency) -> Amount {
        let open = self.transfers.values().filter(|sent| sent.end.is_none());
        let ours = open.filter(|sent| sent.currency == currency);
        ours.map(|sent| sent.amount).sum()
    }

    pub(super) fn take_wallet(
        &mut self,
        owner: (WalletId, Currency),
        event: &wallet::Event,
        transaction: &Transaction,
    ) -> Option<Found> {
        let (id, currency) = owner;
        self.earn(currency, transaction);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other events move nothing far"
        )]
        match event {
            wallet::Event::Sent {
                key, to, amount, ..
            } => {
                let party = Party::Wallet(id);
                self.leave((party, *key), (*to, currency, *amount))
            }
            wallet::Event::Received {
                key, from, amount, ..
            } => self.arrive((*from, *key), (id, currency, *amount)),
            wallet::Event::Returned { key, amount, .. } => {
                self.come_back((Party::Wallet(id), *key), (currency, *amount))
            }
            wallet::Event::ToppedUp { key, amount, .. } => {
                let payment = Payment {
                    left: *amount,
                    unsettled: Amount::ZERO,
                };
                self.pay((id, *key), payment)
            }
            wallet::Event::ToppedUpByCard { key, amount, .. } => {
                let payment = Payment {
                    left: *amount,
                    unsettled: *amount,
                };
                self.pay((id, *key), payment)
            }
            wallet::Event::CardSettled { key, amount } => {
                self.unpay((id, *key), (Amount::ZERO, *amount))
            }
            wallet::Event::ChargedBack {
                top_up,
                unsettled,
                settled,
                ..
            } => self.unpay((id, *top_up), (*unsettled + *settled, *unsettled)),
            _ => None,
        }
    }

    pub(super) fn take_operator(&mut self, id: OperatorId, event: &operator::Event) -> Vec<Found> {
        let mut found = Vec::new();
        match *event {
            operator::Event::Folded { upto, ref moved } => {
                found.extend(self.fold(id, upto.number(), moved));
            }
            operator::Event::PaidOut {
                key,
                currency,
                amount,
                ..
            } => {
                self.payouts.insert((id, key), (currency, amount));
                found.extend(self.spend(id, currency, amount));
            }
            operator::Event::PayoutSettled {
                key,
                currency,
                amount,
            } => found.extend(self.end_payout((id, key), (currency, amount))),
            operator::Event::PayoutFailed {
                key,
                currency,
                amount,
            } => {
                found.extend(self.end_payout((id, key), (currency, amount)));
                found.extend(self.spend(id, currency, -amount));
            }
            operator::Event::Promoted {
                key,
                to,
                currency,
                amount,
                ..
            } => {
                let party = Party::Operator(id);
                found.extend(self.leave((party, key), (to, currency, amount)));
                found.extend(self.spend(id, currency, amount));
            }
            operator::Event::Returned {
                key,
                currency,
                amount,
            } => {
                let party = Party::Operator(id);
                found.extend(self.come_back((party, key), (currency, amount)));
                found.extend(self.spend(id, currency, -amount));
            }
            operator::Event::Charged {
                currency, amount, ..
            } => {
                found.extend(self.spend(id, currency, amount));
                let total = Total {
                    currency,
                    earned: amount,
                    due: Amount::ZERO,
                };
                self.note(OperatorId::PLATFORM, total);
            }
            operator::Event::Deposited {
                currency, amount, ..
            } => found.extend(self.spend(id, currency, -amount)),
            operator::Event::Covered {
                currency, amount, ..
            } => {
                found.extend(self.spend(id, currency, amount));
                let due = self.due.entry(currency).or_default();
                *due = *due - amount;
                if *due < Amount::ZERO {
                    found.push(payouts(format!("{currency}: more covered than was due")));
                }
            }
            operator::Event::Delivered { .. } => {}
        }
        found
    }

    fn leave(
        &mut self,
        name: (Party, TransferId),
        sent: (WalletId, Currency, Amount),
    ) -> Option<Found> {
        let (to, currency, amount) = sent;
        let sent = Sent {
            to,
            currency,
            amount,
            end: None,
        };
        let before = self.transfers.insert(name, sent);
        before.map(|_| transfers(name, "left twice"))
    }

    fn arrive(
        &mut self,
        name: (Party, TransferId),
        arrived: (WalletId, Currency, Amount),
    ) -> Option<Found> {
        match self.transfers.get_mut(&name) {
            None => Some(transfers(name, "never left")),
            Some(sent) if (sent.to, sent.currency, sent.amount) != arrived => {
                Some(transfers(name, "left otherwise than it arrived"))
            }
            Some(sent) if sent.end.is_some() => Some(transfers(name, "had ended when it arrived")),
            Some(sent) => {
                sent.end = Some(End::Arrived);
                None
            }
        }
    }

    fn come_back(&mut self, name: (Party, TransferId), back: (Currency, Amount)) -> Option<Found> {
        match self.transfers.get_mut(&name) {
            None => Some(transfers(name, "never left")),
            Some(sent) if (sent.currency, sent.amount) != back => {
                Some(transfers(name, "left otherwise than it came back"))
            }
            Some(sent) if sent.end.is_some() => {
                Some(transfers(name, "had ended when it came back"))
            }
            Some(sent) => {
                sent.end = Some(End::Back);
                None
            }
        }
    }

    fn pay(&mut self, name: (WalletId, TransferId), payment: Payment) -> Option<Found> {
        let before = self.payments.insert(name, payment);
        before.map(|_| cards(name))
    }

    fn unpay(&mut self, name: (WalletId, TransferId), amounts: (Amount, Amount)) -> Option<Found> {
        let (back, settled) = amounts;
        let payment = self.payments.entry(name).or_default();
        payment.left = payment.left - back;
        payment.unsettled = payment.unsettled - settled;
        let is_over = payment.left < Amount::ZERO || payment.unsettled < Amount::ZERO;
        is_over.then(|| cards(name))
    }

    fn end_payout(
        &mut self,
        name: (OperatorId, TransferId),
        ended: (Currency, Amount),
    ) -> Option<Found> {
        let paid = self.payouts.remove(&name);
        (paid != Some(ended)).then(|| {
            let (id, key) = name;
            payouts(format!(
                "operator {id}: payout {key} ended otherwise or twice"
            ))
        })
    }

    fn spend(&mut self, id: OperatorId, currency: Currency, amount: Amount) -> Option<Found> {
        let left = self.purses.entry((id, currency)).or_default();
        *left = *left - amount;
        let is_over = amount.is_positive() && *left < Amount::ZERO;
        is_over.then(|| payouts(format!("operator {id}: overdrawn in {currency}")))
    }

    /// What came in up to a record must be what the operator took for it.
    fn fold(&mut self, id: OperatorId, upto: u64, moved: &[Total]) -> Option<Found> {
        let mut earned: BTreeMap<Currency, (Amount, Amount)> = BTreeMap::new();
        let unfolded = self.unfolded.entry(id).or_default();
        while let Some((_, total)) = unfolded.pop_front_if(|(seq, _)| *seq <= upto) {
            let sum = earned.entry(total.currency).or_default();
            *sum = (sum.0 + total.earned, sum.1 + total.due);
        }
        earned.retain(|_, sum| *sum != (Amount::ZERO, Amount::ZERO));
        let told = moved
            .iter()
            .map(|total| (total.currency, (total.earned, total.due)));
        let told: BTreeMap<Currency, (Amount, Amount)> = told.collect();
        for (currency, (amount, due)) in &told {
            let purse = self.purses.entry((id, *currency)).or_default();
            *purse = *purse + *amount;
            let before = self.due.entry(*currency).or_default();
            *before = *before + *due;
        }
        (told != earned).then(|| {
            let words = format!("operator {id}: {told:?} folded, {earned:?} earned");
            (Check::FoldsAreTrue, words)
        })
    }

    fn earn(&mut self, currency: Currency, transaction: &Transaction) {
        for entry in transaction.entries() {
            let (amount, none) = (entry.amount, Amount::ZERO);
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "three accounts are earnings"
            )]
            let (operator, earned, due) = match entry.account {
                Account::PayableCovered(operator) => (operator, amount, none),
                Account::Fees => (OperatorId::PLATFORM, amount, none),
                Account::ChargebacksDue => (OperatorId::PLATFORM, none, -amount),
                _ => continue,
            };
            let total = Total {
                currency,
                earned,
                due,
            };
            self.note(operator, total);
        }
    }

    fn note(&mut self, operator: OperatorId, total: Total) {
        let unfolded = self.unfolded.entry(operator).or_default();
        unfolded.push_back((self.seq, total));
    }
}

fn transfers(name: (Party, TransferId), words: &str) -> Found {
    let (from, key) = name;
    (
        Check::TransfersArriveOnce,
        format!("transfer {key} of {from:?} {words}"),
    )
}

fn cards(name: (WalletId, TransferId)) -> Found {
    let (id, key) = name;
    (
        Check::CardsWithinPayments,
        format!("wallet {id}: payment {key}"),
    )
}

const fn payouts(words: String) -> Found {
    (Check::PayoutsCovered, words)
}
