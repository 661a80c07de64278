//! One actix actor for each machine, session and wallet, in memory: what one writes first. Nothing
//! is ever flushed, and a wallet knows a balance and its holds and no other rule.
//!
//! A vend is four requests, each awaited: open, reserve, settle, close. They go from the customer to
//! the machine, from there to the session's actor, and money's to the wallet's; what happened is kept
//! by a log actor. Actors are spread over as many arbiters as there are cores, and every customer
//! buys where their own actors are: the arrangement that was fastest.

use crate::Conditions;
use crate::demand::{Demand, MACHINES};
use crate::fault::Fault;
use crate::figures::Figures;
use crate::latencies::Latencies;
use crate::peer::{FUNDS_MINOR, HELD_MINOR, PRICE_MINOR};
use crate::rounds::Contender;
use crate::settle::WARM_UP;
use actix::{
    Actor, ActorContext, Addr, Arbiter, Context, Handler, MailboxError, Message, ResponseFuture,
    System,
};
use core::time::Duration;
use gettone::core::id::VendId;
use serde_json::Value;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Instant;
use tokio::sync::oneshot;

/// Happenings that the log keeps before it forgets them: a program that runs for long must.
pub const LOG_KEPT: usize = 1 << 16;

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// The peer, and how it is run.
#[derive(Clone, Copy, Debug)]
pub struct Naive {
    /// Customers at once, in all.
    pub in_flight: NonZeroUsize,
    /// For how long, after the warm-up.
    pub span: Duration,
    /// Who buys where.
    pub demand: Demand,
}

impl Contender for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn run(&mut self) -> Result<Figures, Fault> {
        let plan = *self;
        // Its own thread: an actix system takes over the one that it is made on.
        thread::spawn(move || System::new().block_on(run(plan)))
            .join()
            .map_err(|_| Fault::call("running naive actors")("an arbiter has ended by a bug"))?
    }

    fn notes(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("arbiters", arbiters().into()),
            ("durable", Value::from("no: in memory, never flushed")),
        ]
    }
}

fn arbiters() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Which of the arbiters this is, of how many.
#[derive(Clone, Copy)]
struct Part {
    nth: usize,
    of: usize,
}

async fn run(plan: Naive) -> Result<Figures, Fault> {
    let conditions = Conditions::of_this_machine();
    let phase = Arc::new(AtomicU8::new(WARMING));
    let mut parts = Vec::new();
    for nth in 0..arbiters() {
        let part = Part {
            nth,
            of: arbiters(),
        };
        let arbiter = Arbiter::new();
        let (ready, is_ready) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let phase = Arc::clone(&phase);
        arbiter.spawn_fn(move || {
            actix::spawn(async move {
                let street = Street::build(plan.demand, part);
                let _ = ready.send(());
                let sold = street.sell(plan, part, phase).await;
                let _ = done.send(sold);
            });
        });
        parts.push((arbiter, is_ready, is_done));
    }
    for (_, is_ready, _) in &mut parts {
        is_ready.await.map_err(Fault::call("starting actors"))?;
    }
    tokio::time::sleep(WARM_UP).await;
    let began = Instant::now();
    phase.store(COUNTING, Ordering::Relaxed);
    tokio::time::sleep(plan.span).await;
    phase.store(OVER, Ordering::Relaxed);
    let span = began.elapsed();
    let mut times = Vec::new();
    for (arbiter, _, is_done) in parts {
        times.extend(is_done.await.map_err(Fault::call("naive actors"))??);
        arbiter.stop();
        arbiter
            .join()
            .map_err(|_| Fault::call("ending an arbiter")("it has ended by a bug"))?;
    }
    Ok(Figures {
        name: "naive",
        conditions,
        vends: Some(times.len() as f64),
        latencies: times.into_iter().collect::<Latencies>(),
        replies: Latencies::default(),
        flushes: None,
        bytes_per_vend: None,
        span,
        compare: Vec::new(),
    })
}

/// The actors of one arbiter.
struct Street {
    demand: Demand,
    of: usize,
    wallets: Vec<Addr<Wallet>>,
    machines: Vec<Addr<Machine>>,
}

impl Street {
    fn build(demand: Demand, part: Part) -> Self {
        let log = Log::default().start();
        let of = part.of as u64;
        // The first ones have one more, when they do not divide evenly.
        let wallets = (demand.wallets() + of - 1 - part.nth as u64) / of;
        let wallets = (0..wallets.max(1)).map(|_| Wallet::new(log.clone()).start());
        let wallets: Vec<_> = wallets.collect();
        let machines = (0..MACHINES).map(|_| Machine::new(log.clone()).start());
        Self {
            demand,
            of: part.of,
            wallets,
            machines: machines.collect(),
        }
    }

