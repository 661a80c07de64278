//! The layout of states on a shelf: it may change only together with its format number.

use gettone_core::counters::Counters;
use gettone_core::entity::Entity;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderId, ReaderKey, Rseq,
    TokenKey, TransferId, VendId, VmcId, WalletId,
};
use gettone_core::machine::{self, Machine, Policy, Product};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator::{self, Operator, Total};
use gettone_core::port::Seq;
use gettone_core::reader::{self, Ask, Facts, Form, Hello, News, NextKeys, Reader, Scan};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::session::{Phase, Session};
use gettone_core::snapshot::{self, Customer, FORMAT, Resting, STATE_MAX, SnapshotFault};
use gettone_core::time::Timestamp;
use gettone_core::transfer::Party;
use gettone_core::wallet::{self, Outcome, Proof, Reason, Wallet};
use std::fmt::Write as _;
use thin_vec::{ThinVec, thin_vec};

const READER: ReaderId = ReaderId::from_bytes(*b"reader-1");
const EPOCH: JournalEpoch = JournalEpoch::from_bytes(*b"epoch-01");
const OPERATOR: OperatorId = OperatorId::new(7);
const MACHINE: MachineId = MachineId::new(70_001);
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

fn minor(minor: i64) -> Amount {
    Amount::from_minor(minor)
}

fn vend(number: u8) -> VendId {
    VendId::from_bytes([number; 16])
}

fn key(number: u8) -> TransferId {
    TransferId::from_bytes([number; 16])
}

fn terms() -> Terms {
    Terms {
        operator: OPERATOR,
        machine: MACHINE,
        cap: minor(300),
        least: minor(80),
        vends_max: 3,
        fee_basis_points: 150,
        revalue_max: minor(5_000),
        purpose: Purpose::Sale,
    }
}

fn live<E>(commands: impl IntoIterator<Item = E::Command>) -> E
where
    E: Entity<Refusal: core::fmt::Debug>,
{
    let mut entity = E::default();
    for command in commands {
        let event = entity.decide(&command, NOW).expect("allowed");
        entity.evolve(&event.expect("it changes something"));
    }
    entity
}

/// One customer with something in every list: holds live, resolved and barred, a sale with a debt,
/// one that was given back, cash in doubt, and a session.
fn customer() -> Customer {
    let reserve = |number| wallet::Command::Reserve {
        vend: vend(number),
        terms: terms(),
    };
    let settle = |number, rseq, outcome| wallet::Command::Settle {
        vend: vend(number),
        rseq: Rseq::new(rseq),
        outcome,
    };
    let vended = |amount| Outcome::Vended {
        item: Item::new(23),
        amount: minor(amount),
        proof: Proof::Told,
    };
    let release = |number, reason| wallet::Command::Release {
        vend: vend(number),
        reason,
    };
    let wallet: Wallet = live([
        wallet::Command::Open {
            currency: Currency::EUR,
        },
        wallet::Command::TopUp {
            key: key(1),
            amount: minor(1_000),
        },
        wallet::Command::Give {
            key: key(2),
            operator: OPERATOR,
            amount: minor(50),
        },
        reserve(1),
        settle(1, 1, vended(120)),
        settle(1, 2, Outcome::Failed),
        settle(1, 3, Outcome::CashIn { amount: minor(200) }),
        wallet::Command::Refund {
            key: key(3),
            vend: vend(1),
            rseq: Rseq::new(1),
            amount: minor(20),
        },
        release(1, Reason::Fenced),
        reserve(2),
        release(2, Reason::TimedOut),
        reserve(3),
        reserve(4),
        reserve(5),
        settle(2, 4, vended(300)),
        settle(3, 5, Outcome::CashUnknown { amount: minor(30) }),
        settle(3, 6, Outcome::CashUnknown { amount: minor(40) }),
        release(9, Reason::Fenced),
        wallet::Command::Limit {
            key: key(4),
            limits: wallet::Limits {
                day: Some(minor(900)),
                week: None,
                month: Some(minor(5_000)),
            },
        },
        wallet::Command::TopUpByCard {
            key: key(5),
            amount: minor(700),
        },
        wallet::Command::ChargeBack {
            key: key(6),
            top_up: key(5),
            amount: minor(30),
        },
        wallet::Command::Send {
            key: key(7),
            to: WalletId::new(43),
            currency: Currency::EUR,
            amount: minor(20),
        },
        wallet::Command::TurnAway {
            key: key(9),
            from: Party::Operator(OPERATOR),
            amount: minor(20),
        },
        wallet::Command::Dispute {
            key: key(10),
            vend: vend(1),
            rseq: Rseq::new(1),
            amount: minor(10),
        },
    ]);
    Customer {
        wallet,
        sessions: thin_vec![Session {
            vend: vend(3),
            wallet: WalletId::new(42),
            machine: MACHINE,
            operator: OPERATOR,
            phase: Phase::Held,
            opened_at: NOW,
        }],
    }
}

