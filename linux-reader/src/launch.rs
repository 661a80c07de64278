//! What a service manager starts: it chooses the program of this start and becomes it. It is the
//! packaged program, which no phone replaces; so it does little, and stays able to do it.

use crate::care::Programs;
use crate::config::Config;
use crate::release::Number;
use std::convert::Infallible;
use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which program runs: `packaged`, or its slot, its number and whether it is `good` or `new`.
const RUNS: &str = "GETTONE_FIRMWARE";
/// The program that was given up with this start.
const GIVEN_UP: &str = "GETTONE_FIRMWARE_GIVEN_UP";
/// The packaged program and two slots.
const CHOICES_MAX: usize = 3;

/// How this program was started, if by [`launch`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Launched {
    pub(crate) runs: Runs,
    /// The program that was given up with this start.
    pub(crate) given_up: Option<u32>,
}

/// Which program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Runs {
    Packaged,
    /// One that a phone brought.
    Brought {
        slot: char,
        number: u32,
        is_proved: bool,
    },
}

impl Launched {
    /// What the launcher has left for its program.
    pub(crate) fn from_env() -> Option<Self> {
        let runs = Runs::parse(&env::var(RUNS).ok()?)?;
        let given_up = env::var(GIVEN_UP).ok();
        Some(Self {
            runs,
            given_up: given_up.and_then(|number| number.parse().ok()),
        })
    }
}

impl Runs {
    /// Its number.
    pub(crate) fn number(self) -> Number {
        match self {
            Self::Packaged => Number::own(),
            Self::Brought { number, .. } => Number(number),
        }
    }

    /// The same, once a session has proved it.
    pub(crate) const fn proved(self) -> Self {
        match self {
            Self::Packaged => Self::Packaged,
            Self::Brought { slot, number, .. } => Self::Brought {
                slot,
                number,
                is_proved: true,
            },
        }
    }

    /// For people.
    pub(crate) fn to_words(self) -> String {
        let number = self.number();
        match self {
            Self::Packaged => format!("{number}, the packaged program"),
            Self::Brought {
                slot, is_proved, ..
            } => {
                let state = match is_proved {
                    true => "proved",
                    false => "on trial",
                };
                format!("{number}, brought, slot {slot}, {state}")
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["packaged"] => Some(Self::Packaged),
            [slot @ ("a" | "b"), number, state @ ("good" | "new")] => Some(Self::Brought {
                slot: slot.chars().next()?,
                number: number.parse().ok()?,
                is_proved: state == "good",
            }),
            _ => None,
        }
    }

    fn to_text(self) -> String {
        match self {
            Self::Packaged => "packaged".to_owned(),
            Self::Brought {
                slot,
                number,
                is_proved,
            } => format!("{slot} {number} {}", if is_proved { "good" } else { "new" }),
        }
    }
}

/// Becomes the program of this start; it comes back only where none can be started.
///
/// # Errors
/// When not even the packaged program can be started.
pub(crate) fn launch(config: &Path) -> Result<Infallible, LaunchFault> {
    let packaged = env::current_exe().map_err(LaunchFault::Unknown)?;
    let programs = Config::read_state(config).map(|state| Programs::of(&state, Vec::new()));
    let mut given_up = None;
    for _ in 0..CHOICES_MAX {
        let choice = programs
            .as_ref()
            .map(|programs| programs.choose(Number::own()));
        let program = choice.and_then(|choice| {
            given_up = choice.given_up.or(given_up);
            choice.program
        });
        let Some(program) = program else { break };
        let runs = Runs::Brought {
            slot: program.slot,
            number: program.number,
            is_proved: program.is_proved,
        };
        let fault = become_program(&program.path, config, runs, given_up);
        tracing::error!(number = program.number, %fault, "a program cannot be started");
        given_up = Some(program.number);
        let kept = programs
            .as_ref()
            .map(|programs| programs.give_up(program.number));
        if let Some(Err(fault)) = kept {
            tracing::error!(%fault, "that cannot be kept");
            break;
        }
    }
    let source = become_program(&packaged, config, Runs::Packaged, given_up);
    Err(LaunchFault::Start {
        path: packaged,
        source,
    })
}

/// Gives why it did not.
fn become_program(program: &Path, config: &Path, runs: Runs, given_up: Option<u32>) -> io::Error {
    tracing::info!(program = %program.display(), "{}", runs.to_words());
    let mut command = Command::new(program);
    command
        .args(["run", "--config"])
        .arg(config)
        .env(RUNS, runs.to_text())
        .env_remove(GIVEN_UP);
    if let Some(number) = given_up {
        command.env(GIVEN_UP, number.to_string());
    }
    command.exec()
}

/// Why no program runs.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum LaunchFault {
    #[error("the program does not know where it lies")]
    Unknown(#[source] io::Error),
    #[error("cannot start {path}")]
    Start { path: PathBuf, source: io::Error },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_read_as_it_was_written() {
        for runs in [
            Runs::Packaged,
            Runs::Brought {
                slot: 'b',
                number: 66_051,
                is_proved: false,
            },
            Runs::Brought {
                slot: 'a',
                number: 7,
                is_proved: true,
            },
        ] {
            assert_eq!(Runs::parse(&runs.to_text()), Some(runs));
        }
        for none in ["", "a", "c 1 good", "a 1 bad", "packaged 1"] {
            assert_eq!(Runs::parse(none), None, "{none}");
        }
    }
}
