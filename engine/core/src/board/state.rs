//! The board itself: one input in, its consequences out.

use super::grant::{Grant, GrantTimes, Terms};
use super::outbox::{Outbox, Written};
use super::record::{ChainOf, Outcome, Past, Record, after_ms, chained};
use super::shell::{
    Answer, Approval, Ask, Code, Door, Fault, Fresh, Greeting, Input, LastResult, Limits, Machine,
    NoSession, Note, Output, Room, Sessions, Ticket,
};
use super::{Life, Step};
use crate::id::{Bind, Chain, Item, Nonce, Order, Rseq};
use crate::money::{Amount, Currency};
use crate::receipt::{Flags, Receipt, ReceiptKind};
use crate::time::Timestamp;
use core::time::Duration;
use std::collections::VecDeque;

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
    /// Up to which receipts have gone out on it.
    sent: Rseq,
    traffic: Traffic,
    agains: u8,
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
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    ask: Ask,
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
            Input::LinkRefused => self.link_refused(),
            Input::LinkDown => self.link_down(),
            Input::LinkTook => self.link_took(),
            Input::Leave => self.leave(),
            Input::Again { fresh } => self.again(fresh),
            Input::Answered { answers, fresh } => self.answered(&answers, fresh),
            Input::Machine(machine) => self.machine(machine),
            Input::Synced(ticket) => self.synced(ticket),
            Input::JournalFailed => self.journal_failed(),
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
        [door, life, drain].into_iter().flatten().min()
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

    /// Whether an INTENT is open.
    pub const fn has_intent(&self) -> bool {
        self.intent.is_some()
    }
}

/// Time.
impl Board {
    fn expire(&mut self) {
        if self.door.is_some_and(|door| self.now >= door.until) {
            self.shut_door();
            self.lose_patience();
        }
        match self.life {
            Life::Linked if self.now >= self.until => self.leave_linked(Step::TimedOut),
            Life::Granted => self.expire_grant(),
            Life::Vending => {
                self.expire_absence();
                let intent = self.intent.filter(|intent| {
                    self.now >= intent.since.saturating_add(self.start.limits.vend_max)
                });
                if intent.is_some() {
                    self.free_phone();
                }
            }
            Life::Waiting if self.now >= self.until && self.link.is_some() => self.drop_link(),
            Life::Idle | Life::Advertising | Life::Linked | Life::Waiting | Life::Closing => {}
        }
    }

    /// The door has closed unused.
    fn lose_patience(&mut self) {
        if self.life == Life::Advertising {
            self.step(Step::TimedOut);
        }
        self.expire_absence();
    }

    fn expire_absence(&mut self) {
        let resume_max = self.start.limits.resume_max;
        let now = self.now;
        if let Some(grant) = &mut self.grant
            && let Some(since) = grant.alone_since
            && now >= since.saturating_add(resume_max)
        {
            grant.end(Note::Left);
        }
    }

    fn expire_grant(&mut self) {
        self.expire_absence();
        if let Some(grant) = self.grant
            && self.now >= self.grant_end(&grant)
            && let Some(grant) = &mut self.grant
        {
            grant.end(Note::TimedOut);
        }
    }

    fn grant_end(&self, grant: &Grant) -> Duration {
        let limits = &self.start.limits;
        let idle = grant.idle_since.saturating_add(limits.idle_max);
        let alone = grant.alone_since.map_or(Duration::MAX, |since| {
            since.saturating_add(limits.resume_max)
        });
        idle.min(grant.ends).min(alone)
    }

    /// VENDING has lasted too long: the phone may go, the INTENT stays.
    fn free_phone(&mut self) {
        self.step(Step::TimedOut);
        if let Some(grant) = &mut self.grant {
            grant.end(Note::Silent);
        }
        self.tell(Note::Silent);
        self.drop_link();
        self.shut_door();
    }
}

/// Light and link.
impl Board {
    fn code_seen(&mut self, code: Code) {
        match self.life {
            Life::Idle => self.step(Step::CodeSeen),
            // Half open: whoever comes may carry receipts away, no more.
            Life::Waiting if self.link.is_none() => {}
            Life::Waiting
            | Life::Advertising
            | Life::Linked
            | Life::Granted
            | Life::Vending
            | Life::Closing => return,
        }
        self.open_door(Door::Code(code), self.start.limits.code_max);
    }

