//! What every virtual actor is: state, commands that may be refused, events that may not.

use crate::time::Timestamp;

/// One virtual actor: it decides on a command without changing, and changes by an event without
/// deciding. Replaying its events rebuilds it.
///
/// The default value is an entity that nobody has opened yet.
pub trait Entity: Default {
    /// What it can be asked to do.
    type Command;
    /// What has happened to it.
    type Event;
    /// A "no" that the asker can see, with its figures.
    type Refusal;

    /// Decides on `command`, without changing anything: a new event, or none when the command's
    /// effect already stands (which makes every retry harmless).
    ///
    /// # Errors
    /// The entity's refusal, when its rules forbid the command.
    fn decide(
        &self,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Option<Self::Event>, Self::Refusal>;

    /// Takes `event` in. It holds for every event that `decide` gave on this same state.
    fn evolve(&mut self, event: &Self::Event);
}
