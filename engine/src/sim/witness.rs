//! The reference: what was asked and what was acknowledged, in plain maps, and what a journal must
//! hold because of it. It knows nothing of shards, batches, durability or recovery.

use gettone_core::audit::Audit;
use gettone_core::entity::Entity;
use gettone_core::grant::Purpose;
use gettone_core::id::{MachineId, OperatorId, ReaderId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::port::{Each, History, Seq, Store, StoreFault};
use gettone_core::record::{Event, Record};
use gettone_core::wallet::{Favour, Limits, Wallet};
use gettone_core::{machine, operator, reader, wallet};
use std::collections::{BTreeMap, BTreeSet};

/// One effect, by its name. The journal has each once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Effect {
    WalletOpened(WalletId),
    /// Top-up, gift, refund, limits, and whatever else a wallet is asked by such a name.
    Transfer(WalletId, TransferId),
    /// Money left for another wallet.
    Sent(WalletId, TransferId),
    /// It arrived.
    Received(WalletId, TransferId),
    /// It came back.
    Returned(WalletId, TransferId),
    DisputeEnded(WalletId, TransferId),
    CardSettled(WalletId, TransferId),
    /// An operator was paid, paid out or gave.
    Paid(OperatorId, TransferId),
    /// What it gave came back.
    Back(OperatorId, TransferId),
    /// The issuer has paid it out, or could not.
    PayoutEnded(OperatorId, TransferId),
    Held(WalletId, VendId),
    Sold(WalletId, VendId, Rseq),
    Credited(WalletId, VendId, Rseq),
    Registered(MachineId),
    Counted(MachineId, TransferId),
    TookIn(MachineId, ReaderId, Rseq),
    Enrolled(ReaderId),
    Recorded(ReaderId, Rseq),
    Applied(ReaderId, Rseq),
}

/// A trace that the journal has, once or more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Trace {
    /// A receipt, whatever it came to.
    Receipt(WalletId, VendId, Rseq),
    /// A hold ended.
    Ended(WalletId, VendId),
}

/// What everybody outside the engine knows.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// What clients asked, and what it makes their wallet richer by, in minor units.
    asked: BTreeMap<Effect, i64>,
    /// What they were told is done.
    acked: BTreeSet<Effect>,
    traces: BTreeSet<Trace>,
    /// What they were told will not be done.
    denied: BTreeSet<Effect>,
    /// What a board did under a live grant: it must be booked in the end.
    promised: BTreeSet<Effect>,
    /// Fresh names of what had another name first.
    renamed: BTreeMap<Effect, Effect>,
}

/// What a journal was found to hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    effects: BTreeMap<Effect, u32>,
    arrived: BTreeSet<TransferId>,
    came_back: BTreeSet<TransferId>,
    traces: BTreeSet<Trace>,
    pub(super) wallets: BTreeMap<WalletId, Wallet>,
    pub(super) records: u64,
}

impl Witness {
    /// Somebody asks for it.
    pub(super) fn ask(&mut self, effect: Effect, minor: i64) {
        self.asked.insert(effect, minor);
    }

    /// Somebody asks for the same by another name.
    pub(super) fn rename(&mut self, fresh: Effect, first: Effect) {
        let origin = self.renamed.get(&first).copied().unwrap_or(first);
        self.renamed.insert(fresh, origin);
    }

    /// Somebody was told that it is done.
    pub(super) fn ack(&mut self, effect: Effect) {
        self.acked.insert(self.origin(effect));
    }

    /// Somebody was told something that leaves a trace.
    pub(super) fn ack_trace(&mut self, trace: Trace) {
        self.traces.insert(trace);
    }

    /// Somebody was told that it is not done, and never asks for it again.
    pub(super) fn deny(&mut self, effect: Effect) {
        self.denied.insert(effect);
    }

    /// A board did what it was granted.
    pub(super) fn promise(&mut self, effect: Effect) {
        self.promised.insert(effect);
    }

    /// The board that did it is gone for good: nobody will hear of it.
    pub(super) fn forgive(&mut self, effect: Effect) {
        self.promised.remove(&effect);
    }

