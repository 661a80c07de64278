//! An engine whose journal is in a PostgreSQL server: what it reads back beside its appends, and
//! what it says once another node has taken the partition.
//!
//! Every test here is ignored by default, for it needs a server (Debian: postgresql-15):
//! `cargo test -p gettone --release --test postgres -- --ignored`.

mod play;
#[expect(dead_code, reason = "the journal's tests use the rest of it")]
#[path = "../../adapters/store/tests/postgres/server.rs"]
mod server;

use gettone::core::id::{OperatorId, WalletId};
use gettone::core::money::Currency;
use gettone::core::operator;
use gettone::core::port::{Each, Frames, Seq, Store, StoreFault};
use gettone::core::wallet::{self, Reason};
use gettone::{Engine, Failure, SessionRefusal, StopCause};
use gettone_store::{Postgres, PostgresSettings, Takeover};
use play::{
    OPERATOR, available, eur, every_record_comes_once, fund, rseq, settings, start_on, terms,
    transfer, vend, vended,
};
use server::{Server, with_server};

const ANN: WalletId = WalletId::new(1);

fn journal(settings: PostgresSettings) -> Box<dyn Store> {
    Box::new(Postgres::open(settings).expect("it is free"))
}

fn taking(server: &Server) -> PostgresSettings {
    let mut taking = server.settings();
    taking.takeover = Takeover::AtOnce;
    taking
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(work)
}

/// Sells something for 120 to Ann.
async fn sell(engine: &Engine, number: u64) {
    let name = vend(number);
    let opened = engine.open(ANN, name, (play::MACHINE, OPERATOR)).await;
    opened.expect("opens");
    let reserved = engine.reserve(ANN, name, terms(200)).await;
    reserved.expect("reserves");
    let settled = engine.settle(ANN, name, (rseq(1), vended(120))).await;
    settled.expect("settles");
    let released = engine.release(ANN, name, Reason::Closed).await;
    released.expect("releases");
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn an_operator_is_paid_what_it_earned_and_not_a_cent_more_whatever_the_server_does() {
    with_server(|mut server| {
        block_on(async {
            let (engine, _) = start_on(journal(server.settings()), settings(2)).expect("starts");
            fund(&engine, ANN, 1_000).await;
            for number in 0..3 {
                sell(&engine, number).await;
            }
            // 3 x 120, less 1.5 % rounded for each.
            let earned = available(&engine, OPERATOR).await;
            assert_eq!(earned + available(&engine, OperatorId::PLATFORM).await, 360);
            server.kill();
            server.start();
            let too_much = (Currency::EUR, eur(earned + 1));
            let refused = engine.pay_out(OPERATOR, transfer(60), too_much).await;
            let short = operator::Refusal::InsufficientFunds {
                available: eur(earned),
                short_by: eur(1),
            };
            assert_eq!(refused, Err(Failure::Refused(short.into())));
            for _ in 0..2 {
                let paid = (Currency::EUR, eur(100));
                let paid = engine.pay_out(OPERATOR, transfer(61), paid).await;
                paid.expect("pays, and does it once");
            }
            sell(&engine, 10).await;
            let rest = available(&engine, OPERATOR).await;
            assert!(rest > earned - 100, "what was sold since counts at once");
            engine.shutdown().await.expect("ends cleanly");

            let (engine, report) =
                start_on(journal(server.settings()), settings(1)).expect("starts");
            assert!(report.is_balanced());
            assert_eq!(available(&engine, OPERATOR).await, rest);
            assert_eq!(engine.payouts().await.map(|paid| paid.len()), Ok(1));
            engine.shutdown().await.expect("ends cleanly");
        });
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_trail_gives_every_record_once_from_any_place_while_more_are_written() {
    with_server(|server| {
        block_on(async {
            let (engine, _) = start_on(journal(server.settings()), settings(2)).expect("starts");
            every_record_comes_once(&engine).await;
            engine.shutdown().await.expect("ends cleanly");
        });
    });
}

/// A store that takes it for granted that it is still the only one: the negative control.
struct Careless(Box<dyn Store>);

impl Store for Careless {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        self.0.replay(from, each)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        self.0.append(first, frames)
    }
}

/// A node with Ann's wallet, after another one has taken the partition and sold what Ann had.
async fn deposed(server: &Server, store: Box<dyn Store>, partition: u16) -> Engine {
    let (old, _) = start_on(store, settings(2)).expect("starts");
    fund(&old, ANN, 120).await;
    let mut taking = taking(server);
    taking.partition = partition;
    let (new, _) = start_on(journal(taking), settings(2)).expect("starts");
    sell(&new, 1).await;
    new.shutdown().await.expect("ends cleanly");
    old
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_deposed_node_says_nothing_at_all_not_even_no() {
    with_server(|server| {
        block_on(async {
            let node = deposed(&server, journal(server.settings()), 0).await;
            assert_eq!(node.balance(ANN).await, Err(Failure::Stopped));
            assert!(matches!(
                node.stopped().as_deref(),
                Some(StopCause::Store(StoreFault::Deposed { .. }))
            ));

            let mut other = server.settings();
            other.partition = 1;
            let node = deposed(&server, journal(other.clone()), 1).await;
            // She could pay neither: what she is told must not rest on what she had.
            let refused = node.reserve(ANN, vend(9), terms(200)).await;
            assert_eq!(refused.map(drop), Err(Failure::Stopped));

            other.partition = 2;
            let node = deposed(&server, Box::new(Careless(journal(other))), 2).await;
            let told = node.balance(ANN).await.expect("answers").into_inner();
            assert_eq!(told.expect("it is open").emoney, eur(120), "long spent");
        });
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn answers_without_a_record_go_on_when_the_server_comes_back() {
    with_server(|mut server| {
        block_on(async {
            let (engine, _) = start_on(journal(server.settings()), settings(2)).expect("starts");
            // Less than the least that is held.
            fund(&engine, ANN, 40).await;
            let opened = engine.open(ANN, vend(1), (play::MACHINE, OPERATOR)).await;
            opened.expect("opens");
            let appended = engine.metrics().flushes;
            for _ in 0..2 {
                server.kill();
                server.start();
                let balance = engine.balance(ANN).await.expect("answers").into_inner();
                assert_eq!(balance.expect("it is open").emoney, eur(40));
                let refused = engine.reserve(ANN, vend(1), terms(200)).await;
                assert!(
                    matches!(
                        refused,
                        Err(Failure::Refused(SessionRefusal::Wallet(
                            wallet::Refusal::InsufficientFunds { .. }
                        )))
                    ),
                    "{refused:?}"
                );
            }
            assert_eq!(engine.metrics().flushes, appended, "nothing was appended");
            engine.shutdown().await.expect("ends cleanly");
        });
    });
}
