//! A device and a controller on one bus; the tape is the script of what people do and of what the wire does to each
//! frame. Nothing is sold twice or invented, and on a healed bus one restart brings both in step.
#![cfg_attr(fuzzing, no_main)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gettone_fuzz::{Tape, target};
use gettone_mdb::cashless::{self, Answer, Answers, Cashless, Completion, Host};
use gettone_mdb::vmc::{self, Operator, State, Timing, Vmc};
use gettone_mdb::{Command, Frame, ItemOptions, Level, Options, Reason, Word};

const WORD_TIME: Duration = Duration::from_micros(1_146);
/// Steps of a script; each lets the bus go on for a while.
const STEPS_MAX: usize = 96;
/// How long the machine may take to be in step again, and the exchanges of it.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// What the wire does to frames from here on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Good,
    Loses,
    Garbles(u8),
}

struct Street {
    now: Duration,
    device: Cashless,
    controller: Vmc,
    wire: Wire,
    /// How many frames it still strikes.
    strikes: u8,
    price: u32,
    tag: u64,
    prices: BTreeMap<u64, u32>,
    /// Prices that the host approved, that the machine dispensed, that were charged.
    approved: BTreeSet<u32>,
    dispensed: BTreeSet<u32>,
    charged: BTreeSet<u32>,
    decisions: Vec<(cashless::RequestNumber, u32)>,
    dispensing: Option<u32>,
    cash: Vec<(cashless::RequestNumber, u32)>,
    wished: Option<u16>,
}

impl Street {
    fn new(tape: &mut Tape<'_>) -> Self {
        let level = tape.one_of(&[Level::Three, Level::Two]);
        let options = match level {
            Level::Three => Options::from_u32(u32::from(!tape.u16())).and(Options::ALL),
            Level::One | Level::Two => Options::NONE,
        };
        let answer = |tape: &mut Tape<'_>| tape.one_of(&[Answer::Deferred, Answer::Immediate]);
        let answers = Answers {
            vend: answer(tape),
            revalue: answer(tape),
            complete: tape.one_of(&[Completion::Immediate, Completion::Deferred]),
            ..Answers::default()
        };
        let device = cashless::Config {
            level,
            options,
            answers,
            max_response_s: 5,
            multivend: tape.flag(),
            ..cashless::Config::default()
        };
        let controller = vmc::Config {
            level,
            options,
            garbled: tape.one_of(&[vmc::Garbled::Nak, vmc::Garbled::Ret, vmc::Garbled::Silence]),
            completes: tape.one_of(&[
                vmc::Completes::AsReaderSays,
                vmc::Completes::AfterEachVend,
                vmc::Completes::OnRequest,
            ]),
            timing: Timing {
                reset_gap: Duration::from_secs(2),
                deferred_max: Duration::from_secs(6),
                ..Timing::default()
            },
            ..vmc::Config::default()
        };
        let mut street = Self {
            now: Duration::ZERO,
            device: Cashless::new(device).expect("a consistent configuration"),
            controller: Vmc::new(controller),
            wire: Wire::Good,
            strikes: 0,
            price: 100,
            tag: 0,
            prices: BTreeMap::new(),
            approved: BTreeSet::new(),
            dispensed: BTreeSet::new(),
            charged: BTreeSet::new(),
            decisions: Vec::new(),
            dispensing: None,
            cash: Vec::new(),
            wished: None,
        };
        street.operate(Operator::PowerUp);
        street
    }

    /// What of a frame arrives.
    fn carried(&mut self, frame: &Frame) -> Vec<Word> {
        let mut words = frame.to_vec();
        if self.strikes == 0 {
            return words;
        }
        self.strikes -= 1;
        match self.wire {
            Wire::Good => {}
            Wire::Loses => words.clear(),
            Wire::Garbles(bits) => {
                let at = usize::from(bits >> 4) % words.len();
                let mask = 1 << (bits % 9);
                let word = words[at].to_u16() ^ mask;
                words[at] = Word::from_u16(word).expect("nine bits");
            }
        }
        words
    }

    fn tell_device(&mut self, input: cashless::Input) {
        self.device.handle(self.now, input);
        let mut reply = None;
        while let Some(output) = self.device.poll() {
            match output {
                cashless::Output::Send(frame) => reply = Some(frame),
                cashless::Output::Event(event) => self.reported(event),
            }
        }
        if let Some(frame) = reply {
            for word in self.carried(&frame) {
                self.now += WORD_TIME;
                self.tell_controller(vmc::Input::Word(word));
            }
        }
    }

    fn charge(&mut self, tag: u64) {
        let price = self.prices[&tag];
        assert!(self.approved.contains(&price), "charged what was approved");
        assert!(self.charged.insert(price), "charged once");
    }

    fn reported(&mut self, event: cashless::Event) {
        use cashless::{ApprovalState, Event};
        match event {
            Event::VendRequested { request, price, .. }
            | Event::ReturnAsked {
                request,
                value: price,
                ..
            } => self.decisions.push((request, price)),
            Event::RevalueAsked { request, amount } => self.cash.push((request, amount)),
            Event::VendSucceeded { tag, .. } => {
                let price = self.prices[&tag];
                assert!(self.dispensed.contains(&price), "a success was a product");
                self.charge(tag);
            }
            Event::ReturnSucceeded { tag, .. } | Event::VendPartly { tag, .. } => self.charge(tag),
            Event::Reset {
                approval: ApprovalState::Delivered { tag },
            } => self.charge(tag),
            _ => {}
        }
    }

