//! A board under a flood: what strangers send costs no flash and leaves nothing behind, and a day of
//! customers leaves no more than an hour of them.

mod street;

use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{Ack, Grant, Item, LinkMessage, Lock, Secret, ServerKey, StaticKey};
use gettone_core::board::{Ask, Code, Life, Machine};
use gettone_core::id::Item as Selection;
use gettone_relay::{Input, Notice, Order, Verdict};
use street::{Book, CODE, Phone, Street};

const DAY_S: u64 = 24 * 60 * 60;
const HOUR_S: u64 = 60 * 60;
/// A customer comes so often.
const VISIT_EVERY_S: u64 = 120;

/// How much there is of a board, near enough: what its state takes to write down.
fn size(street: &Street) -> usize {
    format!("{:?}", street.station).len()
}

/// A whole visit: light, link, grant, vend, receipts, ACK.
fn visit(street: &mut Street, server: &mut Book, ask: u32) {
    let mut phone = street.link();
    phone.carry(street, server);
    let grant = server.grant(500, 1);
    phone.bring(street, grant);
    street.machine(Machine::SessionBegan);
    street.machine(Machine::Asked {
        ask: Ask::new(ask),
        price: 120,
        item: Selection::new(23),
    });
    street.sync();
    let rseq = street.orders.iter().find_map(|order| {
        let Order::Approve { rseq, .. } = order else {
            return None;
        };
        Some(*rseq)
    });
    let rseq = rseq.expect("the machine may vend");
    let after = Duration::from_secs(4);
    street.machine(Machine::Succeeded { rseq, after });
    street.sync();
    street.machine(Machine::SessionCompleted);
    phone.carry(street, server);
    let ack = server.answer(Verdict::Nothing);
    phone.bring(street, ack);
    street.sync();
    phone.say(street, &LinkMessage::Leave);
    street.machine(Machine::Enabled);
    street.orders.clear();
    street.messages.clear();
    street.shown.clear();
    street.dropped.clear();
}

/// Somebody who knows no code tries for a while.
fn strangers(street: &mut Street) {
    street.tell(Input::CodeSeen(Code::from_bytes(CODE)));
    for _ in 0..5 {
        let connection = street.connect();
        let junk = street.dice.bytes::<51>().to_vec();
        street.tell(Input::Heard(connection, junk));
    }
    street.wait(46);
    street.messages.clear();
    street.dropped.clear();
}

#[test]
fn a_day_of_customers_and_strangers_leaves_no_more_than_an_hour() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let (mut asks, mut after_an_hour) = (0, 0);
    for second in (0..DAY_S).step_by(usize::try_from(VISIT_EVERY_S).expect("small")) {
        asks += 1;
        visit(&mut street, &mut server, asks);
        strangers(&mut street);
        street.wait(VISIT_EVERY_S - 46);
        street.notices.clear();
        if second == 16 * HOUR_S {
            after_an_hour = size(&street);
        }
    }
    // By then its outbox keeps as many acknowledged receipts as it ever will.
    let after_a_day = size(&street);
    assert!(
        after_a_day < after_an_hour + after_an_hour / 10,
        "{after_an_hour} characters of state, then {after_a_day}"
    );
    let kept = street.station.outbox().kept().count();
    assert!(kept <= 1_100, "{kept} receipts after {asks} visits");
    assert_eq!(street.station.outbox().unacked(), 0);
    assert_eq!(street.station.life(), Life::Idle);
}

#[test]
fn strangers_write_nothing_to_flash_and_end_a_code_after_three() {
    let mut street = Street::new(&Book::new());
    let before = street.flash.records().len();
    for round in 0..500 {
        street.tell(Input::CodeSeen(Code::from_bytes(CODE)));
        assert!(street.door.is_some(), "round {round}");
        for guess in 0..3 {
            let connection = street.connect();
            let junk = street.dice.bytes::<51>().to_vec();
            street.tell(Input::Heard(connection, junk));
            assert_eq!(street.dropped.len(), 1, "one message, and they are out");
            street.dropped.clear();
            assert_eq!(street.door.is_none(), guess == 2, "three tries end a code");
        }
    }
    assert_eq!(street.flash.records().len(), before);
    assert!(street.messages.is_empty(), "nobody is answered");
}

