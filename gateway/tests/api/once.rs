//! Requests with an idempotency key: done once, answered alike, whatever happens in between.

use crate::street::{LETTERS, OPERATOR, PLATFORM, Server, audited, configuration};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

#[test]
fn the_same_request_gets_the_same_answer_also_after_a_restart() {
    let mut server = Server::start();
    let anna = server.customer(1, "0.00");
    let path = format!("/v1/wallets/{}/top-ups", anna.wallet);
    let first = server.post_keyed(&path, PLATFORM, "k", &json!({"amount": "5.00"}));
    assert!(!first.headers.contains_key("idempotency-replayed"));
    server.stop();
    server.resume();
    let again = server.post_keyed(&path, PLATFORM, "k", &json!({"amount": "5.00"}));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((again.status, again.ok()), (first.status, first.ok()));
    let other = server.post_keyed(&path, PLATFORM, "k", &json!({"amount": "6.00"}));
    assert_eq!(other.problem(422)["type"], "urn:gettone:problem:key-reused");
    assert_eq!(server.balance(&anna)[0], "5.00");
}

#[test]
fn what_was_refused_may_be_mended_and_tried_again_with_its_key() {
    let server = Server::start();
    let path = "/v1/wallets/1/gifts";
    let give = || server.post_keyed(path, OPERATOR, "k", &json!({"amount": "5.00"}));
    give().problem(404);
    server.customer(1, "0.00");
    give().ok();
}

/// The gateway in a process that can be killed.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url.expect("an address").to_owned();
        Self { child, url }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent()
}

fn post(url: &str, credential: &str, body: &Value) -> Option<(u16, Value)> {
    let sent = agent()
        .post(url)
        .header("authorization", format!("Bearer {credential}"))
        .header("idempotency-key", "k")
        .send_json(body);
    let mut reply = sent.ok()?;
    let status = reply.status().as_u16();
    Some((status, reply.body_mut().read_json().ok()?))
}

#[test]
fn a_kill_between_the_effect_and_the_kept_answer_changes_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join(LETTERS)).expect("made");
    let config = home.path().join("gateway.toml");
    fs::write(&config, configuration()).expect("written");
    let process = Process::start(&config);
    let wallet = json!({"wallet": 1, "currency": "EUR"});
    let (_, opened) =
        post(&format!("{}/v1/wallets", process.url), OPERATOR, &wallet).expect("opened");
    let token = opened["token"].as_str().expect("a token").to_owned();
    let path = format!("/v1/wallets/{}/top-ups", opened["wallet"]);

    // Somebody else's transaction keeps the answer from being written, but not the money from
    // coming in: the journal is another file.
    let database = home.path().join("state/gateway.sqlite");
    let blocker = Connection::open(&database).expect("opened");
    blocker
        .busy_timeout(std::time::Duration::from_secs(60))
        .expect("set");
    blocker.execute_batch("BEGIN IMMEDIATE").expect("begun");
    let url = format!("{}{path}", process.url);
    let asking = thread::spawn(move || post(&url, PLATFORM, &json!({"amount": "5.00"})));
    let emoney = |url: &str| {
        let mut reply = agent()
            .get(format!("{url}/v1/app/wallet"))
            .header("authorization", format!("Bearer {token}"))
            .call()
            .expect("an answer");
        let shown: Value = reply.body_mut().read_json().expect("JSON");
        shown["emoney"].as_str().expect("text").to_owned()
    };
    while emoney(&process.url) != "5.00" {}
    process.kill();
    assert_eq!(
        asking.join().expect("no panic"),
        None,
        "nobody was answered"
    );
    let kept: u32 = blocker
        .query_row("SELECT count(*) FROM answer", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(kept, 0, "nothing was kept");
    drop(blocker);

    let process = Process::start(&config);
    let url = format!("{}{path}", process.url);
    let (status, _) = post(&url, PLATFORM, &json!({"amount": "6.00"})).expect("an answer");
    assert_eq!(status, 422, "the engine knows the key as well");
    for _ in 0..2 {
        let (status, moved) = post(&url, PLATFORM, &json!({"amount": "5.00"})).expect("an answer");
        assert_eq!((status, &moved["amount"]), (201, &json!("5.00")));
        assert_eq!(emoney(&process.url), "5.00");
    }
    process.kill();
    audited(&home.path().join("state"));
}
