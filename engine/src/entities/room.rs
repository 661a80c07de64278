use super::rest::{Lodger, Rest, Rests};
use crate::bounds::ENTITIES_MAX;
use ahash::RandomState;
use gettone_core::snapshot::{self, SnapshotFault};
use hashbrown::HashTable;
use slab::Slab;

/// Virtual actors of one kind, found by their id.
#[derive(Debug)]
pub(super) struct Room<E: Lodger> {
    /// Places by id: the id itself lies in the slot, which is needed anyway.
    index: HashTable<u32>,
    hash: RandomState,
    slots: Slab<Slot<E>>,
    /// Who changed since the last cut, by place.
    dirty: Vec<u32>,
    /// Who changed before it and is not saved yet.
    to_save: Vec<u32>,
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
            index: HashTable::new(),
            hash: RandomState::new(),
            slots: Slab::new(),
            dirty: Vec::new(),
            to_save: Vec::new(),
            looked: 0,
        }
    }

    /// Where an entity is; whoever knows may go there without looking again, until it is let go.
    pub(super) fn place(&self, id: E::Id) -> Option<usize> {
        self.index
            .find(self.hash.hash_one(id), |at| self.is_at(*at, id))
            .map(|at| *at as usize)
    }

    fn is_at(&self, at: u32, id: E::Id) -> bool {
        self.slots
            .get(at as usize)
            .is_some_and(|slot| slot.id == id)
    }

    fn place_or_insert(&mut self, id: E::Id, state: impl FnOnce() -> E::State) -> usize {
        if let Some(place) = self.place(id) {
            return place;
        }
        let entity = E::of(state());
        let place = self.slots.insert(Slot {
            id,
            rest: Rest::of(&entity),
            entity,
        });
        let (slots, hash) = (&self.slots, &self.hash);
        let hash_at = |at: &u32| {
            slots
                .get(*at as usize)
                .map_or(0, |slot| hash.hash_one(slot.id))
        };
        self.index
            .insert_unique(hash.hash_one(id), short(place), hash_at);
        place
    }

    /// What is at a place that [`Room::place`] gave.
    pub(super) fn at(&self, place: usize) -> &E {
        &self.slot(place).entity
    }

    /// Who is there.
    pub(super) fn id_at(&self, place: usize) -> E::Id {
        self.slot(place).id
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
                rests.save(slot.id, &slot.entity, &mut slot.rest);
            }
            slot.rest = rests.changed(slot.rest);
            self.dirty.push(short(place));
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
        self.index.len() < ENTITIES_MAX || self.place(id).is_some()
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
                .get_mut(place as usize)
                .expect("what is to be saved is not let go");
            if rests.must_save(slot.rest) {
                rests.save(slot.id, &slot.entity, &mut slot.rest);
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
                let hash = self.hash.hash_one(slot.id);
                if let Ok(entry) = self.index.find_entry(hash, |place| *place as usize == at) {
                    entry.remove();
                }
                self.slots.remove(at);
                gone += 1;
            }
        }
        gone
    }
}

/// A place, as the index keeps it.
fn short(place: usize) -> u32 {
    u32::try_from(place).expect("ENTITIES_MAX is smaller")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::customer::Customer;

    #[test]
    fn a_customer_takes_a_line_of_the_cache_and_the_first_name_of_its_wallet() {
        assert_eq!(size_of::<Option<Slot<Customer>>>(), 64 + 24);
    }
}
