//! How a wallet changes: one arm for every event.

use super::limit::{Budget, Limits};
use super::names::Named;
use super::paid::Capture;
use super::transfer::{Fate, Outgoing};
use super::{BARRED_KEPT, Credit, Dispute, Event, Reason, Verdict, Wallet};
use crate::grant::{Doubt, Grant, GrantState, NO_RECEIPT, Parts, Purpose};
use crate::id::{Item, OperatorId, Rseq, VendId};
use crate::money::Amount;
use std::collections::VecDeque;
use thin_vec::ThinVec;

impl Wallet {
    /// Takes an event in: the only way in which a wallet changes.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Opened { currency } => self.currency = Some(*currency),
            Event::ToppedUp {
                key,
                amount,
                repaid,
            } => {
                self.take_in(*amount, repaid);
                self.names.keep(*key, Named::TopUp(*amount));
            }
            Event::Given {
                key,
                operator,
                amount,
            } => {
                add(&mut self.closed, *operator, *amount);
                self.names.keep(*key, Named::Gift(*operator, *amount));
            }
            Event::Reserved {
                vend,
                terms,
                held,
                revalue,
                at,
            } => {
                let grant = Grant::issued(*vend, *terms, *held, (*revalue, *at));
                self.trade_mut().holds.issue(grant);
            }
            Event::Sent {
                key,
                to,
                amount,
                at,
            } => self.sent(Outgoing {
                key: *key,
                to: *to,
                amount: *amount,
                at: *at,
            }),
            Event::Received {
                key,
                from,
                amount,
                repaid,
                ..
            } => {
                self.take_in(*amount, repaid);
                self.names.keep(*key, Named::received(*from, *amount));
            }
            Event::TurnedAway { key, from, amount } => {
                self.names.keep(*key, Named::turned_away(*from, *amount));
            }
            Event::Delivered { key } => self.ended(*key, Fate::Delivered),
            Event::Returned { key, amount, .. } => {
                self.emoney = self.emoney + *amount;
                self.ended(*key, Fate::Returned);
            }
            Event::Repaid { key, repaid } => {
                self.take_in(Amount::ZERO, repaid);
                self.names.keep(*key, Named::Repaid);
            }
            Event::WrittenOff {
                key,
                operator,
                amount,
            } => {
                self.written_off(*operator, *amount);
                self.names.keep(*key, Named::WrittenOff(*operator, *amount));
            }
            Event::ToppedUpByCard {
                key,
                amount,
                repaid,
            } => {
                self.take_in(*amount, repaid);
                self.rare_mut().cards.push((*key, *amount));
                self.names.keep(*key, Named::Card(*amount));
            }
            Event::CardSettled { key, .. } => {
                self.rare_mut().cards.retain(|(card, _)| card != key);
            }
            Event::ChargedBack {
                key,
                top_up,
                taken,
                owed,
                unsettled,
                ..
            } => {
                self.emoney = self.emoney - *taken;
                self.owe(OperatorId::PLATFORM, *owed);
                let amount = *taken + *owed;
                self.charged_back((*top_up, amount, *unsettled));
                self.names.keep(*key, Named::charged_back(*top_up, amount));
            }
            Event::Disputed {
                key,
                vend,
                rseq,
                operator,
                amount,
                ..
            } => self.disputed(Dispute {
                key: *key,
                vend: *vend,
                rseq: *rseq,
                operator: *operator,
                amount: *amount,
            }),
            Event::DisputeEnded { key, favour, .. } => self.dispute_ended(*key, *favour),
            Event::Barred { vend } => {
                push_bounded(&mut self.rare_mut().barred, *vend, BARRED_KEPT);
            }
            Event::Limited { key, limits } => {
                self.limit(*limits);
                let named = Named::Limits(Box::new(*limits));
                self.names.keep(*key, named);
            }
            Event::Captured {
                vend,
                rseq,
                operator,
                machine,
                item,
                purpose,
                parts,
                debt,
                freed,
                at,
                ..
            } => {
                let capture = Capture {
                    vend: *vend,
                    rseq: *rseq,
                    operator: *operator,
                    machine: *machine,
                    item: *item,
                    parts: *parts,
                    debt: *debt,
                    refunded: Parts::default(),
                    forgiven: Amount::ZERO,
                    at: *at,
                };
                self.capture(capture, *purpose);
                if freed.is_some()
                    && let Some(grant) = self.grant_mut(*vend)
                {
                    grant.held = Parts::default();
                    grant.state = GrantState::Closed;
                }
                self.shelve(*vend);
            }
            Event::Credited {
                vend,
                rseq,
                operator,
                amount,
                repaid,
                credit,
                at,
                ..
            } => {
                if self.undoubt(*vend, *rseq, Verdict::Credit).is_none() {
                    self.note(*vend, *rseq);
                    if let Some(grant) = self.grant_mut(*vend) {
                        grant.revalue_left = grant.revalue_left.above(*amount);
                    }
                }
                if *credit == Credit::Believed {
                    self.rare_mut().last_excused = Some(*at);
                }
                add(&mut self.closed, *operator, *amount - *repaid);
                self.owe(*operator, -*repaid);
                self.shelve(*vend);
            }
            Event::CashDoubted {
                vend,
                rseq,
                amount,
                at,
            } => {
                self.note(*vend, *rseq);
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.revalue_left = grant.revalue_left.above(*amount);
                    grant.doubt(Doubt {
                        rseq: *rseq,
                        item: Item::new(0),
                        parts: Parts::default(),
                        cash: *amount,
                        at: *at,
                    });
                }
            }
            Event::CashDeclined { vend, rseq } => {
                self.undoubt(*vend, *rseq, Verdict::Decline);
                self.shelve(*vend);
            }
            Event::Refunded {
                key,
                vend,
                rseq,
                operator,
                parts,
                forgiven,
                ..
            } => {
                let amount = parts.total() + *forgiven;
                self.names.keep(*key, Named::refund(*vend, *rseq, amount));
                self.trade_mut()
                    .captures
                    .give_back(*vend, *rseq, *parts, *forgiven);
                self.recount();
                self.emoney = self.emoney + parts.emoney;
                add(&mut self.closed, *operator, parts.closed);
                self.owe(*operator, -*forgiven);
            }
            Event::Orphaned { vend, at } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.doubt(Doubt {
                        rseq: NO_RECEIPT,
                        item: Item::new(0),
                        parts: grant.held,
                        cash: Amount::ZERO,
                        at: *at,
                    });
                    grant.held = Parts::default();
                    grant.state = GrantState::Fenced;
                }
            }
            Event::Failed { vend, rseq } | Event::Stray { vend, rseq, .. } => {
                self.note(*vend, *rseq);
            }
            Event::Excused { vend, rseq, at, .. } => {
                let is_test = self
                    .grant(*vend)
                    .is_some_and(|grant| grant.terms.purpose == Purpose::Test);
                if !is_test {
                    self.rare_mut().last_excused = Some(*at);
                }
                if self.undoubt(*vend, *rseq, Verdict::Forgive).is_none() {
                    self.note(*vend, *rseq);
                }
                self.shelve(*vend);
            }
            Event::Doubted {
                vend,
                rseq,
                item,
                parts,
                at,
            } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.held = grant.held.less(*parts);
                    grant.doubt(Doubt {
                        rseq: *rseq,
                        item: *item,
                        parts: *parts,
                        cash: Amount::ZERO,
                        at: *at,
                    });
                    grant.note(*rseq);
                    grant.counted = grant.counted.saturating_add(1);
                }
            }
            Event::Closing { vend, rseq } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.note(*rseq);
                } else {
                    self.trade_mut().holds.note_past(*vend, *rseq);
                }
            }
            Event::Released {
                vend,
                rseq,
                reason,
                freed,
                at,
            } => {
                let is_sale = self
                    .grant(*vend)
                    .is_some_and(|grant| grant.terms.purpose == Purpose::Sale);
                if *reason == Reason::ReaderLost && is_sale && freed.total().is_positive() {
                    self.rare_mut().last_excused = Some(*at);
                }
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.held = Parts::default();
                    grant.state = match reason {
                        Reason::Closed => GrantState::Closed,
                        Reason::Fenced | Reason::ReaderLost => GrantState::Fenced,
                        Reason::TimedOut => GrantState::Released,
                    };
                    if let Some(rseq) = rseq {
                        grant.note(*rseq);
                    }
                }
                self.shelve(*vend);
            }
        }
    }

    fn budget_mut(&mut self) -> Option<&mut Budget> {
        self.trade_mut().rare.as_mut()?.budget.as_mut()
    }

    pub(super) fn owe(&mut self, operator: OperatorId, amount: Amount) {
        if amount != Amount::ZERO {
            let owed = &mut self.rare_mut().owed;
            add(owed, operator, amount);
            owed.retain(|(_, amount)| amount.is_positive());
        }
    }

    fn limit(&mut self, limits: Limits) {
        let budget = (!limits.is_none()).then(|| self.budget_of(limits));
        if budget.is_some() || self.rare().is_some() {
            self.rare_mut().budget = budget;
        }
    }

    /// What was given back of a sale was not spent.
    pub(super) fn recount(&mut self) {
        if let Some(limits) = self.budget().map(Budget::limits) {
            self.limit(limits);
        }
    }

    fn budget_of(&self, limits: Limits) -> Budget {
        let sold = self.captures_kept().iter();
        Budget::new(limits, sold.map(|capture| (capture.left(), capture.at)))
    }

    fn grant_mut(&mut self, vend: VendId) -> Option<&mut Grant> {
        self.trade_mut().holds.find_mut(vend)
    }

    fn shelve(&mut self, vend: VendId) {
        self.trade_mut().holds.shelve(vend);
    }

    fn capture(&mut self, capture: Capture, purpose: Purpose) {
        let Capture {
            vend,
            rseq,
            operator,
            parts,
            debt,
            ..
        } = capture;
        if let Some(grant) = self.grant_mut(vend) {
            if grant.judge(rseq, Verdict::Charge).is_some() {
                grant.captured = grant.captured + parts.total();
            } else {
                if grant.state == GrantState::Issued {
                    grant.held = grant.held.less(parts);
                }
                grant.note(rseq);
                grant.counted = grant.counted.saturating_add(1);
                grant.vends = grant.vends.saturating_add(1);
                grant.told = grant.told + parts.total() + debt;
                grant.captured = grant.captured + parts.total() + debt;
            }
        }
        if purpose == Purpose::Sale {
            self.emoney = self.emoney - parts.emoney;
            add(&mut self.closed, operator, -parts.closed);
            self.owe(operator, debt);
            self.trade_mut().captures.keep(&capture);
            if let Some(budget) = self.budget_mut() {
                budget.spend(parts.total() + debt, capture.at);
            }
        }
    }

    /// Takes a receipt in that has no price of its own.
    fn note(&mut self, vend: VendId, rseq: Rseq) {
        if let Some(grant) = self.grant_mut(vend) {
            grant.note(rseq);
            grant.counted = grant.counted.saturating_add(1);
        } else {
            self.trade_mut().holds.note_past(vend, rseq);
        }
    }

    /// Ends a doubt by a decision, when there is one.
    fn undoubt(&mut self, vend: VendId, rseq: Rseq, verdict: Verdict) -> Option<Doubt> {
        self.grant_mut(vend)?.judge(rseq, verdict)
    }
}

fn add(balances: &mut ThinVec<(OperatorId, Amount)>, operator: OperatorId, amount: Amount) {
    if amount == Amount::ZERO {
        return;
    }
    match balances.iter_mut().find(|(owner, _)| *owner == operator) {
        Some((_, balance)) => *balance = *balance + amount,
        None => balances.push((operator, amount)),
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, kept: usize) {
    if queue.len() >= kept {
        queue.pop_front();
    }
    queue.push_back(item);
}
