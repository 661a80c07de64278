//! Notices for the technician: written at once, then counted for a while.

use super::Board;
use crate::board::{Notices, Record, Ticket};
use crate::notice::{Code, Notice};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// The log, and what is only counted for now.
#[derive(Clone, Debug)]
pub(super) struct Noticing {
    pub(super) log: Notices,
    /// Kinds that were written a short while ago.
    quiet: BTreeMap<Code, Quiet>,
    writing: VecDeque<(Ticket, u64)>,
    /// Up to which they are on flash: what is not may come to be another one after a power cut.
    synced: u64,
}

#[derive(Clone, Copy, Debug)]
struct Quiet {
    until: Duration,
    /// How often it happened since.
    n: u32,
    data: [u8; 8],
}

impl Noticing {
    pub(super) fn new(log: Notices) -> Self {
        Self {
            synced: log.newest(),
            log,
            quiet: BTreeMap::new(),
            writing: VecDeque::new(),
        }
    }

    /// When something that was counted is to be written.
    pub(super) fn due(&self) -> Option<Duration> {
        let waiting = self.quiet.values().filter(|quiet| quiet.n > 0);
        waiting.map(|quiet| quiet.until).min()
    }

    pub(super) fn synced(&mut self, ticket: Ticket) {
        if let Some((_, aseq)) = self.writing.pop_front_if(|(writing, _)| *writing == ticket) {
            self.synced = self.synced.max(aseq);
        }
    }

    /// Those that a link has not carried yet.
    pub(super) fn after(&self, sent: u64, count: usize) -> Vec<Notice> {
        self.log.after(sent, self.synced, count)
    }
}

impl Board {
    /// Something happened that the technician should hear of.
    pub(super) fn notice(&mut self, code: Code, data: [u8; 8]) {
        self.counting.fault();
        let until = self.now.saturating_add(self.start.limits.notice_every);
        match self.noticing.quiet.get_mut(&code) {
            Some(quiet) => {
                quiet.n = quiet.n.saturating_add(1);
                quiet.data = data;
            }
            None => {
                let quiet = Quiet { until, n: 0, data };
                self.noticing.quiet.insert(code, quiet);
                self.write_notice(code, 1, data);
            }
        }
    }

    /// Writes what was counted long enough, and forgets what did not happen again.
    pub(super) fn write_counted_notices(&mut self) {
        let now = self.now;
        let until = now.saturating_add(self.start.limits.notice_every);
        let mut counted = Vec::new();
        self.noticing.quiet.retain(|code, quiet| {
            if now < quiet.until {
                return true;
            }
            let again = quiet.n > 0;
            if again {
                counted.push((*code, quiet.n, quiet.data));
                (quiet.until, quiet.n) = (until, 0);
            }
            again
        });
        for (code, n, data) in counted {
            self.write_notice(code, n, data);
        }
    }

    pub(super) fn write_notice(&mut self, code: Code, n: u32, data: [u8; 8]) {
        let notices_max = self.start.limits.notices_max.max(2);
        let log = &mut self.noticing.log;
        if log.len() >= notices_max
            && let Some(lost) = log.thinned(notices_max / 2)
        {
            log.take(lost);
            self.write(Record::Noticed(lost));
        }
        let notice = Notice {
            aseq: self.noticing.log.newest().saturating_add(1),
            code,
            n,
            order: self.order(),
            data,
        };
        self.noticing.log.take(notice);
        let ticket = self.write(Record::Noticed(notice));
        self.noticing.writing.push_back((ticket, notice.aseq));
    }
}
