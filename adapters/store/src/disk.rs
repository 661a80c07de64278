//! What the file store stands on: one directory, and files in it.

use rustix::fs::{FlockOperation, flock};
use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Keeps others out for as long as anybody holds it.
pub type Lock = Arc<dyn Debug + Send + Sync>;

/// One directory of a file system, with the promises that a power cut leaves of one: what a file
/// holds is sure once the file is synced, and its name once the directory is.
pub trait Disk: Debug + Send + Sync {
    /// The names of all files.
    ///
    /// # Errors
    /// Whatever the operating system gives, here and below.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there, to read and to write.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Makes an empty file, in the place of what had that name.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, over what had the new name.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// Whatever the operating system gives; the names may then not be durable.
    fn sync(&self) -> io::Result<()>;

    /// Keeps everybody else out for as long as anybody holds what it gives; none when somebody is in.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn lock(&self) -> io::Result<Option<Lock>>;

    /// Where a file is, in words; where the directory is, for the empty name.
    fn place(&self, name: &str) -> String;
}

/// One open file.
pub trait DiskFile: Debug + Send + Sync {
    /// How long it is.
    ///
    /// # Errors
    /// Whatever the operating system gives, here and below.
    fn size(&self) -> io::Result<u64>;

    /// Reads what is there at `offset`; nothing at its end.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the operating system gives; a part may then be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts it off, or makes it longer with zeros.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes what it holds durable.
    ///
    /// # Errors
    /// Whatever the operating system gives; what it holds may then not be durable, ever.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly as much as fits `into`; false when the file ends before that.
pub(crate) fn read_whole(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut done = 0;
    while done < into.len() {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(into.get_mut(done..).unwrap_or_default(), at) {
            Ok(0) => return Ok(false),
            Ok(some) => done = done.saturating_add(some),
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(true)
}

/// A directory of the operating system.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

const LOCK: &str = "lock";

impl Directory {
    /// Takes the directory, which is made when it is not there.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir_all(&path)?;
            if let Some(parent) = path.parent().filter(|parent| parent.is_dir()) {
                fs::File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { path })
    }
}

impl Disk for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(file))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(fault) if fault.kind() != ErrorKind::NotFound => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join(LOCK))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Arc::new(file))),
            Err(errno) if errno == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn place(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

impl DiskFile for fs::File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        // Its length is synced as well when that changed.
        self.sync_data()
    }
}
