//! One life of the engine, from a start to a crash: its real hosts and its real journal, and
//! nobody but the scheduler to run them.

use super::medium::{Guard, Medium};
use crate::clock::{Clock, Uptime};
use crate::directory::{Directory, ShardOf};
use crate::failure::{SnapshotFailure, StopCause};
use crate::gate::Gate;
use crate::host::{Ended, Host, Submission};
use crate::journal::{Hub, Journal};
use crate::line::{Line, Mailbox};
use crate::loader::{Loader, Loading};
use crate::metrics::Counters;
use crate::operators::Earnings;
use crate::recovery;
use crate::snapshots::Snapshots;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use gettone_core::id::ReaderId;
use gettone_core::port::{Frames, History, Seq, Shelf, Store};
use gettone_core::transfer::Transfer;
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

const IN_FLIGHT_MAX: usize = 48;
const PATIENCE: Duration = Duration::from_secs(10);
const HOLD_MAX: Duration = Duration::from_secs(72 * 60 * 60);

/// How a life is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) shards: usize,
    /// Wallets that stay in one shard though nothing needs them.
    pub(super) residents_max: usize,
    /// Whether a shard in which a rule panicked is rebuilt.
    pub(super) rebuild: Guard,
}

/// A snapshot on its way.
type Taking = Pin<Box<dyn Future<Output = Result<(), SnapshotFailure>>>>;

type Queue = Arc<Mutex<VecDeque<Submission>>>;

/// The clocks of a world, which outlive every life.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    pub(super) wall: Arc<AtomicU64>,
    pub(super) uptime: Arc<AtomicU64>,
}

pub(super) struct Life {
    hosts: Vec<Host>,
    queues: Vec<Queue>,
    pub(super) line: Arc<Line>,
    pub(super) gate: Arc<Gate>,
    journal: Arc<Journal>,
    store: Box<dyn Store>,
    next: Seq,
    merged: Frames,
    clocks: Clocks,
    beside: Option<Beside>,
    taking: Option<Taking>,
    counters: Arc<Counters>,
    /// Complete snapshots, and entities that came from the shelf.
    pub(super) snapshots: u64,
    pub(super) loads: u64,
    /// Readers whose work a crash cut off.
    pub(super) due: Vec<ReaderId>,
    /// Transfers that it cut off.
    pub(super) transfers: Vec<Transfer>,
    pub(super) earnings: Arc<Earnings>,
    hub: Arc<Hub>,
}

/// What works for the shelf.
struct Beside {
    shelf: Arc<dyn Shelf>,
    loading: Loading,
    /// None once a snapshot has failed: there is no other until the next start.
    snapshots: Option<Arc<Snapshots>>,
}

impl Life {
    /// Starts as [`Engine::start`](crate::Engine::start) does, save for the threads.
    pub(super) fn begin(medium: &Medium, setup: Setup, clocks: &Clocks) -> Result<Self, String> {
        let shards = setup.shards;
        let mut store = medium.open().map_err(|fault| format!("opening: {fault}"))?;
        let directory = Arc::new(Directory::default());
        let recovered = recovery::recover(
            store.as_mut(),
            (shards, &directory),
            (Seq::FIRST, &mut |_, _| {}),
        )
        .map_err(|fault| format!("recovery: {fault}"))?;
        let mut due: Vec<ReaderId> = recovered
            .shards
            .iter()
            .flat_map(|entities| entities.readers_due())
            .collect();
        due.sort_unstable();
        let transfers = recovered
            .shards
            .iter()
            .flat_map(|entities| entities.transfers(usize::MAX))
            .collect();
        let gate = Arc::new(Gate::new(IN_FLIGHT_MAX));
        let counters = Arc::new(Counters::default());
        let hub = Arc::new(Hub::new());
        hub.begin(recovered.next);
        let history = store.history();
        let earnings = Earnings::new(history, Arc::clone(&hub), Arc::clone(&gate));
        let earnings = Arc::new(earnings.resume(store.shelf().as_deref(), recovered.next));
        let journal = Arc::new(Journal::new(
            Arc::clone(&gate),
            Arc::clone(&hub),
            Arc::clone(&counters),
        ));
        let uptime = Uptime::Set(Arc::clone(&clocks.uptime));
        let clock = Clock::Set(Arc::clone(&clocks.wall));
        let queues: Vec<Queue> = (0..shards).map(|_| Queue::default()).collect();
        let shelf = store.shelf();
        let (loader, loading) = shelf
            .as_ref()
            .map(|_| Loader::new(recovered.hosted))
            .unzip();
        let hosts = recovered
            .shards
            .into_iter()
            .enumerate()
            .map(|(number, entities)| {
                let time = (clock.clone(), uptime.clone(), HOLD_MAX);
                let shard = ShardOf {
                    number,
                    count: shards,
                };
                let mut host = Host::new(shard, entities, Arc::clone(&journal), time);
                host.is_careless = setup.rebuild == Guard::Off;
                match &loader {
                    Some(loader) => host.with_shelf(loader.clone(), setup.residents_max),
                    None => host,
                }
            })
            .collect();
        let mailboxes = queues.iter().map(Arc::clone).map(Mailbox::Queue).collect();
        let time = (uptime, PATIENCE);
        let line = Line::new(mailboxes, Arc::clone(&gate), Arc::clone(&counters), time);
        let line = Arc::new(line);
        let beside = shelf.zip(loading).map(|(shelf, loading)| Beside {
            snapshots: Some(Arc::new(Snapshots {
                shelf: Arc::clone(&shelf),
                line: Arc::clone(&line),
                counters: Arc::clone(&counters),
                bolt: journal.bolt(),
                earnings: Arc::clone(&earnings),
                every: None,
            })),
            shelf,
            loading,
        });
        Ok(Self {
            hosts,
            queues,
            line,
            beside,
            taking: None,
            counters,
            snapshots: 0,
            loads: 0,
            gate,
            journal,
            store,
            next: recovered.next,
            merged: Frames::default(),
            clocks: clocks.clone(),
            due,
            transfers,
            earnings,
            hub,
        })
    }

