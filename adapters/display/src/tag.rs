//! A link on a dynamic NFC tag: the NDEF record, and which bytes of the chip's memory say it.
//!
//! A phone may read while the reader writes, and power may go in between. So a link of another
//! length is written behind an empty head: at every moment the tag says the link before, nothing,
//! or the link after. One of the same length, as nearly all codes are, is written over the one
//! before, and a phone may meet a mixture of both: no reader has made it, so the server refuses it
//! as it refuses an old one. Emptying the tag for it each time would wear its first block twice as
//! much as any other.
//!
//! Every code on show wears the chip, though only blocks that change are written, once a step: a
//! chip rated for half a million writes lasts half a year of days and nights at 30 s a step.

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

/// A tag chip with a wire to the reader's board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chip {
    /// NXP NT3H2111 (NTAG I2C plus 1K): a Type 2 tag, written in blocks of 16 bytes.
    Nt3h2111,
    /// ST ST25DV04K: a Type 5 tag, written byte by byte within rows of 4.
    St25dv04k,
}

/// One write to the chip, as it goes over the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Where it begins in the chip's memory, in bytes.
    pub at: usize,
    /// What is written there.
    pub bytes: Vec<u8>,
    /// What goes over I2C: the address as the chip counts it, then the bytes.
    pub wire: Vec<u8>,
    /// How long the chip answers nobody after it.
    pub busy: Duration,
}

/// A link that does not fit the tag.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a link of {len} bytes does not fit the tag")]
pub struct TooLong {
    /// Its length.
    pub len: usize,
}

