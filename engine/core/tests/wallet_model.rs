//! Random lives of a wallet, held step by step against a naive model and against the audit.

use gettone_core::audit::{Audit, Check};
use gettone_core::entity::Entity;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::record::{Event, Record};
use gettone_core::snapshot::{self, Customer};
use gettone_core::time::Timestamp;
use gettone_core::transfer::Party;
use gettone_core::wallet::{
    self, Command, Favour, Limits, Outcome, Proof, Reason, Refusal, StrayReason, Verdict, Wallet,
    Window,
};
use std::collections::{BTreeMap, BTreeSet};
use thin_vec::ThinVec;

const SEEDS: u64 = 600;
const STEPS: usize = 200;
/// Sends money, and is sent some.
const NEIGHBOUR: WalletId = WalletId::new(2);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Small and poor on purpose: plain numbers, no bounds, everything kept for ever.
#[derive(Default)]
struct Model {
    emoney: i64,
    closed: BTreeMap<u32, i64>,
    /// To whom, in the order in which the debts arose.
    owed: Vec<(u32, i64)>,
    holds: BTreeMap<VendId, Hold>,
    barred: BTreeSet<VendId>,
    moved: BTreeMap<TransferId, Moved>,
    sales: BTreeMap<(VendId, u64), Sale>,
    excused_ms: Option<u64>,
    limits: Limits,
    /// Of each transfer out: "underway", "there" or "back".
    fates: BTreeMap<TransferId, &'static str>,
    /// Of each payment by card, what is to come.
    cards: BTreeMap<TransferId, i64>,
    charged: BTreeMap<TransferId, i64>,
    disputes: BTreeMap<TransferId, Option<Favour>>,
}

#[derive(PartialEq, Clone, Copy)]
enum Moved {
    In(Option<u32>, i64),
    Back(VendId, u64, i64),
    Limit(Limits),
    Sent(WalletId, i64),
    Came(Party, i64),
    Turned(Party, i64),
    Repaid,
    Off(OperatorId, i64),
    Card(i64),
    Charged(TransferId, i64),
    Dispute(VendId, u64, i64),
}

/// What one sale took, and what of it came back.
struct Sale {
    operator: u32,
    closed: i64,
    emoney: i64,
    debt: i64,
    back: i64,
    back_closed: i64,
    forgiven: i64,
    at_ms: u64,
    number: usize,
}

struct Hold {
    terms: Terms,
    first: i64,
    closed: i64,
    emoney: i64,
    state: &'static str,
    doubts: BTreeMap<u64, (i64, i64)>,
    cash_doubts: BTreeMap<u64, i64>,
    judged: Vec<(u64, Verdict)>,
    cash_left: i64,
    rseqs: BTreeSet<u64>,
    counted: u16,
    told: i64,
    captured: i64,
    vends: u8,
}

#[derive(PartialEq, Debug)]
enum Verdicts {
    Done,
    Again,
    Stray(StrayReason),
    No(Refusal),
}

impl Model {
    fn pending(&self, operator: Option<u32>) -> (i64, i64) {
        let mut sum = (0, 0);
        for hold in self.holds.values() {
            if hold.is_test() {
                continue;
            }
            let ours = operator.is_none_or(|operator| operator == hold.terms.operator.number());
            let doubts = hold.doubts.values();
            let (closed, emoney) = doubts.fold((hold.closed, hold.emoney), |(c, e), (dc, de)| {
                (c + dc, e + de)
            });
            sum.0 += if ours { closed } else { 0 };
            sum.1 += emoney;
        }
        sum
    }

    fn free(&self, operator: u32) -> (i64, i64) {
        let (closed, emoney) = self.pending(Some(operator));
        let have = self.closed.get(&operator).copied().unwrap_or(0);
        (have - closed, self.emoney - emoney)
    }

    fn owed(&self) -> i64 {
        self.owed.iter().map(|(_, owed)| owed).sum()
    }

    fn owed_to(&self, operator: u32) -> i64 {
        let debts = self.owed.iter().filter(|(owner, _)| *owner == operator);
        debts.map(|(_, owed)| owed).sum()
    }

    fn owe(&mut self, operator: u32, amount: i64) {
        if self.owed_to(operator) == 0 {
            self.owed.push((operator, 0));
        }
        for (owner, owed) in &mut self.owed {
            *owed += if *owner == operator { amount } else { 0 };
        }
        self.owed.retain(|(_, owed)| *owed > 0);
    }

