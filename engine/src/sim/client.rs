//! Clients: each wants one thing after the other, gives it a name before it asks, and asks again
//! until it is told.

use super::ask::{Ask, Told};
use super::board::{Board, terms};
use super::chance::Chance;
use super::medium::Guard;
use super::testimony::sessions;
use super::witness::{Effect, Witness};
use crate::session::{Action, SessionCommand};
use gettone_core::grant::Purpose;
use gettone_core::id::{
    Item, MachineId, OperatorId, ReaderKey, Rseq, TransferId, VendId, WalletId,
};
use gettone_core::machine::{self, Policy, Product};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::{Command, Favour, Limits, Outcome, Proof, Reason, Verdict};
use gettone_core::{operator, reader};
use std::collections::VecDeque;

pub(super) const WALLETS: u64 = 7;
pub(super) const OPERATOR: OperatorId = OperatorId::new(7);
/// Whose money is of another currency than the machines'.
const STRANGER: u64 = 6;

/// What a client waits to be told.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) number: u64,
    pub(super) ask: Ask,
    pub(super) attempts: u32,
}

/// Somebody who asks.
#[derive(Debug)]
pub(super) struct Client {
    number: u64,
    names: u64,
    pub(super) wish: Option<Wish>,
    plan: VecDeque<Ask>,
    sales: Vec<(WalletId, VendId, Rseq, i64)>,
    doubts: Vec<(WalletId, VendId, Rseq)>,
    /// What was paid by card or otherwise, and may be charged back.
    paid: Vec<(WalletId, TransferId, i64)>,
    cards: Vec<(WalletId, TransferId)>,
    disputes: Vec<(WalletId, TransferId, i64)>,
    payouts: Vec<TransferId>,
    boards: u8,
    opened: Vec<WalletId>,
    pub(super) board: Option<Board>,
    is_set_up: bool,
}

impl Client {
    pub(super) fn new(number: u64, board: Option<Board>) -> Self {
        Self {
            number,
            names: 0,
            wish: None,
            plan: VecDeque::new(),
            sales: Vec::new(),
            doubts: Vec::new(),
            paid: Vec::new(),
            cards: Vec::new(),
            disputes: Vec::new(),
            payouts: Vec::new(),
            boards: 0,
            opened: Vec::new(),
            board,
            is_set_up: false,
        }
    }

