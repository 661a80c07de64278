//! The command that shows and changes the server's keys.

use crate::audit::{AuditFault, each_record};
use crate::config::Config;
use crate::key::{self, KeyFault};
use crate::rekey::Followers;
use clap::{Args, ValueEnum};
use core::cmp::Ordering;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What the command is told.
#[derive(Args)]
pub(crate) struct KeyArgs {
    /// What to change; nothing, if it is not said.
    #[arg(value_enum)]
    pub(crate) step: Option<Step>,
    /// The configuration file (TOML).
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// A step in the life of the server's keys; each counts from the gateway's next start.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Makes the next key: readers are told of it, and go on sealing to the one in use.
    Next,
    /// Puts the next key in use: readers seal to it once they have heard so.
    Activate,
    /// Lets go of keys that no reader seals to any more; stop the gateway first.
    Retire,
}

/// Why a step is not taken.
#[derive(thiserror::Error, Debug)]
pub(crate) enum StepFault {
    /// The keys do not allow it, or cannot be kept.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The journal, which says what readers seal to, cannot be read.
    #[error("{0}")]
    Journal(#[from] AuditFault),
}

/// Takes a step, if one is said, and tells which keys there are.
///
/// # Errors
/// `StepFault` when it cannot be taken: then nothing has changed.
pub(crate) fn take(step: Option<Step>, config: &Config) -> Result<Value, StepFault> {
    key::state_directory(&config.state)?;
    let servers = match step {
        None => key::server_keys(&config.state)?,
        Some(Step::Next) => key::announce_next(&config.state)?,
        Some(Step::Activate) => key::activate_next(&config.state)?,
        Some(Step::Retire) => {
            let mut readers = Followers::default();
            each_record(config, &mut |record| readers.take(record))?;
            match readers.least() {
                Some(least) => key::retire_below(&config.state, least)?,
                None => key::server_keys(&config.state)?,
            }
        }
    };
    let active = servers.active();
    let kept: Vec<Value> = servers
        .iter()
        .map(|server| {
            json!({
                "epoch": server.epoch,
                "public_key": server.key.public().to_string(),
                "state": match server.epoch.cmp(&active.epoch) {
                    Ordering::Less => "old",
                    Ordering::Equal => "active",
                    Ordering::Greater => "next",
                },
            })
        })
        .collect();
    Ok(json!({
        "server_public_key": active.key.public().to_string(),
        "server_epoch": active.epoch,
        "keys": kept,
    }))
}
