//! What the hub does with each piece of news.

use super::{Hub, HubFault};
use crate::audit;
use crate::news::News;
use crate::status::MachineLink;
use gettone_core::board::Machine;
use gettone_display::Screen;
use gettone_relay::Input;

impl Hub {
    pub(super) fn take(&mut self, news: News) -> Result<(), HubFault> {
        self.counted.hear(&news);
        match &news {
            News::BusLost => self.words.machine_link = MachineLink::Lost,
            News::Machine(_) | News::Standing(_) => self.words.machine_link = MachineLink::Open,
            News::Connected(connection) => self.words.phone = Some(*connection),
            News::Disconnected(connection) if self.words.phone == Some(*connection) => {
                self.words.phone = None;
            }
            News::Display { columns, rows } => {
                let is_there = *columns > 0 && *rows > 0;
                self.words.screen = is_there.then(|| Screen::new(*columns, *rows));
            }
            News::Disconnected(_)
            | News::Synced(_)
            | News::JournalFailed
            | News::CodeSeen(_)
            | News::LightSeen(_)
            | News::Light(_)
            | News::Finding(_)
            | News::Fault { .. }
            | News::Audit(_)
            | News::NoAudit(_)
            | News::Heard(..)
            | News::Took(_)
            | News::RoadUp
            | News::RoadDown
            | News::NoRoad(_)
            | News::RoadHeard(_)
            | News::RoadTook => {}
        }
        let taken = self.pass(news).and_then(|()| self.age_keys());
        self.be_seen();
        taken
    }

    fn pass(&mut self, news: News) -> Result<(), HubFault> {
        match news {
            News::Machine(machine) => {
                tracing::debug!(?machine, "machine");
                if machine == Machine::SessionBegan
                    && let Err(fault) = self.shelf.confirm()
                {
                    tracing::error!(%fault, "the configuration cannot be confirmed");
                }
                self.renewal.see(machine);
                if let Some(differs) = self.prices.see(machine) {
                    self.tell(differs)?;
                }
                self.show_product(machine)?;
                if let (Machine::Enabled, Some(audits)) = (machine, &mut self.audits) {
                    audits.machine_enabled(self.uptime.now());
                }
                self.tell(Input::Machine(machine))
            }
            News::Standing(standing) => self.tell(Input::Standing(standing)),
            News::BusLost => self.tell(Input::BusLost),
            News::Finding(finding) => {
                tracing::info!("MDB: {finding}");
                self.words.finding = Some(finding);
                Ok(())
            }
            News::Fault { code, data } => self.tell(Input::Fault { code, data }),
            News::Audit(words) => {
                match audit::keep(&self.state, &words) {
                    Ok(()) => tracing::info!(bytes = words.len(), "the machine gave its audit"),
                    Err(fault) => {
                        let cause = std::error::Error::source(&fault).map(ToString::to_string);
                        tracing::warn!(cause, "{fault}");
                    }
                }
                Ok(())
            }
            News::NoAudit(end) => {
                tracing::info!(?end, "the machine gave no audit");
                if let Some(audits) = &mut self.audits {
                    audits.refused(self.uptime.now(), end);
                }
                Ok(())
            }
            News::Display { .. } => Ok(()),
            News::Synced(ticket) => self.tell(Input::Synced(ticket)),
            News::JournalFailed => {
                self.tell(Input::JournalFailed)?;
                Err(HubFault::Journal)
            }
            News::CodeSeen(code) => self.tell(Input::CodeSeen(code)),
            News::LightSeen(light) => self.tell(Input::LightSeen(light)),
            News::Light(verdict) => self.see(verdict),
            News::Connected(connection) => self.tell(Input::Connected(connection)),
            News::Disconnected(connection) => self.tell(Input::Disconnected(connection)),
            News::Heard(connection, message) => self.tell(Input::Heard(connection, message)),
            News::Took(connection) => self.tell(Input::Took(connection)),
            News::RoadUp => self.tell(Input::RoadUp),
            News::RoadDown => self.tell(Input::RoadDown),
            News::NoRoad(_) => Ok(()),
            News::RoadHeard(envelope) => self.tell(Input::RoadHeard(envelope)),
            News::RoadTook => self.tell(Input::RoadTook),
        }
    }
}
