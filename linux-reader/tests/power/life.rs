//! One board's life before a machine, a server and careless phones, on a disk that loses its power.
//!
//! The board's rules, its journal and the result page are the real ones. The machine and the server
//! here are what the outside knows for certain; whatever the board says has to agree with them.

use crate::disk::{Chance, Flash, Hits, Syncs};
use core::time::Duration;
use gettone_core::board::{
    Answer, Approval, Ask, Board, Code, Fresh, Greeting, Input, Life as Stand, LightTerms, Limits,
    Machine, Offer, Outcome, Output, Record, Sessions, Stamp, Start, Terms, Ticket, Written,
};
use gettone_core::counters::Counters;
use gettone_core::id::{Bind, Item, JournalEpoch, Nonce, Order, Rseq, VendId};
use gettone_core::money::Currency;
use gettone_core::receipt::ReceiptKind;
use gettone_core::time::Timestamp;
use gettone_reader::{Ending, Journal, Opening};
use gettone_relay::chain_of;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const CODE: Code = Code::from_bytes([5; 10]);
/// Small, so that a short life meets a full journal, what is let go of and what is rewritten.
const LIMITS: Limits = Limits {
    receipts_max: 36,
    receipts_reserve: 8,
    acked_kept_max: 12,
    notices_max: 8,
    ..Limits::PROTOCOL
};
const SLACK_LEN_MAX: u64 = 300;
/// Rounds in which an honest phone has everything heard.
const ROUNDS_MAX: usize = 400;
/// Steps of the disk until the power goes, at most.
const FUSE_MAX: u64 = 24;

/// What a life came to.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) cuts: u64,
    pub(crate) crashes: u64,
    pub(crate) delivered: u64,
    pub(crate) unknown: u64,
    pub(crate) light: u64,
    pub(crate) shed: u64,
    pub(crate) resends: u64,
    pub(crate) full: u64,
    pub(crate) hits: Hits,
}

/// A machine that keeps to MDB, and now and then does what machines do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vmc {
    Off,
    Enabled,
    Offered,
    Session,
    Asked(Ask),
    Approved(Rseq),
    AskedCash(Ask),
    ApprovedCash(Rseq),
    Completed,
}

/// What the machine's owner would swear to.
#[derive(Default, Debug)]
struct Truth {
    /// Products that fell, and their prices.
    delivered: BTreeMap<u64, u32>,
    /// Approvals that came to nothing.
    failed: BTreeSet<u64>,
    /// Cash that a machine took for good, or kept to itself.
    taken: BTreeMap<u64, u32>,
    kept: BTreeSet<u64>,
    /// Approvals that reached the machine, and their amounts.
    approved: BTreeMap<u64, u32>,
    cash_sold: u64,
}

/// The server's books, which no power cut reaches; a backup from yesterday does.
#[derive(Default, Debug)]
struct Books {
    whole: BTreeMap<u64, Written>,
    /// By codes on show: kind and amount.
    brief: BTreeMap<u64, (ReceiptKind, i64)>,
    recorded: u64,
    counters: Counters,
    /// The last HELLO that nobody has answered.
    hello: Option<(Nonce, Bind, u64)>,
    offer: Option<u64>,
}

pub(crate) struct Life {
    chance: Chance,
    flash: Flash,
    journal: Option<Journal>,
    board: Board,
    /// The result page as a crashed process leaves it, and as a power cut may.
    page: Option<Ending>,
    old_page: Option<Ending>,
    epoch: JournalEpoch,
    /// Records on their way to the journal's thread.
    way: VecDeque<(Ticket, Record)>,
    now: Duration,
    boot: u32,
    asks: u32,
    freshes: u64,
    vmc: Vmc,
    truth: Truth,
    books: Books,
    acks: Acks,
    tally: Tally,
}

/// What phones do with the server's ACKs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Acks {
    Brought,
    Withheld,
}

