//! What clients ask, as futures over the engine's own line, and what they are told.

use crate::directory::{machine_shard, reader_shard, wallet_shard};
use crate::failure::Failure;
use crate::host::Request;
use crate::journal::Durable;
use crate::line::Line;
use crate::pipeline::Pipeline;
use crate::relay::{self, Relayed};
use crate::session::SessionCommand;
use core::pin::Pin;
use gettone_core::id::{MachineId, ReaderId, WalletId};
use gettone_core::reader::News;
use gettone_core::wallet::{self, Wallet};
use gettone_core::{machine, reader};
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
    /// Takes up what a crash left undone.
    Resume(ReaderId),
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

/// Begins a call, as [`Engine`](crate::Engine) would.
pub(super) fn begin(line: Arc<Line>, ask: Ask) -> Going {
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
                if let Err(failure) = line.enter::<reader::Refusal>(1) {
                    return vec![told(Err(failure), Told::Stood)];
                }
                let relayed = relay::relay(&line, reader, (*news, account)).await;
                line.leave(1);
                vec![told(relayed, Told::Stood)]
            }
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
