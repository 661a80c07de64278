//! Two slots for packages of one kind: the one in use, and the one to go back to.

use crate::identity::{IdentityFault, read, replace};
use std::path::Path;

/// Starts that fail after which a package is given up.
#[cfg(test)]
pub(super) const FAILURES_MAX: u8 = WEIGHT_MAX / FAILED;
/// What a start weighs as long as nothing speaks for it.
const FAILED: u8 = 10;
/// What one weighs that only saw no customer: enough of them, and something else is the matter.
const QUIET: u8 = 1;
/// With so much a package is given up: three starts that failed, or thirty quiet ones.
const WEIGHT_MAX: u8 = 3 * FAILED;
const NAME: &str = "slots";
/// Three short lines, each with a hash at most.
const SLOTS_LEN_MAX: u64 = 512;

/// Which package is used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Slots {
    pub(super) current: Option<Slot>,
    /// The one to go back to.
    pub(super) before: Option<Slot>,
    /// No version up to here is taken: one was given up.
    pub(super) floor: u32,
}

/// One package in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub(super) letter: char,
    pub(super) number: u32,
    /// What its starts weigh so far; none once it is proved.
    pub(super) weight: Option<u8>,
    /// SHA-256 of what lies in it, where that is looked at again.
    pub(super) hash: Option<[u8; 32]>,
}

/// What a start comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// Nothing is to be written.
    Usual,
    /// One more start with a package that is not proved.
    Tried,
    /// This one is given up, for the one before.
    GivenUp(u32),
}

