//! Which gain: the highest one under which the light is not too much for the sensor.

/// Longest time with too much light before it is turned down.
const BRIGHT_MAX_US: u64 = 20_000;
/// Longest time with too little of it before it is turned up.
const DARK_MAX_US: u64 = 1_000_000;
/// Time after a turn in which nothing is turned: rows of before it may still come.
const SETTLE_US: u64 = 20_000;
/// Time after a turn down in which nothing is turned up: the screen that was too bright may only be showing black.
const DOWN_HOLDS_US: u64 = 10_000_000;
/// Above so many hundredths of full scale there is too much light; below, in every row, too little.
const BRIGHT_PERCENT: u32 = 95;
const DARK_PERCENT: u32 = 5;

/// The gain, as a step of those there are.
#[derive(Debug)]
pub(super) struct Gain {
    steps: usize,
    step: usize,
    bright_from: u16,
    dark_below: u16,
    bright_since_us: Option<u64>,
    dark_since_us: Option<u64>,
    settled_at_us: u64,
    up_from_us: u64,
}

impl Gain {
    /// Begins in the middle: a trial up or down is never far.
    pub(super) fn new(steps: usize, full_scale: u16) -> Self {
        let hundredths = |percent: u32| {
            let counts = u32::from(full_scale) * percent / 100;
            u16::try_from(counts).unwrap_or(u16::MAX)
        };
        Self {
            steps,
            step: steps / 2,
            bright_from: hundredths(BRIGHT_PERCENT),
            dark_below: hundredths(DARK_PERCENT),
            bright_since_us: None,
            dark_since_us: None,
            settled_at_us: 0,
            up_from_us: 0,
        }
    }

    pub(super) const fn step(&self) -> usize {
        self.step
    }

    /// Takes a row; gives the step to set, when it is another one.
    pub(super) fn handle(&mut self, t_us: u64, counts: [u16; 3]) -> Option<usize> {
        if t_us < self.settled_at_us {
            return None;
        }
        let most = counts.into_iter().max().unwrap_or(0);
        let since = |since: Option<u64>, holds: bool| holds.then(|| since.unwrap_or(t_us));
        self.bright_since_us = since(self.bright_since_us, most >= self.bright_from);
        self.dark_since_us = since(self.dark_since_us, most < self.dark_below);
        let lasts = |since: Option<u64>, most_us: u64| {
            since.is_some_and(|since_us| t_us.saturating_sub(since_us) >= most_us)
        };
        let step = if lasts(self.bright_since_us, BRIGHT_MAX_US) && self.step > 0 {
            self.up_from_us = t_us.saturating_add(DOWN_HOLDS_US);
            self.step - 1
        } else if lasts(self.dark_since_us, DARK_MAX_US)
            && t_us >= self.up_from_us
            && self.step + 1 < self.steps
        {
            self.step + 1
        } else {
            return None;
        };
        self.step = step;
        self.bright_since_us = None;
        self.dark_since_us = None;
        self.settled_at_us = t_us.saturating_add(SETTLE_US);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u16 = 1_024;
    const ROW_US: u64 = 2_500;

    /// Shows a light of so many counts at the lowest gain to a sensor of four gains for a while; the step it ends at.
    fn show(gain: &mut Gain, from_us: u64, light: u32, milliseconds: u64) -> usize {
        for t_us in (from_us..from_us + milliseconds * 1_000).step_by(2_500) {
            let scale = [1, 4, 16, 60][gain.step()];
            let count = u16::try_from((light * scale).min(u32::from(FULL))).expect("clipped");
            gain.handle(t_us, [count, count / 2, count / 3]);
        }
        gain.step()
    }

    #[test]
    fn a_screen_that_is_too_bright_is_turned_down_within_three_symbols_a_step() {
        let mut gain = Gain::new(4, FULL);
        assert_eq!(gain.step(), 2);
        assert_eq!(show(&mut gain, 0, 300, 50), 1);
        assert_eq!(show(&mut gain, 50_000, 300, 50), 0);
    }

    #[test]
    fn a_dark_place_is_turned_up_to_the_last_step_and_not_past_it() {
        let mut gain = Gain::new(4, FULL);
        assert_eq!(show(&mut gain, 0, 0, 5_000), 3);
    }

    #[test]
    fn a_light_in_between_is_left_alone() {
        let mut gain = Gain::new(4, FULL);
        assert_eq!(show(&mut gain, 0, 30, 60_000), 2);
    }

    #[test]
    fn a_screen_that_shows_black_after_it_was_too_bright_is_not_turned_up_at_once() {
        let mut gain = Gain::new(4, FULL);
        show(&mut gain, 0, 300, 200);
        assert_eq!(show(&mut gain, 200_000, 0, 5_000), 0);
        assert!(show(&mut gain, 5_200_000, 0, 10_000) > 0);
    }

    #[test]
    fn a_sensor_without_gains_or_with_a_wild_clock_is_survived() {
        let mut gain = Gain::new(0, 0);
        for t_us in [0, u64::MAX, 5, u64::MAX - 1, ROW_US] {
            assert_eq!(gain.handle(t_us, [u16::MAX; 3]), None);
        }
    }
}