    fn apply(&mut self, command: &Command, now_ms: u64) -> Verdicts {
        match *command {
            Command::Open { .. } => Verdicts::Again,
            Command::TopUp { key, amount } => self.add_money(key, None, amount.minor()),
            Command::Give {
                key,
                operator,
                amount,
            } => self.add_money(key, Some(operator.number()), amount.minor()),
            Command::Send { .. }
            | Command::Receive { .. }
            | Command::TurnAway { .. }
            | Command::Confirm { .. }
            | Command::Return { .. } => self.transfer(*command),
            Command::Repay { key } => self.repay(key),
            Command::WriteOff {
                key,
                operator,
                amount,
            } => self.write_off(key, operator, amount.minor()),
            Command::TopUpByCard { key, amount } => {
                if let Some(again) = self.again(key, Moved::Card(amount.minor())) {
                    return again;
                }
                self.cards.insert(key, amount.minor());
                self.come_in(amount.minor());
                Verdicts::Done
            }
            Command::SettleCard { key } => match self.cards.get_mut(&key) {
                None => Verdicts::No(Refusal::NoSuchTransfer),
                Some(0) => Verdicts::Again,
                Some(left) => {
                    *left = 0;
                    Verdicts::Done
                }
            },
            Command::ChargeBack {
                key,
                top_up,
                amount,
            } => self.charge_back(key, (top_up, amount.minor())),
            Command::Dispute {
                key,
                vend,
                rseq,
                amount,
            } => self.dispute(key, ((vend, rseq.number()), amount.minor()), now_ms),
            Command::EndDispute { key, favour } => self.end_dispute(key, favour),
            Command::Limit { key, limits } => match self.again(key, Moved::Limit(limits)) {
                Some(again) => again,
                None => {
                    self.limits = limits;
                    Verdicts::Done
                }
            },
            Command::Reserve { vend, terms } => self.reserve(vend, terms, now_ms),
            Command::Refund {
                key,
                vend,
                rseq,
                amount,
            } => self.refund(key, (vend, rseq.number()), amount.minor(), now_ms),
            Command::Settle {
                vend,
                rseq,
                outcome,
            } => self.settle(vend, rseq.number(), outcome, now_ms),
            Command::Finish {
                vend,
                rseq,
                outcome,
            } => {
                let lives = self.holds.get(&vend).map(|hold| hold.state) == Some("issued");
                let settled = self.settle(vend, rseq.number(), outcome, now_ms);
                let is_sale = matches!(outcome, Outcome::Vended { .. });
                if let Some(hold) = self.holds.get_mut(&vend)
                    && lives
                    && is_sale
                    && settled == Verdicts::Done
                {
                    hold.state = "closed";
                    (hold.closed, hold.emoney) = (0, 0);
                }
                settled
            }
            Command::Judge {
                vend,
                rseq,
                verdict,
            } => {
                let Some(hold) = self.holds.get_mut(&vend) else {
                    return Verdicts::No(Refusal::NoSuchGrant);
                };
                let (rseq, operator) = (rseq.number(), hold.terms.operator.number());
                if hold.judged.contains(&(rseq, verdict)) {
                    return Verdicts::Again;
                }
                match verdict {
                    Verdict::Credit | Verdict::Decline => {
                        let Some(cash) = hold.cash_doubts.remove(&rseq) else {
                            return Verdicts::No(Refusal::NoSuchDoubt);
                        };
                        hold.judged.push((rseq, verdict));
                        if verdict == Verdict::Credit {
                            self.put_in(operator, cash);
                        }
                    }
                    Verdict::Charge | Verdict::Forgive => {
                        let Some((closed, emoney)) = hold.doubts.remove(&rseq) else {
                            return Verdicts::No(Refusal::NoSuchDoubt);
                        };
                        hold.judged.push((rseq, verdict));
                        if verdict == Verdict::Charge {
                            hold.captured += closed + emoney;
                            self.take(((vend, rseq), operator), (closed, emoney, 0), now_ms);
                        } else {
                            self.excused_ms = Some(now_ms);
                        }
                    }
                }
                Verdicts::Done
            }
            Command::Release { vend, reason } => match self.holds.get_mut(&vend) {
                None if self.barred.insert(vend) => Verdicts::Done,
                None => Verdicts::Again,
                Some(hold) => {
                    let is_last = matches!(reason, Reason::Fenced | Reason::ReaderLost);
                    let ends = hold.state == "issued" || (hold.state == "released" && is_last);
                    if !ends {
                        return Verdicts::Again;
                    }
                    let held = (hold.closed, hold.emoney);
                    let is_lost = reason == Reason::ReaderLost && held != (0, 0);
                    if is_lost && !hold.is_test() && !excusable(self.excused_ms, now_ms) {
                        hold.doubts.insert(0, held);
                    } else if is_lost && !hold.is_test() {
                        self.excused_ms = Some(now_ms);
                    }
                    hold.state = match reason {
                        Reason::Closed => "closed",
                        Reason::Fenced | Reason::ReaderLost => "fenced",
                        Reason::TimedOut => "released",
                    };
                    (hold.closed, hold.emoney) = (0, 0);
                    Verdicts::Done
                }
            },
        }
    }

    /// What a name that was used before gives; a new one is noted.
    fn again(&mut self, key: TransferId, moved: Moved) -> Option<Verdicts> {
        match self.moved.insert(key, moved) {
            None => None,
            Some(known) if known == moved => Some(Verdicts::Again),
            Some(known) => {
                self.moved.insert(key, known);
                Some(Verdicts::No(Refusal::NameReused))
            }
        }
    }

    fn add_money(&mut self, key: TransferId, operator: Option<u32>, amount: i64) -> Verdicts {
        if let Some(again) = self.again(key, Moved::In(operator, amount)) {
            return again;
        }
        match operator {
            Some(operator) => *self.closed.entry(operator).or_default() += amount,
            None => self.come_in(amount),
        }
        Verdicts::Done
    }

    fn come_in(&mut self, amount: i64) {
        let mut left = amount;
        for (operator, debt) in self.owed.clone() {
            let part = left.min(debt);
            self.owe(operator, -part);
            left -= part;
        }
        self.emoney += left;
    }

