//! Snapshots, wallets that leave memory, and restarts from the last snapshot: nobody can tell the
//! difference by any answer.

mod play;

use gettone::core::id::WalletId;
use gettone::core::money::Currency;
use gettone::core::operator::Refusal;
use gettone::core::port::{Each, Frames, History, Seq, Shelf, Store, StoreFault};
use gettone::core::wallet::{Command, Outcome, Reason};
use gettone::{
    Action, Engine, Failure, OperatorRefusal, SessionCommand, Settings, SnapshotFailure,
};
use gettone_store::{File, FileSettings, Memory, Tape};
use play::{
    Chance, MACHINE, OPERATOR, eur, fund, rseq, seen, settings, start_on, terms, transfer, vend,
    vended,
};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WALLETS: u64 = 24;

/// Keeps as few wallets in memory as it can.
fn forgetful(shards: usize) -> Settings {
    Settings {
        residents_max: 0,
        snapshot_every: None,
        ..settings(shards)
    }
}

fn reopened(tape: &Tape) -> Box<dyn Store> {
    Box::new(Memory::reopen(tape).expect("the engine has let go of it"))
}

/// An engine whose wallets have money and lie on the shelf.
async fn funded_and_at_rest(store: Box<dyn Store>) -> Engine {
    let (engine, _) = start_on(store, forgetful(2)).expect("starts");
    for wallet in wallets() {
        fund(&engine, wallet, 500).await;
    }
    engine.snapshot().await.expect("the shelf takes it");
    engine
}

fn wallets() -> Vec<WalletId> {
    (0..WALLETS).map(WalletId::new).collect()
}

fn action(chance: &mut Chance) -> Action {
    let terms = terms(300);
    match chance.below(8) {
        0 => Action::Open {
            machine: MACHINE,
            operator: OPERATOR,
        },
        1 | 2 => Action::Begin { terms },
        3 => Action::Reserve { terms },
        4 => Action::Release {
            reason: [Reason::Closed, Reason::TimedOut][chance.below(2) as usize],
        },
        5 => Action::Finish {
            rseq: rseq(1 + chance.below(3)),
            outcome: vended(120),
        },
        _ => Action::Settle {
            rseq: rseq(1 + chance.below(3)),
            outcome: [vended(90), Outcome::Failed][chance.below(2) as usize],
        },
    }
}

/// Asks both engines the same thing, and compares what they say.
async fn ask_both(step: u64, chance: &mut Chance, engines: [&Engine; 2]) {
    let [ours, plain] = engines;
    let wallet = WalletId::new(chance.below(WALLETS));
    match chance.below(6) {
        0 => {
            let command = match chance.below(3) {
                0 => Command::Open {
                    currency: Currency::EUR,
                },
                1 => Command::Give {
                    key: transfer(step),
                    operator: OPERATOR,
                    amount: eur(1 + chance.below(300) as i64),
                },
                _ => Command::TopUp {
                    key: transfer(step),
                    amount: eur(1 + chance.below(500) as i64),
                },
            };
            assert_eq!(
                ours.wallet_command(wallet, command).await,
                plain.wallet_command(wallet, command).await,
                "{command:?}"
            );
        }
        1 => {
            let balance = ours.balance(wallet).await.map(|found| found.into_inner());
            let plain = plain.balance(wallet).await.map(|found| found.into_inner());
            assert_eq!(balance, plain);
        }
        2 => {
            let batch: Vec<SessionCommand> =
                (0..chance.below(12)).map(|_| command(chance)).collect();
            assert_eq!(
                ours.session_batch(batch.clone()).await,
                plain.session_batch(batch).await
            );
        }
        3 => {
            let commands: Vec<SessionCommand> =
                (0..chance.below(12)).map(|_| command(chance)).collect();
            let mut told = Vec::new();
            for engine in [ours, plain] {
                let mut pipeline = engine.pipeline();
                for (tag, command) in (0..).zip(&commands) {
                    pipeline.push(tag, *command);
                }
                pipeline.send().expect("there is room");
                let mut answers = Vec::new();
                while pipeline.in_flight() > 0 {
                    pipeline.answers(&mut answers).await;
                }
                answers.sort_unstable_by_key(|answer| answer.tag);
                told.push(answers);
            }
            assert_eq!(told[0], told[1]);
            assert_eq!(told[0].len(), commands.len(), "one answer each");
        }
        _ => {
            let command = command(chance);
            assert_eq!(
                ours.session_command(command).await,
                plain.session_command(command).await,
                "{command:?}"
            );
        }
    }
}

