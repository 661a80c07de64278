//! What one exchange costs. Run by hand: `cargo test -p gettone-mdb --release --test cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gettone_mdb::cashless::{Cashless, Config, Input, Output};
use gettone_mdb::{Address, Command, Frame};

const EXCHANGES: u32 = 5_000_000;

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
