//! A station with a phone and a server of nothing but the channel crate, all in memory: what they
//! say reaches the other side at once, flash syncs when the test says so.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{
    Ephemeral, Header, Hello1, Initiator, Item, LINK_VERSION, Link, LinkMessage, ReceiptKind,
    ResumeSecret, Secret, StaticKey, Status,
};
use gettone_core::board::{Code, Limits, Machine, Record, Ticket};
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_core::money::{Amount, Currency};
use gettone_core::receipt::{Receipt, ReceiptKind as CoreKind};
use gettone_core::time::Timestamp;
use gettone_relay::{
    CareOrder, Connection, Entropy, Flash, Granted, Input, KeyRing, Letter, Notice, Offer, Order,
    Output, Reply, Report, Server, Servers, Showing, Standing, Start, Station, Verdict, chain_in,
    chain_of, epoch_in, reader_in, reply_out,
};
use std::collections::{BTreeMap, VecDeque};

pub(crate) const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
pub(crate) const EPOCH: JournalEpoch = JournalEpoch::from_bytes([9; 8]);
const READER: [u8; 32] = [3; 32];

/// Numbers that are random enough for a test, and the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.0.to_be_bytes()[1]
        })
    }
}

/// The board and everything that it asked for and nobody has taken yet.
pub(crate) struct Street {
    pub(crate) station: Station,
    pub(crate) now: Duration,
    pub(crate) dice: Dice,
    pub(crate) flash: Flash,
    pub(crate) unsynced: VecDeque<Ticket>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) messages: VecDeque<(Connection, Vec<u8>, Report)>,
    pub(crate) door: Option<channel::Eid>,
    pub(crate) dropped: Vec<Connection>,
    pub(crate) shown: Vec<Showing>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) kept: Option<Servers>,
    /// What goes by the board's own road.
    pub(crate) road: VecDeque<Vec<u8>>,
    /// What is to be done with packages.
    pub(crate) care: Vec<CareOrder>,
    /// The reports that it is to make.
    pub(crate) diagnose: Vec<u32>,
    /// The reader's own keys, to be written.
    pub(crate) ring: Option<KeyRing>,
    /// The code on show.
    pub(crate) code: Option<Offer>,
    connections: u64,
}

impl Street {
    pub(crate) fn new(server: &Book) -> Self {
        Self::with(server, Limits::PROTOCOL)
    }

    pub(crate) fn with(server: &Book, limits: Limits) -> Self {
        Self::laden(server, limits, 1)
    }

    /// A board whose journal holds so many receipts that no server has heard of.
    pub(crate) fn laden(server: &Book, limits: Limits, count: u64) -> Self {
        let installed = Server {
            epoch: server.epoch,
            key: server.key.public(),
        };
        let servers = Servers::installed(&[installed]).expect("one key");
        let start = |flash: &mut Flash| {
            let key = StaticKey::from_bytes(READER);
            flash.start(key, servers.clone()).expect("it can be read")
        };
        let mut flash = Flash::new(EPOCH);
        let mut first = start(&mut flash);
        if count > 1 {
            lade(&mut flash, count);
            first = start(&mut flash);
        }
        let station = Station::new(Start {
            limits,
            firmware: 0x0102_0003,
            ..first
        });
        let mut street = Self {
            station,
            now: Duration::from_secs(1),
            dice: Dice(1),
            flash,
            unsynced: VecDeque::new(),
            orders: VecDeque::new(),
            messages: VecDeque::new(),
            door: None,
            dropped: Vec::new(),
            shown: Vec::new(),
            notices: Vec::new(),
            kept: None,
            road: VecDeque::new(),
            ring: None,
            care: Vec::new(),
            diagnose: Vec::new(),
            code: None,
            connections: 0,
        };
        street.begin();
        street
    }

    /// The board starts again, with these keys on its flash.
    pub(crate) fn restart_with(&mut self, server: &Book, ring: KeyRing) {
        let installed = Server {
            epoch: server.epoch,
            key: server.key.public(),
        };
        let servers = Servers::installed(&[installed]).expect("one key");
        let start = self.flash.start(ring.key().clone(), servers);
        let start = Start {
            reader: ring.reader(),
            ..start.expect("it can be read")
        };
        self.station = Station::new(start).with_keys(ring);
        self.messages.clear();
        self.unsynced.clear();
        self.ring = None;
        self.begin();
    }

    /// The machine is there, and ready.
    fn begin(&mut self) {
        self.tell(Input::Standing(Standing {
            mdb_state: channel::MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: channel::VmcId::from_bytes([8; 8]),
        }));
        self.tell(Input::Machine(Machine::Enabled));
    }

