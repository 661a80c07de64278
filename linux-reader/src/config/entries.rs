//! What a configuration file may say; one that says it wrong is told its line.

use super::{Config, ConfigFault, LightSource};
use crate::air::Air;
use crate::enrolment::Enrolment;
use crate::token::TokenPlaces;
use gettone_core::board::{Limits, Sessions};
use gettone_core::money::Currency;
use gettone_display::Language;
use gettone_display::gpio::{Active, Wiring};
use gettone_mdb::item::{Coding, ItemPair, Numbering, NumberingFault};
use gettone_mdb::link::Spec;
use gettone_mdb::{Options, cashless};
use gettone_relay::{SERVERS_MAX, Server};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A longer address of the server leaves a QR no room.
const TOKEN_URL_MAX: usize = 64;
/// No limit may be set above a day.
const LIMIT_SECONDS_MAX: u32 = 86_400;

/// One file, or several laid over each other.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Entries {
    pub(super) state: Option<PathBuf>,
    pub(super) machine: Option<u32>,
    #[serde(deserialize_with = "word")]
    language: Option<Language>,
    status: Option<PathBuf>,
    #[serde(deserialize_with = "word")]
    air: Option<Air>,
    #[serde(deserialize_with = "word")]
    light: Option<LightSource>,
    token: TokenEntries,
    panel: PanelEntries,
    mdb: MdbEntries,
    server: Vec<ServerEntry>,
    limits: LimitEntries,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct TokenEntries {
    url: Option<String>,
    show: Option<Vec<String>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct PanelEntries {
    chip: Option<PathBuf>,
    red: Option<u32>,
    green: Option<u32>,
    blue: Option<u32>,
    buzzer: Option<u32>,
    active: Option<ActiveEntry>,
}

#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "lowercase")]
enum ActiveEntry {
    High,
    Low,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct MdbEntries {
    #[serde(deserialize_with = "word")]
    link: Option<Spec>,
    address: Option<Address>,
    #[serde(deserialize_with = "currency")]
    currency: Option<Currency>,
    scale: Option<u8>,
    decimals: Option<u8>,
    max_response_s: Option<u8>,
    multivend: Option<bool>,
    level: Option<Level>,
    cash_sales: Option<bool>,
    vend_answer: Option<VendAnswer>,
    options: Option<Vec<LevelThree>>,
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

/// The options of level 3 that a board can serve: the others need an answer that its rules do not have.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "kebab-case")]
enum LevelThree {
    WideMoney,
    Currencies,
    AlwaysIdle,
    RemoteVend,
    NamedItem,
}

impl LevelThree {
    const fn option(self) -> Options {
        match self {
            Self::WideMoney => Options::WIDE_MONEY,
            Self::Currencies => Options::CURRENCIES,
            Self::AlwaysIdle => Options::ALWAYS_IDLE,
            Self::RemoteVend => Options::REMOTE_VEND,
            Self::NamedItem => Options::ITEM_INFO,
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

/// A whole `[[server]]` entry.
#[derive(Clone, Copy, Debug)]
struct ServerEntry(Server);

impl<'de> Deserialize<'de> for ServerEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            epoch: u16,
            #[serde(deserialize_with = "server_key")]
            key: gettone_channel::PublicKey,
        }
        let Form { epoch, key } = Form::deserialize(from)?;
        Ok(Self(Server { epoch, key }))
    }
}

/// Seconds; what is left out is the protocol's.
#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct LimitEntries {
    code_s: Option<Seconds>,
    answer_s: Option<Seconds>,
    idle_s: Option<Seconds>,
    grant_s: Option<Seconds>,
    resume_s: Option<Seconds>,
    vend_s: Option<Seconds>,
    session_end_s: Option<Seconds>,
}

#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(try_from = "u32")]
struct Seconds(Duration);

impl TryFrom<u32> for Seconds {
    type Error = LimitFault;

    fn try_from(seconds: u32) -> Result<Self, LimitFault> {
        match seconds {
            1..=LIMIT_SECONDS_MAX => Ok(Self(Duration::from_secs(u64::from(seconds)))),
            _ => Err(LimitFault),
        }
    }
}

#[derive(thiserror::Error, Debug)]
#[error("a limit is 1 to {LIMIT_SECONDS_MAX} seconds")]
struct LimitFault;

impl Entries {
    /// This file laid over the one before.
    pub(super) fn over(self, before: Self) -> Self {
        let (mdb, mdb_before) = (self.mdb, before.mdb);
        let (panel, panel_before) = (self.panel, before.panel);
        let (limits, limits_before) = (self.limits, before.limits);
        let mut server = before.server;
        server.extend(self.server);
        Self {
            state: self.state.or(before.state),
            machine: self.machine.or(before.machine),
            language: self.language.or(before.language),
            status: self.status.or(before.status),
            air: self.air.or(before.air),
            light: self.light.or(before.light),
            token: TokenEntries {
                url: self.token.url.or(before.token.url),
                show: self.token.show.or(before.token.show),
            },
            panel: PanelEntries {
                chip: panel.chip.or(panel_before.chip),
                red: panel.red.or(panel_before.red),
                green: panel.green.or(panel_before.green),
                blue: panel.blue.or(panel_before.blue),
                buzzer: panel.buzzer.or(panel_before.buzzer),
                active: panel.active.or(panel_before.active),
            },
            mdb: MdbEntries {
                link: mdb.link.or(mdb_before.link),
                address: mdb.address.or(mdb_before.address),
                currency: mdb.currency.or(mdb_before.currency),
                scale: mdb.scale.or(mdb_before.scale),
                decimals: mdb.decimals.or(mdb_before.decimals),
                max_response_s: mdb.max_response_s.or(mdb_before.max_response_s),
                multivend: mdb.multivend.or(mdb_before.multivend),
                level: mdb.level.or(mdb_before.level),
                cash_sales: mdb.cash_sales.or(mdb_before.cash_sales),
                vend_answer: mdb.vend_answer.or(mdb_before.vend_answer),
                options: mdb.options.or(mdb_before.options),
                item_coding: mdb.item_coding.or(mdb_before.item_coding),
                items: mdb.items.or(mdb_before.items),
            },
            server,
            limits: LimitEntries {
                code_s: limits.code_s.or(limits_before.code_s),
                answer_s: limits.answer_s.or(limits_before.answer_s),
                idle_s: limits.idle_s.or(limits_before.idle_s),
                grant_s: limits.grant_s.or(limits_before.grant_s),
                resume_s: limits.resume_s.or(limits_before.resume_s),
                vend_s: limits.vend_s.or(limits_before.vend_s),
                session_end_s: limits.session_end_s.or(limits_before.session_end_s),
            },
        }
    }

    /// What they come to, with what enrolment has left.
    pub(super) fn checked(self, enrolment: Option<&Enrolment>) -> Result<Config, ConfigFault> {
        let enrolled = enrolment.map(|enrolment| enrolment.machine);
        let machine = match (self.machine, enrolled) {
            (Some(said), Some(enrolled)) if said != enrolled => {
                return Err(ConfigFault::OtherMachine { said, enrolled });
            }
            (said, enrolled) => said.or(enrolled),
        };
        let servers = self
            .server
            .iter()
            .map(|server| server.0)
            .chain(enrolment.map(|enrolment| enrolment.server));
        let servers = in_order(servers)?;
        let currency = need(self.mdb.currency, "mdb.currency", "currency = \"EUR\"")?;
        let sessions = match self.mdb.multivend {
            Some(true) => Sessions::ManyVends,
            Some(false) | None => Sessions::OneVend,
        };
        let link = need(
            self.mdb.link.clone(),
            "mdb.link",
            "link = \"tty:/dev/gettone-mdb\"",
        )?;
        Ok(Config {
            device: self.mdb.device(currency, &link)?,
            numbering: self.mdb.numbering()?,
            limits: self.limits.over(Limits::PROTOCOL),
            state: need(self.state, "state", "state = \"/var/lib/gettone\"")?,
            machine: need(
                machine,
                "machine",
                "machine = 17, or say it to gettone-reader enrol --machine 17",
            )?,
            language: self.language.unwrap_or_default(),
            status: self.status,
            air: need(self.air, "air", "air = \"bluez\"")?,
            light: need(self.light, "light", "light = \"socket:/run/gettone/light\"")?,
            token: self.token.places()?,
            panel: self.panel.wiring()?,
            link,
            currency,
            servers,
            sessions,
        })
    }
}

fn need<T>(value: Option<T>, field: &'static str, hint: &'static str) -> Result<T, ConfigFault> {
    value.ok_or(ConfigFault::Missing { field, hint })
}

/// Each epoch once, oldest first.
fn in_order(servers: impl Iterator<Item = Server>) -> Result<Vec<Server>, ConfigFault> {
    let mut kept: Vec<Server> = Vec::new();
    for server in servers {
        match kept.iter().find(|other| other.epoch == server.epoch) {
            Some(other) if other.key != server.key => {
                return Err(ConfigFault::ServerTwice {
                    epoch: server.epoch,
                });
            }
            Some(_) => {}
            None => kept.push(server),
        }
    }
    if kept.len() > SERVERS_MAX {
        return Err(ConfigFault::TooManyServers);
    }
    kept.sort_by_key(|server| server.epoch);
    Ok(kept)
}

impl TokenEntries {
    fn places(self) -> Result<Option<TokenPlaces>, ConfigFault> {
        let Some(url) = self.url else {
            return match self.show {
                None => Ok(None),
                Some(_) => Err(ConfigFault::Missing {
                    field: "token.url",
                    hint: "url = \"https://gettone.example\"",
                }),
            };
        };
        let url = url.trim_end_matches('/').to_owned();
        let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
        let is_plain = host.is_some_and(|host| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(is_letter)
        });
        if !is_plain || url.len() > TOKEN_URL_MAX {
            return Err(ConfigFault::TokenUrl);
        }
        let signs = self.show.unwrap_or_default();
        let signs = signs.iter().map(|sign| sign.parse());
        let signs = signs.collect::<Result<_, _>>().map_err(ConfigFault::Sign)?;
        Ok(Some(TokenPlaces { url, signs }))
    }
}

impl PanelEntries {
    fn wiring(self) -> Result<Option<Wiring>, ConfigFault> {
        let lines = [self.red, self.green, self.blue, self.buzzer];
        let has_lines = lines.iter().any(Option::is_some);
        match self.chip {
            None if has_lines || self.active.is_some() => Err(ConfigFault::Panel),
            None => Ok(None),
            Some(_) if !has_lines => Err(ConfigFault::Panel),
            Some(chip) => Ok(Some(Wiring {
                chip,
                red: self.red,
                green: self.green,
                blue: self.blue,
                buzzer: self.buzzer,
                active: match self.active {
                    Some(ActiveEntry::Low) => Active::Low,
                    Some(ActiveEntry::High) | None => Active::High,
                },
            })),
        }
    }
}

impl MdbEntries {
    fn numbering(&self) -> Result<Numbering, NumberingFault> {
        let coding = self.item_coding.unwrap_or_default().coding();
        let mut numbering = Numbering::new(coding);
        for pair in self.items.iter().flat_map(|items| &items.0) {
            numbering.name(*pair)?;
        }
        Ok(numbering)
    }

    fn device(&self, currency: Currency, link: &Spec) -> Result<cashless::Config, ConfigFault> {
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

impl LimitEntries {
    fn over(self, standard: Limits) -> Limits {
        let pick =
            |seconds: Option<Seconds>, standard| seconds.map_or(standard, |seconds| seconds.0);
        Limits {
            code_max: pick(self.code_s, standard.code_max),
            answer_max: pick(self.answer_s, standard.answer_max),
            idle_max: pick(self.idle_s, standard.idle_max),
            grant_max: pick(self.grant_s, standard.grant_max),
            resume_max: pick(self.resume_s, standard.resume_max),
            vend_max: pick(self.vend_s, standard.vend_max),
            session_end_max: pick(self.session_end_s, standard.session_end_max),
            ..standard
        }
    }
}

/// A value that is one word with a meaning.
fn word<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn currency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Currency>, D::Error> {
    let text = String::deserialize(from)?;
    Currency::from_code(&text).map(Some).map_err(|_| {
        D::Error::custom("not a currency of ISO 4217; write its three letters, such as \"EUR\"")
    })
}

fn server_key<'de, D: Deserializer<'de>>(from: D) -> Result<gettone_channel::PublicKey, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        D::Error::custom("a server's key is 64 hexadecimal digits, as POST /v1/readers gives it")
    })
}
