//! What a link carries once it is up: the first byte of the plaintext is the type.
//!
//! | Type | Way | Body |
//! |---|---|---|
//! | 1 ENVELOPE | both | one envelope |
//! | 2 STATUS | reader to phone | see [`Status`] |
//! | 3 LEAVE | phone to reader | none |
//! | 4 AGAIN | phone to reader | none |
//! | 5 PIECE | phone to reader | see [`Piece`] |
//! | 6 WANT | reader to phone | see [`Want`] |

use zeroize::Zeroizing;

use crate::bounds::{ENVELOPE_LEN_MAX, ENVELOPE_LEN_MIN, LINE_LEN_MAX};
use crate::item::RefuseReason;
use crate::link::LinkFault;
use crate::package::{Piece, Want};
use crate::secret::ResumeSecret;
use crate::wire::{Bad, Field, Wire, coded};

/// One message on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkMessage {
    /// A sealed envelope, to be carried on or opened.
    Envelope(Vec<u8>),
    /// What the reader shows the phone; it decides nothing.
    Status(Status),
    /// Ends the session.
    Leave,
    /// Asks for a new HELLO on this link.
    Again,
    /// A piece of the package that the reader wants.
    Piece(Piece),
    /// What the reader lacks of a package, to a phone that carries such.
    Want(Want),
}

/// What the reader shows the phone.
///
/// Body, big-endian, after the type byte 2:
///
/// ```text
///  0  u8   state      BoardState
///  1  u32  remaining  minor units left of the grant, 0 without one
///  5  u8   last       LastResult
///  6  u8   reason     StatusReason
///  7  u32  short_by   minor units that were missing, 0 if that was not the reason
/// 11  u8   line length, 0 to 64
/// 12  ...  line       UTF-8
///     [16] resume     only on entering GRANTED and after each resume; else the body ends before it
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where the reader stands.
    pub state: BoardState,
    /// Minor units left of the grant.
    pub remaining: u32,
    /// How the last vend went.
    pub last: LastResult,
    /// Why there is nothing, or no more.
    pub reason: StatusReason,
    /// Minor units that were missing.
    pub short_by: u32,
    /// A line to display, at most 64 bytes.
    pub line: String,
    /// With what this phone, and no other, resumes.
    pub resume: Option<ResumeSecret>,
}

coded! {
    /// The reader's state, protocol section 6.2.
    BoardState {
        /// Waits for a code.
        Idle = 0,
        /// Waits for the phone that showed the code.
        Advertising = 1,
        /// Waits for a grant.
        Linked = 2,
        /// Waits for the customer's choice.
        Granted = 3,
        /// The machine is at work.
        Vending = 4,
        /// The machine has fallen silent.
        Waiting = 5,
        /// Closes the grant.
        Closing = 6,
    }
}

coded! {
    /// How the last vend of this session went.
    LastResult {
        /// There was none.
        None = 0,
        /// The product was given.
        Vended = 1,
        /// The product was not given.
        Failed = 2,
        /// It was not approved.
        Denied = 3,
        /// Nobody can say.
        Unknown = 4,
        /// Cash was taken in.
        CashTaken = 5,
    }
}

coded! {
    /// Why there is nothing, or no more. 1 to 6 are those of a REFUSE.
    StatusReason {
        /// Nothing is wrong.
        None = 0,
        /// Not enough money on the account.
        Funds = 1,
        /// The HELLO was not the newest.
        Stale = 2,
        /// Older receipts must go first.
        Pending = 3,
        /// The machine is out of service.
        MachineOff = 4,
        /// The account is blocked.
        Blocked = 5,
        /// The reader is not in good standing.
        Reader = 6,
        /// The price is above what is left of the grant; `short_by` says by how much.
        AboveCap = 7,
        /// The grant's number of vends is used up.
        NoVendsLeft = 8,
        /// The session was idle for too long.
        Idle = 9,
        /// The grant's time is over.
        Expired = 10,
        /// The customer left: LEAVE, or the return lever.
        Left = 11,
        /// The machine was reset.
        Reset = 12,
        /// The reader's journal is full.
        JournalFull = 13,
        /// AGAIN came too often, too late or out of place.
        NotAgain = 14,
        /// The machine does not make what was chosen beforehand; anything else may be chosen.
        NoFavourite = 15,
    }
}

impl From<RefuseReason> for StatusReason {
    fn from(reason: RefuseReason) -> Self {
        match reason {
            RefuseReason::Funds => StatusReason::Funds,
            RefuseReason::Stale => StatusReason::Stale,
            RefuseReason::Pending => StatusReason::Pending,
            RefuseReason::MachineOff => StatusReason::MachineOff,
            RefuseReason::Blocked => StatusReason::Blocked,
            RefuseReason::Reader => StatusReason::Reader,
        }
    }
}

