//! What is the matter on the bus, found out by listening: for a technician, and for a reader that must not talk into
//! another one's answers.
//!
//! A device hears the controller only, never the other devices. That somebody else has its address shows in what the
//! controller does next: it acknowledges what this device never said, or goes on as only an answered controller would.
//!
//! ```
//! use core::time::Duration;
//! use gettone_mdb::diagnosis::{Diagnosis, Watch};
//! use gettone_mdb::{Address, Command, Frame};
//!
//! let mut watch = Watch::new(Address::First, Duration::ZERO);
//! let coins = Frame::from_controller(&Command::Poll.print(Address::Second));
//! for word in coins.iter() {
//!     watch.heard(Duration::from_secs(1), *word);
//! }
//! let finding = watch.finding(Duration::from_secs(2));
//! assert_eq!(finding.diagnosis, Diagnosis::NeverPolled);
//! assert!(finding.to_string().contains("10H"));
//! ```

use core::fmt;
use core::time::Duration;

use crate::bounds::{NON_RESPONSE, UNPOLLED_MAX, WORDLESS_MAX};
use crate::cashless::State;
use crate::command::{Address, Command};
use crate::ear::{DeviceEar, FromController};
use crate::options::Layout;
use crate::word::{ACK, Word};

/// How the bus looks from this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnosis {
    /// Nobody talks.
    Absent,
    /// Somebody else answers at this device's address.
    OtherDevice,
    /// The controller talks, and never to this device.
    NeverPolled,
    /// The controller knows this device and lets no customer use it.
    Disabled,
    /// The controller takes cashless customers.
    Enabled,
}

/// What holds, and since when. Written out it is a sentence for a technician.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What holds.
    pub diagnosis: Diagnosis,
    /// Since when, as uptime.
    pub since: Duration,
    /// The address of the device that listens.
    pub address: Address,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.base();
        let (own, other) = match self.address {
            Address::First => (1, 2),
            Address::Second => (2, 1),
        };
        match self.diagnosis {
            Diagnosis::Absent => f.write_str(
                "nothing is heard on the MDB bus: check that the machine is on, and the MDB cable",
            ),
            Diagnosis::OtherDevice => write!(
                f,
                "another device answers at address {address:02X}H: unplug it, or make this reader cashless device {other}",
            ),
            Diagnosis::NeverPolled => write!(
                f,
                "the machine talks to other devices and never to address {address:02X}H: switch its cashless device {own} on",
            ),
            Diagnosis::Disabled => f.write_str(
                "the machine polls this reader and keeps it disabled: look for an error, an open door or a setting of the machine",
            ),
            Diagnosis::Enabled => f.write_str("the machine takes cashless customers"),
        }
    }
}

/// Listens for one device.
#[derive(Clone, Debug)]
pub struct Watch {
    address: Address,
    ear: DeviceEar,
    /// As far as the controller's own words tell it.
    layout: Layout,
    began: Duration,
    /// The newest word of anybody's block.
    word_at: Option<Duration>,
    /// Since when words come without a long pause.
    words_since: Duration,
    addressed_at: Option<Duration>,
    answers: Answers,
    other_since: Option<Duration>,
    state: State,
    state_since: Duration,
}

