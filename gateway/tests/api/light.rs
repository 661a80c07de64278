//! QR up, light down: a whole board without I/O, the gateway as phones meet it, and colours between
//! them. No Bluetooth, no app, no network at the machine.

use crate::street::{Board, Customer, Relayed, Server, audited};
use gettone_channel::{
    Ephemeral, Hello1, Initiator, LINK_VERSION, LinkMessage, MdbState, Secret, StaticKey, TokenKey,
    VmcId,
};
use gettone_core::board::{Ask, Code, Life, Machine, Ticket};
use gettone_core::id::{Item, JournalEpoch};
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, encode};
use gettone_relay::{
    Connection, Entropy, Flash, Input, Offer, Order, Output, Servers, Standing, Station,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const CODE: [u8; 10] = [7; 10];
const PRICE: u32 = 80;

/// A board with its machine: what is on its sign can be scanned, and light can be shown to it.
pub(crate) struct Place {
    pub(crate) station: Option<Station>,
    pub(crate) flash: Flash,
    pub(crate) board: Board,
    pub(crate) now: Duration,
    pub(crate) dice: u64,
    pub(crate) waiting: VecDeque<Ticket>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) messages: VecDeque<Vec<u8>>,
    /// What goes by its own road.
    pub(crate) road: VecDeque<Vec<u8>>,
    pub(crate) sign: Option<Offer>,
    pub(crate) connections: u64,
    pub(crate) asks: u32,
    /// Whether flash syncs at once.
    pub(crate) syncs: Syncs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    AtOnce,
    Later,
}

impl Place {
    /// A board before machine 3 that has told the server the key of its codes.
    pub(crate) fn new(server: &Server) -> Self {
        let mut place = Self::before(server.board());
        place.introduce(server);
        place
    }

    pub(crate) fn before(board: Board) -> Self {
        let mut place = Self {
            station: None,
            flash: Flash::new(JournalEpoch::from_bytes([5; 8])),
            board,
            now: Duration::from_secs(1),
            dice: 1,
            waiting: VecDeque::new(),
            orders: VecDeque::new(),
            messages: VecDeque::new(),
            road: VecDeque::new(),
            sign: None,
            connections: 0,
            asks: 0,
            syncs: Syncs::AtOnce,
        };
        place.start();
        place
    }

    /// Power comes (back): what was not synced in time is gone, the wall clock too.
    pub(crate) fn start(&mut self) {
        let servers = Servers::installed(&[gettone_relay::Server {
            epoch: self.board.server_epoch,
            key: self.board.server.expect("enrolled"),
        }])
        .expect("one key");
        let key = StaticKey::from_bytes([7; 32]);
        let start = self.flash.start(key, servers).expect("it can be read");
        self.station = Some(Station::new(start).with_tokens(TokenKey::from_bytes([0x21; 32])));
        self.now = Duration::from_secs(1);
        self.sign = None;
        self.waiting.clear();
        self.orders.clear();
        self.messages.clear();
        self.road.clear();
        self.tell(Input::Standing(Standing {
            mdb_state: MdbState::Enabled,
            price_max: 250,
            vmc_level: 2,
            vmc_id: VmcId::from_bytes([8; 8]),
        }));
        self.machine(Machine::Enabled);
    }

