//! Where the journal lives: in memory, in a directory of segment files, or in PostgreSQL (feature
//! `postgres`).
//!
//! The directory archives what is full and uses its files again; beside the segments, and on a
//! tape, there is a shelf where entities rest between restarts. [`platter`] is a disk in memory
//! that can lose its power, fail and be full: for proofs of what survives.
//!
//! All implement [`gettone_core::port::Store`] and pass the claims of [`contract`], which any
//! other store can run as well. A store keeps frames and says honestly whether they are durable;
//! it never reads what is inside them, never repeats a write that may have happened, and never
//! decides.
//!
//! ```
//! use gettone_core::port::{Frames, Seq, Store};
//! use gettone_store::Memory;
//!
//! let mut memory = Memory::new();
//! let mut frames = Frames::default();
//! frames.push(b"one coffee");
//! memory.append(Seq::FIRST, &frames)?;
//!
//! let tape = memory.tape();
//! drop(memory);
//! let mut reopened = Memory::reopen(&tape)?;
//! let next = reopened.replay(Seq::FIRST, &mut |_, payload| {
//!     assert_eq!(payload, b"one coffee");
//!     Ok(())
//! })?;
//! assert_eq!(next, Seq::new(2));
//! # Ok::<(), gettone_core::port::StoreFault>(())
//! ```

mod archive;
pub mod bounds;
pub mod contract;
pub mod disk;
mod file;
mod history;
mod memory;
mod pages;
pub mod platter;
#[cfg(feature = "postgres")]
mod postgres;
mod scan;
mod segment;
mod shelf;
mod stock;

#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresSettings, Standby, Takeover};
pub use file::{File, FileSettings};
pub use memory::{Kept, Memory, Tape};
pub use stock::{Backlog, Upkeep};
