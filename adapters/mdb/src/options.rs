//! What level 3 adds: options, the layouts they lead to, and the wishes of a customer for a cup.

use core::fmt;

use crate::command::{Command, Level};
use crate::money::Width;

/// Options of level 3, as 09 offers them and 17 04 switches them on. [MDB 7.4.17]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Options(u32);

/// Every option and its name.
const NAMES: [(Options, &str); 11] = [
    (Options::FILE_TRANSPORT, "file transport"),
    (Options::WIDE_MONEY, "32-bit money"),
    (Options::CURRENCIES, "currencies"),
    (Options::NEGATIVE_VEND, "negative vend"),
    (Options::DATA_ENTRY, "data entry"),
    (Options::ALWAYS_IDLE, "always idle"),
    (Options::REMOTE_VEND, "remote vend"),
    (Options::BASKET, "basket"),
    (Options::COUPON, "coupon"),
    (Options::ASK_BEGIN_SESSION, "ask begin session"),
    (Options::ITEM_INFO, "item info"),
];

impl Options {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// b0: files between machine and reader.
    pub const FILE_TRANSPORT: Self = Self(1);
    /// b1: amounts of 32 bits.
    pub const WIDE_MONEY: Self = Self(1 << 1);
    /// b2: currency and language with every session; amounts of 32 bits as well.
    pub const CURRENCIES: Self = Self(1 << 2);
    /// b3: the machine takes something back and the account is credited.
    pub const NEGATIVE_VEND: Self = Self(1 << 3);
    /// b4: the machine's keypad types for the reader.
    pub const DATA_ENTRY: Self = Self(1 << 4);
    /// b5: selections come without a session before them.
    pub const ALWAYS_IDLE: Self = Self(1 << 5);
    /// b6: the reader selects.
    pub const REMOTE_VEND: Self = Self(1 << 6);
    /// b7: several items in one vend, parts of it given back.
    pub const BASKET: Self = Self(1 << 7);
    /// b8: coupons.
    pub const COUPON: Self = Self(1 << 8);
    /// b9: a session asked for by a selection.
    pub const ASK_BEGIN_SESSION: Self = Self(1 << 9);
    /// b10: what was selected and what was dispensed, by number and by name.
    pub const ITEM_INFO: Self = Self(1 << 10);
    /// Every option that has a meaning.
    pub const ALL: Self = Self(0x7FF);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether all of the others are in this set.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Takes the four bytes of the wire as one number.
    #[must_use]
    pub const fn from_u32(bits: u32) -> Self {
        Self(bits)
    }

    /// The four bytes of the wire as one number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

/// Names them, with commas; what has no name is shown in hex.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("none");
        }
        let mut gap = "";
        for (option, name) in NAMES {
            if self.has(option) {
                write!(f, "{gap}{name}")?;
                gap = ", ";
            }
        }
        match self.0 & !Self::ALL.0 {
            0 => Ok(()),
            rest => write!(f, "{gap}{rest:08X}"),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// How commands and messages are laid out between two sides: by the lower of their levels, and by the options that the
/// controller has switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    level: Level,
    options: Options,
}

impl Layout {
    /// Level 1: 3-byte BEGIN SESSION, 1-byte COMMAND OUT OF SEQUENCE.
    pub const ONE: Self = Self::new(Level::One, Options::NONE);
    /// Level 2: 10-byte BEGIN SESSION, 2-byte COMMAND OUT OF SEQUENCE.
    pub const TWO: Self = Self::new(Level::Two, Options::NONE);
    /// Level 3 before any option: as level 2, with options in PERIPHERAL ID.
    pub const THREE: Self = Self::new(Level::Three, Options::NONE);

    /// The layout of this level with these options; below level 3 there are none.
    #[must_use]
    pub const fn new(level: Level, options: Options) -> Self {
        let options = match level {
            Level::Three => options,
            Level::One | Level::Two => Options::NONE,
        };
        Self { level, options }
    }

    /// The level spoken.
    #[must_use]
    pub const fn level(self) -> Level {
        self.level
    }

