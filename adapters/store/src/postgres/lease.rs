//! Who may write: a partition is held under an epoch that every taking raises.
//!
//! Safety hangs on the epoch alone, which stands in the same statement as every row. The lock
//! beside it says only whether the holder lives, so that a node does not depose another by being
//! started by mistake.

use super::link::{Link, Trouble};
use super::settings::{PostgresSettings, Takeover};
use crate::bounds::LEASE_LOOKS_MAX;
use gettone_core::port::StoreFault;

/// What a holder knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    /// Under which epoch it writes.
    pub(super) epoch: i64,
    /// The place of the next frame.
    pub(super) next: i64,
}

/// Whether the partition was held before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// It was not: whoever holds it may be alive.
    New,
    /// It was, over a connection that is gone. Its old epoch ends as well: what may still be under
    /// way under that will find the fence shut.
    Resumed,
}

/// Takes the partition for `holder`.
pub(super) fn take(
    link: &mut Link,
    (holder, claim): (&str, Claim),
    settings: &PostgresSettings,
) -> Result<Lease, Trouble> {
    let format = i64::from(settings.format);
    for _ in 0..LEASE_LOOKS_MAX {
        let entry = link.entry(format)?;
        if entry.format != format {
            return Err(Trouble::Final(StoreFault::OtherFormat {
                place: settings.place(),
                found: u32::try_from(entry.format).unwrap_or(u32::MAX),
                ours: settings.format,
            }));
        }
        let is_ours = entry.holder.as_deref() == Some(holder);
        if claim == Claim::Resumed && !is_ours {
            return Err(Trouble::Final(StoreFault::Deposed {
                place: settings.place(),
            }));
        }
        let locked = || {
            Trouble::Final(StoreFault::Locked {
                place: settings.place(),
            })
        };
        let next_epoch = entry
            .epoch
            .checked_add(1)
            .ok_or_else(|| damaged(settings, "its epoch cannot be raised".to_owned()))?;
        // Whoever has this lock knows that the holder's connection is gone.
        let waits = settings.takeover == Takeover::WhenFree && !is_ours;
        if waits && !link.lock(entry.epoch)? {
            return Err(locked());
        }
        // Taken before the epoch is: there is no moment in which a holder looks dead.
        if !link.lock(next_epoch)? {
            return Err(locked());
        }
        let raised = link.raise(entry.epoch, holder)?;
        if waits {
            link.unlock(entry.epoch)?;
        }
        match raised {
            Some(next) => {
                return Ok(Lease {
                    epoch: next_epoch,
                    next,
                });
            }
            None => link.unlock(next_epoch)?,
        }
    }
    Err(Trouble::Again(format!(
        "others took {} {LEASE_LOOKS_MAX} times meanwhile",
        settings.place()
    )))
}

/// What is there cannot be what was acknowledged.
pub(super) fn damaged(settings: &PostgresSettings, what: String) -> Trouble {
    Trouble::Final(StoreFault::Damaged {
        place: settings.place(),
        what,
    })
}
