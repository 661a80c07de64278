//! An amount as a language writes it.

use crate::language::Language;
use core::fmt::Write as _;
use gettone_core::money::{Amount, Currency};

/// An amount and its currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Money {
    amount: Amount,
    currency: Currency,
}

impl Money {
    /// This amount of that currency.
    pub const fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// With the currency's code: `1,234.50 EUR`.
    pub fn say(self, language: Language) -> String {
        let mut text = self.figures(language);
        text.push(' ');
        text.push_str(self.currency.code());
        text
    }

    /// The figures alone, as on a display that has no room: `1,234.50`.
    pub fn figures(self, language: Language) -> String {
        let (point, group) = self.marks(language);
        let digits = usize::from(self.currency.exponent());
        let all = self.amount.minor().unsigned_abs().to_string();
        let all = format!("{all:0>width$}", width = digits.saturating_add(1));
        let (whole, fraction) = all.split_at(all.len().saturating_sub(digits));
        let mut text = String::new();
        if self.amount.minor() < 0 {
            text.push('-');
        }
        for (place, digit) in whole.chars().enumerate() {
            let left = whole.len().saturating_sub(place);
            if place > 0 && left.is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if digits > 0 {
            write!(text, "{point}{fraction}").expect("a string takes all");
        }
        text
    }

    /// The decimal mark, and what stands between thousands.
    fn marks(self, language: Language) -> (char, char) {
        match language {
            Language::En => ('.', ','),
            // Francs are written in the Swiss way in all three.
            Language::Fr | Language::It | Language::De if self.currency == Currency::CHF => {
                ('.', '\'')
            }
            Language::Fr => (',', '\u{a0}'),
            Language::It | Language::De => (',', '.'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(minor: i64, currency: Currency) -> [String; 4] {
        Language::ALL.map(|language| Money::new(Amount::from_minor(minor), currency).say(language))
    }

    #[test]
    fn every_language_writes_amounts_its_own_way() {
        assert_eq!(
            said(123_450, Currency::EUR),
            [
                "1,234.50 EUR",
                "1\u{a0}234,50 EUR",
                "1.234,50 EUR",
                "1.234,50 EUR"
            ]
        );
        assert_eq!(
            said(123_450, Currency::CHF)[3],
            "1'234.50 CHF",
            "the Swiss way"
        );
    }

    #[test]
    fn no_digit_is_lost_whatever_the_currency_counts_in() {
        let yen = Currency::from_code("JPY").expect("known");
        let dinar = Currency::from_code("TND").expect("known");
        assert_eq!(said(5, Currency::EUR)[0], "0.05 EUR");
        assert_eq!(said(0, Currency::EUR)[1], "0,00 EUR");
        assert_eq!(said(-90, Currency::EUR)[0], "-0.90 EUR");
        assert_eq!(said(1_000, yen)[0], "1,000 JPY");
        assert_eq!(said(1_005, dinar)[2], "1,005 TND");
        assert_eq!(
            said(i64::MIN, yen)[0],
            "-9,223,372,036,854,775,808 JPY",
            "the least there is"
        );
    }
}
