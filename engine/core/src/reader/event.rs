use super::{Answer, Ask, Hello, NextKeys, Scanned};
use crate::id::{
    Chain, JournalEpoch, MachineId, Nonce, OperatorId, ReaderKey, Rseq, TokenKey, VmcId,
};
use crate::money::Currency;
use crate::notice::Notice;
use crate::receipt::Receipt;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// What has happened to a reader.
#[allow(
    clippy::large_enum_variant,
    reason = "news are what nearly all of them are; records box them"
)]
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was enrolled.
    Enrolled {
        /// Its public key.
        key: ReaderKey,
        /// The machine that it serves.
        machine: MachineId,
        /// Whose it is.
        operator: OperatorId,
        /// What its machine sells in.
        currency: Currency,
    },
    /// An envelope's news were taken in.
    Heard {
        /// The journal epoch of the receipts.
        epoch: JournalEpoch,
        /// What that epoch's first receipt links to.
        first: Chain,
        /// Receipts that are new.
        receipts: Vec<Receipt>,
        /// The HELLO, when it is the newest.
        hello: Option<Hello>,
        /// The claim on it, when it is new.
        ask: Option<Ask>,
        /// Notices for the technician that are new.
        notices: Vec<Notice>,
        /// What contradicts what was known.
        contradiction: Option<Contradiction>,
        /// When.
        at: Timestamp,
    },
    /// Receipts up to this one have had their effect.
    Applied {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The last of them.
        rseq: Rseq,
    },
    /// A claim was answered.
    Answered {
        /// The HELLO's nonce.
        nonce: Nonce,
        /// The answer.
        answer: Answer,
    },
    /// Nothing of a claim can vend any more, and its hold is gone.
    Fenced {
        /// The HELLO's nonce.
        nonce: Nonce,
    },
    /// Its operator revoked it.
    Revoked,
    /// The key of its codes is kept, or a step is used up.
    TokensKept {
        /// The key, when it is new.
        key: Option<TokenKey>,
        /// The last step used.
        step: u64,
    },
    /// The news beside a code on show were taken in.
    Scanned(Box<Scanned>),
    /// It keeps no whole receipt before this one any more, and their brief form is known.
    Forgotten {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The oldest receipt that it keeps.
        oldest: Rseq,
        /// The chain before that one.
        chain: Chain,
    },
    /// It has announced its next keys.
    KeyAnnounced(NextKeys),
    /// It has announced another key under a number that has one.
    KeyDisputed {
        /// The number.
        epoch: u16,
    },
    /// An envelope came under the keys that it had announced: the ones before open nothing more.
    KeySwitched {
        /// Their number.
        epoch: u16,
    },
    /// An envelope of it came under a newer key of the server.
    ServerFollowed {
        /// The epoch of that key.
        epoch: u16,
    },
    /// Its HELLO names another controller than before: somebody has to look.
    ControllerDoubted {
        /// The controller.
        vmc: VmcId,
    },
    /// Somebody has looked.
    ControllerTrusted,
}

/// What a reader said that cannot be true beside what it said before.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contradiction {
    /// The same receipt number with other content.
    OtherContent {
        /// The number.
        rseq: u64,
    },
    /// A receipt that does not link to the one before.
    BrokenChain {
        /// The number.
        rseq: u64,
    },
    /// A HELLO that does not know a receipt written before it.
    Rollback {
        /// The receipt.
        rseq: u64,
    },
    /// A newest HELLO in a journal that was replaced before.
    OldEpoch,
}
