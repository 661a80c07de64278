//! A whole board with its machine, its flash and its sign.

use crate::books::{Done, Truth};
use crate::dice::Dice;
use crate::shelf::Shelf;
use crate::street::Guards;
use core::time::Duration;
use gettone::core::board::{Approval, Ask, Life, Machine, Record, Ticket};
use gettone::core::id::{Item, JournalEpoch, MachineId, Rseq, VendId};
use gettone::core::receipt::ReceiptKind;
use gettone_channel::{
    self as channel, Bind, Eid, Ephemeral, Hello1, Initiator, LINK_VERSION, Link, MdbState, Psk,
    StaticKey, TokenKey, VmcId,
};
use gettone_relay::{
    Connection, Entropy, Flash, Input, KeyRing, Offer, Order, Output, Report, Server, Servers,
    Standing, Start, Station,
};
use std::collections::VecDeque;

/// How long a machine takes to deliver.
const DELIVERY: Duration = Duration::from_secs(3);
/// What things cost at most; more than a small purse holds.
const PRICE_MAX: u64 = 240;
/// What a note is worth.
const NOTE: u32 = 500;
/// Looks at a board that has to come to rest.
const LOOKS_MAX: u32 = 200;

/// A board's own road to the server.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) is_up: bool,
    /// What is on its way to the server, and to the board.
    pub(crate) out: VecDeque<Vec<u8>>,
    pub(crate) back: VecDeque<Vec<u8>>,
}

pub(crate) struct Place {
    number: u8,
    station: Station,
    pub(crate) shelf: Shelf,
    pub(crate) wire: Wire,
    flash: Flash,
    now: Duration,
    unsynced: VecDeque<Ticket>,
    orders: VecDeque<Order>,
    messages: VecDeque<(Connection, Vec<u8>, Report)>,
    pub(crate) door: Option<Eid>,
    pub(crate) sign: Option<Offer>,
    connections: u64,
    /// The machine.
    has_session: bool,
    asked: Option<Ask>,
    asks: u32,
    motors: Option<Rseq>,
    guards: Guards,
    pub(crate) cuts: u64,
}

impl Place {
    pub(crate) fn new(
        number: u8,
        server: channel::PublicKey,
        guards: Guards,
        dice: &mut Dice,
    ) -> Self {
        let tokens = TokenKey::from_bytes([number ^ 0x21; 32]);
        let ring = KeyRing::enrolled(StaticKey::from_bytes([number; 32]), Some(tokens));
        let epoch = crate::desk::EPOCH;
        let servers = Servers::installed(&[Server { epoch, key: server }]);
        let shelf = Shelf::new(ring, servers.expect("one key"));
        let mut flash = Flash::new(JournalEpoch::from_bytes([number; 8]));
        let station = start(&mut flash, &shelf);
        let mut place = Self {
            number,
            station,
            shelf,
            wire: Wire::default(),
            flash,
            now: Duration::from_secs(1),
            unsynced: VecDeque::new(),
            orders: VecDeque::new(),
            messages: VecDeque::new(),
            door: None,
            sign: None,
            connections: 0,
            has_session: false,
            asked: None,
            asks: 0,
            motors: None,
            guards,
            cuts: 0,
        };
        place.wake(dice);
        place
    }

    /// The key in use.
    pub(crate) fn key(&self) -> StaticKey {
        self.shelf.ring.key().clone()
    }

    pub(crate) const fn reader(&self) -> channel::ReaderId {
        self.shelf.ring.reader()
    }

    pub(crate) const fn machine_id(&self) -> MachineId {
        MachineId::new(self.number as u32)
    }

    /// Changes of its own keys so far, of the server's, and the configuration that it has.
    pub(crate) fn key_changes(&self) -> u64 {
        self.shelf.ring.epoch().into()
    }

    pub(crate) fn server_changes(&self) -> u64 {
        (self.shelf.servers.active().epoch - crate::desk::EPOCH).into()
    }

    pub(crate) fn configuration(&self) -> u64 {
        self.shelf.configuration.into()
    }

    pub(crate) fn life(&self) -> Life {
        self.station.life()
    }

    pub(crate) const fn has_session(&self) -> bool {
        self.has_session
    }

    /// The newest receipt.
    pub(crate) fn newest(&self) -> Rseq {
        self.station.outbox().newest()
    }

