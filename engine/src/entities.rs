//! What one shard hosts, and how a command becomes a record: decide, append, evolve. No actor, no
//! thread, no clock; replay and live work go through the same [`Entities::apply`].

mod customer;
mod looks;
mod rest;
mod room;
mod sessions;

use crate::bounds::{ENTITIES_MAX, LET_GO_LOOKS};
use crate::directory::{Directory, Listing};
use crate::failure::Failure;
use crate::relay::{Stood, View};
use crate::session::Moved;
use customer::{Customer, Name};
use gettone_core::entity::Entity;
use gettone_core::id::{MachineId, OperatorId, ReaderId, VendId, WalletId};
use gettone_core::lock::Lock;
use gettone_core::machine::{self, Machine};
use gettone_core::operator::{self, Operator};
use gettone_core::port::{Frames, Key, Kind};
use gettone_core::reader::{self, Reader};
use gettone_core::record::{Event, RECORD_MAX, Record};
use gettone_core::session;
use gettone_core::snapshot::SnapshotFault;
use gettone_core::time::Timestamp;
use gettone_core::wallet::{self, Wallet};
use rest::Rests;
pub(crate) use rest::{Mark, Saved, Shelved};
use room::Room;
use std::collections::BTreeSet;
use std::sync::Arc;

/// When a turn takes place, and where its records go.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Timestamp,
    pub(crate) frames: &'a mut Frames,
}

/// Everything that one shard hosts.
#[derive(Debug)]
pub(crate) struct Entities {
    customers: Room<Customer>,
    machines: Room<Machine>,
    readers: Room<Reader>,
    operators: Room<Operator>,
    /// Wallets of which money is on its way to others; none of them may leave.
    senders: BTreeSet<WalletId>,
    rests: Rests,
    listing: Listing,
    swept: usize,
    looked: usize,
}

impl Entities {
    /// An empty host, whose sessions nobody lists yet.
    pub(crate) fn new(shelved: Shelved) -> Self {
        Self {
            customers: Room::new(),
            machines: Room::new(),
            readers: Room::new(),
            operators: Room::new(),
            senders: BTreeSet::new(),
            rests: Rests::new(shelved),
            listing: Listing::default(),
            swept: 0,
            looked: 0,
        }
    }

    /// Has live sessions listed from now on, those that are here included.
    pub(crate) fn list_in(&mut self, directory: &Arc<Directory>) {
        self.listing = Listing(Some(Arc::clone(directory)));
        for (id, customer) in self.customers.iter() {
            customer.list(id, &self.listing);
        }
    }

