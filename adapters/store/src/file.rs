use crate::archive;
use crate::bounds::{
    BATCH_BYTES_MAX, FRAME_MAX, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
    SEGMENTS_MAX, SHELF_CACHE_BYTES_DEFAULT,
};
use crate::disk::{Directory, Disk, DiskFile, Lock, read_whole};
use crate::history::{FileHistory, Headers};
use crate::scan::{self, Bytes};
use crate::segment::{self, BadHeader, Before, HEADER_LEN, Header};
use crate::shelf::{FileShelf, Journal};
use crate::stock::{Backlog, Sealed, Stock, Upkeep};
use gettone_core::port::{Each, Frames, History, Seq, Shelf, Store, StoreFault};
use gettone_core::record::FORMAT;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const SEGMENT: &str = ".seg";
const ARCHIVE: &str = ".arc";

/// How a file journal is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSettings {
    /// How large a segment is.
    pub segment_bytes: u64,
    /// What the payloads are written in; segments of another format are refused.
    pub format: u32,
    /// Memory for the pages of the shelf.
    pub shelf_cache_bytes: usize,
    /// Who archives what is full, and makes room in advance.
    pub upkeep: Upkeep,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            format: FORMAT,
            shelf_cache_bytes: SHELF_CACHE_BYTES_DEFAULT,
            upkeep: Upkeep::default(),
        }
    }
}

/// A journal in a directory of segment files that were written before: one write and one sync for
/// each append. What is full is archived and its file used again; archive and segments replay as
/// one. A lock keeps every other store out of the directory.
#[derive(Debug)]
pub struct File {
    disk: Arc<dyn Disk>,
    settings: FileSettings,
    /// Sealed segments, oldest first; what is written goes to none of them.
    sealed: Vec<Header>,
    current: Current,
    stock: Stock,
    shelf: FileShelf,
    /// All segments, for whoever reads beside.
    headers: Headers,
    buffer: Vec<u8>,
    failed: bool,
    // The last field: it is dropped, and thereby the lock, when nothing works here any more.
    _lock: Lock,
}

#[derive(Debug)]
struct Current {
    file: Box<dyn DiskFile>,
    header: Header,
    len: u64,
    offset: u64,
    next: Seq,
}

impl File {
    /// Opens the journal in `dir`, or begins one. What a crash left half written is void from
    /// here on, for ever: a new segment says so, and is on disk before this returns.
    ///
    /// # Errors
    /// `Locked` while another store has the directory; `Damaged` when something that was durable
    /// cannot be read any more; `Io` when the operating system says no.
    pub fn open(dir: &Path, settings: FileSettings) -> Result<Self, StoreFault> {
        check(settings)?;
        let disk = Directory::at(dir.to_owned())
            .map_err(|source| io_fault(format!("creating {}", dir.display()), source))?;
        Self::open_on(Arc::new(disk), settings)
    }

