//! An engine on files whose disk fails, is full, turned a bit, or was written by another version.

mod play;

use gettone::core::id::WalletId;
use gettone::core::ledger::Account;
use gettone::core::money::Currency;
use gettone::core::port::{Frames, Seq, Store, StoreFault};
use gettone::core::record::{FORMAT, Record};
use gettone::{Action, Engine, SessionCommand, StopCause};
use gettone_store::platter::{Lost, Platter, Trouble};
use gettone_store::{File, FileSettings, Upkeep};
use play::{OPERATOR, eur, rseq, settings, start_on, terms, transfer, vend, vended};
use std::io::ErrorKind;
use std::sync::Arc;

const PRICE: i64 = 60;
const WALLETS: u64 = 2;
/// A day that fills a segment, and one that fills several.
const VENDS: u64 = 14;
const MANY_VENDS: u64 = 50;

fn small() -> FileSettings {
    FileSettings {
        segment_bytes: 4 * 1024,
        upkeep: Upkeep::ByHand,
        ..FileSettings::default()
    }
}

fn files(disk: &Platter) -> Result<File, StoreFault> {
    File::open_on(Arc::new(disk.clone()), small())
}

/// Pays in and sells, by names that anybody can make again; gives how much of it was done.
async fn day(engine: &Engine, vends: u64) -> u64 {
    let mut done = 0;
    for wallet in (0..WALLETS).map(WalletId::new) {
        if engine.open_wallet(wallet, Currency::EUR).await.is_err() {
            return done;
        }
    }
    for number in 0..vends {
        let (wallet, session) = (WalletId::new(number % WALLETS), vend(1_000 + number));
        let paid_in = engine.top_up(wallet, transfer(number), eur(PRICE)).await;
        if paid_in.is_err() {
            return done;
        }
        for action in [
            Action::Begin {
                terms: terms(PRICE),
            },
            Action::Finish {
                rseq: rseq(1),
                outcome: vended(PRICE),
            },
        ] {
            let command = SessionCommand {
                wallet,
                session,
                action,
            };
            if engine.session_command(command).await.is_err() {
                return done;
            }
        }
        done += 1;
    }
    done
}

/// What was sold, by the books of a disk, after everything has been asked once more.
async fn sold(disk: &Platter, vends: u64) -> i64 {
    let store = files(disk).expect("it opens again");
    let (engine, _) = start_on(Box::new(store), settings(1)).expect("its books are sound");
    assert_eq!(day(&engine, vends).await, vends, "a retry is harmless");
    engine.shutdown().await.expect("ends cleanly");
    let store = files(disk).expect("it opens again");
    let (engine, report) = start_on(Box::new(store), settings(2)).expect("its books are sound");
    engine.shutdown().await.expect("ends cleanly");
    let balance = |account| report.book.balance(Currency::EUR, account);
    (balance(Account::PayableCovered(OPERATOR)) + balance(Account::Fees)).minor()
}

/// How many vends a disk remembers.
async fn remembered(disk: &Platter, vends: u64) -> u64 {
    let store = files(disk).expect("it opens again");
    let (engine, _) = start_on(Box::new(store), settings(2)).expect("its books are sound");
    let mut count = 0;
    for wallet in (0..WALLETS).map(WalletId::new) {
        let wallet = engine.wallet(wallet).await.expect("answers").into_inner();
        let Some(wallet) = wallet else { continue };
        let sales = (0..vends).filter(|number| {
            let live = wallet.grant(vend(1_000 + number));
            let past = wallet.past(vend(1_000 + number));
            let captured = live.map(|grant| grant.captured);
            captured.or(past.map(|past| past.captured)) == Some(eur(PRICE))
        });
        count += u64::try_from(sales.count()).expect("few");
    }
    engine.shutdown().await.expect("ends cleanly");
    count
}

#[tokio::test]
async fn whichever_write_or_sync_of_the_files_fails_what_was_told_stays() {
    for lost in [Lost::Nothing, Lost::Everything, Lost::Some(7)] {
        let mut steps = 0;
        for nth in 1.. {
            let disk = Platter::default();
            disk.trouble(nth, Trouble::Failure);
            let mut told = 0;
            if let Ok(store) = files(&disk)
                && let Ok((engine, _)) = start_on(Box::new(store), settings(2))
            {
                told = day(&engine, VENDS).await;
                let ended = engine.shutdown().await;
                assert_eq!(ended.is_err(), told < VENDS, "it tells that it stopped");
            }
            let is_over = disk.steps() < nth;
            disk.restart(lost);
            assert!(
                remembered(&disk, VENDS).await >= told,
                "step {nth}, {lost:?}"
            );
            let all = i64::try_from(VENDS).expect("few") * PRICE;
            assert_eq!(
                sold(&disk, VENDS).await,
                all,
                "step {nth}, {lost:?}: each once"
            );
            if is_over {
                break;
            }
            steps = nth;
        }
        assert!(steps > 40, "there were steps to fail: {steps}");
    }
}

