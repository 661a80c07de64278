//! The `bridge:` link: adapters that speak the bus themselves and hand on whole blocks as ASCII hex.
//!
//! Such an adapter (Waferstar's MDB-RS232 and Pi2MDB family) answers POLL and acknowledges on its own. It hands on each
//! block it heard from the controller, checksum and all, as hex between STX and ETX, a lone `00` being the controller's
//! ACK; several blocks may share a packet, and other devices' blocks are mixed in. What the reader wants to say is
//! written to it as plain bytes with their checksum, and goes out at the controller's next POLL.
//!
//! The device behind this link still lives by POLLs, so the link makes them up. That the controller has fallen silent
//! cannot be seen through such an adapter.
//!
//! The port is a [`SerialStream`] on a runtime of the link's own, which lives on the thread that reads: no other thread
//! and no task has a part in it.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Instant;

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_serial::{
    ClearBuffer, DataBits, ErrorKind, FlowControl, Parity, SerialPort, SerialStream, StopBits,
};

use crate::block::{Frame, checksum};
use crate::bounds::{BLOCK_MAX, BRIDGE_ACK_MAX, BRIDGE_POLL, PACKET_MAX};
use crate::command::{Address, Command, Length, length};
use crate::link::{Link, LinkFault, Read, system};
use crate::options::Layout;
use crate::word::{ACK, Mode, Word};

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// Bits per second of the adapters named above.
const SPEED: u32 = 9_600;
/// How long a message may wait for room in the port.
const ROOM_MAX: Duration = Duration::from_millis(100);
/// Words that wait to be read: two whole packets.
const HEARD_MAX: usize = 2 * PACKET_MAX;

/// The adapter's talk, without the port: bytes and time in, words and bytes out.
#[derive(Clone, Debug)]
pub struct Bridge {
    packet: Packet,
    heard: VecDeque<Word>,
    address: Address,
    /// As far as the controller's own words tell it.
    layout: Layout,
    /// When the adapter was given a message that the controller has not acknowledged.
    given_at: Option<Duration>,
    polled_at: Duration,
}

/// A packet as it comes in.
#[derive(Clone, Debug)]
enum Packet {
    Outside,
    Inside {
        bytes: [u8; PACKET_MAX],
        digits: usize,
    },
}

