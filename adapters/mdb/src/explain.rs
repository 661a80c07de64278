//! A capture in a technician's words: one line for each exchange.

use core::fmt;
use core::time::Duration;

use crate::block::{Frame, checksum};
use crate::bounds::{ANSWER_MAX, WORD_TIME};
use crate::command::{Address, Command, Level};
use crate::message::Message;
use crate::money::{Digits, Scale};
use crate::options::{Layout, Options};
use crate::trace::{Burst, Side};
use crate::word::{ACK, Mode, NAK, RET, Word};

/// What the capture could hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Both sides.
    Both,
    /// The controller only, as a device on the bus hears it: answers are not missed.
    Controller,
}

/// Puts bursts together to exchanges, and remembers what the lines have to be read by: level and scale.
///
/// ```
/// use gettone_mdb::trace::{Burst, Explainer, Hearing};
///
/// let mut explainer = Explainer::new(Hearing::Both);
/// let capture = ["1000000 V 113 000 000 078 000 017 0A2", "1008300 P 100", "1100000 V 112 012"];
/// let mut lines = Vec::new();
/// for line in capture {
///     let burst = Burst::parse(line)?.expect("a burst");
///     lines.extend(explainer.take(&burst).map(|exchange| exchange.to_string()));
/// }
/// assert_eq!(lines, ["    1.000000  cashless 1        VEND REQUEST 120 units item 23 -> ACK"]);
/// # Ok::<(), gettone_mdb::trace::TraceFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Explainer {
    hearing: Hearing,
    /// The controller's level and the reader's, as far as they were told.
    levels: [Option<Level>; 2],
    /// What the controller has switched on.
    options: Options,
    scale: Option<Scale>,
    open: Option<Exchange>,
    /// The last exchange that was no POLL, to know a repeat.
    before: Option<(Frame, Fared)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fared {
    Answered,
    Unanswered,
}

/// One exchange: what the controller said, and what came of it. Written out it is a line for a technician.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    at: Duration,
    said: Frame,
    answer: Option<(Duration, Frame)>,
    /// The controller's verdict on the answer.
    verdict: Option<u8>,
    repeat: Option<Fared>,
    split: Split,
    hearing: Hearing,
    layout: Layout,
    scale: Option<Scale>,
}

/// Whether the device spoke into the controller's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    No,
    Yes,
}

impl Explainer {
    /// An explainer at the start of a capture.
    #[must_use]
    pub const fn new(hearing: Hearing) -> Self {
        Self {
            hearing,
            levels: [None; 2],
            options: Options::NONE,
            scale: None,
            open: None,
            before: None,
        }
    }

    /// Takes the next burst; gives the exchange that it ended.
    pub fn take(&mut self, burst: &Burst) -> Option<Exchange> {
        let lone = <&[Word; 1]>::try_from(&burst.words[..]).ok();
        match (burst.side, &mut self.open) {
            (Side::Peripheral, Some(open)) if open.answer.is_none() => {
                open.answer = Some((burst.at, burst.words));
                None
            }
            // More of an answer; or somebody who was not asked.
            (Side::Peripheral, Some(open)) => {
                if let Some((_, answer)) = &mut open.answer {
                    burst.words.iter().try_for_each(|word| answer.push(*word));
                }
                None
            }
            (Side::Peripheral, None) => None,
            (Side::Controller, Some(open)) if !opens(&burst.words) => {
                match lone {
                    Some([word]) if open.is_whole() => open.verdict = Some(word.byte()),
                    // The device spoke into the block: what follows is the block's rest.
                    _ => {
                        open.split = Split::Yes;
                        burst
                            .words
                            .iter()
                            .try_for_each(|word| open.said.push(*word));
                    }
                }
                None
            }
            (Side::Controller, _) => {
                let ended = self.close();
                let mut open = Exchange {
                    at: burst.at,
                    said: burst.words,
                    answer: None,
                    verdict: None,
                    repeat: None,
                    split: Split::No,
                    hearing: self.hearing,
                    layout: self.layout(),
                    scale: self.scale,
                };
                open.repeat = self.before.and_then(|(said, fared)| {
                    (said == open.said && !open.is_poll()).then_some(fared)
                });
                self.open = Some(open);
                ended
            }
        }
    }