impl Life {
    /// Lives through `steps`, then has an honest phone bring everything; the first thing that is
    /// wrong is told in words.
    pub(crate) fn run(seed: u64, steps: usize, syncs: Syncs) -> Result<Tally, String> {
        let mut life = Self::begin(seed, syncs)?;
        for _ in 0..steps {
            life.step()?;
            if life.flash.is_off() || life.journal.is_none() {
                life.restart()?;
            }
        }
        life.flash.light_fuse(None);
        life.acks = Acks::Brought;
        life.crash_process()?;
        life.hear_out()?;
        life.judge()?;
        life.tally.hits = life.flash.hits();
        life.tally.delivered = u64::try_from(life.truth.delivered.len()).unwrap_or(u64::MAX);
        Ok(life.tally)
    }

    fn begin(seed: u64, syncs: Syncs) -> Result<Self, String> {
        let mut chance = Chance(seed);
        let flash = Flash::new(chance.below(u64::MAX), syncs);
        let (journal, board) = open(&flash, 1, None, &mut chance)
            .ok_or_else(|| "a new disk cannot be used".to_owned())?;
        let epoch = board.outbox().epoch();
        let acks = match chance.below(6) {
            0 => Acks::Withheld,
            _ => Acks::Brought,
        };
        let mut life = Self {
            acks,
            chance,
            flash,
            journal: Some(journal),
            board,
            page: None,
            old_page: None,
            epoch,
            way: VecDeque::new(),
            now: Duration::ZERO,
            boot: 1,
            asks: 0,
            freshes: 0,
            vmc: Vmc::Off,
            truth: Truth::default(),
            books: Books::default(),
            tally: Tally::default(),
        };
        life.light_fuse();
        Ok(life)
    }

    fn light_fuse(&mut self) {
        let steps = self.chance.below(FUSE_MAX);
        self.flash.light_fuse(Some(steps));
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += Duration::from_millis(self.chance.below(2_000));
        match self.chance.below(64) {
            0..=23 => self.go_on(),
            24..=43 => self.write(),
            44..=47 => self.acknowledge(),
            48..=50 => self.tell(Input::LinkTook),
            51 => self.tell(Input::LinkDown),
            52 => self.tell(Input::Leave),
            53 => {
                let fresh = self.fresh();
                self.tell(Input::Again { fresh })
            }
            54 => self.sell_for_cash(),
            55 => {
                self.now += Duration::from_secs(self.chance.below(150));
                self.tell(Input::Tick)
            }
            56 if self.chance.is_in(1, 3) => self.crash_process(),
            57 if self.chance.is_in(1, 4) => {
                self.lose_books();
                Ok(())
            }
            58 if self.chance.is_in(1, 4) => {
                // Somebody pulls the plug in the midst of nothing.
                self.flash.cut_power();
                self.restart()
            }
            59..=61 => self.show_light(),
            _ => self.tell(Input::Tick),
        }
    }

    /// Whatever is natural next.
    fn go_on(&mut self) -> Result<(), String> {
        let fresh = self.fresh();
        match self.board.life() {
            Stand::Idle if self.vmc == Vmc::Off || self.chance.is_in(1, 2) => self.machine(),
            Stand::Idle => self.tell(Input::CodeSeen(CODE)),
            Stand::Advertising => {
                let bind = Bind::from_bytes([u8::try_from(self.chance.below(9)).unwrap_or(0); 32]);
                self.tell(Input::LinkUp { bind, fresh })
            }
            Stand::Linked => self.answer(),
            Stand::Waiting if self.chance.is_in(1, 4) => self.tell(Input::CodeSeen(CODE)),
            Stand::Granted | Stand::Vending | Stand::Closing | Stand::Waiting => self.machine(),
        }
    }

    /// The journal's thread takes its next record.
    fn write(&mut self) -> Result<(), String> {
        let Some((ticket, record)) = self.way.pop_front() else {
            return Ok(());
        };
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        match journal.append(&record) {
            Ok(()) => self.tell(Input::Synced(ticket)),
            Err(_) if self.flash.is_off() => {
                self.journal = None;
                Ok(())
            }
            Err(fault) => Err(format!("{record:?} cannot be written: {fault}")),
        }
    }

