//! One vending machine: whose it is, which reader serves it, and what it sells.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

mod cash;
mod order;

pub use cash::{COUNTS_MAX, CashCount, TALLIES_MAX, Tally, value_of};
pub use order::{Delivery, LockOrder};

use crate::counters::{Counters, Row};
use crate::entity::Entity;
use crate::grant::{Purpose, Terms};
use crate::id::{Item, JournalEpoch, MachineId, OperatorId, ReaderId, Rseq, TransferId};
use crate::lock::LockState;
use crate::money::{AMOUNT_MAX, Amount, Currency};
use crate::time::Timestamp;
use cash::CashBox;
use rkyv::with::AsVec;
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
            (Self::Locked,  Step::Claim)    => Self::Locked,
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
    /// The most cash that one grant may take in for the customer's closed wallet; 0 for none.
    pub revalue_max: Amount,
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
    /// Takes a product off the list.
    Delist {
        /// Its selection.
        item: Item,
    },
    /// Allows no new grants, and has the board say so.
    Lock,
    /// Allows grants again.
    Unlock,
    /// The order to lock or open has left for its board.
    CarryLock {
        /// Which order.
        version: u32,
    },
    /// The board has taken the order to lock or open.
    ApplyLock {
        /// Which order.
        version: u32,
    },
    /// Takes a board's snapshot of its counters in: what was sold for cash since the last one.
    Tally {
        /// The board.
        reader: ReaderId,
        /// The journal that they count in.
        epoch: JournalEpoch,
        /// The snapshot.
        counters: Counters,
    },
    /// Cash was put in for a customer's closed wallet.
    TakeIn {
        /// The board.
        reader: ReaderId,
        /// Its journal.
        epoch: JournalEpoch,
        /// The receipt; those of one journal come in their order.
        rseq: Rseq,
        /// How much.
        amount: Amount,
    },
    /// Somebody has emptied the cash box and counted.
    Count {
        /// The count's name.
        key: TransferId,
        /// What was counted.
        counted: Amount,
    },
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
    /// A product was taken off the list.
    Delisted {
        /// Its selection.
        item: Item,
    },
    /// It is to be locked or opened.
    LockOrdered {
        /// The order's version.
        version: u32,
        /// What it asks for.
        state: LockState,
    },
    /// The order has left for its board.
    LockCarried {
        /// Which order.
        version: u32,
    },
    /// The board has taken the order.
    LockApplied {
        /// Which order.
        version: u32,
    },
    /// It sold for cash.
    Tallied {
        /// The board that counted.
        reader: ReaderId,
        /// The journal that it counts in.
        epoch: JournalEpoch,
        /// The snapshot.
        seq: u64,
        /// What was sold since the last one, row by row.
        sold: Vec<Row>,
        /// All cash ever put in, as the board counted it.
        cash_in: u64,
        /// All faults ever counted.
        errors: u32,
    },
    /// Cash was put in for a customer's closed wallet.
    TookIn {
        /// The board.
        reader: ReaderId,
        /// Its journal.
        epoch: JournalEpoch,
        /// The receipt.
        rseq: Rseq,
        /// How much.
        amount: Amount,
    },
    /// The cash box was emptied and counted.
    Counted {
        /// The count's name.
        key: TransferId,
        /// What was counted.
        counted: Amount,
        /// What should have been there.
        expected: Amount,
        /// When.
        at: Timestamp,
    },
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
    /// The name was used for another count before.
    #[error("this name was used before, for another count")]
    NameReused,
    /// A bound of the machine is reached.
    #[error("the machine's limit of {limit} {what} is reached")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

/// One vending machine.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    life: Life,
    registered: Option<(OperatorId, Currency, Policy)>,
    reader: Option<ReaderId>,
    #[rkyv(with = AsVec)]
    catalogue: BTreeMap<Item, Product>,
    lock: LockOrder,
    cash: CashBox,
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

    /// The operator's last order to lock or open, and how far it has come.
    pub const fn lock(&self) -> LockOrder {
        self.lock
    }

    /// What its cash box should hold.
    pub const fn cash_expected(&self) -> Amount {
        self.cash.expected()
    }

    /// The last count of its cash box.
    pub const fn cash_counted(&self) -> Option<CashCount> {
        self.cash.last()
    }

    /// What its board counted last.
    pub fn counters(&self) -> Option<&Tally> {
        self.cash.newest()
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
                revalue_max: policy.revalue_max,
                purpose: Purpose::Sale,
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

    fn known(&self) -> Result<(), Refusal> {
        self.registered.map(|_| ()).ok_or(Refusal::Unknown)
    }

    fn order(&self, state: LockState) -> Event {
        Event::LockOrdered {
            version: self.lock.version.saturating_add(1),
            state,
        }
    }

    fn step(&mut self, step: Step) {
        self.life = self.life.after(step).unwrap_or(self.life);
    }
}

