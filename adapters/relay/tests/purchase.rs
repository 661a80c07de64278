//! A whole board in memory: light code, link, HELLO, GRANT, vend, receipt, ACK.

mod street;

use gettone_channel::{
    BoardState, LastResult, LinkMessage, ReceiptKind, RefuseReason, StatusReason,
};
use gettone_core::board::{Ask, Life, Machine};
use gettone_core::id::{Item, Rseq};
use gettone_relay::{Input, Notice, Order, Verdict};
use std::time::Duration;
use street::{Book, Phone, Street};

/// From the light code to the machine's session.
fn begin(street: &mut Street, server: &mut Book, held: i64, vends_max: u8) -> Phone {
    let mut phone = street.link();
    phone.carry(street, server);
    let grant = server.grant(held, vends_max);
    phone.bring(street, grant);
    let funds = u32::try_from(held).expect("small");
    assert_eq!(street.order(), Some(Order::BeginSession { funds }));
    street.machine(Machine::SessionBegan);
    phone
}

/// The machine asks, the INTENT is synced, the machine vends.
fn vend(street: &mut Street, ask: u32, price: u32) -> Rseq {
    street.machine(Machine::Asked {
        ask: Ask::new(ask),
        price,
        item: Item::new(23),
    });
    assert_eq!(
        street.order(),
        None,
        "nothing before the INTENT is on flash"
    );
    street.sync();
    let Some(Order::Approve { rseq, amount, .. }) = street.order() else {
        panic!("no approval");
    };
    assert_eq!(amount, price);
    street.machine(Machine::Succeeded {
        rseq,
        after: Duration::from_secs(4),
    });
    street.sync();
    rseq
}

#[test]
fn one_purchase_from_the_light_to_the_acknowledged_receipt() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = begin(&mut street, &mut server, 500, 1);
    let rseq = vend(&mut street, 1, 120);
    assert_eq!(street.order(), Some(Order::CancelSession));
    street.machine(Machine::SessionCompleted);
    assert_eq!(street.order(), Some(Order::EndSession));
    phone.carry(&mut street, &mut server);

    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(server.kinds(), [EpochStart, VendOk, Close]);
    assert_eq!(server.receipts[&rseq.number()].amount, 120);
    let ack = server.answer(Verdict::Nothing);
    phone.bring(&mut street, ack);
    street.sync();
    assert_eq!(street.station.outbox().unacked(), 0);

    phone.envelopes(&mut street);
    let last = phone.statuses.last().expect("told");
    assert_eq!(last.state, BoardState::Linked);
    let vended = phone.statuses.iter().find(|s| s.last == LastResult::Vended);
    assert_eq!(vended.map(|s| s.line.as_str()), Some("thank you"));
    assert!(street.notices.iter().all(Notice::is_usual));
}

#[test]
fn a_hello_says_all_that_the_server_wants_to_know() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let hello = server.hello();
    assert_eq!(hello.bind, phone.link.handshake().into());
    assert_eq!((hello.boot, hello.fw), (1, 0x0102_0003));
    assert_eq!((hello.rseq_newest, hello.acked), (1, 0));
    assert_eq!((hello.max_price, hello.vmc_level), (250, 2));
    assert_eq!(hello.mdb_state, gettone_channel::MdbState::Enabled);
    street.tell(Input::BusLost);
    phone.bring(
        &mut street,
        server.answer(Verdict::Refused(RefuseReason::MachineOff)),
    );
    phone.say(&mut street, &LinkMessage::Again);
    phone.carry(&mut street, &mut server);
    assert_eq!(
        server.hello().mdb_state,
        gettone_channel::MdbState::Inactive
    );
    assert_eq!(server.hello().acked, 1);
}

#[test]
fn a_display_shows_what_the_customer_owns_and_less_after_a_vend() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let _phone = begin(&mut street, &mut server, 500, 3);
    let balance = |street: &Street| street.shown.last().and_then(|shown| shown.balance);
    assert_eq!(balance(&street), Some(1_000));
    vend(&mut street, 1, 120);
    assert_eq!(balance(&street), Some(880));
}

