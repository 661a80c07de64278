//! The byte vectors of the reference, printed and parsed.

use gettone_mdb::file::Transfer;
use gettone_mdb::{
    Address, AgeStatus, Block, Clock, Command, Country, Coupon, Digits, Frame, Identity,
    ItemOptions, Keys, Layout, Level, Locale, LongSale, Media, Message, Mode, NamedItem, Options,
    Part, Prices, ReaderConfig, ReaderOptions, Reason, Scale, Selection, Setup, Supply, Units,
    Word,
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
            Command::EnableOptions(Options::ALWAYS_IDLE.with(Options::REMOTE_VEND)),
            "17 04 00 00 00 60 7B",
            "ENABLE OPTIONS always idle, remote vend",
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
            Layout::ONE,
            "01 03 19 78 01 02 1E 0B C1",
            "READER CONFIG level 3 country 1978 scale 1 decimals 2 30 s options 1011",
        ),
        one(
            Message::BeginSession {
                funds: units(1_200),
                media: None,
            },
            Layout::ONE,
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
            Layout::TWO,
            "03 04 B0 00 C0 FF EE 00 00 00 64",
            "BEGIN SESSION 12.00 media 00C0FFEE type 0",
        ),
        one(
            Message::VendApproved { amount: units(110) },
            Layout::ONE,
            "05 00 6E 73",
            "VEND APPROVED 1.10",
        ),
        one(Message::EndSession, Layout::ONE, "07 07", "END SESSION"),
        (
            vec![
                Message::VendDenied,
                Message::Malfunction { code: 0xC2 },
                Message::SessionCancel,
            ],
            Layout::ONE,
            "06 0A C2 04 D6",
            "VEND DENIED + MALFUNCTION C2 + SESSION CANCEL REQUEST",
        ),
        one(
            Message::OutOfSequence { state: Some(4) },
            Layout::TWO,
            "0B 04 0F",
            "COMMAND OUT OF SEQUENCE state 4",
        ),
        one(
            Message::RevalueLimit {
                amount: units(5_000),
            },
            Layout::TWO,
            "0F 13 88 AA",
            "REVALUE LIMIT 50.00",
        ),
        one(
            Message::RevalueApproved,
            Layout::TWO,
            "0D 0D",
            "REVALUE APPROVED",
        ),
        (
            vec![
                Message::VendDenied,
                Message::Malfunction { code: 0x07 },
                Message::SessionCancel,
            ],
            Layout::ONE,
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

const WIDE: Layout = Layout::new(Level::Three, Options::WIDE_MONEY);

/// What only options of level 3 bring, each in the layout that brings it.
fn optional_commands() -> Vec<(Layout, Command, &'static str)> {
    let on = |options| Layout::new(Level::Three, options);
    let basket = on(Options::BASKET);
    let part = Part {
        item: 0x17,
        amount: units(110),
        left: 2,
        options: units(10),
    };
    let info = NamedItem {
        selected: 0x17,
        dispensed: 0x18,
        selected_name: *b"A1    ",
        dispensed_name: *b"A2    ",
    };
    let euro = Country::currency(978).expect("three digits");
    vec![
        (
            WIDE,
            Command::PricesIn(
                Prices {
                    max: Some(units(350)),
                    min: Some(units(20)),
                },
                euro,
            ),
            "11 01 00 00 01 5E 00 00 00 14 19 78 16",
        ),
        (
            WIDE,
            Command::VendRequest {
                price: units(120),
                item: 23,
            },
            "13 00 00 00 00 78 00 17 A2",
        ),
        (
            Layout::THREE,
            Command::NegativeVendRequest {
                value: units(25),
                item: 0xFFFF,
            },
            "13 06 00 19 FF FF 30",
        ),
        (
            Layout::THREE,
            Command::SelectionDenied {
                item: 11,
                reason: Reason::EMPTY,
            },
            "13 07 00 0B 02 27",
        ),
        (
            Layout::THREE,
            Command::SetAge(18),
            "17 FF 05 06 12 44 52 41 56 50 B0",
        ),
        // Laid out by the table of the reference, which gives no vectors for them.
        (
            Layout::THREE,
            Command::AskAge,
            "17 FF 06 06 00 44 52 41 56 53 A2",
        ),
        (
            basket,
            Command::BasketRequest {
                price: units(120),
                item: 0xFFFF,
                count: 3,
                options: units(10),
            },
            "13 00 00 78 FF FF 00 00 00 00 03 00 0A 96",
        ),
        (
            basket,
            Command::PartSuccess(part, None),
            "13 02 00 17 00 6E 02 00 0A A6",
        ),
        (
            basket,
            Command::PartFailure(part, Reason::EMPTY),
            "13 03 00 17 00 6E 02 00 0A 02 A9",
        ),
        (
            on(Options::ITEM_INFO),
            Command::VendSuccessNamed(info),
            "13 02 00 17 00 18 41 31 20 20 20 20 41 32 20 20 20 20 29",
        ),
        (
            on(Options::BASKET
                .with(Options::ITEM_INFO)
                .with(Options::WIDE_MONEY)),
            Command::PartSuccess(Part { item: 0x18, ..part }, Some(info)),
            "13 02 00 17 00 18 41 31 20 20 20 20 41 32 20 20 20 20 00 00 00 6E 02 00 00 00 0A A3",
        ),
        (
            on(Options::ITEM_INFO.with(Options::CURRENCIES)),
            Command::CashSaleLong(LongSale {
                price: units(80),
                item: 0x17,
                currency: Some(euro),
                info: Some((info, 1)),
            }),
            "13 05 00 00 00 50 00 17 19 78 00 18 41 31 20 20 20 20 41 32 20 20 20 20 01 0E",
        ),
        (
            Layout::THREE,
            Command::CouponReply {
                usage: 1,
                item: 23,
                used: units(50),
            },
            "13 08 01 00 17 00 32 65",
        ),
        (
            Layout::THREE,
            Command::KeysTyped(Keys::from_bytes(*b"1234\0\0\0\0")),
            "14 03 31 32 33 34 00 00 00 00 E1",
        ),
        (
            Layout::TWO,
            Command::WriteTime(Clock::from_bytes([
                0x26, 0x02, 0x28, 0x23, 0x59, 0x58, 0x06, 0x09, 0x00, 0x00,
            ])),
            "17 03 26 02 28 23 59 58 06 09 00 00 4D",
        ),
        (
            Layout::THREE,
            Command::File(Transfer::Block {
                to: 0x10,
                number: 2,
                piece: Block::of(b"DXS").expect("a short piece"),
            }),
            "17 FC 10 02 44 58 53 14",
        ),
    ]
}

fn optional_replies() -> Vec<(Layout, Message, &'static str)> {
    let on = |options| Layout::new(Level::Three, options);
    let locale = Locale {
        language: *b"fr",
        currency: Country::currency(978).expect("three digits"),
        card: 6,
    };
    let selection = Selection {
        funds: Units::UNKNOWN,
        media: Media::UNKNOWN,
        locale: None,
        item: 11,
        options: ItemOptions::DEFAULT.sugar(1).expect("a wish"),
    };
    vec![
        (
            WIDE,
            Message::BeginSessionIn {
                funds: Units::UNKNOWN,
                media: Media::UNKNOWN,
                locale,
            },
            "03 FF FF FF FF FF FF FF FF 00 00 00 66 72 19 78 06 6A",
        ),
        (
            WIDE,
            Message::VendApproved { amount: units(110) },
            "05 00 00 00 6E 73",
        ),
        (
            Layout::THREE,
            Message::SelectionRequest(selection),
            "14 FF FF FF FF FF FF 00 00 00 00 0B 00 00 00 04 1D",
        ),
        // Laid out by the table of the reference, which gives no vectors for them.
        (
            WIDE,
            Message::SelectionRequest(Selection {
                locale: Some(locale),
                ..selection
            }),
            "14 FF FF FF FF FF FF FF FF 00 00 00 66 72 19 78 06 00 0B 00 00 00 04 8A",
        ),
        (
            on(Options::BASKET),
            Message::BasketApproved {
                amount: units(120),
                options: units(10),
            },
            "05 00 78 00 0A 87",
        ),
        (
            Layout::THREE,
            Message::Coupon(Coupon {
                item: 0xFFFF,
                options: 1,
                value: units(50),
                id: 0xC0FFEE,
            }),
            "15 FF FF 01 00 32 00 C0 FF EE F3",
        ),
        (
            Layout::THREE,
            Message::AgeStatus(AgeStatus {
                state: 0x90,
                media: 0x40,
            }),
            "FF 06 07 90 40 44 52 41 56 53 5C",
        ),
        (
            Layout::THREE,
            Message::AgeFeature(0x81),
            "FF 05 06 81 44 52 41 56 50 08",
        ),
        (Layout::THREE, Message::TimeRequest, "11 11"),
        (Layout::THREE, Message::DataEntry { keys: 0x84 }, "12 84 96"),
        (Layout::THREE, Message::DataEntryCancel, "13 13"),
        (
            Layout::THREE,
            Message::File(Transfer::Ok { to: 0, from: 0x10 }),
            "1E 00 10 2E",
        ),
    ]
}

#[test]
fn every_layout_of_an_option_prints_to_its_vector_and_back() {
    for (layout, command, vector) in optional_commands() {
        let block = command.print_in(FIRST, layout);
        let frame = Frame::from_controller(&block);
        assert_eq!(bytes(&frame), hex(vector), "{command}");
        assert_eq!(Command::parse_in(FIRST, &block, layout), Ok(command));
        for len in 0..block.len() {
            let shorter = Command::parse_in(FIRST, &block[..len], layout);
            assert_ne!(shorter, Ok(command), "{command}");
        }
    }
    for (layout, message, vector) in optional_replies() {
        let block = message.block_in(layout.width());
        let frame = Frame::from_peripheral(&block);
        assert_eq!(bytes(&frame), hex(vector), "{message}");
        let parsed: Vec<_> = Message::parse_all(&block, layout).collect();
        assert_eq!(parsed, [Ok(message)]);
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
            let every = Layout::new(Level::Three, Options::ALL);
            let _ = Command::parse_in(FIRST, &block, every).map(|it| it.to_string());
            for layout in [Layout::ONE, Layout::TWO, every] {
                let lines = Message::parse_all(&block, layout).flatten();
                lines.for_each(|it| drop(it.at(cents()).to_string()));
            }
        }
    }
}