    /// Takes a record in: the only way in which anything here changes.
    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::Wallet { wallet, event } => self.apply_wallet(*wallet, event),
            Event::Session {
                wallet,
                session,
                event,
            } => self.apply_session(*wallet, *session, event),
            Event::Machine { machine, event } => self
                .machines
                .change_or_add(*machine, &mut self.rests)
                .evolve(event),
            Event::Reader { reader, event } => self
                .readers
                .change_or_add(*reader, &mut self.rests)
                .evolve(event),
            Event::Operator { operator, event } => self
                .operators
                .change_or_add(*operator, &mut self.rests)
                .evolve(event),
        }
    }

    /// Whose each live session is.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        let listing = self.listing.0.as_ref();
        listing.expect("a shard that runs has its sessions listed")
    }

    /// Whether a session lives.
    pub(crate) fn has_session(&self, wallet: WalletId, session: VendId) -> bool {
        let customer = self.customers.find(wallet);
        customer.is_some_and(|customer| customer.session(session).is_some())
    }

    /// Asks a wallet.
    pub(crate) fn wallet(
        &mut self,
        turn: &mut Turn<'_>,
        id: WalletId,
        command: &wallet::Command,
    ) -> Result<Moved, Failure<wallet::Refusal>> {
        let event = match self.customers.find(id) {
            Some(customer) => customer.wallet().decide(command, turn.now),
            None if self.customers.has_room_for(id) => Wallet::default().decide(command, turn.now),
            None => return Err(full("wallets")),
        }
        .map_err(Failure::Refused)?;
        let event = self.commit_wallet(turn, id, event)?;
        let balance = self
            .balance(id)
            .ok_or(Failure::Refused(wallet::Refusal::NotOpen))?;
        Ok(Moved { event, balance })
    }

    /// Asks a machine.
    pub(crate) fn machine(
        &mut self,
        turn: &mut Turn<'_>,
        id: MachineId,
        command: &machine::Command,
    ) -> Result<Option<machine::Event>, Failure<machine::Refusal>> {
        let event = match self.machines.find(id) {
            Some(machine) => machine.decide(command, turn.now),
            None if self.machines.has_room_for(id) => Machine::default().decide(command, turn.now),
            None => return Err(full("machines")),
        }
        .map_err(Failure::Refused)?;
        let Some(event) = event else { return Ok(None) };
        let record = self.commit(turn, Event::Machine { machine: id, event })?;
        Ok(match record.event {
            Event::Machine { event, .. } => Some(event),
            Event::Wallet { .. }
            | Event::Session { .. }
            | Event::Reader { .. }
            | Event::Operator { .. } => None,
        })
    }

    /// Asks a reader.
    pub(crate) fn reader(
        &mut self,
        turn: &mut Turn<'_>,
        id: ReaderId,
        command: &reader::Command,
    ) -> Result<Option<reader::Event>, Failure<reader::Refusal>> {
        let event = match self.readers.find(id) {
            Some(reader) => reader.decide(command, turn.now),
            None if self.readers.has_room_for(id) => Reader::default().decide(command, turn.now),
            None => return Err(full("readers")),
        }
        .map_err(Failure::Refused)?;
        let Some(event) = event else { return Ok(None) };
        let event = Box::new(event);
        let record = self.commit(turn, Event::Reader { reader: id, event })?;
        Ok(match record.event {
            Event::Reader { event, .. } => Some(*event),
            Event::Wallet { .. }
            | Event::Session { .. }
            | Event::Machine { .. }
            | Event::Operator { .. } => None,
        })
    }

    /// Asks an operator.
    pub(crate) fn operator(
        &mut self,
        turn: &mut Turn<'_>,
        id: OperatorId,
        command: &operator::Command,
    ) -> Result<Option<operator::Event>, Failure<operator::Refusal>> {
        let event = match self.operators.find(id) {
            Some(operator) => operator.decide(command, turn.now),
            None if self.operators.has_room_for(id) => {
                Operator::default().decide(command, turn.now)
            }
            None => return Err(full("operators")),
        }
        .map_err(Failure::Refused)?;
        let Some(event) = event else { return Ok(None) };
        let event = Box::new(event);
        let record = self.commit(
            turn,
            Event::Operator {
                operator: id,
                event,
            },
        )?;
        Ok(match record.event {
            Event::Operator { event, .. } => Some(*event),
            Event::Wallet { .. }
            | Event::Session { .. }
            | Event::Machine { .. }
            | Event::Reader { .. } => None,
        })
    }

    /// Asks a reader for one step of a relay, and tells how it stands after it.
    pub(crate) fn relay(
        &mut self,
        turn: &mut Turn<'_>,
        id: ReaderId,
        step: (Option<reader::Command>, View),
    ) -> Result<Stood, Failure<reader::Refusal>> {
        let (command, view) = step;
        if let Some(command) = command {
            self.reader(turn, id, &command)?;
        }
        self.readers
            .find(id)
            .map(|reader| view.of(id, reader))
            .ok_or(Failure::Refused(reader::Refusal::Unknown))
    }

    /// A reader stands before its machine: notes which order it took last, and gives the one that
    /// it should be told of.
    pub(crate) fn attend(
        &mut self,
        turn: &mut Turn<'_>,
        id: MachineId,
        (reader, taken): (ReaderId, u32),
    ) -> Result<Option<Lock>, Failure<machine::Refusal>> {
        let Some(machine) = self.machines.find(id) else {
            return Ok(None);
        };
        let order = machine.lock();
        if machine.reader() != Some(reader) || order.version == 0 {
            return Ok(None);
        }
        let version = order.version;
        if taken >= version {
            self.machine(turn, id, &machine::Command::ApplyLock { version })?;
            return Ok(None);
        }
        self.machine(turn, id, &machine::Command::CarryLock { version })?;
        let state = order.state;
        Ok(Some(Lock { version, state }))
    }

    /// Whether an entity is here; one that is not may lie on the shelf.
    pub(crate) fn hosts(&self, key: Key) -> bool {
        match key.kind() {
            Kind::Wallet => self.customers.place(wallet_of(key)).is_some(),
            Kind::Machine => machine_of(key).is_some_and(|id| self.machines.place(id).is_some()),
            Kind::Reader => self.readers.place(reader_of(key)).is_some(),
            Kind::Operator => operator_of(key).is_some_and(|id| self.operators.place(id).is_some()),
            Kind::LiveWallet | Kind::DueReader | Kind::BusyOperator | Kind::Payables => true,
        }
    }

    /// Takes in what was on the shelf, unless it is here.
    pub(crate) fn lodge(&mut self, key: Key, bytes: &[u8]) -> Result<(), SnapshotFault> {
        match key.kind() {
            Kind::Wallet => {
                let id = wallet_of(key);
                let customer = self.customers.lodge(id, bytes)?;
                customer.list(id, &self.listing);
                if !customer.wallet().outgoing().is_empty() {
                    self.senders.insert(id);
                }
            }
            Kind::Machine => {
                let id = machine_of(key).ok_or(SnapshotFault::Unreadable)?;
                self.machines.lodge(id, bytes)?;
            }
            Kind::Reader => {
                self.readers.lodge(reader_of(key), bytes)?;
            }
            Kind::Operator => {
                let id = operator_of(key).ok_or(SnapshotFault::Unreadable)?;
                self.operators.lodge(id, bytes)?;
            }
            Kind::LiveWallet | Kind::DueReader | Kind::BusyOperator | Kind::Payables => {}
        }
        Ok(())
    }

    /// From here on a snapshot shows everything as it is here.
    pub(crate) fn cut(&mut self) {
        self.rests.cut();
        self.customers.cut();
        self.machines.cut();
        self.readers.cut();
        self.operators.cut();
    }

    /// Gives a part of what the cut has to save, and whether that was the last.
    pub(crate) fn save(&mut self) -> Result<(Saved, Left), SnapshotFault> {
        let rests = &mut self.rests;
        let more = self.customers.save(rests)
            || self.machines.save(rests)
            || self.readers.save(rests)
            || self.operators.save(rests);
        let left = if more { Left::More } else { Left::Nothing };
        Ok((self.rests.take()?, left))
    }

    /// The snapshot is complete: what it holds may be let go.
    pub(crate) fn rest(&mut self) {
        self.rests.settle();
    }

    /// The snapshot failed, and there will be no other.
    pub(crate) fn forget_cut(&mut self) {
        self.rests.forget();
        self.customers.forget_cut();
        self.machines.forget_cut();
        self.readers.forget_cut();
        self.operators.forget_cut();
    }

    /// Lets wallets go while there are more than `residents_max`, as far as they rest on the shelf;
    /// gives how many went.
    pub(crate) fn let_go(&mut self, residents_max: usize) -> usize {
        let count = self.customers.len().saturating_sub(residents_max);
        if count == 0 {
            return 0;
        }
        self.customers.let_go((count, LET_GO_LOOKS), &self.rests)
    }

    /// Appends a record. When it cannot be written, nothing has changed.
    fn write<R>(turn: &mut Turn<'_>, record: &Record) -> Result<(), Failure<R>> {
        turn.frames
            .push_with(|out| record.encode(out))
            .map_err(|fault| {
                tracing::error!(%fault, "a record was not written");
                Failure::Full {
                    what: "bytes in one record",
                    limit: RECORD_MAX,
                }
            })?;
        #[cfg(test)]
        crate::sim::trip::cross();
        Ok(())
    }

    /// Appends a record, then takes it in.
    fn commit<R>(&mut self, turn: &mut Turn<'_>, event: Event) -> Result<Record, Failure<R>> {
        let record = Record {
            at: turn.now,
            event,
        };
        Self::write(turn, &record)?;
        self.apply(&record);
        #[cfg(test)]
        crate::sim::trip::cross();
        Ok(record)
    }

    fn commit_wallet<R>(
        &mut self,
        turn: &mut Turn<'_>,
        wallet: WalletId,
        event: Option<wallet::Event>,
    ) -> Result<Option<wallet::Event>, Failure<R>> {
        let Some(event) = event else { return Ok(None) };
        let record = self.commit(turn, Event::Wallet { wallet, event })?;
        Ok(match record.event {
            Event::Wallet { event, .. } => Some(event),
            Event::Session { .. }
            | Event::Machine { .. }
            | Event::Reader { .. }
            | Event::Operator { .. } => None,
        })
    }

    fn apply_wallet(&mut self, id: WalletId, event: &wallet::Event) {
        let customer = self.customers.change_or_add(id, &mut self.rests);
        customer.evolve(event, (id, Name::Unlisted, &self.listing));
        if matches!(
            event,
            wallet::Event::Sent { .. }
                | wallet::Event::Delivered { .. }
                | wallet::Event::Returned { .. }
        ) {
            if customer.wallet().outgoing().is_empty() {
                self.senders.remove(&id);
            } else {
                self.senders.insert(id);
            }
        }
    }

    fn apply_session(&mut self, id: WalletId, name: VendId, event: &session::Event) {
        self.customers
            .change_or_add(id, &mut self.rests)
            .evolve_session(name, event, (id, &self.listing));
    }
}

