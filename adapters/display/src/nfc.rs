//! A dynamic NFC tag on the board's I2C bus.

use crate::tag::{Chip, Memory, TagFault};
use i2cdev::core::I2CDevice as _;
use i2cdev::linux::{LinuxI2CDevice, LinuxI2CError};
use std::io;
use std::path::Path;
use std::thread;

/// A tag that is written over I2C.
pub struct Tag {
    memory: Memory,
    device: LinuxI2CDevice,
}

/// Why a tag does not say the link.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum NfcFault {
    /// The chip cannot be reached.
    #[error("the tag cannot be reached")]
    Bus(#[source] io::Error),
    /// The link is too long for it.
    #[error(transparent)]
    Link(#[from] TagFault<io::Error>),
}

impl Tag {
    /// Takes the chip on this bus, such as `/dev/i2c-1`, at its own address.
    ///
    /// # Errors
    /// `Bus` when the bus is not there, or somebody else has the chip.
    pub fn open(bus: &Path, chip: Chip) -> Result<Self, NfcFault> {
        let device = LinuxI2CDevice::new(bus, u16::from(chip.address()))
            .map_err(|fault| NfcFault::Bus(plain(fault)))?;
        Ok(Self {
            memory: Memory::new(chip),
            device,
        })
    }

    /// Makes the tag say this link, or nothing; it takes up to half a second. Only what changes is
    /// written: a chip wears.
    ///
    /// # Errors
    /// `Link` when the link does not fit, or a write failed.
    pub fn say(&mut self, link: Option<&str>) -> Result<(), NfcFault> {
        let device = &mut self.device;
        self.memory.say(link, |write| {
            device.write(&write.wire).map_err(plain)?;
            thread::sleep(write.busy);
            Ok(())
        })?;
        Ok(())
    }
}

impl core::fmt::Debug for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tag({:?})", self.memory)
    }
}

fn plain(fault: LinuxI2CError) -> io::Error {
    fault.into()
}