    /// Whether somebody was told that it is done.
    pub(super) fn is_acked(&self, effect: Effect) -> bool {
        self.acked.contains(&effect)
    }

    fn origin(&self, effect: Effect) -> Effect {
        self.renamed.get(&effect).copied().unwrap_or(effect)
    }

    /// Reads a journal, and checks it against everything that is known.
    pub(super) fn read(&self, store: &mut dyn Store) -> Result<Found, String> {
        self.judge(|each| store.replay(Seq::FIRST, each).map(|_| ()))
    }

    /// Reads what is durable while the engine runs, and checks it in the same way.
    pub(super) fn look(&self, history: &dyn History, upto: Seq) -> Result<Found, String> {
        self.judge(|each| history.read(Seq::FIRST, upto, each))
    }

    fn judge(
        &self,
        read: impl FnOnce(&mut Each<'_>) -> Result<(), StoreFault>,
    ) -> Result<Found, String> {
        let (mut found, mut audit) = (Found::default(), Audit::default());
        let mut wrong = None;
        read(&mut |_, payload| {
            let record = Record::decode(payload).map_err(|fault| StoreFault::Damaged {
                place: "the journal".to_owned(),
                what: fault.to_string(),
            })?;
            audit.take(&record);
            found.records += 1;
            if let Err(words) = self.take(&mut found, &record.event) {
                wrong.get_or_insert(words);
            }
            Ok(())
        })
        .map_err(|fault| format!("the journal cannot be read: {fault}"))?;
        if let Some(words) = wrong {
            return Err(words);
        }
        let report = audit.finish();
        if !report.is_balanced() {
            let faults = report
                .checks
                .into_iter()
                .filter(|(_, (count, _))| *count > 0);
            return Err(format!("the audit fails: {:?}", faults.collect::<Vec<_>>()));
        }
        self.compare(&found)?;
        Ok(found)
    }

    fn take(&self, found: &mut Found, event: &Event) -> Result<(), String> {
        match event {
            Event::Wallet { wallet, event } => {
                found.wallets.entry(*wallet).or_default().evolve(event);
                if let Some(trace) = trace_of(*wallet, event) {
                    found.traces.insert(trace);
                }
                if let Some((vend, _)) = event.ended() {
                    found.traces.insert(Trace::Ended(*wallet, vend));
                }
                match effect_of(*wallet, event) {
                    Some((effect, minor)) => self.count(found, effect, minor),
                    None => Ok(()),
                }
            }
            Event::Session { .. } => Ok(()),
            Event::Operator { operator, event } => match operator_effect(*operator, event) {
                Some((effect, minor)) => self.count(found, effect, minor),
                None => Ok(()),
            },
            Event::Machine { machine, event } => match machine_effect(*machine, event) {
                Some((effect, minor)) => self.count(found, effect, minor),
                None => Ok(()),
            },
            Event::Reader { reader, event } => match event.as_ref() {
                reader::Event::Enrolled { .. } => self.count(found, Effect::Enrolled(*reader), 0),
                reader::Event::Heard {
                    receipts,
                    contradiction,
                    ..
                } => {
                    if let Some(contradiction) = contradiction {
                        return Err(format!("honest reader {reader}: {contradiction:?}"));
                    }
                    receipts.iter().try_for_each(|receipt| {
                        let recorded = Effect::Recorded(*reader, receipt.rseq);
                        self.count(found, recorded, receipt.amount.minor())
                    })
                }
                reader::Event::Applied { rseq, .. } => {
                    self.count(found, Effect::Applied(*reader, *rseq), 0)
                }
                reader::Event::Answered { .. }
                | reader::Event::Fenced { .. }
                | reader::Event::TokensKept { .. }
                | reader::Event::Forgotten { .. }
                | reader::Event::KeyAnnounced(_)
                | reader::Event::KeyDisputed { .. }
                | reader::Event::KeySwitched { .. }
                | reader::Event::ControllerDoubted { .. }
                | reader::Event::ControllerTrusted
                | reader::Event::ServerFollowed { .. }
                | reader::Event::Revoked => Ok(()),
                reader::Event::Scanned(_) => Err(format!("nobody scans {reader} here")),
            },
        }
    }

    /// Counts an effect: asked for, as it was asked for, and once.
    fn count(&self, found: &mut Found, effect: Effect, minor: i64) -> Result<(), String> {
        let effect = self.origin(effect);
        match effect {
            Effect::Received(_, key) => found.arrived.insert(key),
            Effect::Returned(_, key) | Effect::Back(_, key) => found.came_back.insert(key),
            _ => true,
        };
        if let Some(key) = found.arrived.intersection(&found.came_back).next() {
            return Err(format!("doubled: transfer {key} arrived and came back"));
        }
        match self.asked.get(&effect) {
            None => return Err(format!("invented: {effect:?} of {minor}")),
            Some(asked) if *asked != minor => {
                return Err(format!(
                    "invented: {effect:?} of {minor} instead of {asked}"
                ));
            }
            Some(_) => {}
        }
        let count = found.effects.entry(effect).or_default();
        *count += 1;
        if *count > 1 {
            return Err(format!("doubled: {effect:?}"));
        }
        Ok(())
    }

    fn compare(&self, found: &Found) -> Result<(), String> {
        for effect in &self.acked {
            if !found.effects.contains_key(effect) {
                return Err(format!("lost: {effect:?} was acknowledged"));
            }
        }
        for trace in &self.traces {
            if !found.traces.contains(trace) {
                return Err(format!("lost: {trace:?} was acknowledged"));
            }
        }
        for effect in &self.denied {
            if found.effects.contains_key(effect) {
                return Err(format!("invented: {effect:?} was refused"));
            }
        }
        for (wallet, state) in &found.wallets {
            let balance = state.balance().ok_or("a wallet that is not open")?;
            let closed: Amount = balance.closed.iter().map(|(_, amount)| *amount).sum();
            let has = (balance.emoney + closed - balance.owed).minor();
            let reckoned = self.worth(found, *wallet);
            if has != reckoned {
                return Err(format!(
                    "wallet {wallet} has {has} and should have {reckoned}"
                ));
            }
        }
        Ok(())
    }

    /// What a wallet is worth: the sum of what was asked and done, and nothing else.
    fn worth(&self, found: &Found, wallet: WalletId) -> i64 {
        let ours = |effect: &Effect| match effect {
            Effect::Transfer(owner, _)
            | Effect::Sent(owner, _)
            | Effect::Received(owner, _)
            | Effect::Returned(owner, _)
            | Effect::DisputeEnded(owner, _)
            | Effect::Sold(owner, ..)
            | Effect::Credited(owner, ..) => *owner == wallet,
            Effect::CardSettled(..)
            | Effect::Paid(..)
            | Effect::Back(..)
            | Effect::PayoutEnded(..)
            | Effect::WalletOpened(_)
            | Effect::Held(..)
            | Effect::Registered(_)
            | Effect::Counted(..)
            | Effect::TookIn(..)
            | Effect::Enrolled(_)
            | Effect::Recorded(..)
            | Effect::Applied(..) => false,
        };
        let done = found.effects.keys().filter(|effect| ours(effect));
        done.filter_map(|effect| self.asked.get(effect)).sum()
    }

    /// Checks what must be so once every call is answered and every board has been heard out.
    pub(super) fn close(&self, found: &Found) -> Result<(), String> {
        for effect in &self.promised {
            if !found.effects.contains_key(effect) {
                return Err(format!("lost: {effect:?} happened at a machine"));
            }
        }
        for (id, wallet) in &found.wallets {
            if let Some(outgoing) = wallet.outgoing().first() {
                let key = outgoing.key;
                return Err(format!("wallet {id}: transfer {key} is under way for ever"));
            }
            for grant in wallet.live() {
                if grant.doubts().is_empty() {
                    return Err(format!("wallet {id}: hold {} is held for ever", grant.vend));
                }
            }
        }
        Ok(())
    }
}

fn effect_of(id: WalletId, event: &wallet::Event) -> Option<(Effect, i64)> {
    use wallet::Event;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others move nothing and hold nothing"
    )]
    Some(match event {
        Event::Opened { .. } => (Effect::WalletOpened(id), 0),
        Event::ToppedUp { key, amount, .. } | Event::Given { key, amount, .. } => {
            (Effect::Transfer(id, *key), amount.minor())
        }
        Event::Refunded {
            key,
            parts,
            forgiven,
            ..
        } => (
            Effect::Transfer(id, *key),
            (parts.total() + *forgiven).minor(),
        ),
        Event::ToppedUpByCard { key, amount, .. } | Event::WrittenOff { key, amount, .. } => {
            (Effect::Transfer(id, *key), amount.minor())
        }
        Event::ChargedBack {
            key, taken, owed, ..
        } => (Effect::Transfer(id, *key), -(*taken + *owed).minor()),
        Event::Repaid { key, .. } | Event::Disputed { key, .. } => (Effect::Transfer(id, *key), 0),
        Event::DisputeEnded {
            key,
            amount,
            favour,
            ..
        } => {
            let minor = match favour {
                Favour::Customer => amount.minor(),
                Favour::Operator => 0,
            };
            (Effect::DisputeEnded(id, *key), minor)
        }
        Event::CardSettled { key, .. } => (Effect::CardSettled(id, *key), 0),
        Event::Sent { key, amount, .. } => (Effect::Sent(id, *key), -amount.minor()),
        Event::Received { key, amount, .. } => (Effect::Received(id, *key), amount.minor()),
        Event::Returned { key, amount, .. } => (Effect::Returned(id, *key), amount.minor()),
        Event::Limited { key, limits } => (Effect::Transfer(id, *key), worth_of(*limits)),
        Event::Reserved { vend, .. } => (Effect::Held(id, *vend), 0),
        Event::Captured {
            vend,
            rseq,
            purpose,
            parts,
            debt,
            ..
        } => {
            let minor = match purpose {
                Purpose::Sale => -(parts.total() + *debt).minor(),
                Purpose::Test => 0,
            };
            (Effect::Sold(id, *vend, *rseq), minor)
        }
        Event::Credited {
            vend, rseq, amount, ..
        } => (Effect::Credited(id, *vend, *rseq), amount.minor()),
        _ => return None,
    })
}

