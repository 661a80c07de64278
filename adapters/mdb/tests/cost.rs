//! What one exchange costs. Run by hand: `cargo test -p gettone-mdb --release --test cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gettone_mdb::cashless::{Cashless, Config, Event, Host, Input, Output};
use gettone_mdb::{Address, Command, Frame, Level, Mode, Setup, Supply, Units, Word};

const EXCHANGES: u32 = 5_000_000;

#[test]
#[ignore = "a measurement, not a check"]
fn a_revalue_of_level_2() {
    let mut device = Cashless::new(Config::default()).expect("a consistent configuration");
    let frame = |command: Command| Frame::from_controller(&command.print(Address::First));
    let ack = Word::new(Mode::Data, 0);
    let mut now = Duration::from_secs(1);
    let mut credited = 0_u32;
    let mut play = |device: &mut Cashless, now: &mut Duration, words: &[Word]| {
        *now += Duration::from_millis(117);
        let mut wanted = None;
        for word in words {
            device.handle(*now, Input::Word(black_box(*word)));
            while let Some(output) = device.poll() {
                if let Output::Event(event) = black_box(output) {
                    if let Event::RevalueAsked { request, .. } = event {
                        wanted = Some(Host::ApproveRevalue { request });
                    }
                    credited += u32::from(matches!(event, Event::RevalueApprovalTaken { .. }));
                }
            }
        }
        if let Some(host) = wanted {
            device.handle(*now, Input::Host(host));
            while device.poll().is_some() {}
        }
        credited
    };
    let setup = Command::Setup(Setup {
        level: Level::Two,
        supply: Supply::Mains,
        columns: 16,
        rows: 2,
        display: 1,
    });
    for command in [Command::Poll, setup, Command::Enable] {
        let words: Vec<Word> = frame(command).iter().copied().chain([ack]).collect();
        play(&mut device, &mut now, &words);
    }
    device.handle(now, Input::Host(Host::BeginSession { funds: 500 }));
    while device.poll().is_some() {}
    let poll = frame(Command::Poll);
    // An ACK belongs to the words before it: it comes in the same moment.
    let poll: Vec<Word> = poll.iter().copied().chain([ack]).collect();
    play(&mut device, &mut now, &poll);
    let offer = frame(Command::RevalueRequest {
        amount: Units::from_u16(100),
    });
    let rounds = EXCHANGES / 10;
    let begun = Instant::now();
    for _ in 0..rounds {
        play(&mut device, &mut now, &offer);
        play(&mut device, &mut now, &poll);
    }
    let each = begun.elapsed() / rounds;
    assert_eq!(play(&mut device, &mut now, &[]), rounds);
    eprintln!("{each:?} for a REVALUE REQUEST, its decision and the POLL that brings it");
}

#[test]
#[ignore = "a measurement, not a check"]
fn a_poll_exchange() {
    let mut device = Cashless::new(Config::default()).expect("a consistent configuration");
    let poll = Frame::from_controller(&Command::Poll.print(Address::First));
    let mut sent = 0;
    let begun = Instant::now();
    let mut now = Duration::ZERO;
    for _ in 0..EXCHANGES {
        now += Duration::from_millis(117);
        for word in poll.iter() {
            device.handle(now, Input::Word(black_box(*word)));
            while let Some(output) = device.poll() {
                if let Output::Send(reply) = black_box(output) {
                    sent += reply.len();
                }
            }
        }
    }
    let each = begun.elapsed() / EXCHANGES;
    eprintln!("{sent} words in answer, {each:?} for one POLL and its answer");
    eprintln!(
        "{} bytes of device, {} of output",
        size_of::<Cashless>(),
        size_of::<Output>()
    );
}
