mod operator;
mod session;
mod wallet;

use crate::bounds::SUBSCRIBERS_MAX;
use crate::clock::Uptime;
use crate::directory::{Directory, machine_shard, reader_shard, wallet_shard};
use crate::failure::{
    Failure, ReplaceRefusal, ShutdownFault, SnapshotFailure, StartFault, StopCause, TrailRefusal,
};
use crate::gate::Gate;
use crate::host::Request;
use crate::journal::{Durable, Events, Hub, Journal, Trail};
use crate::line::Line;
use crate::loader::Loader;
use crate::metrics::{Counters, Metrics};
use crate::operators::Earnings;
use crate::recovery;
use crate::relay::{self, Relayed};
use crate::settings::Settings;
use crate::snapshots::{Asked, Now, Snapshots};
use crate::threads::{self, Boot, Running, Shutdown};
use crate::transfers;
use actix::ArbiterHandle;
use core::convert::Infallible;
use gettone_core::id::{MachineId, ReaderId, ReaderKey, TransferId, WalletId};
use gettone_core::machine::{self, Machine};
use gettone_core::money::Amount;
use gettone_core::port::{History, Seq, Store};
use gettone_core::reader::{self, News, Reader, Scan};
use gettone_core::record::Record;
use gettone_core::transfer::Transfer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// The handle: a cheap copy for everybody who asks. Dropping the last one shuts the engine down in
/// the background; [`Engine::shutdown`] waits for it.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    line: Arc<Line>,
    arbiters: Vec<ArbiterHandle>,
    gate: Arc<Gate>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
    earnings: Arc<Earnings>,
    past: Past,
    control: UnboundedSender<Shutdown>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What works for the shelf; none when the store has none.
    beside: Mutex<Option<Beside>>,
}

/// What is durable, as it can be read beside the journal; none when the store does not let it.
struct Past(Option<Arc<dyn History>>);

impl core::fmt::Debug for Past {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_tuple("Past").field(&self.0.is_some()).finish()
    }
}

/// What a crash left under way.
#[derive(Debug)]
struct CutOff {
    readers: Vec<ReaderId>,
    transfers: Vec<Transfer>,
}

/// The threads that work for the shelf, and how a snapshot is asked for.
#[derive(Debug)]
struct Beside {
    asked: Asked,
    threads: [JoinHandle<()>; 2],
}

impl Inner {
    fn beside(&self) -> MutexGuard<'_, Option<Beside>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // After a shutdown nobody listens any more, which is as well.
        let _ = self.control.send(Shutdown(None));
    }
}