    pub(crate) fn station(&mut self) -> &mut Station {
        self.station.as_mut().expect("it runs")
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| {
            self.dice = self
                .dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.dice.to_be_bytes()[1]
        })
    }

    pub(crate) fn tell(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let entropy = Entropy::take(&mut self.bytes());
            let now = self.now;
            self.station().handle(now, input, entropy);
            while let Some(output) = self.station().poll() {
                match output {
                    Output::Send(_, message, _) => self.messages.push_back(message),
                    Output::Journal(ticket, record) => {
                        self.flash.keep(record);
                        self.waiting.push_back(ticket);
                    }
                    Output::Order(order) => self.orders.push_back(order),
                    Output::RoadSend(envelope) => self.road.push_back(envelope),
                    Output::Offer(offer) => self.sign = Some(*offer),
                    Output::Withdraw => self.sign = None,
                    Output::Advertise(_)
                    | Output::Hush
                    | Output::Drop(_)
                    | Output::KeepServers(_)
                    | Output::KeepKeys(_)
                    | Output::Care(_)
                    | Output::Diagnose(_)
                    | Output::Show(_)
                    | Output::Service(_)
                    | Output::Note(_) => {}
                }
            }
            if self.syncs == Syncs::AtOnce {
                next = self.waiting.pop_front().map(Input::Synced);
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

    pub(crate) fn life(&mut self) -> Life {
        self.station().life()
    }

    /// The code on the sign, as a phone's camera reads it.
    #[track_caller]
    pub(crate) fn scan(&self) -> String {
        self.sign
            .as_ref()
            .expect("a code is on show")
            .link
            .to_string()
    }

    /// Plays colours before the sensor, through the simulated air, until they are read.
    pub(crate) fn flash_light(&mut self, light: &str) {
        let payload = Payload::from_hex(light).expect("twelve bytes");
        let rate = RefreshRate::HZ_60;
        let seed = u64::from_be_bytes(self.bytes());
        let frames = encode(&payload);
        let looped: Vec<_> = frames
            .iter()
            .cycle()
            .take(frames.len() * 4)
            .copied()
            .collect();
        let mut decoder = Decoder::new();
        let read = Channel::new(seed, Tier::Nominal, rate)
            .play(&looped)
            .find_map(|sample| decoder.push(sample))
            .expect("it is read");
        let secret = *read.payload.secret();
        self.tell(match read.payload.kind() {
            Kind::LightGrant => Input::LightSeen(secret),
            Kind::Pairing => Input::CodeSeen(Code::from_bytes(secret)),
        });
    }

    /// The machine takes the session and sells.
    #[track_caller]
    pub(crate) fn sell(&mut self) {
        assert!(matches!(
            self.orders.pop_front(),
            Some(Order::BeginSession { .. })
        ));
        self.machine(Machine::SessionBegan);
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.machine(Machine::Asked {
            ask,
            price: PRICE,
            item: Item::new(11),
        });
        let Some(Order::Approve { rseq, .. }) = self.orders.pop_front() else {
            panic!("no approval");
        };
        self.machine(Machine::Succeeded {
            rseq,
            after: Duration::from_secs(3),
        });
        self.machine(Machine::SessionCompleted);
        self.orders.clear();
        // Nobody wants a second one.
        for _ in 0..8 {
            self.wait(10);
            self.machine(Machine::SessionCompleted);
            self.orders.clear();
        }
        assert_eq!(self.life(), Life::Idle);
    }

    /// A technician's phone links by a light code and carries everything to the server and back.
    pub(crate) fn introduce(&mut self, server: &Server) -> Relayed {
        let link = self.hello();
        let (mut link, envelopes) = link;
        let relayed = server.relay("", None, &envelopes);
        for envelope in &relayed.envelopes {
            let sealed = link
                .seal(&LinkMessage::Envelope(envelope.clone()))
                .expect("it travels this way");
            self.tell(Input::Heard(Connection::new(self.connections), sealed));
        }
        let leave = link.seal(&LinkMessage::Leave).expect("it travels this way");
        self.tell(Input::Heard(Connection::new(self.connections), leave));
        relayed
    }

    /// Links a phone, and gives what the board has for the server.
    pub(crate) fn hello(&mut self) -> (gettone_channel::Link, Vec<Vec<u8>>) {
        self.tell(Input::CodeSeen(Code::from_bytes(CODE)));
        self.link_by(&Secret::light(CODE))
    }

    pub(crate) fn link_by(&mut self, secret: &Secret) -> (gettone_channel::Link, Vec<Vec<u8>>) {
        self.connections += 1;
        let connection = Connection::new(self.connections);
        self.messages.clear();
        self.tell(Input::Connected(connection));
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 0,
        };
        let ephemeral = Ephemeral::from_bytes(self.bytes());
        let (waiting, link_1) =
            Initiator::start(&secret.psk(), ephemeral, hello).expect("its version");
        self.tell(Input::Heard(connection, link_1));
        let link_2 = self.messages.pop_front().expect("Link 2");
        let mut link = waiting.finish(&link_2).expect("the same secret");
        let mut envelopes = Vec::new();
        while let Some(sealed) = self.messages.pop_front() {
            match link.open(&sealed).expect("sealed by the board") {
                LinkMessage::Envelope(envelope) => envelopes.push(envelope),
                LinkMessage::Status(_)
                | LinkMessage::Leave
                | LinkMessage::Again
                | LinkMessage::Piece(_)
                | LinkMessage::Want(_) => {}
            }
            self.tell(Input::Took(connection));
        }
        (link, envelopes)
    }
}

