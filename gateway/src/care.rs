//! What readers are to have: told with the answer to a HELLO that names an older version.

use crate::database::firmware;
use crate::database::reader_config::{self, ReaderConfig};
use crate::gateway::Gateway;
use crate::problem::Problem;
use gettone_channel::{Config, Hello, Manifest, PackageKind};
use gettone_core::id::{OperatorId, ReaderId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The packages that readers are to have, by name and hash; what is in them lies in the database.
/// Read from there when the first reader asks, and kept from then on.
#[derive(Debug, Default)]
pub(crate) struct Packages(Mutex<Option<Known>>);

#[derive(Debug, Default)]
struct Known {
    configurations: HashMap<ReaderId, Config>,
    /// With whose program it is: a reader that is another operator's now is not told of it.
    firmware: HashMap<ReaderId, (OperatorId, Config)>,
}

impl Packages {
    /// Notes that a reader is to have this configuration.
    pub(crate) fn note(&self, reader: ReaderId, told: Config) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = &mut *all {
            all.configurations.insert(reader, told);
        }
    }

    /// Notes that readers are to have this program.
    pub(crate) fn note_firmware(&self, readers: &[ReaderId], operator: OperatorId, told: Config) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = &mut *all {
            all.firmware
                .extend(readers.iter().map(|reader| (*reader, (operator, told))));
        }
    }

    /// Notes that no reader is to have this program.
    pub(crate) fn forget_firmware(&self, operator: OperatorId, number: u32) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = &mut *all {
            all.firmware
                .retain(|_, (owner, told)| (*owner, told.number()) != (operator, number));
        }
    }

    /// What a reader of this operator is to have, of either kind; none before anything was read.
    fn find(&self, reader: ReaderId, operator: Option<OperatorId>) -> Option<[Option<Config>; 2]> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.as_ref().map(|all| {
            let firmware = all.firmware.get(&reader);
            let firmware = firmware.filter(|(owner, _)| Some(*owner) == operator);
            [
                all.configurations.get(&reader).copied(),
                firmware.map(|(_, told)| *told),
            ]
        })
    }

    fn fill(
        &self,
        configurations: Vec<(ReaderId, ReaderConfig)>,
        firmware: Vec<(ReaderId, OperatorId, Config)>,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_or_insert_default();
        // What was entered meanwhile is newer.
        for (reader, config) in configurations {
            if let Some(manifest) = manifest(&config) {
                known
                    .configurations
                    .entry(reader)
                    .or_insert_with(|| manifest.config());
            }
        }
        for (reader, operator, told) in firmware {
            known.firmware.entry(reader).or_insert((operator, told));
        }
    }
}

/// What vouches for a configuration.
pub(crate) fn manifest(config: &ReaderConfig) -> Option<Manifest> {
    Manifest::of(PackageKind::Configuration, config.version, &config.words)
}

/// What a reader has to be told that has these versions, the configuration first.
///
/// # Errors
/// `Problem` when the database cannot be read.
pub(crate) async fn told(
    gateway: &Gateway,
    reader: ReaderId,
    operator: Option<OperatorId>,
    hello: &Hello,
) -> Result<Vec<Config>, Problem> {
    let found = match gateway.packages().find(reader, operator) {
        Some(found) => found,
        None => {
            let (configurations, firmware) = gateway
                .database()
                .read(|connection| {
                    Ok((reader_config::all(connection)?, firmware::all(connection)?))
                })
                .await?;
            gateway.packages().fill(configurations, firmware);
            let found = gateway.packages().find(reader, operator);
            found.unwrap_or_default()
        }
    };
    let told = found.into_iter().zip([hello.cfg, hello.fw]);
    Ok(told
        .filter_map(|(told, has)| told.filter(|told| told.number() > has))
        .collect())
}
