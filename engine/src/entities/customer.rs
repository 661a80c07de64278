use super::rest::Lodger;
use crate::directory::Listing;
use crate::failure::{Failure, SessionRefusal};
use crate::session::Hold;
use gettone_core::entity::Entity;
use gettone_core::grant::Parts;
use gettone_core::id::{MachineId, OperatorId, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::port::Kind;
use gettone_core::session::{self, Phase, Session, Step};
use gettone_core::snapshot;
use gettone_core::wallet::{self, Wallet};
use thin_vec::ThinVec;

/// Whether the directory has a session's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Name {
    Listed,
    Unlisted,
}

/// A wallet and its live sessions, which are few.
#[derive(Debug)]
pub(super) struct Customer {
    state: snapshot::Customer,
}

impl Lodger for Customer {
    type Id = WalletId;
    type State = snapshot::Customer;

    const MARK: Option<Kind> = Some(Kind::LiveWallet);

    fn of(state: snapshot::Customer) -> Self {
        Self { state }
    }

    fn state(&self) -> &snapshot::Customer {
        &self.state
    }

    fn is_restless(&self) -> bool {
        !self.sessions().is_empty()
            || !self.wallet().live().is_empty()
            || !self.wallet().outgoing().is_empty()
    }
}

impl Customer {
    pub(super) fn wallet(&self) -> &Wallet {
        &self.state.wallet
    }

    pub(super) fn sessions(&self) -> &[Session] {
        &self.state.sessions
    }

    /// Lists its live sessions, when it comes from the shelf.
    pub(super) fn list(&self, id: WalletId, directory: &Listing) {
        for session in self.sessions() {
            directory.list(session.vend, id);
        }
    }

    /// Touches what lies in the slot itself.
    pub(super) fn look(&self) -> usize {
        usize::from(self.state.sessions.is_empty()) ^ self.state.wallet.look()
    }

    /// Touches what lies behind it.
    pub(super) fn look_behind(&self) -> usize {
        usize::from(
            self.state
                .sessions
                .first()
                .is_some_and(|session| session.phase == Phase::Open),
        ) ^ self.state.wallet.look_behind()
    }

    /// A live session.
    pub(super) fn session(&self, name: VendId) -> Option<&Session> {
        self.state
            .sessions
            .iter()
            .find(|session| session.vend == name)
    }

    /// A hold, as its owner may see it.
    pub(super) fn hold(&self, name: VendId) -> Option<Hold> {
        let wallet = &self.state.wallet;
        let Some(grant) = wallet.grant(name) else {
            let past = wallet.past(name)?;
            return Some(Hold {
                state: past.state,
                held_first: past.held_first,
                held: Parts::default(),
                captured: past.captured,
                vends: past.vends,
                revalue_left: Amount::ZERO,
                available: wallet.available(past.operator),
            });
        };
        Some(Hold {
            state: grant.state,
            held_first: grant.held_first,
            held: grant.held,
            captured: grant.captured,
            vends: grant.vends,
            revalue_left: grant.revalue_left,
            available: wallet.available(grant.terms.operator),
        })
    }

    /// Whether a step fits a live session; one that is over leaves the step to its hold.
    pub(super) fn allows(&self, name: VendId, step: Step) -> Result<(), Failure<SessionRefusal>> {
        match self.session(name) {
            Some(session) => session
                .phase
                .after(step)
                .map(|_| ())
                .map_err(|refusal| Failure::Refused(refusal.into())),
            None => Ok(()),
        }
    }

    /// Takes in what happened to the wallet. The session of a hold moves on with it; a hold that
    /// begins without one brings its own.
    pub(super) fn evolve(
        &mut self,
        event: &wallet::Event,
        (id, listed, directory): (WalletId, Name, &Listing),
    ) {
        self.state.wallet.evolve(event);
        let Some(name) = event.vend() else { return };
        match self
            .state
            .sessions
            .iter_mut()
            .find(|session| session.vend == name)
        {
            Some(session) => {
                session.evolve(event);
                if session.phase == Phase::Over {
                    self.end_session(name, (id, directory));
                }
            }
            None => {
                if let wallet::Event::Reserved { terms, at, .. } = event {
                    if listed == Name::Unlisted {
                        directory.list(name, id);
                    }
                    self.add_session(Session {
                        vend: name,
                        wallet: id,
                        machine: terms.machine,
                        operator: terms.operator,
                        phase: Phase::Held,
                        opened_at: *at,
                    });
                }
            }
        }
    }

    /// Takes in what happened to a session alone.
    pub(super) fn evolve_session(
        &mut self,
        name: VendId,
        event: &session::Event,
        (id, directory): (WalletId, &Listing),
    ) {
        match *event {
            session::Event::Opened {
                machine,
                operator,
                at,
            } => {
                directory.list(name, id);
                if self.session(name).is_none() {
                    self.add_session(Session {
                        vend: name,
                        wallet: id,
                        machine,
                        operator,
                        phase: Phase::Open,
                        opened_at: at,
                    });
                }
            }
            session::Event::Lapsed => self.end_session(name, (id, directory)),
        }
    }

    /// Where a session of this name would be opened, when it lives already.
    pub(super) fn place_of(&self, name: VendId) -> Option<(MachineId, OperatorId)> {
        self.session(name)
            .map(|session| (session.machine, session.operator))
    }

    fn add_session(&mut self, session: Session) {
        // Few have one at a time, and very few a second.
        self.state.sessions.reserve_exact(1);
        self.state.sessions.push(session);
    }

    fn end_session(&mut self, name: VendId, (id, directory): (WalletId, &Listing)) {
        if let Some(at) = self
            .sessions()
            .iter()
            .position(|session| session.vend == name)
        {
            self.state.sessions.swap_remove(at);
            if self.state.sessions.is_empty() {
                self.state.sessions = ThinVec::new();
            }
            directory.strike(name, id);
        }
    }
}
