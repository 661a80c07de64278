mod parked;
mod rebuilding;
mod request;

pub(crate) use request::{Ended, Request, Submission};

use crate::bounds::{
    LOOK_AHEAD, STALE_AFTER, STALE_MAX, TRANSFERS_LOOKED_AT, TURN_BYTES_MAX, TURN_MAX,
};
use crate::clock::{Clock, Uptime};
use crate::directory::ShardOf;
use crate::entities::{Entities, Turn};
use crate::failure::{Failure, StopCause};
use crate::journal::{Bundle, Due, Held, HeldBatch, HeldCut, HeldLane, Journal, Waiting};
use crate::loader::{Loader, Wanted};
use crate::pipeline::Lane;
use core::time::Duration;
use gettone_core::port::{Key, Seq, StoreFault};
use gettone_core::time::Timestamp;
use parked::Parked;
use rebuilding::Rebuilding;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// The host of many virtual actors, without a mailbox or a thread of its own. It adds nothing to
/// their rules: it takes what came, has it decided, and hands records and answers to the journal
/// together.
#[derive(Debug)]
pub(crate) struct Host {
    shard: ShardOf,
    entities: Entities,
    bundle: Bundle,
    /// Room for a look ahead.
    places: Vec<usize>,
    parked: Parked,
    /// Who fetches from the shelf; none while everything that there is is here.
    loader: Option<Loader>,
    residents_max: usize,
    /// Room for the names of what is missing.
    keys: Vec<Key>,
    turn: Option<Moment>,
    /// While what was here is told again by the journal.
    rebuilding: Option<Rebuilding>,
    /// When it was rebuilt, as far as that counts, and how often in all.
    rebuilds: Vec<Duration>,
    round: u64,
    /// Where it was cut for a snapshot on its way.
    cut: Option<Arc<OnceLock<Seq>>>,
    /// After a panic it goes on as if nothing had been: a simulation has to find that out.
    #[cfg(test)]
    pub(crate) is_careless: bool,
    journal: Arc<Journal>,
    clock: Clock,
    uptime: Uptime,
    hold_max: Duration,
}

/// What became of a request, as the scheduler has to know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// It began a turn, which is to be ended once nothing waits any more.
    First,
    /// It belongs to the turn that goes on.
    More,
    /// With it the turn is full, and has ended.
    Full,
    /// It waits until the shard is rebuilt.
    Waits,
    /// The engine has stopped.
    Refused,
}

/// When a turn began, and how much it has taken.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: Timestamp,
    uptime: Duration,
    taken: usize,
}

impl Host {
    pub(crate) fn new(
        shard: ShardOf,
        entities: Entities,
        journal: Arc<Journal>,
        time: (Clock, Uptime, Duration),
    ) -> Self {
        Self {
            shard,
            entities,
            bundle: Bundle::default(),
            places: Vec::with_capacity(LOOK_AHEAD),
            parked: Parked::default(),
            loader: None,
            residents_max: usize::MAX,
            keys: Vec::new(),
            turn: None,
            rebuilding: None,
            rebuilds: Vec::new(),
            round: 0,
            cut: None,
            #[cfg(test)]
            is_careless: false,
            journal,
            clock: time.0,
            uptime: time.1,
            hold_max: time.2,
        }
    }

    /// Has entities come from a shelf when they are needed, and go when there are too many.
    pub(crate) fn with_shelf(mut self, loader: Loader, residents_max: usize) -> Self {
        self.loader = Some(loader);
        self.residents_max = residents_max;
        self
    }

    /// Parks a request, or the part of it, that is about entities which are not here; gives what
    /// can be done at once.
    fn sift(&mut self, mut submission: Submission) -> Option<Submission> {
        let Some(loader) = self.loader.as_ref().filter(|loader| loader.is_needed()) else {
            return Some(submission);
        };
        let mut keys = core::mem::take(&mut self.keys);
        submission.request.keys(&mut keys);
        let (entities, parked) = (&self.entities, &self.parked);
        let is_missing = |key: &Key| !entities.hosts(*key) || parked.wants(*key);
        keys.retain(is_missing);
        keys.sort_unstable();
        keys.dedup();
        let due = submission.due;
        let part = |lane: Lane| Submission {
            due: Due {
                credits: lane.len(),
                ..due
            },
            request: Request::Lane(lane),
        };
        let (mut at_once, mut to_park) = (None, Vec::new());
        if keys.is_empty() {
            at_once = Some(submission);
        } else if let Request::Lane(lane) = &mut submission.request {
            let here = lane.split(|command| !is_missing(&command.wallet.into()));
            at_once = (here.len() > 0).then(|| part(here));
            // Each wallet's commands wait for it alone: none that come later overtake them.
            for key in &keys {
                let lane = lane.split(|command| Key::from(command.wallet) == *key);
                to_park.push((part(lane), core::slice::from_ref(key)));
            }
        } else {
            to_park.push((submission, keys.as_slice()));
        }
        for (submission, keys) in to_park {
            for key in self.parked.park(submission, keys) {
                loader.load(Wanted {
                    shard: self.shard.number,
                    round: self.round,
                    key,
                });
            }
        }
        self.keys = keys;
        at_once
    }

