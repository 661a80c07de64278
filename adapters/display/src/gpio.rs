//! The lamp and the buzzer on lines of a GPIO character device.

use crate::lines::{Level, Light, Lines, LinesFault};
use gpiocdev::Request;
use gpiocdev::line::{Offset, Value};
use std::io;
use std::path::{Path, PathBuf};

/// Who the system says holds the lines.
const CONSUMER: &str = "gettone";

/// Which lines of which chip; a line that is none is not wired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wiring {
    /// The chip, such as `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// The red lamp's line.
    pub red: Option<Offset>,
    /// The green lamp's line.
    pub green: Option<Offset>,
    /// The blue lamp's line.
    pub blue: Option<Offset>,
    /// The buzzer's line.
    pub buzzer: Option<Offset>,
    /// What drives them.
    pub active: Active,
}

/// At which level a line is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Active {
    /// A lamp to ground.
    #[default]
    High,
    /// A lamp to the supply.
    Low,
}

/// Lines that were taken from the system; dropped, they are given back.
#[derive(Debug)]
pub struct GpioLines {
    request: Request,
    wiring: Wiring,
}

impl GpioLines {
    /// Takes the lines, all of them off.
    ///
    /// # Errors
    /// When the chip or one of its lines cannot be had.
    pub fn open(wiring: Wiring) -> Result<Self, LinesFault> {
        let offsets: Vec<Offset> = [wiring.red, wiring.green, wiring.blue, wiring.buzzer]
            .into_iter()
            .flatten()
            .collect();
        let mut builder = Request::builder();
        builder
            .on_chip(&wiring.chip)
            .with_consumer(CONSUMER)
            .with_lines(&offsets)
            .as_output(Value::Inactive);
        match wiring.active {
            Active::High => {}
            Active::Low => {
                builder.as_active_low();
            }
        }
        let request = builder.request().map_err(take_fault(&wiring.chip))?;
        Ok(Self { request, wiring })
    }

    fn set(&self, line: Option<Offset>, level: Level) -> Result<(), LinesFault> {
        let Some(line) = line else { return Ok(()) };
        let value = match level {
            Level::Off => Value::Inactive,
            Level::On => Value::Active,
        };
        match self.request.set_value(line, value) {
            Ok(_) => Ok(()),
            Err(fault) => Err(LinesFault::Set(io::Error::other(fault))),
        }
    }
}

impl Lines for GpioLines {
    fn light(&mut self, light: Light) -> Result<(), LinesFault> {
        self.set(self.wiring.red, light.red)?;
        self.set(self.wiring.green, light.green)?;
        self.set(self.wiring.blue, light.blue)
    }

    fn buzzer(&mut self, level: Level) -> Result<(), LinesFault> {
        self.set(self.wiring.buzzer, level)
    }
}

fn take_fault(chip: &Path) -> impl FnOnce(gpiocdev::Error) -> LinesFault {
    let chip = chip.display().to_string();
    |fault| LinesFault::Take {
        chip,
        source: io::Error::other(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_named() {
        let wiring = Wiring {
            chip: "/dev/gpiochip-of-nobody".into(),
            red: Some(1),
            green: None,
            blue: None,
            buzzer: None,
            active: Active::Low,
        };
        let fault = GpioLines::open(wiring).expect_err("no such chip");
        assert!(fault.to_string().contains("/dev/gpiochip-of-nobody"));
    }
}