/// How the controller's commands to this address fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// This device answers them.
    Ours,
    /// This device has said nothing since then.
    None {
        since: Duration,
        /// The last command was a RESET: a controller without an answer says nothing else.
        reset: AfterReset,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterReset {
    Yes,
    No,
}

impl Watch {
    /// A device that begins to listen.
    #[must_use]
    pub fn new(address: Address, now: Duration) -> Self {
        Self {
            address,
            ear: DeviceEar::new(address),
            layout: Layout::TWO,
            began: now,
            word_at: None,
            words_since: now,
            addressed_at: None,
            // Nothing was said yet that could have gone unanswered.
            answers: Answers::Ours,
            other_since: None,
            state: State::Inactive,
            state_since: now,
        }
    }

    /// The controller sent a word.
    pub fn heard(&mut self, now: Duration, word: Word) {
        let silent = self.word_at.is_none_or(|at| is_over(now, at, WORDLESS_MAX));
        if silent {
            self.words_since = now;
        }
        self.word_at = Some(now);
        match self.ear.hear(now, word) {
            Some(FromController::Command(command)) => self.commanded(now, command),
            // Nobody but a device that has just spoken is acknowledged.
            Some(FromController::Lone(ACK)) if self.answers != Answers::Ours => self.other(now),
            Some(FromController::Lone(_)) | None => {}
        }
    }

    /// This device answered.
    pub fn answered(&mut self) {
        self.answers = Answers::Ours;
        self.other_since = None;
    }

    /// Where the device itself stands.
    pub fn stands(&mut self, now: Duration, state: State) {
        if is_open(self.state) != is_open(state) {
            self.state_since = now;
        }
        self.state = state;
    }

    fn commanded(&mut self, now: Duration, command: Command) {
        self.layout = self.layout.after(&command);
        self.ear.read_by(self.layout);
        self.addressed_at = Some(now);
        let since = match self.answers {
            Answers::None { since, .. } => since,
            // Until our answer to this very command is told, it counts as unanswered.
            Answers::Ours => now,
        };
        let before = match self.answers {
            Answers::None { reset, .. } => reset,
            Answers::Ours => AfterReset::No,
        };
        let reset = match (command, before) {
            (Command::Reset, AfterReset::Yes) => {
                // RESET again and nothing between: nobody answered the first.
                self.other_since = None;
                AfterReset::Yes
            }
            (Command::Reset, AfterReset::No) => AfterReset::Yes,
            // A POLL may follow any unanswered command; everything else needs an answered RESET.
            (Command::Poll, before) => before,
            (_, AfterReset::Yes) => {
                self.other(now);
                AfterReset::No
            }
            (_, AfterReset::No) => AfterReset::No,
        };
        // Without an answer a controller gives up and says RESET: this one goes on.
        if command != Command::Reset && reset == AfterReset::No && is_over(now, since, NON_RESPONSE)
        {
            self.other(now);
        }
        let since = if command == Command::Reset {
            now
        } else {
            since
        };
        self.answers = Answers::None { since, reset };
    }

    fn other(&mut self, now: Duration) {
        self.other_since.get_or_insert(now);
    }

    /// Whether somebody else answers at this device's address.
    #[must_use]
    pub const fn is_other_device(&self) -> bool {
        self.other_since.is_some()
    }

    /// What holds now.
    #[must_use]
    pub fn finding(&self, now: Duration) -> Finding {
        let (diagnosis, since) = self.diagnose(now);
        Finding {
            diagnosis,
            since,
            address: self.address,
        }
    }

    fn diagnose(&self, now: Duration) -> (Diagnosis, Duration) {
        let Some(word_at) = self.word_at else {
            return (Diagnosis::Absent, self.began);
        };
        if is_over(now, word_at, WORDLESS_MAX) {
            return (Diagnosis::Absent, word_at);
        }
        let addressed = self
            .addressed_at
            .filter(|at| !is_over(now, *at, UNPOLLED_MAX));
        match (addressed, self.other_since) {
            (None, _) => {
                let since = self.addressed_at.unwrap_or(self.words_since);
                (Diagnosis::NeverPolled, since)
            }
            (Some(_), Some(since)) => (Diagnosis::OtherDevice, since),
            (Some(_), None) if is_open(self.state) => (Diagnosis::Enabled, self.state_since),
            (Some(_), None) => (Diagnosis::Disabled, self.state_since.max(self.words_since)),
        }
    }
}

fn is_open(state: State) -> bool {
    match state {
        State::Inactive | State::Disabled => false,
        State::Enabled
        | State::SessionIdle
        | State::Vend
        | State::Revalue
        | State::NegativeVend => true,
    }
}

fn is_over(now: Duration, since: Duration, patience: Duration) -> bool {
    now.saturating_sub(since) >= patience
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Frame;
    use crate::word::Mode;

    fn second(at: u64) -> Duration {
        Duration::from_secs(at)
    }

    fn say(watch: &mut Watch, at: Duration, address: Address, command: Command) {
        for word in Frame::from_controller(&command.print(address)).iter() {
            watch.heard(at, *word);
        }
    }

    fn ack(watch: &mut Watch, at: Duration) {
        watch.heard(at, Word::new(Mode::Data, ACK));
    }

    fn found(watch: &Watch, at: u64) -> (Diagnosis, u64) {
        let finding = watch.finding(second(at));
        (finding.diagnosis, finding.since.as_secs())
    }

    fn watch() -> Watch {
        Watch::new(Address::First, second(1))
    }

    #[test]
    fn a_dead_line_is_absent_and_so_is_one_that_falls_silent() {
        let mut watch = watch();
        assert_eq!(found(&watch, 100), (Diagnosis::Absent, 1));
        say(&mut watch, second(100), Address::Second, Command::Poll);
        assert_eq!(found(&watch, 101), (Diagnosis::NeverPolled, 100));
        assert_eq!(found(&watch, 200), (Diagnosis::Absent, 100));
    }

    #[test]
    fn a_machine_that_knows_only_other_devices_never_polls_this_one() {
        let mut watch = watch();
        for at in 2..60 {
            say(&mut watch, second(at), Address::Second, Command::Poll);
        }
        assert_eq!(found(&watch, 60), (Diagnosis::NeverPolled, 2));
        say(&mut watch, second(60), Address::First, Command::Reset);
        assert_eq!(found(&watch, 61).0, Diagnosis::Disabled);
    }

    #[test]
    fn an_acknowledged_answer_that_was_not_ours_is_another_devices() {
        let mut watch = watch();
        say(&mut watch, second(2), Address::First, Command::Poll);
        ack(&mut watch, second(2));
        assert_eq!(found(&watch, 3), (Diagnosis::OtherDevice, 2));
        assert!(watch.is_other_device());
    }

    #[test]
    fn a_controller_that_goes_on_after_reset_was_answered_by_somebody() {
        let mut watch = watch();
        say(&mut watch, second(2), Address::First, Command::Reset);
        say(&mut watch, second(3), Address::First, Command::Poll);
        assert_eq!(found(&watch, 3).0, Diagnosis::Disabled);
        say(&mut watch, second(4), Address::First, Command::Enable);
        assert_eq!(found(&watch, 4), (Diagnosis::OtherDevice, 4));
    }

    #[test]
    fn polls_that_go_on_unanswered_are_answered_by_somebody() {
        let mut watch = watch();
        for at in 100..=105 {
            assert_eq!(watch.other_since, None);
            say(&mut watch, second(at), Address::First, Command::Poll);
        }
        assert_eq!(found(&watch, 105), (Diagnosis::OtherDevice, 105));
    }

    #[test]
    fn resets_that_nobody_answers_end_the_suspicion() {
        let mut watch = watch();
        say(&mut watch, second(2), Address::First, Command::Poll);
        ack(&mut watch, second(2));
        assert!(watch.is_other_device());
        say(&mut watch, second(12), Address::First, Command::Reset);
        assert!(watch.is_other_device());
        say(&mut watch, second(22), Address::First, Command::Reset);
        assert!(!watch.is_other_device());
    }

    #[test]
    fn our_own_answers_are_never_taken_for_another_devices() {
        let mut watch = watch();
        for at in 2..60 {
            say(&mut watch, second(at), Address::First, Command::Poll);
            watch.answered();
            ack(&mut watch, second(at));
        }
        assert_eq!(found(&watch, 60).0, Diagnosis::Disabled);
        watch.stands(second(60), State::Enabled);
        watch.stands(second(61), State::Vend);
        assert_eq!(found(&watch, 62), (Diagnosis::Enabled, 60));
    }

    #[test]
    fn every_finding_is_a_sentence() {
        for diagnosis in [
            Diagnosis::Absent,
            Diagnosis::OtherDevice,
            Diagnosis::NeverPolled,
            Diagnosis::Disabled,
            Diagnosis::Enabled,
        ] {
            let finding = Finding {
                diagnosis,
                since: Duration::ZERO,
                address: Address::Second,
            };
            assert!(finding.to_string().len() > 20);
        }
    }
}
