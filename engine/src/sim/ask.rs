//! What clients ask, as futures over the engine's own line, and what they are told.

use crate::directory::{machine_shard, operator_shard, reader_shard, wallet_shard};
use crate::failure::Failure;
use crate::host::Request;
use crate::journal::Durable;
use crate::line::Line;
use crate::operators::{self, Earnings};
use crate::pipeline::Pipeline;
use crate::relay::{self, Relayed};
use crate::session::SessionCommand;
use crate::transfers;
use core::pin::Pin;
use gettone_core::id::{MachineId, OperatorId, ReaderId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::News;
use gettone_core::transfer::Transfer;
use gettone_core::wallet::{self, Wallet};
use gettone_core::{machine, operator, reader};
use std::sync::Arc;

/// One call of a client.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Wallet(WalletId, wallet::Command),
    Session(SessionCommand),
    Batch(Vec<SessionCommand>),
    Lane(Vec<SessionCommand>),
    Machine(MachineId, machine::Command),
    Enrol(ReaderId, reader::Command),
    Relay(ReaderId, Box<News>, Option<WalletId>),
    Revoke(ReaderId),
    /// Money goes from one wallet to another.
    Send(TransferId, (WalletId, WalletId), Amount),
    /// An operator's money moves.
    Operator(OperatorId, operator::Command),
    /// It pays out what it earned.
    PayOut(OperatorId, TransferId, Amount),
    /// It gives to a customer.
    Promote(OperatorId, TransferId, (WalletId, Amount)),
    /// Takes up what a crash left undone.
    Resume(ReaderId),
    TakeUp(Transfer),
    /// Takes up every transfer that nobody drives.
    Tend,
    See(WalletId),
    /// Has a shard end what is overdue; the number is taken modulo how many there are.
    Overdue(usize),
    /// Has a rule of a shard panic.
    Panic(usize),
}

/// What one command of a call came to.
#[derive(Debug)]
pub(super) enum Told {
    /// It is done; this is what moved, where that is told.
    Done(Option<wallet::Event>),
    /// The reader stands so.
    Stood(Relayed),
    Seen(Option<Box<Wallet>>),
    /// A "no" that stays one.
    Refused,
    /// Nobody knows: the same is to be asked again.
    Again,
}

/// A call on its way.
pub(super) type Going = Pin<Box<dyn Future<Output = Vec<Told>>>>;

fn told<T, R>(result: Result<Durable<T>, Failure<R>>, done: impl FnOnce(T) -> Told) -> Told {
    match result {
        Ok(durable) => done(durable.into_inner()),
        Err(Failure::Refused(_) | Failure::Full { .. }) => Told::Refused,
        Err(Failure::Busy { .. } | Failure::Panicked | Failure::TimedOut | Failure::Stopped) => {
            Told::Again
        }
    }
}

/// A chain of steps, which holds one credit from its beginning to its end.
async fn chain<T, R>(
    line: &Line,
    steps: impl Future<Output = Result<T, Failure<R>>>,
) -> Result<T, Failure<R>> {
    line.enter(1)?;
    let outcome = steps.await;
    line.leave(1);
    outcome
}

