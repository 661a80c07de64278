//! Names of things. Each is a newtype, so that a reader cannot be passed where a machine is meant.

use core::fmt;
use rkyv::{Archive, Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name($inner);

        impl $name {
            /// Names one by its number.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn number(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident($len:literal)) => {
        $(#[$doc])*
        #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

number_id!(
    /// One customer's money in one currency.
    WalletId(u64)
);
number_id!(
    /// Who owns machines and is paid for their sales.
    OperatorId(u32)
);
number_id!(
    /// One vending machine, as its operator numbers it.
    MachineId(u32)
);
number_id!(
    /// A selection on a machine; what it means is the machine's own business (`[MDB §11]`).
    Item(u16)
);
number_id!(
    /// A receipt's place in its reader's journal epoch, counted from 1.
    Rseq(u64)
);

impl OperatorId {
    /// The platform itself: it earns fees and has funds of its own. No company has this number.
    pub const PLATFORM: Self = Self(0);
}

bytes_id!(
    /// One reader board, for the life of its enrolment (protocol section 3).
    ReaderId(8)
);
bytes_id!(
    /// One hold, named once by who asks for it and stored before asking: every retry is harmless.
    VendId(16)
);
bytes_id!(
    /// One transfer of money into a wallet, named once by who asks for it: every retry is harmless.
    TransferId(16)
);
bytes_id!(
    /// What a reader puts into a HELLO so that the answer fits that HELLO alone.
    Nonce(16)
);
bytes_id!(
    /// What ties a HELLO to one link: that link's handshake hash.
    Bind(32)
);
bytes_id!(
    /// Which journal of a reader a receipt belongs to; a new one begins whenever the journal is empty.
    JournalEpoch(8)
);
bytes_id!(
    /// A receipt's hash in its reader's chain of receipts.
    Chain(8)
);
bytes_id!(
    /// Which controller a machine has: a hash of its maker, serial number and model.
    VmcId(8)
);
bytes_id!(
    /// A reader's X25519 public key.
    ReaderKey(32)
);

/// The key of the codes that a reader shows (protocol section 3); it is never printed.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// When a reader made something, without a wall clock: starts of its process, then uptime.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub struct Order {
    /// Starts of the reader's process so far.
    pub boot: u32,
    /// Milliseconds since that start, counting sleep.
    pub uptime_ms: u64,
}
