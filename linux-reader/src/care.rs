//! Packages on flash: the one that is being fetched, and two slots for configurations. A package gets
//! into a slot as a whole or not at all; one with which no machine began a session is given up.

use crate::identity::{IdentityFault, read, replace};
use gettone_channel::{CHUNK_LEN, Config as Told, Manifest, Part};
use gettone_relay::{CONFIGURATION_LEN_MAX, CareOrder, CareStart, Fetch, Input, Keep};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Starts without a session after which a configuration is given up.
const TRIES_MAX: u8 = 3;
/// Three short lines.
const SMALL_LEN_MAX: u64 = 256;
const MANIFEST_LEN_MAX: u64 = 4 * 1024;

/// Where packages lie.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    place: PathBuf,
}

/// Which configuration is used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Slots {
    current: Option<Slot>,
    /// The one to go back to.
    before: Option<Slot>,
    /// No version up to here is taken: one was given up.
    floor: u32,
}

/// One configuration in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    letter: char,
    number: u32,
    /// Starts with it so far; none once a machine has begun a session with it.
    tries: Option<u8>,
}

/// The slots' file: `current a 3 good`, `before b 2 good`, `floor 3`, each where there is such.
impl Slots {
    fn to_text(self) -> String {
        let line = |name: &str, slot: Option<Slot>| {
            slot.map_or_else(String::new, |slot| {
                let state = slot
                    .tries
                    .map_or("good".to_owned(), |tries| tries.to_string());
                format!("{name} {} {} {state}\n", slot.letter, slot.number)
            })
        };
        let (current, before) = (line("current", self.current), line("before", self.before));
        format!("{current}{before}floor {}\n", self.floor)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut slots = Self::default();
        for line in text.strip_suffix('\n')?.split('\n') {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["current", letter, number, state] if slots.current.is_none() => {
                    slots.current = Some(Slot::parse(letter, number, state)?);
                }
                ["before", letter, number, state] if slots.before.is_none() => {
                    slots.before = Some(Slot::parse(letter, number, state)?);
                }
                ["floor", number] => slots.floor = number.parse().ok()?,
                _ => return None,
            }
        }
        Some(slots)
    }

    /// The slot that the next configuration goes to: never the one in use, or the one to go back to
    /// while the one in use is not proved.
    fn free(&self) -> char {
        let taken = self
            .current
            .filter(|slot| slot.tries.is_none())
            .or(self.before);
        match taken {
            Some(Slot { letter: 'a', .. }) => 'b',
            Some(_) | None => 'a',
        }
    }
}

impl Slot {
    fn parse(letter: &str, number: &str, state: &str) -> Option<Self> {
        Some(Self {
            letter: match letter {
                "a" => 'a',
                "b" => 'b',
                _ => return None,
            },
            number: number.parse().ok()?,
            tries: match state {
                "good" => None,
                tries => Some(tries.parse().ok()?),
            },
        })
    }
}

impl Shelf {
    /// The packages in the state directory.
    pub(crate) fn of(state: &Path) -> Self {
        Self {
            place: state.join("care"),
        }
    }

    /// Counts a start: a configuration that no machine began a session with is given up after some.
    pub(crate) fn count_start(&self) -> Result<(), IdentityFault> {
        let mut slots = self.slots();
        let Some(slot) = &mut slots.current else {
            return Ok(());
        };
        match slot.tries {
            None => return Ok(()),
            Some(tries) if tries < TRIES_MAX => slot.tries = Some(tries + 1),
            Some(_) => {
                let number = slot.number;
                tracing::warn!(
                    number,
                    "a configuration is given up: no session began with it"
                );
                slots.floor = slots.floor.max(number);
                slots.current = slots.before.take();
            }
        }
        self.keep_slots(slots)
    }

    /// The configuration in use, and its version.
    pub(crate) fn configuration(&self) -> Option<(u32, String)> {
        let slot = self.slots().current?;
        let path = self.slot(slot.letter);
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
        let mut slots = self.slots();
        match &mut slots.current {
            Some(slot) if slot.tries.is_some() => slot.tries = None,
            Some(_) | None => return Ok(()),
        }
        self.keep_slots(slots)
    }

    /// What a station has to know.
    pub(crate) fn start(&self) -> CareStart {
        let slots = self.slots();
        CareStart {
            configuration: slots.current.map_or(0, |slot| slot.number),
            floor: slots.floor,
            fetch: self.wanted().and_then(|told| self.resume(told)),
        }
    }

    /// Does what a station asks; gives what it has to be told.
    pub(crate) fn follow(
        &self,
        order: &CareOrder,
        is_fit: impl FnOnce(&str) -> bool,
    ) -> Result<Option<Input>, IdentityFault> {
        match order {
            CareOrder::Begin(told) => self.begin(told).map(|()| None),
            CareOrder::Keep(Keep::Manifest(bytes)) => {
                replace(&self.place, "manifest", bytes).map(|()| None)
            }
            CareOrder::Keep(Keep::Chunk { place, bytes }) => {
                let path = self.place.join("content");
                let at = u64::try_from(place.saturating_mul(CHUNK_LEN)).unwrap_or(u64::MAX);
                let kept = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(&path)
                    .and_then(|file| {
                        file.write_all_at(bytes, at)?;
                        file.sync_all()
                    });
                kept.map_err(|source| IdentityFault::Write { path, source })?;
                Ok(None)
            }
            CareOrder::Install(told) => self.install(told, is_fit).map(Some),
        }
    }

