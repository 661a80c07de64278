use super::Limits;
use crate::grant::{Parts, Purpose, Terms};
use crate::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use crate::money::{Amount, Currency};
use crate::time::Timestamp;
use crate::transfer::Party;
use rkyv::{Archive, Deserialize, Serialize};

/// Why a hold ended.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Who asked for it, or its reader, is done.
    Closed,
    /// A later HELLO of its reader proved that nothing of it can come any more.
    Fenced,
    /// Nothing was heard for too long.
    TimedOut,
    /// Its reader is gone for good, by theft, fire or a new journal: nobody knows what it did.
    ReaderLost,
}

/// Why a receipt moved no money though it says that something was sold.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum StrayReason {
    /// It came after its grant had ended.
    AfterEnd,
    /// It asks for more than the grant's cap or count allowed.
    OverCap,
}

/// Whether a person should look at a capture.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Review {
    /// No.
    Unneeded,
    /// Yes: the machine was reset right after it was approved.
    RefundQueue,
}

/// Why a closed wallet was credited without a transfer.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credit {
    /// Cash was put in; the reader saw it.
    Cash,
    /// Cash may have been put in; the customer is believed this time.
    Believed,
    /// Somebody decided that cash was put in.
    Judged,
    /// The machine took something back.
    TakenBack,
}

/// For whom a dispute is decided.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Favour {
    /// The money goes back.
    Customer,
    /// The sale stands.
    Operator,
}

