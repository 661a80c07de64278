//! A host while what was there is told again by the journal, because a rule panicked.

use super::{Host, Submission};
use crate::bounds::{REBUILDS_MAX, REBUILDS_WITHIN};
use crate::entities::{Entities, Shelved};
use crate::loader::Hosted;
use crate::rebuild::{Rebuild, Rebuilt};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// What a host waits for while it is rebuilt, and what waits for the host.
#[derive(Debug)]
pub(super) struct Rebuilding {
    pub(super) done: oneshot::Receiver<Rebuilt>,
    pub(super) waiting: VecDeque<Submission>,
}

impl Host {
    /// A rule has panicked. It may have left its entity half changed and its records unwritten:
    /// nothing of it is written, everything here is thrown away, and the journal tells it again.
    /// What was decided before it stays; what comes after it waits.
    pub(super) fn break_off(&mut self, before: usize) {
        let uptime = self.uptime.elapsed();
        self.rebuilds
            .retain(|at| uptime.saturating_sub(*at) < REBUILDS_WITHIN);
        self.bundle.frames.truncate(before);
        #[cfg(test)]
        if self.is_careless {
            return;
        }
        if self.rebuilds.len() >= REBUILDS_MAX {
            self.stop();
            return;
        }
        let shard = self.shard.number;
        tracing::error!(
            shard,
            "a rule panicked: the shard is rebuilt from the journal"
        );
        self.rebuilds.push(uptime);
        self.turn = None;
        self.hand_over();
        let directory = Arc::clone(self.entities.directory());
        self.entities = Entities::new(Shelved::No);
        self.entities.list_in(&directory);
        self.round += 1;
        let (done, rebuilt) = oneshot::channel();
        self.rebuilding = Some(Rebuilding {
            done: rebuilt,
            waiting: self.parked.give_up().collect(),
        });
        self.journal.rebuild(Rebuild {
            shard: self.shard,
            directory,
            cut: self.cut.clone(),
            done,
        });
    }

    /// Whether it has to [`Host::look`] now and then, because it is being rebuilt.
    pub(crate) const fn is_rebuilding(&self) -> bool {
        self.rebuilding.is_some()
    }

    /// Goes on when it is rebuilt; until then it answers those whose time is up.
    pub(crate) fn look(&mut self) {
        let Some(mut rebuilding) = self.rebuilding.take() else {
            return;
        };
        if self.journal.gate().is_stopped() {
            return;
        }
        match rebuilding.done.try_recv() {
            Ok(Rebuilt { entities, hosted }) => {
                self.entities = entities;
                if let (Some(loader), Hosted::Some) = (&self.loader, hosted) {
                    loader.need();
                }
                let entities = &self.entities;
                let lives = |wallet, session| entities.has_session(wallet, session);
                entities.directory().keep(self.shard, lives);
                for submission in rebuilding.waiting {
                    self.handle(submission);
                }
                self.end_turn();
            }
            Err(TryRecvError::Empty) => {
                let moment = self.moment();
                let waiting = core::mem::take(&mut rebuilding.waiting);
                for submission in waiting {
                    if submission.due.deadline <= moment.uptime {
                        self.take(submission, moment);
                    } else {
                        rebuilding.waiting.push_back(submission);
                    }
                }
                self.rebuilding = Some(rebuilding);
                self.turn = None;
                self.hand_over();
            }
            // Dropped, what waits is answered as stopped.
            Err(TryRecvError::Closed) => {}
        }
    }
}