    fn fresh(&mut self) -> Fresh {
        self.freshes += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.freshes.to_be_bytes());
        Fresh::from_bytes(bytes)
    }

    fn tell(&mut self, input: Input) -> Result<(), String> {
        let before = self.board.outbox().oldest();
        let unacked = self.board.outbox().unacked();
        self.board.handle(self.now, input);
        while let Some(output) = self.board.poll() {
            self.follow(output)?;
        }
        if self.board.outbox().oldest() > before && self.board.outbox().unacked() < unacked {
            self.tally.shed += 1;
        }
        Ok(())
    }

    fn follow(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Journal(ticket, record) => self.way.push_back((ticket, record)),
            Output::Greet(greeting) => {
                if greeting.journal == gettone_core::board::Room::Full {
                    self.tally.full += 1;
                }
                if !self.chance.is_in(1, 5) {
                    self.hear(&greeting)?;
                }
            }
            Output::SendReceipts(receipts) if !self.chance.is_in(1, 5) => self.record(&receipts)?,
            Output::Offer(offer) => self.scan(&offer)?,
            Output::Withdraw => self.books.offer = None,
            Output::Approve { ask, rseq, amount } if self.vmc == Vmc::Asked(ask) => {
                self.approve(rseq, amount)?;
                self.vmc = Vmc::Approved(rseq);
            }
            Output::ApproveRevalue { ask, rseq, amount } if self.vmc == Vmc::AskedCash(ask) => {
                self.approve(rseq, amount)?;
                self.vmc = Vmc::ApprovedCash(rseq);
            }
            Output::Deny { ask } if self.vmc == Vmc::Asked(ask) => self.vmc = Vmc::Session,
            Output::DenyRevalue { ask } if self.vmc == Vmc::AskedCash(ask) => {
                self.vmc = Vmc::Session;
            }
            Output::BeginSession { .. } if self.vmc == Vmc::Enabled => self.vmc = Vmc::Offered,
            Output::EndSession if self.vmc == Vmc::Completed => self.vmc = Vmc::Enabled,
            _ => {}
        }
        Ok(())
    }

    fn approve(&mut self, rseq: Rseq, amount: u32) -> Result<(), String> {
        match self.truth.approved.insert(rseq.number(), amount) {
            None => Ok(()),
            Some(_) => Err(format!("doubled: receipt {rseq} is approved twice")),
        }
    }

    /// A result that the reflex puts on the page before anybody hears of it.
    fn put_on_page(&mut self, rseq: Rseq, outcome: Outcome, after: Duration) {
        self.old_page = self.page;
        self.page = Some(Ending {
            epoch: self.epoch,
            rseq,
            outcome,
            after,
        });
    }

    /// The machine does its next step.
    fn machine(&mut self) -> Result<(), String> {
        let after = Duration::from_millis(self.chance.below(3_000));
        let luck = self.chance.below(40);
        let (next, done) = match self.vmc {
            Vmc::Approved(rseq) => {
                let ends = match luck {
                    0..=1 => Outcome::ByReset,
                    2..=28 => Outcome::Delivered,
                    29..=36 => Outcome::Failed,
                    _ => return Ok(()),
                };
                self.put_on_page(rseq, ends, after);
                let (next, done) = match ends {
                    Outcome::ByReset => (
                        Vmc::Off,
                        Machine::Reset(Approval::Delivered { rseq, after }),
                    ),
                    Outcome::Delivered => (Vmc::Session, Machine::Succeeded { rseq, after }),
                    Outcome::Failed => (Vmc::Session, Machine::Failed { rseq, after }),
                    Outcome::Partly { charged } => {
                        let partly = Machine::Partly {
                            rseq,
                            charged,
                            after,
                        };
                        (Vmc::Session, partly)
                    }
                };
                self.vend_ends(rseq, ends != Outcome::Failed);
                (next, done)
            }
            Vmc::ApprovedCash(rseq) => match luck {
                0..=25 => {
                    self.put_on_page(rseq, Outcome::Delivered, Duration::ZERO);
                    self.cash_ends(rseq, true);
                    (Vmc::Session, Machine::RevalueTaken { rseq })
                }
                26..=32 => {
                    self.put_on_page(rseq, Outcome::Failed, Duration::ZERO);
                    self.cash_ends(rseq, false);
                    (Vmc::Session, Machine::RevalueOver { rseq })
                }
                _ => return Ok(()),
            },
            _ if luck == 39 => (Vmc::Off, Machine::Reset(Approval::NotDelivered)),
            Vmc::Off => (Vmc::Enabled, Machine::Enabled),
            Vmc::Enabled => return self.tell(Input::Tick),
            Vmc::Offered => (Vmc::Session, Machine::SessionBegan),
            Vmc::Session => match luck {
                0..=5 => (Vmc::Completed, Machine::SessionCompleted),
                6..=9 => {
                    let (ask, amount) = (self.ask(), 50 * self.amount(4));
                    (Vmc::AskedCash(ask), Machine::RevalueAsked { ask, amount })
                }
                _ => {
                    let (ask, price) = (self.ask(), 60 * self.amount(3));
                    let item = Item::new(7);
                    (Vmc::Asked(ask), Machine::Asked { ask, price, item })
                }
            },
            Vmc::Asked(ask) | Vmc::AskedCash(ask) if luck < 2 => {
                (Vmc::Session, Machine::Cancelled { ask })
            }
            Vmc::Asked(_) | Vmc::AskedCash(_) | Vmc::Completed => return Ok(()),
        };
        self.vmc = next;
        if self.chance.is_in(1, 24) {
            // The process dies between the page and the board.
            return self.crash_process();
        }
        self.tell(Input::Machine(done))
    }

    fn ask(&mut self) -> Ask {
        self.asks += 1;
        Ask::new(self.asks)
    }

    fn amount(&mut self, most: u64) -> u32 {
        1 + u32::try_from(self.chance.below(most)).unwrap_or(0)
    }

    fn vend_ends(&mut self, rseq: Rseq, fell: bool) {
        let price = self.truth.approved.get(&rseq.number()).copied();
        if fell {
            let price = price.unwrap_or_default();
            self.truth.delivered.insert(rseq.number(), price);
        } else {
            self.truth.failed.insert(rseq.number());
        }
    }

    fn cash_ends(&mut self, rseq: Rseq, is_taken: bool) {
        let cash = self.truth.approved.get(&rseq.number()).copied();
        if is_taken {
            self.truth
                .taken
                .insert(rseq.number(), cash.unwrap_or_default());
        } else {
            self.truth.kept.insert(rseq.number());
        }
    }

    fn sell_for_cash(&mut self) -> Result<(), String> {
        self.truth.cash_sold += 70;
        let item = Item::new(2);
        self.tell(Input::Machine(Machine::CashSold { item, price: 70 }))
    }

    /// A process that dies, on a board that lives: what it wrote is still there.
    fn crash_process(&mut self) -> Result<(), String> {
        self.tally.crashes += 1;
        self.start_again()
    }

    /// The power is gone, and comes back.
    fn restart(&mut self) -> Result<(), String> {
        self.tally.cuts += 1;
        self.page = match self.chance.below(3) {
            0 => self.page,
            1 => self.old_page,
            _ => None,
        };
        self.flash.cut_power();
        self.light_fuse();
        self.start_again()
    }

    /// The machine is left with what it had; nobody hears how it goes on.
    fn start_again(&mut self) -> Result<(), String> {
        match self.vmc {
            Vmc::Approved(rseq) => {
                let fell = self.chance.is_in(1, 2);
                self.vend_ends(rseq, fell);
            }
            Vmc::ApprovedCash(rseq) => {
                let is_taken = self.chance.is_in(1, 2);
                self.cash_ends(rseq, is_taken);
            }
            _ => {}
        }
        self.vmc = Vmc::Off;
        self.way.clear();
        self.journal = None;
        self.now = Duration::ZERO;
        self.books.hello = None;
        self.books.offer = None;
        loop {
            self.boot += 1;
            if let Some((journal, board)) =
                open(&self.flash, self.boot, self.page, &mut self.chance)
            {
                self.journal = Some(journal);
                self.board = board;
                break;
            }
            if !self.flash.is_off() {
                return Err("a journal cannot be opened".to_owned());
            }
            self.tally.cuts += 1;
            self.flash.cut_power();
            self.light_fuse();
        }
        let epoch = self.board.outbox().epoch();
        if epoch != self.epoch {
            let knows = !self.books.whole.is_empty() || !self.truth.approved.is_empty();
            if knows || self.boot > 40 {
                return Err("lost: the journal began anew".to_owned());
            }
            self.epoch = epoch;
        }
        Ok(())
    }

    /// Somebody restores the server from yesterday: as far as the reader can make up for it.
    fn lose_books(&mut self) {
        let outbox = self.board.outbox();
        let kept = u64::try_from(LIMITS.acked_kept_max).unwrap_or(0);
        let oldest = outbox.oldest().number().saturating_sub(1);
        let floor = oldest.max(outbox.acked().number().saturating_sub(kept));
        if self.tally.light > 0 || self.books.recorded < floor {
            return;
        }
        let lost = self.chance.below(self.books.recorded - floor + 1);
        let upto = self.books.recorded - lost;
        self.books.recorded = upto;
        self.books.whole.retain(|rseq, _| *rseq <= upto);
        self.books.brief.retain(|rseq, _| *rseq <= upto);
        self.books.hello = None;
    }
}

