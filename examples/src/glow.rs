use crate::fault::StreetFault;
use crate::machine::Pace;
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Kind, Payload, RefreshRate, Rgb, encode};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Samples written to the sensor's socket at a time.
const SAMPLES_A_WRITE: usize = 16;
/// How long a phone in a hurry waits between two writes.
const HURRIED_LOOK: Duration = Duration::from_millis(2);
/// Samples of light that a phone shows before it gives up: about twelve seconds of them.
const SAMPLES_MAX: usize = 4_000;
/// How long a chip's registers show one colour: a chip is told by a process each time.
const CHIP_SYMBOL: Duration = Duration::from_millis(64);
/// Loops of colours that a chip shows before the phone gives up.
const CHIP_LOOPS_MAX: usize = 8;
/// A TCS3472 behind a bus: its address, and its colour registers from clear on.
const CHIP_ADDRESS: &str = "0x29";
const CHIP_COLOURS: &str = "0xb4";
/// Counts of a primary that is dark or lit: a screen on the glass, in a lit room.
const CHIP_COUNTS: [u16; 2] = [20, 400];

/// Where a phone's light falls.
#[derive(Clone, Debug)]
pub enum Glow {
    /// On the socket of a sensor, as samples from a simulated screen, air and sensor.
    Samples(PathBuf),
    /// On the registers of a sensor's chip, on the I2C bus of this number.
    Chip(u32),
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
            Self::Chip(bus) => {
                let begun = Instant::now();
                let mut next = begun;
                for frame in core::iter::repeat_n(&frames, CHIP_LOOPS_MAX).flatten() {
                    set_chip(*bus, *frame)?;
                    next = (next + CHIP_SYMBOL).max(Instant::now());
                    sleep_until(next).await;
                    *shown = begun.elapsed();
                }
                Ok(())
            }
        }
    }
}

fn set_chip(bus: u32, Rgb { r, g, b }: Rgb) -> Result<(), StreetFault> {
    let [r, g, b] = [r, g, b].map(|code| CHIP_COUNTS[usize::from(code > 127)]);
    let counts = [r + g + b, r, g, b];
    let bytes = counts
        .iter()
        .flat_map(|count| count.to_le_bytes())
        .map(|byte| byte.to_string());
    let set = Command::new("i2cset")
        .args(["-f", "-y", &bus.to_string(), CHIP_ADDRESS, CHIP_COLOURS])
        .args(bytes)
        .arg("i")
        .status();
    match set {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(StreetFault::Unexpected("a chip that takes no colour")),
    }
}
