//! What enrolment leaves on the board: which machine it serves, and the server's key.
//!
//! It lies in the state directory, not in the configuration: the root file system of a board may be
//! read-only, and the same for all boards.

use crate::identity::{IdentityFault, replace};
use gettone_channel::PublicKey;
use gettone_relay::Server;
use serde::Deserialize;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const NAME: &str = "enrolment.toml";
const LEN_MAX: u64 = 4 * 1024;

/// A board's enrolment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Enrolment {
    pub(crate) machine: u32,
    pub(crate) operator: u32,
    pub(crate) server: Server,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    machine: u32,
    operator: u32,
    server: ServerForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerForm {
    epoch: u16,
    key: String,
}

impl Enrolment {
    /// What lies in the state directory, if anything does.
    pub(crate) fn read(state: &Path) -> Result<Option<Self>, EnrolmentFault> {
        let path = state.join(NAME);
        let mut text = String::new();
        match std::fs::File::open(&path) {
            Ok(file) => file.take(LEN_MAX).read_to_string(&mut text),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => Err(fault),
        }
        .map_err(|source| EnrolmentFault::Read {
            path: path.clone(),
            source,
        })?;
        let form: Form = toml::from_str(&text).map_err(|source| EnrolmentFault::Form {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let key: PublicKey = form
            .server
            .key
            .parse()
            .map_err(|_| EnrolmentFault::Key { path })?;
        Ok(Some(Self {
            machine: form.machine,
            operator: form.operator,
            server: Server {
                epoch: form.server.epoch,
                key,
            },
        }))
    }

    /// Puts it in the state directory, on flash.
    pub(crate) fn write(&self, state: &Path) -> Result<(), IdentityFault> {
        let text = format!(
            "# Written by gettone-reader enrol; enrol again rather than edit it.\n\
             machine = {}\noperator = {}\n\n[server]\nepoch = {}\nkey = \"{}\"\n",
            self.machine, self.operator, self.server.epoch, self.server.key
        );
        replace(state, NAME, text.as_bytes())
    }
}

/// What is wrong with an enrolment.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum EnrolmentFault {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what enrolment writes.
    #[error("{path} is not what enrolment writes; enrol this board again")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// Its key is none.
    #[error("{path} holds no server key; enrol this board again")]
    Key {
        /// Which file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let place = tempfile::tempdir().expect("a directory");
        assert_eq!(Enrolment::read(place.path()).expect("readable"), None);
        let enrolment = Enrolment {
            machine: 17,
            operator: 3,
            server: Server {
                epoch: 2,
                key: PublicKey::from_bytes([9; 32]),
            },
        };
        enrolment.write(place.path()).expect("room");
        assert_eq!(
            Enrolment::read(place.path()).expect("readable"),
            Some(enrolment)
        );
    }
}
