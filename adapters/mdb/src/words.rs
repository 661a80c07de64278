//! The `words:` link: nine-bit words as two bytes each, mode bit first, over a pseudo-terminal or a Unix socket.
//!
//! It carries what a wire would, and no timing: peers that run on an ordinary computer use patient settings.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use crate::bounds::BLOCK_MAX;
pub use crate::link::LinkFault;
use crate::link::{Link, Read, system};
use crate::word::{Mode, Word};

/// Bytes of a whole block on this link.
const BURST_MAX: usize = 2 * BLOCK_MAX;
/// Bytes taken from the system at a time.
const READ_MAX: usize = 2 * BURST_MAX;
/// Times a link is emptied when it is opened; the system holds less than that.
const PAST_MAX: usize = 64;
/// How long the rest of a burst may wait for a peer that does not read.
const REST_MAX: Duration = Duration::from_millis(100);

/// One end of the link.
#[derive(Debug)]
pub struct WordLink {
    end: OwnedFd,
    heard: [u8; READ_MAX],
    /// The bytes of `heard` not yet taken.
    left: core::ops::Range<usize>,
    /// Only a machine's end has one.
    name: Option<Name>,
}

impl WordLink {
    /// Opens the reader's end: a pseudo-terminal's slave, or a connection to a listening Unix socket.
    ///
    /// # Errors
    /// When there is nothing of the kind, or the system refuses it.
    pub fn open(path: &Path) -> Result<Self, LinkFault> {
        let found = fs::metadata(path).map_err(system("finding the link"))?;
        if found.file_type().is_socket() {
            let stream = UnixStream::connect(path).map_err(system("connecting to the link"))?;
            return Self::from_stream(stream);
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        let slave = rustix::fs::open(path, flags, mode).map_err(system("opening the link"))?;
        make_raw(slave.as_fd())?;
        let mut link = Self::new(slave, None);
        link.forget_the_past()?;
        Ok(link)
    }

    /// Takes a connected Unix socket as an end.
    ///
    /// # Errors
    /// When the system does not let it be read without waiting.
    pub fn from_stream(stream: UnixStream) -> Result<Self, LinkFault> {
        let refused = system("preparing the link");
        stream.set_nonblocking(true).map_err(refused)?;
        Ok(Self::new(stream.into(), None))
    }

    /// A device that was not there heard nothing of what was said before.
    fn forget_the_past(&mut self) -> Result<(), LinkFault> {
        for _ in 0..PAST_MAX {
            tcflush(&self.end, QueueSelector::IFlush).map_err(system("emptying the link"))?;
            if !self.fill(Duration::ZERO)? {
                break;
            }
            self.left = 0..0;
        }
        Ok(())
    }

    fn new(end: OwnedFd, name: Option<Name>) -> Self {
        Self {
            end,
            heard: [0; READ_MAX],
            left: 0..0,
            name,
        }
    }

    /// Waits for the next word, at most so long; `None` when none came.
    ///
    /// # Errors
    /// When the other end is gone, or the system refuses.
    pub fn read(&mut self, wait_max: Duration) -> Result<Option<Word>, LinkFault> {
        loop {
            if let Some(word) = self.take() {
                return Ok(Some(word));
            }
            if !self.fill(wait_max)? {
                return Ok(None);
            }
        }
    }

    /// Sends words in one go. A pseudo-terminal that nobody reads loses them, as a wire does.
    ///
    /// # Errors
    /// When the other end is gone or stopped reading, or the system refuses.
    pub fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        for burst in words.chunks(BLOCK_MAX) {
            let mut bytes = [0; BURST_MAX];
            for (pair, word) in bytes.chunks_exact_mut(2).zip(burst) {
                pair.copy_from_slice(&word.to_u16().to_be_bytes());
            }
            self.send(bytes.get(..2 * burst.len()).unwrap_or_default())?;
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), LinkFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&self.end, rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.is_ready(PollFlags::OUT, REST_MAX)? => {}
                Err(Errno::AGAIN) => match &self.name {
                    // Nobody has opened the reader's end for long: what filled it is of no use to anybody.
                    Some(name) => {
                        let flushed = tcflush(&name.slave, QueueSelector::IFlush);
                        return flushed.map_err(system("emptying the link"));
                    }
                    None => return Err(LinkFault::Stuck),
                },
                Err(Errno::IO | Errno::PIPE | Errno::CONNRESET) => return Err(LinkFault::Closed),
                Err(errno) => return Err(system("writing to the link")(errno)),
            }
        }
        Ok(())
    }

    /// The next word of what was heard; a byte that is no mode bit is out of step and skipped.
    fn take(&mut self) -> Option<Word> {
        loop {
            let heard = self.heard.get(self.left.clone())?;
            let (mode, byte) = match *heard {
                [0, byte, ..] => (Mode::Data, byte),
                [1, byte, ..] => (Mode::Address, byte),
                [0 | 1] | [] => return None,
                [_, ..] => {
                    self.left.start += 1;
                    continue;
                }
            };
            self.left.start += 2;
            return Some(Word::new(mode, byte));
        }
    }

    /// Hears more; false when nothing came in time.
    fn fill(&mut self, wait_max: Duration) -> Result<bool, LinkFault> {
        let half = self.left.len();
        self.heard.copy_within(self.left.clone(), 0);
        self.left = 0..half;
        if !self.is_ready(PollFlags::IN, wait_max)? {
            return Ok(false);
        }
        let room = self.heard.get_mut(half..).unwrap_or_default();
        match rustix::io::read(&self.end, room) {
            // A slave nobody has open reads as an error, a closed socket as nothing.
            Ok(0) | Err(Errno::IO | Errno::CONNRESET) => Err(LinkFault::Closed),
            Ok(more) => {
                self.left = 0..half.saturating_add(more);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(system("reading from the link")(errno)),
        }
    }

    fn is_ready(&self, wanted: PollFlags, wait_max: Duration) -> Result<bool, LinkFault> {
        let wait_max = Timespec::try_from(wait_max).ok();
        let mut ends = [PollFd::new(&self.end, wanted)];
        match poll(&mut ends, wait_max.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(system("waiting for the link")(errno)),
        }
    }
}

