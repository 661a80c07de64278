//! The five ways in which readers fail in the field, each with the machine that shows it.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::collections::VecDeque;
use std::time::Duration;

use gettone_mdb::bounds::{REPLY_MAX, WORD_TIME};
use gettone_mdb::cashless::{
    self, Answer, Answers, Cashless, Completion, Event, Host, RequestNumber, State,
};
use gettone_mdb::vmc::{self, Completes, Operator, Takes, Vmc};
use gettone_mdb::{Address, Command, Frame, Level, Options, Units, Word};

/// What the host of the reader does with a session after a vend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    AfterVend,
    Never,
}

/// Which words of the bus are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Nothing,
    /// So many of the machine's ACKs of data, one after the other.
    MachineAcks(u32),
    /// So many of the reader's bare ACKs, one after the other.
    ReaderAcks(u32),
}

/// A machine and a reader on one bus, with a host that approves everything at once.
struct Bus {
    vmc: Vmc,
    device: Cashless,
    now: Duration,
    leave: Leave,
    lost: Lost,
    funds: u32,
    asked: Option<RequestNumber>,
    vends: u64,
    /// What the reader learned, and what the machine did.
    learned: Vec<Event>,
    seen: Vec<vmc::Event>,
    /// Every block that the reader sent.
    blocks: Vec<Vec<u8>>,
}

impl Bus {
    fn new(machine: vmc::Config, reader: cashless::Config) -> Self {
        let mut bus = Self {
            vmc: Vmc::new(machine),
            device: Cashless::new(reader).expect("a consistent configuration"),
            now: Duration::from_secs(1),
            leave: Leave::AfterVend,
            lost: Lost::Nothing,
            funds: 1_000,
            asked: None,
            vends: 0,
            learned: Vec::new(),
            seen: Vec::new(),
            blocks: Vec::new(),
        };
        bus.operate(Operator::PowerUp);
        bus
    }

    fn operate(&mut self, operator: Operator) {
        self.vmc(vmc::Input::Operator(operator));
    }

    /// Lets so much time pass.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            let due = [self.vmc.next_deadline(), self.device.next_deadline()];
            let due = due.into_iter().flatten().min().unwrap_or(until);
            self.now = self.now.max(due.min(until));
            self.vmc(vmc::Input::Tick);
            self.device(cashless::Input::Tick);
            self.now += Duration::from_micros(1);
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    fn vmc(&mut self, input: vmc::Input) {
        let mut to_vmc = VecDeque::from([input]);
        while let Some(input) = to_vmc.pop_front() {
            self.vmc.handle(self.now, input);
            let mut dispensed = false;
            while let Some(output) = self.vmc.poll() {
                match output {
                    vmc::Output::Event(event) => {
                        dispensed |= matches!(event, vmc::Event::Dispense { .. });
                        self.seen.push(event);
                    }
                    vmc::Output::Send(frame) => to_vmc.extend(self.carry(&frame)),
                    vmc::Output::Break => to_vmc.extend(self.device(cashless::Input::Break)),
                }
            }
            if dispensed {
                to_vmc.push_back(vmc::Input::Operator(Operator::Dispensed));
            }
        }
    }

    /// The machine's words to the reader, and the reader's back.
    fn carry(&mut self, frame: &Frame) -> Vec<vmc::Input> {
        if let (Lost::MachineAcks(left @ 1..), [ack]) = (self.lost, &frame[..])
            && ack.byte() == gettone_mdb::ACK
        {
            self.lost = Lost::MachineAcks(left - 1);
            return Vec::new();
        }
        let mut back = Vec::new();
        for word in frame.iter() {
            back.extend(self.device(cashless::Input::Word(*word)));
        }
        back
    }

    fn device(&mut self, input: cashless::Input) -> Vec<vmc::Input> {
        let mut back = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.device.handle(self.now, input);
            while let Some(output) = self.device.poll() {
                match output {
                    cashless::Output::Event(event) => {
                        inputs.extend(self.host(event).map(cashless::Input::Host));
                        self.learned.push(event);
                    }
                    cashless::Output::Send(reply) => back.extend(self.answer(&reply)),
                }
            }
        }
        back
    }

    fn answer(&mut self, reply: &Frame) -> Vec<vmc::Input> {
        if let [ack] = &reply[..] {
            if let Lost::ReaderAcks(left @ 1..) = self.lost
                && ack.byte() == gettone_mdb::ACK
            {
                self.lost = Lost::ReaderAcks(left - 1);
                return Vec::new();
            }
        } else {
            let bytes = reply.iter().map(|word| word.byte());
            self.blocks.push(bytes.collect());
        }
        reply.iter().copied().map(vmc::Input::Word).collect()
    }

    fn host(&mut self, event: Event) -> Option<Host> {
        match event {
            Event::Enabled | Event::SessionCompleted => {
                Some(Host::BeginSession { funds: self.funds })
            }
            Event::VendRequested { request, price, .. } => {
                self.vends += 1;
                self.asked = Some(request);
                let (amount, tag) = (price, self.vends);
                Some(Host::Approve {
                    request,
                    amount,
                    tag,
                })
            }
            Event::VendSucceeded { .. } if self.leave == Leave::AfterVend => {
                Some(Host::CancelSession)
            }
            _ => None,
        }
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.learned.iter().filter(|it| wanted(it)).count()
    }

    fn saw(&self, wanted: impl Fn(&vmc::Event) -> bool) -> usize {
        self.seen.iter().filter(|it| wanted(it)).count()
    }
}

