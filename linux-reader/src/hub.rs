//! The hub: it hands the news to the board and follows what the board asks for. It decides nothing.

use crate::bus::Command;
use crate::config::Config;
use crate::identity::Identity;
use crate::news::{LinkNumber, News, Standing};
use crate::radio::{Order, Report};
use crate::servers::Servers;
use crate::uptime::Uptime;
use crate::wire::{ReaderFacts, Telling, answer_in, greeting_out, receipts_out, status_out};
use gettone_channel as channel;
use gettone_channel::{Direction, EnvelopeFault, Ephemeral, Header, LinkMessage, ResumeSecret};
use gettone_core::board::{Board, Fresh, Input, Output, Record, Ticket};
use gettone_core::id::JournalEpoch;
use std::future::Future;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};

/// How long a stop waits for the machine to end an open vend.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The hub and its ways out.
pub(crate) struct Hub {
    pub(crate) board: Board,
    pub(crate) uptime: Uptime,
    pub(crate) boot: u32,
    pub(crate) epoch: JournalEpoch,
    pub(crate) identity: Identity,
    pub(crate) servers: Servers,
    pub(crate) config: Config,
    pub(crate) standing: Standing,
    pub(crate) link: Option<LinkNumber>,
    pub(crate) sequence: u64,
    pub(crate) radio: Sender<Order>,
    pub(crate) journal: SyncSender<(Ticket, Record)>,
    pub(crate) bus: SyncSender<Command>,
}

