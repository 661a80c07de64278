//! What was heard of readers.

use super::Fold;
use crate::database::{kept, unkept};
use crate::happening::Subject;
use crate::sql::{self, Connection, OptionalExtension, params};
use gettone_core::id::{MachineId, OperatorId, Order, ReaderId, Rseq, VendId};
use gettone_core::notice::{Code, Notice};
use gettone_core::reader::{self, Contradiction, Hello};
use gettone_core::receipt::ReceiptKind;
use gettone_core::time::Timestamp;
use serde_json::json;

impl Fold<'_> {
    /// Takes in what happened to a reader.
    pub(super) fn take_reader(self, reader: ReaderId, event: &reader::Event) -> sql::Result<()> {
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
                self.end_doubt(reader)?;
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
            reader::Event::Scanned(scanned) => {
                self.heard(reader, None)?;
                for receipt in scanned
                    .receipts
                    .iter()
                    .filter(|receipt| receipt.kind == ReceiptKind::VendOk)
                {
                    self.date(reader, receipt.order, (receipt.grant, receipt.rseq))?;
                }
                match scanned.contradiction {
                    Some(contradiction) => {
                        self.ring_of(reader, "contradiction", contradicted(contradiction))
                    }
                    None => Ok(()),
                }
            }
            reader::Event::KeyDisputed { .. } => self.ring_of(
                reader,
                "key_disputed",
                "the reader announced one next key and then another: it may be a copy",
            ),
            reader::Event::ControllerDoubted { .. } => {
                self.doubt(reader)?;
                self.ring_of(
                    reader,
                    "controller_doubted",
                    "the reader is at another controller than before: was the board moved, or the \
                     machine's inside exchanged? Look, and confirm it",
                )
            }
            reader::Event::ControllerTrusted => {
                self.trust(reader)?;
                self.tell_of(
                    reader,
                    Subject::Reader,
                    "confirmed",
                    "its reader is at the right machine",
                )
            }
            reader::Event::KeySwitched { .. } => self.tell_of(
                reader,
                Subject::Reader,
                "rekeyed",
                "its reader has a new key",
            ),
            reader::Event::KeyAnnounced(_)
            | reader::Event::ServerFollowed { .. }
            | reader::Event::Applied { .. }
            | reader::Event::TokensKept { .. }
            | reader::Event::Forgotten { .. }
            | reader::Event::Answered { .. }
            | reader::Event::Fenced { .. } => Ok(()),
        }
    }

    /// What is booked from now on may have been sold by another machine; a second doubt begins no
    /// later than the first.
    fn doubt(self, reader: ReaderId) -> sql::Result<()> {
        let Some((_, machine)) = place_of(self.connection, reader)? else {
            return Ok(());
        };
        self.connection
            .prepare_cached(
                "INSERT INTO doubt (reader, machine, since_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                reader.as_bytes(),
                machine.number(),
                kept(self.at.as_millis())
            ])?;
        Ok(())
    }

    /// It sells nothing more; what it has sold is in doubt until somebody has looked, and what its
    /// successor sells is not.
    fn end_doubt(self, reader: ReaderId) -> sql::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE doubt SET until_ms = ?2 WHERE reader = ?1 AND until_ms IS NULL",
            )?
            .execute(params![reader.as_bytes(), kept(self.at.as_millis())])?;
        Ok(())
    }

    fn trust(self, reader: ReaderId) -> sql::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM doubt WHERE reader = ?1")?
            .execute(params![reader.as_bytes()])?;
        Ok(())
    }

    fn tell_of(
        self,
        reader: ReaderId,
        subject: Subject,
        what: &str,
        words: &str,
    ) -> sql::Result<()> {
        let Some((operator, machine)) = place_of(self.connection, reader)? else {
            return Ok(());
        };
        let body = json!({"reader_id": reader.to_string(), "what": what, "words": words});
        self.tell(operator, subject, Some(machine), body)
    }

    fn ring_of(self, reader: ReaderId, code: &str, words: &str) -> sql::Result<()> {
        match place_of(self.connection, reader)? {
            Some((operator, machine)) => self.ring(operator, machine, (code, words)),
            None => Ok(()),
        }
    }

    fn heard(self, reader: ReaderId, hello: Option<&Hello>) -> sql::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE reader SET heard_ms = ?2, mdb_state = coalesce(?3, mdb_state)
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
                     ON CONFLICT (reader, boot) DO UPDATE SET at_ms = CASE
                         WHEN excluded.at_ms < start.at_ms THEN excluded.at_ms ELSE start.at_ms END",
                )?
                .execute(params![reader.as_bytes(), order.boot, kept(started)])?;
        }
        self.tell_of(reader, Subject::Reader, "heard", "its reader was heard")
    }

    /// Notes when something was sold, as far as the reader's start is known.
    fn date(self, reader: ReaderId, order: Order, vend: (VendId, Rseq)) -> sql::Result<()> {
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
        self.batch.date(vend, rseq, Timestamp::from_millis(sold));
        Ok(())
    }
}

fn place_of(
    connection: &Connection,
    reader: ReaderId,
) -> sql::Result<Option<(OperatorId, MachineId)>> {
    connection
        .prepare_cached("SELECT operator, machine FROM reader WHERE reader = ?1")?
        .query_row([reader.as_bytes()], |row| {
            Ok((OperatorId::new(row.get(0)?), MachineId::new(row.get(1)?)))
        })
        .optional()
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
        Code::FIRMWARE_GIVEN_UP => {
            "the reader gave up its new program, and runs the one before: release a mended one"
        }
        Code::PRICE_DIFFERS => "the machine asks for another price than the price table has",
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
