//! Boards with a road of their own: a WebSocket of envelopes, and codes that are typed. A whole board
//! without I/O at one end, the gateway at the other.

use crate::light::Place;
use crate::street::{Board, Customer, OPERATOR, Server, audited};
use core::time::Duration;
use gettone_channel::{LinkMessage, TokenKey};
use gettone_core::board::Life;
use gettone_core::time::Timestamp;
use gettone_core::token::step_at;
use gettone_relay::{Connection, Input, TYPED_DIGITS};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use tungstenite::{Error, Message, WebSocket};

/// Nothing here takes longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// The board's end of its road.
pub(crate) struct Road(WebSocket<TcpStream>);

impl Road {
    fn open(server: &Server, reader: &str) -> Self {
        let stream = TcpStream::connect(server.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("settable");
        let url = format!("ws://{}/v1/road/{reader}", server.address);
        let (socket, _) = tungstenite::client(url, stream).expect("an upgrade");
        Self(socket)
    }

    /// The road of this board, which is up and has been answered.
    fn of(place: &mut Place, server: &Server) -> Self {
        let mut road = Self::open(server, &place.board.id());
        place.tell(Input::RoadUp);
        road.pump(place, |place| place.life() == Life::Idle);
        road
    }

    /// Lets the board send and hear until this is so.
    pub(crate) fn pump(&mut self, place: &mut Place, is_so: impl Fn(&mut Place) -> bool) {
        loop {
            while let Some(envelope) = place.road.pop_front() {
                self.0.send(Message::binary(envelope)).expect("a road");
                place.tell(Input::RoadTook);
            }
            if is_so(place) {
                return;
            }
            let heard = self.hear().expect("something comes");
            place.tell(Input::RoadHeard(heard));
        }
    }

    pub(crate) fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.0.read() {
                Ok(Message::Binary(bytes)) => return Some(bytes.to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) => return None,
                Ok(other) => panic!("nobody says {other:?}"),
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                    return None;
                }
                // Reset, or closed without a word; a road that stands still is neither.
                Err(Error::Io(fault)) => {
                    assert_ne!(fault.kind(), std::io::ErrorKind::WouldBlock, "it stands");
                    return None;
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    /// Whether the server answers on it.
    fn stands(&mut self) -> bool {
        let asked = self.0.send(Message::Ping(Vec::<u8>::new().into()));
        asked.is_ok() && matches!(self.0.read(), Ok(Message::Pong(_)))
    }

    /// Sends this and gives whether anything comes back before it is cut.
    fn cut_by(mut self, message: Message) -> bool {
        // Who is cut at once may not get all of it out.
        let _ = self.0.send(message);
        self.hear().is_none()
    }
}

impl Server {
    fn type_in(&self, code: &str, who: &Customer) -> Value {
        let body = json!({"machine": 3, "code": code});
        self.post("/v1/app/token/typed", &who.token, &body).ok()
    }
}

/// The seven digits on the board's sign.
#[track_caller]
pub(crate) fn shown(place: &Place) -> String {
    let sign = place.sign.as_ref().expect("a code is on show");
    let typed = sign.typed.expect("the time is known");
    format!("{typed:07}")
}

/// A code of the same length that is not the one.
pub(crate) fn wrong(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..6])
}

fn told(answer: &Value) -> (&str, &str) {
    let word = |field: &str| answer[field].as_str().unwrap_or_default();
    (word("outcome"), word("reason"))
}

/// A board whose road is up, and which shows digits.
pub(crate) fn connected(server: &Server) -> (Place, Road) {
    let mut place = Place::before(server.board());
    let road = Road::of(&mut place, server);
    (place, road)
}

/// Types what is on show, and lets the board answer the call.
fn buy(server: &Server, place: &mut Place, road: &mut Road, who: &Customer) -> Value {
    let code = shown(place);
    thread::scope(|scope| {
        let typing = scope.spawn(|| server.type_in(&code, who));
        let heard = road.hear().expect("a call");
        place.tell(Input::RoadHeard(heard));
        road.pump(place, |place| place.life() != Life::Linked);
        typing.join().expect("an answer")
    })
}

