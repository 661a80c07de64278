//! Bus captures as text: `TIME_US V|P WORD..`, nine-bit words in hex, one burst to a line.

use core::fmt;
use core::time::Duration;

use crate::block::Frame;
use crate::bounds::TRACE_LINE_MAX;
pub use crate::explain::{Exchange, Explainer, Hearing};
use crate::word::Word;

/// Who drove the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The controller (`V`).
    Controller,
    /// A peripheral (`P`).
    Peripheral,
}

/// One burst of words, as it was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When it began, since the capture did.
    pub at: Duration,
    /// Who sent it.
    pub side: Side,
    /// What was sent; not necessarily a whole block.
    pub words: Frame,
}

/// A line that is no burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceFault {
    /// Too long for anything a bus can hold.
    #[error("the line is longer than {TRACE_LINE_MAX} bytes")]
    LongLine,
    /// The first field is no time.
    #[error("the line does not start with a time in microseconds")]
    Time,
    /// The second field is no side.
    #[error("the side is neither V nor P")]
    Side,
    /// A word has more than nine bits, or is no hex.
    #[error("word {at} of the line has not nine bits in hex")]
    Word {
        /// Which word, from 0.
        at: usize,
    },
    /// More words than a block holds.
    #[error("the burst is longer than a block")]
    LongBurst,
    /// A burst of nothing.
    #[error("the burst has no words")]
    Empty,
}

impl Burst {
    /// Reads one line; a blank line or one that starts with `#` is no burst.
    ///
    /// # Errors
    /// When the line is neither.
    pub fn parse(line: &str) -> Result<Option<Self>, TraceFault> {
        if line.trim_start().starts_with('#') {
            return Ok(None);
        }
        if line.len() > TRACE_LINE_MAX {
            return Err(TraceFault::LongLine);
        }
        let mut fields = line.split_ascii_whitespace();
        let Some(time) = fields.next() else {
            return Ok(None);
        };
        let at = time.parse().map_err(|_| TraceFault::Time)?;
        let side = match fields.next() {
            Some("V") => Side::Controller,
            Some("P") => Side::Peripheral,
            _ => return Err(TraceFault::Side),
        };
        let mut words = Frame::EMPTY;
        for (at, field) in fields.enumerate() {
            let bits = u16::from_str_radix(field, 16).ok();
            let word = bits.and_then(Word::from_u16);
            let word = word.ok_or(TraceFault::Word { at })?;
            words.push(word).ok_or(TraceFault::LongBurst)?;
        }
        if words.is_empty() {
            return Err(TraceFault::Empty);
        }
        Ok(Some(Self {
            at: Duration::from_micros(at),
            side,
            words,
        }))
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Controller => 'V',
            Side::Peripheral => 'P',
        };
        write!(f, "{:>10} {side} {}", self.at.as_micros(), self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_and_prints_the_same() {
        let line = "  25018853 V 113 000 000 064 000 001 078";
        let burst = Burst::parse(line).expect("a good line").expect("a burst");
        assert_eq!(burst.at, Duration::from_micros(25_018_853));
        assert_eq!(burst.words.len(), 7);
        assert_eq!(burst.to_string(), line);
    }

    #[test]
    fn comments_and_blank_lines_are_no_bursts() {
        for line in ["", "   ", "# columns", "  # x"] {
            assert_eq!(Burst::parse(line), Ok(None));
        }
    }

    #[test]
    fn what_no_bus_can_hold_is_refused() {
        let words = " 000".repeat(37);
        let long = "0".repeat(300);
        for (line, fault) in [
            ("x V 000", TraceFault::Time),
            ("99999999999999999999999 V 000", TraceFault::Time),
            ("1 W 000", TraceFault::Side),
            ("1", TraceFault::Side),
            ("1 V 000 200", TraceFault::Word { at: 1 }),
            ("1 V 0x1", TraceFault::Word { at: 0 }),
            ("1 P", TraceFault::Empty),
            (&format!("1 P{words}"), TraceFault::LongBurst),
            (&long, TraceFault::LongLine),
        ] {
            assert_eq!(Burst::parse(line), Err(fault), "{line}");
        }
    }
}