    /// Opens the journal on `disk`, or begins one, as [`File::open`] does.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: FileSettings) -> Result<Self, StoreFault> {
        check(settings)?;
        let locking = |source| io_fault(format!("locking {}", disk.place("")), source);
        let lock = disk
            .lock()
            .map_err(locking)?
            .ok_or_else(|| StoreFault::Locked {
                place: disk.place(""),
            })?;
        let mut stock = Stock::find(&disk, settings.segment_bytes, settings.upkeep)?;
        let Listed { sealed, to_archive } = list(disk.as_ref(), settings.format)?;
        let (before, next) = match sealed.last() {
            None => (Before::default(), Seq::FIRST),
            Some(last) => {
                let place = disk.place(&segment_name(last.number));
                let file = open_segment(disk.as_ref(), last.number)?;
                let end = scan::to_the_end(file.as_ref(), last, &place)?;
                let before = Before {
                    number: last.number,
                    end: end.offset,
                };
                (before, end.next)
            }
        };
        let current = begin_segment(disk.as_ref(), &stock, (settings, before, next))?;
        if before.number > 0 && settings.upkeep == Upkeep::ByHand {
            // Perhaps nobody ever archives it. A thread would soon use its whole file again.
            trim(disk.as_ref(), before)?;
        }
        let afters = sealed.iter().skip(1).chain([&current.header]);
        for (header, after) in sealed.iter().zip(afters) {
            if to_archive.contains(&header.number) {
                stock.seal(Sealed {
                    header: *header,
                    after: *after,
                });
            }
        }
        stock.begin();
        let journal = Journal {
            salt: sealed.first().unwrap_or(&current.header).salt,
            next,
        };
        let kept = (Arc::clone(&disk), Arc::clone(&lock));
        let all = sealed.iter().chain([&current.header]).copied();
        Ok(Self {
            headers: Headers::new(all),
            shelf: FileShelf::new(kept, settings.shelf_cache_bytes, journal),
            disk,
            settings,
            sealed,
            current,
            stock,
            buffer: Vec::new(),
            failed: false,
            _lock: lock,
        })
    }

    /// The place of the next frame.
    pub fn next(&self) -> Seq {
        self.current.next
    }

    /// What waits to be archived.
    pub fn backlog(&self) -> Backlog {
        self.stock.backlog()
    }

    /// Archives what is full and makes room in advance, when that is done [`Upkeep::ByHand`].
    ///
    /// # Errors
    /// Whatever kept it from that; no frame is lost by it.
    pub fn tend(&self) -> Result<(), StoreFault> {
        self.stock.tend()
    }

    fn write(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        let expected = self.current.next;
        if first != expected {
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: expected.number(),
            });
        }
        if frames.is_empty() {
            return Ok(());
        }
        let len = segment::batch_len(frames);
        let largest = frames.iter().map(<[u8]>::len).max().unwrap_or(0);
        if largest > FRAME_MAX || len > BATCH_BYTES_MAX {
            return Err(StoreFault::Io {
                doing: format!(
                    "appending {len} bytes with a frame of {largest}; at most {BATCH_BYTES_MAX} and {FRAME_MAX}"
                ),
                source: ErrorKind::InvalidInput.into(),
            });
        }
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        if len > self.current.len.saturating_sub(self.current.offset) {
            self.rotate(len)?;
        }
        let current = &mut self.current;
        let batch = (current.header.seed(), current.offset, first);
        segment::encode_batch(&mut self.buffer, frames, batch).ok_or_else(|| StoreFault::Io {
            doing: "framing a batch".to_owned(),
            source: ErrorKind::InvalidInput.into(),
        })?;
        let doing = |what: &'static str, number: u64| {
            let segment = self.disk.place(&segment_name(number));
            move |source| io_fault(format!("{what} {segment}"), source)
        };
        let number = current.header.number;
        if let Err(source) = current.file.write_at(&self.buffer, current.offset) {
            return Err(doing("writing", number)(source));
        }
        if let Err(source) = current.file.sync() {
            return Err(doing("syncing", number)(source));
        }
        current.offset = current.offset.saturating_add(len);
        current.next = first.after(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn rotate(&mut self, batch_len: u64) -> Result<(), StoreFault> {
        let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
        let before = Before {
            number: self.current.header.number,
            end: self.current.offset,
        };
        let what = (self.settings, before, self.current.next);
        let needed = header_len.saturating_add(batch_len);
        let current = begin_segment_of(self.disk.as_ref(), &self.stock, what, needed)?;
        let full = core::mem::replace(&mut self.current, current);
        self.headers.push(self.current.header);
        self.sealed.push(full.header);
        self.stock.seal(Sealed {
            header: full.header,
            after: self.current.header,
        });
        Ok(())
    }
}

impl Store for File {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        let ends = self.sealed.iter().skip(1).chain([&self.current.header]);
        for (header, after) in self.sealed.iter().zip(ends) {
            if after.first <= from {
                continue;
            }
            replay_sealed(self.disk.as_ref(), (header, after), &mut |seq, payload| {
                if seq >= from {
                    each(seq, payload)
                } else {
                    Ok(())
                }
            })?;
        }
        Ok(self.current.header.first)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let written = self.write(first, frames);
        self.failed = written.is_err();
        written
    }

    fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        Some(Arc::new(self.shelf.clone()))
    }

    fn history(&self) -> Option<Arc<dyn History>> {
        let (disk, headers) = (Arc::clone(&self.disk), self.headers.clone());
        Some(Arc::new(FileHistory::new(disk, headers)))
    }
}

pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:016x}{SEGMENT}")
}

pub(crate) fn archive_name(number: u64) -> String {
    format!("{number:016x}{ARCHIVE}")
}

pub(crate) fn io_fault(doing: String, source: io::Error) -> StoreFault {
    StoreFault::Io { doing, source }
}

fn check(settings: FileSettings) -> Result<(), StoreFault> {
    if (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&settings.segment_bytes) {
        return Ok(());
    }
    Err(StoreFault::Io {
        doing: format!(
            "choosing segments of {} bytes; they have {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}",
            settings.segment_bytes
        ),
        source: ErrorKind::InvalidInput.into(),
    })
}

fn open_segment(disk: &dyn Disk, number: u64) -> Result<Box<dyn DiskFile>, StoreFault> {
    let name = segment_name(number);
    disk.open(&name)
        .map_err(|source| io_fault(format!("opening {}", disk.place(&name)), source))
}

