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
/// One entity on a shelf.
pub const ENTITY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a snapshot keeps in memory before it goes into the shelf's tables, in the order of keys.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024;
/// What a snapshot writes before it syncs: little, so that the journal never waits long behind it.
pub const SHELF_UNSYNCED_MAX: usize = 512 * 1024;
/// Memory for the shelf's pages, unless set otherwise.
pub const SHELF_CACHE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;
