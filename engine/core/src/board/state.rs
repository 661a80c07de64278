//! The board itself: one input in, its consequences out.

mod answer;
mod close;
mod count;
mod intent;
mod link;
mod machine;
mod notice;
mod time;
mod token;

use crate::board::record::chained;
use crate::board::{
    Act, Ask, ChainOf, Door, Fault, Fresh, Grant, Input, LastResult, Life, Limits, Note, Notices,
    Outbox, Output, Past, Record, Sessions, Step, Ticket, TokenNews, Written,
};
use crate::counters::Counters;
use crate::id::{Bind, Chain, Item, Nonce, Order, Rseq};
use crate::lock::Lock;
use crate::money::{Amount, Currency};
use crate::notice::Notice;
use crate::receipt::Receipt;
use crate::time::Timestamp;
use core::time::Duration;
use count::Counting;
use notice::Noticing;
use std::collections::VecDeque;
use token::Tokens;

/// How a board starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// Starts of the reader's process so far, this one included.
    pub boot: u32,
    /// What its journal held.
    pub past: Past,
    /// The time limits.
    pub limits: Limits,
    /// What the machine was told about sessions.
    pub sessions: Sessions,
    /// The money the machine takes.
    pub currency: Currency,
    /// How a receipt is hashed.
    pub chain_of: ChainOf,
}

/// A reader board's rules (protocol sections 6.2 and 7), without radio, flash or machine.
#[derive(Clone, Debug)]
pub struct Board {
    start: Origin,
    now: Duration,
    life: Life,
    /// When ADVERTISING or LINKED ends.
    until: Duration,
    door: Option<OpenDoor>,
    link: Option<Link>,
    hello: Option<Hello>,
    last_hello_ms: Option<u64>,
    grant: Option<Grant>,
    intent: Option<Intent>,
    closing: Option<Closing>,
    /// A question that came while the one before was still being written.
    asked: Option<Asked>,
    machine: MachineSide,
    wall: Option<Wall>,
    lock: Lock,
    counting: Counting,
    noticing: Noticing,
    tokens: Tokens,
    outbox: Outbox,
    /// The last receipt written, synced or not.
    last: Rseq,
    chain: Chain,
    tickets: u64,
    journal: JournalSide,
    outputs: VecDeque<Output>,
    #[cfg(test)]
    pub(super) unguarded: Unguarded,
}

#[derive(Clone, Debug)]
struct Origin {
    boot: u32,
    limits: Limits,
    sessions: Sessions,
    currency: Currency,
    chain_of: ChainOf,
}

#[derive(Clone, Copy, Debug)]
struct OpenDoor {
    door: Door,
    until: Duration,
    failures: u8,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    bind: Bind,
    way: Way,
    /// Up to which receipts have gone out on it.
    sent: Rseq,
    /// Up to which notices have gone out on it.
    noticed: u64,
    traffic: Traffic,
    agains: u8,
}

/// What a link's messages go over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// A phone, which stays for what follows.
    Phone,
    /// The board's own road, for one HELLO and its answer: receipts go over it at all times.
    Road,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Traffic {
    Free,
    Busy,
}

#[derive(Clone, Copy, Debug)]
struct Hello {
    nonce: Nonce,
    bind: Bind,
    at: Duration,
    /// The snapshot of the counters that went with it.
    counters: Option<u64>,
    /// Whether the key of the codes went with it.
    token: TokenNews,
    /// The last step used, as it says.
    step: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    act: Act,
    ask: Ask,
    /// The price, or the cash.
    price: u32,
    item: Item,
}

#[derive(Clone, Copy, Debug)]
struct Intent {
    rseq: Rseq,
    asked: Asked,
    since: Duration,
    phase: Phase,
}

/// How far an INTENT has come.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It is being written; nothing was promised.
    Writing(Ticket),
    /// It is on flash and the machine may vend.
    Approved,
    /// Its result is being written.
    Ending(Ticket, Written),
}

#[derive(Clone, Copy, Debug)]
struct Closing {
    written: Written,
    /// What a phone lost on the way may come back with.
    resume: Fresh,
    last: LastResult,
    note: Note,
    phase: ClosePhase,
}

#[derive(Clone, Copy, Debug)]
enum ClosePhase {
    /// The CLOSE is being written.
    Writing(Ticket),
    /// It is on flash; the machine's session has to end, by this time.
    EndingSession(Duration),
}

