//! Proof that the books are sound, folded from the journal's records alone.
//!
//! The audit keeps its own running sums beside the replayed wallets and compares the two: it
//! trusts neither the rules that decided nor the states that they left.

mod flow;

use crate::entity::Entity;
use crate::grant::{GrantState, NO_RECEIPT, Purpose};
use crate::id::{MachineId, OperatorId, Rseq, VendId, WalletId};
use crate::ledger::{Account, Book, Transaction};
use crate::machine::{self, Machine};
use crate::money::{Amount, Currency};
use crate::operator;
use crate::record::{Event, Record};
use crate::time::Timestamp;
use crate::wallet::{self, Favour, Limits, Reason, Wallet, Window};
use flow::Flow;
use std::collections::{BTreeMap, BTreeSet};

/// Faults of one check that are kept in words; the rest are counted.
pub const FAULTS_KEPT: usize = 16;

/// One thing that must hold of every journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// Every transaction sums to 0.
    TransactionsSumToZero,
    /// Every wallet's balances are the fold of its entries.
    BalancesAreFolds,
    /// Nothing is spent that is not there, or held twice.
    AvailableNotNegative,
    /// No hold pays for more than it holds.
    CapturedWithinHeld,
    /// Each receipt has one effect.
    ReceiptsOnce,
    /// Each hold ends once.
    GrantsEndOnce,
    /// What is pending is what live holds keep.
    PendingIsLiveHolds,
    /// The issuer holds what customers, operators and the platform are owed.
    IssuerCovers,
    /// No sale is given back twice.
    RefundsWithinCaptures,
    /// No more cash is credited under a grant than it allowed.
    CashWithinGrants,
    /// What a machine's cash box should hold is the fold of its entries.
    CashBoxesFold,
    /// No hold reaches beyond what its wallet may spend in a day, a week or a month.
    LimitsKept,
    /// A transfer arrives once or comes back once, and what is on its way is what has left.
    TransfersArriveOnce,
    /// What customers owe is what somebody still has to get, or has given up.
    DebtsMatch,
    /// No operator, nor the platform, spends what it has not earned; platform funds are not negative.
    PayoutsCovered,
    /// What an operator takes for its earnings is the fold of the journal.
    FoldsAreTrue,
    /// No more of a payment settles or is charged back than was paid.
    CardsWithinPayments,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 17] = [
        Self::TransactionsSumToZero,
        Self::BalancesAreFolds,
        Self::AvailableNotNegative,
        Self::CapturedWithinHeld,
        Self::ReceiptsOnce,
        Self::GrantsEndOnce,
        Self::PendingIsLiveHolds,
        Self::IssuerCovers,
        Self::RefundsWithinCaptures,
        Self::CashWithinGrants,
        Self::CashBoxesFold,
        Self::LimitsKept,
        Self::TransfersArriveOnce,
        Self::DebtsMatch,
        Self::PayoutsCovered,
        Self::FoldsAreTrue,
        Self::CardsWithinPayments,
    ];

    /// Its name in machine-readable output; it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TransactionsSumToZero => "transactions_sum_to_zero",
            Self::BalancesAreFolds => "balances_are_folds",
            Self::AvailableNotNegative => "available_not_negative",
            Self::CapturedWithinHeld => "captured_within_held",
            Self::ReceiptsOnce => "receipts_once",
            Self::GrantsEndOnce => "grants_end_once",
            Self::PendingIsLiveHolds => "pending_is_live_holds",
            Self::IssuerCovers => "issuer_covers",
            Self::RefundsWithinCaptures => "refunds_within_captures",
            Self::CashWithinGrants => "cash_within_grants",
            Self::CashBoxesFold => "cash_boxes_fold",
            Self::LimitsKept => "limits_kept",
            Self::TransfersArriveOnce => "transfers_arrive_once",
            Self::DebtsMatch => "debts_match",
            Self::PayoutsCovered => "payouts_covered",
            Self::FoldsAreTrue => "folds_are_true",
            Self::CardsWithinPayments => "cards_within_payments",
        }
    }
}

/// A running audit: give it every record in order, then [`Audit::finish`].
#[derive(Clone, Debug, Default)]
pub struct Audit {
    wallets: BTreeMap<WalletId, Wallet>,
    pending: BTreeMap<WalletId, Amount>,
    effects: BTreeSet<(WalletId, VendId, Rseq)>,
    ended: BTreeSet<(WalletId, VendId)>,
    machines: BTreeMap<MachineId, Machine>,
    /// Of each sale, what was charged and not given back, and when it was charged.
    sales: BTreeMap<(WalletId, VendId, Rseq), (Amount, Timestamp)>,
    limits: BTreeMap<WalletId, Limits>,
    written_off: BTreeMap<WalletId, Amount>,
    flow: Flow,
    /// Of each grant, what cash it still allows.
    cash: BTreeMap<(WalletId, VendId), Amount>,
    book: Book,
    records: u64,
    faults: BTreeMap<Check, Faults>,
}

