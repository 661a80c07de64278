//! Text for the display that a controller may lend.

use core::fmt;

use crate::bounds::{LINE_MAX, TEXT_MAX};

/// A text for the controller's display.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Text {
    /// A text still to be fitted to a display: cut at [`TEXT_MAX`], `\n` ends a line, what is not ASCII shows as `?`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut bytes = [b' '; TEXT_MAX];
        let mut len = 0;
        let shown = text.chars().map(|letter| {
            let shown = letter.is_ascii_graphic() || letter == ' ' || letter == '\n';
            let byte = u8::try_from(letter).ok().filter(|_| shown);
            byte.unwrap_or(b'?')
        });
        for (place, byte) in bytes.iter_mut().zip(shown) {
            *place = byte;
            len += 1;
        }
        Self { bytes, len }
    }

    /// Fits a text to a display of so many characters; see [`Text::new`].
    #[must_use]
    pub fn fitted(text: &str, columns: u8, rows: u8) -> Self {
        Self::new(text).on(columns, rows, FULL_ASCII)
    }

    /// The characters, as many as one DISPLAY REQUEST holds.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.raw().get(..self.len.min(LINE_MAX)).unwrap_or_default()
    }

    /// The same text on a display of this size and kind: a long line goes on in the next, at a blank if there is one;
    /// each line is padded, and what finds no room is cut.
    pub(crate) fn on(&self, columns: u8, rows: u8, display: u8) -> Self {
        let width = usize::from(columns);
        let len = (width * usize::from(rows)).min(LINE_MAX);
        let mut bytes = [b' '; TEXT_MAX];
        let mut rest = self.raw();
        let room = bytes.get_mut(..len).unwrap_or_default();
        for row in room.chunks_mut(width.max(1)) {
            let (line, next) = first_line(rest, width);
            for (place, byte) in row.iter_mut().zip(line) {
                *place = if display & DISPLAY_KIND == DIGITS_AND_CAPITALS {
                    capital(*byte)
                } else {
                    *byte
                };
            }
            rest = next;
        }
        Self { bytes, len }
    }

    pub(crate) fn from_bytes(text: &[u8]) -> Option<Self> {
        let mut bytes = [b' '; TEXT_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: text.len(),
        })
    }

    fn raw(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The bits of SETUP Y5 that tell what a display can show. [MDB 7.4.2]
const DISPLAY_KIND: u8 = 0b111;
const DIGITS_AND_CAPITALS: u8 = 0;
const FULL_ASCII: u8 = 1;

/// What fits one line, and what is left for the next.
fn first_line(text: &[u8], width: usize) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or(text.len());
    if end <= width {
        return split_around(text, end);
    }
    let head = text.get(..=width).unwrap_or_default();
    match head.iter().rposition(|byte| *byte == b' ') {
        Some(blank) if blank > 0 => split_around(text, blank),
        _ => text.split_at_checked(width).unwrap_or_default(),
    }
}

fn split_around(text: &[u8], at: usize) -> (&[u8], &[u8]) {
    let (line, rest) = text.split_at_checked(at).unwrap_or_default();
    (line, rest.get(1..).unwrap_or_default())
}

/// What a display of digits, capitals, blanks and points makes of a character.
fn capital(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        shown @ (b'A'..=b'Z' | b'0'..=b'9' | b'.') => shown,
        b',' => b'.',
        _ => b' ',
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, columns: u8, rows: u8) -> String {
        Text::fitted(text, columns, rows).to_string()
    }

    #[test]
    fn a_text_fills_the_lines_of_a_display_and_no_more() {
        assert_eq!(shown("Credit 12.00", 16, 1), "Credit 12.00    ");
        assert_eq!(
            shown("Credit 12.00\nPlease choose", 16, 2),
            "Credit 12.00    Please choose   "
        );
        assert_eq!(
            shown("Credit 12.00 please choose now", 16, 2),
            "Credit 12.00    please choose   "
        );
        assert_eq!(shown("Credit 12.00", 4, 1), "Cred");
        assert_eq!(shown("Extraordinary", 4, 2), "Extraord");
        assert_eq!(shown("\u{20AC} 5", 4, 1), "? 5 ");
        assert_eq!(Text::fitted("Credit", 40, 4).as_bytes().len(), 32);
        assert_eq!(Text::fitted("Credit", 0, 4).as_bytes(), b"");
        assert_eq!(Text::fitted("Credit", 16, 0).as_bytes(), b"");
    }

    #[test]
    fn a_display_of_capitals_gets_capitals() {
        let text = Text::new("Credit 12,50 \u{20AC}!").on(16, 1, 0);
        assert_eq!(text.to_string(), "CREDIT 12.50    ");
    }
}
