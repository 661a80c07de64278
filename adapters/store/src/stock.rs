//! The files beside the journal: the spare that it writes in next, and the segments that it has
//! left. What is left goes into the archive, and its file becomes the next spare; only when there
//! is none to come, one is filled with zeros.
//!
//! All of it is done in small parts, each synced, with rests between them: the journal's own sync
//! never waits behind more than one part.

use crate::archive::{self, Head};
use crate::bounds::{BACKLOG_MAX, FILL_BYTES, REST_FOLD, REST_MAX, SEGMENT_AT_ONCE_BYTES};
use crate::disk::{Disk, DiskFile};
use crate::file::{archive_name, io_fault, segment_name};
use crate::scan;
use crate::segment::Header;
use gettone_core::port::StoreFault;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SPARE: &str = "spare";
const FILLING: &str = "spare.new";
const NEXT: &str = "next";
const ARCHIVING: &str = "archive.new";

/// Who does the work beside the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Upkeep {
    /// A thread of its own.
    #[default]
    Beside,
    /// Whoever calls [`crate::File::tend`]; for tests, where every step has its place.
    ByHand,
}

/// A segment that is to be archived, and the one after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) header: Header,
    pub(crate) after: Header,
}

/// The files beside the journal.
#[derive(Debug)]
pub(crate) struct Stock {
    room: Arc<Room>,
    thread: Option<JoinHandle<()>>,
}

/// What waits to be archived; a handle that outlives the store.
#[derive(Clone, Debug)]
pub struct Backlog {
    room: Arc<Room>,
}

impl Backlog {
    /// Sealed segments that are not archived yet.
    pub fn segments(&self) -> usize {
        self.room.desk().sealed.len()
    }

    /// Why the last work beside the journal failed, if it did. Nothing is lost by it, and it is
    /// tried again when the next segment is full; but the room on the disk will run out.
    pub fn fault(&self) -> Option<String> {
        self.room.desk().fault.clone()
    }
}

#[derive(Debug)]
struct Room {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    upkeep: Upkeep,
    desk: Mutex<Desk>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    sealed: VecDeque<Sealed>,
    has_spare: bool,
    /// The journal had to make room for itself: no rests until there is a spare.
    is_late: bool,
    is_over: bool,
    /// What failed is not tried again before the next segment is full.
    gave_up: bool,
    fault: Option<String>,
}

enum Job {
    Archive(Sealed),
    Fill,
}

impl Desk {
    fn job(&self) -> Option<Job> {
        if self.is_over || self.gave_up {
            return None;
        }
        match self.sealed.front() {
            Some(sealed) => Some(Job::Archive(*sealed)),
            None => (!self.has_spare).then_some(Job::Fill),
        }
    }

    fn must_hurry(&self) -> bool {
        self.is_late || self.sealed.len() > BACKLOG_MAX
    }
}

impl Stock {
    /// Looks at what an earlier store left, and clears away what it left half done.
    pub(crate) fn find(
        disk: &Arc<dyn Disk>,
        segment_bytes: u64,
        upkeep: Upkeep,
    ) -> Result<Self, StoreFault> {
        let clearing = |source| io_fault(format!("clearing {}", disk.place("")), source);
        let names = disk.names().map_err(clearing)?;
        for half_done in [FILLING, NEXT, ARCHIVING] {
            if names.iter().any(|name| name == half_done) {
                disk.remove(half_done).map_err(clearing)?;
            }
        }
        let has_spare = names.iter().any(|name| name == SPARE)
            && disk
                .open(SPARE)
                .and_then(|file| file.size())
                .is_ok_and(|size| size == segment_bytes);
        let room = Room {
            disk: Arc::clone(disk),
            segment_bytes,
            upkeep,
            desk: Mutex::new(Desk {
                has_spare,
                ..Desk::default()
            }),
            bell: Condvar::new(),
        };
        Ok(Self {
            room: Arc::new(room),
            thread: None,
        })
    }

