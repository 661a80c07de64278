//! A stage for conversations: each line says who does what, the stage writes down what comes of it.

use std::fmt::{Debug, Write};
use std::str::FromStr;
use std::time::Duration;

use gettone_mdb::cashless::{
    ApprovalState, Cashless, Config, Event, Host, Input, Output, RequestNumber, Shown, State,
};
use gettone_mdb::file::{FileRequest, Transfer};
use gettone_mdb::{
    Address, AgeStatus, Block, Clock, Command, Digits, Frame, Identity, ItemOptions, Keys, Message,
    Mode, NamedItem, Options, Part, Prices, Reason, Scale, Setup, Supply, Text, Units, Word,
};

pub(crate) struct Stage {
    pub(crate) device: Cashless,
    address: Address,
    now: Duration,
    asked: Vec<RequestNumber>,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            device: Cashless::new(config).expect("a consistent configuration"),
            address: config.address,
            now: Duration::from_secs(1),
            asked: Vec::new(),
        }
    }

    /// Plays one line and tells what came of it: events, then what was sent.
    pub(crate) fn play(&mut self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let actor = words.next().expect("a line has an actor");
        let rest: Vec<&str> = words.collect();
        match actor {
            "vmc" => self.vmc(&rest),
            "host" => {
                let host = self.host(&rest);
                self.input(Input::Host(host))
            }
            "line" => self.input(Input::Break),
            "time" => {
                self.now += Duration::from_millis(number(&rest, 0));
                self.input(Input::Tick)
            }
            _ => panic!("nobody is called {actor}"),
        }
    }

    fn vmc(&mut self, rest: &[&str]) -> String {
        let lone = match rest.first() {
            Some(&"ack") => Some(0x00),
            Some(&"nak") => Some(0xFF),
            Some(&"ret") => Some(0xAA),
            _ => None,
        };
        if let Some(byte) = lone {
            return self.input(Input::Word(Word::new(Mode::Data, byte)));
        }
        self.now += Duration::from_millis(117);
        let block = command(rest).print_in(self.address, self.device.layout());
        let frame = Frame::from_controller(&block);
        let told = frame.iter().map(|word| self.input(Input::Word(*word)));
        let mut told: Vec<_> = told.filter(|it| !it.is_empty()).collect();
        // Silence alone ends what no table knows the length of.
        if matches!(rest.first(), Some(&("age" | "age?" | "piece"))) {
            self.now += Duration::from_millis(3);
            told.push(self.input(Input::Tick));
        }
        told.join(" ")
    }

    fn input(&mut self, input: Input) -> String {
        self.device.handle(self.now, input);
        let mut told = Vec::new();
        while let Some(output) = self.device.poll() {
            told.push(match output {
                Output::Event(event) => {
                    if let Event::VendRequested { request, .. }
                    | Event::ReturnAsked { request, .. }
                    | Event::RevalueAsked { request, .. }
                    | Event::RevalueLimitAsked(request) = event
                    {
                        self.asked.push(request);
                    }
                    tell(&event)
                }
                Output::Send(reply) => {
                    format!("[{}]", said(&reply, self.device.layout()))
                }
            });
        }
        told.join(" ")
    }

    fn host(&self, rest: &[&str]) -> Host {
        // The newest question unless the line names an older one: `approve 120 tag 7 of 1`.
        let request = || match rest.iter().position(|word| *word == "of") {
            Some(at) => self.asked[number::<usize>(rest, at + 1) - 1],
            None => self.asked.last().copied().unwrap_or_else(some_request),
        };
        match rest {
            ["begin", ..] => Host::BeginSession {
                funds: number(rest, 1),
            },
            ["cancel"] => Host::CancelSession,
            ["end"] => Host::EndSession,
            ["approve", ..] => Host::Approve {
                request: request(),
                amount: number(rest, 1),
                tag: number(rest, 3),
            },
            ["deny", ..] => Host::Deny { request: request() },
            ["limit", ..] => Host::RevalueLimit {
                request: request(),
                limit: number(rest, 1),
            },
            ["take", ..] => Host::ApproveRevalue { request: request() },
            ["decline", ..] => Host::DenyRevalue { request: request() },
            ["show", text] => Host::Show {
                text: Text::fitted(text, 16, 2),
                during: Duration::from_secs(2),
            },
            ["malfunction"] => Host::Malfunction { code: 0xC0 },
            ["broken"] => Host::Malfunction { code: 0x50 },
            ["repaired"] => Host::Repaired,
            ["wish", ..] => Host::Select {
                item: number(rest, 1),
                options: ItemOptions::from_u32(number(rest, 2)),
                funds: number(rest, 3),
            },
            ["unwish"] => Host::WithdrawSelection,
            ["coupon", ..] => Host::Coupon {
                item: 0xFFFF,
                options: 0,
                value: number(rest, 1),
                id: number(rest, 2),
            },
            ["keys", ..] => Host::AskKeys {
                keys: number(rest, 1),
                shown: Shown::Never,
            },
            ["nokeys"] => Host::StopKeys,
            ["time"] => Host::AskTime,
            ["age", ..] => Host::Age(AgeStatus {
                state: number(rest, 1),
                media: 0,
            }),
            ["file", ..] => Host::AskFile {
                file: number(rest, 1),
            },
            _ => panic!("a host does not {rest:?}"),
        }
    }
}

