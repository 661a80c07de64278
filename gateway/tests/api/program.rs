//! The program itself, as a process.

use crate::street::{LETTERS, OPERATOR, configuration, hex};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const LOGS: &str = "gateway.log";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
}

fn run(args: &[&str], config: &Path) -> Output {
    program()
        .args(args)
        .arg("--config")
        .arg(config)
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn configured(home: &Path) -> PathBuf {
    written(home, &configuration())
}

fn written(home: &Path, configuration: &str) -> PathBuf {
    fs::create_dir_all(home.join(LETTERS)).expect("made");
    let path = home.join("gateway.toml");
    fs::write(&path, configuration).expect("written");
    path
}

/// Serves, with everything it can log in a file beside the configuration.
fn serve(config: &Path) -> (Child, String) {
    let logs = fs::File::create(config.with_file_name(LOGS)).expect("made");
    let mut child = program()
        .env("RUST_LOG", "trace")
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::piped())
        .stderr(logs)
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let reached = line
        .strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("{line:?}"));
    (child, reached.trim_end().to_owned())
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn a_second_gateway_on_one_journal_does_not_start_and_the_first_goes_on() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    let (mut first, reached) = serve(&config);
    let second = run(&["serve"], &config);
    assert!(!second.status.success(), "{second:?}");
    assert!(text(&second.stderr).contains("in use"), "{second:?}");
    ureq::get(format!("{reached}/health/ready"))
        .call()
        .expect("the first one is ready");
    // Nobody has ended the first one tidily: its lock goes with it.
    first.kill().expect("running");
    first.wait().expect("killed");
    let (third, reached) = serve(&config);
    ureq::get(format!("{reached}/health/ready"))
        .call()
        .expect("the next one is ready");
    signal(&third, "-TERM");
    assert!(third.wait_with_output().expect("it ends").status.success());
}

#[test]
fn it_serves_until_it_is_told_to_stop_and_then_the_books_balance() {
    for name in ["-TERM", "-INT"] {
        let home = tempfile::tempdir().expect("a directory");
        let config = configured(home.path());
        let (child, reached) = serve(&config);
        let mut ready = ureq::get(format!("{reached}/health/ready"))
            .call()
            .expect("ready");
        let told = ready.body_mut().read_to_string().expect("text");
        assert!(told.starts_with(r#"{"status":"ready","#), "{told}");

        let busy = run(&["audit"], &config);
        assert_eq!(busy.status.code(), Some(2));
        assert!(text(&busy.stderr).contains("in use"), "{busy:?}");

        signal(&child, name);
        let ended = child.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{ended:?}");

        let audit = run(&["audit"], &config);
        assert!(audit.status.success(), "{audit:?}");
        assert!(
            text(&audit.stdout).ends_with("audit: balanced\n"),
            "{audit:?}"
        );
        let json = run(&["audit", "--json"], &config);
        let found: Value = serde_json::from_slice(&json.stdout).expect("JSON");
        assert_eq!(found["balanced"], true);
        assert_eq!(found["checks"]["transactions_sum_to_zero"], true);
        let by_dir = program()
            .args(["audit", "--dir"])
            .arg(home.path().join("state"))
            .output()
            .expect("it runs");
        assert_eq!(by_dir.stdout, audit.stdout);
    }
}

#[test]
fn it_says_not_ready_before_it_stops_to_serve() {
    let home = tempfile::tempdir().expect("a directory");
    let patient = configuration().replace("[limits]", "[limits]\nunready_ms = 2000");
    let config = written(home.path(), &patient);
    let (child, reached) = serve(&config);
    signal(&child, "-TERM");
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut seen = Vec::new();
    while let Ok(answer) = agent.get(format!("{reached}/health/ready")).call() {
        seen.push(answer.status().as_u16());
    }
    assert_eq!(seen.last(), Some(&503), "{seen:?}");
    assert!(seen.is_sorted(), "{seen:?}");
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn no_credential_shows_in_its_logs_however_much_it_logs() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    let (child, reached) = serve(&config);
    let mut opened = ureq::post(format!("{reached}/v1/wallets"))
        .header("authorization", format!("Bearer {OPERATOR}"))
        .send_json(serde_json::json!({"wallet": 1, "currency": "EUR"}))
        .expect("opened");
    let opened: Value = opened.body_mut().read_json().expect("JSON");
    let token = opened["token"].as_str().expect("a token");
    ureq::get(format!("{reached}/v1/app/wallet"))
        .header("authorization", format!("Bearer {token}"))
        .call()
        .expect("shown");
    ureq::get(format!("{reached}/v1/app/wallet"))
        .header("authorization", "Bearer canary-4711")
        .call()
        .expect_err("refused");
    signal(&child, "-TERM");
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{ended:?}");
    let logged = fs::read_to_string(config.with_file_name(LOGS)).expect("logs");
    assert!(
        logged.contains("TRACE"),
        "the control: it does log that much"
    );
    for secret in [OPERATOR, token, "canary-4711"] {
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
    for file in ["server.key", "app.key"] {
        let path = home.path().join("state").join(file);
        let bytes = fs::read(path).expect("a key");
        let hexadecimal = hex(&bytes);
        assert!(!logged.contains(&hexadecimal));
        if let Ok(line) = String::from_utf8(bytes) {
            let key = line.split_whitespace().last().expect("a key");
            assert!(!logged.contains(key));
        }
    }
}

#[test]
fn its_key_is_made_once_and_printed_as_json() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    let (first, second) = (run(&["key"], &config), run(&["key"], &config));
    assert!(first.status.success(), "{first:?}");
    assert_eq!(first.stdout, second.stdout);
    let shown: Value = serde_json::from_slice(&first.stdout).expect("JSON");
    assert_eq!(shown["server_epoch"], 1);
    assert_eq!(shown["server_public_key"].as_str().map(str::len), Some(64));
}

#[test]
fn its_key_is_changed_step_by_step_and_no_step_is_left_out() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    assert!(!run(&["key", "activate"], &config).status.success());
    assert!(run(&["key", "next"], &config).status.success());
    assert!(!run(&["key", "next"], &config).status.success(), "one is");
    assert!(run(&["key", "activate"], &config).status.success());
    // Nobody is enrolled, so nobody seals to the first one; what is in use stays.
    let retired = run(&["key", "retire"], &config);
    assert!(retired.status.success(), "{retired:?}");
    let shown: Value = serde_json::from_slice(&retired.stdout).expect("JSON");
    assert_eq!(shown["server_epoch"], 2);
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_by_name_of_its_field() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    let sound = run(&["config", "check"], &config);
    assert!(sound.status.success(), "{sound:?}");
    let unsound = configuration().replace("127.0.0.1:0", "nowhere");
    fs::write(&config, unsound).expect("written");
    for args in [&["config", "check"][..], &["serve"], &["audit"], &["key"]] {
        let refused = run(args, &config);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("listen: "), "{refused:?}");
        assert!(refused.stdout.is_empty());
    }
    let missing = run(&["config", "check"], &home.path().join("none.toml"));
    assert!(text(&missing.stderr).contains("none.toml"), "{missing:?}");
}

