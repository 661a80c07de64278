//! The street itself: who does what next, and what of it comes out wrong.

mod forger;
mod phones;

use crate::books::{Books, Truth};
use crate::desk::Desk;
use crate::dice::Dice;
use crate::place::Place;
use crate::programs::ProgramTally;
use crate::release::PACKAGED;
use crate::road::RoadTally;
use crate::tally::Tally;
use core::time::Duration;
use gettone::core::id::WalletId;
use gettone_channel::{Bind, Link, ResumeSecret, TokenLink};
use gettone_relay::Connection;
use std::collections::{BTreeMap, VecDeque};

/// How much of a kind phones keep.
const KEPT_MAX: usize = 24;
const PLACES: u8 = 2;
pub(crate) const PHONES: u64 = 3;
/// Who passes at the end; nobody has seen them before.
pub(crate) const HONEST: WalletId = WalletId::new(9);

/// What keeps the street safe; a street without one of them has to find that out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guards {
    /// What a flash says to be synced is synced.
    pub(crate) sync: bool,
    /// A claim counts over the reader's own link only.
    pub(crate) bind: bool,
    /// HELLOs are in the order in which their reader made them.
    pub(crate) order: bool,
    /// Nobody but a reader seals as that reader.
    pub(crate) seal: bool,
    /// A receipt that comes again has no effect.
    pub(crate) once: bool,
    /// A call is answered by the HELLO that names it, and by no other.
    pub(crate) call: bool,
    /// A reader's key before is taken until the next one has been used.
    pub(crate) old_key: bool,
    /// What is kept of a package is what the server vouches for.
    pub(crate) vouched: bool,
    /// A program is run when the release key has signed it.
    pub(crate) signature: bool,
    /// A program is the one of the number that was named, which is a greater one.
    pub(crate) upwards: bool,
    /// A program is run when all of it is there.
    pub(crate) whole: bool,
}

impl Guards {
    pub(crate) const ALL: Self = Self {
        sync: true,
        bind: true,
        order: true,
        seal: true,
        once: true,
        call: true,
        old_key: true,
        vouched: true,
        signature: true,
        upwards: true,
        whole: true,
    };
}

/// Lives through one seed.
pub(crate) fn live(seed: u64, steps: u64, guards: Guards) -> Result<Tally, String> {
    let mut street = Street::open(seed, guards);
    street.desk.firmware = PACKAGED + u32::try_from(street.dice.below(7)).expect("few");
    // Some boards have been cared for before anything goes wrong.
    if street.dice.is_in(1, 3) {
        street.technician(0)?;
    }
    for step in 0..steps {
        street
            .step()
            .and_then(|()| street.look())
            .map_err(|words| format!("step {step}: {words}"))?;
    }
    street.heal()?;
    let tally = street.tally();
    street.desk.close();
    Ok(tally)
}

/// An envelope of a reader's, with the link that it came over.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    pub(crate) envelope: Vec<u8>,
    pub(crate) link: Bind,
    pub(crate) owner: WalletId,
}

pub(crate) struct Phone {
    pub(crate) wallet: WalletId,
    visit: Option<Visit>,
    resume: Option<(usize, ResumeSecret)>,
}

struct Visit {
    place: usize,
    connection: Connection,
    link: Link,
}

pub(crate) struct Street {
    pub(crate) dice: Dice,
    pub(crate) guards: Guards,
    pub(crate) desk: Desk,
    pub(crate) places: Vec<Place>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) truth: Truth,
    pub(crate) books: Books,
    /// Who holds the link with this hash.
    pub(crate) owners: BTreeMap<[u8; 32], WalletId>,
    /// What phones keep back, share and bring again.
    pub(crate) up: VecDeque<Up>,
    pub(crate) down: VecDeque<Vec<u8>>,
    codes: VecDeque<TokenLink>,
    lights: VecDeque<[u8; 10]>,
    pub(crate) lights_made: u64,
    pub(crate) roads: RoadTally,
    /// Whether the server's clock never jumps: only then can codes be typed for long.
    is_steady: bool,
}

pub(crate) fn keep<T>(kept: &mut VecDeque<T>, fresh: T) {
    if kept.len() >= KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(fresh);
}

