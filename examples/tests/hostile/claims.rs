//! Whole purchases by an honest phone and by a board's own road, and what must not change their
//! figures: a server that is killed at any record, a clock that jumps at any step, a session that
//! is played back.

use crate::desk::PURSE;
use crate::letters::Whose;
use crate::place::bind_of;
use crate::street::{Guards, Street};
use core::time::Duration;
use gettone::core::board::{Code, Life};
use gettone::core::id::WalletId;
use gettone_channel::{Bind, Link, LinkMessage, Secret};
use gettone_relay::{Connection, Input, reader_in};
use gettone_store::Kept;

const WALLET: WalletId = WalletId::new(1);
const PRICE: u32 = 120;
/// Steps of a purchase, at most.
const STEPS_MAX: usize = 120;
/// Records of a purchase, at most.
const RECORDS_MAX: u64 = 60;
/// Who got no credit waits so long, and so often, and types the next code.
const WAIT: Duration = Duration::from_secs(31);
const WAITS_MAX: u32 = 3;
const TEN_YEARS: i64 = 10 * 365 * 86_400 * 1_000;

/// By which way a purchase goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Phone,
    Road,
}

/// What went over the two hops of a purchase.
#[derive(Default)]
struct Tape {
    up: Vec<Vec<u8>>,
    down: Vec<Vec<u8>>,
    link: Option<Bind>,
}

/// Somebody buys one thing at the first machine.
struct Purchase {
    street: Street,
    way: Way,
    link: Option<(Connection, Link)>,
    has_asked: bool,
    has_typed: bool,
    has_left: bool,
    waits: u32,
    tape: Tape,
    held_max: i64,
}

impl Purchase {
    fn begin(way: Way) -> Self {
        let mut purchase = Self {
            street: Street::open(7, Guards::ALL),
            way,
            link: None,
            has_asked: false,
            has_typed: false,
            has_left: false,
            waits: 0,
            tape: Tape::default(),
            held_max: 0,
        };
        let street = &mut purchase.street;
        let place = &mut street.places[0];
        match way {
            Way::Phone => {
                let code: [u8; 10] = street.dice.bytes();
                place.tell(Input::CodeSeen(Code::from_bytes(code)), &mut street.dice);
                let linked = place.link(&Secret::light(code).psk(), 0, &mut street.dice);
                let (connection, link) = linked.expect("an honest phone is let in");
                let bind = bind_of(&link);
                street.owners.insert(*bind.as_bytes(), WALLET);
                purchase.tape.link = Some(bind);
                purchase.link = Some((connection, link));
            }
            Way::Road => {
                place.wire.is_up = true;
                place.tell(Input::RoadUp, &mut street.dice);
            }
        }
        purchase
    }

    /// Goes on by one step; false when nothing is left to be done.
    fn step(&mut self) -> bool {
        let street = &mut self.street;
        let place = &mut street.places[0];
        place.sync(usize::MAX, &mut street.dice);
        if place.acts(&mut street.truth, &mut street.dice) {
            return true;
        }
        if place.has_session() && !self.has_asked {
            self.has_asked = true;
            place.ask_for(PRICE.into(), &mut street.dice);
            return true;
        }
        match self.way {
            Way::Phone => self.by_phone(),
            Way::Road => self.by_road(),
        }
    }

    fn by_phone(&mut self) -> bool {
        let Some((connection, mut link)) = self.link.take() else {
            return false;
        };
        let street = &mut self.street;
        let message = street.places[0].message(connection, &mut street.dice);
        let mut said = Vec::new();
        let is_over = self.has_left;
        match message.map(|message| link.open(&message).expect("in order")) {
            Some(LinkMessage::Envelope(envelope)) => {
                let bind = self.tape.link;
                // A phone asks again until it has an answer.
                let answers = loop {
                    if let Ok(answers) = street.desk.relay(&envelope, Some(WALLET), bind) {
                        break answers;
                    }
                };
                self.tape.up.push(envelope);
                self.tape.down.extend(answers.iter().cloned());
                said.extend(answers.into_iter().map(LinkMessage::Envelope));
            }
            Some(_) => {}
            None if self.has_left => {}
            None => {
                self.has_left = true;
                said.push(LinkMessage::Leave);
            }
        }
        let is_quiet = said.is_empty() && is_over;
        for message in said {
            let sealed = link.seal(&message).expect("it travels this way");
            let place = &mut street.places[0];
            place.tell(Input::Heard(connection, sealed), &mut street.dice);
        }
        let is_done = is_quiet && street.places[0].unacked() == 0;
        self.link = Some((connection, link));
        !is_done
    }