    /// The options that are on.
    #[must_use]
    pub const fn options(self) -> Options {
        self.options
    }

    /// The layout after this command, for whoever only listens: RESET switches every option off.
    #[must_use]
    pub(crate) fn after(self, command: &Command) -> Self {
        if let Command::EnableOptions(options) = command {
            return Self::new(Level::Three, *options);
        }
        match *command == Command::Reset {
            true => Self::new(self.level, Options::NONE),
            false => self,
        }
    }

    /// Whether this option is on.
    #[must_use]
    pub const fn has(self, option: Options) -> bool {
        self.options.has(option)
    }

    /// How many bytes an amount has. [MDB 7.4.17: b1 or b2 switch the expanded currency mode on]
    #[must_use]
    pub const fn width(self) -> Width {
        match self.has(Options::WIDE_MONEY) || self.has(Options::CURRENCIES) {
            true => Width::Wide,
            false => Width::Narrow,
        }
    }
}

/// How a customer wants an item: sugar, cup, strength. 0 is always the machine's own choice. [MDB 4.3, 7.4.21]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ItemOptions(u32);

/// Where a wish stands: its name, its lowest bit and its greatest value.
const WISHES: [(&str, u32, u8); 6] = [
    ("sugar", 2, 7),
    ("cup", 5, 3),
    ("strength", 7, 7),
    ("whitener", 10, 7),
    ("extra", 13, 7),
    ("extra amount", 16, 7),
];

/// What a customer may wish of an item; 0 is always the machine's own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taste {
    /// 1 none, 7 most.
    Sugar,
    /// 1 smallest, 3 largest.
    Cup,
    /// 1 weakest, 7 strongest.
    Strength,
    /// 1 none, 7 most.
    Whitener,
}

impl Taste {
    /// The greatest value.
    #[must_use]
    pub const fn most(self) -> u8 {
        WISHES[self.place()].2
    }

    const fn place(self) -> usize {
        match self {
            Self::Sugar => 0,
            Self::Cup => 1,
            Self::Strength => 2,
            Self::Whitener => 3,
        }
    }
}

impl ItemOptions {
    /// This much of it. `None` above its greatest value.
    #[must_use]
    pub const fn taste(self, taste: Taste, amount: u8) -> Option<Self> {
        self.wish(taste.place(), amount)
    }

    /// How much of it is wished.
    #[must_use]
    pub const fn amount(self, taste: Taste) -> u8 {
        let (_, low, max) = WISHES[taste.place()];
        (self.0 >> low) as u8 & max
    }

    /// Everything as the machine does it.
    pub const DEFAULT: Self = Self(0);
    const NO_LID: u32 = 1 << 1;
    const FOLLOWED: u32 = 1;

    /// Takes the four bytes of the wire as one number; bits without a meaning are dropped.
    #[must_use]
    pub const fn from_u32(bits: u32) -> Self {
        Self(bits & 0x7_FFFF)
    }

    /// The four bytes of the wire as one number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Sugar: 1 none, 7 most. `None` above that.
    #[must_use]
    pub const fn sugar(self, amount: u8) -> Option<Self> {
        self.wish(0, amount)
    }

    /// The cup: 1 smallest, 3 largest. `None` above that.
    #[must_use]
    pub const fn cup(self, size: u8) -> Option<Self> {
        self.wish(1, size)
    }

    /// Strength: 1 weakest, 7 strongest. `None` above that.
    #[must_use]
    pub const fn strength(self, amount: u8) -> Option<Self> {
        self.wish(2, amount)
    }

    /// Whitener: 1 none, 7 most. `None` above that.
    #[must_use]
    pub const fn whitener(self, amount: u8) -> Option<Self> {
        self.wish(3, amount)
    }

    /// Something else the machine has, and how much of it. `None` above 7.
    #[must_use]
    pub const fn extra(self, which: u8, amount: u8) -> Option<Self> {
        match self.wish(4, which) {
            Some(some) => some.wish(5, amount),
            None => None,
        }
    }

    /// Without a lid.
    #[must_use]
    pub const fn without_lid(self) -> Self {
        Self(self.0 | Self::NO_LID)
    }

