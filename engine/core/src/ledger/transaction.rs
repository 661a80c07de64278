use super::Account;
use crate::grant::Purpose;
use crate::id::{MachineId, OperatorId, WalletId};
use crate::money::{Amount, Currency};
use crate::wallet::{Credit, Favour};
use crate::{machine, operator, wallet};

/// One line of the books: an account and what it gains (or, below zero, loses).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// What it gains.
    pub amount: Amount,
}

/// The double entry of one event. A transaction whose entries do not sum to 0 is a bug,
/// and the audit says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transaction {
    entries: Vec<Entry>,
}

impl Transaction {
    /// Derives the postings of `event` from the event alone; an event that moves no money has none.
    pub fn of(owner: WalletId, event: &wallet::Event) -> Self {
        let mut books = Self::default();
        match event {
            wallet::Event::Opened { .. }
            | wallet::Event::Limited { .. }
            | wallet::Event::Reserved { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Excused { .. }
            | wallet::Event::Doubted { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. }
            | wallet::Event::CashDoubted { .. }
            | wallet::Event::CashDeclined { .. }
            | wallet::Event::Orphaned { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::Released { .. } => {}
            wallet::Event::Credited {
                operator,
                amount,
                repaid,
                credit,
                ..
            } => {
                // Cash comes in by the machine's own event; both meet in suspense, which is empty
                // when each of them has been booked.
                let source = match credit {
                    Credit::Cash | Credit::Believed | Credit::Judged => {
                        Account::Suspense(*operator)
                    }
                    Credit::TakenBack => Account::ClosedSales(*operator),
                };
                books.post(source, -*amount);
                books.post(Account::Closed(*operator, owner), *amount - *repaid);
                // The operator has its debt in cash: the sale was one for cash after all.
                books.post(Account::LateDebt(owner), *repaid);
                books.post(Account::PayableUncovered(*operator), -*repaid);
                books.post(Account::CashSales(*operator), *repaid);
            }
            wallet::Event::Refunded {
                operator,
                parts,
                forgiven,
                ..
            } => {
                books.post(Account::Emoney(owner), parts.emoney);
                books.post(Account::earned(*operator), -parts.emoney);
                books.post(Account::Closed(*operator, owner), parts.closed);
                books.post(Account::Refunds(*operator), -parts.closed);
                books.post(Account::LateDebt(owner), *forgiven);
                books.post(Account::PayableUncovered(*operator), -*forgiven);
            }
            wallet::Event::Captured {
                operator,
                purpose: Purpose::Test,
                parts,
                ..
            } => {
                books.post(Account::Promotions(*operator), -parts.total());
                books.post(Account::ClosedSales(*operator), parts.total());
            }
            wallet::Event::ToppedUp { amount, repaid, .. } => {
                books.post(Account::Safeguarding, -*amount);
                books.take_in(owner, (*amount, repaid));
            }
            wallet::Event::ToppedUpByCard { amount, repaid, .. } => {
                books.post(Account::CardInTransit, -*amount);
                books.take_in(owner, (*amount, repaid));
            }
            wallet::Event::CardSettled { amount, .. } => {
                books.post(Account::CardInTransit, *amount);
                books.post(Account::Safeguarding, -*amount);
            }
            wallet::Event::ChargedBack {
                unsettled,
                settled,
                taken,
                owed,
                ..
            } => {
                books.post(Account::CardInTransit, *unsettled);
                books.post(Account::Safeguarding, *settled);
                books.post(Account::Emoney(owner), -*taken);
                // The customer owes it to the platform, and the platform to the issuer.
                books.post(Account::ChargebacksDue, -*owed);
                books.post(Account::LateDebt(owner), -*owed);
                books.post(Account::PayableUncovered(OperatorId::PLATFORM), *owed);
            }
            wallet::Event::Sent { amount, .. } => {
                books.post(Account::Emoney(owner), -*amount);
                books.post(Account::TransferInTransit, *amount);
            }
            wallet::Event::Received { amount, repaid, .. } => {
                books.post(Account::TransferInTransit, -*amount);
                books.take_in(owner, (*amount, repaid));
            }
            wallet::Event::Returned { amount, .. } => {
                books.post(Account::TransferInTransit, -*amount);
                books.post(Account::Emoney(owner), *amount);
            }
            wallet::Event::Repaid { repaid, .. } => books.take_in(owner, (Amount::ZERO, repaid)),
            wallet::Event::WrittenOff {
                operator, amount, ..
            } => {
                books.post(Account::LateDebt(owner), *amount);
                books.post(Account::WriteOff(*operator), -*amount);
            }
            wallet::Event::Disputed {
                operator, amount, ..
            } => {
                books.post(Account::earned(*operator), -*amount);
                books.post(Account::Dispute(*operator), *amount);
            }
            wallet::Event::DisputeEnded {
                operator,
                amount,
                favour,
                ..
            } => {
                let to = match favour {
                    Favour::Customer => Account::Emoney(owner),
                    Favour::Operator => Account::earned(*operator),
                };
                books.post(Account::Dispute(*operator), -*amount);
                books.post(to, *amount);
            }
            wallet::Event::Given {
                operator, amount, ..
            } => {
                books.post(Account::Promotions(*operator), -*amount);
                books.post(Account::Closed(*operator, owner), *amount);
            }
            wallet::Event::Captured {
                operator,
                purpose: Purpose::Sale,
                parts,
                debt,
                fee,
                ..
            } => {
                books.post(Account::Closed(*operator, owner), -parts.closed);
                books.post(Account::ClosedSales(*operator), parts.closed);
                books.post(Account::Emoney(owner), -parts.emoney);
                books.post(Account::earned(*operator), parts.emoney - *fee);
                books.post(Account::Fees, *fee);
                books.post(Account::LateDebt(owner), -*debt);
                books.post(Account::PayableUncovered(*operator), *debt);
            }
        }
        books
    }

    /// Derives the postings of what happened to a machine of `operator`.
    pub fn of_machine(place: (MachineId, OperatorId), event: &machine::Event) -> Self {
        let (machine, operator) = place;
        let mut books = Self::default();
        match event {
            machine::Event::Tallied { sold, .. } => {
                let value = machine::value_of(sold);
                books.post(Account::CashBox(machine), -value);
                books.post(Account::CashSales(operator), value);
            }
            machine::Event::TookIn { amount, .. } => {
                books.post(Account::CashBox(machine), -*amount);
                books.post(Account::Suspense(operator), *amount);
            }
            machine::Event::Counted {
                counted, expected, ..
            } => {
                books.post(Account::CashAtBank(operator), -*counted);
                books.post(Account::CashBox(machine), *expected);
                books.post(Account::CashOverShort(operator), *counted - *expected);
            }
            machine::Event::Registered { .. }
            | machine::Event::Claimed { .. }
            | machine::Event::Listed { .. }
            | machine::Event::Delisted { .. }
            | machine::Event::LockOrdered { .. }
            | machine::Event::LockCarried { .. }
            | machine::Event::LockApplied { .. } => {}
        }
        books
    }

    /// Derives the postings of what happened to the money of `owner`: one for each currency.
    pub fn of_operator(owner: OperatorId, event: &operator::Event) -> Vec<(Currency, Self)> {
        let ours = Account::spendable(owner);
        let moved = |currency: Currency, amount: Amount, from: Account, to: Account| {
            let mut books = Self::default();
            books.post(from, -amount);
            books.post(to, amount);
            vec![(currency, books)]
        };
        match *event {
            operator::Event::Folded { ref moved, .. } => {
                let earned = Account::earned(owner);
                let folded = moved.iter().map(|total| {
                    let mut books = Self::default();
                    if earned != ours {
                        books.post(earned, -total.earned);
                        books.post(ours, total.earned);
                    }
                    (total.currency, books)
                });
                folded.collect()
            }
            operator::Event::PaidOut {
                currency, amount, ..
            } => moved(currency, amount, ours, Account::InTransit),
            operator::Event::PayoutSettled {
                currency, amount, ..
            } => moved(currency, amount, Account::InTransit, Account::Safeguarding),
            operator::Event::PayoutFailed {
                currency, amount, ..
            } => moved(currency, amount, Account::InTransit, ours),
            operator::Event::Promoted {
                currency, amount, ..
            } => moved(currency, amount, ours, Account::TransferInTransit),
            operator::Event::Returned {
                currency, amount, ..
            } => moved(currency, amount, Account::TransferInTransit, ours),
            operator::Event::Charged {
                currency, amount, ..
            } => moved(currency, amount, ours, Account::Fees),
            operator::Event::Deposited {
                currency, amount, ..
            } => moved(currency, amount, Account::Safeguarding, ours),
            operator::Event::Covered {
                currency, amount, ..
            } => moved(currency, amount, ours, Account::ChargebacksDue),
            operator::Event::Delivered { .. } => Vec::new(),
        }
    }

    /// The entries, in the order they were posted; none is of nothing.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The sum of all entries; 0 in a sound transaction.
    pub fn sum(&self) -> Amount {
        self.entries.iter().map(|entry| entry.amount).sum()
    }

    /// E-money comes in; what of it repays debts was a sale after all.
    fn take_in(&mut self, owner: WalletId, money: (Amount, &[(OperatorId, Amount)])) {
        let (amount, repaid) = money;
        let mut left = amount;
        for (operator, debt) in repaid {
            left = left - *debt;
            self.post(Account::LateDebt(owner), *debt);
            self.post(Account::PayableUncovered(*operator), -*debt);
            self.post(Account::earned(*operator), *debt);
        }
        self.post(Account::Emoney(owner), left);
    }

    fn post(&mut self, account: Account, amount: Amount) {
        if amount != Amount::ZERO {
            self.entries.push(Entry { account, amount });
        }
    }
}
