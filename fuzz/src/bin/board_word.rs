//! A whole board between phones, its own road, its machine and its flash, all of which say anything: behind a valid
//! seal of the server, behind a valid link, and without either. Nothing panics, nothing is approved whose INTENT is not
//! synced or that no grant covers, and an ACK covers nothing that is not there.
#![cfg_attr(fuzzing, no_main)]

use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{
    Direction, Ephemeral, Header, Hello, Hello1, Initiator, Item, LINK_VERSION, Link, LinkMessage,
    MdbState, PackageKind, Part, Piece, Psk, Secret, StaticKey, TokenKey, VmcId, decode,
};
use gettone_core::board::{Approval, Ask, Code, Machine, Record, Ticket};
use gettone_core::id::{Item as Selection, JournalEpoch, Rseq};
use gettone_fuzz::{Tape, target};
use gettone_relay::{
    CareStart, Connection, Entropy, FirmwareStart, Flash, Input, KeyRing, Order, Output, Report,
    Server, Servers, Standing, Station,
};
use std::collections::VecDeque;

const CODE: [u8; 10] = [7; 10];
/// Moves of one run: a station's bounds are told by `adapters/relay/tests/flood.rs`.
const MOVES_MAX: usize = 400;

struct Street {
    station: Station,
    flash: Flash,
    now: Duration,
    random: u8,
    server: StaticKey,
    unsynced: VecDeque<Ticket>,
    synced: usize,
    messages: VecDeque<(Connection, Vec<u8>, Report)>,
    connection: u64,
    link: Option<Link>,
    hello: Option<Hello>,
    /// The last question, and the last approval.
    asked: u32,
    approved: u64,
    sealed: u64,
}

fn kind(tape: &mut Tape<'_>) -> PackageKind {
    tape.one_of(PackageKind::ALL)
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut street = Street::new();
    for _ in 0..MOVES_MAX {
        if tape.is_over() {
            break;
        }
        street.step(&mut tape);
        let outbox = street.station.outbox();
        assert!(outbox.acked() <= outbox.newest());
    }
}

impl Street {
    fn new() -> Self {
        let key = StaticKey::from_bytes([3; 32]);
        let tokens = TokenKey::from_bytes([5; 32]);
        let ring = KeyRing::enrolled(key.clone(), Some(tokens.clone()));
        let ring = ring
            .begun(
                StaticKey::from_bytes([6; 32]),
                Some(TokenKey::from_bytes([8; 32])),
            )
            .expect("nothing else is under way");
        let server = StaticKey::from_bytes([4; 32]);
        let installed = Server {
            epoch: 1,
            key: server.public(),
        };
        let servers = Servers::installed(&[installed]).expect("one key");
        let mut flash = Flash::new(JournalEpoch::from_bytes([9; 8]));
        let station = Station::new(flash.start(key, servers).expect("it is empty"));
        let station = station.with_keys(ring).with_care(CareStart {
            firmware: Some(FirmwareStart::default()),
            ..CareStart::default()
        });
        let mut street = Self {
            synced: flash.records().len(),
            station: station.with_tokens(tokens),
            flash,
            now: Duration::from_secs(1),
            random: 0,
            server,
            unsynced: VecDeque::new(),
            messages: VecDeque::new(),
            connection: 0,
            link: None,
            hello: None,
            asked: 0,
            approved: 0,
            sealed: 0,
        };
        street.tell(Input::Standing(Standing {
            mdb_state: MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: VmcId::from_bytes([8; 8]),
        }));
        street.tell(Input::Machine(Machine::Enabled));
        street
    }

    fn tell(&mut self, input: Input) {
        self.random = self.random.wrapping_add(1);
        let entropy = Entropy::take(&mut [self.random; Entropy::LEN]);
        self.station.handle(self.now, input, entropy);
        while let Some(output) = self.station.poll() {
            match output {
                Output::Send(to, message, report) => self.messages.push_back((to, message, report)),
                Output::RoadSend(envelope) => self.heard(&envelope),
                Output::Journal(ticket, record) => {
                    self.flash.keep(record);
                    self.unsynced.push_back(ticket);
                }
                Output::Order(order) => self.ordered(order),
                _ => {}
            }
        }
    }

