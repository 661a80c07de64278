//! The most likely sequence of shown colours: one slot per symbol length, found by dynamic programming.

use crate::calibration::{Calibration, Fit};
use crate::colour::Colour;
use crate::corners::{Corners, DARK_BELOW, Spread};
use crate::ring::{RING_ROWS, Ring, slot};

/// Rows a slot may span.
const SPAN_ROWS: usize = 46;
/// Shortest slot, as a share of a symbol.
const SLOT_MIN: f32 = 0.62;
/// Longest slot: a symbol of two frames that lasted three.
const SLOT_MAX: f32 = 1.6;
/// Deviation of a slot's end from the display's clock, as a share of a symbol, before rows are counted in.
const CLOCK_DEVIATION: f32 = 0.06;
/// Cost of an end that is off the clock: a display that missed part of a symbol starts a new count.
const JUMP_COST: f32 = 25.0;
/// Share of an end's error by which the clock is moved, and the length of a symbol changed.
const PHASE_GAIN: f32 = 0.25;
const LENGTH_GAIN: f32 = 0.03;
/// Furthest a tracked length may go from the first one, as a share.
const LENGTH_DRIFT_MAX: f32 = 0.06;
/// Share of a symbol during which the display and the sensor still follow the change.
const SETTLING: f32 = 0.28;
/// What a row counts for while the light settles.
const SETTLING_WEIGHT: f32 = 0.2;
/// Cost of a symbol that stays for one more slot: a missed refresh is rare.
const STAY_COST: f32 = 4.5;
/// Cost of a path above which all paths are lowered.
const COST_MAX: f32 = 20_000.0;
/// Rows on which two lights are compared.
const TRIED_ROWS: u64 = 400;
/// Bits of a step back that hold the rows of the slot, and the one that says that its colour had been there before.
const ROWS_MASK: u8 = 0x3F;
const STAYED: u8 = 0x40;
/// A step back that leads to no earlier slot.
const BEGIN: u8 = u8::MAX;

/// One slot of the traced path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) colour: Colour,
    /// How far its first row is from the oldest row kept: good until the next row comes.
    pub(crate) first: u16,
    /// How many rows it has; never none.
    pub(crate) rows: u16,
}

#[derive(Clone, Copy)]
struct Column {
    cost: [f32; 8],
    /// Least cost of a path whose slot of this colour ends here.
    path: [f32; 8],
    least: (f32, u8),
    second: (f32, u8),
    /// What each path takes the display's clock to be.
    clock: [Clock; 8],
}

/// The display's clock as one path sees it.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Microseconds by which the slot ended after the row; not a number before the first end.
    end_us: f32,
    period_us: f32,
}

/// What a trellis takes the light to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Light {
    pub(crate) calibration: Calibration,
    pub(crate) period_us: f32,
}

/// The running search.
pub(crate) struct Trellis {
    calibration: Calibration,
    corners: Corners,
    spread: Spread,
    /// What was taken off all paths so far.
    lowered: f32,
    period_us: f32,
    end_variance: f32,
    half_spacing_us: f32,
    begin: u64,
    next: u64,
    settling_rows: usize,
    columns: Vec<Column>,
    back: Vec<[u8; 8]>,
    /// By row, the two colours whose slots may best end there: three bits each, the best one lowest.
    ranks: Vec<u8>,
}

