//! A simulated phone screen and colour sensor: frames in, samples out.
//!
//! It follows the project's channel note step by step: light from code, frame clock, scan-out, response, dimming,
//! geometry, optics, ambient, integration, noise. Every run is drawn from one seed. The decoder sees samples only.
//!
//! ```
//! use gettone_optical::{Kind, Payload, RefreshRate, encode, sim::{Channel, Tier}};
//!
//! let frames = encode(&Payload::new(Kind::Pairing, *b"0123456789"));
//! let samples: Vec<_> = Channel::new(7, Tier::Nominal, RefreshRate::HZ_60)
//!     .play(&frames)
//!     .take(500)
//!     .collect();
//! assert!(samples.windows(2).all(|pair| pair[0].t_us < pair[1].t_us));
//! ```

mod cell;
mod conditions;
mod random;
mod screen;
mod sensor;
mod stranger;
mod stray;
mod trouble;

pub use cell::{Cell, End, Play, Run, World};
pub use conditions::{App, Eye, Tier};
pub use random::Random;
pub use stranger::{Strange, Stranger};
pub use stray::Stray;
pub use trouble::Trouble;

use crate::code::RefreshRate;
use crate::colour::Rgb;
use crate::sample::Sample;
use conditions::Conditions;
use screen::Screen;
use sensor::Sensor;

/// Simulated time between two steps of the light, in microseconds.
const STEP_US: f64 = 50.0;

/// One drawn phone, sensor and room.
#[derive(Debug, Clone)]
pub struct Channel {
    conditions: Conditions,
    random: Random,
}

impl Channel {
    /// Draws a channel.
    pub fn new(seed: u64, tier: Tier, rate: RefreshRate) -> Self {
        let mut random = Random::new(seed);
        let conditions = Conditions::draw(&mut random, tier, rate);
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

    /// Scales the optics to a mean white-black swing in counts, instead of the drawn one.
    #[must_use]
    pub fn with_swing(mut self, counts: f64) -> Self {
        self.conditions.fade_to(counts);
        self
    }

    /// Takes one trouble away and leaves all else as it was drawn: what fails only with it, fails by it.
    #[must_use]
    pub fn without(mut self, trouble: Trouble) -> Self {
        trouble.remove(&mut self.conditions);
        self
    }

    /// Plays the frames over and over from a random place; the samples never end.
    ///
    /// An empty list of frames shows black.
    pub fn play(self, frames: &[Rgb]) -> Samples {
        let Self {
            conditions,
            mut random,
        } = self;
        // Each has draws of its own: what one draws more or less of leaves the others as they were.
        let [mut screens, mut sensors] = [(); 2].map(|()| Random::new(random.bits()));
        Samples {
            screen: Screen::new(&conditions, frames, &mut screens),
            sensor: Sensor::new(&conditions, &mut sensors),
            screens,
            sensors,
        }
    }
}

/// The endless samples of one channel.
#[derive(Debug, Clone)]
pub struct Samples {
    screen: Screen,
    sensor: Sensor,
    screens: Random,
    sensors: Random,
}

impl Iterator for Samples {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let rows_end_us = self.sensor.plan_row(&mut self.sensors);
        while self.sensor.seen_us() < rows_end_us {
            let light = self.screen.step(&mut self.screens);
            self.sensor.expose(light);
        }
        Some(self.sensor.read_row(&mut self.sensors))
    }
}
