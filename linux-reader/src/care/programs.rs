//! Programs that phones brought: two slots beside the packaged program, which is the last resort.
//! Nothing is run that is not whole, that was given up, or that is older than the packaged one.

use super::slots::{Slot, Slots, Start};
use super::tray::Tray;
use crate::identity::IdentityFault;
use crate::release::{Number, ReleaseKey, UnpackFault, Unpacking, board, vouched};
use gettone_channel::{Config as Told, FirmwareHeader, PackageKind};
use gettone_relay::{CareOrder, FirmwareStart, Input};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const KIND: PackageKind = PackageKind::Firmware;
const BUFFER_LEN: usize = 64 * 1024;

/// Where programs lie, and whose are taken.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    place: PathBuf,
    tray: Tray,
    keys: Vec<ReleaseKey>,
}

/// What a start comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    /// The program to run; none for the packaged one.
    pub(crate) program: Option<Chosen>,
    /// A program that is given up with this start.
    pub(crate) given_up: Option<u32>,
}

/// A program in its slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chosen {
    pub(crate) path: PathBuf,
    pub(crate) slot: char,
    pub(crate) number: u32,
    /// Whether a session has ended well with it.
    pub(crate) is_proved: bool,
}

impl Programs {
    /// The programs in the state directory; those are taken that one of these keys vouches for.
    pub(crate) fn of(state: &Path, keys: Vec<ReleaseKey>) -> Self {
        let place = state.join("care/firmware");
        Self {
            tray: Tray::of(&place),
            place,
            keys,
        }
    }

    /// Chooses the program of this start, and counts the start: one that is not proved after some is
    /// given up. What cannot be counted is not tried.
    pub(crate) fn choose(&self, packaged: Number) -> Choice {
        let before = Slots::read(&self.place);
        let mut slots = before;
        let mut given_up = None;
        while let Some(slot) = slots.current {
            if slot.number <= packaged.0 || !self.is_whole(&slot) {
                tracing::warn!(number = slot.number, "a program is left out");
                slots.current = slots.before.take();
                continue;
            }
            match slots.count_start() {
                Start::Usual | Start::Tried => break,
                Start::GivenUp(number) => {
                    tracing::warn!(
                        number,
                        "a program is given up: no session ended well with it"
                    );
                    given_up = Some(number);
                }
            }
        }
        if slots != before
            && let Err(fault) = slots.keep(&self.place)
        {
            tracing::error!(%fault, "the start cannot be counted");
            slots.current = slots.current.filter(|slot| slot.weight.is_none());
        }
        let program = slots.current.map(|slot| Chosen {
            path: self.program(slot.letter),
            slot: slot.letter,
            number: slot.number,
            is_proved: slot.weight.is_none(),
        });
        Choice { program, given_up }
    }

    /// This one cannot even be started.
    pub(crate) fn give_up(&self, number: u32) -> Result<(), IdentityFault> {
        let mut slots = Slots::read(&self.place);
        if slots.current.is_none_or(|slot| slot.number != number) {
            return Ok(());
        }
        slots.give_up();
        slots.keep(&self.place)
    }

    /// A session has ended well with the program of this number.
    pub(crate) fn confirm(&self, number: u32) -> Result<bool, IdentityFault> {
        let mut slots = Slots::read(&self.place);
        let is_current = slots.current.is_some_and(|slot| slot.number == number);
        let is_news = is_current && slots.confirm();
        if is_news {
            slots.keep(&self.place)?;
        }
        Ok(is_news)
    }

    /// This start of the program of this number has not failed; says whether it counted.
    pub(crate) fn pass(&self, number: u32) -> Result<bool, IdentityFault> {
        Slots::pass_at(&self.place, number)
    }

    /// What a station has to know.
    pub(crate) fn start(&self) -> FirmwareStart {
        let slots = Slots::read(&self.place);
        let floor = slots
            .current
            .map_or(slots.floor, |slot| slots.floor.max(slot.number));
        FirmwareStart {
            floor,
            fetch: self.tray.resume(floor),
        }
    }

    /// Does what a station asks; gives what it has to be told.
    pub(crate) fn follow(&self, order: &CareOrder) -> Result<Option<Input>, IdentityFault> {
        match order {
            CareOrder::Begin(told) => self.tray.begin(told).map(|()| None),
            CareOrder::Keep(_, part) => self.tray.keep(part).map(|()| None),
            CareOrder::Install(told) => self.install(told).map(Some),
        }
    }

