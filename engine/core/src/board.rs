//! The reader board's life: from a light code to the receipt that the server has acknowledged.
//!
//! A board reports facts and settles nothing. It writes before everything it cannot take back, lets
//! its machine vend only inside a grant, and keeps each receipt until the server itself has it.
//! Protocol sections 6 and 7 are the source of every rule here.

mod grant;
mod life;
mod outbox;
mod record;
mod shell;
mod state;

pub use grant::{Grant, Terms};
pub use life::{Life, Step};
pub use outbox::{Outbox, Written};
pub use record::{ChainOf, Outcome, Past, Record, Replay, ReplayFault, Stamp};
pub use shell::{
    Answer, Approval, Ask, Code, Door, Fault, Fresh, Greeting, Input, LastResult, Limits, Machine,
    NoSession, Note, Output, Refusal, Room, Sessions, Ticket,
};
pub use state::{Board, Start};
