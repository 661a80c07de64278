//! Token mode: the code on show, and the light that answers it (protocol section 9).

use super::{Board, JournalSide, Power, Session, Way};
use crate::board::grant::GrantTimes;
use crate::board::{
    Fault, Fresh, Grant, Life, LightTerms, Note, Offer, Output, Record, Room, Step, Terms, Ticket,
    TokenNews, TokenPast, Written,
};
use crate::id::{Bind, Item, Nonce, Rseq};
use crate::lock::LockState;
use crate::money::Amount;
use crate::receipt::{Flags, Receipt, ReceiptKind};
use crate::token::{Clock, STEP_EVERY, Steps, typed_steps};
use core::time::Duration;

/// Receipts in one QR.
const OFFER_RECEIPTS_MAX: usize = 6;
/// How much a clock may go wrong while nobody tells it the time: one part in so many.
const DRIFT: u32 = 10_000;

/// What a board knows of its codes.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    mode: Mode,
    /// What the journal says of the server's having the key.
    begun: TokenNews,
    steps: Steps,
    /// The reservation that is being written.
    reserving: Option<(Ticket, u64)>,
    /// What was shown for the step on show and for the one before.
    offers: Vec<Offer>,
    /// The step that is on show now, and whether it may be typed.
    showing: Option<(u64, bool)>,
    /// Up to here the server takes no step, as it has shown.
    told: u64,
    /// Up to which receipts a light grant has covered.
    covered: Rseq,
    /// The light grant that is being written.
    pub(super) taking: Option<(Ticket, Written)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The board has no key for codes.
    Off,
    /// The server is told the key with every HELLO.
    Announcing,
    On,
}

impl Tokens {
    pub(super) const fn new(past: TokenPast) -> Self {
        Self {
            mode: Mode::Off,
            begun: past.begun,
            steps: Steps::after(past.reserved),
            reserving: None,
            offers: Vec::new(),
            showing: None,
            told: 0,
            covered: past.covered,
            taking: None,
        }
    }

    /// What a HELLO says of them: the last step used, and whether the key goes with it.
    pub(super) const fn news(&self) -> (u64, TokenNews) {
        match self.mode {
            Mode::Off => (0, TokenNews::None),
            Mode::Announcing => (0, TokenNews::Key(self.steps.last_used())),
            Mode::On => (self.steps.last_used(), TokenNews::None),
        }
    }

    /// The server has shown that it knows: up to this step nothing is taken any more.
    pub(super) fn told(&mut self, step: u64) {
        self.told = self.told.max(step);
    }

    /// A HELLO or a light grant: whatever was shown before it is dead.
    pub(super) fn use_up(&mut self) {
        self.steps.use_up();
        self.offers.clear();
    }
}

impl Board {
    /// Has the board show codes: it has the key for them.
    #[must_use]
    pub fn with_tokens(mut self) -> Self {
        self.tokens.mode = match self.tokens.begun {
            TokenNews::None => Mode::On,
            TokenNews::Key(_) => Mode::Announcing,
        };
        self
    }

    /// The step on show, if a code is on show.
    pub fn step_on_show(&self) -> Option<u64> {
        self.tokens.showing.map(|(step, _)| step)
    }

    /// The server has the key: from here on codes mean something to it.
    pub(super) fn tokens_known(&mut self) {
        if self.tokens.mode == Mode::Announcing {
            self.tokens.mode = Mode::On;
            self.write(Record::TokensBegun);
        }
    }

    /// A phone has passed Link 1 with a code.
    pub(super) fn token_link_up(&mut self, step: u64, bind: Bind, fresh: Fresh) {
        let is_free = self.life == Life::Idle && self.link.is_none();
        if !is_free || !self.tokens.steps.is_live(step) || self.tokens.showing.is_none() {
            self.outputs.push_back(Output::DropLink);
            return;
        }
        self.join(bind, Way::Phone);
        self.step(Step::LinkUp);
        self.greet(fresh);
    }