/// The slots' file: `current a 3 good`, `before b 2 good`, `floor 3`, each where there is such; a
/// hash follows where there is one.
impl Slots {
    /// Reads them; what cannot be read names nothing.
    pub(super) fn read(place: &Path) -> Self {
        let text = read(&place.join(NAME), SLOTS_LEN_MAX).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        text.and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Puts them on flash, as a whole or not at all.
    pub(super) fn keep(self, place: &Path) -> Result<(), IdentityFault> {
        replace(place, NAME, self.to_text().as_bytes())
    }

    /// Counts a start.
    pub(super) fn count_start(&mut self) -> Start {
        let Some(slot) = &mut self.current else {
            return Start::Usual;
        };
        match slot.weight {
            None => Start::Usual,
            Some(weight) if weight < WEIGHT_MAX => {
                slot.weight = Some(weight + FAILED);
                Start::Tried
            }
            Some(_) => Start::GivenUp(self.give_up()),
        }
    }

    /// Goes back to the one before; the one in use is not taken again.
    pub(super) fn give_up(&mut self) -> u32 {
        let number = self.current.map_or(0, |slot| slot.number);
        self.floor = self.floor.max(number);
        self.current = self.before.take();
        number
    }

    /// The one in use is proved, if it has been started with; says whether that is new.
    pub(super) fn confirm(&mut self) -> bool {
        match &mut self.current {
            Some(slot) if slot.weight.is_some_and(|weight| weight > 0) => {
                slot.weight = None;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A start with the one in use has not failed, though nothing proved it; says whether it counted.
    fn pass(&mut self) -> bool {
        match self.current.as_mut().and_then(|slot| slot.weight.as_mut()) {
            Some(weight) if *weight >= FAILED => {
                *weight -= FAILED - QUIET;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Notes in the slots' file that this start with the package of this number has not failed; says
    /// whether it counted.
    pub(super) fn pass_at(place: &Path, number: u32) -> Result<bool, IdentityFault> {
        let mut slots = Self::read(place);
        let is_news = slots.on_trial() == Some(number) && slots.pass();
        if is_news {
            slots.keep(place)?;
        }
        Ok(is_news)
    }

    /// The one in use, if it is on trial.
    pub(super) fn on_trial(&self) -> Option<u32> {
        let slot = self.current.filter(|slot| slot.weight.is_some());
        slot.map(|slot| slot.number)
    }

    /// Uses a new one from the next start on.
    pub(super) fn put(&mut self, letter: char, number: u32, hash: Option<[u8; 32]>) {
        let proved = self.current.filter(|slot| slot.weight.is_none());
        self.before = proved.or(self.before);
        self.current = Some(Slot {
            letter,
            number,
            weight: Some(0),
            hash,
        });
    }

    /// The slot that the next one goes to: never the one in use, or the one to go back to while the
    /// one in use is not proved.
    pub(super) fn free(&self) -> char {
        let taken = self
            .current
            .filter(|slot| slot.weight.is_none())
            .or(self.before);
        match taken {
            Some(Slot { letter: 'a', .. }) => 'b',
            Some(_) | None => 'a',
        }
    }

    fn to_text(self) -> String {
        let line = |name: &str, slot: Option<Slot>| {
            slot.map_or_else(String::new, |slot| {
                let state = slot
                    .weight
                    .map_or("good".to_owned(), |weight| weight.to_string());
                let hash = slot.hash.map_or_else(String::new, |hash| {
                    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
                    format!(" {}", digits.collect::<String>())
                });
                format!("{name} {} {} {state}{hash}\n", slot.letter, slot.number)
            })
        };
        let (current, before) = (line("current", self.current), line("before", self.before));
        format!("{current}{before}floor {}\n", self.floor)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut slots = Self::default();
        for line in text.strip_suffix('\n')?.split('\n') {
            let (name, rest) = line.split_once(' ')?;
            match name {
                "current" if slots.current.is_none() => slots.current = Some(Slot::parse(rest)?),
                "before" if slots.before.is_none() => slots.before = Some(Slot::parse(rest)?),
                "floor" => slots.floor = rest.parse().ok()?,
                _ => return None,
            }
        }
        Some(slots)
    }
}

impl Slot {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let letter = match words.next()? {
            "a" => 'a',
            "b" => 'b',
            _ => return None,
        };
        let number = words.next()?.parse().ok()?;
        let weight = match words.next()? {
            "good" => None,
            weight => Some(weight.parse().ok()?),
        };
        let hash = match words.next() {
            Some(digits) => Some(hash_in(digits)?),
            None => None,
        };
        words.next().is_none().then_some(Self {
            letter,
            number,
            weight,
            hash,
        })
    }
}

/// Reads 64 hexadecimal digits.
pub(crate) fn hash_in(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_as_they_were_written_and_as_they_were_written_before() {
        let mut slots = Slots::default();
        for (letter, hash) in [('a', None), ('b', Some([0xa5; 32]))] {
            slots.put(letter, 7, hash);
            assert_eq!(Slots::parse(&slots.to_text()), Some(slots));
            slots.count_start();
            assert!(slots.confirm());
            assert_eq!(Slots::parse(&slots.to_text()), Some(slots));
        }
        assert!(u64::try_from(slots.to_text().len()).is_ok_and(|len| len < SLOTS_LEN_MAX / 2));
        let old = "current a 3 2\nbefore b 2 good\nfloor 1\n";
        assert_eq!(Slots::parse(old).expect("read").to_text(), old);
        for torn in [
            "current a 3\n",
            "current c 3 good\n",
            "current a 3 good",
            "current a 3 good 12\n",
        ] {
            assert_eq!(Slots::parse(torn), None, "{torn}");
        }
    }

    /// How many starts there are before it is given up; each is quiet where `is_quiet` says so.
    fn starts(is_quiet: impl Fn(u32) -> bool) -> u32 {
        let mut slots = Slots::default();
        slots.put('a', 1, None);
        for start in 0.. {
            if slots.count_start() != Start::Tried {
                return start;
            }
            if is_quiet(start) {
                assert!(slots.pass());
                assert_eq!(slots.on_trial(), Some(1), "it is proved by no quiet start");
            }
        }
        unreachable!("it is given up at last")
    }

    #[test]
    fn three_starts_that_fail_end_a_trial_and_a_month_of_quiet_ones_does() {
        assert_eq!(starts(|_| false), u32::from(FAILURES_MAX));
        assert_eq!(starts(|_| true), u32::from(WEIGHT_MAX / QUIET));
        // A few quiet ones save nothing that fails from then on.
        for quiet in 1..10 {
            assert_eq!(starts(|start| start < quiet), quiet + 3, "{quiet}");
        }
    }

    #[test]
    fn what_nobody_has_started_with_is_not_proved_by_a_session() {
        let mut slots = Slots::default();
        slots.put('a', 1, None);
        assert!(!slots.confirm() && !slots.pass());
        assert_eq!(slots.count_start(), Start::Tried);
        assert!(slots.confirm());
    }
}
