//! Care by phone: packages that the server has named, fetched from whoever carries them.

use super::{Notice, Output, Report, Station};
use crate::bounds::CONFIGURATION_LEN_MAX;
use crate::care::{Fetch, Keep};
use gettone_channel::{
    CAPS_CARRIES, Config, Hello1, LinkMessage, PACKAGE_LEN_MAX, PackageKind, Piece, Want,
};

/// What a station asks its shell to do with a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CareOrder {
    /// Forget the package of its kind before, and keep in mind that this one is wanted.
    Begin(Config),
    /// Keep a part of the one of this kind.
    Keep(PackageKind, Keep),
    /// All of it is there: check it once more, put it in place, then say `Installed`.
    Install(Config),
}

impl CareOrder {
    /// What the package is.
    pub const fn kind(&self) -> PackageKind {
        match self {
            Self::Begin(told) | Self::Install(told) => told.kind(),
            Self::Keep(kind, _) => *kind,
        }
    }
}

/// What a board knows of its packages.
#[derive(Clone, Debug, Default)]
pub struct CareStart {
    /// The version of the configuration that it runs with; 0 for none.
    pub configuration: u32,
    /// No configuration up to here is taken: one was given up.
    pub floor: u32,
    /// The configuration that it was fetching when it started.
    pub fetch: Option<Fetch>,
    /// Of its program; none where it takes no other one.
    pub firmware: Option<FirmwareStart>,
}

/// What a board knows of its program.
#[derive(Clone, Debug, Default)]
pub struct FirmwareStart {
    /// No number up to here is taken: that of the program that runs, at least.
    pub floor: u32,
    /// What it was fetching when it started.
    pub fetch: Option<Fetch>,
}

/// Packages of one kind.
#[derive(Debug)]
struct Ward {
    kind: PackageKind,
    /// The longest one, in bytes.
    size_max: u32,
    /// No version up to here is taken.
    floor: u32,
    fetch: Option<Fetch>,
}

#[derive(Debug, Default)]
pub(super) struct Care {
    /// The kinds that it takes, in the order they are fetched in.
    wards: Vec<Ward>,
    asked: Option<Want>,
    /// Whether the phone that is here carries packages.
    is_carried: bool,
}

impl Care {
    fn ward(&mut self, kind: PackageKind) -> Option<&mut Ward> {
        self.wards.iter_mut().find(|ward| ward.kind == kind)
    }
}

