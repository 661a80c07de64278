use crate::bounds::{
    BATCH_BYTES_MAX, FRAME_MAX, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
    SEGMENTS_MAX, SHELF_CACHE_BYTES_DEFAULT,
};
use crate::disk::{Directory, Lock};
use crate::scan;
use crate::segment::{self, BadHeader, Before, HEADER_LEN, Header};
use crate::shelf::{FileShelf, Journal};
use crate::spare::Spare;
use gettone_core::port::{Each, Frames, Seq, Shelf, Store, StoreFault};
use gettone_core::record::FORMAT;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const LOCK: &str = "lock";
const SUFFIX: &str = "seg";

/// How a file journal is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSettings {
    /// How large a segment is.
    pub segment_bytes: u64,
    /// What the payloads are written in; segments of another format are refused.
    pub format: u32,
    /// Memory for the pages of the shelf.
    pub shelf_cache_bytes: usize,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            format: FORMAT,
            shelf_cache_bytes: SHELF_CACHE_BYTES_DEFAULT,
        }
    }
}

/// A journal in a directory of segment files, filled with zeros in advance: one write and one
/// sync for each append. A lock keeps every other store out of the directory.
#[derive(Debug)]
pub struct File {
    dir: PathBuf,
    settings: FileSettings,
    /// Sealed segments, oldest first; what is written goes to none of them.
    sealed: Vec<Header>,
    current: Current,
    spare: Spare,
    shelf: FileShelf,
    buffer: Vec<u8>,
    failed: bool,
    // The last field: it is dropped, and thereby the lock, when nothing works here any more.
    _lock: Lock,
}

#[derive(Debug)]
struct Current {
    file: fs::File,
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
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&settings.segment_bytes) {
            return Err(StoreFault::Io {
                doing: format!(
                    "choosing segments of {} bytes; they have {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}",
                    settings.segment_bytes
                ),
                source: ErrorKind::InvalidInput.into(),
            });
        }
        create_dir(dir)?;
        let lock = lock(dir)?;
        let sealed = read_headers(dir, settings.format)?;
        let (before, next) = match sealed.last() {
            None => (Before::default(), Seq::FIRST),
            Some(last) => {
                let file = open_segment(dir, last.number)?;
                let end = scan::to_the_end(file, last, &place(dir, last.number))?;
                let before = Before {
                    number: last.number,
                    end: end.offset,
                };
                (before, end.next)
            }
        };
        let mut spare = Spare::find(dir, settings.segment_bytes)?;
        let current = begin_segment(dir, &mut spare, (settings, before, next))?;
        if before.number > 0 {
            // The new segment is durable, so what it makes void may go. This gives back the room
            // as well that was filled in advance.
            trim(dir, before)?;
        }
        spare.begin();
        let journal = Journal {
            salt: sealed.first().unwrap_or(&current.header).salt,
            next,
        };
        let disk = Directory::at(dir.to_owned())
            .map_err(|source| io_fault(format!("opening {}", dir.display()), source))?;
        let shelf = FileShelf::new(
            (Arc::new(disk), Arc::clone(&lock)),
            settings.shelf_cache_bytes,
            journal,
        );
        Ok(Self {
            dir: dir.to_owned(),
            settings,
            sealed,
            current,
            spare,
            shelf,
            buffer: Vec::new(),
            failed: false,
            _lock: lock,
        })
    }

    /// The place of the next frame.
    pub fn next(&self) -> Seq {
        self.current.next
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
            let segment = place(&self.dir, number);
            move |source| io_fault(format!("{what} {segment}"), source)
        };
        let number = current.header.number;
        current
            .file
            .write_all_at(&self.buffer, current.offset)
            .map_err(doing("writing", number))?;
        current.file.sync_data().map_err(doing("syncing", number))?;
        current.offset = current.offset.saturating_add(len);
        current.next = first.after(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn rotate(&mut self, batch_len: u64) -> Result<(), StoreFault> {
        let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
        let needed = header_len.saturating_add(batch_len);
        let before = Before {
            number: self.current.header.number,
            end: self.current.offset,
        };
        let settings = FileSettings {
            segment_bytes: self.settings.segment_bytes.max(needed),
            ..self.settings
        };
        let next = self.current.next;
        let current = begin_segment(&self.dir, &mut self.spare, (settings, before, next))?;
        let full = core::mem::replace(&mut self.current, current);
        self.sealed.push(full.header);
        self.spare.begin();
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
            let file = open_segment(&self.dir, header.number)?;
            let segment = place(&self.dir, header.number);
            scan::up_to(file, (header, after), &segment, &mut |seq, payload| {
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
}

/// Where a segment is, in words.
fn place(dir: &Path, number: u64) -> String {
    path(dir, number).display().to_string()
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{SUFFIX}"))
}

pub(crate) fn io_fault(doing: String, source: io::Error) -> StoreFault {
    StoreFault::Io { doing, source }
}

fn create_dir(dir: &Path) -> Result<(), StoreFault> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)
        .map_err(|source| io_fault(format!("creating {}", dir.display()), source))?;
    match dir.parent() {
        Some(parent) if parent.is_dir() => sync_dir(parent),
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreFault> {
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| io_fault(format!("syncing the directory {}", dir.display()), source))
}

fn lock(dir: &Path) -> Result<Lock, StoreFault> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_fault(format!("opening {}", path.display()), source))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
        if errno == rustix::io::Errno::WOULDBLOCK {
            StoreFault::Locked {
                place: dir.display().to_string(),
            }
        } else {
            io_fault(format!("locking {}", path.display()), errno.into())
        }
    })?;
    Ok(Arc::new(file))
}

