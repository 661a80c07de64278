//! What operators' staff do by the console's routes: machines, sales, credit, cases, and what
//! happens now.

use crate::street::{
    Ask, Board, Credential, Customer, OPERATOR, OTHER_OPERATOR, PLATFORM, Server, audited,
    claim_code,
};
use gettone_channel::{Item, ReceiptKind, VendId};
use serde_json::{Value, json};
use std::io::BufRead;

/// Somebody who signed in, with a wallet in euro and five euro on it.
struct Person {
    cookie: String,
    number: u64,
}

impl Person {
    fn on(server: &Server, address: &str) -> Self {
        let (cookie, number) = server.person(address);
        let person = Self { cookie, number };
        let opened = person.ask(
            server,
            "post",
            "/v1/app/wallets",
            &json!({"currency": "EUR"}),
        );
        let top_ups = format!("/v1/wallets/{}/top-ups", opened["wallet"]);
        server
            .post_keyed(&top_ups, PLATFORM, address, &json!({"amount": "5.00"}))
            .ok();
        person
    }

    #[track_caller]
    fn ask(&self, server: &Server, method: &str, path: &str, body: &Value) -> Value {
        server
            .ask(Ask {
                method,
                path,
                credential: Credential::Cookie(&self.cookie),
                key: None,
                body: (method != "get").then_some(body),
            })
            .ok()
    }

    /// Euro of e-money and, of the first operator, on the closed wallet.
    fn money(&self, server: &Server) -> [String; 2] {
        let me = self.ask(server, "get", "/v1/app/me", &Value::Null);
        let wallet = &me["wallets"][0];
        let closed = wallet["closed"][0]["amount"].as_str().unwrap_or("0.00");
        [
            wallet["emoney"].as_str().expect("text").to_owned(),
            closed.to_owned(),
        ]
    }
}

fn ask(server: &Server, method: &str, path: &str, key: &str, body: &Value) -> crate::street::Reply {
    server.ask(Ask {
        method,
        path,
        credential: Credential::Bearer(OPERATOR),
        key: (!key.is_empty()).then_some(key),
        body: Some(body),
    })
}

/// Asks until the answer is as it should be: a projection follows the journal at its own pace.
fn awaited(server: &Server, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    server.awaited(path, OPERATOR, is)
}

fn count(shown: &Value) -> usize {
    shown["lines"].as_array().expect("a list").len()
}

/// A customer with a token comes to a board, and has a grant.
fn granted(server: &Server, board: &mut Board, customer: &Customer) -> VendId {
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&customer.token, Some(hello.bind), &[envelope]);
    board.answer(&relayed).grant.expect("a grant").grant
}

/// A customer who signed in comes to a board, and has a grant.
fn granted_to(server: &Server, board: &mut Board, person: &Person) -> VendId {
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let carried = crate::street::carried(Some(hello.bind), &[envelope]);
    let relayed = person.ask(server, "post", "/v1/app/relay", &carried);
    let relayed = crate::street::Relayed::of(&relayed);
    board.answer(&relayed).grant.expect("a grant").grant
}

/// Everything that a board tells and was not told to have come yet.
fn tell(server: &Server, board: &mut Board, from: u64) {
    let envelope = board.outbox(from);
    server.relay("", None, &[envelope]);
}

