//! Money that goes to another wallet, and money that comes from one.

use super::names::Named;
use super::state::Wallet;
use super::{Event, OUTGOING_MAX, Refusal, TRANSFERS_MAX};
use crate::id::{TransferId, WalletId};
use crate::money::{Amount, Currency};
use crate::time::Timestamp;
use crate::transfer::Party;
use rkyv::{Archive, Deserialize, Serialize};

/// Money that has left a wallet and has neither arrived nor come back.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The transfer's name.
    pub key: TransferId,
    /// Where it goes.
    pub to: WalletId,
    /// How much.
    pub amount: Amount,
    /// When it left.
    pub at: Timestamp,
}

/// What became of a transfer to another wallet.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Underway,
    Delivered,
    Returned,
}

impl Wallet {
    /// Transfers that have left and are neither confirmed nor back; whoever drives them goes on with
    /// each of them after a restart.
    pub fn outgoing(&self) -> &[Outgoing] {
        self.rare().map_or(&[], |rare| &rare.outgoing)
    }

    pub(super) fn send(
        &self,
        key: TransferId,
        to: (WalletId, Currency, Amount),
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let (to, currency, amount) = to;
        let named = Named::sent(to, amount, Fate::Underway);
        if self.is_known(key, &named)? {
            return Ok(None);
        }
        self.same_currency(currency)?;
        if !amount.is_positive() {
            return Err(Refusal::BadAmount { amount });
        }
        let owed = self.owed();
        if owed.is_positive() {
            return Err(Refusal::InDebt { owed });
        }
        self.has_free(amount)?;
        if self.outgoing().len() >= OUTGOING_MAX {
            return Err(super::state::full("transfers under way", OUTGOING_MAX));
        }
        Ok(Some(Event::Sent {
            key,
            to,
            amount,
            at,
        }))
    }

    pub(super) fn receive(
        &self,
        key: TransferId,
        from: (Party, Currency, Amount),
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let (from, currency, amount) = from;
        if self.names.find(key) == Some(&Named::turned_away(from, amount)) {
            return Err(Refusal::TurnedAway);
        }
        if self.is_known(key, &Named::received(from, amount))? {
            return Ok(None);
        }
        self.same_currency(currency)?;
        super::state::movable(amount, self.emoney)?;
        Ok(Some(Event::Received {
            key,
            from,
            amount,
            repaid: self.repayments(amount),
            at,
        }))
    }

    /// Once this is done the transfer can never arrive. A name that was used for something else, or
    /// that finds no room, can never arrive either.
    pub(super) fn turn_away(
        &self,
        key: TransferId,
        from: (Party, Amount),
    ) -> Result<Option<Event>, Refusal> {
        let (from, amount) = from;
        match self.names.find(key) {
            Some(known) if *known == Named::received(from, amount) => Err(Refusal::Arrived),
            Some(_) => Ok(None),
            None if self.names.len() >= TRANSFERS_MAX => Ok(None),
            None => Ok(Some(Event::TurnedAway { key, from, amount })),
        }
    }

    pub(super) fn confirm(&self, key: TransferId) -> Result<Option<Event>, Refusal> {
        match self.names.find(key) {
            Some(Named::Sent(.., Fate::Underway)) => Ok(Some(Event::Delivered { key })),
            Some(Named::Sent(.., Fate::Delivered)) => Ok(None),
            _ => Err(Refusal::NoSuchTransfer),
        }
    }

    pub(super) fn give_back(
        &self,
        key: TransferId,
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        match self.names.find(key) {
            Some(Named::Sent(sum, Fate::Underway)) => Ok(Some(Event::Returned {
                key,
                amount: sum.1,
                at,
            })),
            Some(Named::Sent(.., Fate::Returned)) => Ok(None),
            _ => Err(Refusal::NoSuchTransfer),
        }
    }

    pub(super) fn sent(&mut self, outgoing: Outgoing) {
        let Outgoing {
            key, to, amount, ..
        } = outgoing;
        self.emoney = self.emoney - amount;
        self.names
            .keep(key, Named::sent(to, amount, Fate::Underway));
        self.rare_mut().outgoing.push(outgoing);
    }

    pub(super) fn ended(&mut self, key: TransferId, end: Fate) {
        if let Some(Named::Sent(.., fate)) = self.names.find_mut(key) {
            *fate = end;
        }
        if let Some(rare) = &mut self.trade_mut().rare {
            rare.outgoing.retain(|outgoing| outgoing.key != key);
        }
    }
}