    fn ordered(&mut self, order: Order) {
        let (Order::Approve { rseq, .. } | Order::ApproveRevalue { rseq, .. }) = order else {
            return;
        };
        self.approved = rseq.number();
        let synced = &self.flash.records()[..self.synced];
        let is_there = synced.iter().any(|record| match record {
            Record::Intent { rseq: of, .. } | Record::RevalueIntent { rseq: of, .. } => *of == rseq,
            _ => false,
        });
        assert!(is_there, "approved before its INTENT was synced");
    }

    /// What the server would read of it: the last HELLO.
    fn heard(&mut self, envelope: &[u8]) {
        let reader = self.station.keys().key().public();
        if let Ok((_, items)) = channel::open(envelope, &self.server, &reader) {
            for item in items {
                if let Item::Hello(hello) = item {
                    self.hello = Some(hello);
                }
            }
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let connection = Connection::new(self.connection);
        match tape.below(20) {
            0 => {
                self.now += Duration::from_millis(u64::from(tape.u16()) * 4);
                self.tell(Input::Tick);
            }
            1 => self.tell(Input::CodeSeen(Code::from_bytes(CODE))),
            2 => {
                let light = tape.take(10).first_chunk().copied();
                self.tell(Input::LightSeen(light.unwrap_or_default()));
            }
            3 | 4 => self.link(&Secret::light(CODE).psk()),
            5 => {
                let len = usize::from(tape.byte());
                self.tell(Input::Heard(connection, tape.take(len).to_vec()));
            }
            6 => {
                self.link = None;
                self.tell(Input::Disconnected(connection));
            }
            7 | 8 => {
                let message = self.message(tape);
                let sealed = self.link.as_mut().and_then(|link| link.seal(&message).ok());
                if let Some(sealed) = sealed {
                    self.tell(Input::Heard(connection, sealed));
                }
            }
            9 => {
                let envelope = self.envelope(tape);
                self.tell(Input::RoadHeard(envelope));
            }
            10 => self.tell(Input::RoadUp),
            11 => self.tell(Input::RoadDown),
            12 => self.tell(Input::RoadTook),
            13 | 14 => {
                let machine = self.machine(tape);
                self.tell(Input::Machine(machine));
            }
            15 | 16 => {
                if let Some(ticket) = self.unsynced.pop_front() {
                    self.synced += 1;
                    self.tell(Input::Synced(ticket));
                }
            }
            17 => self.listen(),
            18 => self.tell(match tape.below(8) {
                0 => Input::ServersKept,
                1 => Input::ServersLost,
                2 => Input::KeysKept,
                3 => Input::KeysLost,
                4 => Input::Installed(kind(tape), tape.u32()),
                5 => Input::Unfit(kind(tape), tape.u32()),
                6 => Input::NotInstalled(kind(tape)),
                _ => Input::BusLost,
            }),
            _ => self.tell(Input::JournalFailed),
        }
    }

    fn link(&mut self, psk: &Psk) {
        self.connection += 1;
        let connection = Connection::new(self.connection);
        self.messages.clear();
        self.tell(Input::Connected(connection));
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 1,
        };
        let ephemeral = Ephemeral::from_bytes([self.random; 32]);
        let (waiting, link_1) = Initiator::start(psk, ephemeral, hello).expect("its version");
        self.tell(Input::Heard(connection, link_1));
        let link_2 = self.messages.pop_front();
        self.link = link_2.and_then(|(_, link_2, _)| waiting.finish(&link_2).ok());
    }

    /// Takes all that the board says to the phone.
    fn listen(&mut self) {
        while let Some((to, message, report)) = self.messages.pop_front() {
            if report == Report::Took {
                self.tell(Input::Took(to));
            }
            let opened = self.link.as_mut().and_then(|link| link.open(&message).ok());
            if let Some(LinkMessage::Envelope(envelope)) = opened {
                self.heard(&envelope);
            }
        }
    }

    /// What a phone says that holds the link.
    fn message(&mut self, tape: &mut Tape<'_>) -> LinkMessage {
        match tape.below(8) {
            0 => LinkMessage::Leave,
            1 => LinkMessage::Again,
            2 => {
                let len = 1 + usize::from(tape.byte());
                LinkMessage::Piece(Piece {
                    version: tape.u32(),
                    part: tape.one_of(&[Part::Manifest, Part::Content]),
                    index: tape.u32(),
                    bytes: vec![tape.byte(); len],
                })
            }
            3 => {
                let len = 68 + usize::from(tape.byte());
                let mut junk = tape.take(len).to_vec();
                junk.resize(len, 1);
                LinkMessage::Envelope(junk)
            }
            _ => LinkMessage::Envelope(self.envelope(tape)),
        }
    }