    /// E-money that no hold keeps, and the refusal when it does not suffice.
    fn spare(&self, amount: i64) -> Result<i64, Verdicts> {
        let (closed, emoney) = self.pending(None);
        let free = self.emoney - emoney;
        if free >= amount {
            return Ok(free);
        }
        Err(Verdicts::No(Refusal::InsufficientFunds {
            available: Amount::from_minor(free),
            short_by: Amount::from_minor(amount - free),
            pending: Amount::from_minor(closed + emoney),
        }))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "five commands are about transfers"
    )]
    fn transfer(&mut self, command: Command) -> Verdicts {
        match command {
            Command::Send {
                key,
                to,
                currency,
                amount,
            } => {
                let moved = Moved::Sent(to, amount.minor());
                if self.moved.contains_key(&key) {
                    return self.again(key, moved).expect("it is known");
                }
                if currency != Currency::EUR {
                    return Verdicts::No(Refusal::OtherCurrency {
                        currency: Currency::EUR,
                    });
                }
                if self.owed() > 0 {
                    let owed = Amount::from_minor(self.owed());
                    return Verdicts::No(Refusal::InDebt { owed });
                }
                if let Err(no) = self.spare(amount.minor()) {
                    return no;
                }
                self.moved.insert(key, moved);
                self.fates.insert(key, "underway");
                self.emoney -= amount.minor();
                Verdicts::Done
            }
            Command::Receive {
                key,
                from,
                currency,
                amount,
            } => {
                let moved = Moved::Came(from, amount.minor());
                match self.moved.get(&key) {
                    Some(Moved::Turned(party, known)) if Moved::Came(*party, *known) == moved => {
                        return Verdicts::No(Refusal::TurnedAway);
                    }
                    Some(_) => return self.again(key, moved).expect("it is known"),
                    None => {}
                }
                if currency != Currency::EUR {
                    return Verdicts::No(Refusal::OtherCurrency {
                        currency: Currency::EUR,
                    });
                }
                self.moved.insert(key, moved);
                self.come_in(amount.minor());
                Verdicts::Done
            }
            Command::TurnAway { key, from, amount } => match self.moved.get(&key) {
                Some(known) if *known == Moved::Came(from, amount.minor()) => {
                    Verdicts::No(Refusal::Arrived)
                }
                Some(_) => Verdicts::Again,
                None => {
                    self.moved.insert(key, Moved::Turned(from, amount.minor()));
                    Verdicts::Done
                }
            },
            Command::Confirm { key } => self.end(key, "there"),
            Command::Return { key } => {
                let verdict = self.end(key, "back");
                if let (Verdicts::Done, Some(Moved::Sent(_, amount))) =
                    (&verdict, self.moved.get(&key))
                {
                    self.emoney += amount;
                }
                verdict
            }
            _ => unreachable!("no transfer"),
        }
    }

    fn end(&mut self, key: TransferId, end: &'static str) -> Verdicts {
        match self.fates.get_mut(&key) {
            Some(fate) if *fate == "underway" => {
                *fate = end;
                Verdicts::Done
            }
            Some(fate) if *fate == end => Verdicts::Again,
            _ => Verdicts::No(Refusal::NoSuchTransfer),
        }
    }

    fn repay(&mut self, key: TransferId) -> Verdicts {
        if self.moved.contains_key(&key) {
            return self.again(key, Moved::Repaid).expect("it is known");
        }
        if self.owed() == 0 {
            return Verdicts::No(Refusal::NoDebt { owed: Amount::ZERO });
        }
        let free = match self.spare(1) {
            Ok(free) => free,
            Err(no) => return no,
        };
        self.moved.insert(key, Moved::Repaid);
        self.emoney -= free;
        self.come_in(free);
        Verdicts::Done
    }

    fn write_off(&mut self, key: TransferId, operator: OperatorId, amount: i64) -> Verdicts {
        if self.moved.contains_key(&key) {
            let again = self.again(key, Moved::Off(operator, amount));
            return again.expect("it is known");
        }
        let number = operator.number();
        let owed = self.owed_to(number);
        if amount > owed {
            let owed = Amount::from_minor(owed);
            return Verdicts::No(Refusal::NoDebt { owed });
        }
        self.owe(number, -amount);
        self.moved.insert(key, Moved::Off(operator, amount));
        let mut sales: Vec<&mut Sale> = self.sales.values_mut().collect();
        sales.sort_by_key(|sale| core::cmp::Reverse(sale.number));
        let mut left = amount;
        for sale in sales {
            while left > 0
                && sale.operator == number
                && sale.forgiven < sale.debt
                && sale.back < sale.closed + sale.emoney + sale.debt
            {
                sale.forgiven += 1;
                sale.back += 1;
                left -= 1;
            }
        }
        Verdicts::Done
    }

    fn charge_back(&mut self, key: TransferId, payment: (TransferId, i64)) -> Verdicts {
        let (top_up, amount) = payment;
        if self.moved.contains_key(&key) {
            let again = self.again(key, Moved::Charged(top_up, amount));
            return again.expect("it is known");
        }
        let paid = match self.moved.get(&top_up) {
            Some(Moved::In(None, paid) | Moved::Card(paid)) => *paid,
            _ => return Verdicts::No(Refusal::NoSuchTransfer),
        };
        let charged = self.charged.get(&top_up).copied().unwrap_or(0);
        if amount > paid - charged {
            return Verdicts::No(Refusal::RefundTooLarge {
                left: Amount::from_minor(paid - charged),
            });
        }
        let taken = amount.min(self.spare(0).unwrap_or(0));
        self.moved.insert(key, Moved::Charged(top_up, amount));
        self.charged.insert(top_up, charged + amount);
        if let Some(left) = self.cards.get_mut(&top_up) {
            *left = (*left - amount).max(0);
        }
        self.emoney -= taken;
        self.owe(0, amount - taken);
        Verdicts::Done
    }

    fn dispute(&mut self, key: TransferId, sale: ((VendId, u64), i64), now_ms: u64) -> Verdicts {
        let (name, amount) = sale;
        let moved = Moved::Dispute(name.0, name.1, amount);
        if self.moved.contains_key(&key) {
            return self.again(key, moved).expect("it is known");
        }
        let sale = self.sales.get_mut(&name);
        let Some(sale) = sale.filter(|sale| now_ms - sale.at_ms <= 400 * DAY_MS) else {
            return Verdicts::No(Refusal::NoSuchCapture);
        };
        let emoney_back = sale.back - sale.back_closed - sale.forgiven;
        let left = (sale.emoney - emoney_back).max(0);
        if amount > left {
            return Verdicts::No(Refusal::RefundTooLarge {
                left: Amount::from_minor(left),
            });
        }
        sale.back += amount;
        self.moved.insert(key, moved);
        self.disputes.insert(key, None);
        Verdicts::Done
    }

    fn end_dispute(&mut self, key: TransferId, favour: Favour) -> Verdicts {
        let (Some(end), Some(Moved::Dispute(vend, rseq, amount))) =
            (self.disputes.get_mut(&key), self.moved.get(&key))
        else {
            return Verdicts::No(Refusal::NoSuchDispute);
        };
        match end {
            Some(known) if *known == favour => return Verdicts::Again,
            Some(_) => return Verdicts::No(Refusal::NoSuchDispute),
            None => *end = Some(favour),
        }
        match favour {
            Favour::Customer => self.emoney += amount,
            Favour::Operator => {
                let sale = self.sales.get_mut(&(*vend, *rseq)).expect("it was sold");
                sale.back -= amount;
            }
        }
        Verdicts::Done
    }

    fn reserve(&mut self, vend: VendId, terms: Terms, now_ms: u64) -> Verdicts {
        if let Some(hold) = self.holds.get(&vend) {
            return if hold.terms == terms {
                Verdicts::Again
            } else {
                Verdicts::No(Refusal::NameReused)
            };
        }
        if self.barred.contains(&vend) {
            return Verdicts::No(Refusal::Over);
        }
        let is_test = terms.purpose == Purpose::Test;
        let cash_left = if is_test {
            0
        } else {
            terms.revalue_max.minor()
        };
        let (closed, emoney) = self.free(terms.operator.number());
        let mut held = terms.cap.minor().min(closed + emoney);
        let least = terms.least.minor().max(1).min(terms.cap.minor());
        let mut refusal = None;
        if self.owed() > 0 {
            let owed = Amount::from_minor(self.owed());
            refusal = Some(Refusal::InDebt { owed });
        } else if held < least {
            let (closed_pending, emoney_pending) = self.pending(None);
            refusal = Some(Refusal::InsufficientFunds {
                available: Amount::from_minor(closed + emoney),
                short_by: Amount::from_minor(least - held),
                pending: Amount::from_minor(closed_pending + emoney_pending),
            });
        } else if let Some((window, limit, used)) = self.tightest(now_ms) {
            let (closed_pending, emoney_pending) = self.pending(None);
            let pending = closed_pending + emoney_pending;
            let left = (limit - used - pending).max(0);
            if left < least {
                refusal = Some(Refusal::LimitReached {
                    window,
                    limit: Amount::from_minor(limit),
                    used: Amount::from_minor(used),
                    pending: Amount::from_minor(pending),
                    resets_at: window.ends(Timestamp::from_millis(now_ms)),
                });
            }
            held = held.min(left);
        }
        let mut from_closed = held.min(closed);
        if is_test {
            (held, from_closed) = (terms.cap.minor(), terms.cap.minor());
        } else if let Some(refusal) = refusal {
            if cash_left == 0 {
                return Verdicts::No(refusal);
            }
            (held, from_closed) = (0, 0);
        }
        self.holds.insert(
            vend,
            Hold {
                terms,
                first: held,
                closed: from_closed,
                emoney: held - from_closed,
                state: "issued",
                doubts: BTreeMap::new(),
                cash_doubts: BTreeMap::new(),
                judged: Vec::new(),
                cash_left,
                rseqs: BTreeSet::new(),
                counted: 0,
                told: 0,
                captured: 0,
                vends: 0,
            },
        );
        Verdicts::Done
    }

    /// The limit with the least left, counted anew from every sale there ever was.
    fn tightest(&self, now_ms: u64) -> Option<(Window, i64, i64)> {
        let mut found: Option<(Window, i64, i64)> = None;
        let pending = self.pending(None);
        for window in Window::ALL {
            let number = |ms| window.number(Timestamp::from_millis(ms));
            let mut used = 0;
            for sale in self.sales.values() {
                if number(sale.at_ms) == number(now_ms) {
                    used += sale.closed + sale.emoney + sale.debt - sale.back;
                }
            }
            let Some(limit) = self.limits.of(window).map(Amount::minor) else {
                continue;
            };
            let left = |limit: i64, used: i64| (limit - used - pending.0 - pending.1).max(0);
            if found.is_none_or(|(_, other, spent)| left(limit, used) <= left(other, spent)) {
                found = Some((window, limit, used));
            }
        }
        found
    }

    fn settle(&mut self, vend: VendId, rseq: u64, outcome: Outcome, now_ms: u64) -> Verdicts {
        let Some(operator) = self.holds.get(&vend).map(|hold| hold.terms.operator) else {
            return Verdicts::No(Refusal::NoSuchGrant);
        };
        let free = self.free(operator.number());
        let excused_ms = self.excused_ms;
        let Some(hold) = self.holds.get_mut(&vend) else {
            return Verdicts::No(Refusal::NoSuchGrant);
        };
        if !hold.rseqs.insert(rseq) {
            return Verdicts::Again;
        }
        match outcome {
            Outcome::Closed { count, total } => {
                if hold.state == "issued" && (count, total.minor()) == (hold.counted, hold.told) {
                    hold.state = "closed";
                    (hold.closed, hold.emoney) = (0, 0);
                }
                Verdicts::Done
            }
            Outcome::Failed => {
                hold.counted += 1;
                Verdicts::Done
            }
            Outcome::CashIn { amount } | Outcome::TakenBack { amount, .. } => {
                hold.counted += 1;
                let amount = amount.minor();
                if matches!(hold.state, "closed" | "fenced") {
                    return Verdicts::Stray(StrayReason::AfterEnd);
                }
                if amount > hold.cash_left {
                    return Verdicts::Stray(StrayReason::OverCap);
                }
                hold.cash_left -= amount;
                if matches!(outcome, Outcome::CashIn { .. }) {
                    self.put_in(operator.number(), amount);
                } else {
                    *self.closed.entry(operator.number()).or_default() += amount;
                }
                Verdicts::Done
            }
            Outcome::CashUnknown { amount } => {
                hold.counted += 1;
                let amount = amount.minor();
                if matches!(hold.state, "closed" | "fenced") {
                    return Verdicts::Stray(StrayReason::AfterEnd);
                }
                if amount > hold.cash_left {
                    return Verdicts::Stray(StrayReason::OverCap);
                }
                hold.cash_left -= amount;
                if excusable(excused_ms, now_ms) {
                    self.excused_ms = Some(now_ms);
                    self.put_in(operator.number(), amount);
                } else {
                    hold.cash_doubts.insert(rseq, amount);
                }
                Verdicts::Done
            }
            Outcome::Unknown { amount, .. } => {
                hold.counted += 1;
                if matches!(hold.state, "closed" | "fenced") {
                    return Verdicts::Stray(StrayReason::AfterEnd);
                }
                if hold.is_test() {
                    return Verdicts::Done;
                }
                if hold.state == "released" || excusable(excused_ms, now_ms) {
                    self.excused_ms = Some(now_ms);
                } else {
                    let closed = hold.closed.min(amount.minor());
                    let emoney = hold.emoney.min(amount.minor() - closed);
                    hold.closed -= closed;
                    hold.emoney -= emoney;
                    hold.doubts.insert(rseq, (closed, emoney));
                }
                Verdicts::Done
            }
            Outcome::Vended { amount, .. } => {
                hold.counted += 1;
                let price = amount.minor();
                let left = match hold.state {
                    "closed" | "fenced" => return Verdicts::Stray(StrayReason::AfterEnd),
                    "issued" => hold.closed + hold.emoney,
                    _ => {
                        let doubts = hold.doubts.values();
                        let doubted: i64 = doubts.map(|(closed, emoney)| closed + emoney).sum();
                        (hold.first - hold.captured - doubted).max(0)
                    }
                };
                if price > left || hold.vends >= hold.terms.vends_max {
                    return Verdicts::Stray(StrayReason::OverCap);
                }
                let from = if hold.state == "issued" {
                    (hold.closed, hold.emoney)
                } else if hold.is_test() {
                    (hold.first, 0)
                } else {
                    free
                };
                let closed = from.0.min(price);
                let emoney = from.1.min(price - closed);
                if hold.state == "issued" {
                    hold.closed -= closed;
                    hold.emoney -= emoney;
                }
                hold.vends += 1;
                hold.told += price;
                hold.captured += price;
                if !hold.is_test() {
                    let taken = (closed, emoney, price - closed - emoney);
                    self.take(((vend, rseq), operator.number()), taken, now_ms);
                }
                Verdicts::Done
            }
        }
    }

    fn take(&mut self, sale: ((VendId, u64), u32), taken: (i64, i64, i64), at_ms: u64) {
        let (name, operator) = sale;
        let (closed, emoney, debt) = taken;
        self.emoney -= emoney;
        *self.closed.entry(operator).or_default() -= closed;
        self.owe(operator, debt);
        let number = self.sales.len();
        let sale = Sale {
            number,
            operator,
            closed,
            emoney,
            debt,
            back: 0,
            back_closed: 0,
            forgiven: 0,
            at_ms,
        };
        self.sales.insert(name, sale);
    }

    /// A decision about something that waits for one: chance alone rarely hits it.
    fn doubtful(&self, dice: &mut Dice) -> Option<Command> {
        let waiting: Vec<(VendId, u64)> = self
            .holds
            .iter()
            .flat_map(|(vend, hold)| {
                let rseqs = hold.doubts.keys().chain(hold.cash_doubts.keys());
                rseqs.map(|rseq| (*vend, *rseq))
            })
            .collect();
        let at = dice.roll(waiting.len().max(1) as u64);
        let (vend, rseq) = *waiting.get(usize::try_from(at).ok()?)?;
        Some(Command::Judge {
            vend,
            rseq: Rseq::new(rseq),
            verdict: dice.verdict(),
        })
    }

    /// Something about money that is on its way, in dispute, paid by card or owed.
    fn pending_business(&self, dice: &mut Dice) -> Option<Command> {
        fn one<T>(dice: &mut Dice, all: &[T]) -> Option<usize> {
            usize::try_from(dice.roll(all.len().max(1) as u64)).ok()
        }
        let key = dice.key();
        match dice.roll(10) {
            7 => {
                let came = |(key, moved): (&TransferId, &Moved)| {
                    let Moved::Came(from, amount) = moved else {
                        return None;
                    };
                    Some((*key, *from, *amount))
                };
                let all: Vec<_> = self.moved.iter().filter_map(came).collect();
                let (key, from, amount) = *all.get(one(dice, &all)?)?;
                let amount = Amount::from_minor(amount);
                Some(Command::TurnAway { key, from, amount })
            }
            0 => {
                let all: Vec<TransferId> = self.fates.keys().copied().collect();
                let key = *all.get(one(dice, &all)?)?;
                Some(match dice.roll(2) {
                    0 => Command::Confirm { key },
                    _ => Command::Return { key },
                })
            }
            1 => {
                let all: Vec<TransferId> = self.disputes.keys().copied().collect();
                let key = *all.get(one(dice, &all)?)?;
                let favour = match dice.roll(2) {
                    0 => Favour::Customer,
                    _ => Favour::Operator,
                };
                Some(Command::EndDispute { key, favour })
            }
            2 => {
                let all: Vec<(VendId, u64)> = self.sales.keys().copied().collect();
                let (vend, rseq) = *all.get(one(dice, &all)?)?;
                Some(Command::Dispute {
                    key,
                    vend,
                    rseq: Rseq::new(rseq),
                    amount: dice.amount(60),
                })
            }
            3 => {
                let all: Vec<TransferId> = self.cards.keys().copied().collect();
                let key = *all.get(one(dice, &all)?)?;
                Some(Command::SettleCard { key })
            }
            4 => {
                let is_payment =
                    |moved: &Moved| matches!(moved, Moved::In(None, _) | Moved::Card(_));
                let all = self.moved.iter().filter(|(_, moved)| is_payment(moved));
                let all: Vec<TransferId> = all.map(|(key, _)| *key).collect();
                Some(Command::ChargeBack {
                    key,
                    top_up: *all.get(one(dice, &all)?)?,
                    amount: dice.amount(150),
                })
            }
            5 => {
                let (operator, owed) = *self.owed.get(one(dice, &self.owed)?)?;
                Some(Command::WriteOff {
                    key,
                    operator: OperatorId::new(operator),
                    amount: dice.amount(u64::try_from(owed + 1).ok()?),
                })
            }
            _ => Some(Command::Repay { key }),
        }
    }

    /// A receipt, or an end, of a hold that is not over: chance alone rarely hits one.
    fn open_hold(&self, dice: &mut Dice) -> Option<Command> {
        let is_open = |hold: &Hold| matches!(hold.state, "issued" | "released");
        let open: Vec<_> = self
            .holds
            .iter()
            .filter(|(_, hold)| is_open(hold))
            .collect();
        let at = dice.roll(open.len().max(1) as u64);
        let (vend, hold) = open.get(usize::try_from(at).ok()?)?;
        let vend = **vend;
        let all = u64::try_from(hold.first).ok()?.max(1);
        Some(match dice.roll(4) {
            0 => Command::Release {
                vend,
                reason: Reason::TimedOut,
            },
            1 => Command::Settle {
                vend,
                rseq: Rseq::new(1 + dice.roll(30)),
                outcome: dice.outcome(),
            },
            _ => Command::Settle {
                vend,
                rseq: Rseq::new(1 + dice.roll(30)),
                outcome: Outcome::Vended {
                    item: Item::new(7),
                    amount: dice.amount(all),
                    proof: Proof::Told,
                },
            },
        })
    }

    /// A refund of something that was sold.
    fn refundable(&self, dice: &mut Dice) -> Option<Command> {
        let at = dice.roll(self.sales.len().max(1) as u64);
        let (vend, rseq) = *self.sales.keys().nth(usize::try_from(at).ok()?)?;
        Some(Command::Refund {
            key: dice.key(),
            vend,
            rseq: Rseq::new(rseq),
            amount: dice.amount(60),
        })
    }

    fn put_in(&mut self, operator: u32, amount: i64) {
        let repaid = amount.min(self.owed_to(operator));
        self.owe(operator, -repaid);
        *self.closed.entry(operator).or_default() += amount - repaid;
    }

    fn refund(
        &mut self,
        key: TransferId,
        name: (VendId, u64),
        amount: i64,
        now_ms: u64,
    ) -> Verdicts {
        let moved = Moved::Back(name.0, name.1, amount);
        if let Some(known) = self.moved.get(&key) {
            return if *known == moved {
                Verdicts::Again
            } else {
                Verdicts::No(Refusal::NameReused)
            };
        }
        let operator = self.sales.get(&name).map_or(0, |sale| sale.operator);
        let mut owed = self.owed_to(operator);
        let Some(sale) = self.sales.get_mut(&name) else {
            return Verdicts::No(Refusal::NoSuchCapture);
        };
        if now_ms - sale.at_ms > 400 * DAY_MS {
            return Verdicts::No(Refusal::NoSuchCapture);
        }
        let left = sale.closed + sale.emoney + sale.debt - sale.back;
        if amount > left {
            return Verdicts::No(Refusal::RefundTooLarge {
                left: Amount::from_minor(left),
            });
        }
        self.moved.insert(key, moved);
        let mut forgiven = 0;
        // Coin by coin: a debt is forgiven first, e-money comes next, the closed wallet last.
        for _ in 0..amount {
            let closed_left = sale.closed - sale.back_closed;
            let other_left = sale.closed + sale.emoney + sale.debt - sale.back - closed_left;
            sale.back += 1;
            if owed > 0 && sale.forgiven < sale.debt && other_left > 0 {
                owed -= 1;
                forgiven += 1;
                sale.forgiven += 1;
            } else if other_left > 0 {
                self.emoney += 1;
            } else {
                sale.back_closed += 1;
                *self.closed.entry(operator).or_default() += 1;
            }
        }
        self.owe(operator, -forgiven);
        Verdicts::Done
    }
}

