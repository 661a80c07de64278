//! The MDB reflex: one blocking thread that owns the bus link and the cashless device.
//!
//! It takes no lock, waits for no other part of the reader and allocates nothing per word, so that
//! an answer leaves inside the 5 ms that the bus allows. A vend's result is on the result page
//! before the answer that acknowledges it.

mod hear;
mod obey;

use crate::news::{News, NewsSender, Unheard};
use crate::page::ResultPage;
use crate::uptime::Uptime;
use gettone_channel::MdbState;
use gettone_core::board::{Ask, Machine};
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_core::notice::Code;
use gettone_mdb::cashless::{Cashless, Counts, Input, Output, RequestNumber, State};
use gettone_mdb::diagnosis::Diagnosis;
use gettone_mdb::item::Numbering;
use gettone_mdb::link::{Link, LinkFault, Read, Spec};
use gettone_mdb::{Frame, Text};
use gettone_relay::{Order, Standing};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

/// How long a verdict may wait behind a silent line.
const VERDICT_WAIT_MAX: Duration = Duration::from_millis(5);
/// How long anything else may; every word of the machine lets it through at once.
const LISTEN_MAX: Duration = Duration::from_millis(50);
/// How often a lost link is tried again.
const REOPEN_AFTER: Duration = Duration::from_millis(500);
/// News that may wait for a busy hub; more means that it is stuck.
const BACKLOG_MAX: usize = 1_024;
/// The thread's place among the real-time ones, of 99.
const PRIORITY: u8 = 50;

/// What the hub wants of the machine.
#[derive(Clone, Copy, Debug)]
pub enum Saying {
    /// What the station has decided.
    Order(Order),
    /// Words for the display that the machine may lend.
    Show(Text),
    /// What may be typed, for the display that the machine may lend.
    ShowDigits(Text),
    /// Ask the machine for its audit (EVA-DTS).
    AskAudit,
}

impl From<Order> for Saying {
    fn from(order: Order) -> Self {
        Self::Order(order)
    }
}

/// The bus thread's pulse: it goes on for as long as the thread does.
#[derive(Clone, Default, Debug)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// How often it has beaten.
    pub(crate) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the device has counted, for other threads to read.
#[derive(Clone, Default, Debug)]
pub(crate) struct BusTally(Arc<[AtomicU32; 4]>);

impl BusTally {
    /// The counts of this start.
    pub(crate) fn read(&self) -> Counts {
        let [resets, retries, naks, unanswered] =
            self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counts {
            resets,
            retries,
            naks,
            unanswered,
        }
    }

    fn write(&self, counts: Counts) {
        let new = [
            counts.resets,
            counts.retries,
            counts.naks,
            counts.unanswered,
        ];
        for (count, new) in self.0.iter().zip(new) {
            count.store(new, Ordering::Relaxed);
        }
    }
}

/// A cash-in that the machine may take.
#[derive(Clone, Copy)]
struct Cash {
    request: RequestNumber,
    rseq: Rseq,
    epoch: JournalEpoch,
}

/// Whether anybody still gives orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hub {
    There,
    Gone,
}

/// The reader's side of the bus. Whoever runs it gives it a thread of its own.
pub struct Reflex {
    device: Cashless,
    numbering: Numbering,
    page: ResultPage,
    uptime: Uptime,
    news: NewsSender,
    backlog: VecDeque<News>,
    standing: Standing,
    asks: u32,
    asked: Option<(Ask, RequestNumber)>,
    /// The approval that was handed to the device last.
    approved: Option<(Rseq, JournalEpoch)>,
    /// The cash-in whose approval was handed to the device last.
    cash: Option<Cash>,
    delivered_at: Duration,
    /// The machine's audit, as far as it has come.
    audit: Option<Vec<u8>>,
    /// How the bus looked last.
    diagnosis: Option<Diagnosis>,
    pulse: Pulse,
    tally: BusTally,
}

