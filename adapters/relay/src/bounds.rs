//! Every bound of a station, in one place.

use core::time::Duration;

/// A connection that has not passed Link 1 by then is dropped (protocol section 4).
pub const LINK_1_MAX: Duration = Duration::from_secs(10);
