//! What a station is told and what it asks for: the words between a board and its shell.

use super::care::CareOrder;
use super::report::Lines;
use super::token::Offer;
use crate::greeting::{ReaderFacts, Standing};
use crate::keyring::KeyRing;
use crate::servers::Servers;
use crate::status::{Line, Telling};
use gettone_channel as channel;
use gettone_channel::{Eid, Ephemeral, PackageKind, StaticKey};
use gettone_core::board::{self, Ask, Code, Fresh, Life, Machine, Past, Record, Ticket};
use gettone_core::id::{Item, JournalEpoch, Rseq};
use gettone_core::lock::LockState;
use gettone_core::money::Currency;
use gettone_core::notice;
use zeroize::Zeroize;

/// How a station starts.
#[derive(Debug)]
pub struct Start {
    /// The reader's key.
    pub key: StaticKey,
    /// The reader's name, of the key it was enrolled with.
    pub reader: channel::ReaderId,
    /// The server's keys.
    pub servers: Servers,
    /// Starts of the reader's process so far, this one included.
    pub boot: u32,
    /// What its journal held.
    pub past: Past,
    /// The time limits.
    pub limits: board::Limits,
    /// What the machine was told about sessions.
    pub sessions: board::Sessions,
    /// The money the machine takes.
    pub currency: Currency,
    /// The MDB scale factor.
    pub scale: u8,
    /// The program's version.
    pub firmware: u32,
    /// How a line for people is put.
    pub line: Line,
}

impl Start {
    pub(super) fn facts(&self) -> ReaderFacts {
        ReaderFacts {
            boot: self.boot,
            epoch: self.past.outbox.epoch(),
            firmware: self.firmware,
            config: 0,
            currency: self.currency,
            scale: self.scale,
        }
    }
}

/// One connection of a phone among all of this start, as the radio counts them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Connection(u64);

impl Connection {
    /// Names a connection by its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a station is told.
#[derive(PartialEq, Eq, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A light code was decoded.
    CodeSeen(Code),
    /// The ten bytes of a light grant were decoded.
    LightSeen([u8; 10]),
    /// A phone has connected; nobody knows yet who it is.
    Connected(Connection),
    /// A connection is gone, and the station had not dropped it.
    Disconnected(Connection),
    /// A whole message of that connection's phone.
    Heard(Connection, Vec<u8>),
    /// A message has gone out of which the station wanted to know.
    Took(Connection),
    /// The board's own road to the server stands.
    RoadUp,
    /// It is gone.
    RoadDown,
    /// A whole message came by it.
    RoadHeard(Vec<u8>),
    /// The last message for it has gone out.
    RoadTook,
    /// The machine did something.
    Machine(Machine),
    /// What is known of the machine's controller has changed.
    Standing(Standing),
    /// The line to the machine is lost.
    BusLost,
    /// A record is on flash.
    Synced(Ticket),
    /// The flash cannot be written.
    JournalFailed,
    /// Something for the technician's log at the server.
    Fault {
        /// What it is about.
        code: notice::Code,
        /// Details; their meaning goes with the code.
        data: [u8; 8],
    },
    /// The server's keys are on flash.
    ServersKept,
    /// The server's keys could not be written.
    ServersLost,
    /// A package of this kind and number is in place.
    Installed(PackageKind, u32),
    /// The package of this kind and number is none for this board.
    Unfit(PackageKind, u32),
    /// A package could not be put in place: it is fetched anew.
    NotInstalled(PackageKind),
    /// Change the reader's own keys: these are those in use, with next ones beside them.
    ChangeKeys(Box<KeyRing>),
    /// How the reader is, in answer to `Diagnose`.
    Diagnosed(u32, Lines),
    /// The reader's own keys are on flash.
    KeysKept,
    /// The reader's own keys could not be written.
    KeysLost,
}

