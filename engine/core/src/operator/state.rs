use super::{CURRENCIES_MAX, Command, Event, NAMES_MAX, Refusal, Total, UNDERWAY_MAX};
use crate::entity::Entity;
use crate::id::{TransferId, WalletId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::port::Seq;
use crate::time::Timestamp;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;

/// One operator's money at the issuer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Operator {
    folded: u64,
    purses: Vec<Purse>,
    underway: Vec<Underway>,
    // All of them: a name that was forgotten could move its money again.
    #[rkyv(with = AsVec)]
    names: BTreeMap<TransferId, Named>,
}

/// What it has in one currency.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purse {
    /// What in.
    pub currency: Currency,
    /// What may be spent; below zero when customers got back more than was left.
    pub available: Amount,
    /// What is due to the issuer.
    pub due: Amount,
    earned: Amount,
    due_ever: Amount,
}

/// Money that has left and has neither arrived nor come back.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Underway {
    /// Its name.
    pub key: TransferId,
    /// What it is.
    pub what: What,
    /// What in.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// Since when.
    pub at: Timestamp,
}

/// What money that has left is.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A payout to its bank account.
    Payout,
    /// E-money for a customer.
    Promotion(WalletId),
}

/// What a name was used for.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
struct Named {
    purpose: Purpose,
    currency: Currency,
    amount: Amount,
    end: Option<End>,
}

#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Left(What),
    Charge,
    Deposit,
    Cover,
}

#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Arrived,
    Back,
}

impl Operator {
    /// How far its earnings are folded.
    pub const fn folded(&self) -> Seq {
        Seq::new(self.folded)
    }

    /// What it has, by currency.
    pub fn purses(&self) -> &[Purse] {
        &self.purses
    }

    /// Payouts that the issuer has not settled, and promotions that have not arrived.
    pub fn underway(&self) -> &[Underway] {
        &self.underway
    }

    fn purse(&self, currency: Currency) -> Purse {
        let known = self.purses.iter().find(|purse| purse.currency == currency);
        known.copied().unwrap_or(Purse::empty(currency))
    }

    fn purse_mut(&mut self, currency: Currency) -> &mut Purse {
        let known = self
            .purses
            .iter()
            .position(|purse| purse.currency == currency);
        let at = known.unwrap_or_else(|| {
            self.purses.push(Purse::empty(currency));
            self.purses.len() - 1
        });
        self.purses.get_mut(at).expect("it was found or added")
    }

    fn fold(&self, upto: Seq, totals: &[Total]) -> Result<Option<Event>, Refusal> {
        if upto.number() <= self.folded {
            return Ok(None);
        }
        let mut currencies: Vec<Currency> = totals.iter().map(|total| total.currency).collect();
        currencies.extend(self.purses.iter().map(|purse| purse.currency));
        currencies.sort_unstable();
        let is_twice = |total: &Total| {
            let same = totals
                .iter()
                .filter(|other| other.currency == total.currency);
            same.count() > 1
        };
        currencies.dedup();
        // Far beyond what a journal can come to, and far from what a sum cannot hold.
        let sums = -i64::MAX / 8..=i64::MAX / 8;
        let is_beyond = |total: &Total| {
            !sums.contains(&total.earned.minor()) || !sums.contains(&total.due.minor())
        };
        if currencies.len() > CURRENCIES_MAX
            || totals.iter().any(is_twice)
            || totals.iter().any(is_beyond)
        {
            return Err(Refusal::BadFold);
        }
        let moved = totals.iter().map(|total| {
            let purse = self.purse(total.currency);
            Total {
                currency: total.currency,
                earned: total.earned - purse.earned,
                due: total.due - purse.due_ever,
            }
        });
        let moved = moved.filter(|total| total.earned != Amount::ZERO || total.due != Amount::ZERO);
        Ok(Some(Event::Folded {
            upto,
            moved: moved.collect(),
        }))
    }

