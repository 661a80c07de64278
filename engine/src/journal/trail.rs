use super::events::{Events, Hub};
use crate::bounds::{SUBSCRIBERS_MAX, TRAIL_BATCHES, TRAIL_RECORDS};
use crate::failure::TrailFault;
use core::fmt;
use gettone_core::port::{History, Seq, StoreFault};
use gettone_core::record::Record;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Durable records from any place on: first what the journal holds, then what comes live, in order,
/// each once and none left out.
///
/// While it reads the past it takes its time and slows nothing; once it is live it is cut off when
/// it is too slow, and can begin again behind the last record that it gave.
pub struct Trail {
    pieces: Receiver<Piece>,
    ready: VecDeque<(Seq, Record)>,
    live: Option<Events>,
    next: Seq,
    first: Seq,
}

impl fmt::Debug for Trail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trail")
            .field("next", &self.next)
            .field("is_live", &self.live.is_some())
            .finish_non_exhaustive()
    }
}

/// What travels from the thread that reads the past.
enum Piece {
    Records(VecDeque<(Seq, Record)>),
    /// The past is read: everything from here on comes live.
    Live(Events),
    Fault(TrailFault),
}

impl Trail {
    /// Begins to read `history` from `from` on, on a thread of its own; none when too many do.
    pub(crate) fn begin(
        (history, hub): (Arc<dyn History>, Arc<Hub>),
        from: Seq,
        capacity: usize,
    ) -> Option<io::Result<Self>> {
        if !hub.begin_reading() {
            return None;
        }
        let (sender, pieces) = channel(TRAIL_BATCHES);
        let past = Past {
            history,
            hub,
            sender,
            capacity,
        };
        let spawned = thread::Builder::new()
            .name("gettone-trail".to_owned())
            .spawn(move || past.run(from));
        Some(spawned.map(|_| Self {
            pieces,
            ready: VecDeque::new(),
            live: None,
            next: from,
            first: from,
        }))
    }

    /// Waits for the next record; none once the engine has stopped or is shut down and everything
    /// before that was given.
    ///
    /// # Errors
    /// `TrailFault` when it cannot go on.
    pub async fn next(&mut self) -> Result<Option<(Seq, Record)>, TrailFault> {
        loop {
            if let Some(given) = self.take() {
                return Ok(Some(given));
            }
            if let Some(live) = &mut self.live {
                match live.next().await {
                    Ok(Some(event)) => self.ready.push_back(event),
                    Ok(None) => return Ok(None),
                    Err(_) => return Err(self.lagged()),
                }
            } else {
                let piece = self.pieces.recv().await;
                self.add(piece)?;
            }
        }
    }

    /// Waits for the next record on a thread that may block.
    ///
    /// # Errors
    /// As [`Trail::next`].
    ///
    /// # Panics
    /// Inside an asynchronous runtime; use [`Trail::next`] there.
    pub fn next_blocking(&mut self) -> Result<Option<(Seq, Record)>, TrailFault> {
        loop {
            if let Some(given) = self.take() {
                return Ok(Some(given));
            }
            if let Some(live) = &mut self.live {
                match live.next_blocking() {
                    Ok(Some(event)) => self.ready.push_back(event),
                    Ok(None) => return Ok(None),
                    Err(_) => return Err(self.lagged()),
                }
            } else {
                let piece = self.pieces.blocking_recv();
                self.add(piece)?;
            }
        }
    }

    /// The place of the record that it gives next.
    pub const fn place(&self) -> Seq {
        self.next
    }

    /// The next record that is here. What the past and the live end both hold is given once.
    fn take(&mut self) -> Option<(Seq, Record)> {
        while let Some((seq, record)) = self.ready.pop_front() {
            if seq >= self.next {
                self.next = seq.after(1);
                return Some((seq, record));
            }
        }
        None
    }

    fn add(&mut self, piece: Option<Piece>) -> Result<(), TrailFault> {
        match piece {
            Some(Piece::Records(records)) => self.ready = records,
            Some(Piece::Live(events)) => self.live = Some(events),
            Some(Piece::Fault(fault)) => return Err(fault),
            None => {
                return Err(TrailFault::Store(StoreFault::Io {
                    doing: "reading the journal".to_owned(),
                    source: io::Error::other("the thread that reads it is gone"),
                }));
            }
        }
        Ok(())
    }

    fn lagged(&self) -> TrailFault {
        let is_begun = self.next > self.first;
        let last = self.next.number().saturating_sub(1);
        TrailFault::Lagged {
            last: is_begun.then(|| Seq::new(last)),
        }
    }
}

/// Reads what is past, and hands over to what comes live.
struct Past {
    history: Arc<dyn History>,
    hub: Arc<Hub>,
    sender: Sender<Piece>,
    capacity: usize,
}

impl Drop for Past {
    fn drop(&mut self) {
        self.hub.end_reading();
    }
}

/// Whoever wanted the records is gone.
struct Gone;

impl Past {
    fn run(&self, from: Seq) {
        let last = match self.read_on(from) {
            Ok(Ok(live)) => Piece::Live(live),
            Ok(Err(Gone)) => return,
            Err(fault) => Piece::Fault(fault),
        };
        // Nobody may be left to be told.
        let _ = self.sender.blocking_send(last);
    }

    fn read_on(&self, from: Seq) -> Result<Result<Events, Gone>, TrailFault> {
        let mut at = from;
        // Not live before it is near: what comes meanwhile would wait all the time.
        let near = u64::try_from(self.capacity / 2).unwrap_or(u64::MAX);
        loop {
            let upto = self.hub.next();
            let gap = upto.number().saturating_sub(at.number());
            if gap <= near.max(1) {
                break;
            }
            if self.read(at, upto)?.is_err() {
                return Ok(Err(Gone));
            }
            at = upto;
        }
        let live = self.hub.subscribe(self.capacity).ok_or(TrailFault::Full {
            limit: SUBSCRIBERS_MAX,
        })?;
        // Whatever is durable by here is read; whatever comes later is live; some may be both.
        let upto = self.hub.next();
        Ok(self.read(at, upto)?.map(|()| live))
    }

    /// Sends what stands from `from` on and before `upto`.
    fn read(&self, from: Seq, upto: Seq) -> Result<Result<(), Gone>, TrailFault> {
        let mut batch = VecDeque::new();
        let mut unread = None;
        let read = self.history.read(from, upto, &mut |seq, payload| {
            match Record::decode(payload) {
                Ok(record) => batch.push_back((seq, record)),
                Err(fault) => {
                    unread = Some((seq, fault.to_string()));
                    return Err(StoreFault::Failed);
                }
            }
            if batch.len() >= TRAIL_RECORDS {
                let full = core::mem::take(&mut batch);
                self.sender
                    .blocking_send(Piece::Records(full))
                    .map_err(|_| StoreFault::Failed)?;
            }
            Ok(())
        });
        if let Some((seq, what)) = unread {
            return Err(TrailFault::Record { seq, what });
        }
        if self.sender.is_closed() {
            return Ok(Err(Gone));
        }
        read?;
        if batch.is_empty() {
            return Ok(Ok(()));
        }
        let sent = self.sender.blocking_send(Piece::Records(batch));
        Ok(sent.map_err(|_| Gone))
    }
}