impl Reflex {
    /// Takes the device, the page for its results, and the way to the hub.
    pub fn new(device: Cashless, page: ResultPage, uptime: Uptime, news: NewsSender) -> Self {
        Self {
            device,
            numbering: Numbering::default(),
            page,
            uptime,
            news,
            backlog: VecDeque::with_capacity(BACKLOG_MAX),
            standing: Standing::default(),
            asks: 0,
            asked: None,
            approved: None,
            cash: None,
            delivered_at: Duration::ZERO,
            audit: None,
            diagnosis: None,
            pulse: Pulse::default(),
            tally: BusTally::default(),
        }
    }

    /// The machine counts its items so.
    #[must_use]
    pub fn counting(self, numbering: Numbering) -> Self {
        Self { numbering, ..self }
    }

    /// Where to feel whether it lives.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Where to read what the bus does.
    pub(crate) fn tally(&self) -> BusTally {
        self.tally.clone()
    }

    /// Answers the machine until the hub is gone.
    pub fn run(mut self, link: &Spec, commands: &Receiver<Saying>) {
        if let Err(fault) = use_real_time() {
            tracing::warn!(
                fault,
                "no real-time priority: MDB answers may come late under load"
            );
        }
        let mut is_lost = false;
        loop {
            match link.open() {
                Ok(mut line) => {
                    is_lost = false;
                    match self.serve(line.as_mut(), commands) {
                        Ok(()) => return,
                        Err(fault) => tracing::warn!(%fault, "the MDB link is lost"),
                    }
                }
                Err(fault) => tracing::debug!(%fault, "the MDB link cannot be opened"),
            }
            if !core::mem::replace(&mut is_lost, true) {
                self.tell(News::BusLost);
            }
            self.flush();
            if self.sit_out(commands) == Hub::Gone {
                return;
            }
        }
    }

    /// Waits before the link is tried again; the device takes orders meanwhile.
    fn sit_out(&mut self, commands: &Receiver<Saying>) -> Hub {
        let until = self.uptime.now().saturating_add(REOPEN_AFTER);
        loop {
            self.pulse.beat();
            let left = until.saturating_sub(self.uptime.now());
            if left.is_zero() {
                return Hub::There;
            }
            match commands.recv_timeout(left) {
                Ok(order) => {
                    if let Some(host) = self.host(order) {
                        // What it has to say waits inside it for the machine's next POLL.
                        self.take(Input::Host(host));
                        while self.next_reply().is_some() {}
                    }
                    self.flush();
                }
                Err(RecvTimeoutError::Timeout) => return Hub::There,
                Err(RecvTimeoutError::Disconnected) => return Hub::Gone,
            }
        }
    }

    fn serve(&mut self, line: &mut dyn Link, commands: &Receiver<Saying>) -> Result<(), LinkFault> {
        loop {
            self.pulse.beat();
            if self.obey(commands, line)? == Hub::Gone {
                return Ok(());
            }
            let heard = line.read(self.wait())?;
            // A verdict that has come meanwhile must not miss this POLL.
            if self.obey(commands, line)? == Hub::Gone {
                return Ok(());
            }
            match heard {
                Read::Word(word) => self.handle(Input::Word(word), line)?,
                Read::Break => self.handle(Input::Break, line)?,
                Read::Nothing => {
                    self.handle(Input::Tick, line)?;
                    self.diagnose();
                    self.tally.write(self.device.counts());
                }
            }
            self.flush();
        }
    }

    fn wait(&self) -> Duration {
        let now = self.uptime.now();
        let listen_max = match self.device.state() {
            State::Vend | State::Revalue | State::NegativeVend => VERDICT_WAIT_MAX,
            State::Inactive | State::Disabled | State::Enabled | State::SessionIdle => LISTEN_MAX,
        };
        let deadline = self.device.next_deadline();
        let until = deadline.map_or(listen_max, |deadline| deadline.saturating_sub(now));
        until.clamp(Duration::from_millis(1), listen_max)
    }

