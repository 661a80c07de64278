//! Packages on flash: those that are being fetched, and two slots of each kind. A package gets into
//! a slot as a whole or not at all; one with which no machine began a session is given up.

mod programs;
mod slots;
mod tray;

pub(crate) use programs::Programs;
pub(crate) use slots::hash_in;

use crate::identity::{IdentityFault, read, replace};
use gettone_channel::{Config as Told, PackageKind};
use gettone_relay::{CONFIGURATION_LEN_MAX, CareOrder, CareStart, Input};
use slots::{Slots, Start};
use std::path::{Path, PathBuf};
use tray::Tray;

/// Where configurations lie.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    place: PathBuf,
    tray: Tray,
}

impl Shelf {
    /// The configurations in the state directory.
    pub(crate) fn of(state: &Path) -> Self {
        let place = state.join("care");
        Self {
            tray: Tray::of(&place),
            place,
        }
    }

    /// Counts a start: a configuration that no machine began a session with is given up after some.
    pub(crate) fn count_start(&self) -> Result<(), IdentityFault> {
        let mut slots = Slots::read(&self.place);
        match slots.count_start() {
            Start::Usual => return Ok(()),
            Start::Tried => {}
            Start::GivenUp(number) => {
                tracing::warn!(
                    number,
                    "a configuration is given up: no session began with it"
                );
            }
        }
        slots.keep(&self.place)
    }

    /// The configuration in use, and its version.
    pub(crate) fn configuration(&self) -> Option<(u32, String)> {
        let slot = Slots::read(&self.place).current?;
        let path = self.place.join(format!("{}.toml", slot.letter));
        match read(&path, u64::from(CONFIGURATION_LEN_MAX)) {
            Ok(bytes) => Some((slot.number, String::from_utf8(bytes).ok()?)),
            Err(fault) => {
                tracing::error!(%fault, "the configuration of the server is not used");
                None
            }
        }
    }

    /// A machine has begun a session: the configuration in use is good.
    pub(crate) fn confirm(&self) -> Result<(), IdentityFault> {
        let mut slots = Slots::read(&self.place);
        match slots.confirm() {
            true => slots.keep(&self.place),
            false => Ok(()),
        }
    }

    /// The configuration in use, as long as no session has proved it.
    pub(crate) fn on_trial(&self) -> Option<u32> {
        Slots::read(&self.place).on_trial()
    }

    /// This start with the configuration of this number has not failed; says whether it counted.
    pub(crate) fn pass(&self, number: u32) -> Result<bool, IdentityFault> {
        Slots::pass_at(&self.place, number)
    }

    /// What a station has to know.
    pub(crate) fn start(&self) -> CareStart {
        let slots = Slots::read(&self.place);
        let configuration = slots.current.map_or(0, |slot| slot.number);
        CareStart {
            configuration,
            floor: slots.floor,
            fetch: self.tray.resume(slots.floor.max(configuration)),
            firmware: None,
        }
    }

    /// Does what a station asks; gives what it has to be told.
    pub(crate) fn follow(
        &self,
        order: &CareOrder,
        is_fit: impl FnOnce(&str) -> bool,
    ) -> Result<Option<Input>, IdentityFault> {
        match order {
            CareOrder::Begin(told) => self.tray.begin(told).map(|()| None),
            CareOrder::Keep(_, part) => self.tray.keep(part).map(|()| None),
            CareOrder::Install(told) => self.install(told, is_fit).map(Some),
        }
    }

