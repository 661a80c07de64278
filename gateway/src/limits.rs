//! How much the gateway takes on at once.

use crate::bounds::SEGMENT_BYTES_LEAST;
use crate::config::{ConfigFault, field};
use core::time::Duration;
use gettone_store::bounds::{SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX};
use serde::Deserialize;

/// How much the gateway takes on at once, and for how long.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// HTTP worker threads.
    pub workers: usize,
    /// Open connections.
    pub connections_max: usize,
    /// Milliseconds a client has for the head of a request.
    pub head_timeout_ms: u64,
    /// Milliseconds a client has for the body of a request.
    pub body_timeout_ms: u64,
    /// Milliseconds the engine has for one call.
    pub call_timeout_ms: u64,
    /// Milliseconds between "not ready" and the end of intake when it is stopped.
    pub unready_ms: u64,
    /// Seconds that requests under way have when it is stopped.
    pub shutdown_timeout_s: u64,
    /// Seconds that a reader has to answer the call of a typed code.
    pub call_wait_s: u64,
    /// Wrong codes that an account may type within 15 minutes.
    pub typed_failures_of_account: u32,
    /// Wrong codes that may be typed for a machine within an hour.
    pub typed_failures_of_machine: u32,
    /// Engine calls under way; more are told to come again.
    pub in_flight_max: usize,
    /// Shards of the engine; 0 for one on each core.
    pub shards: usize,
    /// Bytes of one segment of the journal, which are filled in advance.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 2,
            connections_max: 1_024,
            head_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            call_timeout_ms: 5_000,
            unready_ms: 0,
            shutdown_timeout_s: 10,
            call_wait_s: 30,
            typed_failures_of_account: 5,
            typed_failures_of_machine: 20,
            in_flight_max: 4_096,
            shards: 0,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
        }
    }
}

impl Limits {
    /// How long a client has for the body of a request.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// Whether each is within its bounds.
    ///
    /// # Errors
    /// `Field` with the first that is not.
    pub(crate) fn check(&self) -> Result<(), ConfigFault> {
        let within = [
            ("limits.workers", self.workers as u64, 1, 64),
            (
                "limits.connections_max",
                self.connections_max as u64,
                1,
                65_536,
            ),
            ("limits.head_timeout_ms", self.head_timeout_ms, 100, 120_000),
            ("limits.body_timeout_ms", self.body_timeout_ms, 100, 120_000),
            ("limits.call_timeout_ms", self.call_timeout_ms, 10, 120_000),
            ("limits.unready_ms", self.unready_ms, 0, 120_000),
            ("limits.call_wait_s", self.call_wait_s, 1, 30),
            (
                "limits.typed_failures_of_account",
                self.typed_failures_of_account.into(),
                1,
                1_000,
            ),
            (
                "limits.typed_failures_of_machine",
                self.typed_failures_of_machine.into(),
                1,
                1_000,
            ),
            ("limits.shutdown_timeout_s", self.shutdown_timeout_s, 1, 600),
            (
                "limits.in_flight_max",
                self.in_flight_max as u64,
                1,
                1_048_576,
            ),
            ("limits.shards", self.shards as u64, 0, 64),
            (
                "limits.segment_bytes",
                self.segment_bytes,
                SEGMENT_BYTES_LEAST,
                SEGMENT_BYTES_MAX,
            ),
        ];
        for (name, value, least, most) in within {
            if !(least..=most).contains(&value) {
                return Err(field(
                    name,
                    format!("{value} is out of bounds; write {least} to {most}"),
                ));
            }
        }
        Ok(())
    }
}