fn machine(level: Level) -> vmc::Config {
    vmc::Config {
        level,
        ..vmc::Config::default()
    }
}

fn reader(level: Level) -> cashless::Config {
    cashless::Config {
        level,
        ..cashless::Config::default()
    }
}

fn is_sold(event: &Event) -> bool {
    matches!(event, Event::VendSucceeded { .. })
}

/// A reader in a session, to which a VEND REQUEST is said, and the verdict comes so much later.
fn decided_after(late: Duration) -> (Vec<Word>, Cashless, Duration) {
    let mut bus = Bus::new(
        machine(Level::One),
        cashless::Config {
            answers: Answers {
                vend: Answer::Immediate,
                ..Answers::default()
            },
            ..reader(Level::One)
        },
    );
    bus.seconds(3);
    assert_eq!(bus.device.state(), State::SessionIdle);
    let (mut device, mut now) = (bus.device.clone(), bus.now);
    let (price, item) = (Units::from_u16(100), 5);
    let request = Command::VendRequest { price, item }.print(Address::First);
    let mut asked = None;
    for word in Frame::from_controller(&request).iter() {
        now += WORD_TIME;
        device.handle(now, cashless::Input::Word(*word));
        while let Some(output) = device.poll() {
            if let cashless::Output::Event(Event::VendRequested { request, .. }) = output {
                asked = Some(request);
            }
        }
    }
    now += late;
    let approve = Host::Approve {
        request: asked.expect("a question"),
        amount: 100,
        tag: 1,
    };
    device.handle(now, cashless::Input::Host(approve));
    (sent(&mut device), device, now)
}

fn sent(device: &mut Cashless) -> Vec<Word> {
    let mut words = Vec::new();
    while let Some(output) = device.poll() {
        if let cashless::Output::Send(reply) = output {
            words.extend_from_slice(&reply);
        }
    }
    words
}

fn polled(device: &mut Cashless, mut now: Duration) -> Vec<Word> {
    let mut words = Vec::new();
    for word in Frame::from_controller(&Command::Poll.print(Address::First)).iter() {
        now += WORD_TIME;
        device.handle(now, cashless::Input::Word(*word));
        words.extend(sent(device));
    }
    words
}

#[test]
fn a_late_reply_waits_for_the_next_poll_and_never_talks_into_the_line() {
    // In time: the approval itself answers the request.
    let (words, ..) = decided_after(Duration::from_millis(1));
    assert_eq!(
        words.len(),
        4,
        "VEND APPROVED of level 1, with its checksum"
    );
    // Too late by a hair, and far too late: nothing is said until the machine asks again.
    for late in [
        REPLY_MAX + Duration::from_micros(1),
        Duration::from_millis(400),
    ] {
        let (words, mut device, now) = decided_after(late);
        assert_eq!(words, [], "the machine may be talking by now, {late:?}");
        let words = polled(&mut device, now + Duration::from_millis(100));
        assert_eq!(
            words.first().map(|word| word.byte()),
            Some(0x05),
            "{late:?}"
        );
    }
}

#[test]
fn begin_session_is_as_long_as_this_machine_reads_it() {
    let wide = Options::WIDE_MONEY;
    for (machine_level, reader_level, options, len) in [
        (Level::One, Level::Three, Options::NONE, 3),
        (Level::Two, Level::One, Options::NONE, 3),
        (Level::Two, Level::Three, Options::NONE, 10),
        (Level::Three, Level::Two, Options::NONE, 10),
        (Level::Three, Level::Three, Options::ALWAYS_IDLE, 10),
        (Level::Three, Level::Three, wide, 17),
        (Level::Three, Level::Three, Options::CURRENCIES, 17),
    ] {
        let mut bus = Bus::new(
            vmc::Config {
                options,
                ..machine(machine_level)
            },
            cashless::Config {
                options: match reader_level {
                    Level::Three => Options::ALL,
                    Level::One | Level::Two => Options::NONE,
                },
                ..reader(reader_level)
            },
        );
        bus.seconds(4);
        let begun = bus.blocks.iter().filter(|block| block[0] == 0x03);
        let lens: Vec<usize> = begun.map(|block| block.len() - 1).collect();
        assert_eq!(lens, [len], "{machine_level:?} {reader_level:?} {options}");
        let funds = Some(1_000);
        let seen = bus.saw(|event| *event == vmc::Event::SessionBegan { funds });
        assert_eq!(seen, 1, "the machine shows the credit, {options}");
    }
}

