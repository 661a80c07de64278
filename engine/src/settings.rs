use crate::bounds::{
    DEADLINE_DEFAULT, HOLD_MAX_DEFAULT, IN_FLIGHT_DEFAULT, IN_FLIGHT_LIMIT, RESIDENTS_DEFAULT,
    SHARDS_MAX, SNAPSHOT_EVERY_DEFAULT,
};
use crate::clock::Clock;
use crate::failure::StartFault;
use core::time::Duration;
use gettone_core::port::Seq;
use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;

/// How an engine runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Shards, each on a thread of its own; unless set, one for each core. It may differ from one
    /// start to the next.
    pub shards: Option<NonZeroUsize>,
    /// Calls that may be in flight at once; more are answered with `Busy`.
    pub in_flight_max: usize,
    /// How long a call waits before its outcome counts as unknown.
    pub deadline: Duration,
    /// How long a hold may be without news before its money is free again.
    pub hold_max: Duration,
    /// What the rules take for the time of day.
    pub clock: Clock,
    /// From which record on the history is shown at the start; a projection goes on behind its own
    /// checkpoint. Unless set, all of it.
    pub history_from: Seq,
    /// After how many records a snapshot is taken, when the store keeps snapshots; none: only when
    /// asked.
    pub snapshot_every: Option<NonZeroU64>,
    /// Wallets that stay in memory though nothing needs them. More go, once a snapshot has them,
    /// and come back when they are asked.
    pub residents_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shards: None,
            in_flight_max: IN_FLIGHT_DEFAULT,
            deadline: DEADLINE_DEFAULT,
            hold_max: HOLD_MAX_DEFAULT,
            clock: Clock::System,
            history_from: Seq::FIRST,
            snapshot_every: NonZeroU64::new(SNAPSHOT_EVERY_DEFAULT),
            residents_max: RESIDENTS_DEFAULT,
        }
    }
}

impl Settings {
    /// How many shards there will be.
    pub(crate) fn shards(&self) -> Result<usize, StartFault> {
        let shards = self
            .shards
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        match self.shards {
            Some(_) if shards > SHARDS_MAX => Err(StartFault::Settings {
                what: "shards",
                limit: SHARDS_MAX,
            }),
            _ => Ok(shards.min(SHARDS_MAX)),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StartFault> {
        if self.in_flight_max == 0 || self.in_flight_max > IN_FLIGHT_LIMIT {
            return Err(StartFault::Settings {
                what: "calls in flight",
                limit: IN_FLIGHT_LIMIT,
            });
        }
        Ok(())
    }
}