fn open_segment(dir: &Path, number: u64) -> Result<fs::File, StoreFault> {
    let path = path(dir, number);
    fs::File::open(&path).map_err(|source| io_fault(format!("opening {}", path.display()), source))
}

/// Reads what every segment says of itself: numbers without a gap, each naming the one before.
fn read_headers(dir: &Path, format: u32) -> Result<Vec<Header>, StoreFault> {
    let listing = |source| io_fault(format!("listing {}", dir.display()), source);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        if path.extension().is_none_or(|suffix| suffix != SUFFIX) {
            continue;
        }
        let number = path
            .file_stem()
            .and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok());
        numbers.push(number.ok_or_else(|| StoreFault::Damaged {
            place: path.display().to_string(),
            what: "its name is not a segment's".to_owned(),
        })?);
    }
    numbers.sort_unstable();
    let mut headers: Vec<Header> = Vec::new();
    for number in numbers {
        let damaged = |what: String| StoreFault::Damaged {
            place: place(dir, number),
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
        let mut bytes = [0; HEADER_LEN];
        match open_segment(dir, number)?.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(short) if short.kind() == ErrorKind::UnexpectedEof => {
                return Err(damaged("it is shorter than a header".to_owned()));
            }
            Err(source) => return Err(io_fault(format!("reading {}", place(dir, number)), source)),
        }
        let header = Header::decode(&bytes).map_err(|bad| {
            damaged(match bad {
                BadHeader::NotASegment => "it is not a segment".to_owned(),
                BadHeader::OtherContainer(other) => {
                    format!("its layout is {other}, not {}", segment::CONTAINER)
                }
                BadHeader::Checksum => "its header's checksum is wrong".to_owned(),
            })
        })?;
        if header.format != format {
            return Err(StoreFault::OtherFormat {
                place: place(dir, number),
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
    Ok(headers)
}

/// Begins the next segment: its header is synced before it gets its name, and the name before
/// anybody appends.
fn begin_segment(
    dir: &Path,
    spare: &mut Spare,
    what: (FileSettings, Before, Seq),
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
    let (file, from) = spare.take(settings.segment_bytes)?;
    let doing = |what: &'static str| {
        let segment = place(dir, number);
        move |source| io_fault(format!("{what} {segment}"), source)
    };
    file.write_all_at(&header.encode(), 0)
        .map_err(doing("writing the header of"))?;
    file.sync_data().map_err(doing("syncing the header of"))?;
    fs::rename(&from, path(dir, number)).map_err(doing("naming"))?;
    sync_dir(dir)?;
    Ok(Current {
        file,
        header,
        len: settings.segment_bytes,
        offset: u64::try_from(HEADER_LEN).unwrap_or(u64::MAX),
        next,
    })
}

/// Cuts a sealed segment off where what counts of it ends.
fn trim(dir: &Path, sealed: Before) -> Result<(), StoreFault> {
    let path = path(dir, sealed.number);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| {
            if file.metadata()?.len() > sealed.end {
                file.set_len(sealed.end)?;
                file.sync_all()?;
            }
            Ok(())
        })
        .map_err(|source| io_fault(format!("trimming {}", path.display()), source))
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
        let room = core::mem::replace(
            &mut store.current.file,
            OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .expect("the system has one"),
        );
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
