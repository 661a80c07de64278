//! Operators: what they can do, and that each sees only its own.

use crate::street::{Board, OPERATOR, OTHER_OPERATOR, PLATFORM, Server, claim_code};
use gettone_channel::{Item, ReceiptKind};
use serde_json::{Value, json};

/// Every route of an operator: method, path of the first operator's thing, body. A route that is
/// missing here is not known to keep operators apart.
fn routes(board: &Board, wallet: u64) -> Vec<(&'static str, String, Value)> {
    let reader = board.id();
    let product = json!({"item": 1, "name": "x", "price": "0.10"});
    let enrolment = json!({
        "public_key": board.key.public().to_string(),
        "claim_code": claim_code(&board.key.public()),
        "machine": 3,
    });
    vec![
        ("get", "/v1/machines/3".to_owned(), Value::Null),
        ("post", "/v1/machines/3/products".to_owned(), product),
        ("post", "/v1/readers".to_owned(), enrolment),
        ("get", format!("/v1/readers/{reader}"), Value::Null),
        ("post", format!("/v1/readers/{reader}/revoke"), json!({})),
        (
            "post",
            format!("/v1/wallets/{wallet}/gifts"),
            json!({"amount": "1.00"}),
        ),
    ]
}

#[test]
fn an_operator_finds_nothing_of_another_operator() {
    let server = Server::start();
    let board = server.board();
    let anna = server.customer(1, "0.00");
    for (method, path, body) in routes(&board, anna.wallet) {
        let ask = |credential| match method {
            "get" => server.get(&path, credential),
            _ => server.post_keyed(&path, credential, "key", &body),
        };
        let hidden = ask(OTHER_OPERATOR).problem(404);
        assert_eq!(hidden["type"], "urn:gettone:problem:not-found", "{path}");
        // The negative control: the same request of its owner is taken.
        ask(OPERATOR).ok();
    }
    assert_eq!(
        server.get("/v1/sales", OTHER_OPERATOR).ok()["lines"],
        json!([])
    );
}

#[test]
fn every_route_needs_its_own_kind_of_credential() {
    let server = Server::start();
    let board = server.board();
    let anna = server.customer(1, "0.00");
    let mut guarded: Vec<(&str, String, Value, &str)> = routes(&board, anna.wallet)
        .into_iter()
        .map(|(method, path, body)| (method, path, body, OPERATOR))
        .collect();
    let wallet = json!({"wallet": 5, "currency": "EUR"});
    let machine =
        json!({"machine": 5, "currency": "EUR", "cap": "1", "vends_max": 1, "fee_basis_points": 0});
    let amount = json!({"amount": "1.00"});
    let top_up = format!("/v1/wallets/{}/top-ups", anna.wallet);
    guarded.extend([
        ("post", "/v1/wallets".to_owned(), wallet, OPERATOR),
        ("post", "/v1/machines".to_owned(), machine, OPERATOR),
        ("get", "/v1/sales".to_owned(), Value::Null, OPERATOR),
        ("post", top_up, amount, PLATFORM),
        (
            "get",
            "/v1/app/wallet".to_owned(),
            Value::Null,
            anna.token.as_str(),
        ),
        (
            "get",
            "/v1/app/receipts".to_owned(),
            Value::Null,
            &anna.token,
        ),
    ]);
    for (method, path, body, right) in &guarded {
        for credential in ["", "nobody's key", OPERATOR, PLATFORM, &anna.token] {
            if credential == *right {
                continue;
            }
            let reply = match *method {
                "get" => server.get(path, credential),
                _ => server.post_keyed(path, credential, "key", body),
            };
            reply.problem(401);
        }
    }
    // A relay needs no credential, but a wrong one is not taken for none.
    let body = json!({"envelopes": []});
    server.post("/v1/app/relay", "", &body).ok();
    server.post("/v1/app/relay", OPERATOR, &body).problem(401);
}

#[test]
fn the_same_number_names_another_wallet_for_each_operator() {
    let server = Server::start();
    let open = |credential| {
        let body = json!({"wallet": 42, "currency": "EUR"});
        server.post("/v1/wallets", credential, &body).ok()
    };
    let (first, second) = (open(OPERATOR), open(OTHER_OPERATOR));
    assert_eq!(first["wallet"], 1_000_000_042_u64);
    assert_eq!(second["wallet"], 2_000_000_042_u64);
    assert_eq!(
        open(OPERATOR),
        first,
        "opening it again gives the same token"
    );
    let theirs = json!({"wallet": 1_000_000_042_u64, "currency": "EUR"});
    server
        .post("/v1/wallets", OTHER_OPERATOR, &theirs)
        .problem(400);
    let other_currency = json!({"wallet": 42, "currency": "CHF"});
    server
        .post("/v1/wallets", OPERATOR, &other_currency)
        .problem(409);
}

#[test]
fn a_transfer_that_is_sent_again_moves_once() {
    let server = Server::start();
    let anna = server.customer(1, "0.00");
    let gifts = format!("/v1/wallets/{}/gifts", anna.wallet);
    let top_ups = format!("/v1/wallets/{}/top-ups", anna.wallet);
    let five = json!({"amount": "5.00"});
    for (path, credential) in [(&gifts, OPERATOR), (&top_ups, PLATFORM)] {
        for _ in 0..3 {
            let moved = server.post_keyed(path, credential, "k1", &five).ok();
            assert_eq!(moved["amount"], "5.00");
        }
        let other = server.post_keyed(path, credential, "k1", &json!({"amount": "6.00"}));
        assert_eq!(other.problem(422)["type"], "urn:gettone:problem:key-reused");
        server.post(path, credential, &five).problem(400);
        server
            .post_keyed(path, credential, &"k".repeat(65), &five)
            .problem(400);
    }
    let shown = server.get("/v1/app/wallet", &anna.token).ok();
    assert_eq!(
        shown,
        json!({
            "wallet": anna.wallet, "currency": "EUR", "emoney": "5.00",
            "closed": [{"operator": 1, "name": "Caffè Uno", "amount": "5.00"}],
            "pending": "0.00", "owed": "0.00", "available": "10.00",
        })
    );
}

