//! Taking a machine out of service, and back: the order that travels from operator to board.

use rkyv::{Archive, Deserialize, Serialize};

/// Whether customers may begin a session.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LockState {
    /// In service.
    #[default]
    Open,
    /// Out of service.
    Locked,
}

/// One order to lock or open; of two, the one with the greater version holds.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lock {
    /// Its version; 0 stands for no order at all.
    pub version: u32,
    /// What it asks for.
    pub state: LockState,
}

impl Lock {
    /// The last order that a board can take: its reader is revoked.
    pub const FOR_EVER: Self = Self {
        version: u32::MAX,
        state: LockState::Locked,
    };
}
