//! A journal in a PostgreSQL server: one row for each append, and one statement for each row.

mod desk;
mod history;
mod lease;
mod link;
mod pack;
mod row;
mod schema;
mod settings;
mod shelf;
mod worker;

pub use self::settings::{PostgresSettings, Standby, Takeover};

use self::history::{PostgresHistory, Reading};
use self::link::Batch;
use self::shelf::PostgresShelf;
use self::worker::{Answer, CONFIRMING, Order, Worker};
use crate::bounds::{FRAME_MAX, GRACE, ROW_BYTES_MAX, ROWS_AHEAD};
use core::fmt;
use core::time::Duration;
use gettone_core::port::{Each, Frames, History, Seq, Shelf, Store, StoreFault};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

/// A journal in one partition of a PostgreSQL database, for nodes that share a replicated server.
///
/// Whoever opens it holds the partition under an epoch, and every row is written only while that
/// epoch is the last one. When the connection is lost while a row is under way, the store connects
/// again, shuts the fence to the old connection, and looks whether exactly that row is there: it is
/// written once, or not at all.
///
/// A thread of its own talks to the server, so it can be used from wherever other code runs.
pub struct Postgres {
    settings: PostgresSettings,
    orders: Option<SyncSender<Order>>,
    answers: Receiver<Answer>,
    ended: Receiver<()>,
    shelf: PostgresShelf,
    history: Arc<PostgresHistory>,
    next: Seq,
    spare: Batch,
    framed: Vec<u8>,
    failed: bool,
}

impl Postgres {
    /// Takes the partition, and makes the tables when they are not there.
    ///
    /// # Errors
    /// `Locked` while another node holds the partition; `Unfit` when the server would lose what it
    /// acknowledges; `OtherFormat` when another version has written there; `Io` when the server
    /// cannot be reached in time or refuses.
    pub fn open(settings: PostgresSettings) -> Result<Self, StoreFault> {
        let (orders, to_do) = sync_channel(1);
        let (done, answers) = sync_channel(1);
        let (opened, opening) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let own = settings.clone();
        thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                let told = match Worker::open(own) {
                    Ok(worker) => {
                        let held = (worker.next(), worker.holder().to_owned());
                        // Whoever gave up waiting for this has dropped the orders as well.
                        opened.send(Ok(held)).map(|()| worker.run(&to_do, &done))
                    }
                    Err(fault) => opened.send(Err(fault)),
                };
                // Nobody is left to be told.
                let _ = told.map(|()| end.send(()));
            })
            .map_err(|source| StoreFault::Io {
                doing: "starting a thread".to_owned(),
                source,
            })?;
        let (next, holder) = match opening.recv_timeout(hang_max(&settings)) {
            Ok(opened) => opened?,
            Err(_) => return Err(silent(&settings, "opening")),
        };
        let next = u64::try_from(next).map_err(|_| damaged(&settings, "it begins before 1"))?;
        Ok(Self {
            shelf: PostgresShelf::new(&settings, holder),
            history: Arc::new(PostgresHistory::new(&settings)),
            settings,
            orders: Some(orders),
            answers,
            ended,
            next: Seq::new(next),
            spare: Batch::default(),
            framed: Vec::new(),
            failed: false,
        })
    }

    /// The place of the next frame.
    pub fn next(&self) -> Seq {
        self.next
    }

    fn order(&self, order: Order) -> Result<(), StoreFault> {
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(StoreFault::Failed),
        }
    }

    fn write(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if first != self.next {
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: self.next.number(),
            });
        }
        if frames.is_empty() {
            return Ok(());
        }
        let mut batch = core::mem::take(&mut self.spare);
        let place = (self.settings.partition, first);
        let count = row::encode(&mut self.framed, place, frames)
            .and_then(|count| i32::try_from(count).ok());
        let (Some(count), Ok(number)) = (count, i64::try_from(first.number())) else {
            let doing = format!(
                "appending {} frames of {} bytes in all; at most {FRAME_MAX} and {ROW_BYTES_MAX}",
                frames.len(),
                frames.size()
            );
            return Err(StoreFault::Io {
                doing,
                source: ErrorKind::InvalidInput.into(),
            });
        };
        (batch.first, batch.count) = (number, count);
        batch.unpacked = if pack::pack(&self.framed, &mut batch.bytes) {
            i32::try_from(self.framed.len()).ok()
        } else {
            core::mem::swap(&mut self.framed, &mut batch.bytes);
            None
        };
        self.order(Order::Append(batch))?;
        let (batch, done) = self
            .answers
            .recv_timeout(hang_max(&self.settings))
            .map_err(|_| StoreFault::Unknown {
                place: self.settings.place(),
                what: "the server does not answer".to_owned(),
            })?;
        self.spare = batch;
        done?;
        self.next = first.after(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

impl Store for Postgres {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        if from >= self.next {
            return Ok(self.next);
        }
        let begin = i64::try_from(from.number().max(1)).unwrap_or(i64::MAX);
        let (send, rows) = sync_channel(ROWS_AHEAD);
        self.order(Order::Replay(begin, send))?;
        let from = from.max(Seq::FIRST);
        let mut reading = Reading::begin(&self.settings, (from, self.next));
        loop {
            match rows.recv_timeout(hang_max(&self.settings)) {
                Ok(row) => {
                    let row = row?;
                    if reading.follows(&row)? > self.next {
                        // It was not there when the partition was taken, so another has it by now.
                        return Err(StoreFault::Deposed {
                            place: self.settings.place(),
                        });
                    }
                    reading.take(row, each)?;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    // The thread hangs, and would not see another order.
                    self.failed = true;
                    return Err(silent(&self.settings, "reading"));
                }
            }
        }
        let end = reading.place();
        if end == self.next {
            Ok(end)
        } else {
            let what = format!(
                "frames {} to {} are missing",
                end.number(),
                self.next.number().saturating_sub(1)
            );
            Err(damaged(&self.settings, &what))
        }
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let written = self.write(first, frames);
        self.failed = written.is_err();
        written
    }

    fn confirm(&mut self) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let (send, confirmed) = sync_channel(1);
        let confirmed = self.order(Order::Confirm(send)).and_then(|()| {
            confirmed
                .recv_timeout(hang_max(&self.settings))
                .unwrap_or_else(|_| Err(silent(&self.settings, CONFIRMING)))
        });
        self.failed = confirmed.is_err();
        confirmed
    }

    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        Some(Arc::new(self.shelf.clone()))
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        Some(Arc::clone(&self.history) as Arc<dyn History>)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.orders = None;
        // So that the next to open it finds it free; a server that hangs is not waited for.
        let _ = self.ended.recv_timeout(GRACE);
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Postgres")
            .field("settings", &self.settings)
            .field("next", &self.next)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// The longest that the thread can be silent, unless the server hangs.
fn hang_max(settings: &PostgresSettings) -> Duration {
    settings
        .patience
        .saturating_add(settings.statement_max)
        .saturating_add(settings.lease_wait)
        .saturating_add(GRACE)
}

fn silent(settings: &PostgresSettings, doing: &str) -> StoreFault {
    StoreFault::Io {
        doing: format!("{doing} {}", settings.place()),
        source: io::Error::new(ErrorKind::TimedOut, "the server does not answer"),
    }
}

fn damaged(settings: &PostgresSettings, what: &str) -> StoreFault {
    StoreFault::Damaged {
        place: settings.place(),
        what: what.to_owned(),
    }
}
