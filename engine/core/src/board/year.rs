//! A year of a quiet machine: cash all day, and one phone in the evening. Flash must not fill up.

use super::street::{CODE, EPOCH, begun, chain_of, fresh};
use super::{Answer, Ask, Board, Input, Limits, Machine, Output, Replay, Sessions, Start, Terms};
use crate::id::{Bind, Chain, Item, Nonce, VendId};
use crate::money::Currency;
use crate::notice::Code;
use crate::time::Timestamp;
use core::time::Duration;

const DAYS: u64 = 365;
const SALES_A_DAY: u64 = 200;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A journal is written anew when so many records lie around.
const SLACK: usize = 4_000;
const BIND: Bind = Bind::from_bytes([8; 32]);

struct Year {
    board: Board,
    replay: Replay,
    /// Records in the journal as it lies on flash.
    lying: usize,
    lying_most: usize,
    written: usize,
    nonce: Nonce,
    told: u64,
}

impl Year {
    fn new() -> Self {
        let replay = begun(Chain::from_bytes([1; 8]));
        let board = Board::new(Start {
            boot: 1,
            past: replay.clone().finish().expect("no INTENT is open"),
            limits: Limits::PROTOCOL,
            sessions: Sessions::OneVend,
            currency: Currency::EUR,
            chain_of,
        });
        Self {
            board,
            replay,
            lying: 1,
            lying_most: 1,
            written: 1,
            nonce: Nonce::from_bytes([0; 16]),
            told: 0,
        }
    }

    /// Tells the board one thing; whatever it writes is synced at once.
    fn tell(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut all = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.board.handle(now, input);
            while let Some(output) = self.board.poll() {
                match &output {
                    Output::Journal(ticket, record) => {
                        self.replay.take(record).expect("a board writes in order");
                        self.lying += 1;
                        self.written += 1;
                        self.lying_most = self.lying_most.max(self.lying);
                        inputs.insert(0, Input::Synced(*ticket));
                    }
                    Output::Greet(greeting) => {
                        self.nonce = greeting.nonce;
                        if let Some(counters) = &greeting.counters {
                            self.told = counters.rows.iter().map(|row| row.value).sum();
                        }
                    }
                    _ => {}
                }
                all.push(output);
            }
        }
        self.rewrite();
        all
    }

    /// What a shell does now and then: the journal is written anew, and reads the same.
    fn rewrite(&mut self) {
        if self.lying < SLACK || self.replay.open().is_some() {
            return;
        }
        self.replay.forget(&Limits::PROTOCOL);
        let records = self.replay.rewritten().expect("no INTENT is open");
        let mut again = Replay::new(EPOCH, Chain::from_bytes([1; 8]));
        for record in &records {
            again.take(record).expect("it follows");
        }
        assert_eq!(again.clone().finish(), self.replay.clone().finish());
        self.replay = again;
        self.lying = records.len();
    }

    /// One phone buys one thing and carries everything away.
    fn phone(&mut self, now: Duration, day: u64) {
        let answered = |answers| Input::Answered {
            answers,
            fresh: fresh(3 * day + 2),
        };
        self.tell(now, Input::CodeSeen(CODE));
        let link = Input::LinkUp {
            bind: BIND,
            fresh: fresh(3 * day + 1),
        };
        self.tell(now, link);
        let terms = Terms {
            grant: VendId::from_bytes(*self.nonce.as_bytes()),
            nonce: self.nonce,
            bind: BIND,
            currency: Currency::EUR,
            exponent: 2,
            spend_max: 500,
            vends_max: 1,
            revalue_max: 0,
            balance: 500,
            ttl: Duration::from_secs(300),
            favourite: None,
        };
        let time = Answer::Time {
            utc: Timestamp::from_millis(1_800_000_000_000),
            nonce: self.nonce,
        };
        self.tell(now, answered(vec![time, Answer::Grant(terms)]));
        self.tell(now, Input::Machine(Machine::SessionBegan));
        let asked = Machine::Asked {
            ask: Ask::new(u32::try_from(day).expect("few")),
            price: 120,
            item: Item::new(7),
        };
        let outputs = self.tell(now, Input::Machine(asked));
        let approved = outputs.iter().find_map(|output| match output {
            Output::Approve { rseq, .. } => Some(*rseq),
            _ => None,
        });
        let rseq = approved.expect("approved");
        let after = Duration::from_secs(3);
        self.tell(now, Input::Machine(Machine::Succeeded { rseq, after }));
        self.tell(now, Input::Machine(Machine::SessionCompleted));
        let newest = self.board.outbox().newest();
        let chain = self.board.outbox().chain_at(newest).expect("kept");
        let acks = vec![
            Answer::Ack {
                epoch: EPOCH,
                upto: newest,
                chain,
            },
            Answer::NoticesAcked {
                epoch: EPOCH,
                upto: self.board.notices().newest(),
            },
        ];
        self.tell(now, answered(acks));
        self.tell(now, Input::Leave);
    }
}

#[test]
fn a_year_of_cash_sales_and_one_phone_a_day_does_not_fill_the_flash() {
    let mut year = Year::new();
    year.tell(Duration::ZERO, Input::Machine(Machine::Enabled));
    let mut a_month = 0;
    for day in 0..DAYS {
        let morning = DAY * u32::try_from(day).expect("few");
        for sale in 0..SALES_A_DAY {
            let now = morning + Duration::from_secs(400 * sale);
            let item = Item::new(u16::try_from(sale % 40).expect("few"));
            let sold = Machine::CashSold { item, price: 150 };
            year.tell(now, Input::Machine(sold));
            if sale % 50 == 0 {
                let code = Code::SENSOR;
                year.tell(now, Input::Fault { code, data: [0; 8] });
            }
        }
        year.phone(morning + Duration::from_secs(82_000), day);
        if day == 30 {
            a_month = year.lying_most;
        }
    }
    assert!(
        year.lying_most <= a_month.max(SLACK),
        "{} lie",
        year.lying_most
    );
    let kept = year.replay.rewritten().expect("no INTENT is open").len();
    assert!(kept < 1_200, "{kept} records still matter");
    let a_day = year.written / usize::try_from(DAYS).expect("few");
    assert!(a_day < 500, "{a_day} records a day");
    // The control: nothing was left out to keep it small.
    let sold = DAYS * SALES_A_DAY * 150;
    let counted: u64 = year.board.counters().rows.iter().map(|row| row.value).sum();
    assert_eq!(counted, sold);
    assert!(
        sold - year.told < 2 * 150,
        "the last phone left {} behind",
        sold - year.told
    );
}

#[test]
fn notices_that_nobody_fetches_give_way_to_one_that_counts_them() {
    let mut year = Year::new();
    for hour in 0..2_000_u32 {
        let now = Duration::from_secs(3_600) * hour;
        let code = Code::from_wire(u8::try_from(1 + hour % 4).expect("few"));
        year.tell(now, Input::Fault { code, data: [0; 8] });
    }
    let notices = year.board.notices();
    assert!(notices.len() <= Limits::PROTOCOL.notices_max);
    assert_eq!(notices.newest(), 2_000);
    let mut expected = 1;
    for notice in notices.kept() {
        assert_eq!(notice.first(), expected, "without a gap");
        expected = notice.aseq + 1;
    }
    let oldest = notices.kept().next().expect("kept");
    assert_eq!(oldest.code, Code::LOST);
    let past = year.replay.finish().expect("no INTENT is open");
    assert_eq!(&past.notices, notices, "a start reads the same");
}
