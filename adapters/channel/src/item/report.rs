//! What a reader tells the server: protocol section 5.1.

use crate::bounds::COUNTER_ROWS_MAX;
use crate::id::{Bind, Chain, JournalEpoch, Nonce, VendId, VmcId};
use crate::key::PublicKey;
use crate::secret::TokenKey;
use crate::wire::{Bad, Field, Wire, body, coded};

body! {
    /// Says that the reader is here now, and what it keeps: the only item that can be answered by a grant.
    #[derive(Copy)]
    Hello {
        /// The life of the journal that the marks below count in.
        journal_epoch: JournalEpoch,
        /// Starts of the reader so far.
        boot: u32,
        /// What a grant must repeat.
        nonce: Nonce,
        /// The link's handshake hash, or the hash of the CALL.
        bind: Bind,
        /// Oldest receipt kept.
        rseq_oldest: u64,
        /// Newest receipt synced.
        rseq_newest: u64,
        /// Receipts up to here are acknowledged.
        acked: u64,
        /// The chain at `rseq_newest`.
        chain: Chain,
        /// Uptime when this HELLO was made.
        uptime_ms: u64,
        /// The reader's idea of the wall clock.
        utc_est: Option<Utc>,
        /// How wrong `utc_est` may be.
        utc_err_s: u32,
        /// Version of the stored configuration.
        cfg: u32,
        /// Version of the firmware.
        fw: u32,
        /// Where the MDB machine stands; grants are for `Enabled` only.
        mdb_state: MdbState,
        /// What else is the matter.
        flags: HelloFlags,
        /// ISO 4217 number of the machine's currency.
        currency: u16,
        /// Decimal places of that currency.
        exponent: u8,
        /// MDB scale factor.
        scale: u8,
        /// Highest price the machine announced, in minor units.
        max_price: u32,
        /// MDB feature level of the controller.
        vmc_level: u8,
        /// Recognises the controller.
        vmc_id: VmcId,
        /// Last token step used; 0 without token mode.
        step: u64,
    }
}

impl Hello {
    /// Returns where this HELLO stands among all that its reader ever made.
    pub fn order(&self) -> Order {
        Order {
            boot: self.boot,
            uptime_ms: self.uptime_ms,
        }
    }
}

body! {
    /// One journalled fact about money; sent again until the server acknowledges it.
    #[derive(Copy)]
    Receipt {
        /// Its place in the journal.
        rseq: u64,
        /// What happened.
        kind: ReceiptKind,
        /// Under which grant; zeros when under none.
        grant: VendId,
        /// The machine's item number, or the count of a CLOSE.
        item: u16,
        /// Minor units: the price, the cash, or the total of a CLOSE.
        amount: u32,
        /// The start it was written in.
        boot: u32,
        /// Uptime when it was written.
        mono_ms: u64,
        /// The reader's idea of the wall clock.
        utc_est: Option<Utc>,
        /// Circumstances.
        flags: ReceiptFlags,
        /// Milliseconds since the approval; 65,535 for more.
        ms: u16,
        /// The chain of the receipt before.
        prev: Chain,
    }
}

impl Receipt {
    /// Returns the body as it travels and as the chain hashes it: no item header.
    pub fn to_bytes(&self) -> [u8; Receipt::LEN] {
        let mut body = Vec::with_capacity(Self::LEN);
        self.put(&mut body);
        body.try_into().expect("a body puts exactly its length")
    }

    /// Reads a body; `None` when no reader can have written it.
    pub fn from_bytes(body: &[u8; Receipt::LEN]) -> Option<Self> {
        Wire::new(body).field().ok()
    }

    /// Returns where this receipt stands among all that its reader ever made.
    pub fn order(&self) -> Order {
        Order {
            boot: self.boot,
            uptime_ms: self.mono_ms,
        }
    }
}

impl Chain {
    /// Returns the chain at this receipt: what the next one takes as `prev`.
    pub fn of(receipt: &Receipt) -> Self {
        Chain::of_body(&receipt.to_bytes())
    }
}

body! {
    /// Announces the reader's next key, under the old one.
    #[derive(Copy)]
    KeyUpdate {
        /// The next key.
        new_r_pub: PublicKey,
        /// Its number.
        key_epoch: u16,
    }
}

body! {
    /// Hands over the key that the tokens come from.
    TokenKeyUpdate {
        /// The key.
        k_tok: TokenKey,
        /// Last step used.
        step: u64,
    }
}

body! {
    /// A record for the technician; it moves no money.
    #[derive(Copy)]
    Audit {
        /// The life of the journal that `aseq` counts in.
        journal_epoch: JournalEpoch,
        /// Its place among the audit records.
        aseq: u64,
        /// What happened.
        code: AuditCode,
        /// How often, or how many were lost.
        n: u32,
        /// The start it was written in.
        boot: u32,
        /// Uptime when it was written.
        mono_ms: u64,
        /// Details; their meaning goes with the code.
        data: [u8; 8],
    }
}

/// One snapshot of the machine's totals; a newer one replaces an older one.
///
/// Body: journal_epoch, seq, the rows (as many as the length says), cash_in, errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// The life of the journal that `seq` counts in.
    pub journal_epoch: JournalEpoch,
    /// Greater is newer.
    pub seq: u64,
    /// Totals per item and price; at most [`COUNTER_ROWS_MAX`].
    pub rows: Vec<CounterRow>,
    /// All cash ever put in, in minor units.
    pub cash_in: u64,
    /// All errors ever counted.
    pub errors: u32,
}

body! {
    /// Totals of one item at one price.
    #[derive(Copy)]
    CounterRow {
        /// The machine's item number.
        item: u16,
        /// Minor units.
        price: u32,
        /// How many were sold.
        count: u32,
        /// For how much in all, in minor units.
        value: u64,
    }
}

