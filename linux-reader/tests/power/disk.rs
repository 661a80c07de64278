//! A disk that loses its power: what was not synced is kept, lost, torn or left as zeros, sector by
//! sector, and names go back to what the directory's last sync made sure.

use gettone_reader::Disk;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a power cut keeps or loses as one.
const SECTOR: usize = 512;
const NAMES: [&str; 3] = ["journal", "journal.new", "journal.unreadable"];

/// A generator that anybody can run again from its seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    pub(crate) fn is_in(&mut self, count: u64, of: u64) -> bool {
        self.below(of) < count
    }
}

/// Whether a sync makes anything durable; without it the lives have to find out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syncs {
    Keep,
    Lie,
}

/// At which kinds of step the power has gone.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Hits {
    pub(crate) write: u64,
    pub(crate) append: u64,
    pub(crate) cut: u64,
    pub(crate) sync: u64,
    pub(crate) rename: u64,
    pub(crate) sync_names: u64,
}

#[derive(Debug, Default)]
struct Inode {
    now: Vec<u8>,
    sure: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

type Names = [Option<usize>; NAMES.len()];

#[derive(Debug)]
struct Surface {
    inodes: Vec<Inode>,
    names: Names,
    sure_names: Names,
    /// What the names were after each change that is not sure.
    name_changes: Vec<Names>,
    syncs: Syncs,
    chance: Chance,
    /// Steps until the power goes.
    fuse: Option<u64>,
    is_off: bool,
    hits: Hits,
}

/// A disk in memory, of which a journal holds one end and a test the other.
#[derive(Clone, Debug)]
pub(crate) struct Flash(Arc<Mutex<Surface>>);

impl Flash {
    pub(crate) fn new(seed: u64, syncs: Syncs) -> Self {
        Self(Arc::new(Mutex::new(Surface {
            inodes: Vec::new(),
            names: [None; NAMES.len()],
            sure_names: [None; NAMES.len()],
            name_changes: Vec::new(),
            syncs,
            chance: Chance(seed),
            fuse: None,
            is_off: false,
            hits: Hits::default(),
        })))
    }

    fn surface(&self) -> MutexGuard<'_, Surface> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the power go in so many steps.
    pub(crate) fn light_fuse(&self, steps: Option<u64>) {
        self.surface().fuse = steps;
    }

    /// Cuts the power, unless it is off, and gives it back.
    pub(crate) fn cut_power(&self) {
        let mut surface = self.surface();
        if !surface.is_off {
            surface.lose();
        }
        surface.is_off = false;
        surface.fuse = None;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.surface().is_off
    }

    pub(crate) fn hits(&self) -> Hits {
        self.surface().hits
    }
}

impl Surface {
    /// Takes one step; whether the power goes at it.
    fn step(&mut self, kind: fn(&mut Hits) -> &mut u64) -> io::Result<bool> {
        if self.is_off {
            return Err(power());
        }
        let Some(fuse) = self.fuse.as_mut() else {
            return Ok(false);
        };
        if *fuse > 0 {
            *fuse -= 1;
            return Ok(false);
        }
        *kind(&mut self.hits) += 1;
        Ok(true)
    }

    fn lose(&mut self) {
        self.is_off = true;
        // A file system keeps the order of names.
        let kept = self.chance.place(self.name_changes.len() + 1);
        if let Some(last) = kept.checked_sub(1) {
            self.sure_names = self.name_changes[last];
        }
        self.name_changes.clear();
        self.names = self.sure_names;
        for (number, inode) in self.inodes.iter_mut().enumerate() {
            for change in inode.unsynced.drain(..) {
                change.settle(&mut inode.sure, &mut self.chance);
            }
            if self.names.contains(&Some(number)) {
                inode.now.clone_from(&inode.sure);
            } else {
                *inode = Inode::default();
            }
        }
    }

    fn named(&mut self, name: &str) -> io::Result<&mut Inode> {
        let number = self.names[at(name)].ok_or(ErrorKind::NotFound)?;
        Ok(&mut self.inodes[number])
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let inode = self.named(name)?;
        let end = inode.now.len();
        inode.now.extend_from_slice(bytes);
        inode.unsynced.push(Change::Write(end, bytes.to_vec()));
        Ok(())
    }

