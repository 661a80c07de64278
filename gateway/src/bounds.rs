//! Every bound of the gateway, in one place.

use core::time::Duration;

/// Longest request body, in bytes.
pub(crate) const BODY_LEN_MAX: usize = 64 * 1024;
/// Envelopes in one relay.
pub(crate) const ENVELOPES_MAX: usize = 16;
/// Longest envelope that is looked at, in bytes; the channel refuses smaller ones already.
pub(crate) const ENVELOPE_LEN_MAX: usize = 4_096;
/// Longest idempotency key, in characters.
pub(crate) const IDEMPOTENCY_KEY_LEN_MAX: usize = 64;
/// Longest credential that is hashed, in bytes.
pub(crate) const CREDENTIAL_LEN_MAX: usize = 512;

/// Entries of a list, when the request does not say.
pub(crate) const LIST_LEN: usize = 50;
/// Most entries of a list.
pub(crate) const LIST_LEN_MAX: usize = 200;
/// Receipts that the projection keeps for one wallet.
pub(crate) const RECEIPTS_KEPT: usize = 200;
/// Sales that the projection keeps for one operator.
pub(crate) const SALES_KEPT: usize = 10_000;
/// Holds of one wallet that the projection remembers the machine of.
pub(crate) const HOLDS_KEPT: usize = 256;
/// Records that may wait for the projection before it is cut off.
pub(crate) const RECORDS_WAITING_MAX: usize = 65_536;

/// How long a grant lives, counted from its HELLO (protocol section 6.2).
pub(crate) const GRANT_LIFE: Duration = Duration::from_secs(300);

/// Smallest segment of a gateway's journal, in bytes: smaller ones are for tests of stores.
pub(crate) const SEGMENT_BYTES_LEAST: u64 = 1024 * 1024;
/// Longest configuration file, in bytes.
pub(crate) const CONFIG_LEN_MAX: u64 = 1024 * 1024;
/// Operators of one gateway.
pub(crate) const OPERATORS_MAX: usize = 10_000;
/// Longest operator name, in bytes.
pub(crate) const OPERATOR_NAME_LEN_MAX: usize = 64;
/// Largest operator number: with it a wallet's name still is a whole number to every JSON reader.
pub(crate) const OPERATOR_NUMBER_MAX: u32 = 9_000_000;
/// Wallets that one operator can open; its own numbers for them are smaller than this.
pub(crate) const WALLETS_PER_OPERATOR: u64 = 1_000_000_000;
