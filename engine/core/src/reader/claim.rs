use super::{Answer, Ask};
use crate::id::{JournalEpoch, Order, WalletId};
use crate::receipt::Receipt;
use rkyv::{Archive, Deserialize, Serialize};

/// One claim on a HELLO.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who asked for what.
    pub ask: Ask,
    /// The HELLO's order.
    pub order: Order,
    /// The journal that the reader wrote then.
    pub epoch: JournalEpoch,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
    /// Whether its hold is gone for good.
    pub state: ClaimState,
    /// How its grant travels.
    pub road: Road,
}

/// How a grant travels to its reader.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Road {
    /// In an envelope that answers a HELLO.
    Envelope,
    /// As light that answers the code of this step.
    Light {
        /// The step.
        step: u64,
    },
}

/// Whether a claim's hold can still be spent.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimState {
    /// It can, or it has no answer yet.
    Open,
    /// It cannot.
    Over,
}

/// The next step of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Give this receipt its effect, on the hold it belongs to; then `Command::Apply`.
    Apply {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The receipt.
        receipt: Receipt,
        /// Whose hold it is; none when it is nobody's.
        wallet: Option<WalletId>,
    },
    /// Release this hold; then `Command::Fence`.
    Fence {
        /// The claim.
        ask: Ask,
    },
    /// Release this hold as one of which nobody will ever know; then `Command::Fence`.
    Orphan {
        /// The claim.
        ask: Ask,
    },
    /// Hold money; then `Command::Answer`.
    Hold {
        /// The claim.
        ask: Ask,
    },
}

/// How a HELLO stands with a reader that has heard it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// This account's claim, with this answer.
    Answered(Answer),
    /// This account's claim, whose steps are not all done.
    Due,
    /// It may be claimed.
    Unclaimed,
    /// Another account claimed it.
    Taken,
    /// A newer HELLO has come, or the hold is gone for good.
    Stale,
    /// The reader knows of acknowledgements that this server does not: receipts from here on have
    /// to come again.
    Lost {
        /// The first missing receipt.
        from: u64,
    },
    /// The reader gets no grants.
    Distrusted,
}
