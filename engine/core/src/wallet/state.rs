use super::dispute::Dispute;
use super::limit::{Budget, Limits, Usage};
use super::names::{Named, Names};
use super::paid::{Capture, Captures};
use super::transfer::{Fate, Outgoing};
use super::{
    BARRED_KEPT, CAPTURE_KEPT, CLOSED_MAX, Command, Credit, Event, LIVE_MAX, Outcome, Proof,
    RESOLVED_KEPT, Reason, Refusal, Review, StrayReason, TRANSFERS_MAX, Verdict,
};
use crate::entity::Entity;
use crate::grant::{Doubt, Grant, GrantState, NO_RECEIPT, Parts, Purpose, RECEIPTS_MAX, Terms};
use crate::id::{Item, OperatorId, Rseq, TransferId, VendId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;
use crate::unknown::{self, Ruling, Unseen};
use core::time::Duration;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::VecDeque;

/// One customer's money in one currency.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Wallet {
    currency: Option<Currency>,
    pub(super) emoney: Amount,
    closed: Vec<(OperatorId, Amount)>,
    live: Vec<Grant>,
    resolved: VecDeque<Grant>,
    // All of them: a name that was forgotten could move its money again.
    pub(super) names: Names,
    pub(super) captures: Captures,
    pub(super) rare: Option<Box<Rare>>,
}