    /// The same board, which shows codes.
    pub(crate) fn with_tokens(self, key: channel::TokenKey) -> Self {
        Self {
            station: self.station.with_tokens(key),
            ..self
        }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        let entropy = Entropy::take(&mut self.dice.bytes());
        self.station.handle(self.now, input, entropy);
        while let Some(output) = self.station.poll() {
            match output {
                Output::Advertise(eid) => self.door = Some(eid),
                Output::Hush => self.door = None,
                Output::Drop(connection) => self.dropped.push(connection),
                Output::Send(to, message, report) => self.messages.push_back((to, message, report)),
                Output::Journal(ticket, record) => {
                    self.flash.keep(record);
                    self.unsynced.push_back(ticket);
                }
                Output::KeepServers(servers) => self.kept = Some(servers),
                Output::KeepKeys(ring) => self.ring = Some(*ring),
                Output::Care(order) => self.care.push(order),
                Output::Diagnose(id) => self.diagnose.push(id),
                Output::Order(order) => self.orders.push_back(order),
                Output::Show(showing) => self.shown.push(showing),
                Output::Note(notice) => self.notices.push(notice),
                Output::Offer(offer) => self.code = Some(*offer),
                Output::Withdraw => self.code = None,
                Output::RoadSend(envelope) => self.road.push_back(envelope),
                Output::Service(_) => {}
            }
        }
    }

    pub(crate) fn machine(&mut self, machine: Machine) {
        self.tell(Input::Machine(machine));
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.tell(Input::Tick);
    }

    /// Syncs all that was written, one record after the other.
    pub(crate) fn sync(&mut self) {
        while let Some(ticket) = self.unsynced.pop_front() {
            self.tell(Input::Synced(ticket));
        }
    }

    pub(crate) fn order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    pub(crate) fn connect(&mut self) -> Connection {
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.tell(Input::Connected(connection));
        connection
    }

    /// A phone shows its code and links.
    pub(crate) fn link(&mut self) -> Phone {
        self.tell(Input::CodeSeen(Code::from_bytes(CODE)));
        Phone::link(self, &Secret::light(CODE).psk())
    }

    /// All that the board sends by its own road, each taken before the next.
    pub(crate) fn by_road(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(envelope) = self.road.pop_front() {
            sent.push(envelope);
            self.tell(Input::RoadTook);
        }
        sent
    }

    /// The next message of the board for `connection`.
    pub(crate) fn message(&mut self, connection: Connection) -> Option<Vec<u8>> {
        let (to, message, report) = self.messages.pop_front()?;
        assert_eq!(to, connection, "nobody else is spoken to");
        if report == Report::Took {
            self.tell(Input::Took(to));
        }
        Some(message)
    }
}

/// Receipts up to this number, of vends that failed.
fn lade(flash: &mut Flash, count: u64) {
    let Some(Record::Receipt(mut before)) = flash.records().last().copied() else {
        panic!("a journal begins with a receipt");
    };
    for rseq in 2..=count {
        before.receipt = Receipt {
            rseq: Rseq::new(rseq),
            kind: CoreKind::VendFail,
            prev: before.receipt.chain,
            ..before.receipt
        };
        before.receipt.chain = chain_of(&before);
        flash.keep(Record::Receipt(before));
    }
}

/// A phone, which reads what it is meant to read and carries the rest.
pub(crate) struct Phone {
    pub(crate) connection: Connection,
    pub(crate) link: Link,
    pub(crate) statuses: Vec<Status>,
    pub(crate) resume: Option<ResumeSecret>,
    /// What the board wants of a package.
    pub(crate) wants: Vec<channel::Want>,
}

impl Phone {
    pub(crate) fn link(street: &mut Street, psk: &channel::Psk) -> Self {
        Self::link_as(street, psk, 0)
    }

    /// A phone with these capabilities.
    pub(crate) fn link_as(street: &mut Street, psk: &channel::Psk, caps: u16) -> Self {
        let connection = street.connect();
        let hello = Hello1 {
            version: LINK_VERSION,
            caps,
        };
        let ephemeral = Ephemeral::from_bytes(street.dice.bytes());
        let (waiting, link_1) = Initiator::start(psk, ephemeral, hello).expect("its version");
        street.tell(Input::Heard(connection, link_1));
        let link_2 = street.message(connection).expect("Link 2");
        Self {
            connection,
            link: waiting.finish(&link_2).expect("the same secret"),
            statuses: Vec::new(),
            resume: None,
            wants: Vec::new(),
        }
    }

    /// Takes all that the board says; gives the envelopes.
    pub(crate) fn envelopes(&mut self, street: &mut Street) -> Vec<Vec<u8>> {
        let mut envelopes = Vec::new();
        while let Some(sealed) = street.message(self.connection) {
            match self.link.open(&sealed).expect("sealed by the board") {
                LinkMessage::Envelope(envelope) => envelopes.push(envelope),
                LinkMessage::Status(status) => {
                    self.resume = status.resume.clone().or(self.resume.take());
                    self.statuses.push(status);
                }
                LinkMessage::Want(want) => self.wants.push(want),
                other => panic!("a board never says {other:?}"),
            }
        }
        envelopes
    }

