//! What has to be, whatever phones do: the audit, and the machines' own truth against the journal.

use gettone::core::audit::Audit;
use gettone::core::id::{MachineId, Rseq, VendId, WalletId};
use gettone::core::port::{History, Seq};
use gettone::core::reader;
use gettone::core::record::{Event, Record};
use gettone::core::wallet;
use gettone_store::Tape;
use std::collections::{BTreeMap, BTreeSet};

/// What a machine did under a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// It was let vend, and nobody knows yet how it ended.
    Approved,
    /// It delivered.
    Sold,
    /// It did not deliver.
    Failed,
    /// Its board was cut off before the end of it was on flash.
    Unseen,
}

/// What happened at the machines, as bystanders saw it.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// By grant and receipt: the price, and how it ended.
    pub(crate) vends: BTreeMap<(VendId, Rseq), (i64, Done)>,
    /// The same for cash that goes on an account.
    pub(crate) cash: BTreeMap<(VendId, Rseq), (i64, Done)>,
    /// Who may be behind a grant: whose link it was asked over, and who scanned its code.
    pub(crate) payers: BTreeMap<VendId, BTreeSet<WalletId>>,
}

/// A grant as the journal has it.
#[derive(Clone, Copy, Debug)]
struct Held {
    machine: MachineId,
    cap: i64,
    vends_max: u8,
    ended: bool,
}

/// The journal so far, folded record by record.
#[derive(Debug, Default)]
pub(crate) struct Books {
    audit: Audit,
    read: u64,
    held: BTreeMap<VendId, Held>,
    captured: BTreeMap<(VendId, Rseq), i64>,
    credited: BTreeMap<(VendId, Rseq), i64>,
    cash_doubted: BTreeSet<(VendId, Rseq)>,
    /// Money that waits for a person, by receipt.
    doubted: BTreeMap<(VendId, Rseq), i64>,
    excused: BTreeMap<(VendId, Rseq), i64>,
    wrong: Option<String>,
}

impl Books {
    /// Reads on, and looks whether anything is wrong.
    pub(crate) fn look(&mut self, tape: &Tape, truth: &Truth) -> Result<(), String> {
        let from = Seq::FIRST.after(self.read);
        let mut fresh = Vec::new();
        tape.read(from, Seq::new(u64::MAX), &mut |_, payload| {
            fresh.push(Record::decode(payload).expect("the engine writes records"));
            Ok(())
        })
        .map_err(|fault| format!("the journal cannot be read: {fault}"))?;
        for record in &fresh {
            self.read += 1;
            self.audit.take(record);
            self.take(&record.event, truth);
        }
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        if !fresh.is_empty() {
            self.audited()?;
        }
        self.within_grants(truth)
    }

    pub(crate) fn records(&self) -> u64 {
        self.read
    }

    pub(crate) fn grants(&self) -> usize {
        self.held.len()
    }

    fn audited(&self) -> Result<(), String> {
        let report = self.audit.clone().finish();
        if report.is_balanced() {
            return Ok(());
        }
        let faults = report.checks.into_iter().filter(|(_, (n, _))| *n > 0);
        Err(format!("the audit fails: {:?}", faults.collect::<Vec<_>>()))
    }

    fn take(&mut self, event: &Event, truth: &Truth) {
        match event {
            Event::Wallet { wallet, event } => {
                if let Some((vend, _)) = event.ended()
                    && let Some(held) = self.held.get_mut(&vend)
                    && core::mem::replace(&mut held.ended, true)
                {
                    self.wrong = Some(format!("doubled: {vend} ends twice"));
                }
                self.wallet(*wallet, event, truth);
            }
            Event::Reader { reader, event } => {
                if let reader::Event::Heard {
                    contradiction: Some(what),
                    ..
                } = event.as_ref()
                {
                    self.wrong = Some(format!(
                        "an honest reader contradicts itself: {reader} {what:?}"
                    ));
                }
            }
            _ => {}
        }
    }

