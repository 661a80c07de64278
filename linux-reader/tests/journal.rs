//! The journal against torn files, flipped bits and crashes between any two records.

use gettone_core::board::{Limits, Outcome, Past, Record, Stamp, Written};
use gettone_core::id::{Chain, Item, JournalEpoch, Order, Rseq, VendId};
use gettone_core::money::Amount;
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::time::Timestamp;
use gettone_reader::{Ending, Journal, Opening};
use gettone_relay::chain_of;
use std::fs;
use std::path::Path;
use std::time::Duration;

const EPOCH: JournalEpoch = JournalEpoch::from_bytes([0xe1; 8]);

fn opening(boot: u32) -> Opening {
    Opening {
        fresh_epoch: EPOCH,
        ending: None,
        stamp: Stamp {
            order: Order { boot, uptime_ms: 5 },
            utc: Timestamp::default(),
        },
        limits: Limits::PROTOCOL,
    }
}

fn intent(past: &Past) -> Record {
    Record::Intent {
        rseq: Rseq::new(past.last.number() + 1),
        grant: VendId::from_bytes([4; 16]),
        item: Item::new(23),
        price: 120,
    }
}

fn receipt(rseq: Rseq, prev: Chain, kind: ReceiptKind) -> Written {
    let mut written = Written {
        receipt: Receipt {
            rseq,
            kind,
            grant: VendId::from_bytes([4; 16]),
            item: Item::new(23),
            amount: Amount::from_minor(120),
            order: Order {
                boot: 1,
                uptime_ms: 77,
            },
            flags: Flags::default(),
            after_ms: 2_000,
            prev,
            chain: prev,
        },
        utc: Timestamp::default(),
    };
    written.receipt.chain = chain_of(&written);
    written
}

/// Two vends, their CLOSE, an ACK and a third INTENT: each with the length after it.
fn small_journal(place: &Path) -> Vec<(Record, u64)> {
    let (mut journal, _) = Journal::open(place, &opening(1)).expect("new");
    let mut steps = Vec::new();
    let past = journal.past().expect("nothing is open");
    let (mut last, mut chain) = (past.last, past.chain);
    let mut records = vec![];
    for kind in [
        ReceiptKind::VendOk,
        ReceiptKind::VendFail,
        ReceiptKind::Close,
    ] {
        let next = Rseq::new(last.number() + 1);
        if kind != ReceiptKind::Close {
            records.push(Record::Intent {
                rseq: next,
                grant: VendId::from_bytes([4; 16]),
                item: Item::new(23),
                price: 120,
            });
        }
        let written = receipt(next, chain, kind);
        (last, chain) = (next, written.receipt.chain);
        records.push(Record::Receipt(written));
    }
    records.push(Record::Acked(Rseq::new(2)));
    records.push(Record::Intent {
        rseq: Rseq::new(last.number() + 1),
        grant: VendId::from_bytes([5; 16]),
        item: Item::new(7),
        price: 90,
    });
    for record in records {
        journal.append(&record).expect("room");
        let len = fs::metadata(place.join("journal")).expect("there").len();
        steps.push((record, len));
    }
    steps
}

fn kinds(past: &Past) -> Vec<ReceiptKind> {
    past.outbox
        .kept()
        .map(|written| written.receipt.kind)
        .collect()
}

/// Each receipt that is there is one that was written, or the ending of an INTENT that was.
fn check_nothing_is_invented(past: &Past, steps: &[(Record, u64)], what: &str) {
    for kept in past.outbox.kept() {
        let is_known = kept.receipt.kind == ReceiptKind::EpochStart
            || steps.iter().any(|(record, _)| match record {
                Record::Receipt(written) => written == kept,
                Record::Intent { rseq, grant, .. } => {
                    kept.receipt.kind == ReceiptKind::VendUnknown
                        && kept.receipt.rseq == *rseq
                        && kept.receipt.grant == *grant
                }
                Record::RevalueIntent { .. }
                | Record::ReturnIntent { .. }
                | Record::Acked(_)
                | Record::Locked(_)
                | Record::Counted { .. }
                | Record::Totals { .. }
                | Record::Noticed(_)
                | Record::NoticesAcked(_)
                | Record::StepsReserved(_)
                | Record::TokensBegun
                | Record::Covered(_) => false,
            });
        assert!(is_known, "{what}: {kept:?} was never written");
    }
}

