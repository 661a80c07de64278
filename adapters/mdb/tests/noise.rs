//! Nothing that a bus, a host or a person can do upsets either machine, and money stays in its order.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::time::Duration;

use gettone_mdb::cashless::{self, ApprovalState, Cashless, Event, Host, RequestNumber, State};
use gettone_mdb::vmc::{self, Operator, Vmc};
use gettone_mdb::{
    Address, Command, Frame, Level, Message, Options, Setup, Supply, Text, Units, Word,
};

const SEEDS: u64 = 200;
const STEPS: usize = 5_000;

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn word(&mut self) -> Word {
        let bits = u16::try_from(self.below(0x200)).expect("nine bits");
        Word::from_u16(bits).expect("nine bits")
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[0]
    }

    /// A step in time: mostly small, sometimes far beyond every patience, once in a while absurd.
    fn pause(&mut self) -> Duration {
        match self.below(1_000) {
            0 => Duration::from_secs(self.below(1_000)),
            1..=9 => Duration::from_millis(self.below(40_000)),
            _ => Duration::from_micros(self.below(10_000)),
        }
    }
}

/// A command of a controller without sense or memory, of few enough prices to meet itself again.
fn some_command(dice: &mut Dice) -> Vec<u8> {
    let price = Units::from_u16(100 + u16::from(dice.byte() % 2));
    let item = u16::from(dice.byte() % 2);
    let known = [
        Command::Reset,
        Command::Poll,
        Command::VendRequest { price, item },
        Command::VendCancel,
        Command::VendSuccess { item },
        Command::VendFailure,
        Command::SessionComplete,
        Command::CashSale { price, item },
        Command::Disable,
        Command::Enable,
        Command::ReaderCancel,
        Command::RevalueLimit,
        Command::RevalueRequest { amount: price },
        Command::EnableOptions(Options::FILE_TRANSPORT),
    ];
    let at = usize::try_from(dice.below(24)).expect("a small number");
    match known.get(at) {
        // Rarely, or nothing but resets would happen.
        Some(Command::Reset) if dice.below(8) > 0 => Command::Poll.print(Address::First).to_vec(),
        Some(command) => command.print(Address::First).to_vec(),
        None if at < 18 => vec![0x11, dice.byte() % 2, dice.byte(), 16, dice.byte(), 0],
        None if at < 20 => Command::Poll.print(Address::First).to_vec(),
        None => {
            let len = dice.below(34);
            let mut bytes = vec![0x10 | (dice.byte() & 7)];
            bytes.extend((0..len).map(|_| dice.byte()));
            bytes
        }
    }
}

fn framed(bytes: &[u8], marked: usize) -> Vec<Word> {
    let sum = gettone_mdb::checksum(bytes);
    let words = bytes.iter().chain([&sum]).enumerate();
    let words = words.map(|(at, byte)| {
        let mode = match at == marked {
            true => gettone_mdb::Mode::Address,
            false => gettone_mdb::Mode::Data,
        };
        Word::new(mode, *byte)
    });
    words.collect()
}