#[test]
fn a_machine_is_listed_named_priced_and_locked_by_its_operator() {
    let server = Server::start();
    let mut board = server.board();
    let other = json!({"machine": 9, "currency": "EUR", "cap": "5.00", "vends_max": 1, "fee_basis_points": 0, "name": "Attic"});
    server.post("/v1/machines", OPERATOR, &other).ok();
    let listed = awaited(&server, "/v1/machines", |shown| count(shown) == 2);
    assert_eq!(listed["lines"][0]["machine"], 3);
    assert_eq!(listed["lines"][0]["state"], "silent", "it was never heard");
    assert_eq!(listed["lines"][1]["state"], "no-reader");
    assert_eq!(listed["lines"][1]["name"], "Attic");
    assert_eq!(listed["lines"][0]["products"], Value::Null);
    let page = server.get("/v1/machines?limit=1", OPERATOR).ok();
    assert_eq!(page["next"], 3);
    let page = server.get("/v1/machines?limit=1&cursor=3", OPERATOR).ok();
    assert_eq!(
        (&page["lines"][0]["machine"], &page["next"]),
        (&json!(9), &Value::Null)
    );
    assert_eq!(count(&server.get("/v1/machines", OTHER_OPERATOR).ok()), 0);

    let named = ask(
        &server,
        "patch",
        "/v1/machines/3",
        "",
        &json!({"name": "Lobby"}),
    )
    .ok();
    assert_eq!(
        (&named["name"], &named["place"]),
        (&json!("Lobby"), &json!(""))
    );
    let named = ask(
        &server,
        "patch",
        "/v1/machines/3",
        "",
        &json!({"place": "Ground floor"}),
    )
    .ok();
    assert_eq!(
        (&named["name"], &named["place"]),
        (&json!("Lobby"), &json!("Ground floor"))
    );
    ask(
        &server,
        "patch",
        "/v1/machines/3",
        "",
        &json!({"name": "x".repeat(65)}),
    )
    .problem(400);

    let dearer = json!({"name": "espresso", "price": "0.90"});
    let priced = ask(&server, "put", "/v1/machines/3/products/11", "", &dearer).ok();
    assert_eq!(priced["products"][0]["price"], "0.90");
    for wrong in [
        json!({"name": "espresso", "price": "0.905"}),
        json!({"name": "", "price": "0.90"}),
        json!({"name": "espresso", "price": "-1"}),
    ] {
        ask(&server, "put", "/v1/machines/3/products/11", "", &wrong).problem(400);
    }

    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    server.relay("", None, &[envelope]);
    awaited(&server, "/v1/machines/3", |shown| shown["state"] == "live");

    let anna = server.customer(1, "5.00");
    let locked = ask(&server, "post", "/v1/machines/3/lock", "", &json!({})).ok();
    assert_eq!(
        (&locked["state"], &locked["lock"]["wanted"]),
        (&json!("locked"), &json!("locked"))
    );
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    assert_eq!(relayed.outcome(), ("refused", "machine_off"));
    ask(&server, "post", "/v1/machines/3/unlock", "", &json!({})).ok();
    granted(&server, &mut board, &anna);

    let log = server.get("/v1/staff-log", OPERATOR).ok();
    let done: Vec<&str> = log["lines"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|line| line["what"].as_str())
        .collect();
    for what in [
        "machine.unlock",
        "machine.lock",
        "product.list",
        "machine.name",
    ] {
        assert!(done.contains(&what), "{what}: {done:?}");
    }
    let line = &log["lines"][2];
    assert_eq!(line["what"], "product.list");
    assert_eq!(line["before"]["price"], "0.80");
    assert_eq!(line["after"]["price"], "0.90");
}

#[test]
fn a_dead_reader_is_replaced_and_gets_no_grants_any_more() {
    let server = Server::start();
    let mut old = server.board();
    let anna = server.customer(1, "5.00");
    let new = Board::new(8);
    let keys = json!({
        "public_key": new.key.public().to_string(),
        "claim_code": claim_code(&new.key.public()),
    });
    let path = format!("/v1/readers/{}/replace", old.id());
    let mistyped = json!({"public_key": keys["public_key"], "claim_code": "0000000000"});
    ask(&server, "post", &path, "", &mistyped).problem(400);
    for _ in 0..2 {
        let enrolled = ask(&server, "post", &path, "", &keys).ok();
        assert_eq!(
            enrolled["reader_id"],
            new.id(),
            "and the same again is harmless"
        );
    }
    let mut new = server.enrol(new, 3);
    let hello = old.hello();
    let envelope = old.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    assert_eq!(relayed.outcome().0, "refused");
    granted(&server, &mut new, &anna);
    let readers = awaited(&server, "/v1/readers", |shown| {
        count(shown) == 2 && shown["lines"][1]["last_seen_ms"].is_u64()
    });
    let states = [&readers["lines"][0]["state"], &readers["lines"][1]["state"]];
    assert_eq!(states, [&json!("revoked"), &json!("active")]);
    assert_eq!(readers["lines"][1]["receipts_waiting"], 0);
    assert_eq!(count(&server.get("/v1/readers", OTHER_OPERATOR).ok()), 0);
}

