//! Proof that the books are sound, folded from the journal's records alone.
//!
//! The audit keeps its own running sums beside the replayed wallets and compares the two: it
//! trusts neither the rules that decided nor the states that they left.

use crate::entity::Entity;
use crate::grant::GrantState;
use crate::id::{Rseq, VendId, WalletId};
use crate::ledger::{Account, Book, Transaction};
use crate::money::{Amount, Currency};
use crate::record::{Event, Record};
use crate::wallet::{self, Reason, Wallet};
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
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 8] = [
        Self::TransactionsSumToZero,
        Self::BalancesAreFolds,
        Self::AvailableNotNegative,
        Self::CapturedWithinHeld,
        Self::ReceiptsOnce,
        Self::GrantsEndOnce,
        Self::PendingIsLiveHolds,
        Self::IssuerCovers,
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
        match &record.event {
            Event::Wallet { wallet, event } => self.take_wallet(*wallet, event),
            Event::Session { .. } | Event::Machine { .. } | Event::Reader { .. } => {}
        }
    }

    /// Compares what is left to compare, and reports.
    pub fn finish(mut self) -> Report {
        let currencies: BTreeSet<Currency> =
            self.wallets.values().filter_map(Wallet::currency).collect();
        for currency in currencies {
            self.check_issuer(currency);
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
        let pending = self.pending.entry(id).or_insert(Amount::ZERO);
        *pending = *pending + moved;
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
                .is_some_and(|grant| grant.doubted.iter().any(|doubt| doubt.rseq == rseq))
        };
        let effect = match event {
            wallet::Event::Captured { vend, rseq, .. }
            | wallet::Event::Excused { vend, rseq, .. } => {
                (!judged(*vend, *rseq)).then_some((*vend, *rseq))
            }
            wallet::Event::Failed { vend, rseq }
            | wallet::Event::Doubted { vend, rseq, .. }
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
            | wallet::Event::Reserved { .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Released { rseq: None, .. } => None,
        };
        if let Some((vend, rseq)) = effect
            && !self.effects.insert((id, vend, rseq))
        {
            self.fault(Check::ReceiptsOnce, || {
                format!("hold {vend}: receipt {rseq} twice")
            });
        }
        if let wallet::Event::Released { vend, reason, .. } = event
            && *reason != Reason::TimedOut
            && !self.ended.insert((id, *vend))
        {
            self.fault(Check::GrantsEndOnce, || format!("hold {vend} ended twice"));
        }
    }

    /// What an event adds to the wallet's pending money, by the audit's own reckoning.
    fn moved_pending(&self, id: WalletId, event: &wallet::Event) -> Amount {
        let grant = |vend: VendId| self.wallets.get(&id).and_then(|wallet| wallet.grant(vend));
        let doubted = |vend: VendId, rseq: Rseq| {
            grant(vend).and_then(|grant| grant.doubted.iter().find(|doubt| doubt.rseq == rseq))
        };
        match event {
            wallet::Event::Reserved { held, .. } => held.total(),
            wallet::Event::Released { freed, .. } => -freed.total(),
            wallet::Event::Captured {
                vend, rseq, parts, ..
            } => {
                let from_hold = doubted(*vend, *rseq).is_some()
                    || grant(*vend).is_some_and(|grant| grant.state == GrantState::Issued);
                if from_hold {
                    -parts.total()
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
            | wallet::Event::Barred { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Doubted { .. }
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
        for (of, account, amount) in self.book.balances() {
            if of != currency {
                continue;
            }
            match account {
                Account::Emoney(_) | Account::PayableCovered(_) | Account::Fees => {
                    owed = owed + amount;
                }
                Account::Safeguarding => held = held - amount,
                Account::Closed(..)
                | Account::LateDebt(_)
                | Account::PayableUncovered(_)
                | Account::ClosedSales(_)
                | Account::Promotions(_) => {}
            }
        }
        if owed != held {
            self.fault(Check::IssuerCovers, || {
                format!("{currency}: {held} held, {owed} owed")
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
