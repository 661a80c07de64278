//! The receipts that the server does not have for certain.

use crate::id::{Chain, JournalEpoch, Rseq};
use crate::receipt::Receipt;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// A receipt as the board wrote it, with its guess of the time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// The receipt.
    pub receipt: Receipt,
    /// The time of day, or 1970 when the board did not know it.
    pub utc: Timestamp,
}

/// The kept receipts of one journal epoch, in their order and without a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outbox {
    epoch: JournalEpoch,
    kept: VecDeque<Written>,
    acked: Rseq,
    /// The newest result, until a link has carried it.
    fresh: Option<Rseq>,
}

impl Outbox {
    /// An outbox with the receipts that a journal had kept.
    pub fn new(epoch: JournalEpoch, acked: Rseq) -> Self {
        Self {
            epoch,
            kept: VecDeque::new(),
            acked,
            fresh: None,
        }
    }

    /// Puts a synced receipt in; its place must be the next one.
    pub fn push(&mut self, written: Written) {
        if written.receipt.is_counted_by_close() {
            self.fresh = Some(written.receipt.rseq);
        }
        self.kept.push_back(written);
    }

    /// The journal epoch.
    pub const fn epoch(&self) -> JournalEpoch {
        self.epoch
    }

    /// Up to which the server has acknowledged.
    pub const fn acked(&self) -> Rseq {
        self.acked
    }

    /// The oldest receipt that is still here; 0 when there is none.
    pub fn oldest(&self) -> Rseq {
        self.kept.front().map_or(Rseq::new(0), |w| w.receipt.rseq)
    }

    /// The newest receipt; 0 when there is none.
    pub fn newest(&self) -> Rseq {
        self.kept.back().map_or(Rseq::new(0), |w| w.receipt.rseq)
    }

    /// How many receipts the server has not acknowledged.
    pub fn unacked(&self) -> usize {
        self.kept.len() - self.first_after(self.acked)
    }

    /// The chain at `rseq`, if that receipt is still here.
    pub fn chain_at(&self, rseq: Rseq) -> Option<Chain> {
        self.find(rseq).map(|written| written.receipt.chain)
    }

    /// The unacknowledged receipts after `sent`, oldest first, at most `count`.
    pub fn after(&self, sent: Rseq, count: usize) -> Vec<Written> {
        let first = self.first_after(sent.max(self.acked));
        self.kept.iter().skip(first).take(count).copied().collect()
    }

    /// A link has carried the receipts up to `rseq`.
    pub fn carried(&mut self, upto: Rseq) {
        self.fresh = self.fresh.filter(|fresh| *fresh > upto);
    }

    /// What goes first on a new link: a result that no link has carried, then the oldest.
    pub fn greeting(&mut self, count: usize) -> Vec<Written> {
        let mut receipts = self.after(self.acked, count);
        let fresh = self.fresh.take().filter(|fresh| *fresh > self.acked);
        let missing = fresh.filter(|fresh| receipts.iter().all(|w| w.receipt.rseq != *fresh));
        if let Some(written) = missing.and_then(|rseq| self.find(rseq)).copied() {
            receipts.truncate(count.saturating_sub(1));
            receipts.insert(0, written);
        }
        receipts
    }

    /// Takes an acknowledgement, if it is of this journal and above the last; says whether it did.
    ///
    /// # Errors
    /// `ForeignAck` when the epoch or the chain is not ours at that place.
    pub fn ack(
        &mut self,
        epoch: JournalEpoch,
        upto: Rseq,
        chain: Chain,
    ) -> Result<bool, ForeignAck> {
        if epoch != self.epoch {
            return Err(ForeignAck);
        }
        // What is not kept any more cannot be compared, and has nothing left to let go.
        if upto <= self.acked || upto < self.oldest() {
            return Ok(false);
        }
        if self.chain_at(upto) != Some(chain) {
            return Err(ForeignAck);
        }
        self.acked = upto;
        Ok(true)
    }

    /// Takes the mark as a journal has it.
    pub(super) fn set_acked(&mut self, upto: Rseq) {
        self.acked = upto;
    }

    /// Takes back what a server that lost state asks for again, as far as it is kept.
    pub fn resend(&mut self, from: Rseq) -> bool {
        let oldest = self.oldest().number().max(1);
        let acked = Rseq::new(from.number().max(oldest).saturating_sub(1));
        let earlier = acked < self.acked;
        self.acked = acked.min(self.acked);
        earlier
    }

    /// Lets the oldest acknowledged receipts go, beyond `count`; the newest stays, for its chain.
    pub fn forget(&mut self, count: usize) {
        while self.first_after(self.acked) > count.max(1) {
            self.kept.pop_front();
        }
    }

    /// Lets the oldest receipts go whose brief form the server has recorded, up to `covered`, while
    /// more than `unacked_max` wait for an ACK; the newest stays, for its chain.
    pub fn shed(&mut self, covered: Rseq, unacked_max: usize) {
        while self.unacked() > unacked_max
            && self.kept.len() > 1
            && self.oldest() <= covered.max(self.acked)
        {
            self.kept.pop_front();
        }
    }

    /// All kept receipts, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Written> {
        self.kept.iter()
    }

    fn find(&self, rseq: Rseq) -> Option<&Written> {
        let index = rseq.number().checked_sub(self.oldest().number())?;
        self.kept.get(usize::try_from(index).ok()?)
    }

    fn first_after(&self, rseq: Rseq) -> usize {
        self.kept.partition_point(|w| w.receipt.rseq <= rseq)
    }
}

/// An acknowledgement that is not of this journal.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("the acknowledgement is not of this journal")]
pub struct ForeignAck;