    fn open_door(&mut self, door: Door, open_max: Duration) {
        let until = self.now.saturating_add(open_max);
        self.door = Some(OpenDoor {
            door,
            until,
            failures: 0,
        });
        if self.life == Life::Advertising {
            self.until = until;
        }
        self.outputs.push_back(Output::Advertise(door));
    }

    fn shut_door(&mut self) {
        if self.door.take().is_some() {
            self.outputs.push_back(Output::Hush);
        }
    }

    fn link_refused(&mut self) {
        let Some(door) = &mut self.door else { return };
        door.failures = door.failures.saturating_add(1);
        let counts = match door.door {
            Door::Code(_) => true,
            // 128 bits need no count, and a stranger must not shut the owner out.
            Door::Resume(_) => false,
        };
        if counts && door.failures >= self.start.limits.code_failures_max {
            self.shut_door();
            self.lose_patience();
        }
    }

    fn link_up(&mut self, bind: Bind, fresh: Fresh) {
        let Some(door) = self.door.filter(|_| self.link.is_none()) else {
            self.outputs.push_back(Output::DropLink);
            return;
        };
        self.shut_door();
        self.link = Some(Link {
            bind,
            sent: self.outbox.acked(),
            traffic: Traffic::Free,
            agains: 0,
        });
        match (self.life, door.door) {
            (Life::Advertising, _) => {
                self.step(Step::LinkUp);
                self.greet(fresh);
            }
            (Life::Waiting, _) => {
                self.until = self.now.saturating_add(self.start.limits.answer_max);
                self.tell(Note::Silent);
            }
            (Life::Granted | Life::Vending, Door::Resume(_)) => {
                if let Some(grant) = &mut self.grant {
                    grant.alone_since = None;
                    grant.resume = fresh;
                }
                self.tell_resume(Note::None);
            }
            (Life::Closing, Door::Resume(_)) => self.tell(Note::None),
            (
                Life::Idle | Life::Linked | Life::Granted | Life::Vending | Life::Closing,
                Door::Code(_) | Door::Resume(_),
            ) => self.drop_link(),
        }
    }

    fn link_down(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        match self.life {
            Life::Linked => self.leave_linked(Step::LinkLost),
            Life::Granted | Life::Vending => {
                let now = self.now;
                if let Some(grant) = &mut self.grant {
                    grant.alone_since = Some(now);
                    let door = Door::Resume(grant.resume);
                    self.open_door(door, self.start.limits.resume_max);
                }
            }
            Life::Closing => {
                if let Some(closing) = self.closing {
                    self.open_door(Door::Resume(closing.resume), self.start.limits.resume_max);
                }
            }
            Life::Idle | Life::Advertising | Life::Waiting => {}
        }
    }

    fn leave(&mut self) {
        match self.life {
            Life::Linked => self.leave_linked(Step::LinkLost),
            Life::Granted | Life::Vending if self.link.is_some() => {
                if let Some(grant) = &mut self.grant {
                    grant.end(Note::Left);
                }
            }
            Life::Waiting => self.drop_link(),
            Life::Idle | Life::Advertising | Life::Granted | Life::Vending | Life::Closing => {}
        }
    }

    fn leave_linked(&mut self, step: Step) {
        self.hello = None;
        if step == Step::TimedOut {
            self.tell(Note::TimedOut);
        }
        self.drop_link();
        self.step(step);
    }

    fn drop_link(&mut self) {
        if self.link.take().is_some() {
            self.outputs.push_back(Output::DropLink);
        }
    }

    fn again(&mut self, fresh: Fresh) {
        let agains_max = self.start.limits.agains_max;
        if self.life != Life::Linked || self.hello.is_some() {
            return;
        }
        let Some(link) = self.link.as_mut().filter(|link| link.agains < agains_max) else {
            return;
        };
        link.agains = link.agains.saturating_add(1);
        self.greet(fresh);
    }

