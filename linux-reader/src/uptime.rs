//! The only clock of this program: time since the machine started, counting sleep.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Where a reader's uptime begins.
#[derive(Clone, Copy, Debug)]
pub struct Uptime {
    began: Duration,
}

impl Uptime {
    /// Begins.
    pub fn begin() -> Self {
        Self { began: read() }
    }

    /// Time since it began.
    pub fn now(self) -> Duration {
        read().saturating_sub(self.began)
    }
}

/// Time since the computer's start, in every program alike.
pub(crate) fn since_power_up() -> Duration {
    read()
}

fn read() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