/// What the host has been told, to see that it makes sense.
#[derive(Default)]
struct Ledger {
    asked: Vec<RequestNumber>,
    /// Handed to the device, which may still refuse it.
    submitted: Option<u64>,
    open: Option<u64>,
    delivered: Option<u64>,
    approvals: u64,
    settled: u64,
    /// The cash question that has not ended, and whether the host has said yes.
    cash: Option<(RequestNumber, Granted)>,
    credited: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Granted {
    No,
    Yes,
}

impl Ledger {
    fn note(&mut self, event: &Event, what: &str) {
        match event {
            Event::VendRequested { request, .. } => {
                assert_eq!(self.open, None, "asked inside an approved vend, {what}");
                self.asked.push(*request);
            }
            Event::ApprovalDelivered { tag } => {
                assert_eq!(self.open, Some(*tag), "{what}");
                assert_eq!(
                    self.delivered.replace(*tag),
                    None,
                    "delivered twice, {what}"
                );
            }
            Event::VendSucceeded { tag, .. } | Event::VendFailed { tag } => {
                assert_eq!(self.delivered.take(), Some(*tag), "settled unheard, {what}");
                assert_eq!(self.open.take(), Some(*tag), "{what}");
                self.settled += 1;
            }
            Event::VendCancelled { .. } => {
                assert_eq!(self.delivered, None, "cancelled when heard, {what}");
                self.open = None;
            }
            Event::RevalueAsked { request, .. } => {
                assert_eq!(
                    self.cash, None,
                    "asked for cash inside a cash question, {what}"
                );
                self.cash = Some((*request, Granted::No));
            }
            Event::RevalueApprovalTaken { request } => {
                let open = self.cash.take();
                assert_eq!(open, Some((*request, Granted::Yes)), "{what}");
                self.credited += 1;
            }
            Event::RevalueOver { request } => {
                let open = self.cash.take().map(|(open, _)| open);
                assert_eq!(open, Some(*request), "over that was not open, {what}");
            }
            Event::Reset { approval } => {
                assert_eq!(self.cash, None, "cash open after a reset, {what}");
                let expected = match (self.open.take(), self.delivered.take()) {
                    (_, Some(tag)) => ApprovalState::Delivered { tag },
                    (Some(tag), None) => ApprovalState::NotDelivered { tag },
                    (None, None) => ApprovalState::None,
                };
                assert_eq!(*approval, expected, "{what}");
            }
            Event::ApprovalRefused { tag, .. } => {
                assert_eq!(self.submitted.take(), Some(*tag), "{what}");
            }
            _ => {}
        }
    }

    fn approve(&mut self) -> Option<Host> {
        let request = self.asked.last().copied()?;
        if self.open.is_some() {
            return None;
        }
        self.approvals += 1;
        self.submitted = Some(self.approvals);
        Some(Host::Approve {
            request,
            amount: 100,
            tag: self.approvals,
        })
    }

    fn take_cash(&mut self) -> Option<Host> {
        let (request, granted) = self.cash.as_mut()?;
        *granted = Granted::Yes;
        let request = *request;
        Some(Host::ApproveRevalue { request })
    }

    /// A denial the device took ends its question without a word more.
    fn denied(&mut self, request: RequestNumber) {
        if self.cash == Some((request, Granted::No)) {
            self.cash = None;
        }
    }

