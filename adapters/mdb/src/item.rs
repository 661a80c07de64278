//! Item numbers: what one machine calls its selections on the bus, and what everybody else calls them.
//!
//! The standard leaves the number to the machine. [MDB 7.4.5] Some send the place in a list, some the keys as they were
//! pressed, digit by digit or letter by letter, some a row and a column. A catalogue wants one number for one product.

use core::fmt;

use crate::bounds::ITEM_PAIRS_MAX;

/// The number of no item, on the bus and in every catalogue.
pub const NO_ITEM: u16 = 0xFFFF;
/// The high bits of CASH SALE's item number: free, test, negative and token vend. [MDB 7.4.12]
const SALE_FLAGS: u16 = 0xF000;

/// How a machine makes a number of a selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// It is a number.
    #[default]
    Plain,
    /// Four digits of four bits each, as keys are pressed: 0040H is 40.
    Bcd,
    /// The row in the high byte, the column in the low one: 0102H is 102. A column above 99 is none.
    RowColumn,
    /// Two characters: 3430H ("40") is 40, and 4231H ("B1") is 201, the row's letter counted from A = 1.
    Ascii,
    /// The price list in the high byte, the item in the low one: 0205H is 5, like 0005H. What is asked for is asked for
    /// in list 0.
    PriceList,
}

impl Coding {
    /// The number that people use for a number of the bus; `None` when it is not of this coding.
    #[must_use]
    pub const fn shown(self, bus: u16) -> Option<u16> {
        let [high, low] = bus.to_be_bytes();
        match self {
            _ if bus == NO_ITEM => None,
            Self::Plain => Some(bus),
            Self::Bcd => match (decimal(high), decimal(low)) {
                (Some(high), Some(low)) => Some(high * 100 + low),
                _ => None,
            },
            Self::RowColumn if low <= 99 => Some(high as u16 * 100 + low as u16),
            Self::RowColumn => None,
            Self::Ascii => match (high, low) {
                (b'0'..=b'9', b'0'..=b'9') => Some((high - b'0') as u16 * 10 + (low - b'0') as u16),
                (b'A'..=b'Z', b'0'..=b'9') => {
                    Some((high - b'A' + 1) as u16 * 100 + (low - b'0') as u16)
                }
                _ => None,
            },
            Self::PriceList => Some(low as u16),
        }
    }

    /// The number of the bus for a number that people use; `None` when this coding has none.
    #[must_use]
    pub const fn bus(self, shown: u16) -> Option<u16> {
        let (hundreds, rest) = (shown / 100, shown % 100);
        match self {
            _ if shown == NO_ITEM => None,
            Self::Plain => Some(shown),
            Self::Bcd if hundreds <= 99 => Some(packed(hundreds) << 8 | packed(rest)),
            Self::RowColumn if hundreds <= 0xFF => Some(hundreds << 8 | rest),
            Self::Ascii => match (hundreds, rest) {
                (0, _) => Some((b'0' as u16 + rest / 10) << 8 | (b'0' as u16 + rest % 10)),
                (1..=26, 0..=9) => Some((b'A' as u16 + hundreds - 1) << 8 | (b'0' as u16 + rest)),
                _ => None,
            },
            Self::PriceList if shown <= 0xFF => Some(shown),
            Self::Bcd | Self::RowColumn | Self::PriceList => None,
        }
    }
}

/// Two digits of four bits.
const fn decimal(byte: u8) -> Option<u16> {
    let (tens, ones) = (byte >> 4, byte & 0x0F);
    match tens <= 9 && ones <= 9 {
        true => Some(tens as u16 * 10 + ones as u16),
        false => None,
    }
}

const fn packed(below_100: u16) -> u16 {
    ((below_100 / 10) << 4) | (below_100 % 10)
}

/// One machine's number for an item, and the catalogue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemPair {
    /// On the bus.
    pub bus: u16,
    /// Everywhere else.
    pub shown: u16,
}

