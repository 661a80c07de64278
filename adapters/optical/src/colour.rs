//! The eight corner colours.

use crate::palette::Palette;
use std::fmt;

/// One frame's colour as the code values a display is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb {
    /// Red code value.
    pub r: u8,
    /// Green code value.
    pub g: u8,
    /// Blue code value.
    pub b: u8,
}

/// One of the eight corners of the RGB cube: bit 2 is red, bit 1 green, bit 0 blue.
///
/// What a display is given for it is the [`Palette`]'s to say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Colour(u8);

impl Colour {
    /// No primary.
    pub const BLACK: Self = Self(0b000);
    /// Blue alone.
    pub const BLUE: Self = Self(0b001);
    /// Green alone.
    pub const GREEN: Self = Self(0b010);
    /// Red alone.
    pub const RED: Self = Self(0b100);
    /// All primaries.
    pub const WHITE: Self = Self(0b111);

    /// All colours, in the order of their three bits.
    pub const ALL: [Self; 8] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
    ];

    /// Takes the lowest three bits as a colour.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }

    /// Returns the three bits, red first.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the colour `change` steps away: the bits of the change flip primaries.
    pub const fn changed_by(self, change: u8) -> Self {
        Self(self.0 ^ (change & 0b111))
    }

    /// Returns which primaries differ between two colours.
    pub const fn change_from(self, before: Self) -> u8 {
        self.0 ^ before.0
    }

    /// Returns the code values for the display: the corner itself.
    pub const fn rgb(self) -> Rgb {
        Palette::Full.rgb(self)
    }

    /// Returns the letter: K black, B, G, C cyan, R, M magenta, Y, W.
    pub const fn letter(self) -> char {
        ['K', 'B', 'G', 'C', 'R', 'M', 'Y', 'W'][self.0 as usize]
    }
}

impl fmt::Debug for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}
