//! How SMS pay, as the configuration says it.

use crate::bounds::SECRET_FILE_LEN_MAX;
use crate::config::{ConfigFault, field};
use crate::signature::SharedSecret;
use crate::text;
use gettone_core::money::{Amount, Currency};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How SMS pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmsEntry {
    /// What whoever carries the messages signs them with.
    pub secret: SharedSecret,
    /// The most that may be spent, in each currency in which anything may.
    pub caps: Vec<SmsCaps>,
}

/// The most that one customer may spend by SMS in a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmsCaps {
    /// The currency.
    pub currency: Currency,
    /// At once.
    pub vend_max: Amount,
    /// In a day.
    pub day_max: Amount,
}

/// The same, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenSms {
    secret_file: PathBuf,
    vend_max: BTreeMap<String, String>,
    day_max: BTreeMap<String, String>,
}

impl SmsEntry {
    /// The most that may be spent in a currency; none when nothing may.
    pub(crate) fn caps_in(&self, currency: Currency) -> Option<SmsCaps> {
        let mut caps = self.caps.iter();
        caps.find(|caps| caps.currency == currency).copied()
    }
}

impl WrittenSms {
    /// Reads it, and the secret; a relative file is relative to `home`.
    ///
    /// # Errors
    /// `Field` with the first that cannot be.
    pub(crate) fn parse(self, home: &Path) -> Result<SmsEntry, ConfigFault> {
        let secret = secret(&home.join(&self.secret_file))?;
        if self.vend_max.is_empty() || !self.vend_max.keys().eq(self.day_max.keys()) {
            let advice = "write vend_max and day_max for the same currencies, at least one";
            return Err(field("sms.day_max", advice.to_owned()));
        }
        let caps = self.vend_max.iter().zip(self.day_max.values());
        let caps = caps.map(|((code, vend), day)| {
            let currency = Currency::from_code(code).map_err(|_| {
                let advice =
                    format!("{code:?} is no currency; write its three letters of ISO 4217");
                field("sms.vend_max", advice)
            })?;
            Ok(SmsCaps {
                currency,
                vend_max: amount("sms.vend_max", vend, currency)?,
                day_max: amount("sms.day_max", day, currency)?,
            })
        });
        Ok(SmsEntry {
            secret,
            caps: caps.collect::<Result<_, ConfigFault>>()?,
        })
    }
}

fn amount(name: &str, text: &str, currency: Currency) -> Result<Amount, ConfigFault> {
    text::amount(name, text, currency).map_err(|_| {
        let advice = format!("{text:?} is no amount above 0 in {currency}; write such as \"5.00\"");
        field(name, advice)
    })
}

fn secret(path: &Path) -> Result<SharedSecret, ConfigFault> {
    let name = "sms.secret_file";
    let fault = |fault: io::Error| field(name, format!("cannot read {}: {fault}", path.display()));
    let file = File::open(path).map_err(fault)?;
    let mode = file.metadata().map_err(fault)?.permissions().mode();
    if mode & 0o077 != 0 {
        let advice = format!("{0} is open to others; chmod 600 {0}", path.display());
        return Err(field(name, advice));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(SECRET_FILE_LEN_MAX)
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    SharedSecret::new(bytes.trim_ascii()).ok_or_else(|| {
        let advice = "too short; make one, for example: openssl rand -hex 32".to_owned();
        field(name, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    fn parse(home: &Path, vend: &str, day: &str) -> Result<SmsEntry, String> {
        let text = format!("secret_file = \"key\"\nvend_max = {{{vend}}}\nday_max = {{{day}}}");
        let written: WrittenSms = toml::from_str(&text).expect("it parses");
        written.parse(home).map_err(|fault| fault.to_string())
    }

    #[test]
    fn amounts_are_written_as_people_do_and_the_secret_is_closed_to_others() {
        let home = tempfile::tempdir().expect("a directory");
        let key = home.path().join("key");
        let good = || parse(home.path(), "EUR = \"5.00\"", "EUR = \"15.00\"");
        assert!(good().expect_err("none").contains("secret_file"));
        fs::write(&key, "sixteen or more bytes\n").expect("written");
        fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("set");
        assert!(good().expect_err("open").contains("chmod 600"));
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("set");
        let entry = good().expect("sound");
        let caps = SmsCaps {
            currency: Currency::EUR,
            vend_max: Amount::from_minor(500),
            day_max: Amount::from_minor(1_500),
        };
        assert_eq!(entry.caps_in(Currency::EUR), Some(caps));
        let secret = SharedSecret::new(b"sixteen or more bytes");
        assert_eq!(Some(entry.secret), secret, "without the end of the line");
        for (vend, day, field) in [
            ("", "", "sms.day_max"),
            ("EUR = \"5\"", "", "sms.day_max"),
            ("EUR = \"5\"", "CHF = \"5\"", "sms.day_max"),
            ("EUR = \"0\"", "EUR = \"5\"", "sms.vend_max"),
            ("EUR = \"5\"", "EUR = \"1.005\"", "sms.day_max"),
            ("XYZ = \"5\"", "XYZ = \"5\"", "sms.vend_max"),
        ] {
            let said = parse(home.path(), vend, day).expect_err("unsound");
            assert!(said.contains(field), "{said}");
        }
        fs::write(&key, "short\n").expect("written");
        assert!(good().expect_err("short").contains("openssl rand"));
    }
}
