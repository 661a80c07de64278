//! What the device still has to tell: one message to a block, kept until the controller acknowledges it.

use crate::block::Frame;
use crate::bounds::OUTBOX_MAX;
use crate::message::Message;
use crate::money::Width;

/// A first-in-first-out queue with one place for each kind of message.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    places: [Option<Pending>; OUTBOX_MAX],
    /// The block on the wire, until its answer or the next command.
    in_flight: Option<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    message: Message,
    sent: Sent,
}

/// Whether the controller may have seen a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It cannot have.
    Never,
    /// It left at least once.
    Unacknowledged,
}

/// The kinds of message a device sends; a newer one of a kind replaces the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    JustReset,
    Config,
    Display,
    Begin,
    SessionCancel,
    Approved,
    Denied,
    End,
    Cancelled,
    Id,
    Malfunction,
    OutOfSequence,
    Revalue,
    Time,
    Entry,
    Selection,
    Coupon,
    File,
    Diagnostic,
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self {
            places: [None; OUTBOX_MAX],
            in_flight: None,
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Puts a message at the end, or in the place of an older one of its kind.
    pub(crate) fn push(&mut self, message: Message) {
        let pending = Pending {
            message,
            sent: Sent::Never,
        };
        let same = |place: &&mut Option<Pending>| {
            place.is_some_and(|other| Kind::from(other.message) == Kind::from(message))
        };
        if let Some(place) = self.places.iter_mut().find(same) {
            // The same message again is the same delivery: a controller may have seen it.
            if place.is_none_or(|other| other.message != message) {
                *place = Some(pending);
            }
            return;
        }
        let free = self.places.iter_mut().find(|place| place.is_none());
        *free.expect("there is a place for each kind") = Some(pending);
    }

    /// Puts a message before all others.
    pub(crate) fn push_first(&mut self, message: Message) {
        self.push(message);
        let at = self.place_of(message.into());
        if let Some(upto) = at.and_then(|at| self.places.get_mut(..=at)) {
            upto.rotate_right(1);
        }
    }

    /// Whether a message of this kind waits, and whether it may have been seen.
    pub(crate) fn waiting(&self, wanted: Kind) -> Option<Sent> {
        self.pending(wanted).map(|pending| pending.sent)
    }

    /// The message of this kind that waits.
    pub(crate) fn message(&self, wanted: Kind) -> Option<Message> {
        self.pending(wanted).map(|pending| pending.message)
    }

    /// Takes a message out, wherever it stands.
    pub(crate) fn remove(&mut self, wanted: Kind) {
        if let Some(at) = self.place_of(wanted) {
            let rest = self.places.get_mut(at..).unwrap_or_default();
            if let Some(place) = rest.first_mut() {
                *place = None;
            }
            rest.rotate_left(1);
        }
        if self.in_flight.is_some_and(|it| Kind::from(it) == wanted) {
            self.in_flight = None;
        }
    }

    /// Sends the oldest message.
    ///
    /// A fault that stands joins whatever there is to say, for as long as there is room. [MDB 7.4.11]
    pub(crate) fn send_first(&mut self, width: Width, fault: Option<u8>) -> Option<Frame> {
        let fault = fault.map(|code| Message::Malfunction { code });
        let Some(first) = self.places.first_mut().and_then(Option::as_mut) else {
            return Message::join_in(fault.as_slice(), width).filter(|it| it.len() > 1);
        };
        first.sent = Sent::Unacknowledged;
        let message = first.message;
        self.in_flight = Some(message);
        let both = fault
            .filter(|_| message.shares())
            .and_then(|fault| Message::join_in(&[message, fault], width));
        both.or_else(|| Some(Frame::from_peripheral(&message.block_in(width))))
    }

    /// Sends the message of this kind out of turn.
    pub(crate) fn send(&mut self, wanted: Kind, width: Width) -> Option<Frame> {
        let at = self.place_of(wanted)?;
        let pending = self.places.get_mut(at)?.as_mut()?;
        pending.sent = Sent::Unacknowledged;
        let message = pending.message;
        self.in_flight = Some(message);
        Some(Frame::from_peripheral(&message.block_in(width)))
    }

    /// The controller acknowledged the block on the wire.
    pub(crate) fn acknowledge(&mut self) -> Option<Message> {
        let message = self.in_flight.take()?;
        let pending = self.pending(message.into())?;
        // A newer message of the kind is still to come.
        let same = pending.message == message;
        same.then(|| self.remove(message.into()))?;
        Some(message)
    }

    /// No answer came: the message waits for its next turn.
    pub(crate) fn lose(&mut self) {
        self.in_flight = None;
    }

    fn pending(&self, wanted: Kind) -> Option<Pending> {
        self.places.get(self.place_of(wanted)?).copied()?
    }

    fn place_of(&self, wanted: Kind) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.is_some_and(|it| Kind::from(it.message) == wanted))
    }
}

impl From<Message> for Kind {
    fn from(message: Message) -> Self {
        match message {
            Message::JustReset => Kind::JustReset,
            Message::ReaderConfig(_) => Kind::Config,
            Message::Display { .. } => Kind::Display,
            Message::BeginSession { .. } | Message::BeginSessionIn { .. } => Kind::Begin,
            Message::SessionCancel => Kind::SessionCancel,
            Message::VendApproved { .. } | Message::BasketApproved { .. } => Kind::Approved,
            Message::VendDenied => Kind::Denied,
            Message::EndSession => Kind::End,
            Message::Cancelled => Kind::Cancelled,
            Message::PeripheralId(_) | Message::Offer(..) => Kind::Id,
            Message::Malfunction { .. } => Kind::Malfunction,
            Message::OutOfSequence { .. } => Kind::OutOfSequence,
            Message::RevalueApproved | Message::RevalueDenied | Message::RevalueLimit { .. } => {
                Kind::Revalue
            }
            Message::TimeRequest => Kind::Time,
            Message::DataEntry { .. } | Message::DataEntryCancel => Kind::Entry,
            Message::SelectionRequest(_) => Kind::Selection,
            Message::Coupon(_) => Kind::Coupon,
            Message::File(_) => Kind::File,
            Message::AgeFeature(_) | Message::AgeStatus(_) | Message::Diagnostic(_) => {
                Kind::Diagnostic
            }
        }
    }
}
