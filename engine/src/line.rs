use crate::bounds::BATCH_MAX;
use crate::clock::Uptime;
use crate::directory::{machine_shard, operator_shard, reader_shard, wallet_shard};
use crate::failure::{Failure, SessionRefusal};
use crate::gate::Gate;
use crate::host::{Request, Submission};
use crate::journal::{Due, Durable, Queued, Reply};
use crate::metrics::Counters;
use crate::operators::Payout;
use crate::pipeline::Lane;
use crate::relay::{Stood, View};
use crate::session::{Answered, Moved, Progress, SessionCommand, Stale};
use crate::shard::Shard;
use actix::Addr;
use core::convert::Infallible;
use core::time::Duration;
use gettone_core::id::{MachineId, OperatorId, ReaderId, WalletId};
use gettone_core::lock::Lock;
use gettone_core::operator::Operator;
use gettone_core::transfer::Transfer;
use gettone_core::wallet::{self, Balance};
use gettone_core::{machine, operator, reader};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the requests for one shard go.
#[derive(Debug)]
pub(crate) enum Mailbox {
    /// To an actor on a thread of its own.
    Actor(Addr<Shard>),
    /// To whoever plays the scheduler.
    #[cfg(test)]
    Queue(Arc<std::sync::Mutex<std::collections::VecDeque<Submission>>>),
}

impl Mailbox {
    fn put(&self, submission: Submission) {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one submit path: credits bound the mailbox, and the reply tells of loss"
            )]
            Self::Actor(shard) => shard.do_send(submission),
            #[cfg(test)]
            Self::Queue(queue) => queue
                .lock()
                .expect("nobody panics with it")
                .push_back(submission),
        }
    }
}

/// The one way to a shard. Whoever submits holds a credit, or belongs to a call that does, and
/// always gets an answer.
#[derive(Debug)]
pub(crate) struct Line {
    shards: Vec<Mailbox>,
    gate: Arc<Gate>,
    counters: Arc<Counters>,
    uptime: Uptime,
    patience: Duration,
}

impl Line {
    pub(crate) fn new(
        shards: Vec<Mailbox>,
        gate: Arc<Gate>,
        counters: Arc<Counters>,
        time: (Uptime, Duration),
    ) -> Self {
        Self {
            shards,
            gate,
            counters,
            uptime: time.0,
            patience: time.1,
        }
    }

    /// Takes one call in, from outside.
    pub(crate) async fn call<T, R>(
        &self,
        shard: usize,
        request: impl FnOnce(Reply<T, R>) -> Request,
    ) -> Result<Durable<T>, Failure<R>> {
        self.enter(1)?;
        let due = Due {
            deadline: self.deadline(),
            credits: 1,
        };
        self.ask(shard, due, request).await
    }

    /// Takes a batch of calls in, from outside; each holds a credit.
    pub(crate) async fn batch(&self, commands: Vec<SessionCommand>) -> Vec<Answered> {
        let count = commands.len();
        let limit = BATCH_MAX.min(self.gate.in_flight_max());
        if count > limit {
            let failure = Failure::Full {
                what: "commands in one batch",
                limit,
            };
            return vec![Err(failure); count];
        }
        if let Err(failure) = self.enter(count) {
            return vec![Err(failure); count];
        }
        self.ask_batch(commands).await
    }

    /// Takes a lane of a pipeline in, from outside; each of its commands holds a credit. When there
    /// are not enough, it is given back.
    pub(crate) fn lane(
        &self,
        shard: usize,
        lane: Lane,
    ) -> Result<(), (Lane, Failure<SessionRefusal>)> {
        if let Err(failure) = self.enter(lane.len()) {
            return Err((lane, failure));
        }
        let due = Due {
            deadline: self.deadline(),
            credits: lane.len(),
        };
        let request = Request::Lane(lane);
        self.submit(shard, Submission { request, due });
        Ok(())
    }

    /// One step of a relay with its reader; the relay holds the credit.
    pub(crate) async fn relay_step(
        &self,
        reader: ReaderId,
        step: (Option<reader::Command>, View),
        deadline: Duration,
    ) -> Result<Queued<Stood>, Failure<reader::Refusal>> {
        let shard = reader_shard(reader, self.count());
        let step = Box::new(step);
        self.step(shard, deadline, |reply| Request::Relay(reader, step, reply))
            .await
    }

    /// One step of a relay with a session; the relay holds the credit.
    pub(crate) async fn session_step(
        &self,
        command: SessionCommand,
        deadline: Duration,
    ) -> Result<Queued<Progress>, Failure<SessionRefusal>> {
        let shard = wallet_shard(command.wallet, self.count());
        self.step(shard, deadline, |reply| Request::Session(command, reply))
            .await
    }

