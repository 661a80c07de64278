//! How fast the bus is that a sensor hangs on, as far as the kernel shows it.

use core::fmt;
use std::fs;
use std::path::Path;

/// The least clock at which a row of four channels is read within one conversion of 2.4 ms, with time to spare.
pub(super) const HZ_MIN: u32 = 400_000;
/// Folders above the sensor's that are looked at: chip, bus, controller, and those around it.
const ABOVE_MAX: usize = 8;

/// A bus and its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BusClock {
    /// I2C.
    I2c {
        /// As the device tree says it; not every kernel shows one, and none shows what the wire really does.
        hz: Option<u32>,
    },
    /// No I2C bus was found above the sensor.
    Other,
}

impl BusClock {
    /// Finds the bus above a sensor's folder.
    pub(super) fn of(place: &Path) -> Self {
        // What the kernel lists is a link into its tree of devices.
        let Ok(place) = fs::canonicalize(place) else {
            return Self::Other;
        };
        let mut above = place.ancestors().skip(1).take(ABOVE_MAX);
        let Some(bus) = above.find(|folder| is_i2c(folder)) else {
            return Self::Other;
        };
        // The clock is written at the bus or at its controller.
        let hz = [Some(bus), bus.parent()]
            .into_iter()
            .flatten()
            .find_map(clock);
        Self::I2c { hz }
    }
}

impl fmt::Display for BusClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I2c { hz: Some(hz) } => write!(f, "I2C at {} kHz", hz / 1_000),
            Self::I2c { hz: None } => f.write_str("I2C, whose clock this kernel does not show"),
            Self::Other => f.write_str("no I2C bus"),
        }
    }
}

/// `i2c-1`, and not the chip `1-0029` on it.
fn is_i2c(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_prefix("i2c-"))
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
}

/// A cell of a device tree: four bytes, the highest first.
fn clock(folder: &Path) -> Option<u32> {
    let cell = fs::read(folder.join("of_node/clock-frequency")).ok()?;
    Some(u32::from_be_bytes(cell.try_into().ok()?)).filter(|hz| *hz > 0)
}
