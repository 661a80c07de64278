//! Light codes, links, HELLOs and draining.

#[cfg(test)]
use super::Unguarded;
use super::{Board, Hello, Link, OpenDoor, Traffic, Way};
use crate::board::{Code, Door, Fault, Fresh, Greeting, Life, Note, Output, Step, TokenNews};
use crate::id::{Bind, Nonce, Rseq};
use core::time::Duration;

impl Board {
    pub(super) fn code_seen(&mut self, code: Code) {
        match self.life {
            Life::Idle => self.step(Step::CodeSeen),
            // Half open: whoever comes may carry receipts away, no more.
            Life::Waiting if self.link.is_none() => {}
            Life::Waiting
            | Life::Advertising
            | Life::Linked
            | Life::Granted
            | Life::Vending
            | Life::Closing => return,
        }
        self.open_door(Door::Code(code), self.start.limits.code_max);
    }

    pub(super) fn open_door(&mut self, door: Door, open_max: Duration) {
        let until = self.now.saturating_add(open_max);
        self.door = Some(OpenDoor {
            door,
            until,
            failures: 0,
        });
        if self.life == Life::Advertising {
            self.until = until;
        }
        self.outputs.push_back(Output::Advertise(door));
    }

    pub(super) fn shut_door(&mut self) {
        if self.door.take().is_some() {
            self.outputs.push_back(Output::Hush);
        }
    }

    pub(super) fn link_refused(&mut self) {
        let Some(door) = &mut self.door else { return };
        door.failures = door.failures.saturating_add(1);
        let counts = match door.door {
            Door::Code(_) => true,
            // 128 bits need no count, and a stranger must not shut the owner out.
            Door::Resume(_) => false,
        };
        if counts && door.failures >= self.start.limits.code_failures_max {
            self.shut_door();
            self.lose_patience();
        }
    }

    pub(super) fn link_up(&mut self, bind: Bind, fresh: Fresh) {
        let Some(door) = self.door.filter(|_| self.link.is_none()) else {
            self.outputs.push_back(Output::DropLink);
            return;
        };
        self.shut_door();
        self.join(bind, Way::Phone);
        match (self.life, door.door) {
            (Life::Advertising, _) => {
                self.step(Step::LinkUp);
                self.greet(fresh);
            }
            (Life::Waiting, _) => {
                self.until = self.now.saturating_add(self.start.limits.answer_max);
                self.tell(Note::Silent);
            }
            (Life::Granted | Life::Vending, Door::Resume(_)) => {
                if let Some(grant) = &mut self.grant {
                    grant.alone_since = None;
                    grant.resume = fresh;
                }
                self.tell_resume(Note::None);
            }
            (Life::Closing, Door::Resume(_)) => self.tell(Note::None),
            (
                Life::Idle | Life::Linked | Life::Granted | Life::Vending | Life::Closing,
                Door::Code(_) | Door::Resume(_),
            ) => self.drop_link(),
        }
    }

    /// A HELLO for the server's call, or one that the board brings by itself: whoever is here has
    /// the slot, and whoever comes meanwhile has not.
    pub(super) fn called(&mut self, bind: Bind, fresh: Fresh) {
        if self.life != Life::Idle || self.link.is_some() {
            return self.report(Fault::StrayCall);
        }
        self.join(bind, Way::Road);
        self.step(Step::LinkUp);
        self.greet(fresh);
    }

    pub(super) fn join(&mut self, bind: Bind, way: Way) {
        self.link = Some(Link {
            bind,
            way,
            sent: self.outbox.acked(),
            noticed: self.noticing.log.acked(),
            traffic: Traffic::Free,
            agains: 0,
        });
    }

    pub(super) fn link_down(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        match self.life {
            Life::Linked => self.leave_linked(Step::LinkLost),
            Life::Granted | Life::Vending => {
                let now = self.now;
                if let Some(grant) = &mut self.grant {
                    grant.alone_since = Some(now);
                    let door = Door::Resume(grant.resume);
                    self.open_door(door, self.start.limits.resume_max);
                }
            }
            Life::Closing => {
                if let Some(closing) = self.closing {
                    self.open_door(Door::Resume(closing.resume), self.start.limits.resume_max);
                }
            }
            Life::Idle | Life::Advertising | Life::Waiting => {}
        }
    }

    pub(super) fn leave(&mut self) {
        match self.life {
            Life::Linked => self.leave_linked(Step::LinkLost),
            Life::Granted | Life::Vending if self.link.is_some() => {
                if let Some(grant) = &mut self.grant {
                    grant.end(Note::Left);
                }
            }
            Life::Waiting => self.drop_link(),
            Life::Idle | Life::Advertising | Life::Granted | Life::Vending | Life::Closing => {}
        }
    }

    pub(super) fn leave_linked(&mut self, step: Step) {
        self.hello = None;
        if step == Step::TimedOut {
            self.tell(Note::TimedOut);
        }
        self.drop_link();
        self.step(step);
    }