/// Why the hub cannot go on.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum HubFault {
    /// A part of the reader has stopped.
    #[error("the {part} has stopped")]
    Stopped {
        /// Which.
        part: &'static str,
    },
    /// The flash cannot be written: what was promised is kept by starting again.
    #[error("the journal cannot be written")]
    Journal,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl Hub {
    /// Runs until `stop`, and then until no vend is open.
    pub(crate) async fn run(
        mut self,
        mut news: Receiver<News>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), HubFault> {
        let mut stop = std::pin::pin!(stop);
        let mut stopping: Option<Duration> = None;
        loop {
            let now = self.uptime.now();
            let is_over = stopping.is_some_and(|since| now >= since.saturating_add(STOP_MAX));
            if is_over || (stopping.is_some() && !self.board.has_intent()) {
                return Ok(());
            }
            let deadline = [
                self.board.next_deadline(),
                stopping.map(|since| since.saturating_add(STOP_MAX)),
            ];
            let wait = deadline.into_iter().flatten().min();
            let wait = wait.map_or(Duration::from_secs(3_600), |at| at.saturating_sub(now));
            tokio::select! {
                biased;
                () = &mut stop, if stopping.is_none() => stopping = Some(now),
                one = news.recv() => match one {
                    Some(one) => self.take(one)?,
                    None => return Err(HubFault::Stopped { part: "MDB thread" }),
                },
                () = tokio::time::sleep(wait) => self.tell(Input::Tick)?,
            }
        }
    }

    fn take(&mut self, news: News) -> Result<(), HubFault> {
        let is_current = |number: LinkNumber| self.link == Some(number);
        match news {
            News::Machine(machine) => {
                tracing::debug!(?machine, "machine");
                self.tell(Input::Machine(machine))
            }
            News::Standing(standing) => {
                self.standing = standing;
                Ok(())
            }
            News::BusLost => {
                self.standing.mdb_state = channel::MdbState::Inactive;
                Ok(())
            }
            News::Synced(ticket) => self.tell(Input::Synced(ticket)),
            News::JournalFailed => {
                self.tell(Input::JournalFailed)?;
                Err(HubFault::Journal)
            }
            News::CodeSeen(code) => {
                tracing::info!("a pairing code was seen");
                self.tell(Input::CodeSeen(code))
            }
            News::LinkUp(number, bind) => {
                tracing::info!("a phone is linked");
                self.link = Some(number);
                let fresh = fresh()?;
                self.tell(Input::LinkUp { bind, fresh })
            }
            News::LinkRefused => self.tell(Input::LinkRefused),
            News::LinkDown(number) if is_current(number) => {
                tracing::info!("the phone is gone");
                self.link = None;
                self.tell(Input::LinkDown)
            }
            News::LinkTook(number) if is_current(number) => self.tell(Input::LinkTook),
            News::Heard(number, message) if is_current(number) => self.heard(message),
            // Of a link that the board has let go.
            News::LinkDown(_) | News::LinkTook(_) | News::Heard(..) => Ok(()),
        }
    }

    fn heard(&mut self, message: LinkMessage) -> Result<(), HubFault> {
        match message {
            LinkMessage::Envelope(envelope) => match self.open(&envelope) {
                Ok(items) => {
                    let mut answers = Vec::new();
                    for item in &items {
                        match (answer_in(item), item) {
                            (Some(answer), _) => answers.push(answer),
                            (None, channel::Item::ServerKey(told)) => self.server_key(told),
                            (None, other) => {
                                tracing::info!(kind = other.kind(), "an item of a later day");
                            }
                        }
                    }
                    let fresh = fresh()?;
                    self.tell(Input::Answered { answers, fresh })
                }
                Err(fault) => {
                    tracing::warn!(%fault, "an envelope was refused");
                    Ok(())
                }
            },
            LinkMessage::Leave => self.tell(Input::Leave),
            LinkMessage::Again => {
                let fresh = fresh()?;
                self.tell(Input::Again { fresh })
            }
            // A phone has no STATUS to give.
            LinkMessage::Status(_) => Ok(()),
        }
    }

    fn server_key(&mut self, told: &channel::ServerKey) {
        match self.servers.take(told) {
            Ok(true) => tracing::info!(epoch = told.epoch, "the server's keys have changed"),
            Ok(false) => {}
            Err(fault) => tracing::error!(%fault, "the server's key cannot be stored"),
        }
    }

    fn open(&self, envelope: &[u8]) -> Result<Vec<channel::Item>, RefusedEnvelope> {
        let header = channel::header(envelope)?;
        let is_ours = header.direction == Direction::ToReader
            && header.reader_id == self.identity.reader_id();
        let server = self.servers.of(header.server_epoch).filter(|_| is_ours);
        let server = server.ok_or(RefusedEnvelope::Foreign)?;
        let (_, items) = channel::open(envelope, self.identity.key(), &server.key)?;
        Ok(items)
    }

    fn tell(&mut self, input: Input) -> Result<(), HubFault> {
        let before = self.board.life();
        self.board.handle(self.uptime.now(), input);
        while let Some(output) = self.board.poll() {
            self.follow(output)?;
        }
        let after = self.board.life();
        if after != before {
            tracing::info!("{before:?} -> {after:?}");
        }
        Ok(())
    }

    fn follow(&mut self, output: Output) -> Result<(), HubFault> {
        match output {
            Output::Advertise(door) => self.order(Order::Advertise(door)),
            Output::Hush => self.order(Order::Hush),
            Output::DropLink => match self.link.take() {
                Some(number) => self.order(Order::Drop(number)),
                None => Ok(()),
            },
            Output::Greet(greeting) => {
                let items = greeting_out(&greeting, &self.facts());
                self.send_envelope(&items)
            }
            Output::SendReceipts(receipts) => {
                let items = receipts_out(&receipts, self.epoch);
                self.send_envelope(&items)
            }
            Output::Tell {
                life,
                remaining,
                last,
                note,
                resume,
            } => {
                let telling = Telling {
                    life,
                    remaining,
                    last,
                    note,
                };
                let resume = resume.map(|fresh| ResumeSecret::from_bytes(*fresh.as_bytes()));
                let status = status_out(&telling, self.config.currency, resume);
                self.send(LinkMessage::Status(status), Report::Nothing)
            }
            Output::Journal(ticket, record) => self
                .journal
                .try_send((ticket, record))
                .map_err(|_| HubFault::Stopped { part: "journal" }),
            Output::BeginSession { funds } => self.command(Command::BeginSession { funds }),
            Output::CancelSession => self.command(Command::CancelSession),
            Output::EndSession => self.command(Command::EndSession),
            Output::Approve { ask, rseq, amount } => self.command(Command::Approve {
                ask,
                rseq,
                amount,
                epoch: self.epoch,
            }),
            Output::Deny { ask } => self.command(Command::Deny { ask }),
            Output::Report(fault) => {
                tracing::warn!(%fault, "board");
                Ok(())
            }
        }
    }

    fn facts(&self) -> ReaderFacts {
        ReaderFacts {
            boot: self.boot,
            epoch: self.epoch,
            firmware: firmware(),
            currency: self.config.currency,
            scale: self.config.device.scale,
            mdb_state: self.standing.mdb_state,
            price_max: self.standing.price_max,
            vmc_level: self.standing.vmc_level,
            vmc_id: self.standing.vmc_id,
        }
    }

    fn send_envelope(&mut self, items: &[channel::Item]) -> Result<(), HubFault> {
        let Some(server) = self.servers.active() else {
            return Ok(());
        };
        self.sequence = self.sequence.saturating_add(1);
        let header = Header {
            direction: Direction::ToServer,
            server_epoch: server.epoch,
            reader_id: self.identity.reader_id(),
            sequence: self.sequence,
        };
        let ephemeral = Ephemeral::from_bytes(random()?);
        match channel::seal(header, self.identity.key(), &server.key, ephemeral, items) {
            Ok(envelope) => self.send(LinkMessage::Envelope(envelope), Report::Took),
            Err(fault) => {
                tracing::error!(%fault, "an envelope cannot be sealed");
                Ok(())
            }
        }
    }

    fn send(&self, message: LinkMessage, report: Report) -> Result<(), HubFault> {
        match self.link {
            Some(number) => self.order(Order::Send(number, message, report)),
            None => Ok(()),
        }
    }

    fn order(&self, order: Order) -> Result<(), HubFault> {
        self.radio
            .try_send(order)
            .map_err(|_| HubFault::Stopped { part: "radio" })
    }

    fn command(&self, command: Command) -> Result<(), HubFault> {
        self.bus
            .try_send(command)
            .map_err(|_| HubFault::Stopped { part: "MDB thread" })
    }
}

#[derive(thiserror::Error, Debug)]
enum RefusedEnvelope {
    #[error("it is not for this reader, or under a key that is not stored")]
    Foreign,
    #[error(transparent)]
    Envelope(#[from] EnvelopeFault),
}

/// The version in three bytes: major, minor, patch.
fn firmware() -> u32 {
    let part = |text: &str| text.parse::<u8>().map_or(0, u32::from);
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}

fn fresh() -> Result<Fresh, HubFault> {
    random().map(Fresh::from_bytes)
}

fn random<const N: usize>() -> Result<[u8; N], HubFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(HubFault::Random)?;
    Ok(bytes)
}
