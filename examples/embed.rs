//! The engine inside a program of one's own: `cargo run --release --example embed`.

use gettone::core::grant::{Purpose, Terms};
use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::wallet::{Outcome, Proof, Reason};
use gettone::{Engine, Settings};
use gettone_store::{File, FileSettings};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let store = File::open(place.path(), FileSettings::default())?;
    // The last argument hears of everything that an earlier run left here.
    let engine = Engine::start(Box::new(store), Settings::default(), &mut |_, _| {})?;
    let mut events = engine.subscribe(1_000)?;

    let (ann, hall, owner) = (WalletId::new(1), MachineId::new(7), OperatorId::new(1));
    let cents = Amount::from_minor;
    engine.open_wallet(ann, Currency::EUR).await?;
    // Names make every call harmless to repeat: this money arrives once, however often it is told.
    let top_up = TransferId::from_bytes(*b"bank notice 4711");
    engine.top_up(ann, top_up, cents(500)).await?;

    let vend = VendId::from_bytes(*b"espresso of ann ");
    let terms = Terms {
        operator: owner,
        machine: hall,
        cap: cents(200),
        least: cents(80),
        vends_max: 1,
        fee_basis_points: 150,
        revalue_max: Amount::ZERO,
        purpose: Purpose::Sale,
    };
    engine.open(ann, vend, (hall, owner)).await?;
    engine.reserve(ann, vend, terms).await?;
    let espresso = Outcome::Vended {
        item: Item::new(11),
        amount: cents(120),
        proof: Proof::Told,
    };
    engine.settle(ann, vend, (Rseq::new(1), espresso)).await?;
    engine.release(ann, vend, Reason::Closed).await?;

    let balance = engine.balance(ann).await?.into_inner();
    println!("ann has {:?}", balance.ok_or("she has no wallet")?);
    engine.shutdown().await?;
    // Everything was on the disk before anybody was told; the subscription ends with the engine.
    while let Some((seq, record)) = events.next().await? {
        println!("record {}: {:?}", seq.number(), record.event);
    }
    Ok(())
}
