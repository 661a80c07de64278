//! What the controller says to a cashless device, as typed commands.

mod codec;
mod line;

use core::fmt;

pub(crate) use codec::{Length, length};
pub(crate) use line::Amount;

use crate::block::Block;
use crate::bounds::KEYS_MAX;
use crate::file::Transfer;
use crate::money::Units;
use crate::options::{Options, Reason};
use crate::reader::Country;

/// Which of the two cashless devices of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// 10H to 17H.
    First,
    /// 60H to 67H.
    Second,
}

impl Address {
    /// The address byte of command 0.
    #[must_use]
    pub const fn base(self) -> u8 {
        match self {
            Self::First => 0x10,
            Self::Second => 0x60,
        }
    }

    /// The low three bits of a first byte that is for this device.
    pub(crate) const fn own(self, first: u8) -> Option<u8> {
        if first & 0xF8 == self.base() {
            Some(first & 0x07)
        } else {
            None
        }
    }
}

/// A feature level, of the controller or of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 16-bit money, the plain vend.
    One,
    /// Adds revalue, time, and who the media belongs to.
    Two,
    /// Adds options, and money of 32 bits.
    Three,
}

impl Level {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// Takes the number on the wire; a level from the future speaks level 3 as well.
    pub(crate) const fn from_number(number: u8) -> Self {
        match number {
            0 | 1 => Self::One,
            2 => Self::Two,
            _ => Self::Three,
        }
    }
}

/// What SETUP says of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The controller's level.
    pub level: Level,
    /// Where the controller draws its power.
    pub supply: Supply,
    /// Characters in a line of its display; 0 when the reader may not use it.
    pub columns: u8,
    /// Lines of its display.
    pub rows: u8,
    /// Digits and capitals, or all of ASCII; kept as sent.
    pub display: u8,
}

/// Where a controller draws its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// The mains, or not told.
    Mains,
    /// A battery.
    Battery,
}

/// The dearest and the cheapest price; `None` when the controller does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// FFFF on the wire is "unknown", and so is 0000.
    pub max: Option<Units>,
    /// 0000 on the wire is "unknown".
    pub min: Option<Units>,
}

/// Who made a device, and which one it is: ASCII, padded by its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The manufacturer's code.
    pub manufacturer: [u8; 3],
    /// The serial number.
    pub serial: [u8; 12],
    /// The model and revision.
    pub model: [u8; 12],
    /// The software version, packed BCD.
    pub version: u16,
}

impl Identity {
    pub(crate) const LEN: usize = 29;

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (manufacturer, rest) = bytes.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (model, rest) = rest.split_first_chunk()?;
        Some(Self {
            manufacturer: *manufacturer,
            serial: *serial,
            model: *model,
            version: u16::from_be_bytes(rest.try_into().ok()?),
        })
    }

    pub(crate) fn print(&self, block: &mut Block) {
        block.put(&self.manufacturer);
        block.put(&self.serial);
        block.put(&self.model);
        block.put(&self.version.to_be_bytes());
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {:02X}.{:02X}",
            self.manufacturer.trim_ascii().escape_ascii(),
            self.model.trim_ascii().escape_ascii(),
            self.serial.trim_ascii().escape_ascii(),
            self.version >> 8,
            self.version & 0xFF
        )
    }
}

/// What a machine's clock says: ten numbers, as far as it keeps them. [MDB 7.4.18]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Clock([u8; 10]);

impl Clock {
    /// Takes the BCD bytes of the wire: year, month, day, hours, minutes, seconds, day of the week (1 is Monday), week,
    /// summer time, holiday; FF is not kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// The bytes of the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 10] {
        self.0
    }

    /// Year of the century, month and day, if the machine keeps them and they can be.
    #[must_use]
    pub fn date(&self) -> Option<[u8; 3]> {
        let [year, month, day, ..] = self.0;
        let date = [decimal(year)?, decimal(month)?, decimal(day)?];
        let [_, month, day] = date;
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(date)
    }

    /// Hours, minutes and seconds, likewise; seconds that are not kept are 0.
    #[must_use]
    pub fn time(&self) -> Option<[u8; 3]> {
        let [_, _, _, hours, minutes, seconds, ..] = self.0;
        let seconds = match seconds {
            0xFF => 0,
            kept => decimal(kept)?,
        };
        let time = [decimal(hours)?, decimal(minutes)?, seconds];
        (time < [24, 0, 0] && time[1] < 60 && seconds < 60).then_some(time)
    }
}

fn decimal(bcd: u8) -> Option<u8> {
    let (tens, ones) = (bcd >> 4, bcd & 0xF);
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some([year, month, day]) => write!(f, "{year:02}-{month:02}-{day:02} ")?,
            None => f.write_str("no date ")?,
        }
        match self.time() {
            Some([hours, minutes, seconds]) => write!(f, "{hours:02}:{minutes:02}:{seconds:02}"),
            None => f.write_str("no time"),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was typed on a machine's keypad. It may be a secret number, so it is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys([u8; KEYS_MAX]);

impl Keys {
    /// The keypad was called off.
    pub const CALLED_OFF: Self = Self([0xFF; KEYS_MAX]);

    /// Takes the bytes of the wire: ASCII from the left, the rest 00.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEYS_MAX]) -> Self {
        Self(bytes)
    }

    /// The bytes of the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; KEYS_MAX] {
        self.0
    }

    /// The keys; `None` when it was called off, or something else than text came.
    #[must_use]
    pub fn typed(&self) -> Option<&[u8]> {
        let end = self.0.iter().position(|key| *key == 0);
        let typed = self.0.get(..end.unwrap_or(KEYS_MAX))?;
        typed.iter().all(u8::is_ascii_graphic).then_some(typed)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.typed() {
            Some(typed) => write!(f, "{} keys", typed.len()),
            None => f.write_str("called off"),
        }
    }
}

