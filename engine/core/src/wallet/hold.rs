//! What a wallet decides about its holds, and about what was paid from them.

use super::names::Named;
use super::state::{full, movable};
use super::{
    CAPTURE_KEPT, CLOSED_MAX, Credit, Event, LIVE_MAX, Outcome, Proof, Reason, Refusal, Review,
    StrayReason, Verdict, Wallet,
};
use crate::grant::{Grant, GrantState, Parts, Past, Purpose, RECEIPTS_MAX, Terms};
use crate::id::{Item, OperatorId, Rseq, TransferId, VendId};
use crate::money::{AMOUNT_MAX, Amount};
use crate::time::Timestamp;
use crate::unknown::{self, Ruling, Unseen};

impl Wallet {
    pub(super) fn reserve(
        &self,
        vend: VendId,
        terms: Terms,
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        if let Some(grant) = self.grant(vend) {
            return if grant.terms == terms {
                Ok(None)
            } else {
                Err(Refusal::NameReused)
            };
        }
        if let Some(past) = self.past(vend) {
            return if past.had(&terms) {
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
        if self.live().len() >= LIVE_MAX {
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
            .live()
            .iter()
            .filter(|grant| grant.terms.operator == terms.operator)
            .map(|grant| grant.revalue_left)
            .sum();
        let room = Amount::from_minor(AMOUNT_MAX).above(self.closed_at(terms.operator) + coming);
        terms.revalue_max.min(room)
    }

    pub(super) fn settle(
        &self,
        vend: VendId,
        rseq: Rseq,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        if let Some(past) = self.past(vend) {
            return settle_past(&past, rseq, outcome);
        }
        let grant = self.grant(vend).ok_or(Refusal::NoSuchGrant)?;
        if grant.knows(rseq) {
            return Ok(None);
        }
        if grant.receipts() >= RECEIPTS_MAX {
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

    /// What settles a hold; a sale closes it as well, while nothing else is expected of it.
    pub(super) fn finish(
        &self,
        vend: VendId,
        rseq: Rseq,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let mut event = self.settle(vend, rseq, outcome, now)?;
        if let Some(Event::Captured { parts, freed, .. }) = &mut event
            && let Some(grant) = self.grant(vend)
            && grant.state == GrantState::Issued
        {
            *freed = Some(grant.held.less(*parts));
        }
        Ok(event)
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
            freed: None,
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

    pub(super) fn judge(
        &self,
        vend: VendId,
        rseq: Rseq,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        if let Some(past) = self.past(vend) {
            let is_known = past.judged().contains(&(rseq, verdict));
            return if is_known {
                Ok(None)
            } else {
                Err(Refusal::NoSuchDoubt)
            };
        }
        let grant = self.grant(vend).ok_or(Refusal::NoSuchGrant)?;
        if grant.judged().contains(&(rseq, verdict)) {
            return Ok(None);
        }
        let doubt = grant
            .doubts()
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
                freed: None,
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

    pub(super) fn refund(
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
            .captures_kept()
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

    pub(super) fn release(&self, vend: VendId, reason: Reason, now: Timestamp) -> Option<Event> {
        let Some(grant) = self.grant(vend) else {
            let is_known = self.past(vend).is_some() || self.is_barred(vend);
            return (!is_known).then_some(Event::Barred { vend });
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
}

/// What a receipt does that comes after the end: it is taken in, and moves nothing.
fn settle_past(past: &Past, rseq: Rseq, outcome: Outcome) -> Result<Option<Event>, Refusal> {
    let vend = past.vend;
    if past.knows(rseq) {
        return Ok(None);
    }
    if past.receipts() >= RECEIPTS_MAX {
        return Err(full("receipts of one hold", RECEIPTS_MAX));
    }
    Ok(Some(match outcome {
        Outcome::Failed => Event::Failed { vend, rseq },
        Outcome::Closed { .. } => Event::Closing { vend, rseq },
        Outcome::Vended { amount, .. }
        | Outcome::Unknown { amount, .. }
        | Outcome::CashIn { amount }
        | Outcome::CashUnknown { amount }
        | Outcome::TakenBack { amount, .. } => Event::Stray {
            vend,
            rseq,
            amount,
            reason: StrayReason::AfterEnd,
        },
    }))
}

/// The platform's share of an e-money sale, rounded down: the fraction of a cent stays with the
/// operator.
fn fee(emoney: Amount, basis_points: u16) -> Amount {
    let product = emoney.minor().checked_mul(i64::from(basis_points));
    Amount::from_minor(product.expect("no amount is over AMOUNT_MAX") / 10_000)
}
