//! What the engine's tests have in common: a small street, seeded chance, and an eye on the books.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]

use gettone::core::audit::{Audit, Report};
use gettone::core::grant::{Purpose, Terms};
use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::port::{Seq, Store};
use gettone::core::record::Record;
use gettone::core::wallet::{Outcome, Proof, Wallet};
use gettone::{Clock, Engine, Settings, StartFault, Trail, TrailFault};
use gettone_store::{Memory, Tape};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub const OPERATOR: OperatorId = OperatorId::new(7);
pub const MACHINE: MachineId = MachineId::new(70);

/// A generator that anybody can run again from its seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// Settings of a test: this many shards, and a clock that stands still.
pub fn settings(shards: usize) -> Settings {
    Settings {
        shards: NonZeroUsize::new(shards),
        clock: Clock::Set(Arc::new(AtomicU64::new(1_700_000_000_000))),
        deadline: Duration::from_secs(120),
        ..Settings::default()
    }
}

/// Starts an engine on a tape, and audits what it finds there.
pub fn start(tape: &Tape, settings: Settings) -> Result<(Engine, Report), StartFault> {
    let store = Memory::reopen(tape).expect("nobody else has the tape");
    start_on(Box::new(store), settings)
}

/// Starts an engine on a store, and audits what it finds there.
pub fn start_on(store: Box<dyn Store>, settings: Settings) -> Result<(Engine, Report), StartFault> {
    let mut audit = Audit::default();
    let mut expected = Seq::FIRST;
    let engine = Engine::start(store, settings, &mut |seq, record: &Record| {
        assert_eq!(seq, expected, "every record is shown once, in order");
        expected = seq.after(1);
        audit.take(record);
    })?;
    let report = audit.finish();
    assert!(report.is_balanced(), "{:?}", report.checks);
    Ok((engine, report))
}

pub fn eur(minor: i64) -> Amount {
    Amount::from_minor(minor)
}

pub fn vend(number: u64) -> VendId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    VendId::from_bytes(bytes)
}

pub fn transfer(number: u64) -> TransferId {
    TransferId::from_bytes(*vend(number).as_bytes())
}

pub fn terms(cap: i64) -> Terms {
    Terms {
        operator: OPERATOR,
        machine: MACHINE,
        cap: eur(cap),
        least: eur(50),
        vends_max: 2,
        fee_basis_points: 150,
        revalue_max: Amount::ZERO,
        purpose: Purpose::Sale,
    }
}

pub fn vended(price: i64) -> Outcome {
    Outcome::Vended {
        item: Item::new(3),
        amount: eur(price),
        proof: Proof::Told,
    }
}

pub fn rseq(number: u64) -> Rseq {
    Rseq::new(number)
}

/// Opens a wallet with some money in it.
pub async fn fund(engine: &Engine, wallet: WalletId, minor: i64) {
    engine
        .open_wallet(wallet, Currency::EUR)
        .await
        .expect("opens");
    engine
        .top_up(wallet, transfer(wallet.number()), eur(minor))
        .await
        .expect("takes the money");
}

/// Everything that these wallets are.
pub async fn seen(engine: &Engine, wallets: &[WalletId]) -> Vec<Option<Box<Wallet>>> {
    let mut all = Vec::new();
    for wallet in wallets {
        let wallet = engine.wallet(*wallet).await.expect("answers");
        all.push(wallet.into_inner());
    }
    all
}

/// Lets another engine, whose disk works, answer many times.
pub(crate) async fn meanwhile() {
    let (engine, _) = start(&Tape::default(), settings(1)).expect("starts");
    for wallet in 0..500 {
        engine
            .open_wallet(WalletId::new(wallet), Currency::EUR)
            .await
            .expect("opens");
    }
    engine.shutdown().await.expect("ends cleanly");
}

/// What an operator may spend.
pub async fn available(engine: &Engine, operator: OperatorId) -> i64 {
    let operator = engine.operator(operator).await.expect("answers");
    let purses: Amount = operator.purses().iter().map(|purse| purse.available).sum();
    purses.minor()
}

/// Opens 600 wallets while trails from several places are followed: each gives every record once,
/// in its order. Gives the one from the first record on.
pub async fn every_record_comes_once(engine: &Engine) -> Trail {
    let opening = |from: u64, to: u64| {
        let engine = engine.clone();
        async move {
            for number in from..to {
                let opened = engine
                    .open_wallet(WalletId::new(number), Currency::EUR)
                    .await;
                opened.expect("opens");
            }
        }
    };
    opening(0, 300).await;
    let mut trails = Vec::new();
    for (from, capacity) in [(1, 4), (150, 1_000_000), (301, 10)] {
        let trail = engine.events_from(Seq::new(from), capacity);
        trails.push((from, trail.expect("begins")));
    }
    let writing = tokio::spawn(opening(300, 600));
    for (from, trail) in &mut trails {
        let mut audit = Audit::default();
        for expected in *from..=600 {
            // Cut off is only who is live and slow; then it begins again behind what it has.
            let (seq, record) = loop {
                match trail.next().await {
                    Ok(event) => break event.expect("the engine runs"),
                    Err(TrailFault::Lagged { .. }) => {
                        let again = engine.events_from(trail.place(), 1_000);
                        *trail = again.expect("begins again");
                    }
                    Err(fault) => panic!("{fault}"),
                }
            };
            assert_eq!(seq, Seq::new(expected), "from {from}");
            audit.take(&record);
        }
        assert!(*from > 1 || audit.finish().is_balanced());
    }
    writing.await.expect("all are open");
    trails.swap_remove(0).1
}
