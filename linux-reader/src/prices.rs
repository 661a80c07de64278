//! The operator's price table: what each item is called, and what it is to cost. The machine's own
//! price always counts; one that differs is told to the operator.

use gettone_core::board::Machine;
use gettone_core::id::Item;
use gettone_core::money::Currency;
use gettone_core::notice::Code;
use gettone_relay::Input;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a table.
pub(crate) const ROWS_MAX: usize = 1_024;
/// Bytes of a name.
pub(crate) const NAME_LEN_MAX: usize = 64;

/// One row, as a configuration says it.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) item: u16,
    pub(crate) name: String,
    /// Such as "1.20".
    pub(crate) price: String,
}

/// A table, and what was told of it since the start.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    rows: BTreeMap<u16, Product>,
    told: BTreeSet<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Product {
    name: String,
    /// As it was written, and in minor units.
    price: String,
    minor: u32,
}

impl Prices {
    /// Takes a table; gives the item of a row that is none.
    pub(crate) fn of(rows: Vec<Row>, currency: Currency) -> Result<Self, PriceFault> {
        if rows.len() > ROWS_MAX {
            return Err(PriceFault::TooMany);
        }
        let mut prices = Self::default();
        for row in rows {
            let item = row.item;
            let is_named = (1..=NAME_LEN_MAX).contains(&row.name.len());
            let is_plain = !row.name.chars().any(char::is_control);
            let minor = minor(&row.price, currency).filter(|_| is_named && is_plain);
            let product = Product {
                minor: minor.ok_or(PriceFault::Row { item })?,
                name: row.name,
                price: row.price,
            };
            if prices.rows.insert(item, product).is_some() {
                return Err(PriceFault::Twice { item });
            }
        }
        Ok(prices)
    }

    /// Sees what the machine asks: what the operator is to be told, once for each item and start.
    pub(crate) fn see(&mut self, machine: Machine) -> Option<Input> {
        let (item, price) = asked(machine)?;
        let product = self.rows.get(&item.number())?;
        if product.minor == price || !self.told.insert(item.number()) {
            return None;
        }
        tracing::warn!(
            item = item.number(),
            price,
            table = product.minor,
            "the machine asks for another price than the table has"
        );
        let mut data = [0; 8];
        let (head, tail) = data.split_at_mut(4);
        head[..2].copy_from_slice(&item.number().to_be_bytes());
        tail.copy_from_slice(&price.to_be_bytes());
        let code = Code::PRICE_DIFFERS;
        Some(Input::Fault { code, data })
    }

    /// The name of what the machine asks for.
    pub(crate) fn name(&self, machine: Machine) -> Option<&str> {
        let (item, _) = asked(machine)?;
        self.rows
            .get(&item.number())
            .map(|product| product.name.as_str())
    }

    /// The rows as they were written: item, name, price.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u16, &str, &str)> {
        let rows = self.rows.iter();
        rows.map(|(item, product)| (*item, product.name.as_str(), product.price.as_str()))
    }
}

fn asked(machine: Machine) -> Option<(Item, u32)> {
    if let Machine::Asked { price, item, .. } = machine {
        return Some((item, price));
    }
    None
}

/// Minor units of an amount such as "1.20"; none where it has more places than the currency.
fn minor(text: &str, currency: Currency) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let places = usize::from(currency.exponent());
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = text.contains('.');
    let is_sound = (1..=9).contains(&whole.len())
        && is_digits(whole)
        && is_digits(part)
        && part.len() <= places
        && has_point != part.is_empty();
    is_sound
        .then(|| format!("{whole}{part:0<places$}").parse().ok())
        .flatten()
}

/// What is wrong with a price table.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PriceFault {
    /// More rows than any machine has items.
    #[error("there are more than {ROWS_MAX} [[price]] rows")]
    TooMany,
    /// A row says nothing that could be a price.
    #[error(
        "the [[price]] of item {item}: name is 1 to {NAME_LEN_MAX} bytes, price an amount such as \"1.20\""
    )]
    Row {
        /// Which.
        item: u16,
    },
    /// Two rows about one item.
    #[error("item {item} has two [[price]] rows")]
    Twice {
        /// Which.
        item: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::board::Ask;

    fn euro() -> Currency {
        Currency::from_code("EUR").expect("money")
    }

    fn row(item: u16, name: &str, price: &str) -> Row {
        Row {
            item,
            name: name.to_owned(),
            price: price.to_owned(),
        }
    }

    fn asks(item: u16, price: u32) -> Machine {
        Machine::Asked {
            ask: Ask::new(1),
            price,
            item: Item::new(item),
        }
    }

    #[test]
    fn a_price_that_differs_is_told_once_for_each_item_and_nothing_else_is() {
        let rows = vec![row(5, "Espresso", "1.20"), row(6, "Cacao", "1")];
        let mut prices = Prices::of(rows, euro()).expect("a table");
        for usual in [asks(5, 120), asks(6, 100), asks(7, 1), Machine::Enabled] {
            assert_eq!(prices.see(usual), None, "{usual:?}");
        }
        let told = prices.see(asks(5, 130));
        let (code, data) = (Code::PRICE_DIFFERS, [0, 5, 0, 0, 0, 0, 0, 130]);
        assert_eq!(told, Some(Input::Fault { code, data }));
        assert_eq!(prices.see(asks(5, 140)), None, "once");
        assert!(prices.see(asks(6, 99)).is_some(), "another item");
        assert_eq!(prices.name(asks(5, 130)), Some("Espresso"));
        assert_eq!(prices.name(asks(7, 130)), None);
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_item() {
        for price in ["", ".5", "1.", "1.234", "-1", "1,20", "9999999999", "1.2.3"] {
            let prices = Prices::of(vec![row(5, "x", price)], euro());
            assert_eq!(prices.err(), Some(PriceFault::Row { item: 5 }), "{price}");
        }
        for name in ["", "a\nb", &"x".repeat(NAME_LEN_MAX + 1)] {
            let prices = Prices::of(vec![row(5, name, "1.20")], euro());
            assert_eq!(prices.err(), Some(PriceFault::Row { item: 5 }), "{name}");
        }
        let twice = Prices::of(vec![row(5, "x", "1"), row(5, "y", "1")], euro());
        assert_eq!(twice.err(), Some(PriceFault::Twice { item: 5 }));
        let many = (0..=ROWS_MAX as u16).map(|item| row(item, "x", "1"));
        let many = Prices::of(many.collect(), euro());
        assert_eq!(many.err(), Some(PriceFault::TooMany));
    }
}