/// Which item was chosen and which one fell, by number and by name (PA101, padded with blanks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedItem {
    /// The number chosen.
    pub selected: u16,
    /// The number dispensed.
    pub dispensed: u16,
    /// The name of the item chosen.
    pub selected_name: [u8; 6],
    /// The name of the item dispensed.
    pub dispensed_name: [u8; 6],
}

/// One item of a basket, or a vend of which a part is given back. [MDB 4.3, option b7]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The item; FFFF undefined.
    pub item: u16,
    /// What it costs, or what is given back of it.
    pub amount: Units,
    /// Items still to come; 0 ends the vend.
    pub left: u8,
    /// What of the amount is for options.
    pub options: Units,
}

/// A cash sale as level 3 tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongSale {
    /// The price paid.
    pub price: Units,
    /// What was chosen; its high bits may flag a free, test or token vend.
    pub item: u16,
    /// The currency, told with money of 32 bits.
    pub currency: Option<Country>,
    /// Names, and who took part in a mixed sale (b0 cash, b1 cashless 1, b2 cashless 2), told with item info.
    pub info: Option<(NamedItem, u8)>,
}

/// One command to a cashless device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// 10: start again.
    Reset,
    /// 11 00: who the controller is; asks for READER CONFIG.
    Setup(Setup),
    /// 11 01: the price range.
    Prices(Prices),
    /// 11 01 in money of 32 bits, with its currency.
    PricesIn(Prices, Country),
    /// 12: anything to say?
    Poll,
    /// 13 00: may this be sold?
    VendRequest {
        /// The price on the machine.
        price: Units,
        /// The machine's number of the selection; FFFF undefined.
        item: u16,
    },
    /// 13 00 with option b7: may these be sold?
    BasketRequest {
        /// The price of all of them.
        price: Units,
        /// The machine's number of the selection; FFFF a basket.
        item: u16,
        /// How many items; 1 is an ordinary vend.
        count: u8,
        /// What of the price is for options.
        options: Units,
    },
    /// 13 01: the question is withdrawn.
    VendCancel,
    /// 13 02: it was dispensed.
    VendSuccess {
        /// What was dispensed.
        item: u16,
    },
    /// 13 02 with option b10: which was dispensed.
    VendSuccessNamed(NamedItem),
    /// 13 02 with option b7: a part was dispensed.
    PartSuccess(Part, Option<NamedItem>),
    /// 13 03: it was not dispensed.
    VendFailure,
    /// 13 03 with option b7: a part was not dispensed.
    PartFailure(Part, Reason),
    /// 13 04: the customer is done.
    SessionComplete,
    /// 13 05: sold for cash.
    CashSale {
        /// The price paid.
        price: Units,
        /// What was sold; its high bits may flag a free, test or token vend.
        item: u16,
    },
    /// 13 05 in money of 32 bits, or with names.
    CashSaleLong(LongSale),
    /// 13 06: may this be credited for something the machine takes back?
    NegativeVendRequest {
        /// What it is worth.
        value: Units,
        /// What is taken back; FFFF undefined.
        item: u16,
    },
    /// 13 07: the selection that the reader asked for is refused.
    SelectionDenied {
        /// The selection.
        item: u16,
        /// Why.
        reason: Reason,
    },
    /// 13 08: what became of a coupon.
    CouponReply {
        /// 00 rejected, 01 dispensed.
        usage: u8,
        /// The item.
        item: u16,
        /// What of the coupon was used.
        used: Units,
    },
    /// 14 00: take no customers.
    Disable,
    /// 14 01: take customers.
    Enable,
    /// 14 02: stop what goes on before a session.
    ReaderCancel,
    /// 14 03: what was typed, left-justified; all FF is "called off".
    KeysTyped(Keys),
    /// 15 00: may this cash be put on the account?
    RevalueRequest {
        /// The cash.
        amount: Units,
    },
    /// 15 01: how much cash could be put on the account?
    RevalueLimit,
    /// 17 00: the controller's identity; asks for the reader's.
    RequestId(Identity),
    /// 17 03: what the time is.
    WriteTime(Clock),
    /// 17 04: options of level 3 to switch on.
    EnableOptions(Options),
    /// 17 FA to FE: about a file.
    File(Transfer),
    /// 17 FF 05: the age from which it may be sold; 00 switches age verification off.
    SetAge(u8),
    /// 17 FF 06: is the customer old enough?
    AskAge,
    /// A command of the device that this crate does not speak.
    Unknown {
        /// The low three bits of the address byte.
        command: u8,
        /// The byte after it.
        sub: u8,
    },
}

/// A block that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// Nothing, or another device's address.
    #[error("the block is not for this device")]
    Address,
    /// Too short or too long for its command.
    #[error("{len} bytes are the wrong length for this command")]
    Length {
        /// Bytes without the checksum.
        len: usize,
    },
}
