//! One vending machine: whose it is, which reader serves it, and what it sells.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

use crate::entity::Entity;
use crate::grant::Terms;
use crate::id::{Item, MachineId, OperatorId, ReaderId};
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;

/// Selections one machine can have in its catalogue.
pub const CATALOGUE_MAX: usize = 1_024;
/// The longest product name, in bytes.
pub const NAME_MAX: usize = 64;

/// Where a machine's life stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Life {
    /// Nobody has registered it.
    #[default]
    Unknown,
    /// It is registered; no reader serves it.
    Idle,
    /// A reader serves it.
    Served,
    /// Its operator has locked it: no new grants.
    Locked,
}

/// What moves a machine's life on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It is registered.
    Register,
    /// A reader takes it up.
    Claim,
    /// Its operator locks it.
    Lock,
    /// Its operator unlocks it.
    Unlock,
}

impl Life {
    /// The life of a machine; `None` where a step does not fit.
    #[rustfmt::skip]
    pub fn after(self, step: Step) -> Option<Self> {
        Some(match (self, step) {
            (Self::Unknown, Step::Register) => Self::Idle,
            (Self::Idle,    Step::Claim)    => Self::Served,
            (Self::Served,  Step::Claim)    => Self::Served,
            (Self::Served,  Step::Lock)     => Self::Locked,
            (Self::Locked,  Step::Unlock)   => Self::Served,
            _ => return None,
        })
    }
}

/// How a machine sells: the limits of every grant for it.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The most that one grant may hold.
    pub cap: Amount,
    /// The most vends of one grant.
    pub vends_max: u8,
    /// The platform's share, in hundredths of a percent.
    pub fee_basis_points: u16,
}

/// One thing that a machine sells.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// What people call it.
    pub name: String,
    /// What it should cost.
    pub price: Amount,
}

/// What a machine can be asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Registers it.
    Register {
        /// Its owner.
        operator: OperatorId,
        /// What it sells in.
        currency: Currency,
        /// How it sells.
        policy: Policy,
    },
    /// Has a reader serve it, in place of an earlier one.
    Claim {
        /// The reader.
        reader: ReaderId,
    },
    /// Lists a product.
    List {
        /// Its selection.
        item: Item,
        /// The product.
        product: Product,
    },
    /// Allows no new grants.
    Lock,
    /// Allows grants again.
    Unlock,
}

/// What has happened to a machine.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was registered.
    Registered {
        /// Its owner.
        operator: OperatorId,
        /// What it sells in.
        currency: Currency,
        /// How it sells.
        policy: Policy,
    },
    /// A reader serves it.
    Claimed {
        /// The reader.
        reader: ReaderId,
    },
    /// A product was listed.
    Listed {
        /// Its selection.
        item: Item,
        /// The product.
        product: Product,
    },
    /// It was locked.
    Locked,
    /// It was unlocked.
    Unlocked,
}

/// A machine's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody has registered it.
    #[error("no such machine is registered")]
    Unknown,
    /// It is registered already, in another way.
    #[error("the machine is registered already, in another way")]
    Registered,
    /// No reader serves it.
    #[error("no reader serves this machine")]
    Unserved,
    /// Its operator has locked it.
    #[error("the machine is locked")]
    Locked,
    /// The policy or product makes no sense.
    #[error("a cap, a price or a name is out of its bounds")]
    OutOfBounds,
    /// The catalogue is full.
    #[error("a catalogue has at most {CATALOGUE_MAX} selections")]
    CatalogueFull,
}

/// One vending machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    life: Life,
    registered: Option<(OperatorId, Currency, Policy)>,
    reader: Option<ReaderId>,
    catalogue: BTreeMap<Item, Product>,
}

impl Machine {
    /// Where its life stands.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// Its owner, once it is registered.
    pub fn operator(&self) -> Option<OperatorId> {
        self.registered.map(|(operator, ..)| operator)
    }

    /// What it sells in, once it is registered.
    pub fn currency(&self) -> Option<Currency> {
        self.registered.map(|(_, currency, _)| currency)
    }

    /// How it sells, once it is registered.
    pub fn policy(&self) -> Option<Policy> {
        self.registered.map(|(.., policy)| policy)
    }

    /// The reader that serves it.
    pub const fn reader(&self) -> Option<ReaderId> {
        self.reader
    }

    /// What it sells.
    pub const fn catalogue(&self) -> &BTreeMap<Item, Product> {
        &self.catalogue
    }

    /// The terms of a grant at this machine, now.
    ///
    /// # Errors
    /// `Unknown`, `Unserved` or `Locked` when no grant may be given.
    pub fn terms(&self, machine: MachineId) -> Result<(Terms, Currency), Refusal> {
        let (operator, currency, policy) = self.registered.ok_or(Refusal::Unknown)?;
        match self.life {
            Life::Unknown => return Err(Refusal::Unknown),
            Life::Idle => return Err(Refusal::Unserved),
            Life::Locked => return Err(Refusal::Locked),
            Life::Served => {}
        }
        let cheapest = self.catalogue.values().map(|product| product.price).min();
        Ok((
            Terms {
                operator,
                machine,
                cap: policy.cap,
                least: cheapest.unwrap_or(Amount::from_minor(1)),
                vends_max: policy.vends_max,
                fee_basis_points: policy.fee_basis_points,
            },
            currency,
        ))
    }