    /// Makes a HELLO. The one slot: the HELLO before is forgotten.
    fn greet(&mut self, fresh: Fresh) {
        let Some(link) = &mut self.link else { return };
        let nonce = Nonce::from_bytes(*fresh.as_bytes());
        let now_ms = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        // Two HELLOs of one boot never share an order.
        let at_ms = self
            .last_hello_ms
            .map_or(now_ms, |last| now_ms.max(last.saturating_add(1)));
        self.last_hello_ms = Some(at_ms);
        let receipts = self
            .outbox
            .greeting(self.start.limits.greeting_receipts_max);
        // A fresh result out of its row must not make the ones before it look sent.
        let mut sent = self.outbox.acked();
        for written in &receipts {
            if written.receipt.rseq.number() == sent.number().saturating_add(1) {
                sent = written.receipt.rseq;
            }
        }
        link.sent = link.sent.max(sent);
        link.traffic = Traffic::Busy;
        let bind = link.bind;
        self.hello = Some(Hello {
            nonce,
            bind,
            at: self.now,
        });
        self.until = self.now.saturating_add(self.start.limits.answer_max);
        let newest = self.outbox.newest();
        let greeting = Greeting {
            nonce,
            bind,
            uptime: Duration::from_millis(at_ms),
            oldest: self.outbox.oldest(),
            newest,
            acked: self.outbox.acked(),
            chain: self.outbox.chain_at(newest).unwrap_or(self.chain),
            journal: self.room(),
            wall: self.wall.map(|wall| (self.utc(), wall.error)),
            receipts,
        };
        self.outputs.push_back(Output::Greet(greeting));
    }

    fn link_took(&mut self) {
        if let Some(link) = &mut self.link {
            link.traffic = Traffic::Free;
        }
    }

    /// Sends the next unacknowledged receipts, when the link is free for them.
    fn drain(&mut self) {
        let count = self.start.limits.batch_receipts_max;
        let Some(link) = &mut self.link else { return };
        if link.traffic == Traffic::Busy {
            return;
        }
        let receipts = self.outbox.after(link.sent, count);
        let Some(newest) = receipts.last().map(|written| written.receipt.rseq) else {
            return;
        };
        link.sent = newest;
        link.traffic = Traffic::Busy;
        self.outbox.carried(newest);
        self.outputs.push_back(Output::SendReceipts(receipts));
    }
}

/// The server's word.
impl Board {
    fn answered(&mut self, answers: &[Answer], fresh: Fresh) {
        // The nonce as it was when the envelope arrived, for all of its items (protocol section 5).
        let hello = self.hello;
        for answer in answers {
            match answer {
                Answer::Ack { epoch, upto, chain } => {
                    match self.outbox.ack(*epoch, *upto, *chain) {
                        Ok(true) => self.write_acked(),
                        Ok(false) => {}
                        Err(_) => self.report(Fault::ForeignAck { upto: *upto }),
                    }
                }
                Answer::Time { utc, nonce } => {
                    if let Some(hello) = hello.filter(|hello| hello.nonce == *nonce) {
                        self.wall = Some(Wall {
                            utc: *utc,
                            at: self.now,
                            error: self.now.saturating_sub(hello.at),
                        });
                    }
                }
                Answer::Grant(terms) => self.granted(terms, hello, fresh),
                Answer::Refuse { nonce, reason } => {
                    let fits = hello.is_some_and(|hello| hello.nonce == *nonce);
                    if fits && self.life == Life::Linked && self.hello.take().is_some() {
                        self.until = self.now.saturating_add(self.start.limits.answer_max);
                        self.tell(Note::Refused(*reason));
                    }
                }
                Answer::Resend { nonce, epoch, from } => {
                    let fits = hello.is_some_and(|hello| hello.nonce == *nonce);
                    if fits && *epoch == self.outbox.epoch() && self.outbox.resend(*from) {
                        if let Some(link) = &mut self.link {
                            link.sent = self.outbox.acked();
                        }
                        self.write_acked();
                    }
                }
            }
        }
    }

    fn write_acked(&mut self) {
        self.outbox.forget(self.start.limits.acked_kept_max);
        let acked = self.outbox.acked();
        self.write(Record::Acked(acked));
    }

    fn granted(&mut self, terms: &Terms, hello: Option<Hello>, fresh: Fresh) {
        let limits = self.start.limits;
        let Some(hello) = hello.filter(|hello| {
            self.life == Life::Linked
                && self.hello.is_some()
                && hello.nonce == terms.nonce
                && hello.bind == terms.bind
                && self.now.saturating_sub(hello.at) <= limits.answer_max
        }) else {
            return self.report(Fault::StrayGrant);
        };
        let currency = self.start.currency;
        if terms.currency != currency || terms.exponent != currency.exponent() {
            return self.report(Fault::ForeignCurrency);
        }
        if self.room() == Room::Full {
            self.report(Fault::NoRoom);
            return self.tell(match self.journal {
                JournalSide::Works => Note::JournalFull,
                JournalSide::Failed => Note::JournalFailed,
            });
        }
        self.hello = None;
        let times = GrantTimes {
            now: self.now,
            greeted: hello.at,
            life_max: limits.grant_max,
        };
        self.grant = Some(Grant::open(terms, times, fresh));
        self.step(Step::Granted);
        self.tell_resume(Note::None);
    }

