//! The pure part of a relay: what an envelope's items say to the engine, and what its answer says
//! to the reader (protocol sections 5 and 6.3).

use crate::bounds::GRANT_LIFE;
use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{MdbState, RefuseReason, Utc};
use gettone_core::grant::Terms;
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, Order, ReaderId, Rseq, VendId, WalletId,
};
use gettone_core::machine::Machine;
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::{Answer, Ask, Hello, News, Standing};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::time::Timestamp;

/// Grants travel in 32 bits of minor units.
const CAP_MAX: Amount = Amount::from_minor(u32::MAX as i64);

/// What one opened envelope is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Letter {
    /// The journal epoch of its receipts.
    pub epoch: channel::JournalEpoch,
    /// Its HELLO, when it has one.
    pub hello: Option<channel::Hello>,
    /// Its receipts.
    pub receipts: Vec<channel::Receipt>,
}

/// Why the items of an authentic envelope are no letter.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub(crate) enum LetterFault {
    /// Receipts without the journal epoch that they count in.
    #[error("receipts without their journal epoch")]
    NoEpoch,
    /// Two epochs.
    #[error("more than one journal epoch")]
    Epochs,
    /// Two HELLOs.
    #[error("more than one HELLO")]
    Hellos,
    /// Nothing that this server takes in.
    #[error("nothing that this server takes in")]
    Nothing,
}

impl Letter {
    /// Sorts an envelope's items.
    ///
    /// # Errors
    /// `LetterFault` when no honest reader sends such a list.
    pub(crate) fn of(items: Vec<channel::Item>) -> Result<Self, LetterFault> {
        let mut epoch = None;
        let mut hello = None;
        let mut receipts = Vec::new();
        for item in items {
            let counts_in = match item {
                channel::Item::Hello(ours) => {
                    let counts_in = ours.journal_epoch;
                    if hello.replace(ours).is_some() {
                        return Err(LetterFault::Hellos);
                    }
                    Some(counts_in)
                }
                channel::Item::Epoch(counts_in) => Some(counts_in),
                channel::Item::Receipt(receipt) => {
                    receipts.push(receipt);
                    None
                }
                // Keys, counters and the technician's records move no money of customers; a server
                // that does not keep them acknowledges none, and readers send them again.
                channel::Item::KeyUpdate(_)
                | channel::Item::TokenKey(_)
                | channel::Item::Counters(_)
                | channel::Item::Audit(_) => None,
                // The channel refuses these on the way here.
                channel::Item::Grant(_)
                | channel::Item::Ack(_)
                | channel::Item::Time(_)
                | channel::Item::Config(_)
                | channel::Item::Refuse { .. }
                | channel::Item::ServerKey(_)
                | channel::Item::Lock(_)
                | channel::Item::Call(_)
                | channel::Item::KeyAck(_)
                | channel::Item::Resend(_)
                | channel::Item::AuditAck(_) => None,
            };
            if let Some(counts_in) = counts_in
                && epoch
                    .replace(counts_in)
                    .is_some_and(|other| other != counts_in)
            {
                return Err(LetterFault::Epochs);
            }
        }
        match epoch {
            Some(epoch) => Ok(Self {
                epoch,
                hello,
                receipts,
            }),
            None if receipts.is_empty() => Err(LetterFault::Nothing),
            None => Err(LetterFault::NoEpoch),
        }
    }

    /// What it tells the engine, with the claim that somebody makes on its HELLO.
    pub(crate) fn news(&self, ask: Option<Ask>) -> News {
        News {
            epoch: JournalEpoch::from_bytes(*self.epoch.as_bytes()),
            first: chain(channel::Chain::first(self.epoch)),
            hello: self.hello.as_ref().map(hello),
            ask,
            receipts: self.receipts.iter().map(receipt).collect(),
        }
    }
}

/// What of a HELLO the engine uses.
pub(crate) fn hello(told: &channel::Hello) -> Hello {
    Hello {
        epoch: JournalEpoch::from_bytes(*told.journal_epoch.as_bytes()),
        order: Order {
            boot: told.boot,
            uptime_ms: told.uptime_ms,
        },
        nonce: Nonce::from_bytes(*told.nonce.as_bytes()),
        rseq_newest: told.rseq_newest,
        acked: told.acked,
    }
}

/// A receipt as the engine knows it.
pub(crate) fn receipt(told: &channel::Receipt) -> Receipt {
    Receipt {
        rseq: Rseq::new(told.rseq),
        kind: kind(told.kind),
        grant: VendId::from_bytes(*told.grant.as_bytes()),
        item: Item::new(told.item),
        amount: Amount::from_minor(i64::from(told.amount)),
        order: Order {
            boot: told.boot,
            uptime_ms: told.mono_ms,
        },
        flags: Flags::from_wire(told.flags.bits()),
        after_ms: told.ms,
        prev: chain(told.prev),
        chain: chain(channel::Chain::of(told)),
    }
}

const fn kind(told: channel::ReceiptKind) -> ReceiptKind {
    match told {
        channel::ReceiptKind::VendOk => ReceiptKind::VendOk,
        channel::ReceiptKind::VendFail => ReceiptKind::VendFail,
        channel::ReceiptKind::VendUnknown => ReceiptKind::VendUnknown,
        channel::ReceiptKind::RevalueOk => ReceiptKind::RevalueOk,
        channel::ReceiptKind::RevalueUnknown => ReceiptKind::RevalueUnknown,
        channel::ReceiptKind::Close => ReceiptKind::Close,
        channel::ReceiptKind::EpochStart => ReceiptKind::EpochStart,
        channel::ReceiptKind::LightGrantUsed => ReceiptKind::LightGrantUsed,
        channel::ReceiptKind::RevalueFail => ReceiptKind::RevalueFail,
        channel::ReceiptKind::NegativeVend => ReceiptKind::NegativeVend,
    }
}

