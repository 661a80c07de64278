//! A grant as the board holds it: how much, how often, how long.

use super::shell::{Fresh, LastResult, Note};
use crate::id::{Bind, Item, Nonce, VendId};
use crate::money::{Amount, Currency};
use core::time::Duration;

/// What the server allows, as its GRANT says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The hold's name.
    pub grant: VendId,
    /// The HELLO it answers.
    pub nonce: Nonce,
    /// The link that HELLO went out on.
    pub bind: Bind,
    /// The money it is in.
    pub currency: Currency,
    /// That money's decimals.
    pub exponent: u8,
    /// The cap of all vends together, in minor units.
    pub spend_max: u32,
    /// How many good vends.
    pub vends_max: u8,
    /// How much cash it may take in, in minor units.
    pub revalue_max: u32,
    /// The balance to show, in minor units; it decides nothing.
    pub balance: i32,
    /// How long it lives, from the HELLO.
    pub ttl: Duration,
    /// What the customer wants to be made at once.
    pub favourite: Option<Favourite>,
}

/// A selection that the customer has made beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Favourite {
    /// The selection.
    pub item: Item,
    /// How it is to be made; only the machine reads it.
    pub options: u32,
}

/// One live grant and what has been used of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The hold's name.
    pub(super) id: VendId,
    spend_left: u32,
    vends_left: u8,
    revalue_left: u32,
    balance: i64,
    /// When it ends, whatever happens.
    pub(super) ends: Duration,
    /// Since when nothing has happened on it.
    pub(super) idle_since: Duration,
    /// What the phone may come back with.
    pub(super) resume: Fresh,
    /// Since when its phone is gone.
    pub(super) alone_since: Option<Duration>,
    /// Why it is over, once it is.
    pub(super) over: Option<Note>,
    /// What the machine has still to be asked for.
    favourite: Option<Favourite>,
    /// How its last vend ended.
    pub(super) last: LastResult,
    receipts: u16,
    total: Amount,
}

impl Grant {
    /// Opens a grant on `terms`, for a HELLO made at `greeted`.
    pub(super) fn open(terms: &Terms, times: GrantTimes, resume: Fresh) -> Self {
        let ttl = terms.ttl.min(times.life_max);
        Self {
            id: terms.grant,
            spend_left: terms.spend_max,
            vends_left: terms.vends_max,
            revalue_left: terms.revalue_max,
            balance: i64::from(terms.balance),
            ends: times.greeted.saturating_add(ttl),
            idle_since: times.now,
            resume,
            alone_since: None,
            over: None,
            favourite: terms.favourite,
            last: LastResult::None,
            receipts: 0,
            total: Amount::ZERO,
        }
    }

    /// What may still be spent.
    pub fn remaining(&self) -> Amount {
        match self.vends_left {
            0 => Amount::ZERO,
            _ => Amount::from_minor(i64::from(self.spend_left)),
        }
    }

    /// The balance to show, in minor units, less what was spent since; it decides nothing.
    pub const fn balance(&self) -> i64 {
        self.balance
    }

    /// What the machine is told: the least of the balance and what is left, never below nothing.
    pub(super) fn funds(&self) -> u32 {
        let shown = self.balance.clamp(0, i64::from(self.spend_left));
        u32::try_from(shown).unwrap_or(0)
    }

    /// What the machine is to be asked for, once.
    pub(super) const fn take_favourite(&mut self) -> Option<Favourite> {
        self.favourite.take()
    }

    /// Whether nothing is left to spend.
    pub(super) const fn is_spent(&self) -> bool {
        self.spend_left == 0 || self.vends_left == 0
    }

    /// Whether nothing is left to spend, and no cash may be put in either.
    pub(super) const fn is_used_up(&self) -> bool {
        self.is_spent() && self.revalue_left == 0
    }

    /// How much cash may still be put in.
    pub(super) const fn revalue_left(&self) -> u32 {
        self.revalue_left
    }

    /// Whether this much cash is inside the grant.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) const fn admit_cash(&self, amount: u32) -> Result<(), Note> {
        match amount {
            1.. if amount <= self.revalue_left => Ok(()),
            _ => Err(Note::CashRefused),
        }
    }

    /// Books cash that the machine has taken in.
    pub(super) fn revalue(&mut self, amount: u32) {
        self.revalue_left = self.revalue_left.saturating_sub(amount);
    }

    /// Whether a vend at `price` is inside the grant.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) const fn admit(&self, price: u32) -> Result<(), Note> {
        if self.vends_left == 0 {
            return Err(Note::NoVendLeft);
        }
        match price.checked_sub(self.spend_left) {
            None | Some(0) => Ok(()),
            Some(short_by) => Err(Note::Short(short_by)),
        }
    }

    /// Books a vend that the machine delivered.
    pub(super) fn spend(&mut self, price: u32) {
        self.spend_left = self.spend_left.saturating_sub(price);
        self.vends_left = self.vends_left.saturating_sub(1);
        self.balance = self.balance.saturating_sub(i64::from(price));
        self.total = self.total + Amount::from_minor(i64::from(price));
    }

    /// Counts a receipt that its CLOSE has to name.
    pub(super) fn count(&mut self) {
        self.receipts = self.receipts.saturating_add(1);
    }

    /// Ends the grant, unless it has ended already.
    pub(super) fn end(&mut self, why: Note) {
        self.over.get_or_insert(why);
    }

    /// The CLOSE's two figures: how many receipts, and the total of the good vends.
    pub(super) const fn close(&self) -> (u16, Amount) {
        (self.receipts, self.total)
    }
}

/// The three times that make a grant's end.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrantTimes {
    /// When it came.
    pub(super) now: Duration,
    /// When its HELLO was made; its life counts from there.
    pub(super) greeted: Duration,
    /// How long any grant may live.
    pub(super) life_max: Duration,
}
