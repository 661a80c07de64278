//! A package for a reader's care: a configuration or a program, cut into chunks that a manifest
//! vouches for (protocol section 10). The server's CONFIG names the manifest by its hash, and an
//! envelope vouches for that; so any phone may bring any part, in any order.

use sha2::{Digest, Sha256};

use crate::bounds::{CHUNK_LEN, PACKAGE_LEN_MAX, PIECE_LEN_MAX};
use crate::id::ManifestHash;
use crate::item::Config;
use crate::wire::{Bad, Field, Wire, coded};

coded! {
    /// What a package is.
    PackageKind {
        /// The reader's settings, prices included.
        Configuration = 1,
        /// The reader's program.
        Firmware = 2,
    }
}

coded! {
    /// Which part of a package a piece is of.
    Part {
        /// The manifest.
        Manifest = 0,
        /// What it vouches for.
        Content = 1,
    }
}

/// The bit of a package's version that says that it is firmware.
const FIRMWARE: u32 = 1 << 31;
/// Bytes of a manifest before its hashes: kind, version, size.
const HEAD_LEN: usize = 1 + 4 + 4;
const HASH_LEN: usize = 32;

impl Config {
    /// Returns what it names.
    pub const fn kind(&self) -> PackageKind {
        if self.version & FIRMWARE == 0 {
            PackageKind::Configuration
        } else {
            PackageKind::Firmware
        }
    }

    /// Returns the version among packages of its kind.
    pub const fn number(&self) -> u32 {
        self.version & !FIRMWARE
    }

    /// Names firmware.
    pub const fn firmware(number: u32, manifest: ManifestHash, size: u32) -> Self {
        Self {
            version: number | FIRMWARE,
            manifest,
            size,
        }
    }

    /// Returns how long the part is; `None` where no package has this size.
    pub fn len_of(&self, part: Part) -> Option<usize> {
        let size = usize::try_from(self.size).ok()?;
        if size == 0 || size > PACKAGE_LEN_MAX {
            return None;
        }
        Some(match part {
            Part::Content => size,
            Part::Manifest => HEAD_LEN + HASH_LEN * size.div_ceil(CHUNK_LEN),
        })
    }
}

/// What vouches for the content of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    kind: PackageKind,
    version: u32,
    size: u32,
    chunks: Vec<[u8; HASH_LEN]>,
}

impl Manifest {
    /// Makes the manifest of `content`; `None` where it is empty or too long, or the version is 0 or
    /// too great.
    pub fn of(kind: PackageKind, number: u32, content: &[u8]) -> Option<Self> {
        let is_bounded = !content.is_empty() && content.len() <= PACKAGE_LEN_MAX;
        if !is_bounded || number == 0 || number & FIRMWARE != 0 {
            return None;
        }
        let version = match kind {
            PackageKind::Configuration => number,
            PackageKind::Firmware => number | FIRMWARE,
        };
        Some(Manifest {
            kind,
            version,
            size: u32::try_from(content.len()).ok()?,
            chunks: content
                .chunks(CHUNK_LEN)
                .map(|chunk| Sha256::digest(chunk).into())
                .collect(),
        })
    }

    /// Returns the item that names it.
    pub fn config(&self) -> Config {
        Config {
            version: self.version,
            manifest: ManifestHash::from_bytes(Sha256::digest(self.to_bytes()).into()),
            size: self.size,
        }
    }

    /// Returns it as it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN + HASH_LEN * self.chunks.len());
        self.kind.put(&mut out);
        self.version.put(&mut out);
        self.size.put(&mut out);
        self.chunks.iter().for_each(|hash| hash.put(&mut out));
        out
    }

    /// Reads it as it travelled; `None` where it is not the one that `told` names.
    pub fn from_bytes(bytes: &[u8], told: &Config) -> Option<Self> {
        let is_named = ManifestHash::from_bytes(Sha256::digest(bytes).into()) == told.manifest;
        if !is_named || told.len_of(Part::Manifest) != Some(bytes.len()) {
            return None;
        }
        let manifest = Self::fields(&mut Wire::new(bytes)).ok()?;
        let says = (manifest.kind, manifest.version, manifest.size);
        (says == (told.kind(), told.version, told.size)).then_some(manifest)
    }

    fn fields(wire: &mut Wire<'_>) -> Result<Self, Bad> {
        let (kind, version, size) = (wire.field()?, wire.field()?, wire.field()?);
        let mut chunks = Vec::with_capacity(wire.len() / HASH_LEN);
        while !wire.is_empty() {
            chunks.push(wire.array()?);
        }
        Ok(Manifest {
            kind,
            version,
            size,
            chunks,
        })
    }

    /// Returns how many chunks the content has.
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Returns how long a chunk is; 0 behind the last one.
    pub fn len_of(&self, chunk: usize) -> usize {
        let size = usize::try_from(self.size).unwrap_or(0);
        size.saturating_sub(chunk.saturating_mul(CHUNK_LEN))
            .min(CHUNK_LEN)
    }

    /// Says whether these bytes are this chunk of the content.
    pub fn vouches_for(&self, chunk: usize, bytes: &[u8]) -> bool {
        let hash: [u8; HASH_LEN] = Sha256::digest(bytes).into();
        bytes.len() == self.len_of(chunk) && self.chunks.get(chunk) == Some(&hash)
    }
}

