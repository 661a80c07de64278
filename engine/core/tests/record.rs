//! The layout of records on disk: it may change only together with its format number.

use gettone_core::counters::Row;
use gettone_core::grant::{Parts, Purpose, Terms};
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderId, ReaderKey, Rseq,
    TokenKey, TransferId, VendId, VmcId, WalletId,
};
use gettone_core::lock::LockState;
use gettone_core::machine::{self, Policy, Product};
use gettone_core::money::{Amount, Currency};
use gettone_core::notice::{Code, Notice};
use gettone_core::operator::{self, Total};
use gettone_core::port::Seq;
use gettone_core::reader::{
    self, Answer, Ask, Contradiction, Facts, Hello, NextKeys, Scanned, Used,
};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::record::{Event, FORMAT, RECORD_MAX, Record, RecordFault};
use gettone_core::session;
use gettone_core::time::Timestamp;
use gettone_core::transfer::Party;
use gettone_core::wallet::{self, Credit, Favour, Limits, Reason, Review, StrayReason};
use std::fmt::Write as _;

fn minor(minor: i64) -> Amount {
    Amount::from_minor(minor)
}

/// One record of every kind, with no two fields alike.
fn one_of_each() -> Vec<Record> {
    let vend = VendId::from_bytes(core::array::from_fn(|n| n as u8));
    let nonce = Nonce::from_bytes(core::array::from_fn(|n| 0x40 + n as u8));
    let epoch = JournalEpoch::from_bytes(*b"epoch-01");
    let (operator, machine, rseq, item) = (
        OperatorId::new(7),
        MachineId::new(70_001),
        Rseq::new(0x0102_0304_0506),
        Item::new(23),
    );
    let at = Timestamp::from_millis(1_790_000_000_123);
    let terms = Terms {
        operator,
        machine,
        cap: minor(2_000),
        least: minor(80),
        vends_max: 3,
        fee_basis_points: 150,
        revalue_max: minor(5_000),
        purpose: Purpose::Test,
    };
    let parts = Parts {
        closed: minor(20),
        emoney: minor(100),
    };
    let hello = Hello {
        epoch,
        order: Order {
            boot: 3,
            uptime_ms: 99_000,
        },
        nonce,
        rseq_newest: 11,
        acked: 9,
        facts: Facts {
            firmware: 0x0001_0203,
            mdb_state: 3,
            vmc: VmcId::from_bytes(*b"vmc-hash"),
        },
    };
    let notice = Notice {
        aseq: 77,
        code: Code::LOCK_TAKEN,
        n: 5,
        order: hello.order,
        data: *b"detail-8",
    };
    let key = TransferId::from_bytes([8; 16]);
    let receipt = Receipt {
        rseq,
        kind: ReceiptKind::VendOk,
        grant: vend,
        item,
        amount: minor(120),
        order: hello.order,
        flags: Flags::from_wire(1),
        after_ms: 1_234,
        prev: Chain::from_bytes(*b"previous"),
        chain: Chain::from_bytes(*b"this-one"),
    };
    let policy = Policy {
        cap: minor(2_000),
        vends_max: 3,
        fee_basis_points: 150,
        revalue_max: minor(5_000),
    };
    let wallets = [
        wallet::Event::Opened {
            currency: Currency::EUR,
        },
        wallet::Event::ToppedUp {
            key: TransferId::from_bytes([5; 16]),
            amount: minor(500),
            repaid: vec![(operator, minor(40))],
        },
        wallet::Event::Given {
            key: TransferId::from_bytes([6; 16]),
            operator,
            amount: minor(300),
        },
        wallet::Event::Reserved {
            vend,
            terms,
            held: parts,
            revalue: minor(4_000),
            at,
        },
        wallet::Event::Barred { vend },
        wallet::Event::Captured {
            vend,
            rseq,
            operator,
            machine,
            item,
            purpose: Purpose::Sale,
            parts,
            debt: minor(3),
            fee: minor(1),
            review: Review::RefundQueue,
            freed: Some(parts),
            at,
        },
        wallet::Event::Credited {
            vend,
            rseq,
            operator,
            machine,
            amount: minor(500),
            repaid: minor(3),
            credit: Credit::Believed,
            at,
        },
        wallet::Event::CashDoubted {
            vend,
            rseq,
            amount: minor(500),
            at,
        },
        wallet::Event::CashDeclined { vend, rseq },
        wallet::Event::Refunded {
            key,
            vend,
            rseq,
            operator,
            machine,
            parts,
            forgiven: minor(2),
            at,
        },
        wallet::Event::Orphaned { vend, at },
        wallet::Event::Failed { vend, rseq },
        wallet::Event::Excused {
            vend,
            rseq,
            amount: minor(120),
            at,
        },
        wallet::Event::Doubted {
            vend,
            rseq,
            item,
            parts,
            at,
        },
        wallet::Event::Stray {
            vend,
            rseq,
            amount: minor(120),
            reason: StrayReason::OverCap,
        },
        wallet::Event::Closing { vend, rseq },
        wallet::Event::Released {
            vend,
            rseq: Some(rseq),
            reason: Reason::Fenced,
            freed: parts,
            at,
        },
        wallet::Event::Limited {
            key,
            limits: Limits {
                day: Some(minor(1_000)),
                week: None,
                month: Some(minor(9_000)),
            },
        },
        wallet::Event::Sent {
            key,
            to: WalletId::new(43),
            amount: minor(250),
            at,
        },
        wallet::Event::Received {
            key,
            from: Party::Operator(operator),
            amount: minor(250),
            repaid: vec![(operator, minor(40))],
            at,
        },
        wallet::Event::TurnedAway {
            key,
            from: Party::Wallet(WalletId::new(43)),
            amount: minor(250),
        },
        wallet::Event::Delivered { key },
        wallet::Event::Returned {
            key,
            amount: minor(250),
            at,
        },
        wallet::Event::Repaid {
            key,
            repaid: vec![(operator, minor(40))],
        },
        wallet::Event::WrittenOff {
            key,
            operator,
            amount: minor(40),
        },
        wallet::Event::ToppedUpByCard {
            key,
            amount: minor(500),
            repaid: vec![(operator, minor(40))],
        },
        wallet::Event::CardSettled {
            key,
            amount: minor(490),
        },
        wallet::Event::ChargedBack {
            key,
            top_up: TransferId::from_bytes([5; 16]),
            unsettled: minor(10),
            settled: minor(490),
            taken: minor(300),
            owed: minor(200),
        },
        wallet::Event::Disputed {
            key,
            vend,
            rseq,
            operator,
            amount: minor(120),
            at,
        },
        wallet::Event::DisputeEnded {
            key,
            vend,
            rseq,
            operator,
            amount: minor(120),
            favour: Favour::Operator,
            at,
        },
    ];
    let currency = Currency::CHF;
    let operators = [
        operator::Event::Folded {
            upto: Seq::new(77),
            moved: vec![Total {
                currency,
                earned: minor(9_876),
                due: minor(12),
            }],
        },
        operator::Event::PaidOut {
            key,
            currency,
            amount: minor(5_000),
            at,
        },
        operator::Event::PayoutSettled {
            key,
            currency,
            amount: minor(5_000),
        },
        operator::Event::PayoutFailed {
            key,
            currency,
            amount: minor(5_000),
        },
        operator::Event::Promoted {
            key,
            to: WalletId::new(42),
            currency,
            amount: minor(300),
            at,
        },
        operator::Event::Delivered { key },
        operator::Event::Returned {
            key,
            currency,
            amount: minor(300),
        },
        operator::Event::Charged {
            key,
            currency,
            amount: minor(55),
        },
        operator::Event::Deposited {
            key,
            currency,
            amount: minor(7_000),
        },
        operator::Event::Covered {
            key,
            currency,
            amount: minor(12),
        },
    ];
    let sessions = [
        session::Event::Opened {
            machine,
            operator,
            at,
        },
        session::Event::Lapsed,
    ];
    let machines = [
        machine::Event::Registered {
            operator,
            currency: Currency::CHF,
            policy,
        },
        machine::Event::Claimed {
            reader: ReaderId::from_bytes(*b"reader-1"),
        },
        machine::Event::Listed {
            item,
            product: Product {
                name: "espresso lungo".to_owned(),
                price: minor(120),
            },
        },
        machine::Event::Delisted { item },
        machine::Event::LockOrdered {
            version: 5,
            state: LockState::Locked,
        },
        machine::Event::LockCarried { version: 5 },
        machine::Event::LockApplied { version: 5 },
        machine::Event::Tallied {
            reader: ReaderId::from_bytes(*b"reader-1"),
            epoch,
            seq: 9,
            sold: vec![Row {
                item,
                price: 120,
                count: 4,
                value: 480,
            }],
            cash_in: 980,
            errors: 2,
        },
        machine::Event::TookIn {
            reader: ReaderId::from_bytes(*b"reader-1"),
            epoch,
            rseq,
            amount: minor(500),
        },
        machine::Event::Counted {
            key,
            counted: minor(970),
            expected: minor(980),
            at,
        },
    ];
    let readers = [
        reader::Event::Enrolled {
            key: ReaderKey::from_bytes([9; 32]),
            machine,
            operator,
            currency: Currency::EUR,
        },
        reader::Event::Heard {
            epoch,
            first: Chain::from_bytes(*b"thefirst"),
            receipts: vec![receipt, receipt],
            hello: Some(hello),
            ask: Some(Ask {
                nonce,
                vend,
                wallet: WalletId::new(42),
                terms,
            }),
            notices: vec![notice],
            contradiction: Some(Contradiction::Rollback { rseq: 12 }),
            at,
        },
        reader::Event::Applied { epoch, rseq },
        reader::Event::Answered {
            nonce,
            answer: Answer::Granted {
                held: minor(120),
                vends_max: 3,
                revalue_max: minor(4_000),
                balance: minor(777),
            },
        },
        reader::Event::Answered {
            nonce,
            answer: Answer::Funds {
                short_by: minor(20),
                pending: minor(60),
            },
        },
        reader::Event::Fenced { nonce },
        reader::Event::Revoked,
        reader::Event::TokensKept {
            key: Some(TokenKey::from_bytes([0x33; 32])),
            step: 59_000_001,
        },
        reader::Event::Scanned(Box::new(Scanned {
            epoch,
            first: Chain::from_bytes(*b"firstone"),
            receipts: vec![receipt],
            claim: Some((
                Ask {
                    nonce,
                    vend,
                    wallet: WalletId::new(42),
                    terms,
                },
                Used {
                    step: 59_000_002,
                    order: hello.order,
                    epoch,
                    rseq_newest: 12,
                    nonce,
                },
            )),
            contradiction: Some(Contradiction::OldEpoch),
            at,
        })),
        reader::Event::KeyAnnounced(NextKeys {
            epoch: 1,
            key: ReaderKey::from_bytes([0x44; 32]),
            token: Some(TokenKey::from_bytes([0x55; 32])),
        }),
        reader::Event::KeyDisputed { epoch: 1 },
        reader::Event::KeySwitched { epoch: 1 },
        reader::Event::ServerFollowed { epoch: 2 },
        reader::Event::ControllerDoubted {
            vmc: VmcId::from_bytes(*b"vmc-two!"),
        },
        reader::Event::ControllerTrusted,
    ];
    let wallet = WalletId::new(42);
    let reader = ReaderId::from_bytes(*b"reader-1");
    wallets
        .into_iter()
        .chain(a_plain_vend())
        .map(|event| Event::Wallet { wallet, event })
        .chain(sessions.into_iter().map(|event| Event::Session {
            wallet,
            session: vend,
            event,
        }))
        .chain(
            machines
                .into_iter()
                .map(|event| Event::Machine { machine, event }),
        )
        .chain(readers.into_iter().map(|event| Event::Reader {
            reader,
            event: Box::new(event),
        }))
        .chain(operators.into_iter().map(|event| Event::Operator {
            operator,
            event: Box::new(event),
        }))
        .map(|event| Record { at, event })
        .collect()
}