    /// Has a session hold for a relay, or refuse for ever; the relay holds the credit.
    pub(crate) async fn grant_step(
        &self,
        command: SessionCommand,
        deadline: Duration,
    ) -> Result<Queued<Progress>, Failure<SessionRefusal>> {
        let shard = wallet_shard(command.wallet, self.count());
        self.step(shard, deadline, |reply| Request::Grant(command, reply))
            .await
    }

    /// One step of a relay with its machine; the relay holds the credit.
    pub(crate) async fn machine_step(
        &self,
        machine: MachineId,
        command: machine::Command,
        deadline: Duration,
    ) -> Result<Queued<Option<machine::Event>>, Failure<machine::Refusal>> {
        let shard = machine_shard(machine, self.count());
        let command = Box::new(command);
        self.step(shard, deadline, |reply| {
            Request::Machine(machine, command, reply)
        })
        .await
    }

    /// Tells a machine that its reader is here; the relay holds the credit.
    pub(crate) async fn attend_step(
        &self,
        machine: MachineId,
        reader: (ReaderId, u32),
        deadline: Duration,
    ) -> Result<Queued<Option<Lock>>, Failure<machine::Refusal>> {
        let shard = machine_shard(machine, self.count());
        self.step(shard, deadline, |reply| {
            Request::Attend(machine, reader, reply)
        })
        .await
    }

    /// One step of a transfer with a wallet; the transfer holds the credit.
    pub(crate) async fn wallet_step(
        &self,
        wallet: WalletId,
        command: wallet::Command,
        deadline: Duration,
    ) -> Result<Queued<Moved>, Failure<wallet::Refusal>> {
        let shard = wallet_shard(wallet, self.count());
        self.step(shard, deadline, |reply| {
            Request::Wallet(wallet, command, reply)
        })
        .await
    }

    /// One step with an operator's money; whoever takes it holds the credit.
    pub(crate) async fn operator_step(
        &self,
        operator: OperatorId,
        command: operator::Command,
        deadline: Duration,
    ) -> Result<Queued<Option<operator::Event>>, Failure<operator::Refusal>> {
        let shard = operator_shard(operator, self.count());
        let command = Box::new(command);
        self.step(shard, deadline, |reply| {
            Request::Operator(operator, command, reply)
        })
        .await
    }

    /// Looks at an operator's money; whoever looks holds the credit.
    pub(crate) async fn seen_operator_step(
        &self,
        operator: OperatorId,
        deadline: Duration,
    ) -> Result<Queued<Option<Box<Operator>>>, Failure<Infallible>> {
        let shard = operator_shard(operator, self.count());
        self.step(shard, deadline, |reply| {
            Request::SeeOperator(operator, reply)
        })
        .await
    }

    /// Looks for transfers that are under way from one shard.
    pub(crate) async fn transfers(
        &self,
        shard: usize,
    ) -> Result<Durable<Vec<Transfer>>, Failure<Infallible>> {
        self.call(shard, Request::SeeTransfers).await
    }

    /// Looks for payouts that are under way from one shard.
    pub(crate) async fn payouts(
        &self,
        shard: usize,
    ) -> Result<Durable<Vec<Payout>>, Failure<Infallible>> {
        self.call(shard, Request::SeePayouts).await
    }

    /// Looks for stale holds in one shard.
    pub(crate) async fn stale(
        &self,
        shard: usize,
    ) -> Result<Durable<Vec<Stale>>, Failure<Infallible>> {
        self.call(shard, Request::SeeStale).await
    }

    /// Has one shard end everything that is overdue.
    pub(crate) async fn release_overdue(
        &self,
        shard: usize,
    ) -> Result<Durable<usize>, Failure<Infallible>> {
        self.call(shard, Request::ReleaseOverdue).await
    }

    /// Looks at a balance for a relay, which holds the credit.
    pub(crate) async fn balance_step(
        &self,
        wallet: WalletId,
        deadline: Duration,
    ) -> Result<Queued<Option<Balance>>, Failure<Infallible>> {
        let shard = wallet_shard(wallet, self.count());
        self.step(shard, deadline, |reply| Request::SeeBalance(wallet, reply))
            .await
    }

    /// Waits until everything that was queued before is durable, by whichever shard.
    pub(crate) async fn drain(
        &self,
        shard: usize,
        deadline: Duration,
    ) -> Result<Durable<()>, Failure<Infallible>> {
        self.ask(shard, lent(deadline), Request::Drain).await
    }

