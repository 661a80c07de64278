//! A reader that sells by light alone, for longer than its journal has room: what its codes have
//! brought in goes first, and a link that comes at last is understood.

use super::street::{CODE, EPOCH, begun, chain_of, fresh};
use super::{
    Answer, Ask, Board, Input, LightTerms, Limits, Machine, Offer, Output, Replay, Sessions, Start,
    TokenNews,
};
use crate::entity::Entity;
use crate::grant::{Purpose, Terms};
use crate::id::{
    Bind, Chain, Item, MachineId, Nonce, OperatorId, Order, ReaderKey, Rseq, TokenKey, VendId,
    WalletId,
};
use crate::money::{Amount, Currency};
use crate::reader::{self, Due, Facts, Form, Hello, News, Reader, Scan};
use crate::time::Timestamp;
use core::time::Duration;

const SALES: u64 = 20_000;
const FIRST: Chain = Chain::from_bytes([1; 8]);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// A journal is written anew when so many more records lie around.
const SLACK: usize = 4_000;

struct Hall {
    board: Board,
    replay: Replay,
    lying: usize,
    lying_most: usize,
    /// What of it mattered when it was written anew.
    lived: usize,
    now: Duration,
    freshes: u64,
    reader: Reader,
    offer: Option<Offer>,
}

impl Hall {
    fn new() -> Self {
        let replay = begun(FIRST);
        let mut past = replay.clone().finish().expect("no INTENT is open");
        past.tokens.begun = TokenNews::None;
        let board = Board::new(Start {
            boot: 1,
            past,
            limits: Limits::PROTOCOL,
            sessions: Sessions::ManyVends,
            currency: Currency::EUR,
            chain_of,
        });
        let mut hall = Self {
            board: board.with_tokens(),
            replay,
            lying: 1,
            lying_most: 1,
            lived: 0,
            now: Duration::from_secs(1),
            freshes: 0,
            reader: Reader::default(),
            offer: None,
        };
        hall.ask(&reader::Command::Enrol {
            key: ReaderKey::from_bytes([3; 32]),
            machine: MachineId::new(1),
            operator: OperatorId::new(1),
            currency: Currency::EUR,
        });
        hall.ask(&reader::Command::KeepTokens {
            key: Some(TokenKey::from_bytes([7; 32])),
            step: 0,
        });
        hall.tell(Input::Machine(Machine::Enabled));
        hall
    }

    /// The server decides, and does all that is due.
    fn ask(&mut self, command: &reader::Command) {
        let decided = self.reader.decide(command, NOW).expect("an honest reader");
        if let Some(event) = decided {
            self.reader.evolve(&event);
        }
        while let Some(due) = self.reader.due() {
            let done = match due {
                Due::Apply { epoch, receipt, .. } => reader::Command::Apply {
                    epoch,
                    rseq: receipt.rseq,
                },
                Due::Fence { ask } | Due::Orphan { ask } => {
                    reader::Command::Fence { nonce: ask.nonce }
                }
                Due::Hold { ask } => reader::Command::Answer {
                    nonce: ask.nonce,
                    answer: reader::Answer::Granted {
                        held: Amount::from_minor(200),
                        vends_max: 1,
                        revalue_max: Amount::ZERO,
                        balance: Amount::from_minor(500),
                    },
                },
            };
            let event = self.reader.decide(&done, NOW).expect("it was due");
            self.reader.evolve(&event.expect("it was due"));
        }
        assert_eq!(self.reader.contradiction(), None);
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.board.handle(self.now, input);
        let mut said = Vec::new();
        let mut tickets = Vec::new();
        while let Some(output) = self.board.poll() {
            match output {
                Output::Journal(ticket, record) => {
                    self.replay.take(&record).expect("a board writes in order");
                    self.lying += 1;
                    tickets.push(ticket);
                }
                Output::Offer(offer) => self.offer = Some(offer),
                Output::Withdraw => self.offer = None,
                other => said.push(other),
            }
        }
        self.lying_most = self.lying_most.max(self.lying);
        if self.lying > self.lived + SLACK && self.replay.open().is_none() {
            self.replay.forget(&Limits::PROTOCOL);
            self.lived = self.replay.rewritten().expect("no INTENT is open").len();
            self.lying = self.lived;
        }
        for ticket in tickets {
            said.extend(self.tell(Input::Synced(ticket)));
        }
        said
    }

    fn fresh(&mut self) -> super::Fresh {
        self.freshes += 1;
        fresh(self.freshes)
    }

    /// Somebody scans the code, and flashes what the server answers.
    fn sell(&mut self, number: u64) {
        self.now += Duration::from_secs(31);
        self.tell(Input::Tick);
        let offer = self.offer.take().expect("a code is on show");
        let nonce = Nonce::from_bytes(*self.fresh().as_bytes());
        let vend = VendId::from_bytes(*nonce.as_bytes());
        let receipts = offer.receipts.iter().map(|written| {
            let low = u32::try_from(written.receipt.rseq.number()).expect("a small test");
            (low, Form::of(&written.receipt))
        });
        let scan = Scan {
            step: offer.step,
            nonce,
            order: Order {
                boot: 1,
                uptime_ms: u64::try_from(offer.uptime.as_millis()).expect("a small test"),
            },
            epoch: EPOCH,
            first: FIRST,
            rseq_newest: offer.newest.number(),
            receipts: receipts.collect(),
            ask: Some(reader::Ask {
                nonce,
                vend,
                wallet: WalletId::new(1),
                terms: terms(),
            }),
        };
        self.ask(&reader::Command::Scan(scan));
        let light = LightTerms {
            grant: vend,
            spend_max: 200,
            vends_max: 1,
        };
        let (step, fresh) = (offer.step, self.fresh());
        let said = self.tell(Input::LightGranted { step, light, fresh });
        let begins = said
            .iter()
            .any(|output| matches!(output, Output::BeginSession { .. }));
        assert!(begins, "sale {number} is refused: {said:?}");
        self.tell(Input::Machine(Machine::SessionBegan));
        let said = self.tell(Input::Machine(Machine::Asked {
            ask: Ask::new(u32::try_from(number).expect("a small test")),
            price: 120,
            item: Item::new(2),
        }));
        let approved = said.iter().find_map(|output| match output {
            Output::Approve { rseq, .. } => Some(*rseq),
            _ => None,
        });
        let rseq = approved.expect("the machine may vend");
        let after = Duration::from_secs(3);
        self.tell(Input::Machine(Machine::Succeeded { rseq, after }));
        self.tell(Input::Machine(Machine::SessionCompleted));
    }

