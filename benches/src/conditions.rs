use serde_json::{Map, Value};
use std::{fs, thread};

/// Under what something was measured, in the order it was noted.
#[derive(Clone, PartialEq, Debug)]
pub struct Conditions {
    noted: Vec<(&'static str, Value)>,
    stolen_before: Option<u64>,
}

impl Conditions {
    /// Notes what holds of the machine and this build.
    pub fn of_this_machine() -> Self {
        let mut conditions = Self {
            noted: Vec::new(),
            stolen_before: stolen_ms(),
        };
        conditions.note(
            "cores",
            thread::available_parallelism().map_or(1, usize::from),
        );
        if let Some(kernel) = line_of("/proc/sys/kernel/osrelease") {
            conditions.note("kernel", kernel);
        }
        if let Some(load) = line_of("/proc/loadavg") {
            conditions.note("load_before", load);
        }
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        conditions.note("build", build);
        conditions.note("allocator", "mimalloc");
        conditions
    }

    /// Notes one more.
    pub fn note(&mut self, what: &'static str, value: impl Into<Value>) {
        self.noted.push((what, value.into()));
    }

    /// Notes what the machine was doing besides, when it was over, and for how long its host gave
    /// its processors to others: a time that no program on it can answer for.
    pub fn note_load_after(&mut self) {
        let stolen = stolen_ms().zip(self.stolen_before);
        if let Some(stolen) = stolen.and_then(|(after, before)| after.checked_sub(before)) {
            self.note("stolen_by_host_ms", stolen);
        }
        if let Some(load) = line_of("/proc/loadavg") {
            self.note("load_after", load);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, Value)> + '_ {
        self.noted.iter()
    }

    pub(crate) fn to_json(&self) -> Value {
        self.noted
            .iter()
            .map(|(what, value)| ((*what).to_owned(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// Processor time that the host gave to others, of all processors together: the eighth figure of
/// proc(5)'s stat, in hundredths of a second.
fn stolen_ms() -> Option<u64> {
    let stat = line_of("/proc/stat")?;
    let stolen: u64 = stat
        .lines()
        .next()?
        .split_whitespace()
        .nth(8)?
        .parse()
        .ok()?;
    stolen.checked_mul(10)
}

fn line_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
