//! A QR code as the bytes of a frame buffer: as large as fits, in the middle, on white; and under
//! it the digits for whoever has to type.

use crate::qr::Qr;

/// Digits as rows of three, top first: a screen that shows a code needs no other letters.
const DIGITS: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];
/// Dots of a digit and the gap behind it; the lines above and below it too.
const DIGIT_WIDTH: usize = 4;
const DIGIT_HEIGHT: usize = 7;
/// The line of digits has this part of the height.
const DIGITS_PART: usize = 6;

/// How a frame buffer holds one pixel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Two bytes: red 5, green 6, blue 5 bits.
    Bits16,
    /// Four bytes, one for each colour and one unused.
    Bits32,
}

/// A frame buffer's form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// How a pixel is held.
    pub depth: Depth,
}

/// A frame buffer whose form is not told, or cannot be drawn on.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a frame buffer needs a width, a height, a stride and 16 or 32 bits a pixel")]
pub struct FrameFault;

impl Frame {
    /// Reads the form as the kernel tells it in `virtual_size`, `stride` and `bits_per_pixel` of a
    /// frame buffer's folder under `/sys/class/graphics`.
    ///
    /// # Errors
    /// `FrameFault` when one of them is no number, or of no use.
    pub fn told(size: &str, stride: &str, bits: &str) -> Result<Self, FrameFault> {
        let (width, height) = size.trim().split_once(',').ok_or(FrameFault)?;
        let frame = Self {
            width: width.parse().map_err(|_| FrameFault)?,
            height: height.parse().map_err(|_| FrameFault)?,
            stride: stride.trim().parse().map_err(|_| FrameFault)?,
            depth: match bits.trim() {
                "16" => Depth::Bits16,
                "32" => Depth::Bits32,
                _ => return Err(FrameFault),
            },
        };
        if frame.draw(None, "").is_empty() {
            return Err(FrameFault);
        }
        Ok(frame)
    }

    /// As much of it as the mode shows, which the kernel tells in `modes` as in `U:800x480p-60`; all
    /// of it where that makes no sense.
    #[must_use]
    pub fn within(self, mode: &str) -> Self {
        let size = mode.split_once(':').and_then(|(_, mode)| {
            let (width, rest) = mode.split_once('x')?;
            let digits = rest.find(|letter: char| !letter.is_ascii_digit());
            let height = rest.get(..digits.unwrap_or(rest.len()))?;
            Some((width.parse().ok()?, height.parse().ok()?))
        });
        match size {
            Some((width @ 1.., height @ 1..)) => Self {
                width: self.width.min(width),
                height: self.height.min(height),
                ..self
            },
            Some(_) | None => self,
        }
    }

    /// All bytes of the buffer that shows `qr` and, where there is room, `digits` under it, or white
    /// alone; empty when the form makes no sense or the code does not fit.
    pub fn draw(&self, qr: Option<&Qr>, digits: &str) -> Vec<u8> {
        let pixel_len = match self.depth {
            Depth::Bits16 => 2,
            Depth::Bits32 => 4,
        };
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let stride = usize::try_from(self.stride).unwrap_or(0);
        // No screen of a machine has rows of more than 64 KiB.
        if stride < width * pixel_len || stride > usize::from(u16::MAX) {
            return Vec::new();
        }
        let mut bytes = vec![0xff; stride * height];
        let Some(qr) = qr else { return bytes };
        let mut darken = |x: usize, y: usize| {
            let at = y * stride + x * pixel_len;
            if let Some(pixel) = bytes.get_mut(at..at + pixel_len) {
                pixel.fill(0);
            }
        };
        let line = digits_line(digits, width, height / DIGITS_PART);
        let above = height - line.as_ref().map_or(0, |(dot, _)| dot * DIGIT_HEIGHT);
        let side = qr.side();
        let scale = width.min(above) / side;
        if scale == 0 {
            return Vec::new();
        }
        let (left, top) = ((width - side * scale) / 2, (above - side * scale) / 2);
        for row in 0..side * scale {
            for column in (0..side * scale).filter(|at| qr.is_dark(at / scale, row / scale)) {
                darken(left + column, top + row);
            }
        }
        if let Some((dot, columns)) = line {
            let left = (width - columns.len() * dot) / 2;
            for (column, dots) in columns.iter().enumerate() {
                for row in (0..5).filter(|row| dots >> row & 1 == 1) {
                    for (x, y) in (0..dot).flat_map(|x| (0..dot).map(move |y| (x, y))) {
                        darken(left + column * dot + x, above + (row + 1) * dot + y);
                    }
                }
            }
        }
        bytes
    }
}