    fn host(&mut self, dice: &mut Dice) -> Host {
        let newest = self.asked.last().copied();
        match (dice.below(8), newest) {
            (0, _) => Host::BeginSession {
                funds: u32::from_be_bytes([0, 0, dice.byte(), dice.byte()]),
            },
            (1, _) => Host::CancelSession,
            (2, Some(request)) => Host::Deny { request },
            (3, _) => self.approve().unwrap_or(Host::CancelSession),
            (6, _) => self.take_cash().unwrap_or(Host::CancelSession),
            (7, _) => match self.cash {
                Some((request, _)) => Host::DenyRevalue { request },
                None => Host::EndSession,
            },
            (4, _) => Host::Show {
                text: Text::fitted("Credit 12.00 \u{20AC}", dice.byte(), dice.byte()),
                during: Duration::from_secs(dice.below(60)),
            },
            _ => Host::Malfunction { code: dice.byte() },
        }
    }
}

/// What a controller in its senses would say next.
fn forward(state: State, dice: &mut Dice) -> Command {
    let (price, item) = (Units::from_u16(100), 1);
    match state {
        State::Inactive => Command::Setup(Setup {
            level: if dice.below(3) == 0 {
                Level::One
            } else {
                Level::Two
            },
            supply: Supply::Mains,
            columns: 16,
            rows: 2,
            display: 0,
        }),
        State::Disabled => Command::Enable,
        State::Enabled => Command::Poll,
        State::SessionIdle if dice.below(3) == 0 => Command::RevalueRequest { amount: price },
        State::Revalue | State::NegativeVend => Command::Poll,
        State::SessionIdle => Command::VendRequest { price, item },
        State::Vend if dice.below(2) == 0 => Command::Poll,
        State::Vend => Command::VendSuccess { item },
    }
}

#[test]
fn no_controller_however_mad_upsets_the_device_or_the_order_of_its_money() {
    let (mut settled, mut credited) = (0, 0);
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut device = Cashless::new(cashless::Config {
            max_response_s: 10,
            ..cashless::Config::default()
        })
        .expect("a consistent configuration");
        let (mut now, mut ledger) = (Duration::ZERO, Ledger::default());
        for step in 0..STEPS {
            let what = format!("seed {seed} step {step}");
            now = now.saturating_add(dice.pause());
            let ack = cashless::Input::Word(Word::from_u16(0).expect("an acknowledgement"));
            let inputs: Vec<cashless::Input> = match dice.below(20) {
                // Now and then everybody does what leads on, or nothing would ever be sold.
                16.. => {
                    let step = forward(device.state(), &mut dice);
                    let host = match device.state() {
                        State::Enabled => Some(Host::BeginSession { funds: 500 }),
                        State::Vend => Some(ledger.approve()).flatten(),
                        State::Revalue => ledger.take_cash(),
                        _ => None,
                    };
                    let host = host.map(cashless::Input::Host);
                    let words = framed(&step.print(Address::First), 0);
                    let words = words.into_iter().map(cashless::Input::Word);
                    host.into_iter().chain(words).chain([ack]).collect()
                }
                0 => vec![cashless::Input::Word(dice.word())],
                1 => vec![cashless::Input::Tick],
                2 if dice.below(50) == 0 => vec![cashless::Input::Break],
                3..=6 => vec![cashless::Input::Host(ledger.host(&mut dice))],
                7..=10 => vec![ack],
                _ => {
                    let words = framed(&some_command(&mut dice), 0);
                    words.into_iter().map(cashless::Input::Word).collect()
                }
            };
            for input in inputs {
                device.handle(now, input);
                let mut sent = 0;
                while let Some(output) = device.poll() {
                    match output {
                        cashless::Output::Send(reply) => sent += usize::from(!reply.is_empty()),
                        cashless::Output::Event(event) => {
                            assert_eq!(sent, 0, "an event after the answer, {what}");
                            ledger.note(&event, &what);
                        }
                    }
                }
                assert!(sent <= 1, "one answer at most, {what}");
                if let cashless::Input::Host(Host::DenyRevalue { request }) = input {
                    ledger.denied(request);
                }
                if matches!(input, cashless::Input::Host(Host::Approve { .. })) {
                    ledger.open = ledger.submitted.take();
                }
            }
        }
        settled += ledger.settled;
        credited += ledger.credited;
    }
    assert!(
        settled > SEEDS,
        "the noise hardly ever sold anything: {settled}"
    );
    assert!(
        credited > SEEDS,
        "the noise hardly ever paid anything in: {credited}"
    );
}

/// A reply of a reader without sense or memory.
fn some_reply(dice: &mut Dice) -> Vec<Word> {
    let mut bytes = Vec::new();
    let count = match dice.below(4) {
        0 => dice.below(36),
        _ => 1,
    };
    while bytes.len() < usize::try_from(count).expect("a small number") {
        let code = dice.byte() % 16;
        bytes.push(code);
        let fields = match code {
            1 => vec![1, 0x19, 0x78, 1, 2, 5, 0],
            3 | 5 => vec![0, dice.byte()],
            9 => vec![b'A'; 29],
            10 => vec![dice.byte()],
            _ => Vec::new(),
        };
        bytes.extend(fields);
    }
    bytes.truncate(35);
    let marked = bytes.len();
    framed(&bytes, marked)
}

