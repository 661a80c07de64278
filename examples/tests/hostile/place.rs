//! A whole board with its machine, its flash and its sign.

mod machine;
mod radio;

use crate::books::{Done, Truth};
use crate::dice::Dice;
use crate::shelf::Shelf;
use crate::street::Guards;
use core::time::Duration;
use gettone::core::board::{Ask, Life, Machine, Record, Ticket};
use gettone::core::id::{JournalEpoch, MachineId, Rseq};
use gettone::core::receipt::ReceiptKind;
use gettone_channel::{self as channel, Bind, Eid, Link, MdbState, StaticKey, TokenKey, VmcId};
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
        let shelf = Shelf::new(ring, servers.expect("one key"), guards);
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
        while self.shelf.programs.installing.is_some() {
            if let Some(installed) = self.shelf.programs.installed(dice) {
                self.tell(installed, dice);
            } else if most < usize::MAX {
                break;
            }
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
        self.cuts += 1;
        self.start_again(truth, dice);
    }

    /// Where nobody is served, a program may end: for a newer one, or because it is no good. Says
    /// whether it did.
    pub(crate) fn renew(&mut self, truth: &mut Truth, dice: &mut Dice) -> bool {
        let is_busy = self.has_session || self.motors.is_some() || !self.orders.is_empty();
        if self.life() != Life::Idle || is_busy || !self.shelf.programs.is_over(dice) {
            return false;
        }
        self.sync(usize::MAX, dice);
        self.start_again(truth, dice);
        true
    }

    fn start_again(&mut self, truth: &mut Truth, dice: &mut Dice) {
        self.unsynced.clear();
        self.shelf.cut(dice);
        self.shelf.programs.choose();
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
        firmware: shelf.programs.number(),
        ..start.expect("its own journal can be read")
    };
    let tokens = ring.token().cloned().expect("every board shows codes");
    let station = Station::new(start).with_keys(ring).with_care(shelf.start());
    station.with_tokens(tokens)
}

/// What a link is known by at the server.
pub(crate) fn bind_of(link: &Link) -> Bind {
    Bind::from(link.handshake())
}
