//! The three records that every vend leaves, in as few bytes as they need: amounts and counts of
//! four bytes, each moment once. What does not fit that is archived whole, as every other record.

use crate::grant::{Parts, Purpose, Terms};
use crate::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use crate::money::Amount;
use crate::time::Timestamp;
use crate::wallet::{self, Reason, Review};
use rkyv::api::high::HighValidator;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::{Archive, Archived, Deserialize, Portable, Serialize};

use super::{Event, Record};

/// `Reserved`.
#[derive(Archive, Serialize, Deserialize)]
pub(super) struct Held {
    at: Timestamp,
    pub(super) wallet: WalletId,
    vend: VendId,
    operator: OperatorId,
    machine: MachineId,
    cap: u32,
    least: u32,
    vends_max: u8,
    fee_basis_points: u16,
    revalue_max: u32,
    purpose: Purpose,
    closed: u32,
    emoney: u32,
    revalue: u32,
}

/// `Captured`.
#[derive(Archive, Serialize, Deserialize)]
pub(super) struct Sold {
    at: Timestamp,
    pub(super) wallet: WalletId,
    vend: VendId,
    rseq: u32,
    operator: OperatorId,
    machine: MachineId,
    item: Item,
    purpose: Purpose,
    closed: u32,
    emoney: u32,
    debt: u32,
    fee: u32,
    review: Review,
}

/// `Captured`, and with it the hold closed.
#[derive(Archive, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) sold: Sold,
    closed: u32,
    emoney: u32,
}

/// `Released`.
#[derive(Archive, Serialize, Deserialize)]
pub(super) struct Freed {
    at: Timestamp,
    pub(super) wallet: WalletId,
    vend: VendId,
    /// One more than the receipt; 0 when none said so.
    rseq: u32,
    reason: Reason,
    closed: u32,
    emoney: u32,
}

/// A record that has a lean form.
pub(super) enum Lean {
    Held(Held),
    Sold(Sold),
    Done(Done),
    Freed(Freed),
}

impl Lean {
    /// The lean form of a record; none when it has none, or a figure does not fit.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let Event::Wallet { wallet, event } = &record.event else {
            return None;
        };
        let wallet = *wallet;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other event is archived whole"
        )]
        match *event {
            wallet::Event::Reserved {
                vend,
                terms,
                held,
                revalue,
                at,
            } if at == record.at => Some(Self::Held(Held {
                at,
                wallet,
                vend,
                operator: terms.operator,
                machine: terms.machine,
                cap: short(terms.cap)?,
                least: short(terms.least)?,
                vends_max: terms.vends_max,
                fee_basis_points: terms.fee_basis_points,
                revalue_max: short(terms.revalue_max)?,
                purpose: terms.purpose,
                closed: short(held.closed)?,
                emoney: short(held.emoney)?,
                revalue: short(revalue)?,
            })),
            wallet::Event::Captured {
                vend,
                rseq,
                operator,
                machine,
                item,
                purpose,
                parts,
                debt,
                fee,
                review,
                freed,
                at,
            } if at == record.at => {
                let sold = Sold {
                    at,
                    wallet,
                    vend,
                    rseq: u32::try_from(rseq.number()).ok()?,
                    operator,
                    machine,
                    item,
                    purpose,
                    closed: short(parts.closed)?,
                    emoney: short(parts.emoney)?,
                    debt: short(debt)?,
                    fee: short(fee)?,
                    review,
                };
                Some(match freed {
                    Some(freed) => Self::Done(Done {
                        sold,
                        closed: short(freed.closed)?,
                        emoney: short(freed.emoney)?,
                    }),
                    None => Self::Sold(sold),
                })
            }
            wallet::Event::Released {
                vend,
                rseq,
                reason,
                freed,
                at,
            } if at == record.at => Some(Self::Freed(Freed {
                at,
                wallet,
                vend,
                rseq: match rseq {
                    Some(rseq) => u32::try_from(rseq.number().checked_add(1)?).ok()?,
                    None => 0,
                },
                reason,
                closed: short(freed.closed)?,
                emoney: short(freed.emoney)?,
            })),
            _ => None,
        }
    }
}

/// Whose an archived one is; `wallet` is where it says so.
pub(super) fn wallet_in<T>(
    archived: &[u8],
    wallet: impl FnOnce(&T) -> &Archived<WalletId>,
) -> Option<WalletId>
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>,
{
    let lean = rkyv::access::<T, Error>(archived).ok()?;
    rkyv::deserialize::<WalletId, Error>(wallet(lean)).ok()
}

impl From<Held> for Record {
    fn from(held: Held) -> Self {
        let event = wallet::Event::Reserved {
            vend: held.vend,
            terms: Terms {
                operator: held.operator,
                machine: held.machine,
                cap: long(held.cap),
                least: long(held.least),
                vends_max: held.vends_max,
                fee_basis_points: held.fee_basis_points,
                revalue_max: long(held.revalue_max),
                purpose: held.purpose,
            },
            held: parts(held.closed, held.emoney),
            revalue: long(held.revalue),
            at: held.at,
        };
        of_wallet(held.at, held.wallet, event)
    }
}

impl From<Sold> for Record {
    fn from(sold: Sold) -> Self {
        captured(&sold, None)
    }
}

impl From<Done> for Record {
    fn from(done: Done) -> Self {
        captured(&done.sold, Some(parts(done.closed, done.emoney)))
    }
}

fn captured(sold: &Sold, freed: Option<Parts>) -> Record {
    let event = wallet::Event::Captured {
        vend: sold.vend,
        rseq: Rseq::new(u64::from(sold.rseq)),
        operator: sold.operator,
        machine: sold.machine,
        item: sold.item,
        purpose: sold.purpose,
        parts: parts(sold.closed, sold.emoney),
        debt: long(sold.debt),
        fee: long(sold.fee),
        review: sold.review,
        freed,
        at: sold.at,
    };
    of_wallet(sold.at, sold.wallet, event)
}

impl From<Freed> for Record {
    fn from(freed: Freed) -> Self {
        let event = wallet::Event::Released {
            vend: freed.vend,
            rseq: freed
                .rseq
                .checked_sub(1)
                .map(|rseq| Rseq::new(u64::from(rseq))),
            reason: freed.reason,
            freed: parts(freed.closed, freed.emoney),
            at: freed.at,
        };
        of_wallet(freed.at, freed.wallet, event)
    }
}

const fn of_wallet(at: Timestamp, wallet: WalletId, event: wallet::Event) -> Record {
    Record {
        at,
        event: Event::Wallet { wallet, event },
    }
}

fn short(amount: Amount) -> Option<u32> {
    u32::try_from(amount.minor()).ok()
}

fn long(minor: u32) -> Amount {
    Amount::from_minor(i64::from(minor))
}

fn parts(closed: u32, emoney: u32) -> Parts {
    Parts {
        closed: long(closed),
        emoney: long(emoney),
    }
}
