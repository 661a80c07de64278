//! What an INTENT is about, how it ended, and what its receipt says of that.

use crate::money::Amount;
use crate::receipt::{Flags, ReceiptKind};
use core::time::Duration;

/// What an INTENT is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// A product for money of the grant.
    Vend,
    /// Cash for the customer's closed wallet.
    Revalue,
    /// Something that the machine takes back, for money in the customer's closed wallet.
    Return,
}

impl Act {
    /// Whether it runs as a vend does: approved, done by the machine, and counted by its report.
    pub(super) const fn is_trade(self) -> bool {
        match self {
            Self::Vend | Self::Return => true,
            Self::Revalue => false,
        }
    }
}

/// How an INTENT ended, as it is written before the machine hears our ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The machine delivered, or has taken the approval of a cash-in.
    Delivered,
    /// The machine did not deliver, or took the request back.
    Failed,
    /// The machine was reset after it had taken the approval.
    ByReset,
    /// The machine delivered a part of what was approved, and only that is charged.
    Partly {
        /// In minor units; never above the price.
        charged: u32,
    },
}

impl Outcome {
    /// Reads one from its stored number and figure.
    pub const fn from_stored(number: u8, charged: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Delivered,
            2 => Self::Failed,
            3 => Self::ByReset,
            4 => Self::Partly { charged },
            _ => return None,
        })
    }

    /// The number and the figure that [`Outcome::from_stored`] reads.
    pub const fn to_stored(self) -> (u8, u32) {
        match self {
            Self::Delivered => (1, 0),
            Self::Failed => (2, 0),
            Self::ByReset => (3, 0),
            Self::Partly { charged } => (4, charged),
        }
    }

    /// What its receipt says of a price. A machine cannot charge more than it was approved.
    pub(super) fn amount(self, price: u32) -> Amount {
        let amount = match self {
            Self::Partly { charged } => charged.min(price),
            Self::Delivered | Self::Failed | Self::ByReset => price,
        };
        Amount::from_minor(i64::from(amount))
    }

    pub(super) const fn kind(self, act: Act) -> ReceiptKind {
        match (act, self) {
            (Act::Vend, Self::Delivered | Self::ByReset | Self::Partly { charged: 1.. }) => {
                ReceiptKind::VendOk
            }
            (Act::Vend, Self::Failed | Self::Partly { charged: 0 }) => ReceiptKind::VendFail,
            (Act::Revalue, Self::Delivered | Self::ByReset) => ReceiptKind::RevalueOk,
            (Act::Revalue, Self::Failed | Self::Partly { .. }) => ReceiptKind::RevalueFail,
            // What was not said to be taken back is not: a reset credits nothing (protocol section 8).
            (Act::Return, Self::Delivered) => ReceiptKind::NegativeVend,
            (Act::Return, Self::Failed | Self::ByReset | Self::Partly { .. }) => {
                ReceiptKind::RevalueFail
            }
        }
    }

    pub(super) fn flags(self, act: Act, after: Duration) -> Flags {
        const UNDER_1000_MS: u16 = 8;
        match act {
            Act::Vend => {}
            Act::Revalue => return Flags::default(),
            Act::Return => return Flags::NEGATIVE,
        }
        let by_reset = match self {
            Self::ByReset => Flags::BY_RESET.to_wire(),
            Self::Delivered | Self::Failed | Self::Partly { .. } => 0,
        };
        let early = match self {
            Self::Failed => 0,
            Self::Delivered | Self::ByReset | Self::Partly { .. } => {
                match after < Duration::from_secs(1) {
                    true => UNDER_1000_MS,
                    false => 0,
                }
            }
        };
        Flags::from_wire(by_reset | early)
    }
}
