//! Boards' own roads, and whoever stands beside them: envelopes that are lost, late, doubled and
//! brought by the other road, roads that fall, codes that are typed.

use crate::letters::Whose;
use crate::street::{Street, Up, keep, spoil};
use gettone_channel::Bind;
use gettone_relay::{Input, reader_in};

/// Digits that somebody makes up.
const DIGITS: u64 = 10_000_000;

/// What has happened by roads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RoadTally {
    pub(crate) envelopes: u64,
    pub(crate) calls: u64,
}

impl Street {
    /// Something happens on the road of a board, or to it.
    pub(crate) fn road(&mut self, at: usize) {
        if !self.places[at].wire.is_up {
            return match self.dice.below(4) {
                0 => self.pretend(at),
                _ => self.road_up(at),
            };
        }
        match self.dice.below(32) {
            0..=13 => self.road_out(at),
            14..=24 => self.road_back(at),
            25..=29 => self.type_in(at),
            30 => self.pretend(at),
            _ => self.road_down(at),
        }
    }

    fn road_up(&mut self, at: usize) {
        self.places[at].wire.is_up = true;
        self.places[at].tell(Input::RoadUp, &mut self.dice);
        self.bustle(at);
    }

    /// Much of the time a road is quick.
    fn bustle(&mut self, at: usize) {
        if self.dice.is_in(1, 2) {
            for _ in 0..3 {
                self.road_out(at);
                self.road_back(at);
                self.road_back(at);
            }
        }
    }

    /// The road falls, with whatever is on it. The server may see it later, or not at all.
    pub(crate) fn road_down(&mut self, at: usize) {
        let place = &mut self.places[at];
        place.wire = Default::default();
        place.tell(Input::RoadDown, &mut self.dice);
        if self.dice.is_in(1, 2) {
            self.desk
                .close_road(reader_in(self.places[at].reader()), Whose::Own);
        }
    }

    /// Every road falls, and the server sees it: who is not there does not answer its pings.
    pub(crate) fn fell_roads(&mut self) {
        self.desk.roads.clear();
        for place in &mut self.places {
            place.wire = Default::default();
            place.tell(Input::RoadDown, &mut self.dice);
        }
    }

    /// The next envelope of the board goes to the server: or is lost, or comes late, or twice, or by
    /// somebody's phone.
    fn road_out(&mut self, at: usize) {
        let Some(envelope) = self.places[at].wire.out.pop_front() else {
            return;
        };
        self.places[at].tell(Input::RoadTook, &mut self.dice);
        let who = self.dice.place(self.phones.len());
        let up = Up {
            envelope: envelope.clone(),
            link: Bind::from_bytes(self.dice.bytes()),
            owner: self.phones[who].wallet,
        };
        match self.dice.below(12) {
            0 => {}
            1 => keep(&mut self.up, up),
            2 => {
                keep(&mut self.up, up);
                self.deliver(at, &envelope);
            }
            3 => {
                self.deliver(at, &envelope);
                self.deliver(at, &envelope);
            }
            4 => {
                let mut spoilt = envelope;
                spoil(&mut spoilt, &mut self.dice);
                self.deliver(at, &spoilt);
            }
            _ => self.deliver(at, &envelope),
        }
    }

    fn deliver(&mut self, at: usize, envelope: &[u8]) {
        self.roads.envelopes += 1;
        let reader = reader_in(self.places[at].reader());
        match self.desk.by_road(reader, Whose::Own, envelope) {
            Ok(answers) => self.places[at].wire.back.extend(answers),
            // The server is gone, and every road with it.
            Err(_) => {
                self.desk.roads.clear();
                self.road_down(at);
            }
        }
    }

    /// The next envelope of the server comes to the board; or is lost, late, doubled, cut.
    fn road_back(&mut self, at: usize) {
        let Some(mut envelope) = self.places[at].wire.back.pop_front() else {
            return;
        };
        match self.dice.below(12) {
            0 => return,
            1 => return keep(&mut self.down, envelope),
            2 => {
                let again = Input::RoadHeard(envelope.clone());
                self.places[at].tell(again, &mut self.dice);
                // What a phone brings again comes late.
                keep(&mut self.down, envelope.clone());
            }
            3 => spoil(&mut envelope, &mut self.dice),
            // One that was for somebody else, or is of long ago.
            4 if !self.down.is_empty() => {
                let old = self.dice.place(self.down.len());
                let old = Input::RoadHeard(self.down[old].clone());
                self.places[at].tell(old, &mut self.dice);
            }
            _ => {}
        }
        self.places[at].tell(Input::RoadHeard(envelope), &mut self.dice);
    }

    /// Somebody opens a road with an envelope that a phone once carried; what the server says on it
    /// goes to whoever they are.
    fn pretend(&mut self, at: usize) {
        if self.up.is_empty() {
            return;
        }
        let old = self.dice.place(self.up.len());
        let envelope = self.up[old].envelope.clone();
        let reader = reader_in(self.places[at].reader());
        let answers = self.desk.by_road(reader, Whose::Stranger, &envelope);
        for envelope in answers.unwrap_or_default() {
            keep(&mut self.down, envelope);
        }
    }

    /// Somebody types the digits on show, or others.
    fn type_in(&mut self, at: usize) {
        let shown = self.places[at].sign.as_ref();
        let Some(digits) = shown.and_then(|offer| offer.typed) else {
            return;
        };
        let digits = match self.dice.below(8) {
            0 => u32::try_from(self.dice.below(DIGITS)).expect("seven digits"),
            _ => digits,
        };
        let who = self.dice.place(self.phones.len());
        let wallet = self.phones[who].wallet;
        let reader = reader_in(self.places[at].reader());
        let called = self.desk.typed(reader, wallet, digits, &mut self.dice);
        let Ok(Some((envelope, bind, whose))) = called else {
            return;
        };
        self.roads.calls += 1;
        self.owners.insert(*bind.as_bytes(), wallet);
        match whose {
            Whose::Own => {
                self.places[at].wire.back.push_front(envelope);
                self.bustle(at);
            }
            Whose::Stranger => keep(&mut self.down, envelope),
        }
    }
}
