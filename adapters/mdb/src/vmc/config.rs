//! What a controller is told before it starts.

use core::time::Duration;

use crate::bounds::{ACK_MAX, NON_RESPONSE};
use crate::command::{Address, Identity, Level};
use crate::options::Options;
use crate::reader::Country;

/// Everything a controller has to know.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which of the two cashless devices it speaks to.
    pub address: Address,
    /// Its level; it follows the layouts of the lower of the two sides.
    pub level: Level,
    /// Characters in a line of the display it lends; 0 is none.
    pub columns: u8,
    /// Lines of that display.
    pub rows: u8,
    /// What that display can show, as SETUP says it: 0 digits and capitals, 1 all of ASCII.
    pub display: u8,
    /// The dearest price in minor units, if it tells.
    pub price_max: Option<u32>,
    /// The cheapest price in minor units, if it tells.
    pub price_min: Option<u32>,
    /// Decimal places of the currency's minor unit.
    pub minor_digits: u8,
    /// The options it switches on when the reader offers them.
    pub options: Options,
    /// The currency it tells with money of 32 bits.
    pub currency: Country,
    /// Who it is.
    pub identity: Identity,
    /// What it does once a vend is approved.
    pub approved: Approved,
    /// When it ends a session.
    pub completes: Completes,
    /// What the bus sees while the motors run.
    pub dispensing: Dispensing,
    /// What it says to a reply it cannot read.
    pub garbled: Garbled,
    /// Which of the two ways of answering it understands.
    pub takes: Takes,
    /// What it makes of the credit it was told.
    pub credit: Credit,
    /// How fast it is, and how patient.
    pub timing: Timing,
}

impl Default for Config {
    /// A conformant level 2 controller with a display of 2 lines of 16.
    fn default() -> Self {
        Self {
            address: Address::First,
            level: Level::Two,
            columns: 16,
            rows: 2,
            display: 1,
            price_max: None,
            price_min: None,
            minor_digits: 2,
            options: Options::NONE,
            currency: Country::UNKNOWN,
            identity: Identity {
                manufacturer: *b"GTN",
                serial: *b"000000000001",
                model: *b"vmc         ",
                version: 0x0100,
            },
            approved: Approved::Dispenses,
            completes: Completes::AsReaderSays,
            dispensing: Dispensing::Polls,
            garbled: Garbled::Nak,
            takes: Takes::Both,
            credit: Credit::Shown,
            timing: Timing::default(),
        }
    }
}

/// What a controller does once a vend is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approved {
    /// It runs the motors.
    Dispenses,
    /// It resets the reader, as real machines do that dislike the amount; nothing is dispensed.
    Resets,
    /// It runs the motors when the amount is the price it had asked for, and resets the reader otherwise, against the
    /// rules: the amount is the reader's to set.
    ResetsUnlessExact,
}

/// Which ways of answering a controller understands. A reader may use either. [MDB 2.4]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Both, as it must.
    Both,
    /// SETUP, REQUEST ID and SESSION COMPLETE have to be answered at once: to a bare ACK it starts over.
    AtOnce,
    /// What comes in place of an ACK is acknowledged and never read.
    Later,
}

/// What a controller makes of the credit it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// It shows it; what a selection costs is between the customer and the reader.
    Shown,
    /// It refuses a selection above it without asking, as many do against best practice.
    Limits,
}

/// When a controller sends SESSION COMPLETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completes {
    /// After a vend unless the reader allows several, and whenever it is asked.
    AsReaderSays,
    /// After each vend.
    AfterEachVend,
    /// Only when the customer or the reader asks.
    OnRequest,
    /// Never, against the rules.
    Never,
}

/// What the bus sees while the motors run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispensing {
    /// POLLs as ever.
    Polls,
    /// Nothing, as real machines show for 3 to 10 s.
    Silent,
}

/// What a controller says to a reply it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// NAK: "give it again at the next POLL".
    Nak,
    /// RET, once: "give it again at once".
    Ret,
    /// Nothing.
    Silence,
}

/// How fast a controller is, and how patient. The defaults are those of real machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From one exchange to the next.
    pub poll_period: Duration,
    /// How long a reply may take to begin, after the last word of the command.
    pub reply_max: Duration,
    /// From an unanswered command to its repeat; a POLL goes in between.
    pub retry_gap: Duration,
    /// How often a command is said before the reader is given up.
    pub attempts_max: u8,
    /// From power-up to the first command.
    pub setup: Duration,
    /// From one RESET to the next when nobody answers.
    pub reset_gap: Duration,
    /// How long silence is no fault; the reader may ask for more.
    pub non_response: Duration,
    /// How long an answer given later may take; the reader may ask for more.
    pub deferred_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll_period: Duration::from_micros(117_300),
            reply_max: ACK_MAX,
            retry_gap: Duration::from_millis(265),
            attempts_max: 10,
            setup: Duration::from_millis(500),
            reset_gap: Duration::from_secs(10),
            non_response: NON_RESPONSE,
            deferred_max: Duration::from_secs(30),
        }
    }
}

impl Timing {
    /// For links without real time, such as a pseudo-terminal on a busy computer: late answers are waited for.
    #[must_use]
    pub fn patient() -> Self {
        Self {
            reply_max: Duration::from_secs(1),
            ..Self::default()
        }
    }
}
