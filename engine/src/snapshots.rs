//! Writes everything that changed to the shelf, now and then, so that a restart replays the tail
//! of the journal alone. No shard waits for it: each is cut in a moment, and saves in small parts.

use crate::bounds::{PARTITIONS, SNAPSHOT_LOOK_EVERY};
use crate::directory::host;
use crate::entities::{Left, Mark};
use crate::failure::SnapshotFailure;
use crate::host::{Ended, Request};
use crate::line::Line;
use crate::metrics::Counters;
use crate::operators::Earnings;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use gettone_core::port::{Generation, Seq, Shelf};
use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;
use std::thread::{self, Thread};
use tokio::sync::oneshot;

/// Asks for a snapshot at once.
#[derive(Debug)]
pub(crate) struct Now(pub(crate) oneshot::Sender<Result<(), SnapshotFailure>>);

/// What asks for snapshots at once; dropped, it ends their thread.
pub(crate) type Asked = Sender<Now>;

/// Held while a snapshot is finished, and while a shard is rebuilt from one: neither sees the other
/// half done.
pub(crate) type Bolt = Arc<Mutex<()>>;

/// Takes snapshots.
pub(crate) struct Snapshots {
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) line: Arc<Line>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) bolt: Bolt,
    pub(crate) earnings: Arc<Earnings>,
    /// After how many records; none: only when asked.
    pub(crate) every: Option<NonZeroU64>,
}

impl Snapshots {
    /// Runs until nobody can ask any more, or one fails: the shelf then keeps the last complete
    /// one, and the journal everything.
    pub(crate) fn run(self, asked: &Receiver<Now>) {
        let mut last = 0;
        loop {
            let answer = match asked.recv_timeout(SNAPSHOT_LOOK_EVERY) {
                Ok(Now(answer)) => Some(answer),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let written = self.counters.read().records;
            let is_due = self
                .every
                .is_some_and(|every| written.saturating_sub(last) >= every.get());
            if answer.is_none() && !is_due {
                continue;
            }
            last = written;
            let taken = block_on(self.take());
            let failed = taken.is_err();
            if let Err(failure) = &taken {
                tracing::error!(%failure, "no more snapshots until the next start");
                self.tell(Ended::Failed);
            }
            if let Some(answer) = answer {
                let _ = answer.send(taken);
            }
            if failed {
                return;
            }
        }
    }

    /// Takes one snapshot. Dropped on the way, it was never there.
    pub(crate) async fn take(&self) -> Result<(), SnapshotFailure> {
        let mut generation = self.shelf.begin()?;
        let asked: Vec<_> = (0..self.line.count())
            .map(|shard| {
                let (reply, answer) = oneshot::channel();
                self.line.tell(shard, Request::Cut(reply));
                answer
            })
            .collect();
        let mut cuts: Vec<Seq> = Vec::new();
        for answer in asked {
            cuts.push(answer.await.map_err(|_| SnapshotFailure::Stopped)?);
        }
        for shard in 0..self.line.count() {
            while self.save(shard, generation.as_mut()).await? == Left::More {}
        }
        match self.earnings.save() {
            Ok(Some((key, bytes))) => generation.put(key, &bytes)?,
            Ok(None) => {}
            // The one before stays, and is gone on from.
            Err(fault) => tracing::warn!(%fault, "what operators earned is not in the snapshot"),
        }
        let cuts: Vec<(u16, Seq)> = (0..PARTITIONS)
            .filter_map(|partition| {
                let cut = cuts.get(host(partition, cuts.len()))?;
                Some((partition, *cut))
            })
            .collect();
        {
            let _still = self.bolt.lock().unwrap_or_else(PoisonError::into_inner);
            generation.finish(&cuts)?;
        }
        self.tell(Ended::Complete);
        self.counters.snapshots.add(1);
        Ok(())
    }

    async fn save(
        &self,
        shard: usize,
        generation: &mut dyn Generation,
    ) -> Result<Left, SnapshotFailure> {
        let (reply, answer) = oneshot::channel();
        self.line.tell(shard, Request::Save(reply));
        let (saved, left) = answer.await.map_err(|_| SnapshotFailure::Stopped)??;
        for (key, bytes, mark) in saved.iter() {
            generation.put(key, bytes)?;
            match mark {
                Some((mark, Mark::Needed)) => generation.put(mark, &[])?,
                Some((mark, Mark::Quiet)) => generation.remove(mark)?,
                None => {}
            }
        }
        Ok(left)
    }

    /// Tells every shard how it ended.
    pub(crate) fn tell(&self, ended: Ended) {
        for shard in 0..self.line.count() {
            self.line.tell(shard, Request::End(ended));
        }
    }
}

/// Has this thread wait for something that others bring about.
fn block_on<T>(going: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut going = pin!(going);
    loop {
        match going.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
