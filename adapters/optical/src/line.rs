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
/// Steps tried on each side of a usual length.
const USUAL_STEPS: i32 = 4;
/// Least belief in a usual length however far from the guess: a preamble of chance has any length.
const FAR_BELIEF: f32 = 0.5;
/// Most frames of a symbol.
const FRAMES_MAX: f32 = 4.0;
/// Newest rows looked at.
const ROWS_MAX: u64 = 512;
/// Below this product of squared brightnesses the hue is noise.
const DARK: f32 = 0.01;

/// Returns the length at which the changes of the light line up best: near a guess, or one that displays usually have.
pub(crate) fn sharpest_period_us(ring: &Ring, calibration: &Calibration, guess_us: f32) -> f32 {
    let step = REACH / STEPS as f32;
    let mut best = (0.0, guess_us);
    let mut consider = |period_us: f32| {
        let strength = strength(ring, calibration, period_us) * belief(period_us, guess_us);
        if strength > best.0 {
            best = (strength, period_us);
        }
    };
    for place in -STEPS..=STEPS {
        consider(guess_us * (1.0 + step * place as f32));
    }
    for hz in USUAL_HZ {
        for place in -USUAL_STEPS..=USUAL_STEPS {
            consider(1e6 / hz * (1.0 + step * place as f32));
        }
    }
    // A parabola through the neighbours finds the top between two steps.
    let half_us = best.1 * step;
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
    if is_usual {
        USUAL_BELIEF * (-0.5 * off * off).exp().max(FAR_BELIEF)
    } else {
        (-0.5 * off * off).exp()
    }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn strength(ring: &Ring, calibration: &Calibration, period_us: f32) -> f32 {
    let turn_per_us = core::f32::consts::TAU / period_us;
    let (mut cosine, mut sine) = (0.0, 0.0);
    let from = ring.oldest().max(ring.next().saturating_sub(ROWS_MAX));
    let mut at_us = 0.0;
    let mut before: Option<([f32; 3], f32)> = None;
    for number in from..ring.next() {
        let row = ring.row(number);
        if number > from {
            at_us += row.since_us(ring.row(number - 1)) as f32;
        }
        let Some(here) = row.counts().map(|counts| calibration.shares(counts)) else {
            before = None;
            continue;
        };
        if let Some((last, before_us)) = before {
            // Only a change of hue counts: dimming waves scale all primaries alike, and beat with the symbols.
            let turned =
                [0, 1, 2].map(|a| here[a] * last[(a + 1) % 3] - here[(a + 1) % 3] * last[a]);
            let change = dot(turned, turned) / (dot(here, here) * dot(last, last)).max(DARK);
            let (s, c) = (turn_per_us * 0.5 * (at_us + before_us)).sin_cos();
            cosine += change * c;
            sine += change * s;
        }
        before = Some((here, at_us));
    }
    cosine * cosine + sine * sine
}
