//! Real captures against our device: the controller's side of each is played word by word.
//!
//! What the host behind the captured peripheral decided is read off the peripheral's own side of the capture.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use gettone_mdb::bounds::WORD_TIME;
use gettone_mdb::cashless::{Cashless, Config, Event, Host, Input, Output, RequestNumber, State};
use gettone_mdb::trace::{Burst, Explainer, Hearing, Side};
use gettone_mdb::{Address, Command, Digits, Layout, Message, Mode, Scale, Word, checksum};

/// What was counted in one capture.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Valid blocks to our address, all answered.
    answered: usize,
    /// Answers that carried data.
    with_data: usize,
    /// Bursts of other devices, broken blocks and stray words, all met with silence.
    silent: usize,
    /// VEND REQUEST blocks on the wire, and the questions they became.
    requests: usize,
    questions: usize,
    /// VEND SUCCESS blocks on the wire, and the settlements they became.
    successes: usize,
    settled: usize,
    sessions: usize,
    completed: usize,
}

/// Reads a capture; `None`, loudly, when this machine has no captures and is not the one that must.
fn capture(name: &str) -> Option<Vec<Burst>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/traces/mdb")
        .join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the captures must be there when CI is set: {name}"
        );
        eprintln!("SKIPPED: the capture {name} is not on this machine");
        return None;
    };
    let bursts = text.lines().map(Burst::parse);
    let bursts: Result<Vec<_>, _> = bursts.collect();
    Some(
        bursts
            .expect("a capture holds only bursts")
            .into_iter()
            .flatten()
            .collect(),
    )
}

/// One burst of the controller, and what the captured peripheral said until the next.
#[derive(Debug)]
struct Exchange {
    at: Duration,
    words: Vec<Word>,
    answers: Vec<Burst>,
}

/// Pairs bursts with their answers; a block that the peripheral talked into is put together again.
fn exchanges(bursts: &[Burst]) -> Vec<Exchange> {
    // This controller leaves no gap inside a block, and at least 140 us before an ACK.
    let gap_max = Duration::from_micros(100);
    let mut exchanges: Vec<Exchange> = Vec::new();
    for burst in bursts {
        let last = exchanges.last_mut();
        match (burst.side, last) {
            (Side::Peripheral, Some(last)) => last.answers.push(*burst),
            (Side::Peripheral, None) => {}
            (Side::Controller, Some(last)) if follows(last, burst, gap_max) => {
                last.words.extend_from_slice(&burst.words);
            }
            (Side::Controller, _) => exchanges.push(Exchange {
                at: burst.at,
                words: burst.words.to_vec(),
                answers: Vec::new(),
            }),
        }
    }
    exchanges
}

fn follows(before: &Exchange, burst: &Burst, gap_max: Duration) -> bool {
    let words = u32::try_from(before.words.len()).expect("a burst is short");
    let end = before.at + WORD_TIME * words;
    let starts_a_block = burst.words.first().map(|word| word.mode()) == Some(Mode::Address);
    !starts_a_block && burst.at.saturating_sub(end) < gap_max
}

/// What the capture's controller said, judged without our own receiver.
fn heard(words: &[Word]) -> Option<Command> {
    let (first, rest) = words.split_first()?;
    let (sum, body) = rest.split_last()?;
    let mut bytes = vec![first.byte()];
    bytes.extend(body.iter().map(|word| word.byte()));
    let whole = first.mode() == Mode::Address && rest.iter().all(|it| it.mode() == Mode::Data);
    let valid = whole && checksum(&bytes) == sum.byte();
    valid.then(|| Command::parse(Address::First, &bytes).ok())?
}

/// What is done to a capture on its way.
#[derive(Clone, Copy)]
enum Bus {
    AsCaptured,
    /// The controller hears no answer the first time and repeats every block.
    AnswersLost,
    /// Every block comes broken before it comes whole.
    BlocksBroken,
}

struct Replay {
    device: Cashless,
    count: Count,
    asked: Option<RequestNumber>,
    tag: u64,
    sent: Vec<Word>,
}

