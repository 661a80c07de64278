//! Whether the light does anything: a light that stands still needs no hurry.

/// Longest time without a change before the light is taken to stand still.
const STILL_US: u64 = 8_000_000;
/// A change is at least so many counts, and at least an eighth of what there was.
const CHANGE_MIN: u16 = 6;

/// How closely the light is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// As fast as the code needs.
    Full,
    /// Now and then.
    Idle,
}

/// The light of a while.
#[derive(Debug)]
pub(super) struct Watch {
    level: Option<[u16; 3]>,
    changed_at_us: u64,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self {
            level: None,
            changed_at_us: 0,
        }
    }

    pub(super) fn handle(&mut self, t_us: u64, counts: [u16; 3]) -> Pace {
        let has_changed = self.level.is_none_or(|level| {
            level
                .into_iter()
                .zip(counts)
                .any(|(level, count)| level.abs_diff(count) >= CHANGE_MIN.max(level / 8))
        });
        if has_changed {
            self.level = Some(counts);
            self.changed_at_us = t_us;
        }
        match t_us.saturating_sub(self.changed_at_us) < STILL_US {
            true => Pace::Full,
            false => Pace::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Channel, Tier};
    use crate::{Decoder, Kind, Payload, RefreshRate, encode};

    #[test]
    fn a_light_that_stands_still_is_looked_at_rarely_and_a_change_wakes() {
        let mut watch = Watch::new();
        assert_eq!(watch.handle(0, [100; 3]), Pace::Full);
        assert_eq!(watch.handle(STILL_US - 1, [104; 3]), Pace::Full);
        assert_eq!(watch.handle(STILL_US, [96; 3]), Pace::Idle);
        assert_eq!(watch.handle(STILL_US + 40_000, [100, 100, 113]), Pace::Full);
        assert_eq!(watch.handle(2 * STILL_US, [100, 100, 113]), Pace::Full);
        assert_eq!(watch.handle(3 * STILL_US, [100, 100, 113]), Pace::Idle);
    }

    /// Seeds 1 to 20: a sensor that has dozed off sees a code all the same, and hardly later.
    #[test]
    fn a_code_shown_to_a_dozing_sensor_is_read() {
        for seed in 1..=20 {
            let sent = Payload::new(Kind::Pairing, *b"ten bytes!");
            let mut watch = Watch::new();
            let mut decoder = Decoder::new();
            let rows: Vec<_> = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60)
                .play(&encode(&sent))
                .take(2_000)
                .collect();
            watch.handle(0, [0; 3]);
            let dozed_us = STILL_US + 1;
            let mut next_us = 0;
            let read = rows.iter().find_map(|row| {
                if row.t_us < next_us {
                    return None;
                }
                match watch.handle(row.t_us + dozed_us, [row.r, row.g, row.b]) {
                    Pace::Full => decoder.push(*row),
                    Pace::Idle => {
                        next_us = row.t_us + 40_000;
                        None
                    }
                }
            });
            assert_eq!(read.map(|read| read.payload), Some(sent), "seed {seed}");
        }
    }
}
