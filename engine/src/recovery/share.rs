use super::{decoded, lodge_in};
use crate::bounds::{LOOK_AHEAD, REPLAY_BATCH, REPLAY_WAITING};
use crate::entities::{Entities, Shelved};
use gettone_core::id::WalletId;
use gettone_core::port::{Frames, Key, Kind, Seq, Shelf, StoreFault};
use gettone_core::record::Record;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// What one shard gets of a replay.
pub(super) struct Share {
    pub(super) entities: Entities,
    shelf: Option<Arc<dyn Shelf>>,
    /// Room for a look ahead.
    records: Vec<Record>,
    places: Vec<usize>,
}

impl Share {
    pub(super) fn new(shelved: Shelved, shelf: Option<Arc<dyn Shelf>>) -> Self {
        Self {
            entities: Entities::new(shelved),
            shelf,
            records: Vec::with_capacity(LOOK_AHEAD),
            places: Vec::with_capacity(LOOK_AHEAD),
        }
    }

    /// Takes an entity from the shelf, unless it is here or nowhere.
    pub(super) fn lodge(&mut self, key: Key) -> Result<(), StoreFault> {
        match &self.shelf {
            Some(shelf) => lodge_in(&mut self.entities, key, shelf),
            None => Ok(()),
        }
    }

    fn take(&mut self, batch: &Batch) -> Result<(), StoreFault> {
        let mut payloads = batch.frames.iter().zip(&batch.seqs).peekable();
        while payloads.peek().is_some() {
            self.records.clear();
            for (payload, seq) in payloads.by_ref().take(LOOK_AHEAD) {
                self.records.push(decoded(*seq, payload)?);
            }
            let keys = self.records.iter().map(|record| record.event.entity());
            let wallets = keys.filter(|key| key.kind() == Kind::Wallet);
            let wallets = wallets.map(|key| WalletId::new(key.number()));
            self.entities.look_ahead(wallets, &mut self.places);
            let records = core::mem::take(&mut self.records);
            for record in &records {
                self.lodge(record.event.entity())?;
                self.entities.apply(record);
            }
            self.records = records;
        }
        Ok(())
    }

    /// Takes in what comes, and sends the emptied batches back.
    fn run(
        mut self,
        batches: &Receiver<Batch>,
        spares: &Sender<Batch>,
    ) -> Result<Self, StoreFault> {
        while let Ok(mut batch) = batches.recv() {
            self.take(&batch)?;
            batch.frames.clear();
            batch.seqs.clear();
            // Who reads may need none any more.
            let _ = spares.send(batch);
        }
        Ok(self)
    }
}

/// Records of one shard, in their order.
#[derive(Debug, Default)]
struct Batch {
    frames: Frames,
    seqs: Vec<Seq>,
}

/// Who takes the records of one shard in: who reads them, or a thread of its own.
struct Taker<'scope> {
    own: Option<Share>,
    thread: Option<Worker<'scope>>,
    batch: Batch,
}

struct Worker<'scope> {
    to: SyncSender<Batch>,
    /// Emptied batches, which come back.
    spares: Receiver<Batch>,
    thread: Thread<'scope>,
}

type Thread<'scope> = ScopedJoinHandle<'scope, Result<Share, StoreFault>>;

/// Where the records of a replay are sorted by shard. Each shard takes its own in on a thread of
/// its own, once there are enough of them to be worth one.
pub(super) struct Desk<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    takers: Vec<Taker<'scope>>,
}

impl<'scope, 'env> Desk<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, shares: Vec<Share>) -> Self {
        let takers = shares.into_iter().map(|share| Taker {
            own: Some(share),
            thread: None,
            batch: Batch::default(),
        });
        Self {
            scope,
            takers: takers.collect(),
        }
    }

    /// Gives one record to a shard. A fault says that the shard gave up; [`Desk::end`] says why.
    pub(super) fn give(
        &mut self,
        shard: usize,
        (seq, payload): (Seq, &[u8]),
    ) -> Result<(), StoreFault> {
        let Some(taker) = self.takers.get_mut(shard) else {
            return Ok(());
        };
        taker.batch.frames.push(payload);
        taker.batch.seqs.push(seq);
        if taker.batch.seqs.len() < REPLAY_BATCH {
            return Ok(());
        }
        if let Some(share) = taker.own.take() {
            let (to, batches) = sync_channel(REPLAY_WAITING);
            let (emptied, spares) = channel();
            let thread = self.scope.spawn(move || share.run(&batches, &emptied));
            taker.thread = Some(Worker { to, spares, thread });
        }
        let Some(worker) = &taker.thread else {
            return Ok(());
        };
        let spare = worker.spares.try_recv().unwrap_or_default();
        let batch = core::mem::replace(&mut taker.batch, spare);
        worker.to.send(batch).map_err(|_| given_up())
    }

    /// Gives what is left, and waits until every shard has taken everything in.
    pub(super) fn end(mut self) -> Result<Vec<Share>, StoreFault> {
        for taker in &mut self.takers {
            let batch = core::mem::take(&mut taker.batch);
            if let Some(share) = &mut taker.own {
                share.take(&batch)?;
            } else if let Some(worker) = &taker.thread {
                // One that gave up says why when it is joined.
                let _ = worker.to.send(batch);
            }
        }
        let shares = self.takers.into_iter().filter_map(|taker| {
            if let Some(Worker { to, thread, .. }) = taker.thread {
                drop(to);
                return Some(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            taker.own.map(Ok)
        });
        shares.collect()
    }
}

fn given_up() -> StoreFault {
    StoreFault::Damaged {
        place: "the replay".to_owned(),
        what: "it was given up".to_owned(),
    }
}
