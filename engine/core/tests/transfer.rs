//! Money between wallets and operators: chains of steps that are cut off, repeated and driven by two
//! at once, held against the audit after every life.

use gettone_core::audit::{Audit, Check};
use gettone_core::entity::Entity;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone_core::ledger::Account;
use gettone_core::money::{AMOUNT_MAX, Amount, Currency};
use gettone_core::operator::{self, Operator, Payables, What};
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::transfer::{Answer, Next, Party, RESUME, Step, Transfer};
use gettone_core::wallet::{self, Outcome, Proof, Reason, Refusal, Wallet};
use std::collections::BTreeMap;

const SEEDS: u64 = 300;
const STEPS: usize = 400;

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

    fn wallet(&mut self) -> WalletId {
        WalletId::new(1 + self.roll(5))
    }

    /// The platform is one of them.
    fn operator(&mut self) -> OperatorId {
        OperatorId::new(u32::try_from(self.roll(3)).expect("small"))
    }
}

/// How a chain is driven.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    Careful,
    /// Takes the money back whenever the receiver said no, without having it turned away.
    Hasty,
}

/// Wallets, operators and one journal; what is under way in memory only is forgotten now and then.
struct World {
    wallets: BTreeMap<WalletId, Wallet>,
    operators: BTreeMap<OperatorId, Operator>,
    payables: Payables,
    records: Vec<Record>,
    driven: Vec<(Transfer, Step)>,
    names: u64,
    sales: u64,
    now: Timestamp,
    driver: Driver,
    delivered: u32,
    returned: u32,
}

impl World {
    fn new(driver: Driver) -> Self {
        let mut world = Self {
            wallets: BTreeMap::new(),
            operators: BTreeMap::new(),
            payables: Payables::default(),
            records: Vec::new(),
            driven: Vec::new(),
            names: 0,
            sales: 0,
            now: Timestamp::from_millis(1_790_000_000_000),
            driver,
            delivered: 0,
            returned: 0,
        };
        for number in 1..=5 {
            // The last one is in another currency, and the fourth is nearly full.
            let id = WalletId::new(number);
            let currency = match number {
                5 => Currency::CHF,
                _ => Currency::EUR,
            };
            let amount = match number {
                4 => AMOUNT_MAX - 100,
                _ => 1_000,
            };
            let key = world.key();
            let amount = Amount::from_minor(amount);
            for command in [
                wallet::Command::Open { currency },
                wallet::Command::TopUp { key, amount },
            ] {
                world.ask(id, &command).expect("allowed");
            }
        }
        world
    }

    fn key(&mut self) -> TransferId {
        self.names += 1;
        let mut key = [7; 16];
        key[..8].copy_from_slice(&self.names.to_be_bytes());
        TransferId::from_bytes(key)
    }

    fn write(&mut self, event: Event) {
        let record = Record {
            at: self.now,
            event,
        };
        self.records.push(record);
    }

    fn ask(&mut self, id: WalletId, command: &wallet::Command) -> Result<(), Refusal> {
        let wallet = self.wallets.entry(id).or_default();
        let decided = wallet.decide(command, self.now)?;
        if let Some(event) = decided {
            wallet.evolve(&event);
            let again = wallet.decide(command, self.now);
            assert_eq!(
                again.ok().flatten(),
                None,
                "{command:?} does something again"
            );
            self.write(Event::Wallet { wallet: id, event });
        }
        Ok(())
    }

    fn ask_operator(
        &mut self,
        id: OperatorId,
        command: &operator::Command,
    ) -> Result<(), operator::Refusal> {
        let operator = self.operators.entry(id).or_default();
        if let Some(event) = operator.decide(command, self.now)? {
            operator.evolve(&event);
            let again = operator.decide(command, self.now);
            assert_eq!(
                again.ok().flatten(),
                None,
                "{command:?} does something again"
            );
            let event = Box::new(event);
            self.write(Event::Operator {
                operator: id,
                event,
            });
        }
        Ok(())
    }

    /// Folds the journal to its head, and has an operator take it in.
    fn fold(&mut self, id: OperatorId) -> Seq {
        for (number, record) in (1..).zip(&self.records) {
            self.payables.take(Seq::new(number), record);
        }
        let fold = self.payables.fold_of(id);
        self.ask_operator(id, &fold).expect("a true fold");
        self.payables.upto()
    }

