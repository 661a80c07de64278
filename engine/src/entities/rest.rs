//! Which entities changed since which cut, and what of them is saved: copy before change, so that
//! a snapshot shows every entity as it was at the cut, and no shard waits for it.

use crate::bounds::SAVE_BYTES;
use core::fmt::Debug;
use core::hash::Hash;
use gettone_core::id::{MachineId, OperatorId, ReaderId};
use gettone_core::machine::Machine;
use gettone_core::operator::Operator;
use gettone_core::port::{Key, Kind};
use gettone_core::reader::Reader;
use gettone_core::snapshot::{self, Resting, SnapshotFault};

/// An entity that can rest on a shelf.
pub(super) trait Lodger: Sized + Debug {
    /// Its name.
    type Id: Copy + Eq + Hash + Into<Key> + Debug;
    /// What of it rests.
    type State: Resting + Default;

    /// The mark of those that are needed whenever the engine runs.
    const MARK: Option<Kind> = None;

    /// The entity in this state.
    fn of(state: Self::State) -> Self;

    /// Its state.
    fn state(&self) -> &Self::State;

    /// Whether it is needed whenever the engine runs.
    fn is_restless(&self) -> bool {
        false
    }
}

impl Lodger for Machine {
    type Id = MachineId;
    type State = Self;

    fn of(state: Self) -> Self {
        state
    }

    fn state(&self) -> &Self {
        self
    }
}

impl Lodger for Reader {
    type Id = ReaderId;
    type State = Self;

    const MARK: Option<Kind> = Some(Kind::DueReader);

    fn of(state: Self) -> Self {
        state
    }

    fn state(&self) -> &Self {
        self
    }

    fn is_restless(&self) -> bool {
        self.due().is_some()
    }
}

impl Lodger for Operator {
    type Id = OperatorId;
    type State = Self;

    const MARK: Option<Kind> = Some(Kind::BusyOperator);

    fn of(state: Self) -> Self {
        state
    }

    fn state(&self) -> &Self {
        self
    }

    fn is_restless(&self) -> bool {
        !self.underway().is_empty()
    }
}

/// Where one entity stands: in which span between cuts it changed last, whether that is saved, and
/// whether the shelf has its mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rest {
    changed: u32,
    pub(super) saved: bool,
    marked: bool,
}

impl Rest {
    /// Of what came from the shelf as it is, or is not there at all: what needs its mark bears it.
    pub(super) fn of<E: Lodger>(entity: &E) -> Self {
        Self {
            changed: 0,
            saved: true,
            marked: entity.is_restless(),
        }
    }
}

/// Entities as they were at the cut, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    bytes: Vec<u8>,
    entities: Vec<SavedEntity>,
}

#[derive(Debug)]
struct SavedEntity {
    key: Key,
    /// Where its bytes end; they begin where those before it end.
    end: usize,
    mark: Option<(Key, Mark)>,
}

impl Saved {
    /// Each entity, its bytes, and its mark, when it bears one now or bears it no more.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &[u8], Option<(Key, Mark)>)> {
        self.entities.iter().scan(0, |begin, entity| {
            let bytes = self.bytes.get(*begin..entity.end)?;
            *begin = entity.end;
            Some((entity.key, bytes, entity.mark))
        })
    }
}

/// How the need for an entity, whenever the engine runs, has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    Needed,
    Quiet,
}

/// Spans between cuts, counted from 1: one for all rooms of a shard.
#[derive(Debug)]
pub(crate) struct Rests {
    /// The span that goes on; none when there is no shelf.
    span: Option<u32>,
    /// Everything that changed up to this span rests on the shelf.
    settled: u32,
    saved: Saved,
    fault: Option<SnapshotFault>,
}

impl Rests {
    pub(super) fn new(shelf: Shelved) -> Self {
        Self {
            span: match shelf {
                Shelved::Yes => Some(1),
                Shelved::No => None,
            },
            settled: 0,
            saved: Saved::default(),
            fault: None,
        }
    }

    /// Whether an entity changes for the first time in this span.
    pub(super) fn is_news(&self, rest: Rest) -> bool {
        self.span.is_some_and(|span| rest.changed != span)
    }

    /// Whether a cut has still to save it as it is.
    pub(super) fn must_save(&self, rest: Rest) -> bool {
        self.span
            .is_some_and(|span| rest.changed < span && rest.changed > self.settled && !rest.saved)
    }

    /// How it stands once it has changed in this span.
    pub(super) fn changed(&self, rest: Rest) -> Rest {
        Rest {
            changed: self.span.unwrap_or_default(),
            saved: false,
            ..rest
        }
    }

    pub(super) fn is_on_shelf(&self, rest: Rest) -> bool {
        self.span.is_some() && rest.changed <= self.settled
    }

    /// Saves an entity as it is.
    pub(super) fn save<E: Lodger>(&mut self, id: E::Id, entity: &E, rest: &mut Rest) {
        let saved = &mut self.saved;
        if saved.bytes.capacity() == 0 {
            saved.bytes.reserve(SAVE_BYTES + SAVE_BYTES / 2);
        }
        if let Err(fault) = snapshot::encode(entity.state(), &mut saved.bytes) {
            self.fault = Some(fault);
            return;
        }
        let key: Key = id.into();
        let mut mark = None;
        if let Some(kind) = E::MARK
            && rest.marked != entity.is_restless()
        {
            rest.marked = !rest.marked;
            let now = if rest.marked {
                Mark::Needed
            } else {
                Mark::Quiet
            };
            mark = Some((Key::new(kind, key.number()), now));
        }
        rest.saved = true;
        saved.entities.push(SavedEntity {
            key,
            end: saved.bytes.len(),
            mark,
        });
    }

    pub(super) fn has_enough(&self) -> bool {
        self.saved.bytes.len() >= SAVE_BYTES || self.fault.is_some()
    }

    /// A new span begins.
    pub(super) fn cut(&mut self) {
        self.span = self.span.map(|span| span + 1);
    }

    /// What was saved since it was asked last.
    pub(super) fn take(&mut self) -> Result<Saved, SnapshotFault> {
        let saved = core::mem::take(&mut self.saved);
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(saved),
        }
    }

    /// Everything that the cut saved rests on the shelf.
    pub(super) fn settle(&mut self) {
        self.settled = self.span.map_or(0, |span| span.saturating_sub(1));
    }

    /// There will be no other cut.
    pub(super) fn forget(&mut self) {
        self.span = None;
        self.saved = Saved::default();
    }
}

/// Whether there is a shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shelved {
    Yes,
    No,
}