    /// Tells a shard something that nobody waits for, or that answers in its own way.
    pub(crate) fn tell(&self, shard: usize, request: Request) {
        let due = lent(Duration::MAX);
        self.submit(shard, Submission { request, due });
    }

    /// Takes credits, and counts who got them and who did not.
    pub(crate) fn enter<R>(&self, credits: usize) -> Result<(), Failure<R>> {
        let entered = self.gate.enter(credits);
        match &entered {
            Ok(()) => self.counters.calls.add(credits),
            Err(Failure::Busy { .. }) => self.counters.busy.add(credits),
            Err(
                Failure::Refused(_)
                | Failure::Full { .. }
                | Failure::Panicked
                | Failure::TimedOut
                | Failure::Stopped,
            ) => {}
        }
        entered
    }

    pub(crate) fn leave(&self, credits: usize) {
        self.gate.leave(credits);
    }

    /// By when a call that comes now is to be answered.
    pub(crate) fn deadline(&self) -> Duration {
        self.uptime.elapsed().saturating_add(self.patience)
    }

    /// How long it is until a deadline.
    pub(crate) fn left(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.uptime.elapsed())
    }

    pub(crate) fn count(&self) -> usize {
        self.shards.len()
    }

    #[cfg(test)]
    pub(crate) async fn panic(&self, shard: usize) -> Result<Durable<()>, Failure<Infallible>> {
        self.ask(shard, lent(self.deadline()), Request::Panic).await
    }

    async fn ask<T, R>(
        &self,
        shard: usize,
        due: Due,
        request: impl FnOnce(Reply<T, R>) -> Request,
    ) -> Result<Durable<T>, Failure<R>> {
        let (reply, answer) = oneshot::channel();
        let request = request(Reply::Durable(reply));
        self.submit(shard, Submission { request, due });
        // A reply that was dropped unanswered: the shard is gone, or has stopped.
        answer.await.unwrap_or(Err(Failure::Stopped))
    }

    async fn step<T, R>(
        &self,
        shard: usize,
        deadline: Duration,
        request: impl FnOnce(Reply<T, R>) -> Request,
    ) -> Result<Queued<T>, Failure<R>> {
        let (reply, answer) = oneshot::channel();
        let request = request(Reply::Queued(reply));
        let due = lent(deadline);
        self.submit(shard, Submission { request, due });
        answer.await.unwrap_or(Err(Failure::Stopped))
    }

    async fn ask_batch(&self, commands: Vec<SessionCommand>) -> Vec<Answered> {
        let count = commands.len();
        let deadline = self.deadline();
        let send = |shard: usize, commands: Vec<SessionCommand>| {
            let (reply, answer) = oneshot::channel();
            let due = Due {
                deadline,
                credits: commands.len(),
            };
            self.submit(
                shard,
                Submission {
                    request: Request::Batch(commands, reply),
                    due,
                },
            );
            answer
        };
        let place = |command: &SessionCommand| wallet_shard(command.wallet, self.count());
        let Some(first) = commands.first().map(place) else {
            return Vec::new();
        };
        if commands.iter().all(|command| place(command) == first) {
            return send(first, commands)
                .await
                .unwrap_or_else(|_| vec![Err(Failure::Stopped); count]);
        }
        let mut parts: Vec<(Vec<usize>, Vec<SessionCommand>)> =
            vec![Default::default(); self.count()];
        for (at, command) in commands.into_iter().enumerate() {
            if let Some((places, part)) = parts.get_mut(place(&command)) {
                places.push(at);
                part.push(command);
            }
        }
        let sent: Vec<_> = parts
            .into_iter()
            .enumerate()
            .filter(|(_, (places, _))| !places.is_empty())
            .map(|(shard, (places, part))| (places, send(shard, part)))
            .collect();
        let mut answers: Vec<Answered> = vec![Err(Failure::Stopped); count];
        for (places, answer) in sent {
            for (at, answered) in places.into_iter().zip(answer.await.unwrap_or_default()) {
                if let Some(slot) = answers.get_mut(at) {
                    *slot = answered;
                }
            }
        }
        answers
    }

    fn submit(&self, shard: usize, submission: Submission) {
        if let Some(shard) = self.shards.get(shard) {
            shard.put(submission);
        }
    }
}

/// What a step of a call is due by; the call holds the credit.
const fn lent(deadline: Duration) -> Due {
    Due {
        deadline,
        credits: 0,
    }
}
