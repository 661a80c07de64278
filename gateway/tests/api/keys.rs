//! Keys that change: the server's, by epochs, and a reader's own.

use crate::street::{
    Ask, Board, Credential, OPERATOR, OTHER_OPERATOR, Server, claim_code, configuration, hex,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_channel::{
    Ephemeral, Header, Hello, Item, KeyCheck, KeyUpdate, Manifest, PublicKey, ReceiptKind,
    ServerKey, StaticKey, TokenKey, TokenKeyUpdate, VmcId, header, open, reader_id, seal,
};
use gettone_gateway::rebuild;
use serde_json::{Value, json};
use std::process::Command;

/// What a board's HELLO is answered: the epoch it is sealed in, and the server's word on its keys.
fn told(server: &Server, board: &mut Board) -> (u16, Option<ServerKey>) {
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    let [answer] = &relayed.envelopes[..] else {
        panic!("not one answer: {relayed:?}");
    };
    let epoch = header(answer).expect("an envelope").server_epoch;
    let peer = board.server.expect("enrolled");
    let (_, items) = open(answer, &board.key, &peer).expect("sealed for it");
    let told = items.iter().find_map(|item| {
        let Item::ServerKey(told) = item else {
            return None;
        };
        Some(*told)
    });
    (epoch, told)
}

/// Has the stopped server's keys take a step, giving up these readers; gives what the program says.
fn stepped(server: &Server, step: &str, without: &[&str]) -> Result<Value, String> {
    let state = server.state();
    let home = state.parent().expect("a home");
    let config = home.join("gateway.toml");
    std::fs::create_dir_all(home.join("letters")).expect("made");
    std::fs::write(&config, configuration()).expect("written");
    let told = Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
        .args(["key", step, "--config"])
        .arg(&config)
        .args(without.iter().flat_map(|reader| ["--without", reader]))
        .output()
        .expect("it runs");
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&told.stdout).expect("JSON"))
}

/// Takes a step in the life of the server's keys; gives the epochs that it keeps.
fn step(server: &Server, step: &str) -> Vec<u64> {
    epochs(&stepped(server, step, &[]).expect("taken"))
}

fn epochs(told: &Value) -> Vec<u64> {
    let keys = told["keys"].as_array().expect("a list");
    let epochs = keys.iter().map(|key| key["epoch"].as_u64());
    epochs.collect::<Option<_>>().expect("numbers")
}

#[test]
fn the_servers_key_changes_while_readers_follow_and_goes_when_the_last_one_has() {
    let mut server = Server::start();
    let mut quick = server.board();
    let machine = json!({"machine": 2, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 100});
    server.post("/v1/machines", OPERATOR, &machine).ok();
    let mut slow = server.enrol(Board::new(2), 2);
    assert_eq!(told(&server, &mut quick), (1, None));
    assert_eq!(told(&server, &mut slow), (1, None));

    server.stop();
    assert_eq!(step(&server, "next"), [1, 2]);
    server.resume();
    let (epoch, next) = told(&server, &mut quick);
    let next = next.expect("announced");
    assert_eq!((epoch, next.epoch, next.activate), (1, 2, false));

    server.stop();
    step(&server, "activate");
    assert_eq!(step(&server, "retire"), [1, 2], "both seal to the first");
    server.resume();
    let (epoch, again) = told(&server, &mut quick);
    let again = again.expect("activated");
    assert_eq!((epoch, again.s_pub, again.activate), (1, next.s_pub, true));
    // Sealed before the change, delivered after it.
    let late = quick.outbox(1);
    let hello = quick.hello();
    let late_hello = quick.seal(&[Item::Hello(hello)]);
    (quick.server, quick.server_epoch) = (Some(next.s_pub), 2);
    assert_eq!(told(&server, &mut quick), (2, None));
    let relayed = server.relay("", None, &[late_hello]);
    let answered = header(&relayed.envelopes[0]).expect("an envelope");
    assert_eq!(answered.server_epoch, 2, "in the epoch of its latest");

    server.stop();
    assert_eq!(step(&server, "retire"), [1, 2], "one has not followed");
    server.resume();
    assert!(told(&server, &mut slow).1.is_some());
    (slow.server, slow.server_epoch) = (Some(next.s_pub), 2);
    told(&server, &mut slow);
    server.stop();
    assert_eq!(step(&server, "retire"), [2]);
    server.resume();
    assert_eq!(server.relay("", None, &[late]).outcome().0, "rejected");
    assert_eq!(told(&server, &mut slow), (2, None));
}

