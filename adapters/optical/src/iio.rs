//! A colour sensor of the kernel (industrial I/O): found by its name, tuned by trial, read as fast as the code needs.
//!
//! Rows come from sysfs, one file a channel, or in whole records from the device file where the device has a trigger. A
//! converter with three photodiodes is a colour sensor, too.
//! A light that does not change is looked at rarely, so that an idle reader costs nothing.

mod bus;
mod gain;
mod record;
mod watch;

use crate::sample::Sample;
pub use bus::BusClock;
use core::ops::ControlFlow;
use core::time::Duration;
use gain::Gain;
pub use record::{Channel, Layout, LayoutFault, Row};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;
use watch::{Pace, Watch};

/// Where the kernel lists sensors.
pub const SYSFS: &str = "/sys/bus/iio/devices";
/// Where their device files are.
pub const DEVICES: &str = "/dev";

/// Most sensors that are looked at for the one that is meant.
const SENSORS_MAX: usize = 64;
/// Most voltages of a converter that are looked at for those of the colours.
const VOLTAGES_MAX: u8 = 32;
/// Most bytes of an attribute.
const ATTRIBUTE_MAX: usize = 4_096;
/// Most steps of gain or integration time that are looked at.
const STEPS_MAX: usize = 1_024;
/// Time between two rows while the light changes: what the code needs with room to spare.
const SPACING: Duration = Duration::from_micros(2_500);
/// Time between two rows while it does not.
const SPACING_IDLE: Duration = Duration::from_millis(40);
/// Rows that are read to measure how fast they come.
const MEASURED_ROWS: u32 = 64;
/// Fewer rows a second lose codes.
const RATE_MIN_HZ: u32 = 220;
/// Below this, or gathering light for longer than this, a sensor cannot even follow the slowest step of the ladder surely.
const RATE_LEAST_HZ: u32 = 60;
const INTEGRATION_MAX_US: u32 = 12_000;
/// Counts that a TCS3472 takes in each 2.4 ms of integration.
const TCS3472_STEP: (u32, u32) = (2_400, 1_024);
/// Records that wait in the kernel.
const BUFFER_RECORDS: usize = 64;

/// A colour sensor.
#[derive(Debug)]
pub struct Sensor {
    place: PathBuf,
    device: PathBuf,
    name: String,
    eye: Eye,
    /// Red, green, blue, and clear where there is one.
    channels: [File; 3],
    clear: Option<File>,
    gains: Vec<String>,
    full_scale: u16,
}

/// What was found out about a sensor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survey {
    /// Its name.
    pub name: String,
    /// Rows that it gives in a second.
    pub rate_hz: u32,
    /// The shortest time it gathers light for, as its driver says it, in seconds.
    pub integration: Option<String>,
    /// Its gains, from the lowest.
    pub gains: Vec<String>,
    /// How fast its bus is, where the kernel says so.
    pub bus: BusClock,
}

/// What the channels of a sensor are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Eye {
    /// A colour chip: intensities with the names of colours.
    Chip,
    /// Photodiodes on a converter: voltages, by the number of the red, the green and the blue one.
    Photodiodes([u8; 3]),
}

impl Eye {
    /// What the kernel calls a channel of it; nothing when there is none.
    fn channel(self, channel: Channel) -> Option<String> {
        let place = match (self, channel) {
            (Self::Chip, _) | (_, Channel::Timestamp) => return Some(channel.name().to_owned()),
            (Self::Photodiodes(_), Channel::Clear) => return None,
            (Self::Photodiodes([red, ..]), Channel::Red) => red,
            (Self::Photodiodes([_, green, _]), Channel::Green) => green,
            (Self::Photodiodes([.., blue]), Channel::Blue) => blue,
        };
        Some(format!("in_voltage{place}"))
    }
}

impl Survey {
    /// Refuses a sensor that cannot follow any code, and says why.
    ///
    /// # Errors
    /// `TooSlow`, with its figures.
    pub fn check(&self) -> Result<(), IioFault> {
        let gathers_long = self
            .integration
            .as_deref()
            .and_then(micros_of)
            .is_some_and(|gathered_us| gathered_us > INTEGRATION_MAX_US);
        if self.rate_hz >= RATE_LEAST_HZ && !gathers_long {
            return Ok(());
        }
        Err(IioFault::TooSlow {
            name: self.name.clone(),
            rate_hz: self.rate_hz,
            integration: self.integration.clone(),
        })
    }

    /// Whether it is fast enough for the code.
    pub const fn is_fast_enough(&self) -> bool {
        self.rate_hz >= RATE_MIN_HZ
    }

