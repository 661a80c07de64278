//! What readers are to have: told with the answer to a HELLO that names an older version.

use crate::database::reader_config::{self, ReaderConfig};
use crate::gateway::Gateway;
use crate::problem::Problem;
use gettone_channel::{Config, Manifest, PackageKind};
use gettone_core::id::ReaderId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The packages that readers are to have, by name and hash; what is in them lies in the database.
/// Read from there when the first reader asks, and kept from then on.
#[derive(Debug, Default)]
pub(crate) struct Packages(Mutex<Option<HashMap<ReaderId, Config>>>);

impl Packages {
    /// Notes that a reader is to have this one.
    pub(crate) fn note(&self, reader: ReaderId, told: Config) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = &mut *all {
            all.insert(reader, told);
        }
    }

    fn find(&self, reader: ReaderId) -> Option<Option<Config>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.as_ref().map(|all| all.get(&reader).copied())
    }

    fn fill(&self, read: Vec<(ReaderId, ReaderConfig)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_or_insert_default();
        for (reader, config) in read {
            if let Some(manifest) = manifest(&config) {
                // What was entered meanwhile is newer.
                known.entry(reader).or_insert_with(|| manifest.config());
            }
        }
    }
}

/// What vouches for a configuration.
pub(crate) fn manifest(config: &ReaderConfig) -> Option<Manifest> {
    Manifest::of(PackageKind::Configuration, config.version, &config.words)
}

/// What a reader with this version of its configuration has to be told.
///
/// # Errors
/// `Problem` when the database cannot be read.
pub(crate) async fn told(
    gateway: &Gateway,
    reader: ReaderId,
    version: u32,
) -> Result<Option<Config>, Problem> {
    let found = match gateway.packages().find(reader) {
        Some(found) => found,
        None => {
            let all = gateway.database().read(reader_config::all).await?;
            gateway.packages().fill(all);
            gateway.packages().find(reader).flatten()
        }
    };
    Ok(found.filter(|told| told.number() > version))
}