#[test]
fn credit_is_given_once_to_the_operators_own_wallet_of_a_customer() {
    let mut server = Server::start();
    let ann = Person::on(&server, "ann@example.org");
    let (_, nobody) = server.person("bob@example.org");
    let by_number =
        json!({"customer": ann.number, "amount": "2.50", "currency": "EUR", "note": "jam"});
    for _ in 0..3 {
        let given = ask(&server, "post", "/v1/credits", "k1", &by_number).ok();
        assert_eq!(given["amount"], "2.50");
    }
    let by_address = json!({"address": " Ann@Example.org ", "amount": "1.00", "currency": "EUR"});
    let given = ask(&server, "post", "/v1/credits", "k2", &by_address).ok();
    assert_eq!(given["customer"], ann.number);
    assert_eq!(ann.money(&server), ["5.00", "3.50"]);
    ask(&server, "post", "/v1/credits", "", &by_number).problem(400);
    ask(&server, "post", "/v1/credits", "k1", &by_address).problem(422);
    let refused = [
        (
            json!({"customer": nobody, "amount": "1.00", "currency": "EUR"}),
            409,
        ),
        (
            json!({"customer": ann.number, "amount": "1.00", "currency": "CHF"}),
            409,
        ),
        (
            json!({"customer": 7, "amount": "1.00", "currency": "EUR"}),
            404,
        ),
        (
            json!({"address": "x@example.org", "amount": "1.00", "currency": "EUR"}),
            404,
        ),
        (
            json!({"customer": ann.number, "amount": "0", "currency": "EUR"}),
            400,
        ),
        (json!({"amount": "1.00", "currency": "EUR"}), 400),
    ];
    for (place, (body, status)) in refused.iter().enumerate() {
        ask(&server, "post", "/v1/credits", &format!("r{place}"), body).problem(*status);
    }
    assert_eq!(ann.money(&server), ["5.00", "3.50"]);
    let log = server.get("/v1/staff-log", OPERATOR).ok();
    assert_eq!(log["lines"][0]["what"], "credit.give");
    assert_eq!(log["lines"][1]["after"]["note"], "jam");
    server.stop();
    audited(&server.state());
}

#[test]
fn sales_are_filtered_paged_summed_and_written_into_a_file() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let formula = json!({"name": "=cmd|' /C calc'!A0", "price": "1.20"});
    ask(&server, "put", "/v1/machines/3/products/12", "", &formula).ok();
    ask(
        &server,
        "patch",
        "/v1/machines/3",
        "",
        &json!({"name": "Lobby, left"}),
    )
    .ok();
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::VendOk, 12, 120);
    board.write(grant, ReceiptKind::VendFail, 11, 80);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    tell(&server, &mut board, 1);
    let all = awaited(&server, "/v1/sales", |shown| count(shown) == 3);
    let lines = all["lines"].as_array().expect("a list");
    assert_eq!(lines[0]["kind"], "sale");
    assert_eq!(lines[0]["machine_name"], "Lobby, left");
    assert_eq!(lines[1]["amount"], "1.20");
    let (sold, booked) = (lines[0]["sold_at_ms"].as_u64(), lines[0]["at_ms"].as_u64());
    assert!(sold.is_some() && sold <= booked, "{sold:?}, {booked:?}");

    let first = server.get("/v1/sales?limit=2", OPERATOR).ok();
    assert_eq!(first["lines"].as_array().expect("a list"), &lines[..2]);
    let rest = format!("/v1/sales?limit=2&cursor={}", first["next"]);
    let rest = server.get(&rest, OPERATOR).ok();
    assert_eq!(rest["lines"].as_array().expect("a list"), &lines[2..]);
    assert_eq!(rest["next"], Value::Null);

    let at = sold.expect("dated");
    for (query, found) in [
        ("machine=3".to_owned(), 3),
        ("machine=4".to_owned(), 0),
        ("kind=sale".to_owned(), 3),
        ("kind=cash".to_owned(), 0),
        ("kind=review".to_owned(), 0),
        (format!("from_ms={}", at + 1), 0),
        (format!("machine=3&kind=sale&from_ms=0&to_ms={}", at + 1), 3),
    ] {
        assert_eq!(
            count(&server.get(&format!("/v1/sales?{query}"), OPERATOR).ok()),
            found,
            "{query}"
        );
    }
    server.get("/v1/sales?kind=x", OPERATOR).problem(400);
    server.get("/v1/sales?machine=3'--", OPERATOR).problem(400);

    let totals = server.get("/v1/sales/totals?machine=3", OPERATOR).ok();
    assert_eq!(
        totals["lines"],
        json!([{"currency": "EUR", "count": 3, "amount": "2.80", "cash": "0.00", "refunded": "0.00", "fee": "0.01"}])
    );

    let file = server.get("/v1/sales.csv?kind=sale", OPERATOR);
    assert_eq!(file.media_type, "text/csv; charset=utf-8");
    assert!(file.header("content-disposition").contains("sales.csv"));
    let text = file.body.as_str().expect("text").to_owned();
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(rows.len(), 5, "{text}");
    assert!(
        rows[0].starts_with("sold_utc,booked_utc,kind,machine,"),
        "{text}"
    );
    assert!(
        rows[2].contains("\"Lobby, left\",12,'=cmd|' /C calc'!A0,1,1.20,EUR,"),
        "{text}"
    );
    let theirs = server.get("/v1/sales.csv", OTHER_OPERATOR).body;
    assert_eq!(theirs.as_str().expect("text").split("\r\n").count(), 2);
}

