//! A customer's phone between a reader and the server (protocol section 9), to be embedded in an app.
//!
//! It makes the link, carries envelopes both ways, comes back after a lost connection, and keeps what it could not
//! deliver. It never reads an envelope, never holds back one, and decides nothing about money: neither reader nor server
//! believes it. It has no radio, no network, no clock and no random source: the shell has, and does what
//! [`Phone::poll`] asks for.
//!
//! ```
//! use core::time::Duration;
//! use gettone_channel::{Assembler, Ephemeral, Mtu, Responder, Secret, ServiceUuid};
//! use gettone_phone::{Input, Output, Phase, Phone};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // The shell draws ten random bytes, plays them as light, and tells the phone.
//! let mut phone = Phone::default();
//! let code = [7; 10];
//! phone.handle(Duration::ZERO, Input::Show(Secret::light(code)));
//! let name = ServiceUuid::for_eid(Secret::light(code).eid().as_bytes());
//! let outputs: Vec<Output> = core::iter::from_fn(|| phone.poll()).collect();
//! assert!(outputs.contains(&Output::Seek(name)));
//!
//! // The radio has found the reader. Each Write goes to `to_reader`; here a reader stands right behind it.
//! let ephemeral = Ephemeral::from_bytes([1; 32]);
//! phone.handle(Duration::from_secs(2), Input::Connected { mtu: Mtu::new(185)?, ephemeral });
//! let mut heard = Assembler::new();
//! while let Some(output) = phone.poll() {
//!     let Output::Write(value) = output else { continue };
//!     let Some(link_1) = heard.push(&value)? else { continue };
//!     let psk = Secret::light(code).psk();
//!     let (_link, link_2, _) = Responder::accept(&psk, Ephemeral::from_bytes([2; 32]), &link_1)?;
//!     // Each value that `to_phone` notifies comes in.
//!     for value in gettone_channel::segments(&link_2, Mtu::new(185)?)? {
//!         phone.handle(Duration::from_secs(2), Input::Value(value));
//!     }
//! }
//! assert_eq!(phone.phase(), Phase::Linked);
//! # Ok(())
//! # }
//! ```

mod bounds;
mod courier;
mod package;
mod phase;
mod phone;
mod shell;
mod told;

pub use bounds::{ENVELOPES_MAX, LINK_MAX, RESUME_MAX, SEEK_MAX, WAITING_MAX};
pub use package::Package;
pub use phase::{Phase, Step};
pub use phone::Phone;
pub use shell::{Asker, Broken, Input, News, Output, Request};
pub use told::{Outcome, Told};
