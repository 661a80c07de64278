//! Customers: they prove an address by a code, and from then on a cookie says who they are.

use crate::street::{Ask, Credential, OPERATOR, PLATFORM, Reply, Server};
use gettone_channel::{Item, ReceiptKind};
use serde_json::{Value, json};

const ANN: &str = "ann@example.org";

fn ask(server: &Server, method: &str, path: &str, cookie: &str, body: Option<&Value>) -> Reply {
    server.ask(Ask {
        method,
        path,
        credential: Credential::Cookie(cookie),
        key: None,
        body,
    })
}

fn send_code(server: &Server, address: &str) {
    let sent = server.post("/v1/app/codes", "", &json!({"address": address}));
    assert_eq!(sent.status, 202, "{sent:?}");
    assert_eq!(sent.body, "");
}

fn sign_in(server: &Server, address: &str, code: &str) -> Reply {
    server.post(
        "/v1/app/sign-in",
        "",
        &json!({"address": address, "code": code}),
    )
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    format!(
        "{:06}",
        (code.parse::<u32>().expect("digits") + 1) % 1_000_000
    )
}

#[test]
fn a_customer_signs_in_by_a_code_and_is_the_same_one_the_next_time() {
    let server = Server::start();
    send_code(&server, " Ann@Example.ORG");
    let code = server.code(ANN);
    let reply = sign_in(&server, "ann@EXAMPLE.org", &code);
    let attributes = reply.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=7776000"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    let cookie = reply.cookie();
    let first = reply.ok();
    assert_eq!(first["is_new"], true);
    assert_eq!(first["wallets"], json!([]));

    let wallet = ask(
        &server,
        "post",
        "/v1/app/wallets",
        &cookie,
        Some(&json!({"currency": "EUR"})),
    )
    .ok();
    let again = ask(
        &server,
        "post",
        "/v1/app/wallets",
        &cookie,
        Some(&json!({"currency": "EUR"})),
    )
    .ok();
    assert_eq!(wallet, again, "one wallet in each currency");
    assert!(
        wallet["wallet"].as_u64().expect("a number") < 1 << 53,
        "whole in JSON"
    );

    send_code(&server, ANN);
    let reply = sign_in(&server, ANN, &server.code(ANN));
    let cookie = reply.cookie();
    let second = reply.ok();
    assert_eq!(second["is_new"], false);
    assert_eq!(second["customer"], first["customer"]);
    assert_eq!(
        second["wallets"],
        json!([{"wallet": wallet["wallet"], "currency": "EUR"}])
    );
    let me = ask(&server, "get", "/v1/app/me", &cookie, None).ok();
    assert_eq!(me["address"], ANN);
    assert_eq!(me["language"], "en");
    assert_eq!(me["wallets"][0]["available"], "0.00");
    let (_, other) = server.person("+39021234567");
    assert_ne!(json!(other), first["customer"]);
}

#[test]
fn a_code_is_good_once_for_one_address_and_for_few_tries() {
    let server = Server::start();
    send_code(&server, ANN);
    let code = server.code(ANN);
    sign_in(&server, "bob@example.org", &code).problem(401);
    sign_in(&server, ANN, &code).ok();
    sign_in(&server, ANN, &code).problem(401);

    send_code(&server, ANN);
    let code = server.code(ANN);
    for _ in 0..5 {
        sign_in(&server, ANN, &wrong(&code)).problem(401);
    }
    sign_in(&server, ANN, &code).problem(401);
    send_code(&server, ANN);
    let newer = server.code(ANN);
    assert_eq!(sign_in(&server, ANN, &newer).ok()["is_new"], false);
}

#[test]
fn the_same_is_answered_for_known_and_unknown_and_too_many_codes() {
    let server = Server::start();
    server.person(ANN);
    let answer = |address: &str| {
        let reply = server.post("/v1/app/codes", "", &json!({"address": address}));
        (reply.status, reply.body)
    };
    let known = answer(ANN);
    assert_eq!(answer("nobody@example.org"), known);
    let newest = server.code(ANN);
    for _ in 0..6 {
        assert_eq!(answer(ANN), known, "no word about how many there were");
    }
    // Three more went out, each of which counts alone; then none, and the last one still counts.
    let last = server.last_code(ANN, 3);
    assert_ne!(last, newest);
    sign_in(&server, ANN, &newest).problem(401);
    sign_in(&server, ANN, &last).ok();
    server
        .post("/v1/app/codes", "", &json!({"address": "no address"}))
        .problem(400);
}

