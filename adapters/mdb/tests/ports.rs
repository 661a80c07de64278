//! Serial ports and adapters over pseudo-terminals: the other end is written from the rules and nothing of ours.
#![cfg(feature = "link")]

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gettone_mdb::bounds::BRIDGE_ACK_MAX;
use gettone_mdb::bridge::BridgeLink;
use gettone_mdb::cashless::{Cashless, Config, Event, Host, Input, Output};
use gettone_mdb::link::{self, Link, LinkFault, OpenFault, Read};
use gettone_mdb::parmrk::Listener;
use gettone_mdb::tty::TtyLink;
use gettone_mdb::{Mode, Word};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};

const PATIENCE: Duration = Duration::from_secs(10);

/// A pseudo-terminal's master, and the path of its slave.
fn terminal() -> (OwnedFd, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let name = ptsname(&master, Vec::new()).expect("a name");
    (master, name.into_string().expect("text").into())
}

fn say(master: &OwnedFd, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = rustix::io::write(master, rest).expect("room");
        rest = &rest[sent..];
    }
}

fn hear(master: &OwnedFd, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut at = 0;
    while at < len {
        at += rustix::io::read(master, &mut bytes[at..]).expect("bytes");
    }
    bytes
}

fn word(bits: u16) -> Word {
    Word::from_u16(bits).expect("nine bits")
}

fn read_all(link: &mut dyn Link, count: usize) -> Vec<Read> {
    let begun = Instant::now();
    let mut heard = Vec::new();
    while heard.len() < count && begun.elapsed() < PATIENCE {
        match link.read(Duration::from_millis(100)).expect("a link") {
            Read::Nothing => {}
            read @ (Read::Word(_) | Read::Break) => heard.push(read),
        }
    }
    heard
}

#[test]
fn a_port_reads_mode_bits_and_breaks_as_the_kernel_marks_them() {
    let (master, path) = terminal();
    let mut link = TtyLink::open_marked(&path, Listener::Peripheral).expect("a port");
    say(&master, &[0xFF, 0x00, 0x12, 0x12, 0xFF]);
    say(&master, &[0xFF, 0xFF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x55]);
    let expected = [
        Read::Word(word(0x112)),
        Read::Word(word(0x012)),
        Read::Word(word(0x0FF)),
        Read::Word(word(0x1FF)),
        Read::Break,
        Read::Word(word(0x055)),
    ];
    assert_eq!(read_all(&mut link, expected.len()), expected);
    let nothing = link.read(Duration::ZERO).expect("an open port");
    assert_eq!(nothing, Read::Nothing);
}

#[test]
fn a_port_sends_the_bytes_of_an_answer_in_their_order_and_time() {
    let (master, path) = terminal();
    let mut link = TtyLink::open_marked(&path, Listener::Peripheral).expect("a port");
    let answer = [word(0x003), word(0x004), word(0x0B0), word(0x1B7)];
    let begun = Instant::now();
    link.write(&answer).expect("room");
    // Four words of 1.146 ms: whoever waits less has not let the port finish before switching its parity.
    assert!(begun.elapsed() >= Duration::from_micros(4 * 1_146));
    assert_eq!(hear(&master, 4), [0x03, 0x04, 0xB0, 0xB7]);
    link.write(&[word(0x100)]).expect("room");
    assert_eq!(hear(&master, 1), [0x00]);
}

#[test]
fn a_port_without_the_ninth_bit_is_refused_with_a_way_out() {
    let (_master, path) = terminal();
    let fault = TtyLink::open(&path, Listener::Peripheral).expect_err("it has no parity");
    assert!(matches!(fault, LinkFault::NoNinthBit { .. }), "{fault}");
    assert!(fault.to_string().contains("bridge adapter"), "{fault}");
}

#[test]
fn a_port_that_is_gone_is_closed() {
    let (master, path) = terminal();
    let mut link = TtyLink::open_marked(&path, Listener::Peripheral).expect("a port");
    drop(master);
    assert!(matches!(
        link.read(Duration::from_secs(1)),
        Err(LinkFault::Closed)
    ));
}

#[test]
fn a_link_that_is_none_says_how_links_are_written() {
    for text in [
        "serial:/dev/null",
        "tty:/no/such/port",
        "bridge:/no/such/port",
        "words:/no/such",
    ] {
        let fault = link::open(text).expect_err("nothing there");
        match fault {
            OpenFault::Spec(fault) => assert!(fault.to_string().contains("words:PATH")),
            OpenFault::Link(fault) => assert!(matches!(fault, LinkFault::System { .. })),
            other => panic!("{other}"),
        }
    }
}

