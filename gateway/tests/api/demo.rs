//! The street that the program plays by itself, as a process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const SEED: u64 = 7;
/// Lines after which what is waited for does not happen any more.
const LINES_MAX: usize = 500;
/// One line of each kind of scene.
const SCENES: [&str; 9] = [
    " buys ",
    " is made for ",
    " says that no ",
    " in cash",
    " is stuck; ",
    "'s phone is gone; ",
    "'s phone brings what became of ",
    " pays in ",
    "power is cut ",
];

#[test]
fn a_street_shows_every_kind_of_scene_and_told_to_stop_its_books_balance() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
        .args(["demo", "--listen", "127.0.0.1:0", "--machines", "1"])
        .args(["--pace", "1000", "--seed", &SEED.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut told = Vec::new();
    let mut missing = SCENES.to_vec();
    for line in lines.by_ref().take(LINES_MAX) {
        told.push(line.expect("text"));
        let line = told.last().expect("just told");
        missing.retain(|scene| !line.contains(scene));
        if missing.is_empty() {
            break;
        }
    }
    let stopped = Command::new("kill")
        .args(["-INT", &demo.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(stopped.success());
    told.extend(lines.map(|line| line.expect("text")));
    let end = demo.wait().expect("it ends");
    let told = told.join("\n");
    assert_eq!(missing, [""; 0], "seed {SEED}:\n{told}");
    assert!(end.success(), "seed {SEED}: {end}:\n{told}");
    assert!(told.ends_with("\naudit: balanced"), "seed {SEED}:\n{told}");
    let tally = told.lines().find(|line| line.starts_with("sales "));
    let tally = tally.unwrap_or_else(|| panic!("no tally, seed {SEED}:\n{told}"));
    for count in tally.split(", ") {
        let never = count.ends_with(" 0");
        assert!(!never || count == "refused 0", "seed {SEED}: {tally}");
    }
}
