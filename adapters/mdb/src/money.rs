//! Money on the bus: 16-bit or 32-bit units, a scale factor and a decimal place.

use core::fmt;

/// How many bytes an amount has on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// Two: every level before an option says otherwise.
    Narrow,
    /// Four: the expanded currency mode of level 3. [MDB 7.4.17, options b1 and b2]
    Wide,
}

impl Width {
    /// The greatest amount of this width; the number above it means "unknown".
    #[must_use]
    pub const fn max(self) -> Units {
        match self {
            Self::Narrow => Units(0xFFFE),
            Self::Wide => Units(0xFFFF_FFFE),
        }
    }

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Narrow => 2,
            Self::Wide => 4,
        }
    }
}

/// An amount as the bus carries it, still to be multiplied by the scale factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(u32);

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// FFFF or FFFFFFFF on the wire: funds nobody knows, or an electronic token.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// Takes the two bytes of the wire as one number.
    #[must_use]
    pub const fn from_u16(units: u16) -> Self {
        match units {
            u16::MAX => Self::UNKNOWN,
            known => Self(known as u32),
        }
    }

    /// Takes the four bytes of the wire as one number.
    #[must_use]
    pub const fn from_u32(units: u32) -> Self {
        Self(units)
    }

    /// The number of units; [`Units::UNKNOWN`] is the greatest there is.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether it fits this width, "unknown" included.
    #[must_use]
    pub const fn fits(self, width: Width) -> bool {
        self.0 == u32::MAX || self.0 <= width.max().0
    }

    /// The bytes of the wire; what does not fit two of them is "unknown".
    pub(crate) const fn narrow(self) -> [u8; 2] {
        match self.0 {
            known @ 0..=0xFFFE => {
                let [_, _, high, low] = known.to_be_bytes();
                [high, low]
            }
            _ => [0xFF, 0xFF],
        }
    }

    pub(crate) const fn wide(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// An amount that the bus cannot say: it is never rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inexact {
    /// The amount falls between two steps.
    #[error("{minor} minor units are no multiple of the bus step {step}")]
    BetweenSteps {
        /// The amount asked for.
        minor: u32,
        /// The smallest amount of the bus.
        step: u32,
    },
    /// The amount needs more bits than the bus gives it.
    #[error("{minor} minor units are above the greatest amount of the bus, {max}")]
    TooLarge {
        /// The amount asked for.
        minor: u32,
        /// The greatest amount of the bus.
        max: u32,
    },
}

/// A scale that no exact conversion to minor units allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleFault {
    /// A factor of zero makes every price zero.
    #[error("the scale factor is zero")]
    ZeroFactor,
    /// The bus would carry fractions of a minor unit, or steps too large to count.
    #[error("{bus} decimals on the bus do not fit {minor} digits of the currency")]
    Digits {
        /// Decimal places on the bus.
        bus: u8,
        /// Decimal places of the currency.
        minor: u8,
    },
}

/// Decimal places, on the bus and in the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Decimal places the bus counts in (READER CONFIG Z6).
    pub bus: u8,
    /// Decimal places of the currency's minor unit (2 for the euro).
    pub minor: u8,
}

/// How units become minor units: exactly, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    factor: u8,
    digits: Digits,
    step: u32,
}

impl Scale {
    /// Checks a scale factor and its decimal places.
    ///
    /// # Errors
    /// When some unit would not be a whole number of minor units, or would not fit 32 bits.
    pub fn new(factor: u8, digits: Digits) -> Result<Self, ScaleFault> {
        if factor == 0 {
            return Err(ScaleFault::ZeroFactor);
        }
        // 65,535 units of 255 times 100 still fit 32 bits; times 1,000 would not.
        let shift = match digits.minor.checked_sub(digits.bus) {
            Some(0) => 1,
            Some(1) => 10,
            Some(2) => 100,
            _ => {
                return Err(ScaleFault::Digits {
                    bus: digits.bus,
                    minor: digits.minor,
                });
            }
        };
        Ok(Self {
            factor,
            digits,
            step: u32::from(factor) * shift,
        })
    }

    /// The amount in minor units; `None` when it is unknown, or too large to be money here.
    #[must_use]
    pub fn minor(self, units: Units) -> Option<u32> {
        let known = Some(units).filter(|units| *units != Units::UNKNOWN)?;
        let minor = known.0.checked_mul(self.step)?;
        // The greatest number means "unknown" wherever amounts go.
        (minor != u32::MAX).then_some(minor)
    }

