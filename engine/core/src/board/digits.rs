//! Digits on show are digits that the server takes: customers with phones that carry, lose and hold
//! back, sales by light and by digits, and a server that knows of a step only what reached it.

use super::state::Unguarded;
use super::street::{CODE, begun, chain_of, fresh};
use super::{
    Answer, Board, Greeting, Input, LightTerms, Limits, Machine, Offer, Output, Sessions, Start,
    TokenNews,
};
use crate::id::{Bind, Chain, VendId};
use crate::money::Currency;
use crate::time::Timestamp;
use crate::token::typed_steps;
use core::time::Duration;

const SEEDS: u64 = 40;
const TURNS: u64 = 300;
const SECOND: Duration = Duration::from_secs(1);

/// A machine with a display for digits, and what its server knows.
struct Stall {
    board: Board,
    now: Duration,
    freshes: u64,
    offer: Option<Offer>,
    greeting: Option<Greeting>,
    /// The last step that the server knows to be used.
    used: u64,
    /// Digits that were on show, second by second, and were refused.
    refused: u64,
    shown: u64,
}

/// What becomes of a HELLO.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It never reached the server.
    Lost,
    /// The server heard it, and its answer was lost.
    Unanswered,
}

impl Stall {
    fn new(unguarded: Unguarded) -> Self {
        let mut past = begun(Chain::from_bytes([1; 8]))
            .finish()
            .expect("no INTENT is open");
        past.tokens.begun = TokenNews::None;
        let mut board = Board::new(Start {
            boot: 1,
            past,
            limits: Limits::PROTOCOL,
            sessions: Sessions::ManyVends,
            currency: Currency::EUR,
            chain_of,
        })
        .with_tokens();
        board.unguarded = unguarded;
        let mut stall = Self {
            board,
            now: SECOND,
            freshes: 0,
            offer: None,
            greeting: None,
            used: 0,
            refused: 0,
            shown: 0,
        };
        stall.tell(Input::Machine(Machine::Enabled));
        stall
    }

    fn utc(&self) -> Timestamp {
        let since = u64::try_from(self.now.as_millis()).expect("a short test");
        Timestamp::from_millis(1_800_000_000_000 + since)
    }

    fn tell(&mut self, input: Input) {
        self.board.handle(self.now, input);
        let mut tickets = Vec::new();
        while let Some(output) = self.board.poll() {
            match output {
                Output::Journal(ticket, _) => tickets.push(ticket),
                Output::Offer(offer) => self.offer = Some(offer),
                Output::Withdraw => self.offer = None,
                Output::Greet(greeting) => self.greeting = Some(greeting),
                _ => {}
            }
        }
        for ticket in tickets {
            self.tell(Input::Synced(ticket));
        }
    }

    /// Somebody tries what is on show, each second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.tell(Input::Tick);
            self.look();
        }
    }

    fn look(&mut self) {
        if let Some(offer) = self.offer.as_ref().filter(|offer| offer.may_be_typed) {
            self.shown += 1;
            if !typed_steps(self.used, self.utc()).contains(&offer.step) {
                self.refused += 1;
            }
        }
    }

    fn has_digits(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.may_be_typed)
    }

    fn fresh(&mut self) -> super::Fresh {
        self.freshes += 1;
        fresh(self.freshes)
    }

    /// A customer with a phone, for whom the server holds nothing.
    fn link(&mut self, fate: Fate, delay: u64) {
        self.tell(Input::CodeSeen(CODE));
        let (bind, fresh) = (Bind::from_bytes([8; 32]), self.fresh());
        self.tell(Input::LinkUp { bind, fresh });
        self.greet(fate, delay);
        self.tell(Input::Leave);
        self.look();
    }

    /// A customer who types what is on show.
    fn type_digits(&mut self, fate: Fate, delay: u64) {
        if !self.has_digits() {
            return;
        }
        let step = self.offer.as_ref().map_or(0, |offer| offer.step);
        let (bind, fresh) = (Bind::from_bytes([9; 32]), self.fresh());
        self.tell(Input::Called { bind, fresh });
        if fate != Fate::Lost {
            self.used = self.used.max(step);
        }
        self.greet(fate, delay);
        if fate != Fate::Answered {
            // The road is cut.
            self.tell(Input::LinkDown);
        }
        self.look();
    }

    fn greet(&mut self, fate: Fate, delay: u64) {
        let Some(greeting) = self.greeting.take() else {
            return;
        };
        if fate != Fate::Lost {
            self.used = self.used.max(greeting.step);
        }
        let utc = self.utc();
        self.wait(delay);
        if fate == Fate::Answered {
            let nonce = greeting.nonce;
            let (answers, fresh) = (vec![Answer::Time { utc, nonce }], self.fresh());
            self.tell(Input::Answered { answers, fresh });
        }
    }

    /// A customer who answers the code on show by light, and presses the return lever.
    fn light(&mut self, of_before: bool) {
        let Some(offer) = &self.offer else { return };
        let step = offer.before.filter(|_| of_before).unwrap_or(offer.step);
        self.used = self.used.max(step);
        let light = LightTerms {
            grant: VendId::from_bytes([5; 16]),
            spend_max: 200,
            vends_max: 1,
        };
        let fresh = self.fresh();
        self.tell(Input::LightGranted { step, light, fresh });
        self.tell(Input::Machine(Machine::SessionBegan));
        self.tell(Input::Machine(Machine::SessionCompleted));
        self.look();
    }
}

