//! One cell of a table of figures: what is drawn, what is shown, and how each run ends.

use super::Channel;
use super::conditions::{App, Eye, Tier};
use super::random::Random;
use super::stranger::Stranger;
use super::trouble::Trouble;
use crate::Rgb;
use crate::code::{LOOP_SYMBOLS, RefreshRate, encode_in, ladder_in};
use crate::decoder::Decoder;
use crate::palette::Palette;
use crate::payload::{Kind, Payload};
use crate::progress::Progress;
use crate::sample::Sample;
use crate::trial::{Signal, TRIAL_MAX_US, Trial, Verdict};

/// What a phone plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// The quickest loop, and a reader looks for three of them.
    ThreeLoops,
    /// The ladder, and a reader looks until its end.
    Ladder,
}

/// Which equations make the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// [`Channel`].
    Channel,
    /// [`Stranger`].
    Stranger,
}

/// What all runs of a table's cell have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Which equations.
    pub world: World,
    /// How bad the draws may be.
    pub tier: Tier,
    /// The display's rate.
    pub rate: RefreshRate,
    /// How the phone advances; none leaves it to the draw.
    pub app: Option<App>,
    /// What looks at the screen.
    pub eye: Eye,
    /// Which codes are shown.
    pub palette: Palette,
    /// What is played.
    pub play: Play,
    /// The white-black swing in counts; none leaves it to the draw. It is the channel's only.
    pub swing: Option<f64>,
    /// Taken away from every draw. It is the channel's only.
    pub without: Option<Trouble>,
}

impl Cell {
    /// A tier as it is usually told of: 60 Hz, a phone that counts its pictures, a quick chip, three loops.
    pub const fn usual(tier: Tier) -> Self {
        Self {
            world: World::Channel,
            tier,
            rate: RefreshRate::HZ_60,
            app: Some(App::Counter),
            eye: Eye::Chip,
            palette: Palette::Full,
            play: Play::ThreeLoops,
            swing: None,
            without: None,
        }
    }

    /// Returns what the phone of a seed sends.
    pub fn payload(seed: u64) -> Payload {
        let mut random = Random::new(seed ^ 0x5EED);
        Payload::new(Kind::Pairing, [(); 10].map(|()| random.bits() as u8))
    }

    /// Returns what the sensor of a seed takes for as long as is looked: [`Cell::read`] needs all of it.
    pub fn samples(&self, seed: u64) -> Vec<Sample> {
        let frames = self.frames(seed);
        match self.world {
            World::Channel => {
                let mut channel = Channel::new(seed, self.tier, self.rate).with_eye(self.eye);
                if let Some(app) = self.app {
                    channel = channel.with_app(app);
                }
                if let Some(swing) = self.swing {
                    channel = channel.with_swing(swing);
                }
                if let Some(trouble) = self.without {
                    channel = channel.without(trouble);
                }
                self.looked(channel.play(&frames))
            }
            World::Stranger => {
                let mut stranger = Stranger::new(seed, self.tier, self.rate).with_eye(self.eye);
                if let Some(app) = self.app {
                    stranger = stranger.with_app(app);
                }
                self.looked(stranger.play(&frames))
            }
        }
    }

    /// Reads a run's samples, without anything else about it than what was sent.
    pub fn read(&self, samples: &[Sample], sent: &Payload) -> Run {
        let begin_us = samples.first().map_or(0, |sample| sample.t_us);
        let most_us = self.read_max_us();
        let (mut decoder, mut trial) = (Decoder::new(), Trial::new());
        let mut run = Run {
            end: End::Failed,
            samples: 0,
            refused: None,
            told: Progress::Nothing,
            signal: Signal::None,
        };
        for sample in samples {
            let spent_us = sample.t_us.saturating_sub(begin_us);
            run.samples += 1;
            if let Some(decoded) = decoder.push(*sample) {
                if decoded.payload != *sent {
                    run.end = End::Wrong;
                } else {
                    let elapsed_us = decoded.elapsed_us;
                    run.end = match elapsed_us <= most_us {
                        true => End::Read { elapsed_us },
                        false => End::Late { elapsed_us },
                    };
                }
                return run;
            }
            if let Some(Verdict::Refused(reason)) = trial.handle(sample.t_us, &decoder) {
                if run.refused.is_none() {
                    run.refused = Some((spent_us, reason));
                    run.signal = trial.signal();
                }
                run.told = reason;
            }
        }
        run
    }

    /// How long a reader looks for a payload, in microseconds.
    pub fn read_max_us(&self) -> u64 {
        let frames: usize = match self.play {
            Play::ThreeLoops => 3 * LOOP_SYMBOLS * self.rate.frames_per_symbol(),
            Play::Ladder => self.rate.frames_on_ladder().iter().sum::<usize>() * LOOP_SYMBOLS,
        };
        // A display may be slower than it says.
        frames as u64 * 1_020_000 / u64::from(self.rate.hz())
    }

    fn frames(&self, seed: u64) -> Vec<Rgb> {
        let payload = Self::payload(seed);
        match self.play {
            Play::ThreeLoops => encode_in(&payload, self.rate, self.palette),
            Play::Ladder => ladder_in(&payload, self.rate, self.palette),
        }
    }

    fn looked(&self, samples: impl Iterator<Item = Sample>) -> Vec<Sample> {
        let most_us = match self.play {
            Play::ThreeLoops => self.read_max_us(),
            // A refusal may come after the ladder, by ten seconds.
            Play::Ladder => self.read_max_us().max(TRIAL_MAX_US),
        };
        let mut begin_us = None;
        samples
            .take_while(|sample| sample.t_us - *begin_us.get_or_insert(sample.t_us) <= most_us)
            .collect()
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Read or not.
    pub end: End,
    /// Samples that were taken for it.
    pub samples: u32,
    /// The first refusal: after how many microseconds, and why.
    pub refused: Option<(u64, Progress)>,
    /// The last reason.
    pub told: Progress,
    /// Whether there was anything like a code before the first refusal.
    pub signal: Signal,
}

/// Whether it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// What was sent, after so many microseconds.
    Read {
        /// From the first sample to the last one that it took.
        elapsed_us: u64,
    },
    /// The same, when nobody looked for it any more.
    Late {
        /// From the first sample to the last one that it took.
        elapsed_us: u64,
    },
    /// Never.
    Failed,
    /// Something that nobody sent.
    Wrong,
}