impl Hold {
    fn is_test(&self) -> bool {
        self.terms.purpose == Purpose::Test
    }
}

fn excusable(last: Option<u64>, now_ms: u64) -> bool {
    last.is_none_or(|last| now_ms - last >= 90 * DAY_MS)
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough randomness for a test, from one printed number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn amount(&mut self, below: u64) -> Amount {
        Amount::from_minor(i64::try_from(1 + self.roll(below)).expect("small"))
    }

    fn vend(&mut self) -> VendId {
        VendId::from_bytes([u8::try_from(self.roll(40)).expect("small"); 16])
    }

    /// Mostly a new name, now and then one that was used before.
    fn key(&mut self) -> TransferId {
        let names = if self.roll(8) == 0 { 10 } else { 50_000 };
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.roll(names).to_be_bytes());
        TransferId::from_bytes(key)
    }

    fn operator(&mut self) -> OperatorId {
        OperatorId::new(1 + u32::try_from(self.roll(2)).expect("small"))
    }

    fn command(&mut self) -> Command {
        match self.roll(29) {
            25 => Command::Send {
                key: self.key(),
                to: NEIGHBOUR,
                currency: self.currency(),
                amount: self.amount(100),
            },
            26 => Command::Receive {
                key: self.key(),
                from: Party::Wallet(NEIGHBOUR),
                currency: self.currency(),
                amount: self.amount(100),
            },
            27 => Command::TurnAway {
                key: self.key(),
                from: Party::Wallet(NEIGHBOUR),
                amount: self.amount(3),
            },
            28 => Command::TopUpByCard {
                key: self.key(),
                amount: self.amount(200),
            },
            24 => Command::Limit {
                key: self.key(),
                limits: Limits {
                    day: self.limit(300),
                    week: self.limit(700),
                    month: self.limit(2_000),
                },
            },
            20..=23 => Command::Refund {
                key: self.key(),
                vend: self.vend(),
                rseq: Rseq::new(1 + self.roll(30)),
                amount: self.amount(150),
            },
            0 => Command::TopUp {
                key: self.key(),
                amount: self.amount(300),
            },
            1 => Command::Give {
                key: self.key(),
                operator: self.operator(),
                amount: self.amount(200),
            },
            2..=6 => Command::Reserve {
                vend: self.vend(),
                terms: Terms {
                    operator: self.operator(),
                    machine: MachineId::new(1),
                    cap: self.amount(400),
                    least: self.amount(60),
                    vends_max: 1 + u8::try_from(self.roll(3)).expect("small"),
                    fee_basis_points: 150,
                    revalue_max: match self.roll(3) {
                        0 => Amount::ZERO,
                        _ => self.amount(400),
                    },
                    purpose: match self.roll(8) {
                        0 => Purpose::Test,
                        _ => Purpose::Sale,
                    },
                },
            },
            7 | 8 => Command::Finish {
                vend: self.vend(),
                rseq: Rseq::new(1 + self.roll(30)),
                outcome: self.outcome(),
            },
            9..=13 => Command::Settle {
                vend: self.vend(),
                rseq: Rseq::new(1 + self.roll(30)),
                outcome: self.outcome(),
            },
            14 | 15 => Command::Judge {
                vend: self.vend(),
                rseq: Rseq::new(self.roll(31)),
                verdict: self.verdict(),
            },
            _ => Command::Release {
                vend: self.vend(),
                reason: match self.roll(4) {
                    0 => Reason::Closed,
                    1 => Reason::Fenced,
                    2 => Reason::ReaderLost,
                    _ => Reason::TimedOut,
                },
            },
        }
    }

    fn currency(&mut self) -> Currency {
        match self.roll(8) {
            0 => Currency::CHF,
            _ => Currency::EUR,
        }
    }

    fn limit(&mut self, below: u64) -> Option<Amount> {
        match self.roll(3) {
            0 => None,
            _ => Some(self.amount(below)),
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.roll(4) {
            0 => Verdict::Charge,
            1 => Verdict::Forgive,
            2 => Verdict::Credit,
            _ => Verdict::Decline,
        }
    }

    fn outcome(&mut self) -> Outcome {
        let item = Item::new(7);
        match self.roll(9) {
            6 => Outcome::CashIn {
                amount: self.amount(200),
            },
            7 => Outcome::CashUnknown {
                amount: self.amount(200),
            },
            8 => Outcome::TakenBack {
                item,
                amount: self.amount(50),
            },
            0..=2 => Outcome::Vended {
                item,
                amount: self.amount(250),
                proof: Proof::Told,
            },
            3 => Outcome::Failed,
            4 => Outcome::Unknown {
                item,
                amount: self.amount(250),
            },
            _ => Outcome::Closed {
                count: u16::try_from(self.roll(3)).expect("small"),
                total: Amount::from_minor(i64::try_from(self.roll(2) * 100).expect("small")),
            },
        }
    }
}