impl Bridge {
    /// An adapter that has said nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            packet: Packet::Outside,
            heard: VecDeque::with_capacity(HEARD_MAX),
            address: Address::First,
            layout: Layout::TWO,
            given_at: None,
            polled_at: Duration::ZERO,
        }
    }

    /// Takes a byte from the adapter.
    pub fn take(&mut self, byte: u8) {
        match (&mut self.packet, byte) {
            (_, STX) => {
                self.packet = Packet::Inside {
                    bytes: [0; PACKET_MAX],
                    digits: 0,
                };
            }
            (Packet::Outside, _) => {}
            (Packet::Inside { bytes, digits }, ETX) => {
                let (bytes, len) = (*bytes, *digits / 2);
                let even = *digits % 2 == 0;
                self.packet = Packet::Outside;
                if even {
                    self.unpack(bytes.get(..len).unwrap_or_default());
                }
            }
            (Packet::Inside { bytes, digits }, letter) => {
                let value = char::from(letter).to_digit(16);
                let value = value.and_then(|value| u8::try_from(value).ok());
                match (value, bytes.get_mut(*digits / 2)) {
                    (Some(value), Some(byte)) => {
                        *byte = (*byte << 4) | value;
                        *digits += 1;
                    }
                    // No hex, or longer than any packet: noise until the next STX.
                    _ => self.packet = Packet::Outside,
                }
            }
        }
    }

    /// Finds our blocks among everybody's.
    fn unpack(&mut self, packet: &[u8]) {
        let mut rest = packet;
        while let Some((first, after)) = rest.split_first() {
            rest = match own_block(rest, self.layout) {
                Some((address, block)) => {
                    self.address = address;
                    let body = block
                        .get(..block.len().saturating_sub(1))
                        .unwrap_or_default();
                    if let Ok(command) = Command::parse_in(address, body, self.layout) {
                        self.layout = self.layout.after(&command);
                    }
                    // The adapter has answered it; the device is polled by us.
                    if block.len() > 2 || block.first() != Some(&(address.base() | POLL)) {
                        self.given_at = None;
                        self.hear(block);
                    }
                    rest.get(block.len()..).unwrap_or_default()
                }
                None if *first == ACK => {
                    if self.given_at.take().is_some() {
                        self.push(Word::new(Mode::Data, ACK));
                    }
                    after
                }
                // Another device's block: its length is in no table of ours.
                None => after,
            };
        }
    }

    fn hear(&mut self, block: &[u8]) {
        for (at, byte) in block.iter().enumerate() {
            let mode = if at == 0 { Mode::Address } else { Mode::Data };
            self.push(Word::new(mode, *byte));
        }
    }

    fn push(&mut self, word: Word) {
        if self.heard.len() < HEARD_MAX {
            self.heard.push_back(word);
        }
    }

    /// The next word for the device.
    pub fn next_word(&mut self) -> Option<Word> {
        self.heard.pop_front()
    }

    /// When [`Bridge::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Duration {
        let poll_at = self.polled_at.saturating_add(BRIDGE_POLL);
        match self.given_at {
            Some(given_at) => poll_at.max(given_at.saturating_add(BRIDGE_ACK_MAX)),
            None => poll_at,
        }
    }

    /// Lets time pass: asks the device in the controller's place.
    pub fn tick(&mut self, now: Duration) {
        if now < self.next_deadline() || !self.heard.is_empty() {
            return;
        }
        self.polled_at = now;
        self.given_at = None;
        let poll = Frame::from_controller(&Command::Poll.print(self.address));
        for word in poll.iter() {
            self.push(*word);
        }
    }

    /// Takes the device's answer; gives how many of `bytes` are to be written to the adapter.
    pub fn answer(&mut self, now: Duration, words: &[Word], bytes: &mut [u8; BLOCK_MAX]) -> usize {
        // The adapter acknowledges by itself.
        if words.len() < 2 {
            return 0;
        }
        for (byte, word) in bytes.iter_mut().zip(words) {
            *byte = word.byte();
        }
        self.given_at = Some(now);
        words.len().min(BLOCK_MAX)
    }
}

impl Default for Bridge {
    fn default() -> Self {
        Self::new()
    }
}

const POLL: u8 = 2;

/// A whole block to a cashless device at the start of these bytes.
fn own_block(bytes: &[u8], layout: Layout) -> Option<(Address, &[u8])> {
    let first = *bytes.first()?;
    let (address, command) = [Address::First, Address::Second]
        .into_iter()
        .find_map(|address| Some((address, address.own(first)?)))?;
    let sub = bytes.get(1).copied().unwrap_or_default();
    let len = match length(command, sub, layout) {
        Length::Bytes(len) => len,
        // Nothing but silence would end it, and a packet has none: it goes to the packet's end.
        Length::UntilSilence => bytes.len().checked_sub(1)?,
    };
    let block = bytes.get(..=len)?;
    let (check, body) = block.split_last()?;
    (checksum(body) == *check).then_some((address, block))
}

/// An adapter on a serial port.
#[derive(Debug)]
pub struct BridgeLink {
    /// Goes before the runtime that watches it.
    port: SerialStream,
    runtime: Runtime,
    bridge: Bridge,
    begun: Instant,
}

