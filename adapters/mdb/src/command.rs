//! What the controller says to a cashless device, as typed commands.

use core::fmt;

use crate::block::Block;
use crate::money::{Scale, Units};

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
    /// Adds options.
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

/// One command, of levels 1 and 2, to a cashless device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// 10: start again.
    Reset,
    /// 11 00: who the controller is; asks for READER CONFIG.
    Setup(Setup),
    /// 11 01: the price range.
    Prices(Prices),
    /// 12: anything to say?
    Poll,
    /// 13 00: may this be sold?
    VendRequest {
        /// The price on the machine.
        price: Units,
        /// The machine's number of the selection; FFFF undefined.
        item: u16,
    },
    /// 13 01: the question is withdrawn.
    VendCancel,
    /// 13 02: it was dispensed.
    VendSuccess {
        /// What was dispensed.
        item: u16,
    },
    /// 13 03: it was not dispensed.
    VendFailure,
    /// 13 04: the customer is done.
    SessionComplete,
    /// 13 05: sold for cash.
    CashSale {
        /// The price paid.
        price: Units,
        /// What was sold; its high bits may flag a free, test or token vend.
        item: u16,
    },
    /// 14 00: take no customers.
    Disable,
    /// 14 01: take customers.
    Enable,
    /// 14 02: stop what goes on before a session.
    ReaderCancel,
    /// 15 00: may this cash be put on the account?
    RevalueRequest {
        /// The cash.
        amount: Units,
    },
    /// 15 01: how much cash could be put on the account?
    RevalueLimit,
    /// 17 00: the controller's identity; asks for the reader's.
    RequestId(Identity),
    /// 17 04: options of level 3 to switch on.
    EnableOptions(u32),
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

/// How many bytes a command has without its checksum, judged by its first two.
///
/// Nothing on the bus marks the end of a controller's block, so the length must be known in advance.
pub(crate) fn length(command: u8, sub: u8) -> Length {
    match (command, sub) {
        (0 | 2, _) => Length::Bytes(1),
        (1, 0) => Length::Bytes(6),
        (1, 1) => Length::Bytes(6),
        (3, 0 | 5) => Length::Bytes(6),
        (3, 2) => Length::Bytes(4),
        (3, 1 | 3 | 4) => Length::Bytes(2),
        (4, 0..=2) => Length::Bytes(2),
        (5, 0) => Length::Bytes(4),
        (5, 1) => Length::Bytes(2),
        (7, 0) => Length::Bytes(2 + Identity::LEN),
        // WRITE TIME/DATE, acknowledged and not used.
        (7, 3) => Length::Bytes(12),
        (7, 4) => Length::Bytes(6),
        _ => Length::UntilSilence,
    }
}

/// Where a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Bytes(usize),
    UntilSilence,
}

impl Command {
    /// Reads a block without its checksum.
    ///
    /// # Errors
    /// When the block is another device's or has the wrong length.
    pub fn parse(address: Address, bytes: &[u8]) -> Result<Self, CommandFault> {
        let (first, rest) = bytes.split_first().ok_or(CommandFault::Address)?;
        let command = address.own(*first).ok_or(CommandFault::Address)?;
        let sub = rest.first().copied().unwrap_or_default();
        let wrong = CommandFault::Length { len: bytes.len() };
        match length(command, sub) {
            Length::Bytes(len) if len != bytes.len() => return Err(wrong),
            Length::Bytes(_) | Length::UntilSilence => {}
        }
        let fields = rest.get(1..).unwrap_or_default();
        Ok(match (command, sub, fields) {
            (0, _, _) => Self::Reset,
            (1, 0, &[level, columns, rows, display]) => Self::Setup(Setup {
                level: Level::from_number(level & 0x7F),
                supply: if level & 0x80 == 0 {
                    Supply::Mains
                } else {
                    Supply::Battery
                },
                columns,
                rows,
                display,
            }),
            (1, 1, &[a, b, c, d]) => Self::Prices(Prices {
                // A controller whose dearest price is nothing has none to tell.
                max: Some(units(a, b)).filter(|max| *max != Units::UNKNOWN && max.to_u16() != 0),
                min: Some(units(c, d)).filter(|min| min.to_u16() != 0),
            }),
            (2, _, _) => Self::Poll,
            (3, 0, &[a, b, c, d]) => Self::VendRequest {
                price: units(a, b),
                item: u16::from_be_bytes([c, d]),
            },
            (3, 1, _) => Self::VendCancel,
            (3, 2, &[a, b]) => Self::VendSuccess {
                item: u16::from_be_bytes([a, b]),
            },
            (3, 3, _) => Self::VendFailure,
            (3, 4, _) => Self::SessionComplete,
            (3, 5, &[a, b, c, d]) => Self::CashSale {
                price: units(a, b),
                item: u16::from_be_bytes([c, d]),
            },
            (4, 0, _) => Self::Disable,
            (4, 1, _) => Self::Enable,
            (4, 2, _) => Self::ReaderCancel,
            (5, 0, &[a, b]) => Self::RevalueRequest {
                amount: units(a, b),
            },
            (5, 1, _) => Self::RevalueLimit,
            (7, 0, id) => Self::RequestId(Identity::parse(id).ok_or(wrong)?),
            (7, 4, &[a, b, c, d]) => Self::EnableOptions(u32::from_be_bytes([a, b, c, d])),
            _ if rest.is_empty() => return Err(wrong),
            _ => Self::Unknown { command, sub },
        })
    }

