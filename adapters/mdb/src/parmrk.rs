//! Nine-bit words from an eight-bit line discipline: the parity bit as mode bit, read as the kernel marks it.
//!
//! With PARENB, CMSPAR, INPCK and PARMRK the kernel hands on a byte whose parity bit is as set, doubles a genuine FF, and
//! writes `FF 00 byte` where the bit is the other one. A held line reads as `FF 00 00`, like the word 00 with the other
//! bit; who listens tells the two apart.
//!
//! ```
//! use gettone_mdb::parmrk::{Decoder, Listener, Parity, Sign};
//! use gettone_mdb::{Mode, Word};
//!
//! let mut decoder = Decoder::new(Listener::Peripheral);
//! let signs: Vec<_> = [0xFF, 0x00, 0x12, 0x12]
//!     .into_iter()
//!     .filter_map(|byte| decoder.take(byte, Parity::Space))
//!     .collect();
//! assert_eq!(signs, [
//!     Sign::Word(Word::new(Mode::Address, 0x12)),
//!     Sign::Word(Word::new(Mode::Data, 0x12)),
//! ]);
//! ```

use crate::word::{Mode, Word};

/// The parity in force, which is the mode bit of what is sent and the expected one of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parity {
    /// The bit is 0.
    Space,
    /// The bit is 1.
    Mark,
}

impl Parity {
    /// The parity that sends this mode bit.
    #[must_use]
    pub const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Data => Self::Space,
            Mode::Address => Self::Mark,
        }
    }

    const fn kept(self) -> Mode {
        match self {
            Self::Space => Mode::Data,
            Self::Mark => Mode::Address,
        }
    }

    const fn broken(self) -> Mode {
        match self {
            Self::Space => Mode::Address,
            Self::Mark => Mode::Data,
        }
    }
}

/// Who listens, and so what `FF 00 00` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// A device: no controller addresses 00, so the line was held.
    Peripheral,
    /// A controller: a device has acknowledged.
    Controller,
}

/// What was on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A word.
    Word(Word),
    /// The line was held: everybody starts again.
    Break,
}

/// Reads the kernel's marks.
#[derive(Clone, Debug)]
pub struct Decoder {
    listener: Listener,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Plain,
    /// After FF.
    Marked,
    /// After FF 00.
    Broken,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new(listener: Listener) -> Self {
        Self {
            listener,
            place: Place::Plain,
        }
    }

    /// Takes the next byte, read while this parity was in force.
    pub fn take(&mut self, byte: u8, parity: Parity) -> Option<Sign> {
        let kept = |byte| Sign::Word(Word::new(parity.kept(), byte));
        let before = core::mem::replace(&mut self.place, Place::Plain);
        Some(match (before, byte) {
            (Place::Plain, 0xFF) => {
                self.place = Place::Marked;
                return None;
            }
            (Place::Plain, byte) => kept(byte),
            (Place::Marked, 0xFF) => kept(0xFF),
            (Place::Marked, 0x00) => {
                self.place = Place::Broken;
                return None;
            }
            // No kernel says so: the FF is dropped, and the byte stands for itself.
            (Place::Marked, byte) => kept(byte),
            (Place::Broken, 0x00)
                if parity == Parity::Space && self.listener == Listener::Peripheral =>
            {
                Sign::Break
            }
            (Place::Broken, byte) => Sign::Word(Word::new(parity.broken(), byte)),
        })
    }
}

/// The part of these words that one parity sends, from the start.
#[must_use]
pub fn run(words: &[Word]) -> &[Word] {
    let Some(first) = words.first() else {
        return words;
    };
    let len = words.iter().take_while(|it| it.mode() == first.mode());
    words.get(..len.count()).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// What a kernel hands on, written from its rules and nothing of ours.
    fn marked(words: &[Word], parity: Parity) -> Vec<u8> {
        let expected = parity == Parity::Mark;
        let mut bytes = Vec::new();
        for word in words {
            let bit = word.to_u16() & 0x100 != 0;
            match (bit == expected, word.byte()) {
                (true, 0xFF) => bytes.extend([0xFF, 0xFF]),
                (true, byte) => bytes.push(byte),
                (false, byte) => bytes.extend([0xFF, 0x00, byte]),
            }
        }
        bytes
    }

    fn read(bytes: &[u8], listener: Listener, parity: Parity) -> Vec<Sign> {
        let mut decoder = Decoder::new(listener);
        let signs = bytes.iter().filter_map(|byte| decoder.take(*byte, parity));
        signs.collect()
    }

    #[test]
    fn every_word_is_read_in_either_parity_whatever_stands_beside_it() {
        let all: Vec<Word> = (0..0x200).filter_map(Word::from_u16).collect();
        for first in &all {
            for second in &all {
                let words = [*first, *second, *first];
                for parity in [Parity::Space, Parity::Mark] {
                    let read = read(&marked(&words, parity), Listener::Controller, parity);
                    assert_eq!(read, words.map(Sign::Word), "{words:?} {parity:?}");
                }
            }
        }
    }

    #[test]
    fn a_held_line_is_a_break_to_a_device_and_an_acknowledgement_to_a_controller() {
        let held = [0xFF, 0x00, 0x00];
        assert_eq!(
            read(&held, Listener::Peripheral, Parity::Space),
            [Sign::Break]
        );
        let ack = Sign::Word(Word::new(Mode::Address, 0));
        assert_eq!(read(&held, Listener::Controller, Parity::Space), [ack]);
        // While a device sends its last word the controller's ACK has the other bit.
        let ack = Sign::Word(Word::new(Mode::Data, 0));
        assert_eq!(read(&held, Listener::Peripheral, Parity::Mark), [ack]);
    }

    #[test]
    fn no_stream_however_mad_upsets_the_decoder_or_keeps_it_out_of_step() {
        let mut seed = 1_u64;
        let mut roll = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        };
        let mut decoder = Decoder::new(Listener::Peripheral);
        let mut told = 0_usize;
        let taken = 200_000;
        for _ in 0..taken {
            let byte = match roll() % 3 {
                0 => 0xFF,
                1 => 0x00,
                _ => roll(),
            };
            let parity = match roll() % 8 {
                0 => Parity::Mark,
                _ => Parity::Space,
            };
            told += usize::from(decoder.take(byte, parity).is_some());
        }
        assert!(told <= taken && told > taken / 4);
        // Three plain bytes at most, and it is in step again.
        for _ in 0..3 {
            decoder.take(0x10, Parity::Space);
        }
        let plain = Sign::Word(Word::new(Mode::Data, 0x42));
        assert_eq!(decoder.take(0x42, Parity::Space), Some(plain));
    }

    #[test]
    fn words_go_out_in_runs_of_one_parity() {
        let words = |bits: &[u16]| -> Vec<Word> {
            let words = bits.iter().filter_map(|bits| Word::from_u16(*bits));
            words.collect()
        };
        let frame = words(&[0x003, 0x004, 0x0B0, 0x1B7]);
        assert_eq!(run(&frame), &frame[..3]);
        assert_eq!(run(&frame[3..]), &frame[3..]);
        assert_eq!(run(&[]), []);
    }
}