fn operator() -> Operator {
    let (currency, head) = (Currency::CHF, Seq::new(77));
    live([
        operator::Command::Fold {
            upto: head,
            totals: vec![Total {
                currency,
                earned: minor(9_876),
                due: minor(12),
            }],
        },
        operator::Command::PayOut {
            key: key(1),
            currency,
            amount: minor(5_000),
            head,
        },
        operator::Command::SettlePayout { key: key(1) },
        operator::Command::Promote {
            key: key(2),
            to: WalletId::new(42),
            currency,
            amount: minor(300),
            head,
        },
    ])
}

fn machine() -> Machine {
    let mut counters = Counters {
        seq: 9,
        ..Counters::default()
    };
    counters.sell(Item::new(23), 120);
    let policy = Policy {
        cap: minor(2_000),
        vends_max: 3,
        fee_basis_points: 150,
        revalue_max: minor(5_000),
    };
    let product = Product {
        name: "espresso lungo".to_owned(),
        price: minor(120),
    };
    live([
        machine::Command::Register {
            operator: OPERATOR,
            currency: Currency::CHF,
            policy,
        },
        machine::Command::Claim { reader: READER },
        machine::Command::List {
            item: Item::new(23),
            product,
        },
        machine::Command::Lock,
        machine::Command::CarryLock { version: 1 },
        machine::Command::Tally {
            reader: READER,
            epoch: EPOCH,
            counters,
        },
        machine::Command::TakeIn {
            reader: READER,
            epoch: EPOCH,
            rseq: Rseq::new(3),
            amount: minor(500),
        },
        machine::Command::Count {
            key: key(8),
            counted: minor(600),
        },
    ])
}

fn reader() -> Reader {
    let nonce = Nonce::from_bytes([0x40; 16]);
    let order = Order {
        boot: 3,
        uptime_ms: 99_000,
    };
    let chain = |rseq: u64| Chain::from_bytes(rseq.to_be_bytes());
    let receipt = |rseq: u64| Receipt {
        rseq: Rseq::new(rseq),
        kind: ReceiptKind::VendOk,
        grant: vend(5),
        item: Item::new(23),
        amount: minor(120),
        order,
        flags: Flags::from_wire(1),
        after_ms: 1_234,
        prev: chain(rseq - 1),
        chain: chain(rseq),
    };
    let hello = Hello {
        epoch: EPOCH,
        order,
        nonce,
        rseq_newest: 11,
        acked: 0,
        facts: Facts {
            firmware: 0x0001_0203,
            mdb_state: 3,
            vmc: VmcId::from_bytes(*b"vmc-hash"),
        },
    };
    live([
        reader::Command::Enrol {
            key: ReaderKey::from_bytes([9; 32]),
            machine: MACHINE,
            operator: OPERATOR,
            currency: Currency::EUR,
        },
        reader::Command::Hear(News {
            epoch: EPOCH,
            first: chain(0),
            hello: Some(hello),
            ask: Some(Ask {
                nonce,
                vend: vend(5),
                wallet: WalletId::new(42),
                terms: terms(),
            }),
            receipts: [1, 2, 4].map(receipt).to_vec(),
            notices: Vec::new(),
            counters: None,
        }),
        reader::Command::Apply {
            epoch: EPOCH,
            rseq: Rseq::new(1),
        },
        reader::Command::KeepTokens {
            key: Some(TokenKey::from_bytes([0x33; 32])),
            step: 58,
        },
        reader::Command::Scan(Scan {
            step: 59,
            nonce: Nonce::from_bytes([0x41; 16]),
            order: Order {
                uptime_ms: 99_001,
                ..order
            },
            epoch: EPOCH,
            first: chain(0),
            rseq_newest: 11,
            receipts: vec![(6, Form::of(&receipt(6)))],
            ask: Some(Ask {
                nonce: Nonce::from_bytes([0x41; 16]),
                vend: vend(6),
                wallet: WalletId::new(43),
                terms: terms(),
            }),
        }),
        reader::Command::Announce(next_keys(1, 0x44)),
        reader::Command::Switch { epoch: 1 },
        reader::Command::Announce(next_keys(2, 0x45)),
        reader::Command::Announce(next_keys(2, 0x46)),
        reader::Command::Follow { server: 3 },
        reader::Command::DoubtController {
            vmc: VmcId::from_bytes(*b"vmc-two!"),
        },
    ])
}

