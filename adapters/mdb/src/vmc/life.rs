//! The life of the machine: what each answer and each person leads to.

use core::time::Duration;

use super::{
    Approved, Back, Cash, Choice, Completes, Credit, Ending, Event, Exchange, Operator, Origin,
    Outcome, Output, Phase, Reader, Restart, SelectionRefusal, Step, Takes, Trade, Turn, Vmc,
};
use crate::command::{Command, Level, LongSale, NamedItem, Part, Prices, Setup, Supply};
use crate::message::Message;
use crate::money::{Digits, Scale, Units, Width};
use crate::options::{Options, Reason};
use crate::reader::{ReaderConfig, ReaderOptions};

impl Vmc {
    /// The command this phase is there for.
    pub(super) fn wanted(&self) -> Option<Command> {
        Some(match self.phase {
            Phase::Resetting => Command::Reset,
            Phase::SettingUp => Command::Setup(Setup {
                level: self.config.level,
                supply: Supply::Mains,
                columns: self.config.columns,
                rows: self.config.rows,
                display: self.config.display,
            }),
            Phase::Pricing => Command::Prices(self.prices()),
            Phase::Opting => Command::EnableOptions(self.wanted_options()),
            Phase::Repricing => Command::PricesIn(self.prices(), self.config.currency),
            Phase::Identifying => Command::RequestId(self.config.identity),
            Phase::Enabling => Command::Enable,
            Phase::Disabling => Command::Disable,
            Phase::Asking(choice) => self.question(choice),
            Phase::Cancelling => Command::VendCancel,
            Phase::Reporting(choice, outcome) => self.report(choice, outcome),
            Phase::Completing => Command::SessionComplete,
            Phase::Revaluing(amount) => Command::RevalueRequest { amount },
            Phase::AskingLimit => Command::RevalueLimit,
            Phase::Telling(command, _) => command,
            Phase::Off
            | Phase::AwaitingReset
            | Phase::Enabled
            | Phase::Disabled
            | Phase::Session
            | Phase::Dispensing(..) => return None,
        })
    }

    fn price(&self, minor: Option<u32>) -> Option<Units> {
        self.scale?.units(minor?, self.width()).ok()
    }

    fn prices(&self) -> Prices {
        Prices {
            max: self.price(self.config.price_max),
            min: self.price(self.config.price_min),
        }
    }

    /// What both sides can do and this one wants.
    fn wanted_options(&self) -> Options {
        self.offered.and(self.config.options)
    }

    fn question(&self, choice: Choice) -> Command {
        let Choice { price, item, .. } = choice;
        match (choice.trade, self.options.has(Options::BASKET)) {
            (Trade::Return, _) => Command::NegativeVendRequest { value: price, item },
            (Trade::Sale, false) => Command::VendRequest { price, item },
            (Trade::Sale, true) => Command::BasketRequest {
                price,
                item,
                count: 1,
                options: Units::ZERO,
            },
        }
    }

    /// The result in the form that the options on ask for.
    fn report(&self, choice: Choice, outcome: Outcome) -> Command {
        let item = choice.item;
        let info = self.options.has(Options::ITEM_INFO).then_some(NamedItem {
            selected: item,
            dispensed: item,
            selected_name: named(item),
            dispensed_name: named(item),
        });
        let part = Part {
            item,
            amount: choice.price,
            left: 0,
            options: Units::ZERO,
        };
        match (outcome, self.options.has(Options::BASKET), info) {
            (Outcome::Success, true, info) => Command::PartSuccess(part, info),
            (Outcome::Success, false, Some(info)) => Command::VendSuccessNamed(info),
            (Outcome::Success, false, None) => Command::VendSuccess { item },
            (Outcome::Failure, true, _) => Command::PartFailure(part, Reason::EMPTY),
            (Outcome::Failure, false, _) => Command::VendFailure,
        }
    }

