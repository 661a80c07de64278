//! One reader board as the server knows it: the order of its HELLOs, which of its receipts are
//! recorded and applied, and who claimed which of its nonces (protocol section 6.3).
//!
//! Work that spans wallets is a chain of idempotent steps: [`Reader::due`] names the next one from
//! this state alone, so a chain that a crash cut is simply taken up again.

mod claim;
mod command;
mod controller;
mod event;
mod keys;
mod life;
mod log;
mod news;
mod scan;
mod state;

pub use claim::{Claim, ClaimState, Due, Road, Standing};
pub use command::{Command, Refusal};
pub use event::{Contradiction, Event};
pub use keys::NextKeys;
pub use life::{Life, Step};
pub use news::{Answer, Ask, Facts, Hello, News};
pub use scan::{Form, Scan, Scanned, Used};
pub use state::{Heard, Reader};

/// Receipts in one envelope: 2,000 bytes hold no more.
pub const NEWS_MAX: usize = 32;
/// Notices in one envelope: 2,000 bytes hold no more.
pub const NOTICES_MAX: usize = 48;
/// How far beyond a gap a receipt is kept.
pub const AHEAD_MAX: u64 = 4_096;
/// Journal epochs of one reader that are kept.
pub const EPOCHS_MAX: usize = 8;
/// Chains kept to recognise a receipt that comes again with other content.
pub const CHAINS_KEPT: usize = 256;
/// Receipts in one code on show: it holds no more.
pub const SCAN_RECEIPTS_MAX: usize = 6;
/// Receipts kept in the form that a code on show has room for, to compare them with their whole one.
pub const FORMS_KEPT: usize = 1_024;
/// Claims kept to answer a repeated relay, and to find whose a late receipt is.
pub const CLAIMS_KEPT: usize = 256;
