use core::time::Duration;

/// Times that many of the same things took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Latencies {
    sorted_us: Vec<u32>,
}

impl Latencies {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted_us.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sorted_us.is_empty()
    }

    /// The time within which this percentage was done; none when there is none.
    pub fn at(&self, percent: f64) -> Option<Duration> {
        // The percentage is ours, and so is the rounding: the nearest rank.
        let rank = (percent / 100.0 * self.sorted_us.len() as f64).ceil() as usize;
        self.sorted_us
            .get(rank.clamp(1, self.sorted_us.len().max(1)) - 1)
            .map(|micros| Duration::from_micros(u64::from(*micros)))
    }

    /// The longest; none when there is none.
    pub fn most(&self) -> Option<Duration> {
        let micros = self.sorted_us.last()?;
        Some(Duration::from_micros(u64::from(*micros)))
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut sorted_us: Vec<u32> = times
            .into_iter()
            .map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX))
            .collect();
        sorted_us.sort_unstable();
        Self { sorted_us }
    }
}
