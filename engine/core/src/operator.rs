//! An operator's money at the issuer: what it earned, and what it does with it. What it earned is a
//! fold of the journal, so that no sale has to wait for its operator; it is folded here before money
//! is spent. The platform is one more of them, with its fees for earnings.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

mod payables;
mod state;

pub use payables::{Payables, Total};
pub use state::{Operator, Purse, Underway, What};

use crate::id::{TransferId, WalletId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::port::Seq;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// Currencies that one operator sells in.
pub const CURRENCIES_MAX: usize = 64;
/// Payouts and promotions of one operator that are under way.
pub const UNDERWAY_MAX: usize = 1_024;
/// Names that one operator was asked by, for as long as it lives: each one is kept, so that a repeat
/// moves nothing however late it comes.
pub const NAMES_MAX: usize = 65_536;

/// What an operator can be asked to do. Whatever spends money names the durable head of the
/// journal, and is refused until all before it is folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Takes in what it earned, as folded from the whole journal.
    Fold {
        /// Up to this record, and with it.
        upto: Seq,
        /// What it came to since the journal began, one for each currency.
        totals: Vec<Total>,
    },
    /// Pays out to its bank account.
    PayOut {
        /// The payout's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// The head of the journal.
        head: Seq,
    },
    /// The issuer has paid it out.
    SettlePayout {
        /// The payout's name.
        key: TransferId,
    },
    /// The issuer could not pay it out.
    FailPayout {
        /// The payout's name.
        key: TransferId,
    },
    /// Sends e-money to a customer: a gift, or goodwill.
    Promote {
        /// The transfer's name.
        key: TransferId,
        /// Where to.
        to: WalletId,
        /// The currency of that wallet: nothing is exchanged on the way.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// The head of the journal.
        head: Seq,
    },
    /// What was sent has arrived.
    Confirm {
        /// The transfer's name.
        key: TransferId,
    },
    /// What was sent was turned away: it comes back. Only after the receiver's `TurnAway` is durable.
    Return {
        /// The transfer's name.
        key: TransferId,
    },
    /// Pays the platform, such as for its closed-loop sales.
    Charge {
        /// The charge's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// The head of the journal.
        head: Seq,
    },
    /// Adds money that the issuer has received for it.
    Deposit {
        /// The deposit's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// Pays the issuer what was charged back and could not be taken from customers.
    Cover {
        /// The payment's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// The head of the journal.
        head: Seq,
    },
}

/// What has happened to an operator's money.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// What it earned was taken in.
    Folded {
        /// Up to this record, and with it.
        upto: Seq,
        /// What came in since the last time.
        moved: Vec<Total>,
    },
    /// A payout is on its way.
    PaidOut {
        /// The payout's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// The issuer has paid it out.
    PayoutSettled {
        /// The payout's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// A payout came back.
    PayoutFailed {
        /// The payout's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// E-money has left for a customer.
    Promoted {
        /// The transfer's name.
        key: TransferId,
        /// Where to.
        to: WalletId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// What was sent has arrived.
    Delivered {
        /// The transfer's name.
        key: TransferId,
    },
    /// What was sent came back.
    Returned {
        /// The transfer's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// The platform was paid.
    Charged {
        /// The charge's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// Money was added.
    Deposited {
        /// The deposit's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// What was charged back is paid.
    Covered {
        /// The payment's name.
        key: TransferId,
        /// What in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
}

/// An operator's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// What it earned is not folded far enough.
    #[error("earnings are folded up to record {}; the journal is at {}", folded.number(), head.number())]
    Behind {
        /// How far they are folded.
        folded: Seq,
        /// Where the journal is.
        head: Seq,
    },
    /// A fold names a currency twice, or goes beyond every bound.
    #[error("a fold names each currency once, at most {CURRENCIES_MAX} of them")]
    BadFold,
    /// The money does not suffice.
    #[error("{short_by} short: {available} available")]
    InsufficientFunds {
        /// What may be spent.
        available: Amount,
        /// What is missing.
        short_by: Amount,
    },
    /// Less is due than that.
    #[error("{due} is due to the issuer, and not more")]
    NotDue {
        /// How much.
        due: Amount,
    },
    /// The amount is none that can be moved.
    #[error("{amount} is not an amount between 1 and {AMOUNT_MAX} minor units")]
    BadAmount {
        /// What was given.
        amount: Amount,
    },
    /// The name was used for something else before.
    #[error("this name was used before, for something else")]
    NameReused,
    /// Nothing of that name can go this way.
    #[error("no payout or transfer of that name can go this way")]
    NoSuchTransfer,
    /// A bound is reached.
    #[error("the operator's limit of {limit} {what} is reached")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}