#[tokio::test]
async fn a_full_disk_approves_nothing_more_and_the_day_goes_on_once_there_is_room() {
    let mut stopped = 0;
    for room in (4..24).map(|quarters| quarters * 1_024) {
        let disk = Platter::default();
        disk.room(Some(room));
        let mut told = 0;
        if let Ok(store) = files(&disk) {
            let (engine, _) = start_on(Box::new(store), settings(2)).expect("it is empty");
            told = day(&engine, MANY_VENDS).await;
            if told < MANY_VENDS {
                let cause = engine.stopped();
                assert!(
                    matches!(
                        cause.as_deref(),
                        Some(StopCause::Store(StoreFault::Io { source, .. }))
                            if source.kind() == ErrorKind::StorageFull
                    ),
                    "{cause:?}"
                );
                stopped += 1;
            }
            let ended = engine.shutdown().await;
            assert_eq!(ended.is_err(), told < MANY_VENDS);
        }
        disk.room(None);
        disk.restart(Lost::Everything);
        assert!(
            remembered(&disk, MANY_VENDS).await >= told,
            "room for {room} bytes"
        );
        let all = i64::try_from(MANY_VENDS).expect("few") * PRICE;
        assert_eq!(sold(&disk, MANY_VENDS).await, all, "room for {room} bytes");
    }
    assert!(stopped > 0, "some were full in the middle of the day");
}

#[tokio::test]
async fn a_flipped_bit_is_told_or_costs_the_torn_end_and_invents_nothing() {
    let disk = Platter::default();
    let store = files(&disk).expect("an empty disk");
    let mut written: Vec<Record> = Vec::new();
    let (engine, _) = start_on(Box::new(store), settings(1)).expect("starts");
    engine
        .open_wallet(WalletId::new(0), Currency::EUR)
        .await
        .expect("opens");
    engine
        .top_up(WalletId::new(0), transfer(1), eur(PRICE))
        .await
        .expect("takes the money");
    engine.shutdown().await.expect("ends cleanly");
    let mut store = files(&disk.copy()).expect("opens again");
    let read = store.replay(Seq::FIRST, &mut |_, payload| {
        written.push(Record::decode(payload).expect("we wrote it"));
        Ok(())
    });
    read.expect("it is sound");
    assert_eq!(written.len(), 2);
    drop(store);

    let name = "0000000000000001.seg";
    let bytes = disk.bytes(name).expect("the first segment");
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("it is used")
        + 1;
    let (mut refused, mut shorter, mut same) = (0, 0, 0);
    for bit in 0..used * 8 {
        let copy = disk.copy();
        copy.flip(name, bit);
        let Ok(store) = files(&copy) else {
            refused += 1;
            continue;
        };
        let mut found = Vec::new();
        let mut show = |_: Seq, record: &Record| found.push(record.clone());
        let Ok(engine) = Engine::start(Box::new(store), settings(1), &mut show) else {
            refused += 1;
            continue;
        };
        assert!(written.starts_with(&found), "bit {bit}: {found:?}");
        if found.len() < written.len() {
            shorter += 1;
        } else {
            same += 1;
        }
        engine.shutdown().await.expect("ends cleanly");
    }
    println!("{refused} refused, {shorter} without the end, {same} as before");
    assert!(refused > 0 && shorter > 0, "both are seen");
}

#[test]
fn journals_of_earlier_formats_are_refused_and_both_formats_named() {
    for format in 1..FORMAT {
        let disk = Platter::default();
        let earlier = FileSettings { format, ..small() };
        let mut store = File::open_on(Arc::new(disk.clone()), earlier).expect("an empty disk");
        let mut frames = Frames::default();
        frames.push(b"a record of that format");
        store.append(Seq::FIRST, &frames).expect("there is room");
        drop(store);
        let fault = files(&disk).expect_err("it cannot be read");
        assert!(
            matches!(fault, StoreFault::OtherFormat { found, ours, .. } if (found, ours) == (format, FORMAT)),
            "{fault:?}"
        );
        let words = fault.to_string();
        assert!(
            words.contains(&format!("format {format}"))
                && words.contains(&format!("format {FORMAT}")),
            "{words}"
        );
    }
}
