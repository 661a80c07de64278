//! Phones, which do as they like with what they carry.

use super::{Street, Up, Visit, keep, spoil};
use crate::desk::vend_of_code;
use crate::place::bind_of;
use gettone::core::board::Code;
use gettone_channel::{CAPS_CARRIES, LinkMessage, Secret};
use gettone_relay::Input;

impl Street {
    /// A phone does something.
    pub(super) fn phone(&mut self) {
        let who = self.dice.place(self.phones.len());
        if self.phones[who].visit.is_some() {
            return self.guest(who);
        }
        let at = self.dice.place(self.places.len());
        match self.dice.below(16) {
            0..=6 => self.link(who, at),
            7..=8 => self.resume(who),
            9..=11 => self.scan(who, at),
            12..=13 => self.shine(at),
            _ => self.carry_old(who),
        }
    }

    fn link(&mut self, who: usize, at: usize) {
        let code: [u8; 10] = self.dice.bytes();
        self.places[at].tell(Input::CodeSeen(Code::from_bytes(code)), &mut self.dice);
        self.enter(who, at, &Secret::light(code).psk());
    }

    fn resume(&mut self, who: usize) {
        if let Some((at, secret)) = self.phones[who].resume.take() {
            self.enter(who, at, &secret.psk());
        }
    }

    fn enter(&mut self, who: usize, at: usize, psk: &gettone_channel::Psk) {
        let caps = match self.dice.is_in(1, 3) {
            true => CAPS_CARRIES,
            false => 0,
        };
        let Some((connection, link)) = self.places[at].link(psk, caps, &mut self.dice) else {
            return;
        };
        self.hang_up_at(at);
        let owner = self.phones[who].wallet;
        self.owners.insert(*bind_of(&link).as_bytes(), owner);
        self.phones[who].visit = Some(Visit {
            place: at,
            connection,
            link,
        });
        // Most of the time a phone is as good as any.
        if self.dice.is_in(3, 4) {
            self.listen(who);
        }
    }

    /// A phone that is linked does something.
    fn guest(&mut self, who: usize) {
        match self.dice.below(40) {
            0..=20 => self.listen(who),
            21..=26 => self.carry_old(who),
            27..=32 => self.bring_old(who),
            33..=34 => self.say(who, &LinkMessage::Leave),
            35..=36 => self.say(who, &LinkMessage::Again),
            37 => self.garble(who),
            _ => self.vanish(who),
        }
    }

    /// Where this phone is linked.
    pub(crate) fn place_of(&self, who: usize) -> Option<usize> {
        self.phones[who].visit.as_ref().map(|visit| visit.place)
    }

    pub(crate) fn vanish(&mut self, who: usize) {
        if let Some(visit) = self.phones[who].visit.take() {
            let gone = Input::Disconnected(visit.connection);
            self.places[visit.place].tell(gone, &mut self.dice);
        }
    }

    /// Takes what the reader says; each envelope is carried, dropped or kept back.
    fn listen(&mut self, who: usize) {
        while let Some(message) = self.next(who) {
            match message {
                LinkMessage::Status(status) => {
                    let at = self.phones[who].visit.as_ref().map(|visit| visit.place);
                    if let (Some(at), Some(secret)) = (at, status.resume) {
                        self.phones[who].resume = Some((at, secret));
                    }
                }
                LinkMessage::Envelope(envelope) => self.heard(who, envelope),
                LinkMessage::Want(want) => self.wanted(who, want),
                LinkMessage::Leave | LinkMessage::Again | LinkMessage::Piece(_) => {}
            }
        }
    }

    /// The next message of the link; a lost or changed one is the end of the link.
    fn next(&mut self, who: usize) -> Option<LinkMessage> {
        let visit = self.phones[who].visit.as_mut()?;
        let place = &mut self.places[visit.place];
        let mut message = place.message(visit.connection, &mut self.dice)?;
        if self.dice.is_in(1, 60) {
            spoil(&mut message, &mut self.dice);
        }
        match visit.link.open(&message) {
            Ok(message) => Some(message),
            Err(_) => {
                self.vanish(who);
                None
            }
        }
    }

    fn heard(&mut self, who: usize, envelope: Vec<u8>) {
        let Some(visit) = &self.phones[who].visit else {
            return;
        };
        let up = Up {
            envelope,
            link: bind_of(&visit.link),
            owner: self.phones[who].wallet,
        };
        match self.dice.below(10) {
            0 => {}
            1..=2 => keep(&mut self.up, up),
            3 => {
                keep(&mut self.up, up.clone());
                self.carry(who, &up);
            }
            _ => self.carry(who, &up),
        }
    }

