//! The program as people and scripts call it.
#![cfg(feature = "cli")]

use std::process::{Command, Output};

const PAYLOAD: &str = "0130313233343536373839ff00";
const GOOD: &str = "013031323334353637383900";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gettone-optical"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(name: &str, content: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the test folder takes a file");
    path.display().to_string()
}

#[test]
fn encode_prints_one_frame_per_refresh_of_a_loop() {
    let frames = text(&run(&["encode", "--payload", GOOD]).stdout);
    assert_eq!(frames.lines().count(), 1 + 79);
    assert!(frames.starts_with("r,g,b\n0,0,0\n255,255,255\n0,0,0\n255,0,0\n"));
    let fast = text(&run(&["encode", "--payload", GOOD, "--fps", "120"]).stdout);
    assert_eq!(fast.lines().count(), 1 + 79);
    let ladder = text(&run(&["encode", "--payload", GOOD, "--ladder"]).stdout);
    assert_eq!(ladder.lines().count(), 1 + 7 * 79);
    let gentle = text(&run(&["encode", "--payload", GOOD, "--palette", "gentle"]).stdout);
    assert!(gentle.starts_with("r,g,b\n0,0,48\n79,89,97\n0,0,48\n79,0,48\n0,89,48\n0,0,97\n"));
}

#[test]
fn decode_reads_what_a_simulated_sensor_saw() {
    let simulated = run(&["simulate", "--payload", GOOD, "--seed", "4"]);
    assert!(simulated.status.success());
    let samples = file("seen.csv", &simulated.stdout);
    let decoded = run(&["decode", &samples]);
    assert_eq!(decoded.status.code(), Some(0));
    let line = text(&decoded.stdout);
    let head = format!(r#"{{"payload": "{GOOD}", "elapsed_us": "#);
    assert!(line.starts_with(&head), "{line}");
    assert!(line.contains(", \"loops\": "), "{line}");
}

#[test]
fn decode_says_why_there_is_no_payload() {
    let dark = "t_us,r,g,b,c\n".to_owned()
        + &(0..400)
            .map(|row| format!("{},9,9,9,0\n", row * 3_000))
            .collect::<String>();
    let refused = run(&["decode", &file("dark.csv", dark.as_bytes())]);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(text(&refused.stdout), "{\"refused\": \"nothing\"}\n");
}

#[test]
fn a_bad_file_or_argument_is_told_and_exits_with_two() {
    for (name, content, told) in [
        (
            "other.csv",
            "r,g,b\n1,2,3\n",
            "the first line is not `t_us,r,g,b,c`",
        ),
        (
            "broken.csv",
            "t_us,r,g,b,c\n1,2,3,4,5\n2,x,3,4,5\n",
            "line 3 is not",
        ),
        ("binary.csv", "t_us,r,g,b,c\n\u{0}\u{1}\n", "line 2 is not"),
    ] {
        let output = run(&["decode", &file(name, content.as_bytes())]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert_eq!(text(&output.stdout), "", "{name}");
        assert!(
            text(&output.stderr).contains(told),
            "{}",
            text(&output.stderr)
        );
    }
    let missing = run(&["decode", "no-such-file.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("cannot open no-such-file.csv"));
    for payload in [
        "",
        PAYLOAD,
        "zz3031323334353637383900",
        "033031323334353637383900",
        "013031323334353637383901",
    ] {
        let output = run(&["encode", "--payload", payload]);
        assert_eq!(output.status.code(), Some(2), "{payload}");
        assert_eq!(text(&output.stdout), "", "{payload}");
    }
    assert_eq!(
        run(&["encode", "--payload", GOOD, "--fps", "1000"])
            .status
            .code(),
        Some(2)
    );
}
