//! Cash for the account: the machine asks, the host decides, and it is done when the controller is known to have heard
//! the approval.

use core::time::Duration;

use super::{After, Cashless, Event, Repeats, RequestNumber, SelectionEnd, State};
use crate::cashless::outbox::{Kind, Sent};
use crate::command::{Command, Level};
use crate::message::Message;
use crate::money::Units;
use crate::options::Options;

/// The cash question that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revalue {
    pub(super) request: RequestNumber,
    amount: Units,
    pub(super) asked_at: Duration,
    pub(super) grant: Grant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    Open,
    Approved,
    Denied,
}

/// The question for a limit that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitQuestion {
    pub(super) request: RequestNumber,
    pub(super) asked_at: Duration,
}

/// What a command means to a cash question that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overtaken {
    /// The question is over; the command may go on from an idle session.
    Over,
    /// The command has no place here.
    NoPlace,
}

impl Cashless {
    pub(super) fn revalue_asked(&mut self, now: Duration, amount: Units, command: Command) {
        if self.spoken() == Level::One {
            return self.refuse_cash(command);
        }
        if self.state == State::Enabled {
            self.begin_if_seen();
        }
        match (self.state, self.revalue) {
            (State::SessionIdle, _) if self.completed_at.is_some() => self.out_of_sequence(command),
            (State::SessionIdle, _) => self.ask_revalue(now, amount),
            (State::Enabled, _) if self.has(Options::ALWAYS_IDLE) => {
                self.after = After::Enabled;
                self.start_without_session();
                self.ask_revalue(now, amount);
            }
            (State::Revalue, Some(open)) if open.amount == amount => {
                self.ask_revalue_again(now, open);
            }
            (State::Revalue, Some(_)) => match self.overtake(command) {
                Overtaken::Over => self.ask_revalue(now, amount),
                Overtaken::NoPlace => self.out_of_sequence(command),
            },
            _ => self.out_of_sequence(command),
        }
    }

    fn ask_revalue(&mut self, now: Duration, amount: Units) {
        self.drop_limit();
        self.drop_wish(SelectionEnd::Overtaken);
        // FFFF is no amount, and neither is what no account can hold: nobody need be asked.
        let Some(minor) = self.scale.minor(amount) else {
            self.state = State::SessionIdle;
            return self.answer(self.config.answers.revalue, Message::RevalueDenied);
        };
        let request = self.next_request();
        self.state = State::Revalue;
        self.revalue = Some(Revalue {
            request,
            amount,
            asked_at: now,
            grant: Grant::Open,
        });
        let amount = minor;
        self.event(Event::RevalueAsked { request, amount });
        self.take_question(now, self.config.answers.revalue);
    }

    /// The controller did not hear us: the same question gets the same verdict.
    fn ask_revalue_again(&mut self, now: Duration, open: Revalue) {
        let how = self.config.answers.revalue;
        match open.grant {
            Grant::Open => self.take_question(now, how),
            Grant::Approved if self.repeats == Repeats::TakenAsNew => {
                self.revalue_taken();
                self.ask_revalue(now, open.amount);
            }
            Grant::Approved => self.answer(how, Message::RevalueApproved),
            Grant::Denied => self.answer(how, Message::RevalueDenied),
        }
    }

    pub(super) fn limit_asked(&mut self, now: Duration, command: Command) {
        if self.spoken() == Level::One {
            return self.refuse_cash(command);
        }
        if self.state == State::Enabled {
            self.begin_if_seen();
        }
        match self.state {
            State::SessionIdle if self.completed_at.is_some() => self.out_of_sequence(command),
            State::SessionIdle => self.ask_limit(now),
            State::Revalue => match self.overtake(command) {
                Overtaken::Over => self.ask_limit(now),
                Overtaken::NoPlace => self.out_of_sequence(command),
            },
            State::Enabled if self.has(Options::ALWAYS_IDLE) => self.ask_limit(now),
            State::Inactive
            | State::Disabled
            | State::Enabled
            | State::Vend
            | State::NegativeVend => self.out_of_sequence(command),
        }
    }

    fn ask_limit(&mut self, now: Duration) {
        let how = self.config.answers.revalue;
        // A repeat finds the question, or its answer, still there.
        if self.limit.is_none() {
            if let Some(answer) = self.outbox.message(Kind::Revalue) {
                return self.answer(how, answer);
            }
            let request = self.next_request();
            let asked_at = now;
            self.limit = Some(LimitQuestion { request, asked_at });
            self.event(Event::RevalueLimitAsked(request));
        }
        self.take_question(now, how);
    }

