//! Programs for readers: entered, given to readers, named to them and handed to phones.

use crate::street::{
    Ask, Board, Credential, OPERATOR, OTHER_OPERATOR, Server, firmware, firmware_of,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_channel::{CHUNK_LEN, Config, Hello, Item, Manifest, PackageKind, open};
use serde_json::{Value, json};

/// What the server names to a board with these versions.
fn named(server: &Server, board: &mut Board, cfg: u32, fw: u32) -> Vec<Config> {
    let hello = Hello {
        cfg,
        fw,
        ..board.hello()
    };
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay("", None, &[envelope]);
    let peer = board.server.expect("enrolled");
    let (_, items) = open(&relayed.envelopes[0], &board.key, &peer).expect("sealed for it");
    let told = items.iter().filter_map(|item| {
        let Item::Config(told) = item else {
            return None;
        };
        Some(*told)
    });
    told.collect()
}

fn ask(
    server: &Server,
    method: &str,
    path: &str,
    credential: &str,
    body: &Value,
) -> crate::street::Reply {
    server.ask(Ask {
        method,
        path,
        credential: Credential::Bearer(credential),
        key: None,
        body: Some(body),
    })
}

#[test]
fn a_program_is_named_to_its_readers_until_they_run_it_and_carried_by_their_technicians_only() {
    let mut server = Server::start();
    let mut board = server.board();
    let program: Vec<u8> = (0..700_000_u32).map(|at| (at * 31 / 7) as u8).collect();
    let file = firmware_of(70_000, "x86_64-linux-gnu", &program);
    let entered = server
        .put_octets("/v1/firmware/70000", OPERATOR, &file)
        .ok();
    assert_eq!(entered["version"], "1.17.112");
    assert_eq!(entered["board"], "x86_64-linux-gnu");
    assert!(
        named(&server, &mut board, 0, 1).is_empty(),
        "it is given to nobody"
    );

    let path = format!("/v1/readers/{}/firmware", board.id());
    let wanted = json!({"number": 70_000});
    ask(&server, "put", &path, OTHER_OPERATOR, &wanted).problem(404);
    ask(&server, "put", &path, OPERATOR, &json!({"number": 70_001})).problem(404);
    ask(&server, "put", &path, OPERATOR, &wanted).ok();
    let told = named(&server, &mut board, 0, 69_999);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].kind(), told[0].number()),
        (PackageKind::Firmware, 70_000)
    );
    assert!(
        named(&server, &mut board, 0, 70_000).is_empty(),
        "it runs it"
    );

    // A configuration goes first.
    let config = format!("/v1/readers/{}/config", board.id());
    ask(&server, "put", &config, OPERATOR, &json!({"text": "x = 1"})).ok();
    let both = named(&server, &mut board, 0, 1);
    let kinds: Vec<PackageKind> = both.iter().map(Config::kind).collect();
    assert_eq!(kinds, [PackageKind::Configuration, PackageKind::Firmware]);

    // What a phone takes along is what the server's envelope vouches for.
    let packages = format!("/v1/readers/{}/packages", board.id());
    let list = server.get(&packages, OPERATOR).ok();
    let package = &list["packages"][1];
    assert_eq!(package["kind"], "firmware");
    assert_eq!(package["number"], 70_000);
    assert_eq!(package["version"], 70_000_u32 | 1 << 31);
    assert_eq!(package["size"], file.len());
    let manifest = STANDARD.decode(package["manifest"].as_str().expect("text"));
    let manifest = Manifest::from_bytes(&manifest.expect("base64"), &told[0]).expect("named");
    let content = format!("{packages}/firmware");
    let content = server.octets(&content, OPERATOR);
    assert_eq!(content, file);
    for (place, chunk) in content.chunks(CHUNK_LEN).enumerate() {
        assert!(manifest.vouches_for(place, chunk));
    }
    server
        .get(&format!("{packages}/firmware"), OTHER_OPERATOR)
        .problem(404);

    server.stop();
    server.resume();
    assert_eq!(named(&server, &mut board, 1, 69_999), told, "kept");
    let reply = ask(
        &server,
        "delete",
        "/v1/firmware/70000",
        OTHER_OPERATOR,
        &json!({}),
    );
    reply.problem(404);
    let reply = ask(
        &server,
        "delete",
        "/v1/firmware/70000",
        OPERATOR,
        &json!({}),
    );
    assert_eq!(reply.status, 204);
    assert!(named(&server, &mut board, 1, 1).is_empty());
    server
        .get(&format!("{packages}/firmware"), OPERATOR)
        .problem(404);
}

#[test]
fn programs_are_checked_counted_and_kept_apart_by_operator() {
    let server = Server::start();
    let mut board = server.board();
    let file = firmware(7, "one");
    let put = |number: u32, credential: &str, file: &[u8]| {
        server.put_octets(&format!("/v1/firmware/{number}"), credential, file)
    };
    put(8, OPERATOR, &file).problem(400);
    put(7, OPERATOR, &file[..file.len() - 1]).problem(400);
    put(7, OPERATOR, b"GTNF").problem(400);
    let mut changed = file.clone();
    *changed.last_mut().expect("a program") ^= 1;
    put(7, OPERATOR, &changed).problem(400);
    put(7, OPERATOR, &vec![0; 33 << 20]).problem(413);
    ask(&server, "put", "/v1/firmware/7", OPERATOR, &json!({})).problem(415);
    for _ in 0..2 {
        put(7, OPERATOR, &file).ok();
    }
    put(7, OPERATOR, &firmware(7, "two")).problem(409);
    for number in 8..15 {
        put(number, OPERATOR, &firmware(number, "one")).ok();
    }
    put(15, OPERATOR, &firmware(15, "one")).problem(422);
    // Another operator's number 7 is another program.
    put(7, OTHER_OPERATOR, &firmware(7, "three")).ok();
    let list = server.get("/v1/firmware", OTHER_OPERATOR).ok();
    assert_eq!(list["firmware"].as_array().expect("a list").len(), 1);
    assert_eq!(list["firmware"][0]["board"], "three");

    // To all of an operator's readers at once: the other has none.
    let all = |credential: &str| {
        ask(
            &server,
            "post",
            "/v1/firmware/7/readers",
            credential,
            &json!({}),
        )
    };
    server.awaited("/v1/readers", OPERATOR, |list| !list["lines"][0].is_null());
    assert_eq!(all(OTHER_OPERATOR).ok()["readers"], 0);
    assert!(named(&server, &mut board, 0, 1).is_empty());
    assert_eq!(all(OPERATOR).ok()["readers"], 1);
    let some = json!({"readers": [board.id()]});
    let path = "/v1/firmware/9/readers";
    ask(&server, "post", path, OTHER_OPERATOR, &some).problem(404);
    assert_eq!(
        ask(&server, "post", path, OPERATOR, &some).ok()["readers"],
        1
    );
    let told = named(&server, &mut board, 0, 1);
    assert_eq!(told[0].number(), 9, "the last order counts");
    let list = server.get("/v1/firmware", OPERATOR).ok();
    let readers: Vec<&Value> = list["firmware"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["readers"])
        .collect();
    assert_eq!(
        readers,
        [0, 0, 0, 0, 0, 1, 0, 0]
            .map(|count| json!(count))
            .iter()
            .collect::<Vec<_>>()
    );
}