    /// Begins to work, unless it is done by hand.
    pub(crate) fn begin(&mut self) {
        if self.room.upkeep == Upkeep::ByHand || self.thread.is_some() {
            return;
        }
        let room = Arc::clone(&self.room);
        // Without a thread the journal makes room for itself, and nothing is archived.
        self.thread = thread::Builder::new()
            .name("gettone-stock".to_owned())
            .spawn(move || room.work())
            .ok();
    }

    /// Does by hand all that there is to do.
    pub(crate) fn tend(&self) -> Result<(), StoreFault> {
        if self.room.upkeep == Upkeep::Beside {
            return Ok(());
        }
        self.room.desk().gave_up = false;
        loop {
            let job = self.room.desk().job();
            let Some(job) = job else { return Ok(()) };
            self.room.carry_out(job)?;
        }
    }

    /// Hands over a segment that the journal has left.
    pub(crate) fn seal(&self, sealed: Sealed) {
        let mut desk = self.room.desk();
        desk.sealed.push_back(sealed);
        desk.gave_up = false;
        self.room.bell.notify_all();
    }

    /// A file of at least `needed` bytes that were written before, its size, and its name.
    pub(crate) fn take(&self, needed: u64) -> io::Result<(Box<dyn DiskFile>, u64, &'static str)> {
        let room = &self.room;
        let mut desk = room.desk();
        if desk.has_spare && room.segment_bytes >= needed {
            desk.has_spare = false;
            // Under another name at once: the next spare may come any time.
            room.disk.rename(SPARE, NEXT)?;
            room.bell.notify_all();
            return Ok((room.disk.open(NEXT)?, room.segment_bytes, NEXT));
        }
        desk.is_late = !desk.has_spare;
        room.bell.notify_all();
        drop(desk);
        let size = room.segment_bytes.min(SEGMENT_AT_ONCE_BYTES).max(needed);
        let file = room.disk.create(NEXT)?;
        fill(file.as_ref(), size, &mut |_| Ok(()))?;
        file.sync()?;
        Ok((file, size, NEXT))
    }

    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            room: Arc::clone(&self.room),
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.room.desk().is_over = true;
        self.room.bell.notify_all();
        // The directory's lock goes after this: nobody else may find the thread still writing.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Room {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing panics while the lock is held.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        // At the usual priority: a thread that is starved of the processor while it is inside the
        // file system would keep the journal's writes waiting.
        loop {
            let mut desk = self.desk();
            let job = loop {
                if desk.is_over {
                    return;
                }
                if let Some(job) = desk.job() {
                    break job;
                }
                desk = self.bell.wait(desk).unwrap_or_else(PoisonError::into_inner);
            };
            drop(desk);
            // What failed is kept in words, and tried again later.
            let _ = self.carry_out(job);
        }
    }

    fn carry_out(&self, job: Job) -> Result<(), StoreFault> {
        let done = match job {
            Job::Archive(sealed) => self.archive(&sealed),
            Job::Fill => self.fill(),
        };
        let mut desk = self.desk();
        match &done {
            Ok(()) => desk.fault = None,
            Err(_) if desk.is_over => {}
            Err(fault) => {
                desk.fault = Some(fault.to_string());
                desk.gave_up = true;
            }
        }
        done
    }

    fn archive(&self, sealed: &Sealed) -> Result<(), StoreFault> {
        let Sealed { header, after } = sealed;
        let (segment, archive) = (segment_name(header.number), archive_name(header.number));
        let doing = |what: &'static str, name: &str| {
            let place = self.disk.place(name);
            move |source| io_fault(format!("{what} {place}"), source)
        };
        let head = Head {
            header: *header,
            end: after.before.end,
        };
        let file = self
            .disk
            .open(&segment)
            .map_err(doing("opening", &segment))?;
        if !self.holds(&archive, sealed)? {
            let new = self
                .disk
                .create(ARCHIVING)
                .map_err(doing("making", ARCHIVING))?;
            let mut pace = Pace::begin();
            let mut pause = |new: &dyn DiskFile| self.pause(new, &mut pace);
            archive::pack(file.as_ref(), &head, new.as_ref(), &mut pause)
                .and_then(|()| new.sync())
                .map_err(doing("archiving", &segment))?;
            drop(new);
            // The segment's file is given away only for an archive that can be read.
            if !self.holds(ARCHIVING, sealed)? {
                return Err(StoreFault::Damaged {
                    place: self.disk.place(&segment),
                    what: "its archive does not give its frames again".to_owned(),
                });
            }
            self.disk
                .rename(ARCHIVING, &archive)
                .map_err(doing("naming", &archive))?;
        }
        // Also when it was there: nobody knows whether its name was sure.
        self.disk.sync().map_err(doing("naming", &archive))?;
        let size = file.size().map_err(doing("measuring", &segment))?;
        drop(file);
        // Nobody but this work makes a spare, so none comes meanwhile.
        let is_spare = !self.desk().has_spare && size == self.segment_bytes;
        if is_spare {
            self.disk.rename(&segment, SPARE)
        } else {
            self.disk.remove(&segment)
        }
        // Written over while it still had its old name, it would be a segment of nothing.
        .and_then(|()| self.disk.sync())
        .map_err(doing("recycling", &segment))?;
        let mut desk = self.desk();
        if is_spare {
            desk.has_spare = true;
            desk.is_late = false;
        }
        desk.sealed.pop_front();
        Ok(())
    }

    /// Whether an archive is there and gives all frames of the segment again.
    fn holds(&self, name: &str, sealed: &Sealed) -> Result<bool, StoreFault> {
        let place = self.disk.place(name);
        let reading = |source| io_fault(format!("reading {place}"), source);
        let file = match self.disk.open(name) {
            Ok(file) => file,
            Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(reading(source)),
        };
        let expected = Head {
            header: sealed.header,
            end: sealed.after.before.end,
        };
        if archive::head(file.as_ref()).map_err(reading)? != Some(Ok(expected)) {
            return Ok(false);
        }
        let unpacked = archive::Unpacked::new(file, &expected);
        let headers = (&sealed.header, &sealed.after);
        match scan::up_to(unpacked, headers, &place, &mut |_, _| Ok(())) {
            Ok(()) => Ok(true),
            Err(StoreFault::Damaged { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn fill(&self) -> Result<(), StoreFault> {
        let filled = self.disk.create(FILLING).and_then(|file| {
            let mut pace = Pace::begin();
            fill(file.as_ref(), self.segment_bytes, &mut |file| {
                self.pause(file, &mut pace)
            })?;
            file.sync()
        });
        let mut desk = self.desk();
        filled
            .and_then(|()| self.disk.rename(FILLING, SPARE))
            .map_err(|source| io_fault(format!("filling {}", self.disk.place(FILLING)), source))?;
        desk.has_spare = true;
        desk.is_late = false;
        Ok(())
    }

    /// Syncs what was just written, and rests.
    fn pause(&self, file: &dyn DiskFile, pace: &mut Pace) -> io::Result<()> {
        file.sync()?;
        let desk = self.desk();
        if desk.is_over {
            return Err(io::Error::other("the store is being closed"));
        }
        if self.upkeep == Upkeep::Beside && !desk.must_hurry() {
            let rested = self.bell.wait_timeout_while(desk, pace.rest(), |desk| {
                !desk.is_over && !desk.must_hurry()
            });
            drop(rested);
        }
        *pace = Pace::begin();
        Ok(())
    }
}

/// Since when work has gone on without a rest.
struct Pace(Instant);

impl Pace {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn rest(&self) -> Duration {
        self.0.elapsed().saturating_mul(REST_FOLD).min(REST_MAX)
    }
}

/// Writes zeros, part by part.
fn fill(
    file: &dyn DiskFile,
    bytes: u64,
    pause: &mut dyn FnMut(&dyn DiskFile) -> io::Result<()>,
) -> io::Result<()> {
    let zeros = vec![0; FILL_BYTES];
    let mut at = 0;
    while at < bytes {
        let left = usize::try_from(bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let part = zeros.get(..left).unwrap_or(&zeros);
        file.write_at(part, at)?;
        at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        pause(file)?;
    }
    Ok(())
}
