//! The life of a session: what each command does in each state.

use core::time::Duration;

use super::{
    After, Answer, ApprovalState, Cashless, Delivery, Event, Leaving, Outcome, PriceFault, Repeats,
    RequestNumber, SessionRefusal, State, UNKNOWN_FUNDS, Vend, Verdict,
};
use crate::block::Frame;
use crate::bounds::{NON_RESPONSE, REPLY_MAX};
use crate::cashless::outbox::{Kind, Sent};
use crate::cashless::revalue::Overtaken;
use crate::command::{Command, Identity, Level, Prices, Setup};
use crate::message::{Media, Message};
use crate::money::Units;
use crate::text::Text;
use crate::word::{ACK, Mode, Word};

impl Cashless {
    /// Does what a command asks, once, and answers it, every time.
    pub(super) fn execute(&mut self, now: Duration, command: Command) {
        match command {
            Command::Reset => {
                // A controller that missed our ACK says it again: nothing more can be lost.
                if !self.reset_heard {
                    self.reset();
                }
                self.ack();
            }
            Command::Setup(setup) => self.set_up(setup, command),
            Command::Prices(prices) => self.priced(prices),
            Command::Poll => match self.outbox.send_first() {
                Some(frame) => self.reply = Some(frame),
                None => self.ack(),
            },
            Command::VendRequest { price, item } => self.asked(now, price, item),
            Command::VendCancel => self.cancelled(command),
            Command::VendSuccess { item } => self.succeeded(item, command),
            Command::VendFailure => self.failed(command),
            Command::SessionComplete => self.completed(now, command),
            Command::CashSale { price, item } => self.sold(now, price, item),
            Command::Disable => self.disable(),
            Command::Enable => self.enable(command),
            Command::ReaderCancel => self.call_off(command),
            Command::RevalueRequest { amount } => self.revalue_asked(now, amount, command),
            Command::RevalueLimit => self.limit_asked(now, command),
            Command::RequestId(identity) => self.identified(identity),
            // Options we did not offer may not be switched on. [MDB 7.4.17]
            Command::EnableOptions(options) if options != 0 => self.out_of_sequence(command),
            Command::EnableOptions(_) | Command::Unknown { .. } => self.ack(),
        }
    }

