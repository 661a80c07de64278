//! One machine with its board: the rules of a real one, on a flash and a bus of memory.

use super::bus::{Bus, News};
use super::client::{Client, StreetFault};
use crate::key::random;
use core::time::Duration;
use gettone_channel::{self as channel, StaticKey};
use gettone_core::board::{Code, Life};
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_core::receipt::ReceiptKind;
use gettone_mdb::vmc::{self, Operator};
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, encode};
use gettone_relay::{
    Connection, Entropy, Flash, Input, Order, Output, Report, Server, Servers, Station,
};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Light that a phone shows before it gives up: about twelve seconds of samples.
const SAMPLES_MAX: usize = 4_000;
/// The longest that anybody waits for one thing, in the street's own time.
const PATIENCE: Duration = Duration::from_secs(90);
/// Words that are on their way have arrived by then.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// What a note is worth that a machine takes, in minor units.
pub(super) const NOTE: u32 = 500;
/// How much cash one grant lets in, in minor units.
const REVALUE_MAX: u32 = 4 * NOTE;

/// What stands in the machines, with prices in minor units.
pub(super) const PRODUCTS: [(u16, &str, u32); 6] = [
    (11, "Espresso", 70),
    (12, "Cappuccino", 110),
    (13, "Tea with lemon", 80),
    (21, "Sparkling water", 60),
    (22, "Hazelnut bar", 130),
    (23, "Crisps", 150),
];
const PLACES: [(&str, &str); 5] = [
    ("Platform 3", "Central station"),
    ("Third floor", "Faculty of letters"),
    ("Staff room", "Saint Anne's hospital"),
    ("Entrance", "Swimming pool"),
    ("Hall B", "Tool factory"),
];

pub(super) struct Board {
    pub(super) number: u32,
    key: [u8; 32],
    servers: Servers,
    station: Station,
    bus: Bus,
    flash: Flash,
    messages: VecDeque<(Connection, Vec<u8>, Report)>,
    connections: u64,
}

impl Board {
    /// Registers a machine with its products, enrols a board for it, and switches both on.
    pub(super) fn install(operator: &Client, number: u32) -> Result<Self, StreetFault> {
        let nth = usize::try_from(number).unwrap_or_default() % PLACES.len();
        let (name, place) = PLACES[nth];
        operator.post(
            "/v1/machines",
            &json!({
                "machine": number, "currency": "EUR", "cap": "5.00", "vends_max": 3,
                "fee_basis_points": 150, "revalue_max": money(REVALUE_MAX),
                "name": name, "place": place,
            }),
        )?;
        for (item, product, price) in PRODUCTS {
            operator.post(
                &format!("/v1/machines/{number}/products"),
                &json!({"item": item, "name": product, "price": money(price)}),
            )?;
        }
        let key: [u8; 32] = random()?;
        let public = StaticKey::from_bytes(key).public();
        let enrolled = operator.post(
            "/v1/readers",
            &json!({
                "public_key": public.to_string(),
                "claim_code": channel::claim_code(&public).to_string(),
                "machine": number,
            }),
        )?;
        let servers = servers(&enrolled).ok_or(StreetFault::Silence("the server's key"))?;
        let mut flash = Flash::new(JournalEpoch::from_bytes(random()?));
        let mut serial = *b"000000000000";
        serial[8..].copy_from_slice(format!("{:04}", number % 10_000).as_bytes());
        let station = start(&mut flash, &key, &servers)?;
        let mut board = Self {
            number,
            key,
            servers,
            station,
            bus: Bus::new(serial),
            flash,
            messages: VecDeque::new(),
            connections: 0,
        };
        board.bus.operate(Operator::PowerUp);
        board.wait("READER ENABLE", |event| matches!(event, vmc::Event::Ready))?;
        Ok(board)
    }

