//! The street itself: who does what next, and what of it comes out wrong.

use crate::books::{Books, Truth};
use crate::desk::{Desk, vend_of_code};
use crate::dice::Dice;
use crate::place::{Place, bind_of};
use crate::road::RoadTally;
use crate::tally::Tally;
use core::time::Duration;
use gettone::core::board::Code;
use gettone::core::id::WalletId;
use gettone_channel::{
    Bind, CAPS_CARRIES, Chain, Ephemeral, Header, Item, Link, LinkMessage, ResumeSecret, Secret,
    TokenLink,
};
use gettone_relay::{Connection, Input};
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
    };
}

/// Lives through one seed.
pub(crate) fn live(seed: u64, steps: u64, guards: Guards) -> Result<Tally, String> {
    let mut street = Street::open(seed, guards);
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
        let at = self.dice.place(self.places.len());
        match self.dice.below(70) {
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
            57 => {
                self.hang_up_at(at);
                self.places[at].cut_power(&mut self.truth, &mut self.dice);
            }
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

    /// Whoever is linked there is linked no more.
    fn hang_up_at(&mut self, at: usize) {
        for phone in &mut self.phones {
            if phone.visit.as_ref().is_some_and(|visit| visit.place == at) {
                phone.visit = None;
            }
        }
    }

    /// A phone does something.
    fn phone(&mut self) {
        let who = self.dice.place(self.phones.len());
        if self.phones[who].visit.is_some() {
            return self.guest(who);
        }
        let at = self.dice.place(self.places.len());
        match self.dice.below(16) {
            0..=6 => self.link(who, at),
            7..=8 => self.resume(who),
            9..=11 => self.scan(who, at),
            12..=13 => self.shine(at),
            _ => self.carry_old(who),
        }
    }

    fn link(&mut self, who: usize, at: usize) {
        let code: [u8; 10] = self.dice.bytes();
        self.places[at].tell(Input::CodeSeen(Code::from_bytes(code)), &mut self.dice);
        self.enter(who, at, &Secret::light(code).psk());
    }

    fn resume(&mut self, who: usize) {
        if let Some((at, secret)) = self.phones[who].resume.take() {
            self.enter(who, at, &secret.psk());
        }
    }

    fn enter(&mut self, who: usize, at: usize, psk: &gettone_channel::Psk) {
        let caps = match self.dice.is_in(1, 3) {
            true => CAPS_CARRIES,
            false => 0,
        };
        let Some((connection, link)) = self.places[at].link(psk, caps, &mut self.dice) else {
            return;
        };
        self.hang_up_at(at);
        let owner = self.phones[who].wallet;
        self.owners.insert(*bind_of(&link).as_bytes(), owner);
        self.phones[who].visit = Some(Visit {
            place: at,
            connection,
            link,
        });
        // Most of the time a phone is as good as any.
        if self.dice.is_in(3, 4) {
            self.listen(who);
        }
    }

    /// A phone that is linked does something.
    fn guest(&mut self, who: usize) {
        match self.dice.below(40) {
            0..=20 => self.listen(who),
            21..=26 => self.carry_old(who),
            27..=32 => self.bring_old(who),
            33..=34 => self.say(who, &LinkMessage::Leave),
            35..=36 => self.say(who, &LinkMessage::Again),
            37 => self.garble(who),
            _ => self.vanish(who),
        }
    }

    /// Where this phone is linked.
    pub(crate) fn place_of(&self, who: usize) -> Option<usize> {
        self.phones[who].visit.as_ref().map(|visit| visit.place)
    }

    pub(crate) fn vanish(&mut self, who: usize) {
        if let Some(visit) = self.phones[who].visit.take() {
            let gone = Input::Disconnected(visit.connection);
            self.places[visit.place].tell(gone, &mut self.dice);
        }
    }

    /// Takes what the reader says; each envelope is carried, dropped or kept back.
    fn listen(&mut self, who: usize) {
        while let Some(message) = self.next(who) {
            match message {
                LinkMessage::Status(status) => {
                    let at = self.phones[who].visit.as_ref().map(|visit| visit.place);
                    if let (Some(at), Some(secret)) = (at, status.resume) {
                        self.phones[who].resume = Some((at, secret));
                    }
                }
                LinkMessage::Envelope(envelope) => self.heard(who, envelope),
                LinkMessage::Want(want) => self.wanted(who, want),
                LinkMessage::Leave | LinkMessage::Again | LinkMessage::Piece(_) => {}
            }
        }
    }

    /// The next message of the link; a lost or changed one is the end of the link.
    fn next(&mut self, who: usize) -> Option<LinkMessage> {
        let visit = self.phones[who].visit.as_mut()?;
        let place = &mut self.places[visit.place];
        let mut message = place.message(visit.connection, &mut self.dice)?;
        if self.dice.is_in(1, 60) {
            spoil(&mut message, &mut self.dice);
        }
        match visit.link.open(&message) {
            Ok(message) => Some(message),
            Err(_) => {
                self.vanish(who);
                None
            }
        }
    }

    fn heard(&mut self, who: usize, envelope: Vec<u8>) {
        let Some(visit) = &self.phones[who].visit else {
            return;
        };
        let up = Up {
            envelope,
            link: bind_of(&visit.link),
            owner: self.phones[who].wallet,
        };
        match self.dice.below(10) {
            0 => {}
            1..=2 => keep(&mut self.up, up),
            3 => {
                keep(&mut self.up, up.clone());
                self.carry(who, &up);
            }
            _ => self.carry(who, &up),
        }
    }

    /// Carries an envelope as its own phone would, and brings or keeps the answer.
    fn carry(&mut self, who: usize, up: &Up) {
        let answered = self.desk.relay(&up.envelope, Some(up.owner), Some(up.link));
        let Ok(answer) = answered else {
            // It will be asked again, by this phone or another.
            return keep(&mut self.up, up.clone());
        };
        for envelope in answer {
            match self.dice.below(10) {
                0 => {}
                1..=2 => keep(&mut self.down, envelope),
                3 => {
                    keep(&mut self.down, envelope.clone());
                    self.say(who, &LinkMessage::Envelope(envelope));
                }
                _ => self.say(who, &LinkMessage::Envelope(envelope)),
            }
        }
    }

    /// Carries one of those that were kept back: late, again, changed, for somebody else.
    fn carry_old(&mut self, who: usize) {
        if self.up.is_empty() {
            return;
        }
        let at = self.dice.place(self.up.len());
        let mut up = self.up[at].clone();
        if self.dice.is_in(1, 3) {
            self.up.remove(at);
        }
        if self.dice.is_in(1, 5) {
            spoil(&mut up.envelope, &mut self.dice);
        }
        if !self.guards.seal && self.dice.is_in(1, 2) {
            self.forge(&mut up.envelope);
        }
        let own = self.phones[who].wallet;
        // Whose link it was may ask for money with it; anybody else claims over a link of their own.
        let own_link = self.phones[who]
            .visit
            .as_ref()
            .map(|visit| bind_of(&visit.link));
        let (account, link) = match self.dice.below(4) {
            0 => (None, None),
            1 => (Some(own), own_link),
            2 => (Some(up.owner), None),
            _ => (Some(up.owner), Some(up.link)),
        };
        let answers = self.desk.relay(&up.envelope, account, link);
        for envelope in answers.unwrap_or_default() {
            keep(&mut self.down, envelope);
        }
    }

    /// Brings an answer that was kept back, to whichever reader this phone is at.
    fn bring_old(&mut self, who: usize) {
        if self.down.is_empty() {
            return;
        }
        let at = self.dice.place(self.down.len());
        let mut envelope = self.down[at].clone();
        if self.dice.is_in(1, 4) {
            spoil(&mut envelope, &mut self.dice);
        }
        self.say(who, &LinkMessage::Envelope(envelope));
    }

    pub(crate) fn say(&mut self, who: usize, message: &LinkMessage) {
        let Some(visit) = self.phones[who].visit.as_mut() else {
            return;
        };
        // What was cut to nothing is no envelope, and no link seals it.
        let Ok(sealed) = visit.link.seal(message) else {
            return;
        };
        let heard = Input::Heard(visit.connection, sealed);
        self.places[visit.place].tell(heard, &mut self.dice);
    }

    /// Speaks without the link's key.
    fn garble(&mut self, who: usize) {
        if let Some(visit) = &self.phones[who].visit {
            let noise: [u8; 40] = self.dice.bytes();
            let heard = Input::Heard(visit.connection, noise.to_vec());
            self.places[visit.place].tell(heard, &mut self.dice);
        }
    }

    /// Scans the code on show, and asks for the light that buys, or only brings the receipts.
    fn scan(&mut self, who: usize, at: usize) {
        if let Some(offer) = &self.places[at].sign {
            keep(&mut self.codes, offer.link.clone());
        }
        let Some(code) = self.codes.back().cloned() else {
            return;
        };
        let old = self.dice.place(self.codes.len());
        let code = match self.dice.below(4) {
            0 => self.codes[old].clone(),
            _ => code,
        };
        let wallet = self.phones[who].wallet;
        let payers = self.truth.payers.entry(vend_of_code(&code)).or_default();
        payers.insert(wallet);
        if let Ok(Some(light)) = self.desk.light(&code, wallet) {
            self.lights_made += 1;
            keep(&mut self.lights, light);
            if self.dice.is_in(2, 3) {
                self.places[at].tell(Input::LightSeen(light), &mut self.dice);
            }
        }
    }

    /// Shows some light that was made, to any reader.
    fn shine(&mut self, at: usize) {
        if self.lights.is_empty() {
            return;
        }
        let which = self.dice.place(self.lights.len());
        let mut light = self.lights[which];
        if self.dice.is_in(1, 3) {
            let bit = self.dice.place(80);
            light[bit / 8] ^= 1 << (bit % 8);
        }
        self.places[at].tell(Input::LightSeen(light), &mut self.dice);
    }
}

/// What nobody may be able to do.
impl Street {
    /// Seals a sale that never was, in the name of the reader that sealed `envelope`.
    fn forge(&mut self, envelope: &mut Vec<u8>) {
        let Ok(header) = gettone_channel::header(envelope) else {
            return;
        };
        let mut places = self.places.iter();
        let Some(place) = places.find(|place| place.reader() == header.reader_id) else {
            return;
        };
        let key = place.key();
        let Ok(items) = self.desk.peek(envelope, &key) else {
            return;
        };
        let forged: Vec<Item> = items
            .into_iter()
            .map(|item| match item {
                Item::Receipt(mut receipt) => {
                    receipt.kind = gettone_channel::ReceiptKind::VendOk;
                    receipt.amount = receipt.amount.max(10);
                    // A forger who knows the key knows the chain.
                    let _ = Chain::of(&receipt);
                    Item::Receipt(receipt)
                }
                other => other,
            })
            .collect();
        let ephemeral = Ephemeral::from_bytes(self.dice.bytes());
        let header = Header { ..header };
        let Some(server) = self.desk.key_of(header.server_epoch) else {
            return;
        };
        let server = server.public();
        if let Ok(sealed) = gettone_channel::seal(header, &key, &server, ephemeral, &forged) {
            *envelope = sealed;
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
