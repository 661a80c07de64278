//! A machine's controller: the other end of the bus, for simulators and tests.
//!
//! It is handed words, time and what people do, and tells what to send. It follows the rules on retries, patience and
//! settlement, so that a reader that works with it has met a conformant machine.

mod config;
mod event;
mod life;

use core::time::Duration;

pub use config::{Approved, Completes, Config, Credit, Dispensing, Garbled, Takes, Timing};
pub use event::{Event, Input, Operator, Output, Restart, SelectionRefusal};

use crate::block::{Block, Frame};
use crate::bounds::{CONTROLLER_EVENTS_MAX, INTER_BYTE_MAX, WORD_TIME};
use crate::command::{Command, Level};
use crate::ear::{ControllerEar, FromDevice};
use crate::message::Message;
use crate::money::{Scale, Units, Width};
use crate::options::{Layout, Options};
use crate::reader::ReaderConfig;
use crate::word::{ACK, Mode, NAK, RET, Word};

/// What the controller is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Resetting,
    AwaitingReset,
    SettingUp,
    Pricing,
    Identifying,
    /// Switching options on.
    Opting,
    /// Telling the prices again, in money of 32 bits.
    Repricing,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Session,
    Asking(Choice),
    Cancelling,
    Dispensing(Choice, Reader),
    Reporting(Choice, Outcome),
    Completing,
    Revaluing(Units),
    AskingLimit,
    /// Saying something that needs an ACK only, and where to go on after it.
    Telling(Command, Back),
}

/// Where a controller goes on after it has told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    Enabled,
    Disabled,
    Session,
}

/// Where the controller stands, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Switched off.
    Off,
    /// Not yet in step with the reader.
    Starting,
    /// The reader is set up and takes no customers.
    Disabled,
    /// The reader takes customers.
    Enabled,
    /// A customer is here.
    Session,
    /// A selection is being decided, dispensed or reported, or a session ended.
    Busy,
}

/// A selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    price: Units,
    item: u16,
    trade: Trade,
    /// Whether a session was there before it.
    origin: Origin,
}

/// Which way things and money go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trade {
    Sale,
    Return,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Session,
    Enabled,
}

/// Whether the answer to the last cash question may still be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cash {
    Settled,
    /// Until a POLL comes back without it, the reader may have missed our ACK.
    Answered,
}

/// Whether the reader that approved is still the one on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Here,
    /// It must be set up again when the motors have stopped, and can be told nothing.
    Gone(Restart),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

/// How far the phase's command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Not acknowledged yet.
    Saying,
    /// Acknowledged; its answer may come until then.
    Waiting(Duration),
}

/// What goes out next while a command is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Command,
    Poll,
}

/// Whether the session is to end as soon as its vend is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    WhenIdle,
}

