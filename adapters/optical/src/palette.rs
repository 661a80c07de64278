//! Which codes a display is given for the eight colours.

use crate::colour::{Colour, Rgb};

/// The codes of red, green and blue where a colour lacks the primary, and where it has it.
type Codes = [(u8, u8); 3];

/// Two codes a primary, so that light stays a sum of what the primaries add, whatever the display's gamma is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Palette {
    /// The corners of the RGB cube: the most light there is. It flashes, and is safe by its area.
    #[default]
    Full,
    /// Dim colours that differ by less than a tenth of the greatest luminance, none of them a saturated red: no flash at
    /// any area. It takes a sensor close by.
    Gentle,
}

impl Palette {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Full, Self::Gentle];

    /// Returns the code values of a colour for the display.
    pub const fn rgb(self, colour: Colour) -> Rgb {
        let bits = colour.bits();
        let [red, green, blue] = self.codes();
        Rgb {
            r: if bits & 0b100 != 0 { red.1 } else { red.0 },
            g: if bits & 0b010 != 0 { green.1 } else { green.0 },
            b: if bits & 0b001 != 0 { blue.1 } else { blue.0 },
        }
    }

    /// Returns the codes of each primary, off and on.
    pub const fn codes(self) -> Codes {
        match self {
            Self::Full => [(0, 255), (0, 255), (0, 255)],
            // Linear shares 0 and 0.08, 0 and 0.10, 0.03 and 0.12: each about as much in the channel of its own, and 0.094
            // of luminance in all. The blue that stays on keeps red alone below 0.8 of its light.
            Self::Gentle => [(0, 79), (0, 89), (48, 97)],
        }
    }
}
