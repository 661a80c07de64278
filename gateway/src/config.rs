//! The configuration file: TOML, every field known, every fault named with what to do about it.

use crate::bounds::{
    CONFIG_LEN_MAX, COURIER_WORDS_MAX, OPERATOR_NAME_LEN_MAX, OPERATOR_NUMBER_MAX, OPERATORS_MAX,
    PROXIES_MAX,
};
use crate::credential::KeyDigest;
use crate::gateway::Ownership;
use crate::limits::Limits;
use crate::sms::{SmsEntry, WrittenSms};
use crate::sql::Records;
use gettone_core::id::OperatorId;
use gettone_store::{PostgresSettings, Standby};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the gateway is told before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens. There is no TLS here: a proxy in front ends it.
    pub listen: SocketAddr,
    /// Where journal and keys live.
    pub state: PathBuf,
    /// Who runs machines.
    pub operators: Vec<OperatorEntry>,
    /// Who confirms top-ups; none when nobody may.
    pub platform: Option<KeyDigest>,
    /// What carries codes to customers; none when nobody can sign in by a code.
    pub courier: Option<CourierEntry>,
    /// How SMS pay; none where they do not.
    pub sms: Option<SmsEntry>,
    /// Proxies that are believed when they say whom a request comes from.
    pub proxies: Vec<IpAddr>,
    /// The PostgreSQL server that keeps the journal; none when the journal lies in `state`.
    pub journal: Option<PostgresSettings>,
    /// The PostgreSQL server that keeps people, names and what pages list; none when they lie in
    /// `state`.
    pub records: Option<Records>,
    /// How much it takes on at once.
    pub limits: Limits,
    /// Whether it is looked at whose a thing is.
    pub(crate) ownership: Ownership,
}

/// One operator that may use the gateway.
#[derive(Clone, Debug)]
pub struct OperatorEntry {
    /// Its number.
    pub id: OperatorId,
    /// Its name, for people.
    pub name: String,
    /// The digest of its API key.
    pub key: KeyDigest,
}

/// What carries a text to an address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CourierEntry {
    /// This program with these arguments; it reads the address from the first line of its standard
    /// input, and the text from the others.
    Command(Vec<String>),
    /// A folder that gets a file for each text, with the same lines.
    Folder(PathBuf),
}

