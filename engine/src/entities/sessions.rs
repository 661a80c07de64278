//! What a session is asked, and what comes of it in its wallet.

use super::customer::Name;
use super::{Entities, Turn};
use crate::bounds::SESSIONS_MAX;
use crate::failure::{Failure, SessionRefusal};
use crate::session::{Action, Hold, Progress, SessionCommand};
use core::time::Duration;
use gettone_core::entity::Entity;
use gettone_core::grant::Terms;
use gettone_core::id::{MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::record::{Event, Record};
use gettone_core::session::{self, IDLE_MAX, Phase, Session, Step};
use gettone_core::wallet::{self, Outcome, Reason};

impl Entities {
    /// Asks a session.
    pub(crate) fn session(
        &mut self,
        turn: &mut Turn<'_>,
        command: &SessionCommand,
    ) -> Result<Progress, Failure<SessionRefusal>> {
        let (place, event) = self.act(turn, command)?;
        let customer = self.customers.at(place);
        Ok(Progress {
            phase: customer
                .session(command.session)
                .map_or(Phase::Over, |session| session.phase),
            event,
            hold: customer.hold(command.session),
        })
    }

    /// Asks a session to hold, once and for all: the same envelope may be relayed twice at once, and
    /// when one of them is told "no", the other must not hold what nobody will ever release.
    pub(crate) fn grant(
        &mut self,
        turn: &mut Turn<'_>,
        command: &SessionCommand,
    ) -> Result<Progress, Failure<SessionRefusal>> {
        let outcome = self.session(turn, command);
        if let Err(Failure::Refused(refusal)) = outcome
            && let Some(at) = self.customers.place(command.wallet)
        {
            let customer = self.customers.at(at);
            let is_unknown = !customer.wallet().knows(command.session)
                && customer.session(command.session).is_none();
            if refusal == wallet::Refusal::Over.into()
                && let Action::Begin { terms } = command.action
            {
                // It was refused before, and the answer lost: for these reasons, if they last.
                let vend = VendId::from_bytes([0; 16]);
                self.decide(turn, at, &wallet::Command::Reserve { vend, terms })?;
            } else if is_unknown && customer.wallet().currency().is_some() {
                self.release(turn, (at, command.session), Reason::Fenced)?;
            }
        }
        outcome
    }

    /// Looks at what commands to these wallets will need, and at nothing else: one after the other each would
    /// wait for memory, together they wait once. Gives where their wallets are.
    pub(crate) fn look_ahead(
        &self,
        wallets: impl Iterator<Item = WalletId>,
        places: &mut Vec<usize>,
    ) {
        places.clear();
        places.extend(wallets.filter_map(|wallet| self.customers.place(wallet)));
        let mut seen = 0_usize;
        for place in places.iter() {
            seen ^= self.customers.at(*place).look();
        }
        for place in places.iter() {
            seen ^= self.customers.at(*place).look_behind();
        }
        core::hint::black_box(seen);
    }

    /// Asks a session, and tells of its hold alone.
    pub(crate) fn hold(
        &mut self,
        turn: &mut Turn<'_>,
        command: &SessionCommand,
    ) -> Result<Option<Hold>, Failure<SessionRefusal>> {
        let (place, _) = self.act(turn, command)?;
        Ok(self.customers.at(place).hold(command.session))
    }

    /// Does what a session is asked; gives where its wallet is, and what moved in it.
    fn act(
        &mut self,
        turn: &mut Turn<'_>,
        command: &SessionCommand,
    ) -> Result<(usize, Option<wallet::Event>), Failure<SessionRefusal>> {
        let name = command.session;
        let at = self
            .customers
            .place(command.wallet)
            .ok_or(Failure::Refused(wallet::Refusal::NotOpen.into()))?;
        let event = match command.action {
            Action::Open { machine, operator } => {
                if self.may_open(at, name, (machine, operator))? {
                    let opening = session::Event::Opened {
                        machine,
                        operator,
                        at: turn.now,
                    };
                    self.commit_session(turn, (at, name), opening)
                        .inspect_err(|_| self.listing.strike(name, command.wallet))?;
                }
                None
            }
            Action::Begin { terms } => {
                let reserve = wallet::Command::Reserve { vend: name, terms };
                // The wallet is asked first, so that its "no" leaves no open session behind.
                let event = self.decide(turn, at, &reserve)?;
                let lives = self.customers.at(at).session(name).is_some();
                if lives || event.is_some() {
                    let listed = self.may_open(at, name, (terms.machine, terms.operator))?;
                    self.customers.at(at).allows(name, Step::Reserve)?;
                    self.commit_money(turn, at, event).inspect_err(|_| {
                        if listed {
                            self.listing.strike(name, command.wallet);
                        }
                    })?
                } else {
                    None
                }
            }
            Action::Reserve { terms } => {
                let reserve = wallet::Command::Reserve { vend: name, terms };
                if self.may_reserve(at, (name, terms))? {
                    let event = self.decide(turn, at, &reserve)?;
                    self.commit_money(turn, at, event)?
                } else {
                    None
                }
            }
            Action::Settle { rseq, outcome } => self.settle(turn, (at, name), (rseq, outcome))?,
            Action::Release { reason } => self.release(turn, (at, name), reason)?,
            Action::Finish { rseq, outcome } => {
                self.customers.at(at).allows(name, Step::Settle)?;
                let finish = wallet::Command::Finish {
                    vend: name,
                    rseq,
                    outcome,
                };
                let event = self.decide(turn, at, &finish)?;
                let is_over = event.as_ref().is_some_and(|event| event.ended().is_some());
                let settled = self.commit_money(turn, at, event)?;
                if is_over {
                    settled
                } else {
                    // A wallet does not refuse a release, so this is both or nothing.
                    let released = self.release(turn, (at, name), Reason::Closed)?;
                    settled.or(released)
                }
            }
        };
        Ok((at, event))
    }

    fn settle(
        &mut self,
        turn: &mut Turn<'_>,
        (at, name): (usize, VendId),
        (rseq, outcome): (Rseq, Outcome),
    ) -> Result<Option<wallet::Event>, Failure<SessionRefusal>> {
        let settle = wallet::Command::Settle {
            vend: name,
            rseq,
            outcome,
        };
        self.customers.at(at).allows(name, Step::Settle)?;
        let event = self.decide(turn, at, &settle)?;
        self.commit_money(turn, at, event)
    }

    fn release(
        &mut self,
        turn: &mut Turn<'_>,
        (at, name): (usize, VendId),
        reason: Reason,
    ) -> Result<Option<wallet::Event>, Failure<SessionRefusal>> {
        let release = wallet::Command::Release { vend: name, reason };
        self.customers.at(at).allows(name, Step::Release)?;
        let event = self.decide(turn, at, &release)?;
        let event = self.commit_money(turn, at, event)?;
        if event.is_none() && self.customers.at(at).session(name).is_some() {
            // Its hold was ended before it began: nothing moves the session but this.
            self.commit_session(turn, (at, name), session::Event::Lapsed)?;
        }
        Ok(event)
    }

    /// Ends sessions that never held money and of which nothing was heard for too long. It looks
    /// at no more than `slots_max` wallets, and goes on where it left off.
    pub(crate) fn lapse(&mut self, turn: &mut Turn<'_>, slots_max: usize) {
        let slots = self.customers.places();
        for _ in 0..slots_max.min(slots) {
            let at = if self.swept < slots { self.swept } else { 0 };
            self.swept = at + 1;
            if self.customers.seen_at(at).is_none() {
                continue;
            }
            let now = turn.now;
            let silent = |session: &Session| {
                now.since(session.opened_at) >= IDLE_MAX
                    && session.phase.after(Step::Silence).is_ok()
            };
            while let Some(name) = self
                .customers
                .at(at)
                .sessions()
                .iter()
                .find(|session| silent(session))
                .map(|session| session.vend)
            {
                if self
                    .commit_session::<SessionRefusal>(turn, (at, name), session::Event::Lapsed)
                    .is_err()
                {
                    // A record of fixed size does not fail to encode; the next sweep tries again.
                    return;
                }
            }
        }
    }

    /// Ends holds without news and doubts without a decision. It looks at no more than
    /// `slots_max` wallets, and goes on where it left off; it gives how many it ended.
    pub(crate) fn release_overdue(
        &mut self,
        turn: &mut Turn<'_>,
        (slots_max, silence): (usize, Duration),
    ) -> usize {
        let slots = self.customers.places();
        let mut ended = 0;
        for _ in 0..slots_max.min(slots) {
            let at = if self.looked < slots { self.looked } else { 0 };
            self.looked = at + 1;
            let Some(customer) = self.customers.seen_at(at) else {
                continue;
            };
            let id = self.customers.id_at(at);
            for command in customer.wallet().overdue(turn.now, silence) {
                match self.wallet(turn, id, &command) {
                    Ok(moved) => ended += usize::from(moved.event.is_some()),
                    Err(failure) => {
                        tracing::warn!(wallet = %id, %failure, "what is overdue stays");
                    }
                }
            }
        }
        ended
    }

    /// Whether a session is to be opened (or stands already). When it is, its name is listed.
    fn may_open(
        &self,
        at: usize,
        name: VendId,
        place: (MachineId, OperatorId),
    ) -> Result<bool, Failure<SessionRefusal>> {
        let customer = self.customers.at(at);
        let refused = |refusal| Err(Failure::Refused(refusal));
        if let Some(live) = customer.place_of(name) {
            return if live == place {
                Ok(false)
            } else {
                refused(SessionRefusal::NameReused)
            };
        }
        if customer.wallet().currency().is_none() {
            return refused(wallet::Refusal::NotOpen.into());
        }
        if customer.wallet().knows(name) {
            return refused(SessionRefusal::Over);
        }
        if customer.sessions().len() >= SESSIONS_MAX {
            return refused(SessionRefusal::TooMany {
                wallet: self.customers.id_at(at),
                limit: SESSIONS_MAX,
            });
        }
        if !self.listing.list(name, self.customers.id_at(at)) {
            return refused(SessionRefusal::NameReused);
        }
        Ok(true)
    }

    /// Whether the wallet is to be asked; not, when the session is over and the same was held.
    fn may_reserve(
        &self,
        at: usize,
        (name, terms): (VendId, Terms),
    ) -> Result<bool, Failure<SessionRefusal>> {
        let customer = self.customers.at(at);
        let refused = |refusal| Err(Failure::Refused(refusal));
        if let Some(live) = customer.place_of(name) {
            if live != (terms.machine, terms.operator) {
                return refused(SessionRefusal::Elsewhere);
            }
            customer.allows(name, Step::Reserve)?;
            return Ok(true);
        }
        let wallet = customer.wallet();
        let is_same = match (wallet.grant(name), wallet.past(name)) {
            (Some(grant), _) => grant.terms == terms,
            (None, Some(past)) => past.had(&terms),
            (None, None) => return refused(SessionRefusal::NoSuchSession),
        };
        if is_same {
            Ok(false)
        } else {
            refused(SessionRefusal::NameReused)
        }
    }

    fn decide(
        &self,
        turn: &Turn<'_>,
        at: usize,
        command: &wallet::Command,
    ) -> Result<Option<wallet::Event>, Failure<SessionRefusal>> {
        self.customers
            .at(at)
            .wallet()
            .decide(command, turn.now)
            .map_err(|refusal| Failure::Refused(refusal.into()))
    }

    /// Appends and takes in what moves in a wallet whose place is known.
    fn commit_money<R>(
        &mut self,
        turn: &mut Turn<'_>,
        at: usize,
        event: Option<wallet::Event>,
    ) -> Result<Option<wallet::Event>, Failure<R>> {
        let Some(event) = event else { return Ok(None) };
        let id = self.customers.id_at(at);
        let record = Record {
            at: turn.now,
            event: Event::Wallet { wallet: id, event },
        };
        Self::write(turn, &record)?;
        let Event::Wallet { event, .. } = record.event else {
            return Ok(None);
        };
        // What begins here was listed when it was allowed to.
        let customer = self.customers.change(at, &mut self.rests);
        customer.evolve(&event, (id, Name::Listed, &self.listing));
        #[cfg(test)]
        crate::sim::trip::cross();
        Ok(Some(event))
    }

    fn commit_session<R>(
        &mut self,
        turn: &mut Turn<'_>,
        (at, session): (usize, VendId),
        event: session::Event,
    ) -> Result<(), Failure<R>> {
        let id = self.customers.id_at(at);
        let record = Record {
            at: turn.now,
            event: Event::Session {
                wallet: id,
                session,
                event,
            },
        };
        Self::write(turn, &record)?;
        let customer = self.customers.change(at, &mut self.rests);
        customer.evolve_session(session, &event, (id, &self.listing));
        Ok(())
    }
}