impl Replay {
    fn input(&mut self, now: Duration, input: Input) {
        self.device.handle(now, input);
        while let Some(output) = self.device.poll() {
            match output {
                Output::Send(reply) => self.sent.extend_from_slice(&reply),
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::SessionBegan => self.count.sessions += 1,
            Event::SessionCompleted => self.count.completed += 1,
            Event::VendRequested { request, .. } => {
                self.asked = Some(request);
                self.count.questions += 1;
            }
            Event::VendSucceeded { tag, .. } => {
                assert_eq!(tag, self.tag, "the newest approval is the one settled");
                assert!(self.sent.is_empty(), "the result comes before its answer");
                self.count.settled += 1;
            }
            Event::ApprovalRefused { refusal, .. } => panic!("{refusal:?}"),
            _ => {}
        }
    }

    /// Lets our host decide what the captured peripheral's host did.
    fn decide_as(&mut self, now: Duration, burst: &Burst) {
        let body: Vec<u8> = burst.words.iter().map(|word| word.byte()).collect();
        let Some((_, body)) = body.split_last().filter(|(_, body)| !body.is_empty()) else {
            return;
        };
        let scale = Scale::new(1, Digits { bus: 2, minor: 2 }).expect("the captures count cents");
        for message in Message::parse_all(body, Layout::ONE).flatten() {
            let host = match message {
                Message::BeginSession { funds, .. } => Host::BeginSession {
                    funds: scale.minor(funds).expect("a known amount"),
                },
                Message::SessionCancel => Host::CancelSession,
                Message::VendApproved { amount } => {
                    self.tag += 1;
                    Host::Approve {
                        request: self.asked.expect("a machine asked before this approval"),
                        amount: scale.minor(amount).expect("a known amount"),
                        tag: self.tag,
                    }
                }
                _ => continue,
            };
            self.input(now, Input::Host(host));
        }
    }

    fn play(name: &str, bus: Bus) -> Option<(Count, State)> {
        let bursts = capture(name)?;
        let mut replay = Self {
            device: Cashless::new(Config::default()).expect("the default is consistent"),
            count: Count::default(),
            asked: None,
            tag: 0,
            sent: Vec::new(),
        };
        for exchange in exchanges(&bursts) {
            // The decision was taken before the POLL that carried it away.
            for answer in &exchange.answers {
                replay.decide_as(exchange.at, answer);
            }
            let mut now = exchange.at;
            match bus {
                Bus::AsCaptured => {}
                Bus::AnswersLost => {
                    now = replay.exchange(now, &exchange.words);
                    replay.sent.clear();
                }
                Bus::BlocksBroken => {
                    let mut broken = exchange.words.clone();
                    let last = broken.last_mut().expect("a burst has words");
                    *last = Word::new(last.mode(), last.byte() ^ 0x10);
                    now = replay.exchange(now, &broken);
                    assert_eq!(replay.sent, [], "broken: {exchange:?}");
                }
            }
            now = replay.exchange(now, &exchange.words);
            replay.judge(&exchange);
            // The captured peripheral had other things to say than we, so our data is acknowledged by the test.
            let data = replay.sent.len() > 1;
            replay.sent.clear();
            if data {
                replay.input(now, Input::Word(Word::new(Mode::Data, 0)));
            }
        }
        Some((replay.count, replay.device.state()))
    }

    fn exchange(&mut self, mut now: Duration, words: &[Word]) -> Duration {
        for word in words {
            now += WORD_TIME;
            assert_eq!(self.sent, [], "we spoke too early: {words:?}");
            self.input(now, Input::Word(*word));
        }
        now
    }

    fn judge(&mut self, exchange: &Exchange) {
        let Some(command) = heard(&exchange.words) else {
            assert!(self.sent.is_empty(), "we answered noise: {exchange:?}");
            self.count.silent += 1;
            return;
        };
        let last = self.sent.last().expect("every valid block is answered");
        assert_eq!(last.mode(), Mode::Address, "{exchange:?}");
        self.count.answered += 1;
        if let [_, _, ..] = self.sent[..] {
            self.count.with_data += 1;
        } else {
            assert_eq!(last.byte(), 0, "a lone word of ours is an ACK");
        }
        match command {
            Command::VendRequest { .. } => self.count.requests += 1,
            Command::VendSuccess { .. } => self.count.successes += 1,
            _ => {}
        }
    }
}

/// The captures, with what each must come to.
const CAPTURES: [(&str, Count, State); 3] = [
    (
        "sanden-vendo-10.07.2012-2.trace",
        Count {
            answered: 690,
            with_data: 10,
            silent: 82,
            requests: 2,
            questions: 2,
            successes: 2,
            settled: 2,
            sessions: 2,
            completed: 2,
        },
        State::Enabled,
    ),
    (
        "sanden-vendo-13.12.2011.trace",
        Count {
            answered: 151,
            with_data: 5,
            silent: 23,
            requests: 1,
            questions: 1,
            successes: 1,
            settled: 1,
            sessions: 1,
            completed: 0,
        },
        State::SessionIdle,
    ),
    (
        // Its peripheral crashes in the vend, and the controller sets up again without a RESET.
        "sanden-vendo-09.07.2012.trace",
        Count {
            answered: 129,
            with_data: 4,
            silent: 24,
            requests: 1,
            questions: 1,
            successes: 0,
            settled: 0,
            sessions: 1,
            completed: 0,
        },
        State::Vend,
    ),
];

#[test]
fn every_block_of_a_real_machine_is_answered_and_every_vend_settles_once() {
    for (name, expected, end) in CAPTURES {
        let Some((count, state)) = Replay::play(name, Bus::AsCaptured) else {
            continue;
        };
        eprintln!("{name}: {count:?}");
        assert_eq!((count, state), (expected, end), "{name}");
    }
}

#[test]
fn a_machine_that_repeats_everything_it_says_is_charged_no_more() {
    for (name, expected, end) in CAPTURES {
        let Some((count, state)) = Replay::play(name, Bus::AnswersLost) else {
            continue;
        };
        assert_eq!(count.questions, expected.questions, "{name}");
        assert_eq!(count.settled, expected.settled, "{name}");
        assert_eq!(count.sessions, expected.sessions, "{name}");
        assert_eq!(count.completed, expected.completed, "{name}");
        assert_eq!((count.answered, state), (expected.answered, end), "{name}");
    }
}

#[test]
fn a_broken_block_of_a_real_machine_is_met_with_silence() {
    for (name, expected, end) in CAPTURES {
        let Some((count, state)) = Replay::play(name, Bus::BlocksBroken) else {
            continue;
        };
        assert_eq!((count, state), (expected, end), "{name}");
    }
}

/// What a technician reads of each capture: vends asked and reported, and how often the device spoke into a block.
const TOLD: [(&str, [usize; 3]); 3] = [
    ("sanden-vendo-10.07.2012-2.trace", [2, 2, 0]),
    ("sanden-vendo-13.12.2011.trace", [1, 1, 2]),
    ("sanden-vendo-09.07.2012.trace", [1, 0, 1]),
];

#[test]
fn every_exchange_of_a_real_machine_is_explained_in_the_readers_money() {
    for (name, expected) in TOLD {
        let Some(bursts) = capture(name) else {
            continue;
        };
        let mut explainer = Explainer::new(Hearing::Both);
        let mut exchanges: Vec<_> = bursts.iter().filter_map(|it| explainer.take(it)).collect();
        exchanges.extend(explainer.close());
        let lines: Vec<String> = exchanges.iter().map(ToString::to_string).collect();
        let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
        let told = [
            count("VEND REQUEST"),
            count("VEND SUCCESS"),
            count("spoke into"),
        ];
        assert_eq!(told, expected, "{name}\n{}", lines.join("\n"));
        assert_eq!(count(" units"), 0, "{name}");
        let own = exchanges.iter().filter(|it| it.address().is_some());
        let idle = own.clone().filter(|it| it.is_idle()).count();
        assert!(idle > own.count() / 2, "{name}: POLLs are most of a bus");
    }
}