/// Whether a snapshot has more to save.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    More,
    Nothing,
}

const fn wallet_of(key: Key) -> WalletId {
    WalletId::new(key.number())
}

fn machine_of(key: Key) -> Option<MachineId> {
    u32::try_from(key.number()).ok().map(MachineId::new)
}

fn operator_of(key: Key) -> Option<OperatorId> {
    u32::try_from(key.number()).ok().map(OperatorId::new)
}

fn reader_of(key: Key) -> ReaderId {
    ReaderId::from_bytes(key.number().to_be_bytes())
}

const fn full<R>(what: &'static str) -> Failure<R> {
    Failure::Full {
        what,
        limit: ENTITIES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::SessionRefusal;
    use crate::session::{Action, Progress, SessionCommand};
    use core::time::Duration;
    use gettone_core::grant::Purpose;
    use gettone_core::grant::Terms;
    use gettone_core::id::TransferId;
    use gettone_core::money::{Amount, Currency};
    use gettone_core::session::{IDLE_MAX, Phase};

    const ANN: WalletId = WalletId::new(1);
    const PLACE: (MachineId, OperatorId) = (MachineId::new(1), OperatorId::new(1));

    fn vend(number: u8) -> VendId {
        VendId::from_bytes([number; 16])
    }

    fn at(time: Duration) -> Timestamp {
        Timestamp::from_millis(u64::try_from(time.as_millis()).expect("a short time"))
    }

    fn act(
        entities: &mut Entities,
        name: u8,
        action: Action,
    ) -> Result<Progress, Failure<SessionRefusal>> {
        let command = SessionCommand {
            wallet: ANN,
            session: vend(name),
            action,
        };
        let turn = &mut Turn {
            now: Timestamp::default(),
            frames: &mut Frames::default(),
        };
        entities.session(turn, &command)
    }

    fn live(entities: &Entities) -> usize {
        entities
            .listing
            .0
            .as_ref()
            .map_or(0, |listed| listed.live())
    }

    fn opened() -> Entities {
        let mut entities = Entities::new(Shelved::No);
        entities.list_in(&Arc::default());
        let turn = &mut Turn {
            now: Timestamp::default(),
            frames: &mut Frames::default(),
        };
        for command in [
            wallet::Command::Open {
                currency: Currency::EUR,
            },
            wallet::Command::TopUp {
                key: TransferId::from_bytes([1; 16]),
                amount: Amount::from_minor(500),
            },
        ] {
            entities.wallet(turn, ANN, &command).expect("allowed");
        }
        let (machine, operator) = PLACE;
        let terms = Terms {
            operator,
            machine,
            cap: Amount::from_minor(100),
            least: Amount::from_minor(1),
            vends_max: 1,
            fee_basis_points: 0,
            revalue_max: Amount::ZERO,
            purpose: Purpose::Sale,
        };
        act(&mut entities, 1, Action::Open { machine, operator }).expect("opens");
        act(&mut entities, 2, Action::Begin { terms }).expect("begins");
        entities
    }

    #[test]
    fn silence_ends_a_session_without_a_hold_and_never_one_with() {
        let mut entities = opened();
        let mut frames = Frames::default();
        let mut swept = |entities: &mut Entities, time| {
            let turn = &mut Turn {
                now: at(time),
                frames: &mut frames,
            };
            entities.lapse(turn, 1_000);
            frames.len()
        };
        let just_before = IDLE_MAX - Duration::from_millis(1);
        assert_eq!(swept(&mut entities, just_before), 0, "not yet");
        assert_eq!(swept(&mut entities, IDLE_MAX), 1, "one record");
        assert_eq!(swept(&mut entities, IDLE_MAX * 100), 1, "and no other");
        let ann = entities.customers.find(ANN).expect("she is there");
        assert!(ann.session(vend(1)).is_none());
        let held = ann.session(vend(2));
        assert_eq!(held.map(|session| session.phase), Some(Phase::Held));
        assert_eq!(live(&entities), 1);
        assert_eq!(ann.sessions().len(), 1);
    }

    #[test]
    fn a_sweep_looks_at_few_wallets_and_goes_on_where_it_left_off() {
        let mut entities = opened();
        let (machine, operator) = PLACE;
        for number in 3..40 {
            let wallet = WalletId::new(number);
            let turn = &mut Turn {
                now: Timestamp::default(),
                frames: &mut Frames::default(),
            };
            let open = wallet::Command::Open {
                currency: Currency::EUR,
            };
            entities.wallet(turn, wallet, &open).expect("opens");
            let command = SessionCommand {
                wallet,
                session: vend(u8::try_from(number).expect("few")),
                action: Action::Open { machine, operator },
            };
            entities.session(turn, &command).expect("opens");
        }
        let mut sweeps = 0;
        while live(&entities) > 1 {
            let mut frames = Frames::default();
            let turn = &mut Turn {
                now: at(IDLE_MAX),
                frames: &mut frames,
            };
            entities.lapse(turn, 4);
            assert!(frames.len() <= 4);
            sweeps += 1;
            assert!(sweeps <= 64, "it comes round to every slot");
        }
    }

    #[test]
    fn a_hold_that_is_refused_leaves_no_session_behind() {
        let mut entities = opened();
        let (machine, operator) = PLACE;
        let terms = Terms {
            operator,
            machine,
            cap: Amount::from_minor(100_000),
            least: Amount::from_minor(90_000),
            vends_max: 1,
            fee_basis_points: 0,
            revalue_max: Amount::ZERO,
            purpose: Purpose::Sale,
        };
        let refused = act(&mut entities, 9, Action::Begin { terms });
        assert!(matches!(
            refused,
            Err(Failure::Refused(SessionRefusal::Wallet(
                wallet::Refusal::InsufficientFunds { .. }
            )))
        ));
        assert_eq!(
            entities
                .listing
                .0
                .as_ref()
                .and_then(|listed| listed.wallet(vend(9))),
            None
        );
        // The control: opened first, it stays.
        act(&mut entities, 9, Action::Open { machine, operator }).expect("opens");
        act(&mut entities, 9, Action::Reserve { terms }).expect_err("the same refusal");
        assert_eq!(
            entities
                .listing
                .0
                .as_ref()
                .and_then(|listed| listed.wallet(vend(9))),
            Some(ANN)
        );
    }

    #[test]
    fn a_record_that_cannot_be_written_changes_nothing() {
        let mut entities = opened();
        let before = entities.seen_wallet(ANN);
        let turn = &mut Turn {
            now: Timestamp::default(),
            frames: &mut Frames::default(),
        };
        let event = wallet::Event::ToppedUp {
            key: TransferId::from_bytes([2; 16]),
            amount: Amount::from_minor(1),
            repaid: vec![(OperatorId::new(1), Amount::ZERO); RECORD_MAX],
        };
        let written = entities.commit_wallet::<()>(turn, ANN, Some(event));
        assert!(matches!(
            written,
            Err(Failure::Full {
                limit: RECORD_MAX,
                ..
            })
        ));
        assert!(turn.frames.is_empty());
        assert_eq!(entities.seen_wallet(ANN), before);
    }
}
