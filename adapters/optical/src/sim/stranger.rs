//! A second channel, built otherwise: what is tuned to the first one's equations fails here.
//!
//! Its light is a formula of time, not a walk in steps: transitions are sigmoid, critically damped or exponential; refreshes
//! are missed in spells and by a beat; dimming waves have soft edges and drift; hands wander; lamps ripple at two
//! frequencies at once and have a colour; the sensor weighs its window unevenly; noise has tails.

use std::collections::VecDeque;
use std::f64::consts::{PI, TAU};

use super::conditions::{App, Conditions, Eye, Panel, Tier};
use super::random::Random;
use super::screen::{light_of, swing};
use crate::code::RefreshRate;
use crate::colour::Rgb;
use crate::sample::Sample;

/// Moments at which the light of one window is looked at.
const LOOKS: usize = 16;
/// Refreshes that are remembered: longer than any window and its delay.
const REFRESHES: usize = 24;
/// Spots of the field of view that the scan reaches one after the other.
const SPOTS: usize = 4;

/// How a panel goes from one picture to the next.
#[derive(Debug, Clone, Copy)]
enum Transition {
    Exponential,
    CriticallyDamped,
    Sigmoid,
}

impl Transition {
    /// Share of the way that is left after so many time constants.
    fn left(self, age: f64) -> f64 {
        let age = age.max(0.0);
        match self {
            Self::Exponential => (-age).exp(),
            Self::CriticallyDamped => (1.0 + 2.0 * age) * (-2.0 * age).exp(),
            // Begins at 1 exactly, and is steepest after one time constant.
            Self::Sigmoid => (1.0 + (-3.0_f64).exp()) / (1.0 + (3.0 * (age - 1.0)).exp()),
        }
    }
}

/// One refresh: when, from which light, to which.
#[derive(Debug, Clone, Copy)]
struct Refresh {
    at_us: f64,
    from: [f64; 3],
    to: [f64; 3],
}

/// Another drawn phone, sensor and room.
#[derive(Debug, Clone)]
pub struct Stranger {
    conditions: Conditions,
    random: Random,
}

impl Stranger {
    /// Draws a channel from the ranges of a tier, by laws of its own.
    pub fn new(seed: u64, tier: Tier, rate: RefreshRate) -> Self {
        let mut random = Random::new(!seed.rotate_left(17));
        let mut conditions = Conditions::draw(&mut random, tier, rate);
        // A cold screen as often as a warm one.
        if random.chance(0.5) {
            let [red, green, blue] = conditions.warm;
            conditions.warm = [blue.max(0.5), green, red];
        }
        // Of two draws of the swing, the fainter: distance takes more than it gives.
        let distance = 1.0 - 0.5 * random.unit() * random.unit();
        conditions.fade(distance);
        Self { conditions, random }
    }

    /// Sets how the phone advances, instead of the drawn share.
    #[must_use]
    pub fn with_app(mut self, app: App) -> Self {
        self.conditions.app = app;
        self
    }

    /// Looks with another eye than a quick chip.
    #[must_use]
    pub fn with_eye(mut self, eye: Eye) -> Self {
        self.conditions.look_with(eye);
        self
    }

    /// Plays the frames over and over from a random place; the samples never end.
    ///
    /// An empty list of frames shows black.
    pub fn play(self, frames: &[Rgb]) -> Strange {
        Strange::new(self.conditions, self.random, frames)
    }
}

/// The endless samples of one such channel.
#[derive(Debug, Clone)]
pub struct Strange {
    conditions: Conditions,
    random: Random,
    pictures: Vec<[f64; 3]>,
    shown: usize,
    skip: usize,
    spell: bool,
    beat: usize,
    refreshes: VecDeque<Refresh>,
    transition: Transition,
    lamps: [(f64, f64, f64); 2],
    wander: f64,
    wave_drift: f64,
    tilt: f64,
    read_at_us: f64,
    stamp_before_us: u64,
}