fn command(chance: &mut Chance) -> SessionCommand {
    let wallet = WalletId::new(chance.below(WALLETS));
    SessionCommand {
        wallet,
        session: vend(wallet.number() * 1_000 + chance.below(6)),
        action: action(chance),
    }
}

async fn a_life(seed: u64, open: &dyn Fn() -> Box<dyn Store>) -> u64 {
    let mut chance = Chance(seed);
    let clock = settings(1).clock;
    let (plain, _) = start_on(
        Box::new(Memory::new()),
        Settings {
            clock: clock.clone(),
            ..settings(2)
        },
    )
    .expect("starts");
    let mine = |shards| Settings {
        clock: clock.clone(),
        ..forgetful(shards)
    };
    let (mut ours, _) = start_on(open(), mine(2)).expect("starts");
    let mut snapshots = 0;
    for step in 0..600 {
        if chance.below(40) == 0 {
            ours.snapshot().await.expect("the shelf takes it");
            snapshots += 1;
        }
        if chance.below(100) == 0 {
            ours.shutdown().await.expect("ends cleanly");
            let shards = [1, 2, 3, 7][chance.below(4) as usize];
            (ours, _) = start_on(open(), mine(shards)).expect("starts");
        }
        ask_both(step, &mut chance, [&ours, &plain]).await;
    }
    let expected = seen(&plain, &wallets()).await;
    assert_eq!(seen(&ours, &wallets()).await, expected);
    assert!(ours.metrics().loads > 0, "they did leave");
    assert_eq!(ours.live_sessions(), plain.live_sessions());
    ours.shutdown().await.expect("ends cleanly");
    let (ours, _) = start_on(open(), mine(4)).expect("starts");
    assert_eq!(seen(&ours, &wallets()).await, expected);
    assert_eq!(ours.live_sessions(), plain.live_sessions());
    ours.shutdown().await.expect("ends cleanly");
    plain.shutdown().await.expect("ends cleanly");
    snapshots
}

#[tokio::test]
async fn no_answer_tells_whether_a_wallet_was_in_memory_on_a_tape() {
    for seed in 0..12 {
        println!("seed {seed}");
        let tape = Tape::default();
        let snapshots = a_life(seed, &|| reopened(&tape)).await;
        assert!(snapshots > 3, "there was something to leave for");
    }
}

#[tokio::test]
async fn no_answer_tells_whether_a_wallet_was_in_memory_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    a_life(77, &|| {
        let store = File::open(dir.path(), FileSettings::default());
        Box::new(store.expect("the engine has let go of it"))
    })
    .await;
}

