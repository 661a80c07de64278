//! From traced slots to a payload: anchors, symbols, bytes, repair.

use crate::code::{LOOP_SYMBOLS, PREAMBLE};
use crate::colour::Colour;
use crate::payload::Payload;
use crate::ring::Ring;
use crate::symbols::{self, DATA_SYMBOLS, SYMBOLS_PER_BYTE, WORD_BYTES, Word};
use crate::trellis::{Slot, Trellis};
use crate::words::{Erased, Words};

/// Slots looked at: at least three loops.
const SLOTS_MAX: usize = 320;
/// Parity bytes a repair may spend; the others keep refusing false words.
const SPENT_MAX: usize = 6;

/// How a phone that missed a refresh goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// It shows the next symbol: equal neighbours are one symbol.
    Counts,
    /// It skips symbols: every slot has its own place, and one that stayed covers a lost symbol.
    Skips,
}

#[derive(Clone, Copy)]
struct Symbol {
    colour: Colour,
    evidence: Option<[f32; 8]>,
}

/// What one attempt found.
pub(crate) enum Attempt {
    /// A payload that passed its check.
    Payload(Payload),
    /// Not yet: this many bytes of the word are known.
    Partial { bytes: usize },
}

/// Working memory of an attempt, and the word tables.
pub(crate) struct Reading {
    words: Words,
    slots: Vec<Slot>,
    symbols: Vec<Symbol>,
}

impl Reading {
    pub(crate) fn new() -> Self {
        let slot = Slot {
            colour: Colour::BLACK,
            first: 0,
            last: 0,
        };
        Self {
            words: Words::new(),
            slots: vec![slot; SLOTS_MAX],
            symbols: Vec::with_capacity(SLOTS_MAX),
        }
    }

    /// Tries to read a payload from everything traced so far.
    pub(crate) fn attempt(&mut self, trellis: &Trellis, ring: &Ring) -> Attempt {
        let written = trellis.trace(ring, &mut self.slots);
        let mut bytes = 0;
        for sender in [Sender::Counts, Sender::Skips] {
            let stayed = self.gather(trellis, ring, written, sender);
            match self.read() {
                Attempt::Payload(payload) => return Attempt::Payload(payload),
                Attempt::Partial { bytes: known } => bytes = bytes.max(known),
            }
            if !stayed {
                break;
            }
        }
        Attempt::Partial { bytes }
    }

    /// Turns slots, newest first, into symbols, oldest first; returns whether any colour stayed.
    fn gather(&mut self, trellis: &Trellis, ring: &Ring, written: usize, sender: Sender) -> bool {
        self.symbols.clear();
        let mut any_stayed = false;
        // The newest slot is still being shown.
        for slot in self.slots[..written].iter().skip(1).rev() {
            let evidence = trellis.evidence(ring, slot);
            let stayed = self
                .symbols
                .last()
                .is_some_and(|last| last.colour == slot.colour);
            any_stayed |= stayed;
            match (sender, stayed) {
                (Sender::Counts, true) => {
                    if let Some(Symbol {
                        evidence: Some(sum),
                        ..
                    }) = self.symbols.last_mut()
                    {
                        for (sum, more) in sum.iter_mut().zip(evidence) {
                            *sum += more;
                        }
                    }
                }
                (Sender::Skips, true) => self.symbols.push(Symbol {
                    colour: slot.colour,
                    evidence: None,
                }),
                (Sender::Counts | Sender::Skips, false) => {
                    self.symbols.push(Symbol {
                        colour: slot.colour,
                        evidence: Some(evidence),
                    });
                }
            }
        }
        any_stayed
    }

