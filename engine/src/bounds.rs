//! Every bound of the engine, in one table.

use core::time::Duration;

/// The most shards of one engine.
pub const SHARDS_MAX: usize = 64;
/// Partitions of every engine, fixed for ever: each shard hosts a share of them.
pub const PARTITIONS: u16 = 64;
/// The most calls in flight that can be set.
pub const IN_FLIGHT_LIMIT: usize = 1 << 20;
/// Calls in flight, unless set otherwise.
pub const IN_FLIGHT_DEFAULT: usize = 32_768;
/// Commands of one [`Engine::session_batch`](crate::Engine::session_batch).
pub const BATCH_MAX: usize = 4_096;
/// Commands of a pipeline that a shard looks at together, before it does them one by one.
pub const LOOK_AHEAD: usize = 64;
/// Records of one shard that a replay hands over together; fewer in all need no thread.
pub const REPLAY_BATCH: usize = 1_024;
/// Batches that may wait for one shard in a replay.
pub const REPLAY_WAITING: usize = 16;
/// Bytes of states that a shard gives to a snapshot at a time.
pub const SAVE_BYTES: usize = 64 * 1024;
/// Wallets that a shard looks at, at a time, to find some to let go.
pub const LET_GO_LOOKS: usize = 256;
/// Commands that a shard takes before it lets timers and other work run.
pub const TURN_MAX: usize = 1_024;
/// Bytes of records that a shard collects before it hands them over.
pub const TURN_BYTES_MAX: usize = 128 * 1024;
/// Frames that one flush takes along; measured: beyond this they fall out of the cache.
pub const FLUSH_FRAMES_MAX: usize = 4_096;
/// Bytes that one flush takes along.
pub const FLUSH_BYTES_MAX: usize = 256 * 1024;
/// Emptied buffers kept for the shards to use again.
pub const SPARES_MAX: usize = 2 * SHARDS_MAX;
/// Live sessions of one wallet: as many as it can have live holds.
pub const SESSIONS_MAX: usize = gettone_core::wallet::LIVE_MAX;
/// Entities of one kind in one shard.
pub const ENTITIES_MAX: usize = 1 << 26;
/// Subscribers of one engine.
pub const SUBSCRIBERS_MAX: usize = 64;
/// Steps of one relay's chain: every receipt a reader may have waiting, and every claim.
pub const RELAY_STEPS_MAX: usize = 2
    * (gettone_core::reader::AHEAD_MAX as usize
        + gettone_core::reader::NEWS_MAX
        + gettone_core::reader::CLAIMS_KEPT);

/// Transfers under way that one look at a shard gives.
pub const TRANSFERS_LOOKED_AT: usize = 1_000;
/// How often it is looked for transfers that nobody drives any more.
pub const TRANSFERS_LOOK_EVERY: Duration = Duration::from_secs(10);
/// Records of the past that travel together to whoever reads them.
pub const TRAIL_RECORDS: usize = 1_024;
/// How many such batches may wait for their reader.
pub const TRAIL_BATCHES: usize = 4;
/// After so many records a fold of what operators earned says how far it is.
pub const FOLD_NOTED_EVERY: u64 = 4_096;

/// Stale holds that one look at a shard gives.
pub const STALE_MAX: usize = 1_000;

/// How long a hold may be without news before it is released, unless set otherwise.
pub const HOLD_MAX_DEFAULT: Duration = Duration::from_secs(72 * 60 * 60);
/// How old a hold is before it counts as stale: the longest life of a grant, and a quarter of an
/// hour.
pub const STALE_AFTER: Duration = Duration::from_secs(20 * 60);
/// How long a call waits for its answer, unless set otherwise.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// What a caller without a credit is told to wait.
pub const BUSY_RETRY: Duration = Duration::from_millis(5);
/// How often a shard looks for sessions that lapsed.
pub const LAPSE_EVERY: Duration = Duration::from_secs(10);
/// The longest that a call waits beyond its deadline.
pub const WATCH_EVERY_MAX: Duration = Duration::from_millis(100);
/// How often it is looked whether a snapshot is due.
pub const SNAPSHOT_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Records after which a snapshot is taken, unless set otherwise: a restart replays a million and a
/// half of plain vends at most.
pub const SNAPSHOT_EVERY_DEFAULT: u64 = 3_000_000;
/// Wallets that are kept in memory though nothing needs them, unless set otherwise.
pub const RESIDENTS_DEFAULT: usize = 1_000_000;
/// Rebuilds of one shard within [`REBUILDS_WITHIN`], after rules that panicked: one more of them
/// stops the engine.
pub const REBUILDS_MAX: usize = 3;
/// See [`REBUILDS_MAX`].
pub const REBUILDS_WITHIN: Duration = Duration::from_secs(60);
/// How often a shard that is being rebuilt looks whether it is, and whose time is up.
pub const REBUILD_LOOK_EVERY: Duration = Duration::from_millis(2);
/// How often a shutdown looks whether the last call is answered.
pub const DRAIN_EVERY: Duration = Duration::from_millis(1);