#[test]
fn a_client_that_tries_too_often_has_to_wait() {
    let server = Server::start();
    let told = (0..30)
        .map(|_| sign_in(&server, ANN, "000000").status)
        .collect::<Vec<_>>();
    let tried = told.iter().take_while(|status| **status == 401).count();
    assert_eq!(tried, 20, "{told:?}");
    let refused = sign_in(&server, ANN, "000000");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.problem(429)["type"], "urn:gettone:problem:too-many");
}

#[test]
fn a_session_ends_with_its_sign_out() {
    let server = Server::start();
    let (cookie, _) = server.person(ANN);
    let (other, _) = server.person(ANN);
    ask(&server, "get", "/v1/app/me", &cookie, None).ok();
    let out = ask(&server, "post", "/v1/app/sign-out", &cookie, None);
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    ask(&server, "get", "/v1/app/me", &cookie, None).problem(401);
    ask(&server, "get", "/v1/app/me", &other, None).ok();
    ask(&server, "get", "/v1/app/me", "gettone_app=guessed", None).problem(401);
    // A session is one of customers: staff do not come in by it.
    let as_staff = other.replace("gettone_app", "gettone_staff");
    ask(&server, "get", "/v1/staff/me", &as_staff, None).problem(401);
}

#[test]
fn no_form_of_another_site_changes_anything() {
    let server = Server::start();
    let (cookie, _) = server.person(ANN);
    for media_type in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
    ] {
        let forged = server.post_as(
            "/v1/app/wallets",
            media_type,
            &cookie,
            b"{\"currency\": \"EUR\"}",
        );
        forged.problem(415);
        server
            .post_as("/v1/app/relay", media_type, &cookie, b"{\"envelopes\": []}")
            .problem(415);
    }
    let me = ask(&server, "get", "/v1/app/me", &cookie, None).ok();
    assert_eq!(me["wallets"], json!([]));
}

#[test]
fn a_purchase_goes_from_the_wallet_in_the_machines_currency() {
    let server = Server::start();
    let mut board = server.board();
    let (cookie, _) = server.person(ANN);
    let relay = |board: &mut crate::street::Board| {
        let hello = board.hello();
        let envelope = board.seal(&[Item::Hello(hello)]);
        let carried = crate::street::carried(Some(hello.bind), &[envelope]);
        ask(&server, "post", "/v1/app/relay", &cookie, Some(&carried)).ok()
    };
    let mut wallets = Vec::new();
    for currency in ["CHF", "EUR"] {
        let none_yet = relay(&mut board);
        assert_eq!(
            none_yet["results"][0]["outcome"], "recorded",
            "no wallet in EUR yet"
        );
        let opened = ask(
            &server,
            "post",
            "/v1/app/wallets",
            &cookie,
            Some(&json!({"currency": currency})),
        )
        .ok();
        let path = format!("/v1/wallets/{}/top-ups", opened["wallet"]);
        server
            .post_keyed(&path, PLATFORM, "k", &json!({"amount": "5.00"}))
            .ok();
        wallets.push(opened["wallet"].clone());
    }
    let relayed = relay(&mut board);
    assert_eq!(relayed["results"][0]["outcome"], "granted");
    let grant = board
        .answer(&crate::street::Relayed::of(&relayed))
        .grant
        .expect("a grant");
    board.write(grant.grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);
    let me = ask(&server, "get", "/v1/app/me", &cookie, None).ok();
    assert_eq!(me["wallets"][0]["emoney"], "5.00");
    assert_eq!(me["wallets"][1]["emoney"], "4.20");
    let chosen = ask(&server, "get", "/v1/app/wallet?currency=EUR", &cookie, None).ok();
    assert_eq!(chosen["wallet"], wallets[1]);
    ask(&server, "get", "/v1/app/wallet?currency=USD", &cookie, None).problem(404);
}

