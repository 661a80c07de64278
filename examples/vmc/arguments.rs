//! What the machine is told on its command line, and the controller that this comes to.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use gettone_mdb::vmc::{Approved, Completes, Config, Credit, Dispensing, Garbled, Takes, Timing};
use gettone_mdb::{Address, Level, Options};

use crate::fault::VmcFault;
use crate::line::Place;
use crate::money::Money;
use crate::quirk::{Fault, Items, LevelThree, Preset};

/// A vending machine's MDB controller (VMC), for readers to be tried against.
///
/// It follows the rules on retries, patience and settlement, at levels 1 to 3, and breaks them on request (--fault).
///
/// Steps, for --do (separated by ;) and for lines on standard input:
///
///   ready            wait until the reader is enabled
///   session          wait until a customer is here
///   select ITEM [P]  press a selection, at its price in --prices or at P
///   dispense, jam    the product falls, or is stuck; without either it falls by itself
///   coin AMOUNT      cash for the customer's account (REVALUE), level 2
///   limit            ask how much cash the account takes
///   cash             drop a coin while the reader decides: VEND CANCEL
///   sell ITEM [P]    a cash sale, told to a reader that wants to hear of it
///   return           push the return lever
///   end              wait until the session is over
///   enable, disable  take cashless customers or not
///   restart, break   RESET the reader, or hold the line
///   restart-in STATE RESET it as soon as the machine is starting, disabled, enabled, session or busy
///   hush SECONDS     say nothing on the bus
///   pause SECONDS    wait
///   favourite        wait until the reader wants a selection, and select it at its price
///   bring ITEM [P]   bring something back: NEGATIVE VEND REQUEST, level 3
///   type DIGITS      type on the keypad for the reader
///   off, on, quit
///
/// A script is a file with one step to a line; # begins a remark; `faults A,B` (or `faults none`) changes what is broken
/// from there on.
#[derive(Parser, Debug)]
#[command(name = "vmc", version, verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// PATH makes a pseudo-terminal of that name; socket:PATH listens on a Unix socket; tty:DEVICE is a 9-bit port.
    #[arg(long)]
    pub(crate) link: Place,
    /// The controller's feature level.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) level: u8,
    /// Which cashless device it speaks to: 1 is at 10H, 2 at 60H.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) device: u8,
    /// The currency that amounts are shown in.
    #[arg(long, default_value = "EUR")]
    pub(crate) currency: String,
    /// Decimal places of the currency; the scale on the bus is the reader's to choose.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) decimals: u8,
    /// The display lent to the reader, COLUMNSxROWS; 0x0 lends none.
    #[arg(long, default_value = "16x2")]
    pub(crate) display: Display,
    /// The display shows digits and capitals only.
    #[arg(long)]
    pub(crate) capitals: bool,
    /// What selections cost, such as 1=1.20,2=0.80; others cost 1.00.
    #[arg(long, default_value = "")]
    pub(crate) prices: String,
    /// The dearest price told in SETUP; unknown unless given.
    #[arg(long)]
    pub(crate) price_max: Option<String>,
    /// The cheapest price told in SETUP; unknown unless given.
    #[arg(long)]
    pub(crate) price_min: Option<String>,
    /// Keep the session open after a vend, whatever the reader announces.
    #[arg(long)]
    pub(crate) multivend: bool,
    /// Break a rule; may be given several times.
    #[arg(long = "fault", value_enum)]
    pub(crate) faults: Vec<Fault>,
    /// One word, or one block, of so many suffers from the faults of the wire.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) one_in: u64,
    /// The seed of the faults of the wire.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long the motors run, in milliseconds.
    #[arg(long, default_value_t = 300)]
    pub(crate) motors_ms: u64,
    /// From one POLL to the next, in milliseconds.
    #[arg(long, default_value_t = 117, value_parser = clap::value_parser!(u64).range(1..=200))]
    pub(crate) poll_ms: u64,
    /// Steps to do; then the machine is switched off.
    #[arg(long = "do", value_name = "STEPS")]
    pub(crate) script: Option<String>,
    /// A file of steps, one to a line; see above.
    #[arg(long, value_name = "FILE", conflicts_with = "script")]
    pub(crate) script_file: Option<PathBuf>,
    /// The manners of a real machine; what is given beside it counts more.
    #[arg(long, value_enum)]
    pub(crate) preset: Option<Preset>,
    /// Options of level 3 to switch on when the reader offers them, such as always-idle,remote-vend; implies --level 3.
    #[arg(long = "option", value_enum, value_delimiter = ',')]
    pub(crate) options: Vec<LevelThree>,
    /// The audit (EVA-DTS) that the machine gives when it is asked; implies --option file-transport. Without it every
    /// file is denied.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// How selections are numbered on the bus; steps name them as their keys do.
    #[arg(long, value_enum)]
    pub(crate) items: Option<Items>,
    /// Show every exchange but idle POLLs, as a technician reads it.
    #[arg(long)]
    pub(crate) bus: bool,
    /// How long a step of --do may take, in seconds.
    #[arg(long, default_value_t = 60)]
    pub(crate) step_s: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Display {
    columns: u8,
    rows: u8,
}

impl FromStr for Display {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once('x');
        let sides = sides.and_then(|(columns, rows)| {
            Some(Self {
                columns: columns.parse().ok()?,
                rows: rows.parse().ok()?,
            })
        });
        sides.ok_or_else(|| "write COLUMNSxROWS, such as 16x2".to_owned())
    }
}