/// The server.
impl Life {
    fn hear(&mut self, greeting: &Greeting) -> Result<(), String> {
        let oldest = greeting.oldest.number();
        self.record(&greeting.receipts)?;
        if oldest > greeting.acked.number() + 1 && oldest > self.books.recorded + 1 {
            let is_known = (self.books.recorded + 1..oldest).all(|rseq| {
                self.books.whole.contains_key(&rseq) || self.books.brief.contains_key(&rseq)
            });
            if !is_known {
                return Err(format!("lost: what came before receipt {oldest}"));
            }
            self.books.recorded = oldest - 1;
            self.advance();
        }
        if let Some(counters) = &greeting.counters {
            self.count(counters)?;
        }
        self.books.hello = Some((greeting.nonce, greeting.bind, greeting.acked.number()));
        Ok(())
    }

    fn count(&mut self, told: &Counters) -> Result<(), String> {
        let sold: u64 = told.rows.iter().map(|row| row.value).sum();
        let before: u64 = self.books.counters.rows.iter().map(|row| row.value).sum();
        if sold > self.truth.cash_sold {
            return Err(format!("invented: {sold} cents of cash sales"));
        }
        if told.seq > self.books.counters.seq {
            if sold < before {
                return Err("lost: counters went back".to_owned());
            }
            self.books.counters = told.clone();
        }
        Ok(())
    }