    pub(crate) fn unacked(&self) -> usize {
        self.station.outbox().unacked()
    }

    fn wake(&mut self, dice: &mut Dice) {
        let standing = Standing {
            mdb_state: MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: VmcId::from_bytes([8; 8]),
        };
        self.tell(Input::Standing(standing), dice);
        self.tell(Input::Machine(Machine::Enabled), dice);
    }

    pub(crate) fn tell(&mut self, input: Input, dice: &mut Dice) {
        let mut next = Some(input);
        while let Some(input) = next {
            let entropy = Entropy::take(&mut dice.bytes());
            self.station.handle(self.now, input, entropy);
            next = self.follow();
        }
    }

    /// Does what the board wants; gives what it is to be told because of it.
    fn follow(&mut self) -> Option<Input> {
        let mut told = None;
        while let Some(output) = self.station.poll() {
            match output {
                Output::Advertise(eid) => self.door = Some(eid),
                Output::Hush => self.door = None,
                Output::Send(to, message, report) => self.messages.push_back((to, message, report)),
                Output::Journal(ticket, record) => {
                    self.flash.keep(record);
                    self.unsynced.push_back(ticket);
                }
                Output::Order(order) => self.orders.push_back(order),
                Output::Offer(offer) => self.sign = Some(*offer),
                Output::Withdraw => self.sign = None,
                Output::RoadSend(envelope) => self.wire.out.push_back(envelope),
                Output::KeepKeys(ring) => self.shelf.write_ring(*ring),
                Output::KeepServers(servers) => self.shelf.write_servers(servers),
                Output::Care(order) => told = self.shelf.care(order).or(told),
                // What else there is, nobody here looks at.
                _ => {}
            }
        }
        told
    }

    /// Some of what was written is synced.
    pub(crate) fn sync(&mut self, most: usize, dice: &mut Dice) {
        for _ in 0..most {
            let Some(ticket) = self.unsynced.pop_front() else {
                break;
            };
            self.tell(Input::Synced(ticket), dice);
        }
        if let Some(kept) = self.shelf.sync(dice) {
            self.tell(kept, dice);
        }
    }

    /// What the board did not see the end of.
    fn note_unseen(&self, truth: &mut Truth) {
        for record in self.flash.records() {
            let Record::Receipt(written) = record else {
                continue;
            };
            let name = (written.receipt.grant, written.receipt.rseq);
            match written.receipt.kind {
                ReceiptKind::VendUnknown => {
                    if let Some((_, done)) = truth.vends.get_mut(&name) {
                        *done = Done::Unseen;
                    }
                }
                // Whether the machine ever heard of it or not.
                ReceiptKind::RevalueUnknown => {
                    let cash = written.receipt.amount.minor();
                    truth.cash.insert(name, (cash, Done::Unseen));
                }
                _ => {}
            }
        }
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, span: Duration, dice: &mut Dice) {
        let until = self.now + span;
        while let Some(due) = self.station.next_deadline()
            && due < until
            && self.now < until
        {
            self.now = self.now.max(due) + Duration::from_millis(1);
            self.tell(Input::Tick, dice);
        }
        self.now = self.now.max(until);
        self.tell(Input::Tick, dice);
    }

    /// Power is cut, and comes back: of what was not synced, any beginning is left.
    pub(crate) fn cut_power(&mut self, truth: &mut Truth, dice: &mut Dice) {
        let synced = self.flash.records().len() - self.unsynced.len();
        let left = match self.guards.sync {
            true => synced + dice.place(self.unsynced.len() + 1),
            // It said that it had synced, and had not.
            false => synced.saturating_sub(dice.place(4)).max(1),
        };
        self.flash.cut(left);
        self.unsynced.clear();
        self.cuts += 1;
        self.shelf.cut(dice);
        self.wire = Wire::default();
        self.station = start(&mut self.flash, &self.shelf);
        self.now = Duration::from_secs(1);
        self.forget_session();
        self.messages.clear();
        (self.door, self.sign) = (None, None);
        self.note_unseen(truth);
        self.wake(dice);
    }

    fn forget_session(&mut self) {
        self.has_session = false;
        self.asked = None;
        self.motors = None;
        self.orders.clear();
    }
}

