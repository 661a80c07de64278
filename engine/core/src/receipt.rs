//! What a reader reports happened, once for each irrevocable act (protocol section 5.1).

use crate::id::{Chain, Item, Order, Rseq, VendId};
use crate::money::Amount;
use core::time::Duration;
use rkyv::{Archive, Deserialize, Serialize};

/// One receipt, as it was opened from an envelope that its reader had sealed.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its place in the reader's journal epoch.
    pub rseq: Rseq,
    /// What it reports.
    pub kind: ReceiptKind,
    /// The grant it belongs to.
    pub grant: VendId,
    /// The selection; of a CLOSE, the count of the grant's receipts.
    pub item: Item,
    /// The price; of a CLOSE, the total of the grant's good vends.
    pub amount: Amount,
    /// When the reader wrote it, by its own count.
    pub order: Order,
    /// What the machine did besides.
    pub flags: Flags,
    /// Milliseconds from approval to result; 65,535 stands for more.
    pub after_ms: u16,
    /// The chain at the receipt before.
    pub prev: Chain,
    /// The chain at this one: its own hash.
    pub chain: Chain,
}

/// Kinds of receipts, by their number on the wire.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ReceiptKind {
    /// The machine delivered.
    VendOk = 1,
    /// The machine did not deliver.
    VendFail = 2,
    /// The reader lost power or was restarted before it heard.
    VendUnknown = 3,
    /// Cash went into the closed wallet.
    RevalueOk = 4,
    /// Cash may have gone into the closed wallet.
    RevalueUnknown = 5,
    /// The grant is over.
    Close = 6,
    /// A new journal begins.
    EpochStart = 9,
    /// A light grant was taken.
    LightGrantUsed = 10,
    /// Cash stayed with the machine.
    RevalueFail = 11,
    /// The machine paid out to the customer.
    NegativeVend = 12,
}

impl ReceiptKind {
    /// Finds the kind of a wire number.
    pub fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::VendOk,
            2 => Self::VendFail,
            3 => Self::VendUnknown,
            4 => Self::RevalueOk,
            5 => Self::RevalueUnknown,
            6 => Self::Close,
            9 => Self::EpochStart,
            10 => Self::LightGrantUsed,
            11 => Self::RevalueFail,
            12 => Self::NegativeVend,
            _ => return None,
        })
    }

    /// The wire number.
    pub const fn to_wire(self) -> u8 {
        self as u8
    }
}

/// A receipt's flags, as on the wire; undefined bits are kept and mean nothing.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(u16);

impl Flags {
    /// The machine was reset after the approval had reached it: that counts as delivered
    /// (`[MDB §2]`, settlement rules).
    pub const BY_RESET: Self = Self(1);
    /// It is about something that the machine took back, or was to take back.
    pub const NEGATIVE: Self = Self(2);

    /// Takes the flags as on the wire.
    pub const fn from_wire(bits: u16) -> Self {
        Self(bits)
    }

    /// The flags as on the wire.
    pub const fn to_wire(self) -> u16 {
        self.0
    }

    /// Whether all of `flags` are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// A reset sooner than this after an approval looks like a machine that disliked it: the vend is
/// charged, and goes to the refund queue.
pub const RESET_DOUBTFUL_MAX: Duration = Duration::from_millis(1_000);

impl Receipt {
    /// Whether it is a vend by reset that a person should look at.
    pub fn is_doubtful_reset(&self) -> bool {
        self.flags.has(Flags::BY_RESET)
            && Duration::from_millis(u64::from(self.after_ms)) < RESET_DOUBTFUL_MAX
    }

    /// Whether a CLOSE counts it (protocol section 5.1, kind 6).
    pub const fn is_counted_by_close(&self) -> bool {
        match self.kind {
            ReceiptKind::VendOk
            | ReceiptKind::VendFail
            | ReceiptKind::VendUnknown
            | ReceiptKind::RevalueOk
            | ReceiptKind::RevalueUnknown
            | ReceiptKind::RevalueFail
            | ReceiptKind::NegativeVend => true,
            ReceiptKind::Close | ReceiptKind::EpochStart | ReceiptKind::LightGrantUsed => false,
        }
    }
}
