//! Kill -9 on a real process that sells, at random moments: what it had printed is there when the
//! journal is opened again, once, and goes on. And the disk that fails at every single write.
//!
//! `GETTONE_KILLS=N` kills more often.

mod play;

use gettone::core::id::WalletId;
use gettone::core::ledger::Account;
use gettone::core::money::Currency;
use gettone::core::wallet::Reason;
use gettone::{Action, Engine, Failure, SessionCommand};
use gettone_store::{File, FileSettings, Kept, Tape};
use play::{Chance, eur, fund, rseq, settings, start, start_on, terms, transfer, vend, vended};
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const KILLS: u64 = 30;
/// After so many a new journal is begun: every start here reads all of it.
const KILLS_OF_ONE_JOURNAL: u64 = 100;
const WALLETS: u64 = 16;
const PRICE: i64 = 60;
/// Vends of one life; a life that sells them all ends by itself, which is no kill.
const VENDS_MAX: u64 = 1_000_000;
/// Where the child keeps its journal, and the number of its first vend.
const CHILD: &str = "GETTONE_KILL_CHILD";

fn files(dir: &Path) -> File {
    let settings = FileSettings {
        segment_bytes: 256 * 1024,
        ..FileSettings::default()
    };
    File::open(dir, settings).expect("nobody else has the directory")
}

fn wallet_of(number: u64) -> WalletId {
    WalletId::new(number % WALLETS)
}

/// Pays in and sells, all of it by names that anybody can make again from the number.
async fn sell(engine: &Engine, number: u64) -> Result<(), String> {
    let (wallet, session) = (wallet_of(number), vend(1_000 + number));
    let paid_in = engine
        .top_up(wallet, transfer(1_000 + number), eur(PRICE))
        .await;
    paid_in.map_err(|failure| failure.to_string())?;
    for action in [
        Action::Begin {
            terms: terms(PRICE),
        },
        Action::Settle {
            rseq: rseq(1),
            outcome: vended(PRICE),
        },
        Action::Release {
            reason: Reason::Closed,
        },
    ] {
        let command = SessionCommand {
            wallet,
            session,
            action,
        };
        let done = engine.session_command(command).await;
        done.map_err(|failure| failure.to_string())?;
    }
    Ok(())
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_of_the_kills() {
    let Ok(told) = env::var(CHILD) else { return };
    let (from, dir) = told.split_once(':').expect("a number and a directory");
    let from: u64 = from.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = Box::new(files(Path::new(dir)));
        let (engine, _) = start_on(store, settings(2)).expect("starts");
        for wallet in 0..WALLETS {
            engine
                .open_wallet(WalletId::new(wallet), Currency::EUR)
                .await
                .expect("opens");
        }
        let sellers: Vec<_> = (0..WALLETS)
            .map(|lane| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let mut number = from + lane;
                    while number < from + VENDS_MAX {
                        sell(&engine, number).await.expect("sells");
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "\nsold {number}").expect("the parent listens");
                        out.flush().expect("the parent listens");
                        number += WALLETS;
                    }
                })
            })
            .collect();
        for seller in sellers {
            seller.await.expect("sells on");
        }
    });
}

