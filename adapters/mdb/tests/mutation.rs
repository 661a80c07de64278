//! Good bytes, changed a little, at every door: nothing panics, nothing grows beyond its bound, and whoever was upset is in
//! step again after one reset.
//!
//! A round's number is its seed, and is named when it fails. `GETTONE_FUZZ=N` runs N rounds of each target;
//! `GETTONE_FUZZ_SECONDS=N` runs each for so long, from the round `GETTONE_FUZZ_FROM` on.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::time::{Duration, Instant};

use gettone_mdb::bounds::DTS_LEN_MAX;
use gettone_mdb::cashless::{self, Cashless, Event, Host, RequestNumber, Shown};
use gettone_mdb::dts::Dts;
use gettone_mdb::file::{AUDIT_FILE, FileRequest, Transfer};
use gettone_mdb::parmrk::{Decoder, Listener, Parity};
use gettone_mdb::vmc::{self, Operator, Vmc};
use gettone_mdb::{
    ACK, Address, Block, Clock, Command, Country, Coupon, Frame, Identity, ItemOptions, Keys,
    Layout, Level, Media, Message, Mode, NamedItem, Options, Part, Prices, ReaderConfig,
    ReaderOptions, Reason, Selection, Setup, Supply, Text, Units, Word,
};

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

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("small");
        usize::try_from(self.roll() % end).expect("small")
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[3]
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Changes bytes as wires, bad programs and bad people do; `others` are good bytes to mix in.
    fn change(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.insert(at, self.byte()),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let other = self.one_of(others);
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                4 => {
                    let copy = bytes[at.min(bytes.len())..].to_vec();
                    bytes.extend(copy);
                }
                5 if !bytes.is_empty() => bytes[at] = *self.one_of(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
                _ if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}

/// Runs rounds until their number or their time is over.
fn rounds(usual: u64, mut round: impl FnMut(u64, &mut Dice)) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is a number")),
        )
    };
    let from = number("GETTONE_FUZZ_FROM").unwrap_or(0);
    let span = number("GETTONE_FUZZ_SECONDS").map(Duration::from_secs);
    let count = match span {
        Some(_) => u64::MAX - from,
        None => number("GETTONE_FUZZ").unwrap_or(usual),
    };
    let begun = Instant::now();
    let mut done = 0;
    for seed in (from..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            round(seed, &mut Dice(seed))
        }));
        if let Err(fault) = ran {
            eprintln!("round {seed} failed");
            std::panic::resume_unwind(fault);
        }
        done += 1;
        if seed.is_multiple_of(1_024) && span.is_some_and(|span| begun.elapsed() >= span) {
            break;
        }
    }
    if span.is_some() {
        eprintln!("{done} rounds from {from} on");
    }
}

const IDENTITY: Identity = Identity {
    manufacturer: *b"ABC",
    serial: *b"000000000042",
    model: *b"model       ",
    version: 0x0107,
};