/// A device behind an adapter, and the adapter's side of its port.
struct Adapted {
    master: OwnedFd,
    link: BridgeLink,
    device: Cashless,
    begun: Instant,
    events: Vec<Event>,
}

impl Adapted {
    fn new() -> Self {
        let (master, path) = terminal();
        let config = Config {
            ack_max: BRIDGE_ACK_MAX,
            ..Config::default()
        };
        Self {
            link: BridgeLink::open(&path).expect("an adapter"),
            master,
            device: Cashless::new(config).expect("a consistent configuration"),
            begun: Instant::now(),
            events: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        self.device.handle(self.begun.elapsed(), input);
        while let Some(output) = self.device.poll() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Send(reply) => self.link.write(&reply).expect("room"),
            }
        }
    }

    /// Lets the device live until the adapter has been given so much.
    fn until_said(&mut self, expected: &[u8]) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "never said {expected:02X?}");
            self.live();
            let mut ready = [rustix::event::PollFd::new(
                &self.master,
                rustix::event::PollFlags::IN,
            )];
            let now = rustix::event::Timespec::default();
            if rustix::event::poll(&mut ready, Some(&now)).expect("a terminal") > 0 {
                break;
            }
        }
        assert_eq!(hear(&self.master, expected.len()), expected);
    }

    fn until_event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.events.iter().find(|event| wanted(event)) {
                return *event;
            }
            assert!(begun.elapsed() < PATIENCE, "only {:?}", self.events);
            self.live();
        }
    }

    fn live(&mut self) {
        match self.link.read(Duration::from_millis(5)).expect("open") {
            Read::Word(word) => self.input(Input::Word(word)),
            Read::Break => self.input(Input::Break),
            Read::Nothing => self.input(Input::Tick),
        }
    }
}

#[test]
fn a_whole_vend_goes_through_an_adapter() {
    let mut it = Adapted::new();
    it.until_said(&[0x00, 0x00]);
    say(&it.master, b"\x023333001010\x03\x0200\x03");
    it.until_said(&[0x00, 0x00]);
    say(&it.master, b"\x0200\x03\x02110002100201");
    say(&it.master, b"26\x03");
    it.until_said(&[0x01, 0x02, 0x19, 0x78, 0x01, 0x02, 0x1E, 0x01, 0xB6]);
    say(&it.master, b"\x0200\x03\x02140115\x03");
    it.until_event(|event| *event == Event::Enabled);
    it.input(Input::Host(Host::BeginSession { funds: 1_200 }));
    it.until_said(&[0x03, 0x04, 0xB0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xB3]);
    say(&it.master, b"\x0200\x03\x020B0B13000078001 7\x03");
    it.until_event(|event| *event == Event::SessionBegan);
    say(&it.master, b"\x0213000078 0017A2\x03\x02130000780017A2\x03");
    let asked = it.until_event(|event| matches!(event, Event::VendRequested { .. }));
    let Event::VendRequested {
        request,
        price,
        item,
    } = asked
    else {
        unreachable!("it was looked for");
    };
    assert_eq!((price, item), (120, 23));
    it.input(Input::Host(Host::Approve {
        request,
        amount: price,
        tag: 7,
    }));
    it.until_said(&[0x05, 0x00, 0x78, 0x7D]);
    say(&it.master, b"\x0200\x03");
    it.until_event(|event| *event == Event::ApprovalDelivered { tag: 7 });
    say(&it.master, b"\x02130200172C\x03");
    it.until_event(|event| *event == Event::VendSucceeded { tag: 7, item: 23 });
    assert_eq!(word(0x100).mode(), Mode::Address);
}

#[test]
fn an_adapters_port_is_set_to_its_speed_and_hands_on_bytes_as_they_are() {
    let (master, path) = terminal();
    let mut settings = tcgetattr(&master).expect("a terminal");
    settings.set_speed(1_200).expect("a speed");
    tcsetattr(&master, OptionalActions::Now, &settings).expect("a terminal");
    let mut link = BridgeLink::open(&path).expect("an adapter");
    let settings = tcgetattr(&master).expect("a terminal");
    assert_eq!(
        (settings.input_speed(), settings.output_speed()),
        (9_600, 9_600)
    );
    let parity = ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CRTSCTS;
    assert!(!settings.control_modes.intersects(parity), "{settings:?}");
    // A terminal that is not raw would make two bytes of this one.
    link.write(&[word(0x00A), word(0x10A)]).expect("room");
    assert_eq!(hear(&master, 2), [0x0A, 0x0A]);
}

