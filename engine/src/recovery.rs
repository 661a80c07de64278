use crate::directory::{Directory, machine_shard, operator_shard, reader_shard, wallet_shard};
use crate::entities::Entities;
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_core::record::{Event, Record};
use std::sync::Arc;

/// What a journal holds, as the shards will host it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shards: Vec<Entities>,
    pub(crate) next: Seq,
}

/// Rebuilds every entity from the journal; each record is shown to `history` once, in order.
pub(crate) fn replay(
    store: &mut dyn Store,
    hosts: (usize, &Arc<Directory>),
    history: &mut dyn FnMut(Seq, &Record),
) -> Result<Recovered, StoreFault> {
    let (count, directory) = hosts;
    let mut shards: Vec<Entities> = (0..count)
        .map(|_| Entities::new(Arc::clone(directory)))
        .collect();
    let mut expected = Seq::FIRST;
    let next = store.replay(Seq::FIRST, &mut |seq, payload| {
        if seq != expected {
            return Err(StoreFault::OutOfOrder {
                given: seq.number(),
                expected: expected.number(),
            });
        }
        expected = seq.after(1);
        let record = Record::decode(payload).map_err(|fault| StoreFault::Damaged {
            place: format!("frame {}", seq.number()),
            what: fault.to_string(),
        })?;
        let shard = match &record.event {
            Event::Wallet { wallet, .. } | Event::Session { wallet, .. } => {
                wallet_shard(*wallet, count)
            }
            Event::Machine { machine, .. } => machine_shard(*machine, count),
            Event::Reader { reader, .. } => reader_shard(*reader, count),
            Event::Operator { operator, .. } => operator_shard(*operator, count),
        };
        if let Some(entities) = shards.get_mut(shard) {
            entities.apply(&record);
        }
        history(seq, &record);
        Ok(())
    })?;
    if next != expected {
        return Err(StoreFault::OutOfOrder {
            given: next.number(),
            expected: expected.number(),
        });
    }
    Ok(Recovered { shards, next })
}
