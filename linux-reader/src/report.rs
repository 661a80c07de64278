//! How the reader is: what its board knows, and what its shell counts beside it. The same report goes
//! to the server and into the status file. It holds no secret and nothing about a person.

use crate::bus::BusTally;
use crate::hub::Hub;
use crate::news::News;
use crate::sign::Showings;
use crate::status::{MachineLink, RoadState, STATUS_EVERY};
use gettone_mdb::diagnosis::Finding;
use gettone_optical::{Progress, Verdict};
use gettone_relay::Lines;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the shell has counted in this start.
#[derive(Debug)]
pub(crate) struct Counted {
    bus: BusTally,
    signs: Showings,
    codes: u32,
    lights: u32,
    /// Lights that were not read, by reason.
    refused: BTreeMap<String, u32>,
    connections: u32,
    bus_lost: u32,
    audits: u32,
    /// None where the board has no road.
    road: Option<Road>,
}

#[derive(Debug, Default)]
struct Road {
    is_up: bool,
    ups: u32,
    /// Why it did not come up when it was tried last.
    fault: Option<String>,
}

/// What the hub knows beside its counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside {
    pub(crate) machine: u32,
    pub(crate) machine_link: MachineLink,
    pub(crate) finding: Option<Finding>,
    pub(crate) now: Duration,
}

impl Counted {
    /// Nothing yet.
    pub(crate) fn new(bus: BusTally, signs: Showings, has_road: bool) -> Self {
        Self {
            bus,
            signs,
            codes: 0,
            lights: 0,
            refused: BTreeMap::new(),
            connections: 0,
            bus_lost: 0,
            audits: 0,
            road: has_road.then(Road::default),
        }
    }

    /// Counts what has happened.
    pub(crate) fn hear(&mut self, news: &News) {
        let count = match news {
            News::CodeSeen(_) => &mut self.codes,
            News::LightSeen(_) => &mut self.lights,
            News::Connected(_) => &mut self.connections,
            News::BusLost => &mut self.bus_lost,
            News::Audit(_) => &mut self.audits,
            News::Light(Verdict::Refused(reason)) if *reason != Progress::Nothing => {
                let name = reason.to_string();
                self.refused.entry(name).or_default()
            }
            News::RoadUp => {
                let Some(road) = &mut self.road else { return };
                (road.is_up, road.fault) = (true, None);
                &mut road.ups
            }
            News::RoadDown => {
                if let Some(road) = &mut self.road {
                    road.is_up = false;
                }
                return;
            }
            News::NoRoad(fault) => {
                if let Some(road) = &mut self.road {
                    road.fault = Some(fault.clone());
                }
                return;
            }
            News::Machine(_)
            | News::Standing(_)
            | News::Finding(_)
            | News::Fault { .. }
            | News::Display { .. }
            | News::NoAudit(_)
            | News::Synced(_)
            | News::JournalFailed
            | News::Light(_)
            | News::Disconnected(_)
            | News::Heard(..)
            | News::Took(_)
            | News::RoadHeard(_)
            | News::RoadTook => return,
        };
        *count = count.saturating_add(1);
    }

    /// Whether the road stands, if there is to be one.
    pub(crate) fn road(&self) -> RoadState {
        match &self.road {
            None => RoadState::None,
            Some(road) if road.is_up => RoadState::Up,
            Some(_) => RoadState::Down,
        }
    }

    /// Adds it to what the board says of itself.
    pub(crate) fn add(&self, lines: &mut Lines, outside: &Outside) {
        lines.put("version", env!("CARGO_PKG_VERSION"));
        lines.put("machine", outside.machine);
        lines.put(
            "mdb_link",
            match outside.machine_link {
                MachineLink::Open => "open",
                MachineLink::Lost => "lost",
            },
        );
        lines.put("mdb_links_lost", self.bus_lost);
        let bus = self.bus.read();
        lines.put("mdb_resets", bus.resets);
        lines.put("mdb_retries", bus.retries);
        lines.put("mdb_naks", bus.naks);
        lines.put("mdb_unanswered", bus.unanswered);
        if let Some(finding) = outside.finding {
            lines.put("mdb_bus", finding);
            let since = outside.now.saturating_sub(finding.since);
            lines.put("mdb_bus_since_s", since.as_secs());
        }
        lines.put("audits", self.audits);
        lines.put("light_codes", self.codes);
        lines.put("light_grants", self.lights);
        for (reason, count) in &self.refused {
            lines.put(&format!("light_refused_{reason}"), count);
        }
        lines.put("radio_connections", self.connections);
        match &self.road {
            None => lines.put("road", "none"),
            Some(road) => {
                lines.put("road", if road.is_up { "up" } else { "down" });
                lines.put("road_ups", road.ups);
                if let Some(fault) = &road.fault {
                    lines.put("road_fault", fault);
                }
            }
        }
        for (place, showing) in self.signs.iter().enumerate() {
            lines.put(&format!("sign_{}", place + 1), showing);
        }
    }
}

impl Hub {
    /// How the reader is, in words for a technician.
    pub(crate) fn report(&self) -> Lines {
        let now = self.uptime.now();
        let mut lines = self.station.report(now);
        let outside = Outside {
            machine: self.machine,
            machine_link: self.words.machine_link,
            finding: self.words.finding,
            now,
        };
        self.counted.add(&mut lines, &outside);
        lines
    }

    /// Puts a fresh report where the status file's writer finds it, when it is time for one.
    pub(crate) fn renew_report(&mut self) {
        let now = self.uptime.now();
        if self.refresh.is_some_and(|due| now >= due) {
            self.refresh = Some(now.saturating_add(STATUS_EVERY));
            self.reports.send_replace(self.report().as_str().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::board::Code;

    fn value<'a>(lines: &'a Lines, name: &str) -> Option<&'a str> {
        let mut pairs = lines
            .as_str()
            .lines()
            .filter_map(|line| line.split_once(' '));
        pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    #[test]
    fn lights_that_were_not_read_are_counted_by_reason_and_the_road_says_why_it_is_down() {
        let mut counted = Counted::new(BusTally::default(), Showings::default(), true);
        for news in [
            News::CodeSeen(Code::from_bytes([1; 10])),
            News::Light(Verdict::Refused(Progress::TooDark)),
            News::Light(Verdict::Open),
            News::Light(Verdict::Refused(Progress::TooDark)),
            News::Light(Verdict::Refused(Progress::Nothing)),
            News::Light(Verdict::Refused(Progress::Flicker)),
            News::NoRoad("the server takes too long".to_owned()),
        ] {
            counted.hear(&news);
        }
        let outside = Outside {
            machine: 17,
            machine_link: MachineLink::Open,
            finding: None,
            now: Duration::from_secs(9),
        };
        let mut lines = Lines::default();
        counted.add(&mut lines, &outside);
        for (name, wanted) in [
            ("light_codes", Some("1")),
            ("light_refused_too_dark", Some("2")),
            ("light_refused_flicker", Some("1")),
            ("light_refused_nothing", None),
            ("road", Some("down")),
            ("road_fault", Some("the server takes too long")),
            ("machine", Some("17")),
        ] {
            assert_eq!(value(&lines, name), wanted, "{name}");
        }
        counted.hear(&News::RoadUp);
        let mut lines = Lines::default();
        counted.add(&mut lines, &outside);
        assert_eq!(value(&lines, "road"), Some("up"));
        assert_eq!(value(&lines, "road_fault"), None);
        assert_eq!(counted.road(), RoadState::Up);
    }
}