/// One of every command, as this layout prints it.
fn commands(layout: Layout) -> Vec<Vec<u8>> {
    let (price, item) = (Units::from_u16(120), 23);
    let info = NamedItem {
        selected: item,
        dispensed: item,
        selected_name: *b"A1    ",
        dispensed_name: *b"A2    ",
    };
    let part = Part {
        item,
        amount: price,
        left: 1,
        options: Units::ZERO,
    };
    let prices = Prices {
        max: Some(Units::from_u16(350)),
        min: Some(Units::from_u16(5)),
    };
    let basket = Command::BasketRequest {
        price,
        item: 0xFFFF,
        count: 3,
        options: Units::from_u16(10),
    };
    let all = [
        Command::Reset,
        Command::Setup(Setup {
            level: Level::Three,
            supply: Supply::Mains,
            columns: 16,
            rows: 2,
            display: 1,
        }),
        Command::Prices(prices),
        Command::PricesIn(prices, Country::UNKNOWN),
        Command::RequestId(IDENTITY),
        Command::EnableOptions(layout.options()),
        Command::Poll,
        Command::Poll,
        Command::Enable,
        Command::Disable,
        Command::ReaderCancel,
        Command::VendRequest { price, item },
        basket,
        Command::NegativeVendRequest { value: price, item },
        Command::VendCancel,
        Command::VendSuccess { item },
        Command::VendSuccessNamed(info),
        Command::PartSuccess(part, None),
        Command::PartSuccess(Part { left: 0, ..part }, None),
        Command::PartFailure(part, Reason::EMPTY),
        Command::VendFailure,
        Command::SessionComplete,
        Command::CashSale { price, item },
        Command::SelectionDenied {
            item,
            reason: Reason::MOMENT,
        },
        Command::CouponReply {
            usage: 1,
            item,
            used: price,
        },
        Command::KeysTyped(Keys::from_bytes(*b"1234\0\0\0\0")),
        Command::RevalueRequest { amount: price },
        Command::RevalueLimit,
        Command::WriteTime(Clock::from_bytes([
            0x26, 2, 0x28, 0x23, 0x59, 0x58, 6, 9, 0, 0,
        ])),
        Command::SetAge(18),
        Command::AskAge,
    ];
    let files = transfers().map(Command::File);
    let all = all.into_iter().chain(files);
    all.map(|it| it.print_in(Address::First, layout).to_vec())
        .collect()
}

/// A whole file as a machine sends it, and what else may be said of files.
fn transfers() -> impl Iterator<Item = Transfer> {
    let request = FileRequest {
        to: 0x10,
        from: 0,
        file: AUDIT_FILE,
        blocks: 2,
        control: 0,
    };
    let piece = |number, text: &[u8]| Transfer::Block {
        to: 0x10,
        number,
        piece: Block::of(text).expect("short"),
    };
    [
        Transfer::RequestToSend(request),
        piece(0, b"DXS*GTN0000001*VA*V0/6*1\r\n"),
        piece(1, b"DXE*1*1\r\n"),
        piece(2, b""),
        Transfer::RequestToReceive(request),
        Transfer::Retry {
            to: 0x10,
            from: 0,
            delay: 3,
        },
        Transfer::Ok { to: 0x10, from: 0 },
    ]
    .into_iter()
}

/// One of every message of a reader, as this layout prints it.
fn messages(layout: Layout) -> Vec<Vec<u8>> {
    let amount = Units::from_u16(120);
    let all = [
        Message::JustReset,
        Message::ReaderConfig(ReaderConfig {
            level: Level::Three,
            country: Country::UNKNOWN,
            scale: 1,
            decimals: 2,
            max_response_s: 30,
            options: ReaderOptions::CASH_SALE,
        }),
        Message::Display {
            tenths: 20,
            text: Text::fitted("Credit 12.00", 16, 2),
        },
        Message::BeginSession {
            funds: amount,
            media: Some(Media::UNKNOWN),
        },
        Message::SessionCancel,
        Message::VendApproved { amount },
        Message::VendDenied,
        Message::EndSession,
        Message::Cancelled,
        Message::PeripheralId(IDENTITY),
        Message::Offer(IDENTITY, Options::ALL),
        Message::Malfunction { code: 0x50 },
        Message::OutOfSequence { state: Some(3) },
        Message::RevalueApproved,
        Message::RevalueDenied,
        Message::RevalueLimit { amount },
        Message::TimeRequest,
        Message::DataEntry { keys: 4 },
        Message::DataEntryCancel,
        Message::SelectionRequest(Selection {
            funds: amount,
            media: Media::UNKNOWN,
            locale: None,
            item: 11,
            options: ItemOptions::DEFAULT,
        }),
        Message::Coupon(Coupon {
            item: 0xFFFF,
            options: 0,
            value: amount,
            id: 7,
        }),
    ];
    let files = transfers().map(Message::File);
    let all = all.into_iter().chain(files);
    all.map(|it| it.block_in(layout.width()).to_vec()).collect()
}