/// Which end of a link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Phone,
    Reader,
}

const ENVELOPE: u8 = 1;
const STATUS: u8 = 2;
const LEAVE: u8 = 3;
const AGAIN: u8 = 4;
const PIECE: u8 = 5;
const WANT: u8 = 6;

impl LinkMessage {
    fn kind(&self) -> u8 {
        match self {
            LinkMessage::Envelope(_) => ENVELOPE,
            LinkMessage::Status(_) => STATUS,
            LinkMessage::Leave => LEAVE,
            LinkMessage::Again => AGAIN,
            LinkMessage::Piece(_) => PIECE,
            LinkMessage::Want(_) => WANT,
        }
    }

    pub(crate) fn encode(&self, sender: End) -> Result<Zeroizing<Vec<u8>>, LinkFault> {
        travels(sender, self.kind())?;
        let mut out = Zeroizing::new(vec![self.kind()]);
        match self {
            LinkMessage::Envelope(envelope) => {
                bounded(envelope)?;
                out.extend_from_slice(envelope);
            }
            LinkMessage::Status(status) => status.put(&mut out)?,
            LinkMessage::Leave | LinkMessage::Again => {}
            LinkMessage::Piece(piece) => piece.put(&mut out).map_err(|_| LinkFault::Body)?,
            LinkMessage::Want(want) => want.put(&mut out).map_err(|_| LinkFault::Body)?,
        }
        Ok(out)
    }

    pub(crate) fn decode(sender: End, plaintext: &[u8]) -> Result<Self, LinkFault> {
        let (&kind, body) = plaintext.split_first().ok_or(LinkFault::Body)?;
        travels(sender, kind)?;
        match (kind, body) {
            (ENVELOPE, envelope) => {
                bounded(envelope)?;
                Ok(LinkMessage::Envelope(envelope.to_vec()))
            }
            (STATUS, body) => Status::take(body).map(LinkMessage::Status),
            (LEAVE, []) => Ok(LinkMessage::Leave),
            (AGAIN, []) => Ok(LinkMessage::Again),
            (PIECE, body) => Piece::take(body)
                .map(LinkMessage::Piece)
                .map_err(|_| LinkFault::Body),
            (WANT, body) => Want::take(body)
                .map(LinkMessage::Want)
                .map_err(|_| LinkFault::Body),
            _ => Err(LinkFault::Body),
        }
    }
}

fn travels(sender: End, kind: u8) -> Result<(), LinkFault> {
    match (sender, kind) {
        (End::Phone | End::Reader, ENVELOPE)
        | (End::Reader, STATUS | WANT)
        | (End::Phone, LEAVE | AGAIN | PIECE) => Ok(()),
        _ => Err(LinkFault::Kind(kind)),
    }
}

fn bounded(envelope: &[u8]) -> Result<(), LinkFault> {
    if (ENVELOPE_LEN_MIN..=ENVELOPE_LEN_MAX).contains(&envelope.len()) {
        Ok(())
    } else {
        Err(LinkFault::Length {
            len: envelope.len(),
        })
    }
}

impl Status {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), LinkFault> {
        let line = self.line.as_bytes();
        if line.len() > LINE_LEN_MAX {
            return Err(LinkFault::Line { len: line.len() });
        }
        let line_len = u8::try_from(line.len()).expect("a line is at most 64 bytes");
        self.state.put(out);
        self.remaining.put(out);
        self.last.put(out);
        self.reason.put(out);
        self.short_by.put(out);
        line_len.put(out);
        out.extend_from_slice(line);
        if let Some(resume) = &self.resume {
            resume.put(out);
        }
        Ok(())
    }

    fn take(body: &[u8]) -> Result<Self, LinkFault> {
        Self::fields(&mut Wire::new(body)).map_err(|_| LinkFault::Body)
    }

    fn fields(wire: &mut Wire<'_>) -> Result<Self, Bad> {
        Ok(Status {
            state: wire.field()?,
            remaining: wire.field()?,
            last: wire.field()?,
            reason: wire.field()?,
            short_by: wire.field()?,
            line: line(wire)?,
            resume: resume(wire)?,
        })
    }
}

fn line(wire: &mut Wire<'_>) -> Result<String, Bad> {
    let len = usize::from(wire.field::<u8>()?);
    if len > LINE_LEN_MAX {
        return Err(Bad::Value);
    }
    let text = core::str::from_utf8(wire.bytes(len)?).map_err(|_| Bad::Value)?;
    Ok(text.to_owned())
}

fn resume(wire: &mut Wire<'_>) -> Result<Option<ResumeSecret>, Bad> {
    match wire.len() {
        0 => Ok(None),
        ResumeSecret::LEN => wire.field().map(Some),
        _ => Err(Bad::Value),
    }
}
