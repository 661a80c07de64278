//! The end of a session: who wishes it, and who lets it come about.

use core::time::Duration;

use super::{
    After, Answer, Cashless, Completion, Event, Leaving, SelectionEnd, SessionRefusal, State,
    Verdict,
};
use crate::cashless::outbox::{Kind, Sent};
use crate::cashless::revalue::Overtaken;
use crate::command::Command;
use crate::message::Message;

impl Cashless {
    /// Queues the wish to end the session, as soon as that is legal.
    pub(super) fn leave(&mut self) {
        match (self.state, self.outbox.waiting(Kind::Begin)) {
            // The controller is ending it already.
            (State::SessionIdle, _) if self.completed_at.is_some() => {}
            (State::SessionIdle, _) => self.outbox.push(Message::SessionCancel),
            (State::Vend | State::Revalue | State::NegativeVend, _)
            | (State::Enabled, Some(Sent::Unacknowledged)) => {
                self.leaving = Leaving::WhenIdle;
            }
            (State::Enabled, Some(Sent::Never)) => {
                self.withdraw_offer(SessionRefusal::CalledOff);
            }
            (State::Inactive | State::Disabled | State::Enabled, _) => {}
        }
    }

    /// SESSION COMPLETE: told once, answered every time.
    pub(super) fn completed(&mut self, now: Duration, command: Command) {
        if self.state == State::Enabled {
            self.begin_if_seen();
        }
        match (self.state, self.vend) {
            // A repeat: the host's word is still to come.
            (State::SessionIdle, _) if self.completed_at.is_some() => return self.ack(),
            (State::SessionIdle, _) => {}
            (State::Vend | State::NegativeVend, Some(vend))
                if matches!(
                    vend.verdict,
                    Verdict::Denied | Verdict::Refused | Verdict::Cancelled
                ) =>
            {
                self.denial_delivered(vend);
            }
            (State::Revalue, _) => match self.overtake(command) {
                Overtaken::Over => {}
                Overtaken::NoPlace => return self.out_of_sequence(command),
            },
            // A repeat: END SESSION was not heard.
            (State::Enabled | State::Disabled, _) => return self.say_end(),
            (State::Inactive | State::Vend | State::NegativeVend, _) => {
                return self.out_of_sequence(command);
            }
        }
        self.drop_limit();
        self.drop_wish(SelectionEnd::CalledOff);
        self.outbox.remove(Kind::SessionCancel);
        self.event(Event::SessionCompleted);
        match self.config.answers.complete {
            Completion::Immediate | Completion::Deferred => {
                self.return_from_session();
                self.say_end();
            }
            Completion::Host => {
                self.completed_at = Some(now);
                self.ack();
            }
        }
    }

    /// Lets the completed session end, by the host's word or for the lack of it.
    pub(super) fn end(&mut self) {
        if self.completed_at.take().is_some() {
            self.outbox.push(Message::EndSession);
            self.return_from_session();
        }
    }

    fn say_end(&mut self) {
        let how = match self.config.answers.complete {
            // The host has given its word: a repeat need not wait for another POLL.
            Completion::Immediate | Completion::Host => Answer::Immediate,
            Completion::Deferred => Answer::Deferred,
        };
        self.answer(how, Message::EndSession);
    }

    fn return_from_session(&mut self) {
        match self.after {
            After::Enabled => self.state = State::Enabled,
            After::Disabled => {
                self.state = State::Disabled;
                self.event(Event::Disabled);
            }
        }
    }
}
