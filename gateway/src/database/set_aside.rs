//! Receipts of readers that nobody believes any more: they move no money, and wait for a person.

use super::{kept, unkept};
use crate::bounds::SET_ASIDE_MAX;
use crate::sql::{self, Connection, Transaction, params};
use gettone_channel::{JournalEpoch, Receipt};
use gettone_core::id::ReaderId;
use gettone_core::time::Timestamp;

/// A receipt that waits for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SetAside {
    /// The journal epoch.
    pub epoch: [u8; 8],
    /// Its number there.
    pub rseq: u64,
    /// What it says happened, by the number on the wire.
    pub kind: u8,
    /// The grant that it names.
    pub grant: [u8; 16],
    /// The selection.
    pub item: u16,
    /// In minor units.
    pub amount: u32,
    /// The start of the reader in which it was written, and when in it, in milliseconds.
    pub made: (u32, u64),
    /// When it came.
    pub came: Timestamp,
}

/// Keeps receipts of a reader; what is kept stays as it is, and once there are too many no more are.
/// Gives how many found no room.
pub(crate) fn keep(
    transaction: &Transaction<'_>,
    reader: ReaderId,
    (epoch, receipts): (JournalEpoch, &[Receipt]),
    at: Timestamp,
) -> sql::Result<usize> {
    let count: i64 = transaction.query_row(
        "SELECT count(*) FROM set_aside WHERE reader = ?1",
        params![reader.as_bytes()],
        |row| row.get(0),
    )?;
    let room = usize::try_from(SET_ASIDE_MAX.saturating_sub(count)).unwrap_or_default();
    for receipt in receipts.iter().take(room) {
        transaction.execute(
            "INSERT INTO set_aside
             (reader, epoch, rseq, kind, vend, item, amount, boot, uptime_ms, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
            params![
                reader.as_bytes(),
                epoch.as_bytes(),
                kept(receipt.rseq),
                receipt.kind.code(),
                receipt.grant.as_bytes(),
                receipt.item,
                receipt.amount,
                receipt.boot,
                kept(receipt.mono_ms),
                kept(at.as_millis()),
            ],
        )?;
    }
    Ok(receipts.len().saturating_sub(room))
}

/// What a reader's receipts say that wait for a person, as they were written.
pub(crate) fn list(connection: &Connection, reader: ReaderId) -> sql::Result<Vec<SetAside>> {
    connection
        .prepare_cached(
            "SELECT epoch, rseq, kind, vend, item, amount, boot, uptime_ms, at_ms
             FROM set_aside WHERE reader = ?1 ORDER BY epoch, rseq LIMIT ?2",
        )?
        .query_map(params![reader.as_bytes(), SET_ASIDE_MAX], |row| {
            Ok(SetAside {
                epoch: row.get(0)?,
                rseq: unkept(row.get(1)?),
                kind: row.get(2)?,
                grant: row.get(3)?,
                item: row.get(4)?,
                amount: row.get(5)?,
                made: (row.get(6)?, unkept(row.get(7)?)),
                came: Timestamp::from_millis(unkept(row.get(8)?)),
            })
        })?
        .collect()
}