    fn wallet(&mut self, wallet: WalletId, event: &wallet::Event, truth: &Truth) {
        match event {
            wallet::Event::Reserved {
                vend, terms, held, ..
            } => {
                let held = Held {
                    machine: terms.machine,
                    cap: held.total().minor(),
                    vends_max: terms.vends_max,
                    ended: false,
                };
                if self.held.insert(*vend, held).is_some() {
                    self.wrong = Some(format!("doubled: {vend} is held twice"));
                }
                let payers = truth.payers.get(vend);
                if payers.is_none_or(|payers| !payers.contains(&wallet)) {
                    self.wrong = Some(format!("somebody else pays: {vend} from {wallet:?}"));
                }
            }
            wallet::Event::Captured {
                vend,
                rseq,
                parts,
                debt,
                ..
            } => {
                let amount = (parts.total() + *debt).minor();
                if self.captured.insert((*vend, *rseq), amount).is_some() {
                    self.wrong = Some(format!("doubled: {vend} {rseq:?}"));
                }
                match truth.vends.get(&(*vend, *rseq)) {
                    Some((price, Done::Sold)) if *price == amount => {}
                    other => {
                        self.wrong = Some(format!(
                            "invented: {vend} {rseq:?} for {amount}, where the machine has {other:?}"
                        ));
                    }
                }
            }
            wallet::Event::Credited {
                vend, rseq, amount, ..
            } => {
                let name = (*vend, *rseq);
                if self.credited.insert(name, amount.minor()).is_some() {
                    self.wrong = Some(format!("doubled: cash {vend} {rseq:?}"));
                }
                match truth.cash.get(&name) {
                    Some((cash, Done::Sold | Done::Unseen)) if *cash == amount.minor() => {}
                    other => {
                        self.wrong = Some(format!(
                            "invented: cash {vend} {rseq:?}, where the machine has {other:?}"
                        ));
                    }
                }
            }
            wallet::Event::CashDoubted { vend, rseq, .. } => {
                self.cash_doubted.insert((*vend, *rseq));
            }
            wallet::Event::Doubted {
                vend, rseq, parts, ..
            } => {
                self.doubted.insert((*vend, *rseq), parts.total().minor());
            }
            wallet::Event::Excused {
                vend, rseq, amount, ..
            } => {
                self.excused.insert((*vend, *rseq), amount.minor());
            }
            wallet::Event::Stray { vend, rseq, .. } => {
                self.wrong = Some(format!(
                    "lost: {vend} {rseq:?} came when its grant was over"
                ));
            }
            _ => {}
        }
    }

    /// No machine was let vend beyond what is held for it.
    fn within_grants(&self, truth: &Truth) -> Result<(), String> {
        let mut spent: BTreeMap<VendId, (i64, u32)> = BTreeMap::new();
        for ((vend, _), (price, done)) in &truth.vends {
            if *done != Done::Failed {
                let (sum, count) = spent.entry(*vend).or_default();
                *sum += price;
                *count += 1;
            }
        }
        for (vend, (sum, count)) in spent {
            let Some(held) = self.held.get(&vend) else {
                return Err(format!(
                    "invented: a machine vends under {vend}, which is no grant"
                ));
            };
            if sum > held.cap || count > u32::from(held.vends_max) {
                return Err(format!(
                    "beyond its grant: {vend}: {count} for {sum}, {held:?}"
                ));
            }
        }
        Ok(())
    }

    /// What is held for anybody now, at its full caps.
    pub(crate) fn held_in_all(&self) -> i64 {
        let open = self.held.values().filter(|held| !held.ended);
        open.map(|held| held.cap).sum()
    }

    /// Whether money is still held for anything at this machine.
    pub(crate) fn holds_at(&self, machine: MachineId) -> bool {
        let mut open = self.held.values().filter(|held| !held.ended);
        open.any(|held| held.machine == machine)
    }

    /// Once an honest phone has passed.
    pub(crate) fn settled(&self, truth: &Truth) -> Result<(), String> {
        for (name, (price, done)) in &truth.vends {
            let captured = self.captured.get(name).copied();
            let doubted = self.doubted.get(name).or(self.excused.get(name)).copied();
            let is_right = match done {
                Done::Sold => captured == Some(*price),
                Done::Failed => captured.is_none() && doubted.is_none(),
                Done::Unseen => captured.is_none() && doubted == Some(*price),
                Done::Approved => false,
            };
            if !is_right {
                return Err(format!(
                    "lost: {name:?} for {price} is {done:?}; captured {captured:?}, doubted {doubted:?}"
                ));
            }
        }
        for (name, (cash, done)) in &truth.cash {
            let credited = self.credited.get(name).copied();
            let is_right = match done {
                Done::Sold => credited == Some(*cash),
                Done::Failed => credited.is_none() && !self.cash_doubted.contains(name),
                Done::Unseen => credited.is_some() != self.cash_doubted.contains(name),
                Done::Approved => false,
            };
            if !is_right {
                return Err(format!(
                    "lost: cash {name:?} of {cash} is {done:?}; credited {credited:?}"
                ));
            }
        }
        match self.held.iter().find(|(_, held)| !held.ended) {
            Some((vend, held)) => Err(format!("for ever: {vend} is held, {held:?}")),
            None => Ok(()),
        }
    }

    pub(crate) fn sold(&self) -> usize {
        self.captured.len()
    }

    pub(crate) fn unseen(&self) -> usize {
        self.doubted.len() + self.excused.len()
    }

    /// What cash has made all these wallets richer by.
    pub(crate) fn put_in(&self) -> i64 {
        self.credited.values().sum()
    }

    pub(crate) fn credits(&self) -> usize {
        self.credited.len()
    }

    /// What all these wallets have paid.
    pub(crate) fn paid(&self) -> i64 {
        self.captured.values().sum()
    }
}
