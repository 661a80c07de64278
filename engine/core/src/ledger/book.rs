use super::{Account, Transaction};
use crate::money::{Amount, Currency};
use std::collections::BTreeMap;

/// Balances of every account, folded from transactions. Nothing decides by it: it is what the
/// audit compares with, and what statements read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Book {
    balances: BTreeMap<(Currency, Account), Amount>,
}

impl Book {
    /// Adds a transaction of `currency`.
    pub fn post(&mut self, currency: Currency, transaction: &Transaction) {
        for entry in transaction.entries() {
            let balance = self
                .balances
                .entry((currency, entry.account))
                .or_insert(Amount::ZERO);
            *balance = *balance + entry.amount;
        }
    }

    /// The balance of one account; an account never posted to has 0.
    pub fn balance(&self, currency: Currency, account: Account) -> Amount {
        self.balances
            .get(&(currency, account))
            .copied()
            .unwrap_or(Amount::ZERO)
    }

    /// Every account that was ever posted to, in order.
    pub fn balances(&self) -> impl Iterator<Item = (Currency, Account, Amount)> + '_ {
        self.balances
            .iter()
            .map(|((currency, account), amount)| (*currency, *account, *amount))
    }
}
