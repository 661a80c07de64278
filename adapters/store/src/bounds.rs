//! Every bound of the stores, in one table.

/// The smallest segment that can be set.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;
/// The largest segment that can be set.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 32;
/// A segment, unless set otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The largest payload of one frame.
pub const FRAME_MAX: usize = 1024 * 1024;
/// The largest batch of one append, framed.
pub const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Segments of one journal.
pub const SEGMENTS_MAX: usize = 1 << 20;
