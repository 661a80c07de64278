//! The MDB reflex: one blocking thread that owns the bus link and the cashless device.
//!
//! It takes no lock, waits for no other part of the reader and allocates nothing per word, so that
//! an answer leaves inside the 5 ms that the bus allows. A vend's result is on the result page
//! before the answer that acknowledges it.

use crate::news::{News, NewsSender, Unheard};
use crate::page::{Ending, ResultPage};
use crate::uptime::Uptime;
use gettone_channel::{MdbState, VmcId};
use gettone_core::board::{Approval, Ask, Machine, NoSession, Outcome};
use gettone_core::id::{Item, JournalEpoch, Rseq};
use gettone_core::notice::Code;
use gettone_mdb::cashless::{
    ApprovalState, Cashless, Event, Host, Input, Output, PriceFault, RequestNumber, SessionRefusal,
    State,
};
use gettone_mdb::diagnosis::Diagnosis;
use gettone_mdb::item::Numbering;
use gettone_mdb::link::{Link, LinkFault, Read, Spec};
use gettone_mdb::{Frame, ItemOptions, Text};
use gettone_relay::{Order, Standing};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How long a text stays on the machine's display.
const SHOWN_FOR: Duration = Duration::from_secs(5);

/// What the hub wants of the machine.
#[derive(Clone, Copy, Debug)]
pub enum Saying {
    /// What the station has decided.
    Order(Order),
    /// Words for the display that the machine may lend.
    Show(Text),
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
    /// How the bus looked last.
    diagnosis: Option<Diagnosis>,
    pulse: Pulse,
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
            diagnosis: None,
            pulse: Pulse::default(),
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

