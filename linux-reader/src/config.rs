//! The reader's configuration: its files, and what they come to.

mod entries;
mod mdb;
mod print;

use crate::air::Air;
use crate::care::Shelf;
use crate::enrolment::{Enrolment, EnrolmentFault};
use crate::prices::{PriceFault, Prices};
use crate::release::{RELEASE_KEYS_MAX, ReleaseKey};
use crate::road::{RoadPlace, RoadUrlFault};
use crate::sign::{PLACES_MAX, SignFault};
use crate::token::TokenPlaces;
use entries::Entries;
use gettone_core::board::{Limits, Sessions};
use gettone_core::money::Currency;
use gettone_display::Language;
use gettone_display::gpio::Wiring;
use gettone_mdb::cashless;
use gettone_mdb::item::{Numbering, NumberingFault};
use gettone_mdb::link::Spec;
use gettone_relay::{SERVERS_MAX, Server};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Where the configuration lies on an installed board.
pub const CONFIG_PATH: &str = "/etc/gettone/reader.toml";
/// A configuration file is at most this long.
const CONFIG_LEN_MAX: u64 = 64 * 1024;
/// At most so many files beside the first one.
const FILES_MAX: usize = 64;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where key, counter and journal are kept.
    pub state: PathBuf,
    /// The machine's number, as a chooser shows it.
    pub machine: u32,
    /// The language of the display and of the phone's line.
    pub language: Language,
    /// Where the running reader says how it is.
    pub status: Option<PathBuf>,
    /// The radio.
    pub air: Air,
    /// Where light samples come from.
    pub light: LightSource,
    /// The codes on show, if any.
    pub token: Option<TokenPlaces>,
    /// The board's own road to the server, if it has one.
    pub road: Option<RoadPlace>,
    /// How old its own keys become before it changes them; none where only people change them.
    pub keys_age_max: Option<Duration>,
    /// The lamp and the buzzer.
    pub panel: Option<Wiring>,
    /// The MDB link.
    pub link: Spec,
    /// The cashless device.
    pub device: cashless::Config,
    /// How often the machine is asked for its audit, where it gives files.
    pub audit_every: Duration,
    /// How the machine counts its items.
    pub numbering: Numbering,
    /// The machine's money.
    pub currency: Currency,
    /// The server's keys, oldest first.
    pub servers: Vec<Server>,
    /// The time limits.
    pub limits: Limits,
    /// What the machine is told about sessions.
    pub sessions: Sessions,
    /// The operator's price table.
    pub prices: Prices,
    /// Whose firmware it takes; nobody's where there is no key.
    pub release_keys: Vec<ReleaseKey>,
    /// The files that it was read from; none where it stands alone.
    pub(crate) files: Option<PathBuf>,
}

/// Where light samples come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LightSource {
    /// A file or FIFO, read once.
    File(PathBuf),
    /// A Unix socket that the reader listens on; the sensor connects.
    Socket(PathBuf),
    /// A colour sensor of the kernel, by its name, its label or its number.
    Iio(String),
}

impl Config {
    /// Reads the file at `path`, what lies in the folder of the same name ending in `.d`, in the
    /// order of their names, and what enrolment has left in the state directory. A later file
    /// stands over an earlier one, field by field.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let mut config = Self::read_with_care(path)?;
        config.files = Some(path.to_owned());
        Ok(config)
    }

    fn read_with_care(path: &Path) -> Result<Self, ConfigFault> {
        let entries = read_all(path)?;
        let Some(state) = entries.state.clone() else {
            return entries.checked(None);
        };
        let enrolment = Enrolment::read(&state)?;
        let Some((number, text)) = Shelf::of(&state).configuration() else {
            return entries.checked(enrolment.as_ref());
        };
        match from_server(&text, entries).and_then(|all| all.checked(enrolment.as_ref())) {
            Ok(config) => Ok(config),
            // It was fit when it came: the files have changed since. They are what people see.
            Err(fault) => {
                tracing::warn!(number, %fault, "the configuration of the server is left out");
                read_all(path)?.checked(enrolment.as_ref())
            }
        }
    }

    /// Whether a server's text stands over the files at `path`, so that all of it is good.
    pub(crate) fn takes(path: &Path, text: &str) -> bool {
        let read = || {
            let entries = read_all(path)?;
            let enrolment = match &entries.state {
                Some(state) => Enrolment::read(state)?,
                None => None,
            };
            from_server(text, entries)?.checked(enrolment.as_ref())
        };
        read().is_ok()
    }

    /// Checks the text of a configuration that stands alone.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ConfigFault> {
        parse(text, Path::new("the configuration"))?.checked(None)
    }

    /// Only what is known before a board is enrolled.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn read_place(path: &Path) -> Result<Place, ConfigFault> {
        let entries = read_all(path)?;
        Ok(Place {
            state: entries.state.ok_or(ConfigFault::Missing {
                field: "state",
                hint: "state = \"/var/lib/gettone\"",
            })?,
            machine: entries.machine,
        })
    }

    /// Where the board keeps its state, however much else of the files this program does not know:
    /// they may be written for a newer one.
    pub(crate) fn read_state(path: &Path) -> Option<PathBuf> {
        #[derive(serde::Deserialize)]
        struct Line {
            state: Option<PathBuf>,
        }
        let more = more_files(path).unwrap_or_default();
        let files = core::iter::once(path.to_owned()).chain(more);
        let lines = files.filter_map(|path| toml::from_str(&read_text(&path).ok()?).ok());
        lines.filter_map(|line: Line| line.state).next_back()
    }

    /// All of it as a file would say it, defaults included.
    pub fn print(&self) -> String {
        print::print(self)
    }
}

