//! How a reader is, in words for a technician: asked for by the server, brought in parts by anybody.

use std::collections::BTreeMap;

use crate::bounds::{REPORT_LEN_MAX, REPORT_PART_LEN_MAX, REPORT_PARTS_MAX};
use crate::item::report::Order;
use crate::wire::{Bad, Field, Wire, body};

body! {
    /// Asks for a report on how the reader is.
    #[derive(Copy)]
    Diagnose {
        /// Names the question; a reader makes one report for it.
        id: u32,
    }
}

/// A part of such a report: lines of `name value`, in printable ASCII. It moves no money.
///
/// Body: id, part, of, uptime_ms, boot, then the text, as long as the length says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The question that it answers.
    pub id: u32,
    /// Its place among the parts, from 0.
    pub part: u8,
    /// How many parts there are; at most [`REPORT_PARTS_MAX`].
    pub of: u8,
    /// When the report was made, the same in all of its parts.
    pub order: Order,
    /// 1 to [`REPORT_PART_LEN_MAX`] characters.
    pub text: String,
}

impl Diagnostics {
    const FIXED_LEN: usize = u32::LEN + u8::LEN + u8::LEN + u64::LEN + u32::LEN;

    /// Cuts a report into its parts. What no report may hold becomes `?`; what is too long, or of
    /// nothing, is cut off or left out.
    pub fn parts(id: u32, order: Order, report: &str) -> Vec<Self> {
        let text: String = report
            .chars()
            .map(|letter| if is_plain(letter) { letter } else { '?' })
            .take(REPORT_LEN_MAX)
            .collect();
        let of = u8::try_from(text.len().div_ceil(REPORT_PART_LEN_MAX)).unwrap_or(u8::MAX);
        let pieces = text.as_bytes().chunks(REPORT_PART_LEN_MAX);
        let parts = (0..of).zip(pieces).map(|(part, piece)| Self {
            id,
            part,
            of,
            order,
            text: String::from_utf8_lossy(piece).into_owned(),
        });
        parts.collect()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.part < self.of
            && usize::from(self.of) <= REPORT_PARTS_MAX
            && (1..=REPORT_PART_LEN_MAX).contains(&self.text.len())
            && self.text.chars().all(is_plain)
    }

    pub(super) fn body_len(&self) -> usize {
        Self::FIXED_LEN + self.text.len()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.part.put(out);
        self.of.put(out);
        self.order.uptime_ms.put(out);
        self.order.boot.put(out);
        out.extend_from_slice(self.text.as_bytes());
    }

    pub(super) fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        let (id, part, of) = (from.field()?, from.field()?, from.field()?);
        let uptime_ms = from.field()?;
        let boot = from.field()?;
        if from.is_empty() {
            return Err(Bad::Short);
        }
        let text = from.bytes(from.len())?;
        let read = Self {
            id,
            part,
            of,
            order: Order { boot, uptime_ms },
            text: core::str::from_utf8(text)
                .map_err(|_| Bad::Value)?
                .to_owned(),
        };
        read.is_sound().then_some(read).ok_or(Bad::Value)
    }
}

const fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\n')
}

/// The parts of one report as they come in: in any order, any number of times, from anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathering {
    of: u8,
    order: Option<Order>,
    parts: BTreeMap<u8, String>,
}

impl Gathering {
    /// Takes a part of the report that answers one question, and gives the report once it is whole.
    /// One that was made later takes the place of one before.
    pub fn take(&mut self, part: &Diagnostics) -> Option<String> {
        if !part.is_sound() {
            return None;
        }
        if self.order < Some(part.order) {
            *self = Self {
                of: part.of,
                order: Some(part.order),
                parts: BTreeMap::new(),
            };
        }
        if self.order != Some(part.order) || self.of != part.of {
            return None;
        }
        self.parts
            .entry(part.part)
            .or_insert_with(|| part.text.clone());
        let is_whole = self.parts.len() == usize::from(self.of);
        is_whole.then(|| self.parts.values().map(String::as_str).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Order = Order {
        boot: 3,
        uptime_ms: 70_000,
    };

    fn long() -> String {
        (0..400)
            .map(|line| format!("line_{line} {}\n", line * 7))
            .collect()
    }

    #[test]
    fn a_report_is_whole_again_whatever_the_order_of_its_parts() {
        let report = long();
        let parts = Diagnostics::parts(9, MADE, &report);
        assert_eq!(parts.len(), report.len().div_ceil(REPORT_PART_LEN_MAX));
        assert!(parts.len() > 2 && parts.iter().all(Diagnostics::is_sound));
        for first in 0..parts.len() {
            let mut gathering = Gathering::default();
            let turned = parts[first..].iter().chain(&parts[..first]).rev();
            let doubled: Vec<_> = turned.flat_map(|part| [part, part]).collect();
            let mut whole = doubled.iter().filter_map(|part| gathering.take(part));
            assert_eq!(whole.next().as_deref(), Some(report.as_str()));
        }
    }

    #[test]
    fn parts_of_two_reports_are_never_mixed() {
        let (report, later) = (long(), long().to_uppercase());
        let newer = Order { boot: 4, ..MADE };
        let old = Diagnostics::parts(9, MADE, &report);
        let new = Diagnostics::parts(9, newer, &later);
        let mut gathering = Gathering::default();
        assert_eq!(gathering.take(&old[0]), None);
        assert_eq!(gathering.take(&new[1]), None);
        for part in &old {
            assert_eq!(gathering.take(part), None, "of a report before");
        }
        let whole: Vec<_> = new
            .iter()
            .filter_map(|part| gathering.take(part))
            .take(1)
            .collect();
        assert_eq!(whole, [later]);
    }

    #[test]
    fn what_no_report_may_hold_is_neither_cut_nor_taken() {
        let parts = Diagnostics::parts(9, MADE, "name H\u{e4}llo\t\u{0}\n");
        assert_eq!(parts[0].text, "name H?llo??\n");
        assert!(Diagnostics::parts(9, MADE, "").is_empty());
        let over = "x".repeat(REPORT_LEN_MAX + 1);
        let parts = Diagnostics::parts(9, MADE, &over);
        assert_eq!(parts.len(), REPORT_PARTS_MAX);
        let sound = parts[7].clone();
        assert!(sound.is_sound());
        for unsound in [
            Diagnostics {
                part: 8,
                ..sound.clone()
            },
            Diagnostics {
                of: 9,
                ..sound.clone()
            },
            Diagnostics {
                text: String::new(),
                ..sound.clone()
            },
            Diagnostics {
                text: "x".repeat(REPORT_PART_LEN_MAX + 1),
                ..sound.clone()
            },
            Diagnostics {
                text: "\u{7f}".to_owned(),
                ..sound.clone()
            },
        ] {
            assert!(!unsound.is_sound());
            assert_eq!(Gathering::default().take(&unsound), None);
        }
    }
}