    /// The colours of a code fall on the board's sensor.
    pub(super) fn see(&mut self, code: [u8; 10], seed: u64) -> Result<(), StreetFault> {
        let frames = encode(&Payload::new(Kind::Pairing, code));
        let light = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60);
        let mut decoder = Decoder::new();
        let decoded = light
            .play(&frames)
            .take(SAMPLES_MAX)
            .find_map(|sample| decoder.push(sample))
            .ok_or(StreetFault::Silence("the board to see the light"))?;
        let seen = Code::from_bytes(*decoded.payload.secret());
        self.tell(Input::CodeSeen(seen))
    }

    pub(super) fn connect(&mut self) -> Result<Connection, StreetFault> {
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.forget_messages();
        self.tell(Input::Connected(connection))?;
        Ok(connection)
    }

    /// The street's own time.
    pub(super) fn now(&self) -> Duration {
        self.bus.now()
    }

    /// The next thing that the board says on its link.
    pub(super) fn message(&mut self) -> Option<Vec<u8>> {
        let (to, message, report) = self.messages.pop_front()?;
        if report == Report::Took {
            // A link of memory takes everything at once.
            let _ = self.tell(Input::Took(to));
        }
        Some(message)
    }

    pub(super) fn forget_messages(&mut self) {
        self.messages.clear();
    }

    /// Somebody does something to the machine.
    pub(super) fn operate(&mut self, operator: Operator) -> Result<(), StreetFault> {
        self.bus.operate(operator);
        self.follow()
    }

    /// Lets time pass at the machine until something is seen there.
    pub(super) fn wait(
        &mut self,
        what: &'static str,
        wanted: impl Fn(&vmc::Event) -> bool,
    ) -> Result<vmc::Event, StreetFault> {
        let until = self.bus.now().saturating_add(PATIENCE);
        loop {
            while let Some(event) = self.bus.seen() {
                if wanted(&event) {
                    return Ok(event);
                }
            }
            if self.bus.now() >= until {
                return Err(StreetFault::Silence(what));
            }
            self.pass(until)?;
        }
    }

    /// Lets the last words arrive.
    pub(super) fn settle(&mut self) -> Result<(), StreetFault> {
        self.spend(ON_THE_WAY)?;
        while self.bus.seen().is_some() {}
        Ok(())
    }

    /// Lets so much time pass at the machine.
    pub(super) fn spend(&mut self, span: Duration) -> Result<(), StreetFault> {
        let until = self.bus.now().saturating_add(span);
        while self.bus.now() < until {
            self.pass(until)?;
        }
        Ok(())
    }

    /// Lets time pass until the board is free for the next customer: who has lost their phone may
    /// come back for a while, and the machine's session has to end.
    pub(super) fn rest(&mut self) -> Result<(), StreetFault> {
        let until = self.bus.now().saturating_add(PATIENCE);
        while self.station.life() != Life::Idle || self.bus.vmc_state() != vmc::State::Enabled {
            if self.bus.now() >= until {
                return Err(StreetFault::Silence("the board to be free again"));
            }
            self.pass(until)?;
        }
        self.settle()
    }

    /// The receipt of what was sold last.
    pub(super) fn last_sale(&self) -> Option<Rseq> {
        let kept = self.station.outbox().kept();
        let sold = kept.filter(|written| written.receipt.kind == ReceiptKind::VendOk);
        sold.last().map(|written| written.receipt.rseq)
    }

    /// Receipts that the server is not known to have.
    pub(super) fn receipts_kept(&self) -> usize {
        self.station.outbox().unacked()
    }

    /// Power is cut and comes back while the motors run: what was on flash is what there is, and the
    /// machine finds a board that knows nothing of its vend.
    pub(super) fn cut_power(&mut self) -> Result<(), StreetFault> {
        self.forget_messages();
        self.station = start(&mut self.flash, &self.key, &self.servers)?;
        self.bus.replace_device();
        self.settle()?;
        self.operate(Operator::Dispensed)?;
        self.wait("the machine to find its board again", |event| {
            matches!(event, vmc::Event::Ready)
        })?;
        Ok(())
    }

    fn pass(&mut self, until: Duration) -> Result<(), StreetFault> {
        let due = self.station.next_deadline();
        self.bus.step(due.map_or(until, |due| due.min(until)));
        if due.is_some_and(|due| due <= self.bus.now()) {
            self.tell(Input::Tick)?;
        }
        self.follow()
    }

    /// Tells the board all that the bus has to tell.
    fn follow(&mut self) -> Result<(), StreetFault> {
        while let Some(news) = self.bus.news() {
            self.tell(match news {
                News::Machine(machine) => Input::Machine(machine),
                News::Standing(standing) => Input::Standing(standing),
            })?;
        }
        Ok(())
    }

    /// Tells the board one thing, and does what it asks for.
    pub(super) fn tell(&mut self, input: Input) -> Result<(), StreetFault> {
        let mut waiting = VecDeque::from([input]);
        while let Some(input) = waiting.pop_front() {
            let entropy = Entropy::take(&mut random()?);
            self.station.handle(self.bus.now(), input, entropy);
            while let Some(output) = self.station.poll() {
                match output {
                    Output::Send(to, message, report) => {
                        self.messages.push_back((to, message, report));
                    }
                    Output::Journal(ticket, record) => {
                        self.flash.keep(record);
                        waiting.push_back(Input::Synced(ticket));
                    }
                    Output::KeepServers(servers) => {
                        self.servers = servers;
                        waiting.push_back(Input::ServersKept);
                    }
                    Output::Order(order) => self.order(&order),
                    Output::Note(notice) => {
                        tracing::debug!(machine = self.number, %notice, "board");
                    }
                    Output::Diagnose(id) => {
                        let lines = self.station.report(self.bus.now());
                        waiting.push_back(Input::Diagnosed(id, lines));
                    }
                    // Nobody changes a board's keys here.
                    Output::KeepKeys(_)
                    | Output::Care(_)
                    | Output::Advertise(_)
                    | Output::Hush
                    | Output::Drop(_)
                    | Output::Show(_)
                    | Output::Service(_)
                    | Output::Offer(_)
                    | Output::RoadSend(_)
                    | Output::Withdraw => {}
                }
            }
            while let Some(news) = self.bus.news() {
                waiting.push_back(match news {
                    News::Machine(machine) => Input::Machine(machine),
                    News::Standing(standing) => Input::Standing(standing),
                });
            }
        }
        Ok(())
    }

    fn order(&mut self, order: &Order) {
        self.bus.order(order);
    }
}

fn start(flash: &mut Flash, key: &[u8; 32], servers: &Servers) -> Result<Station, StreetFault> {
    let start = flash.start(StaticKey::from_bytes(*key), servers.clone());
    let broken = |_| StreetFault::Silence("a flash that can be read");
    Ok(Station::new(start.map_err(broken)?))
}

fn servers(enrolled: &Value) -> Option<Servers> {
    let key = enrolled["server_public_key"].as_str()?.parse().ok()?;
    let epoch = u16::try_from(enrolled["server_epoch"].as_u64()?).ok()?;
    Servers::installed(&[Server { epoch, key }])
}

/// An amount of euros as people write it.
pub(super) fn money(minor: u32) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
