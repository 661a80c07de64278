//! The table of ranges, and one draw from it.

use super::random::Random;
use crate::code::RefreshRate;

/// How bad the drawn phones, sensors and rooms are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// A good phone on the sensor.
    Nominal,
    /// Night light, flicker, swaying hand, slow reader.
    Hard,
    /// What no code has to survive: refused, never misread.
    Torture,
}

/// What looks at the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eye {
    /// A colour chip at its shortest integration of 2.4 ms, polled.
    Chip,
    /// Three photodiodes on a converter: 1 ms gathered every 1.2 ms.
    Photodiodes,
    /// A colour chip at an integration of 24 ms, polled as often as the quick one.
    SlowChip,
}

/// How the phone's program advances when the display misses a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    /// Counts shown frames: a missed refresh makes a symbol longer, nothing is lost.
    Counter,
    /// Follows the clock: pictures are skipped.
    Clock,
}

/// Uniform ranges of the channel note, one column per tier.
#[rustfmt::skip]
struct Ranges {
    rate_error: f64, jank: f64, burst_mean: f64, clock_share: f64, never_shown: f64, rate_change_share: f64,
    lcd_tau_ms: (f64, f64), oled_tau_ms: (f64, f64), slit: (f64, f64),
    pwm_hz: (f64, f64), pwm_share: f64, pwm_duty: (f64, f64), scan: (f64, f64),
    gamma: (f64, f64), warm_g: (f64, f64), warm_b: (f64, f64),
    mix_max: f64, limiter_max: f64, black_max: f64, sway_max: f64, shake_max: f64, loss_share: f64,
    crosstalk: (f64, f64), ambient: (f64, f64), ripple: (f64, f64),
    poll_ms: (f64, f64), jitter_ms: f64, skew_ms: (f64, f64), hole: f64, hole_mean_ms: f64,
    swing: (f64, f64),
}

#[rustfmt::skip]
const NOMINAL: Ranges = Ranges {
    rate_error: 0.003, jank: 0.002, burst_mean: 1.2, clock_share: 0.05, never_shown: 0.0, rate_change_share: 0.0,
    lcd_tau_ms: (1.0, 3.0), oled_tau_ms: (0.1, 0.5), slit: (0.0, 0.04),
    pwm_hz: (230.0, 500.0), pwm_share: 0.5, pwm_duty: (0.5, 1.0), scan: (0.0, 0.15),
    gamma: (2.2, 2.2), warm_g: (0.9, 1.0), warm_b: (0.8, 1.0),
    mix_max: 0.05, limiter_max: 0.05, black_max: 0.002, sway_max: 0.05, shake_max: 0.03, loss_share: 0.0,
    crosstalk: (0.0, 0.09), ambient: (0.0, 0.10), ripple: (0.0, 0.2),
    poll_ms: (3.0, 3.0), jitter_ms: 0.15, skew_ms: (0.15, 0.15), hole: 0.0003, hole_mean_ms: 6.0,
    swing: (100.0, 800.0),
};

#[rustfmt::skip]
const HARD: Ranges = Ranges {
    rate_error: 0.01, jank: 0.015, burst_mean: 1.5, clock_share: 0.15, never_shown: 0.001, rate_change_share: 0.05,
    lcd_tau_ms: (2.0, 5.0), oled_tau_ms: (0.2, 1.0), slit: (0.0, 0.08),
    pwm_hz: (180.0, 500.0), pwm_share: 0.7, pwm_duty: (0.25, 1.0), scan: (0.0, 0.4),
    gamma: (2.0, 2.45), warm_g: (0.75, 1.0), warm_b: (0.4, 1.0),
    mix_max: 0.12, limiter_max: 0.15, black_max: 0.006, sway_max: 0.25, shake_max: 0.15, loss_share: 0.05,
    crosstalk: (0.0, 0.15), ambient: (0.0, 0.6), ripple: (0.0, 0.5),
    poll_ms: (3.0, 5.0), jitter_ms: 0.5, skew_ms: (0.15, 0.5), hole: 0.003, hole_mean_ms: 18.0,
    swing: (25.0, 800.0),
};

