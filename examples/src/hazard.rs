//! What goes wrong on a street, row by row of the protocol's table of faults, each to be played on
//! the real programs. Whatever breaks, the books are balanced afterwards.

mod claims;
mod light;
mod machine;
mod power;
mod relay;
mod road;
mod server;
mod stage;
mod stranger;
mod wire;

use crate::fault::StreetFault;
use crate::transcript::Transcript;
use stage::Stage;

/// One thing that goes wrong.
#[derive(Clone, Copy)]
pub struct Hazard {
    /// What it is called.
    pub name: &'static str,
    /// What breaks, and how it is played where the street cannot do quite that.
    pub fault: &'static str,
    /// Who bears it.
    pub bears: &'static str,
    /// How long it takes.
    pub pace: Pace,
    play: fn(&Stage) -> Result<(), StreetFault>,
}

/// How long a hazard takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// A few seconds.
    Quick,
    /// Longer: somebody waits for a limit to run out, or starts again and again.
    Slow,
}

impl Hazard {
    /// Every one, in the order of the protocol's table.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [
            server::HAZARDS,
            relay::HAZARDS,
            power::HAZARDS,
            machine::HAZARDS,
            light::HAZARDS,
            road::HAZARDS,
            stranger::HAZARDS,
        ]
        .into_iter()
        .flatten()
    }

    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|hazard| hazard.name == name)
    }

    /// Plays it on a street of its own, and audits the books; whether they are balanced.
    ///
    /// # Errors
    /// `StreetFault` when something else happens than should.
    pub fn play(&self, transcript: &Transcript) -> Result<bool, StreetFault> {
        transcript.scene(self.name);
        transcript.plain(&format!("what breaks: {}", self.fault));
        let stage = Stage::open(transcript)?;
        (self.play)(&stage)?;
        transcript.plain(&format!("who bears it: {}", self.bears));
        stage.close()
    }
}
