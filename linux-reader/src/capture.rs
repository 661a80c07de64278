//! Captures of other people's instruments, read as bursts: a sniffer's lines and an adapter's log.
//!
//! Both keep bytes without mode bits, so that what is a block has to be found by its checksum.

use gettone_mdb::trace::{Burst, Side, TraceFault};
use gettone_mdb::{ACK, Address, Command, Frame, Mode, Word, checksum};
use std::time::Duration;

/// The longest block.
const BLOCK_MAX: usize = 36;
/// An adapter's log has no times: so much passes from one line to the next.
const LINE_TIME: Duration = Duration::from_millis(100);
/// From one burst of a line to the next.
const BURST_TIME: Duration = Duration::from_millis(5);
/// One unit of a sniffer's clock.
const SNIFFER_TICK: Duration = Duration::from_micros(100);

/// What a line cannot be read as.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub(crate) enum LineFault {
    /// Not `TIME_US V|P WORD..`.
    #[error("no burst (TIME_US V|P WORD.., 9-bit words in hex)")]
    Burst(#[from] TraceFault),
    /// Not `x,00|80,TIME,COMMAND,DATA`.
    #[error("no line of a sniffer (x,00|80,TIME,COMMAND,DATA or x,80,TIME,DATA)")]
    Sniffed,
    /// Not `NUMBER RX|TX BYTES`.
    #[error("no line of an adapter's log (NUMBER RX|TX BYTES)")]
    Logged,
}

/// Reads a capture line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capture {
    /// The time of the last line, where lines have none of their own.
    at: Duration,
}

impl Capture {
    /// The bursts of one line; none in a remark.
    pub(crate) fn line(&mut self, line: &str) -> Result<Vec<Burst>, LineFault> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(Vec::new());
        }
        if let Some(sniffed) = line.strip_prefix("x,") {
            let burst = sniffed_burst(sniffed).ok_or(LineFault::Sniffed)?;
            return Ok(vec![burst]);
        }
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(number), Some(way @ ("RX" | "TX")), Some(bytes)) => {
                let is_number = number.bytes().all(|it| it.is_ascii_digit());
                let logged = is_number.then(|| match way {
                    "RX" => self.heard(bytes),
                    _ => self.given(bytes, words.next()),
                });
                logged.flatten().ok_or(LineFault::Logged)
            }
            _ => Ok(Burst::parse(line)?.into_iter().collect()),
        }
    }

    /// The packets that an adapter made of what the machine said; one that another cuts short is noise.
    fn heard(&mut self, packets: &str) -> Option<Vec<Burst>> {
        let mut bursts = Vec::new();
        for packet in packets.strip_prefix("<STX>")?.split("<STX>") {
            let Some(bytes) = packet.strip_suffix("<ETX>") else {
                continue;
            };
            for words in blocks(&hex(bytes)?) {
                bursts.extend(self.burst(Side::Controller, &words));
            }
        }
        self.at = self.at.saturating_add(LINE_TIME);
        Some(bursts)
    }

    /// What an adapter was given to say at the next POLL, with its checksum or to be given one; it says nothing of a
    /// block whose checksum is wrong.
    fn given(&mut self, bytes: &str, more: Option<&str>) -> Option<Vec<Burst>> {
        let mut bytes = hex(bytes)?;
        if more == Some("+CHK") {
            bytes.push(checksum(&bytes));
        }
        let (sum, block) = bytes.split_last()?;
        let mut bursts = Vec::new();
        if checksum(block) == *sum {
            let poll = Frame::from_controller(&Command::Poll.print(Address::First));
            bursts.extend(self.burst(Side::Controller, &poll));
            let answer = marked(&bytes, block.len());
            bursts.extend(self.burst(Side::Peripheral, &answer));
        }
        self.at = self.at.saturating_add(LINE_TIME);
        Some(bursts)
    }

    fn burst(&mut self, side: Side, words: &[Word]) -> Option<Burst> {
        let (at, words) = (self.at, Frame::of(words)?);
        self.at = self.at.saturating_add(BURST_TIME);
        Some(Burst { at, side, words })
    }
}

