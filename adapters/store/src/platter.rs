//! A disk in memory that can fail, be full, and lose its power: for proofs of what survives.

use crate::disk::{Disk, DiskFile, Lock};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a power cut keeps or loses as one.
const SECTOR: usize = 512;

/// A disk in memory. What is written is sure once it is synced, a name once the directory is; what
/// is not sure may be lost in a power cut, sector by sector.
///
/// Each write, sync, new size, new name and removal is one step, and trouble can be told to come
/// at any of them.
#[derive(Clone, Debug, Default)]
pub struct Platter {
    surface: Arc<Mutex<Surface>>,
}

/// What happens at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The power goes: the step is not done, or half done, and nothing works until the restart.
    PowerCut(Lost),
    /// The step fails, and the next one works. A write is half done; a failed sync makes nothing
    /// durable, and later ones do not make up for it.
    Failure,
}

/// What a power cut takes of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// All of it.
    Everything,
    /// None of it.
    Nothing,
    /// Some sectors and some names, by this seed.
    Some(u64),
}

#[derive(Debug, Default)]
struct Surface {
    files: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    sure_names: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    steps: u64,
    trouble: Option<(u64, Trouble)>,
    is_off: bool,
    starts: u64,
    room: Option<usize>,
    lock: Weak<u64>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(String, u64),
    Take(String),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    now: Vec<u8>,
    sure: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Debug)]
struct Handle {
    surface: Arc<Mutex<Surface>>,
    inode: u64,
    start: u64,
}

impl Platter {
    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.surface().steps
    }

    /// Has trouble come at a step, the `nth` from now, counted from 1.
    pub fn trouble(&self, nth: u64, trouble: Trouble) {
        let mut surface = self.surface();
        surface.trouble = Some((surface.steps.saturating_add(nth), trouble));
    }

    /// Allows the files so many bytes in all; none stands for no bound.
    pub fn room(&self, bytes: Option<usize>) {
        self.surface().room = bytes;
    }

    /// Cuts the power now, unless it is off, and starts again. What was open is dead.
    pub fn restart(&self, lost: Lost) {
        let mut surface = self.surface();
        if !surface.is_off {
            surface.cut(lost);
        }
        surface.is_off = false;
        surface.trouble = None;
        surface.starts = surface.starts.saturating_add(1);
        surface.lock = Weak::new();
    }

    /// Another disk with what is on this one now.
    pub fn copy(&self) -> Self {
        let from = self.surface();
        let names = from.names.clone();
        let files = from.files.iter().map(|(id, file)| {
            let sure = file.now.clone();
            let now = sure.clone();
            let file = Inode {
                now,
                sure,
                unsynced: Vec::new(),
            };
            (*id, file)
        });
        let surface = Surface {
            files: files.collect(),
            sure_names: names.clone(),
            names,
            ..Surface::default()
        };
        Self {
            surface: Arc::new(Mutex::new(surface)),
        }
    }

    /// What a file holds now, if it is there.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let surface = self.surface();
        let file = surface.files.get(surface.names.get(name)?)?;
        Some(file.now.clone())
    }

    /// Puts a file there as if it had always been there.
    pub fn plant(&self, name: &str, bytes: &[u8]) {
        let mut surface = self.surface();
        let inode = surface.add();
        surface.names.insert(name.to_owned(), inode);
        surface.sure_names.insert(name.to_owned(), inode);
        if let Some(file) = surface.files.get_mut(&inode) {
            file.now = bytes.to_vec();
            file.sure = bytes.to_vec();
        }
    }

    /// Flips one bit of a file that is there.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut surface = self.surface();
        let inode = surface.names.get(name).copied().unwrap_or(0);
        if let Some(file) = surface.files.get_mut(&inode) {
            for bytes in [&mut file.now, &mut file.sure] {
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }

    fn surface(&self) -> MutexGuard<'_, Surface> {
        self.surface.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, surface: &Surface, inode: u64) -> Box<dyn DiskFile> {
        Box::new(Handle {
            surface: Arc::clone(&self.surface),
            inode,
            start: surface.starts,
        })
    }
}

