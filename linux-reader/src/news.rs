//! What the parts of the reader tell its hub. One queue, one order.

use gettone_channel::LinkMessage;
use gettone_core::board::{Code, Machine, Ticket};
use gettone_core::id::Bind;

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
    /// A phone has passed Link 1.
    LinkUp(LinkNumber, Bind),
    /// A Link 1 did not decrypt, or did not come in time.
    LinkRefused,
    /// A link is gone.
    LinkDown(LinkNumber),
    /// A link has taken an envelope.
    LinkTook(LinkNumber),
    /// A phone said something.
    Heard(LinkNumber, LinkMessage),
}

/// One link among all of this start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkNumber(pub(crate) u64);

/// Where the machine stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) mdb_state: gettone_channel::MdbState,
    pub(crate) price_max: u32,
    pub(crate) vmc_level: u8,
    pub(crate) vmc_id: gettone_channel::VmcId,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            mdb_state: gettone_channel::MdbState::Inactive,
            price_max: 0,
            vmc_level: 0,
            vmc_id: gettone_channel::VmcId::from_bytes([0; 8]),
        }
    }
}