    /// Everything is read once more: what counts is what lies on flash. The slot in use is not touched.
    fn install(
        &self,
        told: &Told,
        is_fit: impl FnOnce(&str) -> bool,
    ) -> Result<Input, IdentityFault> {
        let kind = PackageKind::Configuration;
        let mut content = Vec::new();
        let read = self
            .tray
            .read(told, |chunk| content.extend_from_slice(chunk));
        if read.is_none() {
            return Ok(Input::NotInstalled(kind));
        }
        let number = told.number();
        let mut slots = Slots::read(&self.place);
        let fit = String::from_utf8(content).ok().filter(|text| is_fit(text));
        let Some(text) = fit else {
            slots.floor = slots.floor.max(number);
            slots.keep(&self.place)?;
            self.tray.forget();
            return Ok(Input::Unfit(kind, number));
        };
        let letter = slots.free();
        replace(&self.place, &format!("{letter}.toml"), text.as_bytes())?;
        slots.put(letter, number, None);
        slots.keep(&self.place)?;
        self.tray.forget();
        Ok(Input::Installed(kind, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_channel::{Manifest, PackageKind, Part, Piece};
    use gettone_relay::{Fetch, Keep};
    use slots::FAILURES_MAX;
    use std::fs;

    const KIND: PackageKind = PackageKind::Configuration;

    fn package(number: u32) -> (String, Manifest) {
        let text = format!("language = \"it\" # {number} {}\n", "x".repeat(9_000));
        let manifest = Manifest::of(PackageKind::Configuration, number, text.as_bytes());
        (text, manifest.expect("bounded"))
    }

    /// What a station asks for, piece by piece, until everything is there.
    fn orders(text: &str, manifest: &Manifest) -> Vec<CareOrder> {
        let told = manifest.config();
        let mut fetch = Fetch::new(told).expect("bounded");
        let mut orders = vec![CareOrder::Begin(told)];
        while let Some(want) = fetch.want() {
            let whole = match want.part {
                Part::Manifest => manifest.to_bytes(),
                Part::Content => text.as_bytes().to_vec(),
            };
            let piece = Piece::of(want.version, want.part, want.first, &whole);
            let keep = fetch.take(piece.expect("there"));
            orders.extend(keep.map(|keep| CareOrder::Keep(KIND, keep)));
        }
        orders.push(CareOrder::Install(told));
        orders
    }

    fn install(shelf: &Shelf, number: u32) -> Option<Input> {
        let (text, manifest) = package(number);
        let mut told = None;
        for order in orders(&text, &manifest) {
            told = shelf.follow(&order, |_| true).expect("room");
        }
        told
    }

    fn number(shelf: &Shelf) -> Option<u32> {
        shelf.configuration().map(|(number, _)| number)
    }

    #[test]
    fn a_configuration_is_given_up_unless_a_session_began_with_it() {
        let state = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::of(state.path());
        assert_eq!(install(&shelf, 1), Some(Input::Installed(KIND, 1)));
        shelf.count_start().expect("room");
        shelf.confirm().expect("room");
        for _ in 0..10 {
            shelf.count_start().expect("room");
        }
        assert_eq!(number(&shelf), Some(1), "it is proved");

        assert_eq!(install(&shelf, 2), Some(Input::Installed(KIND, 2)));
        for _ in 0..FAILURES_MAX {
            shelf.count_start().expect("room");
            assert_eq!(number(&shelf), Some(2));
        }
        shelf.count_start().expect("room");
        assert_eq!(number(&shelf), Some(1), "back to the one before");
        assert_eq!(shelf.start().floor, 2, "it is not taken again");
        assert_eq!(install(&shelf, 3), Some(Input::Installed(KIND, 3)));
        assert_eq!(
            install(&shelf, 4),
            Some(Input::Installed(KIND, 4)),
            "over an unproved one"
        );
        let (_, text) = shelf.configuration().expect("in place");
        assert_eq!(text, package(4).0);
        for _ in 0..=FAILURES_MAX {
            shelf.count_start().expect("room");
        }
        assert_eq!(number(&shelf), Some(1), "the last one that was proved");
        assert_eq!(shelf.configuration().expect("kept").1, package(1).0);
    }

    #[test]
    fn what_is_no_configuration_of_this_board_is_not_put_in_place() {
        let state = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::of(state.path());
        install(&shelf, 1);
        let (text, manifest) = package(2);
        let mut told = None;
        for order in orders(&text, &manifest) {
            told = shelf.follow(&order, |_| false).expect("room");
        }
        assert_eq!(told, Some(Input::Unfit(KIND, 2)));
        assert_eq!((number(&shelf), shelf.start().floor), (Some(1), 2));
    }

    /// Power is cut after each order, and inside each write: the small files are put in place as a whole, so
    /// only the content can be torn.
    #[test]
    fn a_power_cut_anywhere_leaves_the_configuration_before_until_the_new_one_is_whole() {
        let (text, manifest) = package(2);
        let orders = orders(&text, &manifest);
        for cut in 0..orders.len() {
            for torn in [false, true] {
                let state = tempfile::tempdir().expect("a directory");
                let shelf = Shelf::of(state.path());
                install(&shelf, 1);
                for order in &orders[..cut] {
                    shelf.follow(order, |_| true).expect("room");
                }
                if torn && let Some(CareOrder::Keep(_, Keep::Chunk { place, .. })) = orders.get(cut)
                {
                    let bytes = vec![0xee; 700];
                    let place = *place;
                    let chunk = CareOrder::Keep(KIND, Keep::Chunk { place, bytes });
                    shelf.follow(&chunk, |_| true).expect("room");
                }
                // The start after the cut: what is missing is fetched, and nothing else.
                assert_eq!(number(&shelf), Some(1), "cut {cut}");
                let fetch = shelf.start().fetch;
                assert_eq!(fetch.is_some(), cut > 0, "cut {cut}");
                let mut fetch = fetch.or_else(|| {
                    let told = manifest.config();
                    shelf
                        .follow(&CareOrder::Begin(told), |_| true)
                        .expect("room");
                    Fetch::new(told)
                });
                let fetch = fetch.as_mut().expect("bounded");
                while let Some(want) = fetch.want() {
                    let whole = match want.part {
                        Part::Manifest => manifest.to_bytes(),
                        Part::Content => text.as_bytes().to_vec(),
                    };
                    let piece = Piece::of(want.version, want.part, want.first, &whole);
                    if let Some(keep) = fetch.take(piece.expect("there")) {
                        shelf
                            .follow(&CareOrder::Keep(KIND, keep), |_| true)
                            .expect("room");
                    }
                }
                let install = CareOrder::Install(manifest.config());
                let told = shelf.follow(&install, |_| true).expect("room");
                assert_eq!(told, Some(Input::Installed(KIND, 2)), "cut {cut}");
                assert_eq!(
                    shelf.configuration().map(|(_, text)| text),
                    Some(text.clone())
                );
            }
        }
    }

    #[test]
    fn content_that_the_manifest_does_not_vouch_for_is_never_put_in_place() {
        let state = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::of(state.path());
        let (text, manifest) = package(1);
        let mut orders = orders(&text, &manifest);
        let install = orders.pop().expect("the last one");
        for order in &orders {
            shelf.follow(order, |_| true).expect("room");
        }
        let content = state.path().join("care/content");
        let mut bytes = fs::read(&content).expect("there");
        bytes[4_000] ^= 1;
        fs::write(&content, bytes).expect("room");
        let told = shelf.follow(&install, |_| true).expect("room");
        assert_eq!(told, Some(Input::NotInstalled(KIND)));
        assert_eq!(number(&shelf), None);
    }
}
