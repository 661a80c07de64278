//! A cashless device among arbitrary words, pauses and wishes of its host: money keeps its order, and one RESET heals it.
#![cfg_attr(fuzzing, no_main)]

use std::time::Duration;

use gettone_fuzz::{Tape, target};
use gettone_mdb::cashless::{
    Answer, Answers, Cashless, Completion, Config, Event, Host, Input, Output, RequestNumber, Shown,
};
use gettone_mdb::file::AUDIT_FILE;
use gettone_mdb::{
    ACK, Address, AgeStatus, Block, Command, Frame, Identity, ItemOptions, Level, Mode, NAK,
    Options, RET, Setup, Supply, Text, Word,
};

const WORD_TIME: Duration = Duration::from_micros(1_146);
/// Twice as long as the most generous machine waits for an answer.
const AGES: Duration = Duration::from_secs(120);
const IDENTITY: Identity = Identity {
    manufacturer: *b"ABC",
    serial: *b"000000000042",
    model: *b"model       ",
    version: 0x0107,
};

fn config(tape: &mut Tape<'_>) -> Config {
    let level = tape.one_of(&[Level::Three, Level::Two, Level::One]);
    let options = match level {
        Level::Three => Options::from_u32(u32::from(!tape.u16())).and(Options::ALL),
        Level::One | Level::Two => Options::NONE,
    };
    let answer = |tape: &mut Tape<'_>| tape.one_of(&[Answer::Deferred, Answer::Immediate]);
    Config {
        level,
        options,
        age_check: tape.flag(),
        multivend: tape.flag(),
        cash_sales: true,
        answers: Answers {
            vend: answer(tape),
            revalue: answer(tape),
            complete: tape.one_of(&[
                Completion::Immediate,
                Completion::Deferred,
                Completion::Host,
            ]),
            ..Answers::default()
        },
        ..Config::default()
    }
}

struct Reader {
    device: Cashless,
    now: Duration,
    asked: Option<RequestNumber>,
    tag: u64,
    /// The approval that the machine has acknowledged.
    delivered: Option<u64>,
    pieces: u32,
}

