//! The machine is answered before anything else of the reader is up: shown by order, not by clock.

mod street;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::io::Write as _;
use street::{Street, wait_for};

#[test]
fn the_first_poll_is_answered_before_recovery_has_begun() {
    let mut street = Street::new();
    let mut machine = street.machine();
    // Whoever reads this file waits until somebody writes it: the reader counts its start before
    // it looks at its journal, and both before radio and light.
    let boot = street.path("state").join("boot");
    std::fs::remove_file(&boot).expect("made with the key");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &boot, FileType::Fifo, mode, 0).expect("a pipe");

    street.begin_reader("");
    machine.power_up();
    machine.idle(3);
    assert!(
        !street.path("state").join("journal").exists(),
        "no recovery"
    );
    assert!(!street.path("light").exists(), "no light");

    let mut writer = std::fs::OpenOptions::new()
        .write(true)
        .open(&boot)
        .expect("the reader reads");
    writer.write_all(b"41\n").expect("it takes");
    drop(writer);
    let light = street.path("light");
    wait_for("the reader's light socket", || light.exists());
    machine.idle(1);
    assert_eq!(std::fs::read(&boot).expect("counted"), b"42\n");
    street.stop_reader();
}
