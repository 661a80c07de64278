//! Rows are packed: one batch holds many records that are alike, and what the server has to log,
//! send to its standby and read back is a third of them.

use crate::bounds::{PACKED_FROM, ROW_BYTES_MAX};

/// Packs the frames of a row into `packed`. False when that would not make them smaller; what
/// `packed` holds is of no use then.
pub(super) fn pack(frames: &[u8], packed: &mut Vec<u8>) -> bool {
    if frames.len() < PACKED_FROM {
        return false;
    }
    packed.resize(lz4_flex::block::get_maximum_output_size(frames.len()), 0);
    match lz4_flex::block::compress_into(frames, packed) {
        Ok(len) if len < frames.len() => {
            packed.truncate(len);
            true
        }
        Ok(_) | Err(_) => false,
    }
}

/// The frames that were packed, which were so many bytes.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn unpack(packed: &[u8], len: u32) -> Result<Vec<u8>, String> {
    let bad = |why: &dyn core::fmt::Display| format!("its frames cannot be unpacked: {why}");
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len <= ROW_BYTES_MAX)
        .ok_or_else(|| bad(&format_args!("{len} bytes are too many")))?;
    let mut frames = vec![0; len];
    let unpacked =
        lz4_flex::block::decompress_into(packed, &mut frames).map_err(|fault| bad(&fault))?;
    if unpacked == len {
        Ok(frames)
    } else {
        Err(bad(&format_args!("{unpacked} bytes instead of {len}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike() -> Vec<u8> {
        b"one coffee, one tea; "
            .iter()
            .copied()
            .cycle()
            .take(4 * PACKED_FROM)
            .collect()
    }

    #[test]
    fn what_is_packed_comes_back_and_is_smaller() {
        let frames = alike();
        let mut packed = vec![7; 3];
        assert!(pack(&frames, &mut packed));
        assert!(packed.len() < frames.len() / 10);
        let len = u32::try_from(frames.len()).expect("short");
        assert_eq!(unpack(&packed, len), Ok(frames));
    }

    #[test]
    fn what_is_short_or_does_not_shrink_is_left_alone() {
        let mut packed = Vec::new();
        assert!(!pack(&alike()[..PACKED_FROM - 1], &mut packed));
        // The generator of the C standard's example: its high bytes repeat nowhere near.
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..4 * PACKED_FROM)
            .map(|_| {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                state.to_be_bytes()[0]
            })
            .collect();
        assert!(!pack(&noise, &mut packed));
    }

    #[test]
    fn a_packed_row_that_is_cut_flipped_or_of_another_length_is_never_a_panic() {
        let frames = alike();
        let len = u32::try_from(frames.len()).expect("short");
        let mut packed = Vec::new();
        assert!(pack(&frames, &mut packed));
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end], len).is_err(), "cut to {end}");
        }
        for other in [0, len - 1, len + 1, u32::MAX] {
            assert!(unpack(&packed, other).is_err(), "{other} bytes");
        }
        for bit in 0..packed.len() * 8 {
            let mut bad = packed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // The checksums of the frames tell what this does not.
            let _ = unpack(&bad, len);
        }
    }
}
