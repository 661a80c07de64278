//! Every bound of a station, in one place.

use core::time::Duration;

/// Digits of a code that is typed (protocol section 9.2).
pub const TYPED_DIGITS: u8 = 7;

/// How long a grant lives, from its HELLO.
pub const GRANT_LIFE: Duration = Duration::from_secs(300);

/// A connection that has not passed Link 1 by then is dropped (protocol section 4).
pub const LINK_1_MAX: Duration = Duration::from_secs(10);

/// How often a board that nobody called brings a HELLO by its own road: it learns the time by it,
/// and the server what was sold for cash.
pub const ROAD_HELLO_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// Receipts in one envelope by the board's own road.
pub(crate) const ROAD_RECEIPTS_MAX: usize = 24;

/// Notices in one envelope by the board's own road.
pub(crate) const ROAD_NOTICES_MAX: usize = 40;

/// The longest configuration, in bytes.
pub const CONFIGURATION_LEN_MAX: u32 = 64 * 1024;

/// Notices that a report shows: the newest ones.
pub(crate) const REPORT_NOTICES_MAX: usize = 16;

/// Longest name in a report, and longest value, in characters.
pub(crate) const REPORT_NAME_LEN_MAX: usize = 40;
pub(crate) const REPORT_VALUE_LEN_MAX: usize = 160;

/// Pieces that a board asks for at once.
pub(crate) const WANT_MAX: u16 = 16;

/// Chunks of a package of which a half is here.
pub(crate) const CHUNKS_OPEN_MAX: usize = 16;
