//! The hub: it hands the news to the station and follows what the station asks for. It decides
//! nothing.

use crate::audit::{self, Rounds};
use crate::bus::Saying;
use crate::care::Shelf;
use crate::config::Config;
use crate::face::{self, Glimpse};
use crate::keys;
use crate::news::{News, NewsReceiver};
use crate::prices::Prices;
use crate::radio::Wish;
use crate::renewal::Renewal;
use crate::report::Counted;
use crate::servers;
use crate::status::{MachineLink, Phone};
use crate::surface;
use crate::uptime::Uptime;
use gettone_channel::{MdbState, PackageKind};
use gettone_core::board::{Life, Machine, Record, Ticket};
use gettone_core::lock::LockState;
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;
use gettone_display::{Language, Screen};
use gettone_mdb::diagnosis::Finding;
use gettone_optical::Verdict;
use gettone_relay::{Connection, Entropy, Input, Offer, Output, Showing, Station, Telling};
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

/// How the hub speaks on the machine's display.
pub(crate) struct Words {
    pub(crate) language: Language,
    pub(crate) currency: Currency,
    /// The display that the machine lends, if any.
    pub(crate) screen: Option<Screen>,
    /// The machine's number, where its display is to say what may be typed.
    pub(crate) typed_for: Option<u32>,
    pub(crate) machine_link: MachineLink,
    pub(crate) phone: Option<Connection>,
    pub(crate) service: LockState,
    /// How the bus looks.
    pub(crate) finding: Option<Finding>,
    /// What becomes of the light before the sensor.
    pub(crate) light: Verdict,
    /// What the station has shown last.
    pub(crate) telling: Telling,
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
            if end.is_some_and(|end| now >= end || !self.station.has_intent()) {
                return Ok(());
            }
            let (life, standing) = (self.station.life(), self.station.standing());
            self.renewal.stand(life, standing);
            if self.renewal.is_due(life, standing) && !self.station.has_intent() {
                tracing::info!("the reader ends, to be started with what was brought");
                return Ok(());
            }
            let audit = self.audits.and_then(|audits| audits.due());
            let wait = [self.station.next_deadline(), end, audit, self.refresh];
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