    fn room(&self) -> Room {
        let limits = &self.start.limits;
        let room = limits.receipts_max.saturating_sub(self.outbox.unacked());
        match self.journal {
            JournalSide::Works if room > limits.receipts_reserve => Room::Left,
            JournalSide::Works | JournalSide::Failed => Room::Full,
        }
    }
}

/// The machine.
impl Board {
    fn machine(&mut self, machine: Machine) {
        match machine {
            Machine::Enabled => self.machine.power = Power::Enabled,
            Machine::Disabled => self.machine.power = Power::Off,
            Machine::Reset(approval) => self.machine_reset(approval),
            Machine::SessionBegan => {
                if self.machine.session == Session::Offered {
                    self.machine.session = Session::Open;
                    self.machine.vended = Vended::Nothing;
                }
            }
            Machine::Asked { ask, price, item } => self.asked(Asked { ask, price, item }),
            Machine::SessionRefused(why) => self.session_refused(why),
            Machine::Cancelled { ask } => self.cancelled(ask),
            Machine::ApprovalRefused { rseq } => self.approval_refused(rseq),
            Machine::Succeeded { rseq, after } => self.result(rseq, Outcome::Delivered, after),
            Machine::Failed { rseq, after } => self.result(rseq, Outcome::Failed, after),
            Machine::SessionCompleted => self.session_completed(),
        }
    }

    fn machine_reset(&mut self, approval: Approval) {
        self.machine = MachineSide {
            power: Power::Off,
            session: Session::None,
            vended: Vended::Nothing,
        };
        self.asked = None;
        if let Some(grant) = &mut self.grant {
            grant.end(Note::Reset);
        }
        match approval {
            Approval::Delivered { rseq, after } => self.result(rseq, Outcome::ByReset, after),
            Approval::NotDelivered => self.fail_unapproved(),
        }
    }

    fn asked(&mut self, asked: Asked) {
        if let Some(intent) = &self.intent {
            match intent.phase {
                Phase::Ending(..) => self.asked = Some(asked),
                // Silence: a verdict for this one could be taken for the first one's.
                Phase::Writing(_) | Phase::Approved => self.report(Fault::AskedTwice),
            }
            return;
        }
        let admitted = self.admit(asked.price);
        #[cfg(test)]
        let admitted = match (self.unguarded, &self.grant) {
            (Unguarded::IgnoresTheCap, Some(_)) if self.life == Life::Granted => Ok(()),
            _ => admitted,
        };
        match admitted {
            Ok(()) => self.open_intent(asked),
            Err(note) => self.deny(asked.ask, note),
        }
    }

    fn admit(&self, price: u32) -> Result<(), Note> {
        /// A result and the CLOSE after it must find room.
        const RECEIPTS_PER_VEND: usize = 2;
        let grant = self
            .grant
            .as_ref()
            .filter(|grant| self.life == Life::Granted && grant.over.is_none())
            .ok_or(Note::NoGrant)?;
        if self.journal == JournalSide::Failed {
            return Err(Note::JournalFailed);
        }
        let kept = self.outbox.unacked().saturating_add(RECEIPTS_PER_VEND);
        if kept > self.start.limits.receipts_max {
            return Err(Note::JournalFull);
        }
        grant.admit(price)
    }
}

/// The INTENT and its one end.
impl Board {
    fn open_intent(&mut self, asked: Asked) {
        let Some(grant) = self.grant.as_ref().map(|grant| grant.id) else {
            return;
        };
        let rseq = self.next_rseq();
        self.last = rseq;
        let ticket = self.write(Record::Intent {
            rseq,
            grant,
            item: asked.item,
            price: asked.price,
        });
        self.intent = Some(Intent {
            rseq,
            asked,
            since: self.now,
            phase: Phase::Writing(ticket),
        });
        self.step(Step::Asked);
        self.tell(Note::None);
        #[cfg(test)]
        if self.unguarded == Unguarded::ApprovesBeforeSync {
            self.approve();
        }
    }

    fn approve(&mut self) {
        let Some(intent) = &mut self.intent else {
            return;
        };
        intent.phase = Phase::Approved;
        self.outputs.push_back(Output::Approve {
            ask: intent.asked.ask,
            rseq: intent.rseq,
            amount: intent.asked.price,
        });
    }

    fn deny(&mut self, ask: Ask, note: Note) {
        self.outputs.push_back(Output::Deny { ask });
        if let Some(grant) = &mut self.grant {
            grant.last = LastResult::Denied;
            grant.idle_since = self.now;
        }
        self.tell(note);
    }

