//! The machine's keypad, its clock and its question for the customer's age.

use super::{Cashless, Event, Shown, State};
use crate::bounds::KEYS_MAX;
use crate::cashless::outbox::{Kind, Sent};
use crate::command::{Command, Keys, Level};
use crate::message::{AgeStatus, Message};
use crate::options::Options;

/// The customer is asked to type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry;

/// Keys are repeated on the machine's display. [MDB 7.4.14]
const SHOWN: u8 = 1 << 7;

impl Cashless {
    pub(super) fn ask_keys(&mut self, keys: u8, shown: Shown) {
        let possible = self.has(Options::DATA_ENTRY) && self.state == State::Enabled;
        let some = (1..=KEYS_MAX).contains(&usize::from(keys));
        if !possible || !some || self.entry.is_some() {
            return self.event(Event::KeysOver);
        }
        let shown = match shown {
            Shown::Plainly => SHOWN,
            Shown::Never => 0,
        };
        self.entry = Some(Entry);
        self.last_keys = None;
        self.outbox.push(Message::DataEntry { keys: keys | shown });
    }

    /// Calls the keypad off, if the controller may have heard of it.
    pub(super) fn stop_keys(&mut self) {
        if self.entry.take().is_none() {
            return;
        }
        let never = self.outbox.waiting(Kind::Entry) == Some(Sent::Never);
        self.outbox.remove(Kind::Entry);
        if !never {
            self.outbox.push(Message::DataEntryCancel);
        }
        self.event(Event::KeysOver);
    }

    /// Nobody types any more: the controller goes on to something else.
    pub(super) fn keys_over(&mut self) {
        if self.entry.take().is_some() {
            self.outbox.remove(Kind::Entry);
            self.event(Event::KeysOver);
        }
    }

    pub(super) fn keys_typed(&mut self, keys: Keys, command: Command) {
        if !self.has(Options::DATA_ENTRY) {
            return self.out_of_sequence(command);
        }
        let repeat = self.last_keys == Some(keys);
        if self.entry.take().is_some() {
            self.outbox.remove(Kind::Entry);
            self.last_keys = Some(keys);
            self.event(match keys.typed() {
                Some(_) => Event::KeysTyped(keys),
                None => Event::KeysOver,
            });
        } else if !repeat && self.outbox.waiting(Kind::Entry).is_none() && self.last_keys.is_none()
        {
            return self.out_of_sequence(command);
        }
        self.ack();
    }

    /// Asks for the time at the next POLL.
    pub(super) fn ask_time(&mut self) {
        let set_up = !matches!(self.state, State::Inactive);
        if set_up && self.spoken() > Level::One {
            self.outbox.push(Message::TimeRequest);
        }
    }

    /// The machine sells from this age on. Whether it sells is for the machine to decide. [MDB 4.3, chapter 11]
    pub(super) fn age_limited(&mut self, age: u8) {
        if !self.config.age_check {
            return self.ack();
        }
        self.event(Event::AgeLimit(age));
        let feature = self.age.state & AGE_PLACE;
        self.answer(self.config.answers.age, Message::AgeFeature(feature));
    }

    pub(super) fn age_asked(&mut self) {
        if !self.config.age_check {
            return self.ack();
        }
        self.answer(self.config.answers.age, Message::AgeStatus(self.age));
    }

    /// The host knows more; a machine that is there is told at once when media was inserted.
    pub(super) fn age_known(&mut self, status: AgeStatus) {
        let inserted = status.state & !self.age.state & AGE_INSERTED != 0;
        self.age = status;
        if inserted && self.config.age_check && self.state != State::Inactive {
            self.outbox.push(Message::AgeStatus(status));
        }
    }
}

const AGE_INSERTED: u8 = 1 << 7;
/// Card in reading position, card inserted.
const AGE_PLACE: u8 = AGE_INSERTED | 1;
