//! What the parts of the reader tell its hub. One queue, one order.

use gettone_core::board::{Code, Machine, Ticket};
use gettone_relay::{Connection, Standing};

/// One piece of news.
#[derive(Debug)]
pub(crate) enum News {
    /// The machine did something.
    Machine(Machine),
    /// What a HELLO says of the machine has changed.
    Standing(Standing),
    /// The MDB link is gone.
    BusLost,
    /// A record is on flash.
    Synced(Ticket),
    /// The flash cannot be written.
    JournalFailed,
    /// A pairing code was decoded.
    CodeSeen(Code),
    /// A phone has connected.
    Connected(Connection),
    /// A connection is gone.
    Disconnected(Connection),
    /// A phone said something.
    Heard(Connection, Vec<u8>),
    /// A message has gone out.
    Took(Connection),
}
