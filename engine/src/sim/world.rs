//! The scheduler: it alone decides what happens next, by a seed.

mod closing;

use super::ask::{Ask, Going, Told, begin};
use super::board::Board;
use super::chance::Chance;
use super::client::{Client, OPERATOR};
use super::life::{Clocks, Life, Setup};
use super::medium::{Fault, Guard, Guards, Medium, ShelfFault};
use super::rules::{Faults, Kept, Rules, Tally};
use super::testimony::{testify, testify_refused};
use super::trip;
use super::witness::{Found, Witness};
use crate::bounds::REBUILDS_MAX;
use crate::failure::StopCause;
use core::task::{Context, Poll, Waker};
use gettone_core::port::Seq;
use gettone_core::record::Record;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SHOPPERS: u64 = 6;
const BOARDS: u8 = 2;
const SHARDS_MAX: usize = 4;
/// Rounds after which a call that is still unanswered will never be.
const ROUNDS_MAX: usize = 2_000;
const MAIL_MAX: usize = 32;
/// Steps between two looks at everything that is durable; every crash is followed by one as well.
const CHECK_EVERY: u64 = 50;
const HOUR_MS: u64 = 60 * 60 * 1_000;

struct Call {
    client: Option<usize>,
    wish: u64,
    ask: Ask,
    /// Which life of the engine it was made to.
    life: u64,
    /// No other attempt was under way or lost when it was made.
    is_only: bool,
    going: Going,
}

struct World {
    rules: Rules,
    chance: Chance,
    medium: Medium,
    clocks: Clocks,
    life: Life,
    /// A life that has not noticed that it is over, and its number.
    zombie: Option<(u64, Life)>,
    clients: Vec<Client>,
    calls: Vec<Call>,
    /// Calls that are late, or come twice.
    mail: Vec<(usize, u64, Ask)>,
    witness: Witness,
    /// How often it was told to panic in this life.
    panics: usize,
    steps: u64,
    tally: Tally,
}

/// Lives through one seed; the first thing that is wrong is told in words.
pub(super) fn play(seed: u64, rules: Rules) -> Result<Tally, String> {
    trip::stretch(0);
    let mut world = World::new(seed, rules)?;
    let lived = (0..rules.steps)
        .try_for_each(|_| world.step())
        .and_then(|()| world.end());
    if lived.is_err() && env::var("GETTONE_TRACE").is_ok() {
        world.trace();
    }
    lived.map(|()| world.tally)
}

impl World {
    fn new(seed: u64, rules: Rules) -> Result<Self, String> {
        let medium = match rules.kept {
            Kept::OnTape => Medium::tape(Chance::new(seed, 2), rules.guards),
            Kept::InFiles => Medium::files(Chance::new(seed, 2))?,
        };
        if let Faults::Cuts { first, .. } = rules.faults {
            medium.fail(Some(Fault::Frame(first)));
        }
        let clocks = Clocks {
            wall: Arc::new(AtomicU64::new(1_700_000_000_000)),
            uptime: Arc::new(AtomicU64::new(0)),
        };
        let mut chance = Chance::new(seed, 1);
        let setup = set_up(&mut chance, rules.rebuild);
        let life = Life::begin(&medium, setup, &clocks)?;
        let shoppers = (0..SHOPPERS).map(|number| Client::new(number, None));
        let boards = (1..=BOARDS).map(|number| {
            let board = Board::new(number, OPERATOR, rules.board_fence);
            Client::new(100 + u64::from(number), Some(board))
        });
        Ok(Self {
            rules,
            chance,
            medium,
            clocks,
            life,
            zombie: None,
            clients: shoppers.chain(boards).collect(),
            calls: Vec::new(),
            mail: Vec::new(),
            witness: Witness::default(),
            panics: 0,
            steps: 0,
            tally: Tally {
                lives: 1,
                ..Tally::default()
            },
        })
    }

