//! A phone between a real board and a server of the channel's own parts, all in memory: radio, light, flash and network
//! do what they are told at once, unless the test cuts them off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::time::Duration;
use gettone_channel::{
    self as channel, Assembler, Chain, Ephemeral, Header, Item, Mtu, Receipt, Secret, ServiceUuid,
    StaticKey, Status, segments,
};
use gettone_core::board::{Ask, Code, Machine};
use gettone_core::id::{self, JournalEpoch};
use gettone_core::money::{Amount, Currency};
use gettone_core::time::Timestamp;
use gettone_phone::{Asker, News, Phase, Phone, Request, Told};
use gettone_relay as relay;
use gettone_relay::{
    Connection, Entropy, Flash, Granted, Letter, Order, Reply, Report, Server, Servers, Standing,
    Station, Verdict, chain_in, epoch_in, reader_in, reply_out,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

const MTU: u16 = 100;
pub(crate) const PRICE: u32 = 120;

/// What works just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Works {
    Well,
    NotAtAll,
    /// Of a server: it answers with this status.
    With(u16),
}

pub(crate) struct Street {
    pub(crate) phone: Phone,
    pub(crate) station: Station,
    pub(crate) book: Book,
    pub(crate) now: Duration,
    pub(crate) radio: Works,
    pub(crate) network: Works,
    pub(crate) news: Vec<News>,
    pub(crate) requests: Vec<Request>,
    pub(crate) orders: VecDeque<Order>,
    /// Values that the reader has notified.
    pub(crate) notified: usize,
    /// Which of them loses which bit on its way.
    pub(crate) flipped: Option<(usize, usize)>,
    dice: u64,
    sought: Option<ServiceUuid>,
    door: Option<ServiceUuid>,
    connection: Option<Connection>,
    connections: u64,
    heard: Assembler,
}

impl Street {
    pub(crate) fn new() -> Self {
        let book = Book::default();
        let servers = Servers::installed(&[Server {
            epoch: 1,
            key: book.key().public(),
        }]);
        let mut flash = Flash::new(JournalEpoch::from_bytes([9; 8]));
        let start = flash.start(reader(), servers.expect("one key"));
        let mut street = Self {
            phone: Phone::default(),
            station: Station::new(start.expect("an empty journal")),
            book,
            now: Duration::from_secs(1),
            radio: Works::Well,
            network: Works::Well,
            news: Vec::new(),
            requests: Vec::new(),
            orders: VecDeque::new(),
            notified: 0,
            flipped: None,
            dice: 1,
            sought: None,
            door: None,
            connection: None,
            connections: 0,
            heard: Assembler::new(),
        };
        street.board(relay::Input::Standing(Standing {
            mdb_state: channel::MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: channel::VmcId::from_bytes([8; 8]),
        }));
        street.machine(Machine::Enabled);
        street
    }

    /// The customer shows a light, and everything that follows happens.
    pub(crate) fn tap(&mut self) {
        let code: [u8; 10] = self.bytes();
        self.phone(gettone_phone::Input::Show(Secret::light(code)));
        self.board(relay::Input::CodeSeen(Code::from_bytes(code)));
        self.meet();
    }

    /// The machine sells one product.
    pub(crate) fn vend(&mut self) {
        self.ask();
        let Some(Order::Approve { rseq, .. }) = self.last_order() else {
            panic!("it may vend");
        };
        self.machine(Machine::Succeeded {
            rseq,
            after: Duration::from_secs(3),
        });
    }

    /// The machine has begun its session, and asks.
    pub(crate) fn ask(&mut self) {
        self.machine(Machine::SessionBegan);
        self.machine(Machine::Asked {
            ask: Ask::new(1),
            price: PRICE,
            item: id::Item::new(7),
        });
    }

    /// The session of the machine ends as it should.
    pub(crate) fn complete(&mut self) {
        self.machine(Machine::SessionCompleted);
    }

    pub(crate) fn last_order(&mut self) -> Option<Order> {
        self.orders.pop_back()
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.phone(gettone_phone::Input::Tick);
        self.board(relay::Input::Tick);
        self.meet();
    }

