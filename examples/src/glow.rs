#[cfg(feature = "bluez")]
use crate::chip::Chip;
use crate::fault::StreetFault;
use crate::machine::Pace;
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Kind, Payload, RefreshRate, encode};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;
#[cfg(feature = "bluez")]
use tokio::time::{Instant, sleep_until};

/// Samples written to the sensor's socket at a time.
const SAMPLES_A_WRITE: usize = 16;
/// How long a phone in a hurry waits between two writes.
const HURRIED_LOOK: Duration = Duration::from_millis(2);
/// Samples of light that a phone shows before it gives up: about twelve seconds of them.
const SAMPLES_MAX: usize = 4_000;
/// Two frames a colour, and how often a chip shows the code before the phone gives up.
#[cfg(feature = "bluez")]
const CHIP_SYMBOL: Duration = Duration::from_micros(33_333);
#[cfg(feature = "bluez")]
const CHIP_LOOPS_MAX: usize = 20;

/// Where a phone's light falls.
#[derive(Clone)]
pub enum Glow {
    /// On the socket of a sensor, as samples from a simulated screen, air and sensor.
    Samples(PathBuf),
    /// On the registers of a sensor's chip.
    #[cfg(feature = "bluez")]
    Chip(Chip),
}

impl Glow {
    /// Plays the code's colours until somebody gives up.
    pub(crate) async fn play(
        &self,
        secret: [u8; 10],
        seed: u64,
        pace: Pace,
        shown: &mut Duration,
    ) -> Result<(), StreetFault> {
        let frames = encode(&Payload::new(Kind::Pairing, secret));
        match self {
            Self::Samples(light) => {
                let mut sensor =
                    UnixStream::connect(light).map_err(|fault| StreetFault::file(light, fault))?;
                let channel = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60);
                let mut samples = channel.play(&frames).take(SAMPLES_MAX);
                let (mut first_us, mut last_us) = (None, 0);
                loop {
                    let mut text = String::new();
                    let before_us = last_us;
                    for sample in samples.by_ref().take(SAMPLES_A_WRITE) {
                        first_us.get_or_insert(sample.t_us);
                        last_us = sample.t_us;
                        text.push_str(&format!(
                            "{},{},{},{},{}\n",
                            sample.t_us, sample.r, sample.g, sample.b, sample.c
                        ));
                    }
                    if text.is_empty() {
                        return Ok(());
                    }
                    sensor
                        .write_all(text.as_bytes())
                        .map_err(|fault| StreetFault::file(light, fault))?;
                    let first_us = first_us.unwrap_or(last_us);
                    *shown = Duration::from_micros(last_us.saturating_sub(first_us));
                    sleep(match pace {
                        Pace::Real => {
                            Duration::from_micros(last_us.saturating_sub(before_us.max(first_us)))
                        }
                        Pace::Hurried => HURRIED_LOOK,
                    })
                    .await;
                }
            }
            #[cfg(feature = "bluez")]
            Self::Chip(chip) => {
                let begun = Instant::now();
                let mut next = begun;
                for frame in core::iter::repeat_n(&frames, CHIP_LOOPS_MAX).flatten() {
                    chip.show(*frame)?;
                    next = (next + CHIP_SYMBOL).max(Instant::now());
                    sleep_until(next).await;
                    *shown = begun.elapsed();
                }
                Ok(())
            }
        }
    }
}
