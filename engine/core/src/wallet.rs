//! One customer's money in one currency: balances, holds, and what they were spent on.

mod command;
mod debt;
mod dispute;
mod event;
mod evolve;
mod hold;
mod holds;
mod limit;
mod names;
pub(crate) mod packed;
mod paid;
mod refusal;
mod state;
mod transfer;

use core::time::Duration;

pub use command::{Command, Outcome, Proof, Verdict};
pub use dispute::Dispute;
pub use event::{Credit, Event, Favour, Reason, Review, StrayReason};
pub use limit::{Limits, Usage, Window};
pub use paid::Capture;
pub use refusal::Refusal;
pub use state::{Balance, Wallet};
pub use transfer::Outgoing;

/// Live holds one wallet can have: one for each reader it stands before, and some that wait.
pub const LIVE_MAX: usize = 64;
/// Closed wallets one customer can have.
pub const CLOSED_MAX: usize = 256;
/// Resolved holds kept with the wallet to recognise repeats by.
pub const RESOLVED_KEPT: usize = 64;
/// Releases kept that came before their hold.
pub const BARRED_KEPT: usize = 64;
/// How long a capture can be refunded.
pub const CAPTURE_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Captures kept with one wallet; beyond them the oldest goes, whatever its age.
pub const CAPTURES_MAX: usize = 4_096;
/// Transfers out of one wallet that have neither arrived nor come back.
pub const OUTGOING_MAX: usize = 64;
/// Sales of one wallet in dispute.
pub const DISPUTES_MAX: usize = 64;
/// Payments by card of one wallet that have not reached the issuer.
pub const CARDS_MAX: usize = 64;
/// Payments of one wallet that were charged back, for as long as it lives.
pub const CHARGEBACKS_MAX: usize = 1_024;
/// Names that one wallet was asked by, for as long as it lives: each one is kept, so that a repeat
/// moves nothing however late it comes.
pub const TRANSFERS_MAX: usize = 65_536;