    fn cancelled(&mut self, ask: Ask) {
        if self.asked.is_some_and(|asked| asked.ask == ask) {
            self.asked = None;
        }
        if self.intent.is_some_and(|intent| intent.asked.ask == ask) {
            self.fail_unapproved();
        }
    }

    /// The bus cannot say this price, or the question is gone: the machine never heard a yes.
    fn approval_refused(&mut self, rseq: Rseq) {
        let Some(intent) = self.intent.filter(|intent| intent.rseq == rseq) else {
            return;
        };
        if let Phase::Approved = intent.phase {
            self.deny(intent.asked.ask, Note::None);
            self.fail_unapproved();
        }
    }

    fn fail_unapproved(&mut self) {
        if let Some(intent) = self.intent {
            match intent.phase {
                Phase::Writing(_) | Phase::Approved => {
                    self.end_intent(intent, Outcome::Failed, Duration::ZERO);
                }
                Phase::Ending(..) => {}
            }
        }
    }

    fn result(&mut self, rseq: Rseq, outcome: Outcome, after: Duration) {
        let open = self.intent.filter(|intent| match intent.phase {
            Phase::Approved => intent.rseq == rseq,
            Phase::Writing(_) | Phase::Ending(..) => false,
        });
        match open {
            Some(intent) => self.end_intent(intent, outcome, after),
            // A command that was answered before is answered again below, and never booked twice.
            None => self.report(Fault::StrayResult { outcome, rseq }),
        }
    }

    fn end_intent(&mut self, intent: Intent, outcome: Outcome, after: Duration) {
        let Some(grant) = self.grant.as_ref().map(|grant| grant.id) else {
            return;
        };
        let written = self.seal(Receipt {
            rseq: intent.rseq,
            kind: outcome.kind(),
            grant,
            item: intent.asked.item,
            amount: Amount::from_minor(i64::from(intent.asked.price)),
            order: self.order(),
            flags: outcome.flags(after),
            after_ms: after_ms(after),
            prev: self.chain,
            chain: self.chain,
        });
        let ticket = self.write(Record::Receipt(written));
        self.machine.vended = Vended::Something;
        self.intent = Some(Intent {
            phase: Phase::Ending(ticket, written),
            ..intent
        });
    }

    /// The result is on flash: only here it counts.
    fn intent_ended(&mut self, written: Written) {
        self.intent = None;
        self.outbox.push(written);
        let price = u32::try_from(written.receipt.amount.minor()).unwrap_or(u32::MAX);
        let Some(grant) = &mut self.grant else { return };
        grant.count();
        grant.idle_since = self.now;
        match written.receipt.kind {
            ReceiptKind::VendOk => {
                grant.spend(price);
                grant.last = LastResult::Vended;
                if let Some(link) = &mut self.link {
                    link.agains = 0;
                }
            }
            ReceiptKind::VendUnknown => grant.last = LastResult::Unknown,
            ReceiptKind::VendFail
            | ReceiptKind::RevalueOk
            | ReceiptKind::RevalueUnknown
            | ReceiptKind::Close
            | ReceiptKind::EpochStart
            | ReceiptKind::LightGrantUsed
            | ReceiptKind::RevalueFail
            | ReceiptKind::NegativeVend => grant.last = LastResult::Failed,
        }
        if grant.is_spent() {
            grant.end(Note::Spent);
        }
        let goes_on = grant.over.is_none() && self.life == Life::Vending;
        if !goes_on {
            self.step(Step::EndedLast);
            return self.close();
        }
        self.step(Step::Ended);
        self.tell(Note::None);
        let open = self.machine.session == Session::Open;
        if open && self.start.sessions == Sessions::OneVend {
            // [MDB §2] a machine told "one vend" should end the session itself; some do not.
            self.machine.session = Session::Cancelled;
            self.outputs.push_back(Output::CancelSession);
        }
        if let Some(asked) = self.asked.take() {
            self.asked(asked);
        }
    }

