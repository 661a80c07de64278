use super::rest::Lodger;
use crate::directory::Directory;
use crate::failure::{Failure, SessionRefusal};
use crate::session::Hold;
use gettone_core::entity::Entity;
use gettone_core::id::{MachineId, OperatorId, VendId, WalletId};
use gettone_core::port::Kind;
use gettone_core::session::{self, Phase, Session, Step};
use gettone_core::snapshot;
use gettone_core::wallet::{self, Wallet};

/// Whether the directory has a session's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Name {
    Listed,
    Unlisted,
}

/// A wallet and its live sessions, which are few.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: WalletId,
    state: snapshot::Customer,
}

impl Lodger for Customer {
    type Id = WalletId;
    type State = snapshot::Customer;

    const MARK: Option<Kind> = Some(Kind::LiveWallet);

    fn of(id: WalletId, state: snapshot::Customer) -> Self {
        Self { id, state }
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
    pub(super) fn list(&self, directory: &Directory) {
        for session in self.sessions() {
            directory.list(session.vend, self.id);
        }
    }

    /// Touches what lies in the slot itself.
    pub(super) fn look(&self) -> usize {
        self.state.sessions.len() ^ self.state.wallet.look()
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
        let grant = self.state.wallet.grant(name)?;
        Some(Hold {
            state: grant.state,
            held_first: grant.held_first,
            held: grant.held,
            captured: grant.captured,
            vends: grant.vends,
            revalue_left: grant.revalue_left,
            available: self.state.wallet.available(grant.terms.operator),
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
        (listed, directory): (Name, &Directory),
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
                    self.end_session(name, directory);
                }
            }
            None => {
                if let wallet::Event::Reserved { terms, at, .. } = event {
                    if listed == Name::Unlisted {
                        directory.list(name, self.id);
                    }
                    self.state.sessions.push(Session {
                        vend: name,
                        wallet: self.id,
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
        directory: &Directory,
    ) {
        match *event {
            session::Event::Opened {
                machine,
                operator,
                at,
            } => {
                directory.list(name, self.id);
                if self.session(name).is_none() {
                    self.state.sessions.push(Session {
                        vend: name,
                        wallet: self.id,
                        machine,
                        operator,
                        phase: Phase::Open,
                        opened_at: at,
                    });
                }
            }
            session::Event::Lapsed => self.end_session(name, directory),
        }
    }

    /// Where a session of this name would be opened, when it lives already.
    pub(super) fn place_of(&self, name: VendId) -> Option<(MachineId, OperatorId)> {
        self.session(name)
            .map(|session| (session.machine, session.operator))
    }

    fn end_session(&mut self, name: VendId, directory: &Directory) {
        if let Some(at) = self
            .sessions()
            .iter()
            .position(|session| session.vend == name)
        {
            self.state.sessions.swap_remove(at);
            directory.strike(name, self.id);
        }
    }
}