/// What a station asks its shell to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open the radio's door under this name; another one is closed.
    Advertise(Eid),
    /// Close the radio's door.
    Hush,
    /// Drop this connection; no `Disconnected` is expected for it.
    Drop(Connection),
    /// Send a whole message to that connection's phone.
    Send(Connection, Vec<u8>, Report),
    /// Send an envelope by the board's own road, then say `RoadTook`.
    RoadSend(Vec<u8>),
    /// Write this record, sync it, then say `Synced` with its ticket.
    Journal(Ticket, Record),
    /// Write the server's keys, sync them, then say `ServersKept`.
    KeepServers(Servers),
    /// Write the reader's own keys, sync them, then say `KeysKept`.
    KeepKeys(Box<KeyRing>),
    /// Say `Diagnosed` with this number, and with how the reader is: [`super::Station::report`] and
    /// whatever the shell knows beside it.
    Diagnose(u32),
    /// Do this with a package.
    Care(CareOrder),
    /// Tell the machine.
    Order(Order),
    /// Show people where the board stands.
    Show(Showing),
    /// Show whether the machine is in service.
    Service(LockState),
    /// Something for the log; it holds no secret.
    Note(Notice),
    /// Put this code on show, in place of the one before, and let the radio say its name.
    Offer(Box<Offer>),
    /// Show no code; the radio says nothing of one any more.
    Withdraw,
}

/// Whether the station waits for a message to have gone out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// It does not.
    Nothing,
    /// It does: say `Took`.
    Took,
}

/// What the machine is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Offer a session.
    BeginSession {
        /// What the customer may spend, in minor units.
        funds: u32,
    },
    /// Ask it for a selection; it answers with a question like any other, or not at all.
    Select {
        /// The selection.
        item: Item,
        /// How it is to be made, in the bits of MDB's item options.
        options: u32,
        /// What the customer may spend, in minor units.
        funds: u32,
    },
    /// Ask it to end its session.
    CancelSession,
    /// Let it end the session that it has completed.
    EndSession,
    /// Let it vend.
    Approve {
        /// The question it answers.
        ask: Ask,
        /// The INTENT that is on flash for it.
        rseq: Rseq,
        /// The machine's own price, in minor units.
        amount: u32,
        /// The life of the journal that `rseq` counts in.
        epoch: JournalEpoch,
    },
    /// Do not let it vend.
    Deny {
        /// The question it answers.
        ask: Ask,
    },
    /// Let it take the cash in.
    ApproveRevalue {
        /// The question it answers.
        ask: Ask,
        /// The INTENT that is on flash for it.
        rseq: Rseq,
        /// The cash, in minor units.
        amount: u32,
        /// The life of the journal that `rseq` counts in.
        epoch: JournalEpoch,
    },
    /// Do not let it take the cash in.
    DenyRevalue {
        /// The question it answers.
        ask: Ask,
    },
    /// Tell it how much cash may be put in.
    TellRevalueLimit {
        /// The question it answers.
        ask: Ask,
        /// The most, in minor units.
        limit: u32,
    },
}

/// Where the board stands, for a display, a lamp and a buzzer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Showing {
    /// What a phone is told too.
    pub telling: Telling,
    /// What the customer owns, in minor units; none without a grant. It decides nothing.
    pub balance: Option<i64>,
}

