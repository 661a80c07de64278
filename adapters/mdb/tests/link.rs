//! The `words:` link over real pseudo-terminals and sockets.
#![cfg(feature = "link")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gettone_mdb::cashless::{self, Cashless, Host};
use gettone_mdb::vmc::{self, Operator, Timing, Vmc};
use gettone_mdb::words::{LinkFault, Pty, WordLink};
use gettone_mdb::{Mode, Word};

/// Long enough for the busiest computer; nothing waits for it when all goes well.
const GIVE_UP: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(5);

/// A directory that goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gettone-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    fn link(&self) -> PathBuf {
        self.0.join("mdb")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A reader that approves everything at its price, until the machine has what it wanted.
fn be_a_reader(
    link: &mut WordLink,
    is_over: impl Fn() -> bool,
) -> Result<Vec<cashless::Event>, LinkFault> {
    let begun = Instant::now();
    let mut device = Cashless::new(cashless::Config {
        ack_max: GIVE_UP,
        ..cashless::Config::default()
    })
    .expect("a consistent configuration");
    let mut events = Vec::new();
    while begun.elapsed() < GIVE_UP && !is_over() {
        let input = match link.read(MOMENT)? {
            Some(word) => cashless::Input::Word(word),
            None => cashless::Input::Tick,
        };
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            device.handle(begun.elapsed(), input);
            while let Some(output) = device.poll() {
                match output {
                    cashless::Output::Send(reply) => link.write(&reply)?,
                    cashless::Output::Event(event) => {
                        inputs.extend(decide(&event).map(cashless::Input::Host));
                        events.push(event);
                    }
                }
            }
        }
    }
    Ok(events)
}

fn decide(event: &cashless::Event) -> Option<Host> {
    match *event {
        cashless::Event::Enabled => Some(Host::BeginSession { funds: 500 }),
        cashless::Event::VendRequested { request, price, .. } => Some(Host::Approve {
            request,
            amount: price,
            tag: 7,
        }),
        _ => None,
    }
}

/// A machine whose customer buys once, until the session is over.
fn be_a_machine(link: &mut WordLink) -> Result<Vec<vmc::Event>, LinkFault> {
    let begun = Instant::now();
    let mut controller = Vmc::new(vmc::Config {
        timing: Timing {
            poll_period: Duration::from_millis(1),
            setup: Duration::ZERO,
            ..Timing::patient()
        },
        ..vmc::Config::default()
    });
    let mut events = Vec::new();
    let mut inputs = vec![vmc::Input::Operator(Operator::PowerUp)];
    while begun.elapsed() < GIVE_UP {
        let input = match inputs.pop() {
            Some(input) => input,
            None => match link.read(Duration::from_millis(1))? {
                Some(word) => vmc::Input::Word(word),
                None => vmc::Input::Tick,
            },
        };
        controller.handle(begun.elapsed(), input);
        while let Some(output) = controller.poll() {
            match output {
                vmc::Output::Send(frame) => link.write(&frame)?,
                vmc::Output::Break => {}
                vmc::Output::Event(event) => {
                    inputs.extend(buy(&event).map(vmc::Input::Operator));
                    events.push(event);
                }
            }
        }
        if events.contains(&vmc::Event::SessionEnded) {
            break;
        }
    }
    Ok(events)
}

fn buy(event: &vmc::Event) -> Option<Operator> {
    match event {
        vmc::Event::SessionBegan { .. } => Some(Operator::Select {
            price: 120,
            item: 23,
        }),
        vmc::Event::Dispense { .. } => Some(Operator::Dispensed),
        _ => None,
    }
}

fn one_vend(machine: WordLink, mut reader: WordLink) {
    let over = Arc::new(AtomicBool::new(false));
    let machine = {
        let over = Arc::clone(&over);
        thread::spawn(move || {
            let mut machine = machine;
            let seen = be_a_machine(&mut machine);
            over.store(true, Ordering::Release);
            // The reader looks once more before it goes: the link must live as long.
            (machine, seen)
        })
    };
    let told = be_a_reader(&mut reader, || over.load(Ordering::Acquire));
    let told = told.expect("the reader's end works");
    let (_machine, seen) = machine.join().expect("no panic");
    let seen = seen.expect("the machine's end works");
    let successes = told
        .iter()
        .filter(|it| matches!(it, cashless::Event::VendSucceeded { tag: 7, item: 23 }));
    assert_eq!(successes.count(), 1, "{told:?}");
    assert!(
        told.contains(&cashless::Event::SessionCompleted),
        "{told:?}"
    );
    let motors = vmc::Event::Dispense {
        amount: Some(120),
        item: 23,
    };
    assert!(seen.contains(&motors), "{seen:?}");
    assert!(seen.contains(&vmc::Event::SessionEnded), "{seen:?}");
}

