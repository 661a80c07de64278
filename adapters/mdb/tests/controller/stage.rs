//! A stage for the controller: each line says who does what, the stage writes down what the controller said and did.

use std::fmt::Write;
use std::time::Duration;

use gettone_mdb::vmc::{Config, Event, Input, Operator, Output, Vmc};
use gettone_mdb::{
    Address, Command, Country, Coupon, Digits, Frame, Identity, ItemOptions, Keys, Level, Media,
    Message, Mode, Options, ReaderConfig, ReaderOptions, Reason, Scale, Selection, Text, Units,
    Word,
};

pub(crate) struct Stage {
    pub(crate) controller: Vmc,
    pub(crate) now: Duration,
    /// It spoke and has not been answered.
    spoke: bool,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            controller: Vmc::new(config),
            now: Duration::from_secs(1),
            spoke: false,
        }
    }

    pub(crate) fn play(&mut self, line: &str) -> String {
        let (actor, rest) = line.split_once(' ').unwrap_or((line, ""));
        let told = match actor {
            "reader" => {
                let mut told = self.until_it_speaks();
                self.spoke = false;
                for word in reply(rest).iter() {
                    told.extend(self.input(Input::Word(*word)));
                }
                told
            }
            "silence" => {
                let mut told = self.until_it_speaks();
                self.spoke = false;
                self.now = self.controller.next_deadline().expect("it is on");
                told.extend(self.input(Input::Tick));
                told
            }
            "operator" => self.input(Input::Operator(operator(rest))),
            "time" => {
                self.now += Duration::from_millis(rest.parse().expect("milliseconds"));
                Vec::new()
            }
            _ => panic!("nobody is called {actor}"),
        };
        told.join(" ")
    }

    /// Lets time pass until the controller has a command on the wire.
    fn until_it_speaks(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while !self.spoke {
            let deadline = self.controller.next_deadline().expect("it is on");
            self.now = self.now.max(deadline);
            told.extend(self.input(Input::Tick));
        }
        told
    }

    fn input(&mut self, input: Input) -> Vec<String> {
        self.controller.handle(self.now, input);
        let mut told = Vec::new();
        while let Some(output) = self.controller.poll() {
            told.push(match output {
                Output::Event(event) => tell(&event),
                Output::Break => "[break]".to_owned(),
                Output::Send(frame) => {
                    self.spoke |= frame.len() > 1 || frame[0].byte() == gettone_mdb::RET;
                    format!("[{}]", said(&frame))
                }
            });
        }
        told
    }
}

/// What takes a controller from power-up to an enabled reader.
pub(crate) const READY: [&str; 9] = [
    "operator on",
    "reader ack",
    "reader JUST RESET",
    "reader config",
    "reader ack",
    "reader id",
    "reader ack",
    "reader ack",
    "reader begin 1200",
];

/// The same with a reader of level 2 that wants to hear of cash sales.
pub(crate) const READY_OF_TWO: [&str; 9] = [
    "operator on",
    "reader ack",
    "reader JUST RESET",
    "reader config sales",
    "reader ack",
    "reader id",
    "reader ack",
    "reader ack",
    "reader begin media",
];

/// The same with a reader of level 3 that offers every option.
pub(crate) const READY_OF_THREE: [&str; 9] = [
    "operator on",
    "reader ack",
    "reader JUST RESET",
    "reader config three",
    "reader ack",
    "reader offer",
    "reader ack",
    "reader ack",
    "reader begin media",
];

fn said(frame: &Frame) -> String {
    let bytes: Vec<u8> = frame.iter().map(|word| word.byte()).collect();
    let (sum, body) = bytes.split_last().expect("a frame has words");
    match (body.is_empty(), sum) {
        (true, 0x00) => return "ack".to_owned(),
        (true, 0xFF) => return "nak".to_owned(),
        (true, 0xAA) => return "ret".to_owned(),
        _ => {}
    }
    let cents = Scale::new(1, Digits { bus: 2, minor: 2 }).expect("a good scale");
    let command = Command::parse(Address::First, body).expect("the controller speaks well");
    command.at(cents).to_string()
}