    fn sell(&mut self, dice: &mut Dice) {
        self.sales += 1;
        let id = dice.wallet();
        let vend = VendId::from_bytes(u128::from(self.sales).to_be_bytes());
        let terms = Terms {
            operator: OperatorId::new(1 + u32::try_from(dice.roll(2)).expect("small")),
            machine: MachineId::new(1),
            cap: dice.amount(300),
            least: Amount::from_minor(1),
            vends_max: 1,
            fee_basis_points: 1_500,
            revalue_max: Amount::ZERO,
            purpose: Purpose::Sale,
        };
        if self
            .ask(id, &wallet::Command::Reserve { vend, terms })
            .is_err()
        {
            return;
        }
        let settle = wallet::Command::Settle {
            vend,
            rseq: Rseq::new(1),
            outcome: Outcome::Vended {
                item: Item::new(1),
                amount: terms.cap,
                proof: Proof::Told,
            },
        };
        self.ask(id, &settle).expect("a receipt is a fact");
        let reason = Reason::Fenced;
        let release = wallet::Command::Release { vend, reason };
        self.ask(id, &release).expect("it ends");
        if dice.roll(4) == 0 {
            let refund = wallet::Command::Refund {
                key: self.key(),
                vend,
                rseq: Rseq::new(1),
                amount: dice.amount(50),
            };
            let _ = self.ask(id, &refund);
        }
    }

    fn begin(&mut self, dice: &mut Dice) {
        let from = match dice.roll(4) {
            0 => Party::Operator(dice.operator()),
            _ => Party::Wallet(dice.wallet()),
        };
        let to = dice.wallet();
        let currency = match dice.roll(6) {
            0 => Currency::CHF,
            _ => Currency::EUR,
        };
        let key = self.key();
        let amount = dice.amount(200);
        let transfer = Transfer {
            key,
            from,
            to,
            currency,
            amount,
        };
        self.driven.push((transfer, Step::Send));
    }

    /// Does one step of one chain; its answer may get lost, and then somebody begins that step anew.
    fn drive(&mut self, dice: &mut Dice) {
        if self.driven.is_empty() {
            return;
        }
        let at = usize::try_from(dice.roll(self.driven.len() as u64)).expect("small");
        let (transfer, step) = self.driven.swap_remove(at);
        let answer = self.step(&transfer, step);
        if dice.roll(5) == 0 {
            self.driven.push((transfer, step));
            return;
        }
        let next = match (self.driver, step, answer) {
            (Driver::Hasty, Step::Receive, Answer::Refused) => Next::Ask(Step::Return),
            _ => step.then(answer),
        };
        match next {
            Next::Ask(next) => {
                if dice.roll(10) == 0 {
                    // Two at once.
                    self.driven.push((transfer, next));
                }
                self.driven.push((transfer, next));
            }
            Next::Delivered => self.delivered += 1,
            Next::Returned => self.returned += 1,
            Next::Refused => {}
            Next::Wait if self.driver == Driver::Hasty => {}
            Next::Wait => panic!("{transfer:?} waits at {step:?} for {answer:?}"),
        }
    }

    fn step(&mut self, transfer: &Transfer, step: Step) -> Answer {
        if let Some(command) = transfer.to_receiver(step) {
            return Answer::of(self.ask(transfer.to, &command));
        }
        match transfer.from {
            Party::Wallet(id) => {
                let command = transfer.to_sender(step).expect("a step has one end");
                Answer::of(self.ask(id, &command))
            }
            Party::Operator(id) => {
                let head = self.fold(id);
                let Transfer {
                    key,
                    to,
                    currency,
                    amount,
                    ..
                } = *transfer;
                let command = match step {
                    Step::Send => operator::Command::Promote {
                        key,
                        to,
                        currency,
                        amount,
                        head,
                    },
                    Step::Confirm => operator::Command::Confirm { key },
                    Step::Return => operator::Command::Return { key },
                    Step::Receive | Step::TurnAway => unreachable!("the receiver's"),
                };
                match self.ask_operator(id, &command) {
                    Ok(()) => Answer::Done,
                    Err(_) => Answer::Refused,
                }
            }
        }
    }