    /// The connection breaks; nobody hung up.
    pub(crate) fn break_link(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.board(relay::Input::Disconnected(connection));
            self.phone(gettone_phone::Input::Disconnected);
        }
    }

    /// Who looks for the name on the air finds it.
    pub(crate) fn meet(&mut self) {
        let is_found = self.sought.is_some() && self.sought == self.door;
        if !is_found || self.connection.is_some() || self.radio != Works::Well {
            return;
        }
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.connection = Some(connection);
        self.heard = Assembler::new();
        self.board(relay::Input::Connected(connection));
        let ephemeral = Ephemeral::from_bytes(self.bytes());
        let mtu = Mtu::new(MTU).expect("allowed");
        self.phone(gettone_phone::Input::Connected { mtu, ephemeral });
    }

    pub(crate) fn machine(&mut self, machine: Machine) {
        self.board(relay::Input::Machine(machine));
    }

    pub(crate) fn phone(&mut self, input: gettone_phone::Input) {
        let now = self.now;
        self.phone.handle(now, input);
        let outputs: Vec<_> = core::iter::from_fn(|| self.phone.poll()).collect();
        for output in outputs {
            match output {
                gettone_phone::Output::Seek(name) => self.sought = Some(name),
                gettone_phone::Output::Rest => self.sought = None,
                gettone_phone::Output::Write(value) => self.written(&value),
                gettone_phone::Output::HangUp => {
                    if let Some(connection) = self.connection.take() {
                        self.board(relay::Input::Disconnected(connection));
                    }
                }
                gettone_phone::Output::Ask(request) => self.asked(request),
                gettone_phone::Output::Keep => {}
                gettone_phone::Output::News(news) => self.news.push(news),
            }
        }
    }

    fn written(&mut self, value: &[u8]) {
        let whole = self.heard.push(value).expect("a phone writes well");
        if let (Some(message), Some(connection)) = (whole, self.connection) {
            self.board(relay::Input::Heard(connection, message));
        }
    }

    fn asked(&mut self, request: Request) {
        self.requests.push(request.clone());
        let answer = match (self.network, request.asker) {
            (Works::NotAtAll, _) => gettone_phone::Input::Unanswered,
            (Works::With(401), Asker::Nobody) | (Works::Well, _) => {
                gettone_phone::Input::Answered {
                    status: 200,
                    body: self.book.relay(&request.body).into_bytes(),
                }
            }
            (Works::With(status), _) => gettone_phone::Input::Answered {
                status,
                body: b"no".to_vec(),
            },
        };
        self.phone(answer);
    }

    pub(crate) fn board(&mut self, input: relay::Input) {
        let mut waiting = VecDeque::from([input]);
        let mut said = Vec::new();
        while let Some(input) = waiting.pop_front() {
            let entropy = Entropy::take(&mut self.bytes());
            self.station.handle(self.now, input, entropy);
            while let Some(output) = self.station.poll() {
                match output {
                    relay::Output::Advertise(eid) => {
                        self.door = Some(ServiceUuid::for_eid(eid.as_bytes()));
                    }
                    relay::Output::Hush => self.door = None,
                    relay::Output::Journal(ticket, _) => {
                        waiting.push_back(relay::Input::Synced(ticket));
                    }
                    relay::Output::Send(to, message, report) => {
                        if report == Report::Took {
                            waiting.push_back(relay::Input::Took(to));
                        }
                        said.push(Some(message));
                    }
                    relay::Output::Drop(_) => said.push(None),
                    relay::Output::Order(order) => self.orders.push_back(order),
                    _ => {}
                }
            }
        }
        for message in said {
            self.heard_by_phone(message);
        }
    }

    /// A message, or the end of the connection.
    fn heard_by_phone(&mut self, message: Option<Vec<u8>>) {
        if self.connection.is_none() {
            return;
        }
        let Some(message) = message else {
            self.connection = None;
            return self.phone(gettone_phone::Input::Disconnected);
        };
        for mut value in segments(&message, Mtu::new(MTU).expect("allowed")).expect("short") {
            if let Some((_, bit)) = self.flipped.filter(|(nth, _)| *nth == self.notified) {
                let at = (bit / 8) % value.len();
                value[at] ^= 1 << (bit % 8);
            }
            self.notified += 1;
            self.phone(gettone_phone::Input::Value(value));
        }
    }

    /// Numbers that are random enough for a test, and the same each time.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| {
            self.dice = self
                .dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.dice.to_be_bytes()[1]
        })
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        let phases = self.news.iter().filter_map(|news| match news {
            News::Phase(phase) => Some(*phase),
            _ => None,
        });
        phases.collect()
    }

    pub(crate) fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.news.iter().filter_map(|news| match news {
            News::Status(status) => Some(status),
            _ => None,
        })
    }

    pub(crate) fn told(&self) -> impl Iterator<Item = &Told> {
        self.news.iter().filter_map(|news| match news {
            News::Told(told) => Some(&**told),
            _ => None,
        })
    }
}

