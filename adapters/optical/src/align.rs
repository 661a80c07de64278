//! Every symbol to its place in the loop, however many were lost or seen twice on the way.
//!
//! A template says what is known of each place; the cheapest walk of all symbols round the loop is searched, and the
//! template made anew from it.

use crate::code::{LOOP_SYMBOLS, PREAMBLE};
use crate::consensus::{Costs, Evidence, disagreement};
use crate::symbols::DATA_SYMBOLS;

/// Most symbols that are walked.
pub(crate) const WALKED_MAX: usize = 320;
/// Walks, each by what the one before has found.
const ROUNDS: usize = 2;
/// What it costs that a place of the loop was not seen.
const LOST: f32 = 4.0;
/// What it costs that a symbol is one too many, and that a colour stayed because the display missed a refresh.
const EXTRA: f32 = 4.0;
const STAYED: f32 = 1.0;
/// What a symbol costs at a place of which nothing is known.
const UNKNOWN: f32 = 2.0;
/// What it costs that a preamble shows another colour.
const PREAMBLE_COST: f32 = 16.0;
/// Steps back are two bits each.
const STEPS_PER_BYTE: usize = 4;
const ROW_BYTES: usize = LOOP_SYMBOLS.div_ceil(STEPS_PER_BYTE);

/// How a walk came to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    /// From the place before.
    Next = 0,
    /// It was there already: the symbol is one too many.
    Extra = 1,
    /// From the place before the one before.
    Lost = 2,
}

type Template = [Option<Costs>; LOOP_SYMBOLS];

/// Room for the steps of one walk.
pub(crate) struct Walk {
    steps: Vec<u8>,
}

impl Walk {
    pub(crate) fn new() -> Self {
        Self {
            steps: vec![0; WALKED_MAX * ROW_BYTES],
        }
    }

    /// Returns what all symbols say of each data symbol, given what is thought of it already.
    pub(crate) fn unite(
        &mut self,
        count: usize,
        costs: impl Fn(usize) -> Option<Costs>,
        known: &Evidence,
    ) -> Evidence {
        let count = count.min(WALKED_MAX);
        let mut template = template_of(known);
        for _ in 0..ROUNDS {
            let end = self.walk(count, &costs, &template);
            template = self.gather(count, &costs, end);
        }
        let mut evidence: Evidence = [None; DATA_SYMBOLS];
        evidence.copy_from_slice(&template[PREAMBLE.len()..PREAMBLE.len() + DATA_SYMBOLS]);
        evidence
    }

    /// Searches the cheapest walk and returns the place where it ends.
    fn walk(
        &mut self,
        count: usize,
        costs: &impl Fn(usize) -> Option<Costs>,
        template: &Template,
    ) -> usize {
        let mut before = [0.0_f32; LOOP_SYMBOLS];
        self.steps.fill(0);
        for symbol in 0..count {
            let seen = costs(symbol);
            let extra = if seen.is_some() { EXTRA } else { STAYED };
            let mut here = [0.0_f32; LOOP_SYMBOLS];
            for place in 0..LOOP_SYMBOLS {
                let at = |back: usize| before[(place + LOOP_SYMBOLS - back) % LOOP_SYMBOLS];
                let fits = match (&seen, &template[place]) {
                    (Some(seen), Some(known)) => disagreement(seen, known),
                    (Some(_), None) => UNKNOWN,
                    (None, _) => 0.0,
                };
                let mut best = (at(1) + fits, Step::Next);
                if at(2) + LOST + fits < best.0 {
                    best = (at(2) + LOST + fits, Step::Lost);
                }
                if at(0) + extra < best.0 {
                    best = (at(0) + extra, Step::Extra);
                }
                here[place] = best.0;
                self.steps[symbol * ROW_BYTES + place / STEPS_PER_BYTE] |=
                    (best.1 as u8) << (place % STEPS_PER_BYTE * 2);
            }
            before = here;
        }
        (0..LOOP_SYMBOLS)
            .min_by(|a, b| before[*a].total_cmp(&before[*b]))
            .unwrap_or(0)
    }

    /// Walks back from a place and adds up what the symbols say.
    fn gather(
        &self,
        count: usize,
        costs: &impl Fn(usize) -> Option<Costs>,
        end: usize,
    ) -> Template {
        let mut template = template_of(&[None; DATA_SYMBOLS]);
        let mut place = end;
        for symbol in (0..count).rev() {
            let step = self.steps[symbol * ROW_BYTES + place / STEPS_PER_BYTE]
                >> (place % STEPS_PER_BYTE * 2)
                & 0b11;
            if step == Step::Extra as u8 {
                continue;
            }
            let is_data = (PREAMBLE.len()..PREAMBLE.len() + DATA_SYMBOLS).contains(&place);
            if is_data && let Some(more) = costs(symbol) {
                let sum = template[place].get_or_insert([0.0; 8]);
                for (sum, more) in sum.iter_mut().zip(more) {
                    *sum += more;
                }
            }
            let back = if step == Step::Lost as u8 { 2 } else { 1 };
            place = (place + LOOP_SYMBOLS - back) % LOOP_SYMBOLS;
        }
        template
    }
}

fn template_of(known: &Evidence) -> Template {
    let mut template: Template = [None; LOOP_SYMBOLS];
    for (place, colour) in PREAMBLE.iter().enumerate() {
        let mut costs = [PREAMBLE_COST; 8];
        costs[usize::from(colour.bits())] = 0.0;
        template[place] = Some(costs);
    }
    template[PREAMBLE.len()..PREAMBLE.len() + DATA_SYMBOLS].copy_from_slice(known);
    template
}