impl Surface {
    fn add(&mut self) -> u64 {
        let inode = self.files.last_key_value().map_or(1, |(last, _)| last + 1);
        self.files.insert(inode, Inode::default());
        inode
    }

    /// Takes one step; the trouble, when it comes here.
    fn step(&mut self) -> io::Result<Option<Trouble>> {
        if self.is_off {
            return Err(power());
        }
        self.steps = self.steps.saturating_add(1);
        let trouble = self.trouble.filter(|(at, _)| *at == self.steps);
        Ok(trouble.map(|(_, trouble)| trouble))
    }

    /// A step that is done whole or not at all.
    fn whole_step(&mut self) -> io::Result<()> {
        match self.step()? {
            None => Ok(()),
            Some(trouble) => Err(self.strike(trouble)),
        }
    }

    fn strike(&mut self, trouble: Trouble) -> io::Error {
        match trouble {
            Trouble::Failure => io::Error::other("told to fail"),
            Trouble::PowerCut(lost) => {
                self.cut(lost);
                power()
            }
        }
    }

    fn cut(&mut self, lost: Lost) {
        self.is_off = true;
        let mut dice = Dice(match lost {
            Lost::Some(seed) => seed,
            Lost::Everything | Lost::Nothing => 0,
        });
        let mut keeps = |whole: usize| match lost {
            Lost::Everything => 0,
            Lost::Nothing => whole,
            Lost::Some(_) => dice.roll(whole.saturating_add(1)),
        };
        // A file system keeps the order of names.
        let kept = keeps(self.name_changes.len());
        for change in self.name_changes.drain(..).take(kept) {
            change.apply(&mut self.sure_names);
        }
        self.names.clone_from(&self.sure_names);
        for file in self.files.values_mut() {
            for change in core::mem::take(&mut file.unsynced) {
                for part in change.sectors() {
                    if keeps(1) == 1 {
                        part.apply(&mut file.sure);
                    }
                }
            }
            file.now.clone_from(&file.sure);
        }
        let named: Vec<u64> = self.names.values().copied().collect();
        self.files.retain(|inode, _| named.contains(inode));
    }

    fn has_room_for(&self, more: usize) -> bool {
        let used: usize = self.files.values().map(|file| file.now.len()).sum();
        self.room
            .is_none_or(|room| used.saturating_add(more) <= room)
    }

    fn change_name(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Put(name, inode) => {
                names.retain(|_, known| *known != inode);
                names.insert(name, inode);
            }
            Self::Take(name) => drop(names.remove(&name)),
        }
    }
}

impl Change {
    fn sectors(self) -> Vec<Self> {
        match self {
            Self::Size(size) => vec![Self::Size(size)],
            Self::Write(offset, bytes) => {
                let head = (SECTOR - offset % SECTOR).min(bytes.len());
                let (first, rest) = bytes.split_at(head);
                let mut at = offset;
                core::iter::once(first)
                    .chain(rest.chunks(SECTOR))
                    .map(|part| {
                        let sector = Self::Write(at, part.to_vec());
                        at = at.saturating_add(part.len());
                        sector
                    })
                    .collect()
            }
        }
    }

    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Size(size) => bytes.resize(size, 0),
            Self::Write(offset, from) => {
                let end = offset.saturating_add(from.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(to) = bytes.get_mut(offset..end) {
                    to.copy_from_slice(&from);
                }
            }
        }
    }
}

