//! `[mdb]`: the machine's bus, and what this reader is on it.

use super::ConfigFault;
use super::entries::{currency, word};
use gettone_core::money::Currency;
use gettone_mdb::item::{Coding, ItemPair, Numbering, NumberingFault};
use gettone_mdb::link::Spec;
use gettone_mdb::{Options, cashless};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a machine is asked for its audit, unless it is said.
const AUDIT_EVERY: Duration = Duration::from_secs(24 * 3_600);
const AUDIT_HOURS_MAX: u16 = 7 * 24;

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MdbEntries {
    #[serde(deserialize_with = "word")]
    pub(super) link: Option<Spec>,
    address: Option<Address>,
    #[serde(deserialize_with = "currency")]
    pub(super) currency: Option<Currency>,
    scale: Option<u8>,
    decimals: Option<u8>,
    max_response_s: Option<u8>,
    pub(super) multivend: Option<bool>,
    level: Option<Level>,
    cash_sales: Option<bool>,
    vend_answer: Option<VendAnswer>,
    options: Option<Vec<LevelThree>>,
    audit_every_h: Option<Hours>,
    item_coding: Option<ItemCoding>,
    items: Option<Items>,
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(rename_all = "lowercase")]
enum Address {
    #[default]
    First,
    Second,
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(rename_all = "lowercase")]
enum VendAnswer {
    Immediate,
    #[default]
    Deferred,
}

#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(try_from = "u8")]
struct Level(gettone_mdb::Level);

impl TryFrom<u8> for Level {
    type Error = LevelFault;

    fn try_from(level: u8) -> Result<Self, LevelFault> {
        match level {
            1 => Ok(Self(gettone_mdb::Level::One)),
            2 => Ok(Self(gettone_mdb::Level::Two)),
            3 => Ok(Self(gettone_mdb::Level::Three)),
            _ => Err(LevelFault),
        }
    }
}

#[derive(thiserror::Error, Debug)]
#[error("level is 1, 2 or 3")]
struct LevelFault;

/// The options of level 3 that a board can serve: the others (coupon, data-entry, ask-begin-session) need an answer
/// that its rules do not have.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "kebab-case")]
enum LevelThree {
    WideMoney,
    Currencies,
    AlwaysIdle,
    RemoteVend,
    NamedItem,
    NegativeVend,
    Basket,
    FileTransport,
}

impl LevelThree {
    const fn option(self) -> Options {
        match self {
            Self::WideMoney => Options::WIDE_MONEY,
            Self::Currencies => Options::CURRENCIES,
            Self::AlwaysIdle => Options::ALWAYS_IDLE,
            Self::RemoteVend => Options::REMOTE_VEND,
            Self::NamedItem => Options::ITEM_INFO,
            Self::NegativeVend => Options::NEGATIVE_VEND,
            Self::Basket => Options::BASKET,
            Self::FileTransport => Options::FILE_TRANSPORT,
        }
    }
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(rename_all = "kebab-case")]
enum ItemCoding {
    #[default]
    Plain,
    Bcd,
    RowColumn,
    Ascii,
    PriceList,
}

impl ItemCoding {
    const fn coding(self) -> Coding {
        match self {
            Self::Plain => Coding::Plain,
            Self::Bcd => Coding::Bcd,
            Self::RowColumn => Coding::RowColumn,
            Self::Ascii => Coding::Ascii,
            Self::PriceList => Coding::PriceList,
        }
    }
}

/// Numbers of the bus, decimal or as 0xHEX, and the catalogue's.
#[derive(Clone, Debug)]
struct Items(Vec<ItemPair>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pairs = BTreeMap::<String, u16>::deserialize(from)?;
        let parsed = pairs.into_iter().map(|(key, shown)| {
            let number = match key.strip_prefix("0x") {
                Some(hex) => u16::from_str_radix(hex, 16),
                None => key.parse(),
            };
            let wrong = |_| {
                D::Error::custom(format!(
                    "{key} is no item number of the bus; write 0 to 65534, or 0x0000 to 0xFFFE"
                ))
            };
            number.map(|bus| ItemPair { bus, shown }).map_err(wrong)
        });
        let mut parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        parsed.sort_by_key(|pair| pair.bus);
        Ok(Self(parsed))
    }
}

