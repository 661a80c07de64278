use crate::bounds::SUBSCRIBERS_MAX;
use crate::clock::Uptime;
use crate::directory::{Directory, machine_shard, reader_shard, wallet_shard};
use crate::failure::{
    Failure, ReplaceRefusal, SessionRefusal, ShutdownFault, SnapshotFailure, StartFault, StopCause,
};
use crate::gate::Gate;
use crate::host::Request;
use crate::journal::{Durable, Events, Hub, Journal};
use crate::line::Line;
use crate::loader::Loader;
use crate::metrics::{Counters, Metrics};
use crate::pipeline::Pipeline;
use crate::recovery;
use crate::relay::{self, Relayed};
use crate::session::{Action, Answered, Moved, Progress, SessionCommand, Stale};
use crate::settings::Settings;
use crate::snapshots::{Asked, Now, Snapshots};
use crate::threads::{self, Boot, Running, Shutdown};
use actix::ArbiterHandle;
use core::convert::Infallible;
use gettone_core::grant::Terms;
use gettone_core::id::{
    MachineId, OperatorId, ReaderId, ReaderKey, Rseq, TransferId, VendId, WalletId,
};
use gettone_core::machine::{self, Machine};
use gettone_core::money::{Amount, Currency};
use gettone_core::port::{Seq, Store};
use gettone_core::reader::{self, News, Reader};
use gettone_core::record::Record;
use gettone_core::wallet::{self, Balance, Outcome, Reason, Wallet};
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
    control: UnboundedSender<Shutdown>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What works for the shelf; none when the store has none.
    beside: Mutex<Option<Beside>>,
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
        let mut due: Vec<ReaderId> = recovered
            .shards
            .iter()
            .flat_map(|entities| entities.readers_due())
            .collect();
        due.sort_unstable();

        let gate = Arc::new(Gate::new(settings.in_flight_max));
        let hub = Arc::new(Hub::new());
        let counters = Arc::new(Counters::default());
        let journal = Arc::new(Journal::new(
            Arc::clone(&gate),
            Arc::clone(&hub),
            Arc::clone(&counters),
        ));
        let next = recovered.next;
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
                control,
                thread: Mutex::new(Some(thread)),
            }),
        };
        engine.take_up(due, history)?;
        Ok(engine)
    }

    /// Asks a wallet.
    ///
    /// # Errors
    /// `Failure` with the wallet's refusal, or why there is no answer.
    pub async fn wallet_command(
        &self,
        wallet: WalletId,
        command: wallet::Command,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::Wallet(wallet, command, reply))
            .await
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn open_wallet(
        &self,
        wallet: WalletId,
        currency: Currency,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::Open { currency })
            .await
    }

    /// Adds e-money that the issuer has confirmed.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn top_up(
        &self,
        wallet: WalletId,
        key: TransferId,
        amount: Amount,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::TopUp { key, amount })
            .await
    }

    /// Adds what an operator gives to its closed wallet.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn give(
        &self,
        wallet: WalletId,
        key: TransferId,
        gift: (OperatorId, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (operator, amount) = gift;
        let command = wallet::Command::Give {
            key,
            operator,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Asks a session.
    ///
    /// # Errors
    /// `Failure` with the session's or wallet's refusal, or why there is no answer.
    pub async fn session_command(
        &self,
        command: SessionCommand,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let line = &self.inner.line;
        let shard = wallet_shard(command.wallet, line.count());
        line.call(shard, |reply| Request::Session(command, reply))
            .await
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

    /// A pipeline into this engine, for whoever has thousands of commands in flight.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(Arc::clone(&self.inner.line))
    }

    /// Asks many sessions at once, and gives the answers in the same order. Commands of one wallet
    /// are taken in order; all of them become durable before the first answer is given.
    pub async fn session_batch(&self, commands: Vec<SessionCommand>) -> Vec<Answered> {
        self.inner.line.batch(commands).await
    }

    /// Opens a session of `wallet` before a machine.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn open(
        &self,
        wallet: WalletId,
        session: VendId,
        place: (MachineId, OperatorId),
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let (machine, operator) = place;
        let action = Action::Open { machine, operator };
        self.act(wallet, session, action).await
    }

    /// Holds money for a session.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn reserve(
        &self,
        wallet: WalletId,
        session: VendId,
        terms: Terms,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.act(wallet, session, Action::Reserve { terms }).await
    }

    /// Takes in what happened in a session.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn settle(
        &self,
        wallet: WalletId,
        session: VendId,
        receipt: (Rseq, Outcome),
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let (rseq, outcome) = receipt;
        self.act(wallet, session, Action::Settle { rseq, outcome })
            .await
    }

    /// Ends a session, and frees what is still held.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn release(
        &self,
        wallet: WalletId,
        session: VendId,
        reason: Reason,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.act(wallet, session, Action::Release { reason }).await
    }

    /// What a wallet shows of itself; none when it was never opened.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn balance(
        &self,
        wallet: WalletId,
    ) -> Result<Durable<Option<Balance>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::SeeBalance(wallet, reply))
            .await
    }

    /// A copy of a wallet with its holds; none when it was never opened.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn wallet(
        &self,
        wallet: WalletId,
    ) -> Result<Durable<Option<Box<Wallet>>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::SeeWallet(wallet, reply))
            .await
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
        self.inner.line.enter(1)?;
        let line = Arc::clone(&self.inner.line);
        let (done, relayed) = oneshot::channel();
        let spawned = self.spawn_beside(reader_shard(reader, self.shards()), async move {
            let outcome = relay::relay(&line, reader, (news, account)).await;
            line.leave(1);
            // The caller may have gone; what it asked for is done all the same.
            let _ = done.send(outcome);
        });
        if !spawned {
            self.inner.line.leave(1);
        }
        relayed.await.unwrap_or(Err(Failure::Stopped))
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
        self.inner.line.enter(1)?;
        let line = Arc::clone(&self.inner.line);
        let (done, revoked) = oneshot::channel();
        let spawned = self.spawn_beside(reader_shard(reader, self.shards()), async move {
            let outcome = relay::command(&line, reader, reader::Command::Revoke).await;
            line.leave(1);
            // The caller may have gone; what it asked for is done all the same.
            let _ = done.send(outcome);
        });
        if !spawned {
            self.inner.line.leave(1);
        }
        revoked.await.unwrap_or(Err(Failure::Stopped))
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

    /// Gives back what a sale took, or a part of it.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn refund(
        &self,
        wallet: WalletId,
        key: TransferId,
        sale: (VendId, Rseq, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (vend, rseq, amount) = sale;
        let command = wallet::Command::Refund {
            key,
            vend,
            rseq,
            amount,
        };
        self.wallet_command(wallet, command).await
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

    /// Holds of which nothing was heard for longer than a grant can live; at most
    /// [`STALE_MAX`](crate::bounds::STALE_MAX) of each shard. It looks at every wallet: now and
    /// then, not for every customer.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn stale(&self) -> Result<Vec<Stale>, Failure<Infallible>> {
        let line = &self.inner.line;
        let mut all = Vec::new();
        for shard in 0..line.count() {
            all.extend(line.stale(shard).await?.into_inner());
        }
        Ok(all)
    }

    /// Ends every hold without news for longer than the setting says, and every doubt that waited
    /// too long; gives how many. The shards do the same by themselves, a part at a time.
    ///
    /// # Errors
    /// `Failure` when there is no answer; what was ended stays so.
    pub async fn release_overdue(&self) -> Result<usize, Failure<Infallible>> {
        let line = &self.inner.line;
        let mut ended = 0;
        for shard in 0..line.count() {
            ended += line.release_overdue(shard).await?.into_inner();
        }
        Ok(ended)
    }

    /// Takes a snapshot at once: a restart after it replays only what came later.
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

    /// Whose live session this is. It is a hint for routing, and may be ahead of the disk.
    pub fn wallet_of(&self, session: VendId) -> Option<WalletId> {
        self.inner.directory.wallet(session)
    }

    /// How many sessions live.
    pub fn live_sessions(&self) -> usize {
        self.inner.directory.live()
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

    async fn act(
        &self,
        wallet: WalletId,
        session: VendId,
        action: Action,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.session_command(SessionCommand {
            wallet,
            session,
            action,
        })
        .await
    }

    /// Does what a crash left undone, and shows it to `history` as well.
    fn take_up(
        &self,
        due: Vec<ReaderId>,
        history: &mut dyn FnMut(Seq, &Record),
    ) -> Result<(), StartFault> {
        let Some(first) = due.first().copied() else {
            return Ok(());
        };
        let mut made = self
            .inner
            .hub
            .subscribe(usize::MAX)
            .ok_or(StartFault::Stopped(Arc::new(StopCause::Thread)))?;
        let line = Arc::clone(&self.inner.line);
        let (done, finished) = mpsc::sync_channel(1);
        self.spawn_beside(reader_shard(first, self.shards()), async move {
            for reader in due {
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