/// What a reader in its senses would say to that.
fn sensible_reply(said: &Frame, state: vmc::State) -> Vec<Word> {
    let bytes: Vec<u8> = said.iter().map(|word| word.byte()).collect();
    let body = bytes.split_last().map_or(&[][..], |(_, body)| body);
    let reply: &[u8] = match (Command::parse(Address::First, body), state) {
        (Ok(Command::Poll), vmc::State::Starting) => &[0],
        (Ok(Command::Poll), vmc::State::Enabled) => &[3, 0, 200],
        (Ok(Command::Setup(_)), _) => &[1, 1, 0x19, 0x78, 1, 2, 5, 0],
        (Ok(Command::RequestId(_)), _) => &[9; 30],
        (Ok(Command::VendRequest { .. }), _) => &[5, 0, 100],
        (Ok(Command::SessionComplete), _) => &[7],
        _ => return vec![Word::new(gettone_mdb::Mode::Address, 0)],
    };
    framed(reply, reply.len())
}

#[test]
fn no_reader_however_mad_upsets_the_controller() {
    let mut dispensed = 0;
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut controller = Vmc::new(vmc::Config::default());
        let mut now = Duration::ZERO;
        let mut said = Frame::from_controller(&Command::Poll.print(Address::First));
        // Some readers are madder than others.
        let senses = 12 + seed % 40;
        for step in 0..STEPS {
            now = now.saturating_add(dice.pause());
            let operators = [
                Operator::PowerUp,
                Operator::Select {
                    price: u32::from(dice.byte()),
                    item: 1,
                },
                Operator::Dispensed,
                Operator::Jammed,
                Operator::Return,
                Operator::InsertCash,
                Operator::DisableReader,
                Operator::EnableReader,
            ];
            let inputs: Vec<vmc::Input> = match dice.below(senses) {
                0 => vec![vmc::Input::Word(dice.word())],
                1..=5 => {
                    now = now.max(controller.next_deadline().unwrap_or(now));
                    vec![vmc::Input::Tick]
                }
                6 => {
                    let at = usize::try_from(dice.below(8)).expect("a small number");
                    vec![vmc::Input::Operator(operators[at])]
                }
                12.. => {
                    let reply = sensible_reply(&said, controller.state());
                    reply.into_iter().map(vmc::Input::Word).collect()
                }
                _ => some_reply(&mut dice)
                    .into_iter()
                    .map(vmc::Input::Word)
                    .collect(),
            };
            for input in inputs {
                controller.handle(now, input);
                let mut sent = 0;
                while let Some(output) = controller.poll() {
                    match output {
                        vmc::Output::Send(frame) => {
                            assert!(!frame.is_empty(), "seed {seed} step {step}");
                            said = frame;
                            sent += 1;
                        }
                        vmc::Output::Break => sent += 1,
                        vmc::Output::Event(event) => {
                            assert_eq!(sent, 0, "an event after the answer, seed {seed}");
                            let motors = matches!(event, vmc::Event::Dispense { .. });
                            dispensed += u64::from(motors);
                        }
                    }
                }
                assert!(
                    sent <= 1,
                    "one thing to send at most, seed {seed} step {step}"
                );
            }
        }
    }
    assert!(
        dispensed > 10,
        "the noise hardly ever sold anything: {dispensed}"
    );
}

#[test]
fn a_block_of_thirty_five_messages_is_no_trouble() {
    let mut controller = Vmc::new(vmc::Config::default());
    let full = [Message::SessionCancel; 35];
    let frame = Message::join(&full).expect("a full block");
    assert_eq!(Message::join(&[Message::SessionCancel; 36]), None);
    controller.handle(Duration::ZERO, vmc::Input::Operator(Operator::PowerUp));
    let mut now = Duration::ZERO;
    for _ in 0..100 {
        while controller.poll().is_some() {}
        now = controller.next_deadline().expect("it is on").max(now);
        controller.handle(now, vmc::Input::Tick);
        while controller.poll().is_some() {}
        for word in frame.iter() {
            controller.handle(now, vmc::Input::Word(*word));
            while controller.poll().is_some() {}
        }
    }
}
