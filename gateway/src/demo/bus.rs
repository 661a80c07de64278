//! A machine's controller and the board's cashless device on one bus of memory: real MDB words, and
//! time that passes as fast as it is asked to.

use core::time::Duration;
use gettone_core::board::{Approval, Ask, Machine, NoSession};
use gettone_core::id::{Item, Rseq};
use gettone_mdb::cashless::{
    self, ApprovalState, Cashless, Completion, Host, RequestNumber, SessionRefusal, State,
};
use gettone_mdb::vmc::{self, Operator, Vmc};
use gettone_mdb::{ItemOptions, Level, Options};
use gettone_relay::{Order, Standing};
use std::collections::VecDeque;

/// Events that wait for whoever looks at the machine.
const SEEN_MAX: usize = 64;

pub(super) struct Bus {
    device: Cashless,
    vmc: Vmc,
    now: Duration,
    asks: u32,
    asked: Option<(Ask, RequestNumber)>,
    /// The cash-in that was approved last.
    taking: Option<(RequestNumber, Rseq)>,
    delivered_at: Duration,
    standing: Standing,
    /// For the board.
    news: VecDeque<News>,
    /// For whoever stands in front of the machine.
    seen: VecDeque<vmc::Event>,
}

/// What the bus tells the board.
pub(super) enum News {
    Machine(Machine),
    Standing(Standing),
}