    /// Takes in what the shelf has, and does what waited for it.
    fn arrive(&mut self, wanted: Wanted, bytes: Option<Vec<u8>>) {
        let key = wanted.key;
        if wanted.round != self.round {
            // It was asked for before everything here was told again.
            return;
        }
        if let Some(bytes) = bytes
            && let Err(fault) = self.entities.lodge(key, &bytes)
        {
            let cause = StoreFault::Damaged {
                place: format!("the snapshot's {key:?}"),
                what: fault.to_string(),
            };
            self.journal.stop(StopCause::Store(cause));
            return;
        }
        let moment = self.moment();
        for submission in self.parked.arrived(key) {
            self.take(submission, moment);
        }
    }

    fn moment(&mut self) -> Moment {
        *self.turn.get_or_insert_with(|| Moment {
            now: self.clock.now(),
            uptime: self.uptime.elapsed(),
            taken: 0,
        })
    }

    /// Lets entities go while there are too many here.
    fn make_room(&mut self) {
        // Who has just come for somebody that waits must stay.
        let Some(loader) = self.loader.as_ref().filter(|_| self.parked.is_empty()) else {
            return;
        };
        if self.entities.let_go(self.residents_max) > 0 {
            loader.need();
        }
    }

    /// Takes one request in. After [`Taken::Full`] the turn is over and something else should run.
    pub(crate) fn handle(&mut self, submission: Submission) -> Taken {
        if self.journal.gate().is_stopped() {
            // Dropping its reply answers it as stopped; nobody counts credits any more.
            self.rebuilding = None;
            return Taken::Refused;
        }
        if let Some(rebuilding) = &mut self.rebuilding {
            rebuilding.waiting.push_back(submission);
            return Taken::Waits;
        }
        let taken = match self.turn {
            Some(_) => Taken::More,
            None => Taken::First,
        };
        let mut moment = self.moment();
        moment.taken += submission.request.weight();
        self.turn = Some(moment);
        self.guarded(|host| {
            if let Some(submission) = host.sift(submission) {
                host.take(submission, moment);
            }
        });
        if moment.taken >= TURN_MAX || self.bundle.frames.size() >= TURN_BYTES_MAX {
            self.end_turn();
            return Taken::Full;
        }
        taken
    }