/// Words of a block, mostly with a good checksum and mode bits where they belong.
fn framed(dice: &mut Dice, bytes: &[u8], mark_last: bool) -> Vec<Word> {
    let sum = match dice.below(16) {
        0 => dice.byte(),
        _ => gettone_mdb::checksum(bytes),
    };
    let last = bytes.len();
    let mark = match dice.below(32) {
        0 => dice.below(last + 1),
        _ if mark_last => last,
        _ => 0,
    };
    let words = bytes.iter().chain([&sum]).enumerate();
    let mode = |at| {
        if at == mark {
            Mode::Address
        } else {
            Mode::Data
        }
    };
    words.map(|(at, byte)| Word::new(mode(at), *byte)).collect()
}

fn some_layout(dice: &mut Dice) -> Layout {
    let level = *dice.one_of(&[Level::One, Level::Two, Level::Three, Level::Three]);
    let bits = u32::from(dice.byte()) | u32::from(dice.byte()) << 8;
    Layout::new(level, Options::from_u32(bits).and(Options::ALL))
}

/// What a host without memory wants next.
fn some_wish(dice: &mut Dice, asked: Option<RequestNumber>) -> Host {
    let amount = u32::from(dice.byte());
    match (dice.below(16), asked) {
        (0, _) => Host::BeginSession { funds: amount },
        (1, _) => Host::CancelSession,
        (2, _) => Host::EndSession,
        (3..=5, Some(request)) => Host::Approve {
            request,
            amount: 120,
            tag: dice.roll(),
        },
        (6, Some(request)) => Host::Deny { request },
        (7, Some(request)) => Host::ApproveRevalue { request },
        (8, Some(request)) => Host::RevalueLimit {
            request,
            limit: amount,
        },
        (9, _) => Host::Select {
            item: 23,
            options: ItemOptions::from_u32(amount),
            funds: amount,
        },
        (10, _) => Host::WithdrawSelection,
        (11, _) => Host::Coupon {
            item: 23,
            options: 0,
            value: amount,
            id: 7,
        },
        (12, _) => Host::AskKeys {
            keys: dice.byte(),
            shown: Shown::Plainly,
        },
        (13, _) => Host::AskFile { file: AUDIT_FILE },
        (14, _) => Host::Malfunction { code: dice.byte() },
        _ => Host::Repaired,
    }
}

/// Feeds the device; gives what it sent. Money keeps its order whatever comes.
struct Reader {
    device: Cashless,
    now: Duration,
    asked: Option<RequestNumber>,
    /// The approval that the machine has acknowledged.
    delivered: Option<u64>,
    pieces: Option<u32>,
    file_len: usize,
}

impl Reader {
    fn new(layout: Layout) -> Self {
        let options = match layout.level() {
            Level::Three => layout.options(),
            Level::One | Level::Two => Options::NONE,
        };
        let config = cashless::Config {
            level: layout.level(),
            options,
            age_check: true,
            ..cashless::Config::default()
        };
        Self {
            device: Cashless::new(config).expect("a consistent configuration"),
            now: Duration::from_secs(1),
            asked: None,
            delivered: None,
            pieces: None,
            file_len: 0,
        }
    }

