//! What the engine does at its bounds, and with callers of every kind.

mod play;

use gettone::core::id::{MachineId, OperatorId, WalletId};
use gettone::core::money::Currency;
use gettone::core::session::Phase;
use gettone::core::wallet::{Reason, Refusal};
use gettone::{
    Action, Engine, Failure, Lagged, SessionCommand, SessionRefusal, Settings, StartFault,
};
use gettone_store::{File, FileSettings, Memory, Tape};
use play::{MACHINE, OPERATOR, eur, fund, rseq, settings, start, terms, transfer, vend, vended};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

const ANN: WalletId = WalletId::new(1);
const BOB: WalletId = WalletId::new(2);

#[tokio::test]
async fn a_call_without_a_credit_is_told_to_come_back() {
    let tape = Tape::default();
    let few = Settings {
        in_flight_max: 4,
        ..settings(2)
    };
    let (engine, _) = start(&tape, few).expect("starts");
    tape.hold();
    let waiting: Vec<_> = (0..4)
        .map(|wallet| {
            let engine = engine.clone();
            let open = async move {
                engine
                    .open_wallet(WalletId::new(wallet), Currency::EUR)
                    .await
            };
            tokio::spawn(open)
        })
        .collect();
    while engine.in_flight() < 4 {
        tokio::task::yield_now().await;
    }
    let turned_away = engine.open_wallet(WalletId::new(9), Currency::EUR).await;
    assert!(matches!(turned_away, Err(Failure::Busy { .. })));
    assert_eq!(engine.metrics().busy, 1);
    tape.resume();
    for call in waiting {
        call.await.expect("ends").expect("opens");
    }
    assert_eq!(engine.in_flight(), 0, "every credit is back");
    engine
        .open_wallet(WalletId::new(9), Currency::EUR)
        .await
        .expect("there is room again");
    let batch = vec![
        SessionCommand {
            wallet: ANN,
            session: vend(1),
            action: Action::Release {
                reason: Reason::Closed
            },
        };
        5
    ];
    for answer in engine.session_batch(batch).await {
        assert!(matches!(answer, Err(Failure::Full { limit: 4, .. })));
    }
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_call_whose_time_is_up_is_told_and_was_done_once() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(1)).expect("starts");
    fund(&engine, ANN, 500).await;
    engine.shutdown().await.expect("ends cleanly");

    let hasty = Settings {
        deadline: Duration::from_millis(20),
        in_flight_max: 1,
        ..settings(1)
    };
    let (engine, _) = start(&tape, hasty).expect("starts");
    tape.hold();
    let unknown = engine.top_up(ANN, transfer(5), eur(70)).await;
    assert_eq!(unknown, Err(Failure::TimedOut));
    let next = engine.top_up(ANN, transfer(6), eur(1)).await;
    assert!(
        matches!(next, Err(Failure::Busy { .. })),
        "a disk that hangs gathers no more calls than there are credits"
    );
    tape.resume();
    engine.shutdown().await.expect("what was begun is finished");

    let (engine, _) = start(&tape, settings(1)).expect("starts");
    let again = engine
        .top_up(ANN, transfer(5), eur(70))
        .await
        .expect("answers");
    assert_eq!(again.event, None, "it was done");
    assert_eq!(again.balance.emoney, eur(570), "once");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_session_meets_each_command_by_this_table() {
    let (engine, _) = start(&Tape::default(), settings(1)).expect("starts");
    fund(&engine, ANN, 100_000).await;
    let terms = terms(300);
    let open = Action::Open {
        machine: MACHINE,
        operator: OPERATOR,
    };
    let reserve = Action::Reserve { terms };
    let release = Action::Release {
        reason: Reason::Closed,
    };
    let settle = Action::Settle {
        rseq: rseq(1),
        outcome: vended(120),
    };
    let pasts: [(&str, &[Action]); 4] = [
        ("none", &[]),
        ("open", &[open]),
        ("held", &[open, reserve]),
        ("over", &[open, reserve, release]),
    ];
    let steps = [
        ("Open", open),
        ("Begin", Action::Begin { terms }),
        ("Reserve", reserve),
        ("Settle", settle),
        ("Release", release),
    ];
    // A star stands where money's own record moves, a dot for a refusal.
    let mut picture = String::from("      Open   Begin  Reserve Settle Release\n");
    let mut number = 0;
    for (past, before) in pasts {
        picture.push_str(&format!("{past:<6}"));
        for (step, action) in steps {
            number += 1;
            let command = |action| SessionCommand {
                wallet: ANN,
                session: vend(number),
                action,
            };
            for action in before {
                engine
                    .session_command(command(*action))
                    .await
                    .expect("allowed");
            }
            let cell = match engine.session_command(command(action)).await {
                Ok(progress) if progress.event.is_some() => format!("{:?}*", progress.phase),
                Ok(progress) => format!("{:?}", progress.phase),
                Err(Failure::Refused(_)) => ".".to_owned(),
                Err(failure) => panic!("{past} {step}: {failure}"),
            };
            picture.push_str(&format!("{cell:<width$}", width = step.len().max(6) + 1));
        }
        picture = picture.trim_end().to_owned() + "\n";
    }
    assert_eq!(
        picture,
        "      Open   Begin  Reserve Settle Release\n\
         none  Open   Held*  .       .      Over*\n\
         open  Open   Held*  Held*   .      Over*\n\
         held  Held   Held   Held    Held*  Over*\n\
         over  .      Over   Over    Over*  Over\n"
    );
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn names_and_places_are_not_mixed_up() {
    let (engine, _) = start(&Tape::default(), settings(4)).expect("starts");
    fund(&engine, ANN, 500).await;
    fund(&engine, BOB, 500).await;
    engine
        .open(ANN, vend(1), (MACHINE, OPERATOR))
        .await
        .expect("opens");
    let refused = |refusal| Err(Failure::Refused(refusal));
    assert_eq!(
        engine.open(BOB, vend(1), (MACHINE, OPERATOR)).await,
        refused(SessionRefusal::NameReused),
        "another wallet's session has the name"
    );
    assert_eq!(
        engine
            .open(ANN, vend(1), (MachineId::new(1), OPERATOR))
            .await,
        refused(SessionRefusal::NameReused),
        "it is before another machine"
    );
    let elsewhere = gettone::core::grant::Terms {
        operator: OperatorId::new(1),
        ..terms(100)
    };
    assert_eq!(
        engine.reserve(ANN, vend(1), elsewhere).await,
        refused(SessionRefusal::Elsewhere)
    );
    assert_eq!(
        engine
            .open(WalletId::new(404), vend(2), (MACHINE, OPERATOR))
            .await,
        refused(Refusal::NotOpen.into())
    );
    assert_eq!(engine.wallet_of(vend(1)), Some(ANN));
    let over = engine
        .release(ANN, vend(1), Reason::Closed)
        .await
        .expect("ends");
    assert_eq!(over.phase, Phase::Over);
    assert_eq!(engine.wallet_of(vend(1)), None);
    for number in 0..gettone::bounds::SESSIONS_MAX as u64 {
        engine
            .open(BOB, vend(100 + number), (MACHINE, OPERATOR))
            .await
            .expect("opens");
    }
    assert!(matches!(
        engine.open(BOB, vend(99), (MACHINE, OPERATOR)).await,
        Err(Failure::Refused(SessionRefusal::TooMany {
            wallet: BOB,
            ..
        }))
    ));
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_own_order_across_shards() {
    let (engine, _) = start(&Tape::default(), settings(4)).expect("starts");
    let wallets: Vec<WalletId> = (0..40).map(WalletId::new).collect();
    for wallet in &wallets {
        fund(&engine, *wallet, 1_000 + wallet.number() as i64).await;
    }
    let commands: Vec<SessionCommand> = wallets
        .iter()
        .flat_map(|wallet| {
            [
                Action::Begin { terms: terms(300) },
                Action::Settle {
                    rseq: rseq(1),
                    outcome: vended(100),
                },
            ]
            .map(|action| SessionCommand {
                wallet: *wallet,
                session: vend(wallet.number()),
                action,
            })
        })
        .collect();
    let answers = engine.session_batch(commands).await;
    assert_eq!(answers.len(), 2 * wallets.len());
    for (pair, wallet) in answers.chunks(2).zip(&wallets) {
        let available = |at: usize| {
            let progress = pair[at].as_ref().expect("allowed");
            progress.hold.expect("held").available.total().minor()
        };
        let first = 700 + wallet.number() as i64;
        assert_eq!([available(0), available(1)], [first, first]);
        assert!(
            pair[1]
                .as_ref()
                .is_ok_and(|progress| progress.event.is_some())
        );
    }
    assert!(engine.session_batch(Vec::new()).await.is_empty());
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_subscriber_sees_every_record_in_order_and_a_slow_one_is_cut_off() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    let mut keen = engine.subscribe(1_000).expect("room");
    let mut slow = engine.subscribe(3).expect("room");
    for wallet in 0..50 {
        fund(&engine, WalletId::new(wallet), 10).await;
    }
    engine.shutdown().await.expect("nobody had to wait for it");
    let mut records = Vec::new();
    while let Some(event) = keen.next().await.expect("it keeps up") {
        records.push(event);
    }
    let mut seen = 0;
    let lagged = loop {
        match slow.next().await {
            Ok(Some(event)) => {
                assert_eq!(Some(&event), records.get(seen));
                seen += 1;
            }
            Ok(None) => panic!("it is not told that it missed something"),
            Err(lagged) => break lagged,
        }
    };
    assert!(seen >= 3 && seen < records.len());
    let Lagged { last, .. } = lagged;
    assert_eq!(last, records.get(seen - 1).map(|(seq, _)| *seq));

    let mut history = Vec::new();
    let store = Memory::reopen(&tape).expect("free again");
    let engine = Engine::start(Box::new(store), settings(1), &mut |seq, record| {
        history.push((seq, record.clone()));
    })
    .expect("starts");
    assert_eq!(records, history);
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_store_has_one_engine_at_a_time_until_the_last_handle_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        let small = FileSettings {
            segment_bytes: 64 * 1024,
            ..FileSettings::default()
        };
        File::open(dir.path(), small)
    };
    let engine = Engine::start(
        Box::new(open().expect("opens")),
        settings(1),
        &mut |_, _| {},
    )
    .expect("starts");
    fund(&engine, ANN, 500).await;
    let other = engine.clone();
    drop(engine);
    assert!(open().is_err(), "one handle is left");
    let begun = tokio::spawn(async move { other.top_up(ANN, transfer(3), eur(5)).await });
    begun.await.expect("ends").expect("answers");
    // Dropped with its task, the last handle ends the engine behind our back.
    let store = loop {
        match open() {
            Ok(store) => break store,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let engine = Engine::start(Box::new(store), settings(1), &mut |_, _| {}).expect("starts again");
    let balance = engine.balance(ANN).await.expect("answers").into_inner();
    assert_eq!(balance.map(|balance| balance.emoney), Some(eur(505)));
    let other = engine.clone();
    engine.shutdown().await.expect("ends cleanly");
    assert_eq!(other.balance(ANN).await, Err(Failure::Stopped));
    other.shutdown().await.expect("it has ended already");
}

#[test]
fn settings_out_of_their_bounds_are_refused() {
    let none = Settings {
        in_flight_max: 0,
        ..settings(1)
    };
    for settings in [none, settings(65)] {
        let store = Box::new(Memory::new());
        let refused = Engine::start(store, settings, &mut |_, _| {});
        assert!(matches!(refused, Err(StartFault::Settings { .. })));
    }
}

/// An executor of a few lines, which knows nothing of anybody's runtime.
fn run<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn any_executor_will_do() {
    let (engine, _) = start(&Tape::default(), settings(2)).expect("starts");
    run(async {
        fund(&engine, ANN, 500).await;
        let begun = engine
            .session_command(SessionCommand {
                wallet: ANN,
                session: vend(1),
                action: Action::Begin { terms: terms(300) },
            })
            .await
            .expect("allowed");
        assert_eq!(begun.phase, Phase::Held);
    });
    run(engine.shutdown()).expect("ends cleanly");
}