fn next_keys(epoch: u16, byte: u8) -> NextKeys {
    NextKeys {
        epoch,
        key: ReaderKey::from_bytes([byte; 32]),
        token: Some(TokenKey::from_bytes([byte + 1; 32])),
    }
}

fn encode<T: Resting>(state: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::encode(state, &mut bytes).expect("small enough");
    bytes
}

#[test]
fn the_layout_on_a_shelf_is_the_one_in_the_golden_file() {
    let mut picture = format!("format {FORMAT}\n");
    let states = [
        encode(&customer()),
        encode(&machine()),
        encode(&reader()),
        encode(&operator()),
    ];
    for bytes in states {
        for line in bytes.chunks(32) {
            for byte in line {
                write!(picture, "{byte:02x}").expect("a string takes it");
            }
            picture.push('\n');
        }
        picture.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/states-5.hex");
    if std::env::var_os("GETTONE_REWRITE_GOLDEN").is_some() {
        std::fs::write(path, &picture).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    assert!(
        picture == golden,
        "states are laid out otherwise than in {path}: raise FORMAT, and those that rest on shelves \
         already are replayed from the journal"
    );
}

#[test]
fn what_comes_off_a_shelf_is_what_was_put_there_wherever_it_lies_in_memory() {
    fn check<T: Resting + PartialEq + core::fmt::Debug>(state: &T) {
        let bytes = encode(state);
        for shift in 0..16 {
            let mut moved = vec![0xee; shift];
            snapshot::encode(state, &mut moved).expect("small enough");
            let (before, after) = moved.split_at(shift);
            assert!(before.iter().all(|byte| *byte == 0xee));
            assert_eq!(after, bytes, "the same bytes behind {shift} others");
            assert_eq!(snapshot::decode::<T>(after).as_ref(), Ok(state));
        }
    }
    check(&customer());
    check(&machine());
    check(&reader());
    check(&operator());
    check(&Customer::default());
    check(&Machine::default());
    check(&Reader::default());
}

#[test]
fn cut_or_flipped_bytes_are_refused_or_read_as_some_state_but_never_a_panic() {
    fn check<T: Resting + PartialEq + core::fmt::Debug>(state: &T) {
        let mut bytes = encode(state);
        for len in 0..bytes.len() {
            assert_ne!(snapshot::decode(&bytes[..len]).as_ref(), Ok(state), "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = snapshot::decode::<T>(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    check(&customer());
    check(&machine());
    check(&reader());
    check(&operator());
}

#[test]
fn a_state_of_another_kind_format_or_size_is_refused() {
    let bytes = encode(&machine());
    assert_eq!(
        snapshot::decode::<Reader>(&bytes),
        Err(SnapshotFault::Unreadable)
    );
    let mut other = bytes.clone();
    other[0] = 0xff;
    other[1] = 0x01;
    assert_eq!(
        snapshot::decode::<Machine>(&other),
        Err(SnapshotFault::OtherFormat { found: 0x01ff })
    );
    assert_eq!(
        snapshot::decode::<Machine>(&vec![0; STATE_MAX + 1]),
        Err(SnapshotFault::TooLarge { len: STATE_MAX + 1 })
    );
}

#[test]
fn a_state_as_full_as_it_can_be_fits() {
    let mut wallet = customer().wallet;
    let transfers = u32::try_from(wallet::TRANSFERS_MAX).expect("small");
    for number in 0..transfers {
        let mut name = [0xff; 16];
        name[..4].copy_from_slice(&number.to_be_bytes());
        wallet.evolve(&wallet::Event::Given {
            key: TransferId::from_bytes(name),
            operator: OPERATOR,
            amount: minor(1),
        });
    }
    let full = Customer {
        wallet,
        sessions: ThinVec::new(),
    };
    let bytes = encode(&full);
    // The other lists of a wallet come to less than 4 MiB.
    assert!(bytes.len() + 4 * 1024 * 1024 < STATE_MAX, "{}", bytes.len());
    assert!(snapshot::decode(&bytes) == Ok(full));
}
