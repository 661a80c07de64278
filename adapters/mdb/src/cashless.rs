//! The cashless device: what a reader answers on the bus, as a machine that is handed words and time.
//!
//! Input goes in by `handle`, everything it caused comes out of `poll` until `None`. Nothing here waits, sleeps or
//! allocates, so the whole exchange fits the 5 ms the bus allows.

mod completion;
mod config;
mod entry;
mod event;
mod file;
mod life;
mod outbox;
mod remote;
mod revalue;
mod setup;

use core::time::Duration;

pub use config::{Answer, Answers, Completion, Config, ConfigFault};
pub use event::{
    ApprovalRefusal, ApprovalState, Event, FileEnd, Host, Input, Output, PriceFault, Reply,
    RequestNumber, SelectionEnd, SessionRefusal, Shown, UNKNOWN_FUNDS,
};

use crate::block::Frame;
use crate::bounds::{DECISION_MARGIN, DEVICE_EVENTS_MAX, SILENCE_FACTOR, WORD_TIME};
use crate::command::{Command, Identity, Keys, Level, LongSale, Part, Prices, Setup};
use crate::diagnosis::{Finding, Watch};
use crate::ear::{DeviceEar, FromController};
use crate::message::{AgeStatus, Message};
use crate::money::{Scale, Units, Width};
use crate::options::{Layout, Options};
use crate::word::{ACK, Mode, RET, Word};
use entry::Entry;
use file::Receiving;
use outbox::Outbox;
use remote::{Coupon, Wish};
use revalue::{Grant, LimitQuestion, Revalue};

/// Where the device stands; the numbers are those of COMMAND OUT OF SEQUENCE. [MDB 7.2]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// 1: reset, not set up.
    Inactive,
    /// 2: set up, taking no customers.
    Disabled,
    /// 3: taking customers.
    Enabled,
    /// 4: a customer is here and has not chosen.
    SessionIdle,
    /// 5: a selection is being decided, dispensed or reported.
    Vend,
    /// 6: cash for the account is being decided.
    Revalue,
    /// 7: something the machine takes back is being decided, taken or reported.
    NegativeVend,
}

impl State {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Inactive => 1,
            Self::Disabled => 2,
            Self::Enabled => 3,
            Self::SessionIdle => 4,
            Self::Vend => 5,
            Self::Revalue => 6,
            Self::NegativeVend => 7,
        }
    }
}

/// The question of the machine that is open.
#[derive(Clone, Copy, Debug)]
struct Vend {
    request: RequestNumber,
    trade: Trade,
    origin: Origin,
    price: Units,
    item: u16,
    basket: Basket,
    asked_at: Duration,
    verdict: Verdict,
}

/// Which way things and money go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trade {
    /// The machine gives, the customer pays.
    Sale,
    /// The machine takes back, the account is credited.
    Return,
}

impl Trade {
    const fn state(self) -> State {
        match self {
            Self::Sale => State::Vend,
            Self::Return => State::NegativeVend,
        }
    }
}

/// Whether a session was there before the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Session,
    /// It came out of the enabled state: always idle, or asked for by the reader.
    Enabled,
}

/// How far a vend in parts has come. [MDB 4.3, option b7]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Basket {
    count: u8,
    options: Units,
    dispensed: u32,
    failed: u32,
    /// The last report, to know a repeat.
    last: Option<(Parted, Part)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Approved {
        tag: u64,
        amount: Units,
        delivery: Delivery,
    },
    Denied,
    /// Denied for its price, without asking the host.
    Refused,
    Cancelled,
    /// A session was offered in answer. [MDB 4.3, option b9]
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Pending,
    Acknowledged,
}

/// How the last vend ended, to know a repeat of its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Nothing,
    Succeeded {
        tag: u64,
        item: u16,
    },
    Failed,
    Denied,
    /// In parts; this was the last report.
    Parted(Parted, Part),
}

/// What became of a part of a basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parted {
    Dispensed,
    Failed,
}

/// Whether the session is to be called off as soon as that is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    WhenIdle,
}

/// Whether the device answers at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Speaking,
    /// It only listens, since the first word.
    Silent {
        since: Option<Duration>,
    },
    /// Another device was found to have its address.
    Taken,
}

/// What a session returns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Enabled,
    Disabled,
}

/// The guard that tests switch off to see what it holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    Recognised,
    TakenAsNew,
}

