//! What a bad wire, and a bad controller, do to words.

use std::time::Duration;

use gettone_mdb::{ACK, Frame, Mode, NAK, Word, checksum};

use crate::quirk::Fault;

/// The longest that a POLL is late.
const LATE_MAX_MS: u64 = 800;
/// Words without sense in a row.
const NONSENSE_MAX: u64 = 12;
/// The low three bits of POLL's first byte, at either address.
const POLL: u8 = 2;
/// What the others on the bus hear: POLLs of the changer, the validator, a display; RESETs of those that are not there.
const OTHERS: [u8; 6] = [0x0B, 0x33, 0x22, 0x40, 0x58, 0x68];

/// Faults, and the chance that decides when they strike.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    state: u64,
    one_in: u64,
    pub(crate) faults: Vec<Fault>,
    /// What struck since it was last asked.
    struck: Vec<Fault>,
}

/// What becomes of one frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// In place of the frame; with it, what comes before it and again after it.
    pub(crate) words: Vec<Word>,
    /// So much later.
    pub(crate) late: Option<Duration>,
}

impl Wire {
    pub(crate) fn new(seed: u64, one_in: u64, faults: Vec<Fault>) -> Self {
        Self {
            state: seed,
            one_in,
            faults,
            struck: Vec::new(),
        }
    }

    /// What has struck since the last time, each once.
    pub(crate) fn struck(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.struck)
    }

    /// SplitMix64: small, seeded, the same everywhere.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Whether this fault strikes now.
    pub(crate) fn hits(&mut self, fault: Fault) -> bool {
        let hits = self.faults.contains(&fault) && self.roll().is_multiple_of(self.one_in);
        if hits && !self.struck.contains(&fault) {
            self.struck.push(fault);
        }
        hits
    }

    /// One word on its way, in either direction.
    pub(crate) fn carry(&mut self, word: Word) -> Option<Word> {
        if self.hits(Fault::LostWords) {
            return None;
        }
        if self.hits(Fault::GarbledWords) {
            let bit = 1 << (self.roll() % 9);
            return Word::from_u16(word.to_u16() ^ bit);
        }
        Some(word)
    }

    /// What goes out in place of this frame of the controller.
    pub(crate) fn send(&mut self, frame: &Frame) -> Sent {
        let mut words = Vec::new();
        match frame.iter().copied().collect::<Vec<_>>()[..] {
            [lone] if lone.byte() == ACK => {
                if self.hits(Fault::Naks) {
                    words.push(Word::new(Mode::Data, NAK));
                } else if !self.hits(Fault::LostAcks) {
                    words.push(lone);
                }
            }
            [lone] => words.push(lone),
            [first, ..] => {
                let is_poll = first.byte() & 7 == POLL;
                if self.hits(Fault::Chatter) {
                    words.extend(self.chatter());
                }
                if self.hits(Fault::RandomWords) {
                    words.extend(self.nonsense());
                }
                if is_poll && self.hits(Fault::MissingPolls) {
                    return Sent { words, late: None };
                }
                let block = self.block(frame);
                words.extend_from_slice(&block);
                if self.hits(Fault::Duplicates) {
                    words.extend_from_slice(&block);
                }
                let late = is_poll && self.hits(Fault::LatePolls);
                let late = late.then(|| Duration::from_millis(self.roll() % LATE_MAX_MS));
                return self.carried(words, late);
            }
            [] => {}
        }
        self.carried(words, None)
    }

    fn carried(&mut self, words: Vec<Word>, late: Option<Duration>) -> Sent {
        let words = words.into_iter().filter_map(|word| self.carry(word));
        Sent {
            words: words.collect(),
            late,
        }
    }

    /// The block itself, or a wrong one.
    fn block(&mut self, frame: &Frame) -> Vec<Word> {
        let mut bytes: Vec<u8> = frame.iter().map(|word| word.byte()).collect();
        let mut sum = bytes.pop().unwrap_or_default();
        if self.hits(Fault::WrongLengths) {
            match self.roll().is_multiple_of(2) && bytes.len() > 1 {
                true => drop(bytes.pop()),
                false => bytes.push(0),
            }
            sum = checksum(&bytes);
        }
        if self.hits(Fault::BadChecksums) {
            sum = sum.wrapping_add(1);
        }
        bytes.push(sum);
        words(&bytes)
    }

    fn chatter(&mut self) -> Vec<Word> {
        let count = u64::try_from(OTHERS.len()).unwrap_or(1);
        let nth = usize::try_from(self.roll() % count).unwrap_or_default();
        let other = OTHERS.get(nth).copied().unwrap_or_default();
        words(&[other, other])
    }

    fn nonsense(&mut self) -> Vec<Word> {
        let count = 1 + self.roll() % NONSENSE_MAX;
        let word = |roll: u64| Word::from_u16(u16::try_from(roll & 0x1FF).unwrap_or_default());
        (0..count).filter_map(|_| word(self.roll())).collect()
    }
}

/// Bytes of a block as the controller says them: the mode bit on the first one.
fn words(bytes: &[u8]) -> Vec<Word> {
    let mode = |at| if at == 0 { Mode::Address } else { Mode::Data };
    let words = bytes.iter().enumerate();
    words.map(|(at, byte)| Word::new(mode(at), *byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_mdb::{Address, Command};

    fn frame(command: Command) -> Frame {
        Frame::from_controller(&command.print(Address::First))
    }

    fn bytes(sent: &Sent) -> Vec<u8> {
        sent.words.iter().map(|word| word.byte()).collect()
    }

    #[test]
    fn each_fault_does_what_it_says_and_nothing_strikes_unasked() {
        let request = frame(Command::VendCancel);
        let mut good = Wire::new(1, 1, Vec::new());
        assert_eq!(good.send(&request).words, request.to_vec());
        assert!(good.struck().is_empty());
        let send = |fault, frame: &Frame| {
            let mut wire = Wire::new(7, 1, vec![fault]);
            let sent = wire.send(frame);
            assert_eq!(wire.struck(), [fault], "it is told");
            sent
        };
        assert_eq!(
            bytes(&send(Fault::BadChecksums, &request)),
            [0x13, 0x01, 0x15]
        );
        assert_eq!(bytes(&send(Fault::Duplicates, &request)).len(), 6);
        let wrong = bytes(&send(Fault::WrongLengths, &request));
        let (sum, body) = wrong.split_last().expect("a block");
        assert_eq!(checksum(body), *sum, "only the length is wrong");
        assert!(body.len() != 2);
        let ack = Frame::lone(Word::new(Mode::Data, ACK));
        assert!(send(Fault::LostAcks, &ack).words.is_empty());
        assert_eq!(bytes(&send(Fault::Naks, &ack)), [NAK]);
        let poll = frame(Command::Poll);
        assert!(send(Fault::MissingPolls, &poll).words.is_empty());
        assert!(send(Fault::LatePolls, &poll).late.is_some());
        let chatter = send(Fault::Chatter, &poll).words;
        assert_eq!(chatter[2..], poll.to_vec());
        assert_ne!(chatter[0].byte() & 0xF8, 0x10);
        let noise = send(Fault::RandomWords, &poll).words;
        assert_eq!(noise[noise.len() - 2..], poll.to_vec());
    }
}