    pub(super) fn shards(&self) -> usize {
        self.hosts.len()
    }

    /// How much waits in a host's mailbox.
    pub(super) fn waiting(&self, shard: usize) -> usize {
        self.queues.get(shard).map_or(0, |queue| lock(queue).len())
    }

    /// Gives a host the oldest of what waits for it.
    pub(super) fn deliver(&mut self, shard: usize) {
        let oldest = self
            .queues
            .get(shard)
            .and_then(|queue| lock(queue).pop_front());
        if let (Some(submission), Some(host)) = (oldest, self.hosts.get_mut(shard)) {
            host.handle(submission);
        }
    }

    pub(super) fn end_turn(&mut self, shard: usize) {
        if let Some(host) = self.hosts.get_mut(shard) {
            host.end_turn();
        }
    }

    /// A shard that is being rebuilt looks whether it is.
    pub(super) fn look(&mut self, shard: usize) {
        if let Some(host) = self.hosts.get_mut(shard) {
            host.look();
        }
    }

    /// How many shards were rebuilt.
    pub(super) fn rebuilds(&self) -> u64 {
        self.counters.read().rebuilds
    }

    pub(super) fn lapse(&mut self, shard: usize) {
        if let Some(host) = self.hosts.get_mut(shard) {
            host.lapse();
        }
    }

    /// What the engine's own thread does now and then.
    pub(super) fn time_out(&self) {
        self.journal
            .time_out(Uptime::Set(Arc::clone(&self.clocks.uptime)).elapsed());
    }

    /// One step of the journal's thread. After a failure that thread is gone.
    pub(super) fn flush(&mut self) {
        if self.gate.is_stopped() {
            return;
        }
        let flushed = self
            .journal
            .flush(self.store.as_mut(), &mut self.next, &mut self.merged);
        if let Err(cause) = flushed {
            self.journal.stop(cause);
            self.journal.give_up();
        }
    }

    /// One step of the loader's thread: somebody's entity comes from the shelf.
    pub(super) fn fetch(&mut self) -> bool {
        let Some(beside) = self.beside.as_ref() else {
            return false;
        };
        match beside.loading.next(beside.shelf.as_ref()) {
            None => return false,
            Some(Ok((shard, loaded))) => {
                self.loads += 1;
                self.line.tell(shard, loaded);
            }
            Some(Err(fault)) => self.journal.stop(StopCause::Store(fault)),
        }
        true
    }

    /// One step of the snapshots' thread: one begins, or goes on.
    pub(super) fn save(&mut self) {
        let Some(snapshots) = self
            .beside
            .as_ref()
            .and_then(|beside| beside.snapshots.clone())
        else {
            return;
        };
        let taking = self.taking.get_or_insert_with(|| {
            let snapshots = Arc::clone(&snapshots);
            Box::pin(async move { snapshots.take().await })
        });
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(taken) = taking.as_mut().poll(&mut context) else {
            return;
        };
        self.taking = None;
        match taken {
            Ok(()) => self.snapshots += 1,
            Err(_) => {
                snapshots.tell(Ended::Failed);
                if let Some(beside) = &mut self.beside {
                    beside.snapshots = None;
                }
            }
        }
    }

    /// A snapshot that is on its way ends where it is.
    pub(super) fn leave_off(&mut self) {
        self.taking = None;
    }

    /// Why it has stopped, if it has.
    pub(super) fn stopped(&self) -> Option<Arc<StopCause>> {
        self.gate.cause()
    }

    /// What is durable, and where that ends.
    pub(super) fn history(&self) -> (Option<Arc<dyn History>>, Seq) {
        (self.store.history(), self.hub.next())
    }

    /// Takes everything out that is durable, for whoever checks it.
    pub(super) fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut()
    }
}

fn lock(queue: &Queue) -> std::sync::MutexGuard<'_, VecDeque<Submission>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
