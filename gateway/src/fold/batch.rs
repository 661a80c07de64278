//! What the records of one commit share: lines on their way into the tables, many to a statement, and
//! what was looked up for them, all at once. Statement by statement a server would be asked twenty
//! times for each vend.

use super::lines::{Lines, found};
use crate::database::{kept, unkept};
use crate::sql::{self, Connection, OptionalExtension, Params};
use core::cell::{Cell, RefCell};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::money::Amount;
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use gettone_core::time::Timestamp;
use gettone_core::{reader, wallet};
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where a hold is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held {
    pub(super) machine: MachineId,
    pub(super) operator: OperatorId,
}

/// What is sold there, and for how much.
pub(super) type Product = (String, Amount);

/// The records of one commit on their way.
#[derive(Debug)]
pub(crate) struct Batch {
    head: Seq,
    accounts: RefCell<Lines>,
    holds: RefCell<Lines>,
    receipts: RefCell<Lines>,
    sales: RefCell<Lines>,
    happenings: RefCell<Lines>,
    /// The record that had a line last, and how many it has.
    sold: Cell<(Seq, u64)>,
    told: Cell<(Seq, u64)>,
    currencies: RefCell<BTreeMap<WalletId, Option<String>>>,
    held: RefCell<BTreeMap<VendId, Option<Held>>>,
    products: RefCell<BTreeMap<(MachineId, Item), Option<Product>>>,
    names: RefCell<BTreeMap<MachineId, Option<String>>>,
    cases: RefCell<BTreeSet<VendId>>,
    dates: RefCell<BTreeMap<(VendId, Rseq), Dated>>,
}

/// When something was sold, on its way from its receipt to its sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dated {
    /// It lies in the table.
    There(Timestamp),
    /// It has to go there, unless it is asked for before.
    Fresh(Timestamp),
    /// It was asked for, and has to go from there.
    Gone,
}

