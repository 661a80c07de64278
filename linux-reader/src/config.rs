//! The reader's configuration file.

use gettone_core::board::{Limits, Sessions};
use gettone_core::money::Currency;
use gettone_mdb::cashless;
use gettone_relay::{SERVERS_MAX, Server};
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A configuration file is at most this long.
const CONFIG_LEN_MAX: u64 = 64 * 1024;
/// How long the machine's ACK may take on a `words:` link, which has no timing of its own.
const WORDS_ACK_MAX: Duration = Duration::from_millis(500);
/// No limit may be set above a day.
const LIMIT_SECONDS_MAX: u32 = 86_400;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where key, counter and journal are kept.
    pub state: PathBuf,
    /// The machine's number, as a chooser shows it.
    pub machine: u32,
    /// The directory that stands for the air.
    pub air: PathBuf,
    /// Where light samples come from.
    pub light: LightSource,
    /// The MDB link: a PTY or a Unix socket.
    pub words: PathBuf,
    /// The cashless device.
    pub device: cashless::Config,
    /// The machine's money.
    pub currency: Currency,
    /// The server's keys, oldest first.
    pub servers: Vec<Server>,
    /// The time limits.
    pub limits: Limits,
    /// What the machine is told about sessions.
    pub sessions: Sessions,
}

/// Where light samples come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LightSource {
    /// A file or FIFO, read once.
    File(PathBuf),
    /// A Unix socket that the reader listens on; the sensor connects.
    Socket(PathBuf),
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let read = |source| ConfigFault::Read {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read)?;
        let mut text = String::new();
        let len = file
            .take(CONFIG_LEN_MAX + 1)
            .read_to_string(&mut text)
            .map_err(read)?;
        if u64::try_from(len).is_ok_and(|len| len > CONFIG_LEN_MAX) {
            return Err(ConfigFault::TooLong);
        }
        Self::parse(&text)
    }

    /// Checks a configuration's text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ConfigFault> {
        let file: File = toml::from_str(text)?;
        let currency =
            Currency::from_code(&file.mdb.currency).map_err(|_| ConfigFault::Currency)?;
        let sessions = match file.mdb.multivend {
            true => Sessions::ManyVends,
            false => Sessions::OneVend,
        };
        let words = file.mdb.link.strip_prefix("words:");
        let words = PathBuf::from(words.ok_or(ConfigFault::Link)?);
        let light = match file.light.split_once(':') {
            Some(("file", path)) => LightSource::File(path.into()),
            Some(("socket", path)) => LightSource::Socket(path.into()),
            _ => return Err(ConfigFault::Light),
        };
        if file.server.len() > SERVERS_MAX {
            return Err(ConfigFault::TooManyServers);
        }
        let mut servers = file
            .server
            .iter()
            .map(|server| {
                let key = server.key.parse().map_err(|_| ConfigFault::ServerKey {
                    epoch: server.epoch,
                })?;
                Ok(Server {
                    epoch: server.epoch,
                    key,
                })
            })
            .collect::<Result<Vec<_>, ConfigFault>>()?;
        servers.sort_by_key(|server| server.epoch);
        Ok(Self {
            device: file.mdb.device(currency)?,
            limits: file.limits.over(Limits::PROTOCOL)?,
            state: file.state,
            machine: file.machine,
            air: file.air,
            light,
            words,
            currency,
            servers,
            sessions,
        })
    }
}

