//! What happened to machines.

use super::Fold;
use crate::database::kept;
use crate::fleet::operator_of;
use crate::happening::Subject;
use crate::sales;
use crate::sql::{self, Connection, OptionalExtension, params};
use crate::text::decimal;
use gettone_core::counters::{OTHER_ITEM, Row};
use gettone_core::id::{Item, MachineId, OperatorId, TransferId};
use gettone_core::lock::LockState;
use gettone_core::machine::{self, Product};
use gettone_core::money::Amount;
use serde_json::json;

impl Fold<'_> {
    /// Takes in what happened to a machine.
    pub(super) fn take_machine(
        self,
        machine: MachineId,
        event: &machine::Event,
    ) -> sql::Result<()> {
        if let machine::Event::Listed { item, product } = event {
            self.name(machine, *item, product)?;
        }
        if let machine::Event::Registered {
            operator, currency, ..
        } = event
        {
            self.connection
                .prepare_cached(
                    "INSERT INTO machine (machine, operator, currency) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    machine.number(),
                    operator.number(),
                    currency.code()
                ])?;
        }
        let Some(operator) = operator_of(self.connection, machine)? else {
            return Ok(());
        };
        let words = match event {
            machine::Event::Registered { .. } => "registered".to_owned(),
            machine::Event::Claimed { reader } => format!("served by reader {reader}"),
            machine::Event::Listed { item, product } => {
                format!("selection {} is {}", item.number(), product.name)
            }
            machine::Event::Delisted { item } => {
                format!("selection {} is off the list", item.number())
            }
            machine::Event::LockOrdered { state, .. } => match state {
                LockState::Locked => "to be locked".to_owned(),
                LockState::Open => "to be opened".to_owned(),
            },
            machine::Event::LockCarried { .. } => {
                "its order to lock or open is on its way".to_owned()
            }
            machine::Event::LockApplied { .. } => "its reader has locked or opened".to_owned(),
            machine::Event::Tallied { sold, .. } => {
                return self.sold_for_cash(operator, machine, sold);
            }
            machine::Event::TookIn { .. } => "a customer put cash in".to_owned(),
            machine::Event::Counted {
                key,
                counted,
                expected,
                ..
            } => return self.counted(operator, machine, (*key, *counted, *expected)),
        };
        let body = json!({"words": words});
        self.tell(operator, Subject::Machine, Some(machine), body)
    }

    /// What is sold there; what is taken off the list keeps its name in what was sold before.
    fn name(self, machine: MachineId, item: Item, product: &Product) -> sql::Result<()> {
        self.batch.forget_product(machine, item);
        self.connection
            .prepare_cached(
                "INSERT INTO product (machine, item, name, price) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (machine, item) DO UPDATE SET name = excluded.name, price = excluded.price",
            )?
            .execute(params![
                machine.number(),
                item.number(),
                product.name,
                product.price.minor()
            ])?;
        Ok(())
    }

    /// Adds what was sold for cash since the snapshot before.
    fn sold_for_cash(
        self,
        operator: OperatorId,
        machine: MachineId,
        sold: &[Row],
    ) -> sql::Result<()> {
        let Some(currency) = currency_of(self.connection, machine)? else {
            return Ok(());
        };
        for row in sold {
            let item = (row.item != OTHER_ITEM).then_some(row.item);
            let product: Option<String> = match item {
                Some(item) => self
                    .batch
                    .product(self.connection, machine, item)?
                    .map(|(name, _)| name),
                None => None,
            };
            let sale = sales::New {
                kind: "cash",
                operator,
                machine: Some(machine),
                vend: None,
                item,
                product: product.as_deref(),
                count: row.count,
                amount: machine::value_of(core::slice::from_ref(row)),
                currency: &currency,
                from_closed: Amount::ZERO,
                owed: Amount::ZERO,
                fee: Amount::ZERO,
                sold: None,
                test: false,
                review: false,
            };
            sales::add(self.batch, self.seq, self.at, &sale)?;
            self.tell(operator, Subject::Sale, Some(machine), sale.told())?;
        }
        Ok(())
    }

    /// Adds a count of the cash box.
    fn counted(
        self,
        operator: OperatorId,
        machine: MachineId,
        count: (TransferId, Amount, Amount),
    ) -> sql::Result<()> {
        let (key, counted, expected) = count;
        self.connection
            .prepare_cached(
                "INSERT INTO cash_count (seq, machine, at_ms, name, expected, counted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                kept(self.seq.number()),
                machine.number(),
                kept(self.at.as_millis()),
                key.as_bytes(),
                expected.minor(),
                counted.minor()
            ])?;
        let Some(currency) = currency_of(self.connection, machine)? else {
            return Ok(());
        };
        let shown = |amount: Amount| decimal(amount.minor(), &currency);
        let body = json!({
            "expected": shown(expected), "counted": shown(counted),
            "difference": shown(counted - expected), "currency": currency,
        });
        self.tell(operator, Subject::Cash, Some(machine), body)
    }
}

fn currency_of(connection: &Connection, machine: MachineId) -> sql::Result<Option<String>> {
    connection
        .prepare_cached("SELECT currency FROM machine WHERE machine = ?1")?
        .query_row([machine.number()], |row| row.get(0))
        .optional()
}
