//! What a journal stands on: one directory, and files in it.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A directory with the promises that a power cut leaves of one: what a file holds is sure once the
/// file is synced, and its name once the directory is. Each call is one step that may be cut short.
pub trait Disk: Debug + Send {
    /// What a file holds, at most `most` bytes of it; none when it is not there.
    ///
    /// # Errors
    /// Whatever the operating system gives, here and below.
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file that holds nothing but this.
    ///
    /// # Errors
    /// Whatever the operating system gives; a part may then be written.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes behind what a file holds.
    ///
    /// # Errors
    /// Whatever the operating system gives; a part may then be written.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file off.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn cut(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Makes durable what a file holds.
    ///
    /// # Errors
    /// Whatever the operating system gives; what it holds may then not be durable, ever.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Renames a file, over what had the new name.
    ///
    /// # Errors
    /// Whatever the operating system gives.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// Whatever the operating system gives; the names may then not be durable.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// A directory of the operating system.
#[derive(Debug)]
pub struct Directory {
    place: PathBuf,
    /// The file that was written last.
    open: Option<(String, File)>,
}

impl Directory {
    /// Takes a directory that is there.
    pub fn at(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
            open: None,
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let file = match self.open.take() {
            Some((open, file)) if open == name => file,
            Some(_) | None => OpenOptions::new()
                .append(true)
                .open(self.place.join(name))?,
        };
        let (_, file) = self.open.insert((name.to_owned(), file));
        Ok(file)
    }
}

impl Disk for Directory {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.place.join(name)) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.place.join(name))?;
        let (_, file) = self.open.insert((name.to_owned(), file));
        file.write_all(bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        // Its length is synced as well when that changed.
        self.file(name)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        // What is open is known by a name that may be gone.
        self.open = None;
        fs::rename(self.place.join(from), self.place.join(to))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(&self.place)?.sync_all()
    }
}
