//! The thread that owns the connection. Whoever waits for it can stop waiting; a server that says
//! nothing at all holds up this thread and nobody else.

use super::lease::{self, Claim, Lease, damaged};
use super::link::{Batch, Fence, Link, Pauses, Trouble};
use super::row::Row;
use super::settings::PostgresSettings;
use crate::bounds::PORTION_ROWS;
use core::time::Duration;
use gettone_core::port::StoreFault;
use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, SyncSender};

/// What the thread is asked to do.
pub(super) enum Order {
    /// Makes a batch durable.
    Append(Batch),
    /// Makes sure that this node still holds the partition.
    Confirm(SyncSender<Result<(), StoreFault>>),
    /// Gives every row from the one that holds this place on.
    Replay(i64, SyncSender<Result<Row, StoreFault>>),
}

/// What confirming is called.
pub(super) const CONFIRMING: &str = "making sure who holds";

/// What came of a batch, and the batch for its buffer.
pub(super) type Answer = (Batch, Result<(), StoreFault>);

pub(super) struct Worker {
    settings: PostgresSettings,
    /// Who this is, to the lease.
    holder: String,
    lease: Lease,
    link: Option<Link>,
}

impl Worker {
    /// Connects and takes the partition.
    pub(super) fn open(settings: PostgresSettings) -> Result<Self, StoreFault> {
        settings.check()?;
        let mut pauses = Pauses::new(settings.patience);
        let mut holder = None;
        loop {
            let taken = Link::open(&settings).and_then(|mut link| {
                let holder = match &holder {
                    Some(holder) => holder,
                    None => holder.insert(link.name()?),
                };
                let lease = lease::take(&mut link, (holder, Claim::New), &settings)?;
                Ok((link, lease))
            });
            let words = match taken {
                Ok((link, lease)) => {
                    return Ok(Self {
                        settings,
                        holder: holder.unwrap_or_default(),
                        lease,
                        link: Some(link),
                    });
                }
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Again(words) | Trouble::Gone(words)) => words,
            };
            if !pauses.wait() {
                return Err(given_up(&settings, "opening", words));
            }
        }
    }

    /// The place of the next frame.
    pub(super) fn next(&self) -> i64 {
        self.lease.next
    }

    /// Who this is.
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Works until nobody can ask any more, and lets go of the partition then.
    pub(super) fn run(mut self, orders: &Receiver<Order>, answers: &SyncSender<Answer>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Append(batch) => {
                    let done = self.append(&batch);
                    if answers.send((batch, done)).is_err() {
                        break;
                    }
                }
                Order::Confirm(confirmed) => {
                    if confirmed.send(self.confirm()).is_err() {
                        break;
                    }
                }
                Order::Replay(from, rows) => {
                    if let Err(fault) = self.replay(from, &rows) {
                        // Whoever does not listen any more has seen enough.
                        let _ = rows.send(Err(fault));
                    }
                }
            }
        }
        if let Some(mut link) = self.link.take() {
            // The lock would fall with the connection, but only when the server notices its end.
            let _ = link.unlock(self.lease.epoch);
        }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreFault> {
        let mut pauses = Pauses::new(self.settings.patience);
        let mut in_doubt = None;
        loop {
            let words = match self.attempt(batch, &mut in_doubt) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Again(words)) => words,
                Err(Trouble::Gone(words)) => {
                    self.link = None;
                    words
                }
            };
            if !pauses.wait() {
                return Err(match in_doubt {
                    Some(_) => StoreFault::Unknown {
                        place: self.settings.place(),
                        what: words,
                    },
                    None => given_up(&self.settings, "appending to", words),
                });
            }
        }
    }

    /// One try. `in_doubt` is the epoch under which the batch may have been written: it is tried
    /// again only when it is certain that it was not, and never will be.
    fn attempt(&mut self, batch: &Batch, in_doubt: &mut Option<i64>) -> Result<(), Trouble> {
        let link = match &mut self.link {
            Some(link) => link,
            None => {
                let (mut link, lease) = self.resume()?;
                let behind = batch.first.checked_add(i64::from(batch.count));
                if let Some(epoch) = *in_doubt
                    && Some(lease.next) == behind
                {
                    if !link.holds(batch, epoch)? {
                        let what = format!("another row stands at frame {}", batch.first);
                        return Err(damaged(&self.settings, what));
                    }
                    *in_doubt = None;
                    (self.lease, self.link) = (lease, Some(link));
                    return Ok(());
                }
                *in_doubt = None;
                if lease.next != batch.first {
                    return Err(lost(&self.settings, batch.first, lease.next));
                }
                self.lease = lease;
                self.link.insert(link)
            }
        };
        *in_doubt = Some(self.lease.epoch);
        let answer = link.append(batch, self.lease.epoch);
        if !matches!(answer, Err(Trouble::Gone(_))) {
            *in_doubt = None;
        }
        match answer? {
            Fence::Open => {
                let end = batch.first.saturating_add(i64::from(batch.count));
                self.lease.next = end;
                Ok(())
            }
            Fence::Shut => Err(self.why_shut(batch.first)),
        }
    }

    /// Why the fence was shut.
    fn why_shut(&mut self, first: i64) -> Trouble {
        let Some(link) = &mut self.link else {
            return Trouble::Gone("the connection was lost".to_owned());
        };
        match link.entry(i64::from(self.settings.format)) {
            Err(trouble) => trouble,
            Ok(entry) if entry.holder.as_ref() != Some(&self.holder) => {
                Trouble::Final(StoreFault::Deposed {
                    place: self.settings.place(),
                })
            }
            Ok(entry) => lost(&self.settings, first, entry.next),
        }
    }

    fn confirm(&mut self) -> Result<(), StoreFault> {
        let mut pauses = Pauses::new(self.settings.patience);
        loop {
            let words = match self.look() {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Again(words)) => words,
                Err(Trouble::Gone(words)) => {
                    self.link = None;
                    words
                }
            };
            if !pauses.wait() {
                return Err(given_up(&self.settings, CONFIRMING, words));
            }
        }
    }

    /// One look at the lease.
    fn look(&mut self) -> Result<(), Trouble> {
        let (link, lease) = self.link()?;
        match link.confirm(lease)? {
            Fence::Open => Ok(()),
            Fence::Shut => Err(self.why_shut(lease.next)),
        }
    }

    /// Connects again, and shuts the fence to whatever the old connection may still be doing.
    fn resume(&self) -> Result<(Link, Lease), Trouble> {
        let mut link = Link::open(&self.settings).map_err(Trouble::patient)?;
        let claim = (self.holder.as_str(), Claim::Resumed);
        let lease = lease::take(&mut link, claim, &self.settings)?;
        Ok((link, lease))
    }

    fn replay(
        &mut self,
        from: i64,
        rows: &SyncSender<Result<Row, StoreFault>>,
    ) -> Result<(), StoreFault> {
        let mut pauses = Pauses::new(self.settings.patience);
        let mut wanted = from;
        loop {
            let mut seen = 0_u16;
            let mut listening = true;
            let portion = self.link().and_then(|(link, _)| {
                link.rows(wanted, PORTION_ROWS, &mut |row| {
                    seen = seen.saturating_add(1);
                    let end = row.end().and_then(|end| i64::try_from(end.number()).ok());
                    let moves_on = end.is_some_and(|end| end > wanted);
                    // The row before a place that no row begins at has been given already.
                    if !moves_on && row.count > 0 && end.is_some() {
                        return true;
                    }
                    wanted = end.unwrap_or(wanted);
                    listening = rows.send(Ok(row)).is_ok() && moves_on;
                    listening
                })
            });
            if !listening {
                return Ok(());
            }
            match portion {
                Ok(()) if seen < PORTION_ROWS => return Ok(()),
                Ok(()) => pauses = Pauses::new(self.settings.patience),
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Again(words) | Trouble::Gone(words)) => {
                    self.link = None;
                    if !pauses.wait() {
                        return Err(given_up(&self.settings, "reading", words));
                    }
                }
            }
        }
    }

    /// A connection that works, while nothing is being appended, and the lease that is held on it.
    fn link(&mut self) -> Result<(&mut Link, Lease), Trouble> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let (link, lease) = self.resume()?;
                if lease.next != self.lease.next {
                    return Err(lost(&self.settings, self.lease.next, lease.next));
                }
                self.lease = lease;
                link
            }
        };
        Ok((self.link.insert(link), self.lease))
    }
}

/// The server does not hold what it said it holds.
fn lost(settings: &PostgresSettings, known: i64, found: i64) -> Trouble {
    let what = format!(
        "everything before frame {known} was acknowledged, and the next frame there is {found}"
    );
    damaged(settings, what)
}

fn given_up(settings: &PostgresSettings, doing: &str, words: String) -> StoreFault {
    let patience: Duration = settings.patience;
    StoreFault::Io {
        doing: format!("{doing} {}, for {patience:?}", settings.place()),
        source: io::Error::new(ErrorKind::TimedOut, words),
    }
}
