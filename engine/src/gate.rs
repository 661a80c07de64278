use crate::bounds::BUSY_RETRY;
use crate::failure::{Failure, StopCause};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const STOPPED: u8 = 2;

/// Lets calls in while there is a credit for them, and nobody once the engine closes or stops.
#[derive(Debug)]
pub(crate) struct Gate {
    in_flight: AtomicUsize,
    in_flight_max: usize,
    life: AtomicU8,
    cause: OnceLock<Arc<StopCause>>,
}

impl Gate {
    pub(crate) fn new(in_flight_max: usize) -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            in_flight_max,
            life: AtomicU8::new(OPEN),
            cause: OnceLock::new(),
        }
    }

    /// Takes `credits`, or says why not. Whoever entered is counted until [`Gate::leave`].
    pub(crate) fn enter<R>(&self, credits: usize) -> Result<(), Failure<R>> {
        // The credit is taken before the life is read: a shutdown that has closed the gate and
        // then counts none in flight has therefore missed nobody.
        let before = self.in_flight.fetch_add(credits, Ordering::SeqCst);
        if self.life.load(Ordering::SeqCst) != OPEN {
            self.leave(credits);
            return Err(Failure::Stopped);
        }
        if before.saturating_add(credits) > self.in_flight_max {
            self.leave(credits);
            return Err(Failure::Busy {
                retry_after: BUSY_RETRY,
            });
        }
        Ok(())
    }

    /// Gives credits back.
    pub(crate) fn leave(&self, credits: usize) {
        if credits > 0 {
            self.in_flight.fetch_sub(credits, Ordering::SeqCst);
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.life.fetch_max(CLOSING, Ordering::SeqCst);
    }

    /// Stops everything for good. The first cause is the one that is kept.
    pub(crate) fn stop(&self, cause: StopCause) {
        self.cause.get_or_init(|| Arc::new(cause));
        self.life.fetch_max(STOPPED, Ordering::SeqCst);
    }

    /// Whether it lets calls in, as far as their credits go.
    pub(crate) fn is_open(&self) -> bool {
        self.life.load(Ordering::SeqCst) == OPEN
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.life.load(Ordering::SeqCst) == STOPPED
    }

    pub(crate) fn cause(&self) -> Option<Arc<StopCause>> {
        self.cause.get().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lives_by_this_table() {
        type Step = (&'static str, fn(&Gate));
        let lives: [Step; 3] = [
            ("Open", |_| {}),
            ("Closing", Gate::close),
            ("Stopped", |gate| gate.stop(StopCause::Journal)),
        ];
        let steps: [Step; 3] = [
            ("Close", Gate::close),
            ("Stop", |gate| gate.stop(StopCause::Thread)),
            ("Enter", |_| {}),
        ];
        let mut picture = String::from("         Close    Stop     Enter\n");
        for (life, reach) in lives {
            picture.push_str(&format!("{life:<9}"));
            for (step, take) in steps {
                let gate = Gate::new(1);
                reach(&gate);
                take(&gate);
                let cell = if step == "Enter" {
                    gate.enter::<()>(1).map_or("Refused", |()| "Entered")
                } else {
                    match gate.life.load(Ordering::SeqCst) {
                        OPEN => "Open",
                        CLOSING => "Closing",
                        _ => "Stopped",
                    }
                };
                picture.push_str(&format!("{cell:<9}"));
            }
            picture = picture.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            picture,
            "         Close    Stop     Enter\n\
             Open     Closing  Stopped  Entered\n\
             Closing  Closing  Stopped  Refused\n\
             Stopped  Stopped  Stopped  Refused\n"
        );
    }

    #[test]
    fn the_first_cause_of_a_stop_is_the_one_that_is_told() {
        let gate = Gate::new(1);
        gate.stop(StopCause::Bug { shard: 3 });
        gate.stop(StopCause::Thread);
        assert!(matches!(
            gate.cause().as_deref(),
            Some(StopCause::Bug { shard: 3 })
        ));
    }

    #[test]
    fn whoever_is_turned_away_holds_no_credit() {
        let gate = Gate::new(3);
        assert_eq!(gate.enter::<()>(2), Ok(()));
        assert!(matches!(gate.enter::<()>(2), Err(Failure::Busy { .. })));
        assert_eq!(gate.in_flight(), 2);
        assert_eq!(gate.enter::<()>(1), Ok(()));
        gate.close();
        assert_eq!(gate.enter::<()>(1), Err(Failure::Stopped));
        gate.leave(3);
        assert_eq!(gate.in_flight(), 0);
    }
}