#[test]
fn a_transfer_that_comes_again_after_a_thousand_others_moves_nothing() {
    let now = Timestamp::from_millis(DAY_MS);
    let mut wallet = Wallet::default();
    let top_up = |number: u16| {
        let mut key = [0; 16];
        key[..2].copy_from_slice(&number.to_be_bytes());
        Command::TopUp {
            key: TransferId::from_bytes(key),
            amount: Amount::from_minor(1),
        }
    };
    let open = Command::Open {
        currency: Currency::EUR,
    };
    for command in core::iter::once(open).chain((0..1_000).map(top_up)) {
        let event = wallet.decide(&command, now).expect("allowed").expect("new");
        wallet.evolve(&event);
    }
    assert_eq!(wallet.decide(&top_up(0), now), Ok(None));
}

fn record(event: wallet::Event, now: Timestamp) -> Record {
    Record {
        at: now,
        event: Event::Wallet {
            wallet: WalletId::new(1),
            event,
        },
    }
}

/// What has to have happened before something comes from the neighbour.
fn sent_by_neighbour(key: TransferId, amount: Amount, at: Timestamp) -> Vec<Record> {
    let events = [
        wallet::Event::Opened {
            currency: Currency::EUR,
        },
        wallet::Event::ToppedUp {
            key,
            amount,
            repaid: Vec::new(),
        },
        wallet::Event::Sent {
            key,
            to: WalletId::new(1),
            amount,
            at,
        },
    ];
    let wallet = NEIGHBOUR;
    let event = |event| Event::Wallet { wallet, event };
    events
        .map(|happened| Record {
            at,
            event: event(happened),
        })
        .into()
}

