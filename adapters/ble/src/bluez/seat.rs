//! Who sits at the reader: one central at most, and nobody while the door is shut.

/// What the radio tells of centrals, doors and pipes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fact<A> {
    /// The reader advertises.
    DoorOpened,
    /// It does not advertise any more.
    DoorShut,
    /// A connection has come up.
    Came(A),
    /// A central has written or read: its connection is up, whether we have been told so or not.
    Spoke(A),
    /// A connection has ended.
    Went(A),
    /// Whoever used the connection has let it go.
    Released(SeatNumber),
    /// The controller, or its daemon, is gone, and every connection with it.
    RadioLost,
}

/// What has to be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed<A> {
    /// Nothing.
    Nothing,
    /// A new connection for whoever waits for one.
    Seat(A, SeatNumber),
    /// The connection has ended: whoever uses it has to know.
    Unseat(SeatNumber),
    /// The central has no business here.
    Drop(A),
    /// The central sits here: what it does is taken.
    Serve(SeatNumber),
}

/// One connection, never confused with another one of the same central.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SeatNumber(u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    Open,
    Shut,
}

/// The one seat.
#[derive(Debug)]
pub(super) struct Seat<A> {
    door: Door,
    taken: Option<(A, SeatNumber)>,
    /// It was let go and is not yet seen to be gone: it does not get the seat again by speaking.
    leaving: Option<A>,
    last: SeatNumber,
}

impl<A: Copy + Eq> Seat<A> {
    pub(super) const fn new() -> Self {
        Self {
            door: Door::Shut,
            taken: None,
            leaving: None,
            last: SeatNumber(0),
        }
    }

    pub(super) fn handle(&mut self, fact: Fact<A>) -> Deed<A> {
        match fact {
            Fact::DoorOpened => {
                self.door = Door::Open;
                Deed::Nothing
            }
            Fact::DoorShut => {
                self.door = Door::Shut;
                Deed::Nothing
            }
            Fact::Came(central) => {
                if self.leaving == Some(central) {
                    self.leaving = None;
                }
                match self.admit(central) {
                    Deed::Serve(_) => Deed::Nothing,
                    deed @ (Deed::Nothing | Deed::Seat(..) | Deed::Unseat(_) | Deed::Drop(_)) => {
                        deed
                    }
                }
            }
            Fact::Spoke(central) => self.admit(central),
            Fact::Went(central) => {
                if self.leaving == Some(central) {
                    self.leaving = None;
                }
                match self.taken {
                    Some((taken, number)) if taken == central => {
                        self.taken = None;
                        Deed::Unseat(number)
                    }
                    Some(_) | None => Deed::Nothing,
                }
            }
            Fact::Released(number) => match self.taken {
                Some((central, taken)) if taken == number => {
                    self.taken = None;
                    self.leaving = Some(central);
                    Deed::Drop(central)
                }
                Some(_) | None => Deed::Nothing,
            },
            Fact::RadioLost => {
                self.leaving = None;
                self.door = Door::Shut;
                match self.taken.take() {
                    Some((_, number)) => Deed::Unseat(number),
                    None => Deed::Nothing,
                }
            }
        }
    }

    fn admit(&mut self, central: A) -> Deed<A> {
        match (self.taken, self.door) {
            (Some((taken, number)), _) if taken == central => Deed::Serve(number),
            (None, Door::Open) if self.leaving != Some(central) => {
                self.last = SeatNumber(self.last.0.saturating_add(1));
                self.taken = Some((central, self.last));
                Deed::Seat(central, self.last)
            }
            (Some(_) | None, _) => Deed::Drop(central),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state the seat can be in, against everything it can be told, with what is done and
    /// who sits there then. `a` is the central that has or had the seat, `b` another one.
    #[test]
    fn the_whole_table_of_the_seat_is_this() {
        use Fact::{Came, DoorOpened, DoorShut, RadioLost, Released, Spoke, Went};
        let first = SeatNumber(1);
        let states: [(&str, &[Fact<char>]); 6] = [
            ("shut", &[]),
            ("open", &[DoorOpened]),
            ("taken open", &[DoorOpened, Came('a')]),
            ("taken shut", &[DoorOpened, Came('a'), DoorShut]),
            ("left open", &[DoorOpened, Came('a'), Released(first)]),
            (
                "left shut",
                &[DoorOpened, Came('a'), DoorShut, Released(first)],
            ),
        ];
        let facts = [
            ("a comes", Came('a')),
            ("a speaks", Spoke('a')),
            ("a goes", Went('a')),
            ("b comes", Came('b')),
            ("b speaks", Spoke('b')),
            ("b goes", Went('b')),
            ("released", Released(first)),
            ("lost", RadioLost),
        ];
        let mut picture = format!("{:11}", "");
        for (name, _) in facts {
            picture += &format!("{name:13}");
        }
        for (name, before) in states {
            picture += &format!("\n{name:11}");
            for (_, fact) in facts {
                let mut seat = Seat::new();
                for earlier in before {
                    seat.handle(*earlier);
                }
                let done = match seat.handle(fact) {
                    Deed::Nothing => ".".to_owned(),
                    Deed::Seat(who, SeatNumber(number)) => format!("seat {who}{number}"),
                    Deed::Unseat(SeatNumber(number)) => format!("unseat {number}"),
                    Deed::Drop(who) => format!("drop {who}"),
                    Deed::Serve(SeatNumber(number)) => format!("serve {number}"),
                };
                let sits = seat.taken.map_or('-', |(who, _)| who);
                picture += &format!("{:13}", format!("{done}, {sits}"));
            }
        }
        let picture: Vec<&str> = picture.lines().map(str::trim_end).collect();
        assert_eq!(picture.join("\n"), GOLDEN);
    }

    #[rustfmt::skip]
    const GOLDEN: &str = "           a comes      a speaks     a goes       b comes      b speaks     b goes       released     lost
shut       drop a, -    drop a, -    ., -         drop b, -    drop b, -    ., -         ., -         ., -
open       seat a1, a   seat a1, a   ., -         seat b1, b   seat b1, b   ., -         ., -         ., -
taken open ., a         serve 1, a   unseat 1, -  drop b, a    drop b, a    ., a         drop a, -    unseat 1, -
taken shut ., a         serve 1, a   unseat 1, -  drop b, a    drop b, a    ., a         drop a, -    unseat 1, -
left open  seat a2, a   drop a, -    ., -         seat b2, b   seat b2, b   ., -         ., -         ., -
left shut  drop a, -    drop a, -    ., -         drop b, -    drop b, -    ., -         ., -         ., -";

    #[test]
    fn a_central_that_was_let_go_may_come_back_once_it_has_been_gone() {
        let mut seat = Seat::new();
        seat.handle(Fact::DoorOpened);
        assert_eq!(seat.handle(Fact::Came('a')), Deed::Seat('a', SeatNumber(1)));
        assert_eq!(seat.handle(Fact::Released(SeatNumber(1))), Deed::Drop('a'));
        assert_eq!(seat.handle(Fact::Spoke('a')), Deed::Drop('a'));
        assert_eq!(seat.handle(Fact::Went('a')), Deed::Nothing);
        assert_eq!(
            seat.handle(Fact::Spoke('a')),
            Deed::Seat('a', SeatNumber(2))
        );
        // What was said of the first connection does not touch the second.
        assert_eq!(seat.handle(Fact::Released(SeatNumber(1))), Deed::Nothing);
        assert_eq!(seat.handle(Fact::Spoke('a')), Deed::Serve(SeatNumber(2)));
    }
}
