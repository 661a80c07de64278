use super::{Durable, Queued};
use crate::failure::{Failure, SessionRefusal};
use crate::operators::Payout;
use crate::pipeline::Answer;
use crate::relay::Stood;
use crate::session::{Answered, Hold, Moved, Progress, Stale};
use core::convert::Infallible;
use core::time::Duration;
use gettone_core::lock::Lock;
use gettone_core::machine::{self, Machine};
use gettone_core::operator::{self, Operator};
use gettone_core::port::Seq;
use gettone_core::reader::{self, Reader};
use gettone_core::transfer::Transfer;
use gettone_core::wallet::{self, Balance, Wallet};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Where one call's answer goes, and what it waits for.
#[derive(Debug)]
pub(crate) enum Reply<T, R> {
    /// To a caller: it waits for the disk.
    Durable(oneshot::Sender<Result<Durable<T>, Failure<R>>>),
    /// To the next step of the same call: it waits for its place in the journal's queue.
    Queued(oneshot::Sender<Result<Queued<T>, Failure<R>>>),
}

impl<T, R> Reply<T, R> {
    /// Answers. The caller may have gone; what it asked for is done all the same.
    fn send(self, outcome: Result<T, Failure<R>>) -> bool {
        match self {
            Self::Durable(caller) => caller.send(outcome.map(Durable)).is_ok(),
            Self::Queued(step) => step.send(outcome.map(Queued)).is_ok(),
        }
    }
}

/// What an answer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Its records, and all before them, are durable.
    Durable,
    /// Its records stand in the journal's queue.
    Queued,
}

/// A decided call: its answer is known, and waits.
#[derive(Debug)]
pub(crate) struct Held<T, R> {
    outcome: Result<T, Failure<R>>,
    reply: Option<Reply<T, R>>,
    deadline: Duration,
    credits: usize,
}

impl<T, R> Held<T, R> {
    pub(crate) fn new(outcome: Result<T, Failure<R>>, reply: Reply<T, R>, due: Due) -> Self {
        Self {
            outcome,
            reply: Some(reply),
            deadline: due.deadline,
            credits: due.credits,
        }
    }

    const fn when(&self) -> When {
        match self.reply {
            Some(Reply::Queued(_)) => When::Queued,
            Some(Reply::Durable(_)) | None => When::Durable,
        }
    }

    const fn deadline(&self) -> Duration {
        self.deadline
    }

    const fn credits(&self) -> usize {
        self.credits
    }

    fn release(self) {
        if let Some(reply) = self.reply {
            reply.send(self.outcome);
        }
    }

    fn fail(&mut self, failure: Failure<R>) -> bool {
        self.reply
            .take()
            .is_some_and(|reply| reply.send(Err(failure)))
    }
}

/// By when a call is to be answered, and how many credits it gives back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) deadline: Duration,
    pub(crate) credits: usize,
}

/// A decided batch of session commands.
#[derive(Debug)]
pub(crate) struct HeldBatch {
    outcomes: Vec<Result<Progress, Failure<SessionRefusal>>>,
    reply: Option<oneshot::Sender<Vec<Answered>>>,
    deadline: Duration,
    credits: usize,
}

impl HeldBatch {
    pub(crate) fn new(
        outcomes: Vec<Result<Progress, Failure<SessionRefusal>>>,
        reply: oneshot::Sender<Vec<Answered>>,
        due: Due,
    ) -> Self {
        Self {
            outcomes,
            reply: Some(reply),
            deadline: due.deadline,
            credits: due.credits,
        }
    }

    const fn when(&self) -> When {
        When::Durable
    }

    const fn deadline(&self) -> Duration {
        self.deadline
    }

    const fn credits(&self) -> usize {
        self.credits
    }

    fn release(self) {
        if let Some(reply) = self.reply {
            let answers = self
                .outcomes
                .into_iter()
                .map(|outcome| outcome.map(Durable))
                .collect();
            let _ = reply.send(answers);
        }
    }

    fn fail(&mut self, failure: Failure<SessionRefusal>) -> bool {
        let count = self.outcomes.len();
        self.reply
            .take()
            .is_some_and(|reply| reply.send(vec![Err(failure); count]).is_ok())
    }
}

/// The tag of a command, and what it came to.
pub(crate) type Tagged = (u64, Result<Option<Hold>, Failure<SessionRefusal>>);

/// A decided lane of a pipeline: its answers travel together.
#[derive(Debug)]
pub(crate) struct HeldLane {
    outcomes: Vec<Tagged>,
    reply: Option<UnboundedSender<Vec<Answer>>>,
    deadline: Duration,
}

impl HeldLane {
    pub(crate) fn new(
        outcomes: Vec<Tagged>,
        reply: UnboundedSender<Vec<Answer>>,
        deadline: Duration,
    ) -> Self {
        Self {
            outcomes,
            reply: Some(reply),
            deadline,
        }
    }

    const fn when(&self) -> When {
        When::Durable
    }

    const fn deadline(&self) -> Duration {
        self.deadline
    }

    const fn credits(&self) -> usize {
        self.outcomes.len()
    }