#[rustfmt::skip]
const TORTURE: Ranges = Ranges {
    rate_error: 0.03, jank: 0.05, burst_mean: 2.0, clock_share: 0.4, never_shown: 0.005, rate_change_share: 0.25,
    lcd_tau_ms: (4.0, 9.0), oled_tau_ms: (0.2, 2.0), slit: (0.02, 0.12),
    pwm_hz: (120.0, 500.0), pwm_share: 0.95, pwm_duty: (0.1, 0.6), scan: (0.0, 0.9),
    gamma: (1.8, 2.7), warm_g: (0.6, 1.0), warm_b: (0.2, 0.8),
    mix_max: 0.2, limiter_max: 0.35, black_max: 0.02, sway_max: 0.6, shake_max: 0.4, loss_share: 0.3,
    crosstalk: (0.0, 0.25), ambient: (0.3, 2.5), ripple: (0.2, 1.0),
    poll_ms: (5.0, 5.0), jitter_ms: 1.5, skew_ms: (0.5, 0.5), hole: 0.012, hole_mean_ms: 45.0,
    swing: (5.0, 100.0),
};

/// Least and greatest response of a colour chip to each primary, by channel (red, green, blue rows).
const CHIP: [[(f64, f64); 3]; 3] = [
    [(0.64, 1.20), (0.04, 0.25), (0.00, 0.15)],
    [(0.00, 0.14), (0.54, 0.85), (0.10, 0.42)],
    [(0.03, 0.29), (0.10, 0.45), (0.57, 1.00)],
];

/// How code values become light.
#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    Power(f64),
    Srgb,
}

/// How the panel follows a new picture.
#[derive(Debug, Clone, Copy)]
pub(super) enum Panel {
    Lcd { stages: usize },
    Oled { slit: f64, first_after_black: f64 },
}

/// A rectangular dimming wave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wave {
    pub(super) hz: f64,
    pub(super) duty: f64,
    pub(super) phase: f64,
}

/// A slow or fast change of gain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swing {
    pub(super) depth: f64,
    pub(super) hz: f64,
    pub(super) phase: f64,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from_us: f64,
    pub(super) to_us: f64,
}

/// When the sensor converts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Conversions {
    FreeRunning { period_us: f64, phase_us: f64 },
    AtRead,
}

/// Everything drawn for one run.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub(super) app: App,
    pub(super) period_us: f64,
    pub(super) jank: f64,
    pub(super) burst_mean: f64,
    pub(super) never_shown: f64,
    pub(super) rate_change: Option<(Stretch, f64)>,
    pub(super) panel: Panel,
    pub(super) rise_us: f64,
    pub(super) fall_us: f64,
    pub(super) pwm: Option<Wave>,
    pub(super) scan: f64,
    pub(super) curve: Curve,
    pub(super) warm: [f64; 3],
    pub(super) mix: f64,
    pub(super) limiter: f64,
    pub(super) black: f64,
    pub(super) sway: Swing,
    pub(super) shake: Swing,
    pub(super) loss: Option<Stretch>,
    pub(super) chip: [[f64; 3]; 3],
    pub(super) ambient: [f64; 3],
    pub(super) ripple: Swing,
    pub(super) ripple_square: bool,
    pub(super) shadow: Swing,
    pub(super) window_us: f64,
    pub(super) conversions: Conversions,
    pub(super) poll_us: f64,
    pub(super) jitter_us: f64,
    pub(super) skew_us: f64,
    pub(super) hole: f64,
    pub(super) hole_mean_us: f64,
    pub(super) read_noise: f64,
    /// Growth of the noise's variance with the counts.
    pub(super) shot_noise: f64,
    pub(super) full_scale: f64,
    pub(super) clock_drift: f64,
    pub(super) clock_origin_us: u64,
}

