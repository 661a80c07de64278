//! What a board has to say to the technician: AUDIT records (protocol sections 5.1 and 7). They
//! have a sequence of their own and move no money.

use crate::id::Order;
use rkyv::{Archive, Deserialize, Serialize};

/// What a notice is about, by its number on the wire; a number that is not in this table is kept.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub struct Code(u8);

impl Code {
    /// The bus cannot express a price, or it is outside what the machine announced.
    pub const PRICE_REFUSED: Self = Self(1);
    /// The machine's controller fell silent.
    pub const BUS_LOST: Self = Self(2);
    /// Another cashless device answers at this address.
    pub const OTHER_DEVICE: Self = Self(3);
    /// The clock was set by a large step.
    pub const CLOCK: Self = Self(4);
    /// An ACK named a receipt that this journal does not have.
    pub const ACK_MISMATCH: Self = Self(5);
    /// A LOCK was taken; `n` is its version.
    pub const LOCK_TAKEN: Self = Self(6);
    /// A configuration was taken; `n` is its version.
    pub const CONFIG_TAKEN: Self = Self(7);
    /// The light sensor does not work.
    pub const SENSOR: Self = Self(8);
    /// Another controller than before.
    pub const VMC_CHANGED: Self = Self(9);
    /// The journal takes no new session.
    pub const JOURNAL_FULL: Self = Self(10);
    /// A program was given up, for the one before; its number is the first four bytes of the details.
    pub const FIRMWARE_GIVEN_UP: Self = Self(11);
    /// The machine asked for another price than the operator's table has.
    pub const PRICE_DIFFERS: Self = Self(12);
    /// Older notices had to give way; `n` says how many, this one's number being the last of them.
    pub const LOST: Self = Self(255);

    /// Takes a number as on the wire.
    pub const fn from_wire(number: u8) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> u8 {
        self.0
    }

    /// Its name for people and machines, if it is in the table.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::PRICE_REFUSED => "price_refused",
            Self::BUS_LOST => "bus_lost",
            Self::OTHER_DEVICE => "other_device",
            Self::CLOCK => "clock",
            Self::ACK_MISMATCH => "ack_mismatch",
            Self::LOCK_TAKEN => "lock_taken",
            Self::CONFIG_TAKEN => "config_taken",
            Self::SENSOR => "sensor",
            Self::VMC_CHANGED => "vmc_changed",
            Self::JOURNAL_FULL => "journal_full",
            Self::FIRMWARE_GIVEN_UP => "firmware_given_up",
            Self::PRICE_DIFFERS => "price_differs",
            Self::LOST => "lost",
            _ => return None,
        })
    }

    /// Whether `n` is a version and not a count: such notices are never added up.
    pub const fn has_version(self) -> bool {
        matches!(self, Self::LOCK_TAKEN | Self::CONFIG_TAKEN)
    }
}

/// One notice.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its place among the notices of one journal epoch, counted from 1.
    pub aseq: u64,
    /// What it is about.
    pub code: Code,
    /// How often it happened, or which version was taken.
    pub n: u32,
    /// When, by the board's own count.
    pub order: Order,
    /// Details; their meaning goes with the code.
    pub data: [u8; 8],
}

impl Notice {
    /// The first place that it stands for: a LOST stands for every one that gave way.
    pub fn first(&self) -> u64 {
        match self.code {
            Code::LOST => self
                .aseq
                .saturating_sub(u64::from(self.n.max(1)) - 1)
                .max(1),
            _ => self.aseq,
        }
    }
}
