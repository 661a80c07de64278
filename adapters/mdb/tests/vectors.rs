//! The byte vectors of the reference's section 10 that concern levels 1 and 2, printed and parsed.
//!
//! Left to the options of level 3: expanded money, negative vend, remote vend and age verification.

use gettone_mdb::{
    Address, Command, Country, Digits, Frame, Identity, Layout, Level, Media, Message, Mode,
    Prices, ReaderConfig, ReaderOptions, Scale, Setup, Supply, Units, Word,
};

fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split_whitespace();
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).expect("the vectors are hex"))
        .collect()
}

fn bytes(frame: &Frame) -> Vec<u8> {
    frame.iter().map(|word| word.byte()).collect()
}

fn marked(frame: &Frame) -> Vec<usize> {
    let places = frame.iter().enumerate();
    places
        .filter(|(_, word)| word.mode() == Mode::Address)
        .map(|(at, _)| at)
        .collect()
}

fn units(value: u16) -> Units {
    Units::from_u16(value)
}

fn cents() -> Scale {
    Scale::new(1, Digits { bus: 2, minor: 2 }).expect("a good scale")
}

const FIRST: Address = Address::First;

fn commands() -> Vec<(Address, Command, &'static str, &'static str)> {
    vec![
        (
            FIRST,
            Command::Setup(Setup {
                level: Level::Three,
                supply: Supply::Mains,
                columns: 16,
                rows: 2,
                display: 1,
            }),
            "11 00 03 10 02 01 27",
            "SETUP level 3 display 16x2",
        ),
        (
            FIRST,
            Command::Prices(Prices {
                max: Some(units(350)),
                min: Some(units(20)),
            }),
            "11 01 01 5E 00 14 85",
            "SETUP PRICES max 3.50 min 0.20",
        ),
        (
            FIRST,
            Command::EnableOptions(0x60),
            "17 04 00 00 00 60 7B",
            "ENABLE OPTIONS 00000060",
        ),
        (FIRST, Command::Enable, "14 01 15", "READER ENABLE"),
        (
            FIRST,
            Command::VendRequest {
                price: units(120),
                item: 23,
            },
            "13 00 00 78 00 17 A2",
            "VEND REQUEST 1.20 item 23",
        ),
        (
            FIRST,
            Command::VendSuccess { item: 23 },
            "13 02 00 17 2C",
            "VEND SUCCESS item 23",
        ),
        (
            FIRST,
            Command::SessionComplete,
            "13 04 17",
            "SESSION COMPLETE",
        ),
        (
            FIRST,
            Command::CashSale {
                price: units(80),
                item: 0x8005,
            },
            "13 05 00 50 80 05 ED",
            "CASH SALE 0.80 item 32773",
        ),
        (
            FIRST,
            Command::RevalueLimit,
            "15 01 16",
            "REVALUE LIMIT REQUEST",
        ),
        (
            FIRST,
            Command::RevalueRequest { amount: units(500) },
            "15 00 01 F4 0A",
            "REVALUE REQUEST 5.00",
        ),
        (
            Address::Second,
            Command::RequestId(Identity {
                manufacturer: *b"ABC",
                serial: *b"000000000042",
                model: *b"VMC-1       ",
                version: 0x0107,
            }),
            "67 00 41 42 43 30 30 30 30 30 30 30 30 30 30 34 32 56 4D 43 2D 31 20 20 20 20 20 20 20 01 07 9F",
            "REQUEST ID ABC VMC-1 000000000042 01.07",
        ),
    ]
}

