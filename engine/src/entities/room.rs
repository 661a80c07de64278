use super::rest::{Lodger, Rest, Rests};
use crate::bounds::ENTITIES_MAX;
use gettone_core::snapshot::{self, SnapshotFault};
use slab::Slab;
use std::collections::HashMap;

/// Virtual actors of one kind, found by their id.
#[derive(Debug)]
pub(super) struct Room<E: Lodger> {
    index: HashMap<E::Id, usize, ahash::RandomState>,
    slots: Slab<Slot<E>>,
    /// Who changed since the last cut, by place.
    dirty: Vec<usize>,
    /// Who changed before it and is not saved yet.
    to_save: Vec<usize>,
    /// Where the search for somebody to let go goes on.
    looked: usize,
}

#[derive(Debug)]
struct Slot<E: Lodger> {
    id: E::Id,
    entity: E,
    rest: Rest,
}

impl<E: Lodger> Room<E> {
    pub(super) fn new() -> Self {
        Self {
            index: HashMap::default(),
            slots: Slab::new(),
            dirty: Vec::new(),
            to_save: Vec::new(),
            looked: 0,
        }
    }

    /// Where an entity is; whoever knows may go there without looking again, until it is let go.
    pub(super) fn place(&self, id: E::Id) -> Option<usize> {
        self.index.get(&id).copied()
    }

    fn place_or_insert(&mut self, id: E::Id, state: impl FnOnce() -> E::State) -> usize {
        let slots = &mut self.slots;
        *self.index.entry(id).or_insert_with(|| {
            slots.insert(Slot {
                id,
                entity: E::of(id, state()),
                rest: Rest::default(),
            })
        })
    }

    /// What is at a place that [`Room::place`] gave.
    pub(super) fn at(&self, place: usize) -> &E {
        &self.slot(place).entity
    }

    fn slot(&self, place: usize) -> &Slot<E> {
        self.slots
            .get(place)
            .expect("the index names filled slots only")
    }

    /// What is at a place, if anything is.
    pub(super) fn seen_at(&self, place: usize) -> Option<&E> {
        Some(&self.slots.get(place)?.entity)
    }

    /// What is at a place, about to change: the only way in which anything in the room does. What
    /// a cut still has to save is saved first.
    pub(super) fn change(&mut self, place: usize, rests: &mut Rests) -> &mut E {
        let slot = self
            .slots
            .get_mut(place)
            .expect("the index names filled slots only");
        if rests.is_news(slot.rest) {
            if rests.must_save(slot.rest) {
                rests.save(slot.id, &slot.entity);
            }
            slot.rest = rests.changed();
            self.dirty.push(place);
        }
        &mut slot.entity
    }

    pub(super) fn change_or_add(&mut self, id: E::Id, rests: &mut Rests) -> &mut E {
        let place = self.place_or_insert(id, E::State::default);
        self.change(place, rests)
    }

    pub(super) fn find(&self, id: E::Id) -> Option<&E> {
        self.seen_at(self.place(id)?)
    }

    pub(super) fn has_room_for(&self, id: E::Id) -> bool {
        self.index.len() < ENTITIES_MAX || self.index.contains_key(&id)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Places that there may be.
    pub(super) fn places(&self) -> usize {
        self.slots.capacity()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (E::Id, &E)> {
        self.slots.iter().map(|(_, slot)| (slot.id, &slot.entity))
    }

    /// Takes in what was on the shelf, unless it is here.
    pub(super) fn lodge(&mut self, id: E::Id, bytes: &[u8]) -> Result<&E, SnapshotFault> {
        let state = snapshot::decode(bytes)?;
        let place = self.place_or_insert(id, || state);
        Ok(self.at(place))
    }

    /// Everything that changed until here is to be saved as it is here.
    pub(super) fn cut(&mut self) {
        self.to_save = core::mem::take(&mut self.dirty);
    }

    /// Saves what is still to be saved, until `rests` has enough; false when nothing is left.
    pub(super) fn save(&mut self, rests: &mut Rests) -> bool {
        while !rests.has_enough() {
            let Some(place) = self.to_save.pop() else {
                return false;
            };
            let slot = self
                .slots
                .get_mut(place)
                .expect("what is to be saved is not let go");
            if rests.must_save(slot.rest) {
                rests.save(slot.id, &slot.entity);
                slot.rest.saved = true;
            }
        }
        true
    }

    /// Lists nothing any more: there will be no other cut.
    pub(super) fn forget_cut(&mut self) {
        self.dirty = Vec::new();
        self.to_save = Vec::new();
    }

    /// Lets up to `count` go that rest on the shelf and are not needed; it looks at no more than
    /// `looks` places and goes on where it left off.
    pub(super) fn let_go(&mut self, (count, looks): (usize, usize), rests: &Rests) -> usize {
        let places = self.places();
        let mut gone = 0;
        for _ in 0..looks.min(places) {
            if gone >= count {
                break;
            }
            let at = if self.looked < places { self.looked } else { 0 };
            self.looked = at + 1;
            let Some(slot) = self.slots.get(at) else {
                continue;
            };
            if rests.is_on_shelf(slot.rest) && !slot.entity.is_restless() {
                let id = slot.id;
                self.slots.remove(at);
                self.index.remove(&id);
                gone += 1;
            }
        }
        gone
    }
}
