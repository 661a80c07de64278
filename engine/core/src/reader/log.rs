//! One journal of a reader, as far as it has come in.

use super::{AHEAD_MAX, CHAINS_KEPT, Contradiction, FORMS_KEPT, Form};
use crate::id::{Chain, JournalEpoch, Order, Rseq};
use crate::receipt::Receipt;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(super) struct Log {
    pub(super) epoch: JournalEpoch,
    pub(super) recorded: u64,
    pub(super) applied: u64,
    pub(super) chain: Chain,
    pub(super) chains: VecDeque<(u64, Chain)>,
    #[rkyv(with = AsVec)]
    pub(super) ahead: BTreeMap<u64, Receipt>,
    pub(super) unapplied: VecDeque<Receipt>,
    pub(super) top: Option<(u64, Order)>,
    /// Up to where notices are recorded without a gap.
    pub(super) noticed: u64,
    /// Up to where receipts have come in, whole or brief, without a gap; never below `recorded`.
    pub(super) known: u64,
    /// Brief receipts beyond that.
    #[rkyv(with = AsVec)]
    pub(super) brief: BTreeMap<u64, Receipt>,
    /// The brief form of the last receipts, once the reader shows codes.
    #[rkyv(with = AsVec)]
    pub(super) forms: BTreeMap<u64, Form>,
}

pub(super) enum Place {
    New,
    Known,
    TooFar,
    Contradicts(Contradiction),
}

impl Log {
    pub(super) fn begun(epoch: JournalEpoch, first: Chain) -> Self {
        Self {
            epoch,
            recorded: 0,
            applied: 0,
            chain: first,
            chains: VecDeque::new(),
            ahead: BTreeMap::new(),
            unapplied: VecDeque::new(),
            top: None,
            noticed: 0,
            known: 0,
            brief: BTreeMap::new(),
            forms: BTreeMap::new(),
        }
    }

    /// Whether nothing that came in still waits.
    pub(super) fn is_done(&self) -> bool {
        self.unapplied.is_empty() && self.ahead.is_empty() && self.brief.is_empty()
    }

    /// The chain at `rseq`, as far as it is known here or in the same news.
    pub(super) fn chain_at(&self, rseq: u64, news: &[Receipt]) -> Option<Chain> {
        if rseq == self.recorded {
            return Some(self.chain);
        }
        self.ahead
            .get(&rseq)
            .or_else(|| news.iter().find(|receipt| receipt.rseq.number() == rseq))
            .map(|receipt| receipt.chain)
            .or_else(|| {
                self.chains
                    .iter()
                    .find(|(known, _)| *known == rseq)
                    .map(|(_, chain)| *chain)
            })
    }

    pub(super) fn place(&self, receipt: &Receipt, news: &[Receipt]) -> Place {
        let rseq = receipt.rseq.number();
        if rseq == 0 || rseq > self.recorded.saturating_add(AHEAD_MAX) {
            return Place::TooFar;
        }
        if let Some(chain) = self.chain_at(rseq, news) {
            return if chain == receipt.chain {
                Place::Known
            } else {
                Place::Contradicts(Contradiction::OtherContent { rseq })
            };
        }
        if rseq <= self.recorded {
            return Place::Known;
        }
        // A brief form that came first has to agree with the whole one.
        if self
            .forms
            .get(&rseq)
            .is_some_and(|form| *form != Form::of(receipt))
        {
            return Place::Contradicts(Contradiction::OtherContent { rseq });
        }
        let links_back = self
            .chain_at(rseq - 1, news)
            .is_none_or(|before| before == receipt.prev);
        let links_on = self
            .ahead
            .get(&(rseq + 1))
            .or_else(|| news.iter().find(|next| next.rseq.number() == rseq + 1))
            .is_none_or(|next| next.prev == receipt.chain);
        if links_back && links_on {
            Place::New
        } else {
            Place::Contradicts(Contradiction::BrokenChain { rseq })
        }
    }

    pub(super) fn recorded_with(&self, news: &[Receipt]) -> u64 {
        let mut recorded = self.recorded;
        while self.ahead.contains_key(&(recorded + 1))
            || news
                .iter()
                .any(|receipt| receipt.rseq.number() == recorded + 1)
        {
            recorded += 1;
        }
        recorded
    }

    pub(super) fn take(&mut self, receipt: Receipt) {
        let rseq = receipt.rseq.number();
        self.top(&receipt);
        self.ahead.insert(rseq, receipt);
        while let Some(next) = self.ahead.remove(&(self.recorded + 1)) {
            self.record(next);
        }
        self.join();
    }

    /// How a brief receipt stands.
    pub(super) fn place_brief(&self, rseq: u64, form: Form) -> Place {
        if rseq == 0 || rseq > self.known.saturating_add(AHEAD_MAX) {
            return Place::TooFar;
        }
        let whole = self.ahead.get(&rseq).map(Form::of);
        match whole.or_else(|| self.forms.get(&rseq).copied()) {
            Some(known) if known != form => {
                Place::Contradicts(Contradiction::OtherContent { rseq })
            }
            Some(_) => Place::Known,
            None if rseq <= self.known => Place::Known,
            None => Place::New,
        }
    }

    /// Takes a brief receipt in: it has its effect in its turn, and its whole form may still come.
    pub(super) fn take_brief(&mut self, receipt: Receipt) {
        self.top(&receipt);
        self.keep_form(&receipt);
        self.brief.insert(receipt.rseq.number(), receipt);
        self.join();
    }

    pub(super) fn keep_form(&mut self, receipt: &Receipt) {
        if self.forms.len() >= FORMS_KEPT {
            self.forms.pop_first();
        }
        self.forms.insert(receipt.rseq.number(), Form::of(receipt));
    }

    fn top(&mut self, receipt: &Receipt) {
        let rseq = receipt.rseq.number();
        if self.top.is_none_or(|(top, _)| rseq > top) {
            self.top = Some((rseq, receipt.order));
        }
    }

    /// Whether every receipt before this one is known, and some only in their brief form.
    pub(super) fn may_pass(&self, oldest: Rseq) -> bool {
        let before = oldest.number().saturating_sub(1);
        before > self.recorded && before <= self.known
    }

    /// The whole form of what came before this receipt will never come: the brief one has to do.
    pub(super) fn pass(&mut self, oldest: Rseq, chain: Chain) {
        if !self.may_pass(oldest) {
            return;
        }
        self.recorded = oldest.number() - 1;
        self.chain = chain;
        self.chains.clear();
        self.ahead = self.ahead.split_off(&oldest.number());
        while let Some(next) = self.ahead.remove(&(self.recorded + 1)) {
            self.record(next);
        }
    }

    /// The next receipt in its whole form.
    fn record(&mut self, next: Receipt) {
        self.recorded += 1;
        self.chain = next.chain;
        if self.chains.len() >= CHAINS_KEPT {
            self.chains.pop_front();
        }
        self.chains.push_back((self.recorded, next.chain));
        if self.recorded > self.known {
            self.known = self.recorded;
            self.unapplied.push_back(next);
        }
    }

    /// What closes the gap has its effect next, whole or brief.
    fn join(&mut self) {
        if self.brief.is_empty() && self.known == self.recorded {
            return;
        }
        while let Some(next) = self
            .ahead
            .get(&(self.known + 1))
            .copied()
            .or_else(|| self.brief.remove(&(self.known + 1)))
        {
            self.known += 1;
            self.brief.remove(&self.known);
            self.unapplied.push_back(next);
        }
    }
}
