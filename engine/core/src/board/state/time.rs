//! What passing time does to a board.

use super::Board;
use crate::board::{Grant, Life, Note, Step};
use core::time::Duration;

impl Board {
    pub(super) fn expire(&mut self) {
        self.write_counted_notices();
        if self.door.is_some_and(|door| self.now >= door.until) {
            self.shut_door();
            self.lose_patience();
        }
        match self.life {
            Life::Linked if self.now >= self.until => self.leave_linked(Step::TimedOut),
            Life::Granted => self.expire_grant(),
            Life::Vending => {
                self.expire_absence();
                let intent = self.intent.filter(|intent| {
                    self.now >= intent.since.saturating_add(self.start.limits.vend_max)
                });
                if intent.is_some() {
                    self.free_phone();
                }
            }
            Life::Waiting if self.now >= self.until && self.link.is_some() => self.drop_link(),
            Life::Idle | Life::Advertising | Life::Linked | Life::Waiting | Life::Closing => {}
        }
    }

    /// The door has closed unused.
    pub(super) fn lose_patience(&mut self) {
        if self.life == Life::Advertising {
            self.step(Step::TimedOut);
        }
        self.expire_absence();
    }

    pub(super) fn expire_absence(&mut self) {
        let resume_max = self.start.limits.resume_max;
        let now = self.now;
        if let Some(grant) = &mut self.grant
            && let Some(since) = grant.alone_since
            && now >= since.saturating_add(resume_max)
        {
            grant.end(Note::Left);
        }
    }

    pub(super) fn expire_grant(&mut self) {
        self.expire_absence();
        if let Some(grant) = self.grant
            && self.now >= self.grant_end(&grant)
            && let Some(grant) = &mut self.grant
        {
            grant.end(Note::TimedOut);
        }
    }

    pub(super) fn grant_end(&self, grant: &Grant) -> Duration {
        let limits = &self.start.limits;
        let idle = grant.idle_since.saturating_add(limits.idle_max);
        let alone = grant.alone_since.map_or(Duration::MAX, |since| {
            since.saturating_add(limits.resume_max)
        });
        idle.min(grant.ends).min(alone)
    }

    /// VENDING has lasted too long: the phone may go, the INTENT stays.
    pub(super) fn free_phone(&mut self) {
        self.step(Step::TimedOut);
        if let Some(grant) = &mut self.grant {
            grant.end(Note::Silent);
        }
        self.tell(Note::Silent);
        self.drop_link();
        self.shut_door();
    }
}
