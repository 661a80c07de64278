use super::dispute::Dispute;
use super::holds::Holds;
use super::limit::{Budget, Limits, Usage};
use super::names::{Named, Names};
use super::paid::{Capture, Captures};
use super::transfer::Outgoing;
use super::{CLOSED_MAX, Command, Event, Reason, Refusal, TRANSFERS_MAX, Verdict};
use crate::entity::Entity;
use crate::grant::{Grant, GrantState, Parts, Past};
use crate::id::{OperatorId, Rseq, TransferId, VendId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;
use crate::unknown;
use core::time::Duration;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::VecDeque;
use thin_vec::ThinVec;

/// One customer's money in one currency. There are very many wallets, and most of them rest.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Wallet {
    pub(super) currency: Option<Currency>,
    pub(super) emoney: Amount,
    pub(super) closed: ThinVec<(OperatorId, Amount)>,
    // All of them: a name that was forgotten could move its money again.
    pub(super) names: Names,
    trade: Option<Box<Trade>>,
}

/// What a wallet has once it was held money of.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Trade {
    pub(super) holds: Holds,
    pub(super) captures: Captures,
    pub(super) rare: Option<Box<Rare>>,
}

/// What a wallet has that never traded.
static NO_TRADE: Trade = Trade {
    holds: Holds::new(),
    captures: Captures::new(),
    rare: None,
};

/// What most wallets never have.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rare {
    pub(super) owed: ThinVec<(OperatorId, Amount)>,
    pub(super) barred: VecDeque<VendId>,
    pub(super) last_excused: Option<Timestamp>,
    pub(super) budget: Option<Budget>,
    pub(super) outgoing: Vec<Outgoing>,
    pub(super) disputes: Vec<Dispute>,
    pub(super) cards: Vec<(TransferId, Amount)>,
    pub(super) charged_back: Vec<(TransferId, Amount)>,
}

/// What a wallet shows of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Its currency.
    pub currency: Currency,
    /// E-money, held or not.
    pub emoney: Amount,
    /// Each operator's closed wallet, held or not.
    pub closed: Vec<(OperatorId, Amount)>,
    /// What live holds keep.
    pub pending: Amount,
    /// What the customer owes.
    pub owed: Amount,
}

impl Wallet {
    /// Its currency, once it is open.
    pub const fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// What it shows of itself, once it is open.
    pub fn balance(&self) -> Option<Balance> {
        Some(Balance {
            currency: self.currency?,
            emoney: self.emoney,
            closed: self.closed.to_vec(),
            pending: self.pending(),
            owed: self.owed(),
        })
    }

    /// What may be spent in a day, a week and a month.
    pub fn limits(&self) -> Limits {
        self.budget().map(Budget::limits).unwrap_or_default()
    }

