//! Bytes in URLs: RFC 4648's base32 in small letters and base64url, both without padding. Every
//! value has one text, and no other text is taken.

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn base32(bytes: &[u8]) -> String {
    write(bytes, BASE32, 5)
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    write(bytes, BASE64URL, 6)
}

pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    read(text, BASE32, 5)
}

pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    read(text, BASE64URL, 6)
}

fn write(bytes: &[u8], letters: &[u8], width: u32) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut count) = (0_u32, 0);
    let letter = |bits: u32| char::from(letters[bits as usize & (letters.len() - 1)]);
    for byte in bytes {
        held = held << 8 & 0xff_ffff | u32::from(*byte);
        count += 8;
        while count >= width {
            count -= width;
            text.push(letter(held >> count));
        }
    }
    if count > 0 {
        text.push(letter(held << (width - count)));
    }
    text
}

fn read(text: &str, letters: &[u8], width: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8 + 1);
    let (mut held, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let bits = letters.iter().position(|known| *known == letter)?;
        held = held << width & 0xff_ffff | u32::try_from(bits).ok()?;
        count += width;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(held >> count & 0xff).ok()?);
        }
    }
    // What is left over has to be less than a letter, and nothing.
    let rest = held & ((1 << count) - 1);
    (count < width && rest == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        // RFC 4648 section 10, without padding, base32 in small letters.
        for (plain, in32, in64) in [
            ("", "", ""),
            ("f", "my", "Zg"),
            ("fo", "mzxq", "Zm8"),
            ("foo", "mzxw6", "Zm9v"),
            ("foob", "mzxw6yq", "Zm9vYg"),
            ("fooba", "mzxw6ytb", "Zm9vYmE"),
            ("foobar", "mzxw6ytboi", "Zm9vYmFy"),
        ] {
            assert_eq!(base32(plain.as_bytes()), in32);
            assert_eq!(base64url(plain.as_bytes()), in64);
            assert_eq!(from_base32(in32).as_deref(), Some(plain.as_bytes()));
            assert_eq!(from_base64url(in64).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn another_text_for_the_same_bytes_is_not_taken() {
        for text in ["mz", "m", "MY", "my======", "mzxq7", "mzxw6y"] {
            assert_eq!(from_base32(text), None, "{text}");
        }
        for text in ["Zh", "Z", "Zg==", "Zm+v", "Zm9 "] {
            assert_eq!(from_base64url(text), None, "{text}");
        }
    }
}