impl Conditions {
    pub(super) fn draw(random: &mut Random, tier: Tier, rate: RefreshRate) -> Self {
        let ranges = match tier {
            Tier::Nominal => NOMINAL,
            Tier::Hard => HARD,
            Tier::Torture => TORTURE,
        };
        let app = if random.chance(ranges.clock_share) {
            App::Clock
        } else {
            App::Counter
        };
        let period_us = 1e6 / (f64::from(rate.hz()) * (1.0 + random.around(ranges.rate_error)));
        let lcd = random.chance(0.5);
        let (rise_us, fall_us) = {
            let taus = if lcd {
                ranges.lcd_tau_ms
            } else {
                ranges.oled_tau_ms
            };
            (1e3 * random.within(taus), 1e3 * random.within(taus))
        };
        let panel = if lcd {
            Panel::Lcd {
                stages: 1 + random.below(2),
            }
        } else {
            Panel::Oled {
                slit: random.within(ranges.slit),
                first_after_black: 1.0 - random.within((0.0, 0.1)) * random.below(2) as f64,
            }
        };
        let pwm = (!lcd && random.chance(ranges.pwm_share)).then(|| {
            let mut hz = random.within(ranges.pwm_hz);
            if random.chance(0.5) {
                // Locked to the refresh: a whole number of periods per frame.
                hz = (hz * period_us / 1e6).round().max(1.0) * 1e6 / period_us;
            }
            Wave {
                hz,
                duty: random.within(ranges.pwm_duty),
                phase: random.unit(),
            }
        });
        let warm = [
            1.0,
            random.within(ranges.warm_g),
            random.within(ranges.warm_b),
        ];
        let chip = draw_chip(random, ranges.crosstalk);
        let mut conditions = Self {
            app,
            period_us,
            jank: ranges.jank,
            burst_mean: ranges.burst_mean,
            never_shown: ranges.never_shown,
            rate_change: random.chance(ranges.rate_change_share).then(|| {
                let from_us = random.within((0.0, 3e6));
                let length_us = random.within((0.2e6, 2e6));
                let factor = if random.chance(0.5) { 0.5 } else { 2.0 };
                (
                    Stretch {
                        from_us,
                        to_us: from_us + length_us,
                    },
                    factor,
                )
            }),
            panel,
            rise_us,
            fall_us,
            pwm,
            scan: random.within(ranges.scan),
            curve: if random.chance(0.5) {
                Curve::Srgb
            } else {
                Curve::Power(random.within(ranges.gamma))
            },
            warm,
            mix: random.within((0.0, ranges.mix_max)),
            limiter: random.within((0.0, ranges.limiter_max)),
            black: random.within((0.0, ranges.black_max)),
            sway: Swing {
                depth: random.within((0.0, ranges.sway_max)) / 2.0,
                hz: 1.0 / random.within((0.5, 3.0)),
                phase: random.unit(),
            },
            shake: Swing {
                depth: random.within((0.0, ranges.shake_max)) / 2.0,
                hz: random.within((2.0, 11.0)),
                phase: random.unit(),
            },
            loss: random.chance(ranges.loss_share).then(|| {
                let from_us = random.within((0.0, 4e6));
                Stretch {
                    from_us,
                    to_us: from_us + random.within((0.1e6, 0.5e6)),
                }
            }),
            chip,
            ambient: [0.0; 3],
            ripple: Swing {
                depth: random.within(ranges.ripple),
                hz: if random.chance(0.5) { 100.0 } else { 120.0 },
                phase: random.unit(),
            },
            ripple_square: random.chance(0.3),
            shadow: Swing {
                depth: random.within((0.0, 0.2)),
                hz: random.within((0.1, 1.0)),
                phase: random.unit(),
            },
            window_us: 2_400.0,
            conversions: if random.chance(0.5) {
                Conversions::FreeRunning {
                    period_us: 2_400.0 * (1.0 + random.around(0.03)),
                    phase_us: random.within((0.0, 2_400.0)),
                }
            } else {
                Conversions::AtRead
            },
            poll_us: 1e3 * random.within(ranges.poll_ms),
            jitter_us: 1e3 * ranges.jitter_ms,
            skew_us: 1e3 * random.within(ranges.skew_ms),
            hole: ranges.hole,
            hole_mean_us: 1e3 * ranges.hole_mean_ms,
            read_noise: random.within((0.5, 2.0)),
            shot_noise: 0.02,
            full_scale: 1_024.0,
            clock_drift: random.around(100e-6),
            clock_origin_us: random.bits() >> 20,
        };
        conditions.expose(random, ranges.swing, ranges.ambient);
        conditions
    }

