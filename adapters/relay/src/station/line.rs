//! The station's one connection: a stranger until Link 1, a link after it.

use super::road::Way;
use super::{Connection, Entropy, Notice, Output, Report, Station};
use crate::bounds::LINK_1_MAX;
use core::time::Duration;
use gettone_channel::{Bind, Link, LinkMessage, Psk, Responder, ResumeSecret, Secret};
use gettone_core::board;

/// What opens the radio's door.
#[derive(Debug)]
pub(super) struct Door {
    psk: Psk,
}

/// Whoever is connected.
#[derive(Debug)]
pub(super) struct Visitor {
    connection: Connection,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Link 1 has to come by then.
    Stranger(Duration),
    Linked(Box<Link>),
    /// The link cannot be used any more.
    Broken,
}

impl Visitor {
    pub(super) fn until(&self) -> Option<Duration> {
        match self.phase {
            Phase::Stranger(until) => Some(until),
            Phase::Linked(_) | Phase::Broken => None,
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.phase, Phase::Broken)
    }
}

impl Station {
    pub(super) fn open_door(&mut self, door: &board::Door) {
        let (eid, psk) = match door {
            board::Door::Code(code) => {
                let secret = Secret::light(*code.as_bytes());
                (secret.eid(), secret.psk())
            }
            board::Door::Resume(fresh) => {
                let secret = ResumeSecret::from_bytes(*fresh.as_bytes());
                (secret.eid(), secret.psk())
            }
        };
        self.door = Some(Door { psk });
        self.outputs.push_back(Output::Advertise(eid));
    }

    pub(super) fn shut_door(&mut self) {
        self.door = None;
        self.outputs.push_back(Output::Hush);
    }

    pub(super) fn connected(&mut self, now: Duration, connection: Connection) {
        let is_shut = self.door.is_none() && !self.has_token_door();
        if self.visitor.is_some() || is_shut {
            return self.outputs.push_back(Output::Drop(connection));
        }
        self.visitor = Some(Visitor {
            connection,
            phase: Phase::Stranger(now.saturating_add(LINK_1_MAX)),
        });
    }

    pub(super) fn disconnected(
        &mut self,
        now: Duration,
        connection: Connection,
        entropy: &mut Entropy,
    ) {
        let was_linked = self.linked() == Some(connection);
        if self.is_here(connection) {
            self.visitor = None;
        }
        if was_linked {
            self.note(Notice::Gone);
            self.tell(now, board::Input::LinkDown, entropy);
        }
    }

    pub(super) fn heard(
        &mut self,
        now: Duration,
        connection: Connection,
        message: &[u8],
        entropy: &mut Entropy,
    ) {
        // Of a connection that the station has let go.
        if !self.is_here(connection) {
            return;
        }
        let Some(visitor) = &mut self.visitor else {
            return;
        };
        match &mut visitor.phase {
            Phase::Stranger(_) => self.link_1(now, message, entropy),
            Phase::Linked(link) => match link.open(message) {
                Ok(message) => self.said(now, message, entropy),
                Err(fault) => {
                    self.note(Notice::Link(fault));
                    self.drop_visitor();
                    self.tell(now, board::Input::LinkDown, entropy);
                }
            },
            Phase::Broken => {}
        }
    }

    fn said(&mut self, now: Duration, message: LinkMessage, entropy: &mut Entropy) {
        match message {
            LinkMessage::Envelope(envelope) => self.envelope(now, &envelope, Way::Phone, entropy),
            LinkMessage::Leave => self.tell(now, board::Input::Leave, entropy),
            LinkMessage::Again => {
                let fresh = entropy.fresh;
                self.tell(now, board::Input::Again { fresh }, entropy);
            }
            LinkMessage::Piece(piece) => {
                if self.brought(piece) {
                    self.tell(now, board::Input::Brought, entropy);
                }
            }
            // A phone has none to give; the channel refuses them.
            LinkMessage::Status(_) | LinkMessage::Want(_) => {}
        }
    }

    fn link_1(&mut self, now: Duration, link_1: &[u8], entropy: &mut Entropy) {
        let Some(ephemeral) = entropy.link.take() else {
            return self.drop_visitor();
        };
        let accepted = match &self.door {
            Some(door) => Responder::accept(&door.psk, ephemeral, link_1)
                .map(|(link, link_2, hello)| (None, link, link_2, hello)),
            None => {
                let (steps, psks): (Vec<u64>, Vec<_>) = self.token_doors().into_iter().unzip();
                Responder::accept_any(&psks, ephemeral, link_1).map(
                    |(place, link, link_2, hello)| (steps.get(place).copied(), link, link_2, hello),
                )
            }
        };
        match accepted {
            Ok((step, link, link_2, hello)) => {
                self.meet(hello);
                self.met();
                self.link_up(now, (step, link, link_2), entropy);
                self.want();
            }
            Err(fault) => {
                self.note(Notice::Stranger(fault));
                self.drop_visitor();
                self.tell(now, board::Input::LinkRefused, entropy);
            }
        }
    }

    fn link_up(
        &mut self,
        now: Duration,
        (step, link, link_2): (Option<u64>, Link, Vec<u8>),
        entropy: &mut Entropy,
    ) {
        let bind = crate::names::bind_in(Bind::from(link.handshake()));
        let Some(visitor) = &mut self.visitor else {
            return;
        };
        let connection = visitor.connection;
        visitor.phase = Phase::Linked(Box::new(link));
        self.note(Notice::Linked);
        self.outputs
            .push_back(Output::Send(connection, link_2, Report::Nothing));
        let fresh = entropy.fresh;
        let input = match step {
            Some(step) => board::Input::TokenLinkUp { step, bind, fresh },
            None => board::Input::LinkUp { bind, fresh },
        };
        self.tell(now, input, entropy);
    }

    /// Seals a message for the phone, if one is linked.
    pub(super) fn send(&mut self, message: &LinkMessage, report: Report) {
        let Some(visitor) = &mut self.visitor else {
            return;
        };
        let Phase::Linked(link) = &mut visitor.phase else {
            return;
        };
        let connection = visitor.connection;
        match link.seal(message) {
            Ok(sealed) => {
                self.outputs
                    .push_back(Output::Send(connection, sealed, report));
                if report == Report::Took {
                    self.gave();
                }
            }
            Err(fault) => {
                visitor.phase = Phase::Broken;
                self.note(Notice::LinkSeal(fault));
            }
        }
    }

    pub(super) fn drop_visitor(&mut self) {
        if let Some(visitor) = self.visitor.take() {
            self.outputs.push_back(Output::Drop(visitor.connection));
        }
    }

    /// A connection that says nothing keeps others out.
    pub(super) fn expire_stranger(&mut self, now: Duration) {
        let until = self.visitor.as_ref().and_then(Visitor::until);
        if until.is_some_and(|until| now >= until) {
            self.note(Notice::Silent);
            self.drop_visitor();
        }
    }

    /// The connection that has passed Link 1.
    pub(super) fn linked(&self) -> Option<Connection> {
        let visitor = self.visitor.as_ref()?;
        match visitor.phase {
            Phase::Linked(_) | Phase::Broken => Some(visitor.connection),
            Phase::Stranger(_) => None,
        }
    }

    fn is_here(&self, connection: Connection) -> bool {
        self.visitor
            .as_ref()
            .is_some_and(|visitor| visitor.connection == connection)
    }
}
