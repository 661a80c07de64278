//! A vending machine's controller on a pseudo-terminal, a socket or a real 9-bit port: conformant, and broken on request.
//!
//! `cargo run --release --example vmc -- --link mdb` makes the pseudo-terminal `mdb`; a reader configured with
//! `link = "words:mdb"` meets it there. Lines typed on standard input are what people do at the machine.

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use gettone_mdb::link::{Link, LinkFault, Read};
use gettone_mdb::parmrk::Listener;
use gettone_mdb::trace::{Burst, Explainer, Hearing, Side};
use gettone_mdb::tty::TtyLink;
use gettone_mdb::vmc::{
    Approved, Completes, Config, Dispensing, Event, Garbled, Input, Operator, Output, State,
    Timing, Vmc,
};
use gettone_mdb::words::{Pty, WordLink};
use gettone_mdb::{Address, Command, Frame, Keys, Level, Mode, Options, Word};

/// The longest sleep before standard input is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Lines that may wait.
const LINES_MAX: usize = 64;
/// Steps of a script.
const STEPS_MAX: usize = 1_024;

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
struct Arguments {
    /// PATH makes a pseudo-terminal of that name; socket:PATH listens on a Unix socket; tty:DEVICE is a 9-bit port.
    #[arg(long)]
    link: Place,
    /// The controller's feature level.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    level: u8,
    /// Which cashless device it speaks to: 1 is at 10H, 2 at 60H.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    device: u8,
    /// The currency that amounts are shown in.
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// Decimal places of the currency; the scale on the bus is the reader's to choose.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    decimals: u8,
    /// The display lent to the reader, COLUMNSxROWS; 0x0 lends none.
    #[arg(long, default_value = "16x2")]
    display: Display,
    /// The display shows digits and capitals only.
    #[arg(long)]
    capitals: bool,
    /// What selections cost, such as 1=1.20,2=0.80; others cost 1.00.
    #[arg(long, default_value = "")]
    prices: String,
    /// The dearest price told in SETUP; unknown unless given.
    #[arg(long)]
    price_max: Option<String>,
    /// The cheapest price told in SETUP; unknown unless given.
    #[arg(long)]
    price_min: Option<String>,
    /// Keep the session open after a vend, whatever the reader announces.
    #[arg(long)]
    multivend: bool,
    /// Break a rule; may be given several times.
    #[arg(long = "fault", value_enum)]
    faults: Vec<Fault>,
    /// One word, or one block, of so many suffers from the faults of the wire.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..))]
    one_in: u64,
    /// The seed of the faults of the wire.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the motors run, in milliseconds.
    #[arg(long, default_value_t = 300)]
    motors_ms: u64,
    /// From one POLL to the next, in milliseconds.
    #[arg(long, default_value_t = 117, value_parser = clap::value_parser!(u64).range(1..=200))]
    poll_ms: u64,
    /// Steps to do; then the machine is switched off.
    #[arg(long = "do", value_name = "STEPS")]
    script: Option<String>,
    /// A file of steps, one to a line; see above.
    #[arg(long, value_name = "FILE", conflicts_with = "script")]
    script_file: Option<PathBuf>,
    /// The manners of a real machine; what is given beside it counts more.
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Options of level 3 to switch on when the reader offers them, such as always-idle,remote-vend; implies --level 3.
    #[arg(long = "option", value_enum, value_delimiter = ',')]
    options: Vec<LevelThree>,
    /// Show every exchange but idle POLLs, as a technician reads it.
    #[arg(long)]
    bus: bool,
    /// How long a step of --do may take, in seconds.
    #[arg(long, default_value_t = 60)]
    step_s: u64,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// RESET in place of dispensing, right after VEND APPROVED.
    ResetOnApproval,
    /// SESSION COMPLETE is never sent.
    NeverComplete,
    /// The bus is silent while the motors run.
    SilentMotors,
    /// Every product is stuck.
    Jams,
    /// A reply that cannot be read is met with silence in place of NAK.
    NoNak,
    /// A reply that cannot be read is asked for again (RET).
    Ret,
    /// Words are lost on the wire, in both directions.
    LostWords,
    /// Bits are flipped on the wire, in both directions.
    GarbledWords,
    /// Commands come twice.
    Duplicates,
}

/// Machines that were met, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// Level 2, no display lent, POLLs every 117 ms, 3 to 10 s of silence while it vends; waits for the reader to end a
    /// session (a Sanden Vendo capture).
    SilentVendor,
    /// Level 2, a display of 4x1, RESET upon an approval it dislikes (a WTN GVC1 log).
    ResetHappy,
    /// Level 1, no price range, no identity asked for more than once, ends a session after each vend.
    Plain,
    /// Level 3, always idle and remote vend (a vendor's sniffed start).
    AlwaysIdle,
}

/// Options of level 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LevelThree {
    WideMoney,
    Currencies,
    NegativeVend,
    DataEntry,
    AlwaysIdle,
    RemoteVend,
    Basket,
    AskBeginSession,
    NamedItem,
}