    fn fits(&self, step: Step) -> Result<(), Refusal> {
        self.life.after(step).map(|_| ()).ok_or(match self.life {
            Life::Unknown => Refusal::Unknown,
            Life::Idle => Refusal::Unserved,
            Life::Served => Refusal::Registered,
            Life::Locked => Refusal::Locked,
        })
    }

    fn step(&mut self, step: Step) {
        self.life = self.life.after(step).unwrap_or(self.life);
    }
}

impl Entity for Machine {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, _now: Timestamp) -> Result<Option<Event>, Refusal> {
        match command {
            Command::Register {
                operator,
                currency,
                policy,
            } => {
                if self.registered == Some((*operator, *currency, *policy)) {
                    return Ok(None);
                }
                if self.registered.is_some() {
                    return Err(Refusal::Registered);
                }
                in_bounds(policy.cap)?;
                if policy.vends_max == 0 || policy.fee_basis_points > 10_000 {
                    return Err(Refusal::OutOfBounds);
                }
                self.fits(Step::Register)?;
                Ok(Some(Event::Registered {
                    operator: *operator,
                    currency: *currency,
                    policy: *policy,
                }))
            }
            Command::Claim { reader } => {
                if self.reader == Some(*reader) {
                    return Ok(None);
                }
                self.fits(Step::Claim)?;
                Ok(Some(Event::Claimed { reader: *reader }))
            }
            Command::List { item, product } => {
                if self.registered.is_none() {
                    return Err(Refusal::Unknown);
                }
                if self.catalogue.get(item) == Some(product) {
                    return Ok(None);
                }
                in_bounds(product.price)?;
                if product.name.is_empty() || product.name.len() > NAME_MAX {
                    return Err(Refusal::OutOfBounds);
                }
                if self.catalogue.len() >= CATALOGUE_MAX && !self.catalogue.contains_key(item) {
                    return Err(Refusal::CatalogueFull);
                }
                Ok(Some(Event::Listed {
                    item: *item,
                    product: product.clone(),
                }))
            }
            Command::Lock => {
                if self.life == Life::Locked {
                    return Ok(None);
                }
                self.fits(Step::Lock)?;
                Ok(Some(Event::Locked))
            }
            Command::Unlock => {
                if self.life == Life::Served {
                    return Ok(None);
                }
                self.fits(Step::Unlock)?;
                Ok(Some(Event::Unlocked))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered {
                operator,
                currency,
                policy,
            } => {
                self.registered = Some((*operator, *currency, *policy));
                self.step(Step::Register);
            }
            Event::Claimed { reader } => {
                self.reader = Some(*reader);
                self.step(Step::Claim);
            }
            Event::Listed { item, product } => {
                self.catalogue.insert(*item, product.clone());
            }
            Event::Locked => self.step(Step::Lock),
            Event::Unlocked => self.step(Step::Unlock),
        }
    }
}

fn in_bounds(amount: Amount) -> Result<(), Refusal> {
    if amount.is_positive() && amount <= Amount::from_minor(AMOUNT_MAX) {
        Ok(())
    } else {
        Err(Refusal::OutOfBounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_lives_by_this_table() {
        let lives = [Life::Unknown, Life::Idle, Life::Served, Life::Locked];
        let steps = [Step::Register, Step::Claim, Step::Lock, Step::Unlock];
        let mut picture = String::from("         Register Claim    Lock     Unlock\n");
        for life in lives {
            picture.push_str(&format!("{:<9}", format!("{life:?}")));
            for step in steps {
                let cell = life
                    .after(step)
                    .map_or(".".to_owned(), |next| format!("{next:?}"));
                picture.push_str(&format!("{cell:<9}"));
            }
            picture = picture.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            picture,
            "         Register Claim    Lock     Unlock\n\
             Unknown  Idle     .        .        .\n\
             Idle     .        Served   .        .\n\
             Served   .        Served   Locked   .\n\
             Locked   .        .        .        Served\n"
        );
    }

    #[test]
    fn the_least_a_grant_holds_is_the_cheapest_product() {
        let now = Timestamp::default();
        let mut machine = Machine::default();
        let reader = ReaderId::from_bytes([7; 8]);
        let policy = Policy {
            cap: Amount::from_minor(1_000),
            vends_max: 3,
            fee_basis_points: 150,
        };
        let list = |item, price| Command::List {
            item: Item::new(item),
            product: Product {
                name: "espresso".to_owned(),
                price: Amount::from_minor(price),
            },
        };
        for command in [
            Command::Register {
                operator: OperatorId::new(1),
                currency: Currency::EUR,
                policy,
            },
            Command::Claim { reader },
            list(1, 120),
            list(2, 80),
        ] {
            let event = machine
                .decide(&command, now)
                .expect("allowed")
                .expect("something new");
            machine.evolve(&event);
            assert_eq!(
                machine.decide(&command, now),
                Ok(None),
                "a retry is harmless"
            );
        }
        let (terms, currency) = machine.terms(MachineId::new(9)).expect("served");
        assert_eq!(terms.least, Amount::from_minor(80));
        assert_eq!(currency, Currency::EUR);
    }
}
