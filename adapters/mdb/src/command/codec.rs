//! How long commands are, how they are read and written.

use super::{
    Address, Clock, Command, CommandFault, Identity, Keys, Level, LongSale, NamedItem, Part,
    Prices, Setup, Supply,
};
use crate::block::Block;
use crate::file::Transfer;
use crate::message::fields::Fields;
use crate::money::{Units, Width};
use crate::options::{Layout, Options, Reason};

/// Ends of the two frames of age verification. [MDB 4.3, chapter 11]
const SET_AGE: &[u8; 5] = b"DRAVP";
const ASK_AGE: &[u8; 5] = b"DRAVS";
/// Bytes of an [`NamedItem`].
const INFO: usize = 16;

/// Where a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Bytes(usize),
    UntilSilence,
}

/// How many bytes a command has without its checksum, judged by its first two.
///
/// Nothing on the bus marks the end of a controller's block, so the length must be known in advance.
pub(crate) fn length(command: u8, sub: u8, layout: Layout) -> Length {
    let money = layout.width().bytes();
    let wide = layout.width() == Width::Wide;
    let basket = layout.has(Options::BASKET);
    let info = layout.has(Options::ITEM_INFO);
    // Behind the command and its sub-command.
    let fields = match (command, sub) {
        (0 | 2, _) => return Length::Bytes(1),
        (1, 0) => 4,
        (1, 1) if wide => 2 * money + 2,
        (1, 1) => 2 * money,
        // Four reserved bytes, the count and what the options cost.
        (3, 0) if basket => money + 2 + 4 + 1 + money,
        (3, 0 | 6) => money + 2,
        (3, 1 | 4) => 0,
        (3, 2) => match (basket, info) {
            (false, false) => 2,
            (true, false) => 2 + money + 1 + money,
            (false, true) => INFO,
            (true, true) => INFO + money + 1 + money,
        },
        (3, 3) if basket => 2 + money + 1 + money + 1,
        (3, 3) => 0,
        (3, 5) => {
            let currency = if wide { 2 } else { 0 };
            // The number chosen stands where it always stood; names and flags follow.
            let named = if info { INFO - 2 + 1 } else { 0 };
            money + 2 + currency + named
        }
        (3, 7) => 3,
        (3, 8) => 1 + 2 + money,
        (4, 0..=2) => 0,
        (4, 3) => 8,
        (5, 0) => money,
        (5, 1) => 0,
        (7, 0) => Identity::LEN,
        (7, 3) => 10,
        (7, 4) => 4,
        (7, 0xFA | 0xFE) => 5,
        (7, 0xFB) => 3,
        (7, 0xFD) => 2,
        _ => return Length::UntilSilence,
    };
    Length::Bytes(2 + fields)
}

impl Command {
    /// Reads a block without its checksum, as levels 1 and 2 lay it out; see [`Command::parse_in`].
    ///
    /// # Errors
    /// When the block is another device's or has the wrong length.
    pub fn parse(address: Address, bytes: &[u8]) -> Result<Self, CommandFault> {
        Self::parse_in(address, bytes, Layout::TWO)
    }

    /// Reads a block without its checksum.
    ///
    /// # Errors
    /// When the block is another device's or has the wrong length.
    pub fn parse_in(address: Address, bytes: &[u8], layout: Layout) -> Result<Self, CommandFault> {
        let (first, rest) = bytes.split_first().ok_or(CommandFault::Address)?;
        let command = address.own(*first).ok_or(CommandFault::Address)?;
        let sub = rest.first().copied().unwrap_or_default();
        let wrong = CommandFault::Length { len: bytes.len() };
        match length(command, sub, layout) {
            Length::Bytes(len) if len != bytes.len() => return Err(wrong),
            Length::Bytes(_) | Length::UntilSilence => {}
        }
        if rest.is_empty() && !matches!(command, 0 | 2) {
            return Err(wrong);
        }
        let fields = rest.get(1..).unwrap_or_default();
        Self::of_fields(command, sub, Fields::new(fields, layout)).ok_or(wrong)
    }

