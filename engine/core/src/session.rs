//! One customer before one machine, from the first sign of them to the last: the live side of a
//! hold. It lives beside its wallet and goes when it is over; the money's own record stays there.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

use crate::id::{MachineId, OperatorId, VendId, WalletId};
use crate::time::Timestamp;
use crate::wallet;
use core::time::Duration;
use rkyv::{Archive, Deserialize, Serialize};

/// How long a session without a hold may last.
pub const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// Where a session stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Nothing is held yet.
    Open,
    /// Money is held; vends may follow.
    Held,
    /// It is over.
    Over,
}

/// What moves a session on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Money is to be held.
    Reserve,
    /// A receipt is to be taken in.
    Settle,
    /// The hold is to end.
    Release,
    /// Nothing came for too long.
    Silence,
}

/// A step that does not fit where the session stands.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("the session is {phase:?}: it cannot {step:?}")]
pub struct OutOfSequence {
    /// Where it stands.
    pub phase: Phase,
    /// What was asked.
    pub step: Step,
}

impl Phase {
    /// The life of a session. A hold ends by news or by its own rule, never by mere silence.
    ///
    /// # Errors
    /// `OutOfSequence` for every step that the table does not have.
    #[rustfmt::skip]
    pub fn after(self, step: Step) -> Result<Self, OutOfSequence> {
        Ok(match (self, step) {
            (Self::Open, Step::Reserve) => Self::Held,
            (Self::Open, Step::Release) => Self::Over,
            (Self::Open, Step::Silence) => Self::Over,
            (Self::Held, Step::Reserve) => Self::Held,
            (Self::Held, Step::Settle)  => Self::Held,
            (Self::Held, Step::Release) => Self::Over,
            (phase, step) => return Err(OutOfSequence { phase, step }),
        })
    }
}

/// What has happened to a session itself; money's events move it on as well.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was opened.
    Opened {
        /// Where.
        machine: MachineId,
        /// Whose machine it is.
        operator: OperatorId,
        /// When.
        at: Timestamp,
    },
    /// It ended without ever holding money.
    Lapsed,
}

/// One customer before one machine.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its name, which is its hold's name as well.
    pub vend: VendId,
    /// Who pays.
    pub wallet: WalletId,
    /// Where.
    pub machine: MachineId,
    /// Whose machine it is.
    pub operator: OperatorId,
    /// Where it stands.
    pub phase: Phase,
    /// When it was opened.
    pub opened_at: Timestamp,
}

impl Session {
    /// Moves on by what happened to the wallet's hold of the same name.
    pub fn evolve(&mut self, event: &wallet::Event) {
        self.phase = match event {
            wallet::Event::Reserved { .. } => Phase::Held,
            wallet::Event::Released { .. }
            | wallet::Event::Captured { freed: Some(_), .. }
            | wallet::Event::Barred { .. }
            | wallet::Event::Orphaned { .. } => Phase::Over,
            wallet::Event::Opened { .. }
            | wallet::Event::ToppedUp { .. }
            | wallet::Event::Given { .. }
            | wallet::Event::Limited { .. }
            | wallet::Event::Sent { .. }
            | wallet::Event::Received { .. }
            | wallet::Event::TurnedAway { .. }
            | wallet::Event::Delivered { .. }
            | wallet::Event::Returned { .. }
            | wallet::Event::Repaid { .. }
            | wallet::Event::WrittenOff { .. }
            | wallet::Event::ToppedUpByCard { .. }
            | wallet::Event::CardSettled { .. }
            | wallet::Event::ChargedBack { .. }
            | wallet::Event::Disputed { .. }
            | wallet::Event::DisputeEnded { .. }
            | wallet::Event::Captured { freed: None, .. }
            | wallet::Event::Credited { .. }
            | wallet::Event::CashDoubted { .. }
            | wallet::Event::CashDeclined { .. }
            | wallet::Event::Refunded { .. }
            | wallet::Event::Failed { .. }
            | wallet::Event::Excused { .. }
            | wallet::Event::Doubted { .. }
            | wallet::Event::Stray { .. }
            | wallet::Event::Closing { .. } => self.phase,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_by_this_table() {
        let phases = [Phase::Open, Phase::Held, Phase::Over];
        let steps = [Step::Reserve, Step::Settle, Step::Release, Step::Silence];
        let mut picture = String::from("        Reserve  Settle   Release  Silence\n");
        for phase in phases {
            picture.push_str(&format!("{:<8}", format!("{phase:?}")));
            for step in steps {
                let cell = phase
                    .after(step)
                    .map_or(".".to_owned(), |next| format!("{next:?}"));
                picture.push_str(&format!("{cell:<9}"));
            }
            picture = picture.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            picture,
            "        Reserve  Settle   Release  Silence\n\
             Open    Held     .        Over     Over\n\
             Held    Held     Held     Over     .\n\
             Over    .        .        .        .\n"
        );
    }
}
