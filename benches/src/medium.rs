//! Where the journal of an engine that is measured goes.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::floor;
use crate::peer::server::{SETTINGS, Server};
use core::time::Duration;
use gettone::core::port::{Seq, Store};
use gettone_store::{File, FileSettings, Memory, Postgres, PostgresSettings, Standby};
use std::path::PathBuf;
use tempfile::TempDir;

/// For how long the disk beneath is measured first.
const FLOOR_SPAN: Duration = Duration::from_secs(2);

/// Where the journal goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Into memory.
    Memory,
    /// Into a directory of its own in this one.
    File(PathBuf),
    /// Into a PostgreSQL server of one's own, with its data in this directory.
    Postgres(PathBuf),
    /// Into an empty database of a PostgreSQL server that is there, in the words of a connection.
    PostgresAt(String),
}

/// What has to live as long as the store does.
#[derive(Debug)]
pub(crate) enum Place {
    Nowhere,
    Directory(#[expect(dead_code, reason = "removed when it is dropped")] TempDir),
    Server(#[expect(dead_code, reason = "ended when it is dropped")] Server),
}

pub(crate) type Opened = (Box<dyn Store>, Place, Vec<Figures>);

impl Medium {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File(_) => "file",
            Self::Postgres(_) | Self::PostgresAt(_) => "postgres",
        }
    }

    /// Opens an empty store, and notes what it is; where there is a disk of ours beneath, its own
    /// flush rate is measured first.
    pub(crate) fn open(&self, conditions: &mut Conditions) -> Result<Opened, Fault> {
        conditions.note("store", self.name());
        match self {
            Self::Memory => Ok((Box::new(Memory::new()), Place::Nowhere, Vec::new())),
            Self::File(dir) => {
                let floor = floor::measure(dir, FLOOR_SPAN)?;
                let place = tempfile::tempdir_in(dir).map_err(Fault::io("making a directory"))?;
                let store = File::open(place.path(), FileSettings::default())?;
                Ok((Box::new(store), Place::Directory(place), vec![floor]))
            }
            Self::Postgres(dir) => {
                let floor = floor::measure(dir, FLOOR_SPAN)?;
                let server =
                    Server::start(dir).map_err(Fault::call("starting a PostgreSQL server"))?;
                conditions.note("server", format!("PostgreSQL {}", server.version()?));
                let settings = SETTINGS.map(|(setting, value)| format!("{setting}={value}"));
                conditions.note("server_settings", settings.join(" "));
                let store = journal_at(&server.words())?;
                Ok((store, Place::Server(server), vec![floor]))
            }
            Self::PostgresAt(words) => {
                conditions.note("server", "as it was found");
                Ok((journal_at(words)?, Place::Nowhere, Vec::new()))
            }
        }
    }
}

/// An empty journal in the first partition there.
fn journal_at(words: &str) -> Result<Box<dyn Store>, Fault> {
    let mut settings = PostgresSettings::parse(words)?;
    settings.standby = Standby::Single;
    let store = Postgres::open(settings)?;
    if store.next() == Seq::FIRST {
        Ok(Box::new(store))
    } else {
        Err(Fault::call("opening the store")(
            "there is a journal in that database; name an empty one",
        ))
    }
}
