//! Every bound of a phone, in one place.

use core::time::Duration;

/// How long a light code is good for (protocol section 3).
pub const SEEK_MAX: Duration = Duration::from_secs(45);
/// How long a reader answers Link 1; it is quicker.
pub const LINK_MAX: Duration = Duration::from_secs(10);
/// How long a reader waits for a phone that it lost in a session.
pub const RESUME_MAX: Duration = Duration::from_secs(20);

/// Envelopes that wait for the server; the oldest gives way: its reader still has what is in it.
pub const WAITING_MAX: usize = 256;
/// Envelopes in one request; the server takes no more.
pub const ENVELOPES_MAX: usize = 16;
/// Answers that wait for their reader to come back.
pub(crate) const ANSWERS_MAX: usize = 32;
/// Longest answer of the server that is read, in bytes.
pub(crate) const ANSWER_LEN_MAX: usize = 256 * 1024;

/// The first pause before a request goes out again; each one is twice the one before.
pub(crate) const PAUSE_FIRST: Duration = Duration::from_millis(300);
/// The longest such pause.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often an answer that is not finished is asked for again before the pause grows.
pub(crate) const UNFINISHED_MAX: u32 = 5;

/// Packages that a technician's phone carries.
pub(crate) const PACKAGES_MAX: usize = 16;

/// Pieces that one WANT is answered with.
pub(crate) const PIECES_MAX: usize = 64;