    /// Ends the exchange that is open.
    pub fn close(&mut self) -> Option<Exchange> {
        let mut ended = self.open.take()?;
        self.learn(&ended);
        // What an answer tells of itself holds for itself.
        ended.scale = self.scale;
        ended.layout = self.layout();
        if !ended.is_poll() {
            let fared = match ended.answer {
                Some(_) => Fared::Answered,
                None => Fared::Unanswered,
            };
            self.before = Some((ended.said, fared));
        }
        Some(ended)
    }

    fn learn(&mut self, exchange: &Exchange) {
        match exchange.command() {
            Some(Command::Setup(setup)) => self.levels[0] = Some(setup.level),
            Some(Command::EnableOptions(options)) => self.options = options,
            Some(Command::Reset) => self.options = Options::NONE,
            Some(_) | None => {}
        }
        let Some((_, answer)) = exchange.answer.filter(|_| exchange.address().is_some()) else {
            return;
        };
        let config = exchange.each_message(&answer, |message| {
            let Message::ReaderConfig(config) = message else {
                return None;
            };
            Some(config)
        });
        if let Some(config) = config {
            self.levels[1] = Some(config.level);
            let digits = Digits {
                bus: config.decimals,
                minor: config.decimals,
            };
            self.scale = Scale::new(config.scale, digits).ok();
        }
    }

    fn layout(&self) -> Layout {
        let [Some(controller), Some(reader)] = self.levels else {
            return Layout::ONE;
        };
        Layout::new(controller.min(reader), self.options)
    }
}

/// Whether a burst of the controller starts a block.
fn opens(words: &[Word]) -> bool {
    words
        .first()
        .is_some_and(|word| word.mode() == Mode::Address)
}

impl Exchange {
    /// When it began, since the capture did.
    #[must_use]
    pub const fn at(&self) -> Duration {
        self.at
    }

    /// What the controller said.
    #[must_use]
    pub const fn said(&self) -> &Frame {
        &self.said
    }

    /// What the device said, if anything was heard.
    #[must_use]
    pub fn answer(&self) -> Option<&Frame> {
        self.answer.as_ref().map(|(_, words)| words)
    }

