//! The reader board's program.
