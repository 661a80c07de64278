//! Random lives of a wallet, held step by step against a naive model and against the audit.

use gettone_core::audit::{Audit, Check};
use gettone_core::entity::Entity;
use gettone_core::grant::Terms;
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::wallet::{
    self, Command, Outcome, Proof, Reason, Refusal, StrayReason, Verdict, Wallet,
};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 300;
const STEPS: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Small and poor on purpose: plain numbers, no bounds, everything kept for ever.
#[derive(Default)]
struct Model {
    emoney: i64,
    closed: BTreeMap<u32, i64>,
    owed: BTreeMap<u32, i64>,
    holds: BTreeMap<VendId, Hold>,
    barred: BTreeSet<VendId>,
    moved: BTreeMap<TransferId, (Option<u32>, i64)>,
    excused_ms: Option<u64>,
}

struct Hold {
    terms: Terms,
    first: i64,
    closed: i64,
    emoney: i64,
    state: &'static str,
    doubts: BTreeMap<u64, (i64, i64)>,
    rseqs: BTreeSet<u64>,
    counted: u16,
    told: i64,
    captured: i64,
    vends: u8,
}

#[derive(PartialEq, Debug)]
enum Verdicts {
    Done,
    Again,
    Stray(StrayReason),
    No(Refusal),
}

impl Model {
    fn pending(&self, operator: Option<u32>) -> (i64, i64) {
        let mut sum = (0, 0);
        for hold in self.holds.values() {
            let ours = operator.is_none_or(|operator| operator == hold.terms.operator.number());
            let doubts = hold.doubts.values();
            let (closed, emoney) = doubts.fold((hold.closed, hold.emoney), |(c, e), (dc, de)| {
                (c + dc, e + de)
            });
            sum.0 += if ours { closed } else { 0 };
            sum.1 += emoney;
        }
        sum
    }

    fn free(&self, operator: u32) -> (i64, i64) {
        let (closed, emoney) = self.pending(Some(operator));
        let have = self.closed.get(&operator).copied().unwrap_or(0);
        (have - closed, self.emoney - emoney)
    }

    fn owed(&self) -> i64 {
        self.owed.values().sum()
    }

    fn apply(&mut self, command: &Command, now_ms: u64) -> Verdicts {
        match *command {
            Command::Open { .. } => Verdicts::Again,
            Command::TopUp { key, amount } => self.add_money(key, None, amount.minor()),
            Command::Give {
                key,
                operator,
                amount,
            } => self.add_money(key, Some(operator.number()), amount.minor()),
            Command::Reserve { vend, terms } => self.reserve(vend, terms),
            Command::Settle {
                vend,
                rseq,
                outcome,
            } => self.settle(vend, rseq.number(), outcome, now_ms),
            Command::Judge {
                vend,
                rseq,
                verdict,
            } => {
                let Some(hold) = self.holds.get_mut(&vend) else {
                    return Verdicts::No(Refusal::NoSuchGrant);
                };
                let Some((closed, emoney)) = hold.doubts.remove(&rseq.number()) else {
                    return Verdicts::No(Refusal::NoSuchDoubt);
                };
                match verdict {
                    Verdict::Charge => {
                        hold.captured += closed + emoney;
                        self.emoney -= emoney;
                        *self.closed.entry(hold.terms.operator.number()).or_default() -= closed;
                    }
                    Verdict::Forgive => self.excused_ms = Some(now_ms),
                }
                Verdicts::Done
            }
            Command::Release { vend, reason } => match self.holds.get_mut(&vend) {
                None if self.barred.insert(vend) => Verdicts::Done,
                None => Verdicts::Again,
                Some(hold) => {
                    let ends = hold.state == "issued"
                        || (hold.state == "released" && reason == Reason::Fenced);
                    if !ends {
                        return Verdicts::Again;
                    }
                    hold.state = match reason {
                        Reason::Closed => "closed",
                        Reason::Fenced => "fenced",
                        Reason::TimedOut => "released",
                    };
                    (hold.closed, hold.emoney) = (0, 0);
                    Verdicts::Done
                }
            },
        }
    }

