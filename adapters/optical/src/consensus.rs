//! One word from several loops, although each may have lost or won a symbol somewhere.
//!
//! A stretch of symbols that follows a preamble has its places counted from the front; one that leads to a preamble, from
//! the back. Up to a slip the front is right, after it the back is. Where each stretch slipped is found by what the other
//! stretches say.

use crate::code::PREAMBLE;
use crate::symbols::DATA_SYMBOLS;

/// What eight colours cost; the least is 0.
pub(crate) type Costs = [f32; 8];

/// What all loops say of each data symbol.
pub(crate) type Evidence = [Option<Costs>; DATA_SYMBOLS];

/// Most stretches that are looked at.
const STRETCHES_MAX: usize = 8;
/// Rounds in which every stretch is cut anew against the others.
const ROUNDS: usize = 3;
/// What it costs to leave a symbol unused: a little more than to doubt it.
const UNUSED: f32 = 1.5;
/// A stretch this much longer than a loop has a preamble in it that was not recognised.
const LONGER_MAX: usize = 3;
/// The guard.
const GUARD: usize = 1;

/// Symbols between two preambles, or before the first, or after the last.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: usize,
    end: usize,
    from_front: bool,
    from_back: bool,
    /// Places below are counted from the front, the others from the back.
    cut: usize,
}

impl Stretch {
    fn front(&self, place: usize) -> Option<usize> {
        let index = self.start + place;
        (self.from_front && index < self.end).then_some(index)
    }

    fn back(&self, place: usize) -> Option<usize> {
        if !self.from_back {
            return None;
        }
        let index = (self.end + place).checked_sub(DATA_SYMBOLS)?;
        (index >= self.start).then_some(index)
    }

    fn at(&self, place: usize) -> Option<usize> {
        if place < self.cut {
            self.front(place)
        } else {
            self.back(place)
        }
    }

    fn is_whole(&self) -> bool {
        self.from_front && self.from_back && self.end - self.start == DATA_SYMBOLS
    }
}

/// The stretches of one trace.
pub(crate) struct Consensus {
    stretches: [Stretch; STRETCHES_MAX],
    count: usize,
}

impl Consensus {
    /// Takes the places where preambles begin, oldest first, and how many symbols there are.
    pub(crate) fn new(anchors: &[usize], symbols: usize) -> Self {
        let none = Stretch {
            start: 0,
            end: 0,
            from_front: false,
            from_back: false,
            cut: 0,
        };
        let mut consensus = Self {
            stretches: [none; STRETCHES_MAX],
            count: 0,
        };
        // The newest first: they are kept when there are too many.
        for place in (0..=anchors.len()).rev() {
            let from_front = place > 0;
            let from_back = place < anchors.len();
            let start = if from_front {
                anchors[place - 1] + PREAMBLE.len()
            } else {
                0
            };
            let end = if from_back {
                anchors[place].saturating_sub(GUARD).max(start)
            } else {
                symbols
            };
            if from_front && from_back && end - start > DATA_SYMBOLS + LONGER_MAX {
                consensus.add(Stretch {
                    start,
                    end,
                    from_front,
                    from_back: false,
                    cut: DATA_SYMBOLS,
                });
                consensus.add(Stretch {
                    start,
                    end,
                    from_front: false,
                    from_back,
                    cut: 0,
                });
            } else {
                let cut = if from_front { DATA_SYMBOLS } else { 0 };
                consensus.add(Stretch {
                    start,
                    end,
                    from_front,
                    from_back,
                    cut,
                });
            }
        }
        consensus
    }

    fn add(&mut self, stretch: Stretch) {
        if self.count < STRETCHES_MAX && stretch.end > stretch.start {
            self.stretches[self.count] = stretch;
            self.count += 1;
        }
    }

    /// Returns what all stretches say together, once each has been cut where the others say it slipped.
    pub(crate) fn unite(&mut self, costs: impl Fn(usize) -> Option<Costs>) -> Evidence {
        for round in 0..ROUNDS {
            for place in 0..self.count {
                if self.stretches[place].is_whole() {
                    continue;
                }
                let others = self.template(&costs, place, round);
                self.stretches[place].cut = best_cut(&self.stretches[place], &others, &costs);
            }
        }
        let mut evidence: Evidence = [None; DATA_SYMBOLS];
        for stretch in &self.stretches[..self.count] {
            let slipped = stretch.from_front && stretch.from_back && !stretch.is_whole();
            for (place, sum) in evidence.iter_mut().enumerate() {
                // Right at the slip nothing is known.
                if slipped && place.abs_diff(stretch.cut) <= 1 {
                    continue;
                }
                if let Some(more) = stretch.at(place).and_then(&costs) {
                    add(sum, &more, 1.0);
                }
            }
        }
        evidence
    }

    /// What the stretches other than one say. At first nothing is known about their cuts: the front counts for less the
    /// further away it is, and so does the back.
    fn template(
        &self,
        costs: &impl Fn(usize) -> Option<Costs>,
        without: usize,
        round: usize,
    ) -> Evidence {
        let mut template: Evidence = [None; DATA_SYMBOLS];
        for (number, stretch) in self.stretches[..self.count].iter().enumerate() {
            if number == without {
                continue;
            }
            let soft = !stretch.is_whole() && (round == 0 && number > without);
            for (place, sum) in template.iter_mut().enumerate() {
                if soft {
                    let far = place as f32 / DATA_SYMBOLS as f32;
                    if let Some(more) = stretch.front(place).and_then(costs) {
                        add(sum, &more, 1.0 - far);
                    }
                    if let Some(more) = stretch.back(place).and_then(costs) {
                        add(sum, &more, far);
                    }
                } else if let Some(more) = stretch.at(place).and_then(costs) {
                    add(sum, &more, 1.0);
                }
            }
        }
        template
    }
}

fn best_cut(
    stretch: &Stretch,
    template: &Evidence,
    costs: &impl Fn(usize) -> Option<Costs>,
) -> usize {
    let cost = |index: Option<usize>, place: usize| match index.map(costs) {
        None => UNUSED,
        Some(None) => 0.0,
        Some(Some(costs)) => template[place].map_or(0.0, |known| disagreement(&costs, &known)),
    };
    // All from the back, then place by place to the front.
    let mut total: f32 = (0..DATA_SYMBOLS)
        .map(|place| cost(stretch.back(place), place))
        .sum();
    let mut best = (total, 0);
    for place in 0..DATA_SYMBOLS {
        total += cost(stretch.front(place), place) - cost(stretch.back(place), place);
        if total < best.0 {
            best = (total, place + 1);
        }
    }
    best.1
}

/// What it costs that two have seen the same colour.
pub(crate) fn disagreement(a: &Costs, b: &Costs) -> f32 {
    let least = |costs: &Costs| costs.iter().copied().fold(f32::INFINITY, f32::min);
    let mut both = *a;
    for (sum, more) in both.iter_mut().zip(b) {
        *sum += more;
    }
    (least(&both) - least(a) - least(b)).max(0.0)
}

fn add(sum: &mut Option<Costs>, more: &Costs, weight: f32) {
    let sum = sum.get_or_insert([0.0; 8]);
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += weight * more;
    }
}