impl Server {
    fn look(&self, code: &str) -> Value {
        self.post("/v1/app/token", "", &json!({"code": code})).ok()
    }

    fn light(&self, code: &str, who: &Customer) -> Value {
        self.post("/v1/app/token/light", &who.token, &json!({"code": code}))
            .ok()
    }
}

#[track_caller]
fn granted(told: &Value) -> String {
    assert_eq!(told["outcome"], "granted", "{told}");
    told["light"].as_str().expect("a light").to_owned()
}

#[test]
fn a_code_goes_up_a_light_comes_down_and_the_next_code_brings_the_receipt() {
    let mut server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let light = granted(&server.light(&place.scan(), &anna));
    assert_eq!(server.balance(&anna), ["5.00", "5.00", "0.00"]);
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Granted);
    place.sell();
    assert_eq!(
        server.balance(&anna),
        ["5.00", "5.00", "0.00"],
        "no news yet"
    );
    let told = server.look(&place.scan());
    assert_eq!(
        (&told["outcome"], &told["receipts"]),
        (&json!("recorded"), &json!(3))
    );
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    // The same news again change nothing.
    server.look(&place.scan());
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    server.stop();
    audited(&server.state());
}

#[test]
fn of_two_scanners_of_one_code_the_second_holds_nothing() {
    let server = Server::start();
    let place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let code = place.scan();
    let first = granted(&server.light(&code, &anna));
    let told = server.light(&code, &bruno);
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("refused"), &json!("taken"))
    );
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    // Who asked first is told the same again, and holds no more.
    assert_eq!(granted(&server.light(&code, &anna)), first);
    assert_eq!(server.balance(&anna), ["5.00", "5.00", "0.00"]);
}

#[test]
fn a_filmed_light_is_spent() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let light = granted(&server.light(&place.scan(), &anna));
    place.flash_light(&light);
    place.sell();
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Idle);
    assert!(place.orders.is_empty());
    place.wait(30);
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Idle);
}

#[test]
fn a_restart_kills_a_light_and_the_next_used_code_frees_its_hold() {
    let mut server = Server::start();
    let mut place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let light = granted(&server.light(&place.scan(), &anna));
    place.start();
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Idle, "another start");
    assert_eq!(server.balance(&anna), ["5.00", "5.00", "0.00"]);
    let light = granted(&server.light(&place.scan(), &bruno));
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    // The control: a light of this start is taken.
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Granted);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_used_code_frees_lights_two_steps_below_and_not_the_one_that_is_still_taken() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let people = [1, 2, 3].map(|number| server.customer(number, "5.00"));
    let [anna, bruno, clara] = &people;
    let light = granted(&server.light(&place.scan(), anna));
    place.wait(30);
    granted(&server.light(&place.scan(), bruno));
    assert_eq!(
        server.balance(anna),
        ["5.00", "5.00", "0.00"],
        "still taken"
    );
    place.wait(30);
    granted(&server.light(&place.scan(), clara));
    assert_eq!(server.balance(anna), ["5.00", "0.00", "0.00"], "two below");
    assert_eq!(server.balance(bruno), ["5.00", "5.00", "0.00"], "one below");
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Idle, "the reader agrees");
}

