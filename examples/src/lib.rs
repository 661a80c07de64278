//! The simulated street: a machine with its controller, phones with their screens, and the two
//! real programs between them, each in a process of its own.
//!
//! The machine speaks MDB words on a pseudo-terminal, the phones' colours pass through the light
//! channel's simulator, the link and the envelopes are the real ones, and the server is asked over
//! HTTP. It never reaches into a program: what it learns, it learns as a machine or a phone would.
//!
//! ```no_run
//! use gettone_examples::{Server, Transcript};
//!
//! # fn main() -> Result<(), gettone_examples::StreetFault> {
//! let dir = std::path::Path::new("street");
//! let transcript = Transcript::default();
//! let server = Server::start(dir, &transcript)?;
//! let token = server.customer(1, "5.00")?;
//! transcript.say("phone", format_args!("signed in with a token of {} letters", token.len()));
//! server.stop()?;
//! # Ok(())
//! # }
//! ```

mod board;
mod chance;
#[cfg(feature = "bluez")]
mod chip;
mod errand;
mod fault;
mod glow;
mod handset;
mod hazard;
mod machine;
mod phone;
mod process;
mod server;
mod transcript;
mod visit;

pub use board::{Board, Codes, Wiring};
#[cfg(feature = "bluez")]
pub use chip::Chip;
pub use errand::{Done, Errand};
pub use fault::StreetFault;
pub use glow::Glow;
pub use handset::Handset;
pub use hazard::{Hazard, Pace as HazardPace};
pub use machine::{Ending, Machine, Pace, Seen};
pub use phone::{Carried, Phone, Places};
pub use process::{Program, message, part, run};
pub use server::{Key, Server};
pub use transcript::Transcript;
pub use visit::{Heard, Relay, Visit};