/// Plays one life; gives the records it left.
fn play(seed: u64) -> Vec<Record> {
    live(seed).0
}

/// Plays one life; gives the records it left, and what was refused.
fn live(seed: u64) -> (Vec<Record>, Vec<Refusal>) {
    let mut dice = Dice(seed);
    let mut wallet = Wallet::default();
    let mut model = Model::default();
    let mut records = Vec::new();
    let mut refusals = Vec::new();
    let mut now_ms = 1_000 * DAY_MS;
    let open = Command::Open {
        currency: Currency::EUR,
    };
    let opened = wallet
        .decide(&open, Timestamp::from_millis(now_ms))
        .expect("a new wallet opens")
        .expect("for the first time");
    wallet.evolve(&opened);
    records.push(record(opened, Timestamp::from_millis(now_ms)));
    for step in 0..STEPS {
        now_ms += dice.roll(3 * DAY_MS);
        let now = Timestamp::from_millis(now_ms);
        let aimed = match dice.roll(8) {
            0 => model.doubtful(&mut dice),
            1 => model.refundable(&mut dice),
            2 | 3 => model.open_hold(&mut dice),
            4 => model.pending_business(&mut dice),
            _ => None,
        };
        let command = aimed.unwrap_or_else(|| dice.command());
        let expected = model.apply(&command, now_ms);
        let decided = wallet.decide(&command, now);
        let found = match &decided {
            Ok(None) => Verdicts::Again,
            Ok(Some(wallet::Event::Stray { reason, .. })) => Verdicts::Stray(*reason),
            Ok(Some(_)) => Verdicts::Done,
            Err(refusal) => {
                refusals.push(*refusal);
                Verdicts::No(*refusal)
            }
        };
        assert_eq!(found, expected, "seed {seed} step {step}: {command:?}");
        if let Ok(Some(event)) = decided {
            wallet.evolve(&event);
            if let wallet::Event::Received { key, amount, .. } = event {
                records.extend(sent_by_neighbour(key, amount, now));
            }
            records.push(record(event, now));
            assert_eq!(
                wallet.decide(&command, now).ok().flatten(),
                None,
                "seed {seed} step {step}: a retry of {command:?} does something again"
            );
        }
        assert_eq!(rested(&wallet), wallet, "seed {seed} step {step}");
        let balance = wallet.balance().expect("it is open");
        let (closed, emoney) = model.pending(None);
        let seen = (
            balance.emoney.minor(),
            balance.pending.minor(),
            balance.owed.minor(),
        );
        assert_eq!(
            seen,
            (model.emoney, closed + emoney, model.owed()),
            "seed {seed} step {step}: {command:?}"
        );
        for operator in [1, 2] {
            let free = wallet.available(OperatorId::new(operator));
            assert_eq!(
                (free.closed.minor(), free.emoney.minor()),
                model.free(operator),
                "seed {seed} step {step}: free at operator {operator}"
            );
        }
    }
    (records, refusals)
}

