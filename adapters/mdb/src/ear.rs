//! Two listeners: words come in, whole blocks and lone answers come out.

use core::time::Duration;

use crate::block::{Block, checksum};
use crate::bounds::{INTER_BYTE_MAX, UNKNOWN_END};
use crate::command::{Address, Command, Length, length};
use crate::options::Layout;
use crate::word::{ACK, Mode, NAK, Word};

/// What a device hears from the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromController {
    Command(Command),
    /// A word outside any block: the controller's answer to our own block, or noise.
    Lone(u8),
}

/// Listens to the controller for one device; everything else on the bus is skipped.
#[derive(Clone, Debug)]
pub(crate) struct DeviceEar {
    address: Address,
    layout: Layout,
    place: Place,
    block: Block,
    /// The newest byte: the checksum, unless another byte follows.
    newest: Option<u8>,
    last: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Right after a whole block of ours: a lone word may follow.
    Between,
    /// Inside a block of ours.
    Within,
    /// In what is broken or not ours, until the next mode bit.
    Lost,
}

impl DeviceEar {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            layout: Layout::TWO,
            place: Place::Lost,
            block: Block::EMPTY,
            newest: None,
            last: Duration::ZERO,
        }
    }

    pub(crate) fn hear(&mut self, now: Duration, word: Word) -> Option<FromController> {
        let gap = now.saturating_sub(self.last);
        self.last = now;
        match (word.mode(), self.place) {
            (Mode::Address, _) => {
                self.block = Block::EMPTY;
                self.block.push(word.byte())?;
                self.newest = None;
                self.place = match self.address.own(word.byte()) {
                    Some(_) => Place::Within,
                    None => Place::Lost,
                };
                None
            }
            (Mode::Data, Place::Lost) => None,
            (Mode::Data, Place::Between) => Some(FromController::Lone(word.byte())),
            (Mode::Data, Place::Within) if gap > INTER_BYTE_MAX => {
                self.place = Place::Lost;
                None
            }
            (Mode::Data, Place::Within) => self.within(word.byte()),
        }
    }

    /// When a block of unknown length is to be taken as ended.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let unknown = self.place == Place::Within && self.length() == Some(Length::UntilSilence);
        unknown.then(|| self.last.saturating_add(UNKNOWN_END))
    }

    /// Ends a block of unknown length that silence has followed.
    pub(crate) fn silence(&mut self, now: Duration) -> Option<FromController> {
        if self.deadline().is_none_or(|end| now < end) {
            return None;
        }
        self.close()
    }

    /// Forgets an unfinished block.
    pub(crate) fn forget(&mut self) {
        self.place = Place::Lost;
    }

    /// Reads by this layout from here on.
    pub(crate) const fn read_by(&mut self, layout: Layout) {
        self.layout = layout;
    }

    fn within(&mut self, byte: u8) -> Option<FromController> {
        if let Some(before) = self.newest.replace(byte)
            && self.block.push(before).is_none()
        {
            self.place = Place::Lost;
            return None;
        }
        if self.length() == Some(Length::Bytes(self.block.len())) {
            return self.close();
        }
        None
    }

    fn close(&mut self) -> Option<FromController> {
        self.place = Place::Lost;
        // Silence is the answer to a bad block: its address may be the broken part. [MDB appendix 3]
        if self.newest != Some(checksum(&self.block)) {
            return None;
        }
        let command = Command::parse_in(self.address, &self.block, self.layout).ok()?;
        self.place = Place::Between;
        Some(FromController::Command(command))
    }

    /// The length of the block begun, as far as its first two bytes tell.
    fn length(&self) -> Option<Length> {
        let command = self.address.own(*self.block.first()?)?;
        match self.block.get(1) {
            Some(sub) => Some(length(command, *sub, self.layout)),
            // Without a second byte only the commands that have none are known.
            None if length(command, 0, self.layout) == Length::Bytes(1) => Some(Length::Bytes(1)),
            None => None,
        }
    }
}

/// What a controller hears from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromDevice {
    Ack,
    Nak,
    Block(Block),
    Garbled,
}

/// Listens to the device that was asked; its mode bit ends every reply.
#[derive(Clone, Debug)]
pub(crate) struct ControllerEar {
    block: Block,
    whole: Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    Overflown,
}

