//! Packages by phone through the real program under its launcher: a technician brings another program,
//! the reader starts with it when nobody is served, and keeps it once a session has ended well. One
//! that does not work is given up without anybody's help. A configuration counts in the same way.

mod street;

use gettone_channel::{BoardState, LinkMessage, Manifest, PackageKind, Part, Piece};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use street::machine::Machine;
use street::phone::Phone;
use street::{Street, wait_for};

const READER: &str = env!("CARGO_BIN_EXE_gettone-reader");
const CODES: [[u8; 10]; 5] = [
    [7, 6, 5, 4, 3, 2, 1, 0, 9, 8],
    [1, 1, 2, 3, 5, 8, 13, 21, 34, 55],
    [2, 7, 1, 8, 2, 8, 1, 8, 2, 8],
    [3, 1, 4, 1, 5, 9, 2, 6, 5, 3],
    [1, 6, 1, 8, 0, 3, 3, 9, 8, 8],
];

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(READER)
        .args(arguments)
        .output()
        .expect("the program");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A reader under its launcher, as a service manager would start it.
struct Board {
    street: Street,
    config: PathBuf,
    codes: std::vec::IntoIter<[u8; 10]>,
    home: tempfile::TempDir,
    release_key: PathBuf,
}

impl Board {
    fn new(takes_firmware: bool) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let release_key = home.path().join("release.key");
        let public = run(&["firmware", "keygen", "--out", text(&release_key)]);
        let street = Street::new();
        let config = street.path("reader.toml");
        let more = match takes_firmware {
            true => format!("[firmware]\nrelease_keys = [\"{}\"]", public.trim()),
            false => String::new(),
        };
        let status = street.path("status.json");
        let words = format!(
            "status = \"{}\"\n{}",
            status.display(),
            street.config(&more)
        );
        fs::write(&config, words).expect("room");
        Self {
            street,
            config,
            codes: CODES.to_vec().into_iter(),
            home,
            release_key,
        }
    }

    fn launch(&self) -> Child {
        for old in ["light", "status.json"] {
            let _ = fs::remove_file(self.street.path(old));
        }
        Command::new(READER)
            .args(["launch", "--config"])
            .arg(&self.config)
            .env("RUST_LOG", "info")
            .stderr(Stdio::null())
            .spawn()
            .expect("the program")
    }

    /// Starts a program that works.
    fn start(&self) -> (Child, Machine) {
        let mut machine = self.street.machine();
        let reader = self.launch();
        let light = self.street.path("light");
        wait_for("the reader's light socket", || light.exists());
        machine.power_up();
        (reader, machine)
    }

    /// A firmware file, as the one who holds the release key packs it.
    fn packed(&self, number: u32, program: &str) -> Vec<u8> {
        let (from, to) = (
            self.home.path().join("program"),
            self.home.path().join("fw"),
        );
        fs::write(&from, program).expect("room");
        let number = number.to_string();
        run(&[
            "firmware",
            "pack",
            "--program",
            text(&from),
            "--number",
            &number,
            "--key",
            text(&self.release_key),
            "--out",
            text(&to),
        ]);
        assert!(run(&["firmware", "show", text(&to)]).starts_with(&format!("number   {number}")));
        fs::read(to).expect("packed")
    }

    /// A technician brings what is wanted; gives the HELLO's version of the program before.
    fn bring(&mut self, number: u32, content: &[u8]) -> u32 {
        let slots = self.slots();
        self.carry(PackageKind::Firmware, number, content, || {
            wait_for("the program in its slot", || {
                fs::read_to_string(&slots)
                    .is_ok_and(|slots| slots.contains(&format!(" {number} 0 ")))
            });
        });
        self.street.server.hello.as_ref().expect("one").fw
    }

    /// A technician brings a package, waits, and leaves.
    fn carry(&mut self, kind: PackageKind, number: u32, content: &[u8], wait: impl FnOnce()) {
        let manifest = Manifest::of(kind, number, content).expect("bounded");
        let code = self.codes.next().expect("enough codes");
        act(async {
            self.street.show(code);
            let mut phone = Phone::link_as_technician(&self.street.air(), code).await;
            self.street.server.record(&phone.envelope().await);
            let config = self.street.server.config(manifest.config());
            phone.bring(config).await;
            loop {
                let want = phone.want().await;
                let whole = match want.part {
                    Part::Manifest => manifest.to_bytes(),
                    Part::Content => content.to_vec(),
                };
                let end = want.first + u32::from(want.count);
                for index in want.first..end {
                    let piece = Piece::of(want.version, want.part, index, &whole);
                    phone.say(&LinkMessage::Piece(piece.expect("there"))).await;
                }
                if want.part == Part::Content && Piece::of(0, want.part, end, &whole).is_none() {
                    break;
                }
            }
            wait();
            phone.say(&LinkMessage::Leave).await;
        });
    }

    /// A customer buys; gives the HELLO's version of the program.
    fn buy(&mut self, machine: &mut Machine) -> u32 {
        let code = self.codes.next().expect("enough codes");
        act(async {
            self.street.show(code);
            let mut phone = Phone::link(&self.street.air(), code).await;
            self.street.server.record(&phone.envelope().await);
            let grant = self.street.server.grant(500, 1);
            phone.bring(grant).await;
            phone.state(BoardState::Granted).await;
            machine.await_session();
            assert_eq!(machine.select(120, 23), Some(120));
            machine.deliver(23);
            machine.await_cancel();
            phone.state(BoardState::Linked).await;
            phone.say(&LinkMessage::Leave).await;
        });
        self.street.server.hello.as_ref().expect("one").fw
    }

    fn slots(&self) -> PathBuf {
        self.street.path("state").join("care/firmware/slots")
    }

    fn await_status(&self, words: &str) {
        let path = self.street.path("status.json");
        wait_for(words, || {
            fs::read_to_string(&path).is_ok_and(|status| status.contains(words))
        });
    }

    fn status(&self) -> String {
        run(&["status", "--config", text(&self.config)])
    }
}

