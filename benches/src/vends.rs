//! The vends that are measured, as commands to the engine.

use crate::demand::Demand;
use crate::fault::Fault;
use core::ops::Range;
use core::time::Duration;
use gettone::core::grant::{Purpose, Terms};
use gettone::core::id::{Item, Rseq, TransferId, VendId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::wallet::{Command, Outcome, Proof};
use gettone::{Action, Answer, Engine, Failure, Pipeline, SessionCommand};
use std::future::Future;
use tokio::runtime::{self, Runtime};

/// Tasks that ask one thing after the other.
const ASKERS: u64 = 512;

/// The receipt of every vend.
pub(crate) const RSEQ: Rseq = Rseq::new(1);
/// What every vend gives.
pub(crate) const ESPRESSO: Outcome = Outcome::Vended {
    item: Item::new(11),
    amount: Amount::from_minor(120),
    proof: Proof::Told,
};
/// More than any run spends.
const FUNDS: Amount = Amount::from_minor(1_000_000_000);

/// What the hold of this vend is asked for.
pub(crate) fn terms(demand: Demand, number: u64) -> Terms {
    let (machine, operator) = demand.place(number);
    Terms {
        operator,
        machine,
        cap: Amount::from_minor(300),
        least: Amount::from_minor(50),
        vends_max: 1,
        fee_basis_points: 150,
        revalue_max: Amount::ZERO,
        purpose: Purpose::Sale,
    }
}

/// Opens the session of this vend and holds money.
pub(crate) fn begin(demand: Demand, number: u64) -> SessionCommand {
    let terms = terms(demand, number);
    command(demand, number, Action::Begin { terms })
}

/// Captures the price and closes.
pub(crate) fn finish(demand: Demand, number: u64) -> SessionCommand {
    let action = Action::Finish {
        rseq: RSEQ,
        outcome: ESPRESSO,
    };
    command(demand, number, action)
}

fn command(demand: Demand, number: u64, action: Action) -> SessionCommand {
    SessionCommand {
        wallet: demand.wallet(number),
        session: name(number),
        action,
    }
}

/// The name of this vend.
pub(crate) fn name(number: u64) -> VendId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    VendId::from_bytes(bytes)
}

/// The first money of this wallet.
pub(crate) fn top_up(wallet: WalletId) -> Command {
    Command::TopUp {
        key: TransferId::from_bytes(*name(wallet.number()).as_bytes()),
        amount: FUNDS,
    }
}

/// One thread for everybody who asks: the others are the engine's.
pub(crate) fn runtime() -> Result<Runtime, Fault> {
    runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(Fault::io("starting the callers' thread"))
}

/// Opens wallets.
pub(crate) async fn open(engine: &Engine, wallets: Range<u64>) -> Result<(), Fault> {
    let engine = engine.clone();
    each(wallets, move |wallet| {
        let engine = engine.clone();
        async move {
            engine
                .open_wallet(wallet, Currency::EUR)
                .await
                .map(|_| ())
                .map_err(Fault::call("opening a wallet"))
        }
    })
    .await
}

/// Puts money into wallets.
pub(crate) async fn fund(engine: &Engine, wallets: Range<u64>) -> Result<(), Fault> {
    let engine = engine.clone();
    each(wallets, move |wallet| {
        let engine = engine.clone();
        async move {
            engine
                .wallet_command(wallet, top_up(wallet))
                .await
                .map(|_| ())
                .map_err(Fault::call("topping a wallet up"))
        }
    })
    .await
}

/// Looks at wallets, each that many after the one before.
pub(crate) async fn look(engine: &Engine, count: u64, stride: u64) -> Result<(), Fault> {
    let engine = engine.clone();
    each(0..count, move |number| {
        let engine = engine.clone();
        async move {
            let wallet = WalletId::new(number.number() * stride);
            engine
                .balance(wallet)
                .await
                .map(|_| ())
                .map_err(Fault::call("looking at a wallet"))
        }
    })
    .await
}

async fn each<Asked>(
    wallets: Range<u64>,
    ask: impl Fn(WalletId) -> Asked + Clone + Send + 'static,
) -> Result<(), Fault>
where
    Asked: Future<Output = Result<(), Fault>> + Send,
{
    let askers: Vec<_> = (0..ASKERS)
        .map(|asker| {
            let (ask, wallets) = (ask.clone(), wallets.clone());
            tokio::spawn(async move {
                for wallet in wallets.skip(asker as usize).step_by(ASKERS as usize) {
                    ask(WalletId::new(wallet)).await?;
                }
                Ok::<_, Fault>(())
            })
        })
        .collect();
    for asker in askers {
        asker.await.map_err(Fault::call("asking"))??;
    }
    Ok(())
}

/// Which half of a vend comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    First,
    Both,
}

/// Plays these vends, or their first halves, so many in flight; nothing is timed.
pub(crate) async fn play(
    engine: &Engine,
    demand: Demand,
    vends: Range<u64>,
    (half, in_flight): (Half, usize),
) -> Result<(), Fault> {
    let mut pipeline = engine.pipeline();
    let mut coming = vends;
    for number in coming.by_ref().take(in_flight) {
        pipeline.push(number * 2, begin(demand, number));
    }
    let mut answers: Vec<Answer> = Vec::new();
    loop {
        send(&mut pipeline).await?;
        if pipeline.answers(&mut answers).await == 0 {
            return Ok(());
        }
        for answer in answers.drain(..) {
            answer.outcome.map_err(Fault::call("vending"))?;
            // The lowest bit tells the half, the rest the vend.
            if half == Half::Both && answer.tag % 2 == 0 {
                pipeline.push(answer.tag + 1, finish(demand, answer.tag / 2));
            } else if let Some(number) = coming.next() {
                pipeline.push(number * 2, begin(demand, number));
            }
        }
    }
}

/// Sends what waits, as soon as there are credits for it.
async fn send(pipeline: &mut Pipeline) -> Result<(), Fault> {
    const AGAIN: Duration = Duration::from_millis(1);
    while let Err(failure) = pipeline.send() {
        if !matches!(failure, Failure::Busy { .. }) {
            return Err(Fault::call("vending")(failure));
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}