    fn hear(&mut self, outputs: Vec<Output>) -> Option<Nonce> {
        let mut nonce = None;
        for output in outputs {
            let (hello, receipts) = match output {
                Output::Greet(greeting) => {
                    let oldest = greeting
                        .receipts
                        .iter()
                        .find(|written| written.receipt.rseq == greeting.oldest);
                    if let Some(oldest) = oldest
                        && greeting.oldest.number() > greeting.acked.number() + 1
                    {
                        self.ask(&reader::Command::Forget {
                            epoch: EPOCH,
                            oldest: greeting.oldest,
                            chain: oldest.receipt.prev,
                        });
                    }
                    nonce = Some(greeting.nonce);
                    let hello = Hello {
                        epoch: EPOCH,
                        order: Order {
                            boot: 1,
                            uptime_ms: u64::try_from(greeting.uptime.as_millis())
                                .expect("a small test"),
                        },
                        nonce: greeting.nonce,
                        rseq_newest: greeting.newest.number(),
                        acked: greeting.acked.number(),
                        facts: Facts::default(),
                    };
                    (Some(hello), greeting.receipts)
                }
                Output::SendReceipts(receipts) => (None, receipts),
                _ => continue,
            };
            self.ask(&reader::Command::Hear(News {
                epoch: EPOCH,
                first: FIRST,
                hello,
                ask: None,
                receipts: receipts.iter().map(|written| written.receipt).collect(),
                notices: Vec::new(),
                counters: None,
            }));
        }
        nonce
    }

    /// A phone links, as the first did before any sale, and carries all there is.
    fn drain(&mut self) {
        self.now += Duration::from_secs(1);
        self.tell(Input::CodeSeen(CODE));
        let (bind, fresh) = (Bind::from_bytes([8; 32]), self.fresh());
        let mut said = self.tell(Input::LinkUp { bind, fresh });
        for _ in 0..2_000 {
            self.hear(said);
            if let Some((upto, chain)) = self.reader.recorded(EPOCH) {
                let fresh = self.fresh();
                let ack = Answer::Ack {
                    epoch: EPOCH,
                    upto: Rseq::new(upto),
                    chain,
                };
                let answers = vec![ack];
                let told = self.tell(Input::Answered { answers, fresh });
                let foreign = told
                    .iter()
                    .any(|output| matches!(output, Output::Report(_)));
                assert!(!foreign, "{told:?}");
            }
            if self.board.outbox().unacked() == 0 {
                break;
            }
            said = self.tell(Input::LinkTook);
        }
        self.tell(Input::Leave);
    }
}

fn terms() -> Terms {
    Terms {
        operator: OperatorId::new(1),
        machine: MachineId::new(1),
        cap: Amount::from_minor(200),
        least: Amount::from_minor(100),
        vends_max: 1,
        fee_basis_points: 150,
        revalue_max: Amount::ZERO,
        purpose: Purpose::Sale,
    }
}

#[test]
fn a_reader_that_sells_by_light_alone_never_stops_and_a_late_link_is_understood() {
    let mut hall = Hall::new();
    hall.drain();
    for number in 1..=SALES {
        hall.sell(number);
    }
    let kept = hall.board.outbox().kept().count();
    let most = Limits::PROTOCOL.receipts_max;
    assert!(kept <= most, "{kept} receipts are kept");
    assert!(hall.lying_most < 2 * most + SLACK, "{}", hall.lying_most);
    assert!(
        hall.board.outbox().oldest().number() > SALES,
        "the oldest went"
    );
    // What was let go of is on the server's books all the same.
    assert!(hall.reader.known(EPOCH) >= 3 * SALES - 6);
    let newest = hall.board.outbox().newest().number();
    hall.drain();
    assert_eq!(hall.board.outbox().unacked(), 0);
    assert_eq!(hall.reader.applied(EPOCH), newest);
    assert_eq!(
        hall.reader.recorded(EPOCH).map(|(upto, _)| upto),
        Some(newest)
    );
}

#[test]
fn an_uncovered_receipt_is_never_let_go_of() {
    let mut hall = Hall::new();
    hall.drain();
    hall.sell(1);
    let before = hall.board.outbox().clone();
    let mut outbox = before.clone();
    outbox.shed(Rseq::new(0), 0);
    assert_eq!(outbox.oldest().number(), before.oldest().number().max(2));
    assert_eq!(outbox.unacked(), before.unacked());
    outbox.shed(Rseq::new(u64::MAX), 0);
    assert_eq!(outbox.kept().count(), 1, "the newest stays, for its chain");
    assert_eq!(hall.board.outbox().newest(), outbox.newest());
}