/// What a value is called, without its figures.
fn name_of(value: &impl core::fmt::Debug) -> String {
    let words = format!("{value:?}");
    words
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The wallet as it comes off a shelf.
fn rested(wallet: &Wallet) -> Wallet {
    let customer = Customer {
        wallet: wallet.clone(),
        sessions: ThinVec::new(),
    };
    let mut bytes = Vec::new();
    snapshot::encode(&customer, &mut bytes).expect("small enough");
    let back: Customer = snapshot::decode(&bytes).expect("its own bytes");
    back.wallet
}

fn audit(records: &[Record]) -> Vec<Check> {
    let mut audit = Audit::default();
    for record in records {
        audit.take(record);
    }
    let report = audit.finish();
    report
        .checks
        .into_iter()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(check, _)| check)
        .collect()
}

#[test]
fn a_wallet_does_what_the_naive_model_does_and_its_books_balance() {
    let mut kinds = BTreeMap::<String, u32>::new();
    for seed in 0..SEEDS {
        let (records, refusals) = live(seed);
        assert_eq!(audit(&records), [], "seed {seed}");
        for record in &records {
            if let Event::Wallet { event, .. } = &record.event {
                *kinds.entry(name_of(event)).or_default() += 1;
            }
        }
        for refusal in &refusals {
            *kinds.entry(name_of(refusal)).or_default() += 1;
        }
    }
    // Runs that never reach a rule prove nothing of it.
    for kind in [
        "Reserved",
        "Barred",
        "Captured",
        "Failed",
        "Excused",
        "Doubted",
        "Stray",
        "Closing",
        "Released",
        "Credited",
        "CashDoubted",
        "CashDeclined",
        "Refunded",
        "Orphaned",
        "Limited",
        "Sent",
        "Received",
        "TurnedAway",
        "Delivered",
        "Returned",
        "Repaid",
        "WrittenOff",
        "ToppedUpByCard",
        "CardSettled",
        "ChargedBack",
        "Disputed",
        "DisputeEnded",
        "OtherCurrency",
        "Arrived",
        "NoDebt",
        "LimitReached",
        "InsufficientFunds",
        "InDebt",
        "RefundTooLarge",
    ] {
        assert!(
            kinds.get(kind).is_some_and(|count| *count > 20),
            "{kind} came up too rarely: {kinds:?}"
        );
    }
}