    /// A write of which the power lets through the first part at most.
    fn put_some(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let some = self.chance.place(bytes.len() + 1);
        self.put(name, &bytes[..some])
    }
}

impl Change {
    /// What of it is there when the power comes back.
    fn settle(self, sure: &mut Vec<u8>, chance: &mut Chance) {
        match self {
            Self::Size(size) => {
                if chance.is_in(1, 2) {
                    sure.resize(size, 0);
                }
            }
            Self::Write(mut offset, bytes) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (part, next) = rest.split_at((SECTOR - offset % SECTOR).min(rest.len()));
                    let kept = match chance.below(4) {
                        0 => None,
                        1 => Some(part.len()),
                        2 => Some(chance.place(part.len())),
                        // The file has grown, and what it should hold never came.
                        _ => Some(0),
                    };
                    if let Some(kept) = kept {
                        let end = offset + part.len();
                        if sure.len() < end {
                            sure.resize(end, 0);
                        }
                        sure[offset..offset + kept].copy_from_slice(&part[..kept]);
                    }
                    offset += part.len();
                    rest = next;
                }
            }
        }
    }

    fn apply(self, sure: &mut Vec<u8>) {
        match self {
            Self::Size(size) => sure.resize(size, 0),
            Self::Write(offset, bytes) => {
                sure.resize(sure.len().max(offset + bytes.len()), 0);
                sure[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
}

impl Disk for Flash {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let surface = self.surface();
        if surface.is_off {
            return Err(power());
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let found = surface.names[at(name)].map(|number| {
            let bytes = &surface.inodes[number].now;
            bytes[..bytes.len().min(most)].to_vec()
        });
        Ok(found)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut surface = self.surface();
        let goes = surface.step(|hits| &mut hits.write)?;
        if surface.names[at(name)].is_none() {
            let number = surface.inodes.len();
            surface.inodes.push(Inode::default());
            surface.names[at(name)] = Some(number);
            let names = surface.names;
            surface.name_changes.push(names);
        }
        let inode = surface.named(name)?;
        inode.now.clear();
        inode.unsynced.push(Change::Size(0));
        if goes {
            surface.put_some(name, bytes)?;
            surface.lose();
            return Err(power());
        }
        surface.put(name, bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut surface = self.surface();
        if surface.step(|hits| &mut hits.append)? {
            surface.put_some(name, bytes)?;
            surface.lose();
            return Err(power());
        }
        surface.put(name, bytes)
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut surface = self.surface();
        let goes = surface.step(|hits| &mut hits.cut)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let inode = surface.named(name)?;
        inode.now.truncate(len);
        inode.unsynced.push(Change::Size(len));
        if goes {
            surface.lose();
            return Err(power());
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut surface = self.surface();
        if surface.step(|hits| &mut hits.sync)? {
            surface.lose();
            return Err(power());
        }
        if surface.syncs == Syncs::Keep {
            let inode = surface.named(name)?;
            for change in core::mem::take(&mut inode.unsynced) {
                change.apply(&mut inode.sure);
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut surface = self.surface();
        let goes = surface.step(|hits| &mut hits.rename)?;
        let moved = surface.names[at(from)].take().ok_or(ErrorKind::NotFound)?;
        surface.names[at(to)] = Some(moved);
        let names = surface.names;
        surface.name_changes.push(names);
        if goes {
            surface.lose();
            return Err(power());
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut surface = self.surface();
        if surface.step(|hits| &mut hits.sync_names)? {
            surface.lose();
            return Err(power());
        }
        if surface.syncs == Syncs::Keep {
            surface.name_changes.clear();
            surface.sure_names = surface.names;
        }
        Ok(())
    }
}

fn at(name: &str) -> usize {
    NAMES
        .iter()
        .position(|known| *known == name)
        .expect("a journal has these files and no others")
}

fn power() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "the power is off")
}
