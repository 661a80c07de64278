//! Tags on an I2C bus of the kernel's, which `./test.sh bluez` makes in a virtual machine. Its stub
//! has no wire behind it, so what is written there goes as far as the kernel and no further.

use gettone_display::nfc::{NfcFault, Tag};
use gettone_display::tag::Chip;
use std::env;
use std::error::Error as _;
use std::io;
use std::path::Path;

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
const EOPNOTSUPP: i32 = 95;

/// What the system said.
fn code(fault: &NfcFault) -> Option<i32> {
    fault.source()?.downcast_ref::<io::Error>()?.raw_os_error()
}

#[test]
#[ignore = "needs the kernel's stub of a bus: ./test.sh bluez"]
fn a_tag_is_taken_by_its_address_and_a_bus_that_fails_says_why() {
    let bus = env::var("GETTONE_I2C_BUS").expect("a bus, such as /dev/i2c-0");
    let bus = Path::new(&bus);
    let mut tag = Tag::open(bus, Chip::Nt3h2111).expect("the bus has this address free");
    for link in [Some("https://host.example/t/a"), None] {
        let fault = tag.say(link).expect_err("there is no wire");
        assert_eq!(code(&fault), Some(EOPNOTSUPP), "{fault:?}");
    }
    // The scene gave this address to a driver.
    let fault = Tag::open(bus, Chip::St25dv04k).expect_err("somebody has it");
    assert_eq!(code(&fault), Some(EBUSY), "{fault:?}");
    let nowhere = Path::new("/dev/i2c-250");
    let fault = Tag::open(nowhere, Chip::Nt3h2111).expect_err("there is no such bus");
    assert_eq!(code(&fault), Some(ENOENT), "{fault:?}");
}
