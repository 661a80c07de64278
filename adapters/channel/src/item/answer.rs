//! What the server tells a reader: protocol section 5.2.

use crate::id::{Bind, Chain, JournalEpoch, KeyCheck, ManifestHash, Nonce, VendId};
use crate::item::report::Utc;
use crate::key::PublicKey;
use crate::wire::{Bad, Field, Wire, body, coded};

body! {
    /// Lets a reader vend, up to a cap that the server already holds.
    #[derive(Copy)]
    Grant {
        /// The hold's id.
        grant: VendId,
        /// The nonce of the HELLO it answers.
        nonce: Nonce,
        /// The bind of the HELLO it answers.
        bind: Bind,
        /// ISO 4217 number of all amounts here.
        currency: u16,
        /// Decimal places of that currency.
        exponent: u8,
        /// The cap, in minor units.
        max_spend: u32,
        /// Most products.
        max_vends: u8,
        /// Most cash to be paid in, in minor units.
        max_revalue: u32,
        /// The balance to show, in minor units.
        show_balance: i32,
        /// Life in seconds, counted from the HELLO.
        ttl_s: u16,
        /// What the customer usually takes.
        favourite: Option<Favourite>,
    }
}

body! {
    /// Says which receipts the server has recorded.
    #[derive(Copy)]
    Ack {
        /// The life of the journal that `upto` counts in.
        journal_epoch: JournalEpoch,
        /// All receipts up to this one.
        upto: u64,
        /// The chain at `upto`.
        chain: Chain,
    }
}

body! {
    /// The wall clock, for display and the typed token.
    #[derive(Copy)]
    Time {
        /// Now.
        utc: Option<Utc>,
        /// The nonce of the HELLO it answers.
        nonce: Nonce,
    }
}

body! {
    /// Names a configuration or firmware to be fetched.
    #[derive(Copy)]
    Config {
        /// Its version; only greater ones are taken.
        version: u32,
        /// What its chunks are checked against.
        manifest: ManifestHash,
        /// Its size in bytes.
        size: u32,
    }
}

body! {
    /// Announces or activates a server key.
    #[derive(Copy)]
    ServerKey {
        /// The key's epoch.
        epoch: u16,
        /// The key.
        s_pub: PublicKey,
        /// Whether the reader seals to it from now on.
        activate: bool,
    }
}

body! {
    /// Locks or opens the reader's display.
    #[derive(Copy)]
    Lock {
        /// Only greater ones are taken.
        version: u32,
        /// What to show.
        state: LockState,
    }
}

body! {
    /// Confirms the reader's next key; alone in its envelope, sealed to that key.
    #[derive(Copy)]
    KeyAck {
        /// The key's number.
        key_epoch: u16,
        /// The key's check.
        key: KeyCheck,
    }
}

body! {
    /// Asks for receipts again that the server has lost.
    #[derive(Copy)]
    Resend {
        /// The nonce of the HELLO it answers.
        nonce: Nonce,
        /// The life of the journal that `from` counts in.
        journal_epoch: JournalEpoch,
        /// The first receipt wanted.
        from: u64,
    }
}

body! {
    /// Says which audit records the server has recorded.
    #[derive(Copy)]
    AuditAck {
        /// The life of the journal that `upto` counts in.
        journal_epoch: JournalEpoch,
        /// All records up to this one.
        upto: u64,
    }
}

coded! {
    /// Why there is no grant.
    RefuseReason {
        /// Not enough money.
        Funds = 1,
        /// The HELLO is not the newest.
        Stale = 2,
        /// Receipts are missing: drain, then ask again.
        Pending = 3,
        /// The machine is out of service.
        MachineOff = 4,
        /// The account is blocked.
        Blocked = 5,
        /// The reader is not in good standing.
        Reader = 6,
    }
}

coded! {
    /// What a LOCK asks for.
    LockState {
        /// In service.
        Open = 0,
        /// Out of service.
        Locked = 1,
    }
}

/// What the customer usually takes; item FFFF is the wire's "none" and cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Favourite {
    item: u16,
    options: u32,
}

impl Favourite {
    const NONE: u16 = 0xFFFF;

    /// Takes an item of the machine and its options; `None` for item FFFF.
    pub const fn new(item: u16, options: u32) -> Option<Self> {
        match item {
            Self::NONE => None,
            item => Some(Favourite { item, options }),
        }
    }

    /// Returns the machine's item number.
    pub const fn item(self) -> u16 {
        self.item
    }

    /// Returns the options, such as sugar.
    pub const fn options(self) -> u32 {
        self.options
    }
}

impl Field for Option<Favourite> {
    const LEN: usize = u16::LEN + u32::LEN;
    fn put(&self, out: &mut Vec<u8>) {
        let (item, options) = self.map_or((Favourite::NONE, 0), |f| (f.item, f.options));
        item.put(out);
        options.put(out);
    }
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        let (item, options) = (from.field()?, from.field()?);
        match (Favourite::new(item, options), options) {
            (None, 1..) => Err(Bad::Value),
            (favourite, _) => Ok(favourite),
        }
    }
}
