//! The one place where a decision becomes durable: merges what the shards hand over, writes and
//! syncs it, and only then lets the answers go.

mod events;
mod trail;
mod waiting;

pub(crate) use events::Hub;
pub use events::{Events, Lagged};
pub use trail::Trail;
pub(crate) use waiting::{Due, Held, HeldBatch, HeldCut, HeldLane, Reply, Waiting, When};

use crate::bounds::{FLUSH_BYTES_MAX, FLUSH_FRAMES_MAX, SPARES_MAX};
use crate::failure::StopCause;
use crate::gate::Gate;
use crate::metrics::Counters;
use crate::rebuild::Rebuild;
use crate::snapshots::Bolt;
use core::ops::Deref;
use core::time::Duration;
use gettone_core::port::{Frames, Seq, Store};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the journal has made durable, together with everything it rests on.
///
/// Only the journal makes one, so an answer that is not on disk does not compile:
///
/// ```compile_fail,E0423
/// let approval = gettone::Durable("yes");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// What is durable.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Durable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What the journal has queued, together with everything it rests on: whatever is handed over from
/// now on is written behind it. It may yet be lost, and with it all that follows from it, so it may
/// lead to a further step and to nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued<T>(T);

impl<T> Queued<T> {
    /// What is queued, for the next step.
    pub(crate) const fn step(&self) -> &T {
        &self.0
    }

    /// A part of what is queued.
    pub(crate) fn map<U>(self, part: impl FnOnce(T) -> U) -> Queued<U> {
        Queued(part(self.0))
    }

    /// What is durable, now that something which was asked after it is.
    pub(crate) fn behind(self, _later: Durable<()>) -> Durable<T> {
        Durable(self.0)
    }
}

/// What one shard did in one turn: the records, and the answers that rest on them.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    pub(crate) frames: Frames,
    waiting: Vec<Waiting>,
    /// Answers that wait for the queue only.
    steps: Vec<Waiting>,
    credits: usize,
    earliest: Option<Duration>,
    /// A shard to be rebuilt once everything before is durable; such a bundle has nothing else.
    rebuild: Option<Rebuild>,
}

impl Bundle {
    /// Adds an answer. It waits for every record before it, of this bundle and of earlier ones.
    pub(crate) fn wait(&mut self, waiting: Waiting) {
        if waiting.when() == When::Queued {
            self.steps.push(waiting);
            return;
        }
        let deadline = waiting.deadline();
        self.earliest = Some(
            self.earliest
                .map_or(deadline, |earliest| earliest.min(deadline)),
        );
        self.credits = self.credits.saturating_add(waiting.credits());
        self.waiting.push(waiting);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
            && self.waiting.is_empty()
            && self.steps.is_empty()
            && self.rebuild.is_none()
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.waiting.clear();
        self.steps.clear();
        self.credits = 0;
        self.earliest = None;
        self.rebuild = None;
    }

    fn time_out(&mut self, uptime: Duration) -> usize {
        if self.earliest.is_none_or(|earliest| earliest > uptime) {
            return 0;
        }
        self.earliest = None;
        let mut count = 0;
        for waiting in &mut self.waiting {
            if waiting.deadline() > uptime {
                let deadline = waiting.deadline();
                self.earliest = Some(
                    self.earliest
                        .map_or(deadline, |earliest| earliest.min(deadline)),
                );
            } else if waiting.time_out() {
                count += 1;
            }
        }
        count
    }
}

/// The journal, as the shards see it.
#[derive(Debug)]
pub(crate) struct Journal {
    desk: Mutex<Desk>,
    arrived: Condvar,
    gate: Arc<Gate>,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
    bolt: Bolt,
}

#[derive(Debug, Default)]
struct Desk {
    queued: VecDeque<Bundle>,
    in_hand: Vec<Bundle>,
    spares: Vec<Bundle>,
    closed: bool,
}

