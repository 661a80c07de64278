//! The shelf beside a journal in PostgreSQL: entities in a table of the same database.
//!
//! A snapshot is staged in a table of its own, in portions that are harmless to repeat, and becomes
//! the last complete one in a single transaction, which ends by making sure that this node still
//! holds the partition. Every look at an entity says which snapshot it saw: a server that went back
//! to an older one, or a node that came after this one, is noticed.

use super::desk::Desk;
use super::link::{Trouble, answered};
use super::settings::PostgresSettings;
use crate::bounds::{
    CUTS_MAX, ENTITY_BYTES_MAX, SHELF_FINISH_MAX, SHELF_PORTION_BYTES, SHELF_PORTION_KEYS,
};
use ::postgres::{Client, GenericClient};
use core::fmt;
use core::time::Duration;
use gettone_core::port::{Generation, Key, Kind, Seq, Shelf, StoreFault};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Before an entity's bytes: their checksum.
const SUM_LEN: usize = 4;
/// One cut: a partition and a place.
const CUT_LEN: usize = 10;

/// The shelf of one partition, as long as this node holds it.
#[derive(Clone)]
pub(super) struct PostgresShelf {
    shared: Arc<Shared>,
}

struct Shared {
    settings: PostgresSettings,
    /// Who holds the partition: this node, until somebody else does.
    holder: String,
    /// So that nobody who looks waits for a snapshot.
    reading: Desk,
    writing: Desk,
    is_writing: AtomicBool,
    /// The number of the last complete snapshot; unknown before anybody has looked.
    generation: AtomicI64,
}

const UNKNOWN: i64 = -1;

impl PostgresShelf {
    pub(super) fn new(settings: &PostgresSettings, holder: String) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: settings.clone(),
                holder,
                reading: Desk::new(settings.clone(), "shelf"),
                writing: Desk::new(settings.clone(), "shelf"),
                is_writing: AtomicBool::new(false),
                generation: AtomicI64::new(UNKNOWN),
            }),
        }
    }
}

/// A partition and who has to hold it.
#[derive(Clone)]
struct Owner {
    partition: i32,
    holder: String,
    place: String,
}

impl Shared {
    fn owner(&self) -> Owner {
        Owner {
            partition: i32::from(self.settings.partition),
            holder: self.holder.clone(),
            place: self.settings.place(),
        }
    }

    fn damaged(&self, what: impl fmt::Display) -> StoreFault {
        StoreFault::ShelfDamaged {
            place: self.settings.place(),
            what: what.to_string(),
        }
    }

    /// Looks something up in the last complete snapshot, which has to be the one that is known.
    fn look<T: Send + 'static>(
        &self,
        mut look: impl FnMut(&mut Client) -> Result<(i64, T), Trouble> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let settings = &self.settings;
        let (found, looked) =
            self.reading
                .ask("reading", settings.statement_max, move |client| {
                    look(client)
                })?;
        let known = self.generation.load(Ordering::Acquire);
        if known == UNKNOWN || found == known {
            Ok(looked)
        } else if found > known {
            // Finished while this was on its way by this node, or by one that came after it.
            if found == self.generation.load(Ordering::Acquire) {
                return Ok(looked);
            }
            Err(StoreFault::Deposed {
                place: settings.place(),
            })
        } else {
            Err(self.damaged(format_args!(
                "snapshot {found} is there, and {known} was finished"
            )))
        }
    }

    /// The turn to change it, which one has at a time.
    fn turn(self: &Arc<Self>) -> Result<Turn, StoreFault> {
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return Err(StoreFault::Io {
                doing: format!("changing the shelf of {}", self.settings.place()),
                source: io::Error::other("a snapshot is being written already"),
            });
        }
        Ok(Turn(Arc::clone(self)))
    }
}

struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_writing.store(false, Ordering::Release);
    }
}

/// Gives the number of the last complete snapshot; 0 when there is none.
const GENERATION: &str = "\
    coalesce((select generation from gettone.shelf_state where partition = $1), 0)";

