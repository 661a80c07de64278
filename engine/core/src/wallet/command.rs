use crate::grant::Terms;
use crate::id::{Item, OperatorId, Rseq, TransferId, VendId, WalletId};
use crate::money::{Amount, Currency};
use crate::transfer::Party;
use core::time::Duration;
use rkyv::{Archive, Deserialize, Serialize};

use super::{Favour, Limits, Reason};

/// What a wallet can be asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Opens it in one currency.
    Open {
        /// The currency.
        currency: Currency,
    },
    /// Adds e-money that the issuer has confirmed. Debt is repaid first.
    TopUp {
        /// The transfer's name.
        key: TransferId,
        /// How much.
        amount: Amount,
    },
    /// Adds what an operator gives to its closed wallet.
    Give {
        /// The transfer's name.
        key: TransferId,
        /// The operator.
        operator: OperatorId,
        /// How much.
        amount: Amount,
    },
    /// Limits what may be spent from here on; no limits at all end those that stand.
    Limit {
        /// This setting's name.
        key: TransferId,
        /// The limits, in place of those before.
        limits: Limits,
    },
    /// Holds money for vends.
    Reserve {
        /// The hold's name.
        vend: VendId,
        /// What it is for.
        terms: Terms,
    },
    /// Takes in what happened under a hold.
    Settle {
        /// The hold.
        vend: VendId,
        /// Which receipt says so.
        rseq: Rseq,
        /// What happened.
        outcome: Outcome,
    },
    /// Takes in the last that happened under a hold, and ends it. What sells nothing leaves the end
    /// to a [`Command::Release`].
    Finish {
        /// The hold.
        vend: VendId,
        /// Which receipt says so.
        rseq: Rseq,
        /// What happened.
        outcome: Outcome,
    },
    /// Decides about a vend that nobody saw.
    Judge {
        /// The hold.
        vend: VendId,
        /// The receipt in doubt.
        rseq: Rseq,
        /// The decision.
        verdict: Verdict,
    },
    /// Gives back what a capture took, or a part of it: what was paid last goes back first.
    Refund {
        /// The transfer's name.
        key: TransferId,
        /// The hold that it was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// How much.
        amount: Amount,
    },
    /// Ends a hold and frees what is left of it.
    Release {
        /// The hold.
        vend: VendId,
        /// Why.
        reason: Reason,
    },
    /// Sends e-money to another wallet; debts are repaid first.
    Send {
        /// The transfer's name.
        key: TransferId,
        /// Where to.
        to: WalletId,
        /// The currency of that wallet: nothing is exchanged on the way.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// Takes e-money that was sent. Debt is repaid first.
    Receive {
        /// The transfer's name.
        key: TransferId,
        /// Where from.
        from: Party,
        /// The currency that it was sent in.
        currency: Currency,
        /// How much.
        amount: Amount,
    },
    /// Never takes what was sent.
    TurnAway {
        /// The transfer's name.
        key: TransferId,
        /// Where from.
        from: Party,
        /// How much.
        amount: Amount,
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
    /// Repays debts with what is free, as far as it goes.
    Repay {
        /// The repayment's name.
        key: TransferId,
    },
    /// Gives up a debt, or a part of it.
    WriteOff {
        /// The write-off's name.
        key: TransferId,
        /// Who gives it up.
        operator: OperatorId,
        /// How much.
        amount: Amount,
    },
    /// Adds e-money that was paid by card and has not reached the issuer. Debt is repaid first.
    TopUpByCard {
        /// The payment's name.
        key: TransferId,
        /// How much.
        amount: Amount,
    },
    /// A payment by card has reached the issuer.
    SettleCard {
        /// The payment's name.
        key: TransferId,
    },
    /// A payment, or a part of it, was charged back: it goes, and what is not there is owed.
    ChargeBack {
        /// The chargeback's name.
        key: TransferId,
        /// The payment's name.
        top_up: TransferId,
        /// How much.
        amount: Amount,
    },
    /// Sets the e-money of a sale, or a part of it, aside until somebody decides.
    Dispute {
        /// The dispute's name.
        key: TransferId,
        /// The hold that the sale was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// How much.
        amount: Amount,
    },
    /// Decides a dispute.
    EndDispute {
        /// The dispute's name.
        key: TransferId,
        /// For whom.
        favour: Favour,
    },
}

/// What a receipt says happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The machine delivered.
    Vended {
        /// The selection.
        item: Item,
        /// The price.
        amount: Amount,
        /// How that is known.
        proof: Proof,
    },
    /// The machine did not deliver.
    Failed,
    /// The reader was cut off before it heard.
    Unknown {
        /// The selection.
        item: Item,
        /// The price.
        amount: Amount,
    },
    /// Cash was put in for the closed wallet.
    CashIn {
        /// How much.
        amount: Amount,
    },
    /// The reader was cut off before it heard whether cash was put in.
    CashUnknown {
        /// How much.
        amount: Amount,
    },
    /// The machine took something back for credit.
    TakenBack {
        /// The selection.
        item: Item,
        /// The credit.
        amount: Amount,
    },
    /// The reader closed the grant.
    Closed {
        /// How many receipts the grant had.
        count: u16,
        /// What its good vends came to.
        total: Amount,
    },
}

/// How a delivery is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The machine said so.
    Told,
    /// The machine was reset this long after its approval, which counts as delivered.
    Reset {
        /// From approval to reset.
        after: Duration,
    },
}

/// What somebody decided about a vend, or about cash, that nobody saw.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The product was delivered.
    Charge,
    /// It was not, or nobody can tell.
    Forgive,
    /// The cash was put in.
    Credit,
    /// It was not.
    Decline,
}

impl Verdict {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Charge => 0,
            Self::Forgive => 1,
            Self::Credit => 2,
            Self::Decline => 3,
        }
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        [Self::Charge, Self::Forgive, Self::Credit, Self::Decline]
            .into_iter()
            .find(|verdict| verdict.code() == code)
    }
}
