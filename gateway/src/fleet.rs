//! An operator's fleet as people look at it: which machines and readers are whose, when they were
//! heard last, and what rang. Folded from the journal; no decision reads it.

use crate::bounds::{ALARM_SHOWN, ALARMS_SHOWN_MAX};
use crate::database::{kept, unkept};
use crate::happening::{self, Subject};
use crate::history::{Page, decimal, look_ahead, page};
use crate::sales;
use gettone_core::counters::{OTHER_ITEM, Row};
use gettone_core::id::{MachineId, OperatorId, Order, ReaderId, Rseq, TransferId, VendId};
use gettone_core::lock::LockState;
use gettone_core::money::Amount;
use gettone_core::notice::{Code, Notice};
use gettone_core::port::Seq;
use gettone_core::reader::{Contradiction, Hello};
use gettone_core::receipt::ReceiptKind;
use gettone_core::time::Timestamp;
use gettone_core::{machine, reader};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Something that a person should look at.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alarm {
    /// When it rang last, in milliseconds since 1970.
    pub at_ms: u64,
    /// What kind it is; it never changes.
    pub code: String,
    /// What is the matter, in words.
    pub words: String,
}

/// One count of a cash box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CashCounted {
    /// When.
    pub at: Timestamp,
    /// What should have been there.
    pub expected: Amount,
    /// What was there.
    pub counted: Amount,
    /// Who counted; empty when that is not known.
    pub by: String,
}

/// What was heard of a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// Which reader.
    pub reader: ReaderId,
    /// When its newest envelope came, if any has.
    pub last_seen: Option<Timestamp>,
}

/// One record's place and time on its way into the tables.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    /// Where to.
    pub connection: &'a Connection,
    /// Which record.
    pub seq: Seq,
    /// When it was written.
    pub at: Timestamp,
}

impl At<'_> {
    /// Takes in what happened to a machine.
    pub(crate) fn take_machine(
        self,
        machine: MachineId,
        event: &machine::Event,
    ) -> rusqlite::Result<()> {
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

    /// Adds what was sold for cash since the snapshot before.
    fn sold_for_cash(
        self,
        operator: OperatorId,
        machine: MachineId,
        sold: &[Row],
    ) -> rusqlite::Result<()> {
        let Some(currency) = currency_of(self.connection, machine)? else {
            return Ok(());
        };
        for row in sold {
            let item = (row.item != OTHER_ITEM).then_some(row.item);
            let product: Option<String> = match item {
                Some(item) => self
                    .connection
                    .prepare_cached("SELECT name FROM product WHERE machine = ?1 AND item = ?2")?
                    .query_row(params![machine.number(), item.number()], |row| row.get(0))
                    .optional()?,
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
            sales::add(self.connection, self.seq, self.at, &sale)?;
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
    ) -> rusqlite::Result<()> {
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

    /// Takes in what happened to a reader.
    pub(crate) fn take_reader(
        self,
        reader: ReaderId,
        event: &reader::Event,
    ) -> rusqlite::Result<()> {
        match event {
            reader::Event::Enrolled {
                machine, operator, ..
            } => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO reader (seq, reader, operator, machine)
                         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![
                        kept(self.seq.number()),
                        reader.as_bytes(),
                        operator.number(),
                        machine.number()
                    ])?;
                self.tell_of(reader, Subject::Reader, "enrolled", "a reader is enrolled")
            }
            reader::Event::Revoked => {
                self.tell_of(reader, Subject::Reader, "revoked", "its reader is revoked")
            }
            reader::Event::Heard {
                receipts,
                hello,
                contradiction,
                notices,
                ..
            } => {
                self.heard(reader, hello.as_ref())?;
                for notice in notices {
                    if let Some((code, words)) = alarming(notice) {
                        self.ring_of(reader, code, words)?;
                    }
                }
                for receipt in receipts
                    .iter()
                    .filter(|receipt| receipt.kind == ReceiptKind::VendOk)
                {
                    self.date(reader, receipt.order, (receipt.grant, receipt.rseq))?;
                }
                match contradiction {
                    Some(contradiction) => {
                        self.ring_of(reader, "contradiction", contradicted(*contradiction))
                    }
                    None => Ok(()),
                }
            }
            reader::Event::Applied { .. }
            | reader::Event::Answered { .. }
            | reader::Event::Fenced { .. } => Ok(()),
        }
    }

    /// Notes an alarm of a machine, and tells it.
    pub(crate) fn ring(
        self,
        operator: OperatorId,
        machine: MachineId,
        alarm: (&str, &str),
    ) -> rusqlite::Result<()> {
        let (code, words) = alarm;
        self.connection
            .prepare_cached(
                "INSERT INTO alarm (machine, code, at_ms, words) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, words = excluded.words",
            )?
            .execute(params![
                machine.number(),
                code,
                kept(self.at.as_millis()),
                words
            ])?;
        let body = json!({"code": code, "words": words});
        self.tell(operator, Subject::Alarm, Some(machine), body)
    }

    /// Tells operators' pages of something at a machine; its name and the time go with it.
    pub(crate) fn tell(
        self,
        operator: OperatorId,
        subject: Subject,
        machine: Option<MachineId>,
        body: Value,
    ) -> rusqlite::Result<()> {
        let body = placed(self.connection, self.at, machine, body)?;
        happening::tell(self.connection, operator, self.seq, (subject, &body))
    }

    fn tell_of(
        self,
        reader: ReaderId,
        subject: Subject,
        what: &str,
        words: &str,
    ) -> rusqlite::Result<()> {
        let Some((operator, machine)) = place_of(self.connection, reader)? else {
            return Ok(());
        };
        let body = json!({"reader_id": reader.to_string(), "what": what, "words": words});
        self.tell(operator, subject, Some(machine), body)
    }

    fn ring_of(self, reader: ReaderId, code: &str, words: &str) -> rusqlite::Result<()> {
        match place_of(self.connection, reader)? {
            Some((operator, machine)) => self.ring(operator, machine, (code, words)),
            None => Ok(()),
        }
    }

    fn heard(self, reader: ReaderId, hello: Option<&Hello>) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE reader SET heard_ms = ?2, mdb_state = ifnull(?3, mdb_state)
                 WHERE reader = ?1",
            )?
            .execute(params![
                reader.as_bytes(),
                kept(self.at.as_millis()),
                hello.map(|hello| hello.facts.mdb_state)
            ])?;
        if let Some(order) = hello.map(|hello| hello.order) {
            // The HELLO may have travelled for a while; the earliest guess of the start is nearest.
            let started = self.at.as_millis().saturating_sub(order.uptime_ms);
            self.connection
                .prepare_cached(
                    "INSERT INTO start (reader, boot, at_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET at_ms = min(at_ms, excluded.at_ms)",
                )?
                .execute(params![reader.as_bytes(), order.boot, kept(started)])?;
        }
        self.tell_of(reader, Subject::Reader, "heard", "its reader was heard")
    }

    /// Notes when something was sold, as far as the reader's start is known.
    fn date(self, reader: ReaderId, order: Order, vend: (VendId, Rseq)) -> rusqlite::Result<()> {
        let started: Option<i64> = self
            .connection
            .prepare_cached("SELECT at_ms FROM start WHERE reader = ?1 AND boot = ?2")?
            .query_row(params![reader.as_bytes(), order.boot], |row| row.get(0))
            .optional()?;
        let Some(started) = started else {
            return Ok(());
        };
        let (vend, rseq) = vend;
        // Nothing was sold after it was told.
        let sold = unkept(started)
            .saturating_add(order.uptime_ms)
            .min(self.at.as_millis());
        self.connection
            .prepare_cached(
                "INSERT INTO dated (vend, rseq, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![vend.as_bytes(), kept(rseq.number()), kept(sold)])?;
        Ok(())
    }
}