#[test]
fn a_journal_cut_anywhere_keeps_what_is_whole_and_invents_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let steps = small_journal(place.path());
    let bytes = fs::read(place.path().join("journal")).expect("there");
    for cut in 0..=bytes.len() {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("journal"), &bytes[..cut]).expect("room");
        let (journal, _) = Journal::open(place.path(), &opening(2)).expect("usable");
        let past = journal.past().expect("nothing is open");
        check_nothing_is_invented(&past, &steps, &format!("cut at {cut}"));
        let whole = steps.iter().filter(|(record, len)| {
            let cut = u64::try_from(cut).expect("small");
            matches!(record, Record::Receipt(_)) && *len <= cut
        });
        let vends = kinds(&past)
            .iter()
            .filter(|kind| !matches!(kind, ReceiptKind::EpochStart | ReceiptKind::VendUnknown))
            .count();
        assert_eq!(vends, whole.count(), "cut at {cut}");
        // What was repaired is read again as it is.
        drop(journal);
        let (again, repair) = Journal::open(place.path(), &opening(3)).expect("usable");
        assert_eq!(again.past(), Some(past), "cut at {cut}");
        assert_eq!((repair.cut_len, repair.ended), (0, None), "cut at {cut}");
    }
}

#[test]
fn one_flipped_bit_anywhere_invents_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let steps = small_journal(place.path());
    let path = place.path().join("journal");
    let bytes = fs::read(&path).expect("there");
    // One bit of each byte, each time another one: the check treats all eight alike.
    for bit in (0..bytes.len()).map(|byte| byte * 8 + byte % 8) {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("journal"), &bytes).expect("room");
        let (journal, _) = Journal::open(place.path(), &opening(2)).expect("usable");
        let past = journal.past().expect("nothing is open");
        check_nothing_is_invented(&past, &steps, &format!("bit {bit}"));
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides = u64::try_from(sides.max(1)).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % sides).expect("small")
    }

    /// Parts cut out, put in twice, moved, overwritten, or all of it replaced by noise.
    fn mangle(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.roll(3) {
            let (from, to) = (self.roll(bytes.len()), self.roll(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            match self.roll(6) {
                0 => drop(bytes.drain(from.min(to)..from.max(to))),
                1 => drop(bytes.splice(to..to, part)),
                2 => bytes.extend(part),
                3 => bytes[from.min(to)..from.max(to)].fill(0),
                4 => bytes[from] = bytes[to],
                _ => bytes[from.min(to)..]
                    .iter_mut()
                    .for_each(|byte| *byte = u8::try_from(self.roll(256)).expect("a byte")),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        bytes
    }
}

#[test]
fn no_mangled_journal_panics_or_invents_anything() {
    let place = tempfile::tempdir().expect("a directory");
    let steps = small_journal(place.path());
    let bytes = fs::read(place.path().join("journal")).expect("there");
    let place = tempfile::tempdir().expect("a directory");
    for seed in 0..400 {
        let mangled = Dice(seed).mangle(bytes.clone());
        fs::write(place.path().join("journal"), &mangled).expect("room");
        let (journal, _) = Journal::open(place.path(), &opening(2)).expect("usable");
        let past = journal.past().expect("nothing is open");
        check_nothing_is_invented(&past, &steps, &format!("seed {seed}"));
    }
}

#[test]
fn an_intent_left_open_ends_unknown_once() {
    let place = tempfile::tempdir().expect("a directory");
    let steps = small_journal(place.path());
    let (journal, repair) = Journal::open(place.path(), &opening(2)).expect("usable");
    assert_eq!(repair.ended, Some(Rseq::new(5)));
    let past = journal.past().expect("nothing is open");
    assert_eq!(kinds(&past).last(), Some(&ReceiptKind::VendUnknown));
    check_nothing_is_invented(&past, &steps, "whole");
    drop(journal);
    let (journal, repair) = Journal::open(place.path(), &opening(3)).expect("usable");
    assert_eq!(repair.ended, None);
    assert_eq!(journal.past(), Some(past));
}

#[test]
fn the_result_page_ends_an_open_intent_as_it_really_ended() {
    for (outcome, kind) in [
        (Outcome::Delivered, ReceiptKind::VendOk),
        (Outcome::Failed, ReceiptKind::VendFail),
        (Outcome::ByReset, ReceiptKind::VendOk),
        (Outcome::Partly { charged: 40 }, ReceiptKind::VendOk),
    ] {
        let place = tempfile::tempdir().expect("a directory");
        small_journal(place.path());
        let ending = Ending {
            epoch: EPOCH,
            rseq: Rseq::new(5),
            outcome,
            after: Duration::from_millis(1_500),
        };
        let page = Opening {
            ending: Some(ending),
            ..opening(2)
        };
        let (journal, _) = Journal::open(place.path(), &page).expect("usable");
        let past = journal.past().expect("nothing is open");
        assert_eq!(kinds(&past).last(), Some(&kind), "{outcome:?}");
        // A part of what was approved is charged as that part, also after a crash.
        let charged = match outcome {
            Outcome::Partly { charged } => i64::from(charged),
            Outcome::Delivered | Outcome::Failed | Outcome::ByReset => 90,
        };
        let last = past.outbox.kept().last().expect("it was ended");
        assert_eq!(last.receipt.amount.minor(), charged, "{outcome:?}");
    }
}

#[test]
fn what_was_being_taken_back_is_credited_by_the_page_alone() {
    let intent = |rseq| Record::ReturnIntent {
        rseq,
        grant: VendId::from_bytes([5; 16]),
        item: Item::new(7),
        value: 25,
    };
    for (outcome, kind) in [
        (Some(Outcome::Delivered), ReceiptKind::NegativeVend),
        (Some(Outcome::Failed), ReceiptKind::RevalueFail),
        (Some(Outcome::ByReset), ReceiptKind::RevalueFail),
        (None, ReceiptKind::RevalueUnknown),
    ] {
        let place = tempfile::tempdir().expect("a directory");
        let (mut journal, _) = Journal::open(place.path(), &opening(1)).expect("new");
        let past = journal.past().expect("nothing is open");
        let rseq = Rseq::new(past.last.number() + 1);
        journal.append(&intent(rseq)).expect("room");
        drop(journal);
        let ending = outcome.map(|outcome| Ending {
            epoch: EPOCH,
            rseq,
            outcome,
            after: Duration::from_millis(1_500),
        });
        let page = Opening {
            ending,
            ..opening(2)
        };
        let (journal, repair) = Journal::open(place.path(), &page).expect("usable");
        assert_eq!(repair.ended, Some(rseq), "{outcome:?}");
        let past = journal.past().expect("nothing is open");
        let last = past.outbox.kept().last().expect("it was ended").receipt;
        assert_eq!(
            (last.kind, last.item, last.amount.minor()),
            (kind, Item::new(7), 25)
        );
        assert!(last.flags.has(Flags::NEGATIVE), "{outcome:?}");
    }
}

#[test]
fn a_page_of_another_vend_or_another_journal_ends_nothing() {
    for (epoch, rseq) in [(EPOCH, 4), (JournalEpoch::from_bytes([1; 8]), 5)] {
        let place = tempfile::tempdir().expect("a directory");
        small_journal(place.path());
        let ending = Ending {
            epoch,
            rseq: Rseq::new(rseq),
            outcome: Outcome::Delivered,
            after: Duration::from_millis(1_500),
        };
        let page = Opening {
            ending: Some(ending),
            ..opening(2)
        };
        let (journal, _) = Journal::open(place.path(), &page).expect("usable");
        let past = journal.past().expect("nothing is open");
        assert_eq!(kinds(&past).last(), Some(&ReceiptKind::VendUnknown));
    }
}

#[test]
fn a_crash_between_any_two_records_leaves_one_receipt_for_each_intent() {
    let place = tempfile::tempdir().expect("a directory");
    let steps = small_journal(place.path());
    let bytes = fs::read(place.path().join("journal")).expect("there");
    for (count, (_, len)) in (1..).zip(&steps) {
        let place = tempfile::tempdir().expect("a directory");
        let cut = usize::try_from(*len).expect("small");
        fs::write(place.path().join("journal"), &bytes[..cut]).expect("room");
        let (journal, _) = Journal::open(place.path(), &opening(2)).expect("usable");
        let past = journal.past().expect("nothing is open");
        for (record, _) in steps.iter().take(count) {
            if let Record::Intent { rseq, .. } = record {
                let places = past.outbox.kept().map(|written| written.receipt.rseq);
                assert_eq!(places.filter(|place| place == rseq).count(), 1);
            }
        }
    }
}

#[test]
fn a_long_life_stays_in_a_small_file_and_forgets_only_what_is_acknowledged() {
    let place = tempfile::tempdir().expect("a directory");
    let small = Opening {
        limits: Limits {
            acked_kept_max: 10,
            ..Limits::PROTOCOL
        },
        ..opening(1)
    };
    let (mut journal, _) = Journal::open(place.path(), &small).expect("new");
    let past = journal.past().expect("nothing is open");
    let (mut last, mut chain) = (past.last, past.chain);
    // Each vend is about 120 bytes; this makes more than the file may ever hold.
    let vends = 12_000;
    for _ in 0..vends {
        let next = Rseq::new(last.number() + 1);
        let past = Past {
            last,
            ..past.clone()
        };
        journal.append_unsynced(&intent(&past)).expect("room");
        let written = receipt(next, chain, ReceiptKind::VendOk);
        (last, chain) = (next, written.receipt.chain);
        journal
            .append_unsynced(&Record::Receipt(written))
            .expect("room");
        if last.number() % 100 == 0 {
            let acked = Rseq::new(last.number() - 20);
            journal
                .append_unsynced(&Record::Acked(acked))
                .expect("room");
        }
    }
    let past = journal.past().expect("nothing is open");
    let len = fs::metadata(place.path().join("journal"))
        .expect("there")
        .len();
    assert!(len < 2 * 1024 * 1024, "{len} bytes");
    drop(journal);
    let (journal, repair) = Journal::open(place.path(), &small).expect("usable");
    assert_eq!((repair.cut_len, repair.ended), (0, None));
    let again = journal.past().expect("nothing is open");
    assert_eq!(again.last, past.last);
    assert_eq!(again.chain, past.chain);
    assert_eq!(again.outbox.unacked(), past.outbox.unacked());
}
