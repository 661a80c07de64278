//! What a machine's cash box should hold: sales for cash and cash put in since it was counted.

use super::{Event, Refusal};
use crate::counters::{Counters, ROWS_MAX, Row};
use crate::id::{JournalEpoch, ReaderId, Rseq, TransferId};
use crate::money::{AMOUNT_MAX, Amount};
use crate::time::Timestamp;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Counts of one cash box, for as long as the machine stands: each one's name is kept, so that a
/// repeat books nothing.
pub const COUNTS_MAX: usize = 4_096;
/// Journals of boards whose counters are told apart; a machine that has had more takes no more in.
pub const TALLIES_MAX: usize = 256;

/// What one board counted in one of its journals.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// The newest snapshot.
    pub counters: Counters,
    /// The last receipt of that journal that put cash in; 0 before the first.
    taken: u64,
}

/// One count of a cash box.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct CashCount {
    /// What was counted.
    pub counted: Amount,
    /// What should have been there.
    pub expected: Amount,
    /// When.
    pub at: Timestamp,
}

/// The cash box as the server knows it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct CashBox {
    expected: Amount,
    last: Option<CashCount>,
    #[rkyv(with = AsVec)]
    counts: BTreeMap<TransferId, Amount>,
    #[rkyv(with = AsVec)]
    tallies: BTreeMap<(ReaderId, JournalEpoch), Tally>,
    newest: Option<(ReaderId, JournalEpoch)>,
}

/// What all of these rows came to.
pub fn value_of(rows: &[Row]) -> Amount {
    rows.iter()
        .map(|row| Amount::from_minor(i64::try_from(row.value).unwrap_or(AMOUNT_MAX)))
        .sum()
}

impl CashBox {
    pub(super) const fn expected(&self) -> Amount {
        self.expected
    }

    pub(super) const fn last(&self) -> Option<CashCount> {
        self.last
    }

    pub(super) fn newest(&self) -> Option<&Tally> {
        self.tallies.get(&self.newest?)
    }

    /// What was sold since the last snapshot of the same journal. Counters only grow: a row that
    /// shrank, or a snapshot that is older, changes nothing; another journal counts from nothing.
    pub(super) fn tally(
        &self,
        of: (ReaderId, JournalEpoch),
        counters: &Counters,
    ) -> Result<Option<Event>, Refusal> {
        let known = self.tally_of(of)?;
        let before = known.map(|tally| &tally.counters);
        if counters.seq <= before.map_or(0, |before| before.seq) {
            return Ok(None);
        }
        if counters.rows.len() > ROWS_MAX {
            return Err(Refusal::OutOfBounds);
        }
        let mut keys = BTreeSet::new();
        let mut sold = Vec::new();
        for row in &counters.rows {
            let most = AMOUNT_MAX.unsigned_abs();
            if row.value > most || !keys.insert((row.item, row.price)) {
                return Err(Refusal::OutOfBounds);
            }
            let before = before.and_then(|before| before.row(row.item, row.price));
            let (count, value) = before.map_or((0, 0), |before| (before.count, before.value));
            let delta = Row {
                count: row.count.saturating_sub(count),
                value: row.value.saturating_sub(value),
                ..*row
            };
            if delta.count > 0 || delta.value > 0 {
                sold.push(delta);
            }
        }
        let fresh = sold
            .iter()
            .filter(|row| before.is_none_or(|before| before.row(row.item, row.price).is_none()));
        if before.map_or(0, |before| before.rows.len()) + fresh.count() > ROWS_MAX {
            return Err(Refusal::OutOfBounds);
        }
        let (reader, epoch) = of;
        self.room_for(value_of(&sold))?;
        Ok(Some(Event::Tallied {
            reader,
            epoch,
            seq: counters.seq,
            sold,
            cash_in: counters.cash_in,
            errors: counters.errors,
        }))
    }

    pub(super) fn take_in(
        &self,
        of: (ReaderId, JournalEpoch),
        rseq: Rseq,
        amount: Amount,
    ) -> Result<Option<Event>, Refusal> {
        let taken = self.tally_of(of)?.map_or(0, |tally| tally.taken);
        if rseq.number() <= taken || !amount.is_positive() {
            return Ok(None);
        }
        self.room_for(amount)?;
        let (reader, epoch) = of;
        Ok(Some(Event::TookIn {
            reader,
            epoch,
            rseq,
            amount,
        }))
    }

