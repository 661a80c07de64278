//! A board's programs: the one that it was made with, and two slots for those that phones bring.

use crate::dice::Dice;
use crate::release::{self, Looks, Make, PACKAGED};
use crate::street::Guards;
use crate::tray::Tray;
use gettone_channel::{Config, PackageKind};
use gettone_relay::{CareOrder, FirmwareStart, Input};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const KIND: PackageKind = PackageKind::Firmware;
/// Starts without a session after which a program is given up.
const TRIES_MAX: u8 = 3;

/// A program that a start may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    place: usize,
    number: u32,
    hash: [u8; 32],
    /// Starts so far; none once a session has ended well with it.
    tries: Option<u8>,
}

/// What runs.
#[derive(Debug)]
struct Running {
    number: u32,
    program: Vec<u8>,
    has_begun: bool,
    /// Whether it ends, to be started with a newer one.
    is_due: bool,
}

#[derive(Debug)]
pub(crate) struct Programs {
    guards: Guards,
    tray: Tray,
    slots: [Vec<u8>; 2],
    current: Option<Slot>,
    before: Option<Slot>,
    floor: u32,
    pub(crate) installing: Option<Config>,
    running: Running,
    /// What bystanders remember: the highest release that was proved here, and those given up.
    proved: u32,
    given_up: BTreeSet<u32>,
    pub(crate) tally: ProgramTally,
}

/// What has happened to programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ProgramTally {
    pub(crate) started: u64,
    pub(crate) proved: u64,
    pub(crate) given_up: u64,
    pub(crate) unfit: u64,
    /// Installations that power was cut in.
    pub(crate) torn: u64,
}

impl ProgramTally {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            started: self.started + other.started,
            proved: self.proved + other.proved,
            given_up: self.given_up + other.given_up,
            unfit: self.unfit + other.unfit,
            torn: self.torn + other.torn,
        }
    }

    /// Whether each of these has happened.
    pub(crate) const fn is_worth_it(self) -> bool {
        self.started > 0 && self.proved > 0 && self.given_up > 0 && self.unfit > 0 && self.torn > 0
    }
}

impl Programs {
    pub(crate) fn new(guards: Guards) -> Self {
        Self {
            guards,
            tray: Tray::default(),
            slots: [Vec::new(), Vec::new()],
            current: None,
            before: None,
            floor: 0,
            installing: None,
            running: Running::packaged(),
            proved: PACKAGED,
            given_up: BTreeSet::new(),
            tally: ProgramTally::default(),
        }
    }

    /// The number of what runs.
    pub(crate) const fn number(&self) -> u32 {
        self.running.number
    }

    pub(crate) fn start(&self) -> FirmwareStart {
        FirmwareStart {
            floor: self.floor.max(self.current.map_or(0, |slot| slot.number)),
            fetch: self.tray.fetch(),
        }
    }

    /// Does what the board wants to be done with a package; an installation takes its time.
    pub(crate) fn care(&mut self, order: CareOrder) {
        match order {
            CareOrder::Begin(told) => self.tray.begin(told),
            CareOrder::Keep(_, part) => self.tray.keep(part),
            CareOrder::Install(told) => self.installing = Some(told),
        }
    }

    /// Whether an installation has come to its end, and how.
    pub(crate) fn installed(&mut self, dice: &mut Dice) -> Option<Input> {
        let told = self.installing.take_if(|_| dice.is_in(1, 3))?;
        let number = told.number();
        let Some(content) = self.tray.read(&told) else {
            return Some(Input::NotInstalled(KIND));
        };
        self.tray.forget();
        let Some(program) = release::unpacked(&content, &told, self.looks()) else {
            self.tally.unfit += 1;
            return Some(Input::Unfit(KIND, number));
        };
        let place = self.free();
        let hash = Sha256::digest(&program).into();
        self.slots[place] = program;
        self.put(place, number, hash);
        self.running.is_due = true;
        Some(Input::Installed(KIND, number))
    }

    const fn looks(&self) -> Looks {
        Looks {
            signature: self.guards.signature,
            number: self.guards.upwards,
        }
    }

    fn put(&mut self, place: usize, number: u32, hash: [u8; 32]) {
        let proved = self.current.filter(|slot| slot.tries.is_none());
        self.before = proved.or(self.before);
        self.current = Some(Slot {
            place,
            number,
            hash,
            tries: Some(0),
        });
    }

