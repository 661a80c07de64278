//! The hub: it hands the news to the station and follows what the station asks for. It decides
//! nothing.

mod hear;
mod obey;
mod show;

pub(crate) use show::Words;

use crate::audit::Rounds;
use crate::bus::Saying;
use crate::care::Shelf;
use crate::face::Glimpse;
use crate::keys;
use crate::news::{News, NewsReceiver};
use crate::prices::Prices;
use crate::radio::Wish;
use crate::renewal::Renewal;
use crate::report::Counted;
use crate::trial::Trial;
use crate::uptime::Uptime;
use gettone_channel::MdbState;
use gettone_core::board::{Life, Record, Ticket};
use gettone_core::time::Timestamp;
use gettone_relay::{Entropy, Input, Offer, Station};
use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// How long a stop waits for the machine to end an open vend.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long the hub may sleep when nothing is due.
const IDLE_MAX: Duration = Duration::from_secs(3_600);

/// The hub and its ways out.
pub(crate) struct Hub {
    pub(crate) station: Station,
    pub(crate) machine: u32,
    /// What it counts for reports.
    pub(crate) counted: Counted,
    /// Where the newest report is.
    pub(crate) reports: watch::Sender<String>,
    /// When it is made anew; none where nobody reads it.
    pub(crate) refresh: Option<Duration>,
    pub(crate) uptime: Uptime,
    /// Where the server's keys are kept.
    pub(crate) state: PathBuf,
    /// The files of its configuration, if it has some.
    pub(crate) files: Option<PathBuf>,
    pub(crate) shelf: Shelf,
    pub(crate) renewal: Renewal,
    pub(crate) trial: Trial,
    pub(crate) prices: Prices,
    pub(crate) radio: Sender<Wish>,
    /// What goes by the board's own road.
    pub(crate) road: Sender<Vec<u8>>,
    pub(crate) journal: SyncSender<(Ticket, Record)>,
    pub(crate) bus: SyncSender<Saying>,
    pub(crate) face: watch::Sender<Glimpse>,
    pub(crate) words: Words,
    /// How old the board's own keys become, and the time of day at which that was looked at last.
    pub(crate) keys_age: (Option<Duration>, Option<Timestamp>),
    /// When the machine is asked for its audit; none where it gives no files.
    pub(crate) audits: Option<Rounds>,
    /// Where codes are shown, if anywhere.
    pub(crate) sign: watch::Sender<Option<Box<Offer>>>,
    /// Whether the radio says the name of a light code or of a lost phone.
    pub(crate) door_is_open: bool,
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
    /// Something that runs on trial never got an answer from the machine: it is started again, or
    /// given up.
    #[error("the machine has not known this reader since it was started with something new")]
    Unknown,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl Hub {
    /// Runs until `stop`, and then until no vend is open.
    pub(crate) async fn run(
        mut self,
        mut machine: NewsReceiver,
        mut news: Receiver<News>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), HubFault> {
        let mut stop = std::pin::pin!(stop);
        let mut stopping: Option<Duration> = None;
        if let Some(news) = self.renewal.news() {
            self.tell(news)?;
        }
        loop {
            let now = self.uptime.now();
            let end = stopping.map(|since| since.saturating_add(STOP_MAX));
            self.trial.see(now, self.words.finding);
            if end.is_some_and(|end| now >= end || !self.station.has_intent()) {
                self.trial.stop();
                return Ok(());
            }
            let (life, standing) = (self.station.life(), self.station.standing());
            self.renewal.stand(life, standing);
            if self.renewal.is_due(life, standing) && !self.station.has_intent() {
                tracing::info!("the reader ends, to be started with what was brought");
                self.trial.stop();
                return Ok(());
            }
            if self.renewal.is_launched() && life == Life::Idle && self.trial.has_failed(now) {
                return Err(HubFault::Unknown);
            }
            let audit = self.audits.and_then(|audits| audits.due());
            let trial = self.trial.due().filter(|due| *due > now);
            let wait = [
                self.station.next_deadline(),
                end,
                audit,
                self.refresh,
                trial,
            ];
            let wait = wait.into_iter().flatten().min();
            let wait = wait.map_or(IDLE_MAX, |at| at.saturating_sub(now));
            tokio::select! {
                biased;
                () = &mut stop, if stopping.is_none() => stopping = Some(now),
                one = machine.next() => match one {
                    Some(one) => self.take(one)?,
                    None => return Err(HubFault::Stopped { part: "MDB thread" }),
                },
                one = news.recv() => match one {
                    Some(one) => self.take(one)?,
                    None => return Err(HubFault::Stopped { part: "radio" }),
                },
                input = self.renewal.installed() => self.tell(input)?,
                () = tokio::time::sleep(wait) => {
                    self.tell(Input::Tick)?;
                    self.ask_audit()?;
                    self.be_seen();
                }
            }
        }
    }

    /// Changes the board's keys when they have become old, with nobody here. The age is looked at once
    /// after each HELLO that knew the time of day.
    fn age_keys(&mut self) -> Result<(), HubFault> {
        let (Some(age_max), looked) = self.keys_age else {
            return Ok(());
        };
        let dated = self.station.dated();
        let Some(now) = dated.filter(|_| dated != looked && self.station.life() == Life::Idle)
        else {
            return Ok(());
        };
        self.keys_age.1 = dated;
        let ring = self.station.keys();
        let next = keys::are_old(&self.state, ring, now, age_max).and_then(|are_old| {
            if are_old {
                keys::change(ring)
            } else {
                Ok(None)
            }
        });
        match next {
            Ok(Some(next)) => {
                tracing::info!("the board's keys are old: it changes them");
                self.tell(Input::ChangeKeys(Box::new(next)))
            }
            Ok(None) => Ok(()),
            Err(fault) => {
                tracing::warn!(%fault, "the age of the board's keys cannot be kept");
                Ok(())
            }
        }
    }

    /// Asks the machine for its audit, when it is time and nobody is here.
    fn ask_audit(&mut self) -> Result<(), HubFault> {
        let now = self.uptime.now();
        let is_quiet =
            self.words.phone.is_none() && self.station.standing().mdb_state == MdbState::Enabled;
        let Some(audits) = &mut self.audits else {
            return Ok(());
        };
        if audits.due().is_none_or(|due| now < due) {
            return Ok(());
        }
        if !is_quiet {
            audits.put_off(now);
            return Ok(());
        }
        audits.asked(now);
        self.say(Saying::AskAudit)
    }

    fn tell(&mut self, input: Input) -> Result<(), HubFault> {
        let mut next = VecDeque::from([input]);
        while let Some(input) = next.pop_front() {
            let mut bytes = Zeroizing::new([0; Entropy::LEN]);
            getrandom::fill(bytes.as_mut_slice()).map_err(HubFault::Random)?;
            let entropy = Entropy::take(&mut bytes);
            self.station.handle(self.uptime.now(), input, entropy);
            while let Some(output) = self.station.poll() {
                // Only keys are answered at once, and one change of each at a time.
                next.extend(self.follow(output)?);
            }
        }
        Ok(())
    }

    fn say(&self, saying: Saying) -> Result<(), HubFault> {
        self.bus
            .try_send(saying)
            .map_err(|_| HubFault::Stopped { part: "MDB thread" })
    }
}