impl Counters {
    /// Length of a body without rows.
    const FIXED_LEN: usize = JournalEpoch::LEN + u64::LEN + u64::LEN + u32::LEN;

    pub(super) fn body_len(&self) -> usize {
        Self::FIXED_LEN + self.rows.len() * CounterRow::LEN
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.journal_epoch.put(out);
        self.seq.put(out);
        self.rows.iter().for_each(|row| row.put(out));
        self.cash_in.put(out);
        self.errors.put(out);
    }

    pub(super) fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        let rows_len = from.len().checked_sub(Self::FIXED_LEN).ok_or(Bad::Short)?;
        let rows = rows_len / CounterRow::LEN;
        if rows > COUNTER_ROWS_MAX {
            return Err(Bad::Value);
        }
        Ok(Counters {
            journal_epoch: from.field()?,
            seq: from.field()?,
            rows: (0..rows).map(|_| from.field()).collect::<Result<_, _>>()?,
            cash_in: from.field()?,
            errors: from.field()?,
        })
    }
}

/// The order of everything a reader makes: by start, then by uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Starts of the reader so far.
    pub boot: u32,
    /// Milliseconds of uptime within that start.
    pub uptime_ms: u64,
}

/// A wall-clock reading; the wire's 0 is the absence of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(core::num::NonZeroU64);

impl Utc {
    /// Takes milliseconds since 1970-01-01 UTC; `None` for 0.
    pub const fn from_unix_ms(ms: u64) -> Option<Self> {
        match core::num::NonZeroU64::new(ms) {
            Some(ms) => Some(Utc(ms)),
            None => None,
        }
    }

    /// Returns milliseconds since 1970-01-01 UTC.
    pub const fn unix_ms(self) -> u64 {
        self.0.get()
    }
}

impl Field for Option<Utc> {
    const LEN: usize = u64::LEN;
    fn put(&self, out: &mut Vec<u8>) {
        self.map_or(0, Utc::unix_ms).put(out);
    }
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        from.field().map(Utc::from_unix_ms)
    }
}

coded! {
    /// What a receipt reports.
    ReceiptKind {
        /// The machine gave the product.
        VendOk = 1,
        /// The machine did not give the product.
        VendFail = 2,
        /// The reader lost its power in between.
        VendUnknown = 3,
        /// Cash was paid in.
        RevalueOk = 4,
        /// The reader lost its power during a cash-in or a negative vend.
        RevalueUnknown = 5,
        /// The grant is over; `item` and `amount` are its totals.
        Close = 6,
        /// A new journal begins.
        EpochStart = 9,
        /// A light grant was taken.
        LightGrantUsed = 10,
        /// A cash-in or a negative vend came to nothing.
        RevalueFail = 11,
        /// The machine took something back for credit.
        NegativeVend = 12,
    }
}

coded! {
    /// The states of an MDB cashless device, by the numbers MDB gives them.
    MdbState {
        /// After a RESET.
        Inactive = 1,
        /// Set up, not switched on.
        Disabled = 2,
        /// Ready for a session.
        Enabled = 3,
        /// In a session, nothing asked.
        SessionIdle = 4,
        /// A vend is under way.
        Vend = 5,
        /// A cash-in is under way.
        Revalue = 6,
        /// A negative vend is under way.
        NegativeVend = 7,
    }
}

macro_rules! flags {
    ($(#[$meta:meta])* $name:ident($ty:ty) { $( $(#[$flag_meta:meta])* $flag:ident = $bit:literal, )* }) => {
        $(#[$meta])*
        ///
        /// Unknown bits are kept: the chain hashes what the reader wrote.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name($ty);

        impl $name {
            /// No flag.
            pub const NONE: Self = $name(0);
            $( $(#[$flag_meta])* pub const $flag: Self = $name($bit); )*

            /// Takes the bits as they travel.
            pub const fn from_bits(bits: $ty) -> Self {
                $name(bits)
            }

            /// Returns the bits as they travel.
            pub const fn bits(self) -> $ty {
                self.0
            }

            /// Returns both sets of flags together.
            #[must_use]
            pub const fn and(self, more: Self) -> Self {
                $name(self.0 | more.0)
            }

            /// Says whether all of `flags` are set.
            pub const fn has(self, flags: Self) -> bool {
                self.0 & flags.0 == flags.0
            }
        }

        impl Field for $name {
            const LEN: usize = <$ty>::LEN;
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
                from.field().map($name)
            }
        }
    };
}

flags! {
    /// Flags of a HELLO.
    HelloFlags(u8) {
        /// The journal is full: grants are ignored, draining goes on.
        JOURNAL_FULL = 1,
    }
}

flags! {
    /// Flags of a receipt.
    ReceiptFlags(u16) {
        /// The machine answered by a RESET.
        BY_RESET = 1,
        /// Of a negative vend.
        NEGATIVE = 2,
        /// Another controller than the last HELLO named.
        VMC_CHANGED = 4,
        /// Less than 1,000 ms after the approval.
        UNDER_SECOND = 8,
    }
}

/// What an AUDIT record is about; a code that this version does not know is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditCode(u8);

impl AuditCode {
    /// An ACK named a chain or an epoch that is not the reader's.
    pub const ACK_MISMATCH: Self = AuditCode(5);
    /// Older records had to give way; `n` says how many.
    pub const LOST: Self = AuditCode(255);

    /// Takes the code as it travels.
    pub const fn from_code(code: u8) -> Self {
        AuditCode(code)
    }

    /// Returns the code as it travels.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl Field for AuditCode {
    const LEN: usize = 1;
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        from.field().map(AuditCode)
    }
}
