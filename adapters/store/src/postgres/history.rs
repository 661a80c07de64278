//! What is durable in a partition, read beside the store that writes it: on a connection of its
//! own, a portion at a time, so that many can read at once and none of them holds up another or
//! keeps much in memory.

use super::damaged;
use super::desk::Desk;
use super::link;
use super::row::Row;
use super::settings::PostgresSettings;
use crate::bounds::HISTORY_PORTION_BYTES;
use gettone_core::port::{Each, History, Seq, StoreFault};

/// Takes rows in order, and gives the frames of a stretch.
pub(super) struct Reading<'a> {
    settings: &'a PostgresSettings,
    from: Seq,
    upto: Seq,
    /// Where the last row ended, and under which epoch it was written.
    last: Option<(Seq, u64)>,
}

impl<'a> Reading<'a> {
    /// Begins to read the frames from `from` on and before `upto`.
    pub(super) fn begin(settings: &'a PostgresSettings, (from, upto): (Seq, Seq)) -> Self {
        Self {
            settings,
            from,
            upto,
            last: None,
        }
    }

    /// The place behind the last row, or where it begins.
    pub(super) fn place(&self) -> Seq {
        self.last.map_or(self.from, |(end, _)| end)
    }

    /// Takes the next row: the first of them holds the first frame, or ends before it.
    ///
    /// # Errors
    /// `Damaged` when it does not follow or is not what was written, or what `each` gives.
    pub(super) fn take(&mut self, row: Row, each: &mut Each<'_>) -> Result<(), StoreFault> {
        let end = self.follows(&row)?;
        let epoch = row.epoch;
        let row = row.unpack().map_err(|what| damaged(self.settings, &what))?;
        let payloads = row
            .payloads(self.settings.partition)
            .map_err(|what| damaged(self.settings, &what))?;
        let mut seq = row.first;
        for payload in payloads {
            if seq >= self.from && seq < self.upto {
                each(seq, payload)?;
            }
            seq = seq.after(1);
        }
        self.last = Some((end, epoch));
        Ok(())
    }

    /// Where this row ends, when it can be the next one.
    ///
    /// # Errors
    /// `Damaged` when it cannot.
    pub(super) fn follows(&self, row: &Row) -> Result<Seq, StoreFault> {
        let stands = match self.last {
            Some((end, epoch)) => row.first == end && row.epoch >= epoch,
            None => row.first <= self.from,
        };
        row.end()
            .filter(|end| *end > row.first && stands)
            .ok_or_else(|| {
                let what = format!(
                    "a row of {} frames from {} on, under epoch {}, does not follow",
                    row.count,
                    row.first.number(),
                    row.epoch
                );
                damaged(self.settings, &what)
            })
    }
}

/// The frames of one partition.
#[derive(Debug)]
pub(super) struct PostgresHistory {
    settings: PostgresSettings,
    desk: Desk,
}

impl PostgresHistory {
    pub(super) fn new(settings: &PostgresSettings) -> Self {
        Self {
            settings: settings.clone(),
            desk: Desk::new(settings.clone(), "history"),
        }
    }

    /// The rows from the one that holds `from` on and before `upto`, as many as are read at once.
    fn portion(&self, from: Seq, upto: Seq) -> Result<Vec<Row>, StoreFault> {
        let stretch = (signed(from), signed(upto));
        let partition = i32::from(self.settings.partition);
        self.desk
            .ask("reading", self.settings.statement_max, move |client| {
                link::portion(client, partition, stretch, HISTORY_PORTION_BYTES)
            })
    }
}

impl History for PostgresHistory {
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault> {
        let from = from.max(Seq::FIRST);
        let mut reading = Reading::begin(&self.settings, (from, upto));
        while reading.place() < upto {
            let before = reading.place();
            for row in self.portion(before, upto)? {
                reading.take(row, each)?;
            }
            // What this store acknowledged is there, so a server without it has lost it.
            if reading.place() <= before {
                let what = format!("frame {} is missing", before.number());
                return Err(damaged(&self.settings, &what));
            }
        }
        Ok(())
    }
}

/// A place as the server counts them; none of its rows is behind the last it can count.
fn signed(seq: Seq) -> i64 {
    i64::try_from(seq.number()).unwrap_or(i64::MAX)
}