#[test]
fn the_light_of_the_code_before_is_taken_and_kills_the_newer_one() {
    let mut server = Server::start();
    let mut place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let before = granted(&server.light(&place.scan(), &anna));
    place.wait(30);
    let newer = granted(&server.light(&place.scan(), &bruno));
    place.flash_light(&before);
    assert_eq!(place.life(), Life::Granted);
    place.sell();
    place.flash_light(&newer);
    assert_eq!(place.life(), Life::Idle);
    server.look(&place.scan());
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    assert_eq!(
        server.balance(&bruno),
        ["5.00", "5.00", "0.00"],
        "no news of it"
    );
    place.introduce(&server);
    assert_eq!(
        server.balance(&bruno),
        ["5.00", "0.00", "0.00"],
        "a HELLO frees it"
    );
    server.stop();
    audited(&server.state());
}

#[test]
fn a_hello_kills_every_light_and_every_code_before_it() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let code = place.scan();
    let light = granted(&server.light(&code, &anna));
    place.wait(30);
    let unused = place.scan();
    place.introduce(&server);
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Idle);
    let told = server.light(&unused, &bruno);
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("refused"), &json!("stale"))
    );
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
}

#[test]
fn an_old_hello_that_comes_after_a_used_code_is_stale() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let (link, withheld) = place.hello();
    place.tell(Input::Disconnected(Connection::new(place.connections)));
    granted(&server.light(&place.scan(), &anna));
    let bind = gettone_channel::Bind::from(link.handshake());
    let relayed = server.relay(&bruno.token, Some(bind), &withheld[..1]);
    assert_eq!(relayed.outcome(), ("refused", "stale"));
    assert_eq!(
        server.balance(&anna),
        ["5.00", "5.00", "0.00"],
        "it fences nothing"
    );
}

#[test]
fn a_refusal_consumes_no_step() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let (poor, rich) = (server.customer(1, "0.30"), server.customer(2, "5.00"));
    let code = place.scan();
    let told = server.light(&code, &poor);
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("refused"), &json!("funds"))
    );
    assert_eq!(told["short_by"], "0.50");
    let light = granted(&server.light(&code, &rich));
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Granted);
}

#[test]
fn an_account_has_one_light_at_a_time() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "50.00");
    granted(&server.light(&place.scan(), &anna));
    place.wait(30);
    let told = server.light(&place.scan(), &anna);
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("refused"), &json!("pending"))
    );
    assert_eq!(server.balance(&anna), ["50.00", "5.00", "0.00"]);
    // The code that ends the first one opens the way.
    place.wait(30);
    granted(&server.light(&place.scan(), &anna));
    assert_eq!(server.balance(&anna), ["50.00", "5.00", "0.00"]);
}

#[test]
fn no_session_begins_before_the_light_is_on_flash() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let light = granted(&server.light(&place.scan(), &anna));
    place.syncs = Syncs::Later;
    place.flash_light(&light);
    assert_eq!(place.life(), Life::Granted);
    place.wait(5);
    assert!(place.orders.is_empty(), "{:?}", place.orders);
    while let Some(ticket) = place.waiting.pop_front() {
        place.tell(Input::Synced(ticket));
    }
    assert_eq!(place.orders, [Order::BeginSession { funds: 500 }]);
}

#[test]
fn a_forged_code_writes_nothing_and_costs_its_bringer_nothing() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let code = place.scan();
    let (head, slip) = code.rsplit_once('.').expect("four parts");
    let swapped = if slip.starts_with('A') { "B" } else { "A" };
    for forged in [
        format!("{head}.{swapped}{}", &slip[1..]),
        code.replacen('.', ".9", 1),
        "x".to_owned(),
        "x".repeat(4_000),
    ] {
        for told in [server.look(&forged), server.light(&forged, &anna)] {
            assert_eq!(told["outcome"], "rejected", "{forged}");
        }
    }
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    // A light that nobody made is for no code here.
    place.flash_light("020900000000000000000000");
    assert_eq!(place.life(), Life::Idle);
    // The control.
    granted(&server.light(&code, &anna));
}