    fn release(mut self) {
        if let Some(reply) = self.reply.take() {
            let answers = core::mem::take(&mut self.outcomes)
                .into_iter()
                .map(|(tag, outcome)| Answer {
                    tag,
                    outcome: outcome.map(Durable),
                })
                .collect();
            let _ = reply.send(answers);
        }
    }

    fn fail(&mut self, failure: Failure<SessionRefusal>) -> bool {
        let Some(reply) = self.reply.take() else {
            return false;
        };
        let answers = self.outcomes.iter().map(|(tag, _)| Answer {
            tag: *tag,
            outcome: Err(failure),
        });
        reply.send(answers.collect()).is_ok()
    }
}

impl Drop for HeldLane {
    fn drop(&mut self) {
        // A pipeline counts its answers: it gets one for each command, whatever happens.
        self.fail(Failure::Stopped);
    }
}

/// A cut of a shard: once everything before it is durable, its place is told.
#[derive(Debug)]
pub(crate) struct HeldCut {
    reply: Option<oneshot::Sender<Seq>>,
    place: Arc<OnceLock<Seq>>,
}

impl HeldCut {
    /// `place` is told as soon as the cut lies somewhere.
    pub(crate) const fn new(reply: oneshot::Sender<Seq>, place: Arc<OnceLock<Seq>>) -> Self {
        Self {
            reply: Some(reply),
            place,
        }
    }

    const fn when(&self) -> When {
        When::Durable
    }

    const fn deadline(&self) -> Duration {
        Duration::MAX
    }

    const fn credits(&self) -> usize {
        0
    }

    fn release(self) {
        if let (Some(reply), Some(place)) = (self.reply, self.place.get()) {
            let _ = reply.send(*place);
        }
    }

    fn fail(&mut self, _: Failure<Infallible>) -> bool {
        // Dropped, it tells that there is no cut.
        self.reply.take().is_some()
    }
}

/// An answer that waits, of whichever kind.
#[derive(Debug)]
pub(crate) enum Waiting {
    Wallet(Held<Moved, wallet::Refusal>),
    Session(Held<Progress, SessionRefusal>),
    Batch(HeldBatch),
    Lane(HeldLane),
    Cut(HeldCut),
    Machine(Held<Option<machine::Event>, machine::Refusal>),
    Reader(Held<Option<reader::Event>, reader::Refusal>),
    Relay(Held<Stood, reader::Refusal>),
    Attended(Held<Option<Lock>, machine::Refusal>),
    Operator(Held<Option<operator::Event>, operator::Refusal>),
    SeenOperator(Held<Option<Box<Operator>>, Infallible>),
    SeenTransfers(Held<Vec<Transfer>, Infallible>),
    SeenPayouts(Held<Vec<Payout>, Infallible>),
    SeenStale(Held<Vec<Stale>, Infallible>),
    Released(Held<usize, Infallible>),
    SeenBalance(Held<Option<Balance>, Infallible>),
    SeenWallet(Held<Option<Box<Wallet>>, Infallible>),
    SeenMachine(Held<Option<Box<Machine>>, Infallible>),
    SeenReader(Held<Option<Box<Reader>>, Infallible>),
    Drained(Held<(), Infallible>),
}

macro_rules! each {
    ($waiting:expr, $held:ident => $answer:expr) => {
        match $waiting {
            Waiting::Wallet($held) => $answer,
            Waiting::Session($held) => $answer,
            Waiting::Batch($held) => $answer,
            Waiting::Lane($held) => $answer,
            Waiting::Cut($held) => $answer,
            Waiting::Machine($held) => $answer,
            Waiting::Reader($held) => $answer,
            Waiting::Relay($held) => $answer,
            Waiting::Attended($held) => $answer,
            Waiting::Operator($held) => $answer,
            Waiting::SeenOperator($held) => $answer,
            Waiting::SeenTransfers($held) => $answer,
            Waiting::SeenPayouts($held) => $answer,
            Waiting::SeenStale($held) => $answer,
            Waiting::Released($held) => $answer,
            Waiting::SeenBalance($held) => $answer,
            Waiting::SeenWallet($held) => $answer,
            Waiting::SeenMachine($held) => $answer,
            Waiting::SeenReader($held) => $answer,
            Waiting::Drained($held) => $answer,
        }
    };
}

impl Waiting {
    /// Tells a cut where it lies.
    pub(super) fn lies_at(&mut self, place: Seq) {
        if let Self::Cut(cut) = self {
            // It lies in one bundle, which is merged once.
            let _ = cut.place.set(place);
        }
    }

    pub(super) const fn when(&self) -> When {
        each!(self, held => held.when())
    }

    pub(super) fn deadline(&self) -> Duration {
        each!(self, held => held.deadline())
    }

    pub(super) fn credits(&self) -> usize {
        each!(self, held => held.credits())
    }

    /// Answers: what it waited for is so.
    pub(super) fn release(self) {
        each!(self, held => held.release());
    }

    /// Answers that the outcome is unknown, because time is up; false when somebody was told
    /// before.
    pub(super) fn time_out(&mut self) -> bool {
        each!(self, held => held.fail(Failure::TimedOut))
    }

    /// Answers that the outcome is unknown, because the engine has stopped.
    pub(super) fn abandon(mut self) {
        each!(&mut self, held => held.fail(Failure::Stopped));
    }
}