    /// Starts again from the power-up state.
    pub(super) fn reset(&mut self) {
        let approval = match self.vend.take().map(|vend| vend.verdict) {
            Some(Verdict::Approved { tag, delivery, .. }) => match delivery {
                Delivery::Pending => ApprovalState::NotDelivered { tag },
                Delivery::Acknowledged => ApprovalState::Delivered { tag },
            },
            Some(Verdict::Open | Verdict::Denied | Verdict::Refused | Verdict::Cancelled)
            | None => ApprovalState::None,
        };
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

    fn set_up(&mut self, setup: Setup, command: Command) {
        if matches!(
            self.state,
            State::SessionIdle | State::Vend | State::Revalue
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

    fn priced(&mut self, prices: Prices) {
        if self.prices.replace(prices) != Some(prices) {
            self.event(Event::Prices {
                max: prices.max.map(|max| self.scale.minor(max)),
                min: prices.min.map(|min| self.scale.minor(min)),
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

    fn identified(&mut self, identity: Identity) {
        if self.vmc.replace(identity) != Some(identity) {
            self.event(Event::VmcId(identity));
        }
        let own = Message::PeripheralId(self.config.identity);
        self.answer(self.config.answers.identity, own);
    }

    fn enable(&mut self, command: Command) {
        match self.state {
            // Level 1 controllers may leave out the prices: SETUP is enough.
            State::Inactive if self.setup.is_none() => return self.out_of_sequence(command),
            State::Inactive | State::Disabled => {
                self.state = State::Enabled;
                self.event(Event::Enabled);
            }
            State::Enabled | State::SessionIdle | State::Vend | State::Revalue => {
                self.after = After::Enabled;
            }
        }
        self.ack();
    }

    fn disable(&mut self) {
        match self.state {
            State::Inactive | State::Disabled => {}
            State::Enabled => {
                self.withdraw_offer(SessionRefusal::NotEnabled);
                self.state = State::Disabled;
                self.event(Event::Disabled);
            }
            State::SessionIdle | State::Vend | State::Revalue => self.after = After::Disabled,
        }
        self.ack();
    }

    fn call_off(&mut self, command: Command) {
        match self.state {
            State::Inactive => self.out_of_sequence(command),
            State::Disabled | State::Enabled => {
                // A repeat finds the answer to the first one still waiting.
                if self.outbox.waiting(Kind::Cancelled).is_none() {
                    self.event(Event::ReaderCancelled);
                }
                self.withdraw_offer(SessionRefusal::CalledOff);
                self.answer(self.config.answers.cancel, Message::Cancelled);
            }
            State::SessionIdle | State::Vend | State::Revalue => self.ack(),
        }
    }

    /// Queues a session for the next POLL.
    pub(super) fn offer(&mut self, funds: u32) {
        let refusal = match self.state {
            State::Inactive | State::Disabled => SessionRefusal::NotEnabled,
            State::SessionIdle | State::Vend | State::Revalue => SessionRefusal::Busy,
            State::Enabled if self.outbox.waiting(Kind::Begin).is_some() => SessionRefusal::Busy,
            State::Enabled => {
                let funds = match funds {
                    UNKNOWN_FUNDS => Units::UNKNOWN,
                    known => self.scale.funds(known),
                };
                // [MDB 7.4.4] who pays is nobody's business: no media number, the controller's own prices.
                let media = (self.spoken() > Level::One).then_some(Media {
                    id: u32::MAX,
                    payment: 0,
                    data: 0,
                });
                return self.outbox.push(Message::BeginSession { funds, media });
            }
        };
        self.event(Event::SessionRefused(refusal));
    }

    pub(super) fn withdraw_offer(&mut self, refusal: SessionRefusal) {
        if self.outbox.waiting(Kind::Begin).is_some() {
            self.outbox.remove(Kind::Begin);
            self.leaving = Leaving::No;
            self.event(Event::SessionRefused(refusal));
        }
    }

    /// The controller has the session.
    pub(super) fn begin(&mut self) {
        self.after = After::Enabled;
        self.last = Outcome::Nothing;
        self.event(Event::SessionBegan);
        self.idle();
    }

    pub(super) fn idle(&mut self) {
        self.state = State::SessionIdle;
        self.vend = None;
        if core::mem::replace(&mut self.leaving, Leaving::No) == Leaving::WhenIdle {
            self.outbox.push(Message::SessionCancel);
        }
    }

    /// A controller that acts on a session has heard of it, even if its ACK was lost.
    pub(super) fn begin_if_seen(&mut self) {
        if self.outbox.waiting(Kind::Begin) == Some(Sent::Unacknowledged) {
            self.outbox.remove(Kind::Begin);
            self.begin();
        }
    }

    fn asked(&mut self, now: Duration, price: Units, item: u16) {
        let command = Command::VendRequest { price, item };
        if self.state == State::Enabled {
            self.begin_if_seen();
        }
        match (self.state, self.vend) {
            // The session is over for the controller itself: only END SESSION may follow.
            (State::SessionIdle, _) if self.completed_at.is_some() => self.out_of_sequence(command),
            (State::SessionIdle, _) => self.ask(now, price, item),
            (State::Revalue, _) => match self.overtake(command) {
                Overtaken::Over => self.ask(now, price, item),
                Overtaken::Hush => {}
                Overtaken::NoPlace => self.out_of_sequence(command),
            },
            (State::Vend, Some(vend)) => {
                let same = vend.price == price && vend.item == item;
                match vend.verdict {
                    Verdict::Open
                    | Verdict::Approved { .. }
                    | Verdict::Denied
                    | Verdict::Refused
                        if same =>
                    {
                        self.ask_again(now, vend);
                    }
                    // The controller is past the denial it was owed, or will never want it.
                    Verdict::Denied | Verdict::Refused | Verdict::Cancelled => {
                        self.denial_delivered(vend);
                        self.ask(now, price, item);
                    }
                    Verdict::Open | Verdict::Approved { .. } => self.out_of_sequence(command),
                }
            }
            (State::Inactive | State::Disabled | State::Enabled | State::Vend, _) => {
                self.out_of_sequence(command);
            }
        }
    }

    fn ask(&mut self, now: Duration, price: Units, item: u16) {
        // A denial still owed to an older question must not answer this one.
        self.outbox.remove(Kind::Denied);
        self.drop_limit();
        let fault = self.price_fault(price);
        let request = self.next_request();
        self.state = State::Vend;
        self.last = Outcome::Nothing;
        self.vend = Some(Vend {
            request,
            price,
            item,
            asked_at: now,
            verdict: match fault {
                None => Verdict::Open,
                Some(_) => Verdict::Refused,
            },
        });
        if let Some(why) = fault {
            let known = Some(price).filter(|price| *price != Units::UNKNOWN);
            let price = known.map(|price| self.scale.minor(price));
            self.event(Event::PriceRefused { item, price, why });
            return self.answer(self.config.answers.vend, Message::VendDenied);
        }
        let price = self.scale.minor(price);
        self.event(Event::VendRequested {
            request,
            price,
            item,
        });
        self.take_question(now, self.config.answers.vend);
    }

    /// What makes a price one that the machine itself ruled out in SETUP.
    fn price_fault(&self, price: Units) -> Option<PriceFault> {
        if price == Units::UNKNOWN {
            return Some(PriceFault::NotDivisible);
        }
        let prices = self.prices?;
        let outside =
            prices.max.is_some_and(|max| price > max) || prices.min.is_some_and(|min| price < min);
        outside.then_some(PriceFault::OutsideSetup)
    }

    pub(super) fn next_request(&mut self) -> RequestNumber {
        self.requests = self.requests.wrapping_add(1);
        RequestNumber(self.requests)
    }

    /// The controller did not hear us: the same question gets the same verdict.
    fn ask_again(&mut self, now: Duration, vend: Vend) {
        let verdict = match vend.verdict {
            Verdict::Open => return self.take_question(now, self.config.answers.vend),
            Verdict::Approved { amount, .. } => Message::VendApproved { amount },
            Verdict::Denied | Verdict::Refused | Verdict::Cancelled => Message::VendDenied,
        };
        self.answer(self.config.answers.vend, verdict);
    }

    pub(super) fn take_question(&mut self, now: Duration, how: Answer) {
        match how {
            // Silence: the answer follows at once, or when the question is repeated.
            Answer::Immediate => self.open_until = Some(now.saturating_add(REPLY_MAX)),
            Answer::Deferred => self.ack(),
        }
    }

    pub(super) fn approval_delivered(&mut self) {
        let Some(vend) = &mut self.vend else { return };
        if let Verdict::Approved { tag, delivery, .. } = &mut vend.verdict
            && *delivery == Delivery::Pending
        {
            *delivery = Delivery::Acknowledged;
            let tag = *tag;
            self.event(Event::ApprovalDelivered { tag });
        }
    }

    pub(super) fn denial_delivered(&mut self, vend: Vend) {
        self.outbox.remove(Kind::Denied);
        if vend.verdict == Verdict::Denied {
            let request = vend.request;
            self.event(Event::DenialDelivered { request });
        }
        self.idle();
        self.last = Outcome::Denied;
    }

    fn cancelled(&mut self, command: Command) {
        match (self.state, self.vend.map(|vend| vend.verdict)) {
            (State::Vend, Some(Verdict::Open))
            | (
                State::Vend,
                Some(Verdict::Approved {
                    delivery: Delivery::Pending,
                    ..
                }),
            ) => {
                self.outbox.remove(Kind::Approved);
                self.withdraw_question();
                // One denial answers the cancel and the request. [MDB 7.4.8]
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            (State::Vend, Some(Verdict::Denied | Verdict::Refused | Verdict::Cancelled)) => {
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            // A repeat: the controller has its denial already.
            (State::SessionIdle, _) if self.last == Outcome::Denied => self.ack(),
            // It takes back a question that never arrived, and still waits for a denial.
            (State::SessionIdle, _) => {
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            (
                State::Inactive | State::Disabled | State::Enabled | State::Vend | State::Revalue,
                _,
            ) => {
                self.out_of_sequence(command);
            }
        }
    }

    fn withdraw_question(&mut self) {
        if let Some(vend) = &mut self.vend {
            vend.verdict = Verdict::Cancelled;
            let request = vend.request;
            self.event(Event::VendCancelled { request });
        }
    }

    /// The mark of an approval the controller may have seen.
    fn seen_approval(&self) -> Option<u64> {
        let Verdict::Approved { tag, delivery, .. } = self.vend?.verdict else {
            return None;
        };
        let left = self.outbox.waiting(Kind::Approved) == Some(Sent::Unacknowledged);
        (delivery == Delivery::Acknowledged || left).then_some(tag)
    }

    fn succeeded(&mut self, item: u16, command: Command) {
        match (self.seen_approval(), self.last) {
            (Some(tag), _) => {
                self.approval_delivered();
                self.outbox.remove(Kind::Approved);
                self.event(Event::VendSucceeded { tag, item });
                self.idle();
                self.last = Outcome::Succeeded { tag, item };
            }
            (None, Outcome::Succeeded { tag, item: before }) if before == item => {
                // It missed our ACK: it is owed another, and the customer is not charged another time.
                if self.repeats == Repeats::TakenAsNew {
                    self.event(Event::VendSucceeded { tag, item });
                }
            }
            (None, _) => return self.out_of_sequence(command),
        }
        self.ack();
    }

    fn failed(&mut self, command: Command) {
        match (self.vend.map(|vend| vend.verdict), self.seen_approval()) {
            (Some(_), Some(tag)) => {
                self.approval_delivered();
                self.outbox.remove(Kind::Approved);
                self.event(Event::VendFailed { tag });
                self.idle();
                self.last = Outcome::Failed;
            }
            // A controller that reports failure before it was answered has given up: taken at its word.
            (Some(Verdict::Open | Verdict::Approved { .. }), None) => {
                self.outbox.remove(Kind::Approved);
                self.withdraw_question();
                self.idle();
                self.last = Outcome::Failed;
            }
            (Some(Verdict::Denied | Verdict::Refused | Verdict::Cancelled), None) => {}
            (None, _) if self.last == Outcome::Failed => {}
            (None, _) => return self.out_of_sequence(command),
        }
        self.ack();
    }

    fn sold(&mut self, now: Duration, price: Units, item: u16) {
        let sale = Command::CashSale { price, item };
        let repeat = self
            .last_sale
            .is_some_and(|(at, before)| before == sale && now.saturating_sub(at) < NON_RESPONSE);
        self.last_sale = Some((now, sale));
        if !repeat {
            let price = self.scale.minor(price);
            self.event(Event::CashSold { item, price });
        }
        self.ack();
    }

    /// Queues a text, unless the controller lends no display.
    pub(super) fn show(&mut self, text: Text, during: Duration) {
        let Some(setup) = self.setup else { return };
        if setup.columns == 0 || setup.rows == 0 {
            return;
        }
        let tenths = u8::try_from(during.as_millis() / 100).unwrap_or(u8::MAX);
        let text = text.on(setup.columns, setup.rows, setup.display);
        self.outbox.push(Message::Display { tenths, text });
    }

    pub(super) fn out_of_sequence(&mut self, command: Command) {
        let state = (self.spoken() > Level::One).then_some(self.state.number());
        self.outbox.push_first(Message::OutOfSequence { state });
        self.event(Event::OutOfSequence { command });
        self.ack();
    }

    pub(super) fn answer(&mut self, how: Answer, message: Message) {
        self.outbox.push(message);
        match how {
            Answer::Immediate => self.reply = self.outbox.send(message.into()),
            Answer::Deferred => self.ack(),
        }
    }

    pub(super) fn ack(&mut self) {
        self.reply = Some(Frame::lone(Word::new(Mode::Address, ACK)));
    }
}
