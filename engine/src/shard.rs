use crate::bounds::LAPSE_EVERY;
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

/// The mailbox and the thread of a host.
#[derive(Debug)]
pub(crate) struct Shard(pub(crate) Host);

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(LAPSE_EVERY, |shard, _| shard.0.lapse());
    }
}

impl Handler<Submission> for Shard {
    type Result = ();

    fn handle(&mut self, submission: Submission, context: &mut Context<Self>) {
        match self.0.handle(submission) {
            Taken::First => context.notify(EndTurn),
            // A mailbox knows no end while others keep filling it: timers would starve.
            Taken::Full => context.wait(wrap_future(tokio::task::yield_now())),
            Taken::More | Taken::Refused => {}
        }
    }
}

impl Handler<EndTurn> for Shard {
    type Result = ();

    fn handle(&mut self, _: EndTurn, _: &mut Context<Self>) {
        self.0.end_turn();
    }
}

#[cfg(test)]
mod tests {
    use crate::failure::{Failure, ShutdownFault, StopCause};
    use crate::{Engine, Settings};
    use gettone_core::id::WalletId;
    use gettone_core::money::Currency;
    use gettone_store::Memory;
    use std::num::NonZeroUsize;

    #[tokio::test]
    async fn a_rule_that_panics_stops_every_shard_and_a_restart_works() {
        let memory = Memory::new();
        let tape = memory.tape();
        let settings = Settings {
            shards: NonZeroUsize::new(2),
            ..Settings::default()
        };
        let engine = Engine::start(Box::new(memory), settings.clone(), &mut |_, _| {})
            .expect("an empty tape starts");
        let wallets = (0..16).map(WalletId::new);
        for wallet in wallets.clone() {
            engine
                .open_wallet(wallet, Currency::EUR)
                .await
                .expect("opens");
        }
        assert_eq!(engine.line().panic(1).await, Err(Failure::Stopped));
        for wallet in wallets.clone() {
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
        let engine = Engine::start(Box::new(store), settings, &mut |_, _| {}).expect("restarts");
        for wallet in wallets {
            let balance = engine.balance(wallet).await.expect("answers").into_inner();
            assert!(balance.is_some(), "what was answered is there");
        }
        engine.shutdown().await.expect("ends cleanly");
    }
}
