//! What the running reader says of itself, in a small file that anybody may read. It is lost with
//! the power, and decides nothing.

use crate::uptime::since_power_up;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is written when nothing changes.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(5);
/// One older than this is of a reader that hangs, or is gone.
const STALE_AFTER: Duration = Duration::from_secs(20);
/// A report's 8 KiB, every one of them escaped, and the rest.
const LEN_MAX: u64 = 24 * 1024;

/// How a reader is.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    pub(crate) version: String,
    /// Which program runs, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) firmware: Option<String>,
    pub(crate) reader: String,
    pub(crate) machine: u32,
    pub(crate) pid: u32,
    /// Since the computer's start; the only clock that a board trusts.
    pub(crate) at_ms: u64,
    pub(crate) running_s: u64,
    /// How often this reader has been started.
    pub(crate) boot: u32,
    /// Where the board stands, protocol section 6.2.
    pub(crate) state: String,
    /// Where the machine has this reader: inactive, disabled, enabled, session, vend.
    pub(crate) machine_state: String,
    pub(crate) machine_link: MachineLink,
    /// What the bus shows, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bus: Option<String>,
    pub(crate) phone: Phone,
    /// Its own road to the server.
    #[serde(default)]
    pub(crate) road: RoadState,
    /// Receipts that the server has not acknowledged.
    pub(crate) receipts_waiting: usize,
    /// What becomes of the light before the sensor, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) light: Option<String>,
    /// The signal on the lamp.
    pub(crate) signal: String,
    /// What a technician is told who asks by phone: lines of `name value`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) report: String,
}

/// A board's own road to the server.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoadState {
    /// None is configured.
    #[default]
    None,
    Up,
    Down,
}

/// The line to the machine.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MachineLink {
    Open,
    Lost,
}

/// The radio's link.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phone {
    Linked,
    None,
}

/// A status and whether it can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Running(Status),
    Stale(Status),
    Nothing,
}

impl Status {
    /// Puts it in place of the one before; whoever reads sees one of the two whole.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        let new = path.with_extension("new");
        fs::write(&new, text + "\n")?;
        fs::set_permissions(&new, Permissions::from_mode(0o644))?;
        fs::rename(&new, path)
    }

    /// Reads what a reader has said, if one has since the computer's start.
    pub(crate) fn find(path: &Path) -> Result<Found, StatusFault> {
        let mut text = String::new();
        match File::open(path) {
            Ok(file) => file.take(LEN_MAX).read_to_string(&mut text),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(fault) => Err(fault),
        }
        .map_err(|source| StatusFault::Read {
            path: path.to_owned(),
            source,
        })?;
        let status: Self = serde_json::from_str(&text).map_err(|source| StatusFault::Form {
            path: path.to_owned(),
            source,
        })?;
        let age = since_power_up().checked_sub(Duration::from_millis(status.at_ms));
        Ok(match age {
            Some(age) if age <= STALE_AFTER => Found::Running(status),
            Some(_) | None => Found::Stale(status),
        })
    }

    /// For people.
    pub(crate) fn print(&self) -> String {
        let link = match self.machine_link {
            MachineLink::Open => "open",
            MachineLink::Lost => "lost",
        };
        let phone = match self.phone {
            Phone::Linked => "linked",
            Phone::None => "none",
        };
        let road = match self.road {
            RoadState::None => "none",
            RoadState::Up => "up",
            RoadState::Down => "down",
        };
        let bus = self.bus.as_ref();
        let bus = bus.map_or_else(String::new, |bus| format!("MDB bus           {bus}\n"));
        let light = self.light.as_ref();
        let light = light.map_or_else(String::new, |light| format!("light             {light}\n"));
        let firmware = self.firmware.as_ref();
        let firmware = firmware.map_or_else(String::new, |firmware| {
            format!("firmware          {firmware}\n")
        });
        let report = self.report.lines().map(|line| match line.split_once(' ') {
            Some((name, value)) => format!("  {name:<30} {value}\n"),
            None => format!("  {line}\n"),
        });
        let report: String = report.collect();
        let report = match report.as_str() {
            "" => report,
            lines => format!("its report:\n{lines}"),
        };
        format!(
            "reader            {} of machine {}, version {}\n\
             {firmware}running for       {} s, start number {}\n\
             board             {}\n\
             MDB link          {link}; the machine has this reader {}\n\
             {bus}phone             {phone}\n\
             own road          {road}\n\
             receipts waiting  {}\n\
             {light}lamp              {}\n\
             {report}",
            self.reader,
            self.machine,
            self.version,
            self.running_s,
            self.boot,
            self.state,
            self.machine_state,
            self.receipts_waiting,
            self.signal,
        )
    }
}

/// Why a status cannot be read.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum StatusFault {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no status of a reader")]
    Form {
        path: PathBuf,
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            firmware: None,
            reader: "00112233".to_owned(),
            machine: 17,
            pid: 1,
            at_ms: u64::try_from(since_power_up().as_millis()).expect("not that old"),
            running_s: 60,
            boot: 3,
            state: "idle".to_owned(),
            machine_state: "enabled".to_owned(),
            machine_link: MachineLink::Open,
            bus: None,
            phone: Phone::None,
            road: RoadState::Down,
            receipts_waiting: 0,
            light: None,
            signal: "ready".to_owned(),
            report: "boot 3\nroad_fault the server takes too long\n".to_owned(),
        }
    }

    #[test]
    fn people_are_shown_the_report_and_the_state_of_the_road() {
        let shown = status().print();
        assert!(shown.contains("own road          down\n"), "{shown}");
        let line = "  road_fault                     the server takes too long\n";
        assert!(shown.ends_with(line), "{shown}");
        // One that an older reader wrote can still be read.
        let mut older = serde_json::to_value(status()).expect("JSON");
        for name in ["road", "report"] {
            older.as_object_mut().expect("an object").remove(name);
        }
        let read: Status = serde_json::from_value(older).expect("readable");
        assert!(!read.print().contains("its report"));
    }

    #[test]
    fn a_status_of_before_the_power_cut_or_of_a_hanging_reader_is_not_believed() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("status.json");
        assert_eq!(Status::find(&path).expect("readable"), Found::Nothing);
        let now = status();
        now.write(&path).expect("room");
        assert_eq!(
            Status::find(&path).expect("readable"),
            Found::Running(now.clone())
        );
        for at_ms in [0, now.at_ms + 3_600_000] {
            let old = Status {
                at_ms,
                ..now.clone()
            };
            old.write(&path).expect("room");
            assert_eq!(Status::find(&path).expect("readable"), Found::Stale(old));
        }
    }
}
