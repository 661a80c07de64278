//! The board as an installer and a service manager see it: enrolment, self-test, status, watchdog.

mod street;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use street::{PATIENCE, Street, wait_for};

/// What the files beside the first one say.
fn say(street: &Street, more: &str) {
    fs::write(street.path("reader.toml"), street.config("")).expect("room");
    let folder = street.path("reader.d");
    fs::create_dir_all(&folder).expect("ours");
    fs::write(folder.join("10-test.toml"), more).expect("room");
}

fn command(street: &Street, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gettone-reader"));
    command
        .args(arguments)
        .arg("--config")
        .arg(street.path("reader.toml"))
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC");
    command
}

fn run(street: &Street, arguments: &[&str]) -> Output {
    command(street, arguments).output().expect("the program")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn terminate(reader: &mut Child) {
    let pid = i32::try_from(reader.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a running process"), Signal::TERM).expect("allowed");
    assert!(reader.wait().expect("stopped").success());
}

#[test]
fn the_service_manager_hears_that_it_is_ready_that_it_lives_and_that_it_goes() {
    let street = Street::new();
    let _machine = street.machine();
    say(&street, "");
    let socket = street.path("notify");
    let manager = UnixDatagram::bind(&socket).expect("a free path");
    manager.set_read_timeout(Some(PATIENCE)).expect("settable");
    let hear = || {
        let mut told = [0; 256];
        let len = manager.recv(&mut told).expect("told in time");
        String::from_utf8_lossy(&told[..len]).into_owned()
    };
    let mut reader = command(&street, &["run"])
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "400000")
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    assert!(hear().contains("READY=1"));
    assert!(hear().contains("WATCHDOG=1"));
    assert!(hear().contains("WATCHDOG=1"), "again and again");
    terminate(&mut reader);
    let said: Vec<String> = std::iter::repeat_with(hear)
        .take(8)
        .take_while(|told| !told.contains("STOPPING=1"))
        .collect();
    assert!(said.len() < 8, "{said:?}");
}

#[test]
fn whoever_asks_is_told_how_the_running_reader_is_and_that_none_runs() {
    let street = Street::new();
    let mut machine = street.machine();
    let status = street.path("status.json");
    say(&street, &format!("status = \"{}\"", status.display()));
    let none = run(&street, &["status"]);
    assert_eq!(none.status.code(), Some(3), "{}", stderr(&none));
    let mut reader = command(&street, &["run"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    machine.power_up();
    wait_for("a status of an enabled reader", || {
        fs::read_to_string(&status).is_ok_and(|text| text.contains("\"enabled\""))
    });
    let told = run(&street, &["status"]);
    assert!(told.status.success(), "{}", stderr(&told));
    assert!(stdout(&told).contains("machine has this reader enabled"));
    let told: Value =
        serde_json::from_slice(&run(&street, &["status", "--json"]).stdout).expect("JSON");
    assert_eq!(told["machine"], 17);
    assert_eq!(told["signal"], "ready");
    let tested: Value =
        serde_json::from_slice(&run(&street, &["self-test", "--json"]).stdout).expect("JSON");
    let found = check(&tested, "MDB");
    assert_eq!(found["verdict"], "ok", "{found}");
    terminate(&mut reader);
}

fn check(report: &Value, name: &str) -> Value {
    let checks = report["checks"].as_array().expect("checks");
    checks
        .iter()
        .find(|check| check["name"] == name)
        .cloned()
        .unwrap_or_else(|| panic!("{name} is not in {report}"))
}

#[test]
fn the_self_test_speaks_with_the_machine_and_passes_a_good_board() {
    let street = Street::new();
    let mut machine = street.machine();
    say(&street, "");
    let testing = command(&street, &["self-test", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    machine.power_up();
    let tested = testing.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&tested.stdout).expect("JSON");
    for name in [
        "configuration",
        "key",
        "enrolment",
        "state",
        "flash",
        "journal",
        "MDB",
    ] {
        let found = check(&report, name);
        assert_ne!(found["verdict"], "fail", "{found}");
    }
    let machine = check(&report, "MDB")["found"].as_str().map(str::to_owned);
    assert!(machine.is_some_and(|found| found.contains("takes cashless customers")));
    assert!(tested.status.success(), "{report}");
}

#[test]
fn the_self_test_fails_a_board_whose_machine_cannot_be_heard_and_says_what_to_do() {
    let street = Street::new();
    let codes = "[token]\nurl = \"https://gettone.example\"\nshow = [\"screen:/dev/no-screen\"]";
    say(&street, codes);
    let tested = run(&street, &["self-test"]);
    assert_eq!(tested.status.code(), Some(1));
    let said = stdout(&tested);
    assert!(said.contains("screen:/dev/no-screen: "), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("FAIL  MDB")),
        "{said}"
    );
    assert!(said.contains("-> look at the cable"), "{said}");
}

/// A server that gives one answer, and what it was asked.
fn server(status: &str, body: Value) -> (String, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let asked = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a caller");
        stream.set_read_timeout(Some(PATIENCE)).expect("settable");
        let mut caller = BufReader::new(stream);
        let (mut head, mut len) = (String::new(), 0);
        loop {
            let mut line = String::new();
            caller.read_line(&mut line).expect("a line");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; len];
        caller.read_exact(&mut body).expect("a body");
        caller
            .get_mut()
            .write_all(answer.as_bytes())
            .expect("a caller that listens");
        (head, serde_json::from_slice(&body).expect("JSON"))
    });
    (format!("http://{address}"), asked)
}

/// Who the board says it is.
fn identity(street: &Street) -> Value {
    serde_json::from_slice(&run(street, &["enrol"]).stdout).expect("JSON")
}

fn enrolled(street: &Street, epoch: u16) -> Value {
    json!({
        "reader_id": identity(street)["reader_id"],
        "server_public_key": "22".repeat(32),
        "server_epoch": epoch,
        "operator": 5,
    })
}

/// A board that has neither machine nor server in its configuration, as it comes from an image.
fn fresh() -> Street {
    let street = Street::new();
    let text = street.config("").replace("machine = 17", "");
    let text = text
        .split("[[server]]")
        .next()
        .expect("a beginning")
        .to_owned();
    fs::write(street.path("reader.toml"), text).expect("room");
    street
}

#[test]
fn one_command_enrols_a_board_with_a_server_of_the_site() {
    let street = fresh();
    fs::write(street.path("api-key"), "operators-own-key\n").expect("room");
    let key = street.path("api-key").display().to_string();
    assert!(!run(&street, &["config", "check"]).status.success());
    let (url, asked) = server("201 Created", enrolled(&street, 2));
    let told = run(
        &street,
        &[
            "enrol",
            "--machine",
            "21",
            "--server",
            &url,
            "--api-key-file",
            &key,
        ],
    );
    assert!(told.status.success(), "{}", stderr(&told));
    let (head, body) = asked.join().expect("asked");
    assert!(head.starts_with("POST /v1/readers HTTP/1.1"), "{head}");
    assert!(head.contains("Bearer operators-own-key"), "{head}");
    let identity = identity(&street);
    for field in ["public_key", "claim_code"] {
        assert_eq!(body[field], identity[field]);
    }
    assert_eq!(body["machine"], 21);
    let good = run(&street, &["config", "check"]);
    assert!(stdout(&good).starts_with("good: machine 21, EUR prices, 1 server key(s)"));
    let all = format!("{}{}", stdout(&told), stderr(&told));
    assert!(!all.contains("operators-own-key"), "{all}");
    let secret = fs::read(street.path("state").join("key")).expect("a key");
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!all.contains(&secret), "the key itself is never shown");
}

