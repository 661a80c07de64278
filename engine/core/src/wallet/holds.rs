//! The holds of a wallet: those that live, and the last that ended, to recognise repeats by.

use super::RESOLVED_KEPT;
use super::packed::{Packed, Place};
use crate::grant::{Grant, GrantState, Past, RECEIPTS_MAX};
use crate::id::{Rseq, VendId};
use rkyv::{Archive, Deserialize, Serialize};
use thin_vec::ThinVec;

/// Holds that live, and some that have ended.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Holds {
    live: Vec<Grant>,
    /// Released for want of news: what comes late is still captured. Most wallets never have any.
    late: ThinVec<Grant>,
    past: Packed<Past>,
    /// A little of the name of each past one, in their order: a new name is looked for among all of
    /// them, and these lie close together.
    marks: ThinVec<u16>,
    /// How many bytes each takes.
    lens: ThinVec<u16>,
}

impl Holds {
    pub(super) const fn new() -> Self {
        Self {
            live: Vec::new(),
            late: ThinVec::new(),
            past: Packed::new(),
            marks: ThinVec::new(),
            lens: ThinVec::new(),
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
    pub(super) fn past(&self, vend: VendId) -> Option<Past> {
        self.find_past(vend).map(|(_, _, past)| past)
    }

    /// Takes the number of a receipt in that came after the end of its hold.
    pub(super) fn note_past(&mut self, vend: VendId, rseq: Rseq) {
        let Some((at, place, mut past)) = self.find_past(vend) else {
            return;
        };
        past.note(rseq);
        if let Some(len) = self.past.replace(place, &past)
            && let Some(known) = self.lens.get_mut(at)
        {
            *known = short(len);
        }
    }

    fn find_past(&self, vend: VendId) -> Option<(usize, Place, Past)> {
        let wanted = mark(vend);
        // Most names are new: this is all that is done for them.
        if !self.marks.contains(&wanted) {
            return None;
        }
        let mut before_end = 0;
        for (at, (mark, len)) in self.marks.iter().zip(&self.lens).enumerate().rev() {
            let len = usize::from(*len);
            if *mark == wanted {
                let place = Place { before_end, len };
                let past = self.past.behind(place).filter(|past| past.vend == vend);
                if let Some(past) = past {
                    return Some((at, place, past));
                }
            }
            before_end += len;
        }
        None
    }

    /// Whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        self.past.is_whole() && [self.marks.len(), self.lens.len()] == [self.past.len(); 2]
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
        if self.marks.len() >= RESOLVED_KEPT {
            self.marks.remove(0);
            let first = self.lens.remove(0);
            self.past.drop_first(first.into());
        }
        make_room(&mut self.marks);
        make_room(&mut self.lens);
        self.marks.push(mark(vend));
        self.lens.push(short(self.past.push(&grant.into_past())));
    }

    /// Reads a little of where the next hold and the next end of one will go.
    pub(super) fn look(&self) -> usize {
        let live = self.live.first().map_or(0, Grant::receipts);
        live ^ self.past.look() ^ self.marks.last().map_or(0, |mark| usize::from(*mark))
    }
}

/// Room for one more, and for half as many again: there are very many wallets.
fn make_room(list: &mut ThinVec<u16>) {
    let len = list.len();
    if len == list.capacity() {
        list.reserve_exact((1 + len / 2).min(RESOLVED_KEPT.saturating_sub(len)).max(1));
    }
}

/// A few bits of a name; two may have the same.
fn mark(vend: VendId) -> u16 {
    let (words, _) = vend.as_bytes().as_chunks::<2>();
    words.iter().fold(0, |mark, word| {
        mark.rotate_left(5) ^ u16::from_le_bytes(*word)
    })
}

/// How many bytes a past hold takes: at most ten for a receipt, and eleven for a verdict.
fn short(len: usize) -> u16 {
    const _: () = assert!(RECEIPTS_MAX * 21 + 64 < u16::MAX as usize);
    u16::try_from(len).expect("RECEIPTS_MAX bounds its receipts")
}