impl ControllerEar {
    pub(crate) const fn new() -> Self {
        Self {
            block: Block::EMPTY,
            whole: Whole::Yes,
        }
    }

    pub(crate) fn hear(&mut self, word: Word) -> Option<FromDevice> {
        if word.mode() == Mode::Data {
            if self.block.push(word.byte()).is_none() {
                self.whole = Whole::Overflown;
            }
            return None;
        }
        let (block, whole) = (self.block, self.whole);
        self.forget();
        Some(match (word.byte(), whole) {
            (_, Whole::Overflown) => FromDevice::Garbled,
            (ACK, Whole::Yes) if block.is_empty() => FromDevice::Ack,
            (NAK, Whole::Yes) if block.is_empty() => FromDevice::Nak,
            (sum, Whole::Yes) if !block.is_empty() && checksum(&block) == sum => {
                FromDevice::Block(block)
            }
            (_, Whole::Yes) => FromDevice::Garbled,
        })
    }

    /// Drops an unfinished reply.
    pub(crate) fn forget(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Frame;

    const AT: Duration = Duration::from_secs(1);

    fn hear_all(ear: &mut DeviceEar, words: &[u16]) -> Option<FromController> {
        words.iter().fold(None, |_, bits| {
            ear.hear(AT, Word::from_u16(*bits).expect("nine bits"))
        })
    }

    fn ear() -> DeviceEar {
        DeviceEar::new(Address::First)
    }

    #[test]
    fn a_broken_block_is_silence_and_the_next_mode_bit_starts_afresh() {
        let mut ear = ear();
        assert_eq!(hear_all(&mut ear, &[0x112, 0x013]), None);
        assert_eq!(
            hear_all(&mut ear, &[0x112, 0x112, 0x012]),
            Some(FromController::Command(Command::Poll))
        );
    }

    #[test]
    fn a_pause_inside_a_block_drops_it() {
        let mut ear = ear();
        hear_all(&mut ear, &[0x112]);
        let late = AT + INTER_BYTE_MAX + Duration::from_micros(1);
        assert_eq!(ear.hear(late, Word::new(Mode::Data, 0x12)), None);
    }

    #[test]
    fn another_devices_traffic_never_looks_like_an_answer() {
        let mut ear = ear();
        assert_eq!(hear_all(&mut ear, &[0x130, 0x030, 0x000]), None);
    }

    #[test]
    fn a_block_of_36_bytes_is_read_and_of_37_dropped() {
        let mut ear = ear();
        let mut block = Block::EMPTY;
        block.put(&[0x17, 0xFC]);
        (0..33).for_each(|_| block.put(&[0]));
        let frame = Frame::from_controller(&block);
        assert_eq!(frame.len(), 36);
        for word in frame.iter() {
            assert_eq!(ear.hear(AT, *word), None);
        }
        let mut longer = ear.clone();
        assert!(ear.silence(AT + UNKNOWN_END).is_some());
        assert_eq!(longer.hear(AT, Word::new(Mode::Data, 0x12)), None);
        assert_eq!(longer.deadline(), None);
    }

    #[test]
    fn a_command_no_table_knows_ends_with_silence() {
        let mut ear = ear();
        let sum = 0x17 + 0xF0 - 0x100 + 0x06;
        let words = [0x117, 0x0F0, 0x001, 0x001, 0x001, 0x001, 0x001, 0x001, sum];
        assert_eq!(hear_all(&mut ear, &words), None);
        assert_eq!(ear.silence(AT), None);
        assert_eq!(
            ear.silence(AT + UNKNOWN_END),
            Some(FromController::Command(Command::Unknown {
                command: 7,
                sub: 0xF0
            }))
        );
    }

    #[test]
    fn a_reply_that_never_ends_is_garbled_once() {
        let mut ear = ControllerEar::new();
        for _ in 0..1_000 {
            assert_eq!(ear.hear(Word::new(Mode::Data, 0)), None);
        }
        let last = Word::new(Mode::Address, 0);
        assert_eq!(ear.hear(last), Some(FromDevice::Garbled));
        assert_eq!(ear.hear(last), Some(FromDevice::Ack));
    }
}