    /// How far each of its limits is used; what holds keep comes on top.
    pub fn usage(&self, now: Timestamp) -> impl Iterator<Item = Usage> + '_ {
        self.budget()
            .into_iter()
            .flat_map(move |budget| budget.usage(now))
    }

    /// What may be spent at `operator` now.
    pub fn available(&self, operator: OperatorId) -> Parts {
        let mut free = Parts {
            closed: self.closed_at(operator),
            emoney: self.emoney,
        };
        for grant in self.live() {
            let pending = grant.pending();
            free.emoney = free.emoney - pending.emoney;
            if grant.terms.operator == operator {
                free.closed = free.closed - pending.closed;
            }
        }
        free
    }

    /// Reads a little of what lies behind the wallet itself, so that it is near when a command needs
    /// it. What it gives means nothing.
    pub fn look(&self) -> usize {
        self.closed.len() ^ self.captures_kept().len() ^ self.live().len()
    }

    /// The same of what lies behind that: where the next hold and the next sale will go.
    pub fn look_behind(&self) -> usize {
        self.trade().holds.look() ^ self.captures_kept().look()
    }

    /// A hold of which something can still come: a live one, or one that was released for want of
    /// news.
    pub fn grant(&self, vend: VendId) -> Option<&Grant> {
        self.trade().holds.find(vend)
    }

    /// A hold of which nothing can come any more, as long as it is kept.
    pub fn past(&self, vend: VendId) -> Option<Past> {
        self.trade().holds.past(vend)
    }

    /// Whether there is or was a hold of this name.
    pub fn knows(&self, vend: VendId) -> bool {
        self.grant(vend).is_some() || self.past(vend).is_some()
    }

    /// Live holds.
    pub fn live(&self) -> &[Grant] {
        self.trade().holds.live()
    }

    /// Sales that can still be refunded, oldest first.
    pub fn captures(&self) -> impl Iterator<Item = Capture> {
        self.captures_kept().iter()
    }

    /// Whether all that is packed in it can be read; no other wallet is ever made.
    pub(crate) fn is_whole(&self) -> bool {
        let trade = self.trade();
        trade.holds.is_whole() && trade.captures.is_whole()
    }

    /// The sale of one receipt, if it can still be refunded.
    pub fn captured(&self, vend: VendId, rseq: Rseq) -> Option<Capture> {
        self.captures_kept().find(vend, rseq)
    }

    /// Holds of which nothing was heard for `silence`, and doubts that waited longer than anybody
    /// should: the commands that end them.
    pub fn overdue(&self, now: Timestamp, silence: Duration) -> Vec<Command> {
        let held = self.live().iter().filter(|grant| {
            grant.state == GrantState::Issued && now.since(grant.issued_at) >= silence
        });
        let releases = held.map(|grant| Command::Release {
            vend: grant.vend,
            reason: Reason::TimedOut,
        });
        let doubts = self
            .live()
            .iter()
            .flat_map(|grant| grant.doubts().iter().map(|doubt| (grant.vend, doubt)));
        // Cash waits for its count, however long: nobody knows whether there is any.
        let old = doubts.filter(|(_, doubt)| {
            !doubt.cash.is_positive() && now.since(doubt.at) >= unknown::DOUBT_MAX
        });
        let judgements = old.map(|(vend, doubt)| Command::Judge {
            vend,
            rseq: doubt.rseq,
            verdict: Verdict::Forgive,
        });
        releases.chain(judgements).collect()
    }

    fn trade(&self) -> &Trade {
        self.trade.as_deref().unwrap_or(&NO_TRADE)
    }

    pub(super) fn trade_mut(&mut self) -> &mut Trade {
        self.trade.get_or_insert_default()
    }

    pub(super) fn captures_kept(&self) -> &Captures {
        &self.trade().captures
    }

    pub(super) fn rare(&self) -> Option<&Rare> {
        self.trade().rare.as_deref()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.trade_mut().rare.get_or_insert_default()
    }

    pub(super) fn debts(&self) -> &[(OperatorId, Amount)] {
        self.rare().map_or(&[], |rare| &rare.owed)
    }

    pub(super) fn budget(&self) -> Option<&Budget> {
        self.rare()?.budget.as_ref()
    }

    pub(super) fn last_excused(&self) -> Option<Timestamp> {
        self.rare()?.last_excused
    }

    pub(super) fn is_barred(&self, vend: VendId) -> bool {
        let rare = self.rare();
        rare.is_some_and(|rare| rare.barred.contains(&vend))
    }

    pub(super) fn pending(&self) -> Amount {
        self.live()
            .iter()
            .map(|grant| grant.pending().total())
            .sum()
    }

    pub(super) fn owed_to(&self, operator: OperatorId) -> Amount {
        let debt = self.debts().iter().find(|(owner, _)| *owner == operator);
        debt.map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    pub(super) fn closed_at(&self, operator: OperatorId) -> Amount {
        self.closed
            .iter()
            .find(|(owner, _)| *owner == operator)
            .map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    pub(super) fn owed(&self) -> Amount {
        self.debts().iter().map(|(_, amount)| *amount).sum()
    }

    /// Whether the same was done under this name before.
    pub(super) fn is_known(&self, key: TransferId, named: &Named) -> Result<bool, Refusal> {
        match self.names.find(key) {
            None if self.names.len() >= TRANSFERS_MAX => Err(full("transfers", TRANSFERS_MAX)),
            None => Ok(false),
            Some(known) if known.asks_the_same(named) => Ok(true),
            Some(_) => Err(Refusal::NameReused),
        }
    }

    pub(super) fn same_currency(&self, currency: Currency) -> Result<(), Refusal> {
        match self.currency {
            Some(ours) if ours == currency => Ok(()),
            Some(ours) => Err(Refusal::OtherCurrency { currency: ours }),
            None => Err(Refusal::NotOpen),
        }
    }

    /// E-money that no hold keeps.
    pub(super) fn free_emoney(&self) -> Amount {
        let pending: Amount = self.live().iter().map(|grant| grant.pending().emoney).sum();
        self.emoney - pending
    }

    pub(super) fn has_free(&self, amount: Amount) -> Result<(), Refusal> {
        let available = self.free_emoney();
        if available < amount {
            return Err(Refusal::InsufficientFunds {
                available,
                short_by: amount - available,
                pending: self.pending(),
            });
        }
        Ok(())
    }
}

impl Entity for Wallet {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Refusal> {
        let opened = self.currency;
        if let Command::Open { currency } = *command {
            return match opened {
                None => Ok(Some(Event::Opened { currency })),
                Some(ours) if ours == currency => Ok(None),
                Some(ours) => Err(Refusal::OtherCurrency { currency: ours }),
            };
        }
        if opened.is_none() {
            return Err(Refusal::NotOpen);
        }
        match *command {
            Command::Open { .. } => Ok(None),
            Command::TopUp { key, amount } => {
                if self.is_known(key, &Named::TopUp(amount))? {
                    return Ok(None);
                }
                movable(amount, self.emoney)?;
                let repaid = self.repayments(amount);
                Ok(Some(Event::ToppedUp {
                    key,
                    amount,
                    repaid,
                }))
            }
            Command::Give {
                key,
                operator,
                amount,
            } => {
                if self.is_known(key, &Named::Gift(operator, amount))? {
                    return Ok(None);
                }
                movable(amount, self.closed_at(operator))?;
                if self.closed.len() >= CLOSED_MAX
                    && !self.closed.iter().any(|(owner, _)| *owner == operator)
                {
                    return Err(full("closed wallets", CLOSED_MAX));
                }
                Ok(Some(Event::Given {
                    key,
                    operator,
                    amount,
                }))
            }
            Command::Limit { key, limits } => {
                if self.is_known(key, &Named::Limits(Box::new(limits)))? {
                    return Ok(None);
                }
                limits.check()?;
                Ok(Some(Event::Limited { key, limits }))
            }
            Command::Reserve { vend, terms } => self.reserve(vend, terms, now),
            Command::Settle {
                vend,
                rseq,
                outcome,
            } => self.settle(vend, rseq, outcome, now),
            Command::Finish {
                vend,
                rseq,
                outcome,
            } => self.finish(vend, rseq, outcome, now),
            Command::Judge {
                vend,
                rseq,
                verdict,
            } => self.judge(vend, rseq, verdict, now),
            Command::Refund {
                key,
                vend,
                rseq,
                amount,
            } => self.refund(key, (vend, rseq), amount, now),
            Command::Release { vend, reason } => Ok(self.release(vend, reason, now)),
            Command::Send {
                key,
                to,
                currency,
                amount,
            } => self.send(key, (to, currency, amount), now),
            Command::Receive {
                key,
                from,
                currency,
                amount,
            } => self.receive(key, (from, currency, amount), now),
            Command::TurnAway { key, from, amount } => self.turn_away(key, (from, amount)),
            Command::Confirm { key } => self.confirm(key),
            Command::Return { key } => self.give_back(key, now),
            Command::Repay { key } => self.repay(key),
            Command::WriteOff {
                key,
                operator,
                amount,
            } => self.write_off(key, (operator, amount)),
            Command::TopUpByCard { key, amount } => self.top_up_by_card(key, amount),
            Command::SettleCard { key } => self.settle_card(key),
            Command::ChargeBack {
                key,
                top_up,
                amount,
            } => self.charge_back(key, (top_up, amount)),
            Command::Dispute {
                key,
                vend,
                rseq,
                amount,
            } => self.dispute(key, (vend, rseq, amount), now),
            Command::EndDispute { key, favour } => self.end_dispute(key, favour, now),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.take(event);
    }
}

pub(super) fn movable(amount: Amount, onto: Amount) -> Result<(), Refusal> {
    let most = Amount::from_minor(AMOUNT_MAX);
    if amount.is_positive()
        && amount <= most
        && onto.plus(amount).is_some_and(|balance| balance <= most)
    {
        Ok(())
    } else {
        Err(Refusal::BadAmount { amount })
    }
}

pub(super) const fn full(what: &'static str, limit: usize) -> Refusal {
    Refusal::Full { what, limit }
}
