//! The command that shows and changes the server's keys.

use crate::audit::{AuditFault, each_record};
use crate::config::Config;
use crate::key::{self, KeyFault};
use crate::rekey::Followers;
use clap::{Args, ValueEnum};
use core::cmp::Ordering;
use gettone_core::id::ReaderId;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What the command is told.
#[derive(Args)]
pub(crate) struct KeyArgs {
    /// What to change; nothing, if it is not said.
    #[arg(value_enum)]
    pub(crate) step: Option<Step>,
    /// With `retire`: readers that are given up. They keep no key, and what they still seal to an old
    /// one is lost until they are enrolled anew.
    #[arg(long = "without", value_name = "READER", num_args = 1..)]
    pub(crate) without: Vec<gettone_channel::ReaderId>,
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
    /// Readers that are given up are none that are known.
    #[error("no such reader is enrolled, or it is revoked already: {0}")]
    Strange(ReaderId),
    /// Only `retire` gives readers up.
    #[error("--without goes with retire: only there do readers keep a key")]
    Pointless,
    /// The journal, which says what readers seal to, cannot be read.
    #[error("{0}")]
    Journal(#[from] AuditFault),
}

/// Takes a step, if one is said, and tells which keys there are.
///
/// # Errors
/// `StepFault` when it cannot be taken: then nothing has changed.
pub(crate) fn take(args: &KeyArgs, config: &Config) -> Result<Value, StepFault> {
    key::state_directory(&config.state)?;
    let step = args.step;
    if !args.without.is_empty() && !matches!(step, Some(Step::Retire)) {
        return Err(StepFault::Pointless);
    }
    let mut waits_for = None;
    let servers = match step {
        None => key::server_keys(&config.state)?,
        Some(Step::Next) => key::announce_next(&config.state)?,
        Some(Step::Activate) => key::activate_next(&config.state)?,
        Some(Step::Retire) => {
            let mut readers = Followers::default();
            each_record(config, &mut |record| readers.take(record))?;
            let without: Vec<ReaderId> = args
                .without
                .iter()
                .map(|reader| ReaderId::from_bytes(*reader.as_bytes()))
                .collect();
            if let Some(strange) = readers.give_up(&without).first() {
                return Err(StepFault::Strange(*strange));
            }
            let servers = match readers.least() {
                Some(least) => key::retire_below(&config.state, least)?,
                None => key::server_keys(&config.state)?,
            };
            let late = readers.below(servers.active().epoch);
            let late =
                late.map(|(reader, epoch)| json!({"reader": reader.to_string(), "epoch": epoch}));
            waits_for = Some(late.collect::<Vec<Value>>());
            servers
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
    let mut told = json!({
        "server_public_key": active.key.public().to_string(),
        "server_epoch": active.epoch,
        "keys": kept,
    });
    if let Some(readers) = waits_for {
        told["waits_for"] = readers.into();
    }
    Ok(told)
}
