//! Money: whole minor units inside, exact decimals at the edges.

use core::fmt;
use rkyv::{Archive, Deserialize, Serialize};
use rust_decimal::Decimal;

/// The largest amount taken from outside, in minor units: ten billion euro.
///
/// It leaves nine million such amounts of room before an `i64` sum could overflow.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// An amount in minor units (cents, for the euro); negative where the books need it.
#[derive(
    Archive,
    Serialize,
    Deserialize,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many minor units.
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// Whether it is above nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// What is left over `other`, or nothing when `other` is the greater.
    pub const fn above(self, other: Self) -> Self {
        let left = self.0.saturating_sub(other.0);
        Self(if left > 0 { left } else { 0 })
    }

    /// This many times the amount, or none when it does not fit.
    pub fn times(self, count: u32) -> Option<Self> {
        self.0.checked_mul(i64::from(count)).map(Self)
    }

    /// The sum, or none when it does not fit.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Reads a decimal amount of `currency` exactly.
    ///
    /// # Errors
    /// `Inexact` when it has more decimals than the currency; `TooLarge` beyond [`AMOUNT_MAX`].
    pub fn from_decimal(value: Decimal, currency: Currency) -> Result<Self, MoneyFault> {
        let scale = Decimal::from(10_i64.pow(u32::from(currency.exponent())));
        let minor = value
            .checked_mul(scale)
            .ok_or(MoneyFault::TooLarge(value))?;
        if !minor.fract().is_zero() {
            return Err(MoneyFault::Inexact { value, currency });
        }
        i64::try_from(minor)
            .ok()
            .filter(|minor| (-AMOUNT_MAX..=AMOUNT_MAX).contains(minor))
            .map(Self)
            .ok_or(MoneyFault::TooLarge(value))
    }

    /// The amount as a decimal of `currency`, with all its decimals.
    pub fn to_decimal(self, currency: Currency) -> Decimal {
        Decimal::new(self.0, u32::from(currency.exponent()))
    }
}

/// Sums and differences of amounts that are already in the books cannot overflow: each one that
/// came in was at most [`AMOUNT_MAX`]. The workspace keeps overflow checked all the same.
impl core::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl core::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl core::ops::Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl core::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A currency of ISO 4217, by its numeric code.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub struct Currency(u16);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(978);
    /// The Swiss franc.
    pub const CHF: Self = Self(756);
    /// The United States dollar.
    pub const USD: Self = Self(840);

    /// Finds a currency by its ISO 4217 numeric code.
    ///
    /// # Errors
    /// `UnknownCurrency` when the code is not assigned, or names something without minor units.
    pub fn from_numeric(numeric: u16) -> Result<Self, MoneyFault> {
        iso_currency::Currency::from_numeric(numeric)
            .filter(|currency| currency.exponent().is_some())
            .map(|_| Self(numeric))
            .ok_or(MoneyFault::UnknownCurrency)
    }

    /// Finds a currency by its ISO 4217 alphabetic code.
    ///
    /// # Errors
    /// `UnknownCurrency` when the code is not assigned, or names something without minor units.
    pub fn from_code(code: &str) -> Result<Self, MoneyFault> {
        let currency =
            iso_currency::Currency::from_code(code).ok_or(MoneyFault::UnknownCurrency)?;
        Self::from_numeric(currency.numeric())
    }

    /// The ISO 4217 numeric code.
    pub const fn numeric(self) -> u16 {
        self.0
    }

    /// The ISO 4217 alphabetic code.
    pub fn code(self) -> &'static str {
        iso_currency::Currency::from_numeric(self.0).map_or("???", |currency| currency.code())
    }

    /// Decimals of the major unit: 2 for the euro, 0 for the yen, 3 for the Tunisian dinar.
    pub fn exponent(self) -> u8 {
        iso_currency::Currency::from_numeric(self.0)
            .and_then(|currency| currency.exponent())
            .and_then(|exponent| u8::try_from(exponent).ok())
            .unwrap_or(0)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why an amount or a currency from outside was not taken.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MoneyFault {
    /// More decimals than the currency has.
    #[error("{value} has more decimals than {currency} has; amounts are never rounded")]
    Inexact {
        /// What was given.
        value: Decimal,
        /// The currency it was given in.
        currency: Currency,
    },
    /// Beyond what one amount may be.
    #[error("{0} is beyond the largest amount, {AMOUNT_MAX} minor units")]
    TooLarge(Decimal),
    /// Not a currency of ISO 4217 with minor units.
    #[error("not a currency of ISO 4217")]
    UnknownCurrency,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    #[test]
    fn a_price_is_read_exactly_in_its_own_currency() {
        for (text, currency, minor) in [
            ("1.20", Currency::EUR, 120),
            ("1.2", Currency::EUR, 120),
            ("-0.05", Currency::CHF, -5),
        ] {
            assert_eq!(
                Amount::from_decimal(decimal(text), currency),
                Ok(Amount::from_minor(minor))
            );
        }
        let dinar = Currency::from_code("TND").expect("assigned");
        let yen = Currency::from_code("JPY").expect("assigned");
        assert_eq!(
            Amount::from_decimal(decimal("1.250"), dinar),
            Ok(Amount::from_minor(1250))
        );
        assert_eq!(
            Amount::from_decimal(decimal("120"), yen),
            Ok(Amount::from_minor(120))
        );
    }

    #[test]
    fn a_third_decimal_of_a_euro_is_refused_not_rounded() {
        let value = decimal("1.205");
        assert_eq!(
            Amount::from_decimal(value, Currency::EUR),
            Err(MoneyFault::Inexact {
                value,
                currency: Currency::EUR
            })
        );
    }

    #[test]
    fn an_amount_no_sum_could_hold_is_refused() {
        for text in ["10000000000.01", "79228162514264337593543950335"] {
            assert!(matches!(
                Amount::from_decimal(decimal(text), Currency::EUR),
                Err(MoneyFault::TooLarge(_))
            ));
        }
    }

    #[test]
    fn what_was_read_is_printed_again_with_all_its_decimals() {
        assert_eq!(
            Amount::from_minor(120)
                .to_decimal(Currency::EUR)
                .to_string(),
            "1.20"
        );
    }

    #[test]
    fn a_number_that_is_no_currency_is_refused() {
        assert_eq!(Currency::from_numeric(0), Err(MoneyFault::UnknownCurrency));
        assert_eq!(
            Currency::from_code("EURO"),
            Err(MoneyFault::UnknownCurrency)
        );
        assert_eq!(Currency::from_code("EUR"), Ok(Currency::EUR));
    }
}
