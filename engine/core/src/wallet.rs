//! One customer's money in one currency: balances, holds, and what they were spent on.

mod command;
mod event;
mod refusal;
mod state;

pub use command::{Command, Outcome, Proof, Verdict};
pub use event::{Event, Reason, Review, StrayReason};
pub use refusal::Refusal;
pub use state::{Balance, Wallet};

/// Live holds one wallet can have: one for each reader it stands before, and some that wait.
pub const LIVE_MAX: usize = 64;
/// Closed wallets one customer can have.
pub const CLOSED_MAX: usize = 256;
/// Resolved holds kept with the wallet to recognise repeats by.
pub const RESOLVED_KEPT: usize = 64;
/// Releases kept that came before their hold.
pub const BARRED_KEPT: usize = 64;
/// Transfers into one wallet, for as long as it lives: each one's name is kept, so that a repeat moves
/// nothing however late it comes.
pub const TRANSFERS_MAX: usize = 65_536;