impl Disk for Platter {
    fn names(&self) -> io::Result<Vec<String>> {
        let surface = self.surface();
        if surface.is_off {
            return Err(power());
        }
        Ok(surface.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let surface = self.surface();
        if surface.is_off {
            return Err(power());
        }
        let inode = surface.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(self.handle(&surface, *inode))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut surface = self.surface();
        surface.whole_step()?;
        let inode = surface.add();
        surface.change_name(NameChange::Put(name.to_owned(), inode));
        Ok(self.handle(&surface, inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut surface = self.surface();
        surface.whole_step()?;
        let inode = *surface.names.get(from).ok_or(ErrorKind::NotFound)?;
        surface.change_name(NameChange::Put(to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut surface = self.surface();
        surface.whole_step()?;
        if surface.names.contains_key(name) {
            surface.change_name(NameChange::Take(name.to_owned()));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut surface = self.surface();
        match surface.step()? {
            None => {
                surface.name_changes.clear();
                surface.sure_names = surface.names.clone();
                Ok(())
            }
            Some(trouble) => Err(surface.strike(trouble)),
        }
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        let mut surface = self.surface();
        if surface.is_off {
            return Err(power());
        }
        if surface.lock.upgrade().is_some() {
            return Ok(None);
        }
        let lock = Arc::new(surface.starts);
        surface.lock = Arc::downgrade(&lock);
        Ok(Some(lock))
    }

    fn place(&self, name: &str) -> String {
        format!("the platter's {name}")
    }
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut Surface, u64) -> io::Result<T>) -> io::Result<T> {
        let mut surface = self.surface.lock().unwrap_or_else(PoisonError::into_inner);
        if surface.is_off || surface.starts != self.start {
            return Err(power());
        }
        act(&mut surface, self.inode)
    }

    fn file(surface: &mut Surface, inode: u64) -> io::Result<&mut Inode> {
        surface
            .files
            .get_mut(&inode)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl DiskFile for Handle {
    fn size(&self) -> io::Result<u64> {
        self.with(|surface, inode| {
            let len = Self::file(surface, inode)?.now.len();
            Ok(u64::try_from(len).unwrap_or(u64::MAX))
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|surface, inode| {
            let file = Self::file(surface, inode)?;
            let from = usize::try_from(offset)
                .ok()
                .and_then(|offset| file.now.get(offset..))
                .unwrap_or_default();
            let len = from.len().min(into.len());
            into.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|surface, inode| {
            let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
            let trouble = surface.step()?;
            let size = Self::file(surface, inode)?.now.len();
            let more = offset.saturating_add(bytes.len()).saturating_sub(size);
            if more > 0 && !surface.has_room_for(more) {
                return Err(ErrorKind::StorageFull.into());
            }
            let done = match trouble {
                None => bytes,
                Some(_) => bytes.get(..bytes.len() / 2).unwrap_or_default(),
            };
            let file = Self::file(surface, inode)?;
            let change = Change::Write(offset, done.to_vec());
            change.clone().apply(&mut file.now);
            file.unsynced.push(change);
            trouble.map_or(Ok(()), |trouble| Err(surface.strike(trouble)))
        })
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.with(|surface, inode| {
            let size = usize::try_from(size).map_err(|_| ErrorKind::FileTooLarge)?;
            surface.whole_step()?;
            let more = size.saturating_sub(Self::file(surface, inode)?.now.len());
            if more > 0 && !surface.has_room_for(more) {
                return Err(ErrorKind::StorageFull.into());
            }
            let file = Self::file(surface, inode)?;
            Change::Size(size).apply(&mut file.now);
            file.unsynced.push(Change::Size(size));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|surface, inode| {
            let trouble = surface.step()?;
            if let Some(trouble @ Trouble::PowerCut(_)) = trouble {
                return Err(surface.strike(trouble));
            }
            let file = Self::file(surface, inode)?;
            let changes = core::mem::take(&mut file.unsynced);
            if let Some(trouble) = trouble {
                return Err(surface.strike(trouble));
            }
            for change in changes {
                change.apply(&mut file.sure);
            }
            Ok(())
        })
    }
}

fn power() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "the power is off")
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let rolled = (z ^ (z >> 31)) % u64::try_from(below.max(1)).unwrap_or(1);
        usize::try_from(rolled).unwrap_or(0)
    }
}
