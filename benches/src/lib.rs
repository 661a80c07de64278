//! The stopwatch: how many durable vends the engine settles, what the disk beneath allows, and how
//! soon the reader answers its machine.
//!
//! Every figure comes with its conditions. It never compares with figures of another sitting, and
//! never leaves out what the load generator itself costs: callers share the cores with the engine.
//!
//! ```
//! use core::time::Duration;
//! use gettone_benches::Latencies;
//!
//! let latencies: Latencies = (1..=100).map(Duration::from_micros).collect();
//! assert_eq!(latencies.at(50.0), Some(Duration::from_micros(50)));
//! assert_eq!(latencies.at(99.0), Some(Duration::from_micros(99)));
//! ```

pub mod accounts;
pub mod compare;
mod conditions;
mod crowd;
mod demand;
mod fault;
mod figures;
pub mod floor;
pub mod fold;
pub mod instructions;
mod latencies;
pub mod light;
mod medium;
pub mod memory;
pub mod open_loop;
pub mod peer;
pub mod purchases;
pub mod recover;
pub mod reflex;
pub mod relay;
mod report;
pub mod rounds;
pub mod settle;
mod vends;

pub use conditions::Conditions;
pub use demand::{Demand, MACHINES, OPERATORS};
pub use fault::Fault;
pub use figures::Figures;
pub use latencies::Latencies;
pub use medium::Medium;
pub use report::Report;