impl Arguments {
    /// What is broken from the beginning.
    pub(crate) fn broken(&self) -> Vec<Fault> {
        let preset = self.preset.map_or(&[][..], Preset::faults);
        preset.iter().chain(&self.faults).copied().collect()
    }

    /// How selections are numbered on the bus.
    pub(crate) fn items(&self) -> Items {
        match (self.items, self.preset) {
            (Some(items), _) => items,
            (None, Some(Preset::Keypad)) => Items::Bcd,
            (None, _) => Items::Plain,
        }
    }

    /// The money of the machine.
    pub(crate) fn money(&self) -> Money {
        Money {
            currency: self.currency.clone(),
            decimals: self.decimals,
        }
    }

    /// The controller that all this comes to.
    ///
    /// # Errors
    /// When an amount is none.
    pub(crate) fn config(&self) -> Result<Config, VmcFault> {
        let (broken, money) = (self.broken(), self.money());
        let has = |fault| broken.contains(&fault);
        let preset = self.preset.map_or(Options::NONE, Preset::options);
        let options = self.options.iter().map(|it| it.option());
        let options = options.fold(preset, Options::with);
        let options = match self.audit {
            Some(_) => options.with(Options::FILE_TRANSPORT),
            None => options,
        };
        let level = match (options, self.preset.and_then(Preset::level)) {
            (Options::NONE, Some(level)) => level,
            (Options::NONE, None) => self.level,
            _ => 3,
        };
        let (columns, rows) = match self.preset.and_then(Preset::display) {
            Some(lent) => lent,
            None => (self.display.columns, self.display.rows),
        };
        let known = |text: &Option<String>| text.as_deref().map(|it| money.minor(it)).transpose();
        let timing = match self.link {
            // Neither a pseudo-terminal nor a busy computer keeps the bus's times.
            Place::Terminal(_) | Place::Socket(_) => Timing::patient(),
            Place::Port(_) => Timing::default(),
        };
        Ok(Config {
            address: match self.device {
                1 => Address::First,
                _ => Address::Second,
            },
            options,
            level: match level {
                1 => Level::One,
                2 => Level::Two,
                _ => Level::Three,
            },
            columns,
            rows,
            display: u8::from(!self.capitals),
            price_max: known(&self.price_max)?,
            price_min: known(&self.price_min)?,
            minor_digits: self.decimals,
            approved: match (has(Fault::ResetOnApproval), has(Fault::ResetOnDislike)) {
                (true, _) => Approved::Resets,
                (false, true) => Approved::ResetsUnlessExact,
                (false, false) => Approved::Dispenses,
            },
            completes: match (has(Fault::NeverComplete), self.multivend, self.preset) {
                (true, ..) => Completes::Never,
                (false, true, _) | (false, false, Some(Preset::SilentVendor)) => {
                    Completes::OnRequest
                }
                (false, false, Some(Preset::Plain)) => Completes::AfterEachVend,
                (false, false, _) => Completes::AsReaderSays,
            },
            dispensing: match has(Fault::SilentMotors) {
                true => Dispensing::Silent,
                false => Dispensing::Polls,
            },
            garbled: match (has(Fault::NoNak), has(Fault::Ret)) {
                (true, _) => Garbled::Silence,
                (false, true) => Garbled::Ret,
                (false, false) => Garbled::Nak,
            },
            takes: match (has(Fault::AtOnceOnly), has(Fault::LaterOnly)) {
                (true, _) => Takes::AtOnce,
                (false, true) => Takes::Later,
                (false, false) => Takes::Both,
            },
            credit: match has(Fault::LimitsToCredit) {
                true => Credit::Limits,
                false => Credit::Shown,
            },
            timing: Timing {
                poll_period: Duration::from_millis(self.poll_ms),
                ..timing
            },
            ..Config::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_preset_is_the_machine_it_is_named_after() {
        let of = |options: &[&str]| {
            let all = ["vmc", "--link", "x"]
                .into_iter()
                .chain(options.iter().copied());
            Arguments::parse_from(all).config().expect("a machine")
        };
        let silent = of(&["--preset", "silent-vendor"]);
        assert_eq!(silent.dispensing, Dispensing::Silent);
        assert_eq!((silent.level, silent.columns), (Level::Two, 0));
        let happy = of(&["--preset", "reset-happy"]);
        assert_eq!(happy.approved, Approved::ResetsUnlessExact);
        assert_eq!((happy.columns, happy.rows), (4, 1));
        assert_eq!(of(&["--preset", "at-once"]).takes, Takes::AtOnce);
        assert_eq!(of(&["--preset", "later"]).takes, Takes::Later);
        assert_eq!(of(&["--preset", "thrifty"]).credit, Credit::Limits);
        assert_eq!(of(&["--preset", "forgetful"]).completes, Completes::Never);
        let keypad = Arguments::parse_from(["vmc", "--link", "x", "--preset", "keypad"]);
        assert_eq!(keypad.items(), Items::Bcd);
        assert_eq!(of(&["--preset", "plain"]).level, Level::One);
        let idle = of(&["--preset", "always-idle", "--option", "wide-money"]);
        assert_eq!(idle.level, Level::Three);
        assert!(
            idle.options
                .has(Options::ALWAYS_IDLE.with(Options::WIDE_MONEY))
        );
    }

    #[test]
    fn every_option_is_explained() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for word in [
            "--link",
            "reset-on-approval",
            "coin AMOUNT",
            "hush SECONDS",
            "--one-in",
            "--audit",
            "restart-in STATE",
            "wrong-lengths",
        ] {
            assert!(help.contains(word), "{word} in {help}");
        }
    }
}
