//! What a phone is told and what it asks for: the words between a phone and its shell.

use crate::phase::Phase;
use crate::told::Told;
use gettone_channel::{Ephemeral, LinkFault, Mtu, Secret, SegmentFault, ServiceUuid, Status, Want};

/// What a phone is told.
#[derive(Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The customer shows this code to a reader, or has scanned the one on show; fresh for each visit.
    Show(Secret),
    /// The radio has connected to what [`Output::Seek`] named, and subscribed.
    Connected {
        /// What both sides agreed on.
        mtu: Mtu,
        /// Bytes that must be fresh from a cryptographic random source.
        ephemeral: Ephemeral,
    },
    /// A value that the reader notified, or that was read.
    Value(Vec<u8>),
    /// The connection is gone, and the phone had not hung up.
    Disconnected,
    /// The server has answered the request that is out.
    Answered {
        /// The status of HTTP.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// The request that is out got no answer.
    Unanswered,
    /// An envelope of the server that came by another way than an answer: one that was kept, or told
    /// apart. It goes to the reader that is here, or that may come back.
    Bring(Vec<u8>),
    /// The customer wants another purchase on this link.
    Again,
    /// The customer is done.
    Leave,
    /// The customer gives the visit up, whatever it is at.
    End,
}

/// What a phone asks its shell to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Look for this name on the air and connect to it; look for no other.
    Seek(ServiceUuid),
    /// Look for nothing any more.
    Rest,
    /// Write this value, with response.
    Write(Vec<u8>),
    /// Drop the connection; no `Disconnected` is expected for it.
    HangUp,
    /// Send this request; there is never more than one out.
    Ask(Request),
    /// Store what [`crate::Phone::undelivered`] gives, in place of what was stored.
    Keep,
    /// Something for the customer.
    News(News),
}

/// One request to the server: a POST of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub path: &'static str,
    /// Whose credential goes with it.
    pub asker: Asker,
    /// The body.
    pub body: String,
}

/// Whose credential goes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The customer's, when they are signed in.
    Customer,
    /// Nobody's: the server did not take the customer's, and receipts need none.
    Nobody,
}

/// Something for the customer; it decides nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// The visit went on.
    Phase(Phase),
    /// What the reader shows.
    Status(Status),
    /// The reader wants these pieces of a package, and is sent what there is of them.
    Wanted(Want),
    /// What the server says of one envelope.
    Told(Box<Told>),
    /// The server does not take the customer's credential.
    SignedOut,
    /// The server takes these envelopes from nobody; they are gone. Their reader has what is in them.
    Refused {
        /// The status of HTTP.
        status: u16,
    },
    /// The link was dropped for what came over it.
    Broken(Broken),
}

/// Why a phone drops a link.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Broken {
    /// A value that cannot follow the ones before.
    #[error("a value of the radio")]
    Segment(#[from] SegmentFault),
    /// A message that does not open, or that no reader sends.
    #[error("a link message")]
    Link(#[from] LinkFault),
    /// The reader did not answer Link 1.
    #[error("the reader does not answer")]
    Silent,
}