    /// Whether the same was done under this name before; if not, whether it may be done.
    fn is_known(&self, key: TransferId, named: &Named) -> Result<bool, Refusal> {
        match self.names.get(&key) {
            Some(known) if known.asks_the_same(named) => Ok(true),
            Some(_) => Err(Refusal::NameReused),
            None if self.names.len() >= NAMES_MAX => Err(Refusal::Full {
                what: "names",
                limit: NAMES_MAX,
            }),
            None => {
                let amount = named.amount;
                if !amount.is_positive() || amount > Amount::from_minor(AMOUNT_MAX) {
                    return Err(Refusal::BadAmount { amount });
                }
                Ok(false)
            }
        }
    }

    /// Whether this may be spent now: not before all is folded that the journal holds.
    fn may_spend(&self, currency: Currency, amount: Amount, head: Seq) -> Result<(), Refusal> {
        if self.folded < head.number() {
            let folded = self.folded();
            return Err(Refusal::Behind { folded, head });
        }
        let available = self.purse(currency).available;
        if amount > available {
            return Err(Refusal::InsufficientFunds {
                available,
                short_by: amount - available,
            });
        }
        Ok(())
    }

    fn may_leave(&self) -> Result<(), Refusal> {
        if self.underway.len() >= UNDERWAY_MAX {
            return Err(Refusal::Full {
                what: "payouts and transfers under way",
                limit: UNDERWAY_MAX,
            });
        }
        Ok(())
    }

    /// What of this name is under way; none when it ended so before.
    fn ending(
        &self,
        key: TransferId,
        is_it: fn(What) -> bool,
        end: End,
    ) -> Result<Option<Named>, Refusal> {
        let named = self.names.get(&key).ok_or(Refusal::NoSuchTransfer)?;
        match (named.purpose, named.end) {
            (Purpose::Left(what), None) if is_it(what) => Ok(Some(*named)),
            (Purpose::Left(what), Some(known)) if is_it(what) && known == end => Ok(None),
            _ => Err(Refusal::NoSuchTransfer),
        }
    }

    fn leave(&mut self, underway: Underway) {
        let Underway {
            key,
            what,
            currency,
            amount,
            ..
        } = underway;
        self.name(key, Named::new(Purpose::Left(what), currency, amount));
        self.underway.push(underway);
        self.add(currency, -amount);
    }

    fn end(&mut self, key: TransferId, end: End) {
        if let Some(named) = self.names.get_mut(&key) {
            named.end = Some(end);
        }
        self.underway.retain(|underway| underway.key != key);
    }

    fn name(&mut self, key: TransferId, named: Named) {
        self.names.insert(key, named);
    }

    fn add(&mut self, currency: Currency, amount: Amount) {
        let purse = self.purse_mut(currency);
        purse.available = purse.available + amount;
    }
}

impl Purse {
    const fn empty(currency: Currency) -> Self {
        Self {
            currency,
            available: Amount::ZERO,
            due: Amount::ZERO,
            earned: Amount::ZERO,
            due_ever: Amount::ZERO,
        }
    }
}

impl Named {
    const fn new(purpose: Purpose, currency: Currency, amount: Amount) -> Self {
        Self {
            purpose,
            currency,
            amount,
            end: None,
        }
    }

    fn asks_the_same(&self, other: &Self) -> bool {
        let asked = |named: &Self| (named.purpose, named.currency, named.amount);
        asked(self) == asked(other)
    }
}

const fn is_payout(what: What) -> bool {
    matches!(what, What::Payout)
}

const fn is_promotion(what: What) -> bool {
    matches!(what, What::Promotion(_))
}