/// A cashless device.
#[derive(Clone, Debug)]
pub struct Cashless {
    config: Config,
    scale: Scale,
    ear: DeviceEar,
    watch: Watch,
    voice: Voice,
    outbox: Outbox,
    state: State,
    after: After,
    leaving: Leaving,
    vend: Option<Vend>,
    revalue: Option<Revalue>,
    limit: Option<LimitQuestion>,
    /// When the controller completed the session that the host has still to let end.
    completed_at: Option<Duration>,
    last: Outcome,
    requests: u32,
    setup: Option<Setup>,
    prices: Option<Prices>,
    vmc: Option<Identity>,
    /// What the controller has switched on.
    options: Options,
    wish: Option<Wish>,
    coupon: Option<Coupon>,
    entry: Option<Entry>,
    last_keys: Option<Keys>,
    receiving: Option<Receiving>,
    /// A fault that stands until it is repaired.
    fault: Option<u8>,
    age: AgeStatus,
    last_sale: Option<(Duration, LongSale)>,
    repeats: Repeats,
    /// The command before this one was RESET.
    reset_heard: bool,
    heard_at: Option<Duration>,
    /// Our last words, while the controller may ask for them again or acknowledge them.
    on_wire: Option<OnWire>,
    /// Until when an immediate answer may follow the question on the wire.
    open_until: Option<Duration>,
    events: [Option<Event>; DEVICE_EVENTS_MAX],
    reply: Option<Reply>,
    counts: Counts,
}

/// What has gone wrong on the line to the controller, since the device was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// RESETs.
    pub resets: u32,
    /// Answers that the controller asked for again (RET).
    pub retries: u32,
    /// Answers that it refused (NAK, or noise).
    pub naks: u32,
    /// Answers to which it said nothing.
    pub unanswered: u32,
}

#[derive(Clone, Copy, Debug)]
struct OnWire {
    frame: Frame,
    until: Duration,
}