impl BridgeLink {
    /// Opens the port of an adapter, for itself alone: 9600 baud, 8 bits, no parity, 1 stop bit.
    ///
    /// It is for an ordinary thread: reading, writing and dropping it panic on a thread that drives another runtime.
    ///
    /// # Errors
    /// When there is no such port, it is in use, or the system refuses it.
    pub fn open(path: &Path) -> Result<Self, LinkFault> {
        let Some(name) = path.to_str() else {
            let not_text = system("opening the adapter, whose name has to be UTF-8");
            return Err(not_text(io::Error::from(io::ErrorKind::InvalidInput)));
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(system("preparing to wait for the adapter"))?;
        let port = {
            let _watched = runtime.enter();
            let settings = tokio_serial::new(name, SPEED)
                .data_bits(DataBits::Eight)
                .parity(Parity::None)
                .stop_bits(StopBits::One)
                .flow_control(FlowControl::None)
                .exclusive(true);
            SerialStream::open(&settings).map_err(|fault| refused(path, fault))?
        };
        port.clear(ClearBuffer::All)
            .map_err(system("emptying the adapter"))?;
        Ok(Self {
            port,
            runtime,
            bridge: Bridge::new(),
            begun: Instant::now(),
        })
    }

    fn fill(&mut self, wait_max: Duration) -> Result<(), LinkFault> {
        let mut bytes = [0; PACKET_MAX];
        let read = match self.port.try_read(&mut bytes) {
            // The runtime counts in whole milliseconds: what is there already costs none.
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock && !wait_max.is_zero() => {
                let waited = async { timeout(wait_max, self.port.read(&mut bytes)).await };
                match self.runtime.block_on(waited) {
                    Ok(read) => read,
                    Err(_elapsed) => return Ok(()),
                }
            }
            read => read,
        };
        match read {
            Ok(0) => Err(LinkFault::Closed),
            Ok(more) => {
                for byte in bytes.get(..more).unwrap_or_default() {
                    self.bridge.take(*byte);
                }
                Ok(())
            }
            Err(fault) if is_passing(&fault) => Ok(()),
            Err(fault) if is_gone(&fault) => Err(LinkFault::Closed),
            Err(fault) => Err(system("reading from the adapter")(fault)),
        }
    }
}

/// Why a port did not open, and what can be done about it.
fn refused(path: &Path, fault: tokio_serial::Error) -> LinkFault {
    let doing = match fault.kind() {
        // Its word for a port that somebody has for himself; one that is not there is `NotFound`.
        ErrorKind::NoDevice => {
            return LinkFault::InUse {
                path: path.to_owned(),
            };
        }
        ErrorKind::Io(io::ErrorKind::NotFound) => {
            "opening the adapter, which is not there: look at its cable and at the name of its port"
        }
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            "opening the adapter, which this user may not: put the user into the group of its port"
        }
        ErrorKind::InvalidInput | ErrorKind::Unknown | ErrorKind::Io(_) => {
            "opening the adapter, which has to be a serial port"
        }
    };
    system(doing)(fault)
}

