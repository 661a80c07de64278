//! What a board writes, and how it reads its own past at the start (protocol section 7).

use super::notices::Notices;
use super::outbox::{Outbox, Written};
use super::outcome::{Act, Outcome};
use super::shell::{Limits, TokenNews};
use crate::counters::{Counters, Row};
use crate::id::{Chain, Item, JournalEpoch, Order, Rseq, VendId};
use crate::lock::Lock;
use crate::money::Amount;
use crate::notice::Notice;
use crate::receipt::{Flags, Receipt, ReceiptKind};
use crate::time::Timestamp;
use core::time::Duration;

/// One entry of a board's journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// The machine is about to be approved.
    Intent {
        /// The receipt's place, given here.
        rseq: Rseq,
        /// The grant it is spent on.
        grant: VendId,
        /// The selection.
        item: Item,
        /// The machine's own price, in minor units.
        price: u32,
    },
    /// The machine's cash-in is about to be approved.
    RevalueIntent {
        /// The receipt's place, given here.
        rseq: Rseq,
        /// The grant it counts against.
        grant: VendId,
        /// The cash, in minor units.
        amount: u32,
    },
    /// The machine is about to be let take something back, for money of its operator's.
    ReturnIntent {
        /// The receipt's place, given here.
        rseq: Rseq,
        /// The grant it counts against.
        grant: VendId,
        /// What is taken back.
        item: Item,
        /// What it is worth, in minor units.
        value: u32,
    },
    /// A receipt: an INTENT's result, a CLOSE, or the journal's first entry.
    Receipt(Written),
    /// The server has everything up to here.
    Acked(Rseq),
    /// An order of the operator was taken.
    Locked(Lock),
    /// A row of the counters, as it is from here on.
    Counted {
        /// The snapshot it belongs to.
        seq: u64,
        /// The row.
        row: Row,
    },
    /// The rest of a snapshot of the counters: it is whole with this.
    Totals {
        /// Which snapshot.
        seq: u64,
        /// All cash ever put in, in minor units.
        cash_in: u64,
        /// All faults ever counted.
        errors: u32,
    },
    /// A notice for the technician.
    Noticed(Notice),
    /// The server has the notices up to here.
    NoticesAcked(u64),
    /// Codes up to this step may be shown; the next start goes on after it.
    StepsReserved(u64),
    /// The server has the key of the codes.
    TokensBegun,
    /// A light grant has proven that the server has recorded the receipts up to here.
    Covered(Rseq),
}

/// Milliseconds from approval to result as a receipt holds them: 65,535 stands for more.
pub(super) fn after_ms(after: Duration) -> u16 {
    u16::try_from(after.as_millis()).unwrap_or(u16::MAX)
}

/// The hash of a written receipt; it lives with the wire format, which this floor does not know.
pub type ChainOf = fn(&Written) -> Chain;

/// Reads records in their order and keeps what still matters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replay {
    outbox: Outbox,
    open: Option<Open>,
    last: Rseq,
    chain: Chain,
    lock: Lock,
    counters: Counters,
    notices: Notices,
    tokens: TokenPast,
}

/// What a journal knows of the codes that its board shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenPast {
    /// Up to which step codes may have been shown.
    pub reserved: u64,
    /// Whether the server still has to be told their key.
    pub begun: TokenNews,
    /// Up to which receipts a light grant has covered.
    pub covered: Rseq,
}

