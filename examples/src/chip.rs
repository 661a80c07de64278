use crate::fault::StreetFault;
use gettone_optical::Rgb;
use i2cdev::core::I2CDevice as _;
use i2cdev::linux::LinuxI2CDevice;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

/// A TCS3472: its address, and its colour registers from clear on, as its driver asks for them.
const ADDRESS: u16 = 0x29;
const COLOURS: u8 = 0xb4;
/// Counts of a primary that is dark or lit: a screen on the glass, in a lit room.
const COUNTS: [u16; 2] = [20, 300];

/// A colour sensor's chip on the kernel's stub of a bus: the phone's light is in its registers.
#[derive(Clone)]
pub struct Chip {
    device: Arc<Mutex<LinuxI2CDevice>>,
}

impl Chip {
    /// Takes hold of the chip on the bus of this number, then tells the kernel's driver of it: an
    /// address that has a driver is not handed out any more.
    ///
    /// # Errors
    /// `StreetFault` when there is no such bus, or the chip has a driver already.
    pub fn plug(bus: u32) -> Result<Self, StreetFault> {
        let path = format!("/dev/i2c-{bus}");
        let device = LinuxI2CDevice::new(path, ADDRESS)
            .map_err(|_| StreetFault::Unexpected("a bus that does not hand out the chip"))?;
        let place = format!("/sys/bus/i2c/devices/i2c-{bus}/new_device");
        fs::write(&place, format!("tcs3472 {ADDRESS:#x}"))
            .map_err(|fault| StreetFault::file(place.as_ref(), fault))?;
        Ok(Self {
            device: Arc::new(Mutex::new(device)),
        })
    }

    pub(crate) fn show(&self, Rgb { r, g, b }: Rgb) -> Result<(), StreetFault> {
        let [r, g, b] = [r, g, b].map(|code| COUNTS[usize::from(code > 127)]);
        let bytes: Vec<u8> = [r + g + b, r, g, b]
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        self.device
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .smbus_write_i2c_block_data(COLOURS, &bytes)
            .map_err(|_| StreetFault::Unexpected("a chip that takes no colour"))
    }
}