impl Shelf for PostgresShelf {
    fn cuts(&self) -> Result<Vec<(u16, Seq)>, StoreFault> {
        let shared = &self.shared;
        let partition = i32::from(shared.settings.partition);
        let sql = "select state.generation, state.cuts, lease.next from gettone.lease \
                   left join gettone.shelf_state as state using (partition) \
                   where partition = $1";
        let (generation, found) =
            shared
                .reading
                .ask("reading", shared.settings.statement_max, move |client| {
                    let Some(row) = client.query_opt(sql, &[&partition]).map_err(answered)? else {
                        return Ok((0, None));
                    };
                    let read = || {
                        let cuts: Option<Vec<u8>> = row.try_get(1)?;
                        let next: i64 = row.try_get(2)?;
                        Ok((
                            row.try_get::<_, Option<i64>>(0)?.unwrap_or(0),
                            cuts.map(|cuts| (cuts, next)),
                        ))
                    };
                    read().map_err(answered)
                })?;
        let Some((bytes, next)) = found else {
            shared.generation.store(generation, Ordering::Release);
            return Ok(Vec::new());
        };
        let cuts = decode_cuts(&bytes, shared.settings.partition)
            .ok_or_else(|| shared.damaged("its cuts are not what was written"))?;
        let beyond = cuts
            .iter()
            .find(|(_, cut)| i64::try_from(cut.number()).map_or(true, |cut| cut > next));
        if let Some((_, cut)) = beyond {
            return Err(shared.damaged(format_args!(
                "it reaches frame {}, and the journal ends before {next}",
                cut.number()
            )));
        }
        shared.generation.store(generation, Ordering::Release);
        Ok(cuts)
    }

    fn load(&self, key: Key) -> Result<Option<Vec<u8>>, StoreFault> {
        let shared = &self.shared;
        let partition = i32::from(shared.settings.partition);
        let name = key.to_bytes();
        let sql = format!(
            "select {GENERATION}, (select bytes from gettone.shelf where partition = $1 and key = $2)"
        );
        let found: Option<Vec<u8>> = shared.look(move |client| {
            let row = client
                .query_one(&sql, &[&partition, &name.as_slice()])
                .map_err(answered)?;
            let read = || Ok((row.try_get(0)?, row.try_get(1)?));
            read().map_err(answered)
        })?;
        let Some(mut bytes) = found else {
            return Ok(None);
        };
        let sum = bytes.first_chunk::<SUM_LEN>().copied();
        let payload = bytes.get(SUM_LEN..).unwrap_or_default();
        if sum != Some(checksum(shared.settings.partition, key, payload).to_le_bytes()) {
            return Err(shared.damaged(format_args!("{key:?} is not what was written")));
        }
        bytes.drain(..SUM_LEN);
        Ok(Some(bytes))
    }

    fn numbers(&self, kind: Kind) -> Result<Vec<u64>, StoreFault> {
        let shared = &self.shared;
        let partition = i32::from(shared.settings.partition);
        let first = Key::new(kind, 0).to_bytes();
        let last = Key::new(kind, u64::MAX).to_bytes();
        let sql = format!(
            "select {GENERATION}, array(select key from gettone.shelf \
             where partition = $1 and key between $2 and $3 order by key)"
        );
        let keys: Vec<Vec<u8>> = shared.look(move |client| {
            let row = client
                .query_one(&sql, &[&partition, &first.as_slice(), &last.as_slice()])
                .map_err(answered)?;
            let read = || Ok((row.try_get(0)?, row.try_get(1)?));
            read().map_err(answered)
        })?;
        keys.iter()
            .map(|key| match key.as_slice() {
                [_, number @ ..] => number.try_into().ok().map(u64::from_be_bytes),
                [] => None,
            })
            .collect::<Option<Vec<u64>>>()
            .ok_or_else(|| shared.damaged("a key is not what was written"))
    }

    fn begin(&self) -> Result<Box<dyn Generation>, StoreFault> {
        let turn = self.shared.turn()?;
        let owner = self.shared.owner();
        let settings = &self.shared.settings;
        // What a snapshot that came to nothing has left, of this node or of one before it.
        let last = self
            .shared
            .writing
            .ask("clearing", SHELF_FINISH_MAX, move |client| {
                let mut change = patient(client)?;
                change
                    .execute(
                        "delete from gettone.shelf_next where partition = $1",
                        &[&owner.partition],
                    )
                    .map_err(answered)?;
                let last = generation(&mut change, &owner)?;
                owner.still_holds(&mut change)?;
                change.commit().map_err(answered)?;
                Ok(last)
            })?;
        Ok(Box::new(Staged {
            turn,
            number: last
                .checked_add(1)
                .ok_or_else(|| StoreFault::ShelfDamaged {
                    place: settings.place(),
                    what: "no snapshot can come after it".to_owned(),
                })?,
            waiting: BTreeMap::new(),
            size: 0,
        }))
    }