    /// Carries an envelope as its own phone would, and brings or keeps the answer.
    fn carry(&mut self, who: usize, up: &Up) {
        let answered = self.desk.relay(&up.envelope, Some(up.owner), Some(up.link));
        let Ok(answer) = answered else {
            // It will be asked again, by this phone or another.
            return keep(&mut self.up, up.clone());
        };
        for envelope in answer {
            match self.dice.below(10) {
                0 => {}
                1..=2 => keep(&mut self.down, envelope),
                3 => {
                    keep(&mut self.down, envelope.clone());
                    self.say(who, &LinkMessage::Envelope(envelope));
                }
                _ => self.say(who, &LinkMessage::Envelope(envelope)),
            }
        }
    }

    /// Carries one of those that were kept back: late, again, changed, for somebody else.
    fn carry_old(&mut self, who: usize) {
        if self.up.is_empty() {
            return;
        }
        let at = self.dice.place(self.up.len());
        let mut up = self.up[at].clone();
        if self.dice.is_in(1, 3) {
            self.up.remove(at);
        }
        if self.dice.is_in(1, 5) {
            spoil(&mut up.envelope, &mut self.dice);
        }
        if !self.guards.seal && self.dice.is_in(1, 2) {
            self.forge(&mut up.envelope);
        }
        let own = self.phones[who].wallet;
        // Whose link it was may ask for money with it; anybody else claims over a link of their own.
        let own_link = self.phones[who]
            .visit
            .as_ref()
            .map(|visit| bind_of(&visit.link));
        let (account, link) = match self.dice.below(4) {
            0 => (None, None),
            1 => (Some(own), own_link),
            2 => (Some(up.owner), None),
            _ => (Some(up.owner), Some(up.link)),
        };
        let answers = self.desk.relay(&up.envelope, account, link);
        for envelope in answers.unwrap_or_default() {
            keep(&mut self.down, envelope);
        }
    }

    /// Brings an answer that was kept back, to whichever reader this phone is at.
    fn bring_old(&mut self, who: usize) {
        if self.down.is_empty() {
            return;
        }
        let at = self.dice.place(self.down.len());
        let mut envelope = self.down[at].clone();
        if self.dice.is_in(1, 4) {
            spoil(&mut envelope, &mut self.dice);
        }
        self.say(who, &LinkMessage::Envelope(envelope));
    }

    pub(crate) fn say(&mut self, who: usize, message: &LinkMessage) {
        let Some(visit) = self.phones[who].visit.as_mut() else {
            return;
        };
        // What was cut to nothing is no envelope, and no link seals it.
        let Ok(sealed) = visit.link.seal(message) else {
            return;
        };
        let heard = Input::Heard(visit.connection, sealed);
        self.places[visit.place].tell(heard, &mut self.dice);
    }

    /// Speaks without the link's key.
    fn garble(&mut self, who: usize) {
        if let Some(visit) = &self.phones[who].visit {
            let noise: [u8; 40] = self.dice.bytes();
            let heard = Input::Heard(visit.connection, noise.to_vec());
            self.places[visit.place].tell(heard, &mut self.dice);
        }
    }

    /// Scans the code on show, and asks for the light that buys, or only brings the receipts.
    fn scan(&mut self, who: usize, at: usize) {
        if let Some(offer) = &self.places[at].sign {
            keep(&mut self.codes, offer.link.clone());
        }
        let Some(code) = self.codes.back().cloned() else {
            return;
        };
        let old = self.dice.place(self.codes.len());
        let code = match self.dice.below(4) {
            0 => self.codes[old].clone(),
            _ => code,
        };
        let wallet = self.phones[who].wallet;
        let payers = self.truth.payers.entry(vend_of_code(&code)).or_default();
        payers.insert(wallet);
        if let Ok(Some(light)) = self.desk.light(&code, wallet) {
            self.lights_made += 1;
            keep(&mut self.lights, light);
            if self.dice.is_in(2, 3) {
                self.places[at].tell(Input::LightSeen(light), &mut self.dice);
            }
        }
    }

    /// Shows some light that was made, to any reader.
    fn shine(&mut self, at: usize) {
        if self.lights.is_empty() {
            return;
        }
        let which = self.dice.place(self.lights.len());
        let mut light = self.lights[which];
        if self.dice.is_in(1, 3) {
            let bit = self.dice.place(80);
            light[bit / 8] ^= 1 << (bit % 8);
        }
        self.places[at].tell(Input::LightSeen(light), &mut self.dice);
    }
}