impl Engine {
    /// Rebuilds everything from `store`, starts the shards, and finishes what a crash cut off.
    /// Every durable record is shown to `history` once, in order. It blocks until that is done.
    ///
    /// # Errors
    /// `StartFault` when a setting is out of bounds, the journal cannot be read, or it fails while
    /// unfinished work is taken up.
    pub fn start(
        mut store: Box<dyn Store>,
        settings: Settings,
        history: &mut dyn FnMut(Seq, &Record),
    ) -> Result<Self, StartFault> {
        settings.check()?;
        let shards = settings.shards()?;
        let directory = Arc::new(Directory::default());
        let mut show = |seq: Seq, record: &Record| history(seq, record);
        let shown = (
            settings.history_from,
            &mut show as &mut dyn FnMut(Seq, &Record),
        );
        let recovered = recovery::recover(store.as_mut(), (shards, &directory), shown)?;
        let shelf = store.shelf();
        let past = store.history();
        let of_shards = recovered.shards.iter();
        let mut due = CutOff {
            readers: of_shards
                .clone()
                .flat_map(|entities| entities.readers_due())
                .collect(),
            transfers: of_shards
                .flat_map(|entities| entities.transfers(usize::MAX))
                .collect(),
        };
        due.readers.sort_unstable();
        due.transfers.sort_unstable_by_key(|transfer| transfer.key);

        let gate = Arc::new(Gate::new(settings.in_flight_max));
        let hub = Arc::new(Hub::new());
        let counters = Arc::new(Counters::default());
        let journal = Arc::new(Journal::new(
            Arc::clone(&gate),
            Arc::clone(&hub),
            Arc::clone(&counters),
        ));
        let next = recovered.next;
        hub.begin(next);
        let earnings = Earnings::new(past.clone(), Arc::clone(&hub), Arc::clone(&gate));
        let earnings = Arc::new(earnings.resume(shelf.as_deref(), next));
        let writer = {
            let journal = Arc::clone(&journal);
            thread::Builder::new()
                .name("gettone-journal".to_owned())
                .spawn(move || journal.run(store, next))?
        };
        let (control, commands) = unbounded_channel();
        let (ready, started) = mpsc::sync_channel(1);
        let (loader, loading) = shelf
            .as_ref()
            .map(|_| Loader::new(recovered.hosted))
            .unzip();
        let boot = Boot {
            shards: recovered.shards,
            journal: Arc::clone(&journal),
            writer,
            gate: Arc::clone(&gate),
            counters: Arc::clone(&counters),
            clock: settings.clock,
            uptime: Uptime::begin(),
            patience: settings.deadline,
            hold_max: settings.hold_max,
            loader,
            residents_max: settings.residents_max / shards,
        };
        let spawned = thread::Builder::new()
            .name("gettone".to_owned())
            .spawn(move || threads::run(boot, &ready, commands));
        let thread = spawned.inspect_err(|_| journal.close())?;
        let Ok(Running { line, arbiters }) = started.recv() else {
            journal.close();
            return Err(StartFault::Stopped(Arc::new(StopCause::Thread)));
        };
        let mut beside = None;
        if let (Some(shelf), Some(loading)) = (shelf, loading) {
            let spawned = {
                let (shelf, line) = (Arc::clone(&shelf), Arc::clone(&line));
                let (journal, counters) = (Arc::clone(&journal), Arc::clone(&counters));
                thread::Builder::new()
                    .name("gettone-loader".to_owned())
                    .spawn(move || loading.run(shelf.as_ref(), &line, (&journal, &counters)))
            };
            let loading = spawned.inspect_err(|_| journal.close())?;
            let taking = Snapshots {
                shelf,
                line: Arc::clone(&line),
                counters: Arc::clone(&counters),
                bolt: journal.bolt(),
                earnings: Arc::clone(&earnings),
                every: settings.snapshot_every,
            };
            let (asked, asks) = mpsc::channel();
            let spawned = thread::Builder::new()
                .name("gettone-snapshot".to_owned())
                .spawn(move || taking.run(&asks));
            let taking = spawned.inspect_err(|_| journal.close())?;
            beside = Some(Beside {
                asked,
                threads: [loading, taking],
            });
        }
        let engine = Self {
            inner: Arc::new(Inner {
                beside: Mutex::new(beside),
                line,
                arbiters,
                gate,
                hub,
                directory,
                counters,
                earnings,
                past: Past(past),
                control,
                thread: Mutex::new(Some(thread)),
            }),
        };
        engine.take_up(due, history)?;
        let line = Arc::clone(&engine.inner.line);
        engine.spawn_beside(0, transfers::tend(line));
        Ok(engine)
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.inner.line.count()
    }

    /// Which shard hosts a wallet, counted from 0.
    pub fn shard_of(&self, wallet: WalletId) -> usize {
        wallet_shard(wallet, self.inner.line.count())
    }

    /// Runs `task` on the thread of a shard, where asking that shard wakes nobody else; false when
    /// there is no such shard, or it has ended. It shares that thread: it must never block it.
    pub fn spawn_beside(
        &self,
        shard: usize,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        self.inner
            .arbiters
            .get(shard)
            .is_some_and(|arbiter| arbiter.spawn(task))
    }

    /// Asks a machine; gives what happened, or none when it had happened before.
    ///
    /// # Errors
    /// `Failure` with the machine's refusal, or why there is no answer.
    pub async fn machine_command(
        &self,
        machine: MachineId,
        command: machine::Command,
    ) -> Result<Durable<Option<machine::Event>>, Failure<machine::Refusal>> {
        let line = &self.inner.line;
        let shard = machine_shard(machine, line.count());
        let command = Box::new(command);
        line.call(shard, |reply| Request::Machine(machine, command, reply))
            .await
    }