/// What a phone brings of a package: bytes from `index` x 2,048 on. All pieces of a part but the last
/// one are of this length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The package's version, as CONFIG names it.
    pub version: u32,
    /// Of what.
    pub part: Part,
    /// Its place.
    pub index: u32,
    /// 1 to 2,048 bytes.
    pub bytes: Vec<u8>,
}

/// What a reader lacks of a package: so many pieces from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The package's version, as CONFIG names it.
    pub version: u32,
    /// Of what.
    pub part: Part,
    /// The first one.
    pub first: u32,
    /// How many; never 0.
    pub count: u16,
}

impl Piece {
    /// Returns the piece of `whole` at `index`; `None` behind its end.
    pub fn of(version: u32, part: Part, index: u32, whole: &[u8]) -> Option<Self> {
        let at = usize::try_from(index).ok()?.checked_mul(PIECE_LEN_MAX)?;
        let bytes = whole.get(at..).filter(|rest| !rest.is_empty())?;
        Some(Piece {
            version,
            part,
            index,
            bytes: bytes[..bytes.len().min(PIECE_LEN_MAX)].to_vec(),
        })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) -> Result<(), Bad> {
        if self.bytes.is_empty() || self.bytes.len() > PIECE_LEN_MAX {
            return Err(Bad::Value);
        }
        self.version.put(out);
        self.part.put(out);
        self.index.put(out);
        out.extend_from_slice(&self.bytes);
        Ok(())
    }

    pub(crate) fn take(body: &[u8]) -> Result<Self, Bad> {
        let wire = &mut Wire::new(body);
        let (version, part, index) = (wire.field()?, wire.field()?, wire.field()?);
        let len = wire.len();
        if len == 0 || len > PIECE_LEN_MAX {
            return Err(Bad::Value);
        }
        let bytes = wire.bytes(len)?.to_vec();
        Ok(Piece {
            version,
            part,
            index,
            bytes,
        })
    }
}

impl Want {
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> Result<(), Bad> {
        if self.count == 0 {
            return Err(Bad::Value);
        }
        self.version.put(out);
        self.part.put(out);
        self.first.put(out);
        self.count.put(out);
        Ok(())
    }

    pub(crate) fn take(body: &[u8]) -> Result<Self, Bad> {
        let wire = &mut Wire::new(body);
        let want = Want {
            version: wire.field()?,
            part: wire.field()?,
            first: wire.field()?,
            count: wire.field()?,
        };
        match want.count {
            0 => Err(Bad::Value),
            _ if wire.is_empty() => Ok(want),
            _ => Err(Bad::Value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_vouches_for_its_own_chunks_only() {
        for len in [
            1,
            CHUNK_LEN - 1,
            CHUNK_LEN,
            CHUNK_LEN + 1,
            5 * CHUNK_LEN + 17,
        ] {
            for kind in PackageKind::ALL {
                let content = content(len);
                let manifest = Manifest::of(*kind, 9, &content).expect("bounded");
                let told = manifest.config();
                assert_eq!((told.kind(), told.number()), (*kind, 9));
                let bytes = manifest.to_bytes();
                assert_eq!(Manifest::from_bytes(&bytes, &told), Some(manifest.clone()));
                assert_eq!(told.len_of(Part::Manifest), Some(bytes.len()));
                for (chunk, bytes) in content.chunks(CHUNK_LEN).enumerate() {
                    assert!(manifest.vouches_for(chunk, bytes));
                    assert!(!manifest.vouches_for(chunk + 1, bytes));
                    assert!(!manifest.vouches_for(chunk, &bytes[1..]));
                }
            }
        }
    }

    #[test]
    fn any_one_bit_changed_in_a_manifest_refuses_it() {
        let content = content(3 * CHUNK_LEN);
        let manifest = Manifest::of(PackageKind::Firmware, 2, &content).expect("bounded");
        let (told, mut bytes) = (manifest.config(), manifest.to_bytes());
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::from_bytes(&bytes, &told), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for other in [
            Config {
                size: told.size + 1,
                ..told
            },
            Config {
                version: told.version + 1,
                ..told
            },
            Config {
                version: told.number(),
                ..told
            },
        ] {
            assert_eq!(Manifest::from_bytes(&bytes, &other), None, "{other:?}");
        }
    }

    #[test]
    fn what_has_no_size_or_no_version_is_no_package() {
        let kind = PackageKind::Configuration;
        assert_eq!(Manifest::of(kind, 1, &[]), None);
        assert_eq!(Manifest::of(kind, 0, &[1]), None);
        assert_eq!(Manifest::of(kind, FIRMWARE, &[1]), None);
        assert_eq!(Manifest::of(kind, 1, &vec![0; PACKAGE_LEN_MAX + 1]), None);
        let told = Manifest::of(kind, 1, &[1]).expect("bounded").config();
        assert_eq!(Config { size: 0, ..told }.len_of(Part::Content), None);
        assert_eq!(
            Config {
                size: u32::MAX,
                ..told
            }
            .len_of(Part::Manifest),
            None
        );
    }
}
