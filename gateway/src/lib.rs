//! The server: accounts, grants, receipts and the operators' HTTP API.
//!
//! It puts an engine on an embedded store, opens the envelopes that phones carry, asks the engine,
//! and seals its answers. Operators and the platform use API keys, customers a token.
//!
//! It never decides about money: the engine does. It never trusts who carries an envelope, never
//! reads a projection to decide, never ends TLS (a proxy in front does), and never starts with a
//! default key.
//!
//! ```
//! use gettone_gateway::{Config, main_with};
//! use std::path::Path;
//! use std::process::ExitCode;
//!
//! let config = Config::parse(
//!     r#"
//!     listen = "127.0.0.1:8080"
//!     state = "state"
//!     [[operator]]
//!     number = 1
//!     name = "Caffè Uno"
//!     api_key_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//!     "#,
//!     Path::new("/etc/gettone"),
//! )?;
//! assert_eq!(config.state, Path::new("/etc/gettone/state"));
//!
//! // The program itself, with arguments as a process would get them.
//! let ended = main_with(["gettone-gateway", "--version"].map(Into::into));
//! assert_eq!(ended, ExitCode::SUCCESS);
//! # Ok::<(), gettone_gateway::ConfigFault>(())
//! ```

mod address;
mod api;
mod attempts;
mod audit;
mod bounds;
mod care;
mod config;
mod cookie;
mod courier;
mod credential;
mod csv;
mod database;
mod demo;
mod diagnostics;
mod errand;
mod failure;
mod fleet;
mod fold;
mod gateway;
mod happening;
mod key;
mod key_step;
mod limiter;
mod limits;
mod list;
mod once;
mod origin;
mod page;
mod pairs;
mod password;
mod problem;
mod program;
mod projection;
mod rebuild;
mod receipts;
mod rekey;
mod relay;
mod reported;
mod request;
mod road;
mod route;
mod sales;
mod server;
mod signature;
mod sms;
mod sql;
mod stream;
#[cfg(test)]
mod tenants;
mod text;
mod token;
mod worker;

// The street of the API tests names this crate from outside, and the test of the tenants from inside.
#[cfg(test)]
extern crate self as gettone_gateway;

pub use audit::{AuditFault, Audited, audit, audit_postgres};
pub use config::{Config, ConfigFault, CourierEntry, OperatorEntry};
pub use credential::KeyDigest;
pub use database::DatabaseFault;
pub use key::KeyFault;
pub use limits::Limits;
pub use program::main_with;
pub use rebuild::{Progress, rebuild};
pub use server::{ServeFault, serve};
pub use signature::SharedSecret;
pub use sms::{SmsCaps, SmsEntry};
pub use sql::{Records, SqlFault};