impl Reader {
    fn input(&mut self, input: Input) -> usize {
        self.device.handle(self.now, input);
        let mut sent = 0;
        while let Some(output) = self.device.poll() {
            match output {
                Output::Send(reply) => {
                    assert!(!reply.is_empty() && reply.len() <= 36);
                    sent += reply.len();
                }
                Output::Event(event) => self.note(event),
            }
        }
        sent
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::VendRequested { request, .. }
            | Event::ReturnAsked { request, .. }
            | Event::RevalueAsked { request, .. }
            | Event::RevalueLimitAsked(request) => self.asked = Some(request),
            Event::ApprovalDelivered { tag } => {
                assert_eq!(self.delivered.replace(tag), None, "delivered once");
            }
            Event::VendSucceeded { tag, .. }
            | Event::VendPartly { tag, .. }
            | Event::VendFailed { tag }
            | Event::ReturnSucceeded { tag, .. } => {
                let delivered = self.delivered.take();
                assert_eq!(delivered, Some(tag), "a result of what was heard");
            }
            // What was not taken back credits nothing, heard or not.
            Event::ReturnFailed { tag } => {
                let delivered = self.delivered.take();
                assert!(delivered.is_none_or(|it| it == tag), "{event:?}");
            }
            Event::Reset { .. } => self.delivered = None,
            Event::FilePiece { number, piece } => {
                if number == 0 {
                    self.pieces = 0;
                }
                assert_eq!(u32::from(number), self.pieces, "pieces come in their order");
                assert!(piece.len() <= 31);
                self.pieces += 1;
            }
            _ => {}
        }
    }

    fn words(&mut self, words: impl IntoIterator<Item = Word>) -> usize {
        let mut sent = 0;
        for word in words {
            self.now += WORD_TIME;
            sent += self.input(Input::Word(word));
        }
        sent
    }

    fn say(&mut self, command: Command) -> usize {
        let block = command.print_in(Address::First, self.device.layout());
        self.words(Frame::from_controller(&block).to_vec())
    }

    /// Says it, and acknowledges what is answered.
    fn exchange(&mut self, command: Command) {
        if self.say(command) > 1 {
            self.words([Word::new(Mode::Data, ACK)]);
        }
    }

    /// A machine that does all of it right, as far as it offers.
    fn set_up(&mut self, options: Options) {
        let setup = Setup {
            level: Level::Three,
            supply: Supply::Mains,
            columns: 16,
            rows: 2,
            display: 1,
        };
        for command in [
            Command::Reset,
            Command::Poll,
            Command::Setup(setup),
            Command::RequestId(IDENTITY),
            Command::EnableOptions(options),
            Command::Enable,
        ] {
            self.exchange(command);
        }
    }

    fn wish(&mut self, tape: &mut Tape<'_>) {
        let amount = u32::from(tape.u16());
        let host = match (tape.below(18), self.asked) {
            (0, _) => Host::BeginSession { funds: amount },
            (1, _) => Host::CancelSession,
            (2, _) => Host::EndSession,
            (3..=5, Some(request)) => {
                self.tag += 1;
                let tag = self.tag;
                Host::Approve {
                    request,
                    amount,
                    tag,
                }
            }
            (6, Some(request)) => Host::Deny { request },
            (7, Some(request)) => Host::ApproveRevalue { request },
            (8, Some(request)) => Host::RevalueLimit {
                request,
                limit: amount,
            },
            (9, Some(request)) => Host::DenyRevalue { request },
            (10, _) => Host::Select {
                item: tape.u16(),
                options: ItemOptions::from_u32(tape.u32()),
                funds: amount,
            },
            (11, _) => Host::WithdrawSelection,
            (12, _) => Host::Coupon {
                item: tape.u16(),
                options: tape.byte(),
                value: amount,
                id: tape.u32(),
            },
            (13, _) => Host::AskKeys {
                keys: tape.byte(),
                shown: tape.one_of(&[Shown::Plainly, Shown::Never]),
            },
            (14, _) => Host::AskFile {
                file: tape.one_of(&[AUDIT_FILE, 0, 0xF0]),
            },
            (15, _) => Host::Malfunction { code: tape.byte() },
            (16, _) => Host::Show {
                text: Text::fitted("Credit 12.00", tape.byte(), tape.byte()),
                during: Duration::from_millis(amount.into()),
            },
            (17, _) => Host::Age(AgeStatus {
                state: tape.byte(),
                ..AgeStatus::default()
            }),
            _ => tape.one_of(&[Host::Repaired, Host::AskTime, Host::StopKeys]),
        };
        self.input(Input::Host(host));
    }
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let config = config(&mut tape);
    let mut reader = Reader {
        device: Cashless::new(config).expect("a consistent configuration"),
        now: Duration::from_secs(1),
        asked: None,
        tag: 0,
        delivered: None,
        pieces: 0,
    };
    if tape.flag() {
        reader.set_up(config.options);
    }
    while !tape.is_over() {
        match tape.below(10) {
            // A whole block with a good checksum.
            0..=2 => {
                let len = 1 + usize::from(tape.below(35));
                let block = Block::of(tape.take(len)).expect("within a block");
                if !block.is_empty() {
                    let words = Frame::from_controller(&block).to_vec();
                    if reader.words(words) > 1 && tape.flag() {
                        reader.words([Word::new(Mode::Data, ACK)]);
                    }
                }
            }
            // Words of any kind.
            3 => {
                let len = usize::from(tape.below(38));
                let modes = tape.byte();
                let words = tape.take(len).iter().enumerate().map(|(at, byte)| {
                    let mode = match modes >> (at % 8) & 1 {
                        0 => Mode::Data,
                        _ => Mode::Address,
                    };
                    Word::new(mode, *byte)
                });
                reader.words(words);
            }
            4 => reader.exchange(Command::Poll),
            5 => {
                reader.say(Command::Poll);
                let lone = tape.one_of(&[RET, NAK, ACK, 0x55]);
                reader.words([Word::new(Mode::Data, lone)]);
            }
            6 | 7 => reader.wish(&mut tape),
            8 => {
                let pause = tape.one_of(&[0, 1, 5, 20, 117, 1_000, 40_000]);
                reader.now += Duration::from_millis(pause);
                reader.input(Input::Tick);
            }
            _ => match tape.below(4) {
                0 => drop(reader.input(Input::Break)),
                1 => reader.set_up(config.options),
                2 => reader.exchange(Command::SessionComplete),
                _ => reader.exchange(Command::VendSuccess { item: tape.u16() }),
            },
        }
        let next = reader.device.next_deadline();
        assert!(next.is_none_or(|it| it <= reader.now.saturating_add(10 * AGES)));
    }
    // Whatever happened, one RESET brings it back.
    reader.now += Duration::from_millis(50);
    reader.input(Input::Tick);
    assert_eq!(reader.say(Command::Reset), 1, "RESET is acknowledged");
    // With a fault that stands, if there is one.
    assert!(reader.say(Command::Poll) >= 2, "JUST RESET");
}

target!(run);
