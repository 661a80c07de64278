//! The machine: its controller, its motors, what people do to it, and its log.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use gettone_mdb::item::Coding;
use gettone_mdb::link::LinkFault;
use gettone_mdb::trace::{Burst, Explainer, Hearing, Side};
use gettone_mdb::vmc::{Event, Input, Operator, Output, State, Vmc};
use gettone_mdb::{Command, Frame, Keys, Mode, Options, Word};

use crate::arguments::Arguments;
use crate::audit::Audit;
use crate::fault::VmcFault;
use crate::line::Line;
use crate::money::Prices;
use crate::quirk::{Fault, Place};
use crate::step::Step;
use crate::wire::Wire;
use crate::words::{Who, told};

/// Events that a script may look at.
const NEWS_MAX: usize = 64;
/// Words of the longest block.
const BURST_MAX: usize = 36;

/// The machine and what happens at it.
pub(crate) struct Machine {
    vmc: Vmc,
    wire: Wire,
    pub(crate) prices: Prices,
    coding: Coding,
    begun: Instant,
    motors: Duration,
    motors_end: Option<Instant>,
    by_itself: bool,
    jams: bool,
    /// What the reader wants vended, by its number on the bus.
    wished: Option<u16>,
    audit: Audit,
    /// What is to be said of files.
    filed: Option<Command>,
    /// RESET as soon as it is here.
    trap: Option<Place>,
    /// RESET now, out of the blue.
    is_struck: bool,
    /// A POLL that is late, and when it goes out.
    late: Option<(Instant, Vec<Word>)>,
    /// Reads the bus for a technician, when somebody wants to see it.
    explainer: Option<Explainer>,
    heard: Vec<Word>,
    /// Whether a step ended with what has just happened.
    news: VecDeque<Event>,
    tally: Tally,
}

/// Whether products fall by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motors {
    /// They do.
    Alone,
    /// A step says what becomes of each.
    ByHand,
}

impl Machine {
    pub(crate) fn new(wish: &Arguments, motors: Motors) -> Result<Self, VmcFault> {
        let broken = wish.broken();
        Ok(Self {
            vmc: Vmc::new(wish.config()?),
            jams: broken.contains(&Fault::Jams),
            wire: Wire::new(wish.seed, wish.one_in, broken),
            prices: Prices::parse(&wish.prices, wish.money())?,
            coding: wish.items().coding(),
            begun: Instant::now(),
            motors: Duration::from_millis(wish.motors_ms),
            motors_end: None,
            by_itself: motors == Motors::Alone,
            wished: None,
            audit: Audit::read(wish.audit.as_deref())?,
            filed: None,
            trap: None,
            is_struck: false,
            late: None,
            explainer: wish.bus.then(|| Explainer::new(Hearing::Both)),
            heard: Vec::new(),
            news: VecDeque::new(),
            tally: Tally::default(),
        })
    }

    pub(crate) fn state(&self) -> State {
        self.vmc.state()
    }

    pub(crate) fn has(&self, option: Options) -> bool {
        self.vmc.layout().has(option)
    }

    /// Whether the reader wants a selection.
    pub(crate) const fn is_wished(&self) -> bool {
        self.wished.is_some()
    }

    /// What happened since the news were forgotten.
    pub(crate) fn news(&self) -> impl Iterator<Item = &Event> {
        self.news.iter()
    }

    pub(crate) fn forget_news(&mut self) {
        self.news.clear();
    }

    /// What happened in all.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How long nothing is due, at most this long.
    pub(crate) fn wait(&self, wait_max: Duration) -> Duration {
        let now = self.begun.elapsed();
        let due = self.vmc.next_deadline();
        due.map_or(wait_max, |at| at.saturating_sub(now).min(wait_max))
    }

    pub(crate) fn say(&self, who: Who, what: impl fmt::Display) {
        let now = self.begun.elapsed();
        let (seconds, millis) = (now.as_secs(), now.subsec_millis());
        println!("{seconds:>6}.{millis:03}  {}  {what}", who.column());
    }

