//! What a journal gives back: the same state, under any number of shards, whatever was retried.

mod play;

use gettone::core::id::WalletId;
use gettone::core::money::Currency;
use gettone::core::port::Store;
use gettone::core::wallet::{Command, Outcome, Reason, Verdict};
use gettone::{Action, Engine, SessionCommand};
use gettone_store::{File, FileSettings, Memory, Tape};
use play::{Chance, OPERATOR, eur, rseq, seen, settings, start_on, terms, transfer, vend, vended};
use std::sync::Arc;
use tokio::sync::Barrier;

const WALLETS: u64 = 12;
const TASKS: u64 = 4;
const STEPS: u64 = 400;

fn wallets() -> Vec<WalletId> {
    (0..WALLETS).map(WalletId::new).collect()
}

/// Random commands on wallets that several tasks share; each is given twice, and the second time
/// must move nothing.
async fn stroll(engine: &Engine, seed: u64, task: u64) {
    let mut chance = Chance(seed.wrapping_mul(1_000).wrapping_add(task));
    for step in 0..STEPS {
        let wallet = WalletId::new(chance.below(WALLETS));
        // Names of one task only: else a retry may follow somebody else's step with that name.
        let session = vend(task * 1_000_000 + wallet.number() * 1_000 + chance.below(8));
        if chance.below(4) == 0 {
            let command = match chance.below(4) {
                0 => Command::Open {
                    currency: Currency::EUR,
                },
                1 => Command::Give {
                    key: transfer(task * 1_000_000 + step),
                    operator: OPERATOR,
                    amount: eur(1 + chance.below(300) as i64),
                },
                2 => Command::Judge {
                    vend: session,
                    rseq: rseq(1 + chance.below(4)),
                    verdict: if chance.below(2) == 0 {
                        Verdict::Charge
                    } else {
                        Verdict::Forgive
                    },
                },
                _ => Command::TopUp {
                    key: transfer(task * 1_000_000 + step),
                    amount: eur(1 + chance.below(500) as i64),
                },
            };
            if engine.wallet_command(wallet, command).await.is_ok() {
                let again = engine.wallet_command(wallet, command).await;
                // A doubt that was judged is gone: that is told, and moves nothing.
                assert!(
                    again.as_ref().map_or(true, |moved| moved.event.is_none()),
                    "seed {seed}: {command:?} moved twice: {again:?}"
                );
            }
        } else {
            let action = match chance.below(8) {
                0 => Action::Open {
                    machine: terms(0).machine,
                    operator: OPERATOR,
                },
                1 => Action::Begin { terms: terms(300) },
                2 | 3 => Action::Reserve { terms: terms(300) },
                4 => Action::Release {
                    reason: [Reason::Closed, Reason::Fenced, Reason::TimedOut]
                        [chance.below(3) as usize],
                },
                _ => Action::Settle {
                    rseq: rseq(1 + chance.below(4)),
                    outcome: match chance.below(4) {
                        0 => Outcome::Failed,
                        1 => Outcome::Unknown {
                            item: gettone::core::id::Item::new(1),
                            amount: eur(90),
                        },
                        2 => Outcome::Closed {
                            count: 1,
                            total: eur(120),
                        },
                        _ => vended(120),
                    },
                },
            };
            let command = SessionCommand {
                wallet,
                session,
                action,
            };
            if engine.session_command(command).await.is_ok() {
                let again = engine.session_command(command).await;
                assert!(
                    again.as_ref().map_or(true, |done| done.event.is_none()),
                    "seed {seed}: {command:?} moved twice: {again:?}"
                );
            }
        }
    }
}

async fn a_day(seed: u64, open: &dyn Fn() -> Box<dyn Store>) -> (u64, usize) {
    let (engine, _) = start_on(open(), settings(3)).expect("starts");
    let together = Arc::new(Barrier::new(TASKS as usize));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (engine, together) = (engine.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                stroll(&engine, seed, task).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the stroll ends");
    }
    let (before, live) = (seen(&engine, &wallets()).await, engine.live_sessions());
    engine.shutdown().await.expect("ends cleanly");
    let mut records = 0;
    for shards in [1, 2, 7] {
        let (engine, report) = start_on(open(), settings(shards)).expect("starts");
        records = report.records;
        assert_eq!(
            seen(&engine, &wallets()).await,
            before,
            "seed {seed}, {shards} shards"
        );
        assert_eq!(engine.live_sessions(), live, "seed {seed}, {shards} shards");
        engine.shutdown().await.expect("ends cleanly");
    }
    (records, live)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_back_every_wallet_whatever_the_shards_in_memory() {
    for seed in 0..6 {
        let tape = Tape::default();
        let (records, live) = a_day(seed, &|| {
            Box::new(Memory::reopen(&tape).expect("the engine has let go of it"))
        })
        .await;
        assert!(
            records > 200 && live > 0,
            "the day was not empty: {records}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_back_every_wallet_whatever_the_shards_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = FileSettings {
        segment_bytes: 64 * 1024,
        ..FileSettings::default()
    };
    a_day(99, &|| {
        Box::new(File::open(dir.path(), file).expect("the engine has let go of it"))
    })
    .await;
}
