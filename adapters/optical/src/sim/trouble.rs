//! One trouble of a channel at a time, to be taken away.

use super::conditions::{Conditions, Panel};

/// What can be wrong with a phone, a sensor or a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The display misses refreshes.
    MissedRefresh,
    /// Pictures are made and never shown.
    NeverShown,
    /// The display changes its rate.
    RateChange,
    /// The display is dimmed by a wave.
    Dimming,
    /// The display is dark for a part of every refresh.
    Slit,
    /// The display is slow to follow.
    Response,
    /// The sensor sees much of the screen's sweep.
    Scan,
    /// The hand moves.
    Motion,
    /// The phone is away for a while.
    Loss,
    /// The room is bright.
    Room,
    /// The room's light ripples.
    Ripple,
    /// Filters overlap and colours mix.
    Colours,
    /// The screen is faint and the sensor noisy.
    Noise,
    /// The reader reads seldom, unevenly, and channel by channel.
    Reading,
    /// The reader is not scheduled for a while.
    Holes,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::MissedRefresh,
        Self::NeverShown,
        Self::RateChange,
        Self::Dimming,
        Self::Slit,
        Self::Response,
        Self::Scan,
        Self::Motion,
        Self::Loss,
        Self::Room,
        Self::Ripple,
        Self::Colours,
        Self::Noise,
        Self::Reading,
        Self::Holes,
    ];

    pub(super) fn remove(self, conditions: &mut Conditions) {
        match self {
            Self::MissedRefresh => conditions.jank = 0.0,
            Self::NeverShown => conditions.never_shown = 0.0,
            Self::RateChange => conditions.rate_change = None,
            Self::Dimming => conditions.pwm = None,
            Self::Slit => {
                if let Panel::Oled { slit, .. } = &mut conditions.panel {
                    *slit = 0.0;
                }
            }
            Self::Response => (conditions.rise_us, conditions.fall_us) = (300.0, 300.0),
            Self::Scan => conditions.scan = 0.0,
            Self::Motion => (conditions.sway.depth, conditions.shake.depth) = (0.0, 0.0),
            Self::Loss => conditions.loss = None,
            Self::Room => conditions.ambient = [0.0; 3],
            Self::Ripple => conditions.ripple.depth = 0.0,
            Self::Colours => {
                for (channel, row) in conditions.chip.iter_mut().enumerate() {
                    for (primary, response) in row.iter_mut().enumerate() {
                        if channel != primary {
                            *response = 0.0;
                        }
                    }
                }
                (conditions.mix, conditions.limiter) = (0.0, 0.0);
            }
            Self::Noise => conditions.quieten(),
            Self::Reading => {
                conditions.poll_us = 3_000.0;
                (conditions.jitter_us, conditions.skew_us) = (0.0, 0.0);
            }
            Self::Holes => conditions.hole = 0.0,
        }
    }
}
