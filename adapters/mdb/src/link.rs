//! The ways to a bus: a 9-bit serial port, an adapter, or two bytes for each word over a socket or pseudo-terminal.
//!
//! | Written as | Is |
//! |---|---|
//! | `tty:/dev/ttyS1` | a serial port that sends the mode bit as parity ([`TtyLink`]) |
//! | `bridge:/dev/ttyUSB0` | an adapter that answers POLL itself ([`BridgeLink`]) |
//! | `words:/run/gettone/mdb` | two bytes for each word ([`WordLink`]) |

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::path::{Path, PathBuf};

use crate::bounds::{ACK_MAX, BRIDGE_ACK_MAX, WORDS_ACK_MAX};
use crate::bridge::BridgeLink;
use crate::parmrk::Listener;
use crate::tty::TtyLink;
use crate::word::Word;
use crate::words::WordLink;

/// One end of a bus, for a thread of its own: reading waits, and writing takes as long as the words do.
pub trait Link: fmt::Debug + Send {
    /// Waits for what comes next, at most so long.
    ///
    /// # Errors
    /// When the other end is gone, or the system refuses.
    fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault>;

    /// Sends the words of one answer, without a gap.
    ///
    /// # Errors
    /// When the other end is gone or stopped reading, or the system refuses.
    fn write(&mut self, words: &[Word]) -> Result<(), LinkFault>;
}

/// What a link has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A word.
    Word(Word),
    /// The controller held the line: everybody starts again.
    Break,
    /// Nothing, in the time given.
    Nothing,
}

/// What the system refused, and while doing what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// The other end is gone.
    #[error("the other end of the link is closed")]
    Closed,
    /// The other end takes no more.
    #[error("the other end of the link stopped reading")]
    Stuck,
    /// A serial port without the ninth bit.
    #[error(
        "{} cannot send a ninth bit as mark or space parity: use a port that can, or a bridge adapter",
        path.display()
    )]
    NoNinthBit {
        /// Which port.
        path: PathBuf,
    },
    /// Somebody else has the port.
    #[error(
        "{} is in use by another program: end that one, or name another port",
        path.display()
    )]
    InUse {
        /// Which port.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl From<LinkFault> for io::Error {
    fn from(fault: LinkFault) -> Self {
        let kind = match &fault {
            LinkFault::Closed => io::ErrorKind::UnexpectedEof,
            LinkFault::Stuck => io::ErrorKind::TimedOut,
            LinkFault::NoNinthBit { .. } => io::ErrorKind::Unsupported,
            LinkFault::InUse { .. } => io::ErrorKind::ResourceBusy,
            LinkFault::System { source, .. } => source.kind(),
        };
        Self::new(kind, fault)
    }
}

pub(crate) fn system<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> LinkFault {
    move |source| LinkFault::System {
        doing,
        source: source.into(),
    }
}

/// Which link, as a configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Spec {
    /// `words:PATH`
    Words(PathBuf),
    /// `tty:DEVICE`
    Tty(PathBuf),
    /// `bridge:DEVICE`
    Bridge(PathBuf),
}

/// A text that names no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an MDB link is written tty:DEVICE, bridge:DEVICE or words:PATH, not {written:?}")]
pub struct SpecFault {
    written: String,
}

impl FromStr for Spec {
    type Err = SpecFault;

    fn from_str(text: &str) -> Result<Self, SpecFault> {
        match text.split_once(':') {
            Some((_, "")) | None => {}
            Some(("words", path)) => return Ok(Self::Words(path.into())),
            Some(("tty", path)) => return Ok(Self::Tty(path.into())),
            Some(("bridge", path)) => return Ok(Self::Bridge(path.into())),
            Some(_) => {}
        }
        let written = text.chars().take(80).collect();
        Err(SpecFault { written })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path) = match self {
            Self::Words(path) => ("words", path),
            Self::Tty(path) => ("tty", path),
            Self::Bridge(path) => ("bridge", path),
        };
        write!(f, "{kind}:{}", path.display())
    }
}

impl Spec {
    /// The device or file behind it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Words(path) | Self::Tty(path) | Self::Bridge(path) => path,
        }
    }

    /// How long a controller's ACK may take over this link; see [`Config::ack_max`](crate::cashless::Config).
    #[must_use]
    pub const fn ack_max(&self) -> Duration {
        match self {
            Self::Tty(_) => ACK_MAX,
            Self::Words(_) => WORDS_ACK_MAX,
            Self::Bridge(_) => BRIDGE_ACK_MAX,
        }
    }

    /// Opens the reader's end.
    ///
    /// # Errors
    /// When there is nothing of the kind, or the system refuses it.
    pub fn open(&self) -> Result<Box<dyn Link>, LinkFault> {
        Ok(match self {
            Self::Words(path) => Box::new(WordLink::open(path)?),
            Self::Tty(path) => Box::new(TtyLink::open(path, Listener::Peripheral)?),
            Self::Bridge(path) => Box::new(BridgeLink::open(path)?),
        })
    }
}

/// Opens a link as a configuration writes it.
///
/// # Errors
/// When the text names no link, or the link cannot be opened.
pub fn open(spec: &str) -> Result<Box<dyn Link>, OpenFault> {
    Ok(spec.parse::<Spec>()?.open()?)
}

/// Why a link is not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// The text names no link.
    #[error(transparent)]
    Spec(#[from] SpecFault),
    /// The link cannot be opened.
    #[error(transparent)]
    Link(#[from] LinkFault),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_written_as_it_is_read() {
        for text in ["tty:/dev/ttyS1", "words:mdb", "bridge:/dev/ttyUSB0"] {
            let spec: Spec = text.parse().expect("a link");
            assert_eq!(spec.to_string(), text);
        }
        for text in ["", "tty", "tty:", "usb:/dev/x", "/dev/ttyS1"] {
            let fault = text.parse::<Spec>().expect_err("no link");
            assert!(fault.to_string().contains("bridge:DEVICE"), "{fault}");
        }
    }
}