/// A number no question of this device has: taken from another one.
fn some_request() -> RequestNumber {
    let mut other = Stage::new(Config::default());
    for line in IN_SESSION {
        other.play(line);
    }
    other.play("vmc request 120 23");
    other.asked[0]
}

/// What takes a device from power-up to a session.
pub(crate) const IN_SESSION: [&str; 9] = [
    "vmc poll",
    "vmc ack",
    "vmc setup",
    "vmc ack",
    "vmc prices",
    "vmc enable",
    "host begin 1200",
    "vmc poll",
    "vmc ack",
];

fn number<N: FromStr<Err: Debug>>(words: &[&str], at: usize) -> N {
    words[at].parse().expect("a number stands here")
}

fn command(words: &[&str]) -> Command {
    match words {
        ["reset"] => Command::Reset,
        ["setup", level @ ..] => Command::Setup(Setup {
            level: match level {
                [] | ["2"] => gettone_mdb::Level::Two,
                ["3"] => gettone_mdb::Level::Three,
                _ => gettone_mdb::Level::One,
            },
            supply: Supply::Mains,
            columns: 16,
            rows: 1,
            display: 0,
        }),
        ["prices"] => Command::Prices(Prices {
            max: Some(Units::from_u16(350)),
            min: Some(Units::from_u16(5)),
        }),
        ["id"] => Command::RequestId(Identity {
            manufacturer: *b"VMC",
            serial: *b"000000000042",
            model: *b"VMC-1       ",
            version: 0x0107,
        }),
        ["poll"] => Command::Poll,
        ["request", ..] => Command::VendRequest {
            price: Units::from_u32(number(words, 1)),
            item: number(words, 2),
        },
        ["cancel"] => Command::VendCancel,
        ["success", ..] => Command::VendSuccess {
            item: number(words, 1),
        },
        ["failure"] => Command::VendFailure,
        ["complete"] => Command::SessionComplete,
        ["sale", ..] => Command::CashSale {
            price: Units::from_u32(number(words, 1)),
            item: number(words, 2),
        },
        ["disable"] => Command::Disable,
        ["enable"] => Command::Enable,
        ["stop"] => Command::ReaderCancel,
        ["limit"] => Command::RevalueLimit,
        ["revalue", ..] => Command::RevalueRequest {
            amount: Units::from_u32(number(words, 1)),
        },
        ["return", ..] => Command::NegativeVendRequest {
            value: Units::from_u32(number(words, 1)),
            item: number(words, 2),
        },
        ["basket", ..] => Command::BasketRequest {
            price: Units::from_u32(number(words, 1)),
            item: 0xFFFF,
            count: number(words, 2),
            options: Units::from_u32(number(words, 3)),
        },
        ["fell", ..] => Command::PartSuccess(part(words), None),
        ["stuck", ..] => Command::PartFailure(part(words), Reason::EMPTY),
        ["named", ..] => Command::VendSuccessNamed(NamedItem {
            selected: number(words, 1),
            dispensed: number(words, 2),
            selected_name: *b"A1    ",
            dispensed_name: *b"A2    ",
        }),
        ["refuse", ..] => Command::SelectionDenied {
            item: number(words, 1),
            reason: Reason::from_u8(number(words, 2)),
        },
        ["coupon", ..] => Command::CouponReply {
            usage: number(words, 1),
            item: number(words, 2),
            used: Units::from_u32(number(words, 3)),
        },
        ["type", keys] => {
            let mut bytes = [0; 8];
            let place = bytes.get_mut(..keys.len()).expect("eight keys at most");
            place.copy_from_slice(keys.as_bytes());
            Command::KeysTyped(Keys::from_bytes(bytes))
        }
        ["untyped"] => Command::KeysTyped(Keys::CALLED_OFF),
        ["time"] => Command::WriteTime(Clock::from_bytes([
            0x26, 0x02, 0x28, 0x23, 0x59, 0x58, 0x06, 0x09, 0x00, 0x00,
        ])),
        ["age", age] => Command::SetAge(age.parse().expect("an age")),
        ["age?"] => Command::AskAge,
        ["file", ..] => Command::File(Transfer::RequestToSend(file_request(words))),
        ["want", ..] => Command::File(Transfer::RequestToReceive(file_request(words))),
        ["piece", number, text] => Command::File(Transfer::Block {
            to: 0x10,
            number: number.parse().expect("a number"),
            piece: Block::of(text.trim_matches('.').as_bytes()).expect("a short text"),
        }),
        ["later", ..] => Command::File(Transfer::Retry {
            to: 0x10,
            from: 0,
            delay: number(words, 1),
        }),
        ["options", ..] => Command::EnableOptions(Options::from_u32(number(words, 1))),
        _ => panic!("a controller does not {words:?}"),
    }
}

