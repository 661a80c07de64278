//! How likely a row is under each of the eight colours.
//!
//! A row lies around its colour's corner for four reasons: the light was still changing (along the edges of the cube), the
//! light's gain changed (along the line from black: dimming waves, hands), the room flickered (along the room's own light),
//! and noise. Each one is a term of the corner's covariance, in counts.

use crate::calibration::{Calibration, Counts};
use crate::ring::Row;

/// Variance along each primary, as a share of its swing.
const MIXED_VARIANCE: f32 = 0.2 * 0.2;
/// Variance of the gain of one row before anything is known about it.
const GAIN_VARIANCE_USUAL: f32 = 0.3 * 0.3;
/// Bounds of what is learned about the gain.
const GAIN_VARIANCE: (f32, f32) = (0.2 * 0.2, 0.6 * 0.6);
/// Share of dark rows before anything is known, and the bounds of what is learned.
const DARK_USUAL: f32 = 0.05;
const DARK_SHARE: (f32, f32) = (0.01, 0.4);
/// A row with less than this share of its colour's light is dark.
pub(crate) const DARK_BELOW: f32 = 0.25;
/// Variance of the room's light, as a share of it: mains ripple.
const ROOM_VARIANCE: f32 = 0.15 * 0.15;
/// Noise of any sensor in counts squared, and its growth with the counts.
const NOISE_VARIANCE: (f32, f32) = (2.0, 0.03);
/// Most that one row may cost: beyond, it is an accident and says nothing.
const MISS_MAX: f32 = 14.0;

/// How wide the light spreads around its corners, as shares of a corner's own swing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    /// Variance of what all channels share.
    pub(crate) gain: f32,
    /// Share of rows in which a lit screen is dark: a dimming wave is off, or the reader's view was blocked.
    pub(crate) dark: f32,
}

impl Spread {
    /// Before anything is known.
    pub(crate) const USUAL: Self = Self {
        gain: GAIN_VARIANCE_USUAL,
        dark: DARK_USUAL,
    };
}

/// The eight corners of one calibration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Corners {
    corners: [Corner; 8],
    /// What it costs that a lit colour looks black.
    dark_cost: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Corner {
    mean: Counts,
    /// Inverse of the covariance: the diagonal, then (0,1), (0,2), (1,2).
    precision: [f32; 6],
    /// Half the logarithm of the covariance's determinant.
    spread: f32,
}

impl Corners {
    pub(crate) fn new(calibration: &Calibration, spread: Spread) -> Self {
        let spread = Spread {
            gain: spread.gain.clamp(GAIN_VARIANCE.0, GAIN_VARIANCE.1),
            ..spread
        };
        let mut corners = [Corner::default(); 8];
        for (bits, corner) in corners.iter_mut().enumerate() {
            *corner = Corner::new(calibration, bits, spread);
        }
        let (least, greatest) = DARK_SHARE;
        Self {
            corners,
            dark_cost: -spread.dark.clamp(least, greatest).ln(),
        }
    }

    /// Returns what each colour costs: half the squared distance, and what a wide corner costs for being wide.
    pub(crate) fn costs(&self, row: &Row, ceiling: u16) -> [f32; 8] {
        let Some(counts) = row.counts() else {
            return [0.0; 8];
        };
        let ceiling = f32::from(ceiling);
        let is_clipped = counts.iter().any(|count| *count >= ceiling);
        let mut costs = [0.0; 8];
        for (cost, corner) in costs.iter_mut().zip(&self.corners) {
            let mut off = [0, 1, 2].map(|channel| counts[channel] - corner.mean[channel]);
            if is_clipped {
                corner.unclip(&mut off, counts, ceiling);
            }
            *cost = corner.miss(off).min(MISS_MAX) + corner.spread;
        }
        let dark = costs[0] + self.dark_cost;
        for cost in &mut costs {
            *cost = cost.min(dark);
        }
        costs
    }

    /// Returns the gain a row shows under a colour; none for black, which has no light to tell it by.
    pub(crate) fn gain(&self, bits: usize, counts: Counts) -> Option<f32> {
        let (black, corner) = (self.corners[0].mean, self.corners[bits].mean);
        let (mut along, mut full) = (0.0, 0.0);
        for channel in 0..3 {
            let swing = corner[channel] - black[channel];
            along += (counts[channel] - black[channel]) * swing;
            full += swing * swing;
        }
        (full > 0.0).then(|| along / full)
    }
}

impl Corner {
    fn new(calibration: &Calibration, bits: usize, spread: Spread) -> Self {
        let (black, columns) = (calibration.black(), calibration.columns());
        let mut swing = [0.0; 3];
        for (primary, column) in columns.iter().enumerate() {
            if bits >> (2 - primary) & 1 == 1 {
                for (swing, share) in swing.iter_mut().zip(column) {
                    *swing += share;
                }
            }
        }
        let mean = [0, 1, 2].map(|channel| black[channel] + swing[channel]);
        let covariance = |a: usize, b: usize| {
            let mixed: f32 = columns.iter().map(|column| column[a] * column[b]).sum();
            let noise = if a == b {
                NOISE_VARIANCE.0 + NOISE_VARIANCE.1 * mean[a].max(0.0)
            } else {
                0.0
            };
            MIXED_VARIANCE * mixed
                + spread.gain * swing[a] * swing[b]
                + ROOM_VARIANCE * black[a] * black[b]
                + noise
        };
        let [c00, c11, c22] = [0, 1, 2].map(|channel| covariance(channel, channel));
        let [c01, c02, c12] = [covariance(0, 1), covariance(0, 2), covariance(1, 2)];
        let (m00, m01, m02) = (
            c11 * c22 - c12 * c12,
            c02 * c12 - c01 * c22,
            c01 * c12 - c02 * c11,
        );
        // A sum of squares and a diagonal of at least 2: never less than the diagonal alone.
        let determinant = (c00 * m00 + c01 * m01 + c02 * m02).max(NOISE_VARIANCE.0.powi(3));
        let precision = [
            m00,
            c00 * c22 - c02 * c02,
            c00 * c11 - c01 * c01,
            m01,
            m02,
            c01 * c02 - c00 * c12,
        ]
        .map(|minor| minor / determinant);
        Self {
            mean,
            precision,
            spread: 0.5 * determinant.ln(),
        }
    }

    fn miss(&self, off: Counts) -> f32 {
        let [p00, p11, p22, p01, p02, p12] = self.precision;
        let [a, b, c] = off;
        0.5 * (p00 * a * a + p11 * b * b + p22 * c * c) + p01 * a * b + p02 * a * c + p12 * b * c
    }

    /// A channel at the end of its scale may be anything above: it is taken to be what suits the others best.
    fn unclip(&self, off: &mut Counts, counts: Counts, ceiling: f32) {
        let [p00, p11, p22, p01, p02, p12] = self.precision;
        let rows = [[p00, p01, p02], [p01, p11, p12], [p02, p12, p22]];
        // Twice: what suits one clipped channel depends on the others.
        for _ in 0..2 {
            for channel in (0..3).filter(|channel| counts[*channel] >= ceiling) {
                let row = rows[channel];
                let others: f32 = (0..3)
                    .filter(|other| *other != channel)
                    .map(|other| row[other] * off[other])
                    .sum();
                off[channel] = (-others / row[channel]).max(ceiling - self.mean[channel]);
            }
        }
    }
}