    fn operate(&mut self, dice: &mut Dice) {
        let id = match dice.roll(3) {
            0 => OperatorId::PLATFORM,
            _ => dice.operator(),
        };
        let head = self.fold(id);
        let (key, amount) = (self.key(), dice.amount(150));
        let currency = match dice.roll(5) {
            0 => Currency::CHF,
            _ => Currency::EUR,
        };
        let operator = self.operators.entry(id).or_default();
        let payouts = operator.underway().iter();
        let payout = payouts
            .filter(|underway| underway.what == What::Payout)
            .map(|underway| underway.key)
            .next();
        let command = match dice.roll(8) {
            7 => operator::Command::Cover {
                key,
                currency: Currency::EUR,
                amount: dice.amount(10),
                head,
            },
            0 => operator::Command::Deposit {
                key,
                currency,
                amount,
            },
            1 => operator::Command::Charge {
                key,
                currency,
                amount,
                head,
            },
            2 => operator::Command::Cover {
                key,
                currency,
                amount,
                head,
            },
            3 => operator::Command::SettlePayout {
                key: payout.unwrap_or(key),
            },
            4 => operator::Command::FailPayout {
                key: payout.unwrap_or(key),
            },
            _ => operator::Command::PayOut {
                key,
                currency,
                amount,
                head,
            },
        };
        let _ = self.ask_operator(id, &command);
    }

    fn charge_back(&mut self, dice: &mut Dice) {
        let (id, top_up, key) = (dice.wallet(), self.key(), self.key());
        let amount = dice.amount(400);
        let _ = self.ask(
            id,
            &wallet::Command::TopUpByCard {
                key: top_up,
                amount,
            },
        );
        if dice.roll(2) == 0 {
            self.sell(dice);
            let _ = self.ask(id, &wallet::Command::SettleCard { key: top_up });
        }
        let command = wallet::Command::ChargeBack {
            key,
            top_up,
            amount,
        };
        let _ = self.ask(id, &command);
    }

    /// One wallet is as full as can be again, until it buys something: then it takes what it has just
    /// turned down.
    fn fill(&mut self) {
        let (id, key) = (WalletId::new(4), self.key());
        let emoney = self.wallets.get(&id).and_then(Wallet::balance);
        let emoney = emoney.map_or(Amount::ZERO, |balance| balance.emoney);
        let amount = Amount::from_minor(AMOUNT_MAX) - emoney;
        let _ = self.ask(id, &wallet::Command::TopUp { key, amount });
    }

    /// Everybody forgets what they were doing; what has left is listed, and driven anew.
    fn restart(&mut self) {
        self.driven.clear();
        for (id, wallet) in &self.wallets {
            for outgoing in wallet.outgoing() {
                let transfer = Transfer {
                    key: outgoing.key,
                    from: Party::Wallet(*id),
                    to: outgoing.to,
                    currency: wallet.currency().expect("it is open"),
                    amount: outgoing.amount,
                };
                self.driven.push((transfer, RESUME));
            }
        }
        for (id, operator) in &self.operators {
            for underway in operator.underway() {
                let What::Promotion(to) = underway.what else {
                    continue;
                };
                let transfer = Transfer {
                    key: underway.key,
                    from: Party::Operator(*id),
                    to,
                    currency: underway.currency,
                    amount: underway.amount,
                };
                self.driven.push((transfer, RESUME));
            }
        }
    }
}

fn play(seed: u64, driver: Driver) -> World {
    let mut dice = Dice(seed);
    let mut world = World::new(driver);
    for _ in 0..STEPS {
        match dice.roll(16) {
            0 => world.sell(&mut dice),
            1 => world.operate(&mut dice),
            2 => world.charge_back(&mut dice),
            3..=5 => world.begin(&mut dice),
            6 if dice.roll(8) == 0 => world.restart(),
            7 => world.fill(),
            _ => world.drive(&mut dice),
        }
    }
    world
}

fn audit(records: &[Record]) -> Vec<(Check, Vec<String>)> {
    let mut audit = Audit::default();
    for record in records {
        audit.take(record);
    }
    let report = audit.finish();
    report
        .checks
        .into_iter()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(check, (_, words))| (check, words))
        .collect()
}

fn found(records: &[Record]) -> Vec<Check> {
    audit(records).into_iter().map(|(check, _)| check).collect()
}

/// How much all customers, operators and the platform have at the issuer, by its own account.
fn safeguarded(world: &World) -> Amount {
    let mut audit = Audit::default();
    for record in &world.records {
        audit.take(record);
    }
    let book = audit.finish().book;
    -book.balance(Currency::EUR, Account::Safeguarding)
}