fn start(flash: &mut Flash, shelf: &Shelf) -> Station {
    let ring = shelf.ring.clone();
    let start = flash.start(ring.key().clone(), shelf.servers.clone());
    let start = Start {
        reader: ring.reader(),
        ..start.expect("its own journal can be read")
    };
    let tokens = ring.token().cloned().expect("every board shows codes");
    let station = Station::new(start).with_keys(ring).with_care(shelf.start());
    station.with_tokens(tokens)
}

/// The machine.
impl Place {
    /// Something happens at the machine.
    pub(crate) fn machine(&mut self, truth: &mut Truth, dice: &mut Dice) {
        if dice.is_in(1, 40) {
            return self.reset(truth, dice);
        }
        if let Some(order) = self.orders.pop_front() {
            return self.order(order, truth, dice);
        }
        if let Some(rseq) = self.motors {
            let after = DELIVERY;
            return match dice.below(8) {
                0 => self.end(Machine::Failed { rseq, after }, truth, dice),
                1 => self.reset(truth, dice),
                _ => self.end(Machine::Succeeded { rseq, after }, truth, dice),
            };
        }
        if !self.has_session {
            return;
        }
        match (self.asked, dice.below(8)) {
            (None, 0) => self.tell(Input::Machine(Machine::SessionCompleted), dice),
            (None, 1) => self.put_in(dice),
            (None, _) => self.ask(dice),
            (Some(ask), 0) => {
                self.asked = None;
                self.tell(Input::Machine(Machine::Cancelled { ask }), dice);
            }
            (Some(_), _) => {}
        }
    }

    /// What a good machine does next by itself; false when it waits for somebody.
    pub(crate) fn acts(&mut self, truth: &mut Truth, dice: &mut Dice) -> bool {
        if let Some(order) = self.orders.pop_front() {
            self.order(order, truth, dice);
        } else if let Some(rseq) = self.motors {
            let after = DELIVERY;
            self.end(Machine::Succeeded { rseq, after }, truth, dice);
        } else {
            return false;
        }
        true
    }

    fn ask(&mut self, dice: &mut Dice) {
        let price = 40 + dice.below(PRICE_MAX);
        self.ask_for(price, dice);
    }

    pub(crate) fn ask_for(&mut self, price: u64, dice: &mut Dice) {
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.asked = Some(ask);
        let asked = Machine::Asked {
            ask,
            price: u32::try_from(price).expect("small"),
            item: Item::new(11),
        };
        self.tell(Input::Machine(asked), dice);
    }

    /// Somebody has a note.
    fn put_in(&mut self, dice: &mut Dice) {
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.asked = Some(ask);
        let asked = Machine::RevalueAsked { ask, amount: NOTE };
        self.tell(Input::Machine(asked), dice);
    }

    fn order(&mut self, order: Order, truth: &mut Truth, dice: &mut Dice) {
        match order {
            Order::BeginSession { .. } => {
                self.has_session = true;
                self.tell(Input::Machine(Machine::SessionBegan), dice);
            }
            Order::Approve {
                ask, rseq, amount, ..
            } => {
                if self.asked == Some(ask) {
                    self.asked = None;
                    self.motors = Some(rseq);
                    truth.vends.insert(
                        (self.grant_of(rseq), rseq),
                        (i64::from(amount), Done::Approved),
                    );
                } else {
                    // It had taken its question back.
                    self.tell(Input::Machine(Machine::ApprovalRefused { rseq }), dice);
                }
            }
            Order::ApproveRevalue {
                ask, rseq, amount, ..
            } => {
                let is_taken = self.asked == Some(ask) && dice.is_in(3, 4);
                if self.asked == Some(ask) {
                    self.asked = None;
                }
                let (done, told) = match is_taken {
                    true => (Done::Sold, Machine::RevalueTaken { rseq }),
                    false => (Done::Failed, Machine::RevalueOver { rseq }),
                };
                let name = (self.grant_of(rseq), rseq);
                truth.cash.insert(name, (i64::from(amount), done));
                self.tell(Input::Machine(told), dice);
            }
            Order::Deny { ask } | Order::DenyRevalue { ask } => {
                if self.asked == Some(ask) {
                    self.asked = None;
                }
            }
            Order::CancelSession => {
                if let Some(ask) = self.asked.take() {
                    self.tell(Input::Machine(Machine::Cancelled { ask }), dice);
                }
                self.tell(Input::Machine(Machine::SessionCompleted), dice);
            }
            Order::EndSession => self.has_session = false,
            Order::Select { .. } | Order::TellRevalueLimit { .. } => {}
        }
    }

