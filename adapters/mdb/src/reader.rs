//! What a device says of itself in READER CONFIG.

use core::fmt;

use crate::command::Level;

/// Whose money a device counts in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(u16);

impl Country {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(0xFFFF);

    /// A currency by its ISO 4217 number (978 is the euro), of at most three digits.
    #[must_use]
    pub const fn currency(number: u16) -> Option<Self> {
        match Self::dialling(number) {
            Some(Self(digits)) => Some(Self(digits | 0x1000)),
            None => None,
        }
    }

    /// A country by its international dialling code, of at most three digits.
    #[must_use]
    pub const fn dialling(code: u16) -> Option<Self> {
        if code > 999 {
            return None;
        }
        let (hundreds, tens, ones) = (code / 100, code / 10 % 10, code % 10);
        Some(Self(hundreds << 8 | tens << 4 | ones))
    }

    /// Takes the two bytes of the wire as one number.
    #[must_use]
    pub const fn from_u16(bits: u16) -> Self {
        Self(bits)
    }

    /// The two bytes of the wire as one number.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// READER CONFIG: what the device is and how it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderConfig {
    /// The device's level.
    pub level: Level,
    /// Whose money it counts in.
    pub country: Country,
    /// The scale factor.
    pub scale: u8,
    /// Decimal places of the scaled money.
    pub decimals: u8,
    /// How long the device may take over anything, in seconds.
    pub max_response_s: u8,
    /// What else it can do.
    pub options: ReaderOptions,
}

/// The miscellaneous options of READER CONFIG.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReaderOptions(u8);

impl ReaderOptions {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The device can give money back after a failed vend.
    pub const REFUND: Self = Self(1);
    /// One session may hold several vends.
    pub const MULTIVEND: Self = Self(2);
    /// The device has a display of its own.
    pub const DISPLAY: Self = Self(4);
    /// The device wants to hear of cash sales.
    pub const CASH_SALE: Self = Self(8);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Whether all of the others are in this set.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl fmt::Debug for ReaderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04b}", self.0)
    }
}

impl ReaderConfig {
    pub(crate) const LEN: usize = 7;

    pub(crate) const fn from_bytes(fields: &[u8; Self::LEN]) -> Self {
        let [level, high, low, scale, decimals, max_response_s, options] = *fields;
        Self {
            level: Level::from_number(level),
            country: Country(u16::from_be_bytes([high, low])),
            scale,
            decimals,
            max_response_s,
            options: ReaderOptions(options),
        }
    }

    pub(crate) const fn to_bytes(self) -> [u8; Self::LEN] {
        let [high, low] = self.country.0.to_be_bytes();
        [
            self.level.number(),
            high,
            low,
            self.scale,
            self.decimals,
            self.max_response_s,
            self.options.0,
        ]
    }
}

impl fmt::Display for ReaderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "level {} country {:?} scale {} decimals {} {} s options {:?}",
            self.level.number(),
            self.country,
            self.scale,
            self.decimals,
            self.max_response_s,
            self.options
        )
    }
}