impl Default for TokenPast {
    fn default() -> Self {
        Self {
            reserved: 0,
            begun: TokenNews::Key(0),
            covered: Rseq::new(0),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Open {
    act: Act,
    rseq: Rseq,
    grant: VendId,
    item: Item,
    price: u32,
}

/// What a board knows when it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// The kept receipts.
    pub outbox: Outbox,
    /// The last receipt's place.
    pub last: Rseq,
    /// The chain there.
    pub chain: Chain,
    /// The operator's last order.
    pub lock: Lock,
    /// What the machine sold for cash.
    pub counters: Counters,
    /// What the technician should hear.
    pub notices: Notices,
    /// What is known of the codes on show.
    pub tokens: TokenPast,
}

impl Replay {
    /// Begins to read the journal `epoch`, whose first chain is `chain`.
    pub fn new(epoch: JournalEpoch, chain: Chain) -> Self {
        let outbox = Outbox::new(epoch, Rseq::new(0));
        Self {
            outbox,
            open: None,
            last: Rseq::new(0),
            chain,
            lock: Lock::default(),
            counters: Counters::default(),
            notices: Notices::default(),
            tokens: TokenPast::default(),
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// `OutOfOrder` when it cannot follow what was read: the journal ends before it.
    pub fn take(&mut self, record: &Record) -> Result<(), ReplayFault> {
        match record {
            Record::Intent {
                rseq,
                grant,
                item,
                price,
            } => self.take_intent(Open {
                act: Act::Vend,
                rseq: *rseq,
                grant: *grant,
                item: *item,
                price: *price,
            })?,
            Record::RevalueIntent {
                rseq,
                grant,
                amount,
            } => self.take_intent(Open {
                act: Act::Revalue,
                rseq: *rseq,
                grant: *grant,
                item: Item::new(0),
                price: *amount,
            })?,
            Record::ReturnIntent {
                rseq,
                grant,
                item,
                value,
            } => self.take_intent(Open {
                act: Act::Return,
                rseq: *rseq,
                grant: *grant,
                item: *item,
                price: *value,
            })?,
            Record::Receipt(written) => self.take_receipt(written)?,
            Record::Acked(upto) => {
                if *upto > self.last {
                    return Err(ReplayFault);
                }
                self.outbox.set_acked(*upto);
            }
            Record::Locked(lock) => self.lock = *lock,
            Record::Counted { seq, row } => {
                self.counters.seq = self.counters.seq.max(*seq);
                self.counters.set(*row);
            }
            Record::Totals {
                seq,
                cash_in,
                errors,
            } => {
                self.counters.seq = self.counters.seq.max(*seq);
                self.counters.cash_in = *cash_in;
                self.counters.errors = *errors;
            }
            Record::Noticed(notice) => self.notices.take(*notice),
            Record::NoticesAcked(upto) => self.notices.set_acked(*upto),
            Record::StepsReserved(upto) => {
                // The last one, also when it is lower: nothing above it was shown.
                self.tokens.reserved = *upto;
            }
            Record::TokensBegun => self.tokens.begun = TokenNews::None,
            Record::Covered(upto) => self.tokens.covered = self.tokens.covered.max(*upto),
        }
        Ok(())
    }

    fn take_intent(&mut self, open: Open) -> Result<(), ReplayFault> {
        if self.open.is_some() || open.rseq != self.next() {
            return Err(ReplayFault);
        }
        self.open = Some(open);
        Ok(())
    }

    /// A rewritten journal begins at a later receipt: its chain so far is taken from that receipt.
    fn take_receipt(&mut self, written: &Written) -> Result<(), ReplayFault> {
        let receipt = &written.receipt;
        let is_first = self.last == Rseq::new(0) && self.open.is_none();
        let follows = receipt.rseq == self.next() && receipt.prev == self.chain;
        if receipt.rseq == Rseq::new(0) || !(is_first || follows) {
            return Err(ReplayFault);
        }
        if let Some(open) = self.open
            && (receipt.grant != open.grant || !receipt.is_counted_by_close())
        {
            return Err(ReplayFault);
        }
        self.open = None;
        self.last = receipt.rseq;
        self.chain = receipt.chain;
        self.outbox.push(*written);
        Ok(())
    }

    /// The journal epoch that is being read.
    pub const fn epoch(&self) -> JournalEpoch {
        self.outbox.epoch()
    }

    /// The INTENT that has no result, if one is open.
    pub fn open(&self) -> Option<Rseq> {
        self.open.map(|open| open.rseq)
    }

    /// Whether nothing at all was read.
    pub fn is_empty(&self) -> bool {
        self.last == Rseq::new(0) && self.open.is_none()
    }

    /// Lets the oldest acknowledged receipts go, and those that a light grant has covered once space
    /// runs out.
    pub fn forget(&mut self, limits: &Limits) {
        self.outbox.forget(limits.acked_kept_max);
        self.outbox
            .shed(self.tokens.covered, limits.unacked_kept_max());
    }

    /// What a journal that begins anew has to begin with, so that it is read as this one is; none
    /// while an INTENT is open.
    pub fn rewritten(&self) -> Option<Vec<Record>> {
        if self.open.is_some() {
            return None;
        }
        let receipts = self.outbox.kept().copied().map(Record::Receipt);
        let mut records: Vec<Record> = receipts.collect();
        records.push(Record::Acked(self.outbox.acked()));
        if self.lock != Lock::default() {
            records.push(Record::Locked(self.lock));
        }
        let Counters {
            seq,
            ref rows,
            cash_in,
            errors,
        } = self.counters;
        records.extend(rows.iter().map(|row| Record::Counted { seq, row: *row }));
        if seq > 0 {
            records.push(Record::Totals {
                seq,
                cash_in,
                errors,
            });
        }
        if self.notices.acked() > 0 {
            records.push(Record::NoticesAcked(self.notices.acked()));
        }
        records.extend(self.notices.kept().copied().map(Record::Noticed));
        if self.tokens.reserved > 0 {
            records.push(Record::StepsReserved(self.tokens.reserved));
        }
        if self.tokens.begun == TokenNews::None {
            records.push(Record::TokensBegun);
        }
        if self.tokens.covered > Rseq::new(0) {
            records.push(Record::Covered(self.tokens.covered));
        }
        Some(records)
    }

    /// The kept receipts as read so far.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What a start has to write before anything else: the first receipt of an empty journal, or the
    /// end of an INTENT left open. The result page may know how that vend ended.
    pub fn repair(
        &self,
        page: Option<(Rseq, Outcome, Duration)>,
        written: Stamp,
        chain_of: ChainOf,
    ) -> Option<Written> {
        self.beginning(written, chain_of)
            .or_else(|| self.ending(page, written, chain_of))
    }

    /// The receipt that has to end an INTENT left open: what the result page says about it, else
    /// unknown.
    fn ending(
        &self,
        page: Option<(Rseq, Outcome, Duration)>,
        written: Stamp,
        chain_of: ChainOf,
    ) -> Option<Written> {
        let open = self.open?;
        let found = page.filter(|(rseq, ..)| *rseq == open.rseq);
        let price = Amount::from_minor(i64::from(open.price));
        let (kind, flags, after, amount) = match found {
            Some((_, outcome, after)) => {
                let act = open.act;
                let flags = outcome.flags(act, after);
                (outcome.kind(act), flags, after, outcome.amount(open.price))
            }
            None => {
                let (kind, flags) = match open.act {
                    Act::Vend => (ReceiptKind::VendUnknown, Flags::default()),
                    Act::Revalue => (ReceiptKind::RevalueUnknown, Flags::default()),
                    Act::Return => (ReceiptKind::RevalueUnknown, Flags::NEGATIVE),
                };
                (kind, flags, Duration::MAX, price)
            }
        };
        let receipt = Receipt {
            rseq: open.rseq,
            kind,
            grant: open.grant,
            item: open.item,
            amount,
            order: written.order,
            flags,
            after_ms: after_ms(after),
            prev: self.chain,
            chain: self.chain,
        };
        Some(chained(receipt, written.utc, chain_of))
    }

    /// The first receipt of an empty journal.
    fn beginning(&self, written: Stamp, chain_of: ChainOf) -> Option<Written> {
        let receipt = Receipt {
            rseq: Rseq::new(1),
            kind: ReceiptKind::EpochStart,
            grant: VendId::from_bytes([0; 16]),
            item: Item::new(0),
            amount: Amount::ZERO,
            order: written.order,
            flags: Flags::default(),
            after_ms: 0,
            prev: self.chain,
            chain: self.chain,
        };
        self.is_empty()
            .then(|| chained(receipt, written.utc, chain_of))
    }

    /// What was read; none while an INTENT is open, which has to be ended first.
    pub fn finish(self) -> Option<Past> {
        self.open.is_none().then_some(Past {
            outbox: self.outbox,
            last: self.last,
            chain: self.chain,
            lock: self.lock,
            counters: self.counters,
            notices: self.notices,
            tokens: self.tokens,
        })
    }

    fn next(&self) -> Rseq {
        Rseq::new(self.last.number().saturating_add(1))
    }
}

/// When something was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// By the board's own count.
    pub order: Order,
    /// By the time of day, or 1970 when it is not known.
    pub utc: Timestamp,
}

/// Puts a receipt's own hash into it.
pub(super) fn chained(receipt: Receipt, utc: Timestamp, chain_of: ChainOf) -> Written {
    let mut written = Written { receipt, utc };
    written.receipt.chain = chain_of(&written);
    written
}

/// A record that cannot follow the ones before it.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a journal record cannot follow the ones before it")]
pub struct ReplayFault;