fn units(text: &str) -> Units {
    Units::from_u16(text.trim().parse().expect("an amount"))
}

fn reply(text: &str) -> Frame {
    let config = |level, scale, options| {
        Message::ReaderConfig(ReaderConfig {
            level,
            country: Country::UNKNOWN,
            scale,
            decimals: 2,
            max_response_s: 40,
            options,
        })
    };
    let message = match text {
        "ack" => return Frame::lone(Word::new(Mode::Address, 0x00)),
        "nak" => return Frame::lone(Word::new(Mode::Address, 0xFF)),
        "noise" => return Frame::lone(Word::new(Mode::Address, 0x5A)),
        "JUST RESET" => Message::JustReset,
        "config" => config(Level::One, 1, ReaderOptions::NONE),
        "config multivend" => config(Level::One, 1, ReaderOptions::MULTIVEND),
        "config level 2" => config(Level::Two, 1, ReaderOptions::NONE),
        "config scale 0" => config(Level::One, 0, ReaderOptions::NONE),
        "config three" => config(Level::Three, 1, ReaderOptions::CASH_SALE),
        "offer" => Message::Offer(
            Identity {
                manufacturer: *b"ABC",
                serial: *b"000000000042",
                model: *b"reader      ",
                version: 0x0107,
            },
            Options::ALL,
        ),
        "wish 11" => Message::SelectionRequest(Selection {
            funds: Units::from_u16(500),
            media: Media::UNKNOWN,
            locale: None,
            item: 11,
            options: ItemOptions::DEFAULT,
        }),
        "coupon" => Message::Coupon(Coupon {
            item: u16::MAX,
            options: 0,
            value: Units::from_u16(50),
            id: 7,
        }),
        "keys" => Message::DataEntry { keys: 4 },
        "no keys" => Message::DataEntryCancel,
        "time" => Message::TimeRequest,
        "id" => Message::PeripheralId(Identity {
            manufacturer: *b"ABC",
            serial: *b"000000000042",
            model: *b"reader      ",
            version: 0x0107,
        }),
        "begin media" => Message::BeginSession {
            funds: Units::UNKNOWN,
            media: Some(Media {
                id: u32::MAX,
                payment: 0,
                data: 0,
            }),
        },
        "cancel" => Message::SessionCancel,
        "denied" => Message::VendDenied,
        "cash taken" => Message::RevalueApproved,
        "cash denied" => Message::RevalueDenied,
        "config sales" => config(Level::Two, 1, ReaderOptions::CASH_SALE),
        "end" => Message::EndSession,
        "cancelled" => Message::Cancelled,
        "malfunction" => Message::Malfunction { code: 0xC0 },
        "out of sequence" => Message::OutOfSequence { state: None },
        "out of place" => Message::OutOfSequence { state: Some(4) },
        "display" => Message::Display {
            tenths: 20,
            text: Text::fitted("Hello", 5, 1),
        },
        "denied and cancel" => {
            let both = [Message::VendDenied, Message::SessionCancel];
            return Message::join(&both).expect("two bytes fit");
        }
        other => match other.split_once(' ') {
            Some(("begin", funds)) => Message::BeginSession {
                funds: units(funds),
                media: None,
            },
            Some(("limit", amount)) => Message::RevalueLimit {
                amount: units(amount),
            },
            Some(("approved", amount)) => Message::VendApproved {
                amount: units(amount),
            },
            _ => panic!("a reader does not {other}"),
        },
    };
    Frame::from_peripheral(&message.block())
}

