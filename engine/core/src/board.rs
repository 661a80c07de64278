//! The reader board's life: from a light code to the receipt that the server has acknowledged.
//!
//! A board reports facts and settles nothing. It writes before everything it cannot take back, lets
//! its machine vend only inside a grant, and keeps each receipt until the server itself has it.
//! Protocol sections 6 and 7 are the source of every rule here.
//!
//! ```
//! use gettone_core::board::{Board, Code, Door, Input, Limits, Output, Replay, Sessions, Start};
//! use gettone_core::id::{Chain, JournalEpoch};
//! use gettone_core::money::Currency;
//! use core::time::Duration;
//!
//! let past = Replay::new(JournalEpoch::from_bytes([1; 8]), Chain::from_bytes([2; 8]));
//! let mut board = Board::new(Start {
//!     boot: 1,
//!     past: past.finish().expect("no INTENT is open"),
//!     limits: Limits::PROTOCOL,
//!     sessions: Sessions::OneVend,
//!     currency: Currency::EUR,
//!     chain_of: |written| written.receipt.prev,
//! });
//! let code = Code::from_bytes([7; 10]);
//! board.handle(Duration::ZERO, Input::CodeSeen(code));
//! assert_eq!(board.poll(), Some(Output::Advertise(Door::Code(code))));
//! board.handle(Duration::from_secs(45), Input::Tick);
//! assert_eq!(board.poll(), Some(Output::Hush));
//! ```

#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an observer names what it watches for"
)]
mod digits;
mod grant;
mod life;
#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an observer names what it watches for"
)]
mod lights;
mod notices;
mod outbox;
mod outcome;
mod record;
mod shell;
mod state;
#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an observer names what it watches for"
)]
mod street;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an observer names what it watches for"
)]
mod walk;
#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an observer names what it watches for"
)]
mod year;

pub use grant::{Favourite, Grant, Terms};
pub use life::{Life, Step};
pub use notices::Notices;
pub use outbox::{Outbox, Written};
pub use outcome::{Act, Outcome};
pub use record::{ChainOf, Past, Record, Replay, ReplayFault, Stamp, TokenPast};
pub use shell::{
    Answer, Approval, Ask, Code, Door, Fault, Fresh, Greeting, Input, LastResult, LightTerms,
    Limits, Machine, NoSession, Note, Offer, Output, Refusal, Room, Sessions, Ticket, TokenNews,
};
pub use state::{Board, Start};