    /// What would make it better, if anything.
    pub const fn advice(&self) -> Option<&'static str> {
        match (self.bus, self.is_fast_enough()) {
            (BusClock::I2c { hz: Some(hz) }, _) if hz < bus::HZ_MIN => {
                Some("set its I2C bus to 400 kHz: rows mix two pictures at this rate")
            }
            (_, true) => None,
            (BusClock::I2c { .. }, false) => {
                Some("raise its I2C bus to 400 kHz: codes are lost at this rate")
            }
            (BusClock::Other, false) => Some("read it more often: codes are lost at this rate"),
        }
    }
}

impl Sensor {
    /// Finds the sensor of this name, label or device number (`iio:device0`) on this computer.
    ///
    /// # Errors
    /// When it is not there, or is no colour sensor.
    pub fn open(wanted: &str) -> Result<Self, IioFault> {
        Self::open_in(Path::new(SYSFS), Path::new(DEVICES), wanted)
    }

    /// Finds it among the sensors listed in `sysfs`, with their device files in `devices`.
    ///
    /// # Errors
    /// When it is not there, or is no colour sensor.
    pub fn open_in(sysfs: &Path, devices: &Path, wanted: &str) -> Result<Self, IioFault> {
        let (place, name) = find(sysfs, wanted)?;
        let eye = match place.join("in_intensity_red_raw").exists() {
            true => Eye::Chip,
            false => photodiodes(&place).map_or(Eye::Chip, Eye::Photodiodes),
        };
        let channel = |channel: Channel| {
            let name = eye.channel(channel).unwrap_or_default();
            let path = place.join(format!("{name}_raw"));
            File::open(&path).map_err(|source| IioFault::NoColour { path, source })
        };
        let channels = [
            channel(Channel::Red)?,
            channel(Channel::Green)?,
            channel(Channel::Blue)?,
        ];
        let clear = channel(Channel::Clear).ok();
        let number = place.file_name().unwrap_or_default();
        let mut sensor = Self {
            device: devices.join(number),
            place,
            name,
            eye,
            channels,
            clear,
            gains: Vec::new(),
            full_scale: u16::MAX,
        };
        // A buffer that is on from a start before this one lets no channel be read.
        let _ = sensor.write("buffer/enable", "0");
        sensor.choose_integration();
        sensor.gains = sensor.steps("calibscale");
        Ok(sensor)
    }