impl LevelThree {
    const fn option(self) -> Options {
        match self {
            Self::WideMoney => Options::WIDE_MONEY,
            Self::Currencies => Options::CURRENCIES,
            Self::NegativeVend => Options::NEGATIVE_VEND,
            Self::DataEntry => Options::DATA_ENTRY,
            Self::AlwaysIdle => Options::ALWAYS_IDLE,
            Self::RemoteVend => Options::REMOTE_VEND,
            Self::Basket => Options::BASKET,
            Self::AskBeginSession => Options::ASK_BEGIN_SESSION,
            Self::NamedItem => Options::ITEM_INFO,
        }
    }
}

/// Where the reader is met.
#[derive(Clone, Debug)]
enum Place {
    Terminal(PathBuf),
    Socket(PathBuf),
    Port(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("socket", path)) if !path.is_empty() => Ok(Self::Socket(path.into())),
            Some(("tty", path)) if !path.is_empty() => Ok(Self::Port(path.into())),
            None if !text.is_empty() => Ok(Self::Terminal(text.into())),
            _ => Err("write PATH, socket:PATH or tty:DEVICE".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Display {
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

/// Why the machine cannot go on.
#[derive(Debug, thiserror::Error)]
enum VmcFault {
    #[error("the link")]
    Link(#[from] LinkFault),
    #[error("the socket {path}")]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0:?} is no amount of {1} decimals")]
    Amount(String, u8),
    #[error("{0:?} is no price list: write ITEM=PRICE, several of them with commas")]
    Prices(String),
    #[error("{0:?} is no step; --help lists them")]
    Step(String),
    #[error("a script has at most {STEPS_MAX} steps")]
    LongScript,
    #[error("the script {path}")]
    Script {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("line {line} of the script")]
    Line {
        line: usize,
        #[source]
        fault: Box<VmcFault>,
    },
    #[error("{0:?} did not come about in {1} s")]
    Stuck(Step, u64),
}

/// Money as people write it: exact, in the currency's own decimals.
#[derive(Clone, Debug)]
struct Money {
    currency: String,
    decimals: u8,
}

impl Money {
    fn minor(&self, text: &str) -> Result<u32, VmcFault> {
        let wrong = || VmcFault::Amount(text.to_owned(), self.decimals);
        let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
        let places = usize::from(self.decimals);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(cents) || cents.len() > places {
            return Err(wrong());
        }
        format!("{whole}{cents:0<places$}")
            .parse()
            .map_err(|_| wrong())
    }

    fn show(&self, minor: u32) -> String {
        let one = 10_u32.pow(self.decimals.into());
        let places = usize::from(self.decimals);
        match places {
            0 => format!("{minor} {}", self.currency),
            _ => format!("{}.{:0places$} {}", minor / one, minor % one, self.currency),
        }
    }
}

/// What is done at the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Ready,
    Session,
    Select { item: u16, price: u32 },
    Dispense,
    Jam,
    Coin(u32),
    Limit,
    Cash,
    Sell { item: u16, price: u32 },
    Favourite,
    Bring { item: u16, price: u32 },
    Type(String),
    Faults(Vec<Fault>),
    Return,
    End,
    Enable,
    Disable,
    Restart,
    Break,
    Hush(Duration),
    Pause(Duration),
    Off,
    On,
    Quit,
}

/// Selections and what they cost.
#[derive(Clone, Debug)]
struct Prices {
    money: Money,
    items: BTreeMap<u16, u32>,
}

impl Prices {
    fn parse(text: &str, money: Money) -> Result<Self, VmcFault> {
        let mut items = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let wrong = || VmcFault::Prices(text.to_owned());
            let (item, price) = entry.split_once('=').ok_or_else(wrong)?;
            let item = item.trim().parse().map_err(|_| wrong())?;
            items.insert(item, money.minor(price.trim())?);
        }
        Ok(Self { money, items })
    }

    fn price(&self, item: u16) -> u32 {
        let one = 10_u32.pow(self.money.decimals.into());
        self.items.get(&item).copied().unwrap_or(one)
    }

    fn step(&self, text: &str) -> Result<Step, VmcFault> {
        let wrong = || VmcFault::Step(text.trim().to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let item = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let seconds = |text: &str| {
            let seconds = text.parse::<f64>().ok();
            let seconds = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
            seconds.ok_or_else(wrong)
        };
        Ok(match words[..] {
            ["ready"] => Step::Ready,
            ["session"] => Step::Session,
            ["select", it] => Step::Select {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["select", it, price] => Step::Select {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["dispense"] => Step::Dispense,
            ["jam"] => Step::Jam,
            ["coin", amount] => Step::Coin(self.money.minor(amount)?),
            ["limit"] => Step::Limit,
            ["cash"] => Step::Cash,
            ["sell", it] => Step::Sell {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["sell", it, price] => Step::Sell {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["favourite"] => Step::Favourite,
            ["bring", it] => Step::Bring {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["bring", it, price] => Step::Bring {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["type", keys] if keys.len() <= 8 && keys.bytes().all(|it| it.is_ascii_digit()) => {
                Step::Type(keys.to_owned())
            }
            ["faults", "none"] => Step::Faults(Vec::new()),
            ["faults", names] => {
                let names = names.split(',').map(|it| Fault::from_str(it, true));
                Step::Faults(names.collect::<Result<_, _>>().map_err(|_| wrong())?)
            }
            ["return"] => Step::Return,
            ["end"] => Step::End,
            ["enable"] => Step::Enable,
            ["disable"] => Step::Disable,
            ["restart"] => Step::Restart,
            ["break"] => Step::Break,
            ["hush", it] => Step::Hush(seconds(it)?),
            ["pause", it] => Step::Pause(seconds(it)?),
            ["off"] => Step::Off,
            ["on"] => Step::On,
            ["quit"] => Step::Quit,
            _ => return Err(wrong()),
        })
    }

    /// A script in a file: one step to a line, `#` begins a remark.
    fn script_file(&self, path: &Path) -> Result<VecDeque<Step>, VmcFault> {
        let text = std::fs::read_to_string(path).map_err(|source| VmcFault::Script {
            path: path.to_owned(),
            source,
        })?;
        let mut steps = VecDeque::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            let step = self.step(line).map_err(|fault| VmcFault::Line {
                line: at + 1,
                fault: Box::new(fault),
            })?;
            steps.push_back(step);
            if steps.len() > STEPS_MAX {
                return Err(VmcFault::LongScript);
            }
        }
        Ok(steps)
    }

    fn script(&self, text: &str) -> Result<VecDeque<Step>, VmcFault> {
        let steps = text.split(';').filter(|step| !step.trim().is_empty());
        let steps = steps
            .map(|step| self.step(step))
            .collect::<Result<VecDeque<_>, _>>()?;
        match steps.len() > STEPS_MAX {
            true => Err(VmcFault::LongScript),
            false => Ok(steps),
        }
    }
}

/// What the wire does to words.
#[derive(Clone, Debug)]
struct Wire {
    state: u64,
    one_in: u64,
    faults: Vec<Fault>,
}

impl Wire {
    /// SplitMix64: small, seeded, the same everywhere.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn hits(&mut self, fault: Fault) -> bool {
        self.faults.contains(&fault) && self.roll().is_multiple_of(self.one_in)
    }

    fn carry(&mut self, word: Word) -> Option<Word> {
        if self.hits(Fault::LostWords) {
            return None;
        }
        if self.hits(Fault::GarbledWords) {
            let bit = 1 << (self.roll() % 9);
            return Word::from_u16(word.to_u16() ^ bit);
        }
        Some(word)
    }
}

/// The reader's end, wherever it is.
#[derive(Debug)]
enum Line {
    Words(WordLink),
    Listening(UnixListener, PathBuf),
    Connected(WordLink, UnixListener, PathBuf),
    Port(TtyLink),
}

impl Line {
    fn open(place: &Place) -> Result<Self, VmcFault> {
        Ok(match place {
            Place::Terminal(path) => Self::Words(Pty::open(path)?.line()),
            Place::Port(path) => Self::Port(TtyLink::open(path, Listener::Controller)?),
            Place::Socket(path) => Self::Listening(listen(path)?, path.clone()),
        })
    }

    /// Waits for a reader, where one has to come.
    fn meet(self) -> Result<Self, VmcFault> {
        let Self::Listening(listener, path) = self else {
            return Ok(self);
        };
        let fault = |source| VmcFault::Socket {
            path: path.clone(),
            source,
        };
        let (stream, _) = listener.accept().map_err(fault)?;
        Ok(Self::Connected(
            WordLink::from_stream(stream)?,
            listener,
            path,
        ))
    }

    /// The link was lost: a socket takes the next reader.
    fn lost(self, fault: LinkFault) -> Result<Self, VmcFault> {
        match self {
            Self::Connected(_, listener, path) => Ok(Self::Listening(listener, path)),
            Self::Words(_) | Self::Listening(..) | Self::Port(_) => Err(fault.into()),
        }
    }

    fn link(&mut self) -> Option<&mut dyn Link> {
        match self {
            Self::Words(link) | Self::Connected(link, ..) => Some(link),
            Self::Port(link) => Some(link),
            Self::Listening(..) => None,
        }
    }

    fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault> {
        match self.link() {
            Some(link) => link.read(wait_max),
            None => Ok(Read::Nothing),
        }
    }

    fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        self.link().map_or(Ok(()), |link| link.write(words))
    }

    /// Holds the line where there is one to hold.
    fn hold(&self) {
        if let Self::Port(port) = self {
            // A port that cannot is told by the reader's silence.
            let _ = rustix::termios::tcsendbreak(port);
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener, VmcFault> {
    use std::os::unix::fs::FileTypeExt;
    let fault = |source| VmcFault::Socket {
        path: path.to_owned(),
        source,
    };
    let old = std::fs::symlink_metadata(path);
    if old.is_ok_and(|it| it.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(fault)?;
    }
    UnixListener::bind(path).map_err(fault)
}

/// What the step at work still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The machine has to be in a state where it can be done.
    ToBegin,
    /// It is done, and its outcome is to come.
    ForOutcome,
}

/// The machine and what happens at it.
struct Machine {
    vmc: Vmc,
    wire: Wire,
    prices: Prices,
    begun: Instant,
    motors: Duration,
    motors_end: Option<Instant>,
    by_itself: bool,
    jams: bool,
    /// What the reader wants vended.
    wished: Option<u16>,
    /// Reads the bus for a technician, when somebody wants to see it.
    explainer: Option<Explainer>,
    heard: Vec<Word>,
    /// Whether a step ended with what has just happened.
    news: VecDeque<Event>,
}

impl Machine {
    fn say(&self, what: impl std::fmt::Display) {
        let now = self.begun.elapsed();
        println!("{:>9}.{:03}  {what}", now.as_secs(), now.subsec_millis());
    }

    fn drive(&mut self, line: &mut Line, input: Input) -> Result<(), LinkFault> {
        self.vmc.handle(self.begun.elapsed(), input);
        let mut sent = Ok(());
        while let Some(output) = self.vmc.poll() {
            match output {
                Output::Event(event) => self.note(event),
                Output::Send(frame) => sent = self.send(line, &frame),
                Output::Break => line.hold(),
            }
        }
        sent
    }

    fn send(&mut self, line: &mut Line, frame: &Frame) -> Result<(), LinkFault> {
        self.show(Side::Controller, frame);
        let times = match frame.len() > 1 && self.wire.hits(Fault::Duplicates) {
            true => 2,
            false => 1,
        };
        for _ in 0..times {
            let words = frame.iter().filter_map(|word| self.wire.carry(*word));
            let words: Vec<Word> = words.collect();
            line.write(&words)?;
        }
        Ok(())
    }

    /// Shows an exchange once the next one begins.
    fn show(&mut self, side: Side, words: &[Word]) {
        let at = self.begun.elapsed();
        let Some((explainer, words)) = self.explainer.as_mut().zip(Frame::of(words)) else {
            return;
        };
        let ended = explainer.take(&Burst { at, side, words });
        if let Some(exchange) = ended.filter(|it| !it.is_idle()) {
            println!("{exchange}");
        }
    }

    /// Gathers the reader's words to bursts.
    fn hear(&mut self, word: Word) {
        if self.explainer.is_none() || self.heard.len() >= 36 {
            self.heard.clear();
        }
        self.heard.push(word);
        if word.mode() == Mode::Address {
            let words = std::mem::take(&mut self.heard);
            self.show(Side::Peripheral, &words);
        }
    }

    fn note(&mut self, event: Event) {
        if let Event::SelectionAsked { item, .. } = event {
            self.wished = Some(item);
        }
        let money = |minor: u32| self.prices.money.show(minor);
        let known = |minor: Option<u32>| minor.map_or("an unknown amount".to_owned(), money);
        let said = match event {
            Event::Restarting(why) => format!("starts over with the reader: {why:?}"),
            Event::ReaderFound(config) => format!("the reader: {config}"),
            Event::ReaderId(identity) => format!("the reader is {identity}"),
            Event::Ready => "the reader is enabled".to_owned(),
            Event::Disabled => "the reader is disabled".to_owned(),
            Event::SessionBegan { funds } => format!("a customer is here with {}", known(funds)),
            Event::SelectionRefused(why) => format!("goes nowhere: {why:?}"),
            Event::Dispense { amount, item } => {
                format!(
                    "selection {item} is approved at {}, the motors run",
                    known(amount)
                )
            }
            Event::ApprovalDeclined { amount } => {
                format!("gives back an approval of {}", known(amount))
            }
            Event::Denied { item } => format!("selection {item} is denied"),
            Event::Cancelled => "the question is taken back".to_owned(),
            Event::Reported => "the result is acknowledged".to_owned(),
            Event::RevalueLimit { limit } => limit
                .map_or("the reader takes no cash".to_owned(), |limit| {
                    format!("the reader takes up to {}", money(limit))
                }),
            Event::RevalueTaken { amount } => format!("{} is on the account", money(amount)),
            Event::RevalueRefused { amount } => format!("{} is given back", money(amount)),
            Event::CashSaleReported => "the cash sale is acknowledged".to_owned(),
            Event::CancelRequested => "the reader wants the session to end".to_owned(),
            Event::SessionEnded => "the session is over".to_owned(),
            Event::ReaderOffers(options) => format!("the reader offers: {options}"),
            Event::OptionsEnabled(options) => format!("switched on: {options}"),
            Event::SelectionAsked {
                item,
                options,
                funds,
            } => format!(
                "the reader wants selection {item}, {options}, and pays up to {}",
                known(funds)
            ),
            Event::TakeBack { amount, item } => {
                format!("{item} is taken back for {}", known(amount))
            }
            Event::KeysAsked { keys } => format!("the reader wants {} keys", keys & 0x7F),
            Event::Told => "what was told is acknowledged".to_owned(),
            Event::CouponShown(coupon) => format!("the reader shows coupon {:08X}", coupon.id),
            Event::KeysOver => "the reader wants no keys any more".to_owned(),
            Event::TimeAsked => "the reader asks for the time".to_owned(),
            Event::File(transfer) => format!("the reader says {transfer}"),
            Event::AgeFeature(_) | Event::AgeStatus(_) => format!("{event:?}"),
            Event::Display(text) => format!("shows |{text}|"),
            Event::Malfunction { code } => format!("the reader has a malfunction, {code:02X}"),
            other => format!("{other:?}"),
        };
        self.say(said);
        let moves = matches!(event, Event::Dispense { .. } | Event::TakeBack { .. });
        if moves && (self.by_itself || self.jams) {
            self.motors_end = Some(Instant::now() + self.motors);
        }
        self.news.push_back(event);
        if self.news.len() > LINES_MAX {
            self.news.pop_front();
        }
    }

    /// Lets the motors end.
    fn turn(&mut self, line: &mut Line) -> Result<(), LinkFault> {
        if self.motors_end.is_none_or(|end| Instant::now() < end) {
            return Ok(());
        }
        self.motors_end = None;
        let (words, operator) = match self.jams {
            true => ("the product is stuck", Operator::Jammed),
            false => ("the product falls", Operator::Dispensed),
        };
        self.say(words);
        self.drive(line, Input::Operator(operator))
    }

    fn operate(&mut self, line: &mut Line, step: Step) -> Result<(), LinkFault> {
        let operator = match step {
            Step::Select { item, price } => Operator::Select { price, item },
            Step::Dispense => Operator::Dispensed,
            Step::Jam => Operator::Jammed,
            Step::Coin(amount) => Operator::Revalue { amount },
            Step::Limit => Operator::AskLimit,
            Step::Cash => Operator::InsertCash,
            Step::Sell { item, price } => Operator::SellForCash { price, item },
            Step::Favourite => {
                let Some(item) = self.wished.take() else {
                    return Ok(());
                };
                let price = self.prices.price(item);
                Operator::Select { price, item }
            }
            Step::Bring { item, price } => {
                let value = price;
                Operator::BringBack { value, item }
            }
            Step::Type(keys) => {
                let mut bytes = [0; 8];
                for (place, key) in bytes.iter_mut().zip(keys.bytes()) {
                    *place = key;
                }
                Operator::Tell(Command::KeysTyped(Keys::from_bytes(bytes)))
            }
            Step::Faults(faults) => {
                self.say(format_args!("broken from here on: {faults:?}"));
                self.jams = faults.contains(&Fault::Jams);
                self.wire.faults = faults;
                return Ok(());
            }
            Step::Return => Operator::Return,
            Step::Enable => Operator::EnableReader,
            Step::Disable => Operator::DisableReader,
            Step::Restart => Operator::Restart,
            Step::Break => Operator::Break,
            Step::Hush(during) => Operator::Hush(during),
            Step::Off => Operator::PowerDown,
            Step::On => Operator::PowerUp,
            Step::Ready | Step::Session | Step::End | Step::Pause(_) | Step::Quit => return Ok(()),
        };
        self.drive(line, Input::Operator(operator))
    }

    /// Whether the machine is where this step can be done.
    fn can(&self, step: &Step) -> bool {
        let state = self.vmc.state();
        match step {
            // A machine that is always idle sells without a session.
            Step::Select { .. } | Step::Bring { .. } | Step::Coin(_)
                if self.vmc.layout().has(Options::ALWAYS_IDLE) =>
            {
                matches!(state, State::Session | State::Enabled)
            }
            Step::Select { .. }
            | Step::Bring { .. }
            | Step::Coin(_)
            | Step::Limit
            | Step::Return
            | Step::Session => state == State::Session,
            Step::Favourite => {
                self.wished.is_some() && matches!(state, State::Session | State::Enabled)
            }
            Step::Type(_) => state == State::Enabled,
            Step::Faults(_) => true,
            Step::Sell { .. } => {
                matches!(state, State::Session | State::Enabled | State::Disabled)
            }
            Step::Ready | Step::Disable => state == State::Enabled,
            Step::Enable => state == State::Disabled,
            Step::End => matches!(state, State::Enabled | State::Disabled | State::Off),
            Step::Dispense | Step::Jam | Step::Cash => state == State::Busy,
            Step::Restart
            | Step::Break
            | Step::Hush(_)
            | Step::Pause(_)
            | Step::Off
            | Step::On
            | Step::Quit => true,
        }
    }

    /// Whether this is what the step was done for, or the end of hope for it.
    fn ends(step: &Step, event: &Event) -> bool {
        if matches!(event, Event::SelectionRefused(_)) {
            return true;
        }
        match step {
            Step::Select { .. } | Step::Favourite | Step::Bring { .. } => matches!(
                event,
                Event::Dispense { .. }
                    | Event::TakeBack { .. }
                    | Event::Denied { .. }
                    | Event::Cancelled
                    | Event::ApprovalDeclined { .. }
                    | Event::Restarting(_)
            ),
            Step::Dispense | Step::Jam => matches!(event, Event::Reported | Event::Restarting(_)),
            Step::Coin(_) => {
                matches!(
                    event,
                    Event::RevalueTaken { .. } | Event::RevalueRefused { .. }
                )
            }
            Step::Type(_) => matches!(event, Event::Told | Event::Restarting(_)),
            Step::Limit => matches!(event, Event::RevalueLimit { .. } | Event::Restarting(_)),
            Step::Cash => matches!(
                event,
                Event::Cancelled | Event::ApprovalDeclined { .. } | Event::Restarting(_)
            ),
            Step::Sell { .. } => matches!(event, Event::CashSaleReported | Event::Restarting(_)),
            Step::Return => matches!(event, Event::SessionEnded | Event::Restarting(_)),
            Step::Enable | Step::Restart | Step::Break => matches!(event, Event::Ready),
            Step::Disable => matches!(event, Event::Disabled),
            Step::Ready
            | Step::Session
            | Step::End
            | Step::Hush(_)
            | Step::Pause(_)
            | Step::Faults(_)
            | Step::Off
            | Step::On
            | Step::Quit => true,
        }
    }

    /// Whether a step is over as soon as it is done.
    const fn is_short(step: &Step) -> bool {
        matches!(
            step,
            Step::Ready
                | Step::Session
                | Step::End
                | Step::Hush(_)
                | Step::Pause(_)
                | Step::Faults(_)
                | Step::Off
                | Step::On
                | Step::Quit
        )
    }
}

/// The steps of a script, one after the other.
struct Script {
    steps: VecDeque<Step>,
    waiting: Waiting,
    since: Instant,
    step_s: u64,
}

impl Script {
    /// Goes on as far as the machine lets it; false once nothing is left.
    fn go_on(&mut self, machine: &mut Machine, line: &mut Line) -> Result<bool, VmcFault> {
        while let Some(step) = self.steps.front().cloned() {
            let pause = if let Step::Pause(pause) = &step {
                *pause
            } else {
                Duration::ZERO
            };
            let over = match self.waiting {
                Waiting::ToBegin if self.since.elapsed() < pause || !machine.can(&step) => false,
                Waiting::ToBegin => {
                    machine.news.clear();
                    machine.operate(line, step.clone())?;
                    self.waiting = Waiting::ForOutcome;
                    continue;
                }
                Waiting::ForOutcome => {
                    let ended = machine.news.iter().any(|event| Machine::ends(&step, event));
                    Machine::is_short(&step) || ended
                }
            };
            if !over {
                let limit = Duration::from_secs(self.step_s).max(pause);
                return match self.since.elapsed() > limit.saturating_add(pause) {
                    true => Err(VmcFault::Stuck(step, self.step_s)),
                    false => Ok(true),
                };
            }
            self.steps.pop_front();
            self.waiting = Waiting::ToBegin;
            self.since = Instant::now();
        }
        Ok(false)
    }
}

fn config(wish: &Arguments, money: &Money) -> Result<Config, VmcFault> {
    let preset = wish.preset.map_or(&[][..], Preset::faults);
    let has = |fault| wish.faults.contains(&fault) || preset.contains(&fault);
    let idle = match wish.preset {
        Some(Preset::AlwaysIdle) => Options::ALWAYS_IDLE.with(Options::REMOTE_VEND),
        Some(Preset::SilentVendor | Preset::ResetHappy | Preset::Plain) | None => Options::NONE,
    };
    let options = wish.options.iter().map(|it| it.option());
    let options = options.fold(idle, Options::with);
    let level = match (options, wish.preset) {
        (Options::NONE, Some(Preset::Plain)) => 1,
        (Options::NONE, _) => wish.level,
        _ => 3,
    };
    let display = match wish.preset {
        Some(Preset::SilentVendor) => Display {
            columns: 0,
            rows: 0,
        },
        Some(Preset::ResetHappy) => Display {
            columns: 4,
            rows: 1,
        },
        Some(Preset::Plain | Preset::AlwaysIdle) | None => wish.display,
    };
    let known = |text: &Option<String>| text.as_deref().map(|it| money.minor(it)).transpose();
    let timing = match wish.link {
        // Neither a pseudo-terminal nor a busy computer keeps the bus's times.
        Place::Terminal(_) | Place::Socket(_) => Timing::patient(),
        Place::Port(_) => Timing::default(),
    };
    Ok(Config {
        address: match wish.device {
            1 => Address::First,
            _ => Address::Second,
        },
        options,
        level: match level {
            1 => Level::One,
            2 => Level::Two,
            _ => Level::Three,
        },
        columns: display.columns,
        rows: display.rows,
        display: u8::from(!wish.capitals),
        price_max: known(&wish.price_max)?,
        price_min: known(&wish.price_min)?,
        minor_digits: wish.decimals,
        approved: match has(Fault::ResetOnApproval) {
            true => Approved::Resets,
            false => Approved::Dispenses,
        },
        completes: match (has(Fault::NeverComplete), wish.multivend) {
            (true, _) => Completes::Never,
            (false, true) => Completes::OnRequest,
            (false, false) => match wish.preset {
                Some(Preset::SilentVendor) => Completes::OnRequest,
                Some(Preset::Plain) => Completes::AfterEachVend,
                Some(Preset::ResetHappy | Preset::AlwaysIdle) | None => Completes::AsReaderSays,
            },
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
        timing: Timing {
            poll_period: Duration::from_millis(wish.poll_ms),
            ..timing
        },
        ..Config::default()
    })
}

impl Preset {
    /// The rules that such a machine breaks.
    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::SilentVendor => &[Fault::SilentMotors],
            Self::ResetHappy => &[Fault::ResetOnApproval],
            Self::Plain | Self::AlwaysIdle => &[],
        }
    }
}

fn run(wish: &Arguments) -> Result<(), VmcFault> {
    let money = Money {
        currency: wish.currency.clone(),
        decimals: wish.decimals,
    };
    let config = config(wish, &money)?;
    let prices = Prices::parse(&wish.prices, money)?;
    let steps = match (&wish.script, &wish.script_file) {
        (Some(text), _) => Some(prices.script(text)?),
        (None, Some(path)) => Some(prices.script_file(path)?),
        (None, None) => None,
    };
    let by_hand = steps.as_ref().is_some_and(|steps| {
        let hand = [Step::Dispense, Step::Jam];
        steps.iter().any(|step| hand.contains(step))
    });
    let mut machine = Machine {
        vmc: Vmc::new(config),
        wire: Wire {
            state: wish.seed,
            one_in: wish.one_in,
            faults: wish.faults.clone(),
        },
        prices,
        begun: Instant::now(),
        motors: Duration::from_millis(wish.motors_ms),
        motors_end: None,
        by_itself: !by_hand,
        jams: wish.faults.contains(&Fault::Jams),
        wished: None,
        explainer: wish.bus.then(|| Explainer::new(Hearing::Both)),
        heard: Vec::new(),
        news: VecDeque::new(),
    };
    let mut script = steps.map(|steps| Script {
        steps,
        waiting: Waiting::ToBegin,
        since: Instant::now(),
        step_s: wish.step_s,
    });
    let mut line = Line::open(&wish.link)?;
    let level = config.level.number();
    machine.say(format_args!("a machine of level {level} is on"));
    let typed = script.is_none().then(typed_lines);
    machine.drive(&mut line, Input::Operator(Operator::PowerUp))?;
    loop {
        line = line.meet()?;
        let lived = live(&mut machine, &mut line, script.as_mut(), typed.as_ref());
        line = match lived {
            Ok(()) => {
                machine.drive(&mut line, Input::Operator(Operator::PowerDown))?;
                return Ok(());
            }
            Err(VmcFault::Link(fault)) => {
                machine.say(format_args!("the reader is gone: {fault}"));
                line.lost(fault)?
            }
            Err(fault) => return Err(fault),
        };
    }
}

/// Runs until everything is done.
fn live(
    machine: &mut Machine,
    line: &mut Line,
    mut script: Option<&mut Script>,
    typed: Option<&Receiver<String>>,
) -> Result<(), VmcFault> {
    loop {
        if let Some(script) = script.as_deref_mut()
            && !script.go_on(machine, line)?
        {
            return Ok(());
        }
        if let Some(typed) = typed {
            match typed.try_recv() {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => match machine.prices.step(&text) {
                    Ok(Step::Quit) => return Ok(()),
                    Ok(step) => machine.operate(line, step)?,
                    Err(fault) => machine.say(fault),
                },
                // Without a keyboard the machine goes on by itself.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
            }
        }
        machine.turn(line)?;
        let now = machine.begun.elapsed();
        let wait = machine
            .vmc
            .next_deadline()
            .map_or(LOOK_EVERY, |at| at.saturating_sub(now).min(LOOK_EVERY));
        let input = match line.read(wait)? {
            Read::Word(word) => {
                machine.hear(word);
                machine.wire.carry(word).map(Input::Word)
            }
            Read::Break | Read::Nothing => None,
        };
        machine.drive(line, input.unwrap_or(Input::Tick))?;
    }
}

/// What is typed, line by line.
fn typed_lines() -> Receiver<String> {
    let (typed, lines) = sync_channel(LINES_MAX);
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("vmc: {fault}");
            let mut source = std::error::Error::source(&fault);
            while let Some(because) = source {
                eprintln!("  because: {because}");
                source = because.source();
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_mdb::cashless::{self, Cashless, Host};
    use std::sync::mpsc::Sender;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn money() -> Money {
        Money {
            currency: "EUR".to_owned(),
            decimals: 2,
        }
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        let money = money();
        for (text, minor) in [
            ("2", 200),
            ("2.5", 250),
            ("0.05", 5),
            ("42949672.95", u32::MAX),
        ] {
            assert_eq!(money.minor(text).expect("an amount"), minor);
        }
        for text in [
            "",
            ".5",
            "-1",
            "1.005",
            "1,20",
            "42949672.96",
            "+1",
            "1.2.3",
        ] {
            assert!(money.minor(text).is_err(), "{text}");
        }
        assert_eq!(money.show(1_205), "12.05 EUR");
    }

    #[test]
    fn a_script_is_read_whole_or_not_at_all() {
        let prices = Prices::parse("3=1.20, 4=0.80", money()).expect("a list");
        let steps = prices
            .script("coin 2.00; select 3; dispense;")
            .expect("steps");
        let select = Step::Select {
            item: 3,
            price: 120,
        };
        assert_eq!(steps, [Step::Coin(200), select, Step::Dispense]);
        for wrong in [
            "dance",
            "select",
            "select x",
            "coin",
            "hush -1",
            "coin 1.001",
        ] {
            assert!(prices.script(wrong).is_err(), "{wrong}");
        }
        assert!(Prices::parse("3", money()).is_err());
    }

    #[test]
    fn a_script_in_a_file_says_which_line_is_wrong() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("script");
        let prices = Prices::parse("", money()).expect("a list");
        let text = "# a bad day\nsession\n\nfaults lost-words,jams  # from here on\nselect 3 1.20\nfaults none\n";
        std::fs::write(&path, text).expect("a file");
        let steps = prices.script_file(&path).expect("steps");
        let broken = Step::Faults(vec![Fault::LostWords, Fault::Jams]);
        let select = Step::Select {
            item: 3,
            price: 120,
        };
        let whole = [Step::Session, broken, select, Step::Faults(Vec::new())];
        assert_eq!(steps, whole);
        std::fs::write(&path, "session\nfaults gremlins\n").expect("a file");
        let fault = prices.script_file(&path).expect_err("no such fault");
        assert!(matches!(fault, VmcFault::Line { line: 2, .. }));
        assert!(prices.script_file(place.path()).is_err());
    }

    #[test]
    fn a_preset_is_the_machine_it_is_named_after() {
        let of = |options: &[&str]| {
            let all = ["vmc", "--link", "x"]
                .into_iter()
                .chain(options.iter().copied());
            config(&Arguments::parse_from(all), &money()).expect("a machine")
        };
        let silent = of(&["--preset", "silent-vendor"]);
        assert_eq!(silent.dispensing, Dispensing::Silent);
        assert_eq!((silent.level, silent.columns), (Level::Two, 0));
        assert_eq!(of(&["--preset", "reset-happy"]).approved, Approved::Resets);
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
        use clap::CommandFactory;
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for word in [
            "--link",
            "reset-on-approval",
            "coin AMOUNT",
            "hush SECONDS",
            "--one-in",
        ] {
            assert!(help.contains(word), "{word} in {help}");
        }
    }

    /// A reader that says yes to everything, until the machine is gone.
    fn be_a_reader(path: &Path, events: &Sender<cashless::Event>) {
        let begun = Instant::now();
        let mut link = loop {
            match WordLink::open(path) {
                Ok(link) => break link,
                Err(fault) => assert!(begun.elapsed() < PATIENCE, "{fault}"),
            }
        };
        let config = cashless::Config {
            ack_max: PATIENCE,
            cash_sales: true,
            ..cashless::Config::default()
        };
        let mut device = Cashless::new(config).expect("a consistent configuration");
        while begun.elapsed() < PATIENCE {
            let input = match WordLink::read(&mut link, LOOK_EVERY) {
                Ok(Some(word)) => cashless::Input::Word(word),
                Ok(None) => cashless::Input::Tick,
                Err(_) => return,
            };
            let mut inputs = VecDeque::from([input]);
            while let Some(input) = inputs.pop_front() {
                device.handle(begun.elapsed(), input);
                while let Some(output) = device.poll() {
                    match output {
                        cashless::Output::Send(reply) => {
                            if WordLink::write(&mut link, &reply).is_err() {
                                return;
                            }
                        }
                        cashless::Output::Event(event) => {
                            inputs.extend(wish(&event).map(cashless::Input::Host));
                            if events.send(event).is_err() {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }

    fn wish(event: &cashless::Event) -> Option<Host> {
        if let cashless::Event::Enabled | cashless::Event::SessionCompleted = event {
            return Some(Host::BeginSession { funds: 1_000 });
        }
        if let cashless::Event::RevalueAsked { request, .. } = event {
            return Some(Host::ApproveRevalue { request: *request });
        }
        let cashless::Event::VendRequested { request, price, .. } = event else {
            return None;
        };
        Some(Host::Approve {
            request: *request,
            amount: *price,
            tag: 7,
        })
    }

    /// Plays a script against a reader of ours; gives what the reader learned.
    fn played(options: &[&str]) -> Result<Vec<cashless::Event>, VmcFault> {
        let place = tempfile::tempdir().expect("a directory");
        let link = place.path().join("mdb");
        let path = link.to_str().expect("text").to_owned();
        let all = ["vmc", "--link", &path, "--poll-ms", "5", "--motors-ms", "1"];
        let wish = Arguments::parse_from(all.into_iter().chain(options.iter().copied()));
        let (tell, told) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || be_a_reader(&link, &tell));
        let ran = run(&wish);
        reader.join().expect("no panic");
        ran.map(|()| told.iter().collect())
    }

    #[test]
    fn a_script_of_cash_and_vend_is_played_to_its_end() {
        let events = played(&["--do", "coin 2.00; select 3; dispense; sell 4 0.80"]);
        let events = events.expect("a script that ends");
        let has = |wanted: fn(&cashless::Event) -> bool| events.iter().any(wanted);
        assert!(
            has(|it| matches!(it, cashless::Event::RevalueApprovalTaken { .. })),
            "{events:?}"
        );
        assert!(
            has(|it| *it == cashless::Event::VendSucceeded { tag: 7, item: 3 }),
            "{events:?}"
        );
        assert!(
            has(|it| *it == cashless::Event::CashSold { item: 4, price: 80 }),
            "{events:?}"
        );
    }

    #[test]
    fn a_machine_that_resets_on_approvals_is_met_with_a_delivered_approval() {
        let options = ["--fault", "reset-on-approval", "--do", "select 3; ready"];
        let events = played(&options).expect("a script that ends");
        let delivered = cashless::Event::Reset {
            approval: cashless::ApprovalState::Delivered { tag: 7 },
        };
        assert!(events.contains(&delivered), "{events:?}");
    }

    #[test]
    fn vends_go_well_over_a_bad_wire() {
        let faults = ["lost-words", "garbled-words", "duplicates"];
        let mut options = vec!["--one-in", "40", "--seed", "3"];
        for fault in faults {
            options.extend(["--fault", fault]);
        }
        options.extend(["--do", "select 1; end; select 2; end; select 3; end"]);
        let events = played(&options).expect("a script that ends");
        let sold = |it: &&cashless::Event| matches!(it, cashless::Event::VendSucceeded { .. });
        assert!(events.iter().filter(sold).count() >= 1, "{events:?}");
    }
}
