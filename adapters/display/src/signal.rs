//! What the lamp and the buzzer do for each signal.

use crate::lines::{Level, Light};
use std::time::Duration;

/// What a lamp and a buzzer can say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    /// The reader starts, or the machine has not spoken yet.
    Starting,
    /// It waits for a phone's colours.
    Ready,
    /// Colours are being read: hold still.
    Watching,
    /// Colours had been seen and are gone: hold still.
    HoldStill,
    /// The light is too weak: brighter, or closer.
    TooDark,
    /// The light is too strong for the sensor: away from the sun.
    TooBright,
    /// The light flickers, or shows no code: full brightness.
    Flicker,
    /// A code was read; the phone is being linked.
    Reading,
    /// The server has granted: choose.
    GotIt,
    /// The machine is at work.
    Vending,
    /// Something went wrong for this customer.
    Error,
    /// The reader serves nobody.
    OutOfService,
}

/// Whether a signal stays until another comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// Until another comes.
    Stays,
    /// For this long; then what stood before shows again.
    Passes(Duration),
}

/// A beat of the lamp, in milliseconds.
type Beat = (Light, u64);
/// A beat of the buzzer, in milliseconds.
type Tone = (Level, u64);

impl Signal {
    /// Every signal, in the order of a purchase.
    pub const ALL: [Self; 12] = [
        Self::Starting,
        Self::Ready,
        Self::Watching,
        Self::HoldStill,
        Self::TooDark,
        Self::TooBright,
        Self::Flicker,
        Self::Reading,
        Self::GotIt,
        Self::Vending,
        Self::Error,
        Self::OutOfService,
    ];

    /// Whether it stays.
    pub const fn lasting(self) -> Lasting {
        match self {
            Self::Error => Lasting::Passes(Duration::from_millis(2_600)),
            Self::Starting
            | Self::Ready
            | Self::Watching
            | Self::HoldStill
            | Self::TooDark
            | Self::TooBright
            | Self::Flicker
            | Self::Reading
            | Self::GotIt
            | Self::Vending
            | Self::OutOfService => Lasting::Stays,
        }
    }

    /// What lamp and buzzer do this long after the signal was given.
    pub fn at(self, elapsed: Duration) -> (Light, Level) {
        let (light, _) = find(self.beats(), elapsed, Turn::Again);
        let (level, _) = find(self.tones(), elapsed, Turn::Once);
        (light.unwrap_or(Light::DARK), level.unwrap_or(Level::Off))
    }

    /// When, after that, the lamp or the buzzer changes next; none when neither ever does.
    pub fn next_change(self, elapsed: Duration) -> Option<Duration> {
        let (_, light) = find(self.beats(), elapsed, Turn::Again);
        let (_, level) = find(self.tones(), elapsed, Turn::Once);
        [light, level].into_iter().flatten().min()
    }

    // No two signals differ by colour alone: one person in twelve could not tell them apart. None
    // flashes more than three times a second, for people with photosensitive epilepsy.
    #[rustfmt::skip]
    const fn beats(self) -> &'static [Beat] {
        use Light as L;
        match self {
            Self::Starting     => &[(L::BLUE, 500), (L::DARK, 500)],
            Self::Ready        => &[(L::GREEN, 1_000)],
            Self::Watching     => &[(L::BLUE, 700), (L::DARK, 100)],
            // Yellow is for the customer to mend: how often it blinks says what.
            Self::HoldStill    => &[(L::YELLOW, 700), (L::DARK, 300)],
            Self::TooDark      => &[(L::YELLOW, 100), (L::DARK, 900)],
            Self::TooBright    => &[(L::YELLOW, 100), (L::DARK, 200), (L::YELLOW, 100), (L::DARK, 1_200)],
            Self::Flicker      => &[(L::YELLOW, 100), (L::DARK, 200), (L::YELLOW, 100), (L::DARK, 200),
                                   (L::YELLOW, 100), (L::DARK, 1_300)],
            Self::Reading      => &[(L::BLUE, 200), (L::DARK, 200)],
            Self::GotIt        => &[(L::CYAN, 900), (L::DARK, 100)],
            Self::Vending      => &[(L::GREEN, 300), (L::DARK, 300)],
            Self::Error        => &[(L::RED, 100), (L::DARK, 200), (L::RED, 100), (L::DARK, 200),
                                   (L::RED, 100), (L::DARK, 600)],
            Self::OutOfService => &[(L::RED, 100), (L::DARK, 1_900)],
        }
    }

    #[rustfmt::skip]
    const fn tones(self) -> &'static [Tone] {
        use Level::{Off, On};
        match self {
            Self::GotIt => &[(On, 100)],
            Self::Error => &[(On, 100), (Off, 200), (On, 100), (Off, 200), (On, 100)],
            Self::Starting | Self::Ready | Self::Watching | Self::HoldStill | Self::TooDark | Self::TooBright
            | Self::Flicker | Self::Reading | Self::Vending | Self::OutOfService => &[],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Again,
    Once,
}

