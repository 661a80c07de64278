//! What survives a restart: everything.

use crate::street::{OPERATOR, Server, audited};
use gettone_channel::{Item, ReceiptKind};
use serde_json::Value;

fn awaited(server: &Server, path: &str, credential: &str, list: &str, len: usize) -> Value {
    loop {
        let page = server.get(path, credential).ok();
        if page[list].as_array().map(Vec::len) == Some(len) {
            return page;
        }
    }
}

#[test]
fn a_restart_keeps_everything_and_the_books_balance() {
    let mut server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[&envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant");
    board.write(grant.grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);

    let reader = format!("/v1/readers/{}", board.id());
    let look = |server: &Server| {
        [
            server.get("/v1/machines/3", OPERATOR).ok(),
            server.get(&reader, OPERATOR).ok(),
            server.get("/v1/app/wallet", &anna.token).ok(),
            awaited(server, "/v1/app/receipts", &anna.token, "receipts", 2),
            awaited(server, "/v1/sales", OPERATOR, "sales", 1),
        ]
    };
    let before = look(&server);
    let mut records = 0;
    for _ in 0..2 {
        server.stop();
        let now = audited(&server.state());
        assert!(
            now > 0 && (records == 0 || now == records),
            "{records}, then {now}"
        );
        records = now;
        server.resume();
        assert_eq!(look(&server), before);
        let again = server.relay(&anna.token, Some(hello.bind), &[&envelope]);
        assert_eq!(
            board.answer(&again).grant,
            Some(grant),
            "the same key, the same grant"
        );
    }
    assert_eq!(server.balance(&anna), ["4.20", "4.20", "0.00"]);
}

#[test]
fn an_audit_of_a_journal_in_use_says_so() {
    let server = Server::start();
    let fault = gettone_gateway::audit(&server.state()).expect_err("in use");
    assert!(fault.to_string().contains("in use"), "{fault}");
}

#[test]
fn an_audit_of_the_wrong_directory_says_so_and_makes_nothing() {
    let empty = tempfile::tempdir().expect("a directory");
    let fault = gettone_gateway::audit(empty.path()).expect_err("nothing there");
    assert!(fault.to_string().contains("has no journal"), "{fault}");
    assert_eq!(std::fs::read_dir(empty.path()).expect("listed").count(), 0);
}