    /// Everything is read once more, and the program written beside what runs: until the slots name
    /// it nothing has changed.
    fn install(&self, told: &Told) -> Result<Input, IdentityFault> {
        let number = told.number();
        let mut slots = Slots::read(&self.place);
        let letter = slots.free();
        let new = self.place.join(format!("{letter}.new"));
        let write = |source| IdentityFault::Write {
            path: new.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o700)
            .open(&new)
            .map_err(write)?;
        let mut unpacked = Unpacked::Nothing(Some(file));
        let mut is_for_others = false;
        let read = self.tray.read(told, |chunk| {
            unpacked.take(chunk, |content| {
                let header = self.named(content, told)?;
                is_for_others = header.board != board();
                (!is_for_others).then_some(header)
            });
        });
        if read.is_none() {
            return Ok(Input::NotInstalled(KIND));
        }
        let (header, file) = match unpacked.end() {
            Ok(whole) => whole,
            Err(UnpackFault::Write(source)) => return Err(write(source)),
            Err(UnpackFault::Wrong) => {
                let _ = fs::remove_file(&new);
                // Of what no release key has numbered nothing is kept: whoever enters packages could
                // shut out every number to come.
                if is_for_others {
                    slots.floor = slots.floor.max(number);
                    slots.keep(&self.place)?;
                }
                self.tray.forget();
                return Ok(Input::Unfit(KIND, number));
            }
        };
        file.sync_all()
            // A file that is open for writing cannot be run.
            .map(|()| drop(file))
            .and_then(|()| fs::rename(&new, self.program(letter)))
            .and_then(|()| File::open(&self.place)?.sync_all())
            .map_err(write)?;
        slots.put(letter, number, Some(header.program));
        slots.keep(&self.place)?;
        self.tray.forget();
        Ok(Input::Installed(KIND, number))
    }

    /// Reads the header at the beginning of a package, if it is the one that was named.
    fn named(&self, content: &[u8], told: &Told) -> Option<FirmwareHeader> {
        let header = vouched(content, &self.keys)?;
        let len = usize::try_from(header.body_len)
            .ok()?
            .checked_add(FirmwareHeader::LEN)?;
        let is_named = header.number == told.number() && u32::try_from(len) == Ok(told.size);
        is_named.then_some(header)
    }

    fn is_whole(&self, slot: &Slot) -> bool {
        let hash = hash_of(&self.program(slot.letter)).ok();
        hash.is_some() && hash == slot.hash
    }

    fn program(&self, letter: char) -> PathBuf {
        self.place.join(letter.to_string())
    }
}

/// A program on its way into its slot.
enum Unpacked {
    /// Its first chunk, with the header, is still to come.
    Nothing(Option<File>),
    Begun(FirmwareHeader, Box<Unpacking<File>>),
    Failed(UnpackFault),
}

impl Unpacked {
    fn take(&mut self, chunk: &[u8], read: impl FnOnce(&[u8]) -> Option<FirmwareHeader>) {
        let mut body = chunk;
        if let Self::Nothing(file) = self {
            let Some((header, file)) = read(chunk).zip(file.take()) else {
                *self = Self::Failed(UnpackFault::Wrong);
                return;
            };
            body = chunk.get(FirmwareHeader::LEN..).unwrap_or_default();
            *self = Self::Begun(header.clone(), Box::new(Unpacking::new(header, file)));
        }
        if let Self::Begun(_, unpacking) = self
            && let Err(fault) = unpacking.take(body)
        {
            *self = Self::Failed(fault);
        }
    }

    fn end(self) -> Result<(FirmwareHeader, File), UnpackFault> {
        match self {
            Self::Nothing(_) => Err(UnpackFault::Wrong),
            Self::Begun(header, unpacking) => Ok((header, unpacking.end()?)),
            Self::Failed(fault) => Err(fault),
        }
    }
}

fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(buffer.get(..len).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::FAILURES_MAX;
    use super::*;
    use crate::release::signed;
    use gettone_channel::{Manifest, Part, Piece};
    use gettone_relay::{Fetch, Keep};

    const PACKAGED: Number = Number(100);

    fn program(number: u32) -> Vec<u8> {
        let lines = (0..400_u32).map(|line| {
            let hash = Sha256::digest((number + line).to_be_bytes());
            format!("# {hash:02x?}\n")
        });
        format!("#!/bin/sh\n{}", lines.collect::<String>()).into_bytes()
    }

    fn package(number: u32, board: &str) -> (Vec<u8>, Manifest) {
        let (_, content) = signed(&program(number), number, board);
        let manifest = Manifest::of(KIND, number, &content).expect("bounded");
        (content, manifest)
    }

    fn programs(state: &Path) -> Programs {
        let (key, _) = signed(b"x", 1, "b");
        Programs::of(state, vec![key])
    }

    fn bring(fetch: &mut Fetch, content: &[u8], manifest: &Manifest) -> Vec<CareOrder> {
        let mut orders = Vec::new();
        while let Some(want) = fetch.want() {
            let whole = match want.part {
                Part::Manifest => manifest.to_bytes(),
                Part::Content => content.to_vec(),
            };
            let piece = Piece::of(want.version, want.part, want.first, &whole);
            let keep = fetch.take(piece.expect("there"));
            orders.extend(keep.map(|keep| CareOrder::Keep(KIND, keep)));
        }
        orders.push(CareOrder::Install(manifest.config()));
        orders
    }

    fn orders(content: &[u8], manifest: &Manifest) -> Vec<CareOrder> {
        let told = manifest.config();
        let mut orders = vec![CareOrder::Begin(told)];
        let mut fetch = Fetch::new(told).expect("bounded");
        orders.extend(bring(&mut fetch, content, manifest));
        orders
    }

    fn follow(programs: &Programs, orders: &[CareOrder]) -> Option<Input> {
        let mut told = None;
        for order in orders {
            told = programs.follow(order).expect("room");
        }
        told
    }

    fn install(programs: &Programs, number: u32) -> Option<Input> {
        let (content, manifest) = package(number, &board());
        follow(programs, &orders(&content, &manifest))
    }

    /// The number of the program that a start runs; the packaged one's where it is that.
    fn start(programs: &Programs) -> u32 {
        let choice = programs.choose(PACKAGED);
        choice.program.map_or(PACKAGED.0, |chosen| {
            let bytes = fs::read(&chosen.path).expect("there");
            assert_eq!(bytes, program(chosen.number), "whole");
            chosen.number
        })
    }

    #[test]
    fn a_program_is_given_up_after_three_starts_and_never_taken_again() {
        let state = tempfile::tempdir().expect("a directory");
        let programs = programs(state.path());
        assert_eq!(start(&programs), 100);
        assert_eq!(install(&programs, 101), Some(Input::Installed(KIND, 101)));
        assert!(!programs.confirm(101).expect("room"), "it never ran");
        assert_eq!(start(&programs), 101);
        assert!(!programs.confirm(100).expect("room"), "another one");
        assert!(programs.confirm(101).expect("room"));
        for _ in 0..10 {
            assert_eq!(start(&programs), 101, "it is proved");
        }
        assert_eq!(install(&programs, 102), Some(Input::Installed(KIND, 102)));
        for _ in 0..FAILURES_MAX {
            assert_eq!(start(&programs), 102);
        }
        let choice = programs.choose(PACKAGED);
        assert_eq!(choice.given_up, Some(102));
        assert_eq!(choice.program.expect("the one before").number, 101);
        assert_eq!(programs.start().floor, 102);
        assert_eq!(start(&programs), 101);
        // Without one before it is the packaged one.
        let state = tempfile::tempdir().expect("a directory");
        let programs = self::programs(state.path());
        install(&programs, 105);
        for _ in 0..FAILURES_MAX {
            assert_eq!(start(&programs), 105);
        }
        assert_eq!(start(&programs), 100);
    }

    #[test]
    fn a_program_older_than_the_packaged_one_is_not_run() {
        let state = tempfile::tempdir().expect("a directory");
        let programs = programs(state.path());
        install(&programs, 101);
        start(&programs);
        programs.confirm(101).expect("room");
        assert_eq!(programs.choose(Number(101)).program, None);
        assert_eq!(programs.choose(Number(100)).program, None, "it is gone");
    }

    #[test]
    fn a_damaged_program_is_left_out_and_may_come_again() {
        let state = tempfile::tempdir().expect("a directory");
        let programs = programs(state.path());
        for number in [101, 102] {
            install(&programs, number);
            start(&programs);
            programs.confirm(number).expect("room");
        }
        let place = state.path().join("care/firmware/b");
        let mut bytes = fs::read(&place).expect("there");
        bytes[500] ^= 1;
        fs::write(&place, bytes).expect("room");
        assert_eq!(start(&programs), 101);
        assert_eq!(programs.start().floor, 101);
        assert_eq!(install(&programs, 102), Some(Input::Installed(KIND, 102)));
        assert_eq!(start(&programs), 102);
    }

    #[test]
    fn what_is_for_another_board_or_signed_by_nobody_known_is_not_put_in_place() {
        let state = tempfile::tempdir().expect("a directory");
        let takes = programs(state.path());
        let no_key = Programs::of(state.path(), Vec::new());
        let mut refused = Vec::new();
        for (number, programs, board) in
            [(101, &takes, "toaster".to_owned()), (102, &no_key, board())]
        {
            let (content, manifest) = package(number, &board);
            refused.push(follow(programs, &orders(&content, &manifest)));
        }
        // What is named with another number than it has itself.
        let (content, _) = package(101, &board());
        let manifest = Manifest::of(KIND, 103, &content).expect("bounded");
        refused.push(follow(&takes, &orders(&content, &manifest)));
        for (number, told) in (101..).zip(refused) {
            assert_eq!(told, Some(Input::Unfit(KIND, number)));
        }
        // Only the one that a release key has numbered, for others, is remembered.
        assert_eq!((start(&takes), takes.start().floor), (100, 101));
        assert_eq!(install(&takes, 104), Some(Input::Installed(KIND, 104)));
    }

    /// Power is cut after each order, inside each write, and between the steps of putting a program in
    /// its slot: what ran before runs, or the new one, each as a whole.
    #[test]
    fn a_power_cut_anywhere_leaves_a_whole_program_to_start_with() {
        let (content, manifest) = package(102, &board());
        let orders = orders(&content, &manifest);
        for cut in 0..=orders.len() {
            for torn in [false, true] {
                let state = tempfile::tempdir().expect("a directory");
                let programs = programs(state.path());
                install(&programs, 101);
                start(&programs);
                programs.confirm(101).expect("room");
                follow(&programs, &orders[..cut]);
                let place = state.path().join("care/firmware");
                match orders.get(cut) {
                    Some(CareOrder::Keep(_, Keep::Chunk { place, .. })) if torn => {
                        let bytes = vec![0xee; 700];
                        let place = *place;
                        let chunk = CareOrder::Keep(KIND, Keep::Chunk { place, bytes });
                        programs.follow(&chunk).expect("room");
                    }
                    // Half of the program is written, or all of it and the slots do not name it.
                    Some(CareOrder::Install(_)) if torn => {
                        fs::write(place.join("b.new"), &program(102)[..900]).expect("room");
                        fs::write(place.join("b"), program(102)).expect("room");
                    }
                    Some(_) | None => {}
                }
                let expected = if cut == orders.len() { 102 } else { 101 };
                assert_eq!(start(&programs), expected, "cut {cut}");
                if cut == orders.len() {
                    continue;
                }
                // The start after the cut goes on where it was.
                let fetch = programs.start().fetch;
                assert_eq!(fetch.is_some(), cut > 0, "cut {cut}");
                let told = match fetch {
                    Some(mut fetch) => follow(&programs, &bring(&mut fetch, &content, &manifest)),
                    None => follow(&programs, &orders),
                };
                assert_eq!(told, Some(Input::Installed(KIND, 102)), "cut {cut}");
                assert_eq!(start(&programs), 102, "cut {cut}");
            }
        }
    }

    /// The power is cut after the slots name a program, and before what was fetched of it is let go.
    #[test]
    fn a_program_that_is_in_place_or_was_given_up_is_not_installed_again_after_a_cut() {
        let state = tempfile::tempdir().expect("a directory");
        let programs = programs(state.path());
        let (content, manifest) = package(102, &board());
        let orders = orders(&content, &manifest);
        let (install, fetch) = orders.split_last().expect("orders");
        follow(&programs, fetch);
        let place = state.path().join("care/firmware");
        let fetched = ["wanted", "manifest", "content"].map(|name| {
            let path = place.join(name);
            let bytes = fs::read(&path).expect("fetched");
            (path, bytes)
        });
        assert!(programs.start().fetch.is_some(), "it is still to install");
        let installed = follow(&programs, core::slice::from_ref(install));
        assert_eq!(installed, Some(Input::Installed(KIND, 102)));
        let is_let_go = || {
            for (path, bytes) in &fetched {
                fs::write(path, bytes).expect("room");
            }
            programs.start().fetch.is_none() && fetched.iter().all(|(path, _)| !path.exists())
        };
        assert!(is_let_go(), "it is in place");
        for _ in 0..FAILURES_MAX {
            assert_eq!(start(&programs), 102);
        }
        assert_eq!(start(&programs), 100);
        assert!(is_let_go(), "it was given up");
    }

    /// A new program takes the place of one that is being tried: the slots name the old one until the
    /// end, and a cut leaves the one before both.
    #[test]
    fn a_cut_over_a_program_on_trial_goes_back_to_the_proved_one() {
        let state = tempfile::tempdir().expect("a directory");
        let programs = programs(state.path());
        install(&programs, 101);
        start(&programs);
        programs.confirm(101).expect("room");
        install(&programs, 102);
        assert_eq!(start(&programs), 102);
        let place = state.path().join("care/firmware/b");
        fs::write(place, program(103)).expect("room");
        assert_eq!(start(&programs), 101);
    }
}