/// Whatever customers do; gives how often digits were tried, and how often they were refused.
fn walk(seed: u64, unguarded: Unguarded) -> (u64, u64) {
    let mut stall = Stall::new(unguarded);
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) % sides
    };
    for _ in 0..TURNS {
        let fate = match roll(4) {
            0 => Fate::Lost,
            1 => Fate::Unanswered,
            _ => Fate::Answered,
        };
        let delay = roll(6);
        match roll(6) {
            0 | 1 => stall.link(fate, delay),
            2 | 3 => stall.type_digits(fate, delay),
            4 => stall.light(roll(2) == 0),
            _ => stall.wait(40 + roll(600)),
        }
        stall.wait(roll(12));
    }
    (stall.shown, stall.refused)
}

#[test]
fn digits_on_show_are_taken_whatever_became_of_the_customers_before() {
    for seed in 0..SEEDS {
        let (shown, refused) = walk(seed, Unguarded::Nothing);
        assert!(shown > TURNS, "seed {seed}: {shown}");
        assert_eq!(refused, 0, "seed {seed}");
    }
}

#[test]
fn a_board_that_takes_every_hello_for_heard_is_found_out() {
    let refused = (0..SEEDS).map(|seed| walk(seed, Unguarded::TakesEveryHelloForHeard).1);
    assert!(refused.sum::<u64>() > 0);
}

#[test]
fn digits_are_on_show_at_once_after_any_number_of_quick_sales_that_the_server_knows_of() {
    for kind in 0..3 {
        let mut stall = Stall::new(Unguarded::Nothing);
        stall.link(Fate::Answered, 1);
        for sale in 0..20 {
            match kind {
                0 => stall.link(Fate::Answered, 1),
                1 => stall.type_digits(Fate::Answered, 1),
                _ => stall.light(false),
            }
            assert!(stall.has_digits(), "kind {kind}, sale {sale}");
        }
        let step = stall.board.step_on_show().expect("a code");
        let clock = crate::token::step_at(stall.utc());
        assert!(step > clock + 2, "kind {kind} has not run ahead");
        assert_eq!(stall.refused, 0);
    }
}

#[test]
fn digits_that_the_server_would_refuse_come_as_soon_as_the_clock_has_caught_up() {
    let mut stall = Stall::new(Unguarded::Nothing);
    stall.link(Fate::Answered, 1);
    for _ in 0..4 {
        stall.link(Fate::Lost, 1);
    }
    let step = stall.board.step_on_show().expect("a code");
    assert!(!stall.has_digits(), "the server knows of none of them");
    let clock = crate::token::step_at(stall.utc());
    assert!(step > clock + 1);
    while !stall.has_digits() {
        stall.wait(1);
        assert!(crate::token::step_at(stall.utc()) < step, "it is late");
    }
    assert_eq!(stall.board.step_on_show(), Some(step), "the same code");
    assert_eq!(stall.refused, 0);
}
