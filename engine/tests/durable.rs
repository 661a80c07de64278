//! Nothing is answered before it is durable, and nothing after the disk has failed.

mod play;

use gettone::core::id::WalletId;
use gettone::core::money::Currency;
use gettone::core::port::{Each, Frames, Seq, Store, StoreFault};
use gettone::core::wallet::{Reason, Wallet};
use gettone::{Action, Engine, Failure, Progress, SessionCommand, SessionRefusal, StopCause};
use gettone_store::{Kept, Tape};
use play::{
    MACHINE, OPERATOR, eur, fund, meanwhile, rseq, seen, settings, start, start_on, terms,
    transfer, vend, vended,
};
use tokio::task::JoinHandle;

const ANN: WalletId = WalletId::new(1);

/// Begins an answer that changes something, one that is a refusal, and one that only looks.
fn asked(engine: &Engine) -> Vec<JoinHandle<bool>> {
    let engines = [engine.clone(), engine.clone(), engine.clone()];
    let [changes, refused, looks] = engines;
    vec![
        tokio::spawn(async move {
            let moved = changes.top_up(ANN, transfer(9), eur(5)).await;
            moved.is_ok()
        }),
        tokio::spawn(async move {
            let refusal = refused.reserve(ANN, vend(404), terms(100)).await;
            refusal == Err(Failure::Refused(SessionRefusal::NoSuchSession))
        }),
        tokio::spawn(async move { looks.balance(ANN).await.is_ok() }),
    ]
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(1)).expect("starts");
    fund(&engine, ANN, 500).await;
    tape.hold();
    let appends = tape.appends();
    let calls = asked(&engine);
    while tape.appends() == appends {
        tokio::task::yield_now().await;
    }
    meanwhile().await;
    assert!(
        calls.iter().all(|call| !call.is_finished()),
        "the change, and what rests on it, wait for the disk"
    );
    tape.resume();
    for call in calls {
        assert!(call.await.expect("answers"));
    }

    // The control: with a disk that answers, the same calls are answered.
    for call in asked(&engine) {
        assert!(call.await.expect("answers"));
    }
    engine.shutdown().await.expect("ends cleanly");
}

fn script() -> Vec<SessionCommand> {
    let mut commands = Vec::new();
    for number in 0..3 {
        let (wallet, session) = (WalletId::new(number), vend(number));
        for action in [
            Action::Open {
                machine: MACHINE,
                operator: OPERATOR,
            },
            Action::Reserve { terms: terms(300) },
            Action::Settle {
                rseq: rseq(1),
                outcome: vended(120),
            },
            Action::Release {
                reason: Reason::Closed,
            },
        ] {
            commands.push(SessionCommand {
                wallet,
                session,
                action,
            });
        }
    }
    commands
}

fn customers() -> Vec<WalletId> {
    (0..3).map(WalletId::new).collect()
}

/// Plays the script to its end or to the engine's; gives the answers.
async fn play(engine: &Engine) -> Vec<Progress> {
    let mut answers = Vec::new();
    for command in script() {
        match engine.session_command(command).await {
            Ok(progress) => answers.push(progress.into_inner()),
            Err(Failure::Stopped) => break,
            Err(failure) => panic!("{command:?}: {failure}"),
        }
    }
    answers
}

async fn funded() -> Tape {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    for wallet in customers() {
        fund(&engine, wallet, 500).await;
    }
    engine.shutdown().await.expect("ends cleanly");
    tape
}

async fn undisturbed() -> Vec<Option<Box<Wallet>>> {
    let tape = funded().await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    assert_eq!(play(&engine).await.len(), script().len());
    let wallets = seen(&engine, &customers()).await;
    engine.shutdown().await.expect("ends cleanly");
    wallets
}

#[tokio::test]
async fn a_disk_that_fails_approves_nothing_and_stops_every_shard() {
    let expected = undisturbed().await;
    for kept in [Kept::Nothing, Kept::Everything] {
        for nth in 1..=script().len() as u64 {
            let tape = funded().await;
            let (engine, _) = start(&tape, settings(2)).expect("starts");
            tape.fail_append(nth, kept);
            let answers = play(&engine).await;
            assert_eq!(
                answers.len() as u64,
                nth - 1,
                "the failed one is not answered"
            );
            for wallet in customers() {
                let late = engine.top_up(wallet, transfer(77), eur(1)).await;
                assert_eq!(late, Err(Failure::Stopped), "whichever its shard");
            }
            assert!(matches!(
                engine.stopped().as_deref(),
                Some(StopCause::Store(_))
            ));
            engine
                .shutdown()
                .await
                .expect_err("it tells that it stopped");

            let (engine, _) = start(&tape, settings(2)).expect("starts again");
            for (command, answer) in script().into_iter().zip(&answers) {
                if let (Action::Settle { .. }, Some(hold)) = (command.action, &answer.hold) {
                    let wallet = engine.wallet(command.wallet).await.expect("answers");
                    let wallet = wallet.into_inner().expect("it was opened");
                    let live = wallet.grant(command.session).map(|grant| grant.captured);
                    let past = wallet.past(command.session).map(|past| past.captured);
                    let captured = live.or(past).expect("it was answered");
                    assert_eq!(captured, hold.captured, "what was answered is there");
                }
            }
            for command in script() {
                let again = engine.session_command(command).await;
                assert!(
                    again.is_ok() || again == Err(Failure::Refused(SessionRefusal::Over)),
                    "{command:?} again: {again:?}"
                );
            }
            assert_eq!(
                seen(&engine, &customers()).await,
                expected,
                "append {nth} failed and kept {kept:?}; after the retries all is as without it"
            );
            engine.shutdown().await.expect("ends cleanly");
        }
    }
}

#[tokio::test]
async fn calls_that_wait_when_the_disk_fails_are_all_told() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(3)).expect("starts");
    tape.hold();
    tape.fail_append(1, Kept::Nothing);
    let calls: Vec<_> = (0..200)
        .map(|wallet| {
            let engine = engine.clone();
            tokio::spawn(async move {
                engine
                    .open_wallet(WalletId::new(wallet), Currency::EUR)
                    .await
            })
        })
        .collect();
    while engine.in_flight() < 200 {
        tokio::task::yield_now().await;
    }
    tape.resume();
    for call in calls {
        assert_eq!(call.await.expect("ends"), Err(Failure::Stopped));
    }
    assert_eq!(tape.frames(), 0, "nothing was written after the failure");
}

/// Somebody's store, with a bug in it.
struct Buggy;

impl Store for Buggy {
    fn replay(&mut self, _: Seq, _: &mut Each<'_>) -> Result<Seq, StoreFault> {
        Ok(Seq::FIRST)
    }

    fn append(&mut self, _: Seq, _: &Frames) -> Result<(), StoreFault> {
        panic!("a bug of the store");
    }
}

#[tokio::test]
async fn a_store_that_panics_is_a_disk_that_failed() {
    let (engine, _) = start_on(Box::new(Buggy), settings(2)).expect("starts");
    let opened = engine.open_wallet(ANN, Currency::EUR).await;
    assert_eq!(opened, Err(Failure::Stopped));
    assert!(matches!(
        engine.stopped().as_deref(),
        Some(StopCause::Journal)
    ));
    engine
        .shutdown()
        .await
        .expect_err("it tells that it stopped");
}