impl Journal {
    pub(crate) fn new(gate: Arc<Gate>, hub: Arc<Hub>, counters: Arc<Counters>) -> Self {
        Self {
            desk: Mutex::default(),
            arrived: Condvar::new(),
            gate,
            hub,
            counters,
            bolt: Bolt::default(),
        }
    }

    /// Held while somebody finishes a snapshot, or reads one together with the journal.
    pub(crate) fn bolt(&self) -> Bolt {
        Arc::clone(&self.bolt)
    }

    /// Has a shard rebuilt, once everything that was handed over before is durable.
    pub(crate) fn rebuild(&self, rebuild: Rebuild) {
        let bundle = Bundle {
            rebuild: Some(rebuild),
            ..Bundle::default()
        };
        self.hand_over(bundle);
    }

    /// Hands a bundle over and gets an empty one in exchange. When the engine has stopped, its
    /// answers say so.
    pub(crate) fn hand_over(&self, mut bundle: Bundle) -> Bundle {
        {
            let mut desk = self.desk();
            if !self.gate.is_stopped() {
                let mut steps = core::mem::take(&mut bundle.steps);
                let mut spare = if bundle.is_empty() {
                    // Nothing is to be written, and nobody waits for the disk.
                    drop(desk);
                    bundle
                } else {
                    desk.queued.push_back(bundle);
                    let spare = desk.spares.pop().unwrap_or_default();
                    drop(desk);
                    self.arrived.notify_one();
                    spare
                };
                // Behind it in the queue, and not before: the next step may go to another shard.
                steps.drain(..).for_each(Waiting::release);
                spare.steps = steps;
                return spare;
            }
        }
        self.abandon(&mut bundle);
        bundle
    }

