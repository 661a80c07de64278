//! The radio link between a reader and a phone: its port, and a transport over local sockets
//! (protocol section 4). Segments and names on the air are the channel's, and said again here.
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
#[cfg(any(feature = "local", feature = "bluez"))]
mod traffic;

pub use gettone_channel::{
    Assembler, GATT_SERVICE, LINK_MESSAGE_MAX as MESSAGE_MAX, MTU_MAX, MTU_MIN, Mtu, SEGMENTS_MAX,
    SERVICE_PREFIX, SegmentFault, ServiceUuid, TO_PHONE, TO_READER, VALUE_MAX, segments,
};
pub use port::{Messages, Pipe, PipeFault, Radio, RadioFault};
#[cfg(any(feature = "local", feature = "bluez"))]
pub use traffic::Traffic;