#[test]
fn a_whole_vend_goes_over_a_pseudo_terminal() {
    let place = Place::new("vend");
    let pty = Pty::open(&place.link()).expect("a pseudo-terminal");
    assert_eq!(pty.path(), place.link());
    let machine = pty.line();
    let reader = WordLink::open(&place.link()).expect("a slave");
    one_vend(machine, reader);
    assert!(
        !Path::new(&place.link()).exists(),
        "the name goes with the machine"
    );
}

#[test]
fn a_whole_vend_goes_over_a_unix_socket() {
    let place = Place::new("socket");
    let listener = UnixListener::bind(place.link()).expect("a socket");
    let reader = WordLink::open(&place.link()).expect("a connection");
    let (machine, _) = listener.accept().expect("somebody connected");
    one_vend(WordLink::from_stream(machine).expect("a link"), reader);
}

#[test]
fn every_word_passes_unchanged_in_both_directions() {
    let place = Place::new("words");
    let mut machine = Pty::open(&place.link()).expect("a pseudo-terminal").line();
    let mut reader = WordLink::open(&place.link()).expect("a slave");
    let words: Vec<Word> = (0..0x200).filter_map(Word::from_u16).collect();
    for burst in words.chunks(36) {
        machine.write(burst).expect("the machine writes");
        assert_eq!(hear(&mut reader, burst.len()), burst);
        reader.write(burst).expect("the reader writes");
        assert_eq!(hear(&mut machine, burst.len()), burst);
    }
}

#[test]
fn readers_come_and_go_and_hear_nothing_of_the_past() {
    let place = Place::new("restart");
    let mut machine = Pty::open(&place.link()).expect("a pseudo-terminal").line();
    let old = [Word::new(Mode::Address, 0x10); 36];
    for _ in 0..2_000 {
        machine
            .write(&old)
            .expect("nobody listens, and that is no fault");
    }
    for byte in 0..3 {
        let word = Word::new(Mode::Data, byte);
        let mut reader = WordLink::open(&place.link()).expect("a slave");
        machine.write(&[word]).expect("the machine writes");
        assert_eq!(hear(&mut reader, 1), [word]);
        drop(reader);
        assert!(
            machine.read(Duration::ZERO).is_ok(),
            "an absent reader is silence"
        );
    }
}

#[test]
fn a_byte_out_of_step_is_skipped() {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    let mut link = WordLink::from_stream(theirs).expect("a link");
    let mut ours: UnixStream = ours;
    std::io::Write::write_all(&mut ours, &[0x12, 0x01, 0x12, 0x00]).expect("bytes");
    std::io::Write::write_all(&mut ours, &[0x12]).expect("the other half");
    let words = [Word::new(Mode::Address, 0x12), Word::new(Mode::Data, 0x12)];
    assert_eq!(hear(&mut link, 2), words);
    drop(ours);
    assert!(matches!(link.read(GIVE_UP), Err(LinkFault::Closed)));
}

#[test]
fn what_is_no_link_is_refused() {
    let place = Place::new("refused");
    assert!(WordLink::open(&place.link()).is_err(), "nothing is there");
    std::fs::write(place.link(), b"a file").expect("a file");
    assert!(
        WordLink::open(&place.link()).is_err(),
        "a file is no terminal"
    );
    assert!(Pty::open(&place.link()).is_err(), "a file is not replaced");
}

fn hear(link: &mut WordLink, count: usize) -> Vec<Word> {
    let begun = Instant::now();
    let mut heard = Vec::new();
    while heard.len() < count && begun.elapsed() < GIVE_UP {
        heard.extend(link.read(MOMENT).expect("the link works"));
    }
    heard
}