    fn tell_controller(&mut self, input: vmc::Input) {
        self.controller.handle(self.now, input);
        let mut sending = None;
        while let Some(output) = self.controller.poll() {
            match output {
                vmc::Output::Send(frame) => sending = Some(frame),
                vmc::Output::Break => {
                    self.now += Duration::from_millis(100);
                    self.tell_device(cashless::Input::Break);
                }
                vmc::Output::Event(
                    vmc::Event::Dispense { amount, .. } | vmc::Event::TakeBack { amount, .. },
                ) => {
                    let price = amount.expect("no tokens here");
                    assert!(
                        self.approved.contains(&price),
                        "dispensed what was approved"
                    );
                    self.dispensing = Some(price);
                }
                vmc::Output::Event(vmc::Event::SelectionAsked { item, .. }) => {
                    self.wished = Some(item);
                }
                vmc::Output::Event(_) => {}
            }
        }
        if let Some(frame) = sending {
            for word in self.carried(&frame) {
                self.now += WORD_TIME;
                self.tell_device(cashless::Input::Word(word));
            }
        }
    }

    fn operate(&mut self, operator: Operator) {
        self.tell_controller(vmc::Input::Operator(operator));
    }

    fn host(&mut self, host: Host) {
        self.tell_device(cashless::Input::Host(host));
    }

    /// Lets the bus go on for so long.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let of_device = self.device.next_deadline();
            let of_controller = self.controller.next_deadline();
            let next = of_device.into_iter().chain(of_controller).min();
            let Some(next) = next.filter(|it| *it <= end) else {
                self.now = self.now.max(end);
                return;
            };
            self.now = self.now.max(next);
            if of_device == Some(next) {
                self.tell_device(cashless::Input::Tick);
            } else {
                self.tell_controller(vmc::Input::Tick);
            }
        }
    }

    fn new_price(&mut self) -> u32 {
        self.price += 1;
        self.price
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.below(24) {
            0 | 1 => self.pass(Duration::from_millis(120)),
            2 => self.pass(Duration::from_millis(tape.byte().into())),
            3 => self.pass(Duration::from_secs(u64::from(tape.below(16)))),
            4 => self.host(Host::BeginSession { funds: 60_000 }),
            5 => {
                let (price, item) = (self.new_price(), tape.u16());
                self.operate(Operator::Select { price, item });
            }
            6 => {
                if let Some((request, price)) = self.decisions.pop() {
                    self.tag += 1;
                    let tag = self.tag;
                    self.prices.insert(tag, price);
                    self.approved.insert(price);
                    self.host(Host::Approve {
                        request,
                        amount: price,
                        tag,
                    });
                }
            }
            7 => {
                if let Some((request, _)) = self.decisions.pop() {
                    self.host(Host::Deny { request });
                }
            }
            8 => {
                if let Some(price) = self.dispensing.take() {
                    self.dispensed.insert(price);
                    self.operate(Operator::Dispensed);
                }
            }
            9 => {
                self.dispensing = None;
                self.operate(Operator::Jammed);
            }
            10 => self.operate(Operator::Return),
            11 => self.operate(Operator::InsertCash),
            12 => {
                let amount = self.new_price();
                self.operate(Operator::Revalue { amount });
            }
            13 => {
                if let Some((request, _)) = self.cash.pop() {
                    self.host(match tape.flag() {
                        true => Host::DenyRevalue { request },
                        false => Host::ApproveRevalue { request },
                    });
                }
            }
            14 => self.operate(Operator::Restart),
            15 => self.operate(Operator::Break),
            16 => {
                let (value, item) = (self.new_price(), tape.u16());
                self.operate(Operator::BringBack { value, item });
            }
            17 => self.host(Host::CancelSession),
            18 => self.host(Host::Select {
                item: tape.u16(),
                options: ItemOptions::from_u32(tape.u32()),
                funds: 60_000,
            }),
            19 => {
                if let Some(item) = self.wished.take() {
                    let reason = Reason::EMPTY;
                    self.operate(Operator::Tell(Command::SelectionDenied { item, reason }));
                }
            }
            20 => {
                let (price, item) = (self.new_price(), tape.u16());
                self.operate(Operator::SellForCash { price, item });
            }
            21 => self.operate(match tape.flag() {
                true => Operator::DisableReader,
                false => Operator::EnableReader,
            }),
            22 => {
                self.wire = Wire::Loses;
                self.strikes = tape.below(24);
            }
            _ => {
                self.wire = Wire::Garbles(tape.byte());
                self.strikes = tape.below(24);
            }
        }
    }

    /// On a good wire, one restart and some patience.
    fn heal(&mut self) {
        (self.wire, self.strikes) = (Wire::Good, 0);
        self.operate(Operator::PowerUp);
        self.operate(Operator::Restart);
        let end = self.now + HEALED_WITHIN;
        while self.now < end && self.controller.state() != State::Enabled {
            self.pass(Duration::from_millis(100));
        }
        assert_eq!(self.controller.state(), State::Enabled, "in step again");
        assert_eq!(self.device.state(), cashless::State::Enabled);
    }
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut street = Street::new(&mut tape);
    street.pass(Duration::from_secs(3));
    for _ in 0..STEPS_MAX {
        if tape.is_over() {
            break;
        }
        street.step(&mut tape);
    }
    street.heal();
}

target!(run);
