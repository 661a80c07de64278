//! A link as a QR code, and the QR code as rows of light and dark.

use core::fmt;
use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around a code, which scanners need to find it (ISO/IEC 18004 section 9.1).
pub const QUIET_ZONE: u8 = 4;
/// The longest text that is shown as a code: a screen of 200 lines still gives each module two.
pub const TEXT_LEN_MAX: usize = 384;

/// A QR code with its quiet zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Qr {
    code: QrCode,
}

impl fmt::Debug for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Qr({} modules on a side)", self.side())
    }
}

/// A text that is not shown as a code.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a text of {len} bytes; the longest shown as a code has {TEXT_LEN_MAX}")]
pub struct QrFault {
    /// Its length.
    pub len: usize,
}

impl Qr {
    /// Makes the code of a text, with as much error correction as its size has room for.
    ///
    /// # Errors
    /// `QrFault` when the text is too long.
    pub fn of(text: &str) -> Result<Self, QrFault> {
        let fault = QrFault { len: text.len() };
        if text.len() > TEXT_LEN_MAX {
            return Err(fault);
        }
        QrCode::encode_text(text, QrCodeEcc::Low)
            .map(|code| Self { code })
            .map_err(|_| fault)
    }

    /// Modules on a side, the quiet zone included.
    pub fn side(&self) -> usize {
        usize::try_from(self.code.size()).unwrap_or(0) + 2 * usize::from(QUIET_ZONE)
    }

    /// Whether a module is dark; none outside is.
    pub fn is_dark(&self, column: usize, row: usize) -> bool {
        let place = |at: usize| i32::try_from(at).ok().map(|at| at - i32::from(QUIET_ZONE));
        match (place(column), place(row)) {
            (Some(x), Some(y)) => self.code.get_module(x, y),
            (None, _) | (_, None) => false,
        }
    }

    /// The code in characters, two rows of modules in each line: for a terminal with a light ground.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for row in (0..self.side()).step_by(2) {
            for column in 0..self.side() {
                text.push(
                    match (self.is_dark(column, row), self.is_dark(column, row + 1)) {
                        (true, true) => '█',
                        (true, false) => '▀',
                        (false, true) => '▄',
                        (false, false) => ' ',
                    },
                );
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finders_and_a_light_border() {
        let qr = Qr::of(&"x".repeat(TEXT_LEN_MAX)).expect("short enough");
        let (side, quiet) = (qr.side(), usize::from(QUIET_ZONE));
        assert!(
            side <= 100,
            "{side}: two pixels for each module on 200 lines"
        );
        for (x, y) in [
            (quiet, quiet),
            (side - quiet - 7, quiet),
            (quiet, side - quiet - 7),
        ] {
            for step in 0..7 {
                assert!(
                    qr.is_dark(x + step, y) && qr.is_dark(x, y + step),
                    "a finder's edge"
                );
            }
            assert!(!qr.is_dark(x + 1, y + 1) && qr.is_dark(x + 3, y + 3));
        }
        for at in 0..side {
            for border in 0..quiet {
                assert!(!qr.is_dark(at, border) && !qr.is_dark(border, at));
                assert!(!qr.is_dark(at, side - 1 - border) && !qr.is_dark(side - 1 - border, at));
            }
        }
        assert!(!qr.is_dark(usize::MAX, 0));
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let len = TEXT_LEN_MAX + 1;
        assert_eq!(Qr::of(&"x".repeat(len)), Err(QrFault { len }));
    }

    #[test]
    fn in_characters_it_is_as_wide_as_its_side_and_half_as_high() {
        let qr = Qr::of("https://gettone.example/t/x").expect("short");
        let text = qr.to_text();
        assert_eq!(text.lines().count(), qr.side().div_ceil(2));
        assert!(text.lines().all(|line| line.chars().count() == qr.side()));
    }
}
