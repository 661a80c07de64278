//! The most likely sequence of shown colours: one slot per symbol length, found by dynamic programming.

use crate::calibration::Calibration;
use crate::colour::Colour;
use crate::ring::{RING_ROWS, Ring, Row, slot};

/// Rows a slot may span.
const SPAN_ROWS: usize = 64;
/// Shortest slot, as a share of a symbol.
const SLOT_MIN: f32 = 0.62;
/// Longest slot: a symbol of two frames that lasted three.
const SLOT_MAX: f32 = 1.6;
/// Deviation of a slot's length: rows come every fifth of a symbol.
const LENGTH_DEVIATION: f32 = 0.14;
/// Share of a symbol during which the display and the sensor still follow the change.
const SETTLING: f32 = 0.33;
/// What a row counts for while the light settles.
const SETTLING_WEIGHT: f32 = 0.2;
/// Deviation of one row from its corner of the cube.
const ROW_DEVIATION: f32 = 0.22;
/// Cost of a symbol that stays for one more slot: a missed refresh is rare.
const STAY_COST: f32 = 7.0;
/// Bits of a step back that hold the colour before.
const COLOUR_BITS: u32 = 3;
/// A step back that leads to no earlier slot.
const BEGIN: u16 = u16::MAX;

/// One slot of the traced path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) colour: Colour,
    /// Number of its first row.
    pub(crate) first: u64,
    /// Number of its last row.
    pub(crate) last: u64,
}

#[derive(Clone, Copy)]
struct Column {
    row: Row,
    cost: [f32; 8],
    /// Least cost of a path whose slot of this colour ends here.
    path: [f32; 8],
    least: (f32, u8),
    second: f32,
}

/// The running search.
pub(crate) struct Trellis {
    calibration: Calibration,
    period_us: f32,
    begin: u64,
    next: u64,
    settling_rows: usize,
    columns: Vec<Column>,
    back: Vec<[u16; 8]>,
}