    fn input(&mut self, input: cashless::Input) -> usize {
        self.device.handle(self.now, input);
        let mut sent = 0;
        while let Some(output) = self.device.poll() {
            match output {
                cashless::Output::Send(reply) => {
                    assert!(reply.len() <= 36);
                    sent += reply.len();
                }
                cashless::Output::Event(event) => self.note(event),
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
                assert_eq!(
                    delivered,
                    Some(tag),
                    "a result of what was heard: {event:?}"
                );
            }
            // What was not taken back credits nothing, heard or not.
            Event::ReturnFailed { tag } => {
                let delivered = self.delivered.take();
                assert!(delivered.is_none_or(|it| it == tag), "{event:?}");
            }
            Event::Reset { .. } => self.delivered = None,
            Event::FilePiece { number, piece } => {
                let next = self.pieces.map_or(0, |it| it + 1);
                if number == 0 {
                    self.file_len = 0;
                } else {
                    assert_eq!(u32::from(number), next, "pieces come in their order");
                }
                self.pieces = Some(u32::from(number));
                self.file_len += piece.len();
                assert!(self.file_len <= 256 * 31, "a file has a bound");
            }
            Event::FileOver(_) => self.pieces = None,
            _ => {}
        }
    }

    fn words(&mut self, words: &[Word]) -> usize {
        let mut sent = 0;
        for word in words {
            self.now += Duration::from_micros(1_146);
            sent += self.input(cashless::Input::Word(*word));
        }
        sent
    }

    fn say(&mut self, command: Command) -> usize {
        let block = command.print_in(Address::First, self.device.layout());
        self.words(&Frame::from_controller(&block))
    }
}

/// Commands in a row, each whole, changed or broken, to a reader whose host does as it likes.
fn commands_round(dice: &mut Dice, corpus: &[Vec<u8>], layout: Layout) {
    let mut reader = Reader::new(layout);
    for _ in 0..dice.below(40) {
        let mut bytes = dice.one_of(corpus).clone();
        if dice.below(3) == 0 {
            dice.change(&mut bytes, corpus);
        }
        bytes.truncate(40);
        let words = framed(dice, &bytes, false);
        if reader.words(&words) > 1 && dice.below(4) > 0 {
            reader.words(&[Word::new(Mode::Data, ACK)]);
        }
        if dice.below(4) == 0 {
            let wish = some_wish(dice, reader.asked);
            reader.input(cashless::Input::Host(wish));
        }
        let pause = *dice.one_of(&[0, 1, 5, 20, 117, 40_000]);
        reader.now += Duration::from_millis(pause);
        reader.input(cashless::Input::Tick);
    }
    // Whatever happened, one RESET brings it back.
    reader.now += Duration::from_millis(50);
    reader.input(cashless::Input::Tick);
    assert_eq!(reader.say(Command::Reset), 1, "RESET is acknowledged");
    // With a fault that stands, if there is one.
    assert!(reader.say(Command::Poll) >= 2, "JUST RESET");
}

#[test]
fn any_change_of_a_conversation_leaves_the_reader_one_reset_from_its_senses() {
    let every: Vec<_> = [
        Layout::ONE,
        Layout::TWO,
        Layout::new(Level::Three, Options::ALL),
    ]
    .into_iter()
    .flat_map(commands)
    .collect();
    rounds(60_000, |_, dice| {
        let layout = some_layout(dice);
        let mut corpus = commands(layout);
        corpus.push(dice.one_of(&every).clone());
        commands_round(dice, &corpus, layout);
    });
}

