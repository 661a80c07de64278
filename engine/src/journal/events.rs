use crate::bounds::SUBSCRIBERS_MAX;
use gettone_core::port::{Frames, Seq};
use gettone_core::record::{Record, RecordFault};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Durable records as they come, in order and without gaps.
///
/// It never slows the engine: a subscriber that falls behind is cut off.
#[derive(Debug)]
pub struct Events {
    batches: UnboundedReceiver<Arc<Batch>>,
    backlog: Arc<Backlog>,
    ready: VecDeque<(Seq, Record)>,
    last: Option<Seq>,
}

/// A subscriber was too slow and is cut off: what came after `last` has to be read otherwise.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("too slow: cut off after {last:?}")]
#[non_exhaustive]
pub struct Lagged {
    /// The last record that it got, if any.
    pub last: Option<Seq>,
}

impl Events {
    /// Waits for the next record; none once the engine has stopped or is shut down.
    ///
    /// # Errors
    /// `Lagged` when this subscriber was too slow, after everything that still fitted.
    pub async fn next(&mut self) -> Result<Option<(Seq, Record)>, Lagged> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(self.given(event)));
            }
            match self.batches.recv().await {
                Some(batch) => self.unpack(&batch)?,
                None => return self.ended(),
            }
        }
    }

    /// The next record if it is there already.
    ///
    /// # Errors
    /// `Lagged` as for [`Events::next`].
    pub fn try_next(&mut self) -> Result<Option<(Seq, Record)>, Lagged> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(self.given(event)));
            }
            match self.batches.try_recv() {
                Ok(batch) => self.unpack(&batch)?,
                Err(_) => return self.ended(),
            }
        }
    }

    /// Waits for the next record on a thread that may block.
    ///
    /// # Errors
    /// `Lagged` as for [`Events::next`].
    ///
    /// # Panics
    /// Inside an asynchronous runtime; use [`Events::next`] there.
    pub fn next_blocking(&mut self) -> Result<Option<(Seq, Record)>, Lagged> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(self.given(event)));
            }
            match self.batches.blocking_recv() {
                Some(batch) => self.unpack(&batch)?,
                None => return self.ended(),
            }
        }
    }

    fn given(&mut self, event: (Seq, Record)) -> (Seq, Record) {
        self.last = Some(event.0);
        event
    }

    fn unpack(&mut self, batch: &Batch) -> Result<(), Lagged> {
        self.backlog
            .waiting
            .fetch_sub(batch.frames.len(), Ordering::Relaxed);
        // What does not decode was not written by this engine's own shards: nothing after it
        // can be trusted to be in order.
        self.ready = batch
            .records()
            .collect::<Result<_, _>>()
            .map_err(|_| Lagged { last: self.last })?;
        Ok(())
    }

    fn ended(&self) -> Result<Option<(Seq, Record)>, Lagged> {
        if self.backlog.lagged.load(Ordering::Acquire) {
            Err(Lagged { last: self.last })
        } else {
            Ok(None)
        }
    }
}

#[derive(Debug)]
struct Batch {
    first: Seq,
    frames: Frames,
}

impl Batch {
    fn records(&self) -> impl Iterator<Item = Result<(Seq, Record), RecordFault>> + '_ {
        self.frames
            .iter()
            .zip(0_u64..)
            .map(|(payload, at)| Ok((self.first.after(at), Record::decode(payload)?)))
    }
}

#[derive(Debug)]
struct Backlog {
    waiting: AtomicUsize,
    capacity: usize,
    lagged: AtomicBool,
}

#[derive(Debug)]
struct Subscriber {
    batches: UnboundedSender<Arc<Batch>>,
    backlog: Arc<Backlog>,
}

/// Everybody who wants to see records.
#[derive(Debug)]
pub(crate) struct Hub {
    subscribers: Mutex<Option<Vec<Subscriber>>>,
    count: AtomicUsize,
    /// Where the next durable record will stand.
    next: AtomicU64,
    /// How many read the past.
    readers: AtomicUsize,
}

impl Hub {
    /// Everything before `next` is durable already.
    pub(crate) fn begin(&self, next: Seq) {
        self.next.store(next.number(), Ordering::SeqCst);
    }

    /// Where the next durable record will stand. Whoever subscribes first and looks then finds
    /// every record here or there.
    pub(crate) fn next(&self) -> Seq {
        Seq::new(self.next.load(Ordering::SeqCst))
    }

    pub(crate) fn new() -> Self {
        Self {
            subscribers: Mutex::new(Some(Vec::new())),
            count: AtomicUsize::new(0),
            next: AtomicU64::new(Seq::FIRST.number()),
            readers: AtomicUsize::new(0),
        }
    }

    /// Counts somebody who reads the past; not beyond the bound.
    pub(crate) fn begin_reading(&self) -> bool {
        let before = self.readers.fetch_add(1, Ordering::SeqCst);
        if before >= SUBSCRIBERS_MAX {
            self.end_reading();
        }
        before < SUBSCRIBERS_MAX
    }

    /// Counts that somebody has read it.
    pub(crate) fn end_reading(&self) {
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Adds a subscriber for which about `capacity` records may wait; none beyond the bound.
    /// After the end it gets one that has ended.
    pub(crate) fn subscribe(&self, capacity: usize) -> Option<Events> {
        let (sender, receiver) = unbounded_channel();
        let backlog = Arc::new(Backlog {
            waiting: AtomicUsize::new(0),
            capacity,
            lagged: AtomicBool::new(false),
        });
        if let Some(subscribers) = self.subscribers().as_mut() {
            subscribers.retain(|subscriber| !subscriber.batches.is_closed());
            if subscribers.len() >= SUBSCRIBERS_MAX {
                return None;
            }
            subscribers.push(Subscriber {
                batches: sender,
                backlog: Arc::clone(&backlog),
            });
            self.count.store(subscribers.len(), Ordering::SeqCst);
        }
        Some(Events {
            batches: receiver,
            backlog,
            ready: VecDeque::new(),
            last: None,
        })
    }

    /// Gives a durable batch to everybody, and tells how many were cut off. They decode it on
    /// their own time; with nobody there it costs one load.
    pub(crate) fn publish(&self, first: Seq, frames: &mut Frames) -> usize {
        // Before it is looked who is there: whoever comes later sees by this what is durable.
        let next = first.after(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        self.next.store(next.number(), Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        let batch = Arc::new(Batch {
            first,
            frames: core::mem::take(frames),
        });
        let mut cut_off = 0;
        if let Some(subscribers) = self.subscribers().as_mut() {
            subscribers.retain(|subscriber| {
                let backlog = &subscriber.backlog;
                // A batch is taken while fewer than `capacity` wait, so that one larger than the
                // capacity cannot cut off somebody who keeps up.
                if backlog.waiting.load(Ordering::Relaxed) >= backlog.capacity.max(1) {
                    backlog.lagged.store(true, Ordering::Release);
                    cut_off += 1;
                    return false;
                }
                backlog
                    .waiting
                    .fetch_add(batch.frames.len(), Ordering::Relaxed);
                subscriber.batches.send(Arc::clone(&batch)).is_ok()
            });
            self.count.store(subscribers.len(), Ordering::Release);
        }
        cut_off
    }

    /// Ends every subscription after what was published.
    pub(crate) fn close(&self) {
        self.subscribers().take();
        self.count.store(0, Ordering::Release);
    }

    fn subscribers(&self) -> MutexGuard<'_, Option<Vec<Subscriber>>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