impl Batch {
    /// Looks up what these records will ask for.
    pub(super) fn of(
        connection: &Connection,
        records: &[(Seq, Record)],
        head: Seq,
    ) -> sql::Result<Self> {
        let mut asked = Asked::default();
        for (_, record) in records {
            asked.add(record);
        }
        let batch = Self {
            head,
            accounts: RefCell::new(Lines::of(
                "INSERT INTO account (wallet, currency) VALUES",
                "ON CONFLICT DO NOTHING",
            )),
            holds: RefCell::new(Lines::of(
                "INSERT INTO hold (vend, machine, operator, held) VALUES",
                "ON CONFLICT DO NOTHING",
            )),
            receipts: RefCell::new(Lines::of(
                "INSERT INTO receipt (seq, at_ms, wallet, kind, amount, currency, operator, vend,
                                      rseq, machine, item, product, owed) VALUES",
                "",
            )),
            sales: RefCell::new(Lines::of(
                "INSERT INTO sale (line, kind, at_ms, sold_at_ms, when_ms, operator, machine,
                                   wallet, vend, rseq, item, product, count, amount, currency,
                                   from_closed, owed, fee, test, review) VALUES",
                "",
            )),
            happenings: RefCell::new(Lines::of(
                "INSERT INTO happening (place, operator, name, body) VALUES",
                "",
            )),
            sold: Cell::new((Seq::new(0), 0)),
            told: Cell::new((Seq::new(0), 0)),
            currencies: RefCell::default(),
            held: RefCell::default(),
            products: RefCell::default(),
            names: RefCell::default(),
            cases: RefCell::default(),
            dates: RefCell::default(),
        };
        batch.look_up(connection, &asked)?;
        Ok(batch)
    }

    fn look_up(&self, connection: &Connection, asked: &Asked) -> sql::Result<()> {
        let mut currencies: BTreeMap<_, _> = asked.wallets.iter().map(|id| (*id, None)).collect();
        let wallets = asked
            .wallets
            .iter()
            .map(|id| Value::from(kept(id.number())));
        found(
            connection,
            "SELECT wallet, currency FROM account WHERE wallet IN",
            wallets,
            |row| {
                currencies.insert(WalletId::new(unkept(row.get(0)?)), row.get(1)?);
                Ok(())
            },
        )?;
        self.currencies.replace(currencies);

        let vends = || {
            asked
                .vends
                .iter()
                .map(|vend| Value::from(vend.as_bytes().to_vec()))
        };
        let mut held: BTreeMap<_, _> = asked.vends.iter().map(|vend| (*vend, None)).collect();
        found(
            connection,
            "SELECT vend, machine, operator FROM hold WHERE vend IN",
            vends(),
            |row| {
                let place = Held {
                    machine: MachineId::new(row.get(1)?),
                    operator: OperatorId::new(row.get(2)?),
                };
                held.insert(VendId::from_bytes(row.get(0)?), Some(place));
                Ok(())
            },
        )?;
        let mut machines = asked.machines.clone();
        machines.extend(held.values().flatten().map(|place| place.machine));
        self.held.replace(held);

        let mut dates = BTreeMap::new();
        found(
            connection,
            "SELECT vend, rseq, at_ms FROM dated WHERE vend IN",
            vends(),
            |row| {
                let name = (
                    VendId::from_bytes(row.get(0)?),
                    Rseq::new(unkept(row.get(1)?)),
                );
                let at = Timestamp::from_millis(unkept(row.get(2)?));
                dates.insert(name, Dated::There(at));
                Ok(())
            },
        )?;
        self.dates.replace(dates);

        let mut cases = BTreeSet::new();
        found(
            connection,
            "SELECT vend FROM refund WHERE vend IN",
            vends(),
            |row| {
                cases.insert(VendId::from_bytes(row.get(0)?));
                Ok(())
            },
        )?;
        self.cases.replace(cases);

        let numbers = || machines.iter().map(|machine| Value::from(machine.number()));
        let mut names: BTreeMap<_, _> = machines.iter().map(|machine| (*machine, None)).collect();
        found(
            connection,
            "SELECT machine, name FROM place WHERE name <> '' AND machine IN",
            numbers(),
            |row| {
                names.insert(MachineId::new(row.get(0)?), row.get(1)?);
                Ok(())
            },
        )?;
        self.names.replace(names);
        Ok(())
    }

    /// The last record of the journal.
    pub(super) const fn head(&self) -> Seq {
        self.head
    }

    /// A wallet's currency.
    pub(super) fn currency(&self, connection: &Connection, id: WalletId) -> sql::Result<String> {
        let known = self.currencies.borrow().get(&id).cloned();
        let found = match known {
            Some(known) => known,
            None => connection
                .prepare_cached("SELECT currency FROM account WHERE wallet = ?1")?
                .query_row([kept(id.number())], |row| row.get(0))
                .optional()?,
        };
        self.currencies.borrow_mut().insert(id, found.clone());
        found.ok_or(sql::SqlFault::NoRow)
    }

    /// Adds a wallet.
    pub(super) fn open(&self, id: WalletId, currency: &str) -> sql::Result<()> {
        let mut known = self.currencies.borrow_mut();
        if known.get(&id).is_none_or(Option::is_none) {
            known.insert(id, Some(currency.to_owned()));
            let line = sql::params![kept(id.number()), currency];
            self.accounts.borrow_mut().push(line)?;
        }
        Ok(())
    }

    /// Where a hold is.
    pub(super) fn place_of(
        &self,
        connection: &Connection,
        vend: VendId,
    ) -> sql::Result<Option<Held>> {
        if let Some(known) = self.held.borrow().get(&vend) {
            return Ok(*known);
        }
        let found = connection
            .prepare_cached("SELECT machine, operator FROM hold WHERE vend = ?1")?
            .query_row([vend.as_bytes()], |row| {
                Ok(Held {
                    machine: MachineId::new(row.get(0)?),
                    operator: OperatorId::new(row.get(1)?),
                })
            })
            .optional()?;
        self.held.borrow_mut().insert(vend, found);
        Ok(found)
    }

    /// Adds a hold.
    pub(super) fn hold(&self, vend: VendId, place: Held, amount: Amount) -> sql::Result<()> {
        let mut known = self.held.borrow_mut();
        if known.get(&vend).is_none_or(Option::is_none) {
            known.insert(vend, Some(place));
        }
        self.holds.borrow_mut().push(sql::params![
            vend.as_bytes(),
            place.machine.number(),
            place.operator.number(),
            amount.minor()
        ])
    }

    /// What is sold at a machine, and for how much.
    pub(super) fn product(
        &self,
        connection: &Connection,
        machine: MachineId,
        item: Item,
    ) -> sql::Result<Option<Product>> {
        if let Some(known) = self.products.borrow().get(&(machine, item)) {
            return Ok(known.clone());
        }
        let found = connection
            .prepare_cached("SELECT name, price FROM product WHERE machine = ?1 AND item = ?2")?
            .query_row(sql::params![machine.number(), item.number()], |row| {
                Ok((row.get(0)?, Amount::from_minor(row.get(1)?)))
            })
            .optional()?;
        let mut products = self.products.borrow_mut();
        products.insert((machine, item), found.clone());
        Ok(found)
    }

    /// Forgets what was looked up of a machine's products: one of them changed.
    pub(super) fn forget_product(&self, machine: MachineId, item: Item) {
        self.products.borrow_mut().remove(&(machine, item));
    }

    /// What a machine is called.
    pub(super) fn name_of(
        &self,
        connection: &Connection,
        machine: MachineId,
    ) -> sql::Result<Option<String>> {
        if let Some(known) = self.names.borrow().get(&machine) {
            return Ok(known.clone());
        }
        let found = super::name_of(connection, machine)?;
        self.names.borrow_mut().insert(machine, found.clone());
        Ok(found)
    }

    /// Whether there may be a case about a vend.
    pub(super) fn may_have_case(&self, vend: VendId) -> bool {
        self.cases.borrow().contains(&vend)
    }

    /// Notes that a case about a vend is there.
    pub(super) fn note_case(&self, vend: VendId) {
        self.cases.borrow_mut().insert(vend);
    }

    /// Notes when something was sold; what was noted first stays.
    pub(super) fn date(&self, vend: VendId, rseq: Rseq, at: Timestamp) {
        let mut dates = self.dates.borrow_mut();
        let known = dates.entry((vend, rseq)).or_insert(Dated::Fresh(at));
        if *known == Dated::Gone {
            *known = Dated::Fresh(at);
        }
    }

    /// When something was sold, as its reader dated it; it is asked once.
    pub(super) fn dated(&self, vend: VendId, rseq: Rseq) -> Option<Timestamp> {
        let mut dates = self.dates.borrow_mut();
        match dates.remove(&(vend, rseq))? {
            Dated::There(at) => {
                dates.insert((vend, rseq), Dated::Gone);
                Some(at)
            }
            Dated::Fresh(at) => Some(at),
            Dated::Gone => None,
        }
    }

    /// The next line of a record among the sales; the first one has the number 0.
    pub(crate) fn next_sale(&self, seq: Seq) -> u64 {
        next(&self.sold, seq)
    }

    /// The next event of a record.
    pub(super) fn next_happening(&self, seq: Seq) -> u64 {
        next(&self.told, seq)
    }

    pub(super) fn add_receipt(&self, line: impl Params) -> sql::Result<()> {
        self.receipts.borrow_mut().push(line)
    }

    pub(crate) fn add_sale(&self, line: impl Params) -> sql::Result<()> {
        self.sales.borrow_mut().push(line)
    }

    pub(super) fn add_happening(&self, line: impl Params) -> sql::Result<()> {
        self.happenings.borrow_mut().push(line)
    }

    /// Brings the lines into their tables, for who reads them there.
    pub(super) fn flush(&self, connection: &Connection) -> sql::Result<()> {
        for lines in [
            &self.accounts,
            &self.holds,
            &self.receipts,
            &self.sales,
            &self.happenings,
        ] {
            lines.borrow_mut().flush(connection)?;
        }
        Ok(())
    }

    /// Brings everything into its table.
    pub(super) fn end(self, connection: &Connection) -> sql::Result<()> {
        self.flush(connection)?;
        let mut fresh = Lines::of(
            "INSERT INTO dated (vend, rseq, at_ms) VALUES",
            "ON CONFLICT (vend, rseq) DO UPDATE SET at_ms = excluded.at_ms",
        );
        for ((vend, rseq), dated) in self.dates.into_inner() {
            match dated {
                Dated::There(_) => {}
                Dated::Fresh(at) => fresh.push(sql::params![
                    vend.as_bytes(),
                    kept(rseq.number()),
                    kept(at.as_millis())
                ])?,
                Dated::Gone => {
                    connection
                        .prepare_cached("DELETE FROM dated WHERE vend = ?1 AND rseq = ?2")?
                        .execute(sql::params![vend.as_bytes(), kept(rseq.number())])?;
                }
            }
        }
        fresh.flush(connection)
    }
}

