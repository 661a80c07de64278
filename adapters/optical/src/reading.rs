//! From traced slots to a payload: symbols, anchors, bytes, repair.

use crate::align::{WALKED_MAX, Walk};
use crate::calibration::Calibration;
use crate::code::PREAMBLE;
use crate::colour::Colour;
use crate::consensus::{Consensus, Costs, Evidence as Known};
use crate::payload::Payload;
use crate::ring::Ring;
use crate::symbols::{self, DATA_SYMBOLS, SYMBOLS_PER_BYTE, WORD_BYTES, Word};
use crate::trellis::{Slot, Trellis};
use crate::words::{Erased, Words};
use core::array;

/// Slots looked at: four loops.
const SLOTS_MAX: usize = WALKED_MAX;
/// Parity bytes a repair may spend; the others keep refusing false words.
const SPENT_MAX: usize = 6;
/// Parity bytes a repair may spend when it is one of hundreds of guesses.
const SPENT_GUESSING_MAX: usize = 4;
/// Known bytes from which a repair is tried.
pub(crate) const REPAIRABLE_BYTES: usize = WORD_BYTES - SPENT_MAX;
/// Symbols from which a walk round the loop is worth its while.
const WALKED_MIN: usize = 60;
/// Most that one symbol may cost.
const DOUBT_MAX: f32 = 16.0;
/// Preambles around which a lost or extra symbol is searched.
const ANCHORS_MAX: usize = 6;

/// Logarithm of the odds from which six symbols are a preamble: far above one place in a loop by chance.
const ANCHOR_MIN: f32 = 7.0;
/// Colours of it that must have been seen.
const ANCHOR_SEEN_MIN: usize = 4;

/// How a phone that missed a refresh goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// It shows the next symbol: equal neighbours are one symbol.
    Counts,
    /// It skips symbols: every slot has its own place, and one that stayed covers a lost symbol.
    Skips,
}

/// How hard an attempt tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Every symbol is taken to be in its place.
    Plain,
    /// Also walks all symbols round the loop, and tries that one was lost or seen twice, at every place.
    Guessing,
}

/// What one attempt found.
pub(crate) enum Attempt {
    /// A payload that passed its check.
    Payload(Payload),
    /// Not yet.
    Partial {
        /// How many bytes of the word are known.
        bytes: usize,
        /// What the light so far says about the colours.
        calibration: Calibration,
    },
}

#[derive(Clone, Copy)]
struct Symbol {
    colour: Colour,
    /// None when the slot covers a symbol that was not shown.
    evidence: Option<Evidence>,
}

/// What each colour costs, in small steps: eight bytes.
#[derive(Clone, Copy)]
struct Evidence([u8; 8]);

impl Evidence {
    /// Two symbols in most doubt can be added up.
    const STEPS: f32 = 126.0 / DOUBT_MAX;

    /// Takes costs above the least one, none of them so great that one loop outvotes all others.
    fn new(costs: Costs) -> Self {
        let least = costs.into_iter().fold(f32::INFINITY, f32::min);
        Self(costs.map(|cost| ((cost - least).min(DOUBT_MAX) * Self::STEPS) as u8))
    }

    fn costs(self) -> Costs {
        self.0.map(|steps| f32::from(steps) / Self::STEPS)
    }

    fn add(&mut self, more: Self) {
        for (steps, more) in self.0.iter_mut().zip(more.0) {
            *steps = steps.saturating_add(more);
        }
    }
}

impl Symbol {
    /// What it says by itself.
    fn decision(&self) -> Option<Decision> {
        self.evidence.map(|evidence| decide(&evidence.costs()))
    }
}

/// A colour, and how much worse the next best one is.
#[derive(Clone, Copy)]
struct Decision {
    colour: Colour,
    margin: f32,
}

type Decisions = [Option<Decision>; DATA_SYMBOLS];

/// Which way one symbol is out of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    Lost,
    Extra,
}

/// On which side of a preamble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Working memory of an attempt, and the word tables.
pub(crate) struct Reading {
    words: Words,
    slots: Vec<Slot>,
    symbols: Vec<Symbol>,
    walk: Walk,
    /// Which loop is the first of the next walk.
    turn: usize,
}