fn is_passing(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn is_gone(fault: &io::Error) -> bool {
    let gone = [Errno::IO, Errno::PIPE, Errno::NODEV];
    Errno::from_io_error(fault).is_some_and(|errno| gone.contains(&errno))
}

impl Link for BridgeLink {
    fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault> {
        let until = self.begun.elapsed().saturating_add(wait_max);
        loop {
            if let Some(word) = self.bridge.next_word() {
                return Ok(Read::Word(word));
            }
            let now = self.begun.elapsed();
            self.bridge.tick(now);
            if let Some(word) = self.bridge.next_word() {
                return Ok(Read::Word(word));
            }
            let wait = until.min(self.bridge.next_deadline()).saturating_sub(now);
            self.fill(wait)?;
            if self.bridge.heard.is_empty() && self.begun.elapsed() >= until {
                return Ok(Read::Nothing);
            }
        }
    }

    fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        let mut bytes = [0; BLOCK_MAX];
        let len = self.bridge.answer(self.begun.elapsed(), words, &mut bytes);
        let mut rest = bytes.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let written = async { timeout(ROOM_MAX, self.port.write(rest)).await };
            match self.runtime.block_on(written) {
                Ok(Ok(0)) | Err(_) => return Err(LinkFault::Stuck),
                Ok(Ok(sent)) => rest = rest.get(sent..).unwrap_or_default(),
                Ok(Err(fault)) if is_passing(&fault) => {}
                Ok(Err(fault)) if is_gone(&fault) => return Err(LinkFault::Closed),
                Ok(Err(fault)) => return Err(system("writing to the adapter")(fault)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<u16> {
        let mut bridge = Bridge::new();
        bridge.given_at = Some(Duration::ZERO);
        for byte in text.replace('<', "\u{2}").replace('>', "\u{3}").bytes() {
            bridge.take(byte);
        }
        std::iter::from_fn(|| bridge.next_word())
            .map(Word::to_u16)
            .collect()
    }

    #[test]
    fn our_blocks_are_found_among_everybodys() {
        assert_eq!(said("<1010>"), [0x110, 0x010]);
        assert_eq!(said("<3333001010>"), [0x000, 0x110, 0x010]);
        assert_eq!(said("<0B0B3333140115>"), [0x114, 0x001, 0x015]);
        assert_eq!(
            said("<14011514011512>"),
            [0x114, 0x001, 0x015, 0x114, 0x001, 0x015]
        );
        assert_eq!(said("<00>"), [0x000]);
        assert_eq!(said("<1212>"), [0_u16; 0], "the adapter has answered POLL");
        assert_eq!(said("<6060>"), [0x160, 0x060], "the second device's");
    }

    #[test]
    fn what_is_broken_or_too_long_is_noise() {
        let long = format!("<{}>", "10".repeat(PACKET_MAX + 1));
        for noise in ["1010", "<101", "<1x10>", "<101>", "<1011>", "<>", &long] {
            assert_eq!(said(noise), [0_u16; 0], "{noise}");
        }
        assert_eq!(said("<10<1010>"), [0x110, 0x010], "STX begins afresh");
    }

    #[test]
    fn any_bytes_are_taken_within_bounds() {
        let mut bridge = Bridge::new();
        let mut seed = 7_u64;
        for _ in 0..300_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [kind, byte, ..] = seed.to_be_bytes();
            bridge.take(match kind % 8 {
                0 => STX,
                1 => ETX,
                2 => byte,
                _ => b"0123456789ABCDEF"[usize::from(byte % 16)],
            });
            assert!(bridge.heard.len() <= HEARD_MAX);
        }
    }

    #[test]
    fn the_device_is_polled_by_the_link_and_its_answer_waits_for_the_controllers_ack() {
        let second = Duration::from_secs(1);
        let mut bridge = Bridge::new();
        bridge.tick(second);
        assert_eq!(bridge.next_word().map(Word::to_u16), Some(0x112));
        assert_eq!(bridge.next_word().map(Word::to_u16), Some(0x012));
        let reset = [0x000, 0x100].map(|bits| Word::from_u16(bits).expect("nine bits"));
        let mut bytes = [9; BLOCK_MAX];
        assert_eq!(bridge.answer(second, &reset, &mut bytes), 2);
        assert_eq!(bytes[..2], [0, 0]);
        bridge.tick(second + BRIDGE_POLL);
        assert_eq!(bridge.next_word(), None, "no POLL before the ACK");
        for byte in [STX, b'0', b'0', ETX, STX, b'0', b'0', ETX] {
            bridge.take(byte);
        }
        assert_eq!(bridge.next_word().map(Word::to_u16), Some(0));
        assert_eq!(bridge.next_word(), None, "an ACK answers one message");
        bridge.tick(second + BRIDGE_POLL);
        assert_eq!(bridge.next_word().map(Word::to_u16), Some(0x112));
        let ack = [Word::new(Mode::Address, ACK)];
        assert_eq!(bridge.answer(second, &ack, &mut bytes), 0);
    }
}