fn reader() -> StaticKey {
    StaticKey::from_bytes([3; 32])
}

/// The server's books, as far as one reader sees them.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) receipts: BTreeMap<u64, Receipt>,
    pub(crate) grants: Vec<[u8; 16]>,
    /// So many relays from now on are not finished.
    pub(crate) unfinished: u32,
    sealed: u64,
}

impl Book {
    fn key(&self) -> StaticKey {
        StaticKey::from_bytes([4; 32])
    }

    pub(crate) fn relay(&mut self, body: &str) -> String {
        let carried: Value = serde_json::from_str(body).expect("a phone speaks JSON");
        let (mut envelopes, mut results) = (Vec::new(), Vec::new());
        for text in carried["envelopes"].as_array().expect("a list") {
            let envelope = BASE64.decode(text.as_str().expect("text")).expect("base64");
            let (reply, outcome) = self.one(&envelope, carried["h"].as_str());
            envelopes.extend(reply.map(|reply| BASE64.encode(reply)));
            results.push(json!({"outcome": outcome, "recorded": self.recorded().0, "new": 1}));
        }
        json!({"envelopes": envelopes, "results": results}).to_string()
    }

    fn one(&mut self, envelope: &[u8], h: Option<&str>) -> (Option<Vec<u8>>, &'static str) {
        let opened = channel::open(envelope, &self.key(), &reader().public());
        let (_, items) = opened.expect("a phone changes nothing");
        let letter = Letter::of(items).expect("an honest reader");
        for receipt in &letter.receipts {
            self.receipts.insert(receipt.rseq, *receipt);
        }
        if self.unfinished > 0 && letter.hello.is_some() {
            self.unfinished -= 1;
            return (None, "unfinished");
        }
        let bound = letter
            .hello
            .filter(|hello| h == Some(&*hello.bind.to_string()));
        let verdict = match bound {
            Some(hello) => {
                if !self.grants.contains(hello.nonce.as_bytes()) {
                    self.grants.push(*hello.nonce.as_bytes());
                }
                Verdict::Granted(Granted {
                    held: Amount::from_minor(500),
                    vends_max: 3,
                    revalue_max: Amount::ZERO,
                    balance: Amount::from_minor(900),
                    ttl: Duration::from_secs(300),
                    favourite: None,
                })
            }
            None => Verdict::Nothing,
        };
        let (upto, chain) = self.recorded();
        let items = reply_out(
            &letter,
            &Reply {
                reader: reader_in(channel::reader_id(&reader().public())),
                currency: Currency::EUR,
                ack: Some((epoch_in(letter.epoch), upto, chain_in(chain))),
                noticed: None,
                lock: None,
                verdict,
                now: Timestamp::from_millis(1_800_000_000_000),
            },
        );
        let outcome = if bound.is_some() {
            "granted"
        } else {
            "recorded"
        };
        (Some(self.seal(&items)), outcome)
    }

    /// Up to the first gap.
    fn recorded(&self) -> (u64, Chain) {
        let row = (1..).zip(&self.receipts);
        let last = row.take_while(|(place, (rseq, _))| place == *rseq).last();
        last.map_or((0, Chain::from_bytes([0; 8])), |(place, (_, receipt))| {
            (place, Chain::of(receipt))
        })
    }

    fn seal(&mut self, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let mut random = [0x77; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let header = Header {
            direction: channel::Direction::ToReader,
            server_epoch: 1,
            reader_id: channel::reader_id(&reader().public()),
            sequence: self.sealed,
        };
        let ephemeral = Ephemeral::from_bytes(random);
        let to = reader().public();
        channel::seal(header, &self.key(), &to, ephemeral, items).expect("it fits")
    }
}
