//! Finding K W K R G B: where a loop begins, how long a symbol lasts, and the calibration.

use crate::calibration::{Calibration, Counts};
use crate::code::{PREAMBLE, SYMBOL_MAX_US, SYMBOL_MIN_US};
use crate::ring::Ring;

/// From one symbol length that is tried to the next.
const PERIOD_STEP: f32 = 1.06;
/// Lengths within this share of each other are guesses of one.
const NEAR: f32 = 0.25;
/// Share of a symbol, at its end, where the light has settled.
const SETTLED_SHARE: f32 = 0.45;
/// Least white swing of every channel, in counts.
pub(crate) const SWING_MIN: f32 = 6.0;
/// Greatest misfit of a preamble, as a mean square share of the white swing.
const MISFIT_MAX: f32 = 0.06;
/// Misfit above which the gain is taken to have changed from colour to colour.
const STEADY_MISFIT_MAX: f32 = 0.025;
/// How far a primary may be scaled, what that adds to the misfit, and the greatest misfit then.
const SCALE: (f32, f32) = (0.35, 2.8);
const SCALED_MISFIT: f32 = 0.05;
const SCALED_MISFIT_MAX: f32 = 0.2;
/// Share of the greatest count from which white is taken to be clipped.
const CLIPPED_SHARE: f32 = 0.97;
/// Added to the misfit of a preamble in which one colour stayed twice as long: that is rare.
const STAYED_MISFIT: f32 = 0.02;

/// A preamble that has been seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preamble {
    pub(crate) calibration: Calibration,
    pub(crate) period_us: f32,
    /// How far black repeats itself and the primaries add up to white; smaller is better.
    pub(crate) misfit: f32,
    /// Number of its last row.
    pub(crate) last_row: u64,
}

/// The search through the newest rows, one by one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Search {
    best: Option<Preamble>,
    /// Every length that fits, weighted by how well: the best one alone is a matter of luck.
    weight: f32,
    weighted_period_us: f32,
}

impl Search {
    /// Looks for a preamble that ends with the newest row.
    ///
    /// Returns the best of neighbouring places, once the next symbol has passed.
    pub(crate) fn look(&mut self, ring: &Ring, spacing_us: f32) -> Option<Preamble> {
        let mut period_us = SYMBOL_MIN_US as f32;
        while period_us < PERIOD_STEP * SYMBOL_MAX_US as f32 {
            // Long symbols need no fresh look at every row: the settled part moves by less than a tenth.
            let stride = ((period_us * 0.1 / spacing_us) as u64).max(1);
            if ring.next().is_multiple_of(stride)
                && let Some(found) = with_period(ring, spacing_us, period_us)
            {
                self.weigh(&found, stride as f32);
            }
            period_us *= PERIOD_STEP;
        }
        let best = self.best?;
        let rows = ring.next() - 1 - best.last_row;
        if (rows as f32) * spacing_us < best.period_us * 1.5 {
            return None;
        }
        let period_us = self.weighted_period_us / self.weight;
        *self = Self::default();
        Some(Preamble { period_us, ..best })
    }

    fn weigh(&mut self, found: &Preamble, rows: f32) {
        if let Some(best) = self.best
            && (found.period_us / best.period_us - 1.0).abs() > NEAR
        {
            if found.misfit >= best.misfit {
                return;
            }
            *self = Self::default();
        }
        let weight = rows / (found.misfit + MISFIT_MAX / 4.0).powi(2);
        self.weight += weight;
        self.weighted_period_us += weight * found.period_us;
        if self.best.is_none_or(|best| found.misfit < best.misfit) {
            self.best = Some(*found);
        }
    }
}

fn with_period(ring: &Ring, spacing_us: f32, period_us: f32) -> Option<Preamble> {
    // By how many symbol lengths ago it ended; looked at only when needed.
    let mut seen: [Option<Option<Settled>>; PREAMBLE.len() + 1] = [None; PREAMBLE.len() + 1];
    let mut symbol =
        |back: usize| *seen[back].get_or_insert_with(|| settled(ring, spacing_us, period_us, back));
    let mut best: Option<Preamble> = None;
    let ceiling = f32::from(ring.ceiling());
    // A display may miss one refresh: what it showed then stays for one length more.
    for stayed in 0..PREAMBLE.len() {
        let back = |place: usize| PREAMBLE.len() - 1 - place + usize::from(place < stayed);
        let Some((mut found, swing)) = judge(|place| symbol(back(place)), period_us, ceiling)
        else {
            continue;
        };
        if stayed > 0 {
            let (Some(stays), Some(shown)) = (symbol(back(stayed) + 1), symbol(back(stayed)))
            else {
                continue;
            };
            found.misfit += STAYED_MISFIT + share(difference(stays.mean, shown.mean), swing);
            if found.misfit > SCALED_MISFIT_MAX {
                continue;
            }
        }
        if best.is_none_or(|best| found.misfit < best.misfit) {
            best = Some(Preamble {
                last_row: ring.next() - 1,
                ..found
            });
        }
    }
    best
}