fn replies() -> Vec<(Vec<Message>, Layout, &'static str, &'static str)> {
    let one = |message, layout, bytes, line| (vec![message], layout, bytes, line);
    vec![
        one(
            Message::ReaderConfig(ReaderConfig {
                level: Level::Three,
                country: Country::currency(978).expect("the euro"),
                scale: 1,
                decimals: 2,
                max_response_s: 30,
                options: ReaderOptions::REFUND
                    .with(ReaderOptions::MULTIVEND)
                    .with(ReaderOptions::CASH_SALE),
            }),
            Layout::One,
            "01 03 19 78 01 02 1E 0B C1",
            "READER CONFIG level 3 country 1978 scale 1 decimals 2 30 s options 1011",
        ),
        one(
            Message::BeginSession {
                funds: units(1_200),
                media: None,
            },
            Layout::One,
            "03 04 B0 B7",
            "BEGIN SESSION 12.00",
        ),
        one(
            Message::BeginSession {
                funds: units(1_200),
                media: Some(Media {
                    id: 0x00C0_FFEE,
                    payment: 0,
                    data: 0,
                }),
            },
            Layout::Two,
            "03 04 B0 00 C0 FF EE 00 00 00 64",
            "BEGIN SESSION 12.00 media 00C0FFEE type 0",
        ),
        one(
            Message::VendApproved { amount: units(110) },
            Layout::One,
            "05 00 6E 73",
            "VEND APPROVED 1.10",
        ),
        one(Message::EndSession, Layout::One, "07 07", "END SESSION"),
        (
            vec![
                Message::VendDenied,
                Message::Malfunction { code: 0xC2 },
                Message::SessionCancel,
            ],
            Layout::One,
            "06 0A C2 04 D6",
            "VEND DENIED + MALFUNCTION C2 + SESSION CANCEL REQUEST",
        ),
        one(
            Message::OutOfSequence { state: Some(4) },
            Layout::Two,
            "0B 04 0F",
            "COMMAND OUT OF SEQUENCE state 4",
        ),
        one(
            Message::RevalueLimit {
                amount: units(5_000),
            },
            Layout::Two,
            "0F 13 88 AA",
            "REVALUE LIMIT 50.00",
        ),
        one(
            Message::RevalueApproved,
            Layout::Two,
            "0D 0D",
            "REVALUE APPROVED",
        ),
        (
            vec![
                Message::VendDenied,
                Message::Malfunction { code: 0x07 },
                Message::SessionCancel,
            ],
            Layout::One,
            "06 0A 07 04 1B",
            "VEND DENIED + MALFUNCTION 07 + SESSION CANCEL REQUEST",
        ),
    ]
}

#[test]
fn every_command_prints_to_its_vector_and_back() {
    for (address, command, vector, line) in commands() {
        let block = command.print(address);
        let frame = Frame::from_controller(&block);
        assert_eq!(bytes(&frame), hex(vector), "{line}");
        assert_eq!(marked(&frame), [0], "{line}");
        assert_eq!(Command::parse(address, &block), Ok(command), "{line}");
        assert_eq!(command.at(cents()).to_string(), line);
    }
}

#[test]
fn every_reply_prints_to_its_vector_and_back() {
    for (messages, layout, vector, line) in replies() {
        let frame = Message::join(&messages).expect("the vectors fit a block");
        assert_eq!(bytes(&frame), hex(vector), "{line}");
        assert_eq!(marked(&frame), [frame.len() - 1], "{line}");
        let body = hex(vector);
        let (_, body) = body.split_last().expect("a checksum");
        let parsed: Result<Vec<_>, _> = Message::parse_all(body, layout).collect();
        assert_eq!(parsed.as_ref(), Ok(&messages), "{line}");
        let lines: Vec<_> = messages
            .iter()
            .map(|it| it.at(cents()).to_string())
            .collect();
        assert_eq!(lines.join(" + "), line);
    }
}

#[test]
fn ack_just_reset_and_poll_are_the_nine_bit_words_of_the_reference() {
    let ack = Frame::lone(Word::new(Mode::Address, gettone_mdb::ACK));
    assert_eq!(ack.to_string(), "100");
    let just_reset = Frame::from_peripheral(&Message::JustReset.block());
    assert_eq!(just_reset.to_string(), "000 100");
    for (address, words) in [(FIRST, "112 012"), (Address::Second, "162 062")] {
        let poll = Frame::from_controller(&Command::Poll.print(address));
        assert_eq!(poll.to_string(), words);
    }
}

#[test]
fn every_truncation_of_a_vector_is_refused() {
    for (address, command, ..) in commands() {
        let block = command.print(address);
        for len in 0..block.len() {
            assert!(Command::parse(address, &block[..len]).is_err(), "{command}");
        }
    }
    for (messages, layout, vector, line) in replies() {
        let body = hex(vector);
        for len in 0..body.len() - 1 {
            let parsed: Result<Vec<_>, _> = Message::parse_all(&body[..len], layout).collect();
            assert_ne!(parsed, Ok(messages.clone()), "{line}");
        }
    }
}

#[test]
fn no_two_bytes_whatever_they_are_upset_a_parser() {
    for first in 0..=u16::MAX {
        for rest in [&[][..], &[0; 5], &[0xFF; 29], &[0xFF; 34]] {
            let mut block = first.to_be_bytes().to_vec();
            block.extend_from_slice(rest);
            let _ = Command::parse(FIRST, &block).map(|it| it.to_string());
            for layout in [Layout::One, Layout::Two] {
                let lines = Message::parse_all(&block, layout).flatten();
                lines.for_each(|it| drop(it.at(cents()).to_string()));
            }
        }
    }
}
