use std::io;
use std::path::{Path, PathBuf};

/// Why the street came to a stop.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum StreetFault {
    /// A file could not be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A process could not be started, heard or ended.
    #[error("the {name}: {what}")]
    Process {
        /// Which.
        name: &'static str,
        /// What went wrong.
        what: String,
    },
    /// The server could not be asked.
    #[error("{path}: {source}")]
    Http {
        /// What was asked.
        path: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The server refused.
    #[error("{path} was refused: {answer}")]
    Refused {
        /// What was asked.
        path: String,
        /// The answer.
        answer: String,
    },
    /// The link broke or was refused.
    #[error("the link: {0}")]
    Link(String),
    /// The machine's bus does not work.
    #[error("the machine: {0}")]
    Machine(String),
    /// Nothing came for too long.
    #[error("waited {seconds} s in vain for {what}")]
    Silence {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// Something is another thing than it should be.
    #[error("{what}: {found} instead of {expected}")]
    Other {
        /// What.
        what: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Something that should not be.
    #[error("{0}")]
    Unexpected(&'static str),
}

impl StreetFault {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn http(path: &str, source: ureq::Error) -> Self {
        Self::Http {
            path: path.to_owned(),
            source: Box::new(source),
        }
    }
}
