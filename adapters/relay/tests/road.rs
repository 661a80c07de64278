//! The board's own road: what goes by it, what is taken from it, and that nobody is disturbed.

mod street;

use core::time::Duration;
use gettone_channel::{Bind, CallId, Item, ReceiptKind, TokenKey};
use gettone_core::board::{Ask, Life, Limits, Machine};
use gettone_core::id::Item as Selection;
use gettone_core::token::step_at;
use gettone_relay::{Input, Notice, Order, ROAD_HELLO_EVERY, TYPED_DIGITS, Verdict};
use street::{Book, Street};

/// What the server's clock says in its answers.
const SERVER_NOW: u64 = 1_800_000_000_000;

fn call(number: u8) -> CallId {
    CallId::from_bytes([number; 16])
}

/// A board whose road has just come up, and whose first HELLO is answered.
fn connected(server: &mut Book) -> Street {
    let mut street = Street::new(server);
    street.tell(Input::RoadUp);
    settle(&mut street, server);
    street
}

/// The server takes all that comes by the road, and answers each HELLO with the time.
fn settle(street: &mut Street, server: &mut Book) {
    loop {
        let sent = street.by_road();
        if sent.is_empty() {
            return;
        }
        for envelope in sent {
            let before = server.letter.take();
            server.record(&envelope);
            if server.letter.is_some() {
                let answer = server.answer(Verdict::Nothing);
                street.tell(Input::RoadHeard(answer));
            } else {
                server.letter = before;
            }
        }
    }
}

/// The server calls; gives whether a HELLO came that answers it.
fn is_answered(street: &mut Street, server: &mut Book, id: CallId) -> bool {
    let called = server.seal(&[Item::Call(id)]);
    street.tell(Input::RoadHeard(called));
    let before = server.letter.take();
    for envelope in street.by_road() {
        server.record(&envelope);
    }
    let came = server.letter.is_some();
    server.letter = server.letter.take().or(before);
    came && server.hello().bind == Bind::of_call(id)
}

fn sell(street: &mut Street) {
    street.machine(Machine::SessionBegan);
    let ask = Ask::new(1);
    let (price, item) = (120, Selection::new(23));
    street.machine(Machine::Asked { ask, price, item });
    street.sync();
    let Some(Order::Approve { rseq, .. }) = street.order() else {
        panic!("a vend inside the grant is approved");
    };
    let after = Duration::from_millis(900);
    street.machine(Machine::Succeeded { rseq, after });
    street.sync();
    assert_eq!(street.order(), Some(Order::CancelSession));
    street.machine(Machine::SessionCompleted);
    street.sync();
    assert_eq!(street.order(), Some(Order::EndSession));
}

#[test]
fn a_board_that_is_called_sells_without_a_phone_and_its_receipts_go_by_its_road() {
    let mut server = Book::new();
    let mut street = connected(&mut server);
    assert!(is_answered(&mut street, &mut server, call(1)));
    let grant = server.grant(500, 1);
    street.tell(Input::RoadHeard(grant));
    assert_eq!(street.order(), Some(Order::BeginSession { funds: 500 }));
    sell(&mut street);
    assert_eq!(street.station.life(), Life::Idle, "no phone is waited for");
    settle(&mut street, &mut server);
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(server.kinds(), [EpochStart, VendOk, Close]);
    assert!(street.messages.is_empty(), "there is no phone to be told");
}

