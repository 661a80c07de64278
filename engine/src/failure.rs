use core::time::Duration;
use gettone_core::id::WalletId;
use gettone_core::port::Seq;
use gettone_core::port::StoreFault;
use gettone_core::session::OutOfSequence;
use gettone_core::snapshot::SnapshotFault;
use gettone_core::{machine, operator, reader, wallet};
use std::io;
use std::sync::Arc;

/// Why a call gave nothing. Except for `Refused` and `Full`, the same call with the same names may
/// be made again: whatever it did already, it does once.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure<R> {
    /// The rules say no, and what that rests on is durable.
    #[error("{0}")]
    Refused(R),
    /// A bound of the engine is reached; nothing was done.
    #[error("at most {limit} {what}")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Too many calls are in flight; nothing was done.
    #[error("too many calls are in flight; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// A rule panicked over it, which is a bug of the engine: nothing of it was done, or of this
    /// step of it when it has several. Its shard is rebuilt from the journal, and goes on.
    #[error("a rule of the engine panicked over this, and nothing of it was done; report it")]
    Panicked,
    /// No answer came in time: whether it was done is unknown. Ask again with the same names.
    #[error("no answer came in time; ask again with the same names")]
    TimedOut,
    /// The engine has stopped: whether it was done is unknown. Ask again after its restart, with
    /// the same names.
    #[error("the engine has stopped; ask again after its restart, with the same names")]
    Stopped,
}

impl<R> Failure<R> {
    /// The same failure, with the refusal told in other words.
    pub fn map_refused<S>(self, tell: impl FnOnce(R) -> S) -> Failure<S> {
        match self {
            Self::Refused(refusal) => Failure::Refused(tell(refusal)),
            Self::Full { what, limit } => Failure::Full { what, limit },
            Self::Busy { retry_after } => Failure::Busy { retry_after },
            Self::Panicked => Failure::Panicked,
            Self::TimedOut => Failure::TimedOut,
            Self::Stopped => Failure::Stopped,
        }
    }
}

/// A session's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionRefusal {
    /// The wallet says no.
    #[error(transparent)]
    Wallet(#[from] wallet::Refusal),
    /// The step does not fit where the session stands.
    #[error(transparent)]
    OutOfSequence(#[from] OutOfSequence),
    /// There is no such session.
    #[error("there is no such session")]
    NoSuchSession,
    /// It is over, and cannot be opened again.
    #[error("the session is over")]
    Over,
    /// Another session has this name.
    #[error("another session has this name")]
    NameReused,
    /// The terms are for another machine or operator than the session.
    #[error("the terms are for another machine or operator than the session")]
    Elsewhere,
    /// The wallet has too many live sessions.
    #[error("wallet {wallet} has {limit} live sessions already")]
    TooMany {
        /// The wallet.
        wallet: WalletId,
        /// The bound.
        limit: usize,
    },
}

/// Why money does not go from one wallet, or from an operator, to another wallet.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TransferRefusal {
    /// The wallet that pays says no: nothing has left it.
    #[error("the paying wallet: {0}")]
    Sender(wallet::Refusal),
    /// The operator that pays may not: nothing has left it.
    #[error(transparent)]
    Operator(#[from] OperatorRefusal),
    /// No wallet of that number is open: nothing has left.
    #[error("the wallet that should be paid was never opened")]
    NoReceiver,
    /// A wallet pays no money to itself.
    #[error("a wallet pays no money to itself")]
    ToItself,
    /// The wallet that should be paid turned the money away: it is back.
    #[error("the money is back; the wallet that should be paid: {0}")]
    Receiver(wallet::Refusal),
}

/// Why an operator's money does not move.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OperatorRefusal {
    /// The rules say no. With [`operator::Refusal::Behind`] what was earned is still being added
    /// up: ask again later, with the same name.
    #[error(transparent)]
    Rules(#[from] operator::Refusal),
    /// The store cannot be read beside its appends, so nobody can tell what was earned.
    #[error("this store cannot be read while it is written: nothing can be paid out of it")]
    NoHistory,
    /// What was earned could not be read; the log says why.
    #[error("the journal could not be read to add up what was earned; the log says why")]
    Unreadable,
}

/// Why records of the past are not shown.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrailRefusal {
    /// The store cannot be read beside its appends.
    #[error("this store cannot be read while it is written")]
    NoHistory,
    /// No record stands there yet.
    #[error("the next record will be {}", next.number())]
    Ahead {
        /// Where the next record will stand.
        next: Seq,
    },
}