    fn of_fields(command: u8, sub: u8, mut from: Fields<'_>) -> Option<Self> {
        let layout = from.layout();
        let wide = layout.width() == Width::Wide;
        let basket = layout.has(Options::BASKET);
        let info = layout.has(Options::ITEM_INFO);
        Some(match (command, sub) {
            (0, _) => Self::Reset,
            (1, 0) => Self::Setup(setup(from.bytes()?)),
            (1, 1) => {
                let (max, min) = (from.units()?, from.units()?);
                let prices = Prices {
                    // A controller whose dearest price is nothing has none to tell.
                    max: Some(max).filter(|max| ![Units::UNKNOWN, Units::ZERO].contains(max)),
                    min: Some(min).filter(|min| *min != Units::ZERO),
                };
                match wide {
                    true => Self::PricesIn(prices, from.country()?),
                    false => Self::Prices(prices),
                }
            }
            (2, _) => Self::Poll,
            (3, 0) if basket => {
                let (price, item) = (from.units()?, from.number()?);
                let [_, _, _, _, count] = from.bytes()?;
                let options = from.units()?;
                Self::BasketRequest {
                    price,
                    item,
                    count,
                    options,
                }
            }
            (3, 0) => Self::VendRequest {
                price: from.units()?,
                item: from.number()?,
            },
            (3, 1) => Self::VendCancel,
            (3, 2) => match (basket, info) {
                (false, false) => Self::VendSuccess {
                    item: from.number()?,
                },
                (false, true) => Self::VendSuccessNamed(item_info(&mut from)?),
                (true, false) => {
                    let item = from.number()?;
                    Self::PartSuccess(part(item, &mut from)?, None)
                }
                (true, true) => {
                    let info = item_info(&mut from)?;
                    Self::PartSuccess(part(info.dispensed, &mut from)?, Some(info))
                }
            },
            (3, 3) if basket => {
                let item = from.number()?;
                let part = part(item, &mut from)?;
                Self::PartFailure(part, Reason::from_u8(from.byte()?))
            }
            (3, 3) => Self::VendFailure,
            (3, 4) => Self::SessionComplete,
            (3, 5) if wide || info => {
                let (price, item) = (from.units()?, from.number()?);
                let currency = match wide {
                    true => Some(from.country()?),
                    false => None,
                };
                let info = match info {
                    true => {
                        let info = NamedItem {
                            selected: item,
                            dispensed: from.number()?,
                            selected_name: from.bytes()?,
                            dispensed_name: from.bytes()?,
                        };
                        Some((info, from.byte()?))
                    }
                    false => None,
                };
                Self::CashSaleLong(LongSale {
                    price,
                    item,
                    currency,
                    info,
                })
            }
            (3, 5) => Self::CashSale {
                price: from.units()?,
                item: from.number()?,
            },
            (3, 6) => Self::NegativeVendRequest {
                value: from.units()?,
                item: from.number()?,
            },
            (3, 7) => Self::SelectionDenied {
                item: from.number()?,
                reason: Reason::from_u8(from.byte()?),
            },
            (3, 8) => Self::CouponReply {
                usage: from.byte()?,
                item: from.number()?,
                used: from.units()?,
            },
            (4, 0) => Self::Disable,
            (4, 1) => Self::Enable,
            (4, 2) => Self::ReaderCancel,
            (4, 3) => Self::KeysTyped(Keys::from_bytes(from.bytes()?)),
            (5, 0) => Self::RevalueRequest {
                amount: from.units()?,
            },
            (5, 1) => Self::RevalueLimit,
            (7, 0) => Self::RequestId(Identity::parse(from.rest())?),
            (7, 3) => Self::WriteTime(Clock::from_bytes(from.bytes()?)),
            (7, 4) => {
                let bits = u32::from_be_bytes(from.bytes()?);
                Self::EnableOptions(Options::from_u32(bits))
            }
            (7, 0xFA..=0xFE) => Self::File(Transfer::parse(sub - 0xFA, from.rest())?),
            (7, 0xFF) => match *from.rest() {
                [0x05, 6, age, ref name @ ..] if name == SET_AGE => Self::SetAge(age),
                [0x06, 6, _, ref name @ ..] if name == ASK_AGE => Self::AskAge,
                _ => Self::Unknown { command, sub },
            },
            _ => Self::Unknown { command, sub },
        })
    }