/// What a vend of one product leaves, with figures as they are every day.
fn a_plain_vend() -> Vec<wallet::Event> {
    let vend = VendId::from_bytes([9; 16]);
    let (operator, machine, rseq) = (OperatorId::new(7), MachineId::new(70_001), Rseq::new(17));
    let at = Timestamp::from_millis(1_790_000_000_123);
    let parts = |emoney| Parts {
        closed: minor(20),
        emoney: minor(emoney),
    };
    vec![
        wallet::Event::Reserved {
            vend,
            terms: Terms {
                operator,
                machine,
                cap: minor(2_000),
                least: minor(80),
                vends_max: 1,
                fee_basis_points: 150,
                revalue_max: minor(0),
                purpose: Purpose::Sale,
            },
            held: parts(1_980),
            revalue: minor(0),
            at,
        },
        wallet::Event::Captured {
            vend,
            rseq,
            operator,
            machine,
            item: Item::new(23),
            purpose: Purpose::Sale,
            parts: parts(100),
            debt: minor(0),
            fee: minor(1),
            review: Review::Unneeded,
            freed: None,
            at,
        },
        wallet::Event::Captured {
            vend,
            rseq,
            operator,
            machine,
            item: Item::new(23),
            purpose: Purpose::Sale,
            parts: parts(100),
            debt: minor(0),
            fee: minor(1),
            review: Review::Unneeded,
            freed: Some(parts(1_880)),
            at,
        },
        wallet::Event::Released {
            vend,
            rseq: Some(Rseq::new(18)),
            reason: Reason::Closed,
            freed: parts(1_880),
            at,
        },
        wallet::Event::Released {
            vend,
            rseq: None,
            reason: Reason::TimedOut,
            freed: parts(0),
            at,
        },
    ]
}

fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).expect("small enough");
    bytes
}

#[test]
fn the_layout_on_disk_is_the_one_in_the_golden_file() {
    let mut picture = format!("format {FORMAT}\n");
    for record in one_of_each() {
        for byte in encode(&record) {
            write!(picture, "{byte:02x}").expect("a string takes it");
        }
        picture.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/records-4.hex");
    if std::env::var_os("GETTONE_REWRITE_GOLDEN").is_some() {
        std::fs::write(path, &picture).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    assert!(
        picture == golden,
        "records are laid out otherwise than in {path}: journals already written could not be \
         read. Undo that, or raise FORMAT and read the old one too."
    );
}

#[test]
fn records_written_by_this_format_are_read_again() {
    let golden = include_str!("golden/records-4.hex");
    let records = one_of_each();
    let mut lines = golden.lines();
    assert_eq!(lines.next(), Some("format 4"));
    assert_eq!(golden.lines().count(), 1 + records.len());
    for (line, record) in lines.zip(records) {
        let bytes: Vec<u8> = (0..line.len() / 2)
            .map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).expect("hex"))
            .collect();
        assert_eq!(Record::decode(&bytes), Ok(record));
    }
}

#[test]
fn cut_or_flipped_bytes_are_refused_or_read_as_some_record_but_never_a_panic() {
    for record in one_of_each() {
        let bytes = encode(&record);
        for len in 0..bytes.len() {
            assert_ne!(
                Record::decode(&bytes[..len]),
                Ok(record.clone()),
                "cut at {len}"
            );
        }
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Record::decode(&flipped);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "three events have parts")]
fn a_plain_vend_leaves_less_than_150_or_200_bytes_and_figures_of_any_size_are_kept() {
    let at = Timestamp::from_millis(1_790_000_000_123);
    let wallet = WalletId::new(42);
    let record = |event| Record {
        at,
        event: Event::Wallet { wallet, event },
    };
    let sizes: Vec<usize> = a_plain_vend()
        .into_iter()
        .map(|event| encode(&record(event)).len())
        .collect();
    let [held, sold, done, freed, _] = sizes[..] else {
        panic!("{sizes:?}");
    };
    assert!(held + sold + freed < 200, "{sizes:?}");
    assert!(held + done < 150, "sold and closed at once: {sizes:?}");
    for large in [i64::from(u32::MAX), i64::from(u32::MAX) + 1, -1] {
        for mut event in a_plain_vend() {
            match &mut event {
                wallet::Event::Reserved { held: parts, .. }
                | wallet::Event::Captured {
                    freed: Some(parts), ..
                }
                | wallet::Event::Captured { parts, .. }
                | wallet::Event::Released { freed: parts, .. } => parts.emoney = minor(large),
                _ => {}
            }
            let record = record(event);
            assert_eq!(Record::decode(&encode(&record)), Ok(record));
        }
    }
    for rseq in [u64::from(u32::MAX) - 1, u64::from(u32::MAX), u64::MAX] {
        for mut event in a_plain_vend() {
            match &mut event {
                wallet::Event::Captured { rseq: kept, .. } => *kept = Rseq::new(rseq),
                wallet::Event::Released { rseq: kept, .. } => *kept = Some(Rseq::new(rseq)),
                _ => {}
            }
            let record = record(event);
            assert_eq!(Record::decode(&encode(&record)), Ok(record));
        }
    }
}

#[test]
fn a_record_that_is_too_large_is_neither_written_nor_read() {
    let huge = vec![0; RECORD_MAX + 1];
    assert_eq!(
        Record::decode(&huge),
        Err(RecordFault::TooLarge { len: huge.len() })
    );
}

#[test]
fn an_envelope_full_of_receipts_fits_one_record() {
    let mut records = one_of_each();
    let mut receipts = None;
    for record in &mut records {
        if let Event::Reader { event, .. } = &mut record.event
            && let reader::Event::Heard {
                receipts: found, ..
            } = event.as_mut()
        {
            receipts = Some(found);
        }
    }
    let heard = receipts.expect("one of each has it");
    let one = heard[0];
    *heard = vec![one; reader::NEWS_MAX];
    for record in &mut records {
        let Event::Reader { event, .. } = &mut record.event else {
            continue;
        };
        if let reader::Event::Heard { notices, .. } = event.as_mut() {
            *notices = vec![notices[0]; reader::NOTICES_MAX];
        }
    }
    for record in records {
        assert!(encode(&record).len() <= RECORD_MAX);
    }
}
