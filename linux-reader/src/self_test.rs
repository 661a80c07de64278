//! The self-test: what an installer has to know before the board is closed up.

mod parts;
mod place;

use crate::config::Config;
use crate::status::{Found, Status};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// What was found in one part of the board.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

/// How good that is.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// The board sells, but something is not as it should be.
    Warn,
    /// The board does not sell.
    Fail,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            found: found.into(),
            todo: None,
        }
    }

    fn warn(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Warn,
            found: found.into(),
            todo: Some(todo.into()),
        }
    }

    fn fail(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(name, found, todo)
        }
    }

    /// Everything that is said about a fault, to its last cause.
    fn fault(name: &'static str, fault: &dyn std::error::Error, todo: impl Into<String>) -> Self {
        Self::fail(name, told(fault), todo)
    }

    fn print(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let mut text = format!("{verdict}  {:<14} {}\n", self.name, self.found);
        if let Some(todo) = &self.todo {
            text += &format!("      {:<14} -> {todo}\n", "");
        }
        text
    }
}

/// What a board found of itself.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) checks: Vec<Check>,
}

/// How a report is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Tests the board that the file at `path` configures; as text, each line appears as soon as it is
/// known.
pub(crate) fn self_test(path: &Path, form: Form, out: &mut impl Write) -> io::Result<Verdict> {
    let mut checks = Vec::new();
    let mut take = |check: Check, out: &mut dyn Write| -> io::Result<()> {
        if form == Form::Text {
            out.write_all(check.print().as_bytes())?;
            out.flush()?;
        }
        checks.push(check);
        Ok(())
    };
    match Config::read(path) {
        Err(fault) => take(
            Check::fault(
                "configuration",
                &fault,
                "correct it; gettone-reader config check says whether it is good",
            ),
            out,
        )?,
        Ok(config) => {
            let found = format!(
                "machine {}, {}, {}, from {}",
                config.machine,
                config.currency,
                config.language,
                path.display()
            );
            take(Check::ok("configuration", found), out)?;
            let running = running(&config);
            for test in place::TESTS {
                take(test(&config), out)?;
            }
            for test in parts::TESTS {
                take(test(&config, running.as_ref()), out)?;
            }
        }
    }
    let verdict = checks.iter().map(|check| check.verdict).max();
    let verdict = verdict.unwrap_or(Verdict::Ok);
    let count = |wanted| {
        checks
            .iter()
            .filter(|check| check.verdict == wanted)
            .count()
    };
    match form {
        Form::Text => writeln!(
            out,
            "{} ok, {} to look at, {} failed",
            count(Verdict::Ok),
            count(Verdict::Warn),
            count(Verdict::Fail)
        )?,
        Form::Json => {
            let report = Report { verdict, checks };
            let text = serde_json::to_string(&report).map_err(io::Error::other)?;
            writeln!(out, "{text}")?;
        }
    }
    Ok(verdict)
}

/// The reader that works with the same state directory at present, as it tells of itself.
fn running(config: &Config) -> Option<Status> {
    match Status::find(config.status.as_ref()?) {
        Ok(Found::Running(status)) => Some(status),
        Ok(Found::Stale(_) | Found::Nothing) | Err(_) => None,
    }
}

fn told(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(fault) = source {
        text += &format!(": {fault}");
        source = fault.source();
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_good_says_what_to_do() {
        assert_eq!(
            Check::ok("clock", "runs").print(),
            "ok    clock          runs\n"
        );
        assert_eq!(
            Check::warn("lamp", "none", "wire one").print(),
            "warn  lamp           none\n                     -> wire one\n"
        );
    }

    #[test]
    fn without_a_configuration_there_is_one_line_and_a_failure() {
        let mut out = Vec::new();
        let verdict = self_test(Path::new("/nowhere/reader.toml"), Form::Json, &mut out);
        assert_eq!(verdict.expect("written"), Verdict::Fail);
        let report: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(report["verdict"], "fail");
        assert_eq!(report["checks"].as_array().map(Vec::len), Some(1));
    }
}