#[test]
fn a_phone_that_is_lost_comes_back_with_its_secret_and_nobody_else_does() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = begin(&mut street, &mut server, 500, 1);
    phone.envelopes(&mut street);
    let resume = phone.resume.take().expect("told on entering GRANTED");
    street.tell(Input::Disconnected(phone.connection));
    assert_eq!(street.door, Some(resume.eid()));
    let stranger = street.connect();
    street.tell(Input::Heard(stranger, vec![1; 51]));
    assert_eq!(street.dropped.last(), Some(&stranger));
    let mut phone = Phone::link(&mut street, &resume.psk());
    phone.envelopes(&mut street);
    assert_eq!(street.station.life(), Life::Granted);
    assert!(phone.resume.is_some(), "a new secret for the next time");
}

#[test]
fn a_connection_that_says_nothing_is_dropped_after_ten_seconds() {
    let server = Book::new();
    let mut street = Street::new(&server);
    street.tell(Input::CodeSeen(gettone_core::board::Code::from_bytes(
        street::CODE,
    )));
    let silent = street.connect();
    let due = street.station.next_deadline().expect("it is waited for");
    assert_eq!(due, street.now + gettone_relay::LINK_1_MAX);
    street.wait(9);
    assert_eq!(street.dropped, []);
    street.wait(1);
    assert_eq!(street.dropped, [silent]);
    assert!(street.door.is_some(), "the code's own phone may still come");
}

#[test]
fn only_one_phone_is_heard_at_a_time() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let second = street.connect();
    assert_eq!(street.dropped, [second]);
    street.tell(Input::Heard(second, vec![0; 51]));
    street.tell(Input::Disconnected(second));
    assert_eq!(street.station.life(), Life::Linked);
}

#[test]
fn one_changed_bit_on_the_link_ends_it_and_grants_nothing() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let grant = LinkMessage::Envelope(server.grant(500, 1));
    let mut sealed = phone.link.seal(&grant).expect("it travels this way");
    let middle = sealed.len() / 2;
    sealed[middle] ^= 4;
    street.tell(Input::Heard(phone.connection, sealed));
    assert_eq!(street.dropped, [phone.connection]);
    assert_eq!(street.station.life(), Life::Idle);
    assert_eq!(street.order(), None);
}

#[test]
fn a_grant_for_another_link_or_from_nobody_is_not_taken() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let stale = server.grant(500, 1);
    phone.say(&mut street, &LinkMessage::Leave);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    phone.bring(&mut street, stale);
    phone.bring(&mut street, vec![1; 100]);
    let mut changed = server.grant(500, 1);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    phone.bring(&mut street, changed);
    assert_eq!(street.order(), None);
    assert_eq!(street.station.life(), Life::Linked);
    assert_eq!(street.notices.iter().filter(|n| !n.is_usual()).count(), 3);
    // The link itself has stayed whole.
    phone.bring(&mut street, server.grant(500, 1));
    assert_eq!(street.order(), Some(Order::BeginSession { funds: 500 }));
}

#[test]
fn a_refusal_and_a_price_above_the_cap_are_told_to_the_phone_with_figures() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    phone.bring(
        &mut street,
        server.answer(Verdict::Refused(RefuseReason::Funds)),
    );
    phone.say(&mut street, &LinkMessage::Again);
    phone.carry(&mut street, &mut server);
    assert_eq!(phone.statuses[0].reason, StatusReason::Funds);
    phone.bring(&mut street, server.grant(210, 1));
    street.machine(Machine::SessionBegan);
    street.orders.clear();
    street.machine(Machine::Asked {
        ask: Ask::new(1),
        price: 300,
        item: Item::new(23),
    });
    assert_eq!(street.order(), Some(Order::Deny { ask: Ask::new(1) }));
    phone.envelopes(&mut street);
    let told = phone.statuses.last().expect("told");
    assert_eq!((told.short_by, told.line.as_str()), (90, "0.90 short"));
}
