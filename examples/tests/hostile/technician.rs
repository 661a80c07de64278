//! Who comes at the end, and is honest: a board's own road, and a technician with a package.

use crate::letters::Whose;
use crate::place::bind_of;
use crate::release::{self, Make};
use crate::street::{HONEST, Street};
use core::time::Duration;
use gettone::core::board::Code;
use gettone_channel::{CAPS_CARRIES, LinkMessage, Secret};
use gettone_relay::{Input, reader_in};

/// Envelopes to and fro in one honest visit.
const ROUNDS_MAX: u32 = 60;
/// Times that a technician comes, at most.
const VISITS_MAX: u32 = 4;

impl Street {
    /// The board's road comes up and carries everything: nothing is held there any more, and nobody
    /// had to come.
    pub(crate) fn honest_by_road(&mut self, at: usize) -> Result<(), String> {
        let reader = reader_in(self.places[at].reader());
        self.places[at].tell(Input::RoadUp, &mut self.dice);
        for _ in 0..ROUNDS_MAX {
            let place = &mut self.places[at];
            place.sync(usize::MAX, &mut self.dice);
            let Some(envelope) = place.wire.out.pop_front() else {
                if place.unacked() == 0 && !self.books.holds_at(place.machine_id()) {
                    place.tell(Input::RoadDown, &mut self.dice);
                    return place.rest(&mut self.truth, &mut self.dice);
                }
                // The next HELLO may say what this one could not: its answer was waited for.
                place.tell(Input::RoadDown, &mut self.dice);
                place.pass(Duration::from_secs(1), &mut self.dice);
                place.tell(Input::RoadUp, &mut self.dice);
                continue;
            };
            let carried = (0..3).find_map(|_| {
                let answers = self.desk.by_road(reader, Whose::Own, &envelope);
                answers.ok()
            });
            let answers = carried.ok_or("for ever: the server crashes again and again")?;
            self.look()?;
            let place = &mut self.places[at];
            place.tell(Input::RoadTook, &mut self.dice);
            for answer in answers {
                place.tell(Input::RoadHeard(answer), &mut self.dice);
            }
        }
        Err(format!(
            "for ever: the road of reader {at} leaves {} receipts, and something held: {}",
            self.places[at].unacked(),
            self.books.holds_at(self.places[at].machine_id())
        ))
    }

    /// A technician, without an account, brings what the server has for the reader.
    pub(crate) fn technician(&mut self, at: usize) -> Result<(), String> {
        let (newest, firmware) = (self.desk.configuration, self.desk.firmware);
        let mut visits = 0;
        loop {
            let shelf = &self.places[at].shelf;
            let has_program = !Make::of(firmware).is_release() || shelf.programs.has_had(firmware);
            if shelf.configuration == newest && has_program {
                return Ok(());
            }
            if visits == VISITS_MAX {
                break;
            }
            visits += 1;
            let code: [u8; 10] = self.dice.bytes();
            let place = &mut self.places[at];
            place.tell(Input::CodeSeen(Code::from_bytes(code)), &mut self.dice);
            let psk = Secret::light(code).psk();
            let linked = place.link(&psk, CAPS_CARRIES, &mut self.dice);
            let (connection, mut link) = linked.ok_or("for ever: a technician is not let in")?;
            self.owners.insert(*bind_of(&link).as_bytes(), HONEST);
            for _ in 0..ROUNDS_MAX {
                let place = &mut self.places[at];
                place.sync(usize::MAX, &mut self.dice);
                let Some(message) = place.message(connection, &mut self.dice) else {
                    break;
                };
                let mut answers = Vec::new();
                match link.open(&message).map_err(|fault| fault.to_string())? {
                    LinkMessage::Envelope(envelope) => {
                        let carried = (0..3).find_map(|_| {
                            let relayed = self.desk.relay(&envelope, None, None);
                            relayed.ok()
                        });
                        let carried = carried.ok_or("for ever: the server crashes")?;
                        answers.extend(carried.into_iter().map(LinkMessage::Envelope));
                        self.look()?;
                    }
                    LinkMessage::Want(want) => {
                        let indices = want.first..want.first + u32::from(want.count);
                        let package = release::package(want.version);
                        let package = package.ok_or("a reader asks for what nobody has named")?;
                        let pieces = indices.filter_map(|index| package.piece(want.part, index));
                        answers.extend(pieces.map(LinkMessage::Piece));
                    }
                    _ => {}
                }
                for answer in answers {
                    let sealed = link.seal(&answer).map_err(|fault| fault.to_string())?;
                    let heard = Input::Heard(connection, sealed);
                    self.places[at].tell(heard, &mut self.dice);
                }
            }
            let place = &mut self.places[at];
            place.tell(Input::Disconnected(connection), &mut self.dice);
            place.rest(&mut self.truth, &mut self.dice)?;
            self.look()?;
            self.renew();
            self.look()?;
        }
        Err(format!(
            "for ever: reader {at} has configuration {} and not {newest}, program {} and not {firmware}",
            self.places[at].shelf.configuration,
            self.places[at].shelf.programs.number()
        ))
    }
}