    /// Dims the screen to a share of its light.
    pub(super) fn fade(&mut self, share: f64) {
        for response in self.chip.iter_mut().flatten() {
            *response *= share;
        }
    }

    /// Scales screen and room until the mean white-black swing is so many counts.
    pub(super) fn fade_to(&mut self, counts: f64) {
        let white: f64 = self
            .chip
            .iter()
            .map(|row| {
                row.iter()
                    .zip(self.warm)
                    .map(|(response, warm)| response * warm)
                    .sum::<f64>()
            })
            .sum();
        let share = 3.0 * counts / white.max(f64::MIN_POSITIVE);
        self.fade(share);
        self.ambient = self.ambient.map(|ambient| ambient * share);
    }

    /// Leaves the noise of rounding alone.
    pub(super) const fn quieten(&mut self) {
        (self.read_noise, self.shot_noise) = (0.0, 0.0);
    }

    /// Looks with another eye than the tier's chip.
    pub(super) fn look_with(&mut self, eye: Eye) {
        let window_us = match eye {
            Eye::Chip => return,
            Eye::Photodiodes => {
                self.poll_us = 1_200.0;
                self.jitter_us = self.jitter_us.min(100.0);
                self.skew_us = 20.0;
                1_000.0
            }
            Eye::SlowChip => 24_000.0,
        };
        self.window_us = window_us;
        self.conversions = Conversions::FreeRunning {
            period_us: window_us.max(self.poll_us.min(window_us * 1.2)),
            phase_us: 0.0,
        };
    }

    /// Scales the optics so that the mean white-black swing is as drawn, and adds the room.
    fn expose(&mut self, random: &mut Random, swing: (f64, f64), ambient: (f64, f64)) {
        let row_swing = |row: &[f64; 3], warm: &[f64; 3]| -> f64 {
            row.iter()
                .zip(warm)
                .map(|(response, warm)| response * warm)
                .sum()
        };
        let swings: Vec<f64> = self
            .chip
            .iter()
            .map(|row| row_swing(row, &self.warm))
            .collect();
        let mean = swings.iter().sum::<f64>() / 3.0;
        let greatest = swings.iter().fold(0.0, |a: f64, b| a.max(*b));
        // The reader chooses its gain at start-up so that white does not clip.
        let gain = (random.within(swing) / mean).min(0.85 * self.full_scale / greatest);
        for row in &mut self.chip {
            for response in row {
                *response *= gain;
            }
        }
        let level = random.within(ambient);
        for (ambient, swing) in self.ambient.iter_mut().zip(swings) {
            *ambient = level * gain * swing * random.within((0.7, 1.0));
        }
    }
}

fn draw_chip(random: &mut Random, crosstalk: (f64, f64)) -> [[f64; 3]; 3] {
    let extra = random.within(crosstalk);
    let mut chip = [[0.0; 3]; 3];
    for (channel, row) in chip.iter_mut().enumerate() {
        for (primary, response) in row.iter_mut().enumerate() {
            *response = random.within(CHIP[channel][primary]);
            if channel != primary {
                *response += extra * random.unit();
            }
        }
    }
    for primary in 0..3 {
        let own = chip[primary][primary];
        for (channel, row) in chip.iter_mut().enumerate() {
            if channel != primary {
                row[primary] = row[primary].min(0.95 * own);
            }
        }
    }
    chip
}
