//! What one light code says.

use thiserror::Error;

/// Bytes of a payload without its check.
pub const PAYLOAD_BYTES: usize = 12;
/// Bytes of the secret.
pub const SECRET_BYTES: usize = 10;
/// Bytes on air: payload and check.
pub(crate) const CHECKED_BYTES: usize = 16;

/// What the code is for (protocol section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The secret a phone and a reader share for one link.
    Pairing = 1,
    /// The server's word to a reader, shown by a phone (protocol section 9.3).
    LightGrant = 2,
}

/// Twelve bytes: header, secret, spare.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payload {
    kind: Kind,
    secret: [u8; SECRET_BYTES],
}

/// Why twelve bytes are no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadFault {
    /// The header names no kind of this version.
    #[error("header {0} is neither 1 (pairing) nor 2 (light grant)")]
    Kind(u8),
    /// The spare byte is not zero.
    #[error("spare byte is {0}, must be 0")]
    Spare(u8),
    /// The text is not exactly 24 hex digits.
    #[error("payload must be {} hex digits", PAYLOAD_BYTES * 2)]
    Hex,
}

impl Payload {
    /// Makes a payload of a kind and its secret.
    pub const fn new(kind: Kind, secret: [u8; SECRET_BYTES]) -> Self {
        Self { kind, secret }
    }

    /// Returns the kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the secret.
    pub const fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// Reads header, secret and spare.
    ///
    /// # Errors
    /// Names the header or the spare byte that this version does not know.
    pub fn from_bytes(bytes: [u8; PAYLOAD_BYTES]) -> Result<Self, PayloadFault> {
        let [header, secret @ .., spare] = bytes;
        let kind = match header {
            1 => Kind::Pairing,
            2 => Kind::LightGrant,
            other => return Err(PayloadFault::Kind(other)),
        };
        if spare != 0 {
            return Err(PayloadFault::Spare(spare));
        }
        Ok(Self { kind, secret })
    }

    /// Returns header, secret and spare.
    pub fn to_bytes(&self) -> [u8; PAYLOAD_BYTES] {
        let mut bytes = [0; PAYLOAD_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1..=SECRET_BYTES].copy_from_slice(&self.secret);
        bytes
    }

    /// Reads 24 hex digits.
    ///
    /// # Errors
    /// Says when the text is not hex of that length, or not a payload.
    pub fn from_hex(text: &str) -> Result<Self, PayloadFault> {
        let digits = text.as_bytes();
        if digits.len() != PAYLOAD_BYTES * 2 {
            return Err(PayloadFault::Hex);
        }
        let mut bytes = [0; PAYLOAD_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Self::from_bytes(bytes)
    }

    /// Returns 24 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        self.to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Returns the bytes on air: payload, then its check, highest byte first.
    pub(crate) fn to_checked(self) -> [u8; CHECKED_BYTES] {
        let payload = self.to_bytes();
        let mut checked = [0; CHECKED_BYTES];
        checked[..PAYLOAD_BYTES].copy_from_slice(&payload);
        checked[PAYLOAD_BYTES..].copy_from_slice(&crc32c(&payload).to_be_bytes());
        checked
    }

    /// Takes bytes off air, only when the check, the header and the spare byte are right.
    pub(crate) fn from_checked(checked: &[u8; CHECKED_BYTES]) -> Option<Self> {
        let (payload, check) = checked.split_first_chunk::<PAYLOAD_BYTES>()?;
        if crc32c(payload).to_be_bytes() != *check {
            return None;
        }
        Self::from_bytes(*payload).ok()
    }
}

/// Shows the kind only: the secret opens a link.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// CRC-32C (Castagnoli): reflected polynomial 82F63B78, start and final value all ones.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ ((crc & 1) * 0x82F6_3B78);
        }
    }
    !crc
}

fn nibble(digit: u8) -> Result<u8, PayloadFault> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(PayloadFault::Hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_the_published_crc_32c() {
        // The check value every catalogue of CRCs gives for CRC-32/ISCSI, and RFC 3720 B.4 (32 zeros).
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
    }

    #[test]
    fn any_one_bit_change_on_air_is_refused() {
        let checked = Payload::new(Kind::Pairing, *b"0123456789").to_checked();
        assert!(Payload::from_checked(&checked).is_some());
        for bit in 0..CHECKED_BYTES * 8 {
            let mut changed = checked;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Payload::from_checked(&changed), None, "bit {bit}");
        }
    }

    #[test]
    fn another_kind_or_a_used_spare_byte_is_no_payload() {
        let mut bytes = Payload::new(Kind::LightGrant, [7; 10]).to_bytes();
        bytes[11] = 1;
        assert_eq!(Payload::from_bytes(bytes), Err(PayloadFault::Spare(1)));
        bytes[0] = 3;
        assert_eq!(Payload::from_bytes(bytes), Err(PayloadFault::Kind(3)));
    }

    #[test]
    fn a_payload_does_not_print_its_secret() {
        let text = format!("{:?}", Payload::new(Kind::Pairing, [0xAB; 10]));
        assert_eq!(text, "Payload { kind: Pairing, .. }");
    }
}