    /// Writes the block for one of the two devices, without its checksum, as levels 1 and 2 lay it out; see
    /// [`Command::print_in`].
    #[must_use]
    pub fn print(&self, address: Address) -> Block {
        self.print_in(address, Layout::TWO)
    }

    /// Writes the block for one of the two devices, without its checksum. Fields that an option brings are written when
    /// the command has them; the layout tells how wide money is.
    #[must_use]
    pub fn print_in(&self, address: Address, layout: Layout) -> Block {
        let width = layout.width();
        let mut block = Block::EMPTY;
        let mut start = |command: u8, sub: Option<u8>| {
            block.put(&[address.base() | command]);
            block.put(sub.as_slice());
        };
        match *self {
            Self::Reset => start(0, None),
            Self::Setup(_) => start(1, Some(0)),
            Self::Prices(_) | Self::PricesIn(..) => start(1, Some(1)),
            Self::Poll => start(2, None),
            Self::VendRequest { .. } | Self::BasketRequest { .. } => start(3, Some(0)),
            Self::VendCancel => start(3, Some(1)),
            Self::VendSuccess { .. } | Self::VendSuccessNamed(_) | Self::PartSuccess(..) => {
                start(3, Some(2));
            }
            Self::VendFailure | Self::PartFailure(..) => start(3, Some(3)),
            Self::SessionComplete => start(3, Some(4)),
            Self::CashSale { .. } | Self::CashSaleLong(_) => start(3, Some(5)),
            Self::NegativeVendRequest { .. } => start(3, Some(6)),
            Self::SelectionDenied { .. } => start(3, Some(7)),
            Self::CouponReply { .. } => start(3, Some(8)),
            Self::Disable => start(4, Some(0)),
            Self::Enable => start(4, Some(1)),
            Self::ReaderCancel => start(4, Some(2)),
            Self::KeysTyped(_) => start(4, Some(3)),
            Self::RevalueRequest { .. } => start(5, Some(0)),
            Self::RevalueLimit => start(5, Some(1)),
            Self::RequestId(_) => start(7, Some(0)),
            Self::WriteTime(_) => start(7, Some(3)),
            Self::EnableOptions(_) => start(7, Some(4)),
            Self::File(transfer) => start(7, Some(0xFA + transfer.place())),
            Self::SetAge(_) | Self::AskAge => start(7, Some(0xFF)),
            Self::Unknown { command, sub } => start(command & 0x07, Some(sub)),
        }
        self.print_fields(&mut block, width);
        block
    }