    /// Whether nothing that it has begun is left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.wish.is_none() && self.plan.is_empty()
    }

    /// Whether a hold of its own may still be open.
    pub(super) fn go_on(&mut self) -> bool {
        if self.wish.is_none()
            && let Some(ask) = self.plan.pop_front()
        {
            self.names += 1;
            self.wish = Some(Wish {
                number: self.names,
                ask,
                attempts: 0,
            });
        }
        self.wish.is_some()
    }

    /// Plans the next thing that it wants.
    pub(super) fn want(&mut self, chance: &mut Chance, witness: &mut Witness) {
        if self.board.is_some() {
            self.want_before_a_board(chance, witness);
            return;
        }
        let wallet = WalletId::new(chance.below(WALLETS));
        if !self.opened.contains(&wallet) {
            self.opened.push(wallet);
            self.open(witness, wallet);
            let (key, amount) = (self.key(), chance.minor(1_000));
            self.transfer(witness, wallet, (key, amount), |key, amount| {
                Command::TopUp { key, amount }
            });
        }
        match chance.below(26) {
            20 => self.send(chance, witness, wallet),
            21 => self.owe(chance, witness, wallet),
            22 => self.pay_by_card(chance, witness, wallet),
            23 => self.charge_back(chance, witness),
            24 => self.dispute(chance, witness),
            25 => self.operate(chance, witness, wallet),
            0..=3 => {
                let (key, amount) = (self.key(), chance.minor(500));
                self.transfer(witness, wallet, (key, amount), |key, amount| {
                    Command::TopUp { key, amount }
                });
            }
            4 | 5 => {
                let (key, amount) = (self.key(), chance.minor(300));
                self.transfer(witness, wallet, (key, amount), |key, amount| {
                    Command::Give {
                        key,
                        operator: OPERATOR,
                        amount,
                    }
                });
            }
            6 => self.limit(chance, witness, wallet),
            7 | 8 => self.refund(chance, witness),
            9 => self.judge(chance),
            10 => self.plan.push_back(Ask::See(wallet)),
            11 => self.plan.push_back(Ask::Overdue(chance.place(64))),
            12 => self.two_at_once(chance, witness, wallet),
            _ => self.visit(chance, witness, wallet),
        }
    }

    fn want_before_a_board(&mut self, chance: &mut Chance, witness: &mut Witness) {
        let is_set_up = core::mem::replace(&mut self.is_set_up, true);
        let names = (self.key(), self.names);
        let Some(board) = &mut self.board else { return };
        let (reader, machine) = (board.reader, board.machine);
        if !is_set_up {
            witness.ask(Effect::Registered(machine), 0);
            witness.ask(Effect::Enrolled(reader), 0);
            let register = machine::Command::Register {
                operator: OPERATOR,
                currency: Currency::EUR,
                policy: Policy {
                    cap: Amount::from_minor(300),
                    vends_max: 2,
                    fee_basis_points: 150,
                    revalue_max: Amount::from_minor(1_000),
                },
            };
            self.plan.push_back(Ask::Machine(machine, register));
            self.plan.push_back(Ask::Enrol(reader, enrolment(machine)));
            let claim = machine::Command::Claim { reader };
            self.plan.push_back(Ask::Machine(machine, claim));
            return;
        }
        if chance.is_in(1, 60) {
            let board_number = 10 * (self.boards + 1) + board.reader.as_bytes()[0] % 10;
            self.boards += 1;
            if self.boards > 20 {
                return;
            }
            board.give_way(witness, board_number);
            let fresh = board.reader;
            witness.ask(Effect::Enrolled(fresh), 0);
            self.plan.push_back(Ask::Enrol(fresh, enrolment(machine)));
            let claim = machine::Command::Claim { reader: fresh };
            self.plan.push_back(Ask::Machine(machine, claim));
            self.plan.push_back(Ask::Revoke(reader));
            return;
        }
        if chance.is_in(1, 12) {
            let command = match chance.below(4) {
                0 => machine::Command::Lock,
                1 => machine::Command::Unlock,
                2 => machine::Command::List {
                    item: Item::new(3),
                    product: Product {
                        name: format!("number {}", names.1),
                        price: Amount::from_minor(chance.minor(50)),
                    },
                },
                _ => {
                    let counted = chance.minor(1_000);
                    witness.ask(Effect::Counted(machine, names.0), counted);
                    machine::Command::Count {
                        key: names.0,
                        counted: Amount::from_minor(counted),
                    }
                }
            };
            self.plan.push_back(Ask::Machine(machine, command));
            return;
        }
        let wallet = WalletId::new(chance.below(WALLETS));
        if let Some(ask) = board.act(chance, witness, wallet) {
            self.plan.push_back(ask);
        }
    }

    /// The last phone passes by its board; false when that has told everything.
    pub(super) fn hear_out(&mut self, chance: &mut Chance, witness: &mut Witness) -> bool {
        match &mut self.board {
            Some(board) if self.is_set_up => {
                let is_heard = board.is_heard();
                self.plan.push_back(board.hear_out(chance, witness));
                !is_heard
            }
            Some(_) | None => false,
        }
    }

    fn open(&mut self, witness: &mut Witness, wallet: WalletId) {
        witness.ask(Effect::WalletOpened(wallet), 0);
        let currency = if wallet.number() == STRANGER {
            Currency::CHF
        } else {
            Currency::EUR
        };
        self.plan
            .push_back(Ask::Wallet(wallet, Command::Open { currency }));
    }

    fn transfer(
        &mut self,
        witness: &mut Witness,
        wallet: WalletId,
        what: (TransferId, i64),
        command: impl FnOnce(TransferId, Amount) -> Command,
    ) {
        let (key, minor) = what;
        witness.ask(Effect::Transfer(wallet, key), minor);
        let command = command(key, Amount::from_minor(minor));
        self.plan.push_back(Ask::Wallet(wallet, command));
    }

    fn limit(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        let some = |chance: &mut Chance, most| {
            chance
                .is_in(1, 2)
                .then(|| Amount::from_minor(chance.minor(most)))
        };
        let limits = Limits {
            day: some(chance, 500),
            week: some(chance, 1_000),
            month: some(chance, 3_000),
        };
        let key = self.key();
        witness.ask(Effect::Transfer(wallet, key), 0);
        self.plan
            .push_back(Ask::Wallet(wallet, Command::Limit { key, limits }));
    }

    /// E-money goes to somebody else, who may be of another currency, or nobody.
    fn send(&mut self, chance: &mut Chance, witness: &mut Witness, from: WalletId) {
        let (key, minor) = (self.key(), chance.minor(300));
        let to = WalletId::new(chance.below(WALLETS));
        witness.ask(Effect::Sent(from, key), -minor);
        witness.ask(Effect::Received(to, key), minor);
        witness.ask(Effect::Returned(from, key), minor);
        let amount = Amount::from_minor(minor);
        self.plan.push_back(Ask::Send(key, (from, to), amount));
    }

    /// A debt is repaid, or given up.
    fn owe(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        let (key, minor) = (self.key(), chance.minor(40));
        if chance.is_in(1, 2) {
            self.transfer(witness, wallet, (key, 0), |key, _| Command::Repay { key });
            return;
        }
        let operator = OperatorId::new([0, 7][chance.place(2)]);
        self.transfer(witness, wallet, (key, minor), |key, amount| {
            Command::WriteOff {
                key,
                operator,
                amount,
            }
        });
    }

    fn pay_by_card(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        if let Some((wallet, key)) = self.cards.pop().filter(|_| chance.is_in(1, 2)) {
            witness.ask(Effect::CardSettled(wallet, key), 0);
            self.plan
                .push_back(Ask::Wallet(wallet, Command::SettleCard { key }));
            return;
        }
        let (key, minor) = (self.key(), chance.minor(400));
        self.transfer(witness, wallet, (key, minor), |key, amount| {
            Command::TopUpByCard { key, amount }
        });
    }

    fn charge_back(&mut self, chance: &mut Chance, witness: &mut Witness) {
        let Some((wallet, top_up, paid)) = self.paid.pop() else {
            return;
        };
        let (key, minor) = (self.key(), chance.minor(u64::try_from(paid).unwrap_or(1)));
        let amount = Amount::from_minor(minor);
        self.transfer(witness, wallet, (key, -minor), |key, _| {
            Command::ChargeBack {
                key,
                top_up,
                amount,
            }
        });
    }

    fn dispute(&mut self, chance: &mut Chance, witness: &mut Witness) {
        if let Some((wallet, key, minor)) = self.disputes.pop() {
            let favour = [Favour::Customer, Favour::Operator][chance.place(2)];
            let back = match favour {
                Favour::Customer => minor,
                Favour::Operator => 0,
            };
            witness.ask(Effect::DisputeEnded(wallet, key), back);
            self.plan
                .push_back(Ask::Wallet(wallet, Command::EndDispute { key, favour }));
            return;
        }
        let key = self.key();
        let at = chance.place(self.sales.len());
        let Some((wallet, vend, rseq, left)) = self.sales.get(at).copied() else {
            return;
        };
        let amount = Amount::from_minor(chance.minor(u64::try_from(left).unwrap_or(1)));
        self.transfer(witness, wallet, (key, 0), |key, _| Command::Dispute {
            key,
            vend,
            rseq,
            amount,
        });
    }

    /// Somebody works for the operator.
    fn operate(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        let (key, minor) = (self.key(), chance.minor(200));
        let amount = Amount::from_minor(minor);
        let ask = match chance.below(4) {
            0 => {
                witness.ask(Effect::Paid(OPERATOR, key), minor);
                let currency = Currency::EUR;
                let deposit = operator::Command::Deposit {
                    key,
                    currency,
                    amount,
                };
                Ask::Operator(OPERATOR, deposit)
            }
            1 => {
                let Some(key) = self.payouts.pop() else {
                    return;
                };
                witness.ask(Effect::PayoutEnded(OPERATOR, key), 0);
                Ask::Operator(
                    OPERATOR,
                    if chance.is_in(1, 2) {
                        operator::Command::SettlePayout { key }
                    } else {
                        operator::Command::FailPayout { key }
                    },
                )
            }
            2 => {
                witness.ask(Effect::Paid(OPERATOR, key), minor);
                Ask::PayOut(OPERATOR, key, amount)
            }
            _ => {
                witness.ask(Effect::Paid(OPERATOR, key), minor);
                witness.ask(Effect::Received(wallet, key), minor);
                witness.ask(Effect::Back(OPERATOR, key), minor);
                Ask::Promote(OPERATOR, key, (wallet, amount))
            }
        };
        self.plan.push_back(ask);
    }

    fn refund(&mut self, chance: &mut Chance, witness: &mut Witness) {
        let key = self.key();
        let at = chance.place(self.sales.len());
        let Some((wallet, vend, rseq, left)) = self.sales.get_mut(at) else {
            return;
        };
        let minor = chance.minor(u64::try_from(*left).unwrap_or(1));
        *left -= minor;
        let (wallet, vend, rseq, left) = (*wallet, *vend, *rseq, *left);
        if left <= 0 {
            self.sales.swap_remove(at);
        }
        self.transfer(witness, wallet, (key, minor), |key, amount| {
            Command::Refund {
                key,
                vend,
                rseq,
                amount,
            }
        });
    }

    fn judge(&mut self, chance: &mut Chance) {
        let Some((wallet, vend, rseq)) = self.doubts.pop() else {
            return;
        };
        let verdict = if chance.is_in(1, 2) {
            Verdict::Charge
        } else {
            Verdict::Forgive
        };
        let command = Command::Judge {
            vend,
            rseq,
            verdict,
        };
        self.plan.push_back(Ask::Wallet(wallet, command));
    }

    /// One whole visit to a machine, in one of the ways in which an integrator can do it.
    fn visit(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        let commands = self.session(chance, witness, wallet);
        match chance.below(4) {
            0 => self.plan.push_back(Ask::Batch(commands)),
            1 => self.plan.push_back(Ask::Lane(commands)),
            _ => self.plan.extend(commands.into_iter().map(Ask::Session)),
        }
    }

    /// Two visits of two customers in one call, over however many shards.
    fn two_at_once(&mut self, chance: &mut Chance, witness: &mut Witness, wallet: WalletId) {
        let other = WalletId::new((wallet.number() + 1) % WALLETS);
        self.open(witness, wallet);
        self.open(witness, other);
        let mut commands = self.session(chance, witness, wallet);
        commands.extend(self.session(chance, witness, other));
        self.plan.push_back(if chance.is_in(1, 2) {
            Ask::Batch(commands)
        } else {
            Ask::Lane(commands)
        });
    }

    fn session(
        &mut self,
        chance: &mut Chance,
        witness: &mut Witness,
        wallet: WalletId,
    ) -> Vec<SessionCommand> {
        let session = self.name();
        witness.ask(Effect::Held(wallet, session), 0);
        let purpose = match chance.below(16) {
            0 => Purpose::Test,
            _ => Purpose::Sale,
        };
        let machine = MachineId::new(1 + u32::try_from(chance.below(3)).unwrap_or(0));
        let terms = terms((machine, OPERATOR), purpose, 0);
        let mut actions = if chance.is_in(1, 2) {
            vec![Action::Begin { terms }]
        } else {
            vec![
                Action::Open {
                    machine,
                    operator: OPERATOR,
                },
                Action::Reserve { terms },
            ]
        };
        for number in 1..=chance.below(3) {
            let (rseq, amount) = (Rseq::new(number), Amount::from_minor(chance.minor(50)));
            let item = Item::new(3);
            let outcome = match chance.below(6) {
                0 => Outcome::Failed,
                1 => Outcome::Unknown { item, amount },
                _ => Outcome::Vended {
                    item,
                    amount,
                    proof: Proof::Told,
                },
            };
            let minor = match purpose {
                Purpose::Sale => -amount.minor(),
                Purpose::Test => 0,
            };
            witness.ask(Effect::Sold(wallet, session, rseq), minor);
            let is_last = chance.is_in(1, 3);
            actions.push(if is_last {
                Action::Finish { rseq, outcome }
            } else {
                Action::Settle { rseq, outcome }
            });
            if is_last {
                break;
            }
        }
        // Also after a Finish: whoever was refused a hold bars it, should an old call come late.
        actions.push(Action::Release {
            reason: Reason::Closed,
        });
        let command = |action| SessionCommand {
            wallet,
            session,
            action,
        };
        actions.into_iter().map(command).collect()
    }

    fn name(&mut self) -> VendId {
        self.names += 1;
        let mut bytes = [0xc1; 16];
        bytes[..4].copy_from_slice(&u32::try_from(self.number).unwrap_or(0).to_be_bytes());
        bytes[8..].copy_from_slice(&self.names.to_be_bytes());
        VendId::from_bytes(bytes)
    }

    fn key(&mut self) -> TransferId {
        TransferId::from_bytes(*self.name().as_bytes())
    }

    /// The wish as it is asked this time. Without a guard against repeats each try has a new name.
    pub(super) fn try_again(&mut self, witness: &mut Witness, dedup: Guard) -> Option<Wish> {
        let fresh = self.key();
        let wish = self.wish.as_mut()?;
        wish.attempts += 1;
        if dedup == Guard::Off
            && wish.attempts > 1
            && let Ask::Wallet(wallet, command) = &mut wish.ask
            && let Command::TopUp { key, .. } | Command::Give { key, .. } = command
        {
            let first = Effect::Transfer(*wallet, *key);
            *key = fresh;
            witness.rename(Effect::Transfer(*wallet, fresh), first);
        }
        Some(wish.clone())
    }

    /// The call of its wish is answered.
    pub(super) fn told(&mut self, answers: &[Told]) {
        let Some(wish) = &self.wish else { return };
        if answers.iter().any(|told| matches!(told, Told::Again)) {
            return;
        }
        for (command, told) in sessions(&wish.ask).into_iter().zip(answers) {
            let (wallet, session) = (command.wallet, command.session);
            if let (
                Action::Settle { rseq, outcome } | Action::Finish { rseq, outcome },
                Told::Done(event),
            ) = (command.action, told)
            {
                match (outcome, event) {
                    (Outcome::Vended { amount, .. }, _) => {
                        self.sales.push((wallet, session, rseq, amount.minor()));
                    }
                    (Outcome::Unknown { .. }, _) => self.doubts.push((wallet, session, rseq)),
                    _ => {}
                }
            }
        }
        if let ([Told::Done(_)], Ask::Wallet(wallet, command)) = (answers, &wish.ask) {
            match command {
                Command::TopUp { key, amount } => self.paid.push((*wallet, *key, amount.minor())),
                Command::TopUpByCard { key, amount } => {
                    self.paid.push((*wallet, *key, amount.minor()));
                    self.cards.push((*wallet, *key));
                }
                Command::Dispute { key, amount, .. } => {
                    self.disputes.push((*wallet, *key, amount.minor()));
                }
                _ => {}
            }
        }
        if let ([Told::Done(_)], Ask::PayOut(_, key, _)) = (answers, &wish.ask) {
            self.payouts.push(*key);
        }
        let is_single = matches!(wish.ask, Ask::Session(_));
        if is_single && answers.iter().any(|told| matches!(told, Told::Refused)) {
            // What was refused is not gone on with; whatever may come of it yet is ended.
            self.plan.retain(|ask| {
                !matches!(ask, Ask::Session(command)
                    if !matches!(command.action, Action::Release { .. }))
            });
        }
        self.wish = None;
    }
}

/// How every board is enrolled.
fn enrolment(machine: MachineId) -> reader::Command {
    reader::Command::Enrol {
        key: ReaderKey::from_bytes([9; 32]),
        machine,
        operator: OPERATOR,
        currency: Currency::EUR,
    }
}