#[test]
fn without_a_road_to_the_server_the_call_is_told_and_its_answer_taken() {
    let street = fresh();
    let told = run(&street, &["enrol", "--machine", "21"]);
    assert!(told.status.success());
    let who = identity(&street);
    for part in [
        "curl",
        "/v1/readers",
        "\"machine\":21",
        who["public_key"].as_str().expect("text"),
    ] {
        assert!(stderr(&told).contains(part), "{part}: {}", stderr(&told));
    }
    let answer = street.path("answer.json");
    fs::write(&answer, enrolled(&street, 1).to_string()).expect("room");
    let answer = answer.display().to_string();
    let taken = run(&street, &["enrol", "--machine", "21", "--answer", &answer]);
    assert!(taken.status.success(), "{}", stderr(&taken));
    assert!(run(&street, &["config", "check"]).status.success());
}

#[test]
fn an_answer_for_another_board_and_a_refusal_change_nothing() {
    let street = fresh();
    let mut other = enrolled(&street, 1);
    other["reader_id"] = json!("0011223344556677");
    let answer = street.path("answer.json");
    fs::write(&answer, other.to_string()).expect("room");
    let answer = answer.display().to_string();
    let told = run(&street, &["enrol", "--machine", "21", "--answer", &answer]);
    assert!(!told.status.success());
    assert!(stderr(&told).contains("this answer is for reader 0011223344556677"));
    fs::write(street.path("api-key"), "key").expect("room");
    let key = street.path("api-key").display().to_string();
    let problem = json!({"title": "Not found", "detail": "there is no machine 21"});
    let (url, asked) = server("404 Not Found", problem);
    let told = run(
        &street,
        &[
            "enrol",
            "--machine",
            "21",
            "--server",
            &url,
            "--api-key-file",
            &key,
        ],
    );
    assert!(asked.join().is_ok());
    assert_eq!(told.status.code(), Some(1));
    let said = stderr(&told);
    assert!(
        said.contains("the server refused (404): there is no machine 21"),
        "{said}"
    );
    assert!(!street.path("state").join("enrolment.toml").exists());
}

#[test]
fn a_board_takes_the_place_of_another_and_is_told_its_machine() {
    let street = fresh();
    fs::write(street.path("api-key"), "key").expect("room");
    let key = street.path("api-key").display().to_string();
    let mut answer = enrolled(&street, 1);
    answer["machine"] = json!(33);
    let (url, asked) = server("200 OK", answer);
    let told = run(
        &street,
        &[
            "replace",
            "0011223344556677",
            "--server",
            &url,
            "--api-key-file",
            &key,
        ],
    );
    assert!(told.status.success(), "{}", stderr(&told));
    let (head, body) = asked.join().expect("asked");
    assert!(
        head.starts_with("POST /v1/readers/0011223344556677/replace"),
        "{head}"
    );
    assert!(body.get("machine").is_none(), "{body}");
    assert!(stdout(&run(&street, &["config", "check"])).starts_with("good: machine 33"));
}

#[test]
fn a_board_forgets_who_it_was_only_when_told_so_twice() {
    let street = fresh();
    let before = identity(&street);
    assert!(
        !run(&street, &["reset"]).status.success(),
        "--yes is missing"
    );
    assert_eq!(identity(&street), before);
    let told = run(&street, &["reset", "--yes"]);
    assert!(told.status.success(), "{}", stderr(&told));
    assert!(!street.path("state").join("key").exists());
    assert_ne!(identity(&street), before, "another board");
}
