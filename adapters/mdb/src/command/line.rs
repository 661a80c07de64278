//! A command in one line of text.

use core::fmt;

use super::Command;
use crate::money::{Scale, Units};

impl Command {
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
            Command::Prices(prices) | Command::PricesIn(prices, _) => {
                let max = money(prices.max.unwrap_or(Units::UNKNOWN));
                match prices.min {
                    Some(min) => write!(f, "SETUP PRICES max {max} min {}", money(min))?,
                    None => write!(f, "SETUP PRICES max {max} min unknown")?,
                }
                if let Command::PricesIn(_, currency) = self.command {
                    write!(f, " currency {currency:?}")?;
                }
                Ok(())
            }
            Command::Poll => write!(f, "POLL"),
            Command::VendRequest { price, item } => {
                write!(f, "VEND REQUEST {} item {item}", money(price))
            }
            Command::BasketRequest {
                price, item, count, ..
            } => write!(f, "VEND REQUEST {} item {item} count {count}", money(price)),
            Command::VendCancel => write!(f, "VEND CANCEL"),
            Command::VendSuccess { item } => write!(f, "VEND SUCCESS item {item}"),
            Command::VendSuccessNamed(info) => write!(
                f,
                "VEND SUCCESS item {} ({}) for {}",
                info.dispensed,
                info.dispensed_name.trim_ascii().escape_ascii(),
                info.selected
            ),
            Command::PartSuccess(part, _) => write!(
                f,
                "VEND SUCCESS item {} {} left {}",
                part.item,
                money(part.amount),
                part.left
            ),
            Command::VendFailure => write!(f, "VEND FAILURE"),
            Command::PartFailure(part, reason) => write!(
                f,
                "VEND FAILURE item {} {} left {}: {reason}",
                part.item,
                money(part.amount),
                part.left
            ),
            Command::SessionComplete => write!(f, "SESSION COMPLETE"),
            Command::CashSale { price, item } => {
                write!(f, "CASH SALE {} item {item}", money(price))
            }
            Command::CashSaleLong(sale) => {
                write!(f, "CASH SALE {} item {}", money(sale.price), sale.item)
            }
            Command::NegativeVendRequest { value, item } => {
                write!(f, "NEGATIVE VEND REQUEST {} item {item}", money(value))
            }
            Command::SelectionDenied { item, reason } => {
                write!(f, "SELECTION DENIED item {item}: {reason}")
            }
            Command::CouponReply { usage, item, used } => {
                write!(f, "COUPON REPLY {usage} item {item} used {}", money(used))
            }
            Command::Disable => write!(f, "READER DISABLE"),
            Command::Enable => write!(f, "READER ENABLE"),
            Command::ReaderCancel => write!(f, "READER CANCEL"),
            Command::KeysTyped(keys) => write!(f, "DATA ENTRY RESPONSE {keys:?}"),
            Command::RevalueRequest { amount } => {
                write!(f, "REVALUE REQUEST {}", money(amount))
            }
            Command::RevalueLimit => write!(f, "REVALUE LIMIT REQUEST"),
            Command::RequestId(identity) => write!(f, "REQUEST ID {identity}"),
            Command::WriteTime(clock) => write!(f, "WRITE TIME {clock}"),
            Command::EnableOptions(options) => write!(f, "ENABLE OPTIONS {options}"),
            Command::File(transfer) => transfer.fmt(f),
            Command::SetAge(age) => write!(f, "AGE from {age}"),
            Command::AskAge => write!(f, "AGE STATUS?"),
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
            None => write!(f, "{} units", self.units.number()),
        }
    }
}