    pub(crate) fn drive(&mut self, line: &mut Line, input: Input) -> Result<(), LinkFault> {
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

    /// A word of the reader, as the wire lets it through.
    pub(crate) fn hear(&mut self, line: &mut Line, word: Word) -> Result<(), LinkFault> {
        self.gather(word);
        match self.wire.carry(word) {
            Some(word) => self.drive(line, Input::Word(word)),
            None => Ok(()),
        }
    }

    fn send(&mut self, line: &mut Line, frame: &Frame) -> Result<(), LinkFault> {
        // What is late does not overtake.
        if let Some((_, words)) = self.late.take() {
            line.write(&words)?;
        }
        self.show(Side::Controller, frame);
        let sent = self.wire.send(frame);
        if frame.len() > 1 && self.wire.hits(Fault::Resets) {
            self.is_struck = true;
        }
        self.tell_faults();
        match sent.late {
            Some(late) => self.late = Some((Instant::now() + late, sent.words)),
            None => line.write(&sent.words)?,
        }
        Ok(())
    }

    /// Says what struck; on a wire where much does, only the first of each in a row.
    fn tell_faults(&mut self) {
        for fault in self.wire.struck() {
            self.tally.faults = self.tally.faults.saturating_add(1);
            if self.explainer.is_some() {
                self.say(Who::Fault, format_args!("{fault:?}"));
            }
        }
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
    fn gather(&mut self, word: Word) {
        if self.explainer.is_none() || self.heard.len() >= BURST_MAX {
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
        if let Event::File(said) = event {
            self.filed = self.audit.answer(&said).map(Command::File);
        }
        let (who, said) = told(&event, &self.prices.money, self.coding);
        self.say(who, said);
        self.tally.count(&event);
        let moves = matches!(event, Event::Dispense { .. } | Event::TakeBack { .. });
        if moves && (self.by_itself || self.jams) {
            self.motors_end = Some(Instant::now() + self.motors);
        }
        self.news.push_back(event);
        if self.news.len() > NEWS_MAX {
            self.news.pop_front();
        }
    }

    /// Does what is due by time: late words, traps, motors.
    pub(crate) fn turn(&mut self, line: &mut Line) -> Result<(), LinkFault> {
        let now = Instant::now();
        if let Some((_, words)) = self.late.take_if(|(at, _)| now >= *at) {
            line.write(&words)?;
        }
        if std::mem::take(&mut self.is_struck) {
            self.say(Who::Fault, "RESET out of the blue");
            self.drive(line, Input::Operator(Operator::Restart))?;
        }
        if let Some(place) = self.trap.take_if(|place| place.state() == self.vmc.state()) {
            self.say(Who::Fault, format_args!("RESET in the state {place:?}"));
            self.drive(line, Input::Operator(Operator::Restart))?;
        }
        if let Some(command) = self.filed.take() {
            self.drive(line, Input::Operator(Operator::Tell(command)))?;
        }
        if self.motors_end.is_none_or(|end| now < end) {
            return Ok(());
        }
        self.motors_end = None;
        let (words, operator) = match self.jams {
            true => ("the product is stuck", Operator::Jammed),
            false => ("the product falls", Operator::Dispensed),
        };
        self.say(Who::Machine, words);
        self.drive(line, Input::Operator(operator))
    }

    /// The number that the bus has for a selection; one that this machine cannot say goes out as it is.
    fn bus(&self, item: u16) -> u16 {
        self.coding.bus(item).unwrap_or(item)
    }

    pub(crate) fn operate(&mut self, line: &mut Line, step: Step) -> Result<(), LinkFault> {
        let operator = match step {
            Step::Select { item, price } => {
                let item = self.bus(item);
                Operator::Select { price, item }
            }
            Step::Dispense => Operator::Dispensed,
            Step::Jam => Operator::Jammed,
            Step::Coin(amount) => Operator::Revalue { amount },
            Step::Limit => Operator::AskLimit,
            Step::Cash => Operator::InsertCash,
            Step::Sell { item, price } => {
                let item = self.bus(item);
                Operator::SellForCash { price, item }
            }
            Step::Favourite => {
                let Some(item) = self.wished.take() else {
                    return Ok(());
                };
                let price = self.prices.price(self.coding.shown(item).unwrap_or(item));
                Operator::Select { price, item }
            }
            Step::Bring { item, price } => {
                let (value, item) = (price, self.bus(item));
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
                self.say(Who::Fault, format_args!("broken from here on: {faults:?}"));
                self.jams = faults.contains(&Fault::Jams);
                self.wire.faults = faults;
                return Ok(());
            }
            Step::RestartIn(place) => {
                self.trap = Some(place);
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
}

/// What happened in all, for the last line of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    sessions: u32,
    dispensed: u32,
    denied: u32,
    cash: u32,
    restarts: u32,
    faults: u32,
}

impl Tally {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "events grow, and few of them are tallied"
    )]
    fn count(&mut self, event: &Event) {
        let figure = match event {
            Event::SessionBegan { .. } => &mut self.sessions,
            Event::Reported => &mut self.dispensed,
            Event::Denied { .. } => &mut self.denied,
            Event::RevalueTaken { .. } | Event::CashSaleReported => &mut self.cash,
            Event::Restarting(_) => &mut self.restarts,
            _ => return,
        };
        *figure = figure.saturating_add(1);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sessions {}, results told {}, denied {}, cash {}, started over {}, faults {}",
            self.sessions, self.dispensed, self.denied, self.cash, self.restarts, self.faults
        )
    }
}