/// Why there is no usable configuration.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too long to be a configuration.
    #[error("{path} is longer than {CONFIG_LEN_MAX} bytes: is it the right file?")]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// It is not TOML, or a field is unknown, missing or of the wrong type.
    #[error("the configuration does not parse: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A field has a value that cannot be.
    #[error("{field}: {advice}")]
    Field {
        /// Which field.
        field: String,
        /// What is wrong and what to do.
        advice: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: String,
    state: PathBuf,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    operator: Vec<WrittenOperator>,
    platform: Option<WrittenPlatform>,
    courier: Option<WrittenCourier>,
    sms: Option<WrittenSms>,
    journal: Option<WrittenJournal>,
    records: Option<WrittenRecords>,
    #[serde(default)]
    proxies: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenJournal {
    postgres: String,
    #[serde(default)]
    partition: u16,
    #[serde(default)]
    standby: WrittenStandby,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRecords {
    postgres: String,
    #[serde(default)]
    partition: u16,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum WrittenStandby {
    #[default]
    Required,
    Single,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCourier {
    command: Option<Vec<String>>,
    folder: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOperator {
    number: u32,
    name: String,
    api_key_sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPlatform {
    api_key_sha256: String,
}

impl Config {
    /// Reads a file; a relative `state` is relative to that file.
    ///
    /// # Errors
    /// `ConfigFault`, which names the field and says what to do.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let unreadable = |source| ConfigFault::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(CONFIG_LEN_MAX + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
        if text.len() as u64 > CONFIG_LEN_MAX {
            return Err(ConfigFault::TooLong {
                path: path.to_owned(),
            });
        }
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of a file that lies in `home`.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(text: &str, home: &Path) -> Result<Self, ConfigFault> {
        let written: Written = toml::from_str(text)?;
        let listen = written.listen.parse().map_err(|_| {
            field(
                "listen",
                format!(
                    "{:?} is not an address and a port; write for example \"127.0.0.1:8080\", \
                     or port 0 for any free one",
                    written.listen
                ),
            )
        })?;
        if written.state.as_os_str().is_empty() {
            return Err(field(
                "state",
                "name a directory for journal and keys".to_owned(),
            ));
        }
        written.limits.check()?;
        let platform = written
            .platform
            .map(|platform| digest("platform.api_key_sha256", &platform.api_key_sha256))
            .transpose()?;
        Ok(Self {
            listen,
            state: home.join(written.state),
            operators: operators(written.operator, platform)?,
            platform,
            courier: written
                .courier
                .map(|courier| courier.parse(home))
                .transpose()?,
            sms: written.sms.map(|sms| sms.parse(home)).transpose()?,
            proxies: proxies(written.proxies)?,
            journal: written.journal.map(WrittenJournal::parse).transpose()?,
            records: written
                .records
                .map(|records| {
                    Records::parse(&records.postgres, records.partition)
                        .map_err(|fault| field("records.postgres", fault.to_string()))
                })
                .transpose()?,
            limits: written.limits,
            ownership: Ownership::default(),
        })
    }
}

impl WrittenJournal {
    fn parse(self) -> Result<PostgresSettings, ConfigFault> {
        let mut settings = PostgresSettings::parse(&self.postgres)
            .map_err(|fault| field("journal.postgres", fault.to_string()))?;
        settings.partition = self.partition;
        settings.standby = match self.standby {
            WrittenStandby::Required => Standby::Required,
            WrittenStandby::Single => Standby::Single,
        };
        Ok(settings)
    }
}

impl WrittenCourier {
    fn parse(self, home: &Path) -> Result<CourierEntry, ConfigFault> {
        match (self.command, self.folder) {
            (Some(words), None) => {
                if words.first().is_none_or(String::is_empty) || words.len() > COURIER_WORDS_MAX {
                    let advice = format!(
                        "write a program and its arguments, 1 to {COURIER_WORDS_MAX} words, such \
                         as [\"/usr/local/bin/send-code\"]"
                    );
                    return Err(field("courier.command", advice));
                }
                Ok(CourierEntry::Command(words))
            }
            (None, Some(folder)) => {
                let folder = home.join(folder);
                if folder.is_dir() {
                    Ok(CourierEntry::Folder(folder))
                } else {
                    let advice = format!("{} is no folder; make it", folder.display());
                    Err(field("courier.folder", advice))
                }
            }
            (None, None) | (Some(_), Some(_)) => Err(field(
                "courier",
                "write either command or folder, not both".to_owned(),
            )),
        }
    }
}

fn proxies(addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, ConfigFault> {
    if addresses.len() > PROXIES_MAX {
        let advice = format!("write at most {PROXIES_MAX} addresses");
        return Err(field("proxies", advice));
    }
    Ok(addresses)
}

fn operators(
    written: Vec<WrittenOperator>,
    platform: Option<KeyDigest>,
) -> Result<Vec<OperatorEntry>, ConfigFault> {
    if written.is_empty() {
        return Err(field(
            "operator",
            "there is none, and there are no default keys; add [[operator]] with number, name \
             and api_key_sha256"
                .to_owned(),
        ));
    }
    if written.len() > OPERATORS_MAX {
        return Err(field(
            "operator",
            format!("more than {OPERATORS_MAX}; run a second gateway"),
        ));
    }
    let mut operators: Vec<OperatorEntry> = Vec::new();
    for (place, entry) in written.into_iter().enumerate() {
        let at = |name: &str| format!("operator[{place}].{name}");
        if !(1..=OPERATOR_NUMBER_MAX).contains(&entry.number) {
            return Err(field(
                at("number"),
                format!(
                    "{} is out of bounds; write 1 to {OPERATOR_NUMBER_MAX}",
                    entry.number
                ),
            ));
        }
        if entry.name.is_empty() || entry.name.len() > OPERATOR_NAME_LEN_MAX {
            return Err(field(
                at("name"),
                format!("write 1 to {OPERATOR_NAME_LEN_MAX} bytes"),
            ));
        }
        let key = digest(&at("api_key_sha256"), &entry.api_key_sha256)?;
        let id = OperatorId::new(entry.number);
        if operators.iter().any(|other| other.id == id) {
            return Err(field(
                at("number"),
                format!("{} is used twice; give each operator its own", entry.number),
            ));
        }
        if operators.iter().any(|other| other.key == key) || platform == Some(key) {
            return Err(field(
                at("api_key_sha256"),
                "the same key is used elsewhere; make one key for each".to_owned(),
            ));
        }
        operators.push(OperatorEntry {
            id,
            name: entry.name,
            key,
        });
    }
    Ok(operators)
}

fn digest(name: &str, text: &str) -> Result<KeyDigest, ConfigFault> {
    let digest = KeyDigest::from_hex(text).ok_or_else(|| {
        field(
            name,
            "not 64 hexadecimal digits; write the output of: printf %s \"$KEY\" | sha256sum"
                .to_owned(),
        )
    })?;
    if digest == KeyDigest::of(b"") {
        return Err(field(
            name,
            "the digest of an empty key; make a key, for example: openssl rand -hex 32".to_owned(),
        ));
    }
    Ok(digest)
}

pub(crate) fn field(name: impl Into<String>, advice: String) -> ConfigFault {
    ConfigFault::Field {
        field: name.into(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        listen = "127.0.0.1:0"
        state = "state"
        [limits]
        workers = 1
        [platform]
        api_key_sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
        [[operator]]
        number = 7
        name = "Caffè Uno"
        api_key_sha256 = "2222222222222222222222222222222222222222222222222222222222222222"
    "#;

    fn fault(text: &str) -> String {
        Config::parse(text, Path::new("/etc/gettone"))
            .expect_err("a fault")
            .to_string()
    }

    #[test]
    fn a_relative_state_is_relative_to_the_file() {
        let config = Config::parse(SOUND, Path::new("/etc/gettone")).expect("sound");
        assert_eq!(config.state, Path::new("/etc/gettone/state"));
        assert_eq!(config.limits.workers, 1);
        assert_eq!(config.limits.in_flight_max, Limits::default().in_flight_max);
        let absolute = SOUND.replace("\"state\"", "\"/elsewhere\"");
        let config = Config::parse(&absolute, Path::new("/etc/gettone")).expect("sound");
        assert_eq!(config.state, Path::new("/elsewhere"));
    }

    #[test]
    fn every_fault_names_its_field_and_what_to_do() {
        let cut = |from: &str| SOUND.split(from).next().expect("the head").to_owned();
        for (text, field, advice) in [
            (
                SOUND.replace("127.0.0.1:0", "here"),
                "listen",
                "127.0.0.1:8080",
            ),
            (SOUND.replace("\"state\"", "\"\""), "state", "directory"),
            (
                SOUND.replace("workers = 1", "workers = 0"),
                "limits.workers",
                "1 to 64",
            ),
            (
                SOUND.replace("workers = 1", "worker = 1"),
                "worker",
                "expected",
            ),
            (
                format!("{SOUND}\n[journal]\npostgres = \"host=db.example user=x\""),
                "journal.postgres",
                "sslmode=disable",
            ),
            (
                format!("{SOUND}\n[records]\npostgres = \"host=db.example user=x\""),
                "records.postgres",
                "sslmode=disable",
            ),
            (
                format!("{SOUND}\n[journal]\npostgres = \"\"\nstandby = \"none\""),
                "standby",
                "`required` or `single`",
            ),
            (cut("[[operator]]"), "operator", "no default keys"),
            (
                SOUND.replace("number = 7", "number = 0"),
                "operator[0].number",
                "1 to",
            ),
            (SOUND.replace("number = 7", ""), "number", "missing field"),
            (
                SOUND.replace("Caffè Uno", ""),
                "operator[0].name",
                "1 to 64 bytes",
            ),
            (
                SOUND.replace("2222", "22"),
                "operator[0].api_key_sha256",
                "sha256sum",
            ),
            (
                SOUND.replace(&"2".repeat(64), &"1".repeat(64)),
                "api_key_sha256",
                "one key for each",
            ),
            (
                SOUND.replace(
                    &"2".repeat(64),
                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                ),
                "operator[0].api_key_sha256",
                "empty key",
            ),
            (
                format!(
                    "{SOUND}\n{}",
                    SOUND.split("[[operator]]").nth(1).map_or_else(
                        String::new,
                        |operator| format!(
                            "[[operator]]{}",
                            operator.replace(&"2".repeat(64), &"3".repeat(64))
                        ),
                    )
                ),
                "operator[1].number",
                "used twice",
            ),
        ] {
            let said = fault(&text);
            assert!(said.contains(field), "{said:?} does not name {field:?}");
            assert!(said.contains(advice), "{said:?} does not advise {advice:?}");
        }
    }
}
