//! How a board is, for who asks by phone or by its road: asked for by the server alone, whole again in
//! whatever order its parts come, and never in the way of a receipt.

mod street;

use gettone_channel::{
    Diagnose, Diagnostics, Gathering, Item, LinkMessage, REPORT_LEN_MAX, StaticKey, TokenKey,
};
use gettone_core::board::Limits;
use gettone_relay::{Input, Letter, Lines, Verdict};
use street::{Book, Phone, Street};

/// What one envelope carries of a report, and of receipts.
fn opened(server: &Book, envelope: &[u8]) -> (Vec<Diagnostics>, usize) {
    let reader = StaticKey::from_bytes([3; 32]).public();
    let (_, items) =
        gettone_channel::open(envelope, &server.key, &reader).expect("sealed by the reader");
    let letter = Letter::of(items).expect("an honest reader");
    (letter.report, letter.receipts.len())
}

/// The server asks, and the board's shell puts its report together.
fn ask(street: &mut Street, phone: &mut Phone, server: &mut Book, id: u32) {
    phone.bring(street, server.seal(&[Item::Diagnose(Diagnose { id })]));
    shell(street);
}

fn shell(street: &mut Street) {
    for id in core::mem::take(&mut street.diagnose) {
        let mut lines = street.station.report(street.now);
        // Enough that it has several parts.
        for number in 0..200 {
            lines.put(&format!("shell_{number}"), "x".repeat(20));
        }
        street.tell(Input::Diagnosed(id, lines));
    }
}

fn gathered(parts: &[Diagnostics]) -> Option<String> {
    let mut gathering = Gathering::default();
    parts.iter().filter_map(|part| gathering.take(part)).last()
}

fn value<'a>(report: &'a str, name: &str) -> &'a str {
    let mut pairs = report.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|pair| pair.0 == name).expect(name).1
}

#[test]
fn a_report_comes_in_parts_over_the_link_that_asked_and_the_same_again_when_asked_again() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    ask(&mut street, &mut phone, &mut server, 7);
    let parts = |street: &mut Street, phone: &mut Phone, server: &Book| {
        let envelopes = phone.envelopes(street);
        let parts = envelopes.iter().flat_map(|one| opened(server, one).0);
        parts.collect::<Vec<_>>()
    };
    let first = parts(&mut street, &mut phone, &server);
    assert!(first.len() > 3 && first.iter().all(|part| part.id == 7));
    let report = gathered(&first).expect("all of it");
    for (name, wanted) in [
        ("boot", "1"),
        ("state", "linked"),
        ("mdb_state", "enabled"),
        ("mdb_level", "2"),
        ("outbox", "1"),
        ("server_epoch", "1"),
        ("key_epoch", "0"),
        ("clock_ms", "unknown"),
        ("links", "1"),
        ("configuration", "0"),
    ] {
        assert_eq!(value(&report, name), wanted, "{name}");
    }
    // A phone that lost some of it, and asks another time.
    phone.say(&mut street, &LinkMessage::Leave);
    street.now += core::time::Duration::from_secs(9);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    ask(&mut street, &mut phone, &mut server, 7);
    assert_eq!(parts(&mut street, &mut phone, &server), first);
    // Another question is another report.
    ask(&mut street, &mut phone, &mut server, 8);
    let other = parts(&mut street, &mut phone, &server);
    assert!(other[0].order > first[0].order);
    assert_eq!(value(&gathered(&other).expect("all of it"), "links"), "2");
}

/// A board with 200 receipts, its phone, and its HELLO: the first four go with that, the others by
/// themselves.
fn laden(server: &Book) -> (Street, Phone, Vec<u8>) {
    let mut street = Street::laden(server, Limits::PROTOCOL, 200);
    let mut phone = street.link();
    let hello = phone
        .link
        .open(&street.messages.pop_front().expect("HELLO").1);
    let LinkMessage::Envelope(hello) = hello.expect("sealed") else {
        panic!("a HELLO first")
    };
    (street, phone, hello)
}