    /// A controller that asks a level 1 device at least understands a no.
    fn refuse_cash(&mut self, command: Command) {
        match self.state {
            State::SessionIdle => self.answer(self.config.answers.revalue, Message::RevalueDenied),
            State::Inactive
            | State::Disabled
            | State::Enabled
            | State::Vend
            | State::Revalue
            | State::NegativeVend => self.out_of_sequence(command),
        }
    }

    /// A command of the session that comes while a cash question is still there.
    pub(super) fn overtake(&mut self, command: Command) -> Overtaken {
        let left = self.outbox.waiting(Kind::Revalue) == Some(Sent::Unacknowledged);
        let Some(open) = self.revalue else {
            return Overtaken::NoPlace;
        };
        match open.grant {
            // It goes on, so it knows the denial, or does not want to.
            Grant::Denied => {
                self.revalue_closed();
                Overtaken::Over
            }
            // Cash cannot be taken back like a selection: a controller that asks for something else has its answer. To say
            // the approval again would let it answer the next offer.
            Grant::Approved if left => {
                self.revalue_taken();
                Overtaken::Over
            }
            Grant::Open | Grant::Approved if command == Command::SessionComplete => {
                self.revalue_lost();
                Overtaken::Over
            }
            Grant::Open | Grant::Approved => Overtaken::NoPlace,
        }
    }

    /// The controller acknowledged what answers a cash question.
    pub(super) fn revalue_answer_delivered(&mut self, message: Message) {
        match (self.revalue.map(|open| open.grant), message) {
            (Some(Grant::Approved), Message::RevalueApproved) => self.revalue_taken(),
            (Some(Grant::Denied), _) => self.revalue_closed(),
            // The answer to a question for a limit leaves the session as it was.
            _ => {}
        }
    }

    fn revalue_taken(&mut self) {
        if let Some(open) = self.revalue {
            let request = open.request;
            self.event(Event::RevalueApprovalTaken { request });
            self.revalue_closed();
        }
    }

    fn revalue_closed(&mut self) {
        self.outbox.remove(Kind::Revalue);
        self.revalue = None;
        self.idle();
    }

    /// Ends a question whose approval nobody acknowledged.
    pub(super) fn revalue_lost(&mut self) {
        self.revalue_over();
        self.revalue_closed();
    }

    /// Tells the host, unless it has ended the question itself.
    pub(super) fn revalue_over(&mut self) {
        if let Some(open) = self.revalue
            && open.grant != Grant::Denied
        {
            let request = open.request;
            self.event(Event::RevalueOver { request });
        }
    }

    /// The host took too long.
    pub(super) fn revalue_timed_out(&mut self, now: Duration) {
        if self.limit_deadline().is_some_and(|end| now >= end) {
            self.limit = None;
            self.outbox.push(Message::RevalueDenied);
        }
        if self.revalue_deadline().is_some_and(|end| now >= end) {
            self.revalue_over();
            if let Some(open) = &mut self.revalue {
                open.grant = Grant::Denied;
            }
            self.outbox.push(Message::RevalueDenied);
        }
    }

    pub(super) fn revalue_deadline(&self) -> Option<Duration> {
        let open = self.revalue.filter(|open| open.grant == Grant::Open)?;
        Some(open.asked_at.saturating_add(self.host_patience()))
    }

    pub(super) fn limit_deadline(&self) -> Option<Duration> {
        Some(self.limit?.asked_at.saturating_add(self.host_patience()))
    }

    pub(super) fn tell_limit(&mut self, now: Duration, request: RequestNumber, limit: u32) {
        if self.limit.is_some_and(|open| open.request == request) {
            self.limit = None;
            let amount = self.scale.funds(limit, self.width());
            self.tell(now, Message::RevalueLimit { amount });
        }
    }

    pub(super) fn grant_revalue(&mut self, now: Duration, request: RequestNumber, grant: Grant) {
        let message = match grant {
            Grant::Approved => Message::RevalueApproved,
            Grant::Open | Grant::Denied => Message::RevalueDenied,
        };
        let limit = self.limit.is_some_and(|open| open.request == request);
        if limit && grant == Grant::Denied {
            self.limit = None;
            return self.tell(now, message);
        }
        if let Some(open) = &mut self.revalue
            && open.request == request
            && open.grant == Grant::Open
        {
            open.grant = grant;
            self.tell(now, message);
        }
    }

    /// Forgets a question for a limit: the controller asks for something else.
    pub(super) fn drop_limit(&mut self) {
        self.limit = None;
        if self.revalue.is_none() {
            self.outbox.remove(Kind::Revalue);
        }
    }
}