/// What has happened to a wallet.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was opened.
    Opened {
        /// In this currency.
        currency: Currency,
    },
    /// E-money came in.
    ToppedUp {
        /// The transfer's name.
        key: TransferId,
        /// All of it.
        amount: Amount,
        /// What of it went to repay debts.
        repaid: Vec<(OperatorId, Amount)>,
    },
    /// An operator gave to its closed wallet.
    Given {
        /// The transfer's name.
        key: TransferId,
        /// The operator.
        operator: OperatorId,
        /// How much.
        amount: Amount,
    },
    /// Money is held.
    Reserved {
        /// The hold's name.
        vend: VendId,
        /// What it is for.
        terms: Terms,
        /// What is held.
        held: Parts,
        /// How much cash may be put in.
        revalue: Amount,
        /// When.
        at: Timestamp,
    },
    /// A release came before its hold, which is barred for ever.
    Barred {
        /// The hold's name.
        vend: VendId,
    },
    /// A sale was paid.
    Captured {
        /// The hold it was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// Who is paid.
        operator: OperatorId,
        /// Where.
        machine: MachineId,
        /// The selection.
        item: Item,
        /// What for; a test is paid by the operator.
        purpose: Purpose,
        /// What was taken, and whence.
        parts: Parts,
        /// What could not be taken any more: the customer owes it.
        debt: Amount,
        /// The platform's share.
        fee: Amount,
        /// Whether a person should look at it.
        review: Review,
        /// What is free again, when the hold was closed with it.
        freed: Option<Parts>,
        /// When it was booked.
        at: Timestamp,
    },
    /// A closed wallet was credited at a machine.
    Credited {
        /// The hold it came under.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// Whose closed wallet.
        operator: OperatorId,
        /// Where.
        machine: MachineId,
        /// All of it.
        amount: Amount,
        /// What of it went to repay a debt to that operator.
        repaid: Amount,
        /// Why.
        credit: Credit,
        /// When it was booked.
        at: Timestamp,
    },
    /// Cash that nobody saw waits for a decision.
    CashDoubted {
        /// The hold it came under.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// How much it may have been.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// Somebody decided that no cash was put in.
    CashDeclined {
        /// The hold it came under.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
    },
    /// A capture, or a part of it, was given back.
    Refunded {
        /// The transfer's name.
        key: TransferId,
        /// The hold it was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// Who gives it back.
        operator: OperatorId,
        /// Where it was sold.
        machine: MachineId,
        /// What goes back, and where to.
        parts: Parts,
        /// What of a debt is forgiven instead.
        forgiven: Amount,
        /// When.
        at: Timestamp,
    },
    /// The reader of a hold is gone for good; what was held waits for a decision.
    Orphaned {
        /// The hold.
        vend: VendId,
        /// When.
        at: Timestamp,
    },
    /// A vend failed; nothing moves.
    Failed {
        /// The hold.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
    },
    /// A vend that nobody saw is not charged.
    Excused {
        /// The hold.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// What it would have cost.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// A vend that nobody saw waits for a decision; its price stays held.
    Doubted {
        /// The hold.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// The selection.
        item: Item,
        /// What stays held for it.
        parts: Parts,
        /// When.
        at: Timestamp,
    },
    /// A receipt moved no money though it says that something was sold: an alarm.
    Stray {
        /// The hold.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// The price it names.
        amount: Amount,
        /// Why.
        reason: StrayReason,
    },
    /// A close does not fit the receipts before it: an alarm; the next fence ends the hold.
    Closing {
        /// The hold.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
    },
    /// A hold ended.
    Released {
        /// The hold.
        vend: VendId,
        /// The receipt that said so, when one did.
        rseq: Option<Rseq>,
        /// Why.
        reason: Reason,
        /// What is free again.
        freed: Parts,
        /// When.
        at: Timestamp,
    },
    /// What may be spent is limited from here on.
    Limited {
        /// This setting's name.
        key: TransferId,
        /// The limits.
        limits: Limits,
    },
    /// E-money has left for another wallet.
    Sent {
        /// The transfer's name.
        key: TransferId,
        /// Where to.
        to: WalletId,
        /// How much.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// E-money has come in that was sent.
    Received {
        /// The transfer's name.
        key: TransferId,
        /// Where from.
        from: Party,
        /// All of it.
        amount: Amount,
        /// What of it went to repay debts.
        repaid: Vec<(OperatorId, Amount)>,
        /// When.
        at: Timestamp,
    },
    /// What was sent is never taken.
    TurnedAway {
        /// The transfer's name.
        key: TransferId,
        /// Where from.
        from: Party,
        /// How much.
        amount: Amount,
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
        /// How much.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// Debts were repaid with e-money that was there.
    Repaid {
        /// The repayment's name.
        key: TransferId,
        /// To whom, and how much.
        repaid: Vec<(OperatorId, Amount)>,
    },
    /// A debt, or a part of it, was given up.
    WrittenOff {
        /// The write-off's name.
        key: TransferId,
        /// Who gave it up.
        operator: OperatorId,
        /// How much.
        amount: Amount,
    },
    /// E-money came in that was paid by card and has not reached the issuer.
    ToppedUpByCard {
        /// The payment's name.
        key: TransferId,
        /// All of it.
        amount: Amount,
        /// What of it went to repay debts.
        repaid: Vec<(OperatorId, Amount)>,
    },
    /// A payment by card has reached the issuer.
    CardSettled {
        /// The payment's name.
        key: TransferId,
        /// What came of it.
        amount: Amount,
    },
    /// A payment, or a part of it, was charged back.
    ChargedBack {
        /// The chargeback's name.
        key: TransferId,
        /// The payment's name.
        top_up: TransferId,
        /// What of it had not reached the issuer, and never does.
        unsettled: Amount,
        /// What of it the issuer has paid back.
        settled: Amount,
        /// What e-money was taken for it.
        taken: Amount,
        /// What was not there: the platform pays it for now, and the customer owes it.
        owed: Amount,
    },
    /// A customer disputes a sale: its money is set aside.
    Disputed {
        /// The dispute's name.
        key: TransferId,
        /// The hold that the sale was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// Who was paid.
        operator: OperatorId,
        /// How much.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// A dispute was decided.
    DisputeEnded {
        /// The dispute's name.
        key: TransferId,
        /// The hold that the sale was paid from.
        vend: VendId,
        /// The receipt.
        rseq: Rseq,
        /// Who was paid.
        operator: OperatorId,
        /// How much.
        amount: Amount,
        /// For whom.
        favour: Favour,
        /// When.
        at: Timestamp,
    },
}

impl Event {
    /// The hold that ended with it, and why.
    #[expect(clippy::wildcard_enum_match_arm, reason = "three events end a hold")]
    pub const fn ended(&self) -> Option<(VendId, Reason)> {
        match self {
            Self::Released { vend, reason, .. } => Some((*vend, *reason)),
            Self::Orphaned { vend, .. } => Some((*vend, Reason::ReaderLost)),
            Self::Captured {
                vend,
                freed: Some(_),
                ..
            } => Some((*vend, Reason::Closed)),
            _ => None,
        }
    }

    /// The hold that it is about, when it is about one.
    pub const fn vend(&self) -> Option<VendId> {
        match self {
            Self::Opened { .. }
            | Self::ToppedUp { .. }
            | Self::Given { .. }
            | Self::Limited { .. }
            | Self::Sent { .. }
            | Self::Received { .. }
            | Self::TurnedAway { .. }
            | Self::Delivered { .. }
            | Self::Returned { .. }
            | Self::Repaid { .. }
            | Self::WrittenOff { .. }
            | Self::ToppedUpByCard { .. }
            | Self::CardSettled { .. }
            | Self::ChargedBack { .. } => None,
            Self::Reserved { vend, .. }
            | Self::Barred { vend }
            | Self::Captured { vend, .. }
            | Self::Credited { vend, .. }
            | Self::CashDoubted { vend, .. }
            | Self::CashDeclined { vend, .. }
            | Self::Refunded { vend, .. }
            | Self::Orphaned { vend, .. }
            | Self::Failed { vend, .. }
            | Self::Excused { vend, .. }
            | Self::Doubted { vend, .. }
            | Self::Stray { vend, .. }
            | Self::Closing { vend, .. }
            | Self::Disputed { vend, .. }
            | Self::DisputeEnded { vend, .. }
            | Self::Released { vend, .. } => Some(*vend),
        }
    }
}