/// Why a trail of records ends before the engine does.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum TrailFault {
    /// Whoever reads it was too slow for what came live. It can begin again behind the last record.
    #[error("too slow: cut off after {last:?}")]
    Lagged {
        /// The last record that was given, if any.
        last: Option<Seq>,
    },
    /// There are too many subscribers to go on live.
    #[error("at most {limit} subscribers")]
    Full {
        /// The bound.
        limit: usize,
    },
    /// What is stored could not be read.
    #[error("reading the journal: {0}")]
    Store(#[from] StoreFault),
    /// What is stored is no record of this engine.
    #[error("record {} cannot be read: {what}", seq.number())]
    Record {
        /// Where it stands.
        seq: Seq,
        /// What is wrong with it.
        what: String,
    },
}

/// Why a reader is not replaced.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplaceRefusal {
    /// One of the readers says no.
    #[error(transparent)]
    Reader(#[from] reader::Refusal),
    /// Their machine says no.
    #[error(transparent)]
    Machine(#[from] machine::Refusal),
}

/// Why there is no snapshot. Nothing is lost by it: the journal holds everything, and the shelf
/// keeps the last complete one.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum SnapshotFailure {
    /// The store keeps none.
    #[error("this store keeps no snapshots")]
    NoShelf,
    /// The shelf failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// An entity could not be archived.
    #[error(transparent)]
    Entity(#[from] SnapshotFault),
    /// An earlier one failed, and there are none until the next start; or the engine has stopped.
    #[error("no more snapshots until the next start")]
    Stopped,
}

/// Why an engine did not start.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum StartFault {
    /// A setting is out of its bounds.
    #[error("{what}: between 1 and {limit}")]
    Settings {
        /// Which.
        what: &'static str,
        /// Its bound.
        limit: usize,
    },
    /// The journal could not be read.
    #[error("reading the journal: {0}")]
    Store(#[from] StoreFault),
    /// A thread could not be started.
    #[error("starting a thread: {0}")]
    Thread(#[from] io::Error),
    /// It stopped again before it had taken up the work that was cut off last time.
    #[error("taking up unfinished work: {0}")]
    Stopped(Arc<StopCause>),
}

/// What stopped an engine for good.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum StopCause {
    /// A write or sync failed: only a restart tells what is durable.
    #[error("the journal failed: {0}")]
    Store(StoreFault),
    /// Rules panicked again and again, or the shard could not be rebuilt after one. What they had
    /// changed is in no journal, so the state in memory cannot be trusted; a restart rebuilds it.
    #[error("rules of shard {shard} panicked, and it cannot be rebuilt again")]
    Bug {
        /// Where.
        shard: usize,
    },
    /// The journal's own thread panicked.
    #[error("the journal's thread panicked")]
    Journal,
    /// A thread of the engine is gone.
    #[error("a thread of the engine is gone")]
    Thread,
}

/// Why a shutdown was not a clean one.
#[derive(thiserror::Error, Clone, Debug)]
#[non_exhaustive]
pub enum ShutdownFault {
    /// It had stopped before.
    #[error("the engine had stopped: {0}")]
    Stopped(Arc<StopCause>),
    /// Calls were still unanswered when their deadlines had passed.
    #[error("{in_flight} calls were still unanswered")]
    Unanswered {
        /// How many.
        in_flight: usize,
    },
}