/// When something was sold, as its reader dated it; it is asked once.
pub(crate) fn dated(
    connection: &Connection,
    vend: VendId,
    rseq: Rseq,
) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached("DELETE FROM dated WHERE vend = ?1 AND rseq = ?2 RETURNING at_ms")?
        .query_row(params![vend.as_bytes(), kept(rseq.number())], |row| {
            Ok(Timestamp::from_millis(unkept(row.get(0)?)))
        })
        .optional()
}

/// An event's body with its time, and the machine's number and name.
pub(crate) fn placed(
    connection: &Connection,
    at: Timestamp,
    machine: Option<MachineId>,
    mut body: Value,
) -> rusqlite::Result<Value> {
    body["at_ms"] = at.as_millis().into();
    if let Some(machine) = machine {
        body["machine"] = machine.number().into();
        let name: Option<String> = connection
            .prepare_cached("SELECT name FROM place WHERE machine = ?1 AND name <> ''")?
            .query_row([machine.number()], |row| row.get(0))
            .optional()?;
        body["machine_name"] = name.into();
    }
    Ok(body)
}

/// Whose a machine is.
pub(crate) fn operator_of(
    connection: &Connection,
    machine: MachineId,
) -> rusqlite::Result<Option<OperatorId>> {
    connection
        .prepare_cached("SELECT operator FROM machine WHERE machine = ?1")?
        .query_row([machine.number()], |row| Ok(OperatorId::new(row.get(0)?)))
        .optional()
}

fn currency_of(connection: &Connection, machine: MachineId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT currency FROM machine WHERE machine = ?1")?
        .query_row([machine.number()], |row| row.get(0))
        .optional()
}

fn place_of(
    connection: &Connection,
    reader: ReaderId,
) -> rusqlite::Result<Option<(OperatorId, MachineId)>> {
    connection
        .prepare_cached("SELECT operator, machine FROM reader WHERE reader = ?1")?
        .query_row([reader.as_bytes()], |row| {
            Ok((OperatorId::new(row.get(0)?), MachineId::new(row.get(1)?)))
        })
        .optional()
}

