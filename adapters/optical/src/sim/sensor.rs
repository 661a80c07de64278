//! The reader: optics, ambient light, integration, polling and noise.

use std::collections::VecDeque;

use super::STEP_US;
use super::conditions::{Conditions, Conversions};
use super::random::Random;
use super::screen::swing;
use crate::sample::Sample;

/// How much exposure is kept, in steps: longer than any window and its delay.
const KEPT_STEPS: usize = 8_000;
/// Channels of a row in the order they are read: clear, red, green, blue.
const CHANNELS: usize = 4;

/// A colour chip and the program that polls it.
#[derive(Debug, Clone)]
pub(super) struct Sensor {
    conditions: Conditions,
    /// Running sums of counts per step, the newest last.
    sums: VecDeque<[f64; CHANNELS]>,
    seen_us: f64,
    read_at_us: f64,
    stamp_before_us: u64,
    /// Begin of the conversion that runs and end of the one before, when reads start them.
    started_at_us: f64,
    finished_at_us: f64,
    /// End and counts of the conversion each channel gave last.
    converted: [Option<(f64, u16)>; CHANNELS],
}

impl Sensor {
    pub(super) fn new(conditions: &Conditions, random: &mut Random) -> Self {
        let mut sums = VecDeque::with_capacity(KEPT_STEPS + 1);
        sums.push_back([0.0; CHANNELS]);
        // Reading begins once two conversions have finished.
        let start_us = 2.5 * conditions.window_us + random.within((0.0, conditions.poll_us));
        Self {
            conditions: conditions.clone(),
            sums,
            seen_us: 0.0,
            read_at_us: start_us,
            stamp_before_us: 0,
            started_at_us: start_us - conditions.poll_us,
            finished_at_us: start_us - conditions.poll_us,
            converted: [None; CHANNELS],
        }
    }

    /// Returns the time up to which light has been exposed.
    pub(super) fn seen_us(&self) -> f64 {
        self.seen_us
    }

    /// Chooses the moment of the next row and returns when its last channel has been read.
    pub(super) fn plan_row(&mut self, random: &mut Random) -> f64 {
        let jitter_us = random.around(self.conditions.jitter_us);
        let mut next_us = self.read_at_us + self.conditions.poll_us + jitter_us;
        if random.chance(self.conditions.hole) {
            next_us += random.exponential(self.conditions.hole_mean_us);
        }
        // A row takes its own time on the bus.
        self.read_at_us = next_us.max(self.read_at_us + 4.0 * self.conditions.skew_us + 100.0);
        self.read_at_us + CHANNELS as f64 * self.conditions.skew_us
    }

    /// Adds one step of light.
    pub(super) fn expose(&mut self, light: [f64; 3]) {
        let room = self.room();
        let mut sum = *self.sums.back().expect("sums start with one entry");
        let mut clear = 0.0;
        for channel in 0..3 {
            let row = &self.conditions.chip[channel];
            let lit: f64 = row
                .iter()
                .zip(light)
                .map(|(response, light)| response * light)
                .sum();
            let counts = lit + self.conditions.ambient[channel] * room;
            clear += counts;
            sum[channel + 1] += counts;
        }
        sum[0] += 0.9 * clear;
        self.sums.push_back(sum);
        if self.sums.len() > KEPT_STEPS {
            self.sums.pop_front();
        }
        self.seen_us += STEP_US;
    }

    /// Reads the planned row.
    pub(super) fn read_row(&mut self, random: &mut Random) -> Sample {
        if let Conversions::AtRead = self.conditions.conversions {
            let due_us = self.started_at_us + self.conditions.window_us;
            // A row that comes too early finds the conversion before.
            if due_us <= self.read_at_us {
                self.finished_at_us = due_us;
                self.started_at_us = self.read_at_us;
            }
        }
        let mut counts = [0_u16; CHANNELS];
        for (channel, counts) in counts.iter_mut().enumerate() {
            let at_us = self.read_at_us + channel as f64 * self.conditions.skew_us;
            let end_us = match self.conditions.conversions {
                Conversions::FreeRunning {
                    period_us,
                    phase_us,
                } => ((at_us - phase_us) / period_us).floor() * period_us + phase_us,
                Conversions::AtRead => self.finished_at_us,
            };
            // A conversion that is read twice is the same to the last bit.
            *counts = match self.converted[channel] {
                Some((before_us, counts)) if before_us == end_us => counts,
                Some(_) | None => {
                    let mean = self.mean(channel, end_us);
                    let deviation = (self.conditions.read_noise.powi(2)
                        + self.conditions.shot_noise * mean)
                        .sqrt();
                    let noisy = mean + deviation * random.normal();
                    noisy.round().clamp(0.0, self.conditions.full_scale) as u16
                }
            };
            self.converted[channel] = Some((end_us, *counts));
        }
        let own_us =
            self.read_at_us * (1.0 + self.conditions.clock_drift) + random.within((0.0, 30.0));
        let stamp_us =
            (self.conditions.clock_origin_us + own_us as u64).max(self.stamp_before_us + 1);
        self.stamp_before_us = stamp_us;
        let [c, r, g, b] = counts;
        Sample {
            t_us: stamp_us,
            r,
            g,
            b,
            c,
        }
    }

    /// Returns the mean of a channel over the window that ends at a time.
    fn mean(&self, channel: usize, end_us: f64) -> f64 {
        let sum_at = |at_us: f64| {
            let back = ((self.seen_us - at_us) / STEP_US).max(0.0);
            let newest = self.sums.len() - 1;
            let whole = (back as usize).min(newest);
            let older = (whole + 1).min(newest);
            let part = back.fract();
            let at = |back: usize| self.sums[newest - back][channel];
            at(whole) * (1.0 - part) + at(older) * part
        };
        let steps = self.conditions.window_us / STEP_US;
        (sum_at(end_us) - sum_at(end_us - self.conditions.window_us)) / steps
    }

    fn room(&self) -> f64 {
        let mut ripple = swing(self.conditions.ripple, self.seen_us);
        if self.conditions.ripple_square {
            ripple = self.conditions.ripple.depth * ripple.signum();
        }
        let shadow = swing(self.conditions.shadow, self.seen_us);
        ((1.0 + ripple) * (1.0 + shadow - self.conditions.shadow.depth)).max(0.0)
    }
}
