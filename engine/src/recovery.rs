use crate::bounds::PARTITIONS;
use crate::directory::{Directory, host, partition};
use crate::entities::{Entities, Shelved};
use crate::loader::Hosted;
use gettone_core::port::{Key, Kind, Seq, Shelf, Store, StoreFault};
use gettone_core::record::{Event, Record};
use std::sync::Arc;

/// From where on records are shown, and to whom.
pub(crate) type Shown<'a> = (Seq, &'a mut dyn FnMut(Seq, &Record));

/// The marks of what is needed whenever the engine runs, and what bears them.
pub(crate) const MARKS: [(Kind, Kind); 3] = [
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
                hosts.1.clear();
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
    let mut shards: Vec<Entities> = (0..count)
        .map(|_| Entities::new(Arc::clone(directory), shelved))
        .collect();
    let cuts = match shelf {
        Some(shelf) => Cuts::of(&shelf.cuts()?)?,
        None => Cuts::default(),
    };
    let shelf = shelf.filter(|_| cuts.is_any());
    if let Some(shelf) = shelf {
        for (mark, kind) in MARKS {
            for number in shelf.numbers(mark)? {
                lodge(&mut shards, Key::new(kind, number), shelf)?;
            }
        }
    }
    let mut expected = from.min(cuts.first);
    let next = store.replay(expected, &mut |seq, payload| {
        if seq != expected {
            return Err(out_of_order(seq, expected));
        }
        expected = seq.after(1);
        let record = decoded(seq, payload)?;
        let key = key_of(&record.event);
        if seq >= cuts.of_partition(partition(key)) {
            if let Some(shelf) = shelf {
                lodge(&mut shards, key, shelf)?;
            }
            if let Some(entities) = shards.get_mut(host(partition(key), count)) {
                entities.apply(&record);
            }
        }
        show(seq, &record);
        Ok(())
    })?;
    // A projection may ask for what is still to come.
    if next != expected && next >= from.min(cuts.first) {
        return Err(out_of_order(next, expected));
    }
    let hosted = match shelf {
        Some(_) => Hosted::Some,
        None => Hosted::All,
    };
    Ok(Recovered {
        shards,
        next,
        hosted,
    })
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
    pub(crate) fn of(cuts: &[(u16, Seq)]) -> Result<Self, StoreFault> {
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
    pub(crate) fn is_any(&self) -> bool {
        self.by_partition.iter().any(|cut| *cut > Seq::FIRST)
    }

    /// Everything of a partition before this place is in the snapshot.
    pub(crate) fn of_partition(&self, partition: u16) -> Seq {
        let cut = self.by_partition.get(usize::from(partition));
        cut.copied().unwrap_or(Seq::FIRST)
    }
}

/// Takes an entity from the shelf to its host, unless it is there or nowhere.
fn lodge(shards: &mut [Entities], key: Key, shelf: &Arc<dyn Shelf>) -> Result<(), StoreFault> {
    let at = host(partition(key), shards.len());
    match shards.get_mut(at) {
        Some(entities) => lodge_in(entities, key, shelf),
        None => Ok(()),
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
    Record::decode(payload).map_err(|fault| StoreFault::Damaged {
        place: format!("frame {}", seq.number()),
        what: fault.to_string(),
    })
}

/// What a record is about.
pub(crate) fn key_of(event: &Event) -> Key {
    match event {
        Event::Wallet { wallet, .. } | Event::Session { wallet, .. } => (*wallet).into(),
        Event::Machine { machine, .. } => (*machine).into(),
        Event::Reader { reader, .. } => (*reader).into(),
        Event::Operator { operator, .. } => (*operator).into(),
    }
}

pub(crate) fn out_of_order(given: Seq, expected: Seq) -> StoreFault {
    StoreFault::OutOfOrder {
        given: given.number(),
        expected: expected.number(),
    }
}