    fn record(&mut self, receipts: &[Written]) -> Result<(), String> {
        for written in receipts {
            let rseq = written.receipt.rseq.number();
            if let Some(before) = self.books.whole.insert(rseq, *written)
                && before != *written
            {
                return Err(format!("doubled: receipt {rseq} has two contents"));
            }
            let form = (written.receipt.kind, written.receipt.amount.minor());
            if self
                .books
                .brief
                .get(&rseq)
                .is_some_and(|brief| *brief != form)
            {
                return Err(format!(
                    "doubled: receipt {rseq} differs from its brief form"
                ));
            }
        }
        self.advance();
        Ok(())
    }

    fn advance(&mut self) {
        while self.books.whole.contains_key(&(self.books.recorded + 1)) {
            self.books.recorded += 1;
        }
    }

    /// The phone brings the answer to the last HELLO.
    fn answer(&mut self) -> Result<(), String> {
        let Some((nonce, bind, acked)) = self.books.hello.take() else {
            let fresh = self.fresh();
            return self.tell(Input::Again { fresh });
        };
        let mut answers = self.ack();
        answers.push(Answer::Time {
            utc: Timestamp::from_millis(1_700_000_000_000),
            nonce,
        });
        if acked > self.books.recorded {
            self.tally.resends += 1;
            answers.push(Answer::Resend {
                nonce,
                epoch: self.epoch,
                from: Rseq::new(self.books.recorded + 1),
            });
        } else {
            let mut name = *nonce.as_bytes();
            name[15] = 1;
            answers.push(Answer::Grant(Terms {
                grant: VendId::from_bytes(name),
                nonce,
                bind,
                currency: Currency::EUR,
                exponent: 2,
                spend_max: 100 * self.amount(5),
                vends_max: u8::try_from(self.amount(3)).unwrap_or(1),
                revalue_max: 150,
                balance: 300,
                ttl: Duration::from_secs(300),
                favourite: None,
            }));
        }
        let fresh = self.fresh();
        self.tell(Input::Answered { answers, fresh })
    }

