//! One character of the bus: eight bits and the mode bit.

use core::fmt;

/// A lone byte 00: "received, and well".
pub const ACK: u8 = 0x00;
/// A lone byte FF: "received, and broken".
pub const NAK: u8 = 0xFF;
/// A lone byte AA, from the controller only: "send your last block again".
pub const RET: u8 = 0xAA;

/// The ninth bit.
///
/// From the controller it marks the address that opens a block; from a peripheral, the last word it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The bit is 0.
    Data,
    /// The bit is 1.
    Address,
}

/// One nine-bit word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Word(u16);

impl Word {
    /// Joins a byte and its mode bit.
    #[must_use]
    pub const fn new(mode: Mode, byte: u8) -> Self {
        let bit = match mode {
            Mode::Data => 0,
            Mode::Address => 0x100,
        };
        Self(bit | byte as u16)
    }

    /// Takes nine bits as one number; more bits are no word.
    #[must_use]
    pub const fn from_u16(bits: u16) -> Option<Self> {
        if bits > 0x1FF { None } else { Some(Self(bits)) }
    }

    /// The nine bits as one number.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }

    /// The eight data bits.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// The ninth bit.
    #[must_use]
    pub const fn mode(self) -> Mode {
        if self.0 & 0x100 == 0 {
            Mode::Data
        } else {
            Mode::Address
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03X}", self.0)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