    /// Another selection of the same customer follows.
    #[must_use]
    pub const fn followed(self) -> Self {
        Self(self.0 | Self::FOLLOWED)
    }

    const fn wish(self, at: usize, value: u8) -> Option<Self> {
        let (_, low, max) = WISHES[at];
        if value > max {
            return None;
        }
        let cleared = self.0 & !((max as u32) << low);
        Some(Self(cleared | (value as u32) << low))
    }
}

impl fmt::Display for ItemOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::DEFAULT {
            return f.write_str("as it comes");
        }
        let mut gap = "";
        for (name, low, max) in WISHES {
            let value = self.0 >> low & u32::from(max);
            if value != 0 {
                write!(f, "{gap}{name} {value}")?;
                gap = " ";
            }
        }
        for (bit, name) in [(Self::NO_LID, "no lid"), (Self::FOLLOWED, "more to come")] {
            if self.0 & bit != 0 {
                write!(f, "{gap}{name}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ItemOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// Why a machine does not vend. [MDB 4.3, table 7]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason(u8);

impl Reason {
    /// 00: unknown, or out of order.
    pub const UNKNOWN: Self = Self(0);
    /// 01: there is no such selection.
    pub const NO_SUCH_SELECTION: Self = Self(1);
    /// 02: empty, or not dispensed.
    pub const EMPTY: Self = Self(2);
    /// 09: busy, or in the wrong mode.
    pub const BUSY: Self = Self(9);
    /// FF: busy for a moment; to be asked again in a second or two.
    pub const MOMENT: Self = Self(0xFF);

    /// Takes the byte of the wire.
    #[must_use]
    pub const fn from_u8(code: u8) -> Self {
        Self(code)
    }

    /// The byte of the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x00 => "out of order",
            0x01 => "no such selection",
            0x02 => "empty",
            0x03 => "defective",
            0x04 => "an ingredient is out",
            0x05 => "blocked",
            0x06 => "inhibited",
            0x07 => "expired",
            0x08 => "temperature",
            0x09 => "busy",
            0x0A => "not enough credit",
            0xFF => "busy for a moment",
            other => return write!(f, "reason {other:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_coffee_without_sugar_is_the_bits_of_the_standard() {
        let wish = ItemOptions::DEFAULT.sugar(1).and_then(|it| it.cup(1));
        let wish = wish.expect("wishes a machine knows");
        assert_eq!(wish.to_u32(), 1 << 2 | 1 << 5);
        assert_eq!(wish.to_string(), "sugar 1 cup 1");
        let told = [Taste::Sugar, Taste::Cup, Taste::Strength].map(|taste| wish.amount(taste));
        assert_eq!(told, [1, 1, 0]);
        assert_eq!(
            ItemOptions::DEFAULT.taste(Taste::Cup, Taste::Cup.most() + 1),
            None
        );
        assert_eq!(ItemOptions::DEFAULT.cup(4), None);
        assert_eq!(ItemOptions::DEFAULT.sugar(8), None);
        assert_eq!(ItemOptions::from_u32(u32::MAX).to_u32(), 0x7_FFFF);
        assert_eq!(
            ItemOptions::DEFAULT.extra(2, 3).map(ItemOptions::to_u32),
            Some(2 << 13 | 3 << 16)
        );
    }

    #[test]
    fn below_level_3_there_are_no_options_and_money_has_two_bytes() {
        assert_eq!(Layout::new(Level::Two, Options::ALL), Layout::TWO);
        assert_eq!(Layout::THREE.width(), Width::Narrow);
        for wide in [Options::WIDE_MONEY, Options::CURRENCIES] {
            assert_eq!(Layout::new(Level::Three, wide).width(), Width::Wide);
        }
    }

    #[test]
    fn options_are_named() {
        let some = Options::ALWAYS_IDLE.with(Options::REMOTE_VEND);
        assert_eq!(some.to_string(), "always idle, remote vend");
        assert_eq!(
            Options::from_u32(0x8000_0001).to_string(),
            "file transport, 80000000"
        );
    }
}
