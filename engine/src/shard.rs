use crate::bounds::{LAPSE_EVERY, REBUILD_LOOK_EVERY};
use crate::host::{Host, Submission, Taken};
use actix::fut::wrap_future;
use actix::{Actor, AsyncContext, Context, Handler, Message};

impl Message for Submission {
    type Result = ();
}

/// Sent by a shard to itself: it is handled once the mailbox has run empty, which is where a turn
/// ends.
struct EndTurn;

impl Message for EndTurn {
    type Result = ();
}

/// Sent by a shard to itself while it is rebuilt.
struct Look;

impl Message for Look {
    type Result = ();
}

/// The mailbox and the thread of a host.
#[derive(Debug)]
pub(crate) struct Shard {
    host: Host,
    /// It will look whether it is rebuilt.
    is_looking: bool,
}

impl Shard {
    pub(crate) const fn new(host: Host) -> Self {
        Self {
            host,
            is_looking: false,
        }
    }

    /// After everything in which a rule may have panicked.
    fn watch(&mut self, context: &mut Context<Self>) {
        if self.host.is_rebuilding() && !self.is_looking {
            self.is_looking = true;
            context.notify_later(Look, REBUILD_LOOK_EVERY);
        }
    }
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(LAPSE_EVERY, |shard, context| {
            shard.host.lapse();
            shard.watch(context);
        });
    }
}

impl Handler<Submission> for Shard {
    type Result = ();

    fn handle(&mut self, submission: Submission, context: &mut Context<Self>) {
        let taken = self.host.handle(submission);
        self.watch(context);
        match taken {
            Taken::First => context.notify(EndTurn),
            // A mailbox knows no end while others keep filling it: timers would starve.
            Taken::Full => context.wait(wrap_future(tokio::task::yield_now())),
            Taken::More | Taken::Waits | Taken::Refused => {}
        }
    }
}

impl Handler<EndTurn> for Shard {
    type Result = ();

    fn handle(&mut self, _: EndTurn, _: &mut Context<Self>) {
        self.host.end_turn();
    }
}

impl Handler<Look> for Shard {
    type Result = ();

    fn handle(&mut self, _: Look, context: &mut Context<Self>) {
        self.is_looking = false;
        self.host.look();
        self.watch(context);
    }
}

#[cfg(test)]
mod postgres;

#[cfg(test)]
mod tests {
    use crate::bounds::REBUILDS_MAX;
    use crate::failure::{Failure, ShutdownFault, StopCause};
    use crate::{Engine, Settings};
    use core::time::Duration;
    use gettone_core::id::{TransferId, WalletId};
    use gettone_core::money::{Amount, Currency};
    use gettone_store::Memory;
    use std::num::NonZeroUsize;

    fn settings() -> Settings {
        Settings {
            shards: NonZeroUsize::new(2),
            ..Settings::default()
        }
    }

    async fn are_all_there(engine: &Engine) {
        for wallet in (0..16).map(WalletId::new) {
            let balance = engine.balance(wallet).await.expect("answers").into_inner();
            assert!(balance.is_some(), "what was answered is there");
        }
    }

    #[tokio::test]
    async fn a_rule_that_panics_costs_its_caller_an_answer_and_nobody_anything_else() {
        let memory = Memory::new();
        let tape = memory.tape();
        let engine =
            Engine::start(Box::new(memory), settings(), &mut |_, _| {}).expect("an empty tape");
        for wallet in (0..16).map(WalletId::new) {
            engine
                .open_wallet(wallet, Currency::EUR)
                .await
                .expect("opens");
        }
        for panics in 1..=REBUILDS_MAX {
            if panics == 2 {
                engine.snapshot().await.expect("the shelf takes it");
            }
            assert_eq!(engine.line().panic(1).await, Err(Failure::Panicked));
            are_all_there(&engine).await;
            assert_eq!(
                usize::try_from(engine.metrics().rebuilds),
                Ok(panics),
                "from the journal"
            );
            for wallet in (0..16).map(WalletId::new) {
                let key = TransferId::from_bytes([1; 16]);
                engine
                    .top_up(wallet, key, Amount::from_minor(500))
                    .await
                    .expect("it goes on, and the same again is harmless");
            }
        }

        // Again and again is another matter: somebody has to look.
        assert_eq!(engine.line().panic(1).await, Err(Failure::Stopped));
        for wallet in (0..16).map(WalletId::new) {
            let balance = engine.balance(wallet).await;
            assert_eq!(balance, Err(Failure::Stopped), "whichever its shard");
        }
        assert!(matches!(
            engine.stopped().as_deref(),
            Some(StopCause::Bug { shard: 1 })
        ));
        let outcome = engine.shutdown().await;
        assert!(matches!(outcome, Err(ShutdownFault::Stopped(_))));

        let store = Memory::reopen(&tape).expect("the engine has let go of it");
        let engine = Engine::start(Box::new(store), settings(), &mut |_, _| {}).expect("restarts");
        are_all_there(&engine).await;
        engine.shutdown().await.expect("ends cleanly");
    }

    #[tokio::test]
    async fn who_waits_for_a_rebuild_is_answered_in_time() {
        let memory = Memory::new();
        let tape = memory.tape();
        let impatient = Settings {
            deadline: Duration::from_millis(50),
            ..settings()
        };
        let engine =
            Engine::start(Box::new(memory), impatient, &mut |_, _| {}).expect("an empty tape");
        // The journal's thread hangs, so nothing is rebuilt.
        tape.hold();
        let wallet = (0..)
            .map(WalletId::new)
            .find(|wallet| engine.shard_of(*wallet) == 1)
            .expect("there are enough");
        let opened = engine.open_wallet(wallet, Currency::EUR);
        let (opened, panicked) = tokio::join!(opened, engine.line().panic(1));
        assert_eq!(opened, Err(Failure::TimedOut));
        assert_eq!(panicked, Err(Failure::TimedOut));
        let seen = engine.balance(wallet).await;
        assert_eq!(seen, Err(Failure::TimedOut), "also while it waits");
        tape.resume();
        engine.shutdown().await.expect("ends cleanly");
    }
}
