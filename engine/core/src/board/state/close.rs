//! The grant's end, and what follows from where the board stands.

#[cfg(test)]
use super::Unguarded;
use super::{Board, ClosePhase, Closing, Intent, Power, Session, Vended};
use crate::board::{Act, Life, NoSession, Note, Output, Record, Step};
use crate::id::Item;
use crate::lock::LockState;
use crate::receipt::{Flags, Receipt, ReceiptKind};

impl Board {
    pub(super) fn session_completed(&mut self) {
        let was_open = self.machine.session == Session::Open;
        self.machine.session = Session::Completed;
        let is_cash = |intent: &Intent| intent.asked.act == Act::Revalue;
        if self.intent.as_ref().is_some_and(is_cash) {
            // Had the machine taken our approval, it would have said so before.
            self.fail_unapproved();
        }
        let vends = self
            .intent
            .is_some_and(|intent| intent.asked.act.is_trade());
        let returned = was_open && self.machine.vended == Vended::Nothing && !vends;
        if let Some(grant) = &mut self.grant {
            if returned {
                grant.end(Note::Returned);
            } else if grant.is_spent() {
                // Cash alone is no reason to go on in another session.
                grant.end(Note::Spent);
            }
        }
    }

    pub(super) fn session_refused(&mut self, why: NoSession) {
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
    pub(super) fn close(&mut self) {
        let Some(grant) = self.grant.take() else {
            return;
        };
        if let Some(asked) = self.asked.take() {
            self.deny(asked, Note::NoGrant);
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
    pub(super) fn end_session(&mut self) {
        let until = self.now.saturating_add(self.start.limits.session_end_max);
        if let Some(closing) = &mut self.closing {
            closing.phase = ClosePhase::EndingSession(until);
        }
        match self.machine.session {
            Session::Offered | Session::Open => {
                self.machine.session = Session::Cancelled;
                self.outputs.push_back(Output::CancelSession);
            }
            Session::None | Session::Cancelled | Session::Completed => {}
        }
    }

    /// What follows from where the board stands, whatever brought it there.
    pub(super) fn go_on(&mut self) {
        // Until a light grant is on flash, nothing follows from it.
        let is_taking = self.tokens.taking.is_some();
        if self.life == Life::Granted && !is_taking {
            self.lock_if_ordered();
            self.close_if_over();
        }
        if self.machine.session == Session::Completed && self.may_end_session() {
            self.machine.session = Session::None;
            self.outputs.push_back(Output::EndSession);
        }
        if self.life == Life::Granted && !is_taking {
            self.offer_session();
        }
        if let Some(closing) = self.closing
            && let ClosePhase::EndingSession(until) = closing.phase
            && (self.machine.session == Session::None || self.now >= until)
        {
            self.closed(closing);
        }
        self.write_counters_if_due();
        self.show_token();
        self.drain();
    }

    /// Locked, the session that stands goes on, and no other begins.
    fn lock_if_ordered(&mut self) {
        let stands = match self.machine.session {
            Session::Offered | Session::Open => true,
            Session::None | Session::Cancelled | Session::Completed => false,
        };
        if self.lock.state == LockState::Locked
            && !stands
            && let Some(grant) = &mut self.grant
        {
            grant.end(Note::Locked);
        }
    }

    /// END SESSION comes after the result and the CLOSE, where there are any (protocol section 6.2).
    fn may_end_session(&self) -> bool {
        let closing = self.closing.map(|closing| closing.phase);
        let is_written = !matches!(closing, Some(ClosePhase::Writing(_)));
        #[cfg(test)]
        let is_written = is_written || self.unguarded == Unguarded::EndsBeforeSync;
        is_written && self.intent.is_none()
    }

    fn close_if_over(&mut self) {
        let Some(grant) = &mut self.grant else { return };
        if grant.is_used_up() {
            grant.end(Note::Spent);
        }
        if grant.over.is_some() {
            self.step(Step::Over);
            self.close();
        }
    }

    fn offer_session(&mut self) {
        let Some(grant) = &self.grant else { return };
        let funds = grant.funds();
        if self.machine.power == Power::Enabled && self.machine.session == Session::None {
            self.machine.session = Session::Offered;
            self.machine.vended = Vended::Nothing;
            self.outputs.push_back(Output::BeginSession { funds });
        }
    }

    pub(super) fn closed(&mut self, closing: Closing) {
        if self.link.is_some() {
            self.step(Step::ClosedLinked);
            self.until = self.now.saturating_add(self.start.limits.answer_max);
        } else {
            self.shut_door();
            self.step(Step::ClosedAlone);
        }
        self.tell(closing.note);
        self.closing = None;
        self.write_counters();
    }
}