fn judge(
    mut symbol: impl FnMut(usize) -> Option<Settled>,
    period_us: f32,
    ceiling: f32,
) -> Option<(Preamble, Counts)> {
    let (black, white) = (symbol(0)?, symbol(1)?);
    let swing = [0, 1, 2].map(|channel| white.mean[channel] - black.mean[channel]);
    if swing.iter().any(|swing| *swing < SWING_MIN) {
        return None;
    }
    let black_again = symbol(2)?;
    let repeat = share(difference(black_again.mean, black.mean), swing);
    if repeat > MISFIT_MAX {
        return None;
    }
    let black_mean =
        [0, 1, 2].map(|channel| (black.mean[channel] + black_again.mean[channel]) / 2.0);
    let primaries = [symbol(3)?, symbol(4)?, symbol(5)?];
    let columns = primaries.map(|primary| difference(primary.mean, black_mean));
    let sum_off = [0, 1, 2].map(|channel| {
        let sum = columns.iter().map(|column| column[channel]).sum::<f32>() + black_mean[channel];
        let off = sum - white.mean[channel];
        // White at the end of the scale may be anything above.
        if white.mean[channel] >= CLIPPED_SHARE * ceiling {
            off.min(0.0)
        } else {
            off
        }
    });
    let unrest = [
        black,
        white,
        black_again,
        primaries[0],
        primaries[1],
        primaries[2],
    ]
    .iter()
    .map(|symbol| share(symbol.deviation, swing))
    .sum::<f32>()
        / PREAMBLE.len() as f32;
    let mut calibration = Calibration::new(black_mean, columns[0], columns[1], columns[2])?;
    let mut misfit = repeat + share(sum_off, swing);
    if misfit > STEADY_MISFIT_MAX {
        // The light's gain may have changed from colour to colour: then the primaries add up to white once each is scaled.
        let scales = calibration.shares(white.mean);
        let (least, most) = SCALE;
        if scales.iter().any(|scale| !(least..=most).contains(scale)) {
            return None;
        }
        let [red, green, blue] =
            [0, 1, 2].map(|primary| columns[primary].map(|swing| swing * scales[primary]));
        calibration = Calibration::new(black_mean, red, green, blue)?;
        let spread: f32 = scales.iter().map(|scale| scale.ln().powi(2)).sum();
        misfit = STEADY_MISFIT_MAX + repeat + SCALED_MISFIT * spread;
        if misfit > SCALED_MISFIT_MAX {
            return None;
        }
    }
    let preamble = Preamble {
        calibration,
        period_us,
        misfit: misfit + unrest,
        last_row: 0,
    };
    Some((preamble, swing))
}

/// Returns the mean square of counts as a share of the white swing.
fn share(counts: Counts, swing: Counts) -> f32 {
    (0..3)
        .map(|channel| (counts[channel] / swing[channel]).powi(2))
        .sum::<f32>()
        / 3.0
}

#[derive(Clone, Copy)]
struct Settled {
    mean: Counts,
    deviation: Counts,
}

/// Averages the settled end of the symbol that ended `back` periods before the newest row.
fn settled(ring: &Ring, spacing_us: f32, period_us: f32, back: usize) -> Option<Settled> {
    let newest = ring.newest()?;
    let end_us = back as f32 * period_us;
    let begin_us = end_us + period_us * SETTLED_SHARE;
    let rows_back = (end_us / spacing_us) as u64;
    // Start a little late and skip: rows do not come evenly.
    let mut number = (ring.next() - 1).checked_sub(rows_back.saturating_sub(2))?;
    let mut sum = [0.0; 3];
    let mut squares = [0.0; 3];
    let mut rows = 0.0;
    while number >= ring.oldest() {
        let row = ring.row(number);
        let age_us = newest.since_us(row) as f32;
        if age_us >= begin_us {
            break;
        }
        if age_us >= end_us
            && let Some(counts) = row.counts()
        {
            for channel in 0..3 {
                sum[channel] += counts[channel];
                squares[channel] += counts[channel] * counts[channel];
            }
            rows += 1.0;
        }
        number = number.checked_sub(1)?;
    }
    (rows > 0.0).then(|| {
        let mean = sum.map(|sum| sum / rows);
        let deviation = [0, 1, 2].map(|channel| {
            (squares[channel] / rows - mean[channel] * mean[channel])
                .max(0.0)
                .sqrt()
        });
        Settled { mean, deviation }
    })
}

fn difference(a: Counts, b: Counts) -> Counts {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}
