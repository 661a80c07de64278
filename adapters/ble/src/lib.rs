//! The radio link between a reader and a phone: its port, its segments, and a transport over local
//! sockets (protocol section 4).
//!
//! It carries opaque messages and never looks into them: what they say, who may say it and when a
//! link ends is decided above. It holds no keys and makes no decision about money.
//!
//! ```
//! use gettone_ble::{Assembler, Mtu, segments};
//!
//! let mut assembler = Assembler::new();
//! let message = vec![7; 300];
//! let mut whole = None;
//! for value in segments(&message, Mtu::new(185)?)? {
//!     whole = assembler.push(&value)?;
//! }
//! assert_eq!(whole, Some(message));
//! # Ok::<(), gettone_ble::SegmentFault>(())
//! ```

#[cfg(feature = "bluez")]
pub mod bluez;
mod bounds;
#[cfg(feature = "local")]
pub mod local;
mod port;
mod segment;
#[cfg(any(feature = "local", feature = "bluez"))]
mod traffic;
mod uuid;

pub use bounds::{MESSAGE_MAX, MTU_MAX, MTU_MIN, SEGMENTS_MAX, VALUE_MAX};
pub use port::{Messages, Pipe, PipeFault, Radio, RadioFault};
pub use segment::{Assembler, Mtu, SegmentFault, segments};
#[cfg(any(feature = "local", feature = "bluez"))]
pub use traffic::Traffic;
pub use uuid::{GATT_SERVICE, SERVICE_PREFIX, ServiceUuid, TO_PHONE, TO_READER};