impl Street {
    pub(crate) fn open(seed: u64, guards: Guards) -> Self {
        let mut dice = Dice::new(seed);
        let mut desk = Desk::new(guards);
        let places: Vec<Place> = (1..=PLACES)
            .map(|number| Place::new(number, desk.public(), guards, &mut dice))
            .collect();
        for (number, place) in (1..).zip(&places) {
            desk.enrol(&place.key(), number);
        }
        let phones: Vec<Phone> = (1..=PHONES)
            .map(|number| Phone {
                wallet: WalletId::new(number),
                visit: None,
                resume: None,
            })
            .collect();
        for wallet in phones.iter().map(|phone| phone.wallet).chain([HONEST]) {
            desk.open_wallet(wallet);
        }
        let is_steady = dice.is_in(1, 2);
        Self {
            is_steady,
            dice,
            guards,
            desk,
            places,
            phones,
            truth: Truth::default(),
            books: Books::default(),
            owners: BTreeMap::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            codes: VecDeque::new(),
            lights: VecDeque::new(),
            lights_made: 0,
            roads: RoadTally::default(),
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            lives: 1,
            records: self.books.records(),
            grants: self.books.grants(),
            sold: self.books.sold(),
            unseen: self.books.unseen(),
            cash: self.books.credits(),
            lights: self.lights_made,
            cuts: self.places.iter().map(|place| place.cuts).sum(),
            crashes: self.desk.crashes,
            by_road: self.roads.envelopes,
            calls: self.roads.calls,
            called: self.desk.called,
            keys: self.places.iter().map(Place::key_changes).sum(),
            servers: self.places.iter().map(Place::server_changes).sum(),
            packages: self.places.iter().map(Place::configuration).sum(),
            programs: self
                .places
                .iter()
                .fold(ProgramTally::default(), |sum, place| {
                    sum.plus(place.shelf.programs.tally)
                }),
        }
    }

    /// What has to be after every step.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        for (vend, bind) in self.desk.heard.drain(..) {
            if let Some(owner) = self.owners.get(bind.as_bytes()) {
                self.truth.payers.entry(vend).or_default().insert(*owner);
            }
        }
        self.packages_are_the_servers()?;
        self.books.look(&self.desk.tape, &self.truth)
    }

    fn step(&mut self) -> Result<(), String> {
        self.renew();
        // Some look out for when it hurts.
        let is_at_it = |place: &Place| place.shelf.programs.installing.is_some();
        if let Some(at) = self.places.iter().position(is_at_it)
            && self.dice.is_in(1, 8)
        {
            self.cut_power(at);
        }
        let at = self.dice.place(self.places.len());
        match self.dice.below(72) {
            0..=20 => self.phone(),
            21..=40 => self.places[at].machine(&mut self.truth, &mut self.dice),
            41..=54 => {
                let most = 1 + self.dice.place(4);
                self.places[at].sync(most, &mut self.dice);
            }
            55..=56 => {
                let millis = 1 + self.dice.below(40_000);
                self.desk.pass(millis);
                self.desk.lapse();
                for place in &mut self.places {
                    place.pass(Duration::from_millis(millis), &mut self.dice);
                }
            }
            57 => self.cut_power(at),
            58 => self.desk.kill_soon(&mut self.dice),
            59 if !self.is_steady => self.desk.set_clock(&mut self.dice),
            59 => {}
            60..=68 => {
                for _ in 0..=self.dice.below(4) {
                    self.road(at);
                }
            }
            _ => self.office(),
        }
        Ok(())
    }

    fn cut_power(&mut self, at: usize) {
        self.hang_up_at(at);
        self.places[at].cut_power(&mut self.truth, &mut self.dice);
    }

    /// Boards start again where they may, and whoever has just come there is sent away.
    pub(crate) fn renew(&mut self) {
        for at in 0..self.places.len() {
            if self.places[at].renew(&mut self.truth, &mut self.dice) {
                self.hang_up_at(at);
            }
        }
    }

    /// Whoever is linked there is linked no more.
    fn hang_up_at(&mut self, at: usize) {
        for phone in &mut self.phones {
            if phone.visit.as_ref().is_some_and(|visit| visit.place == at) {
                phone.visit = None;
            }
        }
    }
}

/// Cuts it, or flips a bit.
pub(crate) fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.place(bytes.len());
    match dice.below(3) {
        0 => bytes.truncate(at),
        _ => bytes[at] ^= 1 << dice.below(8),
    }
}