#[test]
fn however_its_chains_are_cut_off_and_repeated_money_arrives_once_or_comes_back() {
    let (mut delivered, mut returned, mut kinds) = (0, 0, BTreeMap::<String, u32>::new());
    for seed in 0..SEEDS {
        let mut world = play(seed, Driver::Careful);
        assert_eq!(audit(&world.records), [], "seed {seed}");
        // In the end nothing is on its way any more.
        let mut dice = Dice(seed);
        world.restart();
        while !world.driven.is_empty() {
            world.drive(&mut dice);
        }
        assert_eq!(audit(&world.records), [], "seed {seed}: at the end");
        for wallet in world.wallets.values() {
            assert_eq!(wallet.outgoing(), [], "seed {seed}");
        }
        assert!(safeguarded(&world).is_positive(), "seed {seed}");
        delivered += world.delivered;
        returned += world.returned;
        for record in &world.records {
            let words = match &record.event {
                Event::Operator { event, .. } => format!("{event:?}"),
                Event::Wallet { event, .. } => format!("{event:?}"),
                Event::Machine { .. } | Event::Session { .. } | Event::Reader { .. } => continue,
            };
            let name = words.split_whitespace().next().unwrap_or_default();
            *kinds.entry(name.to_owned()).or_default() += 1;
        }
    }
    // Runs that never reach a rule prove nothing of it.
    assert!(
        delivered > 1_000 && returned > 200,
        "{delivered} {returned}"
    );
    for kind in [
        "Folded",
        "PaidOut",
        "PayoutSettled",
        "PayoutFailed",
        "Promoted",
        "Charged",
        "Deposited",
        "Covered",
        "TurnedAway",
    ] {
        assert!(
            kinds.get(kind).is_some_and(|count| *count > 20),
            "{kind} came up too rarely: {kinds:?}"
        );
    }
}

/// The control: whoever gives money back before the receiver has turned it away doubles some.
#[test]
fn a_hasty_driver_is_found_out() {
    let caught = (0..SEEDS).find(|seed| {
        let world = play(*seed, Driver::Hasty);
        found(&world.records).contains(&Check::TransfersArriveOnce)
    });
    assert!(caught.is_some());
}

type Cook = fn(&mut Vec<Record>) -> bool;