#[test]
fn any_change_of_a_readers_answers_leaves_the_machine_able_to_start_over() {
    rounds(60_000, |_, dice| {
        let layout = some_layout(dice);
        let corpus = messages(layout);
        let mut machine = Vmc::new(vmc::Config {
            level: layout.level(),
            options: layout.options(),
            ..vmc::Config::default()
        });
        let mut now = Duration::from_secs(1);
        let feed = |now: Duration, machine: &mut Vmc, input| {
            machine.handle(now, input);
            let mut spoke = Vec::new();
            while let Some(output) = machine.poll() {
                if let vmc::Output::Send(frame) = output {
                    assert!(frame.len() <= 36);
                    spoke = frame.to_vec();
                }
            }
            spoke
        };
        feed(now, &mut machine, vmc::Input::Operator(Operator::PowerUp));
        for _ in 0..dice.below(40) {
            now = now.max(machine.next_deadline().expect("it is on"));
            feed(now, &mut machine, vmc::Input::Tick);
            let mut bytes = dice.one_of(&corpus).clone();
            if dice.below(3) == 0 {
                dice.change(&mut bytes, &corpus);
            }
            bytes.truncate(40);
            let words = match dice.below(4) {
                0 => vec![Word::new(Mode::Address, ACK)],
                _ => framed(dice, &bytes, true),
            };
            for word in words {
                now += Duration::from_micros(1_146);
                feed(now, &mut machine, vmc::Input::Word(word));
            }
            let operator = match dice.below(12) {
                0 => Some(Operator::Select {
                    price: 120,
                    item: 23,
                }),
                1 => Some(Operator::Dispensed),
                2 => Some(Operator::Jammed),
                3 => Some(Operator::Return),
                4 => Some(Operator::Revalue { amount: 200 }),
                5 => Some(Operator::InsertCash),
                _ => None,
            };
            if let Some(operator) = operator {
                feed(now, &mut machine, vmc::Input::Operator(operator));
            }
        }
        feed(now, &mut machine, vmc::Input::Operator(Operator::Restart));
        now = now.max(machine.next_deadline().expect("it is on"));
        let spoke = feed(now, &mut machine, vmc::Input::Tick);
        let reset = Frame::from_controller(&Command::Reset.print(Address::First));
        assert_eq!(spoke, reset.to_vec());
    });
}

#[test]
fn any_change_of_a_file_transfer_ends_in_a_bounded_file_or_none() {
    let options = Options::FILE_TRANSPORT;
    let layout = Layout::new(Level::Three, options);
    let corpus: Vec<Vec<u8>> = transfers()
        .map(|it| Command::File(it).print_in(Address::First, layout).to_vec())
        .collect();
    rounds(60_000, |_, dice| {
        let mut reader = Reader::new(layout);
        for command in [
            Command::Poll,
            Command::Setup(Setup {
                level: Level::Three,
                supply: Supply::Mains,
                columns: 0,
                rows: 0,
                display: 0,
            }),
            Command::RequestId(IDENTITY),
            Command::EnableOptions(options),
            Command::Enable,
        ] {
            if reader.say(command) > 1 {
                reader.words(&[Word::new(Mode::Data, ACK)]);
            }
        }
        assert_eq!(reader.device.options(), options);
        reader.input(cashless::Input::Host(Host::AskFile { file: AUDIT_FILE }));
        for step in 0..dice.below(60) {
            // Mostly the next thing of a whole transfer.
            let mut bytes = match dice.below(4) {
                0 => dice.one_of(&corpus).clone(),
                _ => corpus[step % corpus.len()].clone(),
            };
            if dice.below(4) == 0 {
                dice.change(&mut bytes, &corpus);
            }
            bytes.truncate(40);
            let words = framed(dice, &bytes, false);
            reader.words(&words);
            reader.now += Duration::from_millis(5);
            reader.input(cashless::Input::Tick);
            if reader.say(Command::Poll) > 1 {
                reader.words(&[Word::new(Mode::Data, ACK)]);
            }
        }
        assert_eq!(reader.say(Command::Reset), 1);
    });
}

const AUDIT: &str = "\
DXS*GTN0000001*VA*V0/6*1\r
ST*001*0001\r
ID1*SN-0042*Model 7*0100*Hall B**ASSET9\r
ID4*2*978*EUR\r
VA1*125000*1041*2400*20\r
CA2*90000*750*1800*15\r
CA3*2000*1500*400*500*99000*70000*20000*9000\r
DA2*35000*291*600*5\r
PA1*11*120*Espresso\r
PA2*600*72000*12*1440\r
EA1*EGS*260227*0801\r
EA2*EJL*2*17\r
EA7*3*41\r
G85*1A2B\r
SE*14*0001\r
DXE*1*1\r
";