    fn add_money(&mut self, key: TransferId, operator: Option<u32>, amount: i64) -> Verdicts {
        if let Some(known) = self.moved.get(&key) {
            return if *known == (operator, amount) {
                Verdicts::Again
            } else {
                Verdicts::No(Refusal::NameReused)
            };
        }
        self.moved.insert(key, (operator, amount));
        match operator {
            Some(operator) => *self.closed.entry(operator).or_default() += amount,
            None => {
                let mut left = amount;
                for debt in self.owed.values_mut() {
                    let part = left.min(*debt);
                    *debt -= part;
                    left -= part;
                }
                self.emoney += left;
            }
        }
        Verdicts::Done
    }

    fn reserve(&mut self, vend: VendId, terms: Terms) -> Verdicts {
        if let Some(hold) = self.holds.get(&vend) {
            return if hold.terms == terms {
                Verdicts::Again
            } else {
                Verdicts::No(Refusal::NameReused)
            };
        }
        if self.barred.contains(&vend) {
            return Verdicts::No(Refusal::Over);
        }
        if self.owed() > 0 {
            return Verdicts::No(Refusal::InDebt {
                owed: Amount::from_minor(self.owed()),
            });
        }
        let (closed, emoney) = self.free(terms.operator.number());
        let held = terms.cap.minor().min(closed + emoney);
        let least = terms.least.minor().max(1).min(terms.cap.minor());
        if held < least {
            let (closed_pending, emoney_pending) = self.pending(None);
            return Verdicts::No(Refusal::InsufficientFunds {
                available: Amount::from_minor(closed + emoney),
                short_by: Amount::from_minor(least - held),
                pending: Amount::from_minor(closed_pending + emoney_pending),
            });
        }
        let from_closed = held.min(closed);
        self.holds.insert(
            vend,
            Hold {
                terms,
                first: held,
                closed: from_closed,
                emoney: held - from_closed,
                state: "issued",
                doubts: BTreeMap::new(),
                rseqs: BTreeSet::new(),
                counted: 0,
                told: 0,
                captured: 0,
                vends: 0,
            },
        );
        Verdicts::Done
    }

