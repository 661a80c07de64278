//! Every bound of the wire, in one place. Sizes are protocol section 5.3's.

/// The only link version this crate speaks.
pub const LINK_VERSION: u8 = 1;
/// The only envelope version this crate speaks.
pub const ENVELOPE_VERSION: u8 = 1;

/// Length of Link 1: ephemeral key 32, payload 3, tag 16.
pub const LINK_1_LEN: usize = 51;
/// Length of Link 2: ephemeral key 32, empty payload, tag 16.
pub const LINK_2_LEN: usize = 48;
/// Longest link message, tag included; the BLE segments carry no more.
pub const LINK_MESSAGE_MAX: usize = 4_096;
/// Less than this is refused: a message would need too many segments.
pub const MTU_MIN: u16 = 64;
/// More than this is never used.
pub const MTU_MAX: u16 = 517;
/// A value of the radio is at most this many bytes, whatever the MTU.
pub const VALUE_MAX: usize = 509;
/// A link message needs at most this many segments, at the smallest MTU.
pub const SEGMENTS_MAX: usize = 70;
/// What sealing a link message adds: its type and the tag.
pub const LINK_OVERHEAD: usize = 1 + TAG_LEN;
/// Longest display line of a STATUS, in bytes of UTF-8.
pub const LINE_LEN_MAX: usize = 64;

/// Bytes of a package that one hash of its manifest vouches for.
pub const CHUNK_LEN: usize = 4_096;
/// Longest piece of a package in one link message: half a chunk, since a message carries no whole one.
pub const PIECE_LEN_MAX: usize = 2_048;
/// Longest package, in bytes.
pub const PACKAGE_LEN_MAX: usize = 32 * 1024 * 1024;
/// Longest program in a firmware package, in bytes.
pub const PROGRAM_LEN_MAX: usize = 64 * 1024 * 1024;
/// Longest name of a kind of board, in bytes.
pub const BOARD_LEN_MAX: usize = 32;
/// The capability of a phone that carries packages: only to such a one a reader says WANT.
pub const CAPS_CARRIES: u16 = 1;

/// Length of an envelope's clear header.
pub const HEADER_LEN: usize = 20;
/// What sealing adds after the header: ephemeral key and tag.
pub const NOISE_K_OVERHEAD: usize = KEY_LEN + TAG_LEN;
/// Longest list of items in one envelope, in bytes.
pub const PLAINTEXT_LEN_MAX: usize = 2_000;
/// Shortest envelope: no items.
pub const ENVELOPE_LEN_MIN: usize = HEADER_LEN + NOISE_K_OVERHEAD;
/// Longest envelope.
pub const ENVELOPE_LEN_MAX: usize = ENVELOPE_LEN_MIN + PLAINTEXT_LEN_MAX;
/// Length of an item's header: type u8, length u16.
pub const ITEM_HEADER_LEN: usize = 3;
/// Item types from here on are skipped when unknown; smaller ones refuse the envelope.
pub const SKIPPABLE_FROM: u8 = 0x80;
/// Most rows of one COUNTERS item: a HELLO still fits beside a full one.
pub const COUNTER_ROWS_MAX: usize = 100;

/// Longest text in one part of a report, in bytes.
pub const REPORT_PART_LEN_MAX: usize = 1_024;
/// Most parts of a report.
pub const REPORT_PARTS_MAX: usize = 8;
/// Longest report, in bytes.
pub const REPORT_LEN_MAX: usize = REPORT_PART_LEN_MAX * REPORT_PARTS_MAX;

/// Most receipts in a QR.
pub const SLIP_RECEIPTS_MAX: usize = 6;
/// Shortest news of a QR: no receipt.
pub const SLIP_LEN_MIN: usize = 43;
/// Longest news of a QR.
pub const SLIP_LEN_MAX: usize = SLIP_LEN_MIN + 16 * SLIP_RECEIPTS_MAX;
/// Longest code in a URL: reader 13, step 20, code 26, news 186, three dots.
pub const TOKEN_LINK_LEN_MAX: usize = 248;

/// Bytes of a write or notify that are not its value.
pub(crate) const ATT_HEADER: u16 = 3;
/// Bytes of a segment that are not its data.
pub(crate) const SEGMENT_HEADER: usize = 2;
pub(crate) const KEY_LEN: usize = 32;
pub(crate) const TAG_LEN: usize = 16;