    /// A light grant whose MAC is right: written and synced before the machine hears of it.
    pub(super) fn light_granted(&mut self, step: u64, light: &LightTerms, fresh: Fresh) {
        let is_dead = self.life != Life::Idle || !self.tokens.steps.is_live(step);
        if is_dead || self.link.is_some() || self.intent.is_some() {
            return self.report(Fault::StrayLightGrant { step });
        }
        if self.lock.state == LockState::Locked {
            return self.report(Fault::OutOfService);
        }
        if self.room() == Room::Full {
            return self.report(Fault::NoRoom);
        }
        let offer = self.tokens.offers.iter().find(|offer| offer.step == step);
        let covered = offer
            .and_then(|offer| offer.receipts.last())
            .map_or(Rseq::new(0), |last| last.receipt.rseq);
        self.shut_door();
        self.last = self.next_rseq();
        let written = self.seal(Receipt {
            rseq: self.last,
            kind: ReceiptKind::LightGrantUsed,
            grant: light.grant,
            item: Item::new(0),
            amount: Amount::ZERO,
            order: self.order(),
            flags: Flags::default(),
            after_ms: 0,
            prev: self.chain,
            chain: self.chain,
        });
        let ticket = self.write(Record::Receipt(written));
        if covered > self.tokens.covered {
            self.tokens.covered = covered;
            self.write(Record::Covered(covered));
            let unacked_max = self.start.limits.unacked_kept_max();
            self.outbox.shed(covered, unacked_max);
        }
        self.tokens.taking = Some((ticket, written));
        // Only a step that it has used up becomes light.
        self.tokens.told(step);
        self.tokens.use_up();
        self.grant = Some(Grant::open(
            &Terms {
                grant: light.grant,
                nonce: Nonce::from_bytes([0; 16]),
                bind: Bind::from_bytes([0; 32]),
                currency: self.start.currency,
                exponent: self.start.currency.exponent(),
                spend_max: light.spend_max,
                vends_max: light.vends_max,
                revalue_max: 0,
                balance: i32::try_from(light.spend_max).unwrap_or(i32::MAX),
                ttl: self.start.limits.grant_max,
                favourite: None,
            },
            GrantTimes {
                now: self.now,
                greeted: self.now,
                life_max: self.start.limits.grant_max,
            },
            fresh,
        ));
        self.step(Step::LightGranted);
    }

    /// A light grant is on flash, or a reservation is.
    pub(super) fn token_synced(&mut self, ticket: Ticket) {
        if let Some((_, written)) = self.tokens.taking.filter(|(taking, _)| *taking == ticket) {
            self.tokens.taking = None;
            self.outbox.push(written);
            if let Some(grant) = &mut self.grant {
                grant.idle_since = self.now;
            }
            self.tell(Note::None);
        }
        if let Some((_, upto)) = self.tokens.reserving.filter(|(one, _)| *one == ticket) {
            self.tokens.reserving = None;
            self.tokens.steps.reserved(upto);
        }
    }

    /// Shows the code that is due, or none.
    pub(super) fn show_token(&mut self) {
        if self.tokens.mode != Mode::On {
            return;
        }
        let clock = self.clock();
        if self.tokens.reserving.is_none()
            && self.journal == JournalSide::Works
            && let Some(upto) = self.tokens.steps.wanted(self.now, clock)
        {
            let ticket = self.write(Record::StepsReserved(upto));
            self.tokens.reserving = Some((ticket, upto));
        }
        let step = match self.may_show() {
            true => self.tokens.steps.show(self.now, clock),
            false => None,
        };
        let showing = step.map(|step| (step, self.may_be_typed(step)));
        if showing == self.tokens.showing {
            return;
        }
        self.tokens.showing = showing;
        match showing {
            Some((step, may_be_typed)) => {
                let offer = self.offer(step, may_be_typed);
                self.outputs.push_back(Output::Offer(offer));
            }
            None => self.outputs.push_back(Output::Withdraw),
        }
    }

    /// When the code on show changes by itself.
    pub(super) fn token_due(&self) -> Option<Duration> {
        self.tokens.showing?;
        Some(self.tokens.steps.moves_at(self.now, self.clock()))
    }

    /// A customer could be served at once.
    fn may_show(&self) -> bool {
        self.life == Life::Idle
            && self.link.is_none()
            && self.intent.is_none()
            && self.machine.power == Power::Enabled
            && self.machine.session == Session::None
            && self.lock.state == LockState::Open
            && self.room() == Room::Left
    }

    /// What goes with the code of a step: made once, but for whether it may be typed.
    fn offer(&mut self, step: u64, may_be_typed: bool) -> Offer {
        if let Some(offer) = self.tokens.offers.iter().find(|offer| offer.step == step) {
            return Offer {
                may_be_typed,
                ..offer.clone()
            };
        }
        let uptime = self.next_order_ms();
        let sent = self.tokens.covered.max(self.outbox.acked());
        let offer = Offer {
            step,
            before: self.tokens.steps.before(),
            may_be_typed,
            uptime: Duration::from_millis(uptime),
            newest: self.outbox.newest(),
            receipts: self.outbox.after(sent, OFFER_RECEIPTS_MAX),
        };
        let keeps = self.tokens.steps;
        self.tokens.offers.retain(|old| keeps.is_live(old.step));
        self.tokens.offers.push(offer.clone());
        offer
    }

    /// Whether the server takes this step's digits. A few sales in a row run ahead of the clock, and it
    /// follows as far as it has heard of them.
    fn may_be_typed(&self, step: u64) -> bool {
        match self.clock() {
            Clock::Known(utc) => typed_steps(self.tokens.told, utc).contains(&step),
            // It may be far below the server's time.
            Clock::Unknown => false,
        }
    }

    /// The time of day, as long as it is better known than a step is long.
    fn clock(&self) -> Clock {
        let known = self.wall.filter(|wall| {
            let drift = self.now.saturating_sub(wall.at) / DRIFT;
            wall.error.saturating_add(drift) < STEP_EVERY
        });
        known.map_or(Clock::Unknown, |_| Clock::Known(self.utc()))
    }
}