impl Trellis {
    pub(crate) fn new() -> Self {
        let black = [0.0; 3];
        let calibration =
            Calibration::new(black, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
                .expect("unit primaries are a calibration");
        let column = Column {
            cost: [0.0; 8],
            path: [0.0; 8],
            least: (0.0, 0),
            second: (0.0, 0),
            clock: [Clock {
                end_us: f32::NAN,
                period_us: 0.0,
            }; 8],
        };
        Self {
            calibration,
            corners: Corners::new(&calibration, Spread::USUAL),
            spread: Spread::USUAL,
            lowered: 0.0,
            period_us: 0.0,
            end_variance: 1.0,
            half_spacing_us: 0.0,
            begin: 0,
            next: 0,
            settling_rows: 0,
            columns: vec![column; SPAN_ROWS],
            back: vec![[BEGIN; 8]; RING_ROWS],
            ranks: vec![0; RING_ROWS],
        }
    }

    /// Returns what the light is taken to be.
    pub(crate) const fn light(&self) -> Light {
        Light {
            calibration: self.calibration,
            period_us: self.period_us,
        }
    }

    /// Starts over with another light, from the oldest row kept.
    pub(crate) fn restart(&mut self, light: Light, spacing_us: f32, ring: &Ring) {
        self.restart_at(light, spacing_us, ring, ring.oldest());
    }

    /// Starts over with another light and a few rows only; returns what a row of them costs.
    pub(crate) fn try_on(&mut self, light: Light, spacing_us: f32, ring: &Ring) -> f32 {
        let begin = ring.oldest().max(ring.next().saturating_sub(TRIED_ROWS));
        self.spread = Spread::USUAL;
        self.restart_at(light, spacing_us, ring, begin);
        let rows = ring.next().saturating_sub(begin).max(1);
        (self.least() + self.lowered) / rows as f32
    }

    fn restart_at(&mut self, light: Light, spacing_us: f32, ring: &Ring, begin: u64) {
        let Light {
            calibration,
            period_us,
        } = light;
        self.calibration = calibration;
        self.corners = Corners::new(&calibration, self.spread);
        self.period_us = period_us;
        self.settling_rows = (period_us * SETTLING / spacing_us).round().max(1.0) as usize;
        // An end is only known to the row: a uniform error of one spacing.
        self.end_variance = (CLOCK_DEVIATION * period_us).powi(2) + spacing_us * spacing_us / 12.0;
        self.half_spacing_us = spacing_us / 2.0;
        self.begin = begin;
        self.next = begin;
        self.lowered = 0.0;
        self.follow(ring);
    }

    fn least(&self) -> f32 {
        match self.next.checked_sub(1) {
            Some(newest) if newest >= self.begin => self.column(newest).least.0,
            Some(_) | None => 0.0,
        }
    }

    /// Takes in all rows it has not seen.
    pub(crate) fn follow(&mut self, ring: &Ring) {
        self.next = self.next.max(ring.oldest());
        while self.next < ring.next() {
            self.step(ring);
            self.next += 1;
        }
    }

    fn step(&mut self, ring: &Ring) {
        let number = self.next;
        let row = ring.row(number);
        let cost = self.corners.costs(row, ring.ceiling());
        let mut path = [f32::INFINITY; 8];
        let mut back = [BEGIN; 8];
        let mut clock = [Clock {
            end_us: f32::NAN,
            period_us: self.period_us,
        }; 8];
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
            let elapsed_us = row.since_us(ring.row(number - rows as u64)) as f32;
            let length = elapsed_us / self.period_us;
            if length > SLOT_MAX {
                break;
            }
            if length < SLOT_MIN {
                continue;
            }
            for colour in 0..8_u8 {
                let here = usize::from(colour);
                let changed = if before.least.1 == colour {
                    (before.second.1, before.second.0)
                } else {
                    (before.least.1, before.least.0)
                };
                let evidence = weighted(&sums, rows, settled, here);
                for (from, reached) in [changed, (colour, before.path[here] + STAY_COST)] {
                    if reached + evidence >= path[here] {
                        continue;
                    }
                    let (off_clock, ticked) =
                        self.tick(before.clock[usize::from(from)], elapsed_us);
                    let total = reached + evidence + off_clock;
                    if total < path[here] {
                        path[here] = total;
                        clock[here] = ticked;
                        let stayed = if from == colour { STAYED } else { 0 };
                        back[here] = rows as u8 | stayed;
                    }
                }
            }
        }
        let (mut least, mut second) = ((f32::INFINITY, 0), (f32::INFINITY, 0));
        for colour in 0..8_u8 {
            let here = path[usize::from(colour)];
            if here < least.0 {
                second = least;
                least = (here, colour);
            } else if here < second.0 {
                second = (here, colour);
            }
        }
        if least.0 > COST_MAX {
            self.lower(least.0);
            path = path.map(|cost| cost - least.0);
            second.0 -= least.0;
            least.0 = 0.0;
        }
        self.back[slot(number)] = back;
        self.ranks[slot(number)] = least.1 | second.1 << 3;
        *self.column_mut(number) = Column {
            cost,
            path,
            least,
            second,
            clock,
        };
    }

    /// Takes an amount off all paths: only differences matter, and large sums lose them.
    fn lower(&mut self, amount: f32) {
        self.lowered += amount;
        for column in &mut self.columns {
            column.path = column.path.map(|cost| cost - amount);
            column.least.0 -= amount;
            column.second.0 -= amount;
        }
    }