/// Why a tag does not say a link.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TagFault<E> {
    /// It has no room for the link.
    #[error(transparent)]
    Link(#[from] TooLong),
    /// A write failed more than once.
    #[error("the tag was not written")]
    Write(#[source] E),
}

/// How often a write is tried: a phone in the field keeps the chip to itself for a moment.
const TRIES: usize = 3;

/// What a tag is known to hold, so that only what changes is written.
#[derive(Clone, Debug)]
pub struct Memory {
    chip: Chip,
    /// Bytes by where they were written; what is not here may be anything.
    known: BTreeMap<usize, Vec<u8>>,
}

impl Memory {
    /// Of a tag of which nothing is known.
    pub const fn new(chip: Chip) -> Self {
        Self {
            chip,
            known: BTreeMap::new(),
        }
    }

    /// Makes the tag say `link`, or nothing, over a bus: `put` writes once and waits out `busy`.
    ///
    /// # Errors
    /// `TagFault` when the link has no room, or a write failed; then the tag says nothing, what it
    /// said before, or a mixture that no reader has made.
    pub fn say<E>(
        &mut self,
        link: Option<&str>,
        mut put: impl FnMut(&Write) -> Result<(), E>,
    ) -> Result<(), TagFault<E>> {
        let writes = self.chip.writes(link)?;
        let has_head = writes.last().is_some_and(|head| self.holds(head));
        let container = self.chip.container();
        // With the head in place, its emptying and its return are both left out.
        let from = usize::from(has_head);
        for write in container.iter().chain(writes.iter().skip(from)) {
            if !self.holds(write) {
                self.put(write, &mut put)?;
            }
        }
        Ok(())
    }

    fn holds(&self, write: &Write) -> bool {
        let known = self.known.get(&write.at);
        known.is_some_and(|known| known.starts_with(&write.bytes))
    }

    fn put<E>(
        &mut self,
        write: &Write,
        put: &mut impl FnMut(&Write) -> Result<(), E>,
    ) -> Result<(), TagFault<E>> {
        // A write that fails may have changed some of it.
        let mut held = self.known.remove(&write.at).unwrap_or_default();
        let mut tries = 1;
        while let Err(fault) = put(write) {
            if tries >= TRIES {
                return Err(TagFault::Write(fault));
            }
            tries += 1;
        }
        held.splice(
            ..held.len().min(write.bytes.len()),
            write.bytes.iter().copied(),
        );
        self.known.insert(write.at, held);
        Ok(())
    }
}

/// The TLV of an NDEF message, and the one that ends the memory.
const NDEF: u8 = 0x03;
const TERMINATOR: u8 = 0xfe;
/// A length of more than 254 bytes takes three.
const LONG_LEN: u8 = 0xff;
/// One record alone, well known, with a length of one byte; the same with one of four.
const SHORT_RECORD: u8 = 0xd1;
const LONG_RECORD: u8 = 0xc1;
const URI: u8 = b'U';
/// What the first byte of a URI record stands for.
const PREFIXES: [(u8, &str); 4] = [
    (0x02, "https://www."),
    (0x01, "http://www."),
    (0x04, "https://"),
    (0x03, "http://"),
];

impl Chip {
    /// Its address on the I2C bus.
    pub const fn address(self) -> u8 {
        match self {
            Self::Nt3h2111 => 0x55,
            Self::St25dv04k => 0x53,
        }
    }

    /// How long it is busy after one write.
    const fn busy(self) -> Duration {
        match self {
            Self::Nt3h2111 => Duration::from_millis(5),
            // 5 ms for each row of 4 bytes.
            Self::St25dv04k => Duration::from_millis(21),
        }
    }

    /// The writes that make the tag say `link`, or nothing at all, in their order.
    ///
    /// # Errors
    /// `TooLong` when the link does not fit.
    pub fn writes(self, link: Option<&str>) -> Result<Vec<Write>, TooLong> {
        let area = self.area();
        let empty = [NDEF, 0, TERMINATOR];
        let mut writes = vec![self.write(area.start, &empty)];
        let Some(link) = link else {
            return Ok(writes);
        };
        let message = record(link);
        let fault = TooLong { len: link.len() };
        let mut content = match u8::try_from(message.len())
            .ok()
            .filter(|len| *len < LONG_LEN)
        {
            Some(len) => vec![NDEF, len],
            None => {
                let [high, low] = u16::try_from(message.len())
                    .map_err(|_| fault)?
                    .to_be_bytes();
                vec![NDEF, LONG_LEN, high, low]
            }
        };
        content.extend(message);
        content.push(TERMINATOR);
        if content.len() > area.len() {
            return Err(fault);
        }
        // The unit with the length comes last.
        let unit = self.unit();
        let first = unit.min(content.len());
        let (head, rest) = content.split_at(first);
        for (place, chunk) in rest.chunks(unit).enumerate() {
            writes.push(self.write(area.start + (place + 1) * unit, chunk));
        }
        writes.push(self.write(area.start, head));
        Ok(writes)
    }

    /// What makes an empty chip an NFC tag, its capability container, where it is sold without one.
    pub fn container(self) -> Option<Write> {
        match self {
            // It comes with one, in a block whose first byte is its address: nobody writes there.
            Self::Nt3h2111 => None,
            Self::St25dv04k => Some(self.write(0, &[0xe1, 0x40, 0x40, 0x01])),
        }
    }

    /// Where a phone looks for the message, in bytes of the chip's memory.
    pub const fn area(self) -> Range<usize> {
        match self {
            Self::Nt3h2111 => 16..16 + 872,
            Self::St25dv04k => 4..512,
        }
    }

    const fn unit(self) -> usize {
        16
    }

    fn write(self, at: usize, bytes: &[u8]) -> Write {
        let mut bytes = bytes.to_vec();
        let mut wire = match self {
            Self::Nt3h2111 => {
                // It takes whole blocks only.
                bytes.resize(16, 0);
                vec![u8::try_from(at / 16).unwrap_or(u8::MAX)]
            }
            Self::St25dv04k => u16::try_from(at).unwrap_or(u16::MAX).to_be_bytes().to_vec(),
        };
        wire.extend_from_slice(&bytes);
        let busy = self.busy();
        Write {
            at,
            bytes,
            wire,
            busy,
        }
    }
}

/// One URI record (NFC Forum, URI record type definition).
fn record(link: &str) -> Vec<u8> {
    let found = PREFIXES
        .iter()
        .find_map(|(code, prefix)| Some((*code, link.strip_prefix(prefix)?)));
    let (code, rest) = found.unwrap_or((0, link));
    let len = 1 + rest.len();
    let mut record = match u8::try_from(len) {
        Ok(len) => vec![SHORT_RECORD, 1, len, URI],
        Err(_) => {
            let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
            let mut long = vec![LONG_RECORD, 1];
            long.extend_from_slice(&len);
            long.push(URI);
            long
        }
    };
    record.push(code);
    record.extend_from_slice(rest.as_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHIPS: [Chip; 2] = [Chip::Nt3h2111, Chip::St25dv04k];

    /// What a phone reads: the link of the first message, if there is one whole one.
    fn read(chip: Chip, memory: &[u8]) -> Option<String> {
        let area = memory.get(chip.area())?;
        let [NDEF, rest @ ..] = area else { return None };
        let (len, rest) = match rest {
            [0, ..] => return None,
            [LONG_LEN, high, low, rest @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            [len, rest @ ..] => (usize::from(*len), rest),
            [] => return None,
        };
        let (message, after) = rest.split_at_checked(len)?;
        assert_eq!(after.first(), Some(&TERMINATOR));
        let body = match message {
            [SHORT_RECORD, 1, len, URI, body @ ..] => {
                assert_eq!(usize::from(*len), body.len());
                body
            }
            [LONG_RECORD, 1, a, b, c, d, URI, body @ ..] => {
                assert_eq!(u32::from_be_bytes([*a, *b, *c, *d]) as usize, body.len());
                body
            }
            other => panic!("no URI record: {other:02x?}"),
        };
        let (code, rest) = body.split_first().expect("a prefix");
        let prefix = PREFIXES.iter().find(|(known, _)| known == code);
        let prefix = prefix.map_or("", |(_, prefix)| prefix);
        Some(format!("{prefix}{}", String::from_utf8_lossy(rest)))
    }

    fn put(memory: &mut [u8], write: &Write) {
        memory[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
    }

    #[test]
    fn whenever_a_phone_reads_or_power_goes_the_tag_says_the_old_link_the_new_one_or_nothing() {
        let links = [
            "https://gettone.example/t/short".to_owned(),
            format!("https://gettone.example/t/{}", "n".repeat(240)),
            format!("https://gettone.example/t/{}", "m".repeat(100)),
            "tel:112".to_owned(),
        ];
        for chip in CHIPS {
            let mut memory = vec![0; chip.area().end];
            let mut before = None;
            for link in &links {
                let writes = chip.writes(Some(link)).expect("it fits");
                for (place, write) in writes.iter().enumerate() {
                    put(&mut memory, write);
                    let said = read(chip, &memory);
                    let is_last = place + 1 == writes.len();
                    assert_eq!(said.as_ref(), is_last.then_some(link), "{chip:?} {place}");
                }
                before = Some(link);
            }
            // The control: with the length first, a phone could read a mixed link.
            let mut writes = chip.writes(Some(&links[1])).expect("it fits");
            let head = writes.pop().expect("the last one");
            put(&mut memory, &head);
            let mixed = read(chip, &memory);
            assert!(mixed.as_ref() != Some(&links[1]) && mixed.as_ref() != before);
        }
    }

    /// A chip on a bus, by its data sheet: what its wires mean, and that it answers nobody while it
    /// writes, nor while a phone has it.
    struct Wired {
        chip: Chip,
        memory: Vec<u8>,
        is_taken_every: usize,
        asked: usize,
    }

    impl Wired {
        fn take(&mut self, wire: &[u8]) -> Result<(), &'static str> {
            self.asked += 1;
            if self.asked.is_multiple_of(self.is_taken_every) {
                return Err("not acknowledged");
            }
            let (at, bytes) = match self.chip {
                Chip::Nt3h2111 => {
                    let (block, bytes) = wire.split_first().ok_or("no address")?;
                    assert!(bytes.len() == 16 && *block != 0, "block {block}");
                    (usize::from(*block) * 16, bytes)
                }
                Chip::St25dv04k => {
                    let (at, bytes) = wire.split_first_chunk().ok_or("no address")?;
                    (usize::from(u16::from_be_bytes(*at)), bytes)
                }
            };
            self.memory[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    #[test]
    fn a_link_goes_over_the_bus_though_a_phone_takes_the_chip_now_and_then() {
        for (chip, is_taken_every) in CHIPS.into_iter().flat_map(|c| [(c, 3), (c, usize::MAX)]) {
            let mut wired = Wired {
                chip,
                memory: vec![0; chip.area().end],
                is_taken_every,
                asked: 0,
            };
            let link = format!("https://gettone.example/t/{}", "n".repeat(240));
            let mut memory = Memory::new(chip);
            memory
                .say(Some(&link), |write| wired.take(&write.wire))
                .expect("tried again");
            assert_eq!(read(chip, &wired.memory).as_ref(), Some(&link));
            if chip == Chip::St25dv04k {
                assert_eq!(wired.memory[..4], [0xe1, 0x40, 0x40, 0x01]);
            }
            // One that is gone for good is given up, and says nothing wrong.
            wired.is_taken_every = 1;
            let fault = memory.say(None, |write| wired.take(&write.wire));
            assert_eq!(fault, Err(TagFault::Write("not acknowledged")));
            // What is on it then is not known, so all of it is written when the chip is back.
            wired.is_taken_every = usize::MAX;
            memory
                .say(None, |write| wired.take(&write.wire))
                .expect("it is back");
            assert_eq!(read(chip, &wired.memory), None);
            memory
                .say(Some(&link), |write| wired.take(&write.wire))
                .expect("it is back");
            assert_eq!(read(chip, &wired.memory).as_ref(), Some(&link));
        }
    }

    /// How often each block was written while a tag said `links`, one after the other.
    fn wear<'a>(chip: Chip, links: impl Iterator<Item = Option<&'a str>>) -> BTreeMap<usize, u32> {
        let mut memory = Memory::new(chip);
        let mut bytes = vec![0; chip.area().end];
        let mut wear = BTreeMap::new();
        for link in links {
            let written = memory.say::<()>(link, |write| {
                *wear.entry(write.at).or_default() += 1;
                put(&mut bytes, write);
                Ok(())
            });
            assert_eq!(written, Ok(()));
            assert_eq!(read(chip, &bytes).as_deref(), link);
        }
        wear
    }

    #[test]
    fn a_day_of_codes_wears_no_block_more_than_once_a_step_and_the_first_one_hardly() {
        const STEPS: u32 = 2_880;
        let codes: Vec<String> = (0..STEPS)
            .map(|step| {
                let fresh = format!("{:026}", u64::from(step) * 7_919_791_231);
                format!("https://gettone.example/t/abcdefghjkmnp.5900{step:04}.{fresh}.{fresh}")
            })
            .collect();
        for chip in CHIPS {
            let head = chip.area().start;
            let worn = wear(chip, codes.iter().map(|code| Some(code.as_str())));
            assert!(worn.values().all(|times| *times <= STEPS), "{worn:?}");
            // Once to empty it and once to fill it.
            assert_eq!(worn[&head], 2, "{worn:?}");
            // The control: a tag that is emptied for each code wears its first block twice a step.
            let emptied = codes.iter().flat_map(|code| [None, Some(code.as_str())]);
            assert!(wear(chip, emptied)[&head] >= 2 * STEPS - 1);
            // The same code again is no wear at all.
            let again = core::iter::repeat_n(Some(codes[0].as_str()), 100);
            assert!(wear(chip, again).values().all(|times| *times <= 2));
        }
    }

    #[test]
    fn a_tag_is_emptied_by_one_write() {
        for chip in CHIPS {
            let mut memory = vec![0xff; chip.area().end];
            for write in chip.writes(None).expect("nothing always fits") {
                put(&mut memory, &write);
            }
            assert_eq!(read(chip, &memory), None);
        }
    }

    #[test]
    fn every_write_is_one_that_the_chip_takes() {
        for chip in CHIPS {
            let link = format!("https://gettone.example/t/{}", "n".repeat(248));
            for write in chip.writes(Some(&link)).expect("it fits") {
                assert!(write.at >= chip.area().start && write.at % 4 == 0);
                assert!(write.at + write.bytes.len() <= chip.area().end);
                match chip {
                    Chip::Nt3h2111 => {
                        assert_eq!((write.at % 16, write.bytes.len()), (0, 16));
                        assert_eq!(usize::from(write.wire[0]), write.at / 16);
                        assert_eq!(write.wire[1..], write.bytes);
                    }
                    Chip::St25dv04k => {
                        assert!(write.bytes.len() <= 16);
                        let [high, low] = [write.wire[0], write.wire[1]];
                        assert_eq!(usize::from(u16::from_be_bytes([high, low])), write.at);
                        assert_eq!(write.wire[2..], write.bytes);
                    }
                }
            }
        }
    }

    #[test]
    fn a_link_that_does_not_fit_is_refused() {
        let link = format!("https://{}", "n".repeat(900));
        for chip in CHIPS {
            assert_eq!(chip.writes(Some(&link)), Err(TooLong { len: link.len() }));
        }
    }
}