/// An operator's machines by number, after machine `after`.
pub(crate) fn machines(
    connection: &Connection,
    operator: OperatorId,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Page<MachineId>> {
    let lines = connection
        .prepare_cached(
            "SELECT machine FROM machine WHERE operator = ?1 AND machine > ?2
             ORDER BY machine LIMIT ?3",
        )?
        .query_map(
            params![operator.number(), after.map_or(-1, kept), look_ahead(limit)],
            |row| {
                let machine: u32 = row.get(0)?;
                Ok((u64::from(machine), MachineId::new(machine)))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// An operator's readers in the order of their enrolment, after line `after`.
pub(crate) fn readers(
    connection: &Connection,
    operator: OperatorId,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Page<Heard>> {
    let lines = connection
        .prepare_cached(
            "SELECT seq, reader, heard_ms FROM reader WHERE operator = ?1 AND seq > ?2
             ORDER BY seq LIMIT ?3",
        )?
        .query_map(
            params![operator.number(), after.map_or(-1, kept), look_ahead(limit)],
            |row| {
                let heard: Option<i64> = row.get(2)?;
                let line = Heard {
                    reader: ReaderId::from_bytes(row.get(1)?),
                    last_seen: heard.map(|at| Timestamp::from_millis(unkept(at))),
                };
                Ok((unkept(row.get(0)?), line))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page(lines, limit))
}

/// When a reader was heard last, and what it said of its machine then.
pub(crate) fn last_seen(
    connection: &Connection,
    reader: ReaderId,
) -> rusqlite::Result<Option<(Timestamp, Option<u8>)>> {
    let heard: Option<(Option<i64>, Option<u8>)> = connection
        .prepare_cached("SELECT heard_ms, mdb_state FROM reader WHERE reader = ?1")?
        .query_row([reader.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(heard.and_then(|(at, mdb_state)| Some((Timestamp::from_millis(unkept(at?)), mdb_state))))
}

/// Counts of a machine's cash box, the newest first, with who counted.
pub(crate) fn cash_counts(
    connection: &Connection,
    machine: MachineId,
    limit: usize,
) -> rusqlite::Result<Vec<CashCounted>> {
    connection
        .prepare_cached(
            "SELECT at_ms, expected, counted, counter.who FROM cash_count
             LEFT JOIN counter ON counter.name = cash_count.name
             WHERE machine = ?1 ORDER BY seq DESC LIMIT ?2",
        )?
        .query_map(
            params![machine.number(), i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                Ok(CashCounted {
                    at: Timestamp::from_millis(unkept(row.get(0)?)),
                    expected: Amount::from_minor(row.get(1)?),
                    counted: Amount::from_minor(row.get(2)?),
                    by: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                })
            },
        )?
        .collect()
}

/// Notes who asks for a count.
pub(crate) fn note_counter(
    connection: &Connection,
    operator: OperatorId,
    name: TransferId,
    who: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO counter (name, operator, who) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![name.as_bytes(), operator.number(), who])?;
    Ok(())
}

/// What rang at a machine lately, the newest first.
pub(crate) fn alarms(
    connection: &Connection,
    machine: MachineId,
    now: Timestamp,
) -> rusqlite::Result<Vec<Alarm>> {
    let shown_ms = u64::try_from(ALARM_SHOWN.as_millis()).unwrap_or(u64::MAX);
    connection
        .prepare_cached(
            "SELECT at_ms, code, words FROM alarm WHERE machine = ?1 AND at_ms >= ?2
             ORDER BY at_ms DESC LIMIT ?3",
        )?
        .query_map(
            params![
                machine.number(),
                kept(now.as_millis().saturating_sub(shown_ms)),
                ALARMS_SHOWN_MAX
            ],
            |row| {
                Ok(Alarm {
                    at_ms: unkept(row.get(0)?),
                    code: row.get(1)?,
                    words: row.get(2)?,
                })
            },
        )?
        .collect()
}

/// The name and the words of a notice that a person should look at.
fn alarming(notice: &Notice) -> Option<(&'static str, &'static str)> {
    let words = match notice.code {
        Code::PRICE_REFUSED => "the machine asked for a price that the bus cannot express",
        Code::BUS_LOST => {
            "the machine's controller fell silent: is it switched on, and plugged in?"
        }
        Code::OTHER_DEVICE => "another cashless device answers at the reader's address",
        Code::CLOCK => "the reader's clock was set by a large step",
        Code::ACK_MISMATCH => "the reader was told of a receipt that it does not have",
        Code::SENSOR => "the light sensor does not work: nobody can pay here",
        Code::VMC_CHANGED => "the machine has another controller than before",
        Code::JOURNAL_FULL => "the reader's journal is full: let a phone pass by",
        Code::LOST => "the reader had more to say than it could keep",
        _ => return None,
    };
    notice.code.name().map(|name| (name, words))
}

const fn contradicted(found: Contradiction) -> &'static str {
    match found {
        Contradiction::OtherContent { .. } => {
            "the reader told a receipt anew with other content: it may be a copy"
        }
        Contradiction::BrokenChain { .. } => {
            "a receipt of the reader does not link to the one before"
        }
        Contradiction::Rollback { .. } => "the reader went back in time: it may be a copy",
        Contradiction::OldEpoch => "the reader writes a journal that was replaced before",
    }
}
