//! The light code: a phone's screen flashes colours, a colour sensor reads them, 128 bits come across.
//!
//! [`encode`] makes the frames a phone loops; [`Decoder`] takes raw sensor rows one by one, from any moment of the loop on,
//! and hands out the payload once it is beyond doubt. [`sim`] is a phone, a sensor and a room to try both on.
//!
//! It never accepts a payload whose check, header or spare byte is wrong; never reads a clock or a device; never allocates
//! after [`Decoder::new`]; and never says *nothing* when it can say why
//! ([`Progress`], and over time [`Trial`]).
//!
//! ```
//! use gettone_optical::{Decoder, Kind, Payload, RefreshRate, encode};
//! use gettone_optical::sim::{Channel, Tier};
//!
//! let sent = Payload::new(Kind::Pairing, *b"ten bytes!");
//! let mut decoder = Decoder::new();
//! let decoded = Channel::new(1, Tier::Nominal, RefreshRate::HZ_60)
//!     .play(&encode(&sent))
//!     .take(2_000)
//!     .find_map(|sample| decoder.push(sample));
//! assert_eq!(decoded.map(|decoded| decoded.payload), Some(sent));
//! ```
//!
//! # The code, exactly
//!
//! **Bytes.** 12 payload bytes: header (1 pairing, 2 light grant), 10 of secret, a spare one that is 0. Their check follows,
//! highest byte first: CRC-32C, reflected polynomial `82F63B78`, start value and final XOR all ones (`"123456789"` gives
//! `E3069283`). Eight parity bytes follow: Reed-Solomon (24,16), systematic, over GF(256) with x^8+x^4+x^3+x^2+1 (`11D`);
//! the generator is the product of (x - 2^i) for i from 0 to 7, its factors 1 255 11 81 54 239 173 200 24; the first byte
//! is the highest power.
//!
//! **Colours.** The eight corners of the RGB cube; each primary has two code values only, so no gamma bends the sum: 0 and 255,
//! or those of the gentle [`Palette`]. Three bits, red 4, green 2, blue 1: K 0, B 1, G 2, C 3, R 4, M 5, Y 6, W 7.
//!
//! **Symbols.** Each byte is three digits of base seven, highest first: `byte / 49`, `byte / 7 % 7`, `byte % 7`. A digit
//! plus one, 1 to 7, is XORed to the colour before it. So no two neighbours are equal, and a reader needs no clock.
//!
//! **Loop.** K W K R G B (offset twice, sum, each primary: the calibration), 72 data colours that begin as a change of that
//! blue, and one guard colour that says nothing: white, or green when the last data colour is white. 79 symbols, repeated.
//!
//! **Time.** A symbol lasts a whole number of frames, 8 to 70 ms in all: one up to 120 Hz. A ladder plays the loop at one, one, two and
//! three times that length, and then begins again. The sender counts
//! the frames it has really shown and goes by no clock: a missed refresh then makes a symbol longer and loses nothing.

mod align;
mod calibration;
mod code;
mod colour;
mod consensus;
mod corners;
pub mod csv;
mod decoder;
mod feed;
#[cfg(feature = "iio")]
pub mod iio;
mod line;
mod palette;
mod payload;
mod preamble;
mod progress;
mod reading;
mod ring;
mod sample;
pub mod sim;
mod symbols;
mod trellis;
mod trial;
mod words;

pub use code::{
    LADDER, LOOP_SYMBOLS, PREAMBLE, RefreshRate, SYMBOL_MAX_US, SYMBOL_MIN_US, colours, encode,
    encode_at, encode_in, ladder_at, ladder_in,
};
pub use colour::{Colour, Rgb};
pub use decoder::{Decoded, Decoder};
pub use palette::Palette;
pub use payload::{Kind, PAYLOAD_BYTES, Payload, PayloadFault, SECRET_BYTES};
pub use progress::Progress;
pub use sample::Sample;
pub use trial::{CODE_MAX_US, SIGNAL_MAX_US, Signal, TRIAL_MAX_US, Trial, Verdict};