#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(try_from = "u16")]
struct Hours(Duration);

impl TryFrom<u16> for Hours {
    type Error = HoursFault;

    fn try_from(hours: u16) -> Result<Self, HoursFault> {
        match hours {
            1..=AUDIT_HOURS_MAX => Ok(Self(Duration::from_secs(3_600 * u64::from(hours)))),
            _ => Err(HoursFault),
        }
    }
}

#[derive(thiserror::Error, Debug)]
#[error("a machine is asked for its audit every 1 to {AUDIT_HOURS_MAX} hours")]
struct HoursFault;

impl MdbEntries {
    /// This file's entries laid over those of the one before.
    pub(super) fn over(self, before: Self) -> Self {
        Self {
            link: self.link.or(before.link),
            address: self.address.or(before.address),
            currency: self.currency.or(before.currency),
            scale: self.scale.or(before.scale),
            decimals: self.decimals.or(before.decimals),
            max_response_s: self.max_response_s.or(before.max_response_s),
            multivend: self.multivend.or(before.multivend),
            level: self.level.or(before.level),
            cash_sales: self.cash_sales.or(before.cash_sales),
            vend_answer: self.vend_answer.or(before.vend_answer),
            options: self.options.or(before.options),
            audit_every_h: self.audit_every_h.or(before.audit_every_h),
            item_coding: self.item_coding.or(before.item_coding),
            items: self.items.or(before.items),
        }
    }

    /// How often the machine is asked for its audit.
    pub(super) fn audit_every(&self) -> Duration {
        self.audit_every_h.map_or(AUDIT_EVERY, |hours| hours.0)
    }

    pub(super) fn numbering(&self) -> Result<Numbering, NumberingFault> {
        let coding = self.item_coding.unwrap_or_default().coding();
        let mut numbering = Numbering::new(coding);
        for pair in self.items.iter().flat_map(|items| &items.0) {
            numbering.name(*pair)?;
        }
        Ok(numbering)
    }

    pub(super) fn device(
        &self,
        currency: Currency,
        link: &Spec,
    ) -> Result<cashless::Config, ConfigFault> {
        let standard = cashless::Config::default();
        let device = cashless::Config {
            address: match self.address.unwrap_or_default() {
                Address::First => gettone_mdb::Address::First,
                Address::Second => gettone_mdb::Address::Second,
            },
            country: gettone_mdb::Country::currency(currency.numeric())
                .expect("a number of ISO 4217 has three digits"),
            scale: self.scale.unwrap_or(1),
            decimals: self.decimals.unwrap_or(currency.exponent()),
            minor_digits: currency.exponent(),
            max_response_s: self.max_response_s.unwrap_or(standard.max_response_s),
            multivend: self.multivend.unwrap_or(false),
            level: self.level.map_or(standard.level, |level| level.0),
            options: self
                .options
                .iter()
                .flatten()
                .fold(Options::NONE, |all, one| all.with(one.option())),
            // What is sold for cash is counted for the operator.
            cash_sales: self.cash_sales.unwrap_or(true),
            answers: cashless::Answers {
                vend: match self.vend_answer.unwrap_or_default() {
                    VendAnswer::Immediate => cashless::Answer::Immediate,
                    VendAnswer::Deferred => cashless::Answer::Deferred,
                },
                // The board writes its CLOSE before the machine's session ends.
                complete: cashless::Completion::Host,
                ..standard.answers
            },
            ack_max: link.ack_max(),
            ..standard
        };
        device.check()?;
        Ok(device)
    }
}
