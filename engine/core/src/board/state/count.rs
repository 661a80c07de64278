//! Cash sales and faults, counted in memory and written rarely: flash wears out.

use super::{Board, Hello};
use crate::board::{Limits, Record, Ticket};
use crate::counters::Counters;
use crate::id::Item;
use core::time::Duration;
use std::collections::BTreeSet;

/// What was counted, what of it is on flash, and what the server has.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    pub(super) live: Counters,
    /// As it was synced last.
    durable: Counters,
    /// Rows that differ from what was written last.
    dirty: BTreeSet<(Item, u32)>,
    totals: Totals,
    written_at: Option<Duration>,
    writing: Option<(Ticket, Counters)>,
    /// The snapshot that the server is known to have.
    told: u64,
}

/// Whether the totals differ from what was written last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Totals {
    Written,
    Dirty,
}

impl Counting {
    pub(super) fn new(past: Counters) -> Self {
        Self {
            durable: past.clone(),
            live: past,
            dirty: BTreeSet::new(),
            totals: Totals::Written,
            written_at: None,
            writing: None,
            told: 0,
        }
    }

    /// When the next snapshot is to be written.
    pub(super) fn due(&self, limits: &Limits) -> Option<Duration> {
        let waits = self.totals == Totals::Dirty && self.writing.is_none();
        let since = self.written_at.unwrap_or(Duration::ZERO);
        waits.then(|| since.saturating_add(limits.counters_every))
    }

    pub(super) fn sell(&mut self, item: Item, price: u32) {
        let row = self.live.sell(item, price);
        self.dirty.insert((row.item, row.price));
        self.totals = Totals::Dirty;
    }

    pub(super) fn cash_in(&mut self, amount: u32) {
        self.live.cash_in = self.live.cash_in.saturating_add(u64::from(amount));
        self.totals = Totals::Dirty;
    }

    pub(super) fn fault(&mut self) {
        self.live.errors = self.live.errors.saturating_add(1);
        self.totals = Totals::Dirty;
    }

    pub(super) fn synced(&mut self, ticket: Ticket) {
        if let Some((_, snapshot)) = self.writing.take_if(|(writing, _)| *writing == ticket) {
            self.durable = snapshot;
        }
    }

    /// The server has answered this HELLO, so it has what came with it.
    pub(super) fn answered(&mut self, hello: &Hello) {
        self.told = self.told.max(hello.counters.unwrap_or(0));
    }

    /// What the next HELLO has to bring.
    pub(super) fn news(&self) -> Option<Counters> {
        (self.durable.seq > self.told).then(|| self.durable.clone())
    }
}

impl Board {
    /// Writes a snapshot of the counters when it is time.
    pub(super) fn write_counters_if_due(&mut self) {
        let is_first = self.counting.written_at.is_none();
        let due = self.counting.due(&self.start.limits);
        if due.is_some_and(|due| is_first || self.now >= due) {
            self.write_counters();
        }
    }

    /// Writes what differs from the last snapshot; what is being written goes first.
    pub(super) fn write_counters(&mut self) {
        if self.counting.totals == Totals::Written || self.counting.writing.is_some() {
            return;
        }
        let live = &mut self.counting.live;
        live.seq = live.seq.saturating_add(1);
        let snapshot = live.clone();
        let seq = snapshot.seq;
        for (item, price) in core::mem::take(&mut self.counting.dirty) {
            if let Some(row) = snapshot.row(item, price) {
                self.write(Record::Counted { seq, row });
            }
        }
        let ticket = self.write(Record::Totals {
            seq,
            cash_in: snapshot.cash_in,
            errors: snapshot.errors,
        });
        self.counting.totals = Totals::Written;
        self.counting.written_at = Some(self.now);
        self.counting.writing = Some((ticket, snapshot));
    }
}