/// `00|80,TIME,COMMAND,DATA`: the machine has a command byte and data, the reader data; neither a checksum.
fn sniffed_burst(line: &str) -> Option<Burst> {
    let mut fields = line.split(',');
    let side = match fields.next()? {
        "00" => Side::Controller,
        "80" => Side::Peripheral,
        _ => return None,
    };
    let ticks: u32 = fields.next()?.parse().ok()?;
    let at = SNIFFER_TICK.checked_mul(ticks)?;
    let first = fields.next()?;
    let data = fields.next().unwrap_or_default();
    let mode = |is_mine| if is_mine { Mode::Address } else { Mode::Data };
    let words = match (first, side) {
        ("ACK", side) => vec![Word::new(mode(side == Side::Peripheral), ACK)],
        (first, side) => {
            let mut bytes = hex(first)?;
            bytes.extend(hex(data)?);
            bytes.push(checksum(&bytes));
            let last = bytes.len().saturating_sub(1);
            marked(&bytes, if side == Side::Controller { 0 } else { last })
        }
    };
    let words = Frame::of(&words)?;
    Some(Burst { at, side, words })
}

/// The blocks and lone words in what an adapter heard, in their order; what is neither is left out.
fn blocks(bytes: &[u8]) -> Vec<Vec<Word>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(len) = block_len(rest) {
            let (block, next) = rest.split_at(len);
            found.push(marked(block, 0));
            rest = next;
            continue;
        }
        if *first == ACK {
            found.push(vec![Word::new(Mode::Data, ACK)]);
        }
        rest = after;
    }
    found
}

/// How long the block at the front is: the shortest whose checksum is good, and which makes sense if it is for us.
fn block_len(bytes: &[u8]) -> Option<usize> {
    // Address 00 is nobody's.
    let first = bytes.first().filter(|first| **first >= 0x08)?;
    let address = [Address::First, Address::Second]
        .into_iter()
        .find(|address| Command::parse(*address, &[first & 0xF8 | 2]).is_ok());
    (2..=bytes.len().min(BLOCK_MAX)).find(|len| {
        let Some((block, [sum, ..])) = bytes.split_at_checked(len - 1) else {
            return false;
        };
        let is_known = address.is_none_or(|address| {
            let command = Command::parse(address, block);
            command.is_ok_and(|it| !matches!(it, Command::Unknown { .. }))
        });
        checksum(block) == *sum && is_known
    })
}

/// Bytes as words, the mode bit at this one.
fn marked(bytes: &[u8], mark: usize) -> Vec<Word> {
    let mode = |at| {
        if at == mark {
            Mode::Address
        } else {
            Mode::Data
        }
    };
    let words = bytes.iter().enumerate();
    words.map(|(at, byte)| Word::new(mode(at), *byte)).collect()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &str) -> Vec<String> {
        let mut capture = Capture::default();
        let bursts = lines
            .lines()
            .map(|line| capture.line(line).expect("a line"));
        bursts
            .flatten()
            .map(|burst| burst.to_string().trim().to_owned())
            .collect()
    }

    #[test]
    fn every_dialect_says_the_same_exchange() {
        let words = ["V 112 012", "P 000 100", "V 000"];
        for lines in [
            "0 V 112 012\n3000 P 000 100\n47000 V 000",
            "x,00,0000000010,12,\nx,80,0000000020,00\nx,00,0000000030,ACK",
            // What the adapter was given goes out at a POLL; the machine's ACK is heard in a packet with others.
            "1 TX 0000\n2 RX <STX>00<ETX>",
        ] {
            let shown = shown(lines);
            let shown: Vec<_> = shown.iter().filter_map(|it| it.split_once(' ')).collect();
            let shown: Vec<_> = shown.iter().map(|(_, words)| *words).collect();
            assert_eq!(shown, words, "{lines}");
        }
    }

    #[test]
    fn blocks_of_an_adapter_are_parted_by_their_checksums() {
        let shown = shown("9 RX <STX>333300110002040100181010<ETX>");
        let words: Vec<_> = shown.iter().filter_map(|it| it.split_once(' ')).collect();
        let words: Vec<_> = words.iter().map(|(_, words)| *words).collect();
        assert_eq!(
            words,
            [
                "V 133 033",
                "V 000",
                "V 111 000 002 004 001 000 018",
                "V 110 010"
            ]
        );
    }

    #[test]
    fn what_is_no_line_of_any_dialect_is_refused() {
        let mut capture = Capture::default();
        for (line, fault) in [
            ("x,40,0,10,", LineFault::Sniffed),
            ("x,00,now,10,", LineFault::Sniffed),
            ("x,80,9999999999,ACK", LineFault::Sniffed),
            ("one RX 00", LineFault::Logged),
            ("1 RX <STX>0<ETX>", LineFault::Logged),
            ("1 RX <STX>\u{e9}<ETX>", LineFault::Logged),
        ] {
            assert_eq!(capture.line(line), Err(fault), "{line}");
        }
        assert!(matches!(capture.line("x y"), Err(LineFault::Burst(_))));
        assert_eq!(capture.line("1 TX 0500000307"), Ok(Vec::new()));
    }
}