#[test]
fn a_session_of_the_length_of_another_machine_is_never_sent() {
    // Queued for a machine of level 1, while one of level 2 sets the reader up anew.
    let mut bus = Bus::new(machine(Level::One), reader(Level::Two));
    bus.seconds(3);
    let first = bus.blocks.iter().filter(|block| block[0] == 0x03).count();
    assert_eq!(first, 1);
    bus.vmc = Vmc::new(machine(Level::Two));
    bus.blocks.clear();
    bus.operate(Operator::PowerUp);
    bus.seconds(4);
    let begun = bus.blocks.iter().filter(|block| block[0] == 0x03);
    assert_eq!(begun.map(|block| block.len() - 1).collect::<Vec<_>>(), [10]);
}

#[test]
fn lost_acks_neither_vend_twice_nor_lose_a_vend() {
    for lost in (1..=4).flat_map(|n| [Lost::MachineAcks(n), Lost::ReaderAcks(n)]) {
        let mut bus = Bus::new(machine(Level::Two), reader(Level::Two));
        bus.seconds(3);
        for vend in 1..=3 {
            bus.operate(Operator::Select {
                price: 120,
                item: 7,
            });
            bus.lost = lost;
            bus.seconds(8);
            bus.lost = Lost::Nothing;
            bus.seconds(8);
            assert_eq!(bus.count(is_sold), vend, "{lost:?}");
        }
        assert_eq!(bus.vends, 3, "one question for each, {lost:?}");
        let dispensed = bus.saw(|event| matches!(event, vmc::Event::Dispense { .. }));
        assert_eq!(dispensed, 3, "{lost:?}");
        let restarts = bus.saw(|event| matches!(event, vmc::Event::Restarting(_)));
        assert_eq!(restarts, 1, "no reset but that of power-up, {lost:?}");
    }
}

/// Whether a vend goes through between a machine that takes answers one way and a reader that gives them one way.
fn sells(takes: Takes, answers: Answers) -> bool {
    let mut bus = Bus::new(
        vmc::Config {
            takes,
            ..machine(Level::Two)
        },
        cashless::Config {
            answers,
            ..reader(Level::Two)
        },
    );
    bus.seconds(5);
    bus.operate(Operator::Select { price: 80, item: 2 });
    bus.seconds(10);
    let ended = bus.saw(|event| *event == vmc::Event::SessionEnded);
    bus.count(is_sold) == 1 && ended >= 1
}

#[test]
fn each_kind_of_machine_sells_with_the_answers_that_are_set_for_it() {
    let all = |answer, complete| Answers {
        vend: answer,
        revalue: answer,
        setup: answer,
        identity: answer,
        complete,
        cancel: answer,
        age: answer,
    };
    let at_once = all(Answer::Immediate, Completion::Immediate);
    let later = all(Answer::Deferred, Completion::Deferred);
    for answers in [at_once, later, Answers::default()] {
        assert!(sells(Takes::Both, answers), "{answers:?}");
    }
    assert!(sells(Takes::AtOnce, Answers::default()), "as it comes");
    assert!(sells(Takes::AtOnce, at_once));
    assert!(sells(Takes::Later, later));
    // The setting is what does it.
    assert!(!sells(Takes::AtOnce, later));
    assert!(!sells(Takes::Later, at_once));
}

#[test]
fn a_session_that_the_machine_leaves_open_is_ended_by_the_reader() {
    let waits = vmc::Config {
        completes: Completes::OnRequest,
        ..machine(Level::Two)
    };
    let two = |leave| {
        let mut bus = Bus::new(waits, reader(Level::Two));
        bus.leave = leave;
        bus.seconds(3);
        for _ in 0..2 {
            bus.operate(Operator::Select { price: 80, item: 2 });
            bus.seconds(5);
        }
        bus
    };
    let bus = two(Leave::AfterVend);
    let ended = |bus: &Bus| bus.saw(|event| *event == vmc::Event::SessionEnded);
    assert_eq!((bus.count(is_sold), ended(&bus)), (2, 2));
    assert_eq!(bus.count(|event| *event == Event::SessionBegan), 3);
    // A reader that does not ask stays in its first customer's session for ever.
    let bus = two(Leave::Never);
    assert_eq!(ended(&bus), 0);
    assert_eq!(bus.count(|event| *event == Event::SessionBegan), 1);
}

#[test]
fn a_machine_that_never_ends_a_session_gives_nobody_the_credit_of_the_last_one() {
    let never = vmc::Config {
        completes: Completes::Never,
        ..machine(Level::Two)
    };
    let mut bus = Bus::new(never, reader(Level::Two));
    bus.seconds(3);
    bus.operate(Operator::Select { price: 80, item: 2 });
    bus.seconds(60);
    assert_eq!(bus.count(is_sold), 1);
    // The next customer is refused until the machine lets the first one go.
    let funds = 50;
    bus.device(cashless::Input::Host(Host::BeginSession { funds }));
    let busy = Event::SessionRefused(cashless::SessionRefusal::Busy);
    assert_eq!(bus.count(|event| *event == busy), 1);
    bus.funds = funds;
    bus.operate(Operator::Restart);
    bus.seconds(5);
    let funds = Some(funds);
    assert_eq!(bus.seen.last(), Some(&vmc::Event::SessionBegan { funds }));
}
