//! A whole board with its real journal, and everybody who comes by.

use crate::server::{EPOCH, Server};
use gettone_channel::{
    Bind, CAPS_CARRIES, CallId, Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage,
    Manifest, MdbState, PackageKind, Part, Piece, Secret, StaticKey, TokenKey, VmcId,
};
use gettone_core::board::{Ask, Code, Life, Limits, Machine, Sessions, Stamp, Ticket};
use gettone_core::id::{Item as Selection, JournalEpoch, Order as Made, Rseq};
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;
use gettone_reader::{Journal, Opening};
use gettone_relay::{
    CareOrder, CareStart, Connection, Entropy, Input, KeyRing, Notice, Offer, Order, Output,
    Report, Server as Installed, Servers, Standing, Start, Station, english,
};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Small, so that an hour writes more than the journal keeps.
pub(crate) const SLACK_LEN_MAX: u64 = 8 * 1024;
/// The same for what is kept of acknowledged receipts: two hours of customers leave more.
const LIMITS: Limits = Limits {
    acked_kept_max: 100,
    ..Limits::PROTOCOL
};
const HOUR: Duration = Duration::from_secs(3_600);
/// A customer comes so often.
const EVERY: Duration = Duration::from_secs(120);
const PACKAGE_LEN: usize = 20_000;

/// Whether what a board notices is let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    Kept,
    /// The control: a shell that keeps every line of its log in memory.
    Off,
}

/// What a day brought.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    by_phone: u64,
    by_road: u64,
    by_light: u64,
    strangers: u64,
    packages: u64,
    refused: u64,
}

pub(crate) struct Place {
    directory: PathBuf,
    journal: Journal,
    station: Station,
    server: Server,
    guard: Guard,
    now: Duration,
    random: u64,
    asks: u32,
    connections: u64,
    written: VecDeque<Ticket>,
    orders: VecDeque<Order>,
    messages: VecDeque<(Connection, Vec<u8>, Report)>,
    road: VecDeque<Vec<u8>>,
    installed: Option<(PackageKind, u32)>,
    sign: Option<Offer>,
    noticed: Vec<Notice>,
    tally: Tally,
}

impl Place {
    pub(crate) fn new(directory: &Path, guard: Guard) -> Self {
        let key = StaticKey::from_bytes([3; 32]);
        let tokens = TokenKey::from_bytes([5; 32]);
        let server = Server::new(key.public(), tokens.clone());
        let opening = Opening {
            fresh_epoch: JournalEpoch::from_bytes([9; 8]),
            ending: None,
            stamp: Stamp {
                order: Made {
                    boot: 1,
                    uptime_ms: 0,
                },
                utc: Timestamp::default(),
            },
            limits: LIMITS,
        };
        let (mut journal, _) = Journal::open(directory, &opening).expect("a new journal");
        journal.tidy_beyond(SLACK_LEN_MAX);
        let installed = Installed {
            epoch: EPOCH,
            key: server.key.public(),
        };
        let ring = KeyRing::enrolled(key.clone(), Some(tokens.clone()));
        let station = Station::new(Start {
            reader: ring.reader(),
            key,
            servers: Servers::installed(&[installed]).expect("one key"),
            boot: 1,
            past: journal.past().expect("nothing is open"),
            limits: LIMITS,
            sessions: Sessions::OneVend,
            currency: Currency::EUR,
            scale: 1,
            firmware: 1,
            line: english,
        });
        let station = station.with_keys(ring).with_care(CareStart::default());
        let mut place = Self {
            directory: directory.to_owned(),
            journal,
            station: station.with_tokens(tokens),
            server,
            guard,
            now: Duration::from_secs(1),
            random: 1,
            asks: 0,
            connections: 0,
            written: VecDeque::new(),
            orders: VecDeque::new(),
            messages: VecDeque::new(),
            road: VecDeque::new(),
            installed: None,
            sign: None,
            noticed: Vec::new(),
            tally: Tally::default(),
        };
        place.tell(Input::Standing(Standing {
            mdb_state: MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: VmcId::from_bytes([8; 8]),
        }));
        place.tell(Input::Machine(Machine::Enabled));
        place
    }

    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn journal_len(&self) -> u64 {
        let file = std::fs::metadata(self.directory.join("journal"));
        file.expect("a journal").len()
    }

    /// Everybody was served, and the server has all of it.
    pub(crate) fn is_right(&self) {
        let Tally {
            by_phone,
            by_road,
            by_light,
            strangers,
            packages,
            refused,
        } = self.tally;
        assert!(
            by_phone > 200 && by_road > 100 && by_light > 100,
            "{:?}",
            self.tally
        );
        assert!(strangers > 0 && packages > 2, "{:?}", self.tally);
        assert_eq!(refused, 0, "everybody is served");
        assert_eq!(self.server.sold, by_phone + by_road + by_light);
        assert_eq!(self.station.outbox().unacked(), 0);
    }