#[test]
fn a_reader_that_nobody_hears_keeps_an_old_key_until_it_is_given_up_by_name() {
    let mut server = Server::start();
    let mut heard = server.board();
    let machine = json!({"machine": 2, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 100});
    server.post("/v1/machines", OPERATOR, &machine).ok();
    let silent = server.enrol(Board::new(2), 2);
    server.stop();
    step(&server, "next");
    step(&server, "activate");
    server.resume();
    for _ in 0..2 {
        if let Some(next) = told(&server, &mut heard).1 {
            (heard.server, heard.server_epoch) = (Some(next.s_pub), next.epoch);
        }
    }
    server.stop();
    let held = stepped(&server, "retire", &[]).expect("taken");
    assert_eq!(epochs(&held), [1, 2]);
    assert_eq!(
        held["waits_for"],
        json!([{"reader": silent.id(), "epoch": 1}])
    );
    // Nothing happens by a name that is mistyped, or where no reader keeps anything.
    let strange = stepped(&server, "retire", &["0123456789abcdef"]).expect_err("refused");
    assert!(strange.contains("0123456789abcdef"), "{strange}");
    stepped(&server, "next", &[&silent.id()]).expect_err("refused");
    let gone = stepped(&server, "retire", &[&silent.id()]).expect("taken");
    assert_eq!((epochs(&gone), &gone["waits_for"]), (vec![2], &json!([])));
    server.resume();
    assert_eq!(told(&server, &mut heard), (2, None));
}

/// A product is sold at a board that names this controller.
fn sell(server: &Server, who: &str, board: &mut Board, controller: u8) {
    let hello = Hello {
        vmc_id: VmcId::from_bytes([controller; 8]),
        ..board.hello()
    };
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(who, Some(hello.bind), &[envelope]);
    let grant = board.answer(&relayed).grant.expect("a grant").grant;
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::Close, 1, 80);
    server.relay("", None, &[board.outbox(1)]);
}

/// Waits until the sales, the newest first, are marked so.
fn await_marks(server: &Server, wanted: &[bool]) {
    server.awaited("/v1/sales", OPERATOR, |shown| {
        let lines = shown["lines"].as_array().expect("a list");
        let marks: Vec<_> = lines.iter().map(|line| line["doubted"].as_bool()).collect();
        marks == wanted.iter().copied().map(Some).collect::<Vec<_>>() && shown["complete"] != false
    });
}

#[test]
fn sales_carry_a_mark_from_the_doubt_until_somebody_confirms_the_controller() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let sell = |board: &mut Board, controller: u8| sell(&server, &anna.token, board, controller);
    let marks = |wanted: &[bool]| await_marks(&server, wanted);
    sell(&mut board, 7);
    marks(&[false]);
    sell(&mut board, 8);
    sell(&mut board, 8);
    marks(&[true, true, false]);
    let file = server.octets("/v1/sales.csv", OPERATOR);
    let file = String::from_utf8(file).expect("text");
    let marked: Vec<_> = file.lines().map(|line| line.rsplit(',').next()).collect();
    assert_eq!(marked, ["doubted", "yes", "yes", "no"].map(Some));
    let confirm = format!("/v1/readers/{}/confirm", board.id());
    server.post(&confirm, OPERATOR, &json!({})).ok();
    marks(&[false, false, false]);
    sell(&mut board, 8);
    marks(&[false; 4]);
}