/// Gives the frames of one sealed segment, or of its archive once its file is used otherwise.
fn replay_sealed(
    disk: &dyn Disk,
    headers: (&Header, &Header),
    each: &mut Each<'_>,
) -> Result<(), StoreFault> {
    let (header, after) = headers;
    let name = segment_name(header.number);
    match disk.open(&name) {
        Ok(file) => {
            let from = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
            let bytes = Bytes::of(file.as_ref(), from);
            return scan::up_to(bytes, headers, &disk.place(&name), each);
        }
        Err(fault) if fault.kind() == ErrorKind::NotFound => {}
        Err(source) => {
            return Err(io_fault(format!("opening {}", disk.place(&name)), source));
        }
    }
    let place = disk.place(&archive_name(header.number));
    let reading = |source| io_fault(format!("reading {place}"), source);
    let file = disk.open(&archive_name(header.number)).map_err(reading)?;
    match archive::head(file.as_ref()).map_err(reading)? {
        Some(Ok(head)) if (&head.header, head.end) == (header, after.before.end) => {
            let unpacked = archive::Unpacked::new(file, &head);
            scan::up_to(unpacked, headers, &place, each)
        }
        Some(_) | None => Err(StoreFault::Damaged {
            place,
            what: "it is not the archive of the segment that was there".to_owned(),
        }),
    }
}

/// The sealed segments of a journal.
struct Listed {
    /// What they say of themselves, oldest first.
    sealed: Vec<Header>,
    /// Those whose files are still there.
    to_archive: Vec<u64>,
}

/// What there is of one segment.
#[derive(Clone, Copy, Default)]
struct Found {
    segment: bool,
    archive: bool,
}

fn find(disk: &dyn Disk) -> Result<BTreeMap<u64, Found>, StoreFault> {
    let listing = |source| io_fault(format!("listing {}", disk.place("")), source);
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    for name in disk.names().map_err(listing)? {
        let (stem, is_archive) = match (name.strip_suffix(SEGMENT), name.strip_suffix(ARCHIVE)) {
            (Some(stem), _) => (stem, false),
            (None, Some(stem)) => (stem, true),
            (None, None) => continue,
        };
        let number = u64::from_str_radix(stem, 16).map_err(|_| StoreFault::Damaged {
            place: disk.place(&name),
            what: "its name is not a segment's".to_owned(),
        })?;
        let found = found.entry(number).or_default();
        found.archive |= is_archive;
        found.segment |= !is_archive;
    }
    Ok(found)
}

/// Reads what every segment says of itself: numbers without a gap, each naming the one before.
fn list(disk: &dyn Disk, format: u32) -> Result<Listed, StoreFault> {
    let found = find(disk)?;
    let mut headers: Vec<Header> = Vec::new();
    for (number, files) in &found {
        let number = *number;
        let name = if files.segment {
            segment_name(number)
        } else {
            archive_name(number)
        };
        let damaged = |what: String| StoreFault::Damaged {
            place: disk.place(&name),
            what,
        };
        let before = headers.last();
        let expected = before.map_or(1, |before| before.number.saturating_add(1));
        if number != expected {
            return Err(damaged(format!("segment {expected} is missing before it")));
        }
        if headers.len() >= SEGMENTS_MAX {
            return Err(damaged(format!("more than {SEGMENTS_MAX} segments")));
        }
        let header = read_header(disk, &name, *files)?;
        if header.format != format {
            return Err(StoreFault::OtherFormat {
                place: disk.place(&name),
                found: header.format,
                ours: format,
            });
        }
        let names = (header.number, header.before.number);
        if names != (number, before.map_or(0, |before| before.number)) {
            return Err(damaged(
                "it names other segments than it follows".to_owned(),
            ));
        }
        if header.first < before.map_or(Seq::FIRST, |before| before.first)
            || (before.is_none() && header.first != Seq::FIRST)
        {
            return Err(damaged(
                "its frames do not follow the ones before".to_owned(),
            ));
        }
        headers.push(header);
    }
    // What is archived was followed by a segment, which nobody has given away.
    if let Some((number, files)) = found.last_key_value()
        && !files.segment
    {
        return Err(StoreFault::Damaged {
            place: disk.place(&archive_name(*number)),
            what: format!("segment {} is missing after it", number.saturating_add(1)),
        });
    }
    let still_there = found.iter().filter(|(_, files)| files.segment);
    Ok(Listed {
        sealed: headers,
        to_archive: still_there.map(|(number, _)| *number).collect(),
    })
}