/// A board with 200 receipts is asked for a report; gives its envelopes, in this order.
fn laden_and_asked(server: &mut Book) -> Vec<Vec<u8>> {
    let (mut street, mut phone, hello) = laden(server);
    ask(&mut street, &mut phone, server, 7);
    street.tell(Input::Took(phone.connection));
    let mut envelopes = vec![hello];
    envelopes.extend(phone.envelopes(&mut street));
    envelopes
}

/// Whether nothing of the outbox comes behind a part of the report.
fn goes_last(server: &Book, envelopes: &[Vec<u8>]) -> bool {
    let mut opened = envelopes.iter().map(|envelope| opened(server, envelope));
    opened.any(|(parts, _)| !parts.is_empty()) && opened.all(|(_, count)| count == 0)
}

#[test]
fn a_board_whose_reports_go_before_its_receipts_is_found_out() {
    let mut server = Book::new();
    let mut envelopes = laden_and_asked(&mut server);
    assert!(goes_last(&server, &envelopes));
    let at = envelopes
        .iter()
        .position(|envelope| !opened(&server, envelope).0.is_empty());
    let at = at.expect("a part");
    envelopes.swap(at - 1, at);
    assert!(
        !goes_last(&server, &envelopes),
        "one of them a place sooner"
    );
    envelopes.swap(at - 1, at);
    envelopes.reverse();
    assert!(!goes_last(&server, &envelopes), "turned around");
}

#[test]
fn no_part_goes_before_a_receipt_and_nobody_but_the_server_asks() {
    let mut server = Book::new();
    let (mut street, mut phone, hello) = laden(&server);
    server.record(&hello);
    // A stranger's word for it is none.
    let mut stranger = Book::new();
    stranger.key = StaticKey::from_bytes([5; 32]);
    let forged = stranger.seal(&[Item::Diagnose(Diagnose { id: 9 })]);
    phone.bring(&mut street, forged);
    assert!(street.diagnose.is_empty());
    ask(&mut street, &mut phone, &mut server, 7);
    street.tell(Input::Took(phone.connection));
    let envelopes: Vec<Vec<u8>> = phone.envelopes(&mut street);
    assert!(
        goes_last(&server, &envelopes),
        "a receipt behind a part of the report"
    );
    let mut parts = Vec::new();
    for envelope in envelopes {
        parts.extend(opened(&server, &envelope).0);
        server.record(&envelope);
    }
    assert_eq!(server.receipts.len(), 200);
    assert!(gathered(&parts).is_some());
}

#[test]
fn the_boards_own_road_brings_it_too() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    street.tell(Input::RoadUp);
    let mut parts = Vec::new();
    let mut is_asked = false;
    loop {
        let sent = street.by_road();
        if sent.is_empty() {
            break;
        }
        for envelope in sent {
            parts.extend(opened(&server, &envelope).0);
            server.letter = None;
            server.record(&envelope);
            if server.letter.is_some() && !is_asked {
                is_asked = true;
                let answer = server.answer(Verdict::Nothing);
                street.tell(Input::RoadHeard(answer));
                let asked = server.seal(&[Item::Diagnose(Diagnose { id: 3 })]);
                street.tell(Input::RoadHeard(asked));
                shell(&mut street);
            }
        }
    }
    let report = gathered(&parts).expect("all of it");
    assert_eq!(value(&report, "boot"), "1");
    assert!(value(&report, "clock_ms").parse::<u64>().is_ok());
}

#[test]
fn a_report_tells_no_key_and_has_its_bound() {
    let server = Book::new();
    let token = TokenKey::from_bytes([0xAB; 32]);
    let street = Street::new(&server).with_tokens(token);
    let mut lines = street.station.report(street.now);
    let digits = |byte: u8| format!("{byte:02x}").repeat(4);
    for secret in [0xAB, 3] {
        assert!(!lines.as_str().contains(&digits(secret)), "{secret:02x}");
    }
    for number in 0..2_000 {
        lines.put(&format!("n{number} \u{e4}"), "v\n1 x".repeat(60));
    }
    assert!(lines.as_str().len() <= REPORT_LEN_MAX);
    assert!(lines.as_str().len() > REPORT_LEN_MAX - 400);
    let last = lines.as_str().lines().last().expect("a line");
    assert!(last.starts_with('n') && last.contains("_? v?1 x"), "{last}");
    assert_eq!(Lines::default().as_str(), "");
}
