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

/// Where one entity stands: in which span between cuts it changed last, and whether that is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rest {
    changed: u32,
    pub(super) saved: bool,
}

impl Default for Rest {
    /// As what came from the shelf, or is not there at all.
    fn default() -> Self {
        Self {
            changed: 0,
            saved: true,
        }
    }
}

/// One entity as it was at the cut.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) key: Key,
    pub(crate) bytes: Vec<u8>,
    /// The mark that it bears, or bears no more.
    pub(crate) mark: Option<(Key, Mark)>,
}

/// Whether an entity is needed whenever the engine runs.
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
    saved: Vec<Saved>,
    bytes: usize,
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
            saved: Vec::new(),
            bytes: 0,
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

    pub(super) fn changed(&self) -> Rest {
        Rest {
            changed: self.span.unwrap_or_default(),
            saved: false,
        }
    }

    pub(super) fn is_on_shelf(&self, rest: Rest) -> bool {
        self.span.is_some() && rest.changed <= self.settled
    }

    pub(super) fn save<E: Lodger>(&mut self, id: E::Id, entity: &E) {
        let mut bytes = Vec::new();
        match snapshot::encode(entity.state(), &mut bytes) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(bytes.len());
                let key: Key = id.into();
                let mark = E::MARK.map(|kind| {
                    let mark = if entity.is_restless() {
                        Mark::Needed
                    } else {
                        Mark::Quiet
                    };
                    (Key::new(kind, key.number()), mark)
                });
                self.saved.push(Saved { key, bytes, mark });
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    pub(super) fn has_enough(&self) -> bool {
        self.bytes >= SAVE_BYTES || self.fault.is_some()
    }

    /// A new span begins.
    pub(super) fn cut(&mut self) {
        self.span = self.span.map(|span| span + 1);
    }

    /// What was saved since it was asked last.
    pub(super) fn take(&mut self) -> Result<Vec<Saved>, SnapshotFault> {
        self.bytes = 0;
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
        self.saved = Vec::new();
        self.bytes = 0;
    }
}

/// Whether there is a shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shelved {
    Yes,
    No,
}