    fn read(&mut self) -> Attempt {
        let mut table: [Option<[f32; 8]>; DATA_SYMBOLS] = [None; DATA_SYMBOLS];
        let count = self.symbols.len();
        let mut anchored = false;
        let mut anchor = self.next_anchor(0);
        let mut from = 0;
        while let Some(begin) = anchor {
            anchored = true;
            let end = begin + PREAMBLE.len();
            if from == 0 {
                // Before the first preamble: count back from it.
                for (back, symbol) in self.symbols[..begin].iter().rev().enumerate() {
                    add(&mut table, LOOP_SYMBOLS - 1 - back % LOOP_SYMBOLS, symbol);
                }
            }
            anchor = self.next_anchor(end);
            let until = anchor.unwrap_or(count);
            let whole = anchor.is_none_or(|next| next - begin == LOOP_SYMBOLS);
            if whole {
                for (place, symbol) in self.symbols[end..until].iter().enumerate() {
                    add(&mut table, (PREAMBLE.len() + place) % LOOP_SYMBOLS, symbol);
                }
            }
            from = end;
        }
        if !anchored {
            return Attempt::Partial { bytes: 0 };
        }
        self.solve(&table)
    }

    fn next_anchor(&self, from: usize) -> Option<usize> {
        self.symbols
            .get(from..)?
            .windows(PREAMBLE.len())
            .position(|window| {
                window
                    .iter()
                    .zip(PREAMBLE)
                    .all(|(symbol, expected)| symbol.colour == expected)
            })
            .map(|place| from + place)
    }

    fn solve(&mut self, table: &[Option<[f32; 8]>; DATA_SYMBOLS]) -> Attempt {
        let mut word: Word = [0; WORD_BYTES];
        let mut erased = Erased::default();
        let mut doubt = [0.0_f32; WORD_BYTES];
        // The data begin after the blue of the preamble, which is beyond doubt.
        let mut last = Some((Colour::BLUE, f32::INFINITY));
        for place in 0..WORD_BYTES {
            let mut changes = [Some(0_u8); SYMBOLS_PER_BYTE];
            let mut margin = last.map_or(0.0, |(_, margin)| margin);
            for (step, change) in changes.iter_mut().enumerate() {
                let here = table[place * SYMBOLS_PER_BYTE + step].as_ref().map(decide);
                *change = match (last, here) {
                    (Some((before, _)), Some((colour, _))) => Some(colour.change_from(before)),
                    _ => None,
                };
                margin = margin.min(here.map_or(0.0, |(_, margin)| margin));
                last = here;
            }
            let value = match changes {
                [Some(high), Some(middle), Some(low)] => symbols::byte([high, middle, low]),
                _ => None,
            };
            match value {
                Some(value) => {
                    word[place] = value;
                    doubt[place] = margin;
                }
                None => erased.insert(place),
            }
        }
        let known = WORD_BYTES - erased.count();
        // Erase nothing more at first, then the bytes in most doubt.
        loop {
            if erased.count() > SPENT_MAX {
                return Attempt::Partial { bytes: known };
            }
            if let Some(checked) = self.words.repair(&word, erased, SPENT_MAX)
                && let Some(payload) = Payload::from_checked(&checked)
            {
                return Attempt::Payload(payload);
            }
            let weakest = (0..WORD_BYTES)
                .filter(|place| !erased.contains(*place))
                .min_by(|a, b| doubt[*a].total_cmp(&doubt[*b]));
            match weakest {
                Some(place) => erased.insert(place),
                None => return Attempt::Partial { bytes: known },
            }
        }
    }
}

/// Adds what a symbol says at its place in the loop; preamble and guard carry nothing.
fn add(table: &mut [Option<[f32; 8]>; DATA_SYMBOLS], place: usize, symbol: &Symbol) {
    let entry = place
        .checked_sub(PREAMBLE.len())
        .and_then(|place| table.get_mut(place));
    let (Some(entry), Some(evidence)) = (entry, symbol.evidence) else {
        return;
    };
    let sum = entry.get_or_insert([0.0; 8]);
    for (sum, more) in sum.iter_mut().zip(evidence) {
        *sum += more;
    }
}

/// Returns the cheapest colour and how far the next one is.
fn decide(evidence: &[f32; 8]) -> (Colour, f32) {
    let (mut least, mut second) = ((f32::INFINITY, Colour::BLACK), f32::INFINITY);
    for colour in Colour::ALL {
        let cost = evidence[usize::from(colour.bits())];
        if cost < least.0 {
            second = least.0;
            least = (cost, colour);
        } else if cost < second {
            second = cost;
        }
    }
    (least.1, second - least.0)
}
