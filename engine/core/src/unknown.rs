//! What nobody saw: the one place that decides about vends without a result.
//!
//! Sources: `[MDB §2]` settlement rules for resets; protocol section 6.3 for power cuts.

use crate::money::Amount;
use crate::receipt::RESET_DOUBTFUL_MAX;
use crate::time::Timestamp;
use core::time::Duration;

/// How long after one excused vend the next unknown one is not excused by itself.
pub const EXCUSE_EVERY: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The most cash that is credited by itself when nobody saw whether it was put in: one note.
pub const NOTE_MAX: Amount = Amount::from_minor(2_000);
/// How long a doubt may wait for a decision; then it is decided for the customer, unless it is
/// about cash that may never have been put in.
pub const DOUBT_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How a vend ended without the machine saying so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unseen {
    /// The machine was reset, this long after the approval had reached it, before a living reader.
    Reset {
        /// From approval to reset.
        after: Duration,
    },
    /// The reader itself lost power or was restarted between approval and result.
    ReaderCut {
        /// When this account was last excused, if ever.
        last_excused: Option<Timestamp>,
    },
}

/// Who bears an unseen vend, for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// The customer: it counts as delivered.
    Charge,
    /// The customer, and a person looks at it: machines reset on approvals that they dislike.
    ChargeAndReview,
    /// The operator: the money goes back and the customer is told why.
    Excuse,
    /// Nobody yet: the money stays held until somebody decides, 14 days at most.
    Suspend,
}

/// Rules on an unseen vend.
pub fn rule(unseen: Unseen, now: Timestamp) -> Ruling {
    match unseen {
        Unseen::Reset { after } if after < RESET_DOUBTFUL_MAX => Ruling::ChargeAndReview,
        Unseen::Reset { .. } => Ruling::Charge,
        Unseen::ReaderCut {
            last_excused: Some(last),
        } if now.since(last) < EXCUSE_EVERY => Ruling::Suspend,
        Unseen::ReaderCut { .. } => Ruling::Excuse,
    }
}

/// Rules on cash that nobody saw being put in: whether it is credited at once.
pub fn rule_cash(amount: Amount, last_excused: Option<Timestamp>, now: Timestamp) -> Ruling {
    match rule(Unseen::ReaderCut { last_excused }, now) {
        Ruling::Excuse if amount <= NOTE_MAX => Ruling::Excuse,
        Ruling::Excuse | Ruling::Suspend | Ruling::Charge | Ruling::ChargeAndReview => {
            Ruling::Suspend
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_vends_are_ruled_on_by_this_table() {
        let day = 24 * 60 * 60 * 1_000;
        let now = Timestamp::from_millis(1_000 * day);
        let reset = |ms| Unseen::Reset {
            after: Duration::from_millis(ms),
        };
        let cut = |days: Option<u64>| Unseen::ReaderCut {
            last_excused: days.map(|days| Timestamp::from_millis((1_000 - days) * day)),
        };
        let table = [
            (reset(0), Ruling::ChargeAndReview),
            (reset(999), Ruling::ChargeAndReview),
            (reset(1_000), Ruling::Charge),
            (cut(None), Ruling::Excuse),
            (cut(Some(89)), Ruling::Suspend),
            (cut(Some(90)), Ruling::Excuse),
        ];
        for (unseen, ruling) in table {
            assert_eq!(rule(unseen, now), ruling, "{unseen:?}");
        }
    }
}
