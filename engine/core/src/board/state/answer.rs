//! The server's word.

use super::{Board, Hello, JournalSide, Wall, Way};
use crate::board::grant::GrantTimes;
use crate::board::{
    Answer, Fault, Fresh, Grant, Life, Note, Output, Record, Room, Step, Terms, TokenNews,
};
use crate::lock::{Lock, LockState};
use crate::notice::Code;

impl Board {
    pub(super) fn answered(&mut self, answers: &[Answer], fresh: Fresh) {
        // The nonce as it was when the envelope arrived, for all of its items (protocol section 5).
        let hello = self.hello;
        let mut is_answered = false;
        for answer in answers {
            match answer {
                Answer::Ack { epoch, upto, chain } => {
                    match self.outbox.ack(*epoch, *upto, *chain) {
                        Ok(true) => self.write_acked(),
                        Ok(false) => {}
                        Err(_) => {
                            self.report(Fault::ForeignAck { upto: *upto });
                            self.notice(Code::ACK_MISMATCH, upto.number().to_be_bytes());
                        }
                    }
                }
                Answer::Time { utc, nonce } => {
                    if let Some(hello) = hello.filter(|hello| hello.nonce == *nonce) {
                        is_answered = true;
                        self.wall = Some(Wall {
                            utc: *utc,
                            at: self.now,
                            error: self.now.saturating_sub(hello.at),
                        });
                        self.counting.answered(&hello);
                        if hello.token != TokenNews::None {
                            self.tokens_known();
                        }
                        // The server keeps the step before it says the time.
                        self.tokens.told(hello.step);
                    }
                }
                Answer::Grant(terms) => self.granted(terms, hello, fresh),
                Answer::Refuse { nonce, reason } => {
                    let fits = hello.is_some_and(|hello| hello.nonce == *nonce);
                    if fits && self.life == Life::Linked && self.hello.take().is_some() {
                        is_answered = true;
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
                Answer::Lock(lock) => self.ordered(*lock),
                Answer::NoticesAcked { epoch, upto } => {
                    if *epoch == self.outbox.epoch() && self.noticing.log.ack(*upto) {
                        self.write(Record::NoticesAcked(*upto));
                    }
                }
            }
        }
        // Nobody stands at the other end of the board's own road who would say AGAIN.
        let is_called = self.link.is_some_and(|link| link.way == Way::Road);
        if is_answered && is_called && self.life == Life::Linked {
            self.leave_linked(Step::LinkLost);
        }
    }

    /// An order with a greater version holds from here on, also after a power cut.
    fn ordered(&mut self, lock: Lock) {
        if lock.version <= self.lock.version {
            return;
        }
        self.lock = lock;
        self.write(Record::Locked(lock));
        self.write_notice(Code::LOCK_TAKEN, lock.version, [0; 8]);
        self.outputs.push_back(Output::Service(lock.state));
    }

    pub(super) fn write_acked(&mut self) {
        self.outbox.forget(self.start.limits.acked_kept_max);
        let acked = self.outbox.acked();
        self.write(Record::Acked(acked));
    }

    pub(super) fn granted(&mut self, terms: &Terms, hello: Option<Hello>, fresh: Fresh) {
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
        if self.lock.state == LockState::Locked {
            self.report(Fault::OutOfService);
            return self.tell(Note::Locked);
        }
        if self.room() == Room::Full {
            self.report(Fault::NoRoom);
            self.notice(Code::JOURNAL_FULL, [0; 8]);
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
        // A grant by call has no phone that could be lost, as one by light.
        self.link = self.link.filter(|link| link.way == Way::Phone);
        self.tell_resume(Note::None);
    }

    pub(super) fn room(&self) -> Room {
        let limits = &self.start.limits;
        let room = limits.receipts_max.saturating_sub(self.outbox.unacked());
        match self.journal {
            JournalSide::Works if room > limits.receipts_reserve => Room::Left,
            JournalSide::Works | JournalSide::Failed => Room::Full,
        }
    }
}
