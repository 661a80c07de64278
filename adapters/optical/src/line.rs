//! The symbol length, measured: the changes of the light have a spectral line at the symbol rate.

use crate::calibration::Calibration;
use crate::ring::Ring;

/// How far the first guess may be off, as a share.
const REACH: f32 = 0.2;
/// Lengths tried on each side of the guess.
const STEPS: i32 = 40;
/// Deviation of a first guess.
const GUESS_DEVIATION: f32 = 0.08;
/// What most displays do, how far they are off it, and how much more it is believed.
const USUAL_HZ: [f32; 3] = [60.0, 90.0, 120.0];
const USUAL_DEVIATION: f32 = 0.02;
const USUAL_BELIEF: f32 = 1.5;
/// Most frames of a symbol.
const FRAMES_MAX: f32 = 4.0;
/// Newest rows looked at.
const ROWS_MAX: u64 = 512;
/// Below this product of squared brightnesses the hue is noise.
const DARK: f32 = 0.01;

/// Returns the length near a guess at which the changes of the light line up best.
pub(crate) fn sharpest_period_us(ring: &Ring, calibration: &Calibration, guess_us: f32) -> f32 {
    let step = REACH / STEPS as f32;
    let mut best = (0.0, guess_us);
    for place in -STEPS..=STEPS {
        let period_us = guess_us * (1.0 + step * place as f32);
        let strength = strength(ring, calibration, period_us) * belief(period_us, guess_us);
        if strength > best.0 {
            best = (strength, period_us);
        }
    }
    // A parabola through the neighbours finds the top between two steps.
    let half_us = guess_us * step;
    let (below, top, above) = (
        strength(ring, calibration, best.1 - half_us),
        strength(ring, calibration, best.1),
        strength(ring, calibration, best.1 + half_us),
    );
    let bend = below - 2.0 * top + above;
    if bend < 0.0 {
        best.1 + half_us * (0.5 * (below - above) / bend).clamp(-1.0, 1.0)
    } else {
        best.1
    }
}

/// How much a length is believed before the light is asked: near the guess, and near what displays do.
fn belief(period_us: f32, guess_us: f32) -> f32 {
    let off = (period_us / guess_us - 1.0) / GUESS_DEVIATION;
    let is_usual = USUAL_HZ.iter().any(|hz| {
        let frames = (period_us * hz / 1e6).round().max(1.0);
        (period_us * hz / 1e6 / frames - 1.0).abs() < USUAL_DEVIATION && frames <= FRAMES_MAX
    });
    (-0.5 * off * off).exp() * if is_usual { USUAL_BELIEF } else { 1.0 }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn strength(ring: &Ring, calibration: &Calibration, period_us: f32) -> f32 {
    let turn_per_us = core::f32::consts::TAU / period_us;
    let (mut cosine, mut sine) = (0.0, 0.0);
    let from = ring.oldest().max(ring.next().saturating_sub(ROWS_MAX));
    let Some(newest) = ring.newest() else {
        return 0.0;
    };
    let mut before: Option<([f32; 3], f32)> = None;
    for number in from..ring.next() {
        let row = ring.row(number);
        let age_us = newest.since_us(row) as f32;
        let Some(here) = row.counts().map(|counts| calibration.shares(counts)) else {
            before = None;
            continue;
        };
        if let Some((last, age_before_us)) = before {
            // Only a change of hue counts: dimming waves scale all primaries alike, and beat with the symbols.
            let turned =
                [0, 1, 2].map(|a| here[a] * last[(a + 1) % 3] - here[(a + 1) % 3] * last[a]);
            let change = dot(turned, turned) / (dot(here, here) * dot(last, last)).max(DARK);
            let (s, c) = (turn_per_us * 0.5 * (age_us + age_before_us)).sin_cos();
            cosine += change * c;
            sine += change * s;
        }
        before = Some((here, age_us));
    }
    cosine * cosine + sine * sine
}