    fn take(&mut self, submission: Submission, moment: Moment) {
        if let Some(rebuilding) = &mut self.rebuilding {
            // A rule has panicked over one before it.
            rebuilding.waiting.push_back(submission);
            return;
        }
        let Submission { request, due } = submission;
        let late = due.deadline <= moment.uptime;
        let before = self.bundle.frames.len();
        let mut is_sound = true;
        let entities = &mut self.entities;
        let turn = &mut Turn {
            now: moment.now,
            frames: &mut self.bundle.frames,
        };
        // A call whose time is up is not begun.
        macro_rules! held {
            ($kind:ident, $reply:expr, $outcome:expr) => {{
                let outcome = if late {
                    Err(Failure::TimedOut)
                } else {
                    ruled(|| $outcome).unwrap_or_else(|| {
                        is_sound = false;
                        Err(Failure::Panicked)
                    })
                };
                Waiting::$kind(Held::new(outcome, $reply, due))
            }};
        }
        let waiting = match request {
            Request::Session(command, reply) => {
                held!(Session, reply, entities.session(turn, &command))
            }
            Request::Grant(command, reply) => {
                held!(Session, reply, entities.grant(turn, &command))
            }
            Request::Batch(commands, reply) => {
                let outcomes = ruled(|| {
                    let ask = |command| {
                        if late {
                            Err(Failure::TimedOut)
                        } else {
                            entities.session(turn, command)
                        }
                    };
                    commands.iter().map(ask).collect()
                });
                let outcomes = outcomes.unwrap_or_else(|| {
                    is_sound = false;
                    vec![Err(Failure::Panicked); commands.len()]
                });
                Waiting::Batch(HeldBatch::new(outcomes, reply, due))
            }
            Request::Lane(lane) => {
                let (commands, reply) = lane.open();
                let mut outcomes = Vec::with_capacity(commands.len());
                let done = ruled(|| {
                    for commands in commands.chunks(LOOK_AHEAD) {
                        if !late {
                            let ahead = commands.iter().map(|(_, command)| command.wallet);
                            entities.look_ahead(ahead, &mut self.places);
                        }
                        outcomes.extend(commands.iter().map(|(tag, command)| {
                            let outcome = if late {
                                Err(Failure::TimedOut)
                            } else {
                                entities.hold(turn, command)
                            };
                            (*tag, outcome)
                        }));
                    }
                });
                if done.is_none() {
                    is_sound = false;
                    let tags = commands.iter().map(|(tag, _)| *tag);
                    outcomes = tags.map(|tag| (tag, Err(Failure::Panicked))).collect();
                }
                Waiting::Lane(HeldLane::new(outcomes, reply, due.deadline))
            }
            Request::Wallet(id, command, reply) => {
                held!(Wallet, reply, entities.wallet(turn, id, &command))
            }
            Request::Machine(id, command, reply) => {
                held!(Machine, reply, entities.machine(turn, id, &command))
            }
            Request::Reader(id, command, reply) => {
                held!(Reader, reply, entities.reader(turn, id, &command))
            }
            Request::Relay(id, step, reply) => {
                held!(Relay, reply, entities.relay(turn, id, *step))
            }
            Request::Attend(id, reader, reply) => {
                held!(Attended, reply, entities.attend(turn, id, reader))
            }
            Request::Operator(id, command, reply) => {
                held!(Operator, reply, entities.operator(turn, id, &command))
            }
            Request::SeeOperator(id, reply) => {
                held!(SeenOperator, reply, Ok(entities.seen_operator(id)))
            }
            Request::SeeTransfers(reply) => {
                held!(
                    SeenTransfers,
                    reply,
                    Ok(entities.transfers(TRANSFERS_LOOKED_AT))
                )
            }
            Request::SeePayouts(reply) => {
                held!(SeenPayouts, reply, Ok(entities.payouts()))
            }
            Request::SeeStale(reply) => {
                let wanted = (STALE_MAX, STALE_AFTER);
                held!(SeenStale, reply, Ok(entities.stale(moment.now, wanted)))
            }
            Request::ReleaseOverdue(reply) => {
                let wanted = (entities.wallet_slots(), self.hold_max);
                held!(Released, reply, Ok(entities.release_overdue(turn, wanted)))
            }
            Request::SeeBalance(id, reply) => {
                held!(SeenBalance, reply, Ok(entities.balance(id)))
            }
            Request::SeeWallet(id, reply) => {
                held!(SeenWallet, reply, Ok(entities.seen_wallet(id)))
            }
            Request::SeeMachine(id, reply) => {
                held!(SeenMachine, reply, Ok(entities.seen_machine(id)))
            }
            Request::SeeReader(id, reply) => {
                held!(SeenReader, reply, Ok(entities.seen_reader(id)))
            }
            Request::Drain(reply) => held!(Drained, reply, Ok(())),
            Request::Cut(reply) => {
                // What was decided before belongs to it, and lies before its place.
                self.end_turn();
                self.entities.cut();
                let place = Arc::default();
                self.cut = Some(Arc::clone(&place));
                self.bundle.wait(Waiting::Cut(HeldCut::new(reply, place)));
                self.end_turn();
                return;
            }
            Request::Save(reply) => {
                // Who asked may have given up; then the snapshot has failed.
                let _ = reply.send(entities.save());
                return;
            }
            Request::End(ended) => {
                self.cut = None;
                match ended {
                    Ended::Complete => entities.rest(),
                    Ended::Failed => entities.forget_cut(),
                }
                return;
            }
            Request::Loaded(wanted, bytes) => return self.arrive(wanted, bytes),
            #[cfg(test)]
            // Without a word: simulations do this a thousand times.
            Request::Panic(reply) => {
                held!(
                    Drained,
                    reply,
                    std::panic::resume_unwind(Box::new("told to"))
                )
            }
        };
        self.bundle.wait(waiting);
        if !is_sound {
            self.break_off(before);
        }
    }

    /// Does what is no rule. What panics there is not understood, and stops everything: a restart
    /// rebuilds the state from the journal.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if ruled(|| work(self)).is_none() {
            self.stop();
        }
    }

    fn stop(&mut self) {
        let shard = self.shard.number;
        self.journal.stop(StopCause::Bug { shard });
        let mut bundle = core::mem::take(&mut self.bundle);
        self.journal.abandon(&mut bundle);
    }

    /// Hands what the turn came to over to the journal.
    pub(crate) fn end_turn(&mut self) {
        self.turn = None;
        self.make_room();
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if !self.bundle.is_empty() {
            let bundle = core::mem::take(&mut self.bundle);
            self.bundle = self.journal.hand_over(bundle);
        }
    }

    /// Ends what lapsed or is overdue, a part at a time.
    pub(crate) fn lapse(&mut self) {
        if self.journal.gate().is_stopped() || self.is_rebuilding() {
            return;
        }
        let now = self.clock.now();
        let before = self.bundle.frames.len();
        let done = ruled(|| {
            let turn = &mut Turn {
                now,
                frames: &mut self.bundle.frames,
            };
            self.entities.lapse(turn, TURN_MAX);
            let wanted = (TURN_MAX, self.hold_max);
            self.entities.release_overdue(turn, wanted);
        });
        match done {
            Some(()) => self.end_turn(),
            None => self.break_off(before),
        }
    }
}

/// Runs a rule; none when it panicked. What it touched is not to be trusted then.
fn ruled<T>(rule: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(rule)).ok()
}
