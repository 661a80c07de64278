//! Random lives against a small naive observer, and what it sees when a guard is off.

use super::state::Unguarded;
use super::street::{CODE, EPOCH, Flash, brief, fresh, tell};
use super::{Answer, Approval, Ask, Board, Input, Life, Machine, Output, Record, Terms, Ticket};
use crate::id::{Bind, Item, Nonce, Rseq, VendId};
use crate::lock::{Lock, LockState};
use crate::money::Currency;
use crate::notice::Code;
use crate::receipt::ReceiptKind;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

const STEPS: usize = 400;
const SEEDS: u64 = 300;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
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
    /// It waits for END SESSION.
    Completed,
}

/// What the observer knows of one grant.
#[derive(Default)]
struct Held {
    spend_max: u32,
    vends_max: u8,
    revalue_max: u32,
    cash: u32,
    receipts: u16,
    total: u32,
    vends: u8,
    closed: bool,
}

struct Walk {
    dice: Dice,
    board: Board,
    flash: Flash,
    now: Duration,
    boot: u32,
    asks: u32,
    freshes: u64,
    vmc: Vmc,
    hello: Option<(Nonce, Bind)>,
    /// Deliveries in the machine's own truth.
    delivered: BTreeSet<Rseq>,
    /// Cash-ins in the machine's own truth: taken for good, or kept by the machine.
    taken: BTreeSet<Rseq>,
    kept: BTreeSet<Rseq>,
    grants: BTreeMap<VendId, Held>,
    /// How often the machine had to wait for a CLOSE before its session could end.
    waits: usize,
    unguarded: Unguarded,
}

impl Walk {
    fn new(seed: u64, unguarded: Unguarded) -> Self {
        let mut flash = Flash::default();
        let board = flash.start(0, 1, unguarded);
        Self {
            dice: Dice(seed),
            board,
            flash,
            now: Duration::ZERO,
            boot: 1,
            asks: 0,
            freshes: 0,
            vmc: Vmc::Off,
            hello: None,
            delivered: BTreeSet::new(),
            taken: BTreeSet::new(),
            kept: BTreeSet::new(),
            grants: BTreeMap::new(),
            waits: 0,
            unguarded,
        }
    }

