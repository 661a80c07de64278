//! A screen without faults under a sensor without noise.
#![allow(unreachable_pub, reason = "shared by several test programs")]

use gettone_optical::{Rgb, Sample};

/// Sixty frames a second.
pub const FRAME_US: u64 = 16_667;
/// Time between two rows.
pub const ROW_US: u64 = 3_000;

/// How bright an ideal phone is, in counts.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    /// Counts of black.
    pub black: f64,
    /// Counts a primary adds to its own channel.
    pub own: f64,
    /// End of the sensor's scale.
    pub full_scale: f64,
}

/// A well exposed phone.
pub const BRIGHT: Levels = Levels {
    black: 12.0,
    own: 300.0,
    full_scale: 1_023.0,
};

/// Returns the samples of a looped list of frames, seen from a moment on for some time.
pub fn samples(frames: &[Rgb], from_us: u64, length_us: u64, levels: Levels) -> Vec<Sample> {
    (0..length_us / ROW_US)
        .map(|row| {
            let at_us = row * ROW_US;
            let frame = frames[((from_us + at_us) / FRAME_US) as usize % frames.len()];
            let lit = [frame.r, frame.g, frame.b].map(|code| f64::from(code / 255));
            let counts = [[1.0, 0.1, 0.0], [0.1, 0.8, 0.2], [0.1, 0.2, 0.9]].map(|shares| {
                let light: f64 = (0..3).map(|primary| shares[primary] * lit[primary]).sum();
                (levels.black + levels.own * light).min(levels.full_scale) as u16
            });
            let [r, g, b] = counts;
            Sample {
                t_us: 1_000_000 + at_us,
                r,
                g,
                b,
                c: 0,
            }
        })
        .collect()
}