/// The next `wanted` events of a stream: id, name, body.
fn events(stream: &mut impl BufRead, wanted: usize) -> Vec<(String, String, Value)> {
    let mut events = Vec::new();
    let (mut id, mut name) = (String::new(), String::new());
    while events.len() < wanted {
        let mut line = String::new();
        assert_ne!(
            stream.read_line(&mut line).expect("a line"),
            0,
            "it ended: {events:?}"
        );
        match line.trim_end().split_once(": ") {
            Some(("id", text)) => id = text.to_owned(),
            Some(("event", text)) => name = text.to_owned(),
            Some(("data", text)) => {
                let body = serde_json::from_str(text).expect("JSON");
                events.push((id.clone(), name.clone(), body));
            }
            Some(_) | None => {}
        }
    }
    events
}

#[test]
fn a_stream_that_broke_goes_on_where_it_was_and_shows_nothing_of_others() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let mut stream = server.stream("/v1/live", OPERATOR, None);
    let mut theirs = server.stream("/v1/live", OTHER_OPERATOR, None);
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    tell(&server, &mut board, 1);
    board.write(grant, ReceiptKind::VendOk, 12, 120);
    tell(&server, &mut board, 2);
    let until_sales = |stream: &mut dyn BufRead, wanted: usize| {
        let mut all = Vec::new();
        let mut stream = stream;
        while all
            .iter()
            .filter(|(_, name, _): &&(_, String, _)| name == "sale")
            .count()
            < wanted
        {
            all.extend(events(&mut stream, 1));
        }
        all
    };
    let seen = until_sales(&mut stream, 2);
    let session = seen
        .iter()
        .find(|(_, name, _)| name == "session")
        .expect("a session");
    assert_eq!(session.2["step"], "granted");
    let sale = seen
        .iter()
        .find(|(_, name, _)| name == "sale")
        .expect("a sale");
    assert_eq!(
        (&sale.2["amount"], &sale.2["machine"], &sale.2["product"]),
        (&json!("0.80"), &json!(3), &json!("espresso"))
    );
    drop(stream);

    // The same again from every place on: what comes after it, without a gap and without a repeat.
    for (place, (id, ..)) in seen.iter().enumerate() {
        let mut again = server.stream("/v1/live", OPERATOR, Some(id));
        let rest = &seen[place + 1..];
        assert_eq!(events(&mut again, rest.len()), rest, "after {id}");
    }
    let mut recent = server.stream("/v1/live?recent=1", OPERATOR, None);
    assert_eq!(events(&mut recent, 1), seen[seen.len() - 1..]);

    // The other operator's first event is its own.
    let other = json!({"machine": 9, "currency": "EUR", "cap": "5.00", "vends_max": 1, "fee_basis_points": 0});
    server.post("/v1/machines", OTHER_OPERATOR, &other).ok();
    let first = events(&mut theirs, 1);
    assert_eq!(first[0].2["machine"], 9);
    server.get("/v1/live", "nobody").problem(401);
}