    fn settle(&mut self, vend: VendId, rseq: u64, outcome: Outcome, now_ms: u64) -> Verdicts {
        let Some(operator) = self.holds.get(&vend).map(|hold| hold.terms.operator) else {
            return Verdicts::No(Refusal::NoSuchGrant);
        };
        let free = self.free(operator.number());
        let excused_ms = self.excused_ms;
        let Some(hold) = self.holds.get_mut(&vend) else {
            return Verdicts::No(Refusal::NoSuchGrant);
        };
        if !hold.rseqs.insert(rseq) {
            return Verdicts::Again;
        }
        match outcome {
            Outcome::Closed { count, total } => {
                if hold.state == "issued" && (count, total.minor()) == (hold.counted, hold.told) {
                    hold.state = "closed";
                    (hold.closed, hold.emoney) = (0, 0);
                }
                Verdicts::Done
            }
            Outcome::Failed => {
                hold.counted += 1;
                Verdicts::Done
            }
            Outcome::Unknown { amount, .. } => {
                hold.counted += 1;
                if matches!(hold.state, "closed" | "fenced") {
                    return Verdicts::Stray(StrayReason::AfterEnd);
                }
                let excusable = excused_ms.is_none_or(|last| now_ms - last >= 90 * DAY_MS);
                if hold.state == "released" || excusable {
                    self.excused_ms = Some(now_ms);
                } else {
                    let closed = hold.closed.min(amount.minor());
                    let emoney = hold.emoney.min(amount.minor() - closed);
                    hold.closed -= closed;
                    hold.emoney -= emoney;
                    hold.doubts.insert(rseq, (closed, emoney));
                }
                Verdicts::Done
            }
            Outcome::Vended { amount, .. } => {
                hold.counted += 1;
                let price = amount.minor();
                let left = match hold.state {
                    "closed" | "fenced" => return Verdicts::Stray(StrayReason::AfterEnd),
                    "issued" => hold.closed + hold.emoney,
                    _ => (hold.first - hold.captured).max(0),
                };
                if price > left || hold.vends >= hold.terms.vends_max {
                    return Verdicts::Stray(StrayReason::OverCap);
                }
                let from = if hold.state == "issued" {
                    (hold.closed, hold.emoney)
                } else {
                    free
                };
                let closed = from.0.min(price);
                let emoney = from.1.min(price - closed);
                if hold.state == "issued" {
                    hold.closed -= closed;
                    hold.emoney -= emoney;
                }
                hold.vends += 1;
                hold.told += price;
                hold.captured += price;
                self.emoney -= emoney;
                *self.closed.entry(operator.number()).or_default() -= closed;
                *self.owed.entry(operator.number()).or_default() += price - closed - emoney;
                Verdicts::Done
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough randomness for a test, from one printed number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn amount(&mut self, below: u64) -> Amount {
        Amount::from_minor(i64::try_from(1 + self.roll(below)).expect("small"))
    }

    fn vend(&mut self) -> VendId {
        VendId::from_bytes([u8::try_from(self.roll(12)).expect("small"); 16])
    }

    fn operator(&mut self) -> OperatorId {
        OperatorId::new(1 + u32::try_from(self.roll(2)).expect("small"))
    }

    fn command(&mut self) -> Command {
        match self.roll(20) {
            0 => Command::TopUp {
                key: TransferId::from_bytes([u8::try_from(self.roll(40)).expect("small"); 16]),
                amount: self.amount(300),
            },
            1 => Command::Give {
                key: TransferId::from_bytes([u8::try_from(self.roll(40)).expect("small"); 16]),
                operator: self.operator(),
                amount: self.amount(200),
            },
            2..=6 => Command::Reserve {
                vend: self.vend(),
                terms: Terms {
                    operator: self.operator(),
                    machine: MachineId::new(1),
                    cap: self.amount(400),
                    least: self.amount(60),
                    vends_max: 1 + u8::try_from(self.roll(3)).expect("small"),
                    fee_basis_points: 150,
                },
            },
            7..=13 => Command::Settle {
                vend: self.vend(),
                rseq: Rseq::new(1 + self.roll(30)),
                outcome: self.outcome(),
            },
            14 | 15 => Command::Judge {
                vend: self.vend(),
                rseq: Rseq::new(1 + self.roll(30)),
                verdict: if self.roll(2) == 0 {
                    Verdict::Charge
                } else {
                    Verdict::Forgive
                },
            },
            _ => Command::Release {
                vend: self.vend(),
                reason: match self.roll(3) {
                    0 => Reason::Closed,
                    1 => Reason::Fenced,
                    _ => Reason::TimedOut,
                },
            },
        }
    }

    fn outcome(&mut self) -> Outcome {
        let item = Item::new(7);
        match self.roll(6) {
            0..=2 => Outcome::Vended {
                item,
                amount: self.amount(250),
                proof: Proof::Told,
            },
            3 => Outcome::Failed,
            4 => Outcome::Unknown {
                item,
                amount: self.amount(250),
            },
            _ => Outcome::Closed {
                count: u16::try_from(self.roll(3)).expect("small"),
                total: Amount::from_minor(i64::try_from(self.roll(2) * 100).expect("small")),
            },
        }
    }
}

#[test]
fn a_transfer_that_comes_again_after_a_thousand_others_moves_nothing() {
    let now = Timestamp::from_millis(DAY_MS);
    let mut wallet = Wallet::default();
    let top_up = |number: u16| {
        let mut key = [0; 16];
        key[..2].copy_from_slice(&number.to_be_bytes());
        Command::TopUp {
            key: TransferId::from_bytes(key),
            amount: Amount::from_minor(1),
        }
    };
    let open = Command::Open {
        currency: Currency::EUR,
    };
    for command in core::iter::once(open).chain((0..1_000).map(top_up)) {
        let event = wallet.decide(&command, now).expect("allowed").expect("new");
        wallet.evolve(&event);
    }
    assert_eq!(wallet.decide(&top_up(0), now), Ok(None));
}

fn record(event: wallet::Event, now: Timestamp) -> Record {
    Record {
        at: now,
        event: Event::Wallet {
            wallet: WalletId::new(1),
            event,
        },
    }
}

/// Plays one life; gives the records it left.
fn play(seed: u64) -> Vec<Record> {
    let mut dice = Dice(seed);
    let mut wallet = Wallet::default();
    let mut model = Model::default();
    let mut records = Vec::new();
    let mut now_ms = 1_000 * DAY_MS;
    let open = Command::Open {
        currency: Currency::EUR,
    };
    let opened = wallet
        .decide(&open, Timestamp::from_millis(now_ms))
        .expect("a new wallet opens")
        .expect("for the first time");
    wallet.evolve(&opened);
    records.push(record(opened, Timestamp::from_millis(now_ms)));
    for step in 0..STEPS {
        now_ms += dice.roll(3 * DAY_MS);
        let now = Timestamp::from_millis(now_ms);
        let command = dice.command();
        let expected = model.apply(&command, now_ms);
        let decided = wallet.decide(&command, now);
        let found = match &decided {
            Ok(None) => Verdicts::Again,
            Ok(Some(wallet::Event::Stray { reason, .. })) => Verdicts::Stray(*reason),
            Ok(Some(_)) => Verdicts::Done,
            Err(refusal) => Verdicts::No(*refusal),
        };
        assert_eq!(found, expected, "seed {seed} step {step}: {command:?}");
        if let Ok(Some(event)) = decided {
            wallet.evolve(&event);
            records.push(record(event, now));
            assert_eq!(
                wallet.decide(&command, now).ok().flatten(),
                None,
                "seed {seed} step {step}: a retry of {command:?} does something again"
            );
        }
        let balance = wallet.balance().expect("it is open");
        let (closed, emoney) = model.pending(None);
        let seen = (
            balance.emoney.minor(),
            balance.pending.minor(),
            balance.owed.minor(),
        );
        assert_eq!(
            seen,
            (model.emoney, closed + emoney, model.owed()),
            "seed {seed} step {step}: {command:?}"
        );
        for operator in [1, 2] {
            let free = wallet.available(OperatorId::new(operator));
            assert_eq!(
                (free.closed.minor(), free.emoney.minor()),
                model.free(operator),
                "seed {seed} step {step}: free at operator {operator}"
            );
        }
    }
    records
}

fn audit(records: &[Record]) -> Vec<Check> {
    let mut audit = Audit::default();
    for record in records {
        audit.take(record);
    }
    let report = audit.finish();
    report
        .checks
        .into_iter()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(check, _)| check)
        .collect()
}

#[test]
fn a_wallet_does_what_the_naive_model_does_and_its_books_balance() {
    let mut kinds = BTreeMap::<String, u32>::new();
    for seed in 0..SEEDS {
        let records = play(seed);
        assert_eq!(audit(&records), [], "seed {seed}");
        for record in &records {
            if let Event::Wallet { event, .. } = &record.event {
                let name = format!("{event:?}");
                let name = name.split_whitespace().next().unwrap_or_default();
                *kinds.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    // Runs that never reach a rule prove nothing of it.
    for kind in [
        "Reserved", "Barred", "Captured", "Failed", "Excused", "Doubted", "Stray", "Closing",
        "Released",
    ] {
        assert!(
            kinds.get(kind).is_some_and(|count| *count > 50),
            "{kind} came up too rarely: {kinds:?}"
        );
    }
}

/// The audit must be able to find fault: each way of cooking the books is found by its own check.
#[test]
fn cooked_books_are_found_out() {
    let sound: Vec<Record> = (0..SEEDS)
        .map(play)
        .find(|records| {
            records.iter().any(|record| {
                matches!(
                    &record.event,
                    Event::Wallet { event: wallet::Event::Captured { parts, .. }, .. }
                        if parts.emoney.minor() > 20
                )
            })
        })
        .expect("some run captures e-money");
    let is_capture = |record: &Record| matches!(&record.event, Event::Wallet { event: wallet::Event::Captured { parts, .. }, .. } if parts.emoney.minor() > 20);
    let at = sound.iter().position(is_capture).expect("it has one");

    let mut doubled = sound.clone();
    doubled.insert(at, sound[at].clone());
    assert!(audit(&doubled).contains(&Check::ReceiptsOnce));

    let mut greedy = sound.clone();
    for _ in 0..8 {
        let mut again = sound[at].clone();
        if let Event::Wallet {
            event: wallet::Event::Captured { rseq, .. },
            ..
        } = &mut again.event
        {
            *rseq = Rseq::new(1_000 + u64::try_from(greedy.len()).expect("small"));
        }
        greedy.insert(at, again);
    }
    let found = audit(&greedy);
    assert!(found.contains(&Check::CapturedWithinHeld), "{found:?}");

    let mut lost = sound.clone();
    let reserved = lost
        .iter()
        .position(|record| {
            matches!(
                record.event,
                Event::Wallet {
                    event: wallet::Event::Reserved { .. },
                    ..
                }
            )
        })
        .expect("something was held");
    lost.remove(reserved);
    let found = audit(&lost);
    assert!(!found.is_empty(), "a lost record goes unnoticed");
}
