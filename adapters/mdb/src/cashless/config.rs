//! What a cashless device is told before it starts.

use core::time::Duration;

use crate::bounds::{ACK_MAX, NON_RESPONSE};
use crate::command::{Address, Identity, Level};
use crate::money::{Digits, Scale, ScaleFault};
use crate::options::Options;
use crate::reader::{Country, ReaderConfig, ReaderOptions};

/// Everything a cashless device has to know.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which of the machine's two cashless devices this is.
    pub address: Address,
    /// The highest level it speaks; with each controller it speaks the lower of the two sides' levels.
    pub level: Level,
    /// The currency.
    pub country: Country,
    /// The scale factor of all money on the bus.
    pub scale: u8,
    /// Decimal places of the money on the bus.
    pub decimals: u8,
    /// Decimal places of the currency's minor unit.
    pub minor_digits: u8,
    /// How long a controller must wait for an answer, in seconds; at least 1.
    pub max_response_s: u8,
    /// Whether a failed vend gives the money back.
    pub can_refund: bool,
    /// Whether one session may hold several vends.
    pub multivend: bool,
    /// Whether the controller is asked to report cash sales.
    pub cash_sales: bool,
    /// The options of level 3 it offers; each is used only when the controller has switched it on.
    pub options: Options,
    /// Two letters of ISO 639, for controllers that want a language.
    pub language: [u8; 2],
    /// Whether it tells a machine if a customer is old enough. [MDB 4.3, chapter 11]
    pub age_check: bool,
    /// How each class of command is answered.
    pub answers: Answers,
    /// Who this device is.
    pub identity: Identity,
    /// How long a lone word counts as the answer to our block.
    pub ack_max: Duration,
    /// How long it only listens after power-up, to find out whether another device has its address; zero answers at
    /// once. See [`diagnosis`](crate::diagnosis).
    pub listen_before: Duration,
}

impl Default for Config {
    /// A euro reader that charges only for what was dispensed, one vend to a session.
    fn default() -> Self {
        Self {
            address: Address::First,
            level: Level::Two,
            country: Country::currency(978).expect("978 has three digits"),
            scale: 1,
            decimals: 2,
            minor_digits: 2,
            max_response_s: 30,
            can_refund: true,
            multivend: false,
            cash_sales: false,
            options: Options::NONE,
            language: *b"en",
            age_check: false,
            answers: Answers::default(),
            identity: Identity {
                manufacturer: *b"GTN",
                serial: *b"000000000000",
                model: *b"gettone     ",
                version: 0x0100,
            },
            ack_max: ACK_MAX,
            listen_before: Duration::ZERO,
        }
    }
}

/// How one class of command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The answer itself, in place of an ACK.
    Immediate,
    /// An ACK, and the answer at a later POLL.
    Deferred,
}

/// How SESSION COMPLETE is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// END SESSION itself, in place of an ACK.
    Immediate,
    /// An ACK, and END SESSION at the next POLL.
    Deferred,
    /// An ACK, and END SESSION at the first POLL after the host has said [`Host::EndSession`](super::Host).
    Host,
}

/// How each class of command is answered: some controllers take only one of the two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// VEND REQUEST and VEND CANCEL.
    pub vend: Answer,
    /// REVALUE REQUEST and REVALUE LIMIT REQUEST.
    pub revalue: Answer,
    /// SETUP.
    pub setup: Answer,
    /// REQUEST ID.
    pub identity: Answer,
    /// SESSION COMPLETE.
    pub complete: Completion,
    /// READER CANCEL.
    pub cancel: Answer,
    /// Age verification.
    pub age: Answer,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            vend: Answer::Deferred,
            revalue: Answer::Deferred,
            setup: Answer::Immediate,
            identity: Answer::Immediate,
            complete: Completion::Immediate,
            cancel: Answer::Immediate,
            age: Answer::Deferred,
        }
    }
}

/// A configuration no device can honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The money on the bus would not be exact.
    #[error("the money on the bus would not be exact")]
    Scale(#[from] ScaleFault),
    /// Options are of level 3 only, and those without a meaning are not offered.
    #[error("options ({0}) need level 3, and only those with a name exist")]
    Options(Options),
    /// A language is two small letters.
    #[error("a language is two small letters of ISO 639, such as `en`")]
    Language,
    /// A controller gives up a reader that listens for longer.
    #[error("listening before the first answer takes {} s, and may take {} s", .0.as_secs(), NON_RESPONSE.as_secs())]
    Listening(Duration),
    /// No time to answer anything.
    #[error("the maximum response time is zero")]
    NoTime,
}

impl Config {
    /// The scale of all money on the bus.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn check(&self) -> Result<Scale, ConfigFault> {
        let known = Options::ALL.has(self.options);
        if self.options != Options::NONE && (self.level < Level::Three || !known) {
            return Err(ConfigFault::Options(self.options));
        }
        if !self.language.iter().all(u8::is_ascii_lowercase) {
            return Err(ConfigFault::Language);
        }
        if self.max_response_s == 0 {
            return Err(ConfigFault::NoTime);
        }
        if self.listen_before > NON_RESPONSE {
            return Err(ConfigFault::Listening(self.listen_before));
        }
        let digits = Digits {
            bus: self.decimals,
            minor: self.minor_digits,
        };
        Ok(Scale::new(self.scale, digits)?)
    }

    /// How long a controller must wait for an answer.
    pub(crate) fn max_response(&self) -> Duration {
        Duration::from_secs(self.max_response_s.into())
    }

    /// What READER CONFIG says to a controller with which this level is spoken.
    pub(crate) fn announced(&self, spoken: Level) -> ReaderConfig {
        let mut options = ReaderOptions::NONE;
        for (wanted, option) in [
            (self.can_refund, ReaderOptions::REFUND),
            (self.multivend, ReaderOptions::MULTIVEND),
            (self.cash_sales, ReaderOptions::CASH_SALE),
        ] {
            if wanted {
                options = options.with(option);
            }
        }
        ReaderConfig {
            level: spoken,
            country: self.country,
            scale: self.scale,
            decimals: self.decimals,
            max_response_s: self.max_response_s,
            options,
        }
    }
}