#[derive(Clone, Copy, Debug)]
struct MachineSide {
    power: Power,
    session: Session,
    /// Whether this session has seen a vend, good or failed.
    vended: Vended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    Off,
    Enabled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Session {
    None,
    Offered,
    Open,
    /// We have asked the machine to end it.
    Cancelled,
    /// The machine has completed it and waits for our leave to end it.
    Completed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vended {
    Nothing,
    Something,
}

#[derive(Clone, Copy, Debug)]
struct Wall {
    utc: Timestamp,
    at: Duration,
    error: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum JournalSide {
    Works,
    Failed,
}

/// Guards that a test may take off, to see that its check would notice.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unguarded {
    Nothing,
    ApprovesBeforeSync,
    IgnoresTheCap,
    ClosesBeforeSync,
    EndsBeforeSync,
    TakesEveryHelloForHeard,
}

impl Board {
    /// A board that has just started, with its journal read and synced.
    pub fn new(start: Start) -> Self {
        Self {
            start: Origin {
                boot: start.boot,
                limits: start.limits,
                sessions: start.sessions,
                currency: start.currency,
                chain_of: start.chain_of,
            },
            now: Duration::ZERO,
            life: Life::Idle,
            until: Duration::ZERO,
            door: None,
            link: None,
            hello: None,
            last_hello_ms: None,
            grant: None,
            intent: None,
            closing: None,
            asked: None,
            machine: MachineSide {
                power: Power::Off,
                session: Session::None,
                vended: Vended::Nothing,
            },
            wall: None,
            lock: start.past.lock,
            counting: Counting::new(start.past.counters),
            noticing: Noticing::new(start.past.notices),
            tokens: Tokens::new(start.past.tokens),
            outbox: start.past.outbox,
            last: start.past.last,
            chain: start.past.chain,
            tickets: 0,
            journal: JournalSide::Works,
            outputs: VecDeque::new(),
            #[cfg(test)]
            unguarded: Unguarded::Nothing,
        }
    }

    /// Takes one input. Drain [`Board::poll`] before the next.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        self.expire();
        match input {
            Input::Tick => {}
            Input::CodeSeen(code) => self.code_seen(code),
            Input::LinkUp { bind, fresh } => self.link_up(bind, fresh),
            Input::Called { bind, fresh } => self.called(bind, fresh),
            Input::LinkRefused => self.link_refused(),
            Input::LinkDown => self.link_down(),
            Input::LinkTook => self.link_took(),
            Input::Leave => self.leave(),
            Input::Again { fresh } => self.again(fresh),
            Input::Answered { answers, fresh } => self.answered(&answers, fresh),
            Input::Machine(machine) => self.machine(machine),
            Input::Synced(ticket) => self.synced(ticket),
            Input::JournalFailed => self.journal_failed(),
            Input::TokenLinkUp { step, bind, fresh } => self.token_link_up(step, bind, fresh),
            Input::LightGranted { step, light, fresh } => self.light_granted(step, &light, fresh),
            Input::Fault { code, data } => self.notice(code, data),
            Input::Brought => self.brought(),
        }
        self.go_on();
    }

    /// What the shell has to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the board wants to be told that time has passed.
    pub fn next_deadline(&self) -> Option<Duration> {
        let limits = &self.start.limits;
        let door = self.door.map(|door| door.until);
        let life = match self.life {
            Life::Advertising | Life::Linked => Some(self.until),
            Life::Granted => self.grant.map(|grant| self.grant_end(&grant)),
            Life::Vending => self
                .intent
                .map(|intent| intent.since.saturating_add(limits.vend_max)),
            Life::Closing => self.closing.and_then(|closing| match closing.phase {
                ClosePhase::EndingSession(until) => Some(until),
                ClosePhase::Writing(_) => None,
            }),
            Life::Idle | Life::Waiting => None,
        };
        let drain = self.link.filter(|_| self.life == Life::Waiting);
        let drain = drain.map(|_| self.until);
        let counters = self.counting.due(limits);
        let notices = self.noticing.due();
        let token = self.token_due();
        let times = [door, life, drain, counters, notices, token];
        times.into_iter().flatten().min()
    }

    /// Where the board stands.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// The receipts it keeps.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The live grant, if there is one.
    pub const fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The time of day as far as it is known, and how wrong it may be: for the eye alone.
    pub fn time_of_day(&self) -> Option<(Timestamp, Duration)> {
        self.wall.map(|wall| (self.utc(), wall.error))
    }

    /// The operator's last order.
    pub const fn lock(&self) -> Lock {
        self.lock
    }

    /// What the machine sold for cash, as far as the board heard of it.
    pub const fn counters(&self) -> &Counters {
        &self.counting.live
    }

    /// Notices on flash after the one with this number, oldest first: for the board's own road.
    pub fn notices_after(&self, sent: u64, count: usize) -> Vec<Notice> {
        self.noticing.after(sent, count)
    }

    /// The notices that the server does not have.
    pub const fn notices(&self) -> &Notices {
        &self.noticing.log
    }

    /// Whether an INTENT is open.
    pub const fn has_intent(&self) -> bool {
        self.intent.is_some()
    }
}

/// Small steps that everything else is made of.
impl Board {
    fn step(&mut self, step: Step) {
        if let Some(next) = self.life.after(step) {
            self.life = next;
        } else {
            debug_assert!(false, "{:?} has no step {step:?}", self.life);
        }
    }

    fn write(&mut self, record: Record) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        let ticket = Ticket(self.tickets);
        self.outputs.push_back(Output::Journal(ticket, record));
        ticket
    }

    fn seal(&mut self, receipt: Receipt) -> Written {
        let written = chained(receipt, self.utc(), self.start.chain_of);
        self.chain = written.receipt.chain;
        written
    }

    fn next_rseq(&self) -> Rseq {
        Rseq::new(self.last.number().saturating_add(1))
    }

    fn order(&self) -> Order {
        Order {
            boot: self.start.boot,
            uptime_ms: u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn utc(&self) -> Timestamp {
        self.wall.map_or(Timestamp::default(), |wall| {
            let since = self.now.saturating_sub(wall.at).as_millis();
            let since = u64::try_from(since).unwrap_or(u64::MAX);
            Timestamp::from_millis(wall.utc.as_millis().saturating_add(since))
        })
    }

    fn tell(&mut self, note: Note) {
        self.tell_with(note, None);
    }

    fn tell_resume(&mut self, note: Note) {
        let resume = self.grant.map(|grant| grant.resume);
        self.tell_with(note, resume);
    }

    fn tell_with(&mut self, note: Note, resume: Option<Fresh>) {
        if self.link.is_none() {
            return;
        }
        let closing = self.closing.map(|closing| closing.last);
        let last = self.grant.map(|grant| grant.last).or(closing);
        self.outputs.push_back(Output::Tell {
            life: self.life,
            remaining: self.grant.map_or(Amount::ZERO, |grant| grant.remaining()),
            last: last.unwrap_or(LastResult::None),
            note,
            resume,
        });
    }

    fn report(&mut self, fault: Fault) {
        self.outputs.push_back(Output::Report(fault));
    }
}
