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
    let config = street.path("reader.toml");
    std::fs::write(&config, street.config("")).expect("room");
    let light = street.path("light");
    let _ = std::fs::remove_file(&light);
    let reader = Command::new(env!("CARGO_BIN_EXE_gettone-reader"))
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::null())
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