/// The audit must be able to find fault: each way of cooking the books is found by its own check.
#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each cook looks for one event"
)]
fn cooked_books_are_found_out() {
    fn position(records: &[Record], is_it: fn(&Event) -> bool) -> Option<usize> {
        records.iter().rposition(|record| is_it(&record.event))
    }
    fn double(records: &mut Vec<Record>, is_it: fn(&Event) -> bool) -> bool {
        let Some(at) = position(records, is_it) else {
            return false;
        };
        let again = records[at].clone();
        records.insert(at, again);
        true
    }
    fn operators(event: &Event, is_it: fn(&operator::Event) -> bool) -> bool {
        matches!(event, Event::Operator { event, .. } if is_it(event))
    }
    let cooks: [(&str, Cook, Check); 9] = [
        (
            "it arrives twice",
            |records| {
                double(records, |event| {
                    matches!(
                        event,
                        Event::Wallet {
                            event: wallet::Event::Received { .. },
                            ..
                        }
                    )
                })
            },
            Check::TransfersArriveOnce,
        ),
        (
            "it never left",
            |records| {
                let received = records.iter().rev().find_map(|record| match &record.event {
                    Event::Wallet {
                        event:
                            wallet::Event::Received {
                                key,
                                from: Party::Wallet(_),
                                ..
                            },
                        ..
                    } => Some(*key),
                    _ => None,
                });
                let at = records.iter().position(|record| {
                    matches!(&record.event, Event::Wallet { event: wallet::Event::Sent { key, .. }, .. }
                        if Some(*key) == received)
                });
                at.map(|at| records.remove(at)).is_some()
            },
            Check::TransfersArriveOnce,
        ),
        (
            "it arrives elsewhere",
            |records| {
                for record in records.iter_mut().rev() {
                    if let Event::Wallet {
                        wallet,
                        event: wallet::Event::Received { .. },
                    } = &mut record.event
                    {
                        let other = if wallet.number() == 1 { 2 } else { 1 };
                        *wallet = WalletId::new(other);
                        return true;
                    }
                }
                false
            },
            Check::TransfersArriveOnce,
        ),
        (
            "a payment is charged back twice",
            |records| {
                double(records, |event| {
                    matches!(
                        event,
                        Event::Wallet {
                            event: wallet::Event::ChargedBack { .. },
                            ..
                        }
                    )
                })
            },
            Check::CardsWithinPayments,
        ),
        (
            "a fold is greater than what was earned",
            |records| {
                for record in records.iter_mut().rev() {
                    if let Event::Operator { event, .. } = &mut record.event
                        && let operator::Event::Folded { moved, .. } = event.as_mut()
                        && let Some(total) = moved.first_mut()
                    {
                        total.earned = total.earned + Amount::from_minor(1);
                        return true;
                    }
                }
                false
            },
            Check::FoldsAreTrue,
        ),
        (
            "a payout settles twice",
            |records| {
                double(records, |event| {
                    operators(event, |event| {
                        matches!(event, operator::Event::PayoutSettled { .. })
                    })
                })
            },
            Check::PayoutsCovered,
        ),
        (
            "more is paid out than was earned",
            |records| {
                for record in records.iter_mut().rev() {
                    if let Event::Operator { event, .. } = &mut record.event
                        && let operator::Event::PaidOut { amount, .. } = event.as_mut()
                    {
                        *amount = *amount + Amount::from_minor(1_000_000);
                        return true;
                    }
                }
                false
            },
            Check::PayoutsCovered,
        ),
        (
            "platform funds are overdrawn",
            |records| {
                for record in records.iter_mut() {
                    if let Event::Operator { operator, event } = &mut record.event
                        && *operator == OperatorId::PLATFORM
                        && let operator::Event::PaidOut { amount, .. } = event.as_mut()
                    {
                        *amount = *amount + Amount::from_minor(1_000_000);
                        return true;
                    }
                }
                false
            },
            Check::PayoutsCovered,
        ),
        (
            "a debt goes that nobody had",
            |records| {
                for record in records.iter_mut() {
                    if let Event::Wallet { event, .. } = &mut record.event
                        && let wallet::Event::ToppedUpByCard { key, .. } = event
                    {
                        *event = wallet::Event::WrittenOff {
                            key: *key,
                            operator: OperatorId::new(1),
                            amount: Amount::from_minor(5),
                        };
                        return true;
                    }
                }
                false
            },
            Check::BalancesAreFolds,
        ),
    ];
    for (name, cook, check) in cooks {
        let cooked = (0..SEEDS).find_map(|seed| {
            let mut records = play(seed, Driver::Careful).records;
            cook(&mut records).then_some(records)
        });
        let checks = found(&cooked.expect("there is something to cook"));
        assert!(checks.contains(&check), "{name}: {checks:?}");
    }
}

#[test]
fn nothing_is_paid_out_on_a_fold_that_lags_behind() {
    let mut operator = Operator::default();
    let (key, currency, now) = (
        TransferId::from_bytes([1; 16]),
        Currency::EUR,
        Timestamp::default(),
    );
    let deposit = operator::Command::Deposit {
        key,
        currency,
        amount: Amount::from_minor(500),
    };
    let event = operator.decide(&deposit, now).expect("allowed");
    operator.evolve(&event.expect("new"));
    let pay_out = |head| operator::Command::PayOut {
        key: TransferId::from_bytes([2; 16]),
        currency,
        amount: Amount::from_minor(501),
        head,
    };
    assert_eq!(
        operator.decide(&pay_out(Seq::new(9)), now),
        Err(operator::Refusal::Behind {
            folded: Seq::new(0),
            head: Seq::new(9)
        })
    );
    assert_eq!(
        operator.decide(&pay_out(Seq::new(0)), now),
        Err(operator::Refusal::InsufficientFunds {
            available: Amount::from_minor(500),
            short_by: Amount::from_minor(1)
        })
    );
}

#[test]
fn a_fold_beyond_all_bounds_is_refused() {
    let operator = Operator::default();
    for (earned, due) in [(i64::MIN, 0), (i64::MAX, 0), (0, i64::MIN), (0, i64::MAX)] {
        let fold = operator::Command::Fold {
            upto: Seq::new(1),
            totals: vec![operator::Total {
                currency: Currency::EUR,
                earned: Amount::from_minor(earned),
                due: Amount::from_minor(due),
            }],
        };
        let decided = operator.decide(&fold, Timestamp::default());
        assert_eq!(decided, Err(operator::Refusal::BadFold));
    }
}