    /// Never the slot of a program that a start may have to go back to.
    fn free(&self) -> usize {
        let proved = self.current.filter(|slot| slot.tries.is_none());
        proved.or(self.before).map_or(0, |slot| 1 - slot.place)
    }

    /// Power is cut: a slot that is being written has nothing, half or all of its program, and only
    /// then its name.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        let torn = self.installing.take();
        let torn = torn.and_then(|told| Some((told, self.tray.read(&told)?)));
        let torn = torn.and_then(|(told, content)| {
            let program = release::unpacked(&content, &told, self.looks())?;
            Some((told, program))
        });
        if let Some((told, mut program)) = torn {
            self.tally.torn += 1;
            let (place, hash) = (self.free(), Sha256::digest(&program).into());
            let is_named = match dice.below(4) {
                0 => return self.tray.cut(dice),
                1 => {
                    program.truncate(dice.place(program.len()));
                    // Who looks at nothing names a slot before it is written.
                    !self.guards.whole
                }
                2 => false,
                _ => true,
            };
            self.slots[place] = program;
            if is_named {
                self.put(place, told.number(), hash);
            }
        }
        self.tray.cut(dice);
    }

    /// Chooses the program of this start.
    pub(crate) fn choose(&mut self) {
        let before = self.running.number;
        while let Some(slot) = self.current {
            let is_whole = <[u8; 32]>::from(Sha256::digest(&self.slots[slot.place])) == slot.hash;
            if slot.number <= PACKAGED || (self.guards.whole && !is_whole) {
                self.current = self.before.take();
                continue;
            }
            match slot.tries {
                Some(tries) if tries >= TRIES_MAX => {
                    self.tally.given_up += 1;
                    self.given_up.insert(slot.number);
                    self.floor = self.floor.max(slot.number);
                    self.current = self.before.take();
                }
                tries => {
                    let tries = tries.map(|tries| tries + 1);
                    self.current = Some(Slot { tries, ..slot });
                    break;
                }
            }
        }
        self.running = self.current.map_or_else(Running::packaged, |slot| Running {
            number: slot.number,
            program: self.slots[slot.place].clone(),
            has_begun: false,
            is_due: false,
        });
        self.tally.started += u64::from(self.running.number > before);
    }

    /// A session has begun at the machine.
    pub(crate) const fn session_began(&mut self) {
        self.running.has_begun = true;
    }

    /// Nobody is served; says whether the program ends here.
    pub(crate) fn is_over(&mut self, dice: &mut Dice) -> bool {
        let on_trial = self.current.filter(|slot| slot.tries.is_some());
        if self.running.has_begun
            && let Some(slot) = on_trial.filter(|slot| slot.number == self.running.number)
        {
            self.tally.proved += 1;
            self.current = Some(Slot {
                tries: None,
                ..slot
            });
            let release = release::release_of(&self.running.program);
            self.proved = self.proved.max(release.unwrap_or(0));
        }
        let is_lame = Make::of(self.running.number) == Make::Lame;
        self.running.is_due || (is_lame && dice.is_in(1, 6))
    }

    /// Whether the release of this number has come to its end here: it is in place, or was given up.
    pub(crate) fn has_had(&self, number: u32) -> bool {
        self.running.number >= number
            || self.floor >= number
            || self.current.is_some_and(|slot| slot.number >= number)
    }

    /// What has to be of what runs.
    pub(crate) fn look(&self) -> Result<(), String> {
        let Running {
            number, program, ..
        } = &self.running;
        let Some(release) = release::release_of(program) else {
            return Err(format!(
                "program {number} is none that was signed: {} bytes",
                program.len()
            ));
        };
        if release < self.proved {
            return Err(format!(
                "program {release} is lower than {}, which was proved",
                self.proved
            ));
        }
        if release != *number {
            return Err(format!("program {release} runs under the name of {number}"));
        }
        match self.given_up.contains(number) {
            true => Err(format!("program {number} runs, and was given up")),
            false => Ok(()),
        }
    }
}

impl Running {
    fn packaged() -> Self {
        Self {
            number: PACKAGED,
            program: release::program(PACKAGED),
            has_begun: false,
            is_due: false,
        }
    }
}
