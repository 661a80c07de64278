//! Every bound of this crate.

/// A message is at most this many bytes.
pub const MESSAGE_MAX: usize = 4_096;
/// Less than this is refused: a message would need too many segments.
pub const MTU_MIN: u16 = 64;
/// More than this is never used.
pub const MTU_MAX: u16 = 517;
/// A value is at most this many bytes, whatever the MTU.
pub const VALUE_MAX: usize = 509;
/// A message needs at most this many segments, at the smallest MTU.
pub const SEGMENTS_MAX: usize = 70;
/// Bytes of a write or notify that are not its value.
pub(crate) const ATT_HEADER: u16 = 3;
/// Bytes of a segment that are not its data.
pub(crate) const SEGMENT_HEADER: usize = 2;
/// Segments that may wait for a phone that only reads.
#[cfg(feature = "local")]
pub(crate) const WAITING_MAX: usize = 4 * SEGMENTS_MAX;