/// What is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    Idle,
    Listening {
        command: Command,
        until: Duration,
        asked_again: AskedAgain,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedAgain {
    No,
    Once,
}

/// A controller with one cashless device.
#[derive(Clone, Debug)]
pub struct Vmc {
    config: Config,
    ear: ControllerEar,
    phase: Phase,
    step: Step,
    turn: Turn,
    attempts: u8,
    ending: Ending,
    exchange: Exchange,
    next_at: Duration,
    heard_at: Duration,
    reader: Option<ReaderConfig>,
    scale: Option<Scale>,
    /// What the reader offers, what is on, and what the reader wants vended.
    offered: Options,
    options: Options,
    wished: Option<u16>,
    /// What the reader showed with the session that is open.
    funds: Option<u32>,
    cash: Cash,
    /// The fault that stands, so that it is told once.
    fault: Option<u8>,
    /// What is to be said as soon as nothing else goes on.
    owed: Option<Command>,
    events: [Option<Event>; CONTROLLER_EVENTS_MAX],
    sending: Option<Output>,
}

impl Vmc {
    /// A controller that is switched off.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            ear: ControllerEar::new(),
            phase: Phase::Off,
            step: Step::Saying,
            turn: Turn::Command,
            attempts: 0,
            ending: Ending::No,
            exchange: Exchange::Idle,
            next_at: Duration::ZERO,
            heard_at: Duration::ZERO,
            reader: None,
            scale: None,
            offered: Options::NONE,
            options: Options::NONE,
            wished: None,
            funds: None,
            cash: Cash::Settled,
            fault: None,
            owed: None,
            events: [None; CONTROLLER_EVENTS_MAX],
            sending: None,
        }
    }

    /// Where the controller stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Off => State::Off,
            Phase::Resetting
            | Phase::AwaitingReset
            | Phase::SettingUp
            | Phase::Pricing
            | Phase::Identifying
            | Phase::Opting
            | Phase::Repricing
            | Phase::Enabling => State::Starting,
            Phase::Disabled => State::Disabled,
            Phase::Enabled => State::Enabled,
            Phase::Session => State::Session,
            Phase::Asking(_)
            | Phase::Cancelling
            | Phase::Dispensing(..)
            | Phase::Reporting(..)
            | Phase::Completing
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Telling(..)
            | Phase::Disabling => State::Busy,
        }
    }

    /// How money is counted on this bus, once the reader has told.
    #[must_use]
    pub const fn scale(&self) -> Option<Scale> {
        self.scale
    }

    /// Takes one input at this uptime.
    ///
    /// # Panics
    /// When `poll` was not drained after earlier inputs.
    pub fn handle(&mut self, now: Duration, input: Input) {
        let drained = self.sending.is_none() && self.events.iter().all(Option::is_none);
        assert!(drained, "the caller drains poll after every input");
        match input {
            Input::Word(word) => self.word(now, word),
            Input::Tick => self.tick(now),
            Input::Operator(operator) => self.operate(now, operator),
        }
    }

    /// What the input caused: events first, then what to send.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(event) = self.events.first_mut().and_then(Option::take) {
            self.events.rotate_left(1);
            return Some(Output::Event(event));
        }
        self.sending.take()
    }

    /// When `handle` needs a tick, unless something else comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.phase == Phase::Off {
            return None;
        }
        Some(match self.exchange {
            Exchange::Idle => self.next_at,
            Exchange::Listening { until, .. } => until,
        })
    }

    /// The price of what the motors are moving.
    #[cfg(test)]
    pub(crate) fn dispensing_price(&self) -> Option<u32> {
        let Phase::Dispensing(choice, _) = self.phase else {
            return None;
        };
        self.scale?.minor(choice.price)
    }

    fn tick(&mut self, now: Duration) {
        if self.next_deadline().is_none_or(|at| now < at) {
            return;
        }
        match self.exchange {
            Exchange::Idle => self.speak(now),
            Exchange::Listening { command, .. } => self.unanswered(now, command),
        }
    }

    fn speak(&mut self, now: Duration) {
        if let Step::Waiting(until) = self.step
            && now >= until
        {
            self.give_up_waiting(now);
        }
        self.pay_what_is_owed();
        let command = match (self.step, self.turn) {
            // An answer that is said again must not meet the next offer.
            (Step::Saying, _) if self.is_unasked_cash() && self.cash == Cash::Answered => {
                Command::Poll
            }
            (Step::Saying, Turn::Command) => self.wanted().unwrap_or(Command::Poll),
            (Step::Saying, Turn::Poll) | (Step::Waiting(_), _) => Command::Poll,
        };
        let motors = matches!(self.phase, Phase::Dispensing(..));
        if motors && self.config.dispensing == Dispensing::Silent {
            self.next_at = now.saturating_add(self.config.timing.poll_period);
            self.heard_at = now;
            return;
        }
        let block = command.print_in(self.config.address, self.layout());
        let frame = Frame::from_controller(&block);
        let words = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let sending = WORD_TIME.saturating_mul(words);
        let reply_max = self.config.timing.reply_max;
        self.ear.forget();
        self.exchange = Exchange::Listening {
            command,
            until: now.saturating_add(sending.saturating_add(reply_max)),
            asked_again: AskedAgain::No,
        };
        self.sending = Some(Output::Send(frame));
    }

    fn word(&mut self, now: Duration, word: Word) {
        let Exchange::Listening { command, until, .. } = &mut self.exchange else {
            // Nobody was asked: a reader that speaks now is late, and will say it again.
            return;
        };
        let command = *command;
        *until = (*until).max(now.saturating_add(INTER_BYTE_MAX));
        match self.ear.hear(word) {
            None => {}
            Some(FromDevice::Ack) => {
                self.answered(now);
                self.fault = None;
                if command == Command::Poll {
                    self.cash = Cash::Settled;
                }
                self.acknowledged(now, command);
            }
            Some(FromDevice::Nak) => self.unanswered(now, command),
            Some(FromDevice::Garbled) => self.garbled(now, command),
            Some(FromDevice::Block(block)) => self.block(now, command, &block),
        }
    }

    fn block(&mut self, now: Duration, command: Command, block: &Block) {
        let layout = self.layout();
        if Message::parse_all(block, layout).any(|it| it.is_err()) {
            return self.garbled(now, command);
        }
        self.answered(now);
        self.say(ACK);
        let answers =
            |it: &Message| matches!(it, Message::RevalueApproved | Message::RevalueDenied);
        if Message::parse_all(block, layout)
            .flatten()
            .any(|it| answers(&it))
        {
            self.cash = Cash::Answered;
        } else if command == Command::Poll {
            self.cash = Cash::Settled;
        }
        // In this order: the reader spoke before it can have known what its answer leads to.
        // Cash that was not offered yet is not answered yet.
        let unasked = self.is_unasked_cash() && command == Command::Poll;
        // Such a machine reads nothing but what comes at a POLL.
        let unread = self.config.takes == Takes::Later && command != Command::Poll;
        for message in Message::parse_all(block, layout).flatten() {
            if !(unread || unasked && answers(&message)) {
                self.take(now, message);
            }
        }
        self.acknowledged(now, command);
    }

    /// A whole reply came.
    fn answered(&mut self, now: Duration) {
        self.exchange = Exchange::Idle;
        self.heard_at = now;
        self.turn = Turn::Command;
        self.next_at = now.saturating_add(self.config.timing.poll_period);
    }

    /// Whether cash is to be offered, and the reader cannot know yet.
    fn is_unasked_cash(&self) -> bool {
        let cash = matches!(self.phase, Phase::Revaluing(_));
        cash && self.step == Step::Saying && self.attempts == 0
    }

    fn garbled(&mut self, now: Duration, command: Command) {
        if let Exchange::Listening {
            until,
            asked_again: asked_again @ AskedAgain::No,
            ..
        } = &mut self.exchange
            && self.config.garbled == Garbled::Ret
        {
            *asked_again = AskedAgain::Once;
            *until = now.saturating_add(WORD_TIME.saturating_add(self.config.timing.reply_max));
            return self.say(RET);
        }
        match self.config.garbled {
            Garbled::Nak | Garbled::Ret => self.say(NAK),
            Garbled::Silence => {}
        }
        self.unanswered(now, command);
    }

    /// Nothing, or nothing of use, came back. [MDB 2.4, appendix 3]
    fn unanswered(&mut self, now: Duration, command: Command) {
        let timing = self.config.timing;
        self.exchange = Exchange::Idle;
        self.ear.forget();
        let said = self.step == Step::Saying && self.wanted() == Some(command);
        if said {
            self.attempts = self.attempts.saturating_add(1);
        }
        let gap = match (self.phase, said) {
            (Phase::Resetting, _) if self.attempts < timing.attempts_max => timing.retry_gap,
            (Phase::Resetting, _) => timing.reset_gap,
            (_, true) => timing.retry_gap / 2,
            (_, false) if self.turn == Turn::Poll => timing.retry_gap / 2,
            (_, false) => timing.poll_period,
        };
        self.turn = match (self.phase, said) {
            (Phase::Resetting, _) | (_, false) => Turn::Command,
            (_, true) => Turn::Poll,
        };
        self.next_at = now.saturating_add(gap);
        let silent = now.saturating_sub(self.heard_at) >= self.non_response();
        let tired = self.attempts >= timing.attempts_max;
        if self.phase != Phase::Resetting && (silent || tired) {
            self.start_over(now, Restart::NoResponse);
        }
    }

    fn say(&mut self, byte: u8) {
        let word = Word::new(Mode::Data, byte);
        self.sending = Some(Output::Send(Frame::lone(word)));
    }

    /// How commands and messages are laid out with this reader.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let reader = self.reader.map_or(Level::One, |reader| reader.level);
        Layout::new(self.config.level.min(reader), self.options)
    }

    fn width(&self) -> Width {
        self.layout().width()
    }

    fn announced(&self) -> Duration {
        let seconds = self.reader.map_or(0, |reader| reader.max_response_s);
        Duration::from_secs(seconds.into())
    }

    fn non_response(&self) -> Duration {
        self.config.timing.non_response.max(self.announced())
    }

    fn event(&mut self, event: Event) {
        let free = self.events.iter_mut().find(|place| place.is_none());
        *free.expect("a message causes one event at most") = Some(event);
    }
}
