//! The reader's end of the bus, wherever it is.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use gettone_mdb::Word;
use gettone_mdb::link::{Link, LinkFault, Read};
use gettone_mdb::parmrk::Listener;
use gettone_mdb::tty::TtyLink;
use gettone_mdb::words::{Pty, WordLink};

use crate::fault::VmcFault;

/// Where the reader is met.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Terminal(PathBuf),
    Socket(PathBuf),
    Port(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("socket", path)) if !path.is_empty() => Ok(Self::Socket(path.into())),
            Some(("tty", path)) if !path.is_empty() => Ok(Self::Port(path.into())),
            None if !text.is_empty() => Ok(Self::Terminal(text.into())),
            _ => Err("write PATH, socket:PATH or tty:DEVICE".to_owned()),
        }
    }
}

/// The reader's end, wherever it is.
#[derive(Debug)]
pub(crate) enum Line {
    Words(WordLink),
    Listening(UnixListener, PathBuf),
    Connected(WordLink, UnixListener, PathBuf),
    Port(TtyLink),
}

impl Line {
    pub(crate) fn open(place: &Place) -> Result<Self, VmcFault> {
        Ok(match place {
            Place::Terminal(path) => Self::Words(Pty::open(path)?.line()),
            Place::Port(path) => Self::Port(TtyLink::open(path, Listener::Controller)?),
            Place::Socket(path) => Self::Listening(listen(path)?, path.clone()),
        })
    }

    /// Waits for a reader, where one has to come.
    pub(crate) fn meet(self) -> Result<Self, VmcFault> {
        let Self::Listening(listener, path) = self else {
            return Ok(self);
        };
        let fault = |source| VmcFault::Socket {
            path: path.clone(),
            source,
        };
        let (stream, _) = listener.accept().map_err(fault)?;
        Ok(Self::Connected(
            WordLink::from_stream(stream)?,
            listener,
            path,
        ))
    }

    /// The link was lost: a socket takes the next reader.
    pub(crate) fn lost(self, fault: LinkFault) -> Result<Self, VmcFault> {
        match self {
            Self::Connected(_, listener, path) => Ok(Self::Listening(listener, path)),
            Self::Words(_) | Self::Listening(..) | Self::Port(_) => Err(fault.into()),
        }
    }

    fn link(&mut self) -> Option<&mut dyn Link> {
        match self {
            Self::Words(link) | Self::Connected(link, ..) => Some(link),
            Self::Port(link) => Some(link),
            Self::Listening(..) => None,
        }
    }

    pub(crate) fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault> {
        match self.link() {
            Some(link) => link.read(wait_max),
            None => Ok(Read::Nothing),
        }
    }

    pub(crate) fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        self.link().map_or(Ok(()), |link| link.write(words))
    }

    /// Holds the line where there is one to hold.
    pub(crate) fn hold(&self) {
        if let Self::Port(port) = self {
            // A port that cannot is told by the reader's silence.
            let _ = rustix::termios::tcsendbreak(port);
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener, VmcFault> {
    use std::os::unix::fs::FileTypeExt;
    let fault = |source| VmcFault::Socket {
        path: path.to_owned(),
        source,
    };
    let old = std::fs::symlink_metadata(path);
    if old.is_ok_and(|it| it.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(fault)?;
    }
    UnixListener::bind(path).map_err(fault)
}