#[test]
fn what_was_charged_and_did_not_come_is_claimed_once_and_by_its_customer_only() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let bert = server.customer(2, "5.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant").grant;
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::VendFail, 12, 0);
    server.relay("", None, &[board.outbox(1)]);
    let receipts = loop {
        let page = server.get("/v1/app/receipts", &anna.token).ok();
        if page["receipts"].as_array().map(Vec::len) == Some(3) {
            break page;
        }
    };
    assert_eq!(receipts["receipts"][1]["claim"], Value::Null);
    assert_eq!(receipts["receipts"][1]["operator_name"], "Caffè Uno");
    let said = |words: &str| json!({"vend": grant.to_string(), "rseq": 1, "words": words});
    let claim = |token: &str, body: &Value| server.post("/v1/app/claims", token, body);
    claim(&bert.token, &said("mine!")).problem(404);
    claim(&anna.token, &said(" ")).problem(400);
    claim(&anna.token, &said(&"a".repeat(501))).problem(400);
    let failed = json!({"vend": grant.to_string(), "rseq": 2, "words": "nothing was charged"});
    claim(&anna.token, &failed).problem(404);
    let opened = claim(&anna.token, &said("nothing fell"));
    assert_eq!(opened.status, 201);
    let opened = opened.ok();
    assert_eq!(
        opened,
        json!({
            "vend": grant.to_string(), "rseq": 1, "state": "open", "words": "nothing fell",
            "answer": "", "amount": null,
        })
    );
    assert_eq!(claim(&anna.token, &said("again")).ok(), opened);
    let receipts = server.get("/v1/app/receipts", &anna.token).ok();
    assert_eq!(receipts["receipts"][1]["claim"]["state"], "open");
}

#[test]
fn a_customer_takes_everything_along_and_is_forgotten() {
    let server = Server::start();
    let (cookie, number) = server.person(ANN);
    let opened = ask(
        &server,
        "post",
        "/v1/app/wallets",
        &cookie,
        Some(&json!({"currency": "EUR"})),
    )
    .ok();
    let path = format!("/v1/wallets/{}/top-ups", opened["wallet"]);
    server
        .post_keyed(&path, PLATFORM, "k", &json!({"amount": "5.00"}))
        .ok();
    let me = ask(
        &server,
        "patch",
        "/v1/app/me",
        &cookie,
        Some(&json!({"language": "it"})),
    )
    .ok();
    assert_eq!(me["language"], "it");
    ask(
        &server,
        "patch",
        "/v1/app/me",
        &cookie,
        Some(&json!({"language": "xx"})),
    )
    .problem(400);
    let export = loop {
        let export = ask(&server, "get", "/v1/app/me/export", &cookie, None).ok();
        if export["receipts"][0]["kind"] == "top_up" {
            break export;
        }
    };
    assert_eq!(export["me"], me);

    let left = ask(&server, "delete", "/v1/app/me", &cookie, None).problem(422);
    assert_eq!(left["left"], "5.00");
    let gone = ask(
        &server,
        "delete",
        "/v1/app/me?money=given-up",
        &cookie,
        None,
    );
    assert_eq!(gone.status, 204);
    ask(&server, "get", "/v1/app/me", &cookie, None).problem(401);
    let (_, newer) = server.person(ANN);
    assert_ne!(newer, number, "nobody inherits a number");
}

#[test]
fn a_machine_is_shown_to_everybody_with_what_it_sells() {
    let server = Server::start();
    server.board();
    let machine = json!({
        "machine": 4, "currency": "CHF", "cap": "5.00", "vends_max": 1, "fee_basis_points": 0,
        "name": "Hall", "place": "Via Roma 1",
    });
    server.post("/v1/machines", OPERATOR, &machine).ok();
    let shown = server.get("/v1/app/machines/3", "").ok();
    assert_eq!(
        shown,
        json!({
            "machine": 3, "name": "", "place": "", "operator": {"number": 1, "name": "Caffè Uno"},
            "currency": "EUR", "products": [
                {"item": 11, "name": "espresso", "price": "0.80"},
                {"item": 12, "name": "tea", "price": "1.20"},
            ],
        })
    );
    let hall = server.get("/v1/app/machines/4", "").ok();
    assert_eq!(
        (&hall["name"], &hall["place"]),
        (&json!("Hall"), &json!("Via Roma 1"))
    );
    server.get("/v1/app/machines/5", "").problem(404);
}