/// The file as it is written.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    state: PathBuf,
    machine: u32,
    air: PathBuf,
    light: String,
    mdb: Mdb,
    #[serde(default)]
    server: Vec<ServerEntry>,
    #[serde(default)]
    limits: LimitEntries,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Mdb {
    link: String,
    #[serde(default)]
    address: Address,
    currency: String,
    #[serde(default = "one")]
    scale: u8,
    decimals: Option<u8>,
    max_response_s: Option<u8>,
    #[serde(default)]
    multivend: bool,
    /// Whether the machine wants its answers at once, where it may choose.
    #[serde(default)]
    vend_answer: VendAnswer,
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

const fn one() -> u8 {
    1
}

impl Mdb {
    fn device(&self, currency: Currency) -> Result<cashless::Config, ConfigFault> {
        let standard = cashless::Config::default();
        let device = cashless::Config {
            address: match self.address {
                Address::First => gettone_mdb::Address::First,
                Address::Second => gettone_mdb::Address::Second,
            },
            country: gettone_mdb::Country::currency(currency.numeric())
                .ok_or(ConfigFault::Currency)?,
            scale: self.scale,
            decimals: self.decimals.unwrap_or(currency.exponent()),
            minor_digits: currency.exponent(),
            max_response_s: self.max_response_s.unwrap_or(standard.max_response_s),
            multivend: self.multivend,
            answers: cashless::Answers {
                vend: match self.vend_answer {
                    VendAnswer::Immediate => cashless::Answer::Immediate,
                    VendAnswer::Deferred => cashless::Answer::Deferred,
                },
                // The board writes its CLOSE before the machine's session ends.
                complete: cashless::Completion::Host,
                ..standard.answers
            },
            ack_max: WORDS_ACK_MAX,
            ..standard
        };
        device.check()?;
        Ok(device)
    }
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct ServerEntry {
    epoch: u16,
    key: String,
}

/// Seconds; what is left out is the protocol's.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
struct LimitEntries {
    code_s: Option<u32>,
    answer_s: Option<u32>,
    idle_s: Option<u32>,
    grant_s: Option<u32>,
    resume_s: Option<u32>,
    vend_s: Option<u32>,
    session_end_s: Option<u32>,
}

impl LimitEntries {
    fn over(&self, standard: Limits) -> Result<Limits, ConfigFault> {
        let pick = |seconds: Option<u32>, standard: Duration| match seconds {
            None => Ok(standard),
            Some(seconds @ 1..=LIMIT_SECONDS_MAX) => Ok(Duration::from_secs(u64::from(seconds))),
            Some(seconds) => Err(ConfigFault::Limit { seconds }),
        };
        Ok(Limits {
            code_max: pick(self.code_s, standard.code_max)?,
            answer_max: pick(self.answer_s, standard.answer_max)?,
            idle_max: pick(self.idle_s, standard.idle_max)?,
            grant_max: pick(self.grant_s, standard.grant_max)?,
            resume_max: pick(self.resume_s, standard.resume_max)?,
            vend_max: pick(self.vend_s, standard.vend_max)?,
            session_end_max: pick(self.session_end_s, standard.session_end_max)?,
            ..standard
        })
    }
}

/// What is wrong with a configuration.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("a configuration is at most {CONFIG_LEN_MAX} bytes")]
    TooLong,
    /// The file is not what a configuration looks like.
    #[error("the configuration is not well formed")]
    Form(#[from] toml::de::Error),
    /// The currency is not known.
    #[error("mdb.currency is not a currency of ISO 4217, such as \"EUR\"")]
    Currency,
    /// The MDB link is of no known kind.
    #[error("mdb.link has to be \"words:PATH\"")]
    Link,
    /// The light source is of no known kind.
    #[error("light has to be \"file:PATH\" or \"socket:PATH\"")]
    Light,
    /// More keys of the server than are ever tried.
    #[error("at most {SERVERS_MAX} [[server]] entries")]
    TooManyServers,
    /// A key that is no key.
    #[error("the key of server epoch {epoch} is not 64 hexadecimal digits")]
    ServerKey {
        /// Of which epoch.
        epoch: u16,
    },
    /// A time limit outside its range.
    #[error("a limit of {seconds} s is outside 1 to {LIMIT_SECONDS_MAX}")]
    Limit {
        /// What was written.
        seconds: u32,
    },
    /// The MDB settings contradict each other.
    #[error("the [mdb] settings contradict each other")]
    Device(#[from] cashless::ConfigFault),
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        state = "/var/lib/gettone"
        machine = 17
        air = "/run/gettone/air"
        light = "socket:/run/gettone/light"
        [mdb]
        link = "words:/run/gettone/mdb"
        currency = "EUR"
        [[server]]
        epoch = 1
        key = "0101010101010101010101010101010101010101010101010101010101010101"
    "#;

    #[test]
    fn a_short_file_takes_the_protocol_for_all_it_does_not_say() {
        let config = Config::parse(GOOD).expect("good");
        assert_eq!(config.limits, Limits::PROTOCOL);
        assert_eq!(config.device.minor_digits, 2);
        assert_eq!(config.sessions, Sessions::OneVend);
        assert_eq!(config.servers.len(), 1);
    }

    #[test]
    fn a_word_that_means_nothing_is_refused_and_named() {
        let text = GOOD.replace("machine = 17", "machine = 17\nmashine = 18");
        let fault = Config::parse(&text).expect_err("unknown");
        let source = std::error::Error::source(&fault).map(ToString::to_string);
        assert!(source.is_some_and(|text| text.contains("mashine")));
    }

    #[test]
    fn every_wrong_value_is_refused() {
        for (good, bad) in [
            ("words:/run", "tty:/run"),
            ("socket:/run", "udp:/run"),
            ("\"EUR\"", "\"EURO\""),
            ("\"0101", "\"01"),
        ] {
            assert!(Config::parse(&GOOD.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
