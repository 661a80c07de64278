//! MDB/ICP, the bus inside a vending machine: its words, blocks, commands and replies; the cashless device of levels
//! 1 to 3 that a reader plays ([`cashless`]), the controller that a simulated machine plays ([`vmc`]), and the audit that
//! a machine gives ([`dts`]).
//!
//! Both ends are handed words and time and tell what to send. Nothing here reads a clock, waits, allocates or decides
//! about money: who may buy what is the host's business. Without the feature `link` the crate has neither `std` nor
//! `alloc`, so that it cannot. The links, behind
//! the feature `link`, touch the outside.
//!
//! ```
//! use core::time::Duration;
//! use gettone_mdb::cashless::{Cashless, Config, Event, Input, Output};
//! use gettone_mdb::{Address, Command, Frame};
//!
//! let mut device = Cashless::new(Config::default())?;
//! let reset = Frame::from_controller(&Command::Reset.print(Address::First));
//! let mut outputs = Vec::new();
//! for word in reset.iter() {
//!     device.handle(Duration::from_millis(500), Input::Word(*word));
//!     outputs.extend(std::iter::from_fn(|| device.poll()));
//! }
//! // What happened comes before the answer that acknowledges it.
//! assert!(matches!(outputs[0], Output::Event(Event::Reset { .. })));
//! assert!(matches!(outputs[1], Output::Send(ack) if ack.to_string() == "100"));
//! # Ok::<(), gettone_mdb::cashless::ConfigFault>(())
//! ```
#![cfg_attr(not(any(test, feature = "link")), no_std)]

mod block;
pub mod bounds;
#[cfg(feature = "link")]
pub mod bridge;
pub mod cashless;
mod command;
pub mod diagnosis;
pub mod dts;
mod ear;
mod explain;
pub mod file;
pub mod item;
#[cfg(feature = "link")]
pub mod link;
#[cfg(test)]
mod lossy;
mod message;
mod money;
mod options;
pub mod parmrk;
mod reader;
mod text;
pub mod trace;
#[cfg(feature = "link")]
pub mod tty;
pub mod vmc;
mod word;
#[cfg(feature = "link")]
pub mod words;

pub use block::{Block, Frame, checksum};
pub use command::{
    Address, Clock, Command, CommandFault, Identity, Keys, Level, LongSale, NamedItem, Part,
    Prices, Setup, Supply,
};
pub use message::{AgeStatus, Coupon, Locale, Media, Message, MessageFault, Messages, Selection};
pub use money::{Digits, Inexact, Scale, ScaleFault, Units, Width};
pub use options::{ItemOptions, Layout, Options, Reason, Taste};
pub use reader::{Country, ReaderConfig, ReaderOptions};
pub use text::Text;
pub use word::{ACK, Mode, NAK, RET, Word};