    /// Which cashless device it is with, if it is with one.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        let first = self.said.first()?.byte();
        let devices = [Address::First, Address::Second];
        devices
            .into_iter()
            .find(|device| device.own(first).is_some())
    }

    /// The command to a cashless device, if the block is whole.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        let (bytes, len) = self.block()?;
        Command::parse_in(self.address()?, bytes.get(..len)?, self.layout).ok()
    }

    /// Whether it is a POLL that brought nothing, and nothing is odd about it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let nothing = match self.answer() {
            None => self.hearing == Hearing::Controller,
            Some(words) => matches!(words[..], [word] if word.byte() == ACK),
        };
        self.is_poll() && nothing && self.odds().iter().all(Option::is_none)
    }

    fn is_poll(&self) -> bool {
        self.command() == Some(Command::Poll)
    }

    fn is_whole(&self) -> bool {
        self.block().is_some()
    }

    /// The bytes of the controller's block without their checksum, if that is right.
    fn block(&self) -> Option<Bytes> {
        let (bytes, len) = bytes_of(&self.said);
        let (check, block) = bytes.get(..len)?.split_last()?;
        let right = !block.is_empty() && checksum(block) == *check;
        right.then_some((bytes, len - 1))
    }

    /// The messages of the answer, as many as are whole.
    pub fn messages(&self, mut look: impl FnMut(Message)) {
        if let Some((_, answer)) = self.answer.filter(|_| self.address().is_some()) {
            self.each_message(&answer, |message| {
                look(message);
                None::<()>
            });
        }
    }

    /// Looks at the messages of an answer until one is what is looked for.
    fn each_message<T>(
        &self,
        answer: &Frame,
        mut look: impl FnMut(Message) -> Option<T>,
    ) -> Option<T> {
        let (bytes, len) = bytes_of(answer);
        let (check, block) = bytes.get(..len)?.split_last()?;
        if checksum(block) != *check {
            return None;
        }
        Message::parse_all(block, self.layout).find_map(|message| look(message.ok()?))
    }

    fn odds(&self) -> [Option<Odd>; ODDS] {
        let words = u32::try_from(self.said.len()).unwrap_or(u32::MAX);
        let end = self.at.saturating_add(WORD_TIME.saturating_mul(words));
        let late = self.answer.and_then(|(at, _)| {
            let late = at.saturating_sub(end);
            (late > ANSWER_MAX).then_some(Odd::Late(late))
        });
        let broken = self.answer.and_then(|(_, answer)| {
            let (bytes, len) = bytes_of(&answer);
            let (check, block) = bytes.get(..len)?.split_last()?;
            let wrong = match block {
                [] => *check != ACK && *check != NAK,
                block => checksum(block) != *check,
            };
            wrong.then_some(Odd::BadAnswer)
        });
        let data = self.answer().is_some_and(|words| words.len() > 1);
        let refused = match self.verdict {
            Some(NAK) => Some(Odd::Refused),
            Some(RET) => Some(Odd::AskedAgain),
            Some(ACK) => None,
            Some(_) => Some(Odd::Noise),
            None if data && broken.is_none() => Some(Odd::Unacknowledged),
            None => None,
        };
        let missing = self.answer.is_none() && self.hearing == Hearing::Both;
        [
            (!self.is_whole()).then_some(Odd::BadBlock),
            (self.split == Split::Yes).then_some(Odd::SpokenInto),
            self.repeat.map(|fared| match fared {
                Fared::Answered => Odd::Repeated,
                Fared::Unanswered => Odd::SaidAgain,
            }),
            missing.then_some(Odd::NoAnswer),
            late,
            broken,
            refused,
        ]
    }
}

/// Bytes and how many of them count.
type Bytes = ([u8; crate::bounds::BLOCK_MAX], usize);

fn bytes_of(words: &Frame) -> Bytes {
    let mut bytes = [0; crate::bounds::BLOCK_MAX];
    for (byte, word) in bytes.iter_mut().zip(words.iter()) {
        *byte = word.byte();
    }
    (bytes, words.len())
}

/// As many as one exchange can show.
const ODDS: usize = 7;

/// What is odd about an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Odd {
    BadBlock,
    SpokenInto,
    Repeated,
    SaidAgain,
    NoAnswer,
    Late(Duration),
    BadAnswer,
    Refused,
    AskedAgain,
    Noise,
    Unacknowledged,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadBlock => f.write_str("the machine's checksum is wrong"),
            Self::SpokenInto => f.write_str("the device spoke into the machine's block"),
            Self::Repeated => f.write_str("said again although answered: its answer was not heard"),
            Self::SaidAgain => f.write_str("said again, being unanswered"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Late(late) => write!(
                f,
                "the answer came {}.{} ms late, 5 ms are allowed",
                late.as_millis(),
                late.subsec_micros() / 100 % 10
            ),
            Self::BadAnswer => f.write_str("the device's checksum is wrong"),
            Self::Refused => f.write_str("the machine could not read the answer (NAK)"),
            Self::AskedAgain => f.write_str("the machine asked for the answer again (RET)"),
            Self::Noise => f.write_str("a stray word follows"),
            Self::Unacknowledged => f.write_str("the machine did not acknowledge the answer"),
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at.as_secs(), self.at.subsec_micros());
        write!(f, "{seconds:>5}.{micros:06}  ")?;
        let first = self.said.first().map_or(0, |word| word.byte());
        write!(f, "{:16}  ", device(first))?;
        match (self.command(), self.block(), self.scale) {
            (Some(command), _, Some(scale)) => write!(f, "{}", command.at(scale))?,
            (Some(command), _, None) => write!(f, "{command}")?,
            (None, Some((bytes, len)), _) => hex(f, bytes.get(..len).unwrap_or_default())?,
            (None, None, _) => write!(f, "{}", self.said)?,
        }
        if let Some(answer) = self.answer() {
            f.write_str(" -> ")?;
            self.write_answer(f, answer)?;
        }
        for odd in self.odds().into_iter().flatten() {
            write!(f, "  ! {odd}")?;
        }
        Ok(())
    }
}