    fn begin(&self, told: &Told) -> Result<(), IdentityFault> {
        let write = |source| IdentityFault::Write {
            path: self.place.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.place)
            .map_err(write)?;
        for name in ["wanted", "manifest", "content"] {
            match fs::remove_file(self.place.join(name)) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(write(fault)),
                Ok(()) | Err(_) => {}
            }
        }
        let line = format!("{} {} {}\n", told.version, told.size, told.manifest);
        replace(&self.place, "wanted", line.as_bytes())
    }

    /// Everything is read once more: what counts is what lies on flash. The slot in use is not touched.
    fn install(
        &self,
        told: &Told,
        is_fit: impl FnOnce(&str) -> bool,
    ) -> Result<Input, IdentityFault> {
        let Some(content) = self.content(told) else {
            return Ok(Input::NotInstalled);
        };
        let number = told.number();
        let mut slots = self.slots();
        let fit = String::from_utf8(content).ok().filter(|text| is_fit(text));
        let Some(text) = fit else {
            slots.floor = slots.floor.max(number);
            self.keep_slots(slots)?;
            self.forget();
            return Ok(Input::Unfit(number));
        };
        let letter = slots.free();
        let name = format!("{letter}.toml");
        replace(&self.place, &name, text.as_bytes())?;
        let proved = slots.current.filter(|slot| slot.tries.is_none());
        slots.before = proved.or(slots.before);
        slots.current = Some(Slot {
            letter,
            number,
            tries: Some(0),
        });
        self.keep_slots(slots)?;
        self.forget();
        Ok(Input::Installed(number))
    }

    fn content(&self, told: &Told) -> Option<Vec<u8>> {
        let manifest = read(&self.place.join("manifest"), MANIFEST_LEN_MAX).ok()?;
        let manifest = Manifest::from_bytes(&manifest, told)?;
        let content = read(
            &self.place.join("content"),
            u64::from(CONFIGURATION_LEN_MAX),
        )
        .ok()?;
        let len = told.len_of(Part::Content)?;
        let content = content.get(..len)?.to_vec();
        let mut chunks = content.chunks(CHUNK_LEN).enumerate();
        chunks
            .all(|(place, chunk)| manifest.vouches_for(place, chunk))
            .then_some(content)
    }

    fn resume(&self, told: Told) -> Option<Fetch> {
        let manifest = read(&self.place.join("manifest"), MANIFEST_LEN_MAX).unwrap_or_default();
        let file = File::open(self.place.join("content")).ok();
        let len = told.len_of(Part::Content)?;
        Fetch::resumed(told, &manifest, |place| {
            let at = place.checked_mul(CHUNK_LEN)?;
            let mut bytes = vec![0; len.checked_sub(at)?.min(CHUNK_LEN)];
            let at = u64::try_from(at).ok()?;
            file.as_ref()?.read_exact_at(&mut bytes, at).ok()?;
            Some(bytes)
        })
    }

    fn wanted(&self) -> Option<Told> {
        let text = String::from_utf8(read(&self.place.join("wanted"), SMALL_LEN_MAX).ok()?).ok()?;
        let mut words = text.strip_suffix('\n')?.split(' ');
        let told = Told {
            version: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            manifest: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(told)
    }

    /// What was fetched is of no use any more; what cannot be removed is removed by the next package.
    fn forget(&self) {
        for name in ["wanted", "manifest", "content"] {
            let _ = fs::remove_file(self.place.join(name));
        }
    }

    fn slots(&self) -> Slots {
        let text = read(&self.place.join("slots"), SMALL_LEN_MAX).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        text.and_then(|text| Slots::parse(&text))
            .unwrap_or_default()
    }

    fn keep_slots(&self, slots: Slots) -> Result<(), IdentityFault> {
        replace(&self.place, "slots", slots.to_text().as_bytes())
    }

    fn slot(&self, letter: char) -> PathBuf {
        self.place.join(format!("{letter}.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_channel::{PackageKind, Piece};

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
            orders.extend(keep.map(CareOrder::Keep));
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
        assert_eq!(install(&shelf, 1), Some(Input::Installed(1)));
        shelf.count_start().expect("room");
        shelf.confirm().expect("room");
        for _ in 0..10 {
            shelf.count_start().expect("room");
        }
        assert_eq!(number(&shelf), Some(1), "it is proved");

        assert_eq!(install(&shelf, 2), Some(Input::Installed(2)));
        for _ in 0..TRIES_MAX {
            shelf.count_start().expect("room");
            assert_eq!(number(&shelf), Some(2));
        }
        shelf.count_start().expect("room");
        assert_eq!(number(&shelf), Some(1), "back to the one before");
        assert_eq!(shelf.start().floor, 2, "it is not taken again");
        assert_eq!(install(&shelf, 3), Some(Input::Installed(3)));
        assert_eq!(
            install(&shelf, 4),
            Some(Input::Installed(4)),
            "over an unproved one"
        );
        let (_, text) = shelf.configuration().expect("in place");
        assert_eq!(text, package(4).0);
        for _ in 0..=TRIES_MAX {
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
        assert_eq!(told, Some(Input::Unfit(2)));
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
                if torn && let Some(CareOrder::Keep(Keep::Chunk { place, .. })) = orders.get(cut) {
                    let chunk = CareOrder::Keep(Keep::Chunk {
                        place: *place,
                        bytes: vec![0xee; 700],
                    });
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
                            .follow(&CareOrder::Keep(keep), |_| true)
                            .expect("room");
                    }
                }
                let install = CareOrder::Install(manifest.config());
                let told = shelf.follow(&install, |_| true).expect("room");
                assert_eq!(told, Some(Input::Installed(2)), "cut {cut}");
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
        assert_eq!(told, Some(Input::NotInstalled));
        assert_eq!(number(&shelf), None);
    }
}