impl Reading {
    pub(crate) fn new() -> Self {
        let slot = Slot {
            colour: Colour::BLACK,
            first: 0,
            rows: 1,
        };
        Self {
            words: Words::new(),
            slots: vec![slot; SLOTS_MAX],
            symbols: Vec::with_capacity(SLOTS_MAX),
            walk: Walk::new(),
            turn: 0,
        }
    }

    /// Tries to read a payload from everything traced so far.
    pub(crate) fn attempt(
        &mut self,
        trellis: &mut Trellis,
        ring: &Ring,
        effort: Effort,
    ) -> Attempt {
        let written = trellis.trace(ring, &mut self.slots);
        let calibration = trellis.refit(ring, &self.slots[..written]);
        let mut bytes = 0;
        for sender in [Sender::Counts, Sender::Skips] {
            let stayed = self.gather(trellis, ring, &calibration, written, sender);
            match self.read(effort) {
                Ok(payload) => return Attempt::Payload(payload),
                Err(known) => bytes = bytes.max(known),
            }
            // Without a colour that stayed both senders look alike.
            if !stayed {
                break;
            }
        }
        Attempt::Partial { bytes, calibration }
    }

    /// Turns slots, newest first, into symbols, oldest first; returns whether any colour stayed.
    fn gather(
        &mut self,
        trellis: &Trellis,
        ring: &Ring,
        calibration: &Calibration,
        written: usize,
        sender: Sender,
    ) -> bool {
        self.symbols.clear();
        let corners = trellis.corners_of(calibration);
        let mut any_stayed = false;
        // The newest slot is still being shown.
        for slot in self.slots[..written].iter().skip(1).rev() {
            let evidence = Evidence::new(trellis.evidence(ring, &corners, slot));
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
                        sum.add(evidence);
                    }
                }
                (Sender::Skips, true) => self.symbols.push(Symbol {
                    colour: slot.colour,
                    evidence: None,
                }),
                (Sender::Counts | Sender::Skips, false) => self.symbols.push(Symbol {
                    colour: slot.colour,
                    evidence: Some(evidence),
                }),
            }
        }
        any_stayed
    }

    /// Returns the payload, or how many bytes of the word are known.
    fn read(&mut self, effort: Effort) -> Result<Payload, usize> {
        let evidence = self.all_loops();
        let known = match self.solve(&decided(&evidence)) {
            Ok(payload) => return Ok(payload),
            Err(known) => known,
        };
        if effort == Effort::Plain || self.symbols.len() < WALKED_MIN {
            return Err(known);
        }
        let walked = self.walked(&evidence);
        let known = match self.solve(&decided(&walked)) {
            Ok(payload) => return Ok(payload),
            Err(walked) => known.max(walked),
        };
        if known < REPAIRABLE_BYTES {
            return Err(known);
        }
        self.with_one_slip().ok_or(known)
    }

    /// Adds up what all loops say about each symbol.
    fn all_loops(&self) -> Known {
        let mut anchors = [0; ANCHORS_MAX];
        let count = self.newest_anchors(&mut anchors);
        let mut consensus = Consensus::new(&anchors[ANCHORS_MAX - count..], self.symbols.len());
        consensus.unite(|place| self.costs(place))
    }

    /// Walks all symbols round the loop; what they are first held against takes turns: what all loops said, or only one did.
    fn walked(&mut self, all: &Known) -> Known {
        let mut anchors = [0; ANCHORS_MAX];
        let count = self.newest_anchors(&mut anchors);
        let anchors = &anchors[ANCHORS_MAX - count..];
        self.turn = (self.turn + 1) % (count + 1);
        let one = anchors
            .get(self.turn)
            .map(|begin| array::from_fn(|place| self.costs(begin + PREAMBLE.len() + place)));
        let known = one.as_ref().unwrap_or(all);
        let symbols = &self.symbols;
        let costs = |place: usize| symbols.get(place)?.evidence.map(Evidence::costs);
        self.walk.unite(symbols.len(), costs, known)
    }

    fn costs(&self, place: usize) -> Option<Costs> {
        self.symbols.get(place)?.evidence.map(Evidence::costs)
    }

    /// Writes where the newest preambles begin, the newest last, and returns how many there are.
    fn newest_anchors(&self, anchors: &mut [usize; ANCHORS_MAX]) -> usize {
        let mut count = 0;
        let mut anchor = self.next_anchor(0);
        while let Some(begin) = anchor {
            anchors.rotate_left(1);
            anchors[ANCHORS_MAX - 1] = begin;
            count = (count + 1).min(ANCHORS_MAX);
            anchor = self.next_anchor(begin + PREAMBLE.len());
        }
        count
    }

    /// Tries every byte for one lost or extra symbol, on either side of the newest preambles.
    fn with_one_slip(&mut self) -> Option<Payload> {
        let mut anchors = [0; ANCHORS_MAX];
        let count = self.newest_anchors(&mut anchors);
        for begin in anchors.into_iter().rev().take(count) {
            for side in [Side::After, Side::Before] {
                for slip in [Slip::Lost, Slip::Extra] {
                    for byte in 0..WORD_BYTES {
                        let decisions = self.around(begin, side, slip, byte);
                        let (word, erased, _) = word_of(&decisions);
                        if let Some(payload) = self.repair(&word, erased, SPENT_GUESSING_MAX) {
                            return Some(payload);
                        }
                    }
                }
            }
        }
        None
    }

    /// Places the symbols around a preamble as if one slipped on one side, within one byte.
    fn around(&self, begin: usize, side: Side, slip: Slip, byte: usize) -> Decisions {
        let mut decisions: Decisions = [None; DATA_SYMBOLS];
        let end = begin + PREAMBLE.len();
        let after = &self.symbols[end..(end + DATA_SYMBOLS + 1).min(self.symbols.len())];
        let before = &self.symbols[begin.saturating_sub(DATA_SYMBOLS + 2)..begin];
        let first = byte * SYMBOLS_PER_BYTE;
        match side {
            Side::After => {
                place_after(&mut decisions, after, Some((slip, first)));
                forget(&mut decisions, first);
                place_before(&mut decisions, before, None);
            }
            Side::Before => {
                let back = match slip {
                    Slip::Lost => DATA_SYMBOLS - first,
                    Slip::Extra => DATA_SYMBOLS - first + 1,
                };
                place_before(&mut decisions, before, Some((slip, back)));
                forget(&mut decisions, first);
                place_after(&mut decisions, after, None);
            }
        }
        decisions
    }

    /// Returns where the next preamble begins; one of its colours may be in doubt, or hidden.
    fn next_anchor(&self, from: usize) -> Option<usize> {
        let likeness = |place: usize| {
            let window = self.symbols.get(place..place + PREAMBLE.len())?;
            let likeness = likeness(window);
            (likeness >= ANCHOR_MIN).then_some(likeness)
        };
        let first = (from..self.symbols.len()).find(|place| likeness(*place).is_some())?;
        // A neighbour may be more like one.
        (first..first + PREAMBLE.len())
            .filter_map(|place| Some((place, likeness(place)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(place, _)| place)
    }

    /// Returns the payload, or how many bytes of the word are known.
    fn solve(&mut self, decisions: &Decisions) -> Result<Payload, usize> {
        let (word, mut erased, margins) = word_of(decisions);
        let known = WORD_BYTES - erased.count();
        // Erase nothing more at first, then the bytes in most doubt.
        while erased.count() <= SPENT_MAX {
            if let Some(payload) = self.repair(&word, erased, SPENT_MAX) {
                return Ok(payload);
            }
            let weakest = (0..WORD_BYTES)
                .filter(|place| !erased.contains(*place))
                .min_by(|a, b| margins[*a].total_cmp(&margins[*b]));
            match weakest {
                Some(place) => erased.insert(place),
                None => break,
            }
        }
        Err(known)
    }

    fn repair(&mut self, word: &Word, erased: Erased, spent_max: usize) -> Option<Payload> {
        let checked = self.words.repair(word, erased, spent_max)?;
        Payload::from_checked(&checked)
    }
}

/// Returns how much likelier six symbols are a preamble than colours of chance, as a logarithm: at most 6 ln 8.
fn likeness(window: &[Symbol]) -> f32 {
    let seen = |(symbol, expected): &(&Symbol, Colour)| symbol.colour == *expected;
    if window.iter().zip(PREAMBLE).filter(seen).count() < ANCHOR_SEEN_MIN {
        return f32::NEG_INFINITY;
    }
    window
        .iter()
        .zip(PREAMBLE)
        .filter_map(|(symbol, expected)| {
            let costs = symbol.evidence?.costs();
            let chance = costs.iter().map(|cost| (-cost).exp()).sum::<f32>() / 8.0;
            Some(-costs[usize::from(expected.bits())] - chance.ln())
        })
        .sum()
}

/// Places symbols that follow a preamble.
fn place_after(decisions: &mut Decisions, after: &[Symbol], slip: Option<(Slip, usize)>) {
    for (step, symbol) in after.iter().enumerate() {
        put(decisions, slipped(step, slip), symbol.decision());
    }
}

/// Places symbols that lead to a preamble; the last of them is the guard.
fn place_before(decisions: &mut Decisions, before: &[Symbol], slip: Option<(Slip, usize)>) {
    for (step, symbol) in before.iter().rev().enumerate() {
        let place = slipped(step, slip).and_then(|back| DATA_SYMBOLS.checked_sub(back));
        put(decisions, place, symbol.decision());
    }
}

/// Drops the symbols that are out of place when the slip was later in the byte.
fn forget(decisions: &mut Decisions, first: usize) {
    for decision in &mut decisions[first..first + SYMBOLS_PER_BYTE - 1] {
        *decision = None;
    }
}

/// Returns the bytes that the decided colours carry, those they do not, and how sure each one is.
fn word_of(decisions: &Decisions) -> (Word, Erased, [f32; WORD_BYTES]) {
    let mut word: Word = [0; WORD_BYTES];
    let mut erased = Erased::default();
    let mut margins = [0.0_f32; WORD_BYTES];
    // The data begin after the blue of the preamble, which is beyond doubt.
    let mut last = Some(Decision {
        colour: Colour::BLUE,
        margin: f32::INFINITY,
    });
    for place in 0..WORD_BYTES {
        let mut changes = [0; SYMBOLS_PER_BYTE];
        let mut margin = last.map_or(0.0, |last| last.margin);
        for (step, change) in changes.iter_mut().enumerate() {
            let here = decisions[place * SYMBOLS_PER_BYTE + step];
            // A change of 0 carries no byte.
            *change = match (last, here) {
                (Some(last), Some(here)) => here.colour.change_from(last.colour),
                (None, _) | (_, None) => 0,
            };
            margin = margin.min(here.map_or(0.0, |here| here.margin));
            last = here;
        }
        margins[place] = margin;
        match symbols::byte(changes) {
            Some(value) => word[place] = value,
            None => erased.insert(place),
        }
    }
    (word, erased, margins)
}

/// Returns where a step falls when one symbol before it is out of place; none for the extra symbol itself.
fn slipped(step: usize, slip: Option<(Slip, usize)>) -> Option<usize> {
    match slip {
        Some((Slip::Lost, cut)) if step >= cut => Some(step + 1),
        Some((Slip::Extra, cut)) if step == cut => None,
        Some((Slip::Extra, cut)) if step > cut => Some(step - 1),
        Some(_) | None => Some(step),
    }
}

/// Puts a decision at a place that is still free.
fn put(decisions: &mut Decisions, place: Option<usize>, decision: Option<Decision>) {
    if let Some(entry) = place.and_then(|place| decisions.get_mut(place)) {
        *entry = entry.or(decision);
    }
}

fn decided(evidence: &Known) -> Decisions {
    evidence.map(|evidence| evidence.as_ref().map(decide))
}

fn decide(evidence: &[f32; 8]) -> Decision {
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
    Decision {
        colour: least.1,
        margin: second - least.0,
    }
}
