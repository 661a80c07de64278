//! Any bytes at all, in any layout: what is read can be written and is read the same, and nothing panics.
//!
//! `GETTONE_FUZZ=N` runs N rounds of each target in place of a few seconds' worth; a round's number is its seed.

use std::time::Duration;

use gettone_mdb::cashless::{Cashless, Config, Input};
use gettone_mdb::file::Transfer;
use gettone_mdb::trace::Burst;
use gettone_mdb::{Address, Block, Command, Frame, Layout, Level, Message, Options, Word};

const ROUNDS: u64 = 200_000;

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
        usize::try_from(self.roll() % u64::try_from(end).expect("small")).expect("small")
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[3]
    }

    fn layout(&mut self) -> Layout {
        let level = [Level::One, Level::Two, Level::Three, Level::Three][self.below(4)];
        let bits = u32::from(self.byte()) | u32::from(self.byte()) << 8;
        Layout::new(level, Options::from_u32(bits).and(Options::ALL))
    }

    /// Bytes that begin like something, or like nothing.
    fn bytes(&mut self, firsts: &[u8]) -> Vec<u8> {
        let len = self.below(36);
        let mut bytes: Vec<u8> = (0..len).map(|_| self.byte()).collect();
        if let Some(first) = bytes.first_mut().filter(|_| !firsts.is_empty()) {
            *first = firsts[self.below(firsts.len())];
        }
        // Small numbers are sub-commands more often than large ones.
        if let Some(second) = bytes.get_mut(1) {
            *second = [*second % 9, *second, 0xFA + *second % 6][self.below(3)];
        }
        bytes
    }
}

fn rounds() -> u64 {
    let wanted = std::env::var("GETTONE_FUZZ").ok();
    wanted.map_or(ROUNDS, |it| {
        it.parse().expect("GETTONE_FUZZ is a number of rounds")
    })
}

const COMMANDS: [u8; 8] = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];

#[test]
fn any_block_that_is_a_command_is_written_and_read_the_same() {
    let mut read = 0;
    for seed in 0..rounds() {
        let mut dice = Dice(seed);
        let layout = dice.layout();
        let bytes = dice.bytes(&COMMANDS);
        let Ok(command) = Command::parse_in(Address::First, &bytes, layout) else {
            continue;
        };
        read += 1;
        assert!(!command.to_string().is_empty());
        let again = command.print_in(Address::First, layout);
        let back = Command::parse_in(Address::First, &again, layout);
        // What is not spoken keeps its first two bytes only.
        if !matches!(command, Command::Unknown { .. }) {
            assert_eq!(back, Ok(command), "seed {seed}");
        }
    }
    assert!(read > rounds() / 100);
}

#[test]
fn any_reply_that_is_read_is_written_and_read_the_same() {
    let firsts: Vec<u8> = (0x00..=0x20).chain([0xFF]).collect();
    let mut read = 0;
    for seed in 0..rounds() {
        let mut dice = Dice(seed);
        let layout = dice.layout();
        let bytes = dice.bytes(&firsts);
        let messages: Result<Vec<_>, _> = Message::parse_all(&bytes, layout).collect();
        let Ok(messages) = messages else { continue };
        read += messages.len();
        for message in messages {
            assert!(!message.to_string().is_empty());
            let again = message.block_in(layout.width());
            let back: Vec<_> = Message::parse_all(&again, layout).collect();
            // A text longer than any display is cut; a diagnosis of its maker's own is, by its code.
            if !matches!(message, Message::Display { .. } | Message::Diagnostic(_)) {
                assert_eq!(back, [Ok(message)], "seed {seed}");
            }
        }
    }
    assert!(read > 1_000);
}

#[test]
fn any_words_to_a_device_with_every_option_leave_it_alive() {
    let config = Config {
        level: Level::Three,
        options: Options::ALL,
        age_check: true,
        ..Config::default()
    };
    let mut device = Cashless::new(config).expect("a consistent configuration");
    let mut now = Duration::ZERO;
    for seed in 0..rounds() {
        let mut dice = Dice(seed);
        let bytes = dice.bytes(&COMMANDS);
        let block = Block::of(&bytes).expect("short enough");
        let mut frame = Frame::from_controller(&block).to_vec();
        if dice.below(8) == 0 {
            let at = dice.below(frame.len());
            frame[at] = Word::from_u16(u16::from(dice.byte()) << 1).expect("nine bits");
        }
        for word in frame {
            now += Duration::from_micros(1_146);
            device.handle(now, Input::Word(word));
            while device.poll().is_some() {}
        }
        now += Duration::from_millis(u64::from(dice.byte()));
        device.handle(now, Input::Tick);
        while device.poll().is_some() {}
    }
    // Whatever happened, RESET is answered.
    let reset = Frame::from_controller(&Command::Reset.print(Address::First));
    let mut sent = 0;
    for word in reset.iter() {
        device.handle(now, Input::Word(*word));
        sent += std::iter::from_fn(|| device.poll()).count();
    }
    assert!(sent > 0);
}

#[test]
fn any_line_is_a_burst_or_none() {
    for seed in 0..rounds() / 4 {
        let mut dice = Dice(seed);
        let text: String = (0..dice.below(80))
            .map(|_| char::from(b"0123456789ABCDEFVP #\t\xFFx "[dice.below(23)]))
            .collect();
        if let Ok(Some(burst)) = Burst::parse(&text) {
            assert_eq!(
                Burst::parse(&burst.to_string()),
                Ok(Some(burst)),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_piece_of_a_file_is_never_longer_than_a_block_holds() {
    for len in 0..40_usize {
        let bytes = vec![7; len];
        let Some(piece) = Block::of(&bytes) else {
            assert!(len > 35);
            continue;
        };
        let (to, number) = (0x10, 0);
        let frame = Transfer::Block { to, number, piece };
        let printed = Command::File(frame).print(Address::First);
        assert!(printed.len() <= 35, "{len}");
    }
}