impl Entity for Machine {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Refusal> {
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
                if policy.vends_max == 0
                    || *operator == OperatorId::PLATFORM
                    || policy.fee_basis_points > 10_000
                    || policy.revalue_max < Amount::ZERO
                    || policy.revalue_max > Amount::from_minor(AMOUNT_MAX)
                {
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
                Ok(Some(self.order(LockState::Locked)))
            }
            Command::Unlock => {
                if self.life == Life::Served {
                    return Ok(None);
                }
                self.fits(Step::Unlock)?;
                Ok(Some(self.order(LockState::Open)))
            }
            Command::Delist { item } => Ok(self
                .catalogue
                .contains_key(item)
                .then_some(Event::Delisted { item: *item })),
            Command::CarryLock { version } => Ok(self
                .lock
                .moves(*version, Delivery::Carried)
                .then_some(Event::LockCarried { version: *version })),
            Command::ApplyLock { version } => Ok(self
                .lock
                .moves(*version, Delivery::Applied)
                .then_some(Event::LockApplied { version: *version })),
            Command::Tally {
                reader,
                epoch,
                counters,
            } => {
                self.known()?;
                self.cash.tally((*reader, *epoch), counters)
            }
            Command::TakeIn {
                reader,
                epoch,
                rseq,
                amount,
            } => {
                self.known()?;
                self.cash.take_in((*reader, *epoch), *rseq, *amount)
            }
            Command::Count { key, counted } => {
                self.known()?;
                self.cash.count(*key, *counted, now)
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
                // Another board knows nothing of it.
                self.lock.begin_again();
            }
            Event::Listed { item, product } => {
                self.catalogue.insert(*item, product.clone());
            }
            Event::Delisted { item } => {
                self.catalogue.remove(item);
            }
            Event::LockOrdered { version, state } => {
                self.step(match state {
                    LockState::Locked => Step::Lock,
                    LockState::Open => Step::Unlock,
                });
                self.lock = LockOrder {
                    version: *version,
                    state: *state,
                    delivery: Delivery::Queued,
                };
            }
            Event::LockCarried { version } => self.lock.reach(*version, Delivery::Carried),
            Event::LockApplied { version } => self.lock.reach(*version, Delivery::Applied),
            Event::Tallied { .. } | Event::TookIn { .. } | Event::Counted { .. } => {
                self.cash.evolve(event);
            }
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
             Locked   .        Locked   .        Served\n"
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
            revalue_max: Amount::ZERO,
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

    const KIOSK: MachineId = MachineId::new(9);
    const BOARD: ReaderId = ReaderId::from_bytes([7; 8]);

    fn served() -> Machine {
        let mut machine = Machine::default();
        let policy = Policy {
            cap: Amount::from_minor(1_000),
            vends_max: 3,
            fee_basis_points: 150,
            revalue_max: Amount::from_minor(5_000),
        };
        let register = Command::Register {
            operator: OperatorId::new(1),
            currency: Currency::EUR,
            policy,
        };
        let claim = Command::Claim { reader: BOARD };
        assert!(tell(&mut machine, &register) && tell(&mut machine, &claim));
        machine
    }

    fn tell(machine: &mut Machine, command: &Command) -> bool {
        let event = machine
            .decide(command, Timestamp::from_millis(77))
            .unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        if let Some(event) = &event {
            machine.evolve(event);
        }
        let again = machine.decide(command, Timestamp::default());
        assert_eq!(again, Ok(None), "a retry of {command:?} is harmless");
        event.is_some()
    }

    #[test]
    fn an_order_to_lock_goes_its_way_and_an_older_one_changes_nothing() {
        let mut machine = served();
        let order = |machine: &Machine| {
            let order = machine.lock();
            (order.version, order.state, order.delivery)
        };
        assert_eq!(
            machine.lock(),
            LockOrder::default(),
            "no order, nothing to carry"
        );
        assert_eq!(machine.lock().to_carry(), None);
        assert!(tell(&mut machine, &Command::Lock));
        assert_eq!(machine.terms(KIOSK), Err(Refusal::Locked), "at once");
        assert_eq!(order(&machine), (1, LockState::Locked, Delivery::Queued));
        assert!(tell(&mut machine, &Command::CarryLock { version: 1 }));
        assert_eq!(order(&machine), (1, LockState::Locked, Delivery::Carried));
        assert!(
            machine.lock().to_carry().is_some(),
            "until the board says so"
        );
        assert!(tell(&mut machine, &Command::Unlock));
        assert!(
            !tell(&mut machine, &Command::ApplyLock { version: 1 }),
            "too late"
        );
        assert_eq!(order(&machine), (2, LockState::Open, Delivery::Queued));
        assert!(tell(&mut machine, &Command::ApplyLock { version: 2 }));
        assert!(
            !tell(&mut machine, &Command::CarryLock { version: 2 }),
            "it is there"
        );
        assert_eq!(machine.lock().to_carry(), None);
        let other = ReaderId::from_bytes([8; 8]);
        assert!(tell(&mut machine, &Command::Claim { reader: other }));
        assert_eq!(order(&machine), (2, LockState::Open, Delivery::Queued));
    }

    #[test]
    fn a_product_off_the_list_is_no_longer_the_cheapest() {
        let mut machine = served();
        let (item, name) = (Item::new(1), "water".to_owned());
        let product = Product {
            name,
            price: Amount::from_minor(90),
        };
        assert!(tell(&mut machine, &Command::List { item, product }));
        let least = |machine: &Machine| machine.terms(KIOSK).map(|(terms, _)| terms.least.minor());
        assert_eq!(least(&machine), Ok(90));
        assert!(tell(&mut machine, &Command::Delist { item }));
        assert_eq!(least(&machine), Ok(1));
        assert!(!tell(&mut machine, &Command::Delist { item }));
    }
}
