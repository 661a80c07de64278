//! The bytes of one row: the frames of one append, each behind its length and checksum. Pure.
//!
//! A checksum vouches for the partition and the place as well, so that a frame that stands where
//! it does not belong is noticed.

use super::pack;
use crate::bounds::{FRAME_MAX, ROW_BYTES_MAX};
use gettone_core::port::{Frames, Seq};

/// Bytes before each payload.
const HEAD_LEN: usize = 8;

/// What a row says of itself.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The place of its first frame.
    pub(super) first: Seq,
    /// Its frames.
    pub(super) count: u32,
    /// The lease that it was written under.
    pub(super) epoch: u64,
    /// How many bytes its frames are when they lie here packed.
    pub(super) unpacked: Option<u32>,
    /// The frames.
    pub(super) bytes: Vec<u8>,
}

/// Writes the frames of one append into `out`. None when they are too many or too long.
pub(super) fn encode(
    out: &mut Vec<u8>,
    (partition, first): (u16, Seq),
    frames: &Frames,
) -> Option<u32> {
    out.clear();
    let count = u32::try_from(frames.len()).ok()?;
    // The server counts them in a signed number.
    i32::try_from(count).ok()?;
    let len = frames
        .len()
        .checked_mul(HEAD_LEN)?
        .checked_add(frames.size())?;
    if len > ROW_BYTES_MAX {
        return None;
    }
    out.reserve(len);
    let mut seq = first;
    for payload in frames.iter() {
        let len = u32::try_from(payload.len()).ok()?;
        if payload.len() > FRAME_MAX {
            return None;
        }
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&checksum((partition, seq), len, payload).to_le_bytes());
        out.extend_from_slice(payload);
        seq = seq.after(1);
    }
    Some(count)
}

impl Row {
    /// The place behind its last frame; none when no journal is that long.
    pub(super) fn end(&self) -> Option<Seq> {
        let end = self.first.number().checked_add(u64::from(self.count))?;
        Some(Seq::new(end))
    }

    /// The same with its frames as they were before they were packed.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn unpack(self) -> Result<Self, String> {
        let Some(len) = self.unpacked else {
            return Ok(self);
        };
        let bytes = pack::unpack(&self.bytes, len)
            .map_err(|what| format!("the row at frame {}: {what}", self.first.number()))?;
        Ok(Self {
            unpacked: None,
            bytes,
            ..self
        })
    }

    /// Its payloads, all checked before the first is given.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn payloads(&self, partition: u16) -> Result<Vec<&[u8]>, String> {
        let mut payloads = Vec::new();
        let mut rest = self.bytes.as_slice();
        let mut seq = self.first;
        for _ in 0..self.count {
            let cut = || format!("frame {} is cut off", seq.number());
            let (head, behind) = rest.split_first_chunk::<HEAD_LEN>().ok_or_else(cut)?;
            let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
            let len = u32::from_le_bytes([l0, l1, l2, l3]);
            let (payload, behind) = usize::try_from(len)
                .ok()
                .filter(|len| *len <= FRAME_MAX)
                .and_then(|len| behind.split_at_checked(len))
                .ok_or_else(cut)?;
            if checksum((partition, seq), len, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
                return Err(format!("the checksum of frame {} is wrong", seq.number()));
            }
            payloads.push(payload);
            rest = behind;
            seq = seq.after(1);
        }
        if rest.is_empty() {
            Ok(payloads)
        } else {
            Err(format!(
                "{} bytes follow the frame before {}",
                rest.len(),
                seq.number()
            ))
        }
    }
}

fn checksum((partition, seq): (u16, Seq), len: u32, payload: &[u8]) -> u32 {
    let mut place = [0; 14];
    place[..2].copy_from_slice(&partition.to_le_bytes());
    place[2..10].copy_from_slice(&seq.number().to_le_bytes());
    place[10..].copy_from_slice(&len.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(payloads: &[&[u8]]) -> Row {
        let mut frames = Frames::default();
        payloads.iter().for_each(|payload| frames.push(payload));
        let mut bytes = Vec::new();
        let first = Seq::new(7);
        let count = encode(&mut bytes, (3, first), &frames).expect("few and short");
        Row {
            first,
            count,
            epoch: 1,
            unpacked: None,
            bytes,
        }
    }

    #[test]
    fn any_flipped_bit_of_a_row_is_noticed() {
        let payloads: [&[u8]; 3] = [b"one coffee", b"", b"one tea"];
        let sound = row(&payloads);
        assert_eq!(sound.payloads(3), Ok(payloads.to_vec()));
        for bit in 0..sound.bytes.len() * 8 {
            let mut bad = sound.clone();
            bad.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(bad.payloads(3).is_err(), "bit {bit}");
        }
        for len in 0..sound.bytes.len() {
            let mut bad = sound.clone();
            bad.bytes.truncate(len);
            assert!(bad.payloads(3).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_row_that_stands_elsewhere_is_noticed() {
        let sound = row(&[b"one coffee"]);
        assert!(sound.payloads(4).is_err(), "in another partition");
        let mut moved = sound.clone();
        moved.first = Seq::new(8);
        assert!(moved.payloads(3).is_err(), "at another place");
        for count in [0, 2] {
            let mut other = sound.clone();
            other.count = count;
            assert!(other.payloads(3).is_err(), "with {count} frames");
        }
        let mut endless = sound;
        endless.first = Seq::new(u64::MAX);
        assert_eq!(endless.end(), None);
    }

    #[test]
    fn what_no_row_can_hold_is_refused() {
        let mut frames = Frames::default();
        frames.push(&vec![0; FRAME_MAX + 1]);
        assert_eq!(encode(&mut Vec::new(), (0, Seq::FIRST), &frames), None);
        frames.clear();
        for _ in 0..=ROW_BYTES_MAX / FRAME_MAX {
            frames.push(&vec![0; FRAME_MAX]);
        }
        assert_eq!(encode(&mut Vec::new(), (0, Seq::FIRST), &frames), None);
    }
}
