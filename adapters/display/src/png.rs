//! A QR code as a picture file: one bit a pixel, not compressed, so that it takes a few lines and no library.

use crate::qr::Qr;

/// Pixels for each module.
const SCALE: usize = 4;
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// What a stored block of deflate holds at most (RFC 1951 section 3.2.4).
const BLOCK_MAX: usize = 65_535;

impl Qr {
    /// The code as a PNG file (ISO/IEC 15948), black on white.
    pub fn to_png(&self) -> Vec<u8> {
        picture(self.side(), |x, y| self.is_dark(x, y))
    }

    /// White, as large as a code with so many modules on a side: nothing to scan.
    pub fn white_png(side: usize) -> Vec<u8> {
        picture(side, |_, _| false)
    }
}

fn picture(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let side = side * SCALE;
    let mut rows = Vec::with_capacity(side * (1 + side.div_ceil(8)));
    for y in 0..side {
        // No filter.
        rows.push(0);
        for byte in 0..side.div_ceil(8) {
            let bits = (0..8).map(|bit| byte * 8 + bit);
            rows.push(bits.fold(0, |pixels, x| {
                let is_light = x < side && !is_dark(x / SCALE, y / SCALE);
                pixels << 1 | u8::from(is_light)
            }));
        }
    }
    let width = u32::try_from(side).unwrap_or(0).to_be_bytes();
    // One bit of grey, no interlacing.
    let head = [&width[..], &width, &[1, 0, 0, 0, 0]].concat();
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, *b"IHDR", &head);
    chunk(&mut file, *b"IDAT", &stored(&rows));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    let len = u32::try_from(body.len()).unwrap_or(0);
    file.extend(len.to_be_bytes());
    let begin = file.len();
    file.extend(name);
    file.extend(body);
    let sum = crc32(&file[begin..]);
    file.extend(sum.to_be_bytes());
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(BLOCK_MAX);
    let last = blocks.len().saturating_sub(1);
    for (place, block) in blocks.enumerate() {
        let len = u16::try_from(block.len()).unwrap_or(0);
        stream.push(u8::from(place == last));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_as_the_code_by_a_decoder_of_somebody_else() {
        for len in [10, 300, crate::qr::TEXT_LEN_MAX] {
            let qr = Qr::of(&"x".repeat(len)).expect("short enough");
            let file = qr.to_png();
            let decoder = png::Decoder::new(std::io::Cursor::new(&file));
            let mut reader = decoder.read_info().expect("a PNG");
            let mut pixels = vec![0; reader.output_buffer_size().expect("it fits")];
            let frame = reader.next_frame(&mut pixels).expect("its rows");
            let side = qr.side() * SCALE;
            assert_eq!((frame.width as usize, frame.height as usize), (side, side));
            for y in 0..side {
                for x in 0..side {
                    let byte = pixels[y * frame.line_size + x / 8];
                    let is_dark = byte >> (7 - x % 8) & 1 == 0;
                    assert_eq!(is_dark, qr.is_dark(x / SCALE, y / SCALE), "{x} {y}");
                }
            }
        }
    }
}