    fn clear(&self) -> Result<(), StoreFault> {
        let _turn = self.shared.turn()?;
        let owner = self.shared.owner();
        let number = self
            .shared
            .writing
            .ask("clearing", SHELF_FINISH_MAX, move |client| {
                let mut change = patient(client)?;
                for table in ["shelf", "shelf_next"] {
                    change
                        .execute(
                            &format!("delete from gettone.{table} where partition = $1"),
                            &[&owner.partition],
                        )
                        .map_err(answered)?;
                }
                // The number goes on, so that nobody takes what is empty for what was there.
                let number = generation(&mut change, &owner)?.saturating_add(1);
                state(&mut change, (&owner, number), None)?;
                owner.still_holds(&mut change)?;
                change.commit().map_err(answered)?;
                Ok(number)
            })?;
        self.shared.generation.store(number, Ordering::Release);
        Ok(())
    }
}

impl Owner {
    /// Fails when another node has taken the partition. Until this transaction ends nobody can take
    /// it; appends wait, so it comes last.
    fn still_holds(&self, change: &mut impl GenericClient) -> Result<(), Trouble> {
        let held = change
            .query_opt(
                "select true from gettone.lease \
                 where partition = $1 and holder = $2::text::uuid for share",
                &[&self.partition, &self.holder],
            )
            .map_err(answered)?;
        match held {
            Some(_) => Ok(()),
            None => Err(Trouble::Final(StoreFault::Deposed {
                place: self.place.clone(),
            })),
        }
    }
}

/// A transaction that may take as long as a whole snapshot does.
fn patient(client: &mut Client) -> Result<::postgres::Transaction<'_>, Trouble> {
    let mut change = client.transaction().map_err(answered)?;
    let sql = format!(
        "set local statement_timeout = {}",
        SHELF_FINISH_MAX.as_millis()
    );
    change.batch_execute(&sql).map_err(answered)?;
    Ok(change)
}

/// The number of the last complete snapshot.
fn generation(change: &mut impl GenericClient, owner: &Owner) -> Result<i64, Trouble> {
    change
        .query_one(&format!("select {GENERATION}"), &[&owner.partition])
        .and_then(|row| row.try_get(0))
        .map_err(answered)
}

/// Says which snapshot is the last complete one, and how far it reaches.
fn state(
    change: &mut impl GenericClient,
    (owner, number): (&Owner, i64),
    cuts: Option<&[u8]>,
) -> Result<(), Trouble> {
    change
        .execute(
            "insert into gettone.shelf_state (partition, generation, holder, cuts) \
             values ($1, $2, $3::text::uuid, $4) \
             on conflict (partition) do update set generation = excluded.generation, \
             holder = excluded.holder, cuts = excluded.cuts",
            &[&owner.partition, &number, &owner.holder, &cuts],
        )
        .map(drop)
        .map_err(answered)
}

/// The next snapshot, while it is staged. Dropped, it leaves rows that the next one removes.
struct Staged {
    turn: Turn,
    number: i64,
    /// What is not sent yet; none: to be taken out.
    waiting: BTreeMap<[u8; 9], Option<Vec<u8>>>,
    size: usize,
}

impl Staged {
    fn stage(&mut self, key: Key, bytes: Option<Vec<u8>>) -> Result<(), StoreFault> {
        self.size = self.size.saturating_add(bytes.as_ref().map_or(0, Vec::len));
        self.waiting.insert(key.to_bytes(), bytes);
        if self.size >= SHELF_PORTION_BYTES || self.waiting.len() >= SHELF_PORTION_KEYS {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), StoreFault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.size = 0;
        let (keys, bytes): (Vec<Vec<u8>>, Vec<Option<Vec<u8>>>) =
            core::mem::take(&mut self.waiting)
                .into_iter()
                .map(|(key, bytes)| (key.to_vec(), bytes))
                .unzip();
        let shared = &self.turn.0;
        let owner = shared.owner();
        let longest: Duration = shared.settings.statement_max;
        shared.writing.ask("filling", longest, move |client| {
            client
                .execute(
                    "insert into gettone.shelf_next (partition, holder, key, bytes) \
                     select $1, $2::text::uuid, staged.key, staged.bytes \
                     from unnest($3::bytea[], $4::bytea[]) as staged (key, bytes) \
                     on conflict (partition, holder, key) do update set bytes = excluded.bytes",
                    &[&owner.partition, &owner.holder, &keys, &bytes],
                )
                .map(drop)
                .map_err(answered)
        })
    }
}

