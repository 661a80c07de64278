//! What a host is asked.

use crate::entities::{Left, Saved};
use crate::failure::SessionRefusal;
use crate::journal::{Due, Reply};
use crate::loader::Wanted;
use crate::operators::Payout;
use crate::pipeline::Lane;
use crate::relay::{Stood, View};
use crate::session::{Answered, Moved, Progress, SessionCommand, Stale};
use core::convert::Infallible;
use gettone_core::id::{MachineId, OperatorId, ReaderId, WalletId};
use gettone_core::lock::Lock;
use gettone_core::machine::{self, Machine};
use gettone_core::operator::{self, Operator};
use gettone_core::port::{Key, Seq};
use gettone_core::reader::{self, Reader};
use gettone_core::snapshot::SnapshotFault;
use gettone_core::transfer::Transfer;
use gettone_core::wallet::{self, Balance, Wallet};
use tokio::sync::oneshot;

/// What a shard is asked, and where the answer goes.
#[derive(Debug)]
pub(crate) enum Request {
    Wallet(WalletId, wallet::Command, Reply<Moved, wallet::Refusal>),
    Session(SessionCommand, Reply<Progress, SessionRefusal>),
    /// As `Session`, but once and for all: a hold that is refused stays refused.
    Grant(SessionCommand, Reply<Progress, SessionRefusal>),
    Batch(Vec<SessionCommand>, oneshot::Sender<Vec<Answered>>),
    Lane(Lane),
    Machine(
        MachineId,
        Box<machine::Command>,
        Reply<Option<machine::Event>, machine::Refusal>,
    ),
    Reader(
        ReaderId,
        Box<reader::Command>,
        Reply<Option<reader::Event>, reader::Refusal>,
    ),
    Relay(
        ReaderId,
        Box<(Option<reader::Command>, View)>,
        Reply<Stood, reader::Refusal>,
    ),
    Attend(
        MachineId,
        (ReaderId, u32),
        Reply<Option<Lock>, machine::Refusal>,
    ),
    Operator(
        OperatorId,
        Box<operator::Command>,
        Reply<Option<operator::Event>, operator::Refusal>,
    ),
    SeeOperator(OperatorId, Reply<Option<Box<Operator>>, Infallible>),
    /// Transfers that have neither arrived nor come back.
    SeeTransfers(Reply<Vec<Transfer>, Infallible>),
    SeePayouts(Reply<Vec<Payout>, Infallible>),
    SeeStale(Reply<Vec<Stale>, Infallible>),
    ReleaseOverdue(Reply<usize, Infallible>),
    SeeBalance(WalletId, Reply<Option<Balance>, Infallible>),
    SeeWallet(WalletId, Reply<Option<Box<Wallet>>, Infallible>),
    SeeMachine(MachineId, Reply<Option<Box<Machine>>, Infallible>),
    SeeReader(ReaderId, Reply<Option<Box<Reader>>, Infallible>),
    Drain(Reply<(), Infallible>),
    /// From here on a snapshot shows everything as it is here: the answer is its place in the
    /// journal.
    Cut(oneshot::Sender<Seq>),
    /// A part of what the cut has to save.
    Save(oneshot::Sender<Result<(Saved, Left), SnapshotFault>>),
    /// The snapshot is complete, or will never be.
    End(Ended),
    /// What the shelf has of an entity.
    Loaded(Wanted, Option<Vec<u8>>),
    #[cfg(test)]
    Panic(Reply<(), Infallible>),
}

/// How a snapshot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Complete,
    Failed,
}

impl Request {
    /// The entities that it is about.
    pub(super) fn keys(&self, keys: &mut Vec<Key>) {
        keys.clear();
        match self {
            Self::Wallet(id, ..) | Self::SeeBalance(id, _) | Self::SeeWallet(id, _) => {
                keys.push((*id).into());
            }
            Self::Session(command, _) | Self::Grant(command, _) => {
                keys.push(command.wallet.into());
            }
            Self::Batch(commands, _) => {
                keys.extend(commands.iter().map(|command| Key::from(command.wallet)));
            }
            Self::Lane(lane) => {
                let commands = lane.commands().iter();
                keys.extend(commands.map(|(_, command)| Key::from(command.wallet)));
            }
            Self::Machine(id, ..) | Self::Attend(id, ..) | Self::SeeMachine(id, _) => {
                keys.push((*id).into());
            }
            Self::Reader(id, ..) | Self::Relay(id, ..) | Self::SeeReader(id, _) => {
                keys.push((*id).into());
            }
            Self::Operator(id, ..) | Self::SeeOperator(id, _) => keys.push((*id).into()),
            Self::SeeStale(_)
            | Self::SeeTransfers(_)
            | Self::SeePayouts(_)
            | Self::ReleaseOverdue(_)
            | Self::Drain(_)
            | Self::Cut(_)
            | Self::Save(_)
            | Self::End(_)
            | Self::Loaded(..) => {}
            #[cfg(test)]
            Self::Panic(_) => {}
        }
    }

    /// How many commands it counts as.
    pub(super) const fn weight(&self) -> usize {
        if let Self::Batch(commands, _) = self {
            return commands.len();
        }
        if let Self::Lane(lane) = self {
            return lane.len();
        }
        1
    }
}

/// One request on its way to a shard.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) request: Request,
    pub(crate) due: Due,
}