    /// Finds out how fast it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn survey(&self) -> Result<Survey, IioFault> {
        let begun = Instant::now();
        for _ in 0..MEASURED_ROWS {
            self.counts()?;
        }
        let spent_us = begun.elapsed().as_micros().max(1);
        let rate_hz = u128::from(MEASURED_ROWS) * 1_000_000 / spent_us;
        let polled_hz = u32::try_from(rate_hz).unwrap_or(u32::MAX);
        Ok(Survey {
            name: self.name.clone(),
            // A trigger sets the pace of records; not every one tells it.
            rate_hz: self.trigger_hz().unwrap_or(polled_hz),
            bus: BusClock::of(&self.place),
            integration: self.attribute("in_intensity_integration_time").ok(),
            gains: self.gains.clone(),
        })
    }

    /// The pace of the trigger that fills the buffer, if there is one and it is told.
    fn trigger_hz(&self) -> Option<u32> {
        let trigger = self.trigger()?;
        let triggers = fs::read_dir(self.place.parent()?).ok()?;
        triggers.take(SENSORS_MAX).flatten().find_map(|entry| {
            let place = entry.path();
            let is_it = attribute(&place.join("name")).is_ok_and(|name| name == trigger);
            let told = attribute(&place.join("sampling_frequency"));
            let told_micros = told.ok().filter(|_| is_it).as_deref().and_then(micros_of)?;
            Some(told_micros / 1_000_000)
        })
    }

    fn trigger(&self) -> Option<String> {
        let trigger = self.attribute("trigger/current_trigger").ok()?;
        (!trigger.is_empty()).then_some(trigger)
    }

    /// Reads rows until `take` has enough of them. The times are microseconds of the monotone clock, or of the sensor's.
    ///
    /// # Errors
    /// When the sensor cannot be read any more.
    pub fn run(&self, mut take: impl FnMut(Sample) -> ControlFlow<()>) -> Result<(), IioFault> {
        // Whole records are better, where somebody has set a trigger up for them.
        match self.buffer() {
            Some(layout) => self.run_buffered(&layout, &mut take),
            None => self.run_polled(&mut take),
        }
    }

    fn run_polled(&self, take: &mut impl FnMut(Sample) -> ControlFlow<()>) -> Result<(), IioFault> {
        let begun = Instant::now();
        let mut next = begun;
        let mut keeping = self.keeping();
        loop {
            let read_at = Instant::now();
            let counts = self.counts()?;
            // The channels are read one after the other: the row is of the middle of them.
            let t_us = micros(read_at - begun + read_at.elapsed() / 2);
            let pace = keeping.take(self, sample(t_us, counts), take);
            let spacing = match pace {
                ControlFlow::Break(()) => return Ok(()),
                ControlFlow::Continue(Pace::Full) => SPACING,
                ControlFlow::Continue(Pace::Idle) => SPACING_IDLE,
            };
            let now = Instant::now();
            next = (next + spacing).max(now);
            thread::sleep(next - now);
        }
    }

    fn run_buffered(
        &self,
        layout: &Layout,
        take: &mut impl FnMut(Sample) -> ControlFlow<()>,
    ) -> Result<(), IioFault> {
        let fault = |source| IioFault::Device {
            path: self.device.clone(),
            source,
        };
        let mut device = File::open(&self.device).map_err(fault)?;
        let begun = Instant::now();
        let mut keeping = self.keeping();
        let mut record = vec![0; layout.record_len()];
        loop {
            device.read_exact(&mut record).map_err(fault)?;
            let row = layout.row(&record).ok_or(IioFault::Record)?;
            let t_us = row
                .t_ns
                .map_or_else(|| micros(begun.elapsed()), |t_ns| t_ns / 1_000);
            if let ControlFlow::Break(()) = keeping.take(self, sample(t_us, row.counts), take) {
                return Ok(());
            }
        }
    }

    /// Sets the buffer up, if the device has one and a trigger fills it.
    fn buffer(&self) -> Option<Layout> {
        self.trigger()?;
        // It may be on from a start before this one, and takes no change then.
        let _ = self.write("buffer/enable", "0");
        let _ = self.write("current_timestamp_clock", "monotonic");
        let mut elements = Vec::new();
        for channel in Channel::ALL {
            let Some(name) = self.eye.channel(channel) else {
                continue;
            };
            let element = |what: &str| format!("scan_elements/{name}_{what}");
            let Ok(form) = self.attribute(&element("type")) else {
                continue;
            };
            let index = self.attribute(&element("index")).ok()?.parse().ok()?;
            self.write(&element("en"), "1").ok()?;
            elements.push((channel, index, form));
        }
        let layout = Layout::new(&elements).ok()?;
        self.write("buffer/length", &BUFFER_RECORDS.to_string())
            .ok()?;
        self.write("buffer/enable", "1").ok()?;
        Some(layout)
    }

    fn keeping(&self) -> Keeping {
        let gain = Gain::new(self.gains.len(), self.full_scale);
        self.set_gain(gain.step());
        Keeping {
            gain,
            watch: Watch::new(),
        }
    }

    fn set_gain(&self, step: usize) {
        if let Some(gain) = self.gains.get(step) {
            // A gain that cannot be set leaves the one there is.
            let _ = self.write("in_intensity_calibscale", gain);
        }
    }

    /// The shortest integration: brightness is no want of a screen, time is.
    fn choose_integration(&mut self) {
        const NAME: &str = "in_intensity_integration_time";
        if let Some(shortest) = self.steps("integration_time").first() {
            let _ = self.write(NAME, shortest);
        }
        let Ok(seconds) = self.attribute(NAME) else {
            return;
        };
        if self.name.starts_with("tcs3472")
            && let Some(gathered_us) = micros_of(&seconds)
        {
            let (step_us, counts) = TCS3472_STEP;
            let full = (gathered_us / step_us).max(1).saturating_mul(counts);
            self.full_scale = u16::try_from(full).unwrap_or(u16::MAX);
        }
    }

    /// The steps that a setting may take, from the least.
    fn steps(&self, setting: &str) -> Vec<String> {
        let list = self
            .attribute(&format!("in_intensity_{setting}_available"))
            .or_else(|_| self.attribute(&format!("{setting}_available")))
            .unwrap_or_default();
        let mut steps: Vec<(u32, String)> = list
            .split_whitespace()
            .take(STEPS_MAX)
            .filter_map(|step| Some((micros_of(step)?, step.to_owned())))
            .collect();
        steps.sort();
        steps.into_iter().map(|(_, step)| step).collect()
    }

    fn counts(&self) -> Result<[u16; 4], IioFault> {
        let [red, green, blue] = &self.channels;
        let read = |file: &File| {
            count(file).map_err(|source| IioFault::Device {
                path: self.place.clone(),
                source,
            })
        };
        let clear = self.clear.as_ref().map_or(Ok(0), read)?;
        Ok([read(red)?, read(green)?, read(blue)?, clear])
    }

    fn attribute(&self, name: &str) -> io::Result<String> {
        attribute(&self.place.join(name))
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.place.join(name), value)
    }
}