    /// Lets this part's customers buy until it is over, and looks at the books.
    async fn sell(
        self,
        plan: Naive,
        part: Part,
        phase: Arc<AtomicU8>,
    ) -> Result<Vec<Duration>, Fault> {
        let street = Rc::new(self);
        let customers: Vec<_> = (part.nth..plan.in_flight.get())
            .step_by(part.of)
            .map(|customer| {
                let (street, phase) = (Rc::clone(&street), Arc::clone(&phase));
                actix::spawn(async move { street.buy(customer, &plan, &phase).await })
            })
            .collect();
        let (mut times, mut vends) = (Vec::new(), 0_i64);
        for customer in customers {
            let (timed, bought) = customer.await.map_err(Fault::call("buying"))??;
            times.extend(timed);
            vends += bought;
        }
        street.check(vends).await?;
        Ok(times)
    }

    async fn buy(
        &self,
        customer: usize,
        plan: &Naive,
        phase: &AtomicU8,
    ) -> Result<(Vec<Duration>, i64), Fault> {
        let (mut times, mut vends) = (Vec::new(), 0);
        let mut number = customer as u64;
        loop {
            let began_in = phase.load(Ordering::Relaxed);
            if began_in == OVER {
                return Ok((times, vends));
            }
            let began = Instant::now();
            self.vend(number).await?;
            vends += 1;
            if began_in == COUNTING && phase.load(Ordering::Relaxed) == COUNTING {
                times.push(began.elapsed());
            }
            number += plan.in_flight.get() as u64;
        }
    }

    async fn vend(&self, number: u64) -> Result<(), Fault> {
        let (machine, _) = self.demand.place(number);
        let machine = &self.machines[(machine.number() as usize - 1) % self.machines.len()];
        let wallet = &self.wallets[number as usize / self.of % self.wallets.len()];
        let mut name = [0; 16];
        name[..8].copy_from_slice(&number.to_le_bytes());
        let vend = VendId::from_bytes(name);
        let wallet = wallet.clone();
        for asked in [
            Ask::Open(wallet),
            Ask::Reserve(HELD_MINOR),
            Ask::Settle(PRICE_MINOR),
            Ask::Close,
        ] {
            let told = machine.send(Told(vend, asked)).await;
            told.map_err(Fault::call("reaching a machine"))?
                .map_err(|Refused| Fault::call("vending")("a naive actor refused"))?;
        }
        Ok(())
    }

    /// Whatever left the wallets is at the machines, and nothing is held.
    async fn check(&self, vends: i64) -> Result<(), Fault> {
        let mut spent = 0;
        for wallet in &self.wallets {
            let (balance, held) = see(wallet.send(See).await)?;
            spent += FUNDS_MINOR - balance;
            if held != 0 {
                return Err(Fault::call("looking at naive books")("something is held"));
            }
        }
        let mut sold = 0;
        for machine in &self.machines {
            sold += see(machine.send(See).await)?.0;
        }
        if spent != sold || sold != vends * PRICE_MINOR {
            return Err(Fault::call("looking at naive books")("they do not balance"));
        }
        Ok(())
    }
}

fn see(seen: Result<Result<Sum, Refused>, MailboxError>) -> Result<Sum, Fault> {
    seen.map_err(Fault::call("looking at naive books"))?
        .map_err(|Refused| Fault::call("looking at naive books")("an actor refused"))
}

/// A "no".
#[derive(Clone, Copy, Debug)]
struct Refused;

type Answer = Result<(), Refused>;
type Later = ResponseFuture<Answer>;

/// To a machine: what a customer wants of their session there.
struct Told(VendId, Ask);

enum Ask {
    Open(Addr<Wallet>),
    Reserve(i64),
    Settle(i64),
    Close,
}

/// To a session: what its machine passes on.
enum Step {
    Reserve(i64),
    Settle(i64),
    Close,
}

/// To a wallet: what its session wants.
struct Move(VendId, Money);

#[derive(Clone, Copy)]
enum Money {
    Hold(i64),
    Capture(i64),
    Free,
}

/// To the log: what has happened.
struct Happened {
    vend: VendId,
    what: i64,
    at: Instant,
}

/// To anybody: what it has, and what of it is held.
struct See;

impl Message for Told {
    type Result = Answer;
}

impl Message for Step {
    type Result = Answer;
}

impl Message for Move {
    type Result = Answer;
}

impl Message for Happened {
    type Result = ();
}

impl Message for See {
    type Result = Result<Sum, Refused>;
}

type Sum = (i64, i64);

struct Machine {
    sessions: HashMap<VendId, Addr<Session>>,
    sold: i64,
    log: Addr<Log>,
}

impl Machine {
    fn new(log: Addr<Log>) -> Self {
        Self {
            sessions: HashMap::new(),
            sold: 0,
            log,
        }
    }
}

impl Actor for Machine {
    type Context = Context<Self>;
}

impl Handler<Told> for Machine {
    type Result = Later;