#[tokio::test]
async fn a_restart_reads_only_what_came_after_the_snapshot() {
    let tape = Tape::default();
    let open = || reopened(&tape);
    let engine = funded_and_at_rest(open()).await;
    let before = engine.metrics().records;
    fund(&engine, WalletId::new(1_000), 500).await;
    let expected = seen(&engine, &wallets()).await;
    engine.shutdown().await.expect("ends cleanly");

    let mut shown = Vec::new();
    let late = Settings {
        history_from: Seq::new(u64::MAX),
        ..forgetful(3)
    };
    let engine = Engine::start(open(), late, &mut |seq, _| shown.push(seq)).expect("starts");
    assert_eq!(shown, [], "nobody asked for history");
    assert_eq!(seen(&engine, &wallets()).await, expected);
    engine.shutdown().await.expect("ends cleanly");

    let behind = Settings {
        history_from: Seq::new(before),
        ..forgetful(1)
    };
    let engine = Engine::start(open(), behind, &mut |seq, _| shown.push(seq)).expect("starts");
    let records: Vec<u64> = shown.iter().map(|seq| seq.number()).collect();
    assert_eq!(
        records,
        [before, before + 1, before + 2],
        "a projection goes on behind its checkpoint, also before the cut"
    );
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_damaged_shelf_costs_time_and_nothing_else() {
    let tape = Tape::default();
    let open = || reopened(&tape);
    let engine = funded_and_at_rest(open()).await;
    let expected = seen(&engine, &wallets()).await;
    engine.shutdown().await.expect("ends cleanly");
    tape.damage_shelf();
    let (engine, _) = start_on(open(), forgetful(2)).expect("starts");
    assert_eq!(seen(&engine, &wallets()).await, expected);
    engine.snapshot().await.expect("there is a new one");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_are_taken_by_themselves_and_beside_the_work() {
    let tape = Tape::default();
    let open = || reopened(&tape);
    let busy = Settings {
        snapshot_every: NonZeroU64::new(100),
        residents_max: 8,
        ..settings(2)
    };
    let (engine, _) = start_on(open(), busy).expect("starts");
    for wallet in wallets() {
        fund(&engine, wallet, 1_000_000).await;
    }
    let mut vends = 0;
    while engine.metrics().snapshots < 5 {
        let wallet = WalletId::new(vends % WALLETS);
        for action in [
            Action::Begin { terms: terms(300) },
            Action::Finish {
                rseq: rseq(1),
                outcome: vended(1),
            },
        ] {
            let session = vend(1_000_000 + vends);
            let command = SessionCommand {
                wallet,
                session,
                action,
            };
            engine
                .session_command(command)
                .await
                .expect("there is money");
        }
        vends += 1;
    }
    let expected = seen(&engine, &wallets()).await;
    engine.shutdown().await.expect("ends cleanly");
    for shards in [1, 3] {
        let (engine, _) = start_on(open(), forgetful(shards)).expect("starts");
        assert_eq!(seen(&engine, &wallets()).await, expected);
        engine.shutdown().await.expect("ends cleanly");
    }
}

#[tokio::test]
async fn after_a_snapshot_that_failed_the_engine_goes_on() {
    let tape = Tape::default();
    let open = || reopened(&tape);
    let (engine, _) = start_on(open(), forgetful(2)).expect("starts");
    fund(&engine, WalletId::new(1), 500).await;
    tape.damage_shelf();
    let failed = engine.snapshot().await;
    assert!(
        matches!(failed, Err(SnapshotFailure::Store(_))),
        "{failed:?}"
    );
    let again = engine.snapshot().await;
    assert!(matches!(again, Err(SnapshotFailure::Stopped)), "{again:?}");
    fund(&engine, WalletId::new(2), 500).await;
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start_on(open(), forgetful(2)).expect("starts");
    assert_eq!(report.records, 4);
    engine.shutdown().await.expect("ends cleanly");
}

/// A store that counts the records which are read again from its past.
struct Counting {
    store: Box<dyn Store>,
    read: Arc<AtomicU64>,
}

impl Store for Counting {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        self.store.replay(from, each)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        self.store.append(first, frames)
    }

    fn confirm(&mut self) -> Result<(), StoreFault> {
        self.store.confirm()
    }

    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        self.store.shelf()
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        let past = self.store.history()?;
        let read = Arc::clone(&self.read);
        Some(Arc::new(Counted { past, read }))
    }
}

struct Counted {
    past: Arc<dyn History>,
    read: Arc<AtomicU64>,
}

impl History for Counted {
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault> {
        self.past.read(from, upto, &mut |seq, payload| {
            self.read.fetch_add(1, Ordering::Relaxed);
            each(seq, payload)
        })
    }
}

#[tokio::test]
async fn what_operators_earned_is_added_up_from_the_last_snapshot_on() {
    let memory = Memory::new();
    let tape = memory.tape();
    let read = Arc::new(AtomicU64::new(0));
    let mut store: Box<dyn Store> = Box::new(memory);
    let mut earned = 0;
    for life in 0..3_u64 {
        let counting = Counting {
            store,
            read: Arc::clone(&read),
        };
        let (engine, _) = start_on(Box::new(counting), forgetful(2)).expect("starts");
        for number in 1..=10 {
            let wallet = WalletId::new(number);
            fund(&engine, wallet, 5_000).await;
            let name = vend(life * 100 + number);
            for action in [
                Action::Begin { terms: terms(300) },
                Action::Finish {
                    rseq: rseq(1),
                    outcome: vended(120),
                },
            ] {
                let command = SessionCommand {
                    wallet,
                    session: name,
                    action,
                };
                engine.session_command(command).await.expect("is sold");
            }
            earned += 120;
        }
        read.store(0, Ordering::Relaxed);
        let too_much = (Currency::EUR, eur(1_000_000));
        let refused = engine.pay_out(OPERATOR, transfer(9), too_much).await;
        let Err(Failure::Refused(OperatorRefusal::Rules(Refusal::InsufficientFunds {
            available,
            ..
        }))) = refused
        else {
            panic!("{refused:?}");
        };
        assert!(
            available <= eur(earned) && available >= eur(earned * 9 / 10),
            "what all lives earned, less the fees: {available:?} of {earned}"
        );
        let written = engine.metrics().records;
        let again = read.load(Ordering::Relaxed);
        assert!(
            again <= written + 1,
            "life {life} wrote {written} records and read {again} again"
        );
        engine.snapshot().await.expect("the shelf takes it");
        engine.shutdown().await.expect("ends cleanly");
        store = reopened(&tape);
    }
}
