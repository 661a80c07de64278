//! Every bound of a station, in one place.

use core::time::Duration;

/// Digits of a code that is typed (protocol section 9.2).
pub const TYPED_DIGITS: u8 = 7;

/// How long a grant lives, from its HELLO.
pub const GRANT_LIFE: Duration = Duration::from_secs(300);

/// A connection that has not passed Link 1 by then is dropped (protocol section 4).
pub const LINK_1_MAX: Duration = Duration::from_secs(10);