#[test]
fn it_explains_itself() {
    let help = program().arg("--help").output().expect("it runs");
    for command in ["serve", "config", "audit", "key"] {
        assert!(text(&help.stdout).contains(command), "{command}");
    }
    let neither = program().arg("audit").output().expect("it runs");
    assert!(!neither.status.success());
    let both = program()
        .args(["audit", "--dir", "a", "--config", "b"])
        .output()
        .expect("it runs");
    assert!(!both.status.success());
}

#[test]
fn the_first_owner_is_taken_on_at_the_command_line_beside_a_running_gateway() {
    let home = tempfile::tempdir().expect("a directory");
    let config = configured(home.path());
    let (child, reached) = serve(&config);
    let add = |email: &str, password: &str, more: &[&str]| {
        let mut adding = program()
            .args(["staff", "add", "--operator", "1", "--email", email])
            .args(more)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut input = adding.stdin.take().expect("piped");
        // Who refuses before the password is read closes it.
        let _ = std::io::Write::write_all(&mut input, password.as_bytes());
        drop(input);
        adding.wait_with_output().expect("it ends")
    };
    let sign_in = |password: &str| {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut reply = agent
            .post(format!("{reached}/v1/staff/sign-in"))
            .send_json(serde_json::json!({"email": "ann@example.org", "password": password}))
            .expect("an answer");
        let body: Value = reply.body_mut().read_json().expect("JSON");
        (reply.status().as_u16(), body["role"].clone())
    };
    let added = add("Ann@example.org", "correct horse battery\n", &[]);
    assert!(added.status.success(), "{added:?}");
    assert_eq!(text(&added.stdout), "ann@example.org can sign in\n");
    assert_eq!(sign_in("correct horse battery"), (200, "owner".into()));
    let again = add("ann@example.org", "another password\r\n", &[]);
    assert_eq!(
        text(&again.stdout),
        "ann@example.org has the new password\n"
    );
    assert_eq!(sign_in("correct horse battery").0, 401);
    assert_eq!(sign_in("another password").0, 200);
    for (email, password, more, said) in [
        ("ann", "correct horse battery", &[][..], "--email"),
        ("bob@example.org", "short", &[], "10 characters"),
        ("bob@example.org", "", &[], "10 characters"),
        (
            "bob@example.org",
            "correct horse battery",
            &["--role", "king"],
            "owner, clerk",
        ),
        (
            "bob@example.org",
            "correct horse battery",
            &["--operator", "77"],
            "",
        ),
    ] {
        let refused = add(email, password, more);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(said), "{refused:?}");
    }
    signal(&child, "-TERM");
    assert!(child.wait_with_output().expect("it ends").status.success());
    let logged = fs::read_to_string(home.path().join(LOGS)).expect("read");
    assert!(!logged.contains("correct horse") && !logged.contains("another password"));
}
