//! A journal with one of each thing that the tables show.

use super::{ANN, BOB, COFFEE, HALL, HOUR_MS, OTHER, OWNER};
use gettone_core::counters;
use gettone_core::grant::{Parts, Purpose, Terms};
use gettone_core::id::{JournalEpoch, ReaderId, Rseq, TransferId, VendId, WalletId};
use gettone_core::machine::{self, Policy, Product};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator;
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::transfer::Party;
use gettone_core::wallet::{self, Favour, Limits, Review};

/// All that happens here.
pub(super) fn journal() -> Vec<(Seq, Record)> {
    let mut records = sold();
    records.extend(between_customers());
    records.extend(between_operator_and_customer());
    records.extend(by_card());
    records.extend(disputed());
    records.extend(paid_out());
    numbered(records)
}

/// A machine, a customer, three coffees in two hours, one given back, cash.
pub(super) fn sold() -> Vec<Record> {
    let mut records = vec![
        of_hall(
            1,
            machine::Event::Registered {
                operator: OWNER,
                currency: Currency::EUR,
                policy: Policy {
                    cap: minor(300),
                    vends_max: 1,
                    fee_basis_points: 150,
                    revalue_max: Amount::ZERO,
                },
            },
        ),
        of_hall(
            2,
            machine::Event::Listed {
                item: COFFEE,
                product: Product {
                    name: "caffè".to_owned(),
                    price: minor(120),
                },
            },
        ),
        of_ann(
            3,
            wallet::Event::Opened {
                currency: Currency::EUR,
            },
        ),
        of_ann(
            4,
            wallet::Event::ToppedUp {
                key: transfer(1),
                amount: minor(5_000),
                repaid: Vec::new(),
            },
        ),
    ];
    records.extend(bought(1, 10, 120, None));
    records.extend(bought(2, 20, 130, None));
    records.extend(bought(3, HOUR_MS + 5, 100, None));
    records.push(of_ann(
        HOUR_MS + 50,
        wallet::Event::Refunded {
            key: transfer(2),
            vend: vend(1),
            rseq: Rseq::new(1),
            operator: OWNER,
            machine: HALL,
            parts: Parts {
                emoney: minor(120),
                closed: Amount::ZERO,
            },
            forgiven: Amount::ZERO,
            at: at(HOUR_MS + 50),
        },
    ));
    records.push(of_hall(
        HOUR_MS + 60,
        machine::Event::Tallied {
            reader: ReaderId::from_bytes(*b"reader-1"),
            epoch: JournalEpoch::from_bytes(*b"epoch--1"),
            seq: 9,
            sold: vec![counters::Row {
                item: COFFEE,
                price: 120,
                count: 4,
                value: 480,
            }],
            cash_in: 480,
            errors: 0,
        },
    ));
    records
}

/// Records in their places, from the first on.
pub(super) fn numbered(records: Vec<Record>) -> Vec<(Seq, Record)> {
    (1..).map(Seq::new).zip(records).collect()
}

/// An amount in minor units.
pub(super) const fn minor(minor: i64) -> Amount {
    Amount::from_minor(minor)
}

/// A time.
pub(super) const fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// The name of a hold.
pub(super) fn vend(number: u8) -> VendId {
    VendId::from_bytes([number; 16])
}

/// The name of a transfer.
pub(super) const fn transfer(number: u8) -> TransferId {
    TransferId::from_bytes([number; 16])
}

