//! A year before one machine: two hundred cash sales and one phone a day. The journal must not grow,
//! and the flash must not wear out.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use gettone_core::board::{
    Answer, Ask, Board, Code, Fresh, Greeting, Input, Limits, Machine, Output, Record, Sessions,
    Stamp, Start, Terms,
};
use gettone_core::id::{Bind, Item, JournalEpoch, Order, VendId};
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;
use gettone_reader::{Journal, Opening};
use gettone_relay::chain_of;
use std::path::Path;
use std::time::Duration;

const DAYS: u32 = 365;
const CASH_SALES_A_DAY: u32 = 200;
const ITEMS: u32 = 40;
const DAY: Duration = Duration::from_secs(86_400);
/// What the journal file may ever come to here.
const JOURNAL_MAX: u64 = 2 * 1024 * 1024;
/// What a year may write in all: a thousandth of what a 4 GB card of 1,000 cycles bears, with every
/// record written as a 4 KiB block.
const WRITTEN_MAX: u64 = 4_000_000_000;
const BLOCK: u64 = 4_096;

struct Year {
    board: Board,
    journal: Journal,
    now: Duration,
    asks: u32,
    greeting: Option<Greeting>,
    order: Option<Output>,
    records: u64,
    longest: u64,
}

fn opening(boot: u32) -> Opening {
    Opening {
        fresh_epoch: JournalEpoch::from_bytes([1; 8]),
        ending: None,
        stamp: Stamp {
            order: Order { boot, uptime_ms: 1 },
            utc: Timestamp::default(),
        },
        limits: Limits::PROTOCOL,
    }
}

impl Year {
    fn begin(place: &Path) -> Self {
        let (journal, _) = Journal::open(place, &opening(1)).expect("a new journal");
        let board = Board::new(Start {
            boot: 1,
            past: journal.past().expect("nothing is open"),
            limits: Limits::PROTOCOL,
            sessions: Sessions::OneVend,
            currency: Currency::EUR,
            chain_of,
        });
        Self {
            board,
            journal,
            now: Duration::ZERO,
            asks: 0,
            greeting: None,
            order: None,
            records: 0,
            longest: 0,
        }
    }

    fn tell(&mut self, place: &Path, input: Input) {
        let mut next = vec![input];
        while let Some(input) = next.pop() {
            self.board.handle(self.now, input);
            while let Some(output) = self.board.poll() {
                match output {
                    Output::Journal(ticket, record) => {
                        self.write(place, &record);
                        next.insert(0, Input::Synced(ticket));
                    }
                    Output::Greet(greeting) => {
                        self.greeting = Some(greeting);
                        next.insert(0, Input::LinkTook);
                    }
                    Output::SendReceipts(_) | Output::SendNotices(_) => {
                        next.insert(0, Input::LinkTook);
                    }
                    order @ (Output::BeginSession { .. }
                    | Output::Approve { .. }
                    | Output::CancelSession) => self.order = Some(order),
                    _ => {}
                }
            }
        }
    }

    fn write(&mut self, place: &Path, record: &Record) {
        self.journal.append_unsynced(record).expect("room");
        self.records += 1;
        if self.records.is_multiple_of(64) {
            let len = std::fs::metadata(place.join("journal"));
            self.longest = self.longest.max(len.expect("there").len());
        }
    }

    fn machine(&mut self, place: &Path, machine: Machine) {
        self.tell(place, Input::Machine(machine));
    }

    fn sell_for_cash(&mut self, place: &Path, number: u32) {
        self.now += DAY / (CASH_SALES_A_DAY + 1);
        let item = Item::new(u16::try_from(number % ITEMS).expect("small"));
        let price = 50 + 10 * (number % ITEMS % 8);
        self.machine(place, Machine::CashSold { item, price });
        self.tell(place, Input::Tick);
    }

    /// One customer: a code, a grant, one vend; the server has it all at the end.
    fn customer(&mut self, place: &Path, day: u32) {
        self.now += DAY / (CASH_SALES_A_DAY + 1);
        self.machine(place, Machine::Enabled);
        self.tell(place, Input::CodeSeen(Code::from_bytes([7; 10])));
        let bind = Bind::from_bytes([8; 32]);
        let mut bytes = [9; 16];
        bytes[..4].copy_from_slice(&day.to_be_bytes());
        let fresh = Fresh::from_bytes(bytes);
        self.tell(place, Input::LinkUp { bind, fresh });
        let greeting = self.greeting.take().expect("a HELLO");
        let terms = Terms {
            grant: VendId::from_bytes(bytes),
            nonce: greeting.nonce,
            bind,
            currency: Currency::EUR,
            exponent: 2,
            spend_max: 500,
            vends_max: 1,
            revalue_max: 0,
            balance: 500,
            ttl: Duration::from_secs(300),
            favourite: None,
        };
        let answers = vec![Answer::Grant(terms)];
        self.tell(place, Input::Answered { answers, fresh });
        self.machine(place, Machine::SessionBegan);
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.machine(
            place,
            Machine::Asked {
                ask,
                price: 120,
                item: Item::new(3),
            },
        );
        let Some(Output::Approve { rseq, .. }) = self.order.take() else {
            panic!("day {day}: no approval");
        };
        let after = Duration::from_secs(3);
        self.machine(place, Machine::Succeeded { rseq, after });
        self.machine(place, Machine::SessionCompleted);
        let outbox = self.board.outbox();
        let (epoch, upto) = (outbox.epoch(), outbox.newest());
        let chain = outbox.chain_at(upto).expect("the newest is kept");
        let answers = vec![Answer::Ack { epoch, upto, chain }];
        self.tell(place, Input::Answered { answers, fresh });
        self.tell(place, Input::Leave);
        assert_eq!(self.board.outbox().unacked(), 0, "day {day}");
    }
}

#[test]
fn a_year_of_sales_neither_grows_the_journal_nor_wears_the_flash_out() {
    let place = tempfile::tempdir().expect("a directory");
    let place = place.path();
    let mut year = Year::begin(place);
    let mut sold = 0;
    for day in 0..DAYS {
        for _ in 0..CASH_SALES_A_DAY {
            year.sell_for_cash(place, sold);
            sold += 1;
        }
        year.customer(place, day);
    }
    let written = year.records * BLOCK;
    println!(
        "{} records; the journal came to {} bytes at most",
        year.records, year.longest
    );
    assert!(year.longest <= JOURNAL_MAX, "{} bytes", year.longest);
    assert!(written <= WRITTEN_MAX, "{written} bytes to flash");

    // What is left is whole: a start reads it back, with every cash sale counted.
    drop(year);
    let (journal, repair) = Journal::open(place, &opening(2)).expect("usable");
    assert_eq!((repair.cut_len, repair.ended), (0, None));
    let past = journal.past().expect("nothing is open");
    assert_eq!(past.outbox.unacked(), 0);
    let counted: u32 = past.counters.rows.iter().map(|row| row.count).sum();
    assert!(sold - counted <= CASH_SALES_A_DAY, "{counted} of {sold}");
}
