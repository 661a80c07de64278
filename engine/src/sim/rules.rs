//! How a world is made, and what it came to.

use super::medium::{Guard, Guards};

/// What can go wrong in a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Faults {
    /// Everything, at any time.
    Any,
    /// The power goes when this frame is written, counted from 1, and again whenever so many more
    /// are.
    Cuts { first: u64, every: u64 },
}

impl Faults {
    pub(super) const NONE: Self = Self::cut_at(u64::MAX);

    /// Whether something goes wrong as long as the world lasts.
    pub(super) const fn is_repeated(self) -> bool {
        match self {
            Self::Any => true,
            Self::Cuts { every, .. } => every != u64::MAX,
        }
    }

    /// The power goes once.
    pub(super) const fn cut_at(first: u64) -> Self {
        Self::Cuts {
            first,
            every: u64::MAX,
        }
    }
}

/// Where its journal is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    OnTape,
    InFiles,
}

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) steps: u64,
    pub(super) faults: Faults,
    pub(super) kept: Kept,
    pub(super) guards: Guards,
    /// Whoever asks again does so by the same name.
    pub(super) dedup: Guard,
    /// A board's HELLO ends what it was granted before.
    pub(super) board_fence: Guard,
    /// A shard in which a rule panicked is rebuilt from the journal.
    pub(super) rebuild: Guard,
    /// Transfers that were cut off are taken up again.
    pub(super) take_up: Guard,
}

impl Rules {
    pub(super) const fn sound(steps: u64) -> Self {
        Self {
            steps,
            faults: Faults::Any,
            kept: Kept::OnTape,
            guards: Guards::ALL,
            dedup: Guard::On,
            board_fence: Guard::On,
            rebuild: Guard::On,
            take_up: Guard::On,
        }
    }
}

/// What a world came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub(super) lives: u64,
    pub(super) cuts: u64,
    pub(super) records: u64,
    pub(super) answers: u64,
    pub(super) again: u64,
    pub(super) snapshots: u64,
    /// Entities that came from the shelf.
    pub(super) loads: u64,
    /// Shards rebuilt after a panic.
    pub(super) rebuilds: u64,
    /// A hash of every record in order.
    pub(super) journal: u64,
}
