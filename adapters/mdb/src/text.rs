//! Text for the display that a controller may lend.

use core::fmt;

use crate::bounds::LINE_MAX;

/// A text for the controller's display.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; LINE_MAX],
    len: usize,
}

impl Text {
    /// Fits a text to a display of so many characters: cut, or padded with blanks; what is not ASCII shows as `?`.
    #[must_use]
    pub fn fitted(text: &str, columns: u8, rows: u8) -> Self {
        let mut bytes = [b' '; LINE_MAX];
        let shown = text.chars().map(|letter| {
            let printable = letter.is_ascii_graphic() || letter == ' ';
            u8::try_from(letter).ok().filter(|_| printable)
        });
        for (place, letter) in bytes.iter_mut().zip(shown) {
            *place = letter.unwrap_or(b'?');
        }
        let len = usize::from(columns) * usize::from(rows);
        Self {
            bytes,
            len: len.min(LINE_MAX),
        }
    }

    /// The characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The same text on a display of another size.
    pub(crate) fn refitted(&self, columns: u8, rows: u8) -> Self {
        let len = usize::from(columns) * usize::from(rows);
        Self {
            bytes: self.bytes,
            len: len.min(LINE_MAX),
        }
    }

    pub(crate) fn from_bytes(text: &[u8]) -> Option<Self> {
        let mut bytes = [b' '; LINE_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: text.len(),
        })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