    fn by_road(&mut self) -> bool {
        let street = &mut self.street;
        let reader = reader_in(street.places[0].reader());
        if let Some(envelope) = street.places[0].wire.out.pop_front() {
            let answers = loop {
                if let Ok(answers) = street.desk.by_road(reader, Whose::Own, &envelope) {
                    break answers;
                }
            };
            self.tape.up.push(envelope);
            self.tape.down.extend(answers.iter().cloned());
            let place = &mut street.places[0];
            place.tell(Input::RoadTook, &mut street.dice);
            place.wire.back.extend(answers);
            return true;
        }
        if let Some(envelope) = street.places[0].wire.back.pop_front() {
            street.places[0].tell(Input::RoadHeard(envelope), &mut street.dice);
            return true;
        }
        let digits = street.places[0].sign.as_ref().and_then(|offer| offer.typed);
        if let (Some(digits), false) = (digits, self.has_typed) {
            let called = loop {
                let typed = street.desk.typed(reader, WALLET, digits, &mut street.dice);
                if let Ok(called) = typed {
                    break called;
                }
            };
            // A clock that has jumped meanwhile makes the digits another step's.
            let Some((envelope, bind, _)) = called else {
                return self.wait();
            };
            self.has_typed = true;
            street.owners.insert(*bind.as_bytes(), WALLET);
            self.tape.down.push(envelope.clone());
            street.places[0].wire.back.push_back(envelope);
            return true;
        }
        !self.has_asked && self.wait()
    }

    /// Nothing came of the call: the customer waits for the next code, and types that.
    fn wait(&mut self) -> bool {
        if self.waits >= WAITS_MAX {
            return false;
        }
        self.waits += 1;
        self.has_typed = false;
        let street = &mut self.street;
        street.desk.lapse();
        street
            .desk
            .jump(WAIT.as_millis().try_into().expect("short"));
        street.places[0].pass(WAIT, &mut street.dice);
        true
    }

    /// To its end, and then whatever is held is let go of by the next HELLO.
    fn finish(&mut self, mut between: impl FnMut(&mut Street, usize)) {
        for step in 0..STEPS_MAX {
            between(&mut self.street, step);
            let goes_on = self.step();
            self.look();
            if !goes_on {
                return;
            }
        }
        panic!("a purchase that does not end");
    }

    fn look(&mut self) {
        let looked = self.street.look();
        looked.expect("nothing is lost, doubled or invented");
        let held = self.street.books.held_in_all();
        self.held_max = self.held_max.max(held);
    }

    /// What the wallet has come to, and everything that was sold.
    fn figures(&mut self) -> (i64, i64, usize) {
        let left = self.street.desk.money(&[WALLET]);
        (left, self.street.books.paid(), self.street.books.sold())
    }

    fn bought(way: Way) -> Self {
        let mut purchase = Self::begin(way);
        purchase.finish(|_, _| {});
        assert_eq!(
            purchase.figures(),
            (PURSE - i64::from(PRICE), i64::from(PRICE), 1)
        );
        purchase
    }
}

#[test]
fn a_session_that_is_played_back_by_either_road_changes_no_balance() {
    for way in [Way::Phone, Way::Road] {
        let mut purchase = Purchase::bought(way);
        let before = purchase.figures();
        let tape = core::mem::take(&mut purchase.tape);
        let street = &mut purchase.street;
        let reader = reader_in(street.places[0].reader());
        let backwards: Vec<Vec<u8>> = tape.up.iter().rev().cloned().collect();
        for envelope in tape.up.iter().chain(&backwards) {
            // As it was brought, by nobody, in another's name, and by the road.
            for (account, link) in [
                (Some(WALLET), tape.link),
                (None, None),
                (Some(WalletId::new(2)), tape.link),
            ] {
                street.desk.relay(envelope, account, link).expect("it runs");
            }
            for whose in [Whose::Own, Whose::Stranger] {
                let came = street.desk.by_road(reader, whose, envelope);
                came.expect("it runs");
            }
            street.look().expect("nothing is doubled");
        }
        // The server's side, to the board: by its road, and by whoever links to it.
        let receipts = street.places[0].newest();
        street.places[0].tell(Input::RoadUp, &mut street.dice);
        for envelope in tape.down.iter().chain(tape.down.iter().rev()) {
            let heard = Input::RoadHeard(envelope.clone());
            street.places[0].tell(heard, &mut street.dice);
            street.places[0].sync(usize::MAX, &mut street.dice);
            assert!(!street.places[0].has_session(), "nothing is sold again");
        }
        assert_eq!(street.places[0].newest(), receipts, "and nothing happened");
        assert_eq!(purchase.figures(), before, "{way:?}");
    }
}

