use rkyv::{Archive, Deserialize, Serialize};

/// Where a reader's life stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Life {
    /// Nobody has enrolled it.
    #[default]
    Unknown,
    /// It is enrolled and has not been heard of.
    Pending,
    /// It has spoken.
    Active,
    /// What it says contradicts itself: its receipts are kept, not applied; no grants.
    Quarantined,
    /// Its operator does not trust it any more.
    Revoked,
}

/// What moves a reader's life on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// An operator enrols it.
    Enrol,
    /// A valid envelope comes.
    Hear,
    /// It contradicts itself.
    Contradict,
    /// Its operator revokes it.
    Revoke,
}

impl Life {
    /// The life of a reader; `None` where a step does not fit.
    #[rustfmt::skip]
    pub fn after(self, step: Step) -> Option<Self> {
        Some(match (self, step) {
            (Self::Unknown,     Step::Enrol)      => Self::Pending,
            (Self::Pending,     Step::Hear)       => Self::Active,
            (Self::Pending,     Step::Contradict) => Self::Quarantined,
            (Self::Pending,     Step::Revoke)     => Self::Revoked,
            (Self::Active,      Step::Hear)       => Self::Active,
            (Self::Active,      Step::Contradict) => Self::Quarantined,
            (Self::Active,      Step::Revoke)     => Self::Revoked,
            (Self::Quarantined, Step::Hear)       => Self::Quarantined,
            (Self::Quarantined, Step::Contradict) => Self::Quarantined,
            (Self::Quarantined, Step::Revoke)     => Self::Revoked,
            _ => return None,
        })
    }
}
