//! Every bound of the stores, in one table.

use core::time::Duration;

/// The smallest segment that can be set.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;
/// The largest segment that can be set.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 32;
/// A segment, unless set otherwise: at a hundred megabytes a second the three syncs between two
/// segments are still rare, and a start that reads one from its beginning takes a tenth of a
/// second; twice as much would cost boards and small servers room, for the spare is as large.
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
pub const SNAPSHOT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a snapshot writes before it syncs: little, so that the journal never waits long behind it.
pub const SHELF_UNSYNCED_MAX: usize = 128 * 1024;
/// Memory for the shelf's pages, unless set otherwise.
pub const SHELF_CACHE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;
/// A segment that has to be there at once, because no spare is ready.
pub const SEGMENT_AT_ONCE_BYTES: u64 = 4 * 1024 * 1024;
/// Zeros written before they are synced, when a spare is filled.
pub const FILL_BYTES: usize = 256 * 1024;
/// How many times as long as it worked the work beside the journal rests after each sync.
pub const REST_FOLD: u32 = 3;
/// The longest rest.
pub const REST_MAX: Duration = Duration::from_millis(50);
/// Segments that may wait for the archive before it stops resting.
pub const BACKLOG_MAX: usize = 4;

/// The largest batch of one append to PostgreSQL, framed: one value of one row.
#[cfg(feature = "postgres")]
pub const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rows shorter than this are not packed.
#[cfg(feature = "postgres")]
pub const PACKED_FROM: usize = 512;
/// Rows that one portion of a replay, or of the history, in PostgreSQL has at most.
#[cfg(feature = "postgres")]
pub const PORTION_ROWS: u16 = 256;
/// Bytes of rows that one portion of PostgreSQL's history has at most, unless its first row alone has
/// more.
#[cfg(feature = "postgres")]
pub const HISTORY_PORTION_BYTES: i64 = 1024 * 1024;
/// Rows of a replay that are fetched ahead of whoever takes them.
#[cfg(feature = "postgres")]
pub const ROWS_AHEAD: usize = 4;
/// What of a snapshot is sent to PostgreSQL at once.
#[cfg(feature = "postgres")]
pub const SHELF_PORTION_BYTES: usize = 256 * 1024;
/// Entities of a snapshot that are sent to PostgreSQL at once.
#[cfg(feature = "postgres")]
pub const SHELF_PORTION_KEYS: usize = 4_096;
/// How long PostgreSQL may work on the last step of a snapshot: it moves all that was staged.
#[cfg(feature = "postgres")]
pub const SHELF_FINISH_MAX: Duration = Duration::from_secs(10 * 60);
/// Cuts of one snapshot.
#[cfg(feature = "postgres")]
pub const CUTS_MAX: usize = 1 << 16;
/// Questions that wait for one connection.
#[cfg(feature = "postgres")]
pub const JOBS_MAX: usize = 64;
/// The longest time that can be set for anything about PostgreSQL.
#[cfg(feature = "postgres")]
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the leases of a partition are looked at again when others change them meanwhile.
#[cfg(feature = "postgres")]
pub const LEASE_LOOKS_MAX: u32 = 32;
/// What is waited before a server is asked again at first; it doubles each time.
#[cfg(feature = "postgres")]
pub const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest time between two askings of a server.
#[cfg(feature = "postgres")]
pub const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How much longer than its patience a store waits for its own connection to say something.
#[cfg(feature = "postgres")]
pub const GRACE: Duration = Duration::from_secs(3);