impl Exchange {
    fn write_answer(&self, f: &mut fmt::Formatter<'_>, answer: &Frame) -> fmt::Result {
        let (bytes, len) = bytes_of(answer);
        let Some((check, block)) = bytes.get(..len).and_then(<[u8]>::split_last) else {
            return Ok(());
        };
        match (block, *check) {
            ([], ACK) => return f.write_str("ACK"),
            ([], NAK) => return f.write_str("NAK"),
            (block, check) if checksum(block) == check => {}
            _ => return write!(f, "{answer}"),
        }
        if self.address().is_none() {
            return hex(f, block);
        }
        for (at, message) in Message::parse_all(block, self.layout).enumerate() {
            if at > 0 {
                f.write_str(" + ")?;
            }
            match (message, self.scale) {
                (Ok(message), Some(scale)) => write!(f, "{}", message.at(scale))?,
                (Ok(message), None) => write!(f, "{message}")?,
                (Err(fault), _) => write!(f, "{fault}")?,
            }
        }
        Ok(())
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        let gap = if at == 0 { "" } else { " " };
        write!(f, "{gap}{byte:02X}")?;
    }
    Ok(())
}

/// Who listens to an address. [MDB 2.3]
const fn device(first: u8) -> &'static str {
    match first & 0xF8 {
        0x08 => "coin changer",
        0x10 => "cashless 1",
        0x18 => "gateway",
        0x20 => "display",
        0x28 => "energy",
        0x30 => "bill validator",
        0x40 => "satellite 1",
        0x48 => "satellite 2",
        0x50 => "satellite 3",
        0x58 => "coin hopper 1",
        0x60 => "cashless 2",
        0x68 => "age check",
        0x70 => "coin hopper 2",
        _ => "other device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn explained(capture: &str) -> Vec<String> {
        let mut explainer = Explainer::new(Hearing::Both);
        let bursts = capture.lines().map(|line| Burst::parse(line.trim()));
        let mut lines = Vec::new();
        for burst in bursts.flat_map(|burst| burst.expect("a good line")) {
            lines.extend(explainer.take(&burst));
        }
        lines.extend(explainer.close());
        lines.iter().map(ToString::to_string).collect()
    }

    fn oddity(capture: &str) -> String {
        let last = explained(capture).pop().expect("a line");
        last.split_once("  ! ")
            .map_or(String::new(), |(_, odd)| odd.to_owned())
    }

    #[test]
    fn amounts_are_read_by_the_readers_scale_and_layouts_by_both_levels() {
        let lines = explained(
            "0 V 111 000 002 010 001 000 024
             8200 P 001 002 019 078 005 002 01E 001 1BA
             20000 V 000
             100000 V 112 012
             103000 P 003 000 0F0 0FF 0FF 0FF 0FF 000 000 000 1EF
             120000 V 000
             200000 V 113 000 000 018 000 017 042
             208000 P 100",
        );
        assert_eq!(
            lines,
            [
                "    0.000000  cashless 1        SETUP level 2 display 16x1 -> READER CONFIG level 2 country 1978 scale 5 decimals 2 30 s options 0001",
                "    0.100000  cashless 1        POLL -> BEGIN SESSION 12.00 media FFFFFFFF type 0",
                "    0.200000  cashless 1        VEND REQUEST 1.20 item 23 -> ACK",
            ]
        );
    }

    #[test]
    fn what_is_odd_is_said() {
        for (capture, said) in [
            (
                "0 V 112 013",
                "the machine's checksum is wrong  ! no answer",
            ),
            ("0 V 112 012", "no answer"),
            (
                "0 V 112 012\n9800 P 100",
                "the answer came 7.5 ms late, 5 ms are allowed",
            ),
            (
                "0 V 112 012\n2500 P 000 101",
                "the device's checksum is wrong",
            ),
            (
                "0 V 112 012\n2500 P 000 100",
                "the machine did not acknowledge the answer",
            ),
            (
                "0 V 112 012\n2500 P 000 100\n9000 V 0FF",
                "the machine could not read the answer (NAK)",
            ),
            (
                "0 V 112 012\n2500 P 000 100\n9000 V 0AA",
                "the machine asked for the answer again (RET)",
            ),
            (
                "0 V 112 012\n2500 P 000 100\n9000 V 055",
                "a stray word follows",
            ),
            ("0 V 112 012\n2500 P 000 100\n9000 V 000", ""),
            (
                "0 V 114 001 015\n200000 V 112 012\n203000 P 100\n300000 V 114 001 015\n304000 P 100",
                "said again, being unanswered",
            ),
            (
                "0 V 114 001 015\n4000 P 100\n300000 V 114 001 015\n304000 P 100",
                "said again although answered: its answer was not heard",
            ),
            (
                "0 V 114 001\n2000 P 100\n2300 V 015",
                "the device spoke into the machine's block",
            ),
        ] {
            assert_eq!(oddity(capture), said, "{capture}");
        }
    }

    #[test]
    fn other_devices_are_named_and_their_bytes_shown() {
        let lines = explained("0 V 133 033\n2500 P 100\n9000 V 10B 00B\n12000 P 053 003 156");
        assert_eq!(lines[0], "    0.000000  bill validator    33 -> ACK");
        assert_eq!(
            lines[1],
            "    0.009000  coin changer      0B -> 53 03  ! the machine did not acknowledge the answer"
        );
    }

    #[test]
    fn a_poll_that_brings_nothing_is_idle_and_one_that_is_odd_is_not() {
        let idle = |capture: &str, hearing| {
            let mut explainer = Explainer::new(hearing);
            for line in capture.lines() {
                let burst = Burst::parse(line).expect("a good line").expect("a burst");
                explainer.take(&burst);
            }
            explainer.close().expect("an exchange").is_idle()
        };
        assert!(idle("0 V 112 012\n2500 P 100", Hearing::Both));
        assert!(idle("0 V 112 012", Hearing::Controller));
        assert!(!idle("0 V 112 012", Hearing::Both));
        assert!(!idle("0 V 112 012\n9900 P 100", Hearing::Both));
        assert!(!idle("0 V 110 010\n2500 P 100", Hearing::Both));
    }

    #[test]
    fn any_bursts_are_explained_without_a_panic() {
        let mut seed = 3_u64;
        let mut roll = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.rotate_left(17)
        };
        let mut explainer = Explainer::new(Hearing::Both);
        for _ in 0..20_000 {
            let mut words = Frame::EMPTY;
            for _ in 0..=roll() % 36 {
                let bits = u16::try_from(roll() % 0x200).expect("nine bits");
                let word = match roll() % 3 {
                    0 => 0x110 | (bits & 7),
                    _ => bits,
                };
                words
                    .push(Word::from_u16(word).expect("nine bits"))
                    .expect("room");
            }
            let side = match roll() % 2 {
                0 => Side::Controller,
                _ => Side::Peripheral,
            };
            let at = Duration::from_micros(roll());
            if let Some(exchange) = explainer.take(&Burst { at, side, words }) {
                assert!(!exchange.to_string().is_empty());
            }
        }
    }
}
