mod share;

use crate::bounds::PARTITIONS;
use crate::directory::{Directory, host, partition};
use crate::entities::{Entities, Shelved};
use crate::loader::Hosted;
use gettone_core::port::{Key, Kind, Seq, Shelf, Store, StoreFault};
use gettone_core::record::{Record, RecordFault};
use share::{Desk, Share};
use std::sync::Arc;
use std::thread;

/// From where on records are shown, and to whom.
pub(crate) type Shown<'a> = (Seq, &'a mut dyn FnMut(Seq, &Record));

/// The marks of what is needed whenever the engine runs, and what bears them.
const MARKS: [(Kind, Kind); 3] = [
    (Kind::LiveWallet, Kind::Wallet),
    (Kind::DueReader, Kind::Reader),
    (Kind::BusyOperator, Kind::Operator),
];

/// What a store holds, as the shards will host it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shards: Vec<Entities>,
    pub(crate) next: Seq,
    pub(crate) hosted: Hosted,
}

/// Rebuilds what is needed: from the last snapshot and the tail of the journal, or from all of it.
/// Each record from `from` on is shown to `history` once, in order.
pub(crate) fn recover(
    store: &mut dyn Store,
    hosts: (usize, &Arc<Directory>),
    (from, history): Shown<'_>,
) -> Result<Recovered, StoreFault> {
    let mut shown = from;
    let mut show = |seq: Seq, record: &Record| {
        if seq >= shown {
            shown = seq.after(1);
            history(seq, record);
        }
    };
    if let Some(shelf) = store.shelf() {
        match replay(store, Some(&shelf), hosts, (from, &mut show)) {
            Err(fault @ StoreFault::ShelfDamaged { .. }) => {
                tracing::warn!(%fault, "starting from the journal's beginning");
                shelf.clear()?;
            }
            recovered => return recovered,
        }
    }
    replay(store, None, hosts, (from, &mut show))
}

fn replay(
    store: &mut dyn Store,
    shelf: Option<&Arc<dyn Shelf>>,
    (count, directory): (usize, &Arc<Directory>),
    (from, show): Shown<'_>,
) -> Result<Recovered, StoreFault> {
    let shelved = match store.shelf() {
        Some(_) => Shelved::Yes,
        None => Shelved::No,
    };
    let snapshot = Snapshot::of(shelf)?;
    let mut shares: Vec<Share> = (0..count)
        .map(|_| Share::new(shelved, snapshot.shelf.cloned()))
        .collect();
    for key in snapshot.needed()? {
        if let Some(share) = shares.get_mut(host(partition(key), count)) {
            share.lodge(key)?;
        }
    }
    let cuts = &snapshot.cuts;
    let mut expected = from.min(cuts.first);
    let (next, shares) = thread::scope(|scope| {
        let mut desk = Desk::new(scope, shares);
        let replayed = store.replay(expected, &mut |seq, payload| {
            if seq != expected {
                return Err(out_of_order(seq, expected));
            }
            expected = seq.after(1);
            let key = Record::entity(payload).map_err(|fault| unreadable(seq, fault))?;
            if seq >= cuts.of_partition(partition(key)) {
                desk.give(host(partition(key), count), (seq, payload))?;
            }
            if seq >= from {
                show(seq, &decoded(seq, payload)?);
            }
            Ok(())
        });
        // What a share found wrong comes first: it is why the replay was given up.
        let shares = desk.end()?;
        Ok((replayed?, shares))
    })?;
    // A projection may ask for what is still to come.
    if next != expected && next >= from.min(cuts.first) {
        return Err(out_of_order(next, expected));
    }
    let mut shards: Vec<Entities> = shares.into_iter().map(|share| share.entities).collect();
    shards.iter_mut().for_each(|shard| shard.list_in(directory));
    Ok(Recovered {
        shards,
        next,
        hosted: snapshot.hosted(),
    })
}

