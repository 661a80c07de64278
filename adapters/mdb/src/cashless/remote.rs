//! What the reader wants of the machine: a selection from afar, a coupon. [MDB 4.3, options b6 and b8]

use core::time::Duration;

use super::{Cashless, Event, SelectionEnd, State, UNKNOWN_FUNDS};
use crate::cashless::outbox::Kind;
use crate::command::Command;
use crate::message::{self, Media, Message, Selection};
use crate::money::{Units, Width};
use crate::options::{ItemOptions, Options, Reason};

/// The selection that the reader has asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    item: u16,
    /// When the controller acknowledged it.
    heard_at: Option<Duration>,
}

/// The coupon that is held out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coupon {
    id: u32,
    /// What the machine said of it, to know a repeat.
    reply: Option<Command>,
}

impl Cashless {
    /// Asks for a selection at the next POLL.
    pub(super) fn wish(&mut self, item: u16, options: ItemOptions, funds: u32) {
        let quiet = matches!(self.state, State::Enabled | State::SessionIdle);
        let why = match (self.has(Options::REMOTE_VEND) && quiet, self.wish) {
            (false, _) => SelectionEnd::NotPossible,
            (true, Some(_)) => SelectionEnd::Busy,
            (true, None) if self.completed_at.is_some() => SelectionEnd::NotPossible,
            (true, None) => {
                let selection = Selection {
                    funds: self.shown(funds),
                    media: Media::UNKNOWN,
                    locale: (self.width() == Width::Wide).then(|| self.locale()),
                    item,
                    options,
                };
                let heard_at = None;
                self.wish = Some(Wish { item, heard_at });
                return self.outbox.push(Message::SelectionRequest(selection));
            }
        };
        self.event(Event::SelectionOver { item, why });
    }

    /// The machine has the wish, and owes a question or a denial.
    pub(super) fn wish_delivered(&mut self, now: Duration) {
        if let Some(wish) = &mut self.wish {
            wish.heard_at = Some(now);
        }
    }

    /// Whether a question for this item answers the wish: only what was sent can be answered.
    pub(super) fn wishes(&self, item: u16) -> bool {
        let sent = self.outbox.waiting(Kind::Selection) != Some(super::outbox::Sent::Never);
        sent && self.wish.is_some_and(|wish| wish.item == item)
    }

    pub(super) fn wish_granted(&mut self) {
        self.outbox.remove(Kind::Selection);
        self.wish = None;
    }

    pub(super) fn drop_wish(&mut self, why: SelectionEnd) {
        if let Some(Wish { item, .. }) = self.wish.take() {
            self.outbox.remove(Kind::Selection);
            self.event(Event::SelectionOver { item, why });
        }
    }

    pub(super) fn wish_denied(&mut self, item: u16, reason: Reason, command: Command) {
        if !self.has(Options::REMOTE_VEND) {
            return self.out_of_sequence(command);
        }
        // A repeat finds no wish: it is owed its ACK.
        if self.wishes(item) {
            self.drop_wish(SelectionEnd::Denied(reason));
        }
        self.ack();
    }

    pub(super) fn wish_deadline(&self) -> Option<Duration> {
        let heard_at = self.wish?.heard_at?;
        Some(heard_at.saturating_add(self.host_patience()))
    }

    pub(super) fn wish_timed_out(&mut self, now: Duration) {
        if self.wish_deadline().is_some_and(|end| now >= end) {
            self.drop_wish(SelectionEnd::TimedOut);
        }
    }

    /// Holds out a coupon at the next POLL; where it cannot be used it is rejected at once.
    pub(super) fn hold_out(&mut self, item: u16, options: u8, value: u32, id: u32) {
        let quiet = matches!(self.state, State::Enabled | State::SessionIdle);
        let open = self.coupon.is_some_and(|coupon| coupon.reply.is_none());
        let units = match value {
            UNKNOWN_FUNDS => Some(Units::UNKNOWN),
            known => self.scale.units(known, self.width()).ok(),
        };
        match units {
            Some(value) if self.has(Options::COUPON) && quiet && !open => {
                self.coupon = Some(Coupon { id, reply: None });
                self.outbox.push(Message::Coupon(message::Coupon {
                    item,
                    options,
                    value,
                    id,
                }));
            }
            Some(_) | None => {
                let used = None;
                self.event(Event::CouponUsed { id, item, used });
            }
        }
    }

    pub(super) fn coupon_used(&mut self, usage: u8, item: u16, used: Units, command: Command) {
        let Some(coupon) = self.coupon.as_mut().filter(|it| it.reply != Some(command)) else {
            // It missed our ACK; or it never had a coupon.
            return match self.coupon {
                Some(_) => self.ack(),
                None => self.out_of_sequence(command),
            };
        };
        if coupon.reply.replace(command).is_some() {
            return self.out_of_sequence(command);
        }
        let id = coupon.id;
        self.outbox.remove(Kind::Coupon);
        let used = match usage {
            0 => None,
            _ => self.scale.minor(used),
        };
        self.event(Event::CouponUsed { id, item, used });
        self.ack();
    }
}