fn next(last: &Cell<(Seq, u64)>, seq: Seq) -> u64 {
    let (of, count) = last.get();
    let number = if of == seq { count } else { 0 };
    last.set((seq, number.saturating_add(1)));
    number
}

/// What records will ask for.
#[derive(Default, Debug)]
struct Asked {
    wallets: BTreeSet<WalletId>,
    vends: BTreeSet<VendId>,
    machines: BTreeSet<MachineId>,
}

impl Asked {
    fn add(&mut self, record: &Record) {
        match &record.event {
            Event::Wallet { wallet, event } => {
                self.wallets.insert(*wallet);
                #[expect(
                    clippy::wildcard_enum_match_arm,
                    reason = "what is rare is looked up one by one"
                )]
                match event {
                    wallet::Event::Reserved { vend, terms, .. } => {
                        self.vends.insert(*vend);
                        self.machines.insert(terms.machine);
                    }
                    wallet::Event::Captured { vend, .. }
                    | wallet::Event::Released { vend, .. }
                    | wallet::Event::Failed { vend, .. }
                    | wallet::Event::Credited { vend, .. }
                    | wallet::Event::Doubted { vend, .. } => {
                        self.vends.insert(*vend);
                    }
                    _ => {}
                }
            }
            Event::Machine { machine, .. } => {
                self.machines.insert(*machine);
            }
            Event::Reader { event, .. } => {
                let receipts = match event.as_ref() {
                    reader::Event::Heard { receipts, .. } => receipts,
                    reader::Event::Scanned(scanned) => &scanned.receipts,
                    reader::Event::Enrolled { .. }
                    | reader::Event::Revoked
                    | reader::Event::Applied { .. }
                    | reader::Event::TokensKept { .. }
                    | reader::Event::Forgotten { .. }
                    | reader::Event::KeyAnnounced(_)
                    | reader::Event::KeyDisputed { .. }
                    | reader::Event::KeySwitched { .. }
                    | reader::Event::ControllerDoubted { .. }
                    | reader::Event::ControllerTrusted
                    | reader::Event::ServerFollowed { .. }
                    | reader::Event::Answered { .. }
                    | reader::Event::Fenced { .. } => return,
                };
                self.vends
                    .extend(receipts.iter().map(|receipt| receipt.grant));
            }
            Event::Operator { .. } | Event::Session { .. } => {}
        }
    }
}
