//! The program as a process: killed in the middle, and stopped as a service manager does.

mod street;

use gettone_channel::{BoardState, ReceiptKind};
use rustix::process::{Pid, Signal, kill_process};
use std::future::Future;
use std::process::{Child, Command, Stdio};
use street::machine::Machine;
use street::phone::Phone;
use street::{Street, wait_for};

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
const OTHER_CODE: [u8; 10] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55];

fn start(street: &Street) -> Child {
    start_with(street, "info", Stdio::null())
}

fn start_with(street: &Street, log: &str, stderr: impl Into<Stdio>) -> Child {
    let config = street.path("reader.toml");
    std::fs::write(&config, street.config("")).expect("room");
    let light = street.path("light");
    let _ = std::fs::remove_file(&light);
    let reader = Command::new(env!("CARGO_BIN_EXE_gettone-reader"))
        .args(["run", "--config"])
        .arg(&config)
        .env("RUST_LOG", log)
        .stderr(stderr)
        .spawn()
        .expect("the program");
    wait_for("the reader's light socket", || light.exists());
    reader
}

fn act(scene: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene);
}

async fn approve(street: &mut Street, machine: &mut Machine) -> Phone {
    street.show(CODE);
    let mut phone = Phone::link(&street.air(), CODE).await;
    street.server.record(&phone.envelope().await);
    let grant = street.server.grant(500, 1);
    phone.bring(grant).await;
    phone.state(BoardState::Granted).await;
    machine.await_session();
    assert_eq!(machine.select(120, 23), Some(120));
    machine.idle(2);
    phone
}

fn kinds_after_a_kill(machine_ends: impl Fn(&mut Machine)) -> Vec<ReceiptKind> {
    let mut street = Street::new();
    let mut machine = street.machine();
    let mut reader = start(&street);
    machine.power_up();
    act(async {
        let _phone = approve(&mut street, &mut machine).await;
        machine_ends(&mut machine);
        reader.kill().expect("running");
    });
    reader.wait().expect("killed");
    drop(machine);
    let mut machine = street.machine();
    let mut reader = start(&street);
    machine.power_up();
    act(async {
        street.show(OTHER_CODE);
        let mut phone = Phone::link(&street.air(), OTHER_CODE).await;
        street.server.record(&phone.envelope().await);
    });
    reader.kill().expect("running");
    reader.wait().expect("killed");
    street.server.kinds()
}

#[test]
fn a_process_killed_after_the_machine_was_answered_still_knows_the_result() {
    use ReceiptKind::{EpochStart, VendFail, VendOk};
    let kinds = kinds_after_a_kill(|machine| machine.deliver(23));
    assert_eq!(kinds.get(..2), Some([EpochStart, VendOk].as_slice()));
    let kinds = kinds_after_a_kill(Machine::fail);
    assert_eq!(kinds.get(..2), Some([EpochStart, VendFail].as_slice()));
}

#[test]
fn a_process_killed_before_the_machine_has_ended_reports_an_unknown_vend() {
    use ReceiptKind::{EpochStart, VendUnknown};
    assert_eq!(kinds_after_a_kill(|_| {}), [EpochStart, VendUnknown]);
}

#[test]
fn a_service_manager_stops_it_cleanly() {
    let street = Street::new();
    let _machine = street.machine();
    let mut reader = start(&street);
    let pid = i32::try_from(reader.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a running process"), Signal::TERM).expect("allowed");
    assert!(reader.wait().expect("stopped").success());
}

#[test]
fn an_installer_reads_who_the_reader_is() {
    let street = Street::new();
    let config = street.path("reader.toml");
    std::fs::write(&config, street.config("")).expect("room");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gettone-reader"))
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .output()
            .expect("the program");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(run(&["config", "check"]).starts_with("good: machine 17, EUR"));
    let shown: serde_json::Value = serde_json::from_str(&run(&["enrol"])).expect("JSON");
    for (name, len) in [("reader_id", 16), ("public_key", 64), ("claim_code", 10)] {
        let text = shown[name].as_str().expect("text");
        assert_eq!(text.len(), len, "{name}");
    }
}

/// Every way in which a careless line could print some bytes.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    let inner = list.trim_matches(['[', ']']).to_owned();
    vec![hex.to_uppercase(), hex, inner]
}

fn told(log: &str, secret: &[u8]) -> Option<String> {
    // Half of a secret is told as well.
    let half = secret.get(..secret.len() / 2).unwrap_or_default();
    spellings(half)
        .into_iter()
        .find(|spelling| log.contains(spelling.as_str()))
}

#[test]
fn the_log_of_a_whole_vend_holds_no_secret_at_any_level() {
    let mut street = Street::new();
    let mut machine = street.machine();
    let path = street.path("log");
    let log = std::fs::File::create(&path).expect("room");
    let mut reader = start_with(&street, "trace", log);
    machine.power_up();
    act(async {
        let mut phone = approve(&mut street, &mut machine).await;
        machine.deliver(23);
        while street.server.receipts.len() < 2 {
            street.server.record(&phone.envelope().await);
        }
        let resume = phone.resume.take();
        assert!(resume.is_some(), "there was one to betray");
    });
    let pid = i32::try_from(reader.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a running process"), Signal::TERM).expect("allowed");
    assert!(reader.wait().expect("stopped").success());
    let log = std::fs::read(&path).expect("a log");
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("a phone is linked"), "it logs at all");

    let key = std::fs::read(street.path("state").join("key")).expect("a key");
    assert_eq!(key.len(), 32);
    for (what, secret) in [("the key", key.as_slice()), ("the code", &CODE)] {
        assert_eq!(told(&log, secret), None, "{what} is in the log");
    }
    // A log that does tell is found out.
    for spelling in spellings(&key) {
        assert!(told(&format!("key: {spelling}"), &key).is_some());
    }
}
