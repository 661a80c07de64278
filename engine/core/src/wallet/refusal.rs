use super::Window;
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;

/// A wallet's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// No such wallet has been opened.
    #[error("no such wallet has been opened")]
    NotOpen,
    /// It is open in another currency.
    #[error("the wallet is open in {currency}")]
    OtherCurrency {
        /// The wallet's currency.
        currency: Currency,
    },
    /// The money does not suffice.
    #[error("{short_by} short: {available} available, {pending} held for other vends")]
    InsufficientFunds {
        /// What may be spent at this operator.
        available: Amount,
        /// What is missing for the least that was asked.
        short_by: Amount,
        /// What other holds keep.
        pending: Amount,
    },
    /// A limit leaves too little.
    #[error(
        "the limit is {limit} in a {window}: {used} spent, {pending} held; the next one begins at \
         {resets_at}"
    )]
    LimitReached {
        /// In which window.
        window: Window,
        /// The most.
        limit: Amount,
        /// What was spent.
        used: Amount,
        /// What holds keep, and may take yet.
        pending: Amount,
        /// When the next window begins.
        resets_at: Timestamp,
    },
    /// A debt has to be repaid first.
    #[error("{owed} owed for earlier vends has to be repaid first")]
    InDebt {
        /// How much.
        owed: Amount,
    },
    /// The amount is none that can be moved.
    #[error("{amount} is not an amount between 1 and {AMOUNT_MAX} minor units")]
    BadAmount {
        /// What was given.
        amount: Amount,
    },
    /// The terms make no sense.
    #[error("a hold needs a cap, at least one vend, and a fee of at most 100 %")]
    BadTerms,
    /// The name was used for something else before.
    #[error("this name was used before, for something else")]
    NameReused,
    /// The hold was ended before it began.
    #[error("this hold was ended before it began")]
    Over,
    /// There is no such hold, or none that this fits.
    #[error("there is no such hold")]
    NoSuchGrant,
    /// There is no such doubt.
    #[error("nothing of that receipt waits for such a decision")]
    NoSuchDoubt,
    /// There is nothing that could be refunded.
    #[error("no sale of that receipt can be refunded")]
    NoSuchCapture,
    /// More than is left to refund.
    #[error("{left} of that sale can still be refunded")]
    RefundTooLarge {
        /// What is left.
        left: Amount,
    },
    /// The transfer was turned away before.
    #[error("this transfer was turned away before")]
    TurnedAway,
    /// The transfer cannot be turned away any more.
    #[error("this transfer has arrived")]
    Arrived,
    /// No such transfer or payment can go this way.
    #[error("no transfer or payment of that name can go this way")]
    NoSuchTransfer,
    /// There is no such dispute, or it was decided otherwise.
    #[error("no dispute of that name waits for such a decision")]
    NoSuchDispute,
    /// Less is owed than that.
    #[error("{owed} is owed, and not more")]
    NoDebt {
        /// How much.
        owed: Amount,
    },
    /// A bound of the wallet is reached.
    #[error("the wallet's limit of {limit} {what} is reached")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}
