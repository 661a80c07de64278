//! The seven states of a board and the steps between them (protocol section 6.2).

/// Where a board stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Life {
    /// Nobody is here; the light sensor is watched.
    Idle,
    /// A code was seen; the radio waits for the phone that showed it.
    Advertising,
    /// A phone is linked; the server's word is awaited.
    Linked,
    /// The server has held money for this customer.
    Granted,
    /// An INTENT is open: the machine is asked, or about to be.
    Vending,
    /// An INTENT is open and the machine says nothing; the phone is free to go.
    Waiting,
    /// The grant is over; its CLOSE is being written and the machine's session ended.
    Closing,
}

/// What may move a board from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// A pairing code was decoded.
    CodeSeen,
    /// A phone has passed Link 1.
    LinkUp,
    /// The link is gone, by a disconnect or a LEAVE.
    LinkLost,
    /// The state's own time is over.
    TimedOut,
    /// A GRANT was accepted.
    Granted,
    /// An INTENT was opened.
    Asked,
    /// The INTENT's receipt is synced and the grant goes on.
    Ended,
    /// The INTENT's receipt is synced and the grant is over.
    EndedLast,
    /// The grant is over and no INTENT is open.
    Over,
    /// CLOSE is synced, the machine's session ended, a phone still linked.
    ClosedLinked,
    /// CLOSE is synced, the machine's session ended, nobody linked.
    ClosedAlone,
    /// A light grant was taken.
    LightGranted,
}

impl Life {
    /// Every state, in the order of a purchase.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Advertising,
        Self::Linked,
        Self::Granted,
        Self::Vending,
        Self::Waiting,
        Self::Closing,
    ];

    /// The state after `step`, or none where the table has no such step.
    #[rustfmt::skip]
    pub const fn after(self, step: Step) -> Option<Self> {
        use Life::{Advertising, Closing, Granted, Idle, Linked, Vending, Waiting};
        Some(match (self, step) {
            (Idle,        Step::CodeSeen)     => Advertising,
            (Idle,        Step::LinkUp)       => Linked,
            (Idle,        Step::LightGranted) => Granted,
            (Advertising, Step::LinkUp)       => Linked,
            (Advertising, Step::TimedOut)     => Idle,
            (Linked,      Step::Granted)      => Granted,
            (Linked,      Step::LinkLost)     => Idle,
            (Linked,      Step::TimedOut)     => Idle,
            (Granted,     Step::Asked)        => Vending,
            (Granted,     Step::Over)         => Closing,
            (Vending,     Step::Ended)        => Granted,
            (Vending,     Step::EndedLast)    => Closing,
            (Vending,     Step::TimedOut)     => Waiting,
            (Waiting,     Step::EndedLast)    => Closing,
            (Closing,     Step::ClosedLinked) => Linked,
            (Closing,     Step::ClosedAlone)  => Idle,
            _ => return None,
        })
    }
}

impl Step {
    /// Every step, in the order of a purchase.
    pub const ALL: [Self; 12] = [
        Self::CodeSeen,
        Self::LinkUp,
        Self::LinkLost,
        Self::TimedOut,
        Self::Granted,
        Self::Asked,
        Self::Ended,
        Self::EndedLast,
        Self::Over,
        Self::ClosedLinked,
        Self::ClosedAlone,
        Self::LightGranted,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_life_of_a_board_is_this_picture() {
        let expected = "
             CodeSeen     LinkUp       LinkLost     TimedOut     Granted      Asked        Ended        EndedLast    Over         ClosedLinked ClosedAlone  LightGranted
Idle         Advertising  Linked       .            .            .            .            .            .            .            .            .            Granted
Advertising  .            Linked       .            Idle         .            .            .            .            .            .            .            .
Linked       .            .            Idle         Idle         Granted      .            .            .            .            .            .            .
Granted      .            .            .            .            .            Vending      .            .            Closing      .            .            .
Vending      .            .            .            Waiting      .            .            Granted      Closing      .            .            .            .
Waiting      .            .            .            .            .            .            .            Closing      .            .            .            .
Closing      .            .            .            .            .            .            .            .            .            Linked       Idle         .
";
        assert_eq!(picture(), expected);
    }

    fn picture() -> String {
        let line = |first: String, rest: Vec<String>| {
            let cells = rest.iter().map(|cell| format!("{cell:<13}"));
            let text = format!("{first:<13}{}", cells.collect::<String>());
            format!("{}\n", text.trim_end())
        };
        let head = Step::ALL.iter().map(|step| format!("{step:?}")).collect();
        let mut picture = format!("\n{}", line(String::new(), head));
        for life in Life::ALL {
            let cells = Step::ALL.iter().map(|step| {
                life.after(*step)
                    .map_or(".".to_owned(), |next| format!("{next:?}"))
            });
            picture += &line(format!("{life:?}"), cells.collect());
        }
        picture
    }
}
