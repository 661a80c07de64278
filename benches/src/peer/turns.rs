use core::time::Duration;

/// When pieces of work were done, in microseconds, as a client with few connections logged them.
///
/// More callers than connections wait their turn, first come, first served, and ask again as soon as
/// they are answered. So the caller whose work is done k-th asked when the (k - callers)-th was done:
/// what the callers waited follows from the log alone, without a caller that would cost anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Turns {
    done_us: Vec<u64>,
}

/// What of a log counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counted {
    /// How long each piece took, its wait included.
    pub(crate) times: Vec<Duration>,
    /// Over which time they were done.
    pub(crate) span: Duration,
}

impl Turns {
    /// Takes one line of pgbench's log of single transactions: client, number, microseconds, script,
    /// and when it was done in seconds and microseconds. None when it is no such line.
    pub(crate) fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace().skip(4);
        let seconds: u64 = words.next()?.parse().ok()?;
        let micros: u64 = words.next()?.parse().ok()?;
        let done = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        self.done_us.push(done);
        Some(())
    }

    /// What was done after the warm-up, as so many callers saw it.
    pub(crate) fn counted(mut self, callers: usize, warm_up: Duration) -> Counted {
        self.done_us.sort_unstable();
        let warm_us = u64::try_from(warm_up.as_micros()).unwrap_or(u64::MAX);
        let (Some(first), Some(last)) = (self.done_us.first(), self.done_us.last()) else {
            return Counted::default();
        };
        let begin = first.saturating_add(warm_us);
        // What was asked before anything was done, was asked when the client began.
        let asked = |nth: usize| {
            nth.checked_sub(callers)
                .and_then(|before| self.done_us.get(before))
                .unwrap_or(first)
        };
        let counted = self.done_us.iter().enumerate();
        let counted = counted.filter(|(_, done)| **done > begin);
        Counted {
            times: counted
                .map(|(nth, done)| Duration::from_micros(done.saturating_sub(*asked(nth))))
                .collect(),
            span: Duration::from_micros(last.saturating_sub(begin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(done_ms: impl IntoIterator<Item = u64>) -> Turns {
        let mut turns = Turns::default();
        for done in done_ms {
            let line = format!("0 1 900 0 7 {}", done * 1_000);
            turns.take(&line).expect("a line of a log");
        }
        turns
    }

    #[test]
    fn callers_who_wait_their_turn_wait_for_all_before_them() {
        // One piece in a millisecond, ten callers: each waits for the nine before.
        let counted = turns(0..1_000).counted(10, Duration::from_millis(100));
        assert_eq!(counted.times.len(), 899);
        assert_eq!(counted.span, Duration::from_millis(899));
        assert!(
            counted
                .times
                .iter()
                .all(|time| *time == Duration::from_millis(10))
        );
    }

    #[test]
    fn a_stall_is_seen_by_everybody_in_the_queue() {
        let stalled = (0..500).chain(1_500..2_000);
        let counted = turns(stalled).counted(10, Duration::ZERO);
        let slow = counted.times.iter();
        let slow = slow.filter(|time| **time > Duration::from_millis(1_000));
        assert_eq!(slow.count(), 10);
    }

    #[test]
    fn what_is_no_line_of_a_log_is_not_taken() {
        for line in ["", "a b c", "0 1 900 0 7", "0 1 900 0 seven 1"] {
            assert_eq!(Turns::default().take(line), None, "{line}");
        }
    }
}