impl Bus {
    pub(super) fn new(serial: [u8; 12]) -> Self {
        let mut machine = vmc::Config {
            price_max: Some(500),
            price_min: Some(50),
            level: Level::Three,
            options: Options::REMOTE_VEND,
            ..vmc::Config::default()
        };
        machine.identity.serial = serial;
        Self {
            device: device(),
            vmc: Vmc::new(machine),
            now: Duration::ZERO,
            asks: 0,
            asked: None,
            taking: None,
            delivered_at: Duration::ZERO,
            standing: Standing::default(),
            news: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// Time since the machine was switched on.
    pub(super) const fn now(&self) -> Duration {
        self.now
    }

    /// Where the machine's controller stands.
    pub(super) const fn vmc_state(&self) -> vmc::State {
        self.vmc.state()
    }

    /// Another board takes the place of this one, or the same after a power cut.
    pub(super) fn replace_device(&mut self) {
        self.device = device();
        self.asked = None;
        self.taking = None;
        self.standing = Standing::default();
        self.news.clear();
    }

    /// Lets the next thing happen on the bus, no later than `until`.
    pub(super) fn step(&mut self, until: Duration) {
        let next = [self.vmc.next_deadline(), self.device.next_deadline()]
            .into_iter()
            .flatten()
            .min()
            .map_or(until, |at| at.min(until));
        // What was due before is late; time never goes back.
        self.now = self.now.max(next);
        self.vmc(vmc::Input::Tick);
        self.device(cashless::Input::Tick);
    }

    /// Somebody does something to the machine.
    pub(super) fn operate(&mut self, operator: Operator) {
        self.vmc(vmc::Input::Operator(operator));
    }

    /// The board orders something.
    pub(super) fn order(&mut self, order: &Order) {
        let open = |ask: &Ask| {
            let asked = self.asked.filter(|(open, _)| open == ask);
            asked.map(|(_, request)| request)
        };
        let host = match order {
            Order::BeginSession { funds } => Some(Host::BeginSession { funds: *funds }),
            Order::Select {
                item,
                options,
                funds,
            } => Some(Host::Select {
                item: item.number(),
                options: ItemOptions::from_u32(*options),
                funds: *funds,
            }),
            Order::CancelSession => Some(Host::CancelSession),
            Order::EndSession => Some(Host::EndSession),
            Order::Approve {
                ask, rseq, amount, ..
            } => {
                let host = open(ask).map(|request| Host::Approve {
                    request,
                    amount: *amount,
                    tag: rseq.number(),
                });
                if host.is_none() {
                    self.tell(Machine::ApprovalRefused { rseq: *rseq });
                }
                host
            }
            Order::Deny { ask } => open(ask).map(|request| Host::Deny { request }),
            Order::ApproveRevalue { ask, rseq, .. } => {
                let request = open(ask);
                match request {
                    Some(request) => self.taking = Some((request, *rseq)),
                    None => self.tell(Machine::RevalueOver { rseq: *rseq }),
                }
                request.map(|request| Host::ApproveRevalue { request })
            }
            Order::DenyRevalue { ask } => open(ask).map(|request| Host::DenyRevalue { request }),
            Order::TellRevalueLimit { ask, limit } => open(ask).map(|request| Host::RevalueLimit {
                request,
                limit: *limit,
            }),
        };
        if let Some(host) = host {
            self.device(cashless::Input::Host(host));
        }
    }

    /// What the board has to hear.
    pub(super) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// What happened in front of the machine.
    pub(super) fn seen(&mut self) -> Option<vmc::Event> {
        self.seen.pop_front()
    }

    /// One side's words are the other side's input, until both are silent.
    fn vmc(&mut self, input: vmc::Input) {
        let mut to_device = VecDeque::new();
        let mut to_vmc = VecDeque::from([input]);
        loop {
            if let Some(input) = to_vmc.pop_front() {
                self.vmc.handle(self.now, input);
                while let Some(output) = self.vmc.poll() {
                    match output {
                        vmc::Output::Event(event) => {
                            self.seen.push_back(event);
                            self.seen.truncate(SEEN_MAX);
                        }
                        vmc::Output::Send(frame) => {
                            to_device.extend(frame.iter().copied().map(cashless::Input::Word));
                        }
                        vmc::Output::Break => to_device.push_back(cashless::Input::Break),
                    }
                }
            } else if let Some(input) = to_device.pop_front() {
                to_vmc.extend(self.answer(input));
            } else {
                return;
            }
        }
    }

    fn device(&mut self, input: cashless::Input) {
        let words = self.answer(input);
        for word in words {
            self.vmc(word);
        }
    }

    fn answer(&mut self, input: cashless::Input) -> Vec<vmc::Input> {
        let mut words = Vec::new();
        self.device.handle(self.now, input);
        while let Some(output) = self.device.poll() {
            match output {
                cashless::Output::Event(event) => self.event(event),
                cashless::Output::Send(reply) => {
                    words.extend(reply.iter().copied().map(vmc::Input::Word));
                }
            }
        }
        let state = state_out(self.device.state());
        if state != self.standing.mdb_state {
            self.standing.mdb_state = state;
            self.news.push_back(News::Standing(self.standing));
        }
        words
    }

    fn event(&mut self, event: cashless::Event) {
        use cashless::Event as E;
        match event {
            E::Reset { approval } => {
                self.asked = None;
                let approval = match approval {
                    ApprovalState::None | ApprovalState::NotDelivered { .. } => {
                        Approval::NotDelivered
                    }
                    ApprovalState::Delivered { tag } => {
                        let (rseq, after) = self.ended(tag);
                        Approval::Delivered { rseq, after }
                    }
                };
                self.tell(Machine::Reset(approval));
            }
            E::Configured { level, .. } => {
                self.standing.vmc_level = level.number();
                self.news.push_back(News::Standing(self.standing));
            }
            E::Prices { max, .. } => {
                self.standing.price_max = max.unwrap_or(u32::MAX);
                self.news.push_back(News::Standing(self.standing));
            }
            E::VmcId(vmc) => {
                self.standing.vmc_id =
                    gettone_channel::VmcId::of(&vmc.manufacturer, &vmc.serial, &vmc.model);
                self.news.push_back(News::Standing(self.standing));
            }
            E::Enabled => self.tell(Machine::Enabled),
            E::Disabled => self.tell(Machine::Disabled),
            E::SessionBegan => self.tell(Machine::SessionBegan),
            E::SessionRefused(refusal) => self.tell(Machine::SessionRefused(match refusal {
                SessionRefusal::Busy => NoSession::Busy,
                SessionRefusal::CalledOff => NoSession::CalledOff,
                SessionRefusal::NotEnabled | _ => NoSession::NotEnabled,
            })),
            E::VendRequested {
                request,
                price,
                item,
            } => {
                let ask = self.ask(request);
                let item = Item::new(item);
                self.tell(Machine::Asked { ask, price, item });
            }
            E::RevalueLimitAsked(request) => {
                let ask = self.ask(request);
                self.tell(Machine::RevalueLimitAsked { ask });
            }
            E::RevalueAsked { request, amount } => {
                let ask = self.ask(request);
                self.tell(Machine::RevalueAsked { ask, amount });
            }
            E::RevalueApprovalTaken { request } => {
                if let Some(rseq) = self.taken(request) {
                    self.tell(Machine::RevalueTaken { rseq });
                }
            }
            E::RevalueOver { request } => match self.taken(request) {
                Some(rseq) => self.tell(Machine::RevalueOver { rseq }),
                None => self.cancelled(request),
            },
            E::VendCancelled { request } | E::VendTimedOut { request } => self.cancelled(request),
            E::ApprovalRefused { tag, .. } => {
                let rseq = Rseq::new(tag);
                self.tell(Machine::ApprovalRefused { rseq });
            }
            E::ApprovalDelivered { .. } => self.delivered_at = self.now,
            E::VendSucceeded { tag, .. } => {
                let (rseq, after) = self.ended(tag);
                self.tell(Machine::Succeeded { rseq, after });
            }
            E::VendFailed { tag } => {
                let (rseq, after) = self.ended(tag);
                self.tell(Machine::Failed { rseq, after });
            }
            E::SessionCompleted => self.tell(Machine::SessionCompleted),
            E::CashSold { item, price } => {
                let item = Item::new(item);
                self.tell(Machine::CashSold { item, price });
            }
            // Of no consequence for the board.
            E::DenialDelivered { .. }
            | E::EndTimedOut
            | E::ReaderCancelled
            | E::PriceRefused { .. }
            | E::OutOfSequence { .. }
            | E::AddressTaken
            | E::VmcSilent
            | _ => {}
        }
    }

    fn ask(&mut self, request: RequestNumber) -> Ask {
        self.asks = self.asks.wrapping_add(1);
        let ask = Ask::new(self.asks);
        self.asked = Some((ask, request));
        ask
    }

    fn taken(&mut self, request: RequestNumber) -> Option<Rseq> {
        let (_, rseq) = self.taking.take_if(|(taking, _)| *taking == request)?;
        Some(rseq)
    }

    fn cancelled(&mut self, request: RequestNumber) {
        if let Some((ask, _)) = self.asked.filter(|(_, open)| *open == request) {
            self.tell(Machine::Cancelled { ask });
        }
    }

    fn ended(&self, tag: u64) -> (Rseq, Duration) {
        (Rseq::new(tag), self.now.saturating_sub(self.delivered_at))
    }

    fn tell(&mut self, machine: Machine) {
        self.news.push_back(News::Machine(machine));
    }
}

fn device() -> Cashless {
    let mut config = cashless::Config {
        cash_sales: true,
        level: Level::Three,
        options: Options::REMOTE_VEND,
        ..cashless::Config::default()
    };
    // The board says when a session is over: not before its CLOSE is written.
    config.answers.complete = Completion::Host;
    Cashless::new(config).expect("the default is sound")
}

const fn state_out(state: State) -> gettone_channel::MdbState {
    use gettone_channel::MdbState as M;
    match state {
        State::Inactive => M::Inactive,
        State::Disabled => M::Disabled,
        State::Enabled => M::Enabled,
        State::SessionIdle => M::SessionIdle,
        State::Vend => M::Vend,
        State::Revalue => M::Revalue,
        State::NegativeVend => M::NegativeVend,
    }
}
