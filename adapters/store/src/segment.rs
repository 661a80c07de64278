//! The bytes of a segment: a header, then batches, each a mark and its frames. Pure.
//!
//! Every checksum is seeded with the segment's number and salt, and with the place that it vouches
//! for, so that what an earlier use of the same file left behind is never taken for new.

use gettone_core::port::{Frames, Seq};

const MAGIC: [u8; 8] = *b"GETTONEJ";
/// The layout of segments; a store refuses segments of another.
pub(crate) const CONTAINER: u32 = 1;
/// Bytes of a header.
pub(crate) const HEADER_LEN: usize = 64;
/// Bytes of the mark before each batch.
pub(crate) const MARK_LEN: usize = 24;
/// Bytes before each payload.
pub(crate) const FRAME_HEAD_LEN: usize = 8;
/// What a batch's mark begins with; no frame is that long.
pub(crate) const MARK: u32 = 0xBA7C_4000;
/// Batches, frames and payloads begin at multiples of it.
pub(crate) const ALIGN: usize = 8;

/// What a segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// What its payloads are written in.
    pub(crate) format: u32,
    /// Its own number.
    pub(crate) number: u64,
    /// The place of its first frame. Frames of the segment before from there on are void.
    pub(crate) first: Seq,
    /// What tells it from an earlier use of the same file.
    pub(crate) salt: u64,
    /// The segment before, and where what counts of it ends; 0 and 0 when there is none.
    pub(crate) before: Before,
}

/// The end of the segment before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Before {
    pub(crate) number: u64,
    pub(crate) end: u64,
}

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadHeader {
    NotASegment,
    OtherContainer(u32),
    Checksum,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&CONTAINER.to_le_bytes());
        out.extend_from_slice(&self.format.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first.number().to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.before.number.to_le_bytes());
        out.extend_from_slice(&self.before.end.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.try_into().expect("the fields fill the header")
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, BadHeader> {
        if bytes[..8] != MAGIC {
            return Err(BadHeader::NotASegment);
        }
        let container = word(bytes, 8);
        if container != CONTAINER {
            return Err(BadHeader::OtherContainer(container));
        }
        if crc32c::crc32c(&bytes[..60]) != word(bytes, 60) {
            return Err(BadHeader::Checksum);
        }
        Ok(Self {
            format: word(bytes, 12),
            number: long(bytes, 16),
            first: Seq::new(long(bytes, 24)),
            salt: long(bytes, 32),
            before: Before {
                number: long(bytes, 40),
                end: long(bytes, 48),
            },
        })
    }

    /// What this segment's checksums begin from.
    pub(crate) fn seed(&self) -> Seed {
        let crc = crc32c::crc32c(&self.number.to_le_bytes());
        Seed(crc32c::crc32c_append(crc, &self.salt.to_le_bytes()))
    }
}

/// What the checksums of one segment begin from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seed(u32);

impl Seed {
    fn frame(self, seq: Seq, len: u32, payload: &[u8]) -> u32 {
        let mut place = [0; 12];
        place[..8].copy_from_slice(&seq.number().to_le_bytes());
        place[8..].copy_from_slice(&len.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &place), payload)
    }

    fn mark(self, offset: u64, mark: &Mark) -> u32 {
        let mut place = [0; 28];
        place[..4].copy_from_slice(&MARK.to_le_bytes());
        place[4..12].copy_from_slice(&offset.to_le_bytes());
        place[12..20].copy_from_slice(&mark.first.number().to_le_bytes());
        place[20..24].copy_from_slice(&mark.bytes.to_le_bytes());
        place[24..].copy_from_slice(&mark.frames.to_le_bytes());
        crc32c::crc32c_append(self.0, &place)
    }
}

/// The beginning of a batch. One append writes one batch, and only after the one before was
/// synced: so whatever stands before a sound mark was durable once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// The place of its first frame.
    pub(crate) first: Seq,
    /// Its bytes, mark included.
    pub(crate) bytes: u32,
    /// Its frames.
    pub(crate) frames: u32,
}

impl Mark {
    /// Reads a mark that stands at `offset`; none when it is not sound there.
    pub(crate) fn decode(bytes: &[u8; MARK_LEN], seed: Seed, offset: u64) -> Option<Self> {
        if word(bytes, 0) != MARK {
            return None;
        }
        let mark = Self {
            first: Seq::new(long(bytes, 8)),
            bytes: word(bytes, 16),
            frames: word(bytes, 20),
        };
        (seed.mark(offset, &mark) == word(bytes, 4)).then_some(mark)
    }
}