#[test]
fn a_claim_is_rejected_with_words_that_its_customer_reads() {
    let server = Server::start();
    let mut board = server.board();
    let ann = Person::on(&server, "ann@example.org");
    let grant = granted_to(&server, &mut board, &ann);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    tell(&server, &mut board, 1);
    awaited(&server, "/v1/sales", |shown| count(shown) == 1);
    let mut live = server.stream("/v1/live", OPERATOR, None);
    let claim = json!({"vend": grant.to_string(), "rseq": 1, "words": "Nothing fell."});
    ann.ask(&server, "post", "/v1/app/claims", &claim);
    let told = events(&mut live, 1);
    assert_eq!(
        (told[0].1.as_str(), &told[0].2["kind"]),
        ("refund", &json!("claim"))
    );
    let open = server.get("/v1/refunds?state=open", OPERATOR).ok();
    let case = &open["lines"][0];
    assert_eq!(case["words"], "Nothing fell.");
    assert_eq!(case["amount"], "0.80");
    let decide = format!("/v1/refunds/{}/decide", case["id"]);
    let no = json!({"verdict": "reject", "words": "The camera saw it fall."});
    server
        .post_keyed(&decide, OTHER_OPERATOR, "k", &no)
        .problem(404);
    ask(&server, "post", &decide, "", &no).problem(400);
    for _ in 0..2 {
        let decided = ask(&server, "post", &decide, "k", &no).ok();
        assert_eq!(decided["state"], "rejected");
    }
    ask(&server, "post", &decide, "k2", &no).problem(409);
    assert_eq!(
        count(&server.get("/v1/refunds?state=open", OPERATOR).ok()),
        0
    );
    assert_eq!(
        count(&server.get("/v1/refunds?state=decided", OPERATOR).ok()),
        1
    );
    let receipts = ann.ask(&server, "get", "/v1/app/receipts", &Value::Null);
    let receipt = &receipts["receipts"][0];
    assert_eq!(receipt["claim"]["state"], "rejected");
    assert_eq!(receipt["claim"]["answer"], "The camera saw it fall.");
    assert_eq!(ann.money(&server), ["4.20", "0.00"]);
}

#[test]
fn a_vend_that_nobody_saw_is_charged_or_forgiven_by_a_person_and_the_books_balance() {
    let mut server = Server::start();
    let mut board = server.board();
    let ann = Person::on(&server, "ann@example.org");
    let grant = granted_to(&server, &mut board, &ann);
    for (item, price) in [(11, 80), (11, 80), (12, 120)] {
        board.write(grant, ReceiptKind::VendUnknown, item, price);
    }
    tell(&server, &mut board, 1);
    // The first one is forgiven by rule.
    let open = awaited(&server, "/v1/refunds?state=open", |shown| count(shown) == 2);
    let decide = |place: usize| format!("/v1/refunds/{}/decide", open["lines"][place]["id"]);
    assert_eq!(open["lines"][0]["kind"], "unknown");
    assert_eq!(open["lines"][0]["product"], "tea");
    let partly = json!({"verdict": "refund", "amount": "0.10"});
    ask(&server, "post", &decide(0), "k0", &partly).problem(400);
    let charge = json!({"verdict": "reject"});
    assert_eq!(
        ask(&server, "post", &decide(0), "k1", &charge).ok()["state"],
        "rejected"
    );
    let forgive = json!({"verdict": "refund", "words": "Sorry."});
    assert_eq!(
        ask(&server, "post", &decide(1), "k2", &forgive).ok()["state"],
        "refunded"
    );
    ask(&server, "post", &decide(1), "k3", &charge).problem(409);
    awaited(&server, "/v1/sales", |shown| count(shown) == 1);
    assert_eq!(ann.money(&server), ["3.80", "0.00"]);
    server.stop();
    audited(&server.state());
    server.resume();
    let decided = server.get("/v1/refunds?state=decided", OPERATOR).ok();
    assert_eq!(count(&decided), 2);
    assert_eq!(decided["lines"][1]["answer"], "Sorry.");
    assert_eq!(decided["lines"][1]["decided_by"], "configured API key");
}