/// What looks after gain and pace while rows are read.
struct Keeping {
    gain: Gain,
    watch: Watch,
}

impl Keeping {
    fn take(
        &mut self,
        sensor: &Sensor,
        sample: Sample,
        take: &mut impl FnMut(Sample) -> ControlFlow<()>,
    ) -> ControlFlow<(), Pace> {
        let colours = [sample.r, sample.g, sample.b];
        if let Some(step) = self.gain.handle(sample.t_us, colours) {
            sensor.set_gain(step);
        }
        let pace = self.watch.handle(sample.t_us, colours);
        if pace == Pace::Full {
            take(sample)?;
        }
        ControlFlow::Continue(pace)
    }
}

fn find(sysfs: &Path, wanted: &str) -> Result<(PathBuf, String), IioFault> {
    let list = |source| IioFault::Device {
        path: sysfs.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(sysfs).map_err(list)?.take(SENSORS_MAX) {
        let place = entry.map_err(list)?.path();
        let name = attribute(&place.join("name")).unwrap_or_default();
        let label = attribute(&place.join("label")).unwrap_or_default();
        let number = place.file_name().unwrap_or_default();
        if wanted == name || wanted == label || wanted == number {
            return Ok((place, name));
        }
        found.push(name);
    }
    found.sort();
    Err(IioFault::NoSensor {
        wanted: wanted.to_owned(),
        found: found.join(", "),
    })
}

/// The voltages of red, green and blue: those with the colours' labels, or the first three where none has a label.
fn photodiodes(place: &Path) -> Option<[u8; 3]> {
    let labels: Vec<(u8, String)> = (0..VOLTAGES_MAX)
        .filter_map(|number| {
            let label = attribute(&place.join(format!("in_voltage{number}_label"))).ok()?;
            Some((number, label))
        })
        .collect();
    if labels.is_empty() {
        return place.join("in_voltage2_raw").exists().then_some([0, 1, 2]);
    }
    let labelled = |colour: &str| {
        let found = labels.iter().find(|(_, label)| label == colour)?;
        Some(found.0)
    };
    Some([labelled("red")?, labelled("green")?, labelled("blue")?])
}

fn attribute(path: &Path) -> io::Result<String> {
    let mut bytes = [0; ATTRIBUTE_MAX];
    let len = File::open(path)?.read(&mut bytes)?;
    let text = core::str::from_utf8(&bytes[..len]).map_err(io::Error::other)?;
    Ok(text.trim().to_owned())
}

fn count(file: &File) -> io::Result<u16> {
    // A channel's file says it anew each time it is read from its beginning.
    let mut bytes = [0; 24];
    let len = file.read_at(&mut bytes, 0)?;
    let text = core::str::from_utf8(&bytes[..len]).map_err(io::Error::other)?;
    let count: i64 = text.trim().parse().map_err(io::Error::other)?;
    Ok(u16::try_from(count.max(0)).unwrap_or(u16::MAX))
}

/// A decimal number of seconds, or any other one, in millionths.
fn micros_of(decimal: &str) -> Option<u32> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let whole: u32 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let fraction: u32 = digits.parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

const fn sample(t_us: u64, [r, g, b, c]: [u16; 4]) -> Sample {
    Sample { t_us, r, g, b, c }
}

/// Why a sensor cannot be used.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum IioFault {
    /// It is not there.
    #[error("there is no sensor {wanted}; there are: {found}")]
    NoSensor {
        /// What was looked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// It does not see colours.
    #[error(
        "it has no {path}; a converter has its photodiodes at in_voltage0, 1 and 2, or labels them red, green and blue"
    )]
    NoColour {
        /// The channel's file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Device {
        /// What cannot be read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No code can be read with it.
    #[error(
        "the sensor {name} is too slow for the light code: {rate_hz} rows a second, each gathered for {} s; it takes {RATE_MIN_HZ} rows and an integration of 0.0024 s, and a bus of 400 kHz",
        integration.as_deref().unwrap_or("an unknown number of")
    )]
    TooSlow {
        /// Its name.
        name: String,
        /// Rows that it gives in a second.
        rate_hz: u32,
        /// The shortest time it gathers light for, in seconds.
        integration: Option<String>,
    },
    /// Its records are not what it says they are.
    #[error("a record of the sensor is cut off")]
    Record,
}