/// The head of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHead {
    /// Bytes of its payload.
    pub(crate) len: u32,
    crc: u32,
}

impl FrameHead {
    /// Reads a head; none where there is no frame. It says nothing yet of the payload.
    pub(crate) fn decode(bytes: [u8; FRAME_HEAD_LEN]) -> Option<Self> {
        // Stored one up: what was never written is 0, and an empty payload is not.
        let len = word(&bytes, 0).checked_sub(1)?;
        Some(Self {
            len,
            crc: word(&bytes, 4),
        })
    }

    pub(crate) fn vouches_for(&self, seed: Seed, seq: Seq, payload: &[u8]) -> bool {
        seed.frame(seq, self.len, payload) == self.crc
    }
}

/// Bytes of a payload with what fills it up.
pub(crate) const fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Bytes of a batch.
pub(crate) fn batch_len(frames: &Frames) -> usize {
    frames.iter().fold(MARK_LEN, |sum, payload| {
        sum.saturating_add(FRAME_HEAD_LEN)
            .saturating_add(padded(payload.len()))
    })
}

/// Writes a batch that will stand at `offset` into `out`, which it empties first. None when it is
/// larger than a batch may be.
pub(crate) fn encode_batch(
    out: &mut Vec<u8>,
    frames: &Frames,
    place: (Seed, u64, Seq),
) -> Option<()> {
    let (seed, offset, first) = place;
    let mark = Mark {
        first,
        bytes: u32::try_from(batch_len(frames)).ok()?,
        frames: u32::try_from(frames.len()).ok()?,
    };
    out.clear();
    out.extend_from_slice(&MARK.to_le_bytes());
    out.extend_from_slice(&seed.mark(offset, &mark).to_le_bytes());
    out.extend_from_slice(&mark.first.number().to_le_bytes());
    out.extend_from_slice(&mark.bytes.to_le_bytes());
    out.extend_from_slice(&mark.frames.to_le_bytes());
    let mut seq = first;
    for payload in frames.iter() {
        let len = u32::try_from(payload.len()).ok()?;
        out.extend_from_slice(&len.checked_add(1)?.to_le_bytes());
        out.extend_from_slice(&seed.frame(seq, len, payload).to_le_bytes());
        out.extend_from_slice(payload);
        out.resize(padded(out.len()), 0);
        seq = seq.after(1);
    }
    Some(())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u32::from_le_bytes(*word))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |long| u64::from_le_bytes(*long))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        format: 7,
        number: 3,
        first: Seq::new(0x0102),
        salt: 0x1122_3344_5566_7788,
        before: Before {
            number: 2,
            end: 4096,
        },
    };

    /// Written down once, so that segments of today are read by the stores of tomorrow.
    #[test]
    fn the_layout_of_a_segment_does_not_change() {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(hex(&HEADER.encode()), GOLDEN_HEADER);
        let mut frames = Frames::default();
        frames.push(b"espresso");
        frames.push(b"");
        let mut out = Vec::new();
        encode_batch(&mut out, &frames, (HEADER.seed(), 64, HEADER.first)).expect("small");
        assert_eq!(hex(&out), GOLDEN_BATCH);
    }

    const GOLDEN_HEADER: &str = "474554544f4e454a010000000700000003000000000000000201000000000000887766554433221102000000000000000010000000000000000000006c41c0b8";
    const GOLDEN_BATCH: &str = "00407cba21c7e2420201000000000000300000000200000009000000f978ba74657370726573736f010000008540454e";

    #[test]
    fn a_header_with_any_bit_flipped_is_refused() {
        let sound = HEADER.encode();
        assert_eq!(Header::decode(&sound), Ok(HEADER));
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_mark_is_sound_only_where_it_was_written() {
        let mut out = Vec::new();
        encode_batch(
            &mut out,
            &Frames::default(),
            (HEADER.seed(), 64, Seq::FIRST),
        )
        .expect("small");
        let bytes: &[u8; MARK_LEN] = out.first_chunk().expect("a mark");
        let elsewhere = Header {
            salt: HEADER.salt + 1,
            ..HEADER
        };
        assert!(Mark::decode(bytes, HEADER.seed(), 64).is_some());
        assert!(Mark::decode(bytes, HEADER.seed(), 72).is_none());
        assert!(Mark::decode(bytes, elsewhere.seed(), 64).is_none());
    }
}