/// Something for the log.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The board went from one state to another.
    #[error("{from:?} -> {to:?}")]
    Moved {
        /// Where it stood.
        from: Life,
        /// Where it stands.
        to: Life,
    },
    /// A pairing code was seen.
    #[error("a pairing code was seen")]
    CodeSeen,
    /// A phone has passed Link 1.
    #[error("a phone is linked")]
    Linked,
    /// The linked phone is gone.
    #[error("the phone is gone")]
    Gone,
    /// Somebody connected who does not know the secret.
    #[error("a connection did not pass Link 1")]
    Stranger(#[source] channel::LinkFault),
    /// Somebody connected and said nothing.
    #[error("a connection was silent")]
    Silent,
    /// A link message does not open: whoever speaks is not the phone.
    #[error("a link message was refused")]
    Link(#[source] channel::LinkFault),
    /// A message of ours does not seal.
    #[error("a link message cannot be sealed")]
    LinkSeal(#[source] channel::LinkFault),
    /// An envelope is not for this reader, or under a key that it does not hold.
    #[error("an envelope is not for this reader, or under a key that is not stored")]
    Foreign,
    /// An envelope does not open.
    #[error("an envelope was refused")]
    Envelope(#[source] channel::EnvelopeFault),
    /// An envelope of ours does not seal.
    #[error("an envelope cannot be sealed")]
    Seal(#[source] channel::EnvelopeFault),
    /// The server called by the board's own road.
    #[error("the server calls")]
    Called,
    /// The server called while somebody is here, or a second time.
    #[error("a call of the server came while somebody is here, or came before")]
    StrayCall,
    /// The server said something that this reader has no use for.
    #[error("an item of type {kind:#04x} was not used")]
    Unused {
        /// The item's type.
        kind: u8,
    },
    /// The server's keys have changed.
    #[error("the server's keys have changed; epoch {active} is in use")]
    Servers {
        /// The epoch in use.
        active: u16,
    },
    /// The reader's own keys have changed.
    #[error("the reader has new keys, number {epoch}")]
    Keys {
        /// Their number.
        epoch: u16,
    },
    /// A package is in place; it counts from the next start.
    #[error("{kind:?} {number} is in place, from the next start")]
    Installed {
        /// What it is.
        kind: PackageKind,
        /// Its version.
        number: u32,
    },
    /// A package is none for this board.
    #[error("{kind:?} {number} is none for this board: it is not taken")]
    Unfit {
        /// What it is.
        kind: PackageKind,
        /// Its version.
        number: u32,
    },
    /// A code cannot be put on show.
    #[error("a code cannot be put on show")]
    Code(#[source] channel::TokenFault),
    /// A light grant is for another reader, another start or another code.
    #[error("a light grant is for no code that is still taken here")]
    ForeignLight,
    /// The board noticed something that it could not use.
    #[error("{0}")]
    Board(board::Fault),
}

impl Notice {
    /// Whether it is part of a good day.
    pub const fn is_usual(&self) -> bool {
        match self {
            Self::Moved { .. }
            | Self::CodeSeen
            | Self::Linked
            | Self::Gone
            | Self::Called
            | Self::StrayCall
            | Self::Unused { .. }
            | Self::Servers { .. }
            | Self::Keys { .. }
            | Self::Installed { .. } => true,
            Self::Stranger(_)
            | Self::Silent
            | Self::Link(_)
            | Self::LinkSeal(_)
            | Self::Foreign
            | Self::Envelope(_)
            | Self::Seal(_)
            | Self::Code(_)
            | Self::Unfit { .. }
            | Self::ForeignLight
            | Self::Board(_) => false,
        }
    }
}

/// Random bytes for what one input may call for; each is used once or not at all.
pub struct Entropy {
    /// For the handshake of a new link.
    pub(super) link: Option<Ephemeral>,
    /// For the envelope that may go out.
    pub(super) envelope: Option<Ephemeral>,
    /// For what goes out by the board's own road beside it.
    pub(super) road: Option<Ephemeral>,
    /// For a nonce or a resume secret.
    pub(super) fresh: Fresh,
}

impl Entropy {
    /// How many bytes one input takes.
    pub const LEN: usize = 112;

    /// Takes bytes that must be fresh from a cryptographic random source, and erases them there.
    pub fn take(bytes: &mut [u8; Self::LEN]) -> Self {
        let (link, rest) = bytes.split_first_chunk().expect("112 is more than 32");
        let (envelope, rest) = rest.split_first_chunk().expect("80 is more than 32");
        let (road, rest) = rest.split_first_chunk().expect("48 is more than 32");
        let fresh = rest.first_chunk().expect("16 are left");
        let entropy = Self {
            link: Some(Ephemeral::from_bytes(*link)),
            envelope: Some(Ephemeral::from_bytes(*envelope)),
            road: Some(Ephemeral::from_bytes(*road)),
            fresh: Fresh::from_bytes(*fresh),
        };
        bytes.zeroize();
        entropy
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}