    /// Returns what it costs that a slot ends with this row, and the clock from then on.
    fn tick(&self, clock: Clock, elapsed_us: f32) -> (f32, Clock) {
        let anew = Clock {
            end_us: self.half_spacing_us,
            period_us: clock.period_us,
        };
        let end_us = clock.end_us;
        if end_us.is_nan() {
            return (0.0, anew);
        }
        // The slot should have ended one symbol after the one before; it was seen to end half a row late.
        let due_us = end_us + clock.period_us - elapsed_us;
        let error_us = self.half_spacing_us - due_us;
        let cost = 0.5 * error_us * error_us / self.end_variance;
        if cost > JUMP_COST {
            return (JUMP_COST, anew);
        }
        let drift_us = LENGTH_DRIFT_MAX * self.period_us;
        let period_us = (clock.period_us + LENGTH_GAIN * error_us)
            .clamp(self.period_us - drift_us, self.period_us + drift_us);
        let end_us = due_us + PHASE_GAIN * error_us;
        (cost, Clock { end_us, period_us })
    }

    /// Traces the best path from the newest row back, newest slot first, and returns how many slots it wrote.
    pub(crate) fn trace(&self, ring: &Ring, slots: &mut [Slot]) -> usize {
        let Some(mut last) = self.next.checked_sub(1) else {
            return 0;
        };
        if last < self.begin {
            return 0;
        }
        let mut colour = Colour::from_bits(self.column(last).least.1);
        let oldest = ring.oldest().max(self.begin);
        let mut written = 0;
        for place in slots {
            let step = self.back[slot(last)][usize::from(colour.bits())];
            let rows = u64::from(step & ROWS_MASK);
            // The first slot began before the first row.
            let first = if step == BEGIN {
                oldest
            } else {
                last + 1 - rows
            };
            if first < oldest {
                break;
            }
            *place = Slot {
                colour,
                // The ring holds fewer rows.
                first: (first - ring.oldest()) as u16,
                rows: (last + 1 - first) as u16,
            };
            written += 1;
            if first == oldest {
                break;
            }
            last = first - 1;
            if step & STAYED == 0 {
                let ranks = self.ranks[slot(last)];
                let [least, second] = [ranks, ranks >> 3].map(Colour::from_bits);
                colour = if least == colour { second } else { least };
            }
        }
        written
    }

    /// Fits the calibration anew to what the slots showed.
    pub(crate) fn refit(&mut self, ring: &Ring, slots: &[Slot]) -> Calibration {
        let ceiling = f32::from(ring.ceiling());
        let mut fit = Fit::default();
        let (mut squares, mut rows) = (4.0 * Spread::USUAL.gain, 4.0);
        let (mut dark, mut lit) = (16.0 * Spread::USUAL.dark, 16.0);
        for slot in slots {
            for number in self.settled(ring, slot) {
                let Some(counts) = ring.row(number).counts() else {
                    continue;
                };
                // A clipped row would bend the fit.
                if counts.iter().any(|count| *count >= ceiling) {
                    continue;
                }
                fit.add(slot.colour, counts);
                let bits = usize::from(slot.colour.bits());
                let Some(gain) = self.corners.gain(bits, counts) else {
                    continue;
                };
                lit += 1.0;
                dark += f32::from(u8::from(gain < DARK_BELOW));
                squares += (gain.clamp(0.0, 3.0) - 1.0).powi(2);
                rows += 1.0;
            }
        }
        self.spread = Spread {
            gain: squares / rows,
            dark: dark / lit,
        };
        fit.solve().unwrap_or(self.calibration)
    }

    fn settled(&self, ring: &Ring, slot: &Slot) -> core::ops::RangeInclusive<u64> {
        let first = ring.oldest() + u64::from(slot.first);
        let last = first + u64::from(slot.rows) - 1;
        (first + self.settling_rows as u64).min(last)..=last
    }

    /// Returns the corners of a calibration, as wide as the light has shown them to be.
    pub(crate) fn corners_of(&self, calibration: &Calibration) -> Corners {
        Corners::new(calibration, self.spread)
    }

    /// Returns what each colour would cost in a slot, once the light has settled.
    pub(crate) fn evidence(&self, ring: &Ring, corners: &Corners, slot: &Slot) -> [f32; 8] {
        let mut evidence = [0.0; 8];
        for number in self.settled(ring, slot) {
            let cost = corners.costs(ring.row(number), ring.ceiling());
            for (sum, cost) in evidence.iter_mut().zip(cost) {
                *sum += cost;
            }
        }
        evidence
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