/// Limits make nobody richer.
const fn worth_of(_: Limits) -> i64 {
    0
}

fn trace_of(id: WalletId, event: &wallet::Event) -> Option<Trace> {
    use wallet::Event;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are of no receipt and no end"
    )]
    Some(match event {
        Event::Captured { vend, rseq, .. }
        | Event::Credited { vend, rseq, .. }
        | Event::Failed { vend, rseq }
        | Event::Excused { vend, rseq, .. }
        | Event::Doubted { vend, rseq, .. }
        | Event::CashDoubted { vend, rseq, .. }
        | Event::Stray { vend, rseq, .. }
        | Event::Closing { vend, rseq } => Trace::Receipt(id, *vend, *rseq),
        Event::Barred { vend } | Event::Released { vend, .. } | Event::Orphaned { vend, .. } => {
            Trace::Ended(id, *vend)
        }
        _ => return None,
    })
}

fn operator_effect(id: OperatorId, event: &operator::Event) -> Option<(Effect, i64)> {
    use operator::Event;
    Some(match event {
        Event::Deposited { key, amount, .. }
        | Event::PaidOut { key, amount, .. }
        | Event::Promoted { key, amount, .. } => (Effect::Paid(id, *key), amount.minor()),
        Event::Returned { key, amount, .. } => (Effect::Back(id, *key), amount.minor()),
        Event::PayoutSettled { key, .. } | Event::PayoutFailed { key, .. } => {
            (Effect::PayoutEnded(id, *key), 0)
        }
        Event::Folded { .. }
        | Event::Delivered { .. }
        | Event::Charged { .. }
        | Event::Covered { .. } => return None,
    })
}

fn machine_effect(id: MachineId, event: &machine::Event) -> Option<(Effect, i64)> {
    use machine::Event;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others may happen again and again"
    )]
    Some(match event {
        Event::Registered { .. } => (Effect::Registered(id), 0),
        Event::Counted { key, counted, .. } => (Effect::Counted(id, *key), counted.minor()),
        Event::TookIn {
            reader,
            rseq,
            amount,
            ..
        } => (Effect::TookIn(id, *reader, *rseq), amount.minor()),
        _ => return None,
    })
}