    /// The same amount in units.
    ///
    /// # Errors
    /// When the bus cannot say exactly this amount.
    pub fn units(self, minor: u32, width: Width) -> Result<Units, Inexact> {
        let (whole, rest) = (minor / self.step, minor % self.step);
        if rest != 0 {
            let step = self.step;
            return Err(Inexact::BetweenSteps { minor, step });
        }
        if whole > width.max().0 {
            let max = self.minor(width.max()).unwrap_or(u32::MAX - 1);
            return Err(Inexact::TooLarge { minor, max });
        }
        Ok(Units(whole))
    }

    /// The greatest amount the bus can show that is not above these funds.
    ///
    /// Funds are a promise of credit, not a price: showing less takes nothing from anybody.
    #[must_use]
    pub fn funds(self, minor: u32, width: Width) -> Units {
        Units((minor / self.step).min(width.max().0))
    }

    /// The amount as people write it, with the decimal places of the bus.
    pub fn show(self, units: Units) -> impl fmt::Display {
        Shown { scale: self, units }
    }
}

struct Shown {
    scale: Scale,
    units: Units,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.units == Units::UNKNOWN {
            return f.write_str("unknown");
        }
        let value = u64::from(self.units.0) * u64::from(self.scale.factor);
        let places = usize::from(self.scale.digits.bus);
        match 10_u64.checked_pow(u32::from(self.scale.digits.bus)) {
            Some(1) => write!(f, "{value}"),
            Some(one) => write!(f, "{}.{:0places$}", value / one, value % one),
            None => write!(f, "{value}e-{places}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(factor: u8, bus: u8) -> Scale {
        Scale::new(factor, Digits { bus, minor: 2 }).expect("the tests use good scales")
    }

    const NARROW: Width = Width::Narrow;
    const WIDE: Width = Width::Wide;

    #[test]
    fn an_amount_between_two_steps_is_refused_not_rounded() {
        let fives = scale(5, 2);
        for width in [NARROW, WIDE] {
            assert_eq!(fives.units(120, width), Ok(Units(24)));
            let (minor, step) = (121, 5);
            let between = Inexact::BetweenSteps { minor, step };
            assert_eq!(fives.units(121, width), Err(between));
        }
    }

    #[test]
    fn the_unknown_number_is_never_used_as_an_amount() {
        let cents = scale(1, 2);
        assert_eq!(cents.units(65_534, NARROW), Ok(NARROW.max()));
        let too_large = cents.units(65_535, NARROW);
        assert!(matches!(too_large, Err(Inexact::TooLarge { .. })));
        assert_eq!(cents.units(65_535, WIDE), Ok(Units(65_535)));
        assert!(cents.units(u32::MAX, WIDE).is_err());
        assert_eq!(cents.funds(65_535, NARROW), NARROW.max());
        assert_eq!(cents.funds(u32::MAX, WIDE), WIDE.max());
        assert_eq!(cents.minor(Units::UNKNOWN), None);
        assert_eq!(Units::from_u16(0xFFFF), Units::UNKNOWN);
        assert_eq!(Units::UNKNOWN.narrow(), [0xFF, 0xFF]);
    }

    #[test]
    fn funds_are_shown_at_most_as_they_are() {
        assert_eq!(scale(10, 2).funds(1_209, NARROW), Units(120));
    }

    #[test]
    fn the_greatest_scale_of_the_greatest_narrow_amount_still_fits_and_no_wide_one_wraps() {
        let coarse = scale(255, 0);
        assert_eq!(coarse.minor(NARROW.max()), Some(65_534 * 255 * 100));
        assert_eq!(coarse.minor(WIDE.max()), None);
        assert_eq!(scale(1, 2).minor(WIDE.max()), Some(u32::MAX - 1));
    }

    #[test]
    fn a_scale_finer_than_the_currency_is_refused() {
        let finer = Digits { bus: 3, minor: 2 };
        assert!(Scale::new(1, finer).is_err());
        assert_eq!(
            Scale::new(0, Digits { bus: 2, minor: 2 }),
            Err(ScaleFault::ZeroFactor)
        );
    }

    #[test]
    fn amounts_are_written_with_the_decimals_of_the_bus() {
        assert_eq!(scale(5, 2).show(Units(24)).to_string(), "1.20");
        assert_eq!(scale(5, 0).show(Units(2)).to_string(), "10");
        assert_eq!(scale(1, 2).show(Units::UNKNOWN).to_string(), "unknown");
    }
}
