//! The air before a board.

use super::Place;
use crate::dice::Dice;
use gettone_channel::{Ephemeral, Hello1, Initiator, LINK_VERSION, Link, Psk};
use gettone_relay::{Connection, Input, Report};

impl Place {
    pub(crate) fn connect(&mut self, dice: &mut Dice) -> Connection {
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.messages.clear();
        self.tell(Input::Connected(connection), dice);
        connection
    }

    /// A phone links under a secret; none where it is not let in.
    pub(crate) fn link(
        &mut self,
        psk: &Psk,
        caps: u16,
        dice: &mut Dice,
    ) -> Option<(Connection, Link)> {
        let connection = self.connect(dice);
        let hello = Hello1 {
            version: LINK_VERSION,
            caps,
        };
        let ephemeral = Ephemeral::from_bytes(dice.bytes());
        let (waiting, link_1) = Initiator::start(psk, ephemeral, hello).expect("its version");
        self.tell(Input::Heard(connection, link_1), dice);
        let link_2 = self.message(connection, dice)?;
        Some((connection, waiting.finish(&link_2).ok()?))
    }

    /// The board's next message for a connection.
    pub(crate) fn message(&mut self, connection: Connection, dice: &mut Dice) -> Option<Vec<u8>> {
        let at = self
            .messages
            .iter()
            .position(|(to, ..)| *to == connection)?;
        let (to, message, report) = self.messages.remove(at)?;
        if report == Report::Took {
            self.tell(Input::Took(to), dice);
        }
        Some(message)
    }
}