#[test]
fn a_mark_outlives_its_reader_until_somebody_confirms_and_a_successors_sales_have_none() {
    let mut server = Server::start();
    let mut old = server.board();
    let anna = server.customer(1, "5.00");
    sell(&server, &anna.token, &mut old, 7);
    sell(&server, &anna.token, &mut old, 8);
    await_marks(&server, &[true, false]);
    let new = Board::new(8);
    let path = format!("/v1/readers/{}", old.id());
    let keys = json!({
        "public_key": new.key.public().to_string(),
        "claim_code": claim_code(&new.key.public()),
    });
    server
        .post(&format!("{path}/replace"), OPERATOR, &keys)
        .ok();
    let mut new = server.enrol(new, 3);
    await_marks(&server, &[true, false]);
    sell(&server, &anna.token, &mut new, 8);
    await_marks(&server, &[false, true, false]);
    // Whatever is folded anew from the journal says the same.
    server.stop();
    rebuild(&server.config(), &mut |_| {}).expect("folded");
    server.resume();
    await_marks(&server, &[false, true, false]);
    let shown = server.get(&path, OPERATOR).ok();
    assert_eq!(
        (&shown["state"], &shown["controller_doubted"]),
        (&json!("revoked"), &json!(true))
    );
    let confirmed = server.post(&format!("{path}/confirm"), OPERATOR, &json!({}));
    assert_eq!(confirmed.ok()["controller_doubted"], false);
    await_marks(&server, &[false; 3]);
}

#[test]
fn a_board_at_another_controller_rings_until_somebody_confirms_it() {
    let server = Server::start();
    let mut board = server.board();
    let path = format!("/v1/readers/{}", board.id());
    let doubted = |server: &Server| server.get(&path, OPERATOR).ok()["controller_doubted"].clone();
    let hello = |board: &mut Board, byte: u8| {
        let hello = Hello {
            vmc_id: VmcId::from_bytes([byte; 8]),
            ..board.hello()
        };
        let envelope = board.seal(&[Item::Hello(hello)]);
        server.relay("", None, &[envelope]);
    };
    for byte in [7, 0, 7] {
        hello(&mut board, byte);
        assert_eq!(doubted(&server), false, "{byte}");
    }
    let late = board.hello();
    hello(&mut board, 8);
    assert_eq!(doubted(&server), true);
    server.awaited("/v1/machines/3", OPERATOR, |machine| {
        machine.to_string().contains("controller_doubted")
    });
    let confirmed = server
        .post(&format!("{path}/confirm"), OPERATOR, &json!({}))
        .ok();
    assert_eq!(confirmed["controller_doubted"], false);
    hello(&mut board, 8);
    // What comes late names the controller of then.
    let envelope = board.seal(&[Item::Hello(late)]);
    server.relay("", None, &[envelope]);
    assert_eq!(doubted(&server), false);
}

#[test]
fn a_configuration_is_named_to_its_reader_until_it_has_it_and_given_to_technicians_only() {
    let mut server = Server::start();
    let mut board = server.board();
    let path = format!("/v1/readers/{}/config", board.id());
    let named = |server: &Server, board: &mut Board, cfg: u32| {
        let hello = Hello {
            cfg,
            ..board.hello()
        };
        let envelope = board.seal(&[Item::Hello(hello)]);
        let relayed = server.relay("", None, &[envelope]);
        let peer = board.server.expect("enrolled");
        let (_, items) = open(&relayed.envelopes[0], &board.key, &peer).expect("sealed for it");
        items.iter().find_map(|item| {
            let Item::Config(told) = item else {
                return None;
            };
            Some(*told)
        })
    };
    server.get(&path, OPERATOR).problem(404);
    assert_eq!(named(&server, &mut board, 0), None);
    let put = |server: &Server, credential: &str, text: &str| {
        server.ask(Ask {
            method: "put",
            path: &path,
            credential: Credential::Bearer(credential),
            key: None,
            body: Some(&json!({"text": text})),
        })
    };
    put(&server, OTHER_OPERATOR, "x = 1").problem(404);
    put(&server, OPERATOR, "").problem(400);
    for (version, text) in [(1, "language = \"de\""), (2, "language = \"it\"")] {
        assert_eq!(put(&server, OPERATOR, text).ok()["version"], version);
    }
    let told = named(&server, &mut board, 0).expect("named");
    assert_eq!(named(&server, &mut board, 1), Some(told));
    assert_eq!(named(&server, &mut board, 2), None, "it has it");
    // What a phone is given is what the server's envelope vouches for.
    server.get(&path, OTHER_OPERATOR).problem(404);
    let given = server.get(&path, OPERATOR).ok();
    assert_eq!(given["text"], "language = \"it\"");
    let manifest = STANDARD.decode(given["manifest"].as_str().expect("text"));
    let manifest = Manifest::from_bytes(&manifest.expect("base64"), &told).expect("named");
    assert!(manifest.vouches_for(0, b"language = \"it\""));
    // The same as one of the packages that a phone takes along, with its content as it is.
    let packages = format!("/v1/readers/{}/packages", board.id());
    server.get(&packages, OTHER_OPERATOR).problem(404);
    let package = &server.get(&packages, OPERATOR).ok()["packages"][0];
    let figures = json!({
        "kind": "configuration", "version": 2, "number": 2, "size": 15,
        "manifest": given["manifest"],
    });
    assert_eq!(*package, figures);
    let content = format!("{packages}/configuration");
    assert_eq!(server.octets(&content, OPERATOR), b"language = \"it\"");
    server.get(&content, OTHER_OPERATOR).problem(404);
    for missing in ["firmware", "advice"] {
        let path = format!("{packages}/{missing}");
        server.get(&path, OPERATOR).problem(404);
    }
    server.stop();
    server.resume();
    assert_eq!(named(&server, &mut board, 1), Some(told), "kept");
}