#[test]
fn whole_receipts_that_come_later_agree_with_the_brief_ones() {
    let mut server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    for left in ["4.20", "3.40", "2.60"] {
        let light = granted(&server.light(&place.scan(), &anna));
        place.flash_light(&light);
        place.sell();
        server.look(&place.scan());
        assert_eq!(server.balance(&anna), [left, "0.00", "0.00"]);
    }
    assert_eq!(
        place.station().outbox().unacked(),
        9,
        "they stay for an ACK"
    );
    let relayed = place.introduce(&server);
    assert_eq!(relayed.results[0]["outcome"], "recorded");
    place.introduce(&server);
    place.introduce(&server);
    assert_eq!(place.station().outbox().unacked(), 0);
    assert_eq!(
        server.balance(&anna),
        ["2.60", "0.00", "0.00"],
        "nothing twice"
    );
    granted(&server.light(&place.scan(), &anna));
    server.stop();
    audited(&server.state());
}

#[test]
fn whoever_scans_the_next_code_brings_everybodys_receipts() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let light = granted(&server.light(&place.scan(), &anna));
    place.flash_light(&light);
    place.sell();
    let light = granted(&server.light(&place.scan(), &bruno));
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    place.flash_light(&light);
    place.sell();
    let told = server.look(&place.scan());
    // What a taken light has covered does not come again.
    assert_eq!(told["receipts"], 3);
    assert_eq!(server.balance(&bruno), ["4.20", "0.00", "0.00"]);
}

#[test]
fn a_code_is_also_the_secret_of_a_link() {
    let server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let secret = place.sign.as_ref().expect("a code").link.token.secret();
    place.wait(30);
    // The code before is still taken.
    let (link, envelopes) = place.link_by(&secret);
    assert_eq!(place.life(), Life::Linked);
    let bind = gettone_channel::Bind::from(link.handshake());
    let relayed = server.relay(&anna.token, Some(bind), &envelopes[..1]);
    assert_eq!(relayed.outcome(), ("granted", ""));
    place.tell(Input::Disconnected(Connection::new(place.connections)));
    assert_eq!(place.life(), Life::Idle);
    // A HELLO used it up: it opens no second link.
    place.connections += 1;
    let connection = Connection::new(place.connections);
    place.messages.clear();
    place.tell(Input::Connected(connection));
    let hello = Hello1 {
        version: LINK_VERSION,
        caps: 0,
    };
    let ephemeral = Ephemeral::from_bytes(place.bytes());
    let (_, link_1) = Initiator::start(&secret.psk(), ephemeral, hello).expect("its version");
    place.tell(Input::Heard(connection, link_1));
    assert!(place.messages.is_empty());
}

#[test]
fn a_recorded_road_played_again_byte_for_byte_changes_no_balance() {
    let mut server = Server::start();
    let mut place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let (mut codes, mut lights) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        codes.push(place.scan());
        let light = granted(&server.light(&place.scan(), &anna));
        place.flash_light(&light);
        lights.push(light);
        place.sell();
        codes.push(place.scan());
        server.look(&place.scan());
    }
    let before = server.balance(&anna);
    assert_eq!(before, ["3.40", "0.00", "0.00"], "two of 0.80");
    let bruno = server.customer(2, "5.00");
    let again = |server: &Server| {
        for code in codes.iter().chain(codes.iter().rev()) {
            server.look(code);
        }
        // What was paid with holds nothing more, for whoever has it.
        for code in codes.iter().step_by(2) {
            assert_eq!(server.light(code, &anna)["reason"], "stale");
            assert_eq!(server.light(code, &bruno)["outcome"], "refused");
        }
        assert_eq!(server.balance(&anna), before);
        assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    };
    again(&server);
    for light in &lights {
        place.flash_light(light);
        assert_eq!(place.life(), Life::Idle);
        assert!(place.orders.is_empty(), "the machine hears of nothing");
    }
    server.stop();
    audited(&server.state());
    server.resume();
    again(&server);
}

#[test]
fn the_link_of_a_code_opens_the_page_and_is_told_to_nobody() {
    let server = Server::start();
    let place = Place::new(&server);
    let reply = server.get(&format!("/t/{}", place.scan()), "");
    assert_eq!(
        (reply.status, &*reply.media_type),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
}
