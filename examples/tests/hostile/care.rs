//! What the server's people make, and what phones bring of it.

use crate::release::{self, CONFIGURATIONS_MAX, FIRMWARE_MAX};
use crate::street::{Street, spoil};
use gettone_channel::{LinkMessage, Want};

impl Street {
    /// The server's people change its keys, or have a new configuration; somebody who
    /// can enter packages has a new program, which may be none.
    pub(crate) fn office(&mut self) {
        if self.dice.is_in(1, 3) {
            return self.desk.change_keys(&mut self.dice);
        }
        match self.dice.is_in(1, 2) {
            true => {
                let next = self.desk.configuration + 1;
                self.desk.configuration = next.min(CONFIGURATIONS_MAX);
            }
            false => self.desk.firmware = (self.desk.firmware + 1).min(FIRMWARE_MAX),
        }
    }

    /// A reader asks for pieces of a package: it gets them, or others, or spoilt ones, or none.
    pub(crate) fn wanted(&mut self, who: usize, want: Want) {
        for _ in 0..want.count {
            let version = match self.dice.below(6) {
                0 => release::any(&mut self.dice),
                _ => want.version,
            };
            let index = match self.dice.below(6) {
                0 => u32::try_from(self.dice.below(8)).expect("few"),
                _ => want.first + u32::try_from(self.dice.below(want.count.into())).expect("few"),
            };
            let package = release::package(version);
            let Some(mut piece) = package.and_then(|package| package.piece(want.part, index))
            else {
                continue;
            };
            match self.dice.below(8) {
                0 => continue,
                1 => spoil(&mut piece.bytes, &mut self.dice),
                // Of another package, under this one's name.
                2 => piece.version = want.version,
                _ => {}
            }
            if !self.guards.vouched
                && let Some(at) = self.place_of(who)
            {
                self.places[at].shelf.keep_unseen(&piece);
            }
            self.say(who, &LinkMessage::Piece(piece));
        }
    }

    /// What boards have put in place is what the server made, and never an older one; what they run
    /// is what the release key has signed.
    pub(crate) fn packages_are_the_servers(&self) -> Result<(), String> {
        for (at, place) in self.places.iter().enumerate() {
            let shelf = &place.shelf;
            let is_right = match shelf.configuration {
                0 => shelf.content.is_empty(),
                number => {
                    let package = release::configuration(number);
                    package.is_some_and(|package| package.content == shelf.content)
                }
            };
            if !is_right || shelf.went_down {
                let number = shelf.configuration;
                return Err(format!(
                    "configuration {number} of reader {at} is not the server's"
                ));
            }
            let looked = shelf.programs.look();
            looked.map_err(|words| format!("reader {at}: {words}"))?;
        }
        Ok(())
    }
}