impl Station {
    /// Has the station take packages from phones.
    #[must_use]
    pub fn with_care(mut self, start: CareStart) -> Self {
        self.facts.config = start.configuration;
        let mut wards = vec![Ward {
            kind: PackageKind::Configuration,
            size_max: CONFIGURATION_LEN_MAX,
            floor: start.floor.max(start.configuration),
            fetch: start.fetch,
        }];
        wards.extend(start.firmware.map(|firmware| Ward {
            kind: PackageKind::Firmware,
            size_max: u32::try_from(PACKAGE_LEN_MAX).unwrap_or(u32::MAX),
            floor: firmware.floor.max(self.facts.firmware),
            fetch: firmware.fetch,
        }));
        for ward in &mut wards {
            // The power was cut after it was put in place, and before what was fetched of it was let
            // go: put in place again it would be on trial anew, or come back after it was given up.
            ward.fetch
                .take_if(|fetch| fetch.told().number() <= ward.floor);
            // The power was cut between the last piece and what follows.
            let whole = ward.fetch.as_ref().filter(|fetch| fetch.is_whole());
            if let Some(told) = whole.map(|fetch| *fetch.told()) {
                self.outputs
                    .push_back(Output::Care(CareOrder::Install(told)));
            }
        }
        self.care = Some(Care {
            wards,
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

    /// The server names a package: only a greater version is taken, and one of a kind at a time.
    pub(super) fn named(&mut self, told: &Config) {
        let Some(care) = &mut self.care else {
            return self.note(Notice::Unused { kind: 0x14 });
        };
        let Some(ward) = care.ward(told.kind()) else {
            return;
        };
        let is_newer = told.size <= ward.size_max
            && told.number() > ward.floor
            && ward
                .fetch
                .as_ref()
                .is_none_or(|fetch| told.number() > fetch.told().number());
        let Some(fetch) = Fetch::new(*told).filter(|_| is_newer) else {
            return;
        };
        ward.fetch = Some(fetch);
        self.outputs
            .push_back(Output::Care(CareOrder::Begin(*told)));
        self.want();
    }

    /// The packages that are being fetched: the version of each, and how many of its chunks are here.
    pub(super) fn fetching(&self) -> impl Iterator<Item = (u32, usize, usize)> {
        let wards = self.care.iter().flat_map(|care| &care.wards);
        wards.filter_map(|ward| {
            let fetch = ward.fetch.as_ref()?;
            let (have, of) = fetch.progress().unwrap_or_default();
            Some((fetch.told().version, have, of))
        })
    }

    /// Takes what a phone brings; says whether a part was kept because of it, which happens once for
    /// each part.
    pub(super) fn brought(&mut self, piece: Piece) -> bool {
        let Some(care) = &mut self.care else {
            return false;
        };
        let asked = care.asked;
        let is_last = asked.is_some_and(|asked| {
            let last = asked.first.saturating_add(u32::from(asked.count) - 1);
            (asked.version, asked.part, last) == (piece.version, piece.part, piece.index)
        });
        let ours = care.wards.iter_mut().find_map(|ward| {
            let fetch = ward.fetch.as_mut()?;
            (fetch.told().version == piece.version).then_some((ward.kind, fetch))
        });
        let Some((kind, fetch)) = ours else {
            return false;
        };
        let was_whole = fetch.is_whole();
        let keep = fetch.take(piece);
        let is_kept = keep.is_some();
        let whole = (fetch.is_whole() && !was_whole).then_some(*fetch.told());
        if let Some(keep) = keep {
            self.outputs
                .push_back(Output::Care(CareOrder::Keep(kind, keep)));
        }
        match whole {
            Some(told) => self
                .outputs
                .push_back(Output::Care(CareOrder::Install(told))),
            None if is_last => self.want(),
            None => {}
        }
        is_kept
    }

    /// Asks the phone that is here for what is missing, if it carries such.
    pub(super) fn want(&mut self) {
        let Some(care) = &mut self.care else { return };
        let fetches = care.wards.iter().filter_map(|ward| ward.fetch.as_ref());
        let want = fetches.filter_map(Fetch::want).next();
        let Some(want) = want.filter(|_| care.is_carried) else {
            return;
        };
        care.asked = Some(want);
        self.send(&LinkMessage::Want(want), Report::Nothing);
    }

    pub(super) fn installed(&mut self, kind: PackageKind, number: u32) {
        if kind == PackageKind::Configuration {
            self.facts.config = number;
        }
        self.is_over(kind, number, Notice::Installed { kind, number });
    }

    /// It is none for this board: it is not taken again.
    pub(super) fn unfit(&mut self, kind: PackageKind, number: u32) {
        self.is_over(kind, number, Notice::Unfit { kind, number });
    }

    /// Nothing up to this one is fetched any more; then the next kind's turn comes.
    fn is_over(&mut self, kind: PackageKind, number: u32, notice: Notice) {
        let Some(ward) = self.care.as_mut().and_then(|care| care.ward(kind)) else {
            return;
        };
        ward.floor = ward.floor.max(number);
        // A greater one may have been named meanwhile.
        ward.fetch.take_if(|fetch| fetch.told().number() <= number);
        self.note(notice);
        self.want();
    }

    /// What lies on flash is not what the manifest vouches for: it is fetched anew.
    pub(super) fn not_installed(&mut self, kind: PackageKind) {
        if let Some(ward) = self.care.as_mut().and_then(|care| care.ward(kind)) {
            let told = ward.fetch.take().map(|fetch| *fetch.told());
            ward.fetch = told.and_then(Fetch::new);
        }
    }
}
