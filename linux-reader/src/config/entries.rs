//! What a configuration file may say; one that says it wrong is told its line.

use super::mdb::MdbEntries;
use super::{Config, ConfigFault, LightSource};
use crate::air::Air;
use crate::enrolment::Enrolment;
use crate::prices::{Prices, Row};
use crate::release::{RELEASE_KEYS_MAX, ReleaseKey};
use crate::road::{CA_PATH, RoadPlace};
use crate::sign::PLACES_MAX;
use crate::token::{Freshness, TokenPlaces};
use gettone_core::board::{Limits, Sessions};
use gettone_core::money::Currency;
use gettone_display::Language;
use gettone_display::gpio::{Active, Wiring};
use gettone_relay::{SERVERS_MAX, Server};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A longer address of the server leaves a QR no room.
const TOKEN_URL_MAX: usize = 64;
/// No limit may be set above a day.
const LIMIT_SECONDS_MAX: u32 = 86_400;
const DAY: Duration = Duration::from_secs(86_400);
/// How old keys become unless it is said, in days.
const KEY_DAYS: u32 = 365;
/// How old they may be said to become: ten years.
const KEY_DAYS_MAX: u32 = 3_650;

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
    road: RoadEntries,
    keys: KeysEntries,
    panel: PanelEntries,
    mdb: MdbEntries,
    price: Vec<Row>,
    firmware: FirmwareEntries,
    server: Vec<ServerEntry>,
    limits: LimitEntries,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct TokenEntries {
    url: Option<String>,
    show: Option<Vec<String>>,
    tag_every: Option<TagEvery>,
}

/// With every how many codes a tag is written.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(try_from = "u8")]
struct TagEvery(Freshness);

impl TryFrom<u8> for TagEvery {
    type Error = TagEveryFault;

    fn try_from(codes: u8) -> Result<Self, TagEveryFault> {
        match codes {
            1 => Ok(Self(Freshness::Each)),
            2 => Ok(Self(Freshness::EverySecond)),
            _ => Err(TagEveryFault),
        }
    }
}

#[derive(thiserror::Error, Debug)]
#[error("a tag is written with every code or every second one, 1 or 2: an older code is not taken")]
struct TagEveryFault;

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct FirmwareEntries {
    release_keys: Option<Vec<ReleaseKeyEntry>>,
}

#[derive(Clone, Copy, Debug)]
struct ReleaseKeyEntry(ReleaseKey);

impl<'de> Deserialize<'de> for ReleaseKeyEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct RoadEntries {
    url: Option<String>,
    ca: Option<PathBuf>,
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(deny_unknown_fields, default)]
struct KeysEntries {
    rotate_after_days: Option<Days>,
}

/// How old keys may become; 0 for as old as they like.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(try_from = "u32")]
struct Days(Option<Duration>);

impl TryFrom<u32> for Days {
    type Error = DaysFault;

    fn try_from(days: u32) -> Result<Self, DaysFault> {
        match days {
            0 => Ok(Self(None)),
            1..=KEY_DAYS_MAX => Ok(Self(Some(DAY * days))),
            _ => Err(DaysFault),
        }
    }
}

#[derive(thiserror::Error, Debug)]
#[error("keys are changed after 1 to {KEY_DAYS_MAX} days, or never, 0")]
struct DaysFault;

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
                tag_every: self.token.tag_every.or(before.token.tag_every),
            },
            road: RoadEntries {
                url: self.road.url.or(before.road.url),
                ca: self.road.ca.or(before.road.ca),
            },
            keys: KeysEntries {
                rotate_after_days: self
                    .keys
                    .rotate_after_days
                    .or(before.keys.rotate_after_days),
            },
            panel: PanelEntries {
                chip: panel.chip.or(panel_before.chip),
                red: panel.red.or(panel_before.red),
                green: panel.green.or(panel_before.green),
                blue: panel.blue.or(panel_before.blue),
                buzzer: panel.buzzer.or(panel_before.buzzer),
                active: panel.active.or(panel_before.active),
            },
            mdb: mdb.over(mdb_before),
            // A table counts as a whole: half of two would be nobody's.
            price: match self.price.is_empty() {
                true => before.price,
                false => self.price,
            },
            firmware: FirmwareEntries {
                release_keys: self.firmware.release_keys.or(before.firmware.release_keys),
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

    /// The same without what only an installer may say: where the board keeps its state, which
    /// machine it serves, which servers it believes, and whose programs it runs.
    pub(super) fn without_identity(self) -> Self {
        Self {
            state: None,
            machine: None,
            server: Vec::new(),
            firmware: FirmwareEntries::default(),
            ..self
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
            files: None,
            device: self.mdb.device(currency, &link)?,
            audit_every: self.mdb.audit_every(),
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
            road: self.road.place()?,
            keys_age_max: self
                .keys
                .rotate_after_days
                .map_or(Some(DAY * KEY_DAYS), |days| days.0),
            panel: self.panel.wiring()?,
            link,
            currency,
            servers,
            sessions,
            prices: Prices::of(self.price, currency)?,
            release_keys: self.firmware.keys()?,
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
        if signs.len() > PLACES_MAX {
            return Err(ConfigFault::TooManySigns);
        }
        let signs = signs.iter().map(|sign| sign.parse());
        let signs = signs.collect::<Result<_, _>>().map_err(ConfigFault::Sign)?;
        let tag = self
            .tag_every
            .map_or_else(Freshness::default, |every| every.0);
        Ok(Some(TokenPlaces { url, signs, tag }))
    }
}

impl FirmwareEntries {
    fn keys(self) -> Result<Vec<ReleaseKey>, ConfigFault> {
        let keys = self.release_keys.unwrap_or_default();
        match keys.len() <= RELEASE_KEYS_MAX {
            true => Ok(keys.into_iter().map(|key| key.0).collect()),
            false => Err(ConfigFault::TooManyReleaseKeys),
        }
    }
}

impl RoadEntries {
    fn place(self) -> Result<Option<RoadPlace>, ConfigFault> {
        match (self.url, self.ca) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ConfigFault::Missing {
                field: "road.url",
                hint: "url = \"wss://gettone.example\"",
            }),
            (Some(url), ca) => Ok(Some(RoadPlace {
                url: url.parse()?,
                ca: ca.unwrap_or_else(|| CA_PATH.into()),
            })),
        }
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
pub(super) fn word<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

pub(super) fn currency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Currency>, D::Error> {
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