/// The audit must be able to find fault: each way of cooking the books is found by its own check.
#[test]
fn cooked_books_are_found_out() {
    let sound: Vec<Record> = (0..SEEDS)
        .map(play)
        .find(|records| {
            records.iter().any(|record| {
                matches!(
                    &record.event,
                    Event::Wallet { event: wallet::Event::Captured { parts, .. }, .. }
                        if parts.emoney.minor() > 20
                )
            })
        })
        .expect("some run captures e-money");
    let is_capture = |record: &Record| matches!(&record.event, Event::Wallet { event: wallet::Event::Captured { parts, .. }, .. } if parts.emoney.minor() > 20);
    let at = sound.iter().position(is_capture).expect("it has one");

    let mut doubled = sound.clone();
    doubled.insert(at, sound[at].clone());
    assert!(audit(&doubled).contains(&Check::ReceiptsOnce));

    let mut greedy = sound.clone();
    for _ in 0..8 {
        let mut again = sound[at].clone();
        if let Event::Wallet {
            event: wallet::Event::Captured { rseq, .. },
            ..
        } = &mut again.event
        {
            *rseq = Rseq::new(1_000 + u64::try_from(greedy.len()).expect("small"));
        }
        greedy.insert(at, again);
    }
    let found = audit(&greedy);
    assert!(found.contains(&Check::CapturedWithinHeld), "{found:?}");

    let is_of_two = |record: &Record| {
        let Event::Wallet { event, .. } = &record.event else {
            return "";
        };
        if matches!(event, wallet::Event::Refunded { .. }) {
            "refund"
        } else if matches!(event, wallet::Event::Credited { .. }) {
            "credit"
        } else {
            ""
        }
    };
    for (kind, check) in [
        ("refund", Check::RefundsWithinCaptures),
        ("credit", Check::CashWithinGrants),
    ] {
        let found = (0..SEEDS).map(play).find_map(|records| {
            let at = records
                .iter()
                .position(|record| is_of_two(record) == kind)?;
            let mut doubled = records.clone();
            for _ in 0..400 {
                doubled.insert(at, records[at].clone());
            }
            Some(audit(&doubled))
        });
        assert!(found.expect("it came up").contains(&check), "{kind}");
    }

    let found = (0..SEEDS).map(play).find_map(|mut records| {
        let held = records.iter().rposition(|record| {
            matches!(&record.event, Event::Wallet { event: wallet::Event::Reserved { terms, held, .. }, .. }
                if terms.purpose == Purpose::Sale && held.total().minor() > 1)
        })?;
        let at = records.iter().take(held).rposition(|record| {
            matches!(record.event, Event::Wallet { event: wallet::Event::Limited { .. }, .. })
        });
        if let Event::Wallet {
            event: wallet::Event::Limited { limits, .. },
            ..
        } = &mut records.get_mut(at?)?.event
        {
            limits.month = Some(Amount::from_minor(1));
        }
        Some(audit(&records))
    });
    let found = found.expect("somebody is limited and buys");
    assert!(found.contains(&Check::LimitsKept), "{found:?}");

    let mut lost = sound.clone();
    let reserved = lost
        .iter()
        .position(|record| {
            matches!(
                record.event,
                Event::Wallet {
                    event: wallet::Event::Reserved { .. },
                    ..
                }
            )
        })
        .expect("something was held");
    lost.remove(reserved);
    let found = audit(&lost);
    assert!(!found.is_empty(), "a lost record goes unnoticed");
}
