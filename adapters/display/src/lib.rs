//! What a reader says to people: sentences in their language, on a display of any size, and the
//! patterns of a lamp and a buzzer.
//!
//! It knows no machine, no phone and no clock: whoever runs it hands in the time and carries its
//! outputs to lines and displays. It never decides what is true, only how it is said.
//!
//! ```
//! use gettone_core::money::{Amount, Currency};
//! use gettone_display::{Language, Money, Screen, Text};
//!
//! let left = Money::new(Amount::from_minor(1_250), Currency::EUR);
//! let text = Text::Choose { left };
//! assert_eq!(text.say(Language::De), "Bitte wählen, bis 12,50 EUR");
//! assert_eq!(Screen::new(16, 2).show(text, Language::De), "Bitte waehlen,  bis 12,50 EUR   ");
//! ```

mod frame;
#[cfg(feature = "gpio")]
pub mod gpio;
mod language;
mod lines;
mod money;
#[cfg(feature = "nfc")]
pub mod nfc;
mod panel;
mod png;
mod qr;
mod screen;
mod signal;
pub mod tag;
mod text;

pub use frame::{Depth, Frame, FrameFault};
pub use language::{Language, LanguageFault};
pub use lines::{Level, Light, Lines, LinesFault, play};
pub use money::Money;
pub use panel::{Input, Output, Panel};
pub use qr::{QUIET_ZONE, Qr, QrFault, TEXT_LEN_MAX};
pub use screen::Screen;
pub use signal::{Lasting, Signal};
pub use text::{LINE_LEN_MAX, Text};