/// How one machine counts: a coding, and the items that are called otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    coding: Coding,
    pairs: [ItemPair; ITEM_PAIRS_MAX],
    len: usize,
}

impl fmt::Debug for Numbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Numbering");
        shown.field("coding", &self.coding);
        shown.field("pairs", &self.pairs()).finish()
    }
}

impl Default for Numbering {
    fn default() -> Self {
        Self::new(Coding::Plain)
    }
}

impl Numbering {
    /// Every item as this coding has it.
    #[must_use]
    pub const fn new(coding: Coding) -> Self {
        let none = ItemPair {
            bus: NO_ITEM,
            shown: NO_ITEM,
        };
        Self {
            coding,
            pairs: [none; ITEM_PAIRS_MAX],
            len: 0,
        }
    }

    /// The coding of what has no pair of its own.
    #[must_use]
    pub const fn coding(&self) -> Coding {
        self.coding
    }

    /// The items with numbers of their own, in the order they were named.
    #[must_use]
    pub fn pairs(&self) -> &[ItemPair] {
        &self.pairs[..self.len]
    }

    /// Gives one item a number of its own.
    ///
    /// # Errors
    /// When one of its two numbers has a meaning already, or there is no room.
    pub fn name(&mut self, pair: ItemPair) -> Result<(), NumberingFault> {
        let ItemPair { bus, shown } = pair;
        if bus == NO_ITEM || shown == NO_ITEM {
            return Err(NumberingFault::NoItem);
        }
        let twice = |other: &&ItemPair| other.bus == bus || other.shown == shown;
        if let Some(other) = self.pairs().iter().find(twice) {
            return Err(NumberingFault::Twice {
                pair,
                other: *other,
            });
        }
        let Some(room) = self.pairs.get_mut(self.len) else {
            return Err(NumberingFault::TooMany);
        };
        *room = pair;
        self.len += 1;
        Ok(())
    }

    /// The catalogue's number for a number of the bus; [`NO_ITEM`] when it is not one of this machine's, or when
    /// another item has that number.
    #[must_use]
    pub fn shown(&self, bus: u16) -> u16 {
        if let Some(pair) = self.pairs().iter().find(|pair| pair.bus == bus) {
            return pair.shown;
        }
        let shown = self.coding.shown(bus).unwrap_or(NO_ITEM);
        match self.pairs().iter().any(|pair| pair.shown == shown) {
            true => NO_ITEM,
            false => shown,
        }
    }

    /// The number of the bus for a number of the catalogue.
    #[must_use]
    pub fn bus(&self, shown: u16) -> Option<u16> {
        if let Some(pair) = self.pairs().iter().find(|pair| pair.shown == shown) {
            return Some(pair.bus);
        }
        let bus = self.coding.bus(shown)?;
        let taken = self.pairs().iter().any(|pair| pair.bus == bus);
        (!taken).then_some(bus)
    }

    /// The same as [`Numbering::shown`] for a CASH SALE, whose number may carry flags in its four high bits: they stay
    /// where they are. A coding in letters leaves no room for them.
    #[must_use]
    pub fn sold(&self, bus: u16) -> u16 {
        let is_named = self.pairs().iter().any(|pair| pair.bus == bus);
        let flags = match self.coding {
            _ if is_named || bus == NO_ITEM => 0,
            Coding::Ascii => 0,
            Coding::Plain | Coding::Bcd | Coding::RowColumn | Coding::PriceList => bus & SALE_FLAGS,
        };
        match self.shown(bus & !flags) {
            shown if flags == 0 => shown,
            shown @ 0..0x1000 => shown | flags,
            _ => NO_ITEM,
        }
    }
}