impl Strange {
    fn new(conditions: Conditions, mut random: Random, frames: &[Rgb]) -> Self {
        let mut pictures: Vec<[f64; 3]> = frames
            .iter()
            .map(|frame| light_of(&conditions, *frame))
            .collect();
        if pictures.is_empty() {
            pictures.push(light_of(&conditions, Rgb { r: 0, g: 0, b: 0 }));
        }
        let shown = random.below(pictures.len());
        let first = pictures[shown];
        let transition = [
            Transition::Exponential,
            Transition::CriticallyDamped,
            Transition::Sigmoid,
        ][random.below(3)];
        let mains = if random.chance(0.5) { 100.0 } else { 120.0 };
        let depth = conditions.ripple.depth;
        let share = random.unit();
        let lamps = [
            (mains, depth * share, random.unit()),
            (
                random.within((300.0, 1_000.0)),
                depth * (1.0 - share),
                random.unit(),
            ),
        ];
        let begin = Refresh {
            at_us: -conditions.period_us * random.unit() - 2.0 * conditions.period_us,
            from: first,
            to: first,
        };
        Self {
            read_at_us: 2.5 * conditions.window_us + conditions.poll_us * random.unit(),
            beat: 60 + random.below(180),
            tilt: random.around(0.8),
            refreshes: VecDeque::from([begin]),
            shown,
            skip: 0,
            spell: false,
            wander: 0.0,
            wave_drift: 0.0,
            stamp_before_us: 0,
            pictures,
            transition,
            lamps,
            conditions,
            random,
        }
    }

    /// Shows pictures up to a time.
    fn refresh_until(&mut self, until_us: f64) {
        while let Some(last) = self.refreshes.back().copied() {
            let factor = match self.conditions.rate_change {
                Some((stretch, factor))
                    if (stretch.from_us..stretch.to_us).contains(&last.at_us) =>
                {
                    factor
                }
                _ => 1.0,
            };
            let at_us = last.at_us + self.conditions.period_us * factor;
            if at_us > until_us {
                return;
            }
            let from = self.toward(&last, at_us);
            let to = self.next_picture();
            self.refreshes.push_back(Refresh { at_us, from, to });
            if self.refreshes.len() > REFRESHES {
                self.refreshes.pop_front();
            }
        }
    }

    /// The next picture. Refreshes are missed in spells, half of those in it, and some phones miss one by a beat.
    fn next_picture(&mut self) -> [f64; 3] {
        let begins = self.conditions.jank / self.conditions.burst_mean;
        self.spell = if self.spell {
            self.random.chance(1.0 - 0.5 / self.conditions.burst_mean)
        } else {
            self.random.chance(begins)
        };
        self.beat = self.beat.saturating_sub(1);
        let beats = self.beat == 0 && self.conditions.jank > 0.01;
        if self.beat == 0 {
            self.beat = 60 + self.random.below(180);
        }
        if beats || self.spell && self.random.chance(0.5) {
            self.skip += usize::from(self.conditions.app == App::Clock);
        } else {
            let lost = usize::from(self.random.chance(self.conditions.never_shown));
            self.shown = (self.shown + 1 + self.skip + lost) % self.pictures.len();
            self.skip = 0;
        }
        self.pictures[self.shown]
    }

    fn toward(&self, refresh: &Refresh, at_us: f64) -> [f64; 3] {
        let age_us = at_us - refresh.at_us;
        let (rise_us, fall_us) = (self.conditions.rise_us, self.conditions.fall_us);
        [0, 1, 2].map(|primary| {
            let (from, to) = (refresh.from[primary], refresh.to[primary]);
            let tau_us = if to > from { rise_us } else { fall_us };
            to + (from - to) * self.transition.left(age_us / tau_us)
        })
    }

    /// The light of the screen at a time, where the scan comes so much later.
    fn screen(&self, at_us: f64, late_us: f64) -> [f64; 3] {
        let local_us = at_us - late_us;
        let refresh = self
            .refreshes
            .iter()
            .rev()
            .find(|refresh| refresh.at_us <= local_us)
            .or(self.refreshes.front())
            .copied()
            .expect("one refresh is always kept");
        let light = self.toward(&refresh, local_us);
        let mut bright = 1.0;
        if let Panel::Oled { slit, .. } = self.conditions.panel {
            let phase = (local_us - refresh.at_us) / self.conditions.period_us;
            // The slit passes at mid-frame, with soft edges.
            let depth = 1.0 - ((phase - 0.5).abs() / slit.max(1e-6)).min(1.0);
            bright *= 1.0 - depth;
        }
        if let Some(wave) = self.conditions.pwm {
            let turn = (at_us * wave.hz / 1e6 + wave.phase + self.wave_drift).rem_euclid(1.0);
            let edge = 0.06_f64.min(wave.duty / 2.0);
            let centre = (turn - 0.5).abs();
            let on = ((wave.duty / 2.0 + edge / 2.0 - centre) / edge).clamp(0.0, 1.0);
            bright *= on / wave.duty;
        }
        light.map(|primary| primary * bright)
    }

