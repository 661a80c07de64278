//! What a customer owes, and how it goes.

use super::names::Named;
use super::state::Wallet;
use super::{Event, Refusal};
use crate::id::{OperatorId, TransferId};
use crate::money::Amount;

impl Wallet {
    /// Repays from what is free, as far as it goes.
    pub(super) fn repay(&self, key: TransferId) -> Result<Option<Event>, Refusal> {
        if self.is_known(key, &Named::Repaid)? {
            return Ok(None);
        }
        let owed = self.owed();
        if !owed.is_positive() {
            return Err(Refusal::NoDebt { owed });
        }
        let least = Amount::from_minor(1);
        self.has_free(least)?;
        let repaid = self.repayments(self.free_emoney());
        Ok(Some(Event::Repaid { key, repaid }))
    }

    pub(super) fn write_off(
        &self,
        key: TransferId,
        debt: (OperatorId, Amount),
    ) -> Result<Option<Event>, Refusal> {
        let (operator, amount) = debt;
        if self.is_known(key, &Named::WrittenOff(operator, amount))? {
            return Ok(None);
        }
        if !amount.is_positive() {
            return Err(Refusal::BadAmount { amount });
        }
        let owed = self.owed_to(operator);
        if amount > owed {
            return Err(Refusal::NoDebt { owed });
        }
        Ok(Some(Event::WrittenOff {
            key,
            operator,
            amount,
        }))
    }

    /// What of `amount` goes to whom.
    pub(super) fn repayments(&self, amount: Amount) -> Vec<(OperatorId, Amount)> {
        let mut left = amount;
        let mut repaid = Vec::new();
        for (operator, debt) in self.debts() {
            let part = (*debt).min(left);
            if part.is_positive() {
                left = left - part;
                repaid.push((*operator, part));
            }
        }
        repaid
    }

    /// Takes e-money in, less what of it goes to repay debts.
    pub(super) fn take_in(&mut self, amount: Amount, repaid: &[(OperatorId, Amount)]) {
        let mut left = amount;
        for (operator, part) in repaid {
            left = left - *part;
            self.owe(*operator, -*part);
        }
        self.emoney = self.emoney + left;
    }

    /// A debt that is written off was never paid, so it cannot be given back either.
    pub(super) fn written_off(&mut self, operator: OperatorId, amount: Amount) {
        self.owe(operator, -amount);
        self.trade_mut().captures.write_off(operator, amount);
        self.recount();
    }
}