    fn take(&mut self, news: News) -> Result<(), HubFault> {
        self.counted.hear(&news);
        match &news {
            News::BusLost => self.words.machine_link = MachineLink::Lost,
            News::Machine(_) | News::Standing(_) => self.words.machine_link = MachineLink::Open,
            News::Connected(connection) => self.words.phone = Some(*connection),
            News::Disconnected(connection) if self.words.phone == Some(*connection) => {
                self.words.phone = None;
            }
            News::Display { columns, rows } => {
                let is_there = *columns > 0 && *rows > 0;
                self.words.screen = is_there.then(|| Screen::new(*columns, *rows));
            }
            News::Disconnected(_)
            | News::Synced(_)
            | News::JournalFailed
            | News::CodeSeen(_)
            | News::LightSeen(_)
            | News::Light(_)
            | News::Finding(_)
            | News::Fault { .. }
            | News::Audit(_)
            | News::NoAudit(_)
            | News::Heard(..)
            | News::Took(_)
            | News::RoadUp
            | News::RoadDown
            | News::NoRoad(_)
            | News::RoadHeard(_)
            | News::RoadTook => {}
        }
        let taken = self.pass(news).and_then(|()| self.age_keys());
        self.be_seen();
        taken
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

    fn be_seen(&mut self) {
        self.renew_report();
        let glimpse = Glimpse {
            telling: self.words.telling,
            machine_state: self.station.standing().mdb_state,
            machine_link: self.words.machine_link,
            phone: match self.words.phone {
                Some(_) => Phone::Linked,
                None => Phone::None,
            },
            road: self.counted.road(),
            receipts_waiting: self.station.outbox().unacked(),
            service: self.words.service,
            finding: self.words.finding,
            light: self.words.light,
        };
        self.face.send_if_modified(|seen| {
            let is_news = *seen != glimpse;
            *seen = glimpse;
            is_news
        });
    }

    fn show(&mut self, showing: &Showing) -> Result<(), HubFault> {
        self.words.telling = showing.telling;
        let Words {
            language, currency, ..
        } = self.words;
        let text = self
            .words
            .screen
            .and_then(|screen| face::display(showing, currency, language, screen));
        match text {
            Some(text) => self.say(Saying::Show(text)),
            None => Ok(()),
        }
    }

    /// Puts a hint on the machine's display, once; its own words come back by themselves.
    fn see(&mut self, verdict: Verdict) -> Result<(), HubFault> {
        let before = face::hint(core::mem::replace(&mut self.words.light, verdict));
        let hint = face::hint(verdict).filter(|hint| before != Some(*hint));
        match (hint, self.words.screen) {
            (Some((_, text)), Some(screen)) if self.words.telling.life == Life::Idle => {
                let lines = screen.lines(text, self.words.language);
                self.say(Saying::Show(gettone_mdb::Text::new(&lines)))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn pass(&mut self, news: News) -> Result<(), HubFault> {
        match news {
            News::Machine(machine) => {
                tracing::debug!(?machine, "machine");
                if machine == Machine::SessionBegan
                    && let Err(fault) = self.shelf.confirm()
                {
                    tracing::error!(%fault, "the configuration cannot be confirmed");
                }
                self.renewal.see(machine);
                if let Some(differs) = self.prices.see(machine) {
                    self.tell(differs)?;
                }
                self.show_product(machine)?;
                if let (Machine::Enabled, Some(audits)) = (machine, &mut self.audits) {
                    audits.machine_enabled(self.uptime.now());
                }
                self.tell(Input::Machine(machine))
            }
            News::Standing(standing) => self.tell(Input::Standing(standing)),
            News::BusLost => self.tell(Input::BusLost),
            News::Finding(finding) => {
                tracing::info!("MDB: {finding}");
                self.words.finding = Some(finding);
                Ok(())
            }
            News::Fault { code, data } => self.tell(Input::Fault { code, data }),
            News::Audit(words) => {
                match audit::keep(&self.state, &words) {
                    Ok(()) => tracing::info!(bytes = words.len(), "the machine gave its audit"),
                    Err(fault) => {
                        let cause = std::error::Error::source(&fault).map(ToString::to_string);
                        tracing::warn!(cause, "{fault}");
                    }
                }
                Ok(())
            }
            News::NoAudit(end) => {
                tracing::info!(?end, "the machine gave no audit");
                if let Some(audits) = &mut self.audits {
                    audits.refused(self.uptime.now(), end);
                }
                Ok(())
            }
            News::Display { .. } => Ok(()),
            News::Synced(ticket) => self.tell(Input::Synced(ticket)),
            News::JournalFailed => {
                self.tell(Input::JournalFailed)?;
                Err(HubFault::Journal)
            }
            News::CodeSeen(code) => self.tell(Input::CodeSeen(code)),
            News::LightSeen(light) => self.tell(Input::LightSeen(light)),
            News::Light(verdict) => self.see(verdict),
            News::Connected(connection) => self.tell(Input::Connected(connection)),
            News::Disconnected(connection) => self.tell(Input::Disconnected(connection)),
            News::Heard(connection, message) => self.tell(Input::Heard(connection, message)),
            News::Took(connection) => self.tell(Input::Took(connection)),
            News::RoadUp => self.tell(Input::RoadUp),
            News::RoadDown => self.tell(Input::RoadDown),
            News::NoRoad(_) => Ok(()),
            News::RoadHeard(envelope) => self.tell(Input::RoadHeard(envelope)),
            News::RoadTook => self.tell(Input::RoadTook),
        }
    }

    /// Puts the name of what was chosen on the machine's display.
    fn show_product(&mut self, machine: Machine) -> Result<(), HubFault> {
        match self.prices.name(machine).zip(self.words.screen) {
            Some((name, screen)) => {
                let lines = screen.words(name);
                self.say(Saying::Show(gettone_mdb::Text::new(&lines)))
            }
            None => Ok(()),
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

    fn follow(&mut self, output: Output) -> Result<Option<Input>, HubFault> {
        match output {
            Output::Advertise(eid) => {
                self.door_is_open = true;
                self.wish(Wish::Advertise(eid, None))?;
            }
            Output::Hush => {
                self.door_is_open = false;
                self.wish(Wish::Hush)?;
            }
            Output::Drop(connection) => self.wish(Wish::Drop(connection))?,
            Output::Send(connection, message, report) => {
                self.wish(Wish::Send(connection, message, report))?;
            }
            Output::RoadSend(envelope) => self
                .road
                .try_send(envelope)
                .map_err(|_| HubFault::Stopped { part: "road" })?,
            Output::Journal(ticket, record) => self
                .journal
                .try_send((ticket, record))
                .map_err(|_| HubFault::Stopped { part: "journal" })?,
            Output::KeepServers(servers) => {
                return Ok(Some(match servers::keep(&self.state, &servers) {
                    Ok(()) => Input::ServersKept,
                    Err(fault) => {
                        tracing::error!(%fault, "the server's keys cannot be stored");
                        Input::ServersLost
                    }
                }));
            }
            Output::Care(order) if order.kind() == PackageKind::Firmware => {
                return Ok(self.renewal.follow(order));
            }
            Output::Care(order) => {
                let files = self.files.as_deref();
                let is_fit = |text: &str| files.is_some_and(|files| Config::takes(files, text));
                return Ok(match self.shelf.follow(&order, is_fit) {
                    Ok(told) => {
                        if let Some(Input::Installed(PackageKind::Configuration, _)) = told {
                            self.renewal.configured();
                        }
                        told
                    }
                    // It is fetched anew.
                    Err(fault) => {
                        tracing::error!(%fault, "a package cannot be stored");
                        Some(Input::NotInstalled(order.kind()))
                    }
                });
            }
            Output::KeepKeys(ring) => {
                return Ok(Some(match keys::keep(&self.state, &ring) {
                    Ok(()) => Input::KeysKept,
                    Err(fault) => {
                        tracing::error!(%fault, "the reader's keys cannot be stored");
                        Input::KeysLost
                    }
                }));
            }
            Output::Diagnose(id) => return Ok(Some(Input::Diagnosed(id, self.report()))),
            Output::Order(order) => self.say(Saying::Order(order))?,
            Output::Service(service) => {
                tracing::info!(?service, "the operator's order");
                self.words.service = service;
            }
            Output::Show(showing) => self.show(&showing)?,
            Output::Offer(offer) => {
                // Who scanned the code, or the one before, looks for the name that goes with it.
                self.wish(Wish::Advertise(offer.eid, offer.before))?;
                self.show_digits(&offer)?;
                self.sign(Some(offer));
            }
            Output::Withdraw => {
                if !self.door_is_open {
                    self.wish(Wish::Hush)?;
                }
                self.sign(None);
            }
            Output::Note(notice) if notice.is_usual() => tracing::info!("{notice}"),
            Output::Note(notice) => {
                let cause = std::error::Error::source(&notice).map(ToString::to_string);
                tracing::warn!(cause, "{notice}");
            }
        }
        Ok(None)
    }

    /// Puts what may be typed on the machine's display, where it fits; its own words come back by
    /// themselves.
    fn show_digits(&mut self, offer: &Offer) -> Result<(), HubFault> {
        let Words {
            screen, typed_for, ..
        } = self.words;
        let digits = typed_for.and_then(|machine| surface::digits(machine, offer));
        match digits.and_then(|digits| screen?.digits(&digits)) {
            Some(lines) => self.say(Saying::ShowDigits(gettone_mdb::Text::new(&lines))),
            None => Ok(()),
        }
    }

    /// Puts a code on the sign, or takes it away.
    fn sign(&self, offer: Option<Box<Offer>>) {
        self.sign.send_replace(offer);
    }

    fn say(&self, saying: Saying) -> Result<(), HubFault> {
        self.bus
            .try_send(saying)
            .map_err(|_| HubFault::Stopped { part: "MDB thread" })
    }

    fn wish(&self, wish: Wish) -> Result<(), HubFault> {
        self.radio
            .try_send(wish)
            .map_err(|_| HubFault::Stopped { part: "radio" })
    }
}
