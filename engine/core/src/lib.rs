//! The pure rules of money, sessions, machines and readers: what Gettone decides, and nothing of
//! how it is stored, sent or shown.
//!
//! Every rule is a decision on a state ([`entity::Entity::decide`]) that gives an event, and the
//! event's effect on the state ([`entity::Entity::evolve`]). Time is handed in. Nothing here
//! reads a clock, opens a file, waits, or panics on what it is given.
//!
//! ```
//! use gettone_core::entity::Entity;
//! use gettone_core::id::TransferId;
//! use gettone_core::money::{Amount, Currency};
//! use gettone_core::time::Timestamp;
//! use gettone_core::wallet::{Command, Refusal, Wallet};
//!
//! let now = Timestamp::from_millis(1_700_000_000_000);
//! let mut wallet = Wallet::default();
//! for command in [
//!     Command::Open { currency: Currency::EUR },
//!     Command::TopUp { key: TransferId::from_bytes([1; 16]), amount: Amount::from_minor(500) },
//! ] {
//!     if let Some(event) = wallet.decide(&command, now)? {
//!         wallet.evolve(&event);
//!     }
//! }
//! assert_eq!(wallet.balance().map(|balance| balance.emoney), Some(Amount::from_minor(500)));
//! # Ok::<(), Refusal>(())
//! ```

pub mod audit;
pub mod board;
pub mod counters;
pub mod entity;
pub mod grant;
pub mod id;
pub mod ledger;
pub mod lock;
pub mod machine;
pub mod money;
pub mod notice;
pub mod operator;
pub mod port;
pub mod reader;
pub mod receipt;
pub mod record;
pub mod session;
pub mod snapshot;
pub mod time;
pub mod token;
pub mod transfer;
pub mod unknown;
pub mod wallet;
