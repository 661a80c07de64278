//! Envelopes on their way to the server: one request at a time, in the order they came, until the
//! server has them.

use crate::bounds::{
    ANSWER_LEN_MAX, ENVELOPES_MAX, PAUSE_FIRST, PAUSE_MAX, UNFINISHED_MAX, WAITING_MAX,
};
use crate::shell::{Asker, Request};
use crate::told::{self, ForReader, Outcome, Told};
use core::time::Duration;
use gettone_channel::{ENVELOPE_LEN_MAX, ENVELOPE_LEN_MIN, Handshake};
use std::collections::VecDeque;

const RELAY: &str = "/v1/app/relay";

/// What carries envelopes to the server.
#[derive(Debug)]
pub(crate) struct Courier {
    waiting: VecDeque<Letter>,
    /// How many of the first are in the request that is out.
    out: usize,
    /// No request goes out before.
    rests_until: Duration,
    pause: Duration,
    unfinished: u32,
    asker: Asker,
}

#[derive(Debug)]
struct Letter {
    envelope: Vec<u8>,
    /// The link that it came over, while that is up.
    link: Option<Handshake>,
}

/// What an answer came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The server has them.
    Taken(Vec<ForReader>, Vec<Told>),
    /// The server has them, and has not decided yet.
    Unfinished(Vec<ForReader>, Vec<Told>),
    /// They go out again later.
    Later,
    /// They go out again without the customer's credential.
    SignedOut,
    /// They are given up.
    GivenUp,
}

impl Courier {
    /// One with what an earlier one had not delivered.
    pub(crate) fn new(kept: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut courier = Self {
            waiting: VecDeque::new(),
            out: 0,
            rests_until: Duration::ZERO,
            pause: PAUSE_FIRST,
            unfinished: 0,
            asker: Asker::Customer,
        };
        for envelope in kept {
            courier.take(envelope, None);
        }
        courier
    }

    /// Takes an envelope in. The oldest gives way where there are too many.
    pub(crate) fn take(&mut self, envelope: Vec<u8>, link: Option<Handshake>) {
        if !(ENVELOPE_LEN_MIN..=ENVELOPE_LEN_MAX).contains(&envelope.len()) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.remove(self.out.min(WAITING_MAX - 1));
        }
        self.waiting.push_back(Letter { envelope, link });
    }

    /// A link is gone: what came over it travels without it.
    pub(crate) fn unlink(&mut self) {
        for letter in &mut self.waiting {
            letter.link = None;
        }
    }

    /// The customer may have signed in.
    pub(crate) fn trust_again(&mut self) {
        self.asker = Asker::Customer;
        self.rest_no_more();
    }

    /// The next request, when it is time for one.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Request> {
        let first = self.waiting.front()?;
        if self.out > 0 || now < self.rests_until {
            return None;
        }
        let link = first.link;
        let batch = self.waiting.iter().take(ENVELOPES_MAX);
        let batch = batch.take_while(|letter| letter.link == link);
        self.out = batch.clone().count();
        let envelopes = batch.map(|letter| letter.envelope.as_slice());
        Some(Request {
            path: RELAY,
            asker: self.asker,
            body: told::write(envelopes, link),
        })
    }

    /// When it wants to be told that time has passed.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let waits = self.out == 0 && !self.waiting.is_empty();
        waits.then_some(self.rests_until)
    }

    /// Takes the answer to the request that is out; none where none is.
    pub(crate) fn answered(&mut self, now: Duration, status: u16, body: &[u8]) -> Option<Answered> {
        if self.out == 0 {
            return None;
        }
        Some(match status {
            200..=299 => self.read(now, body),
            401 | 403 if self.asker == Asker::Customer => {
                self.out = 0;
                self.asker = Asker::Nobody;
                Answered::SignedOut
            }
            408 | 425 | 429 | 500.. => {
                self.rest(now);
                Answered::Later
            }
            // What the server will never take is not worth keeping.
            _ => {
                self.done();
                Answered::GivenUp
            }
        })
    }

    /// The request that is out got no answer.
    pub(crate) fn unanswered(&mut self, now: Duration) {
        if self.out > 0 {
            self.rest(now);
        }
    }

    /// What the server does not have for certain, oldest first.
    pub(crate) fn undelivered(&self) -> impl Iterator<Item = &[u8]> {
        self.waiting.iter().map(|letter| letter.envelope.as_slice())
    }

    fn read(&mut self, now: Duration, body: &[u8]) -> Answered {
        let read = (body.len() <= ANSWER_LEN_MAX).then(|| told::read(body));
        // Somebody between has answered in the server's place.
        let Some((envelopes, told)) = read.flatten() else {
            self.rest(now);
            return Answered::Later;
        };
        let is_open = told.iter().any(|one| one.outcome == Outcome::Unfinished);
        if is_open && self.unfinished < UNFINISHED_MAX {
            self.unfinished += 1;
            self.out = 0;
            self.rests_until = now.saturating_add(PAUSE_FIRST);
            return Answered::Unfinished(envelopes, told);
        }
        self.done();
        Answered::Taken(envelopes, told)
    }

    fn done(&mut self) {
        self.waiting.drain(..self.out.min(self.waiting.len()));
        self.out = 0;
        self.unfinished = 0;
        self.rest_no_more();
    }

    fn rest(&mut self, now: Duration) {
        self.out = 0;
        self.rests_until = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
    }

    fn rest_no_more(&mut self) {
        self.rests_until = Duration::ZERO;
        self.pause = PAUSE_FIRST;
    }
}