/// Lets a child sell until it has sold `enough`, kills it, and gives what it had said.
fn killed(dir: &Path, from: u64, enough: usize) -> Vec<u64> {
    let mut child = Command::new(env::current_exe().expect("this test has a file"))
        .args(["--exact", "child_of_the_kills", "--nocapture"])
        .env(CHILD, format!("{from}:{}", dir.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = child.stdout.take().expect("it has a voice");
    let (mut sold, mut is_killed) = (Vec::new(), false);
    for line in BufReader::new(out).lines() {
        // The last line may be cut off: it says nothing then.
        let Ok(line) = line else { break };
        if let Some(number) = line.strip_prefix("sold ") {
            sold.push(number.parse().expect("a number"));
        }
        if sold.len() >= enough && !is_killed {
            child.kill().expect("it is ours");
            is_killed = true;
        }
    }
    let ended = child.wait().expect("it ends");
    assert!(is_killed, "it ended by itself: {ended}");
    sold
}

#[tokio::test]
async fn what_a_killed_process_had_said_is_there_once() {
    let kills = env::var("GETTONE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let mut dir = tempfile::tempdir().expect("a directory");
    let mut chance = Chance(7);
    let mut said: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut from, mut vends) = (0, 0);
    for kill in 0..kills {
        if kill > 0 && kill.is_multiple_of(KILLS_OF_ONE_JOURNAL) {
            vends += said.len();
            said.clear();
            from = 0;
            dir = tempfile::tempdir().expect("a directory");
        }
        let enough = usize::try_from(chance.below(200)).expect("few");
        let sold = killed(dir.path(), from, enough);
        let last = from + u64::try_from(sold.len()).expect("few") + 10_000;
        for number in sold {
            *said.entry(number).or_default() += 1;
        }
        let (engine, report) =
            start_on(Box::new(files(dir.path())), settings(3)).expect("its books are sound");
        // Whatever was under way when it was killed is done by the same names, or was.
        let unsure: Vec<u64> = (0..WALLETS)
            .filter_map(|lane| {
                let mut ours = (from + lane..last).step_by(16);
                ours.find(|number| !said.contains_key(number))
            })
            .collect();
        for number in &unsure {
            sell(&engine, *number).await.expect("a retry is harmless");
            said.insert(*number, 1);
        }
        for wallet in (0..WALLETS).map(WalletId::new) {
            let balance = engine.balance(wallet).await.expect("answers").into_inner();
            let balance = balance.expect("it was opened");
            assert_eq!(
                (balance.emoney, balance.pending, balance.owed),
                (eur(0), eur(0), eur(0)),
                "kill {kill}: wallet {wallet} has spent what came in"
            );
        }
        engine.shutdown().await.expect("ends cleanly");
        let (engine, after) =
            start_on(Box::new(files(dir.path())), settings(1)).expect("its books are sound");
        assert!(after.records >= report.records);
        let sold = after
            .book
            .balance(Currency::EUR, Account::PayableCovered(play::OPERATOR));
        let fees = after.book.balance(Currency::EUR, Account::Fees);
        let paid = i64::try_from(said.len()).expect("few");
        assert_eq!(
            (sold + fees).minor(),
            paid * PRICE,
            "kill {kill}: every vend is paid, and once"
        );
        engine.shutdown().await.expect("ends cleanly");
        from = last.next_multiple_of(WALLETS);
    }
    println!("{kills} kills, {} vends", vends + said.len());
}

#[tokio::test]
async fn whichever_write_fails_everything_said_before_it_stays() {
    for kept in [Kept::Nothing, Kept::Everything] {
        let mut nth = 0;
        loop {
            nth += 1;
            let tape = Tape::default();
            let (engine, _) = start(&tape, settings(2)).expect("starts");
            tape.fail_append(nth, kept);
            let mut said = 0;
            let mut failed = false;
            for wallet in 0..3 {
                let opened = engine
                    .open_wallet(WalletId::new(wallet), Currency::EUR)
                    .await;
                failed |= opened == Err(Failure::Stopped);
            }
            for number in 0..6 {
                if failed || sell_in(&engine, number).await.is_err() {
                    failed = true;
                    break;
                }
                said += 1;
            }
            let ended = engine.shutdown().await;
            assert_eq!(ended.is_err(), failed, "it tells that it stopped");
            tape.fail_append(u64::MAX, kept);
            let (engine, _) = start(&tape, settings(1)).expect("its books are sound");
            for wallet in 0..3 {
                fund(&engine, WalletId::new(wallet), 1).await;
            }
            for number in 0..6 {
                sell_in(&engine, number).await.expect("a retry is harmless");
            }
            engine.shutdown().await.expect("ends cleanly");
            let (engine, report) = start(&tape, settings(3)).expect("its books are sound");
            let sold = report
                .book
                .balance(Currency::EUR, Account::PayableCovered(play::OPERATOR));
            let fees = report.book.balance(Currency::EUR, Account::Fees);
            assert_eq!((sold + fees).minor(), 6 * PRICE, "write {nth}, {kept:?}");
            engine.shutdown().await.expect("ends cleanly");
            if !failed {
                assert_eq!(said, 6, "nothing failed any more");
                assert!(nth > 20, "there were writes to fail: {nth}");
                break;
            }
        }
    }
}

/// As `sell`, in one of three wallets.
async fn sell_in(engine: &Engine, number: u64) -> Result<(), String> {
    sell(engine, number * WALLETS + number % 3).await
}