/// As a service manager does it.
fn stop(mut reader: Child) {
    let pid = Pid::from_raw(i32::try_from(reader.id()).expect("a process id"));
    kill_process(pid.expect("a running process"), Signal::TERM).expect("allowed");
    assert!(reader.wait().expect("an end").success());
}

fn text(path: &Path) -> &str {
    path.to_str().expect("plain letters")
}

fn end(mut reader: Child) {
    reader.kill().expect("running");
    reader.wait().expect("killed");
}

/// A program that is another file than the packaged one, and works as well.
fn good() -> String {
    format!("#!/bin/sh\n# Another build.\nexec {READER} \"$@\"\n")
}

#[test]
fn a_program_that_a_phone_brought_is_run_and_kept_after_a_session_and_a_broken_one_is_given_up() {
    let mut board = Board::new(true);
    let (mut reader, machine) = board.start();
    assert!(board.status().contains("the packaged program"));
    let packaged = board.bring(3_000, &board.packed(3_000, &good()));
    assert!(packaged < 3_000);
    // It ends by itself, for the service manager to start it again.
    assert!(reader.wait().expect("an end").success());
    drop(machine);

    let (mut reader, mut machine) = board.start();
    assert!(
        board
            .status()
            .contains("3000 (0.11.184), brought, slot a, on trial")
    );
    assert_eq!(board.buy(&mut machine), 3_000);
    let slots = board.slots();
    wait_for("the proof", || {
        fs::read_to_string(&slots).is_ok_and(|slots| slots.starts_with("current a 3000 good "))
    });
    // Who asks hears of it at once.
    board.await_status("3000 (0.11.184), brought, slot a, proved");

    // The next one ends at once, whatever it is told.
    board.bring(3_001, &board.packed(3_001, "#!/bin/sh\nexit 9\n"));
    assert!(reader.wait().expect("an end").success());
    drop(machine);
    for _ in 0..3 {
        let ended = board.launch().wait().expect("an end");
        assert_eq!(ended.code(), Some(9));
    }
    let (reader, mut machine) = board.start();
    assert_eq!(board.buy(&mut machine), 3_000);
    let notices = fs::read_to_string(&slots).expect("kept");
    assert!(notices.starts_with("current a 3000 good "), "{notices}");
    assert!(notices.ends_with("floor 3001\n"), "{notices}");
    end(reader);
}

#[test]
fn a_program_that_is_stopped_in_order_before_anybody_bought_stays_and_one_that_dies_is_given_up() {
    let mut board = Board::new(true);
    let (mut reader, machine) = board.start();
    board.bring(3_000, &board.packed(3_000, &good()));
    assert!(reader.wait().expect("an end").success());
    drop(machine);
    let start = || {
        let (reader, _machine) = board.start();
        board.await_status("3000 (0.11.184), brought, slot a, on trial");
        board.await_status("the machine takes cashless customers");
        reader
    };
    for _ in 0..5 {
        stop(start());
    }
    // The same, killed each time: nothing says that it did not crash.
    for _ in 0..3 {
        end(start());
    }
    let (reader, _machine) = board.start();
    board.await_status("the packaged program");
    end(reader);
}

#[test]
fn a_configuration_that_a_phone_brought_counts_as_soon_as_nobody_is_served() {
    let mut board = Board::new(false);
    let (mut reader, machine) = board.start();
    let print = |board: &Board| run(&["config", "print", "--config", text(&board.config)]);
    assert!(print(&board).contains("language = \"en\""));
    let words = b"language = \"it\"\n";
    board.carry(PackageKind::Configuration, 1, words, || {});
    assert!(reader.wait().expect("an end").success());
    drop(machine);
    let (reader, mut machine) = board.start();
    board.buy(&mut machine);
    let hello = board.street.server.hello.as_ref().expect("one");
    assert_eq!(hello.cfg, 1, "it runs with it");
    assert!(print(&board).contains("language = \"it\""));
    end(reader);
}

#[test]
fn what_cannot_be_started_at_all_is_given_up_in_the_same_start() {
    let mut board = Board::new(true);
    let (mut reader, machine) = board.start();
    board.bring(3_000, &board.packed(3_000, "#!/no/such/interpreter\n"));
    assert!(reader.wait().expect("an end").success());
    drop(machine);
    let (reader, _machine) = board.start();
    assert!(board.status().contains("the packaged program"));
    assert_eq!(
        fs::read_to_string(board.slots()).expect("kept"),
        "floor 3000\n"
    );
    end(reader);
}

#[test]
fn without_a_release_key_no_firmware_is_asked_for() {
    let mut board = Board::new(false);
    let content = board.packed(3_000, &good());
    let (reader, _machine) = board.start();
    let manifest = Manifest::of(PackageKind::Firmware, 3_000, &content).expect("bounded");
    let text = "language = \"it\"\n";
    let config = Manifest::of(PackageKind::Configuration, 1, text.as_bytes()).expect("bounded");
    let code = board.codes.next().expect("enough codes");
    act(async {
        board.street.show(code);
        let mut phone = Phone::link_as_technician(&board.street.air(), code).await;
        board.street.server.record(&phone.envelope().await);
        for manifest in [&manifest, &config] {
            let told = board.street.server.config(manifest.config());
            phone.bring(told).await;
        }
        assert_eq!(phone.want().await.version, 1, "the configuration only");
    });
    assert!(!board.slots().exists());
    end(reader);
}