    fn run(mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.step()?;
        }
        self.crash();
        self.check_journal()
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += Duration::from_millis(self.dice.roll(3_000));
        self.freshes += 1;
        let fresh = fresh(self.freshes);
        let input = match self.dice.roll(100) {
            0..=9 => Input::CodeSeen(CODE),
            24 => Input::Called {
                bind: Bind::from_bytes([u8::try_from(self.dice.roll(3)).unwrap_or(0); 32]),
                fresh,
            },
            10..=23 => Input::LinkUp {
                bind: Bind::from_bytes([u8::try_from(self.dice.roll(3)).unwrap_or(0); 32]),
                fresh,
            },
            25 => Input::LinkRefused,
            26 => Input::LinkDown,
            27 => Input::Leave,
            28..=29 => Input::Again { fresh },
            30..=31 => Input::LinkTook,
            32..=44 => match self.grant() {
                Some(answer) => Input::Answered {
                    answers: vec![answer],
                    fresh,
                },
                None => Input::Tick,
            },
            45..=47 => match self.ack() {
                Some(answer) => Input::Answered {
                    answers: vec![answer],
                    fresh,
                },
                None => Input::Tick,
            },
            48 => Input::Tick,
            49 => match self.dice.roll(3) {
                0 => Input::Fault {
                    code: Code::SENSOR,
                    data: [0; 8],
                },
                1 => Input::Machine(Machine::CashSold {
                    item: Item::new(2),
                    price: 70,
                }),
                _ => Input::Answered {
                    answers: vec![Answer::Lock(Lock {
                        version: u32::try_from(self.dice.roll(40)).unwrap_or(0),
                        state: match self.dice.roll(3) {
                            0 => LockState::Locked,
                            _ => LockState::Open,
                        },
                    })],
                    fresh,
                },
            },
            50 if self.dice.roll(4) == 0 => {
                self.now += Duration::from_secs(self.dice.roll(200));
                Input::Tick
            }
            51 if self.dice.roll(4) == 0 => {
                self.crash();
                return self.check_journal();
            }
            52..=74 => match self.flash.sync() {
                Some(ticket) => Input::Synced(ticket),
                None => Input::Tick,
            },
            _ => match self.machine() {
                Some(machine) => Input::Machine(machine),
                None => Input::Tick,
            },
        };
        self.tell(input)
    }

    fn tell(&mut self, input: Input) -> Result<(), String> {
        let said = format!("{input:?}");
        let outputs = tell(&mut self.board, &mut self.flash, self.now, input);
        for output in &outputs {
            self.observe(output)
                .map_err(|fault| format!("after {said}: {} {fault}", brief(output)))?;
        }
        if self.vmc == Vmc::Completed {
            self.waits += usize::from(self.close_is_open());
            if self.unsynced().next().is_none() && !self.board.has_intent() {
                return Err(format!("after {said}: nothing lets the session end"));
            }
        }
        Ok(())
    }

    fn observe(&mut self, output: &Output) -> Result<(), String> {
        let close_is_open = self.close_is_open();
        match output {
            Output::Approve { ask, rseq, amount } => {
                let open = self.synced_intent(*rseq);
                let Some((grant, price)) = open else {
                    return Err("before its INTENT is on flash".to_owned());
                };
                let held = self.grants.get(&grant).ok_or("without a grant")?;
                if held.closed || price != *amount {
                    return Err("after the CLOSE, or for another price".to_owned());
                }
                if self.is_return(*rseq) {
                    if held.cash + amount > held.revalue_max {
                        return Err("beyond what may be taken back".to_owned());
                    }
                } else if held.total + amount > held.spend_max || held.vends >= held.vends_max {
                    return Err("beyond the grant".to_owned());
                }
                if self.vmc == Vmc::Asked(*ask) {
                    self.vmc = Vmc::Approved(*rseq);
                }
            }
            Output::ApproveRevalue { ask, rseq, amount } => {
                let Some((grant, cash)) = self.synced_intent(*rseq) else {
                    return Err("before its INTENT_RV is on flash".to_owned());
                };
                let held = self.grants.get(&grant).ok_or("without a grant")?;
                if held.closed || cash != *amount || held.cash + amount > held.revalue_max {
                    return Err("beyond what may be put in".to_owned());
                }
                if self.vmc == Vmc::AskedCash(*ask) {
                    self.vmc = Vmc::ApprovedCash(*rseq);
                }
            }
            Output::DenyRevalue { ask } if self.vmc == Vmc::AskedCash(*ask) => {
                self.vmc = Vmc::Session;
            }
            Output::Deny { ask } if self.vmc == Vmc::Asked(*ask) => self.vmc = Vmc::Session,
            Output::BeginSession { .. } if self.vmc == Vmc::Enabled => self.vmc = Vmc::Offered,
            Output::CancelSession | Output::EndSession if close_is_open => {
                return Err("before its CLOSE is on flash".to_owned());
            }
            Output::EndSession if self.board.has_intent() => {
                return Err("while an INTENT is open".to_owned());
            }
            Output::EndSession if self.vmc == Vmc::Completed => self.vmc = Vmc::Enabled,
            Output::Greet(greeting) => {
                if self.board.has_intent() || close_is_open {
                    return Err("while a grant is open".to_owned());
                }
                self.hello = Some((greeting.nonce, greeting.bind));
            }
            Output::Journal(_, Record::Receipt(written)) => {
                let receipt = &written.receipt;
                let amount = u32::try_from(receipt.amount.minor()).map_err(|e| e.to_string())?;
                let held = self.grants.entry(receipt.grant).or_default();
                match receipt.kind {
                    ReceiptKind::Close => {
                        held.closed = true;
                        if (receipt.item.number(), amount) != (held.receipts, held.total) {
                            return Err("with other figures".to_owned());
                        }
                    }
                    ReceiptKind::VendOk => {
                        held.receipts += 1;
                        held.vends += 1;
                        held.total += amount;
                    }
                    ReceiptKind::RevalueOk | ReceiptKind::NegativeVend => {
                        held.receipts += 1;
                        held.cash += amount;
                    }
                    _ => held.receipts += 1,
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every INTENT has one receipt, every delivery is in a VEND_OK or an UNKNOWN, no place is used
    /// twice and none is left out.
    fn check_journal(&self) -> Result<(), String> {
        let mut places = BTreeMap::new();
        let mut intents = BTreeSet::new();
        for record in &self.flash.records {
            match record {
                Record::Intent { rseq, .. } => {
                    intents.insert(*rseq);
                }
                Record::Receipt(written) => {
                    let receipt = written.receipt;
                    if places.insert(receipt.rseq, receipt.kind).is_some() {
                        return Err(format!("{} has two receipts", receipt.rseq));
                    }
                }
                Record::RevalueIntent { rseq, .. } | Record::ReturnIntent { rseq, .. } => {
                    intents.insert(*rseq);
                }
                _ => {}
            }
        }
        for (count, place) in (1..).zip(places.keys()) {
            if *place != Rseq::new(count) {
                return Err(format!("{place} stands where {count} should"));
            }
        }
        for intent in intents {
            if !places.contains_key(&intent) {
                return Err(format!("INTENT {intent} has no receipt"));
            }
        }
        for delivered in &self.delivered {
            match (self.is_return(*delivered), places.get(delivered)) {
                (false, Some(ReceiptKind::VendOk | ReceiptKind::VendUnknown)) => {}
                (true, Some(ReceiptKind::NegativeVend | ReceiptKind::RevalueUnknown)) => {}
                (_, other) => return Err(format!("{delivered} was delivered, but is {other:?}")),
            }
        }
        for taken in &self.taken {
            match places.get(taken) {
                Some(ReceiptKind::RevalueOk | ReceiptKind::RevalueUnknown) => {}
                other => return Err(format!("cash {taken} was taken, but is {other:?}")),
            }
        }
        for kept in &self.kept {
            match places.get(kept) {
                Some(ReceiptKind::RevalueFail | ReceiptKind::RevalueUnknown) => {}
                other => return Err(format!("cash {kept} was kept, but is {other:?}")),
            }
        }
        Ok(())
    }

    /// A power cut: the machine goes off too, and any unsynced end may be lost.
    fn crash(&mut self) {
        let unsynced = self.flash.records.len() - self.flash.synced;
        let sides = u64::try_from(unsynced).unwrap_or(0) + 1;
        let extra = usize::try_from(self.dice.roll(sides)).unwrap_or(0);
        let kept = self.flash.synced + extra;
        self.boot += 1;
        self.now = Duration::ZERO;
        self.vmc = Vmc::Off;
        self.hello = None;
        self.board = self.flash.start(kept, self.boot, self.unguarded);
    }

    fn unsynced(&self) -> impl Iterator<Item = &Record> {
        self.flash.records.iter().skip(self.flash.synced)
    }

    fn close_is_open(&self) -> bool {
        self.unsynced().any(|record| match record {
            Record::Receipt(written) => written.receipt.kind == ReceiptKind::Close,
            _ => false,
        })
    }

    fn is_return(&self, wanted: Rseq) -> bool {
        self.flash.records.iter().any(|record| match record {
            Record::ReturnIntent { rseq, .. } => *rseq == wanted,
            _ => false,
        })
    }

    fn synced_intent(&self, wanted: Rseq) -> Option<(VendId, u32)> {
        let synced = self.flash.records.iter().take(self.flash.synced);
        synced.into_iter().rev().find_map(|record| match record {
            Record::Intent {
                rseq, grant, price, ..
            }
            | Record::RevalueIntent {
                rseq,
                grant,
                amount: price,
            }
            | Record::ReturnIntent {
                rseq,
                grant,
                value: price,
                ..
            } if *rseq == wanted => Some((*grant, *price)),
            _ => None,
        })
    }

    fn grant(&mut self) -> Option<Answer> {
        let (nonce, bind) = self.hello?;
        let mut name = [0; 16];
        name.copy_from_slice(nonce.as_bytes());
        name[15] = 1;
        let terms = Terms {
            grant: VendId::from_bytes(name),
            nonce,
            bind,
            currency: Currency::EUR,
            exponent: 2,
            spend_max: u32::try_from(self.dice.roll(6) * 100).unwrap_or(0),
            vends_max: u8::try_from(self.dice.roll(4)).unwrap_or(0),
            revalue_max: u32::try_from(self.dice.roll(3) * 150).unwrap_or(0),
            balance: 300,
            ttl: Duration::from_secs(self.dice.roll(400)),
            favourite: None,
        };
        self.grants.entry(terms.grant).or_insert(Held {
            spend_max: terms.spend_max,
            vends_max: terms.vends_max,
            revalue_max: terms.revalue_max,
            ..Held::default()
        });
        let held = self.grants.get(&terms.grant)?;
        Some(Answer::Grant(Terms {
            spend_max: held.spend_max,
            vends_max: held.vends_max,
            revalue_max: held.revalue_max,
            ..terms
        }))
    }

    fn ack(&mut self) -> Option<Answer> {
        let newest = self.board.outbox().newest().number();
        let upto = Rseq::new(self.dice.roll(newest + 1));
        let chain = self.board.outbox().chain_at(upto)?;
        Some(Answer::Ack {
            epoch: EPOCH,
            upto,
            chain,
        })
    }

    fn machine(&mut self) -> Option<Machine> {
        let after = Duration::from_millis(self.dice.roll(4_000));
        let luck = self.dice.roll(40);
        let (next, done) = match (self.vmc, luck) {
            (Vmc::Approved(rseq), 0..=1) => {
                // What was not said to be taken back stays with the customer.
                match self.is_return(rseq) {
                    true => self.kept.insert(rseq),
                    false => self.delivered.insert(rseq),
                };
                let approval = Approval::Delivered { rseq, after };
                (Vmc::Off, Machine::Reset(approval))
            }
            (Vmc::Approved(rseq), 2..=20) => {
                self.delivered.insert(rseq);
                (Vmc::Session, Machine::Succeeded { rseq, after })
            }
            (Vmc::Approved(rseq), 31) if !self.is_return(rseq) => {
                self.delivered.insert(rseq);
                let charged = 1 + u32::try_from(self.dice.roll(400)).unwrap_or(0);
                let partly = Machine::Partly {
                    rseq,
                    charged,
                    after,
                };
                (Vmc::Session, partly)
            }
            (Vmc::Approved(rseq), 21..=30) => (Vmc::Session, Machine::Failed { rseq, after }),
            (Vmc::Approved(_), _) => return None,
            (state, 0) => {
                if let Vmc::ApprovedCash(rseq) = state {
                    self.kept.insert(rseq);
                }
                (Vmc::Off, Machine::Reset(Approval::NotDelivered))
            }
            (Vmc::Off, _) => (Vmc::Enabled, Machine::Enabled),
            (Vmc::Enabled, 1) => (Vmc::Off, Machine::Disabled),
            (Vmc::Enabled, _) => return None,
            (Vmc::Offered, _) => (Vmc::Session, Machine::SessionBegan),
            (Vmc::Session, 1..=10) => (Vmc::Completed, Machine::SessionCompleted),
            (Vmc::Completed, _) => return None,
            (Vmc::Session, 11..=16) => {
                self.asks += 1;
                let ask = Ask::new(self.asks);
                let amount = u32::try_from(self.dice.roll(4) * 50).unwrap_or(0);
                (Vmc::AskedCash(ask), Machine::RevalueAsked { ask, amount })
            }
            (Vmc::Session, 17..=20) => {
                self.asks += 1;
                let ask = Ask::new(self.asks);
                let asked = Machine::ReturnAsked {
                    ask,
                    value: u32::try_from(self.dice.roll(4) * 25).unwrap_or(0),
                    item: Item::new(9),
                };
                (Vmc::Asked(ask), asked)
            }
            (Vmc::AskedCash(ask), 1..=3) => (Vmc::Session, Machine::Cancelled { ask }),
            (Vmc::AskedCash(_), _) => return None,
            (Vmc::ApprovedCash(rseq), 1..=25) => {
                self.taken.insert(rseq);
                (Vmc::Session, Machine::RevalueTaken { rseq })
            }
            (Vmc::ApprovedCash(rseq), 26..=30) => {
                self.kept.insert(rseq);
                (Vmc::Session, Machine::RevalueOver { rseq })
            }
            (Vmc::ApprovedCash(rseq), 31) => {
                self.kept.insert(rseq);
                (Vmc::Completed, Machine::SessionCompleted)
            }
            (Vmc::ApprovedCash(_), _) => return None,
            (Vmc::Session, _) => {
                self.asks += 1;
                let ask = Ask::new(self.asks);
                let asked = Machine::Asked {
                    ask,
                    price: u32::try_from(self.dice.roll(5) * 60).unwrap_or(0),
                    item: Item::new(1),
                };
                (Vmc::Asked(ask), asked)
            }
            (Vmc::Asked(ask), 1..=5) => (Vmc::Session, Machine::Cancelled { ask }),
            (Vmc::Asked(_), _) => return None,
        };
        self.vmc = next;
        Some(done)
    }
}

fn walk(unguarded: Unguarded) -> Result<(), String> {
    for seed in 0..SEEDS {
        Walk::new(seed, unguarded)
            .run()
            .map_err(|fault| format!("seed {seed}: {fault}"))?;
    }
    Ok(())
}

#[test]
fn no_random_life_breaks_a_grant_or_loses_a_receipt() {
    assert_eq!(walk(Unguarded::Nothing), Ok(()));
}

#[test]
fn the_walk_sees_an_approval_before_its_intent_is_on_flash() {
    assert!(walk(Unguarded::ApprovesBeforeSync).is_err());
}

#[test]
fn the_walk_sees_cash_approved_before_its_intent_is_on_flash() {
    let fault = (0..SEEDS)
        .filter_map(|seed| Walk::new(seed, Unguarded::ApprovesBeforeSync).run().err())
        .find(|fault| fault.contains("INTENT_RV"));
    assert!(fault.is_some(), "no seed put cash in too early");
}

#[test]
fn the_walk_puts_cash_in_counts_sales_and_takes_orders() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut walk = Walk::new(seed, Unguarded::Nothing);
        for _ in 0..STEPS {
            walk.step().expect("seen above");
        }
        for record in &walk.flash.records {
            seen.insert(match record {
                Record::Receipt(written) => format!("{:?}", written.receipt.kind),
                other => brief(&Output::Journal(Ticket(0), *other))
                    .split_whitespace()
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned(),
            });
        }
    }
    for kind in [
        "RevalueOk",
        "RevalueFail",
        "RevalueUnknown",
        "INTENT_RV",
        "INTENT_RT",
        "NegativeVend",
        "Locked",
        "Open",
        "notice",
        "cash",
    ] {
        assert!(seen.contains(kind), "{kind} never came up: {seen:?}");
    }
}

#[test]
fn the_walk_sees_a_vend_beyond_the_cap() {
    assert!(walk(Unguarded::IgnoresTheCap).is_err());
}

#[test]
fn the_walk_sees_a_session_that_ends_before_its_close_is_on_flash() {
    assert!(walk(Unguarded::ClosesBeforeSync).is_err());
}

#[test]
fn the_walk_sees_an_end_session_before_its_close_is_on_flash() {
    let fault = walk(Unguarded::EndsBeforeSync).expect_err("the guard is off");
    assert!(fault.contains("end session before its CLOSE"), "{fault}");
}

#[test]
fn end_session_never_leaves_while_a_close_is_unsynced_however_long_the_machine_waits() {
    let mut waits = 0;
    for seed in 0..SEEDS {
        let mut walk = Walk::new(seed, Unguarded::Nothing);
        for _ in 0..STEPS {
            walk.step()
                .unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        }
        waits += walk.waits;
    }
    assert!(waits > 100, "only {waits} waits in all");
}

#[test]
fn the_walk_visits_every_state() {
    let mut seen = Vec::new();
    for seed in 0..SEEDS {
        let mut walk = Walk::new(seed, Unguarded::Nothing);
        for _ in 0..STEPS {
            walk.step().expect("seen above");
            let life = walk.board.life();
            if !seen.contains(&life) {
                seen.push(life);
            }
        }
    }
    assert_eq!(seen.len(), Life::ALL.len(), "only {seen:?}");
}
