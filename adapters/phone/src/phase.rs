//! Where a visit stands, and the steps between.

/// Where a visit stands. What the reader is doing its STATUS says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// No visit.
    Away,
    /// The code is shown; the reader that saw it is looked for.
    Seeking,
    /// A connection stands; Link 2 is awaited.
    Linking,
    /// The link is up.
    Linked,
    /// The link was lost in a session; the same reader is looked for.
    Resuming,
    /// A connection stands again; Link 2 is awaited.
    Relinking,
}

/// What may move a visit on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// A code is shown.
    Shown,
    /// The radio has connected.
    Connected,
    /// Link 2 was good.
    LinkUp,
    /// The connection is gone, or good for nothing.
    Lost,
    /// The same, in a session that can be taken up again.
    LostInSession,
    /// The phase has lasted too long.
    TimedOut,
    /// The customer gives it up.
    Ended,
}

impl Phase {
    /// Every phase, in the order of a visit.
    pub const ALL: [Self; 6] = [
        Self::Away,
        Self::Seeking,
        Self::Linking,
        Self::Linked,
        Self::Resuming,
        Self::Relinking,
    ];

    /// The phase after `step`, or none where the table has no such step.
    #[rustfmt::skip]
    pub const fn after(self, step: Step) -> Option<Self> {
        use Phase::{Away, Linked, Linking, Relinking, Resuming, Seeking};
        Some(match (self, step) {
            (Away,      Step::Shown)         => Seeking,
            (Seeking,   Step::Connected)     => Linking,
            (Seeking,   Step::TimedOut)      => Away,
            (Seeking,   Step::Ended)         => Away,
            (Linking,   Step::LinkUp)        => Linked,
            (Linking,   Step::Lost)          => Seeking,
            (Linking,   Step::TimedOut)      => Away,
            (Linking,   Step::Ended)         => Away,
            (Linked,    Step::Lost)          => Away,
            (Linked,    Step::LostInSession) => Resuming,
            (Linked,    Step::Ended)         => Away,
            (Resuming,  Step::Connected)     => Relinking,
            (Resuming,  Step::TimedOut)      => Away,
            (Resuming,  Step::Ended)         => Away,
            (Relinking, Step::LinkUp)        => Linked,
            (Relinking, Step::Lost)          => Resuming,
            (Relinking, Step::TimedOut)      => Away,
            (Relinking, Step::Ended)         => Away,
            _ => return None,
        })
    }
}

impl Step {
    /// Every step, in the order of a visit.
    pub const ALL: [Self; 7] = [
        Self::Shown,
        Self::Connected,
        Self::LinkUp,
        Self::Lost,
        Self::LostInSession,
        Self::TimedOut,
        Self::Ended,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_visit_of_a_phone_is_this_picture() {
        let expected = "
           Shown     Connected LinkUp    Lost      LostInSession TimedOut  Ended
Away       Seeking   .         .         .         .         .         .
Seeking    .         Linking   .         .         .         Away      Away
Linking    .         .         Linked    Seeking   .         Away      Away
Linked     .         .         .         Away      Resuming  .         Away
Resuming   .         Relinking .         .         .         Away      Away
Relinking  .         .         Linked    Resuming  .         Away      Away
";
        let line = |first: String, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!("{cell:<9} ")).collect();
            format!("{}\n", format!("{first:<11}{cells}").trim_end())
        };
        let head = Step::ALL.iter().map(|step| format!("{step:?}")).collect();
        let mut picture = format!("\n{}", line(String::new(), head));
        for phase in Phase::ALL {
            let cells = Step::ALL.iter().map(|step| {
                let next = phase.after(*step);
                next.map_or(".".to_owned(), |next| format!("{next:?}"))
            });
            picture += &line(format!("{phase:?}"), cells.collect());
        }
        assert_eq!(picture, expected);
    }
}