#[test]
fn any_change_of_an_audit_file_is_read_within_its_bounds_or_refused() {
    let lines: Vec<Vec<u8>> = AUDIT.lines().map(|it| it.as_bytes().to_vec()).collect();
    rounds(200_000, |_, dice| {
        let mut text = match dice.below(4) {
            0 => {
                let count = dice.below(40);
                let some = (0..count).map(|_| dice.one_of(&lines).clone());
                some.collect::<Vec<_>>().join(&b'\n')
            }
            _ => AUDIT.as_bytes().to_vec(),
        };
        for _ in 0..dice.below(4) {
            dice.change(&mut text, &lines);
        }
        assert!(text.len() <= 4 * DTS_LEN_MAX);
        let Ok(audit) = Dts::parse(&text) else { return };
        let sold = [
            audit.sold(),
            audit.sold_for_cash(),
            audit.sold_by_first_cashless(),
        ];
        let cash = (audit.cash_in(), audit.cash_expected(), audit.whole());
        let facts = (audit.serial(), audit.decimals(), audit.currency());
        let _ = format!("{sold:?} {cash:?} {facts:?}");
        let _ = audit.drifts(|id| Some(id.len() as u64)).count();
        let segments = audit.segments().count();
        assert!(audit.products().count() + audit.events().count() <= 2 * segments);
    });
}

#[test]
fn any_change_of_a_marked_stream_is_words_breaks_or_nothing() {
    let corpus = vec![
        vec![0xFF, 0x00, 0x12, 0x12],
        vec![0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0x00],
        vec![0xFF, 0x00, 0x00, 0x13, 0x00, 0x78],
    ];
    rounds(200_000, |_, dice| {
        let listener = *dice.one_of(&[Listener::Controller, Listener::Peripheral]);
        let mut decoder = Decoder::new(listener);
        let mut bytes = dice.one_of(&corpus).clone();
        dice.change(&mut bytes, &corpus);
        let mut signs = 0;
        for byte in &bytes {
            let parity = *dice.one_of(&[Parity::Space, Parity::Mark]);
            signs += usize::from(decoder.take(*byte, parity).is_some());
        }
        assert!(signs <= bytes.len());
    });
}

/// Adapters speak in packets of hexadecimal digits.
#[cfg(feature = "link")]
#[test]
fn any_change_of_an_adapters_packets_is_words_or_noise() {
    use gettone_mdb::bridge::Bridge;
    let (start, end) = (0x02, 0x03);
    let packet = |bytes: &[u8]| {
        let mut packet = vec![start];
        packet.extend(
            bytes
                .iter()
                .flat_map(|byte| format!("{byte:02X}").into_bytes()),
        );
        packet.push(end);
        packet
    };
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for bytes in commands(Layout::TWO) {
        let mut whole = bytes.clone();
        whole.push(gettone_mdb::checksum(&bytes));
        corpus.push(packet(&whole));
        // Others speak before it, and an ACK is heard after it.
        let crowd = [&[0x33, 0x33, 0x00][..], &whole, &[0x00]].concat();
        corpus.push(packet(&crowd));
    }
    rounds(60_000, |_, dice| {
        let mut bridge = Bridge::new();
        let mut now = Duration::from_secs(1);
        for _ in 0..dice.below(20) {
            let mut bytes = dice.one_of(&corpus).clone();
            dice.change(&mut bytes, &corpus);
            for byte in bytes {
                bridge.take(byte);
            }
            let mut words = 0;
            while bridge.next_word().is_some() {
                words += 1;
                assert!(words <= 4 * 36 * 2, "what waits has a bound");
            }
            now += Duration::from_millis(u64::from(dice.byte()));
            bridge.tick(now);
            let answer = framed(dice, &[0x05, 0x00, 0x6E], true);
            let mut room = [0; 36];
            assert!(bridge.answer(now, &answer, &mut room) <= room.len());
        }
    });
}