    fn print_fields(&self, block: &mut Block, width: Width) {
        match *self {
            Self::Setup(setup) => {
                let battery = match setup.supply {
                    Supply::Mains => 0,
                    Supply::Battery => 0x80,
                };
                let level = setup.level.number() | battery;
                block.put(&[level, setup.columns, setup.rows, setup.display]);
            }
            Self::Prices(prices) | Self::PricesIn(prices, _) => {
                block.put_units(prices.max.unwrap_or(Units::UNKNOWN), width);
                block.put_units(prices.min.unwrap_or(Units::ZERO), width);
                if let Self::PricesIn(_, currency) = self {
                    block.put(&currency.to_u16().to_be_bytes());
                }
            }
            Self::VendRequest { price, item } | Self::CashSale { price, item } => {
                block.put_units(price, width);
                block.put(&item.to_be_bytes());
            }
            Self::NegativeVendRequest { value, item } => {
                block.put_units(value, width);
                block.put(&item.to_be_bytes());
            }
            Self::BasketRequest {
                price,
                item,
                count,
                options,
            } => {
                block.put_units(price, width);
                block.put(&item.to_be_bytes());
                block.put(&[0, 0, 0, 0, count]);
                block.put_units(options, width);
            }
            Self::VendSuccess { item } => block.put(&item.to_be_bytes()),
            Self::VendSuccessNamed(info) => put_info(block, &info),
            Self::PartSuccess(part, info) => {
                match info {
                    Some(info) => put_info(block, &info),
                    None => block.put(&part.item.to_be_bytes()),
                }
                put_part(block, &part, width);
            }
            Self::PartFailure(part, reason) => {
                block.put(&part.item.to_be_bytes());
                put_part(block, &part, width);
                block.put(&[reason.to_u8()]);
            }
            Self::CashSaleLong(sale) => {
                block.put_units(sale.price, width);
                block.put(&sale.item.to_be_bytes());
                if let Some(currency) = sale.currency {
                    block.put(&currency.to_u16().to_be_bytes());
                }
                if let Some((info, flags)) = sale.info {
                    block.put(&info.dispensed.to_be_bytes());
                    block.put(&info.selected_name);
                    block.put(&info.dispensed_name);
                    block.put(&[flags]);
                }
            }
            Self::SelectionDenied { item, reason } => {
                block.put(&item.to_be_bytes());
                block.put(&[reason.to_u8()]);
            }
            Self::CouponReply { usage, item, used } => {
                block.put(&[usage]);
                block.put(&item.to_be_bytes());
                block.put_units(used, width);
            }
            Self::KeysTyped(keys) => block.put(&keys.to_bytes()),
            Self::RevalueRequest { amount } => block.put_units(amount, width),
            Self::RequestId(identity) => identity.print(block),
            Self::WriteTime(clock) => block.put(&clock.to_bytes()),
            Self::EnableOptions(options) => block.put(&options.to_u32().to_be_bytes()),
            Self::File(transfer) => transfer.print(block),
            Self::SetAge(age) => {
                block.put(&[0x05, 6, age]);
                block.put(SET_AGE);
            }
            Self::AskAge => {
                block.put(&[0x06, 6, 0]);
                block.put(ASK_AGE);
            }
            Self::Reset
            | Self::Poll
            | Self::VendCancel
            | Self::VendFailure
            | Self::SessionComplete
            | Self::Disable
            | Self::Enable
            | Self::ReaderCancel
            | Self::RevalueLimit
            | Self::Unknown { .. } => {}
        }
    }
}

fn setup([level, columns, rows, display]: [u8; 4]) -> Setup {
    Setup {
        level: Level::from_number(level & 0x7F),
        supply: match level & 0x80 {
            0 => Supply::Mains,
            _ => Supply::Battery,
        },
        columns,
        rows,
        display,
    }
}

fn item_info(from: &mut Fields<'_>) -> Option<NamedItem> {
    Some(NamedItem {
        selected: from.number()?,
        dispensed: from.number()?,
        selected_name: from.bytes()?,
        dispensed_name: from.bytes()?,
    })
}

fn put_info(block: &mut Block, info: &NamedItem) {
    block.put(&info.selected.to_be_bytes());
    block.put(&info.dispensed.to_be_bytes());
    block.put(&info.selected_name);
    block.put(&info.dispensed_name);
}

fn part(item: u16, from: &mut Fields<'_>) -> Option<Part> {
    Some(Part {
        item,
        amount: from.units()?,
        left: from.byte()?,
        options: from.units()?,
    })
}

fn put_part(block: &mut Block, part: &Part, width: Width) {
    block.put_units(part.amount, width);
    block.put(&[part.left]);
    block.put_units(part.options, width);
}