    fn step(&mut self) -> Result<(), String> {
        let shard = self.chance.place(self.life.shards());
        match self.chance.below(210) {
            0..=79 => self.act(),
            80..=114 => {
                for _ in 0..=self.chance.below(5) {
                    self.life.deliver(shard);
                }
            }
            115..=134 => self.life.end_turn(shard),
            135..=154 => self.life.flush(),
            155..=184 => self.poll_some(),
            185 | 186 => self.post(),
            187 => self.hang_up(),
            188 => self.pass_time(),
            189 => self.life.time_out(),
            190 => self.life.lapse(shard),
            191..=194 => self.snapshot(),
            195 => self.life.look(shard),
            196..=198 => {
                for _ in 0..=self.chance.below(4) {
                    self.life.fetch();
                }
            }
            209 if self.rules.take_up == Guard::On => self.call(None, 0, Ask::Tend, false),
            _ if self.rules.faults != Faults::Any => {}
            199..=202 => self.haunt(),
            203 if self.chance.is_in(1, 2) => {
                let fault = if self.chance.is_in(1, 3) {
                    Fault::Sync
                } else {
                    Fault::Next
                };
                self.medium.fail(Some(fault));
            }
            204 => self.jump(),
            205 if self.chance.is_in(1, 2) => return self.crash(),
            206 if self.chance.is_in(1, 4) => self.spoil(),
            207 if self.chance.is_in(1, 8) => {
                self.panics += 1;
                self.call(None, 0, Ask::Panic(shard), false);
            }
            208 if !trip::is_stretched() => {
                self.panics += 1;
                trip::stretch(1 + self.chance.below(8));
            }
            _ => {}
        }
        self.look_after()?;
        self.steps += 1;
        if self.steps.is_multiple_of(CHECK_EVERY)
            && let (Some(history), upto) = self.life.history()
        {
            self.witness.look(history.as_ref(), upto)?;
        }
        Ok(())
    }

    /// Has somebody begin, try again, or do the next thing.
    fn act(&mut self) {
        // As long as it takes up what was cut off, nobody has a handle to ask with.
        if self
            .calls
            .iter()
            .any(|call| matches!(call.ask, Ask::Resume(_) | Ask::TakeUp(_)))
        {
            return;
        }
        let boards = usize::from(BOARDS);
        let shoppers = self.clients.len() - boards;
        let at = if self.chance.is_in(1, 2) {
            self.chance.place(shoppers)
        } else {
            shoppers + self.chance.place(boards)
        };
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        if client.is_idle() {
            client.want(&mut self.chance, &mut self.witness);
        }
        self.try_wish(at);
    }

    fn try_wish(&mut self, at: usize) {
        let is_asked = |call: &&Call| call.client == Some(at);
        let under_way = self.calls.iter().filter(is_asked).count();
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        if !client.go_on() || (under_way > 0 && !self.chance.is_in(1, 8)) || under_way > 3 {
            return;
        }
        let Some(wish) = client.try_again(&mut self.witness, self.rules.dedup) else {
            return;
        };
        let road = self.chance.below(20);
        if road < 3 && self.mail.len() < MAIL_MAX {
            // A copy, or with bad luck the call itself, goes a longer way.
            if let Some(kept) = client.wish.as_mut() {
                kept.attempts += 1;
            }
            self.mail.push((at, wish.number, wish.ask.clone()));
            if road == 0 {
                return;
            }
        }
        let is_only = wish.attempts == 1 && road >= 3;
        self.call(Some(at), wish.number, wish.ask, is_only);
    }

    fn call(&mut self, client: Option<usize>, wish: u64, ask: Ask, is_only: bool) {
        self.calls.push(Call {
            client,
            wish,
            going: self.begin(ask.clone()),
            life: self.tally.lives,
            ask,
            is_only,
        });
        // A call is sent when it is first polled.
        self.poll(self.calls.len() - 1);
    }

    fn begin(&self, ask: Ask) -> Going {
        begin(
            Arc::clone(&self.life.line),
            Arc::clone(&self.life.earnings),
            ask,
        )
    }

    /// Something that went a longer way arrives.
    fn post(&mut self) {
        if !self.mail.is_empty() {
            let at = self.chance.place(self.mail.len());
            let (client, wish, ask) = self.mail.swap_remove(at);
            self.call(Some(client), wish, ask, false);
        }
    }

    /// A client does not wait any longer. What it asked for goes on without it.
    fn hang_up(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let at = self.chance.place(self.calls.len());
        let is_a_task = |ask: &Ask| {
            matches!(
                ask,
                Ask::Relay(..)
                    | Ask::Revoke(_)
                    | Ask::Send(..)
                    | Ask::PayOut(..)
                    | Ask::Promote(..)
                    | Ask::Resume(_)
                    | Ask::TakeUp(_)
                    | Ask::Tend
                    | Ask::Panic(_)
            )
        };
        if self.calls.get(at).is_some_and(|call| !is_a_task(&call.ask)) {
            self.calls.swap_remove(at);
        } else if let Some(call) = self.calls.get_mut(at) {
            call.client = None;
        }
    }