    pub(super) fn drop_link(&mut self) {
        if self.link.take().is_some() {
            self.outputs.push_back(Output::DropLink);
        }
    }

    pub(super) fn again(&mut self, fresh: Fresh) {
        let agains_max = self.start.limits.agains_max;
        if self.life != Life::Linked || self.hello.is_some() {
            return;
        }
        let Some(link) = self.link.as_mut().filter(|link| link.agains < agains_max) else {
            return;
        };
        link.agains = link.agains.saturating_add(1);
        self.greet(fresh);
    }

    /// Makes a HELLO. The one slot: the HELLO before is forgotten.
    pub(super) fn greet(&mut self, fresh: Fresh) {
        if self.link.is_none() {
            return;
        }
        let nonce = Nonce::from_bytes(*fresh.as_bytes());
        let at_ms = self.next_order_ms();
        // A HELLO kills every code that was shown before it.
        self.tokens.use_up();
        let (step, token) = self.tokens.news();
        let Some(link) = &mut self.link else { return };
        let limits = &self.start.limits;
        let counters = self.counting.news();
        let rows = counters.as_ref().map_or(0, |counters| counters.rows.len());
        let receipts = if rows <= limits.greeting_rows_max {
            self.outbox.greeting(limits.greeting_receipts_max)
        } else {
            Vec::new()
        };
        // A fresh result out of its row must not make the ones before it look sent.
        let oldest = self.outbox.oldest().number();
        let mut sent = self.outbox.acked().max(Rseq::new(oldest.saturating_sub(1)));
        for written in &receipts {
            if written.receipt.rseq.number() == sent.number().saturating_add(1) {
                sent = written.receipt.rseq;
            }
        }
        link.sent = link.sent.max(sent);
        link.traffic = Traffic::Busy;
        let bind = link.bind;
        self.hello = Some(Hello {
            nonce,
            bind,
            at: self.now,
            counters: counters.as_ref().map(|counters| counters.seq),
            token,
            step: match token {
                TokenNews::Key(step) => step,
                TokenNews::None => step,
            },
        });
        #[cfg(test)]
        if self.unguarded == Unguarded::TakesEveryHelloForHeard {
            self.tokens.told(step);
        }
        self.until = self.now.saturating_add(self.start.limits.answer_max);
        let newest = self.outbox.newest();
        let greeting = Greeting {
            nonce,
            bind,
            uptime: Duration::from_millis(at_ms),
            oldest: self.outbox.oldest(),
            newest,
            acked: self.outbox.acked(),
            chain: self.outbox.chain_at(newest).unwrap_or(self.chain),
            journal: self.room(),
            wall: self.wall.map(|wall| (self.utc(), wall.error)),
            receipts,
            counters,
            step,
            token,
        };
        self.outputs.push_back(Output::Greet(greeting));
    }

    /// When something is made that is ordered; no two HELLOs or codes of one start share it.
    pub(super) fn next_order_ms(&mut self) -> u64 {
        let now_ms = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        let at_ms = self
            .last_hello_ms
            .map_or(now_ms, |last| now_ms.max(last.saturating_add(1)));
        self.last_hello_ms = Some(at_ms);
        at_ms
    }

    /// Whoever brings what is missing may stay, for as long as the next part takes over a slow link:
    /// one who lets parts drip uses up the time that was left. Each part counts once, so that all of a
    /// package is the most that anybody can stay with; a HELLO gets no older a GRANT for it.
    pub(super) fn brought(&mut self) {
        let is_phone = self.link.is_some_and(|link| link.way == Way::Phone);
        if self.life == Life::Linked && is_phone {
            let limits = &self.start.limits;
            let longest = self.now.saturating_add(limits.answer_max);
            let longer = self.until.saturating_add(limits.part_more);
            self.until = longer.min(longest);
        }
    }

    pub(super) fn link_took(&mut self) {
        if let Some(link) = &mut self.link {
            link.traffic = Traffic::Free;
        }
    }

    /// Sends the next unacknowledged receipts, when the link is free for them.
    pub(super) fn drain(&mut self) {
        let count = self.start.limits.batch_receipts_max;
        let Some(link) = &mut self.link else { return };
        if link.traffic == Traffic::Busy {
            return;
        }
        let receipts = self.outbox.after(link.sent, count);
        let Some(newest) = receipts.last().map(|written| written.receipt.rseq) else {
            return self.drain_notices();
        };
        link.sent = newest;
        link.traffic = Traffic::Busy;
        self.outbox.carried(newest);
        self.outputs.push_back(Output::SendReceipts(receipts));
    }

    /// Sends the next notices: they never keep a receipt waiting.
    fn drain_notices(&mut self) {
        let count = self.start.limits.batch_notices_max;
        let Some(link) = &mut self.link else { return };
        let notices = self.noticing.after(link.noticed, count);
        let Some(newest) = notices.last() else { return };
        link.noticed = newest.aseq;
        link.traffic = Traffic::Busy;
        self.outputs.push_back(Output::SendNotices(notices));
    }
}