    /// Says what is owed as soon as nothing else goes on.
    pub(super) fn pay_what_is_owed(&mut self) {
        let places = [
            (Phase::Enabled, Back::Enabled),
            (Phase::Disabled, Back::Disabled),
            (Phase::Session, Back::Session),
        ];
        let here = places.into_iter().find(|(phase, _)| *phase == self.phase);
        if let Some((_, back)) = here
            && let Some(command) = self.owed.take()
        {
            self.enter(Phase::Telling(command, back));
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.step = Step::Saying;
        self.turn = Turn::Command;
        self.attempts = 0;
    }

    fn wait(&mut self, now: Duration) {
        let patience = self.config.timing.deferred_max.max(self.announced());
        self.step = Step::Waiting(now.saturating_add(patience));
    }

    /// Begins again with the reader; motors that run are let run.
    pub(super) fn start_over(&mut self, now: Duration, why: Restart) {
        if let Phase::Dispensing(choice, _) = self.phase {
            self.phase = Phase::Dispensing(choice, Reader::Gone(why));
            self.heard_at = now;
            return;
        }
        if let Phase::Revaluing(amount) = self.phase {
            self.give_back(amount);
        }
        self.ending = Ending::No;
        self.offered = Options::NONE;
        self.options = Options::NONE;
        self.wished = None;
        self.owed = None;
        self.fault = None;
        self.cash = Cash::Settled;
        self.event(Event::Restarting(why));
        match why {
            Restart::ReaderRestarted => self.enter(Phase::SettingUp),
            Restart::PowerUp
            | Restart::NoResponse
            | Restart::NoAnswer
            | Restart::OutOfSequence
            | Restart::Money
            | Restart::Approval => {
                self.enter(Phase::Resetting);
                self.reader = None;
                self.scale = None;
            }
        }
        if matches!(why, Restart::NoResponse | Restart::Money) {
            // The retries are used up: from here on, one RESET every ten seconds.
            self.attempts = self.config.timing.attempts_max;
            self.next_at = now.saturating_add(self.config.timing.reset_gap);
        }
    }

    /// The reader acknowledged, or answered at once.
    pub(super) fn acknowledged(&mut self, now: Duration, command: Command) {
        if self.step != Step::Saying || self.wanted() != Some(command) {
            return;
        }
        match self.phase {
            Phase::Resetting => {
                self.enter(Phase::AwaitingReset);
                self.wait(now);
            }
            Phase::SettingUp | Phase::Identifying | Phase::Completing
                if self.config.takes == Takes::AtOnce =>
            {
                self.start_over(now, Restart::NoAnswer);
            }
            Phase::SettingUp
            | Phase::Identifying
            | Phase::Asking(_)
            | Phase::Cancelling
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Completing => self.wait(now),
            Phase::Opting => {
                self.options = self.wanted_options();
                let options = self.options;
                self.event(Event::OptionsEnabled(options));
                match self.width() {
                    Width::Wide => self.enter(Phase::Repricing),
                    Width::Narrow => self.enter(Phase::Enabling),
                }
            }
            Phase::Repricing => self.enter(Phase::Enabling),
            Phase::Telling(command, back) => {
                let sale = matches!(command, Command::CashSale { .. } | Command::CashSaleLong(_));
                self.event(match sale {
                    true => Event::CashSaleReported,
                    false => Event::Told,
                });
                match back {
                    Back::Enabled if self.is_to_end() => self.enter(Phase::Completing),
                    Back::Enabled => self.enter(Phase::Enabled),
                    Back::Disabled => self.enter(Phase::Disabled),
                    Back::Session => self.idle(),
                }
            }
            Phase::Pricing => self.enter(Phase::Identifying),
            Phase::Enabling => {
                self.enter(Phase::Enabled);
                self.event(Event::Ready);
            }
            Phase::Disabling => {
                self.enter(Phase::Disabled);
                self.event(Event::Disabled);
            }
            Phase::Reporting(..) => {
                self.event(Event::Reported);
                let single = self
                    .reader
                    .is_none_or(|reader| !reader.options.has(ReaderOptions::MULTIVEND));
                match self.config.completes {
                    Completes::AfterEachVend => self.ending = Ending::WhenIdle,
                    Completes::AsReaderSays if single => self.ending = Ending::WhenIdle,
                    Completes::AsReaderSays | Completes::OnRequest | Completes::Never => {}
                }
                self.idle();
            }
            Phase::Off
            | Phase::AwaitingReset
            | Phase::Enabled
            | Phase::Disabled
            | Phase::Session
            | Phase::Dispensing(..) => {}
        }
    }

    /// The answer that was owed did not come.
    pub(super) fn give_up_waiting(&mut self, now: Duration) {
        match self.phase {
            Phase::Asking(_) => self.enter(Phase::Cancelling),
            Phase::Off
            | Phase::Resetting
            | Phase::AwaitingReset
            | Phase::SettingUp
            | Phase::Pricing
            | Phase::Identifying
            | Phase::Opting
            | Phase::Repricing
            | Phase::Enabling
            | Phase::Enabled
            | Phase::Disabling
            | Phase::Disabled
            | Phase::Session
            | Phase::Cancelling
            | Phase::Dispensing(..)
            | Phase::Reporting(..)
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Telling(..)
            | Phase::Completing => self.start_over(now, Restart::NoAnswer),
        }
    }

    /// Back to the session, or on to its end.
    fn idle(&mut self) {
        match self.is_to_end() {
            true => self.enter(Phase::Completing),
            false => self.enter(Phase::Session),
        }
    }

    fn is_to_end(&mut self) -> bool {
        let ending = core::mem::replace(&mut self.ending, Ending::No);
        ending == Ending::WhenIdle && self.config.completes != Completes::Never
    }

    /// What a message of the reader leads to; one that comes twice leads nowhere new.
    pub(super) fn take(&mut self, now: Duration, message: Message) {
        match (message, self.phase) {
            (Message::JustReset, Phase::Resetting | Phase::AwaitingReset) => {
                self.enter(Phase::SettingUp);
            }
            // A repeat: the reader missed our ACK.
            (Message::JustReset, Phase::SettingUp) => {}
            (Message::JustReset, _) => self.start_over(now, Restart::ReaderRestarted),
            (Message::ReaderConfig(config), phase) => self.found(now, config, phase),
            (Message::PeripheralId(identity), Phase::Identifying) => {
                self.event(Event::ReaderId(identity));
                self.enter(Phase::Enabling);
            }
            (Message::Offer(identity, options), Phase::Identifying) => {
                self.event(Event::ReaderId(identity));
                self.event(Event::ReaderOffers(options));
                self.offered = options;
                match self.wanted_options() {
                    Options::NONE => self.enter(Phase::Enabling),
                    _ => self.enter(Phase::Opting),
                }
            }
            (
                Message::BeginSession { funds, .. } | Message::BeginSessionIn { funds, .. },
                Phase::Enabled | Phase::Disabling,
            ) => {
                self.customer(funds);
            }
            // The reader wants a session before it decides: the question is asked anew inside it.
            (
                Message::BeginSession { funds, .. } | Message::BeginSessionIn { funds, .. },
                Phase::Asking(choice),
            ) if choice.origin == Origin::Enabled
                && self.options.has(Options::ASK_BEGIN_SESSION) =>
            {
                self.customer(funds);
                self.enter(Phase::Asking(Choice {
                    origin: Origin::Session,
                    ..choice
                }));
            }
            // A reader that has a customer has heard READER ENABLE: only its ACK was lost.
            (
                Message::BeginSession { funds, .. } | Message::BeginSessionIn { funds, .. },
                Phase::Enabling,
            ) => {
                self.event(Event::Ready);
                self.customer(funds);
            }
            // The sale is still to be acknowledged; the customer is here all the same.
            (Message::BeginSession { funds, .. }, Phase::Telling(told, Back::Enabled)) => {
                self.phase = Phase::Telling(told, Back::Session);
                let funds = self.known(funds);
                self.funds = funds;
                self.event(Event::SessionBegan { funds });
            }
            (Message::EndSession, Phase::Telling(told, Back::Session)) => {
                self.phase = Phase::Telling(told, Back::Enabled);
                self.event(Event::SessionEnded);
            }
            (Message::SessionCancel, phase) => self.asked_to_end(phase),
            (Message::VendApproved { .. } | Message::BasketApproved { .. }, Phase::Asking(_))
                if self.config.approved == Approved::Resets =>
            {
                self.start_over(now, Restart::Approval);
            }
            (
                Message::VendApproved { amount } | Message::BasketApproved { amount, .. },
                Phase::Asking(choice),
            ) if self.config.approved == Approved::ResetsUnlessExact && amount != choice.price => {
                self.start_over(now, Restart::Approval);
            }
            (Message::RevalueApproved, Phase::Revaluing(amount)) => {
                if let Some(amount) = self.known(amount) {
                    self.event(Event::RevalueTaken { amount });
                }
                self.idle();
            }
            (Message::RevalueDenied, Phase::Revaluing(amount)) => {
                self.give_back(amount);
                self.idle();
            }
            (Message::RevalueLimit { amount }, Phase::AskingLimit) => {
                let limit = self.known(amount);
                self.event(Event::RevalueLimit { limit });
                self.idle();
            }
            (Message::RevalueDenied, Phase::AskingLimit) => {
                self.event(Event::RevalueLimit { limit: None });
                self.idle();
            }
            (
                Message::VendApproved { amount } | Message::BasketApproved { amount, .. },
                Phase::Asking(choice),
            ) => {
                self.enter(Phase::Dispensing(choice, Reader::Here));
                let item = choice.item;
                let amount = self.known(amount);
                self.event(match choice.trade {
                    Trade::Sale => Event::Dispense { amount, item },
                    Trade::Return => Event::TakeBack { amount, item },
                });
            }
            // It crossed the cancel, or answers a question long answered: the customer must not pay for nothing.
            (
                Message::VendApproved { amount } | Message::BasketApproved { amount, .. },
                Phase::Cancelling | Phase::Session,
            ) => {
                let choice = Choice {
                    price: amount,
                    item: 0xFFFF,
                    trade: Trade::Sale,
                    origin: Origin::Session,
                };
                self.enter(Phase::Reporting(choice, Outcome::Failure));
                let amount = self.known(amount);
                self.event(Event::ApprovalDeclined { amount });
            }
            (Message::VendDenied, Phase::Asking(Choice { item, .. })) => {
                self.event(Event::Denied { item });
                self.idle();
            }
            (Message::VendDenied, Phase::Cancelling) => {
                self.event(Event::Cancelled);
                self.idle();
            }
            (Message::EndSession, Phase::Completing | Phase::Session) => {
                self.event(Event::SessionEnded);
                self.enter(Phase::Enabled);
            }
            (Message::OutOfSequence { .. }, Phase::Resetting | Phase::AwaitingReset) => {}
            (Message::OutOfSequence { .. }, _) => self.start_over(now, Restart::OutOfSequence),
            (Message::Display { text, .. }, _) => self.event(Event::Display(text)),
            (Message::Malfunction { code }, _) => {
                if self.fault.replace(code) != Some(code) {
                    self.event(Event::Malfunction { code });
                }
            }
            (Message::SelectionRequest(it), Phase::Enabled | Phase::Session) => {
                self.wished = Some(it.item);
                let funds = self.known(it.funds);
                self.event(Event::SelectionAsked {
                    item: it.item,
                    options: it.options,
                    funds,
                });
            }
            // Nobody can see to it now. [MDB 4.3, table 7]
            (Message::SelectionRequest(it), _) => {
                self.owed = Some(Command::SelectionDenied {
                    item: it.item,
                    reason: Reason::MOMENT,
                });
            }
            (Message::Coupon(coupon), _) => self.event(Event::CouponShown(coupon)),
            (Message::DataEntry { keys }, _) => self.event(Event::KeysAsked { keys }),
            (Message::DataEntryCancel, _) => self.event(Event::KeysOver),
            (Message::TimeRequest, _) => self.event(Event::TimeAsked),
            (Message::File(transfer), _) => self.event(Event::File(transfer)),
            (Message::AgeFeature(feature), _) => self.event(Event::AgeFeature(feature)),
            (Message::AgeStatus(status), _) => self.event(Event::AgeStatus(status)),
            (
                Message::PeripheralId(_)
                | Message::Offer(..)
                | Message::BeginSession { .. }
                | Message::BeginSessionIn { .. }
                | Message::VendApproved { .. }
                | Message::BasketApproved { .. }
                | Message::Diagnostic(_)
                | Message::VendDenied
                | Message::EndSession
                | Message::Cancelled
                | Message::RevalueApproved
                | Message::RevalueDenied
                | Message::RevalueLimit { .. },
                _,
            ) => {}
        }
    }

    fn give_back(&mut self, amount: Units) {
        if let Some(amount) = self.known(amount) {
            self.event(Event::RevalueRefused { amount });
        }
    }

    fn customer(&mut self, funds: Units) {
        self.enter(Phase::Session);
        let funds = self.known(funds);
        self.funds = funds;
        self.event(Event::SessionBegan { funds });
    }

    /// An amount in minor units, unless it says "unknown".
    fn known(&self, units: Units) -> Option<u32> {
        self.scale?.minor(units)
    }

    fn found(&mut self, now: Duration, config: ReaderConfig, phase: Phase) {
        let digits = Digits {
            bus: config.decimals,
            minor: self.config.minor_digits,
        };
        let scale = Scale::new(config.scale, digits);
        self.reader = Some(config);
        self.scale = scale.ok();
        match (scale, phase) {
            (Ok(_), Phase::SettingUp) => {
                self.event(Event::ReaderFound(config));
                self.enter(Phase::Pricing);
            }
            (Ok(_), _) => {}
            (Err(_), _) => self.start_over(now, Restart::Money),
        }
    }

    fn asked_to_end(&mut self, phase: Phase) {
        match phase {
            Phase::Session | Phase::Enabled => {
                self.event(Event::CancelRequested);
                if self.config.completes != Completes::Never {
                    self.enter(Phase::Completing);
                }
            }
            Phase::Asking(_)
            | Phase::Cancelling
            | Phase::Dispensing(..)
            | Phase::Reporting(..)
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Telling(..) => {
                self.event(Event::CancelRequested);
                self.ending = Ending::WhenIdle;
            }
            Phase::Off
            | Phase::Resetting
            | Phase::AwaitingReset
            | Phase::SettingUp
            | Phase::Pricing
            | Phase::Identifying
            | Phase::Opting
            | Phase::Repricing
            | Phase::Enabling
            | Phase::Disabling
            | Phase::Disabled
            | Phase::Completing => {}
        }
    }

    pub(super) fn operate(&mut self, now: Duration, operator: Operator) {
        match operator {
            Operator::PowerUp if self.phase == Phase::Off => {
                self.begin(now, self.config.timing.setup);
            }
            Operator::PowerUp => {}
            Operator::Restart => self.begin(now, self.config.timing.poll_period),
            Operator::Break => {
                self.begin(now, self.config.timing.setup);
                self.sending = Some(Output::Break);
            }
            Operator::PowerDown => {
                self.exchange = Exchange::Idle;
                self.enter(Phase::Off);
            }
            Operator::Select { price, item } => self.select(price, item, Trade::Sale),
            Operator::BringBack { value, item } => match self.options.has(Options::NEGATIVE_VEND) {
                true => self.select(value, item, Trade::Return),
                false => self.event(Event::SelectionRefused(SelectionRefusal::NotWanted)),
            },
            Operator::Tell(command) => self.owed = Some(command),
            Operator::Dispensed => self.dispensed(now, Outcome::Success),
            Operator::Jammed => self.dispensed(now, Outcome::Failure),
            Operator::Return => match self.phase {
                Phase::Session if self.config.completes != Completes::Never => {
                    self.enter(Phase::Completing);
                }
                Phase::Asking(_) => {
                    self.ending = Ending::WhenIdle;
                    self.enter(Phase::Cancelling);
                }
                Phase::Off
                | Phase::Resetting
                | Phase::AwaitingReset
                | Phase::SettingUp
                | Phase::Pricing
                | Phase::Identifying
                | Phase::Opting
                | Phase::Repricing
                | Phase::Enabling
                | Phase::Enabled
                | Phase::Disabling
                | Phase::Disabled
                | Phase::Session
                | Phase::Cancelling
                | Phase::Dispensing(..)
                | Phase::Reporting(..)
                | Phase::Revaluing(_)
                | Phase::AskingLimit
                | Phase::Telling(..)
                | Phase::Completing => {}
            },
            Operator::InsertCash => {
                if matches!(self.phase, Phase::Asking(_)) {
                    self.enter(Phase::Cancelling);
                }
            }
            Operator::Revalue { amount } => self.revalue(amount),
            Operator::AskLimit => match self.cash_refusal() {
                None => self.enter(Phase::AskingLimit),
                Some(refusal) => self.event(Event::SelectionRefused(refusal)),
            },
            Operator::SellForCash { price, item } => self.sell_for_cash(price, item),
            Operator::Hush(during) => {
                self.exchange = Exchange::Idle;
                self.next_at = now.saturating_add(during);
                self.heard_at = self.next_at;
            }
            Operator::DisableReader => {
                if matches!(self.phase, Phase::Enabled | Phase::Enabling) {
                    self.enter(Phase::Disabling);
                }
            }
            Operator::EnableReader => {
                if matches!(self.phase, Phase::Disabled | Phase::Disabling) {
                    self.enter(Phase::Enabling);
                }
            }
        }
    }

    /// Starts from nothing: what the motors were doing is forgotten with everything else.
    fn begin(&mut self, now: Duration, pause: Duration) {
        self.exchange = Exchange::Idle;
        self.ear.forget();
        self.phase = Phase::Resetting;
        self.start_over(now, Restart::PowerUp);
        self.heard_at = now;
        self.next_at = now.saturating_add(pause);
    }

    fn select(&mut self, price: u32, item: u16, trade: Trade) {
        let wished = self.wished == Some(item) && trade == Trade::Sale;
        let alone = self.options.has(Options::ALWAYS_IDLE) || wished;
        let dear = trade == Trade::Sale
            && self.config.credit == Credit::Limits
            && self.funds.is_some_and(|funds| price > funds);
        let refusal = match (self.phase, self.scale) {
            (Phase::Session, _) if dear => SelectionRefusal::AboveCredit,
            (Phase::Session | Phase::Enabled, Some(scale))
                if self.phase == Phase::Session || alone =>
            {
                let origin = if self.phase == Phase::Session {
                    Origin::Session
                } else {
                    Origin::Enabled
                };
                match scale.units(price, self.width()) {
                    Ok(price) => {
                        if origin == Origin::Enabled {
                            // Such a vend is always finished by SESSION COMPLETE. [MDB 7.4.17, option b5]
                            self.ending = Ending::WhenIdle;
                        }
                        self.wished = None;
                        return self.enter(Phase::Asking(Choice {
                            price,
                            item,
                            trade,
                            origin,
                        }));
                    }
                    Err(inexact) => SelectionRefusal::Inexact(inexact),
                }
            }
            (Phase::Asking(_) | Phase::Cancelling, _)
            | (Phase::Revaluing(_) | Phase::AskingLimit | Phase::Telling(..), _)
            | (Phase::Dispensing(..) | Phase::Reporting(..), _) => SelectionRefusal::Busy,
            _ => SelectionRefusal::NoSession,
        };
        self.event(Event::SelectionRefused(refusal));
    }

    /// Why no cash can be put on the account now.
    fn cash_refusal(&self) -> Option<SelectionRefusal> {
        let reader = self.reader.map_or(Level::One, |reader| reader.level);
        match self.phase {
            Phase::Session if self.config.level.min(reader) == Level::One => {
                Some(SelectionRefusal::NoRevalue)
            }
            Phase::Session => None,
            Phase::Off
            | Phase::Resetting
            | Phase::AwaitingReset
            | Phase::SettingUp
            | Phase::Pricing
            | Phase::Identifying
            | Phase::Opting
            | Phase::Repricing
            | Phase::Enabling
            | Phase::Enabled
            | Phase::Disabling
            | Phase::Disabled
            | Phase::Completing => Some(SelectionRefusal::NoSession),
            Phase::Asking(_)
            | Phase::Cancelling
            | Phase::Dispensing(..)
            | Phase::Reporting(..)
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Telling(..) => Some(SelectionRefusal::Busy),
        }
    }

    fn revalue(&mut self, amount: u32) {
        let refusal = match (self.cash_refusal(), self.scale) {
            (Some(refusal), _) => refusal,
            (None, None) => SelectionRefusal::NoSession,
            (None, Some(scale)) => match scale.units(amount, self.width()) {
                Ok(amount) => return self.enter(Phase::Revaluing(amount)),
                Err(inexact) => SelectionRefusal::Inexact(inexact),
            },
        };
        self.event(Event::SelectionRefused(refusal));
    }

    fn sell_for_cash(&mut self, price: u32, item: u16) {
        let back = match self.phase {
            Phase::Enabled => Some(Back::Enabled),
            Phase::Disabled => Some(Back::Disabled),
            Phase::Session => Some(Back::Session),
            Phase::Off
            | Phase::Resetting
            | Phase::AwaitingReset
            | Phase::SettingUp
            | Phase::Pricing
            | Phase::Identifying
            | Phase::Opting
            | Phase::Repricing
            | Phase::Enabling
            | Phase::Disabling
            | Phase::Asking(_)
            | Phase::Cancelling
            | Phase::Dispensing(..)
            | Phase::Reporting(..)
            | Phase::Revaluing(_)
            | Phase::AskingLimit
            | Phase::Telling(..)
            | Phase::Completing => None,
        };
        let wanted = self
            .reader
            .is_some_and(|reader| reader.options.has(ReaderOptions::CASH_SALE));
        let refusal = match (back, self.scale) {
            (Some(_), _) if !wanted => SelectionRefusal::NotWanted,
            (Some(back), Some(scale)) => match scale.units(price, self.width()) {
                Ok(price) => {
                    let sale = self.cash_sale(price, item);
                    return self.enter(Phase::Telling(sale, back));
                }
                Err(inexact) => SelectionRefusal::Inexact(inexact),
            },
            _ => SelectionRefusal::Busy,
        };
        self.event(Event::SelectionRefused(refusal));
    }

    /// A cash sale in the form that the options on ask for.
    fn cash_sale(&self, price: Units, item: u16) -> Command {
        let currency = match self.width() {
            Width::Wide => Some(self.config.currency),
            Width::Narrow => None,
        };
        let info = self.options.has(Options::ITEM_INFO).then(|| {
            let info = NamedItem {
                selected: item,
                dispensed: item,
                selected_name: named(item),
                dispensed_name: named(item),
            };
            (info, CASH_TOOK_PART)
        });
        match (currency, info) {
            (None, None) => Command::CashSale { price, item },
            (currency, info) => Command::CashSaleLong(LongSale {
                price,
                item,
                currency,
                info,
            }),
        }
    }

    fn dispensed(&mut self, now: Duration, outcome: Outcome) {
        if let Phase::Dispensing(choice, reader) = self.phase {
            self.enter(Phase::Reporting(choice, outcome));
            if let Reader::Gone(why) = reader {
                self.start_over(now, why);
            }
        }
    }
}

/// Mixed vend flags: cash alone. [MDB 4.3, option b10]
const CASH_TOOK_PART: u8 = 1;

/// The name of an item: its number, as a machine without names tells it.
fn named(item: u16) -> [u8; 6] {
    let mut name = [b' '; 6];
    let digits =
        [10_000, 1_000, 100, 10, 1].map(|one| b'0' + u8::try_from(item / one % 10).unwrap_or(0));
    for (place, digit) in name.iter_mut().zip(digits) {
        *place = digit;
    }
    name
}