    fn gain(&self, at_us: f64) -> f64 {
        let away = self.conditions.loss.map_or(0.0, |loss| {
            let phase = (at_us - loss.from_us) / (loss.to_us - loss.from_us);
            // It fades away and comes back.
            if (0.0..1.0).contains(&phase) {
                (PI * phase).sin().sqrt()
            } else {
                0.0
            }
        });
        let shaken = 1.0 + self.wander + swing(self.conditions.shake, at_us);
        (shaken * (1.0 - away)).max(0.0)
    }

    fn room(&self, at_us: f64) -> f64 {
        let ripple: f64 = self
            .lamps
            .iter()
            .map(|(hz, depth, phase)| depth * (TAU * (at_us * hz / 1e6 + phase)).sin().powi(2))
            .sum();
        (1.0 + ripple + swing(self.conditions.shadow, at_us)).max(0.0)
    }

    fn convert(&mut self, channel: usize, end_us: f64) -> u16 {
        let window_us = self.conditions.window_us;
        let row = self.conditions.chip[channel];
        let ambient = self.conditions.ambient[channel];
        let sweep_us = self.conditions.scan * self.conditions.period_us;
        let (mut sum, mut weights) = (0.0, 0.0);
        for look in 0..LOOKS {
            let share = (look as f64 + 0.5) / LOOKS as f64;
            let at_us = end_us - window_us * (1.0 - share);
            // An amplifier with memory: the end of the window counts otherwise than its begin.
            let weight = 1.0 + self.tilt * (share - 0.5);
            let late_us = sweep_us * (look % SPOTS) as f64 / SPOTS as f64;
            let screen = self.screen(at_us, late_us);
            let lit: f64 = row
                .iter()
                .zip(screen)
                .map(|(response, light)| response * light)
                .sum();
            sum += weight * (lit * self.gain(at_us) + ambient * self.room(at_us));
            weights += weight;
        }
        let mean = sum / weights;
        let deviation = (self.conditions.read_noise.powi(2)
            + self.conditions.shot_noise * mean.max(0.0))
        .sqrt();
        // Two-sided exponential: more often far off than a normal law of the same deviation.
        let side = if self.random.chance(0.5) { 1.0 } else { -1.0 };
        let noise = side * self.random.exponential(deviation / 2.0_f64.sqrt());
        (mean + noise)
            .round()
            .clamp(0.0, self.conditions.full_scale) as u16
    }
}

impl Iterator for Strange {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        // A reader is late, never early; now and then by much.
        let mut next_us = self.read_at_us
            + self.conditions.poll_us
            + self.random.exponential(0.5 * self.conditions.jitter_us);
        if self.random.chance(self.conditions.hole) {
            next_us += 2.0 * self.conditions.hole_mean_us * self.random.unit();
        }
        let since_us = next_us - self.read_at_us;
        self.read_at_us = next_us;
        self.refresh_until(next_us + 4.0 * self.conditions.skew_us);
        // The hand wanders within its bounds and is drawn back.
        let bound = self.conditions.sway.depth;
        let pull = (-since_us / 400_000.0).exp();
        let step = bound * (1.0 - pull * pull).sqrt() * self.random.normal();
        self.wander = (self.wander * pull + 0.7 * step).clamp(-bound, bound);
        self.wave_drift += 2e-3 * self.random.normal();
        let counts = [0, 1, 2].map(|channel| {
            let at_us = next_us + channel as f64 * self.conditions.skew_us;
            // Conversions run freely, at 7 % less than their nominal rate.
            let period_us = 1.07 * self.conditions.window_us;
            self.convert(channel, (at_us / period_us).floor() * period_us)
        });
        let own_us =
            next_us * (1.0 - self.conditions.clock_drift) + self.random.within((0.0, 60.0));
        let stamp_us =
            (self.conditions.clock_origin_us + own_us as u64).max(self.stamp_before_us + 1);
        self.stamp_before_us = stamp_us;
        let [r, g, b] = counts;
        Some(Sample {
            t_us: stamp_us,
            r,
            g,
            b,
            c: 0,
        })
    }
}
