//! Power-up, reset, and what the two sides agree on before customers come.

use super::{
    After, ApprovalState, Cashless, Delivery, Event, FileEnd, Leaving, Outcome, SelectionEnd,
    SessionRefusal, State, Trade, Vend, Verdict,
};
use crate::cashless::outbox::{Kind, Sent};
use crate::command::{Command, Identity, Level, Prices, Setup};
use crate::message::Message;
use crate::options::Options;

impl Cashless {
    /// Starts again from the power-up state.
    pub(super) fn reset(&mut self) {
        let approval = self
            .vend
            .take()
            .map_or(ApprovalState::None, |it| self.left_by_reset(it));
        self.drop_wish(SelectionEnd::CalledOff);
        self.coupon = None;
        self.keys_over();
        self.file_over(FileEnd::Broken);
        self.last_keys = None;
        self.options = Options::NONE;
        self.revalue_over();
        self.revalue = None;
        self.limit = None;
        self.state = State::Inactive;
        self.after = After::Enabled;
        self.leaving = Leaving::No;
        self.last = Outcome::Nothing;
        self.setup = None;
        self.prices = None;
        self.vmc = None;
        self.completed_at = None;
        self.last_sale = None;
        self.on_wire = None;
        self.open_until = None;
        self.outbox.clear();
        self.outbox.push(Message::JustReset);
        self.event(Event::Reset { approval });
    }

    /// What a reset makes of an open vend. [MDB 7.4.6: an approval that was heard counts as dispensed]
    fn left_by_reset(&mut self, vend: Vend) -> ApprovalState {
        let Verdict::Approved {
            tag,
            amount,
            delivery,
        } = vend.verdict
        else {
            return ApprovalState::None;
        };
        match (vend.trade, delivery) {
            // Something taken back is credited upon its report only.
            (Trade::Return, _) => {
                self.event(Event::ReturnFailed { tag });
                ApprovalState::None
            }
            (Trade::Sale, Delivery::Pending) => ApprovalState::NotDelivered { tag },
            // Of a basket only what was reported as failed comes back. [MDB 4.3]
            (Trade::Sale, Delivery::Acknowledged) if vend.basket.failed > 0 => {
                let charged = amount.number().saturating_sub(vend.basket.failed);
                self.parted(tag, vend.item, amount, charged);
                ApprovalState::None
            }
            (Trade::Sale, Delivery::Acknowledged) => ApprovalState::Delivered { tag },
        }
    }

    pub(super) fn set_up(&mut self, setup: Setup, command: Command) {
        if matches!(
            self.state,
            State::SessionIdle | State::Vend | State::Revalue | State::NegativeVend
        ) {
            return self.out_of_sequence(command);
        }
        let before = self.spoken();
        let known = self.setup.replace(setup);
        // What waits in the layout of another level would be misread.
        if self.spoken() != before {
            self.withdraw_offer(SessionRefusal::CalledOff);
        }
        if known != Some(setup) {
            self.event(Event::Configured {
                level: setup.level,
                columns: setup.columns,
                rows: setup.rows,
            });
        }
        // A controller that goes on has heard JUST RESET, even if its ACK was lost: hearing it twice would make
        // it start over.
        if self.outbox.waiting(Kind::JustReset) == Some(Sent::Unacknowledged) {
            self.outbox.remove(Kind::JustReset);
        }
        self.settle_in();
        let config = Message::ReaderConfig(self.config.announced(self.spoken()));
        self.answer(self.config.answers.setup, config);
    }

    pub(super) fn priced(&mut self, prices: Prices) {
        if self.prices.replace(prices) != Some(prices) {
            self.event(Event::Prices {
                max: prices.max.and_then(|max| self.scale.minor(max)),
                min: prices.min.and_then(|min| self.scale.minor(min)),
            });
        }
        self.settle_in();
        self.ack();
    }

    fn settle_in(&mut self) {
        if self.state == State::Inactive && self.setup.is_some() && self.prices.is_some() {
            self.state = State::Disabled;
        }
    }

    pub(super) fn identified(&mut self, identity: Identity) {
        if self.vmc.replace(identity) != Some(identity) {
            self.event(Event::VmcId(identity));
        }
        let own = match self.spoken() {
            Level::Three => Message::Offer(self.config.identity, self.config.options),
            Level::One | Level::Two => Message::PeripheralId(self.config.identity),
        };
        self.answer(self.config.answers.identity, own);
    }

    pub(super) fn enable(&mut self, command: Command) {
        match self.state {
            // Level 1 controllers may leave out the prices: SETUP is enough.
            State::Inactive if self.setup.is_none() => return self.out_of_sequence(command),
            State::Inactive | State::Disabled => {
                self.state = State::Enabled;
                self.event(Event::Enabled);
            }
            State::Enabled
            | State::SessionIdle
            | State::Vend
            | State::Revalue
            | State::NegativeVend => {
                self.after = After::Enabled;
            }
        }
        self.ack();
    }

    pub(super) fn disable(&mut self) {
        match self.state {
            State::Inactive | State::Disabled => {}
            State::Enabled => {
                self.withdraw_offer(SessionRefusal::NotEnabled);
                self.drop_wish(SelectionEnd::NotPossible);
                self.keys_over();
                self.state = State::Disabled;
                self.event(Event::Disabled);
            }
            State::SessionIdle | State::Vend | State::Revalue | State::NegativeVend => {
                self.after = After::Disabled;
            }
        }
        self.ack();
    }

    pub(super) fn call_off(&mut self, command: Command) {
        match self.state {
            State::Inactive => self.out_of_sequence(command),
            State::Disabled | State::Enabled => {
                // A repeat finds the answer to the first one still waiting.
                if self.outbox.waiting(Kind::Cancelled).is_none() {
                    self.event(Event::ReaderCancelled);
                }
                self.withdraw_offer(SessionRefusal::CalledOff);
                self.drop_wish(SelectionEnd::CalledOff);
                self.keys_over();
                self.answer(self.config.answers.cancel, Message::Cancelled);
            }
            State::SessionIdle | State::Vend | State::Revalue | State::NegativeVend => self.ack(),
        }
    }

    /// Only what was offered may be switched on. [MDB 7.4.17]
    pub(super) fn enable_options(&mut self, options: Options, command: Command) {
        let quiet = matches!(
            self.state,
            State::Inactive | State::Disabled | State::Enabled
        );
        let offered = match self.spoken() {
            Level::Three => self.config.options,
            Level::One | Level::Two => Options::NONE,
        };
        if !offered.has(options) || (options != self.options && !quiet) {
            return self.out_of_sequence(command);
        }
        if options != self.options {
            // What waits in another layout would be misread.
            self.withdraw_offer(SessionRefusal::CalledOff);
            self.drop_wish(SelectionEnd::CalledOff);
            self.options = options;
            self.event(Event::OptionsEnabled(options));
        }
        self.ack();
    }
}
