//! A shard that is rebuilt from a journal in a PostgreSQL server.

#[expect(dead_code, reason = "the journal's tests use the rest of it")]
#[path = "../../../adapters/store/tests/postgres/server.rs"]
mod server;

use crate::failure::Failure;
use crate::{Engine, Settings};
use gettone_core::id::{TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_store::Postgres;
use server::with_server;
use std::num::NonZeroUsize;

fn wallets() -> impl Iterator<Item = WalletId> {
    (0..16).map(WalletId::new)
}

async fn life(engine: &Engine) {
    for wallet in wallets() {
        let opened = engine.open_wallet(wallet, Currency::EUR).await;
        opened.expect("opens");
    }
    for (round, minor) in [(1_u8, 500), (2, 1_000)] {
        for wallet in wallets() {
            let key = TransferId::from_bytes([round; 16]);
            let taken = engine.top_up(wallet, key, Amount::from_minor(500)).await;
            taken.expect("takes the money");
        }
        if round == 2 {
            engine.snapshot().await.expect("the shelf takes it");
        }
        assert_eq!(engine.line().panic(1).await, Err(Failure::Panicked));
        for wallet in wallets() {
            let balance = engine.balance(wallet).await.expect("answers").into_inner();
            let emoney = balance.expect("it is open").emoney;
            assert_eq!(emoney, Amount::from_minor(minor), "what was answered");
        }
        assert_eq!(engine.metrics().rebuilds, u64::from(round));
    }
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_shard_in_which_a_rule_panicked_is_rebuilt_from_the_server() {
    with_server(|server| {
        let store = Postgres::open(server.settings()).expect("it is free");
        let settings = Settings {
            shards: NonZeroUsize::new(2),
            ..Settings::default()
        };
        let runtime = tokio::runtime::Runtime::new().expect("there are threads");
        runtime.block_on(async {
            let engine = Engine::start(Box::new(store), settings, &mut |_, _| {}).expect("starts");
            life(&engine).await;
            engine.shutdown().await.expect("ends cleanly");
        });
    });
}
