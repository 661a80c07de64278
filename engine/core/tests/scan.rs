//! What the server makes of codes on show: brief receipts beside whole ones, and one line of orders.

use gettone_core::entity::Entity;
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderKey, Rseq, TokenKey,
    VendId,
};
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::{
    Command, Contradiction, Due, Form, Life, News, Reader, Refusal, SCAN_RECEIPTS_MAX, Scan,
};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::snapshot;
use gettone_core::time::Timestamp;

const EPOCH: JournalEpoch = JournalEpoch::from_bytes([1; 8]);
const FIRST: Chain = Chain::from_bytes([0xee; 8]);

fn chain(rseq: u64) -> Chain {
    match rseq {
        0 => FIRST,
        _ => Chain::from_bytes(rseq.to_be_bytes()),
    }
}

fn receipt(rseq: u64) -> Receipt {
    Receipt {
        rseq: Rseq::new(rseq),
        kind: ReceiptKind::VendOk,
        grant: VendId::from_bytes([9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        item: Item::new(3),
        amount: Amount::from_minor(i64::try_from(100 + rseq).expect("small")),
        order: Order {
            boot: 1,
            uptime_ms: rseq * 10,
        },
        flags: Flags::default(),
        after_ms: 900,
        prev: chain(rseq - 1),
        chain: chain(rseq),
    }
}

fn whole(rseqs: &[u64]) -> Command {
    Command::Hear(News {
        epoch: EPOCH,
        first: FIRST,
        hello: None,
        ask: None,
        receipts: rseqs.iter().map(|rseq| receipt(*rseq)).collect(),
        notices: Vec::new(),
        counters: None,
    })
}

fn brief(rseqs: &[u64], newest: u64) -> Scan {
    Scan {
        step: 5,
        nonce: Nonce::from_bytes([5; 16]),
        order: Order {
            boot: 1,
            uptime_ms: 100_000,
        },
        epoch: EPOCH,
        first: FIRST,
        rseq_newest: newest,
        receipts: rseqs
            .iter()
            .map(|rseq| {
                let low = u32::try_from(rseq & 0xffff_ffff).expect("the low half");
                (low, Form::of(&receipt(*rseq)))
            })
            .collect(),
        ask: None,
    }
}

fn tell(reader: &mut Reader, command: &Command) -> Result<bool, Refusal> {
    let event = reader.decide(command, Timestamp::default())?;
    if let Some(event) = &event {
        reader.evolve(event);
        let mut bytes = Vec::new();
        snapshot::encode(reader, &mut bytes).expect("small enough");
        assert_eq!(
            snapshot::decode(&bytes).as_ref(),
            Ok(&*reader),
            "off a shelf"
        );
    }
    Ok(event.is_some())
}

fn showing() -> Reader {
    let mut reader = Reader::default();
    for command in [
        Command::Enrol {
            key: ReaderKey::from_bytes([9; 32]),
            machine: MachineId::new(1),
            operator: OperatorId::new(1),
            currency: Currency::EUR,
        },
        Command::KeepTokens {
            key: Some(TokenKey::from_bytes([1; 32])),
            step: 0,
        },
    ] {
        tell(&mut reader, &command).expect("allowed");
    }
    reader
}

/// Does all that is due; gives which receipts had their effect.
fn applied(reader: &mut Reader) -> Vec<u64> {
    let mut done = Vec::new();
    while let Some(Due::Apply { epoch, receipt, .. }) = reader.due() {
        done.push(receipt.rseq.number());
        let rseq = receipt.rseq;
        tell(reader, &Command::Apply { epoch, rseq }).expect("allowed");
    }
    done
}

#[test]
fn every_receipt_has_one_effect_in_its_order_however_brief_and_whole_ones_mix() {
    for seed in 1..200_u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) % sides
        };
        let mut reader = showing();
        let mut done = Vec::new();
        for _ in 0..60 {
            let from = 1 + roll(20);
            let rseqs: Vec<u64> = (from..from + 1 + roll(4)).collect();
            let command = match roll(2) {
                0 => whole(&rseqs),
                _ => Command::Scan(brief(&rseqs, 40)),
            };
            tell(&mut reader, &command).expect("honest");
            if roll(3) == 0 {
                done.extend(applied(&mut reader));
            }
        }
        done.extend(applied(&mut reader));
        assert_eq!(reader.life(), Life::Active, "seed {seed}");
        let all: Vec<u64> = (1..=reader.known(EPOCH)).collect();
        assert_eq!(done, all, "seed {seed}");
        // The whole ones fill the ACK's mark afterwards, and change nothing.
        for rseq in 1..=24 {
            tell(&mut reader, &whole(&[rseq])).expect("honest");
        }
        assert_eq!(reader.recorded(EPOCH), Some((24, chain(24))));
        done.extend(applied(&mut reader));
        assert_eq!(done, (1..=24).collect::<Vec<u64>>(), "seed {seed}");
    }
}