    pub(super) fn count(
        &self,
        key: TransferId,
        counted: Amount,
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        match self.counts.get(&key) {
            Some(known) if *known == counted => return Ok(None),
            Some(_) => return Err(Refusal::NameReused),
            None => {}
        }
        if counted < Amount::ZERO || counted > Amount::from_minor(AMOUNT_MAX) {
            return Err(Refusal::OutOfBounds);
        }
        if self.counts.len() >= COUNTS_MAX {
            return Err(Refusal::Full {
                what: "counts",
                limit: COUNTS_MAX,
            });
        }
        Ok(Some(Event::Counted {
            key,
            counted,
            expected: self.expected,
            at,
        }))
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Tallied {
                reader,
                epoch,
                seq,
                sold,
                cash_in,
                errors,
            } => {
                self.expected = self.expected + value_of(sold);
                self.newest = Some((*reader, *epoch));
                let tally = self.tallies.entry((*reader, *epoch)).or_default();
                let counters = &mut tally.counters;
                for delta in sold {
                    let before = counters.row(delta.item, delta.price);
                    let (count, value) =
                        before.map_or((0, 0), |before| (before.count, before.value));
                    counters.set(Row {
                        count: count.saturating_add(delta.count),
                        value: value.saturating_add(delta.value),
                        ..*delta
                    });
                }
                counters.seq = *seq;
                counters.cash_in = counters.cash_in.max(*cash_in);
                counters.errors = counters.errors.max(*errors);
            }
            Event::TookIn {
                reader,
                epoch,
                rseq,
                amount,
            } => {
                self.expected = self.expected + *amount;
                let tally = self.tallies.entry((*reader, *epoch)).or_default();
                tally.taken = tally.taken.max(rseq.number());
            }
            Event::Counted {
                key,
                counted,
                expected,
                at,
            } => {
                self.expected = self.expected - *expected;
                self.counts.insert(*key, *counted);
                self.last = Some(CashCount {
                    counted: *counted,
                    expected: *expected,
                    at: *at,
                });
            }
            Event::Registered { .. }
            | Event::Claimed { .. }
            | Event::Listed { .. }
            | Event::Delisted { .. }
            | Event::LockOrdered { .. }
            | Event::LockCarried { .. }
            | Event::LockApplied { .. } => {}
        }
    }

    fn tally_of(&self, of: (ReaderId, JournalEpoch)) -> Result<Option<&Tally>, Refusal> {
        let known = self.tallies.get(&of);
        if known.is_none() && self.tallies.len() >= TALLIES_MAX {
            return Err(Refusal::Full {
                what: "journals of boards",
                limit: TALLIES_MAX,
            });
        }
        Ok(known)
    }

    fn room_for(&self, amount: Amount) -> Result<(), Refusal> {
        let most = Amount::from_minor(AMOUNT_MAX);
        let after = self.expected.plus(amount);
        if after.is_some_and(|after| after <= most) {
            Ok(())
        } else {
            Err(Refusal::OutOfBounds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Item;

    const BOARD: ReaderId = ReaderId::from_bytes([7; 8]);
    const FIRST: (ReaderId, JournalEpoch) = (BOARD, JournalEpoch::from_bytes([1; 8]));
    const SECOND: (ReaderId, JournalEpoch) = (BOARD, JournalEpoch::from_bytes([2; 8]));

    fn snapshot(seq: u64, sold: &[(u16, u32, u32)]) -> Counters {
        let mut counters = Counters {
            seq,
            ..Counters::default()
        };
        for (item, price, count) in sold {
            for _ in 0..*count {
                counters.sell(Item::new(*item), *price);
            }
        }
        counters
    }

    fn take(cash: &mut CashBox, event: Result<Option<Event>, Refusal>) -> bool {
        let event = event.expect("allowed");
        if let Some(event) = &event {
            cash.evolve(event);
        }
        event.is_some()
    }

    #[test]
    fn only_what_was_sold_since_the_last_snapshot_is_added() {
        let mut cash = CashBox::default();
        let mut told = |of, counters: &Counters| {
            let event = cash.tally(of, counters);
            let is_new = take(&mut cash, event);
            (is_new, cash.expected().minor())
        };
        assert_eq!(told(FIRST, &snapshot(1, &[(1, 100, 2)])), (true, 200));
        assert_eq!(
            told(FIRST, &snapshot(1, &[(1, 100, 9)])),
            (false, 200),
            "replayed"
        );
        assert_eq!(
            told(FIRST, &snapshot(4, &[(1, 100, 3), (2, 50, 1)])),
            (true, 350),
            "snapshots may be missing in between"
        );
        assert_eq!(
            told(FIRST, &snapshot(2, &[(1, 100, 2)])),
            (false, 350),
            "late"
        );
        assert_eq!(
            told(FIRST, &snapshot(5, &[(1, 100, 1)])),
            (true, 350),
            "it shrank"
        );
        assert_eq!(told(FIRST, &snapshot(6, &[(1, 100, 4)])), (true, 450));
        assert_eq!(
            told(SECOND, &snapshot(1, &[(1, 100, 1)])),
            (true, 550),
            "a new journal"
        );
        assert_eq!(
            told(FIRST, &snapshot(7, &[(1, 100, 5)])),
            (true, 650),
            "both go on"
        );
    }

    #[test]
    fn a_count_empties_the_box_once_and_says_what_was_missing() {
        let mut cash = CashBox::default();
        let key = TransferId::from_bytes([1; 16]);
        let event = cash.take_in(FIRST, Rseq::new(3), Amount::from_minor(500));
        assert!(take(&mut cash, event));
        let event = cash.take_in(FIRST, Rseq::new(3), Amount::from_minor(500));
        assert!(!take(&mut cash, event), "the receipt comes again");
        let counted = Amount::from_minor(480);
        let event = cash.count(key, counted, Timestamp::from_millis(9));
        assert!(take(&mut cash, event));
        assert_eq!(cash.expected(), Amount::ZERO);
        let last = cash.last().expect("counted");
        assert_eq!((last.expected - last.counted).minor(), 20);
        assert_eq!(cash.count(key, counted, Timestamp::default()), Ok(None));
        let other = cash.count(key, Amount::ZERO, Timestamp::default());
        assert_eq!(other, Err(Refusal::NameReused));
    }
}
