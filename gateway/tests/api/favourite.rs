//! Favourites: what a customer wants a machine to make, from the API to the reader's grant.

use crate::street::{
    Answer, Ask, Board, Credential, OPERATOR, PLATFORM, Relayed, Reply, Server, carried,
};
use gettone_channel::Item;
use serde_json::{Value, json};

/// Sugar 1 (none) and cup 1 (the smallest) in the bits of MDB's item options.
const SHORT_WITHOUT_SUGAR: u32 = 1 << 2 | 1 << 5;

fn ask(server: &Server, method: &str, cookie: &str, body: Option<&Value>) -> Reply {
    server.ask(Ask {
        method,
        path: "/v1/app/favourites",
        credential: Credential::Cookie(cookie),
        key: None,
        body,
    })
}

fn put(server: &Server, cookie: &str, favourite: &Value) -> Reply {
    ask(server, "put", cookie, Some(favourite))
}

/// Somebody who has signed in, with money.
fn customer(server: &Server, address: &str) -> String {
    let (cookie, _) = server.person(address);
    let wallet = server
        .ask(Ask {
            method: "post",
            path: "/v1/app/wallets",
            credential: Credential::Cookie(&cookie),
            key: None,
            body: Some(&json!({"currency": "EUR"})),
        })
        .ok();
    let top_ups = format!("/v1/wallets/{}/top-ups", wallet["wallet"]);
    server
        .post_keyed(&top_ups, PLATFORM, address, &json!({"amount": "5.00"}))
        .ok();
    cookie
}

/// Carries a HELLO; gives what the app is told and what the reader reads.
fn visit(server: &Server, board: &mut Board, cookie: &str) -> (Value, Answer) {
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let told = server
        .ask(Ask {
            method: "post",
            path: "/v1/app/relay",
            credential: Credential::Cookie(cookie),
            key: None,
            body: Some(&carried(Some(hello.bind), &[envelope])),
        })
        .ok();
    let answer = board.answer(&Relayed::of(&told));
    (told["results"][0].clone(), answer)
}

#[test]
fn a_favourite_goes_with_every_grant_at_its_machine_and_nowhere_else() {
    let server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (
        customer(&server, "anna@example.org"),
        customer(&server, "bruno@example.org"),
    );
    let short = json!({"machine": 3, "item": 11, "sugar": 1, "cup": 1});
    put(&server, &anna, &short).ok();
    let (told, answer) = visit(&server, &mut board, &anna);
    assert_eq!(
        (&told["outcome"], &told["favourite"]),
        (&json!("granted"), &json!(11))
    );
    let favourite = answer
        .grant
        .expect("a grant")
        .favourite
        .expect("a favourite");
    assert_eq!(
        (favourite.item(), favourite.options()),
        (11, SHORT_WITHOUT_SUGAR)
    );
    // Nobody drinks somebody else's coffee.
    let (told, answer) = visit(&server, &mut board, &bruno);
    assert_eq!(
        (&told["outcome"], &told["favourite"]),
        (&json!("granted"), &Value::Null)
    );
    assert_eq!(answer.grant.expect("a grant").favourite, None);
}

#[test]
fn a_favourite_can_be_seen_changed_and_forgotten() {
    let server = Server::start();
    let _board = server.board();
    let anna = customer(&server, "anna@example.org");
    let shown = |item, sugar| {
        json!({"favourites": [
            {"machine": 3, "item": item, "sugar": sugar, "cup": 0, "strength": 0, "whitener": 0},
        ]})
    };
    let none = json!({"favourites": []});
    assert_eq!(ask(&server, "get", &anna, None).ok(), none);
    let first = put(
        &server,
        &anna,
        &json!({"machine": 3, "item": 11, "sugar": 7}),
    );
    assert_eq!(first.ok(), shown(11, 7));
    let second = put(&server, &anna, &json!({"machine": 3, "item": 12}));
    assert_eq!(second.ok(), shown(12, 0), "one for each machine");
    assert_eq!(ask(&server, "get", &anna, None).ok(), shown(12, 0));
    let gone = put(&server, &anna, &json!({"machine": 3, "item": null}));
    assert_eq!(gone.ok(), none);
}

#[test]
fn what_a_machine_cannot_make_is_refused_with_what_to_do() {
    let server = Server::start();
    let _board = server.board();
    let anna = customer(&server, "anna@example.org");
    for (favourite, status, words) in [
        (json!({"machine": 3, "item": 99}), 422, "does not sell"),
        (
            json!({"machine": 3, "item": 11, "sugar": 8}),
            400,
            "sugar: 0 to 7",
        ),
        (
            json!({"machine": 3, "item": 11, "cup": 4}),
            400,
            "cup: 0 to 3",
        ),
        (json!({"machine": 77, "item": 11}), 404, ""),
        (json!({"machine": 3, "item": 11, "milk": 1}), 400, "milk"),
    ] {
        let problem = put(&server, &anna, &favourite).problem(status);
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(words), "{favourite}: {detail}");
    }
    // A token names a wallet, and nobody who drinks coffee.
    let token = server.customer(9, "1.00").token;
    server.get("/v1/app/favourites", &token).problem(403);
    server.get("/v1/app/favourites", OPERATOR).problem(401);
}
