use super::{Answer, EPOCHS_MAX, News, NextKeys, Scan};
use crate::id::{
    Chain, JournalEpoch, MachineId, Nonce, OperatorId, ReaderKey, Rseq, TokenKey, VmcId,
};
use crate::money::Currency;

/// What a reader can be asked to take in.
#[allow(
    clippy::large_enum_variant,
    reason = "news are what nearly all of them are; records box them"
)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// An operator enrols it.
    Enrol {
        /// Its public key.
        key: ReaderKey,
        /// The machine that it serves.
        machine: MachineId,
        /// Whose it is.
        operator: OperatorId,
        /// What its machine sells in.
        currency: Currency,
    },
    /// An authentic envelope came.
    Hear(News),
    /// A receipt has had its effect.
    Apply {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The receipt.
        rseq: Rseq,
    },
    /// A claim has its answer.
    Answer {
        /// The HELLO's nonce.
        nonce: Nonce,
        /// The answer.
        answer: Answer,
    },
    /// A claim's hold is gone for good.
    Fence {
        /// The HELLO's nonce.
        nonce: Nonce,
    },
    /// Its operator revokes it.
    Revoke,
    /// It told the key of the codes that it shows, or the last step it used.
    KeepTokens {
        /// The key, when it told one.
        key: Option<TokenKey>,
        /// The last step used.
        step: u64,
    },
    /// Somebody brought an authentic code that it had on show.
    Scan(Scan),
    /// Its newest HELLO says that it keeps no receipt before this one.
    Forget {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The oldest receipt that it keeps.
        oldest: Rseq,
        /// The chain before that one.
        chain: Chain,
    },
    /// It announces its next keys, under the one in use.
    Announce(NextKeys),
    /// An envelope came under the keys that it had announced.
    Switch {
        /// Their number.
        epoch: u16,
    },
    /// An envelope of it came under this key of the server.
    Follow {
        /// The epoch of that key.
        server: u16,
    },
    /// A HELLO newer than all others names this controller.
    DoubtController {
        /// The controller.
        vmc: VmcId,
    },
    /// Its operator has looked at the machine that it is at.
    TrustController,
}

/// A reader's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody has enrolled it.
    #[error("no such reader is enrolled")]
    Unknown,
    /// It is enrolled already, in another way.
    #[error("the reader is enrolled already, in another way")]
    Enrolled,
    /// Its operator has revoked it.
    #[error("the reader is revoked")]
    Revoked,
    /// More than one envelope can hold.
    #[error("more news than one envelope can hold")]
    TooMuch,
    /// Too many journals.
    #[error("the reader has begun more than {EPOCHS_MAX} journals whose receipts are not all in")]
    TooManyEpochs,
    /// There is no such claim.
    #[error("no such claim")]
    NoSuchClaim,
    /// It shows no codes.
    #[error("the reader has told no key of codes")]
    NoTokens,
    /// It told another key before.
    #[error("the reader has told another key of codes before")]
    OtherTokenKey,
    /// It announces a key that has had its time.
    #[error("the reader announces a key of before")]
    OldKey,
    /// It has announced another key under this number before.
    #[error("the reader has announced another key under this number before")]
    OtherKey,
}