/// What is sent arrives, and what is turned away comes back.
fn between_customers() -> Vec<Record> {
    let ms = 2 * HOUR_MS;
    let sent = |key, minor_units| wallet::Event::Sent {
        key,
        to: BOB,
        amount: minor(minor_units),
        at: at(ms),
    };
    vec![
        of_wallet(
            BOB,
            ms,
            wallet::Event::Opened {
                currency: Currency::EUR,
            },
        ),
        of_ann(ms + 1, sent(transfer(10), 300)),
        of_wallet(
            BOB,
            ms + 2,
            wallet::Event::Received {
                key: transfer(10),
                from: Party::Wallet(ANN),
                amount: minor(300),
                repaid: vec![(OWNER, minor(40))],
                at: at(ms + 2),
            },
        ),
        of_ann(ms + 3, wallet::Event::Delivered { key: transfer(10) }),
        of_ann(ms + 4, sent(transfer(11), 50)),
        of_wallet(
            BOB,
            ms + 5,
            wallet::Event::TurnedAway {
                key: transfer(11),
                from: Party::Wallet(ANN),
                amount: minor(50),
            },
        ),
        of_ann(
            ms + 6,
            wallet::Event::Returned {
                key: transfer(11),
                amount: minor(50),
                at: at(ms + 6),
            },
        ),
    ]
}

/// Promotions, one of them turned away, a gift, debts that are repaid or given up.
fn between_operator_and_customer() -> Vec<Record> {
    let ms = 3 * HOUR_MS;
    let promoted = |key, to| operator::Event::Promoted {
        key,
        to,
        currency: Currency::EUR,
        amount: minor(100),
        at: at(ms),
    };
    vec![
        of_owner(ms, promoted(transfer(20), ANN)),
        of_ann(
            ms + 1,
            wallet::Event::Received {
                key: transfer(20),
                from: Party::Operator(OWNER),
                amount: minor(100),
                repaid: Vec::new(),
                at: at(ms + 1),
            },
        ),
        of_owner(ms + 2, operator::Event::Delivered { key: transfer(20) }),
        of_owner(ms + 3, promoted(transfer(21), BOB)),
        of_wallet(
            BOB,
            ms + 4,
            wallet::Event::TurnedAway {
                key: transfer(21),
                from: Party::Operator(OWNER),
                amount: minor(100),
            },
        ),
        of_owner(
            ms + 5,
            operator::Event::Returned {
                key: transfer(21),
                currency: Currency::EUR,
                amount: minor(100),
            },
        ),
        of_ann(
            ms + 6,
            wallet::Event::Given {
                key: transfer(22),
                operator: OWNER,
                amount: minor(70),
            },
        ),
        of_ann(
            ms + 7,
            wallet::Event::Repaid {
                key: transfer(23),
                repaid: vec![(OWNER, minor(20)), (OTHER, minor(15))],
            },
        ),
        of_ann(
            ms + 8,
            wallet::Event::WrittenOff {
                key: transfer(24),
                operator: OTHER,
                amount: minor(5),
            },
        ),
    ]
}

/// A payment by card, of which more is charged back than is there; then limits.
fn by_card() -> Vec<Record> {
    let ms = 4 * HOUR_MS;
    vec![
        of_ann(
            ms,
            wallet::Event::ToppedUpByCard {
                key: transfer(30),
                amount: minor(900),
                repaid: vec![(OWNER, minor(1))],
            },
        ),
        of_ann(
            ms + 1,
            wallet::Event::CardSettled {
                key: transfer(30),
                amount: minor(600),
            },
        ),
        of_ann(
            ms + 2,
            wallet::Event::ChargedBack {
                key: transfer(31),
                top_up: transfer(30),
                unsettled: minor(300),
                settled: minor(600),
                taken: minor(500),
                owed: minor(400),
            },
        ),
        of_ann(
            ms + 3,
            wallet::Event::Limited {
                key: transfer(32),
                limits: Limits {
                    day: Some(minor(1_000)),
                    ..Limits::default()
                },
            },
        ),
    ]
}

