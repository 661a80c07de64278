use crate::bounds::{DRAIN_EVERY, WATCH_EVERY_MAX};
use crate::clock::{Clock, Uptime};
use crate::directory::ShardOf;
use crate::entities::Entities;
use crate::failure::{ShutdownFault, StopCause};
use crate::host::Host;
use crate::journal::Journal;
use crate::line::{Line, Mailbox};
use crate::loader::Loader;
use crate::metrics::Counters;
use crate::shard::Shard;
use actix::{Actor, Arbiter, ArbiterHandle, System};
use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// What the engine's own thread starts with.
pub(crate) struct Boot {
    pub(crate) shards: Vec<Entities>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) writer: JoinHandle<()>,
    pub(crate) gate: Arc<crate::gate::Gate>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    pub(crate) uptime: Uptime,
    pub(crate) patience: Duration,
    pub(crate) hold_max: Duration,
    /// Who fetches from the shelf, when there is one.
    pub(crate) loader: Option<Loader>,
    /// Wallets that stay in one shard though nothing needs them.
    pub(crate) residents_max: usize,
}

/// What the handle gets once every shard runs.
pub(crate) struct Running {
    pub(crate) line: Arc<Line>,
    pub(crate) arbiters: Vec<ArbiterHandle>,
}

/// Asks the engine's own thread to shut everything down, and where to say that it is done.
pub(crate) struct Shutdown(pub(crate) Option<oneshot::Sender<Result<(), ShutdownFault>>>);

/// The engine's own thread: starts the shards, watches deadlines, and ends everything in order.
pub(crate) fn run(
    boot: Boot,
    ready: &SyncSender<Running>,
    mut control: UnboundedReceiver<Shutdown>,
) {
    let system = System::new();
    system.block_on(async move {
        let (mut arbiters, mut addresses) = (Vec::new(), Vec::new());
        let count = boot.shards.len();
        for (number, entities) in boot.shards.into_iter().enumerate() {
            let arbiter = Arbiter::new();
            let journal = Arc::clone(&boot.journal);
            let time = (boot.clock.clone(), boot.uptime.clone(), boot.hold_max);
            let (loader, residents_max) = (boot.loader.clone(), boot.residents_max);
            let mailbox = Shard::start_in_arbiter(&arbiter.handle(), move |_| {
                let host = Host::new(ShardOf { number, count }, entities, journal, time);
                Shard::new(match loader {
                    Some(loader) => host.with_shelf(loader, residents_max),
                    None => host,
                })
            });
            addresses.push(Mailbox::Actor(mailbox));
            arbiters.push(arbiter);
        }
        let line = Arc::new(Line::new(
            addresses,
            boot.gate,
            boot.counters,
            (boot.uptime.clone(), boot.patience),
        ));
        let running = Running {
            line: Arc::clone(&line),
            arbiters: arbiters.iter().map(Arbiter::handle).collect(),
        };
        // Without anybody to take it the control channel is closed too, and all ends at once.
        let _ = ready.send(running);

        let first = watch(&boot.journal, &boot.uptime, (boot.patience, &mut control)).await;
        let outcome = wind_down(&line, &boot.journal, (&boot.uptime, boot.patience)).await;
        boot.journal.close();
        let written = boot.writer.join();
        for arbiter in &arbiters {
            arbiter.stop();
        }
        let mut sound = written.is_ok();
        for arbiter in arbiters {
            sound &= arbiter.join().is_ok();
        }
        let outcome = if sound {
            outcome
        } else {
            Err(ShutdownFault::Stopped(Arc::new(StopCause::Thread)))
        };
        control.close();
        let mut next = first;
        while let Some(Shutdown(answer)) = next {
            if let Some(answer) = answer {
                let _ = answer.send(outcome.clone());
            }
            next = control.recv().await;
        }
    });
}

/// Answers calls whose time is up, until somebody asks for the end.
async fn watch(
    journal: &Journal,
    uptime: &Uptime,
    rest: (Duration, &mut UnboundedReceiver<Shutdown>),
) -> Option<Shutdown> {
    let (patience, control) = rest;
    let every = watch_every(patience);
    loop {
        match tokio::time::timeout(every, control.recv()).await {
            Ok(asked) => return asked,
            Err(_) => journal.time_out(uptime.elapsed()),
        }
    }
}

/// Stops intake, waits until every call is answered, and until every shard has handed over.
async fn wind_down(
    line: &Line,
    journal: &Journal,
    time: (&Uptime, Duration),
) -> Result<(), ShutdownFault> {
    let (uptime, patience) = time;
    let gate = journal.gate();
    gate.close();
    let deadline = line.deadline().saturating_add(patience);
    let stopped = || {
        let cause = gate.cause().unwrap_or_else(|| Arc::new(StopCause::Thread));
        Err(ShutdownFault::Stopped(cause))
    };
    while gate.in_flight() > 0 {
        if gate.is_stopped() {
            return stopped();
        }
        let now = uptime.elapsed();
        journal.time_out(now);
        if now > deadline {
            return Err(ShutdownFault::Unanswered {
                in_flight: gate.in_flight(),
            });
        }
        tokio::time::sleep(DRAIN_EVERY).await;
    }
    for shard in 0..line.count() {
        // Lapsed sessions hold no credit: their records are handed over before this is answered.
        if line.drain(shard, deadline).await.is_err() {
            return stopped();
        }
    }
    Ok(())
}

fn watch_every(patience: Duration) -> Duration {
    (patience / 4).clamp(DRAIN_EVERY, WATCH_EVERY_MAX)
}