#[test]
fn a_call_is_taken_by_the_road_alone_by_nobody_who_is_served_and_once() {
    let mut server = Book::new();
    let mut street = connected(&mut server);
    assert!(is_answered(&mut street, &mut server, call(1)));
    let refused = server.answer(Verdict::Nothing);
    street.tell(Input::RoadHeard(refused));
    assert!(!is_answered(&mut street, &mut server, call(1)), "again");
    assert!(is_answered(&mut street, &mut server, call(2)));
    assert!(!is_answered(&mut street, &mut server, call(3)), "LINKED");
    let grant = server.grant(500, 1);
    street.tell(Input::RoadHeard(grant));
    assert_eq!(street.order(), Some(Order::BeginSession { funds: 500 }));
    assert!(!is_answered(&mut street, &mut server, call(4)), "GRANTED");
    sell(&mut street);
    settle(&mut street, &mut server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let hello = *server.hello();
    let brought = server.seal(&[Item::Call(call(5))]);
    phone.bring(&mut street, brought);
    assert!(!is_answered(&mut street, &mut server, call(6)), "a phone");
    assert!(street.by_road().is_empty());
    phone.carry(&mut street, &mut server);
    assert_eq!(server.hello().nonce, hello.nonce, "its HELLO stands");
    assert!(street.notices.contains(&Notice::StrayCall));
    assert!(street.notices.contains(&Notice::Unused { kind: 0x18 }));
}

#[test]
fn a_phone_is_served_while_the_road_carries_the_same_receipts_away() {
    let mut server = Book::new();
    let mut street = connected(&mut server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    // An answer may come by either road: here the grant for the phone's HELLO.
    let grant = server.grant(500, 1);
    street.tell(Input::RoadHeard(grant));
    assert_eq!(street.order(), Some(Order::BeginSession { funds: 500 }));
    sell(&mut street);
    phone.carry(&mut street, &mut server);
    settle(&mut street, &mut server);
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(server.kinds(), [EpochStart, VendOk, Close]);
    let ack = server.answer(Verdict::Nothing);
    street.tell(Input::RoadHeard(ack));
    assert_eq!(street.station.outbox().unacked(), 0);
    assert_eq!(street.station.life(), Life::Linked, "the phone may go on");
}

#[test]
fn a_road_that_falls_in_the_middle_loses_nothing_and_keeps_nobody_waiting() {
    let mut server = Book::new();
    let mut street = Street::laden(&server, Limits::PROTOCOL, 100);
    street.tell(Input::RoadUp);
    settle(&mut street, &mut server);
    // All of them went; the last ACK did not come.
    assert_eq!(server.receipts.len(), 100);
    street.tell(Input::RoadDown);
    assert!(street.road.is_empty());
    let acked = street.station.outbox().acked().number();
    assert!(acked < 100, "the rest of the test has something to see");
    street.tell(Input::RoadUp);
    let hello = street.by_road();
    assert_eq!(hello.len(), 1, "the HELLO first");
    assert_eq!(street.station.life(), Life::Linked);
    street.tell(Input::RoadDown);
    assert_eq!(
        street.station.life(),
        Life::Idle,
        "its slot is free at once"
    );
    server.receipts.retain(|rseq, _| *rseq <= acked);
    street.tell(Input::RoadUp);
    settle(&mut street, &mut server);
    assert!(server.receipts.keys().copied().eq(1..=100), "all again");
    let phone = street.link();
    assert!(phone.resume.is_none());
    assert_eq!(street.station.life(), Life::Linked);
}

#[test]
fn a_server_that_lost_receipts_gets_them_again_by_the_road() {
    let mut server = Book::new();
    let mut street = Street::laden(&server, Limits::PROTOCOL, 40);
    street.tell(Input::RoadUp);
    settle(&mut street, &mut server);
    assert!(is_answered(&mut street, &mut server, call(1)));
    let ack = server.answer(Verdict::Nothing);
    street.tell(Input::RoadHeard(ack));
    assert_eq!(street.station.outbox().unacked(), 0);
    assert!(is_answered(&mut street, &mut server, call(2)));
    let lost = server.answer(Verdict::Resend { from: 5 });
    server.receipts.retain(|rseq, _| *rseq < 5);
    street.tell(Input::RoadHeard(lost));
    settle(&mut street, &mut server);
    assert!(server.receipts.keys().copied().eq(1..=40));
}

#[test]
fn a_board_learns_the_time_by_its_road_and_shows_a_code_that_can_be_typed() {
    let mut server = Book::new();
    let key = TokenKey::from_bytes([0x42; 32]);
    let mut street = Street::new(&server).with_tokens(key.clone());
    street.wait(1);
    assert!(street.code.is_none(), "the server does not know its key");
    street.tell(Input::RoadUp);
    settle(&mut street, &mut server);
    assert!(
        server.letter.as_ref().expect("a HELLO").token_key.is_some(),
        "the key of its codes went with it"
    );
    street.sync();
    let step = step_at(gettone_core::time::Timestamp::from_millis(SERVER_NOW));
    let offer = street.code.clone().expect("a code is on show");
    assert!((step..=step + 1).contains(&offer.link.step));
    assert_eq!(offer.typed, Some(key.typed(offer.link.step, TYPED_DIGITS)));
}

#[test]
fn a_hello_that_nobody_called_for_comes_now_and_then_and_answers_no_call() {
    let mut server = Book::new();
    let mut street = connected(&mut server);
    let first = *server.hello();
    street.wait(60);
    assert!(street.by_road().is_empty());
    let due = street.station.next_deadline().expect("a HELLO is due");
    assert!(due <= street.now + ROAD_HELLO_EVERY);
    street.wait(ROAD_HELLO_EVERY.as_secs());
    settle(&mut street, &mut server);
    let second = *server.hello();
    assert_ne!(first.nonce, second.nonce);
    for number in 0..=255 {
        assert_ne!(second.bind, Bind::of_call(call(number)));
    }
    assert_eq!(street.station.life(), Life::Idle);
}

#[test]
fn junk_by_the_road_changes_nothing() {
    let mut server = Book::new();
    let mut street = connected(&mut server);
    let good = server.seal(&[Item::Call(call(1))]);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        street.tell(Input::RoadHeard(bad));
        street.tell(Input::RoadHeard(good[..at].to_vec()));
    }
    assert!(street.by_road().is_empty());
    assert_eq!(street.station.life(), Life::Idle);
    assert!(is_answered(&mut street, &mut server, call(1)));
}
