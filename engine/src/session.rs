use crate::failure::SessionRefusal;
use crate::journal::Durable;
use gettone_core::grant::{GrantState, Parts, Terms};
use gettone_core::id::{MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::session::Phase;
use gettone_core::time::Timestamp;
use gettone_core::wallet::{self, Balance, Outcome, Reason};

/// What a session can be asked to do, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionCommand {
    /// Who pays.
    pub wallet: WalletId,
    /// The session, which is its hold's name as well.
    pub session: VendId,
    /// What to do.
    pub action: Action,
}

/// What a session can be asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Opens it, before a machine.
    Open {
        /// The machine.
        machine: MachineId,
        /// Whose machine it is.
        operator: OperatorId,
    },
    /// Holds money.
    Reserve {
        /// For what.
        terms: Terms,
    },
    /// Opens it and holds money, or does neither.
    Begin {
        /// For what, and so where and whose machine it is.
        terms: Terms,
    },
    /// Takes in what happened. When the session is over, it goes to its hold alone.
    Settle {
        /// Which receipt says so.
        rseq: Rseq,
        /// What happened.
        outcome: Outcome,
    },
    /// Takes in what happened and ends it, as one: for whoever sells one thing and is done.
    Finish {
        /// Which receipt says so.
        rseq: Rseq,
        /// What happened.
        outcome: Outcome,
    },
    /// Ends it, and frees what is still held. When the session is over, it goes to its hold alone.
    Release {
        /// Why.
        reason: Reason,
    },
}

/// What became of a session's command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Where the session stands; [`Phase::Over`] when it is gone.
    pub phase: Phase,
    /// What moved in the wallet; none when nothing did, or had before.
    pub event: Option<wallet::Event>,
    /// Its hold, once it has one.
    pub hold: Option<Hold>,
}

/// A hold, as its owner may see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// What became of it.
    pub state: GrantState,
    /// What was held at first.
    pub held_first: Amount,
    /// What is still held.
    pub held: Parts,
    /// What was charged for, debt included.
    pub captured: Amount,
    /// Good vends so far.
    pub vends: u8,
    /// How much cash may still be put in.
    pub revalue_left: Amount,
    /// What may be spent at its operator beside it.
    pub available: Parts,
}

/// A hold of which nothing was heard for long: its reader waits for a phone to pass by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stale {
    /// Who pays.
    pub wallet: WalletId,
    /// The hold's name.
    pub session: VendId,
    /// Where.
    pub machine: MachineId,
    /// Whose machine it is.
    pub operator: OperatorId,
    /// What is still held.
    pub held: Amount,
    /// Since when.
    pub since: Timestamp,
}

/// What a wallet command came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// What moved; none when it had before.
    pub event: Option<wallet::Event>,
    /// What the wallet shows after it.
    pub balance: Balance,
}

/// One answer of a batch.
pub type Answered = Result<Durable<Progress>, crate::Failure<SessionRefusal>>;
