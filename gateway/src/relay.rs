//! The pure part of a relay: who may claim a HELLO, and what the engine's answer says to the reader
//! and to the app (protocol section 6.3).

pub(crate) use gettone_relay::{Asked, Outcome, Place, Reason, claim};
