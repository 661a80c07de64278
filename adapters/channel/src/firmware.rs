//! The content of a firmware package: a reader's program behind a header that a release key has
//! signed. The release key is on no server: whoever enters a package can name a program, and make
//! none.
//!
//! ```text
//!  0  [4] "GTNF"    5 [32] board, ASCII, filled with 0    41 u32 length of the body
//!  4  u8  format   37 u32  number                         45 u32 length of the program
//! 49 [32] SHA-256 of the program    81 [64] Ed25519 over bytes 0 to 80    145 the body
//! ```

use crate::bounds::{BOARD_LEN_MAX, PROGRAM_LEN_MAX};
use crate::wire::{Bad, Field, Wire, coded};

coded! {
    /// How the program lies in the body.
    FirmwareFormat {
        /// As it is.
        Plain = 1,
        /// Deflated (RFC 1951).
        Deflated = 2,
    }
}

const MAGIC: [u8; 4] = *b"GTNF";
/// Bytes that are signed.
const SIGNED_LEN: usize = 4 + 1 + BOARD_LEN_MAX + 4 + 4 + 4 + 32;
const SIGNATURE_LEN: usize = 64;

/// What stands before a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareHeader {
    /// How the program lies in the body.
    pub format: FirmwareFormat,
    /// For which kind of board, such as `aarch64-linux-gnu`.
    pub board: String,
    /// Which program; never 0, and without the bit that says firmware.
    pub number: u32,
    /// Bytes behind the header.
    pub body_len: u32,
    /// Bytes of the program.
    pub program_len: u32,
    /// SHA-256 of the program.
    pub program: [u8; 32],
}

impl FirmwareHeader {
    /// Bytes of a header with its signature.
    pub const LEN: usize = SIGNED_LEN + SIGNATURE_LEN;

    /// Returns what is to be signed; `None` where it is no header.
    pub fn to_signed(&self) -> Option<Vec<u8>> {
        self.is_sound().then(|| {
            let mut out = Vec::with_capacity(Self::LEN);
            MAGIC.put(&mut out);
            self.format.put(&mut out);
            let mut board = [0; BOARD_LEN_MAX];
            for (place, byte) in board.iter_mut().zip(self.board.bytes()) {
                *place = byte;
            }
            board.put(&mut out);
            self.number.put(&mut out);
            self.body_len.put(&mut out);
            self.program_len.put(&mut out);
            self.program.put(&mut out);
            out
        })
    }

    /// Reads a header at the beginning of a package's content: with the bytes that were signed and
    /// the signature over them, which is not looked at here.
    pub fn from_bytes(content: &[u8]) -> Option<(Self, [u8; SIGNED_LEN], [u8; SIGNATURE_LEN])> {
        let (signed, rest) = content.split_first_chunk::<SIGNED_LEN>()?;
        let signature = rest.first_chunk::<SIGNATURE_LEN>()?;
        let header = Self::fields(&mut Wire::new(signed)).ok()?;
        header.is_sound().then_some((header, *signed, *signature))
    }

    fn fields(wire: &mut Wire<'_>) -> Result<Self, Bad> {
        if wire.array::<4>()? != MAGIC {
            return Err(Bad::Value);
        }
        let format = wire.field()?;
        let board: [u8; BOARD_LEN_MAX] = wire.array()?;
        let len = board.iter().position(|byte| *byte == 0);
        let (name, filling) = board.split_at(len.unwrap_or(BOARD_LEN_MAX));
        if filling.iter().any(|byte| *byte != 0) {
            return Err(Bad::Value);
        }
        Ok(Self {
            format,
            board: core::str::from_utf8(name)
                .map_err(|_| Bad::Value)?
                .to_owned(),
            number: wire.field()?,
            body_len: wire.field()?,
            program_len: wire.field()?,
            program: wire.array()?,
        })
    }

    fn is_sound(&self) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let program_len = usize::try_from(self.program_len).unwrap_or(usize::MAX);
        let is_plain = self.format == FirmwareFormat::Plain;
        (1..=BOARD_LEN_MAX).contains(&self.board.len())
            && self.board.bytes().all(is_letter)
            && self.number != 0
            && self.number >> 31 == 0
            && self.body_len != 0
            && (1..=PROGRAM_LEN_MAX).contains(&program_len)
            && (!is_plain || self.body_len == self.program_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FirmwareHeader {
        FirmwareHeader {
            format: FirmwareFormat::Deflated,
            board: "x86_64-linux-gnu".to_owned(),
            number: 0x0001_0203,
            body_len: 400,
            program_len: 1_000,
            program: [7; 32],
        }
    }

    fn bytes(header: &FirmwareHeader) -> Option<Vec<u8>> {
        let mut bytes = header.to_signed()?;
        bytes.extend([9; SIGNATURE_LEN]);
        Some(bytes)
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let longest = "b".repeat(BOARD_LEN_MAX);
        for board in ["x86_64-linux-gnu", "a", &longest] {
            let header = FirmwareHeader {
                board: board.to_owned(),
                ..header()
            };
            let bytes = bytes(&header).expect("sound");
            assert_eq!(bytes.len(), FirmwareHeader::LEN);
            let (read, signed, signature) = FirmwareHeader::from_bytes(&bytes).expect("sound");
            assert_eq!(read, header);
            assert_eq!(signed, bytes[..SIGNED_LEN]);
            assert_eq!(signature, [9; SIGNATURE_LEN]);
            for len in 0..bytes.len() {
                assert_eq!(FirmwareHeader::from_bytes(&bytes[..len]), None);
            }
        }
    }

    #[test]
    fn what_no_board_could_take_is_no_header() {
        let plain = FirmwareFormat::Plain;
        let lame = [
            FirmwareHeader {
                board: String::new(),
                ..header()
            },
            FirmwareHeader {
                board: "b".repeat(BOARD_LEN_MAX + 1),
                ..header()
            },
            FirmwareHeader {
                board: "a b".to_owned(),
                ..header()
            },
            FirmwareHeader {
                number: 0,
                ..header()
            },
            FirmwareHeader {
                number: 1 << 31,
                ..header()
            },
            FirmwareHeader {
                body_len: 0,
                ..header()
            },
            FirmwareHeader {
                program_len: 0,
                ..header()
            },
            FirmwareHeader {
                program_len: u32::MAX,
                ..header()
            },
            FirmwareHeader {
                format: plain,
                ..header()
            },
        ];
        for header in lame {
            assert_eq!(bytes(&header), None, "{header:?}");
        }
    }

    /// Any bytes are a header or none; one that is read is written as it came.
    #[test]
    fn any_bytes_are_read_without_a_panic_and_written_as_they_came() {
        let sound = bytes(&header()).expect("sound");
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut read = 0;
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..2 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state >> 32).expect("64 bits") % bytes.len();
                bytes[at] = state.to_le_bytes()[0];
            }
            if let Some((header, signed, _)) = FirmwareHeader::from_bytes(&bytes) {
                assert_eq!(header.to_signed().as_deref(), Some(signed.as_slice()));
                read += 1;
            }
        }
        assert!(read > 1_000, "it reads some: {read}");
    }
}
