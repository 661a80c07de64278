//! MDB/ICP: words, blocks, the cashless device and the machine controller.
#![cfg_attr(not(any(test, feature = "link")), no_std)]

mod block;
pub mod bounds;
pub mod cashless;
mod command;
mod ear;
#[cfg(test)]
mod lossy;
mod message;
mod money;
pub mod trace;
pub mod vmc;
mod word;

pub use block::{Block, Frame, checksum};
pub use command::{Address, Command, CommandFault, Identity, Level, Prices, Setup, Supply};
pub use message::{
    Country, Layout, Media, Message, MessageFault, Messages, ReaderConfig, ReaderOptions, Text,
};
pub use money::{Digits, Inexact, Scale, ScaleFault, Units};
pub use word::{ACK, Mode, NAK, RET, Word};
