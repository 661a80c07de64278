//! The server's side: who may claim a HELLO, and what the engine's answer says to the reader and to
//! the app (protocol section 6.3).

use crate::bounds::GRANT_LIFE;
use crate::names::{nonce_in, vend_of};
use crate::reply::{Granted, Verdict};
use gettone_channel as channel;
use gettone_channel::{MdbState, RefuseReason};
use gettone_core::grant::Terms;
use gettone_core::id::{MachineId, ReaderId, WalletId};
use gettone_core::machine::Machine;
use gettone_core::money::Amount;
use gettone_core::reader::{Answer, Ask, Standing};

/// Grants travel in 32 bits of minor units.
const CAP_MAX: Amount = Amount::from_minor(u32::MAX as i64);

/// Why a HELLO got no grant, as customers' apps are told; its wire form says less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The money does not suffice.
    Funds,
    /// The HELLO is not the reader's newest.
    Stale,
    /// The money would suffice, were it not held for earlier vends.
    Pending,
    /// The machine takes no customer now.
    MachineOff,
    /// The machine's controller counts in another currency than its operator registered.
    Currency,
    /// The customer has to repay first, or cannot pay here.
    Blocked,
    /// Another customer has claimed this HELLO.
    Taken,
    /// The reader is not trusted.
    Reader,
    /// The machine has no road of its own to the server now.
    Away,
}

impl Reason {
    /// Its name in answers to apps; it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Funds => "funds",
            Self::Stale => "stale",
            Self::Pending => "pending",
            Self::MachineOff => "machine_off",
            Self::Currency => "currency",
            Self::Blocked => "blocked",
            Self::Taken => "taken",
            Self::Reader => "reader",
            Self::Away => "away",
        }
    }

    /// What the reader is told.
    pub const fn to_wire(self) -> RefuseReason {
        match self {
            Self::Funds => RefuseReason::Funds,
            Self::Stale | Self::Taken => RefuseReason::Stale,
            Self::Pending => RefuseReason::Pending,
            Self::MachineOff | Self::Currency => RefuseReason::MachineOff,
            Self::Blocked => RefuseReason::Blocked,
            // Who is away is told nothing.
            Self::Reader | Self::Away => RefuseReason::Reader,
        }
    }
}

/// Where a claim is made: what the server knows of the place.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The reader that sealed the HELLO.
    pub reader: ReaderId,
    /// The machine that it serves.
    pub machine: MachineId,
    /// That machine.
    pub state: &'a Machine,
}

/// Makes the claim of `wallet` on a HELLO.
///
/// # Errors
/// The reason why no grant may be given, whatever money there is.
pub fn claim(told: &channel::Hello, place: Place<'_>, wallet: WalletId) -> Result<Ask, Reason> {
    let (terms, sold_in) = place
        .state
        .terms(place.machine)
        .map_err(|_| Reason::MachineOff)?;
    // A board that was replaced, and came back to life in a drawer, sells nothing.
    if place.state.reader() != Some(place.reader) {
        return Err(Reason::Reader);
    }
    if told.mdb_state != MdbState::Enabled || told.flags.has(channel::HelloFlags::JOURNAL_FULL) {
        return Err(Reason::MachineOff);
    }
    if told.currency != sold_in.numeric() || told.exponent != sold_in.exponent() {
        return Err(Reason::Currency);
    }
    let nonce = nonce_in(told.nonce);
    Ok(Ask {
        nonce,
        vend: vend_of(place.reader, nonce),
        wallet,
        terms: Terms {
            cap: cap(terms, told.max_price),
            ..terms
        },
    })
}

/// The most to hold: no more than the machine could charge for (protocol section 6.3).
fn cap(terms: Terms, max_price: u32) -> Amount {
    let most = match max_price {
        0 | u32::MAX => None,
        known => Amount::from_minor(i64::from(known)).times(u32::from(terms.vends_max)),
    };
    most.unwrap_or(terms.cap).min(terms.cap).min(CAP_MAX)
}

/// What became of one envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Money is held for this account.
    Granted(Granted),
    /// No grant.
    Refused {
        /// Why.
        reason: Reason,
        /// What is missing, when money is.
        short_by: Option<Amount>,
    },
    /// Nobody asked for a grant, or not over the reader's own link.
    Recorded,
    /// The reader has to send receipts again.
    Resend {
        /// From this one on.
        from: u64,
    },
    /// The steps of this claim are not all done; the same relay again goes on with them.
    Unfinished,
}

/// Whether somebody asked for a grant, and may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Nobody did, or not over the reader's own link: a claim with a wrong `h` claims nothing.
    No,
    /// Somebody did.
    Yes,
    /// Somebody did, and may not for this reason; an answer from before still counts.
    Barred(Reason),
}

impl Outcome {
    /// Reads the engine's answer on a HELLO.
    pub fn of(standing: Option<Standing>, asked: Asked) -> Self {
        let refused = |reason| Self::Refused {
            reason,
            short_by: None,
        };
        let barred = match asked {
            Asked::No => return Self::Recorded.or_resend(standing),
            Asked::Yes => None,
            Asked::Barred(reason) => Some(reason),
        };
        match standing {
            None => Self::Recorded,
            Some(Standing::Answered(answer)) => Self::answered(answer),
            Some(Standing::Due) => Self::Unfinished,
            // The claim found no room: receipts of many earlier ones are missing.
            Some(Standing::Unclaimed) => refused(barred.unwrap_or(Reason::Pending)),
            Some(Standing::Taken) => refused(Reason::Taken),
            Some(Standing::Stale) => refused(Reason::Stale),
            Some(Standing::Lost { from }) => Self::Resend { from },
            Some(Standing::Distrusted) => refused(Reason::Reader),
        }
    }

