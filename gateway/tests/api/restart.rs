//! What survives a restart: everything.

use crate::street::{OPERATOR, Server, audited};
use gettone_channel::{Item, ReceiptKind};
use gettone_core::grant::Parts;
use gettone_core::id::{OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::port::{Frames, Seq, Store};
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::wallet;
use gettone_gateway::rebuild;
use gettone_store::{File, FileSettings};
use serde_json::Value;
use std::process::ExitCode;

fn awaited(server: &Server, path: &str, credential: &str, list: &str, len: usize) -> Value {
    server.awaited(path, credential, |page| {
        page[list].as_array().map(Vec::len) == Some(len)
    })
}

#[test]
fn a_rebuild_shows_the_same_again_and_tells_how_far_it_is() {
    let mut server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[&envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant");
    board.write(grant.grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);
    let look = |server: &Server| {
        [
            awaited(server, "/v1/sales", OPERATOR, "lines", 1),
            awaited(server, "/v1/app/receipts", &anna.token, "receipts", 2),
            server.get("/v1/machines/3", OPERATOR).ok(),
        ]
    };
    let before = look(&server);
    let in_use = rebuild(&server.config(), &mut |_| {}).expect_err("the gateway runs");
    assert!(in_use.to_string().contains("journal"), "{in_use}");
    server.stop();
    let mut told = Vec::new();
    let done = rebuild(&server.config(), &mut |progress| told.push(progress)).expect("folded");
    assert!(done.of > 0 && done.records == done.of, "{done:?}");
    assert_eq!(told.len() as u64, done.of, "record by record");
    server.resume();
    assert_eq!(look(&server), before);
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
        // The sale is the last that is folded: what it came with is to be seen as well.
        [
            awaited(server, "/v1/sales", OPERATOR, "lines", 1),
            awaited(server, "/v1/app/receipts", &anna.token, "receipts", 2),
            server.get("/v1/machines/3", OPERATOR).ok(),
            server.get(&reader, OPERATOR).ok(),
            server.get("/v1/app/wallet", &anna.token).ok(),
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

#[test]
fn books_that_do_not_balance_are_said_not_to() {
    let home = tempfile::tempdir().expect("a directory");
    let mut store = File::open(home.path(), FileSettings::default()).expect("begun");
    store.replay(Seq::FIRST, &mut |_, _| Ok(())).expect("empty");
    // A sale under a hold that was never given, from a wallet that was never opened.
    let record = Record {
        at: Timestamp::default(),
        event: Event::Wallet {
            wallet: WalletId::new(1),
            event: wallet::Event::Captured {
                vend: VendId::from_bytes([1; 16]),
                rseq: Rseq::new(1),
                operator: OperatorId::new(1),
                machine: gettone_core::id::MachineId::new(1),
                purpose: gettone_core::grant::Purpose::Sale,
                at: Timestamp::default(),
                item: gettone_core::id::Item::new(1),
                parts: Parts::default(),
                debt: Amount::ZERO,
                fee: Amount::from_minor(1),
                review: wallet::Review::Unneeded,
                freed: None,
            },
        },
    };
    let mut frames = Frames::default();
    frames
        .push_with(|bytes| record.encode(bytes))
        .expect("encoded");
    store.append(Seq::FIRST, &frames).expect("appended");
    drop(store);

    let found = gettone_gateway::audit(home.path()).expect("read");
    assert!(!found.is_balanced());
    assert_eq!(found.to_json()["balanced"], false);
    assert_eq!(found.to_json()["checks"]["balances_are_folds"], false);
    assert!(
        found.to_string().ends_with("audit: NOT balanced\n"),
        "{found}"
    );
    let ended = gettone_gateway::main_with([
        "gettone-gateway".into(),
        "audit".into(),
        "--dir".into(),
        home.path().into(),
    ]);
    assert_eq!(ended, ExitCode::from(1));
}

#[test]
fn a_lost_or_foreign_database_is_folded_anew_from_the_journal() {
    let mut server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[&envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant");
    board.write(grant.grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);
    let look = |server: &Server| {
        [
            awaited(server, "/v1/app/receipts", &anna.token, "receipts", 2),
            awaited(server, "/v1/sales", OPERATOR, "lines", 1),
        ]
    };
    let before = look(&server);
    let database = server.state().join("gateway.sqlite");
    for harm in [
        "",
        // Folded from a journal whose record there was another one.
        "UPDATE fold SET digest = zeroblob(32)",
        // Folded from more of a journal than there is.
        "UPDATE fold SET seq = 1000000",
        // Another shape of the projections.
        "UPDATE projection SET version = 0",
    ] {
        server.stop();
        if harm.is_empty() {
            for file in ["gateway.sqlite", "gateway.sqlite-wal", "gateway.sqlite-shm"] {
                let _ = std::fs::remove_file(server.state().join(file));
            }
        } else {
            let connection = rusqlite::Connection::open(&database).expect("opened");
            connection
                .execute_batch(&format!("{harm}; UPDATE sale SET amount = 7;"))
                .expect("harmed");
        }
        server.resume();
        assert_eq!(look(&server), before, "after {harm:?}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&database).expect("there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "closed to others");
}