    fn host(&mut self, saying: Saying) -> Option<Host> {
        let order = match saying {
            Saying::Order(order) => order,
            Saying::Show(text) => {
                let during = SHOWN_FOR;
                return Some(Host::Show { text, during });
            }
        };
        let open = |ask: Ask| self.asked.filter(|(open, _)| *open == ask);
        Some(match order {
            Order::BeginSession { funds } => Host::BeginSession { funds },
            Order::Select {
                item,
                options,
                funds,
            } => {
                let Some(item) = self.numbering.bus(item.number()) else {
                    tracing::warn!(
                        item = item.number(),
                        "the machine has no number for the favourite"
                    );
                    return None;
                };
                Host::Select {
                    item,
                    options: ItemOptions::from_u32(options),
                    funds,
                }
            }
            Order::CancelSession => Host::CancelSession,
            Order::EndSession => Host::EndSession,
            Order::Approve {
                ask,
                rseq,
                amount,
                epoch,
            } => {
                let Some((_, request)) = open(ask) else {
                    // Another question is open: this verdict has no hearer.
                    self.tell(News::Machine(Machine::ApprovalRefused { rseq }));
                    return None;
                };
                self.approved = Some((rseq, epoch));
                Host::Approve {
                    request,
                    amount,
                    tag: rseq.number(),
                }
            }
            Order::Deny { ask } => Host::Deny {
                request: open(ask)?.1,
            },
            Order::ApproveRevalue {
                ask, rseq, epoch, ..
            } => {
                let Some((_, request)) = open(ask) else {
                    self.tell(News::Machine(Machine::RevalueOver { rseq }));
                    return None;
                };
                self.cash = Some(Cash {
                    request,
                    rseq,
                    epoch,
                });
                Host::ApproveRevalue { request }
            }
            Order::DenyRevalue { ask } => Host::DenyRevalue {
                request: open(ask)?.1,
            },
            Order::TellRevalueLimit { ask, limit } => Host::RevalueLimit {
                request: open(ask)?.1,
                limit,
            },
        })
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

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what only options bring, and none is on"
    )]
    fn event(&mut self, event: Event) {
        match event {
            Event::Reset { approval } => self.reset(approval),
            Event::Configured {
                level,
                columns,
                rows,
            } => {
                self.standing.vmc_level = level.number();
                self.tell(News::Display { columns, rows });
                self.tell(News::Standing(self.standing));
            }
            Event::Prices { max, .. } => {
                self.standing.price_max = max.unwrap_or(u32::MAX);
                self.tell(News::Standing(self.standing));
            }
            Event::VmcId(vmc) => {
                self.standing.vmc_id = VmcId::of(&vmc.manufacturer, &vmc.serial, &vmc.model);
                self.tell(News::Standing(self.standing));
            }
            Event::Enabled => self.tell_machine(Machine::Enabled),
            Event::Disabled => self.tell_machine(Machine::Disabled),
            Event::SessionBegan => self.tell_machine(Machine::SessionBegan),
            Event::SessionRefused(refusal) => {
                self.tell_machine(Machine::SessionRefused(match refusal {
                    SessionRefusal::Busy => NoSession::Busy,
                    SessionRefusal::CalledOff => NoSession::CalledOff,
                    SessionRefusal::NotEnabled | _ => NoSession::NotEnabled,
                }));
            }
            Event::VendRequested {
                request,
                price,
                item,
            } => {
                let ask = self.ask(request);
                let item = Item::new(self.numbering.shown(item));
                self.tell_machine(Machine::Asked { ask, price, item });
            }
            Event::VendCancelled { request } | Event::VendTimedOut { request } => {
                self.cancelled(request);
            }
            Event::ApprovalRefused { tag, refusal } => {
                tracing::warn!(?refusal, tag, "an approval went nowhere");
                let rseq = Rseq::new(tag);
                self.tell_machine(Machine::ApprovalRefused { rseq });
            }
            Event::ApprovalDelivered { .. } => self.delivered_at = self.uptime.now(),
            Event::VendSucceeded { tag, .. } => {
                let (rseq, after) = self.ended(tag, Outcome::Delivered);
                self.tell_machine(Machine::Succeeded { rseq, after });
            }
            Event::VendFailed { tag } => {
                let (rseq, after) = self.ended(tag, Outcome::Failed);
                self.tell_machine(Machine::Failed { rseq, after });
            }
            Event::SessionCompleted => self.tell_machine(Machine::SessionCompleted),
            Event::EndTimedOut => {
                tracing::error!("the hub did not end the machine's session in time")
            }
            Event::OutOfSequence { command } => {
                tracing::warn!(?command, "the machine's command has no place here");
            }
            Event::VmcSilent => {
                tracing::warn!("the machine is silent");
                self.tell_fault(Code::BUS_LOST, [0; 8]);
            }
            Event::CashSold { item, price } => {
                let item = Item::new(self.numbering.sold(item));
                self.tell_machine(Machine::CashSold { item, price });
            }
            Event::RevalueLimitAsked(request) => {
                let ask = self.ask(request);
                self.tell_machine(Machine::RevalueLimitAsked { ask });
            }
            Event::RevalueAsked { request, amount } => {
                let ask = self.ask(request);
                self.tell_machine(Machine::RevalueAsked { ask, amount });
            }
            Event::RevalueApprovalTaken { request } => {
                if let Some(rseq) = self.cash_ended(request, Outcome::Delivered) {
                    self.tell_machine(Machine::RevalueTaken { rseq });
                }
            }
            Event::RevalueOver { request } => match self.cash_ended(request, Outcome::Failed) {
                Some(rseq) => self.tell_machine(Machine::RevalueOver { rseq }),
                None => self.cancelled(request),
            },
            Event::PriceRefused { item, price, why } => {
                tracing::warn!(item, price, ?why, "a price was refused");
                self.tell_fault(Code::PRICE_REFUSED, refused_price(item, price, why));
            }
            Event::AddressTaken => {
                tracing::error!("another device answers at this reader's address");
                self.tell_fault(Code::OTHER_DEVICE, [0; 8]);
            }
            Event::SelectionOver { item, why } => {
                tracing::info!(
                    item,
                    ?why,
                    "the favourite is not made; the customer may still choose"
                );
            }
            Event::DenialDelivered { .. } | Event::ReaderCancelled => {}
            other => tracing::debug!(?other, "an event of an option"),
        }
    }

    /// Numbers a question of the machine; the one before has no hearer any more.
    fn ask(&mut self, request: RequestNumber) -> Ask {
        self.asks = self.asks.wrapping_add(1);
        let ask = Ask::new(self.asks);
        self.asked = Some((ask, request));
        ask
    }

    fn cancelled(&mut self, request: RequestNumber) {
        if let Some((ask, _)) = self.asked.filter(|(_, open)| *open == request) {
            self.tell_machine(Machine::Cancelled { ask });
        }
    }

    /// The machine took the approved cash-in, or never will: written down before anything follows.
    fn cash_ended(&mut self, request: RequestNumber, outcome: Outcome) -> Option<Rseq> {
        let cash = self.cash.take_if(|cash| cash.request == request)?;
        self.write_down(&Ending {
            epoch: cash.epoch,
            rseq: cash.rseq,
            outcome,
            after: Duration::ZERO,
        });
        Some(cash.rseq)
    }

    fn reset(&mut self, approval: ApprovalState) {
        self.asked = None;
        let approval = match approval {
            ApprovalState::None => Approval::NotDelivered,
            ApprovalState::NotDelivered { tag } => {
                self.ended(tag, Outcome::Failed);
                Approval::NotDelivered
            }
            ApprovalState::Delivered { tag } => {
                let (rseq, after) = self.ended(tag, Outcome::ByReset);
                Approval::Delivered { rseq, after }
            }
        };
        self.tell_machine(Machine::Reset(approval));
    }

    /// Puts an ending on the result page, before the machine hears that we have it.
    fn ended(&mut self, tag: u64, outcome: Outcome) -> (Rseq, Duration) {
        let rseq = Rseq::new(tag);
        let after = self.uptime.now().saturating_sub(self.delivered_at);
        if let Some((_, epoch)) = self.approved.filter(|(approved, _)| *approved == rseq) {
            self.write_down(&Ending {
                epoch,
                rseq,
                outcome,
                after,
            });
        }
        (rseq, after)
    }

    fn write_down(&mut self, ending: &Ending) {
        if let Err(fault) = self.page.write(ending) {
            tracing::error!(%fault, "the result page cannot be written");
        }
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

/// The item, the price or FFFFFFFF, and what is wrong with it: 1 outside what SETUP announced, 2 no
/// whole number of the bus's steps.
fn refused_price(item: u16, price: Option<u32>, why: PriceFault) -> [u8; 8] {
    let [i1, i2] = item.to_be_bytes();
    let [p1, p2, p3, p4] = price.unwrap_or(u32::MAX).to_be_bytes();
    let why = match why {
        PriceFault::OutsideSetup => 1,
        PriceFault::NotDivisible => 2,
        _ => 0,
    };
    [i1, i2, p1, p2, p3, p4, why, 0]
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