    fn or_resend(self, standing: Option<Standing>) -> Self {
        match standing {
            Some(Standing::Lost { from }) => Self::Resend { from },
            Some(Standing::Distrusted) => Self::Refused {
                reason: Reason::Reader,
                short_by: None,
            },
            Some(
                Standing::Answered(_)
                | Standing::Due
                | Standing::Unclaimed
                | Standing::Taken
                | Standing::Stale,
            )
            | None => self,
        }
    }

    fn answered(answer: Answer) -> Self {
        match answer {
            Answer::Granted {
                held,
                vends_max,
                revalue_max,
                balance,
            } => Self::Granted(Granted {
                held,
                vends_max,
                revalue_max,
                balance,
                ttl: GRANT_LIFE,
                favourite: None,
            }),
            Answer::Funds { short_by, pending } => Self::Refused {
                reason: if pending.is_positive() {
                    Reason::Pending
                } else {
                    Reason::Funds
                },
                short_by: Some(short_by),
            },
            Answer::Blocked => Self::Refused {
                reason: Reason::Blocked,
                short_by: None,
            },
        }
    }

    /// What the reader is told.
    pub const fn verdict(&self) -> Verdict {
        match *self {
            Self::Granted(granted) => Verdict::Granted(granted),
            Self::Refused { reason, .. } => Verdict::Refused(reason.to_wire()),
            Self::Resend { from } => Verdict::Resend { from },
            Self::Recorded | Self::Unfinished => Verdict::Nothing,
        }
    }

    /// Its name in answers to apps; it never changes.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Refused { .. } => "refused",
            Self::Recorded => "recorded",
            Self::Resend { .. } => "resend",
            Self::Unfinished => "unfinished",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::id::OperatorId;

    #[test]
    fn a_hello_is_answered_by_this_table() {
        let cents = Amount::from_minor;
        let answered = [
            Answer::Granted {
                held: cents(500),
                vends_max: 3,
                revalue_max: Amount::ZERO,
                balance: cents(900),
            },
            Answer::Funds {
                short_by: cents(30),
                pending: Amount::ZERO,
            },
            Answer::Funds {
                short_by: cents(30),
                pending: cents(500),
            },
            Answer::Blocked,
        ];
        let standings = answered.into_iter().map(Standing::Answered).chain([
            Standing::Due,
            Standing::Unclaimed,
            Standing::Taken,
            Standing::Stale,
            Standing::Lost { from: 7 },
            Standing::Distrusted,
        ]);
        let mut picture = String::from("              Asked         Barred        Nobody asked\n");
        for standing in standings {
            let row = format!("{standing:?}").replace("Answered(", "");
            let row = row.split([' ', '(', ')']).next().unwrap_or_default();
            picture.push_str(&format!("{row:<14}"));
            for asked in [Asked::Yes, Asked::Barred(Reason::MachineOff), Asked::No] {
                let outcome = Outcome::of(Some(standing), asked);
                let cell = match outcome {
                    Outcome::Refused { reason, .. } => reason.name(),
                    other @ (Outcome::Granted(_)
                    | Outcome::Recorded
                    | Outcome::Resend { .. }
                    | Outcome::Unfinished) => other.name(),
                };
                picture.push_str(&format!("{cell:<14}"));
            }
            picture = picture.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            picture,
            "              Asked         Barred        Nobody asked\n\
             Granted       granted       granted       recorded\n\
             Funds         funds         funds         recorded\n\
             Funds         pending       pending       recorded\n\
             Blocked       blocked       blocked       recorded\n\
             Due           unfinished    unfinished    recorded\n\
             Unclaimed     pending       machine_off   recorded\n\
             Taken         taken         taken         recorded\n\
             Stale         stale         stale         recorded\n\
             Lost          resend        resend        resend\n\
             Distrusted    reader        reader        reader\n"
        );
    }

    #[test]
    fn a_cap_is_bounded_by_operator_machine_and_wire() {
        let terms = |cap, vends_max| Terms {
            operator: OperatorId::new(1),
            machine: MachineId::new(1),
            cap: Amount::from_minor(cap),
            least: Amount::from_minor(1),
            vends_max,
            fee_basis_points: 0,
            revalue_max: Amount::ZERO,
            purpose: gettone_core::grant::Purpose::Sale,
        };
        for (operators, vends_max, max_price, held) in [
            (500, 3, 0, 500),
            (500, 3, u32::MAX, 500),
            (500, 3, 100, 300),
            (500, 3, 200, 500),
            (i64::MAX, 255, 0, i64::from(u32::MAX)),
            (i64::MAX, 255, u32::MAX - 1, i64::from(u32::MAX)),
        ] {
            let cap = cap(terms(operators, vends_max), max_price);
            assert_eq!(cap, Amount::from_minor(held), "{max_price} each");
        }
    }
}