    /// An hour of them.
    pub(crate) fn hour(&mut self, hour: u64) {
        let until = self.now + HOUR;
        if hour % 6 == 1 {
            self.technician(u32::try_from(hour).expect("small"));
        }
        let mut visits = 0;
        while self.now + EVERY < until {
            let next = self.now + EVERY;
            match visits % 5 {
                0 => self.by_road(),
                1 => self.by_light(),
                2 => self.stranger(),
                _ => self.by_phone(),
            }
            visits += 1;
            self.cash();
            self.pass_until(next);
        }
        // The road takes away what is left, as it does all day.
        self.fetch();
        self.pass_until(until);
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.random.to_be_bytes()[1]
        })
    }

    fn tell(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            let entropy = Entropy::take(&mut self.bytes());
            self.station.handle(self.now, input, entropy);
            while let Some(output) = self.station.poll() {
                self.follow(output);
            }
            let installed = self.installed.take();
            let installed = installed.map(|(kind, number)| Input::Installed(kind, number));
            let synced = || self.written.pop_front().map(Input::Synced);
            next = installed.or_else(synced);
        }
    }

    fn follow(&mut self, output: Output) {
        match output {
            Output::Send(to, message, report) => self.messages.push_back((to, message, report)),
            Output::Journal(ticket, record) => {
                let kept = self.journal.append_unsynced(&record);
                kept.expect("room");
                self.written.push_back(ticket);
            }
            Output::Order(order) => self.orders.push_back(order),
            Output::RoadSend(envelope) => self.road.push_back(envelope),
            Output::Care(CareOrder::Install(told)) => {
                self.tally.packages += 1;
                self.installed = Some((told.kind(), told.number()));
            }
            Output::Offer(offer) => self.sign = Some(*offer),
            Output::Withdraw => self.sign = None,
            Output::Note(notice) if self.guard == Guard::Off => self.noticed.push(notice),
            _ => {}
        }
    }

    fn pass_until(&mut self, until: Duration) {
        while let Some(due) = self.station.next_deadline()
            && due < until
            && self.now < until
        {
            self.now = self.now.max(due) + Duration::from_millis(1);
            self.tell(Input::Tick);
        }
        self.now = self.now.max(until);
        self.tell(Input::Tick);
    }

    /// The machine sells one thing in the session that it was offered.
    fn sell(&mut self) -> bool {
        let mut has_sold = false;
        while let Some(order) = self.orders.pop_front() {
            match order {
                Order::BeginSession { .. } => {
                    self.tell(Input::Machine(Machine::SessionBegan));
                    self.asks += 1;
                    let ask = Ask::new(self.asks);
                    let (price, item) = (120, Selection::new(23));
                    self.tell(Input::Machine(Machine::Asked { ask, price, item }));
                }
                Order::Approve { rseq, .. } => {
                    has_sold = true;
                    self.delivered(rseq);
                }
                Order::CancelSession => self.tell(Input::Machine(Machine::SessionCompleted)),
                _ => {}
            }
        }
        self.tell(Input::Machine(Machine::Enabled));
        has_sold
    }

    fn delivered(&mut self, rseq: Rseq) {
        let after = Duration::from_secs(4);
        self.tell(Input::Machine(Machine::Succeeded { rseq, after }));
    }

    fn cash(&mut self) {
        let item = Selection::new(7);
        self.tell(Input::Machine(Machine::CashSold { item, price: 90 }));
    }

    /// Somebody links, with these capabilities.
    fn link(&mut self, caps: u16) -> Option<(Connection, Link)> {
        let code: [u8; 10] = self.bytes();
        self.tell(Input::CodeSeen(Code::from_bytes(code)));
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.tell(Input::Connected(connection));
        let hello = Hello1 {
            version: LINK_VERSION,
            caps,
        };
        let ephemeral = Ephemeral::from_bytes(self.bytes());
        let psk = Secret::light(code).psk();
        let (waiting, link_1) = Initiator::start(&psk, ephemeral, hello).expect("its version");
        self.tell(Input::Heard(connection, link_1));
        let link_2 = self.message(connection)?;
        Some((
            connection,
            waiting.finish(&link_2).expect("the same secret"),
        ))
    }

    fn message(&mut self, connection: Connection) -> Option<Vec<u8>> {
        let (to, message, report) = self.messages.pop_front()?;
        assert_eq!(to, connection, "nobody else is spoken to");
        if report == Report::Took {
            self.tell(Input::Took(to));
        }
        Some(message)
    }

    /// Carries what the board says, and brings what the server answers, until nothing more comes.
    fn carry(&mut self, connection: Connection, link: &mut Link, wanted: Option<Bind>) {
        while let Some(message) = self.message(connection) {
            let opened = link.open(&message).expect("sealed by the board");
            let answers = match opened {
                LinkMessage::Envelope(envelope) => {
                    let answer = self.server.take(&envelope, wanted, self.now);
                    answer.into_iter().map(LinkMessage::Envelope).collect()
                }
                LinkMessage::Want(want) => self.pieces(want),
                _ => Vec::new(),
            };
            for answer in answers {
                self.say(connection, link, &answer);
            }
        }
    }

    fn pieces(&self, want: gettone_channel::Want) -> Vec<LinkMessage> {
        let (content, manifest) = package(want.version);
        let whole = match want.part {
            Part::Manifest => manifest.to_bytes(),
            Part::Content => content,
        };
        let indices = want.first..want.first + u32::from(want.count);
        let pieces = indices.filter_map(|at| Piece::of(want.version, want.part, at, &whole));
        pieces.map(LinkMessage::Piece).collect()
    }

    fn say(&mut self, connection: Connection, link: &mut Link, message: &LinkMessage) {
        let sealed = link.seal(message).expect("it travels this way");
        self.tell(Input::Heard(connection, sealed));
    }

    fn by_phone(&mut self) {
        let Some((connection, mut link)) = self.link(0) else {
            self.tally.refused += 1;
            return;
        };
        let bind = Bind::from(link.handshake());
        self.carry(connection, &mut link, Some(bind));
        match self.sell() {
            true => self.tally.by_phone += 1,
            false => self.tally.refused += 1,
        }
        self.carry(connection, &mut link, None);
        self.say(connection, &mut link, &LinkMessage::Leave);
        self.tell(Input::Disconnected(connection));
        self.messages.clear();
    }

    /// The road comes up, has fallen before, and stays for one customer who types.
    fn by_road(&mut self) {
        self.tell(Input::RoadUp);
        self.fetch();
        let id = CallId::from_bytes(self.bytes());
        let called = self.server.call(id);
        self.tell(Input::RoadHeard(called));
        self.fetch_for(Some(Bind::of_call(id)));
        match self.sell() {
            true => self.tally.by_road += 1,
            false => self.tally.refused += 1,
        }
        self.fetch();
        self.tell(Input::RoadDown);
        self.road.clear();
    }

    fn fetch(&mut self) {
        self.fetch_for(None);
    }

    fn fetch_for(&mut self, wanted: Option<Bind>) {
        while let Some(envelope) = self.road.pop_front() {
            self.tell(Input::RoadTook);
            if let Some(answer) = self.server.take(&envelope, wanted, self.now) {
                self.tell(Input::RoadHeard(answer));
            }
        }
    }

    fn by_light(&mut self) {
        let Some(code) = self.sign.as_ref().map(|offer| offer.link.clone()) else {
            self.tally.refused += 1;
            return;
        };
        let light = self.server.light(&code);
        self.tell(Input::LightSeen(light));
        match self.sell() {
            true => self.tally.by_light += 1,
            false => self.tally.refused += 1,
        }
    }

    fn stranger(&mut self) {
        self.tally.strangers += 1;
        let code: [u8; 10] = self.bytes();
        self.tell(Input::CodeSeen(Code::from_bytes(code)));
        for _ in 0..3 {
            self.connections += 1;
            let connection = Connection::new(self.connections);
            self.tell(Input::Connected(connection));
            let junk = self.bytes::<51>().to_vec();
            self.tell(Input::Heard(connection, junk));
        }
        self.tell(Input::RoadHeard(vec![7; 200]));
        self.messages.clear();
        assert_eq!(self.station.life(), Life::Idle, "three tries end a code");
    }

    fn technician(&mut self, version: u32) {
        self.server.package = Some(package(version).1.config());
        let Some((connection, mut link)) = self.link(CAPS_CARRIES) else {
            self.tally.refused += 1;
            return;
        };
        self.carry(connection, &mut link, None);
        self.say(connection, &mut link, &LinkMessage::Leave);
        self.tell(Input::Disconnected(connection));
        self.messages.clear();
    }
}

fn package(version: u32) -> (Vec<u8>, Manifest) {
    let salt = usize::try_from(version).expect("small");
    let content = (0..PACKAGE_LEN).map(|at| (at * 13 + salt + at / 251) as u8);
    let content: Vec<u8> = content.collect();
    let manifest = Manifest::of(PackageKind::Configuration, version, &content);
    (content, manifest.expect("bounded"))
}