    /// Follows what the hub has ordered.
    fn obey(&mut self, commands: &Receiver<Saying>, line: &mut dyn Link) -> Result<Hub, LinkFault> {
        loop {
            let order = match commands.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => return Ok(Hub::There),
                Err(TryRecvError::Disconnected) => return Ok(Hub::Gone),
            };
            if let Some(host) = self.host(order) {
                self.handle(Input::Host(host), line)?;
            }
        }
    }

    /// Gives the device one thing and sends what it answers. All of it is heard, also when the
    /// line breaks in the middle.
    fn handle(&mut self, input: Input, line: &mut dyn Link) -> Result<(), LinkFault> {
        self.take(input);
        let mut sent = Ok(());
        while let Some(reply) = self.next_reply() {
            if sent.is_ok() {
                sent = line.write(&reply);
            }
        }
        sent
    }

    fn take(&mut self, input: Input) {
        self.device.handle(self.uptime.now(), input);
    }

    /// What the device wants to say next; what happened on the way is told.
    fn next_reply(&mut self) -> Option<Frame> {
        while let Some(output) = self.device.poll() {
            match output {
                Output::Event(event) => self.event(event),
                Output::Send(reply) => return Some(reply),
            }
        }
        let state = state_out(self.device.state());
        if state != self.standing.mdb_state {
            self.standing.mdb_state = state;
            self.tell(News::Standing(self.standing));
        }
        None
    }

    /// Says how the bus looks, whenever that changes.
    fn diagnose(&mut self) {
        let finding = self.device.finding(self.uptime.now());
        if self.diagnosis.replace(finding.diagnosis) != Some(finding.diagnosis) {
            self.tell(News::Finding(finding));
        }
    }

    fn tell_fault(&mut self, code: Code, data: [u8; 8]) {
        self.tell(News::Fault { code, data });
    }

    fn tell_machine(&mut self, machine: Machine) {
        self.tell(News::Machine(machine));
    }

    /// Never waits: a hub that is busy finds its news later.
    fn tell(&mut self, news: News) {
        if self.backlog.len() >= BACKLOG_MAX {
            tracing::error!("the hub is stuck; news of the machine is lost");
            return;
        }
        self.backlog.push_back(news);
    }

    fn flush(&mut self) {
        while let Some(news) = self.backlog.pop_front() {
            match self.news.send(news) {
                Ok(()) => {}
                Err(Unheard::Full(news)) => {
                    self.backlog.push_front(news);
                    return;
                }
                Err(Unheard::Gone) => return,
            }
        }
    }
}

/// Puts the calling thread among the real-time ones.
///
/// # Errors
/// What the system says to it.
pub fn use_real_time() -> Result<(), String> {
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };
    let priority = thread_priority::ThreadPriorityValue::try_from(PRIORITY)
        .map(ThreadPriority::Crossplatform)
        .map_err(|fault| fault.to_string())?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), priority, policy)
        .map_err(|fault| format!("{fault:?}"))
}

/// Keeps what is in memory there, so that no answer waits for a disk. Only where memory may be
/// locked without bound: a bound would make later memory fail instead.
pub(crate) fn stay_in_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, getrlimit};
    if getrlimit(Resource::Memlock).current.is_some() {
        tracing::debug!("memory is not locked: the process has a bound on locked memory");
        return;
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(fault) = mlockall(flags) {
        tracing::debug!(%fault, "memory is not locked");
    }
}

const fn state_out(state: State) -> MdbState {
    match state {
        State::Inactive => MdbState::Inactive,
        State::Disabled => MdbState::Disabled,
        State::Enabled => MdbState::Enabled,
        State::SessionIdle => MdbState::SessionIdle,
        State::Vend => MdbState::Vend,
        State::Revalue => MdbState::Revalue,
        State::NegativeVend => MdbState::NegativeVend,
    }
}
