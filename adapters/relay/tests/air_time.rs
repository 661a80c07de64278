//! What it takes from a connection to a grant: round trips, bytes, and time on a modelled radio,
//! counted in connection events and not by any clock.

mod street;

use core::time::Duration;
use gettone_ble::{Mtu, segments};
use gettone_channel::{Ephemeral, Hello1, Initiator, LINK_VERSION, LinkMessage, Secret, Status};
use gettone_core::board::{Ask, Code, Machine};
use gettone_core::id::Item;
use gettone_relay::{Input, Order};
use street::{Book, CODE, Phone, Street};

/// What phones of the day agree to.
const INTERVAL: Duration = Duration::from_millis(45);
const MTU: u16 = 185;
/// Protocol section 5.3: at most so many requests wait for their response.
const ROUND_TRIPS_MAX: u32 = 6;
const BYTES_MAX: usize = 1_200;
const TIME_MAX: Duration = Duration::from_millis(800);

/// A radio that carries one value each way in a connection event, and on which no side answers in
/// the event in which it was asked: slower than any real one of the same interval.
struct Radio {
    mtu: Mtu,
    events: u32,
    round_trips: u32,
    bytes: usize,
}

impl Radio {
    fn new(mtu: u16) -> Self {
        Self {
            mtu: Mtu::new(mtu).expect("allowed"),
            events: 0,
            round_trips: 0,
            bytes: 0,
        }
    }

    /// A request in one event, its response in the next.
    fn request(&mut self) {
        self.round_trips += 1;
        self.events += 2;
    }

    /// The phone writes a message, value by value.
    fn write(&mut self, message: &[u8]) {
        for value in segments(message, self.mtu).expect("short") {
            self.bytes += value.len();
            self.request();
        }
    }

    /// The reader notifies; it waits for nothing.
    fn notify(&mut self, message: &[u8]) {
        for value in segments(message, self.mtu).expect("short") {
            self.bytes += value.len();
            self.events += 1;
        }
    }

    fn time(&self) -> Duration {
        INTERVAL * self.events
    }
}

/// A customer before this one buys so often, and carries nothing of it to the server.
fn leave_receipts(street: &mut Street, server: &mut Book, vends: u8) {
    let mut phone = street.link();
    phone.carry(street, server);
    let grant = server.grant(500, vends);
    phone.bring(street, grant);
    street.machine(Machine::SessionBegan);
    for vend in 1..=vends {
        street.orders.clear();
        street.machine(Machine::Asked {
            ask: Ask::new(vend.into()),
            price: 10,
            item: Item::new(23),
        });
        street.sync();
        let Some(Order::Approve { rseq, .. }) = street.order() else {
            panic!("vend {vend} is not approved");
        };
        let after = Duration::from_secs(4);
        street.machine(Machine::Succeeded { rseq, after });
        street.sync();
    }
    phone.say(street, &LinkMessage::Leave);
    street.sync();
    street.machine(Machine::SessionCompleted);
    street.sync();
    street.tell(Input::Disconnected(phone.connection));
    street.messages.clear();
    street.orders.clear();
}

/// From the connection to the machine's session, with receipts of this many vends waiting on the board.
fn link_up_to_grant(mtu: u16, waiting: u8) -> Radio {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    if waiting > 0 {
        leave_receipts(&mut street, &mut server, waiting);
    }
    let mut radio = Radio::new(mtu);
    street.tell(Input::CodeSeen(Code::from_bytes(CODE)));
    let connection = street.connect();
    // The MTU's exchange, and the subscription.
    radio.request();
    radio.request();
    let hello = Hello1 {
        version: LINK_VERSION,
        caps: 0,
    };
    let ephemeral = Ephemeral::from_bytes(street.dice.bytes());
    let psk = Secret::light(CODE).psk();
    let (waiting, link_1) = Initiator::start(&psk, ephemeral, hello).expect("its version");
    radio.write(&link_1);
    street.tell(Input::Heard(connection, link_1));
    let link_2 = street.message(connection).expect("Link 2");
    radio.notify(&link_2);
    let mut phone = Phone {
        connection,
        link: waiting.finish(&link_2).expect("the same secret"),
        statuses: Vec::<Status>::new(),
        resume: None,
        wants: Vec::new(),
    };
    // The first envelope has the HELLO; what else waits follows beside the session.
    let hello = street.message(connection).expect("HELLO");
    radio.notify(&hello);
    let LinkMessage::Envelope(envelope) = phone.link.open(&hello).expect("sealed") else {
        panic!("the board says something else first");
    };
    server.record(&envelope);
    let grant = server.grant(500, 1);
    let sealed = phone
        .link
        .seal(&LinkMessage::Envelope(grant))
        .expect("it travels this way");
    radio.write(&sealed);
    street.tell(Input::Heard(connection, sealed));
    assert!(street.order().is_some(), "the machine's session begins");
    radio
}

#[test]
fn a_grant_takes_six_round_trips_and_eight_tenths_of_a_second_at_most() {
    for waiting in [0, 1, 3, 8] {
        let radio = link_up_to_grant(MTU, waiting);
        let (trips, bytes, time) = (radio.round_trips, radio.bytes, radio.time());
        println!(
            "MTU {MTU}, {waiting} vends waiting: {trips} round trips, {bytes} bytes, {time:?}"
        );
        assert!(trips <= ROUND_TRIPS_MAX, "{trips} round trips");
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
        assert!(time <= TIME_MAX, "{time:?}");
    }
}

#[test]
fn the_table_of_round_trips_by_mtu_is_the_protocols() {
    let trips = |mtu| link_up_to_grant(mtu, 0).round_trips;
    assert_eq!([82, 119].map(trips), [6, 6]);
    assert_eq!([120, 185, 234].map(trips), [5, 5, 5]);
    assert_eq!([235, 247, 517].map(trips), [4, 4, 4]);
}
