//! Totals of what a machine sold for cash, as its board counts them: cumulative, so that a
//! snapshot that is lost or comes twice changes nothing.

use crate::id::Item;
use rkyv::{Archive, Deserialize, Serialize};

/// Rows of one snapshot; what finds no row of its own counts in [`OTHER_ITEM`].
pub const ROWS_MAX: usize = 100;
/// The selection of the row that takes what found no row of its own; its price is 0.
pub const OTHER_ITEM: Item = Item::new(0xFFFF);

/// What one selection sold at one price.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The selection.
    pub item: Item,
    /// The price, in minor units.
    pub price: u32,
    /// How many were sold.
    pub count: u32,
    /// For how much in all, in minor units.
    pub value: u64,
}

/// One snapshot of the totals since the board's journal began.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Greater is newer.
    pub seq: u64,
    /// What was sold, by selection and price, in this order.
    pub rows: Vec<Row>,
    /// All cash ever put in, in minor units, as far as the machine told of it.
    pub cash_in: u64,
    /// All faults ever counted.
    pub errors: u32,
}

impl Counters {
    /// Counts one sale, and gives the row that it changed.
    pub fn sell(&mut self, item: Item, price: u32) -> Row {
        self.cash_in = self.cash_in.saturating_add(u64::from(price));
        // One row is kept free for all the others.
        let is_known = self.find(item, price).is_ok();
        let (item, row_price) = if is_known || self.rows.len() + 1 < ROWS_MAX {
            (item, price)
        } else {
            (OTHER_ITEM, 0)
        };
        let before = self.row(item, row_price).unwrap_or(Row {
            item,
            price: row_price,
            count: 0,
            value: 0,
        });
        let row = Row {
            count: before.count.saturating_add(1),
            value: before.value.saturating_add(u64::from(price)),
            ..before
        };
        self.set(row);
        row
    }

    /// Puts a row in as it was written; a snapshot that is full already takes no new one.
    pub fn set(&mut self, row: Row) {
        match self.find(row.item, row.price) {
            Ok(at) => {
                if let Some(known) = self.rows.get_mut(at) {
                    *known = row;
                }
            }
            Err(at) if self.rows.len() < ROWS_MAX => self.rows.insert(at, row),
            Err(_) => {}
        }
    }

    /// The row of one selection at one price.
    pub fn row(&self, item: Item, price: u32) -> Option<Row> {
        let at = self.find(item, price).ok()?;
        self.rows.get(at).copied()
    }

    fn find(&self, item: Item, price: u32) -> Result<usize, usize> {
        self.rows
            .binary_search_by_key(&(item, price), |row| (row.item, row.price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sales_beyond_the_last_row_are_counted_together_and_none_is_lost() {
        let mut counters = Counters::default();
        for number in 0..250_u16 {
            counters.sell(Item::new(number), 100);
            counters.sell(Item::new(number), 100);
        }
        assert_eq!(counters.rows.len(), ROWS_MAX);
        let sold: u32 = counters.rows.iter().map(|row| row.count).sum();
        let value: u64 = counters.rows.iter().map(|row| row.value).sum();
        assert_eq!((sold, value), (500, 50_000));
        assert_eq!(counters.cash_in, 50_000);
        let others = counters.row(OTHER_ITEM, 0).map(|row| row.count);
        assert_eq!(others, Some(2 * (250 - 99)));
    }
}