    pub(crate) fn say(&mut self, street: &mut Street, message: &LinkMessage) {
        let sealed = self.link.seal(message).expect("it travels this way");
        street.tell(Input::Heard(self.connection, sealed));
    }

    pub(crate) fn bring(&mut self, street: &mut Street, envelope: Vec<u8>) {
        self.say(street, &LinkMessage::Envelope(envelope));
    }

    /// Carries everything to the server.
    pub(crate) fn carry(&mut self, street: &mut Street, server: &mut Book) {
        for envelope in self.envelopes(street) {
            server.record(&envelope);
        }
    }
}

/// The server's books, as far as one reader sees them.
pub(crate) struct Book {
    pub(crate) key: StaticKey,
    pub(crate) epoch: u16,
    pub(crate) letter: Option<Letter>,
    pub(crate) receipts: BTreeMap<u64, channel::Receipt>,
    /// Under which of its epochs each envelope came.
    pub(crate) epochs: Vec<u16>,
    sealed: u64,
}

impl Book {
    pub(crate) fn new() -> Self {
        Self {
            key: StaticKey::from_bytes([4; 32]),
            epoch: 1,
            letter: None,
            receipts: BTreeMap::new(),
            epochs: Vec::new(),
            sealed: 0,
        }
    }

    pub(crate) fn record(&mut self, envelope: &[u8]) {
        let reader = StaticKey::from_bytes(READER).public();
        let (header, items) =
            channel::open(envelope, &self.key, &reader).expect("sealed by the reader");
        self.epochs.push(header.server_epoch);
        let letter = Letter::of(items).expect("an honest reader");
        for receipt in &letter.receipts {
            let before = self.receipts.insert(receipt.rseq, *receipt);
            assert!(
                before.is_none_or(|before| before == *receipt),
                "one content"
            );
        }
        if letter.hello.is_some() {
            self.letter = Some(letter);
        }
    }

    pub(crate) fn hello(&self) -> &channel::Hello {
        let letter = self.letter.as_ref().expect("a letter");
        letter.hello.as_ref().expect("with a HELLO")
    }

    /// ACK and TIME, with this verdict on the last HELLO.
    pub(crate) fn answer(&mut self, verdict: Verdict) -> Vec<u8> {
        let letter = self.letter.clone().expect("a letter");
        let (upto, newest) = self.recorded();
        let reply = Reply {
            reader: reader_in(channel::reader_id(&StaticKey::from_bytes(READER).public())),
            currency: Currency::EUR,
            ack: Some((
                epoch_in(letter.epoch),
                upto,
                chain_in(channel::Chain::of(newest)),
            )),
            noticed: None,
            lock: None,
            verdict,
            now: Timestamp::from_millis(1_800_000_000_000),
        };
        let items = reply_out(&letter, &reply);
        self.seal(&items)
    }

    /// The last receipt before the first gap: a result that came ahead of its row is none of it.
    fn recorded(&self) -> (u64, &channel::Receipt) {
        let row = (1..).zip(&self.receipts);
        let row = row.take_while(|(place, (rseq, _))| place == *rseq);
        let (upto, (_, receipt)) = row.last().expect("the first receipt");
        (upto, receipt)
    }

    pub(crate) fn grant(&mut self, held: i64, vends_max: u8) -> Vec<u8> {
        self.answer(Verdict::Granted(Granted {
            held: Amount::from_minor(held),
            vends_max,
            revalue_max: Amount::ZERO,
            balance: Amount::from_minor(held * 2),
            ttl: Duration::from_secs(300),
            favourite: None,
        }))
    }

    pub(crate) fn seal(&mut self, items: &[Item]) -> Vec<u8> {
        let epoch = self.epochs.last().copied().unwrap_or(self.epoch);
        self.seal_under(epoch, items)
    }

    pub(crate) fn seal_under(&mut self, server_epoch: u16, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let reader = StaticKey::from_bytes(READER).public();
        let header = Header {
            direction: channel::Direction::ToReader,
            server_epoch,
            reader_id: channel::reader_id(&reader),
            sequence: self.sealed,
        };
        let mut random = [0x77; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let ephemeral = Ephemeral::from_bytes(random);
        channel::seal(header, &self.key, &reader, ephemeral, items).expect("items of this road")
    }

    pub(crate) fn kinds(&self) -> Vec<ReceiptKind> {
        self.receipts.values().map(|receipt| receipt.kind).collect()
    }
}