#[test]
fn typed_digits_buy_over_the_boards_own_road_with_no_radio_at_all() {
    let mut server = Server::start();
    let (mut place, mut road) = connected(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let code = shown(&place);
    let answer = buy(&server, &mut place, &mut road, &anna);
    assert_eq!(told(&answer), ("granted", ""), "{answer}");
    assert_eq!(
        (&answer["held"], &answer["vends_max"]),
        (&json!("2.50"), &json!(1)),
        "who leaves after one product leaves nothing behind"
    );
    assert_eq!(place.life(), Life::Granted);
    // Who did not hear the answer is told the same; for anybody else the code is used.
    assert_eq!(server.type_in(&code, &anna), answer);
    assert_eq!(told(&server.type_in(&code, &bruno)), ("rejected", ""));
    assert_eq!(server.balance(&anna), ["5.00", "2.50", "0.00"]);
    place.sell();
    road.pump(&mut place, |place| place.station().outbox().unacked() == 0);
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_code_of_a_machine_without_a_road_is_not_taken_and_holds_nothing() {
    let server = Server::start();
    let place = Place::new(&server);
    let anna = server.customer(1, "5.00");
    let code = shown(&place);
    assert_eq!(told(&server.type_in(&code, &anna)), ("refused", "away"));
    assert_eq!(
        told(&server.type_in(&wrong(&code), &anna)),
        ("rejected", "")
    );
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
}

#[test]
fn a_call_that_is_not_answered_lapses_and_a_late_hello_is_granted_nothing() {
    let server = Server::start_as(|config| config.limits.call_wait_s = 1);
    let (mut place, mut road) = connected(&server);
    let anna = server.customer(1, "5.00");
    let code = shown(&place);
    assert_eq!(told(&server.type_in(&code, &anna)), ("lapsed", ""));
    road.pump(&mut place, |place| place.life() == Life::Linked);
    road.pump(&mut place, |place| place.life() != Life::Linked);
    assert_eq!(place.life(), Life::Idle);
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    // The next code is taken at once.
    let answer = buy(&server, &mut place, &mut road, &anna);
    assert_eq!(told(&answer), ("granted", ""));
}

#[test]
fn nobody_has_a_road_before_an_envelope_has_shown_whose_it_is() {
    let server = Server::start_as(|config| config.limits.body_timeout_ms = 300);
    let mut board = server.board();
    let place = json!({
        "machine": 4, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 0,
    });
    server.post("/v1/machines", OPERATOR, &place).ok();
    let mut other = server.enrol(Board::new(9), 4);
    let reader = board.id();
    let road = || Road::open(&server, &reader);
    let hello = board.hello();
    let good = board.seal(&[gettone_channel::Item::Hello(hello)]);
    let mut bad = good.clone();
    bad[60] ^= 1;
    assert!(road().cut_by(Message::binary(bad)), "one bit");
    assert!(road().cut_by(Message::binary(vec![0; 5_000])), "long");
    assert!(road().cut_by(Message::binary(Vec::new())), "empty");
    assert!(road().cut_by(Message::text("hello")), "words");
    let hello = other.hello();
    let theirs = other.seal(&[gettone_channel::Item::Hello(hello)]);
    assert!(road().cut_by(Message::binary(theirs)), "another's");
    assert!(road().hear().is_none(), "silence");
    let nobodys = Road::open(&server, "0000000000000000");
    assert!(nobodys.cut_by(Message::binary(good.clone())), "nobody's");
    let plain = server.get(&format!("/v1/road/{reader}"), "");
    assert_eq!(plain.problem(400)["type"], "urn:gettone:problem:malformed");
    server.get("/v1/road/nonsense", "").problem(404);
    // The control: the same envelope unharmed is answered.
    assert!(!road().cut_by(Message::binary(good)));
}

#[test]
fn a_newer_road_replaces_the_one_before_and_an_old_envelope_does_not() {
    let server = Server::start();
    let (mut place, mut road) = connected(&server);
    let (anna, reader) = (server.customer(1, "5.00"), place.board.id());
    // Somebody carried these receipts once, and kept them.
    let recorded = place.board.outbox(1);
    let stranger = Road::open(&server, &reader);
    assert!(stranger.cut_by(Message::binary(recorded)));
    assert!(road.stands());
    place.tell(Input::RoadDown);
    let mut newer = Road::of(&mut place, &server);
    assert_eq!(road.hear(), None, "the older one is cut");
    let answer = buy(&server, &mut place, &mut newer, &anna);
    assert_eq!(told(&answer), ("granted", ""));
}

#[test]
fn wrong_codes_are_counted_for_the_account_and_for_the_machine() {
    let server = Server::start_as(|config| config.limits.typed_failures_of_machine = 8);
    let (mut place, mut road) = connected(&server);
    let people = [1, 2].map(|number| server.customer(number, "5.00"));
    let [anna, bruno] = &people;
    let answer = buy(&server, &mut place, &mut road, anna);
    assert_eq!(
        told(&answer),
        ("granted", ""),
        "a right one counts for nothing"
    );
    let body = json!({"machine": 3, "code": wrong("0000000")});
    for _ in 0..5 {
        assert_eq!(told(&server.type_in("1234567", anna)), ("rejected", ""));
    }
    let path = "/v1/app/token/typed";
    let problem = server.post(path, &anna.token, &body).problem(429);
    let wait = problem["wait_s"].as_u64().expect("seconds");
    assert!((170..=180).contains(&wait), "{wait}");
    for _ in 0..3 {
        assert_eq!(told(&server.type_in("1234567", bruno)), ("rejected", ""));
    }
    let reply = server.post(path, &bruno.token, &body);
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((700..=720).contains(&wait), "{wait}");
    reply.problem(429);
    // It is no business of another machine.
    let elsewhere = json!({"machine": 99, "code": "0000000"});
    let answer = server.post(path, &bruno.token, &elsewhere).ok();
    assert_eq!(told(&answer), ("rejected", ""));
    for code in ["", "12345", "seven77", "123456789"] {
        let body = json!({"machine": 3, "code": code});
        server.post(path, &bruno.token, &body).problem(400);
    }
}

#[test]
fn who_cannot_pay_is_told_so_and_the_machine_is_free_for_the_next() {
    let server = Server::start();
    let (mut place, mut road) = connected(&server);
    let (poor, anna) = (server.customer(1, "0.10"), server.customer(2, "5.00"));
    let answer = buy(&server, &mut place, &mut road, &poor);
    assert_eq!(told(&answer), ("refused", "funds"), "{answer}");
    assert_eq!(place.life(), Life::Idle);
    let answer = buy(&server, &mut place, &mut road, &anna);
    assert_eq!(told(&answer), ("granted", ""));
}

#[test]
fn of_two_who_type_one_code_the_second_gets_nothing() {
    let server = Server::start();
    let (mut place, mut road) = connected(&server);
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let code = shown(&place);
    let first = thread::scope(|scope| {
        let typing = scope.spawn(|| server.type_in(&code, &anna));
        let call = road.hear().expect("a call");
        assert_eq!(told(&server.type_in(&code, &bruno)), ("refused", "taken"));
        place.tell(Input::RoadHeard(call));
        road.pump(&mut place, |place| place.life() != Life::Linked);
        typing.join().expect("an answer")
    });
    assert_eq!(told(&first), ("granted", ""));
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
}

#[test]
fn a_phone_and_the_road_bring_the_same_receipts_and_each_counts_once() {
    let mut server = Server::start();
    let (mut place, mut road) = connected(&server);
    let anna = server.customer(1, "5.00");
    let answer = buy(&server, &mut place, &mut road, &anna);
    assert_eq!(told(&answer), ("granted", ""));
    // What the road takes is still on its way when a phone comes.
    place.sell();
    let (mut link, envelopes) = place.hello();
    let relayed = server.relay("", None, &envelopes);
    let sent = place.road.len();
    assert!(sent > 0, "both have something to bring");
    road.pump(&mut place, |place| place.road.is_empty());
    for envelope in relayed.envelopes {
        let sealed = link.seal(&LinkMessage::Envelope(envelope)).expect("sealed");
        place.tell(Input::Heard(Connection::new(place.connections), sealed));
    }
    road.pump(&mut place, |place| place.station().outbox().unacked() == 0);
    assert_eq!(place.life(), Life::Linked, "the phone is not disturbed");
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_road_cut_in_the_middle_of_a_session_balances_when_it_is_back() {
    let mut server = Server::start();
    let (mut place, mut road) = connected(&server);
    let anna = server.customer(1, "5.00");
    let answer = buy(&server, &mut place, &mut road, &anna);
    assert_eq!(told(&answer), ("granted", ""));
    drop(road);
    place.tell(Input::RoadDown);
    assert_eq!(place.life(), Life::Granted, "the session goes on");
    place.sell();
    assert_eq!(server.balance(&anna), ["5.00", "2.50", "0.00"], "no news");
    let mut road = Road::of(&mut place, &server);
    road.pump(&mut place, |place| place.station().outbox().unacked() == 0);
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_board_that_is_cut_off_before_its_grant_holds_nothing_once_it_is_back() {
    let server = Server::start();
    let (mut place, mut road) = connected(&server);
    let anna = server.customer(1, "5.00");
    let code = shown(&place);
    let answer = thread::scope(|scope| {
        let typing = scope.spawn(|| server.type_in(&code, &anna));
        let call = road.hear().expect("a call");
        place.tell(Input::RoadHeard(call));
        let hello = place.road.pop_front().expect("a HELLO");
        road.0.send(Message::binary(hello)).expect("a road");
        typing.join().expect("an answer")
    });
    assert_eq!(told(&answer), ("granted", ""));
    assert_eq!(server.balance(&anna), ["5.00", "2.50", "0.00"]);
    drop(road);
    place.tell(Input::RoadDown);
    assert_eq!(place.life(), Life::Idle, "the grant never came");
    Road::of(&mut place, &server);
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"], "fenced");
}

#[test]
fn two_codes_in_a_row_are_taken_where_one_is_not() {
    let server = Server::start();
    let (mut place, mut road) = connected(&server);
    let anna = server.customer(1, "5.00");
    // A sign whose clock is most of an hour ahead.
    let key = TokenKey::from_bytes([0x21; 32]);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("set");
    let now = Timestamp::from_millis(u64::try_from(since.as_millis()).expect("soon"));
    let typed = |step| format!("{:07}", key.typed(step, TYPED_DIGITS));
    let ahead = step_at(now) + 100;
    assert_eq!(
        told(&server.type_in(&typed(ahead), &anna)),
        ("rejected", "")
    );
    let body = json!({"machine": 3, "code": typed(ahead), "next": typed(ahead + 1)});
    let answer = thread::scope(|scope| {
        let typing = scope.spawn(|| server.post("/v1/app/token/typed", &anna.token, &body).ok());
        let heard = road.hear().expect("a call");
        place.tell(Input::RoadHeard(heard));
        road.pump(&mut place, |place| place.life() != Life::Linked);
        typing.join().expect("an answer")
    });
    assert_eq!(told(&answer), ("granted", ""), "{answer}");
}