    fn poll_some(&mut self) {
        for _ in 0..8 {
            if !self.calls.is_empty() {
                let at = self.chance.place(self.calls.len());
                self.poll(at);
            }
        }
    }

    /// Polls a call, and hears its answer when there is one.
    fn poll(&mut self, at: usize) -> bool {
        let Some(call) = self.calls.get_mut(at) else {
            return false;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(answers) = call.going.as_mut().poll(&mut context) else {
            return false;
        };
        let call = self.calls.swap_remove(at);
        self.answered(&call, &answers);
        true
    }

    fn answered(&mut self, call: &Call, answers: &[Told]) {
        let is_again = answers.iter().any(|told| matches!(told, Told::Again));
        self.tally.answers += 1;
        self.tally.again += u64::from(is_again);
        testify(&mut self.witness, &call.ask, answers);
        let Some(client) = call.client.and_then(|at| self.clients.get_mut(at)) else {
            return;
        };
        if let (Some(board), Ask::Relay(reader, news, _), Some(Told::Stood(relayed))) =
            (&mut client.board, &call.ask, answers.first())
            && board.reader == *reader
        {
            board.told(relayed, news.hello);
        }
        if client
            .wish
            .as_ref()
            .is_none_or(|wish| wish.number != call.wish)
        {
            return;
        }
        if call.life != self.tally.lives && answers.iter().any(|told| matches!(told, Told::Refused))
        {
            // Whoever was deposed and has not noticed refuses what it knows nothing of.
            return;
        }
        let is_refused = matches!(answers, [Told::Refused]);
        let attempts = client.wish.as_ref().map_or(0, |wish| wish.attempts);
        if is_refused && call.is_only && attempts == 1 {
            testify_refused(&mut self.witness, &call.ask);
        }
        client.told(answers);
    }

    /// Whoever had the store before goes on for a while: it has not noticed, nor have some clients.
    fn haunt(&mut self) {
        let Some((number, zombie)) = &mut self.zombie else {
            return;
        };
        let at = self.chance.place(self.clients.len());
        if let Some(wish) = self
            .clients
            .get_mut(at)
            .and_then(|client| client.wish.as_mut())
        {
            wish.attempts += 1;
            self.calls.push(Call {
                client: Some(at),
                wish: wish.number,
                ask: wish.ask.clone(),
                life: *number,
                is_only: false,
                going: begin(
                    Arc::clone(&zombie.line),
                    Arc::clone(&zombie.earnings),
                    wish.ask.clone(),
                ),
            });
            let last = self.calls.len() - 1;
            self.poll(last);
        }
        let Some((_, zombie)) = &mut self.zombie else {
            return;
        };
        for shard in 0..zombie.shards() {
            while zombie.waiting(shard) > 0 {
                zombie.deliver(shard);
            }
            zombie.end_turn(shard);
            zombie.look(shard);
        }
        zombie.fetch();
        zombie.flush();
        self.poll_some();
    }

    /// A snapshot begins now and then; once begun it goes on step by step.
    fn snapshot(&mut self) {
        for _ in 0..=self.chance.below(4) {
            self.life.save();
        }
    }

    /// Something goes wrong on the shelf.
    fn spoil(&mut self) {
        let faults = [
            ShelfFault::Begin,
            ShelfFault::Put,
            ShelfFault::Finish,
            ShelfFault::Answer,
            ShelfFault::Damage,
        ];
        let at = self.chance.place(faults.len());
        if let Some(fault) = faults.get(at) {
            self.medium.fail_shelf(*fault);
        }
    }

    fn pass_time(&mut self) {
        let some = 1 + self.chance.below(4_000);
        self.clocks.uptime.fetch_add(some, Ordering::Relaxed);
        self.clocks.wall.fetch_add(some, Ordering::Relaxed);
    }

    /// Clocks jump: on for minutes, days or a season, or the wall's back.
    fn jump(&mut self) {
        let some = match self.chance.below(6) {
            0 | 1 => self.chance.below(HOUR_MS),
            2 | 3 => self.chance.below(100 * HOUR_MS),
            4 => self.chance.below(100 * 24 * HOUR_MS),
            _ => {
                let back = self.chance.below(30 * 24 * HOUR_MS);
                self.clocks.wall.fetch_sub(back, Ordering::Relaxed);
                return;
            }
        };
        self.clocks.wall.fetch_add(some, Ordering::Relaxed);
        self.clocks
            .uptime
            .fetch_add(some.min(60_000), Ordering::Relaxed);
    }

    /// Whoever runs the engine starts it again some time after it has stopped.
    fn look_after(&mut self) -> Result<(), String> {
        let Some(cause) = self.life.stopped() else {
            return Ok(());
        };
        if matches!(*cause, StopCause::Bug { .. }) && self.panics <= REBUILDS_MAX {
            return Err(format!("{cause}, after {} panics", self.panics));
        }
        if self.rules.faults == Faults::Any && !self.chance.is_in(1, 6) {
            return Ok(());
        }
        self.crash()
    }

    /// Everything in memory is gone; another life begins with what the disk has kept.
    fn crash(&mut self) -> Result<(), String> {
        self.tally.cuts += 1;
        // What was stretched for one life may trip another.
        self.panics = usize::from(trip::is_stretched());
        let again = self.next_cut();
        self.medium.fail(again);
        let is_survived = self.rules.kept == Kept::OnTape
            && self.rules.faults == Faults::Any
            && self.chance.is_in(1, 4);
        // A life that goes on in secret keeps its calls; those of any other end with it.
        let survivor = is_survived.then_some(self.tally.lives);
        self.calls.retain(|call| Some(call.life) == survivor);
        self.tally.lives += 1;
        let setup = set_up(&mut self.chance, self.rules.rebuild);
        self.begin_again(setup, is_survived).map(|_| ())
    }

    /// The cut after this one, where the power goes again and again.
    fn next_cut(&mut self) -> Option<Fault> {
        let Faults::Cuts { first, every } = &mut self.rules.faults else {
            return None;
        };
        *first = first.saturating_add(*every);
        Some(Fault::Frame(*first))
    }

    fn begin_again(&mut self, setup: Setup, is_survived: bool) -> Result<Found, String> {
        self.tally.snapshots += self.life.snapshots;
        self.tally.loads += self.life.loads;
        self.tally.rebuilds += self.life.rebuilds();
        self.life.leave_off();
        self.medium.crash();
        let life = if let Kept::InFiles = self.rules.kept {
            // Its lock has to be free before anybody else can open it.
            self.replace_in_files(setup)?;
            None
        } else {
            Some(Life::begin(&self.medium, setup, &self.clocks)?)
        };
        if let Some(life) = life {
            let before = core::mem::replace(&mut self.life, life);
            self.zombie = is_survived.then_some((self.tally.lives - 1, before));
        }
        let found = self.witness.read(self.life.store())?;
        self.tally.records = found.records;
        for reader in self.life.due.clone() {
            self.call(None, 0, Ask::Resume(reader), false);
        }
        if self.rules.take_up == Guard::On {
            for transfer in self.life.transfers.clone() {
                self.call(None, 0, Ask::TakeUp(transfer), false);
            }
        }
        Ok(found)
    }

    fn replace_in_files(&mut self, setup: Setup) -> Result<(), String> {
        // A life on a tape of its own stands in for the moment between two lives.
        let nothing = Medium::tape(Chance::new(0, 0), Guards::ALL);
        self.life = Life::begin(&nothing, setup, &self.clocks)?;
        self.life = Life::begin(&self.medium, setup, &self.clocks)?;
        Ok(())
    }

    /// Shows the journal, for whoever looks for what went wrong.
    fn trace(&mut self) {
        let shown = self.medium.open().and_then(|mut store| {
            store.replay(Seq::FIRST, &mut |seq, payload| {
                println!("{} {:?}", seq.number(), Record::decode(payload));
                Ok(())
            })
        });
        println!("traced: {shown:?}");
    }
}

/// How the next life is set up: as anybody might from one start to the next.
fn set_up(chance: &mut Chance, rebuild: Guard) -> Setup {
    Setup {
        rebuild,
        shards: 1 + chance.place(SHARDS_MAX),
        residents_max: [0, 0, 1, usize::MAX][chance.place(4)],
    }
}