    /// Writes the block for one of the two devices, without its checksum.
    #[must_use]
    pub fn print(&self, address: Address) -> Block {
        let mut block = Block::EMPTY;
        let mut put = |command: u8, bytes: &[u8]| {
            block.put(&[address.base() | command]);
            block.put(bytes);
        };
        match *self {
            Self::Reset => put(0, &[]),
            Self::Setup(setup) => {
                let battery = match setup.supply {
                    Supply::Mains => 0,
                    Supply::Battery => 0x80,
                };
                let level = setup.level.number() | battery;
                put(1, &[0, level, setup.columns, setup.rows, setup.display]);
            }
            Self::Prices(prices) => {
                let [a, b] = bytes(prices.max.unwrap_or(Units::UNKNOWN));
                let [c, d] = bytes(prices.min.unwrap_or(Units::from_u16(0)));
                put(1, &[1, a, b, c, d]);
            }
            Self::Poll => put(2, &[]),
            Self::VendRequest { price, item } => put(3, &sale(0, price, item)),
            Self::VendCancel => put(3, &[1]),
            Self::VendSuccess { item } => {
                let [a, b] = item.to_be_bytes();
                put(3, &[2, a, b]);
            }
            Self::VendFailure => put(3, &[3]),
            Self::SessionComplete => put(3, &[4]),
            Self::CashSale { price, item } => put(3, &sale(5, price, item)),
            Self::Disable => put(4, &[0]),
            Self::Enable => put(4, &[1]),
            Self::ReaderCancel => put(4, &[2]),
            Self::RevalueRequest { amount } => {
                let [a, b] = bytes(amount);
                put(5, &[0, a, b]);
            }
            Self::RevalueLimit => put(5, &[1]),
            Self::RequestId(identity) => {
                put(7, &[0]);
                identity.print(&mut block);
            }
            Self::EnableOptions(options) => {
                put(7, &[4]);
                block.put(&options.to_be_bytes());
            }
            Self::Unknown { command, sub } => put(command & 0x07, &[sub]),
        }
        block
    }

    /// The command in one line, its money written in this scale.
    pub fn at(&self, scale: Scale) -> impl fmt::Display {
        Line {
            command: *self,
            scale: Some(scale),
        }
    }
}

/// Writes money as bare bus units, since a command does not know its scale; see [`Command::at`].
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Line {
            command: *self,
            scale: None,
        };
        line.fmt(f)
    }
}

struct Line {
    command: Command,
    scale: Option<Scale>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |units| Amount {
            units,
            scale: self.scale,
        };
        match self.command {
            Command::Reset => write!(f, "RESET"),
            Command::Setup(setup) => write!(
                f,
                "SETUP level {} display {}x{}",
                setup.level.number(),
                setup.columns,
                setup.rows
            ),
            Command::Prices(prices) => {
                let max = money(prices.max.unwrap_or(Units::UNKNOWN));
                match prices.min {
                    Some(min) => write!(f, "SETUP PRICES max {max} min {}", money(min)),
                    None => write!(f, "SETUP PRICES max {max} min unknown"),
                }
            }
            Command::Poll => write!(f, "POLL"),
            Command::VendRequest { price, item } => {
                write!(f, "VEND REQUEST {} item {item}", money(price))
            }
            Command::VendCancel => write!(f, "VEND CANCEL"),
            Command::VendSuccess { item } => write!(f, "VEND SUCCESS item {item}"),
            Command::VendFailure => write!(f, "VEND FAILURE"),
            Command::SessionComplete => write!(f, "SESSION COMPLETE"),
            Command::CashSale { price, item } => {
                write!(f, "CASH SALE {} item {item}", money(price))
            }
            Command::Disable => write!(f, "READER DISABLE"),
            Command::Enable => write!(f, "READER ENABLE"),
            Command::ReaderCancel => write!(f, "READER CANCEL"),
            Command::RevalueRequest { amount } => {
                write!(f, "REVALUE REQUEST {}", money(amount))
            }
            Command::RevalueLimit => write!(f, "REVALUE LIMIT REQUEST"),
            Command::RequestId(identity) => write!(f, "REQUEST ID {identity}"),
            Command::EnableOptions(options) => write!(f, "ENABLE OPTIONS {options:08X}"),
            Command::Unknown { command, sub } => write!(f, "UNKNOWN {command} {sub:02X}"),
        }
    }
}

/// An amount in a line of text, with or without its scale.
pub(crate) struct Amount {
    pub(crate) units: Units,
    pub(crate) scale: Option<Scale>,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scale {
            Some(scale) => scale.show(self.units).fmt(f),
            None if self.units == Units::UNKNOWN => f.write_str("unknown"),
            None => write!(f, "{} units", self.units.to_u16()),
        }
    }
}

pub(crate) fn units(high: u8, low: u8) -> Units {
    Units::from_u16(u16::from_be_bytes([high, low]))
}

pub(crate) fn bytes(units: Units) -> [u8; 2] {
    units.to_u16().to_be_bytes()
}

fn sale(sub: u8, price: Units, item: u16) -> [u8; 5] {
    let ([a, b], [c, d]) = (bytes(price), item.to_be_bytes());
    [sub, a, b, c, d]
}