impl Cashless {
    /// A device that was just powered up.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn new(config: Config) -> Result<Self, ConfigFault> {
        let scale = config.check()?;
        let mut outbox = Outbox::new();
        outbox.push(Message::JustReset);
        Ok(Self {
            config,
            scale,
            ear: DeviceEar::new(config.address),
            watch: Watch::new(config.address, Duration::ZERO),
            voice: if config.listen_before.is_zero() {
                Voice::Speaking
            } else {
                Voice::Silent { since: None }
            },
            outbox,
            state: State::Inactive,
            after: After::Enabled,
            leaving: Leaving::No,
            vend: None,
            revalue: None,
            limit: None,
            completed_at: None,
            last: Outcome::Nothing,
            requests: 0,
            setup: None,
            prices: None,
            vmc: None,
            options: Options::NONE,
            wish: None,
            coupon: None,
            entry: None,
            last_keys: None,
            receiving: None,
            fault: None,
            age: AgeStatus::default(),
            last_sale: None,
            repeats: Repeats::Recognised,
            reset_heard: false,
            heard_at: None,
            on_wire: None,
            open_until: None,
            events: [None; DEVICE_EVENTS_MAX],
            reply: None,
            counts: Counts::default(),
        })
    }

    /// Where the device stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The level spoken with this controller: the lower of the two sides'.
    #[must_use]
    pub fn spoken(&self) -> Level {
        let vmc = self.setup.map_or(Level::One, |setup| setup.level);
        vmc.min(self.config.level)
    }

    /// The options that the controller has switched on.
    #[must_use]
    pub const fn options(&self) -> Options {
        self.options
    }

    /// How commands and messages are laid out with this controller.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(self.spoken(), self.options)
    }

    fn has(&self, option: Options) -> bool {
        self.options.has(option)
    }

    fn width(&self) -> Width {
        self.layout().width()
    }

    /// How money is counted on this bus.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// How the bus looks, and since when.
    #[must_use]
    pub fn finding(&self, now: Duration) -> Finding {
        self.watch.finding(now)
    }

    /// Takes one input at this uptime.
    ///
    /// # Panics
    /// When `poll` was not drained after earlier inputs: events about money would be lost.
    pub fn handle(&mut self, now: Duration, input: Input) {
        let drained = self.reply.is_none() && self.events.iter().all(Option::is_none);
        assert!(drained, "the caller drains poll after every input");
        self.pass(now);
        match input {
            Input::Word(word) => self.word(now, word),
            Input::Break => {
                self.ear.forget();
                self.reset();
            }
            Input::Tick => {
                if let Some(heard) = self.ear.silence(now) {
                    self.hear(now, heard);
                }
            }
            Input::Host(host) => self.host(now, host),
        }
        self.watch.stands(now, self.state);
        if let Some(frame) = self.reply {
            self.watch.answered();
            let words = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            let sending = WORD_TIME.saturating_mul(words);
            let until = now.saturating_add(sending.saturating_add(self.config.ack_max));
            self.on_wire = Some(OnWire { frame, until });
        }
    }

    /// What the input caused: events first, the words to send last.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(event) = self.events.first_mut().and_then(Option::take) {
            self.events.rotate_left(1);
            return Some(Output::Event(event));
        }
        self.reply.take().map(Output::Send)
    }

    /// When `handle` needs a tick, unless something else comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let deadlines = [
            self.ear.deadline(),
            self.decision_deadline(),
            self.revalue_deadline(),
            self.limit_deadline(),
            self.end_deadline(),
            self.wish_deadline(),
            self.silence_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    #[cfg(test)]
    pub(crate) const fn switch_repeats(&mut self, repeats: Repeats) {
        self.repeats = repeats;
    }

    fn decision_deadline(&self) -> Option<Duration> {
        let vend = self.vend.filter(|vend| vend.verdict == Verdict::Open)?;
        Some(vend.asked_at.saturating_add(self.host_patience()))
    }

    fn end_deadline(&self) -> Option<Duration> {
        Some(self.completed_at?.saturating_add(self.host_patience()))
    }

    fn host_patience(&self) -> Duration {
        self.config.max_response().saturating_sub(DECISION_MARGIN)
    }

    fn silence_deadline(&self) -> Option<Duration> {
        let patience = self.config.max_response().saturating_mul(SILENCE_FACTOR);
        Some(self.heard_at?.saturating_add(patience))
    }

    /// Lets time do what it does.
    fn pass(&mut self, now: Duration) {
        if self.decision_deadline().is_some_and(|end| now >= end)
            && let Some(vend) = &mut self.vend
        {
            vend.verdict = Verdict::Denied;
            let request = vend.request;
            self.outbox.push(Message::VendDenied);
            self.event(Event::VendTimedOut { request });
        }
        self.revalue_timed_out(now);
        self.wish_timed_out(now);
        if self.end_deadline().is_some_and(|end| now >= end) {
            self.event(Event::EndTimedOut);
            self.end();
        }
        if self.silence_deadline().is_some_and(|end| now >= end) {
            self.heard_at = None;
            self.event(Event::VmcSilent);
            // What is open about money ends by a result or a reset of the machine, never by silence.
            let open = [State::Vend, State::Revalue, State::NegativeVend];
            if !open.contains(&self.state) {
                self.reset();
            }
        }
    }

    /// What has gone wrong on the line so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn word(&mut self, now: Duration, word: Word) {
        self.watch.heard(now, word);
        if !self.speaks(now) {
            return;
        }
        if word.mode() == Mode::Address {
            self.outbox.lose();
            if self.on_wire.take().is_some() {
                self.counts.unanswered = self.counts.unanswered.saturating_add(1);
            }
            self.open_until = None;
        }
        if let Some(heard) = self.ear.hear(now, word) {
            self.hear(now, heard);
        }
    }

    /// Whether it answers yet: a device that talks into another one's answers helps nobody.
    fn speaks(&mut self, now: Duration) -> bool {
        let other = self.watch.is_other_device();
        self.voice = match self.voice {
            Voice::Speaking => return true,
            Voice::Silent { since } => {
                let since = since.unwrap_or(now);
                let over = now.saturating_sub(since) >= self.config.listen_before;
                match (other, over) {
                    (true, _) => {
                        self.event(Event::AddressTaken);
                        Voice::Taken
                    }
                    (false, true) => Voice::Speaking,
                    (false, false) => Voice::Silent { since: Some(since) },
                }
            }
            Voice::Taken if other => Voice::Taken,
            Voice::Taken => Voice::Speaking,
        };
        self.voice == Voice::Speaking
    }

    fn hear(&mut self, now: Duration, heard: FromController) {
        match heard {
            FromController::Command(command) => {
                self.heard_at = Some(now);
                if command == Command::Reset {
                    self.counts.resets = self.counts.resets.saturating_add(1);
                }
                self.execute(now, command);
                self.ear.read_by(self.layout());
                self.reset_heard = command == Command::Reset;
            }
            FromController::Lone(byte) => self.lone(now, byte),
        }
    }

    /// A word after our own: the controller's verdict on it.
    fn lone(&mut self, now: Duration, byte: u8) {
        let Some(on_wire) = self.on_wire.take().filter(|it| now <= it.until) else {
            self.outbox.lose();
            return;
        };
        match byte {
            ACK => {
                if let Some(message) = self.outbox.acknowledge() {
                    self.delivered(now, message);
                }
            }
            RET => {
                self.counts.retries = self.counts.retries.saturating_add(1);
                self.reply = Some(on_wire.frame);
            }
            // NAK and noise alike: the block waits for its next turn.
            _ => {
                self.counts.naks = self.counts.naks.saturating_add(1);
                self.outbox.lose();
            }
        }
    }

    /// The controller has this message for certain.
    fn delivered(&mut self, now: Duration, message: Message) {
        match (message, self.vend) {
            (Message::BeginSession { .. } | Message::BeginSessionIn { .. }, _) => self.begin(),
            (Message::VendApproved { .. } | Message::BasketApproved { .. }, Some(_)) => {
                self.approval_delivered();
            }
            (Message::SelectionRequest(_), _) => self.wish_delivered(now),
            (Message::VendDenied, Some(vend)) => self.denial_delivered(vend),
            (Message::RevalueApproved | Message::RevalueDenied, _) => {
                self.revalue_answer_delivered(message);
            }
            _ => {}
        }
    }

    fn host(&mut self, now: Duration, host: Host) {
        match host {
            Host::BeginSession { funds } => self.offer(funds),
            Host::CancelSession => self.leave(),
            Host::EndSession => self.end(),
            Host::Approve {
                request,
                amount,
                tag,
            } => match self.open_vend(request) {
                None => self.refuse(tag, ApprovalRefusal::NotOpen),
                Some(vend) => match self.scale.units(amount, self.width()) {
                    Err(inexact) => self.refuse(tag, ApprovalRefusal::Inexact(inexact)),
                    Ok(amount) => {
                        let verdict = Verdict::Approved {
                            tag,
                            amount,
                            delivery: Delivery::Pending,
                        };
                        let message = match self.has(Options::BASKET) {
                            true => Message::BasketApproved {
                                amount,
                                options: vend.basket.options.min(amount),
                            },
                            false => Message::VendApproved { amount },
                        };
                        self.decide(now, verdict, message);
                    }
                },
            },
            Host::Deny { request } => {
                if self.open_vend(request).is_some() {
                    self.decide(now, Verdict::Denied, Message::VendDenied);
                }
            }
            Host::RevalueLimit { request, limit } => self.tell_limit(now, request, limit),
            Host::ApproveRevalue { request } => {
                self.grant_revalue(now, request, Grant::Approved);
            }
            Host::DenyRevalue { request } => self.grant_revalue(now, request, Grant::Denied),
            Host::Show { text, during } => self.show(text, during),
            Host::Malfunction { code } => self.malfunction(code),
            Host::Repaired => {
                self.fault = None;
                self.outbox.remove(outbox::Kind::Malfunction);
            }
            Host::Select {
                item,
                options,
                funds,
            } => self.wish(item, options, funds),
            Host::WithdrawSelection => self.drop_wish(SelectionEnd::CalledOff),
            Host::Coupon {
                item,
                options,
                value,
                id,
            } => self.hold_out(item, options, value, id),
            Host::AskKeys { keys, shown } => self.ask_keys(keys, shown),
            Host::StopKeys => self.stop_keys(),
            Host::AskTime => self.ask_time(),
            Host::Age(status) => self.age_known(status),
            Host::AskFile { file } => self.ask_file(file),
        }
    }

    fn open_vend(&self, request: RequestNumber) -> Option<Vend> {
        self.vend
            .filter(|vend| vend.request == request && vend.verdict == Verdict::Open)
    }

    fn refuse(&mut self, tag: u64, refusal: ApprovalRefusal) {
        self.event(Event::ApprovalRefused { tag, refusal });
    }

    fn decide(&mut self, now: Duration, verdict: Verdict, message: Message) {
        if let Some(vend) = &mut self.vend {
            vend.verdict = verdict;
        }
        self.tell(now, message);
    }

    /// Answers the open question.
    fn tell(&mut self, now: Duration, message: Message) {
        self.outbox.push(message);
        // An immediate answer may still leave while the controller listens; later it would collide.
        if self.open_until.take().is_some_and(|until| now <= until) {
            self.reply = self.outbox.send(message.into(), self.width());
        }
    }

    fn event(&mut self, event: Event) {
        let free = self.events.iter_mut().find(|place| place.is_none());
        *free.expect("one input causes fewer events than there is room for") = Some(event);
    }
}
