//! The light code: colours on a phone's screen, read by a colour sensor.

mod calibration;
mod code;
mod colour;
pub mod csv;
mod decoder;
mod feed;
mod line;
mod payload;
mod preamble;
mod progress;
mod reading;
mod ring;
mod sample;
pub mod sim;
mod symbols;
mod trellis;
mod words;

pub use code::{
    LOOP_SYMBOLS, PREAMBLE, RefreshRate, SYMBOL_MAX_US, SYMBOL_MIN_US, colours, encode, encode_at,
};
pub use colour::{Colour, Rgb};
pub use decoder::{Decoded, Decoder};
pub use payload::{Kind, PAYLOAD_BYTES, Payload, PayloadFault, SECRET_BYTES};
pub use progress::Progress;
pub use sample::Sample;