/// What a board knows of itself before it is enrolled.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) state: PathBuf,
    pub(crate) machine: Option<u32>,
}

impl FromStr for LightSource {
    type Err = SourceFault;

    fn from_str(text: &str) -> Result<Self, SourceFault> {
        match text.split_once(':') {
            Some((_, "")) | None => Err(SourceFault::Light),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("socket", path)) => Ok(Self::Socket(path.into())),
            Some(("iio", sensor)) => Ok(Self::Iio(sensor.to_owned())),
            Some(_) => Err(SourceFault::Light),
        }
    }
}

/// Every file, the later over the earlier.
fn read_all(path: &Path) -> Result<Entries, ConfigFault> {
    let mut entries = parse(&read_text(path)?, path)?;
    for path in more_files(path)? {
        entries = parse(&read_text(&path)?, &path)?.over(entries);
    }
    Ok(entries)
}

/// A server's text over the files: who the board is and whom it believes is not the server's to say.
fn from_server(text: &str, files: Entries) -> Result<Entries, ConfigFault> {
    let told = parse(text, Path::new("the configuration of the server"))?;
    Ok(told.without_identity().over(files))
}

fn parse(text: &str, path: &Path) -> Result<Entries, ConfigFault> {
    toml::from_str(text).map_err(|source| ConfigFault::Form {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn read_text(path: &Path) -> Result<String, ConfigFault> {
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
        return Err(ConfigFault::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// The files of `reader.d` beside `reader.toml`, by name.
fn more_files(path: &Path) -> Result<Vec<PathBuf>, ConfigFault> {
    let folder = path.with_extension("d");
    let read = |source| ConfigFault::Read {
        path: folder.clone(),
        source,
    };
    let found = match std::fs::read_dir(&folder) {
        Ok(found) => found,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(read(fault)),
    };
    let mut files = Vec::new();
    for entry in found {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(ConfigFault::TooManyFiles { folder });
        }
    }
    files.sort();
    Ok(files)
}

/// A source of no known kind.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SourceFault {
    /// Of the radio.
    #[error("write air = \"bluez\", \"bluez:ADAPTER\" or \"folder:PATH\"")]
    Air,
    /// Of light.
    #[error("write light = \"iio:NAME\", \"socket:PATH\" or \"file:PATH\"")]
    Light,
}

/// What is wrong with a configuration.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ConfigFault {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is too long.
    #[error("{path} is longer than {CONFIG_LEN_MAX} bytes")]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// Too many files.
    #[error("{folder} holds more than {FILES_MAX} files")]
    TooManyFiles {
        /// Which folder.
        folder: PathBuf,
    },
    /// A file is not what a configuration looks like.
    #[error("{path} is not a good configuration")]
    Form {
        /// Which file.
        path: PathBuf,
        /// Which line, and why.
        source: Box<toml::de::Error>,
    },
    /// Something has to be said.
    #[error("{field} is missing; write for instance: {hint}")]
    Missing {
        /// What.
        field: &'static str,
        /// How it may look.
        hint: &'static str,
    },
    /// More keys of the server than are ever tried.
    #[error("there are more than {SERVERS_MAX} [[server]] entries; keep the newest two")]
    TooManyServers,
    /// A price table that is none.
    #[error("the price table")]
    Prices(#[from] PriceFault),
    /// More release keys than are ever needed.
    #[error("firmware.release_keys names more than {RELEASE_KEYS_MAX} keys")]
    TooManyReleaseKeys,
    /// Two keys under one number.
    #[error("two [[server]] entries of epoch {epoch} have different keys; remove the wrong one")]
    ServerTwice {
        /// Which number.
        epoch: u16,
    },
    /// The files and the enrolment name two machines.
    #[error(
        "the configuration says machine {said}, but the board is enrolled for {enrolled}; \
         correct the file, or enrol again"
    )]
    OtherMachine {
        /// What the files say.
        said: u32,
        /// What the board was enrolled for.
        enrolled: u32,
    },
    /// No address that a phone could open.
    #[error("token.url: write \"https://host\", at most 64 letters, without a path")]
    TokenUrl,
    /// No place where a code could be shown.
    #[error("token.show")]
    Sign(#[source] SignFault),
    /// More places than anybody looks at.
    #[error("token.show names more than {PLACES_MAX} places")]
    TooManySigns,
    /// No address that a road leads to.
    #[error("[road]")]
    Road(#[from] RoadUrlFault),
    /// A panel without a chip, or without a line.
    #[error("[panel] needs chip = \"/dev/gpiochip0\" and at least one of red, green, blue, buzzer")]
    Panel,
    /// What enrolment has left is no good.
    #[error("the enrolment")]
    Enrolment(#[from] EnrolmentFault),
    /// The numbers of items contradict each other.
    #[error("[mdb.items]: a number has to name one item")]
    Items(#[from] NumberingFault),
    /// The MDB settings contradict each other.
    #[error("the settings of [mdb] contradict each other")]
    Device(#[from] cashless::ConfigFault),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::fs;

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

    /// Everything that is said about a fault, to its last cause.
    fn told(fault: &dyn Error) -> String {
        let mut text = fault.to_string();
        let mut source = fault.source();
        while let Some(fault) = source {
            text += &format!("\n{fault}");
            source = fault.source();
        }
        text
    }

    #[test]
    fn a_short_file_takes_the_protocol_for_all_it_does_not_say() {
        let config = Config::parse(GOOD).expect("good");
        assert_eq!(config.limits, Limits::PROTOCOL);
        assert_eq!(config.device.minor_digits, 2);
        assert_eq!(config.sessions, Sessions::OneVend);
        assert_eq!(config.language, Language::En);
        assert_eq!(config.servers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_with_what_to_write() {
        for (good, bad, line, hint) in [
            (
                "machine = 17",
                "machine = 17\nmashine = 18",
                4,
                "unknown field `mashine`",
            ),
            ("words:/run/gettone/mdb", "wires:/run", 7, "tty:DEVICE"),
            ("socket:/run/gettone/light", "udp:/run", 5, "write light ="),
            ("\"/run/gettone/air\"", "\"bluez:\"", 4, "write air ="),
            ("\"EUR\"", "\"EURO\"", 8, "ISO 4217"),
            ("\"0101", "\"01", 11, "64 hexadecimal digits"),
            (
                "machine = 17",
                "language = \"es\"",
                3,
                "one of en, fr, it, de",
            ),
            ("machine = 17", "machine = -1", 3, "expected u32"),
            (
                "[mdb]",
                "[limits]\nidle_s = 0\n[mdb]",
                7,
                "1 to 86400 seconds",
            ),
            ("[mdb]", "[mdb]\naddress = \"third\"", 7, "first"),
            ("[mdb]", "[mdb]\noptions = [\"coupon\"]", 7, "remote-vend"),
            ("[mdb]", "[mdb]\nitem_coding = \"roman\"", 7, "price-list"),
            ("[mdb]", "[mdb]\nitems = { four = 4 }", 7, "0x0000"),
            ("[mdb]", "[token]\ntag_every = 3\n[mdb]", 7, "1 or 2"),
        ] {
            let fault = Config::parse(&GOOD.replace(good, bad)).expect_err(bad);
            let told = told(&fault);
            assert!(told.contains(&format!("line {line}")), "{bad}: {told}");
            assert!(told.contains(hint), "{bad}: {told}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_an_example() {
        for (line, hint) in [
            ("state = \"/var/lib/gettone\"", "state ="),
            ("machine = 17", "machine ="),
            ("air = \"/run/gettone/air\"", "air ="),
            ("light = \"socket:/run/gettone/light\"", "light ="),
            ("link = \"words:/run/gettone/mdb\"", "link ="),
            ("currency = \"EUR\"", "currency ="),
        ] {
            let fault = Config::parse(&GOOD.replace(line, "")).expect_err(line);
            assert!(told(&fault).contains(hint), "{line}: {}", told(&fault));
        }
    }

    #[test]
    fn a_later_file_stands_over_an_earlier_one_field_by_field() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("reader.toml");
        let more = place.path().join("reader.d");
        fs::create_dir(&more).expect("new");
        fs::write(&path, GOOD).expect("room");
        fs::write(more.join("20-site.toml"), "machine = 20\nlanguage = \"it\"").expect("room");
        fs::write(more.join("30-mdb.toml"), "machine = 30\n[mdb]\nscale = 5").expect("room");
        fs::write(more.join("notes.txt"), "not read").expect("room");
        let config = Config::read(&path).expect("good");
        assert_eq!((config.machine, config.language), (30, Language::It));
        assert_eq!((config.device.scale, config.currency), (5, Currency::EUR));
        fs::write(more.join("40-bad.toml"), "\nstat = \"x\"").expect("room");
        let told = told(&Config::read(&path).expect_err("bad"));
        assert!(
            told.contains("40-bad.toml") && told.contains("line 2"),
            "{told}"
        );
    }

    #[test]
    fn what_is_printed_is_the_same_configuration() {
        let text = GOOD.replace(
            "[mdb]",
            "language = \"de\"\nstatus = \"/run/gettone/status.json\"\n\
             [token]\nurl = \"https://gettone.example\"\ntag_every = 2\n\
             show = [\"text:/run/gettone/code\", \"screen:/dev/fb0\", \"nfc:/dev/i2c-1@0x55\"]\n\
             [panel]\nchip = \"/dev/gpiochip0\"\nred = 4\nbuzzer = 9\nactive = \"low\"\n\
             [road]\nurl = \"wss://gettone.example\"\n[keys]\nrotate_after_days = 30\n\
             [limits]\nidle_s = 7\n[mdb]\nmultivend = true\nlevel = 3\noptions = [\"always-idle\", \"remote-vend\", \"negative-vend\", \"basket\", \"file-transport\"]\naudit_every_h = 6\ncash_sales = true\n\
             address = \"second\"\nitem_coding = \"bcd\"\nitems = { 0xAB00 = 12, 7 = 70 }",
        );
        let config = Config::parse(&text).expect("good");
        let again = Config::parse(&config.print()).expect("what is printed is good");
        assert_eq!(format!("{again:?}"), format!("{config:?}"));
    }

    #[test]
    fn places_for_codes_are_told_apart_and_there_are_few_of_them() {
        let with = |token: &str| Config::parse(&GOOD.replace("[mdb]", &format!("{token}\n[mdb]")));
        for (token, hint) in [
            ("[token]\nshow = [\"screen:/dev/fb0\"]", "token.url"),
            (
                "[token]\nurl = \"https://h\"\nshow = [\"nfc:/dev/i2c-1\"]",
                "0x55",
            ),
            ("[token]\nurl = \"https://h/path\"", "without a path"),
        ] {
            let fault = with(token).expect_err(token);
            assert!(told(&fault).contains(hint), "{token}: {}", told(&fault));
        }
        let many = |count| {
            let places = vec!["\"text:/run/gettone/code\""; count].join(", ");
            with(&format!("[token]\nurl = \"https://h\"\nshow = [{places}]"))
        };
        assert!(many(PLACES_MAX).is_ok());
        assert!(told(&many(PLACES_MAX + 1).expect_err("too many")).contains("8 places"));
    }

    #[test]
    fn options_need_level_3_and_are_off_unless_they_are_written() {
        let silent = Config::parse(&GOOD.replace("[mdb]", "[mdb]\nlevel = 3")).expect("good");
        assert_eq!(silent.device.options, gettone_mdb::Options::NONE);
        let wish = "[mdb]\noptions = [\"remote-vend\"]";
        let fault = Config::parse(&GOOD.replace("[mdb]", wish)).expect_err("level 2");
        assert!(told(&fault).contains("need level 3"), "{}", told(&fault));
        let wish = format!("{wish}\nlevel = 3");
        let config = Config::parse(&GOOD.replace("[mdb]", &wish)).expect("good");
        assert_eq!(config.device.options, gettone_mdb::Options::REMOTE_VEND);
    }

    #[test]
    fn one_number_names_one_item() {
        let twice = GOOD.replace("[mdb]", "[mdb]\nitems = { 1 = 11, 2 = 11 }");
        let fault = Config::parse(&twice).expect_err("twice");
        assert!(told(&fault).contains("share a number"), "{}", told(&fault));
    }

    #[test]
    fn a_panel_without_a_line_is_refused() {
        let text = GOOD.replace("[mdb]", "[panel]\nchip = \"/dev/gpiochip0\"\n[mdb]");
        assert!(matches!(Config::parse(&text), Err(ConfigFault::Panel)));
        let text = GOOD.replace("[mdb]", "[panel]\nred = 4\n[mdb]");
        assert!(matches!(Config::parse(&text), Err(ConfigFault::Panel)));
    }
}