    fn ack(&self) -> Vec<Answer> {
        if self.acks == Acks::Withheld {
            return Vec::new();
        }
        let newest = self.books.whole.get(&self.books.recorded);
        let ack = newest.map(|written| Answer::Ack {
            epoch: self.epoch,
            upto: written.receipt.rseq,
            chain: written.receipt.chain,
        });
        ack.into_iter().collect()
    }

    fn acknowledge(&mut self) -> Result<(), String> {
        let answers = self.ack();
        let fresh = self.fresh();
        self.tell(Input::Answered { answers, fresh })
    }

    /// Somebody brings the code on show to the server.
    fn scan(&mut self, offer: &Offer) -> Result<(), String> {
        for written in &offer.receipts {
            let rseq = written.receipt.rseq.number();
            let form = (written.receipt.kind, written.receipt.amount.minor());
            let whole = self.books.whole.get(&rseq);
            let whole = whole.map(|whole| (whole.receipt.kind, whole.receipt.amount.minor()));
            let known = self.books.brief.insert(rseq, form).or(whole);
            if known.is_some_and(|known| known != form) {
                return Err(format!("doubled: receipt {rseq} has two contents"));
            }
        }
        self.books.offer = Some(offer.step);
        Ok(())
    }

    /// Their screen flashes a light grant.
    fn show_light(&mut self) -> Result<(), String> {
        // What a server has lost is asked for again before anything may take its place.
        let is_whole = self.acks == Acks::Brought
            && self.books.recorded >= self.board.outbox().acked().number();
        let Some(step) = self.books.offer.take().filter(|_| is_whole) else {
            return self.tell(Input::Tick);
        };
        let mut name = [0xee; 16];
        name[..8].copy_from_slice(&step.to_be_bytes());
        name[8..12].copy_from_slice(&self.boot.to_be_bytes());
        self.tally.light += 1;
        let light = LightTerms {
            grant: VendId::from_bytes(name),
            spend_max: 100 * self.amount(4),
            vends_max: u8::try_from(self.amount(2)).unwrap_or(1),
        };
        let fresh = self.fresh();
        self.tell(Input::LightGranted { step, light, fresh })
    }

    /// An honest phone passes until nothing is left to tell.
    fn hear_out(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            while !self.way.is_empty() {
                self.write()?;
            }
            let newest = self.board.outbox().newest().number();
            let is_told = self.books.recorded >= newest;
            if is_told && !self.board.has_intent() && self.board.outbox().unacked() == 0 {
                return Ok(());
            }
            self.now += Duration::from_secs(1);
            match self.board.life() {
                Stand::Idle => self.tell(Input::CodeSeen(CODE))?,
                Stand::Advertising => {
                    let fresh = self.fresh();
                    let bind = Bind::from_bytes([1; 32]);
                    self.tell(Input::LinkUp { bind, fresh })?;
                }
                Stand::Linked => {
                    self.tell(Input::LinkTook)?;
                    if let Some((nonce, _, acked)) = self.books.hello
                        && acked > self.books.recorded
                    {
                        let fresh = self.fresh();
                        let epoch = self.epoch;
                        let from = Rseq::new(self.books.recorded + 1);
                        let answers = vec![Answer::Resend { nonce, epoch, from }];
                        self.books.hello = None;
                        self.tell(Input::Answered { answers, fresh })?;
                    } else {
                        self.acknowledge()?;
                        if self.chance.is_in(1, 6) {
                            self.tell(Input::Leave)?;
                        }
                    }
                }
                Stand::Granted | Stand::Vending | Stand::Waiting | Stand::Closing => {
                    let reset = Machine::Reset(Approval::NotDelivered);
                    self.tell(Input::Machine(reset))?;
                }
            }
        }
        let (newest, recorded) = (self.board.outbox().newest(), self.books.recorded);
        Err(format!(
            "lost: {newest} receipts, {recorded} of them are ever heard"
        ))
    }
}