impl Link for WordLink {
    fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault> {
        Ok(match Self::read(self, wait_max)? {
            Some(word) => Read::Word(word),
            None => Read::Nothing,
        })
    }

    fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        Self::write(self, words)
    }
}

impl AsFd for WordLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// A pseudo-terminal whose slave a reader opens by name: the machine's end of the link.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    name: Name,
}

/// The slave, kept open so that readers may come and go, and the name it goes by.
#[derive(Debug)]
struct Name {
    slave: OwnedFd,
    slave_path: PathBuf,
    link: PathBuf,
}

impl Pty {
    /// Makes a pseudo-terminal and names its slave by a symbolic link, replacing a link that stood there.
    ///
    /// # Errors
    /// When the system gives none, or the name is taken by something else.
    pub fn open(link: &Path) -> Result<Self, LinkFault> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).map_err(system("making a pseudo-terminal"))?;
        rustix::io::ioctl_fionbio(&master, true)
            .map_err(system("preparing the pseudo-terminal"))?;
        grantpt(&master).map_err(system("granting the pseudo-terminal"))?;
        unlockpt(&master).map_err(system("unlocking the pseudo-terminal"))?;
        let slave_path = ptsname(&master, Vec::new()).map_err(system("naming its slave"))?;
        let slave_path = PathBuf::from(std::ffi::OsStr::from_bytes(slave_path.as_bytes()));
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        let slave =
            rustix::fs::open(&slave_path, flags, mode).map_err(system("opening its slave"))?;
        make_raw(slave.as_fd())?;
        if fs::symlink_metadata(link).is_ok_and(|it| it.file_type().is_symlink()) {
            fs::remove_file(link).map_err(system("replacing the link's name"))?;
        }
        std::os::unix::fs::symlink(&slave_path, link).map_err(system("naming the link"))?;
        Ok(Self {
            master,
            name: Name {
                slave,
                slave_path,
                link: link.to_owned(),
            },
        })
    }

    /// What a reader opens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.name.link
    }

    /// The machine's end; the name goes when it is dropped.
    #[must_use]
    pub fn line(self) -> WordLink {
        WordLink::new(self.master, Some(self.name))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Another machine may have taken the name over; a name that stays behind harms nobody.
        if fs::read_link(&self.link).is_ok_and(|it| it == self.slave_path) {
            let _ = fs::remove_file(&self.link);
        }
    }
}

fn make_raw(end: BorrowedFd<'_>) -> Result<(), LinkFault> {
    let refused = "making the link raw";
    let mut settings = tcgetattr(end).map_err(system(refused))?;
    settings.make_raw();
    tcsetattr(end, OptionalActions::Now, &settings).map_err(system(refused))
}