#[test]
fn a_server_killed_between_any_two_steps_of_a_purchase_has_the_same_books() {
    for way in [Way::Phone, Way::Road] {
        let calm = Purchase::bought(way).figures();
        for kept in [Kept::Nothing, Kept::Everything] {
            let mut kills = 0;
            for record in 1..RECORDS_MAX {
                let mut purchase = Purchase::begin(way);
                purchase.street.desk.tape.fail_frame(record, kept);
                purchase.finish(|_, _| {});
                if purchase.street.desk.crashes == 0 {
                    break;
                }
                kills += 1;
                assert_eq!(
                    purchase.figures(),
                    calm,
                    "{way:?}, {kept:?}, record {record}"
                );
            }
            println!("{way:?}, {kept:?}: killed at {kills} records");
            assert!(kills >= 5, "{way:?}: a purchase has more records");
        }
    }
}

#[test]
fn clocks_that_jump_ten_years_in_a_session_change_no_amount_and_extend_no_grant() {
    for way in [Way::Phone, Way::Road] {
        let calm = Purchase::bought(way);
        let (figures, held) = (
            (PURSE - i64::from(PRICE), i64::from(PRICE), 1),
            calm.held_max,
        );
        let mut sold = 0;
        for jump in [-TEN_YEARS, TEN_YEARS] {
            for at in 0..STEPS_MAX {
                let mut purchase = Purchase::begin(way);
                let mut steps = 0;
                purchase.finish(|street, step| {
                    steps = step;
                    if step == at {
                        street.desk.jump(jump);
                    }
                });
                let found = (purchase.figures(), purchase.held_max);
                // Digits of ten years ago are no digits: then nothing is bought, and nothing held.
                let is_unsold = way == Way::Road && found == ((PURSE, 0, 0), 0);
                assert!(
                    is_unsold || found == (figures, held),
                    "{way:?}, {jump} at step {at}: {found:?}"
                );
                sold += u32::from(!is_unsold);
                if steps < at {
                    break;
                }
            }
        }
        assert!(sold > 8, "{way:?}: sold in {sold} of them");
    }
}

/// A board that has a grant, and a server that says the time again and again: whatever it says, the
/// grant that nobody uses ends when it would have ended.
#[test]
fn a_grant_that_nobody_uses_ends_at_its_time_whatever_the_clock_says() {
    let ends_after = |jump: i64| {
        let mut purchase = Purchase::begin(Way::Phone);
        while purchase.street.places[0].life() != Life::Granted {
            assert!(purchase.step(), "it gets its grant");
        }
        let mut seconds = 0;
        while purchase.street.places[0].life() == Life::Granted {
            seconds += 1;
            purchase.street.desk.jump(jump);
            let place = &mut purchase.street.places[0];
            let answers = purchase.tape.up.first().cloned();
            if let Some(envelope) = answers.filter(|_| seconds % 7 == 0) {
                // The same HELLO again: TIME comes with its answer.
                let relayed = purchase.street.desk.relay(&envelope, None, None);
                for answer in relayed.expect("it runs") {
                    place.tell(Input::RoadHeard(answer), &mut purchase.street.dice);
                }
            }
            place.pass(Duration::from_secs(1), &mut purchase.street.dice);
            assert!(seconds <= 300, "a grant for ever");
        }
        seconds
    };
    let calm = ends_after(0);
    assert_eq!(ends_after(TEN_YEARS), calm);
    assert_eq!(ends_after(-TEN_YEARS), calm);
}
