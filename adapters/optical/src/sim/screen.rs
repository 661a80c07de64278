//! The phone: frame clock, scan-out, response and dimming.

use std::f64::consts::TAU;

use super::STEP_US;
use super::conditions::{App, Conditions, Curve, Panel, Swing};
use super::random::Random;
use crate::colour::Rgb;

/// A panel that shows frames, one step of light at a time.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    conditions: Conditions,
    pictures: Vec<[f64; 3]>,
    shown: usize,
    now_us: f64,
    refresh_at_us: f64,
    refresh_began_us: f64,
    stall: usize,
    skip: usize,
    before: [f64; 3],
    after: [f64; 3],
    stages: Vec<[f64; 3]>,
    /// Share of the way a stage goes in one step, up and down.
    rise: f64,
    fall: f64,
}

impl Screen {
    pub(super) fn new(conditions: &Conditions, frames: &[Rgb], random: &mut Random) -> Self {
        let mut pictures: Vec<[f64; 3]> = frames
            .iter()
            .map(|frame| light_of(conditions, *frame))
            .collect();
        if pictures.is_empty() {
            pictures.push(light_of(conditions, Rgb { r: 0, g: 0, b: 0 }));
        }
        let shown = random.below(pictures.len());
        let first = pictures[shown];
        let stages = match conditions.panel {
            Panel::Lcd { stages } => stages,
            Panel::Oled { .. } => 1,
        };
        let share = |tau_us: f64| 1.0 - (-STEP_US * stages as f64 / tau_us).exp();
        Self {
            shown,
            now_us: 0.0,
            refresh_at_us: conditions.period_us * random.unit(),
            refresh_began_us: -conditions.period_us,
            stall: 0,
            skip: 0,
            before: first,
            after: first,
            stages: vec![first; stages],
            rise: share(conditions.rise_us),
            fall: share(conditions.fall_us),
            pictures,
            conditions: conditions.clone(),
        }
    }

    /// Returns the light of each primary during the next step.
    pub(super) fn step(&mut self, random: &mut Random) -> [f64; 3] {
        if self.now_us >= self.refresh_at_us {
            self.refresh(random);
        }
        let period_us = self.period_us();
        let since_us = self.now_us - self.refresh_began_us;
        let swept = (since_us / (self.conditions.scan * period_us).max(1.0)).clamp(0.0, 1.0);
        let mut target = [0.0; 3];
        for (primary, target) in target.iter_mut().enumerate() {
            *target = self.before[primary] + swept * (self.after[primary] - self.before[primary]);
        }
        let light = self.respond(target);
        let brightness = self.dimming(since_us, period_us) * self.gain();
        self.now_us += STEP_US;
        light.map(|primary| primary * brightness)
    }

    fn period_us(&self) -> f64 {
        match self.conditions.rate_change {
            Some((stretch, factor))
                if (stretch.from_us..stretch.to_us).contains(&self.refresh_began_us) =>
            {
                self.conditions.period_us * factor
            }
            _ => self.conditions.period_us,
        }
    }

    fn refresh(&mut self, random: &mut Random) {
        self.refresh_began_us = self.refresh_at_us;
        self.refresh_at_us += self.period_us();
        self.before = self.after;
        if self.stall == 0 && random.chance(self.conditions.jank) {
            self.stall = 1 + random.exponential(self.conditions.burst_mean - 1.0).round() as usize;
        }
        if self.stall > 0 {
            self.stall -= 1;
            if self.conditions.app == App::Clock {
                self.skip += 1;
            }
        } else {
            let lost = usize::from(random.chance(self.conditions.never_shown));
            self.shown = (self.shown + 1 + self.skip + lost) % self.pictures.len();
            self.skip = 0;
        }
        self.after = self.pictures[self.shown];
        if let Panel::Oled {
            first_after_black, ..
        } = self.conditions.panel
        {
            for primary in 0..3 {
                if self.before[primary] < 0.05 && self.after[primary] > 0.5 {
                    self.after[primary] *= first_after_black;
                }
            }
        }
    }

    fn respond(&mut self, target: [f64; 3]) -> [f64; 3] {
        let mut input = target;
        for stage in &mut self.stages {
            for (state, input) in stage.iter_mut().zip(&mut input) {
                let share = if *input > *state {
                    self.rise
                } else {
                    self.fall
                };
                *state += (*input - *state) * share;
                *input = *state;
            }
        }
        input
    }

    fn dimming(&self, since_us: f64, period_us: f64) -> f64 {
        if let Panel::Oled { slit, .. } = self.conditions.panel
            && since_us < slit * period_us
        {
            return 0.0;
        }
        match self.conditions.pwm {
            None => 1.0,
            Some(wave) => {
                let turn = (self.now_us * wave.hz / 1e6 + wave.phase).fract();
                if turn < wave.duty {
                    1.0 / wave.duty
                } else {
                    0.0
                }
            }
        }
    }

    fn gain(&self) -> f64 {
        if let Some(loss) = self.conditions.loss
            && (loss.from_us..loss.to_us).contains(&self.now_us)
        {
            return 0.0;
        }
        1.0 + swing(self.conditions.sway, self.now_us) + swing(self.conditions.shake, self.now_us)
    }
}

/// Returns a sine of the swing's depth.
pub(super) fn swing(swing: Swing, now_us: f64) -> f64 {
    swing.depth * (TAU * (now_us * swing.hz / 1e6 + swing.phase)).sin()
}

pub(super) fn light_of(conditions: &Conditions, frame: Rgb) -> [f64; 3] {
    let linear = [frame.r, frame.g, frame.b].map(|code| {
        let code = f64::from(code) / 255.0;
        let light = match conditions.curve {
            Curve::Power(gamma) => code.powf(gamma),
            Curve::Srgb if code <= 0.04045 => code / 12.92,
            Curve::Srgb => ((code + 0.055) / 1.055).powf(2.4),
        };
        conditions.black + (1.0 - conditions.black) * light
    });
    let mean = linear.iter().sum::<f64>() / 3.0;
    let limited = 1.0 - conditions.limiter * mean;
    let mut light = [0.0; 3];
    for primary in 0..3 {
        let mixed = (1.0 - conditions.mix) * linear[primary] + conditions.mix * mean;
        light[primary] = mixed * conditions.warm[primary] * limited;
    }
    light
}
