//! How a reader is, for its technicians: asked for over the relay, brought in parts by anybody.

use crate::street::{Board, OPERATOR, OTHER_OPERATOR, Server};
use gettone_channel::{Diagnostics, Hello, Item, Order};
use serde_json::json;

/// Greets the server by anybody's phone; gives the question that comes with the answer.
fn asked(server: &Server, board: &mut Board) -> (Hello, Option<u32>) {
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    (hello, board.answer(&relayed).diagnose)
}

/// Has a phone bring one part.
fn bring(server: &Server, board: &mut Board, hello: &Hello, part: &Diagnostics) {
    let items = [
        Item::Epoch(hello.journal_epoch),
        Item::Diagnostics(part.clone()),
    ];
    let envelope = board.seal(&items);
    server.relay("", None, &[envelope]);
}

fn report(name: &str) -> String {
    (0..200)
        .map(|line| format!("{name}_{line} {}\n", line * 31))
        .collect()
}

#[test]
fn a_reader_is_asked_until_its_report_is_whole_and_technicians_alone_are_shown_it() {
    let mut server = Server::start();
    let mut board = server.board();
    let path = format!("/v1/readers/{}/diagnostics", board.id());
    let nothing = json!({"asked_at": null, "taken_at": null, "report": null});
    assert_eq!(server.get(&path, OPERATOR).ok(), nothing);
    assert_eq!(asked(&server, &mut board).1, None);
    for reply in [
        server.post(&path, OTHER_OPERATOR, &json!({})),
        server.get(&path, OTHER_OPERATOR),
    ] {
        reply.problem(404);
    }
    server.post(&path, "", &json!({})).problem(401);

    let reply = server.post(&path, OPERATOR, &json!({}));
    assert_eq!(reply.status, 202);
    let first = reply.ok();
    assert!(first["asked_at"].as_u64() > Some(0) && first["report"].is_null());
    let (hello, id) = asked(&server, &mut board);
    let id = id.expect("asked");
    let made = Order {
        boot: hello.boot,
        uptime_ms: hello.uptime_ms,
    };
    let parts = Diagnostics::parts(id, made, &report("first"));
    assert!(parts.len() > 2);
    // An open question is not asked twice, and outlives the server; the parts do not need to.
    bring(&server, &mut board, &hello, &parts[0]);
    let again = server.post(&path, OPERATOR, &json!({})).ok();
    assert_eq!(again, first);
    server.stop();
    server.resume();
    let (hello, again) = asked(&server, &mut board);
    assert_eq!(again, Some(id));
    // In any order, some of it twice, and beside parts of what nobody asked.
    let strange = Diagnostics::parts(id + 1, made, &report("strange"));
    for part in parts.iter().rev().chain(&strange) {
        assert!(server.get(&path, OPERATOR).ok()["report"] != report("strange"));
        bring(&server, &mut board, &hello, part);
        bring(&server, &mut board, &hello, part);
    }
    let shown = server.get(&path, OPERATOR).ok();
    assert_eq!(shown["report"], report("first"));
    assert!(shown["taken_at"].as_u64() >= first["asked_at"].as_u64());
    assert_eq!(asked(&server, &mut board).1, None, "answered");

    // What is brought late changes nothing; the next question is another one.
    let late = Diagnostics::parts(id, made, &report("late"));
    for part in &late {
        bring(&server, &mut board, &hello, part);
    }
    assert_eq!(server.get(&path, OPERATOR).ok(), shown);
    let next = server.post(&path, OPERATOR, &json!({})).ok();
    assert_eq!(next["report"], report("first"), "until there is another");
    let (_, other) = asked(&server, &mut board);
    assert!(other.is_some_and(|other| other != id));
}

#[test]
fn a_revoked_readers_report_is_nobodys() {
    let server = Server::start();
    let mut board = server.board();
    let path = format!("/v1/readers/{}/diagnostics", board.id());
    server.post(&path, OPERATOR, &json!({})).ok();
    let (hello, id) = asked(&server, &mut board);
    let revoke = format!("/v1/readers/{}/revoke", board.id());
    server.post(&revoke, OPERATOR, &json!({})).ok();
    let made = Order {
        boot: 1,
        uptime_ms: 1,
    };
    for part in Diagnostics::parts(id.expect("asked"), made, "boot 1\n") {
        bring(&server, &mut board, &hello, &part);
    }
    assert_eq!(asked(&server, &mut board).1, None);
    assert!(server.get(&path, OPERATOR).ok()["report"].is_null());
}