    /// What the server seals: anything that there is a form for.
    fn envelope(&mut self, tape: &mut Tape<'_>) -> Vec<u8> {
        let items = match tape.flag() {
            true => self.true_items(tape),
            false => {
                let len = usize::from(tape.byte());
                decode(Direction::ToReader, tape.take(len)).unwrap_or_default()
            }
        };
        self.sealed += 1;
        let header = Header {
            direction: Direction::ToReader,
            server_epoch: 1,
            reader_id: self.station.reader(),
            sequence: self.sealed,
        };
        let reader = self.station.keys().key().public();
        let ephemeral = Ephemeral::from_bytes([tape.byte(); 32]);
        let sealed = channel::seal(header, &self.server, &reader, ephemeral, &items);
        sealed.unwrap_or_default()
    }

    /// Items that answer the last HELLO, with figures that make no sense.
    fn true_items(&self, tape: &mut Tape<'_>) -> Vec<Item> {
        let Some(hello) = self.hello else {
            return Vec::new();
        };
        let mut items = Vec::new();
        for _ in 0..=tape.below(3) {
            items.push(match tape.below(8) {
                0 | 1 => Item::Grant(channel::Grant {
                    grant: channel::VendId::from_bytes([tape.byte(); 16]),
                    nonce: hello.nonce,
                    bind: hello.bind,
                    currency: hello.currency,
                    exponent: hello.exponent,
                    max_spend: tape.u32(),
                    max_vends: tape.byte(),
                    max_revalue: tape.u32(),
                    show_balance: tape.u32().cast_signed(),
                    ttl_s: tape.u16(),
                    favourite: channel::Favourite::new(tape.u16(), tape.u32()),
                }),
                2 => Item::Ack(channel::Ack {
                    journal_epoch: hello.journal_epoch,
                    upto: u64::from(tape.u16()),
                    chain: hello.chain,
                }),
                3 => Item::Time(channel::Time {
                    utc: channel::Utc::from_unix_ms(u64::from(tape.u32()) << tape.below(32)),
                    nonce: hello.nonce,
                }),
                4 => Item::Resend(channel::Resend {
                    nonce: hello.nonce,
                    journal_epoch: hello.journal_epoch,
                    from: u64::from(tape.u16()),
                }),
                5 => Item::Call(channel::CallId::from_bytes([tape.byte(); 16])),
                6 => Item::Config(channel::Config {
                    version: tape.u32(),
                    manifest: channel::ManifestHash::from_bytes([tape.byte(); 32]),
                    size: u32::from(tape.u16()),
                }),
                _ => Item::ServerKey(channel::ServerKey {
                    epoch: u16::from(tape.below(4)),
                    s_pub: StaticKey::from_bytes([9; 32]).public(),
                    activate: tape.flag(),
                }),
            });
        }
        items
    }

    fn machine(&mut self, tape: &mut Tape<'_>) -> Machine {
        let rseq = Rseq::new(self.approved);
        let after = Duration::from_millis(u64::from(tape.u16()));
        let ask = Ask::new(self.asked + u32::from(tape.below(2)));
        self.asked = self.asked.max(ask.number());
        match tape.below(14) {
            0 => Machine::Enabled,
            1 => Machine::Disabled,
            2 => Machine::SessionBegan,
            3..=5 => Machine::Asked {
                ask,
                price: u32::from(tape.u16()),
                item: Selection::new(3),
            },
            6 => Machine::RevalueAsked {
                ask,
                amount: u32::from(tape.u16()),
            },
            7 => Machine::Cancelled { ask },
            8 => Machine::ApprovalRefused { rseq },
            9 => Machine::Succeeded { rseq, after },
            10 => Machine::Failed { rseq, after },
            11 => Machine::SessionCompleted,
            12 => Machine::RevalueTaken { rseq },
            _ => Machine::Reset(match tape.flag() {
                true => Approval::Delivered { rseq, after },
                false => Approval::NotDelivered,
            }),
        }
    }
}

target!(run);
