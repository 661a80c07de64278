//! What an exchange with the machine takes from the heap: nothing.

use gettone_core::board::{Ask, Machine};
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_mdb::cashless::{Answers, Cashless, Completion, Config};
use gettone_mdb::link::Spec;
use gettone_mdb::words::WordLink;
use gettone_mdb::{ACK, Mode, Word, checksum};
use gettone_reader::{News, NewsReceiver, Reflex, ResultPage, Saying, Uptime, way};
use gettone_relay::Order;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A machine that allocates nothing either, so that only the reader's thread is left to look at.
struct Controller {
    line: WordLink,
}

impl Controller {
    /// Sends a block and gives the first byte of what comes back, if it is a block.
    fn say(&mut self, block: &[u8]) -> Option<u8> {
        let mut words = [Word::new(Mode::Data, 0); 16];
        for (index, byte) in block.iter().enumerate() {
            let mode = if index == 0 {
                Mode::Address
            } else {
                Mode::Data
            };
            words[index] = Word::new(mode, *byte);
        }
        words[block.len()] = Word::new(Mode::Data, checksum(block));
        self.line.write(&words[..=block.len()]).expect("a reader");
        let mut first = None;
        loop {
            let word = self.line.read(PATIENCE).expect("a line");
            let word = word.expect("an answer in time");
            if word.mode() == Mode::Data {
                first = first.or(Some(word.byte()));
                continue;
            }
            // The last word of a block is its checksum, a lone one is an ACK.
            if first.is_some() {
                let ack = [Word::new(Mode::Data, ACK)];
                self.line.write(&ack).expect("a reader");
            }
            return first;
        }
    }

    fn poll_for(&mut self, code: u8) {
        while self.say(&[0x12]) != Some(code) {}
    }

    fn power_up(&mut self) {
        assert_eq!(self.say(&[0x10]), None);
        self.poll_for(0x00);
        assert_eq!(self.say(&[0x11, 0x00, 0x02, 0x00, 0x00, 0x00]), Some(0x01));
        assert_eq!(self.say(&[0x14, 0x01]), None);
    }
}

/// Runs a reflex through `script`; gives what its thread took from the heap in all.
fn allocations(script: impl FnOnce(&mut Controller, &SyncSender<Saying>, &NewsReceiver)) -> u64 {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("mdb");
    let listener = UnixListener::bind(&path).expect("a free path");
    let (news, heard) = way(1_024);
    let (orders, ordered) = sync_channel(16);
    let device = Cashless::new(Config {
        answers: Answers {
            complete: Completion::Host,
            ..Config::default().answers
        },
        ack_max: PATIENCE,
        multivend: true,
        ..Config::default()
    });
    let page = ResultPage::open(&place.path().join("result")).expect("a file");
    let reflex = Reflex::new(device.expect("consistent"), page, Uptime::begin(), news);
    let link = Spec::Words(path);
    let thread = std::thread::spawn(move || {
        allocation_counter::measure(|| reflex.run(&link, &ordered)).count_total
    });
    let (stream, _) = listener.accept().expect("the reflex");
    let line = WordLink::from_stream(stream).expect("a line");
    let mut machine = Controller { line };
    machine.power_up();
    script(&mut machine, &orders, &heard);
    drop((orders, heard));
    thread.join().expect("no panic")
}

#[test]
fn a_poll_takes_nothing_from_the_heap() {
    let polls = |count: u32| {
        allocations(move |machine, _, _| {
            for _ in 0..count {
                assert_eq!(machine.say(&[0x12]), None);
            }
        })
    };
    assert_eq!(polls(10_010), polls(10));
}

/// The next news of the machine itself.
fn machine_news(heard: &NewsReceiver) -> Machine {
    loop {
        if let News::Machine(news) = heard.wait(PATIENCE).expect("news in time") {
            return news;
        }
    }
}

#[test]
fn a_vend_takes_nothing_from_the_heap() {
    let vends = |count: u64| {
        allocations(move |machine, orders, heard| {
            let order = |order| orders.send(Saying::Order(order)).expect("a reflex");
            order(Order::BeginSession { funds: 500 });
            machine.poll_for(0x03);
            for rseq in 1..=count {
                assert_eq!(machine.say(&[0x13, 0x00, 0x00, 0x78, 0x00, 0x17]), None);
                let ask: Ask = loop {
                    if let Machine::Asked { ask, .. } = machine_news(heard) {
                        break ask;
                    }
                };
                order(Order::Approve {
                    ask,
                    rseq: Rseq::new(rseq),
                    amount: 120,
                    epoch: JournalEpoch::from_bytes([1; 8]),
                });
                machine.poll_for(0x05);
                assert_eq!(machine.say(&[0x13, 0x02, 0x00, 0x17]), None);
                while !matches!(machine_news(heard), Machine::Succeeded { .. }) {}
            }
        })
    };
    assert_eq!(vends(1_001), vends(1));
}
