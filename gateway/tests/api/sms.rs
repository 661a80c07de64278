//! Payment by SMS: whoever carries messages posts them signed; what a sender says of itself proves
//! nothing.

use crate::light::Place;
use crate::road::{Road, connected, shown, wrong};
use crate::street::{Ask, Credential, PLATFORM, Reply, Server, audited, hex};
use gettone_core::board::{Ask as Asked, Life, Machine};
use gettone_core::id::Item;
use gettone_core::money::{Amount, Currency};
use gettone_gateway::{SharedSecret, SmsCaps, SmsEntry};
use gettone_relay::{self as relay, Input};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &[u8] = b"what the carrier and the gateway share";
const ANNA: &str = "+39021234567";
const BRUNO: &str = "+39027654321";

/// At most 2.00 at once and 3.00 in a day.
fn server() -> Server {
    Server::start_as(|config| {
        config.sms = Some(SmsEntry {
            secret: SharedSecret::new(SECRET).expect("long enough"),
            caps: vec![SmsCaps {
                currency: Currency::EUR,
                vend_max: Amount::from_minor(200),
                day_max: Amount::from_minor(300),
            }],
        });
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("set");
    u64::try_from(since.as_millis()).expect("soon")
}

fn signature(secret: &[u8], seconds: u64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret)
        .expect("any length")
        .chain_update(format!("{seconds}.{body}"));
    format!("t={seconds},v1={}", hex(&mac.finalize().into_bytes()))
}

fn post(server: &Server, body: &Value) -> Reply {
    let body = body.to_string();
    let header = signature(SECRET, now_ms() / 1_000, &body);
    server.post_signed("/v1/sms", &header, body.as_bytes())
}

/// An SMS that says it comes from `from`, and the answer that goes to that number.
fn sms(server: &Server, from: &str, text: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let reply = post(server, &json!({"id": id, "from": from, "text": text})).ok();
    reply["reply"].as_str().expect("text").to_owned()
}

/// The same at a machine that answers its call.
fn sms_at(server: &Server, place: &mut Place, road: &mut Road, from: &str, text: &str) -> String {
    thread::scope(|scope| {
        let sending = scope.spawn(|| sms(server, from, text));
        road.pump(place, |place| place.life() == Life::Linked);
        road.pump(place, |place| place.life() != Life::Linked);
        sending.join().expect("an answer")
    })
}

/// The machine sells an espresso, and the session ends with it.
#[track_caller]
fn sell(place: &mut Place) {
    let began = place.orders.pop_front();
    assert!(matches!(began, Some(relay::Order::BeginSession { .. })));
    place.machine(Machine::SessionBegan);
    place.asks += 1;
    place.machine(Machine::Asked {
        ask: Asked::new(place.asks),
        price: 80,
        item: Item::new(11),
    });
    let Some(relay::Order::Approve { rseq, .. }) = place.orders.pop_front() else {
        panic!("no approval");
    };
    place.machine(Machine::Succeeded {
        rseq,
        after: Duration::from_secs(3),
    });
    // The clock hardly moves, so that the code on show stays about one of now.
    for _ in 0..10 {
        place.machine(Machine::SessionCompleted);
        place.orders.clear();
        if place.life() == Life::Idle {
            break;
        }
        place.wait(1);
    }
    // Digits are on show again as soon as the clock has come to their step: the server's answers
    // have set it back by as long as this waited before.
    for _ in 0..200 {
        if place.sign.as_ref().is_some_and(|sign| sign.typed.is_some()) {
            return;
        }
        place.wait(1);
    }
    panic!("nothing is on show");
}

/// The word in an answer that asks for one.
#[track_caller]
fn asked(reply: &str) -> String {
    let (_, rest) = reply.split_once("Reply ").expect("it asks for a word");
    rest[..4].to_owned()
}

/// Somebody who signed in with a number, and has 5.00.
struct Person {
    cookie: String,
    wallet: u64,
}

impl Person {
    fn new(server: &Server, address: &str) -> Self {
        let (cookie, _) = server.person(address);
        let mut person = Self { cookie, wallet: 0 };
        let opened = person.ask(
            server,
            "post",
            "/v1/app/wallets",
            &json!({"currency": "EUR"}),
        );
        person.wallet = opened.ok()["wallet"].as_u64().expect("a number");
        let top_ups = format!("/v1/wallets/{}/top-ups", person.wallet);
        server
            .post_keyed(&top_ups, PLATFORM, "k", &json!({"amount": "5.00"}))
            .ok();
        person
    }

    fn agreed(server: &Server, address: &str) -> Self {
        let person = Self::new(server, address);
        person
            .agree(server, &json!({"currency": "EUR", "is_on": true}))
            .ok();
        person
    }

    fn agree(&self, server: &Server, body: &Value) -> Reply {
        self.ask(server, "put", "/v1/app/me/sms", body)
    }

    fn ask(&self, server: &Server, method: &str, path: &str, body: &Value) -> Reply {
        server.ask(Ask {
            method,
            path,
            credential: Credential::Cookie(&self.cookie),
            key: None,
            body: (method != "get").then_some(body),
        })
    }

    fn money(&self, server: &Server) -> [String; 2] {
        let me = self.ask(server, "get", "/v1/app/me", &Value::Null).ok();
        ["emoney", "pending"].map(|field| {
            let shown = me["wallets"][0][field].as_str();
            shown.expect("text").to_owned()
        })
    }
}

#[test]
fn a_forged_sender_spends_nothing_before_the_numbers_owner_has_answered() {
    let mut server = server();
    let (mut place, mut road) = connected(&server);
    let anna = Person::agreed(&server, ANNA);
    let (place, road) = (&mut place, &mut road);
    // A bystander in front of the machine, in Anna's name; the answer goes to her telephone.
    let text = format!("3 {}", shown(place));
    let word = asked(&sms(&server, ANNA, &text));
    let guess = if word == "BBBB" { "CCCC" } else { "BBBB" };
    let reply = sms(&server, ANNA, &format!("{guess} {}", shown(place)));
    assert!(reply.contains("wrong or too old"), "{reply}");
    let reply = sms(&server, ANNA, &format!("{word} {}", shown(place)));
    assert!(reply.contains("wrong or too old"), "one try: {reply}");
    assert_eq!(anna.money(&server), ["5.00", "0.00"]);
    // Anna herself reads the word.
    let word = asked(&sms(&server, ANNA, &text));
    let text = format!("{} {}", word.to_lowercase(), shown(place));
    let reply = sms_at(&server, place, road, ANNA, &text);
    assert!(reply.contains("up to 2.00 EUR"), "{reply}");
    assert_eq!(anna.money(&server), ["5.00", "2.00"]);
    sell(place);
    road.pump(place, |place| place.station().outbox().unacked() == 0);
    assert_eq!(anna.money(&server), ["4.20", "0.00"]);
    // The control: from here on the same forged message spends, up to her bound.
    let text = format!("3-{}", shown(place));
    let reply = sms_at(&server, place, road, ANNA, &text);
    assert!(reply.contains("up to 2.00 EUR"), "{reply}");
    assert_eq!(anna.money(&server), ["4.20", "2.00"]);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_message_counts_once_and_only_when_its_carrier_signed_it_just_now() {
    let server = server();
    let (mut place, mut road) = connected(&server);
    let (place, road) = (&mut place, &mut road);
    let anna = Person::agreed(&server, ANNA);
    let word = asked(&sms(&server, ANNA, &format!("3 {}", shown(place))));
    let text = format!("{word} {}", shown(place));
    let body = json!({"id": "the-one", "from": ANNA, "text": text});
    let words = body.to_string();
    let seconds = now_ms() / 1_000;
    for header in [
        String::new(),
        "t=1,v1=00".to_owned(),
        signature(b"somebody else's secret, as long", seconds, &words),
        signature(SECRET, seconds - 400, &words),
        signature(SECRET, seconds + 400, &words),
        signature(SECRET, seconds, &words.replace("the-one", "another")),
    ] {
        let reply = server.post_signed("/v1/sms", &header, words.as_bytes());
        reply.problem(401);
    }
    assert_eq!(anna.money(&server), ["5.00", "0.00"]);
    // The control: the same bytes, signed, are taken.
    let first = thread::scope(|scope| {
        let sending = scope.spawn(|| post(&server, &body));
        let heard = road.hear().expect("a call");
        // The carrier lost patience meanwhile.
        post(&server, &body).problem(409);
        place.tell(Input::RoadHeard(heard));
        road.pump(place, |place| place.life() != Life::Linked);
        sending.join().expect("an answer").ok()
    });
    assert_eq!(anna.money(&server), ["5.00", "2.00"]);
    let again = post(&server, &body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(), first);
    let other = json!({"id": "the-one", "from": BRUNO, "text": text});
    let problem = post(&server, &other).problem(422);
    assert_eq!(problem["type"], "urn:gettone:problem:key-reused");
    assert_eq!(anna.money(&server), ["5.00", "2.00"]);
}

#[test]
fn a_vend_and_a_day_are_bounded_and_more_is_asked_for() {
    let mut server = server();
    let (mut place, mut road) = connected(&server);
    let (place, road) = (&mut place, &mut road);
    let anna = Person::new(&server, ANNA);
    let too_much = json!({"currency": "EUR", "is_on": true, "vend_max": "2.01"});
    let problem = anna.agree(&server, &too_much).problem(422);
    assert_eq!(problem["most"], "2.00");
    let small = json!({"currency": "EUR", "is_on": true, "vend_max": "1.00", "day_max": "2.40"});
    let agreed = anna.agree(&server, &small).ok();
    assert_eq!(
        agreed,
        json!({
            "currency": "EUR", "is_on": true, "is_confirmed": false, "vend_max": "1.00",
            "day_max": "2.40", "vend_most": "2.00", "day_most": "3.00",
        })
    );
    let word = asked(&sms(&server, ANNA, &format!("3 {}", shown(place))));
    let reply = sms_at(
        &server,
        place,
        road,
        ANNA,
        &format!("{word} {}", shown(place)),
    );
    assert!(reply.contains("up to 1.00 EUR"), "{reply}");
    assert_eq!(anna.money(&server), ["5.00", "1.00"]);
    sell(place);
    road.pump(place, |place| place.station().outbox().unacked() == 0);
    // 0.80 of the day are spent. More than the bound goes by a word, and not over the day's.
    let reply = sms(&server, ANNA, &format!("3 {} +", shown(place)));
    let reply = sms_at(
        &server,
        place,
        road,
        ANNA,
        &format!("{} {}", asked(&reply), shown(place)),
    );
    assert!(reply.contains("up to 1.60 EUR"), "{reply}");
    sell(place);
    road.pump(place, |place| place.station().outbox().unacked() == 0);
    let reply = sms_at(&server, place, road, ANNA, &format!("3.{}", shown(place)));
    assert!(reply.contains("up to 0.80 EUR"), "{reply}");
    sell(place);
    road.pump(place, |place| place.station().outbox().unacked() == 0);
    assert_eq!(anna.money(&server), ["2.60", "0.00"]);
    let reply = sms(&server, ANNA, &format!("3 {}", shown(place)));
    assert!(reply.contains("in a day"), "{reply}");
    // Agreeing anew begins no new day.
    let off = json!({"currency": "EUR", "is_on": false});
    anna.agree(&server, &off).ok();
    anna.agree(&server, &small).ok();
    let word = asked(&sms(&server, ANNA, &format!("3 {}", shown(place))));
    let reply = sms(&server, ANNA, &format!("{word} {}", shown(place)));
    assert!(reply.contains("in a day"), "{reply}");
    server.stop();
    audited(&server.state());
}

#[test]
fn nobody_learns_by_sms_who_is_a_customer_and_nothing_is_paid_unless_it_was_agreed() {
    let server = server();
    let (place, _road) = connected(&server);
    let anna = Person::new(&server, ANNA);
    let speak = json!({"language": "de"});
    anna.ask(&server, "patch", "/v1/app/me", &speak).ok();
    let text = format!("3 {}", shown(&place));
    let unknown = sms(&server, BRUNO, &text);
    assert!(unknown.starts_with("Nessun pagamento."), "{unknown}");
    assert_eq!(sms(&server, ANNA, &text), unknown);
    let on = json!({"currency": "EUR", "is_on": true});
    anna.agree(&server, &on).ok();
    let reply = sms(&server, ANNA, &text);
    assert!(reply.contains("Antworten Sie"), "her own language: {reply}");
    let shown = anna
        .ask(&server, "get", "/v1/app/me/sms", &Value::Null)
        .ok();
    assert_eq!(shown["lines"][0]["is_on"], true);
    let off = json!({"currency": "EUR", "is_on": false});
    assert_eq!(anna.agree(&server, &off).ok()["is_on"], false);
    assert_eq!(sms(&server, ANNA, &text), unknown);
    assert_eq!(anna.money(&server), ["5.00", "0.00"]);
    // An e-mail address sends no SMS, and not in every currency does one pay.
    let carl = Person::new(&server, "carl@example.org");
    carl.agree(&server, &on).problem(422);
    let none = json!({"lines": [], "next": null});
    let shown = carl.ask(&server, "get", "/v1/app/me/sms", &Value::Null);
    assert_eq!(shown.ok(), none);
    let francs = json!({"currency": "CHF", "is_on": true});
    anna.agree(&server, &francs).problem(404);
    let token = server.customer(1, "0.00").token;
    assert_eq!(server.get("/v1/app/me/sms", &token).ok(), none);
}

#[test]
fn what_makes_no_sense_is_answered_with_words_and_wrong_codes_are_counted() {
    let server = server();
    let (place, _road) = connected(&server);
    let anna = Person::agreed(&server, ANNA);
    let long = "3 0123456 ".repeat(1_000);
    for text in [
        "",
        "hello",
        "3",
        "\u{0}\u{202e}💰",
        "99999999999 0123456",
        &long,
    ] {
        let reply = sms(&server, ANNA, text);
        assert!(reply.contains("17 0123456"), "{reply}");
    }
    for from in ["", "INFO", "ann@example.org", "+1"] {
        let body = json!({"id": "odd", "from": from, "text": "3 0123456"});
        post(&server, &body).problem(400);
    }
    let unnamed = json!({"id": "", "from": ANNA, "text": "3 0123456"});
    post(&server, &unnamed).problem(400);
    for _ in 0..5 {
        let reply = sms(&server, ANNA, &format!("3 {}", wrong("1234567")));
        assert!(reply.contains("not the code"), "{reply}");
    }
    let reply = sms(&server, ANNA, &format!("3 {}", shown(&place)));
    assert!(reply.contains("wait 3 min"), "{reply}");
    assert_eq!(anna.money(&server), ["5.00", "0.00"]);
}

#[test]
fn where_it_is_not_set_up_nothing_is_paid_by_sms() {
    let server = Server::start();
    let anna = Person::new(&server, ANNA);
    let on = json!({"currency": "EUR", "is_on": true});
    anna.agree(&server, &on).problem(503);
    let body = json!({"id": "1", "from": ANNA, "text": "3 0123456"});
    post(&server, &body).problem(503);
    // Who has not signed in is nobody, here as well.
    let reply = server.ask(Ask {
        method: "get",
        path: "/v1/app/me/sms",
        credential: Credential::None,
        key: None,
        body: None,
    });
    reply.problem(401);
}