#[test]
fn a_refund_goes_back_as_it_was_paid_once_and_never_more_than_was_charged() {
    let mut server = Server::start();
    let mut board = server.board();
    let ann = Person::on(&server, "ann@example.org");
    let credit = json!({"customer": ann.number, "amount": "0.50", "currency": "EUR"});
    ask(&server, "post", "/v1/credits", "c", &credit).ok();
    let grant = granted_to(&server, &mut board, &ann);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    tell(&server, &mut board, 1);
    awaited(&server, "/v1/sales", |shown| count(shown) == 1);
    let claim = json!({"vend": grant.to_string(), "rseq": 1, "words": "Nothing fell."});
    ann.ask(&server, "post", "/v1/app/claims", &claim);
    let open = server.get("/v1/refunds?state=open", OPERATOR).ok();
    let decide = format!("/v1/refunds/{}/decide", open["lines"][0]["id"]);
    let all = ["4.70", "0.00"];
    assert_eq!(
        ann.money(&server),
        all,
        "0.50 of credit and 0.30 of e-money paid"
    );
    let too_much = json!({"verdict": "refund", "amount": "0.81"});
    ask(&server, "post", &decide, "k0", &too_much).problem(422);
    let part = json!({"verdict": "refund", "amount": "0.60", "words": "Sorry."});
    for _ in 0..3 {
        let decided = ask(&server, "post", &decide, "k1", &part).ok();
        assert_eq!(decided["state"], "refunded");
        assert_eq!(decided["refunded"], "0.60");
    }
    // A second decision, under another key, is none.
    ask(&server, "post", &decide, "k2", &part).problem(409);
    // What was paid last goes back first: all of the e-money, and the rest as credit.
    assert_eq!(ann.money(&server), ["5.00", "0.30"]);
    let lines = awaited(&server, "/v1/sales", |shown| count(shown) == 2);
    assert_eq!(lines["lines"][0]["kind"], "refund");
    assert_eq!(lines["lines"][0]["amount"], "-0.60");
    assert_eq!(lines["lines"][0]["product"], "espresso");
    let totals = server.get("/v1/sales/totals", OPERATOR).ok();
    assert_eq!(totals["lines"][0]["amount"], "0.20");
    assert_eq!(totals["lines"][0]["refunded"], "0.60");
    server.stop();
    audited(&server.state());
}

/// A snapshot of what the machine sold for cash, since its board's journal began.
fn counters(board: &Board, seq: u64, rows: &[(u16, u32, u32)]) -> Item {
    Item::Counters(gettone_channel::Counters {
        journal_epoch: board.epoch,
        seq,
        rows: rows
            .iter()
            .map(|(item, price, count)| gettone_channel::CounterRow {
                item: *item,
                price: *price,
                count: *count,
                value: u64::from(*price) * u64::from(*count),
            })
            .collect(),
        cash_in: 0,
        errors: 0,
    })
}

#[test]
fn cash_sales_are_booked_once_and_a_count_shows_what_is_missing() {
    let mut server = Server::start();
    let mut board = server.board();
    let mut tell = |server: &Server, seq, rows: &[(u16, u32, u32)]| {
        let hello = board.hello();
        let items = [Item::Hello(hello), counters(&board, seq, rows)];
        let envelope = board.seal(&items);
        server.relay("", None, &[envelope]);
    };
    tell(&server, 1, &[(11, 80, 2)]);
    tell(&server, 1, &[(11, 80, 2)]);
    tell(&server, 2, &[(11, 80, 3), (12, 120, 1)]);
    let lines = awaited(&server, "/v1/sales?kind=cash", |shown| count(shown) == 3);
    let lines = lines["lines"].as_array().expect("a list");
    assert_eq!(lines[2]["count"], 2);
    assert_eq!(lines[2]["amount"], "1.60");
    assert_eq!(lines[2]["product"], "espresso");
    assert_eq!(lines[2]["vend"], Value::Null);
    let path = "/v1/machines/3/cash";
    let cash = server.get(path, OPERATOR).ok();
    assert_eq!(
        (&cash["expected"], &cash["counts"]),
        (&json!("3.60"), &json!([]))
    );
    let listed = server.get("/v1/machines", OPERATOR).ok();
    assert_eq!(listed["lines"][0]["cash_expected"], "3.60");

    let counts = "/v1/machines/3/cash-counts";
    let counted = json!({"counted": "3.10"});
    ask(&server, "post", counts, "", &counted).problem(400);
    for wrong in ["", "-1", "3.105"] {
        ask(&server, "post", counts, "w", &json!({"counted": wrong})).problem(400);
    }
    server
        .post_keyed(counts, OTHER_OPERATOR, "k", &counted)
        .problem(404);
    for _ in 0..2 {
        ask(&server, "post", counts, "k", &counted).ok();
    }
    let cash = awaited(&server, path, |shown| shown["counts"] != json!([]));
    assert_eq!(cash["expected"], "0.00");
    let line = &cash["counts"][0];
    assert_eq!(
        (&line["expected"], &line["counted"]),
        (&json!("3.60"), &json!("3.10"))
    );
    assert_eq!(
        (&line["difference"], &line["by"]),
        (&json!("-0.50"), &json!("configured API key"))
    );
    tell(&server, 3, &[(11, 80, 4), (12, 120, 1)]);
    assert_eq!(server.get(path, OPERATOR).ok()["expected"], "0.80");
    ask(&server, "post", counts, "k2", &json!({"counted": "0"})).ok();
    server.stop();
    audited(&server.state());
}