fn operator(text: &str) -> Operator {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["on"] => Operator::PowerUp,
        ["off"] => Operator::PowerDown,
        ["restart"] => Operator::Restart,
        ["break"] => Operator::Break,
        ["select", price, item] => Operator::Select {
            price: price.parse().expect("a price"),
            item: item.parse().expect("an item"),
        },
        ["bring", value, item] => Operator::BringBack {
            value: value.parse().expect("a value"),
            item: item.parse().expect("an item"),
        },
        ["refuse", item] => Operator::Tell(Command::SelectionDenied {
            item: item.parse().expect("an item"),
            reason: Reason::EMPTY,
        }),
        ["type"] => Operator::Tell(Command::KeysTyped(Keys::from_bytes(*b"1234\0\0\0\0"))),
        ["dispensed"] => Operator::Dispensed,
        ["jammed"] => Operator::Jammed,
        ["return"] => Operator::Return,
        ["limit"] => Operator::AskLimit,
        ["revalue", amount] => Operator::Revalue {
            amount: amount.parse().expect("an amount"),
        },
        ["sell", price, item] => Operator::SellForCash {
            price: price.parse().expect("a price"),
            item: item.parse().expect("an item"),
        },
        ["hush", seconds] => Operator::Hush(Duration::from_secs(seconds.parse().expect("seconds"))),
        ["cash"] => Operator::InsertCash,
        ["disable"] => Operator::DisableReader,
        ["enable"] => Operator::EnableReader,
        _ => panic!("nobody does {text}"),
    }
}

fn tell(event: &Event) -> String {
    match event {
        Event::Restarting(why) => format!("restarting({why:?})"),
        Event::ReaderFound(config) => format!("found level {}", config.level.number()),
        Event::ReaderId(identity) => format!("reader {identity}"),
        Event::Ready => "ready".to_owned(),
        Event::Disabled => "disabled".to_owned(),
        Event::SessionBegan { funds } => format!("session {funds:?}"),
        Event::SelectionRefused(refusal) => format!("no {refusal:?}"),
        Event::Dispense { amount, item } => format!("dispense {item} for {amount:?}"),
        Event::ApprovalDeclined { amount } => format!("declined {amount:?}"),
        Event::Denied { item } => format!("denied {item}"),
        Event::Cancelled => "taken back".to_owned(),
        Event::Reported => "reported".to_owned(),
        Event::RevalueLimit { limit } => format!("limit {limit:?}"),
        Event::RevalueTaken { amount } => format!("taken {amount}"),
        Event::RevalueRefused { amount } => format!("given back {amount}"),
        Event::CashSaleReported => "sale reported".to_owned(),
        Event::CancelRequested => "wants to end".to_owned(),
        Event::SessionEnded => "ended".to_owned(),
        Event::Display(text) => format!("display {text:?}"),
        Event::Malfunction { code } => format!("malfunction {code:02X}"),
        Event::ReaderOffers(options) => format!("offers {options}"),
        Event::OptionsEnabled(options) => format!("options {options}"),
        Event::Told => "told".to_owned(),
        Event::TakeBack { amount, item } => format!("take {item} back for {amount:?}"),
        Event::SelectionAsked { item, .. } => format!("wanted {item}"),
        Event::CouponShown(coupon) => format!("coupon {}", coupon.id),
        Event::KeysAsked { keys } => format!("wants {keys} keys"),
        Event::KeysOver => "no keys".to_owned(),
        Event::TimeAsked => "wants the time".to_owned(),
        Event::File(transfer) => transfer.to_string(),
        Event::AgeFeature(_) | Event::AgeStatus(_) => "age".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Plays a whole conversation from power-off.
pub(crate) fn play(config: Config, script: &str) {
    on(&mut Stage::new(config), script);
}

/// The same, from a session of level 2 that has just begun, with a reader that wants to hear of cash sales.
pub(crate) fn play_in_session_of_two(config: Config, script: &str) {
    let mut stage = Stage::new(config);
    for line in READY_OF_TWO {
        stage.play(line);
    }
    on(&mut stage, script);
}

/// The same, from a session that has just begun.
pub(crate) fn play_in_session(config: Config, script: &str) {
    let mut stage = Stage::new(config);
    for line in READY {
        stage.play(line);
    }
    on(&mut stage, script);
}

fn on(stage: &mut Stage, script: &str) {
    let (mut played, mut expected) = (String::new(), String::new());
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (left, right) = line.split_once("->").unwrap_or((line, ""));
        let (left, right) = (left.trim(), right.trim());
        let told = stage.play(left);
        writeln!(expected, "{left:24} -> {right}").expect("a string takes all");
        writeln!(played, "{left:24} -> {told}").expect("a string takes all");
    }
    assert!(
        played == expected,
        "played:\n{played}\nexpected:\n{expected}"
    );
}