#[derive(Clone, Debug, Default)]
struct Faults {
    count: u64,
    words: Vec<String>,
}

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Wallets seen.
    pub wallets: usize,
    /// What each check found wrong: how many times, and the first ones in words.
    pub checks: BTreeMap<Check, (u64, Vec<String>)>,
    /// The balances.
    pub book: Book,
}

impl Report {
    /// Whether every check holds.
    pub fn is_balanced(&self) -> bool {
        self.checks.values().all(|(count, _)| *count == 0)
    }
}

impl Audit {
    /// Takes in the next record.
    pub fn take(&mut self, record: &Record) {
        self.records += 1;
        self.flow.next();
        match &record.event {
            Event::Wallet { wallet, event } => self.take_wallet(*wallet, event),
            Event::Machine { machine, event } => self.take_machine(*machine, event),
            Event::Operator { operator, event } => self.take_operator(*operator, event),
            Event::Session { .. } | Event::Reader { .. } => {}
        }
    }

    fn take_operator(&mut self, id: OperatorId, event: &operator::Event) {
        for (currency, transaction) in Transaction::of_operator(id, event) {
            if transaction.sum() != Amount::ZERO {
                self.fault(Check::TransactionsSumToZero, || {
                    format!("operator {id}: {event:?} sums to {}", transaction.sum())
                });
            }
            self.book.post(currency, &transaction);
            if self.book.balance(currency, Account::Funds) < Amount::ZERO {
                self.fault(Check::PayoutsCovered, || {
                    format!("platform funds in {currency} are overdrawn")
                });
            }
        }
        for (check, words) in self.flow.take_operator(id, event) {
            self.fault(check, || words);
        }
    }

    fn take_machine(&mut self, id: MachineId, event: &machine::Event) {
        let machine = self.machines.entry(id).or_default();
        machine.evolve(event);
        let (Some(operator), Some(currency)) = (machine.operator(), machine.currency()) else {
            self.fault(Check::BalancesAreFolds, || {
                format!("machine {id}: {event:?} before it was registered")
            });
            return;
        };
        let expected = machine.cash_expected();
        let transaction = Transaction::of_machine((id, operator), event);
        if transaction.sum() != Amount::ZERO {
            self.fault(Check::TransactionsSumToZero, || {
                format!("machine {id}: {event:?} sums to {}", transaction.sum())
            });
        }
        self.book.post(currency, &transaction);
        let booked = -self.book.balance(currency, Account::CashBox(id));
        if booked != expected {
            self.fault(Check::CashBoxesFold, || {
                format!("machine {id}: {expected} shown, {booked} booked")
            });
        }
    }

