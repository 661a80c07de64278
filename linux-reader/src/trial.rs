//! What a start shows of a package that no customer has proved yet. One that the machine knew for long
//! enough, or that stopped in order, has not failed: a machine that is switched off each night before
//! anybody has bought must not lose a good program.

use crate::care::{Programs, Shelf};
use crate::identity::IdentityFault;
use core::time::Duration;
use gettone_mdb::diagnosis::{Diagnosis, Finding};

/// How long the machine has to know this reader, without a break.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(600);
/// A start in which the machine did not know it for so long has failed.
pub(crate) const UNKNOWN_MAX: Duration = Duration::from_secs(6 * 3_600);

/// The packages that are on trial with this start.
#[derive(Debug)]
pub(crate) struct Trial {
    configuration: Option<(Shelf, u32)>,
    program: Option<(Programs, u32)>,
    machine: Knows,
    state: State,
}

/// Whether the machine knows this reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Knows {
    Never,
    Since(Duration),
    NoLonger,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// It has been said that this start did not fail.
    Passed,
}

impl Trial {
    /// What is on trial here: a configuration, a program, both or nothing.
    pub(crate) const fn new(
        configuration: Option<(Shelf, u32)>,
        program: Option<(Programs, u32)>,
    ) -> Self {
        let state = match (&configuration, &program) {
            (None, None) => State::Passed,
            (Some(_), _) | (_, Some(_)) => State::Open,
        };
        Self {
            configuration,
            program,
            machine: Knows::Never,
            state,
        }
    }

    /// Sees how the bus looks.
    pub(crate) fn see(&mut self, now: Duration, finding: Option<Finding>) {
        let is_known = finding.is_some_and(|finding| match finding.diagnosis {
            Diagnosis::Disabled | Diagnosis::Enabled => true,
            Diagnosis::Absent | Diagnosis::OtherDevice | Diagnosis::NeverPolled => false,
        });
        self.machine = match (self.machine, is_known) {
            (Knows::Since(since), true) => Knows::Since(since),
            (Knows::Never | Knows::NoLonger, true) => Knows::Since(now),
            (Knows::Never, false) => Knows::Never,
            (Knows::Since(_) | Knows::NoLonger, false) => Knows::NoLonger,
        };
        if self.known_until().is_some_and(|until| now >= until) {
            self.pass();
        }
    }

    /// The reader ends because it was told to.
    pub(crate) fn stop(&mut self) {
        if matches!(self.machine, Knows::Since(_)) {
            self.pass();
        }
    }

    /// Whether this start has failed without an end of its own.
    pub(crate) fn has_failed(&self, now: Duration) -> bool {
        self.failing_at().is_some_and(|at| now >= at)
    }

    /// When time alone decides something.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.known_until().or(self.failing_at())
    }

    fn known_until(&self) -> Option<Duration> {
        match (self.state, self.machine) {
            (State::Open, Knows::Since(since)) => Some(since.saturating_add(KNOWN_FOR)),
            (State::Open, Knows::Never | Knows::NoLonger) | (State::Passed, _) => None,
        }
    }

    fn failing_at(&self) -> Option<Duration> {
        (self.state == State::Open && self.machine == Knows::Never).then_some(UNKNOWN_MAX)
    }

    fn pass(&mut self) {
        if core::mem::replace(&mut self.state, State::Passed) == State::Passed {
            return;
        }
        if let Some((shelf, number)) = &self.configuration {
            told("configuration", *number, shelf.pass(*number));
        }
        if let Some((programs, number)) = &self.program {
            told("program", *number, programs.pass(*number));
        }
    }
}

fn told(what: &str, number: u32, passed: Result<bool, IdentityFault>) {
    match passed {
        Ok(true) => tracing::info!(number, "this start does not count against the {what}"),
        Ok(false) => {}
        Err(fault) => tracing::error!(%fault, number, "a start of the {what} cannot be taken back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_mdb::Address;

    const SECOND: Duration = Duration::from_secs(1);

    fn finding(diagnosis: Diagnosis) -> Option<Finding> {
        Some(Finding {
            diagnosis,
            since: Duration::ZERO,
            address: Address::First,
        })
    }

    /// A configuration on trial in its first start.
    fn tried(state: &std::path::Path) -> (Shelf, Trial) {
        let shelf = Shelf::of(state);
        std::fs::create_dir_all(state.join("care")).expect("room");
        std::fs::write(state.join("care/slots"), "current a 7 0\nfloor 0\n").expect("room");
        shelf.count_start().expect("room");
        let number = shelf.on_trial().expect("one");
        (shelf.clone(), Trial::new(Some((shelf, number)), None))
    }

    fn slots(state: &std::path::Path) -> String {
        std::fs::read_to_string(state.join("care/slots")).expect("kept")
    }

    #[test]
    fn a_start_counts_until_the_machine_has_known_the_reader_for_long_without_a_break() {
        let state = tempfile::tempdir().expect("a directory");
        let (_, mut trial) = tried(state.path());
        let failed = slots(state.path());
        let (known, lost) = (
            finding(Diagnosis::Disabled),
            finding(Diagnosis::NeverPolled),
        );
        trial.see(SECOND, known);
        assert_eq!(trial.due(), Some(SECOND + KNOWN_FOR));
        trial.see(KNOWN_FOR, known);
        trial.see(KNOWN_FOR, lost);
        // A break: all of it anew.
        trial.see(KNOWN_FOR + SECOND, known);
        trial.see(2 * KNOWN_FOR, known);
        assert_eq!(slots(state.path()), failed);
        trial.see(2 * KNOWN_FOR + SECOND, known);
        let passed = slots(state.path());
        assert_ne!(passed, failed);
        assert_eq!(trial.due(), None);
        // Once for each start.
        trial.see(9 * KNOWN_FOR, known);
        trial.stop();
        assert_eq!(slots(state.path()), passed);
    }

    #[test]
    fn an_orderly_stop_counts_against_nothing_that_the_machine_knows() {
        for (diagnosis, is_passed) in [
            (Diagnosis::Enabled, true),
            (Diagnosis::Disabled, true),
            (Diagnosis::Absent, false),
            (Diagnosis::NeverPolled, false),
            (Diagnosis::OtherDevice, false),
        ] {
            let state = tempfile::tempdir().expect("a directory");
            let (_, mut trial) = tried(state.path());
            let failed = slots(state.path());
            trial.see(SECOND, finding(diagnosis));
            trial.stop();
            assert_eq!(slots(state.path()) != failed, is_passed, "{diagnosis:?}");
        }
    }

    #[test]
    fn a_start_that_the_machine_never_knew_fails_after_six_hours() {
        let state = tempfile::tempdir().expect("a directory");
        let (_, mut trial) = tried(state.path());
        trial.see(SECOND, finding(Diagnosis::NeverPolled));
        assert_eq!(trial.due(), Some(UNKNOWN_MAX));
        assert!(!trial.has_failed(UNKNOWN_MAX - SECOND));
        assert!(trial.has_failed(UNKNOWN_MAX));
        // One that it knew for a moment waits: the machine may be off.
        trial.see(UNKNOWN_MAX, finding(Diagnosis::Enabled));
        trial.see(UNKNOWN_MAX, finding(Diagnosis::Absent));
        assert!(!trial.has_failed(9 * UNKNOWN_MAX));
        // And where nothing is on trial nothing fails.
        let nothing = Trial::new(None, None);
        assert_eq!(
            (nothing.due(), nothing.has_failed(Duration::MAX)),
            (None, false)
        );
    }
}