fn read_header(disk: &dyn Disk, name: &str, files: Found) -> Result<Header, StoreFault> {
    let reading = |source| io_fault(format!("reading {}", disk.place(name)), source);
    let file = disk.open(name).map_err(reading)?;
    let read = if files.segment {
        let mut bytes = [0; HEADER_LEN];
        read_whole(file.as_ref(), &mut bytes, 0)
            .map_err(reading)?
            .then(|| Header::decode(&bytes))
    } else {
        let head = archive::head(file.as_ref()).map_err(reading)?;
        head.map(|head| head.map(|head| head.header))
    };
    let what = match read {
        Some(Ok(header)) => return Ok(header),
        None => "it is shorter than a header".to_owned(),
        Some(Err(BadHeader::NotASegment)) => "it is not a segment".to_owned(),
        Some(Err(BadHeader::OtherContainer(other))) => {
            format!("its layout is {other}, not {}", segment::CONTAINER)
        }
        Some(Err(BadHeader::Checksum)) => "its header's checksum is wrong".to_owned(),
    };
    Err(StoreFault::Damaged {
        place: disk.place(name),
        what,
    })
}

fn begin_segment(
    disk: &dyn Disk,
    stock: &Stock,
    what: (FileSettings, Before, Seq),
) -> Result<Current, StoreFault> {
    begin_segment_of(disk, stock, what, SEGMENT_BYTES_MIN)
}

/// Begins the next segment, with room for `needed` bytes: its header is synced before it gets its
/// name, and the name before anybody appends.
fn begin_segment_of(
    disk: &dyn Disk,
    stock: &Stock,
    what: (FileSettings, Before, Seq),
    needed: u64,
) -> Result<Current, StoreFault> {
    let (settings, before, next) = what;
    let number = before.number.saturating_add(1);
    let header = Header {
        format: settings.format,
        number,
        first: next,
        salt: salt(),
        before,
    };
    let name = segment_name(number);
    let doing = |what: &'static str| {
        let place = disk.place(&name);
        move |source| io_fault(format!("{what} {place}"), source)
    };
    let (file, len, from) = stock.take(needed).map_err(doing("making room for"))?;
    file.write_at(&header.encode(), 0)
        .map_err(doing("writing the header of"))?;
    file.sync().map_err(doing("syncing the header of"))?;
    disk.rename(from, &name)
        .and_then(|()| disk.sync())
        .map_err(doing("naming"))?;
    Ok(Current {
        file,
        header,
        len,
        offset: u64::try_from(HEADER_LEN).unwrap_or(u64::MAX),
        next,
    })
}

/// Cuts a sealed segment off where what counts of it ends, when that is little: many openings of an
/// idle journal would take much room.
fn trim(disk: &dyn Disk, sealed: Before) -> Result<(), StoreFault> {
    let name = segment_name(sealed.number);
    let trimming = |source| io_fault(format!("trimming {}", disk.place(&name)), source);
    let file = disk.open(&name).map_err(trimming)?;
    let size = file.size().map_err(trimming)?;
    if sealed.end < size / 2 {
        file.set_size(sealed.end)
            .and_then(|()| file.sync())
            .map_err(trimming)?;
    }
    Ok(())
}

/// Differs from one use of a file to the next. Nothing secret hangs on it.
fn salt() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            // The low bits are the ones that differ.
            u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or(0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[&[u8]]) -> Frames {
        let mut frames = Frames::default();
        payloads.iter().for_each(|payload| frames.push(payload));
        frames
    }

    #[test]
    fn a_full_disk_is_told_and_nothing_is_appended_after_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = FileSettings {
            segment_bytes: SEGMENT_BYTES_MIN,
            ..FileSettings::default()
        };
        let mut store = File::open(dir.path(), settings).expect("opens");
        store
            .append(Seq::FIRST, &frames(&[b"kept"]))
            .expect("there is room");
        // The kernel's own full disk: every write to it fails with ENOSPC.
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let full = full.expect("the system has one");
        let room = core::mem::replace(&mut store.current.file, Box::new(full));
        let fault = store.append(Seq::new(2), &frames(&[b"lost"]));
        assert!(
            matches!(&fault, Err(StoreFault::Io { source, .. }) if source.kind() == ErrorKind::StorageFull),
            "{fault:?}"
        );
        store.current.file = room;
        let later = store.append(Seq::new(2), &frames(&[b"too late"]));
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        drop(store);

        let mut store = File::open(dir.path(), settings).expect("opens again");
        let mut kept = Vec::new();
        let next = store
            .replay(Seq::FIRST, &mut |_, payload| {
                kept.push(payload.to_vec());
                Ok(())
            })
            .expect("replays");
        assert_eq!((next, kept), (Seq::new(2), vec![b"kept".to_vec()]));
    }
}