    /// Keeps the audit's own sums of what may be given back and put in.
    fn check_limits(&mut self, id: WalletId, event: &wallet::Event) {
        match event {
            wallet::Event::Reserved { vend, revalue, .. } => {
                self.cash.insert((id, *vend), *revalue);
            }
            wallet::Event::Captured {
                vend,
                rseq,
                purpose: Purpose::Sale,
                parts,
                debt,
                at,
                ..
            } => {
                let taken = parts.total() + *debt;
                self.sales.insert((id, *vend, *rseq), (taken, *at));
            }
            wallet::Event::Refunded {
                vend,
                rseq,
                parts,
                forgiven,
                ..
            } => {
                self.take_back((id, *vend, *rseq), parts.total() + *forgiven);
            }
            wallet::Event::Credited { vend, amount, .. } => {
                let left = self.cash.entry((id, *vend)).or_default();
                *left = *left - *amount;
                if *left < Amount::ZERO {
                    self.fault(Check::CashWithinGrants, || {
                        format!("wallet {id}: hold {vend}")
                    });
                }
            }
            wallet::Event::Limited { limits, .. } => {
                self.limits.insert(id, *limits);
            }
            wallet::Event::WrittenOff { amount, .. } => {
                let gone = self.written_off.entry(id).or_default();
                *gone = *gone + *amount;
            }
            wallet::Event::Disputed {
                vend, rseq, amount, ..
            } => self.take_back((id, *vend, *rseq), *amount),
            wallet::Event::DisputeEnded {
                vend,
                rseq,
                amount,
                favour: Favour::Operator,
                ..
            } => self.take_back((id, *vend, *rseq), -*amount),
            wallet::Event::Opened { .. }
            | wallet::Event::ToppedUp { .. }
            | wallet::Event::Given { .. }
            | wallet::Event::Captured { .. }
            | wallet::Event::Sent { .. }
            | wallet::Event::Received { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::Returned { .. }
            | wallet::Event::Repaid { .. }
            | wallet::Event::ToppedUpByCard { .. }
            | wallet::Event::CardSettled { .. }
            | wallet::Event::ChargedBack { .. }
            | wallet::Event::DisputeEnded { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Excused { .. }
            | wallet::Event::Doubted { .. }
            | wallet::Event::CashDoubted { .. }
            | wallet::Event::CashDeclined { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. }
            | wallet::Event::Orphaned { .. }
            | wallet::Event::Released { .. } => {}
        }
    }

    /// Gives back what a sale took, or sets it aside.
    fn take_back(&mut self, sale: (WalletId, VendId, Rseq), amount: Amount) {
        let (id, vend, rseq) = sale;
        let (left, _) = self.sales.entry(sale).or_default();
        *left = *left - amount;
        if *left < Amount::ZERO {
            self.fault(Check::RefundsWithinCaptures, || {
                format!("wallet {id}: hold {vend}, receipt {rseq}")
            });
        }
    }

    /// What was spent and what holds keep must be within every limit when something is held.
    fn check_budget(&mut self, id: WalletId, event: &wallet::Event) {
        let wallet::Event::Reserved {
            terms, held, at, ..
        } = event
        else {
            return;
        };
        let Some(limits) = self.limits.get(&id).copied() else {
            return;
        };
        if terms.purpose == Purpose::Test || !held.total().is_positive() {
            return;
        }
        let first = (id, VendId::from_bytes([0; 16]), Rseq::new(0));
        let ours = || {
            let later = self.sales.range(first..);
            later
                .take_while(|((wallet, ..), _)| *wallet == id)
                .map(|(_, sale)| *sale)
        };
        let pending = self.pending.get(&id).copied().unwrap_or_default();
        // Whose sales a debt was for that is given up, nobody tells.
        let gone = self.written_off.get(&id).copied().unwrap_or_default();
        // A clock that was set back begins no window anew.
        let now = ours().map(|(_, sold)| sold).max().unwrap_or(*at).max(*at);
        let over = Window::ALL.into_iter().find_map(|window| {
            let limit = limits.of(window)?;
            let inside = ours().filter(|(_, sold)| window.number(*sold) == window.number(now));
            let used: Amount = inside.map(|(amount, _)| amount).sum();
            (used + pending - gone > limit).then_some((window, limit, used))
        });
        if let Some((window, limit, used)) = over {
            self.fault(Check::LimitsKept, || {
                format!("wallet {id}: {used} spent and {pending} held of {limit} in a {window}")
            });
        }
    }

    /// Compares what is left to compare, and reports.
    pub fn finish(mut self) -> Report {
        let currencies: BTreeSet<Currency> = self
            .book
            .balances()
            .map(|(currency, ..)| currency)
            .collect();
        for currency in currencies {
            self.check_issuer(currency);
            let underway = self.flow.underway(currency);
            let booked = self.book.balance(currency, Account::TransferInTransit);
            if underway != booked {
                self.fault(Check::TransfersArriveOnce, || {
                    format!("{currency}: {underway} on its way, {booked} booked")
                });
            }
        }
        let checks = Check::ALL
            .into_iter()
            .map(|check| {
                let faults = self.faults.remove(&check).unwrap_or_default();
                (check, (faults.count, faults.words))
            })
            .collect();
        Report {
            records: self.records,
            wallets: self.wallets.len(),
            checks,
            book: self.book,
        }
    }

    fn take_wallet(&mut self, id: WalletId, event: &wallet::Event) {
        self.check_once(id, event);
        self.check_limits(id, event);
        let moved = self.moved_pending(id, event);
        let transaction = Transaction::of(id, event);
        if transaction.sum() != Amount::ZERO {
            self.fault(Check::TransactionsSumToZero, || {
                format!("wallet {id}: {event:?} sums to {}", transaction.sum())
            });
        }
        let wallet = self.wallets.entry(id).or_default();
        wallet.evolve(event);
        let Some(currency) = wallet.currency() else {
            self.fault(Check::BalancesAreFolds, || {
                format!("wallet {id}: {event:?} before it was opened")
            });
            return;
        };
        self.book.post(currency, &transaction);
        let faults = self.flow.take_wallet((id, currency), event, &transaction);
        if let Some((check, words)) = faults {
            self.fault(check, || words);
        }
        let pending = self.pending.entry(id).or_insert(Amount::ZERO);
        *pending = *pending + moved;
        self.check_budget(id, event);
        self.compare(id, currency);
        if let Some(vend) = event.vend() {
            self.check_cap(id, vend);
        }
    }

    /// Compares a wallet with the book and with the audit's own sum of what is pending.
    fn compare(&mut self, id: WalletId, currency: Currency) {
        let Some((wallet, balance)) = self
            .wallets
            .get(&id)
            .and_then(|wallet| Some((wallet, wallet.balance()?)))
        else {
            return;
        };
        let mut wrong = Vec::new();
        let mut expect = |account: Account, shown: Amount| {
            let booked = self.book.balance(currency, account);
            if booked != shown {
                wrong.push(format!("{account}: {shown} shown, {booked} booked"));
            }
        };
        expect(Account::Emoney(id), balance.emoney);
        expect(Account::LateDebt(id), -balance.owed);
        let mut overdrawn = balance.emoney < Amount::ZERO || balance.owed < Amount::ZERO;
        for (operator, amount) in &balance.closed {
            expect(Account::Closed(*operator, id), *amount);
            let free = wallet.available(*operator);
            overdrawn |= free.closed < Amount::ZERO || free.emoney < Amount::ZERO;
        }
        for grant in wallet.live() {
            let free = wallet.available(grant.terms.operator);
            overdrawn |= free.closed < Amount::ZERO || free.emoney < Amount::ZERO;
        }
        let pending = self.pending.get(&id).copied().unwrap_or_default();
        for words in wrong {
            self.fault(Check::BalancesAreFolds, || words);
        }
        if overdrawn {
            self.fault(Check::AvailableNotNegative, || format!("wallet {id}"));
        }
        if pending != balance.pending {
            self.fault(Check::PendingIsLiveHolds, || {
                format!("wallet {id}: {} shown, {pending} summed", balance.pending)
            });
        }
    }

    fn check_once(&mut self, id: WalletId, event: &wallet::Event) {
        let judged = |vend: VendId, rseq: Rseq| {
            self.wallets
                .get(&id)
                .and_then(|wallet| wallet.grant(vend))
                .is_some_and(|grant| grant.doubts().iter().any(|doubt| doubt.rseq == rseq))
        };
        let effect = match event {
            wallet::Event::Captured { vend, rseq, .. }
            | wallet::Event::Credited { vend, rseq, .. }
            | wallet::Event::Excused { vend, rseq, .. } => {
                (!judged(*vend, *rseq)).then_some((*vend, *rseq))
            }
            wallet::Event::Failed { vend, rseq }
            | wallet::Event::Doubted { vend, rseq, .. }
            | wallet::Event::CashDoubted { vend, rseq, .. }
            | wallet::Event::Stray { vend, rseq, .. }
            | wallet::Event::Closing { vend, rseq }
            | wallet::Event::Released {
                vend,
                rseq: Some(rseq),
                ..
            } => Some((*vend, *rseq)),
            wallet::Event::Opened { .. }
            | wallet::Event::ToppedUp { .. }
            | wallet::Event::Given { .. }
            | wallet::Event::Limited { .. }
            | wallet::Event::Sent { .. }
            | wallet::Event::Received { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::Returned { .. }
            | wallet::Event::Repaid { .. }
            | wallet::Event::WrittenOff { .. }
            | wallet::Event::ToppedUpByCard { .. }
            | wallet::Event::CardSettled { .. }
            | wallet::Event::ChargedBack { .. }
            | wallet::Event::Disputed { .. }
            | wallet::Event::DisputeEnded { .. }
            | wallet::Event::Reserved { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::CashDeclined { .. }
            | wallet::Event::Refunded { .. }
            | wallet::Event::Released { rseq: None, .. } => None,
            wallet::Event::Orphaned { vend, .. } => Some((*vend, NO_RECEIPT)),
        };
        if let Some((vend, rseq)) = effect
            && !self.effects.insert((id, vend, rseq))
        {
            self.fault(Check::ReceiptsOnce, || {
                format!("hold {vend}: receipt {rseq} twice")
            });
        }
        if let Some((vend, reason)) = event.ended()
            && reason != Reason::TimedOut
            && !self.ended.insert((id, vend))
        {
            self.fault(Check::GrantsEndOnce, || format!("hold {vend} ended twice"));
        }
    }

    /// What an event adds to the wallet's pending money, by the audit's own reckoning.
    fn moved_pending(&self, id: WalletId, event: &wallet::Event) -> Amount {
        let grant = |vend: VendId| self.wallets.get(&id).and_then(|wallet| wallet.grant(vend));
        let doubted = |vend: VendId, rseq: Rseq| {
            grant(vend).and_then(|grant| grant.doubts().iter().find(|doubt| doubt.rseq == rseq))
        };
        let is_test =
            |vend: VendId| grant(vend).is_some_and(|grant| grant.terms.purpose == Purpose::Test);
        match event {
            wallet::Event::Reserved { terms, held, .. } => match terms.purpose {
                Purpose::Sale => held.total(),
                Purpose::Test => Amount::ZERO,
            },
            _ if event.vend().is_some_and(is_test) => Amount::ZERO,
            wallet::Event::Released { freed, .. } => -freed.total(),
            wallet::Event::Captured {
                vend,
                rseq,
                parts,
                freed,
                ..
            } => {
                let freed = freed.unwrap_or_default();
                let from_hold = doubted(*vend, *rseq).is_some()
                    || grant(*vend).is_some_and(|grant| grant.state == GrantState::Issued);
                if from_hold {
                    -parts.total() - freed.total()
                } else {
                    Amount::ZERO
                }
            }
            wallet::Event::Excused { vend, rseq, .. } => {
                doubted(*vend, *rseq).map_or(Amount::ZERO, |doubt| -doubt.parts.total())
            }
            wallet::Event::Opened { .. }
            | wallet::Event::ToppedUp { .. }
            | wallet::Event::Given { .. }
            | wallet::Event::Limited { .. }
            | wallet::Event::Sent { .. }
            | wallet::Event::Received { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::Returned { .. }
            | wallet::Event::Repaid { .. }
            | wallet::Event::WrittenOff { .. }
            | wallet::Event::ToppedUpByCard { .. }
            | wallet::Event::CardSettled { .. }
            | wallet::Event::ChargedBack { .. }
            | wallet::Event::Disputed { .. }
            | wallet::Event::DisputeEnded { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Doubted { .. }
            | wallet::Event::CashDoubted { .. }
            | wallet::Event::CashDeclined { .. }
            | wallet::Event::Credited { .. }
            | wallet::Event::Refunded { .. }
            | wallet::Event::Orphaned { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. } => Amount::ZERO,
        }
    }

    fn check_cap(&mut self, id: WalletId, vend: VendId) {
        let over = self
            .wallets
            .get(&id)
            .and_then(|wallet| wallet.grant(vend))
            .is_some_and(|grant| {
                grant.captured > grant.held_first || grant.vends > grant.terms.vends_max
            });
        if over {
            self.fault(Check::CapturedWithinHeld, || format!("hold {vend}"));
        }
    }

    fn check_issuer(&mut self, currency: Currency) {
        let mut owed = Amount::ZERO;
        let mut held = Amount::ZERO;
        let mut debts = Amount::ZERO;
        for (of, account, amount) in self.book.balances() {
            if of != currency {
                continue;
            }
            match account {
                Account::Emoney(_)
                | Account::PayableCovered(_)
                | Account::Dispute(_)
                | Account::Fees
                | Account::Funds
                | Account::TransferInTransit => owed = owed + amount,
                Account::Safeguarding
                | Account::InTransit
                | Account::CardInTransit
                | Account::ChargebacksDue => held = held - amount,
                Account::LateDebt(_) | Account::PayableUncovered(_) | Account::WriteOff(_) => {
                    debts = debts + amount;
                }
                Account::Closed(..)
                | Account::ClosedSales(_)
                | Account::Promotions(_)
                | Account::Refunds(_)
                | Account::CashBox(_)
                | Account::CashSales(_)
                | Account::CashAtBank(_)
                | Account::CashOverShort(_)
                | Account::Suspense(_) => {}
            }
        }
        if owed != held {
            self.fault(Check::IssuerCovers, || {
                format!("{currency}: {held} held, {owed} owed")
            });
        }
        if debts != Amount::ZERO {
            self.fault(Check::DebtsMatch, || {
                format!("{currency}: {debts} more owed to operators than by customers")
            });
        }
    }

    fn fault(&mut self, check: Check, words: impl FnOnce() -> String) {
        let faults = self.faults.entry(check).or_default();
        faults.count += 1;
        if faults.words.len() < FAULTS_KEPT {
            faults.words.push(words());
        }
    }
}
