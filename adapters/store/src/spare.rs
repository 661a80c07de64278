use crate::file::io_fault;
use gettone_core::port::StoreFault;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

const READY: &str = "spare";
const FILLING: &str = "spare.new";
/// Zeros written at a time.
const FILL_BYTES: usize = 1024 * 1024;

/// The next segment's file, filled with zeros in advance and beside the work: an append into room
/// that is there already does not have to sync the file's size.
#[derive(Debug)]
pub(crate) struct Spare {
    dir: PathBuf,
    bytes: u64,
    ready: bool,
    filling: Option<JoinHandle<io::Result<()>>>,
}

impl Spare {
    /// Takes up the spare file that an earlier store left, if it left one of the right size.
    pub(crate) fn find(dir: &Path, bytes: u64) -> Result<Self, StoreFault> {
        let clearing = |source| io_fault(format!("clearing {}", dir.display()), source);
        remove(&dir.join(FILLING)).map_err(clearing)?;
        let path = dir.join(READY);
        let ready =
            fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == bytes);
        if !ready {
            remove(&path).map_err(clearing)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            bytes,
            ready,
            filling: None,
        })
    }

    /// Begins to fill the next one, unless there is one.
    pub(crate) fn begin(&mut self) {
        if self.ready || self.filling.is_some() {
            return;
        }
        let (dir, bytes) = (self.dir.clone(), self.bytes);
        // Without a thread it is filled when it is needed.
        self.filling = thread::Builder::new()
            .name("gettone-spare".to_owned())
            .spawn(move || fill(&dir, bytes))
            .ok();
    }

    /// A file of `bytes` zeros, and where it is.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(File, PathBuf), StoreFault> {
        let doing = |source| {
            let path = self.dir.join(READY);
            io_fault(format!("filling {}", path.display()), source)
        };
        if let Some(filling) = self.filling.take() {
            let filled = filling
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread that filled it is gone")));
            filled.map_err(doing)?;
            self.ready = true;
        }
        if !self.ready || bytes != self.bytes {
            fill(&self.dir, bytes).map_err(doing)?;
        }
        self.ready = false;
        let path = self.dir.join(READY);
        let file = OpenOptions::new().write(true).open(&path).map_err(doing)?;
        Ok((file, path))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // The directory's lock goes after this: nobody else may find the thread still writing.
        if let Some(filling) = self.filling.take() {
            let _ = filling.join();
        }
    }
}

fn fill(dir: &Path, bytes: u64) -> io::Result<()> {
    let path = dir.join(FILLING);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)?;
    let zeros = vec![0; FILL_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(FILL_BYTES).min(FILL_BYTES);
        file.write_all(zeros.get(..part).unwrap_or(&zeros))?;
        left = left.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
    }
    file.sync_all()?;
    fs::rename(&path, dir.join(READY))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}
