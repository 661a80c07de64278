//! What one shard hosts, told again by the journal after a rule panicked there: whatever that rule
//! left half changed in memory is thrown away, and nothing of it was written.

use crate::bounds::PARTITIONS;
use crate::directory::{Directory, ShardOf, partition};
use crate::entities::{Entities, Shelved};
use crate::loader::Hosted;
use crate::recovery::{Snapshot, decoded, lodge_in, out_of_order};
use gettone_core::port::{History, Seq, Shelf, StoreFault};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Asks for what a shard hosts, once everything that was queued before is durable.
#[derive(Debug)]
pub(crate) struct Rebuild {
    pub(crate) shard: ShardOf,
    pub(crate) directory: Arc<Directory>,
    /// Where it was cut for a snapshot that may be on its way, as soon as that is known.
    pub(crate) cut: Option<Arc<OnceLock<Seq>>>,
    /// Dropped, it tells that the engine has stopped.
    pub(crate) done: oneshot::Sender<Rebuilt>,
}

/// What a shard hosts, as the journal tells it.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) entities: Entities,
    pub(crate) hosted: Hosted,
}

impl Rebuild {
    /// Rebuilds from the last snapshot, and from the journal up to `next`. A snapshot on its way
    /// finds everything there as it was cut. Nobody may finish one meanwhile.
    pub(crate) fn read(
        &self,
        (shelf, history): (Option<Arc<dyn Shelf>>, &dyn History),
        next: Seq,
    ) -> Result<Rebuilt, StoreFault> {
        let shelved = match shelf {
            Some(_) => Shelved::Yes,
            None => Shelved::No,
        };
        let mut entities = Entities::new(shelved);
        let snapshot = Snapshot::of(shelf.as_ref())?;
        let cuts = &snapshot.cuts;
        for key in snapshot.needed()? {
            if let Some(shelf) = snapshot.shelf.filter(|_| self.shard.hosts(key)) {
                lodge_in(&mut entities, key, shelf)?;
            }
        }
        let ours = (0..PARTITIONS).filter(|partition| self.shard.hosts_partition(*partition));
        let from = ours.map(|partition| cuts.of_partition(partition)).min();
        let mut expected = from.unwrap_or(next).min(next);
        let mut cut = self.cut.as_ref().and_then(|cut| cut.get().copied());
        history.read(expected, next, &mut |seq, payload| {
            if seq != expected {
                return Err(out_of_order(seq, expected));
            }
            expected = seq.after(1);
            if cut.take_if(|cut| *cut <= seq).is_some() {
                entities.cut();
            }
            let record = decoded(seq, payload)?;
            let key = record.event.entity();
            if self.shard.hosts(key) && seq >= cuts.of_partition(partition(key)) {
                if let Some(shelf) = snapshot.shelf {
                    lodge_in(&mut entities, key, shelf)?;
                }
                entities.apply(&record);
            }
            Ok(())
        })?;
        if expected != next {
            return Err(out_of_order(expected, next));
        }
        if cut.is_some() {
            entities.cut();
        }
        entities.list_in(&self.directory);
        Ok(Rebuilt {
            entities,
            hosted: snapshot.hosted(),
        })
    }
}