    fn synced(&mut self, ticket: Ticket) {
        if let Some(intent) = self.intent {
            match intent.phase {
                Phase::Writing(writing) if writing == ticket => match self.life {
                    Life::Vending => self.approve(),
                    // The phone was let go meanwhile: too late to promise anything.
                    Life::Idle
                    | Life::Advertising
                    | Life::Linked
                    | Life::Granted
                    | Life::Waiting
                    | Life::Closing => {
                        self.deny(intent.asked.ask, Note::TimedOut);
                        self.end_intent(intent, Outcome::Failed, Duration::ZERO);
                    }
                },
                Phase::Ending(writing, written) if writing == ticket => {
                    self.intent_ended(written);
                }
                Phase::Writing(_) | Phase::Approved | Phase::Ending(..) => {}
            }
        }
        if let Some(closing) = self.closing
            && let ClosePhase::Writing(writing) = closing.phase
            && writing == ticket
        {
            self.outbox.push(closing.written);
            self.end_session();
        }
    }

    fn journal_failed(&mut self) {
        self.journal = JournalSide::Failed;
        if let Some(intent) = self.intent
            && let Phase::Writing(_) = intent.phase
        {
            self.deny(intent.asked.ask, Note::JournalFailed);
        }
    }
}

/// The grant's end.
impl Board {
    fn session_completed(&mut self) {
        let was_open = self.machine.session == Session::Open;
        self.machine.session = Session::None;
        let returned = was_open && self.machine.vended == Vended::Nothing && self.intent.is_none();
        if returned && let Some(grant) = &mut self.grant {
            grant.end(Note::Returned);
        }
    }

    fn session_refused(&mut self, why: NoSession) {
        match why {
            // The next Enabled brings the next offer.
            NoSession::NotEnabled => {
                self.machine.power = Power::Off;
                self.machine.session = Session::None;
            }
            NoSession::Busy => self.machine.session = Session::Cancelled,
            NoSession::CalledOff => self.machine.session = Session::None,
        }
    }

    /// Closing runs in this order: erase the grant, write CLOSE, sync, end the machine's session.
    fn close(&mut self) {
        let Some(grant) = self.grant.take() else {
            return;
        };
        if let Some(asked) = self.asked.take() {
            self.deny(asked.ask, Note::NoGrant);
        }
        self.last = self.next_rseq();
        let (receipts, total) = grant.close();
        let written = self.seal(Receipt {
            rseq: self.last,
            kind: ReceiptKind::Close,
            grant: grant.id,
            item: Item::new(receipts),
            amount: total,
            order: self.order(),
            flags: Flags::default(),
            after_ms: 0,
            prev: self.chain,
            chain: self.chain,
        });
        let ticket = self.write(Record::Receipt(written));
        self.closing = Some(Closing {
            written,
            resume: grant.resume,
            last: grant.last,
            note: grant.over.unwrap_or(Note::None),
            phase: ClosePhase::Writing(ticket),
        });
        self.tell(grant.over.unwrap_or(Note::None));
        #[cfg(test)]
        if self.unguarded == Unguarded::ClosesBeforeSync {
            self.end_session();
        }
    }

    /// The CLOSE is on flash: from here on the machine's session may end.
    fn end_session(&mut self) {
        let until = self.now.saturating_add(self.start.limits.session_end_max);
        if let Some(closing) = &mut self.closing {
            closing.phase = ClosePhase::EndingSession(until);
        }
        match self.machine.session {
            Session::Offered | Session::Open => {
                self.machine.session = Session::Cancelled;
                self.outputs.push_back(Output::CancelSession);
            }
            Session::None | Session::Cancelled => {}
        }
    }

    /// What follows from where the board stands, whatever brought it there.
    fn go_on(&mut self) {
        if self.life == Life::Granted {
            self.go_on_granted();
        }
        if let Some(closing) = self.closing
            && let ClosePhase::EndingSession(until) = closing.phase
            && (self.machine.session == Session::None || self.now >= until)
        {
            self.closed(closing);
        }
        self.drain();
    }

    fn go_on_granted(&mut self) {
        let Some(grant) = &mut self.grant else { return };
        if grant.is_spent() {
            grant.end(Note::Spent);
        }
        if grant.over.is_some() {
            self.step(Step::Over);
            return self.close();
        }
        let funds = grant.funds();
        if self.machine.power == Power::Enabled && self.machine.session == Session::None {
            self.machine.session = Session::Offered;
            self.machine.vended = Vended::Nothing;
            self.outputs.push_back(Output::BeginSession { funds });
        }
    }

    fn closed(&mut self, closing: Closing) {
        if self.link.is_some() {
            self.step(Step::ClosedLinked);
            self.until = self.now.saturating_add(self.start.limits.answer_max);
        } else {
            self.shut_door();
            self.step(Step::ClosedAlone);
        }
        self.tell(closing.note);
        self.closing = None;
    }
}

/// Small steps that everything above is made of.
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