    fn handle(&mut self, Told(vend, asked): Told, _: &mut Self::Context) -> Later {
        let step = match asked {
            Ask::Open(wallet) => {
                let session = Session::new(vend, wallet).start();
                self.sessions.insert(vend, session);
                let kept = self.log.send(Happened::now(vend, 0));
                return Box::pin(async move { kept.await.map_err(|_| Refused) });
            }
            Ask::Reserve(amount) => Step::Reserve(amount),
            Ask::Settle(amount) => {
                self.sold += amount;
                Step::Settle(amount)
            }
            Ask::Close => Step::Close,
        };
        let is_last = matches!(step, Step::Close);
        let session = if is_last {
            self.sessions.remove(&vend)
        } else {
            self.sessions.get(&vend).cloned()
        };
        Box::pin(async move {
            let session = session.ok_or(Refused)?;
            session.send(step).await.map_err(|_| Refused)?
        })
    }
}

impl Handler<See> for Machine {
    type Result = Result<Sum, Refused>;

    fn handle(&mut self, See: See, _: &mut Self::Context) -> Self::Result {
        Ok((self.sold, 0))
    }
}

struct Session {
    vend: VendId,
    wallet: Addr<Wallet>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Held,
    Over,
}

impl Session {
    fn new(vend: VendId, wallet: Addr<Wallet>) -> Self {
        Self {
            vend,
            wallet,
            phase: Phase::Open,
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Handler<Step> for Session {
    type Result = Later;

    fn handle(&mut self, step: Step, context: &mut Self::Context) -> Later {
        let (next, money) = match (self.phase, step) {
            (Phase::Open, Step::Reserve(amount)) => (Phase::Held, Money::Hold(amount)),
            (Phase::Held, Step::Settle(amount)) => (Phase::Held, Money::Capture(amount)),
            (Phase::Held, Step::Close) => (Phase::Over, Money::Free),
            (Phase::Open | Phase::Held | Phase::Over, _) => {
                return Box::pin(async { Err(Refused) });
            }
        };
        self.phase = next;
        if next == Phase::Over {
            context.stop();
        }
        let moved = self.wallet.send(Move(self.vend, money));
        Box::pin(async move { moved.await.map_err(|_| Refused)? })
    }
}

struct Wallet {
    balance: i64,
    held: i64,
    holds: HashMap<VendId, i64>,
    log: Addr<Log>,
}

impl Wallet {
    fn new(log: Addr<Log>) -> Self {
        Self {
            balance: FUNDS_MINOR,
            held: 0,
            holds: HashMap::new(),
            log,
        }
    }

    /// Moves money, or refuses; gives what the log is told.
    fn take(&mut self, vend: VendId, money: Money) -> Result<i64, Refused> {
        match money {
            Money::Hold(amount) => {
                if self.balance - self.held < amount || self.holds.contains_key(&vend) {
                    return Err(Refused);
                }
                self.holds.insert(vend, amount);
                self.held += amount;
                Ok(amount)
            }
            Money::Capture(amount) => {
                let hold = self.holds.get_mut(&vend).ok_or(Refused)?;
                if *hold < amount {
                    return Err(Refused);
                }
                *hold -= amount;
                self.held -= amount;
                self.balance -= amount;
                Ok(-amount)
            }
            Money::Free => {
                self.held -= self.holds.remove(&vend).ok_or(Refused)?;
                Ok(0)
            }
        }
    }
}

impl Actor for Wallet {
    type Context = Context<Self>;
}

impl Handler<Move> for Wallet {
    type Result = Later;

    fn handle(&mut self, Move(vend, money): Move, _: &mut Self::Context) -> Later {
        let taken = self.take(vend, money);
        let kept = taken.map(|what| self.log.send(Happened::now(vend, what)));
        Box::pin(async move { kept?.await.map_err(|_| Refused) })
    }
}

impl Handler<See> for Wallet {
    type Result = Result<Sum, Refused>;

    fn handle(&mut self, See: See, _: &mut Self::Context) -> Self::Result {
        Ok((self.balance, self.held))
    }
}

impl Happened {
    fn now(vend: VendId, what: i64) -> Self {
        Self {
            vend,
            what,
            at: Instant::now(),
        }
    }
}

/// What has happened, in order, for as long as there is room.
#[derive(Default)]
struct Log {
    kept: Vec<(VendId, i64, Instant)>,
}

impl Actor for Log {
    type Context = Context<Self>;
}

impl Handler<Happened> for Log {
    type Result = ();

    fn handle(&mut self, happened: Happened, _: &mut Self::Context) {
        if self.kept.len() >= LOG_KEPT {
            self.kept.clear();
        }
        self.kept.push((happened.vend, happened.what, happened.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naive_actors_sell_and_their_books_balance() {
        let mut naive = Naive {
            in_flight: NonZeroUsize::new(64).expect("not zero"),
            span: Duration::from_millis(50),
            demand: Demand::new(1_000, 50),
        };
        let figures = naive.run().expect("runs, and balances");
        assert!(figures.vends.is_some_and(|vends| vends > 0.0));
    }
}
