use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the engine started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Calls taken in.
    pub calls: u64,
    /// Calls turned away as `Busy`.
    pub busy: u64,
    /// Calls whose answer came too late.
    pub timed_out: u64,
    /// Writes that were synced.
    pub flushes: u64,
    /// Records made durable.
    pub records: u64,
    /// Bytes of records made durable.
    pub bytes: u64,
    /// Subscribers cut off because they were slow.
    pub lagged: u64,
    /// Complete snapshots.
    pub snapshots: u64,
    /// Entities that were looked for on the shelf.
    pub loads: u64,
    /// Shards rebuilt from the journal after a rule had panicked.
    pub rebuilds: u64,
}

/// The counters as they run.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: Counter,
    pub(crate) busy: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) flushes: Counter,
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) lagged: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) loads: Counter,
    pub(crate) rebuilds: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Metrics {
        Metrics {
            calls: self.calls.read(),
            busy: self.busy.read(),
            timed_out: self.timed_out.read(),
            flushes: self.flushes.read(),
            records: self.records.read(),
            bytes: self.bytes.read(),
            lagged: self.lagged.read(),
            snapshots: self.snapshots.read(),
            loads: self.loads.read(),
            rebuilds: self.rebuilds.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        // A `usize` is at most 64 bits wide; counters wrap after centuries.
        self.0
            .fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