#[test]
fn a_connection_that_says_nothing_is_dropped_and_only_one_is_there_at_a_time() {
    let mut street = Street::new(&Book::new());
    street.tell(Input::CodeSeen(Code::from_bytes(CODE)));
    let silent = street.connect();
    for _ in 0..100 {
        let other = street.connect();
        assert_eq!(street.dropped.pop(), Some(other));
    }
    street.wait(10);
    assert_eq!(street.dropped.pop(), Some(silent));
    let phone = Phone::link(&mut street, &Secret::light(CODE).psk());
    assert!(
        street.dropped.is_empty(),
        "{:?} is welcome",
        phone.connection
    );
}

#[test]
fn a_flood_of_envelopes_over_a_link_changes_nothing_and_answers_nothing() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let (before, size_before) = (street.flash.records().len(), size(&street));
    let old = server.answer(Verdict::Nothing);
    for round in 0..2_000_usize {
        let mut junk = old.clone();
        let at = round % junk.len();
        junk[at] ^= 1 << (round % 8);
        phone.bring(&mut street, junk);
        street.notices.retain(Notice::is_usual);
    }
    assert_eq!(street.flash.records().len(), before, "no flash");
    assert!(phone.envelopes(&mut street).is_empty(), "no answer");
    let grown = size(&street).saturating_sub(size_before);
    assert!(grown < 256, "{grown} characters of state more");
    assert_eq!(street.station.life(), Life::Linked);
}

#[test]
fn again_is_taken_three_times_in_a_row_and_no_more() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    let mut hellos = 0;
    for _ in 0..10 {
        let no = server.answer(Verdict::Refused(channel::RefuseReason::Funds));
        phone.bring(&mut street, no);
        phone.say(&mut street, &LinkMessage::Again);
        let envelopes = phone.envelopes(&mut street);
        hellos += envelopes.len();
        for envelope in envelopes {
            server.record(&envelope);
        }
    }
    assert_eq!(hellos, 3);
}

/// Numbers at the ends of their ranges.
const EXTREMES: [u64; 7] = [
    0,
    1,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX - 1,
    u64::MAX,
];

fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).expect("32 bits")
}

#[test]
fn whatever_a_true_server_says_no_board_panics() {
    for number in EXTREMES {
        for other in EXTREMES {
            let mut server = Book::new();
            let mut street = Street::new(&server);
            let mut phone = street.link();
            phone.carry(&mut street, &mut server);
            let hello = *server.hello();
            let [vends, _, _, exponent, ..] = number.to_le_bytes();
            let items = [
                Item::Ack(Ack {
                    journal_epoch: hello.journal_epoch,
                    upto: number,
                    chain: hello.chain,
                }),
                Item::Resend(channel::Resend {
                    nonce: hello.nonce,
                    journal_epoch: hello.journal_epoch,
                    from: other,
                }),
                Item::AuditAck(channel::AuditAck {
                    journal_epoch: hello.journal_epoch,
                    upto: number,
                }),
                Item::Time(channel::Time {
                    utc: channel::Utc::from_unix_ms(number),
                    nonce: hello.nonce,
                }),
                Item::Lock(Lock {
                    version: low(other),
                    state: channel::LockState::Open,
                }),
                Item::ServerKey(ServerKey {
                    epoch: u16::from_le_bytes([vends, exponent]),
                    s_pub: StaticKey::from_bytes([9; 32]).public(),
                    activate: number % 2 == 0,
                }),
                Item::Grant(Grant {
                    grant: channel::VendId::from_bytes([6; 16]),
                    nonce: hello.nonce,
                    bind: hello.bind,
                    currency: hello.currency,
                    exponent: hello.exponent,
                    max_spend: low(number),
                    max_vends: vends,
                    max_revalue: low(other),
                    show_balance: i32::from_le_bytes(low(other).to_le_bytes()),
                    ttl_s: u16::from_le_bytes([vends, vends]),
                    favourite: None,
                }),
            ];
            let envelope = server.seal(&items);
            phone.bring(&mut street, envelope);
            street.sync();
            street.machine(Machine::SessionBegan);
            street.machine(Machine::Asked {
                ask: Ask::new(1),
                price: low(number),
                item: Selection::new(1),
            });
            street.machine(Machine::RevalueAsked {
                ask: Ask::new(2),
                amount: low(other),
            });
            street.sync();
            street.wait(low(number).into());
            street.sync();
            assert!(street.station.outbox().acked() <= street.station.outbox().newest());
        }
    }
}
