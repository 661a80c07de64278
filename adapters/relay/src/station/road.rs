//! The board's own road: the envelopes that a phone would carry, and the server's call (protocol
//! sections 6.4 and 9.2). A phone that is here is not disturbed by it, nor it by a phone.

use super::{Entropy, Notice, Output, Station};
use crate::bounds::{ROAD_HELLO_EVERY, ROAD_NOTICES_MAX, ROAD_RECEIPTS_MAX};
use crate::greeting::{notices_out, receipts_out};
use crate::names::bind_in;
use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{Bind, CallId};
use gettone_core::board::{self, Life};
use gettone_core::id::Rseq;

/// How an envelope of the server came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Phone,
    Road,
}

/// What of the outbox has gone by the road since it stands.
#[derive(Debug)]
pub(super) struct Road {
    sent: Rseq,
    noticed: u64,
    /// As the outbox had it when receipts went out last.
    acked: Rseq,
    /// Whether the message before is still on its way out.
    is_busy: bool,
    /// When the board brings a HELLO by itself.
    hello_at: Duration,
}

impl Station {
    /// What an ACK never reached goes again.
    pub(super) fn road_up(&mut self, now: Duration) {
        let acked = self.board.outbox().acked();
        self.road = Some(Road {
            sent: acked,
            noticed: self.board.notices().acked(),
            acked,
            is_busy: false,
            hello_at: now,
        });
    }

    /// A HELLO that went by it will not be answered any more.
    pub(super) fn road_down(&mut self, now: Duration, entropy: &mut Entropy) {
        self.road = None;
        if self.is_called {
            self.tell(now, board::Input::LinkDown, entropy);
        }
    }

    pub(super) fn road_took(&mut self) {
        if let Some(road) = &mut self.road {
            road.is_busy = false;
        }
    }

    pub(super) fn road_send(&mut self, envelope: Vec<u8>) {
        if let Some(road) = &mut self.road {
            road.is_busy = true;
            self.outputs.push_back(Output::RoadSend(envelope));
        }
    }

    /// Answers the server's call, unless somebody is here.
    pub(super) fn called(&mut self, now: Duration, id: CallId, entropy: &mut Entropy) {
        if self.board.life() != Life::Idle || self.last_call == Some(id) {
            return self.note(Notice::StrayCall);
        }
        self.last_call = Some(id);
        self.note(Notice::Called);
        self.greet_by_road(now, Bind::of_call(id), entropy);
    }

    /// When the road has something to do.
    pub(super) fn road_due(&self) -> Option<Duration> {
        let road = self.road.as_ref().filter(|road| !road.is_busy)?;
        (self.board.life() == Life::Idle).then_some(road.hello_at)
    }

    /// Whether it stands and nothing is on its way.
    pub(super) fn is_road_free(&self) -> bool {
        self.road.as_ref().is_some_and(|road| !road.is_busy)
    }

    /// Sends what is next by the road: a HELLO when it is time for one, then receipts, then notices.
    pub(super) fn use_road(&mut self, now: Duration, entropy: &mut Entropy) {
        let is_due = self.road_due().is_some_and(|due| now >= due);
        if is_due && entropy.envelope.is_some() {
            // It answers a call that nobody made, so nobody can claim it.
            let bind = Bind::of_call(CallId::from_bytes(*entropy.fresh.as_bytes()));
            return self.greet_by_road(now, bind, entropy);
        }
        // The answer to a HELLO says what of its receipts need not go again.
        if self.is_called {
            return;
        }
        let Some(items) = self.next_by_road() else {
            return;
        };
        if let Some(ephemeral) = entropy.road.take()
            && let Some(envelope) = self.seal(&items, ephemeral)
        {
            self.road_send(envelope);
        }
    }

    fn greet_by_road(&mut self, now: Duration, bind: Bind, entropy: &mut Entropy) {
        let Some(road) = &mut self.road else { return };
        road.hello_at = now.saturating_add(ROAD_HELLO_EVERY);
        self.is_called = true;
        let (bind, fresh) = (bind_in(bind), entropy.fresh);
        self.tell(now, board::Input::Called { bind, fresh }, entropy);
    }

    fn next_by_road(&mut self) -> Option<Vec<channel::Item>> {
        let road = self.road.as_mut().filter(|road| !road.is_busy)?;
        let outbox = self.board.outbox();
        let acked = outbox.acked();
        // The server has lost what it had acknowledged, and wants it again.
        if acked < road.acked {
            road.sent = acked;
        }
        road.acked = acked;
        let receipts = outbox.after(road.sent, ROAD_RECEIPTS_MAX);
        if let Some(newest) = receipts.last() {
            road.sent = newest.receipt.rseq;
            return Some(receipts_out(&receipts, self.facts.epoch));
        }
        let notices = self.board.notices_after(road.noticed, ROAD_NOTICES_MAX);
        road.noticed = notices.last()?.aseq;
        Some(notices_out(&notices, self.facts.epoch))
    }
}
