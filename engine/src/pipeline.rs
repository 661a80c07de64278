use crate::bounds::BATCH_MAX;
use crate::directory::wallet_shard;
use crate::failure::{Failure, SessionRefusal};
use crate::journal::Durable;
use crate::line::Line;
use crate::session::{Hold, SessionCommand};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One answer of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What its command was pushed with.
    pub tag: u64,
    /// The hold after it, once there is one; or why not.
    pub outcome: Result<Durable<Option<Hold>>, Failure<SessionRefusal>>,
}

/// Commands of many sessions in, their answers out, both by the batch: for whoever has thousands
/// in flight. Commands of one wallet are done in the order in which they were pushed; answers of
/// different wallets come in any order, each exactly once.
///
/// Dropping it drops answers, not what was sent.
///
/// ```
/// # use gettone::core::id::{MachineId, OperatorId, VendId, WalletId};
/// # use gettone::core::money::Currency;
/// # use gettone::{Action, Engine, SessionCommand, Settings};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = Box::new(gettone_store::Memory::new());
/// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
/// # for number in 0..100 {
/// #     engine.open_wallet(WalletId::new(number), Currency::EUR).await?;
/// # }
/// let action = Action::Open {
///     machine: MachineId::new(1),
///     operator: OperatorId::new(1),
/// };
/// let mut pipeline = engine.pipeline();
/// for number in 0..100 {
///     let (wallet, session) = (WalletId::new(number), VendId::from_bytes([number as u8; 16]));
///     pipeline.push(number, SessionCommand { wallet, session, action });
/// }
/// pipeline.send()?;
/// let mut answers = Vec::new();
/// while pipeline.in_flight() > 0 {
///     pipeline.answers(&mut answers).await;
/// }
/// assert_eq!(answers.len(), 100);
/// # engine.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pipeline {
    line: Arc<Line>,
    /// What waits to be sent, by shard.
    waiting: Vec<Vec<(u64, SessionCommand)>>,
    answers: UnboundedReceiver<Vec<Answer>>,
    reply: UnboundedSender<Vec<Answer>>,
    in_flight: usize,
}

impl Pipeline {
    pub(crate) fn new(line: Arc<Line>) -> Self {
        let (reply, answers) = unbounded_channel();
        Self {
            waiting: vec![Vec::new(); line.count()],
            line,
            answers,
            reply,
            in_flight: 0,
        }
    }

    /// Adds a command to what is sent next; its answer will carry `tag`.
    pub fn push(&mut self, tag: u64, command: SessionCommand) {
        let shard = wallet_shard(command.wallet, self.line.count());
        if let Some(waiting) = self.waiting.get_mut(shard) {
            waiting.push((tag, command));
        }
    }

    /// Sends everything that was pushed.
    ///
    /// # Errors
    /// `Busy` when the engine has not credits enough: what was not sent waits for the next call,
    /// in its order. `Stopped` when it has stopped.
    pub fn send(&mut self) -> Result<(), Failure<SessionRefusal>> {
        for shard in 0..self.waiting.len() {
            while let Some(lane) = self.lane(shard) {
                let count = lane.len();
                match self.line.lane(shard, lane) {
                    Ok(()) => self.in_flight += count,
                    Err((lane, failure)) => {
                        if let Some(waiting) = self.waiting.get_mut(shard) {
                            let (commands, _) = lane.open();
                            waiting.splice(..0, commands);
                        }
                        return Err(failure);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for answers and adds all that are there to `answers`; gives how many. With nothing
    /// in flight it gives 0 at once.
    pub async fn answers(&mut self, answers: &mut Vec<Answer>) -> usize {
        if self.in_flight == 0 {
            return 0;
        }
        let before = answers.len();
        if let Some(batch) = self.answers.recv().await {
            answers.extend(batch);
        }
        while let Ok(batch) = self.answers.try_recv() {
            answers.extend(batch);
        }
        let count = answers.len() - before;
        self.in_flight = self.in_flight.saturating_sub(count);
        count
    }

    /// Commands that were sent and not answered yet.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Commands that were pushed and not sent yet.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(Vec::len).sum()
    }

    /// The next commands for a shard, no more than one batch takes.
    fn lane(&mut self, shard: usize) -> Option<Lane> {
        let waiting = self.waiting.get_mut(shard)?;
        if waiting.is_empty() {
            return None;
        }
        let commands = if waiting.len() > BATCH_MAX {
            let rest = waiting.split_off(BATCH_MAX);
            core::mem::replace(waiting, rest)
        } else {
            let room = Vec::with_capacity(waiting.len());
            core::mem::replace(waiting, room)
        };
        Some(Lane {
            commands,
            reply: Some(self.reply.clone()),
        })
    }
}

/// Commands of a pipeline for one shard. Dropped unopened, it is answered as stopped.
#[derive(Debug)]
pub(crate) struct Lane {
    commands: Vec<(u64, SessionCommand)>,
    reply: Option<UnboundedSender<Vec<Answer>>>,
}

impl Lane {
    pub(crate) const fn len(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn commands(&self) -> &[(u64, SessionCommand)] {
        &self.commands
    }

    /// Takes the commands out that fit, into a lane of their own.
    pub(crate) fn split(&mut self, mut fits: impl FnMut(&SessionCommand) -> bool) -> Self {
        let (here, rest) = core::mem::take(&mut self.commands)
            .into_iter()
            .partition(|(_, command)| fits(command));
        self.commands = rest;
        Self {
            commands: here,
            reply: self.reply.clone(),
        }
    }

    /// Whoever opens it answers it.
    pub(crate) fn open(mut self) -> (Vec<(u64, SessionCommand)>, UnboundedSender<Vec<Answer>>) {
        let commands = core::mem::take(&mut self.commands);
        let reply = self.reply.take().expect("it is opened once");
        (commands, reply)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take().filter(|_| !self.commands.is_empty()) {
            let stopped = |(tag, _): &(u64, SessionCommand)| Answer {
                tag: *tag,
                outcome: Err(Failure::Stopped),
            };
            let _ = reply.send(self.commands.iter().map(stopped).collect());
        }
    }
}
