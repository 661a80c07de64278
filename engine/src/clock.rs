use core::time::Duration;
use gettone_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What the engine's rules take for the time of day.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// Milliseconds since 1970 that somebody sets: for replays and tests.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(match self {
            // A clock before 1970 has not been set yet: then it is 1970.
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
                }),
            Self::Set(millis) => millis.load(Ordering::Relaxed),
        })
    }
}

/// Time since the engine started, which nobody can set: deadlines go by it.
#[derive(Clone, Debug)]
pub(crate) enum Uptime {
    Since(Instant),
    /// Milliseconds that a test sets.
    #[cfg(test)]
    Set(Arc<AtomicU64>),
}

impl Uptime {
    pub(crate) fn begin() -> Self {
        Self::Since(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::Since(origin) => origin.elapsed(),
            #[cfg(test)]
            Self::Set(millis) => Duration::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
