use super::{
    BARRED_KEPT, CLOSED_MAX, Command, Event, LIVE_MAX, Outcome, Proof, RESOLVED_KEPT, Reason,
    Refusal, Review, StrayReason, TRANSFERS_MAX, Verdict,
};
use crate::entity::Entity;
use crate::grant::{Doubt, Grant, GrantState, Parts, RECEIPTS_MAX, Terms};
use crate::id::{Item, OperatorId, Rseq, TransferId, VendId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;
use crate::unknown::{self, Ruling, Unseen};
use std::collections::{BTreeMap, VecDeque};

/// One customer's money in one currency.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wallet {
    currency: Option<Currency>,
    emoney: Amount,
    closed: Vec<(OperatorId, Amount)>,
    owed: Vec<(OperatorId, Amount)>,
    live: Vec<Grant>,
    resolved: VecDeque<Grant>,
    barred: VecDeque<VendId>,
    // All of them: a name that was forgotten could move its money again.
    transfers: BTreeMap<TransferId, (Option<OperatorId>, Amount)>,
    last_excused: Option<Timestamp>,
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
            pending: self.live.iter().map(|grant| grant.pending().total()).sum(),
            owed: self.owed(),
        })
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

    fn closed_at(&self, operator: OperatorId) -> Amount {
        self.closed
            .iter()
            .find(|(owner, _)| *owner == operator)
            .map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    fn owed(&self) -> Amount {
        self.owed.iter().map(|(_, amount)| *amount).sum()
    }

    fn transfer_again(
        &self,
        key: TransferId,
        operator: Option<OperatorId>,
        amount: Amount,
    ) -> Result<bool, Refusal> {
        match self.transfers.get(&key) {
            None if self.transfers.len() >= TRANSFERS_MAX => Err(full("transfers", TRANSFERS_MAX)),
            None => Ok(false),
            Some(known) if *known == (operator, amount) => Ok(true),
            Some(_) => Err(Refusal::NameReused),
        }
    }

    fn reserve(&self, vend: VendId, terms: Terms, at: Timestamp) -> Result<Option<Event>, Refusal> {
        if let Some(grant) = self.grant(vend) {
            return if grant.terms == terms {
                Ok(None)
            } else {
                Err(Refusal::NameReused)
            };
        }
        if self.barred.contains(&vend) {
            return Err(Refusal::Over);
        }
        if !terms.cap.is_positive()
            || terms.cap > Amount::from_minor(AMOUNT_MAX)
            || terms.least > Amount::from_minor(AMOUNT_MAX)
            || terms.vends_max == 0
            || terms.fee_basis_points > 10_000
        {
            return Err(Refusal::BadTerms);
        }
        if self.live.len() >= LIVE_MAX {
            return Err(full("live holds", LIVE_MAX));
        }
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
                pending: self.live.iter().map(|grant| grant.pending().total()).sum(),
            });
        }
        Ok(Some(Event::Reserved {
            vend,
            terms,
            held,
            at,
        }))
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
                self.vended(grant, rseq, item, amount, review)
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
        item: Item,
        amount: Amount,
        review: Review,
    ) -> Event {
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
                    || amount > grant.held_first.above(grant.captured)
                    || grant.vends >= grant.terms.vends_max
                {
                    return stray(StrayReason::OverCap);
                }
                let free = self.available(grant.terms.operator);
                (free, amount.above(free.total()))
            }
        };
        let parts = from.take(amount);
        Event::Captured {
            vend: grant.vend,
            rseq,
            operator: grant.terms.operator,
            item,
            parts,
            debt,
            fee: fee(parts.emoney, grant.terms.fee_basis_points),
            review,
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
            GrantState::Issued => {
                let unseen = Unseen::ReaderCut {
                    last_excused: self.last_excused,
                };
                match unknown::rule(unseen, now) {
                    Ruling::Suspend if amount >= Amount::ZERO => Event::Doubted {
                        vend,
                        rseq,
                        item,
                        parts: grant.held.take(amount),
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
        let doubt = grant
            .doubted
            .iter()
            .find(|doubt| doubt.rseq == rseq)
            .ok_or(Refusal::NoSuchDoubt)?;
        Ok(Some(match verdict {
            Verdict::Charge => Event::Captured {
                vend,
                rseq,
                operator: grant.terms.operator,
                item: doubt.item,
                parts: doubt.parts,
                debt: Amount::ZERO,
                fee: fee(doubt.parts.emoney, grant.terms.fee_basis_points),
                review: Review::Unneeded,
            },
            Verdict::Forgive => Event::Excused {
                vend,
                rseq,
                amount: doubt.parts.total(),
                at: now,
            },
        }))
    }

    fn release(&self, vend: VendId, reason: Reason) -> Option<Event> {
        let Some(grant) = self.grant(vend) else {
            return (!self.barred.contains(&vend)).then_some(Event::Barred { vend });
        };
        match (grant.state, reason) {
            (GrantState::Issued, _) | (GrantState::Released, Reason::Fenced) => {
                Some(Event::Released {
                    vend,
                    rseq: None,
                    reason,
                    freed: grant.held,
                })
            }
            (GrantState::Closed | GrantState::Fenced | GrantState::Released, _) => None,
        }
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

    fn capture(&mut self, vend: VendId, rseq: Rseq, parts: Parts, debt: Amount) {
        self.emoney = self.emoney - parts.emoney;
        let mut operator = None;
        if let Some(grant) = self.grant_mut(vend) {
            operator = Some(grant.terms.operator);
            if let Some(at) = grant.doubted.iter().position(|doubt| doubt.rseq == rseq) {
                grant.doubted.swap_remove(at);
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
        if let Some(operator) = operator {
            add(&mut self.closed, operator, -parts.closed);
            if debt.is_positive() {
                add(&mut self.owed, operator, debt);
            }
        }
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
                if self.transfer_again(key, None, amount)? {
                    return Ok(None);
                }
                movable(amount, self.emoney)?;
                let mut left = amount;
                let mut repaid = Vec::new();
                for (operator, debt) in &self.owed {
                    let part = (*debt).min(left);
                    if part.is_positive() {
                        left = left - part;
                        repaid.push((*operator, part));
                    }
                }
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
                if self.transfer_again(key, Some(operator), amount)? {
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
            Command::Release { vend, reason } => Ok(self.release(vend, reason)),
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
                let mut left = *amount;
                for (operator, part) in repaid {
                    left = left - *part;
                    add(&mut self.owed, *operator, -*part);
                }
                self.owed.retain(|(_, amount)| amount.is_positive());
                self.emoney = self.emoney + left;
                self.transfers.insert(*key, (None, *amount));
            }
            Event::Given {
                key,
                operator,
                amount,
            } => {
                add(&mut self.closed, *operator, *amount);
                self.transfers.insert(*key, (Some(*operator), *amount));
            }
            Event::Reserved {
                vend,
                terms,
                held,
                at,
            } => self.live.push(Grant {
                vend: *vend,
                terms: *terms,
                state: GrantState::Issued,
                held_first: held.total(),
                held: *held,
                doubted: Vec::new(),
                receipts: Vec::new(),
                counted: 0,
                vends: 0,
                told: Amount::ZERO,
                captured: Amount::ZERO,
                issued_at: *at,
            }),
            Event::Barred { vend } => push_bounded(&mut self.barred, *vend, BARRED_KEPT),
            Event::Captured {
                vend,
                rseq,
                parts,
                debt,
                ..
            } => {
                self.capture(*vend, *rseq, *parts, *debt);
                self.shelve(*vend);
            }
            Event::Failed { vend, rseq } | Event::Stray { vend, rseq, .. } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.receipts.push((*rseq, Amount::ZERO));
                    grant.counted = grant.counted.saturating_add(1);
                }
            }
            Event::Excused { vend, rseq, at, .. } => {
                self.last_excused = Some(*at);
                if let Some(grant) = self.grant_mut(*vend) {
                    if let Some(doubt) = grant.doubted.iter().position(|doubt| doubt.rseq == *rseq)
                    {
                        grant.doubted.swap_remove(doubt);
                    } else {
                        grant.receipts.push((*rseq, Amount::ZERO));
                        grant.counted = grant.counted.saturating_add(1);
                    }
                }
                self.shelve(*vend);
            }
            Event::Doubted {
                vend,
                rseq,
                item,
                parts,
            } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.held = grant.held.less(*parts);
                    grant.doubted.push(Doubt {
                        rseq: *rseq,
                        item: *item,
                        parts: *parts,
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
                vend, rseq, reason, ..
            } => {
                if let Some(grant) = self.grant_mut(*vend) {
                    grant.held = Parts::default();
                    grant.state = match reason {
                        Reason::Closed => GrantState::Closed,
                        Reason::Fenced => GrantState::Fenced,
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
    Amount::from_minor(
        i64::try_from(i128::from(emoney.minor()) * i128::from(basis_points) / 10_000)
            .expect("a share of an i64 is an i64"),
    )
}

fn movable(amount: Amount, onto: Amount) -> Result<(), Refusal> {
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

const fn full(what: &'static str, limit: usize) -> Refusal {
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