/// The judge.
impl Life {
    /// The server's books against what the machine's owner would swear to.
    fn judge(&mut self) -> Result<(), String> {
        let newest = self.board.outbox().newest().number();
        let mut forms = BTreeMap::new();
        for rseq in 1..=newest {
            let whole = self.books.whole.get(&rseq);
            let whole = whole.map(|whole| (whole.receipt.kind, whole.receipt.amount.minor()));
            let form = whole.or_else(|| self.books.brief.get(&rseq).copied());
            forms.insert(rseq, form.ok_or(format!("lost: receipt {rseq}"))?);
        }
        if let Some(beyond) = self.books.whole.range(newest + 1..).next() {
            return Err(format!("invented: receipt {} of {newest}", beyond.0));
        }
        let (mut sold, mut doubtful) = (0_i64, 0_i64);
        for (rseq, (kind, amount)) in &forms {
            let fell = self.truth.delivered.get(rseq).copied().map(i64::from);
            let taken = self.truth.taken.get(rseq).copied().map(i64::from);
            let is_right = match kind {
                ReceiptKind::VendOk => fell == Some(*amount),
                ReceiptKind::VendFail => fell.is_none() && taken.is_none(),
                ReceiptKind::RevalueOk => taken == Some(*amount),
                ReceiptKind::RevalueFail => taken.is_none(),
                _ => true,
            };
            if !is_right {
                return Err(format!(
                    "invented: receipt {rseq} is {kind:?} of {amount}; in truth {fell:?}, {taken:?}"
                ));
            }
            match kind {
                ReceiptKind::VendOk => sold += amount,
                ReceiptKind::VendUnknown => {
                    self.tally.unknown += 1;
                    doubtful += fell.unwrap_or(0);
                }
                _ => {}
            }
        }
        let fell: i64 = self.truth.delivered.values().copied().map(i64::from).sum();
        if sold + doubtful != fell {
            return Err(format!(
                "lost: {fell} cents of products fell, {sold} and {doubtful} in doubt are told"
            ));
        }
        for (rseq, cash) in &self.truth.taken {
            match forms.get(rseq) {
                Some((ReceiptKind::RevalueOk | ReceiptKind::RevalueUnknown, amount))
                    if *amount == i64::from(*cash) => {}
                other => return Err(format!("lost: cash {rseq} of {cash} is {other:?}")),
            }
        }
        self.check_chain()
    }

    fn check_chain(&self) -> Result<(), String> {
        for (rseq, written) in &self.books.whole {
            if let Some(before) = self.books.whole.get(&(rseq - 1))
                && before.receipt.chain != written.receipt.prev
            {
                return Err(format!("invented: receipt {rseq} breaks the chain"));
            }
            if chain_of(written) != written.receipt.chain {
                return Err(format!("invented: receipt {rseq} has another's hash"));
            }
        }
        Ok(())
    }
}

/// A start: the journal is read, repaired and synced, or the power goes once more.
fn open(
    flash: &Flash,
    boot: u32,
    page: Option<Ending>,
    chance: &mut Chance,
) -> Option<(Journal, Board)> {
    let fresh_epoch = JournalEpoch::from_bytes(chance.below(u64::MAX).to_be_bytes());
    let opening = Opening {
        fresh_epoch,
        ending: page,
        stamp: Stamp {
            order: Order { boot, uptime_ms: 0 },
            utc: Timestamp::default(),
        },
        limits: LIMITS,
    };
    let (mut journal, _) = Journal::open_on(Box::new(flash.clone()), &opening).ok()?;
    journal.tidy_beyond(SLACK_LEN_MAX);
    let board = Board::new(Start {
        boot,
        past: journal.past()?,
        limits: LIMITS,
        sessions: Sessions::ManyVends,
        currency: Currency::EUR,
        chain_of,
    });
    Some((journal, board.with_tokens()))
}
