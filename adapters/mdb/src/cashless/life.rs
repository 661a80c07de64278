//! The life of a session: what each command does in each state.

use core::time::Duration;

use super::{
    After, Answer, Basket, Cashless, Delivery, Event, Leaving, Origin, Outcome, Parted, PriceFault,
    Repeats, RequestNumber, SelectionEnd, SessionRefusal, State, Trade, UNKNOWN_FUNDS, Vend,
    Verdict,
};
use crate::block::Frame;
use crate::bounds::{NON_RESPONSE, REPLY_MAX};
use crate::cashless::outbox::{Kind, Sent};
use crate::cashless::revalue::Overtaken;
use crate::command::{Command, Level, LongSale, NamedItem, Part};
use crate::message::{Locale, Media, Message};
use crate::money::{Units, Width};
use crate::options::{Options, Reason};
use crate::text::Text;
use crate::word::{ACK, Mode, Word};

/// The faults that stand until they are repaired, by their high nibble; the others are told once. [MDB 7.4.11]
const STANDING: core::ops::RangeInclusive<u8> = 0x4..=0xB;

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
            Command::Prices(prices) | Command::PricesIn(prices, _) => self.priced(prices),
            Command::Poll => match self.outbox.send_first(self.width(), self.fault) {
                Some(frame) => self.reply = Some(frame),
                None => self.ack(),
            },
            Command::VendRequest { price, item } => {
                let ordinary = Basket {
                    count: 1,
                    ..Basket::default()
                };
                self.asked(now, Trade::Sale, Wanted { price, item }, ordinary, command);
            }
            Command::BasketRequest {
                price,
                item,
                count,
                options,
            } => {
                let basket = Basket {
                    count,
                    options,
                    ..Basket::default()
                };
                self.asked(now, Trade::Sale, Wanted { price, item }, basket, command);
            }
            Command::NegativeVendRequest { .. } if !self.has(Options::NEGATIVE_VEND) => {
                self.out_of_sequence(command);
            }
            Command::NegativeVendRequest { value: price, item } => {
                let wanted = Wanted { price, item };
                self.asked(now, Trade::Return, wanted, Basket::default(), command);
            }
            Command::VendCancel => self.cancelled(command),
            Command::VendSuccess { item } => self.succeeded(item, None, command),
            Command::VendSuccessNamed(info) => {
                self.succeeded(info.dispensed, Some(info), command);
            }
            Command::PartSuccess(part, info) => self.part_dispensed(part, info, command),
            Command::VendFailure => self.failed(command),
            Command::PartFailure(part, reason) => self.part_failed(part, reason, command),
            Command::SessionComplete => self.completed(now, command),
            Command::CashSale { price, item } => {
                let (currency, info) = (None, None);
                self.sold(
                    now,
                    LongSale {
                        price,
                        item,
                        currency,
                        info,
                    },
                );
            }
            Command::CashSaleLong(sale) => self.sold(now, sale),
            Command::SelectionDenied { item, reason } => self.wish_denied(item, reason, command),
            Command::CouponReply { usage, item, used } => {
                self.coupon_used(usage, item, used, command);
            }
            Command::Disable => self.disable(),
            Command::Enable => self.enable(command),
            Command::ReaderCancel => self.call_off(command),
            Command::KeysTyped(keys) => self.keys_typed(keys, command),
            Command::RevalueRequest { amount } => self.revalue_asked(now, amount, command),
            Command::RevalueLimit => self.limit_asked(now, command),
            Command::RequestId(identity) => self.identified(identity),
            Command::WriteTime(clock) => {
                self.outbox.remove(Kind::Time);
                self.event(Event::TimeTold(clock));
                self.ack();
            }
            Command::EnableOptions(options) => self.enable_options(options, command),
            Command::File(transfer) => self.file_frame(transfer),
            Command::SetAge(age) => self.age_limited(age),
            Command::AskAge => self.age_asked(),
            Command::Unknown { .. } => self.ack(),
        }
    }

    /// Queues a session for the next POLL.
    pub(super) fn offer(&mut self, funds: u32) {
        let refusal = match self.state {
            State::Inactive | State::Disabled => SessionRefusal::NotEnabled,
            _ if self.outbox.waiting(Kind::Begin).is_some() => SessionRefusal::Busy,
            State::Enabled => return self.outbox.push(self.session(funds)),
            State::Vend if self.may_ask_for_session() => {
                if let Some(vend) = &mut self.vend {
                    vend.verdict = Verdict::Session;
                }
                return self.outbox.push(self.session(funds));
            }
            State::SessionIdle | State::Vend | State::Revalue | State::NegativeVend => {
                SessionRefusal::Busy
            }
        };
        self.event(Event::SessionRefused(refusal));
    }

    /// Whether a session may be the answer to the open question. [MDB 4.3, option b9]
    fn may_ask_for_session(&self) -> bool {
        let open = self
            .vend
            .is_some_and(|vend| vend.origin == Origin::Enabled && vend.verdict == Verdict::Open);
        open && self.has(Options::ASK_BEGIN_SESSION)
    }

    /// BEGIN SESSION as this controller reads it. [MDB 7.4.4]
    fn session(&self, funds: u32) -> Message {
        let funds = self.shown(funds);
        match (self.width(), self.spoken()) {
            (Width::Wide, _) => Message::BeginSessionIn {
                funds,
                media: Media::UNKNOWN,
                locale: self.locale(),
            },
            (Width::Narrow, Level::One) => Message::BeginSession { funds, media: None },
            (Width::Narrow, Level::Two | Level::Three) => {
                let media = Some(Media::UNKNOWN);
                Message::BeginSession { funds, media }
            }
        }
    }

    /// Funds in units, rounded down to what the bus can say.
    pub(super) fn shown(&self, funds: u32) -> Units {
        match funds {
            UNKNOWN_FUNDS => Units::UNKNOWN,
            known => self.scale.funds(known, self.width()),
        }
    }

    pub(super) fn locale(&self) -> Locale {
        let mut card = CARD_REVALUE;
        if self.config.can_refund {
            card |= CARD_REFUND;
        }
        if self.has(Options::BASKET) {
            card |= CARD_PARTIAL_REFUND;
        }
        Locale {
            language: self.config.language,
            currency: self.config.country,
            card,
        }
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
        // A selection that asked for the session is asked anew inside it.
        if let Some(vend) = self.vend {
            let request = vend.request;
            self.event(Event::VendCancelled { request });
        } else {
            self.after = After::Enabled;
        }
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

    fn asked(
        &mut self,
        now: Duration,
        trade: Trade,
        wanted: Wanted,
        basket: Basket,
        command: Command,
    ) {
        if matches!(self.state, State::Enabled | State::Vend) {
            self.begin_if_seen();
        }
        match (self.state, self.vend) {
            // The session is over for the controller itself: only END SESSION may follow.
            (State::SessionIdle, _) if self.completed_at.is_some() => self.out_of_sequence(command),
            (State::SessionIdle, _) => self.ask(now, trade, wanted, basket),
            (State::Enabled, _) if self.may_start(trade, wanted.item) => {
                self.after = After::Enabled;
                self.ask(now, trade, wanted, basket);
            }
            (State::Revalue, _) => match self.overtake(command) {
                Overtaken::Over => self.ask(now, trade, wanted, basket),
                Overtaken::NoPlace => self.out_of_sequence(command),
            },
            (State::Vend | State::NegativeVend, Some(vend)) => {
                let same = vend.trade == trade
                    && vend.price == wanted.price
                    && vend.item == wanted.item
                    && vend.basket.count == basket.count;
                match vend.verdict {
                    Verdict::Open
                    | Verdict::Approved { .. }
                    | Verdict::Denied
                    | Verdict::Refused
                        if same =>
                    {
                        self.ask_again(now, vend);
                    }
                    // It waits for the session, and missed our ACK.
                    Verdict::Session if same => self.take_question(now, self.config.answers.vend),
                    // The controller is past the denial it was owed, or will never want it.
                    Verdict::Denied | Verdict::Refused | Verdict::Cancelled => {
                        self.denial_delivered(vend);
                        self.ask(now, trade, wanted, basket);
                    }
                    Verdict::Open | Verdict::Approved { .. } | Verdict::Session => {
                        self.out_of_sequence(command);
                    }
                }
            }
            (
                State::Inactive
                | State::Disabled
                | State::Enabled
                | State::Vend
                | State::NegativeVend,
                _,
            ) => self.out_of_sequence(command),
        }
    }

    /// Whether a question may come without a session. [MDB 7.4.17, option b5; MDB 4.3, option b6]
    fn may_start(&self, trade: Trade, item: u16) -> bool {
        let wished = trade == Trade::Sale && self.wishes(item);
        self.has(Options::ALWAYS_IDLE) || wished
    }

    fn ask(&mut self, now: Duration, trade: Trade, wanted: Wanted, basket: Basket) {
        let Wanted { price, item } = wanted;
        // A denial still owed to an older question must not answer this one.
        self.outbox.remove(Kind::Denied);
        self.drop_limit();
        self.keys_over();
        match self.wishes(item) && trade == Trade::Sale {
            true => self.wish_granted(),
            false => self.drop_wish(SelectionEnd::Overtaken),
        }
        let fault = self.price_fault(trade, price);
        let origin = if self.state == State::Enabled {
            Origin::Enabled
        } else {
            Origin::Session
        };
        if origin == Origin::Enabled {
            self.start_without_session();
        }
        let request = self.next_request();
        self.state = trade.state();
        self.last = Outcome::Nothing;
        self.vend = Some(Vend {
            request,
            trade,
            origin,
            price,
            item,
            basket,
            asked_at: now,
            verdict: match fault {
                None => Verdict::Open,
                Some(_) => Verdict::Refused,
            },
        });
        let known = self.scale.minor(price);
        let (None, Some(price)) = (fault, known) else {
            let why = fault.unwrap_or(PriceFault::NotDivisible);
            let price = known;
            self.event(Event::PriceRefused { item, price, why });
            return self.answer(self.config.answers.vend, Message::VendDenied);
        };
        if basket.count > 1 || basket.options != Units::ZERO {
            let options = self.scale.minor(basket.options).unwrap_or_default();
            let count = basket.count;
            self.event(Event::BasketAsked { count, options });
        }
        self.event(match trade {
            Trade::Sale => Event::VendRequested {
                request,
                price,
                item,
            },
            Trade::Return => Event::ReturnAsked {
                request,
                value: price,
                item,
            },
        });
        self.take_question(now, self.config.answers.vend);
    }

    /// A controller that asks for something without a session has heard the end of the last one: said again, it would
    /// end this.
    pub(super) fn start_without_session(&mut self) {
        self.outbox.remove(Kind::End);
        self.withdraw_offer(SessionRefusal::Busy);
    }

    /// What makes a price one that the machine itself ruled out in SETUP.
    fn price_fault(&self, trade: Trade, price: Units) -> Option<PriceFault> {
        if self.scale.minor(price).is_none() {
            return Some(PriceFault::NotDivisible);
        }
        // The dearest and the cheapest price are those of what is sold; of a selection from afar this reader may pay a
        // part, or nothing.
        let prices = self
            .prices
            .filter(|_| trade == Trade::Sale && !self.has(Options::REMOTE_VEND))?;
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
            Verdict::Approved { amount, .. } if self.has(Options::BASKET) => {
                Message::BasketApproved {
                    amount,
                    options: vend.basket.options.min(amount),
                }
            }
            Verdict::Approved { amount, .. } => Message::VendApproved { amount },
            Verdict::Denied | Verdict::Refused | Verdict::Cancelled | Verdict::Session => {
                Message::VendDenied
            }
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
            (
                State::Vend | State::NegativeVend,
                Some(
                    Verdict::Open
                    | Verdict::Session
                    | Verdict::Approved {
                        delivery: Delivery::Pending,
                        ..
                    },
                ),
            ) => {
                self.outbox.remove(Kind::Approved);
                self.outbox.remove(Kind::Begin);
                self.withdraw_question();
                // One denial answers the cancel and the request. [MDB 7.4.8]
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            (
                State::Vend | State::NegativeVend,
                Some(Verdict::Denied | Verdict::Refused | Verdict::Cancelled),
            ) => {
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            // A repeat: the controller has its denial already.
            (State::SessionIdle, _) if self.last == Outcome::Denied => self.ack(),
            // It takes back a question that never arrived, and still waits for a denial.
            (State::SessionIdle, _) => {
                self.answer(self.config.answers.vend, Message::VendDenied);
            }
            (
                State::Inactive
                | State::Disabled
                | State::Enabled
                | State::Vend
                | State::Revalue
                | State::NegativeVend,
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

    fn succeeded(&mut self, item: u16, info: Option<NamedItem>, command: Command) {
        match (self.seen_approval(), self.last) {
            (Some(tag), _) => {
                self.approval_delivered();
                self.outbox.remove(Kind::Approved);
                if let Some(info) = info {
                    self.event(Event::ItemNamed(info));
                }
                self.event(match self.trade() {
                    Trade::Sale => Event::VendSucceeded { tag, item },
                    Trade::Return => Event::ReturnSucceeded { tag, item },
                });
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

    fn trade(&self) -> Trade {
        self.vend.map_or(Trade::Sale, |vend| vend.trade)
    }

    /// A part of a basket fell. [MDB 4.3, option b7]
    fn part_dispensed(&mut self, part: Part, info: Option<NamedItem>, command: Command) {
        if let Some(tag) = self.part_ended(Parted::Dispensed, part, command) {
            if let Some(info) = info {
                self.event(Event::ItemNamed(info));
            }
            self.part_told(tag, part, None);
        }
    }

    /// A part of a basket did not fall.
    fn part_failed(&mut self, part: Part, reason: Reason, command: Command) {
        if let Some(tag) = self.part_ended(Parted::Failed, part, command) {
            self.part_told(tag, part, Some(reason));
        }
    }

    /// Counts a part once; gives the mark of its vend when it is new.
    fn part_ended(&mut self, how: Parted, part: Part, command: Command) -> Option<u64> {
        let seen = self.seen_approval();
        let Some((tag, vend)) = seen.zip(self.vend.as_mut()) else {
            if self.last == Outcome::Parted(how, part) {
                self.ack();
            } else {
                self.out_of_sequence(command);
            }
            return None;
        };
        if vend.basket.last == Some((how, part)) {
            self.ack();
            return None;
        }
        let Verdict::Approved { amount, .. } = vend.verdict else {
            return None;
        };
        let sum = vend.basket.dispensed.checked_add(vend.basket.failed);
        let sum = sum.and_then(|sum| sum.checked_add(part.amount.number()));
        if sum.is_none_or(|sum| sum > amount.number()) {
            // More than was approved was never approved.
            self.out_of_sequence(command);
            return None;
        }
        match how {
            Parted::Dispensed => vend.basket.dispensed += part.amount.number(),
            Parted::Failed => vend.basket.failed += part.amount.number(),
        }
        vend.basket.last = Some((how, part));
        self.approval_delivered();
        self.outbox.remove(Kind::Approved);
        Some(tag)
    }

    fn part_told(&mut self, tag: u64, part: Part, failed: Option<Reason>) {
        let amount = self.scale.minor(part.amount).unwrap_or_default();
        self.event(Event::PartEnded {
            tag,
            item: part.item,
            amount,
            left: part.left,
            failed,
        });
        if let Some(vend) = self.vend.filter(|_| part.left == 0)
            && let Verdict::Approved { amount, .. } = vend.verdict
        {
            self.parted(tag, part.item, amount, vend.basket.dispensed);
            self.idle();
            let how = failed.map_or(Parted::Dispensed, |_| Parted::Failed);
            self.last = Outcome::Parted(how, part);
        }
        self.ack();
    }

    /// Tells what a vend in parts comes to.
    pub(super) fn parted(&mut self, tag: u64, item: u16, approved: Units, charged: u32) {
        let event = match charged {
            0 => Event::VendFailed { tag },
            all if all == approved.number() => Event::VendSucceeded { tag, item },
            part => Event::VendPartly {
                tag,
                item,
                charged: self.scale.minor(Units::from_u32(part)).unwrap_or_default(),
            },
        };
        self.event(event);
    }

    fn failed(&mut self, command: Command) {
        match (self.vend.map(|vend| vend.verdict), self.seen_approval()) {
            (Some(_), Some(tag)) => {
                self.approval_delivered();
                self.outbox.remove(Kind::Approved);
                self.event(match self.trade() {
                    Trade::Sale => Event::VendFailed { tag },
                    Trade::Return => Event::ReturnFailed { tag },
                });
                self.idle();
                self.last = Outcome::Failed;
            }
            // A controller that reports failure before it was answered has given up: taken at its word.
            (Some(Verdict::Open | Verdict::Session | Verdict::Approved { .. }), None) => {
                self.outbox.remove(Kind::Approved);
                self.outbox.remove(Kind::Begin);
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

    fn sold(&mut self, now: Duration, sale: LongSale) {
        let repeat = self
            .last_sale
            .is_some_and(|(at, before)| before == sale && now.saturating_sub(at) < NON_RESPONSE);
        self.last_sale = Some((now, sale));
        if !repeat && let Some(price) = self.scale.minor(sale.price) {
            if let Some((info, _)) = sale.info {
                self.event(Event::ItemNamed(info));
            }
            let item = sale.item;
            self.event(Event::CashSold { item, price });
        }
        self.ack();
    }

    /// Tells of a fault once, or for as long as it stands.
    pub(super) fn malfunction(&mut self, code: u8) {
        match STANDING.contains(&(code >> 4)) {
            true => self.fault = Some(code),
            false => self.outbox.push(Message::Malfunction { code }),
        }
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
            Answer::Immediate => self.reply = self.outbox.send(message.into(), self.width()),
            Answer::Deferred => self.ack(),
        }
    }

    pub(super) fn ack(&mut self) {
        self.reply = Some(Frame::lone(Word::new(Mode::Address, ACK)));
    }
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    price: Units,
    item: u16,
}

/// The bits of BEGIN SESSION Z17. [MDB 7.4.4]
const CARD_REFUND: u8 = 1 << 1;
const CARD_REVALUE: u8 = 1 << 2;
const CARD_PARTIAL_REFUND: u8 = 1 << 3;