/// Two sales that are argued about, one for each side; then one whose hold ends with it.
fn disputed() -> Vec<Record> {
    let ms = 5 * HOUR_MS;
    let begun = |number: u8, amount| wallet::Event::Disputed {
        key: transfer(40 + number),
        vend: vend(number),
        rseq: Rseq::new(number.into()),
        operator: OWNER,
        amount: minor(amount),
        at: at(ms),
    };
    let ended = |number: u8, amount, favour| wallet::Event::DisputeEnded {
        key: transfer(40 + number),
        vend: vend(number),
        rseq: Rseq::new(number.into()),
        operator: OWNER,
        amount: minor(amount),
        favour,
        at: at(ms + 1),
    };
    let mut records = vec![
        of_ann(ms, begun(2, 130)),
        of_ann(ms + 1, ended(2, 130, Favour::Customer)),
        of_ann(ms + 2, begun(3, 100)),
        of_ann(ms + 3, ended(3, 100, Favour::Operator)),
    ];
    let rest = Parts {
        emoney: minor(200),
        closed: Amount::ZERO,
    };
    records.extend(bought(4, ms + 10, 100, Some(rest)));
    records
}

/// What an operator does with its money.
fn paid_out() -> Vec<Record> {
    let ms = 6 * HOUR_MS;
    let (currency, amount) = (Currency::EUR, minor(250));
    let paid = |key| operator::Event::PaidOut {
        key,
        currency,
        amount,
        at: at(ms),
    };
    let events = [
        operator::Event::Folded {
            upto: Seq::new(4),
            moved: Vec::new(),
        },
        paid(transfer(50)),
        operator::Event::PayoutSettled {
            key: transfer(50),
            currency,
            amount,
        },
        paid(transfer(51)),
        operator::Event::PayoutFailed {
            key: transfer(51),
            currency,
            amount,
        },
        operator::Event::Charged {
            key: transfer(52),
            currency,
            amount,
        },
        operator::Event::Deposited {
            key: transfer(53),
            currency,
            amount,
        },
        operator::Event::Covered {
            key: transfer(54),
            currency,
            amount,
        },
    ];
    events.map(|event| of_owner(ms, event)).into()
}

fn terms() -> Terms {
    Terms {
        operator: OWNER,
        machine: HALL,
        cap: minor(300),
        least: minor(50),
        vends_max: 1,
        fee_basis_points: 150,
        revalue_max: Amount::ZERO,
        purpose: Purpose::Sale,
    }
}

fn of_wallet(wallet: WalletId, ms: u64, event: wallet::Event) -> Record {
    Record {
        at: at(ms),
        event: Event::Wallet { wallet, event },
    }
}

fn of_ann(ms: u64, event: wallet::Event) -> Record {
    of_wallet(ANN, ms, event)
}

fn of_owner(ms: u64, event: operator::Event) -> Record {
    Record {
        at: at(ms),
        event: Event::Operator {
            operator: OWNER,
            event: Box::new(event),
        },
    }
}

fn of_hall(ms: u64, event: machine::Event) -> Record {
    Record {
        at: at(ms),
        event: Event::Machine {
            machine: HALL,
            event,
        },
    }
}

fn bought(number: u8, ms: u64, price: i64, freed: Option<Parts>) -> [Record; 2] {
    let held = Parts {
        emoney: minor(300),
        closed: Amount::ZERO,
    };
    let parts = Parts {
        emoney: minor(price - 20),
        closed: minor(20),
    };
    [
        of_ann(
            ms,
            wallet::Event::Reserved {
                vend: vend(number),
                terms: terms(),
                held,
                revalue: Amount::ZERO,
                at: at(ms),
            },
        ),
        of_ann(
            ms + 1,
            wallet::Event::Captured {
                vend: vend(number),
                rseq: Rseq::new(number.into()),
                operator: OWNER,
                machine: HALL,
                item: COFFEE,
                purpose: Purpose::Sale,
                parts,
                debt: Amount::ZERO,
                fee: minor(2),
                review: if number == 2 {
                    Review::RefundQueue
                } else {
                    Review::Unneeded
                },
                freed,
                at: at(ms + 1),
            },
        ),
    ]
}