    /// Writes what is handed over until the journal is closed or fails, and drops the store then.
    pub(crate) fn run(&self, mut store: Box<dyn Store>, next: Seq) {
        let written = catch_unwind(AssertUnwindSafe(|| self.write(store.as_mut(), next)));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => self.stop(cause),
            Err(_) => self.stop(StopCause::Journal),
        }
        self.give_up();
        self.hub.close();
    }

    /// Answers what is in hand, once nobody writes it any more.
    pub(crate) fn give_up(&self) {
        let unanswered = core::mem::take(&mut self.desk().in_hand);
        for mut bundle in unanswered {
            self.abandon(&mut bundle);
        }
    }

    fn write(&self, store: &mut dyn Store, mut next: Seq) -> Result<(), StopCause> {
        let mut merged = Frames::default();
        while self.wait() {
            self.flush(store, &mut next, &mut merged)?;
        }
        Ok(())
    }

    /// Makes durable as much of what is queued as one flush takes, and lets its answers go.
    pub(crate) fn flush(
        &self,
        store: &mut dyn Store,
        next: &mut Seq,
        merged: &mut Frames,
    ) -> Result<(), StopCause> {
        let rebuild = self.merge(*next, merged);
        if merged.is_empty() {
            // A "no" and a balance rest on what is there: somebody else may have gone on from it.
            if !self.desk().in_hand.is_empty() {
                store.confirm().map_err(StopCause::Store)?;
            }
        } else {
            store.append(*next, merged).map_err(StopCause::Store)?;
            self.counters.flushes.add(1);
            self.counters.records.add(merged.len());
            self.counters.bytes.add(merged.size());
            let first = *next;
            *next = first.after(u64::try_from(merged.len()).unwrap_or(u64::MAX));
            // Before the answers, so that whoever has one finds its records with subscribers.
            let cut_off = self.hub.publish(first, merged);
            self.counters.lagged.add(cut_off);
            merged.clear();
        }
        self.release();
        match rebuild {
            Some(rebuild) => self.tell_again(rebuild, store, *next),
            None => Ok(()),
        }
    }

    /// Rebuilds a shard from everything that is durable. The others go on, and wait for the disk.
    fn tell_again(&self, rebuild: Rebuild, store: &dyn Store, next: Seq) -> Result<(), StopCause> {
        let shard = rebuild.shard.number;
        let history = store.history().ok_or(StopCause::Bug { shard })?;
        let read = {
            let _still = self.bolt.lock().unwrap_or_else(PoisonError::into_inner);
            // What panics over what is durable would do so for ever.
            catch_unwind(AssertUnwindSafe(|| {
                rebuild.read((store.shelf(), history.as_ref()), next)
            }))
        };
        let rebuilt = read
            .map_err(|_| StopCause::Bug { shard })?
            .map_err(StopCause::Store)?;
        self.counters.rebuilds.add(1);
        // A shard that is gone has stopped the engine.
        let _ = rebuild.done.send(rebuilt);
        Ok(())
    }

    /// Waits for bundles. False when there will be none.
    fn wait(&self) -> bool {
        let mut desk = self.desk();
        loop {
            if self.gate.is_stopped() {
                return false;
            }
            if !desk.queued.is_empty() {
                return true;
            }
            if desk.closed {
                return false;
            }
            desk = self
                .arrived
                .wait(desk)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes bundles in hand and merges their frames, as many as one flush takes, and none behind a
    /// shard that is to be rebuilt.
    fn merge(&self, next: Seq, merged: &mut Frames) -> Option<Rebuild> {
        let mut desk = self.desk();
        while merged.len() < FLUSH_FRAMES_MAX && merged.size() < FLUSH_BYTES_MAX {
            let mut bundle = desk.queued.pop_front()?;
            if bundle.rebuild.is_some() {
                return bundle.rebuild;
            }
            // A cut comes in a bundle of its own, without frames.
            if bundle.frames.is_empty() {
                let place = next.after(u64::try_from(merged.len()).unwrap_or(u64::MAX));
                let waiting = &mut bundle.waiting;
                waiting.iter_mut().for_each(|held| held.lies_at(place));
            }
            if merged.is_empty() {
                core::mem::swap(merged, &mut bundle.frames);
            } else {
                merged.append(&bundle.frames);
            }
            desk.in_hand.push(bundle);
        }
        None
    }

    /// Lets the answers in hand go: what they rest on is durable.
    fn release(&self) {
        let mut in_hand = core::mem::take(&mut self.desk().in_hand);
        // Credits first: whoever has its answer may ask again at once.
        self.gate
            .leave(in_hand.iter().map(|bundle| bundle.credits).sum());
        for bundle in &mut in_hand {
            bundle.waiting.drain(..).for_each(Waiting::release);
            bundle.clear();
        }
        let mut desk = self.desk();
        let room = SPARES_MAX.saturating_sub(desk.spares.len());
        desk.spares.extend(in_hand.drain(..).take(room));
    }

    /// Stops every shard, and answers all that wait in the queue. What is being written is left to
    /// the journal's thread, which alone knows whether it became durable.
    pub(crate) fn stop(&self, cause: StopCause) {
        tracing::error!(%cause, "the engine stops");
        self.gate.stop(cause);
        let queued = core::mem::take(&mut self.desk().queued);
        for mut bundle in queued {
            self.abandon(&mut bundle);
        }
        self.arrived.notify_all();
    }

    /// Answers a bundle that will never be written.
    pub(crate) fn abandon(&self, bundle: &mut Bundle) {
        self.gate.leave(bundle.credits);
        bundle.waiting.drain(..).for_each(Waiting::abandon);
        bundle.steps.drain(..).for_each(Waiting::abandon);
        bundle.clear();
    }

    /// Answers calls whose deadline has passed, wherever they wait. Their credits stay taken until
    /// their records are written: a disk that hangs must not gather ever more of them.
    pub(crate) fn time_out(&self, uptime: Duration) {
        let mut desk = self.desk();
        let mut count = 0;
        let Desk {
            queued, in_hand, ..
        } = &mut *desk;
        for bundle in in_hand.iter_mut().chain(queued) {
            count += bundle.time_out(uptime);
        }
        self.counters.timed_out.add(count);
    }

    /// Has the thread end once everything handed over is written.
    pub(crate) fn close(&self) {
        self.desk().closed = true;
        self.arrived.notify_all();
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Whoever panicked while holding it has stopped the engine; queues are whole at any step.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