#[test]
fn a_whole_receipt_that_differs_from_its_brief_form_is_quarantined_whichever_came_first() {
    let mut other = brief(&[1], 1);
    other.receipts[0].1.amount = Amount::from_minor(1);
    for commands in [
        [Command::Scan(other.clone()), whole(&[1])],
        [whole(&[1]), Command::Scan(other)],
    ] {
        let mut reader = showing();
        for command in &commands {
            tell(&mut reader, command).expect("taken in");
        }
        assert_eq!(reader.life(), Life::Quarantined);
        let found = Some(Contradiction::OtherContent { rseq: 1 });
        assert_eq!(reader.contradiction(), found);
    }
    // The control: the same twice is no contradiction.
    let mut reader = showing();
    for command in [Command::Scan(brief(&[1], 1)), whole(&[1])] {
        tell(&mut reader, &command).expect("taken in");
    }
    assert_eq!(reader.life(), Life::Active);
}

#[test]
fn a_place_is_found_by_its_low_half_also_where_that_has_turned_over() {
    let mut reader = showing();
    let near = u64::from(u32::MAX) + 3;
    // Nothing before is known: it is far beyond what is kept, and taken in by nobody.
    tell(&mut reader, &Command::Scan(brief(&[near - 1, near], near))).expect("honest");
    assert_eq!(reader.known(EPOCH), 0);
    let mut below = brief(&[2], 3);
    below.receipts[0].0 = 9;
    assert_eq!(
        tell(&mut reader, &Command::Scan(below)),
        Ok(false),
        "above the newest"
    );
}

#[test]
fn another_key_of_codes_is_refused_and_the_same_again_is_nothing_new() {
    let mut reader = showing();
    let keep = |key: u8, step| Command::KeepTokens {
        key: Some(TokenKey::from_bytes([key; 32])),
        step,
    };
    assert_eq!(tell(&mut reader, &keep(1, 0)), Ok(false));
    assert_eq!(tell(&mut reader, &keep(2, 9)), Err(Refusal::OtherTokenKey));
    assert_eq!(tell(&mut reader, &keep(1, 7)), Ok(true));
    assert_eq!(tell(&mut reader, &keep(1, 6)), Ok(false));
    assert_eq!(reader.last_step(), 7, "steps never go back");
}

#[test]
fn a_code_of_a_reader_without_a_key_or_with_too_much_news_is_refused() {
    let mut without = Reader::default();
    let enrol = Command::Enrol {
        key: ReaderKey::from_bytes([9; 32]),
        machine: MachineId::new(1),
        operator: OperatorId::new(1),
        currency: Currency::EUR,
    };
    tell(&mut without, &enrol).expect("allowed");
    let scan = Command::Scan(brief(&[1], 1));
    assert_eq!(tell(&mut without, &scan), Err(Refusal::NoTokens));
    let many: Vec<u64> = (1..=SCAN_RECEIPTS_MAX as u64 + 1).collect();
    let scan = Command::Scan(brief(&many, 9));
    assert_eq!(tell(&mut showing(), &scan), Err(Refusal::TooMuch));
}