impl Generation for Staged {
    fn put(&mut self, key: Key, bytes: &[u8]) -> Result<(), StoreFault> {
        let settings = &self.turn.0.settings;
        if bytes.len() > ENTITY_BYTES_MAX {
            return Err(StoreFault::Io {
                doing: format!(
                    "putting {} bytes on the shelf of {}; at most {ENTITY_BYTES_MAX}",
                    bytes.len(),
                    settings.place()
                ),
                source: ErrorKind::InvalidInput.into(),
            });
        }
        let mut stored = Vec::with_capacity(SUM_LEN + bytes.len());
        stored.extend_from_slice(&checksum(settings.partition, key, bytes).to_le_bytes());
        stored.extend_from_slice(bytes);
        self.stage(key, Some(stored))
    }

    fn remove(&mut self, key: Key) -> Result<(), StoreFault> {
        self.stage(key, None)
    }

    fn finish(mut self: Box<Self>, cuts: &[(u16, Seq)]) -> Result<(), StoreFault> {
        self.send()?;
        let shared = Arc::clone(&self.turn.0);
        let (owner, number) = (shared.owner(), self.number);
        let cuts = encode_cuts(cuts, shared.settings.partition);
        shared.writing.ask("finishing", SHELF_FINISH_MAX, move |client| {
            let mut change = patient(client)?;
            // A commit whose answer was lost: the whole of it is there.
            let is_done = change
                .query_opt(
                    "select true from gettone.shelf_state \
                     where partition = $1 and generation = $2 and holder = $3::text::uuid",
                    &[&owner.partition, &number, &owner.holder],
                )
                .map_err(answered)?
                .is_some();
            if is_done {
                return change.commit().map_err(answered);
            }
            let mine: [&(dyn ::postgres::types::ToSql + Sync); 2] =
                [&owner.partition, &owner.holder];
            for sql in [
                "delete from gettone.shelf as old using gettone.shelf_next as staged \
                 where old.partition = $1 and staged.partition = $1 \
                 and staged.holder = $2::text::uuid and staged.key = old.key \
                 and staged.bytes is null",
                "insert into gettone.shelf (partition, key, bytes) \
                 select partition, key, bytes from gettone.shelf_next \
                 where partition = $1 and holder = $2::text::uuid and bytes is not null \
                 on conflict (partition, key) do update set bytes = excluded.bytes",
                "delete from gettone.shelf_next where partition = $1 and holder = $2::text::uuid",
            ] {
                change.execute(sql, &mine).map_err(answered)?;
            }
            state(&mut change, (&owner, number), Some(&cuts))?;
            owner.still_holds(&mut change)?;
            change.commit().map_err(answered)
        })?;
        shared.generation.store(number, Ordering::Release);
        Ok(())
    }
}

fn checksum(partition: u16, key: Key, bytes: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&partition.to_le_bytes()), &key.to_bytes());
    crc32c::crc32c_append(place, bytes)
}

/// Cuts by partition, each once, behind a checksum.
fn encode_cuts(cuts: &[(u16, Seq)], partition: u16) -> Vec<u8> {
    let cuts: BTreeMap<u16, Seq> = cuts.iter().copied().collect();
    let mut body = Vec::with_capacity(cuts.len() * CUT_LEN);
    for (of, cut) in cuts {
        body.extend_from_slice(&of.to_le_bytes());
        body.extend_from_slice(&cut.number().to_le_bytes());
    }
    let sum = crc32c::crc32c_append(crc32c::crc32c(&partition.to_le_bytes()), &body);
    let mut bytes = sum.to_le_bytes().to_vec();
    bytes.append(&mut body);
    bytes
}

fn decode_cuts(bytes: &[u8], partition: u16) -> Option<Vec<(u16, Seq)>> {
    let (sum, body) = bytes.split_first_chunk::<SUM_LEN>()?;
    let expected = crc32c::crc32c_append(crc32c::crc32c(&partition.to_le_bytes()), body);
    if u32::from_le_bytes(*sum) != expected || body.len() > CUTS_MAX * CUT_LEN {
        return None;
    }
    let (cuts, rest) = body.as_chunks::<CUT_LEN>();
    rest.is_empty().then(|| {
        cuts.iter()
            .map(|&[p0, p1, place @ ..]| {
                (
                    u16::from_le_bytes([p0, p1]),
                    Seq::new(u64::from_le_bytes(place)),
                )
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_come_back_by_partition_and_any_flipped_bit_is_noticed() {
        let bytes = encode_cuts(&[(2, Seq::new(7)), (0, Seq::new(u64::MAX))], 5);
        let cuts = vec![(0, Seq::new(u64::MAX)), (2, Seq::new(7))];
        assert_eq!(decode_cuts(&bytes, 5), Some(cuts));
        assert_eq!(decode_cuts(&bytes, 6), None, "of another partition");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_cuts(&bad, 5), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(decode_cuts(&bytes[..len], 5), None, "cut to {len}");
        }
    }
}