/// A board that changes its keys: its name is that of the first.
fn sealed_by(board: &mut Board, key: &StaticKey, items: &[Item]) -> Vec<u8> {
    let like = board.seal(&[]);
    let like = header(&like).expect("an envelope");
    let header = Header {
        reader_id: reader_id(&board.key.public()),
        ..like
    };
    let peer = board.server.expect("enrolled");
    let ephemeral = Ephemeral::from_bytes([like.sequence.to_le_bytes()[0]; 32]);
    seal(header, key, &peer, ephemeral, items).expect("sealed")
}

fn update(hello: Hello, key: &StaticKey, token: u8) -> [Item; 3] {
    [
        Item::Hello(hello),
        Item::KeyUpdate(KeyUpdate {
            new_r_pub: key.public(),
            key_epoch: 1,
        }),
        Item::TokenKey(TokenKeyUpdate {
            k_tok: TokenKey::from_bytes([token; 32]),
            step: 3,
        }),
    ]
}

/// Whether `envelope` is a confirmation of `key`, alone and sealed to it.
fn confirms(envelope: &[u8], peer: &PublicKey, key: &StaticKey) -> bool {
    let (_, items) = open(envelope, key, peer).expect("sealed to the next key");
    let [Item::KeyAck(ack)] = &items[..] else {
        panic!("not alone: {items:?}");
    };
    (ack.key_epoch, ack.key) == (1, KeyCheck::of(&key.public()))
}

#[test]
fn a_readers_key_changes_with_its_first_envelope_under_the_next_one_and_not_before() {
    let mut server = Server::start();
    let mut board = server.board();
    let peer = board.server.expect("enrolled");
    let (old, next) = (board.key.clone(), StaticKey::from_bytes([0x51; 32]));
    for _ in 0..2 {
        let hello = board.hello();
        let envelope = sealed_by(&mut board, &old, &update(hello, &next, 0x61));
        let relayed = server.relay("", None, &[envelope]);
        let [answer, confirmation] = &relayed.envelopes[..] else {
            panic!("an answer and a confirmation: {relayed:?}");
        };
        open(answer, &old, &peer).expect("to the key in use");
        assert!(confirms(confirmation, &peer, &next));
        server.stop();
        server.resume();
    }
    // Another key under the same number is somebody else's: no confirmation, and an alarm.
    let copy = StaticKey::from_bytes([0x52; 32]);
    let hello = board.hello();
    let envelope = sealed_by(&mut board, &old, &update(hello, &copy, 0x61));
    assert_eq!(server.relay("", None, &[envelope]).envelopes.len(), 1);
    let alarms = server.awaited("/v1/machines/3", OPERATOR, |alarms| {
        alarms.to_string().contains("key_disputed")
    });
    assert!(alarms.to_string().contains("may be a copy"), "{alarms}");

    let hello = board.hello();
    let envelope = sealed_by(&mut board, &next, &[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    open(&relayed.envelopes[0], &next, &peer).expect("to the key in use");
    let hello = board.hello();
    let envelope = sealed_by(&mut board, &old, &[Item::Hello(hello)]);
    assert_eq!(server.relay("", None, &[envelope]).outcome().0, "rejected");
    server.stop();
    server.resume();
    let hello = board.hello();
    let envelope = sealed_by(&mut board, &next, &[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    assert_eq!(
        relayed.results[0]["reader_id"],
        hex(reader_id(&old.public()).as_bytes())
    );
}