    /// A copy of a machine; none when it was never registered.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn machine(
        &self,
        machine: MachineId,
    ) -> Result<Durable<Option<Box<Machine>>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = machine_shard(machine, line.count());
        line.call(shard, |reply| Request::SeeMachine(machine, reply))
            .await
    }

    /// Asks a reader; gives what happened, or none when it had happened before. An envelope's news
    /// go through [`Engine::relay`], which does what follows from them as well.
    ///
    /// # Errors
    /// `Failure` with the reader's refusal, or why there is no answer.
    pub async fn reader_command(
        &self,
        reader: ReaderId,
        command: reader::Command,
    ) -> Result<Durable<Option<reader::Event>>, Failure<reader::Refusal>> {
        let line = &self.inner.line;
        let shard = reader_shard(reader, line.count());
        let command = Box::new(command);
        line.call(shard, |reply| Request::Reader(reader, command, reply))
            .await
    }

    /// A copy of a reader; none when it was never enrolled.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn reader(
        &self,
        reader: ReaderId,
    ) -> Result<Durable<Option<Box<Reader>>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = reader_shard(reader, line.count());
        line.call(shard, |reply| Request::SeeReader(reader, reply))
            .await
    }

    /// Takes in one authentic envelope of `reader`, relayed for `account` if for anybody: its
    /// receipts, what they fence, and the hold that they allow, in this order. The whole is
    /// idempotent, and goes on when the caller does not wait for it.
    ///
    /// # Errors
    /// `Failure` with the reader's refusal, or why there is no answer.
    pub async fn relay(
        &self,
        reader: ReaderId,
        news: News,
        account: Option<WalletId>,
    ) -> Result<Durable<Relayed>, Failure<reader::Refusal>> {
        let line = Arc::clone(&self.inner.line);
        let shard = reader_shard(reader, self.shards());
        let steps = async move { relay::relay(&line, reader, (news, account)).await };
        self.chain(shard, steps).await
    }

    /// Takes in an authentic code that `reader` had on show, brought for `account` if for anybody:
    /// its receipts, what it fences, and the hold that is to go out as light, in this order. The
    /// whole is idempotent, and goes on when the caller does not wait for it.
    ///
    /// # Errors
    /// `Failure` with the reader's refusal, or why there is no answer.
    pub async fn scan(
        &self,
        reader: ReaderId,
        scan: Scan,
        account: Option<WalletId>,
    ) -> Result<Durable<Relayed>, Failure<reader::Refusal>> {
        let line = Arc::clone(&self.inner.line);
        let shard = reader_shard(reader, self.shards());
        let steps = async move { relay::scan(&line, reader, (scan, account)).await };
        self.chain(shard, steps).await
    }

    /// Revokes a reader: it gets no more grants, and what it was granted and did not account for is
    /// decided as for things that nobody saw.
    ///
    /// # Errors
    /// `Failure` with the reader's refusal, or why there is no answer.
    pub async fn revoke_reader(
        &self,
        reader: ReaderId,
    ) -> Result<Durable<()>, Failure<reader::Refusal>> {
        let line = Arc::clone(&self.inner.line);
        let shard = reader_shard(reader, self.shards());
        let steps = async move { relay::command(&line, reader, reader::Command::Revoke).await };
        self.chain(shard, steps).await
    }

    /// Puts another reader before the machine of `old`, which is revoked. Each step is idempotent:
    /// after a failure the same call goes on.
    ///
    /// # Errors
    /// `Failure` with a refusal of either reader or of the machine, or why there is no answer.
    pub async fn replace_reader(
        &self,
        old: ReaderId,
        fresh: (ReaderId, ReaderKey),
    ) -> Result<(), Failure<ReplaceRefusal>> {
        let (new, key) = fresh;
        let before = self
            .reader(old)
            .await
            .map_err(|failure| failure.map_refused(|never| match never {}))?
            .into_inner();
        let place = before
            .as_deref()
            .and_then(|before| Some((before.machine()?, before.operator()?, before.currency()?)));
        let Some((machine, operator, currency)) = place.filter(|_| old != new) else {
            return Err(Failure::Refused(reader::Refusal::Unknown.into()));
        };
        let enrol = reader::Command::Enrol {
            key,
            machine,
            operator,
            currency,
        };
        self.reader_command(new, enrol)
            .await
            .map_err(|failure| failure.map_refused(ReplaceRefusal::from))?;
        let claim = machine::Command::Claim { reader: new };
        self.machine_command(machine, claim)
            .await
            .map_err(|failure| failure.map_refused(ReplaceRefusal::from))?;
        self.revoke_reader(old)
            .await
            .map_err(|failure| failure.map_refused(ReplaceRefusal::from))?;
        Ok(())
    }

    /// Books that the cash box of a machine was emptied and counted.
    ///
    /// # Errors
    /// As for [`Engine::machine_command`].
    pub async fn count_cash(
        &self,
        machine: MachineId,
        key: TransferId,
        counted: Amount,
    ) -> Result<Durable<Option<machine::Event>>, Failure<machine::Refusal>> {
        let command = machine::Command::Count { key, counted };
        self.machine_command(machine, command).await
    }

    /// Takes a snapshot at once: a restart after it replays only what came later.
    ///
    /// ```
    /// # use gettone::core::id::WalletId;
    /// # use gettone::core::money::Currency;
    /// # use gettone::core::port::Seq;
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let memory = gettone_store::Memory::new();
    /// let tape = memory.tape();
    /// let engine = Engine::start(Box::new(memory), Settings::default(), &mut |_, _| {})?;
    /// engine.open_wallet(WalletId::new(1), Currency::EUR).await?;
    /// engine.snapshot().await?;
    /// engine.shutdown().await?;
    ///
    /// // A projection that has everything says from where on it wants to be shown more.
    /// let settings = Settings { history_from: Seq::new(2), ..Settings::default() };
    /// let store = Box::new(gettone_store::Memory::reopen(&tape)?);
    /// let mut replayed = 0;
    /// let engine = Engine::start(store, settings, &mut |_, _| replayed += 1)?;
    /// assert_eq!(replayed, 0);
    /// assert!(engine.balance(WalletId::new(1)).await?.is_some());
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `SnapshotFailure`; nothing is lost by it.
    pub async fn snapshot(&self) -> Result<(), SnapshotFailure> {
        let (answer, taken) = oneshot::channel();
        {
            let beside = self.inner.beside();
            let beside = beside.as_ref().ok_or(SnapshotFailure::NoShelf)?;
            beside
                .asked
                .send(Now(answer))
                .map_err(|_| SnapshotFailure::Stopped)?;
        }
        taken.await.unwrap_or(Err(SnapshotFailure::Stopped))
    }

    /// Shows durable records from here on. While `capacity` of them wait unread, the next ones cut
    /// the subscriber off.
    ///
    /// # Errors
    /// `Failure::Full` when there are too many subscribers.
    pub fn subscribe(&self, capacity: usize) -> Result<Events, Failure<Infallible>> {
        self.inner.hub.subscribe(capacity).ok_or(Failure::Full {
            what: "subscribers",
            limit: SUBSCRIBERS_MAX,
        })
    }

    /// Shows durable records from any place on: first those that the journal holds, then those that
    /// come, in order and without a gap. For a projection that goes on behind its own checkpoint,
    /// and for whoever was cut off. `capacity` is for what comes live, as for
    /// [`Engine::subscribe`].
    ///
    /// ```
    /// # use gettone::core::id::WalletId;
    /// # use gettone::core::money::Currency;
    /// # use gettone::core::port::Seq;
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// for number in 1..=3 {
    ///     engine.open_wallet(WalletId::new(number), Currency::EUR).await?;
    /// }
    /// let mut trail = engine.events_from(Seq::new(2), 1_000)?;
    /// engine.open_wallet(WalletId::new(4), Currency::EUR).await?;
    /// for expected in 2..=4 {
    ///     let (seq, _record) = trail.next().await?.expect("the engine runs");
    ///     assert_eq!(seq, Seq::new(expected));
    /// }
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Failure` when the store cannot be read beside its appends, when the place lies ahead of the
    /// journal, or when there is no thread for it.
    pub fn events_from(&self, from: Seq, capacity: usize) -> Result<Trail, Failure<TrailRefusal>> {
        let next = self.inner.hub.next();
        if from > next {
            return Err(Failure::Refused(TrailRefusal::Ahead { next }));
        }
        let history = self.inner.past.0.clone();
        let history = history.ok_or(Failure::Refused(TrailRefusal::NoHistory))?;
        let hub = Arc::clone(&self.inner.hub);
        let full = Failure::Full {
            what: "readers of the past",
            limit: SUBSCRIBERS_MAX,
        };
        let begun = Trail::begin((history, hub), from.max(Seq::FIRST), capacity);
        begun.ok_or(full)?.map_err(|fault| {
            tracing::error!(%fault, "no thread to read the journal");
            full
        })
    }

    /// Counters since the start.
    pub fn metrics(&self) -> Metrics {
        self.inner.counters.read()
    }

    /// Calls in flight now.
    pub fn in_flight(&self) -> usize {
        self.inner.gate.in_flight()
    }

    /// Why the engine has stopped, if it has.
    pub fn stopped(&self) -> Option<Arc<StopCause>> {
        self.inner.gate.cause()
    }

    /// Takes nothing in any more, answers everything that it took, syncs, and ends every thread;
    /// after that the store is free again. Other handles get `Stopped` from now on.
    ///
    /// # Errors
    /// `ShutdownFault` when it had stopped before, or calls stayed unanswered.
    pub async fn shutdown(self) -> Result<(), ShutdownFault> {
        let (answer, done) = oneshot::channel();
        let gone = || ShutdownFault::Stopped(Arc::new(StopCause::Thread));
        if self.inner.control.send(Shutdown(Some(answer))).is_err() {
            // Another handle has shut it down.
            return self
                .inner
                .gate
                .cause()
                .map_or(Ok(()), |cause| Err(ShutdownFault::Stopped(cause)));
        }
        let outcome = done.await.unwrap_or_else(|_| Err(gone()));
        // A snapshot that was being taken has failed by then: its shards are gone.
        let beside = self.inner.beside().take();
        if let Some(Beside { asked, threads }) = beside {
            drop(asked);
            for thread in threads {
                let _ = thread.join();
            }
        }
        let thread = self
            .inner
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // It has answered as its last act, so this does not wait.
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            return Err(gone());
        }
        outcome
    }

    #[cfg(test)]
    pub(crate) fn line(&self) -> &Line {
        &self.inner.line
    }

    /// Runs a chain of steps beside a shard. It holds one credit, and goes on when the caller does
    /// not wait for it.
    async fn chain<T: Send + 'static, R: Send + 'static>(
        &self,
        shard: usize,
        steps: impl Future<Output = Result<Durable<T>, Failure<R>>> + Send + 'static,
    ) -> Result<Durable<T>, Failure<R>> {
        self.inner.line.enter(1)?;
        let line = Arc::clone(&self.inner.line);
        let (done, answer) = oneshot::channel();
        let spawned = self.spawn_beside(shard, async move {
            let outcome = steps.await;
            line.leave(1);
            // The caller may have gone; what it asked for is done all the same.
            let _ = done.send(outcome);
        });
        if !spawned {
            self.inner.line.leave(1);
        }
        answer.await.unwrap_or(Err(Failure::Stopped))
    }

    /// Does what a crash left undone, and shows it to `history` as well.
    fn take_up(
        &self,
        due: CutOff,
        history: &mut dyn FnMut(Seq, &Record),
    ) -> Result<(), StartFault> {
        let CutOff { readers, transfers } = due;
        if readers.is_empty() && transfers.is_empty() {
            return Ok(());
        }
        let mut made = self
            .inner
            .hub
            .subscribe(usize::MAX)
            .ok_or(StartFault::Stopped(Arc::new(StopCause::Thread)))?;
        let line = Arc::clone(&self.inner.line);
        let (done, finished) = mpsc::sync_channel(1);
        self.spawn_beside(0, async move {
            for transfer in &transfers {
                if let Err(failure) = transfers::take_up(&line, transfer).await {
                    tracing::warn!(key = %transfer.key, %failure, "a transfer stays under way");
                }
            }
            for reader in readers {
                if let Err(failure) = relay::resume(&line, reader).await {
                    tracing::warn!(%reader, %failure, "its unfinished work waits for its next relay");
                }
            }
            let _ = done.send(());
        });
        let finished = finished.recv();
        while let Ok(Some((seq, record))) = made.try_next() {
            history(seq, &record);
        }
        match (self.inner.gate.cause(), finished) {
            (Some(cause), _) => Err(StartFault::Stopped(cause)),
            (None, Err(_)) => Err(StartFault::Stopped(Arc::new(StopCause::Thread))),
            (None, Ok(())) => Ok(()),
        }
    }
}