impl Entity for Operator {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Refusal> {
        match *command {
            Command::Fold { upto, ref totals } => self.fold(upto, totals),
            Command::PayOut {
                key,
                currency,
                amount,
                head,
            } => {
                let named = Named::new(Purpose::Left(What::Payout), currency, amount);
                if self.is_known(key, &named)? {
                    return Ok(None);
                }
                self.may_spend(currency, amount, head)?;
                self.may_leave()?;
                Ok(Some(Event::PaidOut {
                    key,
                    currency,
                    amount,
                    at: now,
                }))
            }
            Command::SettlePayout { key } => Ok(self.ending(key, is_payout, End::Arrived)?.map(
                |Named {
                     currency, amount, ..
                 }| Event::PayoutSettled {
                    key,
                    currency,
                    amount,
                },
            )),
            Command::FailPayout { key } => Ok(self.ending(key, is_payout, End::Back)?.map(
                |Named {
                     currency, amount, ..
                 }| Event::PayoutFailed {
                    key,
                    currency,
                    amount,
                },
            )),
            Command::Promote {
                key,
                to,
                currency,
                amount,
                head,
            } => {
                let named = Named::new(Purpose::Left(What::Promotion(to)), currency, amount);
                if self.is_known(key, &named)? {
                    return Ok(None);
                }
                self.may_spend(currency, amount, head)?;
                self.may_leave()?;
                Ok(Some(Event::Promoted {
                    key,
                    to,
                    currency,
                    amount,
                    at: now,
                }))
            }
            Command::Confirm { key } => Ok(self
                .ending(key, is_promotion, End::Arrived)?
                .map(|_| Event::Delivered { key })),
            Command::Return { key } => Ok(self.ending(key, is_promotion, End::Back)?.map(
                |Named {
                     currency, amount, ..
                 }| Event::Returned {
                    key,
                    currency,
                    amount,
                },
            )),
            Command::Charge {
                key,
                currency,
                amount,
                head,
            } => {
                if self.is_known(key, &Named::new(Purpose::Charge, currency, amount))? {
                    return Ok(None);
                }
                self.may_spend(currency, amount, head)?;
                Ok(Some(Event::Charged {
                    key,
                    currency,
                    amount,
                }))
            }
            Command::Deposit {
                key,
                currency,
                amount,
            } => {
                if self.is_known(key, &Named::new(Purpose::Deposit, currency, amount))? {
                    return Ok(None);
                }
                let is_new = self.purses.iter().all(|purse| purse.currency != currency);
                if is_new && self.purses.len() >= CURRENCIES_MAX {
                    return Err(Refusal::Full {
                        what: "currencies",
                        limit: CURRENCIES_MAX,
                    });
                }
                Ok(Some(Event::Deposited {
                    key,
                    currency,
                    amount,
                }))
            }
            Command::Cover {
                key,
                currency,
                amount,
                head,
            } => {
                if self.is_known(key, &Named::new(Purpose::Cover, currency, amount))? {
                    return Ok(None);
                }
                self.may_spend(currency, amount, head)?;
                let due = self.purse(currency).due;
                if amount > due {
                    return Err(Refusal::NotDue { due });
                }
                Ok(Some(Event::Covered {
                    key,
                    currency,
                    amount,
                }))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Folded { upto, moved } => {
                self.folded = upto.number();
                for total in moved {
                    let purse = self.purse_mut(total.currency);
                    purse.earned = purse.earned + total.earned;
                    purse.due_ever = purse.due_ever + total.due;
                    purse.available = purse.available + total.earned;
                    purse.due = purse.due + total.due;
                }
            }
            Event::PaidOut {
                key,
                currency,
                amount,
                at,
            } => self.leave(Underway {
                key: *key,
                what: What::Payout,
                currency: *currency,
                amount: *amount,
                at: *at,
            }),
            Event::Promoted {
                key,
                to,
                currency,
                amount,
                at,
            } => self.leave(Underway {
                key: *key,
                what: What::Promotion(*to),
                currency: *currency,
                amount: *amount,
                at: *at,
            }),
            Event::PayoutSettled { key, .. } | Event::Delivered { key } => {
                self.end(*key, End::Arrived);
            }
            Event::PayoutFailed {
                key,
                currency,
                amount,
            }
            | Event::Returned {
                key,
                currency,
                amount,
            } => {
                self.add(*currency, *amount);
                self.end(*key, End::Back);
            }
            Event::Charged {
                key,
                currency,
                amount,
            } => {
                self.name(*key, Named::new(Purpose::Charge, *currency, *amount));
                self.add(*currency, -*amount);
            }
            Event::Deposited {
                key,
                currency,
                amount,
            } => {
                self.name(*key, Named::new(Purpose::Deposit, *currency, *amount));
                self.add(*currency, *amount);
            }
            Event::Covered {
                key,
                currency,
                amount,
            } => {
                self.name(*key, Named::new(Purpose::Cover, *currency, *amount));
                self.add(*currency, -*amount);
                let purse = self.purse_mut(*currency);
                purse.due = purse.due - *amount;
            }
        }
    }
}
