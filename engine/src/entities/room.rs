use crate::bounds::ENTITIES_MAX;
use core::hash::Hash;
use slab::Slab;
use std::collections::HashMap;

/// Virtual actors of one kind, found by their id.
#[derive(Debug)]
pub(super) struct Room<K, E> {
    pub(super) index: HashMap<K, usize, ahash::RandomState>,
    pub(super) slots: Slab<E>,
}

impl<K: Eq + Hash + Copy, E> Room<K, E> {
    pub(super) fn new() -> Self {
        Self {
            index: HashMap::default(),
            slots: Slab::new(),
        }
    }

    /// Where an entity is; whoever knows may go there without looking again.
    pub(super) fn place(&self, id: K) -> Option<usize> {
        self.index.get(&id).copied()
    }

    pub(super) fn place_or_add(&mut self, id: K, fresh: impl FnOnce() -> E) -> usize {
        let slots = &mut self.slots;
        *self
            .index
            .entry(id)
            .or_insert_with(|| slots.insert(fresh()))
    }

    /// What is at a place that [`Room::place`] gave.
    pub(super) fn at(&self, place: usize) -> &E {
        self.slots
            .get(place)
            .expect("the index names filled slots only")
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut E {
        self.slots
            .get_mut(place)
            .expect("the index names filled slots only")
    }

    pub(super) fn find(&self, id: K) -> Option<&E> {
        self.slots.get(self.place(id)?)
    }

    pub(super) fn find_or_add(&mut self, id: K, fresh: impl FnOnce() -> E) -> &mut E {
        let place = self.place_or_add(id, fresh);
        self.at_mut(place)
    }

    pub(super) fn has_room_for(&self, id: K) -> bool {
        self.index.len() < ENTITIES_MAX || self.index.contains_key(&id)
    }
}