/// The last complete snapshot, if there is one.
pub(crate) struct Snapshot<'a> {
    pub(crate) shelf: Option<&'a Arc<dyn Shelf>>,
    pub(crate) cuts: Cuts,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn of(shelf: Option<&'a Arc<dyn Shelf>>) -> Result<Self, StoreFault> {
        let cuts = match shelf {
            Some(shelf) => Cuts::of(&shelf.cuts()?)?,
            None => Cuts::default(),
        };
        Ok(Self {
            shelf: shelf.filter(|_| cuts.is_any()),
            cuts,
        })
    }

    /// What is needed whenever the engine runs.
    pub(crate) fn needed(&self) -> Result<Vec<Key>, StoreFault> {
        let mut keys = Vec::new();
        if let Some(shelf) = self.shelf {
            for (mark, kind) in MARKS {
                let numbers = shelf.numbers(mark)?.into_iter();
                keys.extend(numbers.map(|number| Key::new(kind, number)));
            }
        }
        Ok(keys)
    }

    /// Whether anything may still be on the shelf alone.
    pub(crate) const fn hosted(&self) -> Hosted {
        match self.shelf {
            Some(_) => Hosted::Some,
            None => Hosted::All,
        }
    }
}

/// How far the last snapshot reaches.
pub(crate) struct Cuts {
    by_partition: Vec<Seq>,
    first: Seq,
}

impl Default for Cuts {
    fn default() -> Self {
        Self {
            by_partition: vec![Seq::FIRST; usize::from(PARTITIONS)],
            first: Seq::FIRST,
        }
    }
}

impl Cuts {
    fn of(cuts: &[(u16, Seq)]) -> Result<Self, StoreFault> {
        if cuts.is_empty() {
            return Ok(Self::default());
        }
        let by_partition: Vec<Seq> = (0..PARTITIONS)
            .map_while(|partition| cuts.iter().find(|(of, _)| *of == partition))
            .map(|(_, cut)| *cut)
            .collect();
        let first = by_partition.iter().min().copied();
        match first {
            Some(first) if by_partition.len() == usize::from(PARTITIONS) => Ok(Self {
                by_partition,
                first,
            }),
            Some(_) | None => Err(StoreFault::ShelfDamaged {
                place: "the shelf".to_owned(),
                what: format!("it has the cuts of {} partitions", cuts.len()),
            }),
        }
    }

    /// Whether there is a snapshot to speak of. One shard may have been cut before its first record
    /// and another after many.
    fn is_any(&self) -> bool {
        self.by_partition.iter().any(|cut| *cut > Seq::FIRST)
    }

    /// Everything of a partition before this place is in the snapshot.
    pub(crate) fn of_partition(&self, partition: u16) -> Seq {
        let cut = self.by_partition.get(usize::from(partition));
        cut.copied().unwrap_or(Seq::FIRST)
    }
}

/// Takes an entity from the shelf, unless it is here or nowhere.
pub(crate) fn lodge_in(
    entities: &mut Entities,
    key: Key,
    shelf: &Arc<dyn Shelf>,
) -> Result<(), StoreFault> {
    if entities.hosts(key) {
        return Ok(());
    }
    let Some(bytes) = shelf.load(key)? else {
        return Ok(());
    };
    entities
        .lodge(key, &bytes)
        .map_err(|fault| StoreFault::ShelfDamaged {
            place: format!("the snapshot's {key:?}"),
            what: fault.to_string(),
        })
}

/// Reads the record of a frame.
pub(crate) fn decoded(seq: Seq, payload: &[u8]) -> Result<Record, StoreFault> {
    Record::decode(payload).map_err(|fault| unreadable(seq, fault))
}

fn unreadable(seq: Seq, fault: RecordFault) -> StoreFault {
    StoreFault::Damaged {
        place: format!("frame {}", seq.number()),
        what: fault.to_string(),
    }
}

pub(crate) fn out_of_order(given: Seq, expected: Seq) -> StoreFault {
    StoreFault::OutOfOrder {
        given: given.number(),
        expected: expected.number(),
    }
}
