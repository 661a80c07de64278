//! Care by phone: the package that the server has named, fetched from whoever carries it.

use super::{Notice, Output, Report, Station};
use crate::bounds::CONFIGURATION_LEN_MAX;
use crate::care::{Fetch, Keep};
use gettone_channel::{CAPS_CARRIES, Config, Hello1, LinkMessage, PackageKind, Piece, Want};

/// What a station asks its shell to do with a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CareOrder {
    /// Forget the package before, and keep in mind that this one is wanted.
    Begin(Config),
    /// Keep a part of it.
    Keep(Keep),
    /// All of it is there: check it once more, put it in place, then say `Installed`.
    Install(Config),
}

/// What a board knows of its packages.
#[derive(Clone, Debug, Default)]
pub struct CareStart {
    /// The version of the configuration that it runs with; 0 for none.
    pub configuration: u32,
    /// No version up to here is taken: one was given up.
    pub floor: u32,
    /// What it was fetching when it started.
    pub fetch: Option<Fetch>,
}

#[derive(Debug, Default)]
pub(super) struct Care {
    /// No version up to here is taken.
    floor: u32,
    fetch: Option<Fetch>,
    asked: Option<Want>,
    /// Whether the phone that is here carries packages.
    is_carried: bool,
}

impl Station {
    /// Has the station take packages from phones.
    #[must_use]
    pub fn with_care(mut self, start: CareStart) -> Self {
        self.facts.config = start.configuration;
        // The power was cut between the last piece and what follows.
        let whole = start.fetch.as_ref().filter(|fetch| fetch.is_whole());
        if let Some(told) = whole.map(|fetch| *fetch.told()) {
            self.outputs
                .push_back(Output::Care(CareOrder::Install(told)));
        }
        self.care = Some(Care {
            floor: start.floor.max(start.configuration),
            fetch: start.fetch,
            asked: None,
            is_carried: false,
        });
        self
    }

    pub(super) fn meet(&mut self, hello: Hello1) {
        if let Some(care) = &mut self.care {
            care.is_carried = hello.caps & CAPS_CARRIES != 0;
            care.asked = None;
        }
    }

    /// The server names a package: only a greater version is taken, and one package at a time.
    pub(super) fn named(&mut self, told: &Config) {
        let Some(care) = &mut self.care else {
            return self.note(Notice::Unused { kind: 0x14 });
        };
        let is_newer = told.kind() == PackageKind::Configuration
            && told.size <= CONFIGURATION_LEN_MAX
            && told.number() > care.floor
            && care
                .fetch
                .as_ref()
                .is_none_or(|fetch| told.number() > fetch.told().number());
        let Some(fetch) = Fetch::new(*told).filter(|_| is_newer) else {
            return;
        };
        care.fetch = Some(fetch);
        self.outputs
            .push_back(Output::Care(CareOrder::Begin(*told)));
        self.want();
    }

    pub(super) fn brought(&mut self, piece: Piece) {
        let Some(care) = &mut self.care else { return };
        let Some(fetch) = &mut care.fetch else { return };
        let was_whole = fetch.is_whole();
        let is_last = care.asked.is_some_and(|asked| {
            let last = asked.first.saturating_add(u32::from(asked.count) - 1);
            (asked.part, last) == (piece.part, piece.index)
        });
        let keep = fetch.take(piece);
        let whole = (fetch.is_whole() && !was_whole).then_some(*fetch.told());
        if let Some(keep) = keep {
            self.outputs.push_back(Output::Care(CareOrder::Keep(keep)));
        }
        match whole {
            Some(told) => self
                .outputs
                .push_back(Output::Care(CareOrder::Install(told))),
            None if is_last => self.want(),
            None => {}
        }
    }

    /// Asks the phone that is here for what is missing, if it carries such.
    pub(super) fn want(&mut self) {
        let Some(care) = &mut self.care else { return };
        let want = care.fetch.as_ref().and_then(Fetch::want);
        let Some(want) = want.filter(|_| care.is_carried) else {
            return;
        };
        care.asked = Some(want);
        self.send(&LinkMessage::Want(want), Report::Nothing);
    }

    pub(super) fn installed(&mut self, configuration: u32) {
        if let Some(care) = &mut self.care {
            care.floor = care.floor.max(configuration);
            care.fetch = None;
            self.facts.config = configuration;
            self.note(Notice::Installed { configuration });
        }
    }

    /// It is no configuration of this board: it is not taken again.
    pub(super) fn unfit(&mut self, configuration: u32) {
        if let Some(care) = &mut self.care {
            care.floor = care.floor.max(configuration);
            care.fetch = None;
            self.note(Notice::Unfit { configuration });
        }
    }

    /// What lies on flash is not what the manifest vouches for: it is fetched anew.
    pub(super) fn not_installed(&mut self) {
        if let Some(care) = &mut self.care {
            let told = care.fetch.take().map(|fetch| *fetch.told());
            care.fetch = told.and_then(Fetch::new);
        }
    }
}
