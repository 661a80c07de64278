//! One journal of a reader, as far as it has come in.

use super::{AHEAD_MAX, CHAINS_KEPT, Contradiction};
use crate::id::{Chain, JournalEpoch, Order};
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
        }
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
        if self.top.is_none_or(|(top, _)| rseq > top) {
            self.top = Some((rseq, receipt.order));
        }
        self.ahead.insert(rseq, receipt);
        while let Some(next) = self.ahead.remove(&(self.recorded + 1)) {
            self.recorded += 1;
            self.chain = next.chain;
            if self.chains.len() >= CHAINS_KEPT {
                self.chains.pop_front();
            }
            self.chains.push_back((self.recorded, next.chain));
            self.unapplied.push_back(next);
        }
    }
}