/// Which beat holds, and when the next begins.
fn find<T: Copy>(
    beats: &[(T, u64)],
    elapsed: Duration,
    turn: Turn,
) -> (Option<T>, Option<Duration>) {
    let round: u64 = beats.iter().map(|(_, ms)| ms).sum();
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let at = match turn {
        Turn::Again => elapsed.checked_rem(round).unwrap_or(0),
        Turn::Once => elapsed,
    };
    let mut end = 0_u64;
    for (what, ms) in beats {
        end = end.saturating_add(*ms);
        if at < end {
            // One beat that comes again and again is no change.
            let changes = turn == Turn::Once || beats.len() > 1;
            let next = elapsed.saturating_add(end - at);
            return (Some(*what), changes.then(|| Duration::from_millis(next)));
        }
    }
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const CELL_MS: u64 = 100;

    fn cells(signal: Signal, until_ms: u64) -> impl Iterator<Item = (Light, Level)> {
        (0..until_ms / CELL_MS).map(move |cell| signal.at(Duration::from_millis(cell * CELL_MS)))
    }

    fn letter(light: Light) -> char {
        match light {
            Light::DARK => '.',
            Light::RED => 'R',
            Light::GREEN => 'G',
            Light::BLUE => 'B',
            Light::CYAN => 'C',
            Light::YELLOW => 'Y',
            _ => '?',
        }
    }

    #[test]
    fn the_lamp_and_the_buzzer_are_this_picture() {
        // One letter is a tenth of a second.
        let expected = "
Starting      BBBBB.....BBBBB.....BBBBB.....
Ready         GGGGGGGGGGGGGGGGGGGGGGGGGGGGGG
Watching      BBBBBBB.BBBBBBB.BBBBBBB.BBBBBB
HoldStill     YYYYYYY...YYYYYYY...YYYYYYY...
TooDark       Y.........Y.........Y.........
TooBright     Y..Y............Y..Y..........
Flicker       Y..Y..Y.............Y..Y..Y...
Reading       BB..BB..BB..BB..BB..BB..BB..BB
GotIt         CCCCCCCCC.CCCCCCCCC.CCCCCCCCC.
        buzz  #.............................
Vending       GGG...GGG...GGG...GGG...GGG...
Error         R..R..R......R..R..R......R..R
        buzz  #..#..#.......................
OutOfService  R...................R.........
";
        let mut picture = String::from("\n");
        for signal in Signal::ALL {
            let lamp: String = cells(signal, 3_000)
                .map(|(light, _)| letter(light))
                .collect();
            picture += &format!("{:<14}{lamp}\n", format!("{signal:?}"));
            let buzzer: String = cells(signal, 3_000)
                .map(|(_, level)| if level == Level::On { '#' } else { '.' })
                .collect();
            if buzzer.contains('#') {
                picture += &format!("        buzz  {buzzer}\n");
            }
        }
        assert_eq!(picture, expected);
    }

    #[test]
    fn who_sees_no_colours_can_tell_all_signals_apart() {
        let rhythms: BTreeSet<Vec<bool>> = Signal::ALL
            .iter()
            .map(|signal| {
                cells(*signal, 6_000)
                    .map(|(light, _)| light != Light::DARK)
                    .collect()
            })
            .collect();
        assert_eq!(rhythms.len(), Signal::ALL.len());
    }

    #[test]
    fn nothing_flashes_more_than_three_times_in_any_second() {
        for signal in Signal::ALL {
            let lit: Vec<bool> = cells(signal, 10_000)
                .map(|(light, _)| light != Light::DARK)
                .collect();
            for second in lit.windows(10) {
                let flashes = second.windows(2).filter(|pair| !pair[0] && pair[1]).count();
                assert!(flashes <= 3, "{signal:?} flashes {flashes} times");
            }
        }
    }

    #[test]
    fn between_two_changes_nothing_changes() {
        for signal in Signal::ALL {
            let mut now = Duration::ZERO;
            for _ in 0..20 {
                let Some(next) = signal.next_change(now) else {
                    break;
                };
                assert!(next > now, "{signal:?}");
                let before = next.saturating_sub(Duration::from_millis(1));
                assert_eq!(
                    signal.at(now),
                    signal.at(before),
                    "{signal:?} at {before:?}"
                );
                now = next;
            }
        }
        assert_eq!(Signal::Ready.next_change(Duration::ZERO), None);
    }
}