/// How large a dot of the digits is, and their columns, one bit a row; none when there is no room.
fn digits_line(digits: &str, width: usize, height: usize) -> Option<(usize, Vec<u8>)> {
    let columns: Vec<u8> = digits
        .chars()
        .flat_map(|letter| {
            let rows = letter.to_digit(10).and_then(|digit| {
                let digit = usize::try_from(digit).ok()?;
                DIGITS.get(digit)
            });
            (0..DIGIT_WIDTH).map(move |column| {
                let Some(rows) = rows else { return 0 };
                let dots = rows.iter().enumerate();
                dots.fold(0, |bits, (row, dots)| {
                    // The last column of each digit is the gap.
                    bits | (dots << 1 >> (DIGIT_WIDTH - 1 - column) & 1) << row
                })
            })
        })
        .collect();
    let dot = (width / columns.len().max(1)).min(height / DIGIT_HEIGHT);
    (dot > 0 && !columns.is_empty()).then_some((dot, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_in_the_middle_as_large_as_fits() {
        let qr = Qr::of("https://gettone.example/t/x").expect("short");
        for (depth, pixel_len) in [(Depth::Bits16, 2_usize), (Depth::Bits32, 4)] {
            let frame = Frame {
                width: 320,
                height: 240,
                stride: 320 * 4 + 64,
                depth,
            };
            let bytes = frame.draw(Some(&qr), "");
            let stride = 320 * 4 + 64;
            assert_eq!(bytes.len(), stride * 240);
            let scale = 240 / qr.side();
            let (left, top) = ((320 - qr.side() * scale) / 2, (240 - qr.side() * scale) / 2);
            for y in 0..240_usize {
                for x in 0..320_usize {
                    let inside = x.checked_sub(left).zip(y.checked_sub(top));
                    let dark = inside.is_some_and(|(x, y)| qr.is_dark(x / scale, y / scale));
                    let at = y * stride + x * pixel_len;
                    assert_eq!(bytes[at] == 0, dark, "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn the_digits_stand_under_the_code_and_leave_it_whole() {
        let qr = Qr::of("https://gettone.example/t/x").expect("short");
        let frame = Frame::told("320,240\n", "640\n", "16\n").expect("a small screen");
        let (alone, both) = (
            frame.draw(Some(&qr), ""),
            frame.draw(Some(&qr), "17 0123456"),
        );
        assert_eq!(alone.len(), both.len());
        let is_dark = |x: usize, y: usize| both[y * 640 + x * 2] == 0;
        // Ten letters of four dots, each dot five pixels: the line is 200 wide and 35 high.
        let (left, top) = (60, 240 - 35);
        let picture: Vec<String> = (0..7_usize)
            .map(|row| {
                let dot = |column: usize| is_dark(left + column * 5 + 2, top + row * 5 + 2);
                (0..40)
                    .map(|column| if dot(column) { '#' } else { ' ' })
                    .collect()
            })
            .collect();
        let picture: Vec<&str> = picture.iter().map(|row| row.trim_end()).collect();
        assert_eq!(
            picture,
            [
                "",
                " #  ###     ###  #  ### ### # # ### ###",
                "##    #     # # ##    #   # # # #   #",
                " #   #      # #  #  ### ### ### ### ###",
                " #   #      # #  #  #     #   #   # # #",
                "###  #      ### ### ### ###   # ### ###",
                "",
            ]
        );
        let scale = 205 / qr.side();
        let (left, top) = ((320 - qr.side() * scale) / 2, (205 - qr.side() * scale) / 2);
        for (x, y) in (0..qr.side()).flat_map(|x| (0..qr.side()).map(move |y| (x, y))) {
            assert_eq!(is_dark(left + x * scale, top + y * scale), qr.is_dark(x, y));
        }
    }

    #[test]
    fn what_the_kernel_tells_is_read_and_nonsense_is_refused() {
        let frame = Frame::told("800,480\n", "3200\n", "32\n").expect("a usual screen");
        assert_eq!((frame.width, frame.height, frame.stride), (800, 480, 3_200));
        for (size, stride, bits) in [
            ("800x480", "3200", "32"),
            ("800,480", "3199", "32"),
            ("800,480", "3200", "24"),
            ("0,0", "0", "16"),
            ("99999,1", "3200", "16"),
            ("", "", ""),
        ] {
            assert_eq!(Frame::told(size, stride, bits), Err(FrameFault), "{size}");
        }
    }

    #[test]
    fn a_scanner_of_somebody_else_reads_the_link_off_a_screen() {
        // A code without news, and one with as many receipts as it carries.
        for len in [105, 248] {
            let link = format!("https://gettone.example/t/{}", "n5w".repeat(len / 3));
            let qr = Qr::of(&link).expect("short enough");
            for (size, stride) in [("320,240", 640_usize), ("800,480", 1_600)] {
                let frame = Frame::told(size, &stride.to_string(), "16").expect("a screen");
                let bytes = frame.draw(Some(&qr), "17 0123456");
                let (width, height) = (usize::from(frame.width), usize::from(frame.height));
                let grey = |x: usize, y: usize| bytes[y * stride + x * 2];
                let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
                let grids = seen.detect_grids();
                assert_eq!(grids.len(), 1, "{len} {size}");
                assert_eq!(grids[0].decode().expect("it is read").1, link);
            }
        }
    }

    #[test]
    fn a_buffer_of_two_pictures_is_used_as_far_as_the_mode_shows_it() {
        let frame = Frame::told("800,960\n", "3200\n", "32\n").expect("two pictures");
        let seen = frame.within("U:800x480p-60\n");
        assert_eq!((seen.width, seen.height, seen.stride), (800, 480, 3_200));
        assert_eq!(frame.within("D:640x480p-75").width, 640);
        for mode in [
            "",
            "800x480",
            "U:0x480p-60",
            "U:x",
            "U:800x",
            "U:99999x1p-1",
            "U:800x4é",
        ] {
            let seen = frame.within(mode);
            assert!(seen == frame || seen.height == 4, "{mode}");
        }
        assert_eq!(frame.within("U:1920x1080p-60"), frame);
    }

    #[test]
    fn a_form_that_makes_no_sense_or_has_no_room_draws_nothing() {
        let qr = Qr::of("x").expect("short");
        let frame = Frame {
            width: 20,
            height: 20,
            stride: 80,
            depth: Depth::Bits32,
        };
        assert!(frame.draw(Some(&qr), "").is_empty(), "no room");
        assert!(
            Frame {
                stride: 79,
                ..frame
            }
            .draw(None, "")
            .is_empty()
        );
        assert!(
            Frame {
                stride: u32::MAX,
                ..frame
            }
            .draw(None, "")
            .is_empty()
        );
        assert_eq!(frame.draw(None, ""), vec![0xff; 1_600]);
    }
}