    /// The grant under which the board has written this INTENT.
    fn grant_of(&self, rseq: Rseq) -> VendId {
        let intents = self.flash.records().iter().rev();
        let mut intents = intents.filter_map(|record| match record {
            Record::Intent {
                rseq: of, grant, ..
            }
            | Record::RevalueIntent {
                rseq: of, grant, ..
            } if *of == rseq => Some(*grant),
            _ => None,
        });
        intents.next().expect("no approval without its INTENT")
    }

    fn end(&mut self, result: Machine, truth: &mut Truth, dice: &mut Dice) {
        if let Some(rseq) = self.motors.take()
            && let Some((_, done)) = truth.vends.get_mut(&(self.grant_of(rseq), rseq))
        {
            *done = match result {
                Machine::Failed { .. } => Done::Failed,
                // A reset after the approval counts as a sale: that is MDB's rule.
                _ => Done::Sold,
            };
        }
        self.tell(Input::Machine(result), dice);
    }

    fn reset(&mut self, truth: &mut Truth, dice: &mut Dice) {
        let approval = match self.motors {
            Some(rseq) => Approval::Delivered {
                rseq,
                after: DELIVERY,
            },
            None => Approval::NotDelivered,
        };
        self.has_session = false;
        self.asked = None;
        self.orders.clear();
        self.end(Machine::Reset(approval), truth, dice);
        self.orders.clear();
        self.tell(Input::Machine(Machine::Enabled), dice);
    }

    /// Everything comes to rest: the machine ends what it is at, and nobody is there.
    pub(crate) fn rest(&mut self, truth: &mut Truth, dice: &mut Dice) -> Result<(), String> {
        for _ in 0..LOOKS_MAX {
            self.sync(usize::MAX, dice);
            if self.life() == Life::Idle && self.orders.is_empty() && self.motors.is_none() {
                return Ok(());
            }
            match (self.orders.pop_front(), self.motors) {
                (Some(order), _) => self.order(order, truth, dice),
                (None, Some(rseq)) => {
                    let after = DELIVERY;
                    self.end(Machine::Succeeded { rseq, after }, truth, dice);
                }
                (None, None) if self.has_session && self.asked.is_none() => {
                    self.tell(Input::Machine(Machine::SessionCompleted), dice);
                    self.pass(Duration::from_secs(1), dice);
                }
                (None, None) => self.pass(Duration::from_secs(7), dice),
            }
        }
        Err(format!("for ever: a board stays {:?}", self.life()))
    }
}

/// The radio.
impl Place {
    pub(crate) fn connect(&mut self, dice: &mut Dice) -> Connection {
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.messages.clear();
        self.tell(Input::Connected(connection), dice);
        connection
    }

    /// A phone links under a secret; none where it is not let in.
    pub(crate) fn link(
        &mut self,
        psk: &Psk,
        caps: u16,
        dice: &mut Dice,
    ) -> Option<(Connection, Link)> {
        let connection = self.connect(dice);
        let hello = Hello1 {
            version: LINK_VERSION,
            caps,
        };
        let ephemeral = Ephemeral::from_bytes(dice.bytes());
        let (waiting, link_1) = Initiator::start(psk, ephemeral, hello).expect("its version");
        self.tell(Input::Heard(connection, link_1), dice);
        let link_2 = self.message(connection, dice)?;
        Some((connection, waiting.finish(&link_2).ok()?))
    }

    /// The board's next message for a connection.
    pub(crate) fn message(&mut self, connection: Connection, dice: &mut Dice) -> Option<Vec<u8>> {
        let at = self
            .messages
            .iter()
            .position(|(to, ..)| *to == connection)?;
        let (to, message, report) = self.messages.remove(at)?;
        if report == Report::Took {
            self.tell(Input::Took(to), dice);
        }
        Some(message)
    }
}

/// What a link is known by at the server.
pub(crate) fn bind_of(link: &Link) -> Bind {
    Bind::from(link.handshake())
}
