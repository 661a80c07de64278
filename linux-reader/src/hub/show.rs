//! What the hub shows: on the machine's display, and of itself.

use super::{Hub, HubFault};
use crate::bus::Saying;
use crate::face::{self, Glimpse};
use crate::status::{MachineLink, Phone};
use crate::surface;
use gettone_core::board::{Life, Machine};
use gettone_core::lock::LockState;
use gettone_core::money::Currency;
use gettone_display::{Language, Screen};
use gettone_mdb::diagnosis::Finding;
use gettone_optical::Verdict;
use gettone_relay::{Connection, Offer, Showing, Telling};

/// How the hub speaks on the machine's display.
pub(crate) struct Words {
    pub(crate) language: Language,
    pub(crate) currency: Currency,
    /// The display that the machine lends, if any.
    pub(crate) screen: Option<Screen>,
    /// The machine's number, where its display is to say what may be typed.
    pub(crate) typed_for: Option<u32>,
    pub(crate) machine_link: MachineLink,
    pub(crate) phone: Option<Connection>,
    pub(crate) service: LockState,
    /// How the bus looks.
    pub(crate) finding: Option<Finding>,
    /// What becomes of the light before the sensor.
    pub(crate) light: Verdict,
    /// What the station has shown last.
    pub(crate) telling: Telling,
}

impl Hub {
    pub(super) fn be_seen(&mut self) {
        self.renew_report();
        let glimpse = Glimpse {
            telling: self.words.telling,
            machine_state: self.station.standing().mdb_state,
            machine_link: self.words.machine_link,
            phone: match self.words.phone {
                Some(_) => Phone::Linked,
                None => Phone::None,
            },
            road: self.counted.road(),
            receipts_waiting: self.station.outbox().unacked(),
            service: self.words.service,
            finding: self.words.finding,
            light: self.words.light,
            is_kept: self.renewal.is_kept(),
        };
        self.face.send_if_modified(|seen| {
            let is_news = *seen != glimpse;
            *seen = glimpse;
            is_news
        });
    }

    pub(super) fn show(&mut self, showing: &Showing) -> Result<(), HubFault> {
        self.words.telling = showing.telling;
        let Words {
            language, currency, ..
        } = self.words;
        let text = self
            .words
            .screen
            .and_then(|screen| face::display(showing, currency, language, screen));
        match text {
            Some(text) => self.say(Saying::Show(text)),
            None => Ok(()),
        }
    }

    /// Puts a hint on the machine's display, once; its own words come back by themselves.
    pub(super) fn see(&mut self, verdict: Verdict) -> Result<(), HubFault> {
        let before = face::hint(core::mem::replace(&mut self.words.light, verdict));
        let hint = face::hint(verdict).filter(|hint| before != Some(*hint));
        match (hint, self.words.screen) {
            (Some((_, text)), Some(screen)) if self.words.telling.life == Life::Idle => {
                let lines = screen.lines(text, self.words.language);
                self.say(Saying::Show(gettone_mdb::Text::new(&lines)))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Puts the name of what was chosen on the machine's display.
    pub(super) fn show_product(&mut self, machine: Machine) -> Result<(), HubFault> {
        match self.prices.name(machine).zip(self.words.screen) {
            Some((name, screen)) => {
                let lines = screen.words(name);
                self.say(Saying::Show(gettone_mdb::Text::new(&lines)))
            }
            None => Ok(()),
        }
    }

    /// Puts what may be typed on the machine's display, where it fits; its own words come back by
    /// themselves.
    pub(super) fn show_digits(&mut self, offer: &Offer) -> Result<(), HubFault> {
        let Words {
            screen, typed_for, ..
        } = self.words;
        let digits = typed_for.and_then(|machine| surface::digits(machine, offer));
        match digits.and_then(|digits| screen?.digits(&digits)) {
            Some(lines) => self.say(Saying::ShowDigits(gettone_mdb::Text::new(&lines))),
            None => Ok(()),
        }
    }
}