#[test]
fn money_that_is_not_an_exact_positive_amount_is_not_taken() {
    let server = Server::start();
    let anna = server.customer(1, "0.00");
    let path = format!("/v1/wallets/{}/top-ups", anna.wallet);
    for wrong in ["0", "-1", "1.001", "99999999999.00", "", "1e2", "NaN"] {
        server
            .post_keyed(&path, PLATFORM, "k", &json!({"amount": wrong}))
            .problem(400);
    }
    server
        .post_keyed(&path, PLATFORM, "k", &json!({"amount": 1}))
        .problem(400);
    let nobodys = "/v1/wallets/77/top-ups";
    server
        .post_keyed(nobodys, PLATFORM, "k", &json!({"amount": "1"}))
        .problem(404);
    assert_eq!(server.balance(&anna), ["0.00", "0.00", "0.00"]);
}

#[test]
fn a_machine_and_its_reader_are_shown_as_they_were_registered() {
    let server = Server::start();
    let mut board = server.board();
    let shown = server.get("/v1/machines/3", OPERATOR).ok();
    assert_eq!(
        shown,
        json!({
            "machine": 3, "name": "", "place": "", "operator": 1, "life": "served", "currency": "EUR", "cap": "5.00",
            "vends_max": 3, "fee_basis_points": 100, "reader": board.id(),
            "state": "silent", "last_seen_ms": null, "mdb_state": null,
            "lock": {"wanted": "open", "state": "none"}, "cash_expected": "0.00",
            "revalue_max": "0.00",
            "alarms": [],
            "products": [
                {"item": 11, "name": "espresso", "price": "0.80"},
                {"item": 12, "name": "tea", "price": "1.20"},
            ],
        })
    );
    let path = format!("/v1/readers/{}", board.id());
    let pending = server.get(&path, OPERATOR).ok();
    assert_eq!(pending["state"], "pending");
    assert_eq!(pending["journal"], Value::Null);
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    server.relay("", None, &[envelope]);
    let active = server.get(&path, OPERATOR).ok();
    assert_eq!(active["state"], "active");
    assert_eq!(
        active["journal"],
        json!({"epoch": "0707070707070707", "newest": 0, "recorded": 0, "applied": 0})
    );
}

#[test]
fn an_enrolment_that_was_mistyped_or_contradicts_is_not_taken() {
    let server = Server::start();
    let board = server.board();
    let key = board.key.public();
    let ask = |public_key: String, claim_code: String, machine: u32| {
        let body = json!({"public_key": public_key, "claim_code": claim_code, "machine": machine});
        server.post("/v1/readers", OPERATOR, &body)
    };
    ask(key.to_string(), "0123456789".to_owned(), 3).problem(400);
    ask("00".repeat(31), claim_code(&key), 3).problem(400);
    ask(key.to_string(), claim_code(&key), 99).problem(404);
    ask(key.to_string(), claim_code(&key).to_uppercase(), 3).ok();
    let machine = json!({"machine": 4, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 0});
    server.post("/v1/machines", OPERATOR, &machine).ok();
    ask(key.to_string(), claim_code(&key), 4).problem(409);
    server
        .post(
            &format!("/v1/readers/{}/revoke", board.id()),
            OPERATOR,
            &json!({}),
        )
        .ok();
    ask(key.to_string(), claim_code(&key), 3).problem(409);
    // A number that is taken says so, and nothing else.
    server
        .post("/v1/machines", OTHER_OPERATOR, &machine)
        .problem(409);
}

#[test]
fn a_sale_is_in_the_history_of_its_operator_and_its_customer() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant").grant;
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);

    // The projection follows the journal at its own pace; the last line is awaited, not slept for.
    let lines = |path: &str, credential: &str, list: &str| loop {
        let page = server.get(path, credential).ok();
        assert_eq!(page["complete"], true);
        let lines = page[list].as_array().expect("a list").clone();
        if lines.first().is_some_and(|line| line["rseq"] == 1) {
            break lines;
        }
    };
    let receipts = lines("/v1/app/receipts", &anna.token, "receipts");
    assert_eq!(receipts.len(), 2, "{receipts:?}");
    assert_eq!(receipts[0]["kind"], "sale");
    assert_eq!(receipts[0]["amount"], "0.80");
    assert_eq!(receipts[0]["product"], "espresso");
    assert_eq!(receipts[0]["vend"], grant.to_string());
    assert_eq!(receipts[1]["kind"], "top_up");
    let sales = lines("/v1/sales?limit=1", OPERATOR, "lines");
    assert_eq!(sales.len(), 1);
    assert_eq!(sales[0]["machine"], 3);
    assert_eq!(sales[0]["amount"], "0.80");
    let page = server.get("/v1/app/receipts?limit=1", &anna.token).ok();
    assert_eq!(page["receipts"].as_array().map(Vec::len), Some(1));
    server.get("/v1/sales?limit=x", OPERATOR).problem(400);
    server.get("/v1/sales?other=1", OPERATOR).problem(400);
}