#[test]
fn an_order_to_lock_is_queued_carried_and_applied_and_notices_ring() {
    let server = Server::start();
    let mut board = server.board();
    let shown = ask(&server, "post", "/v1/machines/3/lock", "", &json!({})).ok();
    assert_eq!(
        shown["lock"],
        json!({"wanted": "locked", "state": "queued"})
    );
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    let lock = board.answer(&relayed).lock.expect("an order");
    let shown = server.get("/v1/machines/3", OPERATOR).ok();
    assert_eq!(shown["lock"]["state"], "carried");
    let notice = |aseq, code: u8, n| {
        Item::Audit(gettone_channel::Audit {
            journal_epoch: board.epoch,
            aseq,
            code: gettone_channel::AuditCode::from_code(code),
            n,
            boot: 1,
            mono_ms: 1,
            data: [0; 8],
        })
    };
    let items = [
        Item::Epoch(board.epoch),
        notice(1, 6, lock.version),
        notice(2, 2, 1),
    ];
    let envelope = board.seal(&items);
    let relayed = server.relay("", None, &[envelope]);
    let answer = board.answer(&relayed);
    assert_eq!((answer.noticed, answer.lock), (Some(2), None));
    let shown = awaited(&server, "/v1/machines/3", |shown| {
        shown["alarms"] != json!([])
    });
    assert_eq!(shown["lock"]["state"], "applied");
    assert_eq!(shown["alarms"][0]["code"], "bus_lost");
    assert_eq!(shown["alarms"].as_array().map(Vec::len), Some(1), "{shown}");
    let shown = ask(&server, "post", "/v1/machines/3/unlock", "", &json!({})).ok();
    assert_eq!(shown["lock"], json!({"wanted": "open", "state": "queued"}));
}

#[test]
fn a_test_vend_is_paid_by_the_operator_and_only_the_next_one() {
    let mut server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "0.00");
    let tests = "/v1/machines/3/test-vends";
    ask(&server, "post", tests, "", &json!({"wallet": 1})).ok();
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::Close, 1, 80);
    tell(&server, &mut board, 1);
    let lines = awaited(&server, "/v1/sales?kind=test", |shown| count(shown) == 1);
    assert_eq!(lines["lines"][0]["test"], true);
    assert_eq!(lines["lines"][0]["amount"], "0.80");
    assert_eq!(
        server.get("/v1/sales/totals", OPERATOR).ok()["lines"],
        json!([])
    );
    assert_eq!(server.balance(&anna), ["0.00", "0.00", "0.00"]);
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    assert_eq!(relayed.outcome(), ("refused", "funds"), "the test is over");
    ask(&server, "post", tests, "", &json!({"customer": 77})).problem(404);
    ask(&server, "post", tests, "", &json!({})).problem(400);
    server.stop();
    audited(&server.state());
}

#[test]
fn a_product_that_is_taken_off_the_list_keeps_its_name_in_what_was_sold() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::VendOk, 12, 400);
    tell(&server, &mut board, 1);
    awaited(&server, "/v1/sales", |shown| count(shown) == 2);
    let review = server.get("/v1/sales?kind=review", OPERATOR).ok();
    assert_eq!(count(&review), 1, "tea at more than three times its price");
    assert_eq!(review["lines"][0]["item"], 12);
    for _ in 0..2 {
        let shown = ask(
            &server,
            "delete",
            "/v1/machines/3/products/11",
            "",
            &json!({}),
        )
        .ok();
        assert_eq!(shown["products"].as_array().map(Vec::len), Some(1));
    }
    let sales = server.get("/v1/sales", OPERATOR).ok();
    assert_eq!(sales["lines"][1]["product"], "espresso");
}
