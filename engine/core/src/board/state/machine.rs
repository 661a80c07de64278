//! What the machine does, and what it may.

#[cfg(test)]
use super::Unguarded;
use super::{Asked, Board, JournalSide, MachineSide, Phase, Power, Session, Vended};
use crate::board::{Approval, Fault, Life, Machine, Note, Outcome};

impl Board {
    pub(super) fn machine(&mut self, machine: Machine) {
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

    pub(super) fn machine_reset(&mut self, approval: Approval) {
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

    pub(super) fn asked(&mut self, asked: Asked) {
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

    pub(super) fn admit(&self, price: u32) -> Result<(), Note> {
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
