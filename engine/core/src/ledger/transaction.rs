use super::Account;
use crate::id::WalletId;
use crate::money::Amount;
use crate::wallet;

/// One line of the books: an account and what it gains (or, below zero, loses).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// What it gains.
    pub amount: Amount,
}

/// The double entry of one wallet event. A transaction whose entries do not sum to 0 is a bug,
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
            | wallet::Event::Reserved { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Excused { .. }
            | wallet::Event::Doubted { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. }
            | wallet::Event::Released { .. } => {}
            wallet::Event::ToppedUp { amount, repaid, .. } => {
                let mut left = *amount;
                books.post(Account::Safeguarding, -*amount);
                for (operator, debt) in repaid {
                    left = left - *debt;
                    books.post(Account::LateDebt(owner), *debt);
                    books.post(Account::PayableUncovered(*operator), -*debt);
                    books.post(Account::PayableCovered(*operator), *debt);
                }
                books.post(Account::Emoney(owner), left);
            }
            wallet::Event::Given {
                operator, amount, ..
            } => {
                books.post(Account::Promotions(*operator), -*amount);
                books.post(Account::Closed(*operator, owner), *amount);
            }
            wallet::Event::Captured {
                operator,
                parts,
                debt,
                fee,
                ..
            } => {
                books.post(Account::Closed(*operator, owner), -parts.closed);
                books.post(Account::ClosedSales(*operator), parts.closed);
                books.post(Account::Emoney(owner), -parts.emoney);
                books.post(Account::PayableCovered(*operator), parts.emoney - *fee);
                books.post(Account::Fees, *fee);
                books.post(Account::LateDebt(owner), -*debt);
                books.post(Account::PayableUncovered(*operator), *debt);
            }
        }
        books
    }

    /// The entries, in the order they were posted; none is of nothing.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The sum of all entries; 0 in a sound transaction.
    pub fn sum(&self) -> Amount {
        self.entries.iter().map(|entry| entry.amount).sum()
    }

    fn post(&mut self, account: Account, amount: Amount) {
        if amount != Amount::ZERO {
            self.entries.push(Entry { account, amount });
        }
    }
}
