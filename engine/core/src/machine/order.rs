//! The way of an order to lock or open: asked for, on its way, taken.

use crate::lock::{Lock, LockState};
use rkyv::{Archive, Deserialize, Serialize};

/// How far an order has come.
#[derive(
    Archive,
    Serialize,
    Deserialize,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
)]
pub enum Delivery {
    /// It waits for somebody who passes by its board.
    #[default]
    Queued,
    /// Somebody has it; nobody knows whether the board has heard.
    Carried,
    /// The board has said that it took it.
    Applied,
}

/// One order, and how far it has come; version 0 is no order at all.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LockOrder {
    /// Its version.
    pub version: u32,
    /// What it asks for.
    pub state: LockState,
    /// How far it has come.
    pub delivery: Delivery,
}

impl LockOrder {
    /// What the next envelope to the board has to bring; none once the board has it.
    pub fn to_carry(self) -> Option<Lock> {
        (self.version > 0 && self.delivery != Delivery::Applied).then_some(Lock {
            version: self.version,
            state: self.state,
        })
    }

    pub(super) fn moves(self, version: u32, delivery: Delivery) -> bool {
        version > 0 && version == self.version && delivery > self.delivery
    }

    pub(super) fn reach(&mut self, version: u32, delivery: Delivery) {
        if self.moves(version, delivery) {
            self.delivery = delivery;
        }
    }

    pub(super) fn begin_again(&mut self) {
        self.delivery = Delivery::Queued;
    }
}
