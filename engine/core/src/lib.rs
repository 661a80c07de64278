//! The pure rules of money, sessions, machines and readers.

pub mod id;
pub mod money;
pub mod time;
