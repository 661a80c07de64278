//! What the machine does, and what it may.

#[cfg(test)]
use super::Unguarded;
use super::{Asked, Board, JournalSide, MachineSide, Phase, Power, Session, Vended};
use crate::board::{Act, Approval, Ask, Fault, Life, Machine, Note, Outcome, Output};
use crate::id::Item;
use core::time::Duration;

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
                    self.order_favourite();
                }
            }
            Machine::Asked { ask, price, item } => self.asked(Asked {
                act: Act::Vend,
                ask,
                price,
                item,
            }),
            Machine::ReturnAsked { ask, value, item } => self.asked(Asked {
                act: Act::Return,
                ask,
                price: value,
                item,
            }),
            Machine::FavouriteRefused => self.favourite_refused(),
            Machine::SessionRefused(why) => self.session_refused(why),
            Machine::Cancelled { ask } => self.cancelled(ask),
            Machine::ApprovalRefused { rseq } => self.approval_refused(rseq),
            Machine::Succeeded { rseq, after } => {
                self.result(Act::Vend, rseq, Outcome::Delivered, after);
            }
            Machine::Failed { rseq, after } => {
                self.result(Act::Vend, rseq, Outcome::Failed, after);
            }
            Machine::Partly {
                rseq,
                charged,
                after,
            } => self.result(Act::Vend, rseq, Outcome::Partly { charged }, after),
            Machine::SessionCompleted => self.session_completed(),
            Machine::RevalueLimitAsked { ask } => self.tell_revalue_limit(ask),
            Machine::RevalueAsked { ask, amount } => self.asked(Asked {
                act: Act::Revalue,
                ask,
                price: amount,
                item: Item::new(0),
            }),
            Machine::RevalueTaken { rseq } => {
                self.result(Act::Revalue, rseq, Outcome::Delivered, Duration::ZERO);
            }
            Machine::RevalueOver { rseq } => self.revalue_over(rseq),
            Machine::CashSold { item, price } => self.counting.sell(item, price),
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
            Approval::Delivered { rseq, after } => {
                let act = self.intent.map_or(Act::Vend, |intent| intent.asked.act);
                self.result(act, rseq, Outcome::ByReset, after);
            }
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
        let admitted = self.admit(asked);
        #[cfg(test)]
        let admitted = match (self.unguarded, &self.grant) {
            (Unguarded::IgnoresTheCap, Some(_)) if self.life == Life::Granted => Ok(()),
            _ => admitted,
        };
        match admitted {
            Ok(()) => self.open_intent(asked),
            Err(note) => self.deny(asked, note),
        }
    }

    /// What the customer has chosen beforehand is asked for once; the machine's own question decides.
    fn order_favourite(&mut self) {
        if self.life != Life::Granted {
            return;
        }
        let Some(grant) = self.grant.as_mut().filter(|grant| grant.over.is_none()) else {
            return;
        };
        let funds = grant.funds();
        if let Some(favourite) = grant.take_favourite() {
            self.outputs.push_back(Output::Select {
                item: favourite.item,
                options: favourite.options,
                funds,
            });
        }
    }

    /// The customer may still choose at the machine, and has to be told so.
    fn favourite_refused(&mut self) {
        if self.life == Life::Granted && self.grant.is_some_and(|grant| grant.over.is_none()) {
            self.tell(Note::NoFavourite);
        }
    }

    /// What a live grant leaves to be put in; nothing without one.
    fn tell_revalue_limit(&mut self, ask: Ask) {
        let limit = match &self.grant {
            Some(grant) if self.life == Life::Granted && grant.over.is_none() => {
                grant.revalue_left()
            }
            Some(_) | None => 0,
        };
        self.outputs
            .push_back(Output::TellRevalueLimit { ask, limit });
    }

    fn admit(&self, asked: Asked) -> Result<(), Note> {
        /// A result and the CLOSE after it must find room.
        const RECEIPTS_PER_VEND: usize = 2;
        let grant = self
            .grant
            .as_ref()
            .filter(|grant| self.life == Life::Granted && grant.over.is_none())
            .filter(|_| self.tokens.taking.is_none())
            .ok_or(Note::NoGrant)?;
        if self.journal == JournalSide::Failed {
            return Err(Note::JournalFailed);
        }
        let kept = self.outbox.unacked().saturating_add(RECEIPTS_PER_VEND);
        if kept > self.start.limits.receipts_max {
            return Err(Note::JournalFull);
        }
        match asked.act {
            Act::Vend => grant.admit(asked.price),
            // What comes in counts against the same bound, whatever it is (protocol section 8).
            Act::Revalue | Act::Return => grant.admit_cash(asked.price),
        }
    }
}