/// Begins a call, as [`Engine`](crate::Engine) would.
pub(super) fn begin(line: Arc<Line>, earnings: Arc<Earnings>, ask: Ask) -> Going {
    Box::pin(async move {
        let count = line.count();
        match ask {
            Ask::Wallet(wallet, command) => {
                let shard = wallet_shard(wallet, count);
                let request = |reply| Request::Wallet(wallet, command, reply);
                vec![told(line.call(shard, request).await, |moved| {
                    Told::Done(moved.event)
                })]
            }
            Ask::Session(command) => {
                let shard = wallet_shard(command.wallet, count);
                let request = |reply| Request::Session(command, reply);
                vec![told(line.call(shard, request).await, |progress| {
                    Told::Done(progress.event)
                })]
            }
            Ask::Batch(commands) => {
                let answers = line.batch(commands).await;
                let told = |answered| {
                    told(answered, |progress: crate::Progress| {
                        Told::Done(progress.event)
                    })
                };
                answers.into_iter().map(told).collect()
            }
            Ask::Lane(commands) => in_a_lane(line, commands).await,
            Ask::Machine(machine, command) => {
                let shard = machine_shard(machine, count);
                let request = |reply| Request::Machine(machine, Box::new(command), reply);
                vec![told(line.call(shard, request).await, |_| Told::Done(None))]
            }
            Ask::Enrol(reader, command) => {
                let shard = reader_shard(reader, count);
                let request = |reply| Request::Reader(reader, Box::new(command), reply);
                vec![told(line.call(shard, request).await, |_| Told::Done(None))]
            }
            Ask::Relay(reader, news, account) => {
                let relayed = relay::relay(&line, reader, (*news, account));
                vec![told(chain(&line, relayed).await, Told::Stood)]
            }
            Ask::Revoke(reader) => {
                let revoked = relay::command(&line, reader, reader::Command::Revoke);
                vec![told(chain(&line, revoked).await, |()| Told::Done(None))]
            }
            Ask::Send(key, (from, to), amount) => {
                let sent = transfers::send(&line, key, (from, to, amount));
                let sent = chain(&line, sent).await;
                vec![told(sent, |moved| Told::Done(moved.event))]
            }
            Ask::Operator(operator, command) => {
                let shard = operator_shard(operator, count);
                let request = |reply| Request::Operator(operator, Box::new(command), reply);
                vec![told(line.call(shard, request).await, |_| Told::Done(None))]
            }
            Ask::PayOut(operator, key, amount) => {
                let command = |head| operator::Command::PayOut {
                    key,
                    currency: Currency::EUR,
                    amount,
                    head,
                };
                let paid = operators::pay(&line, &earnings, operator, command);
                vec![told(chain(&line, paid).await, |_| Told::Done(None))]
            }
            Ask::Promote(operator, key, (to, amount)) => {
                let sent = operators::promote(&line, &earnings, key, (operator, to, amount));
                vec![told(chain(&line, sent).await, |_| Told::Done(None))]
            }
            Ask::TakeUp(transfer) => match transfers::take_up(&line, &transfer).await {
                Ok(()) => vec![Told::Done(None)],
                Err(_) => vec![Told::Again],
            },
            Ask::Tend => match transfers::take_up_all(&line).await {
                Ok(_) => vec![Told::Done(None)],
                Err(_) => vec![Told::Again],
            },
            Ask::Resume(reader) => vec![told(relay::resume(&line, reader).await, Told::Stood)],
            Ask::See(wallet) => {
                let shard = wallet_shard(wallet, count);
                let request = |reply| Request::SeeWallet(wallet, reply);
                vec![told(line.call(shard, request).await, Told::Seen)]
            }
            Ask::Overdue(number) => {
                let ended = line.release_overdue(number % count.max(1)).await;
                vec![told(ended, |_| Told::Done(None))]
            }
            Ask::Panic(number) => {
                let answer = line.panic(number % count.max(1)).await;
                vec![told(answer, |()| Told::Done(None))]
            }
        }
    })
}

async fn in_a_lane(line: Arc<Line>, commands: Vec<SessionCommand>) -> Vec<Told> {
    let count = commands.len();
    let mut pipeline = Pipeline::new(line);
    for (tag, command) in (0..).zip(commands) {
        pipeline.push(tag, command);
    }
    let mut answers = Vec::new();
    // What finds no credits stays unsent, and is asked again with the rest.
    let _ = pipeline.send();
    while pipeline.in_flight() > 0 {
        pipeline.answers(&mut answers).await;
    }
    let mut all: Vec<Told> = (0..count).map(|_| Told::Again).collect();
    for answer in answers {
        let at = usize::try_from(answer.tag).unwrap_or(usize::MAX);
        if let Some(place) = all.get_mut(at) {
            *place = told(answer.outcome, |_| Told::Done(None));
        }
    }
    all
}