impl Trellis {
    pub(crate) fn new() -> Self {
        let black = [0.0; 3];
        let calibration =
            Calibration::new(black, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
                .expect("unit primaries are a calibration");
        let column = Column {
            row: Row::missed(0),
            cost: [0.0; 8],
            path: [0.0; 8],
            least: (0.0, 0),
            second: 0.0,
        };
        Self {
            calibration,
            period_us: 0.0,
            begin: 0,
            next: 0,
            settling_rows: 0,
            columns: vec![column; SPAN_ROWS],
            back: vec![[BEGIN; 8]; RING_ROWS],
        }
    }

    /// Starts over with a calibration, from the oldest row kept.
    pub(crate) fn restart(
        &mut self,
        calibration: Calibration,
        period_us: f32,
        spacing_us: f32,
        ring: &Ring,
    ) {
        self.calibration = calibration;
        self.period_us = period_us;
        self.settling_rows = (period_us * SETTLING / spacing_us).round().max(1.0) as usize;
        self.begin = ring.oldest();
        self.next = self.begin;
        self.follow(ring);
    }

    /// Takes in all rows it has not seen.
    pub(crate) fn follow(&mut self, ring: &Ring) {
        self.next = self.next.max(ring.oldest());
        while self.next < ring.next() {
            self.step(*ring.row(self.next));
            self.next += 1;
        }
    }

    fn step(&mut self, row: Row) {
        let number = self.next;
        let cost = self.corner_costs(&row);
        let mut path = [f32::INFINITY; 8];
        let mut back = [BEGIN; 8];
        // sums[n] is the cost of the newest n rows, this one included.
        let mut sums = [[0.0_f32; 8]; SPAN_ROWS + 1];
        let before_limit = (number - self.begin).min(SPAN_ROWS as u64 - 1) as usize;
        for rows in 1..=before_limit + 1 {
            let first_cost = if rows == 1 {
                cost
            } else {
                self.column(number + 1 - rows as u64).cost
            };
            for colour in 0..8 {
                sums[rows][colour] = sums[rows - 1][colour] + first_cost[colour];
            }
            let settled = rows.saturating_sub(self.settling_rows);
            if rows as u64 > number - self.begin {
                // The first slot may have begun before the first row.
                for colour in 0..8 {
                    let begun = weighted(&sums, rows, settled, colour);
                    if begun < path[colour] {
                        path[colour] = begun;
                        back[colour] = BEGIN;
                    }
                }
                break;
            }
            let before = self.column(number - rows as u64);
            let length = row.since_us(&before.row) as f32 / self.period_us;
            if length > SLOT_MAX {
                break;
            }
            if length < SLOT_MIN {
                continue;
            }
            let length_cost = 0.5 * ((length - 1.0) / LENGTH_DEVIATION).powi(2);
            for colour in 0..8_u8 {
                let here = usize::from(colour);
                let (mut reached, mut from) = if before.least.1 == colour {
                    (before.second, None)
                } else {
                    (before.least.0, Some(before.least.1))
                };
                if before.path[here] + STAY_COST < reached {
                    (reached, from) = (before.path[here] + STAY_COST, Some(colour));
                }
                let total = reached + length_cost + weighted(&sums, rows, settled, here);
                if total < path[here] {
                    let from = from.unwrap_or_else(|| second_least(&before.path, colour));
                    path[here] = total;
                    back[here] = (rows as u16) << COLOUR_BITS | u16::from(from);
                }
            }
        }
        let (mut least, mut second) = ((f32::INFINITY, 0), f32::INFINITY);
        for colour in 0..8_u8 {
            let here = path[usize::from(colour)];
            if here < least.0 {
                second = least.0;
                least = (here, colour);
            } else if here < second {
                second = here;
            }
        }
        self.back[slot(number)] = back;
        *self.column_mut(number) = Column {
            row,
            cost,
            path,
            least,
            second,
        };
    }

    /// Traces the best path from the newest row back, newest slot first, and returns how many slots it wrote.
    pub(crate) fn trace(&self, ring: &Ring, slots: &mut [Slot]) -> usize {
        let Some(mut last) = self.next.checked_sub(1) else {
            return 0;
        };
        if last < self.begin {
            return 0;
        }
        let mut colour = self.column(last).least.1;
        let oldest = ring.oldest().max(self.begin);
        let mut written = 0;
        for place in slots {
            let step = self.back[slot(last)][usize::from(colour)];
            if step == BEGIN {
                break;
            }
            let rows = u64::from(step >> COLOUR_BITS);
            let first = last + 1 - rows;
            if first <= oldest {
                break;
            }
            *place = Slot {
                colour: Colour::from_bits(colour),
                first,
                last,
            };
            written += 1;
            last = first - 1;
            colour = (step & ((1 << COLOUR_BITS) - 1)) as u8;
        }
        written
    }

    /// Returns what each colour would cost in a slot, once the light has settled.
    pub(crate) fn evidence(&self, ring: &Ring, slot: &Slot) -> [f32; 8] {
        let mut evidence = [0.0; 8];
        let first = (slot.first + self.settling_rows as u64).min(slot.last);
        for number in first..=slot.last {
            let cost = self.corner_costs(ring.row(number));
            for (sum, cost) in evidence.iter_mut().zip(cost) {
                *sum += cost;
            }
        }
        evidence
    }

    fn corner_costs(&self, row: &Row) -> [f32; 8] {
        let Some(counts) = row.counts() else {
            return [0.0; 8];
        };
        const SCALE: f32 = 0.5 / (ROW_DEVIATION * ROW_DEVIATION);
        let [red, green, blue] = self.calibration.shares(counts).map(|share| {
            let share = share.clamp(-1.0, 2.0);
            [share * share * SCALE, (share - 1.0) * (share - 1.0) * SCALE]
        });
        let mut costs = [0.0; 8];
        for (bits, cost) in costs.iter_mut().enumerate() {
            *cost = red[bits >> 2 & 1] + green[bits >> 1 & 1] + blue[bits & 1];
        }
        costs
    }

    fn column(&self, number: u64) -> &Column {
        &self.columns[(number % SPAN_ROWS as u64) as usize]
    }

    fn column_mut(&mut self, number: u64) -> &mut Column {
        &mut self.columns[(number % SPAN_ROWS as u64) as usize]
    }
}

fn weighted(sums: &[[f32; 8]; SPAN_ROWS + 1], rows: usize, settled: usize, colour: usize) -> f32 {
    SETTLING_WEIGHT * sums[rows][colour] + (1.0 - SETTLING_WEIGHT) * sums[settled][colour]
}

fn second_least(path: &[f32; 8], except: u8) -> u8 {
    let mut least = (f32::INFINITY, 0);
    for colour in (0..8).filter(|colour| *colour != except) {
        if path[usize::from(colour)] <= least.0 {
            least = (path[usize::from(colour)], colour);
        }
    }
    least.1
}