fn chain(told: channel::Chain) -> Chain {
    Chain::from_bytes(*told.as_bytes())
}

/// Why a HELLO got no grant, as customers' apps are told; its wire form says less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
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
}

impl Reason {
    /// Its name in answers to apps; it never changes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Funds => "funds",
            Self::Stale => "stale",
            Self::Pending => "pending",
            Self::MachineOff => "machine_off",
            Self::Currency => "currency",
            Self::Blocked => "blocked",
            Self::Taken => "taken",
            Self::Reader => "reader",
        }
    }

    /// What the reader is told.
    pub(crate) const fn to_wire(self) -> RefuseReason {
        match self {
            Self::Funds => RefuseReason::Funds,
            Self::Stale | Self::Taken => RefuseReason::Stale,
            Self::Pending => RefuseReason::Pending,
            Self::MachineOff | Self::Currency => RefuseReason::MachineOff,
            Self::Blocked => RefuseReason::Blocked,
            Self::Reader => RefuseReason::Reader,
        }
    }
}

/// Where a claim is made: what the server knows of the place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
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
pub(crate) fn ask(
    told: &channel::Hello,
    place: Place<'_>,
    wallet: WalletId,
) -> Result<Ask, Reason> {
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
    let reader = channel::ReaderId::from_bytes(*place.reader.as_bytes());
    Ok(Ask {
        nonce: Nonce::from_bytes(*told.nonce.as_bytes()),
        vend: VendId::from_bytes(*channel::vend_id(reader, told.nonce).as_bytes()),
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

/// What a grant is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Granted {
    /// How much is held.
    pub held: Amount,
    /// For how many vends.
    pub vends_max: u8,
    /// What the customer could spend here, this hold included.
    pub balance: Amount,
}

/// What became of one envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
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
pub(crate) enum Asked {
    /// Nobody did, or not over the reader's own link: a claim with a wrong `h` claims nothing.
    No,
    /// Somebody did.
    Yes,
    /// Somebody did, and may not for this reason; an answer from before still counts.
    Barred(Reason),
}

impl Outcome {
    /// Reads the engine's answer on a HELLO.
    pub(crate) fn of(standing: Option<Standing>, asked: Asked) -> Self {
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
                balance,
            } => Self::Granted(Granted {
                held,
                vends_max,
                balance,
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

    /// Its name in answers to apps; it never changes.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Refused { .. } => "refused",
            Self::Recorded => "recorded",
            Self::Resend { .. } => "resend",
            Self::Unfinished => "unfinished",
        }
    }
}

/// The items of the answer: ACK, TIME, then GRANT, REFUSE or RESEND.
pub(crate) fn reply(
    letter: &Letter,
    reader: ReaderId,
    currency: Currency,
    ack: Option<(JournalEpoch, u64, Chain)>,
    outcome: Outcome,
    now: Timestamp,
) -> Vec<channel::Item> {
    let mut items = Vec::new();
    if let Some((epoch, upto, at)) = ack {
        items.push(channel::Item::Ack(channel::Ack {
            journal_epoch: channel::JournalEpoch::from_bytes(*epoch.as_bytes()),
            upto,
            chain: channel::Chain::from_bytes(*at.as_bytes()),
        }));
    }
    let Some(told) = &letter.hello else {
        return items;
    };
    items.push(channel::Item::Time(channel::Time {
        utc: Utc::from_unix_ms(now.as_millis()),
        nonce: told.nonce,
    }));
    items.extend(match outcome {
        Outcome::Granted(granted) => {
            Some(channel::Item::Grant(grant(told, reader, currency, granted)))
        }
        Outcome::Refused { reason, .. } => Some(channel::Item::Refuse {
            nonce: told.nonce,
            reason: reason.to_wire(),
        }),
        Outcome::Resend { from } => Some(channel::Item::Resend(channel::Resend {
            nonce: told.nonce,
            journal_epoch: told.journal_epoch,
            from,
        })),
        Outcome::Recorded | Outcome::Unfinished => None,
    });
    items
}

fn grant(
    told: &channel::Hello,
    reader: ReaderId,
    currency: Currency,
    granted: Granted,
) -> channel::Grant {
    let reader = channel::ReaderId::from_bytes(*reader.as_bytes());
    let shown = granted
        .balance
        .minor()
        .clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    channel::Grant {
        grant: channel::vend_id(reader, told.nonce),
        nonce: told.nonce,
        bind: told.bind,
        currency: currency.numeric(),
        exponent: currency.exponent(),
        // A hold is at most its cap, which fits; were it ever more, the reader gets no more.
        max_spend: u32::try_from(granted.held.minor()).unwrap_or(0),
        max_vends: granted.vends_max,
        max_revalue: 0,
        show_balance: i32::try_from(shown).unwrap_or(0),
        ttl_s: whole_seconds(GRANT_LIFE),
        favourite: None,
    }
}

fn whole_seconds(life: Duration) -> u16 {
    u16::try_from(life.as_secs()).unwrap_or(u16::MAX)
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
