//! What one would use instead: the same vend by other means, on the same cores, in the same run.
//!
//! A vend is (open a session and hold money), then (capture and close). A peer that keeps its books
//! on a disk makes each of the two durable before it goes on.

pub mod naive;
pub mod postgres;
pub(crate) mod server;
mod turns;

/// What every wallet begins with, in minor units: more than any run spends.
pub(crate) const FUNDS_MINOR: i64 = 1_000_000_000;
/// What a vend holds.
pub(crate) const HELD_MINOR: i64 = 300;
/// What it costs.
pub(crate) const PRICE_MINOR: i64 = 120;
