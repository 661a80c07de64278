//! Money as people write it, and what selections cost.

use std::collections::BTreeMap;

use crate::fault::VmcFault;

/// Money as people write it: exact, in the currency's own decimals.
#[derive(Clone, Debug)]
pub(crate) struct Money {
    pub(crate) currency: String,
    pub(crate) decimals: u8,
}

impl Money {
    pub(crate) fn minor(&self, text: &str) -> Result<u32, VmcFault> {
        let wrong = || VmcFault::Amount(text.to_owned(), self.decimals);
        let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
        let places = usize::from(self.decimals);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(cents) || cents.len() > places {
            return Err(wrong());
        }
        format!("{whole}{cents:0<places$}")
            .parse()
            .map_err(|_| wrong())
    }

    pub(crate) fn show(&self, minor: u32) -> String {
        let one = 10_u32.pow(self.decimals.into());
        let places = usize::from(self.decimals);
        match places {
            0 => format!("{minor} {}", self.currency),
            _ => format!("{}.{:0places$} {}", minor / one, minor % one, self.currency),
        }
    }
}

/// Selections and what they cost.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    pub(crate) money: Money,
    items: BTreeMap<u16, u32>,
}

impl Prices {
    pub(crate) fn parse(text: &str, money: Money) -> Result<Self, VmcFault> {
        let mut items = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let wrong = || VmcFault::Prices(text.to_owned());
            let (item, price) = entry.split_once('=').ok_or_else(wrong)?;
            let item = item.trim().parse().map_err(|_| wrong())?;
            items.insert(item, money.minor(price.trim())?);
        }
        Ok(Self { money, items })
    }

    pub(crate) fn price(&self, item: u16) -> u32 {
        let one = 10_u32.pow(self.money.decimals.into());
        self.items.get(&item).copied().unwrap_or(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        let money = Money {
            currency: "EUR".to_owned(),
            decimals: 2,
        };
        for (text, minor) in [
            ("2", 200),
            ("2.5", 250),
            ("0.05", 5),
            ("42949672.95", u32::MAX),
        ] {
            assert_eq!(money.minor(text).expect("an amount"), minor);
        }
        for text in [
            "",
            ".5",
            "-1",
            "1.005",
            "1,20",
            "42949672.96",
            "+1",
            "1.2.3",
        ] {
            assert!(money.minor(text).is_err(), "{text}");
        }
        assert_eq!(money.show(1_205), "12.05 EUR");
    }
}
