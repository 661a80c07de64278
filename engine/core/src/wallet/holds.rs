//! The holds of a wallet: those that live, and the last that ended, to recognise repeats by.

use super::RESOLVED_KEPT;
use crate::grant::{Grant, GrantState, Past};
use crate::id::VendId;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::VecDeque;
use thin_vec::ThinVec;

/// Holds that live, and some that have ended.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Holds {
    live: Vec<Grant>,
    /// Released for want of news: what comes late is still captured. Most wallets never have any.
    late: ThinVec<Grant>,
    past: VecDeque<Past>,
    /// The marks of the past ones, in their order: a new name is looked for among all of them, and
    /// these lie close together.
    marks: VecDeque<u32>,
}

impl Holds {
    pub(super) const fn new() -> Self {
        Self {
            live: Vec::new(),
            late: ThinVec::new(),
            past: VecDeque::new(),
            marks: VecDeque::new(),
        }
    }

    pub(super) fn live(&self) -> &[Grant] {
        &self.live
    }

    /// A hold of which something can still come.
    pub(super) fn find(&self, vend: VendId) -> Option<&Grant> {
        let live = self.live.iter();
        live.chain(&self.late).find(|grant| grant.vend == vend)
    }

    pub(super) fn find_mut(&mut self, vend: VendId) -> Option<&mut Grant> {
        let live = self.live.iter_mut();
        live.chain(&mut self.late).find(|grant| grant.vend == vend)
    }

    /// A hold of which nothing can come any more.
    pub(super) fn past(&self, vend: VendId) -> Option<&Past> {
        self.past.get(self.place(vend)?)
    }

    pub(super) fn past_mut(&mut self, vend: VendId) -> Option<&mut Past> {
        self.past.get_mut(self.place(vend)?)
    }

    /// Adds a live one.
    pub(super) fn issue(&mut self, grant: Grant) {
        self.live.reserve_exact(1);
        self.live.push(grant);
    }

    /// Puts a hold where it belongs, once it does not live any more.
    pub(super) fn shelve(&mut self, vend: VendId) {
        let is_it = |grant: &Grant| grant.vend == vend;
        let grant = match self.live.iter().position(is_it) {
            Some(at) if self.live.get(at).is_some_and(Grant::is_resolved) => {
                let grant = self.live.swap_remove(at);
                if self.live.is_empty() {
                    // Few wallets have live holds at a time.
                    self.live = Vec::new();
                }
                Some(grant)
            }
            Some(_) => None,
            None => {
                // One with cash in doubt waits for the decision here.
                let is_past = |grant: &Grant| {
                    is_it(grant) && grant.is_resolved() && grant.state != GrantState::Released
                };
                let at = self.late.iter().position(is_past);
                at.map(|at| self.late.remove(at))
            }
        };
        let Some(grant) = grant else { return };
        if grant.state == GrantState::Released {
            if self.late.len() >= RESOLVED_KEPT {
                self.late.remove(0);
            }
            self.late.push(grant);
            return;
        }
        if self.past.len() >= RESOLVED_KEPT {
            self.past.pop_front();
            self.marks.pop_front();
        }
        make_room(&mut self.past, RESOLVED_KEPT);
        make_room(&mut self.marks, RESOLVED_KEPT);
        self.marks.push_back(mark(vend));
        self.past.push_back(grant.into_past());
    }

    /// Reads a little of where the next hold and the next end of one will go.
    pub(super) fn look(&self) -> usize {
        let live = self.live.first().map_or(0, Grant::receipts);
        let past = self.past.back().map_or(0, Past::receipts);
        live ^ past ^ self.marks.back().map_or(0, |_| 1)
    }

    fn place(&self, vend: VendId) -> Option<usize> {
        let wanted = mark(vend);
        let marks = self.marks.iter().enumerate().rev();
        let mut places = marks.filter(|(_, mark)| **mark == wanted);
        places.find_map(|(at, _)| (self.past.get(at)?.vend == vend).then_some(at))
    }
}

/// Room for one more, and for half as many again, up to `most`: there are very many wallets.
pub(super) fn make_room<T>(queue: &mut VecDeque<T>, most: usize) {
    let len = queue.len();
    if len == queue.capacity() {
        queue.reserve_exact((1 + len / 2).min(most.saturating_sub(len)).max(1));
    }
}

/// A few bits of a name; two may have the same.
fn mark(vend: VendId) -> u32 {
    let (words, _) = vend.as_bytes().as_chunks::<4>();
    words.iter().fold(0, |mark, word| {
        mark.rotate_left(5) ^ u32::from_le_bytes(*word)
    })
}