fn part(words: &[&str]) -> Part {
    Part {
        item: number(words, 1),
        amount: Units::from_u32(number(words, 2)),
        left: number(words, 3),
        options: Units::ZERO,
    }
}

fn file_request(words: &[&str]) -> FileRequest {
    FileRequest {
        to: 0x10,
        from: 0,
        file: number(words, 1),
        blocks: number(words, 2),
        control: 0,
    }
}

fn said(reply: &Frame, layout: gettone_mdb::Layout) -> String {
    let bytes: Vec<u8> = reply.iter().map(|word| word.byte()).collect();
    let (sum, body) = bytes.split_last().expect("a reply has words");
    if body.is_empty() {
        assert_eq!(*sum, 0, "a lone word is an ACK");
        return "ack".to_owned();
    }
    let cents = Scale::new(1, Digits { bus: 2, minor: 2 }).expect("a good scale");
    let messages = Message::parse_all(body, layout);
    let lines = messages.map(|it| {
        it.expect("the device's level is spoken")
            .at(cents)
            .to_string()
    });
    lines.collect::<Vec<_>>().join(" + ")
}

pub(crate) fn tell(event: &Event) -> String {
    match event {
        Event::Reset { approval } => match approval {
            ApprovalState::None => "reset".to_owned(),
            ApprovalState::NotDelivered { tag } => format!("reset(undelivered {tag})"),
            ApprovalState::Delivered { tag } => format!("reset(delivered {tag})"),
        },
        Event::VendRequested {
            request,
            price,
            item,
        } => format!("asked {request} {price} item {item}"),
        Event::VendCancelled { request } => format!("withdrawn {request}"),
        Event::VendTimedOut { request } => format!("timed out {request}"),
        Event::ApprovalDelivered { tag } => format!("approval delivered {tag}"),
        Event::DenialDelivered { request } => format!("denial delivered {request}"),
        Event::VendSucceeded { tag, item } => format!("succeeded {tag} item {item}"),
        Event::VendFailed { tag } => format!("failed {tag}"),
        Event::ApprovalRefused { tag, refusal } => format!("refused {tag} {refusal:?}"),
        Event::SessionRefused(refusal) => format!("no session {refusal:?}"),
        Event::OutOfSequence { .. } => "out of sequence".to_owned(),
        Event::Configured { .. } => "configured".to_owned(),
        Event::Prices { max, min } => format!("prices {max:?} {min:?}"),
        Event::VmcId(identity) => format!("vmc {identity}"),
        Event::PriceRefused { item, price, why } => {
            format!("price {price:?} of {item} refused {why:?}")
        }
        Event::RevalueLimitAsked(request) => format!("asked limit {request}"),
        Event::RevalueAsked { request, amount } => format!("asked to take {request} {amount}"),
        Event::RevalueApprovalTaken { request } => format!("taken {request}"),
        Event::RevalueOver { request } => format!("over {request}"),
        Event::CashSold { price, item } => format!("cash sale {price} item {item}"),
        Event::SessionBegan => "session".to_owned(),
        Event::SessionCompleted => "completed".to_owned(),
        Event::EndTimedOut => "end timed out".to_owned(),
        Event::Enabled => "enabled".to_owned(),
        Event::Disabled => "disabled".to_owned(),
        Event::ReaderCancelled => "stopped".to_owned(),
        Event::OptionsEnabled(options) => format!("options {options}"),
        Event::ReturnAsked {
            request,
            value,
            item,
        } => format!("asked to credit {request} {value} item {item}"),
        Event::ReturnSucceeded { tag, item } => format!("taken back {tag} item {item}"),
        Event::ReturnFailed { tag } => format!("not taken back {tag}"),
        Event::BasketAsked { count, options } => format!("basket of {count} options {options}"),
        Event::ItemNamed(info) => format!("named {} for {}", info.dispensed, info.selected),
        Event::PartEnded {
            tag,
            item,
            amount,
            left,
            failed,
        } => match failed {
            None => format!("part {tag} item {item} {amount} left {left}"),
            Some(why) => format!("part {tag} item {item} {amount} left {left} {why}"),
        },
        Event::VendPartly { tag, charged, .. } => format!("partly {tag} {charged}"),
        Event::SelectionOver { item, why } => format!("no selection {item} {why:?}"),
        Event::CouponUsed { id, item, used } => format!("coupon {id} item {item} used {used:?}"),
        Event::KeysTyped(keys) => format!("typed {keys:?}"),
        Event::KeysOver => "no keys".to_owned(),
        Event::TimeTold(clock) => format!("it is {clock}"),
        Event::AgeLimit(age) => format!("from age {age}"),
        Event::FilePiece { number, piece } => {
            format!("piece {number} {}", piece.escape_ascii())
        }
        Event::FileOver(end) => format!("file {end:?}"),
        Event::AddressTaken => "address taken".to_owned(),
        Event::VmcSilent => "silent".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Plays a whole conversation from power-up; each line is `actor does this -> what comes of it`.
pub(crate) fn play(config: Config, script: &str) {
    Stage::new(config).on(script);
}

/// The same, from a session that has just begun.
pub(crate) fn play_in_session(config: Config, script: &str) {
    let mut stage = Stage::new(config);
    for line in IN_SESSION {
        stage.play(line);
    }
    assert_eq!(stage.device.state(), State::SessionIdle);
    stage.on(script);
}

impl Stage {
    /// Plays a conversation on from here.
    pub(crate) fn on(&mut self, script: &str) {
        let (mut played, mut expected) = (String::new(), String::new());
        for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let (left, right) = line.split_once("->").unwrap_or((line, ""));
            let (left, right) = (left.trim(), right.trim());
            let told = self.play(left);
            writeln!(expected, "{left:24} -> {right}").expect("a string takes all");
            writeln!(played, "{left:24} -> {told}").expect("a string takes all");
        }
        assert!(
            played == expected,
            "played:\n{played}\nexpected:\n{expected}"
        );
    }
}
