//! A lamp and a buzzer that play one signal after another.

use crate::lines::{Level, Light};
use crate::signal::{Lasting, Signal};
use std::time::Duration;

/// Plays signals; it has no clock and no lines.
#[derive(Debug)]
pub struct Panel {
    standing: Playing,
    passing: Option<(Playing, Duration)>,
    now: Duration,
    light: Told<Light>,
    buzzer: Told<Level>,
}

/// What a panel is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A signal is to be given; one that is standing already goes on.
    Show(Signal),
}

/// What a panel asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Set the lamp.
    Light(Light),
    /// Set the buzzer.
    Buzzer(Level),
}

#[derive(Clone, Copy, Debug)]
struct Playing {
    signal: Signal,
    since: Duration,
}

/// What has to hold, and what was last said to hold.
#[derive(Debug)]
struct Told<T> {
    wanted: T,
    told: Option<T>,
}

impl<T: Copy + PartialEq> Told<T> {
    fn take(&mut self) -> Option<T> {
        if self.told == Some(self.wanted) {
            return None;
        }
        self.told = Some(self.wanted);
        self.told
    }
}

impl Panel {
    /// A panel that shows a start.
    pub fn new() -> Self {
        let playing = Playing {
            signal: Signal::Starting,
            since: Duration::ZERO,
        };
        let (light, level) = Signal::Starting.at(Duration::ZERO);
        Self {
            standing: playing,
            passing: None,
            now: Duration::ZERO,
            light: Told {
                wanted: light,
                told: None,
            },
            buzzer: Told {
                wanted: level,
                told: None,
            },
        }
    }

    /// Takes one input; then [`poll`](Self::poll) until it gives nothing.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = now;
        if let Some((_, until)) = self.passing
            && now >= until
        {
            self.passing = None;
        }
        if let Input::Show(signal) = input {
            let playing = Playing { signal, since: now };
            match signal.lasting() {
                Lasting::Passes(time) => self.passing = Some((playing, now.saturating_add(time))),
                Lasting::Stays if self.standing.signal != signal => self.standing = playing,
                Lasting::Stays => {}
            }
        }
        let playing = self.playing();
        let (light, level) = playing.signal.at(now.saturating_sub(playing.since));
        self.light.wanted = light;
        self.buzzer.wanted = level;
    }

    /// The next thing to do; none until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        let light = self.light.take().map(Output::Light);
        light.or_else(|| self.buzzer.take().map(Output::Buzzer))
    }

    /// When it has to be told the time again; none when nothing changes by itself.
    pub fn next_deadline(&self) -> Option<Duration> {
        let playing = self.playing();
        let elapsed = self.now.saturating_sub(playing.since);
        let change = playing.signal.next_change(elapsed);
        let change = change.map(|change| playing.since.saturating_add(change));
        let end = self.passing.map(|(_, until)| until);
        [change, end].into_iter().flatten().min()
    }

    /// What it shows.
    pub fn signal(&self) -> Signal {
        self.playing().signal
    }

    fn playing(&self) -> Playing {
        self.passing.map_or(self.standing, |(playing, _)| playing)
    }
}

impl Default for Panel {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn outputs(panel: &mut Panel, now: Duration, input: Input) -> Vec<Output> {
        panel.handle(now, input);
        std::iter::from_fn(|| panel.poll()).collect()
    }

    #[test]
    fn an_error_is_played_out_over_what_comes_and_then_the_newest_shows() {
        let mut panel = Panel::new();
        outputs(&mut panel, ms(0), Input::Show(Signal::Ready));
        outputs(&mut panel, ms(1_000), Input::Show(Signal::Error));
        outputs(&mut panel, ms(1_500), Input::Show(Signal::OutOfService));
        assert_eq!(panel.signal(), Signal::Error);
        let ends = ms(1_000 + 2_600);
        outputs(&mut panel, ends.saturating_sub(ms(1)), Input::Tick);
        assert_eq!(panel.signal(), Signal::Error);
        outputs(&mut panel, ends, Input::Tick);
        assert_eq!(panel.signal(), Signal::OutOfService);
    }

    #[test]
    fn what_has_not_changed_is_not_set_again() {
        let mut panel = Panel::new();
        let first = outputs(&mut panel, ms(0), Input::Show(Signal::Ready));
        assert_eq!(
            first,
            [Output::Light(Light::GREEN), Output::Buzzer(Level::Off)]
        );
        assert_eq!(outputs(&mut panel, ms(700), Input::Tick), []);
        assert_eq!(outputs(&mut panel, ms(800), Input::Show(Signal::Ready)), []);
        assert_eq!(panel.next_deadline(), None, "a steady lamp needs no clock");
    }

    #[test]
    fn a_panel_that_is_told_the_time_late_plays_what_holds_by_then() {
        let mut panel = Panel::new();
        outputs(&mut panel, ms(0), Input::Show(Signal::GotIt));
        let late = outputs(&mut panel, ms(60_950), Input::Tick);
        assert_eq!(
            late,
            [Output::Light(Light::DARK), Output::Buzzer(Level::Off)]
        );
    }

    #[test]
    fn every_signal_is_played_by_its_deadlines_alone() {
        for signal in Signal::ALL {
            let mut panel = Panel::new();
            outputs(&mut panel, ms(0), Input::Show(Signal::Ready));
            let mut shown = Vec::new();
            panel.handle(ms(10), Input::Show(signal));
            while let Some(output) = panel.poll() {
                shown.push(output);
            }
            for _ in 0..32 {
                let Some(at) = panel.next_deadline() else {
                    break;
                };
                assert!(at > panel.now, "{signal:?} asks for a time that has passed");
                shown.extend(outputs(&mut panel, at, Input::Tick));
                let (light, level) = panel.signal().at(at.saturating_sub(panel.playing().since));
                assert_eq!(
                    (panel.light.told, panel.buzzer.told),
                    (Some(light), Some(level))
                );
            }
        }
    }
}
