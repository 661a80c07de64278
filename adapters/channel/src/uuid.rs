//! Names on the air (protocol section 4).

use core::fmt;

/// The first half of every advertised service UUID; the second half names the one link.
pub const SERVICE_PREFIX: [u8; 8] = [0x67, 0x65, 0x74, 0x74, 0x6f, 0x6e, 0x45, 0x01];
/// The GATT service of every reader.
pub const GATT_SERVICE: ServiceUuid = fixed(0x01);
/// The characteristic that a phone writes, with response.
pub const TO_READER: ServiceUuid = fixed(0x02);
/// The characteristic that a phone subscribes to, or reads.
pub const TO_PHONE: ServiceUuid = fixed(0x03);

/// A 128-bit UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUuid([u8; 16]);

impl ServiceUuid {
    /// The UUID that a reader advertises for the phone that can derive `eid`.
    pub fn for_eid(eid: &[u8; 8]) -> Self {
        let mut bytes = [0; 16];
        let (prefix, rest) = bytes.split_at_mut(8);
        prefix.copy_from_slice(&SERVICE_PREFIX);
        rest.copy_from_slice(eid);
        Self(bytes)
    }

    /// Its bytes, in the order they are written in.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ServiceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&index) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ServiceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUuid({self})")
    }
}

const fn fixed(last: u8) -> ServiceUuid {
    ServiceUuid([
        0x67, 0x65, 0x74, 0x74, 0x6f, 0x6e, 0x45, 0x00, 0x9b, 0x1d, 0x5a, 0x2c, 0x8e, 0x4f, 0x30,
        last,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_name_is_the_prefix_and_the_eid_as_uuids_are_written() {
        let uuid = ServiceUuid::for_eid(&[0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]);
        assert_eq!(uuid.to_string(), "67657474-6f6e-4501-a0a1-a2a3a4a5a6a7");
    }
}
