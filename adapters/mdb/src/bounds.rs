//! Every bound and every time of this crate, in one place.

use core::time::Duration;

/// Bytes of one block, its checksum included. [MDB 2.1]
pub const BLOCK_MAX: usize = 36;
/// Characters of one DISPLAY REQUEST. [MDB 7.4]
pub const LINE_MAX: usize = 32;
/// Characters of a text before it is fitted: a full display, and the ends of its lines.
pub const TEXT_MAX: usize = LINE_MAX + 3;
/// Bytes of an audit; a file transport carries fewer than 8 KiB.
pub const DTS_LEN_MAX: usize = 64 * 1024;
/// Lines of an audit.
pub const DTS_LINES_MAX: usize = 2_048;
/// Bytes of one line of an audit.
pub const DTS_LINE_MAX: usize = 256;
/// Fields of one line of an audit.
pub const DTS_FIELDS_MAX: usize = 64;
/// Bytes of one piece of a file. [MDB 2.6]
pub const FILE_BLOCK_MAX: usize = 31;
/// Bytes of a whole file on the bus: its blocks are numbered by one byte.
pub const FILE_LEN_MAX: usize = 256 * FILE_BLOCK_MAX;
/// Keys that a machine types for a reader. [MDB 7.4.14]
pub const KEYS_MAX: usize = 8;
/// Kinds of message a device can have waiting for the controller; each waits at most once.
pub(crate) const OUTBOX_MAX: usize = 19;
/// Events one input can cause in a device.
pub(crate) const DEVICE_EVENTS_MAX: usize = 12;
/// Events one input can cause in a controller: one for each message of a block, and two of its own.
pub(crate) const CONTROLLER_EVENTS_MAX: usize = BLOCK_MAX + 2;
/// Bytes of one line of a trace file.
pub const TRACE_LINE_MAX: usize = 256;

/// 11 bits at 9600 baud. A receiver sees a word at its end, so every gap looks this much longer.
pub const WORD_TIME: Duration = Duration::from_micros(1_146);
/// The longest gap accepted inside a block: the best-practice 5 ms plus one word.
pub const INTER_BYTE_MAX: Duration = Duration::from_micros(6_150);
/// Silence that ends a block whose length no table knows; short enough to answer in time.
pub(crate) const UNKNOWN_END: Duration = Duration::from_micros(3_000);
/// How long a peripheral believes that a lone word answers its block. [MDB appendix 3]
pub const ACK_MAX: Duration = Duration::from_millis(20);
/// The same over a `words:` link, which has no timing of its own.
pub const WORDS_ACK_MAX: Duration = Duration::from_millis(500);
/// The same through an adapter, which says a message at the next POLL only.
pub const BRIDGE_ACK_MAX: Duration = Duration::from_secs(1);
/// How often a device behind an adapter is polled.
#[cfg(feature = "link")]
pub(crate) const BRIDGE_POLL: Duration = Duration::from_millis(100);
/// Bytes of one packet of an adapter.
pub const PACKET_MAX: usize = 4 * BLOCK_MAX;
/// Items of one machine that have numbers of their own.
pub const ITEM_PAIRS_MAX: usize = 128;
/// How long after a block its answer may begin. [MDB 2.5]
pub const ANSWER_MAX: Duration = Duration::from_millis(5);
/// How late an immediate answer may still leave.
pub const REPLY_MAX: Duration = Duration::from_millis(4);
/// The reader decides this much before the controller stops waiting for it.
pub(crate) const DECISION_MARGIN: Duration = Duration::from_millis(500);
/// A controller silent for this many maximum response times is lost. [MDB appendix 3]
pub(crate) const SILENCE_FACTOR: u32 = 10;
/// Silence after which nobody is there: a controller says RESET every 10 s even to devices it misses.
pub(crate) const WORDLESS_MAX: Duration = Duration::from_secs(15);
/// How long a device that is known to the controller may go without a command.
pub(crate) const UNPOLLED_MAX: Duration = Duration::from_secs(25);
/// The non-response time of a cashless device that announces no longer one. [MDB 7.5]
pub const NON_RESPONSE: Duration = Duration::from_secs(5);