/// What most wallets never have. There are very many wallets.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rare {
    owed: Vec<(OperatorId, Amount)>,
    barred: VecDeque<VendId>,
    last_excused: Option<Timestamp>,
    budget: Option<Budget>,
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
            closed: self.closed.clone(),
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
        for grant in &self.live {
            let pending = grant.pending();
            free.emoney = free.emoney - pending.emoney;
            if grant.terms.operator == operator {
                free.closed = free.closed - pending.closed;
            }
        }
        free
    }

    /// Reads a little of everything that lies in the wallet itself, so that it is near when a
    /// command needs it. What it gives means nothing.
    pub fn look(&self) -> usize {
        self.live.len() ^ self.resolved.len() ^ self.captures.len() ^ self.closed.len()
    }

    /// The same of what lies behind it: where the next hold and the next sale will go.
    pub fn look_behind(&self) -> usize {
        let live = self.live.first().map_or(0, |grant| grant.receipts.len());
        let resolved = self.resolved.back().map_or(0, |grant| grant.doubted.len());
        live ^ resolved ^ self.captures.look()
    }

    /// A hold, live or among the resolved ones still kept.
    pub fn grant(&self, vend: VendId) -> Option<&Grant> {
        self.live
            .iter()
            .chain(self.resolved.iter().rev())
            .find(|grant| grant.vend == vend)
    }

    /// Live holds.
    pub fn live(&self) -> &[Grant] {
        &self.live
    }

    /// Sales that can still be refunded, oldest first.
    pub fn captures(&self) -> impl DoubleEndedIterator<Item = Capture> {
        self.captures.iter()
    }

    /// The sale of one receipt, if it can still be refunded.
    pub fn captured(&self, vend: VendId, rseq: Rseq) -> Option<Capture> {
        self.captures.find(vend, rseq)
    }

    /// Holds of which nothing was heard for `silence`, and doubts that waited longer than anybody
    /// should: the commands that end them.
    pub fn overdue(&self, now: Timestamp, silence: Duration) -> Vec<Command> {
        let held = self.live.iter().filter(|grant| {
            grant.state == GrantState::Issued && now.since(grant.issued_at) >= silence
        });
        let releases = held.map(|grant| Command::Release {
            vend: grant.vend,
            reason: Reason::TimedOut,
        });
        let doubts = self
            .live
            .iter()
            .flat_map(|grant| grant.doubted.iter().map(|doubt| (grant.vend, doubt)));
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

    pub(super) fn debts(&self) -> &[(OperatorId, Amount)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.owed)
    }

    fn budget(&self) -> Option<&Budget> {
        self.rare.as_ref()?.budget.as_ref()
    }

    fn last_excused(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.last_excused
    }

    fn is_barred(&self, vend: VendId) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.barred.contains(&vend))
    }

    fn pending(&self) -> Amount {
        self.live.iter().map(|grant| grant.pending().total()).sum()
    }

    pub(super) fn owed_to(&self, operator: OperatorId) -> Amount {
        let debt = self.debts().iter().find(|(owner, _)| *owner == operator);
        debt.map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    fn closed_at(&self, operator: OperatorId) -> Amount {
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
        let pending: Amount = self.live.iter().map(|grant| grant.pending().emoney).sum();
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

    fn reserve(&self, vend: VendId, terms: Terms, at: Timestamp) -> Result<Option<Event>, Refusal> {
        if let Some(grant) = self.grant(vend) {
            return if grant.terms == terms {
                Ok(None)
            } else {
                Err(Refusal::NameReused)
            };
        }
        if self.is_barred(vend) {
            return Err(Refusal::Over);
        }
        if !terms.cap.is_positive()
            || terms.cap > Amount::from_minor(AMOUNT_MAX)
            || terms.least > Amount::from_minor(AMOUNT_MAX)
            || terms.vends_max == 0
            || terms.operator == OperatorId::PLATFORM
            || terms.fee_basis_points > 10_000
            || terms.revalue_max < Amount::ZERO
            || terms.revalue_max > Amount::from_minor(AMOUNT_MAX)
        {
            return Err(Refusal::BadTerms);
        }
        if self.live.len() >= LIVE_MAX {
            return Err(full("live holds", LIVE_MAX));
        }
        let (held, revalue) = match terms.purpose {
            // The operator pays: nothing of the customer's is looked at.
            Purpose::Test => {
                let held = Parts {
                    closed: terms.cap,
                    emoney: Amount::ZERO,
                };
                (held, Amount::ZERO)
            }
            Purpose::Sale => {
                let revalue = self.room_for_cash(&terms);
                match self.holdable(&terms, at) {
                    Ok(held) => (held, revalue),
                    // Who has too little, or owes, may still put cash in.
                    Err(_) if revalue.is_positive() => (Parts::default(), revalue),
                    Err(refusal) => return Err(refusal),
                }
            }
        };
        Ok(Some(Event::Reserved {
            vend,
            terms,
            held,
            revalue,
            at,
        }))
    }

    fn holdable(&self, terms: &Terms, now: Timestamp) -> Result<Parts, Refusal> {
        let owed = self.owed();
        if owed.is_positive() {
            return Err(Refusal::InDebt { owed });
        }
        let free = self.available(terms.operator);
        let held = free.take(terms.cap);
        let least = terms.least.max(Amount::from_minor(1)).min(terms.cap);
        if held.total() < least {
            return Err(Refusal::InsufficientFunds {
                available: free.total(),
                short_by: least - held.total(),
                pending: self.pending(),
            });
        }
        self.within_limits(held, least, now)
    }

    /// What of `held` the limits leave, when it is at least `least`.
    fn within_limits(&self, held: Parts, least: Amount, now: Timestamp) -> Result<Parts, Refusal> {
        let pending = self.pending();
        match self
            .budget()
            .and_then(|budget| budget.tightest(now, pending))
        {
            Some((left, usage)) if left < least => Err(Refusal::LimitReached {
                window: usage.window,
                limit: usage.limit,
                used: usage.used,
                pending,
                resets_at: usage.resets_at,
            }),
            Some((left, _)) => Ok(held.take(left)),
            None => Ok(held),
        }
    }

    /// How much cash may be put in: no more than the closed wallet can take, with everything that
    /// other holds may still bring.
    fn room_for_cash(&self, terms: &Terms) -> Amount {
        let is_known = self
            .closed
            .iter()
            .any(|(owner, _)| *owner == terms.operator);
        if self.closed.len() >= CLOSED_MAX && !is_known {
            return Amount::ZERO;
        }
        let coming: Amount = self
            .live
            .iter()
            .filter(|grant| grant.terms.operator == terms.operator)
            .map(|grant| grant.revalue_left)
            .sum();
        let room = Amount::from_minor(AMOUNT_MAX).above(self.closed_at(terms.operator) + coming);
        terms.revalue_max.min(room)
    }

    fn settle(
        &self,
        vend: VendId,
        rseq: Rseq,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let grant = self.grant(vend).ok_or(Refusal::NoSuchGrant)?;
        if grant.knows(rseq) {
            return Ok(None);
        }
        if grant.receipts.len() >= RECEIPTS_MAX {
            return Err(full("receipts of one hold", RECEIPTS_MAX));
        }
        Ok(Some(match outcome {
            Outcome::Vended {
                item,
                amount,
                proof,
            } => {
                let ruling = match proof {
                    Proof::Told => Ruling::Charge,
                    Proof::Reset { after } => unknown::rule(Unseen::Reset { after }, now),
                };
                let review = match ruling {
                    Ruling::ChargeAndReview => Review::RefundQueue,
                    Ruling::Charge | Ruling::Excuse | Ruling::Suspend => Review::Unneeded,
                };
                self.vended(grant, rseq, (item, amount, review), now)
            }
            Outcome::CashIn { amount } => self.cash_in(grant, rseq, amount, (Credit::Cash, now)),
            Outcome::CashUnknown { amount } => self.cash_unseen(grant, rseq, amount, now),
            Outcome::TakenBack { amount, .. } => {
                self.cash_in(grant, rseq, amount, (Credit::TakenBack, now))
            }
            Outcome::Failed => Event::Failed { vend, rseq },
            Outcome::Unknown { item, amount } => self.unseen(grant, rseq, item, amount, now),
            Outcome::Closed { count, total } => match grant.state {
                GrantState::Issued if grant.counted == count && grant.told == total => {
                    Event::Released {
                        vend,
                        rseq: Some(rseq),
                        reason: Reason::Closed,
                        freed: grant.held,
                        at: now,
                    }
                }
                GrantState::Issued
                | GrantState::Closed
                | GrantState::Fenced
                | GrantState::Released => Event::Closing { vend, rseq },
            },
        }))
    }

    fn vended(
        &self,
        grant: &Grant,
        rseq: Rseq,
        sold: (Item, Amount, Review),
        now: Timestamp,
    ) -> Event {
        let (item, amount, review) = sold;
        let stray = |reason| Event::Stray {
            vend: grant.vend,
            rseq,
            amount,
            reason,
        };
        let (from, debt) = match grant.state {
            GrantState::Closed | GrantState::Fenced => return stray(StrayReason::AfterEnd),
            GrantState::Issued => {
                if amount < Amount::ZERO
                    || amount > grant.held.total()
                    || grant.vends >= grant.terms.vends_max
                {
                    return stray(StrayReason::OverCap);
                }
                (grant.held, Amount::ZERO)
            }
            GrantState::Released => {
                if amount < Amount::ZERO
                    || amount > grant.held_first.above(grant.captured + grant.doubted())
                    || grant.vends >= grant.terms.vends_max
                {
                    return stray(StrayReason::OverCap);
                }
                match grant.terms.purpose {
                    Purpose::Sale => {
                        let free = self.available(grant.terms.operator);
                        (free, amount.above(free.total()))
                    }
                    Purpose::Test => {
                        let free = Parts {
                            closed: grant.held_first,
                            emoney: Amount::ZERO,
                        };
                        (free, Amount::ZERO)
                    }
                }
            }
        };
        let parts = from.take(amount);
        Event::Captured {
            vend: grant.vend,
            rseq,
            operator: grant.terms.operator,
            machine: grant.terms.machine,
            item,
            purpose: grant.terms.purpose,
            parts,
            debt,
            fee: fee(parts.emoney, grant.terms.fee_basis_points),
            review,
            at: now,
        }
    }

    /// Cash, or what was taken back, for the closed wallet.
    fn cash_in(
        &self,
        grant: &Grant,
        rseq: Rseq,
        amount: Amount,
        how: (Credit, Timestamp),
    ) -> Event {
        let (credit, at) = how;
        let operator = grant.terms.operator;
        let stray = |reason| Event::Stray {
            vend: grant.vend,
            rseq,
            amount,
            reason,
        };
        match grant.state {
            GrantState::Closed | GrantState::Fenced => return stray(StrayReason::AfterEnd),
            GrantState::Issued | GrantState::Released => {}
        }
        if amount < Amount::ZERO || amount > grant.revalue_left {
            return stray(StrayReason::OverCap);
        }
        Event::Credited {
            vend: grant.vend,
            rseq,
            operator,
            machine: grant.terms.machine,
            amount,
            // What is taken back is no money that came in.
            repaid: match credit {
                Credit::TakenBack => Amount::ZERO,
                Credit::Cash | Credit::Believed | Credit::Judged => {
                    amount.min(self.owed_to(operator))
                }
            },
            credit,
            at,
        }
    }

    fn cash_unseen(&self, grant: &Grant, rseq: Rseq, amount: Amount, now: Timestamp) -> Event {
        let event = self.cash_in(grant, rseq, amount, (Credit::Believed, now));
        let Event::Credited { vend, .. } = event else {
            return event;
        };
        match unknown::rule_cash(amount, self.last_excused(), now) {
            Ruling::Excuse => event,
            Ruling::Suspend | Ruling::Charge | Ruling::ChargeAndReview => Event::CashDoubted {
                vend,
                rseq,
                amount,
                at: now,
            },
        }
    }

    fn unseen(
        &self,
        grant: &Grant,
        rseq: Rseq,
        item: Item,
        amount: Amount,
        now: Timestamp,
    ) -> Event {
        let vend = grant.vend;
        match grant.state {
            GrantState::Closed | GrantState::Fenced => Event::Stray {
                vend,
                rseq,
                amount,
                reason: StrayReason::AfterEnd,
            },
            // Nothing is held any more that could wait for a decision.
            GrantState::Released => Event::Excused {
                vend,
                rseq,
                amount,
                at: now,
            },
            // A technician stands before it and knows.
            GrantState::Issued if grant.terms.purpose == Purpose::Test => Event::Excused {
                vend,
                rseq,
                amount,
                at: now,
            },
            GrantState::Issued => {
                let unseen = Unseen::ReaderCut {
                    last_excused: self.last_excused(),
                };
                match unknown::rule(unseen, now) {
                    Ruling::Suspend if amount >= Amount::ZERO => Event::Doubted {
                        vend,
                        rseq,
                        item,
                        parts: grant.held.take(amount),
                        at: now,
                    },
                    Ruling::Suspend | Ruling::Excuse | Ruling::Charge | Ruling::ChargeAndReview => {
                        Event::Excused {
                            vend,
                            rseq,
                            amount,
                            at: now,
                        }
                    }
                }
            }
        }
    }

    fn judge(
        &self,
        vend: VendId,
        rseq: Rseq,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let grant = self.grant(vend).ok_or(Refusal::NoSuchGrant)?;
        if grant.judged.contains(&(rseq, verdict)) {
            return Ok(None);
        }
        let doubt = grant
            .doubted
            .iter()
            .find(|doubt| doubt.rseq == rseq)
            .ok_or(Refusal::NoSuchDoubt)?;
        let operator = grant.terms.operator;
        Ok(Some(match (verdict, doubt.cash.is_positive()) {
            (Verdict::Charge, false) => Event::Captured {
                vend,
                rseq,
                operator,
                machine: grant.terms.machine,
                item: doubt.item,
                purpose: grant.terms.purpose,
                parts: doubt.parts,
                debt: Amount::ZERO,
                fee: fee(doubt.parts.emoney, grant.terms.fee_basis_points),
                review: Review::Unneeded,
                at: now,
            },
            (Verdict::Forgive, false) => Event::Excused {
                vend,
                rseq,
                amount: doubt.parts.total(),
                at: now,
            },
            (Verdict::Credit, true) => {
                movable(doubt.cash, self.closed_at(operator))?;
                Event::Credited {
                    vend,
                    rseq,
                    operator,
                    machine: grant.terms.machine,
                    amount: doubt.cash,
                    repaid: doubt.cash.min(self.owed_to(operator)),
                    credit: Credit::Judged,
                    at: now,
                }
            }
            (Verdict::Decline, true) => Event::CashDeclined { vend, rseq },
            (Verdict::Charge | Verdict::Forgive, true)
            | (Verdict::Credit | Verdict::Decline, false) => return Err(Refusal::NoSuchDoubt),
        }))
    }

    fn refund(
        &self,
        key: TransferId,
        sale: (VendId, Rseq),
        amount: Amount,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let (vend, rseq) = sale;
        if self.is_known(key, &Named::refund(vend, rseq, amount))? {
            return Ok(None);
        }
        let capture = self
            .captures
            .find(vend, rseq)
            .filter(|capture| now.since(capture.at) <= CAPTURE_KEPT)
            .ok_or(Refusal::NoSuchCapture)?;
        if !amount.is_positive() {
            return Err(Refusal::BadAmount { amount });
        }
        if amount > capture.left() {
            let left = capture.left();
            return Err(Refusal::RefundTooLarge { left });
        }
        let (parts, forgiven) = capture.refund(amount, self.owed_to(capture.operator));
        for (part, onto) in [
            (parts.emoney, self.emoney),
            (parts.closed, self.closed_at(capture.operator)),
        ] {
            if part.is_positive() {
                movable(part, onto)?;
            }
        }
        Ok(Some(Event::Refunded {
            key,
            vend,
            rseq,
            operator: capture.operator,
            machine: capture.machine,
            parts,
            forgiven,
            at: now,
        }))
    }

    fn release(&self, vend: VendId, reason: Reason, now: Timestamp) -> Option<Event> {
        let Some(grant) = self.grant(vend) else {
            return (!self.is_barred(vend)).then_some(Event::Barred { vend });
        };
        match (grant.state, reason) {
            (GrantState::Issued, Reason::ReaderLost) => Some(self.orphan(grant, now)),
            (GrantState::Issued, _)
            | (GrantState::Released, Reason::Fenced | Reason::ReaderLost) => {
                Some(Event::Released {
                    vend,
                    rseq: None,
                    reason,
                    freed: grant.held,
                    at: now,
                })
            }
            (GrantState::Closed | GrantState::Fenced | GrantState::Released, _) => None,
        }
    }

    /// Nobody will ever know what happened under it: the same rule as for a vend that nobody saw.
    fn orphan(&self, grant: &Grant, now: Timestamp) -> Event {
        let vend = grant.vend;
        let unseen = Unseen::ReaderCut {
            last_excused: self.last_excused(),
        };
        let is_free = grant.terms.purpose == Purpose::Test || !grant.held.total().is_positive();
        match unknown::rule(unseen, now) {
            Ruling::Suspend if !is_free => Event::Orphaned { vend, at: now },
            Ruling::Suspend | Ruling::Excuse | Ruling::Charge | Ruling::ChargeAndReview => {
                Event::Released {
                    vend,
                    rseq: None,
                    reason: Reason::ReaderLost,
                    freed: grant.held,
                    at: now,
                }
            }
        }
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn budget_mut(&mut self) -> Option<&mut Budget> {
        self.rare.as_mut()?.budget.as_mut()
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
        if budget.is_some() || self.rare.is_some() {
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
        let sold = self.captures.iter();
        Budget::new(limits, sold.map(|capture| (capture.left(), capture.at)))
    }

    fn grant_mut(&mut self, vend: VendId) -> Option<&mut Grant> {
        self.live
            .iter_mut()
            .chain(self.resolved.iter_mut().rev())
            .find(|grant| grant.vend == vend)
    }

    fn shelve(&mut self, vend: VendId) {
        if let Some(at) = self
            .live
            .iter()
            .position(|grant| grant.vend == vend && grant.is_resolved())
        {
            let grant = self.live.swap_remove(at);
            push_bounded(&mut self.resolved, grant, RESOLVED_KEPT);
        }
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
                grant.receipts.push((rseq, parts.total() + debt));
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
            self.captures.keep(&capture);
            if let Some(budget) = self.budget_mut() {
                budget.spend(parts.total() + debt, capture.at);
            }
        }
    }

    /// Takes a receipt in that has no price of its own.
    fn note(&mut self, vend: VendId, rseq: Rseq) {
        if let Some(grant) = self.grant_mut(vend) {
            grant.receipts.push((rseq, Amount::ZERO));
            grant.counted = grant.counted.saturating_add(1);
        }
    }

    /// Ends a doubt by a decision, when there is one.
    fn undoubt(&mut self, vend: VendId, rseq: Rseq, verdict: Verdict) -> Option<Doubt> {
        self.grant_mut(vend)?.judge(rseq, verdict)
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
            } => self.live.push(Grant {
                vend: *vend,
                terms: *terms,
                state: GrantState::Issued,
                held_first: held.total(),
                held: *held,
                doubted: Vec::new(),
                judged: Vec::new(),
                receipts: Vec::new(),
                counted: 0,
                vends: 0,
                told: Amount::ZERO,
                captured: Amount::ZERO,
                revalue_left: *revalue,
                issued_at: *at,
            }),
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
                self.names.keep(*key, Named::Received(*from, *amount));
            }
            Event::TurnedAway { key, from, amount } => {
                self.names.keep(*key, Named::TurnedAway(*from, *amount));
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
                    grant.doubted.push(Doubt {
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
                self.captures.give_back(*vend, *rseq, *parts, *forgiven);
                self.recount();
                self.emoney = self.emoney + parts.emoney;
                add(&mut self.closed, *operator, parts.closed);
                self.owe(*operator, -*forgiven);
            }
            Event::Orphaned { vend, at } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.doubted.push(Doubt {
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
                    grant.doubted.push(Doubt {
                        rseq: *rseq,
                        item: *item,
                        parts: *parts,
                        cash: Amount::ZERO,
                        at: *at,
                    });
                    grant.receipts.push((*rseq, Amount::ZERO));
                    grant.counted = grant.counted.saturating_add(1);
                }
            }
            Event::Closing { vend, rseq } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.receipts.push((*rseq, Amount::ZERO));
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
                        grant.receipts.push((*rseq, Amount::ZERO));
                    }
                }
                self.shelve(*vend);
            }
        }
    }
}

/// The platform's share of an e-money sale, rounded down: the fraction of a cent stays with the
/// operator.
fn fee(emoney: Amount, basis_points: u16) -> Amount {
    let product = emoney.minor().checked_mul(i64::from(basis_points));
    Amount::from_minor(product.expect("no amount is over AMOUNT_MAX") / 10_000)
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

fn add(balances: &mut Vec<(OperatorId, Amount)>, operator: OperatorId, amount: Amount) {
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