#[test]
fn an_adapter_in_use_is_refused_by_its_name_until_it_is_free() {
    let (_master, path) = terminal();
    let first = BridgeLink::open(&path).expect("an adapter");
    let fault = BridgeLink::open(&path).expect_err("it is in use");
    assert!(matches!(fault, LinkFault::InUse { .. }), "{fault}");
    let said = fault.to_string();
    assert!(said.contains(&path.display().to_string()), "{said}");
    assert!(said.contains("end that one"), "{said}");
    drop(first);
    BridgeLink::open(&path).expect("it is free");
}

#[test]
fn a_file_that_is_no_port_is_no_adapter() {
    let fault = link::open("bridge:/dev/null").expect_err("no port");
    assert!(fault.to_string().contains("a serial port"), "{fault}");
}

#[test]
fn an_adapter_that_is_gone_is_closed() {
    let (master, path) = terminal();
    let mut link = BridgeLink::open(&path).expect("an adapter");
    assert_eq!(link.read(Duration::ZERO).expect("open"), Read::Nothing);
    drop(master);
    let read = link.read(PATIENCE);
    assert!(matches!(read, Err(LinkFault::Closed)), "{read:?}");
    let written = link.write(&[word(0x000), word(0x100)]);
    assert!(matches!(written, Err(LinkFault::Closed)), "{written:?}");
}

#[test]
fn an_adapter_that_takes_nothing_is_stuck() {
    let (_master, path) = terminal();
    let mut link = BridgeLink::open(&path).expect("an adapter");
    let answer = [word(0x0FF); 36];
    // No terminal holds so much.
    let stuck = (0..100_000).find_map(|_| link.write(&answer).err());
    assert!(matches!(stuck, Some(LinkFault::Stuck)), "{stuck:?}");
}

#[test]
fn what_an_adapter_has_said_is_read_without_waiting() {
    let (master, path) = terminal();
    let mut link = BridgeLink::open(&path).expect("an adapter");
    say(&master, b"\x021010\x03");
    let begun = Instant::now();
    while link.read(Duration::ZERO).expect("open") != Read::Word(word(0x110)) {
        assert!(begun.elapsed() < PATIENCE, "it is never read");
    }
    assert_eq!(
        link.read(Duration::ZERO).expect("open"),
        Read::Word(word(0x010))
    );
}

#[test]
fn whatever_an_adapter_says_it_is_heard_afterwards() {
    let (master, path) = terminal();
    let mut link = BridgeLink::open(&path).expect("an adapter");
    let mut seed = 11_u64;
    for _ in 0..500 {
        let noise: [u8; 64] = core::array::from_fn(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [kind, byte, ..] = seed.to_be_bytes();
            match kind % 8 {
                0 => 0x02,
                1 => 0x03,
                2 => byte,
                _ => b"0123456789ABCDEF"[usize::from(byte % 16)],
            }
        });
        say(&master, &noise);
        for _ in 0..4 {
            link.read(Duration::ZERO).expect("open");
        }
    }
    say(&master, b"\x02140115\x03");
    let begun = Instant::now();
    let mut last = [Read::Nothing; 3];
    while last != [0x114, 0x001, 0x015].map(|bits| Read::Word(word(bits))) {
        assert!(begun.elapsed() < PATIENCE, "it is deaf");
        last = [last[1], last[2], link.read(PATIENCE).expect("open")];
    }
}

#[test]
fn an_exchange_through_an_adapter_takes_nothing_from_the_heap() {
    let (master, path) = terminal();
    let mut link = BridgeLink::open(&path).expect("an adapter");
    let mut exchange = || {
        say(&master, b"\x021010\x03");
        while link.read(PATIENCE).expect("open") != Read::Word(word(0x010)) {}
        link.write(&[word(0x000), word(0x100)]).expect("room");
        let mut said = [9; 2];
        assert_eq!(rustix::io::read(&master, &mut said), Ok(2));
        assert_eq!(said, [0, 0]);
        // Nothing comes, not even a POLL, before the ACK.
        let nothing = link.read(Duration::from_millis(2)).expect("open");
        assert_eq!(nothing, Read::Nothing);
    };
    exchange();
    let taken = allocation_counter::measure(|| (0..100).for_each(|_| exchange()));
    assert_eq!(taken.count_total, 0);
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 9])));
    assert_eq!(counted.count_total, 1, "it would have been seen");
}