/// Why an item cannot have these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberingFault {
    /// FFFF is the number of no item.
    #[error("65535 (FFFF) stands for no item")]
    NoItem,
    /// One of the numbers is another item's.
    #[error(
        "item {} (bus {:#06x}) and item {} (bus {:#06x}) share a number",
        pair.shown, pair.bus, other.shown, other.bus
    )]
    Twice {
        /// What was named.
        pair: ItemPair,
        /// What was named before.
        other: ItemPair,
    },
    /// No room.
    #[error("at most {ITEM_PAIRS_MAX} items have numbers of their own")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODINGS: [Coding; 5] = [
        Coding::Plain,
        Coding::Bcd,
        Coding::RowColumn,
        Coding::Ascii,
        Coding::PriceList,
    ];

    #[test]
    fn selection_40_is_40_in_whatever_way_a_machine_says_it() {
        for (coding, bus) in [
            (Coding::Plain, 40),
            (Coding::Bcd, 0x0040),
            (Coding::RowColumn, 0x0028),
            (Coding::Ascii, 0x3430),
            (Coding::PriceList, 0x0028),
        ] {
            assert_eq!(coding.shown(bus), Some(40), "{coding:?}");
            assert_eq!(coding.bus(40), Some(bus), "{coding:?}");
        }
        assert_eq!(Coding::Ascii.shown(u16::from_be_bytes(*b"B1")), Some(201));
        assert_eq!(Coding::RowColumn.shown(0x0102), Some(102));
        assert_eq!(Coding::PriceList.shown(0x0205), Some(5));
        assert_eq!(Coding::Bcd.shown(0x004A), None);
    }

    #[test]
    fn whatever_a_coding_asks_for_it_reads_back_as_the_same_item() {
        for coding in CODINGS {
            let mut has = 0;
            for shown in 0..=u16::MAX {
                if let Some(bus) = coding.bus(shown) {
                    has += 1;
                    assert_eq!(coding.shown(bus), Some(shown), "{coding:?} {shown}");
                }
            }
            assert!(has >= 256, "{coding:?}");
        }
        // Two selections of one machine are two products; only price lists fold on purpose.
        for coding in CODINGS.into_iter().filter(|it| *it != Coding::PriceList) {
            for bus in 0..=u16::MAX {
                if let Some(shown) = coding.shown(bus) {
                    assert_eq!(coding.bus(shown), Some(bus), "{coding:?} {bus:04X}");
                }
            }
        }
    }

    #[test]
    fn an_item_with_a_number_of_its_own_takes_nobody_elses() {
        let mut numbering = Numbering::new(Coding::Bcd);
        let pair = |bus, shown| ItemPair { bus, shown };
        numbering.name(pair(0xABCD, 40)).expect("free");
        assert_eq!(
            (numbering.shown(0xABCD), numbering.bus(40)),
            (40, Some(0xABCD))
        );
        // What the coding calls 40 is another selection: better none than the wrong one.
        assert_eq!(numbering.shown(0x0040), NO_ITEM);
        assert_eq!(numbering.shown(0x0041), 41);
        assert_eq!(
            numbering.name(pair(0x0001, 40)),
            Err(NumberingFault::Twice {
                pair: pair(1, 40),
                other: pair(0xABCD, 40)
            })
        );
        assert_eq!(
            numbering.name(pair(NO_ITEM, 3)),
            Err(NumberingFault::NoItem)
        );
        for number in 1.. {
            match numbering.name(pair(0xB000 + number, 10_000 + number)) {
                Ok(()) => assert!(usize::from(number) < ITEM_PAIRS_MAX),
                Err(fault) => {
                    assert_eq!(fault, NumberingFault::TooMany);
                    break;
                }
            }
        }
    }

    #[test]
    fn a_cash_sale_keeps_its_flags() {
        let bcd = Numbering::new(Coding::Bcd);
        // b15, a free vend of selection 5; and 40 without a flag.
        assert_eq!((bcd.sold(0x8005), bcd.sold(0x0040)), (0x8005, 40));
        assert_eq!(bcd.sold(0x800A), NO_ITEM);
        let ascii = Numbering::new(Coding::Ascii);
        assert_eq!(ascii.sold(u16::from_be_bytes(*b"A5")), 105);
        assert_eq!(Numbering::default().sold(0x8005), 0x8005);
    }
}
